/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/grafana.h"
#include "executor/base/log.h"
#include "tests/unit/server.h"

#define URL           "https://grafana.example.net/"
#define ADMINISTRATOR "\"administrator\": {\"login\": \"admin\", \"password\": \"/x/admin\"}"

/* A job: its variables, NAME, value, ..., and its spec's "grafana". */
struct fixture {
    const char *const *variables;
    struct cancel cancel;
    struct graph *graph;
    struct grafana_request request;
    struct grafana *grafana;
    struct err err;
};

static const char *lookup(void *context, const char *name)
{
    const struct fixture *f = context;
    for (const char *const *v = f->variables; v != NULL && *v != NULL; v += 2)
        if (str_eq(v[0], name))
            return v[1];
    return NULL;
}

static cJSON *parse(const char *text)
{
    cJSON *json = NULL;
    _cleanup_err_ struct err err = ERR_INIT;
    if (json_parse(text, strlen(text), JSON_PLAIN, &json, &err) < 0)
        fail_msg("%s", err.message);
    return json;
}

static int start(struct fixture *f, const char *grafana, const char *const *variables)
{
    *f = (struct fixture){ .variables = variables, .err = ERR_INIT };
    cancel_init(&f->cancel);
    f->graph = graph_new(&(struct context){ .spec_dir = -1 });
    f->graph->grafana = grafana != NULL ? parse(grafana) : NULL;
    f->request = (struct grafana_request){
        .graph = f->graph, .lookup = lookup, .variables = f, .cancel = &f->cancel
    };
    return grafana_new(&f->request, &f->grafana, &f->err);
}

static void stop(struct fixture *f)
{
    grafana_free(f->grafana);
    graph_free(f->graph);
    cancel_release(&f->cancel);
    err_release(&f->err);
    redact_release();
}

static void a_company_has_its_folder(void **state)
{
    (void)state;
    static const struct {
        const char *company, *folder;
    } rows[] = {
        { "Titan America", "titan-america" },
        { "Big Co|85940|x", "big-co" },
        { " Big  Co |1", "big--co" },
        { "main", "main" },
        { "a\tB", "a-b" },
        { "\xc3\x89"
          "COLE d'\xc3\x84rzte",
          "\xc3\xa9"
          "cole-d'\xc3\xa4rzte" },
        { "\xce\xa9", "\xcf\x89" },
        { "A\xff"
          "B",
          "a\xff"
          "b" },
        { "|85940", "" },
        { " ", "" },
        { "", "" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        _cleanup_free_ char *folder = grafana_folder_name(rows[i].company);
        assert_string_equal(folder, rows[i].folder);
    }
}

static void a_list_is_split_at_its_commas(void **state)
{
    (void)state;
    static const struct {
        const char *text, *items;
    } rows[] = {
        { "a,b", "a|b|" }, { " a b , c\n", "a b|c|" }, { "", "|" },   { ",", "||" },
        { "a,", "a||" },   { "a,,b", "a||b|" },        { "a", "a|" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        _cleanup_strlist_ struct strlist items = STRLIST_INIT;
        _cleanup_strbuf_ struct strbuf all = STRBUF_INIT;
        grafana_split(rows[i].text, &items);
        for (size_t j = 0; j < items.n; j++)
            strbuf_addf(&all, "%s|", items.v[j]);
        assert_string_equal(all.buf, rows[i].items);
    }
}

static void permissions_that_count(void **state)
{
    (void)state;
    static const struct {
        const char *list, *texts;
    } rows[] = {
        { "[]", "" },
        { "[{\"role\": \"Viewer\", \"permission\": 1, \"userId\": 0, \"teamId\": 0},"
          " {\"role\": \"Editor\", \"permission\": 2}]",
          "role Editor: 2, role Viewer: 1, " },
        { "[{\"userId\": 7, \"role\": \"\", \"permission\": 1}, {\"teamId\": 3, \"permission\": "
          "4}]",
          "team 3: 4, user 7: 1, " },
        /* Admins have everything anyway; what a folder inherits is not its own. */
        { "[{\"role\": \"Admin\", \"permission\": 4},"
          " {\"userId\": 7, \"permission\": 1, \"inherited\": true}]",
          "" },
        { "[{\"userId\": 7, \"permission\": 1}, {\"userId\": 7, \"permission\": 1}]",
          "user 7: 1, " },
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        _cleanup_json_ cJSON *list = parse(rows[i].list);
        _cleanup_strlist_ struct strlist texts = STRLIST_INIT;
        _cleanup_strbuf_ struct strbuf all = STRBUF_INIT;
        grafana_permission_texts(list, &texts);
        for (size_t j = 0; j < texts.n; j++)
            strbuf_addf(&all, "%s, ", texts.v[j]);
        assert_string_equal(all.buf, rows[i].texts);
    }
}

static void users_come_from_the_spec_before_the_lists(void **state)
{
    (void)state;
    struct fixture f;
    const char *const variables[] = {
        "GRAFANA_USER_LOGIN", "x", "GRAFANA_ADMIN_USER", "other", "GRAFANA_ADMIN_PASSWORD",
        "not the spec's",     NULL
    };
    assert_int_equal(start(&f,
                           "{\"url\": \"" URL "\", \"timeout\": 5, " ADMINISTRATOR ", \"users\": ["
                           "{\"name\": \"A\", \"email\": \"a@b\", \"login\": \"a\", "
                           "\"password\": \"/x/a\", \"role\": \"viewer\", \"company\": \"C|1\"}]}",
                           variables),
                     0);
    const struct grafana *g = f.grafana;
    assert_int_equal(g->n_users, 1);
    assert_string_equal(g->users[0].folder, "c");
    assert_string_equal(g->users[0].role, "Viewer");
    assert_string_equal(g->users[0].password.secret, "/x/a");
    assert_null(g->users[0].password.value);
    assert_string_equal(g->login, "admin");
    assert_string_equal(g->password.secret, "/x/admin");
    assert_true(g->timeout > 4.9 && g->timeout < 5.1);
    stop(&f);
}

#define USER(login, email, rest)                                                                   \
    "{\"url\": \"" URL "\", " ADMINISTRATOR ", \"users\": [{\"name\": \"A\", \"email\": \"a@b\", " \
    "\"login\": \"a\", \"password\": \"/x/a\", \"role\": \"editor\"}, {\"name\": \"B\", "          \
    "\"email\": \"" email "\", \"login\": \"" login "\", \"password\": \"/x/b\", " rest "}]}"

static void what_cannot_be_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *grafana, *said;
    } rows[] = {
        { "{\"users\": []}", "grafana: nothing says where Grafana answers" },
        { "{\"url\": \"http://127.0.0.1/\", \"users\": []}", "must begin with https://" },
        { "{\"url\": \"https://user@host/\", \"users\": []}", "must be https://, a name" },
        { "{\"url\": \"https:///x\", \"users\": []}", "must be https://, a name" },
        { "{\"url\": {\"${}\": \"${a.b}\"}}", "grafana.url: cannot come from a resource" },
        { "{\"url\": \"" URL "\", \"users\": []}",
          "there is no login for Grafana's administrator" },
        { "{\"url\": \"" URL "\", " ADMINISTRATOR "}", "nothing says who Grafana's users are" },
        { USER("A", "b@b", "\"role\": \"editor\""),
          "grafana.users[1]: grafana.users[0] has the login 'A' already" },
        { USER("b", "A@B", "\"role\": \"editor\""),
          "grafana.users[1]: grafana.users[0] has the e-mail 'A@B' already" },
        { USER("b", "b@b", "\"role\": \"viewer\""), "the viewer 'b' has no company" },
        { USER("b", "b@b", "\"role\": \"viewer\", \"company\": \"|x\""),
          "the viewer 'b' has no company" },
        { USER("b", "b@b", "\"role\": \"viewer\", \"company\": \"Main\""), "would be 'main'" },
        { USER("b\\u0007", "b@b", "\"role\": \"editor\""), "the login has a control character" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct fixture f;
        assert_int_equal(start(&f, rows[i].grafana, NULL), -1);
        assert_int_equal(f.err.class, ERR_USER);
        if (strstr(f.err.message, rows[i].said) == NULL)
            fail_msg("'%s' is not in '%s'", rows[i].said, f.err.message);
        stop(&f);
    }
}

/* The lists with one of them changed; `said` NULL: they are right. */
static void check_lists(const char *name, const char *list, const char *said)
{
    const char *variables[] = { "GRAFANA_USER_NAME",
                                "A,B",
                                "GRAFANA_USER_EMAIL",
                                "a@b, b@b",
                                "GRAFANA_USER_LOGIN",
                                "a,b",
                                "GRAFANA_USER_PASSWORD",
                                "first secret,second secret",
                                "GRAFANA_USER_ROLE",
                                "Editor,viewer",
                                "GRAFANA_USER_COMPANY",
                                ",Big Co|1",
                                NULL };
    struct fixture f;
    for (size_t i = 0; name != NULL && variables[i] != NULL; i += 2)
        if (str_eq(variables[i], name))
            variables[list != NULL ? i + 1 : i] = list != NULL ? list : "OTHER";
    int r = start(&f, "{\"url\": \"" URL "\", " ADMINISTRATOR "}", variables);
    if (said == NULL) {
        assert_int_equal(r, 0);
        assert_string_equal(f.grafana->users[1].folder, "big-co");
        assert_string_equal(f.grafana->users[1].email, "b@b");
    } else {
        assert_int_equal(r, -1);
        assert_int_equal(f.err.class, ERR_USER);
        if (strstr(f.err.message, said) == NULL)
            fail_msg("'%s' is not in '%s'", said, f.err.message);
    }
    stop(&f);
}

static void lists_of_several_lengths(void **state)
{
    (void)state;
    check_lists(NULL, NULL, NULL);
    check_lists("GRAFANA_USER_ROLE", "viewer",
                "GRAFANA_USER_NAME 2, GRAFANA_USER_EMAIL 2, GRAFANA_USER_LOGIN 2, "
                "GRAFANA_USER_PASSWORD 2, GRAFANA_USER_ROLE 1, GRAFANA_USER_COMPANY 2");
    check_lists("GRAFANA_USER_PASSWORD", "first secret,second secret,", "GRAFANA_USER_PASSWORD 3");
    check_lists("GRAFANA_USER_COMPANY", NULL, "GRAFANA_USER_COMPANY is not set");
}

static void lists_that_cannot_be(void **state)
{
    (void)state;
    check_lists("GRAFANA_USER_ROLE", "editor,admin", "the role of 'b' is 'admin'");
    check_lists("GRAFANA_USER_COMPANY", "x,", "the viewer 'b' has no company");
    check_lists("GRAFANA_USER_COMPANY", ",MAIN|1", "would be 'main', which is kept for editors");
    check_lists("GRAFANA_USER_LOGIN", "a,A", "has the login 'A' already");
    check_lists("GRAFANA_USER_LOGIN", "a,", "the login is empty");
    check_lists("GRAFANA_USER_NAME", "a,b\xff", "the name is not UTF-8");
    check_lists("GRAFANA_USER_PASSWORD", "a,", "the password of 'b' is empty");
}

static void passwords_of_lists_are_the_redactors_at_once(void **state)
{
    (void)state;
    struct fixture f;
    const char *const variables[] = { "GRAFANA_USER_NAME",
                                      "A,B",
                                      "GRAFANA_USER_EMAIL",
                                      "a@b,b@b",
                                      "GRAFANA_USER_LOGIN",
                                      "a,b",
                                      "GRAFANA_USER_PASSWORD",
                                      "first secret, abc",
                                      "GRAFANA_USER_ROLE",
                                      "Editor,EDITOR",
                                      "GRAFANA_USER_COMPANY",
                                      ",",
                                      "GRAFANA_ADMIN_USER",
                                      "admin",
                                      "GRAFANA_ADMIN_PASSWORD",
                                      "the admin's secret",
                                      NULL };
    assert_int_equal(start(&f, "{\"url\": \"" URL "\"}", variables), 0);
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    strbuf_adds(&text, "first secret, the admin's secret");
    redact(&text);
    assert_string_equal(text.buf, "[MASKED], [MASKED]");
    /* Too short for the redactor: what Grafana says is not shown if it holds one. */
    assert_true(strlist_has(&f.grafana->shorts, "abc"));
    struct rest_answer answer = { .response = HTTP_RESPONSE_INIT,
                                  .body = parse("{\"message\": \"not 'abc'\"}") };
    _cleanup_free_ char *reason = grafana_reason(f.grafana, &answer);
    assert_null(strstr(reason, "abc"));
    rest_answer_release(&answer);
    stop(&f);
}

/* --- the server that is spoken to ---------------------------------------------------------- */

static void echo(void *context, size_t n, const char *request, struct server_reply *ret)
{
    struct strbuf *said = context;
    (void)n;
    strbuf_adds(said, request);
    reply_with(ret, 200, "", "{\"id\": 1}");
}

static void a_request_has_credential_and_body(void **state)
{
    (void)state;
    struct cancel cancel;
    cancel_init(&cancel);
    _cleanup_strbuf_ struct strbuf said = STRBUF_INIT;
    struct server *server = server_start(echo, &said);
    _cleanup_free_ char *url = xasprintf("http://127.0.0.1:%u/base//", server_port(server));
    const struct rest_options options = { .name = "X",
                                          .url = url,
                                          .setting = "x.url",
                                          .credential = "the token",
                                          .trust = "x",
                                          .timeout = 20,
                                          .cancel = &cancel };
    struct rest *rest = NULL;
    _cleanup_err_ struct err err = ERR_INIT;
    assert_int_equal(rest_open(&options, &rest, &err), 0);
    rest_authorize_basic(rest, "Aladdin", "open sesame");
    _cleanup_json_ cJSON *body = parse("{\"a\":1}");
    _cleanup_rest_answer_ struct rest_answer answer = REST_ANSWER_INIT;
    assert_int_equal(rest_send(rest, "PATCH", "/y", body, &answer, &err), 0);
    assert_int_equal(json_int(answer.body, "id", 0), 1);
    rest_free(rest);
    server_stop(server);
    cancel_release(&cancel);
    assert_non_null(strstr(said.buf, "PATCH /base/y HTTP/1.1\r\n"));
    /* The example of RFC 7617. */
    assert_non_null(strstr(said.buf, "Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n"));
    assert_non_null(strstr(said.buf, "Content-Type: application/json\r\n"));
    assert_non_null(strstr(said.buf, "{\"a\":1}"));
    redact(&said);
    assert_null(strstr(said.buf, "QWxhZGRpbjpvcGVuIHNlc2FtZQ=="));
    redact_release();
}

static void a_credential_never_goes_in_clear(void **state)
{
    (void)state;
    static const char *const urls[] = { "http://example.net/", "http://127.0.0.1.example.net/",
                                        "http://localhost.example.net" };
    for (size_t i = 0; i < ARRAY_SIZE(urls); i++) {
        const struct rest_options options = {
            .name = "X", .url = urls[i], .setting = "x.url", .credential = "the token", .trust = "x"
        };
        struct rest *rest = NULL;
        _cleanup_err_ struct err err = ERR_INIT;
        assert_int_equal(rest_open(&options, &rest, &err), -1);
        assert_int_equal(err.class, ERR_HOST);
        assert_non_null(strstr(err.message, "would send the token through the network in clear"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_company_has_its_folder),
        cmocka_unit_test(a_list_is_split_at_its_commas),
        cmocka_unit_test(permissions_that_count),
        cmocka_unit_test(users_come_from_the_spec_before_the_lists),
        cmocka_unit_test(what_cannot_be_is_refused),
        cmocka_unit_test(lists_of_several_lengths),
        cmocka_unit_test(lists_that_cannot_be),
        cmocka_unit_test(passwords_of_lists_are_the_redactors_at_once),
        cmocka_unit_test(a_request_has_credential_and_body),
        cmocka_unit_test(a_credential_never_goes_in_clear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
