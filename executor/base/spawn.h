/* SPDX-License-Identifier: MIT */
#ifndef BERTH_BASE_SPAWN_H
#define BERTH_BASE_SPAWN_H

/* Starts a child, for process.c; who wants one run to its end calls process_run(). */

#include "executor/base/process.h"

/*
 * Starts and executes. The caller reaps *ret. ERR_NOT_FOUND if there is no such program, ERR_HOST
 * for whatever else kept it from being started; then there is no child.
 */
int process_spawn(const struct process *process, pid_t *ret, struct err *err);
/*
 * fork(2) whose child hears no signal but SIGKILL and SIGSTOP, for as long as it lives: it has a
 * copy of our handlers, and what libuv's writes there would reach our own loop, a second time.
 */
pid_t process_fork(void);
/* In a child that has just been forked: becomes the user for good, as process.h has it. On failure
 * returns -1 with errno set, and the child must not go on. */
int process_become(const struct process_user *user);

#endif
