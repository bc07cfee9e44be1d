/* SPDX-License-Identifier: MIT */
#include "tests/unit/awsscript.h"

#include <setjmp.h>
#include <cmocka.h>

#include "drivers/iam.h"

static cJSON *normal(const char *text)
{
    struct err err = ERR_INIT;
    cJSON *document = NULL;
    assert_int_equal(policy_parse(text, &document, &err), 0);
    policy_normalise(document);
    return document;
}

static void policies_that_mean_the_same_are_equal(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        bool equal;
    } cases[] = {
        { "{\"Statement\":{\"Action\":\"a\"}}", "{\"Statement\":[{\"Action\":[\"a\"]}]}", true },
        { "{\"Statement\":[{\"Action\":[\"b\",\"a\"]}]}",
          "{\"Statement\":[{\"Action\":[\"a\",\"b\"]}]}", true },
        { "{\"Statement\":[{\"Principal\":{\"Service\":[\"x\"]}}]}",
          "{\"Statement\":[{\"Principal\":{\"Service\":\"x\"}}]}", true },
        { "%7B%22Statement%22%3A%5B%7B%22Resource%22%3A%22%2A%22%7D%5D%7D",
          "{\"Statement\":[{\"Resource\":\"*\"}]}", true },
        { "{\"Statement\":[{\"Condition\":{\"StringLike\":{\"k\":[\"v\"]}}}]}",
          "{\"Statement\":[{\"Condition\":{\"StringLike\":{\"k\":\"v\"}}}]}", true },
        { "{\"Statement\":[{\"Principal\":{\"AWS\":\"arn:aws:iam::123456789012:root\"}}]}",
          "{\"Statement\":[{\"Principal\":{\"AWS\":[\"123456789012\"]}}]}", true },
        { "{\"Statement\":[{\"Principal\":{\"AWS\":\"arn:aws:iam::123456789012:role/root\"}}]}",
          "{\"Statement\":[{\"Principal\":{\"AWS\":[\"123456789012\"]}}]}", false },
        { "{\"Statement\":[{\"Action\":\"a\"}]}", "{\"Statement\":[{\"Action\":\"b\"}]}", false },
        { "{\"Statement\":[{\"Sid\":\"1\"},{\"Sid\":\"2\"}]}",
          "{\"Statement\":[{\"Sid\":\"2\"},{\"Sid\":\"1\"}]}", false },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_json_ cJSON *a = normal(cases[i].a);
        _cleanup_json_ cJSON *b = normal(cases[i].b);
        if (json_equal(a, b) != cases[i].equal)
            fail_msg("case %zu", i);
    }
}

static void a_role_and_its_policy_are_read(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        { .call = "iam:GetRole",
          .answer = "{\"Role\":{\"RoleName\":\"exec\",\"Arn\":\"arn:r\",\"Path\":\"/\","
                    "\"AssumeRolePolicyDocument\":\"%7B%22Statement%22%3A%20%5B%5D%7D\"}}" },
        { .call = "iam:GetRolePolicy",
          .answer = "{\"RoleName\":\"exec\",\"PolicyName\":\"p\",\"PolicyDocument\":"
                    "\"%7B%22Statement%22%3A%5B%7B%22Action%22%3A%22a%22%7D%5D%7D\"}" },
        { .call = "iam:PutRolePolicy", .answer = "{}" },
        { 0 },
    };
    struct script t;
    script_open(&t, script_spec, rows);
    script_observe(&t, "iam.role/exec");
    const struct resource *role = script_target(&t, "iam.role/exec");
    assert_true(json_equal(role->have, role->target));
    assert_string_equal(json_str(role->outputs, "Arn"), "arn:r");
    script_observe(&t, "iam.role_policy/exec/p");
    struct resource *policy = script_target(&t, "iam.role_policy/exec/p");
    assert_false(json_equal(policy->have, policy->target));
    assert_int_equal(policy->type->update(t.s, policy, &t.err), 0);
    assert_json(script_input(&t, "iam:PutRolePolicy", 0),
                "{\"RoleName\":\"exec\",\"PolicyName\":\"p\",\"PolicyDocument\":"
                "\"{\\\"Statement\\\":[]}\"}");
    script_close(&t);
}

static void without_its_role_a_policy_is_not_looked_for(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        { .call = "iam:GetRole", .class = ERR_NOT_FOUND, .code = "NoSuchEntity" },
        { .call = "iam:CreateRole", .class = ERR_EXISTS, .code = "EntityAlreadyExists" },
        { 0 },
    };
    struct script t;
    script_open(&t, script_spec, rows);
    script_observe(&t, "iam.role/exec");
    script_observe(&t, "iam.role_policy/exec/p");
    assert_null(script_resource(&t, "iam.role_policy/exec/p")->have);
    /* A racing job's role: the engine looks again. */
    struct resource *role = script_target(&t, "iam.role/exec");
    assert_int_equal(role->type->create(t.s, role, &t.err), -1);
    assert_int_equal(t.err.class, ERR_EXISTS);
    script_close(&t);
}

/* UpdateRole sets the session's length back unless it is told it again. */
static void a_changed_description_leaves_the_session_alone(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        { .call = "iam:GetRole",
          .answer = "{\"Role\":{\"RoleName\":\"exec\",\"Arn\":\"arn:r\",\"Description\":\"old\","
                    "\"MaxSessionDuration\":7200,"
                    "\"AssumeRolePolicyDocument\":\"%7B%22Statement%22%3A%20%5B%5D%7D\"}}" },
        { .call = "iam:UpdateRole", .answer = "{}" },
        { 0 },
    };
    struct script t;
    script_open(&t, script_spec, rows);
    script_observe(&t, "iam.role/exec");
    struct resource *role = script_target(&t, "iam.role/exec");
    json_put_str(role->target, "Description", "new");
    assert_int_equal(role->type->update(t.s, role, &t.err), 0);
    assert_json(script_input(&t, "iam:UpdateRole", 0),
                "{\"RoleName\":\"exec\",\"Description\":\"new\",\"MaxSessionDuration\":7200}");
    script_close(&t);
}

static void a_document_that_cannot_be_read_is_the_users(void **state)
{
    (void)state;
    _cleanup_free_ char *message =
        script_refused("{\"network\":{\"vpc\":\"vpc-1\"},\"services\":{},\"roles\":{\"r.x\":{"
                       "\"trust\":\"none.json\"}}}");
    assert_non_null(message);
    assert_true(str_starts(message, "roles.\"r.x\".trust: "));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(policies_that_mean_the_same_are_equal),
        cmocka_unit_test(a_role_and_its_policy_are_read),
        cmocka_unit_test(without_its_role_a_policy_is_not_looked_for),
        cmocka_unit_test(a_changed_description_leaves_the_session_alone),
        cmocka_unit_test(a_document_that_cannot_be_read_is_the_users),
    };
    return cmocka_run_group_tests_name("iam", tests, NULL, NULL);
}
