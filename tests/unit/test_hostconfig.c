/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "executor/hostconfig.h"

static char root[] = "/tmp/berth-test-host-XXXXXX";
static char path[64];

static void write_config(const char *text, mode_t mode)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    assert_int_equal(chmod(path, mode), 0);
    setenv("BERTH_CONFIG", path, 1);
}

static void refuse(const char *message)
{
    _cleanup_err_ struct err err = ERR_INIT;
    struct hostconfig h = HOSTCONFIG_INIT;
    assert_int_equal(hostconfig_read(&h, &err), -1);
    assert_int_equal(err.class, ERR_HOST);
    if (strstr(err.message, message) == NULL)
        fail_msg("'%s' does not say '%s'", err.message, message);
    assert_null(h.json);
}

static void reads_comments_and_projects(void **state)
{
    (void)state;
    write_config("// who may do what\n{\"projects\": {\"77\": {\"prefix\": \"automation\"}}}",
                 0600);
    _cleanup_err_ struct err err = ERR_INIT;
    _cleanup_hostconfig_ struct hostconfig h = HOSTCONFIG_INIT;
    if (hostconfig_read(&h, &err) < 0)
        fail_msg("%s", err.message);
    assert_string_equal(json_str(hostconfig_project(&h, 77), "prefix"), "automation");
    assert_null(hostconfig_project(&h, 7));
    assert_null(hostconfig_project(&h, 770));
    assert_string_equal(h.dir, root);
}

static void resolves_paths(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        const char *expected; /* %s: the directory */
    } cases[] = {
        { "/srv/builds", "/srv/builds" },
        { "/srv//./builds/", "/srv/builds" },
        { "/srv/a/../../../x", "/x" },
        { "/..", "/" },
        { "builds", "%s/builds" },
        { "./a/../b", "%s/b" },
        { "../b", "/tmp/b" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_json_ cJSON *json = cJSON_CreateObject();
        json_put_str(json, "buildsDir", cases[i].value);
        const struct hostconfig h = { .dir = root, .json = json };
        _cleanup_free_ char *got = hostconfig_path(&h, "buildsDir", "/otherwise");
        char expected[128];
        const char *rest = cases[i].expected;
        bool below = str_starts(rest, "%s");
        snprintf(expected, sizeof(expected), "%s%s", below ? root : "", below ? rest + 2 : rest);
        assert_string_equal(got, expected);
    }
    const struct hostconfig empty = { .dir = root };
    _cleanup_free_ char *otherwise = hostconfig_path(&empty, "buildsDir", "/otherwise/x");
    assert_string_equal(otherwise, "/otherwise/x");
}

static void refuses_what_the_schema_does_not_know(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        { "{\"projcts\": {}}", "projcts: unknown key; did you mean 'projects'?" },
        { "{\n\"projects\": {\n\"77\": {}}}", ":3: projects.77" },
        { "{\"projects\": {\"abc\": {\"prefix\": \"a\"}}}",
          "projects.abc: a name here must match" },
        { "{\"projects\": {\"7\": {\"prefix\": \"-a\"}}}", "projects.7.prefix: must match" },
        { "{\"projects\": {\"7\": {\"prefix\": \"a\", \"production\": {\"refs\": []}}}}",
          "region" },
        { "{\"user\": [\"berth-job\", \"a b\"]}", "user[1]: must match" },
        { "{\"onCancel\": \"undo\"}", "onCancel: must be" },
        { "{\"workers\": 0}", "workers: must be at least 1" },
        { "{\"poll\": {\"first\": \"2\"}}", "poll.first: must be a number" },
        { "{\"rates\": {\"ecs\": 0}}", "rates.ecs: must be at least" },
        { "{\"dispatch\": [{\"job\": \"x\"}]}", "dispatch[0]" },
        { "{\"lockDir\": \"/a b\"}", "lockDir: must match" },
        { "[]", "must be an object" },
        { "{\"gitlab\": {\"url\": \"https://gitlab.example.com\"}}",
          "gitlab: 'tokenFile' is missing" },
        { "{\"gitlab\": {\"url\": \"ftp://g\", \"tokenFile\": \"t\"}}", "gitlab.url: must match" },
        { "{\"gitlab\": {\"url\": \"https://u:p@g\", \"tokenFile\": \"t\"}}",
          "gitlab.url: must match" },
        { "{\"projects\": {\"7\": {\"prefix\": \"a\", \"ephemeral\": {\"refs\": [\"x\"], "
          "\"region\": \"us-east-1\", \"timeToLive\": \"3 days\"}}}}",
          "projects.7.ephemeral.timeToLive: must match" },
        { "{\"workers\": 1, \"workers\": 2}", "workers stands there twice" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        write_config(cases[i][0], 0600);
        refuse(cases[i][1]);
    }
}

static void refuses_a_file_of_others(void **state)
{
    (void)state;
    write_config("{}", 0620);
    refuse("chmod go-w");
    write_config("{}", 0602);
    refuse("chmod go-w");
    write_config("{}", 0644);
    assert_int_equal(chmod(root, 0777), 0);
    refuse("chmod go-w");
    assert_int_equal(chmod(root, 0700), 0);
    if (geteuid() != 0)
        return;
    assert_int_equal(chown(path, 1, 0), 0);
    refuse("chown root");
    assert_int_equal(chown(path, 0, 0), 0);
}

static void says_where_one_belongs(void **state)
{
    (void)state;
    setenv("BERTH_CONFIG", "/nonexistent/berth.json", 1);
    refuse("there is no host config '/nonexistent/berth.json'; write one");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_comments_and_projects),
        cmocka_unit_test(resolves_paths),
        cmocka_unit_test(refuses_what_the_schema_does_not_know),
        cmocka_unit_test(refuses_a_file_of_others),
        cmocka_unit_test(says_where_one_belongs),
    };
    if (mkdtemp(root) == NULL)
        return 1;
    snprintf(path, sizeof(path), "%s/berth.json", root);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    rmdir(root);
    return failed;
}
