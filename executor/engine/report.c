/* SPDX-License-Identifier: MIT */
#include "executor/engine/report.h"

#include <math.h>

#include "executor/base/log.h"
#include "executor/base/utf8.h"
#include "executor/engine/live.h"

static const char *const done_words[] = {
    [ACTION_NONE] = "ready",       [ACTION_CREATE] = "created", [ACTION_UPDATE] = "updated",
    [ACTION_REPLACE] = "replaced", [ACTION_REMOVE] = "removed",
};

#define N_ACTIONS ARRAY_SIZE(done_words)
#define N_NAMED   3 /* how many of what is awaited, or was not tried, are named in a line */

void report_release(struct report *r)
{
    free(r->reported);
    strlist_release(&r->held);
    *r = (struct report)REPORT_INIT;
}

void report_forget(struct report *r)
{
    free(r->reported);
    r->reported = NULL;
    r->n_reported = 0;
}

void report_phase(struct report *r, const char *name)
{
    double now = clock_now();
    log_footer(NULL);
    if (r->n_phases > 0 && r->phases[r->n_phases - 1].end == 0)
        r->phases[r->n_phases - 1].end = now;
    if (name == NULL || r->n_phases == REPORT_PHASES)
        return;
    r->phases[r->n_phases].name = name;
    r->phases[r->n_phases].start = now;
    r->phases[r->n_phases++].end = 0;
    r->said = r->seen = now;
}

static bool has_ended(const struct resource *r)
{
    return r->progress == PROGRESS_DONE || r->progress == PROGRESS_FAILED ||
           r->progress == PROGRESS_SKIPPED;
}

/* Whether a run has something to do with it. */
static bool takes_part(const struct resource *r)
{
    return r->action != ACTION_NONE || r->wait;
}

static const char *span_of(double from, double to, char *buf, size_t size)
{
    return clock_span(from > 0 && to > from ? to - from : 0, buf, size);
}

/* A line that is seen. */
static void say(struct report *r, const char *fmt, ...) _printf_(2, 3);
static void say(struct report *r, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    _cleanup_free_ char *line = xvasprintf(fmt, ap);
    va_end(ap);
    log_info("%s", line);
    r->said = r->seen = clock_now();
}

/* "security groups: 16 created, 1.2 s", as soon as all of the type and action have ended. */
static void say_type(struct report *r, const struct graph *g, const struct resource *changed)
{
    unsigned done = 0;
    double start = 0, end = 0;
    for (size_t i = 0; i < g->n; i++) {
        const struct resource *other = g->v[i];
        if (other->type != changed->type || other->action != changed->action || !takes_part(other))
            continue;
        if (!has_ended(other))
            return;
        if (other->progress != PROGRESS_DONE)
            continue;
        done++;
        if (other->started > 0 && (start == 0 || other->started < start))
            start = other->started;
        if (other->ended > end)
            end = other->ended;
    }
    if (done == 0)
        return;
    char span[32];
    _cleanup_free_ char *line =
        xasprintf("%s: %u %s, %s", done == 1 ? changed->type->singular : changed->type->plural,
                  done, done_words[changed->action], span_of(start, end, span, sizeof(span)));
    if (!log_aside_is_open() || g->context.teardown) {
        say(r, "%s", line);
        return;
    }
    log_aside("%s", line); /* the section goes on: a detail of what is awaited */
    r->said = clock_now();
}

static void say_resource(struct report *r, const struct resource *changed)
{
    char span[32];
    say(r, "%s %s: %s, %s", changed->type->singular, changed->label, done_words[changed->action],
        span_of(changed->started, changed->ended, span, sizeof(span)));
}

/* Why is said at the end, where nobody misses it. */
static void say_failure(struct report *r, const struct resource *changed)
{
    char span[32];
    log_styled(LOG_BAD, "%s %s: failed, %s", changed->type->singular, changed->label,
               span_of(changed->started, changed->ended, span, sizeof(span)));
    r->said = r->seen = clock_now();
}

static bool is_under_way(const struct resource *r)
{
    return r->progress == PROGRESS_SETTLING || r->progress == PROGRESS_RUNNING;
}

static bool is_leaving(const struct resource *r)
{
    return r->action == ACTION_REMOVE && is_under_way(r) && r->waiting_for != NULL;
}

/* What keeps from going what is to go: a line for those of one type and for one reason. */
static void add_leaving(const struct graph *g, struct strlist *lines)
{
    _cleanup_free_ bool *said = xcalloc(g->n + 1, sizeof(bool));
    for (size_t i = 0; i < g->n; i++) {
        const struct resource *r = g->v[i];
        if (said[i] || !is_leaving(r))
            continue;
        _cleanup_strbuf_ struct strbuf names = STRBUF_INIT;
        size_t n = 0;
        for (size_t j = i; j < g->n; j++) {
            const struct resource *other = g->v[j];
            if (other->type != r->type || !is_leaving(other) ||
                !str_eq(other->waiting_for, r->waiting_for))
                continue;
            said[j] = true;
            if (++n <= N_NAMED)
                strbuf_addf(&names, "%s%s", n > 1 ? ", " : "", other->name);
        }
        if (n > N_NAMED)
            strbuf_addf(&names, " and %zu more", n - N_NAMED);
        strlist_addf(lines, "awaiting the end of %s %s: %s",
                     n == 1 ? r->type->singular : r->type->plural, names.buf, r->waiting_for);
    }
}

static void add_awaited(const struct graph *g, struct strlist *lines)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    size_t n = 0;
    for (size_t i = 0; i < g->n; i++) {
        const struct resource *r = g->v[i];
        if (!is_under_way(r) || is_leaving(r) || ++n > N_NAMED)
            continue;
        strbuf_addf(&text, "%s%s %s", n > 1 ? "; " : "", r->type->singular, r->label);
        if (r->waiting_for != NULL)
            strbuf_addf(&text, " (%s)", r->waiting_for);
    }
    if (n > N_NAMED)
        strbuf_addf(&text, "; and %zu more", n - N_NAMED);
    if (n > 0)
        strlist_addf(lines, "waiting for %s", text.buf);
}

/* How many of a type, or of all (NULL), are under way among the first so many. */
static size_t count_under_way(const struct graph *g, const struct resource_type *type,
                              size_t before)
{
    size_t n = 0;
    for (size_t i = 0; i < before; i++)
        n += (type == NULL || g->v[i]->type == type) && is_under_way(g->v[i]);
    return n;
}

/* "cache cluster redis, service notifier" where that is short, else "14 services, 1 cluster". */
static void add_under_way(const struct graph *g, bool by_name, struct strbuf *out)
{
    for (size_t i = 0; i < g->n; i++) {
        const struct resource *r = g->v[i];
        if (!is_under_way(r) || (!by_name && count_under_way(g, r->type, i) > 0))
            continue;
        strbuf_adds(out, count_under_way(g, NULL, i) > 0 ? ", " : "");
        size_t n = count_under_way(g, r->type, g->n);
        if (by_name)
            strbuf_addf(out, "%s %s", r->type->singular, r->label);
        else
            strbuf_addf(out, "%zu %s", n, n == 1 ? r->type->singular : r->type->plural);
    }
}

/* What is folded, in short: of one that is awaited all. */
static void make_title(const struct graph *g, const struct strlist *lines, struct strbuf *ret)
{
    size_t n = count_under_way(g, NULL, g->n);
    if (n == 1) {
        strbuf_adds(ret, lines->v[0]);
        return;
    }
    strbuf_adds(ret, "waiting for ");
    add_under_way(g, n <= N_NAMED, ret);
}

/* Whether a title may be seen again: each one after twice the silence that the last has taken. */
static bool may_title(const struct report *r, double now)
{
    return now - r->seen >= ldexp(REPORT_PAUSE, (int)r->n_titles);
}

/* Sees to it that lines are folded, under a title; false: not yet, there is no open section and it
 * is too soon for another. */
static bool begin_aside(struct report *r, const struct graph *g, const struct strlist *lines,
                        double now)
{
    if (!log_has_folds())
        return true;
    if (!may_title(r, now))
        return log_aside_is_open();
    _cleanup_strbuf_ struct strbuf title = STRBUF_INIT;
    make_title(g, lines, &title);
    log_aside_start("berth_wait", title.buf);
    r->seen = now;
    r->n_titles++;
    return true;
}

static void say_held(struct report *r)
{
    for (size_t i = 0; i < r->held.n; i++)
        log_aside("%s", r->held.v[i]);
    strlist_release(&r->held);
}

/* What is awaited and why, once in a while. */
static void say_waiting(struct report *r, const struct graph *g)
{
    double now = clock_now();
    if (log_is_live() || now - r->said < REPORT_PAUSE || r->n_phases == 0)
        return;
    _cleanup_strlist_ struct strlist lines = STRLIST_INIT;
    add_leaving(g, &lines);
    add_awaited(g, &lines);
    if (lines.n == 0)
        return;
    char span[32];
    span_of(r->phases[r->n_phases - 1].start, now, span, sizeof(span));
    for (size_t i = 0; i < lines.n; i++)
        strlist_addf(&r->held, "%s: %s", span, lines.v[i]);
    if (begin_aside(r, g, &lines, now))
        say_held(r);
    r->said = now;
}

static void draw(struct report *r, const struct graph *g)
{
    double now = clock_now();
    if (!log_is_live() || r->n_phases == 0 || now - r->drawn < LIVE_PAUSE)
        return;
    live_draw(g, r->phases[r->n_phases - 1].name, r->phases[r->n_phases - 1].start);
    r->drawn = now;
}

/* Whether its end has not been said yet; from now on it has. */
static bool first_end(struct report *r, const struct graph *g, const struct resource *changed)
{
    if (r->n_reported < g->n) {
        r->reported = xrealloc_array(r->reported, g->n, sizeof(bool));
        memset(r->reported + r->n_reported, 0, (g->n - r->n_reported) * sizeof(bool));
        r->n_reported = g->n;
    }
    bool first = !r->reported[changed->index];
    r->reported[changed->index] = true;
    return first;
}

void report_progress(void *context, const struct graph *g, const struct resource *changed)
{
    struct report *r = context;
    draw(r, g);
    if (changed == NULL) {
        say_waiting(r, g);
        return;
    }
    if (!has_ended(changed) || !takes_part(changed) || !first_end(r, g, changed))
        return;
    if (changed->progress == PROGRESS_FAILED && changed->error.class != ERR_CANCELLED)
        say_failure(r, changed);
    if ((changed->type->flags & TYPE_APPLICATION) == 0 || g->context.teardown)
        say_type(r, g, changed);
    else if (changed->progress == PROGRESS_DONE)
        say_resource(r, changed);
}

void report_done(const struct graph *g, struct strbuf *out)
{
    unsigned count[N_ACTIONS] = { 0 };
    for (size_t i = 0; i < g->n; i++)
        if (takes_part(g->v[i]) && g->v[i]->progress == PROGRESS_DONE)
            count[g->v[i]->action]++;
    bool any = false;
    static const enum action order[] = { ACTION_CREATE, ACTION_UPDATE, ACTION_REPLACE,
                                         ACTION_REMOVE, ACTION_NONE };
    for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
        if (count[order[i]] == 0)
            continue;
        strbuf_addf(out, "%s%u %s", any ? ", " : "", count[order[i]], done_words[order[i]]);
        any = true;
    }
    if (!any)
        strbuf_adds(out, "nothing");
}

void report_evidence(const struct err *err, struct strbuf *out)
{
    const char *message = err->message != NULL ? err->message : "";
    strbuf_addf(out, " [%s", err_class_words(err->class));
    if (err->aws_code[0] != '\0' && strstr(message, err->aws_code) == NULL)
        strbuf_addf(out, "; AWS: %s", err->aws_code);
    if (err->request_id[0] != '\0' && strstr(message, err->request_id) == NULL)
        strbuf_addf(out, "; request %s", err->request_id);
    strbuf_addc(out, ']');
}

static void say_failed(const struct resource *r)
{
    _cleanup_strbuf_ struct strbuf line = STRBUF_INIT;
    const char *what = r->error.class == ERR_CANCELLED ? "not finished" : "failed";
    const char *cause = json_str(r->explanation, "cause");
    const char *why = r->error.message ? r->error.message : err_class_words(r->error.class);
    if (cause != NULL && !str_eq(cause, why)) /* which has the subject in it */
        strbuf_addf(&line, "%s: %s", what, cause);
    else
        strbuf_addf(&line, "%s: %s %s: %s", what, r->type->singular, r->label, why);
    if (r->error.class != ERR_CANCELLED && r->error.class != ERR_UNHEALTHY)
        report_evidence(&r->error, &line);
    log_info("%s", line.buf);
}

static bool was_skipped(const struct resource *r)
{
    return r->progress == PROGRESS_SKIPPED && takes_part(r);
}

/* What was skipped, a line for those of one type and for one reason. */
static void say_skipped(const struct graph *g)
{
    _cleanup_free_ bool *said = xcalloc(g->n + 1, sizeof(bool));
    for (size_t i = 0; i < g->n; i++) {
        const struct resource *r = g->v[i];
        if (said[i] || !was_skipped(r))
            continue;
        _cleanup_strbuf_ struct strbuf labels = STRBUF_INIT;
        size_t n = 0;
        for (size_t j = i; j < g->n; j++) {
            const struct resource *other = g->v[j];
            if (other->type != r->type || !was_skipped(other) ||
                !str_eq(other->error.message, r->error.message))
                continue;
            strbuf_addf(&labels, "%s%s", n++ > 0 ? ", " : "", other->label);
            said[j] = true;
        }
        log_info("not tried: %s %s: %s", n == 1 ? r->type->singular : r->type->plural, labels.buf,
                 r->error.message ? r->error.message : err_class_words(r->error.class));
    }
}

static size_t count_sections(const struct graph *g)
{
    size_t n = 0;
    for (size_t i = 0; i < g->n; i++)
        n += json_count(json_get(g->v[i]->explanation, "sections"));
    return n;
}

/* How many bytes a line takes in the log. */
static size_t shown_size(const cJSON *line)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    strbuf_adds(&text, cJSON_GetStringValue(line));
    utf8_make_visible(&text);
    return text.len + 1;
}

/* The last lines that there is room for, one at least: an end tells more than a beginning. */
static void say_last_lines(const cJSON *lines, size_t room)
{
    const cJSON *line, *last = lines->child != NULL ? lines->child->prev : NULL, *first = last;
    if (last == NULL)
        return;
    size_t n = json_count(lines), shown = 1;
    for (size_t used = shown_size(last); first != lines->child; first = first->prev, shown++) {
        used += shown_size(first->prev);
        if (used > room)
            break;
    }
    if (shown < n)
        log_info("(%zu line%s before the following left out, for this log must not get too long; "
                 "berth-report.html has %s)",
                 n - shown, n - shown == 1 ? "" : "s", n - shown == 1 ? "it" : "them");
    for (line = first; line != NULL; line = line->next)
        log_info("%s", cJSON_GetStringValue(line));
}

/* What a driver has found out of why it failed, a section each; *n counts them. */
static void say_explanation(const struct resource *r, size_t room, unsigned *n)
{
    const cJSON *section;
    cJSON_ArrayForEach (section, json_get(r->explanation, "sections")) {
        _cleanup_free_ char *name = xasprintf("berth_why_%u", ++*n);
        log_section_start(name, true, json_str(section, "title"));
        say_last_lines(json_get(section, "lines"), room);
        log_section_end(name);
    }
}

/* Each section has the same share of what all together may take. */
static void say_explanations(const struct graph *g)
{
    unsigned n = 0;
    size_t room = REPORT_WHY / (count_sections(g) + 1);
    for (size_t i = 0; i < g->n; i++)
        say_explanation(g->v[i], room < REPORT_WHY_ONE ? room : REPORT_WHY_ONE, &n);
}

void report_failures(const struct graph *g)
{
    _cleanup_strbuf_ struct strbuf done = STRBUF_INIT;
    report_done(g, &done);
    log_info("done: %s", done.buf);
    for (size_t i = 0; i < g->n; i++)
        if (g->v[i]->progress == PROGRESS_FAILED)
            say_failed(g->v[i]);
    say_skipped(g);
    say_explanations(g);
}

struct call_counts {
    const char *service;
    unsigned reads, writes, retries, throttled;
};

static void count_call(struct call_counts *c, const struct call_record *call)
{
    c->reads += !call->write;
    c->writes += call->write;
    c->retries += call->tries > 1 ? call->tries - 1 : 0;
    c->throttled += call->throttled;
}

static int compare_counts(const void *a, const void *b)
{
    return strcmp(((const struct call_counts *)a)->service,
                  ((const struct call_counts *)b)->service);
}

static void table_row(const struct call_counts *c)
{
    log_info("  %-18s %6u %7u %8u %10u", c->service, c->reads, c->writes, c->retries, c->throttled);
}

/* Counts each service's calls, in the order of their names; returns how many services. */
static size_t count_calls(const struct call_record *calls, size_t n, struct call_counts *by_service,
                          struct call_counts *all)
{
    size_t services = 0;
    for (size_t i = 0; i < n; i++) {
        size_t j = 0;
        while (j < services && !str_eq(by_service[j].service, calls[i].service))
            j++;
        if (j == services)
            by_service[services++].service = calls[i].service;
        count_call(&by_service[j], &calls[i]);
        count_call(all, &calls[i]);
    }
    qsort(by_service, services, sizeof(*by_service), compare_counts);
    return services;
}

static void say_phases(const struct report *r)
{
    char span[32];
    log_info("  %-18s %10s", "phase", "time");
    for (size_t i = 0; i < r->n_phases; i++)
        log_info("  %-18s %10s", r->phases[i].name,
                 span_of(r->phases[i].start, r->phases[i].end, span, sizeof(span)));
}

/* What there was no place for while it lasted. */
static void say_rest(struct report *r)
{
    if (r->held.n > 0)
        log_info("  what was awaited after what stands above");
    for (size_t i = 0; i < r->held.n; i++)
        log_info("  %s", r->held.v[i]);
    strlist_release(&r->held);
}

/* "took 12.3 s and 192 calls: 88 reads, 104 writes, 2 retries, 1 throttled" */
static void make_summary(const struct report *r, const struct call_counts *all, struct strbuf *ret)
{
    char span[32];
    unsigned calls = all->reads + all->writes;
    span_of(r->phases[0].start, r->phases[r->n_phases - 1].end, span, sizeof(span));
    strbuf_addf(ret, "took %s and %u call%s: %u read%s, %u write%s, %u retr%s, %u throttled", span,
                calls, calls == 1 ? "" : "s", all->reads, all->reads == 1 ? "" : "s", all->writes,
                all->writes == 1 ? "" : "s", all->retries, all->retries == 1 ? "y" : "ies",
                all->throttled);
}

void report_table(struct report *r, struct session *s)
{
    report_phase(r, NULL);
    if (r->n_phases == 0)
        return;
    _cleanup_free_ struct call_record *calls = NULL;
    size_t n = s != NULL ? session_record(s, &calls) : 0;
    _cleanup_free_ struct call_counts *by_service = xcalloc(n + 1, sizeof(*by_service));
    struct call_counts all = { .service = "in all" };
    size_t services = count_calls(calls, n, by_service, &all);
    _cleanup_strbuf_ struct strbuf summary = STRBUF_INIT;
    make_summary(r, &all, &summary);
    log_section_start("berth_calls", true, summary.buf);
    say_phases(r);
    if (n > 0)
        log_info("  %-18s %6s %7s %8s %10s", "calls", "reads", "writes", "retries", "throttled");
    for (size_t i = 0; i < services; i++)
        table_row(&by_service[i]);
    if (n > 0)
        table_row(&all);
    say_rest(r);
    log_section_end("berth_calls");
}
