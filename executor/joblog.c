/* SPDX-License-Identifier: MIT */
#include "executor/joblog.h"

#include <time.h>

#include "executor/base/log.h"
#include "executor/exitcode.h"

static bool is_set(const char *variable)
{
    const char *value = getenv(variable);
    return value != NULL && *value != '\0';
}

static bool wants_colour(void)
{
    return !is_set("NO_COLOR") && !is_set("CUSTOM_ENV_NO_COLOR") && !str_eq(getenv("TERM"), "dumb");
}

void joblog_init(int fd)
{
    log_init(fd, is_set("BERTH_DEBUG") ? LOG_DEBUG : LOG_INFO, wants_colour());
}

void joblog_fact(const char *name, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    _cleanup_free_ char *value = xvasprintf(fmt, ap);
    va_end(ap);
    log_info("%-12s %s", name, value);
}

void joblog_section_start(const char *name, bool collapsed, const char *title)
{
    _cleanup_free_ char *mark = xasprintf("section_start:%lld:%s%s", (long long)time(NULL), name,
                                          collapsed ? "[collapsed=true]" : "");
    log_section(mark, title);
}

void joblog_section_end(const char *name)
{
    _cleanup_free_ char *mark = xasprintf("section_end:%lld:%s", (long long)time(NULL), name);
    log_section(mark, "");
}

int joblog_failure(const struct err *err)
{
    /* Several problems stand in one message, a line each. */
    const char *line = err->message != NULL ? err->message : err_class_words(err->class);
    do {
        size_t len = strcspn(line, "\n");
        log_error("%.*s", (int)len, line);
        line += len + (line[len] == '\n');
    } while (*line != '\0');
    return exitcode_of(err);
}
