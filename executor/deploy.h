/* SPDX-License-Identifier: MIT */
#ifndef BERTH_DEPLOY_H
#define BERTH_DEPLOY_H

/*
 * One deploy of one environment, from its spec to its verdict; what a job (drive) and a person
 * (berth) share. The steps are called in the order in which they stand here; each fails with an
 * error that is ready to be shown. Nothing is written to AWS but by deploy_renew(),
 * deploy_tidy() and deploy_apply().
 */

#include "executor/engine/limits.h"
#include "executor/engine/spec.h"
#include "executor/errand.h"

/* What a run is to do. Everything is the caller's and outlives the run. */
struct deploy_request {
    struct errand_request errand;
    const char *sha;     /* or NULL */
    bool update_account; /* shared resources may be updated */
    /* The job's variables, as in struct spec_variables. */
    const char *(*lookup)(void *context, const char *name);
    bool (*is_masked)(void *context, const char *name);
    void *variables;
    const struct strlist *names; /* of these variables; or NULL */
};

struct deploy {
    const struct deploy_request *request;
    struct errand errand;
    struct spec spec;
    struct graph *graph;
    struct plan_counts counts;
    size_t warned_spec; /* how many of the spec's warnings have been said */
};
#define DEPLOY_INIT                                                                                \
    {                                                                                              \
        .errand = ERRAND_INIT, .spec = SPEC_INIT                                                   \
    }
#define _cleanup_deploy_ _cleanup_(deploy_release)

/* The spec as it is written; `checkout` is the descriptor of the project's directory. */
int deploy_read_spec(struct deploy *d, const struct hostconfig *host, int checkout,
                     struct err *err);
/* Resolves the spec, checks it against the limits and makes the graph of what is wanted: all that
 * can be found wrong with it without a call. */
int deploy_resolve(struct deploy *d, const struct deploy_request *request, struct err *err);
/* For a job that asks for no resources: the spec and its limits alone, and then the session. */
int deploy_resolve_spec(struct deploy *d, const struct deploy_request *request, struct err *err);
int deploy_open(struct deploy *d, struct err *err);
/* Opens a session, and reads what is there. Before it, a run that will write takes the lock:
 * errand_lock(). */
int deploy_observe(struct deploy *d, struct err *err);
int deploy_plan(struct deploy *d, const struct selection *selection, struct err *err);
/*
 * Looks for what would go wrong with the plan before anything is written. `err` holds what
 * deploy_plan() failed for, if it did: problems are told with the others. Returns -1 if there are
 * any, or were.
 */
int deploy_preflight(struct deploy *d, struct err *err);
/*
 * Whether there is room for all that the spec wants, planned or not: after deploy_observe().
 * *ret_report is capacity_examine()'s, the caller's; deploy_judge_capacity() makes an error of what
 * there is not enough of.
 */
int deploy_examine_capacity(struct deploy *d, cJSON **ret_report, struct err *err);
int deploy_judge_capacity(const struct deploy *d, const cJSON *report, struct err *err);
void deploy_say_capacity(const cJSON *report);
/* Says the plan in a line, and the whole of it, folded (a section named "berth_plan") or not.
 */
void deploy_say_plan(const struct deploy *d, bool folded);
/* Renews how long the environment lives, where that is due; that it cannot is a warning. For a
 * deploy, after deploy_plan(), also where there is nothing else to do. */
void deploy_renew(struct deploy *d);
/* Instead of deploy_apply(), where there is nothing to do: finishes what a job of this pipeline
 * that was killed has left. */
void deploy_tidy(struct deploy *d);
/* Carries the plan out and says how it goes; at the end what was done, or what was not and why.
 */
int deploy_apply(struct deploy *d, struct err *err);
/* The verdict of a run that went well, the last line, and before it where the environment answers,
 * if it does. `subject` is what the run was about:
 * "automation-8527fec8". */
void deploy_say_verdict(const struct deploy *d, const char *subject);
/* Says the warnings of spec and graph that have not been said yet. */
void deploy_say_warnings(struct deploy *d);
/* Whether the plan holds anything to do or to await. */
bool deploy_has_work(const struct deploy *d);
void deploy_release(struct deploy *d);

/* The parts of a spec that "deploy-<part>" may name; fills in *ret, whose strings are `part`. */
struct part {
    const char *drivers[3];
    struct selection selection;
};
/* ERR_USER for what is neither, with the nearest that is one, and for a driver that writes nothing.
 * A driver counts before a service of its name. `part` NULL: everything. */
int part_select(const char *part, const cJSON *spec, struct part *ret, struct err *err);

#endif
