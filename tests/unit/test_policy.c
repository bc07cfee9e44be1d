/* SPDX-License-Identifier: MIT */
/* The policies that are made of a spec and of what its drivers ask of IAM. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <unistd.h>

#include "executor/base/file.h"
#include "executor/engine/policy.h"
#include "executor/iampolicy.h"

static char directory[64];
static int checkout = -1;
static struct hostconfig host;

#define HOST                                                                                       \
    "{\"projects\":{\"77\":{\"prefix\":\"automation\","                                            \
    "\"production\":{\"refs\":[\"master\",\"hotfix\"],\"region\":\"us-gov-west-1\"},"              \
    "\"ephemeral\":{\"refs\":[\"dev/*\"],\"region\":\"us-east-1\","                                \
    "\"roleArn\":\"arn:aws:iam::123456789012:role/berth\"}}}}"

static int set_up(void **state)
{
    (void)state;
    _cleanup_err_ struct err err = ERR_INIT;
    strcpy(directory, "/tmp/berth-test-policy-XXXXXX");
    if (mkdtemp(directory) == NULL)
        return -1;
    host = (struct hostconfig){ .path = xstrdup("berth.json"), .dir = xstrdup(directory) };
    checkout = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return checkout < 0 || mkdirat(checkout, ".berth", 0700) < 0 ||
           json_parse(HOST, strlen(HOST), 0, &host.json, &err) < 0;
}

static int tear_down(void **state)
{
    (void)state;
    hostconfig_release(&host);
    unlinkat(checkout, ".berth/environment.json", 0);
    unlinkat(checkout, ".berth", AT_REMOVEDIR);
    close(checkout);
    return rmdir(directory);
}

static void make_for(const char *purpose, const char *spec, const char *kind, struct iampolicy *ret)
{
    _cleanup_err_ struct err err = ERR_INIT;
    const struct strlist vars = STRLIST_INIT;
    const struct iampolicy_request q = {
        .host = &host,
        .project = 77,
        .checkout = checkout,
        .kind = kind,
        .purpose = purpose,
        .vars = &vars,
    };
    if (file_write_beneath(checkout, ".berth/environment.json", spec, strlen(spec), 0600, &err) <
            0 ||
        iampolicy_make(&q, ret, &err) < 0)
        fail_msg("%s", err.message);
}

static void make(const char *spec, const char *kind, struct iampolicy *ret)
{
    make_for(NULL, spec, kind, ret);
}

static const cJSON *statement(const struct iampolicy *p, const char *sid)
{
    const cJSON *document;
    cJSON_ArrayForEach (document, p->documents) {
        const cJSON *found = json_find(json_get(document, "Statement"), "Sid", sid);
        if (found != NULL)
            return found;
    }
    return NULL;
}

static void assert_statement(const struct iampolicy *p, const char *sid, const char *text)
{
    _cleanup_err_ struct err err = ERR_INIT;
    _cleanup_json_ cJSON *expected = NULL;
    assert_int_equal(json_parse(text, strlen(text), 0, &expected, &err), 0);
    const cJSON *found = statement(p, sid);
    if (!json_equal(found, expected)) {
        _cleanup_free_ char *is = json_print(found);
        fail_msg("%s is %s", sid, is);
    }
}

#define SERVICE                                                                                    \
    "\"network\":{\"vpc\":\"vpc-1\",\"privateSubnets\":[\"subnet-1\"]},"                           \
    "\"services\":{\"a\":{\"image\":\"i\",\"cpu\":256,\"memory\":512,\"ports\":[80],"              \
    "\"executionRole\":\"run\",\"taskRole\":\"arn:aws:iam::210987654321:role/x/task\"}},"          \
    "\"roles\":{\"run\":{\"trust\":{\"Statement\":[]}},\"other\":{\"trust\":{\"Statement\":[]}}}"
#define OURS(which, who)                                                                           \
    "{\"StringEquals\":{\"aws:" which "/berth:project\":\"77\"},"                                  \
    "\"StringLike\":{\"aws:" which "/Environment\":" who "}}"

static void only_what_the_spec_has(void **state)
{
    (void)state;
    _cleanup_iampolicy_ struct iampolicy p = IAMPOLICY_INIT;
    make("{" SERVICE "}", "ephemeral", &p);
    assert_int_equal(json_count(p.documents), 2);
    assert_int_equal(p.warnings.n, 1);
    assert_non_null(strstr(p.warnings.v[0], "it takes 2 policies"));
    static const char *const absent[] = { "CacheCreate",    "CacheChange",  "CacheLinkedRole",
                                          "BalancerCreate", "RecordChange", "Repository" };
    for (size_t i = 0; i < ARRAY_SIZE(absent); i++)
        assert_null(statement(&p, absent[i]));
    assert_statement(&p, "TaskRole",
                     "{\"Sid\":\"TaskRole\",\"Effect\":\"Allow\",\"Action\":[\"iam:PassRole\"],"
                     "\"Resource\":[\"arn:aws:iam::123456789012:role/run\","
                     "\"arn:aws:iam::123456789012:role/x/task\"],\"Condition\":{\"StringEquals\":"
                     "{\"iam:PassedToService\":\"ecs-tasks.amazonaws.com\"}}}");
    assert_statement(&p, "FirewallVpc",
                     "{\"Sid\":\"FirewallVpc\",\"Effect\":\"Allow\",\"Action\":"
                     "[\"ec2:CreateSecurityGroup\"],"
                     "\"Resource\":\"arn:aws:ec2:us-east-1:123456789012:vpc/vpc-1\"}");
    assert_statement(&p, "FirewallChange",
                     "{\"Sid\":\"FirewallChange\",\"Effect\":\"Allow\",\"Action\":"
                     "[\"ec2:AuthorizeSecurityGroupIngress\",\"ec2:RevokeSecurityGroupIngress\","
                     "\"ec2:RevokeSecurityGroupEgress\",\"ec2:DeleteSecurityGroup\"],"
                     "\"Resource\":\"arn:aws:ec2:us-east-1:123456789012:security-group/*\","
                     "\"Condition\":" OURS("ResourceTag", "\"automation-????????\"") "}");
    assert_statement(&p, "StackLook",
                     "{\"Sid\":\"StackLook\",\"Effect\":\"Allow\",\"Action\":"
                     "[\"cloudformation:DescribeStacks\"],\"Resource\":"
                     "\"arn:aws:cloudformation:us-east-1:123456789012:"
                     "stack/*automation-????????*/*\"}");
    assert_true(json_array_has(json_get(statement(&p, "CacheLook"), "Action"),
                               "elasticache:DescribeCacheClusters"));
    assert_statement(&p, "Role",
                     "{\"Sid\":\"Role\",\"Effect\":\"Allow\",\"Action\":[\"iam:GetRole\","
                     "\"iam:CreateRole\"],\"Resource\":[\"arn:aws:iam::123456789012:role/run\","
                     "\"arn:aws:iam::123456789012:role/other\"]}");
}

/* Each log that a task writes to may be read where it is, and what containers of its name write
 * alone; a group of others is said. What would mean more in an ARN than itself is not in it. */
static void logs_where_tasks_write_to(void **state)
{
    (void)state;
    static const char *const options[] = {
        "\"awslogs-region\":\"eu-west-1\"",
        "\"awslogs-group\":\"/b/${SUBDOMAIN}\",\"awslogs-stream-prefix\":\"p\"",
        "\"awslogs-group\":\"*\"",
        "\"awslogs-region\":\"*\"",
        "\"awslogs-region\":\"*:*:*\"",
        "\"awslogs-region\":\"s3\"",
        "\"awslogs-group\":\"/prod/payments\",\"awslogs-stream-prefix\":\"web\"",
        "\"awslogs-group\":\"/prod/payments\",\"awslogs-stream-prefix\":\"\"",
    };
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    strbuf_adds(&text, "{\"network\":{\"vpc\":\"vpc-1\",\"privateSubnets\":[\"subnet-1\"]}");
    for (size_t i = 0; i < ARRAY_SIZE(options); i++)
        strbuf_addf(&text,
                    "%s\"%c\":{\"image\":\"i\",\"cpu\":256,\"memory\":512,"
                    "\"executionRole\":\"run\",\"taskDefinition\":{\"containerDefinitions\":["
                    "{\"name\":\"%c\",\"logConfiguration\":{\"options\":{%s}}}]}}",
                    i == 0 ? ",\"services\":{" : ",", (int)('a' + i), (int)('a' + i), options[i]);
    strbuf_adds(&text, "}}");
    _cleanup_iampolicy_ struct iampolicy p = IAMPOLICY_INIT;
    make(text.buf, "ephemeral", &p);
    assert_statement(&p, "LogRead",
                     "{\"Sid\":\"LogRead\",\"Effect\":\"Allow\",\"Action\":[\"logs:GetLogEvents\"],"
                     "\"Resource\":\"arn:aws:logs:us-east-1:123456789012:"
                     "log-group:automation-????????:log-stream:automation-????????"
                     "/*\"}");
    assert_statement(
        &p, "LogRead2",
        "{\"Sid\":\"LogRead2\",\"Effect\":\"Allow\",\"Action\":[\"logs:GetLogEvents\"],"
        "\"Resource\":[\"arn:aws:logs:eu-west-1:123456789012:"
        "log-group:automation-????????:log-stream:automation-????????"
        "/a/*\","
        "\"arn:aws:logs:us-east-1:123456789012:log-group:/b/????????:log-stream:p/b/*\","
        "\"arn:aws:logs:us-east-1:123456789012:log-group:/prod/payments:log-stream:web/g/*\","
        "\"arn:aws:logs:us-east-1:123456789012:log-group:/prod/payments:log-stream:/h/*\"]}");
    unsigned said = 0;
    for (size_t i = 0; i < p.warnings.n; i++)
        if (strstr(p.warnings.v[i], "which is not the environment's") != NULL) {
            assert_non_null(strstr(p.warnings.v[i], "'/prod/payments'"));
            said++;
        }
    assert_int_equal(said, 1);
}

/* Only its jobs change what is shared; each of its branches has one environment, known by name. */
static void production_is_another(void **state)
{
    (void)state;
    _cleanup_iampolicy_ struct iampolicy p = IAMPOLICY_INIT;
    make("{" SERVICE "}", "production", &p);
    assert_int_equal(p.warnings.n, 2);
    assert_non_null(strstr(p.warnings.v[0], "--account"));
    assert_non_null(strstr(p.warnings.v[1], "it takes 2 policies"));
    assert_true(json_array_has(json_get(statement(&p, "Role"), "Action"), "iam:UpdateRole"));
    assert_statement(
        &p, "ClusterCreate",
        "{\"Sid\":\"ClusterCreate\",\"Effect\":\"Allow\",\"Action\":"
        "[\"ecs:CreateCluster\",\"ecs:TagResource\",\"ecs:CreateService\","
        "\"ecs:RegisterTaskDefinition\"],\"Resource\":["
        "\"arn:aws-us-gov:ecs:us-gov-west-1:ACCOUNT:cluster/automation-master\","
        "\"arn:aws-us-gov:ecs:us-gov-west-1:ACCOUNT:cluster/automation-hotfix\","
        "\"arn:aws-us-gov:ecs:us-gov-west-1:ACCOUNT:service/automation-master/*\","
        "\"arn:aws-us-gov:ecs:us-gov-west-1:ACCOUNT:service/automation-hotfix/*\","
        "\"arn:aws-us-gov:ecs:us-gov-west-1:ACCOUNT:task-definition/"
        "automation-master-*:*\","
        "\"arn:aws-us-gov:ecs:us-gov-west-1:ACCOUNT:task-definition/automation-hotfix-*:*\""
        "],\"Condition\":" OURS("RequestTag", "[\"automation-master\",\"automation-hotfix\"]") "}");
}

/* Names outside of an environment's own part of a zone are named one by one, as IAM has them. */
static void records_by_name(void **state)
{
    (void)state;
    _cleanup_iampolicy_ struct iampolicy p = IAMPOLICY_INIT;
    make("{" SERVICE ",\"records\":{"
         "\"inside\":{\"name\":\"x.${SUBDOMAIN}.example.net\",\"zone\":\"example.net\",\"type\":"
         "\"A\","
         "\"values\":[\"192.0.2.1\"]},"
         "\"outside\":{\"name\":\"*.example.net\",\"zone\":\"example.net\",\"type\":\"A\","
         "\"values\":[\"192.0.2.1\"]}}}",
         "production", &p);
    _cleanup_free_ char *names = json_print(
        json_get(json_at(statement(&p, "RecordChange"), "Condition/ForAllValues:StringLike"),
                 "route53:ChangeResourceRecordSetsNormalizedRecordNames"));
    assert_string_equal(names, "[\"master.example.net\",\"*.master.example.net\","
                               "\"\\\\052.example.net\",\"hotfix.example.net\","
                               "\"*.hotfix.example.net\"]");
}

/* What does not fit into one policy is more of them, and a statement too large is two. */
static void policies_fit(void **state)
{
    (void)state;
    static const char long_text[] =
        "12345678901234567890123456789012345678901234567890123456789012";
    _cleanup_json_ cJSON *statements = cJSON_CreateArray();
    for (size_t i = 0; i < 5; i++) {
        cJSON *one = json_push(statements, cJSON_CreateObject());
        json_put_strf(one, "Sid", "S%zu", i);
        cJSON *resources = json_put_array(one, "Resource");
        for (size_t j = 0; j < (i == 2 ? 200 : 50); j++)
            json_put_str(json_push(resources, cJSON_CreateObject()), "r", long_text);
    }
    _cleanup_json_ cJSON *documents = policy_documents(statements);
    const cJSON *document, *one;
    size_t resources = 0;
    cJSON_ArrayForEach (document, documents) {
        assert_in_range(policy_size(document), 1, POLICY_MAX);
        cJSON_ArrayForEach (one, json_get(document, "Statement"))
            resources += json_count(json_get(one, "Resource"));
    }
    assert_int_equal(resources, 4 * 50 + 200);
    /* Four of one statement each, and the large one in four. */
    assert_int_equal(json_count(documents), 8);
    assert_non_null(json_find(json_at(documents, "2/Statement"), "Sid", "S2AA"));
}

/* "????????" stands for any eight characters. */
static void production_that_looks_like_a_branch_is_said(void **state)
{
    (void)state;
    static const struct {
        const char *ref;
        bool said;
    } cases[] = { { "mainline", true },    { "master", false }, { "releases-*", false },
                  { "v*", true },          { "v/*", false },    { "cafebabe", false },
                  { "\xe2\x98\x83", true } };
    cJSON *refs = json_at(host.json, "projects/77/production/refs");
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_iampolicy_ struct iampolicy p = IAMPOLICY_INIT;
        json_push_str(refs, cases[i].ref);
        make("{" SERVICE "}", "ephemeral", &p);
        bool said = false;
        for (size_t j = 0; j < p.warnings.n; j++)
            said = said || strstr(p.warnings.v[j], cases[i].ref) != NULL;
        assert_true(said == cases[i].said);
        cJSON_DeleteItemFromArray(refs, (int)json_count(refs) - 1);
    }
}

/* Somebody has pushed the spec that an administrator prints the policy of. */
static void a_spec_brings_no_wildcards(void **state)
{
    (void)state;
    static const char *const roles[] = { "*", "r?n", "arn:aws:iam::210987654321:role/*",
                                         "arn:aws:iam::210987654321:role/$${aws:username}" };
    for (size_t i = 0; i < ARRAY_SIZE(roles); i++) {
        _cleanup_iampolicy_ struct iampolicy p = IAMPOLICY_INIT;
        _cleanup_free_ char *spec =
            xasprintf("{\"network\":{\"vpc\":\"vpc-1\",\"privateSubnets\":[\"subnet-1\"]},"
                      "\"services\":{\"a\":{\"image\":\"i\",\"cpu\":256,\"memory\":512,"
                      "\"executionRole\":\"run\",\"taskRole\":\"%s\",\"secrets\":{\"S\":"
                      "\"arn:aws:secretsmanager:us-east-1:210987654321:secret:*\"}}},"
                      "\"roles\":{\"run\":{\"trust\":{\"Statement\":[]}}}}",
                      roles[i]);
        make(spec, "ephemeral", &p);
        assert_string_equal(json_str(statement(&p, "TaskRole"), "Resource"),
                            "arn:aws:iam::123456789012:role/run");
        assert_null(statement(&p, "TaskSecret"));
        assert_null(statement(&p, "TaskRoleLook"));
    }
}

/* Only who removes may remove, and only who adopts may tag what is nobody's. */
static void commands_ask_less_than_jobs(void **state)
{
    (void)state;
    static const struct {
        const char *purpose, *kind;
        bool removes, creates, adopts;
    } cases[] = {
        { "jobs", "ephemeral", true, true, false },
        { "list", "ephemeral", false, false, false },
        { "sweep", "ephemeral", true, false, false },
        { "sweep", "production", false, false, false },
        { "adopt", "ephemeral", false, false, true },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_iampolicy_ struct iampolicy p = IAMPOLICY_INIT;
        make_for(cases[i].purpose, "{" SERVICE "}", cases[i].kind, &p);
        const cJSON *change = json_get(statement(&p, "ClusterChange"), "Action");
        const cJSON *create = json_get(statement(&p, "ClusterCreate"), "Action");
        assert_int_equal(json_array_has(change, "ecs:DeleteService"), cases[i].removes);
        assert_int_equal(json_array_has(create, "ecs:CreateService"), cases[i].creates);
        assert_int_equal(json_array_has(create, "ecs:TagResource"),
                         cases[i].creates || cases[i].adopts);
        assert_int_equal(statement(&p, "FirewallAdopt") != NULL, cases[i].adopts);
        assert_true(json_array_has(json_get(statement(&p, "Look"), "Action"), "tag:GetResources"));
    }
}

static void kinds_are_checked(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        { NULL, "project 77 has environments of two kinds, each with a policy of its own: say "
                "which with '--kind production' or '--kind ephemeral'" },
        { "staging", "there is no kind 'staging': 'production' or 'ephemeral'" },
        { "ephemeral", "there is no policy for 'lists': 'jobs', 'list', 'sweep' or 'adopt'",
          "lists" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_err_ struct err err = ERR_INIT;
        _cleanup_iampolicy_ struct iampolicy p = IAMPOLICY_INIT;
        const struct strlist vars = STRLIST_INIT;
        const struct iampolicy_request q = {
            .host = &host,
            .project = 77,
            .checkout = checkout,
            .kind = cases[i][0],
            .purpose = cases[i][2],
            .vars = &vars,
        };
        assert_int_equal(iampolicy_make(&q, &p, &err), -1);
        assert_string_equal(err.message, cases[i][1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_the_spec_has),
        cmocka_unit_test(logs_where_tasks_write_to),
        cmocka_unit_test(production_is_another),
        cmocka_unit_test(records_by_name),
        cmocka_unit_test(policies_fit),
        cmocka_unit_test(production_that_looks_like_a_branch_is_said),
        cmocka_unit_test(a_spec_brings_no_wildcards),
        cmocka_unit_test(commands_ask_less_than_jobs),
        cmocka_unit_test(kinds_are_checked),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
