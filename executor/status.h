/* SPDX-License-Identifier: MIT */
#ifndef BERTH_STATUS_H
#define BERTH_STATUS_H

/*
 * `berth status`: how an environment is, resource by resource, what is wrong first. Call after
 * engine_plan(), whatever that came to: also a spec that cannot be applied has an environment.
 * Only reads. A status refers to the graph, which outlives it; it owns everything else.
 */

#include "executor/engine/engine.h"

enum state {
    STATE_FAILED,   /* and will not recover by itself */
    STATE_FOREIGN,  /* its name is taken by what is not ours */
    STATE_ABSENT,   /* wanted, and not there */
    STATE_DIFFERS,  /* from what the spec wants */
    STATE_UNWANTED, /* there, ours, and no longer in the spec */
    STATE_WAITING,  /* as wanted, but not ready yet */
    STATE_READY,
    STATES,
};

struct status_item {
    const struct resource *r;
    enum state state;
    char *why;    /* or NULL */
    char *link;   /* to the AWS console; or NULL */
    cJSON *stops; /* of a service that is not well: ecs_service_stops(); or NULL */
};

struct status {
    const struct graph *g;
    struct status_item *v; /* in the order of their states */
    size_t n;
    unsigned counts[STATES];
};
#define STATUS_INIT                                                                                \
    {                                                                                              \
        .n = 0                                                                                     \
    }
#define _cleanup_status_ _cleanup_(status_release)

/* Whether all of the graph was read, so that there is a status also where observing ended with a
 * conflict. */
bool status_is_told(const struct graph *g);
/* The selected resources; reads why tasks have stopped of services that are not well. */
int status_make(struct session *s, const struct graph *g, struct status *ret, struct err *err);
void status_to_text(const struct status *status, struct strbuf *out);
/* Schema "berth-status/2", documented in docs/json.md; the caller owns it. */
cJSON *status_to_json(const struct status *status);
void status_release(struct status *status);

#endif
