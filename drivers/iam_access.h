/* SPDX-License-Identifier: MIT */
#ifndef BERTH_DRIVERS_IAM_ACCESS_H
#define BERTH_DRIVERS_IAM_ACCESS_H

/*
 * Whether a role or user may do something, for checks before the first write. IAM itself is asked
 * (SimulatePrincipalPolicy), which knows all policies, boundaries and those of the organisation.
 * What only the spec knows, the policies that a plan is about to put, is laid beside them; a role
 * that is not there yet is judged by those alone.
 */

#include "drivers/preflight.h"

/* A role as task definitions name it. */
struct iam_role {
    char *arn;                       /* owned */
    char *name;                      /* owned; the ARN's last part */
    const struct resource *declared; /* by the spec; or NULL */
};
#define IAM_ROLE_INIT                                                                              \
    {                                                                                              \
        .arn = NULL                                                                                \
    }
#define _cleanup_role_ _cleanup_(iam_role_release)

/* From an ARN, or from a reference to a declared role's. False if `value` is neither. */
bool iam_role_of(const struct graph *g, const cJSON *value, struct iam_role *ret);
void iam_role_release(struct iam_role *role);
/* The policies that the spec declares for a role, as an array; of `only_planned` those that the
 * plan will put. The caller owns it. */
cJSON *iam_role_policies(const struct graph *g, const struct iam_role *role, bool only_planned);

/*
 * What policy documents (an array) say of an action on a resource. A condition is taken to hold
 * where it allows and not to hold where it denies: what cannot be known is no reason to stop.
 */
bool policies_allow(const cJSON *documents, const char *action, const char *resource);

/* Whether a statement is about an action, by its "Action" or "NotAction"; `allow` as it allows. */
bool statement_names_action(const cJSON *statement, const char *action, bool allow);

struct iam_question {
    const char *principal;   /* the ARN of a role or user */
    const char *action;      /* "ssm:GetParameters" */
    const cJSON *resources;  /* array of ARNs */
    const cJSON *documents;  /* policies besides its own; empty or NULL: none */
    const char *context_key; /* "iam:PassedToService"; or NULL */
    const char *context_value;
};

/*
 * Asks IAM. *ret_denied is an array, the caller's, of those resources that it may not: {"resource",
 * "explicit": whether a policy denies it, rather than none allows it}. A refusal that hangs on
 * context that IAM was not told is left out.
 */
int iam_simulate(struct session *s, const struct iam_question *q, cJSON **ret_denied,
                 struct err *err);

#endif
