/* SPDX-License-Identifier: MIT */
#include "drivers/common.h"
#include "drivers/elasticache.h"
#include "drivers/single.h"

/* A cluster of Redis: one node. */

static const char *const create_members[] = {
    "CacheClusterId",
    "Engine",
    "EngineVersion",
    "CacheNodeType",
    "CacheParameterGroupName",
    "CacheSubnetGroupName",
    "SecurityGroupIds",
    "Port",
    "PreferredMaintenanceWindow",
    "SnapshotRetentionLimit",
    "SnapshotWindow",
    "AutoMinorVersionUpgrade",
    NULL,
};
static const char *const modify_members[] = {
    "EngineVersion",
    "CacheNodeType",
    "CacheParameterGroupName",
    "SecurityGroupIds",
    "PreferredMaintenanceWindow",
    "SnapshotRetentionLimit",
    "SnapshotWindow",
    "AutoMinorVersionUpgrade",
    NULL,
};

static int cluster_take(struct session *s, struct resource *r, const cJSON *cluster,
                        struct err *err)
{
    if (cluster == NULL) {
        cJSON_DeleteItemFromObjectCaseSensitive(r->memo, "status");
        resource_set_have(r, NULL);
        return 0;
    }
    if (node_take(s, r, json_str(cluster, "CacheClusterStatus"), json_str(cluster, "ARN"),
                  json_str(cluster, "CacheSubnetGroupName"), "cache-cluster", err) < 0)
        return -1;
    if (node_is_absent(r)) {
        resource_set_have(r, NULL);
        return 0;
    }
    cJSON *have = cJSON_CreateObject();
    json_put_str(have, "CacheClusterId", r->name);
    node_form(r, cluster, have);
    resource_set_have(r, have);
    const cJSON *endpoint = json_at(cluster, "CacheNodes/0/Endpoint");
    resource_set_output(r, "host", json_str(endpoint, "Address"));
    if (endpoint != NULL)
        json_put_strf(r->outputs, "port", "%d", (int)json_int(endpoint, "Port", 0));
    return 0;
}

/* *ret is NULL where there is none. */
static int cluster_read(struct session *s, const char *name, cJSON **ret, struct err *err)
{
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    json_put_str(input, "CacheClusterId", name);
    json_put_bool(input, "ShowCacheNodeInfo", true);
    _cleanup_json_ cJSON *output = NULL;
    _cleanup_err_ struct err failure = ERR_INIT;
    if (aws_call(s, "elasticache", "DescribeCacheClusters", input, &output, &failure) < 0 &&
        failure.class != ERR_NOT_FOUND)
        return err_move(err, &failure);
    *ret = json_dup(json_at(output, "CacheClusters/0"));
    return 0;
}

static const struct single cluster_single = {
    .type = &elasticache_cluster_type, .label = "redis", .read = cluster_read, .take = cluster_take
};

static int cluster_discover(struct session *s, struct graph *g, struct err *err)
{
    _cleanup_free_ char *name = elasticache_name(g, "");
    return single_discover(&cluster_single, s, g, name, err);
}

static int cluster_observe(struct session *s, struct resource *const *r, size_t n, struct err *err)
{
    return single_observe(&cluster_single, s, r, n, err);
}

static int cluster_create(struct session *s, struct resource *r, struct err *err)
{
    if (node_make_way(s, r, err) < 0)
        return -1;
    _cleanup_json_ cJSON *input = json_pick(r->target, create_members);
    _cleanup_json_ cJSON *tags = tags_wanted(r->graph, r->label);
    json_put_int(input, "NumCacheNodes", 1);
    json_put(input, "Tags", tags_to_list(tags, "Key", "Value"));
    _cleanup_json_ cJSON *output = NULL;
    _cleanup_err_ struct err failure = ERR_INIT;
    if (aws_call(s, "elasticache", "CreateCacheCluster", input, &output, &failure) < 0)
        return node_move_error(r, &failure, err);
    node_created(r, steal_ptr(&tags), json_str_at(output, "CacheCluster/CacheClusterStatus"),
                 json_str_at(output, "CacheCluster/ARN"));
    return 0;
}

static int cluster_update(struct session *s, struct resource *r, struct err *err)
{
    if (node_must_be_available(s, r, err) < 0)
        return -1;
    _cleanup_json_ cJSON *changes = node_changes(r, modify_members);
    if (changes == NULL)
        return 0;
    _cleanup_json_ cJSON *input = json_dup(changes);
    json_put_str(input, "CacheClusterId", r->name);
    json_put_bool(input, "ApplyImmediately", true);
    if (aws_call(s, "elasticache", "ModifyCacheCluster", input, NULL, err) < 0)
        return -1;
    node_expect(r, changes);
    return 0;
}

static int cluster_remove(struct session *s, struct resource *r, struct err *err)
{
    return node_remove(s, r, "DeleteCacheCluster", "CacheClusterId", err);
}

static const char *const cluster_immutable[] = { "CacheClusterId",       "Engine",
                                                 "MinimumEngineVersion", "Port",
                                                 "CacheSubnetGroupName", NULL };
static const char *const cluster_sets[] = { "SecurityGroupIds", NULL };
static const char *const cluster_stable[] = { "host", "port", "Arn", NULL };
static const char *const after_subnet_group[] = { "elasticache.subnet_group", NULL };
static const char *const cluster_bound[] = { "elasticache.subnet_group", "security_group", NULL };

const struct resource_type elasticache_cluster_type = {
    .name = "elasticache.cluster",
    .singular = "cache cluster",
    .plural = "cache clusters",
    .scope = SCOPE_ENVIRONMENT,
    .replace = REPLACE_REMOVE_FIRST,
    .flags = TYPE_PRECIOUS,
    .deadline = 2400, /* as long as terraform-provider-aws gives a cluster to come or go */
    .immutable = cluster_immutable,
    .after = after_subnet_group,
    .bound = cluster_bound,
    .stable = cluster_stable,
    .sets = cluster_sets,
    .discover = cluster_discover,
    .observe = cluster_observe,
    .judge = node_judge,
    .create = cluster_create,
    .update = cluster_update,
    .remove = cluster_remove,
    .leaving = node_leaving,
    .adopt = elasticache_adopt,
};
