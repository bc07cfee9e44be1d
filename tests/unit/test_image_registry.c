/* SPDX-License-Identifier: MIT */
#include "tests/unit/awsscript.h"

#include <setjmp.h>
#include <cmocka.h>

#include "drivers/image.h"
#include "drivers/image_registry.h"

static void check_name(const char *text, bool hub, const char *expected)
{
    _cleanup_image_reference_ struct image_reference r = { .host = NULL };
    bool read = image_reference_read(text, hub, &r);
    assert_int_equal(read, expected != NULL);
    if (!read)
        return;
    _cleanup_free_ char *found = xasprintf("%s %s %s", r.host, r.name, r.tag);
    assert_string_equal(found, expected);
}

static void names_lead_to_registries(void **state)
{
    (void)state;
    check_name("registry.example.com/a/b:1", false, "registry.example.com a/b 1");
    check_name("127.0.0.1:5000/a", false, "127.0.0.1:5000 a latest");
    check_name("localhost/a", false, "localhost a latest");
    check_name("docker.io/python:3.11", false, "registry-1.docker.io library/python 3.11");
    check_name("index.docker.io/grafana/grafana", false,
               "registry-1.docker.io grafana/grafana latest");
    /* Whose a name without a registry is, the builder's settings say, but docker's. */
    check_name("python:3.11", false, NULL);
    check_name("grafana/grafana", false, NULL);
    check_name("python:3.11", true, "registry-1.docker.io library/python 3.11");
    check_name("grafana/grafana", true, "registry-1.docker.io grafana/grafana latest");
}

static void what_makes_no_url_is_no_name(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",        "/",          "a.b/",      "a.b/../x",     "a.b//x",
        "a.b/x:",  "a.b/x:1?y",  "a.b/x:1/2", "a.b/x y",      "a.b/X",
        "a.b/x#y", "user@a.b/x", "a.b:x/y",   "a.b:/y",       "a.b:123456/y",
        "-a.b/x",  "a.b\r\n/x",  "a.b/x\n:1", "[::1]:5000/x",
    };
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        check_name(wrong[i], true, NULL);
}

static void check_url(const char *challenge, const char *expected)
{
    _cleanup_free_ char *url = image_token_url(challenge);
    if (expected == NULL)
        assert_null(url);
    else
        assert_string_equal(url, expected);
}

static void tokens_are_had_over_https_alone(void **state)
{
    (void)state;
    check_url("Bearer realm=\"https://auth.docker.io/token\",service=\"registry.docker.io\","
              "scope=\"repository:library/python:pull\"",
              "https://auth.docker.io/token?service=registry.docker.io&"
              "scope=repository%3Alibrary%2Fpython%3Apull");
    check_url("bearer scope=s, realm=https://a/?x=1", "https://a/?x=1&scope=s");
    check_url("Bearer service=\"realm=\",realm=\"https://a/\"", "https://a/?service=realm%3D");
    check_url("Bearer realm=\"https://a/\",scope=\"a&b=c\"", "https://a/?scope=a%26b%3Dc");
    check_url("Basic realm=\"https://a/\"", NULL);
    check_url("Bearer realm=\"http://169.254.169.254/\"", NULL);
    check_url("Bearer realm=\"file:///etc/passwd\"", NULL);
    check_url("Bearer realm=\"https://user@a/\"", NULL);
    check_url("Bearer realm=\"https://a/ b\"", NULL);
    check_url("Bearer realm=\"https://a/", NULL);
    check_url("Bearer realm", NULL);
    check_url("Bearer ", NULL);
}

#define HEX16 "0123456789abcdef"

static void digests_have_one_form(void **state)
{
    (void)state;
    assert_true(image_digest_is_valid("sha256:" HEX16 HEX16 HEX16 HEX16));
    assert_false(image_digest_is_valid("sha256:" HEX16 HEX16 HEX16 HEX16 "0"));
    assert_false(image_digest_is_valid("sha256:" HEX16 HEX16 HEX16 "0123456789abcdeF"));
    assert_false(image_digest_is_valid("sha512:" HEX16 HEX16 HEX16 HEX16));
    assert_false(image_digest_is_valid("sha256:"));
    assert_false(image_digest_is_valid(NULL));
}

static void a_registrys_table_redirects(void **state)
{
    (void)state;
    assert_true(image_registries_redirect("x = 1\n [[registry]]\nprefix = \"docker.io\"\n"));
    assert_true(image_registries_redirect("[[ registry.mirror ]]"));
    assert_false(image_registries_redirect(""));
    assert_false(image_registries_redirect("# [[registry]]\nunqualified-search-registries = []\n"));
    assert_false(image_registries_redirect("[aliases]\n\"python\" = \"docker.io/library/python\""));
}

static void a_builders_words_are_understood(void **state)
{
    (void)state;
    static const struct {
        const char *said;
        enum image_refusal refusal;
    } rows[] = {
        { "reading manifest 1 in r/a: manifest unknown: Requested image not found", IMAGE_MISSING },
        { "name unknown: The repository with name 'a' does not exist", IMAGE_MISSING },
        { "tag invalid: The image tag '1' already exists and cannot be overwritten",
          IMAGE_IMMUTABLE },
        /* A file of this host's and a repository that one may not push to are told apart. */
        { "open /etc/berth/certs/ca.crt: permission denied", IMAGE_LOCAL },
        { "denied: User: arn:aws:iam::1:role/x is not authorized to perform: ecr:PutImage",
          IMAGE_DENIED },
        { "unauthorized: authentication required", IMAGE_DENIED },
        { "tls: failed to verify certificate: x509: unknown authority", IMAGE_UNTRUSTED },
        { "dial tcp 127.0.0.1:1: connect: connection refused", IMAGE_SILENT },
        { "dial tcp: lookup r.example: no such host", IMAGE_SILENT },
        { "net/http: TLS handshake timeout", IMAGE_SILENT },
        { "received unexpected HTTP status: 503 Service Unavailable", IMAGE_OTHER },
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        assert_int_equal(image_refusal_of(rows[i].said), rows[i].refusal);
}

/* A repository, or a tag, can be called as what goes wrong. */
static void names_are_no_words(void **state)
{
    (void)state;
    static const struct {
        const char *said, *image;
        enum image_refusal refusal;
        bool passes;
    } rows[] = {
        { "uploading 127.0.0.1/app-certificate-x509:denied to 127.0.0.1/app-certificate-x509: "
          "received unexpected HTTP status: 413 Request Entity Too Large",
          "127.0.0.1/app-certificate-x509:denied", IMAGE_OTHER, false },
        { "Put \"https://r/v2/connection-timeout/manifests/denied-1\": 413",
          "r/connection-timeout:denied-1", IMAGE_OTHER, false },
        { "repository 'denied' in r/denied: status: 413", "r/denied", IMAGE_OTHER, false },
        { "r/denied@sha256:1: 413", "r/denied@sha256:1", IMAGE_OTHER, false },
        { "denied: may not push to r/denied", "r/denied:1", IMAGE_DENIED, false },
        { "Get \"https://r/v2/timeout/blobs\": net/http: request canceled (Client.Timeout exceeded "
          "while awaiting headers)",
          "r/timeout:1", IMAGE_OTHER, true },
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        _cleanup_free_ char *words = image_words(rows[i].said, rows[i].image);
        assert_int_equal(image_refusal_of(words), rows[i].refusal);
        assert_int_equal(image_refusal_passes(words), rows[i].passes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_lead_to_registries),
        cmocka_unit_test(what_makes_no_url_is_no_name),
        cmocka_unit_test(tokens_are_had_over_https_alone),
        cmocka_unit_test(digests_have_one_form),
        cmocka_unit_test(a_registrys_table_redirects),
        cmocka_unit_test(a_builders_words_are_understood),
        cmocka_unit_test(names_are_no_words),
    };
    return cmocka_run_group_tests_name("image_registry", tests, NULL, NULL);
}
