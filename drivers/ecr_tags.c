/* SPDX-License-Identifier: MIT */
/*
 * The tags that an environment's builds have given to images: "<environment>" and
 * "<environment>-<pipeline>". They go with it, and nothing else in the repositories, which all
 * branches share: never an image by its digest, nor a tag that only begins alike. AWS keeps an
 * image as long as any tag names it:
 * https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_BatchDeleteImage.html
 */
#include <ctype.h>
#include <inttypes.h>

#include "drivers/ecr.h"
#include "drivers/tagged.h"

#define DELETED_AT_ONCE 100  /* as many as BatchDeleteImage takes */
#define LISTED_AT_ONCE  1000 /* as many as a page has */

bool ecr_tag_is_ours(const struct context *c, const char *tag, int64_t *ret_pipeline)
{
    size_t len = strlen(c->environment);
    *ret_pipeline = 0;
    if (tag == NULL || strncmp(tag, c->environment, len) != 0)
        return false;
    if (tag[len] == '\0')
        return true;
    const char *number = tag + len + 1;
    return tag[len] == '-' && isdigit((unsigned char)*number) && *number != '0' &&
           str_to_int64(number, 1, INT64_MAX, ret_pipeline) == 0;
}

static bool tag_is_ours(const struct context *c, const char *tag)
{
    int64_t pipeline;
    return ecr_tag_is_ours(c, tag, &pipeline);
}

/* The repositories that say which project's they are: {ARN: project}. */
static int projects_read(struct session *s, cJSON **ret, struct err *err)
{
    _cleanup_json_ cJSON *found = NULL;
    if (tagged_find(s, ECR_PROJECT_TAG, NULL, "ecr:repository", &found, err) < 0)
        return -1;
    cJSON *projects = cJSON_CreateObject();
    const cJSON *one;
    cJSON_ArrayForEach (one, found)
        json_put_str(projects, json_str(one, "ResourceARN"),
                     json_str(json_get(one, "Tags"), ECR_PROJECT_TAG));
    *ret = projects;
    return 0;
}

/* A repository is the project's whose tag it has; without one, its name's prefix tells. */
static bool repository_is_ours(const struct context *c, const char *name, const char *owner)
{
    _cleanup_free_ char *project = xasprintf("%" PRId64, c->project);
    _cleanup_free_ char *prefix = xasprintf("%s-", c->prefix);
    return owner != NULL ? str_eq(owner, project) : str_starts(name, prefix);
}

/*
 * Only what a teardown asks for: a deploy has no use for it. The tags of the environment whose
 * images other branches take where they have none of their own are theirs as well, and stay.
 */
static int tags_discover(struct session *s, struct graph *g, struct err *err)
{
    const struct context *c = &g->context;
    _cleanup_free_ char *shared = ecr_shared_tag(c);
    if (!c->teardown || str_eq(shared, c->environment))
        return 0;
    _cleanup_json_ cJSON *repositories = NULL, *projects = NULL;
    if (aws_call_all(s, "ecr", "DescribeRepositories", NULL, "repositories", &repositories, err) <
            0 ||
        projects_read(s, &projects, err) < 0)
        return -1;
    const cJSON *one;
    cJSON_ArrayForEach (one, repositories) {
        const char *name = json_str(one, "repositoryName");
        const char *owner = json_str(projects, json_str(one, "repositoryArn"));
        if (name != NULL && repository_is_ours(c, name, owner)) {
            _cleanup_free_ char *tag = xasprintf("%s:%s", name, c->environment);
            graph_found(g, &ecr_image_tags_type, name, tag);
        }
    }
    return 0;
}

/* A policy has the repositories of one spec: into others of the project the environment's builds
 * have hardly pushed. */
static int tags_list(struct session *s, struct resource *r, cJSON **ret, struct err *err)
{
    r->unseen = false;
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    json_put_str(input, "repositoryName", r->label);
    json_put_str(json_put_object(input, "filter"), "tagStatus", "TAGGED");
    json_put_int(input, "maxResults", LISTED_AT_ONCE);
    _cleanup_err_ struct err failure = ERR_INIT;
    if (aws_call_all(s, "ecr", "ListImages", input, "imageIds", ret, &failure) == 0)
        return 0;
    if (failure.class != ERR_NOT_FOUND && failure.class != ERR_DENIED)
        return err_move(err, &failure);
    r->unseen = failure.class == ERR_DENIED;
    if (r->unseen) {
        graph_warn(r->graph,
                   "repository '%s' is left out: berth may not see whether '%s' has tagged images "
                   "in it: %s",
                   r->label, r->graph->context.environment, failure.message);
        r->graph->n_unseen++;
    }
    *ret = cJSON_CreateArray();
    return 0;
}

/* "content-<hash>" and "branch-content-<hash>", which say by what an image was made (image_tag.c).
 */
static bool tag_is_of_content(const char *tag)
{
    size_t len = str_starts(tag, ECR_BRANCH_CONTENT_TAG) ? strlen(ECR_BRANCH_CONTENT_TAG)
                 : str_starts(tag, ECR_CONTENT_TAG)      ? strlen(ECR_CONTENT_TAG)
                                                         : 0;
    return len > 0 && strlen(tag + len) == 64 && strspn(tag + len, "0123456789abcdef") == 64;
}

/* Whether the environment alone has given the image of that digest tags, but for its content's. */
static bool image_is_ours(const struct context *c, const cJSON *images, const char *digest)
{
    bool ours = false;
    const cJSON *image;
    cJSON_ArrayForEach (image, images) {
        const char *tag = json_str(image, "imageTag");
        if (tag == NULL || !str_eq(json_str(image, "imageDigest"), digest) ||
            tag_is_of_content(tag))
            continue;
        if (!tag_is_ours(c, tag))
            return false;
        ours = true;
    }
    return ours;
}

/* That a tag bears the environment's name says whose it is. What says by which content an image was
 * made goes with the last of the others: it would keep for ever what nobody runs. */
static int tags_look(struct session *s, struct resource *r, struct err *err)
{
    const struct context *c = &r->graph->context;
    _cleanup_json_ cJSON *images = NULL, *have = cJSON_CreateObject();
    if (tags_list(s, r, &images, err) < 0)
        return -1;
    cJSON *tags = json_put_array(have, "imageTags");
    const cJSON *image;
    cJSON_ArrayForEach (image, images) {
        const char *tag = json_str(image, "imageTag");
        if (tag_is_ours(c, tag) || (tag != NULL && tag_is_of_content(tag) &&
                                    image_is_ours(c, images, json_str(image, "imageDigest"))))
            json_push_str(tags, tag);
    }
    json_sort(tags, NULL);
    resource_set_have(r, json_count(tags) > 0 ? steal_ptr(&have) : NULL);
    cJSON_Delete(r->tags);
    r->tags = tags_wanted(r->graph, r->label);
    r->observed = true;
    return 0;
}

static int tags_observe(struct session *s, struct resource *const *r, size_t n, struct err *err)
{
    for (size_t i = 0; i < n; i++)
        if (tags_look(s, r[i], err) < 0)
            return -1;
    return 0;
}

/* What is gone is gone. What a list of images still holds goes once that list is gone, which may
 * have happened in the same call. */
static int failures_sort(const cJSON *output, cJSON *held, struct err *err)
{
    const cJSON *failure;
    cJSON_ArrayForEach (failure, json_get(output, "failures")) {
        const char *code = json_str(failure, "failureCode");
        const char *tag = json_str_at(failure, "imageId/imageTag");
        if (str_eq(code, "ImageReferencedByManifestList"))
            json_push_str(held, tag);
        else if (!str_eq(code, "ImageNotFound"))
            return err_set(err, ERR_FAILED, "ECR does not take tag '%s' off: %s: %s", tag, code,
                           json_str(failure, "failureReason"));
    }
    return 0;
}

/* Empties `tags`; those that are held are added to `held`. *ret_gone counts the others. */
static int tags_delete(struct session *s, const struct resource *r, cJSON *tags, cJSON *held,
                       size_t *ret_gone, struct err *err)
{
    size_t all = json_count(tags);
    while (json_count(tags) > 0) {
        _cleanup_json_ cJSON *input = cJSON_CreateObject(), *output = NULL;
        json_put_str(input, "repositoryName", r->label);
        cJSON *ids = json_put_array(input, "imageIds");
        while (json_count(tags) > 0 && json_count(ids) < DELETED_AT_ONCE) {
            cJSON *id = json_push(ids, cJSON_CreateObject());
            json_put(id, "imageTag", cJSON_DetachItemFromArray(tags, 0));
        }
        if (aws_call(s, "ecr", "BatchDeleteImage", input, &output, err) < 0 ||
            failures_sort(output, held, err) < 0)
            return -1;
    }
    *ret_gone = all - json_count(held);
    return 0;
}

static int tags_remove(struct session *s, struct resource *r, struct err *err)
{
    _cleanup_json_ cJSON *tags = json_dup(json_get(r->have, "imageTags"));
    size_t gone = 0;
    for (;;) {
        _cleanup_json_ cJSON *held = cJSON_CreateArray();
        if (tags_delete(s, r, tags, held, &gone, err) < 0)
            return -1;
        if (json_count(held) == 0)
            return 0;
        if (gone == 0)
            return err_set(err, ERR_CONFLICT,
                           "tag '%s' in repository '%s' is the last of an image that a list of "
                           "images refers to: delete that list, or give the image another tag",
                           cJSON_GetStringValue(held->child), r->label);
        cJSON_Delete(tags);
        tags = steal_ptr(&held);
    }
}

/* A task that is started anew pulls its image. */
static const char *const tags_gone_first[] = { "ecs.service", NULL };

const struct resource_type ecr_image_tags_type = {
    .name = "ecr.image_tags",
    .singular = "repository's image tags",
    .plural = "repositories' image tags",
    .scope = SCOPE_ENVIRONMENT,
    .batch = 1,
    .gone_first = tags_gone_first,
    .discover = tags_discover,
    .observe = tags_observe,
    .remove = tags_remove,
};
