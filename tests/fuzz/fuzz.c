/* SPDX-License-Identifier: MIT */
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILES_MAX 8

struct kept_file {
    char *name, *path;
    int fd;
};

static char directory[4096];
static struct kept_file files[FILES_MAX];
static pid_t owner;

void fuzz_require(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "fuzz: does not hold: %s\n", what);
    abort();
}

void fuzz_require_message(const struct err *err)
{
    fuzz_require(err->class != ERR_NONE, "an error has a class");
    fuzz_require(err->message != NULL && *err->message != '\0', "an error has a message");
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *walk)
{
    (void)st;
    (void)type;
    (void)walk;
    remove(path);
    return 0;
}

static void remove_directory(void)
{
    if (getpid() == owner)
        nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

const char *fuzz_directory(void)
{
    if (*directory != '\0')
        return directory;
    const char *base = getenv("TMPDIR");
    if (base == NULL)
        base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(directory, sizeof(directory), "%s/berth-fuzz-XXXXXX", base);
    fuzz_require(mkdtemp(directory) != NULL, "a directory can be made");
    owner = getpid();
    atexit(remove_directory);
    return directory;
}

static void make_parents(char *path)
{
    for (char *p = path + strlen(directory) + 1; *p != '\0'; p++) {
        if (*p != '/')
            continue;
        *p = '\0';
        fuzz_require(mkdir(path, 0700) == 0 || errno == EEXIST, "a directory can be made");
        *p = '/';
    }
}

static struct kept_file *open_kept(const char *name)
{
    struct kept_file *file = files;
    for (; file < files + FILES_MAX && file->name != NULL; file++)
        if (strcmp(file->name, name) == 0)
            return file;
    fuzz_require(file < files + FILES_MAX, "there are few files");
    file->name = xstrdup(name);
    file->path = xasprintf("%s/%s", fuzz_directory(), name);
    make_parents(file->path);
    file->fd = open(file->path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    fuzz_require(file->fd >= 0, "a file can be made");
    return file;
}

const char *fuzz_file(const char *name, const uint8_t *data, size_t size)
{
    struct kept_file *file = open_kept(name);
    fuzz_require(ftruncate(file->fd, 0) == 0, "a file can be emptied");
    fuzz_require(pwrite(file->fd, data, size, 0) == (ssize_t)size, "a file can be written");
    return file->path;
}

void fuzz_copy(const char *from, const char *name)
{
    _cleanup_close_ int fd = open(from, O_RDONLY | O_CLOEXEC);
    fuzz_require(fd >= 0, "the source tree's file is there: run it in the source tree");
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    char chunk[8192];
    ssize_t n;
    while ((n = read(fd, chunk, sizeof(chunk))) > 0)
        strbuf_add(&text, chunk, (size_t)n);
    fuzz_file(name, (const uint8_t *)text.buf, text.len);
}
