/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "executor/cli.h"

static struct {
    bool json;
    int64_t project;
    const char *ref;
    struct strlist vars;
} given;

static const struct cli_option options[] = {
    { "json", CLI_FLAG, &given.json, NULL, "prints JSON" },
    { "project", CLI_NUMBER, &given.project, "N", "the project" },
    { "ref", CLI_NEEDED, &given.ref, "BRANCH", "the branch" },
    { "var", CLI_LIST, &given.vars, "NAME=VALUE", "a variable" },
    { .name = NULL },
};
static const struct cli_command commands[] = {
    { "plan", "[DIR]", "Says what a deploy would change.", options, NULL },
    { "status", "", "Says how things are.", options, NULL },
    { .name = NULL },
};

#define ARGV(...) ((char *[]){ __VA_ARGS__, NULL })
#define A(s)      ((char *)(s))

static int release(void **state)
{
    (void)state;
    strlist_release(&given.vars);
    memset(&given, 0, sizeof(given));
    return 0;
}

static void test_values(void **state)
{
    (void)state;
    _cleanup_err_ struct err err = ERR_INIT;
    _cleanup_strlist_ struct strlist arguments = STRLIST_INIT;
    char **argv = ARGV(A("one"), A("--json"), A("--project"), A("77"), A("--ref=dev/x=y"),
                       A("--var"), A("A=1"), A("--var=B=2"), A("-"), A("--"), A("--json=x"));
    assert_int_equal(cli_parse(commands, argv, &arguments, &err), 0);
    assert_true(given.json);
    assert_int_equal(given.project, 77);
    assert_string_equal(given.ref, "dev/x=y");
    assert_int_equal(given.vars.n, 2);
    assert_string_equal(given.vars.v[1], "B=2");
    assert_int_equal(arguments.n, 3);
    assert_string_equal(arguments.v[2], "--json=x");
}

struct wrong {
    char *argv[3];
    const char *message;
};

static const struct wrong wrong[] = {
    { { A("--projct"), A("7") },
      "unknown option '--projct'; did you mean '--project'? (see 'berth plan --help')" },
    { { A("--nothing-like-it") }, "unknown option '--nothing-like-it' (see 'berth plan --help')" },
    { { A("-x") }, "unknown option '-x' (see 'berth plan --help')" },
    { { A("--ref") }, "option '--ref' needs a value: --ref BRANCH (see 'berth plan --help')" },
    { { A("--json=1") }, "option '--json' takes no value (see 'berth plan --help')" },
    { { A("--project"), A("x") },
      "option '--project' takes a number from 1, not 'x' (see 'berth plan --help')" },
    { { A("--project=0") },
      "option '--project' takes a number from 1, not '0' (see 'berth plan --help')" },
};

static void test_wrong(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        _cleanup_err_ struct err err = ERR_INIT;
        _cleanup_strlist_ struct strlist arguments = STRLIST_INIT;
        assert_int_equal(cli_parse(commands, (char **)wrong[i].argv, &arguments, &err), -1);
        assert_int_equal(err.class, ERR_USER);
        assert_string_equal(err.message, wrong[i].message);
    }
}

static void test_commands(void **state)
{
    (void)state;
    _cleanup_err_ struct err err = ERR_INIT;
    assert_ptr_equal(cli_find(commands, "status", &err), &commands[1]);
    assert_null(cli_find(commands, "stauts", &err));
    assert_string_equal(err.message, "unknown command 'stauts'; did you mean 'status'?");
    assert_null(cli_find(commands, "frobnicate", &err));
    assert_string_equal(err.message, "unknown command 'frobnicate' (see 'berth --help')");
}

static void test_help(void **state)
{
    (void)state;
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    cli_help(commands, &text);
    assert_string_equal(text.buf, "usage: berth plan [--json] [--project N] --ref BRANCH "
                                  "[--var NAME=VALUE]...\n"
                                  "                  [DIR]\n\n"
                                  "Says what a deploy would change.\n\n"
                                  "options:\n"
                                  "  --json            prints JSON\n"
                                  "  --project N       the project\n"
                                  "  --ref BRANCH      the branch\n"
                                  "  --var NAME=VALUE  a variable\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_values, release),
        cmocka_unit_test_teardown(test_wrong, release),
        cmocka_unit_test(test_commands),
        cmocka_unit_test(test_help),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
