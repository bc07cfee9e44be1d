/* SPDX-License-Identifier: MIT */
#include <inttypes.h>

#include "drivers/common.h"
#include "drivers/ecs.h"
#include "drivers/logs.h"

/* The settings that are wanted, by name; AWS may have more. */
static cJSON *settings_as_wanted(const cJSON *there, const cJSON *wanted)
{
    cJSON *settings = cJSON_CreateArray();
    const cJSON *setting;
    cJSON_ArrayForEach (setting, there) {
        if (wanted == NULL || json_find(wanted, "name", json_str(setting, "name")) != NULL)
            json_push(settings, json_dup(setting));
    }
    json_sort(settings, "name");
    return settings;
}

static bool names_have(const cJSON *names, const char *name)
{
    const cJSON *item;
    cJSON_ArrayForEach (item, names) {
        if (str_eq(cJSON_GetStringValue(item), name))
            return true;
    }
    return false;
}

static void names_add(cJSON *names, const char *name)
{
    if (name != NULL && !names_have(names, name))
        json_push_str(names, name);
}

/*
 * What services' strategies name: "a capacity provider must be associated with a cluster before it
 * can be [...] used in a capacity provider strategy when calling the CreateService [...] actions."
 * https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CreateCluster.html
 * The caller owns it.
 */
static cJSON *providers_wanted(const cJSON *spec)
{
    cJSON *names = cJSON_CreateArray();
    const cJSON *service, *item;
    cJSON_ArrayForEach (service, json_get(spec, "services")) {
        cJSON_ArrayForEach (item, json_at(service, "service/capacityProviderStrategy"))
            names_add(names, json_str(item, "capacityProvider"));
    }
    return names;
}

/* Those that are wanted: others are no concern of the spec's. The caller owns it. */
static cJSON *providers_as_wanted(const cJSON *there, const cJSON *wanted)
{
    cJSON *names = cJSON_CreateArray();
    const cJSON *item;
    cJSON_ArrayForEach (item, wanted) {
        if (names_have(there, cJSON_GetStringValue(item)))
            json_push(names, json_dup(item));
    }
    return names;
}

static void cluster_take(struct resource *r, const cJSON *cluster)
{
    static const char *const counts[] = { "activeServicesCount", "runningTasksCount",
                                          "pendingTasksCount", NULL };
    const struct context *c = &r->graph->context;
    const char *status = json_str(cluster, "status");
    r->observed = true;
    /* An inactive cluster is a deleted one, which AWS goes on describing for a while. */
    if (cluster == NULL || str_eq(status, "INACTIVE")) {
        resource_set_have(r, NULL);
        return;
    }
    cJSON *have = cJSON_CreateObject();
    json_put_str(have, "clusterName", r->name);
    json_put(have, "settings",
             settings_as_wanted(json_get(cluster, "settings"), json_get(r->want, "settings")));
    const cJSON *providers = json_get(r->want, "capacityProviders");
    if (providers != NULL)
        json_put(have, "capacityProviders",
                 providers_as_wanted(json_get(cluster, "capacityProviders"), providers));
    resource_set_have(r, have);
    json_put_str(r->memo, "status", status);
    json_put(r->memo, "counts", json_pick(cluster, counts));
    resource_set_output(r, "ClusterName", r->name);
    resource_set_output(r, "Arn", json_str(cluster, "clusterArn"));
    cJSON_Delete(r->tags);
    r->tags = tags_from_list(json_get(cluster, "tags"), "key", "value");
    int64_t newer = ecs_pipeline_read(r->tags);
    if (c->pipeline > 0 && newer > c->pipeline && resource_is_ours(r))
        graph_warn(r->graph,
                   "pipeline %" PRId64 " has worked on '%s' already and is newer than this one "
                   "(%" PRId64 "): this job may take back what it did",
                   newer, r->name, c->pipeline);
}

int ecs_cluster_read(struct session *s, const char *name, cJSON **ret, struct err *err)
{
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    json_push_str(json_put_array(input, "clusters"), name);
    cJSON *include = json_put_array(input, "include");
    json_push_str(include, "TAGS");
    json_push_str(include, "SETTINGS");
    return aws_call(s, "ecs", "DescribeClusters", input, ret, err);
}

static int cluster_discover(struct session *s, struct graph *g, struct err *err)
{
    resources_mark_observed(g, &ecs_cluster_type);
    _cleanup_json_ cJSON *output = NULL;
    if (ecs_cluster_read(s, g->context.environment, &output, err) < 0)
        return -1;
    const cJSON *cluster = json_at(output, "clusters/0");
    if (cluster != NULL)
        cluster_take(graph_found(g, &ecs_cluster_type, "cluster", g->context.environment), cluster);
    return 0;
}

static int cluster_observe(struct session *s, struct resource *const *r, size_t n, struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        _cleanup_json_ cJSON *output = NULL;
        if (ecs_cluster_read(s, r[i]->name, &output, err) < 0)
            return -1;
        cluster_take(r[i], json_at(output, "clusters/0"));
    }
    return 0;
}

/*
 * "Container Insights collects [...] performance log events", once a minute, and of the last minute
 * it tells when that is over, to a log group that it makes if there is none.
 * https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch-container-insights.html
 */
static const char *cluster_echo(const struct resource *r)
{
    const cJSON *insights = json_find(json_get(r->have, "settings"), "name", "containerInsights");
    const char *value = json_str(insights, "value");
    return value != NULL && !str_eq(value, "disabled") ? LOGS_INSIGHTS_ECHO : NULL;
}

static enum readiness cluster_judge(const struct resource *r, struct strbuf *why)
{
    const char *status = json_str(r->memo, "status");
    if (status == NULL || str_eq(status, "ACTIVE"))
        return READY;
    strbuf_addf(why, "the cluster is %s", status);
    return str_eq(status, "FAILED") ? FAILED : WAITING;
}

/*
 * CreateCluster gives a cluster that is there already back as it is, so the tags tell who made it:
 * this run, another that deploys the environment for the first time, too, or somebody else. What is
 * not this run's is taken over like anything that exists, behind this run's marks.
 * https://github.com/hashicorp/terraform-provider-aws/issues/38875
 */
static int cluster_made(struct session *s, struct resource *r, const cJSON *tags, struct err *err)
{
    bool own = json_equal(r->tags, tags);
    if (!own && cluster_observe(s, &r, 1, err) < 0)
        return -1;
    if (own || json_equal(r->tags, tags)) {
        ecs_run_made(r);
        return 0;
    }
    if (r->have != NULL && resource_is_ours(r) && ecs_run_join(s, r, err) < 0)
        return -1;
    return err_set(err, ERR_EXISTS, "cluster '%s' has been created meanwhile", r->name);
}

/* The spec names one that is not there, or cannot be another cluster's as well; AWS knows which.
 * https://github.com/terraform-aws-modules/terraform-aws-ecs/issues/53 */
static void providers_blame(struct err *failure)
{
    if (str_eq(failure->aws_code, "InvalidParameterException") &&
        strstr(failure->message, "capacity provider") != NULL)
        failure->class = ERR_USER;
}

static int cluster_create(struct session *s, struct resource *r, struct err *err)
{
    const struct context *c = &r->graph->context;
    _cleanup_json_ cJSON *input = json_dup(r->target);
    _cleanup_json_ cJSON *tags = tags_wanted(r->graph, r->label);
    ecs_run_put(r, tags);
    ecs_expiry_put(tags, c);
    json_put(input, "tags", tags_to_list(tags, "key", "value"));
    _cleanup_json_ cJSON *output = NULL;
    _cleanup_err_ struct err failure = ERR_INIT;
    if (aws_call(s, "ecs", "CreateCluster", input, &output, &failure) < 0) {
        providers_blame(&failure);
        return ecs_move_error(r, &failure, err);
    }
    const cJSON *cluster = json_get(output, "cluster");
    resource_set_have(r, json_dup(r->target));
    json_put_str(r->memo, "status", json_str(cluster, "status"));
    resource_set_output(r, "ClusterName", r->name);
    resource_set_output(r, "Arn", json_str(cluster, "clusterArn"));
    cJSON_Delete(r->tags);
    r->tags = tags_from_list(json_get(cluster, "tags"), "key", "value");
    return cluster_made(s, r, tags, err);
}

static bool is_changed(const struct resource *r, const char *member)
{
    const cJSON *wanted = json_get(r->target, member);
    return wanted != NULL && !json_equal(wanted, json_get(r->have, member));
}

/*
 * The call says all that the cluster is to have: "any existing capacity providers [...] that are
 * omitted [...] will be disassociated", and a default strategy "must" be given. So both are read
 * once more, and said as they are.
 * https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_PutClusterCapacityProviders.html
 */
static int providers_put(struct session *s, struct resource *r, struct err *err)
{
    static const char *const members[] = { "capacityProviders", "defaultCapacityProviderStrategy" };
    _cleanup_json_ cJSON *output = NULL;
    if (ecs_cluster_read(s, r->name, &output, err) < 0)
        return -1;
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    json_put_str(input, "cluster", r->name);
    for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
        json_put_array(input, members[i]);
        json_copy(input, json_at(output, "clusters/0"), members[i]);
    }
    const cJSON *item;
    cJSON_ArrayForEach (item, json_get(r->target, "capacityProviders"))
        names_add(json_get(input, "capacityProviders"), cJSON_GetStringValue(item));
    if (aws_call(s, "ecs", "PutClusterCapacityProviders", input, NULL, err) == 0)
        return 0;
    providers_blame(err);
    return -1;
}

static int settings_put(struct session *s, const struct resource *r, struct err *err)
{
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    json_put_str(input, "cluster", r->name);
    json_copy(input, r->target, "settings");
    return aws_call(s, "ecs", "UpdateClusterSettings", input, NULL, err);
}

static int cluster_update(struct session *s, struct resource *r, struct err *err)
{
    if ((is_changed(r, "capacityProviders") && providers_put(s, r, err) < 0) ||
        (is_changed(r, "settings") && settings_put(s, r, err) < 0))
        return -1;
    resource_set_have(r, json_dup(r->target));
    return 0;
}

int ecs_cluster_want(struct graph *g, const cJSON *spec, struct err *err)
{
    const char *name = g->context.environment;
    if (name_check("cluster", "a cluster's name", name, 255, err) < 0)
        return -1;
    cJSON *want = cJSON_CreateObject();
    json_put_str(want, "clusterName", name);
    cJSON *settings = settings_as_wanted(json_at(spec, "cluster/settings"), NULL);
    /* The one setting there is, said also where the spec does not: a member that leaves the spec
     * goes back to its default. */
    if (json_find(settings, "name", "containerInsights") == NULL) {
        cJSON *insights = json_push(settings, cJSON_CreateObject());
        json_put_str(insights, "name", "containerInsights");
        json_put_str(insights, "value", "disabled");
    }
    json_put(want, "settings", settings);
    _cleanup_json_ cJSON *providers = providers_wanted(spec);
    if (json_count(providers) > 0)
        json_put(want, "capacityProviders", steal_ptr(&providers));
    if (graph_add(g, &ecs_cluster_type, "cluster", name, "cluster", want, NULL, err) < 0)
        return -1;
    graph_alias(g, "cluster", ECS_CLUSTER);
    return 0;
}

static const char *const cluster_stable[] = { "ClusterName", "Arn", NULL };
static const char *const cluster_gone_first[] = { "ecs.service", NULL };

const struct resource_type ecs_cluster_type = {
    .name = "ecs.cluster",
    .singular = "cluster",
    .plural = "clusters",
    .scope = SCOPE_ENVIRONMENT,
    .flags = TYPE_PRECIOUS,
    .deadline = 600,
    .stable = cluster_stable,
    .gone_first = cluster_gone_first,
    .discover = cluster_discover,
    .observe = cluster_observe,
    .judge = cluster_judge,
    .create = cluster_create,
    .update = cluster_update,
    .remove = ecs_cluster_remove,
    .leaving = ecs_cluster_leaving,
    .echo = cluster_echo,
    .adopt = ecs_adopt,
};
