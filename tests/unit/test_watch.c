/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_signal),
        cmocka_unit_test(test_first_signal_cancels),
        cmocka_unit_test(test_second_signal_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
