/* SPDX-License-Identifier: MIT */
#include "drivers/aws/together.h"
#include "drivers/cloudwatch.h"
#include "drivers/common.h"

/*
 * Dashboards: a body of JSON, which AWS keeps as it was put, and which is compared as JSON. They
 * are the account's, of no region, and have tags since June 2026, by CloudWatch's own calls alone:
 * https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutDashboard.html,
 * https://github.com/cloud-custodian/cloud-custodian/pull/11090
 *
 * Names end in "-<environment>", by which those are found that are no longer wanted.
 */

static void dashboard_take(struct resource *r, const cJSON *dashboard)
{
    const char *text = json_str(dashboard, "DashboardBody");
    cJSON *have = cJSON_CreateObject(), *body = NULL;
    _cleanup_err_ struct err ignored = ERR_INIT;
    json_put_str(have, "DashboardName", r->name);
    if (text != NULL && json_parse(text, strlen(text), JSON_PLAIN, &body, &ignored) < 0)
        body = cJSON_CreateString(text);
    if (body != NULL)
        json_put(have, "DashboardBody", body);
    resource_set_have(r, have);
    resource_set_output(r, "Arn", json_str(dashboard, "DashboardArn"));
    resource_set_output(r, "DashboardName", r->name);
}

static int dashboard_read(struct session *s, struct resource *r, struct err *err)
{
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    json_put_str(input, "DashboardName", r->name);
    _cleanup_json_ cJSON *output = NULL;
    _cleanup_err_ struct err failure = ERR_INIT;
    r->observed = true;
    if (aws_call(s, "monitoring", "GetDashboard", input, &output, &failure) == 0) {
        dashboard_take(r, output);
        return 0;
    }
    if (failure.class != ERR_NOT_FOUND)
        return err_move(err, &failure);
    resource_set_have(r, NULL);
    return 0;
}

struct reading {
    struct session *session;
    struct resource *resource;
};

static int reading_run(void *context, struct err *err)
{
    struct reading *reading = context;
    return dashboard_read(reading->session, reading->resource, err);
}

/* Reads n dashboards at the same time, then the tags of those that are not as they are wanted. */
static int dashboards_read(struct session *s, struct resource *const *r, size_t n, struct err *err)
{
    _cleanup_free_ struct reading *readings = xcalloc(n + 1, sizeof(*readings));
    _cleanup_free_ struct together_task *tasks = xcalloc(n + 1, sizeof(*tasks));
    for (size_t i = 0; i < n; i++) {
        readings[i] = (struct reading){ s, r[i] };
        tasks[i] = (struct together_task){ reading_run, &readings[i] };
    }
    if (together_run(tasks, n, err) < 0)
        return -1;
    _cleanup_free_ struct resource **unread = xcalloc(n + 1, sizeof(*unread));
    size_t n_unread = 0;
    for (size_t i = 0; i < n; i++) {
        if (r[i]->have == NULL || r[i]->tags != NULL)
            continue;
        if (cloudwatch_is_as_wanted(r[i]))
            cloudwatch_assume_owner(r[i]);
        else
            unread[n_unread++] = r[i];
    }
    return cloudwatch_read_tags(s, unread, n_unread, err);
}

static int dashboard_discover(struct session *s, struct graph *g, struct err *err)
{
    resources_mark_observed(g, &cloudwatch_dashboard_type);
    _cleanup_free_ char *ending = xasprintf("-%s", g->context.environment);
    _cleanup_json_ cJSON *entries = NULL;
    if (aws_call_all(s, "monitoring", "ListDashboards", NULL, "DashboardEntries", &entries, err) <
        0)
        return -1;
    _cleanup_free_ struct resource **found = xcalloc(json_count(entries) + 1, sizeof(*found));
    size_t n = 0;
    const cJSON *entry;
    cJSON_ArrayForEach (entry, entries) {
        const char *name = json_str(entry, "DashboardName");
        if (name != NULL && str_ends(name, ending))
            found[n++] = graph_found(g, &cloudwatch_dashboard_type, NULL, name);
    }
    return dashboards_read(s, found, n, err);
}

static int dashboard_observe(struct session *s, struct resource *const *r, size_t n,
                             struct err *err)
{
    return dashboards_read(s, r, n, err);
}

/* What CloudWatch says of widgets that it took all the same. */
static void say_messages(struct resource *r, const cJSON *output)
{
    const cJSON *message;
    cJSON_ArrayForEach (message, json_get(output, "DashboardValidationMessages")) {
        const char *where = json_str(message, "DataPath"), *what = json_str(message, "Message");
        graph_warn(r->graph, "%s: CloudWatch says of dashboard '%s': %s%s%s", resource_origin(r),
                   r->name, where ? where : "", where && *where ? ": " : "", what ? what : "");
    }
}

static int dashboard_put(struct session *s, struct resource *r, const cJSON *tags, struct err *err)
{
    _cleanup_free_ char *body = json_print(json_get(r->target, "DashboardBody"));
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    json_put_str(input, "DashboardName", r->name);
    json_put_str(input, "DashboardBody", body);
    if (tags != NULL)
        json_put(input, "Tags", tags_to_list(tags, "Key", "Value"));
    _cleanup_json_ cJSON *output = NULL;
    if (aws_call(s, "monitoring", "PutDashboard", input, &output, err) < 0) {
        if (str_eq(err->aws_code, "InvalidParameterInput"))
            err->class = ERR_USER; /* it lists what is wrong with the body */
        return -1;
    }
    say_messages(r, output);
    resource_set_have(r, json_dup(r->target));
    return 0;
}

static int dashboard_create(struct session *s, struct resource *r, struct err *err)
{
    _cleanup_json_ cJSON *tags = tags_wanted(r->graph, r->label);
    if (dashboard_put(s, r, tags, err) < 0)
        return -1;
    cloudwatch_set_tags(r);
    const struct context *c = &r->graph->context;
    _cleanup_free_ char *arn = xasprintf("arn:%s:cloudwatch::%s:dashboard/%s",
                                         arn_partition(c->region), c->account, r->name);
    resource_set_output(r, "Arn", arn);
    resource_set_output(r, "DashboardName", r->name);
    return 0;
}

/* "If you specify Tags when updating an existing dashboard, the tag updates are ignored." */
static int dashboard_update(struct session *s, struct resource *r, struct err *err)
{
    if (cloudwatch_check_owner(s, r, err) < 0)
        return -1;
    if (r->have == NULL)
        return dashboard_create(s, r, err);
    return dashboard_put(s, r, NULL, err) < 0 ? -1 : cloudwatch_repair_tags(s, r, err);
}

static int dashboard_remove(struct session *s, struct resource *r, struct err *err)
{
    if (cloudwatch_check_owner(s, r, err) < 0)
        return -1;
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    json_push_str(json_put_array(input, "DashboardNames"), r->name);
    _cleanup_err_ struct err failure = ERR_INIT;
    if (aws_call(s, "monitoring", "DeleteDashboards", input, NULL, &failure) < 0 &&
        failure.class != ERR_NOT_FOUND)
        return err_move(err, &failure);
    return 0;
}

static const char *const dashboard_immutable[] = { "DashboardName", NULL };
static const char *const dashboard_after[] = { "cloudwatch.alarm", "cloudformation.stack",
                                               "alb.load_balancer", "alb.target_group", NULL };
static const char *const dashboard_stable[] = { "Arn", "DashboardName", NULL };

const struct resource_type cloudwatch_dashboard_type = {
    .name = "cloudwatch.dashboard",
    .singular = "dashboard",
    .plural = "dashboards",
    .scope = SCOPE_ENVIRONMENT,
    .flags = TYPE_WHOLE,
    .immutable = dashboard_immutable,
    .after = dashboard_after,
    .stable = dashboard_stable,
    .discover = dashboard_discover,
    .observe = dashboard_observe,
    .create = dashboard_create,
    .update = dashboard_update,
    .remove = dashboard_remove,
    .adopt = cloudwatch_repair_tags,
};
