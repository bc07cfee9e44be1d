/* SPDX-License-Identifier: MIT */
/* Why what failed has failed: who is asked, when, and what becomes the run's last line. */
#include <setjmp.h>
#include <stdatomic.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "drivers/explanation.h"
#include "executor/base/log.h"
#include "executor/base/redact.h"
#include "tests/unit/fake.h"

static struct cancel cancel;
static const struct engine_options options = {
    .workers = 8, .poll_first = 0.002, .poll_max = 0.01, .cancel = &cancel
};
static uv_barrier_t both; /* passed when two explain() are under way at once */
static atomic_uint asked;

static int set_up(void **state)
{
    (void)state;
    cancel_init(&cancel);
    fake_init();
    asked = 0;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fake_service.explain = fake_group.explain = NULL;
    fake_release();
    cancel_release(&cancel);
    return 0;
}

static void explain(struct session *s, const struct resource *r, cJSON *explanation)
{
    (void)s;
    asked++;
    explanation_cause(explanation, "service '%s': it is broken", r->label);
    explanation_line(explanation_section(explanation, "events of %s", r->label), "one\r\ntwo\n");
}

static void explain_together(struct session *s, const struct resource *r, cJSON *explanation)
{
    uv_barrier_wait(&both);
    explain(s, r, explanation);
}

static void run_to_failure(struct graph *g, struct err *err)
{
    struct err planning = ERR_INIT;
    struct plan_counts counts;
    if (engine_observe(NULL, g, &options, &planning) < 0 ||
        engine_plan(g, NULL, &counts, &planning) < 0)
        fail_msg("%s", planning.message);
    assert_int_equal(engine_apply(NULL, g, &options, err), -1);
}

static const char one_service[] = "[{\"type\":\"ecs.service\",\"label\":\"a\"}]";
static const char two_services[] = "[{\"type\":\"ecs.service\",\"label\":\"a\"},"
                                   "{\"type\":\"ecs.service\",\"label\":\"b\"},"
                                   "{\"type\":\"ecs.service\",\"label\":\"well\"}]";

static void the_cause_is_the_runs_last_line(void **state)
{
    (void)state;
    _cleanup_err_ struct err err = ERR_INIT;
    fake_thing("ecs.service/E-a")->broken = true;
    fake_service.explain = explain;
    struct graph *g = fake_graph(one_service);
    run_to_failure(g, &err);
    engine_explain(NULL, g, &options, &err);
    assert_string_equal(err.message, "service 'a': it is broken");
    assert_int_equal(err.class, ERR_UNHEALTHY);
    const cJSON *x = graph_find(g, "ecs.service/a")->explanation;
    assert_string_equal(json_str_at(x, "sections/0/title"), "events of a");
    const cJSON *lines = json_at(x, "sections/0/lines");
    assert_int_equal(json_count(lines), 2);
    assert_string_equal(cJSON_GetStringValue(lines->child), "one");
    graph_free(g);
}

static void several_are_asked_together_and_counted(void **state)
{
    (void)state;
    _cleanup_err_ struct err err = ERR_INIT;
    fake_thing("ecs.service/E-a")->broken = fake_thing("ecs.service/E-b")->broken = true;
    fake_service.explain = explain_together;
    uv_barrier_init(&both, 2);
    struct graph *g = fake_graph(two_services);
    run_to_failure(g, &err);
    assert_int_equal(engine_unexplained(g, &options), 2);
    engine_explain(NULL, g, &options, &err);
    uv_barrier_destroy(&both);
    assert_int_equal(asked, 2);
    assert_true(str_starts(err.message, "2 services failed; service '"));
    assert_true(str_ends(err.message, "': it is broken"));
    assert_null(graph_find(g, "ecs.service/well")->explanation);
    graph_free(g);
}

static void what_has_no_explain_has_its_error(void **state)
{
    (void)state;
    _cleanup_err_ struct err err = ERR_INIT;
    fake_thing("net.group/E-g")->fail = ERR_DENIED;
    struct graph *g = fake_graph("[{\"type\":\"net.group\",\"label\":\"g\"}]");
    run_to_failure(g, &err);
    engine_explain(NULL, g, &options, &err);
    const struct resource *r = graph_find(g, "net.group/g");
    assert_string_equal(json_str(r->explanation, "cause"), r->error.message);
    assert_string_equal(err.message, r->error.message);
    assert_int_equal(json_count(json_get(r->explanation, "sections")), 0);
    graph_free(g);
}

static void a_call_that_has_failed_says_all(void **state)
{
    (void)state;
    _cleanup_err_ struct err err = ERR_INIT;
    fake_thing("ecs.service/E-a")->fail = ERR_DENIED;
    fake_service.explain = explain;
    struct graph *g = fake_graph(one_service);
    run_to_failure(g, &err);
    assert_int_equal(engine_unexplained(g, &options), 0);
    graph_free(g);
}

static void kinds_are_counted_apart(void **state)
{
    (void)state;
    _cleanup_err_ struct err err = ERR_INIT;
    fake_thing("net.group/E-g")->fail = fake_thing("store.box/E-b")->fail = ERR_DENIED;
    struct graph *g = fake_graph("[{\"type\":\"net.group\",\"label\":\"g\"},"
                                 "{\"type\":\"store.box\",\"label\":\"b\"}]");
    run_to_failure(g, &err);
    engine_explain(NULL, g, &options, &err);
    _cleanup_free_ char *begin =
        xasprintf("1 %s and 1 %s failed; cannot create ", fake_group.singular, fake_box.singular);
    assert_true(str_starts(err.message, begin));
    graph_free(g);
}

static void nobody_is_asked_after_a_cancel(void **state)
{
    (void)state;
    _cleanup_err_ struct err err = ERR_INIT;
    fake_thing("ecs.service/E-a")->broken = true;
    fake_service.explain = explain;
    struct graph *g = fake_graph(one_service);
    run_to_failure(g, &err);
    cancel_set(&cancel);
    assert_int_equal(engine_unexplained(g, &options), 0);
    engine_explain(NULL, g, &options, &err);
    assert_int_equal(asked, 0);
    assert_non_null(strstr(err.message, "failed"));
    graph_free(g);
}

static void a_line_is_cut_between_characters(void **state)
{
    (void)state;
    _cleanup_json_ cJSON *x = explanation_new("cause");
    cJSON *lines = explanation_section(x, "log");
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    strbuf_addc(&text, 'x');
    while (text.len < EXPLANATION_LINE_MAX + 10)
        strbuf_adds(&text, "\xc3\xa4");
    explanation_line(lines, "%s", text.buf);
    _cleanup_free_ char *first = xstrndup(text.buf, EXPLANATION_LINE_MAX - 1);
    _cleanup_free_ char *expected =
        xasprintf("%s ... (%zu bytes more)", first, text.len - (EXPLANATION_LINE_MAX - 1));
    assert_string_equal(cJSON_GetStringValue(lines->child), expected);
}

static void what_is_secret_is_masked_before_it_is_cut(void **state)
{
    (void)state;
    _cleanup_json_ cJSON *x = explanation_new("cause");
    cJSON *lines = explanation_section(x, "log");
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    redact_add("open-sesame-77");
    while (text.len < EXPLANATION_LINE_MAX - 7)
        strbuf_addc(&text, 'x');
    strbuf_adds(&text, "open-sesame-77");
    explanation_line(lines, "%s", text.buf);
    redact_release();
    assert_null(strstr(cJSON_GetStringValue(lines->child), "open"));
    assert_non_null(strstr(cJSON_GetStringValue(lines->child), "[MASK"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(the_cause_is_the_runs_last_line),   TEST(several_are_asked_together_and_counted),
        TEST(what_has_no_explain_has_its_error), TEST(a_call_that_has_failed_says_all),
        TEST(kinds_are_counted_apart),           TEST(nobody_is_asked_after_a_cancel),
        TEST(a_line_is_cut_between_characters),  TEST(what_is_secret_is_masked_before_it_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
