/* SPDX-License-Identifier: MIT */
/* What a report says, whatever its format: files, lines, branches, and their sums. */
#include "drivers/coverage.h"

#include <ctype.h>
#include <stdio.h>

static void items_release(struct coverage_items *items)
{
    free(items->v);
    *items = (struct coverage_items){ .v = NULL };
}

static void file_release(struct coverage_file *file)
{
    items_release(&file->lines);
    items_release(&file->branches);
    free(file->name);
}

void coverage_report_release(struct coverage_report *r)
{
    for (size_t i = 0; i < r->n; i++)
        file_release(&r->files[i]);
    free(r->files);
    *r = (struct coverage_report)COVERAGE_REPORT_INIT;
}

int coverage_number(const char *text, size_t len, uint64_t max, uint64_t *ret)
{
    uint64_t n = 0;
    if (len == 0)
        return -1;
    for (size_t i = 0; i < len; i++) {
        if (!isdigit((unsigned char)text[i]) || n > max / 10)
            return -1;
        n = n * 10 + (uint64_t)(text[i] - '0');
    }
    if (n > max)
        return -1;
    *ret = n;
    return 0;
}

int coverage_file_add(struct coverage_report *r, const char *name, size_t len,
                      struct coverage_file **ret, struct err *err)
{
    if (r->n == COVERAGE_FILES_MAX)
        return err_set(err, ERR_USER, "tells of more than %d files", COVERAGE_FILES_MAX);
    if (len > COVERAGE_NAMES_MAX - r->names)
        return err_set(err, ERR_USER, "tells of files whose names take more than %zu MiB",
                       COVERAGE_NAMES_MAX >> 20);
    if (r->n == r->alloc) {
        r->alloc = r->alloc == 0 ? 64 : r->alloc * 2;
        r->files = xrealloc_array(r->files, r->alloc, sizeof(*r->files));
    }
    struct coverage_file *file = &r->files[r->n];
    *file = (struct coverage_file){ .name = xstrndup(name, len), .order = r->n };
    r->n++;
    r->names += len;
    *ret = file;
    return 0;
}

void coverage_item_add(struct coverage_items *items, const struct coverage_item *item)
{
    if (items->n == items->alloc) {
        items->alloc = items->alloc == 0 ? 32 : items->alloc * 2;
        items->v = xrealloc_array(items->v, items->alloc, sizeof(*items->v));
    }
    items->v[items->n++] = *item;
}

static int compare_items(const void *left, const void *right)
{
    const struct coverage_item *a = left, *b = right;
    if (a->line != b->line)
        return a->line < b->line ? -1 : 1;
    return a->key == b->key ? 0 : a->key < b->key ? -1 : 1;
}

/* What a test has covered another one need not: of the same line or branch the best counts. */
static void items_merge(struct coverage_items *items)
{
    if (items->n == 0)
        return;
    qsort(items->v, items->n, sizeof(*items->v), compare_items);
    size_t n = 1;
    for (size_t i = 1; i < items->n; i++) {
        struct coverage_item *last = &items->v[n - 1], *item = &items->v[i];
        if (compare_items(last, item) != 0) {
            items->v[n++] = *item;
            continue;
        }
        last->covered = item->covered > last->covered ? item->covered : last->covered;
        last->valid = item->valid > last->valid ? item->valid : last->valid;
    }
    items->n = n;
}

static void items_count(const struct coverage_items *items, struct count *ret)
{
    if (items->n == 0)
        return;
    *ret = (struct count){ .covered = 0 };
    for (size_t i = 0; i < items->n; i++) {
        ret->covered += items->v[i].covered;
        ret->valid += items->v[i].valid;
    }
}

static int compare_files(const void *left, const void *right)
{
    const struct coverage_file *a = left, *b = right;
    int order = strcmp(a->name, b->name);
    return order != 0 ? order : a->order < b->order ? -1 : 1;
}

static void items_move(struct coverage_items *to, struct coverage_items *from)
{
    for (size_t i = 0; i < from->n; i++)
        coverage_item_add(to, &from->v[i]);
}

/* Two parts of one file: two test runs in lcov's format, two classes of a source in Cobertura's. */
static void file_join(struct coverage_file *to, struct coverage_file *from)
{
    items_move(&to->lines, &from->lines);
    items_move(&to->branches, &from->branches);
    for (size_t i = 0; i < COUNTERS; i++) {
        struct count *a = &to->counts[i];
        const struct count *b = &from->counts[i];
        if (b->valid > a->valid || (b->valid == a->valid && b->covered > a->covered))
            *a = *b;
    }
    file_release(from);
}

static void join_files(struct coverage_report *r)
{
    if (r->n == 0)
        return;
    qsort(r->files, r->n, sizeof(*r->files), compare_files);
    size_t n = 1;
    for (size_t i = 1; i < r->n; i++) {
        if (strcmp(r->files[n - 1].name, r->files[i].name) == 0)
            file_join(&r->files[n - 1], &r->files[i]);
        else
            r->files[n++] = r->files[i];
    }
    r->n = n;
}

static int check_counts(const struct count counts[COUNTERS], const char *subject, struct err *err)
{
    for (size_t i = 0; i < COUNTERS; i++)
        if (counts[i].covered > counts[i].valid)
            return err_set(err, ERR_USER,
                           "is wrong: of %s it counts %llu of %llu %s as covered, more than there "
                           "are",
                           subject, (unsigned long long)counts[i].covered,
                           (unsigned long long)counts[i].valid, counter_words((enum counter)i));
    return 0;
}

int coverage_finish(struct coverage_report *r, struct err *err)
{
    join_files(r);
    for (size_t i = 0; i < r->n; i++) {
        struct coverage_file *file = &r->files[i];
        items_merge(&file->lines);
        items_merge(&file->branches);
        items_count(&file->lines, &file->counts[COUNTER_LINE]);
        items_count(&file->branches, &file->counts[COUNTER_BRANCH]);
        _cleanup_free_ char *subject = xasprintf("'%s'", file->name);
        if (check_counts(file->counts, subject, err) < 0)
            return -1;
        for (size_t c = 0; c < COUNTERS; c++) {
            r->totals[c].covered += r->totals_told[c] ? 0 : file->counts[c].covered;
            r->totals[c].valid += r->totals_told[c] ? 0 : file->counts[c].valid;
        }
    }
    return check_counts(r->totals, "all files", err);
}

struct count coverage_count(const struct count counts[COUNTERS], enum counter counter)
{
    if (counter != COUNTER_LINE_AND_BRANCH)
        return counts[counter];
    const struct count *lines = &counts[COUNTER_LINE], *branches = &counts[COUNTER_BRANCH];
    return (struct count){ .covered = lines->covered + branches->covered,
                           .valid = lines->valid + branches->valid };
}

const char *counter_words(enum counter counter)
{
    static const char *const words[] = {
        [COUNTER_LINE] = "lines",
        [COUNTER_BRANCH] = "branches",
        [COUNTER_INSTRUCTION] = "instructions",
        [COUNTER_LINE_AND_BRANCH] = "lines and branches",
    };
    return words[counter];
}

static uint64_t missed_of(const struct coverage_file *file, enum counter counter)
{
    struct count count = coverage_count(file->counts, counter);
    return count.valid - count.covered;
}

/* By insertion: `max` is small. The files are in the order of their names, which holds among those
 * that miss as much. */
size_t coverage_worst(const struct coverage_report *r, enum counter counter,
                      const struct coverage_file **ret, size_t max)
{
    size_t n = 0, all = 0;
    for (size_t i = 0; i < r->n; i++) {
        const struct coverage_file *file = &r->files[i];
        uint64_t missed = missed_of(file, counter);
        if (missed == 0)
            continue;
        all++;
        size_t at = n;
        while (at > 0 && missed_of(ret[at - 1], counter) < missed)
            at--;
        if (at == max)
            continue;
        n += n < max;
        memmove(&ret[at + 1], &ret[at], (n - 1 - at) * sizeof(*ret));
        ret[at] = file;
    }
    return all;
}

void coverage_missed_lines(const struct coverage_file *file, size_t max, struct strbuf *text)
{
    const struct coverage_items *lines = &file->lines;
    for (size_t i = 0, ranges = 0; i < lines->n; i++) {
        if (lines->v[i].covered > 0)
            continue;
        size_t last = i;
        while (last + 1 < lines->n && lines->v[last + 1].covered == 0)
            last++;
        if (ranges++ == max) {
            strbuf_adds(text, ", ...");
            return;
        }
        strbuf_addf(text, "%s%u", ranges > 1 ? ", " : "", lines->v[i].line);
        if (last > i)
            strbuf_addf(text, "-%u", lines->v[last].line);
        i = last;
    }
}

bool coverage_suffices(const struct count *count, unsigned minimum)
{
    return count->covered * 10000 >= (uint64_t)minimum * count->valid;
}

/*
 * Two digits, as pytest-cov prints them, rounded as Python rounds; then coverage.py's rule that
 * nothing but all is 100 and nothing but nothing is 0 (display_covered() in coverage/results.py),
 * and ours that nothing looks like a minimum that it does not reach.
 */
void coverage_percent(const struct count *count, unsigned minimum, struct strbuf *text)
{
    char rounded[32];
    uint64_t floor = count->valid == 0 ? 0 : count->covered * 10000 / count->valid;
    double percent = count->valid == 0 ? 0 : 100.0 * (double)count->covered / (double)count->valid;
    snprintf(rounded, sizeof(rounded), "%.2f", percent);
    uint64_t shown = (uint64_t)(strtod(rounded, NULL) * 100 + 0.5);
    if (shown == 10000 && count->covered < count->valid)
        shown = 9999;
    if (shown == 0 && count->covered > 0)
        shown = 1;
    if (shown >= minimum && !coverage_suffices(count, minimum))
        shown = floor;
    strbuf_addf(text, "%u.%02u", (unsigned)(shown / 100), (unsigned)(shown % 100));
}
