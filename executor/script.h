/* SPDX-License-Identifier: MIT */
#ifndef BERTH_SCRIPT_H
#define BERTH_SCRIPT_H

/*
 * A stage's script, which the runner wrote and the job's author filled: run by bash, as the shell
 * executor would, in an environment that holds nothing of the host's but what is on a list. The
 * script sets all of the job's variables itself.
 */

#include "executor/base/json.h"
#include "executor/base/process.h"

/*
 * Runs the script to its end, and ends what it leaves running, which the log then names. `outputs`
 * (may be NULL) is an object of strings; its BERTH_* members, at most OUTPUTS_MAX, are added to the
 * script's environment. ERR_HOST if there is no bash.
 */
#define OUTPUTS_MAX 15
int script_run(const char *path, const cJSON *outputs, struct process_end *ret, struct err *err);

/*
 * The environment of a script, for whoever runs something else on a job's behalf. Adds KEY=VALUE
 * entries to *ret.
 */
void script_environment(const cJSON *outputs, struct strlist *ret);

#endif
