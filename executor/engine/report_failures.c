/* SPDX-License-Identifier: MIT */
#include "executor/base/log.h"
#include "executor/base/utf8.h"
#include "executor/engine/internal.h"
#include "executor/engine/report.h"

#define N_NAMED 8 /* how many of what goes on are named in a line: it may cost money */

static const char *const done_words[] = {
    [ACTION_NONE] = "ready",       [ACTION_CREATE] = "created", [ACTION_UPDATE] = "updated",
    [ACTION_REPLACE] = "replaced", [ACTION_REMOVE] = "removed",
};

const char *report_done_word(enum action action)
{
    return done_words[action];
}

void report_spared(const struct graph *g, const struct resource_type *type, struct strbuf *out)
{
    static const char *const words[] = { REMOVAL_GONE, REMOVAL_LEFT };
    for (size_t k = 0; k < ARRAY_SIZE(words); k++) {
        unsigned n = 0;
        for (size_t i = 0; i < g->n; i++)
            n += (type == NULL || g->v[i]->type == type) && str_eq(g->v[i]->instead, words[k]);
        if (n > 0)
            strbuf_addf(out, "%s%u %s", out->len > 0 ? ", " : "", n, words[k]);
    }
}

void report_done(const struct graph *g, struct strbuf *out)
{
    unsigned count[ARRAY_SIZE(done_words)] = { 0 };
    for (size_t i = 0; i < g->n; i++) {
        const struct resource *r = g->v[i];
        if (resource_takes_part(r) && r->progress == PROGRESS_DONE && r->instead == NULL)
            count[r->action]++;
    }
    static const enum action order[] = { ACTION_CREATE, ACTION_UPDATE, ACTION_REPLACE,
                                         ACTION_REMOVE, ACTION_NONE };
    for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
        if (count[order[i]] == 0)
            continue;
        strbuf_addf(out, "%s%u %s", out->len > 0 ? ", " : "", count[order[i]],
                    done_words[order[i]]);
    }
    report_spared(g, NULL, out);
    if (out->len == 0)
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
    return r->progress == PROGRESS_SKIPPED && resource_takes_part(r);
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

bool report_goes_on(const struct resource *r)
{
    return r->progress == PROGRESS_FAILED && r->error.class == ERR_CANCELLED &&
           (r->written > 0 || r->uncertain) && !json_bool(r->memo, RESOURCE_RECALLED, false);
}

bool report_begun(const struct graph *g, struct strbuf *out)
{
    size_t n = 0;
    for (size_t i = 0; i < g->n; i++) {
        const struct resource *r = g->v[i];
        if (!report_goes_on(r) || ++n > N_NAMED)
            continue;
        strbuf_addf(out, "%s%s %s%s", n > 1 ? ", " : "", r->type->singular, r->label,
                    r->written > 0 ? "" : " (perhaps: AWS has not answered)");
    }
    if (n > N_NAMED)
        strbuf_addf(out, " and %zu more", n - N_NAMED);
    return n > 0;
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
