/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <linux/keyctl.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "executor/base/str.h"
#include "executor/keyring.h"

static const long rings[] = { KEY_SPEC_USER_KEYRING, KEY_SPEC_USER_SESSION_KEYRING };

/* A user whose rings are as the kernel makes them: nobody has had the number before. */
static unsigned new_user(void)
{
    unsigned n = 0;
    assert_int_equal(getrandom(&n, sizeof(n), 0), sizeof(n));
    return 0x40000000 | (n & 0x3fffffff);
}

/* What `act` says as a user. */
static int as_user(unsigned uid, int (*act)(void))
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL);
        _exit(syscall(SYS_setresuid, uid, uid, uid) == 0 ? act() : 100);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WEXITSTATUS(status);
}

static int add_to_all(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(rings); i++)
        if (syscall(SYS_add_key, "user", "left", "x", 1, rings[i]) < 0)
            return 1;
    return 0;
}

/* They can be searched, and so read, for ever; not changed. */
static int shut_all(void)
{
    int shut = 0;
    for (size_t i = 0; i < ARRAY_SIZE(rings); i++)
        shut += syscall(SYS_keyctl, KEYCTL_SETPERM, rings[i], 0x08080000) == 0;
    return shut;
}

static int count(void)
{
    char ids[400];
    long bytes = 0;
    for (size_t i = 0; i < ARRAY_SIZE(rings); i++) {
        long n = syscall(SYS_keyctl, KEYCTL_READ, rings[i], ids, sizeof(ids));
        if (n < 0)
            return 99;
        bytes += n;
    }
    return (int)(bytes / (long)sizeof(int32_t));
}

static void need_keys(void)
{
    if (geteuid() != 0 || as_user(new_user(), add_to_all) != 0)
        skip();
}

static void what_a_user_has_put_there_goes(void **state)
{
    (void)state;
    need_keys();
    _cleanup_err_ struct err err = ERR_INIT;
    unsigned uid = new_user();
    assert_int_equal(as_user(uid, add_to_all), 0);
    assert_true(as_user(uid, count) >= 2);
    if (keyring_clear_user(uid, &err) < 0)
        fail_msg("%s", err.message);
    assert_int_equal(as_user(uid, count), 0);
}

static void a_user_cannot_keep_its_keys_from_that(void **state)
{
    (void)state;
    need_keys();
    _cleanup_err_ struct err err = ERR_INIT;
    unsigned uid = new_user();
    assert_int_equal(keyring_clear_user(uid, &err), 0);
    assert_int_equal(as_user(uid, add_to_all), 0);
    assert_int_equal(as_user(uid, shut_all), 0);
    if (keyring_clear_user(uid, &err) < 0)
        fail_msg("%s", err.message);
    assert_int_equal(as_user(uid, count), 0);
}

static void one_that_is_shut_is_said(void **state)
{
    (void)state;
    need_keys();
    _cleanup_err_ struct err err = ERR_INIT;
    unsigned uid = new_user();
    assert_int_equal(as_user(uid, add_to_all), 0);
    assert_int_equal(as_user(uid, shut_all), 2);
    assert_int_equal(keyring_clear_user(uid, &err), -1);
    assert_int_equal(err.class, ERR_HOST);
    assert_non_null(strstr(err.message, "cannot be emptied"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_user_has_put_there_goes),
        cmocka_unit_test(a_user_cannot_keep_its_keys_from_that),
        cmocka_unit_test(one_that_is_shut_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
