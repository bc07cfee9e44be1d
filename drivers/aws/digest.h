/* SPDX-License-Identifier: MIT */
#ifndef BERTH_DRIVERS_AWS_DIGEST_H
#define BERTH_DRIVERS_AWS_DIGEST_H

/*
 * Texts as others write them: short names for long ones, where AWS bounds an identifier's length,
 * and base64; and the hash of what comes piece by piece. Keeps nothing.
 */

#include <stddef.h>

/* The first bytes of the SHA-256 of a text as two hexadecimal digits each, at most 32; the caller
 * frees it. `echo -n TEXT | sha256sum` begins with the same. */
char *digest_text(const char *text, size_t bytes);

/* The SHA-256 of `len` bytes in base64, as a Content-Security-Policy names a source by its hash
 * (https://www.w3.org/TR/CSP3/#grammardef-hash-source); the caller frees it. */
char *digest_base64(const void *data, size_t len);

/* Base64 of a text; the caller frees it. */
char *base64_text(const char *text);

/* A SHA-256 that is being made, the caller's to free. */
struct digest;
struct digest *digest_new(void);
void digest_add(struct digest *d, const void *data, size_t len);
/* Its end, as 64 hexadecimal digits; the caller frees them. Nothing can be added after that. */
char *digest_end(struct digest *d);
void digest_free(struct digest *d);
static inline void digest_freep(struct digest **d)
{
    digest_free(*d);
}

/* The text that is in base64; NULL if it is not that. The caller frees it. */
char *base64_plain(const char *text);

#endif
