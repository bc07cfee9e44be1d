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

#define LB                    "arn:aws:elasticloadbalancing:us-east-1:1:loadbalancer/app/automation-8527fec8/1"
#define WEB                   "arn:aws:elasticloadbalancing:us-east-1:1:targetgroup/automation-8527fec8-web/2"
#define NEW                   "arn:aws:elasticloadbalancing:us-east-1:1:targetgroup/automation-8527fec8-0a1b2c/3"
#define OTHER                 "arn:aws:elasticloadbalancing:us-east-1:1:targetgroup/automation-8527fec8-x-web/4"
#define TAGGED(arn)           "{\"ResourceArn\":\"" arn "\",\"Tags\":" OUR_TAGS("Key", "Value") "}"
#define GROUP(arn, name)      "{\"TargetGroupArn\":\"" arn "\",\"TargetGroupName\":\"" name "\"}"
#define ATTRIBUTE(key, value) "{\"Attributes\":[{\"Key\":\"" key "\",\"Value\":\"" value "\"}]}"
#define DELAY(seconds)        ATTRIBUTE("deregistration_delay.timeout_seconds", seconds)

/* A load balancer and two groups, one under its second name; and a look-alike's. */
#define THERE(balancer_attributes)                                                                        \
    { .call = "elbv2:DescribeLoadBalancers",                                                              \
      .answer = "{\"LoadBalancers\":[{\"LoadBalancerName\":\"automation-8527fec8\","                      \
                "\"LoadBalancerArn\":\"" LB "\",\"State\":{\"Code\":\"provisioning\"}}]}" },              \
        { .call = "elbv2:DescribeTargetGroups",                                                           \
          .answer = "{\"TargetGroups\":[" GROUP(WEB, "automation-8527fec8-web") "," GROUP(                \
              NEW,                                                                                        \
              "automation-8527fec8-0a1b2c") "," GROUP(OTHER,                                              \
                                                      "automation-8527fec8-x-web") "," GROUP("arn"        \
                                                                                             ":o",        \
                                                                                             "aut"        \
                                                                                             "oma"        \
                                                                                             "tio"        \
                                                                                             "n-"         \
                                                                                             "9") "]}" }, \
        { .call = "elbv2:DescribeTags",                                                                   \
          .answer = "{\"TagDescriptions\":[" TAGGED(LB) "," TAGGED(WEB) "," TAGGED(                       \
              NEW) ",{\"ResourceArn\":\"" OTHER "\",\"Tags\":[]}]}" },                                    \
        { .call = "elbv2:DescribeLoadBalancerAttributes", .answer = balancer_attributes },                \
    {                                                                                                     \
        .call = "elbv2:DescribeTargetGroupAttributes", .answer = DELAY("30")                              \
    }

static void a_teardown_finds_groups_under_any_name(void **state)
{
    (void)state;
    static const struct script_row rows[] = { THERE("{}"), { 0 } };
    struct script t;
    script_open_teardown(&t, rows);
    script_find(&t, "alb.load_balancer");
    script_find(&t, "alb.target_group");
    assert_int_equal(t.g->n, 4);
    const struct resource *balancer =
        graph_find_name(t.g, &alb_balancer_type, "automation-8527fec8");
    assert_true(balancer != NULL && balancer->have != NULL && resource_is_ours(balancer));
    static const char *const own[] = { "automation-8527fec8-web", "automation-8527fec8-0a1b2c" };
    for (size_t i = 0; i < ARRAY_SIZE(own); i++) {
        const struct resource *r = graph_find_name(t.g, &alb_group_type, own[i]);
        assert_true(r != NULL && r->have != NULL && resource_is_ours(r));
    }
    const struct resource *other =
        graph_find_name(t.g, &alb_group_type, "automation-8527fec8-x-web");
    assert_false(resource_is_ours(other));
    assert_int_equal(t.g->warnings.n, 0);
    script_close(&t);
}

static struct resource *group_found(struct script *t, const struct script_row *rows)
{
    script_open_teardown(t, rows);
    script_find(t, "alb.load_balancer");
    script_find(t, "alb.target_group");
    return graph_find_name(t->g, &alb_group_type, "automation-8527fec8-web");
}

static void targets_do_not_drain_in_a_teardown(void **state)
{
    (void)state;
    const struct script_row rows[] = {
        THERE("{}"),
        { .call = "elbv2:ModifyTargetGroupAttributes", .answer = "{}" },
        { .call = "elbv2:ModifyTargetGroupAttributes",
          .class = ERR_NOT_FOUND,
          .code = "TargetGroupNotFound" },
        { 0 },
    };
    struct script t;
    struct resource *r = group_found(&t, rows);
    assert_int_equal(r->type->wind_down(t.s, r, &t.err), 0);
    assert_json(script_input(&t, "elbv2:ModifyTargetGroupAttributes", 0),
                "{\"TargetGroupArn\":\"" WEB "\",\"Attributes\":[{\"Key\":"
                "\"deregistration_delay.timeout_seconds\",\"Value\":\"0\"}]}");
    /* One that is gone by now needs no removal; one that has no delay no call. */
    assert_int_equal(r->type->wind_down(t.s, r, &t.err), 0);
    assert_null(r->have);
    resource_set_have(r,
                      parse("{\"Attributes\":{\"deregistration_delay.timeout_seconds\":\"0\"}}"));
    assert_int_equal(r->type->wind_down(t.s, r, &t.err), 0);
    assert_int_equal(script_count(&t, "elbv2:ModifyTargetGroupAttributes"), 2);
    script_close(&t);
}

static void targets_drain_in_a_deploy(void **state)
{
    (void)state;
    const struct script_row rows[] = { THERE("{}"), { 0 } };
    struct script t;
    struct resource *r = group_found(&t, rows);
    t.g->context.teardown = false;
    assert_int_equal(r->type->wind_down(t.s, r, &t.err), 0);
    assert_int_equal(script_count(&t, "elbv2:ModifyTargetGroupAttributes"), 0);
    script_close(&t);
}

static void check_user(const char *balancer, enum err_class class, const char *message)
{
    _cleanup_free_ char *answer =
        xasprintf("{\"TargetGroups\":[{\"LoadBalancerArns\":[\"%s\"]}]}", balancer);
    const struct script_row rows[] = {
        THERE("{}"),
        { .call = "elbv2:DeleteTargetGroup", .class = ERR_BUSY, .code = "ResourceInUse" },
        { .call = "elbv2:DescribeTargetGroups", .answer = answer },
        { 0 },
    };
    struct script t;
    struct resource *r = group_found(&t, rows);
    assert_int_equal(r->type->remove(t.s, r, &t.err), -1);
    assert_int_equal(t.err.class, class);
    assert_string_equal(t.err.message, message);
    script_close(&t);
}

static void who_forwards_to_a_group_is_named(void **state)
{
    (void)state;
    check_user(LB, ERR_BUSY, "AWS takes it for still in use by the environment's listeners");
    check_user("arn:aws:elasticloadbalancing:us-east-1:1:loadbalancer/app/shared/9", ERR_CONFLICT,
               "load balancer 'shared', which is not this environment's, forwards to target group "
               "'automation-8527fec8-web': remove that rule or listener, and run the job again");
}

/* A spec may have set it, and there is none any more to take it out of. */
static void a_teardown_takes_protection_away(void **state)
{
    (void)state;
    const struct script_row rows[] = {
        THERE(ATTRIBUTE("deletion_protection.enabled", "true")),
        { .call = "elbv2:ModifyLoadBalancerAttributes", .answer = "{}" },
        { .call = "elbv2:DeleteLoadBalancer", .answer = "{}" },
        { .call = "elbv2:DeleteLoadBalancer",
          .class = ERR_INVALID,
          .code = "OperationNotPermitted" },
        { 0 },
    };
    struct script t;
    script_open_teardown(&t, rows);
    script_find(&t, "alb.load_balancer");
    struct resource *r = graph_find_name(t.g, &alb_balancer_type, "automation-8527fec8");
    assert_string_equal(t.g->warnings.v[0],
                        "load balancer 'automation-8527fec8' is protected against deletion, as its "
                        "spec wanted it: to destroy the environment takes the protection away");
    assert_int_equal(r->type->remove(t.s, r, &t.err), 0);
    assert_json(json_get(script_input(&t, "elbv2:ModifyLoadBalancerAttributes", 0), "Attributes"),
                "[{\"Key\":\"deletion_protection.enabled\",\"Value\":\"false\"}]");
    /* A deploy that no longer wants it leaves it, and says so. */
    t.g->context.teardown = false;
    assert_int_equal(r->type->remove(t.s, r, &t.err), -1);
    assert_int_equal(t.err.class, ERR_REFUSED);
    assert_int_equal(script_count(&t, "elbv2:ModifyLoadBalancerAttributes"), 1);
    script_close(&t);
}

static void a_load_balancer_that_others_use_is_not_waited_for(void **state)
{
    (void)state;
    const struct script_row rows[] = {
        THERE("{}"),
        { .call = "elbv2:DeleteLoadBalancer",
          .class = ERR_BUSY,
          .code = "ResourceInUse",
          .message = "associated with another service" },
        { 0 },
    };
    struct script t;
    script_open_teardown(&t, rows);
    script_find(&t, "alb.load_balancer");
    struct resource *r = graph_find_name(t.g, &alb_balancer_type, "automation-8527fec8");
    assert_int_equal(r->type->remove(t.s, r, &t.err), -1);
    assert_int_equal(t.err.class, ERR_CONFLICT);
    assert_non_null(strstr(t.err.message, "associated with another service; end that"));
    script_close(&t);
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
        cmocka_unit_test(a_teardown_finds_groups_under_any_name),
        cmocka_unit_test(targets_do_not_drain_in_a_teardown),
        cmocka_unit_test(targets_drain_in_a_deploy),
        cmocka_unit_test(who_forwards_to_a_group_is_named),
        cmocka_unit_test(a_teardown_takes_protection_away),
        cmocka_unit_test(a_load_balancer_that_others_use_is_not_waited_for),
    };
    return cmocka_run_group_tests_name("alb", tests, NULL, NULL);
}
