/* SPDX-License-Identifier: MIT */
#ifndef BERTH_DRIVERS_AWS_CREDENTIALS_H
#define BERTH_DRIVERS_AWS_CREDENTIALS_H

/*
 * Where credentials come from, and keeping them fresh.
 *
 * A struct credentials hands out copies of the credentials that its source has given, asks the
 * source again before they expire, and one thread at a time: the others wait, or go on with what is
 * still valid. Thread-safe. It belongs to who made it; one for a role needs its base to outlive it.
 */

#include "drivers/aws/creds.h"
#include "drivers/aws/transport.h"

struct credentials;

/* What a provider may use; lives as long as the credentials. */
struct creds_context {
    struct transport *transport;
    double imds_timeout; /* seconds that a try at the instance metadata service may take */
};

/*
 * One source. get() fills *ret, or fails: with ERR_NOT_FOUND if nothing is set up for this source,
 * the message saying what was looked at, and the next source is asked; any other class ends the
 * search, because something is set up and wrong.
 */
struct creds_provider {
    const char *name;
    int (*get)(const struct creds_context *context, struct creds *ret, struct err *err);
};

/* The chain of the AWS SDKs: environment, web identity, shared files, container, instance. */
struct credentials *credentials_new(const struct creds_context *context);
/* Those of a role, assumed with `base`; the strings are copied, external_id may be NULL. */
struct credentials *credentials_new_role(const struct creds_context *context,
                                         struct credentials *base, const char *role_arn,
                                         const char *session_name, const char *external_id);
/* Fixed ones; for a role's source that a profile names. */
struct credentials *credentials_new_fixed(const struct creds_context *context,
                                          const struct creds *creds);
void credentials_free(struct credentials *c);

/* A copy of valid credentials, the caller's to release. */
int credentials_get(struct credentials *c, struct creds *ret, struct err *err);
/* Where those that were got came from: "the shared files". NULL before the first, and of a role. */
const char *credentials_source(const struct credentials *c);
/* Says that AWS calls those with this access key expired: the next get asks the source. */
void credentials_expired(struct credentials *c, const char *access_key);

extern const struct creds_provider creds_environment;
extern const struct creds_provider creds_web_identity;
extern const struct creds_provider creds_profile;
extern const struct creds_provider creds_container;
extern const struct creds_provider creds_instance;

#endif
