/* SPDX-License-Identifier: MIT */
#ifndef BERTH_DESTROY_H
#define BERTH_DESTROY_H

/*
 * The end of one environment: all that is there and its own is removed, without its spec and
 * without a checkout, for the branch may be gone. What is there is found anew at the end, so that
 * "nothing is left" is what was seen, not what was asked for. Nothing is written to AWS but by
 * destroy_carry_out().
 */

#include "executor/errand.h"

struct destroy {
    struct errand errand;
    struct graph *graph; /* what was there when it was looked at last; or NULL */
    struct plan_counts counts;
    unsigned removed;
    cJSON *results; /* array, what became of each resource; NULL before anything was tried */
    cJSON *left;    /* array, what is there all the same and why; NULL where that was not seen */
    cJSON *notes;   /* object, the drivers' own, from one look to the next */
    /*
     * The caller's, or NULL: asked before what has come back is removed once more, whether it is
     * still to go, given the graph in which it was found.
     */
    int (*confirm)(void *asker, const struct graph *g, bool *ret, struct err *err);
    void *asker;
    bool spared; /* confirm() said no: what has come back was left */
};
#define DESTROY_INIT                                                                               \
    {                                                                                              \
        .errand = ERRAND_INIT                                                                      \
    }
#define _cleanup_destroy_ _cleanup_(destroy_release)

/* ERR_REFUSED for production, unless the host config allows that it is destroyed. */
int destroy_check(const struct hostconfig *host, int64_t project, const struct environment *e,
                  struct err *err);
/* Opens the session and finds what is there. Before it, a run that will write takes the lock:
 * errand_lock(). */
int destroy_look(struct destroy *d, const struct errand_request *request, struct err *err);
bool destroy_has_work(const struct destroy *d);
/* Says what is to be removed, in a line by type, and each resource, folded. */
void destroy_say_plan(const struct destroy *d);
/* Warns where only a plan is allowed. */
void destroy_say_refusal(const struct destroy *d);
/*
 * Removes it, looks at what is left, and says what is and why. What came back after its removal,
 * as a log group that a task wrote to once more, is removed again, once. Fails if anything is left,
 * or it could not be seen that nothing is; not where it was spared.
 */
int destroy_carry_out(struct destroy *d, struct err *err);
/* The verdict of a run that went well, the last line. */
void destroy_say_verdict(const struct destroy *d);
/* All of it: the lock, the look, the plan; if it `writes`, the rest; the verdict. */
int destroy_environment(struct destroy *d, const struct errand_request *request, bool writes,
                        struct err *err);
/* Schema "berth-destroy/1", documented in docs/json.md; `failure` NULL: it went well. The caller
 * owns it. */
cJSON *destroy_to_json(const struct destroy *d, const struct err *failure);
void destroy_release(struct destroy *d);

#endif
