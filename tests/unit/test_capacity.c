/* SPDX-License-Identifier: MIT */
#include "tests/unit/awsscript.h"

#include <setjmp.h>
#include <cmocka.h>

#include "drivers/capacity.h"

#define SERVICE    "ecs.service/api"
#define DEFINITION "ecs.task_definition/api"
#define ARN        "arn:aws:ecs:us-east-1:123456789012:"
#define OTHER(name, tasks, ref, pipeline)                                                          \
    "{\"clusterName\":\"" name "\",\"status\":\"ACTIVE\",\"runningTasksCount\":" tasks             \
    ",\"pendingTasksCount\":0,\"tags\":[{\"key\":\"berth:ref\",\"value\":\"" ref "\"},"            \
    "{\"key\":\"berth:pipeline\",\"value\":\"" pipeline "\"}]}"
#define QUOTAS(code, value) "{\"Quotas\":[{\"QuotaCode\":\"" code "\",\"Value\":" value "}]}"

static cJSON *parse(const char *text)
{
    struct err err = ERR_INIT;
    cJSON *value = NULL;
    if (json_parse(text, strlen(text), JSON_PLAIN, &value, &err) < 0)
        fail_msg("%s: %s", text, err.message);
    return value;
}

/* The service and its definition as they are there, and what the plan makes of them. */
static void service_is_there(struct script *t, int64_t tasks, enum action action, const char *path)
{
    struct resource *r = script_resource(t, SERVICE), *d = script_resource(t, DEFINITION);
    resource_set_have(r, json_dup(r->want));
    resource_set_have(d, json_dup(d->want));
    json_put_int(json_put_object(r->memo, "state"), "desiredCount", tasks);
    r->action = action;
    cJSON_Delete(r->changes);
    r->changes = cJSON_CreateArray();
    if (path != NULL)
        json_put_str(json_push(r->changes, cJSON_CreateObject()), "path", path);
}

static void sums_are(struct capacity_sum sum, int64_t tasks, int64_t units)
{
    assert_int_equal(sum.tasks, tasks);
    assert_int_equal(sum.units[CAPACITY_ON_DEMAND], units);
}

static void a_service_that_comes_wants_what_it_desires(void **state)
{
    (void)state;
    struct script t;
    script_open(&t, script_spec, NULL);
    script_resource(&t, SERVICE)->action = ACTION_CREATE;
    struct capacity_demand d = capacity_demand_of(t.g, false);
    sums_are(d.now, 0, 0);
    sums_are(d.steady, 2, 512);
    sums_are(d.need, 2, 512);
    sums_are(d.most, 2, 512);
    script_close(&t);
}

static void an_unchanged_service_wants_what_it_has(void **state)
{
    (void)state;
    struct script t;
    script_open(&t, script_spec, NULL);
    service_is_there(&t, 3, ACTION_NONE, NULL); /* scaled by hand; not this job's */
    struct capacity_demand d = capacity_demand_of(t.g, false);
    sums_are(d.now, 3, 768);
    sums_are(d.steady, 3, 768);
    sums_are(d.need, 3, 768);
    script_close(&t);
}

static void a_rollout_needs_a_task_more_or_all_with_a_breaker(void **state)
{
    (void)state;
    struct script t;
    script_open(&t, script_spec, NULL);
    service_is_there(&t, 2, ACTION_UPDATE, "taskDefinition");
    struct capacity_demand d = capacity_demand_of(t.g, false);
    sums_are(d.now, 2, 512);
    sums_are(d.steady, 2, 512);
    sums_are(d.need, 2, 768);
    sums_are(d.most, 4, 1024);
    cJSON *breaker = json_at(script_resource(&t, SERVICE)->want,
                             "deploymentConfiguration/deploymentCircuitBreaker");
    json_put_bool(breaker, "enable", true);
    d = capacity_demand_of(t.g, false);
    sums_are(d.need, 4, 1024);
    json_put_int(json_get(script_resource(&t, SERVICE)->want, "deploymentConfiguration"),
                 "maximumPercent", 150);
    d = capacity_demand_of(t.g, false);
    sums_are(d.need, 3, 768);
    /* How many there are says nothing about a deployment of them. */
    service_is_there(&t, 1, ACTION_UPDATE, "desiredCount");
    d = capacity_demand_of(t.g, false);
    sums_are(d.now, 1, 256);
    sums_are(d.need, 2, 512);
    script_close(&t);
}

static void tasks_are_shared_out_by_strategy(void **state)
{
    (void)state;
    static const struct {
        const char *service;
        int64_t tasks, on_demand, spot, instances;
    } rows[] = {
        { "{\"launchType\":\"FARGATE\"}", 3, 3, 0, 0 },
        { "{\"launchType\":\"EC2\"}", 3, 0, 0, 3 },
        { "{\"launchType\":\"EXTERNAL\"}", 3, 0, 0, 0 },
        { "{}", 3, 0, 0, 3 },
        { "{\"capacityProviderStrategy\":[{\"capacityProvider\":\"FARGATE\",\"base\":1,"
          "\"weight\":1},{\"capacityProvider\":\"FARGATE_SPOT\",\"weight\":3}]}",
          9, 3, 6, 0 },
        { "{\"capacityProviderStrategy\":[{\"capacityProvider\":\"FARGATE\",\"base\":4},"
          "{\"capacityProvider\":\"mine\",\"weight\":1}]}",
          3, 3, 0, 0 },
        { "{\"capacityProviderStrategy\":[{\"capacityProvider\":\"FARGATE_SPOT\",\"weight\":1},"
          "{\"capacityProvider\":\"mine\",\"weight\":1}]}",
          5, 0, 3, 2 },
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        _cleanup_json_ cJSON *service = parse(rows[i].service);
        struct capacity_share share = capacity_share_of(service, rows[i].tasks);
        assert_int_equal(share.fargate[CAPACITY_ON_DEMAND], rows[i].on_demand);
        assert_int_equal(share.fargate[CAPACITY_SPOT], rows[i].spot);
        assert_int_equal(share.instances, rows[i].instances);
    }
}

static void sizes_are_read_as_ecs_takes_them(void **state)
{
    (void)state;
    static const struct {
        const char *definition;
        int64_t units, memory;
    } rows[] = {
        { "{\"cpu\":\"256\",\"memory\":\"512\"}", 256, 512 },
        { "{\"cpu\":\".5 vCPU\",\"memory\":\"1.5GB\"}", 512, 1536 },
        { "{\"containerDefinitions\":[{\"cpu\":10,\"memory\":64},{\"cpu\":20,\"memory\":64,"
          "\"memoryReservation\":32}]}",
          30, 96 },
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        _cleanup_json_ cJSON *definition = parse(rows[i].definition);
        assert_int_equal(capacity_units_of(definition), rows[i].units);
        assert_int_equal(capacity_memory_of(definition), rows[i].memory);
    }
}

/* What placing `tasks` of that size on two instances comes to: the problem, or NULL. */
static char *placed(int64_t tasks, int64_t units, int64_t memory, const char *port)
{
    static const char instances[] =
        "[{\"ec2InstanceId\":\"i-1\",\"agentConnected\":true,\"remainingResources\":["
        "{\"name\":\"CPU\",\"integerValue\":1024},{\"name\":\"MEMORY\",\"integerValue\":1000},"
        "{\"name\":\"PORTS\",\"stringSetValue\":[\"22\",\"80\"]}]},"
        "{\"ec2InstanceId\":\"i-2\",\"agentConnected\":true,\"remainingResources\":["
        "{\"name\":\"CPU\",\"integerValue\":512},{\"name\":\"MEMORY\",\"integerValue\":3000},"
        "{\"name\":\"PORTS\",\"stringSetValue\":[]}]},"
        "{\"ec2InstanceId\":\"i-3\",\"agentConnected\":false,\"remainingResources\":["
        "{\"name\":\"CPU\",\"integerValue\":9999},{\"name\":\"MEMORY\",\"integerValue\":9999}]}]";
    _cleanup_json_ cJSON *there = parse(instances);
    _cleanup_json_ cJSON *ports = cJSON_CreateArray();
    _cleanup_json_ cJSON *report = cJSON_CreateObject();
    json_put_array(report, "problems");
    json_put_array(report, "notes");
    char origin[] = "services.api";
    struct resource service = { .origin = origin };
    if (port != NULL)
        json_push_str(ports, port);
    const struct capacity_placing placing = {
        .service = &service, .tasks = tasks, .units = units, .memory = memory, .ports = ports
    };
    capacity_placings_report(&placing, 1, there, report);
    const char *message = json_str_at(report, "problems/0/message");
    return message != NULL ? xstrdup(message) : NULL;
}

static void placed_as(int64_t tasks, int64_t units, int64_t memory, const char *port,
                      const char *expected)
{
    _cleanup_free_ char *message = placed(tasks, units, memory, port);
    if (expected == NULL)
        assert_null(message);
    else
        assert_string_equal(message, expected);
}

static void tasks_are_put_where_they_fit(void **state)
{
    (void)state;
    placed_as(3, 512, 500, NULL, NULL); /* two on the first, one on the second */
    placed_as(4, 512, 500, NULL,
              "1 of 4 new tasks do not fit, each of 512 cpu units and 500 MiB: the most that any "
              "of 2 container instances has left is 0 cpu units and 2500 MiB ('i-2'); register "
              "more instances, or ask for less");
    placed_as(1, 1024, 1001, NULL,
              "1 of 1 new tasks do not fit, each of 1024 cpu units and 1001 MiB: the most that any "
              "of 2 container instances has left is 512 cpu units and 3000 MiB ('i-2'); register "
              "more instances, or ask for less");
    placed_as(1, 0, 3000, NULL, NULL); /* on the one that has so much memory */
    placed_as(2, 10, 10, "80/tcp",
              "1 of 2 new tasks do not fit, each of 10 cpu units and 10 MiB: port 80/tcp is taken "
              "on 'i-1', and no other has room; register more instances, or ask for less");
    placed_as(2, 10, 10, "80/udp", NULL);
}

/* All that a deploy from nothing of the small spec reads. */
#define NOTHING_BUT(clusters, described)                                                           \
    { .call = "ecs:ListClusters", .answer = "{\"clusterArns\":[" clusters "]}" },                  \
        { .call = "ecs:DescribeClusters", .answer = "{\"clusters\":[" described "]}" },            \
        { .call = "servicediscovery:ListNamespaces", .answer = "{\"Namespaces\":[]}" },            \
        { .call = "route53:GetAccountLimit",                                                       \
          .answer = "{\"Limit\":{\"Type\":\"MAX_HOSTED_ZONES_BY_OWNER\",\"Value\":500},"           \
                    "\"Count\":1}" },                                                              \
    {                                                                                              \
        .call = "ec2:DescribeSecurityGroups", .answer = "{\"SecurityGroups\":[]}"                  \
    }

static const struct script_row crowded[] = {
    NOTHING_BUT(
        "\"" ARN "cluster/a\",\"" ARN "cluster/b\",\"" ARN "cluster/own\"",
        OTHER("automation-00000001", "4", "dev/feature/a", "12") "," OTHER(
            "automation-00000002", "3", "dev/feature/b",
            "9") ","
                 "{\"status\":\"ACTIVE\",\"tags\":[{\"key\":\"berth:ref\",\"value\":\"x\"}]},"
                 "{\"clusterName\":\"automation-8527fec8\",\"status\":\"ACTIVE\","
                 "\"runningTasksCount\":50,\"pendingTasksCount\":1}"),
    { .call = "servicequotas:ListServiceQuotas", .answer = QUOTAS("L-3032A538", "2") },
    { .call = "ecs:ListTasks", .answer = "{\"taskArns\":[\"" ARN "task/1\"]}" },
    { .call = "ecs:DescribeTasks",
      .answer = "{\"tasks\":[{\"cpu\":\"512\",\"launchType\":\"FARGATE\"},{\"cpu\":\"4096\","
                "\"launchType\":\"EC2\"},{\"cpu\":\"8192\",\"capacityProviderName\":"
                "\"FARGATE_SPOT\",\"launchType\":\"FARGATE\"}]}" },
    { .call = NULL },
};

static cJSON *examine(struct script *t, bool whole)
{
    cJSON *report = NULL;
    if (capacity_examine(t->s, t->g, whole, &report, &t->err) < 0)
        fail_msg("%s", t->err.message);
    return report;
}

static char *with_capacity(const char *capacity)
{
    _cleanup_free_ char *member = xasprintf("\"capacity\":%s", capacity);
    return script_spec_and(member);
}

static void others_tasks_count_and_its_own_do_not(void **state)
{
    (void)state;
    struct script t;
    _cleanup_free_ char *spec = with_capacity("{\"maxTasks\":8,\"maxVcpu\":17.5}");
    script_open(&t, spec, crowded);
    _cleanup_json_ cJSON *report = examine(&t, true);
    assert_json(json_at(report, "limits/0"),
                "{\"name\":\"tasks in all clusters\",\"used\":7,\"wanted\":2,\"limit\":8,"
                "\"source\":\"the spec's capacity.maxTasks\",\"enough\":false}");
    assert_json(json_at(report, "limits/1"),
                "{\"name\":\"Fargate vCPU in all clusters\",\"used\":17,\"wanted\":0.5,\"limit\":"
                "17.5,\"source\":\"the spec's capacity.maxVcpu\",\"enough\":true}");
    assert_json(json_at(report, "limits/2"),
                "{\"name\":\"Fargate On-Demand vCPU\",\"used\":1,\"wanted\":0.5,\"limit\":2,"
                "\"source\":\"the account's quota\",\"enough\":true}");
    assert_int_equal(capacity_verdict(report, &t.err), -1);
    assert_int_equal(t.err.class, ERR_USER);
    assert_string_equal(
        t.err.message,
        "capacity.maxTasks: 'automation-8527fec8' wants 2 tasks and 0.5 vCPU; 7 of 8 tasks are in "
        "use in 2 other clusters, 1 too many; 'destroy-branches' of 'dev/feature/b' would free 3 "
        "tasks, or raise it");
    assert_json(json_get(report, "environments"),
                "[{\"environment\":\"automation-00000002\",\"ref\":\"dev/feature/b\",\"pipeline\":"
                "9,\"tasks\":3,\"vcpu\":8.5},{\"environment\":\"automation-00000001\",\"ref\":"
                "\"dev/feature/a\",\"pipeline\":12,\"tasks\":4,\"vcpu\":8.5}]");
    script_close(&t);
}

static const struct script_row blind[] = {
    NOTHING_BUT("", ""),
    { .call = "servicequotas:ListServiceQuotas",
      .class = ERR_DENIED,
      .code = "AccessDeniedException",
      .message = "not you" },
    { .call = NULL },
};

static void without_service_quotas_the_defaults_count(void **state)
{
    (void)state;
    struct script t;
    script_open(&t, script_spec, blind);
    _cleanup_json_ cJSON *report = examine(&t, true);
    assert_true(json_bool(report, "enough", false));
    assert_json(json_at(report, "limits/0"),
                "{\"name\":\"Cloud Map namespaces\",\"used\":0,\"wanted\":1,\"limit\":50,"
                "\"source\":\"AWS's default\",\"enough\":true}");
    assert_string_equal(json_at(report, "notes/0")->valuestring,
                        "the account's quota of Fargate On-Demand vCPU is not known, and not "
                        "checked");
    script_close(&t);
}

static void a_plan_that_adds_nothing_reads_nothing(void **state)
{
    (void)state;
    static const struct script_row none[] = { { .call = NULL } };
    struct script t;
    _cleanup_free_ char *spec = with_capacity("{\"maxTasks\":0}");
    script_open(&t, spec, none);
    service_is_there(&t, 2, ACTION_NONE, NULL);
    _cleanup_json_ cJSON *report = examine(&t, false);
    assert_true(json_bool(report, "enough", false));
    assert_int_equal(json_count(t.calls), 0);
    script_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_service_that_comes_wants_what_it_desires),
        cmocka_unit_test(an_unchanged_service_wants_what_it_has),
        cmocka_unit_test(a_rollout_needs_a_task_more_or_all_with_a_breaker),
        cmocka_unit_test(tasks_are_shared_out_by_strategy),
        cmocka_unit_test(sizes_are_read_as_ecs_takes_them),
        cmocka_unit_test(tasks_are_put_where_they_fit),
        cmocka_unit_test(others_tasks_count_and_its_own_do_not),
        cmocka_unit_test(without_service_quotas_the_defaults_count),
        cmocka_unit_test(a_plan_that_adds_nothing_reads_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
