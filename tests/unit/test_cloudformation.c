/* SPDX-License-Identifier: MIT */
#include "tests/unit/awsscript.h"

#include <setjmp.h>
#include <cmocka.h>

#include "drivers/cloudformation.h"

#define STACK   "cloudformation.stack/notifications"
#define NAME    "automation-8527fec8-notifications"
#define BUILTIN "{\"builtin\":\"sns-alarms\",\"parameters\":{\"OperatorEmail\":\"a@b.c\"}}"
#define ID      "arn:aws:cloudformation:us-east-1:123456789012:stack/" NAME "/1"
#define NESTED  "arn:aws:cloudformation:us-east-1:123456789012:stack/nested/2"
/* What DescribeStacks says of a stack in a state, with its tags and more. */
#define DESCRIBED(status, time, tags, more)                                                        \
    {                                                                                              \
        .call = "cloudformation:DescribeStacks",                                                   \
        .answer = "{\"Stacks\":[{\"StackName\":\"" NAME "\",\"StackId\":\"" ID                     \
                  "\",\"StackStatus\":\"" status "\",\"CreationTime\":1,\"LastUpdatedTime\":" time \
                  ",\"Tags\":" tags more "}]}"                                                     \
    }
#define ABSENT                                                                                     \
    {                                                                                              \
        .call = "cloudformation:DescribeStacks", .class = ERR_NOT_FOUND, .code = "ValidationError" \
    }
#define CREATED                                                                                    \
    {                                                                                              \
        .call = "cloudformation:CreateStack", .answer = "{\"StackId\":\"" ID "\"}"                 \
    }
#define EVENT(logical, physical, status, reason)                                                   \
    "{\"LogicalResourceId\":\"" logical "\",\"PhysicalResourceId\":\"" physical                    \
    "\",\"ResourceType\":\"T\",\"ResourceStatus\":\"" status                                       \
    "\",\"ResourceStatusReason\":\"" reason "\"}"
/* Newest first: a rollback after two failures, the second because of the first; before that another
 * operation, which failed too. */
#define EVENTS                                                                                     \
    { .call = "cloudformation:DescribeStackEvents",                                                \
      .answer = "{\"NextToken\":\"n\",\"StackEvents\":[" EVENT(                                    \
          NAME, ID, "ROLLBACK_FAILED", "rolled") "," EVENT("B", "b", "CREATE_FAILED",              \
                                                           "Resource creation cancelled") "]}" },  \
    {                                                                                              \
        .call = "cloudformation:DescribeStackEvents",                                              \
        .answer = "{\"StackEvents\":[" EVENT("C", "c", "CREATE_FAILED", "second") "," EVENT(       \
            "A", "a", "CREATE_FAILED",                                                             \
            "first") "," EVENT(NAME, ID, "UPDATE_IN_PROGRESS",                                     \
                               "User Initiated") "," EVENT("Z", "z", "CREATE_FAILED",              \
                                                           "long ago") "]}"                        \
    }

/* The spec with that stack; the caller frees it. */
static char *spec_with(const char *stack)
{
    _cleanup_free_ char *member = xasprintf("\"stacks\":{\"notifications\":%s}", stack);
    return script_spec_and(member);
}

static void open_with(struct script *t, const char *stack, const struct script_row *rows)
{
    _cleanup_free_ char *spec = spec_with(stack);
    script_open(t, spec, rows);
}

static void judged(const struct resource *r, enum readiness expected, const char *says)
{
    _cleanup_strbuf_ struct strbuf why = STRBUF_INIT;
    assert_int_equal(r->type->judge(r, &why), expected);
    if (strstr(why.buf, says) == NULL)
        fail_msg("says '%s', not '%s'", why.buf, says);
}

static void what_may_not_be_asked_for(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        { "{}", "needs one of 'template', 'builtin' and 'shared'" },
        { "{\"builtin\":\"sns-alarms\",\"template\":\"a\"}", "needs one of" },
        { "{\"builtin\":\"sns-alarms\",\"name\":\"1a\"}", "cannot be the name of a stack" },
        { "{\"builtin\":\"sns-alarms\",\"name\":\"a_b\"}", "cannot be the name of a stack" },
        { "{\"shared\":\"a\",\"name\":\"b\"}", "remove either 'shared' or 'name'" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        _cleanup_free_ char *spec = spec_with(rows[i][0]);
        _cleanup_free_ char *said = script_refused(spec);
        assert_non_null(said);
        if (!str_starts(said, "stacks.notifications") || strstr(said, rows[i][1]) == NULL)
            fail_msg("says '%s', not '%s'", said, rows[i][1]);
    }
}

static void states_are_what_aws_calls_them(void **state)
{
    (void)state;
    static const struct {
        const char *status;
        enum stack_state state;
    } rows[] = {
        { "CREATE_COMPLETE", STACK_GOOD },
        { "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", STACK_BUSY },
        { "UPDATE_ROLLBACK_COMPLETE", STACK_ROLLED_BACK },
        { "ROLLBACK_COMPLETE", STACK_NEVER_MADE },
        { "UPDATE_ROLLBACK_FAILED", STACK_STUCK },
        { "REVIEW_IN_PROGRESS", STACK_STUCK },
        { "DELETE_COMPLETE", STACK_GONE },
        { NULL, STACK_GONE },
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        assert_int_equal(stack_state(rows[i].status), rows[i].state);
}

/* Created with its tags, seen by its id until it is complete; then it says who must be asked. */
static void a_stack_is_made_and_awaited(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        ABSENT,
        CREATED,
        DESCRIBED("CREATE_IN_PROGRESS", "1", OUR_TAGS("Key", "Value"), ""),
        DESCRIBED("CREATE_COMPLETE", "1", OUR_TAGS("Key", "Value"),
                  ",\"Outputs\":[{\"OutputKey\":\"TopicARN\",\"OutputValue\":\"arn:aws:sns:x:1:t\""
                  "}]"),
        { .call = "sns:ListSubscriptionsByTopic",
          .answer = "{\"Subscriptions\":[{\"SubscriptionArn\":\"PendingConfirmation\",\"Endpoint\":"
                    "\"a@b.c\",\"Protocol\":\"email\"}]}" },
        { 0 },
    };
    struct script t;
    open_with(&t, BUILTIN, rows);
    script_observe(&t, STACK);
    struct resource *r = script_target(&t, STACK);
    assert_null(r->have);
    assert_int_equal(r->type->create(t.s, r, &t.err), 0);
    const cJSON *input = script_input(&t, "cloudformation:CreateStack", 0);
    assert_string_equal(json_str(input, "StackName"), NAME);
    assert_json(json_get(input, "Parameters"),
                "[{\"ParameterKey\":\"OperatorEmail\",\"ParameterValue\":\"a@b.c\"}]");
    assert_non_null(json_find(json_get(input, "Tags"), "Key", "Environment"));
    assert_non_null(json_find(json_get(input, "Tags"), "Key", STACK_TEMPLATE_TAG));
    assert_non_null(json_str(input, "ClientRequestToken"));
    judged(r, WAITING, "CREATE_IN_PROGRESS");
    script_observe(&t, STACK);
    judged(r, WAITING, "CREATE_IN_PROGRESS");
    assert_int_equal(t.g->warnings.n, 0);
    script_observe(&t, STACK);
    judged(r, READY, "");
    assert_string_equal(json_str(r->outputs, "TopicARN"), "arn:aws:sns:x:1:t");
    assert_int_equal(t.g->warnings.n, 1);
    assert_non_null(strstr(t.g->warnings.v[0], "nobody has confirmed the subscription of 'a@b.c'"));
    for (size_t i = 1; i < script_count(&t, "cloudformation:DescribeStacks"); i++)
        assert_string_equal(
            json_str(script_input(&t, "cloudformation:DescribeStacks", i), "StackName"), ID);
    script_close(&t);
}

static void what_fails_first_is_the_reason(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        ABSENT, CREATED, DESCRIBED("ROLLBACK_COMPLETE", "1", OUR_TAGS("Key", "Value"), ""),
        EVENTS, { 0 },
    };
    struct script t;
    open_with(&t, BUILTIN, rows);
    script_observe(&t, STACK);
    struct resource *r = script_target(&t, STACK);
    assert_int_equal(r->type->create(t.s, r, &t.err), 0);
    script_observe(&t, STACK);
    judged(r, FAILED,
           "ROLLBACK_COMPLETE: A (T) CREATE_FAILED: first; C (T) CREATE_FAILED: second; correct");
    assert_int_equal(script_count(&t, "cloudformation:DescribeStackEvents"), 2);
    script_close(&t);
}

/* What an earlier run could not make is deleted by its id before its name is used again. */
static void what_was_never_made_makes_way(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        DESCRIBED("ROLLBACK_COMPLETE", "1", OUR_TAGS("Key", "Value"), ""),
        DESCRIBED("DELETE_IN_PROGRESS", "1", OUR_TAGS("Key", "Value"), ""),
        DESCRIBED("DELETE_COMPLETE", "1", OUR_TAGS("Key", "Value"), ""),
        { .call = "cloudformation:DeleteStack", .answer = "{}" },
        CREATED,
        { 0 },
    };
    struct script t;
    open_with(&t, BUILTIN, rows);
    script_observe(&t, STACK);
    struct resource *r = script_target(&t, STACK);
    assert_null(r->have);
    assert_int_equal(r->type->create(t.s, r, &t.err), -1);
    assert_int_equal(t.err.class, ERR_BUSY);
    assert_string_equal(json_str(script_input(&t, "cloudformation:DeleteStack", 0), "StackName"),
                        ID);
    err_release(&t.err);
    assert_int_equal(r->type->create(t.s, r, &t.err), 0);
    assert_int_equal(script_count(&t, "cloudformation:DeleteStack"), 1);
    script_close(&t);
}

/* Somebody else deletes a stack of that name, and it fails: that is no leave to delete it. */
static void somebody_elses_stack_does_not_make_way(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        DESCRIBED("DELETE_IN_PROGRESS", "1", "[]", ""),
        DESCRIBED("DELETE_FAILED", "1", "[]", ""),
        EVENTS,
        { .call = "cloudformation:DeleteStack", .answer = "{}" },
        { 0 },
    };
    struct script t;
    open_with(&t, BUILTIN, rows);
    script_observe(&t, STACK);
    struct resource *r = script_target(&t, STACK);
    r->action = ACTION_CREATE;
    assert_int_equal(r->type->create(t.s, r, &t.err), -1);
    assert_int_equal(t.err.class, ERR_BUSY);
    err_release(&t.err);
    assert_int_equal(r->type->create(t.s, r, &t.err), -1);
    assert_int_equal(t.err.class, ERR_CONFLICT);
    assert_int_equal(script_count(&t, "cloudformation:DeleteStack"), 0);
    script_close(&t);
}

/* A stack within a stack has that one's tags, and goes with it. */
static void a_nested_stack_is_its_parents(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        { .call = "tagging:GetResources",
          .answer =
              "{\"ResourceTagMappingList\":[{\"Tags\":[]},{\"ResourceARN\":\"" NESTED "\"}]}" },
        { .call = "cloudformation:DescribeStacks",
          .answer = "{\"Stacks\":[{\"StackName\":\"nested\",\"StackId\":\"" NESTED
                    "\",\"StackStatus\":\"CREATE_COMPLETE\",\"ParentId\":\"" ID
                    "\",\"Tags\":" OUR_TAGS("Key", "Value") "}]}" },
        { 0 },
    };
    struct script t;
    open_with(&t, BUILTIN, rows);
    script_discover(&t, STACK);
    assert_null(graph_find_name(t.g, &cloudformation_stack_type, "nested"));
    script_close(&t);
}

/* Of a stack that is gone AWS knows the token still. */
static void a_token_that_is_used_up_is_made_another(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        ABSENT,
        { .call = "cloudformation:CreateStack",
          .class = ERR_EXISTS,
          .code = "TokenAlreadyExistsException" },
        CREATED,
        { 0 },
    };
    struct script t;
    open_with(&t, BUILTIN, rows);
    script_observe(&t, STACK);
    struct resource *r = script_target(&t, STACK);
    assert_int_equal(r->type->create(t.s, r, &t.err), 0);
    assert_string_not_equal(
        json_str(script_input(&t, "cloudformation:CreateStack", 0), "ClientRequestToken"),
        json_str(script_input(&t, "cloudformation:CreateStack", 1), "ClientRequestToken"));
    script_close(&t);
}

/* An update is over only when it has been seen; one that was rolled back has failed. */
static void an_update_is_awaited(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        DESCRIBED("CREATE_COMPLETE", "1", OUR_TAGS("Key", "Value"), ""),
        DESCRIBED("CREATE_COMPLETE", "1", OUR_TAGS("Key", "Value"), ""), /* from before */
        DESCRIBED("UPDATE_ROLLBACK_COMPLETE", "2", OUR_TAGS("Key", "Value"), ""),
        { .call = "cloudformation:UpdateStack", .answer = "{\"StackId\":\"" ID "\"}" },
        { .call = "cloudformation:GetTemplate", .answer = "{\"TemplateBody\":\"old\"}" },
        EVENTS,
        { 0 },
    };
    struct script t;
    open_with(&t, BUILTIN, rows);
    script_observe(&t, STACK);
    struct resource *r = script_target(&t, STACK);
    judged(r, READY, "");
    assert_string_not_equal(json_str(r->have, "Template"), json_str(r->want, "Template"));
    r->action = ACTION_UPDATE;
    assert_int_equal(r->type->update(t.s, r, &t.err), 0);
    assert_string_equal(json_str(script_input(&t, "cloudformation:UpdateStack", 0), "StackName"),
                        ID);
    script_observe(&t, STACK);
    judged(r, WAITING, "not visible yet");
    script_observe(&t, STACK);
    judged(r, FAILED, "UPDATE_ROLLBACK_COMPLETE: A (T) CREATE_FAILED: first");
    _cleanup_free_ char *old = stack_digest("old");
    assert_string_equal(json_str(r->have, "Template"), old);
    script_close(&t);
}

static void nothing_to_update_is_success(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        DESCRIBED("CREATE_COMPLETE", "1", OUR_TAGS("Key", "Value"), ""),
        { .call = "cloudformation:UpdateStack",
          .class = ERR_INVALID,
          .code = "ValidationError",
          .message = "No updates are to be performed." },
        { 0 },
    };
    struct script t;
    open_with(&t, BUILTIN, rows);
    script_observe(&t, STACK);
    struct resource *r = script_target(&t, STACK);
    r->action = ACTION_UPDATE;
    assert_int_equal(r->type->update(t.s, r, &t.err), 0);
    judged(r, READY, "");
    script_close(&t);
}

/* Hidden values are compared by the stack's tag; which there are, too. */
static void parameters_are_compared(void **state)
{
    (void)state;
    _cleanup_free_ char *digest = NULL;
    static const char tags[] =
        "{\"builtin\":\"sns-alarms\",\"parameters\":{\"L\":[\"a\",\"b\"],\"S\":\"x\"}}";
    struct script t;
    open_with(&t, tags, NULL);
    struct resource *r = script_resource(&t, STACK);
    const cJSON *wanted = json_get(r->want, "Parameters");
    assert_string_equal(json_str(r->want, "ParameterNames"), "L,S");
    digest = stack_parameters_digest(r->name, wanted);
    static const char text[] = "{\"StackId\":\"i\",\"Parameters\":["
                               "{\"ParameterKey\":\"L\",\"ParameterValue\":\"a,b\"},"
                               "{\"ParameterKey\":\"S\",\"ParameterValue\":\"****\"},"
                               "{\"ParameterKey\":\"D\",\"ParameterValue\":\"default\"}]}";
    _cleanup_json_ cJSON *stack = NULL;
    assert_int_equal(json_parse(text, strlen(text), JSON_PLAIN, &stack, &t.err), 0);
    r->tags = cJSON_CreateObject();
    json_put_str(r->tags, STACK_PARAMETERS_TAG, digest);
    stack_form(r, stack);
    assert_true(json_equal(json_get(r->have, "Parameters"), wanted));
    assert_string_equal(json_str(r->have, "ParameterNames"), "L,S");
    json_put_str(r->tags, STACK_PARAMETERS_TAG, "0000000000000000-00000000");
    stack_form(r, stack);
    assert_string_equal(json_str_at(r->have, "Parameters/S"), "****");
    assert_string_equal(json_str(r->have, "ParameterNames"), "(others)");
    script_close(&t);
}

static void a_protected_stack_is_not_deleted(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        DESCRIBED("CREATE_COMPLETE", "1", OUR_TAGS("Key", "Value"),
                  ",\"EnableTerminationProtection\":true"),
        { 0 },
    };
    struct script t;
    open_with(&t, BUILTIN, rows);
    script_observe(&t, STACK);
    struct resource *r = script_target(&t, STACK);
    assert_int_equal(r->type->remove(t.s, r, &t.err), -1);
    assert_int_equal(t.err.class, ERR_USER);
    script_close(&t);
}

static void a_shared_stack_is_looked_up(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        { .call = "cloudformation:DescribeStacks",
          .answer = "{\"Stacks\":[{\"StackId\":\"i\",\"StackStatus\":\"CREATE_COMPLETE\","
                    "\"Outputs\":[{\"OutputKey\":\"O\",\"OutputValue\":\"v\"}]}]}" },
        ABSENT,
        { .call = "cloudformation:DescribeStacks",
          .answer = "{\"Stacks\":[{\"StackId\":\"i\",\"StackStatus\":\"DELETE_IN_PROGRESS\","
                    "\"Outputs\":[{\"OutputKey\":\"O\",\"OutputValue\":\"v\"}]}]}" },
        { 0 },
    };
    struct script t;
    open_with(&t, "{\"shared\":\"theirs\"}", rows);
    struct resource *r = script_resource(&t, "notifications");
    assert_int_equal(r->type->scope, SCOPE_LOOKUP);
    script_observe(&t, "notifications");
    assert_string_equal(json_str(r->outputs, "O"), "v");
    script_observe(&t, "notifications");
    assert_null(r->have);
    assert_non_null(strstr(json_str(r->memo, "missing"), "there is no stack 'theirs'"));
    script_observe(&t, "notifications");
    assert_null(r->have);
    assert_non_null(strstr(json_str(r->memo, "missing"), "in the state DELETE_IN_PROGRESS"));
    script_close(&t);
}

#define SUMMARY(name) "{\"StackName\":\"" name "\",\"StackId\":\"" ID "\"}"

/* The index of tags is late, and without a spec nothing tells names. */
static void a_teardown_finds_a_stack_that_has_only_just_been_made(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        { .call = "tagging:GetResources", .answer = "{\"ResourceTagMappingList\":[]}" },
        { .call = "cloudformation:ListStacks",
          .answer = "{\"StackSummaries\":[" SUMMARY("automation-8527fec") "," SUMMARY(
              NAME) "," SUMMARY("other") "]}" },
        DESCRIBED("ROLLBACK_COMPLETE", "2", OUR_TAGS("Key", "Value"), ""),
        EVENTS,
        { .call = "cloudformation:DeleteStack", .answer = "{}" },
        { 0 },
    };
    struct script t;
    script_open_teardown(&t, rows);
    script_find(&t, "cloudformation.stack");
    assert_int_equal(t.g->n, 1);
    struct resource *r = t.g->v[0];
    assert_string_equal(r->name, NAME);
    assert_true(r->have != NULL && resource_is_ours(r));
    const cJSON *filter =
        json_get(script_input(&t, "cloudformation:ListStacks", 0), "StackStatusFilter");
    assert_true(json_array_has(filter, "DELETE_FAILED"));
    assert_true(json_array_has(filter, "UPDATE_ROLLBACK_FAILED"));
    assert_false(json_array_has(filter, "DELETE_COMPLETE"));
    assert_int_equal(r->type->remove(t.s, r, &t.err), 0);
    script_close(&t);
}

static void what_a_template_retains_is_said(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        { .call = "tagging:GetResources", .answer = "{\"ResourceTagMappingList\":[]}" },
        { .call = "cloudformation:ListStacks",
          .answer = "{\"StackSummaries\":[" SUMMARY(NAME) "]}" },
        DESCRIBED("CREATE_COMPLETE", "2", OUR_TAGS("Key", "Value"), ""),
        DESCRIBED("DELETE_IN_PROGRESS", "2", OUR_TAGS("Key", "Value"), ""),
        DESCRIBED("DELETE_COMPLETE", "2", OUR_TAGS("Key", "Value"), ""),
        { .call = "cloudformation:DeleteStack", .answer = "{}" },
        { .call = "cloudformation:DescribeStackEvents",
          .answer = "{\"StackEvents\":[" EVENT("Bucket", "b-1", "DELETE_SKIPPED", "") "," EVENT(
              "T", "t", "DELETE_COMPLETE",
              "") "," EVENT(NAME, ID, "DELETE_IN_PROGRESS",
                            "User Initiated") "," EVENT("Old", "o", "DELETE_SKIPPED", "") "]}" },
        { 0 },
    };
    struct script t;
    script_open_teardown(&t, rows);
    script_find(&t, "cloudformation.stack");
    struct resource *r = t.g->v[0];
    assert_int_equal(r->type->remove(t.s, r, &t.err), 0);
    assert_int_equal(r->type->observe(t.s, &r, 1, &t.err), 0);
    _cleanup_strbuf_ struct strbuf why = STRBUF_INIT;
    r->type->leaving(r, &why);
    assert_string_equal(why.buf, "DELETE_IN_PROGRESS");
    assert_int_equal(t.g->warnings.n, 0);
    assert_int_equal(r->type->observe(t.s, &r, 1, &t.err), 0);
    assert_null(r->have);
    assert_int_equal(t.g->warnings.n, 1);
    assert_string_equal(t.g->warnings.v[0],
                        "stack '" NAME "' is deleted, but not its T 'Bucket' (b-1): its template "
                        "retains it; remove it by hand if it is to go");
    script_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_teardown_finds_a_stack_that_has_only_just_been_made),
        cmocka_unit_test(what_a_template_retains_is_said),
        cmocka_unit_test(what_may_not_be_asked_for),
        cmocka_unit_test(states_are_what_aws_calls_them),
        cmocka_unit_test(a_stack_is_made_and_awaited),
        cmocka_unit_test(what_fails_first_is_the_reason),
        cmocka_unit_test(what_was_never_made_makes_way),
        cmocka_unit_test(somebody_elses_stack_does_not_make_way),
        cmocka_unit_test(a_nested_stack_is_its_parents),
        cmocka_unit_test(a_token_that_is_used_up_is_made_another),
        cmocka_unit_test(an_update_is_awaited),
        cmocka_unit_test(nothing_to_update_is_success),
        cmocka_unit_test(parameters_are_compared),
        cmocka_unit_test(a_protected_stack_is_not_deleted),
        cmocka_unit_test(a_shared_stack_is_looked_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
