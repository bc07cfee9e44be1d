/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "executor/base/file.h"

static char root[] = "/tmp/berth-test-file-XXXXXX";
static int dir = -1;

static int set_up(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    if (mkdtemp(root) == NULL || file_open_dir(root, &dir, &err) < 0)
        return -1;
    return mkdirat(dir, "sub", 0755) || symlinkat("/etc", dir, "link") ||
           symlinkat("inside", dir, "alias") || mkfifoat(dir, "pipe", 0644);
}

static int tear_down(void **state)
{
    (void)state;
    const char *const files[] = { "link", "alias", "pipe", "inside", "sub/file" };
    for (size_t i = 0; i < ARRAY_SIZE(files); i++)
        unlinkat(dir, files[i], 0);
    unlinkat(dir, "sub", AT_REMOVEDIR);
    close(dir);
    return rmdir(root);
}

static void refuse(const char *path, enum err_class class, const char *message)
{
    _cleanup_err_ struct err err = ERR_INIT;
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    assert_int_equal(file_read_beneath(dir, path, 100, &text, &err), -1);
    assert_int_equal(err.class, class);
    assert_string_equal(err.message, message);
    assert_int_equal(text.len, 0);
}

static void test_round_trip(void **state)
{
    (void)state;
    _cleanup_err_ struct err err = ERR_INIT;
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    assert_int_equal(file_write_beneath(dir, "sub/file", "one", 3, 0600, &err), 0);
    assert_int_equal(file_write_beneath(dir, "sub/file", "two!", 4, 0600, &err), 0);
    assert_int_equal(file_read_beneath(dir, "sub/file", 4, &text, &err), 0);
    assert_string_equal(text.buf, "two!");
    struct stat st;
    assert_int_equal(fstatat(dir, "sub/file", &st, 0), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void test_refused(void **state)
{
    (void)state;
    _cleanup_err_ struct err err = ERR_INIT;
    assert_int_equal(file_write_beneath(dir, "inside", "x", 1, 0644, &err), 0);
    refuse("absent", ERR_NOT_FOUND, "'absent' does not exist");
    refuse("link/passwd", ERR_USER,
           "'link/passwd' goes through a symbolic link, which is not followed");
    refuse("alias", ERR_USER, "'alias' goes through a symbolic link, which is not followed");
    refuse("../x", ERR_USER, "'../x' leads out of its directory");
    refuse("/etc/passwd", ERR_USER, "'/etc/passwd' leads out of its directory");
    refuse("pipe", ERR_USER, "'pipe' is not a regular file");
    refuse("sub", ERR_USER, "'sub' is not a regular file");
}

static void test_limit(void **state)
{
    (void)state;
    _cleanup_err_ struct err err = ERR_INIT;
    char big[101];
    memset(big, 'x', sizeof(big));
    assert_int_equal(file_write_beneath(dir, "inside", big, sizeof(big), 0644, &err), 0);
    refuse("inside", ERR_USER, "'inside' is larger than 100 bytes");
}

static void test_write_refused(void **state)
{
    (void)state;
    _cleanup_err_ struct err err = ERR_INIT;
    assert_int_equal(file_write_beneath(dir, "link/x", "x", 1, 0644, &err), -1);
    assert_string_equal(err.message, "'link' goes through a symbolic link, which is not followed");
    /* A link in the file's own place is replaced, never written through. */
    assert_int_equal(file_write_beneath(dir, "alias", "x", 1, 0644, &err), 0);
    struct stat st;
    assert_int_equal(fstatat(dir, "alias", &st, AT_SYMLINK_NOFOLLOW), 0);
    assert_true(S_ISREG(st.st_mode));
}

/* As on a full disk: the host's fault, and nothing is left behind. */
static void test_no_room(void **state)
{
    (void)state;
    struct rlimit before;
    _cleanup_err_ struct err err = ERR_INIT;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    const struct rlimit none = { .rlim_cur = 0, .rlim_max = before.rlim_max };
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    int r = file_write_beneath(dir, "full", "x", 1, 0644, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(r, -1);
    assert_int_equal(err.class, ERR_HOST);
    assert_int_equal(faccessat(dir, "full", F_OK, 0), -1);
}

/* What lies in the way has been put there by the job. */
static void test_a_directory_in_the_way(void **state)
{
    (void)state;
    _cleanup_err_ struct err err = ERR_INIT;
    assert_int_equal(mkdirat(dir, "way", 0755), 0);
    assert_int_equal(file_write_beneath(dir, "way", "x", 1, 0644, &err), -1);
    assert_int_equal(err.class, ERR_USER);
    assert_int_equal(unlinkat(dir, "way", AT_REMOVEDIR), 0);
}

/* A directory that others can write to, a link of theirs, and what keeps one of ours safe in it. */
static void test_who_can_replace_a_path(void **state)
{
    (void)state;
    _cleanup_err_ struct err err = ERR_INIT;
    _cleanup_err_ struct err refused = ERR_INIT;
    _cleanup_err_ struct err by_link = ERR_INIT;
    _cleanup_free_ char *path = xasprintf("%s/above/ours", root);
    _cleanup_free_ char *above = xasprintf("%s/above", root);
    _cleanup_free_ char *link = xasprintf("%s/way/above/ours", root);
    assert_int_equal(mkdirat(dir, "above", 0755), 0);
    assert_int_equal(mkdirat(dir, "above/ours", 0755), 0);
    assert_int_equal(symlinkat(".", dir, "way"), 0);
    assert_int_equal(file_check_parents(path, &err), 0);
    assert_int_equal(file_check_parents(link, &err), 0);
    assert_int_equal(chmod(above, 01777), 0);
    assert_int_equal(file_check_parents(path, &err), 0);
    assert_int_equal(chmod(above, 0775), 0);
    assert_int_equal(file_check_parents(path, &refused), -1);
    assert_int_equal(refused.class, ERR_HOST);
    assert_non_null(strstr(refused.message, "with mode 0775"));
    assert_int_equal(chmod(above, 0755), 0);
    if (geteuid() == 0) {
        assert_int_equal(fchownat(dir, "way", 54325, 54325, AT_SYMLINK_NOFOLLOW), 0);
        assert_int_equal(file_check_parents(link, &by_link), -1);
        assert_non_null(strstr(by_link.message, "54325"));
    }
    unlinkat(dir, "way", 0);
    unlinkat(dir, "above/ours", AT_REMOVEDIR);
    unlinkat(dir, "above", AT_REMOVEDIR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_no_room),
        cmocka_unit_test(test_a_directory_in_the_way),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_write_refused),
        cmocka_unit_test(test_who_can_replace_a_path),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
