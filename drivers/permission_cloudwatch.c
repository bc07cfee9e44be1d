/* SPDX-License-Identifier: MIT */
/* What logs, alarms and dashboards ask of IAM: see permission.h. */
#include "drivers/permission.h"

#include "drivers/aws/endpoints.h"
#include "drivers/ecs.h"

/* --- logs: list_amazoncloudwatchlogs.html ---------------------------------------------------- */

/* Whether a word of a spec means itself alone in an ARN. No group, no stream and no container has
 * another name:
 * https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_GetLogEvents.html */
static bool is_plain(const char *word)
{
    return word != NULL && strpbrk(word, ":*?$") == NULL;
}

/* What a container writes to, unless that is the environment's own group in its own region, which
 * is allowed anyway. */
static bool is_elsewhere(const struct resource *r, const cJSON *container, struct ecs_log *ret)
{
    const struct context *c = &r->graph->context;
    struct ecs_log log;
    if (!ecs_log_of(container, &log))
        return false;
    if (log.region == NULL)
        log.region = c->region;
    if (!is_plain(log.group) || !is_plain(log.prefix) || !is_plain(json_str(container, "name")) ||
        !region_is_valid(log.region))
        return false;
    if (str_eq(log.region, c->region) && str_eq(log.group, c->environment) &&
        str_eq(log.prefix, c->environment))
        return false;
    *ret = log;
    return true;
}

/* "eu-west-1:log-group:GROUP:log-stream:PREFIX/CONTAINER/" and any task:
 * https://docs.aws.amazon.com/AmazonECS/latest/developerguide/using_awslogs.html */
static void add_streams(const struct resource *r, struct strlist *ret)
{
    const cJSON *container;
    struct ecs_log log;
    cJSON_ArrayForEach (container, json_get(r->want, "containerDefinitions")) {
        if (!is_elsewhere(r, container, &log))
            continue;
        _cleanup_free_ char *name = xasprintf("%s:log-group:%s:log-stream:%s/%s/*", log.region,
                                              log.group, log.prefix, json_str(container, "name"));
        permission_add_once(ret, name);
    }
}

static void other_streams(const struct graph *g, struct strlist *ret)
{
    permission_each_wanted(g, "ecs.task_definition", ret, add_streams);
}

static void add_common_groups(const struct resource *r, struct strlist *ret)
{
    const cJSON *container;
    struct ecs_log log;
    cJSON_ArrayForEach (container, json_get(r->want, "containerDefinitions"))
        if (is_elsewhere(r, container, &log) &&
            strstr(log.group, r->graph->context.subdomain) == NULL)
            permission_add_once(ret, log.group);
}

void permission_common_groups(const struct graph *g, struct strlist *ret)
{
    permission_each_wanted(g, "ecs.task_definition", ret, add_common_groups);
}

/* A group is checked as "log-group:NAME:log-stream:" by most actions and by its own ARN where an
 * ARN is given: elastic/apm-aws-lambda#526. */
const struct permission logs_permissions[] = {
    { .sid = PERMIT_LOOK,
      .actions = "logs:DescribeLogGroups",
      .resources = "*",
      .uses = PERMIT_LOOKS },
    { .sid = "LogLook",
      .actions = "logs:ListTagsForResource logs:DescribeMetricFilters",
      .resources = "logs:log-group:${E} logs:log-group:${E}:*",
      .uses = PERMIT_LOOKS },
    /* The end of a container's log, where its service fails: docs/verdict.md. */
    { .sid = "LogRead",
      .actions = "logs:GetLogEvents",
      .resources = "logs:log-group:${E}:log-stream:${E}/*",
      .when = "ecs.service" },
    { .sid = "LogRead",
      .actions = "logs:GetLogEvents",
      .resources = "logs@${NAME}",
      .when = "ecs.service",
      .names = other_streams },
    { .sid = "LogCreate",
      .actions = "logs:CreateLogGroup",
      .resources = "logs:log-group:${E} logs:log-group:${E}:*",
      .flags = PERMIT_NEW,
      .when = "logs.group" },
    { .sid = "LogCreate",
      .actions = "logs:TagResource",
      .resources = "logs:log-group:${E} logs:log-group:${E}:*",
      .flags = PERMIT_NEW,
      .when = "logs.group",
      .uses = PERMIT_ADOPTS },
    { .sid = "LogChange",
      .actions = "logs:PutRetentionPolicy",
      .resources = "logs:log-group:${E}:*",
      .flags = PERMIT_OURS,
      .when = "logs.group" },
    { .sid = "LogChange",
      .actions = "logs:DeleteLogGroup",
      .resources = "logs:log-group:${E}:*",
      .flags = PERMIT_OURS,
      .when = "logs.group",
      .uses = PERMIT_REMOVES },
    /* Container Insights' group has no tags, and goes with its cluster. */
    { .sid = "LogInsights",
      .actions = "logs:DeleteLogGroup",
      .resources = "logs:log-group:/aws/ecs/containerinsights/${E}/performance:*",
      .when = "ecs.cluster",
      .uses = PERMIT_REMOVES },
    { .sid = "LogChange",
      .actions = "logs:PutMetricFilter",
      .resources = "logs:log-group:${E}:*",
      .flags = PERMIT_OURS,
      .when = "logs.metric_filter" },
    { .sid = "LogChange",
      .actions = "logs:DeleteMetricFilter",
      .resources = "logs:log-group:${E}:*",
      .flags = PERMIT_OURS,
      .when = "logs.metric_filter",
      .uses = PERMIT_REMOVES },
    { .sid = NULL },
};

/* --- cloudwatch: list_amazoncloudwatch.html -------------------------------------------------- */

#define DASHBOARDS "cloudwatch::dashboard/*-${E}"

/* PutMetricAlarm sets tags of a new alarm only; later all of them are set, as of a new one.
 * Dashboards are held to their names: the reference has no conditions for them. */
const struct permission cloudwatch_permissions[] = {
    { .sid = PERMIT_LOOK,
      .actions = "cloudwatch:DescribeAlarms cloudwatch:ListDashboards",
      .resources = "*",
      .uses = PERMIT_LOOKS },
    { .sid = "MonitorLook",
      .actions = "cloudwatch:GetDashboard cloudwatch:ListTagsForResource",
      .resources = "cloudwatch:alarm:${E}-* " DASHBOARDS,
      .uses = PERMIT_LOOKS },
    { .sid = "AlarmCreate",
      .actions = "cloudwatch:PutMetricAlarm",
      .resources = "cloudwatch:alarm:${E}-*",
      .flags = PERMIT_NEW,
      .when = "cloudwatch.alarm" },
    { .sid = "AlarmCreate",
      .actions = "cloudwatch:TagResource",
      .resources = "cloudwatch:alarm:${E}-*",
      .flags = PERMIT_NEW,
      .when = "cloudwatch.alarm",
      .uses = PERMIT_ADOPTS },
    { .sid = "AlarmChange",
      .actions = "cloudwatch:PutMetricAlarm",
      .resources = "cloudwatch:alarm:${E}-*",
      .flags = PERMIT_OURS,
      .when = "cloudwatch.alarm" },
    { .sid = "AlarmChange",
      .actions = "cloudwatch:DeleteAlarms",
      .resources = "cloudwatch:alarm:${E}-*",
      .flags = PERMIT_OURS,
      .when = "cloudwatch.alarm",
      .uses = PERMIT_REMOVES },
    { .sid = "Dashboard",
      .actions = "cloudwatch:PutDashboard",
      .resources = DASHBOARDS,
      .when = "cloudwatch.dashboard" },
    { .sid = "Dashboard",
      .actions = "cloudwatch:TagResource",
      .resources = DASHBOARDS,
      .when = "cloudwatch.dashboard",
      .uses = PERMIT_ADOPTS },
    { .sid = "Dashboard",
      .actions = "cloudwatch:DeleteDashboards",
      .resources = DASHBOARDS,
      .when = "cloudwatch.dashboard",
      .uses = PERMIT_REMOVES },
    { .sid = NULL },
};
