/* SPDX-License-Identifier: MIT */
/* The machine: directories, programs, limits. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "executor/base/file.h"
#include "executor/base/process.h"
#include "executor/doctor.h"
#include "executor/lock.h"

#define DISK_LEAST      ((uint64_t)2 << 30)
#define FILES_LEAST     1024
#define PROCESSES_LEAST 512

char *doctor_nearest_directory(const char *path)
{
    char *at = xstrdup(path);
    while (access(at, F_OK) < 0) {
        char *slash = strrchr(at, '/');
        if (slash == NULL || slash == at)
            break;
        *slash = '\0';
    }
    return at;
}

static bool others_may_write(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && (st.st_mode & (S_IWGRP | S_IWOTH)) != 0 &&
           (st.st_mode & S_ISVTX) == 0;
}

/* Whoever has a directory can move away what root makes in it. */
static bool is_anothers(const char *path, unsigned *ret_uid)
{
    struct stat st;
    if (stat(path, &st) < 0 || st.st_uid == 0 || st.st_uid == geteuid())
        return false;
    *ret_uid = st.st_uid;
    return true;
}

static void check_directory(struct doctor *d, const char *subject, const char *path)
{
    _cleanup_free_ char *nearest = doctor_nearest_directory(path);
    _cleanup_err_ struct err err = ERR_INIT;
    bool there = strcmp(nearest, path) == 0;
    unsigned uid;
    if (others_may_write(nearest)) {
        _cleanup_free_ char *cure = xasprintf("run 'chmod go-w %s'", nearest);
        doctor_note(d, SYMPTOM_FAIL, subject, cure,
                    "'%s' can be written by others than its owner, who could put a job's files "
                    "there",
                    nearest);
    } else if (access(nearest, W_OK | X_OK) < 0) {
        _cleanup_free_ char *cure =
            xasprintf("run 'berth doctor' as the runner's user; if it is that user, make '%s' and "
                      "give it to it",
                      path);
        doctor_note(d, SYMPTOM_FAIL, subject, cure, "'%s' cannot be written", nearest);
    } else if (is_anothers(nearest, &uid)) {
        _cleanup_free_ char *cure = xasprintf(
            "run 'chown root %s', or 'berth doctor' as the runner's user if that is who it is",
            nearest);
        doctor_note(d, SYMPTOM_FAIL, subject, cure,
                    "'%s' is user %u's, who could put something else in the place of what is in it",
                    nearest, uid);
    } else if (file_check_parents(nearest, &err) < 0) {
        doctor_note(d, SYMPTOM_FAIL, subject, NULL, "%s", err.message);
    } else {
        doctor_note(d, SYMPTOM_OK, subject, NULL, "'%s'%s", path,
                    there ? "" : " will be made by the first job");
    }
}

static void check_disk(struct doctor *d, const char *path)
{
    _cleanup_free_ char *nearest = doctor_nearest_directory(path);
    struct statvfs fs;
    if (statvfs(nearest, &fs) < 0)
        return;
    uint64_t left = (uint64_t)fs.f_bavail * fs.f_frsize;
    bool enough = left >= DISK_LEAST && (fs.f_files == 0 || fs.f_favail > fs.f_files / 100);
    doctor_note(d, enough ? SYMPTOM_OK : SYMPTOM_FAIL, "disk",
                enough ? NULL : "make room: jobs' checkouts and caches lie there",
                "%.1f GiB and %llu files are free where '%s' is", (double)left / (1 << 30),
                (unsigned long long)fs.f_favail, path);
}

/* The first line that `path --version` prints; the caller frees it. "" if it prints none. */
static char *version_of(const char *path)
{
    int fds[2];
    char line[200] = "";
    if (pipe2(fds, O_CLOEXEC) < 0)
        return xstrdup("");
    pid_t pid = fork();
    if (pid == 0) {
        dup2(fds[1], STDOUT_FILENO);
        dup2(fds[1], STDERR_FILENO);
        execl(path, path, "--version", (char *)NULL);
        _exit(127);
    }
    close(fds[1]);
    struct pollfd poller = { .fd = fds[0], .events = POLLIN };
    if (pid > 0 && poll(&poller, 1, 10000) == 1) {
        ssize_t n = read(fds[0], line, sizeof(line) - 1);
        line[n > 0 ? n : 0] = '\0';
    }
    close(fds[0]);
    if (pid > 0) {
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
    }
    line[strcspn(line, "\n")] = '\0';
    return xstrdup(line);
}

static void check_tool(struct doctor *d, const char *name, const char *cure)
{
    _cleanup_free_ char *path = process_find_program(name);
    if (path == NULL) {
        doctor_note(d, SYMPTOM_FAIL, name, cure, "there is none in PATH ('%s')", getenv("PATH"));
        return;
    }
    _cleanup_free_ char *version = version_of(path);
    if (*version == '\0')
        doctor_note(d, SYMPTOM_WARN, name, "see whether it can be executed",
                    "'%s --version' says nothing", path);
    else
        doctor_note(d, SYMPTOM_OK, name, NULL, "%s, '%s'", version, path);
}

static void check_limit(struct doctor *d, int which, const char *words, rlim_t least,
                        const char *entry)
{
    struct rlimit limit;
    if (getrlimit((__rlimit_resource_t)which, &limit) < 0)
        return;
    if (limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur >= least) {
        doctor_note(d, SYMPTOM_OK, "limits", NULL, "enough %s", words);
        return;
    }
    _cleanup_free_ char *cure =
        xasprintf("set %s=65536 with 'systemctl edit gitlab-runner'", entry);
    doctor_note(d, SYMPTOM_FAIL, "limits", cure, "only %llu %s", (unsigned long long)limit.rlim_cur,
                words);
}

void doctor_host(struct doctor *d)
{
    check_tool(d, "bash", "run 'apt-get install bash'");
    check_tool(d, "git", "run 'apt-get install git'");
    check_tool(d, "gitlab-runner",
               "put it there, a link will do: without it jobs have no artifacts and no cache");
    check_limit(d, RLIMIT_NOFILE, "open files", FILES_LEAST, "LimitNOFILE");
    check_limit(d, RLIMIT_NPROC, "processes", PROCESSES_LEAST, "LimitNPROC");
    if (d->host.json == NULL)
        return;
    _cleanup_free_ char *builds = hostconfig_path(&d->host, "buildsDir", HOSTCONFIG_BUILDS_DIR);
    _cleanup_free_ char *cache = hostconfig_path(&d->host, "cacheDir", HOSTCONFIG_CACHE_DIR);
    _cleanup_free_ char *configured =
        json_str(d->host.json, "lockDir") != NULL ? hostconfig_path(&d->host, "lockDir", "") : NULL;
    _cleanup_free_ char *locks = lock_directory(configured);
    check_directory(d, "buildsDir", builds);
    check_directory(d, "cacheDir", cache);
    check_directory(d, "lockDir", locks);
    check_disk(d, builds);
}
