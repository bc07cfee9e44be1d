/* SPDX-License-Identifier: MIT */
#include "tests/unit/awsscript.h"

#include <setjmp.h>
#include <cmocka.h>

#include "drivers/elasticache.h"

#define GROUP "elasticache.replication_group/redis"

/* A replication group whose token is in that parameter or secret. */
static void open_with(struct script *t, const char *token, const struct script_row *rows)
{
    _cleanup_free_ char *redis =
        xasprintf("\"redis\":{\"engine\":\"valkey\",\"engineVersion\":\"8.0\",\"cacheNodeType\":"
                  "\"cache.t4g.micro\",\"transitEncryptionEnabled\":true,\"authToken\":\"%s\"}",
                  token);
    _cleanup_free_ char *spec = script_spec_and(redis);
    script_open(t, spec, rows);
}

/* A plan asks for the version alone; a missing secret is the user's to make. */
static void a_tokens_version_is_looked_up(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        { .call = "ssm:GetParameters",
          .answer = "{\"Parameters\":[{\"Name\":\"/mettel/t\",\"Version\":3,\"Value\":\"x\"}]}" },
        { .call = "ssm:GetParameters", .answer = "{\"InvalidParameters\":[\"/mettel/t\"]}" },
        { 0 },
    };
    struct script t;
    open_with(&t, "/mettel/t", rows);
    script_observe(&t, ELASTICACHE_TOKEN);
    assert_json(script_input(&t, "ssm:GetParameters", 0),
                "{\"Names\":[\"/mettel/t\"],\"WithDecryption\":false}");
    const struct resource *r = script_target(&t, GROUP);
    assert_string_equal(json_str(r->target, "AuthTokenVersion"), "/mettel/t:3");
    script_observe(&t, ELASTICACHE_TOKEN);
    assert_null(script_resource(&t, ELASTICACHE_TOKEN)->have);
    script_close(&t);
}

/* What AWS would refuse is not sent, and not said. */
static void a_token_that_cannot_be_one_is_not_sent(void **state)
{
    (void)state;
    static const struct {
        const char *token, *says; /* NULL: it is sent */
    } rows[] = {
        { "exactly-sixteen.", NULL },
        { "one-and-twenty #! <>&", NULL },
        { "fifteen-letters", "is shorter than 16 characters" },
        { "a-token/with-a-slash", "forbids" },
        { "a-token@with-an-at-sign", "forbids" },
        { "a-token%with-a-percent", "forbids" },
        { "a-token\\\"with-a-quote", "forbids" },
        { "a-token-with-its-end\\n", "not printable ASCII" },
        { "a-token-of-gr\xc3\xb6\xc3\x9f"
          "e",
          "not printable ASCII" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        _cleanup_free_ char *answer =
            xasprintf("{\"Parameters\":[{\"Name\":\"/mettel/t\",\"Version\":3,\"Value\":\"%s\"}]}",
                      rows[i].token);
        const struct script_row script[] = {
            { .call = "ssm:GetParameters", .answer = answer },
            { .call = "elasticache:CreateReplicationGroup",
              .answer = "{\"ReplicationGroup\":{\"Status\":\"creating\"}}" },
            { 0 },
        };
        struct script t;
        open_with(&t, "/mettel/t", script);
        struct resource *r = script_target(&t, GROUP);
        json_put_str(r->target, "CacheSubnetGroupName", "subnets");
        json_put_array(r->target, "SecurityGroupIds");
        int status = r->type->create(t.s, r, &t.err);
        assert_int_equal(status, rows[i].says == NULL ? 0 : -1);
        assert_int_equal(script_count(&t, "elasticache:CreateReplicationGroup"), status == 0);
        if (status < 0) {
            assert_int_equal(t.err.class, ERR_USER);
            assert_non_null(strstr(t.err.message, rows[i].says));
            assert_non_null(strstr(t.err.message, "redis.authToken: the token in secret"));
            assert_null(strstr(t.err.message, "a-token"));
            assert_null(strstr(t.err.message, "fifteen-letters"));
        }
        script_close(&t);
    }
}

/* An ARN that ends as complete ones do names that secret, not one whose name begins like it. */
static void a_secret_is_the_one_that_is_named(void **state)
{
    (void)state;
#define SECRET "arn:aws:secretsmanager:us-east-1:1:secret:db"
    static const struct {
        const char *named, *found;
        bool taken;
    } rows[] = {
        { SECRET "-AbCdEf", SECRET "-AbCdEf", true },
        { SECRET, SECRET "-AbCdEf", true },
        { SECRET "-hidden", SECRET "-hidden-AbCdEf", false },
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        _cleanup_free_ char *answer = xasprintf(
            "{\"ARN\":\"%s\",\"VersionIdsToStages\":{\"v1\":[\"AWSCURRENT\"]}}", rows[i].found);
        const struct script_row script[] = {
            { .call = "secretsmanager:DescribeSecret", .answer = answer },
            { 0 },
        };
        struct script t;
        open_with(&t, rows[i].named, script);
        struct resource *r = script_resource(&t, ELASTICACHE_TOKEN);
        assert_int_equal(r->type->observe(t.s, &r, 1, &t.err), rows[i].taken ? 0 : -1);
        if (!rows[i].taken)
            assert_non_null(strstr(t.err.message, "by its whole ARN"));
        script_close(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tokens_version_is_looked_up),
        cmocka_unit_test(a_token_that_cannot_be_one_is_not_sent),
        cmocka_unit_test(a_secret_is_the_one_that_is_named),
    };
    return cmocka_run_group_tests_name("elasticache_token", tests, NULL, NULL);
}
