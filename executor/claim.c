/* SPDX-License-Identifier: MIT */
#include "executor/claim.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "executor/base/clock.h"
#include "executor/base/file.h"
#include "executor/base/log.h"
#include "executor/wipe.h"

#define GRACE    5.0
#define PATIENCE 10.0 /* seconds that a stage gets to end once all that it has started is dead */
#define SUFFIX   ".json"

static char *record_of(const char *directory)
{
    return xasprintf("%s/" CLAIM_RECORD, directory);
}

/* Whether no stage holds the record; one that is not there is held by nobody. */
static bool is_free(int record)
{
    return record < 0 || flock(record, LOCK_EX | LOCK_NB) == 0;
}

static bool is_alive(const cJSON *claim)
{
    _cleanup_free_ char *path = record_of(json_str(claim, "directory"));
    _cleanup_close_ int record = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (record < 0)
        return false;
    int64_t started = process_start_time((pid_t)json_int(claim, "runner", 0));
    if (started != 0 && started == json_int(claim, "started", -1))
        return true;
    return !is_free(record);
}

/* A claim that is not whole is none: it was being written when the host went down. One that the
 * host does not let us read may be of a job that runs. */
static int read_claim(struct claims *c, const char *file, struct err *err)
{
    _cleanup_err_ struct err unread = ERR_INIT;
    _cleanup_free_ char *path = xasprintf("%s/%s", c->path, file);
    _cleanup_json_ cJSON *claim = NULL;
    if (json_read(path, JSON_PLAIN, &claim, NULL, &unread) == 0 &&
        json_str(claim, "user") != NULL && json_str(claim, "directory") != NULL &&
        json_str(claim, "tmp") != NULL && json_int(claim, "uid", 0) > 0) {
        json_put_str(claim, "file", file);
        bool alive = is_alive(claim);
        json_push(alive ? c->alive : c->dead, steal_ptr(&claim));
        return 0;
    }
    if (unread.class == ERR_HOST)
        return err_move(err, &unread);
    if (unread.class != ERR_NOT_FOUND)
        unlink(path);
    return 0;
}

/* Whatever else lies there is what somebody was writing who died at it (file_write_beneath), for
 * who writes has the lock. */
static int read_claims(struct claims *c, struct err *err)
{
    DIR *directory = opendir(c->path);
    const struct dirent *entry;
    int r = 0;
    if (directory == NULL)
        return err_set_errno(err, ERR_HOST, errno, "cannot read '%s'", c->path);
    while (r == 0 && (entry = readdir(directory)) != NULL) {
        if (str_ends(entry->d_name, SUFFIX))
            r = read_claim(c, entry->d_name, err);
        else
            unlinkat(c->fd, entry->d_name, 0);
    }
    closedir(directory);
    return r;
}

/* Versions that had one lock for all users kept the claims side by side, as "<user>.<file>": jobs
 * that began before an upgrade still have them. No user's name has a dot (host.schema.json). */
static int adopt_claims(const struct claims *c, const char *user, struct err *err)
{
    DIR *directory = opendir(c->jobs);
    const struct dirent *entry;
    const size_t len = strlen(user);
    int r = directory != NULL ? 0 : -1;
    while (r == 0 && (entry = readdir(directory)) != NULL)
        if (str_starts(entry->d_name, user) && entry->d_name[len] == '.')
            r = renameat(dirfd(directory), entry->d_name, c->fd, entry->d_name + len + 1);
    if (r < 0)
        err_set_errno(err, ERR_HOST, errno, "cannot read the claims in '%s'", c->jobs);
    if (directory != NULL)
        closedir(directory);
    return r;
}

static int check_directory(const struct claims *c, struct err *err)
{
    struct stat st;
    if (c->fd < 0 || fstat(c->fd, &st) < 0)
        return err_set_errno(err, ERR_HOST, errno, "cannot open '%s'", c->path);
    if (st.st_uid != geteuid() || (st.st_mode & 0077) != 0)
        return err_set(err, ERR_HOST,
                       "'%s' says who runs which jobs, and others can reach it: make it root's, "
                       "with mode 0700",
                       c->path);
    if (file_check_parents(c->path, err) < 0)
        return err_wrap(err, "lockDir says who runs which jobs");
    return 0;
}

static int make_directory(const char *jobs, const char *path, struct err *err)
{
    if (file_make_directories(jobs, 0755, 0700, err) < 0)
        return -1;
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return err_set_errno(err, ERR_HOST, errno, "cannot make the directory '%s'", path);
    return 0;
}

static int open_locked(const char *jobs, const char *user, int flags, struct claims *ret,
                       struct err *err)
{
    _cleanup_claims_ struct claims c = { .jobs = xstrdup(jobs),
                                         .path = xasprintf("%s/%s", jobs, user),
                                         .fd = -1 };
    if (make_directory(jobs, c.path, err) < 0)
        return -1;
    c.fd = open(c.path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (check_directory(&c, err) < 0)
        return -1;
    if (flock(c.fd, LOCK_EX | flags) < 0)
        return errno == EWOULDBLOCK
                   ? 0
                   : err_set_errno(err, ERR_HOST, errno, "cannot lock '%s'", c.path);
    c.alive = cJSON_CreateArray();
    c.dead = cJSON_CreateArray();
    if (adopt_claims(&c, user, err) < 0 || read_claims(&c, err) < 0)
        return -1;
    *ret = c;
    c = (struct claims)CLAIMS_INIT;
    return 0;
}

int claims_open(const char *jobs, const char *user, struct claims *ret, struct err *err)
{
    return open_locked(jobs, user, 0, ret, err);
}

int claims_try(const char *jobs, const char *user, struct claims *ret, struct err *err)
{
    return open_locked(jobs, user, LOCK_NB, ret, err);
}

void claims_release(struct claims *c)
{
    free(c->jobs);
    free(c->path);
    closep(&c->fd);
    json_freep(&c->alive);
    json_freep(&c->dead);
    *c = (struct claims)CLAIMS_INIT;
}

void claims_end_dead(struct claims *c)
{
    while (c->dead->child != NULL) {
        _cleanup_err_ struct err err = ERR_INIT;
        _cleanup_json_ cJSON *claim = cJSON_DetachItemFromArray(c->dead, 0);
        if (claim_end(c, claim, NULL, &err) == 0)
            continue;
        log_warn("an earlier job of user '%s' cannot be cleaned up: %s", json_str(claim, "user"),
                 err.message);
        json_push(c->alive, steal_ptr(&claim));
    }
}

void claims_sweep(const char *jobs)
{
    DIR *directory = opendir(jobs);
    const struct dirent *entry;
    while (directory != NULL && (entry = readdir(directory)) != NULL) {
        _cleanup_claims_ struct claims c = CLAIMS_INIT;
        _cleanup_err_ struct err err = ERR_INIT;
        if (*entry->d_name == '.')
            continue;
        _cleanup_free_ char *user = xstrndup(entry->d_name, strcspn(entry->d_name, "."));
        if (claims_try(jobs, user, &c, &err) < 0)
            log_warn("%s", err.message);
        else if (c.fd >= 0)
            claims_end_dead(&c);
    }
    if (directory != NULL)
        closedir(directory);
}

size_t claims_count(const struct claims *c, const char *directory)
{
    size_t n = 0;
    const cJSON *claim;
    cJSON_ArrayForEach (claim, c->alive)
        n += !str_eq(json_str(claim, "directory"), directory);
    return n;
}

const cJSON *claims_find(const struct claims *c, const char *directory)
{
    const cJSON *claim = json_find(c->alive, "directory", directory);
    return claim != NULL ? claim : json_find(c->dead, "directory", directory);
}

static int write_file(const char *directory, const char *name, const char *text, struct err *err)
{
    _cleanup_close_ int fd = -1;
    if (file_open_dir(directory, &fd, err) < 0)
        return -1;
    return file_write_beneath(fd, name, text, strlen(text), 0600, err);
}

int claim_note(const char *directory, const cJSON *note, struct err *err)
{
    _cleanup_free_ char *text = json_print(note);
    return write_file(directory, CLAIM_RECORD, text, err);
}

int claim_write(const struct claims *c, const char *directory, pid_t runner, cJSON *claim,
                struct err *err)
{
    struct stat st;
    if (getppid() != runner)
        return err_set(err, ERR_HOST, "the runner has ended while its job waited for a user");
    if (stat(directory, &st) < 0)
        return err_set_errno(err, ERR_HOST, errno, "cannot look at '%s'", directory);
    json_put_str(claim, "directory", directory);
    json_put_str(claim, "jobs", c->jobs);
    json_put_int(claim, "runner", runner);
    json_put_int(claim, "started", process_start_time(runner));
    _cleanup_free_ char *text = json_print(claim);
    /* Of directories that are there at one time, no two have the same numbers. */
    _cleanup_free_ char *file =
        xasprintf("%llx-%llx" SUFFIX, (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
    if (write_file(c->path, file, text, err) < 0 ||
        write_file(directory, CLAIM_RECORD, text, err) < 0)
        return err_wrap(err, "the job's user cannot be written down");
    return 0;
}

/* Kills until no stage is left that could start anything; the record is unlinked already, so none
 * begins anew. */
static int end_user(const struct process_user *user, int record, struct strlist *left,
                    struct err *err)
{
    const struct timespec pause = { .tv_nsec = 10000000 };
    double deadline = clock_now() + PATIENCE;
    size_t alive = process_kill_user(user, left);
    while (alive == 0 && !is_free(record)) {
        if (clock_now() > deadline)
            return err_set(err, ERR_HOST, "a stage of the job does not end");
        nanosleep(&pause, NULL);
        alive = process_kill_user(user, NULL);
    }
    if (alive == 0)
        alive = process_kill_user(user, NULL);
    if (alive > 0)
        return err_set(err, ERR_HOST, "%zu processes of the job could not be killed", alive);
    return wipe_user(user->uid, err);
}

static int end_marked(const char *tmp, struct strlist *left, struct err *err)
{
    _cleanup_strlist_ struct strlist names = STRLIST_INIT;
    _cleanup_free_ char *mark = xasprintf("TMPDIR=%s", tmp);
    size_t alive = process_end_marked(mark, NULL, GRACE, left != NULL ? left : &names);
    if (alive > 0)
        return err_set(err, ERR_HOST, "%zu processes of the job could not be ended", alive);
    return 0;
}

int claim_end(const struct claims *c, const cJSON *claim, struct strlist *left, struct err *err)
{
    const char *directory = json_str(claim, "directory");
    const char *tmp = json_str(claim, "tmp");
    const struct process_user user = { .uid = (uid_t)json_int(claim, "uid", 0),
                                       .gid = (gid_t)json_int(claim, "gid", 0) };
    _cleanup_free_ char *path = record_of(directory);
    _cleanup_close_ int record = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    unlink(path);
    bool alone = claims_count(c, directory) == 0;
    if ((alone ? end_user(&user, record, left, err) : end_marked(tmp, left, err)) < 0 ||
        wipe_tree(tmp, err) < 0 ||
        (alone && wipe_subordinates(json_str(claim, "builds"), user.uid, err) < 0))
        return -1;
    if (unlinkat(c->fd, json_str(claim, "file"), 0) < 0 && errno != ENOENT)
        return err_set_errno(err, ERR_HOST, errno, "cannot remove the claim in '%s'", c->path);
    return 0;
}
