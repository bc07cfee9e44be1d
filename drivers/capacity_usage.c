/* SPDX-License-Identifier: MIT */
#include "drivers/aws/together.h"
#include "drivers/capacity.h"
#include "drivers/ecs.h"

/*
 * What runs in the region besides this environment. DescribeClusters counts the tasks of a hundred
 * clusters in one call, but not their cpu: that takes the tasks themselves. Task counts have not
 * been what Fargate limits since 2022 (aws/containers-roadmap#164), so both are needed.
 */

#define LISTED_AT_ONCE 100 /* as many as a page has */

static void found_add(struct capacity_usage *usage, const cJSON *cluster)
{
    int64_t tasks =
        json_int(cluster, "runningTasksCount", 0) + json_int(cluster, "pendingTasksCount", 0);
    cJSON *found = json_push(usage->found, cJSON_CreateObject());
    json_put_str(found, "cluster", json_str(cluster, "clusterName"));
    json_put_int(found, "tasks", tasks);
    json_put(found, "tags", tags_from_list(json_get(cluster, "tags"), "key", "value"));
    usage->sum.tasks += tasks;
    usage->clusters += tasks > 0;
}

static bool is_others(const struct graph *g, const cJSON *cluster)
{
    const char *name = json_str(cluster, "clusterName");
    return name != NULL && !str_eq(name, g->context.environment) &&
           !str_eq(json_str(cluster, "status"), "INACTIVE");
}

int capacity_usage_read(struct session *s, const struct graph *g, struct capacity_usage *ret,
                        struct err *err)
{
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    _cleanup_json_ cJSON *arns = NULL;
    json_put_int(input, "maxResults", LISTED_AT_ONCE);
    if (aws_call_all(s, "ecs", "ListClusters", input, "clusterArns", &arns, err) < 0)
        return -1;
    struct capacity_usage usage = { .all = json_count(arns), .found = cJSON_CreateArray() };
    while (arns->child != NULL) {
        _cleanup_json_ cJSON *clusters = NULL;
        if (ecs_clusters_describe(s, arns, &clusters, err) < 0) {
            capacity_usage_release(&usage);
            return -1;
        }
        const cJSON *cluster;
        cJSON_ArrayForEach (cluster, clusters)
            if (is_others(g, cluster))
                found_add(&usage, cluster);
    }
    usage.exact = usage.sum.tasks == 0;
    *ret = usage;
    return 0;
}

struct measuring {
    struct session *session;
    cJSON *found;
    struct capacity_sum sum;
};

static void task_add(struct measuring *m, const cJSON *task)
{
    const char *provider = json_str(task, "capacityProviderName");
    int64_t units = capacity_units_of(task);
    if (str_eq(provider, "FARGATE_SPOT"))
        m->sum.units[CAPACITY_SPOT] += units;
    else if (str_eq(json_str(task, "launchType"), "FARGATE"))
        m->sum.units[CAPACITY_ON_DEMAND] += units;
}

static int tasks_add(struct measuring *m, cJSON *arns, struct err *err)
{
    _cleanup_json_ cJSON *tasks = NULL;
    if (ecs_tasks_describe(m->session, json_str(m->found, "cluster"), arns, &tasks, err) < 0)
        return -1;
    const cJSON *task;
    cJSON_ArrayForEach (task, tasks)
        task_add(m, task);
    return 0;
}

/* One cluster's tasks. One that is deleted meanwhile runs nothing. */
static int measure(void *context, struct err *err)
{
    struct measuring *m = context;
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    _cleanup_json_ cJSON *arns = NULL;
    _cleanup_err_ struct err failure = ERR_INIT;
    json_put_str(input, "cluster", json_str(m->found, "cluster"));
    json_put_int(input, "maxResults", LISTED_AT_ONCE);
    int r = aws_call_all(m->session, "ecs", "ListTasks", input, "taskArns", &arns, &failure);
    while (r == 0 && arns->child != NULL)
        r = tasks_add(m, arns, &failure);
    return r < 0 && failure.class != ERR_NOT_FOUND ? err_move(err, &failure) : 0;
}

int capacity_usage_measure(struct session *s, struct capacity_usage *usage, struct err *err)
{
    size_t n = 0;
    _cleanup_free_ struct measuring *all = xcalloc(usage->clusters + 1, sizeof(*all));
    _cleanup_free_ struct together_task *tasks = xcalloc(usage->clusters + 1, sizeof(*tasks));
    cJSON *found;
    cJSON_ArrayForEach (found, usage->found) {
        if (json_int(found, "tasks", 0) == 0)
            continue;
        all[n] = (struct measuring){ .session = s, .found = found };
        tasks[n] = (struct together_task){ measure, &all[n] };
        n++;
    }
    if (together_run(tasks, n, err) < 0)
        return -1;
    for (size_t i = 0; i < n; i++) {
        int64_t units = 0;
        for (size_t kind = 0; kind < CAPACITY_KINDS; kind++) {
            usage->sum.units[kind] += all[i].sum.units[kind];
            units += all[i].sum.units[kind];
        }
        json_put_int(all[i].found, "units", units);
    }
    usage->exact = true;
    return 0;
}

/* An ephemeral environment's name ends in eight hexadecimal digits; production's does not. */
static bool is_ephemeral(const char *name)
{
    size_t len = strlen(name);
    if (len < 10 || name[len - 9] != '-')
        return false;
    return strspn(name + len - 8, "0123456789abcdef") == 8;
}

static int64_t pipeline_of(const cJSON *found)
{
    int64_t pipeline = 0;
    const char *text = json_str(json_get(found, "tags"), "berth:pipeline");
    if (text == NULL || str_to_int64(text, 0, INT64_MAX, &pipeline) < 0)
        return 0;
    return pipeline;
}

static int compare_pipelines(const void *a, const void *b)
{
    int64_t first = pipeline_of(*(const cJSON *const *)a);
    int64_t second = pipeline_of(*(const cJSON *const *)b);
    return (first > second) - (first < second);
}

static cJSON *environment_make(const cJSON *found)
{
    const cJSON *tags = json_get(found, "tags");
    cJSON *one = cJSON_CreateObject();
    json_put_str(one, "environment", json_str(found, "cluster"));
    json_put_str(one, "ref", json_str(tags, "berth:ref"));
    json_put_str(one, "project", json_str(tags, "berth:project"));
    if (pipeline_of(found) > 0)
        json_put_int(one, "pipeline", pipeline_of(found));
    json_copy(one, found, "tasks");
    if (json_get(found, "units") != NULL)
        json_put(one, "vcpu", cJSON_CreateNumber((double)json_int(found, "units", 0) / CPU_UNITS));
    return one;
}

cJSON *capacity_environments(const struct capacity_usage *usage)
{
    size_t n = 0;
    _cleanup_free_ const cJSON **sorted = xcalloc(json_count(usage->found) + 1, sizeof(*sorted));
    const cJSON *found;
    cJSON_ArrayForEach (found, usage->found)
        if (json_str(json_get(found, "tags"), "berth:ref") != NULL &&
            is_ephemeral(json_str(found, "cluster")))
            sorted[n++] = found;
    qsort(sorted, n, sizeof(*sorted), compare_pipelines);
    cJSON *environments = cJSON_CreateArray();
    for (size_t i = 0; i < n; i++)
        json_push(environments, environment_make(sorted[i]));
    return environments;
}

void capacity_usage_release(struct capacity_usage *usage)
{
    cJSON_Delete(usage->found);
    *usage = (struct capacity_usage){ .found = NULL };
}
