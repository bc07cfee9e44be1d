/* SPDX-License-Identifier: MIT */
#include "tests/unit/awsscript.h"

#include <setjmp.h>
#include <cmocka.h>

#include "drivers/cloudwatch.h"

#define ALARM     "cloudwatch.alarm/cpu"
#define DASHBOARD "cloudwatch.dashboard/board"
#define ARN       "arn:aws:cloudwatch:us-east-1:123456789012:alarm:automation-8527fec8-cpu"
#define CPU                                                                                        \
    "\"Namespace\":\"N\",\"MetricName\":\"m\",\"Statistic\":\"Sum\",\"Period\":60,"                \
    "\"EvaluationPeriods\":3,\"Threshold\":80,\"ComparisonOperator\":\"GreaterThanThreshold\""
#define WANTED "{\"metricAlarms\":{\"cpu\":{" CPU "}}}"
#define THERE(members)                                                                             \
    "{\"MetricAlarms\":[{\"AlarmName\":\"automation-8527fec8-cpu\",\"AlarmArn\":\"" ARN            \
    "\",\"ActionsEnabled\":true,\"OKActions\":[],\"AlarmActions\":[],\"StateValue\":\"OK\","       \
    "\"InsufficientDataActions\":[],\"Dimensions\":[],\"TreatMissingData\":\"missing\"," members   \
    "}]}"
#define BODY "{\"widgets\":[{\"type\":\"text\",\"properties\":{\"markdown\":\"x\"}}]}"
#define OURS                                                                                       \
    {                                                                                              \
        .call = "monitoring:ListTagsForResource",                                                  \
        .answer = "{\"Tags\":" OUR_TAGS("Key", "Value") "}"                                        \
    }
#define FOREIGN                                                                                    \
    {                                                                                              \
        .call = "monitoring:ListTagsForResource",                                                  \
        .answer = "{\"Tags\":[{\"Key\":\"Environment\",\"Value\":\"other\"}]}"                     \
    }
#define GONE                                                                                       \
    {                                                                                              \
        .call = "monitoring:ListTagsForResource", .class = ERR_NOT_FOUND,                          \
        .code = "ResourceNotFoundException"                                                        \
    }

/* The spec with that member; the caller frees it. */
static char *spec_with(const char *member, const char *json)
{
    _cleanup_free_ char *members = xasprintf("\"%s\":%s", member, json);
    return script_spec_and(members);
}

static void open_with(struct script *t, const char *member, const char *json,
                      const struct script_row *rows)
{
    _cleanup_free_ char *spec = spec_with(member, json);
    script_open(t, spec, rows);
}

/* What AWS fills in is no difference, and what is as it is wanted is not asked for its tags. */
static void an_alarm_as_it_is_wanted_costs_one_read(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        { .call = "monitoring:DescribeAlarms", .answer = THERE(CPU) },
        { 0 },
    };
    struct script t;
    open_with(&t, "alarms", WANTED, rows);
    script_discover(&t, ALARM);
    const struct resource *r = script_resource(&t, ALARM);
    assert_true(json_equal(r->have, r->want));
    assert_true(resource_is_ours(r));
    assert_json(script_input(&t, "monitoring:DescribeAlarms", 0),
                "{\"AlarmNamePrefix\":\"automation-8527fec8-\",\"MaxRecords\":100}");
    script_close(&t);
}

static void one_that_differs_is_asked_whose_it_is(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        { .call = "monitoring:DescribeAlarms", .answer = THERE(CPU ",\"Unit\":\"Count\"") },
        FOREIGN,
        { 0 },
    };
    struct script t;
    open_with(&t, "alarms", WANTED, rows);
    script_discover(&t, ALARM);
    assert_false(resource_is_ours(script_resource(&t, ALARM)));
    assert_json(script_input(&t, "monitoring:ListTagsForResource", 0),
                "{\"ResourceARN\":\"" ARN "\"}");
    script_close(&t);
}

static void one_that_went_meanwhile_is_absent(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        { .call = "monitoring:DescribeAlarms", .answer = THERE(CPU ",\"Unit\":\"Count\"") },
        GONE,
        { 0 },
    };
    struct script t;
    open_with(&t, "alarms", WANTED, rows);
    script_discover(&t, ALARM);
    assert_null(script_resource(&t, ALARM)->have);
    script_close(&t);
}

/* It was taken for ours since it was as wanted; an output that nobody knew may change it then. */
static void assert_foreign_is_kept(bool remove)
{
    static const struct script_row rows[] = {
        { .call = "monitoring:DescribeAlarms", .answer = THERE(CPU) },
        FOREIGN,
        { 0 },
    };
    struct script t;
    open_with(&t, "alarms", WANTED, rows);
    script_discover(&t, ALARM);
    struct resource *r = script_target(&t, ALARM);
    int status = remove ? r->type->remove(t.s, r, &t.err) : r->type->update(t.s, r, &t.err);
    assert_int_equal(status, -1);
    assert_int_equal(t.err.class, ERR_CONFLICT);
    assert_non_null(strstr(t.err.message, "(Environment=other)"));
    err_release(&t.err);
    script_close(&t);
}

static void nothing_is_overwritten_before_its_tags_are_read(void **state)
{
    (void)state;
    assert_foreign_is_kept(false);
}

static void nor_is_it_removed(void **state)
{
    (void)state;
    assert_foreign_is_kept(true);
}

static void an_alarm_is_created_with_its_tags(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        { .call = "monitoring:PutMetricAlarm", .answer = "{}" },
        { 0 },
    };
    struct script t;
    open_with(&t, "alarms", WANTED, rows);
    struct resource *r = script_target(&t, ALARM);
    assert_int_equal(r->type->create(t.s, r, &t.err), 0);
    assert_json(script_input(&t, "monitoring:PutMetricAlarm", 0),
                "{" CPU ",\"AlarmName\":\"automation-8527fec8-cpu\",\"Tags\":["
                "{\"Key\":\"Environment\",\"Value\":\"automation-8527fec8\"},"
                "{\"Key\":\"berth:project\",\"Value\":\"77\"},"
                "{\"Key\":\"berth:ref\",\"Value\":\"dev/feature/login\"},"
                "{\"Key\":\"berth:name\",\"Value\":\"cpu\"}]}");
    assert_true(json_equal(r->have, r->target) && resource_is_ours(r));
    assert_string_equal(json_str(r->outputs, "Arn"), ARN);
    script_close(&t);
}

/* A put of one that is there leaves its tags: what is wrong with them has a call of its own. */
static void an_update_is_whole_and_repairs_tags(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        { .call = "monitoring:DescribeAlarms", .answer = THERE(CPU ",\"Unit\":\"Count\"") },
        OURS, /* without berth:name */
        { .call = "monitoring:PutMetricAlarm", .answer = "{}" },
        { .call = "monitoring:TagResource", .answer = "{}" },
        { 0 },
    };
    struct script t;
    open_with(&t, "alarms", WANTED, rows);
    script_discover(&t, ALARM);
    struct resource *r = script_target(&t, ALARM);
    assert_int_equal(r->type->update(t.s, r, &t.err), 0);
    assert_json(script_input(&t, "monitoring:PutMetricAlarm", 0),
                "{" CPU ",\"AlarmName\":\"automation-8527fec8-cpu\"}");
    assert_string_equal(json_str(script_input(&t, "monitoring:TagResource", 0), "ResourceARN"),
                        ARN);
    assert_int_equal(r->type->update(t.s, r, &t.err), 0);
    assert_int_equal(script_count(&t, "monitoring:TagResource"), 1);
    script_close(&t);
}

static void an_alarm_that_is_gone_is_removed(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        { .call = "monitoring:DeleteAlarms", .class = ERR_NOT_FOUND, .code = "ResourceNotFound" },
        { 0 },
    };
    struct script t;
    open_with(&t, "alarms", WANTED, rows);
    struct resource *r = script_target(&t, ALARM);
    assert_int_equal(r->type->remove(t.s, r, &t.err), 0);
    assert_json(script_input(&t, "monitoring:DeleteAlarms", 0),
                "{\"AlarmNames\":[\"automation-8527fec8-cpu\"]}");
    script_close(&t);
}

static void running_tasks_have_a_threshold(void **state)
{
    (void)state;
    static const struct {
        const char *running, *threshold; /* NULL: no alarm */
    } rows[] = {
        { "true", "2" },
        { "{\"Statistic\":\"Sum\"}", "10" },
        { "{\"Statistic\":\"Sum\",\"Period\":60}", "2" },
        { "{\"Threshold\":0}", "0" },
        { "{\"services\":{\"api\":{\"Threshold\":7}}}", "7" },
        { "{\"services\":{\"api\":true}}", "2" },
        { "{\"services\":{\"api\":false}}", NULL },
        { "false", NULL },
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        _cleanup_free_ char *alarms = xasprintf("{\"runningTasks\":%s}", rows[i].running);
        struct script t;
        open_with(&t, "alarms", alarms, NULL);
        const struct resource *r = graph_find(t.g, "cloudwatch.alarm/running-tasks-api");
        assert_int_equal(r == NULL, rows[i].threshold == NULL);
        if (r != NULL) {
            assert_json(json_get(r->want, "Threshold"), rows[i].threshold);
            assert_json(json_get(r->want, "Dimensions"),
                        "[{\"Name\":\"ClusterName\",\"Value\":\"automation-8527fec8\"},"
                        "{\"Name\":\"ServiceName\",\"Value\":\"automation-8527fec8-api\"}]");
        }
        script_close(&t);
    }
}

static void a_service_without_tasks_has_no_alarm_unless_asked_for(void **state)
{
    (void)state;
    _cleanup_free_ char *idle = script_spec_with("desiredCount", "0");
    _cleanup_free_ char *text = xstrndup(idle, strlen(idle) - 1);
    static const char *const asked[] = { "true", "{\"services\":{\"api\":true}}" };
    for (size_t i = 0; i < ARRAY_SIZE(asked); i++) {
        _cleanup_free_ char *spec =
            xasprintf("%s,\"alarms\":{\"runningTasks\":%s}}", text, asked[i]);
        struct script t;
        script_open(&t, spec, NULL);
        const struct resource *r = graph_find(t.g, "cloudwatch.alarm/running-tasks-api");
        assert_int_equal(r != NULL, i == 1);
        script_close(&t);
    }
}

static void what_cannot_be_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *member, *json, *says;
    } rows[] = {
        { "alarms", "{\"runningTasks\":{\"Statistic\":\"SampleCount\"}}", "Threshold: is missing" },
        { "alarms", "{\"runningTasks\":{\"ComparisonOperator\":\"LessThanOrEqualToThreshold\"}}",
          "Threshold: is missing" },
        { "alarms", "{\"runningTasks\":{\"services\":{\"apy\":true}}}", "did you mean 'api'?" },
        { "alarms", "{\"metricAlarms\":{\"running-tasks-api\":{" CPU "}},\"runningTasks\":true}",
          "there is already a alarm" },
        { "alarms", "{\"metricAlarms\":{\"a\":{" CPU ",\"Color\":\"red\"}}}", "Color" },
        { "dashboards", "{\"a.b\":" BODY "}", "it holds '.'" },
        { "dashboards", "{\"a\":{\"widgets\":7}}", "it has no list of 'widgets'" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        _cleanup_free_ char *spec = spec_with(rows[i].member, rows[i].json);
        _cleanup_free_ char *says = script_refused(spec);
        if (says == NULL || strstr(says, rows[i].says) == NULL)
            fail_msg("%s: %s", rows[i].json, says ? says : "nobody minds");
    }
}

/* The list tells which are there; one that is wanted and not in it is not asked for. */
static void dashboards_are_found_by_their_endings(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        { .call = "monitoring:ListDashboards",
          .answer = "{\"DashboardEntries\":[{\"DashboardName\":\"board-automation-8527fec8\"},"
                    "{\"DashboardName\":\"old-automation-8527fec8\"},"
                    "{\"DashboardName\":\"board-automation-master\"}]}" },
        { .call = "monitoring:GetDashboard",
          .answer = "{\"DashboardArn\":\"arn\",\"DashboardBody\":"
                    "\"{ \\\"widgets\\\": [{\\\"properties\\\": {\\\"markdown\\\": \\\"x\\\"}, "
                    "\\\"type\\\": \\\"text\\\"}] }\"}" },
        OURS,
        { 0 },
    };
    struct script t;
    open_with(&t, "dashboards", "{\"board\":" BODY ",\"new\":" BODY "}", rows);
    script_discover(&t, DASHBOARD);
    assert_json(json_get(script_resource(&t, DASHBOARD)->have, "DashboardBody"), BODY);
    assert_null(script_resource(&t, "cloudwatch.dashboard/new")->have);
    const struct resource *old =
        graph_find_name(t.g, &cloudwatch_dashboard_type, "old-automation-8527fec8");
    assert_true(old != NULL && resource_is_ours(old));
    assert_null(graph_find_name(t.g, &cloudwatch_dashboard_type, "board-automation-master"));
    assert_int_equal(script_count(&t, "monitoring:GetDashboard"), 2);
    assert_int_equal(script_count(&t, "monitoring:ListTagsForResource"), 1);
    script_close(&t);
}

static void what_cloudwatch_says_of_widgets_is_a_warning(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        { .call = "monitoring:PutDashboard",
          .answer = "{\"DashboardValidationMessages\":[{\"DataPath\":\"/widgets/0\",\"Message\":"
                    "\"odd\"},{\"Message\":\"all of it\"}]}" },
        { 0 },
    };
    struct script t;
    open_with(&t, "dashboards", "{\"board\":" BODY "}", rows);
    struct resource *r = script_target(&t, DASHBOARD);
    assert_int_equal(r->type->create(t.s, r, &t.err), 0);
    const char *text = json_str(script_input(&t, "monitoring:PutDashboard", 0), "DashboardBody");
    assert_string_equal(text, BODY);
    assert_int_equal(t.g->warnings.n, 2);
    assert_string_equal(t.g->warnings.v[0], "dashboards.board: CloudWatch says of dashboard "
                                            "'board-automation-8527fec8': /widgets/0: odd");
    assert_non_null(strstr(t.g->warnings.v[1], "': all of it"));
    script_close(&t);
}

static void a_refused_body_is_the_users_error(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        { .call = "monitoring:PutDashboard",
          .class = ERR_INVALID,
          .code = "InvalidParameterInput",
          .message = "The dashboard body is invalid" },
        { 0 },
    };
    struct script t;
    open_with(&t, "dashboards", "{\"board\":" BODY "}", rows);
    struct resource *r = script_target(&t, DASHBOARD);
    assert_int_equal(r->type->create(t.s, r, &t.err), -1);
    assert_int_equal(t.err.class, ERR_USER);
    err_release(&t.err);
    script_close(&t);
}

static void the_default_dashboard_has_five_widgets(void **state)
{
    (void)state;
    struct script t;
    open_with(&t, "dashboards", "{\"board\":true}", NULL);
    const cJSON *body = json_get(script_resource(&t, DASHBOARD)->want, "DashboardBody");
    assert_int_equal(json_count(json_get(body, "widgets")), 5);
    assert_json(json_at(body, "widgets/1/properties/metrics"),
                "[[\"ECS/ContainerInsights\",\"CpuUtilized\",\"ServiceName\","
                "\"automation-8527fec8-api\",\"ClusterName\",\"automation-8527fec8\"]]");
    script_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_alarm_as_it_is_wanted_costs_one_read),
        cmocka_unit_test(one_that_differs_is_asked_whose_it_is),
        cmocka_unit_test(one_that_went_meanwhile_is_absent),
        cmocka_unit_test(nothing_is_overwritten_before_its_tags_are_read),
        cmocka_unit_test(nor_is_it_removed),
        cmocka_unit_test(an_alarm_is_created_with_its_tags),
        cmocka_unit_test(an_update_is_whole_and_repairs_tags),
        cmocka_unit_test(an_alarm_that_is_gone_is_removed),
        cmocka_unit_test(running_tasks_have_a_threshold),
        cmocka_unit_test(a_service_without_tasks_has_no_alarm_unless_asked_for),
        cmocka_unit_test(what_cannot_be_is_refused),
        cmocka_unit_test(dashboards_are_found_by_their_endings),
        cmocka_unit_test(what_cloudwatch_says_of_widgets_is_a_warning),
        cmocka_unit_test(a_refused_body_is_the_users_error),
        cmocka_unit_test(the_default_dashboard_has_five_widgets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
