/* SPDX-License-Identifier: MIT */
#ifndef BERTH_CONSOLE_H
#define BERTH_CONSOLE_H

/*
 * Where a person finds a resource in the AWS Management Console. AWS documents these addresses only
 * here and there; each is the one that the console itself shows.
 */

#include "drivers/resource.h"

/* The console's address of a resource that is there; NULL where it is not there or its kind has no
 * page. Safe to print: whatever is not a URL's own character is percent-encoded. The caller frees
 * it. */
char *console_link(const struct resource *r);

#endif
