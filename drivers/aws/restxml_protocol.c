/* SPDX-License-Identifier: MIT */
/*
 * XML over paths, as Route 53 speaks it:
 * https://smithy.io/2.0/aws/protocols/aws-restxml-protocol.html An input's members stand in the
 * path, behind the '?', in headers or, all others, in the body.
 */
#include "drivers/aws/protocol.h"

#include "drivers/aws/xml.h"
#include "executor/base/json.h"

static void add_element(struct strbuf *body, const struct shape *shape, const cJSON *value,
                        const char *name);

static void add_text(struct strbuf *body, const char *text)
{
    for (; *text != '\0'; text++) {
        switch (*text) {
        case '&':
            strbuf_adds(body, "&amp;");
            break;
        case '<':
            strbuf_adds(body, "&lt;");
            break;
        case '>':
            strbuf_adds(body, "&gt;");
            break;
        case '\r': /* a parser would make a line feed of it */
            strbuf_adds(body, "&#13;");
            break;
        default:
            strbuf_addc(body, *text);
        }
    }
}

static void add_members(struct strbuf *body, const struct shape *shape, const cJSON *value)
{
    const cJSON *child;
    cJSON_ArrayForEach (child, value) {
        const struct shape_member *member = member_find(shape, child->string);
        if (!(member->flags & MEMBER_PLACES))
            add_element(body, &shapes[member->shape], child, member_wire(member));
    }
}

static void add_items(struct strbuf *body, const struct shape *shape, const cJSON *value,
                      const char *name)
{
    const cJSON *child;
    cJSON_ArrayForEach (child, value)
        add_element(body, &shapes[shape->first], child, name);
}

static void add_entries(struct strbuf *body, const struct shape *shape, const cJSON *value,
                        const char *name)
{
    const cJSON *child;
    cJSON_ArrayForEach (child, value) {
        const char *key = shape->key != NULL ? shape->key : "key";
        strbuf_addf(body, "<%s><%s>", name, key);
        add_text(body, child->string);
        strbuf_addf(body, "</%s>", key);
        add_element(body, &shapes[shape->first], child, shape->item ? shape->item : "value");
        strbuf_addf(body, "</%s>", name);
    }
}

/* What stands between an element's tags. */
static void add_content(struct strbuf *body, const struct shape *shape, const cJSON *value)
{
    if (shape->kind == SHAPE_STRUCTURE) {
        add_members(body, shape, value);
    } else if (shape->kind == SHAPE_LIST) {
        add_items(body, shape, value, shape->item != NULL ? shape->item : "member");
    } else if (shape->kind == SHAPE_MAP) {
        add_entries(body, shape, value, "entry");
    } else {
        _cleanup_free_ char *text = wire_text(shape, value);
        add_text(body, text);
    }
}

static void add_element(struct strbuf *body, const struct shape *shape, const cJSON *value,
                        const char *name)
{
    /* Flattened, each item is an element of its own under the member's name. */
    if (shape->kind == SHAPE_LIST && (shape->flags & SHAPE_FLATTENED)) {
        add_items(body, shape, value, name);
        return;
    }
    if (shape->kind == SHAPE_MAP && (shape->flags & SHAPE_FLATTENED)) {
        add_entries(body, shape, value, name);
        return;
    }
    strbuf_addf(body, "<%s>", name);
    add_content(body, shape, value);
    strbuf_addf(body, "</%s>", name);
}

/* The member that a path's "{name}" of `len` characters stands for, or NULL. */
static const struct shape_member *label_find(const struct shape *shape, const char *name,
                                             size_t len)
{
    for (size_t i = 0; i < shape->count; i++) {
        const struct shape_member *member = &shape_members[shape->first + i];
        const char *wire = member_wire(member);
        if ((member->flags & MEMBER_PATH) && strlen(wire) == len && strncmp(wire, name, len) == 0)
            return member;
    }
    return NULL;
}

/* A label that the input lacks stays empty; all of them are required, so that was refused before.
 */
static void write_path(const struct operation *operation, const cJSON *input, struct strbuf *path)
{
    const struct shape *shape = &shapes[operation->input];
    for (const char *at = operation->rest->path; *at != '\0';) {
        size_t plain = strcspn(at, "{");
        strbuf_add(path, at, plain);
        at += plain;
        if (*at == '\0')
            break;
        size_t len = strcspn(at + 1, "}");
        const struct shape_member *member = label_find(shape, at + 1, len);
        const cJSON *value = member != NULL ? json_get(input, member->name) : NULL;
        if (value != NULL) {
            _cleanup_free_ char *text = wire_text(&shapes[member->shape], value);
            strbuf_add_percent(path, text, strlen(text));
        }
        at += len + 2;
    }
}

static void add_query(struct strbuf *query, const struct shape *shape, const cJSON *value,
                      const char *name)
{
    if (shape->kind == SHAPE_LIST) {
        const cJSON *item;
        cJSON_ArrayForEach (item, value)
            add_query(query, &shapes[shape->first], item, name);
        return;
    }
    _cleanup_free_ char *text = wire_text(shape, value);
    if (query->len > 0)
        strbuf_addc(query, '&');
    strbuf_add_percent(query, name, strlen(name));
    strbuf_addc(query, '=');
    strbuf_add_percent(query, text, strlen(text));
}

static void write_places(const struct shape *shape, const cJSON *input, struct wire_request *ret)
{
    const cJSON *child;
    cJSON_ArrayForEach (child, input) {
        const struct shape_member *member = member_find(shape, child->string);
        if (member->flags & MEMBER_QUERY)
            add_query(&ret->query, &shapes[member->shape], child, member_wire(member));
        if (member->flags & MEMBER_HEADER) {
            _cleanup_free_ char *text = wire_text(&shapes[member->shape], child);
            strlist_addf(&ret->headers, "%s: %s", member_wire(member), text);
        }
    }
}

static void restxml_write(const struct service *service, const struct operation *operation,
                          const cJSON *input, struct wire_request *ret)
{
    (void)service;
    const struct rest *rest = operation->rest;
    const struct shape *shape = &shapes[operation->input];
    ret->method = rest->method;
    write_path(operation, input, &ret->path);
    write_places(shape, input, ret);
    if (rest->root == NULL)
        return;
    strlist_add(&ret->headers, "Content-Type: application/xml");
    strbuf_addf(&ret->body, "<%s", rest->root);
    if (rest->xmlns != NULL)
        strbuf_addf(&ret->body, " xmlns=\"%s\"", rest->xmlns);
    strbuf_addc(&ret->body, '>');
    add_members(&ret->body, shape, input);
    strbuf_addf(&ret->body, "</%s>", rest->root);
}

static void read_headers(const struct shape *shape, const struct http_response *response,
                         cJSON *output)
{
    for (size_t i = 0; i < shape->count; i++) {
        const struct shape_member *member = &shape_members[shape->first + i];
        if (member->flags & MEMBER_HEADER)
            json_put_str(output, member->name, http_header(response, member_wire(member)));
    }
}

static int restxml_read(const struct operation *operation, const struct http_response *response,
                        cJSON **ret, struct err *err)
{
    const struct shape *shape = &shapes[operation->output];
    _cleanup_xml_ xmlDoc *doc = NULL;
    const xmlNode *node = NULL;
    if (xml_parse(response->body.buf, response->body.len, &doc, err) < 0 ||
        xml_answer(operation->name, doc, &node, err) < 0 ||
        xml_structure(shape, node, ret, err) < 0)
        return -1;
    read_headers(shape, response, *ret);
    return 0;
}

const struct protocol restxml_protocol = {
    .write = restxml_write,
    .read = restxml_read,
    .read_error = wire_read_xml_error,
};
