/* SPDX-License-Identifier: MIT */
#ifndef BERTH_DRIVERS_AWS_TOGETHER_H
#define BERTH_DRIVERS_AWS_TOGETHER_H

/*
 * Calls of one driver that do not need each other's answers, made at the same time.
 *
 * A task's context is the caller's, and that task's alone until together_run() returns; tasks must
 * not touch what another touches, resources of the graph included.
 */

#include <stddef.h>

#include "executor/base/err.h"

struct together_task {
    int (*run)(void *context, struct err *err);
    void *context;
};

/* Few: each of the engine's workers may do this at once, and AWS counts calls by the second. As
 * many as there are workers where only one of them does, and of no service more than a few. */
#define TOGETHER_FEW  4
#define TOGETHER_WIDE 16

/*
 * Runs all tasks, a few at a time, on the calling thread and on others, which have ended when it
 * returns. Fails with the error of the first task in order that failed; the others are run all the
 * same.
 */
int together_run(const struct together_task *tasks, size_t n, struct err *err);
int together_run_wide(const struct together_task *tasks, size_t n, struct err *err);

#endif
