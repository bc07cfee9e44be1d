/* SPDX-License-Identifier: MIT */
#ifndef BERTH_KEYRING_H
#define BERTH_KEYRING_H

/*
 * The kernel's key rings of a user: keyrings(7). Those of a process and a session go with the last
 * process that has them, but three are the user's and stay: the user keyring, the user session
 * keyring and, for three days, the persistent keyring. What one job puts there, the next would
 * find. For users that do nothing but jobs, when none runs; for root.
 */

#include "executor/base/err.h"

/*
 * Empties them, and sees to it that scripts can use them but not change who may: so that they can
 * be emptied the next time. ERR_HOST if a script has shut one nevertheless (which takes a few
 * minutes, by revoking it and waiting for the kernel to forget it).
 */
int keyring_clear_user(unsigned uid, struct err *err);

#endif
