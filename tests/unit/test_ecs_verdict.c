/* SPDX-License-Identifier: MIT */
/* Why a service is not ready: how tasks end, and when that is a loop. */
#include "tests/unit/ecsscript.h"

#include <setjmp.h>
#include <cmocka.h>

#include "drivers/ecs.h"

#define SERVICE_IS(desired, rollout, failed, events)                                               \
    SERVICE_DEPLOYING(BREAKER, desired, rollout, failed, events)
#define FAILED_TO_START(id, reason)                                                                \
    TASK(id, "d2", ",\"stopCode\":\"TaskFailedToStart\",\"stoppedReason\":\"" reason "\"")
#define UNHEALTHY(id)                                                                              \
    TASK(id, "d2",                                                                                 \
         ",\"stopCode\":\"ServiceSchedulerInitiated\",\"stoppedReason\":\"Task failed container "  \
         "health checks\",\"containers\":[{\"name\":\"side\",\"healthStatus\":\"HEALTHY\","        \
         "\"exitCode\":1},{\"name\":\"api\",\"healthStatus\":\"UNHEALTHY\",\"exitCode\":137}]")
#define TIMEOUT "\"reason\":\"ContainerRuntimeTimeoutError: Could not transition to started.\""
#define SCALED(id)                                                                                 \
    TASK(id, "d2",                                                                                 \
         ",\"stopCode\":\"ServiceSchedulerInitiated\",\"stoppedReason\":\"Scaling activity "       \
         "initiated by (deployment d2)\",\"containers\":[{\"name\":\"api\",\"exitCode\":143}]")
#define PULL   "CannotPullContainerError: manifest unknown."
#define SECRET "ResourceInitializationError: unable to pull secrets or registry auth: no p"

struct scene {
    const char *service, *tasks;
    enum readiness readiness;
    const char *why;
};

#define API(more)  "{\"name\":\"api\"," more "}"
#define SIDE(more) "{\"name\":\"side\"," more "}"
/* Three tasks of which an essential container has ended. */
#define THRICE(containers)                                                                         \
    CONTAINERS_OF("1", containers)                                                                 \
    "," CONTAINERS_OF("2", containers) "," CONTAINERS_OF("3", containers)
#define CONTAINERS_OF(id, containers)                                                              \
    TASK(id, "d2",                                                                                 \
         ",\"stopCode\":\"EssentialContainerExited\",\"stoppedReason\":\"Essential container in "  \
         "task exited\",\"containers\":[" containers "]")
#define OUT_OF_MEMORY "OutOfMemoryError: Container killed due to memory usage"

/* The service as a deployment's first look finds it. */
struct sight {
    struct script t;
    struct script_row rows[5]; /* one more than a first look needs */
    char *tasks;
    struct resource *r;
};

static void sight_prepare(struct sight *sight, const char *service, const char *tasks)
{
    sight->tasks = xasprintf("{\"tasks\":[%s]}", tasks ? tasks : "");
    sight->rows[0] = (struct script_row){ .call = "ecs:DescribeServices", .answer = service };
    sight->rows[1] =
        (struct script_row){ .call = "ecs:ListTasks", .answer = "{\"taskArns\":[\"a\"]}" };
    sight->rows[2] = (struct script_row){ .call = "ecs:DescribeTasks", .answer = sight->tasks };
    sight->rows[3] = sight->rows[4] = (struct script_row){ 0 };
    script_open(&sight->t, script_spec, sight->rows);
    sight->r = script_resource(&sight->t, SERVICE);
    json_put_str(sight->r->memo, "deployment", "d2");
}

static void sight_open(struct sight *sight, const char *service, const char *tasks)
{
    sight_prepare(sight, service, tasks);
    script_observe(&sight->t, SERVICE);
}

static void sight_close(struct sight *sight)
{
    script_close(&sight->t);
    free(sight->tasks);
}

static void assert_judged(const struct scene *scene)
{
    struct sight sight;
    sight_open(&sight, scene->service, scene->tasks);
    _cleanup_strbuf_ struct strbuf why = STRBUF_INIT;
    enum readiness readiness = sight.r->type->judge(sight.r, &why);
    assert_string_equal(why.buf, scene->why);
    assert_int_equal(readiness, scene->readiness);
    assert_int_equal(script_count(&sight.t, "ecs:ListTasks"), scene->tasks != NULL);
    sight_close(&sight);
}

#define BREAKER "false"
static void tasks_that_end_again_and_again_are_a_loop(void **state)
{
    (void)state;
    static const struct scene scenes[] = {
        /* Nothing has ended: nothing is asked. */
        { SERVICE_IS("2", "IN_PROGRESS", "0", STARTED("2", "101")), NULL, WAITING,
          "0 of 2 tasks of 'f:2' run" },
        /* What was started before the deployment began does not count. */
        { SERVICE_IS("2", "IN_PROGRESS", "0", STARTED("2", "101") "," STARTED("9", "99")), NULL,
          WAITING, "0 of 2 tasks of 'f:2' run" },
        { SERVICE_IS("1", "IN_PROGRESS", "0", STARTED("1", "102") "," STARTED("1", "101")),
          EXITED("1", "3") "," EXITED("2", "3"), WAITING,
          "0 of 1 tasks of 'f:2' run; its container 'api' exits with 3, again and again (2 "
          "tasks)" },
        { SERVICE_IS("1", "IN_PROGRESS", "0", STARTED("1", "102") "," STARTED("1", "101")),
          EXITED("1", "3") "," EXITED("2", "3") "," EXITED("3", "3"), FAILED,
          "its container 'api' exits with 3, again and again (3 tasks)" },
        { SERVICE_IS("1", "IN_PROGRESS", "0", STARTED("3", "102")),
          EXITED("1", "139") "," EXITED("2", "139") "," EXITED("3", "139"), FAILED,
          "its container 'api' exits with 139 (SIGSEGV), again and again (3 tasks)" },
        /* With two tasks wanted, four ends are two each. */
        { SERVICE_IS("2", "IN_PROGRESS", "0", STARTED("4", "102")),
          EXITED("1", "3") "," EXITED("2", "3") "," EXITED("3", "3") "," EXITED("4", "3"), WAITING,
          "0 of 2 tasks of 'f:2' run; its container 'api' exits with 3, again and again (4 "
          "tasks)" },
        { SERVICE_IS("1", "IN_PROGRESS", "1", STARTED("1", "101")), FAILED_TO_START("1", PULL),
          WAITING,
          "0 of 1 tasks of 'f:2' run, 1 failed; its image cannot be pulled: "
          "CannotPullContainerError: manifest unknown" },
        { SERVICE_IS("1", "IN_PROGRESS", "2", STARTED("1", "101")),
          FAILED_TO_START("1", PULL) "," FAILED_TO_START("2", PULL), FAILED,
          "its image cannot be pulled: CannotPullContainerError: manifest unknown (2 tasks)" },
        { SERVICE_IS("1", "IN_PROGRESS", "2", STARTED("1", "101")),
          FAILED_TO_START("1", SECRET) "," FAILED_TO_START("2", SECRET), FAILED,
          "a secret cannot be read: " SECRET " (2 tasks)" },
        { SERVICE_IS("1", "IN_PROGRESS", "3", STARTED("1", "101")),
          UNHEALTHY("1") "," UNHEALTHY("2") "," UNHEALTHY("3"), FAILED,
          "its container 'api' fails its health check, again and again (3 tasks)" },
        /* What the scheduler stops, and what another deployment has started, has not failed. */
        { SERVICE_IS("1", "IN_PROGRESS", "0", STARTED("2", "101")),
          SCALED("1") "," SCALED("2") "," SCALED("3"), WAITING, "0 of 1 tasks of 'f:2' run" },
        { SERVICE_IS("1", "IN_PROGRESS", "0", STARTED("2", "101")),
          TASK("1", "d1", ",\"stopCode\":\"TaskFailedToStart\""), WAITING,
          "0 of 1 tasks of 'f:2' run" },
        /* What ECS makes of it is less than what it was. */
        { SERVICE_IS("1", "FAILED", "3", ""), EXITED("1", "3"), FAILED,
          "its deployment failed: its container 'api' exits with 3" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(scenes); i++)
        assert_judged(&scenes[i]);
}
#undef BREAKER

#define BREAKER "false"
/* One that ECS has not stopped quite yet, or never started, has no exit code. */
static void an_exit_without_a_code_is_none_with_0(void **state)
{
    (void)state;
    static const struct scene scenes[] = {
        { SERVICE_IS("1", "IN_PROGRESS", "0", STARTED("3", "102")), THRICE(API(TIMEOUT)), FAILED,
          "its container 'api' ends: ContainerRuntimeTimeoutError: Could not transition to "
          "started, again and again (3 tasks)" },
        { SERVICE_IS("1", "IN_PROGRESS", "0", STARTED("2", "102")),
          CONTAINERS_OF("1", API("\"lastStatus\":\"STOPPED\"")), WAITING,
          "0 of 1 tasks of 'f:2' run; its container 'api' ends" },
        /* An earlier one has. */
        { SERVICE_IS("1", "IN_PROGRESS", "0", STARTED("3", "102")),
          CONTAINERS_OF("1", API("\"lastStatus\":\"STOPPED\"")) "," EXITED("2", "3") "," EXITED(
              "3", "4"),
          FAILED, "its container 'api' exits with 3, again and again (3 tasks)" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(scenes); i++)
        assert_judged(&scenes[i]);
}

/* ECS ends the other containers of a task once an essential one has ended. */
static void the_container_whose_end_it_was(void **state)
{
    (void)state;
    static const struct {
        const char *tasks, *definition, *why;
    } cases[] = {
        { THRICE(
              SIDE("\"exitCode\":0") "," API("\"exitCode\":137,\"reason\":\"" OUT_OF_MEMORY "\"")),
          NULL,
          "its container 'api' runs out of memory: " OUT_OF_MEMORY ", again and again (3 tasks)" },
        { THRICE(
              SIDE("\"exitCode\":1") "," API("\"exitCode\":137,\"reason\":\"" OUT_OF_MEMORY "\"")),
          NULL,
          "its container 'api' runs out of memory: " OUT_OF_MEMORY ", again and again (3 tasks)" },
        { THRICE(SIDE("\"exitCode\":0") "," API("\"exitCode\":137")), NULL,
          "its container 'api' exits with 137 (SIGKILL), again and again (3 tasks)" },
        { THRICE(SIDE("\"exitCode\":137") "," API("\"exitCode\":3")), NULL,
          "its container 'api' exits with 3, again and again (3 tasks)" },
        { THRICE(SIDE("\"exitCode\":143") "," API("\"exitCode\":0")), NULL,
          "its container 'api' exits with 0, again and again (3 tasks)" },
        /* What is not essential ends no task. */
        { THRICE(SIDE("\"exitCode\":137") "," API("\"exitCode\":0")),
          "{\"containerDefinitions\":[{\"name\":\"side\",\"essential\":false},{\"name\":\"api\"}]}",
          "its container 'api' exits with 0, again and again (3 tasks)" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct sight sight;
        sight_prepare(&sight, SERVICE_IS("1", "IN_PROGRESS", "0", STARTED("3", "102")),
                      cases[i].tasks);
        if (cases[i].definition != NULL)
            resource_set_have(script_resource(&sight.t, DEFINITION),
                              cJSON_Parse(cases[i].definition));
        script_observe(&sight.t, SERVICE);
        _cleanup_strbuf_ struct strbuf why = STRBUF_INIT;
        assert_int_equal(sight.r->type->judge(sight.r, &why), FAILED);
        assert_string_equal(why.buf, cases[i].why);
        sight_close(&sight);
    }
}

/* A deployment that is complete, with as many tasks as are wanted. */
#define COMPLETE(desired, events)                                                                  \
    "{\"services\":[{\"serviceName\":\"" NAME "\",\"status\":\"ACTIVE\",\"desiredCount\":" desired \
    ",\"runningCount\":" desired ",\"deployments\":[{\"id\":\"d2\",\"status\":\"PRIMARY\","        \
    "\"createdAt\":100,\"rolloutState\":\"COMPLETED\",\"runningCount\":" desired                   \
    ",\"taskDefinition\":\"x/f:2\"}],\"events\":[" events "]}]}"

/* ECS calls it complete whenever its tasks run, be it for as long as they do. */
static void a_complete_deployment_whose_tasks_end(void **state)
{
    (void)state;
    static const struct {
        const char *service, *tasks;
        bool found_complete; /* already when the run saw it first */
        const char *why;     /* NULL: it is ready */
        size_t reads;
    } cases[] = {
        { COMPLETE("1", STARTED("1", "105") "," STARTED("3", "101")), THRICE(API("\"exitCode\":3")),
          false, "its container 'api' exits with 3, again and again (3 tasks)", 1 },
        /* Not often enough; and with more tasks, not so often each. */
        { COMPLETE("1", STARTED("2", "101")), EXITED("1", "3") "," EXITED("2", "3"), false, NULL,
          1 },
        { COMPLETE("2", STARTED("5", "101")), THRICE(API("\"exitCode\":3")), false, NULL, 1 },
        { COMPLETE("3", STARTED("3", "101")), THRICE(API("\"exitCode\":3")), false, NULL, 0 },
        /* Scaled in, moved to another zone, replaced by AWS. */
        { COMPLETE("1", STARTED("4", "101")), SCALED("1") "," SCALED("2") "," SCALED("3"), false,
          NULL, 1 },
        /* What could not start at first has started since. */
        { COMPLETE("1", STARTED("4", "101")),
          FAILED_TO_START("1", PULL) "," FAILED_TO_START("2", PULL), false, NULL, 1 },
        /* In months many tasks end, and some applications do so on purpose. */
        { COMPLETE("1", STARTED("4", "101")), THRICE(API("\"exitCode\":3")), true, NULL, 0 },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct sight sight;
        sight_prepare(&sight, cases[i].service, cases[i].tasks);
        sight.rows[3] = sight.rows[0];
        sight.rows[0].answer =
            cases[i].found_complete ? cases[i].service : SERVICE_IS("1", "IN_PROGRESS", "0", "");
        script_observe(&sight.t, SERVICE);
        script_observe(&sight.t, SERVICE);
        _cleanup_strbuf_ struct strbuf why = STRBUF_INIT;
        assert_int_equal(sight.r->type->judge(sight.r, &why), cases[i].why ? FAILED : READY);
        assert_string_equal(why.buf, cases[i].why ? cases[i].why : "");
        assert_int_equal(script_count(&sight.t, "ecs:ListTasks"), cases[i].reads);
        sight_close(&sight);
    }
}
#undef BREAKER

#define BREAKER "true"
static void the_breaker_judges_what_it_counts(void **state)
{
    (void)state;
    static const struct scene scenes[] = {
        { SERVICE_IS("1", "IN_PROGRESS", "2", STARTED("1", "101")),
          FAILED_TO_START("1", PULL) "," FAILED_TO_START("2", PULL), WAITING,
          "0 of 1 tasks of 'f:2' run, 2 failed; its image cannot be pulled: "
          "CannotPullContainerError: manifest unknown (2 tasks)" },
        { SERVICE_IS("1", "IN_PROGRESS", "0", STARTED("3", "101")),
          EXITED("1", "3") "," EXITED("2", "3") "," EXITED("3", "3"), FAILED,
          "its container 'api' exits with 3, again and again (3 tasks)" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(scenes); i++)
        assert_judged(&scenes[i]);
}

static void room_is_waited_for_in_vain_for_a_while(void **state)
{
    (void)state;
    static const struct scene scenes[] = {
        { SERVICE_IS("1", "IN_PROGRESS", "0", UNPLACED("399") "," UNPLACED("101")), NULL, WAITING,
          "0 of 1 tasks of 'f:2' run; ECS says: was unable to place a task. Reason: no room; was "
          "unable to place a task. Reason: no room" },
        { SERVICE_IS("1", "IN_PROGRESS", "0", UNPLACED("401") "," UNPLACED("101")), NULL, FAILED,
          "ECS finds no place for its tasks: no room" },
        { SERVICE_IS("1", "IN_PROGRESS", "0",
                     STARTED("1", "402") "," UNPLACED("401") "," UNPLACED("101")),
          NULL, WAITING, "0 of 1 tasks of 'f:2' run" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(scenes); i++)
        assert_judged(&scenes[i]);
}

static void what_ecs_cannot_launch_is_waited_for_a_minute(void **state)
{
    (void)state;
    static const struct scene scenes[] = {
        { SERVICE_IS("1", "IN_PROGRESS", "0", UNLAUNCHED("131") "," UNLAUNCHED("101")), NULL,
          WAITING,
          "0 of 1 tasks of 'f:2' run; ECS says: failed to launch a task with (error no such "
          "role.); "
          "failed to launch a task with (error no such role.)" },
        { SERVICE_IS("1", "IN_PROGRESS", "0", UNLAUNCHED("161") "," UNLAUNCHED("101")), NULL,
          FAILED, "its tasks cannot be launched: no such role" },
        { SERVICE_IS("1", "IN_PROGRESS", "0",
                     STARTED("1", "162") "," UNLAUNCHED("161") "," UNLAUNCHED("101")),
          NULL, WAITING, "0 of 1 tasks of 'f:2' run" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(scenes); i++)
        assert_judged(&scenes[i]);
}

static void a_loop_is_looked_at_once_for_each_sign(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        { .call = "ecs:DescribeServices",
          .answer = SERVICE_IS("1", "IN_PROGRESS", "1", STARTED("1", "101")) },
        { .call = "ecs:DescribeServices",
          .answer = SERVICE_IS("1", "IN_PROGRESS", "1", STARTED("1", "101")) },
        { .call = "ecs:DescribeServices",
          .answer = SERVICE_IS("1", "IN_PROGRESS", "2", STARTED("1", "101")) },
        { .call = "ecs:ListTasks", .class = ERR_DENIED, .code = "AccessDenied", .message = "no" },
        { 0 },
    };
    struct script t;
    script_open(&t, script_spec, rows);
    struct resource *r = script_resource(&t, SERVICE);
    static const size_t expected[] = { 1, 1, 2 };
    for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
        script_observe(&t, SERVICE); /* whose failure is none of the service's */
        assert_int_equal(script_count(&t, "ecs:ListTasks"), expected[i]);
    }
    _cleanup_strbuf_ struct strbuf why = STRBUF_INIT;
    assert_int_equal(r->type->judge(r, &why), WAITING);
    script_close(&t);
}

static void a_look_that_was_throttled_is_made_again(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        { .call = "ecs:DescribeServices",
          .answer = SERVICE_IS("1", "IN_PROGRESS", "0", STARTED("3", "101")) },
        { .call = "ecs:ListTasks",
          .class = ERR_THROTTLED,
          .code = "ThrottlingException",
          .message = "slower" },
        { .call = "ecs:ListTasks", .answer = "{\"taskArns\":[\"a\"]}" },
        { .call = "ecs:DescribeTasks",
          .answer =
              "{\"tasks\":[" EXITED("1", "3") "," EXITED("2", "3") "," EXITED("3", "3") "]}" },
        { 0 },
    };
    static const enum readiness expected[] = { WAITING, FAILED };
    struct script t;
    script_open(&t, script_spec, rows);
    struct resource *r = script_resource(&t, SERVICE);
    for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
        _cleanup_strbuf_ struct strbuf why = STRBUF_INIT;
        script_observe(&t, SERVICE);
        assert_int_equal(r->type->judge(r, &why), expected[i]);
    }
    script_close(&t);
}

/* An application that ends by itself may now and then find no place, too: what it is told of is
 * whose fault it is. */
static void no_place_is_blamed_where_it_is_told_of(void **state)
{
    (void)state;
    static const struct {
        const char *service, *tasks;
        bool blameless;
    } cases[] = {
        { SERVICE_IS("1", "IN_PROGRESS", "0", UNPLACED("102")), "", true },
        { SERVICE_IS("1", "IN_PROGRESS", "0", STARTED("1", "102") "," UNPLACED("101")), "", false },
        { SERVICE_IS("1", "IN_PROGRESS", "0", UNPLACED("102") "," STARTED("3", "101")),
          EXITED("1", "3") "," EXITED("2", "3") "," EXITED("3", "3"), false },
        { SERVICE_IS("1", "IN_PROGRESS", "0", UNPLACED("103") "," STARTED("2", "101")),
          EXITED("1", "3"), false },
        { SERVICE_IS("1", "IN_PROGRESS", "0",
                     UNPLACED("402") "," UNPLACED("102") "," STARTED("2", "101")),
          EXITED("1", "3"), true },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct sight sight;
        sight_open(&sight, cases[i].service, cases[i].tasks);
        assert_int_equal(json_bool(sight.r->memo, RESOURCE_BLAMELESS, false), cases[i].blameless);
        sight_close(&sight);
    }
}

static void a_loop_of_an_earlier_run_is_begun_anew(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        { .call = "ecs:DescribeServices",
          .answer = SERVICE_IS("1", "IN_PROGRESS", "0", STARTED("3", "101")) },
        { .call = "ecs:ListTasks", .answer = "{\"taskArns\":[\"a\"]}" },
        { .call = "ecs:DescribeTasks",
          .answer =
              "{\"tasks\":[" EXITED("1", "3") "," EXITED("2", "3") "," EXITED("3", "3") "]}" },
        { 0 },
    };
    static const char *const own[] = { NULL, "d2" };
    static const char *const rollouts[] = { "FAILED", "COMPLETED" };
    for (size_t i = 0; i < ARRAY_SIZE(own); i++) {
        struct script t;
        script_open(&t, script_spec, rows);
        struct resource *r = script_resource(&t, SERVICE);
        json_put_str(r->memo, "deployment", own[i]);
        script_observe(&t, SERVICE);
        assert_string_equal(json_str(r->have, "rolloutState"), rollouts[i]);
        script_close(&t);
    }
}

/* An alarm rolls a deployment back whether or not one of its tasks has ended, too. */
static void what_ecs_gives_as_the_reason_is_told(void **state)
{
    (void)state;
    static const struct {
        const char *reason, *why;
    } cases[] = {
        { "ECS deployment d2 failed: alarm detected: errors-too-high.",
          "its deployment failed and was rolled back to 'f:1': ECS deployment d2 failed: alarm "
          "detected: errors-too-high; its container 'api' exits with 1" },
        { "ECS deployment circuit breaker: tasks failed to start.",
          "its deployment failed and was rolled back to 'f:1': its container 'api' exits with 1" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_free_ char *service = xasprintf(
            "{\"services\":[{\"serviceName\":\"" NAME "\",\"status\":\"ACTIVE\",\"desiredCount\":1,"
            "\"deployments\":[" DEPLOYMENT_OF(
                "d1", "PRIMARY", "1", "IN_PROGRESS",
                "in progress.") ","
                                "{\"id\":\"d2\",\"status\":\"ACTIVE\",\"createdAt\":100,"
                                "\"rolloutState\":\"FAILED\","
                                "\"taskDefinition\":\"x/"
                                "f:2\",\"rolloutStateReason\":\"%s\"}],\"events\":[]}]}",
            cases[i].reason);
        struct sight sight;
        sight_prepare(&sight, service, EXITED("1", "1"));
        sight.rows[3] = (struct script_row)CLUSTER("");
        script_observe(&sight.t, SERVICE);
        _cleanup_strbuf_ struct strbuf why = STRBUF_INIT;
        assert_int_equal(sight.r->type->judge(sight.r, &why), FAILED);
        assert_string_equal(why.buf, cases[i].why);
        sight_close(&sight);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tasks_that_end_again_and_again_are_a_loop),
        cmocka_unit_test(an_exit_without_a_code_is_none_with_0),
        cmocka_unit_test(the_container_whose_end_it_was),
        cmocka_unit_test(a_complete_deployment_whose_tasks_end),
        cmocka_unit_test(the_breaker_judges_what_it_counts),
        cmocka_unit_test(room_is_waited_for_in_vain_for_a_while),
        cmocka_unit_test(what_ecs_cannot_launch_is_waited_for_a_minute),
        cmocka_unit_test(a_loop_is_looked_at_once_for_each_sign),
        cmocka_unit_test(a_look_that_was_throttled_is_made_again),
        cmocka_unit_test(no_place_is_blamed_where_it_is_told_of),
        cmocka_unit_test(a_loop_of_an_earlier_run_is_begun_anew),
        cmocka_unit_test(what_ecs_gives_as_the_reason_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
