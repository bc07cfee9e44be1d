/* SPDX-License-Identifier: MIT */
#ifndef BERTH_SANDBOX_H
#define BERTH_SANDBOX_H

/*
 * The host config's "sandbox": "bubblewrap". A script then sees the host's files read-only, none of
 * its processes, a /tmp, /var/tmp and /dev of its own; it can write its checkouts, its cache and
 * its TMPDIR. The network is the host's. bubblewrap (https://github.com/containers/bubblewrap) runs
 * as the job's user, so it needs user namespaces that users may make, and gives nobody anything.
 */

#include "executor/jobuser.h"

#define SANDBOX_PROGRAM "bwrap"

/* Adds what goes before a command's own arguments, from the program's name on. */
void sandbox_argv(const struct jobuser *user, struct strlist *argv);

#endif
