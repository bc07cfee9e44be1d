/* SPDX-License-Identifier: MIT */
#ifndef BERTH_IAMPOLICY_H
#define BERTH_IAMPOLICY_H

/*
 * `berth iam-policy`: the least IAM policy for the jobs of a repository's spec on environments of
 * one kind, or for `berth list`, sweep or adopt there, told without a call to AWS.
 * docs/iam-policy.md says what is in it.
 */

#include "executor/check.h"

struct iampolicy {
    char *name; /* of the policy, if there is one; else of the first, less its number */
    const char *kind, *purpose;
    cJSON *documents; /* array, each within IAM's limit */
    struct strlist warnings;
};
#define IAMPOLICY_INIT                                                                             \
    {                                                                                              \
        .name = NULL                                                                               \
    }
#define _cleanup_iampolicy_ _cleanup_(iampolicy_release)

/* What is asked for; everything is the caller's. */
struct iampolicy_request {
    const struct hostconfig *host;
    int64_t project;
    int checkout;        /* descriptor of the repository's directory */
    const char *kind;    /* "production" or "ephemeral"; NULL: the only one the project has */
    const char *purpose; /* "jobs", "list", "sweep", "adopt"; NULL: "jobs" */
    const char *account; /* NULL: that of the kind's role */
    const struct strlist *vars;
};

int iampolicy_make(const struct iampolicy_request *q, struct iampolicy *ret, struct err *err);
/* The documents from the `part`-th on, only that one if it is not 0, as IAM takes them. */
int iampolicy_to_text(const struct iampolicy *p, int64_t part, struct strbuf *out, struct err *err);
/* Schema "berth-iam-policy/1"; the caller owns it. */
cJSON *iampolicy_to_json(const struct iampolicy *p);
void iampolicy_release(struct iampolicy *p);

#endif
