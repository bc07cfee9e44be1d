/* SPDX-License-Identifier: MIT */
#ifndef BERTH_DRIVERS_AWS_SIGV4_H
#define BERTH_DRIVERS_AWS_SIGV4_H

/*
 * AWS Signature Version 4, as a pure function of its arguments: no clock, no environment.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
 *
 * The bytes that are signed are the bytes that must be sent: whoever sends the request uses
 * sigv4_request's path, query, headers and body as they are.
 */

#include <time.h>

#include "executor/base/err.h"

struct sigv4_header {
    const char *name; /* in any case */
    const char *value;
};

struct sigv4_request {
    const char *method;
    const char *path;  /* as it stands in the request line, percent-encoded once: "/" */
    const char *query; /* without '?', as it stands in the request line; NULL or "": none */
    const struct sigv4_header *headers; /* all that are to be signed, "host" among them */
    size_t n_headers;
    const void *body;
    size_t body_len;
};

struct sigv4_key {
    const char *access_key;
    const char *secret_key;
    const char *region;
    const char *service; /* the signing name */
    time_t time;
};

/*
 * The value of the Authorization header; the caller frees *ret. "x-amz-date" is for the caller to
 * have among the headers with clock_basic_date(time), and "x-amz-security-token" if there is one.
 * Where asked for, *ret_canonical is the canonical request and *ret_to_sign the string to sign.
 */
int sigv4_sign(const struct sigv4_request *request, const struct sigv4_key *key, char **ret,
               char **ret_canonical, char **ret_to_sign, struct err *err);

#endif
