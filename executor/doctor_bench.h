/* SPDX-License-Identifier: MIT */
#ifndef BERTH_DOCTOR_BENCH_H
#define BERTH_DOCTOR_BENCH_H

/*
 * Where `berth doctor` tries the programs that jobs need: as a job's are run, so as the first of
 * the users that scripts run as, and in the sandbox where the host has one; within a directory of
 * its own, with which goes all that they leave.
 */

#include "drivers/tool.h"
#include "executor/jobuser.h"

struct doctor_bench {
    const cJSON *host;   /* the host config, the caller's */
    struct jobuser user; /* with `work` for all its directories. Only root is another one */
    char *directory; /* ours: who ends a job of the user's finds nothing of the user's in /tmp */
    char *work;      /* in it, the user's */
    int directory_fd, work_fd;
};
#define DOCTOR_BENCH_INIT                                                                          \
    {                                                                                              \
        .user = JOBUSER_INIT, .directory_fd = -1, .work_fd = -1                                    \
    }
#define _cleanup_doctor_bench_ _cleanup_(doctor_bench_release)

/* Makes one in a new directory, which is `directory` with another end than its XXXXXX. ERR_HOST,
 * also where others could put what they like in its place. */
int doctor_bench_init(struct doctor_bench *b, const cJSON *host, const char *directory,
                      struct err *err);
/* What a driver's attempt takes; all of it is the bench's, which outlives it. */
struct tool_job doctor_bench_job(const struct doctor_bench *b);
void doctor_bench_release(struct doctor_bench *b);

#endif
