/* SPDX-License-Identifier: MIT */
/*
 * A profile of the shared files: keys, a program, or a role with its source.
 * https://docs.aws.amazon.com/sdkref/latest/guide/feature-assume-role-credentials.html
 */
#include "drivers/aws/creds_process.h"
#include "drivers/aws/creds_sts.h"
#include "drivers/aws/profile.h"

/* How many profiles a role's source may lead through. */
#define CHAIN_MAX 8

struct chain {
    const struct creds_context *context;
    const cJSON *profiles;
    const char *seen[CHAIN_MAX];
    size_t n;
};

static int resolve(struct chain *chain, const char *name, struct creds *ret, struct err *err);

static int static_keys(const cJSON *profile, struct creds *ret, struct err *err)
{
    const char *access_key = json_str(profile, "aws_access_key_id");
    const char *secret_key = json_str(profile, "aws_secret_access_key");
    if (access_key == NULL || secret_key == NULL)
        return err_set(err, ERR_CREDENTIALS,
                       "it has only one of aws_access_key_id and "
                       "aws_secret_access_key");
    creds_set(ret, access_key, secret_key, json_str(profile, "aws_session_token"), 0);
    return 0;
}

static int named_source(const struct creds_context *context, const char *source, struct creds *ret,
                        struct err *err)
{
    static const struct {
        const char *name;
        const struct creds_provider *provider;
    } sources[] = { { "Environment", &creds_environment },
                    { "Ec2InstanceMetadata", &creds_instance },
                    { "EcsContainer", &creds_container } };
    for (size_t i = 0; i < ARRAY_SIZE(sources); i++)
        if (strcmp(sources[i].name, source) == 0)
            return sources[i].provider->get(context, ret, err);
    return err_set(err, ERR_CREDENTIALS,
                   "credential_source must be Environment, "
                   "Ec2InstanceMetadata or EcsContainer, is '%s'",
                   source);
}

/* The credentials that the profile's role is assumed with. */
static int role_source(struct chain *chain, const char *name, const cJSON *profile,
                       struct creds *ret, struct err *err)
{
    const char *source = json_str(profile, "source_profile");
    const char *credential_source = json_str(profile, "credential_source");
    if ((source == NULL) == (credential_source == NULL))
        return err_set(err, ERR_CREDENTIALS,
                       "role_arn needs one of source_profile and credential_source");
    if (credential_source != NULL)
        return named_source(chain->context, credential_source, ret, err);
    if (strcmp(source, name) == 0)
        return static_keys(profile, ret, err); /* its own keys are the source */
    return resolve(chain, source, ret, err);
}

static int role(struct chain *chain, const char *name, const cJSON *profile, struct creds *ret,
                struct err *err)
{
    const char *session = json_str(profile, "role_session_name");
    struct sts_role role = {
        .arn = json_str(profile, "role_arn"),
        .session_name = session != NULL ? session : "berth",
        .external_id = json_str(profile, "external_id"),
        .token_file = json_str(profile, "web_identity_token_file"),
    };
    if (json_str(profile, "mfa_serial") != NULL)
        return err_set(err, ERR_CREDENTIALS, "mfa_serial needs a person with a device");
    if (role.token_file != NULL)
        return sts_assume_web_identity(chain->context->transport, &role, ret, err);
    _cleanup_creds_ struct creds source = CREDS_INIT;
    if (role_source(chain, name, profile, &source, err) < 0) {
        if (err->class == ERR_NOT_FOUND)
            err->class = ERR_CREDENTIALS;
        return -1;
    }
    struct credentials *base = credentials_new_fixed(chain->context, &source);
    int r = sts_assume_role(chain->context->transport, base, &role, ret, err);
    credentials_free(base);
    return r;
}

static int profile_creds(struct chain *chain, const char *name, const cJSON *profile,
                         struct creds *ret, struct err *err)
{
    const char *command = json_str(profile, "credential_process");
    if (json_get(profile, "role_arn") != NULL)
        return role(chain, name, profile, ret, err);
    if (json_get(profile, "aws_access_key_id") != NULL)
        return static_keys(profile, ret, err);
    if (command != NULL)
        return creds_process_get(command, chain->context->transport->cancel, ret, err);
    if (json_get(profile, "sso_session") != NULL || json_get(profile, "sso_start_url") != NULL)
        return err_set(err, ERR_CREDENTIALS, "it signs in by SSO, which needs a person");
    return err_set(err, ERR_NOT_FOUND, "it has no credentials");
}

static int resolve(struct chain *chain, const char *name, struct creds *ret, struct err *err)
{
    const cJSON *profile = json_get(chain->profiles, name);
    if (profile == NULL) {
        _cleanup_free_ char *files = profiles_files();
        return err_set(err, ERR_NOT_FOUND, "no profile '%s' in %s", name, files);
    }
    for (size_t i = 0; i < chain->n; i++)
        if (strcmp(chain->seen[i], name) == 0)
            return err_set(err, ERR_CREDENTIALS, "profile '%s' is its own source", name);
    if (chain->n == CHAIN_MAX)
        return err_set(err, ERR_CREDENTIALS, "more than %d profiles lead to one another",
                       CHAIN_MAX);
    chain->seen[chain->n++] = name;
    if (profile_creds(chain, name, profile, ret, err) < 0)
        return err_wrap(err, "profile '%s'", name);
    return 0;
}

static int profile_get(const struct creds_context *context, struct creds *ret, struct err *err)
{
    _cleanup_secret_json_ cJSON *profiles = NULL;
    if (profiles_read(&profiles, err) < 0)
        return -1;
    const char *wanted = creds_env("AWS_PROFILE");
    struct chain chain = { .context = context, .profiles = profiles };
    int r = resolve(&chain, wanted != NULL ? wanted : "default", ret, err);
    if (r < 0 && wanted != NULL && err->class == ERR_NOT_FOUND)
        err->class = ERR_CREDENTIALS; /* AWS_PROFILE asked for it */
    return r;
}

const struct creds_provider creds_profile = {
    .name = "the shared files",
    .get = profile_get,
};
