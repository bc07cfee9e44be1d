/* SPDX-License-Identifier: MIT */
/*
 * The command for people: which commands there are, and their options.
 */

#include <stdio.h>
#include <unistd.h>

#include "executor/base/log.h"
#include "executor/base/process.h"
#include "executor/base/version.h"
#include "executor/cli.h"
#include "executor/command.h"
#include "executor/exitcode.h"

static const struct cli_command commands[];

static void print_help(void)
{
    printf("usage: berth COMMAND [options]\n"
           "       berth help [COMMAND]\n"
           "       berth --version\n\n"
           "Brings AWS environments of branches up to what their repository asks for, and down.\n\n"
           "commands:\n");
    for (const struct cli_command *c = commands; c->name != NULL; c++)
        printf("  %-10s %.*s\n", c->name, (int)strcspn(c->help, "\n"), c->help);
    printf("\n'berth help COMMAND' tells a command's options; berth(1) is the manual.\n");
}

static int run_command(const char *name, char **argv)
{
    _cleanup_err_ struct err err = ERR_INIT;
    const struct cli_command *command = cli_find(commands, name, &err);
    if (command == NULL)
        return command_fail(&err);
    _cleanup_strlist_ struct strlist arguments = STRLIST_INIT;
    if (cli_parse(command, argv, &arguments, &err) < 0)
        return command_fail(&err);
    if (asked.help) {
        _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
        cli_help(command, &text);
        command_print_text(&text);
        return 0;
    }
    for (size_t i = 0; i < asked.vars.n; i++) {
        if (strchr(asked.vars.v[i], '=') != NULL)
            continue;
        err_set(&err, ERR_USER, "'--var %s' has no value: --var NAME=VALUE", asked.vars.v[i]);
        return command_fail(&err);
    }
    return command->run(&arguments);
}

int main(int argc, char **argv)
{
    bool colour = isatty(STDERR_FILENO) && !str_eq(getenv("TERM"), "dumb") &&
                  (getenv("NO_COLOR") == NULL || *getenv("NO_COLOR") == 0);
    log_init(STDERR_FILENO, LOG_INFO, colour);
    process_hide();
    exitcode_on_signals();
    int code = 0;
    if (argc > 2 && str_eq(argv[1], "help")) {
        code = run_command(argv[2], (char *[]){ (char *)"--help", NULL });
    } else if (argc < 2 || str_eq(argv[1], "--help") || str_eq(argv[1], "help")) {
        print_help();
        code = argc < 2 ? exitcode_build_failure() : 0;
    } else if (str_eq(argv[1], "--version")) {
        printf("berth %s\n", BERTH_VERSION);
    } else {
        code = run_command(argv[1], argv + 2);
    }
    if ((fflush(stdout) != 0 || ferror(stdout)) && code == 0) {
        log_error("cannot write to the standard output; is its disk full, or nobody reading?");
        code = exitcode_system_failure();
    }
    strlist_release(&asked.vars);
    redact_release();
    return code;
}

#define OPTION_HELP                                                                                \
    {                                                                                              \
        "help", CLI_FLAG, &asked.help, NULL, "prints this"                                         \
    }
#define OPTION_JSON                                                                                \
    {                                                                                              \
        "json", CLI_FLAG, &asked.json, NULL, "prints JSON (docs/json.md)"                          \
    }
#define OPTION_CONFIG                                                                              \
    {                                                                                              \
        "config", CLI_STRING, &asked.config, "FILE",                                               \
            "the host config; $BERTH_CONFIG or /etc/berth/berth.json if absent"                    \
    }
#define OPTION_PROJECT                                                                             \
    {                                                                                              \
        "project", CLI_NUMBER, &asked.project, "N",                                                \
            "GitLab's id of the project; the host config's only one if absent"                     \
    }
#define OPTION_YES                                                                                 \
    {                                                                                              \
        "yes", CLI_FLAG, &asked.yes, NULL, "does it; without it, only says what would be done"     \
    }
#define OPTION_VAR                                                                                 \
    {                                                                                              \
        "var", CLI_LIST, &asked.vars, "NAME=VALUE",                                                \
            "a CI/CD variable, as the job would have it; any number of them"                       \
    }

static const struct cli_option name_options[] = {
    OPTION_PROJECT, OPTION_CONFIG, OPTION_JSON, OPTION_HELP, { .name = NULL },
};

static const struct cli_option check_options[] = {
    { "aws", CLI_FLAG, &asked.aws, NULL,
      "asks AWS, too, what would go wrong with a deploy of the branch" },
    { "ref", CLI_STRING, &asked.ref, "BRANCH", "the branch; only with --aws" },
    { "pipeline", CLI_NUMBER, &asked.pipeline, "N", "the pipeline whose images to use" },
    OPTION_PROJECT,
    OPTION_CONFIG,
    OPTION_VAR,
    OPTION_JSON,
    OPTION_HELP,
    { .name = NULL },
};

static const struct cli_option iam_policy_options[] = {
    { "kind", CLI_STRING, &asked.kind, "KIND",
      "production or ephemeral; the project's only one if absent" },
    { "for", CLI_STRING, &asked.purpose, "WHOM", "jobs, list, sweep or adopt; jobs if absent" },
    OPTION_PROJECT,
    { "dir", CLI_STRING, &asked.dir, "DIR", "the repository's checkout; . if absent" },
    { "account", CLI_STRING, &asked.account, "ID", "the AWS account; roleArn's if absent" },
    { "part", CLI_NUMBER, &asked.part, "N", "only the N-th policy, where it takes several" },
    OPTION_VAR,
    OPTION_CONFIG,
    OPTION_JSON,
    OPTION_HELP,
    { .name = NULL },
};

static const struct cli_option doctor_options[] = {
    { "runner-config", CLI_STRING, &asked.runner_config, "FILE",
      "GitLab Runner's file; " RUNNER_CONFIG " if absent" },
    OPTION_CONFIG,
    OPTION_JSON,
    OPTION_HELP,
    { .name = NULL },
};

static const struct cli_option environment_options[] = {
    { "ref", CLI_NEEDED, &asked.ref, "BRANCH", "the branch" },
    OPTION_PROJECT,
    { "dir", CLI_STRING, &asked.dir, "DIR", "the repository's checkout; . if absent" },
    { "pipeline", CLI_NUMBER, &asked.pipeline, "N", "the pipeline whose images to use" },
    { "only", CLI_STRING, &asked.only, "PART", "only this driver, or this service" },
    OPTION_VAR,
    OPTION_CONFIG,
    OPTION_JSON,
    OPTION_HELP,
    { .name = NULL },
};

static const struct cli_option destroy_options[] = {
    { "ref", CLI_NEEDED, &asked.ref, "BRANCH", "the branch; it may be gone" },
    OPTION_YES,
    OPTION_PROJECT,
    OPTION_CONFIG,
    OPTION_JSON,
    OPTION_HELP,
    { .name = NULL },
};

static const struct cli_option adopt_options[] = {
    { "ref", CLI_NEEDED, &asked.ref, "BRANCH", "the branch" },
    { "plan", CLI_FLAG, &asked.plan, NULL,
      "only says what would be adopted; so it is without --yes" },
    OPTION_YES,
    OPTION_PROJECT,
    { "dir", CLI_STRING, &asked.dir, "DIR", "the repository's checkout; . if absent" },
    { "pipeline", CLI_NUMBER, &asked.pipeline, "N", "the pipeline whose images to use" },
    OPTION_VAR,
    OPTION_CONFIG,
    OPTION_JSON,
    OPTION_HELP,
    { .name = NULL },
};

#define OPTION_ONE_PROJECT                                                                         \
    {                                                                                              \
        "project", CLI_NUMBER, &asked.project, "N",                                                \
            "GitLab's id of one project; all of the host config's if absent"                       \
    }

static const struct cli_option list_options[] = {
    OPTION_ONE_PROJECT, OPTION_CONFIG, OPTION_JSON, OPTION_HELP, { .name = NULL },
};

static const struct cli_option sweep_options[] = {
    { "dry-run", CLI_FLAG, &asked.dry_run, NULL,
      "only says what would be swept; so it is without --yes" },
    OPTION_YES,
    OPTION_ONE_PROJECT,
    OPTION_CONFIG,
    OPTION_JSON,
    OPTION_HELP,
    { .name = NULL },
};

static const struct cli_command commands[] = {
    { "name", "BRANCH", "Prints the name of a branch's environment.", name_options, command_name },
    { "check", "[DIR]",
      "Says whether a repository's spec is valid; with --aws, whether a deploy can succeed.",
      check_options, command_check },
    { "plan", "", "Says what a deploy would change.", environment_options, command_plan },
    { "apply", "", "Brings an environment up to its spec.", environment_options, command_apply },
    { "status", "", "Says how each resource is, what is wrong first.", environment_options,
      command_status },
    { "list", "",
      "Lists all environments, and how they are.\n\n"
      "Those of the host config's projects, in every region and as every role that it names, with\n"
      "branch, state, number of resources, age, last pipeline and when their time to live is "
      "over;\n"
      "also what is left of one whose cluster is gone. Writes nothing.",
      list_options, command_list },
    { "sweep", "",
      "Destroys ephemeral environments whose branch is gone or whose time is over.\n\n"
      "Which branches there are it asks the GitLab of the host config's \"gitlab\"; where the "
      "answer\n"
      "is not provably the whole list, it sweeps nothing of that project and fails. How long an\n"
      "environment lives without a deploy is \"timeToLive\" there. Production is never swept. "
      "Each\n"
      "is destroyed with its lock held; one that fails does not stop the others.",
      sweep_options, command_sweep },
    { "adopt", "",
      "Makes an environment berth's that was made by other means: writes its tags.\n\n"
      "What is there under a name that the spec wants, and has nobody's ownership tags, gets "
      "those\n"
      "of this environment; nothing else is written. What bears another environment's tags, or "
      "has\n"
      "no name that the spec makes, is named and left. Adopt, then read the plan, then deploy.",
      adopt_options, command_adopt },
    { "destroy", "", "Removes all that is there of an environment.", destroy_options,
      command_destroy },
    { "iam-policy", "", "Prints the least IAM policy that the jobs of a spec, or a command, need.",
      iam_policy_options, command_iam_policy },
    { "capacity", "", "Says whether there is room for an environment, and what could go.",
      environment_options, command_capacity },
    { "doctor", "", "Looks at a runner host and says what to change.", doctor_options,
      command_doctor },
    { .name = NULL },
};
