/* SPDX-License-Identifier: MIT */
#include "drivers/secret.h"

#include <inttypes.h>

#include "drivers/common.h"
#include "executor/base/log.h"

bool secret_is_in_manager(const char *secret)
{
    return str_starts(secret, "arn:") && strstr(secret, ":secretsmanager:") != NULL;
}

const char *secret_parameter_name(const char *secret)
{
    static const char kind[] = ":parameter/";
    const char *at = str_starts(secret, "arn:") ? strstr(secret, kind) : NULL;
    return at != NULL ? at + strlen(kind) - 1 : secret;
}

int secret_parameter_read(struct session *s, const char *secret, bool value, cJSON **ret,
                          struct err *err)
{
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    json_push_str(json_put_array(input, "Names"), secret_parameter_name(secret));
    json_put_bool(input, "WithDecryption", value);
    _cleanup_json_ cJSON *output = NULL;
    if (aws_call(s, "ssm", "GetParameters", input, &output, err) < 0)
        return -1;
    *ret = json_dup(json_at(output, "Parameters/0"));
    return 0;
}

int secret_check_found(const char *path, const char *secret, const cJSON *found, struct err *err)
{
    const char *arn = json_str(found, "ARN");
    if (arn == NULL || secret_suffix(secret, strlen(secret)) == 0 || str_eq(arn, secret))
        return 0;
    return err_set(err, ERR_USER,
                   "%s: Secrets Manager takes '%s' for '%s'; name the secret by its whole ARN",
                   path, secret, arn);
}

static int no_such_secret(struct session *s, const char *path, const char *secret, struct err *err)
{
    return err_set(err, ERR_USER,
                   "%s: there is no %s '%s' in %s; create it with its value, or correct the name",
                   path, secret_is_in_manager(secret) ? "secret" : "parameter", secret,
                   session_region(s));
}

static int manager_read(struct session *s, const char *path, const char *secret, cJSON **ret,
                        struct err *err)
{
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    json_put_str(input, "SecretId", secret);
    _cleanup_json_ cJSON *output = NULL;
    _cleanup_err_ struct err failure = ERR_INIT;
    if (aws_call(s, "secretsmanager", "GetSecretValue", input, &output, &failure) < 0)
        return failure.class == ERR_NOT_FOUND ? no_such_secret(s, path, secret, err)
                                              : err_move(err, &failure);
    redact_add(json_str(output, "SecretString"));
    if (secret_check_found(path, secret, output, err) < 0)
        return -1;
    *ret = steal_ptr(&output);
    return 0;
}

int secret_read(struct session *s, const char *path, const char *secret, char **ret_value,
                char **ret_version, struct err *err)
{
    bool managed = secret_is_in_manager(secret);
    _cleanup_json_ cJSON *found = NULL;
    if ((managed ? manager_read(s, path, secret, &found, err)
                 : secret_parameter_read(s, secret, true, &found, err)) < 0)
        return -1;
    if (found == NULL)
        return no_such_secret(s, path, secret, err);
    const char *value = json_str(found, managed ? "SecretString" : "Value");
    redact_add(value);
    if (value == NULL || *value == '\0')
        return err_set(err, ERR_USER, "%s: secret '%s' holds no text: give it its value", path,
                       secret);
    const char *id = json_str(found, "VersionId");
    if (ret_version != NULL)
        *ret_version = managed ? xstrdup(id != NULL ? id : "")
                               : xasprintf("%" PRId64, json_int(found, "Version", 0));
    *ret_value = xstrdup(value);
    return 0;
}
