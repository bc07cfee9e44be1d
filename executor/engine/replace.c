/* SPDX-License-Identifier: MIT */
/*
 * Replacing. Under a second name: the old one is split off and becomes one more removal. By
 * removing first: what needs the old one lets go of it, or is bound to it and is itself removed
 * before it; then the old one goes, and everything is brought up again in the usual order.
 */
#include "executor/engine/apply.h"

void replace_split(struct graph *g)
{
    for (size_t i = 0, n = g->n; i < n; i++) {
        struct resource *r = g->v[i];
        if (r->action != ACTION_REPLACE || r->type->replace != REPLACE_CREATE_FIRST)
            continue;
        struct resource *old = graph_split(r, r->type->second_name(r));
        old->action = ACTION_REMOVE;
        old->selected = true;
        old->note = "replaced";
        old->changes = cJSON_CreateArray();
    }
}

static bool is_in_the_way(struct apply *a, const struct resource *r, const struct resource *other)
{
    const struct step *step = step_of(a, r);
    if (r->action != ACTION_REPLACE && r->action != ACTION_UPDATE && r->action != ACTION_REMOVE)
        return false;
    /* While a worker has it, whether it is there is the worker's to know. */
    bool there = step->with_worker || r->have != NULL;
    if (resource_is_bound(r, other))
        return there;
    return there && resource_lets_go(r, other) && !step->has_let_go;
}

static void start(struct step *step, enum task task, const struct resource *other)
{
    if (workers_free(&step->apply->workers) == 0)
        return;
    step_begin(step, task);
    step->other = other;
    step_progress(step, PROGRESS_RUNNING);
    step_submit(step);
}

static bool is_obstructed(struct apply *a, const struct resource *r)
{
    for (size_t i = 0; i < a->n; i++)
        if (a->g->v[i] != r && is_in_the_way(a, a->g->v[i], r))
            return true;
    return false;
}

/* Whose a child is its parent tells: that is read before the first of what is bound to it goes, and
 * once more, by then minutes later, before it goes itself. */
static bool must_confirm(const struct step *step)
{
    return step->r->want != NULL && !step->way_confirmed && is_obstructed(step->apply, step->r);
}

/* Starts what can be done about what stands in the way of r's removal; whether nothing does. */
static bool way_is_clear(struct apply *a, const struct resource *r,
                         const struct resource **ret_failed)
{
    bool clear = true;
    for (size_t i = 0; i < a->n; i++) {
        struct resource *other = a->g->v[i];
        if (other == r || !is_in_the_way(a, other, r))
            continue;
        clear = false;
        if (step_has_failed(step_of(a, other)))
            *ret_failed = other;
        else if (other->progress != PROGRESS_PENDING)
            continue;
        else if (!resource_is_bound(other, r))
            start(step_of(a, other), TASK_LET_GO, r);
        else if (must_confirm(step_of(a, other)))
            start(step_of(a, other), TASK_CONFIRM, NULL);
        else if (way_is_clear(a, other, ret_failed))
            start(step_of(a, other), TASK_REMOVE, NULL);
    }
    return clear;
}

void replace_advance(struct step *step, const struct resource **ret_failed)
{
    if (must_confirm(step))
        start(step, TASK_CONFIRM, NULL);
    else if (way_is_clear(step->apply, step->r, ret_failed))
        start(step, TASK_REMOVE, NULL);
}

void replace_task_ended(struct step *step)
{
    struct resource *r = step->r;
    if (step->task == TASK_LET_GO) {
        step->has_let_go = true;
    } else if (step->task == TASK_CONFIRM) {
        step->way_confirmed = true;
    } else {
        cJSON_Delete(r->outputs);
        cJSON_Delete(r->memo);
        r->outputs = cJSON_CreateObject();
        r->memo = cJSON_CreateObject();
    }
    step_progress(step, PROGRESS_PENDING);
}
