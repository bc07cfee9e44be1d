/* SPDX-License-Identifier: MIT */
#include "drivers/aws/creds_sts.h"

#include <ctype.h>
#include <openssl/crypto.h>

#include "drivers/aws/check.h"
#include "drivers/aws/creds_file.h"

#define TOKEN_FILE_MAX ((size_t)64 << 10)

static const struct creds_names sts_names;

/* "arn:aws:iam::123456789012:role/x": the account, or NULL. The caller frees it. */
static char *arn_account(const char *arn)
{
    for (int i = 0; i < 4; i++) {
        arn = strchr(arn, ':');
        if (arn == NULL)
            return NULL;
        arn++;
    }
    return xstrndup(arn, strcspn(arn, ":"));
}

static int assume(struct transport *t, struct credentials *base, const char *action,
                  const cJSON *input, struct creds *ret, struct err *err)
{
    const struct service *sts = service_find("sts");
    const struct operation *operation = operation_find(sts, action);
    struct transport_call call = {
        .service = sts, .operation = operation, .input = input, .credentials = base
    };
    _cleanup_secret_json_ cJSON *output = NULL;
    if (input_check(&shapes[operation->input], input, err) < 0 ||
        transport_send(t, &call, &output, err) < 0 ||
        creds_from_json(json_get(output, "Credentials"), &sts_names, ret, err) < 0)
        return err_wrap(err, "sts:%s of '%s'", action, json_str(input, "RoleArn"));
    free(ret->account);
    ret->account = arn_account(json_str(input, "RoleArn"));
    return 0;
}

static cJSON *role_input(const struct sts_role *role)
{
    _cleanup_free_ char *name = sts_session_name(role->session_name);
    cJSON *input = cJSON_CreateObject();
    json_put_str(input, "RoleArn", role->arn);
    json_put_str(input, "RoleSessionName", name);
    json_put_str(input, "ExternalId", role->external_id);
    return input;
}

int sts_assume_role(struct transport *t, struct credentials *base, const struct sts_role *role,
                    struct creds *ret, struct err *err)
{
    _cleanup_json_ cJSON *input = role_input(role);
    return assume(t, base, "AssumeRole", input, ret, err);
}

int sts_assume_web_identity(struct transport *t, const struct sts_role *role, struct creds *ret,
                            struct err *err)
{
    _cleanup_free_ char *token = NULL;
    if (creds_file_line(role->token_file, TOKEN_FILE_MAX, &token, err) < 0)
        return -1;
    _cleanup_secret_json_ cJSON *input = role_input(role);
    json_put_str(input, "WebIdentityToken", token);
    OPENSSL_cleanse(token, strlen(token));
    return assume(t, NULL, "AssumeRoleWithWebIdentity", input, ret, err);
}

char *sts_session_name(const char *wish)
{
    char *name = xstrndup(wish, 64);
    for (char *p = name; *p != '\0'; p++)
        if (!isalnum((unsigned char)*p) && strchr("_+=,.@-", *p) == NULL)
            *p = '-';
    return name;
}

static const struct creds_names sts_names = {
    .access_key = "AccessKeyId",
    .secret_key = "SecretAccessKey",
    .token = "SessionToken",
    .expires = "Expiration",
};
