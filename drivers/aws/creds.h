/* SPDX-License-Identifier: MIT */
#ifndef BERTH_DRIVERS_AWS_CREDS_H
#define BERTH_DRIVERS_AWS_CREDS_H

/*
 * One set of AWS credentials. Whoever holds one releases it; releasing wipes the secrets, and
 * whatever is set is known to the redactor from then on.
 */

#include <time.h>

#include "executor/base/err.h"
#include "executor/base/json.h"

struct creds {
    char *access_key;
    char *secret_key;
    char *token;    /* NULL: none */
    time_t expires; /* 0: never */
    char *account;  /* where the source has told it, else NULL */
};

#define CREDS_INIT                                                                                 \
    {                                                                                              \
        0                                                                                          \
    }
#define _cleanup_creds_ _cleanup_(creds_release)

void creds_release(struct creds *c);
/* Copies the strings; an empty token is none. */
void creds_set(struct creds *c, const char *access_key, const char *secret_key, const char *token,
               time_t expires);
void creds_copy(struct creds *to, const struct creds *from);

/* The environment variable's value, or NULL if it is not set or empty. */
const char *creds_env(const char *name);

/* The names under which a source's JSON has the parts; `expires` is an ISO date there or a number.
 */
struct creds_names {
    const char *access_key, *secret_key, *token, *expires;
};
/* ERR_CREDENTIALS where key or secret is missing. */
int creds_from_json(const cJSON *json, const struct creds_names *names, struct creds *ret,
                    struct err *err);
/* Wipes a JSON tree's strings, then frees it: for answers that hold secrets. */
void creds_json_free(cJSON **json);
#define _cleanup_secret_json_ _cleanup_(creds_json_free)

#endif
