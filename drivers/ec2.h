/* SPDX-License-Identifier: MIT */
#ifndef BERTH_DRIVERS_EC2_H
#define BERTH_DRIVERS_EC2_H

/*
 * The network that an environment lives in: looked up, never changed. The lookups are added to the
 * graph by the first driver that needs one, so that a spec's unused half costs no call.
 */

#include "drivers/resource.h"

#define EC2_VPC             "ec2.vpc/network"     /* outputs VpcId, CidrBlock */
#define EC2_PRIVATE_SUBNETS "ec2.subnets/private" /* outputs SubnetIds, CidrBlocks: arrays */
#define EC2_PUBLIC_SUBNETS  "ec2.subnets/public"

/* Adds the lookup of network.vpc unless it is there. */
int ec2_want_vpc(struct graph *g, const cJSON *spec, struct err *err);
/* Likewise network.privateSubnets or publicSubnets ("private", "public"), and the VPC's. */
int ec2_want_subnets(struct graph *g, const cJSON *spec, const char *which, struct err *err);

#endif
