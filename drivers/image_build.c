/* SPDX-License-Identifier: MIT */
/*
 * The build itself. The context is the whole project, as GitLab's runner has checked it out; all
 * output goes to the job log as it comes. Nothing that deploys is within a build's reach: it runs
 * as the job's user, and there is no login to a registry yet.
 */
#include "drivers/image.h"

#include <inttypes.h>

#include "executor/base/log.h"

static void add_label(struct strlist *arguments, const char *name, const char *value)
{
    if (value != NULL)
        strlist_addf(arguments, "--label=%s=%s", name, value);
}

/* https://github.com/opencontainers/image-spec/blob/main/annotations.md, and berth's own. */
static void add_labels(const struct image *im, struct strlist *arguments)
{
    const struct tool_job *job = im->job;
    const struct context *c = job->context;
    _cleanup_free_ char *pipeline = xasprintf("%" PRId64, c->pipeline);
    add_label(arguments, "org.opencontainers.image.revision", job->variable(job, "CI_COMMIT_SHA"));
    add_label(arguments, "org.opencontainers.image.source", job->variable(job, "CI_PROJECT_URL"));
    add_label(arguments, "berth.environment", c->environment);
    add_label(arguments, "berth.module", im->module);
    add_label(arguments, "berth.pipeline", pipeline);
    add_label(arguments, "berth.content", im->hash);
}

/*
 * The daemon of docker may have an older base than was looked at. What image_pull_bases() has
 * fetched, the build has no login to ask for again: "--pull=false" fetches what is not there
 * (buildah-build(1), podman-build(1)), which is what docker does by itself. Where an earlier
 * build's bases are there, the registry must answer: by itself buildah would take one that it has
 * when it asks for a newer one in vain, and the image would be none of the content that it says.
 */
static void add_pull(const struct image *im, struct strlist *arguments)
{
    if (im->program == IMAGE_DOCKER) {
        if (!image_has_own_bases(im))
            strlist_add(arguments, "--pull");
    } else if (image_has_own_bases(im)) {
        strlist_add(arguments, "--pull=false");
    } else if (im->layers.storage != NULL) {
        strlist_add(arguments, im->program == IMAGE_PODMAN ? "--pull=always" : "--pull-always");
    }
}

static void build_arguments(const struct image *im, struct strlist *arguments)
{
    const cJSON *module = im->job->module, *arg;
    image_add_build(im, arguments);
    strlist_addf(arguments, "--file=%s", im->file);
    strlist_addf(arguments, "--tag=%s", im->local);
    add_pull(im, arguments);
    image_add_certificates(im, arguments);
    cJSON_ArrayForEach (arg, json_get(module, "args"))
        strlist_addf(arguments, "--build-arg=%s=%s", arg->string, arg->valuestring);
    if (json_str(module, "target") != NULL)
        strlist_addf(arguments, "--target=%s", json_str(module, "target"));
    if (json_str(module, "platform") != NULL)
        strlist_addf(arguments, "--platform=%s", json_str(module, "platform"));
    add_labels(im, arguments);
    strlist_add(arguments, ".");
}

int image_build(const struct image *im, int *ret_code, struct err *err)
{
    _cleanup_strlist_ struct strlist arguments = STRLIST_INIT;
    _cleanup_tool_end_ struct tool_end end = TOOL_END_INIT;
    int64_t kills = image_oom_kills();
    build_arguments(im, &arguments);
    log_info("%s builds '%s' with '%s'", im->words.v[0], im->module, im->file);
    int r = image_builder_run_shown(im, &arguments, image_seconds(im), &end, err);
    if (r == 0 && end.code != 0)
        r = image_failed(im, &end, kills, ret_code, err);
    else if (r == 0)
        *ret_code = 0;
    return r < 0 ? err_wrap(err, "modules.%s: the image was not built", im->module) : 0;
}
