/* SPDX-License-Identifier: MIT */

/*
 * run SCRIPT STAGE: one stage of a job. Every stage is its script and nothing else, known or not;
 * only in the user's own script's stage of a driver job does drive run before or after the script.
 */

#include <unistd.h>

#include "executor/base/log.h"
#include "executor/checkout.h"
#include "executor/dispatch.h"
#include "executor/drivecall.h"
#include "executor/exitcode.h"
#include "executor/guard.h"
#include "executor/job.h"
#include "executor/joblog.h"
#include "executor/script.h"
#include "executor/usage.h"

/* The runner calls this stage "build_script" for custom executors and "step_script" for all others
 * (https://gitlab.com/gitlab-org/gitlab-runner/-/issues/26418). */
static bool is_user_script(const char *stage)
{
    return str_eq(stage, "build_script") || str_eq(stage, "step_script");
}

/* Runs the script; what it ends with is the stage's end, and its own code goes to the runner. */
static int run_script(const char *script, const cJSON *outputs)
{
    _cleanup_err_ struct err err = ERR_INIT;
    struct process_end end;
    if (script_run(script, outputs, &end, &err) < 0) {
        joblog_failure(&err);
        return exitcode_system_failure();
    }
    if (end.code == 0 && !end.signalled)
        return 0;
    if (end.signal != 0)
        log_error("the script was ended by signal %d (%s)", end.signal, strsignal(end.signal));
    /* A script may end with 0 although it was told to stop; the runner would take that for success.
     * Without a code file, the stage's own code counts. */
    if (end.code != 0 && exitcode_write(end.code, &err) < 0)
        log_warn("the job's exit code is lost: %s", err.message);
    return exitcode_build_failure();
}

/*
 * What the spec declares, for a job name that only the spec can explain; NULL where it does not
 * matter. With a spec that cannot be used nobody knows whether the job should have deployed, or
 * passed a gate, and green would say that it has: *ret_broken sends it to drive, which says what is
 * wrong.
 */
static cJSON *spec_for(const struct job *job, const struct hostconfig *h, bool *ret_broken)
{
    _cleanup_err_ struct err err = ERR_INIT;
    cJSON *spec = NULL;
    if (dispatch_if_declared(job->name, h) == ACT_SCRIPT ||
        hostconfig_project(h, job->project_id) == NULL || checkout_read_spec(h, &spec, &err) == 0)
        return spec;
    *ret_broken = err.class != ERR_NOT_FOUND;
    return NULL;
}

/* A misspelt name must not pass for a deploy, or a plan, that was made. */
static void say_not_declared(const struct job *job, const struct hostconfig *h, const cJSON *spec)
{
    if (hostconfig_project(h, job->project_id) == NULL)
        return;
    _cleanup_free_ char *near = dispatch_nearest(job->name, h, spec);
    _cleanup_free_ char *hint =
        near != NULL ? xasprintf("; did you mean '%s'?", near) : xstrdup("");
    if (dispatch_if_declared(job->name, h) == ACT_DEPLOY)
        log_warn("nothing is %s: the repository's spec declares no service of the name in '%s', so "
                 "this job is just its script%s",
                 str_starts(job->name, "plan") ? "planned" : "deployed", job->name, hint);
    else if (near != NULL)
        log_warn("berth knows no job '%s', so it is just its script%s", job->name, hint);
}

/* Nor may a job pass for one that was held to something. */
static void say_unknown_project(const struct job *job, const struct hostconfig *h)
{
    log_warn(
        "project %lld is not among the 'projects' of the host config %s: berth does nothing of "
        "its own for it, and job '%s' is just its script",
        (long long)job->project_id, h->path, job->name);
}

static enum when when_of(const struct job *job, const struct dispatch *d)
{
    const char *asked = job_variable(job, "BERTH_WHEN");
    if (asked == NULL || *asked == '\0')
        return d->when;
    if (str_eq(asked, "before"))
        return WHEN_BEFORE;
    if (str_eq(asked, "after"))
        return WHEN_AFTER;
    log_warn("BERTH_WHEN is '%s'; it must be 'before' or 'after' and is ignored", asked);
    return d->when;
}

static int drive_then_script(const char *script)
{
    drive_outputs_clear();
    int code = drive_call(DRIVE_RUN);
    if (code != 0)
        return code;
    _cleanup_json_ cJSON *outputs = drive_outputs_read();
    return run_script(script, outputs);
}

static int run_user_script(const char *script)
{
    _cleanup_err_ struct err err = ERR_INIT;
    _cleanup_job_ struct job job = JOB_INIT;
    _cleanup_hostconfig_ struct hostconfig h = HOSTCONFIG_INIT;
    _cleanup_dispatch_ struct dispatch d = DISPATCH_INIT;
    if (job_read(getenv("JOB_RESPONSE_FILE"), &job, &err) < 0 || hostconfig_read(&h, &err) < 0)
        return joblog_failure(&err);
    drive_note_beginning();
    bool broken = false;
    _cleanup_json_ cJSON *spec = spec_for(&job, &h, &broken);
    if (dispatch_job(job.name, &h, spec, &d, &err) < 0)
        return joblog_failure(&err);
    /* Of a project that the host config does not know, jobs are just their scripts; those that
     * would act on an environment are refused by drive. */
    if (!dispatch_needs_environment(&d) && d.act != ACT_SCRIPT &&
        hostconfig_project(&h, job.project_id) == NULL) {
        say_unknown_project(&job, &h);
        return run_script(script, NULL);
    }
    if (d.act == ACT_SCRIPT && !broken) {
        say_not_declared(&job, &h, spec);
        return run_script(script, NULL);
    }
    if (when_of(&job, &d) == WHEN_AFTER)
        return drive_then_script(script);
    int code = run_script(script, NULL);
    return code != 0 ? code : drive_call(DRIVE_RUN);
}

int main(int argc, char **argv)
{
    if (usage_asked(
            argc, argv, "run SCRIPT STAGE",
            "Runs one stage of a job: its script, and what berth does in its place or beside it."))
        return 0;
    process_hide();
    exitcode_on_signals();
    joblog_init(STDOUT_FILENO);
    guard_start(exitcode_system_failure(), exitcode_build_failure());
    _cleanup_err_ struct err err = ERR_INIT;
    /* The runner puts both behind whatever run_args there are. */
    if (argc < 3)
        err_set(&err, ERR_HOST, "usage: run SCRIPT STAGE, called by GitLab Runner");
    if (argc < 3 || exitcode_clear(&err) < 0)
        return joblog_failure(&err);
    const char *script = argv[argc - 2];
    return is_user_script(argv[argc - 1]) ? run_user_script(script) : run_script(script, NULL);
}
