/* SPDX-License-Identifier: MIT */
#include "tests/unit/awsscript.h"

#include <setjmp.h>
#include <cmocka.h>

#include "drivers/ecr.h"

#define REPOSITORY(name)                                                                           \
    "{\"repositoryName\":\"" name                                                                  \
    "\",\"repositoryArn\":\"arn:aws:ecr:us-east-1:123456789012:repository/" name "\"}"
#define TAGGED(name, project)                                                                      \
    "{\"ResourceARN\":\"arn:aws:ecr:us-east-1:123456789012:repository/" name                       \
    "\",\"Tags\":[{\"Key\":\"berth:project\",\"Value\":\"" project "\"}]}"
#define IMAGE(tag)         "{\"imageDigest\":\"sha256:a\",\"imageTag\":\"" tag "\"}"
#define FAILURE(tag, code) "{\"imageId\":{\"imageTag\":\"" tag "\"},\"failureCode\":\"" code "\"}"

static void open_teardown(struct script *t, const struct script_row *rows)
{
    script_open(t, "{\"network\":{\"vpc\":\"vpc-1\"},\"services\":{}}", rows);
    t->g->context.teardown = true;
}

static struct resource *tags_of(struct script *t, const char *repository)
{
    _cleanup_free_ char *address = xasprintf("ecr.image_tags/%s", repository);
    return graph_find(t->g, address);
}

static void the_projects_repositories_are_looked_into(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        { .call = "ecr:DescribeRepositories",
          .answer = "{\"repositories\":[" REPOSITORY("automation-api") "," REPOSITORY(
              "automation-other") "," REPOSITORY("tools/mine") "," REPOSITORY("tools/web") "]}" },
        { .call = "tagging:GetResources",
          .answer = "{\"ResourceTagMappingList\":[" TAGGED("automation-other", "78") "," TAGGED(
              "tools/mine", "77") "]}" },
        { 0 },
    };
    struct script t;
    open_teardown(&t, rows);
    assert_int_equal(ecr_image_tags_type.discover(t.s, t.g, &t.err), 0);
    assert_non_null(tags_of(&t, "automation-api")); /* by its name */
    assert_non_null(tags_of(&t, "tools/mine"));     /* by its tag */
    assert_null(tags_of(&t, "automation-other"));   /* another project's, by its tag */
    assert_null(tags_of(&t, "tools/web"));
    assert_string_equal(tags_of(&t, "tools/mine")->name, "tools/mine:automation-8527fec8");
    script_close(&t);
}

static void a_deploy_does_not_look(void **state)
{
    (void)state;
    struct script t;
    open_teardown(&t, NULL);
    t.g->context.teardown = false;
    assert_int_equal(ecr_image_tags_type.discover(t.s, t.g, &t.err), 0);
    t.g->context.teardown = true;
    t.g->context.environment = "automation-master"; /* what other branches fall back to */
    assert_int_equal(ecr_image_tags_type.discover(t.s, t.g, &t.err), 0);
    script_close(&t);
}

static struct resource *observe(struct script *t)
{
    struct resource *r = graph_found(t->g, &ecr_image_tags_type, "automation-api", "x");
    assert_int_equal(r->type->observe(t->s, &r, 1, &t->err), 0);
    return r;
}

static void only_the_environments_own_tags_are_seen(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        { .call = "ecr:ListImages",
          .answer = "{\"imageIds\":[" IMAGE("latest") "," IMAGE("automation-8527fec8-12") "," IMAGE(
              "auto"
              "mati"
              "on-"
              "8527"
              "fec"
              "8") "," IMAGE("automation-8527fec81") "," IMAGE("automation-8527fec8-") "," IMAGE("a"
                                                                                                 "u"
                                                                                                 "t"
                                                                                                 "o"
                                                                                                 "m"
                                                                                                 "a"
                                                                                                 "t"
                                                                                                 "i"
                                                                                                 "o"
                                                                                                 "n"
                                                                                                 "-"
                                                                                                 "8"
                                                                                                 "5"
                                                                                                 "2"
                                                                                                 "7"
                                                                                                 "f"
                                                                                                 "e"
                                                                                                 "c"
                                                                                                 "8"
                                                                                                 "-"
                                                                                                 "1"
                                                                                                 "2"
                                                                                                 "-"
                                                                                                 "r"
                                                                                                 "c") "," IMAGE("automation-8527fec8_12") "," IMAGE("autom"
                                                                                                                                                    "ation"
                                                                                                                                                    "-8527"
                                                                                                                                                    "fec8-"
                                                                                                                                                    "+1") "," IMAGE("automation-8527fec") "," IMAGE("automation-master-12") ",{\"imageDigest\":\"sha256:b\"}]}" },
        { 0 },
    };
    struct script t;
    open_teardown(&t, rows);
    struct resource *r = observe(&t);
    assert_json(r->have, "{\"imageTags\":[\"automation-8527fec8\",\"automation-8527fec8-12\"]}");
    assert_true(resource_is_ours(r));
    assert_json(script_input(&t, "ecr:ListImages", 0),
                "{\"repositoryName\":\"automation-api\",\"filter\":{\"tagStatus\":\"TAGGED\"},"
                "\"maxResults\":1000}");
    script_close(&t);
}

#define H64             "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define OF(digest, tag) "{\"imageDigest\":\"sha256:" digest "\",\"imageTag\":\"" tag "\"}"

/* What says by which content an image was made stays as long as anybody else has the image. */
static void tags_of_content_go_with_the_last(void **state)
{
    (void)state;
    static const char answer[] =
        "{\"imageIds\":[" OF("a", "automation-8527fec8-12") "," OF("a", "branch-content-" H64) "," OF("b", "automation-8527fec8") "," OF(
            "b",
            "automation-master-3") "," OF("b",
                                          "content-" H64) "," OF("c",
                                                                 "content-" H64) "," OF("a",
                                                                                        "content-"
                                                                                        "short") "]"
                                                                                                 "}";
    const struct script_row rows[] = { { .call = "ecr:ListImages", .answer = answer }, { 0 } };
    struct script t;
    open_teardown(&t, rows);
    struct resource *r = observe(&t);
    /* "content-short" is none of ours, so the image has another tag, and stays with its content's
     */
    assert_json(r->have, "{\"imageTags\":[\"automation-8527fec8\",\"automation-8527fec8-12\"]}");
    script_close(&t);
}

static void tags_of_content_go_with_the_environments(void **state)
{
    (void)state;
    static const char answer[] =
        "{\"imageIds\":[" OF("a", "automation-8527fec8-12") "," OF("a", "branch-content-" H64) "," OF(
            "b",
            "automation-8527fec8") "," OF("b",
                                          "automation-master-3") "," OF("b",
                                                                        "content-" H64) "," OF("c",
                                                                                               "con"
                                                                                               "ten"
                                                                                               "t"
                                                                                               "-" H64) "]}";
    const struct script_row rows[] = { { .call = "ecr:ListImages", .answer = answer }, { 0 } };
    struct script t;
    open_teardown(&t, rows);
    struct resource *r = observe(&t);
    assert_json(r->have, "{\"imageTags\":[\"automation-8527fec8\",\"automation-8527fec8-12\","
                         "\"branch-content-" H64 "\"]}");
    script_close(&t);
}

static void a_repository_without_any_is_absent(void **state)
{
    (void)state;
    static const struct script_row none[] = {
        { .call = "ecr:ListImages", .answer = "{\"imageIds\":[" IMAGE("latest") "]}" },
        { 0 },
    };
    static const struct script_row gone[] = {
        { .call = "ecr:ListImages", .class = ERR_NOT_FOUND },
        { 0 },
    };
    const struct script_row *const tables[] = { none, gone };
    for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
        struct script t;
        open_teardown(&t, tables[i]);
        assert_null(observe(&t)->have);
        script_close(&t);
    }
}

static void one_that_may_not_be_looked_into_is_said(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        { .call = "ecr:ListImages", .class = ERR_DENIED, .message = "no" },
        { 0 },
    };
    struct script t;
    open_teardown(&t, rows);
    assert_null(observe(&t)->have);
    assert_int_equal(t.g->warnings.n, 1);
    assert_string_equal(t.g->warnings.v[0],
                        "repository 'automation-api' is left out: berth may not see whether "
                        "'automation-8527fec8' has tagged images in it: ecr:ListImages: no");
    script_close(&t);
}

/* A repository with so many tags, to be removed. */
static struct resource *with_tags(struct script *t, const struct script_row *rows, int n)
{
    open_teardown(t, rows);
    struct resource *r = graph_found(t->g, &ecr_image_tags_type, "automation-api", "x");
    cJSON *have = cJSON_CreateObject(), *tags = json_put_array(have, "imageTags");
    for (int i = 0; i < n; i++) {
        _cleanup_free_ char *tag = xasprintf("automation-8527fec8-%d", i + 1);
        json_push_str(tags, tag);
    }
    resource_set_have(r, have);
    return r;
}

static void tags_are_named_a_hundred_at_once(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        { .call = "ecr:BatchDeleteImage",
          .answer = "{\"failures\":[" FAILURE("automation-8527fec8-1", "ImageNotFound") "]}" },
        { 0 },
    };
    struct script t;
    struct resource *r = with_tags(&t, rows, 102);
    assert_int_equal(r->type->remove(t.s, r, &t.err), 0);
    assert_int_equal(script_count(&t, "ecr:BatchDeleteImage"), 2);
    assert_int_equal(json_count(json_get(script_input(&t, "ecr:BatchDeleteImage", 0), "imageIds")),
                     100);
    assert_json(script_input(&t, "ecr:BatchDeleteImage", 1),
                "{\"repositoryName\":\"automation-api\",\"imageIds\":["
                "{\"imageTag\":\"automation-8527fec8-101\"},"
                "{\"imageTag\":\"automation-8527fec8-102\"}]}");
    script_close(&t);
}

static void one_of_a_list_goes_after_the_list(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        { .call = "ecr:BatchDeleteImage",
          .answer = "{\"failures\":[" FAILURE("automation-8527fec8-1",
                                              "ImageReferencedByManifestList") "]}" },
        { .call = "ecr:BatchDeleteImage", .answer = "{}" },
        { 0 },
    };
    struct script t;
    struct resource *r = with_tags(&t, rows, 2);
    assert_int_equal(r->type->remove(t.s, r, &t.err), 0);
    assert_json(script_input(&t, "ecr:BatchDeleteImage", 1),
                "{\"repositoryName\":\"automation-api\",\"imageIds\":["
                "{\"imageTag\":\"automation-8527fec8-1\"}]}");
    script_close(&t);
}

static void what_does_not_go_is_named(void **state)
{
    (void)state;
    static const struct script_row held[] = {
        { .call = "ecr:BatchDeleteImage",
          .answer = "{\"failures\":[" FAILURE("automation-8527fec8-1",
                                              "ImageReferencedByManifestList") "]}" },
        { 0 },
    };
    static const struct script_row broken[] = {
        { .call = "ecr:BatchDeleteImage",
          .answer = "{\"failures\":[" FAILURE("automation-8527fec8-1", "KmsError") "]}" },
        { 0 },
    };
    struct script t;
    struct resource *r = with_tags(&t, held, 1);
    assert_int_equal(r->type->remove(t.s, r, &t.err), -1);
    assert_int_equal(t.err.class, ERR_CONFLICT);
    assert_non_null(strstr(t.err.message, "'automation-8527fec8-1' in repository "
                                          "'automation-api' is the last of an image"));
    err_release(&t.err);
    script_close(&t);
    r = with_tags(&t, broken, 1);
    assert_int_equal(r->type->remove(t.s, r, &t.err), -1);
    assert_int_equal(t.err.class, ERR_FAILED);
    assert_non_null(strstr(t.err.message, "KmsError"));
    err_release(&t.err);
    script_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_projects_repositories_are_looked_into),
        cmocka_unit_test(a_deploy_does_not_look),
        cmocka_unit_test(only_the_environments_own_tags_are_seen),
        cmocka_unit_test(tags_of_content_go_with_the_last),
        cmocka_unit_test(tags_of_content_go_with_the_environments),
        cmocka_unit_test(a_repository_without_any_is_absent),
        cmocka_unit_test(one_that_may_not_be_looked_into_is_said),
        cmocka_unit_test(tags_are_named_a_hundred_at_once),
        cmocka_unit_test(one_of_a_list_goes_after_the_list),
        cmocka_unit_test(what_does_not_go_is_named),
    };
    return cmocka_run_group_tests_name("image tags", tests, NULL, NULL);
}
