/* SPDX-License-Identifier: MIT */
#ifndef BERTH_DRIVERS_IMAGE_H
#define BERTH_DRIVERS_IMAGE_H

/*
 * The image of a module: <module>-build (docs/drivers/image.md). A program that builds images runs
 * as the job's user, on a storage of the job's own; it gets to see the registry's password when it
 * fetches what the build is based on, and when it pushes: before the build has begun, and when it
 * is over and all that it started has ended.
 *
 * image.c has the order of things, each other file one of them:
 *   image_file     what of a Dockerfile says which images it builds on
 *   image_hash     one name for all that an image is made of
 *   image_builder  which program builds here, and how it is called
 *   image_host     what the host says of registries
 *   image_registry what a registry says of a public image
 *   image_base     what the image is built on: what that is now, and how the build gets it
 *   image_build    the build
 *   image_cache    layers of earlier builds, and image_store.h where they lie
 *   image_login    the login to the account's registry
 *   image_push     the push
 *   image_failure  whose it is to mend that a build has failed
 *   image_refusal  what a builder's words mean where it could not push or pull
 *   image_tag      tags, by ECR's API
 */

#include "drivers/image_store.h"
#include "drivers/tool.h"

enum image_program { IMAGE_BUILDAH, IMAGE_PODMAN, IMAGE_DOCKER };

/* What a Dockerfile names from outside the repository. */
struct image_file {
    struct strlist bases; /* images that it builds on or copies from, once each; not "scratch" */
    char *unknown;        /* what cannot be told from it, for the log; NULL: nothing */
};
#define _cleanup_image_file_ _cleanup_(image_file_release)

/* The storage of layers that a build has from earlier ones, and leaves to later ones. */
struct image_layers {
    char *storage; /* its name in the job's TMPDIR; NULL: it is not kept, and neither are layers */
    char *slot, *stamp; /* struct image_slot's, as are: */
    unsigned uid;
    int64_t made;
    bool warm;   /* an earlier build's */
    char *aside; /* one that is not used now, for it may be no good; NULL: none */
    int64_t aside_made;
};
void image_layers_release(struct image_layers *l);

/* One job's image. The strings are its own, but for what is const. */
struct image {
    const struct tool_job *job;
    const char *module;
    char *file;                 /* the Dockerfile's path in the checkout */
    struct strbuf text;         /* its text */
    struct image_file from;     /* what that names */
    char *repository;           /* "automation-api" */
    char *uri;                  /* "123456789012.dkr.ecr.us-east-1.amazonaws.com/automation-api" */
    char *local;                /* what the builder calls it: "<uri>:<environment>-<pipeline>" */
    enum image_program program; /* set by image_builder_find(), with: */
    struct strlist words;       /* what each call of the builder begins with */
    char *runroot;              /* where its storage keeps what lasts as long as a call */
    struct image_layers layers; /* set by image_cache_take() */
    char *hash;                 /* of its content, as hexadecimal digits; NULL: it is not known */
};
#define IMAGE_INIT                                                                                 \
    {                                                                                              \
        .text = STRBUF_INIT, .words = STRLIST_INIT, .from = {.bases = STRLIST_INIT }               \
    }
#define _cleanup_image_ _cleanup_(image_release)
void image_release(struct image *im);

/* --- image_file.c: pure ---------------------------------------------------------------------- */

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
 * is the descriptor with it (tool.h), else 0.
 */
int image_builder_run(const struct image *im, const struct strlist *arguments, int handed,
                      unsigned seconds, struct tool_end *ret, struct err *err);
/* Likewise with neither, and what it says goes to the job log as it comes; the end of its standard
 * error is in *ret as well. */
int image_builder_run_shown(const struct image *im, const struct strlist *arguments,
                            unsigned seconds, struct tool_end *ret, struct err *err);
/* Whether it works with its storage, as the job's user; *ret_said, the caller's, is what it says.
 * ERR_CANCELLED. */
int image_builder_try(const struct image *im, bool *ret, char **ret_said, struct err *err);
/* Likewise whether it builds the least that is an image of more than one layer, im->local.
 * ERR_HOST, ERR_TIMEOUT, ERR_CANCELLED. */
int image_builder_try_build(const struct image *im, struct err *err);
/* The words that a build begins with. */
void image_add_build(const struct image *im, struct strlist *arguments);
/* How long it may take to build, to pull and to push: the host config's "buildSeconds". */
unsigned image_seconds(const struct image *im);
/* struct tool_driver's: builds an image, which is called: */
#define IMAGE_TRIED "localhost/berth-doctor:tried"
int image_attempt(const struct tool_job *job, char **ret, struct err *err);
/* Removes what the job has left of images on the host, also after a cancel. What fails is said. */
void image_builder_clean(const struct image *im);

/* --- image_host.c ----------------------------------------------------------------------------- */

/* Whether names of images lead elsewhere than they say, by what a builder reads of the host. */
bool image_host_redirects(void);
/* Whether a registries.conf says so: it has a table for a registry. Pure. */
bool image_registries_redirect(const char *text);
/* Has the builder trust the host config's "registry.certificates". */
void image_add_certificates(const struct image *im, struct strlist *arguments);
/*
 * These, and those that the host trusts anyway, as builders do: a file in memory, whose descriptor
 * the caller closes when it no longer needs the path, which the caller frees. Both stay as they are
 * where there is no such setting. ERR_HOST.
 */
int image_open_trust(const struct image *im, int *ret_fd, char **ret_path, struct err *err);

/* --- image_base.c ----------------------------------------------------------------------------- */

/* What the bases of im->from are now, into *ret, each behind its name. Where one cannot be known, 0
 * all the same, and *ret_unknown, the caller's, says which and why. */
int image_bases(const struct image *im, struct strlist *ret, char **ret_unknown, struct err *err);
/* Whether one of them is in the registry that the image is pushed to. */
bool image_has_own_bases(const struct image *im);
/* Fetches those, with a login that the build never sees. ERR_USER for one that is not there.
 * *ret_ended is as image_push()'s. */
int image_pull_bases(const struct image *im, bool *ret_ended, struct err *err);
/* Has the builder fetch one without a login, to hear from it why a build could not; how that ended
 * is in *ret. */
int image_pull_again(const struct image *im, const char *base, struct tool_end *ret,
                     struct err *err);

/* --- image_build.c ---------------------------------------------------------------------------- */

/* Builds im->local. Where that has failed, what the builder has ended with is in *ret_code, which
 * stays as it is where the builder was killed. The classes are image_failed()'s. */
int image_build(const struct image *im, int *ret_code, struct err *err);

/* --- image_failure.c -------------------------------------------------------------------------- */

/* What buildah and podman end with when it is not a RUN that has failed (podman(1), "Exit Codes").
 */
#define IMAGE_CODE_OF_BUILDER 125
enum image_failure {
    IMAGE_BUILD_OTHER,       /* the Dockerfile's, for all that is known */
    IMAGE_BUILD_KILLED,      /* the builder was */
    IMAGE_BUILD_STEP_KILLED, /* a step was, or what it ran */
    IMAGE_BUILD_FULL,        /* there was no room on the disk */
    /* Something could not be fetched: */
    IMAGE_BUILD_MISSING,
    IMAGE_BUILD_DENIED,
    IMAGE_BUILD_TOO_OFTEN,
    IMAGE_BUILD_UNTRUSTED,
    IMAGE_BUILD_BROKEN, /* the registry fails */
    IMAGE_BUILD_SILENT, /* it does not answer */
    IMAGE_BUILD_UNTOLD, /* the builder keeps to itself why */
};
/* Why a build has failed, by the code and by the end of what the builder has said; *ret_base is
 * which base could not be fetched, or NULL. Pure. */
enum image_failure image_failure_of(const struct image *im, int code, const char *said,
                                    const char **ret_base);
/* How many processes the kernel has ended for want of memory, since it runs (proc(5),
 * /proc/vmstat). */
int64_t image_oom_kills(void);
/* Sets the error of a build that has failed, and *ret_code as image_build(); `kills` is
 * image_oom_kills() from before it. ERR_USER, ERR_HOST, ERR_UNREACHABLE. Returns -1. */
int image_failed(const struct image *im, const struct tool_end *end, int64_t kills, int *ret_code,
                 struct err *err);

/* --- image_cache.c ---------------------------------------------------------------------------- */

/* Where the host config has layers kept: its "images.cache"; `directory` is NULL where it does not.
 * The strings are `host`'s. */
struct image_store image_cache_store(const cJSON *host, struct cancel *cancel);
/*
 * Has the image built by layers, on a storage of an earlier build's if there is one, where the host
 * config has "images.cache". What keeps it from that is said, and no error; ERR_CANCELLED.
 */
int image_cache_take(struct image *im, struct err *err);
/* Leaves the storage to the next build; why not is said. Only when the builder has ended by itself:
 * after a signal nobody knows what is in it. */
void image_cache_keep(struct image *im);
/*
 * After a build that has ended with `code`: whether to build once more, now on an empty storage.
 * That is so where the disk is full, and all layers make room, and where what the builder has ended
 * for may be the storage, which is put aside, or is that it cannot build by layers here at all.
 * Says which.
 */
bool image_cache_yields(struct image *im, int code);
/*
 * After the last build, which has returned `r` and ended with `code` (below 0: it has not begun):
 * a storage that was put aside goes where the image could be built without it. Else something else
 * was wrong, such as a registry that does not answer, and it is there again, to be kept.
 */
void image_cache_judge(struct image *im, int r, int code);

/* For berth doctor: whether builds can use a storage of layers that lies in job->tmp. */
enum image_cache_use {
    IMAGE_CACHE_USED,
    IMAGE_CACHE_UNUSABLE, /* they build as if there were none: *ret_why, the caller's, says why */
    IMAGE_CACHE_NEEDLESS, /* the builder keeps its own */
    IMAGE_CACHE_UNKNOWN,  /* nothing builds images here, with layers or without */
};
enum image_cache_use image_cache_attempt(const struct tool_job *job, char **ret_why);

/* --- image_login.c ---------------------------------------------------------------------------- */

/* Logs in to the account's registry, by GetAuthorizationToken: a descriptor to be `handed` to the
 * builder, which the caller closes. */
int image_login(const struct image *im, int *ret_handed, struct err *err);
/* Has the builder take it. */
void image_add_login(const struct image *im, struct strlist *arguments);

/* --- image_refusal.c -------------------------------------------------------------------------- */

/* What a builder's words about a push or pull that failed mean. */
enum image_refusal {
    IMAGE_OTHER,
    IMAGE_IMMUTABLE, /* the tag is another image's */
    IMAGE_MISSING,   /* no such repository, or image */
    IMAGE_LOCAL,     /* a file of this host */
    IMAGE_DENIED,
    IMAGE_UNTRUSTED, /* the registry's certificate */
    IMAGE_SILENT,    /* it cannot be reached */
};
/* A builder's words without the name of the image, "HOST/NAME:TAG", which may be made of any: what
 * the others are to be asked about. Pure; the caller frees it. */
char *image_words(const char *said, const char *image);
/* Both pure: what it means, and whether it may pass by itself. */
enum image_refusal image_refusal_of(const char *said);
bool image_refusal_passes(const char *said);
/* Sets the error of those that mean the same for a "push" and a "pull". Returns -1. */
int image_refused(const struct image *im, const char *what, const char *said, struct err *err);
/* That the registry's certificate is not trusted, likewise. */
int image_untrusted(struct err *err);
/* What it has said, into the log. */
void image_say(const struct tool_end *end);

/* --- image_push.c ----------------------------------------------------------------------------- */

/* Logs in and pushes im->local, under its tag. *ret_ended: the builder has ended by itself, or not
 * begun, also where it has failed. */
int image_push(const struct image *im, bool *ret_ended, struct err *err);

/* --- image_tag.c ------------------------------------------------------------------------------ */

/* The tag of this pipeline's image, "<environment>-<pipeline>"; the caller frees it. */
char *image_tag_built(const struct context *c);
/*
 * The tags that say by what an image was made, best first. A branch takes production's images as
 * well as branches'; production only its own, for what a branch builds may be something else than
 * what it says. The first of *ret is the one to give.
 */
void image_tags_of_content(const struct context *c, const char *hash, struct strlist *ret);
/* The image of a repository of the account with the first of these tags that is there; NULL in
 * *ret: none is. The caller frees it. */
int image_find(const struct image *im, const char *repository, const struct strlist *tags,
               cJSON **ret, struct err *err);
/*
 * Gives an image of the repository, as image_find() has it, all tags that it is to have: of its
 * content, <environment>-<pipeline>, <environment>, and from production "latest", which comes last.
 * Where <environment> is the image of a newer pipeline, it and "latest" stay, and that is said.
 */
int image_tag_all(const struct image *im, const cJSON *image, struct err *err);
/* "sha256:...", and the size of all its layers; 0: it is a list of images. */
const char *image_digest(const cJSON *image);
int64_t image_size(const cJSON *image);

#endif
