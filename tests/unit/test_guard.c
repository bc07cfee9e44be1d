/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "executor/base/log.h"
#include "executor/base/process.h"
#include "executor/guard.h"

#define KILLED    17
#define SIGNALLED 18

/* What worker and children write to the test: a pid each, or one byte. */
static int pipes[2];

static int set_up(void **state)
{
    (void)state;
    log_init(open("/dev/null", O_WRONLY | O_CLOEXEC), LOG_ERROR, false);
    process_adopt_orphans();
    return pipe(pipes);
}

static int tear_down(void **state)
{
    (void)state;
    log_init(STDERR_FILENO, LOG_INFO, false);
    return close(pipes[0]);
}

/* A stage, in a group of its own as the runner starts it, whose worker does `work`. The test's end
 * of the pipe is at its end when worker and children are gone. */
static pid_t start_stage(int (*work)(void))
{
    pid_t pid = fork();
    if (pid == 0) {
        setpgid(0, 0);
        prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
        guard_start(KILLED, SIGNALLED);
        _exit(work());
    }
    setpgid(pid, pid);
    close(pipes[1]);
    return pid;
}

static void tell(pid_t pid)
{
    (void)!write(pipes[1], &pid, sizeof(pid));
}

static pid_t hear(void)
{
    struct pollfd readable = { .fd = pipes[0], .events = POLLIN };
    pid_t pid;
    assert_int_equal(poll(&readable, 1, 20000), 1);
    return read(pipes[0], &pid, sizeof(pid)) == sizeof(pid) ? pid : 0;
}

static int end_of(pid_t pid)
{
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static int end_with_5(void)
{
    return 5;
}

static int wait_for_ever(void)
{
    tell(getpid());
    while (pause() < 0)
        ;
    return 0;
}

static volatile sig_atomic_t noted;

static void note(int signum)
{
    noted = 1;
    tell(signum);
}

static void wait_for_a_signal(void)
{
    tell(getpid());
    while (noted == 0)
        poll(NULL, 0, 10);
}

static int wait_for_a_signal_and_succeed(void)
{
    signal(SIGTERM, note);
    wait_for_a_signal();
    return 0;
}

static int wait_for_a_signal_and_fail(void)
{
    wait_for_a_signal_and_succeed();
    return 3;
}

/* What has left the group and ignores what it can, and the worker besides. */
static int start_one_that_stays(void)
{
    pid_t child = fork();
    if (child == 0) {
        setsid();
        signal(SIGTERM, SIG_IGN);
        tell(getpid());
        for (;;)
            pause();
    }
    return wait_for_ever();
}

static int be_told_of_the_guards_end(void)
{
    signal(PROCESS_ORPHANED, note);
    wait_for_a_signal();
    return 0;
}

static int say_groups(void)
{
    char *const argv[] = { (char *)"sh",
                           (char *)"-c",
                           (char *)"exit $(( $(ps -o pgid= $$) == $1 ? 4 : 5 ))",
                           (char *)"sh",
                           xasprintf("%d", (int)getpgid(getppid())),
                           NULL };
    const struct process process = { .file = "sh", .argv = argv };
    struct process_end end;
    _cleanup_err_ struct err err = ERR_INIT;
    if (process_run(&process, &end, &err) < 0)
        return 6;
    return getpgrp() == getpid() ? end.code : 7;
}

static void it_ends_as_the_worker_does(void **state)
{
    (void)state;
    assert_int_equal(end_of(start_stage(end_with_5)), 5);
}

/* The worker lives through what the runner sends to the group; what it starts does not. */
static void the_worker_has_its_own_group_and_its_children_the_runners(void **state)
{
    (void)state;
    assert_int_equal(end_of(start_stage(say_groups)), 4);
}

static void signals_are_passed_on(void **state)
{
    (void)state;
    pid_t stage = start_stage(wait_for_a_signal_and_fail);
    hear();
    kill(stage, SIGTERM);
    assert_int_equal(hear(), SIGTERM);
    assert_int_equal(end_of(stage), 3);
}

static void success_after_a_signal_is_none(void **state)
{
    (void)state;
    pid_t stage = start_stage(wait_for_a_signal_and_succeed);
    hear();
    kill(-stage, SIGTERM);
    assert_int_equal(hear(), SIGTERM);
    assert_int_equal(end_of(stage), SIGNALLED);
}

static void a_killed_worker_leaves_nothing(void **state)
{
    (void)state;
    pid_t stage = start_stage(start_one_that_stays);
    pid_t one = hear(), other = hear();
    kill(getpgid(one) == getsid(one) && getsid(one) == one ? other : one, SIGKILL);
    assert_int_equal(end_of(stage), KILLED);
    assert_int_equal(hear(), 0); /* at its end: nobody has the pipe */
}

static void a_killed_guard_is_told_to_the_worker(void **state)
{
    (void)state;
    pid_t stage = start_stage(be_told_of_the_guards_end);
    pid_t worker = hear();
    kill(stage, SIGKILL);
    assert_int_equal(hear(), PROCESS_ORPHANED);
    assert_int_equal(end_of(stage), 1000 + SIGKILL);
    assert_int_equal(end_of(worker), 0);
}

/* As the runner kills: the worker is in another group, and hears of it from the kernel. */
static void a_group_that_is_killed_leaves_no_worker(void **state)
{
    (void)state;
    pid_t stage = start_stage(wait_for_ever);
    pid_t worker = hear();
    kill(-stage, SIGKILL);
    assert_int_equal(end_of(stage), 1000 + SIGKILL);
    assert_int_equal(end_of(worker), 1000 + PROCESS_ORPHANED);
    assert_int_equal(hear(), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_ends_as_the_worker_does),
        TEST(the_worker_has_its_own_group_and_its_children_the_runners),
        TEST(signals_are_passed_on),
        TEST(success_after_a_signal_is_none),
        TEST(a_killed_worker_leaves_nothing),
        TEST(a_killed_guard_is_told_to_the_worker),
        TEST(a_group_that_is_killed_leaves_no_worker),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
