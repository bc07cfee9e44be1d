/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <unistd.h>

#include "executor/base/log.h"
#include "executor/job.h"

static char path[] = "/tmp/berth-test-job-XXXXXX";

static void write_response(const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

#define INFO                                                                                       \
    "\"job_info\": {\"name\": \"deploy\", \"stage\": \"deploy\", \"project_id\": 77,"              \
    " \"pipeline_id\": 9007199254740991, \"project_full_path\": \"mettel/automation\"}"
#define GIT(ref, more)                                                                             \
    "\"git_info\": {\"ref\": \"" ref "\", \"ref_type\": \"branch\", \"sha\": \"abc\"" more "}"

static void read_ok(const char *text, struct job *job)
{
    struct err err = ERR_INIT;
    write_response(text);
    if (job_read(path, job, &err) < 0)
        fail_msg("%s", err.message);
}

static void takes_what_the_server_says(void **state)
{
    (void)state;
    _cleanup_job_ struct job job = JOB_INIT;
    read_ok("{\"id\": 5, " INFO ", " GIT("dev/fix/x", ", \"protected\": true") "}\n", &job);
    assert_int_equal(job.id, 5);
    assert_int_equal(job.project_id, 77);
    assert_int_equal(job.pipeline_id, 9007199254740991);
    assert_string_equal(job.project_path, "mettel/automation");
    assert_string_equal(job.name, "deploy");
    assert_string_equal(job.ref, "dev/fix/x");
    assert_string_equal(job.sha, "abc");
    assert_int_equal(job.protection, PROTECTION_YES);
    assert_false(job_is_merge_request(&job));
}

static void protection_has_three_states(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum protection expected;
    } cases[] = {
        { "{\"id\": 5, " INFO ", " GIT("x", "") "}", PROTECTION_UNKNOWN },
        { "{\"id\": 5, " INFO ", " GIT("x", ", \"protected\": null") "}", PROTECTION_UNKNOWN },
        { "{\"id\": 5, " INFO ", " GIT("x", ", \"protected\": \"true\"") "}", PROTECTION_UNKNOWN },
        { "{\"id\": 5, " INFO ", " GIT("x", ", \"protected\": false") "}", PROTECTION_NO },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_job_ struct job job = JOB_INIT;
        read_ok(cases[i].text, &job);
        assert_int_equal(job.protection, cases[i].expected);
    }
}

/* 2^53 + 1, which a double holds as 2^53, and the largest id that GitLab's databases have. */
static void ids_are_exact(void **state)
{
    (void)state;
    _cleanup_job_ struct job job = JOB_INIT;
    read_ok(
        "{\"id\": 9223372036854775807, \"job_info\": {\"name\": \"deploy\", \"stage\": \"s\","
        " \"project_id\" : 9007199254740993 ,\"pipeline_id\":9007199254740993}, " GIT("x", "") "}",
        &job);
    assert_true(job.id == INT64_MAX);
    assert_true(job.project_id == 9007199254740993);
    assert_true(job.pipeline_id == 9007199254740993);
}

#define VARIABLE(key, value) "{\"key\": \"" key "\", \"value\": \"" value "\"}"

/* What is said about one variable, each time after GitLab's own value; NULL: nothing. */
static const struct {
    const char *variables;
    const char *said;
    const char *key, *value; /* what berth works with */
} claims_cases[] = {
    { VARIABLE("CI_COMMIT_REF_NAME", "dev/fix/x"), NULL, "CI_COMMIT_REF_NAME", "dev/fix/x" },
    { VARIABLE("CI_COMMIT_REF_NAME", "dev/fix/x") "," VARIABLE("CI_COMMIT_REF_NAME", "master"),
      "'CI_COMMIT_REF_NAME' says 'master', but GitLab's job response says 'dev/fix/x'",
      "CI_COMMIT_REF_NAME", "dev/fix/x" },
    /* Not the last one, and not the first: nobody else says that they lie. */
    { VARIABLE("CI_PROJECT_ID", "77") "," VARIABLE("CI_PROJECT_ID",
                                                   "1") "," VARIABLE("CI_PROJECT_ID", "77"),
      "'CI_PROJECT_ID' says '1'", "CI_PROJECT_ID", "77" },
    { VARIABLE("CI_PIPELINE_ID", "1"), "'CI_PIPELINE_ID' says '1'", "CI_PIPELINE_ID",
      "9007199254740991" },
    { VARIABLE("CI_COMMIT_REF_PROTECTED", "false") "," VARIABLE("CI_COMMIT_REF_PROTECTED", "true"),
      "'CI_COMMIT_REF_PROTECTED' says 'true', but GitLab's job response says 'false'",
      "CI_COMMIT_REF_PROTECTED", "false" },
    { VARIABLE("CI_COMMIT_TAG", "v1"), "'CI_COMMIT_TAG' says 'v1', but GitLab sets none",
      "CI_COMMIT_TAG", NULL },
    { VARIABLE("CI_COMMIT_BRANCH", "master"), "'CI_COMMIT_BRANCH' says 'master'",
      "CI_COMMIT_BRANCH", "dev/fix/x" },
    { VARIABLE("CI_JOB_NAME", "test"), "'CI_JOB_NAME' says 'test'", "CI_JOB_NAME", "deploy" },
    { VARIABLE("CI_DEFAULT_BRANCH", "main") "," VARIABLE("CI_DEFAULT_BRANCH", "mine"),
      "'CI_DEFAULT_BRANCH' says 'mine', but GitLab's job response says 'main'", "CI_DEFAULT_BRANCH",
      "main" },
    { VARIABLE("MINE", "1") "," VARIABLE("MINE", "2"), NULL, "MINE", "2" },
};

static void says_which_variables_lie_and_does_not_use_them(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(claims_cases); i++) {
        _cleanup_job_ struct job job = JOB_INIT;
        _cleanup_free_ char *text = xasprintf(
            "{\"id\": 5, " INFO ", " GIT("dev/fix/x", ", \"protected\": false") ", \"variables\": "
                                                                                "[%s]}",
            claims_cases[i].variables);
        read_ok(text, &job);
        assert_int_equal(job.contradictions.n, claims_cases[i].said != NULL);
        if (claims_cases[i].said != NULL &&
            strstr(job.contradictions.v[0], claims_cases[i].said) == NULL)
            fail_msg("'%s' does not say %s", job.contradictions.v[0], claims_cases[i].said);
        const char *value = job_variable(&job, claims_cases[i].key);
        if (!str_eq(value, claims_cases[i].value))
            fail_msg("%s is '%s'", claims_cases[i].key, value);
    }
}

/* Wherever it is cut: what is left of a masked value is [MASKED]. */
static void what_a_variable_says_is_cut_behind_its_secrets(void **state)
{
    (void)state;
    char before[128];
    for (size_t n = 60; n < 101; n++) {
        _cleanup_job_ struct job job = JOB_INIT;
        memset(before, 'z', n);
        before[n] = '\0';
        _cleanup_free_ char *text = xasprintf(
            "{\"id\": 5, " INFO
            ", " GIT("x", "") ", \"variables\": [{\"key\": \"TOKEN\", \"value\": "
                              "\"s3cr3tTokenValue1234567890abcdef\", \"masked\": true}, " VARIABLE(
                                  "CI_COMMIT_SHA", "%ss3cr3tTokenValue1234567890abcdef") "]}",
            before);
        read_ok(text, &job);
        assert_int_equal(job.contradictions.n, 1);
        assert_non_null(strstr(job.contradictions.v[0], "variable 'CI_COMMIT_SHA' says 'zzzz"));
        if (strstr(job.contradictions.v[0], "zs") != NULL)
            fail_msg("%zu: %s", n, job.contradictions.v[0]);
    }
    redact_release();
}

/* The variables name the source branch, which git_info does not know. */
static void a_merge_request_has_its_servers_word(void **state)
{
    (void)state;
    _cleanup_job_ struct job job = JOB_INIT;
    read_ok(
        "{\"id\": 5, " INFO
        ", " GIT("refs/merge-requests/3/head", "") ", \"variables\": [" VARIABLE(
            "CI_COMMIT_REF_NAME", "dev/fix/x") "," VARIABLE("CI_COMMIT_REF_NAME", "master") "]}",
        &job);
    assert_int_equal(job.contradictions.n, 1);
    assert_string_equal(job_variable(&job, "CI_COMMIT_REF_NAME"), "dev/fix/x");
}

static void stands_null_and_unknown_members(void **state)
{
    (void)state;
    _cleanup_job_ struct job job = JOB_INIT;
    read_ok("{\"id\": 5, " INFO ", " GIT(
                "x",
                ", \"refspecs\": null, \"new\": {\"a\": [1]}") ", \"variables\": null, "
                                                               "\"credentials\": null, "
                                                               "\"dependencies\": null,"
                                                               " \"artifacts\": null, \"unknown\": "
                                                               "[[[]]], \"steps\": {}}",
            &job);
    assert_null(job_variable(&job, "CI_PROJECT_ID"));
    assert_int_equal(job.contradictions.n, 0);
    redact_release();
}

static void refuses_what_is_too_large(void **state)
{
    (void)state;
    struct job job = JOB_INIT;
    _cleanup_err_ struct err err = ERR_INIT;
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs("{\"x\": \"", f);
    for (size_t i = 0; i <= JSON_FILE_MAX / 64; i++)
        fputs("0123456789012345678901234567890123456789012345678901234567890123", f);
    fputs("\"}", f);
    fclose(f);
    assert_int_equal(job_read(path, &job, &err), -1);
    assert_int_equal(err.class, ERR_HOST);
    assert_non_null(strstr(err.message, "is larger than"));
}

static void knows_merge_requests(void **state)
{
    (void)state;
    _cleanup_job_ struct job job = JOB_INIT;
    read_ok("{\"id\": 5, " INFO ", " GIT("refs/merge-requests/3/head", "") "}", &job);
    assert_true(job_is_merge_request(&job));
}

static void refuses_what_is_not_a_job(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *message;
    } cases[] = {
        { "", "line 1" },
        { "[]", "is not a JSON object" },
        { "null", "is not a JSON object" },
        { "{}", "no usable 'id'" },
        { "{\"id\": \"5\", " INFO ", " GIT("x", "") "}", "no usable 'id'" },
        { "{\"id\": 0, " INFO ", " GIT("x", "") "}", "no usable 'id'" },
        { "{\"id\": 1.5, " INFO ", " GIT("x", "") "}", "no usable 'id'" },
        { "{\"id\": 1e300, " INFO ", " GIT("x", "") "}", "no usable 'id'" },
        { "{\"id\": 9223372036854775808, " INFO ", " GIT("x", "") "}", "no usable 'id'" },
        { "{\"id\": 5e0, " INFO ", " GIT("x", "") "}", "no usable 'id'" },
        { "{\"id\": 5, \"i\\u0064\": 6, " INFO ", " GIT("x", "") "}", "id stands there twice" },
        { "{\"id\": 5, " INFO "}", "no usable 'git_info/ref'" },
        { "{\"id\": 5, " INFO ", " GIT("", "") "}", "no usable 'git_info/ref'" },
        { "{\"id\": 5, \"id\": 6, " INFO ", " GIT("x", "") "}", "id stands there twice" },
        { "{\"id\": 5, " INFO ", " GIT("x\\u0000y", "") "}", "NUL" },
        { "{\"id\": 5, " INFO ", " GIT("x", "") "} {}", "not valid JSON" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_err_ struct err err = ERR_INIT;
        struct job job = JOB_INIT;
        write_response(cases[i].text);
        assert_int_equal(job_read(path, &job, &err), -1);
        assert_int_equal(err.class, ERR_HOST);
        if (strstr(err.message, cases[i].message) == NULL)
            fail_msg("'%s' does not say '%s'", err.message, cases[i].message);
        assert_null(job.response);
    }
}

static void knows_when_its_time_is_over(void **state)
{
    (void)state;
    _cleanup_job_ struct job job = JOB_INIT, endless = JOB_INIT;
    read_ok("{\"id\": 5, \"runner_info\": {\"timeout\": 3600}, " INFO ", " GIT("x", "") "}", &job);
    time_t began = job.received;
    assert_in_range(time(NULL) - began, 0, 60);
    assert_int_equal(job_time_over(&job, began + 3590), 0);
    assert_int_equal(job_time_over(&job, began + 3599), 3600); /* the file is written a bit later */
    assert_int_equal(job_time_over(&job, began + 4000), 3600);
    assert_int_equal(job_time_over(&job, began - 86400), 0); /* its clock was set */
    read_ok("{\"id\": 5, " INFO ", " GIT("x", "") "}", &endless);
    assert_int_equal(job_time_over(&endless, began + 4000), 0);
}

static void refuses_no_file(void **state)
{
    (void)state;
    _cleanup_err_ struct err err = ERR_INIT;
    struct job job = JOB_INIT;
    assert_int_equal(job_read(NULL, &job, &err), -1);
    assert_int_equal(job_read("", &job, &err), -1);
    assert_int_equal(job_read("/nonexistent/response.json", &job, &err), -1);
    assert_int_equal(err.class, ERR_HOST);
}

#define VARIABLES                                                                                  \
    "\"token\": \"job-token-1\", \"variables\": [null, 3,"                                         \
    "{\"key\": \"A\", \"value\": \"first\"}, {\"key\": \"A\", \"value\": \"last\"},"               \
    "{\"key\": \"S\", \"value\": \"open sesame\", \"masked\": true},"                              \
    "{\"key\": \"S\", \"value\": \"overridden\"}, {\"key\": \"N\", \"value\": null}],"             \
    "\"credentials\": [{\"password\": \"registry-password\"}], \"dependencies\": null,"

static void first_and_last_of_a_variable(void **state)
{
    (void)state;
    _cleanup_job_ struct job job = JOB_INIT;
    read_ok("{\"id\": 5, " VARIABLES INFO ", " GIT("x", "") "}", &job);
    assert_string_equal(job_variable(&job, "A"), "last");
    assert_string_equal(job_variable_first(&job, "A"), "first");
    assert_null(job_variable(&job, "a"));
    assert_null(job_variable(&job, "N"));
    assert_null(job_variable_first(&job, "MISSING"));
    assert_true(job_variable_is_masked(&job, "S"));
    assert_false(job_variable_is_masked(&job, "A"));
}

static void redacts_its_secrets(void **state)
{
    (void)state;
    _cleanup_job_ struct job job = JOB_INIT;
    setenv("CUSTOM_ENV_VAULT", "from-the-vault", 1);
    setenv("CUSTOM_ENV_FILED", "/path/of/it", 1);
    read_ok("{\"id\": 5, " VARIABLES INFO
            ", " GIT("x", ", \"repo_url\": "
                          "\"https://"
                          "gitlab-ci-token:url-secret@gitlab.example.com/"
                          "a\"") ", \"secrets\": {\"VAULT\": {\"file\": "
                                 "false}, \"FILED\": {}}}",
            &job);
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    strbuf_adds(&text, "open sesame job-token-1 registry-password url-secret overridden "
                       "from-the-vault /path/of/it");
    redact(&text);
    assert_string_equal(text.buf, "[MASKED] [MASKED] [MASKED] [MASKED] overridden [MASKED] "
                                  "/path/of/it");
    redact_release();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_what_the_server_says),
        cmocka_unit_test(protection_has_three_states),
        cmocka_unit_test(knows_merge_requests),
        cmocka_unit_test(ids_are_exact),
        cmocka_unit_test(says_which_variables_lie_and_does_not_use_them),
        cmocka_unit_test(what_a_variable_says_is_cut_behind_its_secrets),
        cmocka_unit_test(a_merge_request_has_its_servers_word),
        cmocka_unit_test(stands_null_and_unknown_members),
        cmocka_unit_test(refuses_what_is_too_large),
        cmocka_unit_test(refuses_what_is_not_a_job),
        cmocka_unit_test(knows_when_its_time_is_over),
        cmocka_unit_test(refuses_no_file),
        cmocka_unit_test(first_and_last_of_a_variable),
        cmocka_unit_test(redacts_its_secrets),
    };
    int fd = mkstemp(path);
    if (fd < 0)
        return 1;
    close(fd);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return failed;
}
