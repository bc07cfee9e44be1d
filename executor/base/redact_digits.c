/* SPDX-License-Identifier: MIT */
#include "executor/base/redact_digits.h"

#include <ctype.h>

#include "executor/base/reading.h"

/* Of what is no digit, in a table of values. */
#define NONE 0xff

enum alphabet { BYTES, BASE64, BASE32, BASE32_LOWER, HEX, DECIMAL };

enum manner {
    MANNER_NARROWED, /* not digits, but all bytes that are no NUL */
    MANNER_BARE,     /* all bytes that do not steer a terminal */
    MANNER_WHOLE,    /* digit by digit, as they are */
    MANNER_BROKEN,   /* with ends of lines and the like between them, or escaped */
    MANNER_LISTED,   /* bytes apart: "70 22", "70:22", "0x70, 0x22", "[112, 34]" */
};

struct encoding {
    enum manner manner;
    unsigned bits;   /* of a digit */
    unsigned phases; /* after so many digits a byte begins with a digit again */
    enum alphabet alphabet;
};

static const struct encoding encodings[DIGITS_KINDS]; /* at the end of this file */

struct source {
    const char *buf;
    size_t len;
    const unsigned char *values;
    const bool *members;
};

static unsigned char values[DECIMAL + 1][256];
static bool members[DIGITS_KINDS][256]; /* what a run consists of */

static bool is_separator(unsigned char c)
{
    return ispunct(c) || c == ' ' || (c >= '\t' && c <= '\r');
}

void digits_init(void)
{
    static const char *const alphabets[][2] = {
        [BYTES] = { "", "" },
        [BASE64] = { "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
                     "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_" },
        [BASE32] = { "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", "" },
        [BASE32_LOWER] = { "abcdefghijklmnopqrstuvwxyz234567", "" },
        [HEX] = { "0123456789abcdef", "0123456789ABCDEF" },
        [DECIMAL] = { "0123456789", "" },
    };
    memset(values, NONE, sizeof(values));
    for (size_t i = 0; i < ARRAY_SIZE(alphabets); i++)
        for (size_t k = 0; k < ARRAY_SIZE(alphabets[i]); k++)
            for (unsigned char v = 0; alphabets[i][k][v] != '\0'; v++)
                values[i][(unsigned char)alphabets[i][k][v]] = v;
    for (size_t kind = 0; kind < DIGITS_KINDS; kind++)
        for (unsigned c = 0; c < 256; c++)
            members[kind][c] =
                values[encodings[kind].alphabet][c] != NONE ||
                (encodings[kind].manner == MANNER_LISTED &&
                 (is_separator((unsigned char)c) || strchr("xXnrt", (int)c) != NULL));
}

static void add_digit(struct digits *d, unsigned value, size_t from, size_t to)
{
    if (d->n == d->room) {
        d->room = d->room > 0 ? 2 * d->room : 256;
        d->value = xrealloc_array(d->value, d->room, sizeof(*d->value));
        d->from = xrealloc_array(d->from, d->room, sizeof(*d->from));
        d->to = xrealloc_array(d->to, d->room, sizeof(*d->to));
    }
    d->value[d->n] = (unsigned char)value;
    d->from[d->n] = (uint32_t)from;
    d->to[d->n++] = (uint32_t)to;
}

static unsigned value_at(const struct source *s, size_t at)
{
    return s->values[(unsigned char)s->buf[at]];
}

/* --- Whole --- */

/* From `at` on the first `least` bytes in a row that are all members, or the text's end. What is
 * looked at first is the last of them: most bytes are never looked at. */
static size_t find_run(const struct source *s, size_t least, size_t at)
{
    while (s->len - at >= least) {
        size_t end = at + least;
        while (end > at && s->members[(unsigned char)s->buf[end - 1]])
            end--;
        if (end == at)
            return at;
        at = end;
    }
    return s->len;
}

static bool next_whole(struct digits *d, const struct source *s, size_t least, size_t *at)
{
    size_t i = find_run(s, least, *at);
    for (; i < s->len && value_at(s, i) != NONE; i++)
        add_digit(d, value_at(s, i), i, i + 1);
    *at = i;
    return d->n > 0;
}

/* --- Without what nobody sees --- */

/* What skips something: where the text goes on behind a reading, or 0. */
typedef size_t (*skipper)(const char *text, size_t len, const struct reading *reading);

/* Where the text goes on behind what stands at `at` in one of its readings, or `at`. */
static size_t skip(const struct source *s, size_t at, skipper behind)
{
    struct reading readings[READINGS_MAX];
    size_t next = 0;
    if (at == s->len || reading_is_plain(s->buf[at]))
        return at;
    size_t n = reading_all(s->buf, s->len, at, readings);
    for (size_t k = 0; k < n && next == 0; k++)
        next = behind(s->buf, s->len, &readings[k]);
    return next > 0 ? next : at;
}

/* All of the text that is left, if it holds anything of the kind. */
static bool next_without(struct digits *d, const struct source *s, skipper behind, size_t *at)
{
    bool any = false;
    size_t from = *at;
    for (*at = s->len; from < s->len && !any; from++)
        any = skip(s, from, behind) > from;
    if (!any)
        return false;
    d->apart = true;
    for (size_t i = 0; i < s->len;) {
        size_t next = skip(s, i, behind);
        if (next == i)
            add_digit(d, (unsigned char)s->buf[next++], i, i + 1);
        i = next;
    }
    return true;
}

/* --- Broken --- */

static size_t skip_lines(const struct source *s, size_t at)
{
    for (size_t next; (next = skip(s, at, reading_skip_line)) > at;)
        at = next;
    return at;
}

/* A digit that is escaped there; false if none is. */
static bool read_escaped(struct digits *d, const struct source *s, size_t *at)
{
    struct reading readings[READINGS_MAX];
    size_t n = reading_all(s->buf, s->len, *at, readings);
    for (size_t k = 1; k < n; k++) {
        unsigned value = s->values[readings[k].bytes[0]];
        if (readings[k].n > 1 || value == NONE)
            continue;
        add_digit(d, value, *at, readings[k].end);
        *at = readings[k].end;
        return true;
    }
    return false;
}

/* "\n" is the end of a line rather than the digit 'n': where it is that, the run is whole. */
static size_t read_broken(struct digits *d, const struct source *s, size_t at)
{
    while (at < s->len) {
        if (value_at(s, at) != NONE) {
            add_digit(d, value_at(s, at), at, at + 1);
            at++;
            continue;
        }
        if (reading_is_plain(s->buf[at]))
            break;
        size_t next = skip_lines(s, at);
        bool is_digit = next < s->len && value_at(s, next) != NONE;
        if (!is_digit && (next == s->len || !read_escaped(d, s, &next)))
            return next;
        at = next;
    }
    return at;
}

/* Runs are found by what breaks them: there is little of that. */
static bool next_broken(struct digits *d, const struct source *s, size_t least, size_t *at)
{
    for (size_t i = *at; i < s->len;) {
        if (reading_is_plain(s->buf[i]) || value_at(s, i) != NONE) {
            i++;
            continue;
        }
        size_t from = i;
        while (from > *at && value_at(s, from - 1) != NONE)
            from--;
        d->n = 0;
        size_t end = read_broken(d, s, from);
        i = end > i ? end : i + 1;
        *at = i;
        if (d->n >= least)
            return true;
    }
    return false;
}

/* --- Listed --- */

/* Also the letter of "\n", and what comes before a number: "0x", "\x". */
static size_t skip_separators(const struct encoding *e, const struct source *s, size_t at)
{
    size_t from = at;
    for (; at < s->len; at++)
        if (!is_separator((unsigned char)s->buf[at]) &&
            (at == from || s->buf[at - 1] != '\\' || strchr("nrt", s->buf[at]) == NULL))
            break;
    if (e->alphabet != HEX || at == from)
        return at;
    size_t x = at < s->len && s->buf[at] == '0' ? at + 1 : at;
    return x < s->len && (s->buf[x] | 0x20) == 'x' ? x + 1 : at;
}

/* A number that stands there, as digits of the encoding; where it ends, or `at` if it is none. */
static size_t read_number(struct digits *d, const struct source *s, size_t at)
{
    size_t end = at;
    unsigned number = 0;
    while (end < s->len && value_at(s, end) != NONE)
        end++;
    if (d->encoding->alphabet == HEX) {
        for (size_t i = at; i < end && end - at > 1; i++)
            add_digit(d, value_at(s, i), i, i + 1);
        return end - at > 1 ? end : at;
    }
    for (size_t i = at; i < end && end - at <= 3; i++)
        number = 10 * number + value_at(s, i);
    if (end == at || end - at > 3 || number > 255)
        return at;
    add_digit(d, number, at, end);
    return end;
}

static bool next_listed(struct digits *d, const struct source *s, size_t least, size_t *at)
{
    for (size_t i = *at; (i = find_run(s, least, i)) < s->len;) {
        size_t end = i, next = i;
        if (value_at(s, i) == NONE) {
            i++;
            continue;
        }
        d->n = 0;
        d->apart = false;
        while (next < s->len && (next = read_number(d, s, next)) > end) {
            d->apart |= end > i;
            end = next;
            next = skip_separators(d->encoding, s, end);
            if (next == end)
                break;
        }
        for (i = end; i < s->len && value_at(s, i) != NONE;)
            i++; /* of a number that is too large */
        if (d->apart && d->n >= least) {
            *at = i;
            return true;
        }
    }
    return false;
}

/* --- What runs stand for --- */

bool digits_next(struct digits *d, size_t kind, const char *text, size_t len, size_t least,
                 size_t *at)
{
    const struct encoding *encoding = &encodings[kind];
    const struct source source = {
        .buf = text, .len = len, .values = values[encoding->alphabet], .members = members[kind]
    };
    size_t digits = (8 * least + encoding->bits - 1) / encoding->bits;
    d->encoding = encoding;
    d->n = 0;
    d->apart = false;
    switch (encoding->manner) {
    case MANNER_NARROWED:
        return next_without(d, &source, reading_skip_nul, at);
    case MANNER_BARE:
        return next_without(d, &source, reading_skip_control, at);
    case MANNER_WHOLE:
        return next_whole(d, &source, digits, at);
    case MANNER_BROKEN:
        return next_broken(d, &source, digits, at);
    case MANNER_LISTED:
        return next_listed(d, &source, digits, at);
    }
    return false;
}

unsigned digits_phases(const struct digits *d)
{
    return d->encoding->phases;
}

void digits_decode(const struct digits *d, unsigned phase, struct strbuf *ret)
{
    unsigned bits = d->encoding->bits, have = 0, pending = 0;
    strbuf_reset(ret);
    strbuf_reserve(ret, d->n);
    char *out = ret->buf;
    for (size_t i = phase; i < d->n; i++) {
        pending = pending << bits | d->value[i];
        have += bits;
        if (have >= 8) {
            have -= 8;
            *out++ = (char)(pending >> have & 0xff);
        }
    }
    ret->len = (size_t)(out - ret->buf);
    *out = '\0';
}

struct range digits_place(const struct digits *d, unsigned phase, struct range bytes)
{
    unsigned bits = d->encoding->bits;
    return (struct range){ .from = d->from[phase + 8 * bytes.from / bits],
                           .to = d->to[phase + (8 * bytes.to - 1) / bits] };
}

void digits_release(struct digits *d)
{
    free(d->value);
    free(d->from);
    free(d->to);
    *d = (struct digits)DIGITS_INIT;
}

static const struct encoding encodings[DIGITS_KINDS] = {
    { .manner = MANNER_WHOLE, .bits = 6, .phases = 4, .alphabet = BASE64 },
    { .manner = MANNER_WHOLE, .bits = 5, .phases = 8, .alphabet = BASE32 },
    { .manner = MANNER_WHOLE, .bits = 5, .phases = 8, .alphabet = BASE32_LOWER },
    { .manner = MANNER_WHOLE, .bits = 4, .phases = 2, .alphabet = HEX },
    { .manner = MANNER_LISTED, .bits = 4, .phases = 2, .alphabet = HEX },
    { .manner = MANNER_LISTED, .bits = 8, .phases = 1, .alphabet = DECIMAL },
    { .manner = MANNER_NARROWED, .bits = 8, .phases = 1, .alphabet = BYTES },
    { .manner = MANNER_BARE, .bits = 8, .phases = 1, .alphabet = BYTES },
    { .manner = MANNER_BROKEN, .bits = 6, .phases = 4, .alphabet = BASE64 },
    { .manner = MANNER_BROKEN, .bits = 5, .phases = 8, .alphabet = BASE32 },
    { .manner = MANNER_BROKEN, .bits = 5, .phases = 8, .alphabet = BASE32_LOWER },
    { .manner = MANNER_BROKEN, .bits = 4, .phases = 2, .alphabet = HEX },
};
