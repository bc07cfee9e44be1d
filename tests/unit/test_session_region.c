/* SPDX-License-Identifier: MIT */
/* A session's calls in another region: whose credentials and record they have, and for how long. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "drivers/aws/client.h"
#include "executor/base/json.h"
#include "tests/unit/server.h"

#define ELSEWHERE "ap-southeast-2"

static struct server *server;
static struct cancel cancel;
static struct session *home;

static void answer_here_only(void *context, size_t n, const char *request,
                             struct server_reply *reply)
{
    (void)context;
    (void)n;
    if (strstr(request, "/" ELSEWHERE "/") != NULL && strstr(request, "DescribeLogGroups") != NULL)
        reply->stall = true;
    else
        reply_with(reply, 200, "Content-Type: application/x-amz-json-1.1\r\n", "{}");
}

static int set_up(void **state)
{
    (void)state;
    _cleanup_err_ struct err err = ERR_INIT;
    server = server_start(answer_here_only, NULL);
    cancel_init(&cancel);
    _cleanup_free_ char *url = xasprintf("http://127.0.0.1:%u", server_port(server));
    setenv("AWS_ENDPOINT_URL", url, 1);
    setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "secret-of-the-test", 1);
    setenv("AWS_SESSION_TOKEN", "token-of-the-test", 1);
    const struct session_options options = { .region = "us-east-1", .cancel = &cancel };
    return session_open(&options, &home, &err);
}

static int tear_down(void **state)
{
    (void)state;
    session_free(home);
    server_stop(server);
    cancel_release(&cancel);
    return 0;
}

static struct session *open_there(double seconds)
{
    struct session *there = NULL;
    _cleanup_err_ struct err err = ERR_INIT;
    if (session_open_region(home, ELSEWHERE, seconds, &there, &err) < 0)
        fail_msg("%s", err.message);
    assert_string_equal(session_region(there), ELSEWHERE);
    return there;
}

static void its_calls_are_homes_but_for_the_region(void **state)
{
    (void)state;
    _cleanup_err_ struct err err = ERR_INIT;
    struct session *there = open_there(300);
    assert_int_equal(aws_call(there, "ecs", "ListClusters", NULL, NULL, &err), 0);
    session_free(there);
    assert_int_equal(aws_call(home, "ecs", "ListTasks", NULL, NULL, &err), 0);
    const char *far = server_request(server, 0), *near = server_request(server, 1);
    assert_non_null(strstr(far, "/" ELSEWHERE "/ecs/aws4_request"));
    assert_non_null(strstr(far, "Credential=AKIDEXAMPLE/"));
    assert_non_null(strstr(far, "X-Amz-Security-Token: token-of-the-test\r\n"));
    assert_non_null(strstr(near, "/us-east-1/ecs/aws4_request"));
    struct call_record *record = NULL;
    assert_int_equal(session_record(home, &record), 2);
    assert_string_equal(record[0].action, "ListClusters");
    free(record);
}

static void it_takes_no_longer_than_it_may(void **state)
{
    (void)state;
    _cleanup_err_ struct err err = ERR_INIT;
    struct session *there = open_there(0);
    assert_int_equal(aws_call(there, "logs", "DescribeLogGroups", NULL, NULL, &err), -1);
    assert_int_equal(err.class, ERR_TIMEOUT);
    assert_int_equal(server_requests(server), 0); /* its time was over: that tells nothing of it */
    session_free(there);
    err_release(&err);
    there = open_there(0.3); /* the server never answers */
    assert_int_equal(aws_call(there, "logs", "DescribeLogGroups", NULL, NULL, &err), -1);
    assert_int_equal(err.class, ERR_TIMEOUT);
    session_free(there);
    err_release(&err);
    /* Nobody else waits for it; another region is another. */
    assert_int_equal(session_open_region(home, ELSEWHERE, 300, &there, &err), -1);
    assert_int_equal(err.class, ERR_UNREACHABLE);
    assert_string_equal(err.message, "region '" ELSEWHERE "' has not answered this job before, and "
                                     "is not asked again");
    err_release(&err);
    assert_int_equal(session_open_region(home, "eu-west-1", 300, &there, &err), 0);
    session_free(there);
    assert_int_equal(aws_call(home, "logs", "DescribeLogGroups", NULL, NULL, &err), 0);
}

static void nor_than_home_may(void **state)
{
    (void)state;
    _cleanup_err_ struct err err = ERR_INIT;
    session_limit(home, clock_now() - 1);
    struct session *there = open_there(300);
    assert_int_equal(aws_call(there, "ecs", "ListClusters", NULL, NULL, &err), -1);
    assert_int_equal(err.class, ERR_TIMEOUT);
    assert_int_equal(server_requests(server), 0);
    session_free(there);
}

/* It becomes part of a host's name. */
static void what_is_no_region_is_not_asked(void **state)
{
    (void)state;
    static const char *const names[] = { "", "eu-west-1.example.com", "example.com/", "EU", "a@b" };
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        _cleanup_err_ struct err err = ERR_INIT;
        struct session *there = NULL;
        assert_int_equal(session_open_region(home, names[i], 300, &there, &err), -1);
        assert_int_equal(err.class, ERR_INVALID);
        assert_null(there);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(its_calls_are_homes_but_for_the_region, set_up, tear_down),
        cmocka_unit_test_setup_teardown(it_takes_no_longer_than_it_may, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nor_than_home_may, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_no_region_is_not_asked, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
