/* SPDX-License-Identifier: MIT */
/*
 * All that is slow, such as removing, is done to a name that nobody else looks for, without the
 * lock; all that others may see is one rename(2) or a few, with it.
 */
#include "drivers/image_store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "executor/base/file.h"
#include "executor/base/json.h"
#include "executor/base/process.h"
#include "executor/base/random.h"

#define NOTE_MAX ((size_t)64 << 10)
/* What was on its way longer than that has been left there by somebody who was killed. */
#define LEFT_SECONDS 86400
#define BLOCK        512 /* what st_blocks counts, stat(2) */
/* Nothing counts for less: an empty file has no block, but an inode, of which a file system has one
 * for 16384 bytes (mke2fs(8), "inode_ratio"); and as many as fit are soon looked at. */
#define ENTRY_MIN 4096
/* That part of the file system stays free, whatever else is in it. */
#define FREE_PART 10

/* --- the directory -----------------------------------------------------------------------------
 */

/* Who could write here could have the next build take what it likes. */
static int check_directory(const struct image_store *s, int fd, struct err *err)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return err_set_errno(err, ERR_HOST, errno, "cannot look at '%s'", s->directory);
    if (st.st_uid != geteuid() || (st.st_mode & 077) != 0)
        return err_set(err, ERR_HOST,
                       "'%s' is user %u's, with mode %04o: make it root's, with mode 0700",
                       s->directory, (unsigned)st.st_uid, (unsigned)st.st_mode & 07777);
    return file_check_parents(s->directory, err);
}

static int open_directory(const struct image_store *s, int *ret, struct err *err)
{
    if (file_make_directories(s->directory, 0755, 0700, err) < 0)
        return -1;
    _cleanup_close_ int fd = open(s->directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return err_set_errno(err, ERR_HOST, errno, "cannot open '%s'", s->directory);
    if (check_directory(s, fd, err) < 0)
        return -1;
    *ret = fd;
    fd = -1;
    return 0;
}

/* Until the descriptor is unlocked or closed. Nothing slow is done meanwhile, so it is not long
 * awaited. */
static int lock(const struct image_store *s, int fd, struct err *err)
{
    while (flock(fd, LOCK_EX) < 0)
        if (errno != EINTR)
            return err_set_errno(err, ERR_HOST, errno, "cannot lock '%s'", s->directory);
    return 0;
}

/* A name on the way in or out; the caller frees it. */
static char *passing_name(void)
{
    return random_name(".", 8);
}

/* rm(1) walks a hostile tree as it must be walked, by descriptors and without following links. What
 * stays is hidden, and tried again by a later job. */
static void remove_tree(const struct image_store *s, const char *name)
{
    _cleanup_free_ char *path = xasprintf("%s/%s", s->directory, name);
    _cleanup_err_ struct err stays = ERR_INIT;
    char *const argv[] = { (char *)"rm", (char *)"-rf", (char *)"--one-file-system",
                           (char *)"--", path,          NULL };
    char *const env[] = { (char *)"PATH=/usr/bin:/bin", (char *)"LC_ALL=C", NULL };
    const struct process rm = { .file = argv[0], .argv = argv, .env = env, .cancel = s->cancel };
    struct process_end end;
    (void)process_run(&rm, &end, &stays);
}

static void remove_all(const struct image_store *s, const struct strlist *names)
{
    for (size_t i = 0; i < names->n; i++)
        remove_tree(s, names->v[i]);
}

/* Takes an entry out of sight, to be removed: its name is then in *gone. With the lock. */
static void hide(int fd, const char *name, struct strlist *gone)
{
    _cleanup_free_ char *passing = passing_name();
    if (renameat(fd, name, fd, passing) == 0)
        strlist_add(gone, passing);
}

/* --- what is known of a slot -------------------------------------------------------------------
 */

/* What something takes of a file system. */
struct room {
    int64_t bytes, files;
};

/* NULL: there is none that can be read. */
static cJSON *read_note(int fd, const char *name)
{
    _cleanup_free_ char *path = xasprintf("%s/note", name);
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    _cleanup_err_ struct err absent = ERR_INIT;
    cJSON *note = NULL;
    if (file_read_beneath(fd, path, NOTE_MAX, &text, &absent) < 0 ||
        json_parse(text.buf, text.len, JSON_PLAIN, &note, &absent) < 0)
        return NULL;
    return note;
}

static int write_note(int fd, const char *name, const struct image_slot *slot, struct room room,
                      struct err *err)
{
    _cleanup_free_ char *path = xasprintf("%s/note", name);
    _cleanup_json_ cJSON *note = cJSON_CreateObject();
    json_put_str(note, "stamp", slot->stamp);
    json_put_int(note, "made", slot->made);
    json_put_int(note, "bytes", room.bytes);
    json_put_int(note, "files", room.files);
    _cleanup_free_ char *text = json_print(note);
    return file_write_beneath(fd, path, text, strlen(text), 0600, err);
}

/* A directory of the user's, and no link to one. */
static bool is_storage(int fd, const char *path, unsigned uid)
{
    struct stat st;
    return fstatat(fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode) &&
           st.st_uid == uid;
}

/* Why a slot that is there is of no use; NULL: it is. The caller frees it. */
static char *useless(const struct image_store *s, const struct image_slot *slot, const cJSON *note,
                     int64_t now)
{
    int64_t age = now - json_int(note, "made", 0);
    if (!str_eq(json_str(note, "stamp"), slot->stamp))
        return xstrdup("what is there was made by another version of the builder or of berth");
    if (age < 0 || age > s->seconds)
        return xasprintf("what is there is more than %lld days old",
                         (long long)(s->seconds / 86400));
    return NULL;
}

/* --- out ---------------------------------------------------------------------------------------
 */

/* With the lock. What is left of the slot is of no use to anybody. */
static int take(const struct image_store *s, int fd, struct image_slot *slot, int to,
                const char *as, char **ret_why, struct strlist *gone, struct err *err)
{
    _cleanup_free_ char *storage = xasprintf("%s/storage", slot->name);
    _cleanup_json_ cJSON *note = read_note(fd, slot->name);
    _cleanup_free_ char *why = NULL;
    if (note == NULL || !is_storage(fd, storage, slot->uid))
        why = xstrdup("none is there");
    else
        why = useless(s, slot, note, time(NULL));
    if (why == NULL && renameat2(fd, storage, to, as, RENAME_NOREPLACE) < 0) {
        if (errno != EXDEV)
            return err_set_errno(err, ERR_HOST, errno, "cannot move '%s/%s'", s->directory,
                                 storage);
        why = xasprintf("'%s' is in another file system than 'buildsDir'", s->directory);
    }
    if (why == NULL)
        slot->made = json_int(note, "made", 0);
    hide(fd, slot->name, gone);
    *ret_why = steal_ptr(&why);
    return 0;
}

int image_store_take(const struct image_store *s, struct image_slot *slot, int to, const char *as,
                     char **ret_why, struct err *err)
{
    _cleanup_strlist_ struct strlist gone = STRLIST_INIT;
    _cleanup_close_ int fd = -1;
    slot->made = time(NULL);
    if (open_directory(s, &fd, err) < 0 || lock(s, fd, err) < 0)
        return -1;
    int r = take(s, fd, slot, to, as, ret_why, &gone, err);
    flock(fd, LOCK_UN);
    remove_all(s, &gone);
    return r;
}

/* --- in ----------------------------------------------------------------------------------------
 */

static int add_file(const struct image_store *s, const FTSENT *entry, struct room *room,
                    struct err *err)
{
    if (s->cancel != NULL && cancel_is_set(s->cancel))
        return err_set(err, ERR_CANCELLED, "cancelled");
    if (entry->fts_info == FTS_DNR || entry->fts_info == FTS_ERR || entry->fts_info == FTS_NS)
        return err_set(err, ERR_HOST, "how much it takes cannot be told");
    if (entry->fts_info == FTS_DP)
        return 0;
    int64_t bytes = (int64_t)entry->fts_statp->st_blocks * BLOCK;
    room->bytes += bytes > ENTRY_MIN ? bytes : ENTRY_MIN;
    room->files++;
    if (room->bytes > s->bytes)
        return err_set(err, ERR_HOST,
                       "it takes more than all may take, %.1f GB: %.1f GB in its first %lld files",
                       (double)s->bytes / 1e9, (double)room->bytes / 1e9, (long long)room->files);
    return 0;
}

/* By what the file system has given each file; one of several names counts once for each. No longer
 * than until it is too much, for whoever has written it may have written without end. */
static int measure(const struct image_store *s, const char *name, struct room *room,
                   struct err *err)
{
    _cleanup_free_ char *path = xasprintf("%s/%s", s->directory, name);
    char *const paths[] = { path, NULL };
    FTS *walk = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, NULL);
    const FTSENT *entry;
    int r = 0;
    if (walk == NULL)
        return err_set_errno(err, ERR_HOST, errno, "how much it takes cannot be told");
    while (r == 0 && (entry = fts_read(walk)) != NULL)
        r = add_file(s, entry, room, err);
    fts_close(walk);
    return r;
}

/* Brings it beneath the directory, where its user cannot reach it any more, and looks at it there.
 */
static int bring_in(const struct image_store *s, int fd, const char *name,
                    const struct image_slot *slot, int from, const char *as, int64_t *ret_bytes,
                    struct err *err)
{
    _cleanup_free_ char *storage = xasprintf("%s/storage", name);
    /* podman's database, which holds for one path alone, and nothing that a build needs. */
    _cleanup_free_ char *database = xasprintf("%s/libpod", storage);
    if (mkdirat(fd, name, 0700) < 0 || renameat2(from, as, fd, storage, RENAME_NOREPLACE) < 0)
        return err_set_errno(err, ERR_HOST, errno, "cannot move it to '%s'%s", s->directory,
                             errno == EXDEV ? ", which must be in the file system of 'buildsDir'"
                                            : "");
    if (!is_storage(fd, storage, slot->uid))
        return err_set(err, ERR_HOST, "it is no directory of the job's user's");
    remove_tree(s, database);
    struct room room = { .bytes = 0 };
    if (measure(s, storage, &room, err) < 0)
        return -1;
    *ret_bytes = room.bytes;
    return write_note(fd, name, slot, room, err);
}

/* --- all that is in it -------------------------------------------------------------------------
 */

struct entry {
    char *name;
    int64_t made, used;
    struct room room;
};

struct entries {
    struct entry *v;
    size_t n;
    struct room room; /* what they take together */
};
#define _cleanup_entries_ _cleanup_(entries_release)

static void entries_release(struct entries *entries)
{
    for (size_t i = 0; i < entries->n; i++)
        free(entries->v[i].name);
    free(entries->v);
}

/* The time of an entry's last use; 0: it is gone, or nothing that we have made. */
static int64_t used_at(int fd, const char *name)
{
    _cleanup_free_ char *path = xasprintf("%s%s", name, *name == '.' ? "" : "/note");
    struct stat st;
    return fstatat(fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0 ? (int64_t)st.st_mtime : 0;
}

static void add_slot(int fd, const char *name, int64_t used, struct entries *entries)
{
    _cleanup_json_ cJSON *note = read_note(fd, name);
    const struct room room = { .bytes = json_int(note, "bytes", 0),
                               .files = json_int(note, "files", 0) };
    entries->v = xrealloc_array(entries->v, entries->n + 1, sizeof(*entries->v));
    entries->v[entries->n++] = (struct entry){
        .name = xstrdup(name), .made = json_int(note, "made", 0), .used = used, .room = room
    };
    entries->room.bytes += room.bytes;
    entries->room.files += room.files;
}

/* A slot is added to *entries; what somebody has left on its way to *gone. What else somebody has
 * put here is nothing to us. */
static void add_name(int fd, const char *name, int64_t now, struct entries *entries,
                     struct strlist *gone)
{
    int64_t used = used_at(fd, name);
    if (str_eq(name, ".") || str_eq(name, "..") || used == 0)
        return;
    if (*name != '.')
        add_slot(fd, name, used, entries);
    else if (now - used > LEFT_SECONDS)
        strlist_add(gone, name);
}

/* With the lock. Nothing where the directory cannot be read. */
static void read_entries(int fd, struct entries *entries, struct strlist *gone)
{
    int own = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* a copy shares its position */
    DIR *directory = own >= 0 ? fdopendir(own) : NULL;
    const struct dirent *found;
    if (directory == NULL) {
        closep(&own);
        return;
    }
    while ((found = readdir(directory)) != NULL)
        add_name(fd, found->d_name, time(NULL), entries, gone);
    closedir(directory);
}

/* Many that are no number stay so. */
static int64_t added(int64_t files, int64_t more)
{
    return files == INT64_MAX ? files : files + more;
}

/* How much of all is left beyond the part that stays free; below 0: that much of it is taken. */
static int64_t spare_of(uint64_t all, uint64_t left)
{
    return (int64_t)left - (int64_t)(all / FREE_PART);
}

/* How much all that is here may grow by, or, below 0, must shrink by, for others to find room in
 * the file system. One that makes inodes as it needs them says that it has none at all. */
static struct room spare(int fd)
{
    struct statvfs st;
    if (fstatvfs(fd, &st) < 0)
        return (struct room){ .bytes = 0 };
    return (struct room){
        .bytes = spare_of(st.f_blocks, st.f_bavail) * (int64_t)st.f_frsize,
        .files = st.f_files > 0 ? spare_of(st.f_files, st.f_favail) : INT64_MAX,
    };
}

static int compare_use(const void *a, const void *b)
{
    const struct entry *one = a, *two = b;
    return (one->used > two->used) - (one->used < two->used);
}

/* What was used longest ago first, and last the one that is called `kept`. */
static void sort_entries(struct entries *entries, const char *kept)
{
    for (size_t i = 0; i < entries->n; i++)
        if (str_eq(entries->v[i].name, kept))
            entries->v[i].used = INT64_MAX;
    if (entries->n > 0)
        qsort(entries->v, entries->n, sizeof(*entries->v), compare_use);
}

/*
 * Hides what was used longest ago, and what is too old to be used, until the rest takes no more
 * than `bytes` and the file system has room for others. `kept` (may be NULL) is the last to go;
 * false: it had to. With the lock.
 */
static bool make_room(int fd, int64_t bytes, int64_t oldest, const char *kept, struct strlist *gone)
{
    _cleanup_entries_ struct entries entries = { .n = 0 };
    struct room left = spare(fd);
    bool stays = true;
    read_entries(fd, &entries, gone);
    if (bytes - entries.room.bytes < left.bytes)
        left.bytes = bytes - entries.room.bytes;
    sort_entries(&entries, kept);
    for (size_t i = 0; i < entries.n; i++) {
        const struct entry *entry = &entries.v[i];
        if (left.bytes >= 0 && left.files >= 0 && entry->used >= oldest)
            continue;
        hide(fd, entry->name, gone);
        left.bytes += entry->room.bytes;
        left.files = added(left.files, entry->room.files);
        stays = stays && !str_eq(entry->name, kept);
    }
    return stays;
}

static int show(const struct image_store *s, int fd, const char *name,
                const struct image_slot *slot, struct strlist *gone, struct err *err)
{
    if (lock(s, fd, err) < 0)
        return -1;
    hide(fd, slot->name, gone);
    int r = renameat2(fd, name, fd, slot->name, RENAME_NOREPLACE);
    if (r < 0)
        err_set_errno(err, ERR_HOST, errno, "cannot make '%s/%s'", s->directory, slot->name);
    if (!make_room(fd, s->bytes, time(NULL) - s->seconds, slot->name, gone) && r == 0)
        r = err_set(err, ERR_HOST, "less than a tenth of the file system of '%s' is free",
                    s->directory);
    flock(fd, LOCK_UN);
    return r;
}

int image_store_put(const struct image_store *s, const struct image_slot *slot, int from,
                    const char *as, int64_t *ret_bytes, struct err *err)
{
    _cleanup_strlist_ struct strlist gone = STRLIST_INIT;
    _cleanup_free_ char *name = passing_name();
    _cleanup_close_ int fd = -1;
    if (open_directory(s, &fd, err) < 0)
        return -1;
    int r = bring_in(s, fd, name, slot, from, as, ret_bytes, err);
    if (r == 0)
        r = show(s, fd, name, slot, &gone, err);
    if (r < 0)
        strlist_add(&gone, name);
    remove_all(s, &gone);
    return r;
}

int image_store_clear(const struct image_store *s, bool *ret, struct err *err)
{
    _cleanup_strlist_ struct strlist gone = STRLIST_INIT;
    _cleanup_close_ int fd = -1;
    if (open_directory(s, &fd, err) < 0 || lock(s, fd, err) < 0)
        return -1;
    make_room(fd, -1, 0, NULL, &gone);
    flock(fd, LOCK_UN);
    remove_all(s, &gone);
    *ret = gone.n > 0;
    return 0;
}

/* --- for who looks on --------------------------------------------------------------------------
 */

void image_store_content_release(struct image_store_content *content)
{
    free(content->oldest);
}

int image_store_look(const struct image_store *s, struct image_store_content *ret, struct err *err)
{
    _cleanup_strlist_ struct strlist left = STRLIST_INIT;
    _cleanup_entries_ struct entries entries = { .n = 0 };
    _cleanup_close_ int fd = -1;
    const struct entry *oldest = NULL;
    if (open_directory(s, &fd, err) < 0 || lock(s, fd, err) < 0)
        return -1;
    read_entries(fd, &entries, &left);
    const struct room room = spare(fd);
    for (size_t i = 0; i < entries.n; i++)
        if (oldest == NULL || entries.v[i].made < oldest->made)
            oldest = &entries.v[i];
    *ret = (struct image_store_content){
        .n = entries.n,
        .bytes = entries.room.bytes,
        .oldest = oldest != NULL ? xstrdup(oldest->name) : NULL,
        .made = oldest != NULL ? oldest->made : 0,
        .room_bytes = entries.room.bytes + room.bytes,
        .room_files = added(room.files, entries.room.files),
    };
    return 0;
}

int image_store_try(const struct image_store *s, unsigned uid, int from, const char *as,
                    struct err *err)
{
    const struct image_slot slot = { .stamp = "tried", .uid = uid };
    _cleanup_free_ char *name = passing_name();
    _cleanup_free_ char *storage = xasprintf("%s/storage", name);
    _cleanup_close_ int fd = -1;
    int64_t bytes;
    if (open_directory(s, &fd, err) < 0)
        return -1;
    int r = bring_in(s, fd, name, &slot, from, as, &bytes, err);
    if (r == 0 && renameat2(fd, storage, from, as, RENAME_NOREPLACE) < 0)
        r = err_set_errno(err, ERR_HOST, errno, "cannot move it back out of '%s'", s->directory);
    remove_tree(s, name);
    return r;
}
