/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "executor/base/random.h"
#include "executor/base/str.h"

static void names_are_of_their_length_and_never_the_same(void **state)
{
    (void)state;
    static const char prefix[] = "layers-";
    _cleanup_free_ char *one = random_name(prefix, 8), *other = random_name(prefix, 8);
    assert_int_equal(strlen(one), strlen(prefix) + 16);
    assert_true(str_starts(one, prefix));
    assert_int_equal(strspn(one + strlen(prefix), "0123456789abcdef"), 16);
    assert_string_not_equal(one, other);
}

/* From now on this process has no getrandom(2), as with a kernel that lacks it. */
static bool refuse_random(void)
{
    static struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getrandom, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = { .len = ARRAY_SIZE(filter), .filter = filter };
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static void no_other_numbers_will_do(void **state)
{
    (void)state;
    int status = 0;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (!refuse_random())
            _exit(77);
        setenv("SYSTEM_FAILURE_EXIT_CODE", "42", 1);
        close(STDERR_FILENO);
        free(random_name("", 8));
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        skip();
    assert_int_equal(WEXITSTATUS(status), 42);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_of_their_length_and_never_the_same),
        cmocka_unit_test(no_other_numbers_will_do),
    };
    return cmocka_run_group_tests_name("random", tests, NULL, NULL);
}
