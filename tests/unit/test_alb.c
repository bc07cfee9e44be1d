/* SPDX-License-Identifier: MIT */
#include "tests/unit/awsscript.h"

#include <setjmp.h>
#include <cmocka.h>

#include "drivers/alb.h"

#define GROUPS "\"targetGroups\":{\"web\":{\"port\":8080},\"beta\":{}}"
#define SPEC(listener)                                                                             \
    "{\"network\":{\"vpc\":\"vpc-1\",\"privateSubnets\":[\"subnet-1\"],\"publicSubnets\":"         \
    "[\"subnet-2\"]},\"services\":{},\"loadBalancer\":{\"listeners\":{\"80\":{" listener           \
    "}}," GROUPS "}}"
#define FORWARD "\"defaultAction\":{\"forward\":\"web\"}"

static cJSON *parse(const char *text)
{
    cJSON *value = cJSON_Parse(text);
    assert_non_null(value);
    return value;
}

static cJSON *made(const char *action)
{
    _cleanup_json_ cJSON *balancer = parse("{" GROUPS "}"), *given = parse(action);
    cJSON *actions = NULL;
    struct err err = ERR_INIT;
    assert_int_equal(alb_actions_make(balancer, given, "p", &actions, &err), 0);
    return actions;
}

static void actions_are_said_whole(void **state)
{
    (void)state;
    _cleanup_json_ cJSON *redirect = made("{\"redirect\":{\"port\":443,\"protocol\":\"HTTPS\"}}");
    assert_json(redirect, "[{\"Type\":\"redirect\",\"RedirectConfig\":{\"Protocol\":\"HTTPS\","
                          "\"Port\":\"443\",\"Host\":\"#{host}\",\"Path\":\"/#{path}\","
                          "\"Query\":\"#{query}\",\"StatusCode\":\"HTTP_301\"}}]");
    _cleanup_json_ cJSON *only = made("{\"forward\":{\"web\":7}}");
    assert_int_equal(json_int(json_at(only, "0/ForwardConfig/TargetGroups/0"), "Weight", 0), 1);
    _cleanup_json_ cJSON *response = made("{\"fixedResponse\":{}}");
    assert_json(response, "[{\"Type\":\"fixed-response\",\"FixedResponseConfig\":{\"StatusCode\":"
                          "\"404\",\"ContentType\":\"text/plain\",\"MessageBody\":\"\"}}]");
}

static void an_answer_has_the_form_of_what_is_wanted(void **state)
{
    (void)state;
    _cleanup_json_ cJSON *wanted = parse(
        "[{\"Type\":\"forward\",\"ForwardConfig\":{\"TargetGroups\":[{\"TargetGroupArn\":\"b\","
        "\"Weight\":1},{\"TargetGroupArn\":\"a\",\"Weight\":9}],\"TargetGroupStickinessConfig\":"
        "{\"Enabled\":true,\"DurationSeconds\":60}}}]");
    _cleanup_json_ cJSON *told =
        parse("[{\"Type\":\"forward\",\"Order\":1,\"ForwardConfig\":{\"TargetGroups\":["
              "{\"TargetGroupArn\":\"a\",\"Weight\":9},{\"TargetGroupArn\":\"b\",\"Weight\":1}],"
              "\"TargetGroupStickinessConfig\":{\"Enabled\":true,\"DurationSeconds\":60}}}]");
    struct script t;
    static const struct script_row rows[] = { { 0 } };
    script_open(&t, SPEC(FORWARD), rows);
    _cleanup_json_ cJSON *normal = alb_actions_normal(t.g, told, wanted);
    assert_true(json_equal(normal, wanted));
    _cleanup_json_ cJSON *old = parse("[{\"Type\":\"forward\",\"TargetGroupArn\":\"a\"}]");
    _cleanup_json_ cJSON *single = alb_actions_normal(t.g, old, NULL);
    assert_json(single, "[{\"Type\":\"forward\",\"ForwardConfig\":{\"TargetGroups\":"
                        "[{\"TargetGroupArn\":\"a\",\"Weight\":1}],"
                        "\"TargetGroupStickinessConfig\":{\"Enabled\":false}}}]");
    script_close(&t);
}

static void a_load_balancer_is_judged_by_its_state(void **state)
{
    (void)state;
    static const struct {
        const char *memo, *why;
        enum readiness readiness;
    } set[] = {
        { "{\"State\":{\"Code\":\"active\"}}", "", READY },
        { "{\"State\":{\"Code\":\"active_impaired\"}}", "", READY },
        { "{\"State\":{\"Code\":\"provisioning\"}}", "it is provisioning", WAITING },
        { "{\"State\":{\"Code\":\"failed\",\"Reason\":\"no room\"}}",
          "no room; delete it, and the next run makes it anew", FAILED },
    };
    for (size_t i = 0; i < ARRAY_SIZE(set); i++) {
        _cleanup_json_ cJSON *memo = parse(set[i].memo);
        struct resource r = { .memo = memo };
        _cleanup_strbuf_ struct strbuf why = STRBUF_INIT;
        assert_int_equal(alb_balancer_type.judge(&r, &why), set[i].readiness);
        assert_string_equal(why.buf, set[i].why);
    }
}

static void a_second_name_is_made_of_the_immutable_fields(void **state)
{
    (void)state;
    struct script t;
    static const struct script_row rows[] = { { 0 } };
    script_open(&t, SPEC(FORWARD), rows);
    struct resource *r = script_target(&t, "alb.target_group/web");
    _cleanup_free_ char *first = alb_group_type.second_name(r);
    _cleanup_free_ char *same = alb_group_type.second_name(r);
    json_put_int(r->target, "HealthCheckIntervalSeconds", 7);
    _cleanup_free_ char *check = alb_group_type.second_name(r);
    json_put_int(r->target, "Port", 81);
    _cleanup_free_ char *other = alb_group_type.second_name(r);
    assert_int_equal(strlen(first), strlen("automation-8527fec8-123456"));
    assert_string_equal(first, same);
    assert_string_equal(first, check);
    assert_string_not_equal(first, other);
    script_close(&t);
}

static void what_is_wrong_is_named(void **state)
{
    (void)state;
    static const char *const set[][2] = {
        { SPEC("\"defaultAction\":{\"forward\":\"wep\"}"), "did you mean 'web'?" },
        { SPEC("\"defaultAction\":{\"forward\":{}}"), "needs one to five target groups" },
        { SPEC("\"protocol\":\"HTTPS\"," FORWARD), "HTTPS needs a certificate" },
        { SPEC("\"defaultAction\":{\"redirect\":{\"query\":\"x=1\"}}"),
          "loadBalancer.listeners.80.defaultAction.redirect: leads requests to where they came" },
        { SPEC("\"defaultAction\":{\"redirect\":{\"port\":80,\"protocol\":\"HTTP\"}}"),
          "for ever" },
        { SPEC(FORWARD ",\"rules\":{\"r\":{\"priority\":1,\"path\":\"/x\",\"action\":"
                       "{\"redirect\":{\"host\":\"#{host}\"}}}}"),
          "loadBalancer.listeners.80.rules.r.action.redirect: leads" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(set); i++) {
        _cleanup_free_ char *said = script_refused(set[i][0]);
        assert_non_null(said);
        assert_non_null(strstr(said, set[i][1]));
    }
}

/* What is open to anywhere is so by IPv6 too, where the load balancer has such addresses. */
static void dual_stack_is_open_to_both(void **state)
{
    (void)state;
    static const char *const types[] = { "ipv4", "dualstack" };
    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        _cleanup_json_ cJSON *spec = parse(SPEC(FORWARD));
        cJSON *balancer = json_get(spec, "loadBalancer"),
              *allow = json_put_array(balancer, "allow");
        json_put_str(balancer, "ipAddressType", types[i]);
        json_push(allow, parse("{\"port\":80,\"from\":\"anywhere\"}"));
        json_push(allow, parse("{\"port\":81,\"from\":\"192.0.2.0/24\"}"));
        _cleanup_free_ char *text = json_print(spec);
        struct script t;
        static const struct script_row rows[] = { { 0 } };
        script_open(&t, text, rows);
        const cJSON *rules =
            json_get(script_resource(&t, "security_group/inbound")->want, "IpPermissions");
        const cJSON *rule;
        size_t found = 0;
        cJSON_ArrayForEach (rule, rules)
            if (json_get(rule, "CidrIpv6") != NULL && ++found)
                assert_json(rule, "{\"IpProtocol\":\"tcp\",\"FromPort\":80,\"ToPort\":80,"
                                  "\"CidrIpv6\":\"::/0\"}");
        assert_int_equal(found, i);
        script_close(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(actions_are_said_whole),
        cmocka_unit_test(an_answer_has_the_form_of_what_is_wanted),
        cmocka_unit_test(a_load_balancer_is_judged_by_its_state),
        cmocka_unit_test(a_second_name_is_made_of_the_immutable_fields),
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(dual_stack_is_open_to_both),
    };
    return cmocka_run_group_tests_name("alb", tests, NULL, NULL);
}
