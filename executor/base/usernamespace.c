/* SPDX-License-Identifier: MIT */
#include "executor/base/usernamespace.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <sched.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "executor/base/spawn.h"

/* Below are users and services of the host, whatever the file says: useradd(8) begins at 100000
 * (SUB_UID_MIN in login.defs(5)). */
#define ID_LEAST ((int64_t)65536)
#define ID_MAX   ((int64_t)UINT32_MAX - 1)

bool usernamespace_range(const char *line, const char *name, unsigned uid, int64_t *ret_first,
                         int64_t *ret_count)
{
    size_t len = strcspn(line, ":");
    _cleanup_free_ char *owner = xstrndup(line, len), *number = xasprintf("%u", uid);
    if (line[len] != ':' || (!str_eq(owner, name) && !str_eq(owner, number)))
        return false;
    const char *first = line + len + 1;
    size_t digits = strcspn(first, ":");
    if (first[digits] != ':')
        return false;
    _cleanup_free_ char *from = xstrndup(first, digits);
    const char *rest = first + digits + 1;
    _cleanup_free_ char *count = xstrndup(rest, strcspn(rest, "\n"));
    return str_to_int64(from, ID_LEAST, ID_MAX, ret_first) == 0 &&
           str_to_int64(count, 1, ID_MAX - *ret_first, ret_count) == 0;
}

/* The first range that a file has for a user, whom also subgid(5) calls by its login name or its
 * user id; a count of 0: it has none. */
static void find_range(const char *file, const char *name, unsigned uid, int64_t *ret_first,
                       int64_t *ret_count)
{
    FILE *ranges = fopen(file, "re");
    char line[512];
    bool found = false;
    *ret_first = *ret_count = 0;
    while (ranges != NULL && !found && fgets(line, sizeof(line), ranges) != NULL)
        found = usernamespace_range(line, name, uid, ret_first, ret_count);
    if (!found)
        *ret_count = 0;
    if (ranges != NULL)
        fclose(ranges);
}

void usernamespace_subordinates(const char *name, unsigned uid, int64_t *ret_first,
                                int64_t *ret_count)
{
    find_range("/etc/subuid", name, uid, ret_first, ret_count);
}

void usernamespace_subordinate_groups(const char *name, unsigned uid, int64_t *ret_first,
                                      int64_t *ret_count)
{
    find_range("/etc/subgid", name, uid, ret_first, ret_count);
}

void usernamespace_ids_of(unsigned uid, struct usernamespace_ids *ret)
{
    const struct passwd *pw = getpwuid(uid);
    _cleanup_free_ char *number = xasprintf("%u", uid);
    *ret = (struct usernamespace_ids){ .uid = uid };
    usernamespace_subordinates(pw != NULL ? pw->pw_name : number, uid, &ret->first, &ret->count);
}

bool usernamespace_owns(const struct usernamespace_ids *ids, unsigned uid)
{
    return uid == ids->uid || ((int64_t)uid >= ids->first &&
                               (int64_t)uid < ids->first + ids->count && getpwuid(uid) == NULL);
}

/* The map of ids inside, first on each line, to ids outside: the user's `own`, and its range. */
static void form_map(unsigned own, int64_t first, int64_t count, struct strbuf *map)
{
    strbuf_addf(map, "0 %u 1\n", own);
    if (count > 0)
        strbuf_addf(map, "1 %lld %lld\n", (long long)first, (long long)count);
}

/* One write: the kernel takes no second one. */
static int write_map(pid_t pid, const char *map, const struct strbuf *text)
{
    _cleanup_free_ char *path = xasprintf("/proc/%d/%s", (int)pid, map);
    _cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);
    return fd >= 0 && write(fd, text->buf, text->len) == (ssize_t)text->len ? 0 : -1;
}

/* In the child, which has a copy of a program of several threads: nothing but plain calls. It holds
 * the namespace until it is killed. */
_Noreturn static void hold(const struct process_user *user, int report)
{
    bool made = syscall(SYS_setgroups, 0, NULL) == 0 &&
                syscall(SYS_setresgid, user->gid, user->gid, user->gid) == 0 &&
                syscall(SYS_setresuid, user->uid, user->uid, user->uid) == 0 &&
                unshare(CLONE_NEWUSER) == 0;
    int failure = made ? 0 : errno;
    process_hide(); /* it has a copy of all that we know */
    (void)!write(report, &failure, sizeof(failure));
    while (made)
        pause();
    _exit(1);
}

static int read_report(int fd)
{
    int failure = 0;
    ssize_t n;
    do
        n = read(fd, &failure, sizeof(failure));
    while (n < 0 && errno == EINTR);
    return n == sizeof(failure) ? failure : ESRCH;
}

/* The namespace that a child holds, with its ids written down; -1 with errno. */
static int take(pid_t pid, const struct process_user *user, const char *name)
{
    _cleanup_strbuf_ struct strbuf uids = STRBUF_INIT, gids = STRBUF_INIT;
    _cleanup_free_ char *path = xasprintf("/proc/%d/ns/user", (int)pid);
    int64_t first, count;
    usernamespace_subordinates(name, user->uid, &first, &count);
    form_map(user->uid, first, count, &uids);
    usernamespace_subordinate_groups(name, user->uid, &first, &count);
    form_map(user->gid, first, count, &gids);
    if (write_map(pid, "uid_map", &uids) < 0 || write_map(pid, "gid_map", &gids) < 0)
        return -1;
    return open(path, O_RDONLY | O_CLOEXEC);
}

int usernamespace_make(const struct process_user *user, const char *name, int *ret_fd,
                       struct err *err)
{
    int report[2];
    if (pipe2(report, O_CLOEXEC) < 0)
        return err_set_errno(err, ERR_HOST, errno, "cannot make a user namespace");
    pid_t pid = process_fork();
    if (pid == 0)
        hold(user, report[1]);
    int refused = pid < 0 ? errno : 0, fd = -1;
    close(report[1]);
    int failure = pid > 0 ? read_report(report[0]) : 0;
    close(report[0]);
    if (pid < 0)
        return err_set_errno(err, ERR_HOST, refused,
                             "cannot start a process that holds a user namespace");
    if (failure == 0 && (fd = take(pid, user, name)) < 0)
        failure = errno;
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    if (failure != 0)
        return err_set_errno(
            err, ERR_HOST, failure,
            "cannot make a user namespace for user '%s': the kernel must let users "
            "make them (user.max_user_namespaces), and /etc/subuid must not give "
            "the user ids that are others'",
            name);
    *ret_fd = fd;
    return 0;
}

/*
 * Who is root in a namespace takes the host's directories for its own, and may not read them
 * ("/var/lib/containers/sigstore: permission denied"). What `buildah unshare` sets tells buildah
 * and podman whom they work for:
 * https://github.com/containers/storage/blob/main/pkg/unshare/unshare_linux.go
 */
void usernamespace_environment(const struct process_user *user, struct strlist *env)
{
    strlist_add(env, "_CONTAINERS_USERNS_CONFIGURED=done");
    strlist_addf(env, "_CONTAINERS_ROOTLESS_UID=%u", (unsigned)user->uid);
    strlist_addf(env, "_CONTAINERS_ROOTLESS_GID=%u", (unsigned)user->gid);
}
