/* SPDX-License-Identifier: MIT */
#include "executor/engine/internal.h"

static const char note_shared[] = "shared; differs, updated by basic-infra on production";
static const char note_missing[] = "missing; not part of this job";
static const char note_differs[] = "differs; not part of this job";
static const char note_unwanted[] = "no longer wanted; not part of this job";
static const char note_orphan[] = "no longer wanted";
static const char note_unknown[] = "differs only in what is known after apply";

/* What is wrong, one per line, so that a person corrects all of it at once. */
static void add_problem(struct err *problems, const struct err *problem)
{
    if (problems->class == ERR_NONE)
        err_copy(problems, problem);
    else
        err_set(problems, problems->class, "%s\n%s", problems->message, problem->message);
}

static bool all_unknown(const cJSON *changes)
{
    const cJSON *change;
    cJSON_ArrayForEach (change, changes)
        if (!ref_in(json_get(change, "to")))
            return false;
    return true;
}

static void decide_existing(struct resource *r, struct err *problems)
{
    if (!resource_compare(r)) {
        _cleanup_strbuf_ struct strbuf why = STRBUF_INIT;
        if (r->selected && resource_judge(r, &why) != READY) {
            r->wait = true;
            r->waiting_for = strbuf_detach(&why);
        }
        return;
    }
    if (!resource_may_update(r)) {
        r->note = note_shared;
        return;
    }
    if (!r->selected) {
        r->note = note_differs;
        return;
    }
    _cleanup_err_ struct err err = ERR_INIT;
    if (resource_check_changes(r, &err) < 0)
        add_problem(problems, &err);
    r->action = ACTION_UPDATE;
    r->note = all_unknown(r->changes) ? note_unknown : NULL;
}

static void decide_wanted(struct resource *r, struct err *problems)
{
    if (r->type->scope == SCOPE_LOOKUP)
        return;
    cJSON_Delete(r->target);
    r->target = ref_resolve(r->graph, r->want, NULL);
    if (r->have != NULL) {
        decide_existing(r, problems);
    } else if (r->selected) {
        r->action = ACTION_CREATE;
    } else {
        r->note = note_missing;
    }
}

static bool limits_allow_removal(const struct resource *r)
{
    const cJSON *allowed = json_get(r->graph->context.limits, "allowReplace");
    const struct driver *driver = engine_driver_of(r->graph, r->type);
    return json_array_has(allowed, r->type->name) ||
           (driver != NULL && json_array_has(allowed, driver->name));
}

static void decide_orphan(struct resource *r, struct err *problems)
{
    if (!r->selected) {
        r->note = note_unwanted;
        return;
    }
    if ((r->type->flags & TYPE_PRECIOUS) && !limits_allow_removal(r)) {
        _cleanup_err_ struct err err = ERR_INIT;
        err_set(&err, ERR_REFUSED,
                "%s '%s' is no longer wanted, but holds data or an address and IS NOT REMOVED "
                "unless the host config lists '%s' in limits.%s.allowReplace: declare it again, or "
                "ask the host's administrator",
                r->type->singular, r->name, r->type->name, r->graph->context.kind);
        add_problem(problems, &err);
        return;
    }
    r->action = ACTION_REMOVE;
    r->note = note_orphan;
}

static void add_missing_lookup(const struct resource *r, const struct resource *lookup,
                               struct err *problems)
{
    _cleanup_err_ struct err err = ERR_INIT;
    const char *missing = json_str(lookup->memo, "missing");
    if (missing != NULL)
        err_set(&err, ERR_USER, "%s: %s", resource_origin(lookup), missing);
    else
        err_set(&err, ERR_USER, "%s: there is no %s '%s', which %s '%s' needs",
                resource_origin(lookup), lookup->type->singular, lookup->name, r->type->singular,
                r->label);
    add_problem(problems, &err);
}

/* Refuses what a selected resource needs and will not find. Each lookup is named once. */
static void check_needs(const struct resource *r, bool *named, struct err *problems)
{
    if (!r->selected || r->want == NULL || r->type->scope == SCOPE_LOOKUP)
        return;
    for (size_t i = 0; i < r->n_needs; i++) {
        const struct resource *other = r->needs[i].resource;
        if (other->have != NULL || named[other->index])
            continue;
        if (other->type->scope == SCOPE_LOOKUP) {
            named[other->index] = true;
            add_missing_lookup(r, other, problems);
        } else if (!other->selected && r->action != ACTION_NONE) {
            _cleanup_err_ struct err err = ERR_INIT;
            named[other->index] = true;
            err_set(&err, ERR_USER,
                    "%s: %s '%s' needs %s '%s', which does not exist and is not part of this job: "
                    "run the job 'deploy' first",
                    resource_origin(r), r->type->singular, r->label, other->type->singular,
                    other->label);
            add_problem(problems, &err);
        }
    }
}

static void forget(struct resource *r)
{
    r->action = ACTION_NONE;
    r->note = NULL;
    r->wait = false;
    free(steal_ptr(&r->waiting_for));
    cJSON_Delete(r->changes);
    r->changes = cJSON_CreateArray();
}

static void count(const struct resource *r, struct plan_counts *counts)
{
    switch (r->action) {
    case ACTION_CREATE:
        counts->create++;
        break;
    case ACTION_UPDATE:
        counts->update++;
        break;
    case ACTION_REPLACE:
        counts->replace++;
        break;
    case ACTION_REMOVE:
        counts->remove++;
        break;
    case ACTION_NONE:
        /* A note on what nothing is done to is why not. */
        if (r->wait)
            counts->wait++;
        else if (r->note != NULL)
            counts->leave++;
        else if (r->have != NULL && r->want != NULL && r->type->scope != SCOPE_LOOKUP)
            counts->keep++;
        break;
    }
}

int engine_plan(struct graph *g, const struct selection *selection, struct plan_counts *ret,
                struct err *err)
{
    if (selection_apply(g, selection, err) < 0)
        return -1;
    _cleanup_err_ struct err problems = ERR_INIT;
    for (size_t i = 0; i < g->n; i++)
        forget(g->v[i]);
    /* In the order of needs, since what will change makes references to it unknown. */
    for (size_t i = 0; i < g->n_order; i++)
        decide_wanted(g->order[i], &problems);
    for (size_t i = 0; i < g->n; i++)
        if (g->v[i]->want == NULL && g->v[i]->type->scope != SCOPE_LOOKUP)
            decide_orphan(g->v[i], &problems);
    _cleanup_free_ bool *named = xcalloc(g->n + 1, sizeof(bool));
    for (size_t i = 0; i < g->n_order; i++)
        check_needs(g->order[i], named, &problems);
    if (problems.class != ERR_NONE)
        return err_move(err, &problems);
    struct plan_counts counts = { 0 };
    for (size_t i = 0; i < g->n; i++)
        count(g->v[i], &counts);
    *ret = counts;
    return 0;
}
