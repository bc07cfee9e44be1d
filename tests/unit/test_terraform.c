/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "drivers/terraform.h"
#include "executor/base/file.h"

/* One diagnostic of each kind: what of it is the user's. */
static void verdicts(void **state)
{
    (void)state;
    static const char place[] =
        ",\"range\":{\"filename\":\"m.tf\",\"start\":{\"line\":3,\"column\":5}}";
    static const struct {
        const char *severity, *summary, *place;
        bool initialized, whole;
        size_t errors, warnings;
    } cases[] = {
        { "error", "Unsupported argument", place, true, true, 1, 0 },
        { "error", "Unsupported argument", place, false, false, 1, 0 },
        { "error", "Invalid thing", "", true, true, 1, 0 },
        { "error", "Invalid thing", "", false, false, 0, 0 },
        { "error", "Missing required provider", "", true, false, 0, 0 },
        { "error", "Module not installed", place, true, false, 0, 0 },
        { "warning", "Deprecated", place, true, true, 0, 1 },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_terraform_verdict_ struct terraform_verdict v = TERRAFORM_VERDICT_INIT;
        _cleanup_err_ struct err err = ERR_INIT;
        _cleanup_free_ char *text =
            xasprintf("{\"valid\":false,\"diagnostics\":[{\"severity\":\"%s\",\"summary\":\"%s\","
                      "\"detail\":\"a\\nb\"%s}]}\n",
                      cases[i].severity, cases[i].summary, cases[i].place);
        assert_int_equal(
            terraform_judge(text, strlen(text), "infra", cases[i].initialized, &v, &err), 0);
        assert_int_equal(v.errors.n, cases[i].errors);
        assert_int_equal(v.warnings.n, cases[i].warnings);
        assert_int_equal(v.whole, cases[i].whole);
        if (i == 0)
            assert_string_equal(v.errors.v[0], "infra/m.tf:3:5: Unsupported argument: a b");
    }
}

static void what_is_no_verdict(void **state)
{
    (void)state;
    static const char *const texts[] = { "", "{}", "valid", "{\"valid\":1}", "[true]" };
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        _cleanup_terraform_verdict_ struct terraform_verdict v = TERRAFORM_VERDICT_INIT;
        _cleanup_err_ struct err err = ERR_INIT;
        assert_int_equal(terraform_judge(texts[i], strlen(texts[i]), ".", true, &v, &err), -1);
        assert_int_equal(err.class, ERR_HOST);
    }
}

static void places(void **state)
{
    (void)state;
    assert_true(terraform_names_a_line("\nError: x\n\n  on a.tf line 3, in locals:\n   3: a"));
    assert_false(terraform_names_a_line("Error: x\n\n  on a.tf\n at line 3"));
    assert_false(terraform_names_a_line("flag provided but not defined: on line x"));
}

static void first_errors(void **state)
{
    (void)state;
    static const struct {
        const char *words, *first;
    } cases[] = {
        { "\nError: No way\n\nTo the\nregistry\n\nMore\n", "No way: To the registry" },
        { "x\nError: One\n\nError: Two\n", "One" },
        { "Error: One", "One" },
        { "an Error: inside", NULL },
        { "", NULL },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_free_ char *first = terraform_first_error(cases[i].words);
        if (cases[i].first == NULL)
            assert_null(first);
        else
            assert_string_equal(first, cases[i].first);
    }
}

static void answers(void **state)
{
    (void)state;
    assert_true(terraform_is_answered("\nError: Failed to query available provider packages\n\n"
                                      "Could not retrieve it: provider registry r.example does "
                                      "not\nhave a provider named r.example/no/such\n"));
    assert_false(terraform_is_answered("\nError: Failed to query available provider packages\n\n"
                                       "Could not retrieve it: no available\nreleases match the "
                                       "given constraints >= 99.0.0\n"));
    assert_false(terraform_is_answered("\nError: Failed to query available provider packages\n\n"
                                       "could not connect: no available network\n"));
    assert_false(terraform_is_answered(""));
}

/* --- which directory ---------------------------------------------------------------------- */

#define DEEPEST 12

struct checkout {
    char path[64];
    int fd;
};

static void checkout_make(struct checkout *c)
{
    _cleanup_err_ struct err err = ERR_INIT;
    snprintf(c->path, sizeof(c->path), "%s/berth-terraform-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp"); /* 100,000 links are made */
    assert_non_null(mkdtemp(c->path));
    assert_int_equal(file_open_dir(c->path, &c->fd, &err), 0);
}

static void checkout_remove(struct checkout *c)
{
    close(c->fd);
    assert_int_equal(rmdir(c->path), 0);
}

static int find(const struct checkout *c, const char *name, char **ret, struct err *err)
{
    const struct tool_job job = { .part = name, .checkout = c->fd };
    return terraform_find_directory(&job, ret, err);
}

static void a_directory_that_lies_deep(void **state)
{
    (void)state;
    struct checkout c;
    _cleanup_free_ char *found = NULL, *none = NULL;
    _cleanup_strbuf_ struct strbuf path = STRBUF_INIT;
    checkout_make(&c);
    for (int depth = 0; depth < DEEPEST; depth++) {
        strbuf_addf(&path, "%sd", depth > 0 ? "/" : "");
        assert_int_equal(mkdirat(c.fd, path.buf, 0700), 0);
    }
    _cleanup_free_ char *last = xasprintf("%s/infra", path.buf);
    _cleanup_free_ char *beyond = xasprintf("%s/infra/beyond", path.buf);
    assert_int_equal(mkdirat(c.fd, last, 0700), 0);
    assert_int_equal(mkdirat(c.fd, beyond, 0700), 0);
    _cleanup_err_ struct err err = ERR_INIT;
    assert_int_equal(find(&c, "infra", &found, &err), 0);
    assert_string_equal(found, last);
    assert_int_equal(find(&c, "beyond", &none, &err), -1);
    assert_int_equal(err.class, ERR_USER);
    assert_non_null(strstr(err.message, "there is no directory 'beyond' in the repository"));
    unlinkat(c.fd, beyond, AT_REMOVEDIR);
    unlinkat(c.fd, last, AT_REMOVEDIR);
    for (; path.len > 0; strbuf_cut(&path, path.len > 1 ? path.len - 2 : 0))
        unlinkat(c.fd, path.buf, AT_REMOVEDIR);
    checkout_remove(&c);
}

/* Links are made faster than files, but no file has more than 65,000 of them on ext4. */
#define FILES 4
static void fill(int dir, unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++) {
        char file[16], name[16];
        snprintf(file, sizeof(file), "file-%u", i % FILES);
        snprintf(name, sizeof(name), "%u", i);
        assert_int_equal(linkat(dir, file, dir, name, 0), 0);
    }
}

static void empty(int dir, const char *prefix, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        char name[16];
        snprintf(name, sizeof(name), "%s%u", prefix, i);
        unlinkat(dir, name, 0);
    }
}

static void a_repository_that_is_too_large(void **state)
{
    (void)state;
    struct checkout c;
    checkout_make(&c);
    assert_int_equal(mkdirat(c.fd, "many", 0700), 0);
    assert_int_equal(mkdirat(c.fd, "a", 0700), 0);
    assert_int_equal(mkdirat(c.fd, "a/infra", 0700), 0);
    int many = openat(c.fd, "many", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (unsigned i = 0; i < FILES; i++) {
        char file[16];
        snprintf(file, sizeof(file), "file-%u", i);
        close(openat(many, file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    }
    /* "." and ".." of four directories, three of which are entries themselves, and the files. */
    const unsigned enough = 100000 - 1 - 8 - 3 - FILES;
    _cleanup_err_ struct err err = ERR_INIT;
    _cleanup_free_ char *found = NULL, *none = NULL;
    fill(many, 0, enough);
    assert_int_equal(find(&c, "infra", &found, &err), 0);
    assert_string_equal(found, "a/infra");
    fill(many, enough, enough + 1);
    assert_int_equal(find(&c, "infra", &none, &err), -1);
    assert_int_equal(err.class, ERR_USER);
    assert_non_null(
        strstr(err.message, "has more files than are searched for a directory 'infra'"));
    empty(many, "", enough + 1);
    empty(many, "file-", FILES);
    close(many);
    unlinkat(c.fd, "many", AT_REMOVEDIR);
    unlinkat(c.fd, "a/infra", AT_REMOVEDIR);
    unlinkat(c.fd, "a", AT_REMOVEDIR);
    checkout_remove(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers),
        cmocka_unit_test(verdicts),
        cmocka_unit_test(what_is_no_verdict),
        cmocka_unit_test(places),
        cmocka_unit_test(first_errors),
        cmocka_unit_test(a_directory_that_lies_deep),
        cmocka_unit_test(a_repository_that_is_too_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
