/* SPDX-License-Identifier: MIT */
#include "executor/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

int file_open_dir(const char *path, int *ret_fd, struct err *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return err_set_errno(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_HOST, errno,
                             "cannot open the directory '%s'", path);
    *ret_fd = fd;
    return 0;
}

int file_make_directories(const char *path, unsigned above, unsigned last, struct err *err)
{
    _cleanup_free_ char *partial = xstrdup(path);
    for (char *p = partial + 1; *p != '\0'; p++) {
        if (*p != '/')
            continue;
        *p = '\0';
        if (mkdir(partial, above) < 0 && errno != EEXIST)
            return err_set_errno(err, ERR_HOST, errno, "cannot make the directory '%s'", partial);
        *p = '/';
    }
    if (mkdir(path, last) < 0 && errno != EEXIST)
        return err_set_errno(err, ERR_HOST, errno, "cannot make the directory '%s'", path);
    return 0;
}

static bool is_replaceable(const struct stat *st)
{
    bool open_to_others = S_ISDIR(st->st_mode) && (st->st_mode & (S_IWGRP | S_IWOTH)) != 0 &&
                          (st->st_mode & S_ISVTX) == 0;
    return open_to_others || (st->st_uid != 0 && st->st_uid != geteuid());
}

/* Everything that the path goes through, as it is written: directories, and links to them. */
static int check_above(const char *path, struct err *err)
{
    _cleanup_free_ char *above = xstrdup(path);
    char *slash;
    while ((slash = strrchr(above, '/')) != NULL) {
        struct stat st;
        slash[slash == above] = '\0';
        if (lstat(above, &st) < 0)
            return err_set_errno(err, ERR_HOST, errno, "cannot look at '%s'", above);
        if (is_replaceable(&st))
            return err_set(err, ERR_HOST,
                           "others can put something else in the place of '%s': '%s' above it is "
                           "user %u's, with mode %04o; make it root's, with mode 0755, or name "
                           "another directory",
                           path, above, (unsigned)st.st_uid, (unsigned)st.st_mode & 07777);
        if (slash == above)
            break;
    }
    return 0;
}

int file_check_parents(const char *path, struct err *err)
{
    _cleanup_free_ char *real = realpath(path, NULL);
    if (real == NULL)
        return err_set_errno(err, ERR_HOST, errno, "cannot look at '%s'", path);
    return check_above(path, err) < 0 || check_above(real, err) < 0 ? -1 : 0;
}

/* One component, no link followed; ENOTDIR for a link in a directory's place is ELOOP. */
static int open_component(int dir, const char *name, int flags, unsigned mode)
{
    int fd = openat(dir, name, flags | O_NOFOLLOW | O_CLOEXEC, mode);
    struct stat st;
    if (fd < 0 && errno == ENOTDIR)
        errno = fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode) ? ELOOP
                                                                                         : ENOTDIR;
    return fd;
}

/* Without openat2(2) (before Linux 5.6, or where a seccomp filter or valgrind does not know it):
 * the same, component by component, each opened without following a link. */
static int open_stepwise(int dir, const char *path, int flags, unsigned mode)
{
    _cleanup_close_ int at = fcntl(dir, F_DUPFD_CLOEXEC, 3);
    if (*path == '/') {
        errno = EXDEV;
        return -1;
    }
    while (at >= 0) {
        size_t n = strcspn(path, "/");
        const char *rest = path + n + strspn(path + n, "/");
        _cleanup_free_ char *name = xstrndup(path, n);
        if (strcmp(name, "..") == 0) {
            errno = EXDEV;
            return -1;
        }
        if (*rest == '\0')
            return open_component(at, name, flags, mode);
        int next = open_component(at, name, O_RDONLY | O_DIRECTORY, 0);
        closep(&at);
        at = next;
        path = rest;
    }
    return -1;
}

/* O_NONBLOCK keeps a FIFO that lies in the place of a file from blocking the open. */
static int open_beneath(int dir, const char *path, int flags, unsigned mode)
{
    flags |= O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
    struct open_how how = {
        .flags = (unsigned)flags,
        .mode = mode,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    int fd;
    do
        fd = (int)syscall(SYS_openat2, dir, path, &how, sizeof(how));
    while (fd < 0 && errno == EINTR);
    if (fd < 0 && (errno == ENOSYS || errno == EPERM))
        return open_stepwise(dir, path, flags, mode);
    return fd;
}

static int open_failed(const char *path, struct err *err)
{
    switch (errno) {
    case ENOENT:
        return err_set(err, ERR_NOT_FOUND, "'%s' does not exist", path);
    case ELOOP:
        return err_set(err, ERR_USER, "'%s' goes through a symbolic link, which is not followed",
                       path);
    case EXDEV:
        return err_set(err, ERR_USER, "'%s' leads out of its directory", path);
    default:
        return err_set_errno(err, ERR_USER, errno, "cannot open '%s'", path);
    }
}

int file_open_dir_beneath(int dir, const char *path, int *ret_fd, struct err *err)
{
    int fd = open_beneath(dir, path, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return open_failed(path, err);
    *ret_fd = fd;
    return 0;
}

int file_open_beneath(int dir, const char *path, int *ret_fd, struct stat *ret_stat,
                      struct err *err)
{
    _cleanup_close_ int fd = open_beneath(dir, path, O_RDONLY, 0);
    if (fd < 0)
        return open_failed(path, err);
    struct stat st;
    if (fstat(fd, &st) < 0)
        return err_set_errno(err, ERR_USER, errno, "cannot read '%s'", path);
    if (!S_ISREG(st.st_mode))
        return err_set(err, ERR_USER, "'%s' is not a regular file", path);
    *ret_stat = st;
    *ret_fd = fd;
    fd = -1;
    return 0;
}

int file_read_open(int fd, const char *path, size_t max, struct strbuf *text, struct err *err)
{
    size_t before = text->len;
    char chunk[8192];
    ssize_t n;
    while ((n = read(fd, chunk, sizeof(chunk))) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_set_errno(err, ERR_USER, errno, "cannot read '%s'", path);
        if (text->len - before + (size_t)n > max)
            return err_set(err, ERR_USER, "'%s' is larger than %zu bytes", path, max);
        strbuf_add(text, chunk, (size_t)n);
    }
    return 0;
}

int file_read_beneath(int dir, const char *path, size_t max, struct strbuf *text, struct err *err)
{
    _cleanup_close_ int fd = -1;
    struct stat st;
    return file_open_beneath(dir, path, &fd, &st, err) < 0
               ? -1
               : file_read_open(fd, path, max, text, err);
}

static int write_whole(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, data, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        data += n;
        len -= (size_t)n;
    }
    return 0;
}

/* Splits "a/b/c" into a descriptor of "a/b" and the name "c". */
static int open_parent(int dir, const char *path, int *ret_fd, const char **ret_name,
                       struct err *err)
{
    const char *slash = strrchr(path, '/');
    _cleanup_free_ char *parent =
        slash != NULL ? xstrndup(path, (size_t)(slash - path)) : xstrdup(".");
    *ret_name = slash != NULL ? slash + 1 : path;
    return file_open_dir_beneath(dir, parent, ret_fd, err);
}

/* A full or broken disk is the host's; what lies in the way is the job's. */
static int write_failed(int sys_errno, const char *what, const char *path, struct err *err)
{
    static const int of_host[] = { ENOSPC, EDQUOT, EFBIG, EIO, EROFS, EMFILE, ENFILE, ENOMEM };
    enum err_class class = ERR_USER;
    for (size_t i = 0; i < ARRAY_SIZE(of_host); i++)
        if (sys_errno == of_host[i])
            class = ERR_HOST;
    return err_set_errno(err, class, sys_errno, "cannot %s '%s'", what, path);
}

int file_write_beneath(int dir, const char *path, const char *data, size_t len, unsigned mode,
                       struct err *err)
{
    _cleanup_close_ int parent = -1;
    const char *name = NULL;
    if (open_parent(dir, path, &parent, &name, err) < 0)
        return -1;
    _cleanup_free_ char *temporary = xasprintf(".%s.berth-%d", name, (int)getpid());
    (void)unlinkat(parent, temporary, 0);
    _cleanup_close_ int fd = open_beneath(parent, temporary, O_WRONLY | O_CREAT | O_EXCL, mode);
    if (fd < 0)
        return write_failed(errno, "create", path, err);
    if (write_whole(fd, data, len) < 0 || renameat(parent, temporary, parent, name) < 0) {
        int saved = errno;
        (void)unlinkat(parent, temporary, 0);
        return write_failed(saved, "write", path, err);
    }
    return 0;
}
