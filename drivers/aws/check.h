/* SPDX-License-Identifier: MIT */
#ifndef BERTH_DRIVERS_AWS_CHECK_H
#define BERTH_DRIVERS_AWS_CHECK_H

/*
 * Checks inputs against the models, so that a misspelt member never reaches AWS, which would ignore
 * it in silence (AWS JSON services do) or answer with less than the path of what is wrong.
 */

#include <cjson/cJSON.h>

#include "drivers/aws/shapes.h"
#include "executor/base/err.h"

/*
 * Whether `input` (NULL: no members) fits the shape. ERR_INVALID names the path of the first thing
 * that does not: unknown or missing members, wrong types, lengths, ranges, words.
 */
int input_check(const struct shape *shape, const cJSON *input, struct err *err);

#endif
