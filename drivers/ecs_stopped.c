/* SPDX-License-Identifier: MIT */
/*
 * Why tasks of a service have stopped. ECS tells it of each task, for about an hour:
 * https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-errors.html
 */
#include <signal.h>

#include "drivers/common.h"
#include "drivers/ecs.h"
#include "executor/base/redact.h"

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
        bool tells = reason != NULL && !str_eq(reason, stopped);
        if (!tells && code == NULL)
            continue;
        strbuf_addf(&text, "; container '%s'", json_str(container, "name"));
        if (code != NULL)
            strbuf_addf(&text, " ended with %d", (int)json_int(container, "exitCode", 0));
        if (tells)
            strbuf_addf(&text, " (%s)", reason);
    }
    return redact_line(text.buf);
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

/*
 * The kinds of ends, by AWS's words; the first that fits decides.
 * https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-error-codes.html
 */
static const struct {
    const char *words, *kind;
} kinds[] = {
    { "CannotPull", ECS_STOP_PULL },
    { "ecr registry auth", ECS_STOP_PULL },
    { "unable to pull secrets", ECS_STOP_SECRET },
    { "unable to retrieve secret", ECS_STOP_SECRET },
    { "unable to assume the role", ECS_STOP_ROLE },
    { "logger args", ECS_STOP_LOG },
    { "logging driver", ECS_STOP_LOG },
    { "OutOfMemory", ECS_STOP_MEMORY },
    { "container health checks", ECS_STOP_HEALTH },
    { "ELB health checks", ECS_STOP_TARGET },
    { "ResourceInitializationError", ECS_STOP_START },
    { "CannotStartContainer", ECS_STOP_START },
    { "CannotCreateContainer", ECS_STOP_START },
};

static const char *kind_in(const char *text)
{
    for (size_t i = 0; text != NULL && i < ARRAY_SIZE(kinds); i++)
        if (strcasestr(text, kinds[i].words) != NULL)
            return kinds[i].kind;
    return NULL;
}

/*
 * Which container is told of first: one of which ECS says what happened to it; one that it finds
 * unhealthy; one that ended by itself, and badly. When an essential one has ended, ECS ends the
 * others: by SIGTERM, on which a program may well exit with 0, and by SIGKILL half a minute later.
 * SIGKILL is also what a lack of memory looks like, so 0 says less than that.
 * https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_StopTask.html
 */
static int rank_of(const cJSON *container)
{
    const char *reason = json_str(container, "reason");
    if (kind_in(reason) != NULL)
        return 6;
    if (str_eq(json_str(container, "healthStatus"), "UNHEALTHY"))
        return 5;
    switch (json_int(container, "exitCode", -1)) {
    case -1:
        return reason != NULL ? 4 : 0;
    case 0:
        return 2;
    case 128 + SIGKILL:
        return 3;
    case 128 + SIGTERM:
        return 1;
    default:
        return 4;
    }
}

/* Whether the end of a container may have been the task's. */
static bool may_have_ended(const struct resource *r, const cJSON *task, const cJSON *container)
{
    const cJSON *defined = ecs_container_of(r, json_str(container, "name"));
    return !str_eq(json_str(task, "stopCode"), "EssentialContainerExited") ||
           json_bool(defined, "essential", true);
}

static const cJSON *culprit_of(const struct resource *r, const cJSON *task)
{
    const cJSON *container, *culprit = NULL;
    cJSON_ArrayForEach (container, json_get(task, "containers"))
        if (may_have_ended(r, task, container) &&
            (culprit == NULL || rank_of(container) > rank_of(culprit)))
            culprit = container;
    return culprit;
}

/* The kind, and which of the texts says it. NULL: nothing that the application or its settings
 * have brought about: the scheduler, or somebody, has stopped it. */
static const char *kind_of(const cJSON *task, const cJSON *culprit, const char **ret_detail)
{
    const char *texts[] = { json_str(task, "stoppedReason"), json_str(culprit, "reason") };
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        for (size_t j = 0; j < ARRAY_SIZE(texts); j++) {
            *ret_detail = texts[j];
            if (texts[j] != NULL && strcasestr(texts[j], kinds[i].words) != NULL)
                return kinds[i].kind;
        }
    }
    const char *code = json_str(task, "stopCode");
    bool exited = str_eq(code, "EssentialContainerExited");
    *ret_detail = texts[exited ? 1 : 0]; /* that an essential one did is what the kind says */
    if (str_eq(code, "TaskFailedToStart"))
        return ECS_STOP_START;
    return exited ? ECS_STOP_EXIT : NULL;
}

static cJSON *stop_of(const struct resource *r, const cJSON *task)
{
    const char *arn = json_str(task, "taskArn"), *detail;
    const char *slash = arn != NULL ? strrchr(arn, '/') : NULL;
    const cJSON *culprit = culprit_of(r, task);
    _cleanup_free_ char *reason = reason_of(task);
    cJSON *stop = cJSON_CreateObject();
    json_put_str(stop, "task", slash != NULL ? slash + 1 : arn);
    json_put(stop, "at", cJSON_CreateNumber(stopped_at(task)));
    json_put_str(stop, "reason", reason);
    json_put_str(stop, "kind", kind_of(task, culprit, &detail));
    json_put_str(stop, "detail", detail);
    json_put_str(stop, "code", json_str(task, "stopCode"));
    json_put_str(stop, "deployment", json_str(task, "startedBy"));
    json_put_str(stop, "container", json_str(culprit, "name"));
    json_copy(stop, culprit, "exitCode");
    return stop;
}

static int list_stopped(struct session *s, const struct resource *r, const char *filter,
                        cJSON **ret, struct err *err)
{
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    json_put_str(input, "cluster", r->graph->context.environment);
    json_put_str(input, filter, r->name);
    json_put_str(input, "desiredStatus", "STOPPED");
    return aws_call_all(s, "ecs", "ListTasks", input, "taskArns", ret, err);
}

int ecs_stops_read(struct session *s, const struct resource *r, cJSON **ret, struct err *err)
{
    _cleanup_json_ cJSON *arns = NULL, *tasks = NULL, *stops = cJSON_CreateArray();
    if (list_stopped(s, r, "serviceName", &arns, err) < 0)
        return -1;
    if (json_count(arns) > 0 &&
        ecs_tasks_describe(s, r->graph->context.environment, arns, &tasks, err) < 0)
        return -1;
    while (json_count(tasks) > 0) {
        _cleanup_json_ cJSON *task = take_newest(tasks);
        json_push(stops, stop_of(r, task));
    }
    *ret = steal_ptr(&stops);
    return 0;
}

/* Tasks that stop for one reason are many; the last of them tells it. */
int ecs_service_stops(struct session *s, const struct resource *r, cJSON **ret, struct err *err)
{
    static const char *const members[] = { "task", "at", "reason", NULL };
    _cleanup_json_ cJSON *all = NULL, *stops = cJSON_CreateArray();
    if (ecs_stops_read(s, r, &all, err) < 0)
        return -1;
    const cJSON *one;
    cJSON_ArrayForEach (one, all) {
        cJSON *same = json_find(stops, "reason", json_str(one, "reason"));
        if (same != NULL)
            json_put_int(same, "times", json_int(same, "times", 1) + 1);
        else if (json_count(stops) < STOPS_TOLD)
            json_put_int(json_push(stops, json_pick(one, members)), "times", 1);
    }
    *ret = steal_ptr(&stops);
    return 0;
}
