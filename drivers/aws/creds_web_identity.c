/* SPDX-License-Identifier: MIT */
/* https://docs.aws.amazon.com/sdkref/latest/guide/feature-assume-role-credentials.html */
#include "drivers/aws/creds_sts.h"

static int web_identity_get(const struct creds_context *context, struct creds *ret, struct err *err)
{
    struct sts_role role = {
        .arn = creds_env("AWS_ROLE_ARN"),
        .token_file = creds_env("AWS_WEB_IDENTITY_TOKEN_FILE"),
        .session_name = creds_env("AWS_ROLE_SESSION_NAME"),
    };
    if (role.token_file == NULL)
        return err_set(err, ERR_NOT_FOUND, "AWS_WEB_IDENTITY_TOKEN_FILE is not set");
    if (role.arn == NULL)
        return err_set(err, ERR_CREDENTIALS,
                       "AWS_WEB_IDENTITY_TOKEN_FILE is set, but AWS_ROLE_ARN is not");
    if (role.session_name == NULL)
        role.session_name = "berth";
    return sts_assume_web_identity(context->transport, &role, ret, err);
}

const struct creds_provider creds_web_identity = {
    .name = "the web identity token file",
    .get = web_identity_get,
};
