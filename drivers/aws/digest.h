/* SPDX-License-Identifier: MIT */
#ifndef BERTH_DRIVERS_AWS_DIGEST_H
#define BERTH_DRIVERS_AWS_DIGEST_H

/*
 * Texts as others write them: short names for long ones, where AWS bounds an identifier's length,
 * and base64. Keeps nothing.
 */

#include <stddef.h>

/* The first bytes of the SHA-256 of a text as two hexadecimal digits each, at most 32; the caller
 * frees it. `echo -n TEXT | sha256sum` begins with the same. */
char *digest_text(const char *text, size_t bytes);

/* Base64 of a text; the caller frees it. */
char *base64_text(const char *text);

#endif
