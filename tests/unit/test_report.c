/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "executor/base/log.h"
#include "executor/engine/report.h"
#include "tests/unit/reporting.h"

static void test_progress(void **state)
{
    (void)state;
    struct graph *g = graph_new(&(struct context){ .environment = "e" });
    _cleanup_report_ struct report report = REPORT_INIT;
    struct resource *a = reporting_add(g, &reporting_group, "a"),
                    *b = reporting_add(g, &reporting_group, "b"),
                    *s = reporting_add(g, &reporting_service, "s");
    report_phase(&report, "apply");
    a->progress = PROGRESS_DONE;
    report_progress(&report, g, a);
    expect_log(""); /* b is not there yet */
    b->progress = PROGRESS_DONE;
    report_progress(&report, g, b);
    expect_log("security groups: 2 created, 1.2 s\n");
    report_progress(&report, g, b);
    expect_log(""); /* once */

    s->progress = PROGRESS_SETTLING;
    s->waiting_for = xstrdup("0 of 1 tasks run");
    report_progress(&report, g, s);
    report_progress(&report, g, NULL);
    expect_log(""); /* not yet 30 seconds without a line */
    report.said -= REPORT_PAUSE;
    report_progress(&report, g, NULL);
    expect_log_timeless("T: waiting for service s (0 of 1 tasks run)\n");
    report_progress(&report, g, NULL);
    expect_log("");
    assert_string_equal(report_reason(s), "0 of 1 tasks run");
    atomic_store(&s->throttled, true); /* which is newer */
    assert_string_equal(report_reason(s), "AWS throttles its calls");
    report.said -= REPORT_PAUSE;
    report_progress(&report, g, NULL);
    expect_log_timeless("T: waiting for service s (AWS throttles its calls)\n");
    s->progress = PROGRESS_DONE;
    report_progress(&report, g, s);
    expect_log("service s: created, 1.2 s\n");
    graph_free(g);
}

static void go(struct resource *r, enum progress progress, const char *why)
{
    r->action = ACTION_REMOVE;
    r->progress = progress;
    r->waiting_for = xstrdup(why);
}

static void test_what_keeps_from_going(void **state)
{
    (void)state;
    struct graph *g = graph_new(&(struct context){ .environment = "e", .teardown = true });
    _cleanup_report_ struct report report = REPORT_INIT;
    go(reporting_add(g, &reporting_group, "a"), PROGRESS_RUNNING,
       "held by eni-1 \"ElastiCache e\"");
    static const char *const draining[] = { "s1", "s2", "s3", "s4", "s5" };
    for (size_t i = 0; i < ARRAY_SIZE(draining); i++)
        go(reporting_add(g, &reporting_service, draining[i]), PROGRESS_SETTLING,
           "DRAINING, 1 task left");
    go(reporting_add(g, &reporting_group, "b"), PROGRESS_RUNNING, "held by eni-2 \"ELB app/e/1\"");
    reporting_add(g, &reporting_group, "c")->progress = PROGRESS_RUNNING;
    report_phase(&report, "remove");
    report.said -= REPORT_PAUSE;
    report_progress(&report, g, NULL);
    expect_log_timeless(
        "T: awaiting the end of security group a: held by eni-1 \"ElastiCache e\"\n"
        "T: awaiting the end of services s1, s2, s3 and 2 more: DRAINING, 1 task left\n"
        "T: awaiting the end of security group b: held by eni-2 \"ELB app/e/1\"\n"
        "T: waiting for security group c\n");
    report_progress(&report, g, NULL);
    expect_log(""); /* not before another 30 seconds */
    for (size_t i = 0; i < g->n; i++)
        if (g->v[i]->type == &reporting_service)
            g->v[i]->progress = PROGRESS_DONE;
    report_progress(&report, g, graph_find(g, "ecs.service/s1"));
    expect_log("services: 5 removed, 1.2 s\n"); /* not each for itself */
    graph_free(g);
}

/* Time goes by, as far as the report can tell. */
static void pass(struct report *report, double seconds)
{
    report->said -= seconds;
    report->seen -= seconds;
    report->phases[0].start -= seconds;
}

/* How many lines of the text are seen where sections are folded, all of which are collapsed: but
 * for titles, none that is in one; and a mark that ends one has no text. */
static size_t count_seen(const char *text)
{
    size_t seen = 0;
    bool within = false;
    for (const char *line = text; *line != '\0'; line += strcspn(line, "\n") + 1) {
        bool starts = str_starts(line, "section_start:"), ends = str_starts(line, "section_end:");
        within = within && !ends;
        seen += !within && !ends;
        within = within || starts;
    }
    return seen;
}

/* An hour's waiting is 120 lines, under six titles; a day's under eleven. */
static void test_a_long_wait_is_folded(void **state)
{
    (void)state;
    static const struct {
        double seconds;
        size_t least, most;
    } cases[] = { { 300, 4, 4 }, { 3600, 7, 7 }, { 86400, 12, 12 } };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct graph *g = graph_new(&(struct context){ .environment = "e" });
        _cleanup_report_ struct report report = REPORT_INIT;
        struct resource *s = reporting_add(g, &reporting_service, "s");
        s->progress = PROGRESS_SETTLING;
        s->waiting_for = xstrdup("0 of 1 tasks run");
        log_folds(true);
        report_phase(&report, "apply");
        for (double t = 0; t < cases[i].seconds; t += 1) {
            pass(&report, 1);
            report_progress(&report, g, NULL);
        }
        s->progress = PROGRESS_DONE;
        report_progress(&report, g, s);
        _cleanup_free_ char *said = log_timeless();
        assert_in_range(count_of(said, "T: waiting for service s (0 of 1 tasks run)\n"),
                        (size_t)(cases[i].seconds / 30) - 1, (size_t)(cases[i].seconds / 30) + 2);
        assert_in_range(count_seen(said), cases[i].least, cases[i].most);
        assert_int_equal(count_of(said, "section_start:"), count_of(said, "section_end:"));
        assert_non_null(strstr(said, "[collapsed=true]\r\033[0Kwaiting for service s (0 of 1 tasks "
                                     "run)\nT: waiting for service s (0 of 1 tasks run)\n"));
        assert_non_null(strstr(said, "\r\033[0K\nservice s: created,T\n"));
        graph_free(g);
    }
}

/* When what a deploy of 14 services creates was there, seconds after it began, as AWS's durations
 * (tests/aws/clock.py) have it. */
static const struct {
    const char *plural; /* NULL: a service */
    double at;
} ends[] = {
    { "log groups", 1 },
    { "clusters", 1 },
    { "cache subnet groups", 1 },
    { "target groups", 1 },
    { "metric filters", 2 },
    { "security groups", 2 },
    { "dashboards", 2 },
    { "listeners", 2 },
    { "namespaces", 27 },
    { "discoveries", 27 },
    { "stacks", 42 },
    { "alarms", 46 },
    { NULL, 71 },
    { "load balancers", 131 },
    { "records", 132 },
    { NULL, 143 },
    { NULL, 144 },
    { NULL, 145 },
    { NULL, 146 },
    { NULL, 147 },
    { NULL, 148 },
    { NULL, 149 },
    { NULL, 150 },
    { NULL, 151 },
    { NULL, 152 },
    { NULL, 172 },
    { "cache clusters", 312 },
    { "task definitions", 313 },
    { NULL, 322 },
    { NULL, 385 },
};

/* Everything is under way until its time has come. */
static void play(struct report *report, struct graph *g, struct resource **v, double slower)
{
    report_phase(report, "apply");
    for (double t = 0; t <= 385 * slower; t += 1) {
        pass(report, 1);
        report_progress(report, g, NULL);
        for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
            if (v[i]->progress == PROGRESS_DONE || t < ends[i].at * slower)
                continue;
            v[i]->progress = PROGRESS_DONE;
            report_progress(report, g, v[i]);
        }
    }
}

/* What else is seen of a job, the runner's lines and berth's: tests/e2e/test_progress.py counts
 * it. */
#define SEEN_BESIDE 23

/* Less than 60 in all, also where AWS takes ten times as long as it does. */
static void test_a_good_deploy_is_short(void **state)
{
    (void)state;
    static const double slower[] = { 1, 3, 10 };
    for (size_t n = 0; n < ARRAY_SIZE(slower); n++) {
        struct graph *g = graph_new(&(struct context){ .environment = "e" });
        _cleanup_report_ struct report report = REPORT_INIT;
        struct resource_type types[ARRAY_SIZE(ends)];
        struct resource *v[ARRAY_SIZE(ends)];
        for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
            types[i] = reporting_group;
            types[i].name = types[i].plural = ends[i].plural;
            _cleanup_free_ char *label = xasprintf("x%zu", i);
            v[i] = reporting_add(g, ends[i].plural != NULL ? &types[i] : &reporting_service, label);
            v[i]->progress = PROGRESS_SETTLING;
        }
        log_folds(true);
        play(&report, g, v, slower[n]);
        report_table(&report, NULL);
        _cleanup_free_ char *said = log_lines();
        assert_in_range(count_seen(said) - 1, ARRAY_SIZE(ends) - 6, 59 - SEEN_BESIDE);
        for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
            _cleanup_free_ char *line = ends[i].plural != NULL
                                            ? xasprintf("%s: 1 created, ", reporting_group.singular)
                                            : xasprintf("service x%zu: created, ", i);
            assert_non_null(strstr(said, line));
        }
        assert_in_range(count_of(said, ": waiting for "), 8 * slower[n], 13 * slower[n]);
        graph_free(g);
    }
}

/* One waits in vain, and things end meanwhile. */
static struct resource *wait_beside(struct report *report, struct graph *g)
{
    struct resource *s = reporting_add(g, &reporting_service, "slow");
    s->progress = PROGRESS_SETTLING;
    s->waiting_for = xstrdup("0 of 1 tasks run");
    log_folds(true);
    report_phase(report, "apply");
    pass(report, REPORT_PAUSE);
    report_progress(report, g, NULL);
    return s;
}

static void test_the_wait_goes_on_after_what_ended(void **state)
{
    (void)state;
    struct graph *g = graph_new(&(struct context){ .environment = "e" });
    _cleanup_report_ struct report report = REPORT_INIT;
    wait_beside(&report, g);
    struct resource *quick = reporting_add(g, &reporting_service, "quick");
    quick->progress = PROGRESS_DONE;
    report_progress(&report, g, quick);
    free(log_lines());
    pass(&report, REPORT_PAUSE);
    report_progress(&report, g, NULL);
    _cleanup_free_ char *said = log_timeless();
    assert_int_equal(count_seen(said), 1);
    assert_non_null(strstr(said, "run)\nT: waiting for service slow (0 of 1 tasks run)\n"));
    pass(&report, REPORT_PAUSE);
    report_progress(&report, g, NULL);
    /* The section is open still. */
    expect_log_timeless("T: waiting for service slow (0 of 1 tasks run)\n");
    graph_free(g);
}

static void test_a_kind_does_not_end_the_wait(void **state)
{
    (void)state;
    struct graph *g = graph_new(&(struct context){ .environment = "e" });
    _cleanup_report_ struct report report = REPORT_INIT;
    wait_beside(&report, g);
    free(log_lines());
    struct resource *a = reporting_add(g, &reporting_group, "a"),
                    *quick = reporting_add(g, &reporting_service, "quick");
    a->progress = PROGRESS_DONE;
    report_progress(&report, g, a);
    expect_log("security group: 1 created, 1.2 s\n"); /* no mark before it */
    quick->progress = PROGRESS_DONE;
    report_progress(&report, g, quick);
    _cleanup_free_ char *said = log_lines();
    assert_true(str_starts(said, "section_end:"));
    graph_free(g);
}

/* The title tells how many, where the lines below it are several. */
static void test_title_of_several(void **state)
{
    (void)state;
    struct graph *g = graph_new(&(struct context){ .environment = "e", .teardown = true });
    _cleanup_report_ struct report report = REPORT_INIT;
    go(reporting_add(g, &reporting_group, "a"), PROGRESS_RUNNING, "held by eni-1");
    go(reporting_add(g, &reporting_service, "s"), PROGRESS_SETTLING, "DRAINING");
    go(reporting_add(g, &reporting_group, "b"), PROGRESS_RUNNING, "held by eni-2");
    log_folds(true);
    report_phase(&report, "remove");
    pass(&report, REPORT_PAUSE);
    report_progress(&report, g, NULL);
    _cleanup_free_ char *few = log_timeless();
    assert_non_null(strstr(few, "\033[0Kwaiting for security group a, service s, security group b\n"
                                "T: awaiting the end of security group a: held by eni-1\n"));
    go(reporting_add(g, &reporting_group, "c"), PROGRESS_RUNNING, "held by eni-2");
    pass(&report, 2 * REPORT_PAUSE);
    report_progress(&report, g, NULL);
    _cleanup_free_ char *many = log_timeless();
    assert_non_null(strstr(many, "\033[0Kwaiting for 3 security groups, 1 service\nT: awaiting"));
    graph_free(g);
}

/* A terminal has no such lines: what goes on is what it shows last, and goes when all has ended. */
static void test_live(void **state)
{
    (void)state;
    struct graph *g = graph_new(&(struct context){ .environment = "e" });
    _cleanup_report_ struct report report = REPORT_INIT;
    struct resource *a = reporting_add(g, &reporting_group, "a"),
                    *s = reporting_add(g, &reporting_service, "s");
    a->progress = PROGRESS_DONE;
    s->progress = PROGRESS_SETTLING;
    s->started = clock_now() - 62.5;
    s->waiting_for = xstrdup("0 of 1 tasks run");
    log_live();
    report_phase(&report, "apply");
    pass(&report, 3600);
    report_progress(&report, g, NULL);
    expect_log_timeless("T  apply: 1 of 2 done\n"
                        "T  service s: 0 of 1 tasks run\n");
    report.drawn += 1000;
    report_progress(&report, g, NULL);
    expect_log(""); /* not so soon again */
    report_progress(&report, g, a);
    expect_log_timeless("\033[2A\r\033[Jsecurity group: 1 created,T\n"
                        "T  apply: 1 of 2 done\n"
                        "T  service s: 0 of 1 tasks run\n");
    report_phase(&report, NULL);
    expect_log("\033[2A\r\033[J");
    graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_progress, reporting_setup, reporting_teardown),
        cmocka_unit_test_setup_teardown(test_what_keeps_from_going, reporting_setup,
                                        reporting_teardown),
        cmocka_unit_test_setup_teardown(test_a_long_wait_is_folded, reporting_setup,
                                        reporting_teardown),
        cmocka_unit_test_setup_teardown(test_a_good_deploy_is_short, reporting_setup,
                                        reporting_teardown),
        cmocka_unit_test_setup_teardown(test_the_wait_goes_on_after_what_ended, reporting_setup,
                                        reporting_teardown),
        cmocka_unit_test_setup_teardown(test_a_kind_does_not_end_the_wait, reporting_setup,
                                        reporting_teardown),
        cmocka_unit_test_setup_teardown(test_title_of_several, reporting_setup, reporting_teardown),
        cmocka_unit_test_setup_teardown(test_live, reporting_setup, reporting_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
