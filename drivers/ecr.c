/* SPDX-License-Identifier: MIT */
#include "drivers/ecr.h"

#include <inttypes.h>

#include "drivers/common.h"
#include "drivers/driver.h"

/*
 * Image repositories, which all branches share, and the lookup of a module's image in its
 * repository. An image is resolved to its digest, so that a pipeline that built nothing new
 * restarts nothing.
 */
static const struct resource_type repository_type;
static const struct resource_type image_type;

static const char *const repository_members[] = { "repositoryName", "imageTagMutability",
                                                  "imageScanningConfiguration", NULL };

static void repository_take(struct resource *r, const cJSON *repository)
{
    r->observed = true;
    if (repository == NULL) {
        resource_set_have(r, NULL);
        return;
    }
    resource_set_have(r, json_pick(repository, repository_members));
    resource_set_output(r, "RepositoryUri", json_str(repository, "repositoryUri"));
    resource_set_output(r, "Arn", json_str(repository, "repositoryArn"));
}

/* One missing repository fails the call for all of them; then the whole registry is listed. */
static int repository_observe(struct session *s, struct resource *const *r, size_t n,
                              struct err *err)
{
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    cJSON *names = json_put_array(input, "repositoryNames");
    for (size_t i = 0; i < n; i++)
        json_push_str(names, r[i]->name);
    _cleanup_json_ cJSON *repositories = NULL;
    _cleanup_err_ struct err failure = ERR_INIT;
    if (aws_call_all(s, "ecr", "DescribeRepositories", input, "repositories", &repositories,
                     &failure) < 0) {
        if (failure.class != ERR_NOT_FOUND)
            return err_move(err, &failure);
        if (aws_call_all(s, "ecr", "DescribeRepositories", NULL, "repositories", &repositories,
                         err) < 0)
            return -1;
    }
    for (size_t i = 0; i < n; i++)
        repository_take(r[i], json_find(repositories, "repositoryName", r[i]->name));
    return 0;
}

static int repository_create(struct session *s, struct resource *r, struct err *err)
{
    _cleanup_json_ cJSON *input = json_dup(r->target), *tags = cJSON_CreateObject();
    json_put_strf(tags, ECR_PROJECT_TAG, "%" PRId64, r->graph->context.project);
    json_put(input, "tags", tags_to_list(tags, "Key", "Value"));
    _cleanup_json_ cJSON *output = NULL;
    if (aws_call(s, "ecr", "CreateRepository", input, &output, err) < 0)
        return -1;
    repository_take(r, json_get(output, "repository"));
    return 0;
}

static int repository_put(struct session *s, struct resource *r, const char *action,
                          const char *member, struct err *err)
{
    const cJSON *value = json_get(r->target, member);
    if (value == NULL || json_equal(value, json_get(r->have, member)))
        return 0;
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    json_put_str(input, "repositoryName", r->name);
    json_copy(input, r->target, member);
    return aws_call(s, "ecr", action, input, NULL, err);
}

static int repository_update(struct session *s, struct resource *r, struct err *err)
{
    if (repository_put(s, r, "PutImageTagMutability", "imageTagMutability", err) < 0 ||
        repository_put(s, r, "PutImageScanningConfiguration", "imageScanningConfiguration", err) <
            0)
        return -1;
    resource_set_have(r, json_dup(r->target));
    return 0;
}

/* The image with the best of the tags asked for, which come best first. */
static const cJSON *image_best(const cJSON *asked, const cJSON *images)
{
    const cJSON *id;
    cJSON_ArrayForEach (id, asked) {
        const cJSON *image;
        cJSON_ArrayForEach (image, images) {
            const cJSON *found = json_get(image, "imageId");
            if (str_eq(json_str(found, "imageTag"), json_str(id, "imageTag")) &&
                json_str(found, "imageDigest") != NULL)
                return image;
        }
    }
    return NULL;
}

static void image_missing(struct resource *r)
{
    _cleanup_strbuf_ struct strbuf tags = STRBUF_INIT;
    const cJSON *id;
    cJSON_ArrayForEach (id, json_get(r->want, "imageIds"))
        strbuf_addf(&tags, "%s'%s'", tags.len > 0 ? ", " : "", json_str(id, "imageTag"));
    resource_set_have(r, NULL);
    resource_set_missing(
        r, "no image of '%s': repository '%s' has none of the tags %s; run '%s-build'", r->label,
        json_str(r->want, "repositoryName"), tags.buf, r->label);
}

static void image_take(struct resource *r, const cJSON *image)
{
    const char *repository = json_str(r->want, "repositoryName");
    const char *digest = json_str_at(image, "imageId/imageDigest");
    _cleanup_free_ char *address = xasprintf("ecr.repository/%s", repository);
    const char *uri = resource_output(r->graph, address, "RepositoryUri");
    _cleanup_free_ char *text = xasprintf("%s@%s", uri, digest);
    resource_set_have(r, json_dup(json_get(image, "imageId")));
    resource_set_output(r, "Image", text);
    resource_set_output(r, "Digest", digest);
    resource_set_output(r, "Tag", json_str_at(image, "imageId/imageTag"));
}

/* All there are: ECR translates an image that is of none of the types accepted, and what it then
 * gives has another digest: that of one platform of several.
 * https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-manifest-formats.html */
void ecr_accept_all(cJSON *input)
{
    static const char *const types[] = {
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
    };
    cJSON *accepted = json_put_array(input, "acceptedMediaTypes");
    for (size_t i = 0; i < ARRAY_SIZE(types); i++)
        json_push_str(accepted, types[i]);
}

static int image_look(struct session *s, struct resource *r, struct err *err)
{
    r->observed = true;
    _cleanup_free_ char *address =
        xasprintf("ecr.repository/%s", json_str(r->want, "repositoryName"));
    if (resource_output(r->graph, address, "RepositoryUri") == NULL) {
        image_missing(r);
        return 0;
    }
    _cleanup_json_ cJSON *input = json_dup(r->want);
    ecr_accept_all(input);
    _cleanup_json_ cJSON *output = NULL;
    _cleanup_err_ struct err failure = ERR_INIT;
    if (aws_call(s, "ecr", "BatchGetImage", input, &output, &failure) < 0 &&
        failure.class != ERR_NOT_FOUND)
        return err_move(err, &failure);
    const cJSON *image = image_best(json_get(r->want, "imageIds"), json_get(output, "images"));
    if (image != NULL)
        image_take(r, image);
    else
        image_missing(r);
    return 0;
}

static int image_observe(struct session *s, struct resource *const *r, size_t n, struct err *err)
{
    for (size_t i = 0; i < n; i++)
        if (image_look(s, r[i], err) < 0)
            return -1;
    return 0;
}

char *ecr_repository_name(const struct context *c, const cJSON *module)
{
    const char *name = json_str(module, "repository");
    return name ? xstrdup(name) : xasprintf("%s-%s", c->prefix, module->string);
}

char *ecr_repository_of(const struct graph *g, const cJSON *module)
{
    return ecr_repository_name(&g->context, module);
}

/* Names the one that stands later, which is the one that was added. */
int ecr_check_modules(const struct context *c, const cJSON *spec, struct err *err)
{
    _cleanup_json_ cJSON *owners = cJSON_CreateObject();
    const cJSON *module;
    cJSON_ArrayForEach (module, json_get(spec, "modules")) {
        _cleanup_free_ char *name = ecr_repository_name(c, module);
        const char *owner = json_str(owners, name);
        if (owner != NULL)
            return err_set(err, ERR_USER,
                           "modules.%s.repository: '%s' is the repository of module '%s' already, "
                           "and one would run the other's images, which have the same tags: name "
                           "another, or let services share one module",
                           module->string, name, owner);
        json_put_str(owners, name, module->string);
    }
    return 0;
}

char *ecr_shared_tag(const struct context *c)
{
    return xasprintf("%s-master", c->prefix);
}

static void tag_add(cJSON *ids, const char *tag)
{
    if (json_find(ids, "imageTag", tag) == NULL)
        json_put_str(json_push(ids, cJSON_CreateObject()), "imageTag", tag);
}

/* The tags to look for, best first: this pipeline's, the branch's, production's, the module's. */
static cJSON *image_ids(const struct context *c, const cJSON *module)
{
    cJSON *ids = cJSON_CreateArray();
    if (c->pipeline > 0) {
        _cleanup_free_ char *built = xasprintf("%s-%" PRId64, c->environment, c->pipeline);
        tag_add(ids, built);
    }
    tag_add(ids, c->environment);
    _cleanup_free_ char *shared = ecr_shared_tag(c);
    tag_add(ids, shared);
    const cJSON *tag;
    cJSON_ArrayForEach (tag, json_get(module, "tags"))
        tag_add(ids, cJSON_GetStringValue(tag));
    return ids;
}

int ecr_want_image(struct graph *g, const cJSON *spec, const char *module, const char *path,
                   struct err *err)
{
    _cleanup_free_ char *address = xasprintf("ecr.image/%s", module);
    if (graph_find(g, address) != NULL)
        return 0;
    const cJSON *declared = json_get(json_get(spec, "modules"), module);
    if (declared == NULL)
        return err_set(
            err, ERR_USER,
            "%s: there is no module '%s'; declare it under 'modules', or name an 'image'", path,
            module);
    _cleanup_free_ char *repository = ecr_repository_of(g, declared);
    cJSON *want = cJSON_CreateObject();
    json_put_str(want, "repositoryName", repository);
    json_put(want, "imageIds", image_ids(&g->context, declared));
    _cleanup_free_ char *origin = xasprintf("modules.%s", module);
    return graph_add(g, &image_type, module, repository, origin, want, NULL, err);
}

static int repository_want(struct graph *g, const char *name, const cJSON *settings,
                           const char *origin, struct err *err)
{
    _cleanup_free_ char *address = xasprintf("ecr.repository/%s", name);
    if (graph_find(g, address) != NULL)
        return 0;
    if (strlen(name) < 2 || strlen(name) > 256)
        return err_set(err, ERR_USER,
                       "%s: a repository's name has 2 to 256 characters, '%s' has %zu", origin,
                       name, strlen(name));
    cJSON *want = settings != NULL ? json_pick(settings, repository_members) : cJSON_CreateObject();
    json_put_str(want, "repositoryName", name);
    return graph_add(g, &repository_type, name, name, origin, want, NULL, err);
}

static int ecr_want(struct graph *g, const cJSON *spec, struct err *err)
{
    const cJSON *repository;
    if (ecr_check_modules(&g->context, spec, err) < 0)
        return -1;
    cJSON_ArrayForEach (repository, json_get(spec, "repositories")) {
        _cleanup_strbuf_ struct strbuf origin = STRBUF_INIT;
        strbuf_adds(&origin, "repositories");
        json_path_key(&origin, repository->string);
        if (repository_want(g, repository->string, repository, origin.buf, err) < 0)
            return -1;
    }
    const cJSON *module;
    cJSON_ArrayForEach (module, json_get(spec, "modules")) {
        _cleanup_free_ char *name = ecr_repository_of(g, module);
        _cleanup_free_ char *origin = xasprintf("modules.%s", module->string);
        if (repository_want(g, name, NULL, origin, err) < 0)
            return -1;
    }
    return 0;
}

static const char *const repository_stable[] = { "RepositoryUri", "Arn", NULL };
static const char *const after_repository[] = { "ecr.repository", NULL };

static const struct resource_type repository_type = {
    .name = "ecr.repository",
    .singular = "repository",
    .plural = "repositories",
    .scope = SCOPE_ACCOUNT,
    .batch = 100,
    .stable = repository_stable,
    .observe = repository_observe,
    .create = repository_create,
    .update = repository_update,
};

static const struct resource_type image_type = {
    .name = "ecr.image",
    .singular = "image",
    .plural = "images",
    .scope = SCOPE_LOOKUP,
    .batch = 1,
    .after = after_repository,
    .observe = image_observe,
};

static const struct resource_type *const ecr_types[] = { &repository_type, &image_type,
                                                         &ecr_image_tags_type, NULL };

extern const struct driver ecr_driver;
const struct driver ecr_driver = {
    .name = "ecr",
    .types = ecr_types,
    .permissions = ecr_permissions,
    .want = ecr_want,
    .preflight = ecr_images_preflight,
};
