/* SPDX-License-Identifier: MIT */
#include "drivers/common.h"
#include "drivers/elasticache.h"
#include "drivers/single.h"

/*
 * A replication group of one shard: Valkey, replicas, TLS, an AUTH token. What it tells of itself
 * is less than what its members tell; all of them are alike, so the first is asked.
 *
 * AWS takes one change at a time and refuses the next until it is done, so update() does one step
 * and is called again until none is left: first more replicas, which failover needs; then what
 * ModifyReplicationGroup changes; then fewer replicas; then the token, and last the tag that says
 * which token it is.
 */

static const char *const create_members[] = {
    "ReplicationGroupId",
    "ReplicationGroupDescription",
    "NumCacheClusters",
    "AutomaticFailoverEnabled",
    "MultiAZEnabled",
    "TransitEncryptionEnabled",
    "AtRestEncryptionEnabled",
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
    "AutomaticFailoverEnabled",
    "MultiAZEnabled",
    "Engine",
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

/* One call's answer for what has a name; *ret is NULL where there is none. */
static int read_one(struct session *s, const char *action, const char *member, const char *name,
                    const char *list, cJSON **ret, struct err *err)
{
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    json_put_str(input, member, name);
    _cleanup_json_ cJSON *output = NULL;
    _cleanup_err_ struct err failure = ERR_INIT;
    if (aws_call(s, "elasticache", action, input, &output, &failure) < 0 &&
        failure.class != ERR_NOT_FOUND)
        return err_move(err, &failure);
    const cJSON *found = json_get(output, list);
    *ret = found != NULL ? json_dup(found->child) : NULL;
    return 0;
}

/* "enabled", or "enabling" on the way. */
static bool word_is_on(const cJSON *group, const char *member)
{
    const char *word = json_str(group, member);
    return word != NULL && str_starts(word, "enabl");
}

static void group_form(struct resource *r, const cJSON *group, const cJSON *node)
{
    cJSON *have = cJSON_CreateObject();
    json_put_str(have, "ReplicationGroupId", r->name);
    /* A description has no effect: a group made by other means keeps its own. */
    json_copy(have, r->want, "ReplicationGroupDescription");
    node_form(r, node, have);
    json_copy(have, group, "Engine");
    json_put_int(have, "NumCacheClusters", (int64_t)json_count(json_get(group, "MemberClusters")));
    json_put_bool(have, "AutomaticFailoverEnabled", word_is_on(group, "AutomaticFailover"));
    json_put_bool(have, "MultiAZEnabled", word_is_on(group, "MultiAZ"));
    json_copy(have, group, "TransitEncryptionEnabled");
    json_copy(have, group, "AtRestEncryptionEnabled");
    json_copy(have, group, "SnapshotRetentionLimit");
    json_copy(have, group, "SnapshotWindow");
    json_copy(have, group, "AuthTokenEnabled");
    const cJSON *port = json_at(group, "NodeGroups/0/PrimaryEndpoint/Port");
    if (port != NULL)
        json_put(have, "Port", json_dup(port));
    const char *version = json_str(r->tags, ELASTICACHE_TOKEN_TAG);
    json_put_str(have, "AuthTokenVersion", version != NULL ? version : "");
    resource_set_have(r, have);
}

static void outputs_take(struct resource *r, const cJSON *group)
{
    const cJSON *primary = json_at(group, "NodeGroups/0/PrimaryEndpoint");
    resource_set_output(r, "host", json_str(primary, "Address"));
    resource_set_output(r, "reader", json_str_at(group, "NodeGroups/0/ReaderEndpoint/Address"));
    if (primary != NULL)
        json_put_strf(r->outputs, "port", "%d", (int)json_int(primary, "Port", 0));
}

static int group_take(struct session *s, struct resource *r, const cJSON *group, struct err *err)
{
    if (group == NULL) {
        cJSON_DeleteItemFromObjectCaseSensitive(r->memo, "status");
        resource_set_have(r, NULL);
        return 0;
    }
    _cleanup_json_ cJSON *node = NULL;
    const char *first = json_str_at(group, "MemberClusters/0");
    if (first != NULL && read_one(s, "DescribeCacheClusters", "CacheClusterId", first,
                                  "CacheClusters", &node, err) < 0)
        return -1;
    if (node_take(s, r, json_str(group, "Status"), json_str(group, "ARN"),
                  json_str(node, "CacheSubnetGroupName"), "replication-group", err) < 0)
        return -1;
    if (first != NULL)
        json_put_str(r->memo, "first", first);
    if (node_is_absent(r)) {
        resource_set_have(r, NULL);
        return 0;
    }
    group_form(r, group, node);
    outputs_take(r, group);
    return 0;
}

static int group_read(struct session *s, const char *name, cJSON **ret, struct err *err)
{
    return read_one(s, "DescribeReplicationGroups", "ReplicationGroupId", name, "ReplicationGroups",
                    ret, err);
}

static const struct single group_single = {
    .type = &elasticache_group_type, .label = "redis", .read = group_read, .take = group_take
};

static int group_discover(struct session *s, struct graph *g, struct err *err)
{
    _cleanup_free_ char *name = elasticache_name(g, "");
    return single_discover(&group_single, s, g, name, err);
}

static int group_observe(struct session *s, struct resource *const *r, size_t n, struct err *err)
{
    return single_observe(&group_single, s, r, n, err);
}

static int group_create(struct session *s, struct resource *r, struct err *err)
{
    if (node_make_way(s, r, err) < 0)
        return -1;
    _cleanup_json_ cJSON *input = json_pick(r->target, create_members);
    _cleanup_json_ cJSON *tags = tags_wanted(r->graph, r->label);
    if (json_bool(r->target, "AuthTokenEnabled", false)) {
        _cleanup_free_ char *token = NULL, *version = NULL;
        if (token_read(s, r->graph, &token, &version, err) < 0)
            return -1;
        json_put_str(input, "AuthToken", token);
        json_put_str(tags, ELASTICACHE_TOKEN_TAG, version);
    }
    json_put(input, "Tags", tags_to_list(tags, "Key", "Value"));
    _cleanup_json_ cJSON *output = NULL;
    _cleanup_err_ struct err failure = ERR_INIT;
    if (aws_call(s, "elasticache", "CreateReplicationGroup", input, &output, &failure) < 0)
        return node_move_error(r, &failure, err);
    node_created(r, steal_ptr(&tags), json_str_at(output, "ReplicationGroup/Status"),
                 json_str_at(output, "ReplicationGroup/ARN"));
    return 0;
}

/* Begins one step; *ret_begun tells whether there was one to begin. */
typedef int (*group_step)(struct session *s, struct resource *r, bool *ret_begun, struct err *err);

/* "because no changes were required": a try whose answer was lost has begun them.
 * https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_DecreaseReplicaCount.html
 */
static bool is_no_operation(const struct err *err)
{
    return str_eq(err->aws_code, "NoOperationFault");
}

static int replicas_set(struct session *s, struct resource *r, bool more, bool *ret_begun,
                        struct err *err)
{
    int64_t want = json_int(r->target, "NumCacheClusters", 1);
    int64_t have = json_int(r->have, "NumCacheClusters", 1);
    if (more ? want <= have : want >= have)
        return 0;
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    json_put_str(input, "ReplicationGroupId", r->name);
    json_put_int(input, "NewReplicaCount", want - 1);
    json_put_bool(input, "ApplyImmediately", true);
    const char *action = more ? "IncreaseReplicaCount" : "DecreaseReplicaCount";
    _cleanup_err_ struct err failure = ERR_INIT;
    if (aws_call(s, "elasticache", action, input, NULL, &failure) < 0 && !is_no_operation(&failure))
        return err_move(err, &failure);
    static const char *const members[] = { "NumCacheClusters", NULL };
    _cleanup_json_ cJSON *changes = json_pick(r->target, members);
    node_expect(r, changes);
    *ret_begun = true;
    return 0;
}

static int replicas_increase(struct session *s, struct resource *r, bool *ret_begun,
                             struct err *err)
{
    return replicas_set(s, r, true, ret_begun, err);
}

static int replicas_decrease(struct session *s, struct resource *r, bool *ret_begun,
                             struct err *err)
{
    return replicas_set(s, r, false, ret_begun, err);
}

static int group_modify(struct session *s, struct resource *r, bool *ret_begun, struct err *err)
{
    _cleanup_json_ cJSON *changes = node_changes(r, modify_members);
    if (changes == NULL)
        return 0;
    _cleanup_json_ cJSON *input = json_dup(changes);
    json_put_str(input, "ReplicationGroupId", r->name);
    json_put_bool(input, "ApplyImmediately", true);
    /* Another engine comes with its version and parameter group, else "valkey parameter group is
     * not applicable to engine redis": https://github.com/aws-controllers-k8s/
     * elasticache-controller/pull/188 */
    if (json_get(changes, "Engine") != NULL) {
        json_copy(input, r->target, "EngineVersion");
        json_copy(input, r->target, "CacheParameterGroupName");
    }
    /* To turn snapshots on, AWS wants to be told of which member they shall be:
     * https://github.com/hashicorp/terraform-provider-aws (elasticache/replication_group.go). */
    if (json_int(changes, "SnapshotRetentionLimit", 0) > 0 &&
        json_int(r->have, "SnapshotRetentionLimit", 0) == 0)
        json_put_str(input, "SnapshottingClusterId", json_str(r->memo, "first"));
    if (aws_call(s, "elasticache", "ModifyReplicationGroup", input, NULL, err) < 0)
        return -1;
    node_expect(r, changes);
    *ret_begun = true;
    return 0;
}

/*
 * ROTATE, so that tasks which still have the token before go on until they are replaced:
 * https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/auth.html. The tag follows once the
 * group is available again; whoever is stopped between the two rotates to the same token once more.
 */
static int token_rotate(struct session *s, struct resource *r, bool *ret_begun, struct err *err)
{
    const char *want = json_str(r->target, "AuthTokenVersion");
    if (want == NULL || str_eq(want, json_str(r->have, "AuthTokenVersion")) ||
        json_str(r->memo, "rotated") != NULL)
        return 0;
    _cleanup_free_ char *token = NULL, *version = NULL;
    if (token_read(s, r->graph, &token, &version, err) < 0)
        return -1;
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    json_put_str(input, "ReplicationGroupId", r->name);
    json_put_bool(input, "ApplyImmediately", true);
    json_put_str(input, "AuthToken", token);
    json_put_str(input, "AuthTokenUpdateStrategy", "ROTATE");
    if (aws_call(s, "elasticache", "ModifyReplicationGroup", input, NULL, err) < 0)
        return -1;
    node_expect(r, NULL);
    json_put_str(r->memo, "rotated", version);
    *ret_begun = true;
    return 0;
}

static int token_tag(struct session *s, struct resource *r, bool *ret_begun, struct err *err)
{
    const char *version = json_str(r->memo, "rotated");
    if (version == NULL)
        return 0;
    _cleanup_json_ cJSON *tags = cJSON_CreateObject();
    json_put_str(tags, ELASTICACHE_TOKEN_TAG, version);
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    json_put_str(input, "ResourceName", json_str(r->outputs, "Arn"));
    json_put(input, "Tags", tags_to_list(tags, "Key", "Value"));
    if (aws_call(s, "elasticache", "AddTagsToResource", input, NULL, err) < 0)
        return -1;
    json_put_str(r->tags, ELASTICACHE_TOKEN_TAG, version);
    cJSON_DeleteItemFromObjectCaseSensitive(r->memo, "rotated");
    node_expect(r, NULL);
    *ret_begun = true;
    return 0;
}

static int group_update(struct session *s, struct resource *r, struct err *err)
{
    static const group_step steps[] = { replicas_increase, group_modify, replicas_decrease,
                                        token_rotate, token_tag };
    if (node_must_be_available(s, r, err) < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
        bool begun = false;
        if (steps[i](s, r, &begun, err) < 0)
            return -1;
        if (begun) {
            json_put_bool(r->memo, RESOURCE_BEGUN, true);
            return err_set(err, ERR_BUSY, "%s '%s' is modifying", r->type->singular, r->name);
        }
    }
    return 0;
}

static int group_remove(struct session *s, struct resource *r, struct err *err)
{
    return node_remove(s, r, "DeleteReplicationGroup", "ReplicationGroupId", err);
}

static const char *const group_immutable[] = {
    "ReplicationGroupId",
    "MinimumEngineVersion",
    "Port",
    "CacheSubnetGroupName",
    "TransitEncryptionEnabled",
    "AtRestEncryptionEnabled",
    "AuthTokenEnabled",
    NULL,
};
static const char *const group_sets[] = { "SecurityGroupIds", NULL };
static const char *const group_stable[] = { "host", "port", "reader", "Arn", NULL };
static const char *const after_subnet_group[] = { "elasticache.subnet_group", NULL };
static const char *const group_bound[] = { "elasticache.subnet_group", "security_group", NULL };

const struct resource_type elasticache_group_type = {
    .name = "elasticache.replication_group",
    .singular = "replication group",
    .plural = "replication groups",
    .scope = SCOPE_ENVIRONMENT,
    .replace = REPLACE_REMOVE_FIRST,
    .flags = TYPE_PRECIOUS,
    .deadline = 3600, /* several changes may have to follow each other */
    .immutable = group_immutable,
    .after = after_subnet_group,
    .bound = group_bound,
    .stable = group_stable,
    .sets = group_sets,
    .discover = group_discover,
    .observe = group_observe,
    .judge = node_judge,
    .create = group_create,
    .update = group_update,
    .remove = group_remove,
    .leaving = node_leaving,
    .adopt = elasticache_adopt,
};
