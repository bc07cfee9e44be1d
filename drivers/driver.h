/* SPDX-License-Identifier: MIT */
#ifndef BERTH_DRIVERS_DRIVER_H
#define BERTH_DRIVERS_DRIVER_H

/*
 * A driver is the module for one AWS service: which resources a spec asks for, and how each kind of
 * them is observed, created, updated, removed and awaited. Adding one is a file in drivers/ and a
 * line in registry.c.
 */

#include "drivers/preflight.h"
#include "drivers/permission.h"

struct driver {
    const char *name;                         /* "ecs": deploy-ecs means this one */
    const char *const *aliases;               /* NULL-ended, or NULL */
    const struct resource_type *const *types; /* NULL-ended */
    const struct permission *permissions;     /* what its calls ask of IAM; or NULL */
    /*
     * Adds what the spec asks for to the graph; not called in a teardown. Pure: no calls. `spec` is
     * the whole spec with overlays, defaults and variables applied and the schema checked. What is
     * wrong with it beyond the schema is ERR_USER and begins with its JSON path
     * ("services.notifier.cpu: ...").
     */
    int (*want)(struct graph *g, const cJSON *spec, struct err *err);
    /* Called once before the first write of a run that will change or await something, but not of
     * a teardown; or NULL. */
    int (*begin)(struct session *s, struct graph *g, struct err *err);
    /*
     * Called before what is no longer wanted is removed, whenever the turn has come to a type, but
     * not in a teardown; or NULL. *ret, the caller's, says which newer run has begun to work on the
     * environment since this one did: what that one wants is not this run's to remove. NULL: none.
     */
    int (*overtaken)(struct session *s, const struct graph *g, char **ret, struct err *err);
    /*
     * Looks before the first write, on a worker, for what would go wrong with what is planned to be
     * created or changed, of its own or of others' types; or NULL. See drivers/preflight.h.
     */
    void (*preflight)(struct preflight *p);
    /*
     * Called once at the end of a deploy, unless it was cancelled; or NULL. Tidies up what is done
     * (PROGRESS_DONE), also where something else failed. That is not what the run was for: what
     * fails is a warning, graph_warn(). Adds to *ret_done, for the log, what it did. Where nothing
     * was to do it costs nothing, but for what an earlier job of the same pipeline has left.
     */
    void (*end)(struct session *s, struct graph *g, struct strlist *ret_done);
    /*
     * Called before and after the types' take_back() of a run that was cancelled, once each; or
     * NULL. By `until` (clock_now()'s) all of that is over. What recall() fails at is for
     * take_back() to say.
     */
    void (*recall)(struct session *s, struct graph *g, double until);
    void (*recalled)(struct session *s, struct graph *g);
};

/* Every driver, NULL-ended; of several problems those of the first come first. */
extern const struct driver *const drivers[];

/* The driver or the driver with the alias of that name, or NULL; one without types is none that
 * somebody could name. */
const struct driver *driver_find(const char *name);
/* The driver whose type this is. */
const struct driver *driver_of(const struct resource_type *type);

#endif
