/* SPDX-License-Identifier: MIT */
/* What the page says first: what came of the run, what failed and why, and what was planned. */
#include "executor/artifact_page.h"

#include "executor/artifact.h"

struct headline {
    const char *class;
    const char *pill;
    const char *sentence; /* NULL: the verdict's message says it */
};

static bool is_destroy(const struct page *p)
{
    return str_eq(json_str_at(p->report, "job/action"), act_name(ACT_DESTROY));
}

static bool is_plan(const struct page *p)
{
    return json_bool(json_get(p->report, "job"), "plan", false);
}

static bool has_work(const struct page *p)
{
    for (size_t i = 0; i < p->n; i++)
        if (p->items[i].takes_part)
            return true;
    return false;
}

static struct headline headline_of(const struct page *p)
{
    const char *result = json_str_at(p->report, "verdict/result");
    if (str_eq(result, "failed"))
        return (struct headline){ "failed", "failed", NULL };
    if (str_eq(result, "cancelled"))
        return (struct headline){ "skipped", "cancelled", NULL };
    if (is_plan(p))
        return (struct headline){ "awaited", "plan",
                                  has_work(p) ? "Nothing was changed: this is what it would take."
                                              : "There is nothing to do." };
    if (is_destroy(p))
        return (struct headline){ "removed", "destroyed", "Nothing of it is left." };
    return (struct headline){ "created", "succeeded",
                              has_work(p) ? "It is as the spec wants it."
                                          : "It was as the spec wants it already." };
}

static void add_fact(struct strbuf *out, const char *name, const char *value)
{
    if (value == NULL || *value == '\0')
        return;
    strbuf_adds(out, "<div>");
    html_element(out, "dt", NULL, name);
    strbuf_adds(out, "<dd>");
    html_link(out, value, value);
    strbuf_adds(out, "</dd></div>");
}

static void add_number(struct strbuf *out, const char *name, const cJSON *json, const char *key)
{
    _cleanup_free_ char *text = xasprintf("%lld", (long long)json_int(json, key, 0));
    add_fact(out, name, text);
}

/* With a link to its log. */
static void add_job(struct strbuf *out, const cJSON *job)
{
    const char *url = json_str(job, "url");
    strbuf_adds(out, "<div><dt>Job</dt><dd>");
    html_link(out, url != NULL ? url : "", json_str(job, "name"));
    strbuf_adds(out, "</dd></div>");
}

static void add_facts(const struct page *p, struct strbuf *out)
{
    const cJSON *r = p->report, *job = json_get(r, "job");
    const char *commit = json_str(job, "commit");
    _cleanup_free_ char *short_commit = commit != NULL ? xstrndup(commit, 8) : NULL;
    strbuf_adds(out, "<dl class=\"facts\">");
    add_fact(out, "Address", json_str(r, "url"));
    add_fact(out, "Branch", json_str(r, "ref"));
    add_fact(out, "Commit", short_commit);
    add_number(out, "Pipeline", r, "pipeline");
    add_job(out, job);
    add_fact(out, "Kind", json_str(r, "kind"));
    add_fact(out, "Region", json_str(r, "region"));
    add_fact(out, "Started", json_str(r, "started"));
    strbuf_adds(out, "</dl>");
}

static void add_counts(const struct page *p, struct strbuf *out)
{
    struct page_count counts[PAGE_STATES];
    strbuf_adds(out, "<ul class=\"counts\">");
    size_t n = page_count(p, false, counts);
    for (const struct page_count *count = counts; count < counts + n; count++)
        strbuf_addf(out, "<li class=\"s-%s\"><b>%zu</b> %s</li>", count->state->class, count->n,
                    count->state->word);
    char span[32];
    clock_span(page_number(p->report, "seconds"), span, sizeof(span));
    strbuf_addf(out, "<li class=\"s-time\"><b>%s</b> in all</li></ul>", span);
}

/* One bar, a part for each phase, and a key that says the same in words. */
static void add_phases(const struct page *p, struct strbuf *out)
{
    const cJSON *phases = json_get(p->report, "phases"), *phase;
    if (json_count(phases) == 0)
        return;
    size_t i = 0;
    char span[32];
    strbuf_adds(out, "<div class=\"phases\"><svg class=\"strip\" aria-hidden=\"true\">");
    cJSON_ArrayForEach (phase, phases) {
        _cleanup_free_ char *class = xasprintf("phase-%zu", i++ % 8);
        page_rect(p, class, page_number(phase, "start"), page_number(phase, "end"),
                  json_str(phase, "name"), out);
    }
    strbuf_adds(out, "</svg><ul>");
    i = 0;
    cJSON_ArrayForEach (phase, phases) {
        strbuf_addf(out, "<li class=\"phase-%zu\">", i++ % 8);
        html_text(out, json_str(phase, "name"));
        strbuf_addf(out, " <b>%s</b></li>", page_span(phase, span, sizeof(span)));
    }
    strbuf_adds(out, "</ul></div>");
}

/* The first line is the cause; more are other problems. */
static void add_message(const char *text, struct strbuf *out)
{
    if (strchr(text, '\n') == NULL) {
        html_element(out, "p", "sentence", text);
        return;
    }
    strbuf_adds(out, "<ul class=\"sentence\">");
    while (*text != '\0') {
        size_t len = strcspn(text, "\n");
        _cleanup_free_ char *line = xstrndup(text, len);
        html_element(out, "li", NULL, line);
        text += len + (text[len] == '\n');
    }
    strbuf_adds(out, "</ul>");
}

static void add_list(const cJSON *list, const char *title, struct strbuf *out)
{
    const cJSON *line;
    if (json_count(list) == 0)
        return;
    html_element(out, "h3", NULL, title);
    strbuf_adds(out, "<ul class=\"lines\">");
    cJSON_ArrayForEach (line, list) {
        const char *text = line->valuestring != NULL ? line->valuestring : json_str(line, "why");
        strbuf_adds(out, "<li>");
        if (json_str(line, "name") != NULL) {
            html_element(out, "b", NULL, json_str(line, "name"));
            strbuf_adds(out, ": ");
        }
        html_text(out, text != NULL ? text : "");
        strbuf_adds(out, "</li>");
    }
    strbuf_adds(out, "</ul>");
}

void page_summary(const struct page *p, struct strbuf *out)
{
    const struct headline headline = headline_of(p);
    const char *environment = json_str(p->report, "environment");
    const char *part = json_str_at(p->report, "job/part");
    const char *message = json_str_at(p->report, "verdict/message");
    strbuf_adds(out, "<h1>");
    html_text(out, environment != NULL ? environment : json_str_at(p->report, "job/name"));
    if (part != NULL) {
        strbuf_adds(out, " ");
        html_element(out, "small", NULL, part);
    }
    strbuf_addf(out, " <span class=\"pill s-%s\">%s</span></h1>", headline.class, headline.pill);
    add_message(headline.sentence != NULL ? headline.sentence : message, out);
    add_counts(p, out);
    add_facts(p, out);
    add_phases(p, out);
    add_list(json_get(p->report, "left"), "Left", out);
}

void page_warnings(const struct page *p, struct strbuf *out)
{
    const cJSON *warnings = json_get(p->report, "warnings");
    if (json_count(warnings) == 0)
        return;
    strbuf_adds(out, "<section id=\"warnings\" aria-label=\"Warnings\">");
    add_list(warnings, "Warnings", out);
    strbuf_adds(out, "</section>");
}

static void add_lines(const cJSON *lines, struct strbuf *out)
{
    const cJSON *line;
    strbuf_adds(out, "<pre tabindex=\"0\">");
    cJSON_ArrayForEach (line, lines) {
        html_text(out, line->valuestring != NULL ? line->valuestring : "");
        strbuf_addc(out, '\n');
    }
    strbuf_adds(out, "</pre>");
}

static void add_failure(const struct page *p, const struct page_item *item, struct strbuf *out)
{
    const cJSON *explanation = json_get(item->json, "explanation"), *section;
    const char *cause = json_str(explanation, "cause"), *error = json_str(item->json, "error");
    strbuf_addf(out, "<article class=\"failure s-%s\"><h3>", item->state->class);
    page_link(p, json_str(item->json, "address"), out);
    strbuf_adds(out, "</h3>");
    html_element(out, "p", "cause", cause != NULL ? cause : error != NULL ? error : "failed");
    const cJSON *sections = json_get(explanation, "sections");
    if (cause != NULL && error != NULL && !str_eq(cause, error) && json_count(sections) == 0)
        html_element(out, "p", "error", error);
    if (json_bool(item->json, "goesOn", false))
        html_element(out, "p", "error",
                     "What this job has begun goes on in AWS, and nobody awaits it.");
    cJSON_ArrayForEach (section, sections) {
        const cJSON *lines = json_get(section, "lines");
        strbuf_adds(out, "<details open><summary>");
        html_text(out, json_str(section, "title") != NULL ? json_str(section, "title") : "more");
        strbuf_addf(out, " <small>%zu line%s</small></summary>", json_count(lines),
                    json_count(lines) == 1 ? "" : "s");
        add_lines(lines, out);
        strbuf_adds(out, "</details>");
    }
    strbuf_adds(out, "</article>");
}

static void add_skipped(const struct page *p, struct strbuf *out)
{
    bool any = false;
    for (size_t i = 0; i < p->n; i++) {
        const cJSON *r = p->items[i].json;
        if (!str_eq(p->items[i].state->class, "skipped"))
            continue;
        if (!any)
            strbuf_adds(out, "<h3>Not tried</h3><ul class=\"lines\">");
        any = true;
        strbuf_adds(out, "<li>");
        page_link(p, json_str(r, "address"), out);
        strbuf_adds(out, ": ");
        html_text(out, json_str(r, "error") != NULL ? json_str(r, "error") : "");
        strbuf_adds(out, "</li>");
    }
    if (any)
        strbuf_adds(out, "</ul>");
}

static bool any_is(const struct page *p, const char *class)
{
    for (size_t i = 0; i < p->n; i++)
        if (str_eq(p->items[i].state->class, class))
            return true;
    return false;
}

/* Those that failed before those that a cancel has left unfinished. */
void page_failures(const struct page *p, struct strbuf *out)
{
    static const char *const classes[] = { "failed", "unfinished" };
    bool failed = any_is(p, "failed");
    if (!failed && !any_is(p, "unfinished") && !any_is(p, "skipped"))
        return;
    strbuf_adds(out, "<section id=\"failures\" aria-labelledby=\"h-failures\">");
    strbuf_addf(out, "<h2 id=\"h-failures\">%s</h2>", failed ? "Failures" : "Not finished");
    add_list(json_get(p->report, "takenBack"), "Taken back", out);
    for (size_t c = 0; c < ARRAY_SIZE(classes); c++)
        for (size_t i = 0; i < p->n; i++)
            if (str_eq(p->items[i].state->class, classes[c]))
                add_failure(p, &p->items[i], out);
    add_skipped(p, out);
    strbuf_adds(out, "</section>");
}

#define VALUE_LENGTH 2000 /* the JSON has all of it */

static void add_value(const cJSON *value, const char *otherwise, struct strbuf *out)
{
    _cleanup_free_ char *text = value != NULL ? json_print(value) : xstrdup(otherwise);
    size_t len = strlen(text);
    if (len > VALUE_LENGTH) {
        len = VALUE_LENGTH;
        while ((text[len] & 0xc0) == 0x80)
            len--; /* not in the middle of a UTF-8 character */
        text[len] = '\0';
    }
    html_element(out, "code", NULL, text);
    if (len == VALUE_LENGTH)
        strbuf_adds(out, "…");
}

static void add_changes(const cJSON *changes, struct strbuf *out)
{
    const cJSON *change;
    if (json_count(changes) == 0)
        return;
    strbuf_adds(out, "<ul class=\"changes\">");
    cJSON_ArrayForEach (change, changes) {
        bool unknown = json_bool(change, "unknown", false);
        strbuf_adds(out, "<li>");
        html_element(out, "b", NULL, json_str(change, "path"));
        strbuf_adds(out, " ");
        add_value(json_get(change, "from"), "nothing", out);
        strbuf_adds(out, " → ");
        add_value(json_get(change, "to"), unknown ? "known after apply" : "nothing", out);
        strbuf_adds(out, "</li>");
    }
    strbuf_adds(out, "</ul>");
}

static bool is_planned(const struct page_item *item)
{
    return !str_eq(json_str(item->json, "action"), "none") || json_str(item->json, "note") != NULL;
}

static void add_planned(const struct page *p, const struct page_item *item, struct strbuf *out)
{
    const cJSON *r = item->json;
    const char *action = json_str(r, "action"), *note = json_str(r, "note");
    strbuf_addf(out, "<li class=\"planned find\" data-r=\"%zu\"><span class=\"action s-%s\">",
                item->index, item->takes_part ? item->state->class : "kept");
    html_text(out, str_eq(action, "none") ? "left" : action);
    strbuf_adds(out, "</span> ");
    page_link(p, json_str(r, "address"), out);
    if (!str_eq(json_str(r, "name"), json_str(r, "label"))) {
        strbuf_addc(out, ' ');
        html_element(out, "small", "name", json_str(r, "name"));
    }
    if (note != NULL) {
        strbuf_addc(out, ' ');
        html_element(out, "em", NULL, note);
    }
    if (!str_eq(action, "create"))
        add_changes(json_get(r, "changes"), out);
    strbuf_adds(out, "</li>");
}

void page_plan(const struct page *p, struct strbuf *out)
{
    size_t n = 0;
    for (size_t i = 0; i < p->n; i++)
        n += is_planned(&p->items[i]);
    if (n == 0) {
        strbuf_adds(out, p->n > 0 ? "<p class=\"none\">Everything was as wanted.</p>"
                                  : "<p class=\"none\">It did not come to a plan.</p>");
        return;
    }
    strbuf_adds(out, "<ul class=\"plan\">");
    for (size_t i = 0; i < p->n; i++)
        if (is_planned(&p->items[i]))
            add_planned(p, &p->items[i], out);
    strbuf_adds(out, "</ul>");
}
