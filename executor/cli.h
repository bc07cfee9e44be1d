/* SPDX-License-Identifier: MIT */
#ifndef BERTH_CLI_H
#define BERTH_CLI_H

/*
 * Command lines from tables: one row per option says how it is written, where its value goes and
 * what it means, and so parses it and documents it. Options may stand before, between and behind
 * other arguments, as "--name value" or "--name=value"; "--" ends them.
 */

#include "executor/base/err.h"

/* CLI_NEEDED is a string without which the command does nothing, as its usage shows; that it is
 * there is for the command to say. */
enum cli_kind { CLI_FLAG, CLI_STRING, CLI_NEEDED, CLI_NUMBER, CLI_LIST };

struct cli_option {
    const char *name; /* "project", for --project */
    enum cli_kind kind;
    void *value;          /* bool *, const char **, int64_t * (from 1), struct strlist * */
    const char *argument; /* "N"; NULL for flags */
    const char *help;
};

struct cli_command {
    const char *name;      /* "plan" */
    const char *arguments; /* "BRANCH"; or "" */
    /* One line; what stands after an empty one is only in the command's own help. */
    const char *help;
    const struct cli_option *options; /* ends with a row without a name */
    int (*run)(const struct strlist *arguments);
};

/*
 * Fills in the options' values, which point into argv, and adds what is no option to *arguments.
 * ERR_USER in one line for what is wrong.
 */
int cli_parse(const struct cli_command *command, char **argv, struct strlist *arguments,
              struct err *err);
/* Appends what `berth <command> --help` prints, which the manual page is made of. */
void cli_help(const struct cli_command *command, struct strbuf *out);
/* The command of that name, or NULL with *err telling the nearest one. `commands` ends with a row
 * without a name. */
const struct cli_command *cli_find(const struct cli_command *commands, const char *name,
                                   struct err *err);

#endif
