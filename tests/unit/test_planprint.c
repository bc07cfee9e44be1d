/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "executor/base/redact.h"
#include "executor/engine/planprint.h"

static enum readiness judge(const struct resource *r, struct strbuf *why)
{
    const char *state = json_str(r->have, "state");
    if (str_eq(state, "starting"))
        strbuf_adds(why, "0 of 1 tasks run");
    return str_eq(state, "starting") ? WAITING : str_eq(state, "broken") ? FAILED : READY;
}

static const struct resource_type service = {
    .name = "ecs.service", .singular = "service", .plural = "services", .judge = judge
};
static const struct resource_type definition = { .name = "ecs.task_definition",
                                                 .singular = "task definition",
                                                 .plural = "task definitions" };

static const char *const labels[] = { "a-new",     "b-changed", "c-gone",
                                      "d-waiting", "e-same",    "f-other-job" };

static cJSON *parse(const char *text)
{
    struct err err = ERR_INIT;
    cJSON *value = NULL;
    if (json_parse(text, strlen(text), JSON_PLAIN, &value, &err) < 0)
        fail_msg("%s: %s", text, err.message);
    return value;
}

static struct resource *add(struct graph *g, const struct resource_type *type, const char *label,
                            enum action action)
{
    struct err err = ERR_INIT;
    struct resource *r = NULL;
    _cleanup_free_ char *name = xasprintf("automation-8527fec8-%s", label);
    assert_int_equal(graph_add(g, type, label, name, "services.x", cJSON_CreateObject(), &r, &err),
                     0);
    r->action = action;
    r->selected = true;
    r->changes = cJSON_CreateArray();
    return r;
}

/* One resource of each kind of fate. */
static struct graph *graph_of_fates(void)
{
    static const struct context context = { .environment = "automation-8527fec8",
                                            .kind = "ephemeral",
                                            .ref = "dev/feature/login",
                                            .region = "us-east-1",
                                            .project = 77,
                                            .pipeline = 1001 };
    struct graph *g = graph_new(&context);
    add(g, &service, labels[0], ACTION_CREATE);
    struct resource *changed = add(g, &definition, labels[1], ACTION_UPDATE);
    changed->have = parse("{}");
    cJSON_Delete(changed->changes);
    changed->changes = parse("[{\"path\":\"cpu\",\"from\":\"256\",\"to\":\"512\"},"
                             "{\"path\":\"image\",\"to\":{\"${}\":\"${ecr.image/x.Image}\"}},"
                             "{\"path\":\"containerDefinitions[0].environment[3].value\","
                             "\"from\":\"old-secret\",\"to\":\"new-secret\"},"
                             "{\"path\":\"containerDefinitions[0].environment\","
                             "\"from\":[{\"name\":\"A\",\"value\":\"old-secret\"}],\"to\":[]},"
                             "{\"path\":\"containerDefinitions[0].environment[1]\","
                             "\"to\":{\"name\":\"B\",\"value\":\"new-secret\"}},"
                             "{\"path\":\"containerDefinitions\","
                             "\"from\":[{\"name\":\"x\",\"environment\":[{\"name\":\"A\",\"value\":"
                             "\"old-secret\"}]}]}]");
    struct resource *gone = add(g, &service, labels[2], ACTION_REMOVE);
    cJSON_Delete(steal_ptr(&gone->want));
    gone->have = parse("{}");
    gone->note = "no longer wanted";
    struct resource *waiting = add(g, &service, labels[3], ACTION_NONE);
    waiting->have = parse("{\"state\":\"starting\"}");
    waiting->wait = true;
    waiting->waiting_for = xstrdup("0 of 1 tasks run");
    add(g, &service, labels[4], ACTION_NONE)->have = parse("{}");
    struct resource *other = add(g, &service, labels[5], ACTION_NONE);
    other->have = parse("{\"state\":\"broken\"}");
    other->selected = false;
    other->note = "differs; not part of this job";
    return g;
}

static void test_text(void **state)
{
    (void)state;
    struct graph *g = graph_of_fates();
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    plan_to_text(g, &text);
    assert_string_equal(
        text.buf,
        "+ service a-new (automation-8527fec8-a-new)\n"
        "~ task definition b-changed (automation-8527fec8-b-changed)\n"
        "    cpu: \"256\" -> \"512\"\n"
        "    image: nothing -> (known after apply)\n"
        "    containerDefinitions[0].environment[3].value: (value not shown) -> (value not "
        "shown)\n"
        "    containerDefinitions[0].environment: [{\"name\":\"A\",\"value\":\"(value not "
        "shown)\"}] -> []\n"
        "    containerDefinitions[0].environment[1]: nothing -> {\"name\":\"B\",\"value\":\""
        "(value not shown)\"}\n"
        "    containerDefinitions: [{\"name\":\"x\",\"environment\":[{\"name\":\"A\",\"value\":"
        "\"(value not shown)\"}]}] -> nothing\n"
        "- service c-gone (automation-8527fec8-c-gone): no longer wanted\n"
        ". service d-waiting (automation-8527fec8-d-waiting): awaited: 0 of 1 tasks run\n");
    strbuf_reset(&text);
    plan_types_to_text(g, &text);
    assert_string_equal(text.buf, "  services             1 to create, 1 to remove, 1 awaited\n"
                                  "  task definitions     1 to update\n");
    strbuf_reset(&text);
    const struct plan_counts counts = {
        .create = 1, .update = 1, .remove = 1, .keep = 2, .wait = 1, .leave = 3
    };
    plan_counts_to_text(&counts, &text);
    assert_string_equal(
        text.buf,
        "1 to create, 1 to update, 1 to remove, 1 awaited, 3 left to another job, 2 unchanged");
    strbuf_reset(&text);
    plan_counts_to_text(&(struct plan_counts){ 0 }, &text);
    assert_string_equal(text.buf, "nothing");
    graph_free(g);
}

static void put_change(struct resource *r, const char *path, const char *to)
{
    cJSON *change = json_push(r->changes, cJSON_CreateObject());
    json_put_str(change, "path", path);
    json_put_str(change, "to", to);
}

/* A value is shortened, and its text escapes more than it says: neither may hide a secret from who
 * masks the log. */
static void test_secrets_in_long_values(void **state)
{
    (void)state;
    struct graph *g = graph_new(&(struct context){ .environment = "e" });
    struct resource *r = add(g, &definition, "d", ACTION_UPDATE);
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT, late = STRBUF_INIT, deep = STRBUF_INIT;
    redact_add("hunter2\\word");
    while (late.len < 155)
        strbuf_addc(&late, '-');
    strbuf_adds(&late, "hunter2\\word");
    strbuf_adds(&deep, "hunter2");
    while (deep.len < strlen("hunter2") + 32)
        strbuf_addc(&deep, '\\');
    strbuf_adds(&deep, "word");
    put_change(r, "late", late.buf);
    put_change(r, "deep", deep.buf);
    plan_to_text(g, &text);
    redact(&text); /* as the log does */
    assert_non_null(strstr(text.buf, "---[MAS...\n"));
    assert_non_null(strstr(text.buf, "deep: nothing -> \"[MASKED]\"\n"));
    graph_free(g);
    redact_release();
}

static void add_long(struct resource *r, const char *path, size_t before, const char *secret)
{
    _cleanup_strbuf_ struct strbuf value = STRBUF_INIT;
    while (value.len < before)
        strbuf_addc(&value, '-');
    strbuf_adds(&value, secret);
    cJSON *change = json_push(r->changes, cJSON_CreateObject());
    json_put_str(change, "path", path);
    cJSON *list = json_put_array(change, "to");
    json_push_str(list, value.buf);
}

/* Wherever in it the line ends. */
static void test_secrets_at_the_cut(void **state)
{
    (void)state;
    static const char secret[] = "s3cr3tTokenValue1234567890abcdef";
    redact_add(secret);
    for (size_t before = 120; before < 165; before++) {
        struct graph *g = graph_new(&(struct context){ .environment = "e" });
        struct resource *r = add(g, &definition, "d", ACTION_UPDATE);
        _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
        add_long(r, "containerDefinitions[api].command", before, secret);
        plan_to_text(g, &text);
        assert_non_null(strstr(text.buf, "command: nothing -> [\"------"));
        if (strstr(text.buf, "-s") != NULL)
            fail_msg("%zu: %s", before, text.buf);
        graph_free(g);
    }
    redact_release();
}

static void test_json(void **state)
{
    (void)state;
    struct graph *g = graph_of_fates();
    graph_warn(g, "a warning");
    const struct plan_counts counts = { .create = 1, .update = 1 };
    _cleanup_json_ cJSON *json = plan_to_json(g, &counts);
    assert_string_equal(json_str(json, "schema"), "berth-plan/1");
    assert_string_equal(json_str(json, "environment"), "automation-8527fec8");
    assert_int_equal(json_int(json_get(json, "counts"), "create", 0), 1);
    assert_string_equal(json_at(json, "warnings/0")->valuestring, "a warning");
    assert_string_equal(json_str_at(json, "resources/1/action"), "update");
    assert_true(json_bool(json_at(json, "resources/1/changes/1"), "unknown", false));
    assert_false(json_bool(json_at(json, "resources/5"), "selected", true));
    _cleanup_free_ char *text = json_print(json);
    assert_null(strstr(text, "old-secret"));
    assert_null(strstr(text, "new-secret"));
    /* The resource's own changes are as they were. */
    _cleanup_free_ char *changes = json_print(g->v[1]->changes);
    assert_non_null(strstr(changes, "new-secret"));
    graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_secrets_in_long_values),
        cmocka_unit_test(test_secrets_at_the_cut),
        cmocka_unit_test(test_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
