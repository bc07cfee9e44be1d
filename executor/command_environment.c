/* SPDX-License-Identifier: MIT */
/* The commands that are about one environment, as jobs are. */
#include "executor/command.h"

#include <stdio.h>
#include <unistd.h>

#include "drivers/capacity.h"
#include "executor/adopt.h"
#include "executor/base/file.h"
#include "executor/base/log.h"
#include "executor/check.h"
#include "executor/deploy.h"
#include "executor/destroy.h"
#include "executor/engine/planprint.h"
#include "executor/exitcode.h"
#include "executor/joblog.h"
#include "executor/status.h"
#include "executor/watch.h"

enum verb {
    VERB_PLAN,
    VERB_APPLY,
    VERB_STATUS,
    VERB_CHECK,
    VERB_CAPACITY,
    VERB_ADOPT,
    VERB_DESTROY
};

static const char *var_value(void *context, const char *name)
{
    return vars_find(context, name);
}

static cJSON *results_to_json(const struct deploy *d, const struct err *err)
{
    cJSON *json = plan_to_json(d->graph, &d->counts);
    json_put_str(json, "schema", "berth-apply/1");
    json_put_bool(json, "succeeded", err == NULL);
    if (err != NULL)
        json_put_str(json, "error", err->message);
    cJSON *item = json_get(json, "resources")->child;
    for (size_t i = 0; i < d->graph->n && item != NULL; i++, item = item->next)
        plan_put_result(item, d->graph->v[i]);
    return json;
}

/* Prints what is, whatever the plan comes to: what is in the way, and a spec that cannot be
 * applied, are part of it. What keeps the spec from being applied is a warning. */
static int print_status(struct deploy *d, const struct selection *selection, struct err *err)
{
    _cleanup_status_ struct status status = STATUS_INIT;
    _cleanup_err_ struct err refused = ERR_INIT;
    int r = deploy_plan(d, selection, &refused);
    if (status_make(d->errand.session, d->graph, &status, err) < 0)
        return -1;
    deploy_say_warnings(d);
    if (asked.json) {
        command_print_json(status_to_json(&status));
    } else {
        _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
        status_to_text(&status, &text);
        command_print_text(&text);
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

static void print_plan(const struct graph *g, const struct plan_counts *counts)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    plan_to_text(g, &text);
    strbuf_adds(&text, "plan: ");
    plan_counts_to_text(counts, &text);
    strbuf_addc(&text, '\n');
    command_print_text(&text);
}

static int apply(struct deploy *d, struct err *err)
{
    deploy_renew(d);
    int r = deploy_has_work(d) ? deploy_apply(d, err) : 0;
    errand_say_table(&d->errand);
    if (asked.json)
        command_print_json(results_to_json(d, r < 0 ? err : NULL));
    asked.json = false; /* a program gets one JSON text: the error is in it */
    if (r < 0)
        return -1;
    _cleanup_free_ char *subject =
        xasprintf("%s%s%s", asked.only ? asked.only : "", asked.only ? " of " : "",
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
    else if (!asked.json)
        print_plan(d->graph, &d->counts);
}

/* A program gets one JSON text: what there is not enough of is in it. */
static int print_capacity(struct deploy *d, struct err *err)
{
    _cleanup_json_ cJSON *report = NULL;
    deploy_say_warnings(d);
    if (deploy_examine_capacity(d, &report, err) < 0)
        return -1;
    if (asked.json) {
        command_print_json(json_dup(report));
        asked.json = false;
    } else {
        _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
        capacity_to_text(report, &text);
        command_print_text(&text);
    }
    return deploy_judge_capacity(d, report, err);
}

/* What a program gets is one JSON text, which holds the error, too. */
static int print_adoption(const struct adoption *a, int r, const struct err *err)
{
    if (asked.json) {
        command_print_json(adopt_to_json(a, r < 0 ? err : NULL));
        asked.json = false;
    } else {
        _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
        adopt_to_text(a, &text);
        command_print_text(&text);
    }
    return r;
}

/* What is in the way is what this is about. */
static int adopt(struct deploy *d, struct err *err)
{
    _cleanup_adoption_ struct adoption a = ADOPTION_INIT;
    if ((asked.yes && errand_lock(&d->errand, err) < 0) ||
        (deploy_observe(d, err) < 0 && (err->class != ERR_CONFLICT || !status_is_told(d->graph))))
        return -1;
    err_release(err);
    deploy_say_warnings(d);
    if (adopt_look(d->errand.session, d->graph, &a, err) < 0)
        return -1;
    const struct engine_options options = errand_engine_options(&d->errand);
    int r = asked.yes ? adopt_carry_out(d->errand.session, &options, &a, err) : 0;
    if (print_adoption(&a, r, err) < 0)
        return -1;
    if (!asked.yes && adopt_count(&a) > 0)
        log_info("nothing is adopted without '--yes'");
    return 0;
}

static int work(enum verb verb, struct deploy *d, struct err *err)
{
    struct part part;
    if (part_select(asked.only, d->spec.json, &part, err) < 0)
        return err_wrap(err, "--only");
    if (verb == VERB_STATUS)
        return show_status(d, &part.selection, err);
    if (verb == VERB_ADOPT)
        return adopt(d, err);
    if ((verb == VERB_APPLY && errand_lock(&d->errand, err) < 0) || deploy_observe(d, err) < 0)
        return -1;
    if (verb == VERB_CAPACITY)
        return print_capacity(d, err);
    if (verb == VERB_CHECK)
        d->warned_spec = d->spec.warnings.n; /* command_check() has said them */
    deploy_say_warnings(d);
    if (deploy_plan(d, &part.selection, err) == 0 && verb != VERB_CHECK)
        show_plan(verb, d);
    if (deploy_preflight(d, err) < 0)
        return -1;
    if (verb == VERB_APPLY)
        return apply(d, err);
    if (asked.json && verb == VERB_PLAN)
        command_print_json(plan_to_json(d->graph, &d->counts));
    return 0;
}

static int with_spec(enum verb verb, const struct errand_request *errand, struct err *err)
{
    _cleanup_close_ int dir = -1;
    _cleanup_deploy_ struct deploy d = DEPLOY_INIT;
    if (file_open_dir(asked.dir != NULL ? asked.dir : ".", &dir, err) < 0 ||
        deploy_read_spec(&d, errand->host, dir, err) < 0)
        return -1;
    const struct deploy_request request = {
        .errand = *errand,
        .lookup = var_value,
        .variables = &asked.vars,
    };
    if (deploy_resolve(&d, &request, err) < 0)
        return -1;
    return work(verb, &d, err);
}

static int show_removals(struct destroy *d, const struct errand_request *errand, struct err *err)
{
    if (destroy_look(d, errand, err) < 0)
        return -1;
    if (asked.json) {
        command_print_json(plan_to_json(d->graph, &d->counts));
    } else {
        print_plan(d->graph, &d->counts);
    }
    destroy_say_refusal(d);
    if (destroy_has_work(d))
        log_info("nothing is removed without '--yes'");
    else
        destroy_say_verdict(d);
    return 0;
}

static int destroy(const struct errand_request *errand, struct err *err)
{
    _cleanup_destroy_ struct destroy d = DESTROY_INIT;
    if (!asked.yes)
        return show_removals(&d, errand, err);
    if (destroy_check(errand->host, errand->project, errand->environment, err) < 0)
        return -1;
    int r = destroy_environment(&d, errand, true, err);
    if (!asked.json || d.graph == NULL)
        return r;
    command_print_json(destroy_to_json(&d, r < 0 ? err : NULL));
    asked.json = false; /* a program gets one JSON text: the error is in it */
    return r;
}

static int with_environment(enum verb verb, struct cancel *cancel, struct err *err)
{
    _cleanup_hostconfig_ struct hostconfig h = HOSTCONFIG_INIT;
    _cleanup_environment_ struct environment e = ENVIRONMENT_INIT;
    int64_t project;
    if (asked.ref == NULL)
        return err_set(err, ERR_USER, "a branch is needed: '--ref BRANCH'");
    if (command_read_host(&h, err) < 0 || command_find_project(&h, &project, err) < 0 ||
        environment_of_branch(project, asked.ref, &h, &e, err) < 0)
        return -1;
    _cleanup_free_ char *who = xasprintf("a 'berth' on the command line (process %d)", getpid());
    _cleanup_free_ char *session_name = xasprintf("berth-%lld-cli", (long long)project);
    const struct errand_request errand = {
        .host = &h,
        .environment = &e,
        .project = project,
        .pipeline = asked.pipeline,
        .ref = asked.ref,
        .who = who,
        .session_name = session_name,
        .cancel = cancel,
    };
    int r = verb == VERB_DESTROY ? destroy(&errand, err) : with_spec(verb, &errand, err);
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
    if (command_takes_none(arguments, &err) < 0)
        return command_fail(&err);
    if ((verb == VERB_APPLY || verb == VERB_DESTROY) && !asked.json && isatty(STDERR_FILENO) &&
        !str_eq(getenv("TERM"), "dumb"))
        log_live();
    return do_verb(verb, &err) < 0 ? command_fail(&err) : 0;
}

/* What a check is of. The host config matters only to somebody who names it, a project of it, or
 * asks AWS. */
static int open_check(const struct strlist *arguments, bool with_host, struct hostconfig *host,
                      int64_t *ret_project, int *ret_dir, struct err *err)
{
    if (arguments->n > 1)
        return err_set(err, ERR_USER, "at most one directory can be checked: berth check [DIR]");
    if (asked.ref != NULL && !asked.aws)
        return err_set(err, ERR_USER, "a branch matters only where AWS is asked: add '--aws'");
    asked.dir = arguments->n == 1 ? arguments->v[0] : ".";
    if ((with_host && command_read_host(host, err) < 0) ||
        file_open_dir(asked.dir, ret_dir, err) < 0)
        return -1;
    return with_host ? command_find_project(host, ret_project, err) : 0;
}

int command_check(const struct strlist *arguments)
{
    _cleanup_err_ struct err err = ERR_INIT;
    _cleanup_hostconfig_ struct hostconfig h = HOSTCONFIG_INIT;
    _cleanup_check_ struct check check = CHECK_INIT;
    _cleanup_close_ int dir = -1;
    int64_t project = 0;
    bool with_host = asked.project != 0 || asked.config != NULL || asked.aws;
    if (open_check(arguments, with_host, &h, &project, &dir, &err) < 0)
        return command_fail(&err);
    int r = check_spec(with_host ? &h : NULL, project, dir, &asked.vars, &check, &err);
    for (size_t i = 0; i < check.warnings.n; i++)
        log_warn("%s", check.warnings.v[i]);
    if (r == 0 && asked.aws)
        r = do_verb(VERB_CHECK, &err);
    if (asked.json)
        command_print_json(check_to_json(&check, r < 0 ? &err : NULL));
    if (r < 0)
        return joblog_failure(&err);
    if (!asked.json) {
        _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
        check_to_text(&check, &text);
        command_print_text(&text);
    }
    return 0;
}

int command_plan(const struct strlist *arguments)
{
    return run_verb(VERB_PLAN, arguments);
}

int command_apply(const struct strlist *arguments)
{
    return run_verb(VERB_APPLY, arguments);
}

int command_status(const struct strlist *arguments)
{
    return run_verb(VERB_STATUS, arguments);
}

int command_capacity(const struct strlist *arguments)
{
    return run_verb(VERB_CAPACITY, arguments);
}

int command_destroy(const struct strlist *arguments)
{
    return run_verb(VERB_DESTROY, arguments);
}

int command_adopt(const struct strlist *arguments)
{
    _cleanup_err_ struct err err = ERR_INIT;
    if (!asked.plan || !asked.yes)
        return run_verb(VERB_ADOPT, arguments);
    err_set(&err, ERR_USER, "'--plan' only says what '--yes' does: give one of them");
    return command_fail(&err);
}
