/* SPDX-License-Identifier: MIT */
#ifndef BERTH_TESTS_HOST_H
#define BERTH_TESTS_HOST_H

/*
 * The host config that the tests of a program ask, and that none changes: read before the first of
 * them, released after the last.
 */

#include "executor/hostconfig.h"

extern struct hostconfig host;

/* As if from /etc/berth/berth.json; 0 or -1, for a group's setup. */
int host_read(const char *json);
/* A group's teardown. */
int host_release(void **state);

#endif
