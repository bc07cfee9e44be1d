/* SPDX-License-Identifier: MIT */
/* A replication group is changed in steps, each of which AWS goes on with by itself. */
#include "tests/unit/awsscript.h"

#include <setjmp.h>
#include <cmocka.h>

#include "drivers/elasticache.h"
#include "executor/engine/internal.h"

#define GROUP "elasticache.replication_group/redis"
#define SPEC                                                                                       \
    "\"redis\":{\"engine\":\"valkey\",\"engineVersion\":\"8.0\",\"cacheNodeType\":"                \
    "\"cache.t4g.micro\",\"replicas\":1,\"automaticFailoverEnabled\":true,"                        \
    "\"transitEncryptionEnabled\":true,\"authToken\":\"/mettel/t\"}"

/* A group of these members, and the first of them. */
#define GROUP_IS(status, failover, members)                                                        \
    {                                                                                              \
        .call = "elasticache:DescribeReplicationGroups",                                           \
        .answer = "{\"ReplicationGroups\":[{\"ReplicationGroupId\":\"automation-8527fec8\","       \
                  "\"ARN\":\"arn\",\"Status\":\"" status                                           \
                  "\",\"Engine\":\"valkey\",\"MultiAZ\":\"disabled\","                             \
                  "\"AutomaticFailover\":\"" failover "\",\"TransitEncryptionEnabled\":true,"      \
                  "\"AtRestEncryptionEnabled\":true,\"AuthTokenEnabled\":true,"                    \
                  "\"SnapshotRetentionLimit\":0,\"MemberClusters\":[" members                      \
                  "],\"NodeGroups\":[{\"PrimaryEndpoint\":{\"Address\":\"a\",\"Port\":6379}}]}]}"  \
    }
#define MEMBER                                                                                     \
    {                                                                                              \
        .call = "elasticache:DescribeCacheClusters",                                               \
        .answer = "{\"CacheClusters\":[{\"CacheClusterId\":\"automation-8527fec8-001\","           \
                  "\"CacheClusterStatus\":\"available\",\"Engine\":\"valkey\","                    \
                  "\"EngineVersion\":\"8.0.1\",\"CacheNodeType\":\"cache.t4g.micro\","             \
                  "\"AutoMinorVersionUpgrade\":true,\"CacheSubnetGroupName\":\"s\","               \
                  "\"CacheParameterGroup\":{\"CacheParameterGroupName\":\"default.valkey8\"}"      \
                  "}]}"                                                                            \
    }
#define TAGS                                                                                       \
    {                                                                                              \
        .call = "elasticache:ListTagsForResource",                                                 \
        .answer = "{\"TagList\":" OUR_TAGS("Key", "Value") "}"                                     \
    }
#define TOKEN                                                                                      \
    {                                                                                              \
        .call = "ssm:GetParameters", .answer =                                                     \
                                         "{\"Parameters\":[{\"Name\":\"/mettel/t\",\"Version\":3," \
                                         "\"Value\":\"a-token-of-sixteen\"}]}"                     \
    }
#define ONE "\"automation-8527fec8-001\""
#define TWO "\"automation-8527fec8-001\",\"automation-8527fec8-002\""

static struct resource *open_group(struct script *t, const struct script_row *rows)
{
    _cleanup_free_ char *spec = script_spec_and(SPEC);
    script_open(t, spec, rows);
    script_observe(t, ELASTICACHE_TOKEN);
    script_discover(t, GROUP);
    struct resource *r = script_target(t, GROUP);
    json_put_str(r->target, "CacheSubnetGroupName", "s");
    json_put_array(r->target, "SecurityGroupIds");
    return r;
}

/* What the engine does for one step: whether AWS has begun one is what update() says of it. */
static bool step_begins(struct script *t, struct resource *r, int expected, enum err_class class)
{
    cJSON_DeleteItemFromObjectCaseSensitive(r->memo, RESOURCE_BEGUN);
    err_release(&t->err);
    assert_int_equal(r->type->update(t->s, r, &t->err), expected);
    assert_int_equal(t->err.class, class);
    return json_bool(r->memo, RESOURCE_BEGUN, false);
}

/* More replicas, failover, the token and its tag: a job that is cancelled between them names the
 * group as what goes on. */
static void each_step_is_marked_as_begun(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        GROUP_IS("available", "disabled", ONE),
        GROUP_IS("modifying", "disabled", ONE),
        GROUP_IS("available", "disabled", TWO),
        GROUP_IS("available", "enabled", TWO),
        MEMBER,
        TAGS,
        TOKEN,
        { .call = "elasticache:IncreaseReplicaCount", .answer = "{}" },
        { .call = "elasticache:ModifyReplicationGroup", .answer = "{}" },
        { .call = "elasticache:AddTagsToResource", .answer = "{}" },
        { 0 },
    };
    struct script t;
    struct resource *r = open_group(&t, rows);
    assert_true(step_begins(&t, r, -1, ERR_BUSY));
    assert_string_equal(t.err.message, "replication group 'automation-8527fec8' is modifying");
    /* That it is in the way of itself is no step. */
    assert_false(step_begins(&t, r, -1, ERR_BUSY));
    assert_int_equal(script_count(&t, "elasticache:ModifyReplicationGroup"), 0);
    assert_true(step_begins(&t, r, -1, ERR_BUSY));
    assert_true(json_bool(script_input(&t, "elasticache:ModifyReplicationGroup", 0),
                          "AutomaticFailoverEnabled", false));
    assert_true(step_begins(&t, r, -1, ERR_BUSY));
    assert_string_equal(json_str(script_input(&t, "elasticache:ModifyReplicationGroup", 1),
                                 "AuthTokenUpdateStrategy"),
                        "ROTATE");
    assert_true(step_begins(&t, r, -1, ERR_BUSY));
    assert_int_equal(script_count(&t, "elasticache:AddTagsToResource"), 1);
    /* Nothing is left to be done. */
    assert_false(step_begins(&t, r, 0, ERR_NONE));
    assert_int_equal(script_count(&t, "elasticache:IncreaseReplicaCount"), 1);
    assert_int_equal(script_count(&t, "elasticache:ModifyReplicationGroup"), 2);
    script_close(&t);
}

static void what_aws_refuses_has_not_begun(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        GROUP_IS("available", "disabled", ONE),
        MEMBER,
        TAGS,
        TOKEN,
        { .call = "elasticache:IncreaseReplicaCount",
          .class = ERR_QUOTA,
          .code = "NodeQuotaForClusterExceeded" },
        { 0 },
    };
    struct script t;
    struct resource *r = open_group(&t, rows);
    assert_false(step_begins(&t, r, -1, ERR_QUOTA));
    script_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_step_is_marked_as_begun),
        cmocka_unit_test(what_aws_refuses_has_not_begun),
    };
    return cmocka_run_group_tests_name("elasticache_group", tests, NULL, NULL);
}
