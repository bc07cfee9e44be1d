/* SPDX-License-Identifier: MIT */
#ifndef BERTH_FLEET_H
#define BERTH_FLEET_H

/*
 * All environments of the host config's projects: in every account and region that a kind of branch
 * of theirs has. They are found by the tags of their clusters and, where the cluster is gone but
 * something else stays, by the index of the tagging API, which may still have what is gone.
 *
 * A fleet owns everything in it; what a host config says of it is the host config's, which outlives
 * it. Only reads.
 */

#include "executor/base/clock.h"
#include "executor/environment.h"

/* Where environments are looked for: a region, as one role sees it. */
struct place {
    const char *region;
    const char *role_arn; /* or NULL */
    char *account;        /* NULL where it could not be told */
    struct err err;       /* why it could not be read, or not whole; ERR_NONE: it was */
};

struct fleet_item {
    char *name;
    int64_t project;
    char *ref; /* as the tags have it; NULL where they tell none */
    const struct place *place;
    /*
     * What the branch's environment is by the host config: its name, kind, region and role; `name`
     * NULL where that is not this one, and `why` says why. Nothing is done to such a one.
     */
    struct environment environment;
    char *why;
    bool has_cluster;
    int64_t pipeline; /* 0: not known */
    time_t expires;   /* 0: never, or the host config has no time to live */
    size_t tagged;    /* how many resources the tagging API's index has of it */
};

struct fleet {
    struct place *places;
    size_t n_places;
    struct fleet_item *v; /* by name, then by place */
    size_t n;
};
#define FLEET_INIT                                                                                 \
    {                                                                                              \
        .n = 0                                                                                     \
    }
#define _cleanup_fleet_ _cleanup_(fleet_release)

/* Of one project, or of all (0). A place that cannot be read is warned of, and keeps nobody from
 * the others: a part is not all, as fleet_verdict() says in the end. */
int fleet_find(const struct hostconfig *h, int64_t project, const char *session_name,
               struct cancel *cancel, struct fleet *ret, struct err *err);
/* Fails where a place could not be read, with the first one's error. */
int fleet_verdict(const struct fleet *f, struct err *err);
/* The places that could not be read, as `berth list` and `berth sweep` tell of them
 * (docs/json.md); the caller owns it. */
cJSON *fleet_unread_to_json(const struct fleet *f);
void fleet_release(struct fleet *f);

/* Fills in an item's environment, or why it has none, from the host config: what fleet_find() has
 * decided by. Pure; name, project, ref and place are set. */
void fleet_identify(struct fleet_item *item, const struct fleet *f, const struct hostconfig *h);

#endif
