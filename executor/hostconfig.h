/* SPDX-License-Identifier: MIT */
#ifndef BERTH_HOSTCONFIG_H
#define BERTH_HOSTCONFIG_H

/*
 * The host config, /etc/berth/berth.json: who may do what, and how. Written by the administrator;
 * nothing in it is ever taken from the job. BERTH_CONFIG in the runner's own environment names
 * another file. It is checked against config/host.schema.json, which lists its members.
 */

#include "executor/base/json.h"

struct hostconfig {
    char *path; /* of the file */
    char *dir;  /* the directory it lies in: relative paths are relative to this */
    char *text; /* for line numbers */
    cJSON *json;
};
#define HOSTCONFIG_INIT                                                                            \
    {                                                                                              \
        .path = NULL                                                                               \
    }
#define _cleanup_hostconfig_ _cleanup_(hostconfig_release)

/* Where repositories and caches lie if the host config does not say: its buildsDir and cacheDir. */
#define HOSTCONFIG_BUILDS_DIR "/var/lib/berth/builds"
#define HOSTCONFIG_CACHE_DIR  "/var/lib/berth/cache"
#define HOSTCONFIG_SPEC       ".berth/environment.json"

/*
 * Reads and checks the file. One that others than its owner can write, or that is not root's where
 * berth runs as root, is refused; what is wrong with it is ERR_HOST with file, line and path.
 */
int hostconfig_read(struct hostconfig *ret, struct err *err);
void hostconfig_release(struct hostconfig *h);

/* The entry of "projects" for a project id, or NULL. */
const cJSON *hostconfig_project(const struct hostconfig *h, int64_t project_id);
/* A path as the host config has it, made absolute; the caller frees it. */
char *hostconfig_resolve(const struct hostconfig *h, const char *path);
/* A path-valued member, made absolute; `otherwise` (also made absolute) if absent. The caller frees
 * it. */
char *hostconfig_path(const struct hostconfig *h, const char *key, const char *otherwise);

#endif
