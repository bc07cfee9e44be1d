/* SPDX-License-Identifier: MIT */
#include "executor/deploy.h"

#include <stdio.h>

#include "drivers/capacity.h"
#include "drivers/ecs.h"
#include "executor/base/log.h"
#include "executor/base/near.h"
#include "executor/base/version.h"
#include "executor/dispatch.h"
#include "executor/engine/planprint.h"
#include "executor/joblog.h"

/* Stands for the account where it is not known and nothing is asked of AWS: 12 digits. */
#define NO_ACCOUNT "000000000000"

int deploy_read_spec(struct deploy *d, const struct hostconfig *host, int checkout, struct err *err)
{
    report_phase(&d->report, "spec");
    const char *path = json_str(host->json, "spec");
    return spec_read(checkout, path != NULL ? path : HOSTCONFIG_SPEC, &d->spec, err);
}

/* The account of the role that will be assumed, from its ARN; the caller frees it. */
static char *account_of_role(const struct environment *e)
{
    static const char service[] = ":iam::";
    const char *at = e->role_arn != NULL ? strstr(e->role_arn, service) : NULL;
    if (at == NULL)
        return xstrdup(NO_ACCOUNT);
    at += strlen(service);
    return xstrndup(at, strcspn(at, ":"));
}

static int resolve(struct deploy *d, struct err *err)
{
    const struct deploy_request *q = d->request;
    const struct environment *e = q->environment;
    _cleanup_json_ cJSON *own = cJSON_CreateObject();
    json_put_str(own, "ENVIRONMENT", e->name);
    json_put_str(own, "SUBDOMAIN", e->subdomain);
    json_put_str(own, "KIND", e->kind);
    json_put_str(own, "REF", q->ref);
    json_put_str(own, "COMMIT_SHA", q->sha);
    if (q->pipeline != 0)
        json_put_strf(own, "PIPELINE_ID", "%lld", (long long)q->pipeline);
    json_put_str(own, "REGION", e->region);
    json_put_str(own, "ACCOUNT_ID", d->account);
    const struct spec_variables variables = {
        .own = own,
        .lookup = q->lookup,
        .is_masked = q->is_masked,
        .names = q->names,
        .context = q->variables,
    };
    return spec_resolve(&d->spec, e->kind, &variables, err);
}

static int check_limits(const struct deploy *d, struct err *err)
{
    const struct deploy_request *q = d->request;
    _cleanup_free_ char *where =
        xasprintf("projects.%lld.limits.%s", (long long)q->project, q->environment->kind);
    _cleanup_problems_ struct schema_problems problems = SCHEMA_PROBLEMS_INIT;
    limits_check(d->spec.json, q->environment->limits, where, q->environment->subdomain, &problems);
    return spec_problems_to_err(&d->spec, &problems, ERR_REFUSED, err);
}

static struct graph *graph_of(const struct deploy *d)
{
    const struct deploy_request *q = d->request;
    const struct context context = {
        .environment = q->environment->name,
        .subdomain = q->environment->subdomain,
        .kind = q->environment->kind,
        .prefix = q->environment->prefix,
        .ref = q->ref,
        .region = q->environment->region,
        .account = d->account,
        .project = q->project,
        .pipeline = q->pipeline,
        .time_to_live = q->environment->time_to_live,
        .update_account = q->update_account,
        .limits = q->environment->limits,
        .spec_dir = d->spec.dir,
    };
    return graph_new(&context);
}

static int want(struct deploy *d, struct err *err)
{
    graph_free(d->graph);
    d->graph = graph_of(d);
    if (engine_want(d->graph, drivers, d->spec.json, err) < 0)
        return spec_locate(&d->spec, err);
    return 0;
}

int deploy_resolve(struct deploy *d, const struct deploy_request *request, struct err *err)
{
    d->request = request;
    d->account = account_of_role(request->environment);
    if (resolve(d, err) < 0 || check_limits(d, err) < 0)
        return -1;
    return want(d, err);
}

int deploy_lock(struct deploy *d, struct err *err)
{
    const struct deploy_request *q = d->request;
    report_phase(&d->report, "lock");
    _cleanup_free_ char *configured =
        json_str(q->host->json, "lockDir") != NULL ? hostconfig_path(q->host, "lockDir", "") : NULL;
    _cleanup_free_ char *directory = lock_directory(configured);
    return lock_take(directory, q->environment->name, q->who, q->cancel, &d->lock, err);
}

static int open_session(struct deploy *d, struct err *err)
{
    const struct deploy_request *q = d->request;
    const struct session_options options = {
        .region = q->environment->region,
        .role_arn = q->environment->role_arn,
        .session_name = q->session_name,
        .rates = json_get(q->host->json, "rates"),
        .cancel = q->cancel,
    };
    const char *account = NULL;
    report_phase(&d->report, "session");
    if (session_open(&options, &d->session, err) < 0 ||
        session_account(d->session, &account, err) < 0)
        return err->class == ERR_CANCELLED
                   ? err_set(err, ERR_CANCELLED, "cancelled before anything was read or changed")
                   : -1;
    if (str_eq(account, d->account))
        return 0;
    /* What was put in for the account before it was known. */
    graph_free(d->graph);
    d->graph = NULL;
    free(d->account);
    d->account = xstrdup(account);
    return resolve(d, err) < 0 ? -1 : want(d, err);
}

static struct engine_options engine_options_of(struct deploy *d)
{
    const struct deploy_request *q = d->request;
    const cJSON *first = json_get(json_get(q->host->json, "poll"), "first");
    const cJSON *max = json_get(json_get(q->host->json, "poll"), "max");
    return (struct engine_options){
        .workers = (unsigned)json_int(q->host->json, "workers", 0),
        .poll_first = cJSON_IsNumber(first) ? first->valuedouble : 0,
        .poll_max = cJSON_IsNumber(max) ? max->valuedouble : 0,
        .cancel = q->cancel,
        .on_progress = report_progress,
        .on_progress_context = &d->report,
    };
}

int deploy_observe(struct deploy *d, struct err *err)
{
    if (open_session(d, err) < 0)
        return -1;
    report_phase(&d->report, "observe");
    struct engine_options options = engine_options_of(d);
    options.on_progress = NULL;
    if (engine_observe(d->session, d->graph, &options, err) < 0)
        return spec_locate(&d->spec, err);
    return 0;
}

int deploy_plan(struct deploy *d, const struct selection *selection, struct err *err)
{
    report_phase(&d->report, "plan");
    if (engine_plan(d->graph, selection, &d->counts, err) < 0)
        return spec_locate(&d->spec, err);
    return 0;
}

void deploy_say_warnings(struct deploy *d)
{
    for (; d->warned_spec < d->spec.warnings.n; d->warned_spec++)
        log_warn("%s", d->spec.warnings.v[d->warned_spec]);
    for (; d->graph != NULL && d->warned_graph < d->graph->warnings.n; d->warned_graph++)
        log_warn("%s", d->graph->warnings.v[d->warned_graph]);
}

/* Whether a plan failed for what it found, so that more may be found. */
static bool is_finding(enum err_class class)
{
    return class == ERR_NONE || class == ERR_USER || class == ERR_REFUSED;
}

int deploy_preflight(struct deploy *d, struct err *err)
{
    if (!is_finding(err->class))
        return -1;
    report_phase(&d->report, "preflight");
    struct engine_options options = engine_options_of(d);
    options.on_progress = NULL;
    _cleanup_err_ struct err found = ERR_INIT;
    int r = engine_preflight(d->session, d->graph, &options, &found);
    deploy_say_warnings(d);
    if (r < 0)
        spec_locate(&d->spec, &found);
    if (err->class == ERR_NONE || found.class == ERR_CANCELLED)
        return r < 0 ? err_move(err, &found) : 0;
    return r < 0 ? err_set(err, err->class, "%s\n%s", err->message, found.message) : -1;
}

bool deploy_has_work(const struct deploy *d)
{
    const struct plan_counts *c = &d->counts;
    return c->create + c->update + c->replace + c->remove + c->wait > 0;
}

/* Text of several lines, a line at a time. */
static void say_lines(const struct strbuf *text)
{
    for (const char *line = text->buf; *line != '\0';) {
        size_t len = strcspn(line, "\n");
        log_info("%.*s", (int)len, line);
        line += len + (line[len] == '\n');
    }
}

int deploy_examine_capacity(struct deploy *d, cJSON **ret_report, struct err *err)
{
    report_phase(&d->report, "capacity");
    return capacity_examine(d->session, d->graph, true, ret_report, err);
}

int deploy_judge_capacity(const struct deploy *d, const cJSON *report, struct err *err)
{
    return capacity_verdict(report, err) < 0 ? spec_locate(&d->spec, err) : 0;
}

void deploy_say_capacity(const cJSON *report)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    capacity_to_text(report, &text);
    say_lines(&text);
}

void deploy_say_plan(const struct deploy *d, bool folded)
{
    _cleanup_strbuf_ struct strbuf counts = STRBUF_INIT;
    plan_counts_to_text(&d->counts, &counts);
    log_info("plan: %s", counts.buf);
    _cleanup_strbuf_ struct strbuf types = STRBUF_INIT;
    plan_types_to_text(d->graph, &types);
    say_lines(&types);
    _cleanup_strbuf_ struct strbuf whole = STRBUF_INIT;
    plan_to_text(d->graph, &whole);
    if (whole.len == 0)
        return;
    if (folded)
        joblog_section_start("berth_plan", true, "the whole plan");
    say_lines(&whole);
    if (folded)
        joblog_section_end("berth_plan");
}

void deploy_renew(struct deploy *d)
{
    const char *name = d->graph->context.environment;
    _cleanup_err_ struct err failure = ERR_INIT;
    bool renewed;
    if (ecs_expiry_renew(d->session, d->graph, &renewed, &failure) < 0)
        log_warn("how long '%s' lives was not renewed: %s", name, failure.message);
    else if (renewed)
        log_info("'%s' lives until %s, and longer if it is deployed again", name,
                 json_str(graph_find(d->graph, ECS_CLUSTER)->tags, ECS_EXPIRES_TAG));
}

int deploy_apply(struct deploy *d, struct err *err)
{
    report_phase(&d->report, "apply");
    struct engine_options options = engine_options_of(d);
    int r = engine_apply(d->session, d->graph, &options, err);
    report_phase(&d->report, NULL);
    deploy_say_warnings(d);
    if (r == 0)
        return 0;
    report_failures(d->graph);
    return spec_locate(&d->spec, err);
}

void deploy_say_verdict(const struct deploy *d, const char *subject)
{
    _cleanup_strbuf_ struct strbuf done = STRBUF_INIT;
    if (deploy_has_work(d))
        report_done(d->graph, &done);
    else
        strbuf_addf(&done, "nothing to do, %u resource%s unchanged", d->counts.keep,
                    d->counts.keep == 1 ? "" : "s");
    if (d->counts.leave > 0)
        strbuf_addf(&done, "; %u not as wanted, which this job leaves to another", d->counts.leave);
    log_info("%s is as the spec wants it: %s", subject, done.buf);
}

void deploy_release(struct deploy *d)
{
    report_release(&d->report);
    graph_free(d->graph);
    session_free(d->session);
    free(d->account);
    lock_release(&d->lock);
    spec_release(&d->spec);
    *d = (struct deploy)DEPLOY_INIT;
}

/* Whether a driver only looks up what it knows of. */
static bool driver_writes_nothing(const struct driver *driver)
{
    for (const struct resource_type *const *t = driver->types; *t != NULL; t++)
        if ((*t)->scope != SCOPE_LOOKUP)
            return false;
    return true;
}

static int no_such_part(const char *part, const cJSON *services, struct err *err)
{
    if (dispatch_knows_driver(part))
        return err_set(err, ERR_HOST,
                       "this version of berth (" BERTH_VERSION ") has no driver '%s', and the spec "
                       "no service of that name: leave the job out, or install a berth that has it",
                       part);
    struct near near = NEAR_INIT(part);
    near_try_keys(&near, services);
    for (const struct driver *const *d = drivers; *d != NULL; d++)
        if (!driver_writes_nothing(*d))
            near_try(&near, (*d)->name);
    if (near.word != NULL)
        return err_set(err, ERR_USER,
                       "there is no driver '%s', and the spec has no service of that name for this "
                       "environment; did you mean '%s'?",
                       part, near.word);
    return err_set(err, ERR_USER,
                   "there is no driver '%s', and the spec has no service of that name for this "
                   "environment: correct the name, or declare the service",
                   part);
}

int part_select(const char *part, const cJSON *spec, struct part *ret, struct err *err)
{
    *ret = (struct part){ .drivers = { NULL } };
    if (part == NULL)
        return 0;
    const cJSON *services = json_get(spec, "services");
    const struct driver *driver = driver_find(part);
    if (driver != NULL && driver_writes_nothing(driver))
        return err_set(err, ERR_USER,
                       "the driver '%s' only looks up %s, so that there is nothing to deploy: name "
                       "another driver, or a service",
                       part, driver->types[0]->plural);
    if (driver != NULL) {
        ret->drivers[0] = part;
        ret->selection.drivers = ret->drivers;
    } else if (json_get(services, part) != NULL) {
        ret->selection.service = part;
    } else {
        return no_such_part(part, services, err);
    }
    return 0;
}
