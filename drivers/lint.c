/* SPDX-License-Identifier: MIT */
#include "drivers/lint.h"

#include "executor/base/file.h"
#include "executor/base/log.h"

/* A log that nobody can read to its end is none; the report has them all. */
#define SHOWN_MAX 500

/* pycodestyle says 79 unless told otherwise: PEP 8 lets a team agree on more. */
#define MAX_LINE_LENGTH "--max-line-length=120"
#define LENGTH_OPTION   "--max-line-length"
#define FORMAT          "--format=default"
#define CONFIG_MAX      ((size_t)1 << 20)

static const char *const linters[] = { "pycodestyle", NULL };

/* What a module is checked with. */
struct linter {
    struct strlist words;
    char *origin; /* "modules.app.lint.command", where the spec says it; else NULL, the host's */
};

static void linter_release(struct linter *linter)
{
    strlist_release(&linter->words);
    free(linter->origin);
}
#define _cleanup_linter_ _cleanup_(linter_release)

/* What the repository's files tell it. */
struct settings {
    struct strbuf text;
    char *place; /* the directory that they lie in */
};

static void settings_release(struct settings *settings)
{
    strbuf_release(&settings->text);
    free(settings->place);
}
#define _cleanup_settings_ _cleanup_(settings_release)

/* A module may name its own: it runs as the job's user, who runs the module's scripts as well. */
static void find_linter(const struct tool_job *job, struct linter *ret)
{
    const cJSON *command = json_at(job->module, "lint/command"), *word;
    cJSON_ArrayForEach (word, command)
        strlist_add(&ret->words, word->valuestring);
    if (command != NULL)
        ret->origin = xasprintf("modules.%s.lint.command", job->part);
    else
        tool_words(job, "linter", linters, &ret->words);
}

static const char *program_of(const struct linter *linter)
{
    const char *slash = strrchr(linter->words.v[0], '/');
    return slash != NULL ? slash + 1 : linter->words.v[0];
}

static bool is_pycodestyle(const struct linter *linter)
{
    return str_eq(program_of(linter), "pycodestyle");
}

static bool reads_python_alone(const struct linter *linter)
{
    return is_pycodestyle(linter) || str_eq(program_of(linter), "flake8");
}

/* Adds the text of a file in a directory beneath the checkout, and whether it is there at all: an
 * unreadable one is the linter's to complain about. */
static bool add_settings(int checkout, const char *directory, const char *name, struct strbuf *text)
{
    _cleanup_err_ struct err err = ERR_INIT;
    _cleanup_strbuf_ struct strbuf own = STRBUF_INIT;
    _cleanup_free_ char *path = xasprintf("%s/%s", directory, name);
    int r = file_read_beneath(checkout, path, CONFIG_MAX, &own, &err);
    if (r == 0)
        strbuf_addf(text, "%s\n", own.buf);
    return r == 0 || err.class != ERR_NOT_FOUND;
}

/*
 * What the repository tells pycodestyle, and where. It takes the first directory from the module's
 * upwards that has a setup.cfg or a tox.ini, whatever is in it, and both of them if both are there
 * (read_config() in pycodestyle.py); what is above the checkout is not the repository's.
 */
static void read_upwards(int checkout, const char *directory, struct settings *ret)
{
    ret->place = xstrdup(directory);
    for (;;) {
        bool there = add_settings(checkout, ret->place, "setup.cfg", &ret->text);
        there = add_settings(checkout, ret->place, "tox.ini", &ret->text) || there;
        if (there || str_eq(ret->place, "."))
            return;
        char *slash = strrchr(ret->place, '/');
        if (slash != NULL) {
            *slash = '\0';
        } else {
            free(ret->place);
            ret->place = xstrdup(".");
        }
    }
}

/* flake8 looks where it runs
 * (https://flake8.pycqa.org/en/latest/user/configuration.html#configuration-locations). */
static void read_settings(const struct tool_job *job, const struct linter *linter,
                          const char *directory, struct settings *ret)
{
    static const char *const names[] = { "setup.cfg", "tox.ini", ".flake8" };
    if (is_pycodestyle(linter)) {
        read_upwards(job->checkout, directory, ret);
        return;
    }
    ret->place = xstrdup(".");
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        add_settings(job->checkout, ".", names[i], &ret->text);
}

/* An option on the command line wins over a setting of the repository's: that of the host's command
 * must not, that of the module's own does. */
static void add_words(const struct linter *linter, bool own_length, struct strlist *argv)
{
    const struct strlist *words = &linter->words;
    bool length = own_length || !is_pycodestyle(linter);
    for (size_t i = 0; i < words->n; i++) {
        bool option = str_starts(words->v[i], LENGTH_OPTION);
        if (option && own_length && linter->origin == NULL) {
            i += str_eq(words->v[i], LENGTH_OPTION);
            continue;
        }
        length = length || option;
        strlist_add(argv, words->v[i]);
        if (i == 0 && reads_python_alone(linter))
            strlist_add(argv, FORMAT); /* the repository's is one that nobody here reads */
    }
    if (!length)
        strlist_add(argv, MAX_LINE_LENGTH);
}

static void make_argv(const struct linter *linter, const struct settings *settings,
                      const char *directory, struct strlist *argv)
{
    bool own_length = is_pycodestyle(linter) &&
                      lint_config_sets(settings->text.buf, "pycodestyle", "max-line-length");
    add_words(linter, own_length, argv);
    /* Not an option, whatever the directory is called. */
    strlist_addf(argv, "%s%s", *directory == '-' ? "./" : "", directory);
}

static int fail_to_run(const struct linter *linter, struct err *err)
{
    if (linter->origin != NULL && (err->class == ERR_NOT_FOUND || err->class == ERR_TIMEOUT)) {
        bool missing = err->class == ERR_NOT_FOUND;
        return err_set(err, ERR_USER, "%s: %s%s", linter->origin, err->message,
                       missing ? ": name another, or ask the host's administrator to install it"
                               : "");
    }
    if (err->class == ERR_NOT_FOUND)
        return err_set(err, ERR_HOST,
                       "%s: install it on the runner host%s, or name another linter in the host "
                       "config's tools.linter",
                       err->message,
                       is_pycodestyle(linter) ? " (Debian's package is pycodestyle)" : "");
    return -1;
}

/* From the project's root, so that paths are relative to it. */
static int run_linter(const struct tool_job *job, const struct linter *linter,
                      const struct strlist *argv, struct tool_end *ret, struct err *err)
{
    _cleanup_strlist_ struct strlist env = STRLIST_INIT;
    strlist_add(&env, "PYTHONDONTWRITEBYTECODE=1");
    strlist_add(&env, "NO_COLOR=1");
    /* https://docs.astral.sh/ruff/configuration/: one line each, and nothing left behind. */
    strlist_add(&env, "RUFF_OUTPUT_FORMAT=concise");
    strlist_addf(&env, "RUFF_CACHE_DIR=%s/ruff", job->tmp);
    const struct tool_call call = { .argv = argv->v,
                                    .env = &env,
                                    .seconds = tool_seconds(job),
                                    .capture = true,
                                    .capture_errors = true };
    return tool_run(job, &call, ret, err) < 0 ? fail_to_run(linter, err) : 0;
}

static void say_lines(const char *text)
{
    while (*text != '\0') {
        size_t len = strcspn(text, "\n");
        log_info("%.*s", (int)len, text);
        text += len + (text[len] == '\n');
    }
}

static void say_findings(const struct lint_findings *findings)
{
    for (size_t i = 0; i < findings->n && i < SHOWN_MAX; i++) {
        const struct lint_finding *f = &findings->v[i];
        log_info("%s:%u:%u: %s %s", f->path, f->line, f->column, f->code, f->text);
    }
    if (findings->n > SHOWN_MAX)
        log_info("and %zu more, which " LINT_REPORT " lists", findings->n - SHOWN_MAX);
}

/* What a linter says is wrong with its own settings is the repository's if it names a file of that
 * kind; otherwise it is the host's. */
static enum err_class class_of_failure(const struct tool_end *end)
{
    static const char *const files[] = { "setup.cfg", "tox.ini", ".flake8", "pyproject.toml",
                                         "ruff.toml" };
    for (size_t i = 0; i < ARRAY_SIZE(files); i++)
        if (strstr(end->errors.buf, files[i]) != NULL)
            return ERR_USER;
    return ERR_HOST;
}

/* What in the repository's settings keeps findings from standard output; no option undoes it. */
static const char *silencer(const struct linter *linter, const struct settings *settings)
{
    static const char *const options[] = { "quiet", "output-file" };
    for (size_t i = 0; i < ARRAY_SIZE(options); i++)
        if (lint_config_sets(settings->text.buf, program_of(linter), options[i]))
            return options[i];
    return NULL;
}

/* Whether Python's reader of such files gave up, which names no file for what is wrong with a
 * value: "invalid literal for int()" ends a traceback that passes through it. */
static bool is_of_settings(const struct settings *settings, const struct tool_end *end)
{
    return settings->text.len > 0 && strstr(end->errors.buf, "configparser.py\"") != NULL;
}

static int fail(const struct linter *linter, const struct settings *settings,
                const struct tool_end *end, struct err *err)
{
    const char *program = linter->words.v[0];
    say_lines(end->out.buf);
    say_lines(end->errors.buf);
    enum err_class class = class_of_failure(end);
    bool own = linter->origin != NULL;
    if (end->signal != 0)
        return err_set(err, own ? ERR_USER : ERR_HOST,
                       "%s%s'%s' was ended by signal %d (%s): nothing is known of the "
                       "module's style; out of memory?",
                       own ? linter->origin : "", own ? ": " : "", program, end->signal,
                       strsignal(end->signal));
    if (!own && class == ERR_HOST && is_of_settings(settings, end))
        return err_set(err, ERR_USER,
                       "'%s' cannot read the repository's settings in '%s' (setup.cfg, tox.ini, "
                       ".flake8): the last line above says what is wrong with a value there; "
                       "correct it",
                       program, settings->place);
    const char *option = end->code == 1 ? silencer(linter, settings) : NULL;
    if (option != NULL)
        return err_set(
            err, ERR_USER,
            "'%s' does not say here what it has found, for the repository tells it '%s': "
            "remove that from [%s] of the settings in '%s' (setup.cfg, tox.ini, .flake8)",
            program, option, program_of(linter), settings->place);
    if (own)
        return err_set(err, ERR_USER,
                       "%s: '%s' failed with code %d and found nothing: what it says is above; "
                       "correct that",
                       linter->origin, program, end->code);
    return err_set(err, class,
                   "'%s' failed with code %d and found nothing: what it says is above; correct %s",
                   program, end->code,
                   class == ERR_USER ? "the file that it names"
                                     : "the host config's tools.linter, or what it is made of");
}

static int write_report(const struct tool_job *job, const struct lint_findings *findings,
                        struct err *err)
{
    _cleanup_json_ cJSON *report = lint_to_code_quality(findings);
    redact_json(report);
    _cleanup_free_ char *json = json_print(report);
    _cleanup_free_ char *text = xasprintf("%s\n", json);
    return file_write_beneath(job->checkout, LINT_REPORT, text, strlen(text), 0644, err);
}

/*
 * flake8 and pycodestyle end with 1 for findings, and for much else; ruff with 2 for what else.
 * What a module names may end with any code: pylint's has a bit for each kind of what it has found,
 * 2 for errors to 16 for conventions
 * (https://pylint.readthedocs.io/en/stable/user_guide/usage/run.html, "Exit codes").
 */
static bool has_failed(const struct linter *linter, const struct tool_end *end, size_t findings)
{
    if (end->signal != 0 || (end->code > 1 && linter->origin == NULL))
        return true;
    return end->code != 0 && findings == 0;
}

static int judge(const struct tool_job *job, const struct linter *linter,
                 const struct settings *settings, const struct tool_end *end, struct err *err)
{
    const char *program = linter->words.v[0];
    _cleanup_lint_findings_ struct lint_findings findings = LINT_FINDINGS_INIT;
    lint_read(end->out.buf, &findings);
    if (has_failed(linter, end, findings.n))
        return fail(linter, settings, end, err);
    say_findings(&findings);
    say_lines(end->errors.buf);
    if (write_report(job, &findings, err) < 0)
        return -1;
    const char *plural = findings.n == 1 ? "" : "s";
    if (end->code != 0)
        return err_set(err, ERR_USER, "%zu finding%s in '%s': mend what stands above", findings.n,
                       plural, job->part);
    if (findings.n > 0)
        log_info("%zu finding%s in '%s', which '%s' does not fail for", findings.n, plural,
                 job->part, program);
    else
        log_info("'%s' has nothing to say against '%s'", program, job->part);
    return 0;
}

/* Such a linter has nothing to say against a directory of nothing either; whoever named a job after
 * it meant something. ruff says so itself. */
static int check_files(const struct tool_job *job, const struct linter *linter,
                       const struct settings *settings, const char *directory, struct err *err)
{
    if (!reads_python_alone(linter) ||
        lint_config_sets(settings->text.buf, program_of(linter), "filename"))
        return 0;
    static const char *const look[] = { "-name", "*.py", "-print", "-quit" };
    _cleanup_strlist_ struct strlist argv = STRLIST_INIT;
    _cleanup_tool_end_ struct tool_end end = TOOL_END_INIT;
    strlist_add(&argv, "find");
    strlist_addf(&argv, "./%s", directory);
    for (size_t i = 0; i < ARRAY_SIZE(look); i++)
        strlist_add(&argv, look[i]);
    const struct tool_call call = {
        .argv = argv.v, .seconds = tool_seconds(job), .capture = true, .capture_errors = true
    };
    if (tool_run(job, &call, &end, err) < 0)
        return -1;
    if (end.code != 0 || end.out.len > 0)
        return 0;
    return err_set(err, ERR_USER,
                   "there is no Python file in '%s', and '%s' checks nothing else: correct the "
                   "module's path, name another linter in modules.%s.lint.command, or take the job "
                   "away",
                   directory, program_of(linter), job->part);
}

static int work(const struct tool_job *job, struct err *err)
{
    _cleanup_free_ char *directory = NULL;
    _cleanup_linter_ struct linter linter = { .words = STRLIST_INIT };
    _cleanup_settings_ struct settings settings = { .text = STRBUF_INIT };
    _cleanup_strlist_ struct strlist argv = STRLIST_INIT;
    _cleanup_tool_end_ struct tool_end end = TOOL_END_INIT;
    if (tool_module_directory(job, &directory, err) < 0)
        return -1;
    find_linter(job, &linter);
    read_settings(job, &linter, directory, &settings);
    if (check_files(job, &linter, &settings, directory, err) < 0)
        return -1;
    make_argv(&linter, &settings, directory, &argv);
    return run_linter(job, &linter, &argv, &end, err) < 0
               ? -1
               : judge(job, &linter, &settings, &end, err);
}

static int attempt(const struct tool_job *job, char **ret, struct err *err)
{
    static const char *const arguments[] = { "tried.py", NULL };
    _cleanup_strlist_ struct strlist words = STRLIST_INIT;
    tool_words(job, "linter", linters, &words);
    return tool_attempt(job, &words, arguments, arguments[0], "TRIED = True\n", ret, err);
}

const struct tool_driver lint_tool = {
    .name = "lint",
    .setting = "tools.linter",
    .package = "Debian's package 'pycodestyle'",
    .attempt = attempt,
    .work = work,
};
