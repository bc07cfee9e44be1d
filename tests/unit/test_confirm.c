/* SPDX-License-Identifier: MIT */
/* What happens between the plan and a removal: to what is to go, and to whoever decides that. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/fake.h"

static int set_up(void **state)
{
    fake_shelf.flags = 0;
    fake_group.wind_down = NULL;
    return fake_set_up(state);
}

/* Observed and planned: nothing of what is there is wanted. */
static struct graph *planned(bool teardown)
{
    struct graph *g = fake_graph("[]");
    _cleanup_err_ struct err err = ERR_INIT;
    struct plan_counts counts;
    g->context.teardown = teardown;
    if (engine_observe(NULL, g, &fake_options, &err) < 0 || engine_plan(g, NULL, &counts, &err) < 0)
        fail_msg("%s", err.message);
    fake_forget_events();
    return g;
}

/* That which succeeds. */
static void carry_out(struct graph *g)
{
    _cleanup_err_ struct err err = ERR_INIT;
    if (engine_apply(NULL, g, &fake_options, &err) < 0)
        fail_msg("%s", err.message);
}

static void give_away(const char *name)
{
    json_put_str(fake_thing(name)->tags, "Environment", "F");
}

static void assert_instead(const struct graph *g, const char *address, const char *instead)
{
    const struct resource *r = graph_find(g, address);
    assert_non_null(r);
    assert_int_equal(r->progress, PROGRESS_DONE);
    if (instead == NULL)
        assert_null(r->instead);
    else
        assert_string_equal(r->instead, instead);
}

static void test_what_is_gone_already_is_not_removed(void **state)
{
    (void)state;
    fake_put("net.group/E-a", "{}", true);
    fake_put("net.group/E-b", "{}", true);
    struct graph *g = planned(true);
    fake_thing("net.group/E-a")->there = false;
    carry_out(g);
    assert_instead(g, "net.group/E-a", REMOVAL_GONE);
    assert_instead(g, "net.group/E-b", NULL);
    assert_int_equal(fake_count(FAKE_REMOVE, NULL), 1);
    assert_int_equal(g->warnings.n, 0);
    graph_free(g);
}

static void check_given_away(bool teardown)
{
    fake_put("net.group/E-a", "{}", true);
    fake_put("net.group/E-b", "{}", true);
    struct graph *g = planned(teardown);
    give_away("net.group/E-a");
    carry_out(g);
    assert_instead(g, "net.group/E-a", REMOVAL_LEFT);
    assert_instead(g, "net.group/E-b", NULL);
    assert_true(fake_thing("net.group/E-a")->there);
    assert_int_equal(fake_count(FAKE_REMOVE, NULL), 1);
    assert_int_equal(g->warnings.n, 1);
    assert_string_equal(g->warnings.v[0],
                        "not this environment's, and left alone: group 'E-a' (Environment=F, "
                        "berth:project=77, berth:ref=dev/feature/x)");
    graph_free(g);
}

static void test_what_is_anothers_now_stays(void **state)
{
    (void)state;
    check_given_away(false);
    fake_release();
    fake_init();
    check_given_away(true);
}

static void give_group_away(unsigned n)
{
    if (n == 1)
        give_away("net.group/E-a");
}

/* A group goes after services: what is read before those go is old by then. */
static void test_it_is_read_when_it_is_its_turn(void **state)
{
    (void)state;
    fake_group.wind_down = fake_wind_down;
    fake_put("net.group/E-a", "{}", true);
    fake_put("ecs.service/E-a", "{}", true)->gone_after = 3;
    struct graph *g = planned(true);
    fake_on_write = give_group_away;
    carry_out(g);
    assert_instead(g, "net.group/E-a", REMOVAL_LEFT);
    assert_int_equal(fake_count(FAKE_WIND_DOWN, "net.group/E-a"), 1);
    assert_int_equal(fake_count(FAKE_REMOVE, NULL), 1);
    graph_free(g);
}

static void test_nothing_of_anothers_is_wound_down(void **state)
{
    (void)state;
    fake_group.wind_down = fake_wind_down;
    fake_put("net.group/E-a", "{}", true);
    fake_put("net.group/E-b", "{}", true);
    struct graph *g = planned(true);
    give_away("net.group/E-a");
    fake_thing("net.group/E-b")->there = false;
    carry_out(g);
    assert_int_equal(fake_writes(), 0);
    assert_int_equal(fake_count(FAKE_WIND_DOWN, NULL), 0);
    assert_instead(g, "net.group/E-a", REMOVAL_LEFT);
    assert_instead(g, "net.group/E-b", REMOVAL_GONE);
    graph_free(g);
}

/* One read for all of a type. */
static void test_what_goes_at_once_is_read_at_once(void **state)
{
    (void)state;
    char name[32];
    for (int i = 0; i < 9; i++) {
        snprintf(name, sizeof(name), "net.group/E-%d", i);
        fake_put(name, "{}", true);
    }
    struct graph *g = planned(true);
    carry_out(g);
    const struct fake_event look = *fake_first(FAKE_OBSERVE, NULL);
    assert_int_equal(look.n, 9);
    assert_true(look.end < fake_first(FAKE_REMOVE, NULL)->begin);
    assert_int_equal(fake_count(FAKE_REMOVE, NULL), 9);
    assert_int_equal(fake_count(FAKE_OBSERVE, NULL), 1 + 9); /* and that each of them is gone */
    graph_free(g);
}

static void test_what_cannot_be_read_is_not_removed(void **state)
{
    (void)state;
    fake_put("ecs.service/E-a", "{}", true);
    fake_put("net.group/E-a", "{}", true);
    struct graph *g = planned(true);
    fake_thing("ecs.service/E-a")->unreadable = true;
    _cleanup_err_ struct err err = ERR_INIT;
    assert_int_equal(engine_apply(NULL, g, &fake_options, &err), -1);
    assert_int_equal(err.class, ERR_DENIED);
    assert_string_equal(err.message, "cannot look at service 'E-a' before its removal: fake:Read: "
                                     "'ecs.service/E-a'");
    assert_int_equal(fake_count(FAKE_REMOVE, NULL), 0);
    fake_assert_progress(g, "net.group/E-a", PROGRESS_SKIPPED);
    graph_free(g);
}

static struct graph *planned_box(unsigned flags)
{
    fake_shelf.flags = flags;
    fake_put("store.box/E-a", "{}", true);
    fake_put("store.shelf/E-1", "{}", true);
    return planned(true);
}

static void check_child(unsigned flags)
{
    struct graph *g = planned_box(flags);
    give_away("store.box/E-a");
    carry_out(g);
    assert_instead(g, "store.box/E-a", REMOVAL_LEFT);
    assert_instead(g, "store.shelf/E-1", REMOVAL_LEFT);
    assert_int_equal(fake_writes(), 0);
    assert_int_equal(g->warnings.n, 1);
    graph_free(g);
}

/* Whether it would go with its parent or before it. */
static void test_a_child_stays_with_its_parent(void **state)
{
    (void)state;
    check_child(TYPE_GOES_WITH_PARENT);
    fake_release();
    fake_init();
    check_child(0);
}

static void check_child_of_unreadable(unsigned flags, const char *why)
{
    struct graph *g = planned_box(flags);
    fake_thing("store.box/E-a")->unreadable = true;
    _cleanup_err_ struct err err = ERR_INIT;
    assert_int_equal(engine_apply(NULL, g, &fake_options, &err), -1);
    assert_string_equal(err.message, "cannot look at box 'E-a' before its removal: fake:Read: "
                                     "'store.box/E-a'");
    fake_assert_progress(g, "store.shelf/E-1", PROGRESS_SKIPPED);
    assert_string_equal(graph_find(g, "store.shelf/E-1")->error.message, why);
    assert_int_equal(fake_writes(), 0);
    graph_free(g);
}

/* Without it, what is left of its parent would be broken. */
static void test_a_child_stays_with_what_cannot_be_read(void **state)
{
    (void)state;
    check_child_of_unreadable(TYPE_GOES_WITH_PARENT,
                              "not removed: first must go box 'E-a', which failed");
    fake_release();
    fake_init();
    check_child_of_unreadable(0, "not removed: it stays with box 'E-a', which failed");
}

static void test_a_newer_run_decides(void **state)
{
    (void)state;
    fake_group.wind_down = fake_wind_down;
    fake_put("net.group/E-a", "{}", true);
    fake_put("net.group/E-b", "{}", true);
    struct graph *g = planned(false);
    fake_newer = "pipeline 101";
    carry_out(g);
    assert_instead(g, "net.group/E-a", REMOVAL_LEFT);
    assert_int_equal(fake_writes(), 0);
    assert_int_equal(fake_count(FAKE_WIND_DOWN, NULL), 0);
    assert_int_equal(g->warnings.n, 1);
    assert_string_equal(g->warnings.v[0],
                        "pipeline 101, which is newer than this one, has begun to deploy: not "
                        "removed, for that one to decide: group 'E-a', 'E-b'");
    graph_free(g);
}

static void begin_newer(unsigned n)
{
    if (n == 1)
        fake_newer = "pipeline 101";
}

/* It begins while the service goes, which it will make anew; the rest is there for it. */
static void test_a_newer_run_may_begin_at_any_time(void **state)
{
    (void)state;
    fake_put("net.group/E-a", "{}", true);
    fake_put("ecs.service/E-a", "{}", true)->gone_after = 3;
    struct graph *g = planned(false);
    fake_on_write = begin_newer;
    carry_out(g);
    assert_instead(g, "ecs.service/E-a", NULL);
    assert_instead(g, "net.group/E-a", REMOVAL_LEFT);
    graph_free(g);
}

static void test_whether_there_is_a_newer_one_must_be_known(void **state)
{
    (void)state;
    fake_put("net.group/E-a", "{}", true);
    struct graph *g = planned(false);
    fake_newer = "";
    _cleanup_err_ struct err err = ERR_INIT;
    assert_int_equal(engine_apply(NULL, g, &fake_options, &err), -1);
    assert_int_equal(err.class, ERR_DENIED);
    assert_string_equal(err.message, "cannot tell whether a newer pipeline has begun to deploy: "
                                     "fake:Newer: fails");
    assert_int_equal(fake_writes(), 0);
    graph_free(g);
}

static void test_who_destroys_means_all(void **state)
{
    (void)state;
    fake_put("net.group/E-a", "{}", true);
    struct graph *g = planned(true);
    fake_newer = "pipeline 101";
    carry_out(g);
    assert_instead(g, "net.group/E-a", NULL);
    graph_free(g);
}

/* What is there of one text is to be replaced for another. */
static struct graph *replacing(const char *old, const char *text)
{
    graph_free(fake_up(old));
    struct graph *g = fake_graph(text);
    g->context.limits = fake_limits;
    fake_plan(g);
    fake_forget_events();
    return g;
}

/* Nothing is, where the box is another's by then. */
static void assert_not_replaced(struct graph *g)
{
    give_away("store.box/E-b");
    _cleanup_err_ struct err err = ERR_INIT;
    assert_int_equal(engine_apply(NULL, g, &fake_options, &err), -1);
    assert_int_equal(err.class, ERR_CONFLICT);
    assert_non_null(strstr(err.message, "cannot remove box 'E-b': "));
    assert_non_null(strstr(err.message, "box 'E-b' (Environment=F"));
    assert_int_equal(fake_writes(), 0);
}

#define BOX(kind)                                                                                  \
    "[{\"type\":\"store.box\",\"label\":\"b\",\"want\":{\"Kind\":" kind "}},"                      \
    " {\"type\":\"ecs.service\",\"label\":\"w\",\"want\":{}}]"

/* The old one is another's by the time that the new one is to take its place. */
static void test_what_is_replaced_must_be_ours(void **state)
{
    (void)state;
    struct graph *g = replacing(BOX("\"old\""), BOX("\"new\""));
    assert_not_replaced(g);
    assert_true(fake_thing("store.box/E-b")->there);
    graph_free(g);
}

#define BOX_AND_SHELF(kind)                                                                        \
    "[{\"type\":\"store.box\",\"label\":\"b\",\"want\":{\"Kind\":" kind "}},"                      \
    " {\"type\":\"store.shelf\",\"label\":\"s\",\"needs\":[\"store.box/b\"],\"want\":{}}]"

/* Its children would go before it is its own turn. */
static void test_nothing_in_what_is_anothers_is_replaced(void **state)
{
    (void)state;
    struct graph *g = replacing(BOX_AND_SHELF("\"old\""), BOX_AND_SHELF("\"new\""));
    assert_not_replaced(g);
    assert_true(fake_thing("store.shelf/E-s")->there);
    graph_free(g);
}

static void test_what_is_gone_before_it_is_replaced_is_made(void **state)
{
    (void)state;
    struct graph *g = replacing(BOX_AND_SHELF("\"old\""), BOX_AND_SHELF("\"new\""));
    fake_thing("store.box/E-b")->there = false;
    fake_thing("store.shelf/E-s")->there = false;
    carry_out(g);
    assert_int_equal(fake_count(FAKE_REMOVE, "store.box/E-b"), 0);
    assert_true(fake_thing("store.box/E-b")->there);
    assert_true(fake_thing("store.shelf/E-s")->there);
    graph_free(g);
}

#define T(test) cmocka_unit_test_setup_teardown(test, set_up, fake_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_what_is_gone_already_is_not_removed),
        T(test_what_is_anothers_now_stays),
        T(test_it_is_read_when_it_is_its_turn),
        T(test_nothing_of_anothers_is_wound_down),
        T(test_what_goes_at_once_is_read_at_once),
        T(test_what_cannot_be_read_is_not_removed),
        T(test_a_child_stays_with_its_parent),
        T(test_a_child_stays_with_what_cannot_be_read),
        T(test_a_newer_run_decides),
        T(test_a_newer_run_may_begin_at_any_time),
        T(test_whether_there_is_a_newer_one_must_be_known),
        T(test_who_destroys_means_all),
        cmocka_unit_test_setup_teardown(test_what_is_replaced_must_be_ours, fake_set_up_replacing,
                                        fake_tear_down),
        cmocka_unit_test_setup_teardown(test_nothing_in_what_is_anothers_is_replaced,
                                        fake_set_up_replacing, fake_tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_gone_before_it_is_replaced_is_made,
                                        fake_set_up_replacing, fake_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
