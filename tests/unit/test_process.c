/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "executor/base/clock.h"
#include "executor/base/process.h"
#include "executor/base/spawn.h"
#include "executor/base/usernamespace.h"

static struct process_end run(const char *command, char *const *env, bool forward)
{
    char *const argv[] = { (char *)"sh", (char *)"-c", (char *)command, NULL };
    const struct process p = { .file = "sh", .argv = argv, .env = env, .forward = forward };
    struct process_end end = { .code = -1 };
    _cleanup_err_ struct err err = ERR_INIT;
    if (process_run(&p, &end, &err) < 0)
        fail_msg("%s", err.message);
    return end;
}

static void tells_how_a_child_ended(void **state)
{
    (void)state;
    static const struct {
        const char *command;
        int code;
        int signal;
    } cases[] = {
        { "exit 0", 0, 0 },           { "exit 7", 7, 0 },
        { "exit 255", 255, 0 },       { "kill -KILL $$", 128 + SIGKILL, SIGKILL },
        { "kill -TERM $$", 143, 15 },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct process_end end = run(cases[i].command, NULL, false);
        assert_int_equal(end.code, cases[i].code);
        assert_int_equal(end.signal, cases[i].signal);
        assert_false(end.signalled);
    }
}

static void environment_and_input(void **state)
{
    (void)state;
    setenv("FROM_US", "1", 1);
    char *const env[] = { (char *)"PATH=/usr/bin:/bin", (char *)"A=x y", NULL };
    assert_int_equal(run("test -z \"$FROM_US\" && test \"$A\" = 'x y'", env, false).code, 0);
    assert_int_equal(run("test \"$FROM_US\" = 1", NULL, false).code, 0);
    assert_int_equal(run("test \"$(readlink /proc/self/fd/0)\" = /dev/null", NULL, false).code, 0);
}

static void what_cannot_be_started(void **state)
{
    (void)state;
    char *const argv[] = { (char *)"x", NULL };
    struct process_end end;
    _cleanup_err_ struct err err = ERR_INIT;
    const struct process missing = { .file = "/nonexistent/x", .argv = argv };
    assert_int_equal(process_run(&missing, &end, &err), -1);
    assert_int_equal(err.class, ERR_NOT_FOUND);
    const struct process directory = { .file = "/tmp", .argv = argv };
    assert_int_equal(process_run(&directory, &end, &err), -1);
    assert_int_equal(err.class, ERR_HOST);
    assert_non_null(strstr(err.message, "cannot start '/tmp'"));
}

static void signals_are_told_and_passed_on(void **state)
{
    (void)state;
    /* The child signals its parent, which is us; passed on, the signal ends the child. */
    struct process_end end =
        run("trap 'exit 9' TERM; kill -TERM $PPID; while :; do sleep 0.05; done", NULL, true);
    assert_int_equal(end.code, 9);
    assert_true(end.signalled);
    end = run("trap 'exit 9' TERM; kill -TERM $PPID; sleep 0.2; exit 4", NULL, false);
    assert_int_equal(end.code, 4);
    assert_true(end.signalled);
}

static volatile sig_atomic_t got;

static void note(int signum)
{
    got = signum;
}

static void the_callers_handlers_are_kept(void **state)
{
    (void)state;
    struct sigaction before = { .sa_handler = note };
    sigaction(SIGTERM, &before, NULL);
    run(":", NULL, true);
    raise(SIGTERM);
    assert_int_equal(got, SIGTERM);
    struct sigaction otherwise = { .sa_handler = SIG_DFL };
    sigaction(SIGTERM, &otherwise, NULL);
}

static bool is_gone(const char *file)
{
    FILE *f = fopen(file, "r");
    int pid = 0;
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%d", &pid), 1);
    fclose(f);
    unlink(file);
    return kill(pid, 0) < 0;
}

static void ends_what_is_left(void **state)
{
    (void)state;
    char file[] = "/tmp/berth-test-process-XXXXXX";
    int fd = mkstemp(file);
    assert_true(fd >= 0);
    close(fd);
    _cleanup_free_ char *command =
        xasprintf("(setsid sh -c 'trap \"\" TERM; echo $$ > %s; while :; do sleep 1; done' &) ;"
                  "until test -s %s; do sleep 0.01; done",
                  file, file);
    process_adopt_orphans();
    run(command, NULL, true);
    _cleanup_strlist_ struct strlist left = STRLIST_INIT;
    double start = clock_now();
    assert_int_equal(process_end_descendants(0.3, &left), 0);
    assert_true(clock_now() - start < 5);
    assert_true(left.n >= 1);
    bool named = false;
    for (size_t i = 0; i < left.n; i++)
        named = named || str_starts(left.v[i], "sh (");
    assert_true(named);
    assert_true(is_gone(file));
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

static void one_that_ends_by_itself_is_not_named(void **state)
{
    (void)state;
    process_adopt_orphans();
    run("(sleep 0.1 &)", NULL, true);
    _cleanup_strlist_ struct strlist left = STRLIST_INIT;
    assert_int_equal(process_end_descendants(1, &left), 0);
    assert_int_equal(left.n, 0);
}

static void nothing_left_costs_nothing(void **state)
{
    (void)state;
    _cleanup_strlist_ struct strlist left = STRLIST_INIT;
    double start = clock_now();
    assert_int_equal(process_end_descendants(30, &left), 0);
    assert_true(clock_now() - start < 10);
}

#define CHAIN 30

/* A chain of processes, each the child of the one before. */
static void a_chain_is_ended_whole(void **state)
{
    (void)state;
    process_adopt_orphans();
    pid_t tested = getpid();
    int ready[2];
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    int links = 1;
    while (child == 0 && links++ <= CHAIN)
        child = fork();
    if (getpid() != tested) {
        if (child == 0)
            (void)!write(ready[1], "", 1);
        alarm(60);
        pause();
        _exit(0);
    }
    char byte;
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    _cleanup_strlist_ struct strlist left = STRLIST_INIT;
    assert_int_equal(process_end_descendants(5, &left), 0);
    assert_int_equal(left.n, CHAIN + 1);
}

static void next_pid(int pid)
{
    FILE *f = fopen("/proc/sys/kernel/ns_last_pid", "w");
    if (f == NULL || fprintf(f, "%d", pid - 1) < 0 || fclose(f) != 0)
        _exit(77);
}

/* The end of a child, as a shell tells it. */
static int end_of(pid_t pid)
{
    int status = 0;
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return 1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Ends what it has left, and says whether that was all. */
static int end_own(void)
{
    process_adopt_orphans();
    if (fork() == 0) {
        alarm(60);
        pause();
    }
    _cleanup_strlist_ struct strlist left = STRLIST_INIT;
    return process_end_descendants(0, &left) == 0 && left.n == 1 ? 0 : 1;
}

/* Once numbers have come round a job's processes come before those above it: in a namespace, where
 * numbers can be chosen, 100 is whose job it is, and 10 ends what 11 is. */
static void who_is_above_stays(void **state)
{
    (void)state;
    pid_t outside = fork();
    if (outside == 0) {
        if (unshare(CLONE_NEWPID | CLONE_NEWNS) < 0 ||
            mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
            _exit(77);
        pid_t first = fork();
        if (first != 0)
            _exit(end_of(first));
        if (mount("proc", "/proc", "proc", 0, NULL) < 0)
            _exit(77);
        next_pid(100);
        pid_t above = fork();
        if (above != 0)
            _exit(end_of(above));
        next_pid(10);
        pid_t own = fork();
        _exit(own == 0 ? end_own() : end_of(own));
    }
    int end = end_of(outside);
    if (end == 77)
        skip();
    assert_int_equal(end, 0);
}

static const struct process_user nobodys = { .uid = 54321, .gid = 54321 };

/* Kills all others of its user, again and again, and goes on in a child that kills its parent. */
static bool has_begun(pid_t pid, const char *mark)
{
    char path[64], environment[256] = "";
    snprintf(path, sizeof(path), "/proc/%d/environ", (int)pid);
    FILE *f = fopen(path, "r");
    size_t n = f != NULL ? fread(environment, 1, sizeof(environment) - 1, f) : 0;
    if (f != NULL)
        fclose(f);
    return n > 0 && str_eq(environment, mark);
}

/* A copy of sleep(1) stands for a program of ours whose stage was killed. */
static void what_is_spared_is_waited_for(void **state)
{
    (void)state;
    char directory[] = "/tmp/berth-test-process-XXXXXX";
    assert_non_null(mkdtemp(directory));
    _cleanup_free_ char *copy = xasprintf("cp \"$(command -v sleep)\" %s/run", directory);
    _cleanup_free_ char *program = xasprintf("%s/run", directory);
    _cleanup_free_ char *mark = xasprintf("TMPDIR=%s", directory);
    assert_int_equal(run(copy, NULL, false).code, 0);
    pid_t pid = fork();
    if (pid == 0) {
        char *const env[] = { mark, NULL };
        execle(program, program, "0.7", (char *)NULL, env);
        _exit(1);
    }
    _cleanup_strlist_ struct strlist left = STRLIST_INIT;
    while (!has_begun(pid, mark)) /* until then it has our environment */
        usleep(1000);
    assert_int_equal(process_end_marked(mark, directory, 20, &left), 0);
    assert_int_equal(left.n, 0);
    int status = -1;
    waitpid(pid, &status, WNOHANG);
    assert_true(kill(pid, 0) < 0);
    unlink(program);
    rmdir(directory);
}

static void kill_and_fork(void)
{
    double end = clock_now() + 20;
    while (clock_now() < end) {
        for (int i = 0; i < 20; i++)
            kill(-1, SIGKILL);
        alarm(20);
        if (fork() > 0)
            pause();
    }
    _exit(0);
}

static void a_user_that_kills_is_killed(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    process_adopt_orphans();
    if (fork() == 0 && setresgid(54321, 54321, 54321) == 0 && setresuid(54321, 54321, 54321) == 0)
        kill_and_fork();
    usleep(100000);
    double start = clock_now();
    assert_int_equal(process_kill_user(&nobodys, NULL), 0);
    assert_true(clock_now() - start < 15); /* before it gives up by itself */
    _cleanup_strlist_ struct strlist left = STRLIST_INIT;
    assert_int_equal(process_end_descendants(0, &left), 0);
    assert_int_equal(left.n, 0);
}

static int next_descriptor(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    close(fd);
    return fd;
}

static bool is_refused(int r, struct err *err, const char *words)
{
    bool refused = r == -1 && err->class == ERR_HOST && strstr(err->message, words) != NULL &&
                   strstr(err->message, strerror(EAGAIN)) != NULL;
    if (!refused)
        fprintf(stderr, "%d, not \"%s\": %s\n", r, words, err->message);
    err_release(err);
    return refused;
}

/* As a user that may have no process more, which root cannot be: RLIMIT_NPROC in setrlimit(2). */
_Noreturn static void without_processes(void)
{
    static const struct process_user user = { .uid = 54320, .gid = 54320 };
    const struct rlimit none = { .rlim_cur = 0, .rlim_max = 0 };
    char *const argv[] = { (char *)"true", NULL };
    const struct process p = { .file = "true", .argv = argv };
    struct process_end end;
    sigset_t before, after;
    _cleanup_err_ struct err err = ERR_INIT;
    if (setrlimit(RLIMIT_NPROC, &none) < 0 ||
        (geteuid() == 0 && setresuid(user.uid, user.uid, user.uid) < 0))
        _exit(2);
    int next = next_descriptor(), namespace = -1;
    sigprocmask(SIG_SETMASK, NULL, &before);
    bool held = process_fork() == -1 && errno == EAGAIN &&
                is_refused(process_run(&p, &end, &err), &err, "cannot start 'true': ") &&
                is_refused(usernamespace_make(&user, "x", &namespace, &err), &err,
                           "cannot start a process that holds a user namespace: ");
    sigprocmask(SIG_SETMASK, NULL, &after);
    for (int signum = 1; signum < SIGRTMIN; signum++)
        held = held && sigismember(&before, signum) == sigismember(&after, signum);
    _exit(held && next_descriptor() == next ? 0 : 1);
}

static void a_process_that_is_refused(void **state)
{
    (void)state;
    int status = -1;
    pid_t pid = fork();
    if (pid == 0)
        without_processes();
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void finds_programs(void **state)
{
    (void)state;
    _cleanup_free_ char *before = xstrdup(getenv("PATH"));
    setenv("PATH", "/nonexistent::/usr/bin:/bin", 1);
    _cleanup_free_ char *sh = process_find_program("sh");
    assert_string_equal(sh, "/usr/bin/sh");
    assert_null(process_find_program("no-such-program"));
    setenv("PATH", "/usr", 1);
    assert_null(process_find_program("bin")); /* a directory is no program */
    setenv("PATH", before, 1);
}

static void knows_where_it_lies(void **state)
{
    (void)state;
    _cleanup_free_ char *directory = NULL;
    _cleanup_err_ struct err err = ERR_INIT;
    assert_int_equal(process_own_directory(&directory, &err), 0);
    assert_int_equal(access(directory, X_OK), 0);
    assert_int_equal(directory[0], '/');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_how_a_child_ended),
        cmocka_unit_test(environment_and_input),
        cmocka_unit_test(what_cannot_be_started),
        cmocka_unit_test(signals_are_told_and_passed_on),
        cmocka_unit_test(the_callers_handlers_are_kept),
        cmocka_unit_test(nothing_left_costs_nothing),
        cmocka_unit_test(ends_what_is_left),
        cmocka_unit_test(one_that_ends_by_itself_is_not_named),
        cmocka_unit_test(a_chain_is_ended_whole),
        cmocka_unit_test(what_is_spared_is_waited_for),
        cmocka_unit_test(who_is_above_stays),
        cmocka_unit_test(a_user_that_kills_is_killed),
        cmocka_unit_test(a_process_that_is_refused),
        cmocka_unit_test(finds_programs),
        cmocka_unit_test(knows_where_it_lies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
