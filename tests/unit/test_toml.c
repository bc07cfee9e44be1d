/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "executor/base/toml.h"

/* Documents that Python's tomllib reads, too: it is the oracle. */
static const char *const documents[] = {
    "",
    "a = 1\nb=\"x\" # c\n\n[t]\nc = true\r\nd = false\n[t.u]\ne = -0.5e3",
    "concurrent = 10\n[[runners]]\n  name = \"a\"\n  [runners.custom]\n    x = [\"y\", 'z', ]\n"
    "[[runners]]\n  name = \"b\"\n  [runners.custom]\n    x = []\n",
    "a.b.\"c d\".e = 0xf_f\na.b.f = 0b11\na.g = 0o17\nh = 1_000\ni = +7\n",
    "s = \"q\\\"\\\\\\t\\u00e9\\U0001F600\"\nl = 'a\\b'\nm = \"\"\"\nfirst\\\n   "
    "joined\n\"\"two\"\"\"\"\n"
    "n = '''\nx'y''z'''",
    "t = { a = 1, b.c = \"d\", e = [ { f = 1 }, {} ] }\n",
    "x = [ # comment\n 1,\n 2, # more\n]\n",
    "\"\" = 1\n'q' = 2\n1 = 3\n",
    "k = \"\\u20AC \\u07ff \\U0010ffff\"",
};

static void reads_as_tomllib_does(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(documents); i++) {
        char path[] = "/tmp/berth-test-toml-XXXXXX";
        FILE *f = fdopen(mkstemp(path), "w");
        assert_non_null(f);
        fputs(documents[i], f);
        fclose(f);
        _cleanup_free_ char *command =
            xasprintf("python3 -c 'import json,sys,tomllib;"
                      "print(json.dumps(tomllib.load(open(sys.argv[1],\"rb\"))))' %s; rm %s",
                      path, path);
        FILE *p = popen(command, "r");
        assert_non_null(p);
        char expected[4096];
        size_t n = fread(expected, 1, sizeof(expected), p);
        assert_int_equal(pclose(p), 0);
        _cleanup_err_ struct err err = ERR_INIT;
        _cleanup_json_ cJSON *oracle = NULL, *ours = NULL;
        assert_int_equal(json_parse(expected, n, JSON_PLAIN, &oracle, &err), 0);
        if (toml_parse(documents[i], strlen(documents[i]), &ours, &err) < 0)
            fail_msg("document %zu: %s", i, err.message);
        _cleanup_free_ char *text = json_print(ours);
        if (!json_equal(ours, oracle))
            fail_msg("document %zu is %s, and not %s", i, text, expected);
    }
}

static void keeps_dates_as_text(void **state)
{
    (void)state;
    const char *text =
        "a = 1979-05-27 07:32:00Z\nb = 07:32:00\nc = -inf\nd = 1979-05-27T07:32:00-07:00";
    _cleanup_err_ struct err err = ERR_INIT;
    _cleanup_json_ cJSON *json = NULL;
    assert_int_equal(toml_parse(text, strlen(text), &json, &err), 0);
    assert_string_equal(json_str(json, "a"), "1979-05-27 07:32:00Z");
    assert_string_equal(json_str(json, "b"), "07:32:00");
    assert_string_equal(json_str(json, "c"), "-inf");
    assert_string_equal(json_str(json, "d"), "1979-05-27T07:32:00-07:00");
}

static void refuses_what_could_be_read_in_two_ways(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        { "a = 1\na = 2", "line 2: this key stands there twice" },
        { "[a]\n[b]\n[a]", "line 3: this table stands there twice" },
        { "a = 1\n[a]", "line 2: this is a value" },
        { "a = 1\na.b = 2", "line 2: this is a value" },
        { "[[a]]\n[a]", "line 2: this is a value" },
        { "[a]\n[[a]]", "line 2: this is no array" },
        { "a = ", "line 1: neither" },
        { "a = 1 2", "line 1: something behind" },
        { "a = \"x", "without its end" },
        { "a = \"x\ny\"", "without its end" },
        { "a = \"\\q\"", "unknown escape" },
        { "a = \"\\ud800\"", "no character" },
        { "a = \"\\u0000\"", "no character" },
        { "\n\na", "line 3: '='" },
        { "a = [1", "without its ']'" },
        { "a = {b = 1", "without its '}'" },
        { "[a", "without its ']'" },
        { "= 1", "a key is missing" },
        { "a = 1e999", "neither" },
        { "a = \"\xff\"", "not UTF-8" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_err_ struct err err = ERR_INIT;
        cJSON *json = NULL;
        assert_int_equal(toml_parse(cases[i][0], strlen(cases[i][0]), &json, &err), -1);
        assert_null(json);
        if (strstr(err.message, cases[i][1]) == NULL)
            fail_msg("'%s': '%s' does not say '%s'", cases[i][0], err.message, cases[i][1]);
    }
    _cleanup_strbuf_ struct strbuf deep = STRBUF_INIT;
    strbuf_adds(&deep, "a = ");
    for (int i = 0; i < 100000; i++)
        strbuf_addc(&deep, '[');
    _cleanup_err_ struct err err = ERR_INIT;
    cJSON *json = NULL;
    assert_int_equal(toml_parse(deep.buf, deep.len, &json, &err), -1);
    assert_non_null(strstr(err.message, "nested too deeply"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_as_tomllib_does),
        cmocka_unit_test(keeps_dates_as_text),
        cmocka_unit_test(refuses_what_could_be_read_in_two_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
