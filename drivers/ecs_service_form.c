/* SPDX-License-Identifier: MIT */
#include "drivers/common.h"
#include "drivers/ecs.h"

/*
 * One form for a service that is wanted and one that is there: what ECS leaves out of its answers
 * where it has its default, what it tells of the deployment alone, and lists without an order.
 */

static cJSON *alarms_off(void)
{
    cJSON *alarms = cJSON_CreateObject();
    json_put_array(alarms, "alarmNames");
    json_put_bool(alarms, "enable", false);
    json_put_bool(alarms, "rollback", false);
    return alarms;
}

static cJSON *breaker_off(void)
{
    cJSON *breaker = cJSON_CreateObject();
    json_put_bool(breaker, "enable", false);
    json_put_bool(breaker, "rollback", false);
    return breaker;
}

/*
 * What only a spec's own members set, by the value that takes it away again. UpdateService leaves
 * alone what it is not given: "to remove all existing placement constraints, specify an empty
 * array", likewise the rest:
 * https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_UpdateService.html
 * A platform version is not among them: what ECS answers for LATEST is not documented.
 */
static cJSON *service_resets(void)
{
    static const char *const lists[] = { "capacityProviderStrategy", "loadBalancers",
                                         "placementConstraints",     "placementStrategy",
                                         "volumeConfigurations",     "vpcLatticeConfigurations" };
    cJSON *resets = cJSON_CreateObject();
    for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
        json_put_array(resets, lists[i]);
    json_put_int(resets, "healthCheckGracePeriodSeconds", 0);
    json_put_bool(json_put_object(resets, "serviceConnectConfiguration"), "enabled", false);
    return resets;
}

static cJSON *deployment_resets(void)
{
    cJSON *resets = cJSON_CreateObject();
    json_put(resets, "alarms", alarms_off());
    json_put_array(resets, "lifecycleHooks");
    json_put_str(resets, "strategy", "ROLLING");
    return resets;
}

static void put_all(cJSON *to, cJSON *members)
{
    while (members->child != NULL) {
        cJSON *member = cJSON_DetachItemViaPointer(members, members->child);
        _cleanup_free_ char *name = xstrdup(member->string);
        json_put(to, name, member);
    }
    cJSON_Delete(members);
}

static void drop_equal(cJSON *from, cJSON *members)
{
    const cJSON *member;
    cJSON_ArrayForEach (member, members) {
        const cJSON *item = from != NULL ? json_get(from, member->string) : NULL;
        if (item != NULL && json_equal(item, member))
            cJSON_DeleteItemFromObjectCaseSensitive(from, member->string);
    }
    cJSON_Delete(members);
}

static void put_missing(cJSON *to, cJSON *members)
{
    const cJSON *member;
    cJSON_ArrayForEach (member, members) {
        const cJSON *item = json_get(to, member->string);
        if (item == NULL || cJSON_IsNull(item))
            json_put(to, member->string, json_dup(member));
    }
    cJSON_Delete(members);
}

void ecs_service_put_resets(cJSON *want)
{
    put_all(want, service_resets());
    put_all(json_get(want, "deploymentConfiguration"), deployment_resets());
}

void ecs_service_drop_resets(cJSON *input)
{
    cJSON_DeleteItemFromObjectCaseSensitive(input, "rolloutState");
    drop_equal(input, service_resets());
    drop_equal(json_get(input, "deploymentConfiguration"), deployment_resets());
}

/* What it means that ECS's answer lacks a member. */
static void put_defaults(cJSON *have)
{
    cJSON *defaults = service_resets();
    json_put_array(defaults, "serviceRegistries");
    json_put_str(defaults, "propagateTags", "NONE");
    json_put_str(defaults, "availabilityZoneRebalancing", "DISABLED");
    json_put_bool(defaults, "enableECSManagedTags", false);
    json_put_bool(defaults, "enableExecuteCommand", false);
    put_missing(have, defaults);
    cJSON *deployment = json_get(have, "deploymentConfiguration");
    if (deployment == NULL)
        return;
    cJSON *configuration = deployment_resets();
    json_put(configuration, "deploymentCircuitBreaker", breaker_off());
    put_missing(deployment, configuration);
}

static void networks_order(const struct resource *r, cJSON *have)
{
    static const char *const sets[] = { "subnets", "securityGroups" };
    const cJSON *network = json_get(r->want, "networkConfiguration");
    _cleanup_json_ cJSON *wanted = network != NULL ? ref_resolve(r->graph, network, NULL) : NULL;
    cJSON *awsvpc = json_at(have, "networkConfiguration/awsvpcConfiguration");
    for (size_t i = 0; i < ARRAY_SIZE(sets); i++)
        set_order(json_get(awsvpc, sets[i]),
                  json_get(json_get(wanted, "awsvpcConfiguration"), sets[i]));
}

/* These belong to a deployment; the newest is what the service is set to. */
static void copy_from_deployment(cJSON *have, const cJSON *service, const char *member)
{
    const cJSON *primary = json_find(json_get(service, "deployments"), "status", "PRIMARY");
    if (json_get(have, member) == NULL)
        json_copy(have, primary, member);
}

/*
 * A deployment that failed in an earlier run stays the primary one where there was nothing to roll
 * back to, and ECS starts no more tasks for it. What failed may lie outside the spec (a secret, an
 * image, a role), so running the job again has to try again.
 */
static const char *earlier_rollout(const struct resource *r, const cJSON *service)
{
    const cJSON *primary = json_find(json_get(service, "deployments"), "status", "PRIMARY");
    bool failed = str_eq(json_str(primary, "rolloutState"), "FAILED");
    bool begun_here = str_eq(json_str(r->memo, "deployment"), json_str(primary, "id"));
    return failed && !begun_here ? "FAILED" : "COMPLETED";
}

/* ECS says a weight and a base also where they were not given, which is 0:
 * https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CapacityProviderStrategyItem.html
 */
void ecs_strategy_complete(cJSON *service)
{
    static const char *const numbers[] = { "weight", "base" };
    cJSON *item;
    cJSON_ArrayForEach (item, json_get(service, "capacityProviderStrategy")) {
        for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
            if (cJSON_IsObject(item) && json_get(item, numbers[i]) == NULL)
                json_put_int(item, numbers[i], 0);
    }
}

void ecs_service_want_rollout(cJSON *want)
{
    json_put_str(want, "rolloutState", "COMPLETED");
}

cJSON *ecs_service_have(const struct resource *r, const cJSON *service)
{
    static const char *const deployed[] = { "serviceConnectConfiguration", "volumeConfigurations",
                                            "vpcLatticeConfigurations" };
    cJSON *have = cJSON_CreateObject();
    const cJSON *member;
    cJSON_ArrayForEach (member, r->want)
        json_copy(have, service, member->string);
    for (size_t i = 0; i < ARRAY_SIZE(deployed); i++)
        copy_from_deployment(have, service, deployed[i]);
    json_copy(have, service, "serviceName");
    const char *cluster = json_str(service, "clusterArn");
    const char *slash = cluster != NULL ? strrchr(cluster, '/') : NULL;
    json_put_str(have, "cluster", slash != NULL ? slash + 1 : cluster);
    networks_order(r, have);
    /* A service with capacity providers has no launch type; an empty strategy gives it one. */
    if (json_count(json_get(service, "capacityProviderStrategy")) > 0)
        json_copy(have, r->want, "launchType");
    put_defaults(have);
    ecs_strategy_complete(have);
    json_put_str(have, "rolloutState", earlier_rollout(r, service));
    return have;
}
