/* SPDX-License-Identifier: MIT */
/*
 * Form bodies with XML answers, in two dialects:
 * https://smithy.io/2.0/aws/protocols/aws-query-protocol.html
 * https://smithy.io/2.0/aws/protocols/aws-ec2-query-protocol.html
 * They differ in names (EC2 has queryName, else capitalises), in lists (EC2 flattens all) and in
 * the answer's envelope.
 */
#include "drivers/aws/protocol.h"

#include <ctype.h>

#include "drivers/aws/xml.h"
#include "executor/base/json.h"

struct form {
    struct strbuf *body;
    bool ec2;
};

static void add_value(const struct form *form, const struct shape *shape, const cJSON *value,
                      const char *name);

static void add_pair(const struct form *form, const char *name, const char *value)
{
    strbuf_addc(form->body, '&');
    strbuf_add_percent(form->body, name, strlen(name));
    strbuf_addc(form->body, '=');
    strbuf_add_percent(form->body, value, strlen(value));
}

/* A member's name in a request; the caller frees it. */
static char *form_name(const struct form *form, const struct shape_member *member)
{
    if (form->ec2 && member->query != NULL)
        return xstrdup(member->query);
    char *name = xstrdup(member_wire(member));
    if (form->ec2 && member->wire != NULL)
        name[0] = (char)toupper((unsigned char)name[0]);
    return name;
}

static void add_structure(const struct form *form, const struct shape *shape, const cJSON *value,
                          const char *prefix)
{
    const cJSON *child;
    cJSON_ArrayForEach (child, value) {
        const struct shape_member *member = member_find(shape, child->string);
        _cleanup_free_ char *name = form_name(form, member);
        _cleanup_free_ char *full =
            prefix != NULL ? xasprintf("%s.%s", prefix, name) : xstrdup(name);
        add_value(form, &shapes[member->shape], child, full);
    }
}

/* What stands before ".1", ".2" of a list's items. */
static char *list_prefix(const struct form *form, const struct shape *shape, const char *name)
{
    if (form->ec2)
        return xstrdup(name);
    if (!(shape->flags & SHAPE_FLATTENED))
        return xasprintf("%s.%s", name, shape->item != NULL ? shape->item : "member");
    if (shape->item == NULL)
        return xstrdup(name);
    const char *dot = strrchr(name, '.');
    return xasprintf("%.*s%s", dot != NULL ? (int)(dot - name) + 1 : 0, name, shape->item);
}

static void add_list(const struct form *form, const struct shape *shape, const cJSON *value,
                     const char *name)
{
    if (value->child == NULL) {
        if (!form->ec2)
            add_pair(form, name, "");
        return;
    }
    _cleanup_free_ char *prefix = list_prefix(form, shape, name);
    size_t i = 1;
    const cJSON *child;
    cJSON_ArrayForEach (child, value) {
        _cleanup_free_ char *item = xasprintf("%s.%zu", prefix, i++);
        add_value(form, &shapes[shape->first], child, item);
    }
}

static void add_map(const struct form *form, const struct shape *shape, const cJSON *value,
                    const char *name)
{
    const char *entry = shape->flags & SHAPE_FLATTENED ? "" : ".entry";
    size_t i = 1;
    const cJSON *child;
    cJSON_ArrayForEach (child, value) {
        _cleanup_free_ char *key =
            xasprintf("%s%s.%zu.%s", name, entry, i, shape->key != NULL ? shape->key : "key");
        _cleanup_free_ char *item =
            xasprintf("%s%s.%zu.%s", name, entry, i++, shape->item != NULL ? shape->item : "value");
        add_pair(form, key, child->string);
        add_value(form, &shapes[shape->first], child, item);
    }
}

static void add_value(const struct form *form, const struct shape *shape, const cJSON *value,
                      const char *name)
{
    switch (shape->kind) {
    case SHAPE_STRUCTURE:
        add_structure(form, shape, value, name);
        return;
    case SHAPE_LIST:
        add_list(form, shape, value, name);
        return;
    case SHAPE_MAP:
        add_map(form, shape, value, name);
        return;
    default:;
    }
    _cleanup_free_ char *text = wire_text(shape, value);
    add_pair(form, name, text);
}

static void form_write(const struct service *service, const struct operation *operation,
                       const cJSON *input, bool ec2, struct wire_request *ret)
{
    ret->method = "POST";
    strbuf_addc(&ret->path, '/');
    strlist_add(&ret->headers, "Content-Type: application/x-www-form-urlencoded; charset=utf-8");
    strbuf_addf(&ret->body, "Action=%s&Version=%s", operation->name, service->version);
    struct form form = { .body = &ret->body, .ec2 = ec2 };
    add_structure(&form, &shapes[operation->input], input, NULL);
}

static void query_write(const struct service *service, const struct operation *operation,
                        const cJSON *input, struct wire_request *ret)
{
    form_write(service, operation, input, false, ret);
}

static void ec2_write(const struct service *service, const struct operation *operation,
                      const cJSON *input, struct wire_request *ret)
{
    form_write(service, operation, input, true, ret);
}

static int form_read(const struct operation *operation, const struct http_response *response,
                     cJSON **ret, struct err *err)
{
    _cleanup_xml_ xmlDoc *doc = NULL;
    const xmlNode *node = NULL;
    if (xml_parse(response->body.buf, response->body.len, &doc, err) < 0 ||
        xml_answer(operation->name, doc, &node, err) < 0)
        return -1;
    if (operation->wrapper != NULL)
        node = xml_child(node, operation->wrapper);
    if (node == NULL) {
        *ret = cJSON_CreateObject();
        return 0;
    }
    return xml_structure(&shapes[operation->output], node, ret, err);
}

const struct protocol query_protocol = {
    .write = query_write,
    .read = form_read,
    .read_error = wire_read_xml_error,
};

const struct protocol ec2_protocol = {
    .write = ec2_write,
    .read = form_read,
    .read_error = wire_read_xml_error,
};
