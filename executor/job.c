/* SPDX-License-Identifier: MIT */
#include "executor/job.h"

#include "executor/base/log.h"

static int missing(const char *member, struct err *err)
{
    return err_set(err, ERR_HOST,
                   "the job response has no usable '%s'; is this GitLab Runner with the custom "
                   "executor, and is it up to date?",
                   member);
}

/* A member that is an id: a whole number above zero. */
static int take_id(const cJSON *response, const char *steps, int64_t *ret, struct err *err)
{
    const cJSON *item = json_at(response, steps);
    const double largest = 9007199254740992.0; /* 2^53: what a JSON number holds exactly */
    if (!cJSON_IsNumber(item) || !(item->valuedouble >= 1 && item->valuedouble <= largest) ||
        item->valuedouble != (double)(int64_t)item->valuedouble)
        return missing(steps, err);
    *ret = (int64_t)item->valuedouble;
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

static int take_members(struct job *job, struct err *err)
{
    const cJSON *r = job->response;
    if (!cJSON_IsObject(r))
        return err_set(err, ERR_HOST, "the job response is not a JSON object");
    if (take_id(r, "id", &job->id, err) < 0 ||
        take_id(r, "job_info/project_id", &job->project_id, err) < 0 ||
        take_id(r, "job_info/pipeline_id", &job->pipeline_id, err) < 0 ||
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

int job_read(const char *path, struct job *ret, struct err *err)
{
    if (path == NULL || *path == '\0')
        return err_set(err, ERR_HOST,
                       "JOB_RESPONSE_FILE is not set; this program is called by GitLab Runner's "
                       "custom executor (version 16 or later)");
    _cleanup_job_ struct job job = JOB_INIT;
    if (json_read(path, JSON_PLAIN, &job.response, NULL, err) < 0) {
        err->class = ERR_HOST;
        return err_wrap(err, "cannot read the job response");
    }
    if (take_members(&job, err) < 0)
        return err_wrap(err, "%s", path);
    *ret = job;
    job = (struct job)JOB_INIT;
    return 0;
}

void job_release(struct job *job)
{
    json_freep(&job->response);
    *job = (struct job)JOB_INIT;
}

bool job_is_merge_request(const struct job *job)
{
    return str_starts(job->ref, "refs/merge-requests/");
}

static const cJSON *variables(const struct job *job)
{
    return json_get(job->response, "variables");
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

/* The password of "https://gitlab-ci-token:PASSWORD@host/path". */
static void redact_url(const char *url)
{
    const char *authority = url != NULL ? strstr(url, "://") : NULL;
    if (authority == NULL)
        return;
    authority += strlen("://");
    size_t len = strcspn(authority, "/?#");
    const char *at = memrchr(authority, '@', len);
    const char *colon = at != NULL ? memchr(authority, ':', (size_t)(at - authority)) : NULL;
    if (colon == NULL)
        return;
    _cleanup_free_ char *password = xstrndup(colon + 1, (size_t)(at - colon - 1));
    redact_add(password);
}

void job_redact(const struct job *job)
{
    const cJSON *item;
    redact_add(json_str(job->response, "token"));
    redact_url(json_str_at(job->response, "git_info/repo_url"));
    cJSON_ArrayForEach (item, variables(job)) {
        if (json_bool(item, "masked", false))
            redact_add(json_str(item, "value"));
    }
    cJSON_ArrayForEach (item, json_get(job->response, "credentials")) {
        redact_add(json_str(item, "password"));
    }
    cJSON_ArrayForEach (item, json_get(job->response, "dependencies")) {
        redact_add(json_str(item, "token"));
    }
}
