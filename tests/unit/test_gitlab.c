/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "executor/base/log.h"
#include "executor/gitlab.h"
#include "tests/unit/server.h"

#define TOKEN    "glpat-abcdefgh12345678"
#define MASTER   "{\"name\":\"master\",\"default\":true}"
#define LOGIN    "{\"name\":\"dev/feature/login\",\"default\":false}"
#define ODD      "{\"name\":\"dev/fix/a b\"}"
#define TOTAL(n) "X-Total: " #n "\r\n"
#define NEXT(query)                                                                                \
    "Link: <https://elsewhere.example.com/api/v4/x?" query ">; rel=\"next\", "                     \
    "<https://elsewhere.example.com/first?page=1>; rel=\"first\"\r\n"

/* The n-th answer; the last serves all later requests. */
struct answer {
    int status;
    const char *headers, *body;
};

struct fixture {
    char dir[32];
    char *token;
    const struct answer *answers;
    struct server *server;
    struct hostconfig host;
    struct cancel cancel;
    struct gitlab *gitlab;
    struct branches branches;
    struct err err;
};

static void answer(void *context, size_t n, const char *request, struct server_reply *ret)
{
    (void)request;
    const struct fixture *f = context;
    size_t i = 0;
    while (i < n && f->answers[i + 1].status != 0)
        i++;
    reply_with(ret, f->answers[i].status, f->answers[i].headers, f->answers[i].body);
}

static void write_token(struct fixture *f, const char *text, mode_t mode)
{
    unlink(f->token);
    int fd = open(f->token, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

static void set_config(struct fixture *f, const char *url)
{
    json_freep(&f->host.json);
    f->host.json = cJSON_CreateObject();
    cJSON *config = json_put_object(f->host.json, "gitlab");
    json_put_str(config, "url", url);
    json_put_str(config, "tokenFile", "gitlab.token");
}

static void start(struct fixture *f, const struct answer *answers)
{
    *f = (struct fixture){ .dir = "/tmp/berth-gitlab-XXXXXX", .answers = answers, .err = ERR_INIT };
    assert_non_null(mkdtemp(f->dir));
    f->token = xasprintf("%s/gitlab.token", f->dir);
    write_token(f, TOKEN "\n", 0600);
    f->server = server_start(answer, f);
    f->host.dir = f->dir;
    f->host.path = (char *)"/etc/berth/berth.json";
    _cleanup_free_ char *url = xasprintf("http://127.0.0.1:%u/", server_port(f->server));
    set_config(f, url);
    cancel_init(&f->cancel);
    branches_init(&f->branches);
}

static void stop(struct fixture *f)
{
    branches_release(&f->branches);
    gitlab_free(f->gitlab);
    server_stop(f->server);
    cancel_release(&f->cancel);
    json_freep(&f->host.json);
    err_release(&f->err);
    unlink(f->token);
    rmdir(f->dir);
    free(f->token);
    redact_release();
}

/* The names with spaces between them, or the class and the message; freed by the caller. */
static char *list(const struct answer *answers)
{
    struct fixture f;
    start(&f, answers);
    char *said;
    assert_int_equal(gitlab_open(&f.host, &f.cancel, &f.gitlab, &f.err), 0);
    if (gitlab_branches(f.gitlab, 77, &f.branches, &f.err) < 0) {
        said = xasprintf("%s: %s", err_class_name(f.err.class), f.err.message);
    } else {
        _cleanup_strbuf_ struct strbuf names = STRBUF_INIT;
        for (size_t i = 0; i < f.branches.names.n; i++) {
            strbuf_addf(&names, "%s%s", i > 0 ? "|" : "", f.branches.names.v[i]);
            assert_true(branches_have(&f.branches, f.branches.names.v[i]));
        }
        assert_false(branches_have(&f.branches, "dev/feature"));
        said = strbuf_detach(&names);
    }
    stop(&f);
    return said;
}

static void a_whole_list_is_taken_from_any_number_of_pages(void **state)
{
    (void)state;
    static const struct answer answers[] = {
        { 200, TOTAL(3), "[" MASTER "]" },
        { 200, NEXT("page_token=dev%2Fx&pagination=keyset"), "[" MASTER "]" },
        { 200, NEXT("page_token=dev%2Fy"), "[" LOGIN "," ODD "]" },
        { 200, "", "[]" },
        { 0, NULL, NULL },
    };
    struct fixture f;
    start(&f, answers);
    assert_int_equal(gitlab_open(&f.host, &f.cancel, &f.gitlab, &f.err), 0);
    assert_int_equal(gitlab_branches(f.gitlab, 77, &f.branches, &f.err), 0);
    assert_int_equal(f.branches.names.n, 3);
    assert_true(branches_have(&f.branches, "dev/fix/a b"));
    static const char *const paths[] = {
        "GET /api/v4/projects/77/repository/branches?per_page=1&page=1 ",
        "GET /api/v4/projects/77/repository/branches?pagination=keyset&per_page=100 ",
        "GET /api/v4/projects/77/repository/branches?page_token=dev%2Fx&pagination=keyset ",
        "GET /api/v4/projects/77/repository/branches?page_token=dev%2Fy ",
    };
    assert_int_equal(server_requests(f.server), 4);
    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        assert_true(str_starts(server_request(f.server, i), paths[i]));
        assert_non_null(strstr(server_request(f.server, i), "\nPRIVATE-TOKEN: " TOKEN "\r\n"));
    }
    stop(&f);
}

/* Whatever is not provably the whole list is none. */
static void anything_else_is_refused(void **state)
{
    (void)state;
#define WRONG(said, ...)                                                                           \
    {                                                                                              \
        .answers = { __VA_ARGS__, { 0, NULL, NULL } }, .expected = said                            \
    }
#define ONE                                                                                        \
    {                                                                                              \
        200, TOTAL(1), "[" MASTER "]"                                                              \
    }
#define TWO                                                                                        \
    {                                                                                              \
        200, TOTAL(2), "[" MASTER "]"                                                              \
    }
    static const struct {
        struct answer answers[5];
        const char *expected;
    } cases[] = {
        WRONG("FAILED: the branches of project 77: GitLab lists no branches at all",
              { 200, TOTAL(0), "[]" }),
        WRONG("FAILED: the branches of project 77: GitLab lists no branches at all", ONE,
              { 200, "", "[]" }),
        WRONG("FAILED: the branches of project 77: GitLab lists 1 of 2 branches", TWO,
              { 200, "", "[" MASTER "]" }),
        WRONG("FAILED: the branches of project 77: GitLab lists more branches than the 1 it has",
              ONE, { 200, "", "[" MASTER "," LOGIN "]" }),
        WRONG("has 0 default branches", ONE, { 200, "", "[" LOGIN "]" }),
        WRONG("has 2 default branches", TWO,
              { 200, "", "[" MASTER ",{\"name\":\"main\",\"default\":true}]" }),
        WRONG("lists the branch 'master' twice", TWO, { 200, "", "[" MASTER "," MASTER "]" }),
        WRONG("a branch without a name", ONE, { 200, "", "[{\"default\":true}]" }),
        WRONG("a branch without a name", ONE, { 200, "", "[\"master\"]" }),
        WRONG("GitLab's list of branches is none", ONE, { 200, "", "{\"message\":\"later\"}" }),
        WRONG("an empty page before the last", TWO, { 200, NEXT("page=2"), "[]" }),
        WRONG("GitLab's link to the next page is none", TWO, { 200, NEXT("a b"), "[" MASTER "]" }),
        WRONG("does not say how many branches there are (X-Total: absent)",
              { 200, "", "[" MASTER "]" }),
        WRONG("does not say how many branches there are (X-Total: -1)",
              { 200, "X-Total: -1\r\n", "[" MASTER "]" }),
        WRONG("answers what is not JSON", { 200, TOTAL(1), "<html>" }),
        WRONG("answers what is not JSON", ONE, { 200, "", "[" MASTER }),
        WRONG("TRANSIENT: the branches of project 77: GitLab answers 502: no reason given", TWO,
              { 200, NEXT("page=2"), "[" MASTER "]" }, { 502, "", "<html>" }),
        WRONG("THROTTLED: the branches of project 77: GitLab answers 429", { 429, "", "Later" }),
        WRONG("CREDENTIALS: the branches of project 77: GitLab does not let the token in",
              { 401, "", "{\"message\":\"401 Unauthorized\"}" }),
        WRONG("(403: insufficient_scope)", { 403, "", "{\"error\":\"insufficient_scope\"}" }),
        WRONG("HOST: the branches of project 77: GitLab has no such project",
              { 404, "", "{\"message\":\"404 Project Not Found\"}" }),
        WRONG("sends elsewhere (302, to 'https://x.example.com/users/sign_in')",
              { 302, "Location: https://x.example.com/users/sign_in\r\n", "" }),
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_free_ char *said = list(cases[i].answers);
        if (strstr(said, cases[i].expected) == NULL)
            fail_msg("'%s' instead of '%s'", said, cases[i].expected);
        assert_null(strstr(said, TOKEN));
    }
}

static void one_branch_is_gone_only_if_gitlab_says_so(void **state)
{
    (void)state;
    static const struct {
        struct answer answers[2];
        int gone; /* -1: refused */
    } cases[] = {
        { { { 404, "", "{\"message\":\"404 Branch Not Found\"}" } }, 1 },
        { { { 200, "", ODD } }, 0 },
        { { { 404, "", "{\"message\":\"404 Project Not Found\"}" } }, -1 },
        { { { 404, "", "<html>" } }, -1 },
        { { { 200, "", MASTER } }, -1 },
        { { { 500, "", "{\"message\":\"404 Branch Not Found\"}" } }, -1 },
        { { { 302, "Location: /\r\n", "" } }, -1 },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct fixture f;
        bool gone = cases[i].gone != 1;
        start(&f, cases[i].answers);
        assert_int_equal(gitlab_open(&f.host, &f.cancel, &f.gitlab, &f.err), 0);
        int r = gitlab_branch_is_gone(f.gitlab, 77, "dev/fix/a b", &gone, &f.err);
        assert_int_equal(r, cases[i].gone < 0 ? -1 : 0);
        if (r == 0)
            assert_int_equal(gone, cases[i].gone);
        assert_true(str_starts(server_request(f.server, 0),
                               "GET /api/v4/projects/77/repository/branches/dev%2Ffix%2Fa%20b "));
        stop(&f);
    }
}

static char *open_refused(struct fixture *f)
{
    err_release(&f->err);
    assert_int_equal(gitlab_open(&f->host, &f->cancel, &f->gitlab, &f->err), -1);
    assert_int_equal(f->err.class == ERR_HOST || f->err.class == ERR_CREDENTIALS, 1);
    return f->err.message;
}

static void the_token_is_roots_alone(void **state)
{
    (void)state;
    static const struct answer answers[] = { { 200, "", "[]" }, { 0, NULL, NULL } };
    struct fixture f;
    start(&f, answers);
    write_token(&f, TOKEN, 0640);
    assert_non_null(strstr(open_refused(&f), "can be read or written by others: run 'chmod 600"));
    write_token(&f, TOKEN, 0602);
    assert_non_null(strstr(open_refused(&f), "can be read or written by others"));
    write_token(&f, " \n", 0600);
    assert_non_null(strstr(open_refused(&f), "is empty"));
    write_token(&f, TOKEN "\r\nX-Evil: 1", 0600);
    assert_non_null(strstr(open_refused(&f), "not one line without blanks"));
    if (geteuid() == 0) {
        write_token(&f, TOKEN, 0600);
        assert_int_equal(chown(f.token, 65534, 65534), 0);
        assert_non_null(strstr(open_refused(&f), "belongs to user 65534"));
    }
    unlink(f.token);
    assert_non_null(strstr(open_refused(&f), "cannot look at GitLab's token"));
    write_token(&f, TOKEN, 0600);
    set_config(&f, "http://gitlab.example.com");
    assert_non_null(strstr(open_refused(&f), "in clear: use https://"));
    set_config(&f, "http://127.0.0.1.example.com");
    assert_non_null(strstr(open_refused(&f), "in clear"));
    assert_int_equal(server_requests(f.server), 0);
    stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_list_is_taken_from_any_number_of_pages),
        cmocka_unit_test(anything_else_is_refused),
        cmocka_unit_test(one_branch_is_gone_only_if_gitlab_says_so),
        cmocka_unit_test(the_token_is_roots_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
