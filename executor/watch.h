/* SPDX-License-Identifier: MIT */
#ifndef BERTH_WATCH_H
#define BERTH_WATCH_H

/*
 * Turns SIGTERM and SIGINT into a cancel. The engine runs loops of its own for as long as its calls
 * take, hence a thread with a loop that only watches for signals.
 *
 * The first signal sets the cancel: nothing new is started, calls in flight end. A second one ends
 * the process at once, and so do WATCH_GRACE seconds: GitLab Runner may start to clean up while the
 * program still runs (GitLab Runner, common/const.go: WaitForBuildFinishTimeout).
 */

#include "executor/base/clock.h"

#define WATCH_GRACE 55

struct watch; /* opaque: it must not move while the thread runs */

/* Starts the thread; `exit_code` is that of an end at once. Returns NULL if it cannot. */
struct watch *watch_start(struct cancel *cancel, int exit_code);
/* Stops watching and joins the thread. NULL is fine. */
void watch_stop(struct watch *watch);

#endif
