/* SPDX-License-Identifier: MIT */
#include "executor/engine/planprint.h"

#include "executor/base/redact.h"

#define HIDDEN       "(value not shown)"
#define UNKNOWN      "(known after apply)"
#define VALUE_LENGTH 160 /* what a line shows of a value; the JSON has all of it */
#define N_ACTIONS    (ACTION_REMOVE + 1)

struct action_words {
    const char *name;
    const char *mark;
    const char *plan; /* "14 to create" */
};

static const struct action_words words[N_ACTIONS] = {
    [ACTION_NONE] = { "none", " ", "unchanged" },
    [ACTION_CREATE] = { "create", "+", "to create" },
    [ACTION_UPDATE] = { "update", "~", "to update" },
    [ACTION_REPLACE] = { "replace", "!", "TO REPLACE" },
    [ACTION_REMOVE] = { "remove", "-", "to remove" },
};

const char *action_name(enum action action)
{
    return words[action].name;
}

static const char *const counted_names[] = {
    [COUNTED_CREATE] = "create", [COUNTED_UPDATE] = "update", [COUNTED_REPLACE] = "replace",
    [COUNTED_REMOVE] = "remove", [COUNTED_WAIT] = "wait",     [COUNTED_KEEP] = "keep",
    [COUNTED_LEAVE] = "leave",   [COUNTED_LOOKUP] = "lookup", [COUNTED_ABSENT] = "absent",
};

/* Hides the values in every "environment" list of {"name", "value"} below `value`. */
static void hide_environment(cJSON *value, bool inside)
{
    cJSON *item;
    if (inside && cJSON_IsObject(value) && json_get(value, "value") != NULL)
        json_put_str(value, "value", HIDDEN);
    cJSON_ArrayForEach (item, value)
        hide_environment(item, item->string != NULL ? str_eq(item->string, "environment") : inside);
}

/* Whether a path leads to a value, or to an item, of an "environment" list. */
static bool path_in_environment(const char *path)
{
    static const char step[] = "environment[";
    const char *at = strstr(path, step);
    return at != NULL && (at == path || at[-1] == '.');
}

/* A copy of one side of a change as it may be shown; the caller owns it. NULL: nothing there. */
static cJSON *shown(const char *path, const cJSON *value)
{
    if (value == NULL)
        return NULL;
    if (path_in_environment(path)) {
        if (!cJSON_IsObject(value))
            return str_ends(path, ".name") ? json_dup(value) : cJSON_CreateString(HIDDEN);
        cJSON *item = json_dup(value);
        hide_environment(item, true);
        return item;
    }
    const char *last = strrchr(path, '.');
    cJSON *copy = json_dup(value);
    hide_environment(copy, str_eq(last != NULL ? last + 1 : path, "environment"));
    return copy;
}

static void add_value(struct strbuf *out, const char *path, const cJSON *value)
{
    if (value != NULL && ref_in(value)) {
        strbuf_adds(out, UNKNOWN);
        return;
    }
    _cleanup_json_ cJSON *copy = shown(path, value);
    if (cJSON_IsString(copy) && str_eq(copy->valuestring, HIDDEN)) {
        strbuf_adds(out, HIDDEN);
        return;
    }
    redact_json(copy);
    _cleanup_free_ char *text = copy != NULL ? json_print(copy) : xstrdup("nothing");
    _cleanup_free_ char *line = redact_short(text, VALUE_LENGTH);
    strbuf_adds(out, line);
}

static void add_changes(struct strbuf *out, const struct resource *r)
{
    const cJSON *change;
    cJSON_ArrayForEach (change, r->changes) {
        const char *path = json_str(change, "path");
        strbuf_addf(out, "    %s: ", path);
        add_value(out, path, json_get(change, "from"));
        strbuf_adds(out, " -> ");
        add_value(out, path, json_get(change, "to"));
        strbuf_addc(out, '\n');
    }
}

static void add_title(struct strbuf *out, const char *mark, const struct resource *r)
{
    strbuf_addf(out, "%s %s %s", mark, r->type->singular, r->label);
    if (!str_eq(r->label, r->name))
        strbuf_addf(out, " (%s)", r->name);
}

void plan_to_text(const struct graph *g, struct strbuf *out)
{
    for (size_t i = 0; i < g->n; i++) {
        const struct resource *r = g->v[i];
        /* What the job is not about is in the JSON; here it would bury what it is about. */
        if (!r->selected || (r->action == ACTION_NONE && r->note == NULL && !r->wait))
            continue;
        add_title(out, r->wait ? "." : words[r->action].mark, r);
        if (r->wait)
            strbuf_addf(out, ": awaited%s%s", r->waiting_for ? ": " : "",
                        r->waiting_for ? r->waiting_for : "");
        if (r->note != NULL)
            strbuf_addf(out, ": %s", r->note);
        strbuf_addc(out, '\n');
        if (r->action == ACTION_UPDATE || r->action == ACTION_REPLACE || r->note != NULL)
            add_changes(out, r);
    }
}

static void add_count(struct strbuf *out, unsigned n, const char *what)
{
    if (n > 0)
        strbuf_addf(out, "%s%u %s", out->len > 0 ? ", " : "", n, what);
}

void plan_counts_to_text(const struct plan_counts *c, struct strbuf *out)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    add_count(&text, c->create, words[ACTION_CREATE].plan);
    add_count(&text, c->update, words[ACTION_UPDATE].plan);
    add_count(&text, c->replace, words[ACTION_REPLACE].plan);
    add_count(&text, c->remove, words[ACTION_REMOVE].plan);
    add_count(&text, c->wait, "awaited");
    add_count(&text, c->leave, "left to another job");
    add_count(&text, c->keep, words[ACTION_NONE].plan);
    strbuf_adds(out, text.len > 0 ? text.buf : "nothing");
}

/* Whether a type appears in the graph before index i. */
static bool type_seen(const struct graph *g, size_t i)
{
    for (size_t j = 0; j < i; j++)
        if (g->v[j]->type == g->v[i]->type)
            return true;
    return false;
}

void plan_types_to_text(const struct graph *g, struct strbuf *out)
{
    for (size_t i = 0; i < g->n; i++) {
        if (type_seen(g, i))
            continue;
        unsigned count[N_ACTIONS] = { 0 };
        unsigned waiting = 0;
        for (size_t j = i; j < g->n; j++) {
            if (g->v[j]->type != g->v[i]->type)
                continue;
            count[g->v[j]->action]++;
            waiting += g->v[j]->wait;
        }
        _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
        for (unsigned a = ACTION_CREATE; a < N_ACTIONS; a++)
            add_count(&text, count[a], words[a].plan);
        add_count(&text, waiting, "awaited");
        if (text.len > 0)
            strbuf_addf(out, "  %-20s %s\n", g->v[i]->type->plural, text.buf);
    }
}

void plan_removals_to_text(const struct graph *g, struct strbuf *out)
{
    for (size_t i = 0; i < g->n; i++) {
        unsigned n = 0;
        if (type_seen(g, i))
            continue;
        for (size_t j = i; j < g->n; j++)
            n += g->v[j]->type == g->v[i]->type && g->v[j]->action == ACTION_REMOVE;
        add_count(out, n, n == 1 ? g->v[i]->type->singular : g->v[i]->type->plural);
    }
}

void plan_put_result(cJSON *item, const struct resource *r)
{
    static const char *const results[] = {
        [PROGRESS_PENDING] = "none",     [PROGRESS_RUNNING] = "running",
        [PROGRESS_SETTLING] = "running", [PROGRESS_DONE] = "done",
        [PROGRESS_FAILED] = "failed",    [PROGRESS_SKIPPED] = "skipped",
    };
    json_put_str(item, "result", results[r->progress]);
    json_put_str(item, "instead", r->instead);
    json_put_str(item, "error", r->error.message);
    if (r->started > 0 && r->ended > r->started)
        json_put(item, "seconds", cJSON_CreateNumber(r->ended - r->started));
}

cJSON *plan_changes_to_json(const struct resource *r)
{
    cJSON *changes = cJSON_CreateArray();
    const cJSON *change;
    cJSON_ArrayForEach (change, r->changes) {
        const char *path = json_str(change, "path");
        const cJSON *to = json_get(change, "to");
        cJSON *item = json_push(changes, cJSON_CreateObject());
        json_put_str(item, "path", path);
        if (json_get(change, "from") != NULL)
            json_put(item, "from", shown(path, json_get(change, "from")));
        if (to != NULL && ref_in(to))
            json_put_bool(item, "unknown", true);
        else if (to != NULL)
            json_put(item, "to", shown(path, to));
    }
    return changes;
}

cJSON *plan_head_to_json(const struct graph *g, const char *schema)
{
    const struct context *c = &g->context;
    cJSON *json = cJSON_CreateObject();
    json_put_str(json, "schema", schema);
    json_put_str(json, "environment", c->environment);
    json_put_str(json, "kind", c->kind);
    json_put_str(json, "ref", c->ref);
    json_put_str(json, "region", c->region);
    json_put_int(json, "project", c->project);
    if (c->pipeline != 0)
        json_put_int(json, "pipeline", c->pipeline);
    cJSON *warnings = json_put_array(json, "warnings");
    for (size_t i = 0; i < g->warnings.n; i++)
        json_push_str(warnings, g->warnings.v[i]);
    return json;
}

cJSON *plan_resource_to_json(const struct resource *r)
{
    cJSON *json = cJSON_CreateObject();
    json_put_str(json, "address", r->address);
    json_put_str(json, "type", r->type->name);
    json_put_str(json, "label", r->label);
    json_put_str(json, "name", r->name);
    json_put_str(json, "origin", r->origin);
    return json;
}

cJSON *plan_item_to_json(const struct resource *r)
{
    cJSON *json = plan_resource_to_json(r);
    json_put_str(json, "action", action_name(r->action));
    json_put_str(json, "counted", counted_names[resource_counted(r)]);
    json_put_bool(json, "selected", r->selected);
    json_put_bool(json, "wait", r->wait);
    json_put_str(json, "waitingFor", r->waiting_for);
    json_put_str(json, "note", r->note);
    json_put(json, "changes", plan_changes_to_json(r));
    return json;
}

cJSON *plan_to_json(const struct graph *g, const struct plan_counts *c)
{
    cJSON *json = plan_head_to_json(g, "berth-plan/1");
    cJSON *counts = json_put_object(json, "counts");
    json_put_int(counts, "create", c->create);
    json_put_int(counts, "update", c->update);
    json_put_int(counts, "replace", c->replace);
    json_put_int(counts, "remove", c->remove);
    json_put_int(counts, "keep", c->keep);
    json_put_int(counts, "wait", c->wait);
    json_put_int(counts, "leave", c->leave);
    cJSON *resources = json_put_array(json, "resources");
    for (size_t i = 0; i < g->n; i++)
        json_push(resources, plan_item_to_json(g->v[i]));
    return json;
}
