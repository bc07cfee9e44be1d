/* SPDX-License-Identifier: MIT */
/*
 * Why what failed has failed: drivers read it, on workers, in parallel, while everything is still
 * as it was when it failed. Time is bounded, since whoever waits for the verdict must not wait for
 * its reasons: what cannot be read in time is said, and hides nothing of the failure itself.
 */
#include "drivers/explanation.h"
#include "executor/engine/internal.h"
#include "executor/engine/workers.h"

struct inquiry {
    struct job job; /* first: the workers hand this back */
    struct session *session;
    struct resource *r;
};

static bool has_failed(const struct resource *r)
{
    return r->progress == PROGRESS_FAILED && r->error.class != ERR_CANCELLED;
}

/* Whether its driver can tell more than the error does. */
static bool is_inquired(const struct resource *r)
{
    return has_failed(r) && r->type->explain != NULL;
}

static void inquiry_work(struct job *job)
{
    struct inquiry *inquiry = (struct inquiry *)job;
    struct resource *r = inquiry->r;
    r->type->explain(inquiry->session, r, r->explanation);
}

static unsigned rank_of(const struct resource *r)
{
    return r->type->flags & TYPE_APPLICATION ? 1 : 0;
}

/* Each that failed has its error for a cause; those whose driver can tell more are inquired. */
static size_t inquiries_make(struct session *s, struct graph *g, struct inquiry *ret)
{
    size_t n = 0;
    for (size_t i = 0; i < g->n; i++) {
        struct resource *r = g->v[i];
        if (!has_failed(r))
            continue;
        cJSON_Delete(r->explanation);
        r->explanation =
            explanation_new(r->error.message ? r->error.message : err_class_words(r->error.class));
        if (!is_inquired(r))
            continue;
        ret[n++] = (struct inquiry){
            .job = { .work = inquiry_work, .rank = rank_of(r) },
            .session = s,
            .r = r,
        };
    }
    return n;
}

/* "3 services", "2 services and 1 alarm", "7 resources": what failed, in words. */
static void count_failed(const struct graph *g, struct strbuf *out, size_t *ret_n)
{
    const struct resource_type *types[2] = { NULL, NULL };
    size_t counts[2] = { 0, 0 }, n = 0, n_types = 0;
    for (size_t i = 0; i < g->n; i++) {
        const struct resource_type *type = g->v[i]->type;
        if (!has_failed(g->v[i]))
            continue;
        n++;
        size_t t = 0;
        while (t < n_types && t < ARRAY_SIZE(types) && types[t] != type)
            t++;
        if (t == n_types && n_types < ARRAY_SIZE(types))
            types[n_types++] = type;
        else if (t == ARRAY_SIZE(types))
            n_types = ARRAY_SIZE(types) + 1; /* more than are worth counting */
        if (t < ARRAY_SIZE(types))
            counts[t]++;
    }
    *ret_n = n;
    for (size_t t = 0; t < n_types && n_types <= ARRAY_SIZE(types); t++)
        strbuf_addf(out, "%s%zu %s", t > 0 ? " and " : "", counts[t],
                    counts[t] == 1 ? types[t]->singular : types[t]->plural);
    if (n_types > ARRAY_SIZE(types))
        strbuf_addf(out, "%zu resources", n);
}

/* The one whose failure is the run's. */
static const struct resource *first_failed(const struct graph *g, const struct err *err)
{
    for (size_t i = 0; i < g->n; i++)
        if (has_failed(g->v[i]) && g->v[i]->error.class == err->class &&
            str_eq(g->v[i]->error.message, err->message))
            return g->v[i];
    return NULL;
}

static void say_cause(const struct graph *g, struct err *err)
{
    const struct resource *first = first_failed(g, err);
    const char *cause = first != NULL ? json_str(first->explanation, "cause") : NULL;
    if (cause == NULL)
        return;
    size_t n;
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    count_failed(g, &text, &n);
    if (n > 1)
        strbuf_adds(&text, " failed; ");
    else
        strbuf_reset(&text);
    strbuf_adds(&text, cause);
    free(err->message);
    err->message = strbuf_detach(&text);
}

static void read_all(struct session *s, struct inquiry *inquiries, size_t n,
                     const struct engine_options *o)
{
    if (s != NULL)
        session_limit(s, clock_now() + ENGINE_EXPLAIN_SECONDS);
    _cleanup_err_ struct err err = ERR_INIT; /* no threads: what is known is told all the same */
    workers_run(inquiries, n, sizeof(*inquiries), engine_workers(o), NULL, NULL, &err);
    if (s != NULL)
        session_limit(s, 0);
}

static bool is_cancelled(const struct engine_options *o)
{
    return o->cancel != NULL && cancel_is_set(o->cancel);
}

/* Where a call has failed, before AWS had anything to do, its error says all. */
size_t engine_unexplained(const struct graph *g, const struct engine_options *o)
{
    size_t n = 0;
    if (is_cancelled(o))
        return 0;
    for (size_t i = 0; i < g->n; i++)
        n += is_inquired(g->v[i]) && g->v[i]->waiting_for != NULL;
    return n;
}

void engine_explain(struct session *s, struct graph *g, const struct engine_options *o,
                    struct err *err)
{
    _cleanup_free_ struct inquiry *inquiries = xcalloc(g->n + 1, sizeof(*inquiries));
    size_t n = inquiries_make(s, g, inquiries);
    if (n > 0 && !is_cancelled(o))
        read_all(s, inquiries, n, o);
    say_cause(g, err);
}
