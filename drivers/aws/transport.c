/* SPDX-License-Identifier: MIT */
#include "drivers/aws/transport.h"

#include <math.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdio.h>

#include "drivers/aws/credentials.h"
#include "drivers/aws/error.h"
#include "drivers/aws/protocol.h"
#include "drivers/aws/retry.h"
#include "drivers/aws/sigv4.h"
#include "drivers/aws/timestamp.h"
#include "executor/base/log.h"
#include "executor/base/version.h"

/* How often one call may be throttled without a word: some seconds. */
#define THROTTLES_BORNE 4
#define CONNECT_TIMEOUT 5.0
#define CALL_TIMEOUT    60.0
#define TIMEOUT_LEAST   0.1 /* libcurl takes 0 ms for no limit */
/* How long a call that changes something may go on after a cancel: that its outcome is known. */
#define WRITE_GRACE     20.0
#define RETRY_AFTER_MAX 60.0
/* AWS takes dates that are up to five minutes off; nearer ones are not why a signature fails. */
#define SKEW_LEAST 240

/* What one call keeps from try to try. */
struct tries {
    struct transport *transport;
    struct transport_call *call;
    const struct endpoint *endpoint;
    const cJSON *input; /* with its idempotency tokens */
    struct retry retry;
    bool clock_set, credentials_renewed;
    bool unanswered; /* a try may have reached AWS, but no answer came */
};

int transport_new(const char *region, const char *user_agent, struct cancel *cancel,
                  struct transport **ret, struct err *err)
{
    struct endpoints *endpoints = NULL;
    if (endpoints_new(region, &endpoints, err) < 0)
        return -1;
    const char *ca_bundle = getenv("AWS_CA_BUNDLE");
    struct transport *t = xcalloc(1, sizeof(*t));
    t->http = http_new(ca_bundle != NULL && *ca_bundle != '\0' ? ca_bundle : NULL, cancel);
    t->endpoints = endpoints;
    t->cancel = cancel;
    t->user_agent = xstrdup(user_agent != NULL ? user_agent : "berth/" BERTH_VERSION);
    t->region = xstrdup(region);
    *ret = t;
    return 0;
}

void transport_outlive(struct transport *t, struct cancel *cancel)
{
    t->cancel = cancel;
    http_outlive(t->http, cancel);
}

void transport_free(struct transport *t)
{
    if (t == NULL)
        return;
    http_free(t->http);
    endpoints_free(t->endpoints);
    free(t->user_agent);
    free(t->region);
    free(t);
}

time_t transport_time(struct transport *t)
{
    return time(NULL) + (time_t)atomic_load(&t->clock_offset);
}

/* A random UUID, version 4: what AWS's own SDKs send as an idempotency token. */
static int uuid_random(char *ret, size_t size, struct err *err)
{
    unsigned char b[16];
    if (RAND_bytes(b, sizeof(b)) != 1)
        return err_set(err, ERR_HOST, "the system has no random numbers");
    b[6] = (b[6] & 0x0f) | 0x40;
    b[8] = (b[8] & 0x3f) | 0x80;
    snprintf(ret, size, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
             b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13],
             b[14], b[15]);
    return 0;
}

/* A copy of the input with the tokens that it lacks, or NULL if it lacks none; the caller's. */
static int fill_tokens(const struct operation *operation, const cJSON *input, cJSON **ret,
                       struct err *err)
{
    const struct shape *shape = &shapes[operation->input];
    for (size_t i = 0; i < shape->count; i++) {
        const struct shape_member *member = &shape_members[shape->first + i];
        if (!(member->flags & MEMBER_TOKEN) || json_get(input, member->name) != NULL)
            continue;
        char token[40];
        if (uuid_random(token, sizeof(token), err) < 0)
            return -1;
        if (*ret == NULL)
            *ret = input != NULL ? json_dup(input) : cJSON_CreateObject();
        json_put_str(*ret, member->name, token);
    }
    return 0;
}

/* A path's query joined to it, as both stand in the request line. */
static char *request_url(const struct tries *t, const struct wire_request *wire)
{
    const char *prefix = t->call->operation->host_prefix;
    struct strbuf url = STRBUF_INIT;
    if (prefix != NULL && !t->endpoint->custom)
        strbuf_addf(&url, "https://%s%s", prefix, t->endpoint->host);
    else
        strbuf_adds(&url, t->endpoint->url);
    strbuf_adds(&url, wire->path.buf);
    if (wire->query.len > 0)
        strbuf_addf(&url, "?%s", wire->query.buf);
    return strbuf_detach(&url);
}

/* "Name: value" in two; the value points into the line, the name is cut off in place. */
static struct sigv4_header split_header(char *line)
{
    char *colon = strchr(line, ':');
    *colon = '\0';
    return (struct sigv4_header){ .name = line, .value = colon + 2 };
}

/* The path that the request line will have: an endpoint's own stands before the protocol's. */
static char *request_path(const char *url)
{
    const char *host = strstr(url, "://") + 3;
    const char *path = host + strcspn(host, "/?");
    return xstrndup(path, strcspn(path, "?"));
}

/* Adds Authorization, over all headers that are there. */
static int sign(const struct tries *t, const struct wire_request *wire, const char *url,
                const struct creds *creds, time_t now, struct strlist *headers, struct err *err)
{
    _cleanup_strlist_ struct strlist lines = STRLIST_INIT;
    _cleanup_free_ struct sigv4_header *split = xcalloc(headers->n + 1, sizeof(*split));
    size_t n = 0;
    for (size_t i = 0; i < headers->n; i++) {
        if (str_starts(headers->v[i], "User-Agent:")) /* a proxy may change it */
            continue;
        strlist_add(&lines, headers->v[i]);
        split[n] = split_header(lines.v[n]);
        n++;
    }
    _cleanup_free_ char *path = request_path(url);
    struct sigv4_request request = {
        .method = wire->method,
        .path = path,
        .query = wire->query.buf,
        .headers = split,
        .n_headers = n,
        .body = wire->body.buf,
        .body_len = wire->body.len,
    };
    struct sigv4_key key = {
        .access_key = creds->access_key,
        .secret_key = creds->secret_key,
        .region = t->endpoint->region,
        .service = t->call->service->signing,
        .time = now,
    };
    _cleanup_free_ char *authorization = NULL;
    if (sigv4_sign(&request, &key, &authorization, NULL, NULL, err) < 0)
        return -1;
    strlist_addf(headers, "Authorization: %s", authorization);
    return 0;
}

static int build_headers(const struct tries *t, const struct wire_request *wire, const char *url,
                         const struct creds *creds, struct strlist *headers, struct err *err)
{
    time_t now = transport_time(t->transport);
    char date[32];
    clock_basic_date(now, date, sizeof(date));
    const char *prefix = t->call->operation->host_prefix;
    strlist_addf(headers, "Host: %s%s", prefix != NULL && !t->endpoint->custom ? prefix : "",
                 t->endpoint->host);
    strlist_addf(headers, "User-Agent: %s", t->transport->user_agent);
    for (size_t i = 0; i < wire->headers.n; i++)
        strlist_add(headers, wire->headers.v[i]);
    if (creds == NULL)
        return 0;
    strlist_addf(headers, "X-Amz-Date: %s", date);
    if (creds->token != NULL)
        strlist_addf(headers, "X-Amz-Security-Token: %s", creds->token);
    return sign(t, wire, url, creds, now, headers, err);
}

/* What an answer other than success says, as an error. */
static int answer_error(const struct protocol *protocol, const struct http_response *response,
                        struct err *err)
{
    struct wire_error wire = { 0 };
    protocol->read_error(response, &wire);
    const char *id = http_header(response, "x-amzn-requestid");
    if (id == NULL)
        id = http_header(response, "x-amz-request-id");
    if (id == NULL)
        id = wire.request_id;
    enum err_class class = error_class(wire.code, wire.message, response->status);
    _cleanup_free_ char *message = redact_line(wire.message != NULL ? wire.message : "");
    if (wire.code[0] == '\0')
        err_set(err, class, "HTTP status %d without an error code of AWS", response->status);
    else
        err_set(err, class, "%s (%s%s%s)", *message != '\0' ? message : "no message", wire.code,
                *id ? ", request " : "", id);
    snprintf(err->aws_code, sizeof(err->aws_code), "%s", wire.code);
    snprintf(err->request_id, sizeof(err->request_id), "%s", id);
    err->http_status = response->status;
    wire_error_release(&wire);
    return -1;
}

static void headers_wipe(struct strlist *headers)
{
    for (size_t i = 0; i < headers->n; i++)
        OPENSSL_cleanse(headers->v[i], strlen(headers->v[i]));
    strlist_release(headers);
}

/* Seconds that a call may still take; below 0: none. */
static double time_left(struct transport *t)
{
    double until = atomic_load(&t->until);
    return until > 0 ? until - clock_now() : INFINITY;
}

/* One try. */
static int try_once(const struct tries *t, const struct creds *creds,
                    struct http_response *response, cJSON **ret, struct err *err)
{
    const struct operation *operation = t->call->operation;
    const struct protocol *protocol = protocol_find(t->call->service->protocol);
    _cleanup_wire_request_ struct wire_request wire = WIRE_REQUEST_INIT;
    protocol->write(t->call->service, operation, t->input, &wire);
    _cleanup_free_ char *url = request_url(t, &wire);
    _cleanup_(headers_wipe) struct strlist headers = STRLIST_INIT;
    if (build_headers(t, &wire, url, creds, &headers, err) < 0)
        return -1;
    bool write = operation->flags & OPERATION_WRITE;
    double left = fmax(time_left(t->transport), TIMEOUT_LEAST);
    struct http_request request = {
        .method = wire.method,
        .url = url,
        .headers = (const char *const *)headers.v,
        .n_headers = headers.n,
        .body = wire.body.buf,
        .body_len = wire.body.len,
        .connect_timeout = fmin(CONNECT_TIMEOUT, left),
        .timeout = fmin(CALL_TIMEOUT, left),
        .grace = write ? WRITE_GRACE : 0,
        .fresh = write && !(operation->flags & OPERATION_TOKEN),
        .plain = t->endpoint->custom,
    };
    if (http_send(t->transport->http, &request, response, err) < 0)
        return -1;
    if (response->status < 200 || response->status >= 300)
        return answer_error(protocol, response, err);
    return protocol->read(operation, response, ret, err);
}

/* Sets our offset from the answer's Date, if we are far off; whether a new try is worth it. */
static bool cure_clock(struct tries *t, const struct http_response *response)
{
    const char *header = http_header(response, "date");
    double date;
    if (t->clock_set || header == NULL || timestamp_parse_http(header, &date) < 0)
        return false;
    double off = date - (double)transport_time(t->transport);
    if (fabs(off) < SKEW_LEAST)
        return false;
    t->clock_set = true;
    atomic_store(&t->transport->clock_offset, (long)(date - (double)time(NULL)));
    log_debug("aws: this host's clock is off by %.0f s", off);
    return true;
}

/* What a failure asks of us before it counts: a corrected clock, or new credentials, once each. */
static bool cure(struct tries *t, const struct creds *creds, const struct http_response *response,
                 const struct err *err)
{
    enum error_cure cure = error_cure_of(err->aws_code);
    if (cure == CURE_NONE || creds == NULL)
        return false;
    if (cure_clock(t, response))
        return true;
    if (cure != CURE_CREDENTIALS || t->credentials_renewed)
        return false;
    t->credentials_renewed = true;
    credentials_expired(t->call->credentials, creds->access_key);
    return true;
}

static double retry_after(const struct http_response *response)
{
    const char *header = http_header(response, "retry-after");
    int64_t seconds;
    if (header == NULL || str_to_int64(header, 0, (int64_t)RETRY_AFTER_MAX, &seconds) < 0)
        return 0;
    return (double)seconds;
}

static int wait_turn(const struct tries *t, struct err *err)
{
    struct transport_call *call = t->call;
    double wait = 0;
    if (call->rates != NULL)
        wait = rates_take(call->rates, call->service->name, call->operation->name, clock_now());
    if (time_left(t->transport) <= wait)
        return err->class != ERR_NONE ? -1 : err_set(err, ERR_TIMEOUT, "no time is left for it");
    if (cancel_is_set(t->transport->cancel) ||
        (wait > 0 && cancel_sleep(t->transport->cancel, wait) < 0))
        return err_set(err, ERR_CANCELLED, "cancelled before it was sent");
    return 0;
}

/* Whether AWS may have carried out a try that failed: an answer from 300 to 499 says it has not. */
static bool may_be_done(const struct http_response *response)
{
    return response->sent && (response->status < 300 || response->status >= 500);
}

static void tell_throttled(const struct transport_call *call, bool throttled)
{
    if (call->is_throttled != NULL)
        atomic_store(call->is_throttled, throttled);
}

/* A call that is throttled now and then takes no longer than anybody would notice; of one that goes
 * on being throttled people are told, once for each service. */
static void say_throttled(const struct transport_call *call)
{
    if (call->throttled == THROTTLES_BORNE && call->rates != NULL &&
        !rates_are_told(call->rates, call->service->name))
        log_info("AWS throttles calls of %s: they are made again, ever more slowly",
                 call->service->name);
}

/* Whether to try again after *err, having waited as long as is right. */
static bool go_on(struct tries *t, const struct creds *creds, const struct http_response *response,
                  struct err *err)
{
    struct transport_call *call = t->call;
    bool throttled = err->class == ERR_THROTTLED;
    call->throttled += throttled;
    call->uncertain = call->uncertain || (!throttled && may_be_done(response));
    tell_throttled(call, throttled);
    if (throttled)
        say_throttled(call);
    if (call->rates != NULL && throttled)
        rates_tell(call->rates, call->service->name, call->operation->name, true, clock_now());
    if (response->sent && response->status == 0)
        t->unanswered = true;
    if (cure(t, creds, response, err))
        return true;
    struct retry_context context = { .retry_after = retry_after(response),
                                     .role_changed = call->role_changed,
                                     .just_created = call->just_created };
    double wait;
    if (!retry_again(&t->retry, err, &context, clock_now(), &wait) ||
        wait >= time_left(t->transport))
        return false;
    log_debug("aws: %s:%s: try %u failed, the next in %.2f s: %s", call->service->name,
              call->operation->name, call->tries, wait, err->message);
    if (cancel_sleep(t->transport->cancel, wait) < 0) {
        err_wrap(err, "cancelled after %u tries; the last one failed", call->tries);
        err->class = ERR_CANCELLED;
        return false;
    }
    return true;
}

/* AWS's words, "Rate exceeded", do not tell people that berth has gone on for minutes, nor what
 * they can do. */
static int finish_throttled(const struct tries *t, struct err *err)
{
    char span[32];
    return err_wrap(err,
                    "AWS still throttles this call after %u tr%s in %s; run the job again later, "
                    "or lower 'rates' and 'workers' in the host config",
                    t->call->tries, t->call->tries == 1 ? "y" : "ies",
                    clock_span(clock_now() - t->retry.all.since, span, sizeof(span)));
}

/* After a try without an answer, "exists already" may mean that the first one was carried out. */
static int finish_failed(const struct tries *t, struct err *err)
{
    if (err->class == ERR_THROTTLED)
        return finish_throttled(t, err);
    if (t->unanswered && err->class == ERR_EXISTS)
        err_wrap(err, "a try before got no answer and may have been carried out");
    else if (t->call->tries > 1 && err->class != ERR_CANCELLED)
        err_wrap(err, "after %u tries", t->call->tries);
    return -1;
}

/* Whether a try that failed was carried out all the same; then *ret is what it has made. */
static bool was_done(const struct tries *t, const struct http_response *response, cJSON **ret)
{
    const struct transport_call *call = t->call;
    if (call->find == NULL || !may_be_done(response))
        return false;
    cJSON *found = NULL;
    _cleanup_err_ struct err failure = ERR_INIT;
    if (call->find(call->find_context, &found, &failure) < 0)
        log_debug("aws: %s:%s: cannot see what became of it: %s", call->service->name,
                  call->operation->name, failure.message);
    if (found == NULL)
        return false;
    *ret = found;
    return true;
}

static int run_tries(struct tries *t, cJSON **ret, struct err *err)
{
    struct transport_call *call = t->call;
    bool is_signed = call->credentials != NULL && !(call->operation->flags & OPERATION_UNSIGNED);
    for (;;) {
        _cleanup_creds_ struct creds creds = CREDS_INIT;
        _cleanup_http_response_ struct http_response response = HTTP_RESPONSE_INIT;
        if (wait_turn(t, err) < 0 ||
            (is_signed && credentials_get(call->credentials, &creds, err) < 0))
            return -1;
        call->tries++;
        if (try_once(t, is_signed ? &creds : NULL, &response, ret, err) == 0) {
            if (call->rates != NULL)
                rates_tell(call->rates, call->service->name, call->operation->name, false,
                           clock_now());
            err_release(err); /* of the tries before */
            tell_throttled(call, false);
            return 0;
        }
        if (!go_on(t, is_signed ? &creds : NULL, &response, err))
            return finish_failed(t, err);
        if (was_done(t, &response, ret)) {
            err_release(err);
            return 0;
        }
    }
}

int transport_send(struct transport *t, struct transport_call *call, cJSON **ret, struct err *err)
{
    if (protocol_find(call->service->protocol) == NULL)
        return err_set(err, ERR_BUG, "berth does not speak this service's protocol");
    _cleanup_json_ cJSON *filled = NULL;
    if (fill_tokens(call->operation, call->input, &filled, err) < 0)
        return -1;
    struct tries tries = { .transport = t,
                           .call = call,
                           .endpoint = endpoint_find(t->endpoints, call->service),
                           .input = filled != NULL ? filled : call->input };
    retry_init(&tries.retry);
    call->tries = call->throttled = 0;
    call->uncertain = false;
    return run_tries(&tries, ret, err);
}
