/* SPDX-License-Identifier: MIT */
#include "executor/wipe.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <unistd.h>

#include "executor/base/process.h"

static const char *const shared_directories[];

/*
 * rm(1) walks a hostile tree as it must be walked: by descriptors, without following links, however
 * deep it is; and a directory that its owner has made unwritable (Go's module cache) does not stop
 * root.
 */
static int remove_all(struct strlist *argv, struct err *err)
{
    char *const env[] = { (char *)"PATH=/usr/bin:/bin", (char *)"LC_ALL=C", NULL };
    const struct process rm = { .file = "rm", .argv = argv->v, .env = env };
    struct process_end end;
    if (process_run(&rm, &end, err) < 0)
        return -1;
    if (end.code != 0)
        return err_set(err, ERR_HOST, "files of a job could not be removed: rm ended with %d",
                       end.code);
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

static void collect(const char *path, unsigned uid, struct strlist *argv)
{
    DIR *directory = opendir(path);
    const struct dirent *entry;
    while (directory != NULL && (entry = readdir(directory)) != NULL) {
        struct stat st;
        if (strcmp(entry->d_name, "..") == 0 || strcmp(entry->d_name, ".") == 0)
            continue;
        if (fstatat(dirfd(directory), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            st.st_uid == uid)
            strlist_addf(argv, "%s/%s", path, entry->d_name);
    }
    if (directory != NULL)
        closedir(directory);
}

/* The three kinds are walked alike: the highest index, then what lies at each; see shmctl(2),
 * semctl(2) and msgctl(2). An index without an object is an error, and passed over. */
static void wipe_shared_memory(unsigned uid)
{
    struct shm_info info;
    struct shmid_ds ds;
    int last = shmctl(0, SHM_INFO, (struct shmid_ds *)(void *)&info);
    for (int i = 0; i <= last; i++) {
        int id = shmctl(i, SHM_STAT, &ds);
        if (id >= 0 && ds.shm_perm.uid == uid)
            shmctl(id, IPC_RMID, NULL);
    }
}

static void wipe_semaphores(unsigned uid)
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
        if (id >= 0 && ds.sem_perm.uid == uid)
            semctl(id, 0, IPC_RMID);
    }
}

static void wipe_message_queues(unsigned uid)
{
    struct msginfo info;
    struct msqid_ds ds;
    int last = msgctl(0, MSG_INFO, (struct msqid_ds *)(void *)&info);
    for (int i = 0; i <= last; i++) {
        int id = msgctl(i, MSG_STAT, &ds);
        if (id >= 0 && ds.msg_perm.uid == uid)
            msgctl(id, IPC_RMID, NULL);
    }
}

int wipe_user(unsigned uid, struct err *err)
{
    wipe_shared_memory(uid);
    wipe_semaphores(uid);
    wipe_message_queues(uid);
    _cleanup_strlist_ struct strlist argv = STRLIST_INIT;
    start_command(&argv);
    size_t before = argv.n;
    for (const char *const *path = shared_directories; *path != NULL; path++)
        collect(*path, uid, &argv);
    return argv.n > before ? remove_all(&argv, err) : 0;
}

static const char *const shared_directories[] = { "/tmp",     "/var/tmp",    "/run/lock",
                                                  "/dev/shm", "/dev/mqueue", NULL };
