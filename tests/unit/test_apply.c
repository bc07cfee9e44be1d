/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

#include "tests/unit/fake.h"

static unsigned n_progress;

static void on_progress(void *context, const struct graph *g, const struct resource *changed)
{
    (void)context, (void)g;
    n_progress += changed != NULL;
}

static const struct engine_options options = { .workers = 8,
                                               .poll_first = 0.002,
                                               .poll_max = 0.01,
                                               .cancel = &fake_cancel,
                                               .on_progress = on_progress };

static int set_up(void **state)
{
    fake_service.deadline = fake_group.deadline = fake_box.deadline = 0;
    n_progress = 0;
    return fake_set_up(state);
}

/* Brings up what the text asks for, and counts in n_progress what is told of it. */
static struct graph *watched(const char *text)
{
    struct err err = ERR_INIT;
    struct graph *g = fake_graph(text);
    if (fake_bring_up(g, &options, &err) < 0)
        fail_msg("%s", err.message);
    return g;
}

#define CHAIN                                                                                      \
    "[{\"type\":\"ecs.service\",\"label\":\"web\",\"needs\":[\"net.group/web\"],"                  \
    "  \"want\":{\"Task\":{\"${}\":\"${ecs.task/web.Rev}\"},\"Count\":2}},"                        \
    " {\"type\":\"ecs.task\",\"label\":\"web\",\"want\":{\"Cpu\":256}},"                           \
    " {\"type\":\"net.group\",\"label\":\"web\",\"want\":{\"Port\":80}}]"

static void test_needs_come_first_and_values_arrive(void **state)
{
    (void)state;
    fake_thing("ecs.service/E-web")->looks = 3;
    struct graph *g = watched(CHAIN);
    fake_assert_before(FAKE_CREATE, "ecs.task/E-web", FAKE_CREATE, "ecs.service/E-web");
    fake_assert_before(FAKE_CREATE, "net.group/E-web", FAKE_CREATE, "ecs.service/E-web");
    fake_assert_before(FAKE_BEGIN, "store", FAKE_CREATE, "ecs.task/E-web");
    assert_string_equal(json_str(fake_thing("ecs.service/E-web")->state, "Task"), "E-web:1");
    const struct resource *r = graph_find(g, "ecs.service/web");
    assert_int_equal(r->progress, PROGRESS_DONE);
    assert_true(r->started > 0 && r->started <= r->written && r->written < r->ended);
    assert_null(r->waiting_for);
    assert_true(n_progress >= 3 * 2 + 1);
    graph_free(g);
}

static void test_nothing_to_do_writes_nothing(void **state)
{
    (void)state;
    graph_free(watched(CHAIN));
    fake_forget_events();
    n_progress = 0;
    graph_free(watched(CHAIN));
    assert_int_equal(fake_writes(), 0);
    assert_int_equal(fake_count(FAKE_BEGIN, NULL), 0);
    assert_int_equal(n_progress, 0);
}

/* The service's task is known only after its update: the plan says so, and apply finds out. */
static void test_a_change_reaches_what_refers_to_it(void **state)
{
    (void)state;
    graph_free(fake_up(CHAIN));
    json_put_int(fake_thing("ecs.task/E-web")->state, "Cpu", 128);
    fake_forget_events();
    struct graph *g = fake_up(CHAIN);
    assert_int_equal(fake_count(FAKE_UPDATE, "ecs.task/E-web"), 1);
    assert_int_equal(fake_count(FAKE_UPDATE, "ecs.service/E-web"), 1);
    assert_int_equal(fake_writes(), 2);
    assert_string_equal(json_str(fake_thing("ecs.service/E-web")->state, "Task"), "E-web:2");
    graph_free(g);
}

/* The plan may overstate: what turns out the same is not written. */
static void test_an_unknown_value_that_stays_the_same_writes_nothing(void **state)
{
    (void)state;
    static const char text[] = "[{\"type\":\"store.repo\",\"label\":\"r\",\"want\":{\"A\":1}},"
                               " {\"type\":\"net.group\",\"label\":\"g\",\"want\":{\"I\":{\"${}\":"
                               "\"${store.repo/r.Id}\"}}}]";
    graph_free(fake_up(text));
    json_put_int(fake_thing("store.repo/E-r")->state, "A", 2);
    fake_forget_events();
    struct graph *g = fake_graph(text);
    g->context.update_account = true;
    struct err err = ERR_INIT;
    fake_plan(g);
    assert_int_equal(graph_find(g, "net.group/g")->action, ACTION_UPDATE);
    assert_int_equal(engine_apply(NULL, g, &options, &err), 0);
    assert_int_equal(fake_count(FAKE_UPDATE, "store.repo/E-r"), 1);
    assert_int_equal(fake_writes(), 1);
    fake_assert_progress(g, "net.group/g", PROGRESS_DONE);
    graph_free(g);
}

static void test_what_is_independent_runs_in_parallel(void **state)
{
    (void)state;
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    for (int i = 0; i < 24; i++) {
        strbuf_addf(&text, "%s{\"type\":\"net.group\",\"label\":\"g%d\"}", i ? "," : "[", i);
        char name[64];
        snprintf(name, sizeof(name), "net.group/E-g%d", i);
        fake_thing(name)->delay = 0.05;
    }
    strbuf_addc(&text, ']');
    graph_free(fake_up(text.buf));
    assert_int_equal(fake_most_at_once(), options.workers);
}

static void test_needs_exists_does_not_wait_for_ready(void **state)
{
    (void)state;
    fake_thing("store.box/E-slow")->looks = 20;
    graph_free(
        fake_up("[{\"type\":\"net.group\",\"label\":\"eager\",\"exists\":[\"store.box/slow\"],"
                "  \"want\":{\"B\":{\"${}\":\"${store.box/slow.Id}\"}}},"
                " {\"type\":\"net.group\",\"label\":\"patient\",\"needs\":[\"store.box/slow\"]},"
                " {\"type\":\"store.box\",\"label\":\"slow\"}]"));
    fake_assert_before(FAKE_CREATE, "net.group/E-eager", FAKE_CREATE, "net.group/E-patient");
    assert_true(fake_first(FAKE_CREATE, "net.group/E-eager")->end <
                fake_last(FAKE_OBSERVE, "store.box/E-slow")->begin);
    fake_assert_before(FAKE_OBSERVE, "store.box/E-slow", FAKE_CREATE, "net.group/E-patient");
}

static void test_a_failure_stops_its_dependents_only(void **state)
{
    (void)state;
    fake_put("net.group/E-orphan", "{}", true);
    fake_thing("ecs.task/E-web")->fail = ERR_DENIED;
    struct graph *g = fake_graph(
        "[{\"type\":\"ecs.task\",\"label\":\"web\"},"
        " {\"type\":\"ecs.service\",\"label\":\"web\",\"needs\":[\"ecs.task/web\"]},"
        " {\"type\":\"ecs.service\",\"label\":\"after\",\"needs\":[\"ecs.service/web\"]},"
        " {\"type\":\"ecs.service\",\"label\":\"other\",\"needs\":[\"net.group/other\"]},"
        " {\"type\":\"net.group\",\"label\":\"other\"}]");
    _cleanup_err_ struct err err = ERR_INIT;
    assert_int_equal(fake_bring_up(g, &options, &err), -1);
    assert_int_equal(err.class, ERR_DENIED);
    assert_string_equal(err.message, "cannot create task definition 'E-web': fake:Write: "
                                     "'ecs.task/E-web' fails");
    fake_assert_progress(g, "ecs.task/web", PROGRESS_FAILED);
    fake_assert_progress(g, "ecs.service/web", PROGRESS_SKIPPED);
    fake_assert_progress(g, "ecs.service/after", PROGRESS_SKIPPED);
    fake_assert_progress(g, "ecs.service/other", PROGRESS_DONE);
    assert_string_equal(graph_find(g, "ecs.service/web")->error.message,
                        "needs task definition 'E-web', which failed");
    assert_string_equal(graph_find(g, "ecs.service/after")->error.message,
                        "needs service 'E-web', which was not tried");
    fake_assert_progress(g, "net.group/E-orphan", PROGRESS_SKIPPED);
    assert_int_equal(fake_count(FAKE_REMOVE, NULL), 0);
    graph_free(g);
    /* The next run goes on from there. */
    fake_thing("ecs.task/E-web")->fail = ERR_NONE;
    fake_forget_events();
    g = fake_up("[{\"type\":\"ecs.task\",\"label\":\"web\"},"
                " {\"type\":\"ecs.service\",\"label\":\"web\",\"needs\":[\"ecs.task/web\"]},"
                " {\"type\":\"ecs.service\",\"label\":\"after\",\"needs\":[\"ecs.service/web\"]},"
                " {\"type\":\"ecs.service\",\"label\":\"other\",\"needs\":[\"net.group/other\"]},"
                " {\"type\":\"net.group\",\"label\":\"other\"}]");
    assert_int_equal(fake_count(FAKE_CREATE, NULL), 3);
    assert_int_equal(fake_count(FAKE_REMOVE, "net.group/E-orphan"), 1);
    graph_free(g);
}

static void test_orphans_go_last_and_in_the_order_of_types(void **state)
{
    (void)state;
    fake_put("net.group/E-old", "{}", true);
    fake_put("ecs.task/E-old", "{}", true);
    fake_put("ecs.service/E-old", "{}", true)->gone_after = 4;
    fake_put("ecs.service/E-older", "{}", true)->busy = 2;
    fake_put("ecs.service/E-foreign", "{}", false);
    fake_thing("ecs.service/E-web")->looks = 5;
    graph_free(fake_up(CHAIN));
    fake_assert_before(FAKE_CREATE, "ecs.service/E-web", FAKE_REMOVE, "ecs.service/E-old");
    fake_assert_before(FAKE_REMOVE, "ecs.service/E-older", FAKE_REMOVE, "ecs.task/E-old");
    fake_assert_before(FAKE_REMOVE, "ecs.task/E-old", FAKE_REMOVE, "net.group/E-old");
    assert_int_equal(fake_count(FAKE_REMOVE, "ecs.service/E-older"), 3);
    assert_int_equal(fake_count(FAKE_REMOVE, NULL), 1 + 3 + 1 + 1);
    assert_false(fake_thing("ecs.service/E-old")->there);
    assert_true(fake_thing("ecs.service/E-foreign")->there);
}

static void test_a_removal_that_fails_stops_those_behind_it(void **state)
{
    (void)state;
    fake_put("net.group/E-old", "{}", true);
    fake_put("ecs.service/E-old", "{}", true)->fail = ERR_FAILED;
    fake_put("ecs.service/E-other", "{}", true);
    struct graph *g = fake_graph("[]");
    _cleanup_err_ struct err err = ERR_INIT;
    assert_int_equal(fake_bring_up(g, &options, &err), -1);
    assert_int_equal(err.class, ERR_FAILED);
    fake_assert_progress(g, "net.group/E-old", PROGRESS_SKIPPED);
    assert_string_equal(graph_find(g, "net.group/E-old")->error.message,
                        "not removed: first must go service 'E-old', which failed");
    assert_true(fake_thing("net.group/E-old")->there);
    fake_assert_progress(g, "ecs.service/E-other", PROGRESS_DONE);
    graph_free(g);
}

static void vanish(unsigned n)
{
    (void)n;
    fake_thing("net.group/E-old")->there = false;
}

static void test_what_somebody_else_removes_is_gone(void **state)
{
    (void)state;
    fake_put("net.group/E-old", "{}", true)->fail = ERR_NOT_FOUND;
    struct graph *g = fake_graph("[]");
    _cleanup_err_ struct err err = ERR_INIT;
    fake_on_write = vanish;
    assert_int_equal(fake_bring_up(g, &options, &err), 0);
    fake_on_write = NULL;
    fake_assert_progress(g, "net.group/E-old", PROGRESS_DONE);
    graph_free(g);
}

static void test_somebody_else_creates_it_first(void **state)
{
    (void)state;
    static const char text[] = "[{\"type\":\"net.group\",\"label\":\"g\",\"want\":{\"P\":1}}]";
    static const struct {
        const char *racer, *type;
        bool foreign;
        size_t updates;
    } cases[] = { { "{\"P\":1}", "net.group", false, 0 },
                  { "{\"P\":2}", "net.group", false, 1 },
                  { "{\"P\":1}", "net.group", true, 0 } };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct fake_thing *t = fake_thing("net.group/E-g");
        t->there = false;
        t->race = true;
        cJSON_Delete(t->racer);
        t->racer = cJSON_Parse(cases[i].racer);
        cJSON_Delete(t->tags);
        t->tags = cases[i].foreign ? cJSON_CreateObject() : NULL;
        fake_forget_events();
        struct graph *g = fake_graph(text);
        _cleanup_err_ struct err err = ERR_INIT;
        int status = fake_bring_up(g, &options, &err);
        assert_int_equal(status, cases[i].foreign ? -1 : 0);
        if (cases[i].foreign)
            assert_int_equal(err.class, ERR_CONFLICT);
        assert_int_equal(fake_count(FAKE_CREATE, NULL), 1);
        assert_int_equal(fake_count(FAKE_UPDATE, NULL), cases[i].updates);
        graph_free(g);
    }
}

static void test_a_shared_one_created_first_by_another_branch_is_used(void **state)
{
    (void)state;
    struct fake_thing *t = fake_thing("store.repo/E-r");
    t->race = true;
    t->racer = cJSON_Parse("{\"P\":2}");
    t->tags = cJSON_CreateObject();
    graph_free(fake_up("[{\"type\":\"store.repo\",\"label\":\"r\",\"want\":{\"P\":1}}]"));
    assert_int_equal(fake_count(FAKE_UPDATE, NULL), 0);
}

static void test_what_create_does_not_show_is_observed(void **state)
{
    (void)state;
    fake_thing("net.group/E-g")->lazy = true;
    struct graph *g = fake_up("[{\"type\":\"net.group\",\"label\":\"g\"}]");
    assert_non_null(graph_find(g, "net.group/g")->have);
    assert_int_equal(fake_count(FAKE_CREATE, NULL), 1);
    graph_free(g);
}

static void test_busy_is_tried_again(void **state)
{
    (void)state;
    fake_thing("net.group/E-g")->busy = 3;
    graph_free(fake_up("[{\"type\":\"net.group\",\"label\":\"g\"}]"));
    assert_int_equal(fake_count(FAKE_CREATE, NULL), 4);
}

static void test_nothing_is_done_if_begin_fails(void **state)
{
    (void)state;
    fake_begin_fails = ERR_DENIED;
    struct graph *g = fake_graph(CHAIN);
    _cleanup_err_ struct err err = ERR_INIT;
    assert_int_equal(fake_bring_up(g, &options, &err), -1);
    assert_int_equal(err.class, ERR_DENIED);
    assert_int_equal(fake_writes(), 0);
    fake_assert_progress(g, "ecs.task/web", PROGRESS_SKIPPED);
    graph_free(g);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, fake_tear_down)
    const struct CMUnitTest tests[] = {
        T(test_needs_come_first_and_values_arrive),
        T(test_nothing_to_do_writes_nothing),
        T(test_a_change_reaches_what_refers_to_it),
        T(test_an_unknown_value_that_stays_the_same_writes_nothing),
        T(test_what_is_independent_runs_in_parallel),
        T(test_needs_exists_does_not_wait_for_ready),
        T(test_a_failure_stops_its_dependents_only),
        T(test_orphans_go_last_and_in_the_order_of_types),
        T(test_a_removal_that_fails_stops_those_behind_it),
        T(test_what_somebody_else_removes_is_gone),
        T(test_somebody_else_creates_it_first),
        T(test_a_shared_one_created_first_by_another_branch_is_used),
        T(test_what_create_does_not_show_is_observed),
        T(test_busy_is_tried_again),
        T(test_nothing_is_done_if_begin_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
