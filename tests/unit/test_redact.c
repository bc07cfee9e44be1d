/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "executor/base/log.h"

static void becomes(const char *text, const char *expected)
{
    _cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;
    strbuf_adds(&sb, text);
    redact(&sb);
    assert_string_equal(sb.buf, expected);
}

static int tear_down(void **state)
{
    (void)state;
    redact_release();
    return 0;
}

static void every_form_of_a_secret(void **state)
{
    (void)state;
    redact_add("p\"ss w/rd+1");
    becomes("p\"ss w/rd+1", "[MASKED]");
    becomes("<p\"ss w/rd+1|p\"ss w/rd+1>", "<[MASKED]|[MASKED]>");
    becomes("{\"x\":\"p\\\"ss w/rd+1\"}", "{\"x\":\"[MASKED]\"}");
    becomes("a=p%22ss%20w%2Frd%2B1&b", "a=[MASKED]&b");
    becomes("p\"ss", "p\"ss");
}

/* The same twelve bytes at the three possible offsets of a base64 text. */
static void base64_at_any_offset(void **state)
{
    (void)state;
    redact_add("secret-value");
    static const char *const encoded[] = {
        "c2VjcmV0LXZhbHVl",     /* secret-value */
        "YXNlY3JldC12YWx1ZWI=", /* asecret-valueb */
        "YWFzZWNyZXQtdmFsdWU=", /* aasecret-value */
    };
    for (size_t i = 0; i < ARRAY_SIZE(encoded); i++) {
        _cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;
        strbuf_adds(&sb, encoded[i]);
        redact(&sb);
        assert_non_null(strstr(sb.buf, "[MASKED]"));
    }
}

static void the_longest_goes_first(void **state)
{
    (void)state;
    redact_add("sesame");
    redact_add("open sesame now");
    becomes("open sesame now", "[MASKED]");
    becomes("open sesame", "open [MASKED]");
}

static void short_ones_are_no_secrets(void **state)
{
    (void)state;
    redact_add(NULL);
    redact_add("");
    redact_add("12345");
    becomes("12345", "12345");
}

static void nothing_to_hide(void **state)
{
    (void)state;
    becomes("", "");
    becomes("plain", "plain");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(every_form_of_a_secret, tear_down),
        cmocka_unit_test_teardown(base64_at_any_offset, tear_down),
        cmocka_unit_test_teardown(the_longest_goes_first, tear_down),
        cmocka_unit_test_teardown(short_ones_are_no_secrets, tear_down),
        cmocka_unit_test_teardown(nothing_to_hide, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
