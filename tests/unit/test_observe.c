/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/unit/fake.h"

static struct graph *observed(const char *text)
{
    struct err err = ERR_INIT;
    struct graph *g = fake_graph(text);
    if (engine_observe(NULL, g, &fake_options, &err) < 0)
        fail_msg("%s", err.message);
    return g;
}

static void assert_refused(const char *text, enum err_class class, const char *message)
{
    struct graph *g = fake_graph(text);
    _cleanup_err_ struct err err = ERR_INIT;
    assert_int_equal(engine_observe(NULL, g, &fake_options, &err), -1);
    assert_string_equal(err.message, message);
    assert_string_equal(err_class_name(err.class), err_class_name(class));
    graph_free(g);
}

static void test_what_is_there_and_what_is_not(void **state)
{
    (void)state;
    fake_put("net.group/E-there", "{\"P\":1}", true);
    struct graph *g = observed("[{\"type\":\"net.group\",\"label\":\"there\"},"
                               " {\"type\":\"net.group\",\"label\":\"absent\"},"
                               " {\"type\":\"net.lookup\",\"label\":\"nowhere\"}]");
    assert_int_equal(json_int(graph_find(g, "net.group/there")->have, "P", 0), 1);
    assert_string_equal(resource_output(g, "net.group/there", "Id"), "id-E-there");
    assert_null(graph_find(g, "net.group/absent")->have);
    assert_null(graph_find(g, "net.lookup/nowhere")->have);
    assert_true(graph_find(g, "net.lookup/nowhere")->observed);
    assert_int_equal(g->n, 3);
    graph_free(g);
}

static void test_orphans(void **state)
{
    (void)state;
    fake_put("net.group/E-ours", "{}", true);
    fake_put("net.group/E-foreign", "{}", false);
    fake_put("store.shelf/E-child", "{}", false);
    fake_put("store.repo/E-shared", "{}", true);
    struct graph *g = observed("[{\"type\":\"ecs.task\",\"label\":\"t\"}]");
    assert_non_null(graph_find(g, "net.group/E-ours"));
    assert_non_null(graph_find(g, "store.shelf/E-child"));
    assert_null(graph_find(g, "net.group/E-foreign"));
    assert_null(graph_find(g, "store.repo/E-shared"));
    for (size_t i = 0; i < g->n; i++)
        assert_int_equal(g->v[i]->index, i);
    graph_free(g);
}

static void test_foreign_resources_are_all_named(void **state)
{
    (void)state;
    struct fake_thing *t = fake_put("ecs.task/E-a", "{}", false);
    json_put_str(t->tags, "Environment", "other");
    fake_put("net.group/E-b", "{}", false);
    fake_put("store.repo/E-c", "{}", false); /* shared: used as it is */
    assert_refused(
        "[{\"type\":\"ecs.task\",\"label\":\"a\"},"
        " {\"type\":\"net.group\",\"label\":\"b\"},"
        " {\"type\":\"store.repo\",\"label\":\"c\"}]",
        ERR_CONFLICT,
        "in the way of environment 'E', and not its own: task definition 'E-a' "
        "(Environment=other), group 'E-b' (without our tags); rename or remove each, "
        "or, if it is this environment's, let 'berth adopt' give it the tags Environment=E, "
        "berth:project=77, berth:ref=dev/feature/x");
}

static void test_batches(void **state)
{
    (void)state;
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    for (int i = 0; i < 34; i++)
        strbuf_addf(&text, "%s{\"type\":\"ecs.%s\",\"label\":\"r%d\"}", i ? "," : "[",
                    i % 2 ? "service" : "task", i);
    strbuf_addc(&text, ']');
    graph_free(observed(text.buf));
    /* 17 services, at most 10 at a time; 17 task definitions, any number. */
    assert_int_equal(fake_count(FAKE_OBSERVE, "ecs.service"), 2);
    assert_int_equal(fake_count(FAKE_OBSERVE, "ecs.task"), 1);
    assert_int_equal(fake_count(FAKE_OBSERVE, NULL), 3);
}

static void test_types_wait_for_those_they_come_after(void **state)
{
    (void)state;
    graph_free(observed("[{\"type\":\"ecs.service\",\"label\":\"s\"},"
                        " {\"type\":\"ecs.task\",\"label\":\"t\"},"
                        " {\"type\":\"net.group\",\"label\":\"g\"}]"));
    const struct fake_event *service = fake_first(FAKE_DISCOVER, "ecs.service");
    assert_true(fake_last(FAKE_OBSERVE, "ecs.task/E-t")->end < service->begin);
    assert_true(fake_last(FAKE_OBSERVE, "net.group/E-g")->end < service->begin);
    assert_true(service->end < fake_first(FAKE_OBSERVE, "ecs.service/E-s")->begin);
}

/* Lookups, a call for each, are in the queue first, and none is needed for anything else. */
static bool is_discovered_before_the_last_lookup(const char *type)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    for (int i = 0; i < 200; i++)
        strbuf_addf(&text, "%s{\"type\":\"net.lookup\",\"label\":\"l%d\"}", i ? "," : "[", i);
    strbuf_addc(&text, ']');
    struct graph *g = fake_graph(text.buf);
    struct engine_options one_worker = { .workers = 1 };
    struct err err = ERR_INIT;
    assert_int_equal(engine_observe(NULL, g, &one_worker, &err), 0);
    graph_free(g);
    return fake_first(FAKE_DISCOVER, type)->begin <
           fake_last(FAKE_OBSERVE, "net.lookup/E-l199")->begin;
}

/* The worker may have emptied the queue before all is in it, if the loop's thread does not get to
 * run: once in many times is proof, as calls of one rank are never made in another order. */
static void test_what_leads_to_more_calls_is_read_first(void **state)
{
    (void)state;
    unsigned batch = fake_lookup.batch;
    fake_lookup.batch = 1;
    bool seen = false;
    for (int i = 0; i < 100 && !seen; i++) {
        fake_forget_events();
        seen = is_discovered_before_the_last_lookup("store.box");
    }
    fake_lookup.batch = batch;
    assert_true(seen);
}

static void test_errors_of_several_types(void **state)
{
    (void)state;
    fake_thing("store.box/E-b")->unreadable = true;
    fake_thing("ecs.task/E-t")->unreadable = true;
    assert_refused("[{\"type\":\"ecs.service\",\"label\":\"s\"},"
                   " {\"type\":\"ecs.task\",\"label\":\"t\"},"
                   " {\"type\":\"store.box\",\"label\":\"b\"}]",
                   ERR_DENIED,
                   "cannot read boxes: fake:Read: 'store.box/E-b'\n"
                   "cannot read task definitions: fake:Read: 'ecs.task/E-t'");
    assert_int_equal(fake_count(FAKE_DISCOVER, "ecs.service"), 0);
}

static void test_cancelled(void **state)
{
    (void)state;
    cancel_set(&fake_cancel);
    assert_refused("[{\"type\":\"ecs.task\",\"label\":\"t\"}]", ERR_CANCELLED,
                   "cancelled while reading what is there; nothing changed");
    assert_int_equal(fake_count(FAKE_OBSERVE, NULL) + fake_count(FAKE_DISCOVER, NULL), 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fake_set_up, fake_tear_down)
    const struct CMUnitTest tests[] = {
        T(test_what_is_there_and_what_is_not),
        T(test_orphans),
        T(test_foreign_resources_are_all_named),
        T(test_batches),
        T(test_types_wait_for_those_they_come_after),
        T(test_what_leads_to_more_calls_is_read_first),
        T(test_errors_of_several_types),
        T(test_cancelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
