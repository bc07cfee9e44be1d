/* SPDX-License-Identifier: MIT */
/* The marks of runs on a cluster: who puts them there, who minds them, and when they go. */
#include "tests/unit/ecsscript.h"

#include <setjmp.h>
#include <cmocka.h>

#include "drivers/ecs.h"
#include "executor/engine/engine.h"

#define RUN   "berth-77-5-0a1b2c3d"
#define OTHER "berth-77-4-ffffffff"
#define TAGGED                                                                                     \
    {                                                                                              \
        .call = "ecs:TagResource", .answer = "{}"                                                  \
    }
#define SERVICE_IS                                                                                 \
    {                                                                                              \
        .call = "ecs:DescribeServices",                                                            \
        .answer = "{\"services\":[{\"serviceName\":\"" NAME "\",\"status\":\"ACTIVE\"}]}"          \
    }
/* With the one service. */
#define CLUSTER_HAS(tags) CLUSTER_OF(tags, 1, 0, 0)
#define OF_PIPELINE(id)   OURS "," TAG("berth:pipeline", id)
#define RUN_TAGS(run)     OURS "," TAG("berth:pipeline", "100") "," TAG("berth:run", run)

static int begin(struct script *t)
{
    return driver_find("ecs")->begin(t->s, t->g, &t->err);
}

static void end(struct script *t)
{
    _cleanup_strlist_ struct strlist done = STRLIST_INIT;
    driver_find("ecs")->end(t->s, t->g, &done);
}

static void open_run(struct script *t, const struct script_row *rows, bool takes_back)
{
    script_open(t, script_spec, rows);
    t->g->context.run = RUN;
    t->g->context.takes_back = takes_back;
    script_discover(t, ECS_CLUSTER);
    script_discover(t, SERVICE);
}

static void a_run_that_would_take_back_is_marked_until_it_ends(void **state)
{
    (void)state;
    static const struct script_row rows[] = { CLUSTER_HAS(OURS), SERVICE_IS, TAGGED, { 0 } };
    struct script t;
    open_run(&t, rows, true);
    script_resource(&t, SERVICE)->action = ACTION_UPDATE;
    assert_int_equal(begin(&t), 0);
    assert_json(json_get(script_input(&t, "ecs:TagResource", 0), "tags"),
                "[" TAG("berth:pipeline", "100") "," TAG("berth:run", RUN) "]");
    end(&t);
    end(&t);
    assert_int_equal(script_count(&t, "ecs:TagResource"), 2);
    assert_json(json_get(script_input(&t, "ecs:TagResource", 1), "tags"),
                "[" TAG("berth:run", "none") "]");
    script_close(&t);
}

/* What is left for the next run if it is cancelled needs no mark; nor does a run that has nothing
 * to do. */
static void no_other_run_is_marked(void **state)
{
    (void)state;
    static const struct script_row rows[] = { CLUSTER_HAS(RUN_TAGS("none")), SERVICE_IS, { 0 } };
    static const bool takes_back[] = { false, true };
    for (size_t i = 0; i < ARRAY_SIZE(takes_back); i++) {
        struct script t;
        open_run(&t, rows, takes_back[i]);
        if (!takes_back[i])
            script_resource(&t, SERVICE)->action = ACTION_UPDATE;
        assert_int_equal(begin(&t), 0);
        end(&t);
        assert_null(json_str(script_resource(&t, SERVICE)->memo, RESOURCE_UNSETTLED));
        assert_int_equal(script_count(&t, "ecs:TagResource"), 0);
        script_close(&t);
    }
}

/* It relies on what the other may take back: so the other must see it, and it looks again. */
static void whoever_finds_another_run_takes_its_place(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        CLUSTER_HAS(RUN_TAGS(OTHER)), SERVICE_IS, TAGGED, { 0 }
    };
    struct script t;
    open_run(&t, rows, false);
    assert_string_equal(json_str(script_resource(&t, SERVICE)->memo, RESOURCE_UNSETTLED),
                        "another job, '" OTHER "', has begun to deploy and not ended");
    assert_int_equal(begin(&t), 0);
    assert_json(json_get(script_input(&t, "ecs:TagResource", 0), "tags"),
                "[" TAG("berth:run", RUN) "]");
    assert_int_equal(script_count(&t, "ecs:DescribeClusters"), 3); /* once more, behind the mark */
    end(&t);
    assert_json(json_get(script_input(&t, "ecs:TagResource", 1), "tags"),
                "[" TAG("berth:run", "none") "]");
    script_close(&t);
}

/* It puts itself there after the cluster was read, and writes before the services are. */
static void another_that_begins_between_two_reads_is_found(void **state)
{
    (void)state;
    static const char *const before[] = { "none", NULL };
    for (size_t i = 0; i < ARRAY_SIZE(before); i++) {
        const struct script_row rows[] = {
            before[i] != NULL ? (struct script_row)CLUSTER_HAS(RUN_TAGS("none"))
                              : (struct script_row)CLUSTER_HAS(OURS),
            CLUSTER_HAS(RUN_TAGS(OTHER)),
            SERVICE_IS,
            TAGGED,
            { 0 },
        };
        struct script t;
        open_run(&t, rows, before[i] == NULL);
        assert_non_null(json_str(script_resource(&t, SERVICE)->memo, RESOURCE_UNSETTLED));
        assert_int_equal(begin(&t), 0);
        assert_json(json_get(script_input(&t, "ecs:TagResource", 0), "tags"),
                    "[" TAG("berth:run", RUN) "]");
        script_close(&t);
    }
}

/* No host has ever put a name there, and this one does not. */
static void who_leaves_all_as_it_is_reads_once(void **state)
{
    (void)state;
    static const struct script_row rows[] = { CLUSTER_HAS(OURS), SERVICE_IS, { 0 } };
    struct script t;
    open_run(&t, rows, false);
    assert_int_equal(script_count(&t, "ecs:DescribeClusters"), 1);
    script_close(&t);
}

/* A cluster on which somebody takes back until so many seconds from now; the caller frees it. */
static char *cluster_with(const char *run, int64_t seconds, const char *by)
{
    return xasprintf("{\"clusters\":[{\"clusterArn\":\"" ARN "cluster/c\",\"status\":\"ACTIVE\","
                     "\"activeServicesCount\":1,\"runningTasksCount\":0,"
                     "\"pendingTasksCount\":0,\"tags\":[" OURS
                     "," TAG("berth:run", "%s") "," TAG("berth:recall", "%lld %s") "]}]}",
                     run, (long long)time(NULL) + seconds, by);
}

/* Also where the other's mark is gone already. */
static void nothing_begins_while_another_takes_back(void **state)
{
    (void)state;
    static const struct {
        const char *mark;
        int64_t seconds; /* by the clocks of two hosts, of which either may be ahead */
    } cases[] = { { OTHER, 30 }, { "none", 30 }, { OTHER, 300 }, { OTHER, -300 } };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_free_ char *cluster = cluster_with(cases[i].mark, cases[i].seconds, OTHER);
        const struct script_row rows[] = {
            { .call = "ecs:DescribeClusters", .answer = cluster },
            { .call = "ecs:DescribeClusters", .answer = cluster },
            { .call = "ecs:DescribeClusters", .answer = cluster },
            CLUSTER_HAS(RUN_TAGS(RUN)),
            SERVICE_IS,
            TAGGED,
            { 0 },
        };
        struct script t;
        open_run(&t, rows, false);
        assert_string_equal(ecs_run_other(t.s, t.g), OTHER);
        assert_int_equal(begin(&t), 0);
        assert_int_equal(script_count(&t, "ecs:DescribeClusters"), 4);
        script_close(&t);
    }
}

/* A run that finds the cluster so; the rows are the caller's, for as long as the script is open. */
static void open_beside(struct script *t, struct script_row rows[4], const char *cluster)
{
    const struct script_row found[] = {
        { .call = "ecs:DescribeClusters", .answer = cluster }, SERVICE_IS, TAGGED, { 0 }
    };
    memcpy(rows, found, sizeof(found));
    open_run(t, rows, false);
}

static void a_recall_that_is_over_keeps_nobody(void **state)
{
    (void)state;
    static const struct {
        int64_t seconds;
        const char *by;
    } cases[] = { { -1000, OTHER }, { 100000, OTHER }, { 30, RUN } };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_free_ char *cluster = cluster_with(OTHER, cases[i].seconds, cases[i].by);
        struct script_row rows[4];
        struct script t;
        open_beside(&t, rows, cluster);
        assert_int_equal(begin(&t), 0);
        assert_int_equal(script_count(&t, "ecs:DescribeClusters"), 3);
        script_close(&t);
    }
}

static void a_cancel_ends_that_wait(void **state)
{
    (void)state;
    _cleanup_free_ char *cluster = cluster_with(OTHER, 30, OTHER);
    struct script_row rows[4];
    struct script t;
    open_beside(&t, rows, cluster);
    cancel_set(&t.cancel);
    assert_int_equal(begin(&t), -1);
    assert_int_equal(t.err.class, ERR_CANCELLED);
    err_release(&t.err);
    script_close(&t);
}

/* Whose pipeline stands there when something is to be removed: a run puts its own there before it
 * changes anything, so a newer one has begun since. By hand there is none to compare with but the
 * one that was found. */
static void a_newer_pipeline_overtakes(void **state)
{
    (void)state;
    static const struct {
        int64_t own;
        struct script_row found, now;
        const char *newer;
    } cases[] = {
        { 100, CLUSTER_HAS(OF_PIPELINE("99")), CLUSTER_HAS(OF_PIPELINE("100")), NULL },
        { 100, CLUSTER_HAS(OF_PIPELINE("101")), CLUSTER_HAS(OF_PIPELINE("99")), NULL },
        { 100, CLUSTER_HAS(OF_PIPELINE("99")), CLUSTER_HAS(OF_PIPELINE("101")), "pipeline 101" },
        { 0, CLUSTER_HAS(OF_PIPELINE("99")), CLUSTER_HAS(OF_PIPELINE("99")), NULL },
        { 0, CLUSTER_HAS(OF_PIPELINE("99")), CLUSTER_HAS(OF_PIPELINE("100")), "pipeline 100" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct script_row rows[] = { cases[i].found, cases[i].now, SERVICE_IS, { 0 } };
        _cleanup_free_ char *newer = NULL;
        struct script t;
        open_run(&t, rows, false);
        t.g->context.pipeline = cases[i].own;
        assert_int_equal(driver_find("ecs")->overtaken(t.s, t.g, &newer, &t.err), 0);
        if (cases[i].newer == NULL)
            assert_null(newer);
        else
            assert_string_equal(newer, cases[i].newer);
        script_close(&t);
    }
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
        { DEPLOYMENT_OF(
              "d3", "PRIMARY", "1", "IN_PROGRESS",
              "circuit breaker: rolling back to d1.") "," DEPLOYMENT_OF("d2", "ACTIVE", "2",
                                                                        "FAILED",
                                                                        "tasks failed to start."),
          FAILED, "its deployment failed and was rolled back to 'f:1': tasks failed to start" },
        { DEPLOYMENT_OF("d3", "PRIMARY", "1", "IN_PROGRESS",
                        "circuit breaker: rolling back to d1."),
          FAILED,
          "its deployment failed and was rolled back to 'f:1': circuit breaker: rolling back to "
          "d1" },
        /* Somebody has deployed something else, says the engine. */
        { DEPLOYMENT_OF("d3", "PRIMARY", "1", "IN_PROGRESS", "in progress.") "," DEPLOYMENT_OF(
              "d2", "ACTIVE", "2", "IN_PROGRESS", "in progress."),
          WAITING, "0 of 1 tasks of 'f:1' run" },
        /* The one that is wanted is itself a rollback. */
        { DEPLOYMENT_OF("d3", "PRIMARY", "2", "IN_PROGRESS",
                        "circuit breaker: rolling back to d1."),
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_that_would_take_back_is_marked_until_it_ends),
        cmocka_unit_test(no_other_run_is_marked),
        cmocka_unit_test(whoever_finds_another_run_takes_its_place),
        cmocka_unit_test(another_that_begins_between_two_reads_is_found),
        cmocka_unit_test(who_leaves_all_as_it_is_reads_once),
        cmocka_unit_test(nothing_begins_while_another_takes_back),
        cmocka_unit_test(a_recall_that_is_over_keeps_nobody),
        cmocka_unit_test(a_cancel_ends_that_wait),
        cmocka_unit_test(a_newer_pipeline_overtakes),
        cmocka_unit_test(an_awaited_deployment_that_is_rolled_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
