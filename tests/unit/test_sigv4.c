/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "drivers/aws/sigv4.h"
#include "executor/base/json.h"
#include "tests/unit/oracle.h"

/* AWS's published example, iam ListUsers on 2015-08-30:
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html */
static void published_example(void **state)
{
    (void)state;
    const struct sigv4_header headers[] = {
        { "Content-Type", "application/x-www-form-urlencoded; charset=utf-8" },
        { "Host", "iam.amazonaws.com" },
        { "X-Amz-Date", "20150830T123600Z" },
    };
    struct sigv4_request request = {
        .method = "GET",
        .path = "/",
        .query = "Action=ListUsers&Version=2010-05-08",
        .headers = headers,
        .n_headers = ARRAY_SIZE(headers),
        .body = "",
    };
    struct sigv4_key key = {
        .access_key = "AKIDEXAMPLE",
        .secret_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        .region = "us-east-1",
        .service = "iam",
        .time = 1440938160,
    };
    _cleanup_free_ char *authorization = NULL, *canonical = NULL, *to_sign = NULL;
    _cleanup_err_ struct err err = ERR_INIT;
    assert_int_equal(sigv4_sign(&request, &key, &authorization, &canonical, &to_sign, &err), 0);
    assert_string_equal(canonical,
                        "GET\n/\nAction=ListUsers&Version=2010-05-08\n"
                        "content-type:application/x-www-form-urlencoded; charset=utf-8\n"
                        "host:iam.amazonaws.com\nx-amz-date:20150830T123600Z\n\n"
                        "content-type;host;x-amz-date\n"
                        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_string_equal(to_sign,
                        "AWS4-HMAC-SHA256\n20150830T123600Z\n20150830/us-east-1/iam/aws4_request\n"
                        "f536975d06c0309214f805bb90ccff089219ecd68b2577efef23edd43b7e1a59");
    assert_string_equal(
        authorization,
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, "
        "SignedHeaders=content-type;host;x-amz-date, "
        "Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7");
}

static void sign_as_botocore(const cJSON *line)
{
    struct sigv4_header headers[16];
    size_t n = 0;
    const cJSON *header;
    cJSON_ArrayForEach (header, json_get(line, "headers")) {
        assert_true(n < ARRAY_SIZE(headers));
        headers[n++] = (struct sigv4_header){ header->string, header->valuestring };
    }
    struct sigv4_request request = {
        .method = json_str(line, "method"),
        .path = json_str(line, "path"),
        .query = json_str(line, "query"),
        .headers = headers,
        .n_headers = n,
        .body = json_str(line, "body"),
        .body_len = strlen(json_str(line, "body")),
    };
    struct sigv4_key key = {
        .access_key = "AKIDEXAMPLE",
        .secret_key = json_str(line, "secret"),
        .region = json_str(line, "region"),
        .service = json_str(line, "service"),
        .time = json_int(line, "time", 0),
    };
    _cleanup_free_ char *authorization = NULL, *canonical = NULL;
    _cleanup_err_ struct err err = ERR_INIT;
    assert_int_equal(sigv4_sign(&request, &key, &authorization, &canonical, NULL, &err), 0);
    assert_string_equal(canonical, json_str(line, "canonical"));
    assert_string_equal(authorization, json_str(line, "authorization"));
}

static void botocores_signatures(void **state)
{
    (void)state;
    _cleanup_json_ cJSON *lines = oracle_lines("tests/unit/sigv4_oracle.py");
    assert_true(json_count(lines) >= 300);
    const cJSON *line;
    cJSON_ArrayForEach (line, lines)
        sign_as_botocore(line);
}

static char *canonical_of(const char *query, const struct sigv4_header *headers, size_t n)
{
    struct sigv4_request request = {
        .method = "GET", .path = "/", .query = query, .headers = headers, .n_headers = n, .body = ""
    };
    struct sigv4_key key = { "AKID", "secret", "us-east-1", "s3", 0 };
    char *authorization = NULL, *canonical = NULL;
    struct err err = ERR_INIT;
    assert_int_equal(sigv4_sign(&request, &key, &authorization, &canonical, NULL, &err), 0);
    free(authorization);
    return canonical;
}

/* What libcurl 7.88's own signer gets wrong. */
static void queries_are_sorted_and_encoded_once(void **state)
{
    (void)state;
    const struct sigv4_header host = { "host", "h" };
    _cleanup_free_ char *odd = canonical_of("b=2&a=%2a&c&a=*&a=%2f", &host, 1);
    assert_non_null(strstr(odd, "\na=%2A&a=%2A&a=%2F&b=2&c=\n"));
}

static void repeated_headers_are_joined(void **state)
{
    (void)state;
    const struct sigv4_header headers[] = {
        { "X-B", " 1 " }, { "host", "h" }, { "x-b", "2\t 3" }, { "x-a-b", "" }, { "X-A", "v" }
    };
    _cleanup_free_ char *text = canonical_of("", headers, ARRAY_SIZE(headers));
    assert_non_null(strstr(text, "\nhost:h\nx-a:v\nx-a-b:\nx-b:1,2 3\n\nhost;x-a;x-a-b;x-b\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_example),
        cmocka_unit_test(botocores_signatures),
        cmocka_unit_test(queries_are_sorted_and_encoded_once),
        cmocka_unit_test(repeated_headers_are_joined),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
