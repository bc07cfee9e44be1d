/* SPDX-License-Identifier: MIT */
#include "drivers/aws/http.h"

#include <ctype.h>
#include <curl/curl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <uv.h>

#include "executor/base/log.h"

/* An idle connection older than this is not used again; AWS's endpoints close theirs after 20 s or
 * more. */
#define IDLE_SECONDS 15L
/* How many idle handles one endpoint keeps: as many as there can be workers. */
#define IDLE_MAX 64

struct handle {
    CURL *curl;
    char *endpoint; /* scheme, host and port: what its connection leads to */
    struct handle *next;
};

struct http {
    char *ca_bundle;
    struct cancel *cancel;
    CURLSH *share;
    uv_mutex_t share_mutex[CURL_LOCK_DATA_LAST];
    uv_mutex_t mutex;    /* guards idle and n_idle */
    struct handle *idle; /* last used first */
    size_t n_idle;
};

/* What the callbacks of one request know. */
struct transfer {
    struct http *http;
    const struct http_request *request;
    struct http_response *response;
    size_t header_bytes;
    double cancelled_at; /* 0: not yet */
    bool too_large;
    char error[CURL_ERROR_SIZE];
};

static uv_once_t global_once = UV_ONCE_INIT;
static uv_mutex_t global_mutex;
static unsigned global_users;

static void global_mutex_init(void)
{
    uv_mutex_init(&global_mutex);
}

/* libcurl's global state lives as long as any struct http does. CURLOPT_NOSIGNAL leaves SIGPIPE to
 * the program, and OpenSSL writes without MSG_NOSIGNAL. */
static void global_enter(void)
{
    uv_once(&global_once, global_mutex_init);
    uv_mutex_lock(&global_mutex);
    if (global_users++ == 0) {
        struct sigaction old;
        if (sigaction(SIGPIPE, NULL, &old) == 0 && old.sa_handler == SIG_DFL)
            signal(SIGPIPE, SIG_IGN);
        curl_global_init(CURL_GLOBAL_DEFAULT);
    }
    uv_mutex_unlock(&global_mutex);
}

static void global_leave(void)
{
    uv_mutex_lock(&global_mutex);
    if (--global_users == 0)
        curl_global_cleanup();
    uv_mutex_unlock(&global_mutex);
}

static void share_lock(CURL *curl, curl_lock_data data, curl_lock_access access, void *context)
{
    (void)curl;
    (void)access;
    struct http *h = context;
    uv_mutex_lock(&h->share_mutex[data]);
}

static void share_unlock(CURL *curl, curl_lock_data data, void *context)
{
    (void)curl;
    struct http *h = context;
    uv_mutex_unlock(&h->share_mutex[data]);
}

/* libcurl takes a proxy from the environment, with its user's password
 * (https://curl.se/libcurl/c/CURLOPT_PROXY.html), and may name it in its errors. */
static void redact_proxies(void)
{
    static const char *const names[] = { "http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy",
                                         "ALL_PROXY" };
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        redact_add_url(getenv(names[i]));
}

void http_outlive(struct http *h, struct cancel *cancel)
{
    h->cancel = cancel;
}

struct http *http_new(const char *ca_bundle, struct cancel *cancel)
{
    global_enter();
    struct http *h = xcalloc(1, sizeof(*h));
    h->ca_bundle = ca_bundle != NULL ? xstrdup(ca_bundle) : NULL;
    h->cancel = cancel;
    redact_proxies();
    uv_mutex_init(&h->mutex);
    for (int i = 0; i < CURL_LOCK_DATA_LAST; i++)
        uv_mutex_init(&h->share_mutex[i]);
    h->share = curl_share_init();
    if (h->share == NULL)
        oom_exit();
    curl_share_setopt(h->share, CURLSHOPT_USERDATA, h);
    curl_share_setopt(h->share, CURLSHOPT_LOCKFUNC, share_lock);
    curl_share_setopt(h->share, CURLSHOPT_UNLOCKFUNC, share_unlock);
    /* Never CURL_LOCK_DATA_CONNECT: libcurl's documentation calls it not safe among threads. */
    curl_share_setopt(h->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_DNS);
    curl_share_setopt(h->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
    return h;
}

static void handle_free(struct handle *handle)
{
    curl_easy_cleanup(handle->curl);
    free(handle->endpoint);
    free(handle);
}

void http_free(struct http *h)
{
    if (h == NULL)
        return;
    while (h->idle != NULL) {
        struct handle *handle = h->idle;
        h->idle = handle->next;
        handle_free(handle);
    }
    curl_share_cleanup(h->share);
    for (int i = 0; i < CURL_LOCK_DATA_LAST; i++)
        uv_mutex_destroy(&h->share_mutex[i]);
    uv_mutex_destroy(&h->mutex);
    free(h->ca_bundle);
    free(h);
    global_leave();
}

/* The length of the URL's part before the path. */
static size_t endpoint_length(const char *url)
{
    const char *host = strstr(url, "://");
    host = host != NULL ? host + 3 : url;
    return (size_t)(host - url) + strcspn(host, "/?");
}

static struct handle *handle_take(struct http *h, const char *url)
{
    size_t len = endpoint_length(url);
    uv_mutex_lock(&h->mutex);
    struct handle **link = &h->idle;
    while (*link != NULL &&
           (strlen((*link)->endpoint) != len || memcmp((*link)->endpoint, url, len) != 0))
        link = &(*link)->next;
    struct handle *handle = *link;
    if (handle != NULL) {
        *link = handle->next;
        h->n_idle--;
    }
    uv_mutex_unlock(&h->mutex);
    if (handle != NULL) {
        curl_easy_reset(handle->curl);
        return handle;
    }
    handle = xcalloc(1, sizeof(*handle));
    handle->endpoint = xstrndup(url, len);
    handle->curl = curl_easy_init();
    if (handle->curl == NULL)
        oom_exit();
    return handle;
}

static void handle_give(struct http *h, struct handle *handle)
{
    uv_mutex_lock(&h->mutex);
    bool keep = h->n_idle < IDLE_MAX;
    if (keep) {
        handle->next = h->idle;
        h->idle = handle;
        h->n_idle++;
    }
    uv_mutex_unlock(&h->mutex);
    if (!keep)
        handle_free(handle);
}

static size_t on_body(char *data, size_t size, size_t n, void *context)
{
    struct transfer *t = context;
    if (t->response->body.len + size * n > HTTP_BODY_MAX) {
        t->too_large = true;
        return 0;
    }
    strbuf_add(&t->response->body, data, size * n);
    return size * n;
}

static size_t on_header(char *data, size_t size, size_t n, void *context)
{
    struct transfer *t = context;
    size_t len = size * n;
    t->header_bytes += len;
    if (t->header_bytes > HTTP_HEADERS_MAX) {
        t->too_large = true;
        return 0;
    }
    size_t end = len;
    while (end > 0 && isspace((unsigned char)data[end - 1]))
        end--;
    if (end > 5 && memcmp(data, "HTTP/", 5) == 0) { /* also behind a "100 Continue" */
        strlist_release(&t->response->headers);
        return len;
    }
    const char *colon = memchr(data, ':', end);
    if (colon == NULL)
        return len;
    size_t name = (size_t)(colon - data), value = name + 1;
    while (value < end && isspace((unsigned char)data[value]))
        value++;
    for (size_t i = 0; i < name; i++)
        data[i] = (char)tolower((unsigned char)data[i]);
    strlist_addf(&t->response->headers, "%.*s: %.*s", (int)name, data, (int)(end - value),
                 data + value);
    return len;
}

/* libcurl calls this at least once a second while a request runs. */
static int on_progress(void *context, curl_off_t dl_total, curl_off_t dl, curl_off_t ul_total,
                       curl_off_t ul)
{
    (void)dl_total;
    (void)dl;
    (void)ul_total;
    struct transfer *t = context;
    if (ul > 0)
        t->response->sent = true;
    if (!cancel_is_set(t->http->cancel))
        return 0;
    if (t->cancelled_at == 0)
        t->cancelled_at = clock_now();
    return clock_now() - t->cancelled_at >= t->request->grace;
}

/* libcurl sets no close-on-exec before 8.19.0, and a job's script must not inherit our connections.
 */
static curl_socket_t open_socket(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
    (void)context;
    (void)purpose;
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static void set_timeouts(CURL *curl, const struct http_request *request)
{
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)(request->connect_timeout * 1000));
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)(request->timeout * 1000));
    curl_easy_setopt(curl, CURLOPT_MAXAGE_CONN, IDLE_SECONDS);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    /* Without it a resolver that hangs is waited for beyond every timeout. */
    curl_easy_setopt(curl, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
}

static void set_method(CURL *curl, const struct http_request *request)
{
    if (strcmp(request->method, "GET") == 0) {
        curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L);
        return;
    }
    if (strcmp(request->method, "HEAD") == 0) {
        curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
        return;
    }
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_len);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body != NULL ? request->body : "");
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method);
}

static void set_options(CURL *curl, struct transfer *t, struct curl_slist *headers)
{
    const struct http_request *request = t->request;
    curl_easy_setopt(curl, CURLOPT_URL, request->url);
    curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, request->plain ? "http,https" : "https");
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(curl, CURLOPT_SHARE, t->http->share);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, t);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, t);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, t->error);
    if (request->fresh)
        curl_easy_setopt(curl, CURLOPT_FRESH_CONNECT, 1L);
    if (request->direct)
        curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    if (t->http->ca_bundle != NULL)
        curl_easy_setopt(curl, CURLOPT_CAINFO, t->http->ca_bundle);
    set_timeouts(curl, request);
    set_method(curl, request);
}

static enum err_class curl_class(const struct transfer *t, CURLcode code)
{
    switch (code) {
    case CURLE_ABORTED_BY_CALLBACK:
        return ERR_CANCELLED;
    case CURLE_WRITE_ERROR:
        return t->too_large ? ERR_FAILED : ERR_BUG;
    case CURLE_OPERATION_TIMEDOUT:
        return t->response->sent ? ERR_TIMEOUT : ERR_UNREACHABLE;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
    case CURLE_SSL_CONNECT_ERROR:
        return ERR_UNREACHABLE;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_URL_MALFORMAT:
        return ERR_HOST;
    case CURLE_UNSUPPORTED_PROTOCOL: /* the URL's before, the answer's after the request */
        return t->response->sent ? ERR_TRANSIENT : ERR_HOST;
    default:
        return ERR_TRANSIENT;
    }
}

static enum http_obstacle curl_obstacle(const struct transfer *t, CURLcode code)
{
    switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        return HTTP_NO_NAME;
    case CURLE_COULDNT_CONNECT:
        return HTTP_NO_CONNECTION;
    case CURLE_OPERATION_TIMEDOUT:
        return t->response->sent ? HTTP_NO_ANSWER : HTTP_NO_CONNECTION;
    case CURLE_PEER_FAILED_VERIFICATION:
        return HTTP_NO_TRUST;
    default:
        return HTTP_NO_ANSWER;
    }
}

static int report_failure(const struct transfer *t, CURLcode code, struct err *err)
{
    int endpoint = (int)endpoint_length(t->request->url);
    enum err_class class = curl_class(t, code);
    if (class == ERR_CANCELLED)
        return err_set(err, class, "cancelled while waiting for %.*s", endpoint, t->request->url);
    if (t->too_large)
        return err_set(err, class, "the answer of %.*s is too large", endpoint, t->request->url);
    const char *trust = t->request->trust != NULL ? t->request->trust : "AWS_CA_BUNDLE";
    err_set(err, class, "%s %.*s: %s", t->response->sent ? "no whole answer from" : "cannot reach",
            endpoint, t->request->url, t->error[0] != '\0' ? t->error : curl_easy_strerror(code));
    if (class != ERR_HOST || code == CURLE_UNSUPPORTED_PROTOCOL)
        return -1;
    _cleanup_free_ char *said = steal_ptr(&err->message);
    return err_set(err, class, "%s; %s names a file of trusted certificates", said, trust);
}

/* The request has left, possibly, once a connection stood (TLS included). */
static bool maybe_sent(CURL *curl)
{
    curl_off_t before_transfer = 0;
    curl_easy_getinfo(curl, CURLINFO_PRETRANSFER_TIME_T, &before_transfer);
    return before_transfer > 0;
}

static void log_transfer(CURL *curl, const struct http_request *request, int status)
{
    char *address = NULL;
    long connects = 0;
    curl_off_t total = 0;
    curl_easy_getinfo(curl, CURLINFO_PRIMARY_IP, &address);
    curl_easy_getinfo(curl, CURLINFO_NUM_CONNECTS, &connects);
    curl_easy_getinfo(curl, CURLINFO_TOTAL_TIME_T, &total);
    log_debug("http: %s %.*s (%s): %d, %ld new connections, %.3f s", request->method,
              (int)endpoint_length(request->url), request->url, address != NULL ? address : "",
              status, connects, (double)total / 1e6);
}

int http_send(struct http *h, const struct http_request *request, struct http_response *ret,
              struct err *err)
{
    struct curl_slist *headers = curl_slist_append(NULL, "Expect:");
    for (size_t i = 0; i < request->n_headers; i++)
        headers = curl_slist_append(headers, request->headers[i]);
    struct handle *handle = handle_take(h, request->url);
    struct transfer t = { .http = h, .request = request, .response = ret };
    set_options(handle->curl, &t, headers);

    CURLcode code = curl_easy_perform(handle->curl);
    long status = 0;
    curl_easy_getinfo(handle->curl, CURLINFO_RESPONSE_CODE, &status);
    ret->sent = ret->sent || maybe_sent(handle->curl);
    log_transfer(handle->curl, request, (int)status);
    curl_slist_free_all(headers);
    if (code != CURLE_OK) {
        handle_free(handle);
        ret->obstacle = curl_obstacle(&t, code);
        return report_failure(&t, code, err);
    }
    ret->status = (int)status;
    /* The options point into this frame. */
    curl_easy_reset(handle->curl);
    handle_give(h, handle);
    return 0;
}

void http_response_release(struct http_response *r)
{
    strbuf_release(&r->body);
    strlist_release(&r->headers);
    *r = (struct http_response)HTTP_RESPONSE_INIT;
}

const char *http_header(const struct http_response *r, const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < r->headers.n; i++)
        if (strncmp(r->headers.v[i], name, len) == 0 && str_starts(r->headers.v[i] + len, ": "))
            return r->headers.v[i] + len + 2;
    return NULL;
}
