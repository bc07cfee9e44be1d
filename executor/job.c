/* SPDX-License-Identifier: MIT */
#include "executor/job.h"

#include <sys/stat.h>

#include "executor/base/log.h"

/* The runner writes the response within so many seconds of the moment that it counts from. */
#define TIMEOUT_EARLY 2

static int missing(const char *member, struct err *err)
{
    return err_set(err, ERR_HOST,
                   "the job response has no usable '%s'; is this GitLab Runner with the custom "
                   "executor, and is it up to date?",
                   member);
}

/* A member that is an id: a whole number above zero. Taken from the text, because a double holds
 * whole numbers up to 2^53 alone and would make two ids of one. */
static int take_id(const char *text, const char *path, int64_t *ret, struct err *err)
{
    size_t len = 0;
    const char *value = json_text_at(text, path, &len);
    _cleanup_free_ char *digits = xstrndup(value != NULL ? value : "", len);
    if (str_to_int64(digits, 1, INT64_MAX, ret) < 0)
        return missing(path, err);
    return 0;
}

static int take_string(const cJSON *response, const char *steps, const char **ret, struct err *err)
{
    const char *value = json_str_at(response, steps);
    if (value == NULL || *value == '\0')
        return missing(steps, err);
    *ret = value;
    return 0;
}

/* null, and so unknown, from servers before GitLab 18.3. */
static enum protection take_protection(const cJSON *response)
{
    const cJSON *item = json_at(response, "git_info/protected");
    if (!cJSON_IsBool(item))
        return PROTECTION_UNKNOWN;
    return cJSON_IsTrue(item) ? PROTECTION_YES : PROTECTION_NO;
}

static int take_members(struct job *job, const char *text, struct err *err)
{
    const cJSON *r = job->response;
    if (!cJSON_IsObject(r))
        return err_set(err, ERR_HOST, "the job response is not a JSON object");
    if (take_id(text, "id", &job->id, err) < 0 ||
        take_id(text, "job_info.project_id", &job->project_id, err) < 0 ||
        take_id(text, "job_info.pipeline_id", &job->pipeline_id, err) < 0 ||
        take_string(r, "job_info/name", &job->name, err) < 0 ||
        take_string(r, "job_info/stage", &job->stage, err) < 0 ||
        take_string(r, "git_info/ref", &job->ref, err) < 0 ||
        take_string(r, "git_info/ref_type", &job->ref_type, err) < 0 ||
        take_string(r, "git_info/sha", &job->sha, err) < 0)
        return -1;
    const char *path = json_str_at(r, "job_info/project_full_path");
    job->project_path = path != NULL ? path : "";
    job->protection = take_protection(r);
    return 0;
}

static const cJSON *variables(const struct job *job)
{
    return json_get(job->response, "variables");
}

/* Variables that say again what the job is, and what of the response they repeat. */
enum claim {
    CLAIM_REF,
    CLAIM_BRANCH,
    CLAIM_TAG,
    CLAIM_PROTECTED,
    CLAIM_SHA,
    CLAIM_PROJECT_ID,
    CLAIM_PROJECT_PATH,
    CLAIM_PIPELINE_ID,
    CLAIM_JOB_ID,
    CLAIM_JOB_NAME,
    CLAIM_FIRST, /* nothing there: the server's own is the first of several, see claims[] */
};

struct claim_row {
    const char *key;
    enum claim claim;
};
static const struct claim_row claims[];
static const size_t claims_n;

/* What the variable must say: NULL if GitLab sets none for this job. The caller frees it. */
static char *claim_truth(const struct job *job, const struct claim_row *row)
{
    /* In a merge request's pipeline the variables name the source branch, and git_info.ref does not
     * (gitlab#32741). */
    bool mr = job_is_merge_request(job), tag = str_eq(job->ref_type, "tag");
    switch (row->claim) {
    case CLAIM_REF:
        if (!mr)
            return xstrdup(job->ref);
        break;
    case CLAIM_BRANCH:
        return mr || tag ? NULL : xstrdup(job->ref);
    case CLAIM_TAG:
        return tag ? xstrdup(job->ref) : NULL;
    case CLAIM_PROTECTED:
        if (job->protection != PROTECTION_UNKNOWN)
            return xstrdup(job->protection == PROTECTION_YES ? "true" : "false");
        break;
    case CLAIM_SHA:
        return xstrdup(job->sha);
    case CLAIM_PROJECT_ID:
        return xasprintf("%lld", (long long)job->project_id);
    case CLAIM_PROJECT_PATH:
        if (*job->project_path != '\0')
            return xstrdup(job->project_path);
        break;
    case CLAIM_PIPELINE_ID:
        return xasprintf("%lld", (long long)job->pipeline_id);
    case CLAIM_JOB_ID:
        return xasprintf("%lld", (long long)job->id);
    case CLAIM_JOB_NAME:
        return xstrdup(job->name);
    case CLAIM_FIRST:
        break;
    }
    const char *first = job_variable_first(job, row->key);
    return first != NULL ? xstrdup(first) : NULL;
}

#define SHOWN_MAX 100 /* bytes of a value in a warning: it may be as long as the job likes */

static void note_contradiction(struct job *job, const char *key, const char *said,
                               const char *truth)
{
    _cleanup_free_ char *shown = redact_short(said, SHOWN_MAX);
    if (truth == NULL)
        strlist_addf(&job->contradictions,
                     "variable '%s' says '%s', but GitLab sets none for this job; it is not used",
                     key, shown);
    else
        strlist_addf(&job->contradictions,
                     "variable '%s' says '%s', but GitLab's job response says '%s', which is what "
                     "counts",
                     key, shown, truth);
}

/* Gives every occurrence of the variable the value it must have, and notes what the last of those
 * that were wrong had said: the last is what the job's scripts see. */
static void settle_claim(struct job *job, const struct claim_row *row)
{
    _cleanup_free_ char *truth = claim_truth(job, row);
    _cleanup_free_ char *said = NULL;
    cJSON *item;
    cJSON_ArrayForEach (item, variables(job)) {
        const char *value = json_str(item, "value");
        if (!str_eq(json_str(item, "key"), row->key) || value == NULL ||
            str_eq(value, truth != NULL ? truth : ""))
            continue;
        free(said);
        said = xstrdup(json_bool(item, "masked", false) ? "[MASKED]" : value);
        json_put(item, "value", truth != NULL ? cJSON_CreateString(truth) : cJSON_CreateNull());
    }
    if (said != NULL)
        note_contradiction(job, row->key, said, truth);
}

/* The values of `secrets:` are in no response: the runner resolves them, and hands them over as it
 * does variables, as themselves or as the path of a file that holds them (GitLab Runner,
 * common/secrets.go; https://docs.gitlab.com/ci/yaml/#secretsfile). */
static void redact_resolved(const cJSON *secrets)
{
    const cJSON *secret;
    cJSON_ArrayForEach (secret, secrets) {
        if (json_bool(secret, "file", true))
            continue;
        _cleanup_free_ char *name = xasprintf("CUSTOM_ENV_%s", secret->string);
        redact_add(getenv(name));
    }
}

/* Masked variables, tokens and credentials, before anything here quotes one. */
static void redact_secrets(const struct job *job)
{
    const cJSON *item;
    redact_add(json_str(job->response, "token"));
    redact_add_url(json_str_at(job->response, "git_info/repo_url"));
    cJSON_ArrayForEach (item, variables(job)) {
        if (json_bool(item, "masked", false))
            redact_add(json_str(item, "value"));
    }
    cJSON_ArrayForEach (item, json_get(job->response, "credentials"))
        redact_add(json_str(item, "password"));
    cJSON_ArrayForEach (item, json_get(job->response, "dependencies"))
        redact_add(json_str(item, "token"));
    redact_resolved(json_get(job->response, "secrets"));
}

static int take_response(cJSON *response, const char *text, struct job *ret, struct err *err)
{
    _cleanup_job_ struct job job = { .response = response };
    redact_secrets(&job);
    if (take_members(&job, text, err) < 0)
        return -1;
    for (size_t i = 0; i < claims_n; i++)
        settle_claim(&job, &claims[i]);
    *ret = job;
    job = (struct job)JOB_INIT;
    return 0;
}

int job_parse(const char *text, size_t len, struct job *ret, struct err *err)
{
    _cleanup_free_ char *copy = xstrndup(text, len);
    cJSON *response = NULL;
    if (json_parse(text, len, JSON_PLAIN, &response, err) < 0) {
        err->class = ERR_HOST;
        return err_wrap(err, "cannot read the job response");
    }
    return take_response(response, copy, ret, err);
}

int job_read(const char *path, struct job *ret, struct err *err)
{
    if (path == NULL || *path == '\0')
        return err_set(err, ERR_HOST,
                       "JOB_RESPONSE_FILE is not set; this program is called by GitLab Runner's "
                       "custom executor (version 16 or later)");
    _cleanup_free_ char *text = NULL;
    cJSON *response = NULL;
    if (json_read(path, JSON_PLAIN, &response, &text, err) < 0) {
        err->class = ERR_HOST;
        return err_wrap(err, "cannot read the job response");
    }
    if (take_response(response, text, ret, err) < 0)
        return err_wrap(err, "%s", path);
    struct stat st;
    if (stat(path, &st) == 0)
        ret->received = st.st_mtime;
    return 0;
}

void job_release(struct job *job)
{
    json_freep(&job->response);
    strlist_release(&job->contradictions);
    *job = (struct job)JOB_INIT;
}

bool job_is_merge_request(const struct job *job)
{
    return str_starts(job->ref, "refs/merge-requests/");
}

const char *job_variable(const struct job *job, const char *key)
{
    const char *value = NULL;
    const cJSON *item;
    cJSON_ArrayForEach (item, variables(job)) {
        if (str_eq(json_str(item, "key"), key) && json_str(item, "value") != NULL)
            value = json_str(item, "value");
    }
    return value;
}

const char *job_variable_first(const struct job *job, const char *key)
{
    return json_str(json_find(variables(job), "key", key), "value");
}

int64_t job_time_over(const struct job *job, time_t now)
{
    int64_t timeout = json_int(json_get(job->response, "runner_info"), "timeout", 0);
    bool over = timeout > TIMEOUT_EARLY && job->received > 0 &&
                now - job->received >= timeout - TIMEOUT_EARLY;
    return over ? timeout : 0;
}

/* Masked once is masked: which of several values comes out somewhere is not for us to guess. */
bool job_variable_is_masked(const struct job *job, const char *key)
{
    const cJSON *item;
    cJSON_ArrayForEach (item, variables(job)) {
        if (str_eq(json_str(item, "key"), key) && json_bool(item, "masked", false))
            return true;
    }
    return false;
}

/*
 * What GitLab sets itself and a job can set again. The server's own value is the first of several
 * of one name, the last is what the job's scripts see (GitLab Runner, common/build.go: IsProtected
 * reads the first for the same reason); where the response has a member for it, that decides.
 * https://docs.gitlab.com/ci/variables/predefined_variables/
 */
static const struct claim_row claims[] = {
    { "CI_COMMIT_REF_NAME", CLAIM_REF },     { "CI_COMMIT_BRANCH", CLAIM_BRANCH },
    { "CI_COMMIT_TAG", CLAIM_TAG },          { "CI_COMMIT_REF_PROTECTED", CLAIM_PROTECTED },
    { "CI_COMMIT_REF_SLUG", CLAIM_FIRST },   { "CI_COMMIT_SHA", CLAIM_SHA },
    { "CI_PROJECT_ID", CLAIM_PROJECT_ID },   { "CI_PROJECT_PATH", CLAIM_PROJECT_PATH },
    { "CI_PROJECT_NAMESPACE", CLAIM_FIRST }, { "CI_PIPELINE_ID", CLAIM_PIPELINE_ID },
    { "CI_PIPELINE_SOURCE", CLAIM_FIRST },   { "CI_JOB_ID", CLAIM_JOB_ID },
    { "CI_JOB_NAME", CLAIM_JOB_NAME },       { "CI_DEFAULT_BRANCH", CLAIM_FIRST },
    { "CI_SERVER_URL", CLAIM_FIRST },
};
static const size_t claims_n = ARRAY_SIZE(claims);
