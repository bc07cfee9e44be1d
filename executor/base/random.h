/* SPDX-License-Identifier: MIT */
#ifndef BERTH_BASE_RANDOM_H
#define BERTH_BASE_RANDOM_H

#include <stddef.h>

/*
 * A name that nobody knows beforehand: `prefix`, and so many random bytes in hexadecimal, 256 at
 * most, which getrandom(2) gives at once. The caller frees it. It is the kernel's numbers or none:
 * a name that can be guessed may be there already, as somebody's link. Where there are none the
 * program ends, as for want of memory.
 */
char *random_name(const char *prefix, size_t bytes);

#endif
