/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "drivers/aws/http.h"
#include "tests/unit/server.h"

/* What a test has: a server, a client, and what the last request gave. */
struct fixture {
    struct server *server;
    struct cancel cancel;
    struct http *http;
    struct http_response response;
    struct err err;
    double took;
};

static void start(struct fixture *f, server_answer answer)
{
    *f = (struct fixture){ .response = HTTP_RESPONSE_INIT, .err = ERR_INIT };
    f->server = server_start(answer, f);
    cancel_init(&f->cancel);
    f->http = http_new(NULL, &f->cancel);
}

static void stop(struct fixture *f)
{
    http_free(f->http);
    server_stop(f->server);
    http_response_release(&f->response);
    err_release(&f->err);
    cancel_release(&f->cancel);
}

static int request(struct fixture *f, struct http_request r)
{
    _cleanup_free_ char *url = xasprintf("http://127.0.0.1:%u/path?x=1", server_port(f->server));
    if (r.url == NULL)
        r.url = url;
    r.method = r.method != NULL ? r.method : "POST";
    r.body = "body";
    r.body_len = 4;
    r.connect_timeout = 2;
    r.timeout = r.timeout > 0 ? r.timeout : 60;
    r.plain = true;
    r.direct = true;
    http_response_release(&f->response);
    err_release(&f->err);
    double from = clock_now();
    int result = http_send(f->http, &r, &f->response, &f->err);
    f->took = clock_now() - from;
    return result;
}

static void answer_ok(void *context, size_t n, const char *text, struct server_reply *reply)
{
    (void)context;
    (void)n;
    (void)text;
    reply_with(reply, 201, "X-Amzn-RequestId:  id 1 \r\n", "hello");
}

static void answers_are_whole(void **state)
{
    (void)state;
    struct fixture f;
    start(&f, answer_ok);
    const char *headers[] = { "X-One: 1", "Host: other.example" };
    assert_int_equal(request(&f, (struct http_request){ .headers = headers, .n_headers = 2 }), 0);
    assert_int_equal(f.response.status, 201);
    assert_string_equal(f.response.body.buf, "hello");
    assert_string_equal(http_header(&f.response, "x-amzn-requestid"), "id 1");
    assert_null(http_header(&f.response, "x-amzn"));
    const char *sent = server_request(f.server, 0);
    assert_true(strncmp(sent, "POST /path?x=1 HTTP/1.1\r\n", 25) == 0);
    assert_non_null(strstr(sent, "\r\nX-One: 1\r\n"));
    assert_non_null(strstr(sent, "\r\nHost: other.example\r\n"));
    assert_non_null(strstr(sent, "\r\n\r\nbody"));
    assert_null(strstr(sent, "Expect"));
    stop(&f);
}

static void connections_are_used_again_unless_fresh(void **state)
{
    (void)state;
    struct fixture f;
    start(&f, answer_ok);
    for (int i = 0; i < 3; i++)
        assert_int_equal(request(&f, (struct http_request){ .method = "GET" }), 0);
    assert_int_equal(server_connections(f.server), 1);
    assert_int_equal(request(&f, (struct http_request){ .fresh = true }), 0);
    assert_int_equal(server_connections(f.server), 2);
    stop(&f);
}

static void answer_redirect(void *context, size_t n, const char *text, struct server_reply *reply)
{
    (void)context;
    (void)n;
    (void)text;
    reply_with(reply, 302, "Location: /elsewhere\r\n", "");
}

static void redirects_are_not_followed(void **state)
{
    (void)state;
    struct fixture f;
    start(&f, answer_redirect);
    assert_int_equal(request(&f, (struct http_request){ 0 }), 0);
    assert_int_equal(f.response.status, 302);
    assert_int_equal(server_requests(f.server), 1);
    stop(&f);
}

/* The first request is answered well; of the next the connection dies before an answer. */
static void answer_once(void *context, size_t n, const char *text, struct server_reply *reply)
{
    if (n == 0)
        answer_ok(context, n, text, reply);
    else
        reply->drop = true;
}

static void a_fresh_request_is_never_sent_twice(void **state)
{
    (void)state;
    struct fixture f;
    start(&f, answer_once);
    assert_int_equal(request(&f, (struct http_request){ 0 }), 0);
    assert_int_equal(request(&f, (struct http_request){ .fresh = true }), -1);
    assert_int_equal(f.err.class, ERR_TRANSIENT);
    assert_true(f.response.sent);
    assert_int_equal(server_requests(f.server), 2);
    stop(&f);
}

static void answer_truncated(void *context, size_t n, const char *text, struct server_reply *reply)
{
    (void)context;
    (void)n;
    (void)text;
    strbuf_adds(&reply->raw, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this");
    reply->drop = true;
}

static void truncated_answers_fail(void **state)
{
    (void)state;
    struct fixture f;
    start(&f, answer_truncated);
    assert_int_equal(request(&f, (struct http_request){ 0 }), -1);
    assert_int_equal(f.err.class, ERR_TRANSIENT);
    assert_int_equal(f.response.status, 0);
    assert_true(f.response.sent);
    stop(&f);
}

static void answer_garbage(void *context, size_t n, const char *text, struct server_reply *reply)
{
    (void)context;
    (void)n;
    (void)text;
    strbuf_adds(&reply->raw, "SSH-2.0-OpenSSH_9.2p1\r\n");
    reply->drop = true;
}

static void garbage_fails(void **state)
{
    (void)state;
    struct fixture f;
    start(&f, answer_garbage);
    assert_int_equal(request(&f, (struct http_request){ 0 }), -1);
    assert_int_equal(f.err.class, ERR_TRANSIENT);
    stop(&f);
}

static void answer_huge(void *context, size_t n, const char *text, struct server_reply *reply)
{
    (void)context;
    (void)text;
    _cleanup_strbuf_ struct strbuf filler = STRBUF_INIT;
    size_t size = n == 0 ? HTTP_BODY_MAX + 1 : HTTP_HEADERS_MAX;
    strbuf_reserve(&filler, size);
    while (filler.len < size)
        strbuf_addc(&filler, 'x');
    if (n == 0)
        reply_with(reply, 200, NULL, filler.buf);
    else
        strbuf_addf(&reply->raw, "HTTP/1.1 200 OK\r\nX-A: %s\r\n\r\n", filler.buf);
    reply->drop = true;
}

static void oversized_answers_fail(void **state)
{
    (void)state;
    struct fixture f;
    start(&f, answer_huge);
    for (int i = 0; i < 2; i++) { /* the body, then the headers */
        assert_int_equal(request(&f, (struct http_request){ 0 }), -1);
        assert_int_equal(f.err.class, ERR_FAILED);
        assert_non_null(strstr(f.err.message, "too large"));
    }
    stop(&f);
}

static void answer_never(void *context, size_t n, const char *text, struct server_reply *reply)
{
    (void)context;
    (void)n;
    (void)text;
    reply->stall = true;
}

static void slow_answers_time_out(void **state)
{
    (void)state;
    struct fixture f;
    start(&f, answer_never);
    assert_int_equal(request(&f, (struct http_request){ .timeout = 0.3 }), -1);
    assert_int_equal(f.err.class, ERR_TIMEOUT);
    assert_true(f.took >= 0.25 && f.took < 10);
    stop(&f);
}

static void nobody_there_is_unreachable(void **state)
{
    (void)state;
    struct fixture f;
    start(&f, answer_ok);
    struct http_request r = { .url = "http://127.0.0.1:1/" };
    assert_int_equal(request(&f, r), -1);
    assert_int_equal(f.err.class, ERR_UNREACHABLE);
    assert_false(f.response.sent);
    assert_non_null(strstr(f.err.message, "http://127.0.0.1:1"));
    stop(&f);
}

static void *cancel_later(void *context)
{
    struct fixture *f = context;
    while (server_requests(f->server) == 0)
        usleep(1000);
    cancel_set(&f->cancel);
    return NULL;
}

static void cancel_ends_a_request_that_waits(void **state)
{
    (void)state;
    struct fixture f;
    start(&f, answer_never);
    pthread_t thread;
    pthread_create(&thread, NULL, cancel_later, &f);
    assert_int_equal(request(&f, (struct http_request){ .timeout = 30 }), -1);
    pthread_join(thread, NULL);
    assert_int_equal(f.err.class, ERR_CANCELLED);
    assert_true(f.took < 20);
    stop(&f);
}

static void answer_after_cancel(void *context, size_t n, const char *text,
                                struct server_reply *reply)
{
    struct fixture *f = context;
    cancel_set(&f->cancel);
    usleep(1300 * 1000); /* longer than libcurl waits between two looks at the cancel */
    answer_ok(context, n, text, reply);
}

static void grace_lets_a_request_end(void **state)
{
    (void)state;
    struct fixture f;
    start(&f, answer_after_cancel);
    assert_int_equal(request(&f, (struct http_request){ .grace = 10 }), 0);
    assert_string_equal(f.response.body.buf, "hello");
    stop(&f);
}

static void plain_http_is_for_named_endpoints(void **state)
{
    (void)state;
    struct fixture f;
    start(&f, answer_ok);
    _cleanup_free_ char *url = xasprintf("http://127.0.0.1:%u/", server_port(f.server));
    struct http_request r = { .method = "GET", .url = url, .connect_timeout = 2, .timeout = 2 };
    assert_int_equal(http_send(f.http, &r, &f.response, &f.err), -1);
    assert_int_equal(f.err.class, ERR_HOST);
    assert_int_equal(server_connections(f.server), 0);
    stop(&f);
}

/* A script that berth starts must not inherit the connections that are kept. */
static void sockets_are_closed_on_exec(void **state)
{
    (void)state;
    struct fixture f;
    start(&f, answer_ok);
    assert_int_equal(request(&f, (struct http_request){ 0 }), 0);
    unsigned port = server_port(f.server);
    DIR *dir = opendir("/proc/self/fd");
    unsigned sockets = 0;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        struct sockaddr_in peer;
        socklen_t len = sizeof(peer);
        int fd = atoi(entry->d_name);
        if (getpeername(fd, (struct sockaddr *)&peer, &len) == 0 && peer.sin_family == AF_INET &&
            ntohs(peer.sin_port) == port) {
            assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
            sockets++;
        }
    }
    closedir(dir);
    assert_int_equal(sockets, 1);
    stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_whole),
        cmocka_unit_test(connections_are_used_again_unless_fresh),
        cmocka_unit_test(redirects_are_not_followed),
        cmocka_unit_test(a_fresh_request_is_never_sent_twice),
        cmocka_unit_test(truncated_answers_fail),
        cmocka_unit_test(garbage_fails),
        cmocka_unit_test(oversized_answers_fail),
        cmocka_unit_test(slow_answers_time_out),
        cmocka_unit_test(nobody_there_is_unreachable),
        cmocka_unit_test(cancel_ends_a_request_that_waits),
        cmocka_unit_test(grace_lets_a_request_end),
        cmocka_unit_test(plain_http_is_for_named_endpoints),
        cmocka_unit_test(sockets_are_closed_on_exec),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
