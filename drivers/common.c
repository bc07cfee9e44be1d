/* SPDX-License-Identifier: MIT */
#include "drivers/common.h"

#include <ctype.h>

int name_check(const char *path, const char *what, const char *name, size_t max, struct err *err)
{
    size_t n = strlen(name);
    if (n <= max)
        return 0;
    return err_set(err, ERR_USER, "%s: '%s' is too long for %s: %zu characters, at most %zu", path,
                   name, what, n, max);
}

cJSON *plausible_input(const cJSON *input)
{
    if (ref_is(input))
        return cJSON_CreateString("known-after-apply");
    if (!cJSON_IsObject(input) && !cJSON_IsArray(input))
        return json_dup(input);
    cJSON *copy = cJSON_IsObject(input) ? cJSON_CreateObject() : cJSON_CreateArray();
    const cJSON *item;
    cJSON_ArrayForEach (item, input) {
        if (cJSON_IsObject(input))
            json_put(copy, item->string, plausible_input(item));
        else
            json_push(copy, plausible_input(item));
    }
    return copy;
}

cJSON *filter_add(cJSON *filters, const char *name, const char *value)
{
    cJSON *filter = json_push(filters, cJSON_CreateObject());
    json_put_str(filter, "Name", name);
    json_push_str(json_put_array(filter, "Values"), value);
    return filter;
}

void resources_mark_observed(struct graph *g, const struct resource_type *type)
{
    for (size_t i = 0; i < g->n; i++) {
        if (g->v[i]->type != type)
            continue;
        resource_set_have(g->v[i], NULL);
        g->v[i]->observed = true;
    }
}

const char *arn_partition(const char *region)
{
    if (str_starts(region, "cn-"))
        return "aws-cn";
    return str_starts(region, "us-gov-") ? "aws-us-gov" : "aws";
}

size_t secret_suffix(const char *arn, size_t len)
{
    static const size_t suffix = 7;
    if (len <= suffix || arn[len - suffix] != '-')
        return 0;
    for (size_t i = len - suffix + 1; i < len; i++)
        if (!isalnum((unsigned char)arn[i]))
            return 0;
    return suffix;
}

cJSON *json_pick(const cJSON *from, const char *const *members)
{
    cJSON *picked = cJSON_CreateObject();
    for (; *members != NULL; members++)
        json_copy(picked, from, *members);
    return picked;
}

static cJSON *detach_equal(cJSON *array, const cJSON *value)
{
    cJSON *item = array->child;
    while (item != NULL && !json_equal(item, value))
        item = item->next;
    return item != NULL ? cJSON_DetachItemViaPointer(array, item) : NULL;
}

void set_order(cJSON *set, const cJSON *wanted)
{
    if (!cJSON_IsArray(set))
        return;
    json_sort(set, NULL);
    _cleanup_json_ cJSON *ordered = cJSON_CreateArray();
    for (const cJSON *item = wanted != NULL ? wanted->child : NULL; item != NULL;
         item = item->next) {
        cJSON *there = detach_equal(set, item);
        if (there != NULL)
            json_push(ordered, there);
    }
    while (set->child != NULL)
        json_push(ordered, cJSON_DetachItemViaPointer(set, set->child));
    while (ordered->child != NULL)
        json_push(set, cJSON_DetachItemViaPointer(ordered, ordered->child));
}

int tags_ask(struct session *s, struct resource *r, const struct tag_call *call, const char *id,
             bool *ret_gone, struct err *err)
{
    _cleanup_json_ cJSON *input = cJSON_CreateObject(), *output = NULL;
    _cleanup_err_ struct err failure = ERR_INIT;
    json_put_str(input, call->member, id);
    if (r->tags == NULL && aws_call(s, call->service, call->action, input, &output, &failure) < 0 &&
        failure.class != ERR_NOT_FOUND)
        return err_move(err, &failure);
    const cJSON *tags = json_get(output, call->tags);
    if (output != NULL && call->key != NULL)
        r->tags = tags_from_list(tags, call->key, call->value);
    else if (output != NULL)
        r->tags = tags != NULL ? json_dup(tags) : cJSON_CreateObject();
    *ret_gone = r->tags == NULL;
    return 0;
}

int tags_give(struct session *s, struct resource *r, const struct tag_call *call, const char *id,
              struct err *err)
{
    _cleanup_json_ cJSON *tags = tags_wanted(r->graph, r->label);
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    if (call->list)
        json_push_str(json_put_array(input, call->member), id);
    else
        json_put_str(input, call->member, id);
    json_put(input, call->tags,
             call->key != NULL ? tags_to_list(tags, call->key, call->value) : json_dup(tags));
    if (aws_call(s, call->service, call->action, input, NULL, err) < 0)
        return -1;
    if (r->tags == NULL)
        r->tags = cJSON_CreateObject();
    const cJSON *tag;
    cJSON_ArrayForEach (tag, tags)
        json_copy(r->tags, tags, tag->string);
    return 0;
}
