/* SPDX-License-Identifier: MIT */
#include "drivers/cloudwatch.h"

#include "drivers/common.h"
#include "drivers/driver.h"
#include "drivers/permission.h"
#include "executor/base/near.h"

/* What the spec wants of alarms and dashboards. */

#define NAME_MAX_LENGTH 255

/* Takes `alarm`, members of PutMetricAlarm under `defaults`. */
static int alarm_want(struct graph *g, const char *label, const char *origin, cJSON *alarm,
                      struct err *err)
{
    _cleanup_json_ cJSON *want = alarm;
    _cleanup_free_ char *name = xasprintf("%s-%s", g->context.environment, label);
    json_put_str(want, "AlarmName", name);
    if (name_check(origin, "an alarm's name", name, NAME_MAX_LENGTH, err) < 0 ||
        cloudwatch_alarm_check(origin, want, err) < 0 ||
        cloudwatch_actions_check(g, origin, want, err) < 0)
        return -1;
    cloudwatch_alarm_normalise(want);
    return graph_add(g, &cloudwatch_alarm_type, label, name, origin, steal_ptr(&want), NULL, err);
}

static int metric_alarms_want(struct graph *g, const cJSON *alarms, struct err *err)
{
    const cJSON *alarm;
    cJSON_ArrayForEach (alarm, json_get(alarms, "metricAlarms")) {
        _cleanup_strbuf_ struct strbuf origin = STRBUF_INIT;
        strbuf_adds(&origin, "alarms.metricAlarms");
        json_path_key(&origin, alarm->string);
        const cJSON *defaults = json_get(alarms, "defaults");
        cJSON *want = defaults != NULL ? json_dup(defaults) : cJSON_CreateObject();
        json_merge(want, alarm);
        if (alarm_want(g, alarm->string, origin.buf, want, err) < 0)
            return -1;
    }
    return 0;
}

/*
 * "The number of tasks in the RUNNING state", of a service, which Container Insights counts each
 * minute; so the sum of a period is that many times the count:
 * https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Container-Insights-metrics-ECS.html
 */
static cJSON *running_make(const struct graph *g, const cJSON *alarms, const char *service)
{
    const cJSON *defaults = json_get(alarms, "defaults");
    const cJSON *running = json_get(alarms, "runningTasks");
    const cJSON *own = json_get(json_get(running, "services"), service);
    cJSON *want = defaults != NULL ? json_dup(defaults) : cJSON_CreateObject();
    json_put_strf(want, "AlarmDescription", "Running tasks of service %s of %s", service,
                  g->context.environment);
    json_put_str(want, "Statistic", "Average");
    json_put_int(want, "Period", 300);
    json_put_int(want, "EvaluationPeriods", 2);
    json_put_str(want, "ComparisonOperator", "LessThanThreshold");
    json_merge(want, running);
    cJSON_DeleteItemFromObjectCaseSensitive(want, "services");
    if (cJSON_IsObject(own))
        json_merge(want, own);
    json_put_str(want, "Namespace", "ECS/ContainerInsights");
    json_put_str(want, "MetricName", "RunningTaskCount");
    cJSON *dimensions = json_put_array(want, "Dimensions");
    cJSON *dimension = json_push(dimensions, cJSON_CreateObject());
    json_put_str(dimension, "Name", "ServiceName");
    json_put_strf(dimension, "Value", "%s-%s", g->context.environment, service);
    dimension = json_push(dimensions, cJSON_CreateObject());
    json_put_str(dimension, "Name", "ClusterName");
    json_put_str(dimension, "Value", g->context.environment);
    return want;
}

/* Without a threshold, an alarm is about fewer tasks than are wanted. */
static int threshold_want(cJSON *want, int64_t tasks, const char *origin, struct err *err)
{
    const char *statistic = json_str(want, "Statistic");
    int64_t minutes = json_int(want, "Period", 0) / 60;
    if (json_get(want, "Threshold") != NULL)
        return 0;
    if (str_eq(statistic, "Sum") && minutes == 0)
        return err_set(err, ERR_USER,
                       "%s.Threshold: is missing: tasks are counted once a minute, so that it "
                       "follows from the desired count only with a Period of 60 or more",
                       origin);
    if (!str_eq(json_str(want, "ComparisonOperator"), "LessThanThreshold") || statistic == NULL ||
        str_eq(statistic, "SampleCount"))
        return err_set(err, ERR_USER,
                       "%s.Threshold: is missing: it follows from the desired count only with the "
                       "ComparisonOperator 'LessThanThreshold' and the Statistic 'Average', "
                       "'Minimum', 'Maximum' or 'Sum'",
                       origin);
    if (str_eq(statistic, "Sum"))
        tasks *= minutes;
    json_put_int(want, "Threshold", tasks);
    return 0;
}

static int running_want_one(struct graph *g, const cJSON *alarms, const cJSON *service,
                            struct err *err)
{
    const cJSON *own = json_get(json_at(alarms, "runningTasks/services"), service->string);
    /* A count that is left to scaling begins with 1. */
    int64_t tasks = json_int(service, "desiredCount", 1);
    if (cJSON_IsFalse(own) || (own == NULL && tasks == 0))
        return 0;
    _cleanup_strbuf_ struct strbuf origin = STRBUF_INIT;
    strbuf_adds(&origin, "alarms.runningTasks");
    if (own != NULL) {
        strbuf_adds(&origin, ".services");
        json_path_key(&origin, service->string);
    }
    _cleanup_json_ cJSON *want = running_make(g, alarms, service->string);
    if (threshold_want(want, tasks, origin.buf, err) < 0)
        return -1;
    _cleanup_free_ char *label = xasprintf("running-tasks-%s", service->string);
    return alarm_want(g, label, origin.buf, steal_ptr(&want), err);
}

static int check_service(const cJSON *services, const char *name, struct err *err)
{
    if (json_get(services, name) != NULL)
        return 0;
    struct near near = NEAR_INIT(name);
    near_try_keys(&near, services);
    _cleanup_strbuf_ struct strbuf path = STRBUF_INIT;
    strbuf_adds(&path, "alarms.runningTasks.services");
    json_path_key(&path, name);
    return err_set(err, ERR_USER, "%s: there is no service '%s'%s%s%s", path.buf, name,
                   near.word ? "; did you mean '" : "", near.word ? near.word : "",
                   near.word ? "'?" : "");
}

/* RunningTaskCount is one of Container Insights' metrics. */
static void warn_without_insights(struct graph *g, const cJSON *spec)
{
    const cJSON *setting =
        json_find(json_at(spec, "cluster/settings"), "name", "containerInsights");
    if (setting == NULL || str_eq(json_str(setting, "value"), "disabled"))
        graph_warn(g, "alarms.runningTasks: without containerInsights in cluster.settings nobody "
                      "counts the running tasks, and the alarms have no data");
}

static int running_want(struct graph *g, const cJSON *spec, struct err *err)
{
    const cJSON *alarms = json_get(spec, "alarms"), *services = json_get(spec, "services");
    const cJSON *running = json_get(alarms, "runningTasks"), *item;
    if (running == NULL || cJSON_IsFalse(running))
        return 0;
    cJSON_ArrayForEach (item, json_get(running, "services"))
        if (check_service(services, item->string, err) < 0)
            return -1;
    warn_without_insights(g, spec);
    cJSON_ArrayForEach (item, services)
        if (running_want_one(g, alarms, item, err) < 0)
            return -1;
    return 0;
}

static int check_dashboard_name(const char *origin, const char *name, struct err *err)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                  "-_";
    if (name_check(origin, "a dashboard's name", name, NAME_MAX_LENGTH, err) < 0)
        return -1;
    size_t good = strspn(name, letters);
    if (name[good] == '\0')
        return 0;
    return err_set(err, ERR_USER,
                   "%s: '%s' cannot be a dashboard's name: it holds '%c', and may hold letters, "
                   "digits, '-' and '_'",
                   origin, name, name[good]);
}

static int dashboard_want(struct graph *g, const cJSON *spec, const cJSON *dashboard,
                          struct err *err)
{
    if (cJSON_IsFalse(dashboard))
        return 0;
    _cleanup_strbuf_ struct strbuf origin = STRBUF_INIT;
    strbuf_adds(&origin, "dashboards");
    json_path_key(&origin, dashboard->string);
    _cleanup_free_ char *name = xasprintf("%s-%s", dashboard->string, g->context.environment);
    if (check_dashboard_name(origin.buf, name, err) < 0)
        return -1;
    if (!cJSON_IsTrue(dashboard) && !cJSON_IsArray(json_get(dashboard, "widgets")))
        return err_set(err, ERR_USER, "%s: is no dashboard's body: it has no list of 'widgets'",
                       origin.buf);
    cJSON *want = cJSON_CreateObject();
    json_put_str(want, "DashboardName", name);
    json_put(want, "DashboardBody",
             cJSON_IsTrue(dashboard) ? cloudwatch_default_dashboard(g, spec) : json_dup(dashboard));
    return graph_add(g, &cloudwatch_dashboard_type, dashboard->string, name, origin.buf, want, NULL,
                     err);
}

static int cloudwatch_want(struct graph *g, const cJSON *spec, struct err *err)
{
    const cJSON *dashboard;
    if (metric_alarms_want(g, json_get(spec, "alarms"), err) < 0 || running_want(g, spec, err) < 0)
        return -1;
    cJSON_ArrayForEach (dashboard, json_get(spec, "dashboards"))
        if (dashboard_want(g, spec, dashboard, err) < 0)
            return -1;
    return 0;
}

static const struct resource_type *const cloudwatch_types[] = { &cloudwatch_dashboard_type,
                                                                &cloudwatch_alarm_type, NULL };

extern const struct driver cloudwatch_driver;
const struct driver cloudwatch_driver = {
    .name = "cloudwatch",
    .types = cloudwatch_types,
    .want = cloudwatch_want,
    .permissions = cloudwatch_permissions,
};
