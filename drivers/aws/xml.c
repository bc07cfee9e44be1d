/* SPDX-License-Identifier: MIT */
#include "drivers/aws/xml.h"

#include <ctype.h>
#include <errno.h>
#include <libxml/parser.h>
#include <math.h>
#include <stdio.h>
#include <uv.h>

#include "drivers/aws/timestamp.h"
#include "executor/base/json.h"
#include "executor/base/redact.h"
#include "executor/base/utf8.h"

#define TEXT_SHOWN 40 /* bytes of an element that is not understood */

static uv_once_t parser_once = UV_ONCE_INIT;

static void parser_init(void)
{
    xmlInitParser(); /* must have run before threads use libxml2 */
}

void xml_docp(xmlDoc **doc)
{
    if (*doc != NULL)
        xmlFreeDoc(*doc);
}

int xml_parse(const char *text, size_t len, xmlDoc **ret, struct err *err)
{
    uv_once(&parser_once, parser_init);
    if (len > INT32_MAX)
        return err_set(err, ERR_FAILED, "the answer is too large");
    if (utf8_valid(text, len) < len || memchr(text, '\0', len) != NULL)
        return err_set(err, ERR_FAILED, "the answer is not UTF-8: not an answer of AWS");
    if (memmem(text, len, "<!DOCTYPE", strlen("<!DOCTYPE")) != NULL)
        return err_set(err, ERR_FAILED, "the answer has a document type: not an answer of AWS");
    /* An encoding that the document itself names is ignored: in another one, what has been looked
     * for above would look different. */
    xmlDoc *doc = xmlReadMemory(text, (int)len, NULL, "UTF-8",
                                XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING |
                                    XML_PARSE_NOCDATA | XML_PARSE_IGNORE_ENC);
    if (doc == NULL || xmlDocGetRootElement(doc) == NULL || doc->intSubset != NULL) {
        xml_docp(&doc);
        return err_set(err, ERR_FAILED, "the answer is not XML");
    }
    *ret = doc;
    return 0;
}

int xml_answer(const char *action, const xmlDoc *doc, const xmlNode **ret, struct err *err)
{
    const xmlNode *root = xmlDocGetRootElement((xmlDoc *)doc);
    _cleanup_free_ char *wanted = xasprintf("%sResponse", action);
    if (strcmp((const char *)root->name, wanted) != 0)
        return err_set(err, ERR_FAILED, "the answer is '%s' instead of '%s'",
                       (const char *)root->name, wanted);
    *ret = root;
    return 0;
}

static bool is_element(const xmlNode *node, const char *name)
{
    return node->type == XML_ELEMENT_NODE && strcmp((const char *)node->name, name) == 0;
}

const xmlNode *xml_child(const xmlNode *node, const char *name)
{
    for (const xmlNode *child = node != NULL ? node->children : NULL; child; child = child->next)
        if (is_element(child, name))
            return child;
    return NULL;
}

char *xml_text(const xmlNode *node)
{
    if (node == NULL)
        return NULL;
    struct strbuf text = STRBUF_INIT;
    for (const xmlNode *child = node->children; child != NULL; child = child->next)
        if (child->type == XML_TEXT_NODE || child->type == XML_CDATA_SECTION_NODE)
            strbuf_adds(&text, (const char *)child->content);
    return strbuf_detach(&text);
}

static int parse_number(const struct shape *shape, const char *text, cJSON **ret)
{
    char *end = NULL;
    errno = 0;
    double n = strtod(text, &end);
    bool whole = shape->kind != SHAPE_DOUBLE;
    if (end == text || *end != '\0' || !isfinite(n) || (whole && n != floor(n)))
        return -1;
    *ret = cJSON_CreateNumber(n);
    return 0;
}

/* Decodes %XX in place; what is not encoded stays as it is. */
static void percent_decode(char *text)
{
    char *to = text;
    for (const char *from = text; *from != '\0'; from++) {
        unsigned byte;
        if (*from == '%' && isxdigit((unsigned char)from[1]) && isxdigit((unsigned char)from[2]) &&
            sscanf(from + 1, "%2x", &byte) == 1 && byte != 0) {
            *to++ = (char)byte;
            from += 2;
        } else {
            *to++ = *from;
        }
    }
    *to = '\0';
}

static int scalar(const struct shape *shape, const char *text, cJSON **ret)
{
    double seconds;
    switch (shape->kind) {
    case SHAPE_BOOLEAN:
        if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
            return -1;
        *ret = cJSON_CreateBool(*text == 't');
        return 0;
    case SHAPE_TIMESTAMP:
        if (timestamp_parse_iso(text, &seconds) < 0)
            return -1;
        *ret = cJSON_CreateNumber(seconds);
        return 0;
    case SHAPE_STRING:
    case SHAPE_BLOB:
    case SHAPE_DOCUMENT:
        *ret = cJSON_CreateString(text);
        return 0;
    default:
        return parse_number(shape, text, ret);
    }
}

static int element(const struct shape *shape, const xmlNode *node, cJSON **ret, struct err *err);

/* The items of a list are `node`'s children, or, flattened, `node` and its siblings of that name.
 */
static int list_element(const struct shape *shape, const xmlNode *node, cJSON **ret,
                        struct err *err)
{
    bool flat = shape->flags & SHAPE_FLATTENED;
    _cleanup_json_ cJSON *list = cJSON_CreateArray();
    for (const xmlNode *item = flat ? node : node->children; item != NULL; item = item->next) {
        if (item->type != XML_ELEMENT_NODE || (flat && xmlStrcmp(item->name, node->name) != 0))
            continue;
        cJSON *value = NULL;
        if (element(&shapes[shape->first], item, &value, err) < 0)
            return -1;
        cJSON_AddItemToArray(list, value);
    }
    *ret = steal_ptr(&list);
    return 0;
}

static int map_element(const struct shape *shape, const xmlNode *node, cJSON **ret, struct err *err)
{
    bool flat = shape->flags & SHAPE_FLATTENED;
    _cleanup_json_ cJSON *map = cJSON_CreateObject();
    for (const xmlNode *entry = flat ? node : node->children; entry; entry = entry->next) {
        if (entry->type != XML_ELEMENT_NODE || (flat && xmlStrcmp(entry->name, node->name) != 0))
            continue;
        _cleanup_free_ char *key =
            xml_text(xml_child(entry, shape->key != NULL ? shape->key : "key"));
        const xmlNode *item = xml_child(entry, shape->item != NULL ? shape->item : "value");
        if (key == NULL || item == NULL)
            return err_set(err, ERR_FAILED,
                           "the answer's element '%s' is not a pair of key and "
                           "value",
                           (const char *)entry->name);
        cJSON *value = NULL;
        if (element(&shapes[shape->first], item, &value, err) < 0)
            return -1;
        json_put(map, key, value);
    }
    *ret = steal_ptr(&map);
    return 0;
}

static int element(const struct shape *shape, const xmlNode *node, cJSON **ret, struct err *err)
{
    switch (shape->kind) {
    case SHAPE_STRUCTURE:
        return xml_structure(shape, node, ret, err);
    case SHAPE_LIST:
        return list_element(shape, node, ret, err);
    case SHAPE_MAP:
        return map_element(shape, node, ret, err);
    default:;
    }
    _cleanup_free_ char *text = xml_text(node);
    if (shape->flags & SHAPE_PERCENT)
        percent_decode(text);
    if (scalar(shape, text, ret) == 0)
        return 0;
    _cleanup_free_ char *shown = redact_short(text, TEXT_SHOWN);
    return err_set(err, ERR_FAILED, "the answer's element '%s' holds '%s'",
                   (const char *)node->name, shown);
}

/* A flattened list's elements bear the item's name where it has one, else the member's. */
static const char *element_name(const struct shape_member *member)
{
    const struct shape *shape = &shapes[member->shape];
    if (shape->kind == SHAPE_LIST && (shape->flags & SHAPE_FLATTENED) && shape->item != NULL)
        return shape->item;
    return member_wire(member);
}

int xml_structure(const struct shape *shape, const xmlNode *node, cJSON **ret, struct err *err)
{
    _cleanup_json_ cJSON *object = cJSON_CreateObject();
    for (size_t i = 0; i < shape->count; i++) {
        const struct shape_member *member = &shape_members[shape->first + i];
        const xmlNode *child = xml_child(node, element_name(member));
        if (child == NULL || (member->flags & MEMBER_PLACES))
            continue;
        cJSON *value = NULL;
        if (element(&shapes[member->shape], child, &value, err) < 0)
            return -1;
        cJSON_AddItemToObject(object, member->name, value);
    }
    *ret = steal_ptr(&object);
    return 0;
}
