/* SPDX-License-Identifier: MIT */
#ifndef BERTH_DRIVERS_AWS_DIGEST_H
#define BERTH_DRIVERS_AWS_DIGEST_H

/*
 * Short names for long ones, where AWS bounds an identifier's length. Keeps nothing.
 */

#include <stddef.h>

/* The first bytes of the SHA-256 of a text as two hexadecimal digits each, at most 32; the caller
 * frees it. `echo -n TEXT | sha256sum` begins with the same. */
char *digest_text(const char *text, size_t bytes);

#endif
