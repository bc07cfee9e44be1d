/* SPDX-License-Identifier: MIT */
#include "tests/unit/awsscript.h"

#include <setjmp.h>
#include <cmocka.h>

#include "drivers/ecs.h"

#define DEFINITION "ecs.task_definition/api"
#define SERVICE    "ecs.service/api"

static void a_service_becomes_a_task_definition(void **state)
{
    (void)state;
    struct script t;
    script_open(&t, script_spec, NULL);
    assert_json(
        script_resource(&t, DEFINITION)->want,
        "{\"family\":\"automation-8527fec8-api\",\"networkMode\":\"awsvpc\","
        "\"requiresCompatibilities\":[\"FARGATE\"],\"cpu\":\"256\",\"memory\":\"512\","
        "\"executionRoleArn\":{\"${}\":\"${iam.role/exec.Arn}\"},\"containerDefinitions\":[{"
        "\"name\":\"api\",\"image\":{\"${}\":\"${ecr.image/api.Image}\"},"
        "\"portMappings\":[{\"containerPort\":5000},{\"containerPort\":9090}],"
        "\"environment\":[{\"name\":\"A\",\"value\":\"1\"},{\"name\":\"B\",\"value\":\"2\"}],"
        "\"secrets\":[{\"name\":\"S\",\"valueFrom\":"
        "\"arn:aws:ssm:us-east-1:123456789012:parameter/mettel/s\"}],"
        "\"healthCheck\":{\"command\":[\"CMD-SHELL\",\"true\"],\"startPeriod\":30},"
        "\"logConfiguration\":{\"logDriver\":\"awslogs\",\"options\":{"
        "\"awslogs-group\":\"automation-8527fec8\",\"awslogs-region\":\"us-east-1\","
        "\"awslogs-stream-prefix\":\"automation-8527fec8\"}}}]}");
    script_close(&t);
}

static void a_service_is_wanted_with_every_default_said(void **state)
{
    (void)state;
    struct script t;
    script_open(&t, script_spec, NULL);
    assert_json(
        script_resource(&t, SERVICE)->want,
        "{\"cluster\":{\"${}\":\"${ecs.cluster/cluster.ClusterName}\"},"
        "\"serviceName\":\"automation-8527fec8-api\","
        "\"taskDefinition\":{\"${}\":\"${ecs.task_definition/api.Arn}\"},\"desiredCount\":2,"
        "\"launchType\":\"FARGATE\",\"schedulingStrategy\":\"REPLICA\","
        "\"networkConfiguration\":{\"awsvpcConfiguration\":{"
        "\"subnets\":{\"${}\":\"${ec2.subnets/private.SubnetIds}\"},"
        "\"securityGroups\":[{\"${}\":\"${security_group/api.GroupId}\"}],"
        "\"assignPublicIp\":\"DISABLED\"}},"
        "\"serviceRegistries\":[{\"registryArn\":{\"${}\":\"${cloudmap.service/api.Arn}\"}}],"
        "\"deploymentConfiguration\":{\"maximumPercent\":200,\"minimumHealthyPercent\":100,"
        "\"deploymentCircuitBreaker\":{\"enable\":false,\"rollback\":false},"
        "\"alarms\":{\"alarmNames\":[],\"enable\":false,\"rollback\":false},"
        "\"lifecycleHooks\":[],\"strategy\":\"ROLLING\"},"
        "\"capacityProviderStrategy\":[],\"loadBalancers\":[],\"placementConstraints\":[],"
        "\"placementStrategy\":[],\"volumeConfigurations\":[],\"vpcLatticeConfigurations\":[],"
        "\"healthCheckGracePeriodSeconds\":0,\"serviceConnectConfiguration\":{\"enabled\":false},"
        "\"propagateTags\":\"SERVICE\",\"enableECSManagedTags\":true,"
        "\"enableExecuteCommand\":false,\"availabilityZoneRebalancing\":\"ENABLED\","
        "\"rolloutState\":\"COMPLETED\"}");
    const struct resource *r = script_resource(&t, SERVICE);
    bool logs = false, policy = false;
    for (size_t i = 0; i < r->n_needs; i++) {
        logs = logs || str_eq(r->needs[i].resource->address, "logs.group/logs");
        policy = policy || str_eq(r->needs[i].resource->address, "iam.role_policy/exec/p");
    }
    assert_true(logs);
    assert_true(policy);
    script_close(&t);
}

static void the_spec_is_merged_over_what_is_generated(void **state)
{
    (void)state;
    _cleanup_free_ char *spec = script_spec_with(
        "taskDefinition", "{\"containerDefinitions\":[{\"name\":\"api\",\"stopTimeout\":10,"
                          "\"healthCheck\":null},{\"name\":\"side\",\"image\":\"i\","
                          "\"essential\":false}],\"ephemeralStorage\":{\"sizeInGiB\":30}}");
    struct script t;
    script_open(&t, spec, NULL);
    const cJSON *want = script_resource(&t, DEFINITION)->want;
    const cJSON *containers = json_get(want, "containerDefinitions");
    assert_int_equal(json_count(containers), 2);
    assert_int_equal(json_int(containers->child, "stopTimeout", 0), 10);
    assert_null(json_get(containers->child, "healthCheck"));
    assert_non_null(json_get(containers->child, "portMappings"));
    assert_false(json_bool(containers->child->next, "essential", true));
    script_close(&t);

    _cleanup_free_ char *service = script_spec_with(
        "service", "{\"enableExecuteCommand\":true,\"platformVersion\":\"1.4.0\"}");
    script_open(&t, service, NULL);
    want = script_resource(&t, SERVICE)->want;
    assert_true(json_bool(want, "enableExecuteCommand", false));
    assert_string_equal(json_str(want, "platformVersion"), "1.4.0");
    script_close(&t);
}

static void a_cluster_without_settings_has_the_default(void **state)
{
    (void)state;
    _cleanup_json_ cJSON *json = cJSON_Parse(script_spec);
    cJSON_DeleteItemFromObjectCaseSensitive(json, "cluster");
    _cleanup_free_ char *spec = json_print(json);
    struct script t;
    script_open(&t, spec, NULL);
    assert_json(json_get(script_resource(&t, ECS_CLUSTER)->want, "settings"),
                "[{\"name\":\"containerInsights\",\"value\":\"disabled\"}]");
    script_close(&t);
}

static void a_count_left_to_scaling_is_not_wanted(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        { .call = "ecs:CreateService", .answer = "{\"service\":{\"status\":\"ACTIVE\"}}" },
        { 0 },
    };
    _cleanup_free_ char *spec = script_spec_with("desiredCount", "null");
    struct script t;
    script_open(&t, spec, rows);
    struct resource *r = script_resource(&t, SERVICE);
    assert_null(json_get(r->want, "desiredCount"));
    cJSON_Delete(r->target);
    r->target = cJSON_CreateObject();
    json_put_str(r->target, "serviceName", r->name);
    assert_int_equal(r->type->create(t.s, r, &t.err), 0);
    assert_int_equal(json_int(script_input(&t, "ecs:CreateService", 0), "desiredCount", 0), 1);
    script_close(&t);
}

static void wrong_specs_are_refused_before_any_call(void **state)
{
    (void)state;
    static const struct {
        const char *member, *value, *message;
    } cases[] = {
        { "cpu", "300",
          "services.api.cpu: Fargate takes 256, 512, 1024, 2048, 4096, 8192 or 16384 units, not "
          "300" },
        { "memory", "4096",
          "services.api.memory: with cpu 256 Fargate takes 512, 1024 or 2048 MiB, not 4096" },
        { "taskDefinition", "{\"cpu\":\"512\",\"memory\":\"1536\"}",
          "services.api.memory: with cpu 512 Fargate takes 1024 to 4096 MiB in steps of 1024, not "
          "1536" },
        { "taskDefinition", "{\"cpu\":null}",
          "services.api.taskDefinition.cpu: is needed on Fargate, and must be known before "
          "anything "
          "is made" },
        { "taskDefinition", "{\"memory\":{\"${}\":\"${s.Memory}\"}}",
          "services.api.taskDefinition.memory: is needed on Fargate, and must be known before "
          "anything is made" },
        { "executionRole", "null",
          "services.api.executionRole: is needed on Fargate, to pull the image and to write logs; "
          "name a role" },
        { "module", "null", "services.api: names neither a 'module' nor an 'image'" },
        { "dependsOn", "[\"nats\"]", "services.api.dependsOn[0]: there is no service 'nats'" },
        { "dependsOn", "[\"api\"]", "services.api.dependsOn[0]: it cannot wait for itself" },
        { "taskDefinition", "{\"family\":\"x\"}",
          "services.api.taskDefinition.family: cannot be set here, berth decides it; remove the "
          "member" },
        { "service", "{\"cluster\":\"x\"}",
          "services.api.service.cluster: cannot be set here, berth decides it; remove the member" },
        { "taskDefinition", "{\"containerDefinitions\":[{\"name\":\"api\",\"stopTimeot\":1}]}",
          "services.api.taskDefinition: ecs:RegisterTaskDefinition: containerDefinitions[0]: "
          "unknown member 'stopTimeot' (did "
          "you mean 'stopTimeout'?)" },
        { "service", "{\"enableExecuteCommand\":\"yes\"}",
          "services.api.service: ecs:CreateService: enableExecuteCommand: must be true or false, "
          "is a string" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_free_ char *spec = script_spec_with(cases[i].member, cases[i].value);
        _cleanup_free_ char *message = script_refused(spec);
        if (message == NULL)
            fail_msg("%s: %s was not refused", cases[i].member, cases[i].value);
        assert_string_equal(message, cases[i].message);
    }
}

/* Left: as registered; right: as wanted. Each pair means the same. */
static void what_aws_adds_makes_no_difference(void **state)
{
    (void)state;
    static const char *const same[][2] = {
        { "{\"revision\":3,\"status\":\"ACTIVE\",\"taskDefinitionArn\":\"a\",\"registeredAt\":1.5,"
          "\"registeredBy\":\"b\",\"compatibilities\":[\"EC2\",\"FARGATE\"],"
          "\"requiresAttributes\":[{\"name\":\"x\"}],\"volumes\":[],\"placementConstraints\":[],"
          "\"family\":\"f\"}",
          "{\"family\":\"f\"}" },
        { "{\"networkMode\":\"awsvpc\",\"containerDefinitions\":[{\"name\":\"c\",\"cpu\":0,"
          "\"essential\":true,\"portMappings\":[{\"containerPort\":2,\"hostPort\":2,"
          "\"protocol\":\"tcp\"},{\"containerPort\":1,\"hostPort\":1}],\"mountPoints\":[],"
          "\"volumesFrom\":[],\"systemControls\":[],"
          "\"linuxParameters\":{\"capabilities\":{\"add\":[],\"drop\":[]}}}]}",
          "{\"networkMode\":\"awsvpc\",\"containerDefinitions\":[{\"name\":\"c\","
          "\"portMappings\":[{\"containerPort\":1},{\"containerPort\":2}]}]}" },
        { "{\"containerDefinitions\":[{\"name\":\"b\",\"environment\":[{\"name\":\"Y\"},"
          "{\"name\":\"X\"}],\"secrets\":[{\"name\":\"Q\"},{\"name\":\"P\"}]},{\"name\":\"a\"}]}",
          "{\"containerDefinitions\":[{\"name\":\"a\"},{\"name\":\"b\",\"environment\":"
          "[{\"name\":\"X\"},{\"name\":\"Y\"}],\"secrets\":[{\"name\":\"P\"},{\"name\":\"Q\"}]}]"
          "}" },
        { "{\"containerDefinitions\":[{\"name\":\"a\",\"healthCheck\":{\"command\":[\"x\"],"
          "\"interval\":30,\"timeout\":5,\"retries\":3}}]}",
          "{\"containerDefinitions\":[{\"name\":\"a\",\"healthCheck\":{\"command\":[\"x\"]}}]}" },
        { "{\"containerDefinitions\":[{\"name\":\"a\",\"logConfiguration\":{\"logDriver\":\"l\","
          "\"options\":{},\"secretOptions\":[]}}]}",
          "{\"containerDefinitions\":[{\"name\":\"a\",\"logConfiguration\":{\"logDriver\":\"l\"}}]"
          "}" },
        { "{\"cpu\":\"256\",\"runtimePlatform\":{\"operatingSystemFamily\":\"LINUX\"},"
          "\"enableFaultInjection\":false}",
          "{\"cpu\":256}" },
        { "{\"cpu\":\"512\",\"memory\":\"3072\"}", "{\"cpu\":\".5 vCPU\",\"memory\":\"3GB\"}" },
        { "{\"volumes\":[{\"name\":\"v\",\"host\":{},\"configuredAtLaunch\":false,"
          "\"efsVolumeConfiguration\":{\"fileSystemId\":\"fs\",\"rootDirectory\":\"/\","
          "\"transitEncryption\":\"DISABLED\",\"authorizationConfig\":{\"iam\":\"DISABLED\"}}}]}",
          "{\"volumes\":[{\"name\":\"v\",\"efsVolumeConfiguration\":{\"fileSystemId\":\"fs\"}}]}" },
        { "{\"containerDefinitions\":[{\"name\":\"a\",\"privileged\":false,\"restartPolicy\":"
          "{\"enabled\":true,\"restartAttemptPeriod\":300}}]}",
          "{\"containerDefinitions\":[{\"name\":\"a\",\"restartPolicy\":{\"enabled\":true}}]}" },
    };
    static const char *const different[][2] = {
        { "{\"networkMode\":\"bridge\",\"containerDefinitions\":[{\"name\":\"c\",\"portMappings\":"
          "[{\"containerPort\":1,\"hostPort\":80}]}]}",
          "{\"networkMode\":\"bridge\",\"containerDefinitions\":[{\"name\":\"c\",\"portMappings\":"
          "[{\"containerPort\":1}]}]}" },
        { "{\"containerDefinitions\":[{\"name\":\"c\",\"essential\":false}]}",
          "{\"containerDefinitions\":[{\"name\":\"c\"}]}" },
        { "{\"containerDefinitions\":[{\"name\":\"c\",\"command\":[\"a\",\"b\"]}]}",
          "{\"containerDefinitions\":[{\"name\":\"c\",\"command\":[\"b\",\"a\"]}]}" },
        { "{\"containerDefinitions\":[{\"name\":\"c\",\"environment\":[{\"name\":\"A\",\"value\":"
          "\"1\"}]}]}",
          "{\"containerDefinitions\":[{\"name\":\"c\"}]}" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(same) + ARRAY_SIZE(different); i++) {
        bool equal = i < ARRAY_SIZE(same);
        const char *const *pair = equal ? same[i] : different[i - ARRAY_SIZE(same)];
        _cleanup_json_ cJSON *a = cJSON_Parse(pair[0]);
        _cleanup_json_ cJSON *b = cJSON_Parse(pair[1]);
        assert_non_null(a);
        assert_non_null(b);
        task_definition_normalise(a);
        task_definition_normalise(b);
        if (json_equal(a, b) != equal) {
            _cleanup_free_ char *is = json_print(a);
            fail_msg("%s: %s", pair[0], is);
        }
    }
}

static void a_port_open_to_two_sources_is_mapped_once(void **state)
{
    (void)state;
    _cleanup_free_ char *spec = script_spec_with(
        "ports", "[{\"port\":53,\"from\":\"vpc\"},{\"port\":53,\"from\":\"203.0.113.0/24\"},"
                 "{\"port\":53,\"protocol\":\"udp\"}]");
    struct script t;
    script_open(&t, spec, NULL);
    assert_json(
        json_at(script_resource(&t, DEFINITION)->want, "containerDefinitions/0/portMappings"),
        "[{\"containerPort\":53},{\"containerPort\":53,\"protocol\":\"udp\"}]");
    script_close(&t);
}

static void an_architecture_is_registered_with_its_system(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        { .call = "ecs:RegisterTaskDefinition", .answer = "{\"taskDefinition\":{}}" },
        { 0 },
    };
    struct script t;
    script_open(&t, script_spec, rows);
    struct resource *r = script_resource(&t, DEFINITION);
    r->target = cJSON_Parse("{\"family\":\"f\",\"containerDefinitions\":[],"
                            "\"runtimePlatform\":{\"cpuArchitecture\":\"ARM64\"}}");
    assert_int_equal(r->type->create(t.s, r, &t.err), 0);
    assert_json(json_get(script_input(&t, "ecs:RegisterTaskDefinition", 0), "runtimePlatform"),
                "{\"cpuArchitecture\":\"ARM64\",\"operatingSystemFamily\":\"LINUX\"}");
    const cJSON *tags = json_get(script_input(&t, "ecs:RegisterTaskDefinition", 0), "tags");
    assert_int_equal(json_count(tags), 4);
    script_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_service_becomes_a_task_definition),
        cmocka_unit_test(a_service_is_wanted_with_every_default_said),
        cmocka_unit_test(the_spec_is_merged_over_what_is_generated),
        cmocka_unit_test(a_cluster_without_settings_has_the_default),
        cmocka_unit_test(a_count_left_to_scaling_is_not_wanted),
        cmocka_unit_test(wrong_specs_are_refused_before_any_call),
        cmocka_unit_test(what_aws_adds_makes_no_difference),
        cmocka_unit_test(a_port_open_to_two_sources_is_mapped_once),
        cmocka_unit_test(an_architecture_is_registered_with_its_system),
    };
    return cmocka_run_group_tests_name("ecs_want", tests, NULL, NULL);
}
