/* SPDX-License-Identifier: MIT */
#include "drivers/aws/endpoints.h"

#include <curl/curl.h>

#define REGION_MAX 32

struct endpoints {
    struct endpoint *list; /* one per service, in service_at()'s order */
    size_t n;
};

bool region_is_valid(const char *region)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz";
    size_t words = 0, len = region != NULL ? strspn(region, letters) : 0;
    if (len != 2 && (len == 0 || !str_starts(region, "eusc-")))
        return false;
    if (strlen(region) > REGION_MAX)
        return false;
    for (; len > 0 && region[len] == '-'; len = strspn(region, letters)) {
        region += len + 1;
        words++;
    }
    len = strspn(region, "0123456789");
    return words >= 2 && words <= 3 && len > 0 && region[len] == '\0';
}

enum partition_id endpoint_partition(const char *region)
{
    if (str_starts(region, "cn-"))
        return PARTITION_AWS_CN;
    if (str_starts(region, "us-gov-"))
        return PARTITION_AWS_US_GOV;
    return PARTITION_AWS;
}

/* The parts of a URL that an endpoint may have: scheme, host, port, path. The caller frees *ret. */
static int check_url(const char *name, const char *url, char **ret_host, struct err *err)
{
    CURLU *u = curl_url();
    char *scheme = NULL, *host = NULL, *port = NULL, *other = NULL;
    bool ok = curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK &&
              curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
              curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
              (str_eq(scheme, "http") || str_eq(scheme, "https")) &&
              curl_url_get(u, CURLUPART_USER, &other, 0) != CURLUE_OK &&
              curl_url_get(u, CURLUPART_QUERY, &other, 0) != CURLUE_OK &&
              curl_url_get(u, CURLUPART_FRAGMENT, &other, 0) != CURLUE_OK;
    if (ok) {
        curl_url_get(u, CURLUPART_PORT, &port, CURLU_NO_DEFAULT_PORT);
        *ret_host = port != NULL ? xasprintf("%s:%s", host, port) : xstrdup(host);
    }
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    curl_free(other);
    curl_url_cleanup(u);
    if (!ok)
        return err_set(err, ERR_INVALID,
                       "%s: '%s' is not the URL of an endpoint, like http://127.0.0.1:5000", name,
                       url);
    return 0;
}

static char *fill_region(const char *host, const char *region)
{
    const char *place = strstr(host, "{region}");
    if (place == NULL)
        return xstrdup(host);
    return xasprintf("%.*s%s%s", (int)(place - host), host, region, place + strlen("{region}"));
}

static int endpoint_init(const struct service *service, const char *region, struct endpoint *ret,
                         struct err *err)
{
    const struct endpoint_rule *rule = &service->endpoints[endpoint_partition(region)];
    _cleanup_free_ char *name = xasprintf("AWS_ENDPOINT_URL_%s", service->env);
    const char *source = name, *url = getenv(name);
    if (url == NULL || *url == '\0') {
        source = "AWS_ENDPOINT_URL";
        url = getenv(source);
    }
    if (url != NULL && *url != '\0') {
        if (check_url(source, url, &ret->host, err) < 0)
            return -1;
        size_t len = strlen(url);
        while (len > 0 && url[len - 1] == '/')
            len--;
        ret->url = xstrndup(url, len);
        ret->custom = true;
    } else {
        ret->host = fill_region(rule->host, region);
        ret->url = xasprintf("https://%s", ret->host);
    }
    ret->region = xstrdup(rule->region != NULL ? rule->region : region);
    return 0;
}

int endpoints_new(const char *region, struct endpoints **ret, struct err *err)
{
    if (!region_is_valid(region))
        return err_set(err, ERR_INVALID, "'%s' is not an AWS region, like us-east-1",
                       region != NULL ? region : "");
    size_t n = 0;
    while (service_at(n) != NULL)
        n++;
    struct endpoints *e = xcalloc(1, sizeof(*e));
    e->list = xcalloc(n, sizeof(*e->list));
    e->n = n;
    for (size_t i = 0; i < n; i++)
        if (endpoint_init(service_at(i), region, &e->list[i], err) < 0) {
            endpoints_free(e);
            return -1;
        }
    *ret = e;
    return 0;
}

void endpoints_free(struct endpoints *e)
{
    if (e == NULL)
        return;
    for (size_t i = 0; i < e->n; i++) {
        free(e->list[i].url);
        free(e->list[i].host);
        free(e->list[i].region);
    }
    free(e->list);
    free(e);
}

const struct endpoint *endpoint_find(const struct endpoints *e, const struct service *service)
{
    for (size_t i = 0; i < e->n; i++)
        if (service_at(i) == service)
            return &e->list[i];
    return NULL;
}
