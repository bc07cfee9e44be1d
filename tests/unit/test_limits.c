/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "executor/engine/limits.h"

static const char limits_json[] =
    "{ \"vpc\": { \"tag:Name\": \"dev\" }, \"roles\": [\"ecs_*\"], \"secrets\": [\"/mettel/*\"],"
    "  \"maxTasks\": 3, \"zones\": [\"a.net\", \"*.b.net\"] }";

struct limit_case {
    const char *spec;
    const char *problems; /* "path: message" by line */
};

#define WHERE "(the host config's projects.77.limits.ephemeral."
#define VPC   "\"network\": { \"vpc\": { \"tag:Name\": \"dev\" } },"

static const struct limit_case cases[] = {
    { "{" VPC "\"services\": { \"a\": { \"executionRole\": \"ecs_x\", \"desiredCount\": 3,"
      "\"secrets\": { \"S\": \"/mettel/x\" } } } }",
      "" },
    { "{\"network\": { \"vpc\": { \"tag:Name\": \"dev\", \"state\": \"available\" } } }", "" },
    { "{\"network\": { \"vpc\": { \"tag:Name\": \"d*\" } } }",
      "network.vpc: this runner allows only {\"tag:Name\":\"dev\"} " WHERE "vpc)\n" },
    { "{\"network\": { \"vpc\": \"vpc-1\" } }",
      "network.vpc: this runner allows only {\"tag:Name\":\"dev\"} " WHERE "vpc)\n" },
    { "{" VPC "\"services\": { \"a\": { \"taskRole\": \"admin\" } } }",
      "services.a.taskRole: this runner does not let tasks have the role 'admin' " WHERE
      "roles)\n" },
    { "{" VPC "\"services\": { \"a\": { \"taskDefinition\": { \"taskRoleArn\":"
      " \"arn:aws:iam::1:role/ecs_x/admin\" } } } }",
      "services.a.taskDefinition.taskRoleArn: this runner does not let tasks have the role "
      "'arn:aws:iam::1:role/ecs_x/admin' " WHERE "roles)\n" },
    { "{" VPC "\"services\": { \"a\": { \"executionRole\": { \"${}\": \"${x.y}\" } } } }",
      "services.a.executionRole: this runner does not let tasks have the role '(known after "
      "apply)' " WHERE "roles)\n" },
    { "{" VPC "\"services\": { \"a\": { \"secrets\": {"
      "\"OK\": \"arn:aws:ssm:us-east-1:1:parameter/mettel/x\","
      "\"ALSO\": \"arn:aws:secretsmanager:us-east-1:1:secret:/mettel/x-AbCdEf:key::\","
      "\"BAD\": \"/other/x\","
      "\"WORSE\": \"arn:aws:ssm:us-east-1:1:parameter/other/x\" } } } }",
      "services.a.secrets.BAD: this runner does not let tasks read '/other/x' " WHERE "secrets)\n"
      "services.a.secrets.WORSE: this runner does not let tasks read "
      "'arn:aws:ssm:us-east-1:1:parameter/other/x' " WHERE "secrets)\n" },
    { "{" VPC "\"services\": { \"a\": { \"secrets\": { \"BAD\":"
      " \"arn:aws:secretsmanager:us-east-1:1:secret:prod-AbCdEf:parameter/mettel/x::\" } } } }",
      "services.a.secrets.BAD: this runner does not let tasks read "
      "'arn:aws:secretsmanager:us-east-1:1:secret:prod-AbCdEf:parameter/mettel/x::' " WHERE
      "secrets)\n" },
    { "{" VPC "\"grafana\": { \"url\": \"https://x.a.net:3000/y\", \"administrator\": {"
      "\"password\": \"/mettel/x\" }, \"users\": [{ \"password\": \"/mettel/y\" }] } }",
      "" },
    { "{" VPC "\"grafana\": { \"url\": \"https://xa.net/.b.net\", \"administrator\": {"
      "\"password\": \"/other/x\" }, \"users\": [{ \"password\": \"/mettel/y\" },"
      "{ \"password\": \"/other/y\" }] } }",
      "grafana.administrator.password: this runner does not let tasks read '/other/x' " WHERE
      "secrets)\n"
      "grafana.users[1].password: this runner does not let tasks read '/other/y' " WHERE
      "secrets)\n"
      "grafana.url: this runner sends no passwords to 'xa.net', which is in none of the zones of "
      "the host config's projects.77.limits.ephemeral.zones\n" },
    { "{" VPC "\"roles\": { \"ecs_x\": {}, \"back.door\": {} } }",
      "roles.\"back.door\": this runner does not make a role of that name " WHERE "roles)\n" },
    { "{" VPC "\"services\": { \"a\": { \"desiredCount\": 9 },"
      "\"b\": { \"service\": { \"desiredCount\": -9 } } } }",
      "services: 9 tasks are wanted, this runner allows 3 " WHERE "maxTasks)\n" },
    { "{" VPC "\"services\": { \"a\": { \"taskDefinition\": { \"containerDefinitions\": ["
      "{ \"name\": \"a\", \"secrets\": [{ \"name\": \"S\", \"valueFrom\": \"/other/x\" }] }] } } } "
      "}",
      "services.a.taskDefinition.containerDefinitions[0].secrets[0].valueFrom: this runner does "
      "not let tasks read '/other/x' " WHERE "secrets)\n" },
    { "{" VPC "\"services\": { \"a\": { \"service\": { \"networkConfiguration\": {"
      "\"awsvpcConfiguration\": { \"subnets\": [\"subnet-1\"] } } } } } }",
      "services.a.service.networkConfiguration.awsvpcConfiguration.subnets: cannot be set: this "
      "runner allows only one VPC " WHERE "vpc), and these subnets might be another's; use "
      "'network.privateSubnets'\n" },
    { "{" VPC "\"services\": { \"a\": { \"service\": { \"deploymentConfiguration\": {"
      "\"lifecycleHooks\": [{ \"roleArn\": \"arn:aws:iam::1:role/admin\" }] },"
      "\"loadBalancers\": [{ \"advancedConfiguration\": { \"roleArn\":"
      " \"arn:aws:iam::1:role/ecs_x\" }, \"targetGroupArn\": \"arn:x\" }],"
      "\"serviceRegistries\": [] } } } }",
      "services.a.service.deploymentConfiguration.lifecycleHooks[0].roleArn: this runner does not "
      "let tasks have the role 'arn:aws:iam::1:role/admin' " WHERE "roles)\n"
      "services.a.service.loadBalancers: cannot be set: this runner has limits (the host config's "
      "projects.77.limits.ephemeral), and what is named here might be another environment's; use "
      "'loadBalancer'\n" },
    { "{" VPC "\"services\": { \"a\": {}, \"b\": { \"desiredCount\": null },"
      "\"c\": { \"desiredCount\": 0, \"service\": { \"desiredCount\": 2 } } } }",
      "services: 4 tasks are wanted, this runner allows 3 " WHERE "maxTasks)\n" },
    { "{" VPC "\"records\": { \"in\": { \"name\": \"8527fec8.a.net\" },"
      "\"deep\": { \"name\": \"x.y.A.net.\" }, \"glob\": { \"name\": \"8527fec8.c.b.net\" } } }",
      "" },
    { "{" VPC "\"records\": { \"out\": { \"name\": \"8527fec8.evil-a.net\" },"
      "\"sub\": { \"name\": \"x.y.a.net\", \"zone\": \"y.a.net\" },"
      "\"top\": { \"name\": \"8527fec8.b.net\" },"
      "\"late\": { \"name\": { \"${}\": \"${x.y}\" } } } }",
      "records.out.name: this runner makes no records in the hosted zone 'evil-a.net' " WHERE
      "zones)\n"
      "records.sub.zone: this runner makes no records in the hosted zone 'y.a.net' " WHERE
      "zones)\n"
      "records.top.name: this runner makes no records in the hosted zone 'b.net' " WHERE "zones)\n"
      "records.late.name: this runner makes no records in the hosted zone '(known after "
      "apply)' " WHERE "zones)\n" },
};

static void says(const char *text, const char *limited, const char *expected)
{
    _cleanup_json_ cJSON *limits = NULL;
    _cleanup_json_ cJSON *spec = NULL;
    _cleanup_err_ struct err err = ERR_INIT;
    if ((limited != NULL && json_parse(limited, strlen(limited), JSON_PLAIN, &limits, &err) < 0) ||
        json_parse(text, strlen(text), JSON_PLAIN, &spec, &err) < 0)
        fail_msg("%s: %s", text, err.message);
    _cleanup_problems_ struct schema_problems problems = SCHEMA_PROBLEMS_INIT;
    limits_check(spec, limits, "projects.77.limits.ephemeral", "8527fec8", &problems);
    _cleanup_strbuf_ struct strbuf said = STRBUF_INIT;
    for (size_t j = 0; j < problems.n; j++)
        strbuf_addf(&said, "%s: %s\n", problems.v[j].path, problems.v[j].message);
    assert_string_equal(said.buf, expected);
}

/* A capability is nobody's unless the administrator gives it. */
static void stacks_are_limited(void **state)
{
    (void)state;
    static const char iam[] =
        "{\"stacks\":{\"a\":{\"template\":\"t\",\"capabilities\":[\"CAPABILITY_IAM\"]}}}";
    static const char refused[] =
        "stacks.a.capabilities[0]: this runner's stacks may not use 'CAPABILITY_IAM': the host's "
        "administrator may add it to the host config's "
        "projects.77.limits.ephemeral.stackCapabilities\n";
    static const char shared[] = "{\"stacks\":{\"a\":{\"shared\":\"team-topic\"}}}";
    says(iam, NULL, refused);
    says(iam, "{}", refused);
    says(iam, "{\"stackCapabilities\":[\"CAPABILITY_IAM\"]}", "");
    says(iam, "{\"stackCapabilities\":[\"CAPABILITY_IAM\"],\"stackResources\":[]}",
         "stacks.a.template: this runner makes no stacks from a repository's templates (the host "
         "config's projects.77.limits.ephemeral.stackResources is empty); use 'builtin' or "
         "'shared'\n");
    says(shared, "{\"stackResources\":[]}", "");
    says(shared, "{\"sharedStacks\":[\"team-*\"]}", "");
    says(shared, "{\"sharedStacks\":[\"other-*\"]}",
         "stacks.a.shared: this runner does not let specs use the outputs of stack "
         "'team-topic' " WHERE "sharedStacks)\n");
}

static void test_limits(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        says(cases[i].spec, limits_json, cases[i].problems);
        says(cases[i].spec, NULL, ""); /* without limits there are none */
    }
}

/* What an ARN is of is what stands before AWS's own six characters, all of it. */
static void a_longer_name_is_another_secret(void **state)
{
    (void)state;
    static const struct {
        const char *limit, *value;
        bool allowed;
    } rows[] = {
#define SECRET(name) "arn:aws:secretsmanager:us-east-1:1:secret:" name
        { "/mettel/db", SECRET("/mettel/db"), true },
        { "/mettel/db", SECRET("/mettel/db-AbCd3f"), true },
        { "/mettel/db", SECRET("/mettel/db-AbCd3f:key:AWSCURRENT:"), true },
        { "/mettel/db", SECRET("/mettel/db-old-AbCd3f"), false },
        { "/mettel/db", SECRET("/mettel/db-AbCd3f-AbCd3f"), false },
        { "/mettel/db", SECRET("/mettel/db-a/bcde"), false },
        { "/mettel/db", SECRET("/mettel/db-old_db"), false },
        { "/mettel/db", SECRET("/mettel/db-AbCd3"), false },
        { "/mettel/db", SECRET("/mettel/db-AbCd3fg"), false },
        { "/mettel/db", SECRET("/mettel/dbx-AbCd3f"), false },
        { "/mettel/db", SECRET("-AbCd3f"), false },
        { "/mettel/db", "arn:aws:ssm:us-east-1:1:parameter/mettel/db-AbCd3f", false },
        { "/mettel/db", "/mettel/db-AbCd3f", false },
        { "*/db", SECRET("x/db-AbCd3f:/db::"), true },
        { "*/db", SECRET("x:/db::"), false },
        { SECRET("/mettel/db-AbCd3f"), SECRET("/mettel/db-AbCd3f:key::"), true },
        { SECRET("/mettel/db-AbCd3f"), SECRET("/mettel/db-AbCd3g"), false },
        { SECRET("/mettel/db-AbCd3f"), SECRET("/mettel/db"), false },
        { SECRET("/mettel/*"), "arn:aws:secretsmanager:us-east-1:2:secret:/mettel/db", false },
        { "arn:aws:ssm:us-east-1:1:parameter/mettel/*",
          "arn:aws:ssm:us-east-1:1:parameter/mettel/x", true },
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        _cleanup_json_ cJSON *limits = cJSON_CreateObject(), *spec = cJSON_CreateObject();
        json_push_str(json_put_array(limits, "secrets"), rows[i].limit);
        json_put_str(json_put_object(spec, "redis"), "authToken", rows[i].value);
        _cleanup_problems_ struct schema_problems problems = SCHEMA_PROBLEMS_INIT;
        limits_check(spec, limits, "x", "8527fec8", &problems);
        if ((problems.n == 0) != rows[i].allowed)
            fail_msg("'%s' and '%s'", rows[i].limit, rows[i].value);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limits),
        cmocka_unit_test(stacks_are_limited),
        cmocka_unit_test(a_longer_name_is_another_secret),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
