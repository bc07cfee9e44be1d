/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "executor/base/json.h"

static cJSON *parse(const char *text)
{
    _cleanup_err_ struct err err = ERR_INIT;
    cJSON *value = NULL;
    if (json_parse(text, strlen(text), JSON_COMMENTS, &value, &err) < 0)
        fail_msg("%s: %s", text, err.message);
    return value;
}

static void refuse(const char *text, size_t len, enum json_flags flags, const char *message)
{
    _cleanup_err_ struct err err = ERR_INIT;
    cJSON *value = NULL;
    if (json_parse(text, len, flags, &value, &err) == 0)
        fail_msg("'%s' was accepted", text);
    assert_null(value);
    assert_int_equal(err.class, ERR_INVALID);
    if (strstr(err.message, message) == NULL)
        fail_msg("'%s' does not say '%s'", err.message, message);
}

static void refuses_what_cjson_lets_pass(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        { "", "not valid JSON" },
        { "{} trailing", "line 1" },
        { "{\"a\": 1, \"a\": 2}", "a stands there twice" },
        { "{\n\"x\": {\"b\": 1,\n\"b\": 2}}", "line 2: x.b stands there twice" },
        { "[{\"k\": 1, \"k\": 1}]", "[0].k stands there twice" },
        { "\"a\\u0000b\"", "must not hold a NUL" },
        { "\"a\\u12\"", "without four hexadecimal digits" },
        { "\"\\u890\\a\"", "without four hexadecimal digits" },
        { "{\"\\\\\\u12x4\": 1}", "without four hexadecimal digits" },
        { "{\n  \"a\": ,\n}", "line 2" },
        { "// no comments\n{}", "line 1" },
        { "{} /* x */", "line 1" },
        { "{'a': 1}", "not valid JSON" },
        { "{\"a\": [1e999]}", "line 1: a[0] is too large for a number" },
        { "-1e999", "the value is too large for a number" },
        { "{\n\"a\": \"\xe4\"}", "line 2, column 7: not UTF-8" },
        { "\"\xc0\xaf\"", "column 2: not UTF-8" },
        { "\"\xed\xa0\x80\"", "column 2: not UTF-8" },
        { "\"\xf5\x80\x80\x80\"", "column 2: not UTF-8" },
        { "\"\xe2\x82", "column 2: not UTF-8" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        refuse(cases[i][0], strlen(cases[i][0]), JSON_PLAIN, cases[i][1]);
    refuse("{}\0{}", 5, JSON_PLAIN, "a NUL byte");
    refuse("\"\\", 2, JSON_PLAIN, "not valid JSON"); /* a string that ends in its last escape */
    refuse("[\"\\u", 4, JSON_PLAIN, "not valid JSON");
    refuse("{}\n /* x", 7, JSON_COMMENTS, "line 2, column 2: a comment without its '*/'");
}

static void depth_has_a_limit(void **state)
{
    (void)state;
    char text[2 * JSON_DEPTH_MAX + 8] = "";
    memset(text, '[', JSON_DEPTH_MAX);
    memset(text + JSON_DEPTH_MAX, ']', JSON_DEPTH_MAX);
    cJSON *value = parse(text);
    json_freep(&value);
    memset(text, '[', JSON_DEPTH_MAX + 1);
    memset(text + JSON_DEPTH_MAX + 1, ']', JSON_DEPTH_MAX + 1);
    refuse(text, strlen(text), JSON_PLAIN, "nested too deeply");
    /* Brackets in strings are no nesting. */
    _cleanup_strbuf_ struct strbuf string = STRBUF_INIT;
    strbuf_addc(&string, '"');
    for (int i = 0; i < 200; i++)
        strbuf_adds(&string, "[\\\"");
    strbuf_addc(&string, '"');
    value = parse(string.buf);
    json_freep(&value);
}

static void comments_are_blanks(void **state)
{
    (void)state;
    _cleanup_json_ cJSON *v = parse("// one\n{ /* two\n */ \"a\": \"// not /* one\", // three\n"
                                    "\"b\": \"\\\\u0000\" }");
    assert_string_equal(json_str(v, "a"), "// not /* one");
    assert_string_equal(json_str(v, "b"), "\\u0000");
    refuse("{ /* never closed", 17, JSON_COMMENTS, "line 1");
    refuse("/", 1, JSON_COMMENTS, "line 1");
}

static void getters_tell_absent_from_wrong(void **state)
{
    (void)state;
    _cleanup_json_ cJSON *v =
        parse("{\"s\": \"x\", \"n\": null, \"b\": true, \"i\": 9007199254740992,"
              "\"f\": 1.5, \"h\": 1e300, \"l\": [\"p\", {\"name\": \"q\"}]}");
    assert_string_equal(json_str(v, "s"), "x");
    assert_null(json_str(v, "S"));
    assert_null(json_str(v, "b"));
    assert_non_null(json_get(v, "n"));
    assert_null(json_get(NULL, "n"));
    assert_true(json_bool(v, "b", false));
    assert_true(json_bool(v, "s", true));
    assert_true(json_int(v, "i", 0) == 9007199254740992);
    assert_int_equal(json_int(v, "f", -1), -1);
    assert_int_equal(json_int(v, "h", -1), -1);
    assert_int_equal(json_int(v, "missing", -1), -1);
    assert_string_equal(json_str_at(v, "l/1/name"), "q");
    assert_null(json_at(v, "l/7/name"));
    assert_null(json_at(v, "l/x"));
    assert_null(json_at(v, "l/-1"));
    assert_ptr_equal(json_at(v, ""), v);
    assert_int_equal(json_count(json_get(v, "l")), 2);
    assert_int_equal(json_count(NULL), 0);
    assert_true(json_array_has(json_get(v, "l"), "p"));
    assert_false(json_array_has(json_get(v, "l"), "q"));
    assert_non_null(json_find(json_get(v, "l"), "name", "q"));
    assert_null(json_find(NULL, "name", "q"));
}

static void expect(const cJSON *value, const char *text)
{
    _cleanup_free_ char *printed = json_print(value);
    assert_string_equal(printed, text);
}

static void building(void **state)
{
    (void)state;
    _cleanup_json_ cJSON *v = cJSON_CreateObject();
    json_put_str(v, "a", "1");
    json_put_str(v, "a", "2");
    assert_null(json_put_str(v, "none", NULL));
    json_put_strf(v, "f", "%d", 3);
    json_put_int(v, "i", 4);
    json_put_bool(v, "b", true);
    json_push_str(json_put_array(v, "l"), "x");
    json_put_int(json_put_object(v, "o"), "p", 5);
    _cleanup_json_ cJSON *copy = cJSON_CreateObject();
    json_copy(copy, v, "o");
    json_copy(copy, v, "missing");
    expect(copy, "{\"o\":{\"p\":5}}");
    expect(v, "{\"a\":\"2\",\"f\":\"3\",\"i\":4,\"b\":true,\"l\":[\"x\"],\"o\":{\"p\":5}}");
    assert_null(json_dup(NULL));
}

static void merging(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        { "{\"a\":1}", "{\"b\":2}", "{\"a\":1,\"b\":2}" },
        { "{\"a\":{\"x\":1,\"y\":2}}", "{\"a\":{\"y\":3}}", "{\"a\":{\"x\":1,\"y\":3}}" },
        { "{\"a\":1,\"b\":2}", "{\"a\":null}", "{\"b\":2}" },
        { "{\"a\":[1,2]}", "{\"a\":[3]}", "{\"a\":[3]}" },
        { "{\"e\":[{\"name\":\"A\",\"value\":\"1\"},{\"name\":\"B\",\"value\":\"2\"}]}",
          "{\"e\":[{\"name\":\"B\",\"value\":\"3\"},{\"name\":\"C\",\"value\":\"4\"}]}",
          "{\"e\":[{\"name\":\"A\",\"value\":\"1\"},{\"name\":\"B\",\"value\":\"3\"},"
          "{\"name\":\"C\",\"value\":\"4\"}]}" },
        { "{\"a\":1}", "{\"a\":{\"b\":null,\"c\":1}}", "{\"a\":{\"c\":1}}" },
        { "{\"a\":{\"b\":1}}", "{\"a\":\"s\"}", "{\"a\":\"s\"}" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_json_ cJSON *base = parse(cases[i][0]);
        _cleanup_json_ cJSON *over = parse(cases[i][1]);
        json_merge(base, over);
        expect(base, cases[i][2]);
        expect(over, cases[i][1]);
    }
}

static void equality_and_order(void **state)
{
    (void)state;
    _cleanup_json_ cJSON *a = parse("{\"x\":1,\"y\":[1,2]}");
    _cleanup_json_ cJSON *b = parse("{\"y\":[1,2],\"x\":1}");
    _cleanup_json_ cJSON *c = parse("{\"y\":[2,1],\"x\":1}");
    assert_true(json_equal(a, b));
    assert_false(json_equal(a, c));
    assert_true(json_equal(NULL, NULL));
    assert_false(json_equal(a, NULL));
    _cleanup_json_ cJSON *strings = parse("[\"b\",\"a\",\"B\"]");
    json_sort(strings, NULL);
    expect(strings, "[\"B\",\"a\",\"b\"]");
    _cleanup_json_ cJSON *objects = parse("[{\"n\":\"z\"},{\"n\":\"a\"}]");
    json_sort(objects, "n");
    expect(objects, "[{\"n\":\"a\"},{\"n\":\"z\"}]");
}

static void lines_and_paths(void **state)
{
    (void)state;
    static const char text[] = "{\n  \"services\": {\n    // the first\n    \"a.b\": {\n"
                               "      \"ports\": [\n        1,\n        { \"from\": 2 }\n"
                               "      ]\n    }\n  }\n}\n";
    assert_int_equal(json_line_of(text, "services"), 2);
    assert_int_equal(json_line_of(text, "services.\"a.b\""), 4);
    assert_int_equal(json_line_of(text, "services.\"a.b\".ports[0]"), 6);
    assert_int_equal(json_line_of(text, "services.\"a.b\".ports[1].from"), 7);
    assert_int_equal(json_line_of(text, "services.\"a.b\".missing"), 4);
    assert_int_equal(json_line_of(text, ""), 1);
    _cleanup_strbuf_ struct strbuf path = STRBUF_INIT;
    json_path_key(&path, "services");
    json_path_key(&path, "a.b");
    json_path_key(&path, "ports");
    json_path_index(&path, 1);
    assert_string_equal(path.buf, "services.\"a.b\".ports[1]");
}

/* Keys that a job chose must neither break a message into lines nor lead a path astray. */
static void paths_of_odd_keys(void **state)
{
    (void)state;
    static const char text[] = "{\n\"a\": {},\n\"a\\\"[\":\n 1, \"b c\\n\":\n 2 }";
    _cleanup_strbuf_ struct strbuf path = STRBUF_INIT;
    json_path_key(&path, "a\"[");
    assert_string_equal(path.buf, "\"a\\\"[\"");
    assert_int_equal(json_path_quoted(path.buf), path.len);
    assert_int_equal(json_line_of(text, path.buf), 4);
    strbuf_reset(&path);
    json_path_key(&path, "b c\n");
    assert_string_equal(path.buf, "\"b c\\n\"");
    assert_int_equal(json_line_of(text, path.buf), 5);
    assert_int_equal(json_line_of(text, "\""), 1);
}

static void an_object_may_be_large(void **state)
{
    (void)state;
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    strbuf_addc(&text, '{');
    for (unsigned i = 0; i < 200000; i++)
        strbuf_addf(&text, "\"%u\":1,", i);
    strbuf_adds(&text, "\"7\":1}");
    time_t start = time(NULL);
    refuse(text.buf, text.len, JSON_PLAIN, "7 stands there twice");
    assert_true(time(NULL) - start < 20);
}

static void files(void **state)
{
    (void)state;
    char path[] = "/tmp/berth-test-json-XXXXXX";
    int fd = mkstemp(path);
    _cleanup_err_ struct err err = ERR_INIT;
    cJSON *value = NULL;
    assert_int_equal(write(fd, "{\n1}", 4), 4);
    close(fd);
    assert_int_equal(json_read(path, JSON_PLAIN, &value, NULL, &err), -1);
    assert_int_equal(err.class, ERR_INVALID);
    assert_true(str_starts(err.message, path));
    assert_non_null(strstr(err.message, "line 2"));
    assert_int_equal(truncate(path, (off_t)JSON_FILE_MAX + 1), 0);
    assert_int_equal(json_read(path, JSON_PLAIN, &value, NULL, &err), -1);
    assert_non_null(strstr(err.message, "larger than"));
    unlink(path);
    assert_int_equal(json_read(path, JSON_PLAIN, &value, NULL, &err), -1);
    assert_int_equal(err.class, ERR_NOT_FOUND);
    assert_int_equal(json_read("/tmp", JSON_PLAIN, &value, NULL, &err), -1);
    assert_int_equal(err.class, ERR_HOST);
    assert_null(value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_what_cjson_lets_pass),
        cmocka_unit_test(depth_has_a_limit),
        cmocka_unit_test(comments_are_blanks),
        cmocka_unit_test(getters_tell_absent_from_wrong),
        cmocka_unit_test(building),
        cmocka_unit_test(merging),
        cmocka_unit_test(equality_and_order),
        cmocka_unit_test(lines_and_paths),
        cmocka_unit_test(paths_of_odd_keys),
        cmocka_unit_test(an_object_may_be_large),
        cmocka_unit_test(files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
