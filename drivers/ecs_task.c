/* SPDX-License-Identifier: MIT */
#include "drivers/common.h"
#include "drivers/ecs.h"

/*
 * Tasks in the environment's cluster, which only a teardown looks at. Those that no service has
 * started, somebody's `run-task`, keep the cluster and their security groups, and are stopped: they
 * are the cluster's. Those of a service tell its name, which no list has once it is DRAINING:
 * https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeleteService.html
 */

static const char service_group[] = "service:";

static bool is_stopped(const cJSON *task)
{
    return task == NULL || str_eq(json_str(task, "lastStatus"), "STOPPED");
}

/* "arn:...:task/cluster/0123" -> "0123". */
static const char *id_of(const char *arn)
{
    const char *slash = strrchr(arn, '/');
    return slash != NULL ? slash + 1 : arn;
}

/* The ARNs of those that are to run, or to stop; none where there is no cluster. */
static int tasks_list(struct session *s, const struct graph *g, const char *desired, cJSON **ret,
                      struct err *err)
{
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    _cleanup_err_ struct err failure = ERR_INIT;
    json_put_str(input, "cluster", g->context.environment);
    json_put_str(input, "desiredStatus", desired);
    if (aws_call_all(s, "ecs", "ListTasks", input, "taskArns", ret, &failure) == 0)
        return 0;
    if (failure.class != ERR_NOT_FOUND)
        return err_move(err, &failure);
    *ret = cJSON_CreateArray();
    return 0;
}

/* As many of `arns` as one call takes, which are taken out of it; none where there is no cluster.
 */
static int tasks_describe(struct session *s, const struct graph *g, cJSON *arns, cJSON **ret,
                          struct err *err)
{
    _cleanup_err_ struct err failure = ERR_INIT;
    if (ecs_tasks_describe(s, g->context.environment, arns, ret, &failure) == 0)
        return 0;
    if (failure.class != ERR_NOT_FOUND)
        return err_move(err, &failure);
    *ret = cJSON_CreateArray();
    return 0;
}

static void task_take(struct resource *r, const cJSON *task)
{
    static const char *const members[] = { "taskArn", "lastStatus", "desiredStatus", NULL };
    r->observed = true;
    resource_set_have(r, is_stopped(task) ? NULL : json_pick(task, members));
}

static void task_found(struct graph *g, const cJSON *task)
{
    const char *arn = json_str(task, "taskArn"), *group = json_str(task, "group");
    if (arn == NULL)
        return;
    if (str_starts(group, service_group))
        ecs_service_found(g, group + strlen(service_group));
    else if (!is_stopped(task))
        task_take(graph_found(g, &ecs_task_type, NULL, id_of(arn)), task);
}

static int tasks_find(struct session *s, struct graph *g, const char *desired, struct err *err)
{
    _cleanup_json_ cJSON *arns = NULL;
    if (tasks_list(s, g, desired, &arns, err) < 0)
        return -1;
    while (arns->child != NULL) {
        _cleanup_json_ cJSON *tasks = NULL;
        if (tasks_describe(s, g, arns, &tasks, err) < 0)
            return -1;
        const cJSON *task;
        cJSON_ArrayForEach (task, tasks)
            task_found(g, task);
    }
    return 0;
}

static int task_discover(struct session *s, struct graph *g, struct err *err)
{
    const struct resource *cluster = graph_find_name(g, &ecs_cluster_type, g->context.environment);
    if (!g->context.teardown || cluster == NULL || cluster->have == NULL ||
        !resource_is_ours(cluster))
        return 0;
    if (tasks_find(s, g, "RUNNING", err) < 0)
        return -1;
    return tasks_find(s, g, "STOPPED", err);
}

static int task_observe(struct session *s, struct resource *const *r, size_t n, struct err *err)
{
    _cleanup_json_ cJSON *ids = cJSON_CreateArray(), *tasks = NULL;
    for (size_t i = 0; i < n; i++)
        json_push_str(ids, r[i]->name);
    if (tasks_describe(s, r[0]->graph, ids, &tasks, err) < 0)
        return -1;
    for (size_t i = 0; i < n; i++) {
        const cJSON *task, *found = NULL;
        cJSON_ArrayForEach (task, tasks)
            if (json_str(task, "taskArn") != NULL &&
                str_eq(id_of(json_str(task, "taskArn")), r[i]->name))
                found = task;
        task_take(r[i], found);
    }
    return 0;
}

static int task_stop(struct session *s, const struct graph *g, const char *task, struct err *err)
{
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    _cleanup_err_ struct err failure = ERR_INIT;
    json_put_str(input, "cluster", g->context.environment);
    json_put_str(input, "task", task);
    json_put_strf(input, "reason", "environment %.100s is being destroyed", g->context.environment);
    if (aws_call(s, "ecs", "StopTask", input, NULL, &failure) == 0 ||
        failure.class == ERR_NOT_FOUND)
        return 0;
    /* "The referenced task was not found" is an InvalidParameterException. */
    if (failure.class == ERR_INVALID && strstr(failure.message, "task was not found") != NULL)
        return 0;
    return err_move(err, &failure);
}

static int task_remove(struct session *s, struct resource *r, struct err *err)
{
    if (str_eq(json_str(r->have, "desiredStatus"), "STOPPED"))
        return 0;
    return task_stop(s, r->graph, r->name, err);
}

static void task_leaving(const struct resource *r, struct strbuf *why)
{
    strbuf_adds(why, json_str(r->have, "lastStatus"));
}

int ecs_tasks_stop(struct session *s, const struct graph *g, size_t *ret_n, struct err *err)
{
    _cleanup_json_ cJSON *arns = NULL;
    if (tasks_list(s, g, "RUNNING", &arns, err) < 0)
        return -1;
    const cJSON *arn;
    cJSON_ArrayForEach (arn, arns)
        if (task_stop(s, g, arn->valuestring, err) < 0)
            return -1;
    *ret_n = json_count(arns);
    return 0;
}

static const char *const task_after[] = { "ecs.cluster", NULL };

const struct resource_type ecs_task_type = {
    .name = "ecs.task",
    .singular = "task",
    .plural = "tasks",
    .scope = SCOPE_CHILD,
    .batch = 100, /* DescribeTasks takes no more */
    .after = task_after,
    .parent = "ecs.cluster",
    .discover = task_discover,
    .observe = task_observe,
    .remove = task_remove,
    .leaving = task_leaving,
};
