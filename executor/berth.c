/* SPDX-License-Identifier: MIT */
/*
 * The command for people. What is asked for goes to the standard output, what is said about it to
 * the standard error. Exit codes are those of a job: 0, 1 (the user's), 2 (everybody else's).
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "drivers/capacity.h"
#include "executor/base/file.h"
#include "executor/base/log.h"
#include "executor/base/process.h"
#include "executor/base/version.h"
#include "executor/check.h"
#include "executor/cli.h"
#include "executor/deploy.h"
#include "executor/doctor.h"
#include "executor/engine/planprint.h"
#include "executor/exitcode.h"
#include "executor/iampolicy.h"
#include "executor/joblog.h"
#include "executor/status.h"
#include "executor/watch.h"

/* What the options of all commands fill in. */
static struct {
    bool help, json, aws;
    int64_t project, pipeline, part;
    const char *ref, *dir, *config, *only, *runner_config, *kind, *account;
    struct strlist vars;
} options = { .vars = STRLIST_INIT };

enum verb { VERB_PLAN, VERB_APPLY, VERB_STATUS, VERB_CHECK, VERB_CAPACITY };

/* Prints text through the redactor. */
static void print_text(struct strbuf *text)
{
    redact(text);
    fwrite(text->buf, 1, text->len, stdout);
    fflush(stdout);
}

/* Prints and frees. */
static void print_json(cJSON *json)
{
    _cleanup_free_ char *text = json_print_pretty(json);
    _cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
    strbuf_addf(&out, "%s\n", text);
    print_text(&out);
    cJSON_Delete(json);
}

/* Says an error, and gives the exit code. */
static int fail(const struct err *err)
{
    if (options.json) {
        cJSON *json = cJSON_CreateObject();
        json_put_str(json, "schema", "berth-error/1");
        json_put_str(json, "class", err_class_name(err->class));
        json_put_str(json, "message", err->message);
        json_put_str(json, "awsCode", err->aws_code[0] ? err->aws_code : NULL);
        json_put_str(json, "requestId", err->request_id[0] ? err->request_id : NULL);
        print_json(json);
    }
    return joblog_failure(err);
}

static int read_host(struct hostconfig *h, struct err *err)
{
    if (options.config != NULL && setenv("BERTH_CONFIG", options.config, 1) < 0)
        return err_set_errno(err, ERR_HOST, errno, "cannot use '%s'", options.config);
    return hostconfig_read(h, err);
}

/* Without --project the host config's only project is meant. */
static int find_project(const struct hostconfig *h, int64_t *ret, struct err *err)
{
    const cJSON *projects = json_get(h->json, "projects");
    *ret = options.project;
    if (options.project != 0)
        return 0;
    if (json_count(projects) != 1)
        return err_set(err, ERR_USER, "'%s' has %zu projects: say which with '--project N'",
                       h->path, json_count(projects));
    if (str_to_int64(projects->child->string, 1, INT64_MAX, ret) < 0)
        return err_set(err, ERR_HOST, "%s: projects: '%s' is not a project's id", h->path,
                       projects->child->string);
    return 0;
}

static int name_branch(const char *branch, struct err *err)
{
    _cleanup_hostconfig_ struct hostconfig h = HOSTCONFIG_INIT;
    _cleanup_environment_ struct environment e = ENVIRONMENT_INIT;
    int64_t project;
    if (read_host(&h, err) < 0 || find_project(&h, &project, err) < 0 ||
        environment_of_branch(project, branch, &h, &e, err) < 0)
        return -1;
    if (options.json) {
        cJSON *json = cJSON_CreateObject();
        json_put_str(json, "schema", "berth-name/1");
        json_put_str(json, "environment", e.name);
        json_put_str(json, "subdomain", e.subdomain);
        json_put_str(json, "kind", e.kind);
        json_put_str(json, "region", e.region);
        json_put_str(json, "ref", branch);
        json_put_int(json, "project", project);
        print_json(json);
    } else {
        printf("%s\n", e.name);
    }
    return 0;
}

static int run_name(const struct strlist *arguments)
{
    _cleanup_err_ struct err err = ERR_INIT;
    if (arguments->n != 1) {
        err_set(&err, ERR_USER, "one branch is needed: berth name [--project N] BRANCH");
        return fail(&err);
    }
    return name_branch(arguments->v[0], &err) < 0 ? fail(&err) : 0;
}

static int run_iam_policy(const struct strlist *arguments)
{
    _cleanup_err_ struct err err = ERR_INIT;
    _cleanup_hostconfig_ struct hostconfig h = HOSTCONFIG_INIT;
    _cleanup_close_ int dir = -1;
    _cleanup_iampolicy_ struct iampolicy policy = IAMPOLICY_INIT;
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    struct iampolicy_request q = {
        .host = &h, .kind = options.kind, .account = options.account, .vars = &options.vars
    };
    if (arguments->n > 0) {
        err_set(&err, ERR_USER, "there is nothing that '%s' could be (see --help)",
                arguments->v[0]);
        return fail(&err);
    }
    if (read_host(&h, &err) < 0 || find_project(&h, &q.project, &err) < 0 ||
        file_open_dir(options.dir != NULL ? options.dir : ".", &dir, &err) < 0)
        return fail(&err);
    q.checkout = dir;
    if (iampolicy_make(&q, &policy, &err) < 0 ||
        iampolicy_to_text(&policy, options.part, &text, &err) < 0)
        return fail(&err);
    for (size_t i = 0; i < policy.warnings.n; i++)
        log_warn("%s", policy.warnings.v[i]);
    if (options.json)
        print_json(iampolicy_to_json(&policy));
    else
        print_text(&text);
    return 0;
}

#define RUNNER_CONFIG "/etc/gitlab-runner/config.toml"

/* `make install` puts the programs for jobs beside the directory of the commands. */
static char *programs_directory(void)
{
    _cleanup_err_ struct err ignored = ERR_INIT;
    _cleanup_free_ char *own = NULL;
    if (process_own_directory(&own, &ignored) < 0)
        return xstrdup("/usr/local/libexec/berth");
    char *slash = strrchr(own, '/');
    return xasprintf("%.*s/libexec/berth", slash != NULL ? (int)(slash - own) : 0, own);
}

static int run_doctor(const struct strlist *arguments)
{
    _cleanup_err_ struct err err = ERR_INIT;
    _cleanup_doctor_ struct doctor doctor = DOCTOR_INIT;
    if (arguments->n > 0) {
        err_set(&err, ERR_USER, "there is nothing that '%s' could be (see --help)",
                arguments->v[0]);
        return fail(&err);
    }
    if (options.config != NULL)
        setenv("BERTH_CONFIG", options.config, 1);
    _cleanup_free_ char *programs = programs_directory();
    doctor_examine(&doctor, options.runner_config != NULL ? options.runner_config : RUNNER_CONFIG,
                   programs);
    if (options.json) {
        print_json(doctor_to_json(&doctor));
    } else {
        _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
        doctor_to_text(&doctor, &text);
        print_text(&text);
    }
    return doctor_has_failed(&doctor) ? exitcode_build_failure() : 0;
}

static const char *var_value(void *context, const char *name)
{
    return vars_find(context, name);
}

static cJSON *results_to_json(const struct deploy *d, const struct err *err)
{
    static const char *const results[] = {
        [PROGRESS_PENDING] = "none",     [PROGRESS_RUNNING] = "running",
        [PROGRESS_SETTLING] = "running", [PROGRESS_DONE] = "done",
        [PROGRESS_FAILED] = "failed",    [PROGRESS_SKIPPED] = "skipped",
    };
    cJSON *json = plan_to_json(d->graph, &d->counts);
    json_put_str(json, "schema", "berth-apply/1");
    json_put_bool(json, "succeeded", err == NULL);
    if (err != NULL)
        json_put_str(json, "error", err->message);
    cJSON *item = json_get(json, "resources")->child;
    for (size_t i = 0; i < d->graph->n && item != NULL; i++, item = item->next) {
        const struct resource *r = d->graph->v[i];
        json_put_str(item, "result", results[r->progress]);
        json_put_str(item, "error", r->error.message);
        if (r->started > 0 && r->ended > r->started)
            json_put(item, "seconds", cJSON_CreateNumber(r->ended - r->started));
    }
    return json;
}

/* Prints what is, whatever the plan comes to: what is in the way, and a spec that cannot be
 * applied, are part of it. What keeps the spec from being applied is a warning. */
static int print_status(struct deploy *d, const struct selection *selection, struct err *err)
{
    _cleanup_status_ struct status status = STATUS_INIT;
    _cleanup_err_ struct err refused = ERR_INIT;
    int r = deploy_plan(d, selection, &refused);
    if (status_make(d->session, d->graph, &status, err) < 0)
        return -1;
    deploy_say_warnings(d);
    if (options.json) {
        print_json(status_to_json(&status));
    } else {
        _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
        status_to_text(&status, &text);
        print_text(&text);
    }
    if (r < 0)
        log_warn("a deploy would be refused: %s", refused.message);
    return 0;
}

static int show_status(struct deploy *d, const struct selection *selection, struct err *err)
{
    if (deploy_observe(d, err) < 0 && (err->class != ERR_CONFLICT || !status_is_told(d->graph)))
        return -1;
    err_release(err);
    return print_status(d, selection, err);
}

static void print_plan(const struct deploy *d)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    plan_to_text(d->graph, &text);
    strbuf_adds(&text, "plan: ");
    plan_counts_to_text(&d->counts, &text);
    strbuf_addc(&text, '\n');
    print_text(&text);
}

static int apply(struct deploy *d, struct err *err)
{
    int r = deploy_has_work(d) ? deploy_apply(d, err) : 0;
    report_table(&d->report, d->session);
    if (options.json)
        print_json(results_to_json(d, r < 0 ? err : NULL));
    if (r < 0)
        return -1;
    _cleanup_free_ char *subject =
        xasprintf("%s%s%s", options.only ? options.only : "", options.only ? " of " : "",
                  d->graph->context.environment);
    deploy_say_verdict(d, subject);
    return 0;
}

/* For people also where it cannot be carried out; a program gets one JSON text, the plan or the
 * error. */
static void show_plan(enum verb verb, const struct deploy *d)
{
    if (verb == VERB_APPLY)
        deploy_say_plan(d, false);
    else if (!options.json)
        print_plan(d);
}

/* A program gets one JSON text: what there is not enough of is in it. */
static int print_capacity(struct deploy *d, struct err *err)
{
    _cleanup_json_ cJSON *report = NULL;
    deploy_say_warnings(d);
    if (deploy_examine_capacity(d, &report, err) < 0)
        return -1;
    if (options.json) {
        print_json(json_dup(report));
        options.json = false;
    } else {
        _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
        capacity_to_text(report, &text);
        print_text(&text);
    }
    return deploy_judge_capacity(d, report, err);
}

static int work(enum verb verb, struct deploy *d, struct err *err)
{
    struct part part;
    if (part_select(options.only, d->spec.json, &part, err) < 0)
        return err_wrap(err, "--only");
    if (verb == VERB_STATUS)
        return show_status(d, &part.selection, err);
    if ((verb == VERB_APPLY && deploy_lock(d, err) < 0) || deploy_observe(d, err) < 0)
        return -1;
    if (verb == VERB_CAPACITY)
        return print_capacity(d, err);
    deploy_say_warnings(d);
    if (deploy_plan(d, &part.selection, err) == 0 && verb != VERB_CHECK)
        show_plan(verb, d);
    if (deploy_preflight(d, err) < 0)
        return -1;
    if (verb == VERB_APPLY)
        return apply(d, err);
    if (options.json && verb == VERB_PLAN)
        print_json(plan_to_json(d->graph, &d->counts));
    return 0;
}

static int with_environment(enum verb verb, struct cancel *cancel, struct err *err)
{
    _cleanup_hostconfig_ struct hostconfig h = HOSTCONFIG_INIT;
    _cleanup_environment_ struct environment e = ENVIRONMENT_INIT;
    _cleanup_close_ int dir = -1;
    _cleanup_deploy_ struct deploy d = DEPLOY_INIT;
    int64_t project;
    if (options.ref == NULL)
        return err_set(err, ERR_USER, "a branch is needed: '--ref BRANCH'");
    if (read_host(&h, err) < 0 || find_project(&h, &project, err) < 0 ||
        environment_of_branch(project, options.ref, &h, &e, err) < 0 ||
        file_open_dir(options.dir != NULL ? options.dir : ".", &dir, err) < 0 ||
        deploy_read_spec(&d, &h, dir, err) < 0)
        return -1;
    _cleanup_free_ char *who = xasprintf("a 'berth' on the command line (process %d)", getpid());
    _cleanup_free_ char *session_name = xasprintf("berth-%lld-cli", (long long)project);
    const struct deploy_request request = {
        .host = &h,
        .environment = &e,
        .checkout = dir,
        .project = project,
        .pipeline = options.pipeline,
        .ref = options.ref,
        .who = who,
        .session_name = session_name,
        .lookup = var_value,
        .variables = &options.vars,
        .cancel = cancel,
    };
    if (deploy_resolve(&d, &request, err) < 0)
        return -1;
    int r = work(verb, &d, err);
    if (r == 0 && cancel_is_set(cancel))
        return err_set(err, ERR_CANCELLED, "cancelled: run the command again to go on");
    return r;
}

/* Until it is done or somebody interrupts it. */
static int do_verb(enum verb verb, struct err *err)
{
    struct cancel cancel;
    cancel_init(&cancel);
    struct watch *watch = watch_start(&cancel, exitcode_system_failure());
    int r = with_environment(verb, &cancel, err);
    watch_stop(watch);
    cancel_release(&cancel);
    return r;
}

static int run_verb(enum verb verb, const struct strlist *arguments)
{
    _cleanup_err_ struct err err = ERR_INIT;
    if (arguments->n > 0) {
        err_set(&err, ERR_USER, "there is nothing that '%s' could be (see --help)",
                arguments->v[0]);
        return fail(&err);
    }
    return do_verb(verb, &err) < 0 ? fail(&err) : 0;
}

/* What a check is of. The host config matters only to somebody who names it, a project of it, or
 * asks AWS. */
static int open_check(const struct strlist *arguments, bool with_host, struct hostconfig *host,
                      int64_t *ret_project, int *ret_dir, struct err *err)
{
    if (arguments->n > 1)
        return err_set(err, ERR_USER, "at most one directory can be checked: berth check [DIR]");
    if (options.ref != NULL && !options.aws)
        return err_set(err, ERR_USER, "a branch matters only where AWS is asked: add '--aws'");
    options.dir = arguments->n == 1 ? arguments->v[0] : ".";
    if ((with_host && read_host(host, err) < 0) || file_open_dir(options.dir, ret_dir, err) < 0)
        return -1;
    return with_host ? find_project(host, ret_project, err) : 0;
}

static int run_check(const struct strlist *arguments)
{
    _cleanup_err_ struct err err = ERR_INIT;
    _cleanup_hostconfig_ struct hostconfig h = HOSTCONFIG_INIT;
    _cleanup_check_ struct check check = CHECK_INIT;
    _cleanup_close_ int dir = -1;
    int64_t project = 0;
    bool with_host = options.project != 0 || options.config != NULL || options.aws;
    if (open_check(arguments, with_host, &h, &project, &dir, &err) < 0)
        return fail(&err);
    int r = check_spec(with_host ? &h : NULL, project, dir, &options.vars, &check, &err);
    if (r == 0 && options.aws)
        r = do_verb(VERB_CHECK, &err);
    if (options.json)
        print_json(check_to_json(&check, r < 0 ? &err : NULL));
    for (size_t i = 0; i < check.warnings.n; i++)
        log_warn("%s", check.warnings.v[i]);
    if (r < 0)
        return joblog_failure(&err);
    if (!options.json) {
        _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
        check_to_text(&check, &text);
        print_text(&text);
    }
    return 0;
}

static int run_plan(const struct strlist *arguments)
{
    return run_verb(VERB_PLAN, arguments);
}

static int run_apply(const struct strlist *arguments)
{
    return run_verb(VERB_APPLY, arguments);
}

static int run_status(const struct strlist *arguments)
{
    return run_verb(VERB_STATUS, arguments);
}

static int run_capacity(const struct strlist *arguments)
{
    return run_verb(VERB_CAPACITY, arguments);
}

static const struct cli_command commands[];

static void print_help(void)
{
    printf("usage: berth COMMAND [options]\n\n"
           "Brings AWS environments of branches up to what their repository asks for.\n\n"
           "commands:\n");
    for (const struct cli_command *c = commands; c->name != NULL; c++)
        printf("  %-10s %s\n", c->name, c->help);
    printf("\n'berth COMMAND --help' tells a command's options; 'berth --version' the version.\n");
}

static int run_command(const char *name, char **argv)
{
    _cleanup_err_ struct err err = ERR_INIT;
    const struct cli_command *command = cli_find(commands, name, &err);
    if (command == NULL)
        return fail(&err);
    _cleanup_strlist_ struct strlist arguments = STRLIST_INIT;
    if (cli_parse(command, argv, &arguments, &err) < 0)
        return fail(&err);
    if (options.help) {
        _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
        cli_help(command, &text);
        print_text(&text);
        return 0;
    }
    for (size_t i = 0; i < options.vars.n; i++) {
        if (strchr(options.vars.v[i], '=') != NULL)
            continue;
        err_set(&err, ERR_USER, "'--var %s' has no value: --var NAME=VALUE", options.vars.v[i]);
        return fail(&err);
    }
    return command->run(&arguments);
}

int main(int argc, char **argv)
{
    bool colour = isatty(STDERR_FILENO) && (getenv("NO_COLOR") == NULL || *getenv("NO_COLOR") == 0);
    log_init(STDERR_FILENO, LOG_INFO, colour);
    process_hide();
    exitcode_on_signals();
    int code = 0;
    if (argc < 2 || str_eq(argv[1], "--help") || str_eq(argv[1], "help")) {
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
    strlist_release(&options.vars);
    redact_release();
    return code;
}

#define OPTION_HELP                                                                                \
    {                                                                                              \
        "help", CLI_FLAG, &options.help, NULL, "prints this"                                       \
    }
#define OPTION_JSON                                                                                \
    {                                                                                              \
        "json", CLI_FLAG, &options.json, NULL, "prints JSON (docs/json.md)"                        \
    }
#define OPTION_CONFIG                                                                              \
    {                                                                                              \
        "config", CLI_STRING, &options.config, "FILE",                                             \
            "the host config; $BERTH_CONFIG or /etc/berth/berth.json if absent"                    \
    }
#define OPTION_PROJECT                                                                             \
    {                                                                                              \
        "project", CLI_NUMBER, &options.project, "N",                                              \
            "GitLab's id of the project; the host config's only one if absent"                     \
    }
#define OPTION_VAR                                                                                 \
    {                                                                                              \
        "var", CLI_LIST, &options.vars, "NAME=VALUE",                                              \
            "a CI/CD variable, as the job would have it; any number of them"                       \
    }

static const struct cli_option name_options[] = {
    OPTION_PROJECT, OPTION_CONFIG, OPTION_JSON, OPTION_HELP, { .name = NULL },
};

static const struct cli_option check_options[] = {
    { "aws", CLI_FLAG, &options.aws, NULL,
      "asks AWS, too, what would go wrong with a deploy of the branch" },
    { "ref", CLI_STRING, &options.ref, "BRANCH", "the branch; only with --aws" },
    { "pipeline", CLI_NUMBER, &options.pipeline, "N", "the pipeline whose images to use" },
    OPTION_PROJECT,
    OPTION_CONFIG,
    OPTION_VAR,
    OPTION_JSON,
    OPTION_HELP,
    { .name = NULL },
};

static const struct cli_option iam_policy_options[] = {
    { "kind", CLI_STRING, &options.kind, "KIND",
      "production or ephemeral; the project's only one if absent" },
    OPTION_PROJECT,
    { "dir", CLI_STRING, &options.dir, "DIR", "the repository's checkout; . if absent" },
    { "account", CLI_STRING, &options.account, "ID", "the AWS account; roleArn's if absent" },
    { "part", CLI_NUMBER, &options.part, "N", "only the N-th policy, where it takes several" },
    OPTION_VAR,
    OPTION_CONFIG,
    OPTION_JSON,
    OPTION_HELP,
    { .name = NULL },
};

static const struct cli_option doctor_options[] = {
    { "runner-config", CLI_STRING, &options.runner_config, "FILE",
      "GitLab Runner's file; " RUNNER_CONFIG " if absent" },
    OPTION_CONFIG,
    OPTION_JSON,
    OPTION_HELP,
    { .name = NULL },
};

static const struct cli_option environment_options[] = {
    { "ref", CLI_STRING, &options.ref, "BRANCH", "the branch" },
    OPTION_PROJECT,
    { "dir", CLI_STRING, &options.dir, "DIR", "the repository's checkout; . if absent" },
    { "pipeline", CLI_NUMBER, &options.pipeline, "N", "the pipeline whose images to use" },
    { "only", CLI_STRING, &options.only, "PART", "only this driver, or this service" },
    OPTION_VAR,
    OPTION_CONFIG,
    OPTION_JSON,
    OPTION_HELP,
    { .name = NULL },
};

static const struct cli_command commands[] = {
    { "name", "BRANCH", "Prints the name of a branch's environment.", name_options, run_name },
    { "check", "[DIR]",
      "Says whether a repository's spec is valid; with --aws, whether a deploy can succeed.",
      check_options, run_check },
    { "plan", "", "Says what a deploy would change.", environment_options, run_plan },
    { "apply", "", "Brings an environment up to its spec.", environment_options, run_apply },
    { "status", "", "Says how each resource is, what is wrong first.", environment_options,
      run_status },
    { "iam-policy", "", "Prints the least IAM policy that the jobs of a spec need.",
      iam_policy_options, run_iam_policy },
    { "capacity", "", "Says whether there is room for an environment, and what could go.",
      environment_options, run_capacity },
    { "doctor", "", "Looks at a runner host and says what to change.", doctor_options, run_doctor },
    { .name = NULL },
};
