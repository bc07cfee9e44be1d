/* SPDX-License-Identifier: MIT */
#include "executor/base/log.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "executor/base/utf8.h"

/* What a terminal gets that does not tell its size. */
#define COLUMNS 80
#define ROWS    24
/* Bytes of a line, of which the last ones are its end: an error's has what to do. */
#define LINE_MAX_SHOWN ((size_t)8 << 10)
#define LINE_END       ((size_t)2 << 10)
/* Bytes of plain lines, and of warnings. GitLab Runner takes 4 MiB of a job, whoever writes them,
 * and nothing more (output_limit in
 * https://docs.gitlab.com/runner/configuration/advanced-configuration/#the-runners-section): errors
 * and the verdict find room in what is left. */
#define PLAIN_MAX    ((size_t)2 << 20)
#define WARNINGS_MAX ((size_t)512 << 10)

static struct {
    int fd;
    enum log_level least;
    bool colour, folds, live, bounded;
} state = { .fd = STDERR_FILENO, .least = LOG_INFO };

/* Which sections there are, and what is open at the end of what has been written; guarded by the
 * mutex. */
static struct {
    struct strlist names; /* of all sections so far, as they were asked for */
    char *aside;          /* the name of the open one, or NULL */
    struct strbuf footer; /* as it is drawn, */
    size_t rows;          /* and how many lines that are */
} tail = { .names = STRLIST_INIT, .footer = STRBUF_INIT };

/* What may not fill the log, and how many bytes of it were written, or would have been. */
static struct share {
    const char *what;
    size_t most;
    atomic_size_t used;
} plain = { .what = "plain lines", .most = PLAIN_MAX },
  warnings = { .what = "warnings", .most = WARNINGS_MAX };

static const char *const styles[] = {
    [LOG_PLAIN] = NULL,
    [LOG_HEADING] = "\033[1m",
    [LOG_GOOD] = "\033[32m",
    [LOG_BAD] = "\033[31m",
};

static uv_once_t once = UV_ONCE_INIT;
static uv_mutex_t mutex;

static void init_mutex(void)
{
    uv_mutex_init(&mutex);
}

void log_init(int fd, enum log_level least, bool colour)
{
    state.fd = fd;
    state.least = least;
    state.colour = colour;
    state.folds = false;
    state.live = false;
    state.bounded = false;
    plain.used = warnings.used = 0;
}

void log_bound(void)
{
    state.bounded = true;
}

void log_folds(bool folds)
{
    state.folds = folds;
}

bool log_has_folds(void)
{
    return state.folds;
}

void log_live(void)
{
    state.live = true;
}

bool log_is_live(void)
{
    return state.live;
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

/* https://docs.gitlab.com/ci/jobs/job_logs/#custom-collapsible-sections */
static void add_mark(struct strbuf *out, const char *what, const char *name, const char *option)
{
    strbuf_addf(out, "section_%s:%lld:%s%s\r\033[0K", what, (long long)time(NULL), name, option);
}

static void add_aside_end(struct strbuf *out)
{
    if (tail.aside == NULL)
        return;
    add_mark(out, "end", tail.aside, "");
    strbuf_addc(out, '\n');
    free(steal_ptr(&tail.aside));
}

/* Back to where the footer begins, and from there on nothing. */
static void add_footer_end(struct strbuf *out)
{
    if (tail.rows > 0)
        strbuf_addf(out, "\033[%zuA\r\033[J", tail.rows);
}

/* Lines that are ready to be seen, above the footer. They end an aside unless they are in it, and
 * `opens` is the name of that which they begin; or NULL. */
static void put(const struct strbuf *lines, bool is_aside, const char *opens)
{
    _cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
    uv_once(&once, init_mutex);
    uv_mutex_lock(&mutex);
    add_footer_end(&out);
    if (!is_aside)
        add_aside_end(&out);
    if (opens != NULL)
        tail.aside = xstrdup(opens);
    strbuf_add(&out, lines->buf, lines->len);
    strbuf_add(&out, tail.footer.buf, tail.footer.len);
    write_all(state.fd, out.buf, out.len);
    uv_mutex_unlock(&mutex);
}

/* Leaves out the middle of a line that is too long for any reader; it is all UTF-8. */
static void shorten(struct strbuf *line)
{
    if (line->len <= LINE_MAX_SHOWN)
        return;
    size_t begin = utf8_cut(line->buf, line->len, LINE_MAX_SHOWN - LINE_END);
    size_t end = line->len - LINE_END;
    while (utf8_char(line->buf + end, line->len - end) == 0)
        end++;
    struct strbuf out = STRBUF_INIT;
    strbuf_add(&out, line->buf, begin);
    strbuf_addf(&out, " ... (%zu bytes left out) ... ", end - begin);
    strbuf_add(&out, line->buf + end, line->len - end);
    strbuf_release(line);
    *line = out;
}

static void make_safe(struct strbuf *line)
{
    redact(line);
    utf8_make_visible(line);
    shorten(line);
}

/* Whether there is room for a line; the first one for which there is none is replaced. */
static bool has_room(struct share *share, struct strbuf *line)
{
    if (!state.bounded)
        return true;
    size_t before = atomic_fetch_add(&share->used, line->len);
    if (before + line->len <= share->most)
        return true;
    if (before > share->most)
        return false;
    strbuf_reset(line);
    strbuf_addf(line, "(this log gets too long: from here on %s are left out)\n", share->what);
    return true;
}

/* What a line counts for; NULL: it is said whatever else is. */
static struct share *share_of(enum log_level level, const char *colour)
{
    if (level == LOG_WARN)
        return &warnings;
    return level < LOG_WARN && colour == NULL ? &plain : NULL;
}

static void paint(struct strbuf *line, const char *colour)
{
    if (!state.colour || colour == NULL)
        return;
    char *text = strbuf_detach(line);
    strbuf_addf(line, "%s%s\033[0m", colour, text);
    free(text);
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
    make_safe(&line);
    struct share *share = share_of(level, colour);
    paint(&line, colour);
    strbuf_addc(&line, '\n');
    if (share == NULL || has_room(share, &line))
        put(&line, false, NULL);
}

/* GitLab tells a job's sections apart by their names: the second of a name is "NAME_2", until the
 * next one begins. */
static void name_section(const char *name, bool begins, struct strbuf *ret)
{
    unsigned n = begins;
    uv_once(&once, init_mutex);
    uv_mutex_lock(&mutex);
    for (size_t i = 0; i < tail.names.n; i++)
        n += strcmp(tail.names.v[i], name) == 0;
    if (begins)
        strlist_add(&tail.names, name);
    uv_mutex_unlock(&mutex);
    strbuf_adds(ret, name);
    if (n > 1)
        strbuf_addf(ret, "_%u", n);
}

static void add_section(struct strbuf *out, const char *name, bool collapsed, const char *title,
                        enum log_style style)
{
    _cleanup_strbuf_ struct strbuf safe = STRBUF_INIT;
    strbuf_adds(&safe, title);
    make_safe(&safe);
    paint(&safe, styles[style]);
    if (state.folds)
        add_mark(out, "start", name, collapsed ? "[collapsed=true]" : "");
    strbuf_addf(out, "%s\n", safe.buf);
}

static void section_start(const char *name, bool collapsed, const char *title, enum log_style style)
{
    _cleanup_strbuf_ struct strbuf line = STRBUF_INIT, unique = STRBUF_INIT;
    name_section(name, true, &unique);
    add_section(&line, unique.buf, collapsed, title, style);
    put(&line, false, NULL);
}

void log_section_start(const char *name, bool collapsed, const char *title)
{
    section_start(name, collapsed, title, LOG_PLAIN);
}

void log_section_styled(enum log_style style, const char *name, const char *title)
{
    section_start(name, true, title, style);
}

void log_section_end(const char *name)
{
    _cleanup_strbuf_ struct strbuf line = STRBUF_INIT, unique = STRBUF_INIT;
    if (!state.folds)
        return;
    name_section(name, false, &unique);
    add_mark(&line, "end", unique.buf, "");
    strbuf_addc(&line, '\n');
    put(&line, false, NULL);
}

void log_aside_start(const char *name, const char *title)
{
    _cleanup_strbuf_ struct strbuf line = STRBUF_INIT, unique = STRBUF_INIT;
    if (!state.folds || LOG_INFO < state.least)
        return;
    name_section(name, true, &unique);
    add_section(&line, unique.buf, true, title, LOG_PLAIN);
    put(&line, false, unique.buf);
}

void log_aside(const char *fmt, ...)
{
    _cleanup_strbuf_ struct strbuf line = STRBUF_INIT;
    va_list ap;
    if (LOG_INFO < state.least)
        return;
    va_start(ap, fmt);
    strbuf_vaddf(&line, fmt, ap);
    va_end(ap);
    make_safe(&line);
    strbuf_addc(&line, '\n');
    if (has_room(&plain, &line))
        put(&line, true, NULL);
}

bool log_aside_is_open(void)
{
    uv_once(&once, init_mutex);
    uv_mutex_lock(&mutex);
    bool open = tail.aside != NULL;
    uv_mutex_unlock(&mutex);
    return open;
}

static size_t known(unsigned short n, size_t otherwise)
{
    return n > 0 ? n : otherwise;
}

/* One that is as long as the terminal is wide would be two on some. */
static void add_cut(struct strbuf *out, const char *line, size_t len, size_t columns)
{
    size_t used = 0;
    for (size_t i = 0; i < columns - 1 && used < len; i++)
        used += utf8_char(line + used, len - used);
    strbuf_add(out, line, used);
    strbuf_addc(out, '\n');
}

/* What of the lines the terminal has room for, below at least one other. */
static size_t footer_make(const struct strbuf *lines, struct strbuf *ret)
{
    struct winsize size = { 0 };
    ioctl(state.fd, TIOCGWINSZ, &size);
    size_t columns = known(size.ws_col, COLUMNS), room = known(size.ws_row, ROWS) - 1, rows = 0;
    for (const char *line = lines->buf; *line != '\0' && rows + 1 < room;) {
        size_t len = strcspn(line, "\n");
        _cleanup_strbuf_ struct strbuf safe = STRBUF_INIT;
        strbuf_add(&safe, line, len);
        make_safe(&safe);
        add_cut(ret, safe.buf, safe.len, columns);
        line += len + (line[len] == '\n');
        rows++;
    }
    return rows;
}

void log_footer(const struct strbuf *lines)
{
    if (!state.live)
        return;
    _cleanup_strbuf_ struct strbuf footer = STRBUF_INIT, out = STRBUF_INIT;
    size_t rows = lines != NULL ? footer_make(lines, &footer) : 0;
    uv_once(&once, init_mutex);
    uv_mutex_lock(&mutex);
    add_footer_end(&out);
    strbuf_release(&tail.footer);
    strbuf_add(&tail.footer, footer.buf, footer.len);
    tail.rows = rows;
    strbuf_add(&out, footer.buf, footer.len);
    write_all(state.fd, out.buf, out.len);
    uv_mutex_unlock(&mutex);
}

void log_styled(enum log_style style, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    log_line(LOG_INFO, styles[style], "", fmt, ap);
    va_end(ap);
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
