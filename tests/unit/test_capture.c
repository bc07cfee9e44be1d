/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "executor/base/process.h"
#include "executor/capture.h"

#define BOUND 100000

/* Runs a command, capturing both of its outputs; *ret_end may be NULL. */
static void run(const char *command, struct process limits, struct strbuf *out,
                struct strbuf *errors, struct process_end *ret_end)
{
    _cleanup_err_ struct err err = ERR_INIT;
    struct capture capture;
    char *const argv[] = { (char *)"sh", (char *)"-c", (char *)command, NULL };
    assert_int_equal(capture_start(&capture, out, errors, BOUND, &err), 0);
    limits.file = "sh";
    limits.argv = argv;
    limits.out = capture.write[0];
    limits.errors = capture.write[1];
    struct process_end end = { .code = -1 };
    int r = process_run(&limits, &end, &err);
    capture_end(&capture);
    assert_int_equal(r, 0);
    if (ret_end != NULL)
        *ret_end = end;
}

static void both_and_one(void **state)
{
    (void)state;
    _cleanup_strbuf_ struct strbuf out = STRBUF_INIT, errors = STRBUF_INIT;
    run("echo out; echo bad >&2; exec 1>&-; sleep 0.05; echo more >&2", (struct process){ 0 }, &out,
        &errors, NULL);
    assert_string_equal(out.buf, "out\n");
    assert_string_equal(errors.buf, "bad\nmore\n");
    strbuf_reset(&errors);
    run("echo x >&2", (struct process){ 0 }, NULL, &errors, NULL);
    assert_string_equal(errors.buf, "x\n");
}

static void more_than_its_bound(void **state)
{
    (void)state;
    _cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
    struct process_end end;
    run("head -c 5000000 /dev/zero && echo end >&2", (struct process){ 0 }, &out, NULL, &end);
    assert_int_equal(out.len, BOUND);
    assert_int_equal(end.code, 0);
}

/* All of it goes to the log, which is a file here, and the end is there as well. */
static void what_is_shown(void **state)
{
    (void)state;
    _cleanup_strbuf_ struct strbuf errors = STRBUF_INIT;
    _cleanup_err_ struct err err = ERR_INIT;
    struct capture capture;
    struct process_end end;
    char *const argv[] = { (char *)"sh", (char *)"-c", (char *)"seq 1000000 >&2", NULL };
    _cleanup_close_ int before = dup(STDERR_FILENO);
    _cleanup_close_ int log = memfd_create("log", MFD_CLOEXEC);
    assert_int_equal(dup2(log, STDERR_FILENO), STDERR_FILENO);
    int r = capture_start_shown(&capture, &errors, BOUND, &err);
    const struct process process = { .file = "sh", .argv = argv, .errors = capture.write[1] };
    r = r < 0 ? r : process_run(&process, &end, &err);
    capture_end(&capture);
    assert_int_equal(dup2(before, STDERR_FILENO), STDERR_FILENO);
    assert_int_equal(r, 0);
    assert_in_range(errors.len, BOUND, 2 * BOUND);
    off_t all = lseek(log, 0, SEEK_END);
    assert_int_equal(all, 6888896);
    _cleanup_free_ char *shown = xmalloc(errors.len);
    assert_int_equal(pread(log, shown, errors.len, all - (off_t)errors.len), errors.len);
    assert_memory_equal(errors.buf, shown, errors.len);
}

/* What still holds the pipe is not waited for. */
static void a_writer_that_stays(void **state)
{
    (void)state;
    _cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
    run("sleep 60 & echo $!", (struct process){ 0 }, &out, NULL, NULL);
    int64_t pid;
    strbuf_cut(&out, out.len - 1);
    assert_int_equal(str_to_int64(out.buf, 2, INT32_MAX, &pid), 0);
    assert_int_equal(kill((pid_t)pid, SIGKILL), 0);
}

static void time_is_over(void **state)
{
    (void)state;
    _cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
    struct process_end end;
    run("echo begun; exec sleep 60", (struct process){ .seconds = 0.5 }, &out, NULL, &end);
    assert_true(end.timed_out);
    assert_false(end.cancelled);
    assert_int_equal(end.signal, SIGTERM);
    run("exit 3", (struct process){ .seconds = 60 }, &out, NULL, &end);
    assert_false(end.timed_out);
    assert_int_equal(end.code, 3);
}

static void cancel_soon(void *argument)
{
    usleep(200000);
    cancel_set(argument);
}

static void a_cancel_ends_it(void **state)
{
    (void)state;
    _cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
    struct process_end end;
    struct cancel cancel;
    uv_thread_t thread;
    cancel_init(&cancel);
    run("exit 0", (struct process){ .cancel = &cancel }, &out, NULL, &end);
    assert_false(end.cancelled);
    uv_thread_create(&thread, cancel_soon, &cancel);
    run("exec sleep 60", (struct process){ .cancel = &cancel, .seconds = 30 }, &out, NULL, &end);
    uv_thread_join(&thread);
    assert_true(end.cancelled);
    assert_false(end.timed_out);
    assert_int_equal(end.signal, SIGTERM);
    /* One that is set already, too. */
    run("exec sleep 60", (struct process){ .cancel = &cancel, .seconds = 30 }, &out, NULL, &end);
    assert_true(end.cancelled);
    cancel_release(&cancel);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_and_one),  cmocka_unit_test(more_than_its_bound),
        cmocka_unit_test(what_is_shown), cmocka_unit_test(a_writer_that_stays),
        cmocka_unit_test(time_is_over),  cmocka_unit_test(a_cancel_ends_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
