/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "executor/base/clock.h"
#include "executor/base/spawn.h"
#include "executor/base/usernamespace.h"

#define SETTLE   0.5 /* seconds in which what is left may end by itself */
#define LAST     2.0 /* seconds that the kernel gets to carry out SIGKILL */
#define ROUNDS   5   /* of SIGKILL: something may have forked between the look and the kill */
#define FILE_MAX ((size_t)2 << 20)

struct one {
    pid_t pid;
    pid_t parent;
    uid_t uid;                        /* for a choice by user alone */
    int64_t started;                  /* in clock ticks since boot */
    enum { UNKNOWN, YES, NO } answer; /* see holds_above() */
    bool chosen;
    char name[32];
};

/* Sorted by pid: a job can leave thousands of processes, in a chain. */
struct table {
    struct one *v;
    size_t n;
};
#define _cleanup_table_ _cleanup_(table_release)

/* Which processes a caller wants to see ended. */
struct choice {
    const struct usernamespace_ids *ids; /* whose; NULL: see mark */
    const char *mark;                    /* NULL: descendants of ours */
    const char *spared;                  /* NULL: none */
    bool at_work;                        /* those that are spared, instead of the others */
};

static void table_release(struct table *t)
{
    free(t->v);
    *t = (struct table){ .v = NULL };
}

/* Reads what /proc has on a process; false when it is gone or not ours to see. */
static bool read_proc(pid_t pid, const char *file, struct strbuf *text)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    char chunk[4096];
    ssize_t n;
    while ((n = read(fd, chunk, sizeof(chunk))) > 0 && text->len < FILE_MAX)
        strbuf_add(text, chunk, (size_t)n);
    return text->len > 0;
}

/* The 22nd field of proc(5), the 20th behind the name. */
static int64_t start_time_in(const char *stat)
{
    const char *at = strrchr(stat, ')');
    for (unsigned field = 0; at != NULL && field < 20; field++)
        at = strchr(at + 1, ' ');
    return at != NULL ? strtoll(at, NULL, 10) : 0;
}

/* "123 (name, which may hold anything) S 45 ...": see proc(5). Zombies do not count: they are dead.
 */
static bool read_stat(pid_t pid, struct one *ret)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    if (!read_proc(pid, "stat", &text))
        return false;
    const char *open_paren = strchr(text.buf, '(');
    const char *close_paren = strrchr(text.buf, ')');
    char state;
    int parent;
    if (open_paren == NULL || close_paren == NULL ||
        sscanf(close_paren + 1, " %c %d", &state, &parent) != 2 || state == 'Z' || state == 'X')
        return false;
    *ret = (struct one){ .pid = pid, .parent = parent, .started = start_time_in(text.buf) };
    snprintf(ret->name, sizeof(ret->name), "%.*s", (int)(close_paren - open_paren - 1),
             open_paren + 1);
    return true;
}

static int compare_pids(const void *a, const void *b)
{
    const struct one *x = a, *y = b;
    return (x->pid > y->pid) - (x->pid < y->pid);
}

static void read_table(struct table *t)
{
    DIR *proc = opendir("/proc");
    const struct dirent *entry;
    while (proc != NULL && (entry = readdir(proc)) != NULL) {
        int64_t pid;
        struct one one;
        if (str_to_int64(entry->d_name, 1, INT_MAX, &pid) < 0 || !read_stat((pid_t)pid, &one))
            continue;
        t->v = xrealloc_array(t->v, t->n + 1, sizeof(*t->v));
        t->v[t->n++] = one;
    }
    if (proc != NULL)
        closedir(proc);
    if (t->n > 0)
        qsort(t->v, t->n, sizeof(*t->v), compare_pids);
}

static struct one *find(const struct table *t, pid_t pid)
{
    const struct one key = { .pid = pid };
    return t->n > 0 ? bsearch(&key, t->v, t->n, sizeof(*t->v), compare_pids) : NULL;
}

/* The effective user; (uid_t)-1 when the process is gone. proc(5): the directory keeps its owner
 * even where the files in it are root's, as those of a process that hides. */
static uid_t owner_of(pid_t pid)
{
    char path[32];
    struct stat st;
    snprintf(path, sizeof(path), "/proc/%d", (int)pid);
    return stat(path, &st) == 0 ? st.st_uid : (uid_t)-1;
}

static bool has_program(const char *directory, const char *name)
{
    _cleanup_free_ char *path = xasprintf("%s/%s", directory, name);
    return strchr(name, '/') == NULL && access(path, X_OK) == 0;
}

static bool is_spared(const struct one *one, const char *spared)
{
    char link[64];
    char path[PATH_MAX];
    snprintf(link, sizeof(link), "/proc/%d/exe", (int)one->pid);
    ssize_t len = readlink(link, path, sizeof(path) - 1);
    /* A program of ours hides (process_hide()), from us too where we may not trace others. */
    if (len < 0 && errno == EACCES)
        return owner_of(one->pid) == geteuid() && has_program(spared, one->name);
    if (len <= 0)
        return false;
    path[len] = '\0';
    const char *slash = strrchr(path, '/');
    return slash != NULL && strlen(spared) == (size_t)(slash - path) &&
           strncmp(path, spared, strlen(spared)) == 0;
}

static bool is_marked(const struct one *one, const char *mark)
{
    _cleanup_strbuf_ struct strbuf environment = STRBUF_INIT;
    if (!read_proc(one->pid, "environ", &environment))
        return false;
    for (size_t i = 0; i < environment.len; i += strlen(environment.buf + i) + 1)
        if (strcmp(environment.buf + i, mark) == 0)
            return true;
    return false;
}

static bool is_child(const struct one *one, const void *parent)
{
    return one->parent == *(const pid_t *)parent;
}

static bool is_spared_one(const struct one *one, const void *spared)
{
    return is_spared(one, spared);
}

/*
 * Whether something holds for a process or one that it descends from. The answer is noted on
 * the way up, so that a table is asked one question only, and each of its processes once. `depth`
 * bounds the way: the table is no snapshot and may hold a circle.
 */
static bool holds_above(struct table *t, struct one *one,
                        bool (*holds)(const struct one *, const void *), const void *context)
{
    bool answer = false;
    struct one *at = one;
    for (size_t depth = 0; at != NULL && depth < t->n && at->answer == UNKNOWN; depth++) {
        answer = holds(at, context);
        if (answer)
            break;
        at = find(t, at->parent);
    }
    if (at != NULL && at->answer != UNKNOWN)
        answer = at->answer == YES;
    /* Not above where it holds: those may be the runner's, whose numbers are the higher ones once
     * they have come round. */
    const struct one *end = answer ? find(t, at->parent) : NULL;
    for (at = one; at != end && at != NULL && at->answer == UNKNOWN; at = find(t, at->parent))
        at->answer = answer ? YES : NO;
    return answer;
}

static bool is_chosen(struct table *t, struct one *one, const struct choice *choice)
{
    const pid_t own = getpid();
    if (one->pid == own)
        return false;
    if (choice->ids != NULL) {
        one->uid = owner_of(one->pid);
        return usernamespace_owns(choice->ids, one->uid);
    }
    if (choice->mark == NULL)
        return holds_above(t, one, is_child, &own);
    if (!is_marked(one, choice->mark))
        return false;
    bool spared = choice->spared != NULL && holds_above(t, one, is_spared_one, choice->spared);
    return spared == choice->at_work;
}

static void choose(const struct choice *choice, struct table *ret)
{
    _cleanup_table_ struct table all = { .v = NULL };
    read_table(&all);
    for (size_t i = 0; i < all.n; i++)
        all.v[i].chosen = is_chosen(&all, &all.v[i], choice);
    table_release(ret);
    for (size_t i = 0; i < all.n; i++) {
        if (!all.v[i].chosen)
            continue;
        ret->v = xrealloc_array(ret->v, ret->n + 1, sizeof(*ret->v));
        ret->v[ret->n++] = all.v[i];
    }
}

/* Takes the dead out of the process table; false when there is no child at all. */
static bool reap(void)
{
    pid_t pid;
    while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
        ;
    return pid == 0 || errno != ECHILD;
}

/* Waits without pidfd_open(2): some sandboxes and valgrind do not have it. */
static void await_by_looking(pid_t pid, double deadline)
{
    const struct timespec pause = { .tv_nsec = 5000000 };
    while (kill(pid, 0) == 0 && clock_now() < deadline) {
        nanosleep(&pause, NULL);
        reap();
    }
}

static void await_one(pid_t pid, double deadline)
{
    _cleanup_close_ int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    double left = deadline - clock_now();
    /* Readable once the process has ended. */
    struct pollfd readable = { .fd = fd, .events = POLLIN };
    if (fd >= 0 && left > 0)
        poll(&readable, 1, (int)(left * 1000) + 1);
    else if (fd < 0 && errno != ESRCH)
        await_by_looking(pid, deadline);
}

/* Waits until all have ended, or for so many seconds. */
static void await(const struct table *t, double seconds)
{
    double deadline = clock_now() + seconds;
    for (size_t i = 0; i < t->n; i++)
        await_one(t->v[i].pid, deadline);
    reap();
}

static void add_names(const struct table *t, struct strlist *left)
{
    for (size_t i = 0; i < t->n && left != NULL; i++)
        strlist_addf(left, "%s (%d)", t->v[i].name, (int)t->v[i].pid);
}

/* Not to whoever has the number by now: a job can use them up, until one comes round again. */
static void tell_one(const struct one *one, int signum)
{
    _cleanup_close_ int fd = (int)syscall(SYS_pidfd_open, one->pid, 0);
    if ((fd < 0 && errno == ESRCH) || process_start_time(one->pid) != one->started)
        return;
    if (fd < 0)
        kill(one->pid, signum);
    else
        syscall(SYS_pidfd_send_signal, fd, signum, NULL, 0);
}

static void tell(const struct table *t, int signum)
{
    for (size_t i = 0; i < t->n; i++)
        tell_one(&t->v[i], signum);
}

static size_t end_chosen(const struct choice *choice, double grace, struct strlist *left)
{
    _cleanup_table_ struct table t = { .v = NULL };
    choose(choice, &t);
    await(&t, SETTLE);
    choose(choice, &t);
    add_names(&t, left);
    if (t.n == 0)
        return 0;
    tell(&t, SIGTERM);
    await(&t, grace);
    choose(choice, &t);
    for (unsigned round = 0; round < ROUNDS && t.n > 0; round++) {
        tell(&t, SIGKILL);
        await(&t, LAST);
        choose(choice, &t);
    }
    return t.n;
}

size_t process_end_descendants(double grace, struct strlist *left)
{
    /* The usual case, and the cheap one: whatever is left has become our child. */
    if (!reap())
        return 0;
    const struct choice descendants = { .mark = NULL };
    return end_chosen(&descendants, grace, left);
}

/* What is ending by the hand of a program of ours is that one's to end, but not to be missed. */
static void await_spared(const char *mark, const char *spared, double seconds)
{
    const struct choice at_work = { .mark = mark, .spared = spared, .at_work = true };
    _cleanup_table_ struct table t = { .v = NULL };
    choose(&at_work, &t);
    await(&t, seconds);
}

size_t process_end_marked(const char *mark, const char *spared, double grace, struct strlist *left)
{
    if (spared != NULL)
        await_spared(mark, spared, grace);
    const struct choice marked = { .mark = mark, .spared = spared };
    return end_chosen(&marked, grace, left);
}

/*
 * Who may signal as the user, and cannot be signalled by it: kill(2) asks for the real or saved
 * user of the target, and those are nobody's here. Else a process that kills all others of its user
 * without end would kill the one that is to kill it. Where there is no such user (in a user
 * namespace) the user itself must do.
 */
static int become_killer(const struct process_user *user)
{
    const uid_t nobodys = (uid_t)-3;
    if (syscall(SYS_setgroups, 0, NULL) == 0 &&
        syscall(SYS_setresgid, user->gid, user->gid, user->gid) == 0 &&
        syscall(SYS_setresuid, nobodys, user->uid, nobodys) == 0)
        return 0;
    return process_become(user);
}

/*
 * In a child of its own, for root cannot come back from being the user. It reaches whatever runs in
 * a user namespace that the user has made as well, under any id: "a process that resides in the
 * parent of the user namespace and whose effective user ID matches the owner of the namespace has
 * all capabilities in the namespace", user_namespaces(7), CAP_KILL among them.
 */
static void kill_as(const struct process_user *user)
{
    pid_t pid = process_fork();
    if (pid == 0) {
        if (become_killer(user) == 0)
            kill(-1, SIGKILL);
        _exit(0);
    }
    while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
}

/* What has a subordinate id outside of every namespace of the user's, as that id. Those are numbers
 * that nobody of the host has, so never root's. */
static void kill_subordinates(const struct table *t, const struct process_user *user)
{
    for (size_t i = 0; i < t->n; i++) {
        const struct process_user other = { .uid = t->v[i].uid, .gid = user->gid };
        bool killed = other.uid == user->uid;
        for (size_t k = 0; !killed && k < i; k++)
            killed = t->v[k].uid == other.uid;
        if (!killed)
            kill_as(&other);
    }
}

size_t process_kill_user(const struct process_user *user, struct strlist *left)
{
    struct usernamespace_ids ids;
    usernamespace_ids_of(user->uid, &ids);
    const struct choice of_user = { .ids = &ids };
    _cleanup_table_ struct table t = { .v = NULL };
    choose(&of_user, &t);
    add_names(&t, left);
    /* Once whatever was seen: who forks and ends without pause is in no look at /proc. */
    unsigned round = 0;
    do {
        kill_as(user);
        kill_subordinates(&t, user);
        await(&t, LAST);
        choose(&of_user, &t);
    } while (++round < ROUNDS && t.n > 0);
    return t.n;
}

int64_t process_start_time(pid_t pid)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    if (!read_proc(pid, "stat", &text))
        return 0;
    return start_time_in(text.buf);
}
