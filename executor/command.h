/* SPDX-License-Identifier: MIT */
#ifndef BERTH_COMMAND_H
#define BERTH_COMMAND_H

/*
 * What `berth COMMAND` does: each command by the arguments that are no options. What is asked for
 * goes to the standard output, what is said about it to the standard error; the value is the
 * process's exit code, 0, or what exitcode.h says of the failure. One process runs one command.
 */

#include "executor/base/str.h"
#include "executor/hostconfig.h"

#define RUNNER_CONFIG "/etc/gitlab-runner/config.toml"

/* What the command line's options say; berth.c's tables fill it in. */
struct asked {
    bool help, json, aws, yes, plan, dry_run;
    int64_t project, pipeline, part;
    const char *ref, *dir, *config, *only, *runner_config, *kind, *account, *purpose;
    struct strlist vars; /* NAME=VALUE */
};
extern struct asked asked;

/* Of hosts and names: command_host.c. */
int command_name(const struct strlist *arguments);
int command_iam_policy(const struct strlist *arguments);
int command_doctor(const struct strlist *arguments);

/* Of one environment: command_environment.c. */
int command_check(const struct strlist *arguments);
int command_plan(const struct strlist *arguments);
int command_apply(const struct strlist *arguments);
int command_status(const struct strlist *arguments);
int command_capacity(const struct strlist *arguments);
int command_adopt(const struct strlist *arguments);
int command_destroy(const struct strlist *arguments);

/* Of all environments: command_fleet.c. */
int command_list(const struct strlist *arguments);
int command_sweep(const struct strlist *arguments);

/* --- for the commands --- */

/* Prints text through the redactor. */
void command_print_text(struct strbuf *text);
/* Prints and frees. */
void command_print_json(cJSON *json);
/* Says an error, and gives the exit code. */
int command_fail(const struct err *err);
/* ERR_USER, in one line, for the first of arguments where there are to be none. */
int command_takes_none(const struct strlist *arguments, struct err *err);
int command_read_host(struct hostconfig *h, struct err *err);
/* Without --project the host config's only project is meant. */
int command_find_project(const struct hostconfig *h, int64_t *ret, struct err *err);

#endif
