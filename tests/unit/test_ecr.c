/* SPDX-License-Identifier: MIT */
#include "tests/unit/awsscript.h"

#include <setjmp.h>
#include <cmocka.h>

#define REPOSITORY "ecr.repository/automation-api"
#define IMAGE      "ecr.image/api"
#define REPOSITORIES                                                                               \
    {                                                                                              \
        .call = "ecr:DescribeRepositories",                                                        \
        .answer = "{\"repositories\":[{\"repositoryName\":\"automation-api\",\"repositoryUri\":"   \
                  "\"r/automation-api\",\"imageTagMutability\":\"MUTABLE\"}]}"                     \
    }

static void the_best_tag_is_taken_by_digest(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        REPOSITORIES,
        { .call = "ecr:BatchGetImage",
          .answer = "{\"images\":["
                    "{\"imageId\":{\"imageDigest\":\"sha256:c\",\"imageTag\":\"1.0\"}},"
                    "{\"imageId\":{\"imageDigest\":\"sha256:b\",\"imageTag\":"
                    "\"automation-master\"}},"
                    "{\"imageId\":{\"imageDigest\":\"sha256:a\",\"imageTag\":"
                    "\"automation-8527fec8\"}}],"
                    "\"failures\":[{\"failureCode\":\"ImageNotFound\"}]}" },
        { 0 },
    };
    struct script t;
    script_open(&t, script_spec, rows);
    script_observe(&t, REPOSITORY);
    script_observe(&t, IMAGE);
    /* An image of several platforms is not to be translated into that of one. */
    assert_json(script_input(&t, "ecr:BatchGetImage", 0),
                "{\"acceptedMediaTypes\":["
                "\"application/vnd.docker.distribution.manifest.list.v2+json\","
                "\"application/vnd.docker.distribution.manifest.v2+json\","
                "\"application/vnd.oci.image.index.v1+json\","
                "\"application/vnd.oci.image.manifest.v1+json\"],"
                "\"repositoryName\":\"automation-api\",\"imageIds\":["
                "{\"imageTag\":\"automation-8527fec8-100\"},{\"imageTag\":\"automation-8527fec8\"},"
                "{\"imageTag\":\"automation-master\"},{\"imageTag\":\"1.0\"}]}");
    assert_json(script_resource(&t, IMAGE)->outputs,
                "{\"Image\":\"r/automation-api@sha256:a\",\"Digest\":\"sha256:a\","
                "\"Tag\":\"automation-8527fec8\"}");
    script_close(&t);
}

static void no_image_says_what_to_run(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        REPOSITORIES,
        { .call = "ecr:BatchGetImage", .answer = "{\"images\":[]}" },
        { 0 },
    };
    struct script t;
    script_open(&t, script_spec, rows);
    script_observe(&t, REPOSITORY);
    script_observe(&t, IMAGE);
    assert_null(script_resource(&t, IMAGE)->have);
    assert_string_equal(json_str(script_resource(&t, IMAGE)->memo, "missing"),
                        "no image of 'api': repository 'automation-api' has none of the tags "
                        "'automation-8527fec8-100', 'automation-8527fec8', 'automation-master', "
                        "'1.0'; run 'api-build'");
    script_close(&t);
}

static void one_missing_repository_does_not_hide_the_others(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        { .call = "ecr:DescribeRepositories",
          .class = ERR_NOT_FOUND,
          .code = "RepositoryNotFoundException" },
        { .call = "ecr:DescribeRepositories", .answer = "{\"repositories\":[]}" },
        { .call = "ecr:CreateRepository",
          .answer = "{\"repository\":{\"repositoryName\":\"automation-api\",\"repositoryUri\":"
                    "\"r/automation-api\"}}" },
        { 0 },
    };
    struct script t;
    script_open(&t, script_spec, rows);
    script_observe(&t, REPOSITORY);
    assert_json(script_input(&t, "ecr:DescribeRepositories", 1), "{}");
    struct resource *r = script_target(&t, REPOSITORY);
    assert_null(r->have);
    /* Without a repository nobody asks for its images. */
    script_observe(&t, IMAGE);
    assert_int_equal(script_count(&t, "ecr:BatchGetImage"), 0);
    assert_int_equal(r->type->create(t.s, r, &t.err), 0);
    assert_json(script_input(&t, "ecr:CreateRepository", 0),
                "{\"repositoryName\":\"automation-api\",\"tags\":[{\"Key\":\"berth:project\","
                "\"Value\":\"77\"}]}");
    assert_string_equal(json_str(r->outputs, "RepositoryUri"), "r/automation-api");
    script_close(&t);
}

static void settings_are_put_where_they_differ(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        REPOSITORIES,
        { .call = "ecr:PutImageTagMutability", .answer = "{}" },
        { 0 },
    };
    struct script t;
    script_open(&t,
                "{\"network\":{\"vpc\":\"vpc-1\"},\"services\":{},\"repositories\":{"
                "\"automation-api\":{\"imageTagMutability\":\"IMMUTABLE\"}}}",
                rows);
    script_observe(&t, REPOSITORY);
    struct resource *r = script_target(&t, REPOSITORY);
    assert_int_equal(r->type->update(t.s, r, &t.err), 0);
    assert_json(script_input(&t, "ecr:PutImageTagMutability", 0),
                "{\"repositoryName\":\"automation-api\",\"imageTagMutability\":\"IMMUTABLE\"}");
    assert_null(r->type->remove);
    script_close(&t);
}

static void an_unknown_module_is_refused(void **state)
{
    (void)state;
    _cleanup_free_ char *spec = script_spec_with("module", "\"nope\"");
    _cleanup_free_ char *message = script_refused(spec);
    assert_string_equal(message, "services.api.module: there is no module 'nope'; declare it under "
                                 "'modules', or name an 'image'");
}

static void modules_share_no_repository(void **state)
{
    (void)state;
    static const char text[] = "{\"network\":{\"vpc\":\"vpc-1\"},\"services\":{},\"modules\":{"
                               "\"api\":{},\"b\":{\"repository\":\"other\"},"
                               "\"c\":{\"repository\":\"automation-api\"}}}";
    _cleanup_free_ char *message = script_refused(text);
    assert_string_equal(message,
                        "modules.c.repository: 'automation-api' is the repository of module 'api' "
                        "already, and one would run the other's images, which have the same tags: "
                        "name another, or let services share one module");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_best_tag_is_taken_by_digest),
        cmocka_unit_test(no_image_says_what_to_run),
        cmocka_unit_test(one_missing_repository_does_not_hide_the_others),
        cmocka_unit_test(settings_are_put_where_they_differ),
        cmocka_unit_test(an_unknown_module_is_refused),
        cmocka_unit_test(modules_share_no_repository),
    };
    return cmocka_run_group_tests_name("ecr", tests, NULL, NULL);
}
