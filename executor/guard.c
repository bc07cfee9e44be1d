/* SPDX-License-Identifier: MIT */
#include "executor/guard.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "executor/base/log.h"
#include "executor/base/process.h"

static void be_worker(pid_t guard, const sigset_t *mask)
{
    process_join_group(getpgrp());
    if (setpgid(0, 0) < 0 || prctl(PR_SET_PDEATHSIG, PROCESS_ORPHANED, 0, 0, 0) < 0)
        log_warn("what this stage starts may outlive it: %s", strerror(errno));
    sigprocmask(SIG_SETMASK, mask, NULL);
    if (getppid() != guard)
        raise(PROCESS_ORPHANED);
}

/* Everything beneath the worker has become ours. */
static void end_what_is_left(void)
{
    _cleanup_strlist_ struct strlist left = STRLIST_INIT;
    process_end_descendants(0, &left);
}

/* Of signals that wait, sigwaitinfo(2) gives the lowest first: SIGTERM before the SIGCHLD of what
 * it has ended. */
static int await(pid_t worker, const sigset_t *watched, int killed, int signalled)
{
    int status;
    bool told = false;
    for (;;) {
        int signum = sigwaitinfo(watched, NULL);
        if (signum > 0 && signum != SIGCHLD) {
            told = true;
            kill(worker, signum);
        } else if (waitpid(worker, &status, WNOHANG) == worker) {
            break;
        }
    }
    if (WIFEXITED(status))
        return told && WEXITSTATUS(status) == 0 ? signalled : WEXITSTATUS(status);
    log_error("berth's own program 'run' was ended by signal %d (%s); out of memory?",
              WTERMSIG(status), strsignal(WTERMSIG(status)));
    end_what_is_left();
    return killed;
}

void guard_start(int killed, int signalled)
{
    sigset_t watched, before;
    sigemptyset(&watched);
    sigaddset(&watched, SIGTERM);
    sigaddset(&watched, SIGINT);
    sigaddset(&watched, SIGHUP);
    sigaddset(&watched, SIGCHLD);
    process_adopt_orphans();
    sigprocmask(SIG_BLOCK, &watched, &before);
    pid_t guard = getpid();
    pid_t worker = fork();
    if (worker < 0) {
        log_error("cannot start a process: %s", strerror(errno));
        _exit(killed);
    }
    if (worker > 0)
        _exit(await(worker, &watched, killed, signalled));
    be_worker(guard, &before);
}
