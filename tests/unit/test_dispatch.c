/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "drivers/driver.h"
#include "executor/dispatch.h"

#define SPEC                                                                                       \
    "{\"modules\": {\"notifier\": {}, \"plan-b\": {}, \"metrics-dashboard/grafana\": {}},"         \
    "\"services\": {\"notifier\": {}, \"redis\": {}, \"branches\": {}, \"x y\": {}},"              \
    "\"overlays\": {\"production\": {\"services\": {\"extra\": {}}}}}"

static cJSON *parse(const char *text)
{
    struct err err = ERR_INIT;
    cJSON *value = NULL;
    if (json_parse(text, strlen(text), JSON_PLAIN, &value, &err) < 0)
        fail_msg("%s", err.message);
    return value;
}

struct row {
    const char *name;
    enum act act;
    bool plan;
    const char *part;
    const char *kind;
    enum when when;
};

static void check(const struct row *row, const struct hostconfig *h, const cJSON *spec)
{
    _cleanup_err_ struct err err = ERR_INIT;
    _cleanup_dispatch_ struct dispatch d = DISPATCH_INIT;
    if (dispatch_job(row->name, h, spec, &d, &err) < 0)
        fail_msg("%s: %s", row->name, err.message);
    if (d.act != row->act || d.plan != row->plan || !str_eq(d.part, row->part) ||
        !str_eq(d.branch_kind, row->kind) || (d.act != ACT_SCRIPT && d.when != row->when))
        fail_msg("%s: %s, plan %d, part %s, kind %s, when %d", row->name, act_name(d.act), d.plan,
                 d.part ? d.part : "none", d.branch_kind ? d.branch_kind : "none", d.when);
}

static const struct row rows[] = {
    { "notifier-linter", ACT_LINT, false, "notifier", NULL, WHEN_AFTER },
    { "metrics-dashboard/grafana-build", ACT_IMAGE, false, "metrics-dashboard/grafana", NULL,
      WHEN_BEFORE },
    { "terraform-validate-dev", ACT_TERRAFORM, false, "dev", NULL, WHEN_AFTER },
    { "terraform-validate-", ACT_SCRIPT, false, NULL, NULL, WHEN_AFTER },
    { "notifier-test", ACT_TEST, false, "notifier", NULL, WHEN_BEFORE },
    { "other-test", ACT_SCRIPT, false, NULL, NULL, WHEN_AFTER },
    { "-test", ACT_SCRIPT, false, NULL, NULL, WHEN_AFTER },
    { "basic-infra", ACT_BASIC_INFRA, false, NULL, NULL, WHEN_AFTER },
    { "check-ecs-resources", ACT_CAPACITY, false, NULL, NULL, WHEN_AFTER },
    { "check-ecs-resources-branches", ACT_CAPACITY, false, NULL, "ephemeral", WHEN_AFTER },
    { "check-ecs-resources-master", ACT_CAPACITY, false, NULL, "production", WHEN_AFTER },
    { "notifier-build", ACT_IMAGE, false, "notifier", NULL, WHEN_BEFORE },
    { "deploy", ACT_DEPLOY, false, NULL, NULL, WHEN_AFTER },
    { "deploy-branches", ACT_DEPLOY, false, NULL, "ephemeral", WHEN_AFTER },
    { "deploy-master", ACT_DEPLOY, false, NULL, "production", WHEN_AFTER },
    { "deploy-ecs", ACT_DEPLOY, false, "ecs", NULL, WHEN_AFTER },
    { "deploy-redis", ACT_DEPLOY, false, "elasticache", NULL, WHEN_AFTER },
    { "deploy-sns", ACT_DEPLOY, false, "cloudformation", NULL, WHEN_AFTER },
    { "deploy-dns", ACT_DEPLOY, false, "route53", NULL, WHEN_AFTER },
    { "deploy-notifier", ACT_DEPLOY, false, "notifier", NULL, WHEN_AFTER },
    { "deploy-extra", ACT_DEPLOY, false, "extra", NULL, WHEN_AFTER },
    { "deploy-nothing", ACT_SCRIPT, false, NULL, NULL, WHEN_AFTER },
    { "Deploy", ACT_SCRIPT, false, NULL, NULL, WHEN_AFTER },
    { "plan", ACT_DEPLOY, true, NULL, NULL, WHEN_AFTER },
    { "plan-branches", ACT_DEPLOY, true, NULL, "ephemeral", WHEN_AFTER },
    { "plan-deploy-master", ACT_DEPLOY, true, NULL, "production", WHEN_AFTER },
    { "plan-basic-infra", ACT_BASIC_INFRA, true, NULL, NULL, WHEN_AFTER },
    { "plan-destroy-branches", ACT_DESTROY, true, NULL, "ephemeral", WHEN_BEFORE },
    { "plan-deploy-notifier", ACT_DEPLOY, true, "notifier", NULL, WHEN_AFTER },
    { "plan-deploy-redis", ACT_DEPLOY, true, "elasticache", NULL, WHEN_AFTER },
    { "plan-master", ACT_DEPLOY, true, NULL, "production", WHEN_AFTER },
    { "plan-notifier", ACT_DEPLOY, true, "notifier", NULL, WHEN_AFTER },
    { "plan-extra", ACT_DEPLOY, true, "extra", NULL, WHEN_AFTER },
    { "plan-ecs", ACT_DEPLOY, true, "ecs", NULL, WHEN_AFTER },
    { "plan-redis", ACT_DEPLOY, true, "elasticache", NULL, WHEN_AFTER },
    { "plan-x y 1/2", ACT_DEPLOY, true, "x y", NULL, WHEN_AFTER },
    { "plan-notifier-build", ACT_IMAGE, true, "notifier", NULL, WHEN_BEFORE },
    { "plan-check-ecs-resources-master", ACT_CAPACITY, true, NULL, "production", WHEN_AFTER },
    { "plan-terraform-validate-dev", ACT_TERRAFORM, true, "dev", NULL, WHEN_AFTER },
    { "plan-plan-deploy", ACT_SCRIPT, false, NULL, NULL, WHEN_AFTER },
    { "plan-plan-notifier", ACT_SCRIPT, false, NULL, NULL, WHEN_AFTER },
    { "plan-", ACT_SCRIPT, false, NULL, NULL, WHEN_AFTER },
    { "deploy-", ACT_SCRIPT, false, NULL, NULL, WHEN_AFTER },
    { "plan-deploy-", ACT_SCRIPT, false, NULL, NULL, WHEN_AFTER },
    { "deploy-../notifier", ACT_SCRIPT, false, NULL, NULL, WHEN_AFTER },
    { "deploy-$(id)", ACT_SCRIPT, false, NULL, NULL, WHEN_AFTER },
    { "deploy-%s%n", ACT_SCRIPT, false, NULL, NULL, WHEN_AFTER },
    { "plan-b-test", ACT_TEST, false, "plan-b", NULL, WHEN_BEFORE },
    { "plan-something", ACT_SCRIPT, false, NULL, NULL, WHEN_AFTER },
    { "destroy", ACT_DESTROY, false, NULL, NULL, WHEN_BEFORE },
    { "destroy-branches", ACT_DESTROY, false, NULL, "ephemeral", WHEN_BEFORE },
    { "destroy-master", ACT_DESTROY, false, NULL, "production", WHEN_BEFORE },
    { "sweep", ACT_SWEEP, false, NULL, NULL, WHEN_BEFORE },
    { "plan-sweep", ACT_SWEEP, true, NULL, NULL, WHEN_BEFORE },
    { "grafana_user_creation", ACT_GRAFANA, false, NULL, NULL, WHEN_AFTER },
    { "grafana_user_creation_branches", ACT_GRAFANA, false, NULL, "ephemeral", WHEN_AFTER },
    { "grafana_user_creation_master", ACT_GRAFANA, false, NULL, "production", WHEN_AFTER },
    { "deploy-grafana", ACT_GRAFANA, false, NULL, NULL, WHEN_AFTER },
    { "plan-grafana", ACT_GRAFANA, true, NULL, NULL, WHEN_AFTER },
    { "plan-grafana_user_creation", ACT_GRAFANA, true, NULL, NULL, WHEN_AFTER },
    { "compile", ACT_SCRIPT, false, NULL, NULL, WHEN_AFTER },
    { "", ACT_SCRIPT, false, NULL, NULL, WHEN_AFTER },
    /* GitLab's suffixes. */
    { "deploy 1/3", ACT_DEPLOY, false, NULL, NULL, WHEN_AFTER },
    { "deploy: [a, b]", ACT_DEPLOY, false, NULL, NULL, WHEN_AFTER },
    { "deploy: [a: [b]]", ACT_DEPLOY, false, NULL, NULL, WHEN_AFTER },
    { "deploy-x y 12/12", ACT_DEPLOY, false, "x y", NULL, WHEN_AFTER },
    { "deploy 1/", ACT_SCRIPT, false, NULL, NULL, WHEN_AFTER },
    { "deploy /3", ACT_SCRIPT, false, NULL, NULL, WHEN_AFTER },
    { "deploy1/3", ACT_SCRIPT, false, NULL, NULL, WHEN_AFTER },
    { " 1/3", ACT_SCRIPT, false, NULL, NULL, WHEN_AFTER },
    { "deploy: [a", ACT_SCRIPT, false, NULL, NULL, WHEN_AFTER },
    { "deploy [a]", ACT_SCRIPT, false, NULL, NULL, WHEN_AFTER },
};

static void every_row(void **state)
{
    (void)state;
    const struct hostconfig h = HOSTCONFIG_INIT;
    _cleanup_json_ cJSON *spec = parse(SPEC);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        check(&rows[i], &h, spec);
}

static void without_a_spec_modules_and_services_are_unknown(void **state)
{
    (void)state;
    static const struct row without[] = {
        { "notifier-test", ACT_SCRIPT, false, NULL, NULL, WHEN_AFTER },
        { "deploy-notifier", ACT_SCRIPT, false, NULL, NULL, WHEN_AFTER },
        { "deploy-redis", ACT_DEPLOY, false, "elasticache", NULL, WHEN_AFTER },
        { "deploy-master", ACT_DEPLOY, false, NULL, "production", WHEN_AFTER },
    };
    const struct hostconfig h = HOSTCONFIG_INIT;
    for (size_t i = 0; i < ARRAY_SIZE(without); i++)
        check(&without[i], &h, NULL);
}

static void tells_when_the_spec_matters(void **state)
{
    (void)state;
    const struct hostconfig h = HOSTCONFIG_INIT;
    assert_int_equal(dispatch_if_declared("deploy-notifier", &h), ACT_DEPLOY);
    assert_int_equal(dispatch_if_declared("plan-deploy-notifier 1/2", &h), ACT_DEPLOY);
    assert_int_equal(dispatch_if_declared("x-test", &h), ACT_TEST);
    assert_int_equal(dispatch_if_declared("x-build", &h), ACT_IMAGE);
    assert_int_equal(dispatch_if_declared("plan-notifier", &h), ACT_DEPLOY);
    assert_int_equal(dispatch_if_declared("plan-x-build", &h), ACT_IMAGE);
    assert_int_equal(dispatch_if_declared("plan-ecs", &h), ACT_SCRIPT);
    assert_int_equal(dispatch_if_declared("deploy-ecs", &h), ACT_SCRIPT);
    assert_int_equal(dispatch_if_declared("compile", &h), ACT_SCRIPT);
}

static void every_driver_has_its_names(void **state)
{
    (void)state;
    const struct hostconfig h = HOSTCONFIG_INIT;
    for (const struct driver *const *d = drivers; *d != NULL; d++) {
        const char *const none[] = { NULL };
        if ((*d)->types[0] == NULL) /* it only checks, there is nothing to deploy */
            continue;
        const char *const *alias = (*d)->aliases != NULL ? (*d)->aliases : none;
        for (const char *name = (*d)->name; name != NULL; name = *alias++) {
            _cleanup_free_ char *deploy = xasprintf("deploy-%s", name);
            _cleanup_free_ char *plan = xasprintf("plan-%s", name);
            const struct row of_driver[] = {
                { deploy, ACT_DEPLOY, false, (*d)->name, NULL, WHEN_AFTER },
                { plan, ACT_DEPLOY, true, (*d)->name, NULL, WHEN_AFTER },
            };
            check(&of_driver[0], &h, NULL);
            check(&of_driver[1], &h, NULL);
        }
    }
}

static void a_drivers_name_is_never_a_services(void **state)
{
    (void)state;
    const struct hostconfig h = HOSTCONFIG_INIT;
    _cleanup_json_ cJSON *spec = parse(SPEC); /* which has services 'redis' and 'branches' */
    _cleanup_err_ struct err err = ERR_INIT;
    _cleanup_dispatch_ struct dispatch d = DISPATCH_INIT;
    assert_int_equal(dispatch_job("plan-redis", &h, spec, &d, &err), 0);
    assert_string_equal(d.part, "elasticache");
    assert_string_equal(d.word, "redis");
    dispatch_release(&d);
    assert_int_equal(dispatch_job("deploy-branches", &h, spec, &d, &err), 0);
    assert_null(d.part);
}

static void a_slip_has_its_nearest_name(void **state)
{
    (void)state;
    static const struct {
        const char *name, *nearest;
    } slips[] = {
        { "depoly-branches", "deploy-branches" },
        { "deploy-notifer", "deploy-notifier" },
        { "plan-notifer 1/3", "plan-notifier" },
        { "plan-deploy-notifer", "plan-deploy-notifier" },
        { "notifer-test", "notifier-test" },
        { "deploy-elasticcache", "deploy-elasticache" },
        { "plan-basic-inra", "plan-basic-infra" },
        { "Deploy-Master", "deploy-master" },
        { "deploy-docs", NULL },
        { "clean", NULL },
        { "frontend-test", NULL },
        { "ship-itt", NULL },
        { "", NULL },
    };
    _cleanup_json_ cJSON *spec = parse(SPEC);
    _cleanup_json_ cJSON *json =
        parse("{\"dispatch\": [{\"job\": \"ship-*\", \"as\": \"script\"}]}");
    const struct hostconfig h = { .path = (char *)"berth.json", .json = json };
    for (size_t i = 0; i < ARRAY_SIZE(slips); i++) {
        _cleanup_free_ char *nearest = dispatch_nearest(slips[i].name, &h, spec);
        if (!str_eq(nearest, slips[i].nearest))
            fail_msg("%s: %s", slips[i].name, nearest != NULL ? nearest : "none");
    }
}

static void the_host_configs_table_comes_first(void **state)
{
    (void)state;
    static const struct row named[] = {
        { "ship-it 1/2", ACT_DEPLOY, false, NULL, "ephemeral", WHEN_AFTER },
        { "deploy", ACT_SCRIPT, false, NULL, NULL, WHEN_AFTER },
        { "check", ACT_LINT, false, "notifier", NULL, WHEN_AFTER },
        { "destroy", ACT_DESTROY, false, NULL, NULL, WHEN_BEFORE },
    };
    _cleanup_json_ cJSON *spec = parse(SPEC);
    _cleanup_json_ cJSON *json =
        parse("{\"dispatch\": [{\"job\": \"ship-*\", \"as\":"
              "\"deploy-branches\"}, {\"job\": \"ship-it\", \"as\": \"x\"},"
              "{\"job\": \"deploy\", \"as\": \"script\"},"
              "{\"job\": \"check\", \"as\": \"notifier-linter\"},"
              "{\"job\": \"bad\", \"as\": \"depoly\"},"
              "{\"job\": \"bad2\", \"as\": \"other-test\"}]}");
    const struct hostconfig h = { .path = (char *)"berth.json", .json = json };
    for (size_t i = 0; i < ARRAY_SIZE(named); i++)
        check(&named[i], &h, spec);

    _cleanup_err_ struct err err = ERR_INIT;
    struct dispatch d = DISPATCH_INIT;
    assert_int_equal(dispatch_job("bad", &h, NULL, &d, &err), -1);
    assert_int_equal(err.class, ERR_HOST);
    assert_non_null(strstr(err.message, "job 'bad' is to be treated as 'depoly'"));
    assert_int_equal(dispatch_job("bad2", &h, NULL, &d, &err), 0);
    assert_int_equal(dispatch_job("bad2", &h, spec, &d, &err), -1);
}

static void which_acts_need_an_environment(void **state)
{
    (void)state;
    for (enum act act = ACT_SCRIPT; act <= ACT_GRAFANA; act++) {
        const struct dispatch d = { .act = act };
        bool expected =
            act != ACT_SCRIPT && act != ACT_LINT && act != ACT_TEST && act != ACT_TERRAFORM;
        assert_int_equal(dispatch_needs_environment(&d), expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row),
        cmocka_unit_test(without_a_spec_modules_and_services_are_unknown),
        cmocka_unit_test(tells_when_the_spec_matters),
        cmocka_unit_test(every_driver_has_its_names),
        cmocka_unit_test(a_drivers_name_is_never_a_services),
        cmocka_unit_test(a_slip_has_its_nearest_name),
        cmocka_unit_test(the_host_configs_table_comes_first),
        cmocka_unit_test(which_acts_need_an_environment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
