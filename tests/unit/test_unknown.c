/* SPDX-License-Identifier: MIT */
/*
 * Values that are known only after apply, through a whole plan: for each kind of reference what
 * the plan says before it, that apply compares again once the value is there, and that nothing is
 * written of which the plan did not say so.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "executor/engine/planprint.h"
#include "tests/unit/fake.h"

/* In the fake cloud a task definition's Rev changes whenever it is written, a group's Id never. A
 * box is replaced by removing it first, a group under a second name. */
#define TASK       "{\"type\":\"ecs.task\",\"label\":\"t\",\"want\":{\"Cpu\":1}}"
#define GROUP      "{\"type\":\"net.group\",\"label\":\"g\",\"want\":{\"Kind\":\"new\",\"Size\":1}}"
#define BOX        "{\"type\":\"store.box\",\"label\":\"b\",\"want\":{\"Kind\":\"new\"}}"
#define R(ref)     "{\"${}\":\"" ref "\"}"
#define USER(want) "{\"type\":\"ecs.service\",\"label\":\"w\",\"want\":{\"Uses\":" want "}}"
#define REV        "${ecs.task/t.Rev}"

struct row {
    const char *what;
    const char *there[4]; /* names and states, as fake_put() takes them */
    const char *want;     /* what the spec asks for, a list without its brackets */
    const char *plan;     /* what is done to whom, by address */
    const char *unknown;  /* the addresses of those that the plan says to be unknown in part */
    const char *writes;   /* what apply then does, sorted */
};

static const struct row rows[] = {
    { "of what is absent, into what is absent",
      { NULL },
      TASK "," USER(R(REV)),
      "ecs.task/t create, ecs.service/w create",
      "ecs.service/w",
      "create ecs.service/E-w, create ecs.task/E-t" },
    { "of what is absent, into what has another value",
      { "ecs.service/E-w", "{\"Uses\":\"E-t:7\"}" },
      TASK "," USER(R(REV)),
      "ecs.task/t create, ecs.service/w update",
      "ecs.service/w",
      "create ecs.task/E-t, update ecs.service/E-w" },
    { "of what is absent, into what has that value already",
      { "ecs.service/E-w", "{\"Uses\":\"id-E-g\"}" },
      GROUP "," USER(R("${net.group/g.Id}")),
      "net.group/g create, ecs.service/w update",
      "ecs.service/w",
      "create net.group/E-g" },
    { "of what is updated, an output that may change, and does",
      { "ecs.task/E-t", "{\"Cpu\":2}", "ecs.service/E-w", "{\"Uses\":\"E-t:1\"}" },
      TASK "," USER(R(REV)),
      "ecs.task/t update, ecs.service/w update",
      "ecs.service/w",
      "update ecs.service/E-w, update ecs.task/E-t" },
    { "of what is updated, an output that may change, into what has it already",
      { "ecs.task/E-t", "{\"Cpu\":2}", "ecs.service/E-w", "{\"Uses\":\"E-t:2\"}" },
      TASK "," USER(R(REV)),
      "ecs.task/t update, ecs.service/w update",
      "ecs.service/w",
      "update ecs.task/E-t" },
    { "of what is updated, an output that stays",
      { "net.group/E-g", "{\"Kind\":\"new\",\"Size\":2}", "ecs.service/E-w",
        "{\"Uses\":\"id-E-g\"}" },
      GROUP "," USER(R("${net.group/g.Id}")),
      "net.group/g update",
      "",
      "update net.group/E-g" },
    { "of what is updated, an output that stays, into what has another value",
      { "net.group/E-g", "{\"Kind\":\"new\",\"Size\":2}", "ecs.service/E-w", "{\"Uses\":\"x\"}" },
      GROUP "," USER(R("${net.group/g.Id}")),
      "net.group/g update, ecs.service/w update",
      "",
      "update ecs.service/E-w, update net.group/E-g" },
    { "of what stays as it is",
      { "ecs.task/E-t", "{\"Cpu\":1}", "ecs.service/E-w", "{\"Uses\":\"E-t:1\"}" },
      TASK "," USER(R(REV)),
      "",
      "",
      "" },
    { "in a text",
      { "ecs.task/E-t", "{\"Cpu\":2}", "ecs.service/E-w", "{\"Uses\":\"a-E-t:1-b\"}" },
      TASK "," USER(R("a-" REV "-b")),
      "ecs.task/t update, ecs.service/w update",
      "ecs.service/w",
      "update ecs.service/E-w, update ecs.task/E-t" },
    { "in a text beside one that is known",
      { "ecs.task/E-t", "{\"Cpu\":2}", "net.group/E-g", "{\"Kind\":\"new\",\"Size\":1}" },
      TASK "," GROUP "," USER(R(REV " ${net.group/g.Id}")),
      "ecs.task/t update, ecs.service/w create",
      "ecs.service/w",
      "create ecs.service/E-w, update ecs.task/E-t" },
    { "deep in a value",
      { "ecs.task/E-t", "{\"Cpu\":2}", "ecs.service/E-w", "{\"Uses\":[{\"a\":[\"E-t:2\",1]}]}" },
      TASK "," USER("[{\"a\":[" R(REV) ",1]}]"),
      "ecs.task/t update, ecs.service/w update",
      "ecs.service/w",
      "update ecs.task/E-t" },
    { "of what is removed first and created anew",
      { "store.box/E-b", "{\"Kind\":\"old\"}", "ecs.service/E-w", "{\"Uses\":\"id-E-b\"}" },
      BOX "," USER(R("${store.box/b.Id}")),
      "store.box/b replace, ecs.service/w update",
      "ecs.service/w",
      "create store.box/E-b, remove store.box/E-b" },
    { "of what is replaced under a second name",
      { "net.group/E-g", "{\"Kind\":\"old\",\"Size\":1}", "ecs.service/E-w",
        "{\"Uses\":\"id-E-g\"}" },
      GROUP "," USER(R("${net.group/g.Id}")),
      "net.group/g replace, ecs.service/w update",
      "ecs.service/w",
      "create net.group/E-g-new, remove net.group/E-g, update ecs.service/E-w" },
    { "of what would change only by one that is unknown",
      { "ecs.task/E-t", "{\"Cpu\":2}", "ecs.task/E-u", "{\"Of\":\"E-t:2\"}" },
      TASK ",{\"type\":\"ecs.task\",\"label\":\"u\",\"want\":{\"Of\":" R(REV) "}}," USER(
          R("${ecs.task/u.Rev}")),
      "ecs.task/t update, ecs.task/u update, ecs.service/w create",
      "ecs.task/u ecs.service/w",
      "create ecs.service/E-w, update ecs.task/E-t" },
    { "in what only a new one can have, and has already",
      { "ecs.task/E-t", "{\"Cpu\":2}", "store.box/E-b", "{\"Kind\":\"E-t:2\"}" },
      TASK ",{\"type\":\"store.box\",\"label\":\"b\",\"want\":{\"Kind\":" R(REV) "}}",
      "ecs.task/t update, store.box/b replace",
      "store.box/b",
      "update ecs.task/E-t" },
    { "in what only a new one can have, and has not",
      { "ecs.task/E-t", "{\"Cpu\":2}", "store.box/E-b", "{\"Kind\":\"E-t:1\"}" },
      TASK ",{\"type\":\"store.box\",\"label\":\"b\",\"want\":{\"Kind\":" R(REV) "}}",
      "ecs.task/t update, store.box/b replace",
      "store.box/b",
      "create store.box/E-b, remove store.box/E-b, update ecs.task/E-t" },
};

static struct graph *planned(const char *want)
{
    _cleanup_free_ char *text = xasprintf("[%s]", want);
    struct err err = ERR_INIT;
    struct plan_counts counts;
    struct graph *g = fake_graph(text);
    g->context.limits = fake_limits;
    if (engine_observe(NULL, g, &fake_options, &err) < 0 || engine_plan(g, NULL, &counts, &err) < 0)
        fail_msg("%s", err.message);
    return g;
}

static void add(struct strbuf *text, const char *between, const char *first, const char *second)
{
    strbuf_addf(text, "%s%s%s%s", text->len > 0 ? between : "", first, *second != '\0' ? " " : "",
                second);
}

static void assert_plan(const struct graph *g, const struct row *row)
{
    _cleanup_strbuf_ struct strbuf plan = STRBUF_INIT, unknown = STRBUF_INIT;
    for (size_t i = 0; i < g->n; i++) {
        const struct resource *r = g->v[i];
        if (r->action == ACTION_NONE)
            continue;
        add(&plan, ", ", r->address, action_name(r->action));
        if (ref_in(r->action == ACTION_CREATE ? r->target : r->changes))
            add(&unknown, " ", r->address, "");
    }
    assert_string_equal(plan.len > 0 ? plan.buf : "", row->plan);
    assert_string_equal(unknown.len > 0 ? unknown.buf : "", row->unknown);
}

/* Compares what was written; whoever was written to is somebody of whom the plan says so. */
static void assert_writes(const struct graph *g, const struct row *row)
{
    static const char *const names[] = {
        [FAKE_CREATE] = "create", [FAKE_UPDATE] = "update", [FAKE_REMOVE] = "remove"
    };
    _cleanup_json_ cJSON *writes = cJSON_CreateArray();
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    struct fake_event *events;
    size_t n = fake_events(&events);
    for (size_t i = 0; i < n; i++) {
        if (events[i].op >= ARRAY_SIZE(names) || names[events[i].op] == NULL)
            continue;
        _cleanup_free_ char *line = xasprintf("%s %s", names[events[i].op], events[i].name);
        json_push_str(writes, line);
        bool said = false;
        for (size_t j = 0; j < g->n; j++) {
            const char *slash = strchr(events[i].name, '/');
            said = said || (str_eq(g->v[j]->name, slash + 1) && g->v[j]->action != ACTION_NONE);
        }
        if (!said)
            fail_msg("the plan did not say: %s", line);
    }
    free(events);
    json_sort(writes, NULL);
    const cJSON *line;
    cJSON_ArrayForEach (line, writes)
        add(&text, ", ", line->valuestring, "");
    assert_string_equal(text.len > 0 ? text.buf : "", row->writes);
}

static void check(const struct row *row)
{
    for (size_t i = 0; i + 1 < ARRAY_SIZE(row->there) && row->there[i] != NULL; i += 2)
        fake_put(row->there[i], row->there[i + 1], true);
    struct graph *g = planned(row->want);
    assert_plan(g, row);
    fake_forget_events();
    struct err err = ERR_INIT;
    if (engine_apply(NULL, g, &fake_options, &err) < 0)
        fail_msg("%s", err.message);
    assert_writes(g, row);
    graph_free(g);
    /* The fake cloud does not find by its label what has a second name. */
    if (strstr(row->writes, "-new") != NULL)
        return;
    g = planned(row->want);
    for (size_t i = 0; i < g->n; i++)
        assert_int_equal(g->v[i]->action, ACTION_NONE);
    graph_free(g);
}

static void test_each_kind_of_reference(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        print_message("%s\n", rows[i].what);
        check(&rows[i]);
        fake_tear_down(state);
        fake_set_up_replacing(state);
    }
}

/* The plan cannot know; apply says that it cannot be, and writes nothing to it. */
static void test_what_cannot_be_changed_is_refused_once_it_is_known(void **state)
{
    (void)state;
    fake_box.replace = REPLACE_REFUSE;
    fake_put("ecs.task/E-t", "{\"Cpu\":2}", true);
    fake_put("store.box/E-b", "{\"Kind\":\"E-t:1\"}", true);
    struct graph *g =
        planned(TASK ",{\"type\":\"store.box\",\"label\":\"b\",\"want\":{\"Kind\":" R(REV) "}}");
    assert_int_equal(graph_find(g, "store.box/b")->action, ACTION_UPDATE);
    struct err err = ERR_INIT;
    assert_int_equal(engine_apply(NULL, g, &fake_options, &err), -1);
    assert_int_equal(err.class, ERR_USER);
    assert_non_null(strstr(err.message, "'Kind' is \"E-t:1\" and should become \"E-t:2\""));
    assert_int_equal(fake_count(FAKE_UPDATE, "store.box/E-b"), 0);
    err_release(&err);
    graph_free(g);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, fake_set_up_replacing, fake_tear_down)
    const struct CMUnitTest tests[] = {
        T(test_each_kind_of_reference),
        T(test_what_cannot_be_changed_is_refused_once_it_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
