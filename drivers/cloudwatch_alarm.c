/* SPDX-License-Identifier: MIT */
#include "drivers/cloudwatch.h"
#include "drivers/common.h"

/*
 * Alarms on metrics. PutMetricAlarm creates and changes alike, and "completely overwrites the
 * previous configuration", so that a member that is left out goes back to its default.
 */

static const char *const members[] = {
    "AlarmName",
    "AlarmDescription",
    "ActionsEnabled",
    "OKActions",
    "AlarmActions",
    "InsufficientDataActions",
    "MetricName",
    "Namespace",
    "Statistic",
    "ExtendedStatistic",
    "Dimensions",
    "Period",
    "Unit",
    "EvaluationPeriods",
    "DatapointsToAlarm",
    "Threshold",
    "ComparisonOperator",
    "TreatMissingData",
    "EvaluateLowSampleCountPercentile",
    "Metrics",
    "ThresholdMetricId",
    "EvaluationCriteria",
    "EvaluationInterval",
    NULL,
};
static const char *const sets[] = { "OKActions",  "AlarmActions", "InsufficientDataActions",
                                    "Dimensions", "Metrics",      NULL };

static void drop_if(cJSON *object, const char *key, const cJSON *otherwise)
{
    const cJSON *value = json_get(object, key);
    if (value != NULL && json_equal(value, otherwise))
        cJSON_DeleteItemFromObjectCaseSensitive(object, key);
}

static void drop_if_text(cJSON *object, const char *key, const char *otherwise)
{
    if (str_eq(json_str(object, key), otherwise))
        cJSON_DeleteItemFromObjectCaseSensitive(object, key);
}

static void drop_if_empty(cJSON *object, const char *key)
{
    const cJSON *list = json_get(object, key);
    if (cJSON_IsArray(list) && json_count(list) == 0)
        cJSON_DeleteItemFromObjectCaseSensitive(object, key);
}

static void dimensions_normalise(cJSON *metric)
{
    drop_if_empty(metric, "Dimensions");
    if (cJSON_IsArray(json_get(metric, "Dimensions")))
        json_sort(json_get(metric, "Dimensions"), "Name");
}

void cloudwatch_alarm_normalise(cJSON *alarm)
{
    for (const char *const *set = sets; *set != NULL; set++)
        drop_if_empty(alarm, *set);
    if (cJSON_IsTrue(json_get(alarm, "ActionsEnabled")))
        cJSON_DeleteItemFromObjectCaseSensitive(alarm, "ActionsEnabled");
    drop_if_text(alarm, "AlarmDescription", "");
    drop_if_text(alarm, "TreatMissingData", "missing");
    drop_if_text(alarm, "EvaluateLowSampleCountPercentile", "evaluate");
    drop_if(alarm, "DatapointsToAlarm", json_get(alarm, "EvaluationPeriods"));
    dimensions_normalise(alarm);
    cJSON *query;
    cJSON_ArrayForEach (query, json_get(alarm, "Metrics")) {
        if (cJSON_IsTrue(json_get(query, "ReturnData")))
            cJSON_DeleteItemFromObjectCaseSensitive(query, "ReturnData");
        dimensions_normalise(json_at(query, "MetricStat/Metric"));
    }
}

/* What was read of an alarm; true if its tags have to be read, too. */
static bool alarm_take(struct resource *r, const cJSON *alarm)
{
    r->observed = true;
    if (alarm == NULL) {
        resource_set_have(r, NULL);
        return false;
    }
    cJSON *have = json_pick(alarm, members);
    cloudwatch_alarm_normalise(have);
    resource_set_have(r, have);
    resource_set_output(r, "Arn", json_str(alarm, "AlarmArn"));
    resource_set_output(r, "AlarmName", r->name);
    if (r->tags != NULL)
        return false;
    if (!cloudwatch_is_as_wanted(r))
        return true;
    cloudwatch_assume_owner(r);
    return false;
}

static int alarm_discover(struct session *s, struct graph *g, struct err *err)
{
    resources_mark_observed(g, &cloudwatch_alarm_type);
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    json_put_strf(input, "AlarmNamePrefix", "%s-", g->context.environment);
    json_put_int(input, "MaxRecords", 100);
    _cleanup_json_ cJSON *alarms = NULL;
    if (aws_call_all(s, "monitoring", "DescribeAlarms", input, "MetricAlarms", &alarms, err) < 0)
        return -1;
    _cleanup_free_ struct resource **unread = xcalloc(json_count(alarms) + 1, sizeof(*unread));
    size_t n = 0;
    const cJSON *alarm;
    cJSON_ArrayForEach (alarm, alarms) {
        const char *name = json_str(alarm, "AlarmName");
        if (name == NULL)
            continue;
        struct resource *r = graph_found(g, &cloudwatch_alarm_type, NULL, name);
        if (alarm_take(r, alarm))
            unread[n++] = r;
    }
    return cloudwatch_read_tags(s, unread, n, err);
}

static int alarm_observe(struct session *s, struct resource *const *r, size_t n, struct err *err)
{
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    cJSON *names = json_put_array(input, "AlarmNames");
    for (size_t i = 0; i < n; i++)
        json_push_str(names, r[i]->name);
    json_put_int(input, "MaxRecords", 100);
    _cleanup_json_ cJSON *alarms = NULL;
    if (aws_call_all(s, "monitoring", "DescribeAlarms", input, "MetricAlarms", &alarms, err) < 0)
        return -1;
    _cleanup_free_ struct resource **unread = xcalloc(n + 1, sizeof(*unread));
    size_t n_unread = 0;
    for (size_t i = 0; i < n; i++)
        if (alarm_take(r[i], json_find(alarms, "AlarmName", r[i]->name)))
            unread[n_unread++] = r[i];
    return cloudwatch_read_tags(s, unread, n_unread, err);
}

/* The actions may come from an output that nobody knew before. */
static int alarm_put(struct session *s, struct resource *r, const cJSON *input, struct err *err)
{
    if (cloudwatch_actions_check(r->graph, resource_origin(r), input, err) < 0 ||
        aws_call(s, "monitoring", "PutMetricAlarm", input, NULL, err) < 0)
        return -1;
    resource_set_have(r, json_dup(r->target));
    return 0;
}

static int alarm_create(struct session *s, struct resource *r, struct err *err)
{
    _cleanup_json_ cJSON *input = json_dup(r->target);
    _cleanup_json_ cJSON *tags = tags_wanted(r->graph, r->label);
    json_put(input, "Tags", tags_to_list(tags, "Key", "Value"));
    if (alarm_put(s, r, input, err) < 0)
        return -1;
    cloudwatch_set_tags(r);
    const struct context *c = &r->graph->context;
    _cleanup_free_ char *arn = xasprintf("arn:%s:cloudwatch:%s:%s:alarm:%s",
                                         arn_partition(c->region), c->region, c->account, r->name);
    resource_set_output(r, "Arn", arn);
    resource_set_output(r, "AlarmName", r->name);
    return 0;
}

/* "If you are using this operation to update an existing alarm, any tags you specify in this
 * parameter are ignored." */
static int alarm_update(struct session *s, struct resource *r, struct err *err)
{
    if (cloudwatch_check_owner(s, r, err) < 0)
        return -1;
    if (r->have == NULL)
        return alarm_create(s, r, err);
    return alarm_put(s, r, r->target, err) < 0 ? -1 : cloudwatch_repair_tags(s, r, err);
}

static int alarm_remove(struct session *s, struct resource *r, struct err *err)
{
    if (cloudwatch_check_owner(s, r, err) < 0)
        return -1;
    return cloudwatch_alarm_delete(s, r->name, err);
}

/* First of all: an alarm of the tasks that run would tell everybody that none does any more. */
static int alarm_wind_down(struct session *s, struct resource *r, struct err *err)
{
    if (alarm_remove(s, r, err) < 0)
        return -1;
    resource_set_have(r, NULL);
    return 0;
}

static const char *const alarm_immutable[] = { "AlarmName", NULL };
/* What an alarm is likely to refer to: topics, and dimensions of the load balancer's metrics. */
static const char *const alarm_after[] = { "cloudformation.stack", "alb.load_balancer",
                                           "alb.target_group", NULL };
static const char *const alarm_stable[] = { "Arn", "AlarmName", NULL };

const struct resource_type cloudwatch_alarm_type = {
    .name = "cloudwatch.alarm",
    .singular = "alarm",
    .plural = "alarms",
    .scope = SCOPE_ENVIRONMENT,
    .flags = TYPE_WHOLE,
    .batch = 100, /* "AlarmNames: Maximum number of 100 items" */
    .immutable = alarm_immutable,
    .sets = sets,
    .after = alarm_after,
    .stable = alarm_stable,
    .discover = alarm_discover,
    .observe = alarm_observe,
    .create = alarm_create,
    .update = alarm_update,
    .remove = alarm_remove,
    .wind_down = alarm_wind_down,
    .adopt = cloudwatch_repair_tags,
};
