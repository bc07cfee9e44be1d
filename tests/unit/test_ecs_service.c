/* SPDX-License-Identifier: MIT */
#include "tests/unit/ecsscript.h"

#include <setjmp.h>
#include <cmocka.h>

#include "drivers/ecs.h"
#include "executor/base/clock.h"
#include "executor/engine/engine.h"

#define DESCRIBED(deployments, running, events)                                                    \
    "{\"services\":[{\"serviceName\":\"" NAME "\",\"status\":\"ACTIVE\",\"clusterArn\":"           \
    "\"" ARN "cluster/automation-8527fec8\",\"desiredCount\":2,\"runningCount\":" #running         \
    ",\"deployments\":[" deployments "],\"events\":[" events "]}]}"
#define DEPLOYMENT(id, status, rollout, running, failed)                                           \
    "{\"id\":\"" id "\",\"status\":\"" status "\",\"rolloutState\":\"" rollout                     \
    "\",\"rolloutStateReason\":\"reason " id "\",\"runningCount\":" #running                       \
    ",\"failedTasks\":" #failed ",\"taskDefinition\":\"" ARN "task-definition/f:" #running "\"}"

#define NO_STOPS                                                                                   \
    {                                                                                              \
        .call = "ecs:ListTasks", .answer = "{\"taskArns\":[]}"                                     \
    }

static void a_deployment_is_judged(void **state)
{
    (void)state;
    static const struct {
        const char *ours, *answer;
        enum readiness readiness;
        const char *why;
    } cases[] = {
        { "d2", DESCRIBED(DEPLOYMENT("d2", "PRIMARY", "COMPLETED", 2, 0), 2, ""), READY, "" },
        { NULL, DESCRIBED(DEPLOYMENT("d1", "PRIMARY", "COMPLETED", 2, 0), 2, ""), READY, "" },
        { "d2", DESCRIBED(DEPLOYMENT("d2", "PRIMARY", "COMPLETED", 2, 0), 3, ""), WAITING,
          "2 of 2 tasks of 'f:2' run, old ones are being stopped" },
        { "d2", DESCRIBED(DEPLOYMENT("d2", "PRIMARY", "IN_PROGRESS", 1, 0), 1, ""), WAITING,
          "1 of 2 tasks of 'f:1' run" },
        { "d2", DESCRIBED(DEPLOYMENT("d2", "PRIMARY", "IN_PROGRESS", 2, 0), 2, ""), WAITING,
          "2 of 2 tasks of 'f:2' run, not all healthy yet" },
        /* As long as they are not, the old ones run beside them. */
        { "d2", DESCRIBED(DEPLOYMENT("d2", "PRIMARY", "IN_PROGRESS", 2, 0), 4, ""), WAITING,
          "2 of 2 tasks of 'f:2' run, not all healthy yet" },
        { "d2",
          DESCRIBED(DEPLOYMENT("d2", "PRIMARY", "IN_PROGRESS", 2, 0), 4,
                    "{\"message\":\"(service x) has stopped 1 running tasks: (task t).\"}"),
          WAITING, "2 of 2 tasks of 'f:2' run, old ones are being stopped" },
        { "d2",
          DESCRIBED(DEPLOYMENT("d2", "PRIMARY", "IN_PROGRESS", 0, 3), 0,
                    "{\"message\":\"(service x) has started 1 tasks\"},"
                    "{\"message\":\"(service x) was unable to place a task\"}"),
          WAITING, "0 of 2 tasks of 'f:0' run, 3 failed; ECS says: was unable to place a task" },
        { "d2", DESCRIBED(DEPLOYMENT("d2", "PRIMARY", "FAILED", 0, 3), 0, ""), FAILED,
          "its deployment failed: reason d2" },
        { NULL, DESCRIBED("", 0, ""), WAITING, "ECS has begun no deployment yet" },
        /* A rollback leaves a stable service, and is not what was asked for. */
        { "d2",
          DESCRIBED(DEPLOYMENT("d3", "PRIMARY", "COMPLETED", 2, 0) "," DEPLOYMENT("d2", "ACTIVE",
                                                                                  "FAILED", 0, 3),
                    2, "{\"message\":\"(service x) rolling back to deployment d3.\"}"),
          FAILED,
          "its deployment failed and was rolled back to 'f:2': reason d2; ECS says: "
          "rolling back to deployment d3" },
        { "d2", DESCRIBED(DEPLOYMENT("d9", "PRIMARY", "COMPLETED", 2, 0), 2, ""), FAILED,
          "its deployment was replaced by pipeline 200, which runs 'f:2'" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct script_row rows[] = {
            { .call = "ecs:DescribeServices", .answer = cases[i].answer },
            NO_STOPS,
            CLUSTER(TAG("berth:pipeline", "200")),
            { 0 },
        };
        struct script t;
        script_open(&t, script_spec, rows);
        struct resource *r = script_resource(&t, SERVICE);
        json_put_str(r->memo, "deployment", cases[i].ours);
        script_observe(&t, SERVICE);
        _cleanup_strbuf_ struct strbuf why = STRBUF_INIT;
        enum readiness readiness = r->type->judge(r, &why);
        assert_string_equal(why.buf, cases[i].why);
        assert_int_equal(readiness, cases[i].readiness);
        script_close(&t);
    }
}

#define DATED(id, status, created)                                                                 \
    "{\"id\":\"" id "\",\"status\":\"" status "\",\"rolloutState\":\"COMPLETED\","                 \
    "\"runningCount\":2,\"createdAt\":" created ",\"taskDefinition\":\"f:1\"}"

/* DescribeServices may tell of the time before UpdateService; only a later absence means anything.
 */
static void an_answer_that_lags_behind_is_no_rollback(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        { .call = "ecs:UpdateService",
          .answer = "{\"service\":{\"status\":\"ACTIVE\",\"deployments\":[" DATED("d2", "PRIMARY",
                                                                                  "200.5") "]}}" },
        { .call = "ecs:DescribeServices",
          .answer = DESCRIBED(DATED("d1", "PRIMARY", "100"), 2, "") },
        { .call = "ecs:DescribeServices",
          .answer = DESCRIBED(DATED("d2", "PRIMARY", "200.5"), 2, "") },
        { .call = "ecs:DescribeServices",
          .answer = DESCRIBED(DATED("d1", "PRIMARY", "100"), 2, "") },
        NO_STOPS,
        CLUSTER(""),
        { 0 },
    };
    static const enum readiness expected[] = { WAITING, READY, FAILED };
    struct script t;
    script_open(&t, script_spec, rows);
    struct resource *r = script_target(&t, SERVICE);
    r->changes = cJSON_CreateArray();
    assert_int_equal(r->type->update(t.s, r, &t.err), 0);
    for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
        _cleanup_strbuf_ struct strbuf why = STRBUF_INIT;
        script_observe(&t, SERVICE);
        assert_int_equal(r->type->judge(r, &why), expected[i]);
    }
    script_close(&t);
}

#define ROLLED_BACK(reason)                                                                        \
    DESCRIBED("{\"id\":\"d1\",\"status\":\"PRIMARY\",\"rolloutState\":\"COMPLETED\","              \
              "\"rolloutStateReason\":\"" reason "\",\"createdAt\":100,\"updatedAt\":230,"         \
              "\"taskDefinition\":\"f:1\"}",                                                       \
              2,                                                                                   \
              "{\"message\":\"(deployment d2) deployment failed: tasks failed to start.\","        \
              "\"createdAt\":210}")

/* A rollback may be over before ECS is asked again; the older deployment is the primary one then,
 * with its own date of creation. */
static void a_rollback_that_nobody_saw_is_a_failure(void **state)
{
    (void)state;
    static const char *const answers[] = {
        ROLLED_BACK("ECS deployment circuit breaker: rolling back to deploymentId d1."),
        ROLLED_BACK("ECS deployment d1 completed."),
    };
    static const char *const whys[] = {
        ": ECS deployment circuit breaker: rolling back to deploymentId d1",
        "",
    };
    for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
        const struct script_row rows[] = {
            { .call = "ecs:UpdateService",
              .answer = "{\"service\":{\"status\":\"ACTIVE\",\"deployments\":[" DATED(
                  "d2", "PRIMARY", "200.5") "]}}" },
            { .call = "ecs:DescribeServices", .answer = answers[i] },
            NO_STOPS,
            CLUSTER(""),
            { 0 },
        };
        struct script t;
        script_open(&t, script_spec, rows);
        struct resource *r = script_target(&t, SERVICE);
        r->changes = cJSON_CreateArray();
        assert_int_equal(r->type->update(t.s, r, &t.err), 0);
        script_observe(&t, SERVICE);
        _cleanup_strbuf_ struct strbuf why = STRBUF_INIT, expected = STRBUF_INIT;
        assert_int_equal(r->type->judge(r, &why), FAILED);
        strbuf_addf(&expected,
                    "its deployment failed and was rolled back to 'f:1'%s; ECS says: "
                    "(deployment d2) deployment failed: tasks failed to start",
                    whys[i]);
        assert_string_equal(why.buf, expected.buf);
        script_close(&t);
    }
}

static void what_was_said_before_the_deployment_is_not_its_reason(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        { .call = "ecs:DescribeServices",
          .answer = DESCRIBED("{\"id\":\"d2\",\"status\":\"PRIMARY\",\"rolloutState\":\"FAILED\","
                              "\"rolloutStateReason\":\"why\",\"createdAt\":200,"
                              "\"taskDefinition\":\"f:1\"}",
                              0,
                              "{\"message\":\"new failure.\",\"createdAt\":201},"
                              "{\"message\":\"old failure.\",\"createdAt\":199}") },
        NO_STOPS,
        { 0 },
    };
    struct script t;
    script_open(&t, script_spec, rows);
    script_observe(&t, SERVICE);
    _cleanup_strbuf_ struct strbuf why = STRBUF_INIT;
    struct resource *r = script_resource(&t, SERVICE);
    assert_int_equal(r->type->judge(r, &why), FAILED);
    assert_string_equal(why.buf, "its deployment failed: why; ECS says: new failure");
    script_close(&t);
}

static void an_update_sends_only_what_differs(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        { .call = "ecs:UpdateService",
          .answer = "{\"service\":{\"status\":\"ACTIVE\",\"deployments\":[{\"id\":\"d7\","
                    "\"status\":\"PRIMARY\"}]}}" },
        { 0 },
    };
    struct script t;
    script_open(&t, script_spec, rows);
    struct resource *r = script_target(&t, SERVICE);
    json_put_str(r->target, "taskDefinition", "f:2");
    cJSON_Delete(r->changes);
    r->changes = cJSON_Parse("[{\"path\":\"taskDefinition\"},{\"path\":"
                             "\"deploymentConfiguration.deploymentCircuitBreaker.enable\"}]");
    assert_int_equal(r->type->update(t.s, r, &t.err), 0);
    assert_json(script_input(&t, "ecs:UpdateService", 0),
                "{\"cluster\":\"automation-8527fec8\",\"service\":\"" NAME "\","
                "\"taskDefinition\":\"f:2\",\"deploymentConfiguration\":{\"maximumPercent\":200,"
                "\"minimumHealthyPercent\":100,\"deploymentCircuitBreaker\":{\"enable\":false,"
                "\"rollback\":false},\"alarms\":{\"alarmNames\":[],\"enable\":false,"
                "\"rollback\":false},\"lifecycleHooks\":[],\"strategy\":\"ROLLING\"}}");
    assert_string_equal(json_str(r->memo, "deployment"), "d7");
    script_close(&t);
}

/* What differs between services.api and DescribeServices' answer; NULL if nothing. The
 * caller owns it. */
static cJSON *service_differences(const char *over, const char *members)
{
    _cleanup_free_ char *answer =
        xasprintf("{\"services\":[{\"serviceName\":\"" NAME "\",\"status\":\"ACTIVE\","
                  "\"clusterArn\":\"" ARN "cluster/automation-8527fec8\",\"desiredCount\":2,"
                  "\"taskDefinition\":\"f:1\",\"schedulingStrategy\":\"REPLICA\","
                  "\"serviceRegistries\":[{\"registryArn\":\"r\"}],\"propagateTags\":\"SERVICE\","
                  "\"enableECSManagedTags\":true,\"availabilityZoneRebalancing\":\"ENABLED\"%s}]}",
                  members);
    const struct script_row rows[] = {
        { .call = "ecs:DescribeServices", .answer = answer },
        { 0 },
    };
    _cleanup_free_ char *spec = script_spec_with("service", over);
    struct script t;
    script_open(&t, spec, rows);
    resource_set_output(script_resource(&t, ECS_CLUSTER), "ClusterName", "automation-8527fec8");
    resource_set_output(script_resource(&t, DEFINITION), "Arn", "f:1");
    resource_set_output(script_resource(&t, "cloudmap.service/api"), "Arn", "r");
    resource_set_output(script_resource(&t, "security_group/api"), "GroupId", "sg-2");
    json_put(script_resource(&t, "ec2.subnets/private")->outputs, "SubnetIds",
             cJSON_Parse("[\"subnet-a\",\"subnet-b\"]"));
    static const char *const there[] = { "ecs.cluster/cluster", DEFINITION, "cloudmap.service/api",
                                         "security_group/api", "ec2.subnets/private" };
    for (size_t i = 0; i < ARRAY_SIZE(there); i++)
        resource_set_have(script_resource(&t, there[i]), cJSON_CreateObject());
    script_observe(&t, SERVICE);
    const struct resource *r = script_target(&t, SERVICE);
    cJSON *changes = diff_values(r->target, r->have, false);
    script_close(&t);
    return changes;
}

#define NETWORK(subnets, groups)                                                                   \
    ",\"networkConfiguration\":{\"awsvpcConfiguration\":{\"subnets\":[" subnets                    \
    "],\"securityGroups\":[" groups "],\"assignPublicIp\":\"DISABLED\"}}"
#define PLAIN_NETWORK NETWORK("\"subnet-b\",\"subnet-a\"", "\"sg-2\"")
#define DEPLOYED(more)                                                                             \
    ",\"deploymentConfiguration\":{\"maximumPercent\":200,\"minimumHealthyPercent\":100" more "}"
#define FARGATE ",\"launchType\":\"FARGATE\""

static void what_ecs_leaves_out_makes_no_difference(void **state)
{
    (void)state;
    static const struct {
        const char *over, *members;
    } same[] = {
        { "{}", PLAIN_NETWORK DEPLOYED("") FARGATE },
        { "{}", PLAIN_NETWORK DEPLOYED("") FARGATE
          ",\"loadBalancers\":[],\"healthCheckGracePeriodSeconds\":0,\"platformVersion\":\"1.4."
          "0\"" },
        /* The order in which a spec names subnets and groups counts no more than AWS's. */
        { "{\"networkConfiguration\":{\"awsvpcConfiguration\":{\"subnets\":[\"subnet-z\","
          "\"subnet-c\"],\"securityGroups\":[\"sg-9\",\"${security_group/"
          "api.GroupId}\",\"sg-1\"]}}}",
          NETWORK("\"subnet-c\",\"subnet-z\"",
                  "\"sg-1\",\"${security_group/api.GroupId}\",\"sg-9\"") DEPLOYED("") FARGATE },
        /* What belongs to a deployment is told there. */
        { "{\"serviceConnectConfiguration\":{\"enabled\":true,\"namespace\":\"n\"}}",
          PLAIN_NETWORK DEPLOYED("") FARGATE
          ",\"deployments\":[{\"status\":\"ACTIVE\"},{\"status\":\"PRIMARY\","
          "\"serviceConnectConfiguration\":{\"enabled\":true,\"namespace\":\"n\"}}]" },
        { "{\"capacityProviderStrategy\":[{\"capacityProvider\":\"FARGATE_SPOT\",\"weight\":1}]}",
          PLAIN_NETWORK DEPLOYED("") ",\"capacityProviderStrategy\":[{\"capacityProvider\":"
                                     "\"FARGATE_SPOT\",\"weight\":1,\"base\":0}]" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(same); i++) {
        _cleanup_json_ cJSON *changes = service_differences(same[i].over, same[i].members);
        _cleanup_free_ char *text = changes != NULL ? json_print(changes) : NULL;
        if (text != NULL)
            fail_msg("%zu: %s", i, text);
    }
}

static void a_member_taken_out_of_the_spec_goes_back(void **state)
{
    (void)state;
    static const struct {
        const char *members, *change;
    } set[] = {
        { PLAIN_NETWORK DEPLOYED("") FARGATE ",\"loadBalancers\":[{\"targetGroupArn\":\"t\"}]",
          "[{\"path\":\"loadBalancers\",\"from\":[{\"targetGroupArn\":\"t\"}],\"to\":[]}]" },
        { PLAIN_NETWORK DEPLOYED("") FARGATE ",\"healthCheckGracePeriodSeconds\":60",
          "[{\"path\":\"healthCheckGracePeriodSeconds\",\"from\":60,\"to\":0}]" },
        { PLAIN_NETWORK DEPLOYED("") FARGATE ",\"placementConstraints\":[{\"type\":\"x\"}]",
          "[{\"path\":\"placementConstraints\",\"from\":[{\"type\":\"x\"}],\"to\":[]}]" },
        { PLAIN_NETWORK DEPLOYED(",\"alarms\":{\"alarmNames\":[],\"enable\":true,"
                                 "\"rollback\":false}") FARGATE,
          "[{\"path\":\"deploymentConfiguration.alarms.enable\",\"from\":true,\"to\":false}]" },
        { PLAIN_NETWORK DEPLOYED("") FARGATE ",\"deployments\":[{\"status\":\"PRIMARY\","
                                             "\"serviceConnectConfiguration\":{\"enabled\":true}}]",
          "[{\"path\":\"serviceConnectConfiguration.enabled\",\"from\":true,\"to\":false}]" },
        { PLAIN_NETWORK DEPLOYED("") ",\"capacityProviderStrategy\":[{\"weight\":1,\"base\":0}]",
          "[{\"path\":\"capacityProviderStrategy\",\"from\":[{\"weight\":1,\"base\":0}],"
          "\"to\":[]}]" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(set); i++) {
        _cleanup_json_ cJSON *changes = service_differences("{}", set[i].members);
        assert_json(changes, set[i].change);
    }
}

/* "Health check grace period is only valid for services configured to use load balancers" */
static void a_create_does_not_say_defaults(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        { .call = "ecs:CreateService", .answer = "{\"service\":{\"status\":\"ACTIVE\"}}" },
        { 0 },
    };
    _cleanup_free_ char *spec =
        script_spec_with("service", "{\"placementStrategy\":[{\"type\":\"random\"}]}");
    struct script t;
    script_open(&t, spec, rows);
    struct resource *r = script_target(&t, SERVICE);
    _cleanup_json_ cJSON *plausible =
        cJSON_Parse("{\"awsvpcConfiguration\":{\"subnets\":[\"s\"]}}");
    json_put_str(r->target, "cluster", "c");
    json_put_str(r->target, "taskDefinition", "f:1");
    json_put(r->target, "networkConfiguration", steal_ptr(&plausible));
    json_put_array(r->target, "serviceRegistries");
    if (r->type->create(t.s, r, &t.err) < 0)
        fail_msg("%s", t.err.message);
    const cJSON *input = script_input(&t, "ecs:CreateService", 0);
    assert_null(json_get(input, "healthCheckGracePeriodSeconds"));
    assert_null(json_get(input, "loadBalancers"));
    assert_null(json_at(input, "deploymentConfiguration/alarms"));
    assert_int_equal(json_count(json_get(input, "placementStrategy")), 1);
    script_close(&t);
}

static void a_create_is_safe_to_repeat(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        { .call = "ecs:CreateService",
          .answer = "{\"service\":{\"status\":\"ACTIVE\",\"deployments\":[{\"id\":\"d1\","
                    "\"status\":\"PRIMARY\"}]}}" },
        { .call = "ecs:CreateService",
          .class = ERR_INVALID,
          .code = "InvalidParameterException",
          .message = "Unable to assume the service linked role. Please verify that it exists." },
        { .call = "ecs:CreateService",
          .class = ERR_INVALID,
          .code = "InvalidParameterException",
          .message = "Unable to assume the service linked role. Please verify that it exists." },
        { .call = "ecs:CreateService", .class = ERR_BUSY, .code = "InvalidParameterException" },
        { 0 },
    };
    struct script t;
    script_open(&t, script_spec, rows);
    struct resource *r = script_resource(&t, SERVICE);
    r->target = cJSON_CreateObject();
    json_put_str(r->target, "serviceName", r->name);
    assert_int_equal(r->type->create(t.s, r, &t.err), 0);
    const cJSON *input = script_input(&t, "ecs:CreateService", 0);
    assert_int_equal(strlen(json_str(input, "clientToken")), 32);
    assert_int_equal(json_count(json_get(input, "tags")), 4);
    assert_string_equal(json_str(r->memo, "deployment"), "d1");
    assert_true(resource_is_ours(r));
    /* The first service of an account: ECS's own role is still being made ... */
    assert_int_equal(r->type->create(t.s, r, &t.err), -1);
    assert_int_equal(t.err.class, ERR_BUSY);
    int64_t since = json_int(r->memo, "withoutRoleSince", -1);
    assert_in_range(since, 0, (int64_t)clock_now());
    /* ... or berth may not have it made, which is so after two minutes. */
    json_put_int(r->memo, "withoutRoleSince", since - 121);
    assert_int_equal(r->type->create(t.s, r, &t.err), -1);
    assert_int_equal(t.err.class, ERR_DENIED);
    assert_non_null(strstr(t.err.message, "'aws iam create-service-linked-role --aws-service-name "
                                          "ecs.amazonaws.com'; "));
    assert_non_null(strstr(t.err.message, "AWS says: ecs:CreateService: Unable to assume"));
    /* One that drains still has the name: try again later. */
    assert_int_equal(r->type->create(t.s, r, &t.err), -1);
    assert_int_equal(t.err.class, ERR_BUSY);
    script_close(&t);
}

static void draining_counts_for_removal_only(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        { .call = "ecs:DescribeServices",
          .answer = "{\"services\":[{\"serviceName\":\"" NAME "\",\"status\":\"DRAINING\"}]}" },
        { 0 },
    };
    struct script t;
    script_open(&t, script_spec, rows);
    struct resource *r = script_resource(&t, SERVICE);
    script_observe(&t, SERVICE);
    assert_null(r->have);
    cJSON_Delete(r->want);
    r->want = NULL;
    script_observe(&t, SERVICE);
    assert_non_null(r->have);
    /* Being on its way, it is not asked to go again. */
    assert_int_equal(r->type->remove(t.s, r, &t.err), 0);
    assert_int_equal(script_count(&t, "ecs:DeleteService"), 0);
    script_close(&t);
}

static void a_service_that_wants_tasks_is_removed_by_force(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        { .call = "ecs:DeleteService", .answer = "{}" },
        { 0 },
    };
    struct script t;
    script_open(&t, script_spec, rows);
    struct resource *r = script_resource(&t, SERVICE);
    assert_int_equal(r->type->remove(t.s, r, &t.err), 0);
    assert_true(json_bool(script_input(&t, "ecs:DeleteService", 0), "force", false));
    script_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_deployment_is_judged),
        cmocka_unit_test(an_answer_that_lags_behind_is_no_rollback),
        cmocka_unit_test(a_rollback_that_nobody_saw_is_a_failure),
        cmocka_unit_test(what_was_said_before_the_deployment_is_not_its_reason),
        cmocka_unit_test(an_update_sends_only_what_differs),
        cmocka_unit_test(what_ecs_leaves_out_makes_no_difference),
        cmocka_unit_test(a_member_taken_out_of_the_spec_goes_back),
        cmocka_unit_test(a_create_does_not_say_defaults),
        cmocka_unit_test(a_create_is_safe_to_repeat),
        cmocka_unit_test(draining_counts_for_removal_only),
        cmocka_unit_test(a_service_that_wants_tasks_is_removed_by_force),
    };
    return cmocka_run_group_tests_name("ecs_service", tests, NULL, NULL);
}
