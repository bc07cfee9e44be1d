/* SPDX-License-Identifier: MIT */
/*
 * Laying one JSON value over another: overlays, and what a spec says on top of what berth
 * generates.
 */
#include "executor/base/json.h"

static bool all_named(const cJSON *array)
{
    const cJSON *item;
    cJSON_ArrayForEach (item, array)
        if (json_str(item, "name") == NULL)
            return false;
    return array->child != NULL;
}

static void merge_named(cJSON *base, const cJSON *over)
{
    const cJSON *item;
    cJSON_ArrayForEach (item, over) {
        cJSON *same = json_find(base, "name", json_str(item, "name"));
        if (same != NULL)
            json_merge(same, item);
        else
            json_push(base, json_dup(item));
    }
}

/* A copy of `value` without the nulls that mean "remove". */
static cJSON *dup_without_nulls(const cJSON *value)
{
    if (!cJSON_IsObject(value))
        return json_dup(value);
    cJSON *copy = cJSON_CreateObject();
    json_merge(copy, value);
    return copy;
}

void json_merge(cJSON *base, const cJSON *over)
{
    const cJSON *item;
    cJSON_ArrayForEach (item, over) {
        cJSON *old = json_get(base, item->string);
        if (cJSON_IsNull(item))
            cJSON_DeleteItemFromObjectCaseSensitive(base, item->string);
        else if (cJSON_IsObject(item) && cJSON_IsObject(old))
            json_merge(old, item);
        else if (cJSON_IsArray(item) && cJSON_IsArray(old) && all_named(item) && all_named(old))
            merge_named(old, item);
        else
            json_put(base, item->string, dup_without_nulls(item));
    }
}
