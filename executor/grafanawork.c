/* SPDX-License-Identifier: MIT */
#include "executor/grafanawork.h"

#include "drivers/grafana.h"
#include "drivers/route53.h"
#include "executor/outputs.h"

/* The rest of a job is told how much was changed in Grafana, and the environment's address, if that
 * is where Grafana has answered. */
static int write_outputs(const struct deploy *d, const struct grafana *g, bool there, int checkout,
                         struct err *err)
{
    const struct plan_counts counts = { .update = g->changes };
    _cleanup_free_ char *url = route53_url(d->graph);
    _cleanup_json_ cJSON *outputs = outputs_of(d->errand.request->environment, d->graph, &counts);
    if (there && str_eq(url, g->url))
        json_put_str(outputs, "BERTH_URL", url);
    return outputs_write(outputs, checkout, err);
}

static int work(struct deploy *d, struct grafana *g, int checkout, struct err *err)
{
    bool there = false;
    report_phase(&d->errand.report, "wait for Grafana");
    if (grafana_await(g, d->errand.session, &there, err) < 0)
        return -1;
    if (!g->request->plan && errand_lock(&d->errand, err) < 0)
        return -1;
    report_phase(&d->errand.report, "Grafana");
    if (there && grafana_work(g, err) < 0)
        return -1;
    if (!there)
        grafana_say_absent(g);
    return write_outputs(d, g, there, checkout, err);
}

int grafanawork(struct deploy *d, bool plan, int checkout, struct err *err)
{
    const struct errand_request *q = d->errand.request;
    const struct engine_options options = errand_engine_options(&d->errand);
    const char *ca = json_str(json_get(q->host->json, "grafana"), "caFile");
    _cleanup_free_ char *ca_file = ca != NULL ? hostconfig_resolve(q->host, ca) : NULL;
    struct grafana_request request = {
        .graph = d->graph,
        .lookup = d->request->lookup,
        .variables = d->request->variables,
        .ca_file = ca_file,
        .poll_first = options.poll_first,
        .poll_max = options.poll_max,
        .plan = plan,
        .cancel = q->cancel,
    };
    _cleanup_(grafana_freep) struct grafana *g = NULL;
    if (grafana_new(&request, &g, err) < 0)
        return spec_locate(&d->spec, err);
    deploy_say_warnings(d);
    _cleanup_free_ char *guess = xstrdup(d->errand.account);
    if (deploy_open(d, err) < 0)
        return -1;
    if (!str_eq(guess, d->errand.account)) { /* the graph was made anew */
        request.graph = d->graph;
        grafana_free(steal_ptr(&g));
        if (grafana_new(&request, &g, err) < 0)
            return spec_locate(&d->spec, err);
    }
    return work(d, g, checkout, err) < 0 ? spec_locate(&d->spec, err) : 0;
}
