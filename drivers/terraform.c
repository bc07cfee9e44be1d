/* SPDX-License-Identifier: MIT */
#include "drivers/terraform.h"

#include <dirent.h>
#include <errno.h>
#include <unistd.h>

#include "executor/base/file.h"
#include "executor/base/log.h"

#define LOCK_FILE ".terraform.lock.hcl"
#define LOCK_MAX  ((size_t)4 << 20)
/* Terraform's words for a file that it cannot open, internal/command/fmt.go; no line is named. */
#define UNREAD "Error: Failed to read file "

static const char *const programs[] = { "terraform", "tofu", NULL };
static const char *const validate_arguments[] = { "validate", "-json", "-no-color", NULL };

/* The work on one directory. */
struct validation {
    const struct tool_job *job;
    struct strlist words; /* the program, as the host config has it */
    struct strlist env;
    char *directory;
    char *why; /* why providers or modules could not be had; or NULL */
};
#define _cleanup_validation_ _cleanup_(validation_release)

static void validation_release(struct validation *v)
{
    strlist_release(&v->words);
    strlist_release(&v->env);
    free(v->directory);
    free(v->why);
}

static int call(const struct validation *v, const char *directory, const char *const *arguments,
                struct tool_end *ret, struct err *err)
{
    _cleanup_strlist_ struct strlist argv = STRLIST_INIT;
    for (size_t i = 0; i < v->words.n; i++)
        strlist_add(&argv, v->words.v[i]);
    for (; *arguments != NULL; arguments++)
        strlist_add(&argv, *arguments);
    const struct tool_call call = { .argv = argv.v,
                                    .directory = directory,
                                    .env = &v->env,
                                    .seconds = tool_seconds(v->job),
                                    .capture = true,
                                    .capture_errors = true };
    if (tool_run(v->job, &call, ret, err) == 0)
        return 0;
    if (err->class == ERR_NOT_FOUND)
        return err_set(err, ERR_HOST,
                       "%s: install Terraform or OpenTofu on the runner host, or name it in the "
                       "host config's tools.terraform",
                       err->message);
    return -1;
}

static void say_lines(const char *text, const char *before)
{
    while (*text != '\0') {
        size_t len = strcspn(text, "\n");
        if (len > 0)
            log_info("%s%.*s", before, (int)len, text);
        text += len + (text[len] == '\n');
    }
}

static int fail(const struct validation *v, const char *command, const struct tool_end *end,
                struct err *err)
{
    say_lines(end->out.buf, "");
    say_lines(end->errors.buf, "");
    return err_set(err, ERR_HOST,
                   "'%s %s' failed with code %d, and not over a file of the repository's: what it "
                   "says is above; correct the host config's tools.terraform, or the program",
                   v->words.v[0], command, end->code);
}

/*
 * Every file but JSON in the directory and beneath it is read, whether a module uses it or not.
 * `fmt -check` ends with 3 where a file is well-formed and not in the canonical style, which is no
 * mistake.
 */
static int check_syntax(const struct validation *v, struct err *err)
{
    static const char *const arguments[] = { "fmt",        "-check",      "-recursive",
                                             "-list=true", "-diff=false", "-write=false",
                                             "-no-color",  NULL };
    _cleanup_tool_end_ struct tool_end end = TOOL_END_INIT;
    if (call(v, v->directory, arguments, &end, err) < 0)
        return -1;
    if (end.code == 0 || (end.code == 3 && end.signal == 0)) {
        say_lines(end.out.buf, "note: 'terraform fmt' would write this file in another style: ");
        return 0;
    }
    bool unread = strstr(end.errors.buf, UNREAD) != NULL;
    if (!unread && !terraform_names_a_line(end.errors.buf))
        return fail(v, "fmt", &end, err);
    say_lines(end.errors.buf, "");
    if (unread)
        return err_set(err, ERR_USER,
                       "a file in '%s' cannot be read, which stands above: a link that leads "
                       "nowhere?",
                       v->directory);
    return err_set(err, ERR_USER,
                   "the syntax of what is in '%s' is wrong: the files and lines stand above",
                   v->directory);
}

static void say_list(const struct strlist *list, const char *before)
{
    for (size_t i = 0; i < list->n; i++)
        log_info("%s%s", before, list->v[i]);
}

static int tell_errors(const struct validation *v, const struct strlist *errors, struct err *err)
{
    say_list(errors, "");
    if (errors->n == 0)
        return 0;
    return err_set(err, ERR_USER, "%zu error%s in '%s': mend what stands above", errors->n,
                   errors->n == 1 ? "" : "s", v->directory);
}

/*
 * fmt reads no JSON
 * (https://developer.hashicorp.com/terraform/cli/commands/fmt), so that validate does it, in every
 * directory beneath that has some. What else it would say there is of modules that nobody uses, for
 * which nothing is fetched.
 */
static int check_json(const struct validation *v, struct err *err)
{
    _cleanup_strlist_ struct strlist directories = STRLIST_INIT, errors = STRLIST_INIT;
    if (terraform_find_json(v->job->checkout, v->directory, &directories, err) < 0)
        return -1;
    for (size_t i = 0; i < directories.n; i++) {
        const char *directory = directories.v[i];
        _cleanup_tool_end_ struct tool_end end = TOOL_END_INIT;
        if (str_eq(directory, v->directory))
            continue; /* all of this one is validated */
        if (call(v, directory, validate_arguments, &end, err) < 0)
            return -1;
        if (end.signal != 0 ||
            terraform_judge_json(end.out.buf, end.out.len, directory, &errors, err) < 0)
            return fail(v, "validate", &end, err);
    }
    return tell_errors(v, &errors, err);
}

/* What terraform writes beside the files, and what must be there as before when it is done. */
static int restore_lock(const struct validation *v, const struct strbuf *before, bool was_there,
                        struct err *err)
{
    _cleanup_close_ int dir = -1;
    _cleanup_strbuf_ struct strbuf now = STRBUF_INIT;
    _cleanup_err_ struct err absent = ERR_INIT;
    if (file_open_dir_beneath(v->job->checkout, v->directory, &dir, err) < 0)
        return -1;
    if (file_read_beneath(dir, LOCK_FILE, LOCK_MAX, &now, &absent) < 0 && !was_there)
        return 0;
    if (!was_there)
        return unlinkat(dir, LOCK_FILE, 0) == 0 || errno == ENOENT
                   ? 0
                   : err_set_errno(err, ERR_HOST, errno, "cannot remove '%s'", LOCK_FILE);
    if (now.len == before->len && memcmp(now.buf, before->buf, now.len) == 0)
        return 0;
    return file_write_beneath(dir, LOCK_FILE, before->buf, before->len, 0644, err);
}

/*
 * Fetches providers and modules, without a backend. That they cannot be had is not the user's
 * mistake, and fails nothing: v->why then says why. A module's directory that is not there is.
 */
static int initialize(struct validation *v, struct err *err)
{
    static const char *const arguments[] = { "init", "-backend=false", "-input=false", "-no-color",
                                             NULL };
    _cleanup_tool_end_ struct tool_end end = TOOL_END_INIT;
    int r = call(v, v->directory, arguments, &end, err);
    if (r < 0 && err->class != ERR_TIMEOUT)
        return -1;
    if (r < 0) {
        v->why = xstrdup(err->message);
        err_release(err);
        return 0;
    }
    if (end.code == 0)
        return 0;
    if (strstr(end.errors.buf, "Error: Unreadable module directory") != NULL) {
        say_lines(end.errors.buf, "");
        return err_set(err, ERR_USER, "a module that '%s' uses is not there: see above",
                       v->directory);
    }
    if (strstr(end.errors.buf, "on " LOCK_FILE " line ") != NULL) {
        say_lines(end.errors.buf, "");
        return err_set(err, ERR_USER, "'%s/" LOCK_FILE "' is wrong: see above", v->directory);
    }
    if (terraform_is_answered(end.errors.buf)) {
        say_lines(end.errors.buf, "");
        return err_set(err, ERR_USER, "what '%s' asks for is not to be had: see above",
                       v->directory);
    }
    v->why = terraform_first_error(end.errors.buf);
    if (v->why == NULL)
        v->why = xasprintf("'%s init' ended with code %d", v->words.v[0], end.code);
    return 0;
}

static int initialize_and_restore(struct validation *v, struct err *err)
{
    _cleanup_strbuf_ struct strbuf lock = STRBUF_INIT;
    _cleanup_free_ char *path = xasprintf("%s/" LOCK_FILE, v->directory);
    _cleanup_err_ struct err absent = ERR_INIT, second = ERR_INIT;
    bool there = file_read_beneath(v->job->checkout, path, LOCK_MAX, &lock, &absent) == 0;
    if (!there && absent.class != ERR_NOT_FOUND)
        return err_move(err, &absent);
    int r = initialize(v, err);
    if (restore_lock(v, &lock, there, &second) < 0 && r == 0)
        return err_move(err, &second);
    return r;
}

static int validate(const struct validation *v, struct err *err)
{
    _cleanup_tool_end_ struct tool_end end = TOOL_END_INIT;
    _cleanup_terraform_verdict_ struct terraform_verdict verdict = TERRAFORM_VERDICT_INIT;
    if (call(v, v->directory, validate_arguments, &end, err) < 0)
        return -1;
    if (end.signal != 0 ||
        terraform_judge(end.out.buf, end.out.len, v->directory, v->why == NULL, &verdict, err) < 0)
        return fail(v, "validate", &end, err);
    say_list(&verdict.warnings, "note: ");
    if (tell_errors(v, &verdict.errors, err) < 0)
        return -1;
    if (verdict.whole)
        log_info("'%s' is valid: its syntax, and what its providers and modules ask for",
                 v->directory);
    else
        log_info("'%s': only the syntax was checked, and it is valid; whether its providers and "
                 "modules would take it is not known, for they could not be fetched: %s",
                 v->directory, v->why != NULL ? v->why : "terraform does not say why");
    return 0;
}

static bool is_configuration(const char *name)
{
    static const char *const ends[] = { ".tf", ".tf.json", ".tofu", ".tofu.json" };
    for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
        if (*name != '.' && str_ends(name, ends[i]))
            return true;
    return false;
}

/* To terraform a directory of nothing is valid; to whoever named a job after it, it is not. */
static int check_files(const struct validation *v, struct err *err)
{
    int fd = -1;
    if (file_open_dir_beneath(v->job->checkout, v->directory, &fd, err) < 0)
        return -1;
    DIR *directory = fdopendir(fd);
    const struct dirent *entry;
    bool found = false;
    while (directory != NULL && !found && (entry = readdir(directory)) != NULL)
        found = is_configuration(entry->d_name);
    if (directory != NULL)
        closedir(directory);
    else
        close(fd);
    return found ? 0
                 : err_set(err, ERR_USER,
                           "there is no Terraform file in '%s': none that ends in "
                           "'.tf' or '.tf.json'",
                           v->directory);
}

/* Nothing of terraform's own is left in the checkout, and it calls nobody about newer versions
 * (https://developer.hashicorp.com/terraform/cli/config/environment-variables). */
static void add_environment(struct validation *v)
{
    strlist_add(&v->env, "TF_IN_AUTOMATION=1");
    strlist_add(&v->env, "TF_INPUT=0");
    strlist_add(&v->env, "CHECKPOINT_DISABLE=1");
    strlist_addf(&v->env, "TF_DATA_DIR=%s/terraform", v->job->tmp);
}

static int work(const struct tool_job *job, struct err *err)
{
    _cleanup_validation_ struct validation v = { .job = job };
    if (terraform_find_directory(job, &v.directory, err) < 0 || check_files(&v, err) < 0)
        return -1;
    tool_words(job, "terraform", programs, &v.words);
    add_environment(&v);
    if (check_syntax(&v, err) < 0 || check_json(&v, err) < 0 || initialize_and_restore(&v, err) < 0)
        return -1;
    return validate(&v, err);
}

static int attempt(const struct tool_job *job, char **ret, struct err *err)
{
    static const char *const arguments[] = { "fmt", "-check", "-no-color", ".", NULL };
    _cleanup_strlist_ struct strlist words = STRLIST_INIT;
    tool_words(job, "terraform", programs, &words);
    return tool_attempt(job, &words, arguments, "tried.tf", "variable \"tried\" {}\n", ret, err);
}

const struct tool_driver terraform_tool = {
    .name = "terraform",
    .setting = "tools.terraform",
    .package = "Terraform or OpenTofu",
    .attempt = attempt,
    .work = work,
};
