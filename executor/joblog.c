/* SPDX-License-Identifier: MIT */
#include "executor/joblog.h"

#include "executor/base/log.h"
#include "executor/exitcode.h"

/* Lines of an error that are said, beside its last one: GitLab Runner takes so much of a log and no
 * more (log.h). */
#define ERRORS_MAX ((size_t)100)

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
    log_folds(true);
    log_bound();
}

/* What follows `mark` in a text, up to a blank; the caller frees it. NULL where there is none. */
static char *word_behind(const char *text, const char *mark)
{
    const char *at = strstr(text, mark);
    if (at == NULL)
        return NULL;
    at += strlen(mark);
    return xstrndup(at, strcspn(at, " \n"));
}

/*
 * What to do where AWS allows a call to somebody else only: "...is not authorized to perform:
 * ecs:CreateCluster on resource: arn:... because ...",
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
 */
static char *cure_of_denial(const struct err *err)
{
    if (err->class != ERR_DENIED || err->aws_code[0] == '\0' || err->message == NULL)
        return xstrdup("");
    _cleanup_free_ char *action = word_behind(err->message, "not authorized to perform: ");
    _cleanup_free_ char *resource = word_behind(err->message, "on resource: ");
    if (action == NULL)
        return xstrdup("; 'berth iam-policy' prints the policy that it takes");
    return xasprintf("; allow '%s'%s%s%s: 'berth iam-policy' prints the policy that it takes",
                     action, resource ? " on '" : "", resource ? resource : "",
                     resource ? "'" : "");
}

int joblog_failure(const struct err *err)
{
    _cleanup_free_ char *cure = cure_of_denial(err);
    if (err->message != NULL && *err->message == '\0') /* the log has it already */
        return exitcode_of(err);
    /* Several problems stand in one message, a line each. */
    const char *line = err->message != NULL ? err->message : err_class_words(err->class);
    size_t n = 0;
    do {
        size_t len = strcspn(line, "\n");
        bool last = line[len] == '\0' || line[len + 1] == '\0';
        if (last && n > ERRORS_MAX)
            log_error("%zu more, which are left out", n - ERRORS_MAX);
        if (last || n++ < ERRORS_MAX)
            log_error("%.*s%s", (int)len, line, last ? cure : "");
        line += len + (line[len] == '\n');
    } while (*line != '\0');
    return exitcode_of(err);
}
