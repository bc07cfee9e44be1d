/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdatomic.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "drivers/iam_access.h"
#include "tests/unit/fake.h"

/* The fake's drivers, with checks. */
static struct driver with_checks[3];
static const struct driver *taking_part[] = { &with_checks[0], &with_checks[1], &with_checks[2],
                                              NULL };

static uv_barrier_t both; /* passed when two checks are under way at once */

static int set_up(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(with_checks); i++)
        with_checks[i] = *fake_drivers[i];
    return fake_set_up(state);
}

static struct graph *planned(const char *text)
{
    struct err err = ERR_INIT;
    struct plan_counts counts;
    struct graph *g = fake_graph(text);
    g->drivers = taking_part;
    if (engine_observe(NULL, g, &fake_options, &err) < 0 || engine_plan(g, NULL, &counts, &err) < 0)
        fail_msg("%s", err.message);
    return g;
}

static void say_two(struct preflight *p)
{
    preflight_problem(p, ERR_USER, "services.a", "no image '%s'; build it", "x");
    preflight_problem(p, ERR_QUOTA, "services.b", "too many");
}

static void say_quota(struct preflight *p)
{
    preflight_problem(p, ERR_QUOTA, "capacity", "no room");
}

static void say_nothing(struct preflight *p)
{
    (void)p;
    uv_barrier_wait(&both);
}

static atomic_uint asked;

static void count_asked(struct preflight *p)
{
    (void)p;
    asked++;
}

static void be_denied(struct preflight *p)
{
    _cleanup_err_ struct err err = ERR_INIT;
    err_set(&err, ERR_DENIED, "ssm:DescribeParameters: not authorized");
    preflight_unknown(p, "whether the parameters exist", &err);
    preflight_unknown(p, "whether the parameters exist", &err);
}

static void be_refused(struct preflight *p)
{
    _cleanup_err_ struct err err = ERR_INIT;
    err_set(&err, ERR_INVALID, "ssm:DescribeParameters: 'Nmae' is unknown");
    preflight_unknown(p, "whether the parameters exist", &err);
}

static void set_cancel(struct preflight *p)
{
    cancel_set(&fake_cancel);
    preflight_problem(p, ERR_USER, "services.a", "is wrong");
}

static const char one_new[] = "[{\"type\":\"net.group\",\"label\":\"new\"}]";

static void test_all_problems_at_once(void **state)
{
    (void)state;
    with_checks[0].preflight = say_two;
    with_checks[2].preflight = say_quota;
    struct graph *g = planned(one_new);
    _cleanup_err_ struct err err = ERR_INIT;
    assert_int_equal(engine_preflight(NULL, g, &fake_options, &err), -1);
    assert_string_equal(err.message, "services.a: no image 'x'; build it\n"
                                     "services.b: too many\n"
                                     "capacity: no room");
    assert_int_equal(err.class, ERR_USER);
    graph_free(g);
}

static void test_the_first_decides_the_class(void **state)
{
    (void)state;
    with_checks[0].preflight = say_quota;
    with_checks[1].preflight = say_two;
    struct graph *g = planned(one_new);
    _cleanup_err_ struct err err = ERR_INIT;
    assert_int_equal(engine_preflight(NULL, g, &fake_options, &err), -1);
    assert_int_equal(err.class, ERR_QUOTA);
    graph_free(g);
}

static void test_checks_run_at_the_same_time(void **state)
{
    (void)state;
    uv_barrier_init(&both, 2);
    with_checks[0].preflight = with_checks[1].preflight = say_nothing;
    struct graph *g = planned(one_new);
    _cleanup_err_ struct err err = ERR_INIT;
    assert_int_equal(engine_preflight(NULL, g, &fake_options, &err), 0);
    uv_barrier_destroy(&both);
    graph_free(g);
}

static void test_what_changes_nothing_is_not_checked(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(with_checks); i++)
        with_checks[i].preflight = count_asked;
    fake_put("net.group/E-there", "{\"P\":1}", true);
    struct graph *g = planned("[{\"type\":\"net.group\",\"label\":\"there\",\"want\":{\"P\":1}}]");
    _cleanup_err_ struct err err = ERR_INIT;
    assert_int_equal(engine_preflight(NULL, g, &fake_options, &err), 0);
    assert_int_equal(asked, 0);
    graph_free(g);
}

static void test_a_check_that_cannot_be_made_is_a_warning(void **state)
{
    (void)state;
    with_checks[1].preflight = be_denied;
    struct graph *g = planned(one_new);
    _cleanup_err_ struct err err = ERR_INIT;
    assert_int_equal(engine_preflight(NULL, g, &fake_options, &err), 0);
    assert_int_equal(g->warnings.n, 1);
    assert_string_equal(g->warnings.v[0],
                        "cannot find out whether the parameters exist: ssm:DescribeParameters: "
                        "not authorized; goes on without");
    graph_free(g);
}

static void test_a_wrong_call_is_a_problem(void **state)
{
    (void)state;
    with_checks[1].preflight = be_refused;
    struct graph *g = planned(one_new);
    _cleanup_err_ struct err err = ERR_INIT;
    assert_int_equal(engine_preflight(NULL, g, &fake_options, &err), -1);
    assert_int_equal(err.class, ERR_INVALID);
    graph_free(g);
}

static void test_a_cancel_comes_before_all(void **state)
{
    (void)state;
    with_checks[1].preflight = set_cancel;
    struct graph *g = planned(one_new);
    _cleanup_err_ struct err err = ERR_INIT;
    assert_int_equal(engine_preflight(NULL, g, &fake_options, &err), -1);
    assert_string_equal(err.message, "cancelled while checking the plan; nothing changed");
    assert_int_equal(err.class, ERR_CANCELLED);
    graph_free(g);
}

#define STATEMENT(effect, members) "{\"Effect\":\"" effect "\"," members "}"
#define ALLOW(members)             STATEMENT("Allow", members)
#define DENY(members)              STATEMENT("Deny", members)
#define READ                       "\"Action\":\"ssm:GetParameters\""
#define PARAMETER                  "arn:aws:ssm:us-east-1:123456789012:parameter/mettel/X"
#define IT                         "\"Resource\":\"" PARAMETER "\""

static void test_what_policies_say(void **state)
{
    (void)state;
    static const struct {
        const char *statements;
        bool allowed;
    } cases[] = {
        { "", false },
        { ALLOW(READ "," IT), true },
        { ALLOW("\"Action\":[\"a:b\",\"SSM:getParam*\"]," IT), true },
        { ALLOW("\"Action\":\"ssm:GetParameter\"," IT), false },
        { ALLOW("\"Action\":\"ssm:GetParameter?\"," IT), true },
        { ALLOW("\"Action\":\"s*m:*s\"," IT), true },
        { ALLOW("\"NotAction\":\"ssm:*\"," IT), false },
        { ALLOW("\"NotAction\":\"iam:*\"," IT), true },
        { ALLOW(READ ",\"Resource\":\"*:parameter/METTEL/*\""), false },
        { ALLOW(READ ",\"Resource\":[\"x\",\"*:parameter/mettel/*\"]"), true },
        { ALLOW(READ ",\"Resource\":\"*:parameter/${aws:PrincipalTag/team}/X\""), true },
        { ALLOW(READ ",\"NotResource\":\"*:parameter/mettel/*\""), false },
        { ALLOW(READ ",\"NotResource\":\"*:parameter/other/*\""), true },
        { ALLOW(READ "," IT) "," DENY("\"Action\":\"*\"," IT), false },
        { DENY("\"Action\":\"*\"," IT) "," ALLOW(READ "," IT), false },
        /* What is not known is no reason to stop. */
        { ALLOW(READ "," IT ",\"Condition\":{\"Bool\":{\"k\":\"true\"}}"), true },
        { ALLOW(READ "," IT) "," DENY(READ "," IT ",\"Condition\":{\"Bool\":{\"k\":\"true\"}}"),
          true },
        { ALLOW(READ "," IT) "," DENY(READ ",\"Resource\":\"*/${aws:username}/*\""), true },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_free_ char *text = xasprintf("[{\"Statement\":[%s]}]", cases[i].statements);
        _cleanup_json_ cJSON *documents = cJSON_Parse(text);
        assert_non_null(documents);
        if (policies_allow(documents, "ssm:GetParameters", PARAMETER) != cases[i].allowed)
            fail_msg("%s", cases[i].statements);
    }
}

/* A policy is the repository's: one that takes for ever must not hold a job up. */
static void test_a_hostile_pattern_ends(void **state)
{
    (void)state;
    _cleanup_strbuf_ struct strbuf pattern = STRBUF_INIT, resource = STRBUF_INIT;
    for (size_t i = 0; i < 1000; i++) {
        strbuf_adds(&pattern, "a*");
        strbuf_adds(&resource, "aaaa");
    }
    strbuf_adds(&pattern, "b");
    _cleanup_free_ char *text = xasprintf(
        "[{\"Statement\":[" ALLOW("\"Action\":\"*\",\"Resource\":\"%s\"") "]}]", pattern.buf);
    _cleanup_json_ cJSON *documents = cJSON_Parse(text);
    assert_false(policies_allow(documents, "ssm:GetParameters", resource.buf));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_all_problems_at_once, set_up, fake_tear_down),
        cmocka_unit_test_setup_teardown(test_the_first_decides_the_class, set_up, fake_tear_down),
        cmocka_unit_test_setup_teardown(test_checks_run_at_the_same_time, set_up, fake_tear_down),
        cmocka_unit_test_setup_teardown(test_what_changes_nothing_is_not_checked, set_up,
                                        fake_tear_down),
        cmocka_unit_test_setup_teardown(test_a_check_that_cannot_be_made_is_a_warning, set_up,
                                        fake_tear_down),
        cmocka_unit_test_setup_teardown(test_a_wrong_call_is_a_problem, set_up, fake_tear_down),
        cmocka_unit_test_setup_teardown(test_a_cancel_comes_before_all, set_up, fake_tear_down),
        cmocka_unit_test(test_what_policies_say),
        cmocka_unit_test(test_a_hostile_pattern_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
