/* SPDX-License-Identifier: MIT */
#ifndef BERTH_DRIVERS_SECURITY_GROUP_H
#define BERTH_DRIVERS_SECURITY_GROUP_H

/*
 * Security groups, also for drivers whose resources need one of their own.
 *
 * A rule is one tuple {"IpProtocol", "FromPort", "ToPort"} and one of "CidrIp", "CidrIpv6",
 * "GroupId", "PrefixListId". CidrIp may be a reference to an output that is an array of CIDR
 * blocks: the rule then stands for one rule per block. A group's rules are a set: `have` lists
 * those that are wanted in the order of `want`, then the rest.
 *
 * Egress stays AWS's default, everything to anywhere.
 */

#include "drivers/resource.h"

/* A rule for a port and a CIDR block or reference (taken), as above. The caller owns it. */
cJSON *security_group_rule(const char *protocol, int64_t from, int64_t to, cJSON *cidr);

/* What a spec calls a source: "anywhere" (NULL too), "vpc", "privateSubnets" or a CIDR block, as
 * the CidrIp of a rule; NULL if it is none. The caller owns it. */
cJSON *security_group_source(const char *from);
/* The rule for ICMP echo from anywhere. The caller owns it. */
cJSON *security_group_echo(void);

/*
 * Wants the group <environment>-<suffix> with `rules` (taken), known as security_group/<label> with
 * the output GroupId.
 */
int security_group_want(struct graph *g, const cJSON *spec, const char *label, const char *suffix,
                        const char *origin, cJSON *rules, struct err *err);

/* A group's rules, references resolved, as single tuples without duplicates, sorted. The caller
 * owns them. */
cJSON *security_group_tuples(const cJSON *rules);
/* Those of `rules` that `others` lacks. Both are single tuples. The caller owns them. */
cJSON *security_group_missing(const cJSON *rules, const cJSON *others);

/* security_group_remove.c: the type's remove(). What keeps the group is named; rules of our own
 * groups that do are taken out. */
int security_group_remove(struct session *s, struct resource *r, struct err *err);
/*
 * For a teardown, once our groups are read: notes in the memo ("referred") which of them rules of
 * other groups name, and warns of rules that are not ours to take out.
 */
int security_group_find_references(struct session *s, struct graph *g,
                                   const struct resource_type *type, struct err *err);

#endif
