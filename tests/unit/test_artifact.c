/* SPDX-License-Identifier: MIT */
/* The report of a run that never was: what goes into it, what must not, and its page. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "executor/artifact.h"
#include "executor/base/file.h"
#include "executor/base/log.h"

#define SECRET  "hunter2-\"quoted\""
#define PIN     "31415926" /* which a task definition has as a number */
#define HOSTILE "</script><script>alert(1)</script><!-- & '\" \xe2\x80\xa8 \x1b[31m \xff"

static const struct resource_type group = { .name = "security_group",
                                            .singular = "security group",
                                            .plural = "security groups" };
static const struct resource_type service = { .name = "ecs.service",
                                              .singular = "service",
                                              .plural = "services" };

struct run {
    struct job job;
    struct dispatch dispatch;
    struct environment environment;
    struct errand errand;
    struct graph *graph;
    struct artifact artifact;
};

static struct resource *add(struct graph *g, const struct resource_type *type, const char *label,
                            enum action action)
{
    struct err err = ERR_INIT;
    struct resource *r = NULL;
    assert_int_equal(graph_add(g, type, label, label, "", cJSON_CreateObject(), &r, &err), 0);
    r->action = action;
    r->selected = true;
    return r;
}

static void begin(struct run *run)
{
    double now = clock_now();
    *run = (struct run){ .errand = ERRAND_INIT };
    run->job.name = "deploy-branches";
    run->job.ref = "dev/feature/login";
    run->job.sha = "0123456789abcdef";
    run->dispatch.act = ACT_DEPLOY;
    run->environment.name = xstrdup("automation-8527fec8");
    run->environment.kind = "ephemeral";
    run->environment.region = "us-east-1";
    report_phase(&run->errand.report, "apply");
    run->errand.report.phases[0].start = now - 50;
    run->graph = graph_new(&(struct context){ .environment = "automation-8527fec8" });
    run->artifact = (struct artifact){
        .job = &run->job,
        .dispatch = &run->dispatch,
        .environment = &run->environment,
        .errand = &run->errand,
        .warnings = &run->graph->warnings,
    };
}

static void end(struct run *run)
{
    graph_free(run->graph);
    errand_release(&run->errand);
    free(run->environment.name);
}

static void done(struct resource *r, double start, double from, double to)
{
    r->started = start + from;
    r->ended = start + to;
    r->progress = PROGRESS_DONE;
}

static void test_counts_as_gitlab_wants_them(void **state)
{
    (void)state;
    struct run run;
    begin(&run);
    add(run.graph, &group, "a", ACTION_CREATE);
    add(run.graph, &group, "b", ACTION_UPDATE);
    add(run.graph, &group, "c", ACTION_REPLACE);
    add(run.graph, &group, "d", ACTION_REMOVE);
    add(run.graph, &group, "e", ACTION_NONE);
    errand_note(&run.errand, run.graph);
    _cleanup_json_ cJSON *report = artifact_report(&run.artifact);
    _cleanup_free_ char *plan = json_print(json_get(report, "plan"));
    assert_string_equal(plan, "{\"create\":2,\"update\":1,\"delete\":2}");
    assert_int_equal(json_count(json_get(report, "resources")), 5);
    end(&run);
}

/* What comes back and is removed once more was removed, but not planned. */
static void test_a_second_round(void **state)
{
    (void)state;
    struct run run;
    begin(&run);
    add(run.graph, &group, "a", ACTION_REMOVE);
    add(run.graph, &group, "b", ACTION_REMOVE);
    struct graph *second = graph_new(&run.graph->context);
    add(second, &group, "a", ACTION_REMOVE);
    add(second, &group, "kept", ACTION_NONE);
    errand_note(&run.errand, run.graph);
    errand_note(&run.errand, second);
    _cleanup_json_ cJSON *report = artifact_report(&run.artifact);
    assert_int_equal(json_int(json_get(report, "plan"), "delete", 0), 2);
    assert_int_equal(json_count(json_get(report, "resources")), 3);
    graph_free(second);
    end(&run);
}

/* Where there is no plan there are no counts: nobody is told that nothing would change. */
static void test_without_a_plan(void **state)
{
    (void)state;
    struct run run;
    begin(&run);
    struct err failure = ERR_INIT;
    err_set(&failure, ERR_USER, "spec.json:3: cpu: must be a number");
    run.artifact.failure = &failure;
    _cleanup_json_ cJSON *report = artifact_report(&run.artifact);
    assert_null(json_get(report, "plan"));
    assert_string_equal(json_str_at(report, "verdict/result"), "failed");
    assert_string_equal(json_str_at(report, "verdict/blame"), "user");
    _cleanup_strbuf_ struct strbuf page = STRBUF_INIT;
    artifact_page(report, &page);
    assert_non_null(strstr(page.buf, "spec.json:3: cpu: must be a number"));
    assert_null(strstr(page.buf, "<!--{"));
    err_release(&failure);
    end(&run);
}

static void wait_for(struct run *run, struct resource *r, const char *why)
{
    free(r->waiting_for);
    r->waiting_for = why != NULL ? xstrdup(why) : NULL;
    history_progress(&run->errand.history, run->graph, NULL);
}

static void test_waits_one_after_the_other(void **state)
{
    (void)state;
    struct run run;
    begin(&run);
    struct resource *r = add(run.graph, &service, "notifier", ACTION_CREATE);
    r->started = clock_now();
    wait_for(&run, r, "0 of 2 tasks run");
    wait_for(&run, r, "0 of 2 tasks run");
    wait_for(&run, r, "1 of 2 tasks run");
    wait_for(&run, r, NULL);
    r->ended = clock_now();
    errand_note(&run.errand, run.graph);
    const cJSON *waits = json_at(run.errand.history.resources, "0/waits");
    assert_int_equal(json_count(waits), 2);
    assert_string_equal(json_str_at(waits, "0/why"), "0 of 2 tasks run");
    assert_string_equal(json_str_at(waits, "1/why"), "1 of 2 tasks run");
    assert_true(json_get(cJSON_GetArrayItem(waits, 0), "end")->valuedouble >= 50);
    end(&run);
}

/* However often the reason changes, and however many there are. */
static void test_waits_are_bounded(void **state)
{
    (void)state;
    struct run run;
    begin(&run);
    for (unsigned i = 0; i < 2 * HISTORY_WAITS / HISTORY_WAITS_OF_ONE; i++) {
        _cleanup_free_ char *label = xasprintf("s%u", i);
        add(run.graph, &service, label, ACTION_CREATE)->started = clock_now();
    }
    for (unsigned i = 0; i < 2 * HISTORY_WAITS_OF_ONE; i++) {
        for (size_t j = 0; j < run.graph->n; j++) {
            free(run.graph->v[j]->waiting_for);
            run.graph->v[j]->waiting_for = xasprintf("look %u", i);
        }
        history_progress(&run.errand.history, run.graph, NULL);
    }
    assert_int_equal(run.errand.history.all_waits, HISTORY_WAITS);
    errand_note(&run.errand, run.graph);
    size_t most = 0;
    const cJSON *r;
    cJSON_ArrayForEach (r, run.errand.history.resources) {
        size_t n = json_count(json_get(r, "waits"));
        most = n > most ? n : most;
    }
    assert_true(most <= HISTORY_WAITS_OF_ONE);
    end(&run);
}

/* What comes from outside is text in the page, whatever it is. */
static void test_hostile_text(void **state)
{
    (void)state;
    struct run run;
    begin(&run);
    struct resource *r = add(run.graph, &service, HOSTILE, ACTION_UPDATE);
    r->changes = cJSON_CreateArray();
    cJSON *change = json_push(r->changes, cJSON_CreateObject());
    json_put_str(change, "path", HOSTILE);
    json_put_str(json_put_object(change, "to"), HOSTILE, HOSTILE);
    r->started = clock_now();
    r->progress = PROGRESS_FAILED;
    r->waiting_for = xstrdup(HOSTILE);
    err_set(&r->error, ERR_UNHEALTHY, "%s", HOSTILE);
    r->explanation = cJSON_CreateObject();
    json_put_str(r->explanation, "cause", HOSTILE);
    cJSON *section = json_push(json_put_array(r->explanation, "sections"), cJSON_CreateObject());
    json_put_str(section, "title", HOSTILE);
    json_push_str(json_put_array(section, "lines"), HOSTILE "\n" HOSTILE);
    graph_warn(run.graph, "%s", HOSTILE);
    run.artifact.url = "javascript:alert(1)";
    run.job.ref = HOSTILE;
    run.artifact.failure = &r->error;
    errand_note(&run.errand, run.graph);
    _cleanup_json_ cJSON *report = artifact_report(&run.artifact);
    _cleanup_strbuf_ struct strbuf page = STRBUF_INIT;
    artifact_page(report, &page);
    const char *own = strstr(page.buf, "<script>");
    assert_non_null(own);
    assert_null(strstr(own + 1, "<script>"));
    assert_null(strstr(page.buf, "alert(1)</script>"));
    assert_non_null(strstr(page.buf, "&lt;/script&gt;&lt;script&gt;alert(1)"));
    assert_null(strstr(page.buf, "href=\"javascript:"));
    assert_null(strchr(page.buf, '\x1b'));
    assert_null(strchr(page.buf, '\xff'));
    assert_null(strstr(page.buf, "\xe2\x80\xa8"));
    end(&run);
}

/* What a cancel has left unfinished has not failed, and AWS may go on with it. */
static void test_a_cancelled_run(void **state)
{
    (void)state;
    struct run run;
    begin(&run);
    struct resource *notifier = add(run.graph, &service, "notifier", ACTION_CREATE);
    struct resource *other = add(run.graph, &service, "other", ACTION_CREATE);
    for (size_t i = 0; i < run.graph->n; i++) {
        done(run.graph->v[i], clock_now() - 50, 1, 2);
        run.graph->v[i]->progress = PROGRESS_FAILED;
        run.graph->v[i]->written = clock_now() - 48;
        err_set(&run.graph->v[i]->error, ERR_CANCELLED, "no longer awaited");
    }
    json_put_bool(other->memo, RESOURCE_RECALLED, true);
    run.artifact.failure = &notifier->error;
    run.errand.history.taken_back = cJSON_Parse("[\"service 'other' is taken back\"]");
    errand_note(&run.errand, run.graph);
    _cleanup_json_ cJSON *report = artifact_report(&run.artifact);
    _cleanup_strbuf_ struct strbuf page = STRBUF_INIT;
    artifact_page(report, &page);
    assert_true(json_bool(json_at(report, "resources/0"), "unfinished", false));
    assert_true(json_bool(json_at(report, "resources/0"), "goesOn", false));
    assert_true(json_bool(json_at(report, "resources/1"), "unfinished", false));
    assert_null(json_at(report, "resources/1/goesOn"));
    const char *section = strstr(page.buf, "<h2 id=\"h-failures\">Not finished</h2>");
    assert_non_null(section);
    assert_non_null(strstr(section, "<li>service &#39;other&#39; is taken back</li>"));
    const char *goes_on = strstr(section, "goes on in AWS, and nobody awaits it");
    assert_non_null(goes_on);
    assert_null(strstr(goes_on + 1, "goes on in AWS"));
    assert_non_null(strstr(page.buf, "<b>2</b> not finished"));
    end(&run);
}

static void test_secrets(void **state)
{
    (void)state;
    struct run run;
    begin(&run);
    redact_add(SECRET);
    redact_add(PIN);
    struct resource *r = add(run.graph, &service, "notifier", ACTION_UPDATE);
    r->changes = cJSON_CreateArray();
    cJSON *change = json_push(r->changes, cJSON_CreateObject());
    json_put_str(change, "path", "tags");
    json_put_str(json_put_object(change, "to"), "key " SECRET, "value " SECRET);
    json_put_int(json_put_object(change, "from"), "pin", 31415926);
    done(r, clock_now() - 50, 1, 2);
    graph_warn(run.graph, "no secret here but %s", SECRET);
    errand_note(&run.errand, run.graph);
    _cleanup_json_ cJSON *report = artifact_report(&run.artifact);
    _cleanup_free_ char *text = json_print(report);
    _cleanup_strbuf_ struct strbuf page = STRBUF_INIT;
    artifact_page(report, &page);
    assert_null(strstr(text, "hunter2"));
    assert_null(strstr(page.buf, "hunter2"));
    assert_null(strstr(text, PIN));
    assert_null(strstr(page.buf, PIN));
    assert_non_null(strstr(text, "\"key [MASKED]\":\"value [MASKED]\""));
    assert_non_null(strstr(text, "\"pin\":\"[MASKED]\""));
    end(&run);
    redact_release();
}

/* In the report's text each backslash is two: a secret that is escaped as deep as anybody escapes
 * is known by its value alone. */
static void test_secrets_are_sought_in_the_values(void **state)
{
    (void)state;
    struct run run;
    begin(&run);
    _cleanup_strbuf_ struct strbuf value = STRBUF_INIT;
    redact_add("hunter2\\word");
    strbuf_adds(&value, "hunter2");
    for (unsigned i = 0; i < 32; i++)
        strbuf_addc(&value, '\\');
    strbuf_adds(&value, "word");
    struct resource *r = add(run.graph, &service, "notifier", ACTION_UPDATE);
    r->changes = cJSON_CreateArray();
    cJSON *change = json_push(r->changes, cJSON_CreateObject());
    json_put_str(change, "path", "dockerLabels");
    json_put_str(change, "to", value.buf);
    done(r, clock_now() - 50, 1, 2);
    errand_note(&run.errand, run.graph);
    _cleanup_json_ cJSON *report = artifact_report(&run.artifact);
    assert_string_equal(json_str_at(report, "resources/0/changes/0/to"), "[MASKED]");
    end(&run);
    redact_release();
}

static char *read_file(int dir, const char *name)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    struct err err = ERR_INIT;
    assert_int_equal(file_read_beneath(dir, name, 1 << 20, &text, &err), 0);
    return strbuf_detach(&text);
}

/* A link in its way is replaced and not followed; what cannot be written is a warning. */
static void test_written_beneath(void **state)
{
    (void)state;
    struct run run;
    begin(&run);
    char directory[] = "/tmp/berth-test-artifact-XXXXXX";
    assert_non_null(mkdtemp(directory));
    _cleanup_close_ int fd = open(directory, O_RDONLY | O_DIRECTORY);
    int target = openat(fd, "target", O_WRONLY | O_CREAT, 0600);
    assert_true(target >= 0);
    assert_int_equal(write(target, "untouched", 9), 9);
    close(target);
    assert_int_equal(symlinkat("target", fd, "berth-report.json"), 0);
    add(run.graph, &group, "a", ACTION_CREATE);
    errand_note(&run.errand, run.graph);
    artifact_write(&run.artifact, fd);
    _cleanup_free_ char *untouched = read_file(fd, "target");
    _cleanup_free_ char *plan = read_file(fd, "berth-plan.json");
    _cleanup_free_ char *report = read_file(fd, "berth-report.json");
    _cleanup_free_ char *page = read_file(fd, "berth-report.html");
    assert_string_equal(untouched, "untouched");
    assert_string_equal(plan, "{\"create\":1,\"update\":0,\"delete\":0}");
    assert_true(str_starts(report, "{\"schema\":\"berth-report/1\","));
    assert_true(str_starts(page, "<!doctype html>"));
    assert_int_equal(unlinkat(fd, "berth-report.html", 0), 0);
    assert_int_equal(mkdirat(fd, "berth-report.html", 0700), 0);
    log_init(fd, LOG_ERROR, false); /* the warning */
    artifact_write(&run.artifact, fd);
    log_init(STDERR_FILENO, LOG_INFO, false);
    static const char *const files[] = { "target", "berth-plan.json", "berth-report.json" };
    for (size_t i = 0; i < ARRAY_SIZE(files); i++)
        assert_int_equal(unlinkat(fd, files[i], 0), 0);
    assert_int_equal(unlinkat(fd, "berth-report.html", AT_REMOVEDIR), 0);
    assert_int_equal(rmdir(directory), 0); /* no temporary file is left */
    end(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts_as_gitlab_wants_them),
        cmocka_unit_test(test_a_second_round),
        cmocka_unit_test(test_without_a_plan),
        cmocka_unit_test(test_waits_one_after_the_other),
        cmocka_unit_test(test_waits_are_bounded),
        cmocka_unit_test(test_hostile_text),
        cmocka_unit_test(test_a_cancelled_run),
        cmocka_unit_test(test_secrets),
        cmocka_unit_test(test_secrets_are_sought_in_the_values),
        cmocka_unit_test(test_written_beneath),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
