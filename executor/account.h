/* SPDX-License-Identifier: MIT */
#ifndef BERTH_ACCOUNT_H
#define BERTH_ACCOUNT_H

/*
 * Which of the host's users may run jobs' scripts. All that such a user runs is killed when its job
 * is over, and it is robbed of its files in /tmp; so it must be nobody who does anything else.
 */

#include "executor/base/json.h"
#include "executor/base/process.h"

/* Looks a user up. ERR_HOST says why scripts cannot run as it, and what to do. */
int account_find(const char *name, struct process_user *ret, struct err *err);
/* No two of a list of names are one user. ERR_HOST names them. */
int account_check_distinct(const cJSON *names, struct err *err);
/* The host config's "user", one name or a list: all of them can be, and no two are the same. */
int account_check_all(const cJSON *setting, struct err *err);

#endif
