/* SPDX-License-Identifier: MIT */
#ifndef BERTH_BASE_USERNAMESPACE_H
#define BERTH_BASE_USERNAMESPACE_H

/*
 * A user namespace in which a user is root, and has no more rights outside than before: a builder
 * of images changes owners of files, mounts and changes its root there. user_namespaces(7).
 */

#include "executor/base/process.h"

/*
 * Makes one that `user`, called `name`, owns: it is 0 in there, and 1 and more are the subordinate
 * ids that /etc/subuid and /etc/subgid give it, if they do. Root writes that down, for two reasons.
 * newuidmap(1) would not, whose set-user-ID bit has no effect on a process that can gain no
 * privileges; and where the user did, it would have to give setgroups(2) up, without which
 * buildah's chroot isolation runs nothing (chroot/run.go, "setting supplemental groups list").
 * Takes root. The caller closes *ret_fd, which is for struct process. ERR_HOST.
 */
int usernamespace_make(const struct process_user *user, const char *name, int *ret_fd,
                       struct err *err);
/* What a program in there needs to know, NAME=VALUE added to *env: who it is outside. */
void usernamespace_environment(const struct process_user *user, struct strlist *env);
/* The subordinate user ids of a user, the range that usernamespace_make() takes; a count of 0: it
 * has none. */
void usernamespace_subordinates(const char *name, unsigned uid, int64_t *ret_first,
                                int64_t *ret_count);
/* Likewise its subordinate group ids: also /etc/subgid has a user's name or user id, subgid(5). */
void usernamespace_subordinate_groups(const char *name, unsigned uid, int64_t *ret_first,
                                      int64_t *ret_count);

/* A user, and the subordinate ids that what it has started may have. */
struct usernamespace_ids {
    unsigned uid;
    int64_t first, count; /* a count of 0: it has none */
};

void usernamespace_ids_of(unsigned uid, struct usernamespace_ids *ret);
/* Whether an id is the user's. One of its range that the host's user database knows is not: the
 * host has given it to somebody. */
bool usernamespace_owns(const struct usernamespace_ids *ids, unsigned uid);

/* The range that a line of /etc/subuid or /etc/subgid gives a user, "name:first:count"; false: it
 * gives none. */
bool usernamespace_range(const char *line, const char *name, unsigned uid, int64_t *ret_first,
                         int64_t *ret_count);

#endif
