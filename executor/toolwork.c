/* SPDX-License-Identifier: MIT */
#include "executor/toolwork.h"

#include "executor/base/file.h"
#include "executor/capture.h"
#include "executor/drivecall.h"
#include "executor/script.h"

/* Where no overlay is merged, a module may stand in one alone. */
static const cJSON *find_module(const cJSON *spec, const char *name)
{
    const cJSON *module = json_get(json_get(spec, "modules"), name);
    const cJSON *overlay;
    cJSON_ArrayForEach (overlay, json_get(spec, "overlays"))
        if (module == NULL)
            module = json_get(json_get(overlay, "modules"), name);
    return module;
}

static const char *variable(const struct tool_job *job, const char *name)
{
    const struct toolwork *work = job->runner;
    return job_variable(work->job, name);
}

/* The directory that a program starts in; the caller frees *ret. */
static int find_directory(const struct tool_job *job, const char *relative, char **ret,
                          struct err *err)
{
    _cleanup_close_ int fd = -1;
    if (relative == NULL) {
        *ret = xstrdup(job->path);
        return 0;
    }
    if (file_open_dir_beneath(job->checkout, relative, &fd, err) < 0) {
        err->class = ERR_USER;
        return -1;
    }
    *ret = xasprintf("%s/%s", job->path, relative);
    return 0;
}

static int judge_end(const struct tool_call *call, const struct process_end *end, struct err *err)
{
    /* A signal to the group may have ended the program before the cancel was set. */
    if (end->cancelled || end->signalled)
        return err_set(err, ERR_CANCELLED, "cancelled while '%s' ran, which was ended",
                       call->argv[0]);
    if (end->timed_out)
        return err_set(err, ERR_TIMEOUT, "'%s' took longer than %u s and was ended", call->argv[0],
                       call->seconds);
    return 0;
}

static int start_capture(const struct tool_call *call, struct capture *capture,
                         struct tool_end *end, struct err *err)
{
    if (call->keep_errors)
        return capture_start_shown(capture, &end->errors, TOOL_KEPT, err);
    return capture_start(capture, call->capture ? &end->out : NULL,
                         call->capture_errors ? &end->errors : NULL, TOOL_OUTPUT_MAX, err);
}

int tool_run_as(const struct jobuser *user, const struct tool_job *job,
                const struct tool_call *call, struct tool_end *ret, struct err *err)
{
    _cleanup_free_ char *directory = NULL;
    _cleanup_tool_end_ struct tool_end end = TOOL_END_INIT;
    struct capture capture;
    struct process_end ended;
    if (find_directory(job, call->directory, &directory, err) < 0 ||
        start_capture(call, &capture, &end, err) < 0)
        return -1;
    const struct script_tool tool = {
        .argv = call->argv,
        .directory = directory,
        .env = call->env,
        .handed = call->handed,
        .out = capture.write[0],
        .errors = capture.write[1],
        .seconds = call->seconds,
        .cancel = job->cancel,
        .namespace_root = call->namespace_root,
    };
    int r = script_run_tool(user, &tool, &ended, err);
    capture_end(&capture);
    if (r < 0)
        return -1;
    end.code = ended.code;
    end.signal = ended.signal;
    *ret = end;
    end = (struct tool_end)TOOL_END_INIT;
    return judge_end(call, &ended, err);
}

static int run(const struct tool_job *job, const struct tool_call *call, struct tool_end *ret,
               struct err *err)
{
    _cleanup_jobuser_ struct jobuser user = JOBUSER_INIT;
    if (jobuser_of_job(NULL, &user, err) < 0)
        return -1;
    return tool_run_as(&user, job, call, ret, err);
}

int tool_work(const struct toolwork *work, struct err *err)
{
    _cleanup_jobuser_ struct jobuser user = JOBUSER_INIT;
    if (jobuser_of_job(work->host, &user, err) < 0)
        return -1;
    const cJSON *spec = work->spec->json != NULL ? work->spec->json : work->spec->raw;
    const struct tool_job job = {
        .part = work->dispatch->part,
        .plan = work->dispatch->plan,
        .module = work->dispatch->part != NULL ? find_module(spec, work->dispatch->part) : NULL,
        .spec = spec,
        .host = work->host->json,
        .checkout = work->checkout,
        .path = getenv("CUSTOM_ENV_CI_PROJECT_DIR"), /* which checkout_open() has looked at */
        .tmp = user.tmp_dir != NULL ? user.tmp_dir : getenv("TMPDIR"),
        .began = drive_beginning(),
        .cancel = work->cancel,
        .context = work->context,
        .session = work->session,
        .runner = (void *)work,
        .variable = variable,
        .run = run,
    };
    if (work->driver->work(&job, err) < 0)
        return spec_locate(work->spec, err);
    /* The runner takes an end with 0 after SIGTERM for success (common/build.go). */
    if (cancel_is_set(work->cancel))
        return err_set(err, ERR_CANCELLED, "cancelled");
    return 0;
}
