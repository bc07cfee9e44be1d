/* SPDX-License-Identifier: MIT */
#include "drivers/rest.h"

#include "drivers/aws/digest.h"
#include "executor/base/log.h"

#define CONNECT_SECONDS 10
/* How long a write goes on once the job is cancelled. */
#define WRITE_GRACE 10

struct rest {
    struct http *http;
    char *name;
    char *url;
    char *trust;
    char *authorization; /* or NULL */
    double timeout;
    bool plain; /* http, on this host */
};

void rest_answer_release(struct rest_answer *answer)
{
    http_response_release(&answer->response);
    json_freep(&answer->body);
}

static bool is_this_host(const char *host)
{
    static const char *const names[] = { "127.0.0.1", "localhost", "[::1]" };
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        size_t len = strlen(names[i]);
        if (strncmp(host, names[i], len) == 0 && strchr(":/", host[len]) != NULL)
            return true;
    }
    return false;
}

int rest_open(const struct rest_options *options, struct rest **ret, struct err *err)
{
    static const char http[] = "http://";
    bool plain = str_starts(options->url, http);
    if (plain && !is_this_host(options->url + strlen(http)))
        return err_set(err, ERR_HOST,
                       "%s '%s' would send %s through the network in clear: use https://",
                       options->setting, options->url, options->credential);
    struct rest *r = xcalloc(1, sizeof(*r));
    r->plain = plain;
    r->name = xstrdup(options->name);
    r->url = xstrdup(options->url);
    for (size_t n = strlen(r->url); n > 0 && r->url[n - 1] == '/'; n--)
        r->url[n - 1] = '\0';
    r->trust = xstrdup(options->trust);
    r->timeout = options->timeout;
    r->http = http_new(options->ca_file, options->cancel);
    *ret = r;
    return 0;
}

void rest_free(struct rest *r)
{
    if (r == NULL)
        return;
    http_free(r->http);
    free(r->name);
    free(r->url);
    free(r->trust);
    free(r->authorization);
    free(r);
}

const char *rest_url(const struct rest *r)
{
    return r->url;
}

void rest_authorize(struct rest *r, const char *header)
{
    free(r->authorization);
    r->authorization = xstrdup(header);
}

void rest_authorize_basic(struct rest *r, const char *login, const char *password)
{
    _cleanup_free_ char *pair = xasprintf("%s:%s", login, password);
    _cleanup_free_ char *code = base64_text(pair);
    redact_add(code);
    _cleanup_free_ char *header = xasprintf("Authorization: Basic %s", code);
    rest_authorize(r, header);
}

/* The body of an answer; with 200 it has to be JSON. */
static int read_body(const struct rest *r, struct rest_answer *answer, struct err *err)
{
    _cleanup_err_ struct err broken = ERR_INIT;
    const struct strbuf *body = &answer->response.body;
    if (json_parse(body->buf, body->len, JSON_PLAIN, &answer->body, &broken) < 0 &&
        answer->response.status == 200)
        return err_set(err, ERR_FAILED, "'%s' answers what is not JSON (%s): is it %s?", r->url,
                       broken.message, r->name);
    return 0;
}

int rest_send(struct rest *r, const char *method, const char *path, const cJSON *body,
              struct rest_answer *ret, struct err *err)
{
    _cleanup_free_ char *url = xasprintf("%s%s", r->url, path);
    _cleanup_free_ char *text = body != NULL ? json_print(body) : NULL;
    const char *headers[3] = { "Accept: application/json" };
    size_t n = 1;
    if (r->authorization != NULL)
        headers[n++] = r->authorization;
    if (text != NULL)
        headers[n++] = "Content-Type: application/json";
    bool reads = str_eq(method, "GET");
    const struct http_request request = {
        .method = method,
        .url = url,
        .headers = headers,
        .n_headers = n,
        .body = text,
        .body_len = text != NULL ? strlen(text) : 0,
        .connect_timeout = CONNECT_SECONDS,
        .timeout = r->timeout,
        .grace = reads ? 0 : WRITE_GRACE,
        .fresh = !reads,
        .plain = r->plain,
        .direct = r->plain,
        .trust = r->trust,
    };
    if (http_send(r->http, &request, &ret->response, err) < 0)
        return -1;
    return read_body(r, ret, err);
}
