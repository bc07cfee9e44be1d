/* SPDX-License-Identifier: MIT */
#include "executor/engine/report.h"

#include <math.h>

#include "executor/base/log.h"
#include "executor/engine/internal.h"
#include "executor/engine/live.h"

#define N_NAMED 3 /* how many of what is awaited, or was not tried, are named in a line */

void report_release(struct report *r)
{
    free(r->phases);
    free(r->reported);
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
    if (name == NULL)
        return;
    r->phases = xrealloc_array(r->phases, r->n_phases + 1, sizeof(*r->phases));
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
    unsigned done = 0, n = 0;
    double start = 0, end = 0;
    _cleanup_strbuf_ struct strbuf words = STRBUF_INIT;
    for (size_t i = 0; i < g->n; i++) {
        const struct resource *other = g->v[i];
        if (other->type != changed->type || other->action != changed->action ||
            !resource_takes_part(other))
            continue;
        if (!has_ended(other))
            return;
        if (other->progress != PROGRESS_DONE)
            continue;
        n++;
        done += other->instead == NULL;
        if (other->started > 0 && (start == 0 || other->started < start))
            start = other->started;
        if (other->ended > end)
            end = other->ended;
    }
    if (n == 0)
        return;
    if (done > 0)
        strbuf_addf(&words, "%u %s", done, report_done_word(changed->action));
    report_spared(g, changed->type, &words);
    char span[32];
    _cleanup_free_ char *line =
        xasprintf("%s: %s, %s", n == 1 ? changed->type->singular : changed->type->plural, words.buf,
                  span_of(start, end, span, sizeof(span)));
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
    say(r, "%s %s: %s, %s", changed->type->singular, changed->label,
        changed->instead ? changed->instead : report_done_word(changed->action),
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

static bool is_leaving(const struct resource *r)
{
    return r->action == ACTION_REMOVE && resource_is_under_way(r) && r->waiting_for != NULL;
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

/* An answer of AWS's that is newer than what the driver has found. */
const char *report_reason(const struct resource *r)
{
    return atomic_load(&r->throttled) ? "AWS throttles its calls" : r->waiting_for;
}

static void add_awaited(const struct graph *g, struct strlist *lines)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    size_t n = 0;
    for (size_t i = 0; i < g->n; i++) {
        const struct resource *r = g->v[i];
        if (!resource_is_under_way(r) || is_leaving(r) || ++n > N_NAMED)
            continue;
        strbuf_addf(&text, "%s%s %s", n > 1 ? "; " : "", r->type->singular, r->label);
        const char *reason = report_reason(r);
        if (reason != NULL)
            strbuf_addf(&text, " (%s)", reason);
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
        n += (type == NULL || g->v[i]->type == type) && resource_is_under_way(g->v[i]);
    return n;
}

/* "cache cluster redis, service notifier" where that is short, else "14 services, 1 cluster". */
static void add_under_way(const struct graph *g, bool by_name, struct strbuf *out)
{
    for (size_t i = 0; i < g->n; i++) {
        const struct resource *r = g->v[i];
        if (!resource_is_under_way(r) || (!by_name && count_under_way(g, r->type, i) > 0))
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

/* Whether a title is seen again though its section is open: each one after twice the silence that
 * the last has taken. */
static bool may_title(const struct report *r, double now)
{
    return now - r->seen >= ldexp(REPORT_PAUSE, (int)r->n_titles);
}

/* Sees to it that lines are folded, under a title: where what has ended has closed the section,
 * another begins. */
static void begin_aside(struct report *r, const struct graph *g, const struct strlist *lines,
                        double now)
{
    if (!log_has_folds() || (log_aside_is_open() && !may_title(r, now)))
        return;
    _cleanup_strbuf_ struct strbuf title = STRBUF_INIT;
    make_title(g, lines, &title);
    log_aside_start("berth_wait", title.buf);
    r->seen = now;
    r->n_titles++;
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
    begin_aside(r, g, &lines, now);
    for (size_t i = 0; i < lines.n; i++)
        log_aside("%s: %s", span, lines.v[i]);
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
    if (!has_ended(changed) || !resource_takes_part(changed) || !first_end(r, g, changed))
        return;
    if (changed->progress == PROGRESS_FAILED && changed->error.class != ERR_CANCELLED)
        say_failure(r, changed);
    if ((changed->type->flags & TYPE_APPLICATION) == 0 || g->context.teardown)
        say_type(r, g, changed);
    else if (changed->progress == PROGRESS_DONE)
        say_resource(r, changed);
}
