/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "drivers/lint.h"

static void what_is_a_finding(void **state)
{
    (void)state;
    static const struct {
        const char *line, *path, *code, *text;
        unsigned row, column;
    } cases[] = {
        { "a.py:1:2: E501 too long", "a.py", "E501", "too long", 1, 2 },
        { "./m/a.py:10:20: W1 x\r", "m/a.py", "W1", "x", 10, 20 },
        { "a:b: 3.py:1:2: E1 x: y", "a:b: 3.py", "E1", "x: y", 1, 2 },
        { "a.py:1:2: invalid-syntax: Expected", "a.py", "invalid-syntax", "Expected", 1, 2 },
        { "a.py:1:2: E1", "a.py", "E1", "", 1, 2 },
        { "a.py:1: E1 x", NULL, NULL, NULL, 0, 0 },
        { "a.py:1:2:E1 x", NULL, NULL, NULL, 0, 0 },
        { ":1:2: E1 x", NULL, NULL, NULL, 0, 0 },
        { "a.py:1:2: ", NULL, NULL, NULL, 0, 0 },
        { "a.py:-1:2: E1 x", NULL, NULL, NULL, 0, 0 },
        { "Found 3 errors.", NULL, NULL, NULL, 0, 0 },
        { "", NULL, NULL, NULL, 0, 0 },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_lint_findings_ struct lint_findings found = LINT_FINDINGS_INIT;
        _cleanup_free_ char *text = xasprintf("x\n%s\n\n", cases[i].line);
        lint_read(text, &found);
        assert_int_equal(found.n, cases[i].path != NULL);
        if (found.n == 0)
            continue;
        assert_string_equal(found.v[0].path, cases[i].path);
        assert_string_equal(found.v[0].code, cases[i].code);
        assert_string_equal(found.v[0].text, cases[i].text);
        assert_int_equal(found.v[0].line, cases[i].row);
        assert_int_equal(found.v[0].column, cases[i].column);
    }
}

static const char *fingerprint(const cJSON *report, int i)
{
    return json_str(cJSON_GetArrayItem(report, i), "fingerprint");
}

static void fingerprints(void **state)
{
    (void)state;
    _cleanup_lint_findings_ struct lint_findings before = LINT_FINDINGS_INIT;
    _cleanup_lint_findings_ struct lint_findings after = LINT_FINDINGS_INIT;
    lint_read("a:1:1: E1 x\na:2:1: E1 x\nb:1:1: E1 x\na:1:1: E2 x\na:0:1: E1 y", &before);
    lint_read("a:7:1: E1 x\na:9:1: E1 x", &after);
    _cleanup_json_ cJSON *one = lint_to_code_quality(&before);
    _cleanup_json_ cJSON *two = lint_to_code_quality(&after);
    assert_int_equal(json_count(one), 5);
    for (int i = 0; i < 5; i++)
        for (int j = 0; j < i; j++)
            assert_string_not_equal(fingerprint(one, i), fingerprint(one, j));
    for (int i = 0; i < 2; i++)
        assert_string_equal(fingerprint(one, i), fingerprint(two, i));
    assert_int_equal(json_int(json_at(one, "4/location/lines"), "begin", 0), 1);
}

static void lengths(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool sets;
    } cases[] = {
        { "[pycodestyle]\nmax-line-length=1", true },
        { "[a]\nb=1\n[pycodestyle]\nx = 1\nMAX_LINE_LENGTH : 1\n", true },
        { "[pep8]\nmax-line-length = 1\n", true },
        { "[pep8]\nmax-line-length = 1\n[pycodestyle]\nignore = E2\n", false },
        { "[pep8]\nignore = E2\n[pycodestyle]\nmax-line-length = 1\n", true },
        { "[pycodestyle]\nmax-line=1\n", false },
        { "[pycodestyle]\n[a]\nmax-line-length=1\n", false },
        { "[pycodestyle]\nignore =\n  max-line-length=1\n", false },
        { "[pycodestyle]\n# max-line-length=1\n", false },
        { "[pycodestyle]\nmax-line-lengths=1\n", false },
        { "[pycodestyle]\nmax-line-length", false },
        { "max-line-length=1\n", false },
        { "", false },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_int_equal(lint_config_sets(cases[i].text, "pycodestyle", "max-line-length"),
                         cases[i].sets);
    assert_true(lint_config_sets("[flake8]\nquiet = 1\n", "flake8", "quiet"));
    assert_false(lint_config_sets("[pep8]\nquiet = 1\n", "flake8", "quiet"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_a_finding),
        cmocka_unit_test(fingerprints),
        cmocka_unit_test(lengths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
