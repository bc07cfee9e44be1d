/* SPDX-License-Identifier: MIT */
/* Sessions on a server: what a call does when AWS fails. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <pthread.h>

#include "executor/base/json.h"
#include "tests/unit/served.h"

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
    struct served f;
    served_start(&f, answer_third);
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
    served_stop(&f);
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
    struct served *f = context;
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
        struct served f;
        is_to_drop = i == 1;
        throttled_then = false;
        served_start(&f, answer_after_throttle);
        aws_call_subject("ecs.service/x");
        assert_int_equal(aws_call(f.session, "ecs", "UpdateService", input, NULL, &f.err), -1);
        assert_int_equal(server_requests(f.server), 2);
        assert_true(throttled_then);
        assert_false(atomic_load(&throttled));
        assert_int_equal(aws_call_is_uncertain(), is_to_drop);
        aws_call_subject(NULL);
        assert_false(aws_call_is_uncertain());
        served_stop(&f);
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
    struct served f;
    served_start(&f, answer_last);
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
    served_stop(&f);
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
    struct served f;
    served_start(&f, answer_denied);
    assert_int_equal(aws_call(f.session, "ecs", "ListClusters", NULL, NULL, &f.err), -1);
    assert_int_equal(f.err.class, ERR_DENIED);
    assert_string_equal(f.err.aws_code, "AccessDeniedException");
    assert_string_equal(f.err.request_id, "id-7");
    assert_int_equal(f.err.http_status, 400);
    assert_string_equal(f.err.message,
                        "ecs:ListClusters: not you (AccessDeniedException, request id-7)");
    assert_int_equal(server_requests(f.server), 1);
    served_stop(&f);
}

static void answer_always(void *context, size_t n, const char *text, struct server_reply *reply)
{
    (void)context;
    (void)n;
    (void)text;
    reply_with(reply, 200, JSON_HEADER, "{\"clusterArns\":[\"a\"]}");
}

/* curl sends a request again by itself if a connection used before turns out to be dead. */
static void a_write_that_must_not_happen_twice_has_a_connection_of_its_own(void **state)
{
    (void)state;
    struct served f;
    served_start(&f, answer_always);
    _cleanup_json_ cJSON *create = cJSON_Parse("{\"clusterName\":\"fresh-one\"}");
    for (int i = 0; i < 2; i++) {
        (void)aws_call(f.session, "ecs", "ListClusters", NULL, NULL, &f.err);
        assert_int_equal(server_connections(f.server), 1);
    }
    assert_int_equal(aws_call(f.session, "ecs", "CreateCluster", create, NULL, &f.err), 0);
    assert_int_equal(server_connections(f.server), 2);
    served_stop(&f);
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
    struct served f;
    served_start(&f, answer_lost);
    _cleanup_json_ cJSON *input = cJSON_Parse("{\"repositoryName\":\"aa\"}");
    assert_int_equal(aws_call(f.session, "ecr", "CreateRepository", input, NULL, &f.err), -1);
    assert_int_equal(f.err.class, ERR_EXISTS);
    assert_non_null(strstr(f.err.message, "may have been carried out"));
    served_stop(&f);
}

static void answer_throttled(void *context, size_t n, const char *text, struct server_reply *reply)
{
    struct served *f = context;
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
    struct served f;
    served_start(&f, answer_throttled_twice);
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
    served_stop(&f);
}

static void cancel_ends_the_wait_between_tries(void **state)
{
    (void)state;
    struct served f;
    served_start(&f, answer_throttled);
    double from = clock_now();
    assert_int_equal(aws_call(f.session, "ecs", "ListClusters", NULL, NULL, &f.err), -1);
    assert_int_equal(f.err.class, ERR_CANCELLED);
    assert_true(clock_now() - from < 5);
    assert_int_equal(server_requests(f.server), 1);
    served_stop(&f);
}

/* A cancel, or the end of the time for it, may come while a call waits for its turn. */
static void what_was_not_sent_is_not_recorded(void **state)
{
    (void)state;
    struct served f;
    struct call_record *record = NULL;
    served_start(&f, answer_always);
    session_limit(f.session, clock_now() - 1);
    assert_int_equal(aws_call(f.session, "ecs", "ListClusters", NULL, NULL, &f.err), -1);
    assert_int_equal(server_requests(f.server), 0);
    assert_int_equal(session_record(f.session, &record), 0);
    free(record);
    served_stop(&f);
}

static void *call_often(void *context)
{
    struct served *f = context;
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
    struct served f;
    served_start(&f, answer_always);
    pthread_t threads[8];
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
        pthread_create(&threads[i], NULL, call_often, &f);
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
        pthread_join(threads[i], NULL);
    struct call_record *record = NULL;
    assert_int_equal(session_record(f.session, &record), 160);
    free(record);
    assert_true(server_connections(f.server) <= ARRAY_SIZE(threads));
    served_stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_are_signed_and_retried_with_one_token),
        cmocka_unit_test(what_was_carried_out_without_an_answer_is_not_repeated),
        cmocka_unit_test(what_was_not_carried_out_is_repeated),
        cmocka_unit_test(a_thread_knows_of_a_throttle_and_of_what_was_not_answered),
        cmocka_unit_test(errors_carry_what_aws_said),
        cmocka_unit_test(a_write_that_must_not_happen_twice_has_a_connection_of_its_own),
        cmocka_unit_test(an_answer_that_was_lost_is_told_of),
        cmocka_unit_test(a_call_that_is_throttled_to_the_end_says_what_to_do),
        cmocka_unit_test(cancel_ends_the_wait_between_tries),
        cmocka_unit_test(what_was_not_sent_is_not_recorded),
        cmocka_unit_test(threads_share_a_session),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
