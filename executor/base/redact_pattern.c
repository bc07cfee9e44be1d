/* SPDX-License-Identifier: MIT */
#include "executor/base/redact_pattern.h"

#include "executor/base/reading.h"

/* Places at which one byte of a pattern may be looked for at once: escapes are ambiguous. */
#define PLACES_MAX 12

struct pattern {
    size_t len;
    unsigned char bytes[];
};

/* All patterns that begin with a byte, each with its second one, which nearly all text differs
 * in. */
struct start {
    unsigned char second;
    const struct pattern *pattern;
};
struct bucket {
    struct start *v;
    size_t n;
};

bool patterns_begin[256];

static struct bucket buckets[256];
static struct pattern **patterns;
static size_t n_patterns;

static bool is_known(const char *bytes, size_t len)
{
    const struct bucket *b = &buckets[(unsigned char)bytes[0]];
    for (size_t i = 0; i < b->n; i++)
        if (b->v[i].second == (unsigned char)bytes[1] && b->v[i].pattern->len == len &&
            memcmp(b->v[i].pattern->bytes, bytes, len) == 0)
            return true;
    return false;
}

void patterns_add(const char *bytes, size_t len)
{
    if (is_known(bytes, len))
        return;
    struct pattern *p = xcalloc(1, sizeof(*p) + len);
    p->len = len;
    memcpy(p->bytes, bytes, len);
    struct bucket *b = &buckets[p->bytes[0]];
    b->v = xrealloc_array(b->v, b->n + 1, sizeof(struct start));
    b->v[b->n++] = (struct start){ .second = p->bytes[1], .pattern = p };
    patterns = xrealloc_array(patterns, n_patterns + 1, sizeof(struct pattern *));
    patterns[n_patterns++] = p;
    patterns_begin[p->bytes[0]] = true;
    for (const char *c = "\\%&+"; *c != '\0'; c++) /* which may be an escape of it */
        patterns_begin[(unsigned char)*c] = true;
}

size_t patterns_count(void)
{
    return n_patterns;
}

struct text {
    const char *buf;
    size_t len;
};

/* The places at which the next bytes of a pattern may stand, by how many bytes ahead of the present
 * one that is: a character has up to four. */
struct search {
    const struct pattern *pattern;
    const struct text *text;
    size_t i; /* the byte of the pattern */
    size_t places[5][PLACES_MAX];
    unsigned n[5];
    size_t end; /* where the farthest match ends; 0 is none */
};

static void add_place(struct search *s, size_t i, size_t at)
{
    if (i == s->pattern->len) {
        s->end = at > s->end ? at : s->end;
        return;
    }
    unsigned slot = i % 5;
    for (unsigned k = 0; k < s->n[slot]; k++)
        if (s->places[slot][k] == at)
            return;
    if (s->n[slot] < PLACES_MAX)
        s->places[slot][s->n[slot]++] = at;
}

static bool reading_fits(const struct search *s, const struct reading *reading)
{
    const struct pattern *p = s->pattern;
    if (s->i + reading->n > p->len)
        return false;
    for (unsigned k = 0; k < reading->n; k++)
        if (reading->bytes[k] != p->bytes[s->i + k])
            return false;
    return true;
}

/* The end of a line may stand for a blank. */
static void cross_line(struct search *s, const struct reading *reading)
{
    size_t next = reading_skip_line(s->text->buf, s->text->len, reading);
    if (next == 0 || s->i == 0 || s->pattern->len < BROKEN_MIN)
        return;
    add_place(s, s->i, next);
    if (s->pattern->bytes[s->i] == ' ' || s->pattern->bytes[s->i] == '\n')
        add_place(s, s->i + 1, next);
}

static void step(struct search *s, size_t at)
{
    struct reading readings[READINGS_MAX];
    size_t n = reading_all(s->text->buf, s->text->len, at, readings);
    for (size_t k = 0; k < n; k++) {
        if (reading_fits(s, &readings[k]))
            add_place(s, s->i + readings[k].n, readings[k].end);
        cross_line(s, &readings[k]);
    }
}

/* By all readings, from byte `i` of the pattern on; where the farthest match ends, or 0. */
static size_t search(const struct pattern *p, const struct text *text, size_t i, size_t at)
{
    struct search s = { .pattern = p, .text = text, .i = i };
    add_place(&s, i, at);
    for (unsigned empty = 0; s.i < p->len && empty < 5; s.i++) {
        unsigned slot = s.i % 5;
        empty = s.n[slot] > 0 ? 0 : empty + 1;
        for (unsigned k = 0; k < s.n[slot]; k++) /* a step may add to these */
            if (s.places[slot][k] < text->len)
                step(&s, s.places[slot][k]);
        s.n[slot] = 0;
    }
    return s.end;
}

/* Where a match that begins at `at` ends, or 0. Nearly all that is compared is plain. */
static size_t match(const struct pattern *p, const struct text *text, size_t at)
{
    size_t i = 0;
    while (i < p->len && at + i < text->len && reading_is_plain(text->buf[at + i])) {
        if ((unsigned char)text->buf[at + i] != p->bytes[i])
            return 0;
        i++;
    }
    if (i == p->len)
        return at + i;
    return at + i < text->len ? search(p, text, i, at + i) : 0;
}

/* All that begins at `at` with that byte. */
static void find_starts(const struct text *text, size_t at, unsigned char byte, size_t least,
                        struct range *found)
{
    const struct bucket *b = &buckets[byte];
    bool plain = at + 1 < text->len && reading_is_plain(text->buf[at]) &&
                 reading_is_plain(text->buf[at + 1]);
    unsigned char next = (unsigned char)text->buf[at + 1];
    for (size_t i = 0; i < b->n; i++) {
        if ((plain && next != b->v[i].second) || b->v[i].pattern->len < least)
            continue;
        size_t end = match(b->v[i].pattern, text, at);
        found->to = end > found->to ? end : found->to;
    }
}

bool patterns_find(const char *buf, size_t len, size_t at, size_t least, struct range *ret)
{
    const struct text text = { .buf = buf, .len = len };
    struct range found = { .from = at, .to = at };
    struct reading readings[READINGS_MAX];
    size_t n = reading_all(buf, len, at, readings);
    for (size_t k = 0; k < n; k++) {
        size_t same = 0;
        while (readings[same].bytes[0] != readings[k].bytes[0])
            same++;
        if (same == k) /* match() tries all readings of a byte */
            find_starts(&text, at, readings[k].bytes[0], least, &found);
    }
    *ret = found;
    return found.to > at;
}

void patterns_release(void)
{
    for (size_t i = 0; i < n_patterns; i++) {
        explicit_bzero(patterns[i]->bytes, patterns[i]->len);
        free(patterns[i]);
    }
    for (unsigned c = 0; c < 256; c++) {
        free(buckets[c].v);
        buckets[c] = (struct bucket){ .v = NULL };
    }
    memset(patterns_begin, 0, sizeof(patterns_begin));
    free(patterns);
    patterns = NULL;
    n_patterns = 0;
}
