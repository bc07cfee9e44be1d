/* SPDX-License-Identifier: MIT */
/* What AWS refuses at first: what a session mends by itself, and what passes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <time.h>

#include "executor/base/json.h"
#include "tests/unit/served.h"

/* Our clock is a day behind, it seems: AWS says so once. */
static void answer_skewed(void *context, size_t n, const char *text, struct server_reply *reply)
{
    struct served *f = context;
    char date[64];
    time_t tomorrow = time(NULL) + 86400;
    struct tm tm;
    strftime(date, sizeof(date), "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", gmtime_r(&tomorrow, &tm));
    char day[16];
    strftime(day, sizeof(day), "/%Y%m%d/", &tm);
    f->more = strstr(text, day) != NULL ? f : NULL;
    if (n == 0)
        reply_with(reply, 403, date, "{\"__type\":\"InvalidSignatureException\"}");
    else
        reply_with(reply, 200, JSON_HEADER, "{\"clusterArns\":[]}");
}

static void a_wrong_clock_is_corrected_once(void **state)
{
    (void)state;
    struct served f;
    served_start(&f, answer_skewed);
    assert_int_equal(aws_call(f.session, "ecs", "ListClusters", NULL, NULL, &f.err), 0);
    assert_int_equal(server_requests(f.server), 2);
    assert_non_null(f.more); /* signed with AWS's date */
    assert_int_equal(aws_call(f.session, "ecs", "ListClusters", NULL, NULL, &f.err), 0);
    assert_int_equal(server_requests(f.server), 3);
    served_stop(&f);
}

static void answer_expired(void *context, size_t n, const char *text, struct server_reply *reply)
{
    (void)context;
    (void)n;
    (void)text;
    setenv("AWS_ACCESS_KEY_ID", "AKIDRENEWED", 1);
    if (strstr(text, "AKIDRENEWED") == NULL)
        reply_with(reply, 400, JSON_HEADER, "{\"__type\":\"ExpiredTokenException\"}");
    else
        reply_with(reply, 200, JSON_HEADER, "{}");
}

static void expired_credentials_are_renewed_once(void **state)
{
    (void)state;
    struct served f;
    served_start(&f, answer_expired);
    assert_int_equal(aws_call(f.session, "ecs", "ListClusters", NULL, NULL, &f.err), 0);
    assert_int_equal(server_requests(f.server), 2);
    served_stop(&f);
}

static void answer_always_expired(void *context, size_t n, const char *text,
                                  struct server_reply *reply)
{
    (void)context;
    (void)n;
    (void)text;
    reply_with(reply, 400, JSON_HEADER, "{\"__type\":\"ExpiredTokenException\"}");
}

static void credentials_that_stay_expired_are_an_error(void **state)
{
    (void)state;
    struct served f;
    served_start(&f, answer_always_expired);
    assert_int_equal(aws_call(f.session, "ecs", "ListClusters", NULL, NULL, &f.err), -1);
    assert_int_equal(f.err.class, ERR_CREDENTIALS);
    assert_int_equal(server_requests(f.server), 2);
    served_stop(&f);
}

/* What this session created may be unknown to AWS for a moment. */
static void answer_not_yet(void *context, size_t n, const char *text, struct server_reply *reply)
{
    (void)context;
    if (strstr(text, "CreateCluster") != NULL)
        reply_with(reply, 200, JSON_HEADER,
                   "{\"cluster\":{\"clusterName\":\"fresh-one\",\"clusterArn\":\"arn:fresh\"}}");
    else if (strstr(text, "other-one") != NULL || n < 3)
        reply_with(reply, 400, JSON_HEADER, "{\"__type\":\"ClusterNotFoundException\"}");
    else
        reply_with(reply, 200, JSON_HEADER, "{}");
}

static void what_was_just_created_is_waited_for(void **state)
{
    (void)state;
    struct served f;
    served_start(&f, answer_not_yet);
    _cleanup_json_ cJSON *create = cJSON_Parse("{\"clusterName\":\"fresh-one\"}");
    _cleanup_json_ cJSON *update = cJSON_Parse("{\"cluster\":\"fresh-one\",\"settings\":[]}");
    _cleanup_json_ cJSON *other = cJSON_Parse("{\"cluster\":\"other-one\",\"settings\":[]}");
    assert_int_equal(aws_call(f.session, "ecs", "CreateCluster", create, NULL, &f.err), 0);
    assert_int_equal(aws_call(f.session, "ecs", "UpdateClusterSettings", update, NULL, &f.err), 0);
    assert_int_equal(server_requests(f.server), 4);
    assert_int_equal(aws_call(f.session, "ecs", "UpdateClusterSettings", other, NULL, &f.err), -1);
    assert_int_equal(f.err.class, ERR_NOT_FOUND);
    assert_int_equal(server_requests(f.server), 5);
    served_stop(&f);
}

/* IAM has told ECS of a new role only at the third time of asking. */
static void answer_role(void *context, size_t n, const char *text, struct server_reply *reply)
{
    (void)context;
    if (strstr(text, "Action=CreateRole") != NULL)
        reply_with(reply, 200, "Content-Type: text/xml\r\n",
                   "<CreateRoleResponse><CreateRoleResult><Role><Arn>arn:r</Arn></Role>"
                   "</CreateRoleResult></CreateRoleResponse>");
    else if (n < 3)
        reply_with(reply, 400, JSON_HEADER,
                   "{\"__type\":\"ClientException\",\"message\":\"Role is not valid\"}");
    else
        reply_with(reply, 200, JSON_HEADER, "{}");
}

static void a_role_that_this_session_made_is_waited_for(void **state)
{
    (void)state;
    struct served f;
    served_start(&f, answer_role);
    _cleanup_json_ cJSON *role =
        cJSON_Parse("{\"RoleName\":\"r\",\"AssumeRolePolicyDocument\":\"{}\"}");
    _cleanup_json_ cJSON *task = cJSON_Parse("{\"family\":\"f\",\"containerDefinitions\":[]}");
    assert_int_equal(aws_call(f.session, "ecs", "RegisterTaskDefinition", task, NULL, &f.err), -1);
    assert_int_equal(f.err.class, ERR_INVALID); /* an old one is the user's mistake */
    assert_int_equal(server_requests(f.server), 1);
    assert_int_equal(aws_call(f.session, "iam", "CreateRole", role, NULL, &f.err), 0);
    assert_int_equal(aws_call(f.session, "ecs", "RegisterTaskDefinition", task, NULL, &f.err), 0);
    assert_int_equal(server_requests(f.server), 4);
    served_stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wrong_clock_is_corrected_once),
        cmocka_unit_test(expired_credentials_are_renewed_once),
        cmocka_unit_test(credentials_that_stay_expired_are_an_error),
        cmocka_unit_test(what_was_just_created_is_waited_for),
        cmocka_unit_test(a_role_that_this_session_made_is_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
