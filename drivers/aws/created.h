/* SPDX-License-Identifier: MIT */
#ifndef BERTH_DRIVERS_AWS_CREATED_H
#define BERTH_DRIVERS_AWS_CREATED_H

/*
 * What a session created a moment ago, by name and id. AWS is eventually consistent: the call after
 * a Create may be answered "not found",
 * https://docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html and is worth another
 * try only if it is about such a thing. Thread-safe.
 */

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <uv.h>

#include "executor/base/str.h"

struct created {
    uv_mutex_t mutex;
    struct created_name *names;
    size_t n;
};

void created_init(struct created *c);
void created_release(struct created *c);
/* Learns from a call that succeeded at `now`: a Create adds what it names, a Delete takes it away.
 */
void created_learn(struct created *c, const char *action, const cJSON *input, const cJSON *output,
                   double now);
/* Whether a string in the input names what was created within the last minute or two. */
bool created_names(struct created *c, const cJSON *input, double now);

#endif
