/* SPDX-License-Identifier: MIT */
#ifndef BERTH_DRIVERS_AWS_PROTOCOL_H
#define BERTH_DRIVERS_AWS_PROTOCOL_H

/*
 * The wire protocols of AWS's services, one table entry each: how an input becomes a request, and
 * an answer becomes JSON. Inputs have been checked against their shape before (check.h). What the
 * protocols are: https://smithy.io/2.0/aws/protocols/
 */

#include <cjson/cJSON.h>

#include "drivers/aws/http.h"
#include "drivers/aws/shapes.h"

/* A request without what the endpoint and the signature add. */
struct wire_request {
    const char *method;
    struct strbuf path;     /* begins with '/' */
    struct strbuf query;    /* without '?' */
    struct strlist headers; /* "Name: value" */
    struct strbuf body;
};

#define WIRE_REQUEST_INIT                                                                          \
    {                                                                                              \
        .path = STRBUF_INIT, .query = STRBUF_INIT, .headers = STRLIST_INIT, .body = STRBUF_INIT    \
    }
#define _cleanup_wire_request_ _cleanup_(wire_request_release)

/* What an answer that is an error says; "" where it does not. */
struct wire_error {
    char code[96]; /* as AWS sent it, without namespace or URL */
    char request_id[80];
    char *message; /* owned; NULL if there is none */
};

struct protocol {
    /* `input` may be NULL: no members. */
    void (*write)(const struct service *service, const struct operation *operation,
                  const cJSON *input, struct wire_request *ret);
    /* The answer's body as an object, which the caller owns. ERR_FAILED: it is not what the
     * protocol has. */
    int (*read)(const struct operation *operation, const struct http_response *response,
                cJSON **ret, struct err *err);
    void (*read_error)(const struct http_response *response, struct wire_error *ret);
};

/* NULL for a protocol that berth does not speak. */
const struct protocol *protocol_find(enum protocol_id id);

void wire_request_release(struct wire_request *r);
void wire_error_release(struct wire_error *e);
/* Copies an error's code without "namespace#" before and ":http..." behind. */
void wire_error_set_code(struct wire_error *e, const char *code);
/* A value of a kind without parts as the protocols that are not JSON write it; timestamps as ISO
 * 8601. The caller frees it. */
char *wire_text(const struct shape *shape, const cJSON *value);
/* The read_error() of the protocols whose errors are XML. */
void wire_read_xml_error(const struct http_response *response, struct wire_error *ret);

extern const struct protocol json_protocol;
extern const struct protocol query_protocol;
extern const struct protocol ec2_protocol;
extern const struct protocol restxml_protocol;

#endif
