/* SPDX-License-Identifier: MIT */
#include "drivers/image.h"

#include <inttypes.h>

#include "drivers/ecr.h"
#include "executor/base/file.h"
#include "executor/base/log.h"

/* No Dockerfile is longer. */
#define FILE_MAX ((size_t)1 << 20)
/* As much of a hash as names it in the log. */
#define HASH_SHOWN 12

void image_release(struct image *im)
{
    free(im->file);
    strbuf_release(&im->text);
    image_file_release(&im->from);
    free(im->repository);
    free(im->uri);
    free(im->local);
    strlist_release(&im->words);
    free(im->runroot);
    image_layers_release(&im->layers);
    free(im->hash);
    *im = (struct image)IMAGE_INIT;
}

/* "dockerfile", from the project's directory; else "Dockerfile" in the module's. */
static int read_file(struct image *im, struct err *err)
{
    const cJSON *module = im->job->module;
    const char *given = json_str(module, "dockerfile"), *path = json_str(module, "path");
    im->file = given != NULL ? xstrdup(given)
                             : xasprintf("%s/Dockerfile", path != NULL ? path : im->module);
    if (file_read_beneath(im->job->checkout, im->file, FILE_MAX, &im->text, err) == 0) {
        image_file_read(im->text.buf, json_get(module, "args"), &im->from);
        return 0;
    }
    bool absent = err->class == ERR_NOT_FOUND;
    err->class = ERR_USER;
    if (absent)
        return err_set(err, ERR_USER,
                       "modules.%s%s: there is no '%s' in the repository: add it, or name another "
                       "as 'dockerfile'",
                       im->module, given != NULL ? ".dockerfile" : "", im->file);
    return err_set(err, ERR_USER, "modules.%s%s: %s: name another as 'dockerfile'", im->module,
                   given != NULL ? ".dockerfile" : "", err->message);
}

/* Before anything is built: another project's repository would take the image all the same, where
 * the role may push there. One without the tag is used as it is, as ecr.repository's are. */
static int check_owner(const struct image *im, const char *arn, struct err *err)
{
    _cleanup_json_ cJSON *input = cJSON_CreateObject(), *output = NULL;
    _cleanup_free_ char *ours = xasprintf("%" PRId64, im->job->context->project);
    json_put_str(input, "resourceArn", arn);
    if (aws_call(im->job->session, "ecr", "ListTagsForResource", input, &output, err) < 0)
        return err_wrap(err, "modules.%s: whose repository '%s' is", im->module, im->repository);
    const cJSON *tag = json_find(json_get(output, "tags"), "Key", ECR_PROJECT_TAG);
    const char *owner = json_str(tag, "Value");
    if (owner == NULL || str_eq(owner, ours))
        return 0;
    return err_set(err, ERR_USER,
                   "modules.%s: repository '%s' is another project's, whose id its tag "
                   "'" ECR_PROJECT_TAG "' says (%s; this one is %s): name another as 'repository'",
                   im->module, im->repository, owner, ours);
}

/* Where to push to; the repository is basic-infra's to make. */
static int find_repository(struct image *im, struct err *err)
{
    const struct context *c = im->job->context;
    _cleanup_json_ cJSON *input = cJSON_CreateObject(), *output = NULL;
    _cleanup_free_ char *tag = image_tag_built(c);
    if (ecr_check_modules(c, im->job->spec, err) < 0)
        return -1;
    im->repository = ecr_repository_name(c, im->job->module);
    json_push_str(json_put_array(input, "repositoryNames"), im->repository);
    if (aws_call(im->job->session, "ecr", "DescribeRepositories", input, &output, err) < 0) {
        if (err->class != ERR_NOT_FOUND)
            return -1;
        return err_set(err, ERR_USER,
                       "modules.%s: repository '%s' does not exist: run the job 'basic-infra'",
                       im->module, im->repository);
    }
    const cJSON *found = json_get(output, "repositories");
    const char *uri = found != NULL ? json_str(found->child, "repositoryUri") : NULL;
    if (uri == NULL)
        return err_set(err, ERR_FAILED, "ECR does not say where '%s' is", im->repository);
    im->uri = xstrdup(uri);
    im->local = xasprintf("%s:%s", uri, tag);
    return check_owner(im, json_str(found->child, "repositoryArn"), err);
}

/* The hash, where all that the image is made of can be known; else says why nothing is skipped. */
static int hash_content(struct image *im, struct err *err)
{
    _cleanup_strlist_ struct strlist bases = STRLIST_INIT;
    if (json_get(im->job->module, "paths") == NULL) {
        log_info("built in any case: modules.%s has no 'paths', which say what its image is made "
                 "of",
                 im->module);
        return 0;
    }
    if (im->from.unknown == NULL && image_bases(im, &bases, &im->from.unknown, err) < 0)
        return -1;
    if (im->from.unknown != NULL) {
        log_info("built in any case: '%s' does not let berth know %s", im->file, im->from.unknown);
        return 0;
    }
    return image_hash(im, &bases, &im->hash, err);
}

/* The image that is there for the content; NULL in *ret: there is none, or it cannot be told. */
static int find_built(struct image *im, cJSON **ret, struct err *err)
{
    _cleanup_strlist_ struct strlist tags = STRLIST_INIT;
    if (hash_content(im, err) < 0)
        return -1;
    if (im->hash == NULL)
        return 0;
    image_tags_of_content(im->job->context, im->hash, &tags);
    return image_find(im, im->repository, &tags, ret, err);
}

static int say_plan(const struct image *im, const cJSON *built)
{
    _cleanup_free_ char *tag = image_tag_built(im->job->context);
    if (built != NULL)
        log_info("nothing to build: the image of content %.*s is there, as %s; it would get the "
                 "tag '%s'",
                 HASH_SHOWN, im->hash, image_digest(built), tag);
    else
        log_info("would build '%s' with '%s' by %s, and push it to %s", im->module, im->file,
                 im->words.v[0], im->local);
    return 0;
}

static void say_pushed(const struct image *im, const cJSON *image, double began, double built)
{
    char first[32], second[32];
    log_info("%s: %s, %.1f MB; built in %s, pushed in %s", im->module, image_digest(image),
             (double)image_size(image) / 1e6, clock_span(built - began, first, sizeof(first)),
             clock_span(clock_now() - built, second, sizeof(second)));
}

/* *ret_code stays below 0 where the build has not ended; *ret_ended is image_push()'s. */
static int pull_and_build(const struct image *im, int *ret_code, bool *ret_ended, struct err *err)
{
    *ret_code = -1;
    if (image_pull_bases(im, ret_ended, err) < 0)
        return -1;
    int r = image_build(im, ret_code, err);
    *ret_ended = *ret_code >= 0;
    return r;
}

/* What may be wrong one after the other: the layers, and the room that is left beside them. */
#define BUILDS 3

/* By layers of earlier builds, where there are any, and once more without where that was too much.
 * What a step of the Dockerfile's own has failed after is as good for the next build. */
static int build(struct image *im, struct err *err)
{
    int code;
    bool ended;
    if (image_cache_take(im, err) < 0)
        return -1;
    int r = pull_and_build(im, &code, &ended, err);
    for (int n = 1; n < BUILDS && r < 0 && code > 0 && image_cache_yields(im, code); n++) {
        err_release(err);
        r = pull_and_build(im, &code, &ended, err);
    }
    image_cache_judge(im, r, code);
    if (r < 0 && ended)
        image_cache_keep(im);
    return r;
}

/* Under one tag of this pipeline's own, by which it is found again. *ret_ended is image_push()'s.
 */
static int push(const struct image *im, double began, bool *ret_ended, struct err *err)
{
    _cleanup_json_ cJSON *image = NULL;
    _cleanup_strlist_ struct strlist tags = STRLIST_INIT;
    _cleanup_free_ char *tag = image_tag_built(im->job->context);
    double built = clock_now();
    strlist_add(&tags, tag);
    if (image_push(im, ret_ended, err) < 0 ||
        image_find(im, im->repository, &tags, &image, err) < 0)
        return -1;
    if (image == NULL)
        return err_set(err, ERR_FAILED,
                       "modules.%s: the image was pushed, but repository '%s' has no tag '%s'",
                       im->module, im->repository, tag);
    say_pushed(im, image, began, built);
    return image_tag_all(im, image, err);
}

/* The layers are good for the next build also where the registry has not taken the image. */
static int build_and_push(struct image *im, struct err *err)
{
    double began = clock_now();
    bool ended = false;
    if (build(im, err) < 0)
        return -1;
    int r = push(im, began, &ended, err);
    if (ended)
        image_cache_keep(im);
    return r;
}

static int make(struct image *im, struct err *err)
{
    _cleanup_json_ cJSON *built = NULL;
    if (find_built(im, &built, err) < 0)
        return -1;
    if (im->job->plan)
        return say_plan(im, built);
    if (built == NULL)
        return build_and_push(im, err);
    log_info("nothing to build: the image of content %.*s is there", HASH_SHOWN, im->hash);
    return image_tag_all(im, built, err);
}

static int image_work(const struct tool_job *job, struct err *err)
{
    _cleanup_image_ struct image im = IMAGE_INIT;
    im.job = job;
    im.module = job->part;
    if (read_file(&im, err) < 0 || find_repository(&im, err) < 0 ||
        image_builder_find(&im, err) < 0)
        return -1;
    int r = make(&im, err);
    image_builder_clean(&im);
    return r;
}

extern const struct tool_driver image_tool;
const struct tool_driver image_tool = {
    .name = "image",
    .setting = "builder",
    .package = "Debian's package 'buildah'",
    .attempt = image_attempt,
    .needs_environment = true,
    .work = image_work,
};
