/* SPDX-License-Identifier: MIT */

/*
 * cleanup: the job is over. Each stage ends what it leaves running, so there is something to do
 * only when a stage was killed. The runner removes the job's temporary directory itself; what it
 * names may be missing or empty (a full disk), and a stage that was told to stop may still be at it
 * (GitLab Runner, common/build.go, WaitForBuildFinishTimeout). The output goes to the runner's own
 * log, not masked, so it holds no values.
 */

#include <unistd.h>

#include "executor/base/log.h"
#include "executor/drivecall.h"
#include "executor/exitcode.h"
#include "executor/joblog.h"
#include "executor/jobuser.h"
#include "executor/usage.h"

#define GRACE 5.0

static int end_what_is_left(const char *directory, struct err *err)
{
    _cleanup_free_ char *programs = NULL;
    _cleanup_free_ char *mark = xasprintf("TMPDIR=%s", directory);
    _cleanup_strlist_ struct strlist left = STRLIST_INIT;
    if (process_own_directory(&programs, err) < 0)
        return -1;
    int r = jobuser_end(directory, &left, err);
    size_t alive = process_end_marked(mark, programs, GRACE, &left);
    for (size_t i = 0; i < left.n; i++)
        log_warn("ended a process that a killed stage had left running: %s", left.v[i]);
    if (r == 0 && alive > 0)
        return err_set(err, ERR_HOST, "%zu processes of the job could not be ended", alive);
    return r;
}

int main(int argc, char **argv)
{
    if (usage_asked(argc, argv, "cleanup", "Ends and removes what a job has left."))
        return 0;
    process_hide();
    exitcode_on_signals();
    joblog_init(STDERR_FILENO);
    _cleanup_err_ struct err err = ERR_INIT;
    drive_outputs_clear();
    const char *directory = jobuser_directory();
    if (directory != NULL && end_what_is_left(directory, &err) < 0)
        return joblog_failure(&err);
    return 0;
}
