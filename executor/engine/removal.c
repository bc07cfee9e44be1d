/* SPDX-License-Identifier: MIT */
/*
 * What goes, and when. The order is between types: all that a run removes of those in a type's
 * gone_first, and of its children, is gone before the first of the type is asked to go. Whatever
 * has no such order goes at the same time, and a failure stops what comes after it alone.
 */
#include "executor/engine/apply.h"

static bool has_name(const char *const *list, const char *name)
{
    for (; list != NULL && *list != NULL; list++)
        if (str_eq(*list, name))
            return true;
    return false;
}

static bool is_removal(const struct resource *r)
{
    return r->action == ACTION_REMOVE;
}

static size_t type_index(struct apply *a, const struct resource_type *type)
{
    return (size_t)(look_of(a, type) - a->looks);
}

/* Whether all that could be the parent of a child of this type is removed: which one is its own is
 * not known of what is not wanted. */
static bool parents_go(const struct apply *a, const struct resource_type *type)
{
    bool any = false;
    for (size_t i = 0; i < a->n; i++) {
        const struct resource *r = a->g->v[i];
        if (!str_eq(r->type->name, type->parent))
            continue;
        if (!is_removal(r) && r->have != NULL)
            return false;
        any = any || is_removal(r);
    }
    return any;
}

static bool goes_before(const struct apply *a, size_t first, size_t later)
{
    const struct resource_type *one = a->looks[first].type, *other = a->looks[later].type;
    bool after_parent = a->with_parent[later] && str_eq(other->parent, one->name);
    bool before_parent = !a->with_parent[first] && str_eq(one->parent, other->name);
    return after_parent || before_parent || has_name(other->gone_first, one->name);
}

void removal_begin(struct apply *a)
{
    size_t n = a->n_looks;
    a->with_parent = xcalloc(n + 1, sizeof(bool));
    a->before = xcalloc(n * n + 1, sizeof(bool));
    for (size_t i = 0; i < n; i++) {
        const struct resource_type *type = a->looks[i].type;
        a->with_parent[i] = (type->flags & TYPE_GOES_WITH_PARENT) != 0 && parents_go(a, type);
    }
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++)
            a->before[i * n + j] = i != j && goes_before(a, i, j);
}

static void start(struct step *step, enum task task)
{
    step_begin(step, task);
    step_progress(step, PROGRESS_RUNNING);
    step_submit(step);
}

size_t removal_wind_down(struct apply *a)
{
    size_t open = 0;
    for (size_t i = 0; i < a->n; i++) {
        struct step *step = &a->steps[i];
        if (!is_removal(step->r) || step->r->type->wind_down == NULL || step->wound_down ||
            !step_is_open(step))
            continue;
        open++;
        if (step->r->progress == PROGRESS_PENDING && confirm_type(a, step->r->type) &&
            workers_free(&a->workers) > 0)
            start(step, TASK_WIND_DOWN);
    }
    return open;
}

void removal_wound_down(struct step *step)
{
    struct resource *r = step->r;
    const struct err *err = &step->outcome.err;
    step->wound_down = true;
    if (err->class != ERR_NONE && err->class != ERR_CANCELLED)
        graph_warn(r->graph,
                   "%s '%s' cannot be prepared for its removal, which may take longer: %s",
                   r->type->singular, r->name, err->message);
    if (err->class == ERR_NONE && r->have == NULL) {
        step->task = TASK_REMOVE;
        step_finish(step);
    } else if (step->apply->cancelled) {
        step_skip(step, ERR_CANCELLED, "the job was cancelled");
    } else {
        step_progress(step, PROGRESS_PENDING);
    }
}

/* How the removals of one type stand. */
struct standing {
    size_t open;
    const struct resource *failed; /* or skipped; NULL: none */
};

static void standings_take(struct apply *a, struct standing *by_type)
{
    memset(by_type, 0, a->n_looks * sizeof(*by_type));
    for (size_t i = 0; i < a->n; i++) {
        const struct step *step = &a->steps[i];
        if (!is_removal(step->r))
            continue;
        struct standing *standing = &by_type[type_index(a, step->r->type)];
        standing->open += step_is_open(step);
        if (step_has_failed(step))
            standing->failed = step->r;
    }
}

/* What became of the parents that go, where that was no removal; NULL: they were removed. */
static const char *parent_instead(const struct apply *a, const struct resource_type *type)
{
    for (size_t i = 0; i < a->n; i++) {
        const struct resource *r = a->g->v[i];
        if (is_removal(r) && r->instead != NULL && str_eq(r->type->name, type->parent))
            return r->instead;
    }
    return NULL;
}

/* Its parent is gone, and it with that. */
static void finish_with_parent(struct step *step)
{
    const char *instead = parent_instead(step->apply, step->r->type);
    if (instead != NULL) {
        confirm_spare(step, instead);
        return;
    }
    step_begin(step, TASK_REMOVE);
    resource_set_have(step->r, NULL);
    step_finish(step);
}

/* Whose a child is its parent tells. */
static bool confirm_parents(struct apply *a, const struct resource_type *type)
{
    for (size_t i = 0; i < a->n_looks; i++)
        if (str_eq(a->looks[i].type->name, type->parent))
            return confirm_type(a, a->looks[i].type);
    return true;
}

/* A parent that fails before it is its children's turn could not be confirmed: it stays, and they
 * are part of it. NULL: none has. */
static const struct resource *unconfirmed_parent(const struct apply *a,
                                                 const struct resource_type *type)
{
    for (size_t i = 0; i < a->n; i++) {
        const struct resource *r = a->g->v[i];
        if (is_removal(r) && r->progress == PROGRESS_FAILED && str_eq(r->type->name, type->parent))
            return r;
    }
    return NULL;
}

/* It is the turn of a type: whether what goes of it is there and ours, as a look tells that began
 * after all that had to go first was gone. */
static bool confirm_turn(struct apply *a, size_t type)
{
    struct look *look = &a->looks[type];
    for (size_t i = 0; i < a->n && !look->turn; i++)
        if (a->steps[i].r->type == look->type)
            a->steps[i].confirmed = false;
    look->turn = true;
    return a->with_parent[type] || (confirm_parents(a, look->type) && confirm_type(a, look->type));
}

/* Starts what is pending of one type if it is its turn, or ends it; whether anything has ended. */
static bool advance_type(struct apply *a, size_t type, const struct standing *by_type)
{
    const struct resource *failed = NULL;
    bool turn = true, ended = false;
    for (size_t i = 0; i < a->n_looks; i++) {
        if (!a->before[i * a->n_looks + type])
            continue;
        if (by_type[i].failed != NULL)
            failed = by_type[i].failed;
        turn = turn && by_type[i].open == 0;
    }
    turn = turn && failed == NULL && confirm_turn(a, type);
    const char *why = failed != NULL ? "not removed: first must go" : "not removed: it stays with";
    if (failed == NULL)
        failed = unconfirmed_parent(a, a->looks[type].type);
    for (size_t i = 0; i < a->n && (turn || failed != NULL); i++) {
        struct step *step = &a->steps[i];
        if (!is_removal(step->r) || step->r->progress != PROGRESS_PENDING ||
            step->r->type != a->looks[type].type)
            continue;
        if (failed != NULL)
            step_skip_since(step, why, failed);
        else if (a->with_parent[type])
            finish_with_parent(step);
        else if (str_eq(parent_instead(a, step->r->type), REMOVAL_LEFT))
            confirm_spare(step, REMOVAL_LEFT);
        else if (workers_free(&a->workers) > 0)
            start(step, TASK_REMOVE);
        ended = ended || !step_is_open(step);
    }
    return ended;
}

size_t removal_advance(struct apply *a)
{
    _cleanup_free_ struct standing *by_type = xcalloc(a->n_looks + 1, sizeof(*by_type));
    bool again = true;
    while (again) {
        again = false;
        standings_take(a, by_type);
        for (size_t i = 0; i < a->n_looks; i++)
            again = (by_type[i].open > 0 && advance_type(a, i, by_type)) || again;
    }
    size_t open = 0;
    for (size_t i = 0; i < a->n_looks; i++)
        open += by_type[i].open;
    return open;
}
