/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "drivers/explanation.h"
#include "executor/engine/report.h"
#include "tests/unit/reporting.h"

static void test_failures(void **state)
{
    (void)state;
    struct graph *g = graph_new(&(struct context){ .environment = "e" });
    _cleanup_report_ struct report report = REPORT_INIT;
    struct resource *a = reporting_add(g, &reporting_group, "a"),
                    *b = reporting_add(g, &reporting_group, "b"),
                    *s = reporting_add(g, &reporting_service, "s");
    a->progress = PROGRESS_DONE;
    b->progress = PROGRESS_FAILED;
    err_set(&b->error, ERR_DENIED, "ec2:CreateSecurityGroup: not allowed");
    strcpy(b->error.aws_code, "UnauthorizedOperation");
    strcpy(b->error.request_id, "8d2f-1");
    s->progress = PROGRESS_SKIPPED;
    err_set(&s->error, ERR_DENIED, "needs something that failed");
    report_progress(&report, g, b);
    expect_log("security group b: failed, 1.2 s\n"
               "security group: 1 created, 1.2 s\n");
    struct resource *t = reporting_add(g, &reporting_service, "t"),
                    *u = reporting_add(g, &reporting_service, "u");
    t->progress = PROGRESS_SKIPPED;
    err_copy(&t->error, &s->error);
    u->progress = PROGRESS_FAILED;
    err_set(&u->error, ERR_CANCELLED, "no longer awaited");
    report_progress(&report, g, u);
    expect_log("");
    report_failures(g);
    expect_log(
        "done: 1 created\n"
        "failed: security group b: ec2:CreateSecurityGroup: not allowed [the credentials do not "
        "allow it; AWS: UnauthorizedOperation; request 8d2f-1]\n"
        "not finished: service u: no longer awaited\n"
        "not tried: services s, t: needs something that failed\n");
    graph_free(g);
}

/* What a container may write: nothing of it can be shown as it is. */
static void explain_at_length(struct resource *r, size_t n_lines)
{
    char line[1800];
    memset(line, '\x1b', sizeof(line) - 1);
    line[sizeof(line) - 1] = '\0';
    r->progress = PROGRESS_FAILED;
    err_set(&r->error, ERR_UNHEALTHY, "its tasks end");
    r->explanation = explanation_new("its tasks end");
    cJSON *section = explanation_section(r->explanation, "the log of %s", r->label);
    for (size_t i = 0; i < n_lines; i++)
        explanation_line(section, "%zu%s", i, line);
    explanation_line(section, "the end of %s", r->label);
}

/* All of it together finds room in what the runner takes, each with its end. */
static void test_reasons_do_not_fill_the_log(void **state)
{
    (void)state;
    static const struct {
        size_t resources, lines;
    } cases[] = { { 1, 50 }, { 14, 50 }, { 200, 20 } };
    for (size_t n = 0; n < ARRAY_SIZE(cases); n++) {
        struct graph *g = graph_new(&(struct context){ .environment = "e" });
        for (size_t i = 0; i < cases[n].resources; i++) {
            _cleanup_free_ char *label = xasprintf("x%zu.", i);
            explain_at_length(reporting_add(g, &reporting_service, label), cases[n].lines);
        }
        report_failures(g);
        _cleanup_free_ char *said = log_lines();
        assert_in_range(strlen(said), REPORT_WHY_ONE / 2, 5 * REPORT_WHY / 4);
        assert_int_equal(count_of(said, "\nthe end of x"), cases[n].resources);
        assert_int_equal(count_of(said, " lines before the following left out, "),
                         cases[n].resources);
        graph_free(g);
    }
}

static void test_all_reasons_are_said_where_there_is_room(void **state)
{
    (void)state;
    struct graph *g = graph_new(&(struct context){ .environment = "e" });
    explain_at_length(reporting_add(g, &reporting_service, "x"), 5);
    report_failures(g);
    _cleanup_free_ char *said = log_lines();
    assert_int_equal(count_of(said, "\\x1b\n") + count_of(said, "bytes more)\n"), 5);
    assert_null(strstr(said, "left out"));
    graph_free(g);
}

/* What has not answered may have been done, and what is taken back does not go on. */
static void test_what_goes_on_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *label;
        double written;
        bool uncertain, recalled;
    } cases[] = {
        { "a", 1, false, false }, { "b", 0, false, false }, { "c", 0, true, false },
        { "d", 1, true, true },   { "e", 1, true, false },
    };
    struct graph *g = graph_new(&(struct context){ .environment = "e" });
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct resource *r = reporting_add(g, &reporting_service, cases[i].label);
        r->progress = PROGRESS_FAILED;
        r->written = cases[i].written;
        r->uncertain = cases[i].uncertain;
        json_put_bool(r->memo, RESOURCE_RECALLED, cases[i].recalled);
        err_set(&r->error, ERR_CANCELLED, "no longer awaited");
    }
    _cleanup_strbuf_ struct strbuf begun = STRBUF_INIT;
    assert_true(report_begun(g, &begun));
    assert_string_equal(begun.buf,
                        "service a, service c (perhaps: AWS has not answered), service e");
    graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_failures, reporting_setup, reporting_teardown),
        cmocka_unit_test(test_what_goes_on_is_named),
        cmocka_unit_test_setup_teardown(test_reasons_do_not_fill_the_log, reporting_setup,
                                        reporting_teardown),
        cmocka_unit_test_setup_teardown(test_all_reasons_are_said_where_there_is_room,
                                        reporting_setup, reporting_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
