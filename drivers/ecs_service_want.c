/* SPDX-License-Identifier: MIT */
#include "drivers/alb.h"
#include "drivers/cloudmap.h"
#include "drivers/common.h"
#include "drivers/ec2.h"
#include "drivers/ecs.h"
#include "executor/base/near.h"

/* What a spec makes of an ECS service, and what it must wait for. */

static cJSON *network_make(const char *service)
{
    cJSON *network = cJSON_CreateObject();
    cJSON *awsvpc = json_put_object(network, "awsvpcConfiguration");
    json_put(awsvpc, "subnets", ref_new("${%s.SubnetIds}", EC2_PRIVATE_SUBNETS));
    json_push(json_put_array(awsvpc, "securityGroups"),
              ref_new("${security_group/%s.GroupId}", service));
    json_put_str(awsvpc, "assignPublicIp", "DISABLED");
    return network;
}

/* AWS's defaults, so that a member taken out of the spec goes back to its default. */
static cJSON *deployment_make(const cJSON *over)
{
    cJSON *deployment = cJSON_CreateObject();
    json_put_int(deployment, "maximumPercent", 200);
    json_put_int(deployment, "minimumHealthyPercent", 100);
    cJSON *breaker = json_put_object(deployment, "deploymentCircuitBreaker");
    json_put_bool(breaker, "enable", false);
    json_put_bool(breaker, "rollback", false);
    if (over != NULL)
        json_merge(deployment, over);
    return deployment;
}

/* The container and port of it that a target group's load balancer talks to. */
static void balancer_make(cJSON *want, const cJSON *service)
{
    const cJSON *balancer = json_get(service, "loadBalancer");
    const cJSON *first = json_at(service, "ports/0");
    const char *container = json_str(service, "container");
    if (balancer == NULL)
        return;
    int64_t port = cJSON_IsNumber(first) ? (int64_t)first->valuedouble : json_int(first, "port", 0);
    cJSON *target = json_push(json_put_array(want, "loadBalancers"), cJSON_CreateObject());
    json_put(target, "targetGroupArn",
             ref_new("${alb.target_group/%s.TargetGroupArn}", json_str(balancer, "targetGroup")));
    json_put_str(target, "containerName", container ? container : service->string);
    json_put_int(target, "containerPort", json_int(balancer, "port", port));
    json_put_int(want, "healthCheckGracePeriodSeconds",
                 json_int(balancer, "healthCheckGracePeriodSeconds", 0));
}

static cJSON *service_make(const cJSON *service, const char *name)
{
    cJSON *want = cJSON_CreateObject();
    json_put(want, "cluster", ref_new("${%s.ClusterName}", ECS_CLUSTER));
    json_put_str(want, "serviceName", name);
    json_put(want, "taskDefinition", ref_new("${ecs.task_definition/%s.Arn}", service->string));
    if (cJSON_IsNumber(json_get(service, "desiredCount")))
        json_copy(want, service, "desiredCount");
    json_put_str(want, "launchType", "FARGATE");
    json_put_str(want, "schedulingStrategy", "REPLICA");
    json_put(want, "networkConfiguration", network_make(service->string));
    cJSON *registries = json_put_array(want, "serviceRegistries");
    if (cloudmap_is_wanted(service))
        json_put(json_push(registries, cJSON_CreateObject()), "registryArn",
                 ref_new("${cloudmap.service/%s.Arn}", service->string));
    json_put(want, "deploymentConfiguration", deployment_make(json_get(service, "deployment")));
    json_put_str(want, "propagateTags", "SERVICE");
    json_put_bool(want, "enableECSManagedTags", true);
    json_put_bool(want, "enableExecuteCommand", false);
    /* A member that is left out is ENABLED in a create and stays as it is in an update, so it is
     * always said. Rebalancing starts tasks before it stops others, which needs more than 100 %:
     * https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-rebalancing.html */
    int64_t percent = json_int(json_get(want, "deploymentConfiguration"), "maximumPercent", 200);
    json_put_str(want, "availabilityZoneRebalancing", percent > 100 ? "ENABLED" : "DISABLED");
    ecs_service_put_resets(want);
    balancer_make(want, service);
    return want;
}

/* The generated members as AWS would get them, references replaced by what they may become. */
static int service_check(const cJSON *want, const char *path, struct err *err)
{
    _cleanup_json_ cJSON *plausible = plausible_input(want);
    cJSON *awsvpc = json_at(plausible, "networkConfiguration/awsvpcConfiguration");
    if (cJSON_IsString(json_get(awsvpc, "subnets")))
        json_push_str(json_put_array(awsvpc, "subnets"), "subnet-0");
    _cleanup_err_ struct err failure = ERR_INIT;
    if (aws_check_input("ecs", "CreateService", plausible, &failure) < 0)
        return err_set(err, ERR_USER, "%s: %s", path, failure.message);
    return 0;
}

static int no_such_service(const char *path, const char *name, const cJSON *services,
                           struct err *err)
{
    struct near near = NEAR_INIT(name);
    near_try_keys(&near, services);
    if (near.word != NULL)
        return err_set(err, ERR_USER, "%s: there is no service '%s'; did you mean '%s'?", path,
                       name, near.word);
    return err_set(err, ERR_USER, "%s: there is no service '%s'", path, name);
}

static int depend(struct resource *r, const cJSON *spec, const cJSON *service, struct err *err)
{
    const cJSON *services = json_get(spec, "services");
    size_t i = 0;
    const cJSON *item;
    cJSON_ArrayForEach (item, json_get(service, "dependsOn")) {
        const char *name = cJSON_GetStringValue(item);
        _cleanup_free_ char *path = xasprintf("services.%s.dependsOn[%zu]", service->string, i++);
        if (json_get(services, name) == NULL)
            return no_such_service(path, name, services, err);
        if (str_eq(name, service->string))
            return err_set(err, ERR_USER, "%s: it cannot wait for itself", path);
        _cleanup_free_ char *address = xasprintf("ecs.service/%s", name);
        if (resource_need(r, address, NEED_READY, err) < 0)
            return -1;
    }
    return 0;
}

/* Tasks start only with their log group there, and with what their roles may do. */
static int need_surroundings(struct resource *r, const cJSON *spec, const cJSON *service,
                             struct err *err)
{
    static const char *const members[] = { "executionRole", "taskRole" };
    if (resource_need(r, "logs.group/logs", NEED_READY, err) < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
        const char *role = json_str(service, members[i]);
        const cJSON *policies =
            role ? json_get(json_get(json_get(spec, "roles"), role), "policies") : NULL;
        const cJSON *policy;
        cJSON_ArrayForEach (policy, policies) {
            _cleanup_free_ char *address = xasprintf("iam.role_policy/%s/%s", role, policy->string);
            if (resource_need(r, address, NEED_READY, err) < 0)
                return -1;
        }
    }
    return 0;
}

/* What a load balancer sends to a service needs a port of it, and something that forwards. */
static int need_balancer(struct resource *r, const cJSON *spec, const cJSON *service,
                         struct err *err)
{
    const cJSON *balancer = json_get(service, "loadBalancer");
    _cleanup_free_ char *path = xasprintf("services.%s.loadBalancer", service->string);
    if (balancer == NULL)
        return 0;
    int64_t port = json_int(json_at(r->want, "loadBalancers/0"), "containerPort", 0);
    const cJSON *item;
    cJSON_ArrayForEach (item, json_get(service, "ports")) {
        int64_t number =
            cJSON_IsNumber(item) ? (int64_t)item->valuedouble : json_int(item, "port", 0);
        if (number == port)
            return alb_need_group(r, spec, path, json_str(balancer, "targetGroup"), err);
    }
    return err_set(err, ERR_USER, "%s.port: %d is none of the service's ports", path, (int)port);
}

/* The schema has seen to its form. */
static double deadline_of(const cJSON *service)
{
    const char *deadline = json_str(service, "deadline");
    int64_t seconds = 0;
    return deadline != NULL && clock_read_span(deadline, &seconds) == 0 ? (double)seconds : 0;
}

int ecs_service_want(struct graph *g, const cJSON *spec, const cJSON *service, struct err *err)
{
    static const char *const decided[] = { "cluster", "serviceName", "taskDefinition", "role",
                                           "tags",    "clientToken", "desiredCount",   NULL };
    _cleanup_free_ char *origin = xasprintf("services.%s", service->string);
    _cleanup_free_ char *path = xasprintf("%s.service", origin);
    _cleanup_free_ char *name = xasprintf("%s-%s", g->context.environment, service->string);
    const cJSON *over = json_get(service, "service");
    if (name_check(origin, "a service's name", name, 255, err) < 0 ||
        ecs_refuse_members(over, path, decided, err) < 0 ||
        ec2_want_subnets(g, spec, "private", err) < 0)
        return -1;
    _cleanup_json_ cJSON *want = service_make(service, name);
    if (over != NULL)
        json_merge(want, over);
    /* CreateService takes a launch type or a strategy, not both. */
    if (json_count(json_get(over, "capacityProviderStrategy")) > 0)
        cJSON_DeleteItemFromObjectCaseSensitive(want, "launchType");
    ecs_strategy_complete(want);
    if (service_check(want, over ? path : origin, err) < 0)
        return -1;
    ecs_service_want_rollout(want);
    struct resource *r = NULL;
    if (graph_add(g, &ecs_service_type, service->string, name, origin, steal_ptr(&want), &r, err) <
        0)
        return -1;
    r->deadline = deadline_of(service);
    if (depend(r, spec, service, err) < 0 || need_balancer(r, spec, service, err) < 0)
        return -1;
    return need_surroundings(r, spec, service, err);
}
