/* SPDX-License-Identifier: MIT */
#ifndef BERTH_DRIVERS_AWS_METADATA_H
#define BERTH_DRIVERS_AWS_METADATA_H

/*
 * Asking the small HTTP servers beside a container or instance that hand out credentials.
 */

#include "drivers/aws/credentials.h"

struct metadata_request {
    const char *method;
    const char *url;
    const char *const *headers; /* "Name: value" */
    size_t n_headers;
    double timeout; /* of one try, seconds */
};

/*
 * Sends the request without a proxy, up to three times while nobody answers or the server fails.
 * The answer of any status but 5xx is a success; *ret is the caller's to release either way.
 */
int metadata_send(const struct creds_context *context, const struct metadata_request *request,
                  struct http_response *ret, struct err *err);
/* The answer's body as credentials. */
int metadata_creds(const struct http_response *response, struct creds *ret, struct err *err);

#endif
