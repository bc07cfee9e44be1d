/* SPDX-License-Identifier: MIT */
#include "drivers/tool.h"

#include <unistd.h>

#include "executor/base/file.h"
#include "executor/base/process.h"

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
