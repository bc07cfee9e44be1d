/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "executor/doctor.h"

static char directory[] = "/tmp/berth-test-doctor-XXXXXX";
static char *allow, *deny, *unit;

static int set_up(void **state)
{
    (void)state;
    if (mkdtemp(directory) == NULL)
        return -1;
    allow = xasprintf("%s/allow", directory);
    deny = xasprintf("%s/deny", directory);
    unit = xasprintf("%s/user@54326.service", directory);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(unit);
    free(allow);
    free(deny);
    free(unit);
    return rmdir(directory);
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void who_may_use_cron_and_at(void **state)
{
    (void)state;
    assert_true(doctor_may_schedule(allow, deny, "job", true));
    assert_false(doctor_may_schedule(allow, deny, "job", false));
    write_file(deny, "other\njob\n");
    assert_false(doctor_may_schedule(allow, deny, "job", true));
    assert_true(doctor_may_schedule(allow, deny, "jo", false));
    write_file(allow, "job");
    assert_true(doctor_may_schedule(allow, deny, "job", false));
    assert_false(doctor_may_schedule(allow, deny, "one", true));
    unlink(allow);
    unlink(deny);
}

static void what_a_masked_unit_is(void **state)
{
    (void)state;
    assert_false(doctor_is_masked(directory, 54326));
    assert_int_equal(symlink("/dev/zero", unit), 0);
    assert_false(doctor_is_masked(directory, 54326));
    unlink(unit);
    write_file(unit, "[Service]\n");
    assert_false(doctor_is_masked(directory, 54326));
    unlink(unit);
    assert_int_equal(symlink("/dev/null", unit), 0);
    assert_true(doctor_is_masked(directory, 54326));
    assert_false(doctor_is_masked(directory, 5432));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_may_use_cron_and_at),
        cmocka_unit_test(what_a_masked_unit_is),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
