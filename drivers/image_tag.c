/* SPDX-License-Identifier: MIT */
/*
 * Tags. An image is pushed once, under one tag; all others are given to what the repository then
 * has, by its manifest, whose digest so stays what it is. An image that is there already is tagged
 * in the same way, without being pulled:
 * https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-retag.html
 */
#include "drivers/image.h"

#include <inttypes.h>

#include "drivers/ecr.h"
#include "executor/base/log.h"

char *image_tag_built(const struct context *c)
{
    return c->pipeline > 0 ? xasprintf("%s-%" PRId64, c->environment, c->pipeline)
                           : xstrdup(c->environment);
}

static bool is_production(const struct context *c)
{
    return str_eq(c->kind, "production");
}

void image_tags_of_content(const struct context *c, const char *hash, struct strlist *ret)
{
    if (!is_production(c))
        strlist_addf(ret, ECR_BRANCH_CONTENT_TAG "%s", hash);
    strlist_addf(ret, ECR_CONTENT_TAG "%s", hash);
}

int image_find(const struct image *im, const char *repository, const struct strlist *tags,
               cJSON **ret, struct err *err)
{
    _cleanup_json_ cJSON *input = cJSON_CreateObject(), *output = NULL;
    json_put_str(input, "repositoryName", repository);
    cJSON *ids = json_put_array(input, "imageIds");
    for (size_t i = 0; i < tags->n; i++)
        json_put_str(json_push(ids, cJSON_CreateObject()), "imageTag", tags->v[i]);
    ecr_accept_all(input);
    if (aws_call(im->job->session, "ecr", "BatchGetImage", input, &output, err) < 0)
        return -1;
    const cJSON *image = NULL, *one;
    for (size_t i = 0; i < tags->n && image == NULL; i++)
        cJSON_ArrayForEach (one, json_get(output, "images"))
            if (str_eq(json_str_at(one, "imageId/imageTag"), tags->v[i]))
                image = one;
    *ret = json_dup(image);
    return 0;
}

const char *image_digest(const cJSON *image)
{
    return json_str_at(image, "imageId/imageDigest");
}

int64_t image_size(const cJSON *image)
{
    _cleanup_json_ cJSON *manifest = NULL;
    _cleanup_err_ struct err unreadable = ERR_INIT;
    const char *text = json_str(image, "imageManifest");
    int64_t size = 0;
    if (text == NULL || json_parse(text, strlen(text), JSON_PLAIN, &manifest, &unreadable) < 0)
        return 0;
    const cJSON *layer;
    cJSON_ArrayForEach (layer, json_get(manifest, "layers"))
        size += json_int(layer, "size", 0);
    return size;
}

/* 1: the tag is another image's, and the repository is immutable. */
static int tag_put(const struct image *im, const cJSON *image, const char *tag, struct err *err)
{
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    _cleanup_err_ struct err failure = ERR_INIT;
    json_put_str(input, "repositoryName", im->repository);
    json_copy(input, image, "imageManifest");
    json_copy(input, image, "imageManifestMediaType");
    json_put_str(input, "imageTag", tag);
    if (aws_call(im->job->session, "ecr", "PutImage", input, NULL, &failure) == 0)
        return 0;
    if (str_eq(failure.aws_code, "ImageAlreadyExistsException"))
        return 0; /* it has this tag already */
    if (str_eq(failure.aws_code, "ImageTagAlreadyExistsException"))
        return 1;
    return err_move(err, &failure);
}

static int tag_move(const struct image *im, const cJSON *image, const char *tag, struct err *err)
{
    int r = tag_put(im, image, tag, err);
    if (r > 0)
        return err_set(err, ERR_USER,
                       "repository '%s' is immutable, and its tag '%s' is another image's: let its "
                       "tags be MUTABLE (repositories.%s.imageTagMutability), or delete that tag",
                       im->repository, tag, im->repository);
    return r;
}

/* What says by which content it was made is as good on another image made by the same. */
static int tag_content(const struct image *im, const cJSON *image, struct err *err)
{
    _cleanup_strlist_ struct strlist tags = STRLIST_INIT;
    if (im->hash == NULL)
        return 0;
    image_tags_of_content(im->job->context, im->hash, &tags);
    return tag_put(im, image, tags.v[0], err) < 0 ? -1 : 0;
}

/* The last pipeline that has given the image its tag which now has the environment's, where that is
 * another image than ours; else 0. */
static int find_last(const struct image *im, const cJSON *image, int64_t *ret, struct err *err)
{
    const struct context *c = im->job->context;
    _cleanup_json_ cJSON *input = cJSON_CreateObject(), *output = NULL;
    json_put_str(input, "repositoryName", im->repository);
    json_put_str(json_push(json_put_array(input, "imageIds"), cJSON_CreateObject()), "imageTag",
                 c->environment);
    if (aws_call(im->job->session, "ecr", "DescribeImages", input, &output, err) < 0) {
        if (err->class != ERR_NOT_FOUND)
            return -1;
        err_release(err);
        return 0;
    }
    const cJSON *details = json_get(output, "imageDetails"), *tag;
    const cJSON *now = details != NULL ? details->child : NULL;
    if (str_eq(json_str(now, "imageDigest"), image_digest(image)))
        return 0;
    cJSON_ArrayForEach (tag, json_get(now, "imageTags")) {
        int64_t pipeline;
        if (ecr_tag_is_ours(c, cJSON_GetStringValue(tag), &pipeline) && pipeline > *ret)
            *ret = pipeline;
    }
    return 0;
}

/* A job of an old pipeline may be run once more, or run late: what a newer one has built is what
 * others take. */
static int find_newer(const struct image *im, const cJSON *image, bool *ret, struct err *err)
{
    const struct context *c = im->job->context;
    int64_t last = 0;
    if (c->pipeline > 0 && find_last(im, image, &last, err) < 0)
        return -1;
    *ret = last > c->pipeline;
    if (*ret)
        log_warn("'%s:%s'%s stays the image of pipeline %" PRId64 ", which is newer than this one: "
                 "what this one deploys is its own all the same",
                 im->repository, c->environment, is_production(c) ? ", like 'latest'," : "", last);
    return 0;
}

int image_tag_all(const struct image *im, const cJSON *image, struct err *err)
{
    const struct context *c = im->job->context;
    _cleanup_free_ char *built = image_tag_built(c);
    bool newer = false;
    if (tag_content(im, image, err) < 0 || find_newer(im, image, &newer, err) < 0)
        return err_wrap(err, "modules.%s", im->module);
    const char *const tags[] = { built, newer ? NULL : c->environment,
                                 is_production(c) ? "latest" : NULL };
    for (size_t i = 0; i < ARRAY_SIZE(tags) && tags[i] != NULL; i++) {
        if (cancel_is_set(im->job->cancel))
            return err_set(err, ERR_CANCELLED, "cancelled before the tag '%s' was given", tags[i]);
        if (tag_move(im, image, tags[i], err) < 0)
            return err_wrap(err, "modules.%s", im->module);
        log_info("%s:%s is %s", im->repository, tags[i], image_digest(image));
    }
    return 0;
}
