/* SPDX-License-Identifier: MIT */
#ifndef BERTH_ENGINE_INTERNAL_H
#define BERTH_ENGINE_INTERNAL_H

/*
 * What the engine's own files share: questions about resources that plan, observe and apply must
 * answer alike. All are pure.
 */

#include "executor/engine/engine.h"

#define ENGINE_WORKERS 16
static inline unsigned engine_workers(const struct engine_options *o)
{
    return o->workers ? o->workers : ENGINE_WORKERS;
}

/* Whether a run has something to do with it. */
static inline bool resource_takes_part(const struct resource *r)
{
    return r->action != ACTION_NONE || r->wait;
}

static inline bool resource_is_under_way(const struct resource *r)
{
    return r->progress == PROGRESS_SETTLING || r->progress == PROGRESS_RUNNING || r->recalling;
}

/* Every type of every driver, in order, as an array that the caller frees; returns how many. */
size_t engine_types(const struct graph *g, const struct resource_type ***ret);
/* The driver in this graph whose type this is. */
const struct driver *engine_driver_of(const struct graph *g, const struct resource_type *type);
/* The scope that counts: a child has its parent's. */
enum scope resource_scope(const struct resource *r);
/* Whether a resource that exists may be changed by this run, by its scope. */
bool resource_may_update(const struct resource *r);
/* Sets r->changes to what differs between r->target and r->have; whether anything does. */
bool resource_compare(struct resource *r);
/*
 * The change in r->changes that only a new resource can have: one of an immutable member, or any if
 * the type has no update(). Of those to values known only after apply, only where the type is
 * replaced by removing first: a plan may overstate, never understate. NULL: there is none.
 */
const cJSON *resource_immutable_change(const struct resource *r);
/* ERR_USER if there is one to a value that is known. */
int resource_check_changes(const struct resource *r, struct err *err);
/* Whether limits.allowReplace lets it be replaced or removed: what is not precious always. */
bool limits_allow_replace(const struct resource *r);
/* Whether r must be removed before `other` can be. Of what is not wanted its type decides. */
bool resource_is_bound(const struct resource *r, const struct resource *other);
/* Whether r must let go of `other` before that can be removed. */
bool resource_lets_go(const struct resource *r, const struct resource *other);
/* Something that r needs, and that is removed and created anew by this plan; NULL: nothing is. */
const struct resource *resource_replaced_need(const struct resource *r);
/* Seconds until what is begun for a resource must be done. */
double resource_deadline(const struct resource *r, bool is_removal);
/* READY without a judge(); never called while `have` is NULL. */
enum readiness resource_judge(const struct resource *r, struct strbuf *why);
/* "name (not ours: it has the tags ...)", for a list of what is in the way. */
void conflict_describe(const struct resource *r, struct strbuf *text);
/* ERR_CONFLICT with that list and what to do about it. */
int conflict_error(const struct graph *g, const char *list, struct err *err);
/* Sets `selected` of every resource; ERR_USER for a driver or service that there is not. */
int selection_apply(struct graph *g, const struct selection *selection, struct err *err);

#endif
