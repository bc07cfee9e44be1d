/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "executor/base/log.h"
#include "executor/lock.h"

static char directory[64];
static struct cancel cancel;
static FILE *lines;

static int setup(void **state)
{
    (void)state;
    strcpy(directory, "/tmp/berth-test-lock-XXXXXX");
    cancel_init(&cancel);
    lines = tmpfile();
    if (lines == NULL || mkdtemp(directory) == NULL)
        return -1;
    log_init(fileno(lines), LOG_INFO, false);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    _cleanup_free_ char *file = xasprintf("%s/e.lock", directory);
    unlink(file);
    cancel_release(&cancel);
    log_init(STDERR_FILENO, LOG_INFO, false);
    fclose(lines);
    return rmdir(directory);
}

/* A process that holds the lock until it is told to end; a byte comes through *fd when it has it.
 */
static pid_t start_holder(int *fd)
{
    int ready[2];
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct lock lock = LOCK_INIT;
        struct err err = ERR_INIT;
        if (lock_take(directory, "e", "job 12 of pipeline 34", &cancel, &lock, &err) < 0 ||
            write(ready[1], "x", 1) != 1)
            _exit(1);
        pause();
        _exit(0);
    }
    close(ready[1]);
    char byte;
    assert_int_equal(read(ready[0], &byte, 1), 1);
    *fd = ready[0];
    return child;
}

static void end_holder(pid_t child, int fd)
{
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, NULL, 0), child);
    close(fd);
}

static char *logged(void)
{
    char text[512];
    rewind(lines);
    size_t n = fread(text, 1, sizeof(text) - 1, lines);
    text[n] = '\0';
    return xstrdup(text);
}

/* Runs `act` on a thread once the line that says who is waited for has been written. */
struct later {
    void (*act)(void *argument);
    void *argument;
};

static void act_when_waiting(void *argument)
{
    const struct later *later = argument;
    struct stat st;
    do
        usleep(1000); /* the line is written just before the wait begins */
    while (fstat(fileno(lines), &st) == 0 && st.st_size == 0);
    later->act(later->argument);
}

static void kill_process(void *argument)
{
    kill(*(pid_t *)argument, SIGKILL);
}

static void set_cancel(void *argument)
{
    cancel_set(argument);
}

static void test_nobody_has_it(void **state)
{
    (void)state;
    _cleanup_err_ struct err err = ERR_INIT;
    for (int i = 0; i < 2; i++) {
        _cleanup_lock_ struct lock lock = LOCK_INIT;
        assert_int_equal(lock_take(directory, "e", "me", &cancel, &lock, &err), 0);
    }
    _cleanup_free_ char *said = logged();
    assert_string_equal(said, "");
}

/* A holder that dies without a word lets the next one in. */
static void test_wakes_on_release(void **state)
{
    (void)state;
    _cleanup_err_ struct err err = ERR_INIT;
    _cleanup_lock_ struct lock lock = LOCK_INIT;
    int fd;
    pid_t child = start_holder(&fd);
    struct later later = { kill_process, &child };
    uv_thread_t thread;
    assert_int_equal(uv_thread_create(&thread, act_when_waiting, &later), 0);
    assert_int_equal(lock_take(directory, "e", "me", &cancel, &lock, &err), 0);
    uv_thread_join(&thread);
    end_holder(child, fd);
    _cleanup_free_ char *said = logged();
    assert_string_equal(said, "waiting for job 12 of pipeline 34, which is working on 'e'\n");
}

static void test_cancel(void **state)
{
    (void)state;
    _cleanup_err_ struct err err = ERR_INIT;
    _cleanup_lock_ struct lock lock = LOCK_INIT;
    int fd;
    pid_t child = start_holder(&fd);
    struct later later = { set_cancel, &cancel };
    uv_thread_t thread;
    assert_int_equal(uv_thread_create(&thread, act_when_waiting, &later), 0);
    assert_int_equal(lock_take(directory, "e", "me", &cancel, &lock, &err), -1);
    assert_int_equal(err.class, ERR_CANCELLED);
    assert_int_equal(lock.fd, -1);
    uv_thread_join(&thread);
    end_holder(child, fd);
}

static void test_directory_of_others(void **state)
{
    (void)state;
    _cleanup_err_ struct err err = ERR_INIT;
    _cleanup_lock_ struct lock lock = LOCK_INIT;
    assert_int_equal(chmod(directory, 0777), 0);
    assert_int_equal(lock_take(directory, "e", "me", &cancel, &lock, &err), -1);
    assert_int_equal(err.class, ERR_HOST);
    assert_int_equal(chmod(directory, 0700), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_nobody_has_it, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wakes_on_release, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cancel, setup, teardown),
        cmocka_unit_test_setup_teardown(test_directory_of_others, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
