/* SPDX-License-Identifier: MIT */
/*
 * AWS JSON 1.0 and 1.1: https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html
 */
#include "drivers/aws/protocol.h"

#include <math.h>
#include <stdio.h>

#include "drivers/aws/timestamp.h"
#include "executor/base/json.h"

/* Whole numbers are written as such: cJSON prints 10^15 as "1e+15", which AWS's parsers do not take
 * for a whole number everywhere. */
static cJSON *whole_number(double n)
{
    char text[32];
    snprintf(text, sizeof(text), "%.0f", n);
    return cJSON_CreateRaw(text);
}

/* A copy of the value under the wire's names. */
static cJSON *to_wire(const struct shape *shape, const cJSON *value)
{
    if (shape->kind == SHAPE_INTEGER || shape->kind == SHAPE_LONG)
        return whole_number(value->valuedouble);
    if (shape->kind == SHAPE_TIMESTAMP && value->valuedouble == floor(value->valuedouble))
        return whole_number(value->valuedouble);
    if (shape->kind > SHAPE_MAP)
        return json_dup(value);

    cJSON *copy = shape->kind == SHAPE_LIST ? cJSON_CreateArray() : cJSON_CreateObject();
    const cJSON *child;
    cJSON_ArrayForEach (child, value) {
        if (shape->kind == SHAPE_STRUCTURE) {
            const struct shape_member *member = member_find(shape, child->string);
            cJSON_AddItemToObject(copy, member_wire(member),
                                  to_wire(&shapes[member->shape], child));
        } else if (shape->kind == SHAPE_LIST) {
            cJSON_AddItemToArray(copy, to_wire(&shapes[shape->first], child));
        } else {
            cJSON_AddItemToObject(copy, child->string, to_wire(&shapes[shape->first], child));
        }
    }
    return copy;
}

static void json_write(const struct service *service, const struct operation *operation,
                       const cJSON *input, struct wire_request *ret)
{
    ret->method = "POST";
    strbuf_addc(&ret->path, '/');
    strlist_addf(&ret->headers, "Content-Type: application/x-amz-json-%s", service->json);
    strlist_addf(&ret->headers, "X-Amz-Target: %s.%s", service->target, operation->name);
    /* https://smithy.io/2.0/aws/protocols/aws-query-protocol.html#awsquerycompatible-trait */
    if (service->query_mode)
        strlist_add(&ret->headers, "x-amzn-query-mode: true");
    _cleanup_json_ cJSON *body = to_wire(&shapes[operation->input], input);
    _cleanup_free_ char *text = json_print(body);
    strbuf_adds(&ret->body, text);
}

static cJSON *from_wire(const struct shape *shape, const cJSON *value);

static cJSON *structure_from_wire(const struct shape *shape, const cJSON *value)
{
    cJSON *copy = cJSON_CreateObject();
    for (size_t i = 0; i < shape->count; i++) {
        const struct shape_member *member = &shape_members[shape->first + i];
        cJSON *child = from_wire(&shapes[member->shape], json_get(value, member_wire(member)));
        if (child != NULL)
            cJSON_AddItemToObject(copy, member->name, child);
    }
    return copy;
}

static cJSON *items_from_wire(const struct shape *shape, const cJSON *value)
{
    bool list = shape->kind == SHAPE_LIST;
    cJSON *copy = list ? cJSON_CreateArray() : cJSON_CreateObject();
    const cJSON *child;
    cJSON_ArrayForEach (child, value) {
        cJSON *item = from_wire(&shapes[shape->first], child);
        if (item == NULL)
            continue;
        if (list)
            cJSON_AddItemToArray(copy, item);
        else
            cJSON_AddItemToObject(copy, child->string, item);
    }
    return copy;
}

static cJSON *timestamp_from_wire(const cJSON *value)
{
    double seconds;
    if (cJSON_IsString(value) && timestamp_parse_iso(value->valuestring, &seconds) == 0)
        return cJSON_CreateNumber(seconds);
    return cJSON_IsNumber(value) ? json_dup(value) : NULL;
}

/* NULL for what is absent, null, or not of the model's type: absent members are absent. */
static cJSON *from_wire(const struct shape *shape, const cJSON *value)
{
    if (value == NULL || cJSON_IsNull(value))
        return NULL;
    switch (shape->kind) {
    case SHAPE_STRUCTURE:
        return cJSON_IsObject(value) ? structure_from_wire(shape, value) : NULL;
    case SHAPE_LIST:
        return cJSON_IsArray(value) ? items_from_wire(shape, value) : NULL;
    case SHAPE_MAP:
        return cJSON_IsObject(value) ? items_from_wire(shape, value) : NULL;
    case SHAPE_STRING:
    case SHAPE_BLOB:
        return cJSON_IsString(value) ? json_dup(value) : NULL;
    case SHAPE_BOOLEAN:
        return cJSON_IsBool(value) ? json_dup(value) : NULL;
    case SHAPE_TIMESTAMP:
        return timestamp_from_wire(value);
    case SHAPE_DOCUMENT:
        return json_dup(value);
    default:
        return cJSON_IsNumber(value) ? json_dup(value) : NULL;
    }
}

static int json_read_answer(const struct operation *operation, const struct http_response *response,
                            cJSON **ret, struct err *err)
{
    if (response->body.len == 0) {
        *ret = cJSON_CreateObject();
        return 0;
    }
    _cleanup_json_ cJSON *body = NULL;
    if (json_parse(response->body.buf, response->body.len, JSON_PLAIN, &body, err) < 0) {
        err_wrap(err, "the answer is not JSON");
        err->class = ERR_FAILED;
        return -1;
    }
    if (!cJSON_IsObject(body))
        return err_set(err, ERR_FAILED, "the answer is not a JSON object");
    *ret = structure_from_wire(&shapes[operation->output], body);
    return 0;
}

/* Services that once spoke the query protocol tell the code of that time in a header of its own,
 * "Code;Sender": https://smithy.io/2.0/aws/protocols/aws-query-protocol.html */
static const char *query_code(const struct http_response *response, struct strbuf *code)
{
    const char *header = http_header(response, "x-amzn-query-error");
    if (header == NULL || *header == ';')
        return NULL;
    strbuf_add(code, header, strcspn(header, ";"));
    return code->buf;
}

static void json_read_error(const struct http_response *response, struct wire_error *ret)
{
    _cleanup_err_ struct err ignored = ERR_INIT;
    _cleanup_json_ cJSON *body = NULL;
    json_parse(response->body.buf, response->body.len, JSON_PLAIN, &body, &ignored);
    _cleanup_strbuf_ struct strbuf buffer = STRBUF_INIT;
    const char *code = query_code(response, &buffer);
    if (code == NULL)
        code = http_header(response, "x-amzn-errortype");
    if (code == NULL)
        code = json_str(body, "__type");
    if (code == NULL)
        code = json_str(body, "code");
    if (code != NULL)
        wire_error_set_code(ret, code);
    const char *message = json_str(body, "message");
    if (message == NULL)
        message = json_str(body, "Message");
    if (message == NULL)
        message = json_str(body, "errorMessage");
    ret->message = message != NULL ? xstrdup(message) : NULL;
}

const struct protocol json_protocol = {
    .write = json_write,
    .read = json_read_answer,
    .read_error = json_read_error,
};
