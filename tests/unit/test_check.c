/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "executor/base/file.h"
#include "executor/check.h"

static char directory[64];
static int checkout = -1;

static int make_directory(void **state)
{
    (void)state;
    strcpy(directory, "/tmp/berth-test-check-XXXXXX");
    if (mkdtemp(directory) == NULL)
        return -1;
    checkout = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return checkout < 0 || mkdirat(checkout, ".berth", 0700) < 0;
}

static int remove_directory(void **state)
{
    (void)state;
    unlinkat(checkout, ".berth/environment.json", 0);
    unlinkat(checkout, ".berth", AT_REMOVEDIR);
    close(checkout);
    return rmdir(directory);
}

#define NETWORK "\"network\": { \"vpc\": \"vpc-1\", \"privateSubnets\": [\"subnet-1\"] },"

static int check(const char *text, const struct strlist *vars, struct check *ret, struct err *err)
{
    assert_int_equal(
        file_write_beneath(checkout, ".berth/environment.json", text, strlen(text), 0600, err), 0);
    return check_spec(NULL, 0, checkout, vars, ret, err);
}

static void test_valid(void **state)
{
    (void)state;
    static const char text[] =
        "{" NETWORK "\"modules\": { \"a\": {} }, \"services\": { \"a\": { \"module\": \"a\","
        "\"cpu\": 256, \"memory\": 512, \"executionRole\": \"r\", \"taskRole\": \"r\","
        "\"environment\": { \"X\": \"${GIVEN}${WANTED}${PIPELINE_ID}${COMMIT_SHA}\" } } },"
        "\"roles\": { \"r\": { \"trust\": { \"Statement\": [] } } } }";
    _cleanup_check_ struct check found = CHECK_INIT;
    _cleanup_err_ struct err err = ERR_INIT;
    _cleanup_strlist_ struct strlist vars = STRLIST_INIT;
    strlist_add(&vars, "GIVEN=1");
    if (check(text, &vars, &found, &err) < 0)
        fail_msg("%s", err.message);
    _cleanup_strbuf_ struct strbuf said = STRBUF_INIT;
    check_to_text(&found, &said);
    assert_string_equal(said.buf, "valid: 1 service, for production and ephemeral environments\n"
                                  "needs the CI/CD variables WANTED\n");
    _cleanup_json_ cJSON *json = check_to_json(&found, NULL);
    assert_true(json_bool(json, "valid", false));
    assert_true(json_array_has(json_get(json, "variables"), "WANTED"));
}

/* What is wrong in one kind's overlay is found although the other kind is fine; a variable that
 * looks like one of berth's is not taken for the job's. */
static void test_wrong(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{" NETWORK "\"services\": {}, \"overlays\": { \"ephemeral\": { \"logs\": 1 } } }",
        "{" NETWORK "\"services\": { \"a\": { \"image\": \"${ENVIROMENT}\" } } }",
    };
    static const char *const messages[] = { "overlays.ephemeral.logs: must be an object, is 1",
                                            "did you mean '${ENVIRONMENT}'?" };
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        _cleanup_check_ struct check found = CHECK_INIT;
        _cleanup_err_ struct err err = ERR_INIT;
        const struct strlist vars = STRLIST_INIT;
        assert_int_equal(check(texts[i], &vars, &found, &err), -1);
        assert_int_equal(err.class, ERR_USER);
        assert_non_null(strstr(err.message, messages[i]));
        _cleanup_json_ cJSON *json = check_to_json(&found, &err);
        assert_false(json_bool(json, "valid", true));
        assert_int_equal(json_count(json_get(json, "problems")), 1);
    }
}

static void test_vars(void **state)
{
    (void)state;
    _cleanup_strlist_ struct strlist vars = STRLIST_INIT;
    strlist_add(&vars, "A=1");
    strlist_add(&vars, "AB=2=3");
    strlist_add(&vars, "A=");
    assert_string_equal(vars_find(&vars, "A"), "");
    assert_string_equal(vars_find(&vars, "AB"), "2=3");
    assert_null(vars_find(&vars, "B"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_valid),
        cmocka_unit_test(test_wrong),
        cmocka_unit_test(test_vars),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
