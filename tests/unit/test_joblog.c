/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <signal.h>
#include <unistd.h>

#include "executor/base/log.h"
#include "executor/exitcode.h"
#include "executor/joblog.h"

static int pipe_out = -1;

static int set_up(void **state)
{
    (void)state;
    int fds[2];
    if (pipe(fds) < 0)
        return -1;
    pipe_out = fds[0];
    joblog_init(fds[1]);
    *state = (void *)(intptr_t)fds[1];
    return 0;
}

static int tear_down(void **state)
{
    close((int)(intptr_t)*state);
    return close(pipe_out);
}

static const char *logged(void)
{
    static char text[4096];
    ssize_t n = read(pipe_out, text, sizeof(text) - 1);
    text[n > 0 ? n : 0] = '\0';
    return text;
}

static void facts_and_sections(void **state)
{
    (void)state;
    long long when;
    int end = 0;
    log_section_start("berth_plan", true, "The plan");
    const char *line = logged();
    assert_int_equal(sscanf(line, "section_start:%lld:%n", &when, &end), 1);
    assert_true(when > 1500000000);
    assert_string_equal(line + end, "berth_plan[collapsed=true]\r\033[0KThe plan\n");
    log_section_start("berth_plan", false, "The plan");
    assert_null(strstr(logged(), "collapsed"));
    log_section_end("berth_plan");
    line = logged();
    assert_int_equal(sscanf(line, "section_end:%lld:%n", &when, &end), 1);
    assert_string_equal(line + end, "berth_plan_2\r\033[0K\n");
}

static void colours_unless_somebody_minds(void **state)
{
    static const char *const cases[][3] = {
        { "NO_COLOR", "1", "no" }, { "NO_COLOR", "", "yes" },  { "CUSTOM_ENV_NO_COLOR", "1", "no" },
        { "TERM", "dumb", "no" },  { "TERM", "xterm", "yes" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        unsetenv("NO_COLOR");
        unsetenv("CUSTOM_ENV_NO_COLOR");
        unsetenv("TERM");
        setenv(cases[i][0], cases[i][1], 1);
        joblog_init((int)(intptr_t)*state);
        assert_int_equal(log_has_colour(), str_eq(cases[i][2], "yes"));
    }
    unsetenv("TERM");
    setenv("NO_COLOR", "1", 1);
}

static void failures_have_codes(void **state)
{
    (void)state;
    _cleanup_err_ struct err err = ERR_INIT;
    err_set(&err, ERR_USER, "wrong spec");
    assert_int_equal(joblog_failure(&err), 1);
    assert_string_equal(logged(), "ERROR: wrong spec\n");
    err_set(&err, ERR_USER, "%s", ""); /* said before, in other words than ours */
    assert_int_equal(joblog_failure(&err), 1);
    err_set(&err, ERR_HOST, "no bash");
    assert_int_equal(joblog_failure(&err), 2);
    assert_string_equal(logged(), "ERROR: no bash\n");
    setenv("BUILD_FAILURE_EXIT_CODE", "71", 1);
    setenv("SYSTEM_FAILURE_EXIT_CODE", "0", 1); /* never success */
    err_set(&err, ERR_REFUSED, "not yours");
    assert_int_equal(exitcode_of(&err), 71);
    assert_int_equal(exitcode_system_failure(), 2);
    unsetenv("BUILD_FAILURE_EXIT_CODE");
    unsetenv("SYSTEM_FAILURE_EXIT_CODE");
}

/* However many problems there are, the last one is told, and how many are not. */
static void many_problems_are_counted(void **state)
{
    (void)state;
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    for (size_t i = 0; i < 150; i++)
        strbuf_addf(&text, "p%zu\n", i);
    _cleanup_err_ struct err err = ERR_INIT;
    err_set(&err, ERR_USER, "%s", text.buf);
    assert_int_equal(joblog_failure(&err), 1);
    const char *said = logged();
    assert_non_null(strstr(said, "ERROR: p99\nERROR: 49 more, which are left out\n"
                                 "ERROR: p149\n"));
}

/* In AWS's words, whichever the protocol; a call that we denied ourselves has no policy. */
static void denials_say_what_to_allow(void **state)
{
    (void)state;
    static const struct {
        const char *code, *message, *said;
    } cases[] = {
        { "AccessDenied",
          "x: User: arn:u is not authorized to perform: ecs:CreateCluster on resource: arn:c "
          "because no identity-based policy allows it",
          "allows it; allow 'ecs:CreateCluster' on 'arn:c': 'berth iam-policy' prints the policy "
          "that it takes\n" },
        { "AccessDenied", "a\nnot authorized to perform: ecs:ListClusters",
          "ERROR: a\nERROR: not authorized to perform: ecs:ListClusters; allow 'ecs:ListClusters': "
          "'berth iam-policy' prints the policy that it takes\n" },
        { "UnauthorizedOperation", "no",
          "ERROR: no; 'berth iam-policy' prints the policy that it "
          "takes\n" },
        { "", "no", "ERROR: no\n" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_err_ struct err err = ERR_INIT;
        err_set(&err, ERR_DENIED, "%s", cases[i].message);
        strcpy(err.aws_code, cases[i].code);
        assert_int_equal(joblog_failure(&err), 2);
        const char *text = logged();
        if (strstr(text, cases[i].said) == NULL)
            fail_msg("%s", text);
    }
}

static void the_code_file(void **state)
{
    (void)state;
    char directory[] = "/tmp/berth-test-code-XXXXXX";
    assert_non_null(mkdtemp(directory));
    _cleanup_free_ char *path = xasprintf("%s/code", directory);
    _cleanup_free_ char *target = xasprintf("%s/target", directory);
    _cleanup_err_ struct err err = ERR_INIT;
    setenv("BUILD_EXIT_CODE_FILE", path, 1);
    assert_int_equal(exitcode_clear(&err), 0);
    /* A link that somebody has put there is replaced, not followed. */
    assert_int_equal(symlink(target, path), 0);
    assert_int_equal(exitcode_write(42, &err), 0);
    struct stat st;
    assert_int_equal(lstat(path, &st), 0);
    assert_true(S_ISREG(st.st_mode));
    assert_int_equal(access(target, F_OK), -1);
    FILE *f = fopen(path, "r");
    char text[16] = "";
    assert_non_null(fgets(text, sizeof(text), f));
    fclose(f);
    assert_string_equal(text, "42\n");
    assert_int_equal(exitcode_clear(&err), 0);
    assert_int_equal(access(path, F_OK), -1);

    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(exitcode_clear(&err), -1);
    assert_int_equal(err.class, ERR_HOST);
    assert_int_equal(exitcode_write(1, &err), -1);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(rmdir(directory), 0); /* no temporary file is left */

    assert_int_equal(exitcode_clear(&err), 0); /* the directory is gone: nothing to remove */
    setenv("BUILD_EXIT_CODE_FILE", "", 1);
    assert_int_equal(exitcode_clear(&err), 0);
    assert_int_equal(exitcode_write(1, &err), 0);
    unsetenv("BUILD_EXIT_CODE_FILE");
}

static void signals_end_with_the_system_failure(void **state)
{
    (void)state;
    static const int signals[] = { SIGTERM, SIGINT, SIGHUP };
    for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
        pid_t pid = fork();
        if (pid == 0) {
            exitcode_on_signals();
            raise(SIGPIPE);
            raise(signals[i]);
            _exit(0);
        }
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(facts_and_sections),
        cmocka_unit_test(failures_have_codes),
        cmocka_unit_test(many_problems_are_counted),
        cmocka_unit_test(denials_say_what_to_allow),
        cmocka_unit_test(colours_unless_somebody_minds),
        cmocka_unit_test(the_code_file),
        cmocka_unit_test(signals_end_with_the_system_failure),
    };
    setenv("NO_COLOR", "1", 1);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
