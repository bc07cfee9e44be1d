/* SPDX-License-Identifier: MIT */
#ifndef BERTH_ARTIFACT_PAGE_H
#define BERTH_ARTIFACT_PAGE_H

/*
 * What the files that write berth-report.html share. The page is made of the report's JSON alone,
 * which is free of secrets already, and put into executor/report.html in the place of its marks.
 *
 * The page says everything without a script: where a server's policy allows none, only the search
 * and the lines of the graph are missing. Whatever comes from outside is written by html_text(),
 * and nothing of it stands within a script or a style, so that it can be nothing but text.
 * Positions are attributes of SVG and not styles, for the same policies.
 */

#include "executor/base/clock.h"
#include "executor/base/json.h"
#include "executor/base/strmap.h"

/* How a resource stands: a class of the style sheet, a mark and a word. */
struct page_state {
    const char *class;
    const char *mark;
    const char *word;
};

struct page_item {
    const cJSON *json; /* the report's */
    size_t index;      /* in the report's resources, and in the page: #r-<index> */
    const struct page_state *state;
    bool takes_part; /* the run did something with it, or would */
    bool critical;   /* on the critical path */
    size_t first_call;
};

struct page_call {
    const cJSON *json;
    size_t next; /* of the same resource; PAGE_NONE: none */
};

#define PAGE_NONE SIZE_MAX

struct page_count {
    const struct page_state *state;
    size_t n;
};
#define PAGE_STATES 16 /* more than there are classes of states */

struct page {
    const cJSON *report;
    struct page_item *items;
    size_t n;
    struct page_call *calls;
    size_t n_calls;
    double seconds;          /* of the whole run, more than 0 */
    struct strmap addresses; /* to items */
};

/* Text and attribute values: with what means something in HTML escaped. */
void html_text(struct strbuf *out, const char *text);
/* <tag class="class">text</tag>; class NULL: without. */
void html_element(struct strbuf *out, const char *tag, const char *class, const char *text);
/* The text, as a link where the address is one of the web. */
void html_link(struct strbuf *out, const char *address, const char *text);

/* How many resources stand how, failures ahead and what nothing was done about last; only_idle:
 * of those that do not take part. Returns how many entries of `ret` it has filled. */
size_t page_count(const struct page *p, bool only_idle, struct page_count ret[PAGE_STATES]);
double page_number(const cJSON *json, const char *key); /* 0 where there is none */
/* "12.3 s"; `buf` as for clock_span(). */
const char *page_span(const cJSON *json, char *buf, size_t size);
/* The item of an address, or NULL. */
const struct page_item *page_find(const struct page *p, const char *address);
/* What the spec calls it; what is only found in AWS, without the environment's name before it. */
const char *page_label(const struct page *p, const struct page_item *item);
/* "service notifier" as a link to it; `address` stands for what is not in the report. */
void page_link(const struct page *p, const char *address, struct strbuf *out);
/* The part of a bar from one moment to another, with a title where there is one. */
void page_rect(const struct page *p, const char *class, double from, double to, const char *title,
               struct strbuf *out);

/* artifact_summary.c */
void page_summary(const struct page *p, struct strbuf *out);
void page_failures(const struct page *p, struct strbuf *out);
void page_warnings(const struct page *p, struct strbuf *out);
void page_plan(const struct page *p, struct strbuf *out);
/* artifact_graph.c: a card for each kind, in layers; what is needed stands to the left. */
void page_graph(const struct page *p, struct strbuf *out);
/* artifact_timeline.c */
void page_path(const struct page *p, struct strbuf *out);
void page_timeline(const struct page *p, struct strbuf *out);
void page_calls(const struct page *p, struct strbuf *out);

#endif
