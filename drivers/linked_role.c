/* SPDX-License-Identifier: MIT */
#include "drivers/linked_role.h"

#include "executor/base/clock.h"

static const struct linked_role *role_of(const struct resource *r)
{
    for (size_t i = 0; i < LINKED_ROLES; i++)
        if (str_starts(r->type->name, linked_roles[i].types))
            return &linked_roles[i];
    return NULL;
}

int linked_role_missing(struct resource *r, struct err *failure, struct err *err)
{
    static const char member[] = "withoutRoleSince";
    const struct linked_role *linked = role_of(r);
    int64_t now = (int64_t)clock_now(), since = json_int(r->memo, member, now);
    json_put_int(r->memo, member, since);
    if (linked == NULL || now - since < LINKED_ROLE_SECONDS) {
        failure->class = ERR_BUSY;
        return err_move(err, failure);
    }
    return err_set(
        err, ERR_DENIED,
        "the account has no role '%s', or not one that '%s' may use: ask the host's administrator "
        "to allow berth 'iam:CreateServiceLinkedRole' for it, which 'berth iam-policy' prints, or "
        "to make the role once by 'aws iam create-service-linked-role --aws-service-name %s'; AWS "
        "says: %s",
        linked->name, linked->service, linked->service, failure->message);
}

const struct linked_role linked_roles[LINKED_ROLES] = {
    { "ecs.", "ecs.amazonaws.com", "AWSServiceRoleForECS" },
    { "alb.load_balancer", "elasticloadbalancing.amazonaws.com",
      "AWSServiceRoleForElasticLoadBalancing" },
    { "elasticache.", "elasticache.amazonaws.com", "AWSServiceRoleForElastiCache" },
};
