/* SPDX-License-Identifier: MIT */
/* The wire protocols, against botocore: the same input must become the same bytes, the same bytes
 * the same output, for every action that berth calls. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "drivers/aws/check.h"
#include "drivers/aws/protocol.h"
#include "executor/base/json.h"
#include "tests/unit/oracle.h"

static cJSON *lines;

static int read_oracle(void **state)
{
    (void)state;
    lines = oracle_lines("tests/unit/protocol_oracle.py");
    return 0;
}

static int free_oracle(void **state)
{
    (void)state;
    cJSON_Delete(lines);
    return 0;
}

static void find(const cJSON *line, const struct service **service, const struct operation **op)
{
    *service = service_find(json_str(line, "service"));
    assert_non_null(*service);
    *op = operation_find(*service, json_str(line, "action"));
    assert_non_null(*op);
}

static void fail_line(const cJSON *line, const char *wanted, const char *got)
{
    fail_msg("%s:%s\nwanted %s\ngot    %s", json_str(line, "service"), json_str(line, "action"),
             wanted, got);
}

static void inputs_are_accepted(void **state)
{
    (void)state;
    const cJSON *line;
    cJSON_ArrayForEach (line, lines) {
        const struct service *service;
        const struct operation *op;
        find(line, &service, &op);
        _cleanup_err_ struct err err = ERR_INIT;
        if (input_check(&shapes[op->input], json_get(line, "input"), &err) < 0)
            fail_line(line, "no error", err.message);
    }
}

static void expect_headers(const cJSON *line, const cJSON *wanted, const struct strlist *got)
{
    const cJSON *header;
    cJSON_ArrayForEach (header, wanted) {
        _cleanup_free_ char *text = xasprintf("%s: %s", header->string, header->valuestring);
        if (!strlist_has(got, text))
            fail_line(line, text, "no such header");
    }
}

/* JSON may differ in white space; forms may not differ at all. */
static void expect_body(const cJSON *line, enum protocol_id protocol, const char *wanted,
                        const char *got)
{
    if (protocol != PROTOCOL_JSON) {
        if (strcmp(wanted, got) != 0)
            fail_line(line, wanted, got);
        return;
    }
    _cleanup_json_ cJSON *a = cJSON_Parse(wanted);
    _cleanup_json_ cJSON *b = cJSON_Parse(got);
    if (!json_equal(a, b))
        fail_line(line, wanted, got);
}

static void requests_are_botocores(void **state)
{
    (void)state;
    const cJSON *line;
    cJSON_ArrayForEach (line, lines) {
        const struct service *service;
        const struct operation *op;
        find(line, &service, &op);
        const cJSON *wanted = json_get(line, "request");
        _cleanup_wire_request_ struct wire_request request = WIRE_REQUEST_INIT;
        protocol_find(service->protocol)->write(service, op, json_get(line, "input"), &request);
        assert_string_equal(request.method, json_str(wanted, "method"));
        assert_string_equal(request.path.buf, json_str(wanted, "path"));
        assert_string_equal(request.query.buf, json_str(wanted, "query"));
        expect_headers(line, json_get(wanted, "headers"), &request.headers);
        expect_body(line, service->protocol, json_str(wanted, "body"), request.body.buf);
    }
}

/* cJSON would print 1e+15, which is no whole number to AWS. */
static void large_numbers_have_all_their_digits(void **state)
{
    (void)state;
    const struct service *service = service_find("logs");
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    cJSON_AddNumberToObject(input, "startTime", 1e15);
    _cleanup_wire_request_ struct wire_request request = WIRE_REQUEST_INIT;
    json_protocol.write(service, operation_find(service, "FilterLogEvents"), input, &request);
    assert_string_equal(request.body.buf, "{\"startTime\":1000000000000000}");
}

static void answers_are_read_as_by_botocore(void **state)
{
    (void)state;
    const cJSON *line;
    cJSON_ArrayForEach (line, lines) {
        const struct service *service;
        const struct operation *op;
        find(line, &service, &op);
        const char *body = json_str_at(line, "answer/body");
        _cleanup_http_response_ struct http_response response = HTTP_RESPONSE_INIT;
        strbuf_adds(&response.body, body);
        _cleanup_json_ cJSON *output = NULL;
        _cleanup_err_ struct err err = ERR_INIT;
        if (protocol_find(service->protocol)->read(op, &response, &output, &err) < 0)
            fail_line(line, body, err.message);
        if (!json_equal(output, json_at(line, "answer/expected"))) {
            _cleanup_free_ char *wanted = json_print(json_at(line, "answer/expected"));
            _cleanup_free_ char *got = json_print(output);
            fail_line(line, wanted, got);
        }
    }
}

static int read_body(const char *service, const char *action, const char *body, cJSON **ret,
                     struct err *err)
{
    const struct service *s = service_find(service);
    _cleanup_http_response_ struct http_response response = HTTP_RESPONSE_INIT;
    strbuf_adds(&response.body, body);
    return protocol_find(s->protocol)->read(operation_find(s, action), &response, ret, err);
}

/* What is no answer of the service is an error, whatever the status said. */
static void garbage_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *service, *action, *body, *message;
    } cases[] = {
        { "ecs", "ListClusters", "<html>proxy</html>", "not JSON" },
        { "ecs", "ListClusters", "[]", "not a JSON object" },
        { "ecs", "ListClusters", "{\"clusterArns\":[\"a\"]", "not JSON" },
        { "iam", "ListRoles", "{}", "not XML" },
        { "iam", "ListRoles", "", "not XML" },
        { "iam", "ListRoles", "<html/>", "'html' instead of 'ListRolesResponse'" },
        { "iam", "ListRoles", "<ListRolesResponse><ListRolesResult>", "not XML" },
        { "iam", "ListRoles",
          "<!DOCTYPE x [<!ENTITY e SYSTEM \"file:///etc/passwd\">]><ListRolesResponse>&e;"
          "</ListRolesResponse>",
          "document type" },
        { "iam", "ListRoles",
          "<ListRolesResponse><ListRolesResult><IsTruncated>maybe</IsTruncated>"
          "</ListRolesResult></ListRolesResponse>",
          "'IsTruncated' holds 'maybe'" },
        { "ec2", "DescribeSubnets",
          "<DescribeSubnetsResponse><subnetSet><item><availableIpAddressCount>many"
          "</availableIpAddressCount></item></subnetSet></DescribeSubnetsResponse>",
          "'availableIpAddressCount' holds 'many'" },
        { "route53", "GetChange", "<html/>", "'html' instead of 'GetChangeResponse'" },
        { "route53", "GetChange", "", "not XML" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_json_ cJSON *output = NULL;
        _cleanup_err_ struct err err = ERR_INIT;
        assert_int_equal(read_body(cases[i].service, cases[i].action, cases[i].body, &output, &err),
                         -1);
        assert_int_equal(err.class, ERR_FAILED);
        assert_non_null(strstr(err.message, cases[i].message));
        assert_null(output);
    }
}

static void deep_xml_is_refused(void **state)
{
    (void)state;
    _cleanup_strbuf_ struct strbuf body = STRBUF_INIT;
    for (int i = 0; i < 5000; i++)
        strbuf_adds(&body, "<a>");
    for (int i = 0; i < 5000; i++)
        strbuf_adds(&body, "</a>");
    _cleanup_json_ cJSON *output = NULL;
    _cleanup_err_ struct err err = ERR_INIT;
    assert_int_equal(read_body("iam", "ListRoles", body.buf, &output, &err), -1);
    assert_int_equal(err.class, ERR_FAILED);
}

static void expect_error(const char *service, const char *header, const char *body,
                         const char *code, const char *message, const char *id)
{
    _cleanup_http_response_ struct http_response response = HTTP_RESPONSE_INIT;
    strbuf_adds(&response.body, body);
    if (header != NULL)
        strlist_add(&response.headers, header);
    struct wire_error error = { 0 };
    protocol_find(service_find(service)->protocol)->read_error(&response, &error);
    assert_string_equal(error.code, code);
    if (message != NULL)
        assert_string_equal(error.message, message);
    else
        assert_null(error.message);
    assert_string_equal(error.request_id, id);
    wire_error_release(&error);
}

static void errors_are_found_in_every_form(void **state)
{
    (void)state;
    expect_error("ecs", NULL, "{\"__type\":\"ClusterNotFoundException\",\"message\":\"no\"}",
                 "ClusterNotFoundException", "no", "");
    expect_error("ecs", NULL,
                 "{\"__type\":\"com.amazonaws.ecs#ServerException\",\"Message\":\"no\"}",
                 "ServerException", "no", "");
    expect_error("ecs", "x-amzn-errortype: AccessDeniedException:http://internal.amazon.com/", "{}",
                 "AccessDeniedException", NULL, "");
    expect_error("logs", "x-amzn-query-error: ResourceNotFound;Sender",
                 "{\"__type\":\"GraniteServiceVersion20100801#ResourceNotFoundException\"}",
                 "ResourceNotFound", NULL, "");
    expect_error("ecs", NULL, "<html>Service Unavailable</html>", "", NULL, "");
    expect_error("iam", NULL,
                 "<ErrorResponse xmlns=\"x\"><Error><Type>Sender</Type><Code>NoSuchEntity</Code>"
                 "<Message>The role &lt;x&gt;</Message></Error><RequestId>7</RequestId>"
                 "</ErrorResponse>",
                 "NoSuchEntity", "The role <x>", "7");
    expect_error("ec2", NULL,
                 "<Response><Errors><Error><Code>InvalidGroup.InUse</Code><Message>m</Message>"
                 "</Error></Errors><RequestID>8</RequestID></Response>",
                 "InvalidGroup.InUse", "m", "8");
    expect_error("ec2", NULL, "not xml", "", NULL, "");
    expect_error("route53", NULL,
                 "<?xml version=\"1.0\"?><ErrorResponse xmlns=\"https://route53.amazonaws.com/doc/"
                 "2013-04-01/\"><Error><Type>Sender</Type><Code>NoSuchHostedZone</Code><Message>No "
                 "hosted zone found with ID: Z1</Message></Error><RequestId>9</RequestId>"
                 "</ErrorResponse>",
                 "NoSuchHostedZone", "No hosted zone found with ID: Z1", "9");
    expect_error("route53", NULL,
                 "<InvalidChangeBatch xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\">"
                 "<Messages><Message>Tried to delete x, but it was not found</Message></Messages>"
                 "<RequestId>10</RequestId></InvalidChangeBatch>",
                 "InvalidChangeBatch", "Tried to delete x, but it was not found", "10");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inputs_are_accepted),
        cmocka_unit_test(requests_are_botocores),
        cmocka_unit_test(large_numbers_have_all_their_digits),
        cmocka_unit_test(answers_are_read_as_by_botocore),
        cmocka_unit_test(garbage_is_refused),
        cmocka_unit_test(deep_xml_is_refused),
        cmocka_unit_test(errors_are_found_in_every_form),
    };
    return cmocka_run_group_tests(tests, read_oracle, free_oracle);
}
