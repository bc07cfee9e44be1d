/* SPDX-License-Identifier: MIT */
/* https://docs.aws.amazon.com/sdkref/latest/guide/feature-static-credentials.html */
#include "drivers/aws/credentials.h"

static int environment_get(const struct creds_context *context, struct creds *ret, struct err *err)
{
    (void)context;
    const char *access_key = creds_env("AWS_ACCESS_KEY_ID");
    const char *secret_key = creds_env("AWS_SECRET_ACCESS_KEY");
    if (access_key == NULL)
        return err_set(err, ERR_NOT_FOUND, "AWS_ACCESS_KEY_ID is not set");
    if (secret_key == NULL)
        return err_set(err, ERR_CREDENTIALS,
                       "AWS_ACCESS_KEY_ID is set, but AWS_SECRET_ACCESS_KEY is not");
    creds_set(ret, access_key, secret_key, creds_env("AWS_SESSION_TOKEN"), 0);
    return 0;
}

const struct creds_provider creds_environment = {
    .name = "the environment",
    .get = environment_get,
};
