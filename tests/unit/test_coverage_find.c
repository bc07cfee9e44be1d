/* SPDX-License-Identifier: MIT */
/* Which report of a module's tests counts: in a checkout in a directory of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "drivers/coverage.h"
#include "executor/base/file.h"

static char root[] = "/tmp/berth-test-coverage-XXXXXX";
static int checkout = -1;
#define BEGAN (1600000000 * INT64_C(1000000000))

static void make_parents(const char *path)
{
    char part[256];
    for (const char *slash = strchr(path, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        snprintf(part, sizeof(part), "%.*s", (int)(slash - path), path);
        mkdirat(checkout, part, 0755);
    }
}

/* Seconds after the job began; negative ones before. */
static void put(const char *path, int seconds, long nanoseconds)
{
    _cleanup_err_ struct err err = ERR_INIT;
    make_parents(path);
    assert_int_equal(file_write_beneath(checkout, path, "x", 1, 0644, &err), 0);
    const struct timespec at = { .tv_sec = BEGAN / 1000000000 + seconds, .tv_nsec = nanoseconds };
    const struct timespec times[2] = { at, at };
    assert_int_equal(utimensat(checkout, path, times, 0), 0);
}

static int remove_tree(void **state)
{
    (void)state;
    _cleanup_free_ char *command = xasprintf("rm -rf '%s'", root);
    closep(&checkout);
    checkout = -1;
    return system(command);
}

static int make_tree(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    strcpy(root + strlen(root) - 6, "XXXXXX");
    if (mkdtemp(root) == NULL || file_open_dir(root, &checkout, &err) < 0)
        return -1;
    return mkdirat(checkout, "notifier", 0755);
}

static int search(const char *pattern, struct coverage_source *ret, struct strlist *passed_over,
                  struct err *err)
{
    const struct coverage_search search = { .checkout = checkout,
                                            .module = "notifier",
                                            .place = "notifier",
                                            .pattern = pattern,
                                            .began = BEGAN };
    return coverage_find(&search, ret, passed_over, err);
}

static void finds(const char *pattern, const char *path, size_t passed_over)
{
    _cleanup_coverage_source_ struct coverage_source source = COVERAGE_SOURCE_INIT;
    _cleanup_strlist_ struct strlist others = STRLIST_INIT;
    _cleanup_err_ struct err err = ERR_INIT;
    if (search(pattern, &source, &others, &err) < 0)
        fail_msg("%s", err.message);
    assert_string_equal(source.path, path);
    assert_int_equal(others.n, passed_over);
    char byte;
    assert_int_equal(read(source.fd, &byte, 1), 1);
}

static void finds_none(const char *pattern, const char *why)
{
    _cleanup_coverage_source_ struct coverage_source source = COVERAGE_SOURCE_INIT;
    _cleanup_strlist_ struct strlist others = STRLIST_INIT;
    _cleanup_err_ struct err err = ERR_INIT;
    assert_int_equal(search(pattern, &source, &others, &err), -1);
    assert_int_equal(err.class, ERR_USER);
    if (strstr(err.message, why) == NULL)
        fail_msg("'%s' instead of '%s'", err.message, why);
}

static void the_usual_names_are_found_in_order(void **state)
{
    (void)state;
    finds_none(NULL, "the tests of 'notifier' have written no coverage report: looked in "
                     "'notifier' and the project's directory for coverage.xml, cobertura*.xml, ");
    put("notifier/.coverage", 5, 0);
    finds(NULL, "notifier/.coverage", 0);
    put("lcov.info", 5, 0); /* a report anywhere comes before what reports are made from */
    finds(NULL, "lcov.info", 0);
    put("notifier/build/reports/jacoco/test/jacocoTestReport.xml", 5, 0);
    finds(NULL, "notifier/build/reports/jacoco/test/jacocoTestReport.xml", 1);
    put("notifier/cobertura-b.xml", 5, 0);
    put("notifier/cobertura-a.xml", 5, 0);
    finds(NULL, "notifier/cobertura-a.xml", 3);
    put("notifier/coverage.xml", 5, 0);
    finds(NULL, "notifier/coverage.xml", 4);
}

static void what_is_older_than_the_job_does_not_count(void **state)
{
    (void)state;
    put("notifier/coverage.xml", -1, 999999999);
    finds_none(NULL, "'notifier/coverage.xml' is from 2020-09-13T12:26:39Z, before this job began "
                     "(2020-09-13T12:26:40Z)");
    put("coverage.xml", -100, 0); /* the newest is named */
    finds_none(NULL, "'notifier/coverage.xml' is from");
    finds_none("coverage.xml", "'notifier/coverage.xml' is from");
    put("jacoco.xml", 0, 0);
    finds(NULL, "jacoco.xml", 0);
}

static void patterns(void **state)
{
    (void)state;
    finds_none("out/*.xml", "looked in 'notifier' and the project's directory for out/*.xml; ");
    put("out/a.xml", 1, 0);
    put("out/b.xml", 1, 0);
    put("out/old.xml", -1, 0);
    put("out/.hidden.xml", 1, 0);
    finds_none("out/*.xml", "matches 2 reports that this job has written, 'out/a.xml' and "
                            "'out/b.xml' among them");
    finds("out/b.xml", "out/b.xml", 0);
    finds("o?t/[a].xml", "out/a.xml", 0);
    put("notifier/out/c.xml", 1, 0); /* the module's own comes first */
    finds("out/*.xml", "notifier/out/c.xml", 2);
    finds("*/*/c.xml", "notifier/out/c.xml", 0);
}

/* Where a tool would make a directory "coverage" or "target" there may be anything else. */
static void what_has_the_name_of_a_reports_directory(void **state)
{
    (void)state;
    put("notifier/coverage", 5, 0);
    put("target", 5, 0);
    finds_none(NULL, "the tests of 'notifier' have written no coverage report: looked in ");
    assert_int_equal(symlinkat("/etc", checkout, "coverage"), 0);
    finds_none(NULL, "the tests of 'notifier' have written no coverage report: looked in ");
    finds_none("coverage/*.xml", "cannot open 'notifier/coverage': Not a directory");
}

static void what_is_no_file_of_the_checkout(void **state)
{
    (void)state;
    assert_int_equal(symlinkat("/etc/passwd", checkout, "notifier/coverage.xml"), 0);
    finds_none(NULL, "'notifier/coverage.xml' goes through a symbolic link, which is not followed");
    static const char *const upwards[] = { "../coverage.xml", "../../*.xml", "a/../b", "a/.." };
    for (size_t i = 0; i < ARRAY_SIZE(upwards); i++)
        finds_none(upwards[i], "must not go up by '..': it is looked for in 'notifier' and the "
                               "project's directory");
    assert_int_equal(mkfifoat(checkout, "lcov.info", 0644), 0);
    finds_none("lcov.info", "'lcov.info' is not a regular file");
    assert_int_equal(symlinkat("/tmp", checkout, "elsewhere"), 0);
    finds_none("elsewhere/*", "goes through a symbolic link");
    put("jacoco.xml", 1, 0);
    finds(NULL, "jacoco.xml", 0);
}

static void parallel_data_is_not_combined(void **state)
{
    (void)state;
    put("notifier/.coverage.host.1.aaaaaa", 1, 0);
    put("notifier/.coverage.host.2.bbbbbb", 1, 0);
    finds_none(NULL, "'notifier/.coverage.host.1.aaaaaa' and others like it (2 in all) hold "
                     "coverage.py's data, not combined yet: let the job's script run 'coverage "
                     "combine'");
    put("notifier/.coverage", 2, 0);
    finds(NULL, "notifier/.coverage", 0);
}

#define IN_TREE(f) cmocka_unit_test_setup_teardown(f, make_tree, remove_tree)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_TREE(the_usual_names_are_found_in_order),
        IN_TREE(what_is_older_than_the_job_does_not_count),
        IN_TREE(patterns),
        IN_TREE(what_has_the_name_of_a_reports_directory),
        IN_TREE(what_is_no_file_of_the_checkout),
        IN_TREE(parallel_data_is_not_combined),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
