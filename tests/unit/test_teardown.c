/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/fake.h"

static int set_up(void **state)
{
    fake_group.deadline = 0;
    fake_shelf.flags = 0;
    fake_box.wind_down = fake_group.wind_down = NULL;
    fake_box.leaving = NULL;
    return fake_set_up(state);
}

/* Of what there is, observed and planned. */
static struct graph *teardown(struct plan_counts *ret)
{
    struct context context = { .environment = "E",
                               .kind = "ephemeral",
                               .ref = "dev/feature/x",
                               .project = 77,
                               .spec_dir = -1,
                               .teardown = true };
    struct graph *g = graph_new(&context);
    _cleanup_err_ struct err err = ERR_INIT;
    engine_want_nothing(g, fake_drivers);
    if (engine_observe(NULL, g, &fake_options, &err) < 0 || engine_plan(g, NULL, ret, &err) < 0)
        fail_msg("%s", err.message);
    return g;
}

static struct graph *tear(int *ret_status, struct err *err)
{
    struct plan_counts counts;
    struct graph *g = teardown(&counts);
    *ret_status = engine_apply(NULL, g, &fake_options, err);
    return g;
}

/* All of it, which succeeds. */
static void tear_all(void)
{
    _cleanup_err_ struct err err = ERR_INIT;
    int status;
    graph_free(tear(&status, &err));
    if (status < 0)
        fail_msg("%s", err.message);
}

static void assert_together(const char *a_name, const char *b_name)
{
    const struct fake_event *a = fake_first(FAKE_REMOVE, a_name);
    const struct fake_event *b = fake_first(FAKE_REMOVE, b_name);
    assert_non_null(a);
    assert_non_null(b);
    assert_true(a->begin < b->end && b->begin < a->end);
}

static const struct resource *there(const struct graph *g, const char *address)
{
    const struct resource *r = graph_find(g, address);
    if (r == NULL)
        fail_msg("'%s' was not found", address);
    return r;
}

static void assert_progress(const struct graph *g, const char *address, enum progress progress)
{
    assert_int_equal(there(g, address)->progress, progress);
}

static void test_all_that_is_ours_goes_and_nothing_else(void **state)
{
    (void)state;
    fake_put("net.group/E-a", "{}", true);
    fake_put("store.box/E-precious", "{}", true);
    fake_put("store.repo/shared", "{}", true);
    fake_put("ecs.service/E-foreign", "{}", false);
    struct plan_counts counts;
    struct graph *g = teardown(&counts);
    assert_int_equal(counts.remove, 2);
    assert_int_equal(g->n, 2);
    assert_int_equal(g->n_foreign, 1);
    assert_int_equal(g->warnings.n, 1);
    assert_string_equal(g->warnings.v[0], "not this environment's, and left alone: service "
                                          "'E-foreign' (without our tags)");
    graph_free(g);
    assert_int_equal(fake_count(FAKE_REMOVE, NULL), 0);
    tear_all();
    assert_false(fake_thing("net.group/E-a")->there);
    assert_false(fake_thing("store.box/E-precious")->there);
    assert_true(fake_thing("store.repo/shared")->there);
    assert_true(fake_thing("ecs.service/E-foreign")->there);
    assert_int_equal(fake_count(FAKE_BEGIN, NULL), 0);
}

/* The name of "E-2" begins as those of "E" do, and what it made says whose it is. */
static void test_another_environment_is_not_told_of(void **state)
{
    (void)state;
    struct fake_thing *other = fake_put("net.group/E-2-a", "{}", true);
    json_put_str(other->tags, "Environment", "E-2");
    struct fake_thing *named = fake_put("net.group/E-b", "{}", true);
    json_put_str(named->tags, "Environment", "F");
    struct plan_counts counts;
    struct graph *g = teardown(&counts);
    assert_int_equal(counts.remove, 0);
    assert_int_equal(g->warnings.n, 1);
    assert_non_null(strstr(g->warnings.v[0], "'E-b' (Environment=F"));
    graph_free(g);
}

static void test_only_what_must_waits(void **state)
{
    (void)state;
    fake_put("ecs.service/E-a", "{}", true)->gone_after = 3;
    fake_put("ecs.service/E-b", "{}", true)->delay = 0.02;
    fake_put("store.box/E-box", "{}", true)->delay = 0.02;
    fake_put("ecs.task/E-a", "{}", true);
    fake_put("net.group/E-a", "{}", true);
    tear_all();
    assert_together("ecs.service/E-b", "store.box/E-box");
    fake_assert_before(FAKE_OBSERVE, "ecs.service/E-a", FAKE_REMOVE, "ecs.task/E-a");
    fake_assert_before(FAKE_REMOVE, "ecs.service/E-b", FAKE_REMOVE, "ecs.task/E-a");
    fake_assert_before(FAKE_REMOVE, "ecs.task/E-a", FAKE_REMOVE, "net.group/E-a");
    assert_int_equal(fake_count(FAKE_REMOVE, NULL), 5);
}

static void test_a_failure_stops_only_what_comes_after_it(void **state)
{
    (void)state;
    fake_put("ecs.task/E-bad", "{}", true)->fail = ERR_DENIED;
    fake_put("ecs.task/E-good", "{}", true);
    fake_put("net.group/E-a", "{}", true);
    fake_put("store.box/E-box", "{}", true)->gone_after = 8;
    _cleanup_err_ struct err err = ERR_INIT;
    int status;
    struct graph *g = tear(&status, &err);
    assert_int_equal(status, -1);
    assert_int_equal(err.class, ERR_DENIED);
    assert_progress(g, "ecs.task/E-bad", PROGRESS_FAILED);
    assert_progress(g, "ecs.task/E-good", PROGRESS_DONE);
    assert_progress(g, "store.box/E-box", PROGRESS_DONE);
    assert_progress(g, "net.group/E-a", PROGRESS_SKIPPED);
    assert_string_equal(there(g, "net.group/E-a")->error.message,
                        "not removed: first must go task definition 'E-bad', which failed");
    assert_int_equal(there(g, "net.group/E-a")->error.class, ERR_DENIED);
    assert_false(fake_thing("store.box/E-box")->there);
    graph_free(g);
    fake_thing("ecs.task/E-bad")->fail = ERR_NONE;
    tear_all();
    assert_false(fake_thing("net.group/E-a")->there);
}

static void test_winding_down_comes_first(void **state)
{
    (void)state;
    fake_box.wind_down = fake_group.wind_down = fake_wind_down;
    fake_put("store.box/E-a", "{}", true)->delay = 0.01;
    fake_put("store.box/E-b", "{}", true)->delay = 0.01;
    fake_put("net.group/E-quick", "{}", true)->quick = true;
    fake_put("ecs.service/E-a", "{}", true);
    tear_all();
    assert_int_equal(fake_count(FAKE_WIND_DOWN, NULL), 3);
    fake_assert_before(FAKE_WIND_DOWN, NULL, FAKE_REMOVE, NULL);
    assert_int_equal(fake_count(FAKE_REMOVE, "net.group/E-quick"), 0);
    assert_int_equal(fake_count(FAKE_REMOVE, NULL), 3);
}

static int wind_down_in_vain(struct session *s, struct resource *r, struct err *err)
{
    (void)s;
    return err_set(err, ERR_DENIED, "fake:Hurry: '%s'", r->name);
}

static void test_what_cannot_be_wound_down_goes_all_the_same(void **state)
{
    (void)state;
    fake_box.wind_down = wind_down_in_vain;
    fake_put("store.box/E-a", "{}", true);
    _cleanup_err_ struct err err = ERR_INIT;
    int status;
    struct graph *g = tear(&status, &err);
    assert_int_equal(status, 0);
    assert_progress(g, "store.box/E-a", PROGRESS_DONE);
    assert_int_equal(g->warnings.n, 1);
    assert_string_equal(g->warnings.v[0], "box 'E-a' cannot be prepared for its removal, which may "
                                          "take longer: fake:Hurry: 'E-a'");
    graph_free(g);
}

static void test_a_deploy_winds_down_what_goes(void **state)
{
    (void)state;
    fake_group.wind_down = fake_wind_down;
    fake_put("net.group/E-old", "{}", true);
    struct graph *g = fake_graph("[]");
    struct plan_counts counts;
    _cleanup_err_ struct err err = ERR_INIT;
    assert_int_equal(engine_observe(NULL, g, &fake_options, &err), 0);
    assert_int_equal(engine_plan(g, NULL, &counts, &err), 0);
    assert_int_equal(engine_apply(NULL, g, &fake_options, &err), 0);
    assert_int_equal(fake_count(FAKE_WIND_DOWN, NULL), 1);
    assert_int_equal(fake_count(FAKE_REMOVE, NULL), 1);
    graph_free(g);
}

static void test_a_child_that_goes_with_its_parent(void **state)
{
    (void)state;
    fake_shelf.flags = TYPE_GOES_WITH_PARENT;
    fake_put("store.box/E-a", "{}", true)->gone_after = 3;
    fake_put("store.shelf/E-1", "{}", true);
    fake_thing("store.shelf/E-1")->fail = ERR_FAILED;
    _cleanup_err_ struct err err = ERR_INIT;
    int status;
    struct graph *g = tear(&status, &err);
    assert_int_equal(status, 0);
    assert_progress(g, "store.shelf/E-1", PROGRESS_DONE);
    assert_true(there(g, "store.shelf/E-1")->ended >= there(g, "store.box/E-a")->ended);
    assert_int_equal(fake_count(FAKE_REMOVE, "store.shelf/E-1"), 0);
    graph_free(g);
}

static void test_a_child_whose_parent_fails_stays(void **state)
{
    (void)state;
    fake_shelf.flags = TYPE_GOES_WITH_PARENT;
    fake_put("store.box/E-a", "{}", true)->fail = ERR_DENIED;
    fake_put("store.shelf/E-1", "{}", true);
    _cleanup_err_ struct err err = ERR_INIT;
    int status;
    struct graph *g = tear(&status, &err);
    assert_int_equal(status, -1);
    assert_progress(g, "store.shelf/E-1", PROGRESS_SKIPPED);
    graph_free(g);
}

static void test_any_other_child_goes_before_its_parent(void **state)
{
    (void)state;
    fake_put("store.box/E-a", "{}", true);
    fake_put("store.shelf/E-1", "{}", true)->gone_after = 3;
    tear_all();
    fake_assert_before(FAKE_OBSERVE, "store.shelf/E-1", FAKE_REMOVE, "store.box/E-a");
}

/* One of several boxes stays: whether the shelf is that one's nobody knows. */
static void test_a_child_of_a_parent_that_may_stay_is_removed(void **state)
{
    (void)state;
    fake_shelf.flags = TYPE_GOES_WITH_PARENT;
    static const char *const allowed[] = { "store.box" };
    struct graph *g = fake_graph("[{\"type\":\"store.box\",\"label\":\"stays\"}]");
    _cleanup_json_ cJSON *limits = cJSON_CreateObject();
    json_put(limits, "allowReplace", cJSON_CreateStringArray(allowed, 1));
    g->context.limits = limits;
    fake_put("store.box/E-stays", "{}", true);
    fake_put("store.box/E-old", "{}", true);
    fake_put("store.shelf/E-1", "{}", true);
    struct plan_counts counts;
    _cleanup_err_ struct err err = ERR_INIT;
    assert_int_equal(engine_observe(NULL, g, &fake_options, &err), 0);
    assert_int_equal(engine_plan(g, NULL, &counts, &err), 0);
    assert_int_equal(counts.remove, 2);
    assert_int_equal(engine_apply(NULL, g, &fake_options, &err), 0);
    assert_int_equal(fake_count(FAKE_REMOVE, "store.shelf/E-1"), 1);
    fake_assert_before(FAKE_REMOVE, "store.shelf/E-1", FAKE_REMOVE, "store.box/E-old");
    graph_free(g);
}

static void box_leaving(const struct resource *r, struct strbuf *why)
{
    (void)r;
    strbuf_adds(why, "held by a hook");
}

static void test_what_keeps_it_is_told(void **state)
{
    (void)state;
    fake_group.deadline = 0.05;
    fake_put("net.group/E-busy", "{}", true)->busy = 100000;
    _cleanup_err_ struct err err = ERR_INIT;
    int status;
    graph_free(tear(&status, &err));
    assert_int_equal(status, -1);
    assert_int_equal(err.class, ERR_TIMEOUT);
    assert_string_equal(err.message, "group 'E-busy' is not gone after 0.1 s: 'net.group/E-busy' "
                                     "is in use by something");
    err_release(&err);
    fake_thing("net.group/E-busy")->busy = 0;
    fake_box.leaving = box_leaving;
    fake_box.deadline = 0.05;
    fake_put("store.box/E-slow", "{}", true)->gone_after = 100000;
    graph_free(tear(&status, &err));
    fake_box.deadline = 0;
    assert_int_equal(status, -1);
    assert_string_equal(err.message, "box 'E-slow' is not gone after 0.1 s: held by a hook");
}

/* Whenever it is cancelled, nothing more starts, and the next one goes on from there. */
static void test_cancel_at_every_write(void **state)
{
    (void)state;
    for (unsigned cancel_at = 1; cancel_at <= 7; cancel_at++) {
        fake_box.wind_down = fake_wind_down;
        fake_put("store.box/E-a", "{}", true);
        fake_put("store.shelf/E-1", "{}", true);
        fake_put("ecs.service/E-a", "{}", true);
        fake_put("ecs.task/E-a", "{}", true);
        fake_put("net.group/E-a", "{}", true);
        fake_put("net.group/E-b", "{}", true);
        fake_forget_events();
        fake_cancel_at(&fake_cancel, cancel_at);
        _cleanup_err_ struct err err = ERR_INIT;
        int status;
        struct graph *g = tear(&status, &err);
        fake_on_write = NULL;
        assert_int_equal(fake_first(FAKE_WIND_DOWN, NULL) != NULL, 1);
        if (status < 0)
            assert_int_equal(err.class, ERR_CANCELLED);
        for (size_t i = 0; i < g->n; i++)
            assert_true(g->v[i]->progress >= PROGRESS_DONE);
        graph_free(g);
        cancel_release(&fake_cancel);
        cancel_init(&fake_cancel);
        tear_all();
        assert_false(fake_thing("net.group/E-a")->there || fake_thing("store.box/E-a")->there);
    }
}

static void test_what_is_found_has_one_order(void **state)
{
    (void)state;
    static const char *const order[] = { "net.group/E-a", "net.group/E-b", "store.box/E-a",
                                         "ecs.service/E-a" };
    for (size_t i = ARRAY_SIZE(order); i-- > 0;)
        fake_put(order[i], "{}", true);
    struct plan_counts counts;
    struct graph *g = teardown(&counts);
    assert_int_equal(g->n, ARRAY_SIZE(order));
    for (size_t i = 0; i < g->n; i++) {
        assert_string_equal(g->v[i]->address, order[i]);
        assert_int_equal(g->v[i]->index, i);
    }
    graph_free(g);
}

static const struct resource_type *type_named(const char *name)
{
    for (size_t i = 0; drivers[i] != NULL; i++)
        for (const struct resource_type *const *t = drivers[i]->types; *t != NULL; t++)
            if (str_eq((*t)->name, name))
                return *t;
    fail_msg("there is no type '%s'", name);
    return NULL;
}

/* Fails where what must go before `type` must go after it, too. */
static void check_edges(const struct resource_type *type, unsigned depth)
{
    if (depth > 30)
        fail_msg("'%s' goes before itself", type->name);
    const char *const *name = type->gone_first;
    for (; name != NULL && *name != NULL; name++)
        check_edges(type_named(*name), depth + 1);
    for (size_t i = 0; drivers[i] != NULL; i++)
        for (const struct resource_type *const *t = drivers[i]->types; *t != NULL; t++)
            if (str_eq((*t)->parent, type->name) && ((*t)->flags & TYPE_GOES_WITH_PARENT) == 0)
                check_edges(*t, depth + 1);
    if (type->parent != NULL && (type->flags & TYPE_GOES_WITH_PARENT) != 0)
        check_edges(type_named(type->parent), depth + 1);
}

static void test_the_drivers_edges_are_no_circle(void **state)
{
    (void)state;
    for (size_t i = 0; drivers[i] != NULL; i++)
        for (const struct resource_type *const *t = drivers[i]->types; *t != NULL; t++)
            check_edges(*t, 0);
}

#define T(test) cmocka_unit_test_setup_teardown(test, set_up, fake_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_all_that_is_ours_goes_and_nothing_else),
        T(test_another_environment_is_not_told_of),
        T(test_only_what_must_waits),
        T(test_a_failure_stops_only_what_comes_after_it),
        T(test_winding_down_comes_first),
        T(test_what_cannot_be_wound_down_goes_all_the_same),
        T(test_a_deploy_winds_down_what_goes),
        T(test_a_child_that_goes_with_its_parent),
        T(test_a_child_whose_parent_fails_stays),
        T(test_any_other_child_goes_before_its_parent),
        T(test_a_child_of_a_parent_that_may_stay_is_removed),
        T(test_what_keeps_it_is_told),
        T(test_cancel_at_every_write),
        T(test_what_is_found_has_one_order),
        T(test_the_drivers_edges_are_no_circle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
