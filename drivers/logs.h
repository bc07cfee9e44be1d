/* SPDX-License-Identifier: MIT */
#ifndef BERTH_DRIVERS_LOGS_H
#define BERTH_DRIVERS_LOGS_H

/*
 * What the files of the driver share: logs.c has the environment's log group and its metric
 * filters, logs_insights.c the group that Container Insights makes for its cluster.
 */

#include "drivers/resource.h"

extern const struct resource_type logs_insights_type;
/* Why its group may be made anew after a cluster's end: what echo() says. */
#define LOGS_INSIGHTS_ECHO "Container Insights tells of a cluster's last minute after its end"

/* What DescribeLogGroups says of the group of that very name; *ret, the caller's, is NULL where
 * there is none. */
int logs_group_read(struct session *s, const char *name, cJSON **ret, struct err *err);
/* Absent is success; ERR_USER for one that is protected. */
int logs_group_delete(struct session *s, const char *name, struct err *err);

#endif
