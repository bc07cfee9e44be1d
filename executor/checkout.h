/* SPDX-License-Identifier: MIT */
#ifndef BERTH_CHECKOUT_H
#define BERTH_CHECKOUT_H

/*
 * The job's checkout, as far as telling what a job is needs it: the names that the spec declares.
 * Its path comes from a variable that the job can set, so it must lie beneath the job's own part of
 * the host config's buildsDir, and nothing in it is reached by a symbolic link.
 */

#include "executor/hostconfig.h"

/*
 * Opens the directory of the checkout; the caller closes *ret_fd. ERR_USER if it does not lie
 * beneath that, ERR_NOT_FOUND if it is not there.
 */
int checkout_open(const struct hostconfig *h, int *ret_fd, struct err *err);
/*
 * Reads the spec as it is written. ERR_NOT_FOUND if there is no checkout, or no spec in it;
 * ERR_USER if there is one that cannot be used. The caller owns *ret.
 */
int checkout_read_spec(const struct hostconfig *h, cJSON **ret, struct err *err);

#endif
