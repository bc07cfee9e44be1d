/* SPDX-License-Identifier: MIT */
#ifndef BERTH_JOB_H
#define BERTH_JOB_H

/*
 * The job as GitLab Runner's JOB_RESPONSE_FILE describes it. It is the only source of identity:
 * variables, CUSTOM_ENV_CI_* among them, can be set by the job's author
 * (GitLab Runner, common/build.go: the order of GetAllVariables).
 *
 * A variable that repeats what the job is (CI_COMMIT_REF_NAME, CI_PROJECT_ID, ...) is set right
 * when the response is read, so that nothing here ever works with another value; what it said is
 * kept in `contradictions`.
 */

#include <time.h>

#include "executor/base/json.h"

enum protection { PROTECTION_UNKNOWN, PROTECTION_NO, PROTECTION_YES };

struct job {
    cJSON *response; /* owns the strings below */
    /* A line for each variable that says of the job what GitLab's own members do not: somebody set
     * it by hand. It decides nothing, but whoever reads the log should know. */
    struct strlist contradictions;
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
    time_t received; /* when the runner wrote the response; 0: nobody knows */
};
#define JOB_INIT                                                                                   \
    {                                                                                              \
        .response = NULL                                                                           \
    }
#define _cleanup_job_ _cleanup_(job_release)

/*
 * Reads the file that JOB_RESPONSE_FILE names. What is missing or wrong in it is ERR_HOST, and so
 * is what nobody could agree on: a key that stands twice, a NUL within a string. Ids are exact up
 * to 2^63 - 1. Masked variables, tokens and credentials are registered with the redactor.
 */
int job_read(const char *path, struct job *ret, struct err *err);
/* The same for a text. */
int job_parse(const char *text, size_t len, struct job *ret, struct err *err);
void job_release(struct job *job);

/* GitLab gives merge-request pipelines the ref "refs/merge-requests/N/head" (gitlab#32741). */
bool job_is_merge_request(const struct job *job);
/* The seconds that GitLab gives the job, if they are over at `now`; or 0. The runner ends it then
 * with the same signal as when it is cancelled (common/build.go). */
int64_t job_time_over(const struct job *job, time_t now);
/* The effective (last) value of a CI/CD variable, or NULL. */
const char *job_variable(const struct job *job, const char *key);
/* The server's own (first) value of a predefined variable, or NULL. */
const char *job_variable_first(const struct job *job, const char *key);
bool job_variable_is_masked(const struct job *job, const char *key);

#endif
