/* SPDX-License-Identifier: MIT */
#ifndef BERTH_BASE_PROCESS_H
#define BERTH_BASE_PROCESS_H

/*
 * Child processes: one at a time, in the caller's own process group unless asked otherwise, so that
 * whoever signals the group reaches everything; and the processes that a child leaves behind.
 *
 * A child's standard input is /dev/null, its output is the caller's unless asked otherwise, and no
 * other descriptor is handed on but the one that is named. A child that runs as another user is cut
 * off from ours for good: no supplementary groups, no way back through set-user-ID programs
 * (no_new_privs), a session keyring of its own, no core dumps, umask 022.
 */

#include <signal.h>
#include <sys/types.h>

#include "executor/base/clock.h"
#include "executor/base/err.h"

struct process_user {
    uid_t uid;
    gid_t gid;
};

/* Where a child finds what it is handed as `handed`. */
#define PROCESS_HANDED_FD 9

struct process {
    const char *file;                /* looked up in the child's PATH unless it holds a '/' */
    char *const *argv;               /* NULL-ended */
    char *const *env;                /* NULL-ended; NULL: the caller's */
    const char *directory;           /* NULL: the caller's */
    const struct process_user *user; /* NULL: the caller's; another one takes root */
    int handed;       /* a descriptor that the child gets as PROCESS_HANDED_FD, or 0 for none */
    int death_signal; /* what the child gets when the caller dies or is orphaned; 0: nothing */
    bool forward;     /* pass SIGTERM, SIGINT and SIGHUP on to the child alone: for children
                         that do not mind a signal that they also got with the group */
    bool group;       /* in a process group of its own, to which `forward` then passes them; the
                         child itself starts with them ignored, and what it runs resets them */
    int out, errors;  /* descriptors that the child has as its standard output and standard error;
                         0: the caller's */
    double seconds;   /* how long it may take; then it is ended: SIGTERM, and PROCESS_GRACE seconds
                         later SIGKILL. 0: for ever */
    int namespace;    /* a user namespace of `user`'s, which the child enters; 0: none */
    struct cancel *cancel; /* ends it likewise; or NULL. Of a cancel one child at a time */
};
#define PROCESS_GRACE 5.0

struct process_end {
    int code;       /* the exit code; 128 + n where signal n ended it */
    int signal;     /* that signal, or 0 */
    bool signalled; /* SIGTERM, SIGINT, SIGHUP or PROCESS_ORPHANED came while the child ran */
    bool orphaned;  /* PROCESS_ORPHANED did */
    bool timed_out; /* it was told to end because it took longer than it may */
    bool cancelled; /* likewise because of `cancel` */
};

/* The signal that tells a program that the one it works for has died (guard.h). */
#define PROCESS_ORPHANED SIGUSR2

/*
 * Runs a child to its end. Signals that come meanwhile do not end the caller: they are told in
 * *ret. ERR_NOT_FOUND if there is no such program, ERR_HOST if it cannot be started.
 */
int process_run(const struct process *process, struct process_end *ret, struct err *err);

/* From now on children join this process group instead of the caller's. */
void process_join_group(pid_t group);
/* Keeps other processes of our user from reading our memory, environment and descriptors, and the
 * kernel from dumping them (PR_SET_DUMPABLE in prctl(2)): for every program that may hold secrets.
 */
void process_hide(void);
/* Makes the caller the parent of every descendant whose own parent ends (PR_SET_CHILD_SUBREAPER).
 */
void process_adopt_orphans(void);

/*
 * Ends what children have left running. Each gets a moment to end by itself (the "tee" of
 * "exec > >(tee log)" must still write what it has read), then SIGTERM, and after `grace` seconds
 * SIGKILL. *left gets one entry for each that had to be told, "sleep (123)": its name, never its
 * command line, which may hold secrets. Returns how many would not even so.
 */
size_t process_end_descendants(double grace, struct strlist *left);

/*
 * The same for processes that are not our descendants: those whose environment has the entry
 * `mark` ("TMPDIR=/tmp/x"). One whose executable lies in the directory `spared` is left alone, and
 * so is everything beneath it: that is a program of ours at work, which gets `grace` seconds to end
 * first, for one whose stage was killed is ending what the stage has left. NULL spares none.
 */
size_t process_end_marked(const char *mark, const char *spared, double grace, struct strlist *left);

/*
 * Kills everything that runs as a user, at once and without a gap through which a fork could slip:
 * kill(2) with pid -1, called as that user. What has one of the user's subordinate ids
 * (usernamespace_owns()) counts as the user's: a build's steps may run as any of them. *left (may
 * be NULL) gets the names of what was there. Returns how many are still there. Needs root; never
 * call it with a user who also does other things on the host.
 */
size_t process_kill_user(const struct process_user *user, struct strlist *left);

/* The start time of a process in clock ticks since boot, which with its pid tells it from any
 * other; 0 if it is gone. */
int64_t process_start_time(pid_t pid);

/* The full path of a program in PATH, or NULL; the caller frees it. */
char *process_find_program(const char *name);
/* The directory that the running executable lies in; the caller frees it. ERR_HOST. */
int process_own_directory(char **ret, struct err *err);

#endif
