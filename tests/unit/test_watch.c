/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "executor/base/log.h"
#include "executor/watch.h"

#define CODE 42

/* In a process of its own: what it ends with after `signals` SIGTERMs, each sent when the one
 * before has been noticed. Without a second signal it ends by itself, with 0 if the cancel was set.
 */
static int end_after(int signals, int second)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        log_init(open("/dev/null", O_WRONLY), LOG_ERROR, false);
        alarm(10);
        struct cancel cancel;
        cancel_init(&cancel);
        struct watch *watch = watch_start(&cancel, CODE);
        if (watch == NULL)
            _exit(99);
        if (signals > 0) {
            kill(getpid(), SIGTERM);
            cancel_sleep(&cancel, 5);
        }
        if (signals > 1) {
            kill(getpid(), second);
            pause();
        }
        bool set = cancel_is_set(&cancel);
        watch_stop(watch);
        cancel_release(&cancel);
        _exit(set == (signals > 0) ? 0 : 98);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void test_no_signal(void **state)
{
    (void)state;
    assert_int_equal(end_after(0, 0), 0);
}

static void test_first_signal_cancels(void **state)
{
    (void)state;
    assert_int_equal(end_after(1, 0), 0);
}

static void test_second_signal_ends(void **state)
{
    (void)state;
    assert_int_equal(end_after(2, SIGTERM), CODE);
    assert_int_equal(end_after(2, SIGINT), CODE);
}

/* The writing end of a pipe that is full and that nobody reads. */
static int full_pipe(void)
{
    static const char text[4096];
    int ends[2];
    if (pipe2(ends, O_NONBLOCK) < 0)
        return -1;
    while (write(ends[1], text, sizeof(text)) > 0)
        continue;
    return fcntl(ends[1], F_SETFL, 0) == 0 ? ends[1] : -1;
}

static void *log_forever(void *unused)
{
    log_error("whoever writes this holds the log");
    return unused;
}

/* The log stands still, while somebody is in the middle of it. */
static void test_nobody_reads_the_log(void **state)
{
    (void)state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        pthread_t writer;
        alarm(25);
        struct cancel cancel;
        cancel_init(&cancel);
        log_init(full_pipe(), LOG_WARN, false);
        struct watch *watch = watch_start(&cancel, CODE);
        if (watch == NULL || pthread_create(&writer, NULL, log_forever, NULL) != 0)
            _exit(99);
        kill(getpid(), SIGTERM);
        cancel_sleep(&cancel, 20);
        kill(getpid(), SIGTERM);
        pause();
        _exit(98);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), CODE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_signal),
        cmocka_unit_test(test_first_signal_cancels),
        cmocka_unit_test(test_second_signal_ends),
        cmocka_unit_test(test_nobody_reads_the_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
