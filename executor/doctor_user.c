/* SPDX-License-Identifier: MIT */
/* Whom jobs' scripts run as: what that user can reach, and what it can leave behind. */
#include <arpa/inet.h>
#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "executor/account.h"
#include "executor/base/process.h"
#include "executor/doctor.h"
#include "executor/sandbox.h"

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

bool doctor_is_masked(const char *units, unsigned uid)
{
    struct stat st, null;
    _cleanup_free_ char *unit = xasprintf("%s/user@%u.service", units, uid);
    return stat(unit, &st) == 0 && S_ISCHR(st.st_mode) && stat("/dev/null", &null) == 0 &&
           st.st_rdev == null.st_rdev;
}

/* systemd starts what it likes as a user who lingers, at boot too, and runs a service manager for
 * one whom anything has logged in; only a masked unit keeps it from that (loginctl(1),
 * systemctl(1), "mask": a link to /dev/null). Hosts without systemd have neither: sd_booted(3). */
static void check_manager(struct doctor *d, const struct passwd *user)
{
    static const char *const units[] = { "/etc/systemd/system", "/run/systemd/system" };
    struct stat st;
    _cleanup_free_ char *linger = xasprintf("/var/lib/systemd/linger/%s", user->pw_name);
    if (stat(linger, &st) == 0) {
        _cleanup_free_ char *cure = xasprintf("run 'loginctl disable-linger %s'", user->pw_name);
        doctor_note(d, SYMPTOM_FAIL, "user", cure,
                    "user '%s' lingers: systemd runs services of its own for it, also when no job "
                    "does",
                    user->pw_name);
    }
    if (stat(units[1], &st) < 0)
        return;
    for (size_t i = 0; i < ARRAY_SIZE(units); i++)
        if (doctor_is_masked(units[i], user->pw_uid))
            return;
    _cleanup_free_ char *cure =
        xasprintf("run 'systemctl mask user@%u.service'", (unsigned)user->pw_uid);
    doctor_note(d, SYMPTOM_WARN, "user", cure,
                "a script of user '%s' can have systemd run a service manager for it",
                user->pw_name);
}

static bool is_listed(FILE *file, const char *name)
{
    char line[256];
    bool found = false;
    while (!found && fgets(line, sizeof(line), file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        found = str_eq(line, name);
    }
    fclose(file);
    return found;
}

bool doctor_may_schedule(const char *allow, const char *deny, const char *name, bool otherwise)
{
    FILE *file = fopen(allow, "re");
    if (file != NULL)
        return is_listed(file, name);
    file = fopen(deny, "re");
    if (file != NULL)
        return !is_listed(file, name);
    return otherwise;
}

/* What a user has given to them, cron(8) and atd(8) start when no job runs. */
static void check_schedulers(struct doctor *d, const struct passwd *user)
{
    static const struct {
        const char *program;
        const char *allow;
        const char *deny;
        bool otherwise; /* crontab(1) of Debian, at(1) */
    } schedulers[] = { { "crontab", "/etc/cron.allow", "/etc/cron.deny", true },
                       { "at", "/etc/at.allow", "/etc/at.deny", false } };
    for (size_t i = 0; i < ARRAY_SIZE(schedulers); i++) {
        _cleanup_free_ char *path = process_find_program(schedulers[i].program);
        if (path == NULL || !doctor_may_schedule(schedulers[i].allow, schedulers[i].deny,
                                                 user->pw_name, schedulers[i].otherwise))
            continue;
        bool listed = access(schedulers[i].allow, F_OK) == 0;
        _cleanup_free_ char *cure =
            listed ? xasprintf("take '%s' out of %s", user->pw_name, schedulers[i].allow)
                   : xasprintf("run 'echo %s >>%s'", user->pw_name, schedulers[i].deny);
        doctor_note(d, SYMPTOM_WARN, "user", cure, "user '%s' may use '%s'", user->pw_name,
                    schedulers[i].program);
    }
}

/* One of the users that the host config names. */
static void check_user(struct doctor *d, const char *name, const char *runner_config)
{
    _cleanup_err_ struct err err = ERR_INIT;
    struct process_user ids;
    if (account_find(name, &ids, &err) < 0) {
        doctor_note(d, SYMPTOM_FAIL, "user", NULL, "%s", err.message);
        return;
    }
    if (geteuid() != 0) {
        doctor_note(d, SYMPTOM_WARN, "user", "run 'berth doctor' as root",
                    "what user '%s' can read is only seen as root", name);
        return;
    }
    const struct passwd *user = getpwnam(name);
    check_files(d, user, runner_config);
    check_metadata(d, user);
    check_manager(d, user);
    check_schedulers(d, user);
}

/* Starts a program in it as prepare does, on directories that are there on every host. */
static void check_sandbox(struct doctor *d, const char *name)
{
    _cleanup_err_ struct err err = ERR_INIT;
    _cleanup_strlist_ struct strlist words = STRLIST_INIT;
    _cleanup_free_ char *program = process_find_program(SANDBOX_PROGRAM);
    if (program == NULL) {
        doctor_note(d, SYMPTOM_FAIL, "sandbox", "install it (Debian's package is bubblewrap)",
                    "there is no '" SANDBOX_PROGRAM "' in PATH ('%s')", getenv("PATH"));
        return;
    }
    struct process_user ids;
    if (geteuid() != 0 || account_find(name, &ids, &err) < 0)
        return; /* said of the user already */
    struct jobuser user = { .builds_dir = (char *)"/usr",
                            .cache_dir = (char *)"/usr",
                            .tmp_dir = (char *)"/usr" };
    sandbox_argv(&user, &words);
    strlist_add(&words, "true");
    const struct process process = { .file = program, .argv = words.v, .user = &ids };
    struct process_end end = { .code = -1 };
    if (process_run(&process, &end, &err) == 0 && end.code == 0)
        doctor_note(d, SYMPTOM_OK, "sandbox", NULL, "'%s' works as user '%s'", program, name);
    else
        doctor_note(d, SYMPTOM_FAIL, "sandbox",
                    "let users make user namespaces: 'sysctl user.max_user_namespaces', and on "
                    "Ubuntu 'sysctl kernel.apparmor_restrict_unprivileged_userns=0'",
                    "'%s' does not work as user '%s'%s%s", program, name,
                    err.message != NULL ? ": " : "", err.message != NULL ? err.message : "");
}

static void check_isolation(struct doctor *d, const cJSON *user)
{
    _cleanup_err_ struct err err = ERR_INIT;
    if (json_str(d->host.json, "sandbox") != NULL && user == NULL)
        doctor_note(d, SYMPTOM_FAIL, "sandbox", "name a \"user\" for jobs in the host config",
                    "'sandbox' needs 'user': every job is refused");
    else if (json_str(d->host.json, "sandbox") != NULL)
        check_sandbox(d, cJSON_IsString(user) ? user->valuestring : user->child->valuestring);
    if (json_bool(d->host.json, "allowUnisolatedProduction", false))
        doctor_note(d, SYMPTOM_WARN, "allowUnisolatedProduction",
                    "take it out of the host config once jobs have a user",
                    "jobs act on production even where scripts can read the credentials that "
                    "deploy");
    if (cJSON_IsArray(user) && account_check_distinct(user, &err) < 0)
        doctor_note(d, SYMPTOM_FAIL, "user", NULL, "%s", err.message);
}

static void no_user(struct doctor *d)
{
    bool root = geteuid() == 0;
    doctor_note(d, root ? SYMPTOM_FAIL : SYMPTOM_WARN, "user",
                "make one ('useradd --system --user-group --no-create-home --shell "
                "/usr/sbin/nologin berth-job') and name it as \"user\" in "
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
    if (d->host.json != NULL)
        check_isolation(d, user);
}
