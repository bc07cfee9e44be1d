/* SPDX-License-Identifier: MIT */
#include "drivers/common.h"
#include "drivers/ec2.h"
#include "drivers/elasticache.h"
#include "drivers/single.h"

/* The subnets in which an environment's Redis lives: the private ones. */

static const struct tag_call list_tags = {
    "elasticache", "ListTagsForResource", "ResourceName", false, "TagList", "Key", "Value"
};

static int group_take(struct session *s, struct resource *r, const cJSON *group, struct err *err)
{
    if (group == NULL) {
        resource_set_have(r, NULL);
        return 0;
    }
    const char *arn = json_str(group, "ARN");
    bool gone;
    if (tags_ask(s, r, &list_tags, arn, &gone, err) < 0)
        return -1;
    if (gone) { /* between the two calls */
        resource_set_have(r, NULL);
        return 0;
    }
    cJSON *have = cJSON_CreateObject();
    json_put_str(have, "CacheSubnetGroupName", r->name);
    /* A description has no effect: a group made by other means keeps its own. */
    json_copy(have, r->want != NULL ? r->want : group, "CacheSubnetGroupDescription");
    json_copy(have, group, "VpcId");
    cJSON *subnets = json_put_array(have, "SubnetIds");
    const cJSON *subnet;
    cJSON_ArrayForEach (subnet, json_get(group, "Subnets"))
        json_push_str(subnets, json_str(subnet, "SubnetIdentifier"));
    resource_set_have(r, have);
    resource_set_output(r, "CacheSubnetGroupName", r->name);
    resource_set_output(r, "Arn", arn);
    return 0;
}

/* *ret is NULL where there is none. */
static int group_read(struct session *s, const char *name, cJSON **ret, struct err *err)
{
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    json_put_str(input, "CacheSubnetGroupName", name);
    _cleanup_json_ cJSON *output = NULL;
    _cleanup_err_ struct err failure = ERR_INIT;
    if (aws_call(s, "elasticache", "DescribeCacheSubnetGroups", input, &output, &failure) < 0 &&
        failure.class != ERR_NOT_FOUND)
        return err_move(err, &failure);
    *ret = json_dup(json_at(output, "CacheSubnetGroups/0"));
    return 0;
}

static const struct single group_single = {
    .type = &elasticache_subnet_group_type, .label = "redis", .read = group_read, .take = group_take
};

static int group_discover(struct session *s, struct graph *g, struct err *err)
{
    _cleanup_free_ char *name = elasticache_name(g, "-redis-subnet");
    return single_discover(&group_single, s, g, name, err);
}

static int group_observe(struct session *s, struct resource *const *r, size_t n, struct err *err)
{
    return single_observe(&group_single, s, r, n, err);
}

static int group_create(struct session *s, struct resource *r, struct err *err)
{
    static const char *const members[] = { "CacheSubnetGroupName", "CacheSubnetGroupDescription",
                                           "SubnetIds", NULL };
    _cleanup_json_ cJSON *input = json_pick(r->target, members);
    _cleanup_json_ cJSON *tags = tags_wanted(r->graph, r->label);
    json_put(input, "Tags", tags_to_list(tags, "Key", "Value"));
    _cleanup_json_ cJSON *output = NULL;
    if (aws_call(s, "elasticache", "CreateCacheSubnetGroup", input, &output, err) < 0)
        return -1;
    resource_set_have(r, json_dup(r->target));
    cJSON_Delete(r->tags);
    r->tags = steal_ptr(&tags);
    resource_set_output(r, "CacheSubnetGroupName", r->name);
    resource_set_output(r, "Arn", json_str_at(output, "CacheSubnetGroup/ARN"));
    return 0;
}

static int group_update(struct session *s, struct resource *r, struct err *err)
{
    static const char *const members[] = { "CacheSubnetGroupName", "SubnetIds", NULL };
    _cleanup_json_ cJSON *input = json_pick(r->target, members);
    if (aws_call(s, "elasticache", "ModifyCacheSubnetGroup", input, NULL, err) < 0)
        return -1;
    resource_set_have(r, json_dup(r->target));
    return 0;
}

/* Whether a cluster is the environment's own, or a node of its replication group: "NAME-001". */
static bool is_own_cluster(const struct graph *g, const char *id)
{
    _cleanup_free_ char *name = elasticache_name(g, "");
    return id == NULL || strcmp(id, name) == 0 ||
           (str_starts(id, name) && strlen(id) == strlen(name) + 4 && id[strlen(name)] == '-');
}

/* Says which cluster lies in the group: if it is not our own, it stays. No filter finds it. */
static int group_user(struct session *s, const struct resource *r, struct err *err)
{
    _cleanup_json_ cJSON *clusters = NULL;
    if (aws_call_all(s, "elasticache", "DescribeCacheClusters", NULL, "CacheClusters", &clusters,
                     err) < 0)
        return -1;
    const cJSON *cluster;
    cJSON_ArrayForEach (cluster, clusters) {
        const char *id = json_str(cluster, "CacheClusterId");
        if (!str_eq(json_str(cluster, "CacheSubnetGroupName"), r->name) ||
            is_own_cluster(r->graph, id))
            continue;
        return err_set(err, ERR_CONFLICT,
                       "cache cluster '%s', which is not this environment's, lies in cache subnet "
                       "group '%s': delete it, and run the job again",
                       id, r->name);
    }
    return err_set(err, ERR_BUSY, "AWS takes it for still in use by the environment's Redis");
}

static int group_remove(struct session *s, struct resource *r, struct err *err)
{
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    json_put_str(input, "CacheSubnetGroupName", r->name);
    _cleanup_err_ struct err failure = ERR_INIT;
    if (aws_call(s, "elasticache", "DeleteCacheSubnetGroup", input, NULL, &failure) == 0 ||
        failure.class == ERR_NOT_FOUND)
        return 0;
    return failure.class == ERR_BUSY ? group_user(s, r, err) : err_move(err, &failure);
}

static const char *const group_immutable[] = { "CacheSubnetGroupName", "VpcId", NULL };
static const char *const group_stable[] = { "CacheSubnetGroupName", "Arn", NULL };
static const char *const group_sets[] = { "SubnetIds", NULL };
static const char *const group_gone_first[] = { "elasticache.cluster",
                                                "elasticache.replication_group", NULL };

const struct resource_type elasticache_subnet_group_type = {
    .name = "elasticache.subnet_group",
    .singular = "cache subnet group",
    .plural = "cache subnet groups",
    .scope = SCOPE_ENVIRONMENT,
    .replace = REPLACE_REMOVE_FIRST,
    .deadline = 2400, /* a cluster in it may have to be created and deleted before it goes */
    .immutable = group_immutable,
    .stable = group_stable,
    .sets = group_sets,
    .gone_first = group_gone_first,
    .discover = group_discover,
    .observe = group_observe,
    .create = group_create,
    .update = group_update,
    .remove = group_remove,
    .adopt = elasticache_adopt,
};
