/* SPDX-License-Identifier: MIT */
#include "executor/hostconfig.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "executor/base/schema.h"
#include "executor/base/schemas.h"

#define DEFAULT_PATH "/etc/berth/berth.json"

/* Whoever can write this file decides which branch gets which AWS role. */
static int check_owner(const char *path, struct err *err)
{
    struct stat st;
    if (stat(path, &st) < 0)
        return err_set_errno(err, ERR_HOST, errno, "cannot look at '%s'", path);
    bool shared_directory = S_ISDIR(st.st_mode) && (st.st_mode & S_ISVTX) != 0;
    if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0 && !shared_directory)
        return err_set(err, ERR_HOST,
                       "'%s' can be written by its group or by everyone, who could so give their "
                       "branches any AWS role; run 'chmod go-w %s'",
                       path, path);
    if (geteuid() == 0 && st.st_uid != 0)
        return err_set(err, ERR_HOST,
                       "'%s' belongs to user %u, but berth runs as root; run 'chown root %s'", path,
                       (unsigned)st.st_uid, path);
    return 0;
}

static int find_file(struct hostconfig *h, struct err *err)
{
    const char *named = getenv("BERTH_CONFIG");
    const char *path = named != NULL && *named != '\0' ? named : DEFAULT_PATH;
    h->path = realpath(path, NULL);
    if (h->path == NULL && errno == ENOENT)
        return err_set(err, ERR_HOST,
                       "there is no host config '%s'; write one (config/berth.json is an example) "
                       "or set BERTH_CONFIG in the runner's environment",
                       path);
    if (h->path == NULL)
        return err_set_errno(err, ERR_HOST, errno, "cannot find the host config '%s'", path);
    char *slash = strrchr(h->path, '/');
    h->dir = slash == h->path ? xstrdup("/") : xstrndup(h->path, (size_t)(slash - h->path));
    return 0;
}

static int check_schema(const struct hostconfig *h, struct err *err)
{
    _cleanup_json_ cJSON *schema = NULL;
    if (json_parse(schema_host, strlen(schema_host), JSON_PLAIN, &schema, err) < 0) {
        err->class = ERR_BUG;
        return err_wrap(err, "host.schema.json");
    }
    _cleanup_problems_ struct schema_problems problems = SCHEMA_PROBLEMS_INIT;
    schema_check(schema, h->json, &problems);
    return schema_problems_to_err(&problems, ERR_HOST, h->path, h->text, err);
}

int hostconfig_read(struct hostconfig *ret, struct err *err)
{
    _cleanup_hostconfig_ struct hostconfig h = HOSTCONFIG_INIT;
    if (find_file(&h, err) < 0 || check_owner(h.dir, err) < 0 || check_owner(h.path, err) < 0)
        return -1;
    if (json_read(h.path, JSON_COMMENTS, &h.json, &h.text, err) < 0) {
        err->class = ERR_HOST;
        return err_wrap(err, "the host config cannot be used");
    }
    if (check_schema(&h, err) < 0)
        return -1;
    *ret = h;
    h = (struct hostconfig)HOSTCONFIG_INIT;
    return 0;
}

void hostconfig_release(struct hostconfig *h)
{
    free(h->path);
    free(h->dir);
    free(h->text);
    json_freep(&h->json);
    *h = (struct hostconfig)HOSTCONFIG_INIT;
}

const cJSON *hostconfig_project(const struct hostconfig *h, int64_t project_id)
{
    char key[24];
    snprintf(key, sizeof(key), "%" PRId64, project_id);
    return json_get(json_get(h->json, "projects"), key);
}

/*
 * Takes "." and ".." out of an absolute path by its text alone: the directory may not exist yet,
 * and the runner compares and shows the path as text.
 */
static char *normalize(const char *path)
{
    _cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
    while (*path != '\0') {
        path += strspn(path, "/");
        size_t len = strcspn(path, "/");
        if (len == 2 && path[0] == '.' && path[1] == '.') {
            char *last = strrchr(out.buf, '/');
            if (last != NULL) {
                out.len = (size_t)(last - out.buf);
                *last = '\0';
            }
        } else if (len > 0 && !(len == 1 && path[0] == '.')) {
            strbuf_addc(&out, '/');
            strbuf_add(&out, path, len);
        }
        path += len;
    }
    if (out.len == 0)
        strbuf_addc(&out, '/');
    return strbuf_detach(&out);
}

char *hostconfig_resolve(const struct hostconfig *h, const char *path)
{
    if (*path == '/')
        return normalize(path);
    _cleanup_free_ char *joined = xasprintf("%s/%s", h->dir, path);
    return normalize(joined);
}

char *hostconfig_path(const struct hostconfig *h, const char *key, const char *otherwise)
{
    const char *value = json_str(h->json, key);
    return hostconfig_resolve(h, value != NULL ? value : otherwise);
}
