/* SPDX-License-Identifier: MIT */
#include "drivers/aws/metadata.h"

#define TRIES 3
#define PAUSE 0.2

static const struct creds_names metadata_names;

static bool worth_another(const struct http_response *response, int r, const struct err *err)
{
    if (r == 0)
        return response->status >= 500;
    return err->class == ERR_UNREACHABLE || err->class == ERR_TIMEOUT ||
           err->class == ERR_TRANSIENT;
}

int metadata_send(const struct creds_context *context, const struct metadata_request *request,
                  struct http_response *ret, struct err *err)
{
    struct http_request http = {
        .method = request->method,
        .url = request->url,
        .headers = request->headers,
        .n_headers = request->n_headers,
        .connect_timeout = request->timeout,
        .timeout = request->timeout,
        .plain = true,
        .direct = true,
    };
    for (unsigned i = 1;; i++) {
        int r = http_send(context->transport->http, &http, ret, err);
        if (i == TRIES || !worth_another(ret, r, err)) {
            if (r == 0 && ret->status >= 500)
                return err_set(err, ERR_CREDENTIALS, "%s: HTTP status %d", request->url,
                               ret->status);
            if (r == 0)
                err_release(err);
            return r;
        }
        if (cancel_sleep(context->transport->cancel, PAUSE * i) < 0)
            return err_set(err, ERR_CANCELLED, "cancelled while asking %s", request->url);
        http_response_release(ret);
    }
}

int metadata_creds(const struct http_response *response, struct creds *ret, struct err *err)
{
    _cleanup_secret_json_ cJSON *json = NULL;
    if (json_parse(response->body.buf, response->body.len, JSON_PLAIN, &json, err) < 0) {
        err->class = ERR_CREDENTIALS;
        return err_wrap(err, "the answer");
    }
    return creds_from_json(json, &metadata_names, ret, err);
}

static const struct creds_names metadata_names = {
    .access_key = "AccessKeyId",
    .secret_key = "SecretAccessKey",
    .token = "Token",
    .expires = "Expiration",
};
