/* SPDX-License-Identifier: MIT */
#include "drivers/common.h"
#include "drivers/ecs.h"
#include "drivers/logs.h"

/*
 * The log group that Container Insights makes for a cluster, and makes anew if it is deleted while
 * the cluster is there: ministryofjustice/opg-digideps#1325. Nobody wants it, so only a teardown
 * looks for it. It has no tags: it is whose the cluster of its name is, and outlives that.
 * https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Container-Insights-reference.html
 */

static int insights_discover(struct session *s, struct graph *g, struct err *err)
{
    (void)s;
    (void)err;
    const struct resource *cluster = graph_find_name(g, &ecs_cluster_type, g->context.environment);
    bool foreign = cluster != NULL && cluster->have != NULL && !resource_is_ours(cluster);
    if (!g->context.teardown || foreign)
        return 0;
    _cleanup_free_ char *name =
        xasprintf("/aws/ecs/containerinsights/%s/performance", g->context.environment);
    graph_found(g, &logs_insights_type, "insights", name); /* for observe() to read */
    return 0;
}

static int insights_observe(struct session *s, struct resource *const *r, size_t n, struct err *err)
{
    static const char *const members[] = { "logGroupName", "retentionInDays", NULL };
    for (size_t i = 0; i < n; i++) {
        _cleanup_json_ cJSON *group = NULL;
        if (logs_group_read(s, r[i]->name, &group, err) < 0)
            return -1;
        r[i]->observed = true;
        resource_set_have(r[i], group != NULL ? json_pick(group, members) : NULL);
        cJSON_Delete(r[i]->tags);
        r[i]->tags = tags_wanted(r[i]->graph, r[i]->label);
    }
    return 0;
}

static int insights_remove(struct session *s, struct resource *r, struct err *err)
{
    return logs_group_delete(s, r->name, err);
}

/* Also where the cluster went before this run, which may have been killed a second ago. */
static const char *insights_echo(const struct resource *r)
{
    (void)r;
    return LOGS_INSIGHTS_ECHO;
}

static const char *const insights_after[] = { "ecs.cluster", NULL };
static const char *const insights_gone_first[] = { "ecs.service", "ecs.task", "ecs.cluster", NULL };

const struct resource_type logs_insights_type = {
    .name = "logs.insights_group",
    .singular = "Container Insights log group",
    .plural = "Container Insights log groups",
    .scope = SCOPE_ENVIRONMENT,
    .after = insights_after,
    .gone_first = insights_gone_first,
    .discover = insights_discover,
    .observe = insights_observe,
    .remove = insights_remove,
    .echo = insights_echo,
};
