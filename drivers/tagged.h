/* SPDX-License-Identifier: MIT */
#ifndef BERTH_DRIVERS_TAGGED_H
#define BERTH_DRIVERS_TAGGED_H

/*
 * What the tagging API's index has. It is late: what has just been made may be missing, and what
 * is gone, or once had tags, may still be there. So it tells names to ask for, never that something
 * is there, or whose it is:
 * https://docs.aws.amazon.com/resourcegroupstagging/latest/APIReference/API_GetResources.html
 */

#include "drivers/resource.h"

/*
 * All in the session's region with the tag `key`, of this value (NULL: of any), and of this type
 * ("cloudformation:stack", or a service's all: "servicediscovery"; NULL: of any):
 * [{"ResourceARN", "Tags": {key: value}}]. The caller owns *ret.
 */
int tagged_find(struct session *s, const char *key, const char *value, const char *type,
                cJSON **ret, struct err *err);
/* What has the environment's name for its tag Environment. */
int tagged_find_environment(struct session *s, const struct graph *g, const char *type, cJSON **ret,
                            struct err *err);

#endif
