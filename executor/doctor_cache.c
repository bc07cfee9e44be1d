/* SPDX-License-Identifier: MIT */
/*
 * The host config's "images.cache": whether what a build leaves can be kept there for the next, how
 * much, and what there is. A cache that keeps nothing fails no job, but has every build take as
 * long as the first: so that is what fails here, and a little room is a warning.
 */
#include <errno.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "drivers/image.h"
#include "executor/account.h"
#include "executor/base/file.h"
#include "executor/doctor.h"
#include "executor/doctor_bench.h"

#define SUBJECT      "images.cache"
#define NOTHING_KEPT "correct that: until then every build begins from nothing"
#define OVERLAY_NEEDS                                                                              \
    "that takes Linux 5.11, 'unshare' in PATH, and a file system that overlayfs can be mounted "   \
    "upon, such as ext4 or xfs, but neither overlayfs nor NFS"
#define ONE_FILE_SYSTEM "name a directory of root's in the file system of 'buildsDir'"

static double gigabytes(int64_t bytes)
{
    return (double)bytes / 1e9;
}

/* In the directory that is ours, one of the user's with a file in it, as a builder leaves. */
static int make_storage(int fd, const struct process_user *user, struct err *err)
{
    static const char text[] = "a layer\n";
    if (mkdirat(fd, "storage", 0700) < 0 ||
        fchownat(fd, "storage", user->uid, user->gid, AT_SYMLINK_NOFOLLOW) < 0)
        return err_set_errno(err, ERR_HOST, errno, "cannot make a directory for it");
    return file_write_beneath(fd, "storage/layer", text, strlen(text), 0600, err);
}

/* Where builds have theirs, so that what keeps one from being moved keeps this one, too. */
static int try_storage(const struct image_store *store, const struct doctor_bench *bench,
                       struct err *err)
{
    const struct process_user *user = &bench->user.ids;
    return make_storage(bench->directory_fd, user, err) < 0
               ? -1
               : image_store_try(store, user->uid, bench->directory_fd, "storage", err);
}

static bool is_apart(const char *directory, const char *builds)
{
    _cleanup_free_ char *nearest = doctor_nearest_directory(builds);
    struct stat a, b;
    return stat(directory, &a) == 0 && stat(nearest, &b) == 0 && a.st_dev != b.st_dev;
}

static bool has_room(struct doctor *d, const struct image_store *store,
                     const struct image_store_content *content)
{
    bool room = content->room_bytes > 0, files = content->room_files > 0;
    if (!room || !files)
        doctor_note(d, SYMPTOM_FAIL, SUBJECT, "make room, or give it a larger file system",
                    "nothing is kept: even without all that '%s' has, less than a tenth of its "
                    "file system's %s would be free",
                    store->directory, room ? "inodes" : "room");
    return room && files;
}

/* Where there is not as much as may be taken. */
static void tell_room(struct doctor *d, const struct image_store *store,
                      const struct image_store_content *content)
{
    if (content->room_bytes < store->bytes)
        doctor_note(d, SYMPTOM_WARN, SUBJECT, "make room, or set 'gigabytes' to what there is",
                    "'%s' may take %.1f GB, and there is room for %.1f GB if a tenth of the file "
                    "system stays free",
                    store->directory, gigabytes(store->bytes), gigabytes(content->room_bytes));
}

/* The first job makes 'buildsDir': before it nothing can have been tried there. */
static void tell_empty(struct doctor *d, const struct image_store *store, const char *builds)
{
    if (access(builds, F_OK) == 0)
        doctor_note(d, SYMPTOM_OK, SUBJECT, NULL, "'%s' works, and is empty", store->directory);
    else
        doctor_note(d, SYMPTOM_OK, SUBJECT, NULL,
                    "'%s' is empty; it can be tried when the first job has made '%s'",
                    store->directory, builds);
}

static void tell_content(struct doctor *d, const struct image_store *store,
                         const struct image_store_content *content)
{
    char age[32];
    clock_age((double)(time(NULL) - content->made), age, sizeof(age));
    doctor_note(d, SYMPTOM_OK, SUBJECT, NULL,
                "'%s' has %zu storage%s of layers, %.1f GB of %.1f GB; the oldest, '%s', was begun "
                "%s ago",
                store->directory, content->n, content->n == 1 ? "" : "s", gigabytes(content->bytes),
                gigabytes(store->bytes), content->oldest, age);
}

static void say_apart(struct doctor *d, const struct image_store *store, const char *builds)
{
    doctor_note(d, SYMPTOM_FAIL, SUBJECT, ONE_FILE_SYSTEM,
                "'%s' would be in another file system than '%s', from where nothing can be moved "
                "to it",
                store->directory, builds);
}

/* As a build does, in a storage that lies where theirs lie. */
static bool check_use(struct doctor *d, const struct image_store *store, const char *builds,
                      const struct doctor_bench *bench)
{
    const struct tool_job job = doctor_bench_job(bench);
    _cleanup_free_ char *why = NULL;
    enum image_cache_use use = image_cache_attempt(&job, &why);
    if (use == IMAGE_CACHE_UNUSABLE)
        doctor_note(d, SYMPTOM_FAIL, SUBJECT, OVERLAY_NEEDS,
                    "nothing is kept: of images that user '%s' builds in '%s' no layers can be "
                    "used, so each is built from nothing: %s",
                    bench->user.name, builds, why);
    else if (use == IMAGE_CACHE_NEEDLESS)
        doctor_note(d, SYMPTOM_WARN, SUBJECT,
                    "take it out of the host config, or name another 'builder'",
                    "nothing is kept in '%s': what builds images here is docker, whose daemon "
                    "keeps its own layers",
                    store->directory);
    else if (use == IMAGE_CACHE_UNKNOWN)
        doctor_note(d, SYMPTOM_WARN, SUBJECT, "see what is said of 'builder'",
                    "whether builds can use '%s' is not known: no image can be built in '%s'",
                    store->directory, builds);
    return use == IMAGE_CACHE_USED;
}

/* Where 'buildsDir' is not there yet, only whether it will be in the same file system. */
static bool check_future(struct doctor *d, const struct image_store *store, const char *builds)
{
    bool apart = is_apart(store->directory, builds);
    if (apart)
        say_apart(d, store, builds);
    return !apart;
}

static bool check_builds(struct doctor *d, const struct image_store *store, const char *builds)
{
    _cleanup_doctor_bench_ struct doctor_bench bench = DOCTOR_BENCH_INIT;
    _cleanup_free_ char *directory = xasprintf("%s/.berth-doctor-XXXXXX", builds);
    _cleanup_err_ struct err err = ERR_INIT;
    bool there = access(store->directory, F_OK) == 0;
    if (access(builds, F_OK) < 0)
        return check_future(d, store, builds);
    if (doctor_bench_init(&bench, d->host.json, directory, &err) < 0 ||
        (there && try_storage(store, &bench, &err) < 0)) {
        doctor_note(d, SYMPTOM_FAIL, SUBJECT,
                    is_apart(store->directory, builds) ? ONE_FILE_SYSTEM : NOTHING_KEPT,
                    "what a build in '%s' leaves cannot be moved to '%s' and back, so nothing is "
                    "kept: %s",
                    builds, store->directory, err.message);
        return false;
    }
    return check_use(d, store, builds, &bench);
}

/* One that a build will make. */
static void check_absent(struct doctor *d, const struct image_store *store, const char *builds)
{
    _cleanup_free_ char *nearest = doctor_nearest_directory(store->directory);
    _cleanup_free_ char *inside = xasprintf("%s/.", nearest);
    _cleanup_err_ struct err err = ERR_INIT;
    if (file_check_parents(inside, &err) < 0)
        doctor_note(d, SYMPTOM_FAIL, SUBJECT, NOTHING_KEPT, "%s", err.message);
    else if (is_apart(nearest, builds))
        say_apart(d, store, builds);
    else if (check_builds(d, store, builds))
        doctor_note(d, SYMPTOM_OK, SUBJECT, NULL, "'%s' will be made by the first build",
                    store->directory);
}

/* A disk that is full is what else would keep anything from being moved, and is said as such. */
static void check_present(struct doctor *d, const struct image_store *store, const char *builds)
{
    _cleanup_image_store_content_ struct image_store_content content = { .n = 0 };
    _cleanup_err_ struct err err = ERR_INIT;
    if (image_store_look(store, &content, &err) < 0) {
        doctor_note(d, SYMPTOM_FAIL, SUBJECT, NOTHING_KEPT, "%s", err.message);
        return;
    }
    if (!has_room(d, store, &content) || !check_builds(d, store, builds))
        return;
    tell_room(d, store, &content);
    if (content.n == 0)
        tell_empty(d, store, builds);
    else
        tell_content(d, store, &content);
}

void doctor_cache(struct doctor *d)
{
    const struct image_store store = image_cache_store(d->host.json, NULL);
    const cJSON *users = json_get(d->host.json, "user");
    _cleanup_free_ char *builds = hostconfig_path(&d->host, "buildsDir", HOSTCONFIG_BUILDS_DIR);
    _cleanup_err_ struct err err = ERR_INIT;
    struct process_user user;
    if (store.directory == NULL)
        return;
    if (!cJSON_IsArray(users))
        doctor_note(d, SYMPTOM_FAIL, SUBJECT, "name a list of users as 'user' in the host config",
                    "nothing is kept: what several jobs of one user can write none can believe");
    else if (geteuid() != 0)
        doctor_note(d, SYMPTOM_WARN, SUBJECT, "run 'berth doctor' as root",
                    "what is in '%s' is only seen as root", store.directory);
    else if (account_find(users->child->valuestring, &user, &err) < 0)
        return; /* said of the user already */
    else if (access(store.directory, F_OK) < 0)
        check_absent(d, &store, builds);
    else
        check_present(d, &store, builds);
}
