/* SPDX-License-Identifier: MIT */
#include "executor/base/process.h"

#include <errno.h>
#include <limits.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

static const int watched[] = { SIGTERM, SIGINT, SIGHUP };

/* A child and the loop that it is awaited in. */
struct run {
    uv_loop_t loop;
    uv_process_t child;
    uv_signal_t watchers[ARRAY_SIZE(watched)];
    struct sigaction before[ARRAY_SIZE(watched)];
    bool forward;
    bool running;
    struct process_end end;
};

static void on_watched_signal(uv_signal_t *watcher, int signum)
{
    struct run *run = watcher->data;
    run->end.signalled = true;
    if (run->forward && run->running)
        uv_process_kill(&run->child, signum);
}

static void on_child_exit(uv_process_t *child, int64_t status, int signum)
{
    struct run *run = child->data;
    run->running = false;
    run->end.signal = signum;
    run->end.code = signum != 0 ? 128 + signum : (int)status;
    for (size_t i = 0; i < ARRAY_SIZE(watched); i++)
        uv_close((uv_handle_t *)&run->watchers[i], NULL);
    uv_close((uv_handle_t *)child, NULL);
}

/* libuv sets a signal it no longer watches to its default, so the caller's own way is kept. */
static void watch_signals(struct run *run)
{
    for (size_t i = 0; i < ARRAY_SIZE(watched); i++) {
        sigaction(watched[i], NULL, &run->before[i]);
        uv_signal_init(&run->loop, &run->watchers[i]);
        run->watchers[i].data = run;
        uv_signal_start(&run->watchers[i], on_watched_signal, watched[i]);
    }
}

static void restore_signals(const struct run *run)
{
    for (size_t i = 0; i < ARRAY_SIZE(watched); i++)
        sigaction(watched[i], &run->before[i], NULL);
}

static int spawn(struct run *run, const struct process *process)
{
    uv_stdio_container_t stdio[] = {
        { .flags = UV_IGNORE },
        { .flags = UV_INHERIT_FD, .data.fd = STDOUT_FILENO },
        { .flags = UV_INHERIT_FD, .data.fd = STDERR_FILENO },
    };
    uv_process_options_t options = {
        .exit_cb = on_child_exit,
        .file = process->file,
        .args = (char **)process->argv,
        .env = (char **)process->env,
        .stdio = stdio,
        .stdio_count = ARRAY_SIZE(stdio),
    };
    run->child.data = run;
    int error = uv_spawn(&run->loop, &run->child, &options);
    run->running = error == 0;
    if (error != 0)
        on_child_exit(&run->child, 0, 0);
    return error;
}

int process_run(const struct process *process, struct process_end *ret, struct err *err)
{
    struct run run = { .forward = process->forward };
    int error = uv_loop_init(&run.loop);
    if (error != 0)
        return err_set(err, ERR_HOST, "cannot set up an event loop: %s", uv_strerror(error));
    /* Descriptors that somebody has left open for us are not the child's business. */
    close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
    watch_signals(&run);
    error = spawn(&run, process);
    uv_run(&run.loop, UV_RUN_DEFAULT);
    uv_loop_close(&run.loop);
    restore_signals(&run);
    if (error != 0)
        return err_set(err, error == UV_ENOENT ? ERR_NOT_FOUND : ERR_HOST, "cannot start '%s': %s",
                       process->file, uv_strerror(error));
    *ret = run.end;
    return 0;
}

void process_adopt_orphans(void)
{
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}

static bool is_program(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

char *process_find_program(const char *name)
{
    const char *path = getenv("PATH");
    while (path != NULL && *path != '\0') {
        size_t len = strcspn(path, ":");
        _cleanup_free_ char *candidate = xasprintf("%.*s/%s", (int)len, path, name);
        if (is_program(candidate))
            return steal_ptr(&candidate);
        path += len + (path[len] == ':');
    }
    return NULL;
}

int process_own_directory(char **ret, struct err *err)
{
    char path[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - 1);
    if (len <= 0)
        return err_set_errno(err, ERR_HOST, errno, "cannot read /proc/self/exe");
    path[len] = '\0';
    char *slash = strrchr(path, '/');
    if (slash == NULL)
        return err_set(err, ERR_HOST, "/proc/self/exe is '%s', which is no path", path);
    *ret = xstrndup(path, (size_t)(slash - path));
    return 0;
}
