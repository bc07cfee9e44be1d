/* SPDX-License-Identifier: MIT */
#include "executor/engine/variables.h"
#include "executor/base/near.h"

/* What a walk through a value knows. */
struct walk {
    const struct spec_variables *variables;
    struct strbuf path; /* of the value that the walk has reached */
    struct schema_problems *problems;
    variables_warn warn;
    void *context;
};

/* One string on its way to being replaced. */
struct expansion {
    struct walk *walk;
    struct strbuf text;     /* as a plain string */
    struct strbuf template; /* as the template of a reference */
    bool is_reference;
};

static void problem(struct walk *w, const char *fmt, ...) _printf_(2, 3);
static void problem(struct walk *w, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    schema_problem_vadd(w->problems, w->path.buf, fmt, ap);
    va_end(ap);
}

static void warning(struct walk *w, const char *fmt, ...) _printf_(2, 3);
static void warning(struct walk *w, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    _cleanup_free_ char *message = xvasprintf(fmt, ap);
    va_end(ap);
    if (w->warn != NULL)
        w->warn(w->context, w->path.buf, message);
}

/* Whether the walk is in a service's plain "environment", which everybody who may look at a task
 * definition can read (ECS API, DescribeTaskDefinition). */
static bool in_plain_environment(const struct walk *w)
{
    const char *p = w->path.buf;
    return (str_starts(p, "services.") || str_starts(p, "serviceDefaults.")) &&
           strstr(p, ".environment.") != NULL;
}

static const char *job_value(const struct walk *w, const char *name)
{
    const struct spec_variables *v = w->variables;
    return v->lookup != NULL ? v->lookup(v->context, name) : NULL;
}

static const char *nearest_name(const struct walk *w, const char *name)
{
    struct near near = NEAR_INIT(name);
    near_try_keys(&near, w->variables->own);
    const struct strlist *names = w->variables->names;
    for (size_t i = 0; names != NULL && i < names->n; i++)
        near_try(&near, names->v[i]);
    return near.word;
}

static void unknown_variable(struct walk *w, const char *name)
{
    const char *nearest = nearest_name(w, name);
    if (nearest != NULL)
        problem(w, "unknown variable '${%s}' (did you mean '${%s}'?)", name, nearest);
    else
        problem(w,
                "unknown variable '${%s}': neither berth nor the job's CI/CD variables have it; "
                "for a literal '${' write '$${'",
                name);
}

/* The value of ${name}, or NULL with the problem noted. */
static const char *value_of(struct walk *w, const char *name)
{
    const char *own = json_str(w->variables->own, name);
    const char *of_job = job_value(w, name);
    if (own != NULL) {
        if (of_job != NULL && !str_eq(own, of_job))
            warning(w, "'${%s}' is berth's own value, not the CI/CD variable of that name", name);
        return own;
    }
    if (of_job == NULL) {
        unknown_variable(w, name);
        return NULL;
    }
    const struct spec_variables *v = w->variables;
    if (v->is_masked != NULL && v->is_masked(v->context, name) && in_plain_environment(w))
        warning(w,
                "'${%s}' is a masked variable in plain 'environment', where everybody who may read "
                "the task definition sees it; it belongs in 'secrets'",
                name);
    return of_job;
}

/* Appends literal text to both forms. */
static void add_literal(struct expansion *e, const char *text, size_t len)
{
    strbuf_add(&e->text, text, len);
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '$' && i + 1 < len && text[i + 1] == '{')
            strbuf_addc(&e->template, '$');
        strbuf_addc(&e->template, text[i]);
    }
}

static bool is_variable_name(const char *name)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_";
    return *name != '\0' && strchr(letters, *name) != NULL &&
           strspn(name + 1, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") ==
               strlen(name + 1);
}

static void add_reference(struct expansion *e, const char *name)
{
    size_t len = strlen(name);
    if (name[0] == '.' || name[len - 1] == '.' || strpbrk(name, " \t\n${}\"'") != NULL) {
        problem(e->walk, "'${%s}' is not a reference: it must be '${resource.output}'", name);
        return;
    }
    /* "$" and "${a.b}" together would read as the escape of a literal "${". */
    if (e->template.len > 0 && e->template.buf[e->template.len - 1] == '$') {
        problem(e->walk, "a '$' cannot stand directly in front of '${%s}'", name);
        return;
    }
    e->is_reference = true;
    strbuf_addf(&e->template, "${%s}", name);
}

/* Replaces one ${...}; `name` is what stands between the braces. */
static void add_expression(struct expansion *e, const char *name)
{
    if (strchr(name, '.') != NULL) {
        add_reference(e, name);
    } else if (is_variable_name(name)) {
        const char *value = value_of(e->walk, name);
        if (value != NULL)
            add_literal(e, value, strlen(value));
    } else {
        problem(e->walk,
                "'${%s}' is not a variable: names are letters, digits and '_'; for a literal '${' "
                "write '$${'",
                name);
    }
}

static void expand(struct expansion *e, const char *s)
{
    const char *at;
    while ((at = strstr(s, "${")) != NULL) {
        if (at > s && at[-1] == '$') {
            add_literal(e, s, (size_t)(at - s) - 1);
            add_literal(e, "${", 2);
            s = at + 2;
            continue;
        }
        add_literal(e, s, (size_t)(at - s));
        const char *end = strchr(at, '}');
        if (end == NULL) {
            problem(e->walk, "'${' without its '}'; for a literal '${' write '$${'");
            return;
        }
        _cleanup_free_ char *name = xstrndup(at + 2, (size_t)(end - at) - 2);
        add_expression(e, name);
        s = end + 1;
    }
    add_literal(e, s, strlen(s));
}

static void replace_string(struct walk *w, cJSON *value)
{
    if (strstr(value->valuestring, "${") == NULL)
        return;
    struct expansion e = { .walk = w, .text = STRBUF_INIT, .template = STRBUF_INIT };
    expand(&e, value->valuestring);
    if (e.is_reference) {
        /* The item stays where it is and becomes an object. */
        free(value->valuestring);
        value->valuestring = NULL;
        value->type = (value->type & ~0xff) | cJSON_Object;
        json_put_str(value, SCHEMA_OUTPUT, e.template.buf);
    } else {
        free(value->valuestring);
        value->valuestring = strbuf_detach(&e.text);
    }
    strbuf_release(&e.text);
    strbuf_release(&e.template);
}

static void walk_value(struct walk *w, cJSON *value)
{
    size_t len = w->path.len;
    size_t i = 0;
    cJSON *item;
    if (cJSON_IsString(value)) {
        replace_string(w, value);
    } else if (cJSON_IsArray(value)) {
        cJSON_ArrayForEach (item, value) {
            json_path_index(&w->path, i++);
            walk_value(w, item);
            strbuf_cut(&w->path, len);
        }
    } else if (cJSON_IsObject(value)) {
        cJSON_ArrayForEach (item, value) {
            json_path_key(&w->path, item->string);
            if (str_starts(item->string, "${"))
                problem(w, "a key cannot begin with '${': variables stand in values only");
            else
                walk_value(w, item);
            strbuf_cut(&w->path, len);
        }
    }
}

void variables_replace(cJSON *value, const char *path, const struct spec_variables *variables,
                       struct schema_problems *problems, variables_warn warn, void *context)
{
    struct walk w = { .variables = variables,
                      .path = STRBUF_INIT,
                      .problems = problems,
                      .warn = warn,
                      .context = context };
    strbuf_adds(&w.path, path);
    walk_value(&w, value);
    strbuf_release(&w.path);
}
