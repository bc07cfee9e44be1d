/* SPDX-License-Identifier: MIT */
/*
 * Login and push. A registry's password is on no command line, in no environment and in no file:
 * the builder gets it in memory, as a descriptor, and only now that the build is over and whatever
 * it had started has ended. Whoever is the job's user at the same time could read it from the
 * builder's descriptors: with one user for each job (docs/runner-host.md) nobody is, for all that
 * the user has running is killed before each push.
 */
#include "drivers/image.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "drivers/aws/digest.h"
#include "executor/base/log.h"
#include "executor/base/process.h"

#define PUSH_SECONDS 1800
#define TRIES        4
#define PAUSE        2.0 /* seconds after the first try; twice as long after each other */

/* "/dev/fd/9", where a child finds what it is handed. */
#define HANDED_STRING(n) #n
#define HANDED_PATH(n)   "/dev/fd/" HANDED_STRING(n)

/* The password alone may be printed, too: the token is "AWS:<password>" in base64. */
static void redact_token(const char *token)
{
    _cleanup_free_ char *plain = base64_plain(token);
    const char *colon = plain != NULL ? strchr(plain, ':') : NULL;
    redact_add(token);
    redact_add(colon != NULL ? colon + 1 : plain);
    if (plain != NULL)
        explicit_bzero(plain, strlen(plain));
}

/*
 * The password that the registry takes, "AWS:<password>" in base64, good for twelve hours:
 * https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_GetAuthorizationToken.html
 */
static int login(const struct image *im, cJSON **ret, struct err *err)
{
    _cleanup_json_ cJSON *output = NULL;
    if (aws_call(im->job->session, "ecr", "GetAuthorizationToken", NULL, &output, err) < 0)
        return -1;
    const cJSON *data = json_get(output, "authorizationData");
    const char *token = data != NULL ? json_str(data->child, "authorizationToken") : NULL;
    if (token == NULL)
        return err_set(err, ERR_FAILED, "ecr:GetAuthorizationToken has given no token");
    redact_token(token);
    _cleanup_free_ char *host = xstrndup(im->uri, strcspn(im->uri, "/"));
    cJSON *config = cJSON_CreateObject();
    cJSON *auths = json_put_object(config, "auths");
    json_put_str(json_put_object(auths, host), "auth", token);
    *ret = config;
    return 0;
}

/* The file that containers-auth.json(5) describes, and docker's config.json is: in memory alone. */
static int hand_login(const cJSON *config, int *ret, struct err *err)
{
    _cleanup_free_ char *text = json_print(config);
    size_t len = strlen(text);
    _cleanup_close_ int fd = memfd_create("login", MFD_CLOEXEC);
    bool written = fd >= 0 && write(fd, text, len) == (ssize_t)len;
    explicit_bzero(text, len);
    *ret = written ? fcntl(fd, F_DUPFD_CLOEXEC, PROCESS_HANDED_FD + 1) : -1;
    return *ret >= 0 ? 0 : err_set_errno(err, ERR_HOST, errno, "cannot hand the login over");
}

/* docker reads config.json in a directory and nothing else: there, a link to the descriptor. */
static int link_login(const struct image *im, struct err *err)
{
    _cleanup_tool_end_ struct tool_end end = TOOL_END_INIT;
    _cleanup_free_ char *directory = xasprintf("%s/docker-login", im->job->tmp);
    char *const argv[] = {
        (char *)"sh", (char *)"-c",
        (char *)"mkdir -p \"$0\" && ln -sfn " HANDED_PATH(9) " \"$0/config.json\"", directory, NULL
    };
    _Static_assert(PROCESS_HANDED_FD == 9, "the link leads to it");
    const struct tool_call call = { .argv = argv, .seconds = 60, .capture_errors = true };
    if (im->program != IMAGE_DOCKER)
        return 0;
    if (tool_run(im->job, &call, &end, err) < 0)
        return -1;
    return end.code == 0 ? 0 : err_set(err, ERR_HOST, "cannot make '%s'", directory);
}

static void push_arguments(const struct image *im, struct strlist *arguments)
{
    const char *certificates = json_str(json_get(im->job->host, "registry"), "certificates");
    strlist_add(arguments, "push");
    if (im->program != IMAGE_DOCKER) {
        strlist_add(arguments, "--authfile=" HANDED_PATH(9));
        if (certificates != NULL)
            strlist_addf(arguments, "--cert-dir=%s", certificates);
    }
    strlist_add(arguments, im->local);
    if (im->program != IMAGE_DOCKER)
        strlist_addf(arguments, "docker://%s", im->local);
}

static bool has_any(const char *said, const char *const *words)
{
    for (; *words != NULL; words++)
        if (strcasestr(said, *words) != NULL)
            return true;
    return false;
}

bool image_push_is_transient(const char *said)
{
    static const char *const passing[] = {
        "connection reset",
        "connection refused",
        "broken pipe",
        "timeout",
        "timed out",
        "unexpected EOF",
        ": EOF",
        "no such host",
        "toomanyrequests",
        "too many requests",
        "429 (",
        "500 (",
        "502 (",
        "503 (",
        "504 (",
        "status: 429",
        "status: 500",
        "status: 502",
        "status: 503",
        "status: 504",
        "temporary failure",
        "network is unreachable",
        "no route to host",
        NULL,
    };
    return has_any(said, passing);
}

/* What a push that failed for good means, from the registry's words in the builder's:
 * https://docs.aws.amazon.com/AmazonECR/latest/userguide/common-errors-docker.html */
static int judge(const struct image *im, const char *said, struct err *err)
{
    static const char *const denied[] = { "denied", "unauthorized", "no basic auth", "forbidden",
                                          NULL };
    static const char *const missing[] = { "name unknown", "name_unknown",
                                           "repository does not exist", NULL };
    static const char *const immutable[] = { "tag_invalid", "tag invalid", "immutable", NULL };
    static const char *const local[] = { ": permission denied", NULL };
    static const char *const certificate[] = { "x509", "certificate", NULL };
    if (has_any(said, immutable))
        return err_set(err, ERR_USER,
                       "repository '%s' is immutable and has another image with this pipeline's "
                       "tag: run a new pipeline, or give the module its 'paths', by which the same "
                       "content is the same image",
                       im->repository);
    if (has_any(said, missing))
        return err_set(err, ERR_USER, "repository '%s' does not exist: run the job 'basic-infra'",
                       im->repository);
    if (has_any(said, local))
        return err_set(err, ERR_HOST,
                       "the builder may not read or write something on this host: see what it says "
                       "above, and whether the job's user can read 'registry.certificates'");
    if (has_any(said, denied))
        return err_set(err, ERR_DENIED,
                       "the registry does not let berth push to '%s': see 'berth iam-policy' for "
                       "what the role needs, and the repository's own policy",
                       im->repository);
    if (has_any(said, certificate))
        return err_set(err, ERR_HOST,
                       "the registry's certificate is not trusted: put its authority's into "
                       "/etc/containers/certs.d, or name the directory as 'registry.certificates' "
                       "in the host config");
    return err_set(err, image_push_is_transient(said) ? ERR_UNREACHABLE : ERR_FAILED,
                   "'%s push' failed, as its own words above say", im->words.v[0]);
}

static void say(const struct strbuf *text)
{
    for (const char *line = text->buf; *line != '\0';) {
        size_t len = strcspn(line, "\n");
        log_info("%.*s", (int)len, line);
        line += len + (line[len] == '\n');
    }
}

/* 1: it failed, and may not if it is tried again. */
static int push_once(const struct image *im, const struct strlist *arguments, int handed, bool last,
                     struct err *err)
{
    _cleanup_tool_end_ struct tool_end end = TOOL_END_INIT;
    int r = image_builder_run(im, arguments, handed, PUSH_SECONDS, &end, err);
    say(&end.out);
    say(&end.errors);
    if (r < 0 || end.code == 0)
        return r;
    if (!last && image_push_is_transient(end.errors.buf))
        return 1;
    return judge(im, end.errors.buf, err);
}

static int push(const struct image *im, int handed, struct err *err)
{
    _cleanup_strlist_ struct strlist arguments = STRLIST_INIT;
    double pause = PAUSE;
    push_arguments(im, &arguments);
    for (int i = 1;; i++, pause *= 2) {
        int r = push_once(im, &arguments, handed, i == TRIES, err);
        if (r <= 0)
            return r;
        log_warn("the push failed; trying again in %.0f s (%d of %d)", pause, i + 1, TRIES);
        if (cancel_sleep(im->job->cancel, pause) < 0)
            return err_set(err, ERR_CANCELLED, "cancelled while pushing; no tag was moved");
    }
}

int image_push(const struct image *im, struct err *err)
{
    _cleanup_json_ cJSON *config = NULL;
    _cleanup_close_ int handed = -1;
    if (login(im, &config, err) < 0 || hand_login(config, &handed, err) < 0 ||
        link_login(im, err) < 0 || push(im, handed, err) < 0)
        return err_wrap(err, "modules.%s: the image was built, but not pushed", im->module);
    return 0;
}
