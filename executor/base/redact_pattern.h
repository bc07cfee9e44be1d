/* SPDX-License-Identifier: MIT */
#ifndef BERTH_BASE_REDACT_PATTERN_H
#define BERTH_BASE_REDACT_PATTERN_H

/*
 * The set of what is sought, and where in a text a member of it begins: as it is, with any of its
 * bytes escaped (reading.h), or broken over lines. redact.c has the lock; the set keeps copies
 * until patterns_release().
 */

#include "executor/base/redact_digits.h"

/* Shorter patterns are not sought over the ends of lines: in a table, numbers stand below each
 * other. */
#define BROKEN_MIN 8

/* At least two bytes. What is there already is not added again. */
void patterns_add(const char *bytes, size_t len);
size_t patterns_count(void);
/* Whether anything may begin with this byte; most do not. Inline: it is asked of every byte. */
extern bool patterns_begin[256];
/* All of at least `least` bytes that begin at `at`, as one range; false if nothing does. */
bool patterns_find(const char *text, size_t len, size_t at, size_t least, struct range *ret);
/* Forgets all, and leaves none of it in memory. */
void patterns_release(void);

#endif
