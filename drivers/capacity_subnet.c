/* SPDX-License-Identifier: MIT */
#include "drivers/capacity.h"
#include "drivers/common.h"
#include "drivers/ec2.h"
#include "drivers/ecs.h"

/*
 * Addresses: a task in awsvpc mode, and a node of ElastiCache, takes one of its subnet, a load
 * balancer wants eight free in each of its own, of which it takes some:
 * https://docs.aws.amazon.com/elasticloadbalancing/latest/application/application-load-balancers.html
 */
#define BALANCER_FREE 8

static bool is_balancer(const struct resource *r, bool whole)
{
    return str_eq(r->type->name, "alb.load_balancer") && capacity_is_new(r, whole);
}

/* How many addresses of the private subnets a run needs. */
static int64_t addresses_of(const struct resource *r, bool whole)
{
    if (r->want == NULL)
        return 0;
    if (r->type == &ecs_service_type)
        return json_get(r->want, "networkConfiguration") != NULL ? capacity_tasks_needed(r, whole)
                                                                 : 0;
    if (str_starts(r->type->name, "elasticache.") && capacity_is_new(r, whole) &&
        (str_ends(r->type->name, ".cluster") || str_ends(r->type->name, ".replication_group")))
        return json_int(r->want, "NumCacheClusters", 1);
    return 0;
}

bool capacity_subnets_wanted(const struct graph *g, bool whole)
{
    for (size_t i = 0; i < g->n; i++)
        if (is_balancer(g->v[i], whole) || addresses_of(g->v[i], whole) > 0)
            return true;
    return false;
}

/* From a list; a reference that is not known yet is none. */
static void ids_add(cJSON *ids, const cJSON *more)
{
    if (!cJSON_IsArray(more))
        return;
    const cJSON *id;
    cJSON_ArrayForEach (id, more)
        if (cJSON_IsString(id) && !json_array_has(ids, id->valuestring))
            json_push_str(ids, id->valuestring);
}

/* The subnets of a resource that is wanted, as far as they are known; the caller owns them. */
static cJSON *subnets_of(const struct resource *r)
{
    const cJSON *list = r->type == &ecs_service_type
                            ? json_at(r->want, "networkConfiguration/awsvpcConfiguration/subnets")
                            : json_get(r->want, "Subnets");
    _cleanup_json_ cJSON *resolved = ref_resolve(r->graph, list, NULL);
    cJSON *ids = cJSON_CreateArray();
    ids_add(ids, resolved);
    return ids;
}

static void collect(const struct graph *g, cJSON *ids)
{
    for (size_t i = 0; i < g->n; i++) {
        const struct resource *r = g->v[i];
        if (r->want == NULL ||
            (r->type != &ecs_service_type && !str_eq(r->type->name, "alb.load_balancer")))
            continue;
        _cleanup_json_ cJSON *own = subnets_of(r);
        ids_add(ids, own);
    }
    const struct resource *private = graph_find(g, EC2_PRIVATE_SUBNETS);
    if (private != NULL)
        ids_add(ids, json_get(private->outputs, "SubnetIds"));
}

int capacity_subnets_read(struct session *s, const struct graph *g, cJSON **ret, struct err *err)
{
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    _cleanup_json_ cJSON *ids = cJSON_CreateArray();
    collect(g, ids);
    if (json_count(ids) == 0) { /* none that is known; who needs them says so */
        *ret = cJSON_CreateArray();
        return 0;
    }
    /* As a filter: a subnet that somebody has removed is not this check's to complain of. */
    cJSON *filter = filter_add(json_put_array(input, "Filters"), "subnet-id", "");
    json_put(filter, "Values", steal_ptr(&ids));
    return aws_call_all(s, "ec2", "DescribeSubnets", input, "Subnets", ret, err);
}

static int64_t free_in(const cJSON *subnets, const char *id)
{
    return json_int(json_find(subnets, "SubnetId", id), "AvailableIpAddressCount", -1);
}

static void report_balancer(const struct resource *r, const cJSON *subnets, cJSON *report)
{
    _cleanup_json_ cJSON *ids = subnets_of(r);
    const cJSON *id;
    cJSON_ArrayForEach (id, ids) {
        int64_t left = free_in(subnets, id->valuestring);
        if (left >= 0 && left < BALANCER_FREE)
            capacity_problem(report, "loadBalancer", BLAME_SYSTEM,
                             "subnet '%s' has %d addresses left, and a load balancer wants %d; "
                             "free some, or name larger subnets in network.publicSubnets",
                             id->valuestring, (int)left, BALANCER_FREE);
    }
}

static const cJSON *private_subnets(const struct graph *g)
{
    const struct resource *private = graph_find(g, EC2_PRIVATE_SUBNETS);
    return private != NULL ? json_get(private->outputs, "SubnetIds") : NULL;
}

/* ECS spreads tasks over the zones, but takes what there is: only all subnets together decide. */
static void report_addresses(const struct graph *g, int64_t wanted, const cJSON *subnets,
                             cJSON *report)
{
    _cleanup_strbuf_ struct strbuf each = STRBUF_INIT;
    int64_t sum = 0;
    const cJSON *id;
    cJSON_ArrayForEach (id, private_subnets(g)) {
        int64_t left = free_in(subnets, id->valuestring);
        if (left < 0)
            return;
        sum += left;
        strbuf_addf(&each, "%s%s: %d", each.len > 0 ? ", " : "", id->valuestring, (int)left);
    }
    if (each.len == 0 || capacity_line(report, "addresses in private subnets", 0, (double)wanted,
                                       (double)sum, "what is left in them"))
        return;
    capacity_problem(report, "network.privateSubnets", BLAME_SYSTEM,
                     "%d addresses are wanted, one a task and node, and %d are left (%s); "
                     "free some, or name more or larger subnets",
                     (int)wanted, (int)sum, each.buf);
}

void capacity_subnets_report(const struct graph *g, bool whole, const cJSON *subnets, cJSON *report)
{
    int64_t wanted = 0;
    for (size_t i = 0; i < g->n; i++) {
        if (is_balancer(g->v[i], whole))
            report_balancer(g->v[i], subnets, report);
        wanted += addresses_of(g->v[i], whole);
    }
    if (wanted > 0)
        report_addresses(g, wanted, subnets, report);
}
