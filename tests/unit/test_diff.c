/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "executor/engine/engine.h"

static const struct {
    const char *want, *have;
    bool whole;
    const char *changes; /* NULL: none */
} cases[] = {
    { "{}", "{}", true, NULL },
    { "{\"a\":1}", "{\"a\":1,\"b\":2}", false, NULL },
    { "{\"a\":1}", "{\"a\":1,\"b\":2}", true, "[{\"path\":\"b\",\"from\":2}]" },
    { "{\"a\":1,\"b\":2}", "{\"b\":2,\"a\":1}", true, NULL },
    { "{\"a\":1}", "{}", false, "[{\"path\":\"a\",\"to\":1}]" },
    { "{\"a\":1}", "{\"A\":1}", false, "[{\"path\":\"a\",\"to\":1}]" },
    { "{\"a\":\"1\"}", "{\"a\":1}", false, "[{\"path\":\"a\",\"from\":1,\"to\":\"1\"}]" },
    { "{\"a\":{\"b.c\":{\"d\":1}}}", "{\"a\":{\"b.c\":{\"d\":2}}}", false,
      "[{\"path\":\"a.\\\"b.c\\\".d\",\"from\":2,\"to\":1}]" },
    { "{\"a\":[1,2]}", "{\"a\":[1,2,3]}", false,
      "[{\"path\":\"a\",\"from\":[1,2,3],\"to\":[1,2]}]" },
    { "{\"a\":[1,{\"x\":1}]}", "{\"a\":[2,{\"x\":1,\"y\":1}]}", false,
      "[{\"path\":\"a[0]\",\"from\":2,\"to\":1}]" },
    { "{\"a\":[{\"x\":1}]}", "{\"a\":[{\"x\":1,\"y\":1}]}", true,
      "[{\"path\":\"a[0].y\",\"from\":1}]" },
    { "{\"a\":{\"b\":1}}", "{\"a\":[1]}", false,
      "[{\"path\":\"a\",\"from\":[1],\"to\":{\"b\":1}}]" },
    { "{\"a\":1,\"b\":{\"c\":[1]},\"d\":4}", "{\"a\":2,\"b\":{\"c\":[3]},\"d\":4}", true,
      "[{\"path\":\"a\",\"from\":2,\"to\":1},{\"path\":\"b.c[0]\",\"from\":3,\"to\":1}]" },
    { "{\"a\":{\"${}\":\"${x.y}\"}}", "{\"a\":\"v\"}", false,
      "[{\"path\":\"a\",\"from\":\"v\",\"to\":{\"${}\":\"${x.y}\"}}]" },
    { "{\"a\":{\"${}\":\"${x.y}\"}}", "{\"a\":{\"${}\":\"${x.y}\"}}", false,
      "[{\"path\":\"a\",\"from\":{\"${}\":\"${x.y}\"},\"to\":{\"${}\":\"${x.y}\"}}]" },
    { "{\"a\":true}", "{\"a\":false}", false, "[{\"path\":\"a\",\"from\":false,\"to\":true}]" },
};

static void test_what_differs(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_json_ cJSON *want = cJSON_Parse(cases[i].want);
        _cleanup_json_ cJSON *have = cJSON_Parse(cases[i].have);
        _cleanup_json_ cJSON *changes = diff_values(want, have, cases[i].whole);
        _cleanup_free_ char *text = changes != NULL ? json_print(changes) : NULL;
        if (!str_eq(text, cases[i].changes))
            fail_msg("%s against %s: %s", cases[i].want, cases[i].have, text ? text : "nothing");
    }
}

static void test_against_nothing(void **state)
{
    (void)state;
    _cleanup_json_ cJSON *want = cJSON_Parse("{\"a\":1}");
    _cleanup_json_ cJSON *changes = diff_values(want, NULL, false);
    _cleanup_free_ char *text = json_print(changes);
    assert_string_equal(text, "[{\"path\":\"\",\"to\":{\"a\":1}}]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_differs),
        cmocka_unit_test(test_against_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
