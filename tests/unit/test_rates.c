/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "drivers/aws/rates.h"
#include "executor/base/json.h"

static struct rates *rates_with(const char *config)
{
    _cleanup_json_ cJSON *json = config != NULL ? cJSON_Parse(config) : NULL;
    struct rates *rates = NULL;
    struct err err = ERR_INIT;
    assert_int_equal(rates_new(json, &rates, &err), 0);
    return rates;
}

/* How long n calls take that all ask at the same time. */
static double span_of(struct rates *rates, const char *service, const char *action, unsigned n,
                      double now)
{
    double last = 0;
    for (unsigned i = 0; i < n; i++)
        last = rates_take(rates, service, action, now);
    return last;
}

static void documented_limits_are_kept(void **state)
{
    (void)state;
    struct rates *rates = rates_with(NULL);
    double alarms = span_of(rates, "monitoring", "PutMetricAlarm", 31, 100);
    assert_true(alarms > 8 && alarms < 11); /* 3 a second, the first second's at once */
    assert_true(span_of(rates, "ecs", "DescribeServices", 500, 100) == 0);
    /* Route 53's limit is one for all its actions. */
    span_of(rates, "route53", "ListHostedZones", 25, 100);
    assert_true(rates_take(rates, "route53", "GetChange", 100) > 4);
    rates_free(rates);
}

static void the_host_configs_rates_win(void **state)
{
    (void)state;
    struct rates *rates = rates_with("{\"ecs.RegisterTaskDefinition\": 1, \"route53\": 50}");
    assert_true(rates_of(rates, "route53") == 50);
    double took = span_of(rates, "ecs", "RegisterTaskDefinition", 11, 0);
    assert_true(took > 9 && took < 11);
    rates_free(rates);
}

static void wrong_rates_are_refused(void **state)
{
    (void)state;
    const char *wrong[] = { "{\"ecs\": 0}", "{\"ecs\": -1}", "{\"ecs\": \"5\"}" };
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        _cleanup_json_ cJSON *json = cJSON_Parse(wrong[i]);
        struct rates *rates = NULL;
        _cleanup_err_ struct err err = ERR_INIT;
        assert_int_equal(rates_new(json, &rates, &err), -1);
        assert_int_equal(err.class, ERR_INVALID);
        assert_null(rates);
    }
}

static void throttling_halves_and_success_widens(void **state)
{
    (void)state;
    struct rates *rates = rates_with(NULL);
    for (int i = 0; i < 40; i++)
        rates_take(rates, "ecs", "CreateService", 10 + i * 0.05);
    rates_tell(rates, "ecs", "CreateService", true, 12);
    double first = rates_of(rates, "ecs.CreateService");
    assert_true(first < 200 && first >= 0.25);
    rates_tell(rates, "ecs", "CreateService", true, 12.1); /* the same throttling */
    assert_true(rates_of(rates, "ecs.CreateService") == first);
    rates_tell(rates, "ecs", "CreateService", true, 14);
    double second = rates_of(rates, "ecs.CreateService");
    assert_true(second == fmax(0.25, first / 2));
    assert_true(isinf(rates_of(rates, "ecs.DescribeServices"))); /* it alone */
    for (int i = 0; i < 20; i++)
        rates_tell(rates, "ecs", "CreateService", false, 20 + i);
    assert_true(rates_of(rates, "ecs.CreateService") > second * 2);
    for (int i = 0; i < 500; i++)
        rates_tell(rates, "ecs", "CreateService", false, 50 + i);
    assert_true(isinf(rates_of(rates, "ecs.CreateService")));
    rates_free(rates);
}

/* Route 53 counts all calls of an account together. */
static void a_limit_of_a_whole_service_is_moved_as_one(void **state)
{
    (void)state;
    struct rates *rates = rates_with(NULL);
    assert_true(rates_of(rates, "route53") == 5);
    rates_tell(rates, "route53", "GetChange", true, 10);
    assert_true(rates_of(rates, "route53") == 2.5);
    assert_true(isinf(rates_of(rates, "route53.GetChange")));
    for (int i = 0; i < 50; i++)
        rates_tell(rates, "route53", "ListResourceRecordSets", false, 20 + i);
    assert_true(rates_of(rates, "route53") == 5);
    rates_free(rates);
}

static void widening_ends_at_the_limit(void **state)
{
    (void)state;
    struct rates *rates = rates_with(NULL);
    for (int i = 0; i < 50; i++)
        rates_tell(rates, "monitoring", "PutMetricAlarm", true, 10 + 2 * i);
    assert_true(rates_of(rates, "monitoring.PutMetricAlarm") == 0.25);
    for (int i = 0; i < 200; i++)
        rates_tell(rates, "monitoring", "PutMetricAlarm", false, 200 + i);
    assert_true(rates_of(rates, "monitoring.PutMetricAlarm") == 3);
    rates_free(rates);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(documented_limits_are_kept),
        cmocka_unit_test(the_host_configs_rates_win),
        cmocka_unit_test(wrong_rates_are_refused),
        cmocka_unit_test(throttling_halves_and_success_widens),
        cmocka_unit_test(a_limit_of_a_whole_service_is_moved_as_one),
        cmocka_unit_test(widening_ends_at_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
