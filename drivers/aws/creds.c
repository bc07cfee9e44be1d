/* SPDX-License-Identifier: MIT */
#include "drivers/aws/creds.h"

#include <openssl/crypto.h>

#include "drivers/aws/timestamp.h"
#include "executor/base/log.h"

static void wipe(char **s)
{
    if (*s != NULL)
        OPENSSL_cleanse(*s, strlen(*s));
    free(*s);
    *s = NULL;
}

void creds_release(struct creds *c)
{
    wipe(&c->access_key);
    wipe(&c->secret_key);
    wipe(&c->token);
    free(c->account);
    *c = (struct creds)CREDS_INIT;
}

void creds_set(struct creds *c, const char *access_key, const char *secret_key, const char *token,
               time_t expires)
{
    struct creds new = {
        .access_key = xstrdup(access_key),
        .secret_key = xstrdup(secret_key),
        .token = token != NULL && *token != '\0' ? xstrdup(token) : NULL,
        .expires = expires,
    };
    redact_add(new.secret_key);
    redact_add(new.token);
    creds_release(c);
    *c = new;
}

void creds_copy(struct creds *to, const struct creds *from)
{
    struct creds new = {
        .access_key = xstrdup(from->access_key),
        .secret_key = xstrdup(from->secret_key),
        .token = from->token != NULL ? xstrdup(from->token) : NULL,
        .expires = from->expires,
        .account = from->account != NULL ? xstrdup(from->account) : NULL,
    };
    creds_release(to);
    *to = new;
}

const char *creds_env(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && *value != '\0' ? value : NULL;
}

/* An empty value is none. */
static const char *text_of(const cJSON *json, const char *name)
{
    const char *text = json_str(json, name);
    return text != NULL && *text != '\0' ? text : NULL;
}

/* A date or, in STS's JSON, seconds since 1970; 0 if there is none. */
static int read_expiry(const cJSON *json, const char *name, double *ret, struct err *err)
{
    static const double year_10000 = 253402300800.0;
    const cJSON *date = json_get(json, name);
    if (cJSON_IsString(date) && timestamp_parse_iso(date->valuestring, ret) < 0)
        return err_set(err, ERR_CREDENTIALS, "'%s' in the answer is not a date: '%s'", name,
                       date->valuestring);
    if (!cJSON_IsNumber(date))
        return 0;
    if (!(date->valuedouble >= 0 && date->valuedouble < year_10000))
        return err_set(err, ERR_CREDENTIALS, "'%s' in the answer is not a date: %g", name,
                       date->valuedouble);
    *ret = date->valuedouble;
    return 0;
}

int creds_from_json(const cJSON *json, const struct creds_names *names, struct creds *ret,
                    struct err *err)
{
    const char *access_key = text_of(json, names->access_key);
    const char *secret_key = text_of(json, names->secret_key);
    if (access_key == NULL || secret_key == NULL)
        return err_set(err, ERR_CREDENTIALS, "the answer lacks '%s'",
                       access_key == NULL ? names->access_key : names->secret_key);
    double expires = 0;
    if (read_expiry(json, names->expires, &expires, err) < 0)
        return -1;
    creds_set(ret, access_key, secret_key, text_of(json, names->token), (time_t)expires);
    const char *account = json_str(json, "AccountId");
    ret->account = account != NULL ? xstrdup(account) : NULL;
    return 0;
}

static void wipe_json(cJSON *json)
{
    for (cJSON *child = json != NULL ? json->child : NULL; child != NULL; child = child->next) {
        if (child->valuestring != NULL)
            OPENSSL_cleanse(child->valuestring, strlen(child->valuestring));
        wipe_json(child);
    }
}

void creds_json_free(cJSON **json)
{
    wipe_json(*json);
    cJSON_Delete(*json);
}
