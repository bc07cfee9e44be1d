/* SPDX-License-Identifier: MIT */
/* Secrets that were encoded, broken, coloured, and that several times: what is known, and what is
 * left. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "executor/base/json.h"
#include "executor/base/redact.h"
#include "tests/unit/redacting.h"

#define SECRET "hunter2/K7+x\303\251!"

/* --- Encoders, by which bytes are written --- */

typedef void (*encoder)(const struct strbuf *in, struct strbuf *out);

static const char standard[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url_safe[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
static const char base32[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
static const char base32_lower[] = "abcdefghijklmnopqrstuvwxyz234567";

static unsigned bit_of(const struct strbuf *in, size_t bit)
{
    return bit / 8 < in->len ? (unsigned char)in->buf[bit / 8] >> (7 - bit % 8) & 1 : 0;
}

static void write_digits(const struct strbuf *in, struct strbuf *out, const char *alphabet,
                         unsigned bits, unsigned group)
{
    for (size_t bit = 0; bit < 8 * in->len; bit += bits) {
        unsigned value = 0;
        for (unsigned i = 0; i < bits; i++)
            value = value << 1 | bit_of(in, bit + i);
        strbuf_addc(out, alphabet[value]);
    }
    while (group > 0 && out->len % group != 0)
        strbuf_addc(out, '=');
}

static void write_base64(const struct strbuf *in, struct strbuf *out)
{
    write_digits(in, out, standard, 6, 4);
}

static void write_base64_url(const struct strbuf *in, struct strbuf *out)
{
    write_digits(in, out, url_safe, 6, 0);
}

static void write_base32(const struct strbuf *in, struct strbuf *out)
{
    write_digits(in, out, base32, 5, 8);
}

static void write_base32_lower(const struct strbuf *in, struct strbuf *out)
{
    write_digits(in, out, base32_lower, 5, 0);
}

static void write_each(const struct strbuf *in, struct strbuf *out, const char *fmt, size_t cut)
{
    for (size_t i = 0; i < in->len; i++) {
        char text[16];
        unsigned byte = (unsigned char)in->buf[i];
        bool is_decimal = strchr(fmt, 'u') != NULL, is_upper = strchr(fmt, 'X') != NULL;
        snprintf(text, sizeof(text), is_decimal ? "%u" : is_upper ? "%02X" : "%02x", byte);
        const char *number = strchr(fmt, '%');
        strbuf_add(out, fmt, (size_t)(number - fmt));
        strbuf_adds(out, text);
        strbuf_adds(out, number + 2);
    }
    strbuf_cut(out, out->len - (in->len > 0 ? cut : 0));
}

#define EACH(name, fmt, cut)                                                                       \
    static void name(const struct strbuf *in, struct strbuf *out)                                  \
    {                                                                                              \
        write_each(in, out, fmt, cut);                                                             \
    }
EACH(write_hex, "%x", 0)
EACH(write_hex_upper, "%X", 0)
EACH(write_hex_blanks, "%x ", 1)
EACH(write_hex_colons, "%X:", 1)
EACH(write_hex_hyphens, "%X-", 1)
EACH(write_hex_c, "0x%x, ", 2)
EACH(write_hex_go, "0x%x,", 1)
EACH(write_hex_escapes, "\\x%x", 0)
EACH(write_hex_double, "\\\\x%x", 0)
EACH(write_hex_lines, "%x\n", 1)
EACH(write_hex_python, "'%x', ", 2)
EACH(write_numbers, "%u, ", 2)
EACH(write_numbers_close, "%u,", 1)
EACH(write_numbers_lines, "    %u,\n", 2)

static void add_unit(struct strbuf *out, unsigned unit, bool big)
{
    strbuf_addc(out, (char)(big ? unit >> 8 : unit & 0xff));
    strbuf_addc(out, (char)(big ? unit & 0xff : unit >> 8));
}

/* Of UTF-8 of at most two bytes a character. */
static void write_utf16(const struct strbuf *in, struct strbuf *out, bool big)
{
    for (size_t i = 0; i < in->len; i++) {
        unsigned c = (unsigned char)in->buf[i];
        if (c >= 0x80)
            c = (c & 0x1f) << 6 | ((unsigned char)in->buf[++i] & 0x3f);
        add_unit(out, c, big);
    }
}

static void write_utf16le(const struct strbuf *in, struct strbuf *out)
{
    write_utf16(in, out, false);
}

static void write_utf16be(const struct strbuf *in, struct strbuf *out)
{
    write_utf16(in, out, true);
}

static void write_lines(const struct strbuf *in, struct strbuf *out, size_t width, const char *end)
{
    for (size_t i = 0; i < in->len; i++) {
        if (i > 0 && i % width == 0)
            strbuf_adds(out, end);
        strbuf_addc(out, in->buf[i]);
    }
}

static void write_mime(const struct strbuf *in, struct strbuf *out)
{
    write_lines(in, out, 7, "\r\n");
}

static void write_indented(const struct strbuf *in, struct strbuf *out)
{
    write_lines(in, out, 5, "\n    ");
}

static void write_lines_in_json(const struct strbuf *in, struct strbuf *out)
{
    write_lines(in, out, 9, "\\n");
}

static void write_colours(const struct strbuf *in, struct strbuf *out)
{
    write_lines(in, out, 4, "\033[0m\033[1;31m");
}

static void write_colours_escaped(const struct strbuf *in, struct strbuf *out)
{
    write_lines(in, out, 6, "\\u001b[01;31m\\u001b[K");
}

static void write_link(const struct strbuf *in, struct strbuf *out)
{
    write_lines(in, out, 8, "\033]8;;http://example.com/\033\\");
}

static const encoder digits[] = {
    write_base64,    write_base64_url,    write_base32,        write_base32_lower, write_hex,
    write_hex_upper, write_hex_blanks,    write_hex_colons,    write_hex_hyphens,  write_hex_c,
    write_hex_go,    write_hex_escapes,   write_hex_double,    write_hex_lines,    write_hex_python,
    write_numbers,   write_numbers_close, write_numbers_lines,
};
/* The first ones, between whose digits nothing is. */
#define CONTIGUOUS 6
static const encoder wide[] = { write_utf16le, write_utf16be };
static const encoder breaks[] = { write_mime,    write_indented,        write_lines_in_json,
                                  write_colours, write_colours_escaped, write_link };

/* --- */

static void encode(encoder how, struct strbuf *text)
{
    struct strbuf out = STRBUF_INIT;
    how(text, &out);
    strbuf_release(text);
    *text = out;
}

static void add_around(struct strbuf *text, const char *before, const char *after)
{
    struct strbuf out = STRBUF_INIT;
    strbuf_adds(&out, before);
    strbuf_add(&out, text->buf, text->len);
    strbuf_adds(&out, after);
    strbuf_release(text);
    *text = out;
}

/* The secret and another one, told the same way. */
struct told {
    struct strbuf text, other;
    bool uneven; /* numbers have one digit or three: what comes after them is encoded differently */
};

static void told_init(struct told *t, const char *secret, const char *other)
{
    *t = (struct told){ .text = STRBUF_INIT, .other = STRBUF_INIT };
    strbuf_adds(&t->text, secret);
    strbuf_adds(&t->other, other);
}

static void told_release(struct told *t)
{
    strbuf_release(&t->text);
    strbuf_release(&t->other);
}

static void tell(struct told *t, encoder how)
{
    encode(how, &t->text);
    encode(how, &t->other);
    t->uneven |= t->text.len != t->other.len;
}

static void surround(struct told *t, const char *before, const char *after)
{
    add_around(&t->text, before, after);
    add_around(&t->other, before, after);
}

static const char another[] = "wjqkzd4(L0;y\303\250>"; /* as long as SECRET, in decimal, too */

/* Of a text that says a secret, nothing must be left that depends on which it is: what comes before
 * [MASKED] and after it is what the same text has with another secret. */
static void assert_hidden(const struct told *t)
{
    const struct strbuf *text = &t->text, *other = &t->other;
    _cleanup_strbuf_ struct strbuf safe = STRBUF_INIT;
    static const char mask[] = "[MASKED]";
    const size_t width = strlen(mask);
    strbuf_add(&safe, text->buf, text->len);
    redact(&safe);
    const char *first = memmem(safe.buf, safe.len, mask, width);
    if (first == NULL)
        fail_msg("not found: %.*s", (int)text->len, text->buf);
    const char *last = first;
    for (const char *next = first; next != NULL;) {
        last = next;
        next = memmem(last + width, safe.len - (size_t)(last + width - safe.buf), mask, width);
    }
    size_t before = (size_t)(first - safe.buf),
           after = safe.len - (size_t)(last + width - safe.buf);
    if (t->uneven)
        return;
    if (memcmp(text->buf, other->buf, before) != 0 ||
        memcmp(text->buf + text->len - after, other->buf + other->len - after, after) != 0)
        fail_msg("something is left: %.*s", (int)safe.len, safe.buf);
}

static void every_encoding_at_every_offset(void **state)
{
    (void)state;
    redact_add(SECRET);
    for (size_t i = 0; i < ARRAY_SIZE(digits); i++)
        for (size_t before = 0; before < 8; before++) {
            _cleanup_(told_release) struct told t;
            told_init(&t, SECRET, another);
            surround(&t, &"qqqqqqqq"[8 - before], "ww");
            tell(&t, digits[i]);
            surround(&t, "says \"", "\", as ever");
            assert_hidden(&t);
        }
}

static void encodings_of_encodings(void **state)
{
    (void)state;
    redact_add(SECRET);
    for (size_t i = 0; i < ARRAY_SIZE(digits); i++)
        for (size_t k = 0; k < ARRAY_SIZE(digits); k++)
            for (size_t before = 0; before < 3; before++) {
                _cleanup_(told_release) struct told t;
                told_init(&t, SECRET, another);
                tell(&t, digits[i]);
                surround(&t, &"{ ["[before], "]");
                tell(&t, digits[k]);
                assert_hidden(&t);
            }
}

static void wide_characters(void **state)
{
    (void)state;
    redact_add(SECRET);
    for (size_t i = 0; i < ARRAY_SIZE(wide); i++) {
        _cleanup_(told_release) struct told t;
        told_init(&t, SECRET, another);
        tell(&t, wide[i]);
        assert_hidden(&t);
        for (size_t k = 0; k < ARRAY_SIZE(digits); k++) {
            _cleanup_(told_release) struct told u;
            told_init(&u, "echo " SECRET " now", "echo wjqkzd4(L0;y\303\250> now");
            tell(&u, wide[i]);
            tell(&u, digits[k]);
            assert_hidden(&u);
        }
    }
    becomes("h\\u0000u\\u0000n\\u0000t\\u0000e\\u0000r\\u00002\\u0000/\\u0000K\\u00007\\u0000+\\u"
            "0000x\\u0000\351\\u0000!\\u0000",
            "[MASKED]\\u0000");
    redact_add("\320\272\320\273\321\216\321\207-42"); /* four Cyrillic letters */
    becomes("\004:\004;\004N\004G\\0-\\x004\\u00002", "[MASKED]");
    becomes(":\004;\004N\004G\004-42", "[MASKED]");
}

static void broken_and_coloured(void **state)
{
    (void)state;
    redact_add(SECRET);
    for (size_t i = 0; i < ARRAY_SIZE(breaks); i++) {
        _cleanup_(told_release) struct told t;
        told_init(&t, SECRET, another);
        tell(&t, breaks[i]);
        assert_hidden(&t);
        for (size_t k = 0; k < CONTIGUOUS; k++) {
            _cleanup_(told_release) struct told u;
            told_init(&u, "it is " SECRET, "it is wjqkzd4(L0;y\303\250>");
            tell(&u, digits[k]);
            tell(&u, breaks[i]);
            assert_hidden(&u);
        }
    }
}

static uint64_t seed;

static unsigned dice(unsigned sides)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(seed >> 33) % sides;
}

/* Also of what ends a quotation, an escape or a line of digits. */
static void random_secret(char *secret, char *other, size_t len)
{
    static const char bytes[] = "abcxyzABCXYZ0123456789!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";
    for (size_t i = 0; i < len; i++) {
        secret[i] = bytes[dice(sizeof(bytes) - 1)];
        other[i] = (char)(secret[i] ^ (i % 2 == 0 ? 0x1f : 0x15));
    }
    secret[len] = other[len] = '\0';
}

static encoder one_of(const encoder *v, size_t n)
{
    return v[dice((unsigned)n)];
}

/* Whatever somebody encodes twice, with something around it each time, and breaks then. */
static void random_secrets_in_random_forms(void **state)
{
    (void)state;
    seed = 20240229;
    for (unsigned i = 0; i < 4000; i++) {
        static const char *const around[] = { "", "x", "ab", "id=", "{\"v\": \"", "(qrs) " };
        char secret[41], other[41];
        _cleanup_(told_release) struct told t;
        random_secret(secret, other, 8 + dice(32));
        redact_add(secret);
        told_init(&t, secret, other);
        for (unsigned times = dice(3); times > 0; times--) {
            surround(&t, around[dice(6)], around[dice(6)]);
            if (dice(4) == 0)
                tell(&t, one_of(wide, ARRAY_SIZE(wide)));
            tell(&t, one_of(digits, ARRAY_SIZE(digits)));
            if (dice(4) == 0)
                tell(&t, write_colours);
        }
        surround(&t, around[dice(6)], around[dice(6)]);
        assert_hidden(&t);
        redact_release();
    }
}

/* Cyrillic in UTF-16 has no ASCII but the digit's NUL. */
static void wide_characters_beyond_ascii(void **state)
{
    (void)state;
    static const char secret[] = "\320\277\320\260\321\200\320\276\320\273\321\2141"
                                 "\320\277\320\260\321\200\320\276\320\273\321\214";
    for (size_t i = 0; i < ARRAY_SIZE(wide); i++) {
        _cleanup_(told_release) struct told t;
        redact_add(secret);
        told_init(&t, secret,
                  "\321\201\321\202\321\203\321\204\321\205\321\2062"
                  "\321\201\321\202\321\203\321\204\321\205\321\206");
        tell(&t, wide[i]);
        assert_hidden(&t);
        tell(&t, write_base64);
        assert_hidden(&t);
    }
}

/* --- What it may take --- */

static void add_nested(struct strbuf *text, const char *open, const char *close)
{
    for (unsigned i = 0; i < 6; i++)
        strbuf_adds(text, open);
    for (unsigned i = 0; i < 6; i++)
        strbuf_adds(text, close);
    strbuf_addc(text, ' ');
}

/* Noise in five layers of lines of base64, each but the outermost with a NUL in a NUL and an escape
 * in an escape. */
static void write_layers_of_noise(struct strbuf *text)
{
    for (size_t i = 0; i < 1800; i++)
        strbuf_addc(text, (char)dice(256));
    for (unsigned layer = 0; layer < 5; layer++) {
        _cleanup_strbuf_ struct strbuf coded = STRBUF_INIT, head = STRBUF_INIT;
        write_base64(text, &coded);
        if (layer < 4) {
            add_nested(&head, "%0", "0");
            add_nested(&head, "\\e[", "m");
        }
        strbuf_adds(&head, "abcdefgh\n");
        strbuf_reset(text);
        strbuf_add(text, head.buf, head.len);
        write_lines(&coded, text, 76, "\n");
        strbuf_addc(text, '\n');
    }
}

/* What is decoded is counted: behind such noise only what the text itself says is decoded, and
 * what is encoded twice is left. */
static void what_is_decoded_has_bounds(void **state)
{
    (void)state;
    static const char once[] = " VHIwdWI0\nZG9yJjM= ", twice[] = "VkhJd2RXS\nTBaRzl5SmpNPQ== ";
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    seed = 20241123;
    redact_add("Tr0ub4dor&3");
    becomes(twice, "[MASKED]PQ== ");
    write_layers_of_noise(&text);
    strbuf_adds(&text, once);
    strbuf_adds(&text, twice);
    redact(&text);
    assert_null(strstr(text.buf, "VHIwdWI0"));
    assert_non_null(strstr(text.buf, "[MASKED]= VkhJd2RXS\nTBaRzl5SmpNPQ== "));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(every_encoding_at_every_offset, redacting_teardown),
        cmocka_unit_test_teardown(encodings_of_encodings, redacting_teardown),
        cmocka_unit_test_teardown(wide_characters, redacting_teardown),
        cmocka_unit_test_teardown(broken_and_coloured, redacting_teardown),
        cmocka_unit_test_teardown(random_secrets_in_random_forms, redacting_teardown),
        cmocka_unit_test_teardown(wide_characters_beyond_ascii, redacting_teardown),
        cmocka_unit_test_teardown(what_is_decoded_has_bounds, redacting_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
