/* SPDX-License-Identifier: MIT */
#include "tests/unit/awsscript.h"

#include <setjmp.h>
#include <cmocka.h>

#define GROUP  "logs.group/logs"
#define FILTER "logs.metric_filter/f"
#define ARN    "arn:aws:logs:us-east-1:123456789012:log-group:automation-8527fec8"
#define GROUP_ROWS                                                                                 \
    { .call = "logs:DescribeLogGroups",                                                            \
      .answer = "{\"logGroups\":[{\"logGroupName\":\"automation-8527fec8-x\"},"                    \
                "{\"logGroupName\":\"automation-8527fec8\",\"retentionInDays\":7,\"arn\":\"" ARN   \
                ":*\"}]}" },                                                                       \
    {                                                                                              \
        .call = "logs:ListTagsForResource",                                                        \
        .answer = "{\"tags\":{\"Environment\":\"automation-8527fec8\",\"berth:project\":\"77\","   \
                  "\"berth:ref\":\"dev/feature/login\"}}"                                          \
    }

static void the_very_group_is_found_and_its_retention_set(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        GROUP_ROWS,
        { .call = "logs:PutRetentionPolicy", .answer = "{}" },
        { 0 },
    };
    struct script t;
    script_open(&t, script_spec, rows);
    script_discover(&t, GROUP);
    struct resource *r = script_target(&t, GROUP);
    assert_json(r->have, "{\"logGroupName\":\"automation-8527fec8\",\"retentionInDays\":7}");
    assert_true(resource_is_ours(r));
    assert_json(script_input(&t, "logs:ListTagsForResource", 0), "{\"resourceArn\":\"" ARN "\"}");
    assert_int_equal(r->type->update(t.s, r, &t.err), 0);
    assert_json(script_input(&t, "logs:PutRetentionPolicy", 0),
                "{\"logGroupName\":\"automation-8527fec8\",\"retentionInDays\":30}");
    script_close(&t);
}

static void a_group_is_created_with_its_tags(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        { .call = "logs:CreateLogGroup", .answer = "{}" },
        { .call = "logs:PutRetentionPolicy", .answer = "{}" },
        { 0 },
    };
    struct script t;
    script_open(&t, script_spec, rows);
    struct resource *r = script_target(&t, GROUP);
    assert_int_equal(r->type->create(t.s, r, &t.err), 0);
    assert_json(script_input(&t, "logs:CreateLogGroup", 0),
                "{\"logGroupName\":\"automation-8527fec8\",\"tags\":{\"Environment\":"
                "\"automation-8527fec8\",\"berth:project\":\"77\",\"berth:ref\":"
                "\"dev/feature/login\",\"berth:name\":\"logs\"}}");
    assert_int_equal(script_count(&t, "logs:PutRetentionPolicy"), 1);
    assert_string_equal(json_str(r->outputs, "Arn"), ARN);
    script_close(&t);
}

static void a_filter_reads_as_it_is_wanted(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        GROUP_ROWS,
        { .call = "logs:DescribeMetricFilters",
          .answer = "{\"metricFilters\":[{\"filterName\":\"f\",\"filterPattern\":\"x\","
                    "\"creationTime\":1,\"logGroupName\":\"automation-8527fec8\","
                    "\"applyOnTransformedLogs\":false,\"metricTransformations\":[{\"metricName\":"
                    "\"m\",\"metricNamespace\":\"n\",\"metricValue\":\"1\",\"defaultValue\":0.0,"
                    "\"unit\":\"None\"}]},{\"filterName\":\"old\",\"filterPattern\":\"y\"}]}" },
        { .call = "logs:DeleteMetricFilter",
          .class = ERR_NOT_FOUND,
          .code = "ResourceNotFoundException" },
        { 0 },
    };
    struct script t;
    script_open(&t, script_spec, rows);
    script_discover(&t, GROUP);
    script_discover(&t, FILTER);
    assert_json(script_input(&t, "logs:DescribeMetricFilters", 0),
                "{\"logGroupName\":\"automation-8527fec8\"}");
    const struct resource *r = script_target(&t, FILTER);
    assert_true(json_equal(r->have, r->target));
    /* One that is no longer wanted is found, and its removal by somebody else is fine. */
    struct resource *old = script_resource(&t, "logs.metric_filter/old");
    assert_null(old->want);
    assert_int_equal(old->type->remove(t.s, old, &t.err), 0);
    script_close(&t);
}

static void without_a_group_no_filter_is_looked_for(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        { .call = "logs:DescribeLogGroups", .answer = "{\"logGroups\":[]}" },
        { 0 },
    };
    struct script t;
    script_open(&t, script_spec, rows);
    script_discover(&t, GROUP);
    script_discover(&t, FILTER);
    assert_null(script_resource(&t, GROUP)->have);
    assert_true(script_resource(&t, FILTER)->observed);
    script_close(&t);
}

#define INSIGHTS "/aws/ecs/containerinsights/automation-8527fec8/performance"
#define CLUSTERS(status, tags)                                                                     \
    {                                                                                              \
        .call = "ecs:DescribeClusters",                                                            \
        .answer = "{\"clusters\":[{\"clusterName\":\"automation-8527fec8\",\"status\":\"" status   \
                  "\",\"tags\":" tags "}]}"                                                        \
    }

/* What Container Insights has made is the cluster's, also once that is gone: nothing else tells. */
static void insights_group_is_whose_the_cluster_is(void **state)
{
    (void)state;
    static const struct script_row groups = { .call = "logs:DescribeLogGroups",
                                              .answer =
                                                  "{\"logGroups\":[{\"logGroupName\":\"" INSIGHTS
                                                  "-x\"},{\"logGroupName\":\"" INSIGHTS
                                                  "\",\"retentionInDays\":1}]}" };
    const struct {
        struct script_row cluster;
        bool found;
    } set[] = {
        { CLUSTERS("ACTIVE", OUR_TAGS("key", "value")), true },
        { CLUSTERS("INACTIVE", "[]"), true },
        { CLUSTERS("ACTIVE", "[]"), false },
    };
    for (size_t i = 0; i < ARRAY_SIZE(set); i++) {
        const struct script_row rows[] = {
            set[i].cluster, groups, { .call = "logs:DeleteLogGroup", .answer = "{}" }, { 0 }
        };
        struct script t;
        script_open_teardown(&t, rows);
        script_find(&t, "ecs.cluster");
        script_find(&t, "logs.insights_group");
        struct resource *r = graph_find(t.g, "logs.insights_group/insights");
        assert_int_equal(r != NULL && r->have != NULL && resource_is_ours(r), set[i].found);
        if (set[i].found) {
            assert_int_equal(r->type->remove(t.s, r, &t.err), 0);
            assert_json(script_input(&t, "logs:DeleteLogGroup", 0),
                        "{\"logGroupName\":\"" INSIGHTS "\"}");
        }
        script_close(&t);
    }
}

static void nobody_looks_for_it_in_a_deploy(void **state)
{
    (void)state;
    static const struct script_row rows[] = { { 0 } };
    struct script t;
    script_open(&t, script_spec, rows);
    script_find(&t, "logs.insights_group");
    assert_null(graph_find(t.g, "logs.insights_group/insights"));
    script_close(&t);
}

static void a_protected_group_stays(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        { .call = "logs:DeleteLogGroup",
          .class = ERR_INVALID,
          .code = "ValidationException",
          .message = "Cannot delete log group with deletion protection enabled. Disable deletion "
                     "protection first." },
        { 0 },
    };
    struct script t;
    script_open(&t, script_spec, rows);
    struct resource *r = script_resource(&t, GROUP);
    assert_int_equal(r->type->remove(t.s, r, &t.err), -1);
    assert_int_equal(t.err.class, ERR_USER);
    assert_non_null(strstr(t.err.message, "'automation-8527fec8' is protected from deletion"));
    script_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_very_group_is_found_and_its_retention_set),
        cmocka_unit_test(a_group_is_created_with_its_tags),
        cmocka_unit_test(a_filter_reads_as_it_is_wanted),
        cmocka_unit_test(without_a_group_no_filter_is_looked_for),
        cmocka_unit_test(insights_group_is_whose_the_cluster_is),
        cmocka_unit_test(nobody_looks_for_it_in_a_deploy),
        cmocka_unit_test(a_protected_group_stays),
    };
    return cmocka_run_group_tests_name("logs", tests, NULL, NULL);
}
