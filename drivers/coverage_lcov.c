/* SPDX-License-Identifier: MIT */
/*
 * Tracefiles of lcov, which nyc, jest, grcov, llvm-cov and coverage.py write too. A line is a key,
 * a colon and values; a file's part begins with SF and ends with end_of_record, and a file can have
 * several parts, one for each test (TN). Described in geninfo(1), "TRACEFILE FORMAT",
 * https://github.com/linux-test-project/lcov/blob/master/man/geninfo.1.
 *
 * As lcov itself does, lines are counted from DA, and branches from BRDA; the sums LF, LH, BRF and
 * BRH count where a part has no such lines.
 */
#include "drivers/coverage.h"

struct lcov {
    struct coverage_report *report;
    struct coverage_file *file; /* the part that is being read, or NULL */
    unsigned long line;         /* of the tracefile */
};

static int bad_line(const struct lcov *l, const char *text, size_t len, struct err *err)
{
    _cleanup_free_ char *line = xstrndup(text, len);
    _cleanup_free_ char *shown = redact_short(line, COVERAGE_SHOWN);
    return err_set(err, ERR_USER, "is wrong in line %lu: '%s'", l->line, shown);
}

/* How often something ran: only whether it did counts, and compilers count beyond any limit. */
static int read_hits(const char *text, size_t len, uint32_t *ret)
{
    bool hit = false;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return -1;
        hit |= text[i] != '0';
    }
    *ret = hit;
    return len > 0 ? 0 : -1;
}

/* Splits at the first comma; without one the rest is empty. */
static size_t field(const char **text, size_t *len, const char **ret)
{
    const char *comma = memchr(*text, ',', *len);
    size_t n = comma != NULL ? (size_t)(comma - *text) : *len;
    *ret = *text;
    *text += n + (comma != NULL);
    *len -= n + (comma != NULL);
    return n;
}

static int read_line_number(const char **text, size_t *len, uint32_t *ret)
{
    const char *number;
    uint64_t line;
    size_t n = field(text, len, &number);
    if (coverage_number(number, n, INT32_MAX, &line) < 0)
        return -1;
    *ret = (uint32_t)line;
    return 0;
}

/* DA:<line number>,<execution count>[,<checksum>] */
static int read_da(struct lcov *l, const char *text, size_t len)
{
    struct coverage_item item = { .valid = 1 };
    const char *hits;
    if (read_line_number(&text, &len, &item.line) < 0)
        return -1;
    size_t n = field(&text, &len, &hits);
    if (read_hits(hits, n, &item.covered) < 0)
        return -1;
    coverage_item_add(&l->file->lines, &item);
    return 0;
}

/* What tells a branch from the others of its line: FNV-1a,
 * http://www.isthe.com/chongo/tech/comp/fnv/
 */
static uint64_t key_of(const char *text, size_t len)
{
    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ (unsigned char)text[i]) * 1099511628211u;
    return hash;
}

/* BRDA:<line number>,[<exception>]<block>,<branch>,<taken>: "-" if the block did not run. The
 * branch can be an expression that has commas in it. */
static int read_brda(struct lcov *l, const char *text, size_t len)
{
    struct coverage_item item = { .valid = 1 };
    if (read_line_number(&text, &len, &item.line) < 0)
        return -1;
    const char *comma = memrchr(text, ',', len);
    if (comma == NULL || memchr(text, ',', (size_t)(comma - text)) == NULL)
        return -1;
    const char *taken = comma + 1;
    size_t n = len - (size_t)(taken - text);
    if (!(n == 1 && *taken == '-') && read_hits(taken, n, &item.covered) < 0)
        return -1;
    item.key = key_of(text, (size_t)(comma - text));
    coverage_item_add(&l->file->branches, &item);
    return 0;
}

static int read_sum(uint64_t *to, const char *text, size_t len)
{
    return coverage_number(text, len, COVERAGE_COUNT_MAX, to);
}

static int read_pair(struct lcov *l, const char *key, const char *text, size_t len)
{
    struct count *counts = l->file->counts;
    if (str_eq(key, "DA"))
        return read_da(l, text, len);
    if (str_eq(key, "BRDA"))
        return read_brda(l, text, len);
    if (str_eq(key, "LF"))
        return read_sum(&counts[COUNTER_LINE].valid, text, len);
    if (str_eq(key, "LH"))
        return read_sum(&counts[COUNTER_LINE].covered, text, len);
    if (str_eq(key, "BRF"))
        return read_sum(&counts[COUNTER_BRANCH].valid, text, len);
    if (str_eq(key, "BRH"))
        return read_sum(&counts[COUNTER_BRANCH].covered, text, len);
    return 0; /* functions, versions, conditions */
}

static int read_record(struct lcov *l, const char *text, size_t len, struct err *err)
{
    char key[16];
    if (len == 0 || *text == '#')
        return 0;
    if (len == strlen("end_of_record") && memcmp(text, "end_of_record", len) == 0) {
        if (l->file == NULL)
            return bad_line(l, text, len, err);
        l->file = NULL;
        return 0;
    }
    const char *colon = memchr(text, ':', len < sizeof(key) ? len : sizeof(key));
    if (colon == NULL)
        return bad_line(l, text, len, err);
    size_t n = (size_t)(colon - text);
    memcpy(key, text, n);
    key[n] = '\0';
    const char *values = colon + 1;
    size_t rest = len - n - 1;
    if (str_eq(key, "TN"))
        return 0;
    if (str_eq(key, "SF") && l->file == NULL && rest > 0)
        return coverage_file_add(l->report, values, rest, &l->file, err);
    if (l->file == NULL || str_eq(key, "SF") || read_pair(l, key, values, rest) < 0)
        return bad_line(l, text, len, err);
    return 0;
}

int coverage_parse_lcov(const char *text, size_t len, struct coverage_report *r, struct err *err)
{
    struct lcov l = { .report = r };
    r->writer = "lcov";
    r->usual = COUNTER_LINE;
    while (len > 0) {
        const char *newline = memchr(text, '\n', len);
        size_t n = newline != NULL ? (size_t)(newline - text) : len;
        size_t used = n + (newline != NULL);
        l.line++;
        if (n > 0 && text[n - 1] == '\r')
            n--;
        if (read_record(&l, text, n, err) < 0)
            return -1;
        text += used;
        len -= used;
    }
    return l.file == NULL
               ? 0
               : err_set(err, ERR_USER, "ends in the midst of '%s': it is not written to its end",
                         l.file->name);
}
