/* SPDX-License-Identifier: MIT */
/*
 * What drivers do in a job. `drive check` decides whether the job may act on its branch, without
 * credentials and network; `drive run` does it. Called by prepare and run with the environment that
 * GitLab Runner gave them; the only one of berth's programs for jobs that holds credentials.
 */

#include <unistd.h>

#include "executor/artifact.h"
#include "executor/base/log.h"
#include "executor/checkout.h"
#include "executor/deploy.h"
#include "executor/destroy.h"
#include "executor/drivecall.h"
#include "executor/exitcode.h"
#include "executor/grafanawork.h"
#include "executor/joblog.h"
#include "executor/jobuser.h"
#include "executor/outputs.h"
#include "executor/sweep.h"
#include "executor/toolwork.h"
#include "executor/usage.h"
#include "executor/watch.h"

struct drive {
    struct job job;
    struct hostconfig host;
    struct dispatch dispatch;
    struct environment environment;
    bool by_spec; /* only the spec could say what the job is */
    int checkout;
    struct deploy deploy;
    struct destroy destroy;
    bool planned; /* the deploy has come to a plan */
    struct cancel cancel;
};

static const char *variable_value(void *context, const char *name)
{
    return job_variable(context, name);
}

static bool variable_is_masked(void *context, const char *name)
{
    return job_variable_is_masked(context, name);
}

static void list_variables(const struct job *job, struct strlist *names)
{
    const cJSON *variable;
    cJSON_ArrayForEach (variable, json_get(job->response, "variables"))
        if (json_str(variable, "key") != NULL)
            strlist_add(names, json_str(variable, "key"));
}

static int read_job(struct drive *d, struct err *err)
{
    const char *path = getenv("JOB_RESPONSE_FILE");
    if (job_read(path != NULL ? path : "", &d->job, err) < 0)
        return -1;
    return hostconfig_read(&d->host, err);
}

static int decide_environment(struct drive *d, struct err *err)
{
    if (!dispatch_needs_environment(&d->dispatch))
        return 0;
    if (environment_of_job(&d->job, &d->dispatch, &d->host, &d->environment, err) < 0)
        return -1;
    if (d->dispatch.act == ACT_DESTROY && !d->dispatch.plan &&
        destroy_check(&d->host, d->job.project_id, &d->environment, err) < 0)
        return -1;
    if (!str_eq(d->environment.kind, "production") ||
        json_bool(d->host.json, "allowUnisolatedProduction", false))
        return 0;
    return jobuser_check_isolation(&d->host, err) < 0
               ? err_wrap(err, "no job acts on production from this host")
               : 0;
}

static void say_contradictions(const struct job *job)
{
    for (size_t i = 0; i < job->contradictions.n; i++)
        log_warn("%s", job->contradictions.v[i]);
}

/* Before there is a checkout: a job that only the spec can explain is decided in run. */
static int check(struct drive *d, struct err *err)
{
    if (read_job(d, err) < 0 || dispatch_job(d->job.name, &d->host, NULL, &d->dispatch, err) < 0)
        return -1;
    if (dispatch_needs_environment(&d->dispatch))
        say_contradictions(&d->job);
    return decide_environment(d, err);
}

static int check_act(const struct drive *d, struct err *err)
{
    if (d->dispatch.act != ACT_SCRIPT)
        return 0;
    return err_set(err, ERR_USER,
                   "job '%s' asks for nothing that berth does: neither its name nor the spec says "
                   "what it is; correct the name, or declare the service in the spec",
                   d->job.name);
}

/* The name of one kind of job says all that it takes: a repository without a spec can have it. */
static int read_spec(struct drive *d, struct err *err)
{
    _cleanup_json_ cJSON *looked = NULL;
    _cleanup_err_ struct err absent = ERR_INIT;
    if (checkout_open(&d->host, &d->checkout, err) < 0)
        return -1;
    if (d->dispatch.act == ACT_TERRAFORM && checkout_read_spec(&d->host, &looked, &absent) < 0 &&
        absent.class == ERR_NOT_FOUND)
        return 0;
    return deploy_read_spec(&d->deploy, &d->host, d->checkout, err);
}

/* What the job is, whose environment it acts on, and the spec: in this order, so that a job that
 * may not act at all hears that first. An environment ends without a spec: the branch may be gone,
 * and with it the checkout. */
static int prepare(struct drive *d, struct err *err)
{
    if (read_job(d, err) < 0 || dispatch_job(d->job.name, &d->host, NULL, &d->dispatch, err) < 0)
        return -1;
    d->by_spec = d->dispatch.act == ACT_SCRIPT;
    if (!d->by_spec && (check_act(d, err) < 0 || decide_environment(d, err) < 0))
        return -1;
    if (d->dispatch.act == ACT_DESTROY || d->dispatch.act == ACT_SWEEP)
        return 0;
    if (read_spec(d, err) < 0)
        return -1;
    if (!d->by_spec)
        return 0;
    dispatch_release(&d->dispatch);
    if (dispatch_job(d->job.name, &d->host, d->deploy.spec.raw, &d->dispatch, err) < 0 ||
        check_act(d, err) < 0)
        return -1;
    return decide_environment(d, err);
}

static void say_first_line(const struct drive *d)
{
    const struct environment *e = &d->environment;
    const struct job *job = &d->job;
    _cleanup_strbuf_ struct strbuf what = STRBUF_INIT;
    strbuf_adds(&what, d->dispatch.plan ? "plan of " : "");
    strbuf_adds(&what, act_name(d->dispatch.act));
    if (d->dispatch.part != NULL)
        strbuf_addf(&what, " of %s", d->dispatch.part);
    if (e->name != NULL)
        strbuf_addf(&what, ": %s (%s, %s)", e->name, e->kind, e->region);
    log_styled(LOG_HEADING, "%s%s from '%s' at %.8s, pipeline %lld", what.buf,
               e->name == NULL ? "," : "", job->ref, job->sha != NULL ? job->sha : "?",
               (long long)job->pipeline_id);
}

static int select_part(const struct drive *d, struct part *ret, struct err *err)
{
    if (d->dispatch.act == ACT_BASIC_INFRA) {
        *ret = (struct part){ .drivers = { "ecr", "iam", NULL } };
        ret->selection.drivers = ret->drivers;
        return 0;
    }
    return part_select(d->dispatch.part, d->deploy.spec.json, ret, err);
}

/* Who has called a service after a driver would wait for it in vain. */
static void say_shadowed(const struct drive *d)
{
    const char *word = d->dispatch.word;
    if (word != NULL && driver_find(word) != NULL &&
        json_get(json_get(d->deploy.spec.json, "services"), word) != NULL)
        log_warn("'%s' means all that berth's driver of that name makes, not the service '%s' of "
                 "the spec, which only 'deploy' deploys: rename the service to deploy it alone",
                 d->job.name, word);
}

/* The verdict, the log's last line. */
static void say_done(const struct drive *d)
{
    const char *name = d->environment.name;
    if (d->dispatch.plan) {
        log_styled(LOG_GOOD, "this was a plan of %s: nothing was changed", name);
        return;
    }
    if (d->dispatch.act == ACT_CAPACITY) {
        log_styled(LOG_GOOD, "there is room for %s", name);
        return;
    }
    const char *part = d->dispatch.part;
    _cleanup_free_ char *subject =
        d->dispatch.act == ACT_BASIC_INFRA
            ? xstrdup("what all branches share")
            : xasprintf("%s%s%s", part ? part : "", part ? " of " : "", name);
    deploy_say_verdict(&d->deploy, subject);
}

/* Nothing is planned: the images that a deploy needs may be built by a later job. */
static int check_capacity(struct drive *d, struct err *err)
{
    _cleanup_json_ cJSON *report = NULL;
    if (deploy_observe(&d->deploy, err) < 0)
        return -1;
    deploy_say_warnings(&d->deploy);
    if (deploy_examine_capacity(&d->deploy, &report, err) < 0)
        return -1;
    deploy_say_capacity(report);
    return deploy_judge_capacity(&d->deploy, report, err);
}

static int work(struct drive *d, struct err *err)
{
    struct deploy *deploy = &d->deploy;
    if (d->dispatch.act == ACT_CAPACITY)
        return check_capacity(d, err);
    if (d->dispatch.act == ACT_GRAFANA)
        return grafanawork(deploy, d->dispatch.plan, d->checkout, err);
    struct part part;
    bool writes = !d->dispatch.plan;
    if (select_part(d, &part, err) < 0 || (writes && errand_lock(&deploy->errand, err) < 0) ||
        deploy_observe(deploy, err) < 0)
        return -1;
    say_shadowed(d);
    deploy_say_warnings(deploy);
    if (deploy_plan(deploy, &part.selection, err) == 0) {
        d->planned = true;
        deploy_say_plan(deploy, true);
    }
    if (deploy_preflight(deploy, err) < 0)
        return -1;
    if (writes && d->dispatch.act == ACT_DEPLOY)
        deploy_renew(deploy);
    if (writes && !deploy_has_work(deploy))
        deploy_tidy(deploy);
    else if (writes && deploy_apply(deploy, err) < 0)
        return -1;
    if (errand_check_cancel(&deploy->errand, err) < 0)
        return -1;
    _cleanup_json_ cJSON *outputs = outputs_of(&d->environment, deploy->graph, &deploy->counts);
    return outputs_write(outputs, d->checkout, err);
}

/* The project directory; where a destroy has none, there is nobody to leave anything to. */
static bool open_checkout(struct drive *d)
{
    _cleanup_err_ struct err err = ERR_INIT;
    if (d->checkout >= 0 || checkout_open(&d->host, &d->checkout, &err) == 0)
        return true;
    if (err.class != ERR_NOT_FOUND)
        log_warn("the report of this job is not left behind: %s", err.message);
    return false;
}

static void note_graph(struct drive *d)
{
    struct destroy *destroy = &d->destroy;
    if (d->planned)
        errand_note(&d->deploy.errand, d->deploy.graph);
    /* One that has removed something took note of what. */
    if (destroy->graph != NULL && destroy->errand.history.resources == NULL)
        errand_note(&destroy->errand, destroy->graph);
}

/* "Cancelled" alone would have whoever reads it look for the one who did it. Returns r. */
static int explain_timeout(const struct drive *d, int r, struct err *err)
{
    char span[32];
    int64_t timeout = job_time_over(&d->job, time(NULL));
    if (r < 0 && err->class == ERR_CANCELLED && timeout > 0)
        err_wrap(err, "the job's timeout in GitLab (%s) is over",
                 clock_span((double)timeout, span, sizeof(span)));
    return r;
}

/* Whether the job is about an environment's resources. */
static bool has_report(const struct drive *d)
{
    enum act act = d->dispatch.act;
    return act == ACT_DEPLOY || act == ACT_BASIC_INFRA || act == ACT_DESTROY;
}

/* `failure` NULL: it went well. */
static void leave_report(struct drive *d, const struct err *failure)
{
    bool destroys = d->dispatch.act == ACT_DESTROY;
    if (!has_report(d) || !open_checkout(d))
        return;
    const struct graph *g = destroys ? d->destroy.graph : d->deploy.graph;
    _cleanup_json_ cJSON *outputs =
        d->planned ? outputs_of(&d->environment, g, &d->deploy.counts) : NULL;
    note_graph(d);
    const struct artifact artifact = {
        .job = &d->job,
        .dispatch = &d->dispatch,
        .environment = &d->environment,
        .errand = destroys ? &d->destroy.errand : &d->deploy.errand,
        .failure = failure,
        .url = json_str(outputs, "BERTH_URL"),
        .left = d->destroy.left,
        .warnings = g != NULL ? &g->warnings : NULL,
    };
    artifact_write(&artifact, d->checkout);
}

static struct deploy_request deploy_request_of(struct drive *d, const struct errand_request *errand,
                                               const struct strlist *names)
{
    bool production = str_eq(d->environment.kind, "production");
    return (struct deploy_request){
        .errand = *errand,
        .sha = d->job.sha,
        .update_account = d->dispatch.act == ACT_BASIC_INFRA && production,
        .lookup = variable_value,
        .is_masked = variable_is_masked,
        .variables = &d->job,
        .names = names,
    };
}

static int deploy(struct drive *d, const struct errand_request *errand, struct err *err)
{
    _cleanup_strlist_ struct strlist names = STRLIST_INIT;
    list_variables(&d->job, &names);
    const struct deploy_request request = deploy_request_of(d, errand, &names);
    int r = deploy_resolve(&d->deploy, &request, err);
    if (r == 0) {
        r = work(d, err);
        errand_say_table(&d->deploy.errand);
    }
    explain_timeout(d, r, err);
    leave_report(d, r < 0 ? err : NULL);
    if (r == 0 && d->dispatch.act != ACT_GRAFANA) /* which has said it */
        say_done(d);
    return r;
}

/* With the environment's spec and session where the driver needs them. */
static int use_tool(struct drive *d, const struct tool_driver *driver,
                    const struct errand_request *errand, struct err *err)
{
    struct deploy *deploy = &d->deploy;
    _cleanup_strlist_ struct strlist names = STRLIST_INIT;
    list_variables(&d->job, &names);
    const struct deploy_request request = deploy_request_of(d, errand, &names);
    struct context context = { .spec_dir = -1 };
    struct toolwork work = {
        .driver = driver,
        .job = &d->job,
        .host = &d->host,
        .dispatch = &d->dispatch,
        .spec = &deploy->spec,
        .checkout = d->checkout,
        .cancel = &d->cancel,
    };
    if (!driver->needs_environment)
        return tool_work(&work, err);
    if (deploy_resolve_spec(deploy, &request, err) < 0 || deploy_open(deploy, err) < 0)
        return -1;
    deploy_say_warnings(deploy);
    context = errand_context(&deploy->errand);
    context.spec_dir = deploy->spec.dir;
    work.context = &context;
    work.session = deploy->errand.session;
    return tool_work(&work, err);
}

/* Of the job's own project alone: what it may not touch, it may not sweep. */
static int sweep(struct drive *d, const struct errand_request *errand, struct err *err)
{
    _cleanup_sweep_ struct sweep s = SWEEP_INIT;
    const struct sweep_request request = {
        .host = errand->host,
        .project = errand->project,
        .who = errand->who,
        .session_name = errand->session_name,
        .cancel = errand->cancel,
    };
    return sweep_all(&s, &request, !d->dispatch.plan, err);
}

static int run(struct drive *d, struct err *err)
{
    if (prepare(d, err) < 0) {
        leave_report(d, err);
        return -1;
    }
    if (has_report(d) && open_checkout(d))
        artifact_forget(d->checkout);
    say_first_line(d);
    if (d->by_spec) /* else check() has said them */
        say_contradictions(&d->job);
    const struct job *job = &d->job;
    _cleanup_free_ char *who = xasprintf("job %lld ('%s') of pipeline %lld", (long long)job->id,
                                         job->name, (long long)job->pipeline_id);
    _cleanup_free_ char *session_name =
        xasprintf("berth-%lld-%lld", (long long)job->project_id, (long long)job->id);
    const struct errand_request errand = {
        .host = &d->host,
        .environment = &d->environment,
        .project = job->project_id,
        .pipeline = job->pipeline_id,
        .ref = job->ref,
        .who = who,
        .session_name = session_name,
        .cancel = &d->cancel,
    };
    if (d->dispatch.act == ACT_DESTROY) {
        int r = destroy_environment(&d->destroy, &errand, !d->dispatch.plan, err);
        explain_timeout(d, r, err);
        leave_report(d, r < 0 ? err : NULL);
        return r;
    }
    if (d->dispatch.act == ACT_SWEEP)
        return explain_timeout(d, sweep(d, &errand, err), err);
    const struct tool_driver *driver = tool_driver_find(act_name(d->dispatch.act));
    if (driver != NULL)
        return explain_timeout(d, use_tool(d, driver, &errand, err), err);
    return deploy(d, &errand, err);
}

static void drive_release(struct drive *d)
{
    deploy_release(&d->deploy);
    destroy_release(&d->destroy);
    environment_release(&d->environment);
    dispatch_release(&d->dispatch);
    hostconfig_release(&d->host);
    job_release(&d->job);
    closep(&d->checkout);
}

int main(int argc, char **argv)
{
    if (usage_asked(argc, argv, "drive check|run",
                    "Does what the driver of a job does; called by prepare and run."))
        return 0;
    process_hide();
    exitcode_on_signals();
    joblog_init(STDOUT_FILENO);
    _cleanup_err_ struct err err = ERR_INIT;
    const char *mode = argc == 2 ? argv[1] : "";
    if (!str_eq(mode, "check") && !str_eq(mode, "run")) {
        err_set(&err, ERR_HOST, "usage: drive check|run, called by berth's prepare and run");
        return joblog_failure(&err);
    }
    struct drive d = { .job = JOB_INIT,
                       .host = HOSTCONFIG_INIT,
                       .dispatch = DISPATCH_INIT,
                       .environment = ENVIRONMENT_INIT,
                       .checkout = -1,
                       .deploy = DEPLOY_INIT,
                       .destroy = DESTROY_INIT };
    cancel_init(&d.cancel);
    struct watch *watch = watch_start(&d.cancel, exitcode_system_failure());
    int r = str_eq(mode, "check") ? check(&d, &err) : run(&d, &err);
    int code = r < 0 ? joblog_failure(&err) : 0;
    watch_stop(watch);
    drive_release(&d);
    cancel_release(&d.cancel);
    redact_release();
    return code;
}
