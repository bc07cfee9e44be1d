/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

#include "tests/unit/fake.h"

static struct cancel cancel;
static unsigned n_progress, n_ticks;

static void on_progress(void *context, const struct graph *g, const struct resource *changed)
{
    (void)context, (void)g;
    n_progress += changed != NULL;
    n_ticks += changed == NULL;
}

static const struct engine_options options = { .workers = 8,
                                               .poll_first = 0.002,
                                               .poll_max = 0.01,
                                               .cancel = &cancel,
                                               .on_progress = on_progress };

static int set_up(void **state)
{
    (void)state;
    cancel_init(&cancel);
    fake_init();
    fake_service.deadline = fake_group.deadline = fake_box.deadline = 0;
    n_progress = n_ticks = 0;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fake_release();
    cancel_release(&cancel);
    return 0;
}

static void plan(struct graph *g)
{
    struct err err = ERR_INIT;
    struct plan_counts counts;
    if (engine_observe(NULL, g, &options, &err) < 0 || engine_plan(g, NULL, &counts, &err) < 0)
        fail_msg("%s", err.message);
}

/* Observes, plans and applies; the result of the apply. */
static int bring_up(struct graph *g, struct err *err)
{
    plan(g);
    return engine_apply(NULL, g, &options, err);
}

static struct graph *up(const char *text)
{
    struct err err = ERR_INIT;
    struct graph *g = fake_graph(text);
    if (bring_up(g, &err) < 0)
        fail_msg("%s", err.message);
    return g;
}

static size_t writes(void)
{
    return fake_count(FAKE_CREATE, NULL) + fake_count(FAKE_UPDATE, NULL) +
           fake_count(FAKE_REMOVE, NULL);
}

static void assert_before(enum fake_op op_a, const char *a, enum fake_op op_b, const char *b)
{
    const struct fake_event *first = fake_last(op_a, a), *second = fake_first(op_b, b);
    assert_non_null(first);
    assert_non_null(second);
    if (first->end >= second->begin)
        fail_msg("%s does not end before %s begins", a, b);
}

static void assert_progress(const struct graph *g, const char *address, enum progress progress)
{
    const struct resource *r = graph_find(g, address);
    assert_non_null(r);
    if (r->progress != progress)
        fail_msg("%s: progress %d, expected %d (%s)", address, r->progress, progress,
                 r->error.message ? r->error.message : "no error");
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
    struct graph *g = up(CHAIN);
    assert_before(FAKE_CREATE, "ecs.task/E-web", FAKE_CREATE, "ecs.service/E-web");
    assert_before(FAKE_CREATE, "net.group/E-web", FAKE_CREATE, "ecs.service/E-web");
    assert_before(FAKE_BEGIN, "store", FAKE_CREATE, "ecs.task/E-web");
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
    graph_free(up(CHAIN));
    fake_forget_events();
    n_progress = 0;
    graph_free(up(CHAIN));
    assert_int_equal(writes(), 0);
    assert_int_equal(fake_count(FAKE_BEGIN, NULL), 0);
    assert_int_equal(n_progress, 0);
}

/* The service's task is known only after its update: the plan says so, and apply finds out. */
static void test_a_change_reaches_what_refers_to_it(void **state)
{
    (void)state;
    graph_free(up(CHAIN));
    json_put_int(fake_thing("ecs.task/E-web")->state, "Cpu", 128);
    fake_forget_events();
    struct graph *g = up(CHAIN);
    assert_int_equal(fake_count(FAKE_UPDATE, "ecs.task/E-web"), 1);
    assert_int_equal(fake_count(FAKE_UPDATE, "ecs.service/E-web"), 1);
    assert_int_equal(writes(), 2);
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
    graph_free(up(text));
    json_put_int(fake_thing("store.repo/E-r")->state, "A", 2);
    fake_forget_events();
    struct graph *g = fake_graph(text);
    g->context.update_account = true;
    struct err err = ERR_INIT;
    plan(g);
    assert_int_equal(graph_find(g, "net.group/g")->action, ACTION_UPDATE);
    assert_int_equal(engine_apply(NULL, g, &options, &err), 0);
    assert_int_equal(fake_count(FAKE_UPDATE, "store.repo/E-r"), 1);
    assert_int_equal(writes(), 1);
    assert_progress(g, "net.group/g", PROGRESS_DONE);
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
    graph_free(up(text.buf));
    assert_int_equal(fake_most_at_once(), options.workers);
}

static void test_needs_exists_does_not_wait_for_ready(void **state)
{
    (void)state;
    fake_thing("store.box/E-slow")->looks = 20;
    graph_free(up("[{\"type\":\"net.group\",\"label\":\"eager\",\"exists\":[\"store.box/slow\"],"
                  "  \"want\":{\"B\":{\"${}\":\"${store.box/slow.Id}\"}}},"
                  " {\"type\":\"net.group\",\"label\":\"patient\",\"needs\":[\"store.box/slow\"]},"
                  " {\"type\":\"store.box\",\"label\":\"slow\"}]"));
    assert_before(FAKE_CREATE, "net.group/E-eager", FAKE_CREATE, "net.group/E-patient");
    assert_true(fake_first(FAKE_CREATE, "net.group/E-eager")->end <
                fake_last(FAKE_OBSERVE, "store.box/E-slow")->begin);
    assert_before(FAKE_OBSERVE, "store.box/E-slow", FAKE_CREATE, "net.group/E-patient");
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
    assert_int_equal(bring_up(g, &err), -1);
    assert_int_equal(err.class, ERR_DENIED);
    assert_string_equal(err.message, "cannot create task definition 'E-web': fake:Write: "
                                     "'ecs.task/E-web' fails");
    assert_progress(g, "ecs.task/web", PROGRESS_FAILED);
    assert_progress(g, "ecs.service/web", PROGRESS_SKIPPED);
    assert_progress(g, "ecs.service/after", PROGRESS_SKIPPED);
    assert_progress(g, "ecs.service/other", PROGRESS_DONE);
    assert_string_equal(graph_find(g, "ecs.service/web")->error.message,
                        "needs task definition 'E-web', which failed");
    assert_string_equal(graph_find(g, "ecs.service/after")->error.message,
                        "needs service 'E-web', which was not tried");
    assert_progress(g, "net.group/E-orphan", PROGRESS_SKIPPED);
    assert_int_equal(fake_count(FAKE_REMOVE, NULL), 0);
    graph_free(g);
    /* The next run goes on from there. */
    fake_thing("ecs.task/E-web")->fail = ERR_NONE;
    fake_forget_events();
    g = up("[{\"type\":\"ecs.task\",\"label\":\"web\"},"
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
    graph_free(up(CHAIN));
    assert_before(FAKE_CREATE, "ecs.service/E-web", FAKE_REMOVE, "ecs.service/E-old");
    assert_before(FAKE_REMOVE, "ecs.service/E-older", FAKE_REMOVE, "ecs.task/E-old");
    assert_before(FAKE_REMOVE, "ecs.task/E-old", FAKE_REMOVE, "net.group/E-old");
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
    assert_int_equal(bring_up(g, &err), -1);
    assert_int_equal(err.class, ERR_FAILED);
    assert_progress(g, "net.group/E-old", PROGRESS_SKIPPED);
    assert_string_equal(graph_find(g, "net.group/E-old")->error.message,
                        "not removed: first must go service 'E-old', which failed");
    assert_true(fake_thing("net.group/E-old")->there);
    assert_progress(g, "ecs.service/E-other", PROGRESS_DONE);
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
    assert_int_equal(bring_up(g, &err), 0);
    fake_on_write = NULL;
    assert_progress(g, "net.group/E-old", PROGRESS_DONE);
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
        int status = bring_up(g, &err);
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
    graph_free(up("[{\"type\":\"store.repo\",\"label\":\"r\",\"want\":{\"P\":1}}]"));
    assert_int_equal(fake_count(FAKE_UPDATE, NULL), 0);
}

static void test_what_create_does_not_show_is_observed(void **state)
{
    (void)state;
    fake_thing("net.group/E-g")->lazy = true;
    struct graph *g = up("[{\"type\":\"net.group\",\"label\":\"g\"}]");
    assert_non_null(graph_find(g, "net.group/g")->have);
    assert_int_equal(fake_count(FAKE_CREATE, NULL), 1);
    graph_free(g);
}

static void test_busy_is_tried_again(void **state)
{
    (void)state;
    fake_thing("net.group/E-g")->busy = 3;
    graph_free(up("[{\"type\":\"net.group\",\"label\":\"g\"}]"));
    assert_int_equal(fake_count(FAKE_CREATE, NULL), 4);
}

static void assert_fails(const char *text, const char *address, enum err_class class,
                         const char *message)
{
    struct graph *g = fake_graph(text);
    _cleanup_err_ struct err err = ERR_INIT;
    assert_int_equal(bring_up(g, &err), -1);
    if (!str_glob(message, err.message))
        fail_msg("'%s' is not '%s'", err.message, message);
    assert_string_equal(err_class_name(err.class), err_class_name(class));
    assert_progress(g, address, PROGRESS_FAILED);
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
    assert_int_equal(bring_up(g, &err), 0);
    assert_true(t->observed > 5);
    assert_progress(g, "ecs.service/s", PROGRESS_DONE);
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
    struct graph *g = up(text);
    assert_int_equal(writes(), 1);
    assert_int_equal(fake_thing("ecs.service/E-s")->looks_left, 0);
    assert_before(FAKE_OBSERVE, "ecs.service/E-s", FAKE_CREATE, "ecs.service/E-t");
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
    struct graph *g = up(text);
    assert_true(fake_first(FAKE_REMOVE, "net.group/E-old")->end <
                fake_last(FAKE_OBSERVE, "ecs.service/E-s")->begin);
    /* Before, last of all (not ready), and until it was ready again. */
    assert_int_equal(fake_count(FAKE_OBSERVE, "ecs.service/E-s"), 3);
    assert_progress(g, "ecs.service/s", PROGRESS_DONE);
    graph_free(g);
}

static void test_nothing_is_done_if_begin_fails(void **state)
{
    (void)state;
    fake_begin_fails = ERR_DENIED;
    struct graph *g = fake_graph(CHAIN);
    _cleanup_err_ struct err err = ERR_INIT;
    assert_int_equal(bring_up(g, &err), -1);
    assert_int_equal(err.class, ERR_DENIED);
    assert_int_equal(writes(), 0);
    assert_progress(g, "ecs.task/web", PROGRESS_SKIPPED);
    graph_free(g);
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
        tear_down(NULL);
        set_up(NULL);
        fake_put("net.group/E-old", "{}", true);
        fake_thing("store.box/E-b")->looks = 2;
        fake_cancel_at(&cancel, cancel_at);
        struct graph *g = fake_graph(text);
        _cleanup_err_ struct err err = ERR_INIT;
        plan(g);
        assert_int_equal(engine_apply(NULL, g, &options, &err), -1);
        assert_int_equal(err.class, ERR_CANCELLED);
        assert_int_equal(writes(), cancel_at);
        for (size_t i = 0; i < g->n; i++)
            assert_in_range(g->v[i]->progress, PROGRESS_DONE, PROGRESS_SKIPPED);
        graph_free(g);
        fake_on_write = NULL;
        cancel.set = false;
        graph_free(up(text));
        assert_int_equal(writes(), 5);
        assert_false(fake_thing("net.group/E-old")->there);
    }
}

static void cancel_soon(void *arg)
{
    struct timespec span = { .tv_nsec = 30000000 };
    (void)arg;
    nanosleep(&span, NULL);
    cancel_set(&cancel);
}

static void test_cancel_while_waiting_wakes_up(void **state)
{
    (void)state;
    struct engine_options o = options;
    o.poll_first = o.poll_max = 3600;
    fake_thing("ecs.service/E-s")->looks = 5;
    struct graph *g = fake_graph("[{\"type\":\"ecs.service\",\"label\":\"s\"}]");
    plan(g);
    uv_thread_t thread;
    uv_thread_create(&thread, cancel_soon, NULL);
    double start = clock_now();
    _cleanup_err_ struct err err = ERR_INIT;
    assert_int_equal(engine_apply(NULL, g, &o, &err), -1);
    uv_thread_join(&thread);
    assert_true(clock_now() - start < 5);
    assert_int_equal(err.class, ERR_CANCELLED);
    assert_progress(g, "ecs.service/s", PROGRESS_FAILED);
    assert_true(fake_thing("ecs.service/E-s")->there);
    graph_free(g);
}

static void test_cancelled_before_it_begins(void **state)
{
    (void)state;
    struct graph *g = fake_graph(CHAIN);
    plan(g);
    cancel_set(&cancel);
    _cleanup_err_ struct err err = ERR_INIT;
    assert_int_equal(engine_apply(NULL, g, &options, &err), -1);
    assert_int_equal(err.class, ERR_CANCELLED);
    assert_int_equal(writes() + fake_count(FAKE_BEGIN, NULL), 0);
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
    graph_free(up(text.buf));
    /* 14 fit into two batches: reading, 4 looks or some more, and the last one; one by one they
     * would be 6 * 14. */
    assert_in_range(fake_count(FAKE_OBSERVE, NULL), 2 + 2 * 4 + 2, 3 * 14);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
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
        T(test_deadlines),
        T(test_what_vanishes_is_not_awaited_to_the_deadline),
        T(test_what_is_missed_once_is_awaited),
        T(test_what_is_broken_fails_at_once),
        T(test_what_is_unchanged_but_not_ready_is_awaited),
        T(test_changed_services_are_looked_at_last),
        T(test_nothing_is_done_if_begin_fails),
        T(test_cancel_at_every_write),
        T(test_cancel_while_waiting_wakes_up),
        T(test_cancelled_before_it_begins),
        T(test_looks_are_batched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
