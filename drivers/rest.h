/* SPDX-License-Identifier: MIT */
#ifndef BERTH_DRIVERS_REST_H
#define BERTH_DRIVERS_REST_H

/*
 * JSON over HTTPS with one server that is not AWS's: GitLab, Grafana.
 *
 * Requests go to the one URL that the server has, with one credential: redirects are answers like
 * others and never followed, so that the credential goes nowhere else, whatever an answer says. A
 * request is sent once; whether it is worth another try is the caller's to say. What is sent and
 * what is answered gets into no log. Time and size are bounded; a cancel ends reads at once, and
 * writes a little later, so that it is known what came of them.
 *
 * A struct rest is used by one thread at a time; it belongs to who opened it.
 */

#include "drivers/aws/http.h"
#include "executor/base/json.h"

struct rest;

/* All strings are copied. */
struct rest_options {
    const char *name;       /* of the server, in messages: "GitLab" */
    const char *url;        /* http:// for this host alone; what it ends in is added to as it is,
                               but for a '/' */
    const char *setting;    /* what names the URL: "gitlab.url" */
    const char *credential; /* what would go through the network in clear: "the token" */
    const char *ca_file;    /* certificates that are trusted; NULL: those that the host trusts */
    const char *trust;      /* what names that file */
    double timeout;         /* for a whole answer, seconds */
    struct cancel *cancel;  /* outlives the result */
};

struct rest_answer {
    struct http_response response;
    cJSON *body; /* NULL where an answer other than 200 is no JSON, or there was none */
};
#define REST_ANSWER_INIT                                                                           \
    {                                                                                              \
        .response = HTTP_RESPONSE_INIT                                                             \
    }
#define _cleanup_rest_answer_ _cleanup_(rest_answer_release)
void rest_answer_release(struct rest_answer *answer);

/* ERR_HOST if the credential would cross a network in clear. The caller frees *ret. */
int rest_open(const struct rest_options *options, struct rest **ret, struct err *err);
void rest_free(struct rest *r);
static inline void rest_freep(struct rest **r)
{
    rest_free(*r);
}
/* The URL without a '/' at its end. */
const char *rest_url(const struct rest *r);
/* The header that every later request has: "PRIVATE-TOKEN: ...". Copied. */
void rest_authorize(struct rest *r, const char *header);
/* "Authorization: Basic ..." (RFC 7617), known to the redactor from then on. */
void rest_authorize_basic(struct rest *r, const char *login, const char *password);

/*
 * Sends a request, to the URL and `path` behind it, and waits for the answer, whatever its status;
 * `body` may be NULL. *ret is released by the caller also after a failure, when it says what was in
 * the way. Failures are http_send()'s, and ERR_FAILED for a 200 that is no JSON.
 */
int rest_send(struct rest *r, const char *method, const char *path, const cJSON *body,
              struct rest_answer *ret, struct err *err);

#endif
