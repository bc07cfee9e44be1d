/* SPDX-License-Identifier: MIT */
#include "drivers/cloudwatch.h"
#include "drivers/common.h"

/*
 * What AWS would refuse of an alarm, found before the first call. Sources, where no other stands:
 * https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html and
 * API_MetricDataQuery.html beside it.
 */

#define HOUR 3600
#define DAY  86400

/* What describes one metric, and stands within Metrics where that is given. */
static const char *const metric_members[] = {
    "MetricName", "Namespace", "Dimensions",        "Period",
    "Unit",       "Statistic", "ExtendedStatistic", NULL
};
static const char *const threshold_members[] = { "Metrics",
                                                 "Threshold",
                                                 "ComparisonOperator",
                                                 "ThresholdMetricId",
                                                 "EvaluationPeriods",
                                                 "DatapointsToAlarm",
                                                 NULL };

static int forbid(const char *path, const cJSON *alarm, const char *const *names, const char *with,
                  struct err *err)
{
    for (; *names != NULL; names++)
        if (json_get(alarm, *names) != NULL)
            return err_set(err, ERR_USER, "%s.%s: cannot stand beside '%s'", path, *names, with);
    return 0;
}

static int require(const char *path, const cJSON *alarm, const char *name, struct err *err)
{
    if (json_get(alarm, name) != NULL)
        return 0;
    return err_set(err, ERR_USER, "%s: '%s' is missing", path, name);
}

static int one_of(const char *path, const cJSON *alarm, const char *a, const char *b,
                  struct err *err)
{
    if ((json_get(alarm, a) != NULL) != (json_get(alarm, b) != NULL))
        return 0;
    return err_set(err, ERR_USER, "%s: needs one of '%s' and '%s', not both", path, a, b);
}

/* "Valid values are 10, 20, 30, and any multiple of 60"; `least` is the shortest that counts. */
static int check_period(const char *path, const cJSON *object, const char *name, struct err *err)
{
    const cJSON *value = json_get(object, name);
    int64_t period = json_int(object, name, 0);
    if (!cJSON_IsNumber(value) || period == 10 || period == 20 || period == 30 || period % 60 == 0)
        return 0;
    return err_set(err, ERR_USER, "%s.%s: must be 10, 20, 30 or a multiple of 60 seconds, is %d",
                   path, name, (int)period);
}

/* "An alarm's total current evaluation period can be no longer than seven days [...] with a period
 * of less than one hour [...] no longer than one day". */
static int check_span(const char *path, const cJSON *alarm, int64_t period, struct err *err)
{
    int64_t most = period < HOUR ? DAY : 7 * DAY;
    if (period * json_int(alarm, "EvaluationPeriods", 0) <= most)
        return 0;
    return err_set(err, ERR_USER,
                   "%s.EvaluationPeriods: with a period of %d seconds an alarm looks back %s at "
                   "most",
                   path, (int)period, most == DAY ? "one day" : "seven days");
}

static bool is_band_operator(const char *name)
{
    return str_eq(name, "LessThanLowerOrGreaterThanUpperThreshold") ||
           str_eq(name, "LessThanLowerThreshold") || str_eq(name, "GreaterThanUpperThreshold");
}

static int check_metric(const char *path, const cJSON *alarm, struct err *err)
{
    if (require(path, alarm, "Namespace", err) < 0 || require(path, alarm, "Period", err) < 0 ||
        require(path, alarm, "Threshold", err) < 0 ||
        one_of(path, alarm, "Statistic", "ExtendedStatistic", err) < 0 ||
        check_period(path, alarm, "Period", err) < 0)
        return -1;
    if (json_get(alarm, "EvaluateLowSampleCountPercentile") != NULL &&
        json_get(alarm, "ExtendedStatistic") == NULL)
        return err_set(err, ERR_USER,
                       "%s.EvaluateLowSampleCountPercentile: is for an 'ExtendedStatistic' alone",
                       path);
    if (json_get(alarm, "ThresholdMetricId") != NULL)
        return err_set(err, ERR_USER, "%s.ThresholdMetricId: is for 'Metrics' alone", path);
    return check_span(path, alarm, json_int(alarm, "Period", 0), err);
}

/* "a letter [...] first, then letters, numbers, and underscore; the first is lower case". */
static bool is_query_id(const char *id)
{
    return id != NULL && *id >= 'a' && *id <= 'z' &&
           strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") ==
               strlen(id);
}

static int check_query(const char *path, const cJSON *alarm, const cJSON *query, struct err *err)
{
    const cJSON *stat = json_get(query, "MetricStat");
    _cleanup_free_ char *stat_path = xasprintf("%s.MetricStat", path);
    if (!is_query_id(json_str(query, "Id")))
        return err_set(err, ERR_USER,
                       "%s.Id: must begin with a small letter and hold letters, digits and '_'",
                       path);
    if (one_of(path, query, "MetricStat", "Expression", err) < 0 ||
        check_period(path, query, "Period", err) < 0 ||
        check_period(stat_path, stat, "Period", err) < 0)
        return -1;
    return check_span(path, alarm, json_int(stat ? stat : query, "Period", 0), err);
}

static int check_metrics(const char *path, const cJSON *alarm, struct err *err)
{
    const cJSON *queries = json_get(alarm, "Metrics"), *query;
    const char *band = json_str(alarm, "ThresholdMetricId");
    if (forbid(path, alarm, metric_members, "Metrics", err) < 0 ||
        one_of(path, alarm, "Threshold", "ThresholdMetricId", err) < 0)
        return -1;
    size_t i = 0, returned = 0;
    cJSON_ArrayForEach (query, queries) {
        _cleanup_free_ char *at = xasprintf("%s.Metrics[%zu]", path, i++);
        const char *id = json_str(query, "Id");
        if (check_query(at, alarm, query, err) < 0)
            return -1;
        if (json_find(queries, "Id", id) != query)
            return err_set(err, ERR_USER, "%s.Id: there is another '%s'", at, id);
        returned += json_bool(query, "ReturnData", true);
    }
    if (band != NULL && json_find(queries, "Id", band) == NULL)
        return err_set(err, ERR_USER, "%s.ThresholdMetricId: none of 'Metrics' has the id '%s'",
                       path, band);
    if (returned == (band != NULL ? 2 : 1))
        return 0;
    return err_set(err, ERR_USER, "%s.Metrics: %s must return data, by 'ReturnData'; %zu do", path,
                   band ? "the metric and its band" : "exactly one", returned);
}

static int check_threshold(const char *path, const cJSON *alarm, struct err *err)
{
    const char *operator= json_str(alarm, "ComparisonOperator");
    if (require(path, alarm, "ComparisonOperator", err) < 0 ||
        require(path, alarm, "EvaluationPeriods", err) < 0)
        return -1;
    if (json_get(alarm, "EvaluationInterval") != NULL)
        return err_set(err, ERR_USER, "%s.EvaluationInterval: is for 'EvaluationCriteria' alone",
                       path);
    if (operator!= NULL &&
        is_band_operator(operator) != (json_get(alarm, "ThresholdMetricId") != NULL))
        return err_set(err, ERR_USER, "%s.ComparisonOperator: '%s' %s a 'ThresholdMetricId'",
                       path, operator,
                       is_band_operator(operator) ? "needs" : "cannot stand beside");
    if (json_int(alarm, "DatapointsToAlarm", 0) > json_int(alarm, "EvaluationPeriods", INT64_MAX))
        return err_set(err, ERR_USER,
                       "%s.DatapointsToAlarm: must be at most 'EvaluationPeriods', %d", path,
                       (int)json_int(alarm, "EvaluationPeriods", 0));
    return json_get(alarm, "Metrics") != NULL ? check_metrics(path, alarm, err)
                                              : check_metric(path, alarm, err);
}

static int check_criteria(const char *path, const cJSON *alarm, struct err *err)
{
    if (forbid(path, alarm, metric_members, "EvaluationCriteria", err) < 0 ||
        forbid(path, alarm, threshold_members, "EvaluationCriteria", err) < 0 ||
        require(path, alarm, "EvaluationInterval", err) < 0)
        return -1;
    return check_period(path, alarm, "EvaluationInterval", err);
}

int cloudwatch_alarm_check(const char *path, const cJSON *alarm, struct err *err)
{
    _cleanup_json_ cJSON *plausible = plausible_input(alarm);
    _cleanup_err_ struct err failure = ERR_INIT;
    if (aws_check_input("monitoring", "PutMetricAlarm", plausible, &failure) < 0)
        return err_set(err, ERR_USER, "%s: %s", path, failure.message);
    if (json_get(alarm, "EvaluationCriteria") != NULL)
        return check_criteria(path, alarm, err);
    if (json_get(alarm, "Metrics") == NULL && json_get(alarm, "MetricName") == NULL)
        return err_set(err, ERR_USER,
                       "%s: needs one of 'MetricName', 'Metrics' and 'EvaluationCriteria'", path);
    return check_threshold(path, alarm, err);
}

static bool action_is_allowed(const struct graph *g, const char *arn)
{
    /* arn:PARTITION:SERVICE:... */
    const char *service = str_starts(arn, "arn:aws") ? strchr(arn + strlen("arn:"), ':') : NULL;
    if (service != NULL && str_starts(service, ":sns:"))
        return true;
    const cJSON *pattern;
    cJSON_ArrayForEach (pattern, json_get(g->context.limits, "alarmActions"))
        if (cJSON_IsString(pattern) && str_glob(pattern->valuestring, arn))
            return true;
    return false;
}

int cloudwatch_actions_check(const struct graph *g, const char *path, const cJSON *alarm,
                             struct err *err)
{
    static const char *const lists[] = { "AlarmActions", "OKActions", "InsufficientDataActions" };
    for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
        const cJSON *item;
        size_t n = 0;
        cJSON_ArrayForEach (item, json_get(alarm, lists[i])) {
            const char *arn = cJSON_GetStringValue(item);
            if (arn != NULL && !action_is_allowed(g, arn))
                return err_set(err, ERR_REFUSED,
                               "%s.%s[%zu]: this runner lets alarms notify SNS topics; for '%s' "
                               "its administrator has to add the ARN to the host config's "
                               "limits.%s.alarmActions",
                               path, lists[i], n, arn, g->context.kind);
            n++;
        }
    }
    return 0;
}
