/* SPDX-License-Identifier: MIT */
/*
 * The programs that jobs need besides their scripts: each does the least that a job would ask of
 * it, as the user whom scripts run as. Jobs that need one that is missing fail, and say so; a host
 * that has no such jobs needs no such program. So nothing here is more than a warning.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "drivers/tool.h"
#include "executor/account.h"
#include "executor/base/file.h"
#include "executor/base/process.h"
#include "executor/base/usernamespace.h"
#include "executor/capture.h"
#include "executor/doctor.h"
#include "executor/wipe.h"

/* What a program runs as, and where. */
struct bench {
    const char *name; /* the user's; NULL: whoever runs this */
    struct process_user ids;
    char *directory; /* ours: what ends a job of the user's finds nothing of the user's in /tmp */
    char *work;      /* in it, the user's */
};

static void bench_release(struct bench *b)
{
    _cleanup_err_ struct err left = ERR_INIT;
    if (b->directory != NULL)
        (void)wipe_tree(b->directory, &left);
    free(b->directory);
    free(b->work);
}

/* Only root may be another user. */
static int bench_init(struct bench *b, const cJSON *setting, struct err *err)
{
    const char *tmp = getenv("TMPDIR");
    const cJSON *first = cJSON_IsArray(setting) ? setting->child : setting;
    if (geteuid() == 0 && first != NULL) {
        b->name = first->valuestring;
        if (account_find(b->name, &b->ids, err) < 0)
            return -1;
    }
    b->directory = xasprintf("%s/berth-doctor-XXXXXX", tmp != NULL && *tmp == '/' ? tmp : "/tmp");
    if (mkdtemp(b->directory) == NULL) {
        err_set_errno(err, ERR_HOST, errno, "cannot make '%s'", b->directory);
        free(b->directory);
        b->directory = NULL;
        return -1;
    }
    b->work = xasprintf("%s/work", b->directory);
    if (chmod(b->directory, 0711) < 0 || mkdir(b->work, 0700) < 0 ||
        (b->name != NULL && chown(b->work, b->ids.uid, b->ids.gid) < 0))
        return err_set_errno(err, ERR_HOST, errno, "cannot make '%s'", b->work);
    return 0;
}

static void make_environment(const struct bench *b, const struct tool_call *call,
                             struct strlist *env)
{
    const char *path = getenv("PATH");
    strlist_addf(env, "PATH=%s",
                 path != NULL ? path
                              : "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    strlist_addf(env, "HOME=%s", b->work);
    strlist_addf(env, "TMPDIR=%s", b->work);
    if (b->name != NULL && call->namespace_root)
        usernamespace_environment(&b->ids, env);
    for (size_t i = 0; call->env != NULL && i < call->env->n; i++)
        strlist_add(env, call->env->v[i]);
}

/* struct tool_job's: as toolwork.c has it for jobs, which have a claim, and a log. */
static int run(const struct tool_job *job, const struct tool_call *call, struct tool_end *ret,
               struct err *err)
{
    const struct bench *b = job->runner;
    _cleanup_strlist_ struct strlist env = STRLIST_INIT;
    _cleanup_close_ int namespace = -1;
    struct capture capture;
    struct process_end end = { .code = -1 };
    bool in_namespace = call->namespace_root && b->name != NULL;
    if ((in_namespace && usernamespace_make(&b->ids, b->name, &namespace, err) < 0) ||
        capture_start(&capture, &ret->out, &ret->errors, TOOL_OUTPUT_MAX, err) < 0)
        return -1;
    make_environment(b, call, &env);
    const struct process process = {
        .file = call->argv[0],
        .argv = call->argv,
        .env = env.v,
        .directory = b->work,
        .user = b->name != NULL ? &b->ids : NULL,
        .out = capture.write[0],
        .errors = capture.write[1],
        .death_signal = SIGKILL,
        .seconds = call->seconds,
        .namespace = in_namespace ? namespace : 0,
    };
    int r = process_run(&process, &end, err);
    process_end_descendants(PROCESS_GRACE, NULL);
    capture_end(&capture);
    ret->code = end.code;
    ret->signal = end.signal;
    if (r < 0 && err->class == ERR_NOT_FOUND)
        return err_set(err, ERR_NOT_FOUND, "there is no program '%s'", call->argv[0]);
    if (r == 0 && end.timed_out)
        return err_set(err, ERR_HOST, "'%s' took longer than %u s and was ended", call->argv[0],
                       call->seconds);
    return r;
}

static void check(struct doctor *d, const struct bench *b, const struct tool_driver *driver)
{
    _cleanup_err_ struct err err = ERR_INIT;
    _cleanup_close_ int checkout = -1;
    _cleanup_free_ char *works = NULL;
    struct tool_job job = {
        .host = d->host.json, .path = b->work, .tmp = b->work, .runner = (void *)b, .run = run
    };
    bool good = file_open_dir(b->work, &checkout, &err) == 0;
    job.checkout = checkout;
    good = good && driver->attempt(&job, &works, &err) == 0;
    if (good && b->name != NULL)
        doctor_note(d, SYMPTOM_OK, driver->setting, NULL, "%s as user '%s'", works, b->name);
    else if (good)
        doctor_note(d, SYMPTOM_OK, driver->setting, NULL, "%s", works);
    if (good)
        return;
    _cleanup_free_ char *cure =
        xasprintf("if jobs are to need it, install it (%s), or name another "
                  "one as '%s' in the host config",
                  driver->package, driver->setting);
    doctor_note(d, SYMPTOM_WARN, driver->setting, cure, "%s", err.message);
}

void doctor_tools(struct doctor *d)
{
    _cleanup_err_ struct err err = ERR_INIT;
    _cleanup_(bench_release) struct bench bench = { .name = NULL };
    if (bench_init(&bench, json_get(d->host.json, "user"), &err) < 0) {
        doctor_note(d, SYMPTOM_WARN, "tools", "see what is said of the user, and of the disk",
                    "none was tried: %s", err.message);
        return;
    }
    process_adopt_orphans();
    for (const struct tool_driver *const *driver = tool_drivers; *driver != NULL; driver++)
        if ((*driver)->attempt != NULL)
            check(d, &bench, *driver);
}
