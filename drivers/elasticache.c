/* SPDX-License-Identifier: MIT */
#include "drivers/elasticache.h"

#include <ctype.h>

#include "drivers/common.h"
#include "drivers/driver.h"
#include "drivers/ec2.h"
#include "drivers/security_group.h"

/*
 * What the spec's "redis" asks for: a subnet group, a security group, and the Redis itself, a
 * cluster unless something is wanted that only a replication group has. Valkey is always one:
 * CreateCacheCluster takes memcached and redis only,
 * https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_CreateCacheCluster.html
 */

char *elasticache_name(const struct graph *g, const char *suffix)
{
    char *name = xasprintf("%s%s", g->context.environment, suffix);
    for (char *p = name; *p != '\0'; p++)
        *p = (char)tolower((unsigned char)*p);
    return name;
}

/* "A name must contain from 1 to 50 [40] alphanumeric characters or hyphens. The first character
 * must be a letter. A name cannot end with a hyphen or contain two consecutive hyphens." */
static int id_check(const char *id, size_t max, struct err *err)
{
    bool good = isalpha((unsigned char)*id) && strlen(id) <= max && !str_ends(id, "-") &&
                strstr(id, "--") == NULL;
    for (const char *p = id; *p != '\0'; p++)
        good = good && (isalnum((unsigned char)*p) || *p == '-');
    if (good)
        return 0;
    return err_set(err, ERR_USER,
                   "redis: '%s' cannot be the name of a Redis: ElastiCache takes at most %zu "
                   "letters, digits and single hyphens, a letter first; it is the environment's "
                   "name, which the host config's prefix and the branch decide",
                   id, max);
}

/* The family of parameter groups: redis5.0, redis6.x, redis7, valkey8.
 * https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/ParameterGroups.Engine.html */
static char *default_parameters(const char *engine, const char *version)
{
    long major = strtol(version, NULL, 10);
    if (str_eq(engine, "redis") && major == 6)
        return xstrdup("default.redis6.x");
    if (str_eq(engine, "valkey") || major > 6)
        return xasprintf("default.%s%ld", engine, major);
    const char *dot = strchr(version, '.');
    size_t n = dot != NULL ? (size_t)(dot - version) + 1 + strcspn(dot + 1, ".") : strlen(version);
    return xasprintf("default.%s%.*s", engine, (int)n, version);
}

static bool is_valkey(const cJSON *redis)
{
    return str_eq(json_str(redis, "engine"), "valkey");
}

/* Whether a cluster of one node will not do. */
static bool needs_group(const cJSON *redis)
{
    static const char *const members[] = { "transitEncryptionEnabled", "atRestEncryptionEnabled",
                                           "automaticFailoverEnabled", "multiAZEnabled" };
    bool needed = is_valkey(redis) || json_int(redis, "replicas", 0) > 0 ||
                  json_str(redis, "authToken") != NULL;
    for (size_t i = 0; i < ARRAY_SIZE(members); i++)
        needed = needed || json_bool(redis, members[i], false);
    return needed;
}

static int redis_check(const cJSON *redis, struct err *err)
{
    if (json_str(redis, "authToken") != NULL &&
        !json_bool(redis, "transitEncryptionEnabled", false))
        return err_set(err, ERR_USER,
                       "redis.authToken: a token needs encryption in transit; set "
                       "'transitEncryptionEnabled' to true");
    if (json_bool(redis, "automaticFailoverEnabled", false) && json_int(redis, "replicas", 0) == 0)
        return err_set(err, ERR_USER,
                       "redis.automaticFailoverEnabled: there is nothing to fail over to; set "
                       "'replicas' to 1 or more");
    if (json_bool(redis, "multiAZEnabled", false) &&
        !json_bool(redis, "automaticFailoverEnabled", false))
        return err_set(err, ERR_USER,
                       "redis.multiAZEnabled: needs failover; set 'automaticFailoverEnabled' to "
                       "true");
    if (json_get(redis, "autoMinorVersionUpgrade") != NULL && !is_valkey(redis) &&
        strtol(json_str(redis, "engineVersion"), NULL, 10) < 6)
        return err_set(err, ERR_USER,
                       "redis.autoMinorVersionUpgrade: Redis has it from version 6.0 on; remove "
                       "it");
    return 0;
}

/* What cluster and replication group have in common. */
static cJSON *node_wanted(const cJSON *redis)
{
    const char *engine = json_str(redis, "engine"), *version = json_str(redis, "engineVersion");
    const char *parameters = json_str(redis, "cacheParameterGroupName");
    _cleanup_free_ char *usual = default_parameters(engine, version);
    cJSON *want = cJSON_CreateObject();
    json_put_str(want, "Engine", engine);
    json_put_str(want, "EngineVersion", version);
    json_put_str(want, "MinimumEngineVersion", version);
    json_put_str(want, "CacheNodeType", json_str(redis, "cacheNodeType"));
    json_put_str(want, "CacheParameterGroupName", parameters != NULL ? parameters : usual);
    json_put(want, "CacheSubnetGroupName",
             ref_new("${%s.CacheSubnetGroupName}", ELASTICACHE_SUBNET_GROUP));
    json_push(json_put_array(want, "SecurityGroupIds"),
              ref_new("${security_group/redis-sg.GroupId}"));
    json_put_int(want, "Port", json_int(redis, "port", 6379));
    json_put_int(want, "SnapshotRetentionLimit", json_int(redis, "snapshotRetentionLimit", 0));
    /* AWS chooses a window itself, so that there is no default to go back to. */
    json_put_str(want, "PreferredMaintenanceWindow", json_str(redis, "preferredMaintenanceWindow"));
    json_put_str(want, "SnapshotWindow", json_str(redis, "snapshotWindow"));
    if (is_valkey(redis) || strtol(version, NULL, 10) >= 6)
        json_put_bool(want, "AutoMinorVersionUpgrade",
                      json_bool(redis, "autoMinorVersionUpgrade", true));
    return want;
}

static int cluster_want(struct graph *g, const cJSON *redis, const char *id, struct err *err)
{
    if (id_check(id, 50, err) < 0)
        return -1;
    cJSON *want = node_wanted(redis);
    json_put_str(want, "CacheClusterId", id);
    if (graph_add(g, &elasticache_cluster_type, "redis", id, "redis", want, NULL, err) < 0)
        return -1;
    graph_alias(g, "redis", "elasticache.cluster/redis");
    return 0;
}

static int group_want(struct graph *g, const cJSON *redis, const char *id, struct err *err)
{
    const char *secret = json_str(redis, "authToken");
    if (id_check(id, 40, err) < 0 || (secret != NULL && token_want(g, secret, err) < 0))
        return -1;
    cJSON *want = node_wanted(redis);
    json_put_str(want, "ReplicationGroupId", id);
    json_put_strf(want, "ReplicationGroupDescription", "Redis of %s", g->context.environment);
    json_put_int(want, "NumCacheClusters", 1 + json_int(redis, "replicas", 0));
    json_put_bool(want, "AutomaticFailoverEnabled",
                  json_bool(redis, "automaticFailoverEnabled", false));
    json_put_bool(want, "MultiAZEnabled", json_bool(redis, "multiAZEnabled", false));
    json_put_bool(want, "TransitEncryptionEnabled",
                  json_bool(redis, "transitEncryptionEnabled", false));
    /* "Default: true when using Valkey, false when using Redis OSS" (API_CreateReplicationGroup).
     * A Redis that becomes a Valkey keeps what it has, so that there it is no default to go back
     * to. */
    if (!is_valkey(redis) || json_get(redis, "atRestEncryptionEnabled") != NULL)
        json_put_bool(want, "AtRestEncryptionEnabled",
                      json_bool(redis, "atRestEncryptionEnabled", false));
    json_put_bool(want, "AuthTokenEnabled", secret != NULL);
    if (secret != NULL)
        json_put(want, "AuthTokenVersion", ref_new("%s:${%s.Version}", secret, ELASTICACHE_TOKEN));
    if (graph_add(g, &elasticache_group_type, "redis", id, "redis", want, NULL, err) < 0)
        return -1;
    graph_alias(g, "redis", "elasticache.replication_group/redis");
    return 0;
}

static int subnet_group_want(struct graph *g, const cJSON *spec, struct err *err)
{
    _cleanup_free_ char *name = elasticache_name(g, "-redis-subnet");
    if (ec2_want_subnets(g, spec, "private", err) < 0)
        return -1;
    cJSON *want = cJSON_CreateObject();
    json_put_str(want, "CacheSubnetGroupName", name);
    json_put_strf(want, "CacheSubnetGroupDescription", "Redis of %s", g->context.environment);
    json_put(want, "VpcId", ref_new("${%s.VpcId}", EC2_VPC));
    json_put(want, "SubnetIds", ref_new("${%s.SubnetIds}", EC2_PRIVATE_SUBNETS));
    return graph_add(g, &elasticache_subnet_group_type, "redis", name, "redis", want, NULL, err);
}

static int elasticache_want(struct graph *g, const cJSON *spec, struct err *err)
{
    const cJSON *redis = json_get(spec, "redis");
    if (redis == NULL)
        return 0;
    if (redis_check(redis, err) < 0 || subnet_group_want(g, spec, err) < 0)
        return -1;
    int64_t port = json_int(redis, "port", 6379);
    cJSON *rules = cJSON_CreateArray();
    json_push(rules, security_group_rule("tcp", port, port,
                                         ref_new("${%s.CidrBlocks}", EC2_PRIVATE_SUBNETS)));
    if (security_group_want(g, spec, "redis-sg", "redis-sg", "redis", rules, err) < 0)
        return -1;
    _cleanup_free_ char *id = elasticache_name(g, "");
    return needs_group(redis) ? group_want(g, redis, id, err) : cluster_want(g, redis, id, err);
}

static const char *const elasticache_aliases[] = { "redis", NULL };
int elasticache_adopt(struct session *s, struct resource *r, struct err *err)
{
    static const struct tag_call call = {
        "elasticache", "AddTagsToResource", "ResourceName", false, "Tags", "Key", "Value"
    };
    return tags_give(s, r, &call, json_str(r->outputs, "Arn"), err);
}

static const struct resource_type *const elasticache_types[] = { &elasticache_token_type,
                                                                 &elasticache_subnet_group_type,
                                                                 &elasticache_cluster_type,
                                                                 &elasticache_group_type, NULL };

extern const struct driver elasticache_driver;
const struct driver elasticache_driver = {
    .name = "elasticache",
    .aliases = elasticache_aliases,
    .types = elasticache_types,
    .permissions = elasticache_permissions,
    .want = elasticache_want,
};
