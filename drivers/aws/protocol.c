/* SPDX-License-Identifier: MIT */
#include "drivers/aws/protocol.h"

#include <math.h>
#include <stdio.h>

#include "drivers/aws/xml.h"
#include "executor/base/clock.h"
#include "executor/base/json.h"

void wire_request_release(struct wire_request *r)
{
    strbuf_release(&r->path);
    strbuf_release(&r->query);
    strlist_release(&r->headers);
    strbuf_release(&r->body);
}

void wire_error_release(struct wire_error *e)
{
    free(e->message);
    *e = (struct wire_error){ 0 };
}

/* "com.amazonaws.ecs#ClusterNotFoundException:http://..." is ClusterNotFoundException. */
void wire_error_set_code(struct wire_error *e, const char *code)
{
    const char *hash = strchr(code, '#');
    const char *start = hash != NULL ? hash + 1 : code;
    snprintf(e->code, sizeof(e->code), "%.*s", (int)strcspn(start, ":"), start);
}

/* To the millisecond, which stands before the Z. */
static char *timestamp_text(double seconds)
{
    char text[48];
    double whole = floor(seconds);
    clock_iso_date((time_t)whole, text, sizeof(text));
    if (seconds != whole)
        snprintf(text + strlen(text) - 1, 8, ".%03dZ", (int)((seconds - whole) * 1000));
    return xstrdup(text);
}

char *wire_text(const struct shape *shape, const cJSON *value)
{
    switch (shape->kind) {
    case SHAPE_STRING:
    case SHAPE_BLOB:
        return xstrdup(value->valuestring);
    case SHAPE_BOOLEAN:
        return xstrdup(cJSON_IsTrue(value) ? "true" : "false");
    case SHAPE_TIMESTAMP:
        return timestamp_text(value->valuedouble);
    default:
        return xasprintf(shape->kind == SHAPE_DOUBLE ? "%.15g" : "%.0f", value->valuedouble);
    }
}

/*
 * <ErrorResponse><Error><Code/>..., in EC2 <Response><Errors><Error><Code/>...; Route 53 may refuse
 * a batch of changes with <InvalidChangeBatch><Messages><Message/>...:
 * https://docs.aws.amazon.com/Route53/latest/APIReference/API_ChangeResourceRecordSets.html
 */
static const xmlNode *error_element(const xmlNode *root, struct wire_error *ret)
{
    const xmlNode *messages = xml_child(root, "Messages");
    if (messages != NULL) {
        wire_error_set_code(ret, (const char *)root->name);
        return messages;
    }
    const xmlNode *errors = xml_child(root, "Errors");
    const xmlNode *error = xml_child(errors != NULL ? errors : root, "Error");
    _cleanup_free_ char *code = xml_text(xml_child(error, "Code"));
    if (code != NULL)
        wire_error_set_code(ret, code);
    return error;
}

void wire_read_xml_error(const struct http_response *response, struct wire_error *ret)
{
    _cleanup_err_ struct err ignored = ERR_INIT;
    _cleanup_xml_ xmlDoc *doc = NULL;
    if (xml_parse(response->body.buf, response->body.len, &doc, &ignored) < 0)
        return;
    const xmlNode *root = xmlDocGetRootElement(doc);
    ret->message = xml_text(xml_child(error_element(root, ret), "Message"));
    const xmlNode *id = xml_child(root, "RequestId");
    _cleanup_free_ char *text = xml_text(id != NULL ? id : xml_child(root, "RequestID"));
    if (text != NULL)
        snprintf(ret->request_id, sizeof(ret->request_id), "%s", text);
}

static const struct protocol *const protocols[PROTOCOLS] = {
    [PROTOCOL_JSON] = &json_protocol,
    [PROTOCOL_QUERY] = &query_protocol,
    [PROTOCOL_EC2] = &ec2_protocol,
    [PROTOCOL_REST_XML] = &restxml_protocol,
};

const struct protocol *protocol_find(enum protocol_id id)
{
    return protocols[id];
}
