/* SPDX-License-Identifier: MIT */
#ifndef BERTH_DRIVERS_IAM_H
#define BERTH_DRIVERS_IAM_H

#include "drivers/resource.h"

/*
 * The ARN of a role by its name: a reference if the spec declares the role, which makes whoever
 * uses it wait for it, else its text. The caller owns it.
 */
cJSON *iam_role_arn(const struct graph *g, const cJSON *spec, const char *name);

/* A policy document as IAM answers with it, percent-encoded, or as it is. The caller owns *ret. */
int policy_parse(const char *text, cJSON **ret, struct err *err);
/*
 * Brings a document into the one form in which equal policies are equal JSON: one statement is an
 * array of one, a list of one is its item, lists of actions, resources and principals are sorted.
 * The statements keep their order.
 */
void policy_normalise(cJSON *document);

#endif
