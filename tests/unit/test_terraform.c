/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "drivers/terraform.h"

/* One diagnostic of each kind: what of it is the user's. */
static void verdicts(void **state)
{
    (void)state;
    static const char place[] =
        ",\"range\":{\"filename\":\"m.tf\",\"start\":{\"line\":3,\"column\":5}}";
    static const struct {
        const char *severity, *summary, *place;
        bool initialized, whole;
        size_t errors, warnings;
    } cases[] = {
        { "error", "Unsupported argument", place, true, true, 1, 0 },
        { "error", "Unsupported argument", place, false, false, 1, 0 },
        { "error", "Invalid thing", "", true, true, 1, 0 },
        { "error", "Invalid thing", "", false, false, 0, 0 },
        { "error", "Missing required provider", "", true, false, 0, 0 },
        { "error", "Module not installed", place, true, false, 0, 0 },
        { "warning", "Deprecated", place, true, true, 0, 1 },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_terraform_verdict_ struct terraform_verdict v = TERRAFORM_VERDICT_INIT;
        _cleanup_err_ struct err err = ERR_INIT;
        _cleanup_free_ char *text =
            xasprintf("{\"valid\":false,\"diagnostics\":[{\"severity\":\"%s\",\"summary\":\"%s\","
                      "\"detail\":\"a\\nb\"%s}]}\n",
                      cases[i].severity, cases[i].summary, cases[i].place);
        assert_int_equal(
            terraform_judge(text, strlen(text), "infra", cases[i].initialized, &v, &err), 0);
        assert_int_equal(v.errors.n, cases[i].errors);
        assert_int_equal(v.warnings.n, cases[i].warnings);
        assert_int_equal(v.whole, cases[i].whole);
        if (i == 0)
            assert_string_equal(v.errors.v[0], "infra/m.tf:3:5: Unsupported argument: a b");
    }
}

static void what_is_no_verdict(void **state)
{
    (void)state;
    static const char *const texts[] = { "", "{}", "valid", "{\"valid\":1}", "[true]" };
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        _cleanup_terraform_verdict_ struct terraform_verdict v = TERRAFORM_VERDICT_INIT;
        _cleanup_err_ struct err err = ERR_INIT;
        assert_int_equal(terraform_judge(texts[i], strlen(texts[i]), ".", true, &v, &err), -1);
        assert_int_equal(err.class, ERR_HOST);
    }
}

static void places(void **state)
{
    (void)state;
    assert_true(terraform_names_a_line("\nError: x\n\n  on a.tf line 3, in locals:\n   3: a"));
    assert_false(terraform_names_a_line("Error: x\n\n  on a.tf\n at line 3"));
    assert_false(terraform_names_a_line("flag provided but not defined: on line x"));
}

static void first_errors(void **state)
{
    (void)state;
    static const struct {
        const char *words, *first;
    } cases[] = {
        { "\nError: No way\n\nTo the\nregistry\n\nMore\n", "No way: To the registry" },
        { "x\nError: One\n\nError: Two\n", "One" },
        { "Error: One", "One" },
        { "an Error: inside", NULL },
        { "", NULL },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_free_ char *first = terraform_first_error(cases[i].words);
        if (cases[i].first == NULL)
            assert_null(first);
        else
            assert_string_equal(first, cases[i].first);
    }
}

static void answers(void **state)
{
    (void)state;
    assert_true(terraform_is_answered("\nError: Failed to query available provider packages\n\n"
                                      "Could not retrieve it: no available\nreleases match the "
                                      "given constraints >= 99.0.0\n"));
    assert_false(terraform_is_answered("\nError: Failed to query available provider packages\n\n"
                                       "could not connect: no available network\n"));
    assert_false(terraform_is_answered(""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers),
        cmocka_unit_test(verdicts),
        cmocka_unit_test(what_is_no_verdict),
        cmocka_unit_test(places),
        cmocka_unit_test(first_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
