/* SPDX-License-Identifier: MIT */
#include "tests/unit/awsscript.h"

#include <setjmp.h>
#include <cmocka.h>

#include "drivers/ec2.h"

#define VPC "{\"VpcId\":\"vpc-1\",\"CidrBlock\":\"10.2.0.0/16\"}"
#define SUBNET(id, cidr, name)                                                                     \
    "{\"SubnetId\":\"" id "\",\"CidrBlock\":\"" cidr "\",\"Tags\":[{\"Key\":\"Name\",\"Value\":"   \
    "\"" name "\"}]}"

static void the_vpc_and_its_subnets_are_found(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        { .call = "ec2:DescribeVpcs", .answer = "{\"Vpcs\":[" VPC "]}" },
        { .call = "ec2:DescribeSubnets",
          .answer = "{\"Subnets\":[" SUBNET("subnet-2", "10.2.2.0/24", "private-b") "," SUBNET(
              "subnet-1", "10.2.1.0/24", "private-a") "," SUBNET("subnet-3", "10.2.3.0/24",
                                                                 "public-a") "]}" },
        { 0 },
    };
    struct script t;
    script_open(&t, script_spec, rows);
    script_observe(&t, EC2_VPC);
    assert_json(script_input(&t, "ec2:DescribeVpcs", 0),
                "{\"Filters\":[{\"Name\":\"tag:Name\",\"Values\":[\"vpc-dev\"]}]}");
    script_observe(&t, EC2_PRIVATE_SUBNETS);
    assert_json(script_input(&t, "ec2:DescribeSubnets", 0),
                "{\"Filters\":[{\"Name\":\"vpc-id\",\"Values\":[\"vpc-1\"]}]}");
    const struct resource *subnets = script_resource(&t, EC2_PRIVATE_SUBNETS);
    assert_json(json_get(subnets->outputs, "SubnetIds"), "[\"subnet-1\",\"subnet-2\"]");
    assert_json(json_get(subnets->outputs, "CidrBlocks"), "[\"10.2.1.0/24\",\"10.2.2.0/24\"]");
    /* Nothing needs the public ones, so nobody looks. */
    assert_null(graph_find(t.g, EC2_PUBLIC_SUBNETS));
    script_close(&t);
}

static void a_filter_that_only_aws_can_judge_is_sent(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        { .call = "ec2:DescribeVpcs", .answer = "{\"Vpcs\":[" VPC "]}" },
        { .call = "ec2:DescribeSubnets", .answer = "{\"Subnets\":[{\"SubnetId\":\"subnet-7\"}]}" },
        { 0 },
    };
    struct script t;
    script_open(&t,
                "{\"network\":{\"vpc\":\"vpc-1\",\"privateSubnets\":{\"state\":\"available\"}},"
                "\"services\":{\"a\":{\"image\":\"i\",\"executionRole\":\"x\"}}}",
                rows);
    script_observe(&t, EC2_VPC);
    script_observe(&t, EC2_PRIVATE_SUBNETS);
    assert_json(script_input(&t, "ec2:DescribeSubnets", 0),
                "{\"Filters\":[{\"Name\":\"state\",\"Values\":[\"available\"]},"
                "{\"Name\":\"vpc-id\",\"Values\":[\"vpc-1\"]}]}");
    assert_json(json_get(script_resource(&t, EC2_PRIVATE_SUBNETS)->outputs, "SubnetIds"),
                "[\"subnet-7\"]");
    script_close(&t);
}

static void check_missing(const struct script_row *rows, const char *address, const char *why)
{
    struct script t;
    script_open(&t, script_spec, rows);
    script_observe(&t, EC2_VPC);
    if (!str_eq(address, EC2_VPC))
        script_observe(&t, address);
    const struct resource *r = script_resource(&t, address);
    assert_null(r->have);
    assert_string_equal(json_str(r->memo, "missing"), why);
    script_close(&t);
}

static void what_is_not_found_says_what_was_looked_for(void **state)
{
    (void)state;
    static const struct script_row none[] = {
        { .call = "ec2:DescribeVpcs", .answer = "{\"Vpcs\":[]}" },
        { 0 },
    };
    check_missing(none, EC2_VPC,
                  "no VPC in us-east-1 matches tag:Name=vpc-dev; correct it, or create the VPC "
                  "first");
    check_missing(none, EC2_PRIVATE_SUBNETS, "the VPC that network.vpc names is not there");
    static const struct script_row two[] = {
        { .call = "ec2:DescribeVpcs", .answer = "{\"Vpcs\":[" VPC ",{\"VpcId\":\"vpc-2\"}]}" },
        { 0 },
    };
    check_missing(two, EC2_VPC,
                  "2 VPCs in us-east-1 match tag:Name=vpc-dev ('vpc-1' and 'vpc-2' among them); "
                  "name one");
    static const struct script_row empty[] = {
        { .call = "ec2:DescribeVpcs", .answer = "{\"Vpcs\":[" VPC "]}" },
        { .call = "ec2:DescribeSubnets", .answer = "{\"Subnets\":[]}" },
        { 0 },
    };
    check_missing(empty, EC2_PRIVATE_SUBNETS,
                  "no subnet of the VPC matches tag:Name=private-*; correct it, or create the "
                  "subnets first");
    static const struct script_row unknown[] = {
        { .call = "ec2:DescribeVpcs", .class = ERR_NOT_FOUND, .code = "InvalidVpcID.NotFound" },
        { 0 },
    };
    check_missing(unknown, EC2_VPC,
                  "no VPC in us-east-1 matches tag:Name=vpc-dev; correct it, or create the VPC "
                  "first");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_vpc_and_its_subnets_are_found),
        cmocka_unit_test(a_filter_that_only_aws_can_judge_is_sent),
        cmocka_unit_test(what_is_not_found_says_what_was_looked_for),
    };
    return cmocka_run_group_tests_name("ec2", tests, NULL, NULL);
}
