/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "executor/base/clock.h"
#include "executor/base/str.h"

static void dates(void **state)
{
    (void)state;
    char buf[32];
    clock_basic_date(1440938160, buf, sizeof(buf)); /* the date of AWS's SigV4 example */
    assert_string_equal(buf, "20150830T123600Z");
    clock_iso_date(0, buf, sizeof(buf));
    assert_string_equal(buf, "1970-01-01T00:00:00Z");
    clock_iso_date(0, buf, 5);
    assert_string_equal(buf, "");
}

static void spans(void **state)
{
    (void)state;
    static const struct {
        double seconds;
        const char *text;
    } cases[] = {
        { 0, "0.0 s" },      { 1.23, "1.2 s" },      { 59.9, "59.9 s" },
        { 60, "1 min 0 s" }, { 184.9, "3 min 4 s" }, { 4000, "66 min 40 s" },
    };
    char buf[32];
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_string_equal(clock_span(cases[i].seconds, buf, sizeof(buf)), cases[i].text);
}

static void dates_are_read_as_they_are_written(void **state)
{
    (void)state;
    static const char *const refused[] = {
        "",
        "2026-01-02",
        "2026-01-02T15:04:05",
        "2026-01-02T15:04:05+00:00",
        "tomorrow",
        "2026-02-30T00:00:00Z",
        "2026-1-2T15:04:05Z",
        " 2026-01-02T15:04:05Z",
        "2026-01-02T15:04:05Z ",
        "2026-13-02T15:04:05Z",
    };
    time_t t = 42;
    for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
        assert_int_equal(clock_read_iso_date(refused[i], &t), -1);
    assert_int_equal(t, 42);
    assert_int_equal(clock_read_iso_date("2015-08-30T12:36:00Z", &t), 0);
    assert_int_equal(t, 1440938160);
}

static void spans_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t seconds; /* 0: refused */
    } cases[] = {
        { "90m", 5400 },    { "72h", 259200 },
        { "14d", 1209600 }, { "2w", 1209600 },
        { "", 0 },          { "h", 0 },
        { "0h", 0 },        { "-1h", 0 },
        { "72", 0 },        { "72 h", 0 },
        { "72hh", 0 },      { "1.5h", 0 },
        { "1h30m", 0 },     { "99999999999w", 0 },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        int64_t seconds = 0;
        assert_int_equal(clock_read_span(cases[i].text, &seconds), cases[i].seconds > 0 ? 0 : -1);
        assert_int_equal(seconds, cases[i].seconds);
    }
}

static void ages(void **state)
{
    (void)state;
    static const struct {
        double seconds;
        const char *text;
    } cases[] = {
        { 0, "0 min" },
        { 59, "0 min" },
        { 5999, "99 min" },
        { 6000, "1 h" },
        { 100 * 3600 - 1, "99 h" },
        { 12.9 * 86400, "12 days" },
    };
    char buf[32];
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_string_equal(clock_age(cases[i].seconds, buf, sizeof(buf)), cases[i].text);
}

static void time_goes_on(void **state)
{
    (void)state;
    double before = clock_now();
    struct cancel c;
    cancel_init(&c);
    assert_int_equal(cancel_sleep(&c, 0.03), 0);
    double slept = clock_now() - before;
    assert_true(slept >= 0.03 && slept < 5);
    cancel_release(&c);
}

static void sleep_long(void *argument)
{
    struct cancel *c = argument;
    if (cancel_sleep(c, 60) == 0)
        cancel_release(c); /* never: the test's assertion on time would see it */
}

static void cancelling_wakes_every_sleeper(void **state)
{
    (void)state;
    struct cancel c;
    cancel_init(&c);
    assert_false(cancel_is_set(&c));
    double before = clock_now();
    uv_thread_t threads[4];
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
        uv_thread_create(&threads[i], sleep_long, &c);
    cancel_set(&c);
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
        uv_thread_join(&threads[i]);
    assert_true(clock_now() - before < 10);
    assert_true(cancel_is_set(&c));
    assert_int_equal(cancel_sleep(&c, 60), -1); /* once set it stays set */
    cancel_release(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dates),
        cmocka_unit_test(spans),
        cmocka_unit_test(dates_are_read_as_they_are_written),
        cmocka_unit_test(spans_are_read),
        cmocka_unit_test(ages),
        cmocka_unit_test(time_goes_on),
        cmocka_unit_test(cancelling_wakes_every_sleeper),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
