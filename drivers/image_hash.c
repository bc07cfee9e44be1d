/* SPDX-License-Identifier: MIT */
/*
 * One name for all that an image is made of. Every piece goes into the hash with its length before
 * it, so that no two contents are one text. The files are a repository's: they are opened one name
 * after the other, links are read and never followed, and only regular files are read at all.
 */
#include "drivers/image.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "drivers/aws/digest.h"
#include "executor/base/file.h"

/* Raised when what goes into the hash changes: images that are there are then built once more. */
#define HASH_VERSION "2"
/* Bounds for what a repository may have us read. */
#define DEPTH_MAX 64
#define FILES_MAX 1000000
#define BYTES_MAX ((int64_t)64 << 30)
#define READ_SIZE ((size_t)256 << 10)

struct hasher {
    struct digest *digest;
    struct cancel *cancel;
    char *buffer; /* of READ_SIZE */
    size_t files;
    int64_t bytes;
};

static int add_entry(struct hasher *h, int dir, const char *name, const char *path, unsigned depth,
                     struct err *err);

static void add_bytes(struct hasher *h, const void *data, size_t len)
{
    uint64_t size = htole64(len);
    digest_add(h->digest, &size, sizeof(size));
    digest_add(h->digest, data, len);
}

static void add_text(struct hasher *h, const char *text)
{
    add_bytes(h, text != NULL ? text : "", text != NULL ? strlen(text) : 0);
}

static int fail(const char *path, struct err *err)
{
    return err_set_errno(err, ERR_USER, errno, "cannot read '%s'", path);
}

/* What it is, under which name, and its mode, of which a checkout keeps what git does. */
static void add_head(struct hasher *h, const char *kind, const char *path, const struct stat *st)
{
    _cleanup_free_ char *mode = xasprintf("%04o", (unsigned)st->st_mode & 07777);
    add_text(h, kind);
    add_text(h, path);
    add_text(h, mode);
}

static int add_link(struct hasher *h, int dir, const char *name, const char *path, struct err *err)
{
    const struct stat none = { .st_mode = 0 };
    ssize_t n = readlinkat(dir, name, h->buffer, READ_SIZE);
    if (n < 0)
        return fail(path, err);
    add_head(h, "link", path, &none); /* Linux gives every link 0777 */
    add_bytes(h, h->buffer, (size_t)n);
    return 0;
}

/* The content as one piece of the length that was there when it was opened: what grows meanwhile is
 * no image's content. */
static int add_content(struct hasher *h, int fd, int64_t size, const char *path, struct err *err)
{
    uint64_t length = htole64((uint64_t)size);
    digest_add(h->digest, &length, sizeof(length));
    while (size > 0) {
        ssize_t n = read(fd, h->buffer, size < (int64_t)READ_SIZE ? (size_t)size : READ_SIZE);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail(path, err);
        if (n == 0)
            return err_set(err, ERR_USER, "'%s' changes while it is read", path);
        digest_add(h->digest, h->buffer, (size_t)n);
        size -= n;
    }
    return 0;
}

static int add_file(struct hasher *h, int dir, const char *name, const char *path, struct err *err)
{
    _cleanup_close_ int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return fail(path, err);
    if (!S_ISREG(st.st_mode))
        return err_set(err, ERR_USER, "'%s' changes while it is read", path);
    h->bytes += st.st_size;
    if (h->bytes > BYTES_MAX)
        return err_set(err, ERR_USER, "there are more than %lld bytes", (long long)BYTES_MAX);
    add_head(h, "file", path, &st);
    return add_content(h, fd, st.st_size, path, err);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Its names in byte order. */
static int list_directory(int fd, const char *path, struct strlist *ret, struct err *err)
{
    int own = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* a copy shares its position */
    DIR *directory = own >= 0 ? fdopendir(own) : NULL;
    const struct dirent *entry;
    if (directory == NULL) {
        closep(&own);
        return fail(path, err);
    }
    while ((entry = readdir(directory)) != NULL)
        if (!str_eq(entry->d_name, ".") && !str_eq(entry->d_name, "..") &&
            !(*path == '\0' && str_eq(entry->d_name, ".git")))
            strlist_add(ret, entry->d_name);
    closedir(directory);
    if (ret->n > 0)
        qsort(ret->v, ret->n, sizeof(*ret->v), compare_names);
    return 0;
}

/* `path` is "" for the checkout. */
static int add_directory(struct hasher *h, int fd, const char *path, unsigned depth,
                         struct err *err)
{
    _cleanup_strlist_ struct strlist names = STRLIST_INIT;
    struct stat st;
    if (depth > DEPTH_MAX)
        return err_set(err, ERR_USER, "directories are nested more than %d deep", DEPTH_MAX);
    if (fstat(fd, &st) < 0 || list_directory(fd, path, &names, err) < 0)
        return fail(path, err);
    add_head(h, "directory", path, &st);
    for (size_t i = 0; i < names.n; i++) {
        _cleanup_free_ char *below =
            *path == '\0' ? xstrdup(names.v[i]) : xasprintf("%s/%s", path, names.v[i]);
        if (add_entry(h, fd, names.v[i], below, depth + 1, err) < 0)
            return -1;
    }
    return 0;
}

static int add_entry(struct hasher *h, int dir, const char *name, const char *path, unsigned depth,
                     struct err *err)
{
    struct stat st;
    if (cancel_is_set(h->cancel))
        return err_set(err, ERR_CANCELLED, "cancelled before anything was built");
    if (++h->files > FILES_MAX)
        return err_set(err, ERR_USER, "there are more than %d files", FILES_MAX);
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return fail(path, err);
    if (S_ISLNK(st.st_mode))
        return add_link(h, dir, name, path, err);
    if (S_ISREG(st.st_mode))
        return add_file(h, dir, name, path, err);
    if (!S_ISDIR(st.st_mode)) {
        add_head(h, "other", path, &st); /* a pipe, a socket: no builder copies what is in it */
        return 0;
    }
    _cleanup_close_ int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd >= 0 ? add_directory(h, fd, path, depth, err) : fail(path, err);
}

/* One of the module's paths, which must be there. "." is the whole checkout. */
static int add_path(struct hasher *h, int checkout, const char *given, struct err *err)
{
    size_t len = strlen(given);
    while (len > 1 && given[len - 1] == '/')
        len--;
    _cleanup_free_ char *path = xstrndup(str_starts(given, "./") ? given + 2 : given,
                                         str_starts(given, "./") ? len - 2 : len);
    if (str_eq(path, ".") || *path == '\0')
        return add_directory(h, checkout, "", 0, err);
    char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;
    if (*path == '/' || str_eq(name, "..") || str_eq(name, "."))
        return err_set(err, ERR_USER, "'%s' is no path in the repository", given);
    _cleanup_close_ int above = -1;
    if (slash == NULL)
        return add_entry(h, checkout, name, path, 0, err);
    _cleanup_free_ char *directory = xstrndup(path, (size_t)(slash - path));
    if (file_open_dir_beneath(checkout, directory, &above, err) < 0) {
        err->class = ERR_USER;
        return -1;
    }
    return add_entry(h, above, name, path, 0, err);
}

static int add_paths(struct hasher *h, const struct image *im, struct err *err)
{
    const cJSON *paths = json_get(im->job->module, "paths");
    _cleanup_json_ cJSON *sorted = json_dup(paths);
    json_sort(sorted, NULL);
    const cJSON *path;
    cJSON_ArrayForEach (path, sorted)
        if (add_path(h, im->job->checkout, path->valuestring, err) < 0)
            return err->class == ERR_USER
                       ? err_wrap(err, "modules.%s.paths: '%s'", im->module, path->valuestring)
                       : -1;
    return 0;
}

/* What a builder leaves out of its context changes what it copies. buildah and podman know two
 * names beside the Dockerfile (containerignore(5)). */
static int add_ignored(struct hasher *h, const struct image *im, struct err *err)
{
    _cleanup_free_ char *own = xasprintf("%s.dockerignore", im->file),
                        *other = xasprintf("%s.containerignore", im->file);
    const char *const names[] = { own, other, ".containerignore", ".dockerignore" };
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
        _cleanup_err_ struct err absent = ERR_INIT;
        if (file_read_beneath(im->job->checkout, names[i], (size_t)1 << 20, &text, &absent) < 0 &&
            absent.class != ERR_NOT_FOUND)
            return err_set(err, ERR_USER,
                           "modules.%s.paths: what the build leaves out belongs to the content: %s",
                           im->module, absent.message);
        add_bytes(h, text.buf, text.len);
    }
    return 0;
}

static void add_arguments(struct hasher *h, const cJSON *args)
{
    _cleanup_strlist_ struct strlist names = STRLIST_INIT;
    const cJSON *arg;
    cJSON_ArrayForEach (arg, args)
        strlist_add(&names, arg->string);
    if (names.n > 0)
        qsort(names.v, names.n, sizeof(*names.v), compare_names);
    for (size_t i = 0; i < names.n; i++) {
        add_text(h, names.v[i]);
        add_text(h, json_str(args, names.v[i]));
    }
    add_text(h, "end of arguments");
}

static int add_all(struct hasher *h, const struct image *im, const struct strlist *bases,
                   struct err *err)
{
    const cJSON *module = im->job->module;
    add_text(h, HASH_VERSION);
    add_text(h, im->file);
    add_bytes(h, im->text.buf, im->text.len);
    add_arguments(h, json_get(module, "args"));
    add_text(h, json_str(module, "target"));
    add_text(h, json_str(module, "platform"));
    for (size_t i = 0; i < bases->n; i++)
        add_text(h, bases->v[i]);
    add_text(h, "end of bases");
    return add_ignored(h, im, err) < 0 || add_paths(h, im, err) < 0 ? -1 : 0;
}

int image_hash(const struct image *im, const struct strlist *bases, char **ret, struct err *err)
{
    _cleanup_free_ char *buffer = xmalloc(READ_SIZE);
    _cleanup_(digest_freep) struct digest *digest = digest_new();
    struct hasher h = { .digest = digest, .cancel = im->job->cancel, .buffer = buffer };
    if (add_all(&h, im, bases, err) < 0)
        return -1;
    *ret = digest_end(digest);
    return 0;
}
