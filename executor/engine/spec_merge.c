/* SPDX-License-Identifier: MIT */
#include "executor/engine/spec_merge.h"

#include "executor/base/schema.h"

static bool all_named(const cJSON *array)
{
    const cJSON *item;
    cJSON_ArrayForEach (item, array)
        if (json_str(item, "name") == NULL)
            return false;
    return json_count(array) > 0;
}

/* json_merge(), but a null stays: there may be something below that it is to remove. */
static void merge_keeping_nulls(cJSON *base, const cJSON *over)
{
    const cJSON *item;
    cJSON_ArrayForEach (item, over) {
        cJSON *old = json_get(base, item->string);
        if (cJSON_IsObject(item) && cJSON_IsObject(old)) {
            merge_keeping_nulls(old, item);
        } else if (all_named(item) && all_named(old)) {
            const cJSON *named;
            cJSON_ArrayForEach (named, item) {
                cJSON *same = json_find(old, "name", json_str(named, "name"));
                if (same != NULL)
                    merge_keeping_nulls(same, named);
                else
                    json_push(old, json_dup(named));
            }
        } else {
            json_put(base, item->string, json_dup(item));
        }
    }
}

static void drop_nulls(cJSON *object)
{
    cJSON *next;
    for (cJSON *item = object->child; item != NULL; item = next) {
        next = item->next;
        if (cJSON_IsNull(item))
            cJSON_Delete(cJSON_DetachItemViaPointer(object, item));
        else if (cJSON_IsObject(item))
            drop_nulls(item);
    }
}

/* Drops the nulls of a whole service but for those that are a value of their own. */
static void drop_service_nulls(cJSON *service)
{
    cJSON *next;
    for (cJSON *item = service->child; item != NULL; item = next) {
        next = item->next;
        const char *key = item->string;
        if (str_eq(key, "desiredCount") || str_eq(key, "healthCheck") ||
            str_eq(key, "taskDefinition") || str_eq(key, "service"))
            continue;
        if (cJSON_IsNull(item))
            cJSON_Delete(cJSON_DetachItemViaPointer(service, item));
        else if (cJSON_IsObject(item))
            drop_nulls(item);
    }
}

static void merge_overlay(cJSON *json, const cJSON *overlay)
{
    _cleanup_json_ cJSON *rest = json_dup(overlay);
    static const char *const layered[] = { "services", "serviceDefaults" };
    for (size_t i = 0; i < ARRAY_SIZE(layered); i++) {
        const cJSON *over = json_get(overlay, layered[i]);
        if (!cJSON_IsObject(over))
            continue;
        if (!cJSON_IsObject(json_get(json, layered[i])))
            json_put_object(json, layered[i]);
        merge_keeping_nulls(json_get(json, layered[i]), over);
        cJSON_DeleteItemFromObjectCaseSensitive(rest, layered[i]);
    }
    json_merge(json, rest);
}

static void merge_service_defaults(cJSON *json)
{
    _cleanup_json_ cJSON *defaults =
        cJSON_DetachItemFromObjectCaseSensitive(json, "serviceDefaults");
    cJSON *services = json_get(json, "services");
    cJSON *next;
    for (cJSON *service = services ? services->child : NULL; service != NULL; service = next) {
        next = service->next;
        if (cJSON_IsNull(service)) {
            cJSON_Delete(cJSON_DetachItemViaPointer(services, service));
            continue;
        }
        if (!cJSON_IsObject(service))
            continue;
        cJSON *whole = defaults != NULL ? json_dup(defaults) : cJSON_CreateObject();
        merge_keeping_nulls(whole, service);
        drop_service_nulls(whole);
        _cleanup_free_ char *name = xstrdup(service->string);
        cJSON_ReplaceItemInObjectCaseSensitive(services, name, whole);
    }
}

cJSON *spec_merge(const cJSON *raw, const char *kind)
{
    cJSON *json = json_dup(raw);
    cJSON_DeleteItemFromObjectCaseSensitive(json, "overlays");
    const cJSON *overlay = json_get(json_get(raw, "overlays"), kind);
    if (cJSON_IsObject(overlay))
        merge_overlay(json, overlay);
    merge_service_defaults(json);
    return json;
}

struct filling {
    const cJSON *root;
    struct strbuf path;
    defaults_filled filled;
    void *context;
};

static void fill(struct filling *f, cJSON *value, const cJSON *schema);

static bool fits(const cJSON *root, const cJSON *schema, const cJSON *value)
{
    _cleanup_problems_ struct schema_problems problems = SCHEMA_PROBLEMS_INIT;
    schema_check_part(root, schema, value, &problems);
    return problems.n == 0;
}

static void fill_members(struct filling *f, cJSON *value, const cJSON *schema)
{
    size_t len = f->path.len;
    const cJSON *properties = json_get(schema, "properties");
    const cJSON *property;
    cJSON_ArrayForEach (property, properties) {
        const cJSON *otherwise = json_get(property, "default");
        if (otherwise == NULL || json_get(value, property->string) != NULL)
            continue;
        cJSON *added = json_put(value, property->string, json_dup(otherwise));
        json_path_key(&f->path, property->string);
        if (f->filled != NULL)
            f->filled(f->context, f->path.buf, added);
        strbuf_cut(&f->path, len);
    }

    /* The schemas of one kind of thing by name have a single pattern, and nothing beside it. */
    const cJSON *pattern = json_get(schema, "patternProperties");
    const cJSON *named = pattern ? pattern->child : json_get(schema, "additionalProperties");
    cJSON *member;
    cJSON_ArrayForEach (member, value) {
        const cJSON *own = json_get(properties, member->string);
        json_path_key(&f->path, member->string);
        fill(f, member, own ? own : named);
        strbuf_cut(&f->path, len);
    }
}

static void fill(struct filling *f, cJSON *value, const cJSON *schema)
{
    const char *ref;
    while ((ref = json_str(schema, "$ref")) != NULL && str_starts(ref, "#/"))
        schema = json_at(f->root, ref + 2);
    if (!cJSON_IsObject(schema))
        return;
    const cJSON *branch;
    cJSON_ArrayForEach (branch, json_get(schema, "anyOf")) {
        if (fits(f->root, branch, value)) {
            fill(f, value, branch);
            break;
        }
    }
    if (cJSON_IsObject(value)) {
        fill_members(f, value, schema);
    } else if (cJSON_IsArray(value)) {
        size_t i = 0, len = f->path.len;
        cJSON *item;
        cJSON_ArrayForEach (item, value) {
            json_path_index(&f->path, i++);
            fill(f, item, json_get(schema, "items"));
            strbuf_cut(&f->path, len);
        }
    }
}

void spec_fill_defaults(cJSON *json, const cJSON *schema, defaults_filled filled, void *context)
{
    struct filling f = {
        .root = schema, .path = STRBUF_INIT, .filled = filled, .context = context
    };
    fill(&f, json, schema);
    strbuf_release(&f.path);
}

/* Cuts the first step off a path and returns it, the caller's to free; an index is "[i]". */
static char *next_step(const char **path)
{
    const char *p = *path + (**path == '.');
    const char *start = p;
    if (*p == '"') {
        size_t n = json_path_quoted(p);
        _cleanup_json_ cJSON *key = cJSON_ParseWithLength(p, n);
        *path = p + n;
        return xstrdup(cJSON_IsString(key) ? key->valuestring : "");
    }
    size_t n = strcspn(p, *p == '[' ? "]" : ".[");
    p += n + (p[n] == ']');
    *path = p;
    return xstrndup(start, (size_t)(p - start));
}

static const cJSON *step_into(const cJSON *value, const char *step)
{
    if (*step == '[')
        return cJSON_GetArrayItem(value, atoi(step + 1));
    return json_get(value, step);
}

static bool has_path(const cJSON *value, const char *path)
{
    while (value != NULL && *path != '\0') {
        _cleanup_free_ char *step = next_step(&path);
        value = step_into(value, step);
    }
    return value != NULL;
}

char *spec_origin(const cJSON *raw, const char *kind, const char *path)
{
    _cleanup_free_ char *in_overlay = xasprintf("overlays.%s.%s", kind ? kind : "", path);
    if (kind != NULL && has_path(raw, in_overlay))
        return steal_ptr(&in_overlay);
    if (has_path(raw, path))
        return xstrdup(path);

    const char *rest = path;
    _cleanup_free_ char *top = next_step(&rest);
    _cleanup_free_ char *service = *rest != '\0' ? next_step(&rest) : NULL;
    if (!str_eq(top, "services") || service == NULL || *rest == '\0')
        return xstrdup(path);
    _cleanup_free_ char *by_overlay =
        xasprintf("overlays.%s.serviceDefaults%s", kind ? kind : "", rest);
    if (kind != NULL && has_path(raw, by_overlay))
        return steal_ptr(&by_overlay);
    _cleanup_free_ char *by_default = xasprintf("serviceDefaults%s", rest);
    return has_path(raw, by_default) ? steal_ptr(&by_default) : xstrdup(path);
}
