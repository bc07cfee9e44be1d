/* SPDX-License-Identifier: MIT */
#include "executor/adopt.h"

#include "drivers/aws/together.h"
#include "drivers/cloudwatch.h"
#include "drivers/elasticache.h"
#include "drivers/tagged.h"
#include "executor/base/utf8.h"
#include "executor/engine/planprint.h"

/* A stack takes minutes to change its tags; everything else is there at once. */
#define SEEN_SECONDS 900

static bool is_there(const struct resource *r)
{
    return r->type->scope == SCOPE_ENVIRONMENT && r->want != NULL && r->have != NULL;
}

/* An unchanged alarm, and a cache in our subnet group, are taken for ours without their tags being
 * read: here they decide. */
static int read_assumed(struct session *s, struct graph *g, struct err *err)
{
    _cleanup_free_ struct resource **assumed = xcalloc(g->n + 1, sizeof(struct resource *));
    size_t n = 0;
    for (size_t i = 0; i < g->n; i++) {
        if (!is_there(g->v[i]))
            continue;
        if (elasticache_read_tags(s, g->v[i], err) < 0)
            return -1;
        if (cloudwatch_is_assumed(g->v[i]))
            assumed[n++] = g->v[i];
    }
    return cloudwatch_read_tags(s, assumed, n, err);
}

/* Whose it is, where that is somebody else; the caller frees it. NULL: nobody's. */
static char *owner_of(const struct resource *r)
{
    static const char *const ownership[] = { "berth:project", "berth:ref", "berth:name" };
    const char *stack = json_str(r->tags, "aws:cloudformation:stack-name");
    const char *environment = json_str(r->tags, "Environment");
    if (stack != NULL)
        return xasprintf("it is held by the CloudFormation stack '%s'", stack);
    for (size_t i = 0; i < ARRAY_SIZE(ownership); i++)
        if (json_str(r->tags, ownership[i]) != NULL)
            return xasprintf("it has the tag %s=%s%s%s", ownership[i],
                             json_str(r->tags, ownership[i]),
                             environment != NULL ? ", Environment=" : "",
                             environment != NULL ? environment : "");
    if (environment != NULL && !str_eq(environment, r->graph->context.environment))
        return xasprintf("it has the tag Environment=%s", environment);
    return NULL;
}

/* What of several is not ours and cannot be adopted either, in one text, or NULL; the caller frees
 * it. */
static char *others_in(const struct resource *r)
{
    const cJSON *foreign = json_get(r->memo, "foreign"), *line;
    const cJSON *unowned = json_get(r->memo, "unowned");
    if (foreign == NULL || json_count(foreign) == json_count(unowned))
        return NULL;
    struct strbuf text = STRBUF_INIT;
    cJSON_ArrayForEach (line, foreign)
        strbuf_addf(&text, "%s%s", text.len > 0 ? ", " : "", line->valuestring);
    return strbuf_detach(&text);
}

static void decide(struct adoption *a, struct resource *r)
{
    if (resource_is_ours(r)) {
        a->ours++;
        return;
    }
    struct adopt_item *item = &a->v[a->n++];
    item->r = r;
    item->why = owner_of(r);
    if (item->why == NULL)
        item->why = others_in(r);
    if (item->why == NULL && r->type->adopt == NULL)
        item->why = xstrdup("this kind of resource has no owner");
    item->take = item->why == NULL;
}

/* Whether a resource of the graph, or what is its child, has this ARN: its outputs say so, whole or
 * by the id at its end. */
static bool is_known(const struct graph *g, const char *arn)
{
    for (size_t i = 0; i < g->n; i++) {
        const cJSON *output;
        cJSON_ArrayForEach (output, g->v[i]->outputs) {
            const char *value = cJSON_GetStringValue(output);
            size_t len = value != NULL ? strlen(value) : 0, whole = strlen(arn);
            if (len == 0 || len > whole || strcmp(arn + whole - len, value) != 0)
                continue;
            if (len == whole || strchr("/:", arn[whole - len - 1]) != NULL)
                return true;
        }
    }
    return false;
}

/* Whether it is what another resource consists of, and follows that: an older revision its family,
 * a task its service, a listener its load balancer. */
static bool is_part(const char *arn)
{
    static const char *const parts[] = { ":task-definition/",   ":task/",
                                         ":network-interface/", ":listener/",
                                         ":listener-rule/",     ":service/srv-" };
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
        if (strstr(arn, parts[i]) != NULL)
            return true;
    return false;
}

/* What, as far as the tagging API's index knows, wears the environment's tag but is no resource of
 * it. */
static int find_strays(struct session *s, struct adoption *a, struct err *err)
{
    _cleanup_json_ cJSON *found = NULL;
    if (tagged_find_environment(s, a->g, NULL, &found, err) < 0)
        return -1;
    const cJSON *one;
    cJSON_ArrayForEach (one, found) {
        const char *arn = json_str(one, "ResourceARN");
        if (!is_part(arn) && !is_known(a->g, arn))
            strlist_add(&a->strays, arn);
    }
    return 0;
}

int adopt_look(struct session *s, struct graph *g, struct adoption *ret, struct err *err)
{
    _cleanup_adoption_ struct adoption a = ADOPTION_INIT;
    a.g = g;
    a.v = xcalloc(g->n + 1, sizeof(*a.v));
    if (read_assumed(s, g, err) < 0)
        return -1;
    for (size_t i = 0; i < g->n; i++)
        if (is_there(g->v[i]))
            decide(&a, g->v[i]);
    if (find_strays(s, &a, err) < 0)
        return -1;
    *ret = a;
    a = (struct adoption)ADOPTION_INIT;
    return 0;
}

size_t adopt_count(const struct adoption *a)
{
    size_t n = 0;
    for (size_t i = 0; i < a->n; i++)
        n += a->v[i].take;
    return n;
}

struct taking {
    struct session *s;
    struct adopt_item *item;
};

static int take(void *context, struct err *err)
{
    struct taking *t = context;
    struct resource *r = t->item->r;
    (void)err; /* each resource has its own */
    if (cancel_is_set(session_cancel(t->s)))
        return err_set(&t->item->err, ERR_CANCELLED, "not tried: the run was cancelled"), 0;
    r->type->adopt(t->s, r, &t->item->err);
    return 0;
}

/* Looks at it anew; what a Describe does not tell with the rest is read again only where it is not
 * known. */
static int look_again(struct session *s, struct resource *r, struct err *err)
{
    cJSON_Delete(steal_ptr(&r->tags));
    if (r->type->observe(s, &r, 1, err) < 0)
        return -1;
    if (r->have == NULL)
        return 0;
    return cloudwatch_is_assumed(r) ? cloudwatch_read_tags(s, &r, 1, err)
                                    : elasticache_read_tags(s, r, err);
}

/* How it is, as far as its tags depend on it. */
static enum readiness judge(const struct resource *r, struct strbuf *why)
{
    bool application = (r->type->flags & TYPE_APPLICATION) != 0;
    return !application && r->type->judge != NULL ? r->type->judge(r, why) : READY;
}

/* Waits until its own Describe says that it is ours; the engine's pauses are those of deploys. */
static int see(struct session *s, const struct engine_options *o, struct adopt_item *item,
               struct err *err)
{
    double pause = o->poll_first > 0 ? o->poll_first : 2, deadline = clock_now() + SEEN_SECONDS;
    double longest = o->poll_max > 0 ? o->poll_max : 15;
    for (;;) {
        if (look_again(s, item->r, err) < 0)
            return -1;
        if (item->r->have == NULL)
            return err_set(err, ERR_FAILED, "it is gone");
        _cleanup_strbuf_ struct strbuf why = STRBUF_INIT;
        enum readiness readiness = judge(item->r, &why);
        item->adopted = resource_is_ours(item->r) && readiness != WAITING;
        if (item->adopted)
            return 0;
        if (readiness == FAILED) /* a stack takes its tags back */
            return err_set(err, ERR_FAILED, "%s", why.buf);
        if (clock_now() > deadline)
            return err_set(err, ERR_TIMEOUT, "its tags are still not those that were written");
        if (cancel_sleep(session_cancel(s), pause) < 0)
            return err_set(err, ERR_CANCELLED, "cancelled while its tags were awaited");
        pause = pause * 1.5 < longest ? pause * 1.5 : longest;
    }
}

static int first_failure(const struct adoption *a, struct err *err)
{
    unsigned failed = 0;
    const struct adopt_item *first = NULL;
    for (size_t i = 0; i < a->n; i++) {
        if (a->v[i].err.class == ERR_NONE)
            continue;
        failed++;
        first = first != NULL ? first : &a->v[i];
    }
    if (first == NULL)
        return 0;
    err_copy(err, &first->err);
    if (failed > 1)
        return err_wrap(err, "%u resources could not be adopted; the first, %s '%s'", failed,
                        first->r->type->singular, first->r->name);
    return err_wrap(err, "%s '%s' could not be adopted", first->r->type->singular, first->r->name);
}

int adopt_carry_out(struct session *s, const struct engine_options *o, struct adoption *a,
                    struct err *err)
{
    _cleanup_free_ struct taking *takings = xcalloc(a->n + 1, sizeof(*takings));
    _cleanup_free_ struct together_task *tasks = xcalloc(a->n + 1, sizeof(*tasks));
    size_t n = 0;
    for (size_t i = 0; i < a->n; i++) {
        if (!a->v[i].take)
            continue;
        takings[n] = (struct taking){ s, &a->v[i] };
        tasks[n] = (struct together_task){ take, &takings[n] };
        n++;
    }
    if (together_run(tasks, n, err) < 0)
        return -1;
    for (size_t i = 0; i < a->n; i++)
        if (a->v[i].take && a->v[i].err.class == ERR_NONE)
            see(s, o, &a->v[i], &a->v[i].err);
    return first_failure(a, err);
}

static void add_item(const struct adopt_item *item, struct strbuf *out)
{
    const struct resource *r = item->r;
    _cleanup_strbuf_ struct strbuf line = STRBUF_INIT;
    const char *verb = item->adopted ? "adopted" : item->take ? "adopt" : "leave";
    strbuf_addf(&line, "%-7s %s '%s'", verb, r->type->singular, r->name);
    const cJSON *key, *keys = item->take ? json_get(r->memo, "unowned") : NULL;
    cJSON_ArrayForEach (key, keys)
        strbuf_addf(&line, "%s '%s'", key == keys->child ? ":" : ",", key->valuestring);
    if (item->err.class != ERR_NONE)
        strbuf_addf(&line, ": FAILED: %s", item->err.message);
    else if (item->why != NULL)
        strbuf_addf(&line, ": %s", item->why);
    utf8_make_visible(&line);
    strbuf_addf(out, "%s\n", line.buf);
}

static void add_stray(const struct adoption *a, const char *arn, struct strbuf *out)
{
    _cleanup_strbuf_ struct strbuf line = STRBUF_INIT;
    strbuf_addf(&line, "leave   %s: it has the tag Environment=%s, and no name that the spec makes",
                arn, a->g->context.environment);
    utf8_make_visible(&line);
    strbuf_addf(out, "%s\n", line.buf);
}

void adopt_to_text(const struct adoption *a, struct strbuf *out)
{
    for (size_t i = 0; i < a->n; i++)
        add_item(&a->v[i], out);
    for (size_t i = 0; i < a->strays.n; i++)
        add_stray(a, a->strays.v[i], out);
    size_t n = adopt_count(a);
    strbuf_addf(out, "%s: %zu to adopt, %u its own already, %zu left alone\n",
                a->g->context.environment, n, a->ours, a->n - n + a->strays.n);
}

static cJSON *item_to_json(const struct adopt_item *item)
{
    cJSON *json = cJSON_CreateObject();
    json_put_str(json, "address", item->r->address);
    json_put_str(json, "type", item->r->type->name);
    json_put_str(json, "name", item->r->name);
    json_put_str(json, "action", item->take ? "adopt" : "leave");
    json_put_str(json, "why", item->why);
    json_put_bool(json, "adopted", item->adopted);
    json_put_str(json, "error", item->err.message);
    return json;
}

cJSON *adopt_to_json(const struct adoption *a, const struct err *failure)
{
    cJSON *json = plan_head_to_json(a->g, "berth-adopt/1");
    json_put_int(json, "own", a->ours);
    cJSON *list = json_put_array(json, "resources");
    for (size_t i = 0; i < a->n; i++)
        json_push(list, item_to_json(&a->v[i]));
    cJSON *strays = json_put_array(json, "strays");
    for (size_t i = 0; i < a->strays.n; i++)
        json_push_str(strays, a->strays.v[i]);
    json_put_bool(json, "succeeded", failure == NULL);
    if (failure != NULL)
        json_put_str(json, "error", failure->message);
    return json;
}

void adoption_release(struct adoption *a)
{
    for (size_t i = 0; i < a->n; i++) {
        free(a->v[i].why);
        err_release(&a->v[i].err);
    }
    free(a->v);
    strlist_release(&a->strays);
    *a = (struct adoption)ADOPTION_INIT;
}
