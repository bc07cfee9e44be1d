/* SPDX-License-Identifier: MIT */
#ifndef BERTH_EXITCODE_H
#define BERTH_EXITCODE_H

/*
 * How a program tells GitLab Runner how it went. There are three ends: success, the job's fault and
 * everybody else's; the runner names the codes of the latter two in the environment. A script's own
 * code goes into the file that BUILD_EXIT_CODE_FILE names
 * (https://docs.gitlab.com/runner/executors/custom/#error-handling; GitLab Runner,
 * executors/custom/command/command.go: any other code is an "unknown failure").
 */

#include "executor/base/err.h"

int exitcode_build_failure(void);  /* $BUILD_FAILURE_EXIT_CODE, 1 where nobody says otherwise */
int exitcode_system_failure(void); /* $SYSTEM_FAILURE_EXIT_CODE, likewise 2 */
int exitcode_of(const struct err *err);

/*
 * From here on SIGTERM, SIGINT and SIGHUP end the process with the system-failure code: an end with
 * 0 after SIGTERM counts as success, one with 1 as a failed script (common/build.go,
 * retryCreateExecutor). SIGPIPE is ignored: a log that nobody reads any more must not end work.
 */
void exitcode_on_signals(void);

/*
 * Removes the code file. It is one path for all stages of a job and the runner never deletes it, so
 * that an old one would change the meaning of this stage's failure. ERR_HOST if it cannot be.
 */
int exitcode_clear(struct err *err);
/* Writes a script's code, whole or not at all; without BUILD_EXIT_CODE_FILE it does nothing. */
int exitcode_write(int code, struct err *err);

#endif
