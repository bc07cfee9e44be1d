/* SPDX-License-Identifier: MIT */
#ifndef BERTH_DRIVERS_AWS_TRANSPORT_H
#define BERTH_DRIVERS_AWS_TRANSPORT_H

/*
 * Sending one call over the wire: write, sign, send, read, and again as long as that helps. What a
 * session and the credential providers that talk to STS share.
 *
 * A struct transport is thread-safe and belongs to who made it.
 */

#include <stdatomic.h>

#include "drivers/aws/endpoints.h"
#include "drivers/aws/http.h"
#include "drivers/aws/rates.h"
#include "drivers/aws/shapes.h"
#include "executor/base/json.h"

struct credentials;

/* See aws_call_found(). */
typedef int (*call_find)(void *context, cJSON **ret_output, struct err *err);

struct transport {
    struct http *http;
    struct endpoints *endpoints;
    struct cancel *cancel; /* the caller's */
    char *user_agent;
    char *region;
    atomic_long
        clock_offset;     /* AWS's clock less ours, seconds: set once an answer says we are off */
    _Atomic double until; /* clock_now() after which no call goes on; 0: there is no such limit */
};

struct transport_call {
    const struct service *service;
    const struct operation *operation;
    const cJSON *input;              /* checked; may be NULL */
    struct credentials *credentials; /* NULL: unsigned */
    struct rates *rates;             /* NULL: as fast as it goes */
    bool role_changed;               /* as in struct retry_context */
    bool just_created;
    call_find find; /* asked before a try is repeated that may have been carried out; or NULL */
    void *find_context;
    atomic_bool *is_throttled; /* says, while it goes on, whether the last answer was a throttle; or
                                * NULL */
    unsigned tries;            /* out: how many were made */
    unsigned throttled;        /* out: how many of them were answered with a throttle error */
    bool uncertain;            /* out: one that failed may have been carried out */
};

/* Reads AWS_CA_BUNDLE and the endpoints from the environment. user_agent NULL: "berth/<version>".
 */
int transport_new(const char *region, const char *user_agent, struct cancel *cancel,
                  struct transport **ret, struct err *err);
void transport_free(struct transport *t);
/* From now on calls end with this cancel. Not while any goes on. */
void transport_outlive(struct transport *t, struct cancel *cancel);

/* Calls, retrying; the message of a failure has no "service:Action: " yet. The caller owns *ret. */
int transport_send(struct transport *t, struct transport_call *call, cJSON **ret, struct err *err);
/* The date as AWS has it. */
time_t transport_time(struct transport *t);

#endif
