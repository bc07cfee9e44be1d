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
 * account; "iam::role/x" has no region, "route53:::hostedzone/x" neither region nor account, and
 * that of "logs@eu-west-1:log-group:x" is another.
 */

#include "drivers/resource.h"

enum permission_flags {
    PERMIT_NEW = 1,    /* only with the tags that make what is created ours: aws:RequestTag */
    PERMIT_OURS = 2,   /* only on what has these tags: aws:ResourceTag */
    PERMIT_SHARED = 4, /* of shared resources, which only production's jobs change */
};

/* Which commands ask it besides jobs; a row that has none of these is for jobs alone. */
enum permission_uses {
    PERMIT_LOOKS = 1,      /* looks at what an environment has: `berth list`, sweep, adopt */
    PERMIT_REMOVES = 2,    /* `berth sweep` */
    PERMIT_ADOPTS = 4,     /* `berth adopt`, which also looks at what a spec only names */
    PERMIT_ADOPT_ONLY = 8, /* `berth adopt`, and no job */
};

struct permission {
    /* Says what for; rows with one sid that come to the same resources and conditions are one
     * statement. */
    const char *sid;
    const char *actions;   /* "ecs:CreateCluster ecs:TagResource" */
    const char *resources; /* templates between blanks, or "*" */
    unsigned flags;
    const char *when;   /* types between blanks, of which the spec must want one; NULL: always */
    const char *unless; /* likewise, of which it must want none: other rows of jobs allow it then */
    /* One more condition: operator, key, and values between blanks, each a template; or NULL. */
    const char *condition;
    /* What ${NAME} stands for. Where it gives nothing there is no statement. */
    void (*names)(const struct graph *g, struct strlist *ret);
    unsigned uses; /* enum permission_uses */
};

/*
 * In permission_*.c, apart from the drivers, since an administrator reads them as one; but what is
 * asked to look for room is in capacity.c. Each ends with a row without sid. The page of a table is
 * that of its service in the reference; a row that is there for another reason says so.
 *
 * What berth looks for in every environment, because a spec may have dropped it, is always there:
 * reads. What creates, changes and removes is there if the spec wants a resource of the kind.
 */
extern const struct permission acm_permissions[], alb_permissions[], cloudformation_permissions[],
    cloudmap_permissions[], cloudwatch_permissions[], ec2_permissions[], ecr_permissions[],
    ecs_permissions[], elasticache_permissions[], grafana_permissions[], iam_permissions[],
    logs_permissions[], route53_permissions[], security_group_permissions[];

/* The sid of actions that know no resource, from all drivers in one statement. */
#define PERMIT_LOOK "Look"

/* For names(): adds a name that is not there yet (NULL: none), */
void permission_add_once(struct strlist *list, const char *name);
/* that of a resource; */
void permission_add_name(const struct resource *r, struct strlist *ret);
/* what an ARN names a parameter by, or a secret of Secrets Manager, if what names a secret in a
 * spec is one (the name without the slash that begins it; the end of its ARN may be left out
 * there); */
void permission_add_parameter(struct strlist *ret, const char *secret);
void permission_add_secret(struct strlist *ret, const char *secret);
/* and calls f with each wanted resource of a type. */
void permission_each_wanted(const struct graph *g, const char *type, struct strlist *ret,
                            void (*f)(const struct resource *r, struct strlist *ret));

/* The log groups without the environment in their names in which jobs may read what containers of
 * the spec write, and so of all that write there under the same names; each once. */
void permission_common_groups(const struct graph *g, struct strlist *ret);

#endif
