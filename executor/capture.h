/* SPDX-License-Identifier: MIT */
#ifndef BERTH_CAPTURE_H
#define BERTH_CAPTURE_H

/*
 * Reads what a program writes while it runs, by pipes, as the job log would: on a thread, so that
 * a program never waits for its reader. What is beyond the bound is read and dropped.
 */

#include <uv.h>

#include "executor/base/err.h"

struct capture {
    struct strbuf *to[2]; /* the caller's; nobody else's between start and end. NULL: none */
    size_t max;           /* bytes in each */
    bool shown;
    int read[2], write[2], stop[2];
    uv_thread_t thread;
};

/* Starts to read what is written to write[0] into *out, to write[1] into *errors; either may be
 * NULL, its write[] is then 0. ERR_HOST. */
int capture_start(struct capture *c, struct strbuf *out, struct strbuf *errors, size_t max,
                  struct err *err);
/* Likewise, but what is written to write[1] goes on to the standard error as it comes, and *errors
 * has its end: at least `max` bytes, if there are as many, and at most twice that. */
int capture_start_shown(struct capture *c, struct strbuf *errors, size_t max, struct err *err);
/* Takes what has been written so far, and closes all. Call it when the program, and what it has
 * left, is gone: whatever still holds the other end is not waited for. */
void capture_end(struct capture *c);

#endif
