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

#include "executor/engine/spec.h"

#define FILE_NAME ".berth/environment.json"

static char directory[64];
static int project = -1;

static int make_directory(void **state)
{
    (void)state;
    strcpy(directory, "/tmp/berth-test-spec-XXXXXX");
    if (mkdtemp(directory) == NULL || chdir(directory) < 0 || mkdir(".berth", 0700) < 0)
        return -1;
    project = open(directory, O_RDONLY | O_DIRECTORY);
    return project < 0;
}

static int remove_directory(void **state)
{
    (void)state;
    close(project);
    unlink(FILE_NAME);
    rmdir(".berth");
    return chdir("/") < 0 || rmdir(directory) < 0;
}

static void write_spec(const char *text)
{
    FILE *f = fopen(FILE_NAME, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static const char *job_lookup(void *context, const char *name)
{
    (void)context;
    if (str_eq(name, "TOKEN"))
        return "s3cret-value";
    if (str_eq(name, "REF"))
        return "master";
    if (str_eq(name, "TRICKY"))
        return "${ENVIRONMENT} ${redis.host}";
    if (str_eq(name, "DOLLAR"))
        return "$";
    if (str_eq(name, "EMPTY"))
        return "";
    return NULL;
}

static bool job_is_masked(void *context, const char *name)
{
    (void)context;
    return str_eq(name, "TOKEN");
}

/* Reads and resolves; the caller releases *spec. */
static int resolve(const char *text, const char *kind, struct spec *spec, struct err *err)
{
    write_spec(text);
    if (spec_read(project, FILE_NAME, spec, err) < 0)
        return -1;
    _cleanup_json_ cJSON *own = cJSON_CreateObject();
    json_put_str(own, "ENVIRONMENT", "automation-8527fec8");
    json_put_str(own, "KIND", "ephemeral");
    json_put_str(own, "REF", "dev/feature/login");
    struct spec_variables variables = { .own = own,
                                        .lookup = job_lookup,
                                        .is_masked = job_is_masked };
    return spec_resolve(spec, kind, &variables, err);
}

#define NETWORK "\"network\": { \"vpc\": \"vpc-1\", \"privateSubnets\": [\"subnet-1\"] },\n"

struct wrong {
    const char *text;
    const char *message;
};

static const struct wrong wrong_specs[] = {
    { "{", FILE_NAME ": line 1, column 2: not valid JSON" },
    { "{\n\"services\": {},\n\"services\": {}}",
      FILE_NAME ": line 2: services stands there twice" },
    { "{\n" NETWORK "\"services\": {\n  \"notifier\": {\n    \"memory\": \"512M\"\n} } }",
      FILE_NAME ":5: services.notifier.memory: must be a whole number, is \"512M\"" },
    { "{\n" NETWORK "\"services\": {\n  \"a\": { \"memroy\": 512 },\n  \"b\": { \"cpu\": 1 }\n} }",
      FILE_NAME ":4: services.a.memroy: unknown key; did you mean 'memory'?\n" FILE_NAME
                ":5: services.b.cpu: must be at least 256, is 1" },
    { "{\n" NETWORK "\"services\": {\n  \"a\": {} },\n"
      "\"overlays\": { \"ephemeral\": {\n  \"services\": { \"a\": {\n \"cpu\": true } } } } }",
      FILE_NAME ":7: overlays.ephemeral.services.a.cpu: must be a whole number, is true" },
    { "{\n" NETWORK "\"services\": { \"a\": {}, \"b\": {} },\n"
      "\"overlays\": { \"ephemeral\": {\n \"serviceDefaults\": { \"cpu\": 3 } } } }",
      FILE_NAME ":5: overlays.ephemeral.serviceDefaults.cpu: must be at least 256, is 3" },
    { "{\n" NETWORK
      "\"services\": { \"a\": {\n \"environment\": { \"X\": \"${ENVIROMENT}\" } } } }",
      FILE_NAME ":4: services.a.environment.X: unknown variable '${ENVIROMENT}' (did you mean "
                "'${ENVIRONMENT}'?)" },
    { "{\n" NETWORK "\"services\": { \"a\": {\n \"environment\": { \"X\": \"${NOPE}\" } } } }",
      FILE_NAME ":4: services.a.environment.X: unknown variable '${NOPE}': neither berth nor the "
                "job's CI/CD variables have it; for a literal '${' write '$${'" },
    { "{\n" NETWORK "\"serviceDefaults\": {\n \"environment\": { \"X\": \"${NOPE\" } },\n"
      "\"services\": { \"a\": {}, \"b\": {} } }",
      FILE_NAME ":4: serviceDefaults.environment.X: '${' without its '}'; for a literal '${' write "
                "'$${'" },
    { "{\n" NETWORK
      "\"services\": { \"a\": { \"environment\": {\n \"X\": \"${DOLLAR}${r.h}\" } } } }",
      FILE_NAME ":4: services.a.environment.X: a '$' cannot stand directly in front of '${r.h}'" },
    { "{\n" NETWORK "\"services\": { \"a\": { \"taskDefinition\": {\n"
      " \"b\": {}, \"b\\\"[\":\n \"${NOPE\" } } } }",
      FILE_NAME ":5: services.a.taskDefinition.\"b\\\"[\": '${' without its '}'; for a literal "
                "'${' write '$${'" },
    { "{\n" NETWORK "\"services\": { \"a\": { \"taskDefinition\": {\n \"${}\": \"x\" } } } }",
      FILE_NAME ":4: services.a.taskDefinition.${}: a key cannot begin with '${': variables stand "
                "in values only" },
    { "{\n" NETWORK "\"logs\": { \"metricFilters\": [{\n \"filterName\": \"${redis.host}\","
      " \"filterPattern\": \"x\", \"metricTransformations\": [{ \"metricName\": \"n\","
      " \"metricNamespace\": \"n\", \"metricValue\": \"1\" }] }] }, \"services\": {} }",
      FILE_NAME
      ":4: logs.metricFilters[0].filterName: must be known before anything is made, so it "
      "cannot be an output of a resource" },
    { "{\n" NETWORK "\"services\": { \"a\": {\n \"dependsOn\": [\"${redis.host}\"] } } }", FILE_NAME
      ":4: services.a.dependsOn[0]: must be known before anything is made, so it cannot be "
      "an output of a resource" },
    { "{\n" NETWORK "\"services\": { \"a\": {\n \"taskRole\": \"${EMPTY}\" } } }",
      FILE_NAME ":4: services.a.taskRole: must not be empty" },
    { "{\n" NETWORK "\"services\": { \"a\": { \"environment\": {\n \"X\": \"${a-b}\" } } } }",
      FILE_NAME ":4: services.a.environment.X: '${a-b}' is not a variable: names are letters, "
                "digits and '_'; for a literal '${' write '$${'" },
};

static void test_wrong(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(wrong_specs); i++) {
        _cleanup_spec_ struct spec spec = SPEC_INIT;
        _cleanup_err_ struct err err = ERR_INIT;
        assert_int_equal(resolve(wrong_specs[i].text, "ephemeral", &spec, &err), -1);
        assert_string_equal(err.message, wrong_specs[i].message);
        assert_int_equal(err.class, ERR_USER);
    }
}

static void test_absent(void **state)
{
    (void)state;
    _cleanup_spec_ struct spec spec = SPEC_INIT;
    _cleanup_err_ struct err err = ERR_INIT;
    unlink(FILE_NAME);
    assert_int_equal(spec_read(project, FILE_NAME, &spec, &err), -1);
    assert_int_equal(err.class, ERR_USER);
    assert_true(str_starts(err.message, "'" FILE_NAME "' does not exist in the repository"));
}

/* A repository cannot make berth read a file of the host. */
static void test_leads_out(void **state)
{
    (void)state;
    _cleanup_spec_ struct spec spec = SPEC_INIT;
    _cleanup_err_ struct err err = ERR_INIT;
    unlink(FILE_NAME);
    assert_int_equal(symlink("/etc/passwd", FILE_NAME), 0);
    assert_int_equal(spec_read(project, FILE_NAME, &spec, &err), -1);
    assert_int_equal(err.class, ERR_USER);
    assert_non_null(strstr(err.message, "symbolic link"));
    assert_int_equal(unlink(FILE_NAME), 0);
    err_release(&err);
    assert_int_equal(spec_read(project, "../etc/passwd", &spec, &err), -1);
    assert_int_equal(err.class, ERR_USER);
}

static void expect_member(const struct spec *spec, const char *steps, const char *expected)
{
    const cJSON *value = json_at(spec->json, steps);
    _cleanup_free_ char *text = value != NULL ? json_print(value) : xstrdup("(absent)");
    if (!str_eq(text, expected))
        fail_msg("%s: %s instead of %s", steps, text, expected);
}

static void test_layers(void **state)
{
    (void)state;
    static const char text[] =
        "{ // a comment\n" NETWORK "\"discovery\": {},\n"
        "\"serviceDefaults\": { \"cpu\": 256, \"desiredCount\": 1, \"healthCheck\": \"true\",\n"
        "  \"environment\": { \"A\": \"1\", \"B\": \"2\" },\n"
        "  \"taskDefinition\": { \"containerDefinitions\": [{ \"name\": \"x\", \"user\": \"u\" }] "
        "} },\n"
        "\"services\": {\n"
        "  \"plain\": {},\n"
        "  \"own\": { \"cpu\": 512, \"desiredCount\": null, \"healthCheck\": null,\n"
        "    \"environment\": { \"A\": null, \"C\": \"3\" }, \"ports\": [5000, { \"port\": 1 }],\n"
        "    \"taskDefinition\": { \"volumes\": null,\n"
        "      \"containerDefinitions\": [{ \"name\": \"x\", \"user\": null }] } },\n"
        "  \"gone\": {} },\n"
        "\"overlays\": { \"ephemeral\": {\n"
        "  \"services\": { \"plain\": { \"environment\": { \"B\": null } }, \"gone\": null },\n"
        "  \"network\": { \"vpc\": { \"tag:Name\": \"${KIND}\" } } } } }\n";
    _cleanup_spec_ struct spec spec = SPEC_INIT;
    _cleanup_err_ struct err err = ERR_INIT;
    if (resolve(text, "ephemeral", &spec, &err) < 0)
        fail_msg("%s", err.message);
    expect_member(&spec, "overlays", "(absent)");
    expect_member(&spec, "serviceDefaults", "(absent)");
    expect_member(&spec, "network/vpc", "{\"tag:Name\":\"ephemeral\"}");
    expect_member(&spec, "discovery/namespace", "\"automation-8527fec8.local\"");
    expect_member(&spec, "services/plain/cpu", "256");
    expect_member(&spec, "services/plain/environment", "{\"A\":\"1\"}");
    expect_member(&spec, "services/gone", "(absent)");
    expect_member(&spec, "services/own/cpu", "512");
    expect_member(&spec, "services/own/desiredCount", "null");
    expect_member(&spec, "services/own/healthCheck", "null");
    expect_member(&spec, "services/own/environment", "{\"B\":\"2\",\"C\":\"3\"}");
    expect_member(&spec, "services/own/ports/1",
                  "{\"port\":1,\"protocol\":\"tcp\",\"from\":\"anywhere\"}");
    expect_member(&spec, "services/own/taskDefinition",
                  "{\"containerDefinitions\":[{\"name\":\"x\",\"user\":null}],\"volumes\":null}");
    assert_int_equal(spec.warnings.n, 0);
}

static void test_variables(void **state)
{
    (void)state;
    static const char text[] = "{\n" NETWORK "\"services\": { \"a\": { \"environment\": {\n"
                               "\"E\": \"x-${ENVIRONMENT}-y\",\n"
                               "\"LITERAL\": \"$${ENVIRONMENT} $$ $x\",\n"
                               "\"TRICKY\": \"${TRICKY}\",\n"
                               "\"HOST\": \"redis://${redis.host}:1/$${x}\",\n"
                               "\"MIXED\": \"${TRICKY}${redis.host}\",\n"
                               "\"TOKEN\": \"${TOKEN}\",\n"
                               "\"REF\": \"${REF}\" },\n"
                               "\"secrets\": { \"S\": \"${TOKEN}\" } } } }";
    _cleanup_spec_ struct spec spec = SPEC_INIT;
    _cleanup_err_ struct err err = ERR_INIT;
    if (resolve(text, "ephemeral", &spec, &err) < 0)
        fail_msg("%s", err.message);
    expect_member(&spec, "services/a/environment/E", "\"x-automation-8527fec8-y\"");
    expect_member(&spec, "services/a/environment/LITERAL", "\"${ENVIRONMENT} $$ $x\"");
    expect_member(&spec, "services/a/environment/TRICKY", "\"${ENVIRONMENT} ${redis.host}\"");
    expect_member(&spec, "services/a/environment/HOST",
                  "{\"${}\":\"redis://${redis.host}:1/$${x}\"}");
    expect_member(&spec, "services/a/environment/MIXED",
                  "{\"${}\":\"$${ENVIRONMENT} $${redis.host}${redis.host}\"}");
    expect_member(&spec, "services/a/environment/REF", "\"dev/feature/login\"");
    assert_int_equal(spec.warnings.n, 2);
    assert_string_equal(spec.warnings.v[0],
                        FILE_NAME ":9: services.a.environment.TOKEN: '${TOKEN}' is a masked "
                                  "variable in plain 'environment', where everybody who may read "
                                  "the task definition sees it; it belongs in 'secrets'");
    assert_string_equal(spec.warnings.v[1],
                        FILE_NAME ":10: services.a.environment.REF: '${REF}' is berth's own value, "
                                  "not the CI/CD variable of that name");
}

static void test_locate(void **state)
{
    (void)state;
    static const char text[] = "{\n" NETWORK "\"serviceDefaults\": {\n \"cpu\": 256 },\n"
                               "\"services\": { \"a\": {},\n \"b\": { \"cpu\": 512 } } }";
    static const struct wrong cases[] = {
        { "services.b.cpu: too much", FILE_NAME ":6: services.b.cpu: too much" },
        { "services.a.cpu: too much", FILE_NAME ":4: services.a.cpu: too much" },
        { "services.a.image: missing", FILE_NAME ":5: services.a.image: missing" },
        { "ecs:CreateService: denied", "ecs:CreateService: denied" },
        { "services are many", "services are many" },
        { "services.b: last\nservices.a.cpu: first",
          FILE_NAME ":4: services.a.cpu: first\n" FILE_NAME ":6: services.b: last" },
    };
    _cleanup_spec_ struct spec spec = SPEC_INIT;
    _cleanup_err_ struct err err = ERR_INIT;
    if (resolve(text, "production", &spec, &err) < 0)
        fail_msg("%s", err.message);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        err_set(&err, ERR_USER, "%s", cases[i].text);
        assert_int_equal(spec_locate(&spec, &err), -1);
        assert_string_equal(err.message, cases[i].message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wrong),     cmocka_unit_test(test_absent),
        cmocka_unit_test(test_leads_out), cmocka_unit_test(test_layers),
        cmocka_unit_test(test_variables), cmocka_unit_test(test_locate),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
