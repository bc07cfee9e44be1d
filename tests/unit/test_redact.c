/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "executor/base/json.h"
#include "executor/base/redact.h"
#include "tests/unit/redacting.h"

struct form {
    const char *text, *left;
};

/* As Python's json, urllib.parse, html and base64 have written it. */
static void every_form_of_a_secret(void **state)
{
    (void)state;
    static const struct form forms[] = {
        { "p\"ss w/rd+1\303\251<&>\\end", "[MASKED]" },     /* as it is */
        { "p\\\"ss w/rd+1\303\251<&>\\\\end", "[MASKED]" }, /* JSON */
        { "p\\\"ss w/rd+1\\u00e9<&>\\\\end", "[MASKED]" },  /* JSON, ASCII only */
        { "\\\"p\\\\\\\"ss w/rd+1\\\\u00e9<&>\\\\\\\\end\\\"",
          "\\\"[MASKED]\\\"" }, /* JSON in JSON */
        { "\\u0070\\u0022\\u0073\\u0073\\u0020\\u0077\\u002F\\u0072\\u0064\\u002B\\u0031\\u00E9\\u0"
          "03C\\u0026\\u003E\\u005C\\u0065\\u006E\\u0064",
          "[MASKED]" },                                             /* JSON, every character as u */
        { "p\\\"ss w\\/rd+1\\u00e9<&>\\\\end", "[MASKED]" },        /* JSON with an escaped slash */
        { "p%22ss%20w%2Frd%2B1%C3%A9%3C%26%3E%5Cend", "[MASKED]" }, /* percent */
        { "p%22ss%20w%2frd%2b1%c3%a9%3C%26%3E%5Cend", "[MASKED]" }, /* percent, lower case */
        { "%70%22%73%73%20%77%2f%72%64%2b%31%c3%a9%3c%26%3e%5c%65%6e%64",
          "[MASKED]" }, /* percent, all of it */
        { "p%2522ss%2520w%252Frd%252B1%25C3%25A9%253C%2526%253E%255Cend",
          "[MASKED]" },                                               /* percent twice */
        { "p%22ss%20w/rd+1%C3%A9%3C&%3E%5Cend", "[MASKED]" },         /* a path */
        { "p%22ss+w%2Frd%2B1%C3%A9%3C%26%3E%5Cend", "[MASKED]" },     /* a form */
        { "p&quot;ss w/rd+1\303\251&lt;&amp;&gt;\\end", "[MASKED]" }, /* HTML */
        { "p&#34;ss&#32;w&#47;rd&#43;1&#233;&#60;&#38;&#62;&#92;end",
          "[MASKED]" }, /* XML with numbers */
        { "&#x70;&#x22;&#x73;&#x73;&#x20;&#x77;&#x2F;&#x72;&#x64;&#x2B;&#x31;&#xE9;&#x3C;&#x26;&#"
          "x3E;&#x5C;&#x65;&#x6E;&#x64;",
          "[MASKED]" }, /* XML with hexadecimal numbers */
        { "p&amp;quot;ss w/rd+1\303\251&amp;lt;&amp;amp;&amp;gt;\\end",
          "[MASKED]" },                                             /* XML in XML */
        { "7022737320772f72642b31c3a93c263e5c656e64", "[MASKED]" }, /* hexadecimal */
        { "7022737320772F72642B31C3A93C263E5C656E64", "[MASKED]" }, /* hexadecimal, upper case */
        { "cCJzcyB3L3JkKzHDqTwmPlxlbmQ=", "[MASKED]=" },            /* base64 */
        { "AHAic3Mgdy9yZCsxw6k8Jj5cZW5kAA==", "A[MASKED]AA==" },    /* base64 at one */
        { "AABwInNzIHcvcmQrMcOpPCY+XGVuZAA=", "AA[MASKED]A=" },     /* base64 at two */
        { "\\x70\\x22\\x73\\x73\\x20\\x77\\x2f\\x72\\x64\\x2b\\x31\\xc3\\xa9\\x3c\\x26\\x3e\\x5c\\x"
          "65\\x6e\\x64",
          "[MASKED]" }, /* C */
        { "\\160\\042\\163\\163\\040\\167\\057\\162\\144\\053\\061\\303\\251\\074\\046\\076\\134\\1"
          "45\\156\\144",
          "[MASKED]" },                                           /* octal */
        { "p\"ss \n    w/rd\r\n+1\303\251<&>\\end", "[MASKED]" }, /* broken */
        { "cCJzcyB3\nL3JkKzHD\nqTwmPlxl\nbmQ=", "[MASKED]=" },    /* base64 in lines */
        { "cCJzcyB3\\r\\nL3JkKzHD\\r\\nqTwmPlxl\\r\\nbmQ=",
          "[MASKED]=" }, /* base64 in lines, in JSON */
        { "https://user:p%22ss%20w%2Frd%2B1%C3%A9%3C%26%3E%5Cend@example.com/",
          "https://user:[MASKED]@example.com/" }, /* a URL with a password */
    };
    redact_add("p\"ss w/rd+1\303\251<&>\\end");
    for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
        _cleanup_free_ char *text = xasprintf("a %s b", forms[i].text);
        _cleanup_free_ char *left = xasprintf("a %s b", forms[i].left);
        becomes(text, left);
        becomes(forms[i].text, forms[i].left);
    }
    becomes("<p\"ss w/rd+1\303\251<&>\\end|p\"ss w/rd+1\303\251<&>\\end>", "<[MASKED]|[MASKED]>");
    becomes("p\"ss w/rd+1", "p\"ss w/rd+1");
    becomes("p%22ss%20w%2Frd%2B1%C3%A9%3C%26%3E%5Cen", "p%22ss%20w%2Frd%2B1%C3%A9%3C%26%3E%5Cen");
}

/* As bash's trace, SQL and CSV have it. */
static void quoted_for_others(void **state)
{
    (void)state;
    static const struct form forms[] = {
        { "'it'\\''s \"7\" o'\\''clock'", "'[MASKED]'" },
        { "'it'\"'\"'s \"7\" o'\"'\"'clock'", "'[MASKED]'" },
        { "'it''s \"7\" o''clock'", "'[MASKED]'" },
        { "\"it's \"\"7\"\" o'clock\"", "\"[MASKED]\"" },
    };
    redact_add("it's \"7\" o'clock");
    for (size_t i = 0; i < ARRAY_SIZE(forms); i++)
        becomes(forms[i].text, forms[i].left);
}

/* The same twelve bytes at the three possible offsets of a base64 text; what is beside them in the
 * same digit goes, too. */
static void base64_at_any_offset(void **state)
{
    (void)state;
    redact_add("secret-value");
    becomes("c2VjcmV0LXZhbHVl", "[MASKED]");        /* secret-value */
    becomes("YXNlY3JldC12YWx1ZWI=", "Y[MASKED]I="); /* asecret-valueb */
    becomes("YWFzZWNyZXQtdmFsdWU=", "YW[MASKED]="); /* aasecret-value */
    becomes("Qc2VjcmV0LXZhbHVl", "Q[MASKED]");      /* after a digit that is not its own */
    becomes("c2VjcmV0\nLXZhbHVl", "[MASKED]");      /* in lines */
    becomes("c2VjcmV0%4CXZhbHVl", "[MASKED]");      /* in a URL */
}

static void both_alphabets_of_base64(void **state)
{
    (void)state;
    redact_add(">>?~>?~>");
    becomes("Pj4/fj4/fj4=", "[MASKED]=");
    becomes("Pj4_fj4_fj4", "[MASKED]");
    becomes("Pj4%2ffj4%2ffj4=", "[MASKED]=");
    redact_add(">>>>>>>>>");
    becomes("Pj4+Pj4+Pj4+", "[MASKED]");
    becomes("Pj4-Pj4-Pj4-", "[MASKED]");
    redact_add("\xff\xfe\xfd\xfc\xfb\xfa");
    becomes("//79/Pv6", "[MASKED]");
    becomes("__79_Pv6", "[MASKED]");
    becomes("\\/\\/79\\/Pv6", "[MASKED]");
}

/* What is put into JSON and then encoded as a whole. */
static void encoded_after_it_was_escaped(void **state)
{
    (void)state;
    redact_add("p\"ss w\\rd");
    becomes("eyJwIjoicFwic3Mgd1xccmQifQ==", "eyJwIjoi[MASKED]ifQ=="); /* {"p":"p\"ss w\\rd"} */
    becomes("705c22737320775c5c7264", "[MASKED]");
    becomes("cCUyMnNzJTIwdyU1Q3Jk", "[MASKED]"); /* p%22ss%20w%5Crd */
}

/* The text before it may look like the beginning of an escape. */
static void beside_half_an_escape(void **state)
{
    (void)state;
    redact_add("nightfall");
    redact_add("41feedbeef");
    becomes("C:\\nightfall", "C:[MASKED]");
    becomes("100%41feedbeef", "100%[MASKED]");
    becomes("\\u0041feedbeef", "\\u00[MASKED]");
    becomes("&nightfall;", "&[MASKED];");
    becomes("\\\\\\\\nightfall\\", "[MASKED]\\");
}

static void secrets_that_hold_escapes(void **state)
{
    (void)state;
    redact_add("a%20b&amp;c\\nd");
    becomes("a%20b&amp;c\\nd", "[MASKED]");
    becomes("a%2520b%26amp%3Bc%5Cnd", "[MASKED]");
    becomes("a%20b&amp;amp;c\\nd", "[MASKED]");
    becomes("a%20b&amp;c\\\\nd", "[MASKED]");
}

static void characters_beyond_the_basic_plane(void **state)
{
    (void)state;
    redact_add("key \360\237\224\221 it is");
    becomes("key \360\237\224\221 it is", "[MASKED]");
    becomes("key \\ud83d\\udd11 it is", "[MASKED]");
    becomes("key \\\\ud83d\\\\udd11 it is", "[MASKED]");
    becomes("key &#128273; it is", "[MASKED]");
    becomes("key \\ud83d it is", "key \\ud83d it is");
}

static void one_of_several_lines(void **state)
{
    (void)state;
    redact_add("-----BEGIN KEY-----\nMIIEvQIBADAN\r\nshort\n  qhkiG9w0BAQEF\n-----END KEY-----\n");
    becomes("MIIEvQIBADAN", "[MASKED]");
    becomes("the last: qhkiG9w0BAQEF", "the last: [MASKED]");
    becomes("-----BEGIN KEY-----", "-----BEGIN KEY-----");
    becomes("short", "short");
    becomes("a\n  -----BEGIN KEY-----\n  MIIEvQIBADAN\n  short\n  qhkiG9w0BAQEF\n  -----END "
            "KEY-----\nb",
            "a\n  [MASKED]\nb");
}

static void broken_over_lines(void **state)
{
    (void)state;
    redact_add("open sesame");
    redact_add("123456");
    becomes("open ses\n    ame", "[MASKED]");
    becomes("open\n    sesame", "[MASKED]");
    becomes("open ses\\r\\name", "[MASKED]");
    becomes("open ses\n\n", "open ses\n\n");
    becomes("   123\n   456", "   123\n   456"); /* a column of numbers */
}

static void what_overlaps_goes_whole(void **state)
{
    (void)state;
    redact_add("sesame");
    redact_add("open sesame now");
    becomes("open sesame now", "[MASKED]");
    becomes("open sesame", "open [MASKED]");
    redact_add("123456");
    redact_add("456789abcdef");
    becomes("x123456789abcdefx", "x[MASKED]x");
    becomes("123456123456", "[MASKED][MASKED]");
}

static void the_blanks_around_are_not_part_of_it(void **state)
{
    (void)state;
    redact_add("  hunter2\n");
    becomes("it is 'hunter2'", "it is '[MASKED]'");
}

static void short_ones_are_no_secrets(void **state)
{
    (void)state;
    redact_add(NULL);
    redact_add("");
    redact_add("12345");
    redact_add("  12 \n");
    becomes("12345 12", "12345 12");
}

static void on_one_line(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        { "it failed with message:\n#: key [A] not found\r\n  #/B: not known\n",
          "it failed with message: #: key [A] not found; #/B: not known" },
        { "\n\nfirst.\n\nsecond", "first. second" },
        { "its value s3cr3tTok\nenValue is wrong", "its value [MASKED] is wrong" },
        { "", "" },
    };
    redact_add("s3cr3tTokenValue");
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        _cleanup_free_ char *line = redact_line(rows[i][0]);
        assert_string_equal(line, rows[i][1]);
    }
}

/* Nothing of a secret is left in front of the cut; a character is whole. */
static void shortened_after_it_was_redacted(void **state)
{
    (void)state;
    redact_add("s3cr3tTokenValue");
    for (size_t max = 0; max < 40; max++) {
        _cleanup_free_ char *text = redact_short("0123456789s3cr3tTokenValue0123456789", max);
        const char whole[] = "0123456789[MASKED]0123456789";
        _cleanup_free_ char *expected =
            max < strlen(whole) ? xasprintf("%.*s...", (int)max, whole) : xstrdup(whole);
        assert_string_equal(text, expected);
    }
    _cleanup_free_ char *accented = redact_short("caf\xc3\xa9", 4);
    assert_string_equal(accented, "caf...");
}

static void nothing_to_hide(void **state)
{
    (void)state;
    becomes("", "");
    becomes("plain", "plain");
    becomes("\\ % & + \\u %4 &# &#x \\", "\\ % & + \\u %4 &# &#x \\");
}

/* Escapes have several readings; there must not be more of them with every byte. */
static void ambiguity_has_bounds(void **state)
{
    (void)state;
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    for (unsigned i = 0; i < 3000; i++)
        strbuf_addc(&text, '\\');
    redact_add("\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\x");
    redact(&text);
    assert_int_equal(text.len, 3000);
    strbuf_addc(&text, 'x');
    redact(&text);
    assert_non_null(strstr(text.buf, "[MASKED]"));
}

/* They are sought without what the ends of lines may be elsewhere: so little would be anywhere. */
static void short_ones_of_several_lines_are_no_secrets(void **state)
{
    (void)state;
    redact_add("a\r\r\r\r\rb");
    redact_add("x\n      y");
    becomes("about a cab", "about a cab");
    becomes("x\ny, x\n y, x y", "x\ny, x\n y, x y");
    redact_add("x\n      yzabc");
    becomes("x\nyzabc", "[MASKED]");
}

static void passwords_of_urls(void **state)
{
    (void)state;
    redact_add_url(NULL);
    redact_add_url("");
    redact_add_url("proxy.example.com:3128");
    redact_add_url("git@example.com:group/project.git");
    redact_add_url("https://example.com/a:nothing@b");
    becomes("proxy.example.com:3128 group/project.git nothing", "proxy.example.com:3128 "
                                                                "group/project.git nothing");
    redact_add_url("https://user:first-one@example.com/");
    redact_add_url("user:second-one@proxy:3128");
    redact_add_url("http://user:th%69rd%40%c3%a9%zz@proxy:3128");
    becomes("first-one second-one", "[MASKED] [MASKED]");
    becomes("th%69rd%40%c3%a9%zz third@\303\251%zz", "[MASKED] [MASKED]");
}

static void a_tree_stays_json(void **state)
{
    (void)state;
    redact_add("12345678");
    redact_add("na\"me-of-it");
    _cleanup_json_ cJSON *json = cJSON_CreateObject();
    json_put_int(json, "number", 12345678);
    json_put_int(json, "other", 1234567);
    json_put_str(json, "na\"me-of-it", "<na\"me-of-it>");
    json_push_str(json_put_array(json, "list"), "x12345678");
    redact_json(json);
    _cleanup_free_ char *text = json_print(json);
    assert_string_equal(text,
                        "{\"number\":\"[MASKED]\",\"other\":1234567,\"[MASKED]\":\"<[MASKED]>\","
                        "\"list\":[\"x[MASKED]\"]}");
}

/* Of two values that say the same, and of two that do not. */
static void names_stay_apart(void **state)
{
    (void)state;
    redact_add("first-of-it");
    redact_add("second-of-it");
    redact_add("third-of-it");
    _cleanup_json_ cJSON *json =
        cJSON_Parse("{\"first-of-it\":1,\"second-of-it\":2,\"other\":3,\"third-of-it\":4,"
                    "\"below\":{\"first-of-it\":5}}");
    redact_json(json);
    _cleanup_free_ char *text = json_print(json);
    assert_string_equal(text, "{\"[MASKED]\":1,\"[MASKED] (2)\":2,\"other\":3,"
                              "\"[MASKED] (3)\":4,\"below\":{\"[MASKED]\":5}}");
}

/* "hunter2" in pieces: what none of the items is, all of them are. */
static void a_list_may_spell_a_secret(void **state)
{
    (void)state;
    redact_add("hunter2!");
    _cleanup_json_ cJSON *json =
        cJSON_Parse("{\"bytes\":[104,117,110,116,101,114,50,33],"
                    "\"digits\":[\"68\",\"75\",\"6e\",\"74\",\"65\",\"72\",\"32\",\"21\"],"
                    "\"ports\":[80,443,8222,5000,22,3000,9090,1],\"words\":[\"hunter\",\"2!\"]}");
    redact_json(json);
    _cleanup_free_ char *text = json_print(json);
    assert_string_equal(text, "{\"bytes\":[\"[[MASKED]]\"],\"digits\":[\"[\\\"[MASKED]\\\"]\"],"
                              "\"ports\":[80,443,8222,5000,22,3000,9090,1],"
                              "\"words\":[\"hunter\",\"2!\"]}");
}

/* Whatever one of 200 secrets is written as in a long line, and as quickly as a log needs it. */
static void many_secrets_and_a_long_line(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 200; i++) {
        _cleanup_free_ char *secret = xasprintf("glpat-%08x/%u\"", i * 2654435761u, i);
        redact_add(secret);
    }
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    while (text.len < 1u << 18)
        strbuf_addf(&text, "{\"glpat\":\"%zu\",\"path\":\"C:\\\\x%%41&amp;+\"} ", text.len);
    strbuf_adds(&text, "glpat-96af9a3d\\/77\\\"");
    size_t len = text.len;
    redact(&text);
    assert_int_equal(text.len, len - strlen("glpat-96af9a3d\\/77\\\"") + strlen("[MASKED]"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(every_form_of_a_secret, redacting_teardown),
        cmocka_unit_test_teardown(quoted_for_others, redacting_teardown),
        cmocka_unit_test_teardown(base64_at_any_offset, redacting_teardown),
        cmocka_unit_test_teardown(both_alphabets_of_base64, redacting_teardown),
        cmocka_unit_test_teardown(encoded_after_it_was_escaped, redacting_teardown),
        cmocka_unit_test_teardown(beside_half_an_escape, redacting_teardown),
        cmocka_unit_test_teardown(secrets_that_hold_escapes, redacting_teardown),
        cmocka_unit_test_teardown(characters_beyond_the_basic_plane, redacting_teardown),
        cmocka_unit_test_teardown(one_of_several_lines, redacting_teardown),
        cmocka_unit_test_teardown(broken_over_lines, redacting_teardown),
        cmocka_unit_test_teardown(what_overlaps_goes_whole, redacting_teardown),
        cmocka_unit_test_teardown(the_blanks_around_are_not_part_of_it, redacting_teardown),
        cmocka_unit_test_teardown(short_ones_are_no_secrets, redacting_teardown),
        cmocka_unit_test_teardown(short_ones_of_several_lines_are_no_secrets, redacting_teardown),
        cmocka_unit_test_teardown(passwords_of_urls, redacting_teardown),
        cmocka_unit_test_teardown(on_one_line, redacting_teardown),
        cmocka_unit_test_teardown(shortened_after_it_was_redacted, redacting_teardown),
        cmocka_unit_test_teardown(nothing_to_hide, redacting_teardown),
        cmocka_unit_test_teardown(ambiguity_has_bounds, redacting_teardown),
        cmocka_unit_test_teardown(a_tree_stays_json, redacting_teardown),
        cmocka_unit_test_teardown(names_stay_apart, redacting_teardown),
        cmocka_unit_test_teardown(a_list_may_spell_a_secret, redacting_teardown),
        cmocka_unit_test_teardown(many_secrets_and_a_long_line, redacting_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
