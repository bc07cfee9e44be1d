/* SPDX-License-Identifier: MIT */
#include "drivers/elasticache.h"

#include <ctype.h>
#include <inttypes.h>

#include "drivers/secret.h"

/*
 * The secret that holds the AUTH token: a parameter of SSM or a secret of Secrets Manager. What a
 * plan needs is its version alone, which the tag of the replication group is compared with; the
 * value is read when it is sent, and kept nowhere.
 */

static char *parameter_version(const cJSON *parameter)
{
    return xasprintf("%" PRId64, json_int(parameter, "Version", 0));
}

/* The version that is current; NULL where there is none. The caller frees it. */
static char *current_version(const cJSON *secret)
{
    const cJSON *version;
    cJSON_ArrayForEach (version, json_get(secret, "VersionIdsToStages"))
        if (json_array_has(version, "AWSCURRENT"))
            return xstrdup(version->string);
    return NULL;
}

static int version_read(struct session *s, const char *secret, char **ret, struct err *err)
{
    _cleanup_json_ cJSON *output = NULL;
    if (!secret_is_in_manager(secret)) {
        if (secret_parameter_read(s, secret, false, &output, err) < 0)
            return -1;
        *ret = output != NULL ? parameter_version(output) : NULL;
        return 0;
    }
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    json_put_str(input, "SecretId", secret);
    _cleanup_err_ struct err failure = ERR_INIT;
    if (aws_call(s, "secretsmanager", "DescribeSecret", input, &output, &failure) < 0 &&
        failure.class != ERR_NOT_FOUND)
        return err_move(err, &failure);
    if (secret_check_found("redis.authToken", secret, output, err) < 0)
        return -1;
    *ret = current_version(output);
    return 0;
}

static int token_observe(struct session *s, struct resource *const *r, size_t n, struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        _cleanup_free_ char *version = NULL;
        if (version_read(s, r[i]->name, &version, err) < 0)
            return -1;
        r[i]->observed = true;
        if (version == NULL) {
            resource_set_have(r[i], NULL);
            resource_set_missing(r[i],
                                 "there is no secret '%s' in %s; create it, or correct the "
                                 "name",
                                 r[i]->name, session_region(s));
            continue;
        }
        resource_set_have(r[i], json_dup(r[i]->want));
        resource_set_output(r[i], "Version", version);
    }
    return 0;
}

int token_want(struct graph *g, const char *secret, struct err *err)
{
    cJSON *want = cJSON_CreateObject();
    json_put_str(want, "Name", secret);
    return graph_add(g, &elasticache_token_type, "redis", secret, "redis.authToken", want, NULL,
                     err);
}

/*
 * The rules of both calls that take a token, CreateReplicationGroup and ModifyReplicationGroup: 16
 * to 128 printable characters of ASCII, and none of these four. AWS's answer to another one may
 * quote it, so it is not sent; the message does not say what it is.
 * https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_ModifyReplicationGroup.html
 */
static int token_check(const char *secret, const char *token, struct err *err)
{
    const char *wrong = NULL;
    size_t n = strlen(token);
    for (const char *p = token; *p != '\0'; p++) {
        if (!isprint((unsigned char)*p))
            wrong = "has a character that is not printable ASCII (a line feed at its end?)";
        else if (strchr("/\"@%", *p) != NULL)
            wrong = "has a character that ElastiCache forbids";
    }
    if (n < 16 || n > 128)
        wrong = n < 16 ? "is shorter than 16 characters" : "is longer than 128 characters";
    if (wrong == NULL)
        return 0;
    return err_set(err, ERR_USER,
                   "redis.authToken: the token in secret '%s' %s; set it to one of 16 to 128 "
                   "printable characters without '/', '\"', '@' and '%%'",
                   secret, wrong);
}

int token_read(struct session *s, const struct graph *g, char **ret_value, char **ret_version,
               struct err *err)
{
    const char *secret = graph_find(g, ELASTICACHE_TOKEN)->name;
    _cleanup_free_ char *value = NULL, *version = NULL;
    if (secret_read(s, "redis.authToken", secret, &value, &version, err) < 0)
        return -1;
    if (token_check(secret, value, err) < 0)
        return -1;
    *ret_value = steal_ptr(&value);
    *ret_version = xasprintf("%s:%s", secret, version);
    return 0;
}

const struct resource_type elasticache_token_type = {
    .name = "elasticache.auth_token",
    .singular = "secret",
    .plural = "secrets",
    .scope = SCOPE_LOOKUP,
    .observe = token_observe,
};
