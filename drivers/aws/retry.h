/* SPDX-License-Identifier: MIT */
#ifndef BERTH_DRIVERS_AWS_RETRY_H
#define BERTH_DRIVERS_AWS_RETRY_H

/*
 * Whether and when a call is tried again. One struct retry per call; not shared by threads. Both
 * the number of tries and the time are bounded, by the case that the failure belongs to.
 */

#include <stdbool.h>

#include "executor/base/err.h"

struct retry {
    double start;    /* of the call, clock_now()'s */
    unsigned tries;  /* that have been answered or have failed */
    unsigned random; /* state of the jitter */
};

/* What is known of a try that failed, beyond its error. */
struct retry_context {
    double retry_after; /* seconds that the answer asks for, or 0 */
    bool role_changed;  /* this session has created or changed an IAM role */
    bool just_created;  /* the input names what this session created a moment ago */
};

void retry_init(struct retry *r, double now);
/*
 * Counts a try that failed with *err at `now`. Whether another is worth it: then *ret_wait is how
 * many seconds to wait before it.
 */
bool retry_again(struct retry *r, const struct err *err, const struct retry_context *context,
                 double now, double *ret_wait);

#endif
