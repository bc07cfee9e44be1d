/* SPDX-License-Identifier: MIT */
#ifndef BERTH_TOOLWORK_H
#define BERTH_TOOLWORK_H

/*
 * Gives a tool driver (drivers/tool.h) what it works with: the module that the job's name means,
 * the checkout, and a way to run programs as the job's user.
 */

#include "drivers/tool.h"
#include "executor/dispatch.h"
#include "executor/engine/spec.h"
#include "executor/job.h"
#include "executor/jobuser.h"

/* Everything is the caller's. */
struct toolwork {
    const struct tool_driver *driver;
    const struct job *job;
    const struct hostconfig *host;
    const struct dispatch *dispatch;
    const struct spec
        *spec; /* resolved, if the driver needs an environment; empty: there is none */
    int checkout;
    struct cancel *cancel;
    const struct context *context; /* where the driver needs an environment, else NULL */
    struct session *session;       /* likewise */
};

/* struct tool_job's `run` for programs that run as a user, whom all directories of `user` belong
 * to. */
int tool_run_as(const struct jobuser *user, const struct tool_job *job,
                const struct tool_call *call, struct tool_end *ret, struct err *err);
/* Does the job. ERR_CANCELLED if it was cancelled, whatever has become of it. */
int tool_work(const struct toolwork *work, struct err *err);

#endif
