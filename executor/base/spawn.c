/* SPDX-License-Identifier: MIT */
#include "executor/base/spawn.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* What the child was doing when it failed. */
enum step { STEP_SIGNALS, STEP_DESCRIPTORS, STEP_USER, STEP_DIRECTORY, STEP_EXEC };

struct failure {
    enum step step;
    int sys_errno;
};

static const char *const step_words[];

static pid_t children_group; /* 0: the caller's */

void process_join_group(pid_t group)
{
    children_group = group;
}

/* The raw calls: glibc's would have every thread of the caller take part, and a forked child has
 * only copies of their locks. */
static int drop_to(const struct process_user *user)
{
    if (syscall(SYS_setgroups, 0, NULL) < 0 ||
        syscall(SYS_setresgid, user->gid, user->gid, user->gid) < 0 ||
        syscall(SYS_setresuid, user->uid, user->uid, user->uid) < 0)
        return -1;
    /* Root that keeps its capabilities over setresuid(2) (securebits) has dropped nothing. */
    if (user->uid != 0 && syscall(SYS_setresuid, -1, 0, -1) == 0) {
        errno = EPERM;
        return -1;
    }
    return 0;
}

pid_t process_fork(void)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t pid = fork();
    if (pid != 0)
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    return pid;
}

int process_become(const struct process_user *user)
{
    const struct rlimit none = { .rlim_cur = 0, .rlim_max = 0 };
    /* The kernel's key rings may hold the credentials of whoever started the runner. Kernels
     * without keys, and sandboxes that hide them, have none to give. */
    if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 && errno != ENOSYS &&
        errno != EPERM && errno != EDQUOT)
        return -1;
    if (setrlimit(RLIMIT_CORE, &none) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -1;
    umask(022);
    if (drop_to(user) < 0)
        return -1;
    /* Until it executes, it has our memory. The change of user has shut that to others, but on a
     * host that has fs.suid_dumpable set to 1, which opens it; see proc_sys_fs(5). */
    return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

static void set_signals(const struct process *process)
{
    struct sigaction by_default = { .sa_handler = SIG_DFL };
    struct sigaction ignore = { .sa_handler = SIG_IGN };
    for (int signum = 1; signum < NSIG; signum++)
        sigaction(signum, &by_default, NULL);
    if (process->group) {
        sigaction(SIGTERM, &ignore, NULL);
        sigaction(SIGINT, &ignore, NULL);
        sigaction(SIGHUP, &ignore, NULL);
    }
    sigset_t empty;
    sigemptyset(&empty);
    sigprocmask(SIG_SETMASK, &empty, NULL);
}

static int set_descriptors(const struct process *process)
{
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0)
        return -1;
    if ((process->out != 0 && dup2(process->out, STDOUT_FILENO) < 0) ||
        (process->errors != 0 && dup2(process->errors, STDERR_FILENO) < 0))
        return -1;
    if (process->handed == 0)
        return 0;
    return process->handed == PROCESS_HANDED_FD ? fcntl(PROCESS_HANDED_FD, F_SETFD, 0)
                                                : dup2(process->handed, PROCESS_HANDED_FD);
}

/* The signal is set last: a change of user clears it. Who died before that is no parent any more.
 */
static int become_child(const struct process *process, pid_t parent, enum step *step)
{
    *step = STEP_SIGNALS;
    set_signals(process);
    if (process->group ? setpgid(0, 0) < 0 : children_group != 0 && setpgid(0, children_group) < 0)
        return -1;
    *step = STEP_DESCRIPTORS;
    if (set_descriptors(process) < 0)
        return -1;
    *step = STEP_USER;
    if (process->user != NULL && process_become(process->user) < 0)
        return -1;
    if (process->namespace != 0 && setns(process->namespace, CLONE_NEWUSER) < 0)
        return -1;
    process_hide(); /* for to gain capabilities is to be dumpable as the host has it */
    if (process->death_signal != 0) {
        if (prctl(PR_SET_PDEATHSIG, process->death_signal, 0, 0, 0) < 0)
            return -1;
        if (getppid() != parent)
            raise(process->death_signal);
    }
    *step = STEP_DIRECTORY;
    return process->directory != NULL ? chdir(process->directory) : 0;
}

/* Shares our memory until it executes (start_child), and must not return. */
_Noreturn static void child(const struct process *process, pid_t parent, int report)
{
    struct failure failure = { .step = STEP_SIGNALS };
    if (become_child(process, parent, &failure.step) == 0) {
        failure.step = STEP_EXEC;
        if (process->env != NULL)
            environ = (char **)process->env; /* for its PATH, too */
        execvp(process->file, process->argv);
    }
    failure.sys_errno = errno;
    (void)!write(report, &failure, sizeof(failure));
    _exit(127);
}

static int tell(const struct process *process, const struct failure *failure, struct err *err)
{
    bool missing = failure->step == STEP_EXEC && failure->sys_errno == ENOENT;
    return err_set_errno(err, missing ? ERR_NOT_FOUND : ERR_HOST, failure->sys_errno,
                         "cannot start '%s'%s", process->file, step_words[failure->step]);
}

/* Reads what kept the child from executing; nothing when it did, for then its end is closed. */
static bool read_failure(int fd, struct failure *ret)
{
    ssize_t n;
    do
        n = read(fd, ret, sizeof(*ret));
    while (n < 0 && errno == EINTR);
    return n == sizeof(*ret);
}

/* Above the descriptor that is handed over, so that one cannot take the place of the other. */
static int open_report(int ret[2])
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) < 0)
        return -1;
    for (int i = 0; i < 2; i++) {
        ret[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, PROCESS_HANDED_FD + 1);
        close(fds[i]);
    }
    return ret[0] < 0 || ret[1] < 0 ? -1 : 0;
}

/* For kernels before 5.11, whose close_range(2) cannot do it, or does not exist. */
static int shut_each(void)
{
    DIR *directory = opendir("/proc/self/fd");
    const struct dirent *entry;
    if (directory == NULL)
        return -1;
    while ((entry = readdir(directory)) != NULL) {
        int64_t fd;
        if (str_to_int64(entry->d_name, STDERR_FILENO + 1, INT_MAX, &fd) == 0)
            fcntl((int)fd, F_SETFD, FD_CLOEXEC);
    }
    closedir(directory);
    return 0;
}

/* Descriptors that somebody has left open for us are not the child's business. */
static int shut_descriptors(void)
{
    if (syscall(SYS_close_range, STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC) == 0)
        return 0;
    return shut_each();
}

/*
 * vfork(2), for a copy of our page tables costs as much as all else that we do in a stage. With all
 * signals blocked no handler runs in the child; it changes nothing of ours but what is set back
 * here, and we go on when it has executed or ended.
 */
static pid_t start_child(const struct process *process, int report)
{
    sigset_t all, before;
    pid_t parent = getpid();
    int dumpable = prctl(PR_GET_DUMPABLE, 0, 0, 0, 0); /* a change of user takes it */
    char **environment = environ;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    pid_t pid = vfork();
    if (pid == 0)
        child(process, parent, report);
    int saved = errno;
    environ = environment;
    prctl(PR_SET_DUMPABLE, dumpable, 0, 0, 0);
    sigprocmask(SIG_SETMASK, &before, NULL);
    errno = saved;
    return pid;
}

int process_spawn(const struct process *process, pid_t *ret, struct err *err)
{
    int report[2] = { -1, -1 };
    if (open_report(report) < 0 || shut_descriptors() < 0) {
        int saved = errno;
        closep(&report[0]);
        closep(&report[1]);
        return err_set_errno(err, ERR_HOST, saved, "cannot start '%s'", process->file);
    }
    pid_t pid = start_child(process, report[1]);
    int saved = errno;
    close(report[1]);
    _cleanup_close_ int failures = report[0];
    if (pid < 0)
        return err_set_errno(err, ERR_HOST, saved, "cannot start '%s'", process->file);
    struct failure failure;
    if (read_failure(failures, &failure)) {
        waitpid(pid, NULL, 0);
        return tell(process, &failure, err);
    }
    *ret = pid;
    return 0;
}

static const char *const step_words[] = {
    [STEP_SIGNALS] = " in its process group",
    [STEP_DESCRIPTORS] = " with its descriptors",
    [STEP_USER] = " as its user",
    [STEP_DIRECTORY] = " in its directory",
    [STEP_EXEC] = "",
};
