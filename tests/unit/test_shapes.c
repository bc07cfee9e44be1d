/* SPDX-License-Identifier: MIT */
/* What the models say: inputs that are refused, endpoints, paging. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "drivers/aws/client.h"
#include "drivers/aws/endpoints.h"
#include "drivers/aws/shapes.h"
#include "executor/base/json.h"

static void wrong_inputs_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *service, *action, *input, *message;
    } cases[] = {
        { "ecs", "DescribeServices", "{\"servics\":[]}",
          "ecs:DescribeServices: unknown member 'servics' (did you mean 'services'?)" },
        { "ecs", "DescribeServices", "{\"Services\":[\"a\"]}",
          "ecs:DescribeServices: unknown member 'Services' (did you mean 'services'?)" },
        { "ecs", "DescribeServices", "{\"somethingElse\":1,\"services\":[\"a\"]}",
          "ecs:DescribeServices: unknown member 'somethingElse'" },
        { "ecs", "DescribeServices", "{}", "ecs:DescribeServices: 'services' is missing" },
        { "ecs", "DescribeServices", NULL, "ecs:DescribeServices: 'services' is missing" },
        { "ecs", "DescribeServices", "{\"services\":\"a\"}",
          "ecs:DescribeServices: services: must be a list, is a string" },
        { "ecs", "DescribeServices", "{\"services\":[\"a\",1]}",
          "ecs:DescribeServices: services[1]: must be a string, is a number" },
        { "ecs", "RegisterTaskDefinition",
          "{\"family\":\"f\",\"containerDefinitions\":[{\"name\":\"c\",\"memory\":\"512\"}]}",
          "ecs:RegisterTaskDefinition: containerDefinitions[0].memory: must be a whole number, is "
          "a string" },
        { "ecs", "RegisterTaskDefinition",
          "{\"family\":\"f\",\"containerDefinitions\":[{\"name\":\"c\",\"memory\":1.5}]}",
          "ecs:RegisterTaskDefinition: containerDefinitions[0].memory: must be a whole number of "
          "at most 2147483647, is 1.5" },
        { "ecs", "RegisterTaskDefinition",
          "{\"family\":\"f\",\"containerDefinitions\":[],\"networkMode\":\"awsvp\"}",
          "ecs:RegisterTaskDefinition: networkMode: must be one of 'bridge', 'host', 'awsvpc', "
          "'none', is 'awsvp'" },
        { "ecs", "RegisterTaskDefinition",
          "{\"family\":\"f\",\"containerDefinitions\":[{\"essential\":null}]}",
          "ecs:RegisterTaskDefinition: containerDefinitions[0].essential: must be true or false, "
          "is "
          "null" },
        { "iam", "GetRole", "{\"RoleName\":\"\"}",
          "iam:GetRole: RoleName: the length must be at least 1, is 0" },
        { "iam", "CreateRole",
          "{\"RoleName\":\"r\",\"AssumeRolePolicyDocument\":\"{}\",\"MaxSessionDuration\":60}",
          "iam:CreateRole: MaxSessionDuration: it must be at least 3600, is 60" },
        { "servicediscovery", "RegisterInstance",
          "{\"ServiceId\":\"s\",\"InstanceId\":\"i\",\"Attributes\":{\"a.b\":1}}",
          "servicediscovery:RegisterInstance: Attributes.\"a.b\": must be a string, is a number" },
        { "ecs", "NoSuchAction", "{}", "ecs:NoSuchAction: not in drivers/aws/actions.txt" },
        { "nosuch", "ListClusters", "{}", "nosuch:ListClusters: not in drivers/aws/actions.txt" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_json_ cJSON *input = cases[i].input ? cJSON_Parse(cases[i].input) : NULL;
        _cleanup_err_ struct err err = ERR_INIT;
        assert_int_equal(aws_check_input(cases[i].service, cases[i].action, input, &err), -1);
        assert_string_equal(err.message, cases[i].message);
    }
}

static void right_inputs_pass(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    assert_int_equal(aws_check_input("ecs", "ListClusters", NULL, &err), 0);
    /* The token is required by AWS, but filled in when it is sent. */
    _cleanup_json_ cJSON *input =
        cJSON_Parse("{\"ServiceId\":\"s\",\"InstanceId\":\"i\",\"Attributes\":{\"a\":\"1\"}}");
    assert_int_equal(aws_check_input("servicediscovery", "RegisterInstance", input, &err), 0);
}

static char *url_of(const char *region, const char *service, const char **ret_region)
{
    static char signed_for[64];
    struct endpoints *endpoints = NULL;
    struct err err = ERR_INIT;
    assert_int_equal(endpoints_new(region, &endpoints, &err), 0);
    const struct endpoint *endpoint = endpoint_find(endpoints, service_find(service));
    snprintf(signed_for, sizeof(signed_for), "%s", endpoint->region);
    *ret_region = signed_for;
    char *url = xstrdup(endpoint->url);
    endpoints_free(endpoints);
    return url;
}

static void expect_url(const char *region, const char *service, const char *url,
                       const char *signed_for)
{
    const char *got_region;
    _cleanup_free_ char *got = url_of(region, service, &got_region);
    assert_string_equal(got, url);
    assert_string_equal(got_region, signed_for);
}

static void clear_endpoints(void)
{
    unsetenv("AWS_ENDPOINT_URL");
    unsetenv("AWS_ENDPOINT_URL_ECS");
    unsetenv("AWS_ENDPOINT_URL_CLOUDWATCH_LOGS");
}

static void endpoints_are_awss(void **state)
{
    (void)state;
    clear_endpoints();
    expect_url("eu-west-1", "ecs", "https://ecs.eu-west-1.amazonaws.com", "eu-west-1");
    expect_url("eu-west-1", "ecr", "https://api.ecr.eu-west-1.amazonaws.com", "eu-west-1");
    expect_url("eu-west-1", "iam", "https://iam.amazonaws.com", "us-east-1");
    expect_url("eu-west-1", "route53", "https://route53.amazonaws.com", "us-east-1");
    expect_url("eu-west-1", "sts", "https://sts.eu-west-1.amazonaws.com", "eu-west-1");
    expect_url("cn-north-1", "ec2", "https://ec2.cn-north-1.amazonaws.com.cn", "cn-north-1");
    expect_url("cn-northwest-1", "iam", "https://iam.cn-north-1.amazonaws.com.cn", "cn-north-1");
    expect_url("us-gov-east-1", "iam", "https://iam.us-gov.amazonaws.com", "us-gov-west-1");
}

static void the_environment_names_endpoints(void **state)
{
    (void)state;
    clear_endpoints();
    setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:5000/", 1);
    setenv("AWS_ENDPOINT_URL_CLOUDWATCH_LOGS", "https://logs.example:8443/base", 1);
    expect_url("eu-west-1", "ecs", "http://127.0.0.1:5000", "eu-west-1");
    expect_url("eu-west-1", "logs", "https://logs.example:8443/base", "eu-west-1");
    expect_url("eu-west-1", "iam", "http://127.0.0.1:5000", "us-east-1");
    clear_endpoints();
}

static void regions_have_a_shape(void **state)
{
    (void)state;
    static const char *const right[] = { "us-east-1",      "ap-southeast-12", "us-gov-west-1",
                                         "cn-north-1",     "us-iso-east-1",   "us-isob-east-1",
                                         "eu-isoe-west-1", "eusc-de-east-1",  "mx-central-1" };
    static const char *const wrong[] = { "*",        "us-*-1",       "s3",       "s3-us-west-2",
                                         "us-east",  "us-1",         "us-east-", "us-east-1-",
                                         "eusc",     "us-east-1a",   "eu-1",     "us--east-1",
                                         "-eu-ea-1", "us-a-b-c-d-1", "a-east-1", "us-east-1.x" };
    for (size_t i = 0; i < ARRAY_SIZE(right); i++)
        assert_true(region_is_valid(right[i]));
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        assert_false(region_is_valid(wrong[i]));
    assert_false(region_is_valid(NULL));
}

static void wrong_endpoints_are_refused(void **state)
{
    (void)state;
    clear_endpoints();
    static const char *const urls[] = { "127.0.0.1:5000", "ftp://x", "http://u:p@x", "http://x?y",
                                        "http://" };
    static const char *const regions[] = { "", "US-EAST-1", "us-east-1.evil.example", "a/b", "-" };
    for (size_t i = 0; i < ARRAY_SIZE(urls); i++) {
        struct endpoints *endpoints = NULL;
        _cleanup_err_ struct err err = ERR_INIT;
        setenv("AWS_ENDPOINT_URL_ECS", urls[i], 1);
        assert_int_equal(endpoints_new("us-east-1", &endpoints, &err), -1);
        assert_int_equal(err.class, ERR_INVALID);
        assert_non_null(strstr(err.message, "AWS_ENDPOINT_URL_ECS"));
    }
    clear_endpoints();
    for (size_t i = 0; i < ARRAY_SIZE(regions); i++) {
        struct endpoints *endpoints = NULL;
        _cleanup_err_ struct err err = ERR_INIT;
        assert_int_equal(endpoints_new(regions[i], &endpoints, &err), -1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_inputs_are_named),
        cmocka_unit_test(right_inputs_pass),
        cmocka_unit_test(endpoints_are_awss),
        cmocka_unit_test(regions_have_a_shape),
        cmocka_unit_test(the_environment_names_endpoints),
        cmocka_unit_test(wrong_endpoints_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
