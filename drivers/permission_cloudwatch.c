/* SPDX-License-Identifier: MIT */
/* What logs, alarms and dashboards ask of IAM: see permission.h. */
#include "drivers/permission.h"

/* --- logs: list_amazoncloudwatchlogs.html ---------------------------------------------------- */

/* A group is checked as "log-group:NAME:log-stream:" by most actions and by its own ARN where an
 * ARN is given: elastic/apm-aws-lambda#526. */
const struct permission logs_permissions[] = {
    { .sid = PERMIT_LOOK, .actions = "logs:DescribeLogGroups", .resources = "*" },
    { .sid = "LogLook",
      .actions = "logs:ListTagsForResource logs:DescribeMetricFilters",
      .resources = "logs:log-group:${E} logs:log-group:${E}:*" },
    { .sid = "LogCreate",
      .actions = "logs:CreateLogGroup logs:TagResource",
      .resources = "logs:log-group:${E} logs:log-group:${E}:*",
      .flags = PERMIT_NEW,
      .when = "logs.group" },
    { .sid = "LogChange",
      .actions = "logs:PutRetentionPolicy logs:DeleteLogGroup",
      .resources = "logs:log-group:${E}:*",
      .flags = PERMIT_OURS,
      .when = "logs.group" },
    /* Container Insights' group has no tags, and goes with its cluster. */
    { .sid = "LogInsights",
      .actions = "logs:DeleteLogGroup",
      .resources = "logs:log-group:/aws/ecs/containerinsights/${E}/performance:*",
      .when = "ecs.cluster" },
    { .sid = "LogChange",
      .actions = "logs:PutMetricFilter logs:DeleteMetricFilter",
      .resources = "logs:log-group:${E}:*",
      .flags = PERMIT_OURS,
      .when = "logs.metric_filter" },
    { .sid = NULL },
};

/* --- cloudwatch: list_amazoncloudwatch.html -------------------------------------------------- */

#define DASHBOARDS "cloudwatch::dashboard/*-${E}"

/* PutMetricAlarm sets tags of a new alarm only; later all of them are set, as of a new one.
 * Dashboards are held to their names: the reference has no conditions for them. */
const struct permission cloudwatch_permissions[] = {
    { .sid = PERMIT_LOOK,
      .actions = "cloudwatch:DescribeAlarms cloudwatch:ListDashboards",
      .resources = "*" },
    { .sid = "MonitorLook",
      .actions = "cloudwatch:GetDashboard cloudwatch:ListTagsForResource",
      .resources = "cloudwatch:alarm:${E}-* " DASHBOARDS },
    { .sid = "AlarmCreate",
      .actions = "cloudwatch:PutMetricAlarm cloudwatch:TagResource",
      .resources = "cloudwatch:alarm:${E}-*",
      .flags = PERMIT_NEW,
      .when = "cloudwatch.alarm" },
    { .sid = "AlarmChange",
      .actions = "cloudwatch:PutMetricAlarm cloudwatch:DeleteAlarms",
      .resources = "cloudwatch:alarm:${E}-*",
      .flags = PERMIT_OURS,
      .when = "cloudwatch.alarm" },
    { .sid = "Dashboard",
      .actions = "cloudwatch:PutDashboard cloudwatch:TagResource cloudwatch:DeleteDashboards",
      .resources = DASHBOARDS,
      .when = "cloudwatch.dashboard" },
    { .sid = NULL },
};
