/* SPDX-License-Identifier: MIT */
#ifndef BERTH_SCRIPT_H
#define BERTH_SCRIPT_H

/*
 * A stage's script, which the runner wrote and the job's author filled: run by bash, as the shell
 * executor would, in an environment that holds nothing of the host's but what is on a list. The
 * script sets all of the job's variables itself. It runs as the job's user (jobuser.h), in the
 * sandbox if the host config wants one, and so does any other program that reads what a repository
 * holds.
 */

#include "executor/jobuser.h"

/*
 * Runs the script to its end, and ends what it leaves running, which the log then names. `outputs`
 * (may be NULL) is an object of strings; its BERTH_* members, at most OUTPUTS_MAX, are added to the
 * script's environment. ERR_HOST if there is no bash.
 */
#define OUTPUTS_MAX 15
int script_run(const char *path, const cJSON *outputs, struct process_end *ret, struct err *err);

/* A program that reads what a repository holds: a linter, a test run, terraform, an image build. */
struct script_tool {
    char *const *argv;         /* NULL-ended */
    const char *directory;     /* where it starts; NULL: TMPDIR */
    const struct strlist *env; /* NAME=VALUE, instead of what a script's environment has; or NULL */
    int handed, out, errors;   /* as in struct process, and so are these: */
    double seconds;
    struct cancel *cancel;
    bool namespace_root; /* as root of a user namespace of the job's user's (usernamespace.h) */
};

/*
 * Runs it as the user's scripts run: user, sandbox, environment, no other descriptors. What it
 * leaves running is ended. What is handed something runs beside nothing else of a user's from the
 * list, and with an empty HOME of its own. ERR_NOT_FOUND if the host has no such program.
 */
int script_run_tool(const struct jobuser *user, const struct script_tool *tool,
                    struct process_end *ret, struct err *err);

/* The environment of a script as KEY=VALUE entries, added to *ret; `user` may be NULL. */
void script_environment(const struct jobuser *user, const cJSON *outputs, struct strlist *ret);

#endif
