/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "executor/engine/criticalpath.h"

static const char *const group_first[] = { "ecs.service", NULL };
static const struct resource_type service = { .name = "ecs.service", .singular = "service" };
static const struct resource_type group = { .name = "security_group",
                                            .singular = "security group",
                                            .gone_first = group_first };
static const struct resource_type balancer = { .name = "alb", .singular = "load balancer" };
static const struct resource_type listener = { .name = "alb.listener",
                                               .singular = "listener",
                                               .parent = "alb" };

static struct graph *graph_of_test(void)
{
    return graph_new(&(struct context){ .environment = "e" });
}

static struct resource *add(struct graph *g, const struct resource_type *type, const char *label,
                            double started, double written, double ended)
{
    struct err err = ERR_INIT;
    struct resource *r = NULL;
    assert_int_equal(graph_add(g, type, label, label, "", cJSON_CreateObject(), &r, &err), 0);
    r->action = ACTION_CREATE;
    r->progress = PROGRESS_DONE;
    r->started = started;
    r->written = written;
    r->ended = ended;
    return r;
}

static struct resource *gone(struct graph *g, const struct resource_type *type, const char *label,
                             double started, double ended)
{
    struct resource *r = add(g, type, label, started, started, ended);
    r->action = ACTION_REMOVE;
    return r;
}

static void need(struct resource *r, const struct resource *other, enum need_kind kind)
{
    struct err err = ERR_INIT;
    assert_int_equal(resource_need(r, other->address, kind, &err), 0);
}

static void link_all(struct graph *g)
{
    struct err err = ERR_INIT;
    assert_int_equal(graph_link(g, &err), 0);
}

/* The path in words, "a b c", and when each was released. */
static void expect(const struct graph *g, const char *labels, const double *released)
{
    _cleanup_free_ struct critical_step *steps = NULL;
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    size_t n = critical_path(g, &steps);
    for (size_t i = 0; i < n; i++)
        strbuf_addf(&text, "%s%s", i > 0 ? " " : "", steps[i].r->label);
    assert_string_equal(text.buf, labels);
    for (size_t i = 0; i < n && released != NULL; i++)
        assert_true(steps[i].released >= released[i] && steps[i].released <= released[i]);
}

/* Of two that it needs, the one that was ready last decided; what ended earlier had time. */
static void test_the_latest_need_decides(void **state)
{
    (void)state;
    struct graph *g = graph_of_test();
    const struct resource *quick = add(g, &group, "quick", 100, 101, 102);
    const struct resource *slow = add(g, &balancer, "slow", 100, 101, 160);
    struct resource *middle = add(g, &listener, "middle", 161, 162, 162);
    struct resource *last = add(g, &service, "last", 162.5, 163, 200);
    add(g, &service, "aside", 100, 101, 199);
    need(middle, quick, NEED_READY);
    need(middle, slow, NEED_READY);
    need(last, middle, NEED_READY);
    need(last, quick, NEED_READY);
    link_all(g);
    expect(g, "slow middle last", (double[]){ 0, 160, 162 });
    graph_free(g);
}

/* What only has to exist lets others start when it is written, long before it is ready. */
static void test_what_has_to_exist_only(void **state)
{
    (void)state;
    struct graph *g = graph_of_test();
    const struct resource *early = add(g, &balancer, "early", 100, 101, 190);
    const struct resource *late = add(g, &group, "late", 100, 104, 105);
    struct resource *last = add(g, &service, "last", 106, 107, 200);
    need(last, early, NEED_EXISTS);
    need(last, late, NEED_READY);
    link_all(g);
    expect(g, "late last", (double[]){ 0, 105 });
    last->needs[1].kind = NEED_EXISTS;
    expect(g, "late last", (double[]){ 0, 104 });
    last->needs[0].kind = NEED_READY; /* it was not ready when the other started: no cause */
    expect(g, "late last", NULL);
    graph_free(g);
}

/* Removals go in the order of their types, and begin when all that is built has ended. */
static void test_removals(void **state)
{
    (void)state;
    struct graph *g = graph_of_test();
    add(g, &service, "built", 100, 101, 110);
    add(g, &service, "built-last", 100, 101, 120);
    gone(g, &listener, "listener", 121, 122);
    gone(g, &balancer, "balancer", 123, 125);
    gone(g, &service, "service-1", 121, 140);
    gone(g, &service, "service-2", 121, 150);
    gone(g, &group, "group", 151, 152);
    link_all(g);
    expect(g, "built-last service-2 group", (double[]){ 0, 120, 150 });
    gone(g, &balancer, "other", 123, 160);
    expect(g, "built-last listener other", (double[]){ 0, 120, 122 });
    graph_free(g);
}

static void test_nothing_was_done(void **state)
{
    (void)state;
    struct graph *g = graph_of_test();
    expect(g, "", NULL);
    struct resource *unchanged = add(g, &service, "unchanged", 0, 0, 0);
    unchanged->action = ACTION_NONE;
    expect(g, "", NULL);
    graph_free(g);
}

/* Also where nothing takes any time, and each could be behind the other. */
static void test_it_ends(void **state)
{
    (void)state;
    struct graph *g = graph_of_test();
    for (int i = 0; i < 8; i++) {
        char label[] = { 'a', (char)('0' + i), '\0' };
        gone(g, i % 2 ? &listener : &balancer, label, 100, 100);
    }
    _cleanup_free_ struct critical_step *steps = NULL;
    size_t n = critical_path(g, &steps);
    assert_true(n >= 1 && n <= 8);
    graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_latest_need_decides),
        cmocka_unit_test(test_what_has_to_exist_only),
        cmocka_unit_test(test_removals),
        cmocka_unit_test(test_nothing_was_done),
        cmocka_unit_test(test_it_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
