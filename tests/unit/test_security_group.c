/* SPDX-License-Identifier: MIT */
#include "tests/unit/awsscript.h"

#include <setjmp.h>
#include <cmocka.h>

#include "drivers/security_group.h"

#define ADDRESS "security_group/api"
#define VPC_ROW                                                                                    \
    {                                                                                              \
        .call = "ec2:DescribeVpcs",                                                                \
        .answer = "{\"Vpcs\":[{\"VpcId\":\"vpc-1\",\"CidrBlock\":\"10.2.0.0/16\"}]}"               \
    }
#define PORT(p, cidr)                                                                              \
    "{\"IpProtocol\":\"tcp\",\"FromPort\":" #p ",\"ToPort\":" #p                                   \
    ",\"IpRanges\":[{\"CidrIp\":\"" cidr "\"}]}"
#define PING                                                                                       \
    "{\"IpProtocol\":\"icmp\",\"FromPort\":8,\"ToPort\":-1,\"IpRanges\":[{\"CidrIp\":"             \
    "\"0.0.0.0/0\"}]}"
#define GROUP(name, id, permissions)                                                               \
    "{\"GroupName\":\"" name "\",\"GroupId\":\"" id "\",\"VpcId\":\"vpc-1\",\"Description\":"      \
    "\"d\",\"IpPermissions\":[" permissions "],\"Tags\":" OUR_TAGS("Key", "Value") "}"
#define GROUPS(list)                                                                               \
    {                                                                                              \
        .call = "ec2:DescribeSecurityGroups", .answer = "{\"SecurityGroups\":[" list "]}"          \
    }

static void a_service_gets_ping_and_its_ports(void **state)
{
    (void)state;
    struct script t;
    script_open(&t, script_spec, NULL);
    assert_json(script_resource(&t, ADDRESS)->want,
                "{\"GroupName\":\"automation-8527fec8-api\",\"Description\":"
                "\"api of automation-8527fec8\",\"VpcId\":{\"${}\":\"${ec2.vpc/network.VpcId}\"},"
                "\"IpPermissions\":["
                "{\"IpProtocol\":\"icmp\",\"FromPort\":8,\"ToPort\":-1,\"CidrIp\":\"0.0.0.0/0\"},"
                "{\"IpProtocol\":\"tcp\",\"FromPort\":5000,\"ToPort\":5000,\"CidrIp\":"
                "\"0.0.0.0/0\"},"
                "{\"IpProtocol\":\"tcp\",\"FromPort\":9090,\"ToPort\":9090,\"CidrIp\":"
                "{\"${}\":\"${ec2.vpc/network.CidrBlock}\"}}]}");
    script_close(&t);
}

static void blocks_are_written_as_ec2_writes_them(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        { "203.0.113.5/24", "203.0.113.0/24" },
        { "10.9.8.7/0", "0.0.0.0/0" },
        { "203.0.113.5/32", "203.0.113.5/32" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_free_ char *ports = xasprintf("[{\"port\":1,\"from\":\"%s\"}]", cases[i][0]);
        _cleanup_free_ char *spec = script_spec_with("ports", ports);
        struct script t;
        script_open(&t, spec, NULL);
        assert_string_equal(
            json_str_at(script_resource(&t, ADDRESS)->want, "IpPermissions/1/CidrIp"), cases[i][1]);
        script_close(&t);
    }
    static const char *const wrong[] = { "999.0.0.0/8", "10.0.0.0/33" };
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        _cleanup_free_ char *ports = xasprintf("[5000,{\"port\":1,\"from\":\"%s\"}]", wrong[i]);
        _cleanup_free_ char *spec = script_spec_with("ports", ports);
        _cleanup_free_ char *message = script_refused(spec);
        assert_non_null(message);
        assert_true(str_starts(message, "services.api.ports[1].from: "));
    }
}

/* Somebody's rule for a group of another account goes by the name it came with. */
static void a_rule_for_another_accounts_group_can_be_revoked(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        VPC_ROW,
        GROUPS(GROUP("automation-8527fec8-api", "sg-1",
                     PING "," PORT(5000, "0.0.0.0/0") ","
                                                      "{\"IpProtocol\":\"-1\",\"UserIdGroupPairs\":"
                                                      "[{\"GroupId\":\"sg-8\",\"UserId\":"
                                                      "\"999999999999\"},{\"GroupId\":\"sg-9\","
                                                      "\"UserId\":\"123456789012\"}]}")),
        { .call = "ec2:RevokeSecurityGroupIngress", .answer = "{\"Return\":true}" },
        { 0 },
    };
    _cleanup_free_ char *spec = script_spec_with("ports", "[5000]");
    struct script t;
    script_open(&t, spec, rows);
    script_observe(&t, "ec2.vpc/network");
    script_discover(&t, ADDRESS);
    struct resource *r = script_target(&t, ADDRESS);
    if (r->type->update(t.s, r, &t.err) < 0)
        fail_msg("%s", t.err.message);
    assert_json(json_get(script_input(&t, "ec2:RevokeSecurityGroupIngress", 0), "IpPermissions"),
                "[{\"IpProtocol\":\"-1\",\"UserIdGroupPairs\":[{\"GroupId\":\"sg-8\",\"UserId\":"
                "\"999999999999\"}]},{\"IpProtocol\":\"-1\",\"UserIdGroupPairs\":[{\"GroupId\":"
                "\"sg-9\"}]}]");
    script_close(&t);
}

static void one_call_finds_wanted_groups_and_orphans(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        VPC_ROW,
        GROUPS(GROUP("automation-8527fec8-api", "sg-1",
                     PORT(9090, "10.2.0.0/16") "," PORT(
                         5000, "0.0.0.0/0") "," PING) "," GROUP("automation-8527fec8-old", "sg-2",
                                                                "")),
        { 0 },
    };
    _cleanup_free_ char *spec =
        script_spec_with("ports", "[{\"port\":9090,\"from\":\"vpc\"},5000]");
    struct script t;
    script_open(&t, spec, rows);
    script_observe(&t, "ec2.vpc/network");
    script_discover(&t, ADDRESS);
    assert_int_equal(script_count(&t, "ec2:DescribeSecurityGroups"), 1);
    /* The order of rules does not count: what is there reads as what is wanted. */
    struct resource *r = script_target(&t, ADDRESS);
    assert_true(json_equal(r->have, r->target));
    assert_string_equal(json_str(r->outputs, "GroupId"), "sg-1");
    assert_true(resource_is_ours(r));
    const struct resource *old = script_resource(&t, "security_group/old");
    assert_null(old->want);
    assert_non_null(old->have);
    assert_true(old->observed);
    script_close(&t);
}

static void missing_rules_come_before_superfluous_ones_go(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        VPC_ROW,
        GROUPS(GROUP("automation-8527fec8-api", "sg-1",
                     PORT(22, "0.0.0.0/0") "," PORT(5000, "0.0.0.0/0") "," PING)),
        { .call = "ec2:AuthorizeSecurityGroupIngress", .answer = "{}" },
        { .call = "ec2:RevokeSecurityGroupIngress", .answer = "{}" },
        { 0 },
    };
    struct script t;
    script_open(&t, script_spec, rows);
    script_observe(&t, "ec2.vpc/network");
    script_discover(&t, ADDRESS);
    struct resource *r = script_target(&t, ADDRESS);
    assert_false(json_equal(r->have, r->target));
    assert_int_equal(r->type->update(t.s, r, &t.err), 0);
    assert_json(script_input(&t, "ec2:AuthorizeSecurityGroupIngress", 0),
                "{\"GroupId\":\"sg-1\",\"IpPermissions\":[" PORT(9090, "10.2.0.0/16") "]}");
    assert_json(script_input(&t, "ec2:RevokeSecurityGroupIngress", 0),
                "{\"GroupId\":\"sg-1\",\"IpPermissions\":[" PORT(22, "0.0.0.0/0") "]}");
    assert_string_equal(json_str_at(t.calls, "2/call"), "ec2:AuthorizeSecurityGroupIngress");
    script_close(&t);
}

static void a_rule_added_meanwhile_is_looked_at_again(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        VPC_ROW,
        GROUPS(GROUP("automation-8527fec8-api", "sg-1", PING)),
        GROUPS(GROUP("automation-8527fec8-api", "sg-1", PING "," PORT(5000, "0.0.0.0/0"))),
        { .call = "ec2:AuthorizeSecurityGroupIngress",
          .class = ERR_EXISTS,
          .code = "InvalidPermission.Duplicate" },
        { .call = "ec2:AuthorizeSecurityGroupIngress", .answer = "{}" },
        { 0 },
    };
    struct script t;
    script_open(&t, script_spec, rows);
    script_observe(&t, "ec2.vpc/network");
    script_discover(&t, ADDRESS);
    struct resource *r = script_target(&t, ADDRESS);
    assert_int_equal(r->type->update(t.s, r, &t.err), 0);
    assert_json(script_input(&t, "ec2:AuthorizeSecurityGroupIngress", 1),
                "{\"GroupId\":\"sg-1\",\"IpPermissions\":[" PORT(9090, "10.2.0.0/16") "]}");
    script_close(&t);
}

static void a_group_is_created_with_its_tags_and_rules(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        VPC_ROW,
        { .call = "ec2:CreateSecurityGroup", .answer = "{\"GroupId\":\"sg-5\"}" },
        { .call = "ec2:AuthorizeSecurityGroupIngress", .answer = "{}" },
        { 0 },
    };
    struct script t;
    script_open(&t, script_spec, rows);
    script_observe(&t, "ec2.vpc/network");
    struct resource *r = script_target(&t, ADDRESS);
    assert_int_equal(r->type->create(t.s, r, &t.err), 0);
    const cJSON *input = script_input(&t, "ec2:CreateSecurityGroup", 0);
    assert_string_equal(json_str(input, "VpcId"), "vpc-1");
    _cleanup_json_ cJSON *tags =
        tags_from_list(json_at(input, "TagSpecifications/0/Tags"), "Key", "Value");
    assert_json(tags, "{\"Environment\":\"automation-8527fec8\",\"berth:project\":\"77\","
                      "\"berth:ref\":\"dev/feature/login\",\"berth:name\":\"api\","
                      "\"Name\":\"automation-8527fec8-api\"}");
    assert_int_equal(json_count(json_get(script_input(&t, "ec2:AuthorizeSecurityGroupIngress", 0),
                                         "IpPermissions")),
                     3);
    assert_true(json_equal(r->have, r->target));
    script_close(&t);
}

static void a_rule_from_several_subnets_is_one_rule_each(void **state)
{
    (void)state;
    _cleanup_json_ cJSON *rules = cJSON_CreateArray();
    cJSON *cidrs = cJSON_CreateArray();
    json_push_str(cidrs, "10.0.2.0/24");
    json_push_str(cidrs, "10.0.1.0/24");
    json_push(rules, security_group_rule("tcp", 6379, 6379, cidrs));
    json_push(rules, security_group_rule("tcp", 6379, 6379, cJSON_CreateString("10.0.1.0/24")));
    _cleanup_json_ cJSON *tuples = security_group_tuples(rules);
    assert_json(tuples, "[{\"IpProtocol\":\"tcp\",\"FromPort\":6379,\"ToPort\":6379,\"CidrIp\":"
                        "\"10.0.1.0/24\"},{\"IpProtocol\":\"tcp\",\"FromPort\":6379,\"ToPort\":"
                        "6379,\"CidrIp\":\"10.0.2.0/24\"}]");
}

#define NO_RULES "{\"SecurityGroups\":[]}"
#define ENI(id, description, managed)                                                              \
    "{\"NetworkInterfaceId\":\"" id "\",\"Description\":\"" description                            \
    "\",\"Status\":\"in-use\",\"InterfaceType\":\"interface\",\"RequesterManaged\":" managed "}"

/* What remove() says of a group that AWS does not delete. */
static void check_blocker(const char *interfaces, const char *ingress, const char *egress,
                          enum err_class class, const char *message)
{
    const struct script_row rows[] = {
        { .call = "ec2:DeleteSecurityGroup", .class = ERR_BUSY, .code = "DependencyViolation" },
        { .call = "ec2:DescribeNetworkInterfaces", .answer = interfaces },
        { .call = "ec2:DescribeSecurityGroups", .answer = ingress },
        { .call = "ec2:DescribeSecurityGroups", .answer = egress },
        { 0 },
    };
    struct script t;
    script_open(&t, script_spec, rows);
    struct resource *r = script_resource(&t, ADDRESS);
    resource_set_output(r, "GroupId", "sg-1");
    assert_int_equal(r->type->remove(t.s, r, &t.err), -1);
    assert_int_equal(t.err.class, class);
    assert_string_equal(t.err.message, message);
    assert_int_equal(script_count(&t, "ec2:DeleteSecurityGroup"), 1);
    script_close(&t);
}

static void what_keeps_a_group_is_named(void **state)
{
    (void)state;
    check_blocker("{\"NetworkInterfaces\":[" ENI("eni-1", "a task's", "true") "]}", NO_RULES,
                  NO_RULES, ERR_BUSY, "held by eni-1 \"a task's\"");
    check_blocker("{\"NetworkInterfaces\":[" ENI("eni-1", "ELB app/x",
                                                 "true") "," ENI("eni-2", "ELB app/x", "true") "]}",
                  NO_RULES, NO_RULES, ERR_BUSY, "held by eni-1 \"ELB app/x\" and 1 more");
    check_blocker("{\"NetworkInterfaces\":[]}", NO_RULES, NO_RULES, ERR_BUSY,
                  "AWS says that it is in use, and not by what");
}

/* Waiting would not help: the run says so at once, whatever else there is. */
static void what_somebody_has_to_take_away_is_not_waited_for(void **state)
{
    (void)state;
    check_blocker("{\"NetworkInterfaces\":[" ENI("eni-1", "a task's",
                                                 "true") "," ENI("eni-2", "mine", "false") "]}",
                  NO_RULES, NO_RULES, ERR_CONFLICT,
                  "security group 'automation-8527fec8-api' is held by eni-2 \"mine\", which AWS "
                  "does not take away: remove that network interface or its group, and run the job "
                  "again");
    static const char *const rule =
        "a rule of security group 'sg-9' (other), which is not this environment's, refers to "
        "'automation-8527fec8-api' and keeps it: remove that rule, and run the job again";
    static const char *const other =
        "{\"SecurityGroups\":[{\"GroupName\":\"other\",\"GroupId\":\"sg-9\"}]}";
    check_blocker("{\"NetworkInterfaces\":[]}", other, NO_RULES, ERR_CONFLICT, rule);
    check_blocker("{\"NetworkInterfaces\":[]}", NO_RULES, other, ERR_CONFLICT, rule);
}

/* In groups of our own nobody else has a say. */
static void rules_of_our_own_groups_are_taken_out(void **state)
{
    (void)state;
    static const char *const naming =
        "{\"SecurityGroups\":[{\"GroupName\":\"automation-8527fec8-b\",\"GroupId\":\"sg-2\","
        "\"IpPermissions\":[],\"IpPermissionsEgress\":[" PORT(
            1, "0.0.0.0/0") ",{\"IpProtocol\":\"tcp\",\"FromPort\":5,\"ToPort\":6,"
                            "\"IpRanges\":[{\"CidrIp\":\"10.0.0.0/8\"}],\"UserIdGroupPairs\":["
                            "{\"GroupId\":\"sg-1\",\"UserId\":\"123456789012\","
                            "\"Description\":\"x\"},{\"GroupId\":\"sg-7\"}]}],"
                            "\"Tags\":" OUR_TAGS("Key", "Value") "}]}";
    const struct script_row rows[] = {
        { .call = "ec2:DeleteSecurityGroup", .class = ERR_BUSY, .code = "DependencyViolation" },
        { .call = "ec2:DeleteSecurityGroup", .answer = "{}" },
        { .call = "ec2:DescribeNetworkInterfaces", .answer = "{\"NetworkInterfaces\":[]}" },
        { .call = "ec2:DescribeSecurityGroups", .answer = NO_RULES },
        { .call = "ec2:DescribeSecurityGroups", .answer = naming },
        { .call = "ec2:RevokeSecurityGroupEgress", .answer = "{\"Return\":true}" },
        { 0 },
    };
    struct script t;
    script_open(&t, script_spec, rows);
    struct resource *r = script_resource(&t, ADDRESS);
    resource_set_output(r, "GroupId", "sg-1");
    assert_int_equal(r->type->remove(t.s, r, &t.err), 0);
    assert_json(script_input(&t, "ec2:RevokeSecurityGroupEgress", 0),
                "{\"GroupId\":\"sg-2\",\"IpPermissions\":[{\"IpProtocol\":\"tcp\",\"FromPort\":5,"
                "\"ToPort\":6,\"UserIdGroupPairs\":[{\"GroupId\":\"sg-1\",\"UserId\":"
                "\"123456789012\"}]}]}");
    script_close(&t);
}

/* The group whose rule it was is gone when the rule is to be: it has no tags that would allow it.
 */
static void a_rule_that_is_gone_with_its_group_keeps_nothing(void **state)
{
    (void)state;
    static const char *const naming =
        "{\"SecurityGroups\":[{\"GroupId\":\"sg-2\",\"IpPermissions\":[{\"IpProtocol\":\"-1\","
        "\"UserIdGroupPairs\":[{\"GroupId\":\"sg-1\"}]}],\"Tags\":" OUR_TAGS("Key", "Value") "}]}";
    for (int denied = 0; denied < 2; denied++) {
        const struct script_row again = { .call = "ec2:DeleteSecurityGroup",
                                          .answer = denied ? NULL : "{}",
                                          .class = ERR_BUSY };
        const struct script_row rows[] = {
            { .call = "ec2:DeleteSecurityGroup", .class = ERR_BUSY, .code = "DependencyViolation" },
            again,
            { .call = "ec2:DescribeNetworkInterfaces", .answer = "{\"NetworkInterfaces\":[]}" },
            { .call = "ec2:DescribeSecurityGroups", .answer = naming },
            { .call = "ec2:RevokeSecurityGroupIngress", .class = ERR_DENIED },
            { 0 },
        };
        struct script t;
        script_open(&t, script_spec, rows);
        struct resource *r = script_resource(&t, ADDRESS);
        resource_set_output(r, "GroupId", "sg-1");
        assert_int_equal(r->type->remove(t.s, r, &t.err), denied ? -1 : 0);
        assert_int_equal(t.err.class, denied ? ERR_DENIED : ERR_NONE);
        script_close(&t);
    }
}

static void a_group_that_is_gone_is_removed(void **state)
{
    (void)state;
    static const struct script_row gone[] = {
        { .call = "ec2:DeleteSecurityGroup",
          .class = ERR_NOT_FOUND,
          .code = "InvalidGroup.NotFound" },
        { 0 },
    };
    struct script t;
    script_open(&t, script_spec, gone);
    struct resource *r = script_resource(&t, ADDRESS);
    resource_set_output(r, "GroupId", "sg-1");
    assert_int_equal(r->type->remove(t.s, r, &t.err), 0);
    script_close(&t);
}

/* Nothing tells the VPC then, and no spec: groups are found in all, and who refers to them. */
static void a_teardown_finds_the_groups_of_every_vpc(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        GROUPS(GROUP("automation-8527fec8-api", "sg-1",
                     PING) ","
                           "{\"GroupName\":\"automation-8527fec8-api\",\"GroupId\":\"sg-2\","
                           "\"VpcId\":\"vpc-2\","
                           "\"IpPermissions\":[],\"Tags\":" OUR_TAGS(
                               "Key", "Value") "},"
                                               "{\"GroupName\":\"automation-8527fec8-x\","
                                               "\"GroupId\":\"sg-3\",\"VpcId\":\"vpc-2\","
                                               "\"IpPermissions\":[],\"Tags\":[]}"),
        GROUPS("{\"GroupName\":\"other\",\"GroupId\":\"sg-9\",\"IpPermissions\":[{\"IpProtocol\":"
               "\"-1\",\"UserIdGroupPairs\":[{\"GroupId\":\"sg-2\"},{\"GroupId\":\"sg-3\"}]}]}"),
        GROUPS(""),
        { 0 },
    };
    struct script t;
    script_open_teardown(&t, rows);
    script_find(&t, "security_group");
    assert_int_equal(t.g->n, 3);
    assert_string_equal(t.g->v[0]->name, "automation-8527fec8-api");
    assert_string_equal(t.g->v[1]->name, "automation-8527fec8-api in vpc-2");
    assert_true(resource_is_ours(t.g->v[1]));
    assert_false(resource_is_ours(t.g->v[2]));
    assert_json(json_at(script_input(&t, "ec2:DescribeSecurityGroups", 1), "Filters"),
                "[{\"Name\":\"ip-permission.group-id\",\"Values\":[\"sg-1\",\"sg-2\"]}]");
    assert_int_equal(t.g->warnings.n, 1);
    assert_string_equal(t.g->warnings.v[0],
                        "a rule of security group 'sg-9' (other), which is not this environment's, "
                        "refers to 'automation-8527fec8-api in vpc-2' and keeps it: remove that "
                        "rule, and run the job again");
    assert_null(json_get(t.g->v[0]->memo, "referred"));
    assert_true(json_bool(t.g->v[1]->memo, "referred", false));
    script_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_service_gets_ping_and_its_ports),
        cmocka_unit_test(blocks_are_written_as_ec2_writes_them),
        cmocka_unit_test(a_rule_for_another_accounts_group_can_be_revoked),
        cmocka_unit_test(one_call_finds_wanted_groups_and_orphans),
        cmocka_unit_test(missing_rules_come_before_superfluous_ones_go),
        cmocka_unit_test(a_rule_added_meanwhile_is_looked_at_again),
        cmocka_unit_test(a_group_is_created_with_its_tags_and_rules),
        cmocka_unit_test(a_rule_from_several_subnets_is_one_rule_each),
        cmocka_unit_test(what_keeps_a_group_is_named),
        cmocka_unit_test(what_somebody_has_to_take_away_is_not_waited_for),
        cmocka_unit_test(rules_of_our_own_groups_are_taken_out),
        cmocka_unit_test(a_rule_that_is_gone_with_its_group_keeps_nothing),
        cmocka_unit_test(a_group_that_is_gone_is_removed),
        cmocka_unit_test(a_teardown_finds_the_groups_of_every_vpc),
    };
    return cmocka_run_group_tests_name("security_group", tests, NULL, NULL);
}
