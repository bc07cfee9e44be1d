/* SPDX-License-Identifier: MIT */
#include "executor/gitlab.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "drivers/aws/creds_file.h"
#include "drivers/aws/http.h"
#include "executor/base/file.h"
#include "executor/base/log.h"

#define TOKEN_MAX       4096
#define QUERY_MAX       2048
#define CONNECT_SECONDS 10
#define ANSWER_SECONDS  60

struct gitlab {
    struct http *http;
    char *url;    /* without a '/' at its end */
    char *header; /* "PRIVATE-TOKEN: ..." */
    char *token_file;
    bool plain; /* http, on this host */
};

void branches_init(struct branches *b)
{
    b->names = (struct strlist)STRLIST_INIT;
    strmap_init(&b->by_name);
}

bool branches_have(const struct branches *b, const char *name)
{
    return strmap_get(&b->by_name, name) != NULL;
}

void branches_release(struct branches *b)
{
    strmap_release(&b->by_name);
    strlist_release(&b->names);
}

bool gitlab_is_configured(const struct hostconfig *h)
{
    return json_get(h->json, "gitlab") != NULL;
}

/* The token lets its holder read the project; who can replace the file sends another one. */
static int check_token_file(const char *path, struct err *err)
{
    struct stat st;
    if (stat(path, &st) < 0)
        return err_set_errno(err, ERR_HOST, errno, "cannot look at GitLab's token '%s'", path);
    if (!S_ISREG(st.st_mode))
        return err_set(err, ERR_HOST, "'%s', which gitlab.tokenFile names, is not a file", path);
    if (st.st_uid != 0 && st.st_uid != geteuid())
        return err_set(err, ERR_HOST, "GitLab's token '%s' belongs to user %u: run 'chown root %s'",
                       path, (unsigned)st.st_uid, path);
    if ((st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
        return err_set(err, ERR_HOST,
                       "GitLab's token '%s' can be read or written by others: run 'chmod 600 %s'",
                       path, path);
    return file_check_parents(path, err);
}

static int read_token(struct gitlab *g, struct err *err)
{
    _cleanup_free_ char *token = NULL;
    if (check_token_file(g->token_file, err) < 0)
        return -1;
    if (creds_file_line(g->token_file, TOKEN_MAX, &token, err) < 0)
        return err_wrap(err, "GitLab's token");
    redact_add(token);
    for (const char *p = token; *p != '\0'; p++)
        if (!isgraph((unsigned char)*p))
            return err_set(err, ERR_HOST, "GitLab's token '%s' is not one line without blanks",
                           g->token_file);
    g->header = xasprintf("PRIVATE-TOKEN: %s", token);
    return 0;
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

static int take_url(struct gitlab *g, const char *url, struct err *err)
{
    static const char http[] = "http://";
    g->url = xstrdup(url);
    for (size_t n = strlen(g->url); n > 0 && g->url[n - 1] == '/'; n--)
        g->url[n - 1] = '\0';
    g->plain = str_starts(url, http);
    if (g->plain && !is_this_host(url + strlen(http)))
        return err_set(err, ERR_HOST,
                       "gitlab.url '%s' would send the token through the network in clear: use "
                       "https://",
                       url);
    return 0;
}

int gitlab_open(const struct hostconfig *h, struct cancel *cancel, struct gitlab **ret,
                struct err *err)
{
    const cJSON *config = json_get(h->json, "gitlab");
    if (config == NULL)
        return err_set(err, ERR_HOST, "'%s' has no \"gitlab\"", h->path);
    _cleanup_(gitlab_freep) struct gitlab *g = xcalloc(1, sizeof(*g));
    g->token_file = hostconfig_resolve(h, json_str(config, "tokenFile"));
    if (take_url(g, json_str(config, "url"), err) < 0 || read_token(g, err) < 0)
        return -1;
    const char *ca = json_str(config, "caFile");
    _cleanup_free_ char *ca_file = ca != NULL ? hostconfig_resolve(h, ca) : NULL;
    g->http = http_new(ca_file, cancel);
    *ret = steal_ptr(&g);
    return 0;
}

void gitlab_free(struct gitlab *g)
{
    if (g == NULL)
        return;
    http_free(g->http);
    free(g->url);
    free(g->header);
    free(g->token_file);
    free(g);
}

/* GitLab's reason, which is "message", or "error" where the token is at fault. */
static const char *reason_of(const cJSON *body)
{
    const char *message = json_str(body, "message");
    if (message == NULL)
        message = json_str(body, "error");
    return message != NULL ? message : "no reason given";
}

static int refuse_status(const struct gitlab *g, const struct http_response *response,
                         const cJSON *body, struct err *err)
{
    int status = response->status;
    const char *location = http_header(response, "location");
    if (status >= 300 && status < 400)
        return err_set(err, ERR_HOST,
                       "'%s' sends elsewhere (%d, to '%s'), where the token does not go: correct "
                       "gitlab.url",
                       g->url, status, location != NULL ? location : "nowhere");
    if (status == 401 || status == 403)
        return err_set(err, ERR_CREDENTIALS,
                       "GitLab does not let the token in '%s' read the branches (%d: %s): it takes "
                       "the scope read_api and the role Reporter",
                       g->token_file, status, reason_of(body));
    if (status == 404)
        return err_set(err, ERR_HOST,
                       "GitLab has no such project, or does not show it to the token in '%s' "
                       "(404: %s)",
                       g->token_file, reason_of(body));
    return err_set(err, status == 429 ? ERR_THROTTLED : ERR_TRANSIENT, "GitLab answers %d: %s",
                   status, reason_of(body));
}

/* *ret_body is NULL where an answer other than 200 is no JSON; with 200 it is. */
static int get(struct gitlab *g, const char *path, struct http_response *response, cJSON **ret_body,
               struct err *err)
{
    _cleanup_free_ char *url = xasprintf("%s/api/v4%s", g->url, path);
    const char *const headers[] = { g->header, "Accept: application/json" };
    const struct http_request request = {
        .method = "GET",
        .url = url,
        .headers = headers,
        .n_headers = ARRAY_SIZE(headers),
        .connect_timeout = CONNECT_SECONDS,
        .timeout = ANSWER_SECONDS,
        .plain = g->plain,
        .direct = g->plain,
        .trust = "gitlab.caFile in the host config",
    };
    if (http_send(g->http, &request, response, err) < 0)
        return -1;
    _cleanup_err_ struct err broken = ERR_INIT;
    const struct strbuf *body = &response->body;
    if (json_parse(body->buf, body->len, JSON_PLAIN, ret_body, &broken) < 0 &&
        response->status == 200)
        return err_set(err, ERR_FAILED, "'%s' answers what is not JSON (%s): is it GitLab?", g->url,
                       broken.message);
    return 0;
}

/*
 * What GitLab says the number of branches is. It says so of lists by number of page alone, and it
 * is the only proof that one by name of the last branch, which is the one that works beyond the
 * first page, is whole. lib/gitlab/pagination/gitaly_keyset_pager.rb in GitLab's source;
 * https://gitlab.com/gitlab-org/gitlab/-/work_items/605032
 */
static int count_branches(struct gitlab *g, const char *path, int64_t *ret, struct err *err)
{
    _cleanup_http_response_ struct http_response response = HTTP_RESPONSE_INIT;
    _cleanup_json_ cJSON *body = NULL;
    _cleanup_free_ char *first = xasprintf("%s?per_page=1&page=1", path);
    if (get(g, first, &response, &body, err) < 0)
        return -1;
    if (response.status != 200)
        return refuse_status(g, &response, body, err);
    const char *total = http_header(&response, "x-total");
    if (total == NULL || str_to_int64(total, 0, INT32_MAX, ret) < 0)
        return err_set(err, ERR_FAILED,
                       "GitLab does not say how many branches there are (X-Total: %s)",
                       total != NULL ? total : "absent");
    return 0;
}

/* The query of the link to the next page, without what leads to it; NULL if there is no next one.
 * https://docs.gitlab.com/api/rest/#pagination */
static char *next_query(const struct http_response *response)
{
    const char *link = http_header(response, "link");
    while (link != NULL && (link = strchr(link, '<')) != NULL) {
        size_t len = strcspn(++link, ">");
        const char *parameters = link + len, *query = memchr(link, '?', len);
        size_t until = strcspn(parameters, "<");
        _cleanup_free_ char *said = xstrndup(parameters, until);
        if (query != NULL && strstr(said, "rel=\"next\"") != NULL)
            return xstrndup(query + 1, (size_t)(link + len - query) - 1);
        link = parameters;
    }
    return NULL;
}

static bool is_query(const char *query)
{
    size_t n = 0;
    for (; query[n] != '\0'; n++)
        if (!isgraph((unsigned char)query[n]) || query[n] == '#')
            return false;
    return n > 0 && n <= QUERY_MAX;
}

/* What is known of a list while its pages come. */
struct listing {
    struct branches *branches;
    int64_t total; /* as GitLab says */
    unsigned defaults;
};

static int take_branch(struct listing *l, const cJSON *branch, struct err *err)
{
    const char *name = json_str(branch, "name");
    if (name == NULL || *name == '\0')
        return err_set(err, ERR_FAILED, "GitLab lists a branch without a name");
    if (branches_have(l->branches, name))
        return err_set(err, ERR_FAILED, "GitLab lists the branch '%s' twice", name);
    struct strlist *names = &l->branches->names;
    strlist_add(names, name);
    strmap_add(&l->branches->by_name, names->v[names->n - 1], names->v[names->n - 1]);
    l->defaults += json_bool(branch, "default", false);
    return 0;
}

static int take_page(struct listing *l, const cJSON *body, bool more, struct err *err)
{
    if (!cJSON_IsArray(body))
        return err_set(err, ERR_FAILED, "GitLab's list of branches is none");
    const cJSON *branch;
    cJSON_ArrayForEach (branch, body)
        if (take_branch(l, branch, err) < 0)
            return -1;
    if (more && json_count(body) == 0)
        return err_set(err, ERR_FAILED, "GitLab has an empty page before the last");
    if ((int64_t)l->branches->names.n > l->total)
        return err_set(err, ERR_FAILED, "GitLab lists more branches than the %" PRId64 " it has",
                       l->total);
    return 0;
}

static int read_pages(struct gitlab *g, const char *path, struct listing *l, struct err *err)
{
    _cleanup_free_ char *query = xstrdup("pagination=keyset&per_page=100");
    while (query != NULL) {
        _cleanup_http_response_ struct http_response response = HTTP_RESPONSE_INIT;
        _cleanup_json_ cJSON *body = NULL;
        _cleanup_free_ char *page = xasprintf("%s?%s", path, query);
        if (get(g, page, &response, &body, err) < 0)
            return -1;
        if (response.status != 200)
            return refuse_status(g, &response, body, err);
        free(query);
        query = next_query(&response);
        if (query != NULL && !is_query(query))
            return err_set(err, ERR_FAILED, "GitLab's link to the next page is none");
        if (take_page(l, body, query != NULL, err) < 0)
            return -1;
    }
    return 0;
}

/* A repository without a default branch has none at all, or is not shown whole. */
static int check_listing(const struct listing *l, struct err *err)
{
    if (l->branches->names.n == 0)
        return err_set(err, ERR_FAILED, "GitLab lists no branches at all");
    if ((int64_t)l->branches->names.n != l->total)
        return err_set(err, ERR_FAILED, "GitLab lists %zu of %" PRId64 " branches",
                       l->branches->names.n, l->total);
    if (l->defaults != 1)
        return err_set(err, ERR_FAILED,
                       "GitLab's list has %u default branches, where a whole one has one",
                       l->defaults);
    return 0;
}

int gitlab_branches(struct gitlab *g, int64_t project, struct branches *ret, struct err *err)
{
    struct listing l = { .branches = ret };
    _cleanup_free_ char *path = xasprintf("/projects/%" PRId64 "/repository/branches", project);
    if (count_branches(g, path, &l.total, err) < 0 || read_pages(g, path, &l, err) < 0 ||
        check_listing(&l, err) < 0)
        return err_wrap(err, "the branches of project %" PRId64, project);
    return 0;
}

int gitlab_branch_is_gone(struct gitlab *g, int64_t project, const char *branch, bool *ret,
                          struct err *err)
{
    _cleanup_http_response_ struct http_response response = HTTP_RESPONSE_INIT;
    _cleanup_json_ cJSON *body = NULL;
    _cleanup_strbuf_ struct strbuf path = STRBUF_INIT;
    strbuf_addf(&path, "/projects/%" PRId64 "/repository/branches/", project);
    strbuf_add_percent(&path, branch, strlen(branch));
    if (get(g, path.buf, &response, &body, err) < 0)
        return err_wrap(err, "branch '%s'", branch);
    /* A project that is not shown is 404, too ("404 Project Not Found"). */
    bool gone = response.status == 404 && str_eq(json_str(body, "message"), "404 Branch Not Found");
    if (!gone && (response.status != 200 || !str_eq(json_str(body, "name"), branch))) {
        if (response.status == 200)
            return err_set(err, ERR_FAILED, "GitLab answers for '%s' with another branch", branch);
        refuse_status(g, &response, body, err);
        return err_wrap(err, "branch '%s'", branch);
    }
    *ret = gone;
    return 0;
}
