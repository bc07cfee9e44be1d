/* SPDX-License-Identifier: MIT */
#include "executor/exitcode.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static int code_from(const char *variable, int otherwise)
{
    const char *text = getenv(variable);
    int64_t value = otherwise;
    if (text != NULL)
        (void)str_to_int64(text, 1, 255, &value);
    return (int)value;
}

int exitcode_build_failure(void)
{
    return code_from("BUILD_FAILURE_EXIT_CODE", 1);
}

int exitcode_system_failure(void)
{
    return code_from("SYSTEM_FAILURE_EXIT_CODE", 2);
}

int exitcode_of(const struct err *err)
{
    return err_blame(err) == BLAME_USER ? exitcode_build_failure() : exitcode_system_failure();
}

static volatile sig_atomic_t code_on_signal;

static void end_now(int signum)
{
    (void)signum;
    _exit(code_on_signal);
}

void exitcode_on_signals(void)
{
    code_on_signal = exitcode_system_failure();
    struct sigaction end = { .sa_handler = end_now };
    struct sigaction ignore = { .sa_handler = SIG_IGN };
    sigaction(SIGTERM, &end, NULL);
    sigaction(SIGINT, &end, NULL);
    sigaction(SIGHUP, &end, NULL);
    sigaction(SIGPIPE, &ignore, NULL);
}

static const char *code_file(void)
{
    const char *path = getenv("BUILD_EXIT_CODE_FILE");
    return path != NULL && *path != '\0' ? path : NULL;
}

int exitcode_clear(struct err *err)
{
    const char *path = code_file();
    if (path == NULL || unlink(path) == 0 || errno == ENOENT || errno == ENOTDIR)
        return 0;
    return err_set_errno(err, ERR_HOST, errno, "cannot remove the old exit code file '%s'", path);
}

static int write_code(const char *path, int code, struct err *err)
{
    _cleanup_free_ char *temporary = xasprintf("%s.XXXXXX", path);
    _cleanup_close_ int fd = mkstemp(temporary);
    if (fd < 0)
        return err_set_errno(err, ERR_HOST, errno, "cannot create '%s'", temporary);
    if (dprintf(fd, "%d\n", code) < 0 || rename(temporary, path) < 0) {
        int saved = errno;
        unlink(temporary);
        return err_set_errno(err, ERR_HOST, saved, "cannot write the exit code file '%s'", path);
    }
    return 0;
}

int exitcode_write(int code, struct err *err)
{
    const char *path = code_file();
    return path != NULL ? write_code(path, code, err) : 0;
}
