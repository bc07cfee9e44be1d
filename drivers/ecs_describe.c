/* SPDX-License-Identifier: MIT */
#include "drivers/ecs.h"

#define DESCRIBED_AT_ONCE 100 /* as many as each of the three calls takes */

/* Calls `action` with the next of the ARNs as `member` of the input, which is also what the answer
 * calls what it tells of them. */
static int describe(struct session *s, const char *action, cJSON *input, const char *member,
                    cJSON *arns, cJSON **ret, struct err *err)
{
    cJSON *asked = json_put_array(input, member);
    while (arns->child != NULL && json_count(asked) < DESCRIBED_AT_ONCE)
        json_push(asked, cJSON_DetachItemViaPointer(arns, arns->child));
    _cleanup_json_ cJSON *output = NULL;
    if (aws_call(s, "ecs", action, input, &output, err) < 0)
        return -1;
    cJSON *found = cJSON_DetachItemFromObjectCaseSensitive(output, member);
    *ret = found != NULL ? found : cJSON_CreateArray();
    return 0;
}

int ecs_tasks_describe(struct session *s, const char *cluster, cJSON *arns, cJSON **ret,
                       struct err *err)
{
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    json_put_str(input, "cluster", cluster);
    return describe(s, "DescribeTasks", input, "tasks", arns, ret, err);
}

int ecs_tasks_running(struct session *s, const struct resource *r, cJSON **ret, struct err *err)
{
    const char *cluster = r->graph->context.environment;
    _cleanup_json_ cJSON *input = cJSON_CreateObject(), *arns = NULL;
    json_put_str(input, "cluster", cluster);
    json_put_str(input, "serviceName", r->name);
    if (aws_call_all(s, "ecs", "ListTasks", input, "taskArns", &arns, err) < 0)
        return -1;
    return json_count(arns) > 0 ? ecs_tasks_describe(s, cluster, arns, ret, err) : 0;
}

int ecs_instances_describe(struct session *s, const char *cluster, cJSON *arns, cJSON **ret,
                           struct err *err)
{
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    json_put_str(input, "cluster", cluster);
    return describe(s, "DescribeContainerInstances", input, "containerInstances", arns, ret, err);
}

int ecs_clusters_describe(struct session *s, cJSON *arns, cJSON **ret, struct err *err)
{
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    json_push_str(json_put_array(input, "include"), "TAGS");
    return describe(s, "DescribeClusters", input, "clusters", arns, ret, err);
}
