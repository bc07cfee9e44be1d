/* SPDX-License-Identifier: MIT */
#include <inttypes.h>

#include "drivers/capacity.h"
#include "drivers/ecs.h"

/*
 * Tasks on the cluster's own container instances, put where they fit one by one, the largest first,
 * each on the instance that it leaves least of. ECS's own choice depends on placement strategies
 * and on what else starts at the time, so this can be wrong at the very edge; what it says does not
 * fit anywhere does not. Instances that drain or whose agent is gone take no tasks:
 * https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContainerInstance.html
 */

#define LISTED_AT_ONCE 100 /* as many as a page has */

/* The ports of an instance that a task takes: awsvpc's are its own, and 0 is any. */
static cJSON *ports_of(const cJSON *definition)
{
    cJSON *ports = cJSON_CreateArray();
    const char *mode = json_str(definition, "networkMode");
    if (str_eq(mode, "awsvpc"))
        return ports;
    const cJSON *container, *port;
    cJSON_ArrayForEach (container, json_get(definition, "containerDefinitions"))
        cJSON_ArrayForEach (port, json_get(container, "portMappings")) {
            int64_t number = json_int(port, str_eq(mode, "host") ? "containerPort" : "hostPort", 0);
            const char *protocol = json_str(port, "protocol");
            _cleanup_free_ char *text =
                xasprintf("%" PRId64 "/%s", number, protocol != NULL ? protocol : "tcp");
            if (number > 0)
                json_push_str(ports, text);
        }
    return ports;
}

static int compare_sizes(const void *a, const void *b)
{
    const struct capacity_placing *x = a, *y = b;
    if (x->memory != y->memory)
        return x->memory > y->memory ? -1 : 1;
    return (y->units > x->units) - (y->units < x->units);
}

struct capacity_placing *capacity_placings(const struct graph *g, bool whole, size_t *ret_n)
{
    struct capacity_placing *placings = xcalloc(g->n + 1, sizeof(*placings));
    size_t n = 0;
    for (size_t i = 0; i < g->n; i++) {
        const struct resource *r = g->v[i];
        if (r->type != &ecs_service_type || r->want == NULL)
            continue;
        const struct resource *definition = capacity_definition_of(r);
        int64_t tasks = capacity_share_of(r->want, capacity_tasks_added(r, whole)).instances;
        if (tasks == 0 || definition == NULL)
            continue;
        placings[n++] = (struct capacity_placing){
            .service = r,
            .tasks = tasks,
            .units = capacity_units_of(definition->want),
            .memory = capacity_memory_of(definition->want),
            .ports = ports_of(definition->want),
            .provider = json_count(json_get(r->want, "capacityProviderStrategy")) > 0,
        };
    }
    qsort(placings, n, sizeof(*placings), compare_sizes);
    *ret_n = n;
    return placings;
}

void capacity_placings_free(struct capacity_placing *placings, size_t n)
{
    for (size_t i = 0; i < n; i++)
        cJSON_Delete(placings[i].ports);
    free(placings);
}

static int instances_add(struct session *s, const char *cluster, cJSON *arns, cJSON *all,
                         struct err *err)
{
    _cleanup_json_ cJSON *instances = NULL;
    if (ecs_instances_describe(s, cluster, arns, &instances, err) < 0)
        return -1;
    while (instances->child != NULL)
        json_push(all, cJSON_DetachItemViaPointer(instances, instances->child));
    return 0;
}

int capacity_instances_read(struct session *s, const struct graph *g, cJSON **ret, struct err *err)
{
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    _cleanup_json_ cJSON *arns = NULL;
    _cleanup_json_ cJSON *all = cJSON_CreateArray();
    const struct resource *cluster = graph_find(g, ECS_CLUSTER);
    if (cluster == NULL || cluster->have == NULL) { /* nothing is registered in what is not there */
        *ret = steal_ptr(&all);
        return 0;
    }
    json_put_str(input, "cluster", cluster->name);
    json_put_str(input, "status", "ACTIVE");
    json_put_int(input, "maxResults", LISTED_AT_ONCE);
    if (aws_call_all(s, "ecs", "ListContainerInstances", input, "containerInstanceArns", &arns,
                     err) < 0)
        return -1;
    while (arns->child != NULL)
        if (instances_add(s, cluster->name, arns, all, err) < 0)
            return -1;
    *ret = steal_ptr(&all);
    return 0;
}

/* What is left of one instance while tasks are put on it. */
struct room {
    const char *name;
    int64_t units, memory;
    cJSON *taken; /* ports, as texts */
};

static void ports_take(struct room *room, const cJSON *resource, const char *protocol)
{
    const cJSON *port;
    cJSON_ArrayForEach (port, json_get(resource, "stringSetValue")) {
        _cleanup_free_ char *text = xasprintf("%s/%s", port->valuestring, protocol);
        json_push_str(room->taken, text);
    }
}

/* In remainingResources PORTS are those that are taken. */
static struct room room_of(const cJSON *instance)
{
    const cJSON *left = json_get(instance, "remainingResources");
    const char *name = json_str(instance, "ec2InstanceId");
    struct room room = {
        .name = name != NULL ? name : json_str(instance, "containerInstanceArn"),
        .units = json_int(json_find(left, "name", "CPU"), "integerValue", 0),
        .memory = json_int(json_find(left, "name", "MEMORY"), "integerValue", 0),
        .taken = cJSON_CreateArray(),
    };
    ports_take(&room, json_find(left, "name", "PORTS"), "tcp");
    ports_take(&room, json_find(left, "name", "PORTS_UDP"), "udp");
    return room;
}

static const char *port_taken(const struct room *room, const struct capacity_placing *p)
{
    const cJSON *port;
    cJSON_ArrayForEach (port, p->ports)
        if (json_array_has(room->taken, port->valuestring))
            return port->valuestring;
    return NULL;
}

/* A task without cpu of its own takes what is idle. */
static bool room_is_enough(const struct room *room, const struct capacity_placing *p)
{
    return room->units >= p->units && room->memory >= p->memory && port_taken(room, p) == NULL;
}

static bool place_one(struct room *rooms, size_t n, const struct capacity_placing *p)
{
    struct room *best = NULL;
    for (size_t i = 0; i < n; i++)
        if (room_is_enough(&rooms[i], p) && (best == NULL || rooms[i].memory < best->memory))
            best = &rooms[i];
    if (best == NULL)
        return false;
    best->units -= p->units;
    best->memory -= p->memory;
    const cJSON *port;
    cJSON_ArrayForEach (port, p->ports)
        json_push_str(best->taken, port->valuestring);
    return true;
}

/* Why no instance takes another of these tasks. */
static void say_why(const struct room *rooms, size_t n, const struct capacity_placing *p,
                    struct strbuf *why)
{
    const struct room *most = NULL;
    if (n == 0) {
        strbuf_adds(why, "no container instance of the cluster is active and connected");
        return;
    }
    for (size_t i = 0; i < n; i++) {
        const char *port = port_taken(&rooms[i], p);
        if (rooms[i].units >= p->units && rooms[i].memory >= p->memory && port != NULL) {
            strbuf_addf(why, "port %s is taken on '%s'%s", port, rooms[i].name,
                        n > 1 ? ", and no other has room" : "");
            return;
        }
        if (most == NULL || rooms[i].memory > most->memory)
            most = &rooms[i];
    }
    strbuf_addf(why,
                "the most that any of %zu container instances has left is %" PRId64
                " cpu units and %" PRId64 " MiB ('%s')",
                n, most->units, most->memory, most->name);
}

static void report_placing(const struct room *rooms, size_t n, const struct capacity_placing *p,
                           int64_t unplaced, cJSON *report)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    strbuf_addf(&text,
                "%" PRId64 " of %" PRId64 " new tasks do not fit, each of %" PRId64
                " cpu units and %" PRId64 " MiB: ",
                unplaced, p->tasks, p->units, p->memory);
    say_why(rooms, n, p, &text);
    if (p->provider)
        capacity_note(report, "%s: %s; they wait for the capacity provider to add instances",
                      p->service->origin, text.buf);
    else
        capacity_problem(report, p->service->origin, BLAME_USER,
                         "%s; register more instances, or ask for less", text.buf);
}

void capacity_placings_report(const struct capacity_placing *placings, size_t n,
                              const cJSON *instances, cJSON *report)
{
    struct room *rooms = xcalloc(json_count(instances) + 1, sizeof(*rooms));
    size_t n_rooms = 0;
    const cJSON *instance;
    cJSON_ArrayForEach (instance, instances)
        if (json_bool(instance, "agentConnected", false))
            rooms[n_rooms++] = room_of(instance);
    for (size_t i = 0; i < n; i++) {
        int64_t left = placings[i].tasks;
        while (left > 0 && place_one(rooms, n_rooms, &placings[i]))
            left--;
        if (left > 0)
            report_placing(rooms, n_rooms, &placings[i], left, report);
    }
    for (size_t i = 0; i < n_rooms; i++)
        cJSON_Delete(rooms[i].taken);
    free(rooms);
}
