/* SPDX-License-Identifier: MIT */
/*
 * What a builder says after a push or a pull that failed: the registry's words, and what they mean
 * for whoever reads the log.
 * https://docs.aws.amazon.com/AmazonECR/latest/userguide/common-errors-docker.html
 */
#include "drivers/image.h"

#include <ctype.h>

#include "executor/base/log.h"

static const char *const immutable[] = { "tag_invalid", "tag invalid", "is immutable", NULL };
static const char *const missing[] = { "name unknown",
                                       "name_unknown",
                                       "manifest unknown",
                                       "manifest_unknown",
                                       "repository does not exist",
                                       "StatusCode: 404",
                                       NULL };
static const char *const local[] = { ": permission denied", NULL };
static const char *const denied[] = { "denied",    "unauthorized",    "no basic auth",
                                      "forbidden", "StatusCode: 401", "StatusCode: 403",
                                      NULL };
static const char *const certificate[] = { "x509:", "bad certificate", "unknown authority",
                                           "verify certificate", NULL };
/* Nobody has answered at all. */
static const char *const silent[] = {
    "connection refused",
    "no such host",
    "network is unreachable",
    "no route to host",
    "i/o timeout",
    "tls handshake timeout",
    NULL,
};
static const char *const passing[] = {
    "connection reset",
    "broken pipe",
    " timeout",
    "timeout exceeded",
    "timed out",
    "unexpected EOF",
    ": EOF",
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
    "StatusCode: 429",
    "StatusCode: 500",
    "StatusCode: 502",
    "StatusCode: 503",
    "StatusCode: 504",
    "temporary failure",
    NULL,
};

static bool has_any(const char *said, const char *const *words)
{
    for (; *words != NULL; words++)
        if (strcasestr(said, *words) != NULL)
            return true;
    return false;
}

bool image_refusal_passes(const char *said)
{
    return has_any(said, silent) || has_any(said, passing);
}

enum image_refusal image_refusal_of(const char *said)
{
    static const struct {
        const char *const *words;
        enum image_refusal refusal;
    } refusals[] = {
        { immutable, IMAGE_IMMUTABLE }, { missing, IMAGE_MISSING },       { local, IMAGE_LOCAL },
        { denied, IMAGE_DENIED },       { certificate, IMAGE_UNTRUSTED }, { silent, IMAGE_SILENT },
    };
    for (size_t i = 0; i < ARRAY_SIZE(refusals); i++)
        if (has_any(said, refusals[i].words))
            return refusals[i].refusal;
    return IMAGE_OTHER;
}

/* --- without what the repository's people have named -------------------------------------------
 */

/* Of what names of images and tags are made. */
static bool is_of_name(char c)
{
    return isalnum((unsigned char)c) || c == '-' || c == '_' || c == '.';
}

/* As a name stands in a URL, a path or in quotes: a word of a sentence is none. */
static void blank(char *text, const char *name, size_t len)
{
    char *at = text;
    while (len > 0 && (at = memmem(at, strlen(at), name, len)) != NULL) {
        if (at > text && strchr("/:'\"", at[-1]) != NULL && !is_of_name(at[len]))
            memset(at, '*', len);
        at += len;
    }
}

char *image_words(const char *said, const char *image)
{
    char *text = xstrdup(said);
    const char *path = image + strcspn(image, "/");
    path += *path == '/';
    size_t len = strcspn(path, ":@");
    blank(text, path, len);
    if (path[len] == ':')
        blank(text, path + len + 1, strcspn(path + len + 1, "@"));
    return text;
}

int image_untrusted(struct err *err)
{
    return err_set(err, ERR_HOST,
                   "the registry's certificate is not trusted: put its authority's into "
                   "/etc/containers/certs.d, or name the directory as 'registry.certificates' in "
                   "the host config");
}

int image_refused(const struct image *im, const char *what, const char *said, struct err *err)
{
    int host = (int)strcspn(im->uri, "/");
    switch (image_refusal_of(said)) {
    case IMAGE_LOCAL:
        return err_set(err, ERR_HOST,
                       "the builder may not read or write something on this host: see what it says "
                       "above, and whether the job's user can read 'registry.certificates'");
    case IMAGE_UNTRUSTED:
        return image_untrusted(err);
    case IMAGE_SILENT:
        return err_set(err, ERR_UNREACHABLE,
                       "the registry '%.*s' cannot be reached from this host, as the builder's "
                       "words above say: see the host's DNS, proxy and firewall, then run the job "
                       "again",
                       host, im->uri);
    default:
        return err_set(err, image_refusal_passes(said) ? ERR_UNREACHABLE : ERR_FAILED,
                       "'%s %s' failed, as its own words above say", im->words.v[0], what);
    }
}

static void say(const struct strbuf *text)
{
    for (const char *line = text->buf; *line != '\0';) {
        size_t len = strcspn(line, "\n");
        log_info("%.*s", (int)len, line);
        line += len + (line[len] == '\n');
    }
}

void image_say(const struct tool_end *end)
{
    say(&end->out);
    say(&end->errors);
}
