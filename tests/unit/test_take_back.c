/* SPDX-License-Identifier: MIT */
/* Taking a service back, on a session whose answers are written down. */
#include "tests/unit/awsscript.h"

#include <setjmp.h>
#include <cmocka.h>

#include "drivers/ecs.h"
#include "executor/engine/engine.h"
#include "executor/engine/report.h"
#include "tests/unit/reporting.h"

#define SERVICE "ecs.service/api"
#define NAME    "automation-8527fec8-api"
#define RUNS(id, definition, count)                                                                \
    "{\"serviceName\":\"" NAME "\",\"status\":\"ACTIVE\",\"desiredCount\":" #count                 \
    ",\"runningCount\":" #count ",\"taskDefinition\":\"" definition                                \
    "\",\"deployments\":[{\"id\":\"" id                                                            \
    "\",\"status\":\"PRIMARY\",\"taskDefinition\":\"" definition "\"}]}"
#define DESCRIBED(id, definition)                                                                  \
    {                                                                                              \
        .call = "ecs:DescribeServices", .answer = "{\"services\":[" RUNS(id, definition, 2) "]}"   \
    }
#define UPDATED(id)                                                                                \
    {                                                                                              \
        .call = "ecs:UpdateService", .answer = "{\"service\":" RUNS(id, "f:2", 3) "}"              \
    }
#define LOST                                                                                       \
    {                                                                                              \
        .call = "ecs:UpdateService", .class = ERR_TRANSIENT, .message = "the connection broke"     \
    }
#define TAGGED                                                                                     \
    {                                                                                              \
        .call = "ecs:TagResource", .answer = "{}"                                                  \
    }
#define RUN "berth-77-5-0a1b2c3d"
#define CLUSTER_HAS(run)                                                                           \
    {                                                                                              \
        .call = "ecs:DescribeClusters",                                                            \
        .answer = "{\"clusters\":[{\"clusterArn\":\"arn:c\",\"status\":\"ACTIVE\",\"tags\":[{"     \
                  "\"key\":\"berth:run\",\"value\":\"" run "\"}]}]}"                               \
    }
#define MARKED(pipeline)                                                                           \
    {                                                                                              \
        .call = "ecs:DescribeClusters",                                                            \
        .answer = "{\"clusters\":[{\"tags\":[{\"key\":\"berth:pipeline\",\"value\":\"" pipeline    \
                  "\"}]}]}"                                                                        \
    }

/* What one run does: it sees the service, and changes its task definition and its count. */
static struct resource *change(struct script *t, int expected)
{
    script_observe(t, SERVICE);
    struct resource *r = script_target(t, SERVICE);
    json_put_str(r->target, "taskDefinition", "f:2");
    json_put_int(r->target, "desiredCount", 3);
    cJSON_Delete(r->changes);
    r->changes = cJSON_Parse("[{\"path\":\"taskDefinition\"},{\"path\":\"desiredCount\"}]");
    r->action = ACTION_UPDATE;
    assert_int_equal(r->type->update(t->s, r, &t->err), expected);
    err_release(&t->err);
    return r;
}

/* Takes all back; the only line that says so, or "". The caller frees it. */
static char *take_back_for(struct script *t, double seconds)
{
    const struct engine_options options = { .workers = 2, .poll_first = 0.001 };
    struct taken_back taken;
    cancel_set(&t->cancel);
    engine_take_back(t->s, t->g, &options, clock_now() + seconds, &taken);
    assert_in_range(taken.lines.n, 0, 1);
    char *line = xstrdup(taken.lines.n == 1 ? taken.lines.v[0] : "");
    strlist_release(&taken.lines);
    return line;
}

static char *take_back(struct script *t)
{
    return take_back_for(t, 60);
}

static void it_gets_what_it_had(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        DESCRIBED("d1", "f:1"),
        UPDATED("d2"),
        DESCRIBED("d2", "f:2"),
        UPDATED("d3"),
        DESCRIBED("d3", "f:1"),
        MARKED("100"),
        { 0 },
    };
    struct script t;
    script_open(&t, script_spec, rows);
    struct resource *r = change(&t, 0);
    _cleanup_free_ char *line = take_back(&t);
    assert_string_equal(line, "service 'api' is taken back: it goes back to 'f:1'");
    assert_true(json_bool(r->memo, RESOURCE_RECALLED, false));
    assert_json(script_input(&t, "ecs:UpdateService", 1),
                "{\"cluster\":\"automation-8527fec8\",\"service\":\"" NAME "\","
                "\"taskDefinition\":\"f:1\",\"desiredCount\":2}");
    script_close(&t);
}

static void nothing_is_taken_back_of_what_was_not_written(void **state)
{
    (void)state;
    static const struct script_row rows[] = { DESCRIBED("d1", "f:1"), { 0 } };
    struct script t;
    script_open(&t, script_spec, rows);
    script_observe(&t, SERVICE);
    _cleanup_free_ char *line = take_back(&t);
    assert_string_equal(line, "");
    script_close(&t);
}

/* An answer that never came leaves three things possible. */
static void an_unknown_outcome(void **state)
{
    (void)state;
    static const struct {
        struct script_row then;
        const char *line;
    } cases[] = {
        { DESCRIBED("d1", "f:1"), "service 'api' is taken back: it goes back to 'f:1'" },
        { DESCRIBED("d2", "f:2"), "service 'api' is taken back: it goes back to 'f:1'" },
        { DESCRIBED("d3", "f:9"),
          "service 'api' is left: another deployment, of 'f:9', has taken over" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct script_row rows[] = {
            DESCRIBED("d1", "f:1"), LOST,          cases[i].then, UPDATED("d4"),
            DESCRIBED("d4", "f:1"), MARKED("100"), { 0 },
        };
        struct script t;
        script_open(&t, script_spec, rows);
        change(&t, -1);
        _cleanup_free_ char *line = take_back(&t);
        assert_string_equal(line, cases[i].line);
        script_close(&t);
    }
}

static void what_others_run_is_theirs(void **state)
{
    (void)state;
    static const struct {
        struct script_row then, cluster;
        const char *line;
    } cases[] = {
        { DESCRIBED("d3", "f:2"), MARKED("100"),
          "service 'api' is left: another deployment, of 'f:2', has taken over" },
        { DESCRIBED("d2", "f:2"), MARKED("101"),
          "service 'api' is left: pipeline 101 has begun to deploy" },
        { { .call = "ecs:DescribeServices", .answer = "{\"services\":[]}" },
          MARKED("100"),
          "service 'api' is left: it is not there any more" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct script_row rows[] = {
            DESCRIBED("d1", "f:1"), UPDATED("d2"), cases[i].then, cases[i].cluster, { 0 },
        };
        struct script t;
        script_open(&t, script_spec, rows);
        change(&t, 0);
        _cleanup_free_ char *line = take_back(&t);
        assert_string_equal(line, cases[i].line);
        assert_int_equal(script_count(&t, "ecs:UpdateService"), 1);
        script_close(&t);
    }
}

/* A service that was created anew in the place of another, of which nothing is left. */
static void what_was_replaced_is_left(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        DESCRIBED("d1", "f:1"), UPDATED("d2"), DESCRIBED("d2", "f:2"), MARKED("100"), { 0 },
    };
    struct script t;
    script_open(&t, script_spec, rows);
    change(&t, 0)->action = ACTION_REPLACE;
    _cleanup_free_ char *line = take_back(&t);
    assert_string_equal(line, "service 'api' is left: it was replaced, and what was there before "
                              "is gone");
    script_close(&t);
}

/* What it was before the first of several writes. */
static void the_first_write_counts(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        DESCRIBED("d1", "f:1"), UPDATED("d2"),          DESCRIBED("d2", "f:2"),
        UPDATED("d3"),          DESCRIBED("d3", "f:2"), UPDATED("d4"),
        DESCRIBED("d4", "f:1"), MARKED("100"),          { 0 },
    };
    struct script t;
    script_open(&t, script_spec, rows);
    change(&t, 0);
    change(&t, 0);
    _cleanup_free_ char *line = take_back(&t);
    assert_string_equal(line, "service 'api' is taken back: it goes back to 'f:1'");
    assert_int_equal(json_int(script_input(&t, "ecs:UpdateService", 2), "desiredCount", 0), 2);
    script_close(&t);
}

/* The run's name is on the cluster, and what it does is said before it is looked whether another's
 * is, which is before anything is written. */
static void it_is_said_before_it_is_done(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        DESCRIBED("d1", "f:1"), UPDATED("d2"), DESCRIBED("d2", "f:2"), UPDATED("d3"),
        DESCRIBED("d3", "f:1"), TAGGED,        CLUSTER_HAS(RUN),       { 0 },
    };
    static const char *const calls[] = { "ecs:DescribeClusters", "ecs:DescribeServices",
                                         "ecs:TagResource",      "ecs:UpdateService",
                                         "ecs:TagResource",      "ecs:DescribeClusters",
                                         "ecs:DescribeServices", "ecs:UpdateService",
                                         "ecs:TagResource",      "ecs:DescribeServices" };
    struct script t;
    script_open(&t, script_spec, rows);
    t.g->context.run = RUN;
    t.g->context.takes_back = true;
    script_discover(&t, ECS_CLUSTER);
    script_observe(&t, SERVICE);
    script_resource(&t, SERVICE)->action = ACTION_UPDATE;
    assert_int_equal(driver_find("ecs")->begin(t.s, t.g, &t.err), 0);
    struct resource *r = script_target(&t, SERVICE);
    cJSON_Delete(r->changes);
    json_put_str(r->target, "taskDefinition", "f:2");
    r->changes = cJSON_Parse("[{\"path\":\"taskDefinition\"}]");
    assert_int_equal(r->type->update(t.s, r, &t.err), 0);
    _cleanup_free_ char *line = take_back(&t);
    assert_string_equal(line, "service 'api' is taken back: it goes back to 'f:1'");
    for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
        assert_string_equal(json_str(cJSON_GetArrayItem(t.calls, (int)i), "call"), calls[i]);
    assert_int_equal(json_count(t.calls), ARRAY_SIZE(calls));
    assert_json(json_get(script_input(&t, "ecs:TagResource", 0), "tags"),
                "[{\"key\":\"berth:pipeline\",\"value\":\"100\"},{\"key\":\"berth:run\","
                "\"value\":\"" RUN "\"}]");
    const cJSON *said = json_at(script_input(&t, "ecs:TagResource", 1), "tags/0");
    assert_string_equal(json_str(said, "key"), "berth:recall");
    assert_true(str_ends(json_str(said, "value"), " " RUN));
    assert_json(json_get(script_input(&t, "ecs:TagResource", 2), "tags"),
                "[{\"key\":\"berth:run\",\"value\":\"none\"},{\"key\":\"berth:recall\","
                "\"value\":\"none\"}]");
    script_close(&t);
}

/* Nor if the other has ended since; and its mark, if any, stays. */
static void nothing_is_taken_back_where_another_run_was(void **state)
{
    (void)state;
    static const struct {
        struct script_row cluster;
        const char *line;
    } cases[] = {
        { CLUSTER_HAS("berth-77-6-00000000"),
          "service 'api' is left: another job, 'berth-77-6-00000000', has begun to deploy" },
        { CLUSTER_HAS("none"), "service 'api' is left: another job has been there since, and may "
                               "have found it as it wants it" },
        { { .call = "ecs:DescribeClusters", .class = ERR_THROTTLED, .message = "slower" },
          "service 'api' is left: whether another job has begun to deploy is not known: "
          "ecs:DescribeClusters: slower" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct script_row rows[] = {
            DESCRIBED("d1", "f:1"), UPDATED("d2"), DESCRIBED("d2", "f:2"), TAGGED, CLUSTER_HAS(RUN),
            cases[i].cluster,       { 0 },
        };
        struct script t;
        script_open(&t, script_spec, rows);
        t.g->context.run = RUN;
        script_discover(&t, ECS_CLUSTER);
        json_put_bool(script_resource(&t, ECS_CLUSTER)->memo, "marked", true);
        change(&t, 0);
        _cleanup_free_ char *line = take_back(&t);
        assert_string_equal(line, cases[i].line);
        assert_int_equal(script_count(&t, "ecs:UpdateService"), 1);
        assert_json(json_get(script_input(&t, "ecs:TagResource", 1), "tags"),
                    "[{\"key\":\"berth:recall\",\"value\":\"none\"}]");
        script_close(&t);
    }
}

/* A cancel that comes when all is done finds what the run's end has left: its own "none". */
static void a_run_that_had_ended_says_so(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        DESCRIBED("d1", "f:1"), UPDATED("d2"), DESCRIBED("d2", "f:2"), TAGGED, CLUSTER_HAS(RUN),
        CLUSTER_HAS("none"),    { 0 },
    };
    struct script t;
    _cleanup_strlist_ struct strlist done = STRLIST_INIT;
    script_open(&t, script_spec, rows);
    t.g->context.run = RUN;
    script_discover(&t, ECS_CLUSTER);
    json_put_bool(script_resource(&t, ECS_CLUSTER)->memo, "marked", true);
    change(&t, 0);
    driver_find("ecs")->end(t.s, t.g, &done);
    _cleanup_free_ char *line = take_back(&t);
    assert_string_equal(line, "service 'api' is left: this job had ended already, and another may "
                              "have found it as it wants it");
    script_close(&t);
}

/* The right tag: the other one was set back. */
static void a_mark_that_stays_is_warned_of(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        DESCRIBED("d1", "f:1"),
        UPDATED("d2"),
        DESCRIBED("d2", "f:2"),
        UPDATED("d3"),
        DESCRIBED("d3", "f:1"),
        TAGGED,
        CLUSTER_HAS(RUN),
        { .call = "ecs:TagResource", .class = ERR_DENIED, .message = "no" },
        { 0 },
    };
    struct script t;
    script_open(&t, script_spec, rows);
    t.g->context.run = RUN;
    script_discover(&t, ECS_CLUSTER);
    change(&t, 0);
    _cleanup_free_ char *line = take_back(&t);
    assert_string_equal(line, "service 'api' is taken back: it goes back to 'f:1'");
    assert_int_equal(t.g->warnings.n, 1);
    assert_string_equal(t.g->warnings.v[0],
                        "the cluster's tag 'berth:recall' could not be set back to 'none', so that "
                        "the next job may wait for a minute: ecs:TagResource: no");
    script_close(&t);
}

/* What the services are like once they are asked to go back, and what the log says of that. */
static void assert_on_the_way(const char *services, const char *left)
{
    const struct script_row rows[] = {
        DESCRIBED("d1", "f:1"),
        UPDATED("d2"),
        DESCRIBED("d2", "f:2"),
        UPDATED("d3"),
        MARKED("100"),
        { .call = "ecs:DescribeServices", .answer = services },
        { 0 },
    };
    struct script t;
    script_open(&t, script_spec, rows);
    change(&t, 0);
    _cleanup_free_ char *line = take_back_for(&t, 0.1), *wanted = NULL;
    wanted = xasprintf("service 'api' is taken back: it goes back to 'f:1', and has not got there "
                       "yet: %s",
                       left);
    assert_string_equal(line, wanted);
    script_close(&t);
}

static void what_is_not_seen_in_time_is_said(void **state)
{
    (void)state;
    assert_on_the_way("{\"services\":[{\"serviceName\":\"" NAME "\",\"status\":\"ACTIVE\","
                      "\"desiredCount\":2,\"runningCount\":2,\"deployments\":[{\"id\":\"d3\","
                      "\"status\":\"PRIMARY\",\"taskDefinition\":\"f:1\",\"runningCount\":1,"
                      "\"rolloutState\":\"IN_PROGRESS\"}]}]}",
                      "1 of 2 tasks of 'f:1' run");
}

/* What goes back to what it was is not done for not being found. */
static void what_is_not_found_is_not_ready(void **state)
{
    (void)state;
    assert_on_the_way("{\"services\":[]}", "not visible");
}

/* As if nothing had been said for as long as the log may be silent. */
static void look_on(void *context, const struct graph *g, const struct resource *changed)
{
    struct report *report = context;
    report->said -= REPORT_PAUSE;
    report_progress(report, g, changed);
}

static void it_is_said_what_is_awaited_until_it_is_back(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        DESCRIBED("d1", "f:1"),
        UPDATED("d2"),
        DESCRIBED("d2", "f:2"),
        UPDATED("d3"),
        MARKED("100"),
        { .call = "ecs:DescribeServices",
          .answer = "{\"services\":[{\"serviceName\":\"" NAME "\",\"status\":\"ACTIVE\","
                    "\"desiredCount\":2,\"runningCount\":2,\"deployments\":[{\"id\":\"d3\","
                    "\"status\":\"PRIMARY\",\"taskDefinition\":\"f:1\",\"runningCount\":1,"
                    "\"rolloutState\":\"IN_PROGRESS\"}]}]}" },
        DESCRIBED("d3", "f:1"),
        { 0 },
    };
    _cleanup_report_ struct report report = REPORT_INIT;
    const struct engine_options options = {
        .workers = 2, .poll_first = 0.001, .on_progress = look_on, .on_progress_context = &report
    };
    struct taken_back taken;
    struct script t;
    script_open(&t, script_spec, rows);
    struct resource *r = change(&t, 0);
    r->waiting_for = xstrdup("0 of 3 tasks of 'f:2' run");
    reporting_setup(NULL);
    report_phase(&report, "take back");
    engine_take_back(t.s, t.g, &options, clock_now() + 60, &taken);
    _cleanup_free_ char *said = log_lines();
    reporting_teardown(NULL);
    const char *asked = strstr(said, "s: waiting for service api (it goes back to 'f:1')\n");
    assert_non_null(asked);
    assert_non_null(strstr(asked, "s: waiting for service api (1 of 2 tasks of 'f:1' run)\n"));
    assert_int_equal(count_of(said, "\n"), 2);
    assert_string_equal(taken.lines.v[0], "service 'api' is taken back: it goes back to 'f:1'");
    assert_string_equal(r->waiting_for, "0 of 3 tasks of 'f:2' run"); /* as the run has left it */
    strlist_release(&taken.lines);
    script_close(&t);
}

static void a_failed_deployment_is_not_wanted_back(void **state)
{
    (void)state;
    static const struct script_row rows[] = { DESCRIBED("d1", "f:1"), UPDATED("d2"), { 0 } };
    struct script t;
    script_open(&t, script_spec, rows);
    script_observe(&t, SERVICE);
    struct resource *r = script_target(&t, SERVICE);
    cJSON_Delete(r->changes);
    r->changes = cJSON_Parse("[{\"path\":\"rolloutState\"}]");
    assert_int_equal(r->type->update(t.s, r, &t.err), 0);
    _cleanup_free_ char *line = take_back(&t);
    assert_string_equal(line, "");
    assert_false(json_bool(r->memo, RESOURCE_RECALLED, false)); /* it goes on */
    script_close(&t);
}

/* What AWS has not answered it may do all the same; what it refuses it does not. */
static void an_answer_that_never_came_is_not_known(void **state)
{
    (void)state;
    static const struct {
        struct script_row last;
        unsigned unknown, failed;
        const char *line;
    } cases[] = {
        { LOST, 1, 0,
          "whether service 'api' is taken back is not known: ecs:UpdateService: the connection "
          "broke" },
        { { .call = "ecs:UpdateService", .class = ERR_DENIED, .message = "no" },
          0,
          1,
          "service 'api' could not be taken back: ecs:UpdateService: no" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct script_row rows[] = {
            DESCRIBED("d1", "f:1"), UPDATED("d2"), DESCRIBED("d2", "f:2"),
            cases[i].last,          MARKED("100"), { 0 },
        };
        const struct engine_options options = { .workers = 2, .poll_first = 0.001 };
        struct taken_back taken;
        struct script t;
        script_open(&t, script_spec, rows);
        struct resource *r = change(&t, 0);
        cancel_set(&t.cancel);
        engine_take_back(t.s, t.g, &options, clock_now() + 60, &taken);
        assert_int_equal(taken.unknown, cases[i].unknown);
        assert_int_equal(taken.failed, cases[i].failed);
        assert_int_equal(taken.lines.n, 1);
        assert_string_equal(taken.lines.v[0], cases[i].line);
        assert_false(json_bool(r->memo, RESOURCE_RECALLED, false)); /* it goes on */
        strlist_release(&taken.lines);
        script_close(&t);
    }
}

static void what_was_removed_stays_so(void **state)
{
    (void)state;
    static const struct script_row rows[] = { { 0 } };
    struct script t;
    script_open(&t, script_spec, rows);
    struct resource *old = graph_found(t.g, &ecs_service_type, "old", "e-old");
    old->action = ACTION_REMOVE;
    _cleanup_free_ char *untouched = take_back(&t);
    assert_string_equal(untouched, "");
    old->written = 1;
    _cleanup_free_ char *line = take_back(&t);
    assert_string_equal(line, "service 'old' is left: it was removed, which cannot be taken back");
    script_close(&t);
}

/* The cache that the tasks of before use, for one. */
static void nothing_is_taken_back_once_something_else_goes(void **state)
{
    (void)state;
    static const struct script_row rows[] = { { 0 } };
    struct script t;
    script_open(&t, script_spec, rows);
    struct resource *old = graph_found(t.g, &ecs_cluster_type, "old", "e-old");
    old->action = ACTION_REMOVE;
    old->written = 1;
    _cleanup_free_ char *line = take_back(&t);
    assert_string_equal(line, "nothing is taken back: the removal of cluster 'old' has begun, and "
                              "what ran before may need it");
    script_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_gets_what_it_had),
        cmocka_unit_test(nothing_is_taken_back_of_what_was_not_written),
        cmocka_unit_test(an_unknown_outcome),
        cmocka_unit_test(what_others_run_is_theirs),
        cmocka_unit_test(what_was_replaced_is_left),
        cmocka_unit_test(the_first_write_counts),
        cmocka_unit_test(it_is_said_before_it_is_done),
        cmocka_unit_test(nothing_is_taken_back_where_another_run_was),
        cmocka_unit_test(a_run_that_had_ended_says_so),
        cmocka_unit_test(a_mark_that_stays_is_warned_of),
        cmocka_unit_test(what_is_not_seen_in_time_is_said),
        cmocka_unit_test(what_is_not_found_is_not_ready),
        cmocka_unit_test(it_is_said_what_is_awaited_until_it_is_back),
        cmocka_unit_test(a_failed_deployment_is_not_wanted_back),
        cmocka_unit_test(an_answer_that_never_came_is_not_known),
        cmocka_unit_test(what_was_removed_stays_so),
        cmocka_unit_test(nothing_is_taken_back_once_something_else_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
