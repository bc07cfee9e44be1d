/* SPDX-License-Identifier: MIT */
#ifndef BERTH_DRIVERS_LINKED_ROLE_H
#define BERTH_DRIVERS_LINKED_ROLE_H

/*
 * The roles that AWS makes with the first resource of a service in an account, if it is let:
 * https://docs.aws.amazon.com/AmazonECS/latest/developerguide/using-service-linked-roles.html
 * https://docs.aws.amazon.com/elasticloadbalancing/latest/userguide/elb-service-linked-roles.html
 * https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/using-service-linked-roles.html
 */

#include "drivers/driver.h"

#define LINKED_ROLES 3

struct linked_role {
    const char *types; /* what the names of the types begin with that need it */
    const char *service, *name;
};

/* How long AWS may take to make a role and to let the service have it: as long as Terraform waits,
 * propagationTimeout in hashicorp/terraform-provider-aws, internal/service/ecs. */
#define LINKED_ROLE_SECONDS 120

/*
 * Passes on why a resource could not be created: that the service has no role. It is ERR_BUSY while
 * the role may be in the making, since the first call begins that and nothing waits for its end;
 * after that ERR_DENIED, with what would let AWS make it. Returns -1.
 */
int linked_role_missing(struct resource *r, struct err *failure, struct err *err);

extern const struct linked_role linked_roles[LINKED_ROLES];

#endif
