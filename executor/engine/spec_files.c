/* SPDX-License-Identifier: MIT */
#include "executor/engine/spec_files.h"

#include "executor/base/file.h"

/* Adds what is wrong in a file under the path of who names it, with the line in the file. */
static void add_located(const struct schema_problems *found, const char *path, const char *file,
                        const char *text, struct schema_problems *problems)
{
    for (size_t i = 0; i < found->n; i++) {
        const struct schema_problem *p = &found->v[i];
        /* Behind the path's own part: ".widgets[0].properties.title". */
        const char *within = p->path + strlen(path);
        within += *within == '.';
        schema_problem_add(problems, path, "'%s', line %u: %s%s%s", file,
                           json_line_of(text, within), within, *within ? ": " : "", p->message);
    }
}

/* NULL, and what is wrong noted, where there is no such file or no JSON in it. */
static cJSON *read_one(const struct spec *spec, const char *path, const char *file,
                       struct strbuf *text, struct schema_problems *problems)
{
    _cleanup_err_ struct err err = ERR_INIT;
    cJSON *value = NULL;
    if (file_read_beneath(spec->dir, file, JSON_FILE_MAX, text, &err) < 0)
        schema_problem_add(problems, path, "%s", err.message);
    else if (json_parse(text->buf, text->len, JSON_COMMENTS, &value, &err) < 0)
        schema_problem_add(problems, path, "'%s': %s", file, err.message);
    return value;
}

/* A member of "dashboards" that names a file becomes what is in it. */
static void read_dashboard(const struct spec *spec, cJSON *dashboards, const cJSON *item,
                           const struct spec_variables *variables, struct schema_problems *problems,
                           variables_warn warn, void *context)
{
    _cleanup_strbuf_ struct strbuf path = STRBUF_INIT, text = STRBUF_INIT;
    _cleanup_problems_ struct schema_problems found = SCHEMA_PROBLEMS_INIT;
    strbuf_adds(&path, "dashboards");
    json_path_key(&path, item->string);
    cJSON *value = read_one(spec, path.buf, item->valuestring, &text, problems);
    if (value == NULL)
        return;
    variables_replace(value, path.buf, variables, &found, warn, context);
    add_located(&found, path.buf, item->valuestring, text.buf, problems);
    _cleanup_free_ char *key = xstrdup(item->string);
    cJSON_ReplaceItemInObjectCaseSensitive(dashboards, key, value);
}

void spec_files_read(const struct spec *spec, cJSON *json, const struct spec_variables *variables,
                     struct schema_problems *problems, variables_warn warn, void *context)
{
    cJSON *dashboards = json_get(json, "dashboards");
    for (cJSON *item = dashboards != NULL ? dashboards->child : NULL, *next; item != NULL;
         item = next) {
        next = item->next;
        if (cJSON_IsString(item))
            read_dashboard(spec, dashboards, item, variables, problems, warn, context);
    }
}
