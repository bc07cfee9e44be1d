/* SPDX-License-Identifier: MIT */
#include "executor/engine/criticalpath.h"

static bool took_part(const struct resource *r)
{
    return r->started > 0 && r->ended >= r->started;
}

static bool is_removal(const struct resource *r)
{
    return r->action == ACTION_REMOVE;
}

static bool is_listed(const char *const *names, const char *name)
{
    for (; names != NULL && *names != NULL; names++)
        if (str_eq(*names, name))
            return true;
    return false;
}

/* Whether removals of the one type wait for the other's: removal.c's order. A child goes before its
 * parent, or with it. */
static bool goes_behind(const struct resource_type *type, const struct resource_type *first)
{
    return is_listed(type->gone_first, first->name) || str_eq(first->parent, type->name) ||
           str_eq(type->parent, first->name);
}

/* When `other` let r start; 0: it had no say in it. */
static double release_by_need(const struct resource *r, const struct need *need)
{
    const struct resource *other = need->resource;
    if (other == NULL || !took_part(other) || is_removal(other))
        return 0;
    bool exists = need->kind == NEED_EXISTS && other->written > 0;
    double at = exists ? other->written : other->ended;
    return at <= r->started ? at : 0;
}

static const struct resource *latest_need(const struct resource *r, double *ret_released)
{
    const struct resource *latest = NULL;
    for (size_t i = 0; i < r->n_needs; i++) {
        double at = release_by_need(r, &r->needs[i]);
        if (at <= *ret_released)
            continue;
        *ret_released = at;
        latest = r->needs[i].resource;
    }
    return latest;
}

/* Of the removals that go before r; or, where it is among the first, of all that is built: nothing
 * is removed before that has ended. */
static const struct resource *latest_before(const struct graph *g, const struct resource *r,
                                            bool removals, double *ret_released)
{
    const struct resource *latest = NULL;
    for (size_t i = 0; i < g->n; i++) {
        const struct resource *other = g->v[i];
        if (!took_part(other) || is_removal(other) != removals || other == r ||
            (removals && !goes_behind(r->type, other->type)))
            continue;
        if (other->ended > r->started || other->ended <= *ret_released)
            continue;
        *ret_released = other->ended;
        latest = other;
    }
    return latest;
}

static const struct resource *step_before(const struct graph *g, const struct resource *r,
                                          double *ret_released)
{
    *ret_released = 0;
    if (!is_removal(r))
        return latest_need(r, ret_released);
    const struct resource *latest = latest_before(g, r, true, ret_released);
    return latest != NULL ? latest : latest_before(g, r, false, ret_released);
}

static const struct resource *last_of_all(const struct graph *g)
{
    const struct resource *last = NULL;
    for (size_t i = 0; i < g->n; i++)
        if (took_part(g->v[i]) && (last == NULL || g->v[i]->ended > last->ended))
            last = g->v[i];
    return last;
}

size_t critical_path(const struct graph *g, struct critical_step **ret)
{
    struct critical_step *steps = xcalloc(g->n + 1, sizeof(*steps));
    size_t n = 0;
    const struct resource *before;
    /* What took no time at all could be before and behind itself: no more steps than resources. */
    for (const struct resource *r = last_of_all(g); r != NULL && n < g->n; r = before) {
        steps[n].r = r;
        before = step_before(g, r, &steps[n++].released);
    }
    for (size_t i = 0; i < n / 2; i++) {
        struct critical_step other = steps[i];
        steps[i] = steps[n - 1 - i];
        steps[n - 1 - i] = other;
    }
    *ret = steps;
    return n;
}
