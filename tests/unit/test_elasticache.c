/* SPDX-License-Identifier: MIT */
#include "tests/unit/awsscript.h"

#include <setjmp.h>
#include <cmocka.h>

#include "drivers/elasticache.h"
#include "executor/engine/internal.h"

#define CLUSTER "elasticache.cluster/redis"
#define GROUP   "elasticache.replication_group/redis"
#define REDIS                                                                                      \
    "\"engine\":\"redis\",\"engineVersion\":\"5.0.4\",\"cacheNodeType\":\"cache.m4.large\""
#define VALKEY                                                                                     \
    "\"engine\":\"valkey\",\"engineVersion\":\"8.0\",\"cacheNodeType\":\"cache.t4g.micro\""
#define MEMBER(status, version, more)                                                              \
    "{\"CacheClusters\":[{\"CacheClusterId\":\"automation-8527fec8\",\"ARN\":\"arn\","             \
    "\"CacheClusterStatus\":\"" status "\",\"Engine\":\"redis\",\"EngineVersion\":\"" version      \
    "\",\"CacheNodeType\":\"cache.m4.large\",\"CacheSubnetGroupName\":"                            \
    "\"automation-8527fec8-redis-subnet\",\"SnapshotRetentionLimit\":0,\"CacheParameterGroup\":{"  \
    "\"CacheParameterGroupName\":\"default.redis5.0\"},\"SecurityGroups\":[{\"SecurityGroupId\":"  \
    "\"sg-old\",\"Status\":\"removing\"},{\"SecurityGroupId\":\"sg-1\",\"Status\":\"active\"}"     \
    "]" more "}]}"
#define ENDPOINT ",\"CacheNodes\":[{\"Endpoint\":{\"Address\":\"redis.example\",\"Port\":6379}}]"
#define TAGS                                                                                       \
    {                                                                                              \
        .call = "elasticache:ListTagsForResource",                                                 \
        .answer = "{\"TagList\":" OUR_TAGS("Key", "Value") "}"                                     \
    }

/* The spec with that `redis`; the caller frees it. */
static char *spec_with(const char *redis)
{
    _cleanup_free_ char *member = xasprintf("\"redis\":{%s}", redis);
    return script_spec_and(member);
}

static void open_with(struct script *t, const char *redis, const struct script_row *rows)
{
    _cleanup_free_ char *spec = spec_with(redis);
    script_open(t, spec, rows);
}

static void judged(const struct resource *r, enum readiness expected, const char *says)
{
    _cleanup_strbuf_ struct strbuf why = STRBUF_INIT;
    assert_int_equal(r->type->judge(r, &why), expected);
    assert_string_equal(why.buf, says);
}

static void versions_are_compared_as_far_as_both_go(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        int order;
    } rows[] = {
        { "5.0.4", "5.0.6", -1 }, { "5.0.10", "5.0.6", 1 }, { "7.1", "7.1.0", 0 },
        { "6.x", "6.2.6", 0 },    { "6.x", "7.0", -1 },     { "8.0.1", "8.0", 0 },
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        assert_int_equal(version_compare(rows[i].a, rows[i].b), rows[i].order);
        assert_int_equal(version_compare(rows[i].b, rows[i].a), -rows[i].order);
    }
}

static void parameters_are_those_of_the_version(void **state)
{
    (void)state;
    static const struct {
        const char *engine, *version, *address, *group;
    } rows[] = {
        { "redis", "5.0.4", CLUSTER, "default.redis5.0" },
        { "redis", "6.x", CLUSTER, "default.redis6.x" },
        { "redis", "7.1", CLUSTER, "default.redis7" },
        { "valkey", "8.0", GROUP, "default.valkey8" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        _cleanup_free_ char *redis =
            xasprintf("\"engine\":\"%s\",\"engineVersion\":\"%s\",\"cacheNodeType\":\"cache.x.y\"",
                      rows[i].engine, rows[i].version);
        struct script t;
        open_with(&t, redis, NULL);
        const cJSON *want = script_resource(&t, rows[i].address)->want;
        assert_string_equal(json_str(want, "CacheParameterGroupName"), rows[i].group);
        script_close(&t);
    }
}

/* From creating, when it has no address, to available. */
static void a_cluster_is_awaited(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        { .call = "elasticache:DescribeCacheClusters", .answer = MEMBER("creating", "5.0.4", "") },
        { .call = "elasticache:DescribeCacheClusters",
          .answer = MEMBER("available", "5.0.4", ENDPOINT) },
        { 0 },
    };
    struct script t;
    open_with(&t, REDIS, rows);
    struct resource *subnets = script_resource(&t, ELASTICACHE_SUBNET_GROUP);
    subnets->tags = tags_wanted(t.g, "redis");
    script_discover(&t, CLUSTER);
    struct resource *r = script_resource(&t, CLUSTER);
    assert_true(resource_is_ours(r)); /* as its subnet group is, which needs no call */
    judged(r, WAITING, "creating");
    assert_null(json_get(r->outputs, "host"));
    script_observe(&t, CLUSTER);
    judged(r, READY, "");
    assert_string_equal(json_str(r->outputs, "host"), "redis.example");
    assert_string_equal(json_str(r->outputs, "port"), "6379");
    assert_json(json_get(r->have, "SecurityGroupIds"), "[\"sg-1\"]");
    script_close(&t);
}

/* It tells its tags once it is available; where there is another's subnet group they count. */
static void a_cluster_in_anothers_subnet_group_tells_whose_it_is(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        { .call = "elasticache:DescribeCacheClusters", .answer = MEMBER("creating", "5.0.4", "") },
        { .call = "elasticache:ListTagsForResource",
          .class = ERR_NOT_FOUND,
          .code = "CacheClusterNotFound" },
        TAGS,
        { 0 },
    };
    struct script t;
    open_with(&t, REDIS, rows);
    script_resource(&t, ELASTICACHE_SUBNET_GROUP)->tags = cJSON_CreateObject();
    script_discover(&t, CLUSTER);
    struct resource *r = script_resource(&t, CLUSTER);
    assert_false(resource_is_ours(r));
    script_observe(&t, CLUSTER);
    assert_true(resource_is_ours(r));
    script_observe(&t, CLUSTER);
    assert_int_equal(script_count(&t, "elasticache:ListTagsForResource"), 2);
    script_close(&t);
}

static void without_its_subnet_group_it_is_nobodys(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        { .call = "elasticache:DescribeCacheClusters", .answer = MEMBER("creating", "5.0.4", "") },
        { .call = "elasticache:ListTagsForResource",
          .class = ERR_NOT_FOUND,
          .code = "CacheClusterNotFound" },
        { 0 },
    };
    struct script t;
    open_with(&t, REDIS, rows);
    script_discover(&t, CLUSTER);
    assert_false(resource_is_ours(script_resource(&t, CLUSTER)));
    script_close(&t);
}

static void a_failure_has_its_newest_event_for_a_reason(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        { .call = "elasticache:DescribeCacheClusters",
          .answer = MEMBER("incompatible-network", "5.0.4", "") },
        { .call = "elasticache:DescribeEvents",
          .answer = "{\"Events\":[{\"Message\":\"no address left\",\"Date\":20},"
                    "{\"Message\":\"begun\",\"Date\":10}]}" },
        TAGS,
        { 0 },
    };
    struct script t;
    open_with(&t, REDIS, rows);
    script_discover(&t, CLUSTER);
    judged(script_resource(&t, CLUSTER), FAILED, "incompatible-network: no address left");
    script_close(&t);
}

/* What differs is all that is sent, and it is waited for though the answer comes from before. */
static void a_change_is_expected(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        { .call = "elasticache:DescribeCacheClusters",
          .answer = MEMBER("available", "5.0.3", ENDPOINT) },
        { .call = "elasticache:DescribeCacheClusters",
          .answer = MEMBER("available", "5.0.3", ENDPOINT) },
        { .call = "elasticache:DescribeCacheClusters",
          .answer = MEMBER("available", "5.0.4", ENDPOINT) },
        { .call = "elasticache:ModifyCacheCluster", .answer = "{}" },
        TAGS,
        { 0 },
    };
    struct script t;
    open_with(&t, REDIS, rows);
    script_discover(&t, CLUSTER);
    struct resource *r = script_target(&t, CLUSTER);
    json_put(r->target, "SecurityGroupIds", json_dup(json_get(r->have, "SecurityGroupIds")));
    assert_string_equal(json_str(r->have, "MinimumEngineVersion"), "5.0.4"); /* an upgrade */
    assert_int_equal(r->type->update(t.s, r, &t.err), 0);
    assert_json(script_input(&t, "elasticache:ModifyCacheCluster", 0),
                "{\"EngineVersion\":\"5.0.4\",\"CacheClusterId\":\"automation-8527fec8\","
                "\"ApplyImmediately\":true}");
    judged(r, WAITING, "modifying");
    script_observe(&t, CLUSTER);
    judged(r, WAITING, "EngineVersion is not changed yet");
    script_observe(&t, CLUSTER);
    judged(r, READY, "");
    script_close(&t);
}

static void a_newer_version_is_a_minimum(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        { .call = "elasticache:DescribeCacheClusters",
          .answer = MEMBER("available", "5.0.6", ENDPOINT) },
        TAGS,
        { 0 },
    };
    struct script t;
    open_with(&t, REDIS, rows);
    script_discover(&t, CLUSTER);
    const cJSON *have = script_resource(&t, CLUSTER)->have;
    assert_string_equal(json_str(have, "MinimumEngineVersion"), "5.0.6");
    script_close(&t);
}

static void what_is_on_its_way_is_there(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        { .call = "elasticache:DescribeCacheClusters",
          .answer = MEMBER("modifying", "5.0.3",
                           ",\"PendingModifiedValues\":{\"EngineVersion\":\"5.0.4\"}") },
        TAGS,
        { 0 },
    };
    struct script t;
    open_with(&t, REDIS, rows);
    script_discover(&t, CLUSTER);
    const cJSON *have = script_resource(&t, CLUSTER)->have;
    assert_string_equal(json_str(have, "EngineVersion"), "5.0.4");
    script_close(&t);
}

static void a_name_that_is_being_deleted_is_waited_for(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        { .call = "elasticache:DescribeCacheClusters", .answer = MEMBER("deleting", "5.0.4", "") },
        { .call = "elasticache:DescribeCacheClusters", .answer = MEMBER("deleting", "5.0.4", "") },
        { .call = "elasticache:DescribeCacheClusters",
          .class = ERR_NOT_FOUND,
          .code = "CacheClusterNotFound" },
        { .call = "elasticache:CreateCacheCluster",
          .answer = "{\"CacheCluster\":{\"CacheClusterStatus\":\"creating\",\"ARN\":\"arn\"}}" },
        TAGS,
        { 0 },
    };
    struct script t;
    open_with(&t, REDIS, rows);
    script_discover(&t, CLUSTER);
    struct resource *r = script_target(&t, CLUSTER);
    json_put_str(r->target, "CacheSubnetGroupName", "s");
    json_put_array(r->target, "SecurityGroupIds");
    assert_null(r->have);
    assert_int_equal(r->type->create(t.s, r, &t.err), -1);
    assert_int_equal(t.err.class, ERR_BUSY);
    assert_int_equal(script_count(&t, "elasticache:CreateCacheCluster"), 0);
    err_release(&t.err);
    assert_int_equal(r->type->create(t.s, r, &t.err), 0);
    judged(r, WAITING, "creating");
    script_close(&t);
}

static void a_missing_service_linked_role_is_waited_for(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        { .call = "elasticache:CreateCacheCluster",
          .class = ERR_NOT_FOUND,
          .code = "ServiceLinkedRoleNotFoundFault" },
        { 0 },
    };
    struct script t;
    open_with(&t, REDIS, rows);
    struct resource *r = script_target(&t, CLUSTER);
    json_put_str(r->target, "CacheSubnetGroupName", "s");
    json_put_array(r->target, "SecurityGroupIds");
    assert_int_equal(r->type->create(t.s, r, &t.err), -1);
    assert_int_equal(t.err.class, ERR_BUSY);
    script_close(&t);
}

static void specs_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *redis, *says;
    } rows[] = {
        { REDIS ",\"authToken\":\"/mettel/t\"", "redis.authToken: a token needs" },
        { REDIS ",\"automaticFailoverEnabled\":true", "nothing to fail over to" },
        { VALKEY ",\"replicas\":1,\"multiAZEnabled\":true", "redis.multiAZEnabled: needs" },
        { REDIS ",\"autoMinorVersionUpgrade\":true", "from version 6.0 on" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        _cleanup_free_ char *spec = spec_with(rows[i].redis);
        _cleanup_free_ char *said = script_refused(spec);
        assert_non_null(said);
        assert_non_null(strstr(said, rows[i].says));
    }
}

#define SUBNET_GROUP                                                                               \
    {                                                                                              \
        .call = "elasticache:DescribeCacheSubnetGroups",                                           \
        .answer = "{\"CacheSubnetGroups\":[{\"CacheSubnetGroupName\":"                             \
                  "\"automation-8527fec8-redis-subnet\",\"ARN\":\"sg\"}]}"                         \
    }

static void what_is_being_made_is_removed_once_it_is(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        SUBNET_GROUP,
        TAGS,
        { .call = "elasticache:ListTagsForResource",
          .class = ERR_NOT_FOUND,
          .code = "CacheClusterNotFound" },
        { .call = "elasticache:DescribeCacheClusters", .answer = MEMBER("creating", "5.0.4", "") },
        { .call = "elasticache:DescribeCacheClusters", .answer = MEMBER("creating", "5.0.4", "") },
        { .call = "elasticache:DescribeCacheClusters",
          .answer = MEMBER("deleting", "5.0.4", ENDPOINT) },
        { .call = "elasticache:DeleteCacheCluster",
          .class = ERR_BUSY,
          .code = "InvalidCacheClusterState" },
        { .call = "elasticache:DeleteCacheCluster", .answer = "{}" },
        { 0 },
    };
    struct script t;
    script_open_teardown(&t, rows);
    script_find(&t, "elasticache.subnet_group");
    script_find(&t, "elasticache.cluster");
    struct resource *r = graph_find(t.g, CLUSTER);
    /* It does not tell its tags yet: it is whose the subnet group is. */
    assert_true(r != NULL && r->have != NULL && resource_is_ours(r));
    assert_int_equal(r->type->remove(t.s, r, &t.err), -1);
    assert_int_equal(t.err.class, ERR_BUSY);
    assert_string_equal(t.err.message, "creating: AWS deletes it once it is available");
    err_release(&t.err);
    assert_int_equal(r->type->remove(t.s, r, &t.err), 0);
    assert_int_equal(r->type->observe(t.s, &r, 1, &t.err), 0);
    assert_non_null(r->have);
    _cleanup_strbuf_ struct strbuf why = STRBUF_INIT;
    r->type->leaving(r, &why);
    assert_string_equal(why.buf, "deleting");
    assert_int_equal(r->type->remove(t.s, r, &t.err), 0);
    assert_int_equal(script_count(&t, "elasticache:DeleteCacheCluster"), 2);
    script_close(&t);
}

/* In a deploy it would be in the way at most; a teardown deletes it with all it holds. */
static void a_teardown_asks_the_cluster_itself(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        SUBNET_GROUP,
        TAGS,
        { .call = "elasticache:ListTagsForResource", .answer = "{\"TagList\":[]}" },
        { .call = "elasticache:DescribeCacheClusters",
          .answer = MEMBER("available", "5.0.4", ENDPOINT) },
        { 0 },
    };
    struct script t;
    script_open_teardown(&t, rows);
    script_find(&t, "elasticache.subnet_group");
    script_find(&t, "elasticache.cluster");
    assert_true(resource_is_ours(t.g->v[0]));
    assert_false(resource_is_ours(graph_find(t.g, CLUSTER)));
    script_close(&t);
}

static void check_subnet_group(const char *id, enum err_class class, const char *message)
{
    _cleanup_free_ char *clusters =
        xasprintf("{\"CacheClusters\":[{\"CacheClusterId\":\"x\",\"CacheSubnetGroupName\":\"y\"},"
                  "{\"CacheClusterId\":\"%s\",\"CacheSubnetGroupName\":"
                  "\"automation-8527fec8-redis-subnet\"}]}",
                  id);
    const struct script_row rows[] = {
        SUBNET_GROUP,
        TAGS,
        { .call = "elasticache:DeleteCacheSubnetGroup",
          .class = ERR_BUSY,
          .code = "CacheSubnetGroupInUse" },
        { .call = "elasticache:DescribeCacheClusters", .answer = clusters },
        { 0 },
    };
    struct script t;
    script_open_teardown(&t, rows);
    script_find(&t, "elasticache.subnet_group");
    struct resource *r = t.g->v[0];
    assert_int_equal(r->type->remove(t.s, r, &t.err), -1);
    assert_int_equal(t.err.class, class);
    assert_string_equal(t.err.message, message);
    script_close(&t);
}

/* AWS lists them as it likes, and they may be read before it is known which are wanted. */
static void subnets_have_no_order(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        { .call = "elasticache:DescribeCacheSubnetGroups",
          .answer = "{\"CacheSubnetGroups\":[{\"CacheSubnetGroupName\":"
                    "\"automation-8527fec8-redis-subnet\",\"ARN\":\"sg\",\"VpcId\":\"vpc-1\","
                    "\"Subnets\":[{\"SubnetIdentifier\":\"subnet-b\"},"
                    "{\"SubnetIdentifier\":\"subnet-a\"}]}]}" },
        TAGS,
        { 0 },
    };
    struct script t;
    open_with(&t, REDIS, rows);
    script_observe(&t, ELASTICACHE_SUBNET_GROUP);
    struct resource *r = script_resource(&t, ELASTICACHE_SUBNET_GROUP);
    r->target = cJSON_Parse("{\"SubnetIds\":[\"subnet-a\",\"subnet-b\"]}");
    assert_false(resource_compare(r));
    json_put(r->target, "SubnetIds", cJSON_Parse("[\"subnet-a\",\"subnet-c\"]"));
    assert_true(resource_compare(r));
    script_close(&t);
}

static void who_lies_in_the_subnet_group_is_named(void **state)
{
    (void)state;
    static const char *const own = "AWS takes it for still in use by the environment's Redis";
    check_subnet_group("automation-8527fec8", ERR_BUSY, own);
    check_subnet_group("automation-8527fec8-002", ERR_BUSY, own);
    check_subnet_group("automation-8527fec8-cache", ERR_CONFLICT,
                       "cache cluster 'automation-8527fec8-cache', which is not this "
                       "environment's, lies in cache subnet group "
                       "'automation-8527fec8-redis-subnet': delete it, and run the job again");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(versions_are_compared_as_far_as_both_go),
        cmocka_unit_test(parameters_are_those_of_the_version),
        cmocka_unit_test(a_cluster_is_awaited),
        cmocka_unit_test(a_cluster_in_anothers_subnet_group_tells_whose_it_is),
        cmocka_unit_test(without_its_subnet_group_it_is_nobodys),
        cmocka_unit_test(a_failure_has_its_newest_event_for_a_reason),
        cmocka_unit_test(a_change_is_expected),
        cmocka_unit_test(a_newer_version_is_a_minimum),
        cmocka_unit_test(what_is_on_its_way_is_there),
        cmocka_unit_test(a_name_that_is_being_deleted_is_waited_for),
        cmocka_unit_test(a_missing_service_linked_role_is_waited_for),
        cmocka_unit_test(specs_are_refused),
        cmocka_unit_test(what_is_being_made_is_removed_once_it_is),
        cmocka_unit_test(subnets_have_no_order),
        cmocka_unit_test(a_teardown_asks_the_cluster_itself),
        cmocka_unit_test(who_lies_in_the_subnet_group_is_named),
    };
    return cmocka_run_group_tests_name("elasticache", tests, NULL, NULL);
}
