/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "executor/base/near.h"

static const char *nearest(const char *wrong)
{
    static const char *const known[] = { "memory", "memoryReservation", "vpc", "cpu", "services" };
    struct near near = NEAR_INIT(wrong);
    for (size_t i = 0; i < ARRAY_SIZE(known); i++)
        near_try(&near, known[i]);
    return near.word;
}

static void test_near(void **state)
{
    (void)state;
    assert_string_equal(nearest("memroy"), "memory");
    assert_string_equal(nearest("Memory"), "memory");
    assert_string_equal(nearest("mem"), "memory");
    assert_string_equal(nearest("vcp"), "vpc");
    assert_string_equal(nearest("serv"), "services");
    assert_null(nearest("zebra"));
    assert_null(nearest(""));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_near) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
