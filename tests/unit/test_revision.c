/* SPDX-License-Identifier: MIT */
#include "tests/unit/awsscript.h"

#include <setjmp.h>
#include <cmocka.h>

#include "drivers/ecs.h"
#include "executor/engine/engine.h"

#define SERVICE   "ecs.service/api"
#define NAME      "automation-8527fec8-api"
#define ARN(n)    "arn:aws:ecs:us-east-1:123456789012:task-definition/" NAME ":" #n
#define TAG(k, v) "{\"key\":\"" k "\",\"value\":\"" v "\"}"
#define OURS                                                                                       \
    TAG("Environment", "automation-8527fec8")                                                      \
    "," TAG("berth:project", "77") "," TAG("berth:ref", "dev/feature/login")

/* A deployment as DescribeServices tells of it: status, revision, rollout, when it was begun. */
#define DEPLOYMENT(status, n, rollout, at)                                                         \
    "{\"id\":\"ecs-svc/" #n "\",\"status\":\"" status                                              \
    "\",\"taskDefinition\":\"" ARN(n) "\",\"rolloutState\":\"" rollout "\",\"createdAt\":" #at "}"
#define RUNS(deployments)                                                                          \
    {                                                                                              \
        .call = "ecs:DescribeServices", .answer = "{\"services\":[{\"serviceName\":\"" NAME        \
                                                  "\",\"status\":\"ACTIVE\",\"tags\":[" OURS       \
                                                  "],\"deployments\":[" deployments "]}]}"         \
    }
#define NO_TASKS                                                                                   \
    {                                                                                              \
        .call = "ecs:ListTasks", .answer = "{\"taskArns\":[]}"                                     \
    }
/* What DescribeTaskDefinition says of every revision. */
#define EACH_IS(status, tags)                                                                      \
    {                                                                                              \
        .call = "ecs:DescribeTaskDefinition",                                                      \
        .answer = "{\"taskDefinition\":{\"status\":\"" status "\"},\"tags\":[" tags "]}"           \
    }
#define DEREGISTERED                                                                               \
    {                                                                                              \
        .call = "ecs:DeregisterTaskDefinition", .answer = "{}"                                     \
    }

/* A run that sees the service as the first answer has it, and leaves it as the second has it. */
static void play(struct script *t, const struct script_row *rows, enum progress progress,
                 struct strlist *done)
{
    script_open(t, script_spec, rows);
    script_observe(t, SERVICE);
    script_observe(t, SERVICE);
    script_resource(t, SERVICE)->progress = progress;
    ecs_end(t->s, t->g, done);
}

/* A run that finds the service as it is to be, and the cluster as that pipeline has left it. */
static void play_again(struct script *t, const struct script_row *rows, const char *pipeline,
                       struct strlist *done)
{
    script_open(t, script_spec, rows);
    script_observe(t, SERVICE);
    struct resource *cluster = script_resource(t, ECS_CLUSTER);
    cJSON_Delete(cluster->tags);
    cluster->tags = cJSON_CreateObject();
    json_put_str(cluster->tags, "berth:pipeline", pipeline);
    ecs_end(t->s, t->g, done);
}

static bool is_deregistered(const struct script *t, int number)
{
    _cleanup_free_ char *name = xasprintf(NAME ":%d", number);
    for (size_t i = 0; i < script_count(t, "ecs:DeregisterTaskDefinition"); i++)
        if (str_eq(json_str(script_input(t, "ecs:DeregisterTaskDefinition", i), "taskDefinition"),
                   name))
            return true;
    return false;
}

/* The revisions that were deregistered, at the same time: "5 4". */
static char *deregistered(const struct script *t)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    size_t n = 0;
    for (int number = 20; number > 0; number--)
        if (is_deregistered(t, number))
            strbuf_addf(&text, "%s%d", n++ > 0 ? " " : "", number);
    assert_int_equal(script_count(t, "ecs:DeregisterTaskDefinition"), n);
    return strbuf_detach(&text);
}

static void assert_goes(const struct script_row *rows, const char *expected)
{
    struct script t;
    _cleanup_strlist_ struct strlist done = STRLIST_INIT;
    play(&t, rows, PROGRESS_DONE, &done);
    _cleanup_free_ char *gone = deregistered(&t);
    assert_string_equal(gone, expected);
    assert_int_equal(done.n, *expected != '\0');
    assert_int_equal(t.g->warnings.n, 0);
    if (*expected == '\0') /* nor has anybody looked at tasks */
        assert_int_equal(script_count(&t, "ecs:ListTasks"), 0);
    script_close(&t);
}

static void what_is_older_than_the_last_goes(void **state)
{
    (void)state;
    const struct script_row rows[] = {
        RUNS(DEPLOYMENT("PRIMARY", 6, "COMPLETED", 10)),
        RUNS(DEPLOYMENT("PRIMARY", 7, "COMPLETED", 20)),
        NO_TASKS,
        EACH_IS("ACTIVE", OURS),
        DEREGISTERED,
        { 0 },
    };
    assert_goes(rows, "5 4");
}

/* As a deploy before this one has left it, and as somebody else has registered it. */
static void what_is_inactive_or_foreign_is_left(void **state)
{
    (void)state;
    static const struct script_row inactive = EACH_IS("INACTIVE", OURS);
    static const struct script_row foreign = EACH_IS("ACTIVE", "");
    static const struct script_row gone = { .call = "ecs:DescribeTaskDefinition",
                                            .class = ERR_NOT_FOUND };
    const struct script_row *const cases[] = { &inactive, &foreign, &gone };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct script_row rows[] = {
            RUNS(DEPLOYMENT("PRIMARY", 6, "COMPLETED", 10)),
            RUNS(DEPLOYMENT("PRIMARY", 7, "COMPLETED", 20)),
            NO_TASKS,
            *cases[i],
            DEREGISTERED,
            { 0 },
        };
        struct script t;
        _cleanup_strlist_ struct strlist done = STRLIST_INIT;
        play(&t, rows, PROGRESS_DONE, &done);
        assert_int_equal(script_count(&t, "ecs:DescribeTaskDefinition"), 2);
        assert_int_equal(script_count(&t, "ecs:DeregisterTaskDefinition"), 0);
        assert_int_equal(done.n + t.g->warnings.n, 0);
        script_close(&t);
    }
}

/* Its job was killed once all was complete, or another job of it has done all there was to do. */
static void the_pipeline_that_came_this_far_goes_on(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        RUNS(DEPLOYMENT("PRIMARY", 7, "COMPLETED", 20)),
        NO_TASKS,
        EACH_IS("ACTIVE", OURS),
        DEREGISTERED,
        { 0 },
    };
    static const char *const pipelines[] = { "99", "100" };
    for (size_t i = 0; i < ARRAY_SIZE(pipelines); i++) {
        struct script t;
        _cleanup_strlist_ struct strlist done = STRLIST_INIT;
        play_again(&t, rows, pipelines[i], &done);
        _cleanup_free_ char *went = deregistered(&t);
        assert_string_equal(went, i == 0 ? "" : "5");
        script_close(&t);
    }
}

/* An earlier job of the pipeline has deregistered 6, which never ran: 5 is what ran before 7. */
static void the_one_before_a_gap_stays(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        RUNS(DEPLOYMENT("PRIMARY", 7, "COMPLETED", 20)),
        NO_TASKS,
        EACH_IS("ACTIVE", OURS),   /* 5 */
        EACH_IS("INACTIVE", OURS), /* 6 */
        DEREGISTERED,
        { 0 },
    };
    struct script t;
    _cleanup_strlist_ struct strlist done = STRLIST_INIT;
    play_again(&t, rows, "100", &done);
    assert_int_equal(script_count(&t, "ecs:DescribeTaskDefinition"), 2);
    assert_int_equal(script_count(&t, "ecs:DeregisterTaskDefinition"), 0);
    assert_int_equal(done.n + t.g->warnings.n, 0);
    script_close(&t);
}

static void the_first_two_stay(void **state)
{
    (void)state;
    const struct script_row rows[] = {
        RUNS(DEPLOYMENT("PRIMARY", 1, "COMPLETED", 10)),
        RUNS(DEPLOYMENT("PRIMARY", 2, "COMPLETED", 20)),
        { 0 },
    };
    assert_goes(rows, "");
}

static void an_unchanged_service_costs_nothing(void **state)
{
    (void)state;
    const struct script_row rows[] = {
        RUNS(DEPLOYMENT("PRIMARY", 7, "COMPLETED", 10)),
        { 0 },
    };
    assert_goes(rows, "");
}

static void a_service_made_anew_leaves_its_family_alone(void **state)
{
    (void)state;
    const struct script_row rows[] = {
        { .call = "ecs:DescribeServices", .answer = "{\"services\":[]}" },
        RUNS(DEPLOYMENT("PRIMARY", 7, "COMPLETED", 10)),
        { 0 },
    };
    assert_goes(rows, "");
}

/* 5 and 6 have failed, and 4 is what still runs: what a rollback goes back to is 4 all the time. */
static void what_failed_in_between_goes(void **state)
{
    (void)state;
    const struct script_row rows[] = {
        RUNS(DEPLOYMENT("PRIMARY", 6, "IN_PROGRESS", 20) "," DEPLOYMENT("ACTIVE", 4, "COMPLETED",
                                                                        10)),
        RUNS(DEPLOYMENT("PRIMARY", 7, "COMPLETED", 30)),
        NO_TASKS,
        EACH_IS("ACTIVE", OURS),
        DEREGISTERED,
        { 0 },
    };
    assert_goes(rows, "6 5 3 2");
}

static void nothing_goes_before_the_new_one_is_complete(void **state)
{
    (void)state;
    const struct script_row rows[] = {
        RUNS(DEPLOYMENT("PRIMARY", 6, "COMPLETED", 10)),
        RUNS(DEPLOYMENT("PRIMARY", 7, "IN_PROGRESS", 20) "," DEPLOYMENT("ACTIVE", 6, "COMPLETED",
                                                                        10)),
        { 0 },
    };
    assert_goes(rows, "");
}

static void a_service_that_failed_keeps_all(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        RUNS(DEPLOYMENT("PRIMARY", 6, "COMPLETED", 10)),
        RUNS(DEPLOYMENT("PRIMARY", 7, "COMPLETED", 20)),
        { 0 },
    };
    struct script t;
    _cleanup_strlist_ struct strlist done = STRLIST_INIT;
    play(&t, rows, PROGRESS_FAILED, &done);
    assert_int_equal(done.n, 0);
    script_close(&t);
}

/* Tasks may have been started by hand, and a deployment may be drained for long. */
static void what_runs_stays(void **state)
{
    (void)state;
    const struct script_row rows[] = {
        RUNS(DEPLOYMENT("PRIMARY", 6, "COMPLETED", 10)),
        RUNS(
            DEPLOYMENT("PRIMARY", 10, "COMPLETED", 20) "," DEPLOYMENT("ACTIVE", 5, "COMPLETED", 5)),
        { .call = "ecs:ListTasks", .answer = "{\"taskArns\":[\"t/1\",\"t/2\"]}" },
        { .call = "ecs:DescribeTasks",
          .answer = "{\"tasks\":[{\"taskDefinitionArn\":\"" ARN(8) "\"},{\"taskDefinitionArn\":"
                                                                   "\"" ARN(10) "\"}]}" },
        EACH_IS("ACTIVE", OURS),
        DEREGISTERED,
        { 0 },
    };
    assert_goes(rows, "9 7 4");
}

static void an_endless_gap_is_not_walked(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        RUNS(DEPLOYMENT("PRIMARY", 6, "COMPLETED", 10)),
        RUNS(DEPLOYMENT("PRIMARY", 7000, "COMPLETED", 20)),
        NO_TASKS,
        EACH_IS("ACTIVE", OURS),
        DEREGISTERED,
        { 0 },
    };
    struct script t;
    _cleanup_strlist_ struct strlist done = STRLIST_INIT;
    play(&t, rows, PROGRESS_DONE, &done);
    assert_int_equal(script_count(&t, "ecs:DeregisterTaskDefinition"), 32);
    assert_string_equal(done.v[0], "32 old revisions of task definitions deregistered");
    script_close(&t);
}

/* The first warning of a run whose end went wrong. The caller frees it. */
static char *warning_of(const struct script_row *rows)
{
    struct script t;
    _cleanup_strlist_ struct strlist done = STRLIST_INIT;
    play(&t, rows, PROGRESS_DONE, &done);
    assert_int_equal(done.n, 0);
    assert_int_equal(t.g->warnings.n, 1);
    char *warning = xstrdup(t.g->warnings.v[0]);
    script_close(&t);
    return warning;
}

static void a_failure_is_a_warning(void **state)
{
    (void)state;
    static const struct script_row refused[] = {
        RUNS(DEPLOYMENT("PRIMARY", 6, "COMPLETED", 10)),
        RUNS(DEPLOYMENT("PRIMARY", 7, "COMPLETED", 20)),
        NO_TASKS,
        EACH_IS("ACTIVE", OURS),
        { .call = "ecs:DeregisterTaskDefinition", .class = ERR_DENIED, .message = "no" },
        { 0 },
    };
    _cleanup_free_ char *warning = warning_of(refused);
    assert_string_equal(warning, "2 old revisions of task definitions could not be deregistered, "
                                 "and will stay until the environment is destroyed: '" NAME ":5': "
                                 "ecs:DeregisterTaskDefinition: no");
    static const struct script_row blind[] = {
        RUNS(DEPLOYMENT("PRIMARY", 6, "COMPLETED", 10)),
        RUNS(DEPLOYMENT("PRIMARY", 7, "COMPLETED", 20)),
        { .call = "ecs:ListTasks", .class = ERR_DENIED, .message = "no" },
        { 0 },
    };
    _cleanup_free_ char *other = warning_of(blind);
    assert_string_equal(other, "no old revision of a task definition is deregistered, since berth "
                               "cannot see which ones still run: ecs:ListTasks: no");
}

static void one_that_is_gone_already_is_no_failure(void **state)
{
    (void)state;
    const struct script_row rows[] = {
        RUNS(DEPLOYMENT("PRIMARY", 6, "COMPLETED", 10)),
        RUNS(DEPLOYMENT("PRIMARY", 7, "COMPLETED", 20)),
        NO_TASKS,
        EACH_IS("ACTIVE", OURS),
        { .call = "ecs:DeregisterTaskDefinition", .class = ERR_NOT_FOUND },
        { 0 },
    };
    assert_goes(rows, "5 4");
}

/* Every driver is asked, as at the end of a deploy. */
static void nothing_is_tidied_up_after_a_cancel(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        RUNS(DEPLOYMENT("PRIMARY", 6, "COMPLETED", 10)),
        RUNS(DEPLOYMENT("PRIMARY", 7, "COMPLETED", 20)),
        NO_TASKS,
        EACH_IS("ACTIVE", OURS),
        DEREGISTERED,
        { 0 },
    };
    for (int cancelled = 0; cancelled < 2; cancelled++) {
        struct script t;
        _cleanup_strlist_ struct strlist done = STRLIST_INIT;
        script_open(&t, script_spec, rows);
        script_observe(&t, SERVICE);
        script_observe(&t, SERVICE);
        script_resource(&t, SERVICE)->progress = PROGRESS_DONE;
        struct cancel cancel;
        cancel_init(&cancel);
        if (cancelled)
            cancel_set(&cancel);
        const struct engine_options options = { .cancel = &cancel };
        engine_end(t.s, t.g, &options, &done);
        assert_int_equal(script_count(&t, "ecs:DeregisterTaskDefinition"), cancelled ? 0 : 2);
        cancel_release(&cancel);
        script_close(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_older_than_the_last_goes),
        cmocka_unit_test(what_is_inactive_or_foreign_is_left),
        cmocka_unit_test(the_pipeline_that_came_this_far_goes_on),
        cmocka_unit_test(the_one_before_a_gap_stays),
        cmocka_unit_test(the_first_two_stay),
        cmocka_unit_test(an_unchanged_service_costs_nothing),
        cmocka_unit_test(a_service_made_anew_leaves_its_family_alone),
        cmocka_unit_test(what_failed_in_between_goes),
        cmocka_unit_test(nothing_goes_before_the_new_one_is_complete),
        cmocka_unit_test(a_service_that_failed_keeps_all),
        cmocka_unit_test(what_runs_stays),
        cmocka_unit_test(an_endless_gap_is_not_walked),
        cmocka_unit_test(a_failure_is_a_warning),
        cmocka_unit_test(one_that_is_gone_already_is_no_failure),
        cmocka_unit_test(nothing_is_tidied_up_after_a_cancel),
    };
    return cmocka_run_group_tests_name("revisions", tests, NULL, NULL);
}
