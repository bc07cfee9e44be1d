/* SPDX-License-Identifier: MIT */
/*
 * The login to the account's registry. Its password is on no command line, in no environment and in
 * no file: the builder gets it in memory, as a descriptor, to push or pull, and never while it runs
 * what a Dockerfile says. Whoever is the job's user at the same time could read it from the
 * builder's descriptors: with one user for each job (docs/runner-host.md) nobody is, for all that
 * the user has running is killed before. Nor does the builder do what the job's script has written
 * down for it: its HOME is a new one (script.h).
 */
#include "drivers/image.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "drivers/aws/digest.h"
#include "executor/base/log.h"
#include "executor/base/process.h"

/* "/dev/fd/9", where a child finds what it is handed. */
#define HANDED_STRING(n) #n
#define HANDED_PATH(n)   "/dev/fd/" HANDED_STRING(n)
#define LINK_LOGIN       "rm -rf \"$0\" && mkdir \"$0\" && ln -s " HANDED_PATH(9) " \"$0/config.json\""

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

/*
 * docker reads config.json in a directory: there, a link to the descriptor, and nothing else, for
 * docker also runs what it finds in cli-plugins there. So it is made when nothing of the user's
 * runs any more (script.h): this is handed the login for that alone.
 */
static int link_login(const struct image *im, int handed, struct err *err)
{
    _cleanup_tool_end_ struct tool_end end = TOOL_END_INIT;
    _cleanup_free_ char *directory = xasprintf("%s/docker-login", im->job->tmp);
    char *const argv[] = { (char *)"sh", (char *)"-c", (char *)LINK_LOGIN, directory, NULL };
    _Static_assert(PROCESS_HANDED_FD == 9, "the link leads to it");
    const struct tool_call call = {
        .argv = argv, .handed = handed, .seconds = 60, .capture_errors = true
    };
    if (im->program != IMAGE_DOCKER)
        return 0;
    if (tool_run(im->job, &call, &end, err) < 0)
        return -1;
    return end.code == 0 ? 0 : err_set(err, ERR_HOST, "cannot make '%s'", directory);
}

void image_add_login(const struct image *im, struct strlist *arguments)
{
    if (im->program != IMAGE_DOCKER)
        strlist_add(arguments, "--authfile=" HANDED_PATH(9));
}

int image_login(const struct image *im, int *ret_handed, struct err *err)
{
    _cleanup_json_ cJSON *config = NULL;
    _cleanup_close_ int handed = -1;
    if (login(im, &config, err) < 0 || hand_login(config, &handed, err) < 0 ||
        link_login(im, handed, err) < 0)
        return -1;
    *ret_handed = handed;
    handed = -1;
    return 0;
}
