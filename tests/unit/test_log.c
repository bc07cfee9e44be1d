/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
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

static void styles(void **state)
{
    (void)state;
    log_init(fds[1], LOG_INFO, true);
    log_styled(LOG_PLAIN, "a %d", 1);
    log_styled(LOG_HEADING, "b");
    log_styled(LOG_GOOD, "c");
    log_styled(LOG_BAD, "d");
    expect("a 1\n\033[1mb\033[0m\n\033[32mc\033[0m\n\033[31md\033[0m\n");
    log_init(fds[1], LOG_INFO, false);
    log_styled(LOG_BAD, "d");
    expect("d\n");
}

/* What has been written, with the marks' times as 0. */
static void expect_timeless(const char *text)
{
    char got[4096];
    ssize_t n = read(fds[0], got, sizeof(got) - 1);
    got[n > 0 ? n : 0] = '\0';
    _cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
    for (const char *p = got; *p != '\0';) {
        size_t mark = str_starts(p, "section_start:") ? 14 : str_starts(p, "section_end:") ? 12 : 0;
        strbuf_add(&out, p, mark > 0 ? mark : 1);
        p += mark > 0 ? mark : 1;
        if (mark > 0)
            p += strspn(p, "0123456789");
    }
    assert_string_equal(out.buf, text);
}

/* Whatever is said by whomever is seen, not folded away with what was said before. */
static void an_aside_ends_with_the_next_line(void **state)
{
    (void)state;
    log_init(fds[1], LOG_INFO, false);
    log_folds(true);
    log_aside_start("wait_1", "waiting for x");
    log_aside("x: %d", 1);
    log_aside("x: %d", 2);
    assert_true(log_aside_is_open());
    log_warn("SIGTERM");
    assert_false(log_aside_is_open());
    log_info("b");
    expect_timeless("section_start::wait_1[collapsed=true]\r\033[0Kwaiting for x\nx: 1\nx: 2\n"
                    "section_end::wait_1\r\033[0K\nWARNING: SIGTERM\nb\n");
    log_aside_start("wait_2", "waiting for x");
    log_aside_start("wait_3", "waiting for y");
    log_section_start("plan", false, "the plan");
    log_section_end("plan");
    expect_timeless("section_start::wait_2[collapsed=true]\r\033[0Kwaiting for x\n"
                    "section_end::wait_2\r\033[0K\n"
                    "section_start::wait_3[collapsed=true]\r\033[0Kwaiting for y\n"
                    "section_end::wait_3\r\033[0K\n"
                    "section_start::plan\r\033[0Kthe plan\nsection_end::plan\r\033[0K\n");
    log_section_start("plan", true, "another"); /* a job may destroy several environments */
    log_section_end("plan");
    expect_timeless("section_start::plan_2[collapsed=true]\r\033[0Kanother\n"
                    "section_end::plan_2\r\033[0K\n");
}

static void nothing_is_folded_for_who_folds_nothing(void **state)
{
    (void)state;
    log_init(fds[1], LOG_INFO, false);
    log_section_start("plan", true, "the plan");
    log_info("a");
    log_section_end("plan");
    log_aside_start("wait_1", "waiting for x");
    assert_false(log_aside_is_open());
    log_aside("x: 1");
    expect("the plan\na\nx: 1\n");
}

static void draw(const char *lines)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    strbuf_adds(&text, lines);
    log_footer(&text);
}

static void there_is_no_footer_but_on_a_terminal(void **state)
{
    (void)state;
    log_init(fds[1], LOG_INFO, false);
    draw("not on a terminal\n");
    log_info("x");
    expect("x\n");
}

static void the_footer_is_redrawn(void **state)
{
    (void)state;
    log_init(fds[1], LOG_INFO, false);
    log_live();
    draw("1 of 2\n  x\n");
    expect("1 of 2\n  x\n");
    log_info("x: created");
    expect("\033[2A\r\033[Jx: created\n1 of 2\n  x\n");
    draw("2 of 2\n");
    expect("\033[2A\r\033[J2 of 2\n");
    log_footer(NULL);
    log_info("done");
    expect("\033[1A\r\033[Jdone\n");
}

/* One line of the text is one of the terminal, 80 wide and 24 high where it does not say, and none
 * of them steers it or tells a secret. */
static void the_footer_fits(void **state)
{
    (void)state;
    log_init(fds[1], LOG_INFO, false);
    log_live();
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    redact_add("open sesame");
    strbuf_adds(&text, "it is open sesame\n\033[2J\n");
    for (int i = 0; i < 100; i++)
        strbuf_adds(&text, "\u00e9");
    for (int i = 0; i < 40; i++)
        strbuf_adds(&text, "\nx");
    log_footer(&text);
    char got[4096];
    ssize_t n = read(fds[0], got, sizeof(got) - 1);
    got[n > 0 ? n : 0] = '\0';
    log_footer(NULL);
    expect("\033[22A\r\033[J");
    static const char head[] = "it is [MASKED]\n\\x1b[2J\n";
    assert_true(str_starts(got, head));
    const char *third = got + strlen(head);
    assert_int_equal(strcspn(third, "\n"), 79 * 2);
    size_t rows = 0;
    for (const char *p = got; *p != '\0'; p++)
        rows += *p == '\n';
    assert_int_equal(rows, 22);
}

/* What the runner would make room for at the cost of the last line; the caller frees it. */
static char *long_text(size_t len, char c)
{
    char *text = xmalloc(len + 1);
    memset(text, c, len);
    text[len] = '\0';
    return text;
}

static void a_long_line_keeps_both_ends(void **state)
{
    (void)state;
    log_init(fds[1], LOG_INFO, false);
    _cleanup_free_ char *middle = long_text((size_t)1 << 18, '\x1b');
    log_error("cannot do it: %s; do that instead", middle);
    char got[16384];
    ssize_t n = read(fds[0], got, sizeof(got) - 1);
    assert_in_range(n, 4096, 8500);
    got[n] = '\0';
    assert_true(str_starts(got, "ERROR: cannot do it: \\x1b\\x1b"));
    assert_non_null(strstr(got, " bytes left out) ... "));
    assert_true(strcmp(got + n - strlen("\\x1b; do that instead\n"), "\\x1b; do that instead\n") ==
                0);
}

/* How much a file holds. */
static size_t size_of(FILE *file)
{
    return (size_t)lseek(fileno(file), 0, SEEK_END);
}

static void a_log_keeps_room_for_its_end(void **state)
{
    (void)state;
    FILE *file = tmpfile();
    assert_non_null(file);
    log_init(fileno(file), LOG_INFO, false);
    log_bound();
    _cleanup_free_ char *line = long_text(1000, 'x');
    for (size_t i = 0; i < 5000; i++)
        log_info("%s", line);
    for (size_t i = 0; i < 5000; i++)
        log_warn("%s", line);
    size_t filled = size_of(file);
    assert_in_range(filled, (size_t)2 << 20, (size_t)3 << 20);
    log_info("in vain");
    log_warn("in vain");
    assert_int_equal(size_of(file), filled);
    log_error("the cause");
    char end[300] = "";
    assert_true(pread(fileno(file), end, sizeof(end) - 1, (off_t)filled) > 0);
    assert_string_equal(end, "ERROR: the cause\n");
    static char all[3 << 20];
    ssize_t n = pread(fileno(file), all, sizeof(all) - 1, 0);
    all[n > 0 ? n : 0] = '\0';
    assert_non_null(strstr(all,
                           "\n(this log gets too long: from here on plain lines are left out)\n"
                           "WARNING: xxx"));
    assert_non_null(
        strstr(all, "\n(this log gets too long: from here on warnings are left out)\n"));
    log_init(STDERR_FILENO, LOG_INFO, false);
    fclose(file);
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
        cmocka_unit_test(styles),
        cmocka_unit_test(an_aside_ends_with_the_next_line),
        cmocka_unit_test(nothing_is_folded_for_who_folds_nothing),
        cmocka_unit_test(there_is_no_footer_but_on_a_terminal),
        cmocka_unit_test(the_footer_is_redrawn),
        cmocka_unit_test(the_footer_fits),
        cmocka_unit_test(a_long_line_keeps_both_ends),
        cmocka_unit_test(a_log_keeps_room_for_its_end),
        cmocka_unit_test(no_secret_gets_out),
        cmocka_unit_test(lines_of_threads_do_not_mix),
        cmocka_unit_test(nothing_is_lost_in_a_full_pipe),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
