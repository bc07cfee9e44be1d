/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <unistd.h>

#include "drivers/coverage.h"
#include "executor/base/file.h"

#define REPORTS "tests/fuzz/corpus/coverage"

/* Reports that tools have written, and such as they describe them: all reports of the corpus. */
static void read_corpus(const char *name, struct coverage_report *ret)
{
    _cleanup_close_ int dir = -1;
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    _cleanup_err_ struct err err = ERR_INIT;
    assert_int_equal(file_open_dir(REPORTS, &dir, &err), 0);
    assert_int_equal(file_read_beneath(dir, name, 1 << 20, &text, &err), 0);
    int r = coverage_parse(text.buf, text.len, ret, &err);
    if (r < 0)
        fail_msg("%s %s", name, err.message);
}

static const struct coverage_file *file_named(const struct coverage_report *r, const char *name)
{
    for (size_t i = 0; i < r->n; i++)
        if (str_eq(r->files[i].name, name))
            return &r->files[i];
    fail_msg("no file '%s'", name);
    return NULL;
}

static void missed_are(const struct coverage_report *r, const char *file, const char *lines)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    coverage_missed_lines(file_named(r, file), 10, &text);
    assert_string_equal(text.buf, lines);
}

static void percent_is(struct count count, unsigned minimum, const char *expected)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    coverage_percent(&count, minimum, &text);
    assert_string_equal(text.buf, expected);
}

static void refused(const char *text, size_t len, const char *why)
{
    _cleanup_coverage_report_ struct coverage_report r = COVERAGE_REPORT_INIT;
    _cleanup_err_ struct err err = ERR_INIT;
    if (coverage_parse(text, len, &r, &err) == 0)
        fail_msg("no error for '%.200s'", text);
    assert_int_equal(err.class, ERR_USER);
    if (strstr(err.message, why) == NULL)
        fail_msg("'%s' instead of '%s'", err.message, why);
    assert_int_equal(r.n, 0);
}

static void a_total_is_what_the_tool_itself_says(void **state)
{
    (void)state;
    static const struct {
        const char *report, *writer;
        enum counter counter;
        struct count total;
        const char *percent; /* as "coverage report --precision=2", gcovr, lcov and JaCoCo say it */
    } rows[] = {
        { "coverage-py-line.xml", "coverage.py", COUNTER_LINE_AND_BRANCH, { 13, 30 }, "43.33" },
        { "coverage-py-branch.xml", "coverage.py", COUNTER_LINE_AND_BRANCH, { 17, 46 }, "36.96" },
        { "coverage-py-branch.json", "coverage.py", COUNTER_LINE_AND_BRANCH, { 17, 46 }, "36.96" },
        { "coverage-py-branch.lcov", "lcov", COUNTER_LINE, { 13, 30 }, "43.33" },
        { "gcovr.xml", "Cobertura", COUNTER_LINE, { 7, 11 }, "63.64" },
        { "inner-classes.xml", "Cobertura", COUNTER_LINE, { 2, 3 }, "66.67" },
        { "two-tests.info", "lcov", COUNTER_LINE, { 6, 13 }, "46.15" },
        { "jacoco.xml", "JaCoCo", COUNTER_INSTRUCTION, { 20, 30 }, "66.67" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        _cleanup_coverage_report_ struct coverage_report r = COVERAGE_REPORT_INIT;
        read_corpus(rows[i].report, &r);
        assert_string_equal(r.writer, rows[i].writer);
        assert_int_equal(r.usual, rows[i].counter);
        struct count total = coverage_count(r.totals, r.usual);
        assert_int_equal(total.covered, rows[i].total.covered);
        assert_int_equal(total.valid, rows[i].total.valid);
        percent_is(total, 0, rows[i].percent);
    }
}

static void other_counters(void **state)
{
    (void)state;
    static const struct {
        const char *report;
        enum counter counter;
        struct count total;
    } rows[] = {
        { "coverage-py-branch.xml", COUNTER_LINE, { 13, 30 } },
        { "coverage-py-branch.xml", COUNTER_BRANCH, { 4, 16 } },
        { "coverage-py-branch.json", COUNTER_BRANCH, { 4, 16 } },
        { "coverage-py-branch.lcov", COUNTER_BRANCH, { 4, 16 } },
        { "coverage-py-line.xml", COUNTER_BRANCH, { 0, 0 } },
        { "coverage-py-line.xml", COUNTER_INSTRUCTION, { 0, 0 } },
        { "gcovr.xml", COUNTER_BRANCH, { 2, 8 } },
        { "inner-classes.xml", COUNTER_BRANCH, { 1, 2 } },
        { "two-tests.info", COUNTER_BRANCH, { 2, 2 } },
        { "jacoco.xml", COUNTER_LINE, { 5, 7 } },
        { "jacoco.xml", COUNTER_BRANCH, { 2, 4 } },
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        _cleanup_coverage_report_ struct coverage_report r = COVERAGE_REPORT_INIT;
        read_corpus(rows[i].report, &r);
        struct count total = coverage_count(r.totals, rows[i].counter);
        assert_int_equal(total.covered, rows[i].total.covered);
        assert_int_equal(total.valid, rows[i].total.valid);
    }
}

static void missed_lines(void **state)
{
    (void)state;
    static const struct {
        const char *report, *file, *lines;
    } rows[] = {
        /* as "coverage report --show-missing" has them */
        { "coverage-py-line.xml", "app/message.py", "6, 10-11, 16-18" },
        { "coverage-py-branch.json", "app/message.py", "6, 10-11, 16-18" },
        { "coverage-py-branch.lcov", "app/send.py", "9-11, 15-22" },
        { "gcovr.xml", "health.c", "8-10, 16" },
        { "inner-classes.xml", "com/example/Ops.java", "9" },
        { "two-tests.info", "src/index.js", "3" },
        { "two-tests.info", "src/old.js", "" },
        { "jacoco.xml", "core/com/example/billing/Ops.java", "14-15" },
        { "jacoco.xml", "web/com/example/billing/Ops.java", "" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        _cleanup_coverage_report_ struct coverage_report r = COVERAGE_REPORT_INIT;
        read_corpus(rows[i].report, &r);
        missed_are(&r, rows[i].file, rows[i].lines);
    }
    _cleanup_coverage_report_ struct coverage_report r = COVERAGE_REPORT_INIT;
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    read_corpus("coverage-py-line.xml", &r);
    coverage_missed_lines(file_named(&r, "app/message.py"), 2, &text);
    assert_string_equal(text.buf, "6, 10-11, ...");
}

static void the_worst_come_first(void **state)
{
    (void)state;
    static const char lcov[] = "SF:b\nLF:10\nLH:9\nend_of_record\nSF:a\nLF:4\nLH:0\nend_of_record\n"
                               "SF:whole\nLF:9\nLH:9\nend_of_record\nSF:c\nLF:100\nLH:60\n"
                               "end_of_record\nSF:d\nLF:1\nLH:0\nend_of_record\n";
    _cleanup_coverage_report_ struct coverage_report r = COVERAGE_REPORT_INIT;
    _cleanup_err_ struct err err = ERR_INIT;
    const struct coverage_file *worst[8];
    assert_int_equal(coverage_parse(lcov, strlen(lcov), &r, &err), 0);
    assert_int_equal(coverage_worst(&r, COUNTER_LINE, worst, 8), 4);
    const char *const order[] = { "c", "a", "b", "d" };
    for (size_t i = 0; i < ARRAY_SIZE(order); i++)
        assert_string_equal(worst[i]->name, order[i]);
    assert_int_equal(coverage_worst(&r, COUNTER_LINE, worst, 2), 4);
    assert_string_equal(worst[1]->name, "a");
}

static void a_minimum_is_not_reached_by_rounding(void **state)
{
    (void)state;
    static const struct {
        struct count count;
        unsigned minimum;
        bool enough;
        const char *percent;
    } rows[] = {
        { { 80, 100 }, 8000, true, "80.00" },
        { { 79996, 100000 }, 8000, false, "79.99" }, /* 80.00 to two digits */
        { { 79994, 100000 }, 8000, false, "79.99" },
        { { 80001, 100000 }, 8000, true, "80.00" },
        { { 13, 69 }, 8000, false, "18.84" },
        { { 39, 40 }, 8000, true, "97.50" },
        { { 99999, 100000 }, 10000, false, "99.99" },
        { { 99999, 100000 }, 8000, true, "99.99" }, /* all is 100 and nothing else */
        { { 1, 1 }, 10000, true, "100.00" },
        { { 1, 1000000 }, 8000, false, "0.01" }, /* and nothing is 0 */
        { { 0, 5 }, 8000, false, "0.00" },
        { { 0, 5 }, 0, true, "0.00" },
        { { 1, 1000000 }, 1, false, "0.00" },
        { { 7555, 10000 }, 7550, true, "75.55" },
        { { 805, 1000 }, 8050, true, "80.50" },
        { { COVERAGE_COUNT_MAX * 80000ull, COVERAGE_COUNT_MAX * 100000ull }, 8000, true, "80.00" },
        { { COVERAGE_COUNT_MAX * 80000ull - 1, COVERAGE_COUNT_MAX * 100000ull },
          8000,
          false,
          "79.99" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        assert_int_equal(coverage_suffices(&rows[i].count, rows[i].minimum), rows[i].enough);
        percent_is(rows[i].count, rows[i].minimum, rows[i].percent);
    }
}

#define XML(attributes, inside)                                                                    \
    "<coverage " attributes "><packages><package><classes>" inside                                 \
    "</classes></package></packages></coverage>"
#define CLASS(lines) "<class filename=\"a.py\"><lines>" lines "</lines></class>"
#define JSON(totals, files)                                                                        \
    "{\"totals\":{\"covered_lines\":1,\"num_statements\":2" totals "},\"files\":{" files "}}"

static void what_is_wrong_is_told(void **state)
{
    (void)state;
    static const struct {
        const char *text, *why;
    } rows[] = {
        { "", "is empty" },
        { " \n\t\n", "is empty" },
        { "ran 3 tests", "is no coverage report that is known" },
        { "\x01\x02", "is no coverage report that is known" },
        { "<coverage>", "is not XML: line 1: " },
        { "<coverage>\n\n<a></b></coverage>",
          "is not XML: line 3: Opening and ending tag mismatch" },
        { "<coverage>\xff</coverage>", "is not UTF-8" },
        { "<html><body>502</body></html>", "its root is 'html'" },
        { XML("lines-valid=\"NaN\" lines-covered=\"1\"", ""),
          "lines-valid of 'coverage' is 'NaN'" },
        { XML("lines-valid=\"-5\" lines-covered=\"1\"", ""), "lines-valid of 'coverage' is '-5'" },
        { XML("lines-valid=\"1e3\" lines-covered=\"1\"", ""), "'1e3'" },
        { XML("lines-valid=\"99999999999999999999\" lines-covered=\"1\"", ""), "'99999999999999" },
        { XML("lines-valid=\"1000000001\" lines-covered=\"1\"", ""), "'1000000001'" },
        { XML("lines-valid=\"5\" lines-covered=\"6\"", ""), "counts 6 of 5 lines as covered" },
        { XML("branches-valid=\"0\" branches-covered=\"1\"", ""), "1 of 0 branches" },
        { XML("", "<class><lines/></class>"), "line 1: a 'class' has no 'filename'" },
        { "<coverage generated='1'><project timestamp='1'/></coverage>", "is in Clover's format" },
        { XML("", CLASS("<line number=\"x\" hits=\"1\"/>")), "number of 'line' is 'x'" },
        { XML("", CLASS("<line number=\"1\" hits=\"-1\"/>")), "hits of 'line' is '-1'" },
        { XML("", CLASS("<line number=\"1\" hits=\"1\" condition-coverage=\"50%\"/>")),
          "condition-coverage of 'line' is '50%'" },
        { XML("", CLASS("<line number=\"1\" hits=\"1\" condition-coverage=\"1 (3/2)\"/>")),
          "of 'a.py' it counts 3 of 2 branches" },
        { "<report><counter type=\"LINE\" missed=\"-1\" covered=\"0\"/></report>",
          "missed of 'counter' is '-1'" },
        { "<report><sourcefile name=\"a\"><line nr=\"1\" ci=\"1.5\"/></sourcefile></report>",
          "ci of 'line' is '1.5'" },
        { "{", "is not JSON: " },
        { "{}", "is JSON, but not what 'coverage json' writes" },
        { "{\"totals\": 5, \"files\": {}}", "is JSON, but not what" },
        { "{\"totals\": {\"covered_lines\": NaN}, \"files\": {}}", "is not JSON: " },
        { "{\"totals\": {\"covered_lines\": 1}, \"files\": {}}", "totals.num_statements is not" },
        { "{\"totals\": {\"covered_lines\": -1, \"num_statements\": 2}, \"files\": {}}",
          "totals.covered_lines is not a number" },
        { "{\"totals\": {\"covered_lines\": 0.5, \"num_statements\": 2}, \"files\": {}}",
          "totals.covered_lines is not a number" },
        { JSON(",\"num_branches\":2,\"covered_branches\":3", ""), "3 of 2 branches" },
        { JSON("", "\"a.py\":{}"), "files.\"a.py\".summary.covered_lines is not" },
        { JSON("", "\"a.py\":{\"summary\":{\"covered_lines\":0,\"num_statements\":1},"
                   "\"missing_lines\":[\"7\"]}"),
          "'missing_lines' of 'a.py' holds what is not a line" },
        { "SF:a\nDA:1\nend_of_record\n", "is wrong in line 2: 'DA:1'" },
        { "SF:a\nDA:1,-2\nend_of_record\n", "is wrong in line 2: 'DA:1,-2'" },
        { "SF:a\nDA:-1,2\nend_of_record\n", "is wrong in line 2: 'DA:-1,2'" },
        { "SF:a\nLF:nan\nend_of_record\n", "is wrong in line 2: 'LF:nan'" },
        { "SF:a\nBRDA:1,0,0\nend_of_record\n", "is wrong in line 2" },
        { "SF:a\nSF:b\nend_of_record\n", "is wrong in line 2: 'SF:b'" },
        { "TN:\nDA:1,1\n", "is wrong in line 2: 'DA:1,1'" },
        { "SF:a\nend_of_record\nend_of_record\n", "is wrong in line 3" },
        { "SF:a\ngarbage\n", "is wrong in line 2: 'garbage'" },
        { "SF:a\nDA:1,1\n", "ends in the midst of 'a'" },
        { "SF:a\nLF:1\nLH:2\nend_of_record\n", "of 'a' it counts 2 of 1 lines" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        refused(rows[i].text, strlen(rows[i].text), rows[i].why);
    refused("<coverage\0/>", 12, "is not UTF-8");
}

/* What is quoted of a report may hold one, and be too long for a line. */
static void no_half_of_a_secret(void **state)
{
    (void)state;
    static const char dashes[] = "-----------------------------------------------------";
    redact_add("s3cr3tTokenValue");
    _cleanup_free_ char *trace = xasprintf("SF:a\n%ss3cr3tTokenValue\n", dashes);
    refused(trace, strlen(trace), "--[MASKED...'");
    _cleanup_free_ char *number =
        xasprintf("<coverage lines-valid=\"%ss3cr3tTokenValue\" lines-covered=\"1\"/>", dashes);
    refused(number, strlen(number), "--[MASKED...'");
    _cleanup_free_ char *root = xasprintf("<a%ss3cr3tTokenValue/>", dashes);
    refused(root, strlen(root), "--[MASKE...'");
    redact_release();
}

static void hostile_xml(void **state)
{
    (void)state;
    static const char laughs[] =
        "<!DOCTYPE coverage [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\">]>"
        "<coverage lines-valid=\"1\" lines-covered=\"1\">&b;</coverage>";
    refused(laughs, strlen(laughs), "declares XML entities");
    static const char file[] = "<!DOCTYPE coverage [<!ENTITY % p SYSTEM \"file:///etc/passwd\"> "
                               "%p;]><coverage/>";
    refused(file, strlen(file), "declares XML entities");
    /* In another encoding the declaration would look different. */
    static const char sixteen[] = "<\0!\0D\0O\0C\0T\0Y\0P\0E\0";
    refused(sixteen, sizeof(sixteen) - 1, "is not UTF-8");
    _cleanup_strbuf_ struct strbuf deep = STRBUF_INIT;
    strbuf_adds(&deep, "<coverage>");
    for (int i = 0; i < 100000; i++)
        strbuf_adds(&deep, "<a>");
    refused(deep.buf, deep.len, "nests elements deeper than 64");
    /* libxml2 would take minutes for these. */
    _cleanup_strbuf_ struct strbuf wide = STRBUF_INIT;
    strbuf_adds(&wide, "<coverage ");
    for (int i = 0; i < 200000; i++)
        strbuf_addf(&wide, "a%d='>' ", i);
    strbuf_adds(&wide, "/>");
    refused(wide.buf, wide.len, "has a tag, or a text behind one, of more than 8192 bytes");
}

static void too_much(void **state)
{
    (void)state;
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    for (int i = 0; i <= COVERAGE_FILES_MAX; i++)
        strbuf_addf(&text, "SF:%d\nend_of_record\n", i);
    refused(text.buf, text.len, "tells of more than 100000 files");
    strbuf_reset(&text);
    strbuf_addc(&text, '{');
    while (text.len <= COVERAGE_JSON_MAX)
        strbuf_adds(&text, "                                                                ");
    refused(text.buf, text.len, "is read up to 4 MiB");
}

/* JaCoCo says a group once, and it is part of the names of all files in it. */
static void names_that_multiply(void **state)
{
    (void)state;
    static const unsigned files[] = { 100, 200 }; /* with names of 240 KB each */
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
        strbuf_adds(&text, "<report name='a'>");
        for (int group = 0; group < 40; group++)
            strbuf_addf(&text, "<group name='%06000d'>", group);
        for (unsigned file = 0; file < files[i]; file++)
            strbuf_addf(&text, "<sourcefile name='%u'/>", file);
        for (int group = 0; group < 40; group++)
            strbuf_adds(&text, "</group>");
        strbuf_adds(&text, "</report>");
        if (i > 0) {
            refused(text.buf, text.len, "tells of files whose names take more than 32 MiB");
            continue;
        }
        _cleanup_coverage_report_ struct coverage_report r = COVERAGE_REPORT_INIT;
        _cleanup_err_ struct err err = ERR_INIT;
        assert_int_equal(coverage_parse(text.buf, text.len, &r, &err), 0);
        assert_int_equal(r.n, files[i]);
    }
}

static void a_byte_order_mark_is_no_part_of_it(void **state)
{
    (void)state;
    static const char *const reports[] = {
        "\xef\xbb\xbf" XML("lines-valid=\"2\" lines-covered=\"1\"", ""),
        "\xef\xbb\xbf\n" JSON("", ""),
        "\n<?xml version=\"1.0\"?>" XML("lines-valid=\"2\" lines-covered=\"1\"", "") "\n",
    };
    for (size_t i = 0; i < ARRAY_SIZE(reports); i++) {
        _cleanup_coverage_report_ struct coverage_report r = COVERAGE_REPORT_INIT;
        _cleanup_err_ struct err err = ERR_INIT;
        int done = coverage_parse(reports[i], strlen(reports[i]), &r, &err);
        if (done < 0)
            fail_msg("%s", err.message);
        assert_int_equal(coverage_count(r.totals, r.usual).covered, 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_total_is_what_the_tool_itself_says),
        cmocka_unit_test(other_counters),
        cmocka_unit_test(missed_lines),
        cmocka_unit_test(the_worst_come_first),
        cmocka_unit_test(a_minimum_is_not_reached_by_rounding),
        cmocka_unit_test(what_is_wrong_is_told),
        cmocka_unit_test(no_half_of_a_secret),
        cmocka_unit_test(hostile_xml),
        cmocka_unit_test(too_much),
        cmocka_unit_test(names_that_multiply),
        cmocka_unit_test(a_byte_order_mark_is_no_part_of_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
