/* SPDX-License-Identifier: MIT */
#include "executor/base/process.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include "executor/base/spawn.h"

static const int watched[] = { SIGTERM, SIGINT, SIGHUP, PROCESS_ORPHANED, SIGCHLD };

/* A child and the loop that it is awaited in. */
struct run {
    uv_loop_t loop;
    uv_signal_t watchers[ARRAY_SIZE(watched)];
    struct sigaction before[ARRAY_SIZE(watched)];
    uv_timer_t timer;
    uv_async_t cancelled;
    const struct process *process;
    pid_t pid; /* 0: none, or ended */
    struct process_end end;
};

static void stop(struct run *run)
{
    for (size_t i = 0; i < ARRAY_SIZE(watched); i++)
        uv_close((uv_handle_t *)&run->watchers[i], NULL);
    if (run->process->cancel != NULL)
        cancel_watch(run->process->cancel, NULL);
    uv_close((uv_handle_t *)&run->timer, NULL);
    uv_close((uv_handle_t *)&run->cancelled, NULL);
}

static void tell(const struct run *run, int signum)
{
    if (run->pid != 0)
        kill(run->process->group ? -run->pid : run->pid, signum);
}

/* Its children may be adopted ones too: only ours is taken out of the process table here. */
static void reap_child(struct run *run)
{
    int status;
    if (run->pid == 0 || waitpid(run->pid, &status, WNOHANG) != run->pid)
        return;
    run->pid = 0;
    run->end.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    run->end.code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    stop(run);
}

static void on_signal(uv_signal_t *watcher, int signum)
{
    struct run *run = watcher->data;
    if (signum == SIGCHLD) {
        reap_child(run);
        return;
    }
    run->end.signalled = true;
    if (signum == PROCESS_ORPHANED) {
        run->end.orphaned = true;
        tell(run, run->process->death_signal);
    } else if (run->process->forward) {
        tell(run, signum);
    }
}

static void kill_child(uv_timer_t *timer)
{
    tell(timer->data, SIGKILL);
}

static void end_child(struct run *run)
{
    tell(run, SIGTERM);
    uv_timer_start(&run->timer, kill_child, (uint64_t)(PROCESS_GRACE * 1000), 0);
}

static void on_time(uv_timer_t *timer)
{
    struct run *run = timer->data;
    run->end.timed_out = true;
    end_child(run);
}

static void on_cancel(uv_async_t *async)
{
    struct run *run = async->data;
    if (run->end.timed_out || run->end.cancelled)
        return;
    run->end.cancelled = true;
    end_child(run);
}

/* What ends the child before it ends by itself. */
static void watch_limits(struct run *run)
{
    const struct process *p = run->process;
    uv_timer_init(&run->loop, &run->timer);
    uv_async_init(&run->loop, &run->cancelled, on_cancel);
    run->timer.data = run;
    run->cancelled.data = run;
    if (p->seconds > 0)
        uv_timer_start(&run->timer, on_time, (uint64_t)(p->seconds * 1000), 0);
    if (p->cancel != NULL)
        cancel_watch(p->cancel, &run->cancelled);
}

/* libuv sets a signal it no longer watches to its default, so the caller's own way is kept. */
static void watch_signals(struct run *run)
{
    for (size_t i = 0; i < ARRAY_SIZE(watched); i++) {
        sigaction(watched[i], NULL, &run->before[i]);
        uv_signal_init(&run->loop, &run->watchers[i]);
        run->watchers[i].data = run;
        uv_signal_start(&run->watchers[i], on_signal, watched[i]);
    }
}

static void restore_signals(const struct run *run)
{
    for (size_t i = 0; i < ARRAY_SIZE(watched); i++)
        sigaction(watched[i], &run->before[i], NULL);
}

int process_run(const struct process *process, struct process_end *ret, struct err *err)
{
    struct run run = { .process = process };
    int error = uv_loop_init(&run.loop);
    if (error != 0)
        return err_set(err, ERR_HOST, "cannot set up an event loop: %s", uv_strerror(error));
    watch_signals(&run);
    watch_limits(&run);
    int r = process_spawn(process, &run.pid, err);
    if (r < 0)
        stop(&run);
    uv_run(&run.loop, UV_RUN_DEFAULT);
    uv_loop_close(&run.loop);
    restore_signals(&run);
    if (r == 0)
        *ret = run.end;
    return r;
}

void process_hide(void)
{
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
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
