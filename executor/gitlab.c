/* SPDX-License-Identifier: MIT */
#include "executor/gitlab.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "drivers/aws/creds_file.h"
#include "drivers/rest.h"
#include "executor/base/file.h"
#include "executor/base/log.h"

#define TOKEN_MAX      4096
#define QUERY_MAX      2048
#define ANSWER_SECONDS 60

struct gitlab {
    struct rest *rest;
    char *token_file;
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
    _cleanup_free_ char *header = xasprintf("PRIVATE-TOKEN: %s", token);
    rest_authorize(g->rest, header);
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
    const char *ca = json_str(config, "caFile");
    _cleanup_free_ char *ca_file = ca != NULL ? hostconfig_resolve(h, ca) : NULL;
    const struct rest_options options = {
        .name = "GitLab",
        .url = json_str(config, "url"),
        .setting = "gitlab.url",
        .credential = "the token",
        .ca_file = ca_file,
        .trust = "gitlab.caFile in the host config",
        .timeout = ANSWER_SECONDS,
        .cancel = cancel,
    };
    if (rest_open(&options, &g->rest, err) < 0 || read_token(g, err) < 0)
        return -1;
    *ret = steal_ptr(&g);
    return 0;
}

void gitlab_free(struct gitlab *g)
{
    if (g == NULL)
        return;
    rest_free(g->rest);
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

static int refuse_status(const struct gitlab *g, const struct rest_answer *answer, struct err *err)
{
    int status = answer->response.status;
    const cJSON *body = answer->body;
    const char *location = http_header(&answer->response, "location");
    if (status >= 300 && status < 400)
        return err_set(err, ERR_HOST,
                       "'%s' sends elsewhere (%d, to '%s'), where the token does not go: correct "
                       "gitlab.url",
                       rest_url(g->rest), status, location != NULL ? location : "nowhere");
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

static int get(struct gitlab *g, const char *path, struct rest_answer *ret, struct err *err)
{
    _cleanup_free_ char *whole = xasprintf("/api/v4%s", path);
    return rest_send(g->rest, "GET", whole, NULL, ret, err);
}

/*
 * What GitLab says the number of branches is. It says so of lists by number of page alone, and it
 * is the only proof that one by name of the last branch, which is the one that works beyond the
 * first page, is whole. lib/gitlab/pagination/gitaly_keyset_pager.rb in GitLab's source;
 * https://gitlab.com/gitlab-org/gitlab/-/work_items/605032
 */
static int count_branches(struct gitlab *g, const char *path, int64_t *ret, struct err *err)
{
    _cleanup_rest_answer_ struct rest_answer answer = REST_ANSWER_INIT;
    _cleanup_free_ char *first = xasprintf("%s?per_page=1&page=1", path);
    if (get(g, first, &answer, err) < 0)
        return -1;
    if (answer.response.status != 200)
        return refuse_status(g, &answer, err);
    const char *total = http_header(&answer.response, "x-total");
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
        _cleanup_rest_answer_ struct rest_answer answer = REST_ANSWER_INIT;
        _cleanup_free_ char *page = xasprintf("%s?%s", path, query);
        if (get(g, page, &answer, err) < 0)
            return -1;
        if (answer.response.status != 200)
            return refuse_status(g, &answer, err);
        free(query);
        query = next_query(&answer.response);
        if (query != NULL && !is_query(query))
            return err_set(err, ERR_FAILED, "GitLab's link to the next page is none");
        if (take_page(l, answer.body, query != NULL, err) < 0)
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
    _cleanup_rest_answer_ struct rest_answer answer = REST_ANSWER_INIT;
    _cleanup_strbuf_ struct strbuf path = STRBUF_INIT;
    strbuf_addf(&path, "/projects/%" PRId64 "/repository/branches/", project);
    strbuf_add_percent(&path, branch, strlen(branch));
    if (get(g, path.buf, &answer, err) < 0)
        return err_wrap(err, "branch '%s'", branch);
    /* A project that is not shown is 404, too ("404 Project Not Found"). */
    bool gone = answer.response.status == 404 &&
                str_eq(json_str(answer.body, "message"), "404 Branch Not Found");
    if (!gone &&
        (answer.response.status != 200 || !str_eq(json_str(answer.body, "name"), branch))) {
        if (answer.response.status == 200)
            return err_set(err, ERR_FAILED, "GitLab answers for '%s' with another branch", branch);
        refuse_status(g, &answer, err);
        return err_wrap(err, "branch '%s'", branch);
    }
    *ret = gone;
    return 0;
}
