/* SPDX-License-Identifier: MIT */
#include "drivers/capacity.h"
#include "drivers/ecs.h"

/*
 * What an environment's services come to. A rolling deployment starts new tasks beside the old
 * ones, up to maximumPercent of the desired count, so an environment can need twice its tasks for a
 * while. How much of that it must have: with a circuit breaker all of it, since a task that cannot
 * be launched counts as failed; without one a single task more, since ECS goes on with what there
 * is room for. https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-type-ecs.html
 * and .../deployment-circuit-breaker.html; aws/copilot-cli#3064 has a quota that broke a deployment
 * and its rollback.
 */

/* "512", "0.5 vCPU", "1 GB": task sizes may be written as either, whatever the case.
 * https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_definition_parameters.html */
static int64_t size_of(const char *text, int64_t per_unit)
{
    char *end;
    double n = strtod(text, &end);
    bool has_unit = end != text && strspn(end, " ") < strlen(end);
    return (int64_t)(has_unit ? n * (double)per_unit : n);
}

int64_t capacity_units_of(const cJSON *definition)
{
    const char *cpu = json_str(definition, "cpu");
    if (cpu != NULL)
        return size_of(cpu, CPU_UNITS);
    int64_t units = 0;
    const cJSON *container;
    cJSON_ArrayForEach (container, json_get(definition, "containerDefinitions"))
        units += json_int(container, "cpu", 0);
    return units;
}

int64_t capacity_memory_of(const cJSON *definition)
{
    const char *memory = json_str(definition, "memory");
    if (memory != NULL)
        return size_of(memory, 1024);
    int64_t sum = 0;
    const cJSON *container;
    cJSON_ArrayForEach (container, json_get(definition, "containerDefinitions"))
        sum += json_int(container, "memoryReservation", json_int(container, "memory", 0));
    return sum;
}

static int64_t *share_named(struct capacity_share *share, const char *provider)
{
    if (str_eq(provider, "FARGATE"))
        return &share->fargate[CAPACITY_ON_DEMAND];
    if (str_eq(provider, "FARGATE_SPOT"))
        return &share->fargate[CAPACITY_SPOT];
    return &share->instances;
}

/* Bases first, the rest by weights; what does not divide goes to those that stand first. */
static void share_by_strategy(const cJSON *strategy, int64_t tasks, struct capacity_share *share)
{
    int64_t rest = tasks, weights = 0;
    const cJSON *item;
    cJSON_ArrayForEach (item, strategy) {
        int64_t base = json_int(item, "base", 0);
        int64_t taken = base < rest ? base : rest;
        *share_named(share, json_str(item, "capacityProvider")) += taken;
        rest -= taken;
        weights += json_int(item, "weight", 0);
    }
    int64_t left = rest;
    cJSON_ArrayForEach (item, strategy) {
        int64_t weight = json_int(item, "weight", 0);
        int64_t taken = weights > 0 ? (rest * weight + weights - 1) / weights : 0;
        taken = taken < left ? taken : left;
        *share_named(share, json_str(item, "capacityProvider")) += taken;
        left -= taken;
    }
}

struct capacity_share capacity_share_of(const cJSON *service, int64_t tasks)
{
    struct capacity_share share = { .instances = 0 };
    const cJSON *strategy = json_get(service, "capacityProviderStrategy");
    const char *launch = json_str(service, "launchType");
    if (json_count(strategy) > 0)
        share_by_strategy(strategy, tasks, &share);
    else if (str_eq(launch, "FARGATE"))
        share.fargate[CAPACITY_ON_DEMAND] = tasks;
    else if (!str_eq(launch, "EXTERNAL"))
        share.instances = tasks;
    return share;
}

const struct resource *capacity_definition_of(const struct resource *service)
{
    _cleanup_free_ char *address = xasprintf("ecs.task_definition/%s", service->label);
    return graph_find(service->graph, address);
}

bool capacity_is_new(const struct resource *r, bool whole)
{
    if (whole)
        return r->want != NULL && r->have == NULL;
    return r->action == ACTION_CREATE ||
           (r->action == ACTION_REPLACE && r->type->replace == REPLACE_CREATE_FIRST);
}

/* One service in numbers. */
struct size {
    int64_t now, wanted, most; /* tasks */
    int64_t units_now, units;  /* of each */
    bool rolls;                /* a deployment replaces its tasks */
    bool acts;
};

static bool begins_deployment(const struct resource *r)
{
    static const char *const others[] = { "desiredCount", "deploymentConfiguration" };
    const cJSON *change;
    cJSON_ArrayForEach (change, r->changes) {
        size_t len = strcspn(json_str(change, "path"), ".[");
        bool other = false;
        for (size_t i = 0; i < ARRAY_SIZE(others); i++)
            other |=
                len == strlen(others[i]) && strncmp(json_str(change, "path"), others[i], len) == 0;
        if (!other)
            return true;
    }
    return false;
}

static int64_t tasks_most(const cJSON *want, int64_t now, int64_t wanted)
{
    int64_t percent = json_int(json_get(want, "deploymentConfiguration"), "maximumPercent", 200);
    int64_t most = wanted * percent / 100;
    return most > now ? most : now;
}

static struct size size_of_service(const struct resource *r, bool whole)
{
    struct size size = { .acts = whole || r->action == ACTION_CREATE ||
                                 r->action == ACTION_UPDATE || r->action == ACTION_REPLACE };
    const struct resource *definition = capacity_definition_of(r);
    bool there = r->have != NULL;
    size.now = there ? json_int(json_get(r->memo, "state"), "desiredCount", 0) : 0;
    size.wanted = size.acts ? json_int(r->want, "desiredCount", there ? size.now : 1) : size.now;
    size.units = definition != NULL ? capacity_units_of(definition->want) : 0;
    size.units_now = definition != NULL && definition->have != NULL
                         ? capacity_units_of(definition->have)
                         : size.units;
    if (!size.acts)
        size.units = size.units_now;
    size.rolls = there && (whole || (r->action == ACTION_UPDATE && begins_deployment(r)));
    size.most = size.rolls ? tasks_most(r->want, size.now, size.wanted)
                           : (size.wanted > size.now ? size.wanted : size.now);
    return size;
}

int64_t capacity_tasks_added(const struct resource *service, bool whole)
{
    struct size size = size_of_service(service, whole);
    if (!size.acts || service->action == ACTION_REPLACE)
        return 0;
    if (size.wanted > size.now)
        return size.wanted - size.now;
    int64_t least =
        json_int(json_get(service->want, "deploymentConfiguration"), "minimumHealthyPercent", 100);
    /* Of those that are replaced one at least must start before another may stop. */
    return size.rolls && !whole && size.wanted > 0 && least >= 100 ? 1 : 0;
}

static void add(struct capacity_sum *sum, const cJSON *service, int64_t tasks, int64_t units)
{
    struct capacity_share share = capacity_share_of(service, tasks);
    sum->tasks += tasks;
    for (size_t kind = 0; kind < CAPACITY_KINDS; kind++)
        sum->units[kind] += share.fargate[kind] * units;
}

static bool has_breaker(const cJSON *want)
{
    return json_bool(json_at(want, "deploymentConfiguration/deploymentCircuitBreaker"), "enable",
                     false);
}

int64_t capacity_tasks_needed(const struct resource *service, bool whole)
{
    struct size size = size_of_service(service, whole);
    if (size.rolls && !whole && has_breaker(service->want))
        return size.most - size.now;
    return capacity_tasks_added(service, whole);
}

static void add_service(struct capacity_demand *d, const struct resource *r, bool whole,
                        struct capacity_sum *step)
{
    struct size size = size_of_service(r, whole);
    const cJSON *there = r->have != NULL ? r->have : r->want;
    const cJSON *then = size.acts ? r->want : there;
    struct capacity_sum now = { 0 }, steady = { 0 }, most = { 0 }, one = { 0 };
    add(&now, there, size.now, size.units_now);
    add(&steady, then, size.wanted, size.units);
    add(&most, there, size.now, size.units_now);
    add(&most, then, size.most - size.now, size.units);
    add(&one, then, 1, size.units);
    bool all = size.rolls && !whole && has_breaker(r->want);
    d->now.tasks += now.tasks;
    d->steady.tasks += steady.tasks;
    d->need.tasks += all ? most.tasks : steady.tasks;
    d->most.tasks += most.tasks;
    for (size_t kind = 0; kind < CAPACITY_KINDS; kind++) {
        int64_t peak =
            most.units[kind] > steady.units[kind] ? most.units[kind] : steady.units[kind];
        d->now.units[kind] += now.units[kind];
        d->steady.units[kind] += steady.units[kind];
        d->need.units[kind] += all ? peak : steady.units[kind];
        d->most.units[kind] += peak;
        if (size.rolls && !whole && !all && one.units[kind] > step->units[kind])
            step->units[kind] = one.units[kind];
    }
}

struct capacity_demand capacity_demand_of(const struct graph *g, bool whole)
{
    struct capacity_demand demand = { .now = { 0 } };
    struct capacity_sum step = { 0 };
    for (size_t i = 0; i < g->n; i++)
        if (g->v[i]->type == &ecs_service_type && g->v[i]->want != NULL)
            add_service(&demand, g->v[i], whole, &step);
    for (size_t kind = 0; kind < CAPACITY_KINDS; kind++)
        demand.need.units[kind] += step.units[kind];
    return demand;
}
