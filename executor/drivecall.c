/* SPDX-License-Identifier: MIT */
#include "executor/drivecall.h"

#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "executor/base/log.h"
#include "executor/base/process.h"
#include "executor/exitcode.h"
#include "executor/joblog.h"

#define GRACE 2.0
#define BEGAN "BERTH_STAGE_BEGAN"

/* By the clock that files are dated by (ktime_get_coarse_real_ts64() in the kernel): what is
 * written right after it must not seem older. */
static int64_t file_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void drive_note_beginning(void)
{
    _cleanup_free_ char *now = xasprintf("%lld", (long long)file_clock());
    setenv(BEGAN, now, 1);
}

int64_t drive_beginning(void)
{
    const char *noted = getenv(BEGAN);
    int64_t began;
    if (noted != NULL && str_to_int64(noted, 0, INT64_MAX, &began) == 0)
        return began;
    return file_clock();
}

static char *outputs_path(void)
{
    const char *directory = getenv("TMPDIR");
    if (directory == NULL || *directory == '\0')
        return NULL;
    return xasprintf("%s/berth-outputs.json", directory);
}

void drive_outputs_clear(void)
{
    _cleanup_free_ char *path = outputs_path();
    if (path != NULL)
        unlink(path);
}

cJSON *drive_outputs_read(void)
{
    _cleanup_err_ struct err err = ERR_INIT;
    _cleanup_free_ char *path = outputs_path();
    _cleanup_json_ cJSON *outputs = NULL;
    if (path == NULL)
        return NULL;
    if (json_read(path, JSON_PLAIN, &outputs, NULL, &err) < 0) {
        if (err.class != ERR_NOT_FOUND)
            log_warn("the script gets no outputs: %s", err.message);
        return NULL;
    }
    return cJSON_IsObject(outputs) ? steal_ptr(&outputs) : NULL;
}

/* Drive gets every signal with the process group, and takes a second one as "stop at once"; so
 * nothing is passed on to it. */
static int start(enum drive_mode mode, struct process_end *ret, struct err *err)
{
    _cleanup_free_ char *directory = NULL;
    if (process_own_directory(&directory, err) < 0)
        return -1;
    _cleanup_free_ char *path = xasprintf("%s/drive", directory);
    char *argv[] = { path, (char *)(mode == DRIVE_CHECK ? "check" : "run"), NULL };
    /* Alone it would go on with nobody to tell; told to stop, it ends as when a job is cancelled.
     */
    const struct process drive = { .file = path, .argv = argv, .death_signal = SIGTERM };
    process_adopt_orphans();
    if (process_run(&drive, ret, err) < 0)
        return err_wrap(err, "berth is not installed whole");
    _cleanup_strlist_ struct strlist left = STRLIST_INIT;
    process_end_descendants(GRACE, &left);
    return 0;
}

int drive_call(enum drive_mode mode)
{
    _cleanup_err_ struct err err = ERR_INIT;
    struct process_end end;
    if (start(mode, &end, &err) < 0) {
        joblog_failure(&err);
        return exitcode_system_failure();
    }
    if (end.signal != 0)
        log_error("berth's own program 'drive' was ended by signal %d (%s); run the job again, it "
                  "goes on where this one stopped",
                  end.signal, strsignal(end.signal));
    else if (end.code == exitcode_build_failure() && !end.signalled)
        return end.code;
    else if (end.code == 0 && !end.signalled)
        return 0;
    else if (end.code == 0)
        log_error("cancelled: berth's own work is done, the job is not");
    else if (end.code != exitcode_system_failure() && !end.signalled)
        log_error("berth's own program 'drive' ended with the unexpected code %d; this is an error "
                  "in berth",
                  end.code);
    return exitcode_system_failure();
}
