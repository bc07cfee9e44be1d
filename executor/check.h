/* SPDX-License-Identifier: MIT */
#ifndef BERTH_CHECK_H
#define BERTH_CHECK_H

/*
 * `berth check`: whether a spec is valid for every kind of environment, by all that can be told
 * without AWS: the schema, overlays, variables, the host config's limits, and what drivers refuse.
 * The job's CI/CD variables are not known here; what the spec wants of them is listed.
 */

#include "executor/deploy.h"

struct check {
    struct strlist variables; /* CI/CD variables that the spec uses and nobody gave */
    struct strlist warnings;
    struct strlist kinds; /* for which it was checked */
    size_t services;
};
#define CHECK_INIT                                                                                 \
    {                                                                                              \
        .services = 0                                                                              \
    }
#define _cleanup_check_ _cleanup_(check_release)

/*
 * `host` may be NULL: then there are no limits, and names are as long as they can be. `checkout` is
 * the descriptor of the repository's directory, `vars` are NAME=VALUE.
 */
int check_spec(const struct hostconfig *host, int64_t project, int checkout,
               const struct strlist *vars, struct check *ret, struct err *err);
/*
 * The spec for an environment of a kind, of no branch in particular: its subdomain is 00000000, its
 * account that of the kind's role, if `account` is NULL.
 * What is found on the way is added to *ret. The caller initialised environment and deploy and
 * releases them, the environment last; there is a graph of what is wanted if it succeeds.
 */
int check_resolve(const struct hostconfig *host, int64_t project, int checkout, const char *kind,
                  const char *account, const struct strlist *vars, struct check *ret,
                  struct environment *ret_environment, struct deploy *ret_deploy, struct err *err);
void check_to_text(const struct check *check, struct strbuf *out);
/* Schema "berth-check/1"; `err` is NULL for a valid spec. The caller owns it. */
cJSON *check_to_json(const struct check *check, const struct err *err);
void check_release(struct check *check);

/* The value of NAME in a list of NAME=VALUE, the last one; or NULL. */
const char *vars_find(const struct strlist *vars, const char *name);

#endif
