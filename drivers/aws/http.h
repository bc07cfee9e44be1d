/* SPDX-License-Identifier: MIT */
#ifndef BERTH_DRIVERS_AWS_HTTP_H
#define BERTH_DRIVERS_AWS_HTTP_H

/*
 * HTTP/1.1 requests by libcurl, blocking, from any number of threads.
 *
 * A struct http keeps idle connections per endpoint, last used first, and shares resolved names and
 * TLS sessions among all. It belongs to who made it and is freed after the last request has ended.
 * Nothing here retries, follows redirects, or knows AWS. Every request has a time limit, and every
 * answer limits on its size.
 */

#include "executor/base/clock.h"
#include "executor/base/err.h"

#define HTTP_BODY_MAX    ((size_t)16 << 20)
#define HTTP_HEADERS_MAX ((size_t)64 << 10)

struct http;

struct http_request {
    const char *method;         /* "GET", "HEAD", "POST", "PUT", "PATCH" */
    const char *url;            /* its bytes are sent as they are: encoded, without a fragment */
    const char *const *headers; /* "Name: value" */
    size_t n_headers;
    const void *body; /* for all but GET and HEAD */
    size_t body_len;
    double connect_timeout; /* seconds */
    double timeout;         /* of the whole request, seconds */
    double grace;           /* seconds that it may go on once the cancel is set */
    /* libcurl sends a request a second time, whatever its method, when a connection that it used
     * before dies before the first byte of the answer (https://github.com/curl/curl/pull/18417
     * would add a switch). A request that must not be sent twice takes a connection of its own. */
    bool fresh;
    bool plain;        /* may be http://, for endpoints that the host names and link-local ones */
    bool direct;       /* never by a proxy */
    const char *trust; /* what names the file of trusted certificates; NULL: AWS_CA_BUNDLE */
};

/* Why there was no answer, as far as whoever waits for a server to come up has to know. */
enum http_obstacle {
    HTTP_NO_OBSTACLE,
    HTTP_NO_NAME,       /* the host's name is not known to DNS, or no server of DNS answers */
    HTTP_NO_CONNECTION, /* nobody takes the connection */
    HTTP_NO_TRUST,      /* the certificate is not that of the host, not valid, or not trusted */
    HTTP_NO_ANSWER,     /* anything else */
};

struct http_response {
    int status; /* 0 when there was no whole answer */
    enum http_obstacle obstacle;
    struct strbuf body;
    struct strlist headers; /* "name: value", names in lower case */
    bool sent;              /* the request, or part of it, may have reached the server */
};

#define HTTP_RESPONSE_INIT                                                                         \
    {                                                                                              \
        .body = STRBUF_INIT, .headers = STRLIST_INIT                                               \
    }
#define _cleanup_http_response_ _cleanup_(http_response_release)

/* ca_bundle: a file of certificates, or NULL for the system's. cancel outlives the struct. */
struct http *http_new(const char *ca_bundle, struct cancel *cancel);
void http_free(struct http *h);
/* From now on requests end with this cancel. Not while any goes on. */
void http_outlive(struct http *h, struct cancel *cancel);

/*
 * Sends a request and waits for the whole answer, whatever its status; `ret` is released by the
 * caller also after a failure, when it says whether the request may have been `sent`. Failures:
 * ERR_UNREACHABLE no connection, ERR_TIMEOUT, ERR_TRANSIENT the connection broke, ERR_CANCELLED,
 * ERR_HOST the certificate is not trusted, ERR_FAILED an answer beyond the limits.
 */
int http_send(struct http *h, const struct http_request *request, struct http_response *ret,
              struct err *err);

void http_response_release(struct http_response *r);
/* The header's value, or NULL; name in lower case. */
const char *http_header(const struct http_response *r, const char *name);

#endif
