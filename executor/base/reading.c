/* SPDX-License-Identifier: MIT */
#include "executor/base/reading.h"

#include <stdint.h>
#include <string.h>

#include "executor/base/str.h"

/* Escapes of escapes: JSON in JSON in JSON, "%252541". Deeper than that nobody writes. */
#define DEPTH_MAX 3
/* Of backslashes: what is an escape at some depth has fewer before it. */
#define RUN_MAX (2u << DEPTH_MAX)

/* Of what is said to a terminal at once: a link's address is the longest. */
#define CONTROL_MAX 2048

struct readings {
    const char *text;
    size_t len;
    struct reading *v;
    size_t n;
};

static void add_byte(struct readings *r, unsigned char byte, size_t end)
{
    if (r->n < READINGS_MAX)
        r->v[r->n++] = (struct reading){ .bytes = { byte }, .n = 1, .end = end };
}

static void add_character(struct readings *r, uint32_t code, size_t end)
{
    unsigned n = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    if (n == 1 || code > 0x10ffff) {
        add_byte(r, (unsigned char)code, end);
        return;
    }
    struct reading reading = { .n = n, .end = end };
    for (unsigned i = n; i-- > 1; code >>= 6)
        reading.bytes[i] = (unsigned char)(0x80 | (code & 0x3f));
    reading.bytes[0] = (unsigned char)((0xf00u >> n) | code);
    if (r->n < READINGS_MAX)
        r->v[r->n++] = reading;
}

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The number that stands at `at` in exactly `digits` digits of that base. */
static bool number_at(const struct readings *r, size_t at, unsigned digits, unsigned base,
                      uint32_t *ret)
{
    uint32_t number = 0;
    if (at + digits > r->len)
        return false;
    for (unsigned i = 0; i < digits; i++) {
        int digit = digit_of(r->text[at + i]);
        if (digit < 0 || (unsigned)digit >= base)
            return false;
        number = number * base + (unsigned)digit;
    }
    *ret = number;
    return true;
}

static size_t skip_backslashes(const struct readings *r, size_t at)
{
    size_t end = at + RUN_MAX < r->len ? at + RUN_MAX : r->len;
    while (at < end && r->text[at] == '\\')
        at++;
    return at;
}

/* "uXXXX", or two of them where a character is beyond U+FFFF, as JSON has it (RFC 8259, 7). */
static void add_unicode(struct readings *r, size_t at)
{
    uint32_t high, low;
    if (!number_at(r, at + 1, 4, 16, &high))
        return;
    size_t second = skip_backslashes(r, at + 5);
    if (high >= 0xd800 && high < 0xdc00 && second > at + 5 && second < r->len &&
        r->text[second] == 'u' && number_at(r, second + 1, 4, 16, &low) && low >= 0xdc00 &&
        low < 0xe000)
        add_character(r, 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00), second + 5);
    else
        add_character(r, high, at + 5);
}

/* A run of backslashes is read as the one of some depth: a string in a string doubles it. */
static void add_backslash(struct readings *r, size_t at)
{
    static const char letters[] = "nrtbfe0", meant[] = "\n\r\t\b\f\033";
    size_t end = skip_backslashes(r, at);
    for (size_t n = 2; n <= 1u << DEPTH_MAX && at + n <= end; n *= 2)
        add_byte(r, '\\', at + n);
    if (end == r->len)
        return;
    char c = r->text[end];
    const char *letter = strchr(letters, c);
    uint32_t number;
    if (c == 'u')
        add_unicode(r, end);
    else if (c == 'x' && number_at(r, end + 1, 2, 16, &number))
        add_byte(r, (unsigned char)number, end + 3);
    else if (number_at(r, end, 3, 8, &number))
        add_byte(r, (unsigned char)number, end + 3);
    else if (c != '\0' && letter != NULL)
        add_byte(r, (unsigned char)meant[letter - letters], end + 1);
    if (c != '\0' && c != '\033') /* in UTF-16, a backslash has a NUL beside it */
        add_byte(r, (unsigned char)c, end + 1);
}

static void add_percent(struct readings *r, size_t at)
{
    uint32_t number;
    size_t digits = at + 1;
    for (unsigned depth = 0; depth < DEPTH_MAX && number_at(r, digits, 2, 16, &number); depth++) {
        digits += 2;
        add_byte(r, (unsigned char)number, digits);
        if (number != '%')
            return;
    }
}

/* What is behind "&" or "&amp;": "lt;", "#60;", "#x3c;"
 * (https://www.w3.org/TR/xml/#dt-charref, #sec-predefined-ent). */
static bool add_entity(struct readings *r, size_t at)
{
    static const char *const names[] = { "lt;", "gt;", "quot;", "apos;", "nbsp;" };
    static const char meant[] = "<>\"' ";
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        size_t len = strlen(names[i]);
        if (at + len <= r->len && memcmp(r->text + at, names[i], len) == 0) {
            add_byte(r, (unsigned char)meant[i], at + len);
            return true;
        }
    }
    if (at + 1 >= r->len || r->text[at] != '#')
        return false;
    bool hex = (r->text[at + 1] | 0x20) == 'x';
    uint32_t code, found = 0;
    size_t from = at + 1 + hex, end = from;
    while (end < r->len && end - from < 7 && number_at(r, end, 1, hex ? 16 : 10, &code))
        found = found * (hex ? 16 : 10) + code, end++;
    if (end == from || end == r->len || r->text[end] != ';' || found > 0x10ffff)
        return false;
    add_character(r, found, end + 1);
    return true;
}

static void add_ampersand(struct readings *r, size_t at)
{
    static const char amp[] = "amp;";
    size_t next = at + 1;
    for (unsigned depth = 0; depth <= DEPTH_MAX && !add_entity(r, next); depth++) {
        if (next + 4 > r->len || memcmp(r->text + next, amp, 4) != 0)
            return;
        next += 4;
        add_byte(r, '&', next);
    }
}

size_t reading_all(const char *text, size_t len, size_t at, struct reading ret[READINGS_MAX])
{
    struct readings r = { .text = text, .len = len, .v = ret };
    add_byte(&r, (unsigned char)text[at], at + 1);
    if (text[at] == '\\')
        add_backslash(&r, at);
    else if (text[at] == '%')
        add_percent(&r, at);
    else if (text[at] == '&')
        add_ampersand(&r, at);
    else if (text[at] == '+')
        add_byte(&r, ' ', at + 1);
    return r.n;
}

/* Where what ECMA-48 calls a control function ends, of which ESC has been read: "[1;31m", a
 * command to the terminal that ends with BEL or ESC "\\", or a letter. */
static size_t skip_control(const char *text, size_t len, size_t at)
{
    size_t most = len - at > CONTROL_MAX ? at + CONTROL_MAX : len;
    if (at == len || text[at] < ' ')
        return 0;
    bool is_string = text[at] == ']', has_parameters = text[at] == '[';
    for (at++; is_string && at < most && text[at] != '\a'; at++)
        if (text[at] == '\033')
            return at + 1 < len && text[at + 1] == '\\' ? at + 2 : at;
    while (has_parameters && at < most && text[at] >= ' ' && text[at] <= '?')
        at++;
    return at < most && (is_string || has_parameters) ? at + 1 : at;
}

size_t reading_skip_line(const char *text, size_t len, const struct reading *reading)
{
    size_t at = reading->end;
    if (reading->n > 1 || (reading->bytes[0] != '\n' && reading->bytes[0] != '\r'))
        return 0;
    while (at < len && (text[at] == ' ' || text[at] == '\t'))
        at++;
    return at;
}

size_t reading_skip_control(const char *text, size_t len, const struct reading *reading)
{
    bool is_escape = reading->n == 1 && reading->bytes[0] == '\033';
    return is_escape ? skip_control(text, len, reading->end) : 0;
}

size_t reading_skip_nul(const char *text, size_t len, const struct reading *reading)
{
    (void)text, (void)len;
    return reading->n == 1 && reading->bytes[0] == '\0' ? reading->end : 0;
}

const bool reading_special[256] = {
    ['\\'] = true, ['%'] = true,  ['&'] = true,  ['+'] = true,
    ['\n'] = true, ['\r'] = true, ['\0'] = true, ['\033'] = true,
};
