/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <unistd.h>

#include "drivers/explanation.h"
#include "executor/base/log.h"
#include "executor/engine/report.h"

static const struct resource_type group = { .name = "security_group",
                                            .singular = "security group",
                                            .plural = "security groups" };
static const struct resource_type service = {
    .name = "ecs.service", .singular = "service", .plural = "services", .flags = TYPE_APPLICATION
};

static FILE *lines;

/* What has been logged since the last time; the caller frees it. */
static char *logged(void)
{
    static char text[4 << 20];
    rewind(lines);
    size_t n = fread(text, 1, sizeof(text) - 1, lines);
    text[n] = '\0';
    rewind(lines);
    assert_int_equal(ftruncate(fileno(lines), 0), 0);
    return xstrdup(text);
}

static void expect(const char *text)
{
    _cleanup_free_ char *said = logged();
    assert_string_equal(said, text);
}

/* Where a span stands at p ("1.2 s", "1 min 30 s", "1:02"), how long it is; 0: there is none. */
static size_t span_at(const char *p)
{
    size_t n = strspn(p, "0123456789.:");
    if (n == 0 || p[n - 1] == ':')
        return 0;
    if (memchr(p, ':', n) != NULL)
        return n;
    if (str_starts(p + n, " min ")) {
        size_t rest = span_at(p + n + 5);
        return rest > 0 ? n + 5 + rest : 0;
    }
    return str_starts(p + n, " s") && strchr(" :,\n", p[n + 2]) != NULL ? n + 2 : 0;
}

/* What has been logged, with T for each span: how long the test itself takes does not matter. The
 * caller frees it. */
static char *logged_timeless(void)
{
    _cleanup_free_ char *said = logged();
    _cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
    for (const char *p = said; *p != '\0';) {
        size_t blanks = strspn(p, " "), n = span_at(p + blanks);
        if (n > 0) {
            strbuf_adds(&out, "T");
            p += blanks + n;
        } else {
            strbuf_add(&out, p, 1);
            p++;
        }
    }
    return strbuf_detach(&out);
}

static void expect_timeless(const char *text)
{
    _cleanup_free_ char *said = logged_timeless();
    assert_string_equal(said, text);
}

static struct resource *add(struct graph *g, const struct resource_type *type, const char *label)
{
    struct err err = ERR_INIT;
    struct resource *r = NULL;
    assert_int_equal(graph_add(g, type, label, label, "", cJSON_CreateObject(), &r, &err), 0);
    r->action = ACTION_CREATE;
    r->started = 100;
    r->ended = 101.2;
    return r;
}

static int setup(void **state)
{
    (void)state;
    lines = tmpfile();
    if (lines == NULL)
        return -1;
    log_init(fileno(lines), LOG_INFO, false);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    log_footer(NULL);
    log_info("whatever is said ends what is open");
    log_init(STDERR_FILENO, LOG_INFO, false);
    return fclose(lines);
}

static void test_progress(void **state)
{
    (void)state;
    struct graph *g = graph_new(&(struct context){ .environment = "e" });
    _cleanup_report_ struct report report = REPORT_INIT;
    struct resource *a = add(g, &group, "a"), *b = add(g, &group, "b"), *s = add(g, &service, "s");
    report_phase(&report, "apply");
    a->progress = PROGRESS_DONE;
    report_progress(&report, g, a);
    expect(""); /* b is not there yet */
    b->progress = PROGRESS_DONE;
    report_progress(&report, g, b);
    expect("security groups: 2 created, 1.2 s\n");
    report_progress(&report, g, b);
    expect(""); /* once */

    s->progress = PROGRESS_SETTLING;
    s->waiting_for = xstrdup("0 of 1 tasks run");
    report_progress(&report, g, s);
    report_progress(&report, g, NULL);
    expect(""); /* not yet 30 seconds without a line */
    report.said -= REPORT_PAUSE;
    report_progress(&report, g, NULL);
    expect_timeless("T: waiting for service s (0 of 1 tasks run)\n");
    report_progress(&report, g, NULL);
    expect("");
    s->progress = PROGRESS_DONE;
    report_progress(&report, g, s);
    expect("service s: created, 1.2 s\n");
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
    go(add(g, &group, "a"), PROGRESS_RUNNING, "held by eni-1 \"ElastiCache e\"");
    static const char *const draining[] = { "s1", "s2", "s3", "s4", "s5" };
    for (size_t i = 0; i < ARRAY_SIZE(draining); i++)
        go(add(g, &service, draining[i]), PROGRESS_SETTLING, "DRAINING, 1 task left");
    go(add(g, &group, "b"), PROGRESS_RUNNING, "held by eni-2 \"ELB app/e/1\"");
    add(g, &group, "c")->progress = PROGRESS_RUNNING;
    report_phase(&report, "remove");
    report.said -= REPORT_PAUSE;
    report_progress(&report, g, NULL);
    expect_timeless("T: awaiting the end of security group a: held by eni-1 \"ElastiCache e\"\n"
                    "T: awaiting the end of services s1, s2, s3 and 2 more: DRAINING, 1 task left\n"
                    "T: awaiting the end of security group b: held by eni-2 \"ELB app/e/1\"\n"
                    "T: waiting for security group c\n");
    report_progress(&report, g, NULL);
    expect(""); /* not before another 30 seconds */
    for (size_t i = 0; i < g->n; i++)
        if (g->v[i]->type == &service)
            g->v[i]->progress = PROGRESS_DONE;
    report_progress(&report, g, graph_find(g, "ecs.service/s1"));
    expect("services: 5 removed, 1.2 s\n"); /* not each for itself */
    graph_free(g);
}

static void test_failures(void **state)
{
    (void)state;
    struct graph *g = graph_new(&(struct context){ .environment = "e" });
    _cleanup_report_ struct report report = REPORT_INIT;
    struct resource *a = add(g, &group, "a"), *b = add(g, &group, "b"), *s = add(g, &service, "s");
    a->progress = PROGRESS_DONE;
    b->progress = PROGRESS_FAILED;
    err_set(&b->error, ERR_DENIED, "ec2:CreateSecurityGroup: not allowed");
    strcpy(b->error.aws_code, "UnauthorizedOperation");
    strcpy(b->error.request_id, "8d2f-1");
    s->progress = PROGRESS_SKIPPED;
    err_set(&s->error, ERR_DENIED, "needs something that failed");
    report_progress(&report, g, b);
    expect("security group b: failed, 1.2 s\n"
           "security group: 1 created, 1.2 s\n");
    struct resource *t = add(g, &service, "t"), *u = add(g, &service, "u");
    t->progress = PROGRESS_SKIPPED;
    err_copy(&t->error, &s->error);
    u->progress = PROGRESS_FAILED;
    err_set(&u->error, ERR_CANCELLED, "no longer awaited");
    report_progress(&report, g, u);
    expect("");
    report_failures(g);
    expect("done: 1 created\n"
           "failed: security group b: ec2:CreateSecurityGroup: not allowed [the credentials do not "
           "allow it; AWS: UnauthorizedOperation; request 8d2f-1]\n"
           "not finished: service u: no longer awaited\n"
           "not tried: services s, t: needs something that failed\n");
    graph_free(g);
}

static size_t count_of(const char *text, const char *word)
{
    size_t n = 0;
    for (const char *at = text; (at = strstr(at, word)) != NULL; at++)
        n++;
    return n;
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
            explain_at_length(add(g, &service, label), cases[n].lines);
        }
        report_failures(g);
        _cleanup_free_ char *said = logged();
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
    explain_at_length(add(g, &service, "x"), 5);
    report_failures(g);
    _cleanup_free_ char *said = logged();
    assert_int_equal(count_of(said, "\\x1b\n") + count_of(said, "bytes more)\n"), 5);
    assert_null(strstr(said, "left out"));
    graph_free(g);
}

static int answer(void *context, const char *name, const char *action, const cJSON *input,
                  cJSON **ret_output, struct err *err)
{
    (void)context;
    (void)name;
    (void)action;
    (void)input;
    (void)ret_output;
    (void)err;
    return 0;
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
        struct resource *s = add(g, &service, "s");
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
        _cleanup_free_ char *said = logged_timeless();
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
            types[i] = group;
            types[i].name = types[i].plural = ends[i].plural;
            _cleanup_free_ char *label = xasprintf("x%zu", i);
            v[i] = add(g, ends[i].plural != NULL ? &types[i] : &service, label);
            v[i]->progress = PROGRESS_SETTLING;
        }
        log_folds(true);
        play(&report, g, v, slower[n]);
        report_table(&report, NULL);
        _cleanup_free_ char *said = logged();
        assert_in_range(count_seen(said) - 1, ARRAY_SIZE(ends) - 6, 59 - SEEN_BESIDE);
        for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
            _cleanup_free_ char *line = ends[i].plural != NULL
                                            ? xasprintf("%s: 1 created, ", group.singular)
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
    struct resource *s = add(g, &service, "slow");
    s->progress = PROGRESS_SETTLING;
    s->waiting_for = xstrdup("0 of 1 tasks run");
    log_folds(true);
    report_phase(report, "apply");
    pass(report, REPORT_PAUSE);
    report_progress(report, g, NULL);
    return s;
}

static void test_what_is_held_back_is_said_later(void **state)
{
    (void)state;
    struct graph *g = graph_new(&(struct context){ .environment = "e" });
    _cleanup_report_ struct report report = REPORT_INIT;
    wait_beside(&report, g);
    struct resource *quick = add(g, &service, "quick");
    quick->progress = PROGRESS_DONE;
    report_progress(&report, g, quick);
    free(logged());
    pass(&report, REPORT_PAUSE);
    report_progress(&report, g, NULL);
    expect(""); /* too soon for a title, and nothing that it could be folded in */
    pass(&report, REPORT_PAUSE);
    report_progress(&report, g, NULL);
    _cleanup_free_ char *said = logged_timeless();
    assert_int_equal(count_seen(said), 1);
    assert_non_null(strstr(said, "run)\nT: waiting for service slow (0 of 1 tasks run)\n"
                                 "T: waiting for service slow (0 of 1 tasks run)\n"));
    graph_free(g);
}

static void test_a_kind_does_not_end_the_wait(void **state)
{
    (void)state;
    struct graph *g = graph_new(&(struct context){ .environment = "e" });
    _cleanup_report_ struct report report = REPORT_INIT;
    wait_beside(&report, g);
    free(logged());
    struct resource *a = add(g, &group, "a"), *quick = add(g, &service, "quick");
    a->progress = PROGRESS_DONE;
    report_progress(&report, g, a);
    expect("security group: 1 created, 1.2 s\n"); /* no mark before it */
    quick->progress = PROGRESS_DONE;
    report_progress(&report, g, quick);
    _cleanup_free_ char *said = logged();
    assert_true(str_starts(said, "section_end:"));
    graph_free(g);
}

/* The title tells how many, where the lines below it are several. */
static void test_title_of_several(void **state)
{
    (void)state;
    struct graph *g = graph_new(&(struct context){ .environment = "e", .teardown = true });
    _cleanup_report_ struct report report = REPORT_INIT;
    go(add(g, &group, "a"), PROGRESS_RUNNING, "held by eni-1");
    go(add(g, &service, "s"), PROGRESS_SETTLING, "DRAINING");
    go(add(g, &group, "b"), PROGRESS_RUNNING, "held by eni-2");
    log_folds(true);
    report_phase(&report, "remove");
    pass(&report, REPORT_PAUSE);
    report_progress(&report, g, NULL);
    _cleanup_free_ char *few = logged_timeless();
    assert_non_null(strstr(few, "\033[0Kwaiting for security group a, service s, security group b\n"
                                "T: awaiting the end of security group a: held by eni-1\n"));
    go(add(g, &group, "c"), PROGRESS_RUNNING, "held by eni-2");
    pass(&report, 2 * REPORT_PAUSE);
    report_progress(&report, g, NULL);
    _cleanup_free_ char *many = logged_timeless();
    assert_non_null(strstr(many, "\033[0Kwaiting for 3 security groups, 1 service\nT: awaiting"));
    graph_free(g);
}

/* A terminal has no such lines: what goes on is what it shows last, and goes when all has ended. */
static void test_live(void **state)
{
    (void)state;
    struct graph *g = graph_new(&(struct context){ .environment = "e" });
    _cleanup_report_ struct report report = REPORT_INIT;
    struct resource *a = add(g, &group, "a"), *s = add(g, &service, "s");
    a->progress = PROGRESS_DONE;
    s->progress = PROGRESS_SETTLING;
    s->started = clock_now() - 62.5;
    s->waiting_for = xstrdup("0 of 1 tasks run");
    log_live();
    report_phase(&report, "apply");
    pass(&report, 3600);
    report_progress(&report, g, NULL);
    expect_timeless("T  apply: 1 of 2 done\n"
                    "T  service s: 0 of 1 tasks run\n");
    report.drawn += 1000;
    report_progress(&report, g, NULL);
    expect(""); /* not so soon again */
    report_progress(&report, g, a);
    expect_timeless("\033[2A\r\033[Jsecurity group: 1 created,T\n"
                    "T  apply: 1 of 2 done\n"
                    "T  service s: 0 of 1 tasks run\n");
    report_phase(&report, NULL);
    expect("\033[2A\r\033[J");
    graph_free(g);
}

static void test_table(void **state)
{
    (void)state;
    struct cancel cancel;
    cancel_init(&cancel);
    struct session *s = NULL;
    _cleanup_err_ struct err err = ERR_INIT;
    _cleanup_report_ struct report report = REPORT_INIT;
    _cleanup_json_ cJSON *group_id = cJSON_CreateObject();
    json_put_str(group_id, "GroupId", "sg-1");
    assert_int_equal(session_open_fake("us-east-1", "123456789012", &cancel, answer, NULL, &s), 0);
    assert_int_equal(aws_call(s, "ecs", "ListClusters", NULL, NULL, &err), 0);
    assert_int_equal(aws_call(s, "ec2", "DeleteSecurityGroup", group_id, NULL, &err), 0);
    report_phase(&report, "observe");
    report_table(&report, s);
    expect_timeless("tookT and 2 calls: 1 read, 1 write, 0 retries, 0 throttled\n"
                    "  phase                    time\n"
                    "  observeT\n"
                    "  calls               reads  writes  retries  throttled\n"
                    "  ec2                     0       1        0          0\n"
                    "  ecs                     1       0        0          0\n"
                    "  in all                  1       1        0          0\n");
    session_free(s);
    cancel_release(&cancel);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_progress, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_keeps_from_going, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failures, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reasons_do_not_fill_the_log, setup, teardown),
        cmocka_unit_test_setup_teardown(test_all_reasons_are_said_where_there_is_room, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_long_wait_is_folded, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_good_deploy_is_short, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_held_back_is_said_later, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_kind_does_not_end_the_wait, setup, teardown),
        cmocka_unit_test_setup_teardown(test_title_of_several, setup, teardown),
        cmocka_unit_test_setup_teardown(test_live, setup, teardown),
        cmocka_unit_test_setup_teardown(test_table, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
