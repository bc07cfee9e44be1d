/* SPDX-License-Identifier: MIT */
/* Why a service is not ready: how tasks end, when that is a loop, and what explains it. */
#include "tests/unit/awsscript.h"

#include <setjmp.h>
#include <cmocka.h>

#include "drivers/ecs.h"
#include "drivers/explanation.h"

#define SERVICE "ecs.service/api"
#define NAME    "automation-8527fec8-api"
#define ARN     "arn:aws:ecs:us-east-1:123456789012:"

/* DescribeServices: the deployment d2, since the second 100. */
#define SERVICE_IS(desired, rollout, failed, events)                                               \
    "{\"services\":[{\"serviceName\":\"" NAME "\",\"status\":\"ACTIVE\",\"desiredCount\":" desired \
    ",\"runningCount\":0,\"deployments\":[{\"id\":\"d2\",\"status\":\"PRIMARY\",\"createdAt\":100" \
    ",\"rolloutState\":\"" rollout "\",\"failedTasks\":" failed                                    \
    ",\"taskDefinition\":\"x/f:2\"}],\"deploymentConfiguration\":{\"deploymentCircuitBreaker\":"   \
    "{\"enable\":" BREAKER "}},\"events\":[" events "]}]}"
#define DEPLOYMENT(id, status, revision, rollout, reason)                                          \
    "{\"id\":\"" id "\",\"status\":\"" status                                                      \
    "\",\"createdAt\":100,\"taskDefinition\":\"x/f:" revision "\",\"rolloutState\":\"" rollout     \
    "\",\"rolloutStateReason\":\"" reason "\"}"
#define STARTED(n, at)                                                                             \
    "{\"createdAt\":" at ",\"message\":\"(service x) has started " n " tasks: (task t).\"}"
#define UNPLACED(at)                                                                               \
    "{\"createdAt\":" at ",\"message\":\"(service x) was unable to place a task. Reason: no "      \
    "room.\"}"

#define TASK(id, by, more)                                                                         \
    "{\"taskArn\":\"" ARN "task/c/" id "\",\"startedBy\":\"" by "\",\"stoppedAt\":200" more "}"
#define EXITED(id, code)                                                                           \
    TASK(id, "d2",                                                                                 \
         ",\"stopCode\":\"EssentialContainerExited\",\"stoppedReason\":\"Essential container in "  \
         "task exited\",\"containers\":[{\"name\":\"side\",\"exitCode\":143},{\"name\":\"api\","   \
         "\"exitCode\":" code "}]")
#define FAILED_TO_START(id, reason)                                                                \
    TASK(id, "d2", ",\"stopCode\":\"TaskFailedToStart\",\"stoppedReason\":\"" reason "\"")
#define UNHEALTHY(id)                                                                              \
    TASK(id, "d2",                                                                                 \
         ",\"stopCode\":\"ServiceSchedulerInitiated\",\"stoppedReason\":\"Task failed container "  \
         "health checks\",\"containers\":[{\"name\":\"side\",\"healthStatus\":\"HEALTHY\","        \
         "\"exitCode\":1},{\"name\":\"api\",\"healthStatus\":\"UNHEALTHY\",\"exitCode\":137}]")
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

/* The service as a deployment's first look finds it. */
struct sight {
    struct script t;
    struct script_row rows[4];
    char *tasks;
    struct resource *r;
};

static void sight_open(struct sight *sight, const char *service, const char *tasks)
{
    sight->tasks = xasprintf("{\"tasks\":[%s]}", tasks ? tasks : "");
    sight->rows[0] = (struct script_row){ .call = "ecs:DescribeServices", .answer = service };
    sight->rows[1] =
        (struct script_row){ .call = "ecs:ListTasks", .answer = "{\"taskArns\":[\"a\"]}" };
    sight->rows[2] = (struct script_row){ .call = "ecs:DescribeTasks", .answer = sight->tasks };
    sight->rows[3] = (struct script_row){ 0 };
    script_open(&sight->t, script_spec, sight->rows);
    sight->r = script_resource(&sight->t, SERVICE);
    json_put_str(sight->r->memo, "deployment", "d2");
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

/* What the explanation has under the title that begins so, its lines joined; the caller frees it.
 */
static char *lines_of(const cJSON *explanation, const char *title)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    const cJSON *section, *line;
    cJSON_ArrayForEach (section, json_get(explanation, "sections"))
        if (str_starts(json_str(section, "title"), title))
            cJSON_ArrayForEach (line, json_get(section, "lines"))
                strbuf_addf(&text, "%s|", cJSON_GetStringValue(line));
    return strbuf_detach(&text);
}

/* Of a job that was cancelled, or killed: whoever awaits it knows which revision it is of. */
static void an_awaited_deployment_that_is_rolled_back(void **state)
{
    (void)state;
    static const struct {
        const char *deployments;
        enum readiness readiness;
        const char *why;
    } cases[] = {
        { DEPLOYMENT(
              "d3", "PRIMARY", "1", "IN_PROGRESS",
              "circuit breaker: rolling back to d1.") "," DEPLOYMENT("d2", "ACTIVE", "2", "FAILED",
                                                                     "tasks failed to start."),
          FAILED, "its deployment failed and was rolled back to 'f:1': tasks failed to start" },
        { DEPLOYMENT("d3", "PRIMARY", "1", "IN_PROGRESS", "circuit breaker: rolling back to d1."),
          FAILED,
          "its deployment failed and was rolled back to 'f:1': circuit breaker: rolling back to "
          "d1" },
        /* Somebody has deployed something else, says the engine. */
        { DEPLOYMENT("d3", "PRIMARY", "1", "IN_PROGRESS", "in progress.") "," DEPLOYMENT(
              "d2", "ACTIVE", "2", "IN_PROGRESS", "in progress."),
          WAITING, "0 of 1 tasks of 'f:1' run" },
        /* The one that is wanted is itself a rollback. */
        { DEPLOYMENT("d3", "PRIMARY", "2", "IN_PROGRESS", "circuit breaker: rolling back to d1."),
          WAITING, "0 of 1 tasks of 'f:2' run" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_free_ char *service = xasprintf(
            "{\"services\":[{\"serviceName\":\"" NAME "\",\"status\":\"ACTIVE\",\"desiredCount\":1,"
            "\"runningCount\":0,\"deployments\":[%s],\"events\":[]}]}",
            cases[i].deployments);
        const struct script_row rows[] = {
            { .call = "ecs:DescribeServices", .answer = service },
            { 0 },
        };
        struct script t;
        script_open(&t, script_spec, rows);
        struct resource *r = script_target(&t, SERVICE);
        json_put_str(r->target, "taskDefinition", "x/f:2");
        script_observe(&t, SERVICE);
        _cleanup_strbuf_ struct strbuf why = STRBUF_INIT;
        assert_int_equal(r->type->judge(r, &why), cases[i].readiness);
        assert_string_equal(why.buf, cases[i].why);
        script_close(&t);
    }
}

#define CRASHED                                                                                    \
    { .call = "ecs:DescribeServices",                                                              \
      .answer = SERVICE_IS("1", "IN_PROGRESS", "0", STARTED("3", "160") "," STARTED("1", "99")) }, \
        { .call = "ecs:ListTasks", .answer = "{\"taskArns\":[\"a\"]}" },                           \
    {                                                                                              \
        .call = "ecs:DescribeTasks",                                                               \
        .answer =                                                                                  \
            "{\"tasks\":[" EXITED("t1", "3") "," EXITED("t2", "3") "," EXITED("t3", "3") "]}"      \
    }

/* What is told of a service whose container, with these members of its log's options (JSON, or
 * NULL), has crashed. The caller frees it. */
static cJSON *explain_crash(struct script *t, const struct script_row *rows, const char *options)
{
    script_open(t, script_spec, rows);
    struct resource *r = script_resource(t, SERVICE);
    struct resource *definition = script_target(t, "ecs.task_definition/api");
    _cleanup_json_ cJSON *more = options != NULL ? cJSON_Parse(options) : NULL;
    cJSON *of = json_at(definition->target, "containerDefinitions/0/logConfiguration/options");
    const cJSON *option;
    cJSON_ArrayForEach (option, more)
        json_put_str(of, option->string, option->valuestring);
    resource_set_have(definition, json_dup(definition->target));
    json_put_str(r->memo, "deployment", "d2");
    script_observe(t, SERVICE);
    _cleanup_strbuf_ struct strbuf why = STRBUF_INIT;
    assert_int_equal(r->type->judge(r, &why), FAILED);
    r->waiting_for = xstrdup(why.buf);
    err_set(&r->error, ERR_UNHEALTHY, "service '" NAME "' failed: %s", why.buf);
    cJSON *explanation = explanation_new(r->error.message);
    r->type->explain(t->s, r, explanation);
    return explanation;
}

static void the_log_is_read_to_its_end(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        CRASHED,
        /* AWS may answer with nothing while there is more. */
        { .call = "logs:GetLogEvents", .answer = "{\"events\":[],\"nextBackwardToken\":\"b/1\"}" },
        { .call = "logs:GetLogEvents",
          .answer = "{\"events\":[{\"message\":\"one\"},{\"message\":\"two\\nthree\"}],"
                    "\"nextBackwardToken\":\"b/2\"}" },
        { .call = "logs:GetLogEvents", .answer = "{\"events\":[],\"nextBackwardToken\":\"b/2\"}" },
        { 0 },
    };
    struct script t;
    _cleanup_json_ cJSON *explanation = explain_crash(&t, rows, NULL);
    assert_string_equal(json_str(explanation, "cause"),
                        "service 'api': its container 'api' exits with 3, again and again (3 tasks)"
                        "; see the end of its log");
    _cleanup_free_ char *events = lines_of(explanation, "events"),
                        *log = lines_of(explanation, "the");
    assert_string_equal(events, "00:02:40 has started 3 tasks: (task t).|");
    assert_string_equal(log, "one|two|three|");
    assert_int_equal(script_count(&t, "logs:GetLogEvents"), 3);
    assert_json(script_input(&t, "logs:GetLogEvents", 0),
                "{\"logGroupName\":\"automation-8527fec8\",\"logStreamName\":"
                "\"automation-8527fec8/api/t1\",\"limit\":50}");
    script_close(&t);
}

#define NO_CPU(at)                                                                                 \
    "{\"createdAt\":" at                                                                           \
    ",\"message\":\"(service x) was unable to place a task. Reason: no vCPU.\"}"

/* What is said in between is no part of a run, nor is what was said before the deployment. */
static void an_event_that_is_told_again_is_one(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        { .call = "ecs:DescribeServices",
          .answer = SERVICE_IS(
              "1", "IN_PROGRESS", "0",
              NO_CPU("300") "," NO_CPU("280") "," STARTED("3", "270") "," NO_CPU("260") "," NO_CPU("200") "," UNPLACED(
                  "190") "," NO_CPU("180") "," NO_CPU("160") "," NO_CPU("140") "," NO_CPU("99")) },
        { .call = "ecs:ListTasks", .answer = "{\"taskArns\":[\"a\"]}" },
        { .call = "ecs:DescribeTasks",
          .answer =
              "{\"tasks\":[" EXITED("t1", "3") "," EXITED("t2", "3") "," EXITED("t3", "3") "]}" },
        { .call = "logs:GetLogEvents", .answer = "{\"events\":[]}" },
        { 0 },
    };
    struct script t;
    _cleanup_json_ cJSON *explanation = explain_crash(&t, rows, NULL);
    _cleanup_free_ char *events = lines_of(explanation, "events");
    assert_string_equal(events, "00:02:20 was unable to place a task. Reason: no vCPU.|"
                                "the same 2 times more until 00:03:00|"
                                "00:03:10 was unable to place a task. Reason: no room.|"
                                "00:03:20 was unable to place a task. Reason: no vCPU.|"
                                "the same 1 time more until 00:04:20|"
                                "00:04:30 has started 3 tasks: (task t).|"
                                "00:04:40 was unable to place a task. Reason: no vCPU.|"
                                "the same 1 time more until 00:05:00|");
    script_close(&t);
}

/* A spec may have anything in its words, and people copy commands. */
static void a_log_that_cannot_be_read_has_a_command(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        CRASHED,
        { .call = "logs:GetLogEvents", .class = ERR_DENIED, .message = "not allowed" },
        { 0 },
    };
    struct script t;
    _cleanup_json_ cJSON *explanation = explain_crash(
        &t, rows, "{\"awslogs-region\":\"eu-west-1\",\"awslogs-group\":\"g'; rm x\"}");
    assert_null(strstr(json_str(explanation, "cause"), "see the end of its log"));
    _cleanup_free_ char *log = lines_of(explanation, "the log of container 'api' (task t1)");
    assert_string_equal(log,
                        "cannot read its log in region 'eu-west-1': logs:GetLogEvents: not allowed|"
                        "to read it yourself: aws logs get-log-events --region 'eu-west-1' "
                        "--log-group-name 'g'\\''; rm x' "
                        "--log-stream-name 'automation-8527fec8/api/t1'|");
    script_close(&t);
}

static void a_log_elsewhere_that_is_empty_says_where(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        CRASHED,
        { .call = "logs:GetLogEvents", .class = ERR_NOT_FOUND, .message = "no such stream" },
        { 0 },
    };
    struct script t;
    _cleanup_json_ cJSON *explanation =
        explain_crash(&t, rows, "{\"awslogs-region\":\"eu-west-1\"}");
    _cleanup_free_ char *log = lines_of(explanation, "the log of container 'api'");
    assert_string_equal(log,
                        "it has written nothing to 'automation-8527fec8' in region 'eu-west-1'|");
    script_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tasks_that_end_again_and_again_are_a_loop),
        cmocka_unit_test(the_breaker_judges_what_it_counts),
        cmocka_unit_test(room_is_waited_for_in_vain_for_a_while),
        cmocka_unit_test(a_loop_is_looked_at_once_for_each_sign),
        cmocka_unit_test(a_look_that_was_throttled_is_made_again),
        cmocka_unit_test(no_place_is_blamed_where_it_is_told_of),
        cmocka_unit_test(a_loop_of_an_earlier_run_is_begun_anew),
        cmocka_unit_test(an_awaited_deployment_that_is_rolled_back),
        cmocka_unit_test(the_log_is_read_to_its_end),
        cmocka_unit_test(an_event_that_is_told_again_is_one),
        cmocka_unit_test(a_log_that_cannot_be_read_has_a_command),
        cmocka_unit_test(a_log_elsewhere_that_is_empty_says_where),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
