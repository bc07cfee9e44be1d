/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <unistd.h>
#include <uv.h>

#include "executor/base/log.h"

static int fds[2];

static int set_up(void **state)
{
    (void)state;
    return pipe(fds);
}

static int tear_down(void **state)
{
    (void)state;
    redact_release();
    close(fds[1]);
    return close(fds[0]);
}

static void expect(const char *text)
{
    char got[4096];
    ssize_t n = read(fds[0], got, sizeof(got) - 1);
    got[n > 0 ? n : 0] = '\0';
    assert_string_equal(got, text);
}

static void levels_and_labels(void **state)
{
    (void)state;
    log_init(fds[1], LOG_INFO, false);
    log_debug("not seen");
    log_info("a %d", 1);
    log_warn("b");
    log_error("c");
    expect("a 1\nWARNING: b\nERROR: c\n");
    log_init(fds[1], LOG_WARN, false);
    log_info("not seen");
    log_warn("seen");
    expect("WARNING: seen\n");
    log_init(fds[1], LOG_DEBUG, true);
    log_debug("d");
    log_error("e");
    expect("debug: d\n\033[31;1mERROR: e\033[0m\n");
    assert_true(log_has_colour());
}

static void no_secret_gets_out(void **state)
{
    (void)state;
    log_init(fds[1], LOG_INFO, false);
    redact_add("open sesame");
    log_info("it is 'open sesame'");
    log_error("%s%s", "open ", "sesame");
    expect("it is '[MASKED]'\nERROR: [MASKED]\n");
}

static void write_lines(void *argument)
{
    for (int i = 0; i < 20; i++)
        log_info("%s", (const char *)argument);
}

static void lines_of_threads_do_not_mix(void **state)
{
    (void)state;
    log_init(fds[1], LOG_INFO, false);
    uv_thread_t a, b;
    uv_thread_create(&a, write_lines, (void *)"aaaaaaaaaaaaaaaa");
    uv_thread_create(&b, write_lines, (void *)"bbbbbbbbbbbbbbbb");
    uv_thread_join(&a);
    uv_thread_join(&b);
    char got[1024];
    assert_int_equal(read(fds[0], got, sizeof(got)), 40 * 17);
    for (size_t i = 0; i < 40; i++) {
        const char *line = got + i * 17;
        assert_int_equal(line[16], '\n');
        for (size_t j = 1; j < 16; j++)
            assert_int_equal(line[j], line[0]);
    }
}

static void write_much(void *argument)
{
    for (int i = 0; i < 2000; i++)
        log_info("%s", (const char *)argument);
}

/* What a script has made non-blocking, and a reader that is slow. */
static void nothing_is_lost_in_a_full_pipe(void **state)
{
    (void)state;
    log_init(fds[1], LOG_INFO, false);
    assert_int_equal(fcntl(fds[1], F_SETFL, O_NONBLOCK), 0);
    static const char line[] = "0123456789012345678901234567890123456789012345678901234567890123";
    uv_thread_t writer;
    uv_thread_create(&writer, write_much, (void *)line);
    size_t got = 0;
    char chunk[8192];
    while (got < 2000 * sizeof(line)) {
        usleep(1000);
        ssize_t n = read(fds[0], chunk, sizeof(chunk));
        assert_true(n > 0);
        got += (size_t)n;
    }
    uv_thread_join(&writer);
    assert_int_equal(fcntl(fds[1], F_SETFL, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(levels_and_labels),
        cmocka_unit_test(no_secret_gets_out),
        cmocka_unit_test(lines_of_threads_do_not_mix),
        cmocka_unit_test(nothing_is_lost_in_a_full_pipe),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
