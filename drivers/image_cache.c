/* SPDX-License-Identifier: MIT */
/*
 * Layers of earlier builds, where the host config's "images.cache" names a directory for them: a
 * step whose instruction and files are what they were is not run again (buildah-build(1),
 * --layers).
 *
 * Whoever writes what a build believes decides what is in its image. So a storage is kept for one
 * project, kind of environment, module and job's user, in a directory that is root's: production
 * reads what production's own builds have made, and nothing of a branch's. It is in the job's reach
 * only once the job's script is over, under a name that the script could not know, and only where
 * no other job runs as the same user. It is moved, not copied, so that a build that is killed
 * leaves none, rather than half of one.
 *
 * The storage has the driver "overlay", which keeps of each step what it has changed; "vfs" would
 * copy the whole image for each. The kernel lets the root of a user namespace mount it, in a mount
 * namespace of its own, since Linux 5.11 (https://kernelnewbies.org/Linux_5.11, "overlayfs").
 */
#include "drivers/image.h"

#include <inttypes.h>
#include <pwd.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "executor/base/file.h"
#include "executor/base/log.h"
#include "executor/base/process.h"
#include "executor/base/random.h"
#include "executor/base/usernamespace.h"

/* Raised when a storage that is there must not be used any more. */
#define STAMP_VERSION 1
/* Where "images.cache" does not say. */
#define GIGABYTES 20
#define DAYS      7
#define DAY       86400
/* With less than that left when the builder has ended, whatever went wrong may have for want of
 * room. */
#define ROOM_MIN  ((uint64_t)32 << 20)
#define FILES_MIN 1024

struct image_store image_cache_store(const cJSON *host, struct cancel *cancel)
{
    const cJSON *config = json_get(json_get(host, "images"), "cache");
    return (struct image_store){
        .directory = json_str(config, "directory"),
        .bytes = json_int(config, "gigabytes", GIGABYTES) * 1000000000,
        .seconds = json_int(config, "days", DAYS) * DAY,
        .cancel = cancel,
    };
}

static struct image_store store_of(const struct image *im)
{
    return image_cache_store(im->job->host, im->job->cancel);
}

void image_layers_release(struct image_layers *l)
{
    free(l->storage);
    free(l->aside);
    free(l->slot);
    free(l->stamp);
    *l = (struct image_layers){ .storage = NULL };
}

/* A name that nobody knows beforehand. */
static void name_storage(struct image_layers *l)
{
    free(l->storage);
    l->storage = random_name("layers-", 8);
}

/* --- which one ---------------------------------------------------------------------------------
 */

/* The builder is known by its file: another one may keep things otherwise. */
static void add_builder(const struct image *im, struct strbuf *stamp)
{
    const char *word = im->words.v[0];
    _cleanup_free_ char *path =
        strchr(word, '/') != NULL ? xstrdup(word) : process_find_program(word);
    struct stat st = { .st_size = 0 };
    if (path != NULL)
        (void)stat(path, &st);
    strbuf_addf(stamp, "%s %lld %lld\n", path != NULL ? path : word, (long long)st.st_size,
                (long long)st.st_mtime);
}

/* The ids that files in the storage belong to: with others the builder could not read them. */
static void add_ids(const struct stat *tmp, struct strbuf *stamp)
{
    const struct passwd *pw = getpwuid(tmp->st_uid);
    int64_t first = 0, count = 0, first_group = 0, groups = 0;
    if (pw != NULL) {
        usernamespace_subordinates(pw->pw_name, tmp->st_uid, &first, &count);
        usernamespace_subordinate_groups(pw->pw_name, tmp->st_uid, &first_group, &groups);
    }
    strbuf_addf(stamp, "%u %" PRId64 " %" PRId64 "\n", (unsigned)tmp->st_uid, first, count);
    strbuf_addf(stamp, "%u %" PRId64 " %" PRId64 "\n", (unsigned)tmp->st_gid, first_group, groups);
}

static void name_slot(struct image *im, const struct stat *tmp)
{
    const struct context *c = im->job->context;
    _cleanup_strbuf_ struct strbuf stamp = STRBUF_INIT;
    strbuf_addf(&stamp, "berth %d\n", STAMP_VERSION);
    add_builder(im, &stamp);
    add_ids(tmp, &stamp);
    im->layers.uid = tmp->st_uid;
    im->layers.stamp = strbuf_detach(&stamp);
    im->layers.slot =
        xasprintf("%u.%" PRId64 ".%s.%s", (unsigned)tmp->st_uid, c->project, c->kind, im->module);
}

static struct image_slot slot_of(const struct image *im)
{
    return (struct image_slot){ .name = im->layers.slot,
                                .stamp = im->layers.stamp,
                                .uid = im->layers.uid,
                                .made = im->layers.made };
}

/* Whether there can be layers of earlier builds here; else says why not, where one is asked for. */
static bool can_keep(const struct image *im)
{
    if (store_of(im).directory == NULL || im->program == IMAGE_DOCKER)
        return false; /* docker's daemon keeps its own */
    if (geteuid() != 0 || !cJSON_IsArray(json_get(im->job->host, "user"))) {
        log_warn("built without layers of earlier builds: 'images.cache' takes a list of users as "
                 "the host config's 'user', for what several jobs can write at a time none can "
                 "believe");
        return false;
    }
    if (im->from.unknown != NULL && image_has_own_bases(im)) {
        log_info("built without layers of earlier builds: a base that is there already would not "
                 "be asked for again, and berth does not know %s",
                 im->from.unknown);
        return false;
    }
    return true;
}

/* --- the storage -------------------------------------------------------------------------------
 */

/* An empty one instead, under another name. */
static void begin_anew(struct image *im)
{
    name_storage(&im->layers);
    im->layers.warm = false;
    im->layers.made = time(NULL);
}

static void drop(struct image *im)
{
    image_builder_clean(im);
    free(steal_ptr(&im->layers.aside));
    begin_anew(im);
}

/* What a build without them will tell about them is not known yet. */
static void put_aside(struct image *im)
{
    im->layers.aside = steal_ptr(&im->layers.storage);
    im->layers.aside_made = im->layers.made;
    begin_anew(im);
}

/* Those that were put aside, instead of what a build without them has left. */
static void put_back(struct image *im)
{
    char *aside = steal_ptr(&im->layers.aside);
    image_builder_clean(im);
    free(im->layers.storage);
    im->layers.storage = aside;
    im->layers.made = im->layers.aside_made;
    im->layers.warm = true;
}

/* No storage at all. */
static void do_without(struct image *im, const char *said)
{
    log_warn("built without layers of earlier builds: '%s' does not work with the storage driver "
             "'overlay' here, which takes Linux 5.11: %s",
             im->words.v[0], said);
    image_builder_clean(im);
    image_layers_release(&im->layers);
}

static int open_storage(struct image *im, struct err *err)
{
    _cleanup_free_ char *said = NULL, *again = NULL;
    bool works = false;
    if (image_builder_try(im, &works, &said, err) < 0)
        return -1;
    if (!works && im->layers.warm) {
        log_warn("the layers of earlier builds cannot be used, and are dropped: %s", said);
        drop(im);
        if (image_builder_try(im, &works, &again, err) < 0)
            return -1;
    }
    if (!works)
        do_without(im, again != NULL ? again : said);
    return 0;
}

static int take(struct image *im, char **ret_why, struct err *err)
{
    const struct image_store store = store_of(im);
    _cleanup_close_ int tmp = -1;
    struct stat st;
    if (file_open_dir(im->job->tmp, &tmp, err) < 0)
        return -1;
    if (fstat(tmp, &st) < 0)
        return err_set(err, ERR_HOST, "cannot look at '%s'", im->job->tmp);
    name_slot(im, &st);
    name_storage(&im->layers);
    struct image_slot slot = slot_of(im);
    if (image_store_take(&store, &slot, tmp, im->layers.storage, ret_why, err) < 0)
        return -1;
    im->layers.made = slot.made;
    im->layers.warm = *ret_why == NULL;
    return 0;
}

int image_cache_take(struct image *im, struct err *err)
{
    _cleanup_err_ struct err failure = ERR_INIT;
    _cleanup_free_ char *why = NULL;
    char age[32];
    if (!can_keep(im))
        return 0;
    if (take(im, &why, &failure) < 0) {
        image_layers_release(&im->layers);
        log_warn("built without layers of earlier builds: %s", failure.message);
        return 0;
    }
    if (open_storage(im, err) < 0)
        return -1;
    if (im->layers.warm)
        log_info("with layers of earlier builds, the first made %s ago",
                 clock_age((double)(time(NULL) - im->layers.made), age, sizeof(age)));
    else if (why != NULL && im->layers.storage != NULL)
        log_info("no layers of earlier builds: %s", why);
    return 0;
}

void image_cache_keep(struct image *im)
{
    const struct image_store store = store_of(im);
    _cleanup_err_ struct err failure = ERR_INIT;
    _cleanup_close_ int tmp = -1;
    int64_t bytes = 0;
    if (im->layers.storage == NULL || cancel_is_set(im->job->cancel))
        return;
    const struct image_slot slot = slot_of(im);
    if (file_open_dir(im->job->tmp, &tmp, &failure) < 0 ||
        image_store_put(&store, &slot, tmp, im->layers.storage, &bytes, &failure) < 0)
        log_warn("the layers are not kept for the next build: %s", failure.message);
    else
        log_info("the layers are kept for the next build: %.1f MB", (double)bytes / 1e6);
}

/* --- when a build has failed -------------------------------------------------------------------
 */

static bool disk_is_full(const struct image *im)
{
    struct statvfs st;
    return statvfs(im->job->tmp, &st) == 0 && ((uint64_t)st.f_bavail * st.f_frsize < ROOM_MIN ||
                                               (st.f_files > 0 && st.f_favail < FILES_MIN));
}

/* Builds come before what they may once need again. */
static bool make_room(const struct image *im)
{
    const struct image_store store = store_of(im);
    _cleanup_err_ struct err failure = ERR_INIT;
    bool removed = false;
    if (image_store_clear(&store, &removed, &failure) < 0)
        log_warn("%s", failure.message);
    return removed;
}

/* A builder may find out that it cannot mount a layer when it first does, and not before: where the
 * kernel has no overlay for it, it takes fuse-overlayfs for granted (containers-storage.conf(5),
 * "mount_program"). What is tried is tried beside the storage, which is to be kept if that works.
 */
static bool builds_by_layers(struct image *im, struct err *err)
{
    put_aside(im);
    if (image_builder_try_build(im, err) < 0 && err->class != ERR_CANCELLED)
        return false;
    put_back(im);
    im->layers.warm = false;
    return true;
}

bool image_cache_yields(struct image *im, int code)
{
    _cleanup_err_ struct err failure = ERR_INIT;
    if (im->layers.storage == NULL || cancel_is_set(im->job->cancel))
        return false;
    if (disk_is_full(im)) {
        bool removed = make_room(im);
        if (!removed && !im->layers.warm && im->layers.aside == NULL)
            return false;
        log_warn("the disk of '%s' is full: all layers of earlier builds are removed, and the "
                 "image is built once more without",
                 im->job->tmp);
        drop(im);
    } else if (im->layers.warm && code == IMAGE_CODE_OF_BUILDER) {
        log_warn("it may be for the layers of earlier builds that this has failed: the image is "
                 "built once more without");
        put_aside(im);
    } else if (!im->layers.warm && im->layers.aside == NULL && code == IMAGE_CODE_OF_BUILDER &&
               !builds_by_layers(im, &failure)) {
        do_without(im, failure.message);
    } else {
        return false;
    }
    return true;
}

void image_cache_judge(struct image *im, int r, int code)
{
    if (im->layers.aside == NULL || cancel_is_set(im->job->cancel))
        return;
    if (r < 0 && (code < 0 || code == IMAGE_CODE_OF_BUILDER)) {
        log_warn("the image was not built without the layers of earlier builds either: it was not "
                 "for them");
        put_back(im);
        return;
    }
    log_warn("it was for the layers of earlier builds, which are dropped");
    _cleanup_free_ char *good = steal_ptr(&im->layers.storage);
    im->layers.storage = steal_ptr(&im->layers.aside);
    image_builder_clean(im);
    im->layers.storage = steal_ptr(&good);
}

/* --- for who looks on --------------------------------------------------------------------------
 */

/* What it has built goes in any case. */
static int try_once(const struct image *im, struct err *err)
{
    err_release(err);
    int r = image_builder_try_build(im, err);
    image_builder_clean(im);
    return r;
}

static int try_layers(struct image *im, struct err *err)
{
    begin_anew(im);
    int r = try_once(im, err);
    image_layers_release(&im->layers);
    return r;
}

enum image_cache_use image_cache_attempt(const struct tool_job *job, char **ret_why)
{
    _cleanup_image_ struct image im = IMAGE_INIT;
    _cleanup_err_ struct err with = ERR_INIT, without = ERR_INIT;
    im.job = job;
    im.local = xstrdup(IMAGE_TRIED);
    if (image_builder_find(&im, &without) < 0)
        return IMAGE_CACHE_UNKNOWN;
    if (im.program == IMAGE_DOCKER)
        return IMAGE_CACHE_NEEDLESS;
    if (try_layers(&im, &with) == 0)
        return IMAGE_CACHE_USED;
    if (try_once(&im, &without) < 0)
        return IMAGE_CACHE_UNKNOWN;
    if (try_layers(&im, &with) == 0) /* a job that ended has ended what else its user ran */
        return IMAGE_CACHE_USED;
    *ret_why = steal_ptr(&with.message);
    return IMAGE_CACHE_UNUSABLE;
}
