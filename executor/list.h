/* SPDX-License-Identifier: MIT */
#ifndef BERTH_LIST_H
#define BERTH_LIST_H

/*
 * `berth list`: all environments of the host config's projects, and how each is. What a fleet says
 * may be out of date; here each is looked at as a teardown would, by every kind's own Describe, so
 * that what is gone is not listed and what is left without its cluster is. Only reads.
 */

#include "drivers/resource.h"
#include "executor/fleet.h"

enum list_state {
    LIST_UP,       /* the cluster is there, and all is ready */
    LIST_CHANGING, /* something is not ready yet */
    LIST_FAILED,   /* something will not be ready by waiting */
    LIST_DELETING, /* something is being deleted */
    LIST_HALF,     /* a cluster that runs no service */
    LIST_LEFT,     /* the cluster is gone, and something else is not */
    LIST_UNKNOWN,  /* not by the host config, or it could not be looked at: only what the tagging
                      API's index says is known */
};

struct list_item {
    const struct fleet_item *item;
    enum list_state state;
    size_t resources;
    time_t created; /* of the oldest that tells; 0: none does */
    char *why;      /* of the state; or NULL */
    struct err err; /* why it could not be looked at */
};

struct list {
    struct fleet fleet;
    struct list_item *v;
    size_t n;
};
#define LIST_INIT                                                                                  \
    {                                                                                              \
        .fleet = FLEET_INIT                                                                        \
    }
#define _cleanup_list_ _cleanup_(list_release)

struct list_request {
    const struct hostconfig *host;
    int64_t project; /* 0: all */
    const char *session_name;
    struct cancel *cancel;
};
/* One that cannot be looked at is unknown, and keeps nobody from the others. */
int list_make(const struct list_request *request, struct list *ret, struct err *err);
/* Fails where something could not be read. */
int list_verdict(const struct list *list, struct err *err);
/* What a graph that was observed in a teardown says of its environment. Pure. */
void list_judge(const struct graph *g, struct list_item *item);
/* A table with a line for each; `now` is what ages are counted to. */
void list_to_text(const struct list *list, time_t now, struct strbuf *out);
/* Schema "berth-list/1", documented in docs/json.md; `failure` is the verdict's, or NULL. The
 * caller owns it. */
cJSON *list_to_json(const struct list *list, const struct err *failure);
void list_release(struct list *list);

#endif
