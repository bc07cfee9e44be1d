/* SPDX-License-Identifier: MIT */
/* Which report a module's tests have written: by the spec's word, else by the names that tools give
 * their reports, and only if it is of this job. */
#include "drivers/coverage.h"

#include <dirent.h>
#include <fnmatch.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "executor/base/file.h"

#define ENTRIES_MAX 100000 /* that are looked at for one pattern */
#define MATCHES_MAX 100    /* that one pattern may have */
#define MAGIC       "*?["

/*
 * What tools write unless told otherwise, best first: coverage.py, Cobertura and istanbul, lcov,
 * JaCoCo's plugins for Maven and Gradle. After all of them coverage.py's data file, which the
 * reports are made from.
 */
static const char *const usual_reports[] = {
    "coverage.xml",
    "cobertura*.xml",
    "coverage/cobertura*.xml",
    "target/site/cobertura/coverage.xml",
    "coverage.json",
    "lcov.info",
    "coverage.lcov",
    "coverage/lcov.info",
    "jacoco.xml",
    "target/site/jacoco/jacoco.xml",
    "build/reports/jacoco/test/jacocoTestReport.xml",
    NULL,
};
static const char *const usual_data[] = { ".coverage", NULL };
/* What coverage.py writes in its parallel mode, and "coverage combine" makes one of. */
static const char *const uncombined_data[] = { ".coverage.*", NULL };

struct finder {
    const struct coverage_search *search;
    size_t entries;       /* looked at */
    struct strlist fresh; /* written since the job began */
    struct err problem;   /* with the first file that cannot be a report */
    char *stale;          /* the newest of those that are older */
    int64_t stale_written;
};

void coverage_source_release(struct coverage_source *s)
{
    free(s->path);
    closep(&s->fd);
    *s = (struct coverage_source)COVERAGE_SOURCE_INIT;
}

static void finder_release(struct finder *f)
{
    strlist_release(&f->fresh);
    err_release(&f->problem);
    free(f->stale);
}

static char *join(const char *directory, const char *name)
{
    return *directory != '\0' ? xasprintf("%s/%s", directory, name) : xstrdup(name);
}

static int64_t nanoseconds(const struct timespec *time)
{
    return (int64_t)time->tv_sec * 1000000000 + time->tv_nsec;
}

/* By both: a file from a cache or an artifact has the time of the host that wrote it, whose clock
 * may be ahead, but the kernel says when it came here. */
static int64_t written_at(const struct stat *st)
{
    int64_t modified = nanoseconds(&st->st_mtim), changed = nanoseconds(&st->st_ctim);
    return modified < changed ? modified : changed;
}

/* Whether a path's directory is something else: a file "build" is not where a report would be. */
static bool lies_nowhere(const struct finder *f, const char *path)
{
    _cleanup_close_ int fd = -1;
    _cleanup_err_ struct err err = ERR_INIT;
    const char *slash = strrchr(path, '/');
    if (slash == NULL)
        return false;
    _cleanup_free_ char *directory = xstrndup(path, (size_t)(slash - path));
    return file_open_dir_beneath(f->search->checkout, directory, &fd, &err) < 0;
}

static void keep_problem(struct finder *f, const char *path, struct err *err)
{
    if (err->class == ERR_NOT_FOUND || f->problem.class != ERR_NONE ||
        (f->search->pattern == NULL && lies_nowhere(f, path)))
        return;
    err_move(&f->problem, err);
}

static void look_at(struct finder *f, const char *path)
{
    _cleanup_close_ int fd = -1;
    _cleanup_err_ struct err err = ERR_INIT;
    struct stat st;
    if (file_open_beneath(f->search->checkout, path, &fd, &st, &err) < 0) {
        keep_problem(f, path, &err);
        return;
    }
    int64_t written = written_at(&st);
    if (written >= f->search->began) {
        if (!strlist_has(&f->fresh, path))
            strlist_add(&f->fresh, path);
        return;
    }
    if (f->stale != NULL && written <= f->stale_written)
        return;
    free(f->stale);
    f->stale = xstrdup(path);
    f->stale_written = written;
}

static int compare_names(const void *left, const void *right)
{
    return strcmp(*(char *const *)left, *(char *const *)right);
}

/* The names in a directory that match, in the order of their bytes. */
static void list_matches(struct finder *f, const char *directory, const char *pattern,
                         struct strlist *names)
{
    _cleanup_close_ int fd = -1;
    _cleanup_err_ struct err err = ERR_INIT;
    const char *path = *directory != '\0' ? directory : ".";
    if (file_open_dir_beneath(f->search->checkout, path, &fd, &err) < 0) {
        if (f->search->pattern != NULL) /* a file "coverage" is not where a report would be */
            keep_problem(f, path, &err);
        return;
    }
    DIR *open = fdopendir(fd);
    if (open == NULL)
        return;
    fd = -1; /* closedir() closes it */
    const struct dirent *entry;
    while ((entry = readdir(open)) != NULL && f->entries++ < ENTRIES_MAX && names->n < MATCHES_MAX)
        if (fnmatch(pattern, entry->d_name, FNM_PERIOD) == 0)
            strlist_add(names, entry->d_name);
    closedir(open);
    if (names->n > 0)
        qsort(names->v, names->n, sizeof(*names->v), compare_names);
}

/* Looks at whatever a pattern matches, component by component. */
static void expand(struct finder *f, const char *directory, const char *pattern)
{
    size_t n = strcspn(pattern, "/");
    const char *rest = pattern + n + strspn(pattern + n, "/");
    _cleanup_free_ char *component = xstrndup(pattern, n);
    _cleanup_strlist_ struct strlist names = STRLIST_INIT;
    if (strpbrk(component, MAGIC) == NULL)
        strlist_add(&names, component);
    else
        list_matches(f, directory, component, &names);
    for (size_t i = 0; i < names.n && f->fresh.n < MATCHES_MAX; i++) {
        _cleanup_free_ char *path = join(directory, names.v[i]);
        if (*rest == '\0')
            look_at(f, path);
        else
            expand(f, path, rest);
    }
}

/* The module's own directory first, then the project's. */
static void look_for(struct finder *f, const char *const *names)
{
    const char *const places[] = { f->search->place, "" };
    for (size_t p = 0; p < ARRAY_SIZE(places); p++)
        for (size_t i = 0; names[i] != NULL && (p == 0 || *places[0] != '\0'); i++)
            expand(f, places[p], names[i]);
}

/* The caller frees it. */
static char *place_words(const struct coverage_search *s)
{
    if (*s->place == '\0')
        return xstrdup("the project's directory");
    return xasprintf("'%s' and the project's directory", s->place);
}

#define ADVICE                                                                                     \
    "let the job's script write one ('pytest --cov --cov-report=xml' writes coverage.xml), or "    \
    "name it in the spec's modules.%s.coverage.report"

static int stale_only(const struct finder *f, struct err *err)
{
    char written[32], began[32];
    clock_iso_date((time_t)(f->stale_written / 1000000000), written, sizeof(written));
    clock_iso_date((time_t)(f->search->began / 1000000000), began, sizeof(began));
    return err_set(err, ERR_USER,
                   "'%s' is from %s, before this job began (%s): it tells nothing of this job's "
                   "tests; " ADVICE,
                   f->stale, written, began, f->search->module);
}

/* coverage.py combines them only with what the project's configuration says of paths, and removes
 * them then: the script's business. */
static int uncombined(struct finder *f, struct err *err)
{
    look_for(f, uncombined_data);
    if (f->fresh.n == 0)
        return 0;
    return err_set(err, ERR_USER,
                   "'%s' and others like it (%zu in all) hold coverage.py's data, not combined "
                   "yet: let the job's script run 'coverage combine' and 'coverage xml'",
                   f->fresh.v[0], f->fresh.n);
}

static int found_nothing(struct finder *f, struct err *err)
{
    const struct coverage_search *s = f->search;
    _cleanup_free_ char *places = place_words(s);
    if (f->problem.class != ERR_NONE)
        return err_move(err, &f->problem);
    if (f->stale != NULL)
        return stale_only(f, err);
    if (s->pattern == NULL && uncombined(f, err) < 0)
        return -1;
    _cleanup_strbuf_ struct strbuf names = STRBUF_INIT;
    for (size_t i = 0; s->pattern == NULL && usual_reports[i] != NULL; i++)
        strbuf_addf(&names, "%s, ", usual_reports[i]);
    strbuf_adds(&names, s->pattern == NULL ? usual_data[0] : s->pattern);
    return err_set(
        err, ERR_USER,
        "the tests of '%s' have written no coverage report: looked in %s for %s; " ADVICE,
        s->module, places, names.buf, s->module);
}

/* Whether the spec's pattern has found several in one place, the module's or else the project's. */
static int check_ambiguous(const struct finder *f, struct err *err)
{
    const struct coverage_search *s = f->search;
    _cleanup_free_ char *inside = xasprintf("%s/", s->place);
    bool in_module = *s->place != '\0' && str_starts(f->fresh.v[0], inside);
    size_t n = 0;
    while (n < f->fresh.n && str_starts(f->fresh.v[n], inside) == in_module)
        n++;
    if (n < 2)
        return 0;
    return err_set(err, ERR_USER,
                   "modules.%s.coverage.report: '%s' matches %zu reports that this job has "
                   "written, '%s' and '%s' among them, and which of them counts cannot be told: "
                   "name one, or let the script merge them",
                   s->module, s->pattern, n, f->fresh.v[0], f->fresh.v[1]);
}

static int open_first(const struct finder *f, struct coverage_source *ret, struct err *err)
{
    struct stat st;
    if (file_open_beneath(f->search->checkout, f->fresh.v[0], &ret->fd, &st, err) < 0)
        return -1;
    ret->path = xstrdup(f->fresh.v[0]);
    ret->size = (size_t)st.st_size;
    return 0;
}

/* What lies above is looked for anyway, where it may be. */
static int check_pattern(const struct coverage_search *s, struct err *err)
{
    _cleanup_free_ char *places = place_words(s);
    _cleanup_free_ char *framed = xasprintf("/%s/", s->pattern != NULL ? s->pattern : "");
    if (strstr(framed, "/../") == NULL)
        return 0;
    return err_set(
        err, ERR_USER,
        "modules.%s.coverage.report: '%s' must not go up by '..': it is looked for in %s",
        s->module, s->pattern, places);
}

static int find(struct finder *f, struct coverage_source *ret, struct strlist *ret_passed_over,
                struct err *err)
{
    const char *const own[] = { f->search->pattern, NULL };
    if (check_pattern(f->search, err) < 0)
        return -1;
    look_for(f, f->search->pattern != NULL ? own : usual_reports);
    if (f->fresh.n == 0 && f->search->pattern == NULL)
        look_for(f, usual_data);
    if (f->fresh.n == 0)
        return found_nothing(f, err);
    if ((f->search->pattern != NULL && check_ambiguous(f, err) < 0) || open_first(f, ret, err) < 0)
        return -1;
    for (size_t i = 1; i < f->fresh.n; i++)
        strlist_add(ret_passed_over, f->fresh.v[i]);
    return 0;
}

int coverage_find(const struct coverage_search *search, struct coverage_source *ret,
                  struct strlist *ret_passed_over, struct err *err)
{
    struct finder f = { .search = search, .fresh = STRLIST_INIT, .problem = ERR_INIT };
    int r = find(&f, ret, ret_passed_over, err);
    finder_release(&f);
    return r;
}
