/* SPDX-License-Identifier: MIT */
/*
 * The role of the ECS task or EKS pod that berth runs in.
 * https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
 */
#include <arpa/inet.h>
#include <curl/curl.h>
#include <netdb.h>

#include "drivers/aws/creds_file.h"
#include "drivers/aws/metadata.h"
#include "executor/base/redact.h"

#define TOKEN_MAX ((size_t)64 << 10)
#define TIMEOUT   2.0

/* Loopback, and the agents of ECS and EKS, which alone may be asked without TLS. */
static bool address_allowed(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        uint32_t ip = ntohl(((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr);
        return ip >> 24 == 127 || ip == 0xa9feaa02 /* 169.254.170.2 */ ||
               ip == 0xa9feaa17 /* 169.254.170.23 */;
    }
    if (address->sa_family != AF_INET6)
        return false;
    const struct in6_addr *ip = &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
    struct in6_addr eks;
    inet_pton(AF_INET6, "fd00:ec2::23", &eks);
    return IN6_IS_ADDR_LOOPBACK(ip) || memcmp(ip, &eks, sizeof(eks)) == 0;
}

/* Resolves the host: every address must be allowed, and the URL gets the first of them in its
 * place, so that the name cannot mean something else when the request is made. */
static int pin_address(CURLU *u, const char *host, struct err *err)
{
    _cleanup_free_ char *name = xstrdup(host);
    size_t len = strlen(name);
    if (len > 1 && name[0] == '[') { /* an IPv6 literal */
        name[len - 1] = '\0';
        memmove(name, name + 1, len - 1);
    }
    struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM }, *list = NULL;
    int r = getaddrinfo(name, NULL, &hints, &list);
    if (r != 0)
        return err_set(err, ERR_CREDENTIALS, "cannot resolve '%s': %s", name, gai_strerror(r));
    bool allowed = true;
    for (const struct addrinfo *a = list; a != NULL; a = a->ai_next)
        allowed = allowed && address_allowed(a->ai_addr);
    char text[INET6_ADDRSTRLEN];
    getnameinfo(list->ai_addr, list->ai_addrlen, text, sizeof(text), NULL, 0, NI_NUMERICHOST);
    _cleanup_free_ char *literal =
        list->ai_family == AF_INET6 ? xasprintf("[%s]", text) : xstrdup(text);
    freeaddrinfo(list);
    if (!allowed)
        return err_set(err, ERR_CREDENTIALS,
                       "'%s' is neither this host nor an agent of ECS or "
                       "EKS, and without https nothing else is trusted",
                       name);
    curl_url_set(u, CURLUPART_HOST, literal, 0);
    return 0;
}

/* The URL to ask, checked; the caller frees *ret. */
static int checked_url(const char *url, char **ret, struct err *err)
{
    CURLU *u = curl_url();
    char *scheme = NULL, *host = NULL, *whole = NULL;
    int r = -1;
    if (curl_url_set(u, CURLUPART_URL, url, 0) != CURLUE_OK ||
        curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
        curl_url_get(u, CURLUPART_HOST, &host, 0) != CURLUE_OK)
        err_set(err, ERR_CREDENTIALS, "AWS_CONTAINER_CREDENTIALS_FULL_URI: '%s' is not an URL",
                url);
    else if (strcmp(scheme, "https") == 0)
        r = 0;
    else if (strcmp(scheme, "http") != 0)
        err_set(err, ERR_CREDENTIALS,
                "AWS_CONTAINER_CREDENTIALS_FULL_URI: '%s' is neither http "
                "nor https",
                url);
    else
        r = pin_address(u, host, err);
    if (r == 0 && curl_url_get(u, CURLUPART_URL, &whole, 0) == CURLUE_OK)
        *ret = xstrdup(whole);
    curl_free(scheme);
    curl_free(host);
    curl_free(whole);
    curl_url_cleanup(u);
    return r;
}

/* "Authorization: <token>", NULL if none is asked for; the caller frees *ret. */
static int authorization(char **ret, struct err *err)
{
    const char *path = creds_env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    const char *given = creds_env("AWS_CONTAINER_AUTHORIZATION_TOKEN");
    _cleanup_free_ char *token = NULL;
    if (path != NULL && creds_file_line(path, TOKEN_MAX, &token, err) < 0)
        return -1;
    if (path == NULL && given != NULL)
        token = xstrdup(given);
    if (token == NULL)
        return 0;
    if (strpbrk(token, "\r\n") != NULL)
        return err_set(err, ERR_CREDENTIALS, "the container's authorization token has a line end");
    redact_add(token);
    *ret = xasprintf("Authorization: %s", token);
    return 0;
}

static int container_url(char **ret, struct err *err)
{
    const char *relative = creds_env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    const char *full = creds_env("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    if (relative == NULL && full == NULL)
        return err_set(err, ERR_NOT_FOUND,
                       "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI and _FULL_URI "
                       "are not set");
    if (relative == NULL)
        return checked_url(full, ret, err);
    if (*relative != '/')
        return err_set(err, ERR_CREDENTIALS,
                       "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: '%s' must begin with '/'",
                       relative);
    *ret = xasprintf("http://169.254.170.2%s", relative);
    return 0;
}

static int container_get(const struct creds_context *context, struct creds *ret, struct err *err)
{
    _cleanup_free_ char *url = NULL, *header = NULL;
    if (container_url(&url, err) < 0 || authorization(&header, err) < 0)
        return -1;
    const char *headers[] = { "Accept: application/json", header };
    struct metadata_request request = { .method = "GET",
                                        .url = url,
                                        .headers = headers,
                                        .n_headers = header != NULL ? 2 : 1,
                                        .timeout = TIMEOUT };
    _cleanup_http_response_ struct http_response response = HTTP_RESPONSE_INIT;
    if (metadata_send(context, &request, &response, err) < 0)
        return -1;
    if (response.status != 200)
        return err_set(err, ERR_CREDENTIALS, "%s: HTTP status %d", url, response.status);
    return metadata_creds(&response, ret, err);
}

const struct creds_provider creds_container = {
    .name = "the container",
    .get = container_get,
};
