/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "executor/base/strmap.h"
#include "executor/base/utf8.h"

struct visible_case {
    const char *text;
    const char *shown;
};

static const struct visible_case visible_cases[] = {
    { "", "" },
    { "dev/feature/caf\u00e9 \t$(x) \U0001f600", "dev/feature/caf\u00e9 \t$(x) \U0001f600" },
    { "a\x1b[2Jb", "a\\x1b[2Jb" },
    { "a\r\nERROR: b", "a\\x0d\\x0aERROR: b" },
    { "\x7f", "\\x7f" },
    { "\xc2\x85\xc2\x9b"
      "31m",
      "\\u0085\\u009b31m" }, /* as control characters of one byte each */
    { "a\u202eb\u2066c\u200dd\ufeff", "a\\u202eb\\u2066c\\u200dd\\ufeff" },
    { "\U000e0041", "\\U000e0041" },
    { "\xff\xc0\x80z\xe2\x80", "\\xff\\xc0\\x80z\\xe2\\x80" },
};

static void shows_what_steers_a_terminal(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(visible_cases); i++) {
        _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
        strbuf_adds(&text, visible_cases[i].text);
        utf8_make_visible(&text);
        assert_string_equal(text.buf, visible_cases[i].shown);
    }
}

/* As much as fits when it is shown, and no half of a character or an escape. */
static void cuts_what_is_shown(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t most, used;
    } cases[] = {
        { "", 5, 0 },
        { "abcdef", 6, 6 },
        { "abcdef", 5, 5 },
        { "\x1b\x1b", 8, 2 },
        { "\x1b\x1b", 7, 1 },
        { "\u00e9\u00e9", 3, 2 },
        { "\xff\xff", 3, 0 },
        { "a\u202e"
          "b",
          7, 4 },
        { "a\u202e"
          "b",
          6, 1 },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_int_equal(utf8_cut(cases[i].text, strlen(cases[i].text), cases[i].most),
                         cases[i].used);
}

static void knows_utf8(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t valid;
    } cases[] = {
        { "abc", 3 },
        { "\u00e9\u20ac\U0001f600", 9 },
        { "a\xc3", 1 },
        { "a\xc0\xaf", 1 },
        { "\xed\xa0\x80", 0 },
        { "\xf4\x90\x80\x80", 0 },
        { "\xe0\x80\x80", 0 },
        { "\x80", 0 },
        { "\xf0\x8f\xbf\xbf", 0 },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_int_equal(utf8_valid(cases[i].text, strlen(cases[i].text)), cases[i].valid);
}

static void finds_what_was_added_last(void **state)
{
    (void)state;
    enum { N = 20000 };
    static int values[N + 1];
    struct strmap map;
    strmap_init(&map);
    char key[32];
    for (int i = 0; i < N; i++) {
        snprintf(key, sizeof(key), "ecs.service/s%d", i);
        assert_null(strmap_get(&map, key));
        strmap_add(&map, key, &values[i]);
    }
    strmap_add(&map, "ecs.service/s7", &values[N]);
    assert_ptr_equal(strmap_get(&map, "ecs.service/s7"), &values[N]);
    assert_ptr_equal(strmap_get(&map, "ecs.service/s19999"), &values[19999]);
    assert_null(strmap_get(&map, "ecs.service/s20000"));
    strmap_release(&map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shows_what_steers_a_terminal),
        cmocka_unit_test(knows_utf8),
        cmocka_unit_test(cuts_what_is_shown),
        cmocka_unit_test(finds_what_was_added_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
