/* SPDX-License-Identifier: MIT */
/* Processes with a user's subordinate ids: nobody's, in a mount namespace of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "executor/base/process.h"
#include "executor/base/usernamespace.h"

static const struct process_user nobodys = { .uid = 54321, .gid = 54321 };

#define SUBORDINATE 1910000000u
#define ACCOUNT     (SUBORDINATE + 6) /* one that the host has given to somebody */

static void put_over(const char *path, const char *text)
{
    char copy[] = "/tmp/berth-test-process-XXXXXX";
    int fd = mkstemp(copy);
    if (fd < 0 || dprintf(fd, "%s", text) < 0 || fchmod(fd, 0644) < 0 ||
        mount(copy, path, NULL, MS_BIND, NULL) < 0)
        _exit(77);
    close(fd);
    unlink(copy);
}

/* A child that has become somebody, and then does `then`; 0: it could not. `told` is its own. */
static pid_t start_as(int namespace, uid_t uid, gid_t gid, void (*then)(int told), int told)
{
    int ready[2];
    char byte;
    if (pipe2(ready, O_CLOEXEC) < 0)
        return 0;
    pid_t pid = fork();
    if (pid == 0) {
        if ((namespace >= 0 && setns(namespace, CLONE_NEWUSER) < 0) ||
            setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0 ||
            write(ready[1], "", 1) != 1)
            _exit(1);
        close(ready[1]);
        then(told);
        _exit(0);
    }
    close(ready[1]);
    bool became = read(ready[0], &byte, 1) == 1;
    close(ready[0]);
    return became ? pid : 0;
}

static void stay(int told)
{
    (void)told;
    alarm(60);
    pause();
}

/* No look at /proc need find it. Who is not killed says so. */
static void fork_and_end(int told)
{
    double end = clock_now() + 10;
    pid_t pid = 0;
    while (pid == 0 && clock_now() < end)
        pid = fork();
    if (pid == 0)
        (void)!write(told, "", 1);
}

static bool is_running(pid_t pid)
{
    return waitpid(pid, NULL, WNOHANG) == 0;
}

static int kill_with_subordinates(void)
{
    _cleanup_err_ struct err err = ERR_INIT;
    _cleanup_strlist_ struct strlist left = STRLIST_INIT;
    _cleanup_close_ int namespace = -1;
    int told[2];
    char byte;
    process_adopt_orphans();
    if (usernamespace_make(&nobodys, "nobodys", &namespace, &err) < 0 || pipe2(told, O_CLOEXEC) < 0)
        return 77;
    pid_t forker = start_as(namespace, 4, 0, fork_and_end, told[1]);
    close(told[1]); /* before the others could have it */
    pid_t inside = start_as(namespace, 3, 0, stay, -1);
    pid_t outside = start_as(-1, SUBORDINATE + 5, 54321, stay, -1);
    pid_t account = start_as(-1, ACCOUNT, 54321, stay, -1);
    if (inside == 0 || forker == 0 || outside == 0 || account == 0)
        return 77;
    bool ended = process_kill_user(&nobodys, &left) == 0 && left.n >= 2;
    bool killed = read(told[0], &byte, 1) == 0 && kill(inside, 0) < 0 && kill(outside, 0) < 0;
    bool spared = is_running(account);
    kill(account, SIGKILL);
    close(told[0]);
    return (ended ? 0 : 1) + (killed ? 0 : 2) + (spared ? 0 : 4);
}

static void subordinate_ids_are_the_users(void **state)
{
    (void)state;
    pid_t pid = geteuid() == 0 ? fork() : -1;
    if (pid == 0) {
        if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
            _exit(77);
        put_over("/etc/subuid", "54321:1910000000:65535\n");
        put_over("/etc/passwd", "root:x:0:0::/root:/bin/sh\nx:x:1910000006:54321::/:/bin/sh\n");
        _exit(kill_with_subordinates());
    }
    int status = 0;
    if (pid < 0)
        skip();
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        skip();
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(subordinate_ids_are_the_users) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
