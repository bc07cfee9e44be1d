/* SPDX-License-Identifier: MIT */
#include "drivers/terraform.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include "executor/base/file.h"

/* A repository deeper or larger than that names its directories in the spec. */
#define DEPTH_MAX   12
#define ENTRIES_MAX 100000
#define SHOWN_MAX   5

struct search {
    const char *name; /* of directories; NULL: those are looked for that hold JSON */
    struct strlist found;
    size_t entries;
};

/* terraform itself passes over what is hidden. */
static bool is_skipped(const struct search *s, const char *name)
{
    static const char *const names[] = { ".", "..", ".git", ".terraform", "node_modules" };
    if (s->name == NULL && *name == '.')
        return true;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (str_eq(name, names[i]))
            return true;
    return false;
}

static bool is_json(const char *name)
{
    return *name != '.' && (str_ends(name, ".tf.json") || str_ends(name, ".tofu.json"));
}

static void look_beneath(struct search *s, int dir, const char *path, unsigned depth);

static void look_at(struct search *s, int dir, const char *path, const char *name, unsigned depth)
{
    _cleanup_err_ struct err err = ERR_INIT;
    _cleanup_close_ int fd = -1;
    if (file_open_dir_beneath(dir, name, &fd, &err) < 0)
        return; /* a file, a link */
    _cleanup_free_ char *own = xasprintf("%s%s%s", path, *path != '\0' ? "/" : "", name);
    if (s->name != NULL && str_eq(name, s->name))
        strlist_add(&s->found, own);
    if (depth < DEPTH_MAX)
        look_beneath(s, fd, own, depth + 1);
}

static void look_beneath(struct search *s, int dir, const char *path, unsigned depth)
{
    /* Not dup(2), which would leave the caller's at its end for who reads it next. */
    int own = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = own >= 0 ? fdopendir(own) : NULL;
    const struct dirent *entry;
    while (directory != NULL && s->entries < ENTRIES_MAX && (entry = readdir(directory)) != NULL) {
        s->entries++;
        if (s->name == NULL && is_json(entry->d_name) && !strlist_has(&s->found, path))
            strlist_add(&s->found, path);
        if ((entry->d_type == DT_DIR || entry->d_type == DT_UNKNOWN) &&
            !is_skipped(s, entry->d_name))
            look_at(s, dir, path, entry->d_name, depth);
    }
    if (directory != NULL)
        closedir(directory);
}

static int compare_strings(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int search_directory(const struct tool_job *job, char **ret, struct err *err)
{
    struct search s = { .name = job->part };
    look_beneath(&s, job->checkout, "", 0);
    _cleanup_strlist_ struct strlist found = s.found;
    if (s.entries >= ENTRIES_MAX)
        return err_set(err, ERR_USER,
                       "the repository has more files than are searched for a directory '%s': give "
                       "it a path in the spec's \"terraform\"",
                       job->part);
    if (found.n == 1) {
        *ret = xstrdup(found.v[0]);
        return 0;
    }
    if (found.n == 0)
        return err_set(err, ERR_USER,
                       "there is no directory '%s' in the repository: the job's name ends in the "
                       "name of one, or in a name that the spec's \"terraform\" gives a path",
                       job->part);
    qsort(found.v, found.n, sizeof(*found.v), compare_strings);
    _cleanup_strbuf_ struct strbuf names = STRBUF_INIT;
    for (size_t i = 0; i < found.n && i < SHOWN_MAX; i++)
        strbuf_addf(&names, "%s'%s'", i > 0 ? ", " : "", found.v[i]);
    return err_set(err, ERR_USER,
                   "there are %zu directories '%s' in the repository (%s%s): say which one by "
                   "\"terraform\": { \"%s\": { \"path\": \"...\" } } in the spec",
                   found.n, job->part, names.buf, found.n > SHOWN_MAX ? ", ..." : "", job->part);
}

/* As the spec has it; in an overlay alone, if nowhere else. */
static const char *configured_path(const struct tool_job *job)
{
    const char *path = json_str(json_get(json_get(job->spec, "terraform"), job->part), "path");
    const cJSON *overlay;
    cJSON_ArrayForEach (overlay, json_get(job->spec, "overlays"))
        if (path == NULL)
            path = json_str(json_get(json_get(overlay, "terraform"), job->part), "path");
    return path;
}

int terraform_find_directory(const struct tool_job *job, char **ret, struct err *err)
{
    const char *configured = configured_path(job);
    const char *path = configured != NULL ? configured : job->part;
    _cleanup_close_ int fd = -1;
    if (file_open_dir_beneath(job->checkout, path, &fd, err) == 0) {
        *ret = xstrdup(path);
        return 0;
    }
    if (configured == NULL && err->class == ERR_NOT_FOUND && strchr(path, '/') == NULL)
        return search_directory(job, ret, err);
    err->class = ERR_USER;
    return configured != NULL ? err_wrap(err, "terraform.%s.path", job->part) : -1;
}

int terraform_find_json(int checkout, const char *directory, struct strlist *ret, struct err *err)
{
    struct search s = { .name = NULL };
    _cleanup_close_ int fd = -1;
    if (file_open_dir_beneath(checkout, directory, &fd, err) < 0)
        return -1;
    look_beneath(&s, fd, directory, 0);
    _cleanup_strlist_ struct strlist found = s.found;
    if (s.entries >= ENTRIES_MAX)
        return err_set(err, ERR_USER, "'%s' has more files than are searched for JSON", directory);
    if (found.n > 0)
        qsort(found.v, found.n, sizeof(*found.v), compare_strings);
    for (size_t i = 0; i < found.n; i++)
        strlist_add(ret, found.v[i]);
    return 0;
}
