/* SPDX-License-Identifier: MIT */
#include "executor/artifact.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "executor/base/file.h"
#include "executor/base/log.h"
#include "executor/base/utf8.h"
#include "executor/base/version.h"

/* More calls than a run makes that goes well; of one that waits for hours the first tell enough. */
#define CALLS_MAX ((size_t)5000)

static double start_of(const struct report *r)
{
    return r->n_phases > 0 ? r->phases[0].start : 0;
}

static double end_of(const struct report *r)
{
    double end = r->n_phases > 0 ? r->phases[r->n_phases - 1].end : 0;
    return end > 0 ? end : clock_now();
}

static void put_seconds(cJSON *json, const char *key, double seconds)
{
    json_put(json, key, cJSON_CreateNumber((double)(long long)(seconds * 1000 + 0.5) / 1000));
}

static void put_job(cJSON *json, const struct artifact *a)
{
    cJSON *job = json_put_object(json, "job");
    json_put_int(job, "id", a->job->id);
    json_put_str(job, "name", a->job->name);
    json_put_str(job, "action", act_name(a->dispatch->act));
    json_put_bool(job, "plan", a->dispatch->plan);
    json_put_str(job, "part", a->dispatch->part);
    json_put_str(job, "commit", a->job->sha);
    json_put_str(job, "url", job_variable_first(a->job, "CI_JOB_URL"));
}

static void put_head(cJSON *json, const struct artifact *a)
{
    const struct environment *e = a->environment;
    json_put_str(json, "schema", "berth-report/1");
    json_put_str(json, "berth", BERTH_VERSION);
    json_put_str(json, "environment", e->name);
    json_put_str(json, "kind", e->kind);
    json_put_str(json, "ref", a->job->ref);
    json_put_str(json, "region", e->region);
    json_put_int(json, "project", a->job->project_id);
    json_put_int(json, "pipeline", a->job->pipeline_id);
    json_put_str(json, "url", a->url);
    put_job(json, a);
}

/* "succeeded" is also a plan of which nothing was to be carried out. */
static void put_verdict(cJSON *json, const struct artifact *a)
{
    cJSON *verdict = json_put_object(json, "verdict");
    const struct err *failure = a->failure;
    if (failure == NULL) {
        json_put_str(verdict, "result", "succeeded");
        return;
    }
    bool cancelled = failure->class == ERR_CANCELLED;
    json_put_str(verdict, "result", cancelled ? "cancelled" : "failed");
    json_put_str(verdict, "class", err_class_name(failure->class));
    json_put_str(verdict, "blame", err_blame(failure) == BLAME_USER ? "user" : "system");
    json_put_str(verdict, "message",
                 failure->message != NULL ? failure->message : err_class_words(failure->class));
    if (failure->aws_code[0] != '\0')
        json_put_str(verdict, "awsCode", failure->aws_code);
    if (failure->request_id[0] != '\0')
        json_put_str(verdict, "requestId", failure->request_id);
}

/* Times are in seconds since `started`. */
static void put_times(cJSON *json, const struct report *r)
{
    char date[32];
    double start = start_of(r), now = clock_now();
    time_t then = time(NULL) - (time_t)(start > 0 ? now - start : 0);
    clock_iso_date(then, date, sizeof(date));
    json_put_str(json, "started", date);
    put_seconds(json, "seconds", start > 0 ? end_of(r) - start : 0);
    cJSON *phases = json_put_array(json, "phases");
    for (size_t i = 0; i < r->n_phases; i++) {
        cJSON *phase = json_push(phases, cJSON_CreateObject());
        json_put_str(phase, "name", r->phases[i].name);
        put_seconds(phase, "start", r->phases[i].start - start);
        put_seconds(phase, "end", (r->phases[i].end > 0 ? r->phases[i].end : now) - start);
    }
}

static cJSON *call_to_json(const struct call_record *call, double start)
{
    cJSON *json = cJSON_CreateObject();
    json_put_str(json, "service", call->service);
    json_put_str(json, "action", call->action);
    put_seconds(json, "start", call->start > start ? call->start - start : 0);
    put_seconds(json, "end", call->end > start ? call->end - start : 0);
    json_put_int(json, "tries", call->tries);
    json_put_int(json, "throttled", call->throttled);
    json_put_bool(json, "write", call->write);
    json_put_str(json, "error", call->code);
    if (call->absent)
        json_put_bool(json, "absent", true);
    json_put_str(json, "resource", call->subject);
    return json;
}

static void put_calls(cJSON *json, const struct errand *errand)
{
    _cleanup_free_ struct call_record *calls = NULL;
    size_t n = errand->session != NULL ? session_record(errand->session, &calls) : 0;
    cJSON *array = json_put_array(json, "calls");
    for (size_t i = 0; i < n && i < CALLS_MAX; i++)
        json_push(array, call_to_json(&calls[i], start_of(&errand->report)));
    json_put_int(json, "callsLeftOut", n > CALLS_MAX ? (int64_t)(n - CALLS_MAX) : 0);
}

/* How many of the resources a plan creates, updates and removes; what is replaced is removed and
 * created, as in Terraform's own report. */
static cJSON *plan_summary(const cJSON *resources)
{
    int64_t create = 0, update = 0, delete = 0;
    const cJSON *r;
    cJSON_ArrayForEach (r, resources) {
        const char *action = json_str(r, "action");
        if (json_bool(r, "again", false))
            continue; /* nobody had planned that it comes back */
        bool replaced = str_eq(action, "replace");
        create += replaced || str_eq(action, "create");
        update += str_eq(action, "update");
        delete += replaced || str_eq(action, "remove");
    }
    cJSON *summary = cJSON_CreateObject();
    json_put_int(summary, "create", create);
    json_put_int(summary, "update", update);
    json_put_int(summary, "delete", delete);
    return summary;
}

/* The same as the log's line about the plan, and by the same names as in berth-plan/1. */
static cJSON *plan_counts(const cJSON *resources)
{
    static const char *const names[] = { "create", "update", "replace", "remove",
                                         "keep",   "wait",   "leave" };
    cJSON *counts = cJSON_CreateObject();
    const cJSON *r;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        int64_t n = 0;
        cJSON_ArrayForEach (r, resources)
            n += str_eq(json_str(r, "counted"), names[i]) && !json_bool(r, "again", false);
        json_put_int(counts, names[i], n);
    }
    return counts;
}

static bool is_plain(const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++)
        if ((*p < ' ' && *p != '\n') || *p >= 0x7f)
            return false;
    return true;
}

/* Lines stay lines; whatever else is not to be seen becomes visible. */
static void make_visible(struct strbuf *text)
{
    if (is_plain(text->buf))
        return;
    _cleanup_free_ char *whole = strbuf_detach(text);
    for (const char *line = whole;; line++) {
        _cleanup_strbuf_ struct strbuf visible = STRBUF_INIT;
        size_t len = strcspn(line, "\n");
        strbuf_add(&visible, line, len);
        utf8_make_visible(&visible);
        strbuf_add(text, visible.buf, visible.len);
        line += len;
        if (*line == '\0')
            return;
        strbuf_addc(text, '\n');
    }
}

/* In place; NULL stays. */
static void show(char **string)
{
    if (*string == NULL || is_plain(*string))
        return;
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    strbuf_adds(&text, *string);
    make_visible(&text);
    free(*string);
    *string = strbuf_detach(&text);
}

static void show_all(cJSON *value)
{
    if (cJSON_IsString(value))
        show(&value->valuestring);
    cJSON *item;
    cJSON_ArrayForEach (item, value) {
        if ((item->type & cJSON_StringIsConst) == 0)
            show(&item->string);
        show_all(item);
    }
}

cJSON *artifact_report(const struct artifact *a)
{
    const struct history *history = &a->errand->history;
    cJSON *json = cJSON_CreateObject();
    put_head(json, a);
    put_verdict(json, a);
    put_times(json, &a->errand->report);
    cJSON *warnings = json_put_array(json, "warnings");
    for (size_t i = 0; a->warnings != NULL && i < a->warnings->n; i++)
        json_push_str(warnings, a->warnings->v[i]);
    if (history->resources != NULL)
        json_put(json, "plan", plan_summary(history->resources));
    json_put(json, "counts", plan_counts(history->resources));
    json_put(json, "resources",
             history->resources != NULL ? json_dup(history->resources) : cJSON_CreateArray());
    json_put(json, "criticalPath",
             history->path != NULL ? json_dup(history->path) : cJSON_CreateArray());
    if (history->taken_back != NULL)
        json_put(json, "takenBack", json_dup(history->taken_back));
    if (a->left != NULL)
        json_put(json, "left", json_dup(a->left));
    put_calls(json, a->errand);
    redact_json(json);
    show_all(json);
    return json;
}

static const char plan_name[] = "berth-plan.json";
static const char report_name[] = "berth-report.json";
static const char page_name[] = "berth-report.html";

void artifact_forget(int checkout)
{
    static const char *const names[] = { plan_name, report_name, page_name };
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (unlinkat(checkout, names[i], 0) < 0)
            log_debug("%s is not removed: %s", names[i], strerror(errno));
}

static int write_all(const cJSON *report, int checkout, struct err *err)
{
    const cJSON *plan = json_get(report, "plan");
    _cleanup_free_ char *summary = plan != NULL ? json_print(plan) : NULL;
    _cleanup_free_ char *text = json_print(report);
    _cleanup_strbuf_ struct strbuf page = STRBUF_INIT;
    artifact_page(report, &page);
    if (summary != NULL &&
        file_write_beneath(checkout, plan_name, summary, strlen(summary), 0644, err) < 0)
        return -1;
    return file_write_beneath(checkout, report_name, text, strlen(text), 0644, err) < 0 ||
                   file_write_beneath(checkout, page_name, page.buf, page.len, 0644, err) < 0
               ? -1
               : 0;
}

void artifact_write(const struct artifact *a, int checkout)
{
    _cleanup_json_ cJSON *report = artifact_report(a);
    _cleanup_err_ struct err err = ERR_INIT;
    if (write_all(report, checkout, &err) < 0)
        log_warn("the report of this job is not left behind: %s", err.message);
}
