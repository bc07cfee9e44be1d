/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>

#include "executor/base/err.h"
#include "executor/base/redact.h"

static void sets_wraps_and_moves(void **state)
{
    (void)state;
    _cleanup_err_ struct err err = ERR_INIT;
    assert_int_equal(err_set(&err, ERR_USER, "cannot read '%s'", "x"), -1);
    assert_int_equal(err_wrap(&err, "service '%s'", "web"), -1);
    assert_string_equal(err.message, "service 'web': cannot read 'x'");
    assert_int_equal(err.class, ERR_USER);

    _cleanup_err_ struct err other = ERR_INIT;
    err_set(&other, ERR_BUG, "old");
    assert_int_equal(err_move(&other, &err), -1);
    assert_string_equal(other.message, "service 'web': cannot read 'x'");
    assert_null(err.message);
    assert_int_equal(err.class, ERR_NONE);
}

static void setting_again_may_use_the_old_message(void **state)
{
    (void)state;
    _cleanup_err_ struct err err = ERR_INIT;
    err_set(&err, ERR_BUG, "inner");
    err_set(&err, ERR_HOST, "outer of %s", err.message);
    assert_string_equal(err.message, "outer of inner");
    assert_int_equal(err.class, ERR_HOST);
}

static void a_new_error_forgets_what_aws_said(void **state)
{
    (void)state;
    _cleanup_err_ struct err err = ERR_INIT;
    err_set(&err, ERR_DENIED, "no");
    strcpy(err.aws_code, "AccessDenied");
    err.http_status = 403;
    _cleanup_err_ struct err copy = ERR_INIT;
    err_copy(&copy, &err);
    assert_string_equal(copy.aws_code, "AccessDenied");
    assert_ptr_not_equal(copy.message, err.message);
    err_set(&err, ERR_BUG, "else");
    assert_string_equal(err.aws_code, "");
    assert_int_equal(err.http_status, 0);
}

static void errno_is_said(void **state)
{
    (void)state;
    _cleanup_err_ struct err err = ERR_INIT;
    assert_int_equal(err_set_errno(&err, ERR_HOST, ENOENT, "cannot open '%s'", "x"), -1);
    assert_string_equal(err.message, "cannot open 'x': No such file or directory");
}

static void every_class_is_somebodys_fault(void **state)
{
    (void)state;
    static const enum err_class users[] = { ERR_USER, ERR_REFUSED, ERR_CONFLICT, ERR_UNHEALTHY };
    for (enum err_class c = ERR_NONE; c <= ERR_BUG; c++) {
        bool user = false;
        for (size_t i = 0; i < ARRAY_SIZE(users); i++)
            user = user || users[i] == c;
        const struct err err = { .class = c };
        assert_int_equal(err_blame(&err), user ? BLAME_USER : BLAME_SYSTEM);
        assert_true(*err_class_words(c) != '\0');
        assert_false(str_starts(err_class_name(c), "ERR_"));
    }
    assert_string_equal(err_class_name(ERR_USER), "USER");
}

static void a_message_holds_no_secret(void **state)
{
    (void)state;
    _cleanup_err_ struct err err = ERR_INIT;
    redact_add("open sesame");
    err_set(&err, ERR_USER, "it is '%s", "open ses\n  ame'");
    assert_string_equal(err.message, "it is '[MASKED]'");
    err_set(&err, ERR_USER, "%s", "ame");
    err_wrap(&err, "open ses%s", "\\n");
    assert_string_equal(err.message, "open ses\\n: ame");
    err_wrap(&err, "%s", "open sesame");
    assert_string_equal(err.message, "[MASKED]: open ses\\n: ame");
    redact_release();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sets_wraps_and_moves),
        cmocka_unit_test(setting_again_may_use_the_old_message),
        cmocka_unit_test(a_new_error_forgets_what_aws_said),
        cmocka_unit_test(errno_is_said),
        cmocka_unit_test(a_message_holds_no_secret),
        cmocka_unit_test(every_class_is_somebodys_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
