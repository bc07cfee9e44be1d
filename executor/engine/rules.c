/* SPDX-License-Identifier: MIT */
/* What plan, observe and apply must answer alike about a resource: scope, changes, conflicts. */
#include "drivers/common.h"
#include "executor/base/redact.h"
#include "executor/engine/internal.h"

size_t engine_types(const struct graph *g, const struct resource_type ***ret)
{
    size_t n = 0;
    const struct resource_type **types = NULL;
    for (size_t i = 0; g->drivers[i] != NULL; i++) {
        const struct resource_type *const *t = g->drivers[i]->types;
        for (; t != NULL && *t != NULL; t++) {
            types = xrealloc_array(types, n + 1, sizeof(*types));
            types[n++] = *t;
        }
    }
    *ret = types;
    return n;
}

const struct driver *engine_driver_of(const struct graph *g, const struct resource_type *type)
{
    for (size_t i = 0; g->drivers[i] != NULL; i++) {
        const struct resource_type *const *t = g->drivers[i]->types;
        for (; t != NULL && *t != NULL; t++)
            if (*t == type)
                return g->drivers[i];
    }
    return NULL;
}

static const struct resource_type *type_named(const struct graph *g, const char *name)
{
    for (size_t i = 0; g->drivers[i] != NULL; i++) {
        const struct resource_type *const *t = g->drivers[i]->types;
        for (; t != NULL && *t != NULL; t++)
            if (str_eq((*t)->name, name))
                return *t;
    }
    return NULL;
}

enum scope resource_scope(const struct resource *r)
{
    const struct resource_type *type = r->type;
    /* A parent may be a child itself; types know their parents, also those of orphans. */
    for (int depth = 0; type->scope == SCOPE_CHILD && depth < 8; depth++) {
        const struct resource_type *parent = type_named(r->graph, type->parent);
        if (parent == NULL)
            return SCOPE_ENVIRONMENT;
        type = parent;
    }
    return type->scope;
}

bool resource_may_update(const struct resource *r)
{
    return resource_scope(r) != SCOPE_ACCOUNT || r->graph->context.update_account;
}

bool resource_compare(struct resource *r)
{
    for (const char *const *m = r->type->sets; m != NULL && *m != NULL; m++)
        if (cJSON_IsArray(json_get(r->target, *m)))
            set_order(json_get(r->have, *m), json_get(r->target, *m));
    cJSON_Delete(r->changes);
    r->changes = diff_values(r->target, r->have, (r->type->flags & TYPE_WHOLE) != 0);
    if (r->changes != NULL)
        return true;
    r->changes = cJSON_CreateArray();
    return false;
}

/* Whether a change's path is, or lies in, the member: strchr() finds the NUL at the end as well. */
static bool path_is_in(const char *path, const char *member)
{
    return str_starts(path, member) && strchr(".[", path[strlen(member)]) != NULL;
}

static bool is_immutable(const struct resource_type *type, const char *path)
{
    if (type->update == NULL)
        return true;
    for (const char *const *m = type->immutable; m != NULL && *m != NULL; m++)
        if (path_is_in(path, *m))
            return true;
    return false;
}

static char *value_text(const cJSON *value)
{
    _cleanup_json_ cJSON *safe = redact_json_copy(value);
    return safe != NULL ? json_print(safe) : xstrdup("nothing");
}

const cJSON *resource_immutable_change(const struct resource *r)
{
    const cJSON *change, *unknown = NULL;
    cJSON_ArrayForEach (change, r->changes) {
        if (!is_immutable(r->type, json_str(change, "path")))
            continue;
        if (!ref_in(json_get(change, "to")))
            return change;
        unknown = change;
    }
    return r->type->replace == REPLACE_REMOVE_FIRST ? unknown : NULL;
}

int resource_check_changes(const struct resource *r, struct err *err)
{
    const cJSON *change = resource_immutable_change(r);
    if (change == NULL || ref_in(json_get(change, "to")))
        return 0;
    _cleanup_free_ char *from = value_text(json_get(change, "from"));
    _cleanup_free_ char *to = value_text(json_get(change, "to"));
    return err_set(err, ERR_USER,
                   "%s: %s '%s' cannot be changed in place: '%s' is %s and should become %s, "
                   "which AWS allows only in a new one; set it back to %s, or remove '%s' "
                   "and run the job again",
                   resource_origin(r), r->type->singular, r->name, json_str(change, "path"), from,
                   to, from, r->name);
}

bool limits_allow_replace(const struct resource *r)
{
    const cJSON *allowed = json_get(r->graph->context.limits, "allowReplace");
    const struct driver *driver = engine_driver_of(r->graph, r->type);
    return (r->type->flags & TYPE_PRECIOUS) == 0 || json_array_has(allowed, r->type->name) ||
           (driver != NULL && json_array_has(allowed, driver->name));
}

static bool needs(const struct resource *r, const struct resource *other)
{
    for (size_t i = 0; i < r->n_needs; i++)
        if (r->needs[i].resource == other)
            return true;
    return false;
}

bool resource_is_bound(const struct resource *r, const struct resource *other)
{
    const char *name = other->type->name;
    bool bound = str_eq(r->type->parent, name);
    for (const char *const *b = r->type->bound; !bound && b != NULL && *b != NULL; b++)
        bound = str_eq(*b, name);
    return bound && (r->want == NULL || needs(r, other));
}

bool resource_lets_go(const struct resource *r, const struct resource *other)
{
    const char *const *name = r->type->lets_go_of;
    while (name != NULL && *name != NULL && !str_eq(*name, other->type->name))
        name++;
    return name != NULL && *name != NULL && r->want != NULL && needs(r, other);
}

const struct resource *resource_replaced_need(const struct resource *r)
{
    for (size_t i = 0; i < r->n_needs; i++) {
        const struct resource *other = r->needs[i].resource;
        if (other->action == ACTION_REPLACE && other->type->replace != REPLACE_CREATE_FIRST)
            return other;
    }
    return NULL;
}

double resource_deadline(const struct resource *r, bool is_removal)
{
    if (r->deadline > 0 && !is_removal)
        return r->deadline;
    return r->type->deadline > 0 ? r->type->deadline : 1200;
}

enum readiness resource_judge(const struct resource *r, struct strbuf *why)
{
    return r->type->judge != NULL ? r->type->judge(r, why) : READY;
}

void conflict_describe(const struct resource *r, struct strbuf *text)
{
    const cJSON *foreign = json_get(r->memo, "foreign"), *line;
    cJSON_ArrayForEach (line, foreign)
        strbuf_addf(text, "%s%s", text->len > 0 ? ", " : "", line->valuestring);
    if (foreign != NULL)
        return;
    static const char *const keys[] = { "Environment", "berth:project", "berth:ref",
                                        "aws:cloudformation:stack-name" };
    strbuf_addf(text, "%s%s '%s' (", text->len > 0 ? ", " : "", r->type->singular, r->name);
    bool any = false;
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        const char *value = json_str(r->tags, keys[i]);
        if (value != NULL)
            strbuf_addf(text, "%s%s=%s", any ? ", " : "", keys[i], value);
        any = any || value != NULL;
    }
    strbuf_adds(text, any ? ")" : "without our tags)");
}

int conflict_error(const struct graph *g, const char *list, struct err *err)
{
    _cleanup_json_ cJSON *tags = tags_wanted(g, "");
    return err_set(
        err, ERR_CONFLICT,
        "in the way of environment '%s', and not its own: %s; rename or remove each, "
        "or, if it is this environment's, let 'berth adopt' give it the tags Environment=%s, "
        "berth:project=%s, berth:ref=%s",
        g->context.environment, list, json_str(tags, "Environment"),
        json_str(tags, "berth:project"), json_str(tags, "berth:ref"));
}
