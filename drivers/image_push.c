/* SPDX-License-Identifier: MIT */
/* The push of what was built, under one tag (image_tag.c gives it the others). */
#include "drivers/image.h"

#include "executor/base/log.h"

#define TRIES 4
#define PAUSE 2.0 /* seconds after the first try; twice as long after each other */

static void push_arguments(const struct image *im, struct strlist *arguments)
{
    strlist_add(arguments, "push");
    image_add_login(im, arguments);
    image_add_certificates(im, arguments);
    strlist_add(arguments, im->local);
    if (im->program != IMAGE_DOCKER)
        strlist_addf(arguments, "docker://%s", im->local);
}

/* What a push that failed for good means, from the registry's words in the builder's. */
static int judge(const struct image *im, const char *said, struct err *err)
{
    switch (image_refusal_of(said)) {
    case IMAGE_IMMUTABLE:
        return err_set(err, ERR_USER,
                       "repository '%s' is immutable and has another image with this pipeline's "
                       "tag: run a new pipeline, or give the module its 'paths', by which the same "
                       "content is the same image",
                       im->repository);
    case IMAGE_MISSING:
        return err_set(err, ERR_USER, "repository '%s' does not exist: run the job 'basic-infra'",
                       im->repository);
    case IMAGE_DENIED:
        return err_set(err, ERR_DENIED,
                       "the registry does not let berth push to '%s': see 'berth iam-policy' for "
                       "what the role needs, and the repository's own policy",
                       im->repository);
    default:
        return image_refused(im, "push", said, err);
    }
}

/* 1: it failed, and may not if it is tried again. */
static int push_once(const struct image *im, const struct strlist *arguments, int handed, bool last,
                     bool *ret_ended, struct err *err)
{
    _cleanup_tool_end_ struct tool_end end = TOOL_END_INIT;
    int r = image_builder_run(im, arguments, handed, image_seconds(im), &end, err);
    image_say(&end);
    *ret_ended = r == 0 && end.signal == 0;
    if (r < 0 || end.code == 0)
        return r;
    _cleanup_free_ char *said = image_words(end.errors.buf, im->local);
    if (!last && image_refusal_passes(said))
        return 1;
    return judge(im, said, err);
}

static int push(const struct image *im, int handed, bool *ret_ended, struct err *err)
{
    _cleanup_strlist_ struct strlist arguments = STRLIST_INIT;
    double pause = PAUSE;
    push_arguments(im, &arguments);
    for (int i = 1;; i++, pause *= 2) {
        int r = push_once(im, &arguments, handed, i == TRIES, ret_ended, err);
        if (r <= 0)
            return r;
        log_warn("the push failed; trying again in %.0f s (%d of %d)", pause, i + 1, TRIES);
        if (cancel_sleep(im->job->cancel, pause) < 0)
            return err_set(err, ERR_CANCELLED, "cancelled while pushing; no tag was moved");
    }
}

int image_push(const struct image *im, bool *ret_ended, struct err *err)
{
    _cleanup_close_ int handed = -1;
    *ret_ended = true;
    if (image_login(im, &handed, err) < 0 || push(im, handed, ret_ended, err) < 0)
        return err_wrap(err, "modules.%s: the image was built, but not pushed", im->module);
    return 0;
}
