/* SPDX-License-Identifier: MIT */
#include "executor/base/log.h"
#include "executor/engine/report.h"

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
                 clock_span(r->phases[i].end - r->phases[i].start, span, sizeof(span)));
}

/* "took 12.3 s and 192 calls: 88 reads, 104 writes, 2 retries, 1 throttled" */
static void make_summary(const struct report *r, const struct call_counts *all, struct strbuf *ret)
{
    char span[32];
    unsigned calls = all->reads + all->writes;
    clock_span(r->phases[r->n_phases - 1].end - r->phases[0].start, span, sizeof(span));
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
    log_section_end("berth_calls");
}
