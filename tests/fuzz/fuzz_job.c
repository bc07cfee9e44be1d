/* SPDX-License-Identifier: MIT */
/*
 * The job response, and all that is decided from it: what the job is, whose environment it may
 * touch, which of its variables lie.
 */
#include "executor/base/log.h"
#include "executor/environment.h"
#include "tests/fuzz/fuzz.h"

static const char host_json[] =
    "{\"projects\": {\"77\": {\"prefix\": \"automation\","
    " \"production\": {\"refs\": [\"master\", \"release*\"], \"region\": \"us-east-1\"},"
    " \"ephemeral\": {\"refs\": [\"*\"], \"region\": \"us-east-1\"}}},"
    " \"dispatch\": [{\"job\": \"ship-*\", \"as\": \"deploy\"}]}";
static const char spec_json[] =
    "{\"modules\": {\"a\": {}}, \"services\": {\"a\": {}, \"b-c\": {}}}";

static cJSON *parse(const char *text)
{
    struct err err = ERR_INIT;
    cJSON *json = NULL;
    fuzz_require(json_parse(text, strlen(text), JSON_PLAIN, &json, &err) == 0, "it is JSON");
    return json;
}

static void check_name(const struct environment *e)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
    size_t len = strlen(e->name);
    fuzz_require(len > 0 && len <= 32, "a load balancer can have the environment's name");
    fuzz_require(strspn(e->name, allowed) == len && strstr(e->name, "--") == NULL &&
                     e->name[len - 1] != '-' && str_starts(e->name, "automation-"),
                 "the environment's name is of harmless characters");
}

static void check_environment(const struct job *job, const struct dispatch *d,
                              const struct hostconfig *host)
{
    _cleanup_environment_ struct environment e = ENVIRONMENT_INIT;
    _cleanup_err_ struct err err = ERR_INIT;
    if (environment_of_job(job, d, host, &e, &err) < 0) {
        fuzz_require_message(&err);
        return;
    }
    check_name(&e);
    fuzz_require(job->project_id == 77, "only the host config's projects get an environment");
    fuzz_require(!str_eq(e.kind, "production") || job->protection == PROTECTION_YES,
                 "production is protected");
}

static void check_dispatch(const struct job *job, const struct hostconfig *host, const cJSON *spec)
{
    _cleanup_dispatch_ struct dispatch d = DISPATCH_INIT;
    _cleanup_err_ struct err err = ERR_INIT;
    dispatch_if_declared(job->name, host);
    if (dispatch_job(job->name, host, spec, &d, &err) < 0)
        fuzz_require_message(&err);
    else
        check_environment(job, &d, host);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct hostconfig host;
    static cJSON *spec;
    if (host.json == NULL) {
        host.path = xstrdup("/etc/berth/berth.json");
        host.json = parse(host_json);
        spec = parse(spec_json);
    }
    _cleanup_job_ struct job job = JOB_INIT;
    _cleanup_err_ struct err err = ERR_INIT;
    int rc = job_parse((const char *)data, size, &job, &err);
    redact_release();
    if (rc < 0) {
        fuzz_require_message(&err);
        return 0;
    }
    fuzz_require(job.id > 0 && job.project_id > 0 && job.pipeline_id > 0, "ids are above zero");
    const char *ref = job_variable(&job, "CI_COMMIT_REF_NAME");
    fuzz_require(ref == NULL || job_is_merge_request(&job) || str_eq(ref, job.ref),
                 "a variable never names another ref");
    check_dispatch(&job, &host, NULL);
    check_dispatch(&job, &host, spec);
    return 0;
}
