/* SPDX-License-Identifier: MIT */
#include "executor/base/log.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>
#include <uv.h>

#include "executor/base/utf8.h"

static struct {
    int fd;
    enum log_level least;
    bool colour;
} state = { .fd = STDERR_FILENO, .least = LOG_INFO };

void log_init(int fd, enum log_level least, bool colour)
{
    state.fd = fd;
    state.least = least;
    state.colour = colour;
}

bool log_has_colour(void)
{
    return state.colour;
}

static void write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, data, len);
        if (n < 0 && errno == EINTR)
            continue;
        /* A script shares the description with us and can make it non-blocking (O_NONBLOCK in
         * fcntl(2)), as node does; the verdict must not be lost for a reader that is slow. */
        struct pollfd writable = { .fd = fd, .events = POLLOUT };
        if (n < 0 && errno == EAGAIN && (poll(&writable, 1, -1) >= 0 || errno == EINTR))
            continue;
        if (n <= 0)
            return; /* the reader is gone; there is nobody left to tell */
        data += n;
        len -= (size_t)n;
    }
}

static void log_line(enum log_level level, const char *colour, const char *label, const char *fmt,
                     va_list ap) _printf_(4, 0);
static void log_line(enum log_level level, const char *colour, const char *label, const char *fmt,
                     va_list ap)
{
    if (level < state.least)
        return;
    _cleanup_strbuf_ struct strbuf line = STRBUF_INIT;
    strbuf_adds(&line, label);
    strbuf_vaddf(&line, fmt, ap);
    redact(&line);
    utf8_make_visible(&line);
    if (state.colour && colour != NULL) {
        char *text = strbuf_detach(&line);
        strbuf_addf(&line, "%s%s\033[0m", colour, text);
        free(text);
    }
    strbuf_addc(&line, '\n');
    write_all(state.fd, line.buf, line.len);
}

void log_section(const char *mark, const char *title)
{
    _cleanup_strbuf_ struct strbuf line = STRBUF_INIT;
    _cleanup_strbuf_ struct strbuf safe = STRBUF_INIT;
    strbuf_adds(&safe, title);
    redact(&safe);
    utf8_make_visible(&safe);
    strbuf_addf(&line, "%s\r\033[0K%s\n", mark, safe.buf);
    write_all(state.fd, line.buf, line.len);
}

#define LOG_FUNCTION(name, level, colour, label)                                                   \
    void name(const char *fmt, ...)                                                                \
    {                                                                                              \
        va_list ap;                                                                                \
        va_start(ap, fmt);                                                                         \
        log_line(level, colour, label, fmt, ap);                                                   \
        va_end(ap);                                                                                \
    }

LOG_FUNCTION(log_debug, LOG_DEBUG, NULL, "debug: ")
LOG_FUNCTION(log_info, LOG_INFO, NULL, "")
LOG_FUNCTION(log_warn, LOG_WARN, "\033[33m", "WARNING: ")
LOG_FUNCTION(log_error, LOG_ERROR, "\033[31;1m", "ERROR: ")
