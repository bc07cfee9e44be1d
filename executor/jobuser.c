/* SPDX-License-Identifier: MIT */
#include "executor/jobuser.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "executor/account.h"
#include "executor/base/file.h"
#include "executor/claim.h"
#include "executor/job.h"
#include "executor/wipe.h"

#define DEFAULT_LOCK_DIR "/run/lock/berth"

const char *jobuser_directory(void)
{
    const char *directory = getenv("TMPDIR");
    const char *code_file = getenv("BUILD_EXIT_CODE_FILE");
    /* The runner makes a directory for each job; only such a one may tell jobs apart. */
    if (directory == NULL || *directory != '/' || !str_starts(code_file, directory) ||
        code_file[strlen(directory)] != '/')
        return NULL;
    return directory;
}

void jobuser_release(struct jobuser *user)
{
    free(user->name);
    free(user->builds_dir);
    free(user->cache_dir);
    free(user->tmp_dir);
    closep(&user->record);
    *user = (struct jobuser)JOBUSER_INIT;
}

/* Opens the claims on a user whom no job runs as, in one of three ways, the best first: one that is
 * just free, one whose last job must be ended before, and one that somebody is at work on. *ret is
 * left closed if it is not to be had so. */
enum patience { FREE, END_DEAD, WAIT };

static int open_free(const char *jobs, const char *name, enum patience patience, struct claims *ret,
                     struct err *err)
{
    _cleanup_claims_ struct claims claims = CLAIMS_INIT;
    int r = patience == WAIT ? claims_open(jobs, name, &claims, err)
                             : claims_try(jobs, name, &claims, err);
    if (r < 0 || claims.fd < 0 || (patience == FREE && json_count(claims.dead) > 0))
        return r;
    claims_end_dead(&claims);
    if (claims_count(&claims, NULL) > 0)
        return 0;
    *ret = claims;
    claims = (struct claims)CLAIMS_INIT;
    return 0;
}

/* With `n` users it takes n + 1 jobs at a time to fail. */
static const char *open_one_of(const cJSON *names, const char *jobs, struct claims *ret,
                               struct err *err)
{
    for (enum patience patience = FREE; patience <= WAIT; patience++) {
        const cJSON *name;
        cJSON_ArrayForEach (name, names) {
            if (open_free(jobs, name->valuestring, patience, ret, err) < 0)
                return NULL;
            if (ret->fd >= 0)
                return name->valuestring;
        }
    }
    err_set(err, ERR_HOST,
            "all %zu users are taken by jobs that run now; name at least as many as the "
            "'concurrent' of config.toml",
            json_count(names));
    return NULL;
}

static const char *open_user(const cJSON *setting, const char *jobs, struct claims *ret,
                             struct err *err)
{
    if (account_check_all(setting, err) < 0)
        return NULL;
    if (!cJSON_IsString(setting))
        return open_one_of(setting, jobs, ret, err);
    if (claims_open(jobs, setting->valuestring, ret, err) < 0)
        return NULL;
    claims_end_dead(ret);
    return setting->valuestring;
}

/* What branches can push must not get into the checkout that a protected branch deploys from, by a
 * hook in .git for instance: the same rule as GitLab's for caches
 * (https://docs.gitlab.com/ci/caching/#use-the-same-cache-for-all-branches). */
static char *project_name(const struct job *job)
{
    return xasprintf("%lld%s", (long long)job->project_id,
                     job->protection == PROTECTION_YES ? "-protected" : "");
}

static int own_directory(const char *path, const struct process_user *owner, struct err *err)
{
    _cleanup_close_ int fd = -1;
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return err_set_errno(err, ERR_HOST, errno, "cannot make the directory '%s'", path);
    fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fchown(fd, owner->uid, owner->gid) < 0 || fchmod(fd, 0700) < 0)
        return err_set_errno(err, ERR_HOST, errno, "cannot hand the directory '%s' over", path);
    return 0;
}

/* Takes the checkouts of other projects from the user, by their topmost directories alone. */
static int shut_others(const char *parent, const char *mine, struct err *err)
{
    const struct process_user root = { .uid = 0, .gid = 0 };
    DIR *directory = opendir(parent);
    const struct dirent *entry;
    int r = directory != NULL ? 0 : -1;
    while (r == 0 && (entry = readdir(directory)) != NULL) {
        const char *name = entry->d_name;
        if (*name < '0' || *name > '9' || str_eq(name, mine))
            continue;
        _cleanup_free_ char *path = xasprintf("%s/%s", parent, name);
        r = own_directory(path, &root, err);
    }
    if (directory == NULL)
        return err_set_errno(err, ERR_HOST, errno, "cannot read '%s'", parent);
    closedir(directory);
    return r;
}

/* "<base>/<user>", which is root's: nobody but root can put anything beside the directories. */
static int make_parent(const char *base, const char *user, char **ret, struct err *err)
{
    _cleanup_free_ char *path = xasprintf("%s/%s", base, user);
    struct stat st;
    if (file_make_directories(path, 0755, 0711, err) < 0)
        return -1;
    if (lstat(path, &st) < 0)
        return err_set_errno(err, ERR_HOST, errno, "cannot look at '%s'", path);
    if (!S_ISDIR(st.st_mode) || st.st_uid != 0 || (st.st_mode & 0022) != 0)
        return err_set(err, ERR_HOST,
                       "'%s' must be a directory of root's that nobody else can write", path);
    *ret = steal_ptr(&path);
    return 0;
}

static int make_project(const char *base, const struct jobuser *user, const char *project,
                        bool exclusive, char **ret, struct err *err)
{
    _cleanup_free_ char *parent = NULL;
    if (make_parent(base, user->name, &parent, err) < 0 ||
        (exclusive && shut_others(parent, project, err) < 0))
        return -1;
    _cleanup_free_ char *path = xasprintf("%s/%s", parent, project);
    if (own_directory(path, &user->ids, err) < 0)
        return -1;
    *ret = steal_ptr(&path);
    return 0;
}

static int make_tmp(const char *builds, const char *directory, struct jobuser *user,
                    struct err *err)
{
    _cleanup_free_ char *parent = xasprintf("%s/%s/tmp", builds, user->name);
    user->tmp_dir = xasprintf("%s%s", parent, strrchr(directory, '/'));
    _cleanup_free_ char *home = xasprintf("%s/home", user->tmp_dir);
    if (file_make_directories(parent, 0711, 0711, err) < 0 || wipe_tree(user->tmp_dir, err) < 0 ||
        own_directory(user->tmp_dir, &user->ids, err) < 0)
        return -1;
    return own_directory(home, &user->ids, err);
}

static int make_directories(const struct hostconfig *h, const char *directory, bool exclusive,
                            struct jobuser *user, struct err *err)
{
    _cleanup_free_ char *builds = hostconfig_path(h, "buildsDir", HOSTCONFIG_BUILDS_DIR);
    _cleanup_free_ char *cache = hostconfig_path(h, "cacheDir", HOSTCONFIG_CACHE_DIR);
    _cleanup_job_ struct job job = JOB_INIT;
    if (job_read(getenv("JOB_RESPONSE_FILE"), &job, err) < 0)
        return -1;
    _cleanup_free_ char *project = project_name(&job);
    if (make_project(builds, user, project, exclusive, &user->builds_dir, err) < 0 ||
        make_project(cache, user, project, exclusive, &user->cache_dir, err) < 0)
        return -1;
    return make_tmp(builds, directory, user, err);
}

static cJSON *to_json(const struct jobuser *user)
{
    cJSON *claim = cJSON_CreateObject();
    json_put_str(claim, "user", user->name);
    json_put_int(claim, "uid", user->ids.uid);
    json_put_int(claim, "gid", user->ids.gid);
    json_put_str(claim, "builds", user->builds_dir);
    json_put_str(claim, "cache", user->cache_dir);
    json_put_str(claim, "tmp", user->tmp_dir);
    json_put_bool(claim, "sandbox", user->sandbox);
    json_put_bool(claim, "alone", user->alone);
    return claim;
}

static int from_json(const cJSON *claim, struct jobuser *ret, struct err *err)
{
    const char *name = json_str(claim, "user");
    const char *builds = json_str(claim, "builds");
    const char *cache = json_str(claim, "cache");
    const char *tmp = json_str(claim, "tmp");
    int64_t uid = json_int(claim, "uid", 0), gid = json_int(claim, "gid", -1);
    bool named = name != NULL && tmp != NULL && uid > 0 && gid >= 0;
    bool unnamed = cJSON_IsNull(json_get(claim, "user"));
    if (builds == NULL || cache == NULL || (!named && !unnamed))
        return err_set(err, ERR_BUG, "'" CLAIM_RECORD "' is not as config has written it");
    ret->builds_dir = xstrdup(builds);
    ret->cache_dir = xstrdup(cache);
    if (unnamed)
        return 0;
    ret->name = xstrdup(name);
    ret->ids = (struct process_user){ .uid = (uid_t)uid, .gid = (gid_t)gid };
    ret->tmp_dir = xstrdup(tmp);
    ret->sandbox = json_bool(claim, "sandbox", false);
    ret->alone = json_bool(claim, "alone", false);
    return 0;
}

static void set_unnamed(const struct hostconfig *h, struct jobuser *ret)
{
    ret->builds_dir = hostconfig_path(h, "buildsDir", HOSTCONFIG_BUILDS_DIR);
    ret->cache_dir = hostconfig_path(h, "cacheDir", HOSTCONFIG_CACHE_DIR);
}

/* So that the stages need not read the host config to know that they may run scripts as root. */
static int note_unnamed(const struct hostconfig *h, const char *directory, struct jobuser *ret,
                        struct err *err)
{
    _cleanup_jobuser_ struct jobuser user = JOBUSER_INIT;
    set_unnamed(h, &user);
    if (geteuid() == 0 && directory != NULL) {
        _cleanup_json_ cJSON *note = to_json(&user);
        json_put(note, "user", cJSON_CreateNull());
        if (claim_note(directory, note, err) < 0)
            return -1;
    }
    *ret = user;
    user = (struct jobuser)JOBUSER_INIT;
    return 0;
}

static int check_claimable(const struct hostconfig *h, const char *directory, struct err *err)
{
    if (geteuid() != 0)
        return err_set(err, ERR_HOST,
                       "%s names a 'user', but only root can run scripts as another one, and the "
                       "runner runs as user %u: run its service as root, or remove 'user'",
                       h->path, (unsigned)geteuid());
    if (directory == NULL)
        return err_set(err, ERR_HOST,
                       "TMPDIR names no directory of the job's own: it is GitLab Runner that must "
                       "call this program");
    return 0;
}

static int claim(const struct hostconfig *h, const char *directory, const char *jobs, pid_t runner,
                 struct jobuser *user, struct err *err)
{
    _cleanup_claims_ struct claims claims = CLAIMS_INIT;
    const cJSON *setting = json_get(h->json, "user");
    const char *name = open_user(setting, jobs, &claims, err);
    if (name == NULL || account_find(name, &user->ids, err) < 0)
        return -1;
    user->name = xstrdup(name);
    user->sandbox = json_str(h->json, "sandbox") != NULL;
    user->alone = cJSON_IsArray(setting);
    if (claims_count(&claims, NULL) == 0) {
        if (process_kill_user(&user->ids, NULL) > 0)
            return err_set(err, ERR_HOST, "processes of user '%s' cannot be killed", name);
        if (wipe_user(user->ids.uid, err) < 0)
            return -1;
    }
    if (make_directories(h, directory, user->alone, user, err) < 0)
        return -1;
    _cleanup_json_ cJSON *json = to_json(user);
    return claim_write(&claims, directory, runner, json, err);
}

int jobuser_claim(const struct hostconfig *h, const char *directory, struct jobuser *ret,
                  struct err *err)
{
    const pid_t runner = getppid();
    _cleanup_jobuser_ struct jobuser user = JOBUSER_INIT;
    if (json_get(h->json, "user") == NULL && json_get(h->json, "sandbox") != NULL)
        return err_set(err, ERR_HOST,
                       "%s: 'sandbox' needs 'user': what scripts must not reach is then not theirs",
                       h->path);
    if (json_get(h->json, "user") == NULL)
        return note_unnamed(h, directory, ret, err);
    /* A config that is called again does not take a second user for the same job. */
    if (check_claimable(h, directory, err) < 0 || jobuser_end(directory, NULL, err) < 0)
        return -1;
    _cleanup_free_ char *locks = hostconfig_path(h, "lockDir", DEFAULT_LOCK_DIR);
    _cleanup_free_ char *jobs = xasprintf("%s/jobs", locks);
    if (claim(h, directory, jobs, runner, &user, err) < 0)
        return err_wrap(err, "%s: user", h->path);
    *ret = user;
    user = (struct jobuser)JOBUSER_INIT;
    return 0;
}

static int without_record(const struct hostconfig *h, struct jobuser *ret, struct err *err)
{
    _cleanup_hostconfig_ struct hostconfig own = HOSTCONFIG_INIT;
    if (h == NULL && geteuid() != 0)
        return 0; /* there is nobody else to run as, and who gave no host config asks no more */
    if (h == NULL && hostconfig_read(&own, err) < 0)
        return -1;
    if (h == NULL)
        h = &own;
    if (geteuid() == 0 && json_get(h->json, "user") != NULL)
        return err_set(err, ERR_HOST,
                       "no user has been claimed for this job, or it was over and has been cleaned "
                       "up: config_exec must name berth's 'config' in the runner's config.toml");
    set_unnamed(h, ret);
    return 0;
}

/* Holding the record tells cleanup that something may still be started as the user. */
static int hold(const char *directory, int *ret, struct err *err)
{
    _cleanup_free_ char *path = xasprintf("%s/" CLAIM_RECORD, directory);
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct stat st;
    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0 || flock(fd, LOCK_SH | LOCK_NB) < 0 || fstat(fd, &st) < 0)
        return err_set_errno(err, ERR_HOST, errno, "cannot hold the job's user, by '%s'", path);
    if (st.st_nlink == 0)
        return err_set(err, ERR_HOST, "the job is over: its user has been given back");
    *ret = fd;
    fd = -1;
    return 0;
}

int jobuser_of_job(const struct hostconfig *h, struct jobuser *ret, struct err *err)
{
    _cleanup_jobuser_ struct jobuser user = JOBUSER_INIT;
    const char *directory = geteuid() == 0 ? jobuser_directory() : NULL;
    if (directory != NULL && hold(directory, &user.record, err) < 0)
        return -1;
    if (user.record < 0)
        return without_record(h, ret, err);
    _cleanup_free_ char *path = xasprintf("%s/" CLAIM_RECORD, directory);
    _cleanup_json_ cJSON *record = NULL;
    if (json_read(path, JSON_PLAIN, &record, NULL, err) < 0 || from_json(record, &user, err) < 0)
        return -1;
    if (user.name == NULL)
        closep(&user.record), user.record = -1;
    *ret = user;
    user = (struct jobuser)JOBUSER_INIT;
    return 0;
}

static int end_job(const char *directory, const char *jobs, const char *user, struct strlist *left,
                   struct err *err)
{
    _cleanup_claims_ struct claims claims = CLAIMS_INIT;
    if (claims_open(jobs, user, &claims, err) < 0)
        return -1;
    const cJSON *claim = claims_find(&claims, directory);
    return claim != NULL ? claim_end(&claims, claim, left, err) : 0;
}

int jobuser_end(const char *directory, struct strlist *left, struct err *err)
{
    _cleanup_free_ char *path = xasprintf("%s/" CLAIM_RECORD, directory);
    _cleanup_json_ cJSON *record = NULL;
    _cleanup_err_ struct err unread = ERR_INIT;
    if (geteuid() != 0 || json_read(path, JSON_PLAIN, &record, NULL, &unread) < 0)
        return geteuid() != 0 || unread.class == ERR_NOT_FOUND ? 0 : err_move(err, &unread);
    if (cJSON_IsNull(json_get(record, "user"))) {
        unlink(path);
        return 0;
    }
    const char *jobs = json_str(record, "jobs");
    const char *user = json_str(record, "user");
    if (jobs == NULL)
        jobs = json_str(record, "claims"); /* its name before there was a lock for each user */
    if (jobs == NULL || user == NULL)
        return err_set(err, ERR_BUG, "'%s' is not as config has written it", path);
    int r = end_job(directory, jobs, user, left, err);
    claims_sweep(jobs);
    return r;
}

int jobuser_check_isolation(const struct hostconfig *h, struct err *err)
{
    struct stat st;
    if (json_get(h->json, "user") == NULL && geteuid() == 0)
        return err_set(err, ERR_HOST,
                       "scripts run as root and can read the credentials that deploy: name a "
                       "'user' for them in %s",
                       h->path);
    if (json_get(h->json, "user") == NULL)
        return err_set(err, ERR_HOST,
                       "scripts run as the runner's own user (%u) and can read the credentials "
                       "that deploy: run the runner as root and name a 'user' for them in %s",
                       (unsigned)geteuid(), h->path);
    if (stat(h->path, &st) < 0)
        return err_set_errno(err, ERR_HOST, errno, "cannot look at '%s'", h->path);
    if ((st.st_mode & 0077) != 0)
        return err_set(err, ERR_HOST,
                       "scripts can read the host config '%s', which tells them what every project "
                       "may do: run 'chmod 600 %s'",
                       h->path, h->path);
    return 0;
}
