/* SPDX-License-Identifier: MIT */
#ifndef BERTH_DRIVERS_AWS_CREDS_STS_H
#define BERTH_DRIVERS_AWS_CREDS_STS_H

/*
 * Credentials that STS gives for others, or for a web identity's token.
 */

#include "drivers/aws/credentials.h"

struct sts_role {
    const char *arn;
    const char *session_name;
    const char *external_id; /* or NULL */
    const char *token_file;  /* of the web identity's token; for sts_assume_web_identity() */
};

/* AssumeRole with `base`'s credentials. */
int sts_assume_role(struct transport *t, struct credentials *base, const struct sts_role *role,
                    struct creds *ret, struct err *err);
/* AssumeRoleWithWebIdentity; reads the token anew each time, since its issuer renews the file. */
int sts_assume_web_identity(struct transport *t, const struct sts_role *role, struct creds *ret,
                            struct err *err);
/* A RoleSessionName of what may stand in one: others become '-', and it is cut to 64. Owned. */
char *sts_session_name(const char *wish);

#endif
