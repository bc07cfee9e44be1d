/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <unistd.h>

#include "executor/script.h"

extern char **environ;

static void the_list(void **state)
{
    (void)state;
    char *host[] = { (char *)"PATH=/bin",
                     (char *)"HOME=/root",
                     (char *)"LC_TIME=C",
                     (char *)"AWS_SECRET_ACCESS_KEY=x",
                     (char *)"CUSTOM_ENV_CI=1",
                     (char *)"JOB_RESPONSE_FILE=/x",
                     (char *)"PATHOLOGY=1",
                     (char *)"PAT=1",
                     (char *)"BASH_ENV=/x",
                     (char *)"LD_PRELOAD=/x",
                     (char *)"BERTH_CONFIG=/x",
                     (char *)"TMPDIR=/t",
                     (char *)"BUILD_EXIT_CODE_FILE=/x",
                     NULL };
    char **before = environ;
    environ = host;
    _cleanup_strlist_ struct strlist env = STRLIST_INIT;
    script_environment(NULL, NULL, &env);
    environ = before;
    assert_int_equal(env.n, 4);
    assert_true(strlist_has(&env, "PATH=/bin"));
    assert_true(strlist_has(&env, "HOME=/root"));
    assert_true(strlist_has(&env, "LC_TIME=C"));
    assert_true(strlist_has(&env, "TMPDIR=/t"));
}

static void a_path_there_is(void **state)
{
    (void)state;
    char *host[] = { NULL };
    char **before = environ;
    environ = host;
    _cleanup_strlist_ struct strlist env = STRLIST_INIT;
    script_environment(NULL, NULL, &env);
    environ = before;
    assert_int_equal(env.n, 1);
    assert_true(str_starts(env.v[0], "PATH=/usr/local/sbin:"));
}

static void what_is_the_users_own(void **state)
{
    (void)state;
    char *host[] = { (char *)"PATH=/bin",
                     (char *)"HOME=/root",
                     (char *)"TMPDIR=/t",
                     (char *)"http_proxy=http://a:b@c@proxy:1/x@y",
                     (char *)"HTTPS_PROXY=a:b@proxy:1",
                     (char *)"no_proxy=example.com",
                     (char *)"LC_TIME=a@b",
                     NULL };
    const struct jobuser user = { .name = (char *)"job",
                                  .tmp_dir = (char *)"/b/tmp",
                                  .record = -1 };
    char **before = environ;
    environ = host;
    _cleanup_strlist_ struct strlist env = STRLIST_INIT;
    script_environment(&user, NULL, &env);
    environ = before;
    static const char *const wanted[] = {
        "PATH=/bin",
        "HOME=/b/tmp/home",
        "TMPDIR=/b/tmp",
        "USER=job",
        "LOGNAME=job",
        "SHELL=/bin/bash",
        "http_proxy=http://proxy:1/x@y",
        "HTTPS_PROXY=proxy:1",
        "no_proxy=example.com",
        "LC_TIME=a@b",
    };
    assert_int_equal(env.n, ARRAY_SIZE(wanted));
    for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
        if (!strlist_has(&env, wanted[i]))
            fail_msg("%s is missing", wanted[i]);
}

static size_t count_outputs(const struct strlist *env)
{
    size_t n = 0;
    for (size_t i = 0; i < env->n; i++)
        n += str_starts(env->v[i], "BERTH_") || str_starts(env->v[i], "LD_");
    return n;
}

static void outputs_are_named_and_few(void **state)
{
    (void)state;
    _cleanup_json_ cJSON *outputs = cJSON_CreateObject();
    json_put_str(outputs, "LD_PRELOAD", "/x");
    json_put_str(outputs, "BERTH_lower", "x");
    json_put_str(outputs, "BERTH_A=B", "x");
    json_put_int(outputs, "BERTH_NUMBER", 1);
    json_put(outputs, "BERTH_NULL", cJSON_CreateNull());
    _cleanup_free_ char *huge = xmalloc(200000);
    memset(huge, 'x', 199999);
    huge[199999] = '\0';
    json_put_str(outputs, "BERTH_HUGE", huge);
    json_put_str(outputs, "BERTH_URL", "https://a/\nb=c");
    _cleanup_strlist_ struct strlist env = STRLIST_INIT;
    script_environment(NULL, outputs, &env);
    assert_int_equal(count_outputs(&env), 1);
    assert_true(strlist_has(&env, "BERTH_URL=https://a/\nb=c"));

    for (int i = 0; i < 30; i++) {
        _cleanup_free_ char *name = xasprintf("BERTH_N%d", i);
        json_put_str(outputs, name, "x");
    }
    strlist_release(&env);
    script_environment(NULL, outputs, &env);
    assert_int_equal(count_outputs(&env), OUTPUTS_MAX);
}

/* As config notes it for a job without a user; only root looks for it. */
static void note_no_user(const char *directory)
{
    static const char note[] = "{\"user\":null,\"builds\":\"/b\",\"cache\":\"/c\"}";
    _cleanup_free_ char *path = xasprintf("%s/berth-user.json", directory);
    _cleanup_free_ char *code = xasprintf("%s/build_exit_code", directory);
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_int_equal(write(fd, note, sizeof(note) - 1), sizeof(note) - 1);
    close(fd);
    setenv("TMPDIR", directory, 1);
    setenv("BUILD_EXIT_CODE_FILE", code, 1);
}

static void runs_a_script(void **state)
{
    (void)state;
    char directory[] = "/tmp/berth-test-job-XXXXXX";
    assert_non_null(mkdtemp(directory));
    note_no_user(directory);
    char path[] = "/tmp/berth-test-script-XXXXXX";
    int fd = mkstemp(path);
    static const char text[] = "test \"$BERTH_URL\" = here && exit 6\n";
    assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
    close(fd);
    _cleanup_json_ cJSON *outputs = cJSON_CreateObject();
    json_put_str(outputs, "BERTH_URL", "here");
    _cleanup_err_ struct err err = ERR_INIT;
    struct process_end end;
    if (script_run(path, outputs, &end, &err) < 0)
        fail_msg("%s", err.message);
    assert_int_equal(end.code, 6);
    unlink(path);
    _cleanup_free_ char *note = xasprintf("%s/berth-user.json", directory);
    unlink(note);
    rmdir(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_list),
        cmocka_unit_test(a_path_there_is),
        cmocka_unit_test(what_is_the_users_own),
        cmocka_unit_test(outputs_are_named_and_few),
        cmocka_unit_test(runs_a_script),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
