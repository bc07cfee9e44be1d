/* SPDX-License-Identifier: MIT */
#ifndef BERTH_ENGINE_CRITICALPATH_H
#define BERTH_ENGINE_CRITICALPATH_H

/*
 * Which resources decided when an apply ended: the one that ended last, what that had to wait for
 * before it could start, and so on back to one that waited for nothing. To make the run shorter is
 * to make one of these shorter; whatever else was under way beside them had time to spare.
 *
 * It follows from what was seen, the times in each resource, and not from how long things usually
 * take. Pure; after engine_apply().
 */

#include "drivers/resource.h"

struct critical_step {
    const struct resource *r; /* the graph's */
    /* clock_now() at which the step before it let it start; r->started is later where no worker was
     * free. 0: it waited for no other. */
    double released;
};

/* The steps in the order of time; *ret is the caller's to free. Returns their number: 0 where
 * nothing was done. */
size_t critical_path(const struct graph *g, struct critical_step **ret);

#endif
