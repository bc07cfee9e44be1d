/* SPDX-License-Identifier: MIT */
#include "executor/base/redact.h"

#include <ctype.h>
#include <stdio.h>
#include <uv.h>

#include "executor/base/json.h"
#include "executor/base/reading.h"
#include "executor/base/redact_pattern.h"
#include "executor/base/utf8.h"

/* Encodings of encodings: a coloured script in UTF-16, in base64, in JSON, in base64. */
#define DEPTH_MAX 6
/* Where no stretch of ASCII is as long as this, there are no digits. */
#define TEXT_MIN 8
/* How many bytes may be decoded for each one of a text, and for any text: what nobody means to hide
 * takes less, and noise in many layers has a power of its length to offer. */
#define DECODED_TIMES 64
#define DECODED_MIN   ((size_t)1 << 20)

static const char mask[] = "[MASKED]";

/* ASCII that is seen, blanks and ends of lines, and what stands between characters (reading_skip).
 */
static bool is_text[256];
static uv_once_t once = UV_ONCE_INIT;
static uv_rwlock_t lock;

static void init(void)
{
    uv_rwlock_init(&lock);
    digits_init();
    for (unsigned char c = ' '; c < 0x7f; c++)
        is_text[c] = true;
    for (const char *c = "\t\n\r\033"; *c != '\0'; c++)
        is_text[(unsigned char)*c] = true;
    is_text['\0'] = true;
}

/* --- What is sought --- */

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
        patterns_add(text.buf, text.len);
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

static void add_unit(struct strbuf *little, struct strbuf *big, uint32_t unit)
{
    const char low = (char)(unit & 0xff), high = (char)(unit >> 8);
    if (low != '\0')
        strbuf_addc(little, low);
    if (high != '\0')
        strbuf_addc(little, high), strbuf_addc(big, high);
    if (low != '\0')
        strbuf_addc(big, low);
}

/* What UTF-16 has of it but for NULs, which are passed over: of ASCII, the bytes as they are. */
static void insert_utf16(const char *bytes, size_t len)
{
    _cleanup_strbuf_ struct strbuf little = STRBUF_INIT, big = STRBUF_INIT;
    for (size_t i = 0, n; i < len; i += n) {
        n = utf8_char(bytes + i, len - i);
        if (n == 0)
            return;
        uint32_t code = utf8_code_point(bytes + i, n);
        if (code >= 0x10000)
            add_unit(&little, &big, 0xd7c0 + (code >> 10));
        add_unit(&little, &big, code >= 0x10000 ? 0xdc00 | (code & 0x3ff) : code);
    }
    if (little.len < REDACT_MIN)
        return;
    patterns_add(little.buf, little.len);
    patterns_add(big.buf, big.len);
}

static void add(const char *secret, size_t len)
{
    static const char blanks[] = " \t\r\n";
    while (len > 0 && strchr(blanks, secret[len - 1]) != NULL)
        len--;
    while (len > 0 && strchr(blanks, *secret) != NULL)
        secret++, len--;
    if (len < REDACT_MIN)
        return;
    insert_bytes(secret, len);
    insert_quoted(secret, len);
    insert_utf16(secret, len);
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

/* What there is to be read: the text that was given, or what a run of digits in another view stands
 * for. */
struct view {
    const char *buf;
    size_t len;
    const struct view *within; /* NULL: it is the text */
    const struct digits *digits;
    unsigned phase;
    size_t least; /* what is sought in it has so many bytes */
};

/* What is found, in the order in which it was; and the memory of each depth. */
struct walk {
    struct range *found;
    size_t n, room;
    size_t decoded, decoded_max; /* bytes */
    struct level {
        struct digits digits;
        struct strbuf decoded;
    } levels[DEPTH_MAX];
};

static void note(struct walk *w, const struct view *v, struct range found)
{
    for (; v->within != NULL; v = v->within)
        found = digits_place(v->digits, v->phase, found);
    if (w->n == w->room) {
        w->room = w->room > 0 ? 2 * w->room : 16;
        w->found = xrealloc_array(w->found, w->room, sizeof(struct range));
    }
    w->found[w->n++] = found;
}

/* From the first up to the last, which is none of them. */
struct kinds {
    size_t from, to;
};

/* As it is. Which kinds of digits there may be is seen on the way. */
static struct kinds look_plain(struct walk *w, const struct view *v)
{
    size_t stretch = 0, longest = 0;
    bool plain = true;
    struct range found;
    for (size_t at = 0; at < v->len; at++) {
        unsigned char c = (unsigned char)v->buf[at];
        stretch = is_text[c] ? stretch + 1 : 0;
        longest = stretch > longest ? stretch : longest;
        plain &= reading_is_plain(v->buf[at]) || c == '+';
        if (patterns_begin[c] && patterns_find(v->buf, v->len, at, v->least, &found))
            note(w, v, found);
    }
    if (longest >= TEXT_MIN)
        return (struct kinds){ 0, plain ? DIGITS_KINDS_PLAIN : DIGITS_KINDS };
    bool unseen = memchr(v->buf, '\0', v->len) != NULL || memchr(v->buf, '\033', v->len) != NULL;
    return (struct kinds){ DIGITS_KINDS_PLAIN, unseen ? DIGITS_KINDS_UNSEEN : DIGITS_KINDS_PLAIN };
}

static void look(struct walk *w, const struct view *v, unsigned depth);

/* In whatever a run of digits may stand for. */
static void look_within(struct walk *w, const struct view *v, unsigned depth)
{
    struct level *level = &w->levels[depth];
    struct view within = { .within = v, .digits = &level->digits, .least = v->least };
    if (level->digits.apart)
        within.least = BROKEN_MIN;
    for (; within.phase < digits_phases(&level->digits); within.phase++) {
        digits_decode(&level->digits, within.phase, &level->decoded);
        w->decoded += level->decoded.len;
        within.buf = level->decoded.buf;
        within.len = level->decoded.len;
        look(w, &within, depth + 1);
    }
}

/* What the text itself says in digits is always looked at; that is bounded. */
static bool may_decode(const struct walk *w, unsigned depth)
{
    return depth == 0 || (depth < DEPTH_MAX && w->decoded < w->decoded_max);
}

static void look(struct walk *w, const struct view *v, unsigned depth)
{
    struct kinds kinds = look_plain(w, v);
    for (size_t kind = kinds.from; kind < kinds.to && may_decode(w, depth); kind++) {
        size_t at = 0;
        while (may_decode(w, depth) &&
               digits_next(&w->levels[depth].digits, kind, v->buf, v->len, REDACT_MIN, &at))
            look_within(w, v, depth);
    }
}

static int compare_ranges(const void *a, const void *b)
{
    const struct range *x = a, *y = b;
    return x->from < y->from ? -1 : x->from > y->from;
}

/* What overlaps is one secret for a reader: the end of one that begins within another is not left
 * over. */
static void mask_found(struct strbuf *text, struct range *found, size_t n)
{
    struct strbuf out = STRBUF_INIT;
    size_t copied = 0;
    qsort(found, n, sizeof(*found), compare_ranges);
    for (size_t i = 0; i < n;) {
        struct range masked = found[i];
        for (; i < n && found[i].from < masked.to; i++)
            masked.to = found[i].to > masked.to ? found[i].to : masked.to;
        strbuf_add(&out, text->buf + copied, masked.from - copied);
        strbuf_adds(&out, mask);
        copied = masked.to;
    }
    strbuf_add(&out, text->buf + copied, text->len - copied);
    strbuf_release(text);
    *text = out;
}

static void mask_all(struct strbuf *text)
{
    const struct view whole = { .buf = text->buf, .len = text->len, .least = REDACT_MIN };
    struct walk w = { .decoded_max = DECODED_TIMES * text->len + DECODED_MIN };
    for (size_t i = 0; i < DEPTH_MAX; i++)
        strbuf_init(&w.levels[i].decoded);
    look(&w, &whole, 0);
    if (w.n > 0)
        mask_found(text, w.found, w.n);
    for (size_t i = 0; i < DEPTH_MAX; i++) {
        digits_release(&w.levels[i].digits);
        strbuf_release(&w.levels[i].decoded);
    }
    free(w.found);
}

void redact(struct strbuf *text)
{
    uv_once(&once, init);
    uv_rwlock_rdlock(&lock);
    if (patterns_count() > 0)
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

char *redact_line(const char *text)
{
    struct strbuf line = STRBUF_INIT;
    _cleanup_free_ char *whole = redact_copy(text); /* a secret may go over two lines */
    for (const char *at = whole; *at != '\0';) {
        size_t len = strcspn(at, "\r\n");
        const char *next = at + len + strspn(at + len, " \t\r\n");
        strbuf_add(&line, at, len);
        if (*next != '\0' && line.len > 0)
            strbuf_adds(&line, strchr(".,:;", line.buf[line.len - 1]) != NULL ? " " : "; ");
        at = next;
    }
    return strbuf_detach(&line);
}

char *redact_short(const char *text, size_t max)
{
    struct strbuf copy = STRBUF_INIT;
    strbuf_adds(&copy, text);
    redact(&copy); /* before a secret is cut in two */
    if (copy.len > max) {
        while (max > 0 && ((unsigned char)copy.buf[max] & 0xc0) == 0x80)
            max--; /* not in the middle of a UTF-8 character */
        strbuf_cut(&copy, max);
        strbuf_adds(&copy, "...");
    }
    return strbuf_detach(&copy);
}

/* Whether anything became of it. What is shorter than any secret holds none. */
static bool redact_string(char **string)
{
    if (strlen(*string) < REDACT_MIN)
        return false;
    char *safe = redact_copy(*string);
    if (str_eq(safe, *string)) {
        free(safe);
        return false;
    }
    cJSON_free(*string);
    *string = safe;
    return true;
}

static void redact_number(cJSON *number)
{
    char *text = json_print(number);
    if (!redact_string(&text)) {
        cJSON_free(text);
        return;
    }
    number->type = (number->type & ~0xff) | cJSON_String;
    number->valuestring = text;
}

static bool is_flat_list(const cJSON *json)
{
    const cJSON *item;
    if (!cJSON_IsArray(json))
        return false;
    cJSON_ArrayForEach (item, json)
        if (!cJSON_IsNumber(item) && !cJSON_IsString(item))
            return false;
    return true;
}

/* The items may be a secret's bytes, one by one. */
static void redact_list(cJSON *list)
{
    _cleanup_free_ char *text = json_print(list);
    if (!redact_string(&text))
        return;
    cJSON_Delete(steal_ptr(&list->child));
    json_push_str(list, text);
}

static bool has_other(const cJSON *object, const cJSON *member)
{
    const cJSON *other;
    cJSON_ArrayForEach (other, object)
        if (other != member && str_eq(other->string, member->string))
            return true;
    return false;
}

/* Of two members with the same name a reader would lose one. */
static void redact_name(const cJSON *object, cJSON *member)
{
    if ((member->type & cJSON_StringIsConst) != 0 || !redact_string(&member->string))
        return;
    _cleanup_free_ char *name = xstrdup(member->string);
    for (unsigned n = 2; has_other(object, member); n++) {
        free(member->string);
        member->string = xasprintf("%s (%u)", name, n);
    }
}

void redact_json(cJSON *json)
{
    cJSON *item;
    if (cJSON_IsString(json))
        redact_string(&json->valuestring);
    else if (cJSON_IsNumber(json))
        redact_number(json);
    cJSON_ArrayForEach (item, json) {
        if (item->string != NULL)
            redact_name(json, item);
        redact_json(item);
    }
    if (is_flat_list(json))
        redact_list(json);
}

cJSON *redact_json_copy(const cJSON *json)
{
    cJSON *copy = json_dup(json);
    redact_json(copy);
    return copy;
}

void redact_release(void)
{
    patterns_release();
}
