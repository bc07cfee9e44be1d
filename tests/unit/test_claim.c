/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "executor/base/log.h"
#include "executor/claim.h"
#include "executor/wipe.h"

#define UID 54323 /* nobody's */

static char directory[64];
static char *jobs, *job_a, *job_b;
static FILE *lines;

static int set_up(void **state)
{
    (void)state;
    strcpy(directory, "/tmp/berth-test-claim-XXXXXX");
    lines = tmpfile();
    if (lines == NULL || mkdtemp(directory) == NULL)
        return -1;
    log_init(fileno(lines), LOG_INFO, false);
    jobs = xasprintf("%s/locks/jobs", directory);
    job_a = xasprintf("%s/a", directory);
    job_b = xasprintf("%s/b", directory);
    return mkdir(job_a, 0700) < 0 || mkdir(job_b, 0700) < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
    (void)state;
    _cleanup_err_ struct err err = ERR_INIT;
    log_init(STDERR_FILENO, LOG_INFO, false);
    fclose(lines);
    free(jobs);
    free(job_a);
    free(job_b);
    return wipe_tree(directory, &err);
}

static void open_claims(const char *user, struct claims *ret)
{
    _cleanup_err_ struct err err = ERR_INIT;
    if (claims_open(jobs, user, ret, &err) < 0)
        fail_msg("%s", err.message);
}

static char *tmp_of(const char *job)
{
    return xasprintf("%s-tmp", job);
}

/* As config does; the runner is the process that has started this one. */
static void write_claim(const struct claims *c, const char *job)
{
    _cleanup_err_ struct err err = ERR_INIT;
    _cleanup_json_ cJSON *claim = cJSON_CreateObject();
    _cleanup_free_ char *tmp = tmp_of(job);
    mkdir(tmp, 0700);
    json_put_str(claim, "user", "one");
    json_put_int(claim, "uid", UID);
    json_put_int(claim, "gid", UID);
    json_put_str(claim, "tmp", tmp);
    if (claim_write(c, job, getppid(), claim, &err) < 0)
        fail_msg("%s", err.message);
}

static void claim_job(const char *job)
{
    _cleanup_claims_ struct claims c = CLAIMS_INIT;
    open_claims("one", &c);
    write_claim(&c, job);
}

static char *record_path(const char *job)
{
    return xasprintf("%s/" CLAIM_RECORD, job);
}

static bool exists(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

/* How many claims of the user are alive and dead, as "1 0". */
static const char *counts(void)
{
    static char text[40];
    _cleanup_claims_ struct claims c = CLAIMS_INIT;
    open_claims("one", &c);
    snprintf(text, sizeof(text), "%zu %zu", json_count(c.alive), json_count(c.dead));
    return text;
}

/* A child that does something and then says so, and lives until it is ended. */
static pid_t start_child(void (*act)(void))
{
    int ready[2];
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
        act();
        (void)!write(ready[1], "x", 1);
        for (;;)
            pause();
    }
    char byte;
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    return child;
}

static void end_child(pid_t child)
{
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

static void hold_user(void)
{
    static struct claims c = CLAIMS_INIT;
    open_claims("one", &c);
}

static void hold_record(void)
{
    _cleanup_free_ char *path = record_path(job_a);
    flock(open(path, O_RDONLY), LOCK_SH);
}

static void become_user(void)
{
    if (setresuid(UID, UID, UID) < 0)
        abort();
}

/* A stage: it holds the record, and starts another as soon as one is killed. */
static void be_stubborn_stage(void)
{
    hold_record();
    signal(SIGCHLD, SIG_IGN);
    pid_t child = fork();
    if (child == 0) {
        become_user();
        for (;;)
            pause();
    }
    if (fork() > 0)
        return;
    hold_record();
    for (int i = 0; i < 3; i++) {
        poll(NULL, 0, 50);
        if (fork() == 0) {
            become_user();
            pause();
        }
    }
    _exit(0);
}

static void one_users_lock_is_no_others(void **state)
{
    (void)state;
    _cleanup_err_ struct err err = ERR_INIT;
    _cleanup_claims_ struct claims one = CLAIMS_INIT, other = CLAIMS_INIT;
    pid_t holder = start_child(hold_user);
    assert_int_equal(claims_try(jobs, "one", &one, &err), 0);
    assert_int_equal(one.fd, -1);
    assert_int_equal(claims_try(jobs, "other", &other, &err), 0);
    assert_true(other.fd >= 0);
    end_child(holder);
    open_claims("one", &one); /* the kernel has freed it */
}

static void who_waits_gets_it_when_it_is_free(void **state)
{
    (void)state;
    pid_t holder = start_child(hold_user);
    pid_t killer = fork();
    if (killer == 0) {
        poll(NULL, 0, 100);
        kill(holder, SIGKILL);
        _exit(0);
    }
    _cleanup_claims_ struct claims c = CLAIMS_INIT;
    open_claims("one", &c);
    assert_true(c.fd >= 0);
    waitpid(holder, NULL, 0);
    waitpid(killer, NULL, 0);
}

static void what_others_could_write_is_refused(void **state)
{
    (void)state;
    _cleanup_err_ struct err err = ERR_INIT;
    _cleanup_claims_ struct claims c = CLAIMS_INIT;
    _cleanup_free_ char *locks = xasprintf("%s/locks", directory);
    _cleanup_free_ char *mine = xasprintf("%s/one", jobs);
    assert_string_equal(counts(), "0 0");
    const char *const paths[] = { directory, locks, jobs, mine };
    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        _cleanup_err_ struct err refused = ERR_INIT;
        assert_int_equal(chmod(paths[i], 0770), 0);
        assert_int_equal(claims_open(jobs, "one", &c, &refused), -1);
        assert_int_equal(refused.class, ERR_HOST);
        assert_int_equal(chmod(paths[i], 0700), 0);
    }
    if (geteuid() != 0)
        return;
    assert_int_equal(chown(locks, UID, UID), 0);
    assert_int_equal(claims_open(jobs, "one", &c, &err), -1);
    assert_non_null(strstr(err.message, "54323's, with mode 0700"));
}

static void a_claim_lives_with_its_runner_and_its_record(void **state)
{
    (void)state;
    _cleanup_free_ char *path = record_path(job_a);
    claim_job(job_a);
    assert_string_equal(counts(), "1 0");
    assert_int_equal(unlink(path), 0);
    assert_string_equal(counts(), "0 1");
}

/* The number of the runner's process is another's by now; a stage that it left is at work. */
static void a_stage_keeps_the_claim_of_a_dead_runner(void **state)
{
    (void)state;
    claim_job(job_a);
    {
        _cleanup_claims_ struct claims c = CLAIMS_INIT;
        open_claims("one", &c);
        cJSON *claim = json_dup(claims_find(&c, job_a));
        _cleanup_free_ char *path = xasprintf("%s/%s", c.path, json_str(claim, "file"));
        json_put_int(claim, "started", json_int(claim, "started", 0) + 1);
        _cleanup_free_ char *text = json_print(claim);
        FILE *file = fopen(path, "w");
        fputs(text, file);
        fclose(file);
        cJSON_Delete(claim);
    }
    pid_t stage = start_child(hold_record);
    assert_string_equal(counts(), "1 0");
    end_child(stage);
    assert_string_equal(counts(), "0 1");
}

static void what_is_no_claim_goes(void **state)
{
    (void)state;
    claim_job(job_a);
    static const char *const names[] = { ".1-2.json.berth-77", "1-2.json", "x" };
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        _cleanup_free_ char *path = xasprintf("%s/one/%s", jobs, names[i]);
        FILE *file = fopen(path, "w");
        fputs("{\"user\": \"one\", \"dir", file);
        fclose(file);
        assert_string_equal(counts(), "1 0");
        assert_false(exists(path));
    }
}

/* What it says may be of a job that runs; the user is not given to another one. */
static void a_claim_that_cannot_be_read_is_not_lost(void **state)
{
    (void)state;
    _cleanup_err_ struct err err = ERR_INIT;
    _cleanup_claims_ struct claims c = CLAIMS_INIT;
    _cleanup_free_ char *path = xasprintf("%s/one/1-2.json", jobs);
    claim_job(job_a);
    assert_int_equal(symlink("1-2.json", path), 0);
    assert_int_equal(claims_open(jobs, "one", &c, &err), -1);
    assert_int_equal(err.class, ERR_HOST);
    assert_non_null(strstr(err.message, path));
    assert_true(exists(path));
}

/* Whoever is the parent then lives on for ever, as init does. */
static void who_has_lost_its_runner_claims_nothing(void **state)
{
    (void)state;
    _cleanup_err_ struct err err = ERR_INIT;
    _cleanup_claims_ struct claims c = CLAIMS_INIT;
    _cleanup_json_ cJSON *claim = cJSON_CreateObject();
    _cleanup_free_ char *record = record_path(job_a);
    open_claims("one", &c);
    json_put_str(claim, "user", "one");
    json_put_int(claim, "uid", UID);
    json_put_str(claim, "tmp", job_b);
    assert_int_equal(claim_write(&c, job_a, getpid(), claim, &err), -1);
    assert_non_null(strstr(err.message, "the runner has ended"));
    assert_false(exists(record));
    claims_release(&c);
    assert_string_equal(counts(), "0 0");
}

/* Makes of a claim what versions wrote that had no directory for each user. */
static void make_old(const char *job)
{
    _cleanup_claims_ struct claims c = CLAIMS_INIT;
    open_claims("one", &c);
    const char *file = json_str(claims_find(&c, job), "file");
    _cleanup_free_ char *now = xasprintf("%s/%s", c.path, file);
    _cleanup_free_ char *old = xasprintf("%s/one.%s", jobs, file);
    assert_int_equal(rename(now, old), 0);
}

static void claims_of_an_earlier_version_count(void **state)
{
    (void)state;
    _cleanup_free_ char *record = record_path(job_b);
    claim_job(job_a);
    claim_job(job_b);
    unlink(record);
    make_old(job_a);
    make_old(job_b);
    assert_string_equal(counts(), "1 1");
}

static void a_sweep_ends_the_dead_of_an_earlier_version(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    char said[8];
    _cleanup_free_ char *record = record_path(job_a);
    _cleanup_free_ char *tmp = tmp_of(job_a);
    claim_job(job_a);
    make_old(job_a);
    unlink(record);
    claims_sweep(jobs);
    assert_false(exists(tmp));
    assert_string_equal(counts(), "0 0");
    rewind(lines);
    assert_null(fgets(said, sizeof(said), lines));
}

static void others_are_counted(void **state)
{
    (void)state;
    claim_job(job_a);
    claim_job(job_b);
    _cleanup_claims_ struct claims c = CLAIMS_INIT;
    open_claims("one", &c);
    assert_int_equal(claims_count(&c, NULL), 2);
    assert_int_equal(claims_count(&c, job_a), 1);
    assert_string_equal(json_str(claims_find(&c, job_b), "directory"), job_b);
    assert_null(claims_find(&c, "/nowhere"));
}

static void the_dead_are_ended_and_what_will_not_go_stays(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    _cleanup_free_ char *record_a = record_path(job_a);
    _cleanup_free_ char *record_b = record_path(job_b);
    _cleanup_free_ char *tmp_a = tmp_of(job_a);
    claim_job(job_a);
    _cleanup_claims_ struct claims c = CLAIMS_INIT;
    open_claims("one", &c);
    write_claim(&c, job_b);
    /* No directory has such a name, so nothing removes it. */
    char name[300];
    memset(name, 'x', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    _cleanup_json_ cJSON *stuck = json_dup(claims_find(&c, job_a));
    json_put_strf(stuck, "tmp", "/tmp/%s", name);
    json_put_str(stuck, "directory", "/nowhere");
    json_push(c.dead, json_dup(stuck));
    json_push(c.dead, json_dup(claims_find(&c, job_a)));
    cJSON_DeleteItemFromArray(c.alive, 0);
    unlink(record_a);
    claims_end_dead(&c);
    assert_int_equal(json_count(c.dead), 0);
    assert_int_equal(json_count(c.alive), 1);
    assert_string_equal(json_str(c.alive->child, "directory"), "/nowhere");
    assert_false(exists(tmp_a));
    assert_true(exists(record_b));
}

static void the_end_of_a_job_waits_for_its_stages(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    _cleanup_err_ struct err err = ERR_INIT;
    _cleanup_strlist_ struct strlist left = STRLIST_INIT;
    _cleanup_free_ char *record = record_path(job_a);
    _cleanup_free_ char *tmp = tmp_of(job_a);
    claim_job(job_a);
    pid_t stage = start_child(become_user);
    pid_t stubborn = fork();
    if (stubborn == 0) {
        be_stubborn_stage();
        _exit(0);
    }
    waitpid(stubborn, NULL, 0);
    _cleanup_close_ int held = open(record, O_RDONLY | O_CLOEXEC);
    assert_int_equal(flock(held, LOCK_EX | LOCK_NB), -1);
    _cleanup_claims_ struct claims c = CLAIMS_INIT;
    open_claims("one", &c);
    if (claim_end(&c, claims_find(&c, job_a), &left, &err) < 0)
        fail_msg("%s", err.message);
    assert_int_equal(flock(held, LOCK_EX | LOCK_NB), 0);
    assert_true(left.n >= 1);
    assert_int_equal(kill(stage, 0), -1);
    const struct process_user user = { .uid = UID, .gid = UID };
    assert_int_equal(process_kill_user(&user, &left), 0);
    assert_false(exists(record));
    assert_false(exists(tmp));
    claims_release(&c);
    assert_string_equal(counts(), "0 0");
}

/* Of a user that other jobs have too: what does not belong to this job goes on. */
static void beside_another_job_only_its_own_ends(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    _cleanup_err_ struct err err = ERR_INIT;
    _cleanup_strlist_ struct strlist left = STRLIST_INIT;
    _cleanup_free_ char *tmp_a = tmp_of(job_a);
    _cleanup_free_ char *tmp_b = tmp_of(job_b);
    claim_job(job_a);
    claim_job(job_b);
    pid_t other = start_child(become_user);
    _cleanup_claims_ struct claims c = CLAIMS_INIT;
    open_claims("one", &c);
    assert_int_equal(claim_end(&c, claims_find(&c, job_a), &left, &err), 0);
    assert_int_equal(waitpid(other, NULL, WNOHANG), 0);
    assert_false(exists(tmp_a));
    assert_true(exists(tmp_b));
    end_child(other);
}

static void a_sweep_ends_the_dead_of_every_user_who_is_free(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    _cleanup_free_ char *record = record_path(job_a);
    _cleanup_free_ char *tmp = tmp_of(job_a);
    claim_job(job_a);
    claims_sweep(jobs);
    assert_true(exists(tmp)); /* it lives */
    unlink(record);
    pid_t holder = start_child(hold_user);
    claims_sweep(jobs);
    assert_true(exists(tmp)); /* somebody is at it */
    end_child(holder);
    claims_sweep(jobs);
    assert_false(exists(tmp));
    assert_string_equal(counts(), "0 0");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_users_lock_is_no_others),
        TEST(who_waits_gets_it_when_it_is_free),
        TEST(what_others_could_write_is_refused),
        TEST(a_claim_lives_with_its_runner_and_its_record),
        TEST(a_stage_keeps_the_claim_of_a_dead_runner),
        TEST(what_is_no_claim_goes),
        TEST(a_claim_that_cannot_be_read_is_not_lost),
        TEST(who_has_lost_its_runner_claims_nothing),
        TEST(claims_of_an_earlier_version_count),
        TEST(a_sweep_ends_the_dead_of_an_earlier_version),
        TEST(others_are_counted),
        TEST(the_dead_are_ended_and_what_will_not_go_stays),
        TEST(the_end_of_a_job_waits_for_its_stages),
        TEST(beside_another_job_only_its_own_ends),
        TEST(a_sweep_ends_the_dead_of_every_user_who_is_free),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
