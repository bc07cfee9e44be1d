/* SPDX-License-Identifier: MIT */
#include "tests/unit/awsscript.h"

#include <setjmp.h>
#include <cmocka.h>

#include "drivers/ecs.h"

#define FAMILY    "automation-8527fec8-old"
#define ARN(name) "arn:aws:ecs:us-east-1:123456789012:task-definition/" name
#define OURS      ",\"tags\":" OUR_TAGS("key", "value")
#define NOT_OURS  ",\"tags\":[{\"key\":\"Environment\",\"value\":\"automation-8527fec8\"}]"

/* What DescribeTaskDefinition says of a revision. */
#define REVISION(n, status, tags)                                                                  \
    {                                                                                              \
        .call = "ecs:DescribeTaskDefinition",                                                      \
        .answer = "{\"taskDefinition\":{\"taskDefinitionArn\":\"" ARN(                             \
            FAMILY ":" n) "\",\"status\":\"" status "\"}" tags "}"                                 \
    }
#define NONE                                                                                       \
    {                                                                                              \
        .call = "ecs:DescribeTaskDefinition", .class = ERR_NOT_FOUND                               \
    }
#define LISTED(arns)                                                                               \
    {                                                                                              \
        .call = "ecs:ListTaskDefinitions", .answer = "{\"taskDefinitionArns\":[" arns "]}"         \
    }
#define A(n) "\"" ARN(FAMILY ":" n) "\""

/* A family that nothing wants, in a teardown or in a deploy. */
static struct resource *open_family(struct script *t, const struct script_row *rows, bool teardown)
{
    script_open(t, "{\"network\":{\"vpc\":\"vpc-1\"},\"services\":{}}", rows);
    t->g->context.teardown = teardown;
    return graph_found(t->g, &ecs_task_definition_type, "old", FAMILY);
}

static void look(struct script *t, struct resource *r)
{
    if (r->type->observe(t->s, &r, 1, &t->err) < 0)
        fail_msg("%s", t->err.message);
}

static void assert_revisions(const struct script *t, const char *action, const char *expected)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    for (size_t i = 0; i < script_count(t, action); i++) {
        const char *arn = json_str(script_input(t, action, i), "taskDefinition");
        strbuf_addf(&text, "%s%s", i > 0 ? " " : "", strrchr(arn, ':') + 1);
    }
    assert_string_equal(text.len > 0 ? text.buf : "", expected);
}

static void a_teardown_finds_families_without_active_revisions(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        { .call = "ecs:ListTaskDefinitionFamilies", .answer = "{\"families\":[\"" FAMILY "\"]}" },
        { 0 },
    };
    static const char *const asked[] = { "ACTIVE", "ALL" };
    for (int teardown = 0; teardown < 2; teardown++) {
        struct script t;
        open_family(&t, rows, teardown);
        assert_int_equal(ecs_task_definition_type.discover(t.s, t.g, &t.err), 0);
        const cJSON *input = script_input(&t, "ecs:ListTaskDefinitionFamilies", 0);
        assert_string_equal(json_str(input, "status"), asked[teardown]);
        assert_string_equal(json_str(input, "familyPrefix"), "automation-8527fec8-");
        script_close(&t);
    }
}

static void a_deploy_reads_the_newest_revision_alone(void **state)
{
    (void)state;
    static const struct script_row rows[] = { REVISION("3", "ACTIVE", NOT_OURS), { 0 } };
    struct script t;
    struct resource *r = open_family(&t, rows, false);
    look(&t, r);
    assert_non_null(r->have);
    assert_false(resource_is_ours(r));
    script_close(&t);
}

static void a_teardown_looks_behind_a_foreign_revision(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        REVISION("3", "ACTIVE", NOT_OURS),
        LISTED(A("3") "," A("2")),
        REVISION("3", "ACTIVE", NOT_OURS),
        REVISION("2", "ACTIVE", OURS),
        { 0 },
    };
    struct script t;
    struct resource *r = open_family(&t, rows, true);
    look(&t, r);
    assert_true(r->have != NULL && resource_is_ours(r));
    assert_string_equal(json_str(script_input(&t, "ecs:ListTaskDefinitions", 0), "status"),
                        "ACTIVE");
    script_close(&t);
}

static void a_teardown_finds_what_is_inactive(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        NONE,
        LISTED(A("1")),
        REVISION("1", "INACTIVE", OURS),
        { 0 },
    };
    struct script t;
    struct resource *r = open_family(&t, rows, true);
    look(&t, r);
    assert_true(r->have != NULL && resource_is_ours(r));
    assert_string_equal(json_str(script_input(&t, "ecs:ListTaskDefinitions", 0), "status"),
                        "INACTIVE");
    script_close(&t);
}

static void a_foreign_family_is_told_as_such(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        REVISION("3", "ACTIVE", NOT_OURS),
        LISTED(A("3")),
        REVISION("3", "ACTIVE", NOT_OURS),
        LISTED(""),
        { 0 },
    };
    struct script t;
    struct resource *r = open_family(&t, rows, true);
    look(&t, r);
    assert_non_null(r->have);
    assert_false(resource_is_ours(r));
    script_close(&t);
}

/* 2 is somebody else's, and a family's name may go on where ours ends. */
static void only_our_revisions_go(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        LISTED("\"" ARN(FAMILY "-x:1") "\"," A("3") "," A("2") "," A("1")),
        REVISION("3", "ACTIVE", OURS),
        REVISION("2", "ACTIVE", NOT_OURS),
        REVISION("1", "ACTIVE", OURS),
        { .call = "ecs:DeregisterTaskDefinition", .answer = "{}" },
        REVISION("2", "ACTIVE", NOT_OURS),
        { 0 },
    };
    struct script t;
    struct resource *r = open_family(&t, rows, false);
    assert_int_equal(r->type->remove(t.s, r, &t.err), 0);
    assert_revisions(&t, "ecs:DeregisterTaskDefinition", "3 1");
    assert_int_equal(script_count(&t, "ecs:DeleteTaskDefinitions"), 0);
    /* What is left is not ours, so that ours is gone. */
    look(&t, r);
    assert_null(r->have);
    script_close(&t);
}

static void a_teardown_deletes_what_is_inactive(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        LISTED(A("9")),
        LISTED(A("9") "," A("8") "," A("7") "," A("6")),
        REVISION("9", "ACTIVE", OURS),
        REVISION("8", "INACTIVE", NOT_OURS),
        REVISION("7", "INACTIVE", OURS),
        REVISION("6", "INACTIVE", OURS),
        { .call = "ecs:DeregisterTaskDefinition", .answer = "{}" },
        { .call = "ecs:DeleteTaskDefinitions",
          .answer = "{\"failures\":[{\"arn\":\"x\",\"reason\":\"MISSING\"}]}" },
        { 0 },
    };
    struct script t;
    struct resource *r = open_family(&t, rows, true);
    assert_int_equal(r->type->remove(t.s, r, &t.err), 0);
    assert_revisions(&t, "ecs:DeregisterTaskDefinition", "9");
    assert_json(script_input(&t, "ecs:DeleteTaskDefinitions", 0),
                "{\"taskDefinitions\":[" A("9") "," A("7") "," A("6") "]}");
    script_close(&t);
}

static void ten_are_deleted_at_once(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        LISTED(""),
        LISTED(A("12") "," A("11") "," A("10") "," A("9") "," A("8") "," A("7") "," A("6") "," A(
            "5") "," A("4") "," A("3") "," A("2") "," A("1")),
        REVISION("0", "INACTIVE", OURS),
        { .call = "ecs:DeleteTaskDefinitions", .answer = "{}" },
        { 0 },
    };
    struct script t;
    struct resource *r = open_family(&t, rows, true);
    assert_int_equal(r->type->remove(t.s, r, &t.err), 0);
    assert_int_equal(script_count(&t, "ecs:DeleteTaskDefinitions"), 2);
    const cJSON *first = script_input(&t, "ecs:DeleteTaskDefinitions", 0);
    const cJSON *second = script_input(&t, "ecs:DeleteTaskDefinitions", 1);
    assert_int_equal(json_count(json_get(first, "taskDefinitions")), 10);
    assert_int_equal(json_count(json_get(second, "taskDefinitions")), 2);
    script_close(&t);
}

static void what_cannot_be_deleted_yet_is_tried_again(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        LISTED(""),
        LISTED(A("1")),
        REVISION("1", "INACTIVE", OURS),
        { .call = "ecs:DeleteTaskDefinitions",
          .answer = "{\"failures\":[{\"arn\":" A("1") ",\"reason\":\"still ACTIVE\"}]}" },
        { 0 },
    };
    struct script t;
    struct resource *r = open_family(&t, rows, true);
    assert_int_equal(r->type->remove(t.s, r, &t.err), -1);
    assert_int_equal(t.err.class, ERR_BUSY);
    assert_string_equal(t.err.message,
                        "ECS does not delete '" ARN(FAMILY ":1") "' yet: still ACTIVE");
    err_release(&t.err);
    script_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_teardown_finds_families_without_active_revisions),
        cmocka_unit_test(a_deploy_reads_the_newest_revision_alone),
        cmocka_unit_test(a_teardown_looks_behind_a_foreign_revision),
        cmocka_unit_test(a_teardown_finds_what_is_inactive),
        cmocka_unit_test(a_foreign_family_is_told_as_such),
        cmocka_unit_test(only_our_revisions_go),
        cmocka_unit_test(a_teardown_deletes_what_is_inactive),
        cmocka_unit_test(ten_are_deleted_at_once),
        cmocka_unit_test(what_cannot_be_deleted_yet_is_tried_again),
    };
    return cmocka_run_group_tests_name("families", tests, NULL, NULL);
}
