/* SPDX-License-Identifier: MIT */
/* The page's bars: the critical path, what was under way when, and the calls that it took. */
#include "executor/artifact_page.h"

#include <stdio.h>

#define TICKS_MAX     8
#define CALLS_OF_ONE  60  /* that are listed of one resource; the JSON has all */
#define CALLS_IN_LANE 400 /* marks in a lane; more would be one bar anyway */

/* Seconds between two ticks, so that there are not too many. */
static double tick_of(double seconds)
{
    static const double steps[] = { 0.05, 0.1, 0.2, 0.5, 1,   2,    5,    10,  15,
                                    30,   60,  120, 300, 600, 1800, 3600, 7200 };
    for (size_t i = 0; i < ARRAY_SIZE(steps); i++)
        if (seconds / steps[i] <= TICKS_MAX)
            return steps[i];
    return seconds / TICKS_MAX;
}

static const char *tick_label(double seconds, char *buf, size_t size)
{
    if (seconds < 120)
        snprintf(buf, size, "%g s", seconds);
    else if (seconds < 7200)
        snprintf(buf, size, "%g min", seconds / 60);
    else
        snprintf(buf, size, "%g h", seconds / 3600);
    return buf;
}

/* The scale, and the lines of it that every bar refers to. */
static void add_axis(const struct page *p, struct strbuf *out)
{
    double step = tick_of(p->seconds);
    _cleanup_strbuf_ struct strbuf lines = STRBUF_INIT;
    strbuf_adds(out, "<svg class=\"axis\" aria-hidden=\"true\">");
    for (unsigned i = 0; i * step <= p->seconds; i++) {
        char label[32];
        double x = i * step / p->seconds * 100;
        strbuf_addf(&lines, "<line x1=\"%.2f%%\" x2=\"%.2f%%\" y1=\"0\" y2=\"100%%\"/>", x, x);
        if (x < 96)
            strbuf_addf(out, "<text x=\"%.2f%%\" y=\"14\" dx=\"3\">%s</text>", x,
                        tick_label(i * step, label, sizeof(label)));
    }
    strbuf_addf(out, "<defs><g id=\"grid\" class=\"grid\">%s</g></defs><use href=\"#grid\"/></svg>",
                lines.buf);
}

/* What was called, in all, in words for the title of a mark. */
static char *call_title(const cJSON *call)
{
    char span[32];
    const char *error = json_str(call, "error");
    return xasprintf("%s:%s, %s%s%s", json_str(call, "service"), json_str(call, "action"),
                     page_span(call, span, sizeof(span)), error ? ", " : "", error ? error : "");
}

/* That something is not there is the answer to a question. */
static bool has_failed(const cJSON *call)
{
    return json_str(call, "error") != NULL && !json_bool(call, "absent", false);
}

static const char *call_class(const cJSON *call)
{
    if (has_failed(call))
        return "call bad";
    return json_int(call, "throttled", 0) > 0 ? "call slow" : "call";
}

static void add_call_mark(const struct page *p, const cJSON *call, struct strbuf *out)
{
    _cleanup_free_ char *title = call_title(call);
    page_rect(p, call_class(call), page_number(call, "start"), page_number(call, "end"), title,
              out);
}

/* From its start to its end; the first part, until it was written, is work, the rest is waiting. */
static void add_bar(const struct page *p, const struct page_item *item, struct strbuf *out)
{
    const cJSON *r = item->json, *wait;
    double start = page_number(r, "start"), written = page_number(r, "written");
    double end = page_number(r, "end");
    strbuf_adds(out, "<svg class=\"bar\" aria-hidden=\"true\"><use href=\"#grid\"/>");
    if (json_get(r, "start") != NULL) {
        double until = end > 0 ? end : p->seconds;
        page_rect(p, "span", start, until, NULL, out);
        if (written > start)
            page_rect(p, "work", start, written < until ? written : until, NULL, out);
        cJSON_ArrayForEach (wait, json_get(r, "waits"))
            page_rect(p, "wait", page_number(wait, "start"),
                      json_get(wait, "end") != NULL ? page_number(wait, "end") : until,
                      json_str(wait, "why"), out);
        size_t n = 0;
        for (size_t i = item->first_call; i != PAGE_NONE && n < CALLS_OF_ONE; n++) {
            add_call_mark(p, p->calls[i].json, out);
            i = p->calls[i].next;
        }
    }
    strbuf_adds(out, "</svg>");
}

static void add_name(const struct page *p, const struct page_item *item, struct strbuf *out)
{
    const struct page_state *state = item->state;
    strbuf_addf(out, "<span class=\"who\"><i class=\"mark s-%s\" title=\"%s\">%s</i>", state->class,
                state->word, state->mark);
    html_element(out, "span", "kind-word", json_str(item->json, "kind"));
    strbuf_addc(out, ' ');
    html_element(out, "span", "label", page_label(p, item));
    strbuf_addf(out, "<span class=\"quiet\">, %s%s</span></span>", state->word,
                item->critical ? ", on the critical path" : "");
}

static void add_term(struct strbuf *out, const char *name, const char *value)
{
    if (value == NULL || *value == '\0')
        return;
    strbuf_adds(out, "<div>");
    html_element(out, "dt", NULL, name);
    html_element(out, "dd", NULL, value);
    strbuf_adds(out, "</div>");
}

static void add_needs(const struct page *p, const cJSON *r, struct strbuf *out)
{
    const cJSON *need;
    if (json_count(json_get(r, "needs")) == 0)
        return;
    strbuf_adds(out, "<div><dt>Needs</dt><dd>");
    const char *separator = "";
    cJSON_ArrayForEach (need, json_get(r, "needs")) {
        strbuf_adds(out, separator);
        page_link(p, need->valuestring, out);
        separator = ", ";
    }
    strbuf_adds(out, "</dd></div>");
}

static void add_waits(const cJSON *waits, struct strbuf *out)
{
    const cJSON *wait;
    if (json_count(waits) == 0)
        return;
    strbuf_adds(out, "<div><dt>Waited</dt><dd><ul>");
    cJSON_ArrayForEach (wait, waits) {
        char span[32];
        if (json_get(wait, "end") != NULL)
            strbuf_addf(out, "<li><b>%s</b> ", page_span(wait, span, sizeof(span)));
        else
            strbuf_adds(out, "<li><b>to the end</b> ");
        html_text(out, json_str(wait, "why"));
        strbuf_adds(out, "</li>");
    }
    strbuf_adds(out, "</ul></dd></div>");
}

static void add_calls(const struct page *p, const struct page_item *item, struct strbuf *out)
{
    if (item->first_call == PAGE_NONE)
        return;
    strbuf_adds(out, "<div><dt>Calls</dt><dd><ul>");
    size_t n = 0;
    for (size_t i = item->first_call; i != PAGE_NONE && n < CALLS_OF_ONE; n++) {
        const cJSON *call = p->calls[i].json;
        _cleanup_free_ char *title = call_title(call);
        long long tries = json_int(call, "tries", 1);
        strbuf_addf(out, "<li class=\"%s\"><b>at %.1f s</b> ", call_class(call),
                    page_number(call, "start"));
        html_text(out, title);
        if (tries > 1)
            strbuf_addf(out, ", %lld tries", tries);
        strbuf_adds(out, "</li>");
        i = p->calls[i].next;
    }
    strbuf_adds(out, "</ul></dd></div>");
}

static void add_more(const struct page *p, const struct page_item *item, struct strbuf *out)
{
    const cJSON *r = item->json;
    strbuf_adds(out, "<dl class=\"more\">");
    add_term(out, "Error", json_str(r, "error"));
    add_term(out, "Name", json_str(r, "name"));
    add_term(out, "In the spec", json_str(r, "origin"));
    add_term(out, "Note", json_str(r, "note"));
    add_needs(p, r, out);
    add_waits(json_get(r, "waits"), out);
    add_calls(p, item, out);
    strbuf_adds(out, "</dl>");
}

static void add_row(const struct page *p, const struct page_item *item, struct strbuf *out)
{
    char span[32];
    strbuf_addf(out, "<li class=\"find%s\" data-r=\"%zu\"><details id=\"r-%zu\"><summary>",
                item->critical ? " critical" : "", item->index, item->index);
    add_name(p, item, out);
    add_bar(p, item, out);
    strbuf_addf(out, "<span class=\"took\">%s</span></summary>",
                json_get(item->json, "end") != NULL ? page_span(item->json, span, sizeof(span))
                                                    : "");
    add_more(p, item, out);
    strbuf_adds(out, "</details></li>");
}

static double begin_of(const struct page_item *item)
{
    return json_get(item->json, "start") != NULL ? page_number(item->json, "start") : 1e9;
}

static int compare_begin(const void *a, const void *b)
{
    const struct page_item *x = *(const struct page_item *const *)a;
    const struct page_item *y = *(const struct page_item *const *)b;
    double from = begin_of(x), other = begin_of(y);
    if (from < other || from > other)
        return from < other ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

/* The items that take part, or those that do not, in the order in which they began. */
static size_t items_of(const struct page *p, bool takes_part, const struct page_item ***ret)
{
    const struct page_item **v = xcalloc(p->n + 1, sizeof(*v));
    size_t n = 0;
    for (size_t i = 0; i < p->n; i++)
        if (p->items[i].takes_part == takes_part)
            v[n++] = &p->items[i];
    qsort(v, n, sizeof(*v), compare_begin);
    *ret = v;
    return n;
}

void page_timeline(const struct page *p, struct strbuf *out)
{
    _cleanup_free_ const struct page_item **active = NULL, **rest = NULL;
    size_t n = items_of(p, true, &active), n_rest = items_of(p, false, &rest);
    if (n > 0) {
        strbuf_adds(out, "<div class=\"chart\"><div class=\"scale\">");
        add_axis(p, out);
        strbuf_adds(out, "</div><ol class=\"rows\">");
        for (size_t i = 0; i < n; i++)
            add_row(p, active[i], out);
        strbuf_adds(out, "</ol></div>");
    } else {
        strbuf_adds(out, "<p class=\"none\">Nothing was to be done.</p>");
    }
    if (n_rest == 0)
        return;
    struct page_count counts[PAGE_STATES];
    size_t n_counts = page_count(p, true, counts);
    strbuf_adds(out, "<details class=\"rest\"><summary>");
    for (size_t i = 0; i < n_counts; i++)
        strbuf_addf(out, "%s%zu %s", i > 0 ? ", " : "", counts[i].n, counts[i].state->word);
    strbuf_adds(out, "</summary><ol class=\"rows bare\">");
    for (size_t i = 0; i < n_rest; i++) {
        strbuf_addf(out, "<li class=\"find\" data-r=\"%zu\"><details id=\"r-%zu\"><summary>",
                    rest[i]->index, rest[i]->index);
        add_name(p, rest[i], out);
        strbuf_adds(out, "</summary>");
        add_more(p, rest[i], out);
        strbuf_adds(out, "</details></li>");
    }
    strbuf_adds(out, "</ol></details>");
}

/* What it waited for longest; where it did not wait, the call that took longest. */
static char *longest_of(const struct page *p, const struct page_item *item)
{
    const cJSON *wait;
    const char *why = NULL;
    double most = 0.05; /* less is not worth a line */
    cJSON_ArrayForEach (wait, json_get(item->json, "waits")) {
        double took = page_number(wait, "end") - page_number(wait, "start");
        if (took < most)
            continue;
        most = took;
        why = json_str(wait, "why");
    }
    const cJSON *longest = NULL;
    for (size_t i = item->first_call; i != PAGE_NONE; i = p->calls[i].next) {
        const cJSON *call = p->calls[i].json;
        double took = page_number(call, "end") - page_number(call, "start");
        if (took < most)
            continue;
        most = took;
        longest = call;
    }
    return longest != NULL ? call_title(longest) : why != NULL ? xstrdup(why) : NULL;
}

static void add_step(const struct page *p, const cJSON *step, struct strbuf *out)
{
    const struct page_item *item = page_find(p, json_str(step, "address"));
    _cleanup_free_ char *why = item != NULL ? longest_of(p, item) : NULL;
    char span[32];
    strbuf_adds(out, "<li><span class=\"who\">");
    page_link(p, json_str(step, "address"), out);
    strbuf_adds(out, "</span><svg class=\"bar\" aria-hidden=\"true\">");
    page_rect(p, "step", page_number(step, "start"), page_number(step, "end"), NULL, out);
    strbuf_addf(out, "</svg><span class=\"took\">%s</span>", page_span(step, span, sizeof(span)));
    if (why != NULL)
        html_element(out, "span", "why", why);
    strbuf_adds(out, "</li>");
}

void page_path(const struct page *p, struct strbuf *out)
{
    const cJSON *path = json_get(p->report, "criticalPath"), *step;
    size_t n = json_count(path);
    if (n == 0)
        return;
    double from = page_number(cJSON_GetArrayItem(path, 0), "start");
    double to = page_number(cJSON_GetArrayItem(path, (int)n - 1), "end");
    char span[32];
    strbuf_addf(out,
                "<section id=\"path\" aria-labelledby=\"h-path\"><h2 id=\"h-path\">Critical path"
                "</h2><p class=\"lead\">%zu resource%s, one behind the other, took <b>%s</b>. "
                "Whatever else was under way had time to spare.</p><ol class=\"steps\">",
                n, n == 1 ? "" : "s", clock_span(to - from, span, sizeof(span)));
    cJSON_ArrayForEach (step, path)
        add_step(p, step, out);
    strbuf_adds(out, "</ol></section>");
}

static bool is_first_of_service(const struct page *p, size_t i)
{
    const char *service = json_str(p->calls[i].json, "service");
    for (size_t j = 0; j < i; j++)
        if (str_eq(json_str(p->calls[j].json, "service"), service))
            return false;
    return true;
}

static void add_lane(const struct page *p, size_t first, struct strbuf *out)
{
    const char *service = json_str(p->calls[first].json, "service");
    long long reads = 0, writes = 0, retries = 0, throttled = 0, failed = 0;
    _cleanup_strbuf_ struct strbuf marks = STRBUF_INIT;
    size_t shown = 0;
    for (size_t i = first; i < p->n_calls; i++) {
        const cJSON *call = p->calls[i].json;
        if (!str_eq(json_str(call, "service"), service))
            continue;
        bool write = json_bool(call, "write", false);
        reads += !write;
        writes += write;
        retries += json_int(call, "tries", 1) - 1;
        throttled += json_int(call, "throttled", 0);
        failed += has_failed(call);
        if (shown++ < CALLS_IN_LANE)
            add_call_mark(p, call, &marks);
    }
    strbuf_adds(out, "<tr><th scope=\"row\">");
    html_text(out, service);
    strbuf_addf(out,
                "</th><td class=\"lane\"><svg class=\"bar\" aria-hidden=\"true\">%s</svg></td>"
                "<td>%lld</td><td>%lld</td><td>%lld</td><td>%lld</td><td>%lld</td></tr>",
                marks.buf, reads, writes, retries, throttled, failed);
}

void page_calls(const struct page *p, struct strbuf *out)
{
    if (p->n_calls == 0) {
        strbuf_adds(out, "<p class=\"none\">No call was made.</p>");
        return;
    }
    strbuf_adds(out, "<div class=\"scroll\" tabindex=\"0\" role=\"group\" "
                     "aria-label=\"Calls\"><table><thead><tr>"
                     "<th scope=\"col\">Service</th><th scope=\"col\" class=\"lane\">When</th>"
                     "<th scope=\"col\">Reads</th><th scope=\"col\">Writes</th>"
                     "<th scope=\"col\">Retries</th><th scope=\"col\">Throttled</th>"
                     "<th scope=\"col\">Failed</th></tr></thead><tbody>");
    for (size_t i = 0; i < p->n_calls; i++)
        if (is_first_of_service(p, i))
            add_lane(p, i, out);
    strbuf_adds(out, "</tbody></table></div>");
    long long left_out = json_int(p->report, "callsLeftOut", 0);
    if (left_out > 0)
        strbuf_addf(out, "<p class=\"none\">%lld later calls are not shown.</p>", left_out);
}
