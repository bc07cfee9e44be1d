/* SPDX-License-Identifier: MIT */
#include "drivers/cloudmap.h"
#include "executor/base/redact.h"

/*
 * Cloud Map answers many calls with the id of an operation that goes on by itself:
 * https://docs.aws.amazon.com/cloud-map/latest/api/API_Operation.html
 */

void operation_begin(struct resource *r, const cJSON *output, const char *what)
{
    const char *id = json_str(output, "OperationId");
    if (id == NULL)
        return;
    json_put_str(r->memo, "operation", id);
    json_put_str(r->memo, "what", what);
}

static void operation_failed(struct resource *r, const cJSON *operation)
{
    const char *code = json_str(operation, "ErrorCode");
    const char *message = json_str(operation, "ErrorMessage");
    _cleanup_free_ char *line = redact_line(message != NULL ? message : "no message");
    json_put_strf(r->memo, "failure", "%s failed: %s: %s", json_str(r->memo, "what"),
                  code ? code : "no code", line);
}

int operation_poll(struct session *s, struct resource *r, cJSON **ret_done, struct err *err)
{
    const char *id = json_str(r->memo, "operation");
    if (id == NULL)
        return 0;
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    json_put_str(input, "OperationId", id);
    _cleanup_json_ cJSON *output = NULL;
    if (aws_call(s, "servicediscovery", "GetOperation", input, &output, err) < 0)
        return -1;
    const cJSON *operation = json_get(output, "Operation");
    const char *status = json_str(operation, "Status");
    if (str_eq(status, "FAIL"))
        operation_failed(r, operation);
    if (!str_eq(status, "SUCCESS") && !str_eq(status, "FAIL"))
        return 0;
    cJSON_DeleteItemFromObjectCaseSensitive(r->memo, "operation");
    if (str_eq(status, "SUCCESS") && ret_done != NULL)
        *ret_done = json_dup(operation);
    return 0;
}

enum readiness operation_judge(const struct resource *r, struct strbuf *why)
{
    const char *failure = json_str(r->memo, "failure");
    if (failure != NULL) {
        strbuf_adds(why, failure);
        return FAILED;
    }
    if (json_str(r->memo, "operation") == NULL)
        return READY;
    strbuf_addf(why, "%s is going on", json_str(r->memo, "what"));
    return WAITING;
}
