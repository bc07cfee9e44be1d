/* SPDX-License-Identifier: MIT */
#ifndef BERTH_DRIVERS_ECS_SECRETS_H
#define BERTH_DRIVERS_ECS_SECRETS_H

/*
 * What task definitions name that is secret, each once, for the check before the first write. An
 * entry is an object:
 *
 *   value      as the task definition has it
 *   path       where in the spec it is named first; "places": how often
 *   kind       "parameter" or "secret"; "" for what is neither, or has no name
 *   id         the parameter's name, or the secret's name or ARN without what follows it
 *   version, stage   of a version, where one is asked for
 *   here       whether it lies in the environment's account and region: only then AWS is asked
 *   roles      ARNs of the execution roles that must read it
 *   arn        as policies name it; of a secret only once AWS has been asked
 *
 * and, once AWS has been asked,
 *
 *   key        the ARN of a key of the customer's own that it is encrypted with
 *   missing    true, if there is none
 */

#include "drivers/preflight.h"

/* The entries of all task definitions that are wanted, or of those that the plan changes. The
 * caller owns it. */
cJSON *ecs_secrets_collect(const struct graph *g, bool only_planned);

/* struct driver's preflight of ecs: that they exist, and that execution roles may read them. */
void ecs_secrets_preflight(struct preflight *p);

/* Fills in arn and key of all entries, and says what is not there. */
void ecs_secrets_look(struct preflight *p, cJSON *secrets);

#endif
