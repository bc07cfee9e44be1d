/* SPDX-License-Identifier: MIT */
#include "tests/unit/awsscript.h"

#include <setjmp.h>
#include <cmocka.h>

#include "drivers/ecs_secrets.h"
#include "drivers/iam_access.h"
#include "drivers/iam_preflight.h"

#define DEFINITION "ecs.task_definition/api"
#define SIMULATE   "iam:SimulatePrincipalPolicy"
#define ROLE       "arn:aws:iam::123456789012:role/exec"

/* A task definition that a plan makes, with one secret. */
static void want_secret(struct script *t, const char *value)
{
    struct resource *r = script_target(t, DEFINITION);
    r->action = ACTION_CREATE;
    cJSON *secret = json_at(r->target, "containerDefinitions/0/secrets/0");
    json_put_str(secret, "valueFrom", value);
}

/* A variable that is empty, a slip in an ARN: there is no name that AWS could be asked for. */
static void a_secret_without_a_name_is_neither(void **state)
{
    (void)state;
    static const char *const values[] = { "",
                                          ":1",
                                          "arn:aws:ssm:us-east-1:123456789012:parameter",
                                          "arn:aws:ssm:us-east-1:123456789012:parameter/",
                                          "arn:aws:ssm:us-east-1:123456789012:parameter:2",
                                          "arn:aws:secretsmanager:us-east-1:123456789012:secret:",
                                          "arn:aws:ssm:",
                                          "arn:",
                                          "/" };
    for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
        static const struct script_row none[] = { { .call = NULL } };
        struct script t;
        script_open(&t, script_spec, none);
        want_secret(&t, values[i]);
        struct preflight p = { .session = t.s, .g = t.g, .problems = ERR_INIT };
        ecs_secrets_preflight(&p);
        _cleanup_free_ char *expected = xasprintf(
            "services.api.secrets.S: '%s' is neither a parameter of SSM nor a secret of Secrets "
            "Manager; name one by its ARN",
            values[i]);
        assert_non_null(p.problems.message);
        assert_string_equal(p.problems.message, expected);
        err_release(&p.problems);
        script_close(&t);
    }
}

#define FOUND "[{\"Name\":\"/mettel/s\",\"Version\":1}]"

/* Others may have given it rights that only IAM knows of. */
static void a_role_that_is_there_may_have_other_policies(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        { "ssm:DescribeParameters", "{\"Parameters\":" FOUND "}", 0, 0, 0 },
        { SIMULATE, NULL, ERR_DENIED, "AccessDenied", "you may not" },
        { .call = NULL }
    };
    for (int there = 0; there < 2; there++) {
        struct script t;
        script_open(&t, script_spec, rows);
        want_secret(&t, "/mettel/s");
        if (there) {
            struct resource *role = script_resource(&t, "iam.role/exec");
            resource_set_have(role, json_dup(role->want));
        }
        struct preflight p = { .session = t.s, .g = t.g, .problems = ERR_INIT };
        ecs_secrets_preflight(&p);
        assert_int_equal(p.problems.class, there ? ERR_NONE : ERR_USER);
        assert_int_equal(t.g->warnings.n, there ? 2 : 0);
        if (there)
            assert_non_null(strstr(t.g->warnings.v[1],
                                   "no policy that the spec declares for the role 'exec' allows "
                                   "'ssm:GetParameters' on 'arn:aws:ssm:"));
        err_release(&p.problems);
        script_close(&t);
    }
}

/* What IAM takes an empty list for, nobody says. */
static void a_question_without_policies_has_no_list_of_them(void **state)
{
    (void)state;
    static const struct script_row rows[] = { { SIMULATE, "{\"EvaluationResults\":[]}", 0, 0, 0 },
                                              { .call = NULL } };
    struct script t;
    script_open(&t, script_spec, rows);
    _cleanup_json_ cJSON *resources = cJSON_CreateArray(), *none = cJSON_CreateArray();
    _cleanup_json_ cJSON *denied = NULL;
    json_push_str(resources, "arn:aws:ssm:us-east-1:123456789012:parameter/x");
    const struct iam_question question = {
        .principal = ROLE, .action = "ssm:GetParameters", .resources = resources, .documents = none
    };
    assert_int_equal(iam_simulate(t.s, &question, &denied, &t.err), 0);
    assert_null(json_get(script_input(&t, SIMULATE, 0), "PolicyInputList"));
    script_close(&t);
}

/* What is wrong with a role that trusts this, in a plan of one changed task definition; NULL:
 * nothing. The caller frees it. */
static char *wrong_with(const char *trust, const char *principal)
{
    _cleanup_free_ char *identity =
        xasprintf("{\"Account\":\"123456789012\",\"Arn\":\"%s\",\"UserId\":\"x\"}", principal);
    const struct script_row rows[] = { { "sts:GetCallerIdentity", identity, 0, 0, 0 },
                                       { SIMULATE, "{\"EvaluationResults\":[]}", 0, 0, 0 },
                                       { .call = NULL } };
    struct script t;
    script_open(&t, script_spec, rows);
    struct resource *r = script_target(&t, DEFINITION),
                    *role = script_resource(&t, "iam.role/exec");
    r->action = ACTION_UPDATE;
    _cleanup_err_ struct err err = ERR_INIT;
    cJSON *document = NULL;
    assert_int_equal(json_parse(trust, strlen(trust), JSON_PLAIN, &document, &err), 0);
    json_put(role->want, "AssumeRolePolicyDocument", document);
    role->action = ACTION_CREATE;
    struct preflight p = { .session = t.s, .g = t.g, .problems = ERR_INIT };
    iam_roles_preflight(&p);
    if (strstr(principal, ":federated-user/") != NULL)
        assert_int_equal(script_count(&t, SIMULATE), 0);
    script_close(&t);
    return p.problems.message;
}

#define USER "arn:aws:iam::123456789012:user/berth"
#define TRUST(act)                                                                                 \
    "{\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"Service\":\"ecs-tasks"                 \
    ".amazonaws.com\"}," act "}]}"

static void trust_is_read_as_iam_reads_it(void **state)
{
    (void)state;
    static const struct {
        const char *trust;
        bool trusted;
    } rows[] = {
        { TRUST("\"Action\":\"sts:AssumeRole\""), true },
        { TRUST("\"Action\":\"STS:assumerole\""), true },
        { TRUST("\"Action\":\"sts:Assume*\""), true },
        { TRUST("\"Action\":[\"sts:TagSession\",\"sts:*\"]"), true },
        { TRUST("\"NotAction\":\"sts:TagSession\""), true },
        { TRUST("\"NotAction\":\"sts:Assume*\""), false },
        { TRUST("\"Action\":\"sts:TagSession\""), false },
        { "{\"Statement\":[]}", false },
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        _cleanup_free_ char *wrong = wrong_with(rows[i].trust, USER);
        if (rows[i].trusted != (wrong == NULL))
            fail_msg("%s: %s", rows[i].trust, wrong != NULL ? wrong : "nothing is wrong");
    }
}

/* "The ARN of a user, group, or role": IAM simulates nothing else.
 * https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html */
static void only_users_and_roles_are_simulated(void **state)
{
    (void)state;
    _cleanup_free_ char *wrong = wrong_with(TRUST("\"Action\":\"sts:AssumeRole\""),
                                            "arn:aws:sts::123456789012:federated-user/someone");
    assert_null(wrong);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_secret_without_a_name_is_neither),
        cmocka_unit_test(a_role_that_is_there_may_have_other_policies),
        cmocka_unit_test(a_question_without_policies_has_no_list_of_them),
        cmocka_unit_test(trust_is_read_as_iam_reads_it),
        cmocka_unit_test(only_users_and_roles_are_simulated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
