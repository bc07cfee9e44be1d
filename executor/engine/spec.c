/* SPDX-License-Identifier: MIT */
#include "executor/engine/spec.h"

#include <ctype.h>
#include <uv.h>

#include "executor/base/file.h"
#include "executor/engine/spec_files.h"
#include "executor/engine/spec_merge.h"
#include "executor/engine/variables.h"
#include "executor/base/schemas.h"

static uv_once_t schema_once = UV_ONCE_INIT;
static const cJSON *schema;

static void parse_schema(void)
{
    _cleanup_err_ struct err err = ERR_INIT;
    cJSON *parsed = NULL;
    if (json_parse(schema_environment, strlen(schema_environment), JSON_PLAIN, &parsed, &err) < 0)
        abort(); /* it is compiled in, and tests parse it */
    schema = parsed;
}

/* The specs' schema, parsed once in the life of the process. */
static const cJSON *spec_schema(void)
{
    uv_once(&schema_once, parse_schema);
    return schema;
}

static int open_directory_of(int project, const char *path, int *ret, struct err *err)
{
    const char *slash = strrchr(path, '/');
    _cleanup_free_ char *dir = slash ? xstrndup(path, (size_t)(slash - path)) : xstrdup(".");
    return file_open_dir_beneath(project, dir, ret, err);
}

static int read_text(struct spec *spec, int project, struct err *err)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    if (file_read_beneath(project, spec->file, JSON_FILE_MAX, &text, err) < 0) {
        if (err->class != ERR_NOT_FOUND)
            return -1;
        return err_set(err, ERR_USER,
                       "'%s' does not exist in the repository: it says what an environment is; "
                       "add it, or name another file in the host config's \"spec\"",
                       spec->file);
    }
    if (json_parse(text.buf, text.len, JSON_COMMENTS, &spec->raw, err) < 0) {
        err->class = ERR_USER;
        return err_wrap(err, "%s", spec->file);
    }
    spec->text = strbuf_detach(&text);
    return open_directory_of(project, spec->file, &spec->dir, err);
}

static int check_raw(const struct spec *spec, struct err *err)
{
    _cleanup_problems_ struct schema_problems problems = SCHEMA_PROBLEMS_INIT;
    schema_check(spec_schema(), spec->raw, &problems);
    return schema_problems_to_err(&problems, ERR_USER, spec->file, spec->text, err);
}

int spec_read(int project, const char *path, struct spec *ret, struct err *err)
{
    _cleanup_spec_ struct spec spec = SPEC_INIT;
    spec.file = xstrdup(path);
    if (read_text(&spec, project, err) < 0 || check_raw(&spec, err) < 0)
        return -1;
    *ret = spec;
    spec = (struct spec)SPEC_INIT;
    return 0;
}

/* Gives each problem the path under which a person finds it, and drops those that are thereby said
 * already: what is wrong in serviceDefaults is wrong in every service. */
static void localize_problems(const struct spec *spec, struct schema_problems *problems)
{
    size_t kept = 0;
    for (size_t i = 0; i < problems->n; i++) {
        struct schema_problem *p = &problems->v[i];
        char *path = spec_origin(spec->raw, spec->kind, p->path);
        free(p->path);
        p->path = path;
        bool said = false;
        for (size_t j = 0; j < kept && !said; j++)
            said = str_eq(problems->v[j].path, path) && str_eq(problems->v[j].message, p->message);
        if (!said) {
            struct schema_problem keep = *p;
            *p = problems->v[kept];
            problems->v[kept++] = keep;
        }
    }
    for (size_t i = kept; i < problems->n; i++) {
        free(problems->v[i].path);
        free(problems->v[i].message);
    }
    problems->n = kept;
}

static void note_warning(void *context, const char *path, const char *message)
{
    struct spec *spec = context;
    _cleanup_free_ char *origin = spec_origin(spec->raw, spec->kind, path);
    _cleanup_free_ char *line =
        xasprintf("%s:%u: %s: %s", spec->file, json_line_of(spec->text, origin), origin, message);
    if (!strlist_has(&spec->warnings, line))
        strlist_add(&spec->warnings, line);
}

/* What a resolve works on while defaults are filled in. */
struct resolving {
    struct spec *spec;
    const struct spec_variables *variables;
    struct schema_problems *problems;
};

static void default_filled(void *context, const char *path, cJSON *value)
{
    struct resolving *r = context;
    variables_replace(value, path, r->variables, r->problems, note_warning, r->spec);
}

int spec_problems_to_err(const struct spec *spec, struct schema_problems *problems,
                         enum err_class class, struct err *err)
{
    localize_problems(spec, problems);
    return schema_problems_to_err(problems, class, spec->file, spec->text, err);
}

int spec_resolve(struct spec *spec, const char *kind, const struct spec_variables *variables,
                 struct err *err)
{
    spec->kind = kind;
    _cleanup_json_ cJSON *json = spec_merge(spec->raw, kind);
    _cleanup_problems_ struct schema_problems problems = SCHEMA_PROBLEMS_INIT;
    schema_check(spec_schema(), json, &problems);
    if (spec_problems_to_err(spec, &problems, ERR_USER, err) < 0)
        return -1;

    struct resolving r = { .spec = spec, .variables = variables, .problems = &problems };
    variables_replace(json, "", variables, &problems, note_warning, spec);
    if (spec_problems_to_err(spec, &problems, ERR_USER, err) < 0)
        return -1;
    schema_check_expanded(spec_schema(), json, &problems);
    spec_fill_defaults(json, spec_schema(), default_filled, &r);
    spec_files_read(spec, json, variables, &problems, note_warning, spec);
    if (spec_problems_to_err(spec, &problems, ERR_USER, err) < 0)
        return -1;
    json_freep(&spec->json);
    spec->json = steal_ptr(&json);
    return 0;
}

void spec_release(struct spec *spec)
{
    free(spec->file);
    free(spec->text);
    json_freep(&spec->raw);
    json_freep(&spec->json);
    closep(&spec->dir);
    strlist_release(&spec->warnings);
    *spec = (struct spec)SPEC_INIT;
}

/* The length of the JSON path that a message begins with, which ends at the first ": "; 0 if it
 * does not begin with one: a path begins with a member of the spec and holds no blank outside
 * quotes. */
static size_t path_length(const struct spec *spec, const char *message)
{
    size_t first = strcspn(message, ".[: ");
    _cleanup_free_ char *top = xstrndup(message, first);
    if (json_get(spec->raw, top) == NULL && json_get(spec->json, top) == NULL)
        return 0;
    for (const char *p = message; *p != '\0';) {
        if (p[0] == ':' && p[1] == ' ')
            return (size_t)(p - message);
        if (isspace((unsigned char)*p))
            return 0;
        p += *p == '"' ? json_path_quoted(p) : 1;
    }
    return 0;
}

/* A line of a message, with the place it speaks of where it speaks of one. */
struct located {
    char *text;
    unsigned line; /* 0: no place */
    size_t order;
};

static struct located locate_line(const struct spec *spec, const char *text, size_t n)
{
    struct located l = { .text = xstrndup(text, n) };
    size_t len = path_length(spec, l.text);
    if (len == 0)
        return l;
    _cleanup_free_ char *path = xstrndup(l.text, len);
    _cleanup_free_ char *origin = spec_origin(spec->raw, spec->kind, path);
    l.line = json_line_of(spec->text, origin);
    char *located = xasprintf("%s:%u: %s", spec->file, l.line, l.text);
    free(l.text);
    l.text = located;
    return l;
}

static int compare_located(const void *a, const void *b)
{
    const struct located *x = a;
    const struct located *y = b;
    if (x->line != y->line)
        return x->line < y->line ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

int spec_locate(const struct spec *spec, struct err *err)
{
    if (err->message == NULL || spec->text == NULL)
        return -1;
    struct located *lines = NULL;
    size_t n = 0;
    bool all = true;
    for (const char *p = err->message; *p != '\0';) {
        size_t len = strcspn(p, "\n");
        lines = xrealloc_array(lines, n + 1, sizeof(*lines));
        lines[n] = locate_line(spec, p, len);
        lines[n].order = n;
        all = all && lines[n].line > 0;
        n++;
        p += len + (p[len] == '\n');
    }
    if (all && n > 1)
        qsort(lines, n, sizeof(*lines), compare_located);
    _cleanup_strbuf_ struct strbuf message = STRBUF_INIT;
    for (size_t i = 0; i < n; i++) {
        strbuf_addf(&message, "%s%s", i > 0 ? "\n" : "", lines[i].text);
        free(lines[i].text);
    }
    free(lines);
    free(err->message);
    err->message = strbuf_detach(&message);
    return -1;
}
