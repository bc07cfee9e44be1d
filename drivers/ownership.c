/* SPDX-License-Identifier: MIT */
/*
 * The tags that say whose a resource is. What tag values may hold, at most 256 characters of
 * letters, digits, spaces and + - = . _ : / @, is the common ground of AWS's services:
 * https://docs.aws.amazon.com/tag-editor/latest/userguide/tagging.html
 */
#include <ctype.h>
#include <inttypes.h>

#include "drivers/cloudformation.h"

#define TAG_VALUE_MAX 256

/* '=' introduces an escape and is therefore escaped itself; a cut leaves no half of one. */
static char *tag_value(const char *text)
{
    _cleanup_strbuf_ struct strbuf value = STRBUF_INIT;
    for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++) {
        bool plain = *p < 0x80 && (isalnum(*p) || strchr(" +-._:/@", *p) != NULL);
        if (value.len + (plain ? 1 : 3) > TAG_VALUE_MAX)
            break;
        if (plain)
            strbuf_addc(&value, (char)*p);
        else
            strbuf_addf(&value, "=%02X", *p);
    }
    return strbuf_detach(&value);
}

static int hex_digit(char c)
{
    static const char digits[] = "0123456789ABCDEF";
    const char *at = c != '\0' ? strchr(digits, c) : NULL;
    return at != NULL ? (int)(at - digits) : -1;
}

/* A value that is nearly as long as values may be was perhaps cut. */
char *tag_text(const char *value)
{
    if (strlen(value) > TAG_VALUE_MAX - 3)
        return NULL;
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    for (const char *p = value; *p != '\0'; p++) {
        if (*p != '=') {
            strbuf_addc(&text, *p);
            continue;
        }
        int high = hex_digit(p[1]), low = high >= 0 ? hex_digit(p[2]) : -1;
        if (low < 0 || high + low == 0)
            return NULL;
        strbuf_addc(&text, (char)(high * 16 + low));
        p += 2;
    }
    return strbuf_detach(&text);
}

static void put_tag(cJSON *tags, const char *key, const char *text)
{
    _cleanup_free_ char *value = tag_value(text);
    json_put_str(tags, key, value);
}

cJSON *tags_wanted(const struct graph *g, const char *label)
{
    cJSON *tags = cJSON_CreateObject();
    put_tag(tags, "Environment", g->context.environment);
    json_put_strf(tags, "berth:project", "%" PRId64, g->context.project);
    put_tag(tags, "berth:ref", g->context.ref);
    put_tag(tags, "berth:name", label);
    return tags;
}

static bool are_of_environment(const struct graph *g, const cJSON *tags)
{
    static const char *const keys[] = { "Environment", "berth:project", "berth:ref" };
    _cleanup_json_ cJSON *ours = tags_wanted(g, "");
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
        if (!str_eq(json_str(ours, keys[i]), json_str(tags, keys[i])))
            return false;
    return true;
}

/*
 * CloudFormation passes the tags of a stack on to what the stack holds, and adds its own: that is
 * the stack's, though it bears our tags. Not every service takes tags that begin with "aws:".
 * https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-properties-resource-tags.html
 */
static bool are_of_stack(const cJSON *tags, bool is_stack)
{
    return json_get(tags, "aws:cloudformation:stack-id") != NULL ||
           (json_get(tags, STACK_TEMPLATE_TAG) != NULL && !is_stack);
}

bool tags_are_ours(const struct graph *g, const cJSON *tags)
{
    return are_of_environment(g, tags) && !are_of_stack(tags, false);
}

bool resource_is_ours(const struct resource *r)
{
    return are_of_environment(r->graph, r->tags) &&
           !are_of_stack(r->tags, r->type == &cloudformation_stack_type);
}

cJSON *tags_to_list(const cJSON *tags, const char *key_name, const char *value_name)
{
    cJSON *list = cJSON_CreateArray();
    const cJSON *tag;
    cJSON_ArrayForEach (tag, tags) {
        cJSON *item = json_push(list, cJSON_CreateObject());
        json_put_str(item, key_name, tag->string);
        json_put_str(item, value_name, cJSON_GetStringValue(tag));
    }
    return list;
}

cJSON *tags_from_list(const cJSON *list, const char *key_name, const char *value_name)
{
    cJSON *tags = cJSON_CreateObject();
    const cJSON *item;
    cJSON_ArrayForEach (item, list) {
        const char *key = json_str(item, key_name);
        const char *value = json_str(item, value_name);
        /* A tag without a value comes without the member from some services. */
        if (key != NULL)
            json_put_str(tags, key, value ? value : "");
    }
    return tags;
}
