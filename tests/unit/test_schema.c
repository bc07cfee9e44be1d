/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "executor/base/redact.h"
#include "executor/base/schema.h"
#include "executor/base/schemas.h"

static cJSON *parse(const char *text)
{
    struct err err = ERR_INIT;
    cJSON *value = NULL;
    if (json_parse(text, strlen(text), JSON_PLAIN, &value, &err) < 0)
        fail_msg("%s: %s", text, err.message);
    return value;
}

/* All problems of `value` under `schema`, as "path: message; ...". */
static char *problems_of(const cJSON *schema, const char *value_text)
{
    _cleanup_json_ cJSON *value = parse(value_text);
    _cleanup_problems_ struct schema_problems problems = SCHEMA_PROBLEMS_INIT;
    schema_check(schema, value, &problems);
    struct strbuf out = STRBUF_INIT;
    for (size_t i = 0; i < problems.n; i++)
        strbuf_addf(&out, "%s%s: %s", i > 0 ? "; " : "", problems.v[i].path, problems.v[i].message);
    return strbuf_detach(&out);
}

static void expect(const char *schema_text, const char *value, const char *problems)
{
    _cleanup_json_ cJSON *schema = parse(schema_text);
    _cleanup_free_ char *found = problems_of(schema, value);
    assert_string_equal(found, problems);
}

static void test_types(void **state)
{
    (void)state;
    expect("{\"type\":\"integer\"}", "3", "");
    expect("{\"type\":\"integer\"}", "3.5", ": must be a whole number, is 3.5");
    expect("{\"type\":\"number\"}", "\"512M\"", ": must be a number, is \"512M\"");
    expect("{\"type\":[\"integer\",\"null\"]}", "null", "");
    expect("{\"type\":[\"integer\",\"null\"]}", "{}",
           ": must be a whole number or null, is an object");
    expect("{\"type\":\"boolean\"}", "1", ": must be true or false, is 1");
}

static void test_a_secret_is_not_cut(void **state)
{
    (void)state;
    redact_add("a-password-that-reaches-over-the-end-of-what-is-shown");
    expect("{\"pattern\":\"^b\"}",
           "\"https://a-password-that-reaches-over-the-end-of-what-is-shown@host/\"",
           ": must match ^b, is \"https://[MASKED]@host/\"");
    redact_release();
}

static void test_bounds(void **state)
{
    (void)state;
    expect("{\"minimum\":256}", "128", ": must be at least 256, is 128");
    expect("{\"maximum\":3}", "4", ": must be at most 3, is 4");
    expect("{\"minLength\":1}", "\"\"", ": must not be empty");
    expect("{\"maxLength\":2}", "\"\xc3\xa4\xc3\xb6\"", "");
    expect("{\"maxLength\":2}", "\"abc\"", ": must have at most 2 characters, has 3");
    expect("{\"minItems\":1}", "[]", ": must have at least 1 item");
    expect("{\"pattern\":\"^vpc-\"}", "\"sg-1\"", ": must match ^vpc-, is \"sg-1\"");
    expect("{\"enum\":[\"a\",\"b\"]}", "\"c\"", ": must be one of \"a\", \"b\", is \"c\"");
}

static void test_members(void **state)
{
    (void)state;
    const char *schema =
        "{\"type\":\"object\",\"required\":[\"cpu\"],\"additionalProperties\":false,"
        "\"properties\":{\"cpu\":{\"type\":\"integer\"},\"memory\":{}}}";
    expect(schema, "{\"cpu\":1}", "");
    expect(schema, "{}", ": 'cpu' is missing");
    expect(schema, "{\"cpu\":1,\"memroy\":2}", "memroy: unknown key; did you mean 'memory'?");
    expect(schema, "{\"cpu\":1,\"zzzzzzzz\":2}", "zzzzzzzz: unknown key");
    expect(schema, "{\"cpu\":\"x\",\"mem\":2}",
           "cpu: must be a whole number, is \"x\"; mem: unknown key; did you mean 'memory'?");
    expect("{\"patternProperties\":{\"^[a-z]+$\":{\"type\":\"string\"}},"
           "\"additionalProperties\":false}",
           "{\"ok\":\"x\",\"a.b\":1}", "\"a.b\": a name here must match ^[a-z]+$");
    expect("{\"additionalProperties\":{\"type\":\"string\"}}", "{\"a\":1}",
           "a: must be a string, is 1");
}

/* A message must speak of the alternative that the writer meant. */
static void test_any_of(void **state)
{
    (void)state;
    const char *schema = "{\"anyOf\":[{\"type\":\"integer\",\"minimum\":1},"
                         "{\"$ref\":\"#/$defs/port\"}],\"$defs\":{\"port\":{\"type\":\"object\","
                         "\"required\":[\"port\"]}}}";
    expect(schema, "80", "");
    expect(schema, "0", ": must be at least 1, is 0");
    expect(schema, "{}", ": 'port' is missing");
    expect(schema, "\"80\"", ": must be a whole number or an object, is \"80\"");
}

static void test_lines(void **state)
{
    (void)state;
    const char *text =
        "{\n  \"services\": {\n    \"notifier\": {\n      \"ports\": [80, \"x\"],\n"
        "      \"memory\": \"512M\"\n    }\n  },\n  \"network\": {\n    \"vpc\": {},\n"
        "    \"privateSubnets\": {}\n  }\n}\n";
    _cleanup_json_ cJSON *schema = parse(schema_environment);
    _cleanup_json_ cJSON *value = parse(text);
    _cleanup_problems_ struct schema_problems problems = SCHEMA_PROBLEMS_INIT;
    _cleanup_err_ struct err err = ERR_INIT;
    schema_check(schema, value, &problems);
    assert_int_equal(schema_problems_to_err(&problems, ERR_USER, "env.json", text, &err), -1);
    assert_string_equal(
        err.message,
        "env.json:4: services.notifier.ports[1]: must be a whole number or an object, is \"x\"\n"
        "env.json:5: services.notifier.memory: must be a whole number, is \"512M\"");
    assert_int_equal(err.class, ERR_USER);
}

/* A log of thousands of lines helps nobody. */
static void test_many_problems(void **state)
{
    (void)state;
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    strbuf_addc(&text, '[');
    for (unsigned i = 0; i < 3000; i++)
        strbuf_adds(&text, i > 0 ? ",\n1" : "1");
    strbuf_addc(&text, ']');
    _cleanup_json_ cJSON *schema = parse("{\"items\":{\"type\":\"string\"}}");
    _cleanup_json_ cJSON *value = parse(text.buf);
    _cleanup_problems_ struct schema_problems problems = SCHEMA_PROBLEMS_INIT;
    _cleanup_err_ struct err err = ERR_INIT;
    schema_check(schema, value, &problems);
    assert_int_equal(problems.n + problems.unlisted, 3000);
    assert_int_equal(schema_problems_to_err(&problems, ERR_USER, "f", text.buf, &err), -1);
    assert_non_null(strstr(err.message, "\nf:25: [24]: must be a string, is 1\n"));
    assert_true(str_ends(err.message, "\nf: 2975 more of this kind; correct these first"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_a_secret_is_not_cut),
        cmocka_unit_test(test_members),
        cmocka_unit_test(test_any_of),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_many_problems),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
