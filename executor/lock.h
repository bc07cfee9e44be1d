/* SPDX-License-Identifier: MIT */
#ifndef BERTH_LOCK_H
#define BERTH_LOCK_H

/*
 * One job of an environment at a time on one host. A lock is a flock(2) on a file named after the
 * environment: it ends with its process, however that ends, so that there is no stale lock. The
 * file says who holds it, for those who wait; it is not removed, since that would let two jobs hold
 * two files of one name. What keeps jobs on different hosts apart is GitLab's resource_group.
 */

#include "executor/base/clock.h"
#include "executor/base/err.h"

struct lock {
    int fd;
};
#define LOCK_INIT                                                                                  \
    {                                                                                              \
        .fd = -1                                                                                   \
    }
#define _cleanup_lock_ _cleanup_(lock_release)

/*
 * Where locks lie: `configured` if not NULL, else /run/lock/berth for root, else a directory of the
 * user's in /tmp. The caller frees it.
 */
char *lock_directory(const char *configured);
/*
 * Takes the lock of `name` in `dir`, which is made if it is not there. If another process has it,
 * says so in a line that names the holder, and again every 30 s, folded, and waits until it is
 * released or the cancel is set (ERR_CANCELLED). `holder` is what others will read: "job 12 of
 * pipeline 34 ('deploy-branches')".
 */
int lock_take(const char *dir, const char *name, const char *holder, struct cancel *cancel,
              struct lock *ret, struct err *err);
void lock_release(struct lock *lock);

#endif
