/* SPDX-License-Identifier: MIT */
#include "executor/base/redact.h"

#include <ctype.h>
#include <stdio.h>
#include <uv.h>

#include "executor/base/json.h"
#include "executor/base/reading.h"

/* Places at which one byte of a pattern may be looked for at once: escapes are ambiguous. */
#define PLACES_MAX 12
/* Shorter patterns are not sought over the ends of lines: in a table, numbers stand below each
 * other. */
#define BROKEN_MIN 8

enum spelling { SPELLING_BYTES, SPELLING_HEX, SPELLING_BASE64 };

/* A form of a secret. Text is compared with it by folded bytes: hexadecimal digits have two cases,
 * base64 two alphabets. */
struct pattern {
    const unsigned char *fold;
    bool open_left, open_right; /* base64: a digit beside it is made of the secret in part */
    size_t len;
    unsigned char bytes[];
};

/* All patterns that may begin with a byte, each with its second one, which nearly all text differs
 * in. */
struct start {
    unsigned char second;
    const struct pattern *pattern;
};
struct bucket {
    struct start *v;
    size_t n;
};

static const char mask[] = "[MASKED]";
static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static unsigned char folds[3][256];
static struct bucket buckets[256];
static struct pattern **patterns;
static size_t n_patterns;
static uv_once_t once = UV_ONCE_INIT;
static uv_rwlock_t lock;

static void init(void)
{
    uv_rwlock_init(&lock);
    for (unsigned i = 0; i < 256; i++)
        for (unsigned spelling = 0; spelling < ARRAY_SIZE(folds); spelling++)
            folds[spelling][i] = (unsigned char)i;
    for (unsigned char c = 'A'; c <= 'F'; c++)
        folds[SPELLING_HEX][c] = (unsigned char)(c | 0x20);
    /* https://www.rfc-editor.org/rfc/rfc4648#section-5 */
    folds[SPELLING_BASE64]['-'] = '+';
    folds[SPELLING_BASE64]['_'] = '/';
}

/* --- What is sought --- */

static bool is_known(const struct pattern *p)
{
    const struct bucket *b = &buckets[p->bytes[0]];
    for (size_t i = 0; i < b->n; i++)
        if (b->v[i].pattern->len == p->len && b->v[i].pattern->fold == p->fold &&
            memcmp(b->v[i].pattern->bytes, p->bytes, p->len) == 0)
            return true;
    return false;
}

static struct pattern *insert(enum spelling spelling, const char *bytes, size_t len)
{
    _cleanup_free_ struct pattern *p = xcalloc(1, sizeof(*p) + len);
    p->fold = folds[spelling];
    p->len = len;
    memcpy(p->bytes, bytes, len);
    if (is_known(p))
        return NULL;
    for (unsigned c = 0; c < 256; c++) {
        struct bucket *b = &buckets[c];
        if (p->fold[c] != p->bytes[0])
            continue;
        b->v = xrealloc_array(b->v, b->n + 1, sizeof(struct start));
        b->v[b->n++] = (struct start){ .second = p->bytes[1], .pattern = p };
    }
    patterns = xrealloc_array(patterns, n_patterns + 1, sizeof(struct pattern *));
    return patterns[n_patterns++] = steal_ptr(&p);
}

/* Without the ends of its lines and their indentation, which may be others where it is printed.
 * What that leaves may be too short to be sought. */
static void insert_bytes(const char *bytes, size_t len)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    for (size_t i = 0; i < len; i++) {
        bool indents = text.len > 0 && text.buf[text.len - 1] == '\n';
        if (bytes[i] != '\r' && !(indents && (bytes[i] == ' ' || bytes[i] == '\t')))
            strbuf_addc(&text, bytes[i]);
    }
    if (text.len >= REDACT_MIN)
        insert(SPELLING_BYTES, text.buf, text.len);
}

static void insert_hex(const char *bytes, size_t len)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    strbuf_add_hex(&text, (const unsigned char *)bytes, len);
    insert(SPELLING_HEX, text.buf, text.len);
}

/* The base64 digits that the bytes alone decide, where `before` bytes of something else come before
 * them in a group of three. */
static void insert_base64(const char *bytes, size_t len, size_t before)
{
    size_t first_bit = 8 * before, end_bit = 8 * (before + len);
    size_t first = (first_bit + 5) / 6, end = end_bit / 6;
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    for (size_t digit = first; digit < end; digit++) {
        size_t bit = 6 * digit - first_bit, at = bit / 8;
        unsigned pair = (unsigned)(unsigned char)bytes[at] << 8;
        pair |= at + 1 < len ? (unsigned char)bytes[at + 1] : 0;
        strbuf_addc(&text, base64_digits[pair >> (10 - bit % 8) & 63]);
    }
    struct pattern *p = insert(SPELLING_BASE64, text.buf, text.len);
    if (p != NULL) {
        p->open_left = first_bit % 6 != 0;
        p->open_right = end_bit % 6 != 0;
    }
}

static void insert_encoded(const char *bytes, size_t len)
{
    insert_hex(bytes, len);
    for (size_t before = 0; before < 3; before++)
        insert_base64(bytes, len, before);
}

/* As somebody writes it who ends a quotation for the quotation mark in it: a shell, which bash's
 * trace shows (Quoting in bash(1)), SQL and CSV (RFC 4180, 2.7). */
static void insert_quoted(const char *bytes, size_t len)
{
    static const struct {
        char mark;
        const char *instead;
    } manners[] = { { '\'', "'\\''" }, { '\'', "'\"'\"'" }, { '\'', "''" }, { '"', "\"\"" } };
    for (size_t i = 0; i < ARRAY_SIZE(manners); i++) {
        _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
        if (memchr(bytes, manners[i].mark, len) == NULL)
            continue;
        for (size_t k = 0; k < len; k++)
            if (bytes[k] == manners[i].mark)
                strbuf_adds(&text, manners[i].instead);
            else
                strbuf_addc(&text, bytes[k]);
        insert_bytes(text.buf, text.len);
    }
}

/* What is encoded as a whole may have been escaped before, as a member of a JSON text in base64. */
static void insert_all(const char *bytes, size_t len)
{
    _cleanup_free_ char *copy = xstrndup(bytes, len);
    _cleanup_json_ cJSON *string = cJSON_CreateString(copy);
    _cleanup_free_ char *json = json_print(string);
    _cleanup_strbuf_ struct strbuf percent = STRBUF_INIT;
    strbuf_add_percent(&percent, bytes, len);
    insert_bytes(bytes, len);
    insert_quoted(bytes, len);
    insert_encoded(bytes, len);
    insert_encoded(json + 1, strlen(json) - 2);
    insert_encoded(percent.buf, percent.len);
}

static void add(const char *secret, size_t len)
{
    static const char blanks[] = " \t\r\n";
    while (len > 0 && strchr(blanks, secret[len - 1]) != NULL)
        len--;
    while (len > 0 && strchr(blanks, *secret) != NULL)
        secret++, len--;
    if (len >= REDACT_MIN)
        insert_all(secret, len);
}

void redact_add(const char *secret)
{
    if (secret == NULL || strlen(secret) < REDACT_MIN)
        return;
    uv_once(&once, init);
    uv_rwlock_wrlock(&lock);
    add(secret, strlen(secret));
    for (const char *line = secret; *line != '\0';) {
        size_t len = strcspn(line, "\n");
        if (!str_starts(line, "-----")) /* "-----BEGIN PRIVATE KEY-----" */
            add(line, len);
        line += len + (line[len] == '\n');
    }
    uv_rwlock_wrunlock(&lock);
}

/* The caller frees it. */
static char *decode_percent(const char *text)
{
    struct strbuf decoded = STRBUF_INIT;
    for (; *text != '\0'; text++) {
        unsigned byte;
        bool escaped = *text == '%' && isxdigit((unsigned char)text[1]) &&
                       isxdigit((unsigned char)text[2]) && sscanf(text + 1, "%2x", &byte) == 1;
        strbuf_addc(&decoded, escaped ? (char)byte : *text);
        text += escaped ? 2 : 0;
    }
    return strbuf_detach(&decoded);
}

void redact_add_url(const char *url)
{
    if (url == NULL)
        return;
    const char *scheme = strstr(url, "://");
    const char *authority = scheme != NULL ? scheme + strlen("://") : url;
    size_t len = strcspn(authority, "/?#");
    const char *at = memrchr(authority, '@', len);
    const char *colon = at != NULL ? memchr(authority, ':', (size_t)(at - authority)) : NULL;
    if (colon == NULL)
        return;
    _cleanup_free_ char *password = xstrndup(colon + 1, (size_t)(at - colon - 1));
    _cleanup_free_ char *decoded = decode_percent(password);
    redact_add(password);
    redact_add(decoded);
}

/* --- Where it stands --- */

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
        if (p->fold[reading->bytes[k]] != p->bytes[s->i + k])
            return false;
    return true;
}

static size_t skip_blanks(const struct text *text, size_t at)
{
    while (at < text->len && (text->buf[at] == ' ' || text->buf[at] == '\t'))
        at++;
    return at;
}

/* The end of a line, where a long text was broken, and the next one's indentation; it may stand for
 * a blank. */
static void cross_line(struct search *s, const struct reading *reading)
{
    size_t next = skip_blanks(s->text, reading->end);
    if (s->i == 0 || s->pattern->len < BROKEN_MIN)
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
        const struct reading *reading = &readings[k];
        if (reading_fits(s, reading))
            add_place(s, s->i + reading->n, reading->end);
        if (reading->n == 1 && (reading->bytes[0] == '\n' || reading->bytes[0] == '\r'))
            cross_line(s, reading);
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
        if (p->fold[(unsigned char)text->buf[at + i]] != p->bytes[i])
            return 0;
        i++;
    }
    if (i == p->len)
        return at + i;
    return at + i < text->len ? search(p, text, i, at + i) : 0;
}

struct range {
    size_t from, to;
};

static bool is_base64(char c)
{
    return c != '\0' && strchr(base64_digits, folds[SPELLING_BASE64][(unsigned char)c]) != NULL;
}

static void widen(struct range *found, const struct pattern *p, const struct text *text, size_t at,
                  size_t end)
{
    if (p->open_left && at > 0 && is_base64(text->buf[at - 1]))
        at--;
    if (p->open_right && end < text->len && is_base64(text->buf[end]))
        end++;
    found->from = at < found->from ? at : found->from;
    found->to = end > found->to ? end : found->to;
}

/* All that begins at `at` with that byte. */
static void find_starts(const struct text *text, size_t at, unsigned char byte, struct range *found)
{
    const struct bucket *b = &buckets[byte];
    bool plain = at + 1 < text->len && reading_is_plain(text->buf[at]) &&
                 reading_is_plain(text->buf[at + 1]);
    unsigned char next = (unsigned char)text->buf[at + 1];
    for (size_t i = 0; i < b->n; i++) {
        const struct pattern *p = b->v[i].pattern;
        if (plain && p->fold[next] != b->v[i].second)
            continue;
        size_t end = match(p, text, at);
        if (end > 0)
            widen(found, p, text, at, end);
    }
}

/* All that begins at `at`, as one range; false if nothing does. */
static bool find_at(const struct text *text, size_t at, struct range *ret)
{
    struct range found = { .from = at, .to = at };
    if (reading_is_plain(text->buf[at])) {
        find_starts(text, at, (unsigned char)text->buf[at], &found);
    } else {
        struct reading readings[READINGS_MAX];
        size_t n = reading_all(text->buf, text->len, at, readings);
        for (size_t k = 0; k < n; k++) {
            size_t same = 0;
            while (readings[same].bytes[0] != readings[k].bytes[0])
                same++;
            if (same == k) /* match() tries all readings of a byte */
                find_starts(text, at, readings[k].bytes[0], &found);
        }
    }
    *ret = found;
    return found.to > at;
}

/* What overlaps is one secret for a reader: the end of one that begins within another is not left
 * over. */
static void mask_all(struct strbuf *sb)
{
    const struct text text = { .buf = sb->buf, .len = sb->len };
    struct strbuf out = STRBUF_INIT;
    struct range masked = { .from = 0, .to = 0 }, found;
    size_t copied = 0;
    for (size_t at = 0; at < text.len; at++) {
        if (!find_at(&text, at, &found))
            continue;
        if (found.from >= masked.to) {
            if (masked.to > 0)
                strbuf_adds(&out, mask);
            strbuf_add(&out, text.buf + copied, found.from - copied);
            masked = found;
        }
        masked.to = found.to > masked.to ? found.to : masked.to;
        copied = masked.to;
    }
    if (masked.to == 0) {
        strbuf_release(&out);
        return;
    }
    strbuf_adds(&out, mask);
    strbuf_add(&out, text.buf + copied, text.len - copied);
    strbuf_release(sb);
    *sb = out;
}

void redact(struct strbuf *text)
{
    uv_once(&once, init);
    uv_rwlock_rdlock(&lock);
    if (n_patterns > 0)
        mask_all(text);
    uv_rwlock_rdunlock(&lock);
}

char *redact_copy(const char *text)
{
    struct strbuf copy = STRBUF_INIT;
    strbuf_adds(&copy, text);
    redact(&copy);
    return strbuf_detach(&copy);
}

static void redact_string(char **string)
{
    char *safe = redact_copy(*string);
    if (str_eq(safe, *string)) {
        free(safe);
        return;
    }
    cJSON_free(*string);
    *string = safe;
}

static void redact_number(cJSON *number)
{
    _cleanup_free_ char *text = json_print(number);
    _cleanup_free_ char *safe = redact_copy(text);
    if (str_eq(safe, text))
        return;
    number->type = (number->type & ~0xff) | cJSON_String;
    number->valuestring = steal_ptr(&safe);
}

void redact_json(cJSON *json)
{
    for (; json != NULL; json = json->next) {
        if (json->string != NULL && (json->type & cJSON_StringIsConst) == 0)
            redact_string(&json->string);
        if (cJSON_IsString(json))
            redact_string(&json->valuestring);
        else if (cJSON_IsNumber(json))
            redact_number(json);
        redact_json(json->child);
    }
}

void redact_release(void)
{
    for (size_t i = 0; i < n_patterns; i++) {
        explicit_bzero(patterns[i]->bytes, patterns[i]->len);
        free(patterns[i]);
    }
    for (unsigned c = 0; c < 256; c++) {
        free(buckets[c].v);
        buckets[c] = (struct bucket){ .v = NULL };
    }
    free(patterns);
    patterns = NULL;
    n_patterns = 0;
}
