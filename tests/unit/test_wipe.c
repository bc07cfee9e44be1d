/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "executor/base/str.h"
#include "executor/wipe.h"

#define UID 54322

static char directory[] = "/tmp/berth-test-wipe-XXXXXX";

static int set_up(void **state)
{
    (void)state;
    return mkdtemp(directory) != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    _cleanup_err_ struct err err = ERR_INIT;
    return wipe_tree(directory, &err);
}

static char *make_file(const char *name)
{
    char *path = xasprintf("%s/%s", directory, name);
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    close(fd);
    return path;
}

static bool exists(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

static void a_tree_goes_and_what_it_links_to_stays(void **state)
{
    (void)state;
    _cleanup_err_ struct err err = ERR_INIT;
    _cleanup_free_ char *kept = make_file("kept");
    _cleanup_free_ char *tree = xasprintf("%s/tree", directory);
    _cleanup_free_ char *inner = xasprintf("%s/-rf", tree);
    _cleanup_free_ char *file_link = xasprintf("%s/file", inner);
    _cleanup_free_ char *directory_link = xasprintf("%s/directory", inner);
    assert_int_equal(mkdir(tree, 0700), 0);
    assert_int_equal(mkdir(inner, 0700), 0);
    assert_int_equal(symlink(kept, file_link), 0);
    assert_int_equal(symlink(directory, directory_link), 0);
    assert_int_equal(chmod(inner, 0500), 0);
    assert_int_equal(wipe_tree(tree, &err), 0);
    assert_false(exists(tree));
    assert_true(exists(kept));
    assert_int_equal(wipe_tree(tree, &err), 0); /* again: there is none */
}

static void a_link_in_a_trees_place_is_removed_itself(void **state)
{
    (void)state;
    _cleanup_err_ struct err err = ERR_INIT;
    _cleanup_free_ char *kept = make_file("kept");
    _cleanup_free_ char *link = xasprintf("%s/link", directory);
    assert_int_equal(symlink(directory, link), 0);
    assert_int_equal(wipe_tree(link, &err), 0);
    assert_false(exists(link));
    assert_true(exists(kept));
}

/* More than one command line of 128 KiB to 6 MB can name (execve(2)), and somebody else's. */
#define MANY 9000

static void all_of_a_user_goes_however_much(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    char word[240];
    memset(word, 'x', sizeof(word) - 1);
    word[sizeof(word) - 1] = '\0';
    _cleanup_free_ char *mine = xasprintf("/dev/shm/berth-test-mine-%d", (int)getpid());
    int fd = open(mine, O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0);
    close(fd);
    for (int i = 0; i < MANY; i++) {
        _cleanup_free_ char *path = xasprintf("/dev/shm/%04d%s", i, word);
        fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
        assert_true(fd >= 0);
        assert_int_equal(fchown(fd, UID, UID), 0);
        close(fd);
    }
    _cleanup_err_ struct err err = ERR_INIT;
    if (wipe_user(UID, &err) < 0)
        fail_msg("%s", err.message);
    for (int i = 0; i < MANY; i++) {
        _cleanup_free_ char *path = xasprintf("/dev/shm/%04d%s", i, word);
        assert_false(exists(path));
    }
    assert_true(exists(mine));
    unlink(mine);
}

/* The rm that a process has started, or 0. */
static pid_t rm_of(pid_t parent)
{
    DIR *proc = opendir("/proc");
    const struct dirent *entry;
    pid_t found = 0;
    while (found == 0 && (entry = readdir(proc)) != NULL) {
        _cleanup_free_ char *path = xasprintf("/proc/%s/stat", entry->d_name);
        FILE *file = *entry->d_name >= '1' && *entry->d_name <= '9' ? fopen(path, "re") : NULL;
        int pid, above;
        if (file == NULL)
            continue;
        if (fscanf(file, "%d (rm) %*c %d", &pid, &above) == 2 && above == parent)
            found = pid;
        fclose(file);
    }
    closedir(proc);
    return found;
}

/* A child that removes a tree; what it removes it with is stopped at it. */
static pid_t start_stopped_rm(pid_t *ret)
{
    _cleanup_free_ char *tree = xasprintf("%s/large", directory);
    mkdir(tree, 0700);
    for (int i = 0; i < MANY; i++) {
        _cleanup_free_ char *name = xasprintf("large/%d", i);
        free(make_file(name));
    }
    pid_t child = fork();
    if (child == 0) {
        _cleanup_err_ struct err err = ERR_INIT;
        wipe_tree(tree, &err);
        _exit(0);
    }
    *ret = 0;
    while (*ret == 0 && waitpid(child, NULL, WNOHANG) == 0)
        *ret = rm_of(child);
    if (*ret != 0)
        kill(*ret, SIGSTOP);
    return child;
}

/* Else it would go on when the next job has the user, and files of the same names. */
static void who_is_killed_removes_nothing_any_more(void **state)
{
    (void)state;
    pid_t rm = 0, child = 0;
    int status = 0;
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    for (int tries = 0; rm == 0 && tries < 5; tries++)
        child = start_stopped_rm(&rm);
    assert_int_not_equal(rm, 0);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    pid_t ended = 0;
    for (int i = 0; ended == 0 && i < 300; i++) {
        ended = waitpid(rm, &status, WNOHANG);
        poll(NULL, 0, 10);
    }
    kill(rm, SIGKILL);
    assert_int_equal(ended, rm);
    assert_int_equal(WTERMSIG(status), SIGKILL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tree_goes_and_what_it_links_to_stays),
        cmocka_unit_test(a_link_in_a_trees_place_is_removed_itself),
        cmocka_unit_test(all_of_a_user_goes_however_much),
        cmocka_unit_test(who_is_killed_removes_nothing_any_more),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
