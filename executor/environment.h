/* SPDX-License-Identifier: MIT */
#ifndef BERTH_ENVIRONMENT_H
#define BERTH_ENVIRONMENT_H

/*
 * Whose environment a job may touch. Decided once, from the job response and the host config alone,
 * before any credentials are loaded.
 */

#include "executor/dispatch.h"
#include "executor/job.h"

struct environment {
    char *name;         /* "automation-8527fec8" */
    char *subdomain;    /* "8527fec8", "master" */
    const char *kind;   /* "production" or "ephemeral" */
    const char *prefix; /* the host config's, as are the next three */
    const char *region;
    const char *role_arn; /* or NULL */
    const cJSON *limits;  /* or NULL */
    bool takes_back;      /* onCancel: whether a job that is cancelled takes its services back */
    int64_t time_to_live; /* seconds that it lives without a deploy; 0: as long as its branch */
};
#define ENVIRONMENT_INIT                                                                           \
    {                                                                                              \
        .name = NULL                                                                               \
    }
#define _cleanup_environment_ _cleanup_(environment_release)

/*
 * Checks that the project is in the host config, the ref is a branch (not a tag or a merge request)
 * that matches a kind's patterns, production is also protected, and the job's name fits the kind.
 * ERR_REFUSED or ERR_USER, with what to do.
 */
int environment_of_job(const struct job *job, const struct dispatch *d, const struct hostconfig *h,
                       struct environment *ret, struct err *err);
/* The same for the command line: a project and a branch, named by the administrator. */
int environment_of_branch(int64_t project_id, const char *branch, const struct hostconfig *h,
                          struct environment *ret, struct err *err);
void environment_release(struct environment *e);

#endif
