/* SPDX-License-Identifier: MIT */
/*
 * GitLab Runner's config.toml: whether a runner hands its jobs to berth, and leaves it the time
 * that it needs. https://docs.gitlab.com/runner/configuration/advanced-configuration/
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "executor/base/toml.h"
#include "executor/doctor.h"

#define SUBJECT  "config.toml"
#define TEXT_MAX ((size_t)4 << 20)

static int read_text(const char *path, struct strbuf *text, struct err *err)
{
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return err_set_errno(err, ERR_HOST, errno, "cannot open '%s'", path);
    char chunk[8192];
    ssize_t n;
    while ((n = read(fd, chunk, sizeof(chunk))) > 0 && text->len < TEXT_MAX)
        strbuf_add(text, chunk, (size_t)n);
    return n < 0 ? err_set_errno(err, ERR_HOST, errno, "cannot read '%s'", path) : 0;
}

static void check_mode(struct doctor *d, const char *path)
{
    struct stat st;
    if (stat(path, &st) < 0 || (st.st_mode & (S_IRWXG | S_IRWXO)) == 0)
        return;
    _cleanup_free_ char *cure = xasprintf("run 'chmod 600 %s'", path);
    doctor_note(d, SYMPTOM_FAIL, SUBJECT, cure,
                "'%s' holds the runner's token, and others than its owner have rights to it "
                "(mode %03o)",
                path, st.st_mode & 0777u);
}

/* One of the four programs. */
static bool check_program(struct doctor *d, const char *subject, const cJSON *custom,
                          const char *name, const char *programs)
{
    _cleanup_free_ char *key = xasprintf("%s_exec", name);
    _cleanup_free_ char *ours = xasprintf("%s/%s", programs, name);
    _cleanup_free_ char *cure = xasprintf("set %s = \"%s\" under [runners.custom]", key, ours);
    const char *path = json_str(custom, key);
    _cleanup_free_ char *real = path != NULL ? realpath(path, NULL) : NULL;
    if (path == NULL)
        doctor_note(d, SYMPTOM_FAIL, subject, cure, "%s is not set", key);
    else if (real == NULL)
        doctor_note(d, SYMPTOM_FAIL, subject, cure, "%s names '%s', which is not there", key, path);
    else if (!str_eq(real, ours))
        doctor_note(d, SYMPTOM_FAIL, subject, cure, "%s names '%s', which is not this berth's", key,
                    path);
    else if (access(real, X_OK) < 0)
        doctor_note(d, SYMPTOM_FAIL, subject, "run 'make install' again", "'%s' cannot be executed",
                    path);
    else
        return true;
    return false;
}

struct timeout {
    const char *key;
    int64_t otherwise; /* the runner's own default, seconds */
    int64_t least, most, advice;
    enum symptom_level level;
    const char *why;
};
static const struct timeout timeouts[];
static const size_t timeouts_n;

static bool check_timeout(struct doctor *d, const char *subject, const cJSON *custom,
                          const struct timeout *t)
{
    int64_t seconds = json_int(custom, t->key, t->otherwise);
    if (seconds <= 0)
        seconds = t->otherwise;
    if (seconds >= t->least && seconds <= t->most)
        return true;
    _cleanup_free_ char *cure =
        xasprintf("set %s = %lld under [runners.custom]", t->key, (long long)t->advice);
    doctor_note(d, t->level, subject, cure, "%s is %lld%s: %s", t->key, (long long)seconds,
                json_get(custom, t->key) == NULL ? ", the runner's default" : "", t->why);
    return false;
}

static bool check_rest(struct doctor *d, const char *subject, const cJSON *runner)
{
    bool good = true;
    const char *shell = json_str(runner, "shell");
    if (shell != NULL && !str_eq(shell, "bash")) {
        doctor_note(d, SYMPTOM_FAIL, subject, "set shell = \"bash\"",
                    "shell is '%s', but berth runs the stages' scripts with bash", shell);
        good = false;
    }
    static const char *const dirs[][2] = { { "builds_dir", "buildsDir" },
                                           { "cache_dir", "cacheDir" } };
    for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
        if (json_get(runner, dirs[i][0]) == NULL)
            continue;
        _cleanup_free_ char *cure =
            xasprintf("take it out, and set \"%s\" in the host config", dirs[i][1]);
        doctor_note(d, SYMPTOM_WARN, subject, cure, "%s is set, but berth gives that directory",
                    dirs[i][0]);
        good = false;
    }
    const cJSON *entry;
    cJSON_ArrayForEach (entry, json_get(runner, "environment")) {
        const char *text = cJSON_GetStringValue(entry);
        if (text == NULL || (!str_starts(text, "BERTH_CONFIG=") && !str_starts(text, "AWS_")))
            continue;
        doctor_note(d, SYMPTOM_FAIL, subject,
                    "set it with 'systemctl edit gitlab-runner' under [Service]",
                    "environment sets '%.*s', which makes it a variable of every job, and berth "
                    "does not see it",
                    (int)strcspn(text, "="), text);
        good = false;
    }
    return good;
}

static void check_runner(struct doctor *d, const cJSON *runner, const char *programs)
{
    static const char *const names[] = { "config", "prepare", "run", "cleanup" };
    const char *name = json_str(runner, "name");
    const cJSON *custom = json_get(runner, "custom");
    _cleanup_free_ char *subject = xasprintf("runner '%s'", name != NULL ? name : "without a name");
    bool good = true;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        good = check_program(d, subject, custom, names[i], programs) && good;
    for (size_t i = 0; i < timeouts_n; i++)
        good = check_timeout(d, subject, custom, &timeouts[i]) && good;
    if (check_rest(d, subject, runner) && good)
        doctor_note(d, SYMPTOM_OK, subject, NULL, "hands its jobs to berth");
}

/* The runner's own grace when its service stops, for jobs that then get SIGTERM. */
static void check_shutdown(struct doctor *d, const cJSON *config)
{
    int64_t seconds = json_int(config, "shutdown_timeout", 30);
    if (seconds < 60)
        doctor_note(d, SYMPTOM_WARN, SUBJECT, "set shutdown_timeout = 90 at the top",
                    "shutdown_timeout is %lld: when the service stops, a deploy needs up to 60 "
                    "seconds to say how far it is",
                    (long long)seconds);
}

static void check_runners(struct doctor *d, const char *path, const cJSON *config,
                          const char *programs)
{
    size_t found = 0;
    const cJSON *runner;
    cJSON_ArrayForEach (runner, json_get(config, "runners")) {
        if (!str_eq(json_str(runner, "executor"), "custom"))
            continue;
        check_runner(d, runner, programs);
        found++;
    }
    if (found == 0)
        doctor_note(d, SYMPTOM_FAIL, SUBJECT,
                    "add one as config/config.toml shows, with executor = \"custom\"",
                    "no [[runners]] of '%s' hands its jobs to berth", path);
    else
        check_shutdown(d, config);
}

void doctor_runner(struct doctor *d, const char *path, const char *programs)
{
    _cleanup_err_ struct err err = ERR_INIT;
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    _cleanup_json_ cJSON *config = NULL;
    if (read_text(path, &text, &err) < 0) {
        doctor_note(d, SYMPTOM_FAIL, SUBJECT,
                    "run 'berth doctor' as the runner's user, or name the file with "
                    "'--runner-config FILE'",
                    "%s", err.message);
        return;
    }
    check_mode(d, path);
    if (toml_parse(text.buf, text.len, &config, &err) < 0) {
        doctor_note(d, SYMPTOM_FAIL, SUBJECT, "correct it", "%s: %s", path, err.message);
        return;
    }
    check_runners(d, path, config, programs);
}

static const struct timeout timeouts[] = {
    { "graceful_kill_timeout", 600, 60, 120, 90, SYMPTOM_FAIL,
      "a cancelled deploy needs up to 60 seconds, and after five minutes the runner cleans up "
      "beneath a stage that still lives" },
    { "config_exec_timeout", 3600, 5, 600, 30, SYMPTOM_WARN, "config reads one file" },
    { "prepare_exec_timeout", 3600, 30, 900, 120, SYMPTOM_WARN, "prepare takes seconds" },
    { "cleanup_exec_timeout", 3600, 30, 900, 60, SYMPTOM_WARN,
      "cleanup ends what a killed stage has left, which takes seconds" },
};
static const size_t timeouts_n = ARRAY_SIZE(timeouts);
