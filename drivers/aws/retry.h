/* SPDX-License-Identifier: MIT */
#ifndef BERTH_DRIVERS_AWS_RETRY_H
#define BERTH_DRIVERS_AWS_RETRY_H

/*
 * Whether and when a call is tried again. One struct retry per call; not shared by threads.
 *
 * Both the number of tries and the time are bounded twice. Failures of one kind in a row have the
 * bounds of their case: they start anew when another kind comes between, so that a connection that
 * breaks in the third minute of throttling is no reason to give up. All of the call's failures
 * together have the sum of the bounds of the cases that it has met, each counted once, so that a
 * call whose failures take turns ends, too. Time counts from the first failure: neither the wait
 * for a turn (rates.h) nor a slow first try takes anything from it.
 */

#include <stdbool.h>
#include <stdint.h>

#include "executor/base/err.h"

struct retry_case;

/* Failures that are counted together, and how many of them and for how long they are borne. */
struct retry_span {
    unsigned tries, tries_most;
    double since;        /* the first of them, clock_now()'s */
    double seconds_most; /* from then on */
};

struct retry {
    struct retry_span all, row;    /* the call's; those at the end that are of one case */
    const struct retry_case *last; /* static; NULL: none yet */
    uint32_t met;                  /* the cases, a bit for each */
    unsigned random;               /* state of the jitter */
};

/* What is known of a try that failed, beyond its error. */
struct retry_context {
    double retry_after; /* seconds that the answer asks for, or 0 */
    bool role_changed;  /* this session has created or changed an IAM role */
    bool just_created;  /* the input names what this session created a moment ago */
};

void retry_init(struct retry *r);
/*
 * Counts a try that failed with *err at `now`. Whether another is worth it: then *ret_wait is how
 * many seconds to wait before it.
 */
bool retry_again(struct retry *r, const struct err *err, const struct retry_context *context,
                 double now, double *ret_wait);

#endif
