/* SPDX-License-Identifier: MIT */
/*
 * Tasks that ECS replaces while this run lasts, because they were stopped or have ended, of a
 * deployment that it calls complete. It goes on calling it so, and counts a task as running before
 * its health checks have passed; so of those that are replaced the health is asked for.
 * https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Container.html
 */
#include <math.h>

#include "drivers/common.h"
#include "drivers/ecs.h"

static const cJSON *state_of(const struct resource *r)
{
    return json_get(r->memo, "state");
}

bool ecs_service_runs(const struct resource *r)
{
    const cJSON *primary = json_find(json_get(state_of(r), "deployments"), "status", "PRIMARY");
    return str_eq(json_str(primary, "rolloutState"), "COMPLETED") &&
           json_int(state_of(r), "runningCount", 0) >= json_int(state_of(r), "desiredCount", 0);
}

/* When the newest event was that the first look has seen: what is newer has happened since. */
static double first_look(struct resource *r)
{
    const cJSON *events = json_get(state_of(r), "events");
    const cJSON *newest = json_get(events != NULL ? events->child : NULL, "createdAt");
    if (json_get(r->memo, "eventsUntil") == NULL)
        json_put(r->memo, "eventsUntil",
                 cJSON_CreateNumber(cJSON_IsNumber(newest) ? newest->valuedouble : 0));
    return json_get(r->memo, "eventsUntil")->valuedouble;
}

/* A deployment that this run has seen in progress has started as many as are wanted for itself. */
static bool has_started_more(const struct resource *r, double looked)
{
    const char *awaited = json_str(r->memo, "awaited");
    if (awaited != NULL && str_eq(awaited, ecs_deployment_of(r)))
        return ecs_started_since(r, ecs_service_since(r)) >
               json_int(state_of(r), "desiredCount", 0);
    return ecs_started_since(r, nextafter(looked, INFINITY)) > 0;
}

static void note_restart(struct resource *r)
{
    double looked = first_look(r);
    const cJSON *primary = json_find(json_get(state_of(r), "deployments"), "status", "PRIMARY");
    if (!str_eq(json_str(primary, "rolloutState"), "COMPLETED"))
        return;
    if (!ecs_service_runs(r) || has_started_more(r, looked))
        json_put_bool(r->memo, "restarted", true);
}

bool ecs_service_has_restarted(const struct resource *r)
{
    return json_bool(r->memo, "restarted", false);
}

static bool has_check(const cJSON *definition)
{
    return json_get(definition, "healthCheck") != NULL && json_bool(definition, "essential", true);
}

/* Whether all containers are that have a health check of the definition's, and the task's life
 * depends on. The task's own health is no more than unknown where one of them has none. */
static bool is_healthy(const cJSON *task, const cJSON *definitions)
{
    const cJSON *definition;
    cJSON_ArrayForEach (definition, definitions) {
        const cJSON *container =
            json_find(json_get(task, "containers"), "name", json_str(definition, "name"));
        if (has_check(definition) && !str_eq(json_str(container, "healthStatus"), "HEALTHY"))
            return false;
    }
    return true;
}

static bool any_has_check(const cJSON *definitions)
{
    const cJSON *definition;
    cJSON_ArrayForEach (definition, definitions)
        if (has_check(definition))
            return true;
    return false;
}

int ecs_restarts_look(struct session *s, struct resource *r, struct err *err)
{
    cJSON_DeleteItemFromObjectCaseSensitive(r->memo, "healthy");
    note_restart(r);
    const cJSON *definitions = ecs_containers_of(r), *task;
    if (!ecs_service_has_restarted(r) || !ecs_service_runs(r) || !any_has_check(definitions))
        return 0;
    _cleanup_json_ cJSON *tasks = NULL;
    if (ecs_tasks_running(s, r, &tasks, err) < 0)
        return -1;
    int64_t healthy = 0;
    cJSON_ArrayForEach (task, tasks)
        healthy += is_healthy(task, definitions);
    json_put_int(r->memo, "healthy", healthy);
    return 0;
}

bool ecs_tasks_are_healthy(const struct resource *r, struct strbuf *why)
{
    int64_t desired = json_int(state_of(r), "desiredCount", 0);
    int64_t healthy = json_int(r->memo, "healthy", desired);
    if (healthy < desired)
        strbuf_addf(why, "%d of %d tasks are healthy", (int)healthy, (int)desired);
    return healthy >= desired;
}
