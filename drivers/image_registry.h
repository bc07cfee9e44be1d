/* SPDX-License-Identifier: MIT */
#ifndef BERTH_DRIVERS_IMAGE_REGISTRY_H
#define BERTH_DRIVERS_IMAGE_REGISTRY_H

/*
 * Public images, by the names that Dockerfiles have for them: which registry one is in, and what it
 * is there now. Keeps nothing. Names and answers are strangers'.
 */

#include "executor/base/clock.h"
#include "executor/base/json.h"

/* Where an image is. The strings are its own, and of characters that a URL can have as they are. */
struct image_reference {
    char *host; /* "registry-1.docker.io", with its port if it has one */
    char *name; /* "library/python" */
    char *tag;  /* "3.11" */
};
#define _cleanup_image_reference_ _cleanup_(image_reference_release)
void image_reference_release(struct image_reference *r);

/*
 * Reads "python:3.11", "registry.example.com/a/b:1"; no digest. A name without a registry is Docker
 * Hub's if `hub` says so. False if it is not one that can be asked for, or belongs to no registry;
 * *ret is written in no such case.
 */
bool image_reference_read(const char *text, bool hub, struct image_reference *ret);

/*
 * The digest, "sha256:...", that the registry has for it now, in *ret, the caller's. It is asked
 * without a login, over HTTPS, and may be a list of images. `ca_file` names the certificates that
 * are trusted, NULL those that the host trusts. ERR_NOT_FOUND, ERR_DENIED (it wants a login), or
 * what http_send() fails with; none of it says whose fault it is.
 */
int image_registry_ask(const struct image_reference *r, const char *ca_file, struct cancel *cancel,
                       char **ret, struct err *err);

/* --- its parts, pure --- */

/* Whether it is "sha256:" and 64 hexadecimal digits; NULL is not. */
bool image_digest_is_valid(const char *text);
/* Where a token is to be had by a registry's WWW-Authenticate, "Bearer realm=...": the URL with
 * service and scope, the caller's; NULL: nowhere that could be asked. */
char *image_token_url(const char *challenge);

#endif
