/* SPDX-License-Identifier: MIT */
#include "executor/deploy.h"

#include <math.h>
#include <stdio.h>

#include "drivers/capacity.h"
#include "drivers/ecs.h"
#include "executor/base/log.h"
#include "executor/base/near.h"
#include "executor/base/version.h"
#include "executor/dispatch.h"
#include "executor/engine/planprint.h"
#include "executor/outputs.h"

int deploy_read_spec(struct deploy *d, const struct hostconfig *host, int checkout, struct err *err)
{
    report_phase(&d->errand.report, "spec");
    const char *path = json_str(host->json, "spec");
    return spec_read(checkout, path != NULL ? path : HOSTCONFIG_SPEC, &d->spec, err);
}

static int resolve(struct deploy *d, struct err *err)
{
    const struct deploy_request *q = d->request;
    const struct errand_request *o = &q->errand;
    const struct environment *e = o->environment;
    _cleanup_json_ cJSON *own = cJSON_CreateObject();
    json_put_str(own, "ENVIRONMENT", e->name);
    json_put_str(own, "SUBDOMAIN", e->subdomain);
    json_put_str(own, "KIND", e->kind);
    json_put_str(own, "REF", o->ref);
    json_put_str(own, "COMMIT_SHA", q->sha);
    if (o->pipeline != 0)
        json_put_strf(own, "PIPELINE_ID", "%lld", (long long)o->pipeline);
    json_put_str(own, "REGION", e->region);
    json_put_str(own, "ACCOUNT_ID", d->errand.account);
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
    const struct errand_request *q = &d->request->errand;
    _cleanup_free_ char *where =
        xasprintf("projects.%lld.limits.%s", (long long)q->project, q->environment->kind);
    _cleanup_problems_ struct schema_problems problems = SCHEMA_PROBLEMS_INIT;
    limits_check(d->spec.json, q->environment->limits, where, q->environment->subdomain, &problems);
    return spec_problems_to_err(&d->spec, &problems, ERR_REFUSED, err);
}

static struct graph *graph_of(const struct deploy *d)
{
    struct context context = errand_context(&d->errand);
    context.update_account = d->request->update_account;
    context.spec_dir = d->spec.dir;
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

int deploy_resolve_spec(struct deploy *d, const struct deploy_request *request, struct err *err)
{
    d->request = request;
    errand_begin(&d->errand, &request->errand);
    return resolve(d, err) < 0 || check_limits(d, err) < 0 ? -1 : 0;
}

int deploy_resolve(struct deploy *d, const struct deploy_request *request, struct err *err)
{
    return deploy_resolve_spec(d, request, err) < 0 ? -1 : want(d, err);
}

/* The account stands in spec and graph before it is known. */
int deploy_open(struct deploy *d, struct err *err)
{
    _cleanup_free_ char *guess = xstrdup(d->errand.account);
    if (errand_open(&d->errand, err) < 0)
        return -1;
    if (str_eq(d->errand.account, guess))
        return 0;
    bool wanted = d->graph != NULL;
    graph_free(steal_ptr(&d->graph));
    return resolve(d, err) < 0 || (wanted && want(d, err) < 0) ? -1 : 0;
}

int deploy_observe(struct deploy *d, struct err *err)
{
    if (deploy_open(d, err) < 0)
        return -1;
    report_phase(&d->errand.report, "observe");
    struct engine_options options = errand_engine_options(&d->errand);
    options.on_progress = NULL;
    if (engine_observe(d->errand.session, d->graph, &options, err) < 0)
        return spec_locate(&d->spec, err);
    return 0;
}

int deploy_plan(struct deploy *d, const struct selection *selection, struct err *err)
{
    report_phase(&d->errand.report, "plan");
    if (engine_plan(d->graph, selection, &d->counts, err) < 0)
        return spec_locate(&d->spec, err);
    return 0;
}

void deploy_say_warnings(struct deploy *d)
{
    for (; d->warned_spec < d->spec.warnings.n; d->warned_spec++)
        log_warn("%s", d->spec.warnings.v[d->warned_spec]);
    if (d->graph != NULL)
        errand_say_warnings(&d->errand, d->graph);
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
    report_phase(&d->errand.report, "preflight");
    struct engine_options options = errand_engine_options(&d->errand);
    options.on_progress = NULL;
    _cleanup_err_ struct err found = ERR_INIT;
    int r = engine_preflight(d->errand.session, d->graph, &options, &found);
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

int deploy_examine_capacity(struct deploy *d, cJSON **ret_report, struct err *err)
{
    report_phase(&d->errand.report, "capacity");
    return capacity_examine(d->errand.session, d->graph, true, ret_report, err);
}

int deploy_judge_capacity(const struct deploy *d, const cJSON *report, struct err *err)
{
    return capacity_verdict(report, err) < 0 ? spec_locate(&d->spec, err) : 0;
}

void deploy_say_capacity(const cJSON *report)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    capacity_to_text(report, &text);
    errand_say_lines(&text);
}

void deploy_say_plan(const struct deploy *d, bool folded)
{
    _cleanup_strbuf_ struct strbuf title = STRBUF_INIT;
    strbuf_adds(&title, "plan: ");
    plan_counts_to_text(&d->counts, &title);
    errand_say_plan(d->graph, title.buf, folded);
}

void deploy_renew(struct deploy *d)
{
    const char *name = d->graph->context.environment;
    _cleanup_err_ struct err failure = ERR_INIT;
    bool renewed;
    if (ecs_expiry_renew(d->errand.session, d->graph, &renewed, &failure) < 0)
        log_warn("how long '%s' lives was not renewed: %s", name, failure.message);
    else if (renewed)
        log_info("'%s' lives until %s, and longer if it is deployed again", name,
                 json_str(graph_find(d->graph, ECS_CLUSTER)->tags, ECS_EXPIRES_TAG));
}

void deploy_tidy(struct deploy *d)
{
    struct engine_options options = errand_engine_options(&d->errand);
    _cleanup_strlist_ struct strlist done = STRLIST_INIT;
    engine_end(d->errand.session, d->graph, &options, &done);
    for (size_t i = 0; i < done.n; i++)
        log_info("%s", done.v[i]);
    deploy_say_warnings(d);
}

/* Seconds after a cancel by which all that is taken back must be; watch.h ends the process soon
 * after. */
#define TAKE_BACK_SECONDS 45.0

static bool is_to_take_back(const struct deploy *d)
{
    const struct errand_request *q = &d->request->errand;
    return q->environment->takes_back && cancel_is_set(q->cancel);
}

/* "2 services taken back (1 not seen to be ready), 1 not known, 1 left as it is" */
static void add_taken_back(const struct taken_back *taken, struct strbuf *out)
{
    unsigned left = taken->left + taken->failed;
    if (taken->done == 0)
        strbuf_adds(out, "no service taken back");
    else
        strbuf_addf(out, "%u service%s taken back", taken->done, taken->done == 1 ? "" : "s");
    if (taken->unready > 0)
        strbuf_addf(out, " (%u not seen to be ready)", taken->unready);
    if (taken->unknown > 0)
        strbuf_addf(out, ", %u not known", taken->unknown);
    if (left > 0)
        strbuf_addf(out, ", %u left as %s", left, left == 1 ? "it is" : "they are");
}

/* *err is the run's, and tells of it in the end. */
static void take_back(struct deploy *d, const struct engine_options *options, struct err *err)
{
    struct taken_back taken;
    report_phase(&d->errand.report, "take back");
    double until = cancel_since(d->request->errand.cancel) + TAKE_BACK_SECONDS;
    log_info("onCancel: rollback: what this job has changed of services is taken back, and awaited "
             "for %.0f s at most",
             fmax(until - clock_now(), 0));
    engine_take_back(d->errand.session, d->graph, options, until, &taken);
    report_phase(&d->errand.report, NULL);
    deploy_say_warnings(d);
    cJSON *lines = d->errand.history.taken_back = cJSON_CreateArray();
    for (size_t i = 0; i < taken.lines.n; i++) {
        log_info("%s", taken.lines.v[i]);
        json_push_str(lines, taken.lines.v[i]);
    }
    if (!errand_say_begun(d->graph, "") && taken.lines.n == 0)
        log_info("there is nothing to take back");
    strlist_release(&taken.lines);
    if (taken.done + taken.left + taken.failed + taken.unknown == 0)
        return;
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    strbuf_addf(&text, "%s; ", err->message);
    add_taken_back(&taken, &text);
    free(err->message);
    err->message = strbuf_detach(&text);
}

static void explain(struct deploy *d, const struct engine_options *options, struct err *err)
{
    size_t n = engine_unexplained(d->graph, options);
    if (n > 0)
        log_info("reading what AWS and the logs tell of %s, for %.0f s at most",
                 n == 1 ? "this" : "these", ENGINE_EXPLAIN_SECONDS);
    engine_explain(d->errand.session, d->graph, options, err);
}

int deploy_apply(struct deploy *d, struct err *err)
{
    report_phase(&d->errand.report, "apply");
    struct engine_options options = errand_engine_options(&d->errand);
    int r = engine_apply(d->errand.session, d->graph, &options, err);
    if (r < 0)
        explain(d, &options, err);
    deploy_tidy(d);
    if (r == 0)
        r = errand_check_cancel(&d->errand, err);
    report_phase(&d->errand.report, NULL);
    deploy_say_warnings(d);
    if (r == 0)
        return 0;
    report_failures(d->graph);
    if (is_to_take_back(d))
        take_back(d, &options, err);
    else if (cancel_is_set(d->request->errand.cancel))
        errand_say_begun(d->graph, "onCancel: leave: ");
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
    _cleanup_free_ char *url = outputs_url(d->graph);
    if (url != NULL)
        log_info("%s", url);
    log_styled(LOG_GOOD, "%s is as the spec wants it: %s", subject, done.buf);
}

void deploy_release(struct deploy *d)
{
    graph_free(d->graph);
    errand_release(&d->errand);
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
