/* SPDX-License-Identifier: MIT */
#include "executor/engine/history.h"

#include "executor/engine/criticalpath.h"
#include "executor/engine/planprint.h"
#include "executor/engine/report.h"

struct wait {
    double from, to; /* clock_now(); to 0: it goes on */
    char *why;
};

struct wait_list {
    struct wait *v;
    size_t n;
};

static void waits_forget(struct history *h)
{
    for (size_t i = 0; i < h->n_waits; i++) {
        for (size_t j = 0; j < h->waits[i].n; j++)
            free(h->waits[i].v[j].why);
        free(h->waits[i].v);
    }
    free(steal_ptr(&h->waits));
    h->n_waits = h->all_waits = 0;
}

void history_release(struct history *h)
{
    waits_forget(h);
    json_freep(&h->resources);
    json_freep(&h->path);
    json_freep(&h->taken_back);
}

static struct wait_list *waits_of(struct history *h, const struct graph *g,
                                  const struct resource *r)
{
    size_t n = g->n;
    if (h->n_waits < n) {
        h->waits = xrealloc_array(h->waits, n, sizeof(*h->waits));
        memset(h->waits + h->n_waits, 0, (n - h->n_waits) * sizeof(*h->waits));
        h->n_waits = n;
    }
    return &h->waits[r->index];
}

/* Where no more are kept the last one goes on, whatever it says. */
static bool is_full(const struct history *h, const struct wait_list *list)
{
    return list->n >= HISTORY_WAITS_OF_ONE || h->all_waits >= HISTORY_WAITS;
}

static void note_wait(struct history *h, const struct graph *g, const struct resource *r)
{
    const char *why = r->ended > 0 ? NULL : r->waiting_for;
    if (why == NULL && r->index >= h->n_waits)
        return;
    struct wait_list *list = waits_of(h, g, r);
    struct wait *last = list->n > 0 ? &list->v[list->n - 1] : NULL;
    bool goes_on = last != NULL && last->to <= 0;
    if (goes_on && why != NULL && (str_eq(last->why, why) || is_full(h, list)))
        return;
    /* No wait outlasts its resource. */
    double now = r->ended > 0 ? r->ended : clock_now();
    if (goes_on)
        last->to = now;
    if (why == NULL || is_full(h, list))
        return;
    list->v = xrealloc_array(list->v, list->n + 1, sizeof(*list->v));
    list->v[list->n++] = (struct wait){ .from = now, .why = xstrdup(why) };
    h->all_waits++;
}

void history_progress(struct history *h, const struct graph *g, const struct resource *changed)
{
    if (changed != NULL) {
        note_wait(h, g, changed);
        return;
    }
    for (size_t i = 0; i < g->n; i++)
        if (g->v[i]->started > 0)
            note_wait(h, g, g->v[i]);
}

/* Milliseconds are enough for whoever reads it, and make the text half as long. */
static void put_time(cJSON *json, const char *key, double at, double start)
{
    if (at <= 0)
        return;
    double since = at > start ? at - start : 0;
    json_put(json, key, cJSON_CreateNumber((double)(long long)(since * 1000 + 0.5) / 1000));
}

static void put_needs(cJSON *json, const struct resource *r)
{
    cJSON *needs = json_put_array(json, "needs");
    for (size_t i = 0; i < r->n_needs; i++)
        if (r->needs[i].resource != NULL)
            json_push_str(needs, r->needs[i].resource->address);
}

static void put_waits(cJSON *json, const struct history *h, const struct resource *r, double start)
{
    if (r->index >= h->n_waits || h->waits[r->index].n == 0)
        return;
    cJSON *waits = json_put_array(json, "waits");
    for (size_t i = 0; i < h->waits[r->index].n; i++) {
        const struct wait *wait = &h->waits[r->index].v[i];
        cJSON *item = json_push(waits, cJSON_CreateObject());
        put_time(item, "start", wait->from, start);
        put_time(item, "end", wait->to > 0 ? wait->to : r->ended, start);
        json_put_str(item, "why", wait->why);
    }
}

static cJSON *resource_to_json(const struct history *h, const struct resource *r, double start)
{
    cJSON *json = plan_item_to_json(r);
    json_put_str(json, "kind", r->type->singular);
    json_put_str(json, "kinds", r->type->plural);
    put_needs(json, r);
    plan_put_result(json, r);
    put_time(json, "start", r->started, start);
    put_time(json, "written", r->written, start);
    put_time(json, "end", r->ended, start);
    put_waits(json, h, r, start);
    if (r->progress == PROGRESS_FAILED && r->error.class == ERR_CANCELLED)
        json_put_bool(json, "unfinished", true);
    if (report_goes_on(r))
        json_put_bool(json, "goesOn", true);
    if (r->explanation != NULL)
        json_put(json, "explanation", json_dup(r->explanation));
    return json;
}

static void put_again(cJSON *json, bool again)
{
    if (again)
        json_put_bool(json, "again", true);
}

static void note_path(struct history *h, const struct graph *g, double start)
{
    _cleanup_free_ struct critical_step *steps = NULL;
    size_t n = critical_path(g, &steps);
    for (size_t i = 0; i < n; i++) {
        const struct resource *r = steps[i].r;
        cJSON *item = json_push(h->path, cJSON_CreateObject());
        json_put_str(item, "address", r->address);
        put_time(item, "released", steps[i].released, start);
        put_time(item, "start", r->started, start);
        put_time(item, "end", r->ended, start);
    }
}

void history_note(struct history *h, const struct graph *g, double start)
{
    bool again = h->resources != NULL;
    if (!again) {
        h->resources = cJSON_CreateArray();
        h->path = cJSON_CreateArray();
    }
    for (size_t i = 0; i < g->n; i++)
        if (!again || g->v[i]->action != ACTION_NONE)
            put_again(json_push(h->resources, resource_to_json(h, g->v[i], start)), again);
    note_path(h, g, start);
    waits_forget(h);
}
