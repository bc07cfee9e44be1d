/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/fake.h"

static int set_up(void **state)
{
    (void)state;
    fake_init();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fake_release();
    return 0;
}

static void assert_json(const cJSON *value, const char *expected)
{
    _cleanup_free_ char *text = json_print(value);
    assert_string_equal(text, expected);
}

static void assert_no_graph(const char *text, const char *message)
{
    _cleanup_err_ struct err err = ERR_INIT;
    struct graph *g = NULL;
    assert_int_equal(fake_graph_try(text, &g, &err), -1);
    assert_string_equal(err.message, message);
    assert_int_equal(err.class, ERR_USER);
    assert_null(g);
}

static void test_what_a_graph_refuses(void **state)
{
    (void)state;
    assert_no_graph("[{\"type\":\"net.group\",\"label\":\"a\"},"
                    " {\"type\":\"net.group\",\"label\":\"a\",\"name\":\"x\"}]",
                    "things.a: there is already a group 'a' (named 'E-a'), from things.a: rename "
                    "one");
    assert_no_graph("[{\"type\":\"net.group\",\"label\":\"a\"},"
                    " {\"type\":\"net.group\",\"label\":\"b\",\"name\":\"E-a\"}]",
                    "things.b: there is already a group 'a' (named 'E-a'), from things.a: rename "
                    "one");
    assert_no_graph("[{\"type\":\"net.group\",\"label\":\"notifier\"},"
                    " {\"type\":\"ecs.task\",\"label\":\"t\","
                    "  \"want\":{\"A\":[{\"B\":{\"${}\":\"x ${net.group/notifer.Id}\"}}]}}]",
                    "things.t: refers to 'net.group/notifer', which there is not; did you mean "
                    "'net.group/notifier'?");
    assert_no_graph("[{\"type\":\"ecs.task\",\"label\":\"t\",\"needs\":[\"redis\"]}]",
                    "things.t: refers to 'redis', which there is not: correct the name or declare "
                    "it");
    assert_no_graph("[{\"type\":\"ecs.task\",\"label\":\"t\","
                    "  \"want\":{\"A\":{\"${}\":\"${nodot}\"}}}]",
                    "things.t: '${nodot}' is not of the form ${name.output}");
    assert_no_graph("[{\"type\":\"ecs.task\",\"label\":\"t\","
                    "  \"want\":{\"A\":{\"${}\":\"${ecs.task/t.Rev}\"}}}]",
                    "things.t: task definition 't' needs itself");
}

static void test_circles_are_named(void **state)
{
    (void)state;
    assert_no_graph(
        "[{\"type\":\"net.group\",\"label\":\"x\",\"needs\":[\"net.group/a\"]},"
        " {\"type\":\"net.group\",\"label\":\"a\",\"needs\":[\"net.group/d\",\"net.group/b\"]},"
        " {\"type\":\"net.group\",\"label\":\"b\","
        "  \"want\":{\"V\":{\"${}\":\"${net.group/c.Id}\"}}},"
        " {\"type\":\"net.group\",\"label\":\"c\",\"exists\":[\"net.group/a\"]},"
        " {\"type\":\"net.group\",\"label\":\"d\"}]",
        "things.a: net.group/a needs net.group/b, which needs net.group/c, which needs "
        "net.group/a: a circle, in which nothing can be first");
}

static void test_needs_are_merged(void **state)
{
    (void)state;
    struct graph *g = fake_graph(
        "[{\"type\":\"ecs.task\",\"label\":\"t\",\"exists\":[\"net.group/a\",\"net.group/b\"],"
        "  \"needs\":[\"net.group/b\"],"
        "  \"want\":{\"A\":{\"${}\":\"${net.group/a.Id}${net.group/c.Id}\"},"
        "            \"B\":{\"${}\":\"$${net.group/nothing.Id}\"}}},"
        " {\"type\":\"net.group\",\"label\":\"a\"},"
        " {\"type\":\"net.group\",\"label\":\"b\"},"
        " {\"type\":\"net.group\",\"label\":\"c\"}]");
    const struct resource *t = graph_find(g, "ecs.task/t");
    assert_int_equal(t->n_needs, 3);
    for (size_t i = 0; i < t->n_needs; i++) {
        bool is_a = str_eq(t->needs[i].resource->label, "a");
        assert_int_equal(t->needs[i].kind, is_a ? NEED_EXISTS : NEED_READY);
    }
    assert_ptr_equal(g->order[g->n_order - 1], t);
    assert_int_equal(g->n_order, 4);
    graph_free(g);
}

static void test_references(void **state)
{
    (void)state;
    static const struct {
        const char *value, *resolved;
        bool known;
    } cases[] = {
        { "{\"${}\":\"${net.group/a.Id}\"}", "\"sg-1\"", true },
        { "{\"${}\":\"<${sg.Id}|${sg.Ids}|${sg.Port}>\"}", "\"<sg-1|[\\\"x\\\",2]|80>\"", true },
        { "{\"${}\":\"${sg.Ids}\"}", "[\"x\",2]", true },
        { "{\"${}\":\"a$b$${c}$\"}", "\"a$b${c}$\"", true },
        { "[1,{\"a\":{\"${}\":\"${sg.Port}\"},\"b\":null}]", "[1,{\"a\":80,\"b\":null}]", true },
        { "{\"${}\":\"${sg.Id}${sg.None}\"}", "{\"${}\":\"${sg.Id}${sg.None}\"}", false },
        { "{\"${}\":\"${gone.Id}\"}", "{\"${}\":\"${gone.Id}\"}", false },
        { "{\"${}\":\"x\",\"more\":1}", "{\"${}\":\"x\",\"more\":1}", true },
    };
    struct graph *g = fake_graph("[{\"type\":\"net.group\",\"label\":\"a\"}]");
    graph_alias(g, "sg", "net.group/nowhere");
    graph_alias(g, "sg", "net.group/a");
    struct resource *a = graph_find(g, "sg");
    resource_set_output(a, "Id", "sg-1");
    json_put(a->outputs, "Ids", cJSON_Parse("[\"x\",2]"));
    json_put_int(a->outputs, "Port", 80);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_json_ cJSON *value = cJSON_Parse(cases[i].value);
        bool known;
        _cleanup_json_ cJSON *resolved = ref_resolve(g, value, &known);
        assert_json(resolved, cases[i].resolved);
        assert_int_equal(known, cases[i].known);
    }
    _cleanup_json_ cJSON *ref = ref_new("${%s/%s.Id}", "net.group", "a");
    assert_true(ref_is(ref) && ref_in(ref));
    assert_string_equal(resource_output(g, "sg", "Id"), "sg-1");
    assert_null(resource_output(g, "sg", "Port"));
    assert_null(resource_output(g, "gone", "Id"));
    graph_free(g);
}

static void test_outputs_that_an_action_will_change_are_unknown(void **state)
{
    (void)state;
    struct graph *g = fake_graph("[{\"type\":\"net.group\",\"label\":\"a\"}]");
    struct resource *a = graph_find(g, "net.group/a");
    resource_set_output(a, "Id", "i");
    resource_set_output(a, "Rev", "r");
    _cleanup_json_ cJSON *id = ref_new("${net.group/a.Id}"), *rev = ref_new("${net.group/a.Rev}");
    static const struct {
        enum action action;
        enum progress progress;
        bool rev_known;
    } cases[] = { { ACTION_NONE, PROGRESS_PENDING, true },
                  { ACTION_UPDATE, PROGRESS_PENDING, false },
                  { ACTION_UPDATE, PROGRESS_RUNNING, false },
                  { ACTION_UPDATE, PROGRESS_SETTLING, true },
                  { ACTION_UPDATE, PROGRESS_DONE, true } };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        bool known;
        a->action = cases[i].action;
        a->progress = cases[i].progress;
        cJSON_Delete(ref_resolve(g, id, &known));
        assert_true(known);
        cJSON_Delete(ref_resolve(g, rev, &known));
        assert_int_equal(known, cases[i].rev_known);
    }
    graph_free(g);
}

static void test_found_resources(void **state)
{
    (void)state;
    struct graph *g = fake_graph("[{\"type\":\"net.group\",\"label\":\"a\",\"name\":\"E-1\"}]");
    assert_ptr_equal(graph_found(g, &fake_group, "whatever", "E-1"), graph_find(g, "net.group/a"));
    const struct resource *same_label = graph_found(g, &fake_group, "a", "E-2");
    assert_string_equal(same_label->address, "net.group/E-2");
    assert_string_equal(graph_found(g, &fake_group, NULL, "E-3")->label, "E-3");
    for (int i = 0; i < 1000; i++) {
        _cleanup_free_ char *name = xasprintf("n%d", i);
        graph_found(g, &fake_task, NULL, name);
    }
    assert_int_equal(g->n, 1003);
    assert_string_equal(graph_find_name(g, &fake_task, "n999")->name, "n999");
    assert_null(graph_find_name(g, &fake_group, "n999"));
    graph_free(g);
}

static void test_ownership(void **state)
{
    (void)state;
    struct graph *g = fake_graph("[{\"type\":\"net.group\",\"label\":\"a b*\"}]");
    struct resource *r = g->v[0];
    _cleanup_json_ cJSON *tags = tags_wanted(g, r->label);
    assert_json(tags, "{\"Environment\":\"E\",\"berth:project\":\"77\","
                      "\"berth:ref\":\"dev/feature/x\",\"berth:name\":\"a b=2A\"}");
    assert_false(resource_is_ours(r));
    r->tags = json_dup(tags);
    json_put_str(r->tags, "berth:name", "another");
    json_put_str(r->tags, "Owner", "me");
    assert_true(resource_is_ours(r));
    static const char *const keys[] = { "Environment", "berth:project", "berth:ref" };
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        json_put_str(r->tags, keys[i], "x");
        assert_false(resource_is_ours(r));
        json_put(r->tags, keys[i], json_dup(json_get(tags, keys[i])));
        assert_true(resource_is_ours(r));
    }
    static const char *const of_stacks[] = { "aws:cloudformation:stack-id", "berth:template" };
    for (size_t i = 0; i < ARRAY_SIZE(of_stacks); i++) {
        json_put_str(r->tags, of_stacks[i], "x");
        assert_false(resource_is_ours(r));
        cJSON_DeleteItemFromObjectCaseSensitive(r->tags, of_stacks[i]);
    }
    graph_free(g);
}

static void test_refs_that_tags_cannot_hold(void **state)
{
    (void)state;
    struct graph *g = fake_graph("[]");
    g->context.ref = "dev/fix=ü#1";
    _cleanup_json_ cJSON *tags = tags_wanted(g, "x");
    assert_string_equal(json_str(tags, "berth:ref"), "dev/fix=3D=C3=BC=231");
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    for (int i = 0; i < 200; i++)
        strbuf_adds(&text, i == 0 ? "ab" : "#");
    g->context.ref = text.buf;
    _cleanup_json_ cJSON *cut = tags_wanted(g, "x");
    /* 2 + 84 escapes of 3: another whole one does not fit. */
    assert_int_equal(strlen(json_str(cut, "berth:ref")), 2 + 84 * 3);
    graph_free(g);
}

static void test_tag_lists(void **state)
{
    (void)state;
    _cleanup_json_ cJSON *tags = cJSON_Parse("{\"a\":\"1\",\"b\":\"\"}");
    _cleanup_json_ cJSON *list = tags_to_list(tags, "Key", "Value");
    assert_json(list, "[{\"Key\":\"a\",\"Value\":\"1\"},{\"Key\":\"b\",\"Value\":\"\"}]");
    cJSON_DeleteItemFromObjectCaseSensitive(cJSON_GetArrayItem(list, 1), "Value");
    _cleanup_json_ cJSON *back = tags_from_list(list, "Key", "Value");
    assert_json(back, "{\"a\":\"1\",\"b\":\"\"}");
}

static void test_warnings_are_said_once(void **state)
{
    (void)state;
    struct graph *g = fake_graph("[]");
    graph_warn(g, "a %d", 1);
    graph_warn(g, "b");
    graph_warn(g, "a %d", 1);
    assert_int_equal(g->warnings.n, 2);
    graph_free(g);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(test_what_a_graph_refuses),
        T(test_circles_are_named),
        T(test_needs_are_merged),
        T(test_references),
        T(test_outputs_that_an_action_will_change_are_unknown),
        T(test_found_resources),
        T(test_ownership),
        T(test_refs_that_tags_cannot_hold),
        T(test_tag_lists),
        T(test_warnings_are_said_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
