/* SPDX-License-Identifier: MIT */
#include "drivers/aws/protocol.h"

#include <stdio.h>

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

static const struct protocol *const protocols[PROTOCOLS] = {
    [PROTOCOL_JSON] = &json_protocol,
    [PROTOCOL_QUERY] = &query_protocol,
    [PROTOCOL_EC2] = &ec2_protocol,
};

const struct protocol *protocol_find(enum protocol_id id)
{
    return protocols[id];
}
