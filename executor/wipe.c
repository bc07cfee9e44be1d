/* SPDX-License-Identifier: MIT */
#include "executor/wipe.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <unistd.h>

#include "executor/base/process.h"
#include "executor/base/usernamespace.h"
#include "executor/keyring.h"

/* Files that one rm removes: a job can leave more than one command line holds. */
#define BATCH  256
#define LINGER "/var/lib/systemd/linger"

static const char *const shared_directories[];

/*
 * rm(1) walks a hostile tree as it must be walked: by descriptors, without following links, however
 * deep it is; and a directory that its owner has made unwritable (Go's module cache) does not stop
 * root.
 */
static int remove_all(const struct strlist *argv, struct err *err)
{
    char *const env[] = { (char *)"PATH=/usr/bin:/bin", (char *)"LC_ALL=C", NULL };
    /* Without us nobody holds the user, and the next job's files would be removed. */
    const struct process rm = {
        .file = argv->v[0], .argv = argv->v, .env = env, .death_signal = SIGKILL
    };
    struct process_end end;
    if (process_run(&rm, &end, err) < 0)
        return -1;
    if (end.signalled)
        return err_set(err, ERR_CANCELLED, "told to stop while removing files of a job");
    if (end.code != 0)
        return err_set(err, ERR_HOST, "files of a job could not be removed: %s ended with %d",
                       argv->v[0], end.code);
    return 0;
}

static void start_command(struct strlist *argv)
{
    strlist_add(argv, "rm");
    strlist_add(argv, "-rf");
    strlist_add(argv, "--one-file-system");
    strlist_add(argv, "--");
}

int wipe_tree(const char *path, struct err *err)
{
    if (rmdir(path) == 0 || errno == ENOENT)
        return 0;
    _cleanup_strlist_ struct strlist argv = STRLIST_INIT;
    start_command(&argv);
    strlist_add(&argv, path);
    return remove_all(&argv, err);
}

int wipe_subordinates(const char *path, unsigned uid, struct err *err)
{
    struct usernamespace_ids owner;
    _cleanup_strlist_ struct strlist argv = STRLIST_INIT;
    usernamespace_ids_of(uid, &owner);
    if (owner.count == 0 || access(path, F_OK) < 0)
        return 0;
    /* From within each directory, by a name alone: in a path, somebody could put a link. */
    static const char *const removal[] = { "-prune", "-execdir", "rm", "-rf", "--one-file-system",
                                           "--",     "{}",       "+" };
    strlist_add(&argv, "find");
    strlist_add(&argv, path);
    strlist_add(&argv, "-xdev");
    strlist_add(&argv, "-uid");
    strlist_addf(&argv, "+%lld", (long long)owner.first - 1);
    strlist_add(&argv, "-uid");
    strlist_addf(&argv, "-%lld", (long long)(owner.first + owner.count));
    for (size_t i = 0; i < ARRAY_SIZE(removal); i++)
        strlist_add(&argv, removal[i]);
    return remove_all(&argv, err);
}

static bool is_of_user(int directory, const char *name, const struct usernamespace_ids *owner)
{
    struct stat st;
    return strcmp(name, "..") != 0 && strcmp(name, ".") != 0 &&
           fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
           usernamespace_owns(owner, st.st_uid);
}

/* Adds up to BATCH of the user's entries. */
static size_t collect(DIR *directory, const char *path, const struct usernamespace_ids *owner,
                      struct strlist *argv)
{
    const struct dirent *entry;
    size_t n = 0;
    while (n < BATCH && (entry = readdir(directory)) != NULL) {
        if (!is_of_user(dirfd(directory), entry->d_name, owner))
            continue;
        strlist_addf(argv, "%s/%s", path, entry->d_name);
        n++;
    }
    return n;
}

static int wipe_directory(const char *path, const struct usernamespace_ids *owner, struct err *err)
{
    DIR *directory = opendir(path);
    size_t n = 1;
    int r = 0;
    while (directory != NULL && r == 0 && n > 0) {
        _cleanup_strlist_ struct strlist argv = STRLIST_INIT;
        start_command(&argv);
        n = collect(directory, path, owner, &argv);
        r = n > 0 ? remove_all(&argv, err) : 0;
    }
    if (directory != NULL)
        closedir(directory);
    return r;
}

/* Every user may have a service manager of its own from systemd, at every boot too, without being
 * asked (org.freedesktop.login1.set-self-linger in logind's policy); loginctl(1), enable-linger. */
static void wipe_linger(unsigned uid)
{
    const struct passwd *pw = getpwuid(uid);
    if (pw == NULL)
        return;
    _cleanup_free_ char *path = xasprintf(LINGER "/%s", pw->pw_name);
    unlink(path);
}

/* The three kinds are walked alike: the highest index, then what lies at each; see shmctl(2),
 * semctl(2) and msgctl(2). An index without an object is an error, and passed over. */
static void wipe_shared_memory(const struct usernamespace_ids *owner)
{
    struct shm_info info;
    struct shmid_ds ds;
    int last = shmctl(0, SHM_INFO, (struct shmid_ds *)(void *)&info);
    for (int i = 0; i <= last; i++) {
        int id = shmctl(i, SHM_STAT, &ds);
        if (id >= 0 && usernamespace_owns(owner, ds.shm_perm.uid))
            shmctl(id, IPC_RMID, NULL);
    }
}

static void wipe_semaphores(const struct usernamespace_ids *owner)
{
    union {
        int value;
        struct semid_ds *ds;
        struct seminfo *info;
    } argument;
    struct seminfo info;
    struct semid_ds ds;
    argument.info = &info;
    int last = semctl(0, 0, SEM_INFO, argument);
    argument.ds = &ds;
    for (int i = 0; i <= last; i++) {
        int id = semctl(i, 0, SEM_STAT, argument);
        if (id >= 0 && usernamespace_owns(owner, ds.sem_perm.uid))
            semctl(id, 0, IPC_RMID);
    }
}

static void wipe_message_queues(const struct usernamespace_ids *owner)
{
    struct msginfo info;
    struct msqid_ds ds;
    int last = msgctl(0, MSG_INFO, (struct msqid_ds *)(void *)&info);
    for (int i = 0; i <= last; i++) {
        int id = msgctl(i, MSG_STAT, &ds);
        if (id >= 0 && usernamespace_owns(owner, ds.msg_perm.uid))
            msgctl(id, IPC_RMID, NULL);
    }
}

int wipe_user(unsigned uid, struct err *err)
{
    struct usernamespace_ids owner;
    usernamespace_ids_of(uid, &owner);
    wipe_shared_memory(&owner);
    wipe_semaphores(&owner);
    wipe_message_queues(&owner);
    wipe_linger(uid);
    for (const char *const *path = shared_directories; *path != NULL; path++)
        if (wipe_directory(*path, &owner, err) < 0)
            return -1;
    return keyring_clear_user(uid, err);
}

static const char *const shared_directories[] = {
    "/tmp",
    "/var/tmp",
    "/run/lock",
    "/dev/shm",
    "/dev/mqueue",
    /* What cron and at would start later, by whatever way a job has come by it. */
    "/var/spool/cron/crontabs",
    "/var/spool/cron/atjobs",
    "/var/spool/cron",
    "/var/spool/at",
    NULL,
};
