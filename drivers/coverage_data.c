/* SPDX-License-Identifier: MIT */
/*
 * coverage.py's data file. What is in it (https://coverage.readthedocs.io/en/latest/dbschema.html)
 * says which lines have run, not which there are: only coverage.py, with the sources and the
 * project's configuration, can say how much that is. It reads what the repository says, so it runs
 * as the job's user.
 */
#include "drivers/coverage.h"

/* What the host config's tools.coverage says, else the default. */
static void add_program(const struct tool_job *job, struct strlist *argv)
{
    static const char *const usual[] = { "python3", "-m", "coverage" };
    const cJSON *word;
    cJSON_ArrayForEach (word, json_get(json_get(job->host, "tools"), "coverage")) {
        if (cJSON_IsString(word))
            strlist_add(argv, word->valuestring);
    }
    bool own = argv->n > 0;
    for (size_t i = 0; !own && i < ARRAY_SIZE(usual); i++)
        strlist_add(argv, usual[i]);
}

static int no_tool(const char *path, const char *name, struct err *err)
{
    return err_set(err, ERR_HOST,
                   "'%s' holds coverage.py's data, which only coverage.py can read, and this host "
                   "has none for '%s': install it on the host (Debian's package is "
                   "python3-coverage), or let the job's script write a report ('coverage xml')",
                   path, name);
}

static int judge(const char *path, const char *name, const struct tool_end *end, struct err *err)
{
    if (end->code == 0)
        return 0;
    if (strstr(end->errors.buf, "No module named coverage") != NULL)
        return no_tool(path, name, err);
    _cleanup_free_ char *why = tool_last_line(end);
    return err_set(err, ERR_USER, "coverage.py makes no report of '%s': it ended with %d%s%s", path,
                   end->code, *why != '\0' ? " and " : "", why);
}

/* As XML, which every version can write, and which is read without keeping it whole. The file's own
 * directory is where its configuration is looked for. */
int coverage_export(const struct tool_job *job, const char *path, struct strbuf *ret,
                    struct err *err)
{
    _cleanup_strlist_ struct strlist argv = STRLIST_INIT;
    add_program(job, &argv);
    strlist_add(&argv, "xml");
    strlist_add(&argv, "-o");
    strlist_add(&argv, "-");
    strlist_add(&argv, "--fail-under=0"); /* else its own minimum would make it fail */
    const char *slash = strrchr(path, '/');
    _cleanup_free_ char *directory = slash != NULL ? xstrndup(path, (size_t)(slash - path)) : NULL;
    _cleanup_strlist_ struct strlist env = STRLIST_INIT;
    strlist_addf(&env, "COVERAGE_FILE=%s", slash != NULL ? slash + 1 : path);
    const struct tool_call call = { .argv = argv.v,
                                    .directory = directory,
                                    .env = &env,
                                    .seconds = tool_seconds(job),
                                    .capture = true,
                                    .capture_errors = true };
    _cleanup_tool_end_ struct tool_end end = TOOL_END_INIT;
    if (tool_run(job, &call, &end, err) < 0)
        return err->class == ERR_NOT_FOUND ? no_tool(path, argv.v[0], err)
                                           : err_wrap(err, "cannot read '%s'", path);
    if (judge(path, argv.v[0], &end, err) < 0)
        return -1;
    strbuf_add(ret, end.out.buf, end.out.len);
    return 0;
}

int coverage_attempt(const struct tool_job *job, char **ret, struct err *err)
{
    static const char *const arguments[] = { "--version", NULL };
    _cleanup_strlist_ struct strlist words = STRLIST_INIT;
    add_program(job, &words);
    return tool_attempt(job, &words, arguments, NULL, NULL, ret, err);
}
