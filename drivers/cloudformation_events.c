/* SPDX-License-Identifier: MIT */
#include "drivers/cloudformation.h"
#include "executor/base/redact.h"

/*
 * Why an operation failed. Events come newest first, of all operations that the stack ever had:
 * https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DescribeStackEvents.html
 */

/* How many failures are told; what fails first is what the others follow from. */
#define REASONS_MAX 3

/* "User Initiated" is the reason of an operation's first event alone; a rollback has another. */
static bool begins_operation(const cJSON *event, const char *id)
{
    static const char *const begins[] = { "CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS",
                                          "DELETE_IN_PROGRESS" };
    if (!str_eq(json_str(event, "PhysicalResourceId"), id))
        return false;
    for (size_t i = 0; i < ARRAY_SIZE(begins); i++)
        if (str_eq(json_str(event, "ResourceStatus"), begins[i]))
            return true;
    return false;
}

/* A resource's failure; not the stack's own, nor that of what was stopped because of another. */
static bool tells_reason(const cJSON *event, const char *id)
{
    const char *status = json_str(event, "ResourceStatus");
    const char *reason = json_str(event, "ResourceStatusReason");
    return status != NULL && str_ends(status, "_FAILED") && reason != NULL &&
           strstr(reason, " cancelled") == NULL &&
           !str_eq(json_str(event, "PhysicalResourceId"), id);
}

/* What stays when its stack goes: its template says so, or whoever deleted the stack. */
static bool tells_retained(const cJSON *event, const char *id)
{
    (void)id;
    return str_eq(json_str(event, "ResourceStatus"), "DELETE_SKIPPED");
}

/* Page by page, and no further than to where the last operation began. */
static int events_read(struct session *s, const char *id,
                       bool (*is_meant)(const cJSON *event, const char *id), cJSON *events,
                       struct err *err)
{
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    json_put_str(input, "StackName", id);
    for (;;) {
        _cleanup_json_ cJSON *output = NULL;
        if (aws_call(s, "cloudformation", "DescribeStackEvents", input, &output, err) < 0)
            return -1;
        const cJSON *event;
        cJSON_ArrayForEach (event, json_get(output, "StackEvents")) {
            if (begins_operation(event, id))
                return 0;
            if (is_meant(event, id))
                json_push(events, json_dup(event));
        }
        const char *more = json_str(output, "NextToken");
        if (more == NULL)
            return 0;
        json_put_str(input, "NextToken", more);
    }
}

void stack_say_retained(struct session *s, struct resource *r, const char *id)
{
    _cleanup_json_ cJSON *events = cJSON_CreateArray();
    _cleanup_err_ struct err failure = ERR_INIT;
    if (events_read(s, id, tells_retained, events, &failure) < 0) {
        graph_warn(r->graph,
                   "cannot see whether stack '%s', which is deleted, has left anything: %s",
                   r->name, failure.message);
        return;
    }
    const cJSON *event;
    cJSON_ArrayForEach (event, events)
        graph_warn(r->graph,
                   "stack '%s' is deleted, but not its %s '%s' (%s): its template retains it; "
                   "remove it by hand if it is to go",
                   r->name, json_str(event, "ResourceType"), json_str(event, "LogicalResourceId"),
                   json_str(event, "PhysicalResourceId"));
}

int stack_reason(struct session *s, const char *id, char **ret, struct err *err)
{
    _cleanup_json_ cJSON *failures = cJSON_CreateArray();
    if (events_read(s, id, tells_reason, failures, err) < 0)
        return -1;
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    int n = (int)json_count(failures);
    for (int i = n - 1; i >= 0 && i >= n - REASONS_MAX; i--) {
        const cJSON *event = cJSON_GetArrayItem(failures, i);
        _cleanup_free_ char *reason = redact_line(json_str(event, "ResourceStatusReason"));
        strbuf_addf(&text, "%s%s (%s) %s: %s", text.len > 0 ? "; " : "",
                    json_str(event, "LogicalResourceId"), json_str(event, "ResourceType"),
                    json_str(event, "ResourceStatus"), reason);
    }
    if (n > REASONS_MAX)
        strbuf_addf(&text, "; and %d more", n - REASONS_MAX);
    if (n == 0)
        strbuf_adds(&text, "none of its events says why");
    *ret = strbuf_detach(&text);
    return 0;
}
