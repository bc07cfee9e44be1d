/* SPDX-License-Identifier: MIT */
#include "executor/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "executor/base/file.h"
#include "executor/base/log.h"

#define HOLDER_MAX 300
/* Interrupts flock() in the thread that waits; nothing else uses it. */
#define WAKE_SIGNAL SIGURG
#define WAKE_AGAIN  ((uint64_t)10 * 1000 * 1000)        /* ns between two attempts to interrupt */
#define SAY_AGAIN   ((uint64_t)30 * 1000 * 1000 * 1000) /* ns between two lines about the wait */

char *lock_directory(const char *configured)
{
    if (configured != NULL)
        return xstrdup(configured);
    if (geteuid() == 0)
        return xstrdup("/run/lock/berth");
    return xasprintf("/tmp/berth-lock-%u", (unsigned)geteuid());
}

/* Makes the directory, and refuses one in which others could put files in the way. */
static int open_directory(const char *dir, int *ret, struct err *err)
{
    _cleanup_free_ char *parent = xstrdup(dir);
    char *slash = strrchr(parent, '/');
    if (slash != NULL && slash != parent) {
        *slash = '\0';
        (void)mkdir(parent, 0755);
    }
    if (mkdir(dir, 0755) < 0 && errno != EEXIST)
        return err_set_errno(err, ERR_HOST, errno,
                             "cannot make the directory '%s' for locks; make it, or set "
                             "\"lockDir\" in the host config",
                             dir);
    _cleanup_close_ int fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return err_set_errno(err, ERR_HOST, errno, "cannot open the directory '%s' for locks", dir);
    if (st.st_uid != geteuid() || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
        return err_set(err, ERR_HOST,
                       "the directory '%s' for locks can be written by others; make it your own "
                       "with mode 0755, or set \"lockDir\" in the host config",
                       dir);
    if (file_check_parents(dir, err) < 0)
        return err_wrap(err, "the directory for locks, \"lockDir\" in the host config");
    *ret = fd;
    fd = -1;
    return 0;
}

static int open_lock(const char *dir, const char *name, int *ret, struct err *err)
{
    _cleanup_close_ int directory = -1;
    if (open_directory(dir, &directory, err) < 0)
        return -1;
    _cleanup_free_ char *file = xasprintf("%s.lock", name);
    int fd = openat(directory, file, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0)
        return err_set_errno(err, ERR_HOST, errno, "cannot open the lock '%s/%s'", dir, file);
    *ret = fd;
    return 0;
}

static void read_holder(int fd, char *buf, size_t size)
{
    ssize_t n = pread(fd, buf, size - 1, 0);
    buf[n > 0 ? n : 0] = '\0';
    buf[strcspn(buf, "\n")] = '\0';
    if (buf[0] == '\0')
        snprintf(buf, size, "another job on this host");
}

/* Only informs: that it cannot be written is no reason not to work. */
static void write_holder(int fd, const char *holder)
{
    if (ftruncate(fd, 0) == 0)
        (void)!pwrite(fd, holder, strnlen(holder, HOLDER_MAX), 0);
}

/* A thread that waits for the cancel, to interrupt another one that waits for the lock; and says
 * meanwhile that it does. */
struct waker {
    struct cancel *cancel;
    pthread_t waiter;
    int fd; /* the lock's */
    double since;
    bool done; /* guarded by the cancel's mutex */
};

/* Who has it may be another by now. */
static void say_again(const struct waker *w)
{
    char other[HOLDER_MAX + 1], span[32];
    read_holder(w->fd, other, sizeof(other));
    _cleanup_free_ char *title = xasprintf("still waiting for %s", other);
    if (!log_aside_is_open())
        log_aside_start("berth_lock", title);
    log_aside("%s: %s", clock_span(clock_now() - w->since, span, sizeof(span)), title);
}

static void wake_on_cancel(void *argument)
{
    struct waker *w = argument;
    struct cancel *c = w->cancel;
    uv_mutex_lock(&c->mutex);
    while (!c->set && !w->done) {
        if (uv_cond_timedwait(&c->cond, &c->mutex, SAY_AGAIN) != UV_ETIMEDOUT)
            continue;
        uv_mutex_unlock(&c->mutex);
        say_again(w);
        uv_mutex_lock(&c->mutex);
    }
    while (!w->done) {
        /* Again and again: the first may come just before the waiter has begun to wait. */
        pthread_kill(w->waiter, WAKE_SIGNAL);
        uv_cond_timedwait(&c->cond, &c->mutex, WAKE_AGAIN);
    }
    uv_mutex_unlock(&c->mutex);
}

static void do_nothing(int signum)
{
    (void)signum;
}

static int flock_until_cancel(int fd, struct cancel *cancel)
{
    int r;
    do
        r = flock(fd, LOCK_EX);
    while (r < 0 && errno == EINTR && !cancel_is_set(cancel));
    return r;
}

static int wait_for_lock(int fd, const char *name, struct cancel *cancel, struct err *err)
{
    struct sigaction wake = { .sa_handler = do_nothing }, before; /* without SA_RESTART */
    sigaction(WAKE_SIGNAL, &wake, &before);
    struct waker waker = {
        .cancel = cancel, .waiter = pthread_self(), .fd = fd, .since = clock_now()
    };
    uv_thread_t thread;
    if (uv_thread_create(&thread, wake_on_cancel, &waker) != 0) {
        sigaction(WAKE_SIGNAL, &before, NULL);
        return err_set(err, ERR_HOST, "cannot start a thread to wait for the lock of '%s'", name);
    }
    int r = flock_until_cancel(fd, cancel);
    int saved = errno;
    uv_mutex_lock(&cancel->mutex);
    waker.done = true;
    uv_cond_broadcast(&cancel->cond);
    uv_mutex_unlock(&cancel->mutex);
    uv_thread_join(&thread);
    sigaction(WAKE_SIGNAL, &before, NULL);
    if (cancel_is_set(cancel))
        return err_set(err, ERR_CANCELLED, "cancelled while waiting for the lock of '%s'", name);
    if (r < 0)
        return err_set_errno(err, ERR_HOST, saved, "cannot take the lock of '%s'", name);
    return 0;
}

int lock_take(const char *dir, const char *name, const char *holder, struct cancel *cancel,
              struct lock *ret, struct err *err)
{
    _cleanup_close_ int fd = -1;
    if (open_lock(dir, name, &fd, err) < 0)
        return -1;
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK)
            return err_set_errno(err, ERR_HOST, errno, "cannot take the lock of '%s'", name);
        char other[HOLDER_MAX + 1];
        read_holder(fd, other, sizeof(other));
        log_info("waiting for %s, which is working on '%s'", other, name);
        if (wait_for_lock(fd, name, cancel, err) < 0)
            return -1;
    }
    write_holder(fd, holder);
    ret->fd = fd;
    fd = -1;
    return 0;
}

void lock_release(struct lock *lock)
{
    if (lock->fd < 0)
        return;
    (void)!ftruncate(lock->fd, 0);
    closep(&lock->fd);
    lock->fd = -1;
}
