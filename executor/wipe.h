/* SPDX-License-Identifier: MIT */
#ifndef BERTH_WIPE_H
#define BERTH_WIPE_H

/*
 * Removes what a user's processes leave outside their own directories: entries of the directories
 * that everyone can write (/tmp, /var/tmp, /run/lock, /dev/shm, /dev/mqueue), what cron, at and
 * systemd would start as the user later, System V shared memory, semaphores and message queues, and
 * what is in its key rings. The ids that /etc/subuid gives a user count as the user: a build may
 * have been any of them (usernamespace.h); but not one that the host's user database knows as
 * somebody's, outside the user's own directories. For users that do nothing but jobs, when none
 * runs; for root.
 */

#include "executor/base/err.h"

/* ERR_HOST if something could not be removed. */
int wipe_user(unsigned uid, struct err *err);
/* Removes what is beneath a directory of the user's and belongs to its subordinate ids, which the
 * user itself could not remove: the next job's checkout would fail on it. */
int wipe_subordinates(const char *path, unsigned uid, struct err *err);
/* Removes a directory and all beneath it, following no link. No error if it is not there. */
int wipe_tree(const char *path, struct err *err);

#endif
