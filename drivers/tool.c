/* SPDX-License-Identifier: MIT */
#include "drivers/tool.h"

#include <unistd.h>

#include "executor/base/file.h"
#include "executor/base/process.h"

/* As long as `berth doctor` waits for a program that has next to nothing to do. */
#define ATTEMPT_SECONDS 60

const struct tool_driver *tool_driver_find(const char *name)
{
    for (const struct tool_driver *const *d = tool_drivers; *d != NULL; d++)
        if (str_eq((*d)->name, name))
            return *d;
    return NULL;
}

int tool_run(const struct tool_job *job, const struct tool_call *call, struct tool_end *ret,
             struct err *err)
{
    return job->run(job, call, ret, err);
}

void tool_end_release(struct tool_end *end)
{
    strbuf_release(&end->out);
    strbuf_release(&end->errors);
}

char *tool_last_line(const struct tool_end *end)
{
    const struct strbuf *said = end->errors.len > 0 ? &end->errors : &end->out;
    size_t stop = said->len;
    while (stop > 0 && strchr("\r\n\t ", said->buf[stop - 1]) != NULL)
        stop--;
    size_t start = stop;
    while (start > 0 && said->buf[start - 1] != '\n' && stop - start < TOOL_LINE_MAX)
        start--;
    return xstrndup(said->buf + start, stop - start);
}

int tool_attempt(const struct tool_job *job, const struct strlist *words,
                 const char *const *arguments, const char *file, const char *text, char **ret,
                 struct err *err)
{
    _cleanup_tool_end_ struct tool_end end = TOOL_END_INIT;
    _cleanup_strlist_ struct strlist argv = STRLIST_INIT;
    for (size_t i = 0; i < words->n; i++)
        strlist_add(&argv, words->v[i]);
    for (; *arguments != NULL; arguments++)
        strlist_add(&argv, *arguments);
    const struct tool_call call = {
        .argv = argv.v, .seconds = ATTEMPT_SECONDS, .capture = true, .capture_errors = true
    };
    if ((file != NULL &&
         file_write_beneath(job->checkout, file, text, strlen(text), 0644, err) < 0) ||
        tool_run(job, &call, &end, err) < 0)
        return -1;
    if (end.code == 0) {
        *ret = xasprintf("'%s' works", words->v[0]);
        return 0;
    }
    _cleanup_free_ char *said = tool_last_line(&end);
    return err_set(err, ERR_HOST, "'%s' does not work: it ended with %d%s%s", words->v[0], end.code,
                   *said != '\0' ? " and " : "", said);
}

void tool_words(const struct tool_job *job, const char *name, const char *const *otherwise,
                struct strlist *ret)
{
    const cJSON *words = json_get(json_get(job->host, "tools"), name);
    const cJSON *word;
    cJSON_ArrayForEach (word, words)
        strlist_add(ret, word->valuestring);
    if (words != NULL)
        return;
    const char *const *found = otherwise;
    for (; *found != NULL; found++) {
        _cleanup_free_ char *path = process_find_program(*found);
        if (path != NULL)
            break;
    }
    strlist_add(ret, *found != NULL ? *found : otherwise[0]);
}

unsigned tool_seconds(const struct tool_job *job)
{
    return (unsigned)json_int(json_get(job->host, "tools"), "seconds", TOOL_SECONDS);
}

int tool_module_directory(const struct tool_job *job, char **ret, struct err *err)
{
    const char *path = json_str(job->module, "path");
    if (path == NULL)
        path = job->part;
    _cleanup_close_ int fd = -1;
    if (file_open_dir_beneath(job->checkout, path, &fd, err) < 0) {
        err->class = ERR_USER;
        return err_wrap(err, "modules.%s%s: the module's directory", job->part,
                        json_str(job->module, "path") != NULL ? ".path" : "");
    }
    *ret = xstrdup(path);
    return 0;
}
