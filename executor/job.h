/* SPDX-License-Identifier: MIT */
#ifndef BERTH_JOB_H
#define BERTH_JOB_H

/*
 * The job as GitLab Runner's JOB_RESPONSE_FILE describes it. It is the only source of identity:
 * variables, CUSTOM_ENV_CI_* among them, can be set by the job's author
 * (GitLab Runner, common/build.go: the order of GetAllVariables).
 */

#include "executor/base/json.h"

enum protection { PROTECTION_UNKNOWN, PROTECTION_NO, PROTECTION_YES };

struct job {
    cJSON *response; /* owns the strings below */
    int64_t id;
    int64_t project_id;
    int64_t pipeline_id;
    const char *project_path; /* "mettel/automation" */
    const char *name;
    const char *stage;
    const char *ref;
    const char *ref_type; /* "branch", "tag"; merge requests: see job_is_merge_request() */
    const char *sha;
    enum protection protection;
};
#define JOB_INIT                                                                                   \
    {                                                                                              \
        .response = NULL                                                                           \
    }
#define _cleanup_job_ _cleanup_(job_release)

/* Reads the file that JOB_RESPONSE_FILE names; what is missing or wrong in it is ERR_HOST. */
int job_read(const char *path, struct job *ret, struct err *err);
void job_release(struct job *job);

/* GitLab gives merge-request pipelines the ref "refs/merge-requests/N/head" (gitlab#32741). */
bool job_is_merge_request(const struct job *job);
/* The effective (last) value of a CI/CD variable, or NULL. */
const char *job_variable(const struct job *job, const char *key);
/* The server's own (first) value of a predefined variable, or NULL. */
const char *job_variable_first(const struct job *job, const char *key);
bool job_variable_is_masked(const struct job *job, const char *key);
/* Registers masked variables, tokens and credentials with the redactor. */
void job_redact(const struct job *job);

#endif
