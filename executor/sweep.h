/* SPDX-License-Identifier: MIT */
#ifndef BERTH_SWEEP_H
#define BERTH_SWEEP_H

/*
 * `berth sweep`: destroys ephemeral environments that nobody uses any more, since their branch is
 * gone or their time to live is over. Never production, and never one that the host config does not
 * make of a branch of its own.
 *
 * That a branch is gone is believed only of GitLab's whole list of a project's branches; where
 * that cannot be had, nothing of the project is swept. Before an environment is destroyed, and once
 * its lock is held, the reason is looked at once more; and again before what has come back
 * meanwhile is removed.
 */

#include "executor/fleet.h"
#include "executor/gitlab.h"

struct sweep_request {
    const struct hostconfig *host;
    int64_t project; /* 0: all */
    const char *who; /* for those who wait for a lock */
    const char *session_name;
    struct cancel *cancel;
};

enum sweep_reason { SWEEP_KEEP, SWEEP_GONE, SWEEP_OVER };
enum sweep_result { SWEEP_NONE, SWEEP_DESTROYED, SWEEP_SPARED, SWEEP_FAILED };

struct sweep_item {
    const struct fleet_item *item;
    enum sweep_reason reason;
    char *why; /* it is swept, or kept */
    enum sweep_result result;
    unsigned removed; /* resources */
    struct err err;   /* SWEEP_FAILED */
};

struct sweep {
    const struct sweep_request *request;
    struct fleet fleet;
    struct gitlab *gitlab; /* or NULL */
    struct sweep_item *v;
    size_t n;
    struct err refused; /* why a project's environments were all kept, the first */
};
#define SWEEP_INIT                                                                                 \
    {                                                                                              \
        .fleet = FLEET_INIT, .refused = ERR_INIT                                                   \
    }
#define _cleanup_sweep_ _cleanup_(sweep_release)

/* What becomes of one environment, `branches` NULL where GitLab is not asked; *ret_why is the
 * caller's. Pure. */
enum sweep_reason sweep_decide(const struct fleet_item *item, const struct branches *branches,
                               time_t now, char **ret_why);
/* Decides what is to be swept. A project whose branches cannot be listed keeps everything, and
 * sweep->refused says why. */
int sweep_look(struct sweep *sweep, const struct sweep_request *request, struct err *err);
size_t sweep_count(const struct sweep *sweep);
/* Destroys what is to be swept, one after the other; one that fails does not stop the others. */
void sweep_carry_out(struct sweep *sweep);
/* The error a run ends with: what has failed, what was refused, or what could not be read. */
int sweep_verdict(const struct sweep *sweep, struct err *err);
/* A line for each environment, to the log. */
void sweep_say(const struct sweep *sweep);
/* Look, say, and if it `writes`, carry out: what a job does, and a person. */
int sweep_all(struct sweep *sweep, const struct sweep_request *request, bool writes,
              struct err *err);
/* Schema "berth-sweep/1", documented in docs/json.md; the caller owns it. */
cJSON *sweep_to_json(const struct sweep *sweep, const struct err *failure);
void sweep_release(struct sweep *sweep);

#endif
