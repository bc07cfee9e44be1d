/* SPDX-License-Identifier: MIT */
#include "tests/unit/awsscript.h"

#include <fcntl.h>
#include <setjmp.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "drivers/image.h"
#include "executor/base/usernamespace.h"

/* --- what a Dockerfile builds on --- */

static void check_bases(const char *text, const char *args, const char *bases, const char *unknown)
{
    _cleanup_image_file_ struct image_file file = { .unknown = NULL };
    _cleanup_strbuf_ struct strbuf found = STRBUF_INIT;
    _cleanup_json_ cJSON *given = cJSON_Parse(args);
    image_file_read(text, given, &file);
    for (size_t i = 0; i < file.bases.n; i++)
        strbuf_addf(&found, "%s%s", i > 0 ? " " : "", file.bases.v[i]);
    assert_string_equal(found.buf, bases);
    if (unknown == NULL)
        assert_null(file.unknown);
    else
        assert_string_equal(file.unknown, unknown);
}

static void bases_are_found(void **state)
{
    (void)state;
    check_bases("\xef\xbb\xbf"
                "FROM alpine:3\n",
                "{}", "alpine:3", NULL); /* a byte order mark */
    check_bases("FROM scratch\nCOPY a /a\n", "{}", "", NULL);
    check_bases("from python:3.6 \nRUN pip install x\n", "{}", "python:3.6", NULL);
    check_bases("FROM --platform=linux/arm64 a AS Build\nFROM build\nFROM b@sha256:1\n", "{}",
                "a b@sha256:1", NULL);
    check_bases("FROM a\nFROM a\n", "{}", "a", NULL);
    check_bases("# FROM x\n\nFROM \\\n# between\n  a \\\n\n  as b\n", "{}", "a", NULL);
    check_bases("# escape=`\nFROM `\n  a\nRUN c:\\\nFROM b\n", "{}", "a b", NULL);
    check_bases("FROM a\r\nCOPY x \\\r\n y\r\n", "{}", "a", NULL);
    check_bases("FROM a", "{}", "a", NULL);
}

static void bases_are_copied_from(void **state)
{
    (void)state;
    check_bases("FROM a AS one\nFROM scratch\nCOPY --chown=1 --from=ONE /x /\nCOPY --from=0 /x /\n"
                "COPY --from=b:1 /x /\nRUN --mount=type=bind,from=c,target=/c true\n",
                "{}", "a b:1 c", NULL);
    check_bases("FROM a\nRUN echo --from=b\n", "{}", "a", NULL);
}

static void arguments_are_put_in(void **state)
{
    (void)state;
    static const char text[] = "ARG V=3.6\nARG N\nFROM python:${V}\nARG V=9\nFROM \"$N\":$V\n";
    check_bases(text, "{\"N\":\"n\"}", "python:3.6 n:3.6", NULL);
    check_bases(text, "{\"N\":\"n\",\"V\":\"3\"}", "python:3 n:3", NULL);
    check_bases(text, "{}", "python:3.6", "what '\"$N\":$V' is");
    check_bases("ARG A\nFROM ${A:-b}-${A:-c}\n", "{}", "b-c", NULL);
    check_bases("ARG A=x\nFROM ${A:-b}\n", "{}", "x", NULL);
    check_bases("ARG A=x\nFROM ${A#b}\n", "{}", "", "what '${A#b}' is");
    check_bases("FROM a\nADD https://example.com/x /\n", "{}", "a",
                "what 'https://example.com/x' has");
    check_bases("FROM a\nARG U=https://example.com/x\nADD --chown=$O $U /\n", "{}", "a",
                "what '$U' has");
    check_bases("FROM a\nADD --chown=$O x /\n", "{}", "a", NULL);
}

/* Each argument holds the one before twice; or there are more of them than any file has. */
static void what_is_put_in_is_bounded(void **state)
{
    (void)state;
    _cleanup_strbuf_ struct strbuf doubling = STRBUF_INIT, many = STRBUF_INIT;
    _cleanup_free_ char *longest = xmalloc(4097);
    memset(longest, 'a', 4096);
    longest[4096] = '\0';
    strbuf_addf(&doubling, "ARG A0=%s\n", longest);
    for (int i = 1; i <= 40; i++)
        strbuf_addf(&doubling, "ARG A%d=$A%d$A%d\n", i, i - 1, i - 1);
    strbuf_adds(&doubling, "FROM $A0\nFROM $A40\n");
    check_bases(doubling.buf, "{}", longest, "what '$A40' is");
    for (int i = 0; i < 2000; i++)
        strbuf_addf(&many, "ARG A%d=x%d\n", i, i);
    strbuf_adds(&many, "FROM $A1\n");
    check_bases(many.buf, "{}", "", "all that it builds on, for it names more than 1000");
    strbuf_reset(&many);
    for (int i = 0; i < 2000; i++)
        strbuf_adds(&many, "FROM a\n");
    check_bases(many.buf, "{}", "a", "all that it builds on, for it names more than 1000");
}

/* --- the hash --- */

struct tree {
    char path[64];
    int fd;
    struct cancel cancel;
    struct tool_job job;
    cJSON *module;
};

static void put(struct tree *t, const char *name, const char *text, unsigned mode)
{
    _cleanup_close_ int fd = openat(t->fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(fchmod(fd, mode), 0);
}

static void make_directory(struct tree *t, const char *name)
{
    assert_int_equal(mkdirat(t->fd, name, 0700), 0);
    assert_int_equal(fchmodat(t->fd, name, 0755, 0), 0);
}

static void tree_make(struct tree *t, const char *module)
{
    memset(t, 0, sizeof(*t));
    strcpy(t->path, "/tmp/berth-test-image-XXXXXX");
    assert_non_null(mkdtemp(t->path));
    t->fd = open(t->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    cancel_init(&t->cancel);
    t->module = cJSON_Parse(module);
    make_directory(t, "api");
    make_directory(t, "api/sub");
    put(t, "api/a", "one", 0644);
    put(t, "api/sub/b", "two", 0755);
    put(t, "other", "other", 0644);
    assert_int_equal(symlinkat("/etc/passwd", t->fd, "api/link"), 0);
    t->job = (struct tool_job){ .module = t->module, .checkout = t->fd, .cancel = &t->cancel };
}

static void tree_remove(struct tree *t)
{
    _cleanup_free_ char *command = xasprintf("rm -rf '%s'", t->path);
    assert_int_equal(system(command), 0);
    close(t->fd);
    cJSON_Delete(t->module);
    cancel_release(&t->cancel);
}

/* The caller frees it; NULL and `err` if it cannot be had. */
static char *hash(struct tree *t, const char *text, const char *base, struct err *err)
{
    _cleanup_strlist_ struct strlist bases = STRLIST_INIT;
    struct image im = IMAGE_INIT;
    char *found = NULL;
    im.job = &t->job;
    im.module = "api";
    im.file = (char *)"api/Dockerfile";
    strbuf_adds(&im.text, text);
    if (base != NULL)
        strlist_add(&bases, base);
    int r = image_hash(&im, &bases, &found, err);
    strbuf_release(&im.text);
    return r == 0 ? found : NULL;
}

static char *hash_now(struct tree *t)
{
    _cleanup_err_ struct err err = ERR_INIT;
    char *found = hash(t, "FROM scratch\n", NULL, &err);
    assert_non_null(found);
    return found;
}

/* Whether the hash differs from the one given, which becomes what it is now. */
static bool has_changed(struct tree *t, char **before)
{
    char *now = hash_now(t);
    bool changed = !str_eq(now, *before);
    free(*before);
    *before = now;
    return changed;
}

static void what_is_in_the_paths_counts(void **state)
{
    (void)state;
    struct tree t;
    tree_make(&t, "{\"paths\":[\"api\"]}");
    _cleanup_free_ char *now = hash_now(&t);
    assert_int_equal(strlen(now), 64);
    assert_false(has_changed(&t, &now));
    put(&t, "other", "changed", 0644);
    assert_false(has_changed(&t, &now));
    put(&t, "api/a", "One", 0644);
    assert_true(has_changed(&t, &now));
    put(&t, "api/a", "One", 0755);
    assert_true(has_changed(&t, &now));
    assert_int_equal(renameat(t.fd, "api/a", t.fd, "api/c"), 0);
    assert_true(has_changed(&t, &now));
    assert_int_equal(renameat(t.fd, "api/sub/b", t.fd, "api/b"), 0);
    assert_true(has_changed(&t, &now));
    put(&t, "api/.dockerignore", "", 0644);
    assert_true(has_changed(&t, &now));
    put(&t, ".dockerignore", "c", 0644); /* not in the paths, but in the build */
    assert_true(has_changed(&t, &now));
    tree_remove(&t);
}

static void what_is_left_out_is_a_file(void **state)
{
    (void)state;
    _cleanup_err_ struct err err = ERR_INIT;
    struct tree t;
    tree_make(&t, "{\"paths\":[\"api/sub\"]}");
    _cleanup_free_ char *now = hash_now(&t);
    put(&t, "api/Dockerfile.containerignore", "c", 0644);
    assert_true(has_changed(&t, &now));
    put(&t, "api/Dockerfile.dockerignore", "c", 0644);
    assert_true(has_changed(&t, &now));
    assert_int_equal(symlinkat("api/a", t.fd, ".dockerignore"), 0);
    assert_null(hash(&t, "FROM scratch\n", NULL, &err));
    assert_int_equal(err.class, ERR_USER);
    assert_string_equal(err.message,
                        "modules.api.paths: what the build leaves out belongs to the content: "
                        "'.dockerignore' goes through a symbolic link, which is not followed");
    tree_remove(&t);
}

static void links_are_links(void **state)
{
    (void)state;
    struct tree t;
    tree_make(&t, "{\"paths\":[\"api\"]}");
    _cleanup_free_ char *now = hash_now(&t);
    assert_int_equal(unlinkat(t.fd, "api/link", 0), 0);
    assert_int_equal(symlinkat("/etc/group", t.fd, "api/link"), 0);
    assert_true(has_changed(&t, &now));
    assert_int_equal(mkfifoat(t.fd, "api/pipe", 0600), 0); /* opened, it would hang */
    assert_true(has_changed(&t, &now));
    tree_remove(&t);
}

static void what_else_it_is_made_of_counts(void **state)
{
    (void)state;
    _cleanup_err_ struct err err = ERR_INIT;
    struct tree t;
    tree_make(&t, "{\"paths\":[\"api\"],\"args\":{\"A\":\"1\"}}");
    _cleanup_free_ char *now = hash_now(&t);
    _cleanup_free_ char *file = hash(&t, "FROM scratch\nENV A=b\n", NULL, &err);
    _cleanup_free_ char *base = hash(&t, "FROM scratch\n", "{\"digest\":\"a\"}", &err);
    _cleanup_free_ char *other = hash(&t, "FROM scratch\n", "{\"digest\":\"b\"}", &err);
    assert_string_not_equal(file, now);
    assert_string_not_equal(base, now);
    assert_string_not_equal(base, other);
    json_put_str(json_get(t.module, "args"), "A", "2");
    assert_true(has_changed(&t, &now));
    json_put_str(t.module, "target", "x");
    assert_true(has_changed(&t, &now));
    cJSON_DeleteItemFromObject(t.module, "target");
    json_put_str(t.module, "platform", "x");
    assert_true(has_changed(&t, &now));
    tree_remove(&t);
}

static void all_but_git_is_a_path(void **state)
{
    (void)state;
    struct tree t;
    tree_make(&t, "{\"paths\":[\".\"]}");
    make_directory(&t, ".git");
    _cleanup_free_ char *now = hash_now(&t);
    put(&t, ".git/index", "x", 0644);
    assert_false(has_changed(&t, &now));
    put(&t, "other", "changed", 0644);
    assert_true(has_changed(&t, &now));
    tree_remove(&t);
}

static void no_path_leads_out(void **state)
{
    (void)state;
    static const char *const wrong[] = { "..", "api/..", "/etc", "api/../..", "api/link/x", "no" };
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        _cleanup_err_ struct err err = ERR_INIT;
        struct tree t;
        tree_make(&t, "{\"paths\":[\"x\"]}");
        cJSON_SetValuestring(json_get(t.module, "paths")->child, "x");
        json_push_str(json_get(t.module, "paths"), wrong[i]);
        cJSON_DeleteItemFromArray(json_get(t.module, "paths"), 0);
        assert_null(hash(&t, "FROM scratch\n", NULL, &err));
        assert_int_equal(err.class, ERR_USER);
        assert_true(str_starts(err.message, "modules.api.paths: '"));
        tree_remove(&t);
    }
}

/* --- tags and pushes --- */

static void who_takes_whose_images(void **state)
{
    (void)state;
    struct context c = { .environment = "automation-8527fec8", .kind = "ephemeral", .pipeline = 7 };
    _cleanup_strlist_ struct strlist branch = STRLIST_INIT, production = STRLIST_INIT;
    _cleanup_free_ char *tag = image_tag_built(&c);
    assert_string_equal(tag, "automation-8527fec8-7");
    image_tags_of_content(&c, "ab", &branch);
    assert_int_equal(branch.n, 2);
    assert_string_equal(branch.v[0], "branch-content-ab");
    assert_string_equal(branch.v[1], "content-ab");
    c.kind = "production";
    image_tags_of_content(&c, "ab", &production);
    assert_int_equal(production.n, 1);
    assert_string_equal(production.v[0], "content-ab");
}

static void what_passes_by_itself(void **state)
{
    (void)state;
    assert_true(image_refusal_passes("received unexpected HTTP status: 503 Service Unavailable"));
    assert_true(image_refusal_passes("write tcp: connection reset by peer"));
    assert_true(image_refusal_passes("Put \"https://x\": unexpected EOF"));
    assert_false(image_refusal_passes("denied: not authorized"));
    assert_false(image_refusal_passes("name unknown: The repository does not exist"));
}

/* Words of docker's builders, which cannot run everywhere; e2e/test_image_failures.py has the
 * others'. */
static void what_a_failed_build_means(void **state)
{
    (void)state;
    static const struct {
        enum image_program program;
        int code;
        const char *said;
        enum image_failure failure;
        const char *base;
    } builds[] = {
        { IMAGE_DOCKER, 1,
          "DEPRECATED\n\nGet \"https://127.0.0.1:9/v2/\": dial tcp 127.0.0.1:9: "
          "connect: connection refused\n",
          IMAGE_BUILD_SILENT, NULL },
        { IMAGE_DOCKER, 1,
          "#2 ERROR: failed\n------\nERROR: failed to solve: reg.example.com/a:12: failed to do "
          "request: Head \"https://reg.example.com/v2/a/manifests/12\": tls: failed to verify "
          "certificate: x509: certificate signed by unknown authority\n",
          IMAGE_BUILD_UNTRUSTED, "reg.example.com/a:12" },
        { IMAGE_DOCKER, 1,
          "error during build: toomanyrequests: You have reached your pull rate limit. "
          "https://www.docker.com/increase-rate-limit\n",
          IMAGE_BUILD_TOO_OFTEN, NULL },
        { IMAGE_DOCKER, 1,
          "pull access denied for reg.example.com/a, repository does not exist or may require "
          "'docker login': denied: requested access to the resource is denied\n",
          IMAGE_BUILD_MISSING, NULL },
        { IMAGE_DOCKER, 1,
          "Error response from daemon: manifest for reg.example.com/a:1 not found: manifest "
          "unknown: manifest unknown\n",
          IMAGE_BUILD_MISSING, "reg.example.com/a:1" },
        { IMAGE_DOCKER, 1,
          "ERROR: failed to solve: process \"/bin/sh -c curl https://x\" did not complete "
          "successfully: exit code: 137\n",
          IMAGE_BUILD_STEP_KILLED, NULL },
        { IMAGE_DOCKER, 1,
          "DEPRECATED\n\nThe command '/bin/sh -c wget https://x: connection refused' returned a "
          "non-zero "
          "code: 4\n",
          IMAGE_BUILD_OTHER, NULL },
        { IMAGE_BUILDAH, 137, "STEP 2\n", IMAGE_BUILD_KILLED, NULL },
        { IMAGE_BUILDAH, 137, "Error: building at STEP \"RUN x\": exit status 137\n",
          IMAGE_BUILD_STEP_KILLED, NULL },
        { IMAGE_BUILDAH, 1, "Error: building at STEP \"RUN curl https://x: i/o timeout\": exit 1\n",
          IMAGE_BUILD_OTHER, NULL },
        { IMAGE_BUILDAH, 125, "Error: docker://reg.example.com/a:1: reading: denied\n",
          IMAGE_BUILD_DENIED, "reg.example.com/a:1" },
        { IMAGE_BUILDAH, 125, "Error: docker://reg.example.com/denied:1: x\n", IMAGE_BUILD_OTHER,
          "reg.example.com/denied:1" },
        { IMAGE_BUILDAH, 125,
          "Trying to pull reg.example.com/a:1...\nError: COPY --from=reg.example.com/a:1: no stage "
          "or image found with that name\n",
          IMAGE_BUILD_UNTOLD, "reg.example.com/a:1" },
        { IMAGE_BUILDAH, 125,
          "Failed, retrying in 2s ... (1/3). Error: docker://reg.example.com/a:1: dial tcp: "
          "connection refused\nError: COPY --from=reg.example.com/a:1: no stage or image found "
          "with "
          "that name\n",
          IMAGE_BUILD_SILENT, "reg.example.com/a:1" },
        { IMAGE_BUILDAH, 125, "Error: COPY --from=0: no stage or image found with that name\n",
          IMAGE_BUILD_OTHER, NULL },
        { IMAGE_PODMAN, 1, "cp: x: No space left on device\nError: exit status 1\n",
          IMAGE_BUILD_FULL, NULL },
    };
    _cleanup_image_ struct image im = IMAGE_INIT;
    im.local = xstrdup("registry/api:1");
    strlist_add(&im.from.bases, "reg.example.com/a:1");
    strlist_add(&im.from.bases, "reg.example.com/a:12");
    strlist_add(&im.from.bases, "reg.example.com/denied:1");
    for (size_t i = 0; i < ARRAY_SIZE(builds); i++) {
        const char *base = NULL;
        im.program = builds[i].program;
        enum image_failure failure = image_failure_of(&im, builds[i].code, builds[i].said, &base);
        if (failure != builds[i].failure)
            fail_msg("'%s' is %d", builds[i].said, (int)failure);
        if (builds[i].base == NULL)
            assert_null(base);
        else
            assert_string_equal(base, builds[i].base);
    }
}

static void subordinate_ids_are_read(void **state)
{
    (void)state;
    int64_t first = 0, count = 0;
    assert_true(
        usernamespace_range("berth-job0:100000:65536\n", "berth-job0", 998, &first, &count));
    assert_int_equal(first, 100000);
    assert_int_equal(count, 65536);
    assert_true(usernamespace_range("998:200000:1", "berth-job0", 998, &first, &count));
    assert_int_equal(first, 200000);
    assert_false(usernamespace_range("berth-job01:1:1", "berth-job0", 998, &first, &count));
    assert_false(usernamespace_range("berth-job0:65535:1", "berth-job0", 998, &first, &count));
    assert_false(usernamespace_range("berth-job0:0:65536", "berth-job0", 998, &first, &count));
    assert_false(usernamespace_range("berth-job0:1", "berth-job0", 998, &first, &count));
    assert_false(usernamespace_range("# berth-job0", "berth-job0", 998, &first, &count));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bases_are_found),
        cmocka_unit_test(bases_are_copied_from),
        cmocka_unit_test(arguments_are_put_in),
        cmocka_unit_test(what_is_put_in_is_bounded),
        cmocka_unit_test(what_is_in_the_paths_counts),
        cmocka_unit_test(what_is_left_out_is_a_file),
        cmocka_unit_test(links_are_links),
        cmocka_unit_test(what_else_it_is_made_of_counts),
        cmocka_unit_test(all_but_git_is_a_path),
        cmocka_unit_test(no_path_leads_out),
        cmocka_unit_test(who_takes_whose_images),
        cmocka_unit_test(what_passes_by_itself),
        cmocka_unit_test(what_a_failed_build_means),
        cmocka_unit_test(subordinate_ids_are_read),
    };
    return cmocka_run_group_tests_name("image", tests, NULL, NULL);
}
