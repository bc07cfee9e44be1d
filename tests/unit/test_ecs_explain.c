/* SPDX-License-Identifier: MIT */
/* What is told of a service that has failed: events, and the end of the container's log. */
#include "tests/unit/ecsscript.h"

#include <setjmp.h>
#include <cmocka.h>

#include "drivers/ecs.h"
#include "drivers/explanation.h"

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

#define CRASHED                                                                                    \
    { .call = "ecs:DescribeServices",                                                              \
      .answer = SERVICE_DEPLOYING("true", "1", "IN_PROGRESS", "0",                                 \
                                  STARTED("3", "160") "," STARTED("1", "99")) },                   \
        { .call = "ecs:ListTasks", .answer = "{\"taskArns\":[\"a\"]}" },                           \
    {                                                                                              \
        .call = "ecs:DescribeTasks",                                                               \
        .answer =                                                                                  \
            "{\"tasks\":[" EXITED("t1", "3") "," EXITED("t2", "3") "," EXITED("t3", "3") "]}"      \
    }

/* What is told of a service that is judged so, and whose container's log has these members of its
 * options (JSON, or NULL). The caller frees it. */
static cJSON *explain(struct script *t, const struct script_row *rows, const char *options,
                      enum readiness readiness)
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
    assert_int_equal(r->type->judge(r, &why), readiness);
    r->waiting_for = xstrdup(why.buf);
    err_set(&r->error, ERR_UNHEALTHY, "service '" NAME "' failed: %s", why.buf);
    cJSON *explanation = explanation_new(r->error.message);
    r->type->explain(t->s, r, explanation);
    return explanation;
}

static cJSON *explain_crash(struct script *t, const struct script_row *rows, const char *options)
{
    return explain(t, rows, options, FAILED);
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

#define RUNNING(id, by, health)                                                                    \
    "{\"taskArn\":\"" ARN "task/c/" id "\",\"startedBy\":\"" by "\",\"healthStatus\":\"" health    \
    "\"}"

/* The task that runs and is not well, not one of those that ran before and still do. */
static void the_log_is_the_new_tasks(void **state)
{
    (void)state;
    static const struct {
        const char *tasks, *stream; /* NULL: none is read */
    } cases[] = {
        { RUNNING("t1", "d1", "HEALTHY") "," RUNNING("t2", "d2", "UNKNOWN"),
          "automation-8527fec8/api/t2" },
        { RUNNING("t1", "d1", "HEALTHY") "," RUNNING("t2", "d2", "HEALTHY") "," RUNNING(
              "t3", "d2", "UNHEALTHY"),
          "automation-8527fec8/api/t3" },
        { RUNNING("t1", "d1", "UNHEALTHY"), NULL },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_free_ char *tasks = xasprintf("{\"tasks\":[%s]}", cases[i].tasks);
        const struct script_row rows[] = {
            { .call = "ecs:DescribeServices",
              .answer = SERVICE_DEPLOYING("true", "1", "IN_PROGRESS", "0", STARTED("1", "160")) },
            { .call = "ecs:ListTasks", .answer = "{\"taskArns\":[]}" }, /* stopped */
            { .call = "ecs:ListTasks", .answer = "{\"taskArns\":[\"a\"]}" },
            { .call = "ecs:DescribeTasks", .answer = tasks },
            { .call = "logs:GetLogEvents", .answer = "{\"events\":[{\"message\":\"one\"}]}" },
            { 0 },
        };
        struct script t;
        cJSON_Delete(explain(&t, rows, NULL, WAITING));
        assert_int_equal(script_count(&t, "logs:GetLogEvents"), cases[i].stream != NULL);
        if (cases[i].stream != NULL)
            assert_string_equal(json_str(script_input(&t, "logs:GetLogEvents", 0), "logStreamName"),
                                cases[i].stream);
        script_close(&t);
    }
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
          .answer = SERVICE_DEPLOYING(
              "true", "1", "IN_PROGRESS", "0",
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
        cmocka_unit_test(the_log_is_read_to_its_end),
        cmocka_unit_test(the_log_is_the_new_tasks),
        cmocka_unit_test(an_event_that_is_told_again_is_one),
        cmocka_unit_test(a_log_that_cannot_be_read_has_a_command),
        cmocka_unit_test(a_log_elsewhere_that_is_empty_says_where),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
