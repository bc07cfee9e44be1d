/* SPDX-License-Identifier: MIT */
/*
 * Before the first write: images that the spec names itself are there, if they lie in ECR of the
 * environment's region. Modules' images are looked up anyway; other registries are not asked.
 */
#include "drivers/aws/together.h"
#include "drivers/ecr.h"

/* The images of one repository that are asked for. */
struct asking {
    struct session *session;
    cJSON *input;
    cJSON *output;
    struct err err;
};

/* An image of ECR by its parts; each is the caller's. */
struct reference {
    char *registry, *repository, *tag, *digest;
};

static void reference_release(struct reference *r)
{
    free(r->registry);
    free(r->repository);
    free(r->tag);
    free(r->digest);
}

static bool is_account(const char *text)
{
    return strspn(text, "0123456789") == 12;
}

/*
 * "123456789012.dkr.ecr.us-east-1.amazonaws.com/name:tag", or "@sha256:...", or both, of which the
 * digest counts; without either it is "latest". False if it is not of ECR in that region.
 */
static bool reference_read(const char *image, const char *region, struct reference *ret)
{
    _cleanup_free_ char *host = xasprintf(".dkr.ecr.%s.amazonaws.com", region);
    if (!is_account(image) || !str_starts(image + 12, host))
        return false;
    const char *name = image + 12 + strlen(host);
    if (str_starts(name, ".cn"))
        name += strlen(".cn");
    if (*name++ != '/')
        return false;
    size_t len = strcspn(name, ":@");
    const char *at = strchr(name, '@');
    const char *tag = name[len] == ':' ? name + len + 1 : NULL;
    *ret = (struct reference){ .registry = xstrndup(image, 12), .repository = xstrndup(name, len) };
    if (at != NULL)
        ret->digest = xstrdup(at + 1);
    else
        ret->tag = xstrdup(tag != NULL ? tag : "latest");
    return true;
}

static struct asking *asking_find(struct asking **askings, size_t *n, struct session *s,
                                  const struct reference *r)
{
    for (size_t i = 0; i < *n; i++) {
        const cJSON *input = (*askings)[i].input;
        if (str_eq(json_str(input, "registryId"), r->registry) &&
            str_eq(json_str(input, "repositoryName"), r->repository))
            return &(*askings)[i];
    }
    *askings = xrealloc_array(*askings, *n + 1, sizeof(**askings));
    struct asking *a = &(*askings)[(*n)++];
    *a = (struct asking){ .session = s, .input = cJSON_CreateObject() };
    json_put_str(a->input, "registryId", r->registry);
    json_put_str(a->input, "repositoryName", r->repository);
    json_put_array(a->input, "imageIds");
    ecr_accept_all(a->input);
    return a;
}

/* Which member of an image id says it, and its value. */
static const char *member_of(const struct reference *r)
{
    return r->digest != NULL ? "imageDigest" : "imageTag";
}

static const char *value_of(const struct reference *r)
{
    return r->digest != NULL ? r->digest : r->tag;
}

static int asking_run(void *context, struct err *err)
{
    struct asking *a = context;
    (void)err; /* each has its own */
    aws_call(a->session, "ecr", "BatchGetImage", a->input, &a->output, &a->err);
    return 0;
}

static bool is_found(const cJSON *images, const struct reference *r)
{
    const cJSON *image;
    cJSON_ArrayForEach (image, images)
        if (str_eq(json_str(json_get(image, "imageId"), member_of(r)), value_of(r)))
            return true;
    return false;
}

static void judge(struct preflight *p, const struct asking *a, const struct reference *r,
                  const char *path, const char *image)
{
    if (a->err.class == ERR_NOT_FOUND)
        preflight_problem(p, ERR_USER, path,
                          "there is no repository '%s' in the registry %s of %s, from which '%s' "
                          "is to come; correct the name, or push the image first",
                          r->repository, r->registry, session_region(p->session), image);
    else if (a->err.class != ERR_NONE)
        preflight_unknown(p, "whether the images that the spec names exist", &a->err);
    else if (!is_found(json_get(a->output, "images"), r))
        preflight_problem(p, ERR_USER, path,
                          "repository '%s' has no image '%s'; correct the %s, or push the image "
                          "first",
                          r->repository, value_of(r), r->digest != NULL ? "digest" : "tag");
}

typedef void (*image_fn)(void *context, const struct resource *r, const char *image,
                         const struct reference *reference);

/* What the spec itself names in task definitions, all or those that change: a module's image is a
 * reference. */
static void each_image(const struct graph *g, bool only_planned, image_fn fn, void *context)
{
    for (size_t i = 0; i < g->n; i++) {
        const struct resource *r = g->v[i];
        if (!str_eq(r->type->name, "ecs.task_definition") || r->want == NULL ||
            (only_planned && !preflight_concerns(r)))
            continue;
        const cJSON *container;
        cJSON_ArrayForEach (container, json_get(r->want, "containerDefinitions")) {
            _cleanup_(reference_release) struct reference reference = { 0 };
            const char *image = json_str(container, "image");
            if (image != NULL && reference_read(image, g->context.region, &reference))
                fn(context, r, image, &reference);
        }
    }
}

struct images {
    struct preflight *p;
    struct asking *askings;
    size_t n;
};

static void image_ask(void *context, const struct resource *r, const char *image,
                      const struct reference *reference)
{
    struct images *all = context;
    (void)r, (void)image;
    struct asking *a = asking_find(&all->askings, &all->n, all->p->session, reference);
    cJSON *ids = json_get(a->input, "imageIds");
    if (json_find(ids, member_of(reference), value_of(reference)) == NULL)
        json_put_str(json_push(ids, cJSON_CreateObject()), member_of(reference),
                     value_of(reference));
}

static void image_judge(void *context, const struct resource *r, const char *image,
                        const struct reference *reference)
{
    struct images *all = context;
    _cleanup_free_ char *path = xasprintf("%s.image", r->origin);
    judge(all->p, asking_find(&all->askings, &all->n, all->p->session, reference), reference, path,
          image);
}

void ecr_images_preflight(struct preflight *p)
{
    struct images all = { .p = p };
    each_image(p->g, true, image_ask, &all);
    struct together_task *tasks = xcalloc(all.n + 1, sizeof(*tasks));
    for (size_t i = 0; i < all.n; i++)
        tasks[i] = (struct together_task){ asking_run, &all.askings[i] };
    _cleanup_err_ struct err err = ERR_INIT;
    together_run(tasks, all.n, &err);
    free(tasks);
    each_image(p->g, true, image_judge, &all);
    for (size_t i = 0; i < all.n; i++) {
        json_freep(&all.askings[i].input);
        json_freep(&all.askings[i].output);
        err_release(&all.askings[i].err);
    }
    free(all.askings);
}

static void add_repository(void *context, const struct resource *r, const char *image,
                           const struct reference *reference)
{
    struct strlist *list = context;
    (void)image;
    if (str_eq(reference->registry, r->graph->context.account) &&
        !strlist_has(list, reference->repository))
        strlist_add(list, reference->repository);
}

void ecr_named_repositories(const struct graph *g, struct strlist *ret)
{
    each_image(g, false, add_repository, ret);
}
