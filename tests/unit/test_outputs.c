/* SPDX-License-Identifier: MIT */
#include "tests/unit/awsscript.h"

#include <setjmp.h>
#include <cmocka.h>

#include "executor/base/redact.h"
#include "executor/outputs.h"
#include "executor/script.h"

static const struct environment environment = { .name = (char *)"automation-8527fec8",
                                                .subdomain = (char *)"8527fec8",
                                                .kind = "ephemeral",
                                                .region = (char *)"us-east-1" };
static const struct script_row no_rows[] = { { 0 } };

static void only_what_is_there_is_told(void **state)
{
    (void)state;
    struct script t;
    script_open(&t, script_spec, no_rows);
    const struct plan_counts counts = { .create = 3, .update = 2, .remove = 1, .keep = 7 };
    _cleanup_json_ cJSON *before = outputs_of(&environment, t.g, &counts);
    assert_string_equal(json_str(before, "BERTH_ENVIRONMENT"), "automation-8527fec8");
    assert_string_equal(json_str(before, "BERTH_PIPELINE_ID"), "100");
    assert_string_equal(json_str(before, "BERTH_CHANGES"), "6");
    assert_null(json_get(before, "BERTH_CLUSTER"));
    struct resource *cluster = script_resource(&t, "ecs.cluster/cluster");
    resource_set_have(cluster, cJSON_CreateObject());
    resource_set_output(cluster, "ClusterName", "automation-8527fec8");
    _cleanup_json_ cJSON *after = outputs_of(&environment, t.g, &counts);
    assert_string_equal(json_str(after, "BERTH_CLUSTER"), "automation-8527fec8");
    assert_true(json_count(after) <= OUTPUTS_MAX);
    script_close(&t);
}

/* What GitLab would refuse the whole file for is left out, whatever it is. */
static void a_value_that_gitlab_refuses_is_left_out(void **state)
{
    (void)state;
    _cleanup_json_ cJSON *outputs = cJSON_CreateObject();
    json_put_str(outputs, "BERTH_A", "https://a.example/?b=c#d");
    json_put_str(outputs, "BERTH_SPACE", "a b");
    json_put_str(outputs, "BERTH_LINE", "a\nBERTH_FORGED=b");
    json_put_str(outputs, "BERTH_TAB", "a\tb");
    json_put_str(outputs, "BERTH_DELETE", "a\x7f");
    json_put_str(outputs, "BERTH_BYTES", "a\xff");
    json_put_str(outputs, "BERTH_UMLAUT", "\xc3\xbc");
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    outputs_to_dotenv(outputs, &text);
    assert_string_equal(text.buf, "BERTH_A=https://a.example/?b=c#d\nBERTH_UMLAUT=\xc3\xbc\n");
}

static void a_secret_is_left_out(void **state)
{
    (void)state;
    _cleanup_json_ cJSON *outputs = cJSON_CreateObject();
    json_put_str(outputs, "BERTH_URL", "https://open-sesame.example/");
    json_put_str(outputs, "BERTH_KIND", "ephemeral");
    redact_add("open-sesame");
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    outputs_to_dotenv(outputs, &text);
    redact_release();
    assert_string_equal(text.buf, "BERTH_KIND=ephemeral\n");
}

static void the_file_is_not_larger_than_gitlab_takes(void **state)
{
    (void)state;
    char value[1000];
    memset(value, 'x', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    _cleanup_json_ cJSON *outputs = cJSON_CreateObject();
    for (int i = 0; i < 6; i++) {
        _cleanup_free_ char *name = xasprintf("BERTH_%d", i);
        json_put_str(outputs, name, value);
    }
    json_put_str(outputs, "BERTH_LAST", "y");
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    outputs_to_dotenv(outputs, &text);
    assert_true(text.len <= 5 * 1024);
    assert_non_null(strstr(text.buf, "BERTH_4="));
    assert_null(strstr(text.buf, "BERTH_5="));
    assert_non_null(strstr(text.buf, "\nBERTH_LAST=y\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_is_there_is_told),
        cmocka_unit_test(a_value_that_gitlab_refuses_is_left_out),
        cmocka_unit_test(a_secret_is_left_out),
        cmocka_unit_test(the_file_is_not_larger_than_gitlab_takes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
