/* SPDX-License-Identifier: MIT */
#ifndef BERTH_DRIVERS_SINGLE_H
#define BERTH_DRIVERS_SINGLE_H

/*
 * Kinds of which an environment has at most one, under a name that is known from the start: a load
 * balancer, a Redis, a log group. What there is of one is read with one call, then taken into the
 * resource; both functions are the driver's.
 */

#include "drivers/resource.h"

struct single {
    const struct resource_type *type;
    const char *label; /* as the spec calls it: "redis" */
    /* *ret, the caller's, is what AWS says of what has that name; NULL where there is none. */
    int (*read)(struct session *s, const char *name, cJSON **ret, struct err *err);
    /* Sets `have`, tags and outputs by that; `value` may be NULL: absent. */
    int (*take)(struct session *s, struct resource *r, const cJSON *value, struct err *err);
};

/* A type's discover(), for the one called `name`. */
int single_discover(const struct single *one, struct session *s, struct graph *g, const char *name,
                    struct err *err);
/* And its observe(). */
int single_observe(const struct single *one, struct session *s, struct resource *const *r, size_t n,
                   struct err *err);

#endif
