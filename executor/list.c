/* SPDX-License-Identifier: MIT */
#include "executor/list.h"

#include <inttypes.h>

#include "drivers/ecs.h"
#include "executor/base/utf8.h"
#include "executor/destroy.h"

static const char *const state_names[] = {
    [LIST_UP] = "up",           [LIST_CHANGING] = "changing",
    [LIST_FAILED] = "failed",   [LIST_DELETING] = "deleting",
    [LIST_HALF] = "half",       [LIST_LEFT] = "left",
    [LIST_UNKNOWN] = "unknown",
};

/* AWS's words for what is being deleted: of ECS's services and clusters, of caches and stacks. */
static bool is_going(const struct resource *r)
{
    static const char *const words[] = { "DRAINING", "DEPROVISIONING", "deleting",
                                         "DELETE_IN_PROGRESS" };
    const char *status = json_str(r->memo, "status");
    if (status == NULL)
        status = json_str(json_get(r->memo, "state"), "status");
    for (size_t i = 0; status != NULL && i < ARRAY_SIZE(words); i++)
        if (str_eq(status, words[i]))
            return true;
    return false;
}

/* The worst of what is there decides; what is told first of it is the reason. */
static void set_state(struct list_item *item, enum list_state state, const struct resource *r,
                      const char *why)
{
    static const int ranks[] = {
        [LIST_UP] = 0, [LIST_CHANGING] = 1, [LIST_FAILED] = 2, [LIST_DELETING] = 3
    };
    if (ranks[state] <= ranks[item->state])
        return;
    item->state = state;
    free(item->why);
    item->why = xasprintf("%s '%s'%s%s", r->type->singular, r->name, *why != '\0' ? ": " : "", why);
}

static void judge_one(struct list_item *item, const struct resource *r)
{
    _cleanup_strbuf_ struct strbuf why = STRBUF_INIT;
    enum readiness readiness = r->type->judge != NULL ? r->type->judge(r, &why) : READY;
    if (is_going(r))
        set_state(item, LIST_DELETING, r, why.buf);
    else if (readiness == FAILED)
        set_state(item, LIST_FAILED, r, why.buf);
    else if (readiness == WAITING)
        set_state(item, LIST_CHANGING, r, why.buf);
}

void list_judge(const struct graph *g, struct list_item *item)
{
    bool cluster = false, service = false;
    item->state = LIST_UP;
    for (size_t i = 0; i < g->n; i++) {
        const struct resource *r = g->v[i];
        if (r->have == NULL || r->action != ACTION_REMOVE)
            continue;
        item->resources++;
        cluster = cluster || r->type == &ecs_cluster_type;
        service = service || r->type == &ecs_service_type;
        time_t created = (time_t)json_int(r->memo, RESOURCE_CREATED, 0);
        if (created > 0 && (item->created == 0 || created < item->created))
            item->created = created;
        judge_one(item, r);
    }
    if (item->state == LIST_DELETING)
        return;
    if (!cluster)
        item->state = LIST_LEFT;
    else if (!service && item->state == LIST_UP)
        item->state = LIST_HALF;
}

static int look(const struct list_request *q, const struct fleet_item *found,
                struct list_item *item, struct err *err)
{
    _cleanup_destroy_ struct destroy d = DESTROY_INIT;
    const struct errand_request errand = {
        .host = q->host,
        .environment = &found->environment,
        .project = found->project,
        .ref = found->ref,
        .who = "berth list",
        .session_name = q->session_name,
        .cancel = q->cancel,
    };
    if (destroy_look(&d, &errand, err) < 0)
        return err_wrap(err, "'%s'", found->name);
    list_judge(d.graph, item);
    return 0;
}

static void set_unknown(struct list_item *item, const char *why)
{
    item->state = LIST_UNKNOWN;
    item->why = xstrdup(why);
    item->resources = item->item->tagged;
}

/* Looks at what was found. What cannot be looked at may be there. */
static int take(const struct list_request *q, const struct fleet_item *found,
                struct list_item *item, bool *ret_there, struct err *err)
{
    item->item = found;
    if (found->environment.name == NULL) {
        set_unknown(item, found->why);
    } else if (look(q, found, item, &item->err) < 0) {
        if (item->err.class == ERR_CANCELLED)
            return err_move(err, &item->err);
        set_unknown(item, item->err.message);
    }
    *ret_there = item->resources > 0 || item->err.class != ERR_NONE;
    return 0;
}

static void list_item_release(struct list_item *item)
{
    free(item->why);
    err_release(&item->err);
    *item = (struct list_item){ .item = NULL };
}

int list_make(const struct list_request *q, struct list *ret, struct err *err)
{
    _cleanup_list_ struct list list = LIST_INIT;
    if (fleet_find(q->host, q->project, q->session_name, q->cancel, &list.fleet, err) < 0)
        return -1;
    list.v = xcalloc(list.fleet.n + 1, sizeof(*list.v));
    for (size_t i = 0; i < list.fleet.n; i++) {
        bool there = false;
        if (take(q, &list.fleet.v[i], &list.v[list.n], &there, err) < 0)
            return -1;
        if (there)
            list.n++;
        else
            list_item_release(&list.v[list.n]);
    }
    *ret = list;
    list = (struct list)LIST_INIT;
    return 0;
}

int list_verdict(const struct list *list, struct err *err)
{
    size_t failed = 0;
    const struct list_item *first = NULL;
    for (size_t i = 0; i < list->n; i++)
        if (list->v[i].err.class != ERR_NONE && failed++ == 0)
            first = &list->v[i];
    if (first == NULL)
        return fleet_verdict(&list->fleet, err);
    err_copy(err, &first->err);
    return err_wrap(err, "%zu environment%s could not be looked at", failed,
                    failed == 1 ? "" : "s");
}

#define COLUMNS 8

static void add_row(struct strlist *cells, const struct list_item *i, time_t now)
{
    const struct fleet_item *item = i->item;
    char age[32] = "-", left[32] = "-";
    if (i->created > 0)
        clock_age(difftime(now, i->created), age, sizeof(age));
    if (item->expires > now)
        clock_age(difftime(item->expires, now), left, sizeof(left));
    strlist_add(cells, item->name);
    strlist_add(cells, item->environment.kind != NULL ? item->environment.kind : "-");
    strlist_add(cells, state_names[i->state]);
    strlist_addf(cells, "%zu", i->resources);
    strlist_add(cells, age);
    if (item->pipeline > 0)
        strlist_addf(cells, "%" PRId64, item->pipeline);
    else
        strlist_add(cells, "-");
    strlist_add(cells, item->expires == 0 ? "-" : item->expires > now ? left : "over");
    strlist_add(cells, item->ref != NULL ? item->ref : "-");
}

/* What a line says after its cells: where, if there are several places, and why it is not up. */
static void add_rest(const struct list *list, size_t row, struct strbuf *line)
{
    const struct list_item *i = &list->v[row];
    if (list->fleet.n_places > 1)
        strbuf_addf(line, "  (%s, %s)", i->item->place->region, i->item->place->account);
    if (i->why != NULL)
        strbuf_addf(line, "  %s", i->why);
}

void list_to_text(const struct list *list, time_t now, struct strbuf *out)
{
    static const char *const heads[COLUMNS] = { "ENVIRONMENT", "KIND",     "STATE",   "RESOURCES",
                                                "AGE",         "PIPELINE", "EXPIRES", "BRANCH" };
    _cleanup_strlist_ struct strlist cells = STRLIST_INIT;
    for (size_t c = 0; c < COLUMNS; c++)
        strlist_add(&cells, heads[c]);
    for (size_t i = 0; i < list->n; i++)
        add_row(&cells, &list->v[i], now);
    size_t widths[COLUMNS] = { 0 };
    for (size_t c = 0; c < cells.n; c++)
        if (strlen(cells.v[c]) > widths[c % COLUMNS])
            widths[c % COLUMNS] = strlen(cells.v[c]);
    for (size_t row = 0; row <= list->n; row++) {
        _cleanup_strbuf_ struct strbuf line = STRBUF_INIT;
        for (size_t c = 0; c < COLUMNS; c++) {
            const char *cell = cells.v[row * COLUMNS + c];
            bool last = c == COLUMNS - 1;
            strbuf_addf(&line, "%s%-*s", c > 0 ? "  " : "", last ? 0 : (int)widths[c], cell);
        }
        if (row > 0)
            add_rest(list, row - 1, &line);
        utf8_make_visible(&line);
        strbuf_addf(out, "%s\n", line.buf);
    }
}

static void put_date(cJSON *json, const char *key, time_t t)
{
    char date[32];
    if (t == 0)
        return;
    clock_iso_date(t, date, sizeof(date));
    json_put_str(json, key, date);
}

static cJSON *item_to_json(const struct list_item *i)
{
    const struct fleet_item *item = i->item;
    cJSON *json = cJSON_CreateObject();
    json_put_str(json, "environment", item->name);
    json_put_str(json, "kind", item->environment.kind);
    json_put_int(json, "project", item->project);
    json_put_str(json, "ref", item->ref);
    json_put_str(json, "account", item->place->account);
    json_put_str(json, "region", item->place->region);
    json_put_str(json, "state", state_names[i->state]);
    json_put_str(json, "why", i->why);
    json_put_int(json, "resources", (int64_t)i->resources);
    put_date(json, "created", i->created);
    if (item->pipeline > 0)
        json_put_int(json, "changedBy", item->pipeline);
    put_date(json, "expires", item->expires);
    return json;
}

cJSON *list_to_json(const struct list *list, const struct err *failure)
{
    cJSON *json = cJSON_CreateObject();
    json_put_str(json, "schema", "berth-list/1");
    json_put_bool(json, "succeeded", failure == NULL);
    if (failure != NULL)
        json_put_str(json, "error", failure->message);
    cJSON *environments = json_put_array(json, "environments");
    for (size_t i = 0; i < list->n; i++)
        json_push(environments, item_to_json(&list->v[i]));
    json_put(json, "unread", fleet_unread_to_json(&list->fleet));
    return json;
}

void list_release(struct list *list)
{
    for (size_t i = 0; i < list->fleet.n && list->v != NULL; i++)
        list_item_release(&list->v[i]);
    free(list->v);
    fleet_release(&list->fleet);
    *list = (struct list)LIST_INIT;
}
