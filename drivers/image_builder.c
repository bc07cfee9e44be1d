/* SPDX-License-Identifier: MIT */
/*
 * Which program builds, and how it is called.
 *
 * buildah and podman keep images in a storage of the job's own, in its TMPDIR, which goes with the
 * job: no job finds another's images, and what is killed leaves nothing. The driver "vfs" needs
 * neither a kernel's help nor privileges, and `ignore_chown_errors` has it keep files of ids that
 * the job's user has not got as the user's own (containers-storage.conf(5)). They run as root of a
 * user namespace (tool.h), and with `--isolation chroot`, which needs no cgroup, no runtime and no
 * network of its own (buildah-build(1)). Where layers are kept it is another storage
 * (image_cache.c).
 *
 * docker builds in a daemon, which keeps its images: the job's is removed from there.
 */
#include "drivers/image.h"

#include <unistd.h>

#include "executor/base/file.h"
#include "executor/base/log.h"
#include "executor/base/process.h"
#include "executor/base/random.h"

/* Whether a program works here at all is said, or not, within that time. */
#define PROBE_SECONDS 60
#define CLEAN_SECONDS 120
/* Where the host config says nothing of "buildSeconds". */
#define BUILD_SECONDS 3600
#define PROGRAMS      "buildah, podman or docker"

struct program {
    const char *name;
    enum image_program program;
};

static const struct program programs[];
static const size_t n_programs;

/* The program's name may have a path in front: "/opt/bin/podman". */
static const struct program *program_find(const char *word)
{
    const char *slash = strrchr(word, '/');
    for (size_t i = 0; i < n_programs; i++)
        if (str_eq(programs[i].name, slash != NULL ? slash + 1 : word))
            return &programs[i];
    return NULL;
}

/*
 * podman takes a runroot of 50 characters at most, for sockets in it (libpod/runtime.go, "the
 * specified runroot is longer than 50 characters"), and a job's TMPDIR has more. A name that nobody
 * knows beforehand, of the user's once it is there, goes from /tmp as all that a user leaves.
 */
static char *runroot_new(const struct image *im)
{
    return im->program == IMAGE_PODMAN ? random_name("/tmp/berth-run-", 8)
                                       : xasprintf("%s/images-run", im->job->tmp);
}

static char *storage_path(const struct image *im)
{
    const char *layers = im->layers.storage;
    return xasprintf("%s/%s", im->job->tmp, layers != NULL ? layers : "images");
}

static void add_storage(const struct image *im, struct strlist *words)
{
    const char *driver = im->layers.storage != NULL ? "overlay" : "vfs";
    _cleanup_free_ char *path = storage_path(im);
    strlist_addf(words, "--root=%s", path);
    strlist_addf(words, "--runroot=%s", im->runroot);
    strlist_addf(words, "--storage-driver=%s", driver);
    strlist_addf(words, "--storage-opt=%s.ignore_chown_errors=true", driver);
}

/* "overlay" is mounted, which takes a mount namespace of the user namespace's. */
static void add_program(const struct image *im, struct strlist *words)
{
    static const char *const own_mounts[] = { "unshare", "--mount", "--" };
    for (size_t i = 0; im->layers.storage != NULL && i < ARRAY_SIZE(own_mounts); i++)
        strlist_add(words, own_mounts[i]);
    for (size_t i = 0; i < im->words.n; i++)
        strlist_add(words, im->words.v[i]);
    if (im->program != IMAGE_DOCKER)
        add_storage(im, words);
}

static void set_program(struct image *im, const struct program *p, const cJSON *words)
{
    const cJSON *word;
    strlist_release(&im->words);
    im->program = p->program;
    cJSON_ArrayForEach (word, words)
        strlist_add(&im->words, word->valuestring);
    if (words == NULL)
        strlist_add(&im->words, p->name);
    free(im->runroot);
    im->runroot = runroot_new(im);
}

unsigned image_seconds(const struct image *im)
{
    return (unsigned)json_int(im->job->host, "buildSeconds", BUILD_SECONDS);
}

static int run(const struct image *im, const struct strlist *arguments, int handed,
               unsigned seconds, bool shown, struct tool_end *ret, struct err *err)
{
    _cleanup_strlist_ struct strlist words = STRLIST_INIT, env = STRLIST_INIT;
    add_program(im, &words);
    for (size_t i = 0; i < arguments->n; i++)
        strlist_add(&words, arguments->v[i]);
    if (im->program == IMAGE_DOCKER && handed != 0)
        strlist_addf(&env, "DOCKER_CONFIG=%s/docker-login", im->job->tmp);
    const struct tool_call call = {
        .argv = words.v,
        .env = env.n > 0 ? &env : NULL,
        .handed = handed,
        .seconds = seconds,
        .capture = !shown,
        .capture_errors = !shown,
        .keep_errors = shown,
        .namespace_root = im->program != IMAGE_DOCKER,
    };
    return tool_run(im->job, &call, ret, err);
}

int image_builder_run(const struct image *im, const struct strlist *arguments, int handed,
                      unsigned seconds, struct tool_end *ret, struct err *err)
{
    return run(im, arguments, handed, seconds, false, ret, err);
}

int image_builder_run_shown(const struct image *im, const struct strlist *arguments,
                            unsigned seconds, struct tool_end *ret, struct err *err)
{
    return run(im, arguments, 0, seconds, true, ret, err);
}

int image_builder_try(const struct image *im, bool *ret, char **ret_said, struct err *err)
{
    _cleanup_tool_end_ struct tool_end end = TOOL_END_INIT;
    _cleanup_strlist_ struct strlist arguments = STRLIST_INIT;
    _cleanup_err_ struct err failure = ERR_INIT;
    strlist_add(&arguments, "info");
    int r = image_builder_run(im, &arguments, 0, PROBE_SECONDS, &end, &failure);
    if (r < 0 && failure.class == ERR_CANCELLED)
        return err_move(err, &failure);
    *ret = r == 0 && end.code == 0;
    *ret_said = r < 0 ? xstrdup(failure.message) : tool_last_line(&end);
    return 0;
}

/* Whether the program that is set works; `why` tells why not. */
static int probe(const struct image *im, struct strbuf *why, bool *ret, struct err *err)
{
    _cleanup_free_ char *said = NULL;
    if (image_builder_try(im, ret, &said, err) < 0)
        return -1;
    if (!*ret)
        strbuf_addf(why, "%s%s: %s", why->len > 0 ? "; " : "", im->words.v[0], said);
    return 0;
}

static int find_first(struct image *im, struct err *err)
{
    _cleanup_strbuf_ struct strbuf why = STRBUF_INIT;
    for (size_t i = 0; i < n_programs; i++) {
        _cleanup_free_ char *path = process_find_program(programs[i].name);
        if (path == NULL)
            continue;
        bool works = false;
        set_program(im, &programs[i], NULL);
        if (probe(im, &why, &works, err) < 0)
            return -1;
        if (works)
            return 0;
    }
    return err_set(err, ERR_HOST,
                   "no program that builds images works on this host%s%s: install one of " PROGRAMS
                   " (Debian's package 'buildah'), or name one as 'builder' in the host config",
                   why.len > 0 ? ": " : "", why.buf);
}

int image_builder_find(struct image *im, struct err *err)
{
    const cJSON *builder = json_get(im->job->host, "builder");
    const char *name = cJSON_IsArray(builder) ? cJSON_GetStringValue(builder->child)
                                              : cJSON_GetStringValue(builder);
    if (name == NULL || str_eq(name, "auto"))
        return find_first(im, err);
    const struct program *p = program_find(name);
    if (p == NULL)
        return err_set(err, ERR_HOST, "the host config's 'builder' is '%s', and must be " PROGRAMS,
                       name);
    _cleanup_strbuf_ struct strbuf why = STRBUF_INIT;
    bool works = false;
    set_program(im, p, cJSON_IsArray(builder) ? builder : NULL);
    if (probe(im, &why, &works, err) < 0)
        return -1;
    if (!works)
        return err_set(err, ERR_HOST,
                       "the host config's 'builder' does not work on this host: %s: install it, or "
                       "name another",
                       why.buf);
    return 0;
}

/* A storage is one directory and its runtime's; a daemon forgets the image by its name. */
static void add_removal(const struct image *im, struct strlist *words)
{
    if (im->program == IMAGE_DOCKER) {
        for (size_t i = 0; i < im->words.n; i++)
            strlist_add(words, im->words.v[i]);
        strlist_add(words, "rmi");
        strlist_add(words, "--force");
        strlist_add(words, im->local);
        return;
    }
    strlist_add(words, "rm");
    strlist_add(words, "-rf");
    strlist_addf(words, "%s/images", im->job->tmp);
    if (im->layers.storage != NULL)
        strlist_addf(words, "%s/%s", im->job->tmp, im->layers.storage);
    if (im->layers.aside != NULL)
        strlist_addf(words, "%s/%s", im->job->tmp, im->layers.aside);
    strlist_add(words, im->runroot);
}

void image_builder_clean(const struct image *im)
{
    _cleanup_tool_end_ struct tool_end end = TOOL_END_INIT;
    _cleanup_strlist_ struct strlist words = STRLIST_INIT;
    _cleanup_err_ struct err failure = ERR_INIT;
    struct tool_job after = *im->job;
    if (im->words.n == 0)
        return;
    after.cancel = NULL; /* what is there goes, whatever has ended the job */
    add_removal(im, &words);
    const struct tool_call call = {
        .argv = words.v,
        .seconds = CLEAN_SECONDS,
        .capture = true,
        .capture_errors = true,
        .namespace_root = im->program != IMAGE_DOCKER,
    };
    bool ran = tool_run(&after, &call, &end, &failure) == 0;
    _cleanup_free_ char *said = tool_last_line(&end);
    if (!ran)
        log_warn("the image is still on the host: %s", failure.message);
    else if (end.code != 0 && strcasestr(end.errors.buf, "no such image") == NULL)
        log_warn("the image is still on the host: %s: %s", words.v[0], said);
}

/* podman keeps layers if it is not told, each of them a copy of the whole where none are kept
 * (podman-build(1), --layers). */
void image_add_build(const struct image *im, struct strlist *arguments)
{
    strlist_add(arguments, "build");
    if (im->program == IMAGE_DOCKER)
        return;
    strlist_add(arguments, "--isolation=chroot");
    strlist_addf(arguments, "--layers=%s", im->layers.storage != NULL ? "true" : "false");
}

/* The second step has the first one's layer below its own. */
static int write_trial(int tmp, const char *name, struct err *err)
{
    _cleanup_free_ char *text = xasprintf("FROM scratch\nCOPY %s /one\nCOPY %s /two\n", name, name);
    return file_write_beneath(tmp, name, text, strlen(text), 0644, err);
}

static int build_trial(const struct image *im, const char *name, struct err *err)
{
    _cleanup_tool_end_ struct tool_end end = TOOL_END_INIT;
    _cleanup_strlist_ struct strlist arguments = STRLIST_INIT;
    image_add_build(im, &arguments);
    strlist_addf(&arguments, "--file=%s/%s", im->job->tmp, name);
    strlist_addf(&arguments, "--tag=%s", im->local);
    strlist_add(&arguments, im->job->tmp);
    if (image_builder_run(im, &arguments, 0, PROBE_SECONDS, &end, err) < 0)
        return -1;
    _cleanup_free_ char *said = tool_last_line(&end);
    return end.code == 0 ? 0
                         : err_set(err, ERR_HOST, "'%s' builds no image: %s", im->words.v[0], said);
}

int image_builder_try_build(const struct image *im, struct err *err)
{
    _cleanup_free_ char *name = random_name("trial-", 8);
    _cleanup_close_ int tmp = -1;
    if (file_open_dir(im->job->tmp, &tmp, err) < 0 || write_trial(tmp, name, err) < 0)
        return -1;
    int r = build_trial(im, name, err);
    (void)unlinkat(tmp, name, 0);
    return r;
}

int image_attempt(const struct tool_job *job, char **ret, struct err *err)
{
    _cleanup_image_ struct image im = IMAGE_INIT;
    im.job = job;
    im.local = xstrdup(IMAGE_TRIED);
    if (image_builder_find(&im, err) < 0)
        return -1;
    int r = image_builder_try_build(&im, err);
    if (r == 0)
        *ret = xasprintf("'%s' builds images", im.words.v[0]);
    image_builder_clean(&im);
    return r;
}

/* The first that works builds. docker comes last: whoever reaches its daemon is root on the host.
 */
static const struct program programs[] = {
    { "buildah", IMAGE_BUILDAH },
    { "podman", IMAGE_PODMAN },
    { "docker", IMAGE_DOCKER },
};
static const size_t n_programs = ARRAY_SIZE(programs);
