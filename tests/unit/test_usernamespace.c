/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "executor/base/file.h"
#include "executor/base/usernamespace.h"

/* Nobody's on this host, and not one as the other. */
#define UID 54323
#define GID 54324

static bool has_files;

/* The host's file says that, for this process alone. */
static bool replace(const char *file, const char *text)
{
    char name[] = "/tmp/berth-test-ids-XXXXXX";
    int fd = mkstemp(name);
    bool good = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) &&
                mount(name, file, "none", MS_BIND, "") == 0;
    closep(&fd);
    unlink(name);
    return good;
}

/* Of both files the owner is a login name or a user id, subgid(5); a group is no owner. */
static int write_files(void **state)
{
    (void)state;
    has_files = geteuid() == 0 && unshare(CLONE_NEWNS) == 0 &&
                mount("none", "/", "none", MS_REC | MS_PRIVATE, "") == 0 &&
                replace("/etc/subuid", "54324:200000:7\n54323:100000:10\n") &&
                replace("/etc/subgid", "54324:400000:7\n54323:300000:20\n");
    return 0;
}

static void a_users_id_owns_ranges_of_groups(void **state)
{
    (void)state;
    int64_t first, count;
    if (!has_files)
        skip();
    usernamespace_subordinates("nobodys", UID, &first, &count);
    assert_int_equal(first, 100000);
    assert_int_equal(count, 10);
    usernamespace_subordinate_groups("nobodys", UID, &first, &count);
    assert_int_equal(first, 300000);
    assert_int_equal(count, 20);
}

/* In a child, which enters it; its numbers are those of the namespace above. */
static void read_map(int namespace, const char *file, char *ret, size_t size)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        int fd = setns(namespace, CLONE_NEWUSER) == 0 ? open(file, O_RDONLY) : -1;
        ssize_t n = fd >= 0 ? read(fd, ret, size) : -1;
        _exit(n > 0 && write(fds[1], ret, (size_t)n) == n ? 0 : 1);
    }
    close(fds[1]);
    ssize_t n = read(fds[0], ret, size - 1);
    close(fds[0]);
    ret[n > 0 ? n : 0] = '\0';
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void check_map(int namespace, const char *file, unsigned own, int64_t from, int64_t n)
{
    char text[256];
    long long in[2], out[2], count[2];
    read_map(namespace, file, text, sizeof(text));
    assert_int_equal(sscanf(text, "%lld %lld %lld %lld %lld %lld", &in[0], &out[0], &count[0],
                            &in[1], &out[1], &count[1]),
                     6);
    assert_true(in[0] == 0 && out[0] == own && count[0] == 1);
    assert_true(in[1] == 1 && out[1] == from && count[1] == n);
}

static void a_namespace_has_the_users_ranges(void **state)
{
    (void)state;
    _cleanup_err_ struct err err = ERR_INIT;
    _cleanup_close_ int namespace = -1;
    const struct process_user user = { .uid = UID, .gid = GID };
    if (!has_files || usernamespace_make(&user, "nobodys", &namespace, &err) < 0)
        skip(); /* the kernel lets users make none */
    check_map(namespace, "/proc/self/uid_map", UID, 100000, 10);
    check_map(namespace, "/proc/self/gid_map", GID, 300000, 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_users_id_owns_ranges_of_groups),
        cmocka_unit_test(a_namespace_has_the_users_ranges),
    };
    return cmocka_run_group_tests_name("user namespace", tests, write_files, NULL);
}
