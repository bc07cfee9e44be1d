/* SPDX-License-Identifier: MIT */
/*
 * Whose it is to mend that a build has failed. That the Dockerfile is wrong is most often so, and
 * is what is said where nothing else is known; but a registry that does not answer, a full disk and
 * a host without memory are not the developer's, and to look for them in the Dockerfile costs an
 * hour.
 *
 * What a step says, its author has written. So it is what the builder itself says last that counts,
 * without the step that it quotes, and only where the builder ends as it does when it is not a RUN
 * that has failed (podman(1), "Exit Codes"). docker always ends with 1, and says which it was.
 */
#include "drivers/image.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <unistd.h>

#include "executor/base/file.h"

/* What the kernel says there is no longer. */
#define VMSTAT_MAX ((size_t)1 << 20)
/* What shells end with where what they ran was killed. */
#define CODE_OF_KILLED (128 + SIGKILL)

/* docker's, of a step that has failed. */
static const char *const step_failed[] = { "returned a non-zero code: ",
                                           "did not complete successfully: exit code: ", NULL };
static const char *const full[] = { "no space left on device", "disk quota exceeded", NULL };
static const char *const too_often[] = { "toomanyrequests", "too many requests", "StatusCode: 429",
                                         NULL };
/* Where something is fetched, as of which all else is a file or a word of the Dockerfile. */
static const char *const fetching[] = { "://", "dial tcp", "pull access denied", NULL };

static const char *find_any(const char *said, const char *const *words)
{
    const char *found = NULL;
    for (; *words != NULL && found == NULL; words++) {
        found = strcasestr(said, *words);
        if (found != NULL)
            found += strlen(*words);
    }
    return found;
}

/* --- the builder's own words -------------------------------------------------------------------
 */

/* From the last line that begins with "error", in whatever letters, to the end: "Error: creating
 * build container: ...". docker without BuildKit passes on what its daemon says as it is: the last
 * line then. NULL: it has said none. */
static const char *last_error(const struct image *im, const char *said)
{
    const char *found = NULL, *last = NULL;
    for (const char *line = said; line != NULL && *line != '\0'; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncasecmp(line, "error", strlen("error")) == 0)
            found = line;
        if (*line != '\n' && *line != '\0')
            last = line;
    }
    return found == NULL && im->program == IMAGE_DOCKER ? last : found;
}

/* buildah says of an image that COPY or RUN takes something from only that it has none: after tries
 * of which it has told, if it has tried more than once, else of a refusal that it keeps to itself.
 */
static bool is_without_reason(const char *error)
{
    return strstr(error, "no stage or image found with that name") != NULL;
}

static const char *reason_of(const char *said, const char *error)
{
    const char *tried = NULL;
    if (!is_without_reason(error))
        return error;
    for (const char *at = said; (at = strstr(at, "Failed, retrying in ")) != NULL; at++)
        tried = at;
    return tried != NULL ? tried : error;
}

/* Without the step, which it quotes. */
static const char *skip_step(const char *error)
{
    const char *step = strstr(error, "at STEP \"");
    const char *end = step != NULL ? strstr(step, "\": ") : NULL;
    return end != NULL ? end + strlen("\": ") : error;
}

/* The longest of the names that it has, since one may begin with another; NULL: none. */
static const char *find_base(const struct strlist *bases, const char *words)
{
    const char *found = NULL;
    for (size_t i = 0; i < bases->n; i++)
        if (strstr(words, bases->v[i]) != NULL &&
            (found == NULL || strlen(bases->v[i]) > strlen(found)))
            found = bases->v[i];
    return found;
}

static bool is_of_step(const struct image *im, int code, const char *error)
{
    return im->program == IMAGE_DOCKER ? find_any(error, step_failed) != NULL
                                       : code != IMAGE_CODE_OF_BUILDER;
}

/* The builder lives to tell of it: buildah, where its chroot isolation runs the step, in a line of
 * its own, and otherwise by the code. */
static bool is_step_killed(const struct image *im, int code, const char *said, const char *error)
{
    const char *after = find_any(error, step_failed);
    if (im->program == IMAGE_DOCKER)
        return after != NULL && strtol(after, NULL, 10) == CODE_OF_KILLED;
    return code == CODE_OF_KILLED || strstr(said, "subprocess exited on killed") != NULL;
}

static enum image_failure judge_fetch(const char *words)
{
    if (find_any(words, too_often) != NULL)
        return IMAGE_BUILD_TOO_OFTEN;
    switch (image_refusal_of(words)) {
    case IMAGE_MISSING:
        return IMAGE_BUILD_MISSING;
    case IMAGE_DENIED:
        return IMAGE_BUILD_DENIED;
    case IMAGE_UNTRUSTED:
        return IMAGE_BUILD_UNTRUSTED;
    case IMAGE_SILENT:
        return IMAGE_BUILD_SILENT;
    default:
        return image_refusal_passes(words) ? IMAGE_BUILD_BROKEN : IMAGE_BUILD_OTHER;
    }
}

enum image_failure image_failure_of(const struct image *im, int code, const char *said,
                                    const char **ret_base)
{
    *ret_base = NULL;
    const char *error = last_error(im, said);
    if (error == NULL)
        return code == CODE_OF_KILLED ? IMAGE_BUILD_KILLED : IMAGE_BUILD_OTHER;
    if (find_any(said, full) != NULL)
        return IMAGE_BUILD_FULL;
    if (is_of_step(im, code, error))
        return is_step_killed(im, code, said, error) ? IMAGE_BUILD_STEP_KILLED : IMAGE_BUILD_OTHER;
    const char *own = reason_of(said, error), *reason = skip_step(own);
    *ret_base = find_base(&im->from.bases, reason);
    if (*ret_base != NULL && own == error && is_without_reason(error))
        return IMAGE_BUILD_UNTOLD;
    if (*ret_base == NULL && find_any(reason, fetching) == NULL)
        return IMAGE_BUILD_OTHER;
    _cleanup_free_ char *words = image_words(reason, *ret_base != NULL ? *ret_base : im->local);
    return judge_fetch(words);
}

/* --- what the host says ------------------------------------------------------------------------
 */

int64_t image_oom_kills(void)
{
    static const char key[] = "\noom_kill ";
    _cleanup_close_ int fd = open("/proc/vmstat", O_RDONLY | O_CLOEXEC);
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    _cleanup_err_ struct err ignored = ERR_INIT;
    if (fd < 0 || file_read_open(fd, "/proc/vmstat", VMSTAT_MAX, &text, &ignored) < 0)
        return 0;
    const char *at = strstr(text.buf, key);
    return at != NULL ? strtoll(at + strlen(key), NULL, 10) : 0;
}

/* --- for whoever reads the log -----------------------------------------------------------------
 */

/* Of what could not be fetched, by name where that is known. */
static int tell_fetch(const struct image *im, enum image_failure failure, const char *base,
                      struct err *err)
{
    _cleanup_free_ char *quoted = base != NULL ? xasprintf("'%s'", base) : NULL;
    const char *what = quoted != NULL ? quoted : "something";
    switch (failure) {
    case IMAGE_BUILD_MISSING:
        return err_set(err, ERR_USER, "there is no '%s', on which '%s' builds", base, im->file);
    case IMAGE_BUILD_DENIED:
        return err_set(err, ERR_USER,
                       "the registry does not give %s, on which '%s' builds, to whoever has no "
                       "login, or has no such image: correct the name, or put the image into the "
                       "account's own registry, the only one that berth logs in to",
                       what, im->file);
    case IMAGE_BUILD_TOO_OFTEN:
        return err_set(err, ERR_UNREACHABLE,
                       "the registry of %s, on which '%s' builds, is asked too often from this "
                       "host: run the job again later, or build on a copy in the account's own "
                       "registry",
                       what, im->file);
    case IMAGE_BUILD_UNTRUSTED:
        return image_untrusted(err);
    case IMAGE_BUILD_BROKEN:
        return err_set(err, ERR_UNREACHABLE,
                       "a server does not give %s, which '%s' fetches, for the moment, as the "
                       "builder's words above say: run the job again",
                       what, im->file);
    default:
        return err_set(err, ERR_UNREACHABLE,
                       "%s, which '%s' fetches, cannot be reached from this host, as the builder's "
                       "words above say: see whether its name is right, and the host's DNS, proxy "
                       "and firewall, then run the job again",
                       what, im->file);
    }
}

static int tell_killed(const struct image *im, const struct tool_end *end, struct err *err)
{
    int signal = end->signal != 0 ? end->signal : end->code - 128;
    return err_set(err, ERR_HOST,
                   "'%s build' of '%s' was killed, by signal %d (%s): has the host run out of "
                   "memory?",
                   im->words.v[0], im->file, signal, strsignal(signal));
}

static int tell_other(const struct image *im, const struct tool_end *end, struct err *err)
{
    return err_set(err, ERR_USER,
                   "'%s build' of '%s' ended with %d; its own last lines, above, say at which step "
                   "and why",
                   im->words.v[0], im->file, end->code);
}

/* A step may kill what it has started; where the kernel has done so meanwhile, it was the kernel.
 */
static int tell_step_killed(const struct image *im, const struct tool_end *end, int64_t kills,
                            struct err *err)
{
    int64_t now = image_oom_kills();
    if (now == kills)
        return tell_other(im, end, err);
    return err_set(
        err, ERR_HOST,
        "a step of '%s' was killed, and the host's kernel has ended %" PRId64
        " process%s for want of memory meanwhile: give the host more, let fewer jobs run "
        "at a time, or have the step take less",
        im->file, now - kills, now - kills == 1 ? "" : "es");
}

/* What the builder says of the image where that is all that it has to get. */
static int find_reason(const struct image *im, const char *base, enum image_failure *ret,
                       struct err *err)
{
    _cleanup_tool_end_ struct tool_end end = TOOL_END_INIT;
    const char *ignored;
    if (image_pull_again(im, base, &end, err) < 0)
        return -1;
    if (end.signal != 0)
        return tell_killed(im, &end, err);
    *ret = end.code == 0 ? IMAGE_BUILD_BROKEN
                         : image_failure_of(im, IMAGE_CODE_OF_BUILDER, end.errors.buf, &ignored);
    return 0;
}

int image_failed(const struct image *im, const struct tool_end *end, int64_t kills, int *ret_code,
                 struct err *err)
{
    const char *base = NULL, *said = end->errors.buf;
    enum image_failure failure =
        end->signal != 0 ? IMAGE_BUILD_KILLED : image_failure_of(im, end->code, said, &base);
    if (failure == IMAGE_BUILD_KILLED)
        return tell_killed(im, end, err);
    if (failure == IMAGE_BUILD_UNTOLD && find_reason(im, base, &failure, err) < 0)
        return -1;
    *ret_code = end->code;
    if (failure == IMAGE_BUILD_OTHER || (failure == IMAGE_BUILD_MISSING && base == NULL))
        return tell_other(im, end, err);
    if (failure == IMAGE_BUILD_STEP_KILLED)
        return tell_step_killed(im, end, kills, err);
    if (failure == IMAGE_BUILD_FULL)
        return err_set(err, ERR_HOST,
                       "there is no room left on the disk that '%s' is on, as the last lines above "
                       "say: make some, then run the job again",
                       im->job->tmp);
    return tell_fetch(im, failure, base, err);
}
