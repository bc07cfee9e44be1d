/* SPDX-License-Identifier: MIT */
#include "executor/engine/internal.h"

static const char note_shared[] = "shared; differs, updated by basic-infra on production";
static const char note_missing[] = "missing; not part of this job";
static const char note_differs[] = "differs; not part of this job";
static const char note_unwanted[] = "no longer wanted; not part of this job";
static const char note_orphan[] = "no longer wanted";
static const char note_unknown[] = "differs only in what is known after apply";
static const char note_new_first[] = "the new one first, then the old one goes";
static const char note_old_first[] = "the old one goes first, then comes the new one";
static const char note_precious[] = "THE OLD ONE GOES FIRST, WITH ALL IT HOLDS";
static const char note_bound[] = "replaced with what it belongs to";
static const char note_lets_go[] = "lets go of what is replaced, and comes back";

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

static bool is_removed_first(const struct resource *r)
{
    return r->action == ACTION_REPLACE && r->type->replace != REPLACE_CREATE_FIRST;
}

/* What r needs, will be removed and created anew, and cannot be while r uses it; NULL: nothing. */
static const struct resource *displaced_by(const struct resource *r)
{
    const struct resource *found = NULL;
    for (size_t i = 0; i < r->n_needs; i++) {
        const struct resource *other = r->needs[i].resource;
        if (!is_removed_first(other))
            continue;
        if (resource_is_bound(r, other))
            return other;
        if (resource_lets_go(r, other))
            found = other;
    }
    return found;
}

static void add_replace_refused(const struct resource *r, struct err *problems)
{
    const cJSON *change = resource_immutable_change(r);
    _cleanup_free_ char *why = change != NULL
                                   ? xasprintf("'%s' differs, which AWS allows only in a new one",
                                               json_str(change, "path"))
                                   : xstrdup(note_bound);
    _cleanup_err_ struct err err = ERR_INIT;
    err_set(&err, ERR_REFUSED,
            "%s: %s '%s' would have to be replaced (%s), but holds data or an address and IS NOT "
            "REPLACED unless the host config lists '%s' in limits.%s.allowReplace: set it back, or "
            "ask the host's administrator",
            resource_origin(r), r->type->singular, r->name, why, r->type->name,
            r->graph->context.kind);
    add_problem(problems, &err);
}

static void decide_replace(struct resource *r, const char *note, struct err *problems)
{
    r->action = ACTION_REPLACE;
    r->note = r->type->flags & TYPE_PRECIOUS ? note_precious : note;
    if (!limits_allow_replace(r))
        add_replace_refused(r, problems);
}

/* What differs, or has to make way, and may be changed by this job. */
static void decide_change(struct resource *r, const struct resource *displaced_by,
                          struct err *problems)
{
    if (displaced_by != NULL && resource_is_bound(r, displaced_by)) {
        decide_replace(r, note_bound, problems);
        return;
    }
    if (resource_immutable_change(r) != NULL && r->type->replace != REPLACE_REFUSE) {
        bool new_first = r->type->replace == REPLACE_CREATE_FIRST;
        decide_replace(r, new_first ? note_new_first : note_old_first, problems);
        return;
    }
    _cleanup_err_ struct err err = ERR_INIT;
    if (resource_check_changes(r, &err) < 0)
        add_problem(problems, &err);
    r->action = ACTION_UPDATE;
    if (displaced_by != NULL)
        r->note = note_lets_go;
    else
        r->note = all_unknown(r->changes) ? note_unknown : NULL;
}

static void add_not_selected(const struct resource *r, const struct resource *other,
                             struct err *problems)
{
    _cleanup_err_ struct err err = ERR_INIT;
    err_set(&err, ERR_USER,
            "%s: %s '%s' is to be replaced, for which %s '%s' must make way, which is not part of "
            "this job: run the job 'deploy'",
            resource_origin(other), other->type->singular, other->name, r->type->singular, r->name);
    add_problem(problems, &err);
}

/* What stays as it is may not be ready, or may not be any more once something it needs is another
 * one (tasks behind a new load balancer), or once another run has gone on; which is looked at in
 * the end. */
static void decide_wait(struct resource *r)
{
    _cleanup_strbuf_ struct strbuf why = STRBUF_INIT;
    const struct resource *replaced = resource_replaced_need(r);
    if (!r->selected)
        return;
    if (resource_judge(r, &why) != READY) {
        r->wait = true;
    } else if (replaced != NULL && (r->type->flags & TYPE_VERIFY_LAST) != 0) {
        r->wait = true;
        strbuf_addf(&why, "%s '%s' is replaced", replaced->type->singular, replaced->label);
    } else if (json_str(r->memo, RESOURCE_UNSETTLED) != NULL) {
        r->wait = true;
        strbuf_adds(&why, json_str(r->memo, RESOURCE_UNSETTLED));
    }
    if (r->wait)
        r->waiting_for = strbuf_detach(&why);
}

static void decide_existing(struct resource *r, struct err *problems)
{
    const struct resource *other = displaced_by(r);
    if (!resource_compare(r) && other == NULL) {
        decide_wait(r);
        return;
    }
    if (!resource_may_update(r)) {
        r->note = note_shared;
        return;
    }
    if (!r->selected) {
        r->note = note_differs;
        if (other != NULL)
            add_not_selected(r, other, problems);
        return;
    }
    decide_change(r, other, problems);
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

static void decide_orphan(struct resource *r, struct err *problems)
{
    if (!r->selected) {
        r->note = note_unwanted;
        return;
    }
    if (r->graph->context.teardown) {
        r->action = ACTION_REMOVE;
        return;
    }
    if (!limits_allow_replace(r)) {
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

enum counted resource_counted(const struct resource *r)
{
    static const enum counted of_action[] = {
        [ACTION_CREATE] = COUNTED_CREATE,
        [ACTION_UPDATE] = COUNTED_UPDATE,
        [ACTION_REPLACE] = COUNTED_REPLACE,
        [ACTION_REMOVE] = COUNTED_REMOVE,
    };
    if (r->action != ACTION_NONE)
        return of_action[r->action];
    if (r->wait)
        return COUNTED_WAIT;
    if (r->note != NULL) /* on what nothing is done to: why not */
        return COUNTED_LEAVE;
    if (r->type->scope == SCOPE_LOOKUP)
        return COUNTED_LOOKUP;
    return r->have != NULL && r->want != NULL ? COUNTED_KEEP : COUNTED_ABSENT;
}

static void count(const struct resource *r, struct plan_counts *counts)
{
    unsigned *const where[] = {
        [COUNTED_CREATE] = &counts->create,
        [COUNTED_UPDATE] = &counts->update,
        [COUNTED_REPLACE] = &counts->replace,
        [COUNTED_REMOVE] = &counts->remove,
        [COUNTED_WAIT] = &counts->wait,
        [COUNTED_LEAVE] = &counts->leave,
        [COUNTED_KEEP] = &counts->keep,
        [COUNTED_LOOKUP] = NULL,
        [COUNTED_ABSENT] = NULL,
    };
    unsigned *n = where[resource_counted(r)];
    if (n != NULL)
        ++*n;
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
