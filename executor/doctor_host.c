/* SPDX-License-Identifier: MIT */
/* The machine: directories, programs, limits, and what the jobs' user can reach. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "executor/base/process.h"
#include "executor/doctor.h"
#include "executor/lock.h"

#define DISK_LEAST      ((uint64_t)2 << 30)
#define FILES_LEAST     1024
#define PROCESSES_LEAST 512

/* The directory, or the nearest one above it that is there; the caller frees it. */
static char *nearest_directory(const char *path)
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

static void check_directory(struct doctor *d, const char *subject, const char *path)
{
    _cleanup_free_ char *nearest = nearest_directory(path);
    bool there = strcmp(nearest, path) == 0;
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
    } else {
        doctor_note(d, SYMPTOM_OK, subject, NULL, "'%s'%s", path,
                    there ? "" : " will be made by the first job");
    }
}

static void check_disk(struct doctor *d, const char *path)
{
    _cleanup_free_ char *nearest = nearest_directory(path);
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

/* What a job's user must not reach: found out by being that user. */
struct secret_file {
    const char *path;
    const char *what;
};

/* Runs `probe` as the user in a child; its result, 0 to 100, or -1. */
static int probe_as(const struct passwd *user, int (*probe)(const void *), const void *argument)
{
    pid_t pid = fork();
    if (pid == 0) {
        if (user != NULL && geteuid() == 0 &&
            (initgroups(user->pw_name, user->pw_gid) < 0 || setgid(user->pw_gid) < 0 ||
             setuid(user->pw_uid) < 0))
            _exit(101);
        _exit(probe(argument));
    }
    int status;
    if (pid < 0 || waitpid(pid, &status, 0) < 0 || !WIFEXITED(status) || WEXITSTATUS(status) > 100)
        return -1;
    return WEXITSTATUS(status);
}

static int can_read(const void *path)
{
    return access(path, R_OK) == 0;
}

static int can_write(const void *path)
{
    return access(path, W_OK) == 0;
}

/* Where the metadata service is; AWS_EC2_METADATA_SERVICE_ENDPOINT names another, as for the SDKs.
 */
static bool metadata_address(struct sockaddr_in *ret)
{
    const char *named = getenv("AWS_EC2_METADATA_SERVICE_ENDPOINT");
    char host[64] = "169.254.169.254";
    unsigned port = 80;
    if (named != NULL && *named != '\0' && sscanf(named, "http://%63[0-9.]:%5u", host, &port) < 1)
        return false;
    *ret = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    return inet_pton(AF_INET, host, &ret->sin_addr) == 1;
}

static int can_connect(const void *address)
{
    _cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in to = *(const struct sockaddr_in *)address;
    if (fd < 0)
        return 0;
    if (connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0)
        return 1;
    struct pollfd poller = { .fd = fd, .events = POLLOUT };
    int failure = 0;
    socklen_t size = sizeof(failure);
    return errno == EINPROGRESS && poll(&poller, 1, 1000) == 1 &&
           getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &size) == 0 && failure == 0;
}

static void check_metadata(struct doctor *d, const struct passwd *user)
{
    struct sockaddr_in address;
    if (!metadata_address(&address) || probe_as(user, can_connect, &address) != 1) {
        doctor_note(d, SYMPTOM_OK, "metadata service", NULL, "jobs' scripts cannot reach it");
        return;
    }
    _cleanup_free_ char *rule =
        user != NULL ? xasprintf("keep it from that user: nft add rule inet filter output meta "
                                 "skuid %s ip daddr 169.254.169.254 reject",
                                 user->pw_name)
                     : xstrdup("name a \"user\" for jobs in the host config, and keep the service "
                               "from that user by a rule of nftables");
    doctor_note(d, SYMPTOM_FAIL, "metadata service", rule,
                "jobs' scripts can reach it, and so get the host's own AWS credentials");
}

static void check_files(struct doctor *d, const struct passwd *user, const char *runner_config)
{
    const char *home = getenv("HOME");
    _cleanup_free_ char *config = xasprintf("%s/.aws/config", home != NULL ? home : "/root");
    _cleanup_free_ char *credentials =
        xasprintf("%s/.aws/credentials", home != NULL ? home : "/root");
    const char *shared = getenv("AWS_SHARED_CREDENTIALS_FILE");
    const struct secret_file files[] = {
        { runner_config, "the runner's token" },
        { shared != NULL && *shared != '\0' ? shared : credentials, "AWS credentials" },
        { config, "AWS credentials" },
    };
    bool good = true;
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        if (probe_as(user, can_read, files[i].path) != 1)
            continue;
        _cleanup_free_ char *cure = xasprintf("run 'chmod 600 %s'", files[i].path);
        doctor_note(d, SYMPTOM_FAIL, "user", cure, "user '%s' can read '%s', which holds %s",
                    user->pw_name, files[i].path, files[i].what);
        good = false;
    }
    if (d->host.path != NULL && probe_as(user, can_write, d->host.path) == 1) {
        _cleanup_free_ char *cure = xasprintf("run 'chmod go-w %s'", d->host.path);
        doctor_note(d, SYMPTOM_FAIL, "user", cure, "user '%s' can write '%s'", user->pw_name,
                    d->host.path);
        good = false;
    }
    if (good)
        doctor_note(d, SYMPTOM_OK, "user", NULL,
                    "scripts run as '%s', who cannot read the host's "
                    "secrets",
                    user->pw_name);
}

/* One of the users that the host config names. */
static void check_user(struct doctor *d, const char *name, const char *runner_config)
{
    const struct passwd *user = getpwnam(name);
    if (user == NULL) {
        _cleanup_free_ char *cure = xasprintf("run 'useradd --system --create-home %s'", name);
        doctor_note(d, SYMPTOM_FAIL, "user", cure,
                    "there is no user '%s', whom the host config names", name);
    } else if (user->pw_uid == 0) {
        doctor_note(d, SYMPTOM_FAIL, "user", "name another user", "user '%s' is root", name);
    } else if (geteuid() != 0) {
        doctor_note(d, SYMPTOM_WARN, "user", "run 'berth doctor' as root",
                    "what user '%s' can read is only seen as root", name);
    } else {
        check_files(d, user, runner_config);
        check_metadata(d, user);
    }
}

static void no_user(struct doctor *d)
{
    bool root = geteuid() == 0;
    doctor_note(d, root ? SYMPTOM_FAIL : SYMPTOM_WARN, "user",
                "make one ('useradd --system --create-home berth-job') and name it as \"user\" in "
                "the host config",
                "the host config names no user for jobs: their scripts run as '%s', and can read "
                "what deploys",
                root ? "root" : "the runner's user");
    check_metadata(d, NULL);
}

void doctor_user(struct doctor *d, const char *runner_config)
{
    const cJSON *user = json_get(d->host.json, "user");
    const cJSON *one;
    if (user == NULL && d->host.json != NULL)
        no_user(d);
    else if (cJSON_IsString(user))
        check_user(d, user->valuestring, runner_config);
    else
        cJSON_ArrayForEach (one, user)
            check_user(d, one->valuestring, runner_config);
}
