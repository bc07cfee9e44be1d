/* SPDX-License-Identifier: MIT */
#include "executor/status.h"

#include <stdio.h>

#include "drivers/ecs.h"
#include "executor/base/clock.h"
#include "executor/base/log.h"
#include "executor/base/utf8.h"
#include "executor/console.h"
#include "executor/engine/planprint.h"

#define PATHS_NAMED 3 /* how many members that differ a line names */
#define INDENT      "         "

static const char *const state_names[] = {
    [STATE_FAILED] = "failed",     [STATE_FOREIGN] = "foreign", [STATE_ABSENT] = "absent",
    [STATE_DIFFERS] = "differs",   [STATE_WAITING] = "waiting", [STATE_READY] = "ready",
    [STATE_UNWANTED] = "unwanted",
};

/* Whose tags there are; or what of it is others', where that is not the whole. */
static void add_owner(const struct resource *r, struct strbuf *why)
{
    static const char *const keys[] = { "Environment", "berth:project", "berth:ref" };
    const cJSON *foreign = json_get(r->memo, "foreign"), *line;
    cJSON_ArrayForEach (line, foreign)
        strbuf_addf(why, "%s%s", why->len > 0 ? ", " : "", line->valuestring);
    for (size_t i = 0; foreign == NULL && i < ARRAY_SIZE(keys); i++) {
        const char *value = json_str(r->tags, keys[i]);
        if (value != NULL)
            strbuf_addf(why, "%s%s=%s", why->len > 0 ? ", " : "it has the tags ", keys[i], value);
    }
    if (why->len == 0)
        strbuf_adds(why, "it has none of berth's tags");
}

static void add_differences(const struct resource *r, struct strbuf *why)
{
    size_t n = 0;
    const cJSON *change;
    cJSON_ArrayForEach (change, r->changes) {
        if (++n <= PATHS_NAMED)
            strbuf_addf(why, "%s%s", n > 1 ? ", " : "", json_str(change, "path"));
    }
    if (n > PATHS_NAMED)
        strbuf_addf(why, " and %zu more", n - PATHS_NAMED);
}

static bool is_foreign(const struct resource *r)
{
    return r->type->scope == SCOPE_ENVIRONMENT && r->want != NULL && !resource_is_ours(r);
}

static enum state state_of(const struct resource *r, struct strbuf *why)
{
    if (r->have == NULL) {
        const char *missing = json_str(r->memo, "missing");
        strbuf_adds(why, missing != NULL ? missing : "");
        return STATE_ABSENT;
    }
    if (is_foreign(r)) {
        add_owner(r, why);
        return STATE_FOREIGN;
    }
    if (r->want == NULL && r->type->scope != SCOPE_LOOKUP)
        return STATE_UNWANTED;
    enum readiness readiness = r->type->judge != NULL ? r->type->judge(r, why) : READY;
    if (readiness == FAILED)
        return STATE_FAILED;
    if (json_count(r->changes) > 0) {
        strbuf_reset(why);
        add_differences(r, why);
        return STATE_DIFFERS;
    }
    return readiness == WAITING ? STATE_WAITING : STATE_READY;
}

static bool is_well(const struct resource *r)
{
    _cleanup_strbuf_ struct strbuf ignored = STRBUF_INIT;
    return r->type->judge(r, &ignored) == READY;
}

/* The policy that jobs need does not cover this: without it all else is told. */
static int read_stops(struct session *s, struct status_item *item, struct err *err)
{
    const struct resource *r = item->r;
    _cleanup_err_ struct err failure = ERR_INIT;
    if (r->type != &ecs_service_type || r->have == NULL || item->state == STATE_FOREIGN ||
        is_well(r))
        return 0;
    if (ecs_service_stops(s, r, &item->stops, &failure) == 0)
        return 0;
    if (failure.class != ERR_DENIED)
        return err_move(err, &failure);
    log_warn("why tasks of service '%s' have stopped cannot be told: %s", r->label,
             failure.message);
    return 0;
}

static void add_item(struct status *status, const struct resource *r)
{
    _cleanup_strbuf_ struct strbuf why = STRBUF_INIT;
    struct status_item *item = &status->v[status->n++];
    item->r = r;
    item->state = state_of(r, &why);
    item->why = why.len > 0 ? strbuf_detach(&why) : NULL;
    item->link = console_link(r);
    status->counts[item->state]++;
}

/* Those of one state stay in the order of the graph, which is that of the drivers. */
static int compare_items(const void *a, const void *b)
{
    const struct status_item *x = a, *y = b;
    if (x->state != y->state)
        return x->state < y->state ? -1 : 1;
    return x->r->index < y->r->index ? -1 : x->r->index > y->r->index;
}

bool status_is_told(const struct graph *g)
{
    for (size_t i = 0; g != NULL && i < g->n; i++)
        if (!g->v[i]->observed)
            return false;
    return g != NULL;
}

int status_make(struct session *s, const struct graph *g, struct status *ret, struct err *err)
{
    _cleanup_status_ struct status status = { .g = g };
    status.v = xcalloc(g->n + 1, sizeof(*status.v));
    for (size_t i = 0; i < g->n; i++)
        if (g->v[i]->selected)
            add_item(&status, g->v[i]);
    qsort(status.v, status.n, sizeof(*status.v), compare_items);
    for (size_t i = 0; i < status.n; i++)
        if (read_stops(s, &status.v[i], err) < 0)
            return err_wrap(err, "why tasks of service '%s' have stopped", status.v[i].r->label);
    *ret = status;
    status = (struct status)STATUS_INIT;
    return 0;
}

/* The pipeline that the cluster is marked with: the last that has changed something. */
static const char *pipeline_of(const struct graph *g)
{
    const struct resource *cluster = graph_find(g, ECS_CLUSTER);
    return cluster != NULL && cluster->have != NULL ? json_str(cluster->tags, "berth:pipeline")
                                                    : NULL;
}

/* What comes from AWS, or the spec, must not steer the terminal. */
static void add_line(struct strbuf *out, struct strbuf *line)
{
    utf8_make_visible(line);
    strbuf_addf(out, "%s\n", line->buf);
    strbuf_reset(line);
}

static void add_head(const struct status *status, struct strbuf *out)
{
    const struct context *c = &status->g->context;
    const char *pipeline = pipeline_of(status->g);
    _cleanup_strbuf_ struct strbuf line = STRBUF_INIT;
    strbuf_addf(&line, "%s: %s, %s, of '%s'", c->environment, c->kind, c->region, c->ref);
    if (pipeline != NULL)
        strbuf_addf(&line, ", last changed by pipeline %s", pipeline);
    add_line(out, &line);
    bool any = false;
    for (size_t i = 0; i < STATES; i++) {
        if (status->counts[i] == 0)
            continue;
        strbuf_addf(&line, "%s%u %s", any ? ", " : "", status->counts[i], state_names[i]);
        any = true;
    }
    if (!any)
        strbuf_adds(&line, "there is nothing, and nothing is wanted");
    add_line(out, &line);
}

static void add_stops(const cJSON *stops, struct strbuf *out)
{
    const cJSON *stop;
    cJSON_ArrayForEach (stop, stops) {
        _cleanup_strbuf_ struct strbuf line = STRBUF_INIT;
        char at[32];
        clock_iso_date((time_t)json_get(stop, "at")->valuedouble, at, sizeof(at));
        int64_t times = json_int(stop, "times", 1);
        strbuf_addf(&line, INDENT "task %s stopped at %s", json_str(stop, "task"), at);
        if (times > 1)
            strbuf_addf(&line, ", as %lld other%s", (long long)times - 1, times == 2 ? "" : "s");
        strbuf_addf(&line, ": %s", json_str(stop, "reason"));
        add_line(out, &line);
    }
}

void status_to_text(const struct status *status, struct strbuf *out)
{
    add_head(status, out);
    for (size_t i = 0; i < status->n; i++) {
        const struct status_item *item = &status->v[i];
        const struct resource *r = item->r;
        bool well = item->state == STATE_READY;
        _cleanup_strbuf_ struct strbuf line = STRBUF_INIT;
        strbuf_addf(&line, "%-8s %s %s", state_names[item->state], r->type->singular, r->label);
        if (!str_eq(r->label, r->name))
            strbuf_addf(&line, " (%s)", r->name);
        if (item->why != NULL)
            strbuf_addf(&line, ": %s", item->why);
        if (well && item->link != NULL)
            strbuf_addf(&line, " %s", item->link);
        add_line(out, &line);
        add_stops(item->stops, out);
        if (!well && item->link != NULL)
            strbuf_addf(out, INDENT "%s\n", item->link);
    }
}

static cJSON *stops_to_json(const cJSON *stops)
{
    cJSON *list = json_dup(stops);
    cJSON *stop;
    cJSON_ArrayForEach (stop, list) {
        char at[32];
        clock_iso_date((time_t)json_get(stop, "at")->valuedouble, at, sizeof(at));
        json_put_str(stop, "at", at);
    }
    return list;
}

static cJSON *item_to_json(const struct status_item *item)
{
    cJSON *json = plan_resource_to_json(item->r);
    json_put_str(json, "state", state_names[item->state]);
    json_put_str(json, "why", item->why);
    json_put_str(json, "link", item->link);
    json_put(json, "changes", plan_changes_to_json(item->r));
    if (item->stops != NULL)
        json_put(json, "stops", stops_to_json(item->stops));
    return json;
}

cJSON *status_to_json(const struct status *status)
{
    int64_t pipeline;
    const char *marked = pipeline_of(status->g);
    cJSON *json = plan_head_to_json(status->g, "berth-status/2");
    if (marked != NULL && str_to_int64(marked, 0, INT64_MAX, &pipeline) == 0)
        json_put_int(json, "changedBy", pipeline);
    json_put_bool(json, "well", status->counts[STATE_READY] == status->n);
    cJSON *counts = json_put_object(json, "counts");
    for (size_t i = 0; i < STATES; i++)
        json_put_int(counts, state_names[i], status->counts[i]);
    cJSON *resources = json_put_array(json, "resources");
    for (size_t i = 0; i < status->n; i++)
        json_push(resources, item_to_json(&status->v[i]));
    return json;
}

void status_release(struct status *status)
{
    for (size_t i = 0; i < status->n; i++) {
        free(status->v[i].why);
        free(status->v[i].link);
        cJSON_Delete(status->v[i].stops);
    }
    free(status->v);
    *status = (struct status)STATUS_INIT;
}
