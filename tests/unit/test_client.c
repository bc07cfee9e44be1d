/* SPDX-License-Identifier: MIT */
/* Sessions on a server: what a call does when AWS fails. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <pthread.h>
#include <unistd.h>

#include "drivers/aws/client.h"
#include "executor/base/json.h"
#include "tests/unit/server.h"

#define JSON_HEADER "Content-Type: application/x-amz-json-1.1\r\nx-amzn-RequestId: id-7\r\n"

/* A session on a server that plays AWS. */
struct fixture {
    struct server *server;
    struct cancel cancel;
    struct session *session;
    struct err err;
    void *more;
};

static void start(struct fixture *f, server_answer answer)
{
    *f = (struct fixture){ .err = ERR_INIT };
    f->server = server_start(answer, f);
    cancel_init(&f->cancel);
    _cleanup_free_ char *url = xasprintf("http://127.0.0.1:%u", server_port(f->server));
    setenv("AWS_ENDPOINT_URL", url, 1);
    setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "secret-of-the-test", 1);
    setenv("AWS_SESSION_TOKEN", "token-of-the-test", 1);
    struct session_options options = { .region = "eu-west-1", .cancel = &f->cancel };
    assert_int_equal(session_open(&options, &f->session, &f->err), 0);
}

static void stop(struct fixture *f)
{
    session_free(f->session);
    server_stop(f->server);
    err_release(&f->err);
    cancel_release(&f->cancel);
}

/* Fails the first two in different ways, then answers. */
static void answer_third(void *context, size_t n, const char *text, struct server_reply *reply)
{
    (void)context;
    (void)text;
    if (n == 0)
        reply->drop = true;
    else if (n == 1)
        reply_with(reply, 400, JSON_HEADER,
                   "{\"__type\":\"ThrottlingException\",\"message\":\"Rate exceeded\"}");
    else
        reply_with(reply, 200, JSON_HEADER, "{\"namespace\":1,\"OperationId\":\"op\"}");
}

static char *token_in(const char *request)
{
    const char *at = strstr(request, "\"CreatorRequestId\":\"");
    assert_non_null(at);
    at += strlen("\"CreatorRequestId\":\"");
    return xstrndup(at, strcspn(at, "\""));
}

static void calls_are_signed_and_retried_with_one_token(void **state)
{
    (void)state;
    struct fixture f;
    start(&f, answer_third);
    _cleanup_json_ cJSON *input = cJSON_Parse("{\"Name\":\"x.local\",\"Vpc\":\"vpc-1\"}");
    _cleanup_json_ cJSON *output = NULL;
    assert_int_equal(aws_call(f.session, "servicediscovery", "CreatePrivateDnsNamespace", input,
                              &output, &f.err),
                     0);
    assert_string_equal(json_str(output, "OperationId"), "op");
    assert_null(f.err.message); /* of the tries that failed nothing is left */
    assert_true(server_requests(f.server) >= 3);
    const char *first = server_request(f.server, 0), *last = server_request(f.server, 2);
    assert_non_null(strstr(first, "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"));
    assert_non_null(strstr(first,
                           "/eu-west-1/servicediscovery/aws4_request, SignedHeaders="
                           "content-type;host;x-amz-date;x-amz-security-token;x-amz-target"));
    assert_non_null(strstr(first, "X-Amz-Security-Token: token-of-the-test\r\n"));
    _cleanup_free_ char *one = token_in(first);
    _cleanup_free_ char *two = token_in(last);
    assert_int_equal(strlen(one), 36);
    assert_string_equal(one, two);
    struct call_record *record = NULL;
    assert_int_equal(session_record(f.session, &record), 1);
    assert_true(record[0].tries >= 2 && record[0].throttled == 1 && record[0].write);
    free(record);
    stop(&f);
}

/* Loses the first answer, is not there for the second, then answers. */
static void answer_last(void *context, size_t n, const char *text, struct server_reply *reply)
{
    (void)context;
    (void)text;
    if (n == 0)
        reply->drop = true;
    else if (n == 1)
        reply_with(reply, 400, JSON_HEADER,
                   "{\"__type\":\"ThrottlingException\",\"message\":\"Rate exceeded\"}");
    else
        reply_with(reply, 200, JSON_HEADER, "{\"taskDefinition\":{\"revision\":2}}");
}

static atomic_bool throttled;
static bool throttled_then;
static bool is_to_drop;

/* Throttles the first try, and sees at the second what is said of it; that it refuses, or drops. */
static void answer_after_throttle(void *context, size_t n, const char *text,
                                  struct server_reply *reply)
{
    struct fixture *f = context;
    (void)text;
    if (n == 0) {
        reply_with(reply, 400, JSON_HEADER,
                   "{\"__type\":\"ThrottlingException\",\"message\":\"Rate exceeded\"}");
        return;
    }
    throttled_then = atomic_load(&throttled);
    reply->drop = is_to_drop;
    if (is_to_drop)
        cancel_set(&f->cancel);
    else
        reply_with(reply, 400, JSON_HEADER, "{\"__type\":\"InvalidParameterException\"}");
}

static void a_thread_knows_of_a_throttle_and_of_what_was_not_answered(void **state)
{
    (void)state;
    _cleanup_json_ cJSON *input = cJSON_Parse("{\"service\":\"x\"}");
    aws_call_tell_throttled(&throttled);
    for (int i = 0; i < 2; i++) {
        struct fixture f;
        is_to_drop = i == 1;
        throttled_then = false;
        start(&f, answer_after_throttle);
        aws_call_subject("ecs.service/x");
        assert_int_equal(aws_call(f.session, "ecs", "UpdateService", input, NULL, &f.err), -1);
        assert_int_equal(server_requests(f.server), 2);
        assert_true(throttled_then);
        assert_false(atomic_load(&throttled));
        assert_int_equal(aws_call_is_uncertain(), is_to_drop);
        aws_call_subject(NULL);
        assert_false(aws_call_is_uncertain());
        stop(&f);
    }
    aws_call_tell_throttled(NULL);
}

struct finding {
    const char *made; /* the answer of what was carried out; NULL: nothing was */
    unsigned asked;
};

static int find_made(void *context, cJSON **ret, struct err *err)
{
    (void)err;
    struct finding *finding = context;
    finding->asked++;
    if (finding->made != NULL)
        *ret = cJSON_Parse(finding->made);
    return 0;
}

static void check_found(const char *made, int revision, size_t requests)
{
    struct fixture f;
    start(&f, answer_last);
    _cleanup_json_ cJSON *input = cJSON_Parse("{\"family\":\"E-web\",\"containerDefinitions\":[]}");
    _cleanup_json_ cJSON *output = NULL;
    struct finding finding = { .made = made };
    assert_int_equal(aws_call_found(f.session, "ecs", "RegisterTaskDefinition", input, find_made,
                                    &finding, &output, &f.err),
                     0);
    assert_int_equal(json_get(json_get(output, "taskDefinition"), "revision")->valueint, revision);
    assert_int_equal(server_requests(f.server), requests);
    /* Not after the throttle: that says that nothing was done. */
    assert_int_equal(finding.asked, 1);
    assert_null(f.err.message);
    stop(&f);
}

static void what_was_carried_out_without_an_answer_is_not_repeated(void **state)
{
    (void)state;
    check_found("{\"taskDefinition\":{\"revision\":1}}", 1, 1);
}

static void what_was_not_carried_out_is_repeated(void **state)
{
    (void)state;
    check_found(NULL, 2, 3);
}

static void answer_denied(void *context, size_t n, const char *text, struct server_reply *reply)
{
    (void)context;
    (void)n;
    (void)text;
    reply_with(reply, 400, JSON_HEADER,
               "{\"__type\":\"com.amazonaws#AccessDeniedException\",\"message\":\"not you\"}");
}

static void errors_carry_what_aws_said(void **state)
{
    (void)state;
    struct fixture f;
    start(&f, answer_denied);
    assert_int_equal(aws_call(f.session, "ecs", "ListClusters", NULL, NULL, &f.err), -1);
    assert_int_equal(f.err.class, ERR_DENIED);
    assert_string_equal(f.err.aws_code, "AccessDeniedException");
    assert_string_equal(f.err.request_id, "id-7");
    assert_int_equal(f.err.http_status, 400);
    assert_string_equal(f.err.message,
                        "ecs:ListClusters: not you (AccessDeniedException, request id-7)");
    assert_int_equal(server_requests(f.server), 1);
    stop(&f);
}

/* Our clock is a day behind, it seems: AWS says so once. */
static void answer_skewed(void *context, size_t n, const char *text, struct server_reply *reply)
{
    struct fixture *f = context;
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
    struct fixture f;
    start(&f, answer_skewed);
    assert_int_equal(aws_call(f.session, "ecs", "ListClusters", NULL, NULL, &f.err), 0);
    assert_int_equal(server_requests(f.server), 2);
    assert_non_null(f.more); /* signed with AWS's date */
    assert_int_equal(aws_call(f.session, "ecs", "ListClusters", NULL, NULL, &f.err), 0);
    assert_int_equal(server_requests(f.server), 3);
    stop(&f);
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
    struct fixture f;
    start(&f, answer_expired);
    assert_int_equal(aws_call(f.session, "ecs", "ListClusters", NULL, NULL, &f.err), 0);
    assert_int_equal(server_requests(f.server), 2);
    stop(&f);
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
    struct fixture f;
    start(&f, answer_always_expired);
    assert_int_equal(aws_call(f.session, "ecs", "ListClusters", NULL, NULL, &f.err), -1);
    assert_int_equal(f.err.class, ERR_CREDENTIALS);
    assert_int_equal(server_requests(f.server), 2);
    stop(&f);
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
    struct fixture f;
    start(&f, answer_not_yet);
    _cleanup_json_ cJSON *create = cJSON_Parse("{\"clusterName\":\"fresh-one\"}");
    _cleanup_json_ cJSON *update = cJSON_Parse("{\"cluster\":\"fresh-one\",\"settings\":[]}");
    _cleanup_json_ cJSON *other = cJSON_Parse("{\"cluster\":\"other-one\",\"settings\":[]}");
    assert_int_equal(aws_call(f.session, "ecs", "CreateCluster", create, NULL, &f.err), 0);
    assert_int_equal(aws_call(f.session, "ecs", "UpdateClusterSettings", update, NULL, &f.err), 0);
    assert_int_equal(server_requests(f.server), 4);
    assert_int_equal(aws_call(f.session, "ecs", "UpdateClusterSettings", other, NULL, &f.err), -1);
    assert_int_equal(f.err.class, ERR_NOT_FOUND);
    assert_int_equal(server_requests(f.server), 5);
    stop(&f);
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
    struct fixture f;
    start(&f, answer_role);
    _cleanup_json_ cJSON *role =
        cJSON_Parse("{\"RoleName\":\"r\",\"AssumeRolePolicyDocument\":\"{}\"}");
    _cleanup_json_ cJSON *task = cJSON_Parse("{\"family\":\"f\",\"containerDefinitions\":[]}");
    assert_int_equal(aws_call(f.session, "ecs", "RegisterTaskDefinition", task, NULL, &f.err), -1);
    assert_int_equal(f.err.class, ERR_INVALID); /* an old one is the user's mistake */
    assert_int_equal(server_requests(f.server), 1);
    assert_int_equal(aws_call(f.session, "iam", "CreateRole", role, NULL, &f.err), 0);
    assert_int_equal(aws_call(f.session, "ecs", "RegisterTaskDefinition", task, NULL, &f.err), 0);
    assert_int_equal(server_requests(f.server), 4);
    stop(&f);
}

/* curl sends a request again by itself if a connection used before turns out to be dead. */
static void a_write_that_must_not_happen_twice_has_a_connection_of_its_own(void **state)
{
    (void)state;
    struct fixture f;
    start(&f, answer_not_yet);
    _cleanup_json_ cJSON *create = cJSON_Parse("{\"clusterName\":\"fresh-one\"}");
    for (int i = 0; i < 2; i++) {
        (void)aws_call(f.session, "ecs", "ListClusters", NULL, NULL, &f.err);
        assert_int_equal(server_connections(f.server), 1);
    }
    assert_int_equal(aws_call(f.session, "ecs", "CreateCluster", create, NULL, &f.err), 0);
    assert_int_equal(server_connections(f.server), 2);
    stop(&f);
}

static void answer_lost(void *context, size_t n, const char *text, struct server_reply *reply)
{
    (void)context;
    (void)text;
    if (n == 0)
        reply->drop = true;
    else
        reply_with(reply, 400, JSON_HEADER, "{\"__type\":\"RepositoryAlreadyExistsException\"}");
}

static void an_answer_that_was_lost_is_told_of(void **state)
{
    (void)state;
    struct fixture f;
    start(&f, answer_lost);
    _cleanup_json_ cJSON *input = cJSON_Parse("{\"repositoryName\":\"aa\"}");
    assert_int_equal(aws_call(f.session, "ecr", "CreateRepository", input, NULL, &f.err), -1);
    assert_int_equal(f.err.class, ERR_EXISTS);
    assert_non_null(strstr(f.err.message, "may have been carried out"));
    stop(&f);
}

static void answer_throttled(void *context, size_t n, const char *text, struct server_reply *reply)
{
    struct fixture *f = context;
    (void)text;
    reply_with(reply, 400, "Retry-After: 30\r\n", "{\"__type\":\"ThrottlingException\"}");
    if (n == 0)
        cancel_set(&f->cancel);
}

/* Asks the second time for more patience than there is. */
static void answer_throttled_twice(void *context, size_t n, const char *text,
                                   struct server_reply *reply)
{
    (void)context;
    (void)text;
    reply_with(reply, 400, n == 0 ? JSON_HEADER : JSON_HEADER "Retry-After: 60\r\n",
               "{\"__type\":\"ThrottlingException\",\"message\":\"Rate exceeded\"}");
}

static void a_call_that_is_throttled_to_the_end_says_what_to_do(void **state)
{
    (void)state;
    struct fixture f;
    start(&f, answer_throttled_twice);
    session_limit(f.session, clock_now() + 50);
    assert_int_equal(aws_call(f.session, "ecs", "ListClusters", NULL, NULL, &f.err), -1);
    assert_int_equal(server_requests(f.server), 2);
    assert_int_equal(f.err.class, ERR_THROTTLED);
    assert_int_equal(err_blame(&f.err), BLAME_SYSTEM);
    const char *said = "ecs:ListClusters: AWS still throttles this call after 2 tries in ";
    const char *advice = " s; run the job again later, or lower 'rates' and 'workers' in the host "
                         "config: Rate exceeded (ThrottlingException, request id-7)";
    assert_true(str_starts(f.err.message, said));
    assert_true(str_ends(f.err.message, advice));
    stop(&f);
}

static void cancel_ends_the_wait_between_tries(void **state)
{
    (void)state;
    struct fixture f;
    start(&f, answer_throttled);
    double from = clock_now();
    assert_int_equal(aws_call(f.session, "ecs", "ListClusters", NULL, NULL, &f.err), -1);
    assert_int_equal(f.err.class, ERR_CANCELLED);
    assert_true(clock_now() - from < 5);
    assert_int_equal(server_requests(f.server), 1);
    stop(&f);
}

static void answer_empty(void *context, size_t n, const char *text, struct server_reply *reply)
{
    (void)context;
    (void)n;
    (void)text;
    reply_with(reply, 200, JSON_HEADER, "{\"clusterArns\":[\"a\"]}");
}

static void *call_often(void *context)
{
    struct fixture *f = context;
    for (int i = 0; i < 20; i++) {
        struct err err = ERR_INIT;
        cJSON *output = NULL;
        if (aws_call(f->session, "ecs", "ListClusters", NULL, &output, &err) < 0)
            abort();
        cJSON_Delete(output);
    }
    return NULL;
}

static void threads_share_a_session(void **state)
{
    (void)state;
    struct fixture f;
    start(&f, answer_empty);
    pthread_t threads[8];
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
        pthread_create(&threads[i], NULL, call_often, &f);
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
        pthread_join(threads[i], NULL);
    struct call_record *record = NULL;
    assert_int_equal(session_record(f.session, &record), 160);
    free(record);
    assert_true(server_connections(f.server) <= ARRAY_SIZE(threads));
    stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_are_signed_and_retried_with_one_token),
        cmocka_unit_test(what_was_carried_out_without_an_answer_is_not_repeated),
        cmocka_unit_test(what_was_not_carried_out_is_repeated),
        cmocka_unit_test(a_thread_knows_of_a_throttle_and_of_what_was_not_answered),
        cmocka_unit_test(errors_carry_what_aws_said),
        cmocka_unit_test(a_wrong_clock_is_corrected_once),
        cmocka_unit_test(expired_credentials_are_renewed_once),
        cmocka_unit_test(credentials_that_stay_expired_are_an_error),
        cmocka_unit_test(what_was_just_created_is_waited_for),
        cmocka_unit_test(a_role_that_this_session_made_is_waited_for),
        cmocka_unit_test(a_write_that_must_not_happen_twice_has_a_connection_of_its_own),
        cmocka_unit_test(an_answer_that_was_lost_is_told_of),
        cmocka_unit_test(a_call_that_is_throttled_to_the_end_says_what_to_do),
        cmocka_unit_test(cancel_ends_the_wait_between_tries),
        cmocka_unit_test(threads_share_a_session),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
