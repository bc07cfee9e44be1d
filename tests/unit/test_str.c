/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "executor/base/str.h"

static void a_strbuf_is_always_a_string(void **state)
{
    (void)state;
    _cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;
    assert_string_equal(sb.buf, "");
    strbuf_add(&sb, "ignored", 0);
    assert_string_equal(sb.buf, "");
    strbuf_adds(&sb, "ab");
    strbuf_addc(&sb, 'c');
    strbuf_addf(&sb, "-%d-%s", 7, "x");
    assert_string_equal(sb.buf, "abc-7-x");
    assert_int_equal(sb.len, 7);
    strbuf_reset(&sb);
    assert_string_equal(sb.buf, "");
    for (int i = 0; i < 10000; i++)
        strbuf_addf(&sb, "%d,", i);
    assert_int_equal(strlen(sb.buf), sb.len);
    strbuf_release(&sb);
    assert_string_equal(sb.buf, "");
}

static void detach_gives_a_string_of_its_own(void **state)
{
    (void)state;
    struct strbuf sb = STRBUF_INIT;
    _cleanup_free_ char *empty = strbuf_detach(&sb);
    assert_string_equal(empty, "");
    strbuf_adds(&sb, "x");
    _cleanup_free_ char *x = strbuf_detach(&sb);
    assert_string_equal(x, "x");
    assert_string_equal(sb.buf, "");
}

static void encodings(void **state)
{
    (void)state;
    _cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;
    strbuf_add_percent(&sb, "aZ09-._~ /+\xc3\xa9", 13);
    assert_string_equal(sb.buf, "aZ09-._~%20%2F%2B%C3%A9");
    strbuf_reset(&sb);
    strbuf_add_hex(&sb, (const unsigned char *)"\x00\x0f\xff", 3);
    assert_string_equal(sb.buf, "000fff");
}

static void comparing(void **state)
{
    (void)state;
    assert_true(str_eq(NULL, NULL));
    assert_false(str_eq(NULL, ""));
    assert_true(str_starts("abc", "ab") && str_starts("abc", "") && !str_starts(NULL, ""));
    assert_false(str_starts("a", "ab"));
    assert_true(str_ends("abc", "bc") && str_ends("abc", "") && !str_ends(NULL, ""));
    assert_false(str_ends("c", "bc"));
}

static void globs(void **state)
{
    (void)state;
    static const struct {
        const char *pattern;
        const char *string;
        bool match;
    } cases[] = {
        { "master", "master", true },
        { "master", "master2", false },
        { "master", "Master", false },
        { "dev/feature*", "dev/feature/login", true },
        { "dev/feature*", "dev/feature", true },
        { "dev/feature*", "xdev/feature", false },
        { "*", "", true },
        { "", "", true },
        { "", "a", false },
        { "?", "", false },
        { "a?c", "abc", true },
        { "*a*b*", "xxaxxbxx", true },
        { "*a*b", "ab/ab/abc", false },
        { "*ab", "aab", true },
        { "[a]", "a", false }, /* no character classes */
        { "\\*", "*", false }, /* no escapes */
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        if (str_glob(cases[i].pattern, cases[i].string) != cases[i].match)
            fail_msg("'%s' on '%s'", cases[i].pattern, cases[i].string);
}

static void a_hostile_glob_is_quick(void **state)
{
    (void)state;
    char text[4096];
    memset(text, 'a', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    assert_false(str_glob("*a*a*a*a*a*a*a*a*a*a*a*a*b", text));
}

static void distances(void **state)
{
    (void)state;
    assert_int_equal(str_distance("services", "services", 3), 0);
    assert_int_equal(str_distance("servics", "services", 3), 1);
    assert_int_equal(str_distance("kitten", "sitting", 5), 3);
    assert_int_equal(str_distance("", "abc", 5), 3);
    assert_int_equal(str_distance("abc", "xyz", 1), 2); /* limit + 1 */
    assert_int_equal(str_distance("a", "abcdefgh", 2), 3);
}

static void numbers(void **state)
{
    (void)state;
    int64_t value = 42;
    static const char *const wrong[] = {
        "", " 1", "1 ", "+1", "1.0", "0x1", "--1", "abc", "101", "-11", "9223372036854775808", "1e2"
    };
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        assert_int_equal(str_to_int64(wrong[i], -10, 100, &value), -1);
    assert_int_equal(value, 42);
    assert_int_equal(str_to_int64("-10", -10, 100, &value), 0);
    assert_int_equal(value, -10);
    assert_int_equal(str_to_int64("9223372036854775807", 0, INT64_MAX, &value), 0);
    assert_true(value == INT64_MAX);
}

static void lists(void **state)
{
    (void)state;
    _cleanup_strlist_ struct strlist l = STRLIST_INIT;
    assert_false(strlist_has(&l, "a"));
    strlist_add(&l, "a");
    strlist_addf(&l, "%s%d", "b", 2);
    assert_int_equal(l.n, 2);
    assert_true(strlist_has(&l, "b2"));
    assert_null(l.v[2]);
}

static void stealing_leaves_null(void **state)
{
    (void)state;
    char *p = xstrdup("x");
    _cleanup_free_ char *q = steal_ptr(&p);
    assert_null(p);
    assert_string_equal(q, "x");
}

static int fork_and_exhaust(const char *code)
{
    pid_t pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_WRONLY);
        dup2(null, STDERR_FILENO);
        setenv("SYSTEM_FAILURE_EXIT_CODE", code, 1);
        struct strbuf sb = STRBUF_INIT;
        strbuf_reserve(&sb, STRBUF_CEILING);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void too_much_ends_the_process_with_the_system_failure(void **state)
{
    (void)state;
    assert_int_equal(fork_and_exhaust("72"), 72);
    assert_int_equal(fork_and_exhaust("nonsense"), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_strbuf_is_always_a_string),
        cmocka_unit_test(detach_gives_a_string_of_its_own),
        cmocka_unit_test(encodings),
        cmocka_unit_test(comparing),
        cmocka_unit_test(globs),
        cmocka_unit_test(a_hostile_glob_is_quick),
        cmocka_unit_test(distances),
        cmocka_unit_test(numbers),
        cmocka_unit_test(lists),
        cmocka_unit_test(stealing_leaves_null),
        cmocka_unit_test(too_much_ends_the_process_with_the_system_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
