/* SPDX-License-Identifier: MIT */
#include "drivers/tagged.h"

#define FOUND_AT_ONCE 100 /* as many as a page has */

static cJSON *query_make(const char *key, const char *value, const char *type)
{
    cJSON *input = cJSON_CreateObject();
    cJSON *filter = json_push(json_put_array(input, "TagFilters"), cJSON_CreateObject());
    json_put_str(filter, "Key", key);
    if (value != NULL)
        json_push_str(json_put_array(filter, "Values"), value);
    if (type != NULL)
        json_push_str(json_put_array(input, "ResourceTypeFilters"), type);
    json_put_int(input, "ResourcesPerPage", FOUND_AT_ONCE);
    return input;
}

int tagged_find(struct session *s, const char *key, const char *value, const char *type,
                cJSON **ret, struct err *err)
{
    _cleanup_json_ cJSON *input = query_make(key, value, type), *list = NULL;
    if (aws_call_all(s, "tagging", "GetResources", input, "ResourceTagMappingList", &list, err) < 0)
        return -1;
    cJSON *found = cJSON_CreateArray();
    const cJSON *one;
    cJSON_ArrayForEach (one, list) {
        const char *arn = json_str(one, "ResourceARN");
        if (arn == NULL)
            continue;
        cJSON *item = json_push(found, cJSON_CreateObject());
        json_put_str(item, "ResourceARN", arn);
        json_put(item, "Tags", tags_from_list(json_get(one, "Tags"), "Key", "Value"));
    }
    *ret = found;
    return 0;
}

int tagged_find_environment(struct session *s, const struct graph *g, const char *type, cJSON **ret,
                            struct err *err)
{
    return tagged_find(s, "Environment", g->context.environment, type, ret, err);
}
