/* SPDX-License-Identifier: MIT */
#ifndef BERTH_DRIVERS_IMAGE_H
#define BERTH_DRIVERS_IMAGE_H

/*
 * The image of a module: <module>-build (docs/drivers/image.md). A program that builds images runs
 * as the job's user, on a storage of the job's own; it gets to see the registry's password when it
 * pushes, and never before: the build is over then, and all that it started has ended.
 *
 * image.c has the order of things, each other file one of them:
 *   image_file     what of a Dockerfile says which images it builds on
 *   image_hash     one name for all that an image is made of
 *   image_builder  which program builds here, and how it is called
 *   image_build    the build
 *   image_push     login and push
 *   image_tag      tags, by ECR's API
 */

#include "drivers/tool.h"

enum image_program { IMAGE_BUILDAH, IMAGE_PODMAN, IMAGE_DOCKER };

/* One job's image. The strings are its own, but for what is const. */
struct image {
    const struct tool_job *job;
    const char *module;
    char *file;                 /* the Dockerfile's path in the checkout */
    struct strbuf text;         /* its text */
    char *repository;           /* "automation-api" */
    char *uri;                  /* "123456789012.dkr.ecr.us-east-1.amazonaws.com/automation-api" */
    char *local;                /* what the builder calls it: "<uri>:<environment>-<pipeline>" */
    enum image_program program; /* set by image_builder_find(), with: */
    struct strlist words;       /* what each call of the builder begins with */
    char *hash;                 /* of its content, as hexadecimal digits; NULL: it is not known */
};
#define IMAGE_INIT                                                                                 \
    {                                                                                              \
        .text = STRBUF_INIT, .words = STRLIST_INIT                                                 \
    }
#define _cleanup_image_ _cleanup_(image_release)
void image_release(struct image *im);

/* --- image_file.c: pure ---------------------------------------------------------------------- */

/* What a Dockerfile names from outside the repository. */
struct image_file {
    struct strlist bases; /* images that it builds on or copies from, once each; not "scratch" */
    char *unknown;        /* what cannot be told from it, for the log; NULL: nothing */
};
#define _cleanup_image_file_ _cleanup_(image_file_release)
/* `args` (may be NULL) is an object of strings, the build arguments. */
void image_file_read(const char *text, const cJSON *args, struct image_file *ret);
void image_file_release(struct image_file *file);

/* --- image_hash.c ----------------------------------------------------------------------------- */

/*
 * The hash of all that the image is made of: the Dockerfile, arguments, target, platform, what the
 * builder says of each base (`bases`, in their order), and the files of the module's `paths`: by
 * their names, in byte order, with mode and content; links as links; without the project's .git.
 * The same on every host. ERR_USER for a path that is not there or leads out of the checkout.
 */
int image_hash(const struct image *im, const struct strlist *bases, char **ret, struct err *err);

/* --- image_builder.c -------------------------------------------------------------------------- */

/* Which program builds: the host config's "builder", else the first that works. ERR_HOST. */
int image_builder_find(struct image *im, struct err *err);
/*
 * Runs the builder. `arguments` is NULL-ended. Where it takes a certificate or a login, `handed`
 * is the descriptor with it (tool.h), else 0; `ret` NULL: its output goes to the job log.
 */
int image_builder_run(const struct image *im, const struct strlist *arguments, int handed,
                      unsigned seconds, struct tool_end *ret, struct err *err);
/* Removes what the job has left of images on the host, also after a cancel. What fails is said. */
void image_builder_clean(const struct image *im);

/* --- image_build.c ---------------------------------------------------------------------------- */

/* What the registry says of the bases now, into *ret. Where one cannot be known, 0 all the same,
 * and *ret_unknown, the caller's, says which and why. */
int image_bases(const struct image *im, const struct strlist *bases, struct strlist *ret,
                char **ret_unknown, struct err *err);
/* Builds im->local. ERR_USER where the builder says no. */
int image_build(const struct image *im, struct err *err);

/* --- image_push.c ----------------------------------------------------------------------------- */

/* Logs in and pushes im->local, under its tag. */
int image_push(const struct image *im, struct err *err);
/* Whether what a builder says after a failed push may pass by itself. Pure. */
bool image_push_is_transient(const char *said);

/* --- image_tag.c ------------------------------------------------------------------------------ */

/* The tag of this pipeline's image, "<environment>-<pipeline>"; the caller frees it. */
char *image_tag_built(const struct context *c);
/*
 * The tags that say by what an image was made, best first. A branch takes production's images as
 * well as branches'; production only its own, for what a branch builds may be something else than
 * what it says. The first of *ret is the one to give.
 */
void image_tags_of_content(const struct context *c, const char *hash, struct strlist *ret);
/* The image with the first of these tags that is there; NULL in *ret: none is. The caller frees it.
 */
int image_find(const struct image *im, const struct strlist *tags, cJSON **ret, struct err *err);
/*
 * Gives an image of the repository, as image_find() has it, all tags that it is to have: of its
 * content, <environment>-<pipeline>, <environment>, and from production "latest", which comes last.
 */
int image_tag_all(const struct image *im, const cJSON *image, struct err *err);
/* "sha256:...", and the size of all its layers; 0: it is a list of images. */
const char *image_digest(const cJSON *image);
int64_t image_size(const cJSON *image);

#endif
