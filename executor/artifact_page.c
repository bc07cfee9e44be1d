/* SPDX-License-Identifier: MIT */
/* The page as a whole: what all its parts go by, and how they are put together. */
#include "executor/artifact_page.h"

#include "drivers/aws/digest.h"
#include "executor/artifact.h"

/* The assembler copies the file in and ends it with a NUL. */
__asm__(".pushsection .rodata\n"
        ".global report_html\nreport_html:\n"
        ".incbin \"executor/report.html\"\n"
        ".byte 0\n"
        ".popsection\n");
extern const char report_html[];

static const char *entity_of(char c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    default:
        return "&#39;";
    }
}

void html_text(struct strbuf *out, const char *text)
{
    while (*text != '\0') {
        size_t len = strcspn(text, "&<>\"'");
        strbuf_add(out, text, len);
        text += len;
        if (*text != '\0')
            strbuf_adds(out, entity_of(*text++));
    }
}

void html_element(struct strbuf *out, const char *tag, const char *class, const char *text)
{
    strbuf_addf(out, "<%s", tag);
    if (class != NULL)
        strbuf_addf(out, " class=\"%s\"", class);
    strbuf_addc(out, '>');
    html_text(out, text);
    strbuf_addf(out, "</%s>", tag);
}

void html_link(struct strbuf *out, const char *address, const char *text)
{
    if (!str_starts(address, "https://") && !str_starts(address, "http://")) {
        html_text(out, text);
        return;
    }
    strbuf_adds(out, "<a rel=\"noreferrer\" href=\"");
    html_text(out, address);
    strbuf_adds(out, "\">");
    html_text(out, text);
    strbuf_adds(out, "</a>");
}

double page_number(const cJSON *json, const char *key)
{
    const cJSON *value = json_get(json, key);
    return cJSON_IsNumber(value) ? value->valuedouble : 0;
}

const char *page_span(const cJSON *json, char *buf, size_t size)
{
    return clock_span(page_number(json, "end") - page_number(json, "start"), buf, size);
}

const struct page_item *page_find(const struct page *p, const char *address)
{
    return address != NULL ? strmap_get(&p->addresses, address) : NULL;
}

const char *page_label(const struct page *p, const struct page_item *item)
{
    const char *label = json_str(item->json, "label");
    const char *environment = json_str(p->report, "environment");
    size_t len = environment != NULL ? strlen(environment) : 0;
    bool prefixed = len > 0 && str_starts(label, environment) && label[len] == '-';
    return prefixed && label[len + 1] != '\0' ? label + len + 1 : label;
}

void page_link(const struct page *p, const char *address, struct strbuf *out)
{
    const struct page_item *item = page_find(p, address);
    if (item == NULL) {
        html_text(out, address);
        return;
    }
    strbuf_addf(out, "<a href=\"#r-%zu\">", item->index);
    html_element(out, "span", "kind-word", json_str(item->json, "kind"));
    strbuf_addc(out, ' ');
    html_text(out, page_label(p, item));
    strbuf_adds(out, "</a>");
}

void page_rect(const struct page *p, const char *class, double from, double to, const char *title,
               struct strbuf *out)
{
    strbuf_addf(out, "<rect class=\"%s\" x=\"%.2f%%\" width=\"%.2f%%\"", class,
                from / p->seconds * 100, (to > from ? to - from : 0) / p->seconds * 100);
    if (title == NULL) {
        strbuf_adds(out, "/>");
        return;
    }
    strbuf_adds(out, ">");
    html_element(out, "title", NULL, title);
    strbuf_adds(out, "</rect>");
}

/* By action: what was done, and what a plan would do. */
static const struct {
    const char *action;
    struct page_state done, planned;
} actions[] = {
    { "create", { "created", "+", "created" }, { "created", "+", "to create" } },
    { "update", { "updated", "~", "updated" }, { "updated", "~", "to update" } },
    { "replace", { "replaced", "±", "replaced" }, { "replaced", "±", "to replace" } },
    { "remove", { "removed", "−", "removed" }, { "removed", "−", "to remove" } },
};
static const struct page_state failed = { "failed", "✕", "failed" };
static const struct page_state unfinished = { "unfinished", "…", "not finished" };
static const struct page_state skipped = { "skipped", "○", "not tried" };
static const struct page_state awaited = { "awaited", "•", "awaited" };

/* What the run has nothing to do with, by how the plan counts it. */
static const struct {
    const char *counted;
    struct page_state state;
} idle[] = {
    { "keep", { "kept", "·", "unchanged" } },
    { "leave", { "left", "·", "left to another job" } },
    { "lookup", { "looked", "·", "looked up" } },
    { "absent", { "absent", "·", "not there" } },
};

static const struct page_state *idle_state(const cJSON *r)
{
    for (size_t i = 0; i < ARRAY_SIZE(idle); i++)
        if (str_eq(json_str(r, "counted"), idle[i].counted))
            return &idle[i].state;
    return &idle[0].state;
}

static const struct page_state *state_of(const cJSON *r, bool takes_part)
{
    const char *result = json_str(r, "result");
    if (str_eq(result, "failed"))
        return json_bool(r, "unfinished", false) ? &unfinished : &failed;
    if (!takes_part)
        return idle_state(r);
    if (str_eq(result, "skipped"))
        return &skipped;
    for (size_t i = 0; i < ARRAY_SIZE(actions); i++)
        if (str_eq(json_str(r, "action"), actions[i].action))
            return str_eq(result, "done") ? &actions[i].done : &actions[i].planned;
    return &awaited;
}

size_t page_count(const struct page *p, bool only_idle, struct page_count ret[PAGE_STATES])
{
    static const char *const order[] = { "failed",  "unfinished", "skipped", "created",
                                         "updated", "replaced",   "removed", "awaited",
                                         "kept",    "left",       "looked",  "absent" };
    size_t n = 0;
    for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
        struct page_count count = { 0 };
        for (size_t j = 0; j < p->n; j++) {
            const struct page_item *item = &p->items[j];
            if ((only_idle && item->takes_part) || !str_eq(item->state->class, order[i]))
                continue;
            count.state = item->state;
            count.n++;
        }
        if (count.n > 0)
            ret[n++] = count;
    }
    return n;
}

static void page_release(struct page *p)
{
    free(p->items);
    free(p->calls);
    strmap_release(&p->addresses);
}
#define _cleanup_page_ _cleanup_(page_release)

/* The last one of an address counts: what came back is removed once more. */
static void take_items(struct page *p)
{
    const cJSON *resources = json_get(p->report, "resources"), *r;
    p->items = xcalloc(json_count(resources) + 1, sizeof(*p->items));
    cJSON_ArrayForEach (r, resources) {
        struct page_item *item = &p->items[p->n];
        bool takes_part = !str_eq(json_str(r, "action"), "none") || json_bool(r, "wait", false);
        *item = (struct page_item){ .json = r,
                                    .index = p->n++,
                                    .takes_part = takes_part,
                                    .state = state_of(r, takes_part),
                                    .first_call = PAGE_NONE };
        strmap_add(&p->addresses, json_str(r, "address"), item);
    }
    const cJSON *step;
    cJSON_ArrayForEach (step, json_get(p->report, "criticalPath")) {
        struct page_item *item = strmap_get(&p->addresses, json_str(step, "address"));
        if (item != NULL)
            item->critical = true;
    }
}

/* From the last to the first, so that each resource's are in the order of time. */
static void take_calls(struct page *p)
{
    const cJSON *calls = json_get(p->report, "calls"), *call;
    p->calls = xcalloc(json_count(calls) + 1, sizeof(*p->calls));
    cJSON_ArrayForEach (call, calls)
        p->calls[p->n_calls++] = (struct page_call){ .json = call, .next = PAGE_NONE };
    for (size_t i = p->n_calls; i-- > 0;) {
        const char *address = json_str(p->calls[i].json, "resource");
        struct page_item *item = address != NULL ? strmap_get(&p->addresses, address) : NULL;
        if (item == NULL)
            continue;
        p->calls[i].next = item->first_call;
        item->first_call = i;
    }
}

static void add_hash(const char *tag, struct strbuf *out)
{
    _cleanup_free_ char *open = xasprintf("<%s>", tag);
    _cleanup_free_ char *close = xasprintf("</%s>", tag);
    const char *from = strstr(report_html, open) + strlen(open);
    _cleanup_free_ char *hash = digest_base64(from, (size_t)(strstr(from, close) - from));
    strbuf_addf(out, "'sha256-%s'", hash);
}

/* The page's own script and style run, and nothing that might have come in with a name. */
static void page_head(const struct page *p, struct strbuf *out)
{
    strbuf_adds(out, "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
                     "base-uri 'none'; form-action 'none'; style-src ");
    add_hash("style", out);
    strbuf_adds(out, "; script-src ");
    add_hash("script", out);
    strbuf_adds(out, "\">\n<title>");
    const char *environment = json_str(p->report, "environment");
    html_text(out, environment != NULL ? environment : "berth");
    strbuf_adds(out, ": ");
    html_text(out, json_str_at(p->report, "verdict/result"));
    strbuf_adds(out, "</title>");
}

static void page_foot(const struct page *p, struct strbuf *out)
{
    strbuf_adds(out, "Written by berth ");
    html_text(out, json_str(p->report, "berth"));
    strbuf_adds(out, " on ");
    html_text(out, json_str(p->report, "started"));
    strbuf_adds(out, ". <code>berth-report.json</code> beside it has the same for programs.");
}

static const struct {
    const char *mark;
    void (*write)(const struct page *p, struct strbuf *out);
} parts[] = {
    { "head", page_head },         { "summary", page_summary }, { "failures", page_failures },
    { "warnings", page_warnings }, { "path", page_path },       { "graph", page_graph },
    { "timeline", page_timeline }, { "plan", page_plan },       { "calls", page_calls },
    { "foot", page_foot },
};

static void write_part(const struct page *p, const char *mark, size_t len, struct strbuf *out)
{
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
        if (strlen(parts[i].mark) == len && memcmp(parts[i].mark, mark, len) == 0)
            parts[i].write(p, out);
}

void artifact_page(const cJSON *report, struct strbuf *out)
{
    static const char open[] = "<!--{", close[] = "}-->";
    _cleanup_page_ struct page p = { .report = report };
    strmap_init(&p.addresses);
    double seconds = page_number(report, "seconds");
    p.seconds = seconds > 0 ? seconds : 1;
    take_items(&p);
    take_calls(&p);
    const char *from = report_html, *mark;
    while ((mark = strstr(from, open)) != NULL) {
        const char *name = mark + strlen(open), *end = strstr(name, close);
        strbuf_add(out, from, (size_t)(mark - from));
        write_part(&p, name, (size_t)(end - name), out);
        from = end + strlen(close);
    }
    strbuf_adds(out, from);
}
