/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

#include "executor/engine/report.h"
#include "tests/unit/fake.h"

/* How a run waits for what it has begun, and how it ends when it is to wait no longer. */

static int set_up(void **state)
{
    fake_service.deadline = fake_group.deadline = fake_box.deadline = 0;
    return fake_set_up(state);
}

static void assert_fails(const char *text, const char *address, enum err_class class,
                         const char *message)
{
    struct graph *g = fake_graph(text);
    _cleanup_err_ struct err err = ERR_INIT;
    assert_int_equal(fake_bring_up(g, &fake_options, &err), -1);
    if (!str_glob(message, err.message))
        fail_msg("'%s' is not '%s'", err.message, message);
    assert_string_equal(err_class_name(err.class), err_class_name(class));
    fake_assert_progress(g, address, PROGRESS_FAILED);
    graph_free(g);
}

static void test_deadlines(void **state)
{
    (void)state;
    double start = clock_now();
    fake_service.deadline = fake_group.deadline = fake_box.deadline = 0.1;
    fake_thing("ecs.service/E-s")->looks = 100000;
    assert_fails("[{\"type\":\"ecs.service\",\"label\":\"s\"}]", "ecs.service/s", ERR_UNHEALTHY,
                 "service 'E-s' is not ready after 0.1 s: * more looks");
    fake_thing("ecs.service/E-s")->there = false;
    fake_thing("net.group/E-g")->looks = 100000;
    assert_fails("[{\"type\":\"net.group\",\"label\":\"g\"}]", "net.group/g", ERR_TIMEOUT,
                 "group 'E-g' is not ready after 0.1 s: * more looks");
    fake_thing("net.group/E-g")->there = false;
    fake_thing("store.repo/E-busy")->busy = 100000;
    fake_repo.deadline = 0.1;
    assert_fails("[{\"type\":\"store.repo\",\"label\":\"busy\"}]", "store.repo/busy", ERR_TIMEOUT,
                 "*'E-busy' is not ready after 0.1 s: 'store.repo/E-busy' is in use by something");
    fake_repo.deadline = 0;
    fake_put("net.group/E-stuck", "{}", true)->gone_after = 100000;
    assert_fails("[]", "net.group/E-stuck", ERR_TIMEOUT,
                 "group 'E-stuck' is not gone after 0.1 s: still there");
    assert_true(clock_now() - start < 10);
}

/* A resource may have a deadline of its own, which is not that of its removal. */
static void test_a_deadline_of_its_own(void **state)
{
    (void)state;
    _cleanup_err_ struct err err = ERR_INIT;
    fake_thing("ecs.service/E-a")->looks = 1000000;
    struct graph *g = fake_graph("[{\"type\":\"ecs.service\",\"label\":\"a\"}]");
    graph_find(g, "ecs.service/a")->deadline = 0.1;
    assert_int_equal(fake_bring_up(g, &fake_options, &err), -1);
    assert_int_equal(err.class, ERR_UNHEALTHY);
    assert_non_null(strstr(err.message, "is not ready after 0.1 s"));
    graph_free(g);
}

/* Another run has created it meanwhile, and takes it back when this one has found it. */
static void test_what_was_taken_over_is_looked_at_in_the_end(void **state)
{
    (void)state;
    fake_service.deadline = 4; /* of which a twentieth passes until it counts as gone */
    struct fake_thing *t = fake_thing("ecs.service/E-a");
    t->race = true;
    t->racer = cJSON_Parse("{}");
    t->vanish = 3;
    assert_fails("[{\"type\":\"ecs.service\",\"label\":\"a\"}]", "ecs.service/a", ERR_FAILED,
                 "service 'E-a' was there, and is gone: *");
    assert_true(fake_count(FAKE_OBSERVE, "ecs.service/E-a") > 2);
}

/* Where the driver says that it is AWS's affair, it is. */
static void test_an_application_without_blame(void **state)
{
    (void)state;
    _cleanup_err_ struct err err = ERR_INIT;
    fake_thing("ecs.service/E-a")->broken = true;
    struct graph *g = fake_graph("[{\"type\":\"ecs.service\",\"label\":\"a\"}]");
    json_put_bool(graph_find(g, "ecs.service/a")->memo, RESOURCE_BLAMELESS, true);
    assert_int_equal(fake_bring_up(g, &fake_options, &err), -1);
    assert_int_equal(err.class, ERR_FAILED);
    graph_free(g);
}

static void test_what_vanishes_is_not_awaited_to_the_deadline(void **state)
{
    (void)state;
    double start = clock_now();
    fake_service.deadline = 20;
    struct fake_thing *t = fake_thing("ecs.service/E-s");
    t->looks = 100000;
    t->vanish = 6;
    assert_fails("[{\"type\":\"ecs.service\",\"label\":\"s\"}]", "ecs.service/s", ERR_FAILED,
                 "service 'E-s' was there, and is gone: * run the job again");
    assert_true(t->observed > 7); /* one stale answer is not enough */
    assert_true(clock_now() - start < 15);
}

static void test_what_is_missed_once_is_awaited(void **state)
{
    (void)state;
    _cleanup_err_ struct err err = ERR_INIT;
    struct fake_thing *t = fake_thing("ecs.service/E-s");
    t->looks = 9;
    t->miss = 5;
    struct graph *g = fake_graph("[{\"type\":\"ecs.service\",\"label\":\"s\"}]");
    assert_int_equal(fake_bring_up(g, &fake_options, &err), 0);
    assert_true(t->observed > 5);
    fake_assert_progress(g, "ecs.service/s", PROGRESS_DONE);
    graph_free(g);
}

static void test_what_is_broken_fails_at_once(void **state)
{
    (void)state;
    fake_thing("ecs.service/E-s")->broken = true;
    assert_fails("[{\"type\":\"ecs.service\",\"label\":\"s\"}]", "ecs.service/s", ERR_UNHEALTHY,
                 "service 'E-s' failed: it is broken");
    fake_thing("net.group/E-g")->broken = true;
    assert_fails("[{\"type\":\"net.group\",\"label\":\"g\"}]", "net.group/g", ERR_FAILED,
                 "group 'E-g' failed: it is broken");
    /* Unchanged, and still broken: red again. */
    fake_forget_events();
    assert_fails("[{\"type\":\"ecs.service\",\"label\":\"s\"}]", "ecs.service/s", ERR_UNHEALTHY,
                 "service 'E-s' failed: it is broken");
    assert_int_equal(fake_count(FAKE_UPDATE, NULL) + fake_count(FAKE_CREATE, NULL), 0);
}

static void test_what_is_unchanged_but_not_ready_is_awaited(void **state)
{
    (void)state;
    static const char text[] = "[{\"type\":\"ecs.service\",\"label\":\"s\"},"
                               " {\"type\":\"ecs.service\",\"label\":\"t\","
                               "  \"needs\":[\"ecs.service/s\"]}]";
    fake_put("ecs.service/E-s", "{}", true)->looks_left = 10;
    struct graph *g = fake_up(text);
    assert_int_equal(fake_writes(), 1);
    assert_int_equal(fake_thing("ecs.service/E-s")->looks_left, 0);
    fake_assert_before(FAKE_OBSERVE, "ecs.service/E-s", FAKE_CREATE, "ecs.service/E-t");
    graph_free(g);
}

static void test_changed_services_are_looked_at_last(void **state)
{
    (void)state;
    static const char text[] = "[{\"type\":\"ecs.service\",\"label\":\"s\"},"
                               " {\"type\":\"net.group\",\"label\":\"g\"}]";
    fake_put("net.group/E-old", "{}", true);
    fake_thing("net.group/E-g")->looks = 20;
    fake_thing("ecs.service/E-s")->relapse = 2; /* the first look is the plan's */
    struct graph *g = fake_up(text);
    assert_true(fake_first(FAKE_REMOVE, "net.group/E-old")->end <
                fake_last(FAKE_OBSERVE, "ecs.service/E-s")->begin);
    /* Before, last of all (not ready), and until it was ready again. */
    assert_int_equal(fake_count(FAKE_OBSERVE, "ecs.service/E-s"), 3);
    fake_assert_progress(g, "ecs.service/s", PROGRESS_DONE);
    graph_free(g);
}

/* What a run has left as it was is looked at in the end, if it has written anything: its verdict is
 * about all that it may act on. Where that is not well, it is awaited. */
static void test_unchanged_services_are_looked_at_last(void **state)
{
    (void)state;
    static const char *const all[] = { "net", "ecs", NULL }, *const net[] = { "net", NULL };
    static const struct {
        bool writes;
        const char *const *selected;
        int relapse, vanish;
        size_t looks;
        enum progress progress;
    } cases[] = {
        { false, all, .relapse = 2, .looks = 1, .progress = PROGRESS_DONE },
        { true, net, .relapse = 2, .looks = 1, .progress = PROGRESS_DONE },
        { true, all, .looks = 2, .progress = PROGRESS_DONE },
        { true, all, .relapse = 2, .looks = 3, .progress = PROGRESS_DONE },
        { true, all, .vanish = 2, .looks = 0, .progress = PROGRESS_FAILED },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        fake_tear_down(NULL);
        fake_set_up(NULL);
        fake_service.deadline = 1;
        struct fake_thing *thing = fake_put("ecs.service/E-s", "{}", true);
        thing->relapse = cases[i].relapse;
        thing->vanish = cases[i].vanish;
        if (!cases[i].writes)
            fake_put("net.group/E-g", "{}", true);
        struct graph *g = fake_graph("[{\"type\":\"ecs.service\",\"label\":\"s\"},"
                                     " {\"type\":\"net.group\",\"label\":\"g\"}]");
        const struct selection selection = { .drivers = cases[i].selected };
        struct plan_counts counts;
        _cleanup_err_ struct err err = ERR_INIT;
        assert_int_equal(engine_observe(NULL, g, &fake_options, &err), 0);
        assert_int_equal(engine_plan(g, &selection, &counts, &err), 0);
        assert_int_equal(engine_apply(NULL, g, &fake_options, &err),
                         cases[i].progress == PROGRESS_DONE ? 0 : -1);
        assert_int_equal(fake_writes(), cases[i].writes);
        if (cases[i].looks > 0)
            assert_int_equal(fake_count(FAKE_OBSERVE, "ecs.service/E-s"), cases[i].looks);
        fake_assert_progress(g, "ecs.service/s", cases[i].progress);
        graph_free(g);
    }
}

/* Cancelled during its n-th write, for every n, a run ends at once, without anything half known;
 * the next one converges. */
static void test_cancel_at_every_write(void **state)
{
    (void)state;
    static const char text[] =
        "[{\"type\":\"net.group\",\"label\":\"a\"},"
        " {\"type\":\"store.box\",\"label\":\"b\",\"needs\":[\"net.group/a\"]},"
        " {\"type\":\"ecs.task\",\"label\":\"c\",\"needs\":[\"store.box/b\"]},"
        " {\"type\":\"ecs.service\",\"label\":\"d\",\"needs\":[\"ecs.task/c\"]}]";
    for (unsigned cancel_at = 1; cancel_at <= 5; cancel_at++) {
        fake_tear_down(NULL);
        fake_set_up(NULL);
        fake_put("net.group/E-old", "{}", true);
        fake_thing("store.box/E-b")->looks = 2;
        fake_cancel_at(&fake_cancel, cancel_at);
        struct graph *g = fake_graph(text);
        _cleanup_err_ struct err err = ERR_INIT;
        fake_plan(g);
        assert_int_equal(engine_apply(NULL, g, &fake_options, &err), -1);
        assert_int_equal(err.class, ERR_CANCELLED);
        assert_int_equal(fake_writes(), cancel_at);
        for (size_t i = 0; i < g->n; i++)
            assert_in_range(g->v[i]->progress, PROGRESS_DONE, PROGRESS_SKIPPED);
        graph_free(g);
        fake_on_write = NULL;
        fake_cancel.set = false;
        graph_free(fake_up(text));
        assert_int_equal(fake_writes(), 5);
        assert_false(fake_thing("net.group/E-old")->there);
    }
}

static void cancel_soon(void *arg)
{
    struct timespec span = { .tv_nsec = 30000000 };
    (void)arg;
    nanosleep(&span, NULL);
    cancel_set(&fake_cancel);
}

static void test_cancel_while_waiting_wakes_up(void **state)
{
    (void)state;
    struct engine_options o = fake_options;
    o.poll_first = o.poll_max = 3600;
    fake_thing("ecs.service/E-s")->looks = 5;
    struct graph *g = fake_graph("[{\"type\":\"ecs.service\",\"label\":\"s\"}]");
    fake_plan(g);
    uv_thread_t thread;
    uv_thread_create(&thread, cancel_soon, NULL);
    double start = clock_now();
    _cleanup_err_ struct err err = ERR_INIT;
    assert_int_equal(engine_apply(NULL, g, &o, &err), -1);
    uv_thread_join(&thread);
    assert_true(clock_now() - start < 5);
    assert_int_equal(err.class, ERR_CANCELLED);
    fake_assert_progress(g, "ecs.service/s", PROGRESS_FAILED);
    assert_true(fake_thing("ecs.service/E-s")->there);
    graph_free(g);
}

/* The cancel comes while the look is on its way. */
static int (*observe_whole)(struct session *s, struct resource *const *r, size_t n,
                            struct err *err);
static int observe_cut_short(struct session *s, struct resource *const *r, size_t n,
                             struct err *err)
{
    if (r[0]->progress != PROGRESS_SETTLING)
        return observe_whole(s, r, n, err);
    cancel_set(&fake_cancel);
    return err_set(err, ERR_CANCELLED, "DescribeServices: cancelled before it was sent");
}

static void test_cancel_during_a_look_says_what_was_awaited(void **state)
{
    (void)state;
    fake_thing("ecs.service/E-s")->looks = 5;
    struct graph *g = fake_graph("[{\"type\":\"ecs.service\",\"label\":\"s\"}]");
    fake_plan(g);
    _cleanup_err_ struct err err = ERR_INIT;
    observe_whole = fake_service.observe;
    fake_service.observe = observe_cut_short;
    assert_int_equal(engine_apply(NULL, g, &fake_options, &err), -1);
    fake_service.observe = observe_whole;
    assert_non_null(strstr(g->v[0]->error.message,
                           "service 'E-s' is no longer awaited, since the job was cancelled: "));
    graph_free(g);
}

/* Has AWS begun a step, and ends for the next with ERR_BUSY, as if other work were in its way. */
static bool step_is_begun;
static int update_in_steps(struct session *s, struct resource *r, struct err *err)
{
    (void)s;
    if (step_is_begun)
        json_put_bool(r->memo, RESOURCE_BEGUN, true);
    cancel_set(&fake_cancel);
    return err_set(err, ERR_BUSY, "modifying");
}

static void test_a_step_that_is_begun_goes_on(void **state)
{
    (void)state;
    int (*const update)(struct session *, struct resource *, struct err *) = fake_service.update;
    for (int i = 0; i < 2; i++) {
        step_is_begun = i == 1;
        fake_cancel.set = false;
        fake_put("ecs.service/E-s", "{\"Size\":1}", true);
        struct graph *g =
            fake_graph("[{\"type\":\"ecs.service\",\"label\":\"s\",\"want\":{\"Size\":2}}]");
        fake_plan(g);
        fake_service.update = update_in_steps;
        _cleanup_err_ struct err err = ERR_INIT;
        _cleanup_strbuf_ struct strbuf begun = STRBUF_INIT;
        assert_int_equal(engine_apply(NULL, g, &fake_options, &err), -1);
        fake_service.update = update;
        assert_int_equal(err.class, ERR_CANCELLED);
        assert_int_equal(report_begun(g, &begun), step_is_begun);
        graph_free(g);
    }
}

static void test_cancelled_before_it_begins(void **state)
{
    (void)state;
    struct graph *g = fake_graph("[{\"type\":\"ecs.task\",\"label\":\"web\"}]");
    fake_plan(g);
    cancel_set(&fake_cancel);
    _cleanup_err_ struct err err = ERR_INIT;
    assert_int_equal(engine_apply(NULL, g, &fake_options, &err), -1);
    assert_int_equal(err.class, ERR_CANCELLED);
    assert_int_equal(fake_writes() + fake_count(FAKE_BEGIN, NULL), 0);
    graph_free(g);
}

/* A look takes as many as a batch allows, and the pause between looks grows. */
static void test_looks_are_batched(void **state)
{
    (void)state;
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    for (int i = 0; i < 14; i++) {
        strbuf_addf(&text, "%s{\"type\":\"ecs.service\",\"label\":\"s%d\"}", i ? "," : "[", i);
        char name[64];
        snprintf(name, sizeof(name), "ecs.service/E-s%d", i);
        fake_thing(name)->looks = 4;
    }
    strbuf_addc(&text, ']');
    graph_free(fake_up(text.buf));
    /* 14 fit into two batches: reading, 4 looks or some more, and the last one; one by one they
     * would be 6 * 14. */
    assert_in_range(fake_count(FAKE_OBSERVE, NULL), 2 + 2 * 4 + 2, 3 * 14);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, fake_tear_down)
    const struct CMUnitTest tests[] = {
        T(test_deadlines),
        T(test_a_deadline_of_its_own),
        T(test_what_was_taken_over_is_looked_at_in_the_end),
        T(test_an_application_without_blame),
        T(test_what_vanishes_is_not_awaited_to_the_deadline),
        T(test_what_is_missed_once_is_awaited),
        T(test_what_is_broken_fails_at_once),
        T(test_what_is_unchanged_but_not_ready_is_awaited),
        T(test_changed_services_are_looked_at_last),
        T(test_unchanged_services_are_looked_at_last),
        T(test_cancel_at_every_write),
        T(test_cancel_while_waiting_wakes_up),
        T(test_cancel_during_a_look_says_what_was_awaited),
        T(test_cancelled_before_it_begins),
        T(test_a_step_that_is_begun_goes_on),
        T(test_looks_are_batched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
