/* SPDX-License-Identifier: MIT */
#ifndef BERTH_USAGE_H
#define BERTH_USAGE_H

/*
 * "--help" of the programs that GitLab Runner calls: who finds them on a host may ask them what
 * they are. The runner itself never passes it.
 */

#include <stdbool.h>

/* Whether `--help` is all that is asked for; then it has been answered: "usage: <synopsis>", what
 * the program does, and where the manual is. */
bool usage_asked(int argc, char **argv, const char *synopsis, const char *what);

#endif
