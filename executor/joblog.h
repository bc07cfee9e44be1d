/* SPDX-License-Identifier: MIT */
#ifndef BERTH_JOBLOG_H
#define BERTH_JOBLOG_H

/*
 * What a job's log looks like: facts, and how a program ends. Everything goes through log.h, and so
 * through its redactor.
 */

#include "executor/base/err.h"

/*
 * Makes log.h write to `fd`, in sections that GitLab folds. In prepare, run and drive this is the
 * standard output, where a script's lines go too: the runner reads the two pipes on their own, and
 * lines that came by different ones may change places. Colours are on, for the log is never a
 * terminal and GitLab shows them, unless NO_COLOR is set on the host or in the job
 * (https://no-color.org) or TERM is "dumb".
 */
void joblog_init(int fd);

/* Says the error that a program ends with, and gives its exit code. One whose message is "" says
 * nothing: the log has its words already, as they had to be. */
int joblog_failure(const struct err *err);

#endif
