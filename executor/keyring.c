/* SPDX-License-Identifier: MIT */
#include "executor/keyring.h"

#include <errno.h>
#include <linux/keyctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* All rights but that to set rights, for who has the ring as its own; none for its owner and all
 * others (keyctl_setperm(3)). The rights of both count for the owner, so one of them is too many.
 */
#define RIGHTS 0x1f000000

/* There is no such ring, or nobody can get at what was in it any more (ENOKEY also for one that
 * nobody has any right to); or there are no keys at all,
 * in this kernel or for us (a container's seccomp filter). */
static bool is_as_good_as_empty(int error)
{
    return error == ENOKEY || error == EKEYREVOKED || error == EKEYEXPIRED || error == ENOSYS ||
           error == EPERM || error == EOPNOTSUPP;
}

static int clear(long ring)
{
    if (syscall(SYS_keyctl, KEYCTL_CLEAR, ring) < 0 && !is_as_good_as_empty(errno))
        return -1;
    /* Denied where it is done already. */
    (void)!syscall(SYS_keyctl, KEYCTL_SETPERM, ring, RIGHTS);
    return 0;
}

static int clear_persistent(void)
{
    long ring = syscall(SYS_keyctl, KEYCTL_GET_PERSISTENT, -1, KEY_SPEC_PROCESS_KEYRING);
    if (ring < 0)
        return is_as_good_as_empty(errno) ? 0 : -1;
    return clear(ring);
}

/* In a child: only the user itself has its rings as its own, root has not. */
_Noreturn static void clear_as(unsigned uid)
{
    if (syscall(SYS_setresuid, uid, uid, uid) < 0 || clear(KEY_SPEC_USER_KEYRING) < 0 ||
        clear(KEY_SPEC_USER_SESSION_KEYRING) < 0 || clear_persistent() < 0)
        _exit(errno);
    _exit(0);
}

int keyring_clear_user(unsigned uid, struct err *err)
{
    int status;
    pid_t pid = fork();
    if (pid == 0)
        clear_as(uid);
    if (pid < 0)
        return err_set_errno(err, ERR_HOST, errno, "cannot start a process");
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return err_set_errno(err, ERR_HOST, errno, "cannot wait for a process");
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    return err_set_errno(err, ERR_HOST, WIFEXITED(status) ? WEXITSTATUS(status) : EINTR,
                         "the key rings of user %u cannot be emptied; take another user instead of "
                         "it, or restart the host",
                         uid);
}
