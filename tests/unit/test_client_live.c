/* SPDX-License-Identifier: MIT */
/* The client against tests/aws/serve: one call of each protocol, whole, and errors of each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "drivers/aws/client.h"
#include "executor/base/json.h"

extern char **environ;

static pid_t server;
static struct cancel cancel;
static struct session *session;

/* The server prints its URL as its first line once it is ready. */
static int start(void **state)
{
    (void)state;
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fds[1], 1);
    posix_spawn_file_actions_addclose(&actions, fds[0]);
    char program[] = "tests/aws/serve";
    char *argv[] = { program, NULL };
    assert_int_equal(posix_spawn(&server, program, &actions, NULL, argv, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(fds[1]);
    FILE *out = fdopen(fds[0], "r");
    char url[256];
    assert_non_null(fgets(url, sizeof(url), out));
    url[strcspn(url, "\n")] = '\0';
    fclose(out);
    setenv("AWS_ENDPOINT_URL", url, 1);
    setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", 1);
    cancel_init(&cancel);
    struct session_options options = { .region = "us-east-1", .cancel = &cancel };
    struct err err = ERR_INIT;
    return session_open(&options, &session, &err);
}

static int stop(void **state)
{
    (void)state;
    session_free(session);
    cancel_release(&cancel);
    kill(server, SIGTERM);
    return waitpid(server, NULL, 0) == server ? 0 : -1;
}

static void every_protocol_is_answered(void **state)
{
    (void)state;
    _cleanup_err_ struct err err = ERR_INIT;
    const char *account = NULL;
    assert_int_equal(session_account(session, &account, &err), 0); /* query */
    assert_string_equal(account, "123456789012");
    _cleanup_json_ cJSON *vpcs = NULL;
    _cleanup_json_ cJSON *filter = cJSON_Parse(
        "{\"Filters\":[{\"Name\":\"tag:Name\",\"Values\":[\"mettel-automation-vpc-dev\"]}]}");
    assert_int_equal(aws_call_all(session, "ec2", "DescribeVpcs", filter, "Vpcs", &vpcs, &err), 0);
    assert_int_equal(json_count(vpcs), 1);
    assert_string_equal(json_str_at(vpcs, "0/CidrBlock"), "10.2.0.0/16");
    _cleanup_json_ cJSON *cluster = NULL; /* JSON */
    _cleanup_json_ cJSON *input = cJSON_Parse("{\"clusterName\":\"live\"}");
    assert_int_equal(aws_call(session, "ecs", "CreateCluster", input, &cluster, &err), 0);
    assert_string_equal(json_str_at(cluster, "cluster/status"), "ACTIVE");
}

static void expect_error(const char *service, const char *action, const char *text,
                         const char *code)
{
    _cleanup_json_ cJSON *input = cJSON_Parse(text);
    _cleanup_err_ struct err err = ERR_INIT;
    assert_int_equal(aws_call(session, service, action, input, NULL, &err), -1);
    assert_int_equal(err.class, ERR_NOT_FOUND);
    assert_string_equal(err.aws_code, code);
    assert_true(err.request_id[0] != '\0');
}

static void errors_of_every_protocol_are_understood(void **state)
{
    (void)state;
    expect_error("iam", "GetRole", "{\"RoleName\":\"nobody\"}", "NoSuchEntity");
    expect_error("ec2", "DescribeSecurityGroups", "{\"GroupIds\":[\"sg-12345678\"]}",
                 "InvalidGroup.NotFound");
    expect_error("ecs", "DescribeServices", "{\"cluster\":\"none\",\"services\":[\"a\"]}",
                 "ClusterNotFoundException");
}

static void no_call_goes_on_beyond_the_limit(void **state)
{
    (void)state;
    _cleanup_err_ struct err err = ERR_INIT;
    session_limit(session, clock_now() - 1);
    assert_int_equal(aws_call(session, "ec2", "DescribeVpcs", NULL, NULL, &err), -1);
    assert_int_equal(err.class, ERR_TIMEOUT);
    session_limit(session, 0);
    err_release(&err);
    assert_int_equal(aws_call(session, "ec2", "DescribeVpcs", NULL, NULL, &err), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_protocol_is_answered),
        cmocka_unit_test(errors_of_every_protocol_are_understood),
        cmocka_unit_test(no_call_goes_on_beyond_the_limit),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
