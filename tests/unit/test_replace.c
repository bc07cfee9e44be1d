/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/fake.h"

static int set_up(void **state)
{
    static const char *const boxes[] = { "store.box", NULL };
    fake_service.let_go = fake_let_go;
    fake_service.lets_go_of = boxes;
    return fake_set_up_replacing(state);
}

/* Observes and plans. */
static int try_plan(const char *text, struct graph **ret, struct err *err)
{
    struct plan_counts counts;
    *ret = fake_graph(text);
    (*ret)->context.limits = fake_limits;
    if (engine_observe(NULL, *ret, &fake_options, err) < 0)
        fail_msg("%s", err->message);
    return engine_plan(*ret, NULL, &counts, err);
}

static int bring_up(const char *text, struct graph **ret, struct err *err)
{
    if (try_plan(text, ret, err) < 0)
        fail_msg("%s", err->message);
    return engine_apply(NULL, *ret, &fake_options, err);
}

static void up(const char *text)
{
    struct err err = ERR_INIT;
    struct graph *g;
    if (bring_up(text, &g, &err) < 0)
        fail_msg("%s", err.message);
    graph_free(g);
}

static void assert_refused(const char *text, const char *message)
{
    struct err err = ERR_INIT;
    struct graph *g;
    assert_int_equal(try_plan(text, &g, &err), -1);
    assert_int_equal(err.class, ERR_REFUSED);
    assert_string_equal(err.message, message);
    err_release(&err);
    graph_free(g);
}

/* A box with a shelf in it, a service that uses the box, and a group that has nothing to do with
 * either. */
#define BOX(kind)                                                                                  \
    "[{\"type\":\"store.box\",\"label\":\"b\",\"want\":{\"Kind\":" kind "}},"                      \
    " {\"type\":\"store.shelf\",\"label\":\"s\",\"want\":{\"In\":{\"${}\":\"${store.box/"          \
    "b.Id}\"}}},"                                                                                  \
    " {\"type\":\"ecs.service\",\"label\":\"w\","                                                  \
    "  \"want\":{\"Uses\":{\"${}\":\"${store.box/b.Id}\"}}},"                                      \
    " {\"type\":\"net.group\",\"label\":\"g\",\"want\":{\"Kind\":\"x\"}}]"
#define BOX_OLD BOX("\"old\"")
#define BOX_NEW BOX("\"new\"")

static void test_what_is_precious_needs_leave(void **state)
{
    (void)state;
    up(BOX_OLD);
    cJSON_Delete(fake_limits);
    fake_limits = NULL;
    assert_refused(BOX_NEW,
                   "things.b: box 'E-b' would have to be replaced ('Kind' differs, which AWS "
                   "allows only in a new one), but holds data or an address and IS NOT REPLACED "
                   "unless the host config lists 'store.box' in limits.ephemeral.allowReplace: "
                   "set it back, or ask the host's administrator");
}

static void test_plan_says_what_will_happen(void **state)
{
    (void)state;
    up(BOX_OLD);
    struct err err = ERR_INIT;
    struct graph *g;
    assert_int_equal(try_plan(BOX_NEW, &g, &err), 0);
    const struct resource *box = graph_find(g, "store.box/b");
    assert_int_equal(box->action, ACTION_REPLACE);
    assert_string_equal(box->note, "THE OLD ONE GOES FIRST, WITH ALL IT HOLDS");
    assert_int_equal(graph_find(g, "store.shelf/s")->action, ACTION_REPLACE);
    assert_string_equal(graph_find(g, "store.shelf/s")->note, "replaced with what it belongs to");
    assert_int_equal(graph_find(g, "ecs.service/w")->action, ACTION_UPDATE);
    assert_int_equal(graph_find(g, "net.group/g")->action, ACTION_NONE);
    graph_free(g);
}

static void test_dependents_let_go_and_come_back(void **state)
{
    (void)state;
    up(BOX_OLD);
    fake_thing("store.box/E-b")->gone_after = 3;
    fake_thing("store.box/E-b")->busy = 2;
    fake_forget_events();
    up(BOX_NEW);
    fake_assert_before(FAKE_LET_GO, "ecs.service/E-w", FAKE_REMOVE, "store.box/E-b");
    fake_assert_before(FAKE_REMOVE, "store.shelf/E-s", FAKE_REMOVE, "store.box/E-b");
    fake_assert_before(FAKE_REMOVE, "store.box/E-b", FAKE_CREATE, "store.box/E-b");
    fake_assert_before(FAKE_CREATE, "store.box/E-b", FAKE_CREATE, "store.shelf/E-s");
    fake_assert_before(FAKE_CREATE, "store.box/E-b", FAKE_UPDATE, "ecs.service/E-w");
    assert_int_equal(fake_count(FAKE_CREATE, "store.box/E-b"), 1);
    assert_int_equal(fake_count(FAKE_LET_GO, NULL), 1);
    assert_string_equal(json_str(fake_thing("store.box/E-b")->state, "Kind"), "new");
    assert_string_equal(json_str(fake_thing("ecs.service/E-w")->state, "Uses"), "id-E-b");
    fake_forget_events();
    up(BOX_NEW);
    assert_int_equal(fake_count(FAKE_CREATE, NULL) + fake_count(FAKE_UPDATE, NULL) +
                         fake_count(FAKE_REMOVE, NULL) + fake_count(FAKE_LET_GO, NULL),
                     0);
}

static void test_what_nobody_wants_goes_with_it(void **state)
{
    (void)state;
    up(BOX_OLD);
    fake_put("store.shelf/E-unwanted", "{}", true);
    up(BOX_NEW);
    fake_assert_before(FAKE_REMOVE, "store.shelf/E-unwanted", FAKE_REMOVE, "store.box/E-b");
    assert_int_equal(fake_count(FAKE_REMOVE, "store.shelf/E-unwanted"), 1);
}

static void test_a_plan_may_overstate(void **state)
{
    (void)state;
    static const char text[] = "[{\"type\":\"store.box\",\"label\":\"b\","
                               "  \"want\":{\"Kind\":{\"${}\":\"${ecs.task/t.Rev}\"}}},"
                               " {\"type\":\"ecs.task\",\"label\":\"t\",\"want\":{\"Cpu\":1}}]";
    fake_put("ecs.task/E-t", "{\"Cpu\":2}", true);
    fake_put("store.box/E-b", "{\"Kind\":\"E-t:2\"}", true);
    struct err err = ERR_INIT;
    struct graph *g;
    assert_int_equal(try_plan(text, &g, &err), 0);
    assert_int_equal(graph_find(g, "store.box/b")->action, ACTION_REPLACE);
    assert_int_equal(engine_apply(NULL, g, &fake_options, &err), 0);
    assert_int_equal(fake_count(FAKE_REMOVE, NULL), 0);
    assert_int_equal(fake_count(FAKE_UPDATE, "ecs.task/E-t"), 1);
    graph_free(g);
    /* The next revision is another: now it is replaced. */
    json_put_int(fake_thing("ecs.task/E-t")->state, "Cpu", 3);
    up(text);
    assert_int_equal(fake_count(FAKE_REMOVE, "store.box/E-b"), 1);
    assert_string_equal(json_str(fake_thing("store.box/E-b")->state, "Kind"), "E-t:3");
}

/* A group that is replaced under a second name, and a service that uses it. */
#define GROUP(kind)                                                                                \
    "[{\"type\":\"net.group\",\"label\":\"g\",\"want\":{\"Kind\":\"" kind "\"}},"                  \
    " {\"type\":\"ecs.service\",\"label\":\"w\","                                                  \
    "  \"want\":{\"Uses\":{\"${}\":\"${net.group/g.Id}\"}}}]"

static void test_the_new_one_first(void **state)
{
    (void)state;
    up(GROUP("old"));
    fake_forget_events();
    up(GROUP("new"));
    fake_assert_before(FAKE_CREATE, "net.group/E-g-new", FAKE_UPDATE, "ecs.service/E-w");
    fake_assert_before(FAKE_UPDATE, "ecs.service/E-w", FAKE_REMOVE, "net.group/E-g");
    assert_int_equal(fake_count(FAKE_LET_GO, NULL), 0);
    assert_false(fake_thing("net.group/E-g")->there);
    assert_string_equal(json_str(fake_thing("ecs.service/E-w")->state, "Uses"), "id-E-g-new");
}

static void test_the_old_one_stays_where_the_new_one_fails(void **state)
{
    (void)state;
    up(GROUP("old"));
    fake_thing("net.group/E-g-new")->fail = ERR_QUOTA;
    struct err err = ERR_INIT;
    struct graph *g;
    assert_int_equal(bring_up(GROUP("new"), &g, &err), -1);
    assert_true(fake_thing("net.group/E-g")->there);
    assert_string_equal(json_str(fake_thing("ecs.service/E-w")->state, "Uses"), "id-E-g");
    err_release(&err);
    graph_free(g);
}

static void assert_error(const struct graph *g, const char *address, enum progress progress,
                         const char *message)
{
    const struct resource *r = graph_find(g, address);
    assert_int_equal(r->progress, progress);
    assert_string_equal(r->error.message, message);
}

static void test_a_failed_removal(void **state)
{
    (void)state;
    up(BOX_OLD);
    fake_thing("store.box/E-b")->fail = ERR_DENIED;
    struct err err = ERR_INIT;
    struct graph *g;
    assert_int_equal(bring_up(BOX_NEW, &g, &err), -1);
    assert_error(g, "store.box/b", PROGRESS_FAILED,
                 "cannot remove box 'E-b': fake:Write: 'store.box/E-b' fails");
    assert_error(g, "store.shelf/s", PROGRESS_SKIPPED,
                 "the old one is removed, and the new one not created yet; run the job again");
    assert_error(g, "ecs.service/w", PROGRESS_SKIPPED,
                 "it has let go of what is replaced, and is not back yet; run the job again");
    err_release(&err);
    graph_free(g);
    /* The next run goes on from there. */
    fake_thing("store.box/E-b")->fail = ERR_NONE;
    up(BOX_NEW);
    assert_true(fake_thing("store.shelf/E-s")->there);
    assert_string_equal(json_str(fake_thing("ecs.service/E-w")->state, "Uses"), "id-E-b");
}

static void test_who_does_not_let_go(void **state)
{
    (void)state;
    up(BOX_OLD);
    fake_thing("ecs.service/E-w")->fail = ERR_DENIED;
    struct err err = ERR_INIT;
    struct graph *g;
    assert_int_equal(bring_up(BOX_NEW, &g, &err), -1);
    assert_error(g, "ecs.service/w", PROGRESS_FAILED,
                 "cannot update service 'E-w': fake:Write: 'ecs.service/E-w' fails");
    assert_error(g, "store.box/b", PROGRESS_SKIPPED,
                 "not replaced: in the way is service 'E-w', which failed");
    assert_int_equal(fake_count(FAKE_REMOVE, "store.box/E-b"), 0);
    err_release(&err);
    graph_free(g);
}

#define BEHIND(kind)                                                                               \
    "[{\"type\":\"store.box\",\"label\":\"b\",\"want\":{\"Kind\":" kind "}},"                      \
    " {\"type\":\"ecs.service\",\"label\":\"w\",\"needs\":[\"store.box/b\"],"                      \
    "  \"want\":{\"Uses\":\"x\"}}]"

/* Who need not let go stays as it is, and is looked at when all is there again. */
static void test_who_need_not_let_go_is_looked_at_in_the_end(void **state)
{
    (void)state;
    static const char *const nothing[] = { "net.group", NULL };
    fake_service.lets_go_of = nothing;
    up(BEHIND("\"old\""));
    fake_forget_events();
    struct err err = ERR_INIT;
    struct graph *g;
    assert_int_equal(try_plan(BEHIND("\"new\""), &g, &err), 0);
    const struct resource *service = graph_find(g, "ecs.service/w");
    assert_int_equal(service->action, ACTION_NONE);
    assert_true(service->wait);
    assert_string_equal(service->waiting_for, "box 'b' is replaced");
    assert_int_equal(engine_apply(NULL, g, &fake_options, &err), 0);
    assert_int_equal(fake_count(FAKE_LET_GO, NULL), 0);
    assert_int_equal(fake_count(FAKE_UPDATE, "ecs.service/E-w"), 0);
    assert_true(fake_last(FAKE_OBSERVE, "ecs.service/E-w")->begin >
                fake_last(FAKE_CREATE, "store.box/E-b")->end);
    graph_free(g);
}

static void test_what_must_make_way_is_part_of_the_job(void **state)
{
    (void)state;
    up(BOX_OLD);
    struct err err = ERR_INIT;
    struct plan_counts counts;
    static const char *const names[] = { "store", NULL };
    struct graph *g = fake_graph(BOX_NEW);
    g->context.limits = fake_limits;
    assert_int_equal(engine_observe(NULL, g, &fake_options, &err), 0);
    struct selection selection = { .drivers = names };
    assert_int_equal(engine_plan(g, &selection, &counts, &err), -1);
    assert_string_equal(err.message,
                        "things.b: box 'E-b' is to be replaced, for which service 'E-w' must make "
                        "way, which is not part of this job: run the job 'deploy'");
    err_release(&err);
    graph_free(g);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, fake_tear_down)
    const struct CMUnitTest tests[] = {
        T(test_what_is_precious_needs_leave),
        T(test_plan_says_what_will_happen),
        T(test_dependents_let_go_and_come_back),
        T(test_what_nobody_wants_goes_with_it),
        T(test_a_plan_may_overstate),
        T(test_the_new_one_first),
        T(test_the_old_one_stays_where_the_new_one_fails),
        T(test_a_failed_removal),
        T(test_who_does_not_let_go),
        T(test_who_need_not_let_go_is_looked_at_in_the_end),
        T(test_what_must_make_way_is_part_of_the_job),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
