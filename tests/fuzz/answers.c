/* SPDX-License-Identifier: MIT */
#include "tests/fuzz/answers.h"

#include "drivers/aws/error.h"

struct target {
    const struct service *service;
    const struct operation *operation;
};

static size_t count_operations(enum protocol_id id)
{
    const struct service *s;
    size_t n = 0;
    for (size_t i = 0; (s = service_at(i)) != NULL; i++)
        n += s->protocol == id ? s->n : 0;
    return n;
}

static struct target nth_operation(enum protocol_id id, size_t nth)
{
    const struct service *s;
    for (size_t i = 0; (s = service_at(i)) != NULL; i++) {
        if (s->protocol != id)
            continue;
        if (nth < s->n)
            return (struct target){ s, &s->operations[nth] };
        nth -= s->n;
    }
    fuzz_require(false, "some service speaks this protocol");
    return (struct target){ NULL, NULL };
}

/* The action that the line names, or one that depends on the line alone. */
static struct target find_target(enum protocol_id id, const char *line)
{
    const char *blank = strchr(line, ' ');
    _cleanup_free_ char *name = xstrndup(line, blank != NULL ? (size_t)(blank - line) : 0);
    const struct service *s = service_find(name);
    const struct operation *o = s != NULL ? operation_find(s, blank + 1) : NULL;
    if (o != NULL && s->protocol == id)
        return (struct target){ s, o };
    size_t hash = 5381;
    for (const char *p = line; *p != '\0'; p++)
        hash = hash * 33 + (unsigned char)*p;
    return nth_operation(id, hash % count_operations(id));
}

/* Everything in the answer is named by the model: drivers never meet a member that it lacks. */
static void check_members(const struct shape *shape, const cJSON *value)
{
    const cJSON *child;
    if (shape->kind == SHAPE_STRUCTURE) {
        fuzz_require(cJSON_IsObject(value), "a structure is an object");
        cJSON_ArrayForEach (child, value) {
            const struct shape_member *m = member_find(shape, child->string);
            fuzz_require(m != NULL, "every member is the model's");
            check_members(&shapes[m->shape], child);
        }
    } else if (shape->kind == SHAPE_LIST || shape->kind == SHAPE_MAP) {
        fuzz_require(shape->kind == SHAPE_LIST ? cJSON_IsArray(value) : cJSON_IsObject(value),
                     "lists are arrays, and maps are objects");
        cJSON_ArrayForEach (child, value)
            check_members(&shapes[shape->first], child);
    }
}

static void read_error(const struct protocol *protocol, struct http_response *response)
{
    struct wire_error error = { .message = NULL };
    response->status = 400;
    protocol->read_error(response, &error);
    fuzz_require(strlen(error.code) < sizeof(error.code), "a code ends");
    error_class(error.code, error.message, response->status);
    error_cure_of(error.code);
    wire_error_release(&error);
}

int fuzz_answer(enum protocol_id id, const uint8_t *data, size_t size)
{
    const struct protocol *protocol = protocol_find(id);
    const uint8_t *end = memchr(data, '\n', size);
    size_t len = end != NULL ? (size_t)(end - data) : 0;
    _cleanup_free_ char *line = xstrndup((const char *)data, len);
    struct target target = find_target(id, line);

    _cleanup_http_response_ struct http_response response = HTTP_RESPONSE_INIT;
    response.status = 200;
    size_t skip = end != NULL ? len + 1 : 0;
    strbuf_add(&response.body, data + skip, size - skip);
    _cleanup_json_ cJSON *answer = NULL;
    _cleanup_err_ struct err err = ERR_INIT;
    if (protocol->read(target.operation, &response, &answer, &err) == 0)
        check_members(&shapes[target.operation->output], answer);
    else
        fuzz_require_message(&err);
    read_error(protocol, &response);
    return 0;
}
