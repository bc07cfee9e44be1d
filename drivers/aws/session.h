/* SPDX-License-Identifier: MIT */
#ifndef BERTH_DRIVERS_AWS_SESSION_H
#define BERTH_DRIVERS_AWS_SESSION_H

/*
 * What a session consists of: known to the files that open, use and free it, not to drivers.
 * Everything but `mutex` and what it guards is set before the first call and stays.
 */

#include "drivers/aws/client.h"
#include "drivers/aws/record.h"

struct session {
    char *region;
    struct cancel *cancel; /* the caller's */
    struct record record;

    session_answer answer; /* who answers instead of AWS, or NULL */
    void *context;

    uv_mutex_t mutex;
    char *account; /* guarded by mutex; once set it stays */
};

/* A session without a way to answer. */
struct session *session_new(const char *region, struct cancel *cancel);

#endif
