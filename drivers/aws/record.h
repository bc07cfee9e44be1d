/* SPDX-License-Identifier: MIT */
#ifndef BERTH_DRIVERS_AWS_RECORD_H
#define BERTH_DRIVERS_AWS_RECORD_H

/*
 * The calls of a session, in the order in which they ended. Thread-safe. The names in a record are
 * the session's: they live until record_release().
 */

#include <uv.h>

#include "drivers/aws/client.h"

struct record {
    uv_mutex_t mutex;
    struct call_record *calls;
    size_t n, alloc;
    struct strlist names; /* the distinct strings that calls[] points to */
};

void record_init(struct record *r);
void record_release(struct record *r);
/* Copies *call; the strings in it need to live only until this returns. */
void record_add(struct record *r, const struct call_record *call);
/* A copy in the order of start times, the caller's to free (NULL where there is none). */
size_t record_copy(struct record *r, struct call_record **ret);

#endif
