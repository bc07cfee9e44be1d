/* SPDX-License-Identifier: MIT */
#include "drivers/aws/rates.h"

#include <math.h>

/* A bucket that has been throttled never gets slower than one call in four seconds. */
#define RATE_LEAST 0.25
/* Throttle answers within this span count once: calls in flight are throttled together. */
#define HALVE_SPAN 1.0
/* A bucket without a documented limit that has widened to this is unlimited again. */
#define RATE_FREE 200.0
/* What one good answer adds to a rate, as a share of it. */
#define WIDEN 0.05

struct bucket {
    char *name;     /* "service" or "service.action" */
    double ceiling; /* documented or configured, calls per second; INFINITY: none */
    double rate;    /* at present */
    double next;    /* when the next turn is, if turns are handed out one by one */
    double halved;  /* when it was halved last */
    double window;  /* since when `count` counts */
    unsigned count;
    double measured; /* calls per second in the last whole window */
    bool told;       /* that it is throttled */
};

struct rates {
    uv_mutex_t mutex;
    struct bucket *buckets;
    size_t n;
};

struct rate_default {
    const char *name;
    double rate;
};

static const struct rate_default rate_defaults[];
static const size_t rate_defaults_n;

static struct bucket *bucket_find(struct rates *r, const char *name)
{
    for (size_t i = 0; i < r->n; i++)
        if (strcmp(r->buckets[i].name, name) == 0)
            return &r->buckets[i];
    return NULL;
}

static struct bucket *bucket_add(struct rates *r, const char *name, double ceiling)
{
    struct bucket *b = bucket_find(r, name);
    if (b == NULL) {
        r->buckets = xrealloc_array(r->buckets, r->n + 1, sizeof(*r->buckets));
        b = &r->buckets[r->n++];
        *b = (struct bucket){ .name = xstrdup(name), .halved = -INFINITY, .next = -INFINITY };
    }
    b->ceiling = b->rate = ceiling;
    return b;
}

int rates_new(const cJSON *config, struct rates **ret, struct err *err)
{
    const cJSON *child;
    cJSON_ArrayForEach (child, config) {
        if (!cJSON_IsNumber(child) || !(child->valuedouble > 0) || !isfinite(child->valuedouble))
            return err_set(err, ERR_INVALID,
                           "rates: '%s' must be a number of calls per second "
                           "above 0",
                           child->string);
    }
    struct rates *r = xcalloc(1, sizeof(*r));
    uv_mutex_init(&r->mutex);
    for (size_t i = 0; i < rate_defaults_n; i++)
        bucket_add(r, rate_defaults[i].name, rate_defaults[i].rate);
    cJSON_ArrayForEach (child, config)
        bucket_add(r, child->string, child->valuedouble);
    *ret = r;
    return 0;
}

void rates_free(struct rates *r)
{
    if (r == NULL)
        return;
    for (size_t i = 0; i < r->n; i++)
        free(r->buckets[i].name);
    free(r->buckets);
    uv_mutex_destroy(&r->mutex);
    free(r);
}

static void bucket_measure(struct bucket *b, double now)
{
    if (now - b->window >= 1.0) {
        b->measured = b->count / fmax(now - b->window, 1.0);
        b->window = now;
        b->count = 0;
    }
    b->count++;
}

/* Turns are 1/rate apart; up to a second's worth that nobody took can be taken at once. */
static double bucket_take(struct bucket *b, double now)
{
    bucket_measure(b, now);
    if (isinf(b->rate))
        return 0;
    double gap = 1 / b->rate;
    double earliest = now - fmax(0, 1 - gap);
    if (b->next < earliest)
        b->next = earliest;
    double wait = b->next - now;
    b->next += gap;
    return fmax(0, wait);
}

double rates_take(struct rates *r, const char *service, const char *action, double now)
{
    _cleanup_free_ char *name = xasprintf("%s.%s", service, action);
    uv_mutex_lock(&r->mutex);
    struct bucket *narrow = bucket_find(r, name);
    double wait = narrow != NULL ? bucket_take(narrow, now) : 0;
    struct bucket *wide = bucket_find(r, service);
    if (wide == NULL)
        wide = bucket_add(r, service, INFINITY);
    wait = fmax(wait, bucket_take(wide, now));
    uv_mutex_unlock(&r->mutex);
    return wait;
}

static void bucket_halve(struct bucket *b, double now)
{
    if (now - b->halved < HALVE_SPAN)
        return;
    b->halved = now;
    double from = isinf(b->rate) ? fmax(fmax(b->measured, b->count), 2.0) : b->rate;
    b->rate = fmax(RATE_LEAST, from / 2);
}

static void bucket_widen(struct bucket *b)
{
    if (isinf(b->rate))
        return;
    b->rate = fmin(b->rate * (1 + WIDEN), b->ceiling);
    if (b->rate > RATE_FREE && isinf(b->ceiling))
        b->rate = INFINITY;
}

void rates_tell(struct rates *r, const char *service, const char *action, bool throttled,
                double now)
{
    _cleanup_free_ char *name = xasprintf("%s.%s", service, action);
    uv_mutex_lock(&r->mutex);
    /* AWS counts most actions by themselves: it is the action's bucket that a throttle halves.
     * Where all of a service's calls have one limit, as Route 53's, it is the service's. */
    struct bucket *wide = bucket_find(r, service);
    bool shared = wide != NULL && !isinf(wide->ceiling);
    struct bucket *moved = shared ? wide : bucket_find(r, name);
    if (moved == NULL && throttled)
        moved = bucket_add(r, name, INFINITY);
    if (moved != NULL && throttled)
        bucket_halve(moved, now);
    else if (moved != NULL)
        bucket_widen(moved);
    uv_mutex_unlock(&r->mutex);
}

bool rates_are_told(struct rates *r, const char *service)
{
    uv_mutex_lock(&r->mutex);
    struct bucket *b = bucket_find(r, service);
    if (b == NULL)
        b = bucket_add(r, service, INFINITY);
    bool told = b->told;
    b->told = true;
    uv_mutex_unlock(&r->mutex);
    return told;
}

double rates_of(struct rates *r, const char *name)
{
    uv_mutex_lock(&r->mutex);
    struct bucket *b = bucket_find(r, name);
    double rate = b != NULL ? b->rate : INFINITY;
    uv_mutex_unlock(&r->mutex);
    return rate;
}

/* Where AWS documents a limit of its own per account and region; the user guides' quota pages of
 * Route 53, CloudWatch and CloudWatch Logs. */
static const struct rate_default rate_defaults[] = {
    { "route53", 5 },
    { "monitoring.PutMetricAlarm", 3 },
    { "monitoring.DeleteAlarms", 3 },
    { "monitoring.DescribeAlarms", 9 },
    { "monitoring.PutDashboard", 10 },
    { "monitoring.DeleteDashboards", 10 },
    { "monitoring.GetDashboard", 10 },
    { "monitoring.ListDashboards", 10 },
    { "logs.CreateLogGroup", 5 },
    { "logs.DeleteLogGroup", 5 },
    { "logs.DescribeLogGroups", 5 },
    { "logs.PutRetentionPolicy", 5 },
    { "logs.PutMetricFilter", 5 },
    { "logs.DescribeMetricFilters", 5 },
    { "logs.FilterLogEvents", 5 },
    { "logs.GetLogEvents", 10 },
    { "logs.DescribeLogStreams", 25 },
    { "ecs.RunTask", 20 },
    { "ecr.GetAuthorizationToken", 20 },
    { "cloudformation.DescribeStacks", 2 },
};
static const size_t rate_defaults_n = ARRAY_SIZE(rate_defaults);
