/* SPDX-License-Identifier: MIT */
#ifndef BERTH_DRIVERS_PERMISSION_H
#define BERTH_DRIVERS_PERMISSION_H

/*
 * What a driver asks of IAM: rows that `berth iam-policy` makes statements of. Whether an action
 * knows resources, and which conditions it can be held to, is AWS's Service Authorization
 * Reference's to say:
 * https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
 *
 * Everything is const. A template is text with
 *   ${E}     the name of an environment; once for each that a kind has, with IAM's wildcards where
 *            it stands for many ("automation-????????")
 *   ${NAME}  what names() gives, one after the other
 * and the resource "ecs:cluster/${E}" is short for an ARN of the session's partition, region and
 * account; "iam::role/x" has no region, "route53:::hostedzone/x" neither region nor account.
 */

#include "drivers/resource.h"

enum permission_flags {
    PERMIT_NEW = 1,    /* only with the tags that make what is created ours: aws:RequestTag */
    PERMIT_OURS = 2,   /* only on what has these tags: aws:ResourceTag */
    PERMIT_SHARED = 4, /* of shared resources, which only production's jobs change */
};

struct permission {
    /* Says what for; rows with one sid that come to the same resources and conditions are one
     * statement. */
    const char *sid;
    const char *actions;   /* "ecs:CreateCluster ecs:TagResource" */
    const char *resources; /* templates between blanks, or "*" */
    unsigned flags;
    const char *when; /* types between blanks, of which the spec must want one; NULL: always */
    /* One more condition: operator, key, and values between blanks, each a template; or NULL. */
    const char *condition;
    /* What ${NAME} stands for. Where it gives nothing there is no statement. */
    void (*names)(const struct graph *g, struct strlist *ret);
};

/* In the same order of thought as the drivers: acm, ec2, ...; each ends with a row without sid. */
extern const struct permission acm_permissions[], alb_permissions[], cloudformation_permissions[],
    cloudmap_permissions[], cloudwatch_permissions[], ec2_permissions[], ecr_permissions[],
    ecs_permissions[], elasticache_permissions[], iam_permissions[], logs_permissions[],
    route53_permissions[], security_group_permissions[];

#endif
