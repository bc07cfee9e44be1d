/* SPDX-License-Identifier: MIT */
/* Digits as people and programs write them: short ones, escaped ones, and what is not a secret. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "executor/base/json.h"
#include "executor/base/redact.h"
#include "tests/unit/redacting.h"

/* What is below the least that GitLab masks is known in one piece only, but for lines of digits. */
static void short_ones_are_known_in_one_piece(void **state)
{
    (void)state;
    redact_add("123456");
    becomes("123456 MTIzNDU2 313233343536 GEZDGNBVGY", "[MASKED] [MASKED] [MASKED] [MASKED]");
    becomes("31 32 33 34 35 36", "31 32 33 34 35 36");
    becomes("49, 50, 51, 52, 53, 54", "49, 50, 51, 52, 53, 54");
    becomes("MTIz\nNDU2 313233\n343536", "[MASKED] [MASKED]");
    becomes("12\033[1m3456", "12\033[1m3456");
    redact_add("12345678");
    becomes("31 32 33 34 35 36 37 38", "[MASKED]");
}

static void short_ones_over_lines_of_digits(void **state)
{
    (void)state;
    redact_add("pa55wrd");
    becomes("70613535\n777264", "[MASKED]");
    becomes("dTpwYT\nU1d3Jk", "dT[MASKED]");
}

#define DIGIT_ESCAPES 5

static void add_escaped_digit(struct strbuf *text, size_t escape, unsigned c)
{
    switch (escape) {
    case 0:
        strbuf_addf(text, "\\x%02x", c);
        break;
    case 1:
        strbuf_addf(text, "\\%03o", c);
        break;
    case 2:
        strbuf_addf(text, "%%%02X", c);
        break;
    case 3:
        strbuf_addf(text, "&#%u;", c);
        break;
    default:
        strbuf_addf(text, "\\u%04x", c);
    }
}

/* Digits over lines, and digits that are escaped, each in all ways in which another writes them. */
static void digits_that_are_escaped_or_broken(void **state)
{
    (void)state;
    static const char *const lines[] = { "\n",  "\r\n",  "\n    ",  "\\n",   "\\r\\n",     "\\\\n",
                                         "%0A", "&#10;", "\\u000a", "\\012", "\\x0d\\x0a", "\\\n" };
    redact_add("Tr0ub4dor&3");
    static const char *const whole[] = { "547230756234646f722633", "VHIwdWI0ZG9yJjM" };
    for (size_t f = 0; f < ARRAY_SIZE(whole); f++)
        for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
            for (size_t cut = 1; cut < strlen(whole[f]); cut++) {
                _cleanup_free_ char *text =
                    xasprintf("%.*s%s%s", (int)cut, whole[f], lines[i], whole[f] + cut);
                becomes(text, "[MASKED]");
            }
    for (size_t f = 0; f < ARRAY_SIZE(whole); f++)
        for (size_t escape = 0; escape < DIGIT_ESCAPES; escape++) {
            _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
            for (const char *c = whole[f]; *c != '\0'; c++)
                add_escaped_digit(&text, escape, (unsigned char)*c);
            becomes(text.buf, "[MASKED]");
        }
}

/* PHP's and Gson's JSON: a slash may be the first of a line. */
static void a_line_that_begins_with_an_escape(void **state)
{
    (void)state;
    redact_add("p?>?>?>?>?>?>?>word");
    becomes("{\"a\":\"eHhwPz4\\n\\/Pj8+Pz4\\/Pj8+Pz53b3Jk\"}", "{\"a\":\"eH[MASKED]\"}");
}

/* No more is taken than the secret and the digits that it shares. */
static void what_is_around_is_left(void **state)
{
    (void)state;
    redact_add("secret-value");
    becomes("70 73 65 63 72 65 74 2d 76 61 6c 75 65 71", "70 [MASKED] 71");
    becomes("[1, 115, 101, 99, 114, 101, 116, 45, 118, 97, 108, 117, 101, 2]", "[1, [MASKED], 2]");
    becomes("0x73,0x65,0x63,0x72,0x65,0x74,0x2d,0x76,0x61,0x6c,0x75,0x65", "0x[MASKED]");
    becomes("C:\\nc2VjcmV0LXZhbHVl", "C:\\n[MASKED]");
    becomes("C:\\c2VjcmV0LXZhbHVl", "C:[MASKED]");
    becomes("ONSWG4TFOQWXMYLMOVSQ====", "[MASKED]====");
    becomes("a\033[1mse\033[0mcret-value\033[0m b", "a\033[1m[MASKED]\033[0m b");
    becomes("eval: 7365 6372 6574 2d76 616c 7565", "eval: [MASKED]");
}

static void ordinary_text_stays(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "2026-11-23 15:16:04.123 [0x7f3a10] GET /v1/items?id=10,20,30 200 0.012 \"curl/7.88\"",
        "arn:aws:ecs:us-east-1:123456789012:service/automation-8527fec8/notifier",
        "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "\033[32mPASS\033[0m \033[1mtests/unit\033[0m\r\n 10.0.0.1, 10.0.0.2\n\n00 01 02 03",
        "{\"a\": [1, 2, 3, 255, 256, 1000], \"b\": \"VVVVVVVVVVVVVVVVVVVVVVVV\"}",
    };
    redact_add("secret-value");
    redact_add("hunter2!");
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
        becomes(lines[i], lines[i]);
}

/* Text that may be read in many ways must not take time with a power of its length. */
static void what_is_hard_to_read_has_bounds(void **state)
{
    (void)state;
    static const char *const hard[] = {
        "V",  "A",      "\\n",        "%41", "\033]", "7 ",  "71 ",
        "\n", "V\033[", "\\\\u001b]", "10,", "\\0",   "a\n", "&#0;"
    };
    redact_add("VVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVx");
    redact_add("a\\nbcdefgh");
    for (size_t i = 0; i < ARRAY_SIZE(hard); i++) {
        _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
        while (text.len < 1u << 16)
            strbuf_adds(&text, hard[i]);
        size_t len = text.len;
        redact(&text);
        assert_int_equal(text.len, len);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(short_ones_are_known_in_one_piece, redacting_teardown),
        cmocka_unit_test_teardown(short_ones_over_lines_of_digits, redacting_teardown),
        cmocka_unit_test_teardown(digits_that_are_escaped_or_broken, redacting_teardown),
        cmocka_unit_test_teardown(a_line_that_begins_with_an_escape, redacting_teardown),
        cmocka_unit_test_teardown(what_is_around_is_left, redacting_teardown),
        cmocka_unit_test_teardown(ordinary_text_stays, redacting_teardown),
        cmocka_unit_test_teardown(what_is_hard_to_read_has_bounds, redacting_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
