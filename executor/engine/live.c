/* SPDX-License-Identifier: MIT */
#include "executor/engine/live.h"

#include "executor/base/log.h"
#include "executor/engine/internal.h"
#include "executor/engine/report.h"

#define N_SHOWN 6

static int compare_started(const void *a, const void *b)
{
    const struct resource *left = *(struct resource *const *)a;
    const struct resource *right = *(struct resource *const *)b;
    if (left->started < right->started || left->started > right->started)
        return left->started < right->started ? -1 : 1;
    return left->index < right->index ? -1 : 1;
}

struct count {
    size_t all, ended, failed, under_way;
};

/* Counts, and collects in *ret what is under way, the longest first. */
static struct count take_stock(const struct graph *g, const struct resource **ret)
{
    struct count count = { 0 };
    for (size_t i = 0; i < g->n; i++) {
        const struct resource *r = g->v[i];
        if (!resource_takes_part(r))
            continue;
        count.all++;
        count.ended += r->progress == PROGRESS_DONE;
        count.failed += r->progress == PROGRESS_FAILED;
        if (resource_is_under_way(r))
            ret[count.under_way++] = r;
    }
    qsort(ret, count.under_way, sizeof(*ret), compare_started);
    return count;
}

/* "1:02", "1:00:02": a column of them is read at a glance. */
static void add_elapsed(double seconds, struct strbuf *out)
{
    unsigned long s = seconds > 0 ? (unsigned long)seconds : 0;
    char text[32];
    if (s >= 3600)
        snprintf(text, sizeof(text), "%lu:%02lu:%02lu", s / 3600, s / 60 % 60, s % 60);
    else
        snprintf(text, sizeof(text), "%lu:%02lu", s / 60, s % 60);
    strbuf_addf(out, "%8s", text);
}

static void add_resource(const struct resource *r, double now, struct strbuf *out)
{
    add_elapsed(r->started > 0 ? now - r->started : 0, out);
    strbuf_addf(out, "  %s %s", r->type->singular, r->label);
    const char *reason = report_reason(r);
    if (reason != NULL)
        strbuf_addf(out, ": %s", reason);
    strbuf_addc(out, '\n');
}

void live_draw(const struct graph *g, const char *phase, double since)
{
    double now = clock_now();
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    _cleanup_free_ const struct resource **v = xcalloc(g->n + 1, sizeof(*v));
    struct count count = take_stock(g, v);
    add_elapsed(now - since, &text);
    strbuf_addf(&text, "  %s: %zu of %zu done", phase, count.ended, count.all);
    if (count.failed > 0)
        strbuf_addf(&text, ", %zu failed", count.failed);
    strbuf_addc(&text, '\n');
    for (size_t i = 0; i < count.under_way && i < N_SHOWN; i++)
        add_resource(v[i], now, &text);
    if (count.under_way > N_SHOWN)
        strbuf_addf(&text, "%8s  and %zu more\n", "", count.under_way - N_SHOWN);
    log_footer(&text);
}
