/* SPDX-License-Identifier: MIT */
/*
 * What a registry says that an image is now: its digest, by the protocol that all registries speak,
 * asked as anybody. No login goes to a registry that a Dockerfile names: whoever can push names it.
 * For the same reason nothing of an answer is believed but a digest and a token of the forms that
 * these have, no redirect is followed, and both the number of requests and each one's time and
 * size are bounded.
 *
 * https://distribution.github.io/distribution/spec/api/#existing-manifests
 * https://distribution.github.io/distribution/spec/auth/token/
 */
#include "drivers/image_registry.h"

#include <ctype.h>

#include "drivers/aws/digest.h"
#include "drivers/aws/http.h"

#define CONNECT_SECONDS 10
#define ANSWER_SECONDS  30
#define REALM_MAX       1024
#define TOKEN_MAX       ((size_t)4 << 10)
#define TAG_MAX         128 /* https://github.com/opencontainers/distribution-spec/blob/main/spec.md */

#define LOWER   "abcdefghijklmnopqrstuvwxyz"
#define LETTERS LOWER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS  "0123456789"
#define ACCEPTED                                                                                   \
    "Accept: application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json," \
    " application/vnd.docker.distribution.manifest.list.v2+json,"                                  \
    " application/vnd.docker.distribution.manifest.v2+json"

/* --- names: https://github.com/distribution/reference/blob/main/reference.go -------------------
 */

static bool is_made_of(const char *text, const char *chars)
{
    return *text != '\0' && strspn(text, chars) == strlen(text);
}

/* "registry.example.com", "127.0.0.1:5000". */
static bool is_host(const char *text)
{
    _cleanup_free_ char *name = xstrndup(text, strcspn(text, ":"));
    const char *port = text + strlen(name);
    return is_made_of(name, LETTERS DIGITS ".-") && *name != '-' &&
           (*port == '\0' || (strlen(port) <= 6 && is_made_of(port + 1, DIGITS)));
}

static bool is_name(const char *text)
{
    return is_made_of(text, LOWER DIGITS "._-/") && *text != '/' && strstr(text, "//") == NULL &&
           strstr(text, "..") == NULL && text[strlen(text) - 1] != '/';
}

/* Docker Hub is asked under another name than its images have, and its own images are in "library":
 * https://docs.docker.com/reference/cli/docker/image/tag/ */
static void set_hub(struct image_reference *ret)
{
    free(ret->host);
    ret->host = xstrdup("registry-1.docker.io");
    if (strchr(ret->name, '/') == NULL) {
        char *own = xasprintf("library/%s", ret->name);
        free(ret->name);
        ret->name = own;
    }
}

bool image_reference_read(const char *text, bool hub, struct image_reference *ret)
{
    _cleanup_image_reference_ struct image_reference found = { .host = NULL };
    size_t first = strcspn(text, "/");
    found.host = xstrndup(text, first);
    bool named = text[first] == '/' &&
                 (strpbrk(found.host, ".:") != NULL || str_eq(found.host, "localhost"));
    const char *rest = named ? text + first + 1 : text;
    size_t len = strcspn(rest, ":");
    found.name = xstrndup(rest, len);
    found.tag = xstrdup(rest[len] == ':' ? rest + len + 1 : "latest");
    if ((!named && !hub) || (named && !is_host(found.host)) || !is_name(found.name) ||
        !is_made_of(found.tag, LETTERS DIGITS "_.-") || strlen(found.tag) > TAG_MAX)
        return false;
    if (!named || str_eq(found.host, "docker.io") || str_eq(found.host, "index.docker.io"))
        set_hub(&found);
    *ret = found;
    found = (struct image_reference){ .host = NULL };
    return true;
}

void image_reference_release(struct image_reference *r)
{
    free(r->host);
    free(r->name);
    free(r->tag);
    *r = (struct image_reference){ .host = NULL };
}

/* --- what an answer says -----------------------------------------------------------------------
 */

bool image_digest_is_valid(const char *text)
{
    static const char algorithm[] = "sha256:";
    return text != NULL && str_starts(text, algorithm) && strlen(text) == strlen(algorithm) + 64 &&
           is_made_of(text + strlen(algorithm), DIGITS "abcdef");
}

/* The value of a parameter, quoted or not (RFC 9110, 11.2); NULL: it has none. */
static char *parameter(const char *text, const char *name)
{
    size_t len = strlen(name);
    while (*text != '\0') {
        text += strspn(text, " \t,");
        bool found = strncasecmp(text, name, len) == 0 && text[len] == '=';
        text += strcspn(text, "=");
        if (*text != '=')
            return NULL;
        bool quoted = *++text == '"';
        size_t end = quoted ? strcspn(text + 1, "\"") : strcspn(text, ", \t");
        if (quoted && text[1 + end] != '"')
            return NULL;
        if (found)
            return xstrndup(text + quoted, end);
        text += end + (quoted ? 2 : 0);
    }
    return NULL;
}

static void add_query(struct strbuf *url, const char *name, const char *value)
{
    if (value == NULL)
        return;
    strbuf_addf(url, "%c%s=", strchr(url->buf, '?') != NULL ? '&' : '?', name);
    strbuf_add_percent(url, value, strlen(value));
}

char *image_token_url(const char *challenge)
{
    static const char scheme[] = "Bearer ", https[] = "https://";
    if (strncasecmp(challenge, scheme, strlen(scheme)) != 0)
        return NULL;
    challenge += strlen(scheme);
    _cleanup_free_ char *realm = parameter(challenge, "realm");
    _cleanup_free_ char *service = parameter(challenge, "service");
    _cleanup_free_ char *scope = parameter(challenge, "scope");
    if (realm == NULL || !str_starts(realm, https) || strlen(realm) > REALM_MAX ||
        !is_made_of(realm, LETTERS DIGITS "-._~:/?=&%+,"))
        return NULL;
    _cleanup_strbuf_ struct strbuf url = STRBUF_INIT;
    strbuf_adds(&url, realm);
    add_query(&url, "service", service);
    add_query(&url, "scope", scope);
    return strbuf_detach(&url);
}

/* "token", which Docker Hub has, or OAuth 2.0's "access_token". The caller frees it. */
static char *read_token(const struct strbuf *body)
{
    _cleanup_json_ cJSON *json = NULL;
    _cleanup_err_ struct err broken = ERR_INIT;
    if (json_parse(body->buf, body->len, JSON_PLAIN, &json, &broken) < 0)
        return NULL;
    const char *token = json_str(json, "token");
    if (token == NULL)
        token = json_str(json, "access_token");
    bool valid =
        token != NULL && strlen(token) <= TOKEN_MAX && is_made_of(token, LETTERS DIGITS "-._~+/=");
    return valid ? xstrdup(token) : NULL;
}

/* --- requests ----------------------------------------------------------------------------------
 */

struct look {
    struct http *http;
    char *url;
    char *authorization; /* or NULL */
};

static void look_release(struct look *l)
{
    http_free(l->http);
    free(l->url);
    free(l->authorization);
}

static int ask(const struct look *l, const char *method, const char *url, const char *authorization,
               struct http_response *ret, struct err *err)
{
    const char *headers[] = { ACCEPTED, authorization };
    const struct http_request request = {
        .method = method,
        .url = url,
        .headers = headers,
        .n_headers = authorization != NULL ? 2 : 1,
        .connect_timeout = CONNECT_SECONDS,
        .timeout = ANSWER_SECONDS,
        .trust = "the host config's 'registry.certificates'",
    };
    return http_send(l->http, &request, ret, err);
}

static const char *find_challenge(const struct http_response *answer)
{
    static const char header[] = "www-authenticate: ", scheme[] = "Bearer ";
    for (size_t i = 0; i < answer->headers.n; i++)
        if (str_starts(answer->headers.v[i], header) &&
            strncasecmp(answer->headers.v[i] + strlen(header), scheme, strlen(scheme)) == 0)
            return answer->headers.v[i] + strlen(header);
    return NULL;
}

/* The token that anybody gets, to read what is public: no secret. Whoever names the registry
 * chooses it, so the redactor must not know it: it would mask any word of the log. */
static int authorize(struct look *l, const struct http_response *refused, struct err *err)
{
    _cleanup_http_response_ struct http_response answer = HTTP_RESPONSE_INIT;
    const char *challenge = find_challenge(refused);
    _cleanup_free_ char *url = challenge != NULL ? image_token_url(challenge) : NULL;
    if (url == NULL)
        return err_set(err, ERR_DENIED, "the registry wants a login (401)");
    if (ask(l, "GET", url, NULL, &answer, err) < 0)
        return -1;
    _cleanup_free_ char *token = answer.status == 200 ? read_token(&answer.body) : NULL;
    if (token == NULL)
        return err_set(err, ERR_DENIED, "'%.*s' gives no token to whoever has no login (%d)",
                       (int)strcspn(url, "?"), url, answer.status);
    l->authorization = xasprintf("Authorization: Bearer %s", token);
    return 0;
}

static int judge(int status, struct err *err)
{
    switch (status) {
    case 200:
        return 0;
    case 401:
    case 403:
        return err_set(err, ERR_DENIED, "the registry wants a login (%d)", status);
    case 404:
        return err_set(err, ERR_NOT_FOUND, "the registry has no such image (404)");
    case 429:
        return err_set(err, ERR_TRANSIENT, "the registry is asked too often (429)");
    default:
        return err_set(err, ERR_FAILED, "the registry answers with %d", status);
    }
}

/* The digest is that of the bytes; a registry need not say it. */
static int read_digest(const struct look *l, const struct http_response *head, char **ret,
                       struct err *err)
{
    _cleanup_http_response_ struct http_response answer = HTTP_RESPONSE_INIT;
    const char *said = http_header(head, "docker-content-digest");
    if (image_digest_is_valid(said)) {
        *ret = xstrdup(said);
        return 0;
    }
    if (ask(l, "GET", l->url, l->authorization, &answer, err) < 0 || judge(answer.status, err) < 0)
        return -1;
    _cleanup_(digest_freep) struct digest *digest = digest_new();
    digest_add(digest, answer.body.buf, answer.body.len);
    _cleanup_free_ char *hex = digest_end(digest);
    *ret = xasprintf("sha256:%s", hex);
    return 0;
}

int image_registry_ask(const struct image_reference *r, const char *ca_file, struct cancel *cancel,
                       char **ret, struct err *err)
{
    _cleanup_(look_release) struct look l = { .http = http_new(ca_file, cancel) };
    _cleanup_http_response_ struct http_response first = HTTP_RESPONSE_INIT;
    _cleanup_http_response_ struct http_response second = HTTP_RESPONSE_INIT;
    const struct http_response *answer = &first;
    l.url = xasprintf("https://%s/v2/%s/manifests/%s", r->host, r->name, r->tag);
    if (ask(&l, "HEAD", l.url, NULL, &first, err) < 0)
        return -1;
    if (first.status == 401) {
        if (authorize(&l, &first, err) < 0 ||
            ask(&l, "HEAD", l.url, l.authorization, &second, err) < 0)
            return -1;
        answer = &second;
    }
    return judge(answer->status, err) < 0 ? -1 : read_digest(&l, answer, ret, err);
}
