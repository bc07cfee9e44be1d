/* SPDX-License-Identifier: MIT */
#ifndef BERTH_DRIVERS_AWS_RATES_H
#define BERTH_DRIVERS_AWS_RATES_H

/*
 * How fast a session calls: token buckets per service and per action, which AWS's answers move. A
 * throttled call halves the rate, a good one widens it, up to the documented limit where there is
 * one. Thread-safe. Times are arguments in seconds, so that tests need not sleep.
 */

#include <cjson/cJSON.h>

#include "executor/base/clock.h"
#include "executor/base/err.h"

struct rates;

/* config: the host config's "rates", {"route53": 5, "ecs.RegisterTaskDefinition": 1} in calls per
 * second, over the defaults; or NULL. ERR_INVALID if a rate is not a positive number. */
int rates_new(const cJSON *config, struct rates **ret, struct err *err);
void rates_free(struct rates *r);

/* Takes a call's turn: how many seconds it must wait for it, 0 if none. A turn that has been taken
 * is used; nothing gives it back. */
double rates_take(struct rates *r, const char *service, const char *action, double now);
/* Tells how the call went. */
void rates_tell(struct rates *r, const char *service, const char *action, bool throttled,
                double now);
/* Whether people have been told that a service is throttled, as they are from now on. */
bool rates_are_told(struct rates *r, const char *service);
/* The present rate of "service" or "service.action" in calls per second; INFINITY: unlimited. */
double rates_of(struct rates *r, const char *name);

#endif
