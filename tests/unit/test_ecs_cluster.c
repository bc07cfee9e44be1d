/* SPDX-License-Identifier: MIT */
#include "tests/unit/ecsscript.h"

#include <setjmp.h>
#include <cmocka.h>

#include "drivers/ecs.h"
#include "executor/engine/engine.h"

/* What a cluster tells of its environment, and where services are looked for. */

#define LISTED(name, more)                                                                         \
    "{\"services\":[{\"serviceName\":\"" name "\",\"status\":\"ACTIVE\",\"tags\":[" OURS "]" more  \
    "}]}"

static void others_are_listed_and_then_described(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        CLUSTER_OF(OURS, 2, 1, 0),
        { .call = "ecs:DescribeServices", .answer = LISTED(NAME, ",\"runningCount\":1") },
        { .call = "ecs:ListServices",
          .answer = "{\"serviceArns\":[\"" ARN "service/automation-8527fec8/" NAME "\",\"" ARN
                    "service/automation-8527fec8/automation-8527fec8-old\"]}" },
        { .call = "ecs:DescribeServices", .answer = LISTED("automation-8527fec8-old", "") },
        { 0 },
    };
    struct script t;
    script_open(&t, script_spec, rows);
    script_discover(&t, ECS_CLUSTER);
    script_discover(&t, SERVICE);
    assert_true(script_resource(&t, SERVICE)->observed);
    assert_non_null(script_resource(&t, SERVICE)->have);
    assert_false(script_resource(&t, "ecs.service/old")->observed);
    script_observe(&t, "ecs.service/old");
    assert_true(resource_is_ours(script_resource(&t, "ecs.service/old")));
    /* Its task definitions go with it, by a removal of their own. */
    const struct resource *family = script_resource(&t, "ecs.task_definition/old");
    assert_null(family->want);
    assert_non_null(family->have);
    assert_true(resource_is_ours(family));
    script_close(&t);
}

/* How often services are listed where the cluster counts so many active ones and tasks, and the
 * wanted one has one that runs. */
static size_t listed_with(const struct script_row *cluster)
{
    const struct script_row rows[] = {
        *cluster,
        { .call = "ecs:DescribeServices", .answer = LISTED(NAME, ",\"runningCount\":1") },
        { .call = "ecs:ListServices", .answer = "{\"serviceArns\":[]}" },
        { 0 },
    };
    struct script t;
    script_open(&t, script_spec, rows);
    script_discover(&t, ECS_CLUSTER);
    script_discover(&t, SERVICE);
    assert_int_equal(script_count(&t, "ecs:DescribeServices"), 1);
    size_t n = script_count(&t, "ecs:ListServices");
    script_close(&t);
    return n;
}

static void services_are_listed_only_where_there_are_others(void **state)
{
    (void)state;
    static const struct script_row alone = CLUSTER_OF(OURS, 1, 1, 0);
    static const struct script_row another = CLUSTER_OF(OURS, 2, 1, 0);
    static const struct script_row draining = CLUSTER_OF(OURS, 1, 2, 0);
    static const struct script_row pending = CLUSTER_OF(OURS, 1, 1, 1);
    assert_int_equal(listed_with(&alone), 0);
    assert_int_equal(listed_with(&another), 1);
    assert_int_equal(listed_with(&draining), 1);
    assert_int_equal(listed_with(&pending), 1);
}

static void without_a_cluster_no_service_is_looked_for(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        { .call = "ecs:DescribeClusters",
          .answer = "{\"clusters\":[],\"failures\":[{\"reason\":\"MISSING\"}]}" },
        { 0 },
    };
    struct script t;
    script_open(&t, script_spec, rows);
    script_discover(&t, ECS_CLUSTER);
    script_discover(&t, SERVICE);
    assert_true(script_resource(&t, SERVICE)->observed);
    assert_null(script_resource(&t, SERVICE)->have);
    script_close(&t);
}

static void a_newer_pipeline_is_warned_of(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        CLUSTER(OURS "," TAG("berth:pipeline", "101")),
        { .call = "ecs:TagResource", .answer = "{}" },
        { 0 },
    };
    struct script t;
    script_open(&t, script_spec, rows);
    script_discover(&t, ECS_CLUSTER);
    assert_int_equal(t.g->warnings.n, 1);
    assert_non_null(strstr(t.g->warnings.v[0], "pipeline 101"));
    /* The mark is written only where something of the environment changes. */
    const struct driver *ecs = driver_find("ecs");
    assert_int_equal(ecs->begin(t.s, t.g, &t.err), 0);
    script_resource(&t, "ecr.repository/automation-api")->action = ACTION_CREATE;
    script_resource(&t, "iam.role_policy/exec/p")->action = ACTION_CREATE;
    assert_int_equal(ecs->begin(t.s, t.g, &t.err), 0);
    assert_int_equal(script_count(&t, "ecs:TagResource"), 0);
    script_resource(&t, DEFINITION)->action = ACTION_UPDATE;
    assert_int_equal(ecs->begin(t.s, t.g, &t.err), 0);
    assert_json(script_input(&t, "ecs:TagResource", 0),
                "{\"resourceArn\":\"" ARN "cluster/automation-8527fec8\",\"tags\":["
                "{\"key\":\"berth:pipeline\",\"value\":\"100\"}]}");
    script_close(&t);
}

static void expiry_at(cJSON *tags, time_t t)
{
    char date[32];
    clock_iso_date(t, date, sizeof(date));
    json_put_str(tags, ECS_EXPIRES_TAG, date);
}

static void less_than_three_quarters_left_are_renewed(void **state)
{
    (void)state;
    static const struct {
        int64_t time_to_live, left; /* seconds */
        bool due;
    } cases[] = {
        { 0, 0, false },       { 4000, -1, true },    { 4000, 2999, true }, { 4000, 3000, false },
        { 4000, 4000, false }, { 4000, 5000, false }, { 4000, 5001, true }, /* the host config has
                                                                               said more */
    };
    static const time_t now = 1790000000;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_json_ cJSON *tags = cJSON_CreateObject();
        expiry_at(tags, now + cases[i].left);
        assert_int_equal(ecs_expiry_is_due(tags, cases[i].time_to_live, now), cases[i].due);
    }
    _cleanup_json_ cJSON *none = cJSON_CreateObject();
    assert_true(ecs_expiry_is_due(none, 4000, now));
    assert_false(ecs_expiry_is_due(none, 0, now));
    json_put_str(none, ECS_EXPIRES_TAG, "soon");
    assert_true(ecs_expiry_is_due(none, 4000, now));
    time_t expires;
    assert_int_equal(ecs_expiry_read(none, &expires), -1);
}

static void a_cluster_tells_until_when_it_lives(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        CLUSTER(OURS),
        { .call = "ecs:CreateCluster", .answer = "{\"cluster\":{\"status\":\"ACTIVE\"}}" },
        { .call = "ecs:TagResource", .answer = "{}" },
        { 0 },
    };
    struct script t;
    bool renewed = true;
    time_t expires;
    script_open(&t, script_spec, rows);
    script_discover(&t, ECS_CLUSTER);
    struct resource *r = script_target(&t, ECS_CLUSTER);
    assert_int_equal(ecs_expiry_renew(t.s, t.g, &renewed, &t.err), 0);
    assert_false(renewed);
    t.g->context.time_to_live = 3600;
    assert_int_equal(ecs_expiry_renew(t.s, t.g, &renewed, &t.err), 0);
    assert_true(renewed);
    assert_int_equal(ecs_expiry_renew(t.s, t.g, &renewed, &t.err), 0);
    assert_false(renewed);
    assert_int_equal(script_count(&t, "ecs:TagResource"), 1);
    assert_int_equal(r->type->create(t.s, r, &t.err), -1); /* there is one already */
    assert_int_equal(t.err.class, ERR_EXISTS);
    err_release(&t.err);
    _cleanup_json_ cJSON *tags =
        tags_from_list(json_get(script_input(&t, "ecs:CreateCluster", 0), "tags"), "key", "value");
    assert_int_equal(ecs_expiry_read(tags, &expires), 0);
    assert_in_range(expires - time(NULL), 3590, 3600);
    /* What is not ours is left alone. */
    cJSON_Delete(r->tags);
    r->tags = cJSON_CreateObject();
    assert_int_equal(ecs_expiry_renew(t.s, t.g, &renewed, &t.err), 0);
    assert_false(renewed);
    script_close(&t);
}

#define RUN   "berth-77-5-0a1b2c3d"
#define OTHER "berth-77-4-ffffffff"

/* Another that deploys the environment for the first time, too, and may take back what it has
 * created: it must see this run, and this run waits while it does. */
static void a_cluster_that_another_run_has_made_is_taken_over(void **state)
{
    (void)state;
    static const char *const answers[] = {
        "{\"cluster\":{\"status\":\"ACTIVE\",\"tags\":[]}}",
        "{\"cluster\":{\"status\":\"ACTIVE\",\"tags\":[" OURS "," TAG("berth:run", OTHER) "]}}",
    };
    for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
        const struct script_row rows[] = {
            { .call = "ecs:DescribeClusters", .answer = "{\"clusters\":[]}" },
            { .call = "ecs:CreateCluster", .answer = answers[i] },
            CLUSTER(OURS "," TAG("berth:run", OTHER)),
            { .call = "ecs:TagResource", .answer = "{}" },
            CLUSTER(OURS "," TAG("berth:run", RUN)),
            { 0 },
        };
        struct script t;
        script_open(&t, script_spec, rows);
        t.g->context.run = RUN;
        t.g->context.takes_back = i == 0;
        script_discover(&t, ECS_CLUSTER);
        struct resource *r = script_target(&t, ECS_CLUSTER);
        assert_int_equal(r->type->create(t.s, r, &t.err), -1);
        assert_int_equal(t.err.class, ERR_EXISTS);
        err_release(&t.err);
        const cJSON *marks = json_get(script_input(&t, "ecs:TagResource", 0), "tags");
        assert_string_equal(json_str(json_find(marks, "key", "berth:run"), "value"), RUN);
        assert_int_equal(script_count(&t, "ecs:DescribeClusters"), 3); /* once behind the mark */
        assert_true(json_bool(r->memo, "marked", false));
        script_close(&t);
    }
}

/* Its name is left to whoever has it. */
static void a_cluster_of_somebody_else_gets_no_mark(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        { .call = "ecs:DescribeClusters", .answer = "{\"clusters\":[]}" },
        { .call = "ecs:CreateCluster", .answer = "{\"cluster\":{\"status\":\"ACTIVE\"}}" },
        CLUSTER(TAG("Environment", "another")),
        { 0 },
    };
    struct script t;
    script_open(&t, script_spec, rows);
    t.g->context.run = RUN;
    t.g->context.takes_back = true;
    script_discover(&t, ECS_CLUSTER);
    struct resource *r = script_target(&t, ECS_CLUSTER);
    assert_int_equal(r->type->create(t.s, r, &t.err), -1);
    assert_int_equal(t.err.class, ERR_EXISTS);
    err_release(&t.err);
    assert_false(json_bool(r->memo, "marked", false));
    assert_int_equal(script_count(&t, "ecs:TagResource"), 0);
    script_close(&t);
}

static void a_cluster_that_is_inactive_is_absent(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        { .call = "ecs:DescribeClusters", .answer = "{\"clusters\":[{\"status\":\"INACTIVE\"}]}" },
        { .call = "ecs:CreateCluster",
          .answer = "{\"cluster\":{\"status\":\"ACTIVE\",\"tags\":[" OURS
                    "," TAG("berth:name", "cluster") "," TAG("berth:pipeline", "100") "]}}" },
        { 0 },
    };
    struct script t;
    script_open(&t, script_spec, rows);
    script_discover(&t, ECS_CLUSTER);
    struct resource *r = script_target(&t, ECS_CLUSTER);
    assert_null(r->have);
    assert_int_equal(r->type->create(t.s, r, &t.err), 0);
    const cJSON *input = script_input(&t, "ecs:CreateCluster", 0);
    _cleanup_json_ cJSON *tags = tags_from_list(json_get(input, "tags"), "key", "value");
    assert_string_equal(json_str(tags, "berth:pipeline"), "100");
    assert_string_equal(json_str(tags, "Environment"), "automation-8527fec8");
    script_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(others_are_listed_and_then_described),
        cmocka_unit_test(services_are_listed_only_where_there_are_others),
        cmocka_unit_test(without_a_cluster_no_service_is_looked_for),
        cmocka_unit_test(a_newer_pipeline_is_warned_of),
        cmocka_unit_test(less_than_three_quarters_left_are_renewed),
        cmocka_unit_test(a_cluster_tells_until_when_it_lives),
        cmocka_unit_test(a_cluster_that_another_run_has_made_is_taken_over),
        cmocka_unit_test(a_cluster_of_somebody_else_gets_no_mark),
        cmocka_unit_test(a_cluster_that_is_inactive_is_absent),
    };
    return cmocka_run_group_tests_name("ecs_cluster", tests, NULL, NULL);
}
