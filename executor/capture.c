/* SPDX-License-Identifier: MIT */
#include "executor/capture.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

static void take(struct strbuf *to, const char *data, size_t len, size_t max)
{
    size_t room = to->len < max ? max - to->len : 0;
    strbuf_add(to, data, len < room ? len : room);
}

/* Moved only when as much again has come, for that copies all of it. */
static void take_end(struct strbuf *to, const char *data, size_t len, size_t max)
{
    strbuf_add(to, data, len);
    if (to->len <= 2 * max)
        return;
    memmove(to->buf, to->buf + to->len - max, max);
    strbuf_cut(to, max);
}

/* A reader that has gone has nothing to read; the log's own lines tell of it. */
static void pass_on(const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(STDERR_FILENO, data, len);
        if (n < 0 && errno != EINTR)
            return;
        data += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
}

static void take_from(const struct capture *c, unsigned i, const char *data, size_t len)
{
    if (i == 1 && c->shown) {
        pass_on(data, len);
        take_end(c->to[i], data, len, c->max);
    } else {
        take(c->to[i], data, len, c->max);
    }
}

/* Reads all that is there. Closes the end that nothing can come by any more. */
static void drain(struct capture *c, unsigned i)
{
    char chunk[65536];
    ssize_t n;
    do {
        n = read(c->read[i], chunk, sizeof(chunk));
        if (n > 0)
            take_from(c, i, chunk, (size_t)n);
    } while (n > 0 || (n < 0 && errno == EINTR));
    if (n == 0 || errno != EAGAIN)
        closep(&c->read[i]), c->read[i] = -1;
}

/* poll(2) passes over descriptors that are negative. */
static void read_all(void *argument)
{
    struct capture *c = argument;
    bool stopped = false;
    while (!stopped) {
        struct pollfd fds[] = {
            { .fd = c->read[0], .events = POLLIN },
            { .fd = c->read[1], .events = POLLIN },
            { .fd = c->stop[0], .events = POLLIN },
        };
        if (poll(fds, ARRAY_SIZE(fds), -1) < 0)
            continue;
        stopped = fds[2].revents != 0;
        for (unsigned i = 0; i < 2; i++)
            if (c->read[i] >= 0 && (stopped || fds[i].revents != 0))
                drain(c, i);
    }
}

/* A write end of 0 is none. */
static void close_pair(int *read_end, int *write_end)
{
    closep(read_end);
    if (*write_end > 0)
        close(*write_end);
    *read_end = -1;
    *write_end = 0;
}

static int open_pair(int *ret_read, int *ret_write)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) < 0)
        return -1;
    *ret_read = fds[0];
    *ret_write = fds[1];
    return fcntl(fds[0], F_SETFL, O_NONBLOCK);
}

static void close_all(struct capture *c)
{
    for (unsigned i = 0; i < 2; i++)
        if (c->to[i] != NULL)
            close_pair(&c->read[i], &c->write[i]);
    close_pair(&c->stop[0], &c->stop[1]);
}

static int start(struct capture *c, struct err *err)
{
    c->read[0] = c->read[1] = -1;
    c->stop[0] = -1;
    int r = open_pair(&c->stop[0], &c->stop[1]);
    for (unsigned i = 0; r == 0 && i < 2; i++)
        if (c->to[i] != NULL)
            r = open_pair(&c->read[i], &c->write[i]);
    if (r == 0 && uv_thread_create(&c->thread, read_all, c) == 0)
        return 0;
    int saved = r < 0 ? errno : EAGAIN;
    close_all(c);
    return err_set_errno(err, ERR_HOST, saved, "cannot read what a program writes");
}

int capture_start(struct capture *c, struct strbuf *out, struct strbuf *errors, size_t max,
                  struct err *err)
{
    *c = (struct capture){ .to = { out, errors }, .max = max };
    return start(c, err);
}

int capture_start_shown(struct capture *c, struct strbuf *errors, size_t max, struct err *err)
{
    *c = (struct capture){ .to = { NULL, errors }, .max = max, .shown = true };
    return start(c, err);
}

void capture_end(struct capture *c)
{
    (void)!write(c->stop[1], "", 1);
    uv_thread_join(&c->thread);
    close_all(c);
}
