/* SPDX-License-Identifier: MIT */
#ifndef BERTH_DRIVERS_ECR_H
#define BERTH_DRIVERS_ECR_H

#include "drivers/preflight.h"

/* A repository that berth has made says so by this tag: which of GitLab's projects it is for. */
#define ECR_PROJECT_TAG "berth:project"

/* What the tags that say by which content an image was made begin with, the hash behind it: from
 * production, and from branches (image_tag.c). */
#define ECR_CONTENT_TAG        "content-"
#define ECR_BRANCH_CONTENT_TAG "branch-content-"

/* What an environment's builds have tagged; found in a teardown alone (ecr_tags.c). */
extern const struct resource_type ecr_image_tags_type;

/* The tag of the images that every branch takes where it has none of its own: "<prefix>-master".
 * The caller frees it. */
char *ecr_shared_tag(const struct context *c);

/* The repository of a module: what the spec says, else <prefix>-<module>. The caller frees it. */
char *ecr_repository_name(const struct context *c, const cJSON *module);
char *ecr_repository_of(const struct graph *g, const cJSON *module);
/* ERR_USER if two modules of the spec have one repository: what each builds has the same tags. */
int ecr_check_modules(const struct context *c, const cJSON *spec, struct err *err);

/*
 * Wants the image of a module to be looked up, once however many services run it, as
 * ecr.image/<module>, whose output Image is repository@digest. `path` is the spec's member that
 * names the module.
 */
int ecr_want_image(struct graph *g, const cJSON *spec, const char *module, const char *path,
                   struct err *err);

/* Whether a build of the environment has given it: "automation-8527fec8", and with its pipeline in
 * *ret_pipeline "automation-8527fec8-1234"; not "automation-8527fec81" or
 * "automation-8527fec8-rc1". */
bool ecr_tag_is_ours(const struct context *c, const char *tag, int64_t *ret_pipeline);
/* For BatchGetImage: takes an image of every type as it is, so that its digest stays its own. */
void ecr_accept_all(cJSON *input);

/* The repositories of this account from which the spec names images itself. */
void ecr_named_repositories(const struct graph *g, struct strlist *ret);

/* struct driver's preflight. */
void ecr_images_preflight(struct preflight *p);

#endif
