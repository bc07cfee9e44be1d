/* SPDX-License-Identifier: MIT */
#include "drivers/logs.h"

#include "drivers/common.h"
#include "drivers/driver.h"
#include "drivers/single.h"

/*
 * The environment's log group and the metric filters on it. A group that never expires has no
 * retentionInDays, and a filter may lack members, in a spec and then on AWS too: hence TYPE_WHOLE.
 */
static const struct resource_type group_type;
static const struct resource_type filter_type;

static const char *const group_members[] = { "logGroupName", "retentionInDays", NULL };
static const char *const filter_members[] = { "filterName", "filterPattern", "logGroupName",
                                              "metricTransformations", NULL };

static const struct tag_call list_tags = {
    "logs", "ListTagsForResource", "resourceArn", false, "tags", NULL, NULL
};

/* The ARN for tag calls, which refuse the ":*" that DescribeLogGroups' "arn" ends with:
 * https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_LogGroup.html */
static char *group_arn(const cJSON *group)
{
    const char *arn = json_str(group, "logGroupArn");
    if (arn == NULL)
        arn = json_str(group, "arn");
    if (arn == NULL)
        return NULL;
    size_t n = strlen(arn);
    return xstrndup(arn, str_ends(arn, ":*") ? n - 2 : n);
}

static int group_take(struct session *s, struct resource *r, const cJSON *group, struct err *err)
{
    if (group == NULL) {
        resource_set_have(r, NULL);
        return 0;
    }
    _cleanup_free_ char *arn = group_arn(group);
    bool gone;
    if (tags_ask(s, r, &list_tags, arn, &gone, err) < 0)
        return -1;
    if (gone) { /* between the two calls */
        resource_set_have(r, NULL);
        return 0;
    }
    resource_set_have(r, json_pick(group, group_members));
    json_put_int(r->memo, RESOURCE_CREATED, json_int(group, "creationTime", 0) / 1000);
    resource_set_output(r, "LogGroupName", r->name);
    resource_set_output(r, "Arn", arn);
    return 0;
}

/* DescribeLogGroups takes a prefix; only the very name is ours. */
int logs_group_read(struct session *s, const char *name, cJSON **ret, struct err *err)
{
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    json_put_str(input, "logGroupNamePrefix", name);
    _cleanup_json_ cJSON *groups = NULL;
    if (aws_call_all(s, "logs", "DescribeLogGroups", input, "logGroups", &groups, err) < 0)
        return -1;
    *ret = json_dup(json_find(groups, "logGroupName", name));
    return 0;
}

static const struct single group_single = {
    .type = &group_type, .label = "logs", .read = logs_group_read, .take = group_take
};

static int group_discover(struct session *s, struct graph *g, struct err *err)
{
    return single_discover(&group_single, s, g, g->context.environment, err);
}

static int group_observe(struct session *s, struct resource *const *r, size_t n, struct err *err)
{
    return single_observe(&group_single, s, r, n, err);
}

static int group_retention(struct session *s, struct resource *r, struct err *err)
{
    _cleanup_json_ cJSON *input = json_pick(r->target, group_members);
    return aws_call(s, "logs", "PutRetentionPolicy", input, NULL, err);
}

static int group_create(struct session *s, struct resource *r, struct err *err)
{
    _cleanup_json_ cJSON *tags = tags_wanted(r->graph, r->label);
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    json_put_str(input, "logGroupName", r->name);
    json_put(input, "tags", json_dup(tags));
    if (aws_call(s, "logs", "CreateLogGroup", input, NULL, err) < 0)
        return -1;
    if (group_retention(s, r, err) < 0)
        return -1;
    cJSON_Delete(r->tags);
    r->tags = steal_ptr(&tags);
    resource_set_have(r, json_dup(r->target));
    resource_set_output(r, "LogGroupName", r->name);
    _cleanup_free_ char *arn =
        xasprintf("arn:%s:logs:%s:%s:log-group:%s", arn_partition(r->graph->context.region),
                  r->graph->context.region, r->graph->context.account, r->name);
    resource_set_output(r, "Arn", arn);
    return 0;
}

static int group_update(struct session *s, struct resource *r, struct err *err)
{
    if (group_retention(s, r, err) < 0)
        return -1;
    resource_set_have(r, json_dup(r->target));
    return 0;
}

static int remove_by(struct session *s, const char *action, const cJSON *input, struct err *err)
{
    _cleanup_err_ struct err failure = ERR_INIT;
    if (aws_call(s, "logs", action, input, NULL, &failure) < 0 && failure.class != ERR_NOT_FOUND)
        return err_move(err, &failure);
    return 0;
}

int logs_group_delete(struct session *s, const char *name, struct err *err)
{
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    _cleanup_err_ struct err failure = ERR_INIT;
    json_put_str(input, "logGroupName", name);
    if (remove_by(s, "DeleteLogGroup", input, &failure) == 0)
        return 0;
    /* https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/
     * protecting-log-groups-from-deletion.html */
    if (failure.class == ERR_INVALID && strstr(failure.message, "deletion protection") != NULL)
        return err_set(err, ERR_USER,
                       "log group '%s' is protected from deletion, and stays: if it is to go, 'aws "
                       "logs put-log-group-deletion-protection --no-deletion-protection-enabled "
                       "--log-group-identifier %s' takes that away",
                       name, name);
    return err_move(err, &failure);
}

static int group_remove(struct session *s, struct resource *r, struct err *err)
{
    return logs_group_delete(s, r->name, err);
}

/* What AWS fills in for members that were left out goes, in what is wanted and in what is there. */
static cJSON *filter_normal(const cJSON *filter)
{
    cJSON *normal = json_pick(filter, filter_members);
    cJSON *transformation;
    cJSON_ArrayForEach (transformation, json_get(normal, "metricTransformations")) {
        if (str_eq(json_str(transformation, "unit"), "None"))
            cJSON_DeleteItemFromObjectCaseSensitive(transformation, "unit");
        if (json_count(json_get(transformation, "dimensions")) == 0)
            cJSON_DeleteItemFromObjectCaseSensitive(transformation, "dimensions");
    }
    return normal;
}

static int filters_read(struct session *s, struct graph *g, cJSON **ret, struct err *err)
{
    const struct resource *group = graph_find_name(g, &group_type, g->context.environment);
    if (group == NULL || group->have == NULL) {
        *ret = cJSON_CreateArray();
        return 0;
    }
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    json_put_str(input, "logGroupName", group->name);
    _cleanup_err_ struct err failure = ERR_INIT;
    if (aws_call_all(s, "logs", "DescribeMetricFilters", input, "metricFilters", ret, &failure) ==
        0)
        return 0;
    if (failure.class != ERR_NOT_FOUND)
        return err_move(err, &failure);
    *ret = cJSON_CreateArray();
    return 0;
}

static int filter_discover(struct session *s, struct graph *g, struct err *err)
{
    resources_mark_observed(g, &filter_type);
    _cleanup_json_ cJSON *filters = NULL;
    if (filters_read(s, g, &filters, err) < 0)
        return -1;
    const cJSON *filter;
    cJSON_ArrayForEach (filter, filters) {
        const char *name = json_str(filter, "filterName");
        struct resource *r = graph_found(g, &filter_type, name, name);
        resource_set_have(r, filter_normal(filter));
        r->observed = true;
    }
    return 0;
}

static int filter_observe(struct session *s, struct resource *const *r, size_t n, struct err *err)
{
    _cleanup_json_ cJSON *filters = NULL;
    if (filters_read(s, r[0]->graph, &filters, err) < 0)
        return -1;
    for (size_t i = 0; i < n; i++) {
        const cJSON *filter = json_find(filters, "filterName", r[i]->name);
        resource_set_have(r[i], filter != NULL ? filter_normal(filter) : NULL);
        r[i]->observed = true;
    }
    return 0;
}

/* PutMetricFilter creates and changes alike. */
static int filter_put(struct session *s, struct resource *r, struct err *err)
{
    if (aws_call(s, "logs", "PutMetricFilter", r->target, NULL, err) < 0)
        return -1;
    resource_set_have(r, json_dup(r->target));
    return 0;
}

static int filter_remove(struct session *s, struct resource *r, struct err *err)
{
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    json_put_str(input, "logGroupName", r->graph->context.environment);
    json_put_str(input, "filterName", r->name);
    return remove_by(s, "DeleteMetricFilter", input, err);
}

static int filters_want(struct graph *g, const cJSON *logs, struct err *err)
{
    size_t i = 0;
    const cJSON *filter;
    cJSON_ArrayForEach (filter, json_get(logs, "metricFilters")) {
        const char *name = json_str(filter, "filterName");
        _cleanup_free_ char *origin = xasprintf("logs.metricFilters[%zu]", i++);
        if (name_check(origin, "a metric filter's name", name, 512, err) < 0)
            return -1;
        cJSON *want = filter_normal(filter);
        json_put(want, "logGroupName", ref_new("${logs.group/logs.LogGroupName}"));
        if (graph_add(g, &filter_type, name, name, origin, want, NULL, err) < 0)
            return -1;
    }
    return 0;
}

static int logs_want(struct graph *g, const cJSON *spec, struct err *err)
{
    const cJSON *logs = json_get(spec, "logs");
    const char *name = g->context.environment;
    if (name_check("logs", "a log group's name", name, 512, err) < 0)
        return -1;
    cJSON *want = cJSON_CreateObject();
    json_put_str(want, "logGroupName", name);
    json_put_int(want, "retentionInDays", json_int(logs, "retentionInDays", 30));
    if (graph_add(g, &group_type, "logs", name, "logs", want, NULL, err) < 0)
        return -1;
    graph_alias(g, "logs", "logs.group/logs");
    return filters_want(g, logs, err);
}

static const char *const group_stable[] = { "LogGroupName", "Arn", NULL };
static const char *const after_group[] = { "logs.group", NULL };
static const char *const group_gone_first[] = { "ecs.service", "ecs.task", "ecs.cluster", NULL };

static const struct tag_call tag_call = { "logs", "TagResource", "resourceArn", false,
                                          "tags", NULL,          NULL };

static int group_adopt(struct session *s, struct resource *r, struct err *err)
{
    return tags_give(s, r, &tag_call, json_str(r->outputs, "Arn"), err);
}

static const struct resource_type group_type = {
    .name = "logs.group",
    .singular = "log group",
    .plural = "log groups",
    .scope = SCOPE_ENVIRONMENT,
    .flags = TYPE_WHOLE | TYPE_PRECIOUS,
    .stable = group_stable,
    .gone_first = group_gone_first,
    .discover = group_discover,
    .observe = group_observe,
    .create = group_create,
    .update = group_update,
    .remove = group_remove,
    .adopt = group_adopt,
};

static const struct resource_type filter_type = {
    .name = "logs.metric_filter",
    .singular = "metric filter",
    .plural = "metric filters",
    .scope = SCOPE_CHILD,
    .flags = TYPE_WHOLE | TYPE_GOES_WITH_PARENT,
    .after = after_group,
    .parent = "logs.group",
    .discover = filter_discover,
    .observe = filter_observe,
    .create = filter_put,
    .update = filter_put,
    .remove = filter_remove,
};

static const struct resource_type *const logs_types[] = { &group_type, &filter_type,
                                                          &logs_insights_type, NULL };

extern const struct driver logs_driver;
const struct driver logs_driver = {
    .name = "logs",
    .types = logs_types,
    .permissions = logs_permissions,
    .want = logs_want,
};
