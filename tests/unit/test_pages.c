/* SPDX-License-Identifier: MIT */
/* Sessions that a function answers: paging, and the record of calls. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "drivers/aws/client.h"
#include "executor/base/json.h"

static int answer_pages(void *context, const char *service, const char *action, const cJSON *input,
                        cJSON **ret, struct err *err)
{
    (void)service;
    int64_t page = 0;
    const char *token = json_str(input, "nextToken");
    if (token != NULL)
        str_to_int64(token, 0, 100, &page);
    if (strcmp(action, "DescribeClusters") == 0)
        return err_set(err, ERR_NOT_FOUND, "ecs:DescribeClusters: none");
    cJSON *output = cJSON_CreateObject();
    cJSON *arns = json_put_array(output, "clusterArns");
    for (int i = 0; i < 3; i++) {
        _cleanup_free_ char *arn = xasprintf("arn-%d", (int)page * 3 + i);
        json_push_str(arns, arn);
    }
    if (page < *(int *)context)
        json_put_strf(output, "nextToken", "%d", (int)page + 1);
    *ret = output;
    return 0;
}

static void fakes_page_and_record(void **state)
{
    (void)state;
    int last_page = 4;
    struct cancel cancel;
    cancel_init(&cancel);
    struct session *s = NULL;
    _cleanup_err_ struct err err = ERR_INIT;
    session_open_fake("us-east-1", "123456789012", &cancel, answer_pages, &last_page, &s);
    const char *account = NULL;
    assert_int_equal(session_account(s, &account, &err), 0);
    assert_string_equal(account, "123456789012");
    _cleanup_json_ cJSON *all = NULL;
    assert_int_equal(aws_call_all(s, "ecs", "ListClusters", NULL, "clusterArns", &all, &err), 0);
    assert_int_equal(json_count(all), 15);
    assert_string_equal(cJSON_GetArrayItem(all, 14)->valuestring, "arn-14");
    assert_int_equal(aws_call(s, "ecs", "DescribeClusters", NULL, NULL, &err), -1);
    assert_int_equal(aws_call(s, "ecs", "DescribeServices", NULL, NULL, &err), -1);
    assert_int_equal(err.class, ERR_INVALID); /* never asked */
    cJSON *none = NULL;
    assert_int_equal(aws_call_all(s, "ecs", "ListClusters", NULL, "clusters", &none, &err), -1);
    assert_int_equal(err.class, ERR_BUG);

    struct call_record *record = NULL;
    assert_int_equal(session_record(s, &record), 6);
    assert_string_equal(record[0].action, "ListClusters");
    assert_false(record[0].failed || record[0].write);
    assert_true(record[5].failed);
    free(record);
    cancel_set(&cancel);
    assert_int_equal(aws_call(s, "ecs", "ListClusters", NULL, NULL, &err), -1);
    assert_int_equal(err.class, ERR_CANCELLED);
    session_free(s);
    cancel_release(&cancel);
}

/* IAM says whether there is more, and may give a marker all the same; others end by giving the
 * token again that they were given. */
static int answer_otherwise(void *context, const char *service, const char *action,
                            const cJSON *input, cJSON **ret, struct err *err)
{
    static const char *const pages[2][2] = {
        { "{\"clusterArns\":[\"a\"],\"nextToken\":\"1\"}", "{\"nextToken\":\"1\"}" },
        { "{\"PolicyNames\":[\"a\"],\"IsTruncated\":true,\"Marker\":\"1\"}",
          "{\"PolicyNames\":[\"b\"],\"IsTruncated\":false,\"Marker\":\"2\"}" },
    };
    (void)context;
    (void)action;
    (void)err;
    bool iam = strcmp(service, "iam") == 0;
    bool second = json_get(input, iam ? "Marker" : "nextToken") != NULL;
    *ret = cJSON_Parse(pages[iam][second]);
    return 0;
}

static void pages_end_in_each_services_way(void **state)
{
    (void)state;
    struct cancel cancel;
    cancel_init(&cancel);
    struct session *s = NULL;
    _cleanup_err_ struct err err = ERR_INIT;
    session_open_fake("us-east-1", "123456789012", &cancel, answer_otherwise, NULL, &s);
    _cleanup_json_ cJSON *role = cJSON_Parse("{\"RoleName\":\"r\"}");
    _cleanup_json_ cJSON *names = NULL;
    assert_int_equal(aws_call_all(s, "iam", "ListRolePolicies", role, "PolicyNames", &names, &err),
                     0);
    assert_int_equal(json_count(names), 2);
    _cleanup_json_ cJSON *arns = NULL;
    assert_int_equal(aws_call_all(s, "ecs", "ListClusters", NULL, "clusterArns", &arns, &err), 0);
    assert_int_equal(json_count(arns), 1);
    struct call_record *record = NULL;
    assert_int_equal(session_record(s, &record), 4);
    free(record);
    session_free(s);
    cancel_release(&cancel);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fakes_page_and_record),
        cmocka_unit_test(pages_end_in_each_services_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
