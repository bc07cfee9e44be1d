/* SPDX-License-Identifier: MIT */
/*
 * Why tasks of a service have stopped. ECS tells it of each task, for about an hour:
 * https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-errors.html
 */
#include "drivers/ecs.h"

#define STOPS_TOLD 3

/* "Essential container in task exited; container 'api' ended with 1 (OutOfMemoryError: ...)". */
static char *reason_of(const cJSON *task)
{
    const char *stopped = json_str(task, "stoppedReason");
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    strbuf_adds(&text, stopped != NULL ? stopped : "ECS gives no reason");
    const cJSON *container;
    cJSON_ArrayForEach (container, json_get(task, "containers")) {
        const char *reason = json_str(container, "reason");
        const cJSON *code = json_get(container, "exitCode");
        if (reason == NULL && code == NULL)
            continue;
        strbuf_addf(&text, "; container '%s'", json_str(container, "name"));
        if (code != NULL)
            strbuf_addf(&text, " ended with %d", (int)json_int(container, "exitCode", 0));
        if (reason != NULL)
            strbuf_addf(&text, " (%s)", reason);
    }
    return strbuf_detach(&text);
}

static double stopped_at(const cJSON *task)
{
    const cJSON *when = json_get(task, "stoppedAt");
    if (when == NULL)
        when = json_get(task, "stoppingAt");
    return cJSON_IsNumber(when) ? when->valuedouble : 0;
}

/* Takes the one that stopped last out of the list. */
static cJSON *take_newest(cJSON *tasks)
{
    cJSON *task, *newest = NULL;
    cJSON_ArrayForEach (task, tasks)
        if (newest == NULL || stopped_at(task) > stopped_at(newest))
            newest = task;
    return newest != NULL ? cJSON_DetachItemViaPointer(tasks, newest) : NULL;
}

/* Tasks that stop for one reason are many; the last of them tells it. */
static void add_stop(cJSON *stops, const cJSON *task)
{
    _cleanup_free_ char *reason = reason_of(task);
    const char *arn = json_str(task, "taskArn");
    const char *slash = arn != NULL ? strrchr(arn, '/') : NULL;
    cJSON *same = json_find(stops, "reason", reason);
    if (same != NULL) {
        json_put_int(same, "times", json_int(same, "times", 1) + 1);
        return;
    }
    if (json_count(stops) == STOPS_TOLD)
        return;
    cJSON *stop = json_push(stops, cJSON_CreateObject());
    json_put_str(stop, "task", slash != NULL ? slash + 1 : arn);
    json_put(stop, "at", cJSON_CreateNumber(stopped_at(task)));
    json_put_str(stop, "reason", reason);
    json_put_int(stop, "times", 1);
}

int ecs_service_stops(struct session *s, const struct resource *r, cJSON **ret, struct err *err)
{
    const char *cluster = r->graph->context.environment;
    _cleanup_json_ cJSON *input = cJSON_CreateObject(), *arns = NULL, *tasks = NULL;
    json_put_str(input, "cluster", cluster);
    json_put_str(input, "serviceName", r->name);
    json_put_str(input, "desiredStatus", "STOPPED");
    if (aws_call_all(s, "ecs", "ListTasks", input, "taskArns", &arns, err) < 0)
        return -1;
    _cleanup_json_ cJSON *stops = cJSON_CreateArray();
    if (json_count(arns) > 0 && ecs_tasks_describe(s, cluster, arns, &tasks, err) < 0)
        return -1;
    while (json_count(tasks) > 0) {
        _cleanup_json_ cJSON *task = take_newest(tasks);
        add_stop(stops, task);
    }
    *ret = steal_ptr(&stops);
    return 0;
}
