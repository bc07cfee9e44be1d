/* SPDX-License-Identifier: MIT */
#include "tests/unit/awsscript.h"

#include <setjmp.h>
#include <cmocka.h>

#include "drivers/ecs.h"

/* What a teardown finds and removes of ECS, which knows no spec. */

#define E   "automation-8527fec8"
#define ARN "arn:aws:ecs:us-east-1:123456789012:"
#define CLUSTER(status, tags)                                                                      \
    {                                                                                              \
        .call = "ecs:DescribeClusters",                                                            \
        .answer =                                                                                  \
            "{\"clusters\":[{\"clusterName\":\"" E "\",\"clusterArn\":\"" ARN "cluster/" E         \
            "\",\"status\":\"" status "\",\"activeServicesCount\":0,\"runningTasksCount\":0,"      \
            "\"pendingTasksCount\":0,\"tags\":" tags "}]}"                                         \
    }
#define OURS OUR_TAGS("key", "value")
#define TASK(id, group, last, desired)                                                             \
    "{\"taskArn\":\"" ARN "task/" E "/" id "\",\"group\":\"" group "\",\"lastStatus\":\"" last     \
    "\",\"desiredStatus\":\"" desired "\"}"
#define TASKS(list)                                                                                \
    {                                                                                              \
        .call = "ecs:DescribeTasks", .answer = "{\"tasks\":[" list "]}"                            \
    }
#define LISTED(action, member, list)                                                               \
    {                                                                                              \
        .call = "ecs:" action, .answer = "{\"" member "\":[" list "]}"                             \
    }
#define ID(kind, id) "\"" ARN kind "/" E "/" id "\""

static void what_no_list_of_services_has_is_found_by_its_tasks(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        CLUSTER("ACTIVE", OURS),
        LISTED("ListTasks", "taskArns", ID("task", "1") "," ID("task", "2")),
        LISTED("ListTasks", "taskArns", ID("task", "3") "," ID("task", "4")),
        TASKS(TASK("1", "service:" E "-api", "RUNNING", "RUNNING") "," TASK("2", "family:job",
                                                                            "RUNNING", "RUNNING")),
        TASKS(TASK("3", "service:" E "-old", "STOPPING", "STOPPED") "," TASK("4", "family:job",
                                                                             "STOPPED", "STOPPED")),
        LISTED("ListServices", "serviceArns", ID("service", E "-api")),
        { .call = "ecs:DescribeServices",
          .answer = "{\"services\":[{\"serviceName\":\"" E "-old\",\"status\":\"DRAINING\","
                    "\"runningCount\":2,\"tags\":" OURS "},{\"serviceName\":\"" E
                    "-api\",\"status\":\"ACTIVE\",\"runningCount\":1,\"tags\":" OURS "}]}" },
        { 0 },
    };
    struct script t;
    script_open_teardown(&t, rows);
    script_find(&t, "ecs.cluster");
    script_find(&t, "ecs.task");
    script_find(&t, "ecs.service");
    assert_json(json_get(script_input(&t, "ecs:ListTasks", 1), "desiredStatus"), "\"STOPPED\"");
    /* A task of a service is the service's; one that has stopped keeps nothing. */
    static const char *const gone[] = { "1", "3", "4" };
    for (size_t i = 0; i < ARRAY_SIZE(gone); i++)
        assert_null(graph_find_name(t.g, &ecs_task_type, gone[i]));
    assert_non_null(graph_find_name(t.g, &ecs_task_type, "2")->have);
    const struct resource *old = graph_find_name(t.g, &ecs_service_type, E "-old");
    assert_string_equal(old->label, "old");
    assert_true(old->have != NULL && resource_is_ours(old));
    assert_non_null(graph_find_name(t.g, &ecs_service_type, E "-api")->have);
    script_close(&t);
}

/* A cluster of that name that is somebody's keeps its tasks; one that is deleted has none. */
static void only_tasks_of_our_own_cluster_are_looked_for(void **state)
{
    (void)state;
    static const struct script_row foreign[] = { CLUSTER("ACTIVE", "[]"), { 0 } };
    static const struct script_row deleted[] = { CLUSTER("INACTIVE", OURS), { 0 } };
    const struct script_row *const set[] = { foreign, deleted };
    for (size_t i = 0; i < ARRAY_SIZE(set); i++) {
        struct script t;
        script_open_teardown(&t, set[i]);
        script_find(&t, "ecs.cluster");
        script_find(&t, "ecs.task");
        assert_int_equal(script_count(&t, "ecs:ListTasks"), 0);
        script_close(&t);
    }
}

static void tasks_are_looked_for_in_a_teardown_alone(void **state)
{
    (void)state;
    static const struct script_row rows[] = { CLUSTER("ACTIVE", OURS), { 0 } };
    struct script t;
    script_open(&t, script_spec, rows);
    script_discover(&t, ECS_CLUSTER);
    script_find(&t, "ecs.task");
    assert_int_equal(script_count(&t, "ecs:ListTasks"), 0);
    script_close(&t);
}

static void a_task_is_stopped_once(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        { .call = "ecs:StopTask", .answer = "{}" },
        { .call = "ecs:StopTask",
          .class = ERR_INVALID,
          .code = "InvalidParameterException",
          .message = "The referenced task was not found." },
        TASKS(TASK("2", "family:job", "STOPPING", "STOPPED")),
        TASKS(TASK("2", "family:job", "STOPPED", "STOPPED")),
        { 0 },
    };
    struct script t;
    script_open_teardown(&t, rows);
    struct resource *r = graph_found(t.g, &ecs_task_type, NULL, "2");
    resource_set_have(r, cJSON_Parse("{\"desiredStatus\":\"RUNNING\"}"));
    assert_int_equal(r->type->remove(t.s, r, &t.err), 0);
    assert_json(script_input(&t, "ecs:StopTask", 0),
                "{\"cluster\":\"" E "\",\"task\":\"2\",\"reason\":\"environment " E
                " is being destroyed\"}");
    assert_int_equal(r->type->remove(t.s, r, &t.err), 0);
    assert_int_equal(r->type->observe(t.s, &r, 1, &t.err), 0);
    _cleanup_strbuf_ struct strbuf why = STRBUF_INIT;
    r->type->leaving(r, &why);
    assert_string_equal(why.buf, "STOPPING");
    assert_int_equal(r->type->remove(t.s, r, &t.err), 0);
    assert_int_equal(script_count(&t, "ecs:StopTask"), 2);
    assert_int_equal(r->type->observe(t.s, &r, 1, &t.err), 0);
    assert_null(r->have);
    script_close(&t);
}

static void a_service_that_goes_says_what_is_left(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        { .call = "ecs:DescribeServices",
          .answer = "{\"services\":[{\"serviceName\":\"" E "-api\",\"status\":\"ACTIVE\","
                    "\"runningCount\":2,\"pendingCount\":1,\"tags\":" OURS "}]}" },
        { .call = "ecs:DescribeServices",
          .answer = "{\"services\":[{\"serviceName\":\"" E "-api\",\"status\":\"DRAINING\","
                    "\"runningCount\":1,\"tags\":" OURS "}]}" },
        { .call = "ecs:DeleteService", .answer = "{}" },
        { 0 },
    };
    struct script t;
    script_open_teardown(&t, rows);
    ecs_service_found(t.g, E "-api");
    struct resource *r = graph_find_name(t.g, &ecs_service_type, E "-api");
    assert_int_equal(r->type->observe(t.s, &r, 1, &t.err), 0);
    assert_int_equal(r->type->remove(t.s, r, &t.err), 0);
    assert_true(json_bool(script_input(&t, "ecs:DeleteService", 0), "force", false));
    assert_int_equal(r->type->observe(t.s, &r, 1, &t.err), 0);
    assert_non_null(r->have);
    _cleanup_strbuf_ struct strbuf why = STRBUF_INIT;
    r->type->leaving(r, &why);
    assert_string_equal(why.buf, "DRAINING, 1 of 3 tasks left");
    script_close(&t);
}

/* What DeleteCluster says, and the lists that are asked for then. */
static void check_cluster(const char *code, const struct script_row *list,
                          const struct script_row *other, enum err_class class, const char *message)
{
    const struct script_row rows[] = {
        CLUSTER("ACTIVE", OURS),
        { .call = "ecs:DeleteCluster", .class = ERR_BUSY, .code = code },
        *list,
        *other,
        { .call = "ecs:StopTask", .answer = "{}" }, /* if there is another list */
        { 0 },
    };
    struct script t;
    script_open_teardown(&t, rows);
    script_find(&t, "ecs.cluster");
    struct resource *r = graph_find_name(t.g, &ecs_cluster_type, E);
    assert_int_equal(r->type->remove(t.s, r, &t.err), -1);
    assert_int_equal(t.err.class, class);
    assert_string_equal(t.err.message, message);
    script_close(&t);
}

static void what_keeps_a_cluster_is_named(void **state)
{
    (void)state;
    static const struct script_row service =
        LISTED("ListServices", "serviceArns", ID("service", "x") "," ID("service", "y"));
    static const struct script_row no_service = LISTED("ListServices", "serviceArns", "");
    static const struct script_row task = LISTED("ListTasks", "taskArns", ID("task", "1"));
    static const struct script_row no_task = LISTED("ListTasks", "taskArns", "");
    static const struct script_row instance =
        LISTED("ListContainerInstances", "containerInstanceArns", ID("container-instance", "i"));
    static const struct script_row no_instance =
        LISTED("ListContainerInstances", "containerInstanceArns", "");
    static const struct script_row none = { 0 };
    check_cluster("ClusterContainsServicesException", &service, &none, ERR_CONFLICT,
                  "cluster '" E "' holds service 'x' (and 1 more), which is not this "
                  "environment's: delete it, and run the job again");
    check_cluster("ClusterContainsServicesException", &no_service, &none, ERR_BUSY,
                  "services in it are still DRAINING");
    check_cluster("ClusterContainsContainerInstancesException", &instance, &none, ERR_CONFLICT,
                  "cluster '" E "' holds container instance 'i', which is not this environment's: "
                  "deregister it, and run the job again");
    check_cluster("ClusterContainsContainerInstancesException", &no_instance, &none, ERR_BUSY,
                  "container instances in it are still being deregistered");
    check_cluster("ClusterContainsTasksException", &no_service, &task, ERR_BUSY,
                  "1 task in it is stopped: begun since the teardown began");
    check_cluster("ClusterContainsTasksException", &no_service, &no_task, ERR_BUSY,
                  "tasks in it are still being stopped");
    /* Those of somebody's service are not ours to stop. */
    check_cluster("ClusterContainsTasksException", &service, &none, ERR_CONFLICT,
                  "cluster '" E "' holds service 'x' (and 1 more), which is not this "
                  "environment's: delete it, and run the job again");
}

/* A list may still have what has gone: nobody is told to delete that. */
static void a_service_of_ours_that_is_listed_late_is_waited_for(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        CLUSTER("ACTIVE", OURS),
        { .call = "ecs:DeleteCluster",
          .class = ERR_BUSY,
          .code = "ClusterContainsServicesException" },
        LISTED("ListServices", "serviceArns", ID("service", E "-api")),
        { 0 },
    };
    struct script t;
    script_open_teardown(&t, rows);
    script_find(&t, "ecs.cluster");
    ecs_service_found(t.g, E "-api");
    struct resource *r = graph_find_name(t.g, &ecs_cluster_type, E);
    assert_int_equal(r->type->remove(t.s, r, &t.err), -1);
    assert_int_equal(t.err.class, ERR_BUSY);
    script_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_no_list_of_services_has_is_found_by_its_tasks),
        cmocka_unit_test(only_tasks_of_our_own_cluster_are_looked_for),
        cmocka_unit_test(tasks_are_looked_for_in_a_teardown_alone),
        cmocka_unit_test(a_task_is_stopped_once),
        cmocka_unit_test(a_service_that_goes_says_what_is_left),
        cmocka_unit_test(what_keeps_a_cluster_is_named),
        cmocka_unit_test(a_service_of_ours_that_is_listed_late_is_waited_for),
    };
    return cmocka_run_group_tests_name("ecs teardown", tests, NULL, NULL);
}
