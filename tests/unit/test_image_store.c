/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "drivers/image_store.h"

#define KILO 1024

/* A job's directory, and the store beside it. */
struct place {
    char path[64];
    char *directory;
    int job;
    struct image_store store;
};

static int place_make(void **state)
{
    struct place *p = xcalloc(1, sizeof(*p));
    strcpy(p->path, "/tmp/berth-test-store-XXXXXX");
    assert_non_null(mkdtemp(p->path));
    _cleanup_free_ char *job = xasprintf("%s/job", p->path);
    p->directory = xasprintf("%s/layers", p->path);
    assert_int_equal(mkdir(job, 0700), 0);
    p->job = open(job, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    p->store = (struct image_store){ .directory = p->directory,
                                     .bytes = 1000 * KILO,
                                     .seconds = 7 * 86400 };
    *state = p;
    return 0;
}

static int place_remove(void **state)
{
    struct place *p = *state;
    _cleanup_free_ char *command = xasprintf("rm -rf '%s'", p->path);
    (void)umount2(p->path, MNT_DETACH); /* place_mount()'s, if any */
    assert_int_equal(system(command), 0);
    close(p->job);
    free(p->directory);
    free(p);
    return 0;
}

static void shell(const struct place *p, const char *command)
{
    _cleanup_free_ char *all = xasprintf("cd '%s' && %s", p->path, command);
    assert_int_equal(system(all), 0);
}

static struct image_slot slot(const char *name, int64_t made)
{
    return (
        struct image_slot){ .name = name, .stamp = "buildah 1", .uid = geteuid(), .made = made };
}

/* A storage of the job's with a file of that many kilobytes. */
static int put(struct place *p, const char *name, unsigned kilobytes, int64_t made, struct err *err)
{
    _cleanup_free_ char *make = xasprintf(
        "rm -rf job/s && mkdir job/s && head -c %u /dev/zero >job/s/file", kilobytes * KILO);
    const struct image_slot s = slot(name, made);
    int64_t bytes = 0;
    shell(p, make);
    if (image_store_put(&p->store, &s, p->job, "s", &bytes, err) < 0)
        return -1;
    assert_true(bytes >= kilobytes * KILO);
    return 0;
}

static void put_well(struct place *p, const char *name, unsigned kilobytes)
{
    _cleanup_err_ struct err err = ERR_INIT;
    assert_int_equal(put(p, name, kilobytes, time(NULL), &err), 0);
}

/* Takes what is there as "s"; "": it is there, else why not. The caller frees it. */
static char *take(struct place *p, const char *name, const char *stamp)
{
    _cleanup_err_ struct err err = ERR_INIT;
    struct image_slot s = slot(name, 0);
    char *why = NULL;
    s.stamp = stamp;
    shell(p, "rm -rf job/s");
    if (image_store_take(&p->store, &s, p->job, "s", &why, &err) < 0)
        return xstrdup(err.message);
    return why != NULL ? why : xstrdup("");
}

static void check_take(struct place *p, const char *name, const char *why)
{
    _cleanup_free_ char *found = take(p, name, "buildah 1");
    assert_non_null(strstr(found, why));
    if (*why == '\0')
        assert_string_equal(found, "");
    assert_int_equal(faccessat(p->job, "s/file", F_OK, 0), *why == '\0' ? 0 : -1);
}

/* The names in the store, hidden ones too, are these. */
static void check_names(const struct place *p, const char *names)
{
    _cleanup_free_ char *command =
        xasprintf("test \"$(ls -A layers | tr '\\n' ' ')\" = '%s'", names);
    shell(p, command);
}

static void one_at_a_time_has_it(void **state)
{
    struct place *p = *state;
    check_take(p, "a", "none is there");
    put_well(p, "a", 8);
    put_well(p, "b", 8);
    check_take(p, "a", "");
    check_names(p, "b ");
    check_take(p, "a", "none is there");
    put_well(p, "b", 16); /* instead of what is there */
    check_take(p, "b", "");
    shell(p, "test $(stat -c %s job/s/file) = 16384");
}

static void another_builders_is_of_no_use(void **state)
{
    struct place *p = *state;
    put_well(p, "a", 8);
    _cleanup_free_ char *why = take(p, "a", "buildah 2");
    assert_non_null(strstr(why, "another version"));
    check_names(p, "");
}

static void an_old_one_is_of_no_use(void **state)
{
    struct place *p = *state;
    _cleanup_err_ struct err err = ERR_INIT;
    assert_int_equal(put(p, "a", 8, time(NULL) - 7 * 86400 - 1000, &err), 0);
    check_take(p, "a", "more than 7 days old");
    assert_int_equal(put(p, "a", 8, time(NULL) - 7 * 86400 + 1000, &err), 0);
    check_take(p, "a", "");
    assert_int_equal(put(p, "a", 8, time(NULL) + 86400, &err), 0); /* the clock was wrong */
    check_take(p, "a", "days old");
}

static void the_least_used_makes_room(void **state)
{
    struct place *p = *state;
    _cleanup_err_ struct err err = ERR_INIT;
    put_well(p, "a", 300);
    put_well(p, "b", 300);
    put_well(p, "c", 300);
    shell(p, "touch -d '1 hour ago' layers/b/note");
    put_well(p, "d", 300);
    check_names(p, "a c d ");
    shell(p, "touch -d '8 days ago' layers/c/note");
    put_well(p, "d", 8);
    check_names(p, "a d ");
    assert_int_equal(put(p, "a", 1001, time(NULL), &err), -1);
    assert_non_null(strstr(err.message,
                           "it takes more than all may take, 0.0 GB: 0.0 GB in its first 2 files"));
    check_names(p, "a d ");
}

/* A file system of its own, which goes with the process. */
static void place_mount(struct place *p, const char *options)
{
    if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0 ||
        mount("none", "/", "none", MS_REC | MS_PRIVATE, "") < 0 ||
        mount("tmpfs", p->path, "tmpfs", 0, options) < 0)
        skip();
    _cleanup_free_ char *job = xasprintf("%s/job", p->path);
    assert_int_equal(mkdir(job, 0700), 0);
    close(p->job);
    p->job = open(job, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* A storage of so many empty files. */
static int put_files(struct place *p, const char *name, unsigned n, struct err *err)
{
    _cleanup_free_ char *make =
        xasprintf("rm -rf job/s && mkdir job/s && cd job/s && touch file $(seq 2 %u)", n);
    const struct image_slot s = slot(name, time(NULL));
    int64_t bytes = 0;
    shell(p, make);
    return image_store_put(&p->store, &s, p->job, "s", &bytes, err);
}

static void what_had_to_go_is_not_kept(void **state)
{
    struct place *p = *state;
    _cleanup_err_ struct err err = ERR_INIT;
    place_mount(p, "size=4m");
    put_well(p, "a", 200);
    put_well(p, "b", 200);
    shell(p, "touch -d '1 hour' layers/b/note"); /* whatever others' dates say */
    shell(p, "head -c 3440000 /dev/zero >other");
    put_well(p, "c", 200);
    check_names(p, "c ");
    shell(p, "rm -r layers/c && head -c 3900000 /dev/zero >other");
    assert_int_equal(put(p, "c", 200, time(NULL), &err), -1);
    assert_non_null(strstr(err.message, "less than a tenth of the file system of '"));
    check_names(p, "");
}

static void inodes_are_room_too(void **state)
{
    struct place *p = *state;
    _cleanup_err_ struct err err = ERR_INIT;
    place_mount(p, "size=4m,nr_inodes=400");
    p->store.bytes = 10000 * KILO;
    assert_int_equal(put_files(p, "a", 150, &err), 0);
    assert_int_equal(put_files(p, "b", 150, &err), 0);
    check_names(p, "a b ");
    shell(p, "touch -d '1 hour ago' layers/b/note && touch $(seq 60)");
    assert_int_equal(put_files(p, "c", 10, &err), 0);
    check_names(p, "a c ");
}

/* They have no blocks, and would be counted for hours. */
static void empty_files_are_too_many_some_day(void **state)
{
    struct place *p = *state;
    _cleanup_err_ struct err err = ERR_INIT;
    assert_int_equal(put_files(p, "a", 200, &err), 0);
    assert_int_equal(put_files(p, "b", 300, &err), -1);
    assert_non_null(strstr(err.message, "it takes more than all may take"));
    check_names(p, "a ");
}

static void a_cancel_is_seen_meanwhile(void **state)
{
    struct place *p = *state;
    _cleanup_err_ struct err err = ERR_INIT;
    struct cancel cancel;
    cancel_init(&cancel);
    p->store.cancel = &cancel;
    assert_int_equal(put_files(p, "a", 10, &err), 0);
    cancel_set(&cancel);
    assert_int_equal(put_files(p, "b", 10, &err), -1);
    assert_int_equal(err.class, ERR_CANCELLED);
    shell(p, "test \"$(ls layers)\" = a");
    cancel_release(&cancel);
}

static void what_was_left_on_its_way_goes(void **state)
{
    struct place *p = *state;
    put_well(p, "a", 8);
    shell(p, "mkdir layers/.new layers/.old && touch -d '2 days ago' layers/.old");
    put_well(p, "b", 8);
    check_names(p, ".new a b ");
}

static void all_of_it_goes(void **state)
{
    struct place *p = *state;
    _cleanup_err_ struct err err = ERR_INIT;
    bool removed = true;
    assert_int_equal(image_store_clear(&p->store, &removed, &err), 0);
    assert_false(removed);
    put_well(p, "a", 8);
    put_well(p, "b", 8);
    assert_int_equal(image_store_clear(&p->store, &removed, &err), 0);
    assert_true(removed);
    check_names(p, "");
}

/* After that command the slot is of no use. */
static void check_spoilt(struct place *p, const char *command)
{
    put_well(p, "a", 8);
    shell(p, command);
    check_take(p, "a", "none is there");
}

/* Nothing is followed, read or removed that a link leads to. */
static void no_link_is_followed(void **state)
{
    struct place *p = *state;
    _cleanup_err_ struct err err = ERR_INIT;
    const struct image_slot s = slot("a", time(NULL));
    int64_t bytes;
    shell(p, "mkdir other && touch other/kept");
    shell(p, "ln -s ../other job/s");
    assert_int_equal(image_store_put(&p->store, &s, p->job, "s", &bytes, &err), -1);
    assert_non_null(strstr(err.message, "it is no directory of the job's user's"));
    check_names(p, "");
    check_spoilt(p, "rm -rf layers/a/storage && ln -s ../../other layers/a/storage");
    check_spoilt(p, "mv layers/a other/a && ln -s ../other/a layers/a");
    check_spoilt(p, "ln -sf ../../other/kept layers/a/note");
    check_spoilt(p, "ln -s ../../../other layers/a/storage/link && rm layers/a/note");
    shell(p, "test -e other/kept && test -d other/a/storage");
}

static void what_is_not_the_users_is_not_taken(void **state)
{
    struct place *p = *state;
    _cleanup_err_ struct err err = ERR_INIT;
    struct image_slot s = slot("a", time(NULL));
    char *why = NULL;
    put_well(p, "a", 8);
    s.uid++;
    assert_int_equal(image_store_take(&p->store, &s, p->job, "s", &why, &err), 0);
    assert_string_equal(why, "none is there");
    free(why);
    shell(p, "mkdir job/t");
    int64_t bytes;
    assert_int_equal(image_store_put(&p->store, &s, p->job, "t", &bytes, &err), -1);
}

static void a_directory_that_others_write_is_refused(void **state)
{
    struct place *p = *state;
    put_well(p, "a", 8);
    shell(p, "chmod 0755 layers");
    check_take(p, "a", "with mode 0755: make it root's, with mode 0700");
    shell(p, "chmod 0700 layers && mv layers real && ln -s real layers");
    check_take(p, "a", "cannot open");
}

static void what_is_there_is_told(void **state)
{
    struct place *p = *state;
    _cleanup_err_ struct err err = ERR_INIT;
    _cleanup_image_store_content_ struct image_store_content content = { .n = 9 };
    place_mount(p, "size=4m,nr_inodes=400");
    assert_int_equal(image_store_look(&p->store, &content, &err), 0);
    assert_int_equal(content.n, 0);
    assert_null(content.oldest);
    const int64_t empty = content.room_bytes, inodes = content.room_files;
    assert_in_range(empty, 3500 * KILO, 3700 * KILO);
    assert_in_range(inodes, 340, 360);
    put_well(p, "a", 200);
    assert_int_equal(put(p, "b", 100, time(NULL) - 5000, &err), 0);
    shell(p, "mkdir layers/.old && touch -d '1 hour' layers/b/note && touch -d '8 days ago' "
             "layers/.old layers/a/note");
    assert_int_equal(image_store_look(&p->store, &content, &err), 0);
    assert_int_equal(content.n, 2);
    assert_string_equal(content.oldest, "b"); /* by when it was made, not used */
    assert_in_range(time(NULL) - content.made, 5000, 6000);
    assert_in_range(content.bytes, 300 * KILO, 330 * KILO);
    assert_in_range(content.room_bytes, empty - 100 * KILO, empty + 100 * KILO);
    assert_in_range(content.room_files, inodes - 20, inodes + 20);
    check_names(p, ".old a b ");
}

static void a_full_file_system_has_no_room(void **state)
{
    struct place *p = *state;
    _cleanup_err_ struct err err = ERR_INIT;
    _cleanup_image_store_content_ struct image_store_content content = { .n = 9 };
    place_mount(p, "size=4m,nr_inodes=400");
    put_well(p, "a", 100);
    shell(p, "head -c 3900000 /dev/zero >other && touch $(seq 370)");
    assert_int_equal(image_store_look(&p->store, &content, &err), 0);
    assert_true(content.room_bytes < 0);
    assert_true(content.room_files < 0);
    check_names(p, "a ");
}

static void what_is_tried_leaves_no_trace(void **state)
{
    struct place *p = *state;
    _cleanup_err_ struct err err = ERR_INIT;
    p->store.bytes = 100 * KILO;
    put_well(p, "a", 90);
    shell(p, "mkdir job/s && head -c 50000 /dev/zero >job/s/file");
    assert_int_equal(image_store_try(&p->store, geteuid(), p->job, "s", &err), 0);
    assert_int_equal(faccessat(p->job, "s/file", F_OK, 0), 0);
    check_names(p, "a "); /* although both would be too much */
    assert_int_equal(image_store_try(&p->store, geteuid() + 1, p->job, "s", &err), -1);
    assert_non_null(strstr(err.message, "no directory of the job's user's"));
    check_names(p, "a ");
}

static void what_is_elsewhere_cannot_be_moved(void **state)
{
    struct place *p = *state;
    _cleanup_err_ struct err err = ERR_INIT;
    _cleanup_free_ char *elsewhere = xasprintf("%s/elsewhere", p->path);
    place_mount(p, "size=4m");
    assert_int_equal(mkdir(elsewhere, 0700), 0);
    assert_int_equal(mount("tmpfs", elsewhere, "tmpfs", 0, "size=4m"), 0);
    p->store.directory = elsewhere;
    shell(p, "chmod 0700 elsewhere && mkdir job/s");
    assert_int_equal(image_store_try(&p->store, geteuid(), p->job, "s", &err), -1);
    assert_non_null(strstr(err.message, "which must be in the file system of 'buildsDir'"));
    shell(p, "test -d job/s && test -z \"$(ls -A elsewhere)\"");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, place_make, place_remove)
    const struct CMUnitTest tests[] = {
        TEST(one_at_a_time_has_it),
        TEST(another_builders_is_of_no_use),
        TEST(an_old_one_is_of_no_use),
        TEST(the_least_used_makes_room),
        TEST(what_had_to_go_is_not_kept),
        TEST(inodes_are_room_too),
        TEST(empty_files_are_too_many_some_day),
        TEST(a_cancel_is_seen_meanwhile),
        TEST(what_was_left_on_its_way_goes),
        TEST(all_of_it_goes),
        TEST(no_link_is_followed),
        TEST(what_is_not_the_users_is_not_taken),
        TEST(a_directory_that_others_write_is_refused),
        TEST(what_is_there_is_told),
        TEST(a_full_file_system_has_no_room),
        TEST(what_is_tried_leaves_no_trace),
        TEST(what_is_elsewhere_cannot_be_moved),
    };
    return cmocka_run_group_tests_name("image store", tests, NULL, NULL);
}
