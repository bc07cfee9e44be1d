/* SPDX-License-Identifier: MIT */
#ifndef BERTH_BASE_PROCESS_H
#define BERTH_BASE_PROCESS_H

/*
 * Child processes: one at a time, in the caller's own process group, so that whoever signals the
 * group reaches everything; and the processes that a child leaves behind.
 *
 * A child's standard input is /dev/null, its output is the caller's, and no other descriptor is
 * handed on.
 */

#include <sys/types.h>

#include "executor/base/err.h"

struct process {
    const char *file;  /* looked up in the child's PATH unless it holds a '/' */
    char *const *argv; /* NULL-ended */
    char *const *env;  /* NULL-ended; NULL: the caller's */
    bool forward;      /* pass SIGTERM, SIGINT and SIGHUP on to the child alone: for children
                          that do not mind a signal that they also got with the group */
};

struct process_end {
    int code;       /* the exit code; 128 + n where signal n ended it */
    int signal;     /* that signal, or 0 */
    bool signalled; /* SIGTERM, SIGINT or SIGHUP came while the child ran */
};

/*
 * Runs a child to its end. Signals that come meanwhile do not end the caller: they are told in
 * *ret. ERR_NOT_FOUND if there is no such program, ERR_HOST if it cannot be started.
 */
int process_run(const struct process *process, struct process_end *ret, struct err *err);

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
 * so is everything beneath it: that is a program of ours at work.
 */
size_t process_end_marked(const char *mark, const char *spared, double grace, struct strlist *left);

/* The full path of a program in PATH, or NULL; the caller frees it. */
char *process_find_program(const char *name);
/* The directory that the running executable lies in; the caller frees it. ERR_HOST. */
int process_own_directory(char **ret, struct err *err);

#endif
