/* SPDX-License-Identifier: MIT */
/*
 * The images that a module's is built on: what each is now, so that a build can be skipped, and
 * those of the account's own registry, which only a login gets, before the build that shall not see
 * one.
 *
 * What an image is now, its registry says: by ECR's API where that is ours, else asked by berth, as
 * anybody (image_registry.c), else by the builder's `manifest inspect`. The builder comes last for
 * buildah 1.28 answers for lists of images alone, and no two builders' words for one image are the
 * same. It comes first for a name without a registry, and where the host sends names elsewhere:
 * that is for the builder to know (registries.conf(5), containers-registries.conf(5)).
 */
#include "drivers/image.h"

#include "drivers/image_registry.h"
#include "executor/base/log.h"

#define LOOK_SECONDS 120

/* An image that is named by its digest is what it is. */
static bool is_pinned(const char *base)
{
    return strstr(base, "@sha256:") != NULL;
}

/* What lies in the registry that the image is pushed to: "automation-base:1" of
 * "<registry>/automation-base:1". NULL: it is in another one. */
static const char *in_own_registry(const struct image *im, const char *base)
{
    size_t host = strcspn(im->uri, "/");
    return strncmp(base, im->uri, host) == 0 && base[host] == '/' ? base + host + 1 : NULL;
}

/* --- what a base is now ------------------------------------------------------------------------
 */

/* Where nothing is found out, *ret stays NULL, and `why` is told. */
static int ask_registry(const struct image *im, const char *base, char **ret, struct strbuf *why,
                        struct err *err)
{
    _cleanup_image_reference_ struct image_reference reference = { .host = NULL };
    _cleanup_err_ struct err failure = ERR_INIT;
    _cleanup_close_ int fd = -1;
    _cleanup_free_ char *trust = NULL;
    bool docker = im->program == IMAGE_DOCKER;
    if (!image_reference_read(base, docker, &reference) || (!docker && image_host_redirects()))
        return 0;
    if (image_open_trust(im, &fd, &trust, &failure) == 0 &&
        image_registry_ask(&reference, trust, im->job->cancel, ret, &failure) == 0)
        return 0;
    if (failure.class == ERR_CANCELLED)
        return err_move(err, &failure);
    strbuf_adds(why, failure.message);
    return 0;
}

/* The manifest as the registry has it, by which its digest is made. Nothing is pulled. */
static int ask_builder(const struct image *im, const char *base, char **ret, struct strbuf *why,
                       struct err *err)
{
    _cleanup_tool_end_ struct tool_end end = TOOL_END_INIT;
    _cleanup_strlist_ struct strlist arguments = STRLIST_INIT;
    _cleanup_err_ struct err failure = ERR_INIT;
    strlist_add(&arguments, "manifest");
    strlist_add(&arguments, "inspect");
    strlist_add(&arguments, base);
    int r = image_builder_run(im, &arguments, 0, LOOK_SECONDS, &end, &failure);
    if (r < 0 && failure.class != ERR_TIMEOUT)
        return err_move(err, &failure);
    if (r == 0 && end.code == 0 && end.out.len > 0)
        *ret = strbuf_detach(&end.out);
    else if (why->len == 0 && r < 0)
        strbuf_adds(why, failure.message);
    else if (why->len == 0)
        strbuf_add(why, end.errors.buf, strcspn(end.errors.buf, "\r\n"));
    return 0;
}

/* `name` is "automation-base:1". */
static int ask_ecr(const struct image *im, const char *name, char **ret, struct strbuf *why,
                   struct err *err)
{
    _cleanup_strlist_ struct strlist tags = STRLIST_INIT;
    _cleanup_json_ cJSON *image = NULL;
    _cleanup_err_ struct err failure = ERR_INIT;
    size_t len = strcspn(name, ":");
    _cleanup_free_ char *repository = xstrndup(name, len);
    strlist_add(&tags, name[len] == ':' ? name + len + 1 : "latest");
    if (image_find(im, repository, &tags, &image, &failure) < 0) {
        if (failure.class == ERR_CANCELLED)
            return err_move(err, &failure);
        strbuf_adds(why, failure.message);
    } else if (image == NULL) {
        strbuf_addf(why, "repository '%s' has no tag '%s'", repository, tags.v[0]);
    } else {
        *ret = xstrdup(image_digest(image));
    }
    return 0;
}

static int look_at_base(const struct image *im, const char *base, struct strlist *ret,
                        char **ret_unknown, struct err *err)
{
    _cleanup_strbuf_ struct strbuf why = STRBUF_INIT;
    _cleanup_free_ char *found = NULL;
    const char *own = in_own_registry(im, base);
    if (own != NULL ? ask_ecr(im, own, &found, &why, err) < 0
                    : ask_registry(im, base, &found, &why, err) < 0)
        return -1;
    if (found == NULL && own == NULL && ask_builder(im, base, &found, &why, err) < 0)
        return -1;
    if (found != NULL)
        strlist_add(ret, found);
    else
        *ret_unknown = xasprintf("what '%s' is now: %s", base, why.buf);
    return 0;
}

int image_bases(const struct image *im, struct strlist *ret, char **ret_unknown, struct err *err)
{
    const struct strlist *bases = &im->from.bases;
    for (size_t i = 0; i < bases->n && *ret_unknown == NULL; i++) {
        strlist_add(ret, bases->v[i]);
        if (!is_pinned(bases->v[i]) && look_at_base(im, bases->v[i], ret, ret_unknown, err) < 0)
            return -1;
    }
    return 0;
}

/* --- what only a login gets --------------------------------------------------------------------
 */

static int judge(const struct image *im, const char *base, const char *said, struct err *err)
{
    switch (image_refusal_of(said)) {
    case IMAGE_MISSING:
        return err_set(err, ERR_USER, "there is no '%s', on which '%s' builds", base, im->file);
    case IMAGE_DENIED:
        return err_set(err, ERR_DENIED,
                       "the registry does not let berth pull '%s', on which '%s' builds: the role "
                       "needs ecr:BatchCheckLayerAvailability, ecr:BatchGetImage and "
                       "ecr:GetDownloadUrlForLayer on that repository",
                       base, im->file);
    default:
        return image_refused(im, "pull", said, err);
    }
}

/* `handed` is the descriptor with a login; 0: without one. */
static int run_pull(const struct image *im, const char *base, int handed, struct tool_end *ret,
                    struct err *err)
{
    _cleanup_strlist_ struct strlist arguments = STRLIST_INIT;
    const char *platform = json_str(im->job->module, "platform");
    strlist_add(&arguments, "pull");
    if (im->program == IMAGE_BUILDAH)
        strlist_add(&arguments,
                    "--policy=always"); /* what podman and docker do (buildah-pull(1)) */
    if (handed > 0)
        image_add_login(im, &arguments);
    image_add_certificates(im, &arguments);
    if (platform != NULL)
        strlist_addf(&arguments, "--platform=%s", platform);
    strlist_add(&arguments, base);
    if (image_builder_run(im, &arguments, handed, image_seconds(im), ret, err) < 0)
        return -1;
    image_say(ret);
    return 0;
}

static int pull(const struct image *im, const char *base, int handed, bool *ret_ended,
                struct err *err)
{
    _cleanup_tool_end_ struct tool_end end = TOOL_END_INIT;
    int r = run_pull(im, base, handed, &end, err);
    *ret_ended = r == 0 && end.signal == 0;
    if (r < 0)
        return -1;
    _cleanup_free_ char *said = image_words(end.errors.buf, base);
    return end.code == 0 ? 0 : judge(im, base, said, err);
}

int image_pull_again(const struct image *im, const char *base, struct tool_end *ret,
                     struct err *err)
{
    log_info("%s does not say why it could not get '%s', and is asked for that alone:",
             im->words.v[0], base);
    return run_pull(im, base, 0, ret, err);
}

/* A build is told to ask a registry again for each base that is there, or for none: then it is for
 * us to, where one may be there. */
static bool is_to_be_pulled(const struct image *im, const char *base)
{
    return im->program == IMAGE_DOCKER || im->layers.storage != NULL ||
           in_own_registry(im, base) != NULL;
}

bool image_has_own_bases(const struct image *im)
{
    for (size_t i = 0; i < im->from.bases.n; i++)
        if (in_own_registry(im, im->from.bases.v[i]) != NULL)
            return true;
    return false;
}

int image_pull_bases(const struct image *im, bool *ret_ended, struct err *err)
{
    _cleanup_close_ int handed = -1;
    const struct strlist *bases = &im->from.bases;
    *ret_ended = true;
    if (!image_has_own_bases(im))
        return 0;
    int r = image_login(im, &handed, err);
    for (size_t i = 0; i < bases->n && r == 0; i++)
        if (is_to_be_pulled(im, bases->v[i]))
            r = pull(im, bases->v[i], handed, ret_ended, err);
    return r < 0 ? err_wrap(err, "modules.%s: the image was not built", im->module) : 0;
}
