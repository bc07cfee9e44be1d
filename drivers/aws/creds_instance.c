/* SPDX-License-Identifier: MIT */
/*
 * The role of the EC2 instance, from its metadata service, version 2 only: version 1 answers anyone
 * who can make the host send a GET.
 * https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html
 */
#include <strings.h>

#include "drivers/aws/metadata.h"
#include "executor/base/redact.h"

#define ROLES "/latest/meta-data/iam/security-credentials/"

static char *service_endpoint(void)
{
    const char *endpoint = creds_env("AWS_EC2_METADATA_SERVICE_ENDPOINT");
    const char *mode = creds_env("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE");
    if (endpoint == NULL)
        endpoint = mode != NULL && strcasecmp(mode, "IPv6") == 0 ? "http://[fd00:ec2::254]"
                                                                 : "http://169.254.169.254";
    size_t len = strlen(endpoint);
    while (len > 0 && endpoint[len - 1] == '/')
        len--;
    return xstrndup(endpoint, len);
}

/* Asks for a session token: the caller frees *ret, the whole header. */
static int session_token(const struct creds_context *context, const char *endpoint, char **ret,
                         struct err *err)
{
    _cleanup_free_ char *url = xasprintf("%s/latest/api/token", endpoint);
    const char *headers[] = { "X-aws-ec2-metadata-token-ttl-seconds: 21600" };
    struct metadata_request request = { .method = "PUT",
                                        .url = url,
                                        .headers = headers,
                                        .n_headers = 1,
                                        .timeout = context->imds_timeout };
    _cleanup_http_response_ struct http_response response = HTTP_RESPONSE_INIT;
    if (metadata_send(context, &request, &response, err) < 0) {
        if (err->class != ERR_CANCELLED)
            err->class = ERR_NOT_FOUND; /* this host is not an instance */
        return -1;
    }
    size_t len = response.body.len;
    if (response.status != 200 || len == 0 || strcspn(response.body.buf, "\r\n") != len)
        return err_set(err, ERR_NOT_FOUND, "%s: no session token (HTTP status %d)", url,
                       response.status);
    redact_add(response.body.buf);
    *ret = xasprintf("X-aws-ec2-metadata-token: %s", response.body.buf);
    return 0;
}

static int get_with_token(const struct creds_context *context, const char *url, const char *token,
                          struct http_response *ret, struct err *err)
{
    struct metadata_request request = { .method = "GET",
                                        .url = url,
                                        .headers = &token,
                                        .n_headers = 1,
                                        .timeout = context->imds_timeout };
    if (metadata_send(context, &request, ret, err) < 0)
        return -1;
    if (ret->status == 404)
        return err_set(err, ERR_NOT_FOUND, "%s: the instance has no role", url);
    if (ret->status != 200)
        return err_set(err, ERR_CREDENTIALS, "%s: HTTP status %d", url, ret->status);
    return 0;
}

static int instance_get(const struct creds_context *context, struct creds *ret, struct err *err)
{
    const char *disabled = creds_env("AWS_EC2_METADATA_DISABLED");
    if (disabled != NULL && strcasecmp(disabled, "true") == 0)
        return err_set(err, ERR_NOT_FOUND, "AWS_EC2_METADATA_DISABLED is true");
    _cleanup_free_ char *endpoint = service_endpoint();
    _cleanup_free_ char *token = NULL;
    _cleanup_http_response_ struct http_response roles = HTTP_RESPONSE_INIT;
    _cleanup_http_response_ struct http_response answer = HTTP_RESPONSE_INIT;
    _cleanup_free_ char *list = xasprintf("%s" ROLES, endpoint);
    if (session_token(context, endpoint, &token, err) < 0 ||
        get_with_token(context, list, token, &roles, err) < 0)
        return -1;
    size_t len = strcspn(roles.body.buf, "\r\n");
    _cleanup_strbuf_ struct strbuf url = STRBUF_INIT;
    strbuf_adds(&url, list);
    strbuf_add_percent(&url, roles.body.buf, len);
    if (get_with_token(context, url.buf, token, &answer, err) < 0 ||
        metadata_creds(&answer, ret, err) < 0)
        return err_wrap(err, "role '%.*s'", (int)len, roles.body.buf);
    return 0;
}

const struct creds_provider creds_instance = {
    .name = "the instance metadata service",
    .get = instance_get,
};
