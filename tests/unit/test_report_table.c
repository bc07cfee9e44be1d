/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "executor/engine/report.h"
#include "tests/unit/reporting.h"

static int answer(void *context, const char *name, const char *action, const cJSON *input,
                  cJSON **ret_output, struct err *err)
{
    (void)context;
    (void)name;
    (void)action;
    (void)input;
    (void)ret_output;
    (void)err;
    return 0;
}

static void test_table(void **state)
{
    (void)state;
    struct cancel cancel;
    cancel_init(&cancel);
    struct session *s = NULL;
    _cleanup_err_ struct err err = ERR_INIT;
    _cleanup_report_ struct report report = REPORT_INIT;
    _cleanup_json_ cJSON *group_id = cJSON_CreateObject();
    json_put_str(group_id, "GroupId", "sg-1");
    assert_int_equal(session_open_fake("us-east-1", "123456789012", &cancel, answer, NULL, &s), 0);
    assert_int_equal(aws_call(s, "ecs", "ListClusters", NULL, NULL, &err), 0);
    assert_int_equal(aws_call(s, "ec2", "DeleteSecurityGroup", group_id, NULL, &err), 0);
    report_phase(&report, "observe");
    report_table(&report, s);
    expect_log_timeless("tookT and 2 calls: 1 read, 1 write, 0 retries, 0 throttled\n"
                        "  phase                    time\n"
                        "  observeT\n"
                        "  calls               reads  writes  retries  throttled\n"
                        "  ec2                     0       1        0          0\n"
                        "  ecs                     1       0        0          0\n"
                        "  in all                  1       1        0          0\n");
    session_free(s);
    cancel_release(&cancel);
}

/* A destroy that looks twice has eight, a deploy that is taken back, too. */
static void test_no_phase_is_left_out(void **state)
{
    (void)state;
    static const char *const names[] = { "lock",      "spec",     "session", "observe",   "plan",
                                         "preflight", "capacity", "apply",   "take back", "look" };
    _cleanup_report_ struct report report = REPORT_INIT;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        report_phase(&report, names[i]);
    report_table(&report, NULL);
    expect_log_timeless("tookT and 0 calls: 0 reads, 0 writes, 0 retries, 0 throttled\n"
                        "  phase                    time\n"
                        "  lockT\n  specT\n  sessionT\n  observeT\n  planT\n  preflightT\n"
                        "  capacityT\n  applyT\n  take backT\n  lookT\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_table, reporting_setup, reporting_teardown),
        cmocka_unit_test_setup_teardown(test_no_phase_is_left_out, reporting_setup,
                                        reporting_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
