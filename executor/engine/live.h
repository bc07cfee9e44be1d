/* SPDX-License-Identifier: MIT */
#ifndef BERTH_ENGINE_LIVE_H
#define BERTH_ENGINE_LIVE_H

/*
 * What a terminal shows of a run while it goes on: how much is done, and below that what takes
 * longest, why, and since when, as log.h's footer. Called as the engine's on_progress is, and reads
 * of the graph no more than that may.
 */

#include "executor/engine/engine.h"

#define LIVE_PAUSE 0.1 /* seconds between two drawings: more nobody sees */

/* `since` is when the phase began, clock_now(). */
void live_draw(const struct graph *g, const char *phase, double since);

#endif
