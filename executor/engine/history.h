/* SPDX-License-Identifier: MIT */
#ifndef BERTH_ENGINE_HISTORY_H
#define BERTH_ENGINE_HISTORY_H

/*
 * What became of each resource, and when, for the report that outlives a run: a graph is freed, and
 * a resource remembers only the last thing that it waited for. All times that come out are in
 * seconds since a moment that the caller names.
 *
 * A history is used on one thread, the one that calls the engine, and holds a bounded number of
 * waits, however long a run takes.
 */

#include "executor/engine/engine.h"

#define HISTORY_WAITS_OF_ONE 32   /* reasons of one resource; the last one then stands for more */
#define HISTORY_WAITS        4000 /* of all */

struct wait_list; /* the waits of one resource */

struct history {
    struct wait_list *waits; /* by resource index */
    size_t n_waits, all_waits;
    cJSON *resources;  /* array, of every graph that was noted; NULL before the first */
    cJSON *path;       /* array, the critical path through them */
    cJSON *taken_back; /* array, the lines of a run that was to take back; or NULL */
};
#define HISTORY_INIT                                                                               \
    {                                                                                              \
        .n_waits = 0                                                                               \
    }

void history_release(struct history *h);
/* Takes note of what is awaited, and why. To be called from struct engine_options' on_progress. */
void history_progress(struct history *h, const struct graph *g, const struct resource *changed);
/*
 * Adds a graph, planned or applied, whose resources will not change any more: a plan's items with
 * what each needs, its result, times, waits and explanation; docs/json.md, "berth-report/1". The
 * next one that is noted is another graph, of what the same run did after that. `start` is the
 * clock_now() that times count from.
 */
void history_note(struct history *h, const struct graph *g, double start);

#endif
