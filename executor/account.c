/* SPDX-License-Identifier: MIT */
#include "executor/account.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <unistd.h>

#define MAKE_ONE "useradd --system --user-group --no-create-home --shell /usr/sbin/nologin"

/* Numbers below belong to the system's own users and groups: root, www-data, disk, shadow (LSB Core
 * 5.0, 23.3, "User ID Ranges"; Debian Policy 9.2.2). But 100 is "users" on Debian. */
#define RESERVED 100
/* What an unknown user becomes, on NFS and in user namespaces: "nobody"; proc_sys_kernel(5),
 * overflowuid. The kernel's default, which no distribution changes. */
#define OVERFLOW 65534

/* Whose members can have the host's root by asking a daemon for it
 * (https://docs.docker.com/engine/security/#docker-daemon-attack-surface). */
static const char *const as_good_as_root[];

static int check_group(const struct passwd *pw, struct err *err)
{
    char number[24];
    snprintf(number, sizeof(number), "%u", (unsigned)pw->pw_gid);
    const struct group *group = getgrgid(pw->pw_gid);
    const char *name = group != NULL ? group->gr_name : number;
    bool rights = pw->pw_gid < RESERVED;
    for (const char *const *known = as_good_as_root; *known != NULL; known++)
        rights = rights || str_eq(name, *known);
    if (rights)
        return err_set(err, ERR_HOST,
                       "the group of user '%s' is '%s', which may do more than a script should: "
                       "give it a group of its own ('groupadd --system %s; usermod -g %s %s')",
                       pw->pw_name, name, pw->pw_name, pw->pw_name, pw->pw_name);
    return 0;
}

static int check_account(const struct passwd *pw, struct err *err)
{
    if (pw->pw_uid == 0)
        return err_set(err, ERR_HOST, "user '%s' is root; name one that may do nothing",
                       pw->pw_name);
    if (pw->pw_uid < RESERVED || pw->pw_uid == OVERFLOW)
        return err_set(err, ERR_HOST,
                       "user '%s' is one of the system's own, and all that it runs is killed after "
                       "a job: name a user made for jobs alone ('" MAKE_ONE " berth-job')",
                       pw->pw_name);
    if (!str_ends(pw->pw_shell, "/nologin") && !str_ends(pw->pw_shell, "/false"))
        return err_set(err, ERR_HOST,
                       "user '%s' can log in (its shell is '%s'), and all that it runs is killed "
                       "after a job: name a user made for jobs alone ('" MAKE_ONE " berth-job')",
                       pw->pw_name, pw->pw_shell);
    return check_group(pw, err);
}

int account_find(const char *name, struct process_user *ret, struct err *err)
{
    errno = 0;
    const struct passwd *pw = getpwnam(name);
    if (pw == NULL && errno != 0 && errno != ENOENT)
        return err_set_errno(err, ERR_HOST, errno, "cannot look up user '%s'", name);
    if (pw == NULL)
        return err_set(err, ERR_HOST, "there is no user '%s' on this host: '" MAKE_ONE " %s'", name,
                       name);
    if (check_account(pw, err) < 0)
        return -1;
    *ret = (struct process_user){ .uid = pw->pw_uid, .gid = pw->pw_gid };
    return 0;
}

/* The name before `last` in the list that has the same number, or NULL. */
static const char *same_before(const cJSON *last, uid_t uid)
{
    for (const cJSON *other = last; other->prev->next != NULL; other = other->prev) {
        const struct passwd *pw = getpwnam(other->prev->valuestring);
        if (pw != NULL && pw->pw_uid == uid)
            return other->prev->valuestring;
    }
    return NULL;
}

int account_check_distinct(const cJSON *names, struct err *err)
{
    const cJSON *name;
    cJSON_ArrayForEach (name, names) {
        const struct passwd *pw = getpwnam(name->valuestring);
        const uid_t uid = pw != NULL ? pw->pw_uid : 0;
        const char *other = pw != NULL ? same_before(name, uid) : NULL;
        if (other != NULL)
            return err_set(err, ERR_HOST,
                           "the users '%s' and '%s' are one and the same (user id %u), and two "
                           "jobs would share it: name as many users as jobs",
                           other, name->valuestring, (unsigned)uid);
    }
    return 0;
}

int account_check_all(const cJSON *setting, struct err *err)
{
    struct process_user ids;
    if (cJSON_IsString(setting))
        return account_find(setting->valuestring, &ids, err);
    const cJSON *name;
    cJSON_ArrayForEach (name, setting)
        if (account_find(name->valuestring, &ids, err) < 0)
            return -1;
    return account_check_distinct(setting, err);
}

static const char *const as_good_as_root[] = { "docker", "lxd", "incus-admin", "libvirt", NULL };
