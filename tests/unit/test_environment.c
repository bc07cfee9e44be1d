/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "executor/environment.h"
#include "tests/unit/host.h"

static const char host_json[] =
    "{ \"projects\": { \"77\": { \"prefix\": \"automation\","
    "\"production\": { \"refs\": [\"master\", \"release*\"], \"region\": \"us-east-1\","
    "                  \"roleArn\": \"arn:aws:iam::123456789012:role/p\" },"
    "\"ephemeral\": { \"refs\": [\"dev/feature*\", \"dev/fix*\"], \"region\": \"eu-west-1\" },"
    "\"limits\": { \"ephemeral\": { \"maxTasks\": 50 } } },"
    "\"78\": { \"prefix\": \"a-prefix-that-is-too-long\","
    "\"ephemeral\": { \"refs\": [\"*\"], \"region\": \"us-east-1\" } } } }";

static int read_host(void **state)
{
    (void)state;
    return host_read(host_json);
}

/* What environment_of_job() says: the name, or "class: message". The caller frees it. */
static char *decide(struct job job, const char *branch_kind)
{
    struct dispatch d = { .act = ACT_DEPLOY, .branch_kind = branch_kind };
    _cleanup_environment_ struct environment e = ENVIRONMENT_INIT;
    _cleanup_err_ struct err err = ERR_INIT;
    if (environment_of_job(&job, &d, &host, &e, &err) < 0)
        return xasprintf("%s: %s", err_class_name(err.class), err.message);
    return xasprintf("%s %s %s", e.kind, e.name, e.subdomain);
}

static struct job job_of(const char *ref, enum protection protection)
{
    return (struct job){ .id = 1,
                         .project_id = 77,
                         .pipeline_id = 5,
                         .project_path = "mettel/automation",
                         .name = "deploy",
                         .ref = ref,
                         .ref_type = "branch",
                         .protection = protection };
}

struct ref_case {
    const char *ref;
    enum protection protection;
    const char *expected;
};

#define NO_ENVIRONMENT(ref)                                                                        \
    "REFUSED: branch '" ref "' gets no environment: '/etc/berth/berth.json' has environments for " \
    "'master' (production), 'release*' (production), 'dev/feature*' (ephemeral), 'dev/fix*' "      \
    "(ephemeral); rename the branch, or ask the administrator of this runner to add a pattern"

/* Hashes: echo -n "<branch>" | sha256sum | cut -c1-8 */
static const struct ref_case ref_cases[] = {
    { "master", PROTECTION_YES, "production automation-master master" },
    { "dev/feature/login", PROTECTION_NO, "ephemeral automation-8527fec8 8527fec8" },
    { "dev/fix/JIRA-12", PROTECTION_UNKNOWN, "ephemeral automation-36763184 36763184" },
    { "dev/feature", PROTECTION_YES, "ephemeral automation-1eda2885 1eda2885" },
    { "master", PROTECTION_NO,
      "REFUSED: branch 'master' is production's, but not protected: protect it in GitLab under "
      "Settings, Repository, Protected branches" },
    { "master", PROTECTION_UNKNOWN,
      "REFUSED: branch 'master' is production's, and GitLab does not say whether it is protected: "
      "that takes GitLab 18.3 or newer" },
    { "Master", PROTECTION_YES, NO_ENVIRONMENT("Master") },
    { "master ", PROTECTION_YES, NO_ENVIRONMENT("master ") },
    { "master/", PROTECTION_YES, NO_ENVIRONMENT("master/") },
    { "xmaster", PROTECTION_YES, NO_ENVIRONMENT("xmaster") },
    { "feature/dev/feature", PROTECTION_YES, NO_ENVIRONMENT("feature/dev/feature") },
    { "", PROTECTION_YES, NO_ENVIRONMENT("") },
    /* Production refs that names cannot hold get a hash, and so does what looks like one. */
    { "release", PROTECTION_YES, "production automation-release release" },
    { "release/1.0", PROTECTION_YES,
      "production automation-release-1-0-05c07dbf release-1-0-05c07dbf" },
    { "release-1-0", PROTECTION_YES, "production automation-release-1-0 release-1-0" },
    { "release-1-0-05c07dbf", PROTECTION_YES,
      "production automation-release-1-0-bc7ca297 release-1-0-bc7ca297" },
    { "release-", PROTECTION_YES, "production automation-release-8eeeec06 release-8eeeec06" },
    { "release-with-a-very-long-name", PROTECTION_YES,
      "production automation-release-with-8c70679f release-with-8c70679f" },
};

static void test_refs(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(ref_cases); i++) {
        _cleanup_free_ char *said = decide(job_of(ref_cases[i].ref, ref_cases[i].protection), NULL);
        assert_string_equal(said, ref_cases[i].expected);
        if (str_starts(said, "production ") || str_starts(said, "ephemeral "))
            assert_true(strcspn(strchr(said, ' ') + 1, " ") <= 32);
    }
}

static void test_members(void **state)
{
    (void)state;
    _cleanup_environment_ struct environment e = ENVIRONMENT_INIT;
    _cleanup_err_ struct err err = ERR_INIT;
    assert_int_equal(environment_of_branch(77, "dev/fix/x", &host, &e, &err), 0);
    assert_string_equal(e.region, "eu-west-1");
    assert_null(e.role_arn);
    assert_int_equal(json_int(e.limits, "maxTasks", 0), 50);
    environment_release(&e);
    /* The administrator's word needs no proof of protection. */
    assert_int_equal(environment_of_branch(77, "master", &host, &e, &err), 0);
    assert_string_equal(e.role_arn, "arn:aws:iam::123456789012:role/p");
    assert_null(e.limits);
}

static void test_not_a_branch(void **state)
{
    (void)state;
    struct job job = job_of("master", PROTECTION_YES);
    job.ref_type = "tag";
    _cleanup_free_ char *tag = decide(job, NULL);
    assert_string_equal(tag, "USER: job 'deploy' runs for the tag 'master', which has no "
                             "environment: run it in a branch pipeline");
    _cleanup_free_ char *mr = decide(job_of("refs/merge-requests/7/head", PROTECTION_YES), NULL);
    assert_string_equal(mr, "USER: job 'deploy' runs for a merge request "
                            "('refs/merge-requests/7/head'), which has no environment: run it in a "
                            "branch pipeline");
}

static void test_project(void **state)
{
    (void)state;
    struct job job = job_of("master", PROTECTION_YES);
    job.project_id = 99;
    _cleanup_free_ char *unknown = decide(job, NULL);
    assert_string_equal(unknown, "REFUSED: project 99 ('mettel/automation') may not deploy from "
                                 "this runner: it is not in '/etc/berth/berth.json'; ask the "
                                 "administrator of this runner to add it under \"projects\"");
    job.project_id = 78;
    _cleanup_free_ char *prefix = decide(job, NULL);
    assert_true(str_starts(prefix, "HOST: /etc/berth/berth.json: prefix 'a-prefix-that-is-too-long'"
                                   " cannot begin the name of an environment"));
}

static void test_job_name(void **state)
{
    (void)state;
    struct job job = job_of("dev/feature/login", PROTECTION_YES);
    job.name = "deploy-master";
    _cleanup_free_ char *said = decide(job, "production");
    assert_string_equal(said, "USER: job 'deploy-master' is for production branches, but "
                              "'dev/feature/login' is ephemeral: run the job whose name ends in "
                              "'branches', and let the rules of 'deploy-master' leave this branch "
                              "out");
    job.name = "deploy-branches";
    _cleanup_free_ char *fits = decide(job, "ephemeral");
    assert_string_equal(fits, "ephemeral automation-8527fec8 8527fec8");
}

/* Branches that a reader could take for one another, or a program for a command. */
static const char *const odd_branches[] = {
    "dev/feature/caf\u00e9",                        /* one character */
    "dev/feature/cafe\u0301",                       /* two of them: the same to the eye */
    "dev/feature/a",          "dev/feature/\u0430", /* Latin, Cyrillic */
    "dev/feature/a\u200b",    "dev/feature/\u202ea",    "dev/feature/$(reboot)",
    "dev/feature/`reboot`",   "dev/feature/';reboot;'", "dev/feature/\"",
    "dev/feature/../../etc",  "dev/feature/..",         "dev/feature/a b",
    "dev/feature/A",          "dev/feature/a\\b",       "dev/feature/%2e%2e",
    "dev/feature/--help",     "dev/feature/*",          "dev/feature/a\x1b[2J",
    "dev/feature/a\nb",       "dev/feature/\xff",       "dev/feature",
};

static bool is_valid_name(const char *name)
{
    size_t len = strlen(name);
    return len <= 32 && str_starts(name, "automation-") && name[len - 1] != '-' &&
           strstr(name, "--") == NULL &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

/* Adds the name of a branch's environment, which nobody may have had. */
static void add_name(struct strlist *names, const char *branch)
{
    struct err err = ERR_INIT;
    _cleanup_environment_ struct environment e = ENVIRONMENT_INIT;
    if (environment_of_branch(77, branch, &host, &e, &err) < 0)
        fail_msg("%s", err.message);
    if (!is_valid_name(e.name) || strlist_has(names, e.name))
        fail_msg("'%s' has the name '%s'", branch, e.name);
    strlist_add(names, e.name);
}

static void test_odd_branches(void **state)
{
    (void)state;
    _cleanup_strlist_ struct strlist names = STRLIST_INIT;
    for (size_t i = 0; i < ARRAY_SIZE(odd_branches); i++)
        add_name(&names, odd_branches[i]);
    for (size_t len = 240; len < 4096; len += 255) {
        _cleanup_strbuf_ struct strbuf branch = STRBUF_INIT;
        strbuf_adds(&branch, "dev/feature/");
        while (branch.len < len)
            strbuf_addc(&branch, 'x');
        add_name(&names, branch.buf);
        branch.buf[branch.len - 1] = 'y'; /* and they differ at the very end alone */
        add_name(&names, branch.buf);
    }
}

/* Of any bytes: distinct branches have distinct, valid names, of either kind. */
static void test_random_branches(void **state)
{
    (void)state;
    static const char *const prefixes[] = { "dev/fix", "release", "release-", "dev/feature/" };
    _cleanup_strlist_ struct strlist names = STRLIST_INIT;
    _cleanup_strlist_ struct strlist branches = STRLIST_INIT;
    uint64_t random = 20260101;
    for (size_t i = 0; i < 2000; i++) {
        _cleanup_strbuf_ struct strbuf branch = STRBUF_INIT;
        strbuf_adds(&branch, prefixes[i % ARRAY_SIZE(prefixes)]);
        random = random * 6364136223846793005u + 1442695040888963407u;
        for (size_t n = random >> 33 & 31; n > 0; n--) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            unsigned char byte = (unsigned char)(random >> 40);
            strbuf_addc(&branch, (char)((i & 4) != 0 ? "ab-1"[byte & 3] : byte != 0 ? byte : 1));
        }
        if (strlist_has(&branches, branch.buf))
            continue;
        strlist_add(&branches, branch.buf);
        add_name(&names, branch.buf);
    }
    assert_true(names.n > 1500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refs),
        cmocka_unit_test(test_members),
        cmocka_unit_test(test_not_a_branch),
        cmocka_unit_test(test_project),
        cmocka_unit_test(test_job_name),
        cmocka_unit_test(test_odd_branches),
        cmocka_unit_test(test_random_branches),
    };
    return cmocka_run_group_tests(tests, read_host, host_release);
}
