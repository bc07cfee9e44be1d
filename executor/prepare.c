/* SPDX-License-Identifier: MIT */

/*
 * prepare: everything that can be known to go wrong before a script runs goes wrong here, with one
 * clear line: the host's tools and directories, and whether this job may act on this branch.
 */

#include <errno.h>
#include <unistd.h>

#include "executor/base/file.h"
#include "executor/base/log.h"
#include "executor/dispatch.h"
#include "executor/drivecall.h"
#include "executor/exitcode.h"
#include "executor/job.h"
#include "executor/joblog.h"
#include "executor/sandbox.h"
#include "executor/script.h"
#include "executor/usage.h"

static bool find_program(const char *name)
{
    _cleanup_free_ char *path = process_find_program(name);
    return path != NULL;
}

static bool needs_runner(const struct job *job)
{
    return json_count(json_get(job->response, "artifacts")) > 0 ||
           json_count(json_get(job->response, "cache")) > 0 ||
           json_count(json_get(job->response, "dependencies")) > 0;
}

/* The runner's scripts call gitlab-runner for artifacts and caches; where it is missing they say so
 * and go on, and the job is green without its artifacts (gitlab-runner#1630). */
static int check_tools(const struct job *job, const struct hostconfig *h, struct err *err)
{
    static const char *const tools[] = { "bash", "git" };
    for (size_t i = 0; i < ARRAY_SIZE(tools); i++)
        if (!find_program(tools[i]))
            return err_set(err, ERR_HOST, "there is no '%s' in the runner's PATH; install it",
                           tools[i]);
    if (json_count(json_get(job->response, "run")) > 0 && !find_program("step-runner"))
        return err_set(err, ERR_HOST,
                       "there is no 'step-runner' in the runner's PATH, and this job's 'run:' "
                       "needs it; install it, or give the job a 'script:' instead");
    if (json_str(h->json, "sandbox") != NULL && !find_program(SANDBOX_PROGRAM))
        return err_set(err, ERR_HOST,
                       "there is no '" SANDBOX_PROGRAM "' in the runner's PATH, which the host "
                       "config's 'sandbox' needs; install it (Debian's package is bubblewrap)");
    if (find_program("gitlab-runner"))
        return 0;
    if (needs_runner(job))
        return err_set(err, ERR_HOST,
                       "there is no 'gitlab-runner' in the runner's PATH, and this job has "
                       "artifacts, a cache or dependencies, which would silently be skipped; put "
                       "it there (a link will do)");
    log_info("note: there is no 'gitlab-runner' in the runner's PATH; jobs with artifacts or a "
             "cache will be refused");
    return 0;
}

static int make_directory(const char *path, struct err *err)
{
    /* Others may pass through, not look around. */
    if (file_make_directories(path, 0755, 0711, err) < 0)
        return -1;
    if (access(path, W_OK | X_OK) < 0)
        return err_set_errno(err, ERR_HOST, errno, "cannot use the directory '%s'", path);
    return 0;
}

/*
 * As a stage's script will, so that what would keep it from its directories is told here: a
 * directory above them that is shut, a bash that others may not execute, a kernel without user
 * namespaces.
 */
static int try_as_user(const struct jobuser *user, struct err *err)
{
    static const char probe[] = "for d; do cd \"$d\" && test -w . || exit 3; done && git --version "
                                ">/dev/null";
    char *const argv[] = { (char *)"bash",   (char *)"-c",    (char *)probe, (char *)"prepare",
                           user->builds_dir, user->cache_dir, user->tmp_dir, NULL };
    struct process_end end = { .code = -1 };
    _cleanup_err_ struct err cause = ERR_INIT;
    const struct script_tool tool = { .argv = argv };
    if (script_run_tool(user, &tool, &end, &cause) == 0 && end.code == 0 && !end.signalled)
        return 0;
    if (end.signalled)
        return err_set(err, ERR_CANCELLED, "told to stop while trying what scripts need");
    return err_set(err, ERR_HOST,
                   "scripts cannot run as user '%s'%s%s: bash and git must be executable, '%s' and "
                   "'%s' reachable by it (each directory above with mode 711 or more)%s",
                   user->name, cause.message != NULL ? ": " : "",
                   cause.message != NULL ? cause.message : "", user->builds_dir, user->cache_dir,
                   user->sandbox ? ", and bwrap must be able to make user namespaces" : "");
}

static int check_user(const struct hostconfig *h, struct err *err)
{
    _cleanup_jobuser_ struct jobuser user = JOBUSER_INIT;
    _cleanup_err_ struct err unisolated = ERR_INIT;
    if (jobuser_of_job(h, &user, err) < 0)
        return -1;
    if (jobuser_check_isolation(h, &unisolated) < 0)
        log_warn("%s", unisolated.message);
    if (user.name != NULL)
        return try_as_user(&user, err);
    if (make_directory(user.builds_dir, err) < 0 || make_directory(user.cache_dir, err) < 0)
        return err_wrap(err, "%s: buildsDir and cacheDir", h->path);
    return 0;
}

static void say_what_is_ignored(const struct job *job)
{
    const char *image = json_str_at(job->response, "image/name");
    bool services = json_count(json_get(job->response, "services")) > 0;
    if ((image == NULL || *image == '\0') && !services)
        return;
    log_warn("%s%s%s not honoured: berth runs scripts on the runner host itself",
             image != NULL && *image != '\0' ? "'image:'" : "",
             image != NULL && *image != '\0' && services ? " and " : "",
             services ? "'services:' are" : " is");
}

/* What the job is going to be, as far as its name and the host config tell. */
static void add_action(const struct job *job, const struct hostconfig *h, const struct dispatch *d,
                       struct strbuf *out)
{
    if (d->act != ACT_SCRIPT)
        strbuf_addf(out, "%s%s%s%s", d->plan ? "plan: " : "", act_name(d->act),
                    d->part != NULL ? " " : "", d->part != NULL ? d->part : "");
    else if (dispatch_if_declared(job->name, h) == ACT_SCRIPT)
        strbuf_adds(out, "its script, as with the shell executor");
    else
        strbuf_addf(out, "%s if the repository's spec declares it, else its script",
                    act_name(dispatch_if_declared(job->name, h)));
}

/* In one line: the log of a job that goes well is short. */
static void say_what_it_is(const struct job *job, const struct hostconfig *h,
                           const struct dispatch *d)
{
    _cleanup_strbuf_ struct strbuf action = STRBUF_INIT;
    add_action(job, h, d, &action);
    log_info("job '%s' of pipeline %lld of %s, %s '%s' at %.8s: %s", job->name,
             (long long)job->pipeline_id,
             *job->project_path != '\0' ? job->project_path : "this project",
             job_is_merge_request(job) ? "ref" : job->ref_type, job->ref, job->sha, action.buf);
}

static int prepare(struct err *err)
{
    _cleanup_job_ struct job job = JOB_INIT;
    _cleanup_hostconfig_ struct hostconfig h = HOSTCONFIG_INIT;
    _cleanup_dispatch_ struct dispatch d = DISPATCH_INIT;
    if (exitcode_clear(err) < 0 || job_read(getenv("JOB_RESPONSE_FILE"), &job, err) < 0)
        return joblog_failure(err);
    if (hostconfig_read(&h, err) < 0 || dispatch_job(job.name, &h, NULL, &d, err) < 0)
        return joblog_failure(err);
    say_what_it_is(&job, &h, &d);
    say_what_is_ignored(&job);
    if (check_tools(&job, &h, err) < 0 || check_user(&h, err) < 0)
        return joblog_failure(err);
    return d.act != ACT_SCRIPT ? drive_call(DRIVE_CHECK) : 0;
}

int main(int argc, char **argv)
{
    if (usage_asked(argc, argv, "prepare",
                    "Looks whether the host and the job are as they must be, and says what the job "
                    "will do."))
        return 0;
    process_hide();
    exitcode_on_signals();
    joblog_init(STDOUT_FILENO);
    _cleanup_err_ struct err err = ERR_INIT;
    return prepare(&err);
}
