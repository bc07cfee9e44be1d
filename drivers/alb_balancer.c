/* SPDX-License-Identifier: MIT */
#include "drivers/alb.h"
#include "drivers/aws/together.h"
#include "drivers/common.h"
#include "drivers/single.h"

#define PROTECTION "deletion_protection.enabled"

/*
 * The load balancer itself: found by its name, which is the environment's. It takes minutes until
 * it is active; what only needs its ARN does not wait for that.
 */

static void state_remember(struct resource *r, const cJSON *balancer)
{
    json_copy(r->memo, balancer, "State");
    resource_set_output(r, "LoadBalancerArn", json_str(balancer, "LoadBalancerArn"));
    resource_set_output(r, "DNSName", json_str(balancer, "DNSName"));
    resource_set_output(r, "CanonicalHostedZoneId", json_str(balancer, "CanonicalHostedZoneId"));
}

/* From a load balancer that has its "Tags" and "Attributes"; without them it went between the
 * calls.
 */
static void balancer_fill(struct resource *r, const cJSON *balancer)
{
    static const char *const members[] = { "Scheme", "IpAddressType", "VpcId", NULL };
    r->observed = true;
    if (json_get(balancer, "Attributes") == NULL) {
        resource_set_have(r, NULL);
        return;
    }
    cJSON *have = json_pick(balancer, members);
    json_put_str(have, "Name", json_str(balancer, "LoadBalancerName"));
    cJSON *subnets = cJSON_CreateArray();
    const cJSON *zone;
    cJSON_ArrayForEach (zone, json_get(balancer, "AvailabilityZones"))
        json_push_str(subnets, json_str(zone, "SubnetId"));
    json_put(have, "Subnets", subnets);
    json_put(have, "SecurityGroups", json_dup(json_get(balancer, "SecurityGroups")));
    json_copy(have, balancer, "Attributes");
    resource_set_have(r, have);
    if (json_get(balancer, "Tags") != NULL) {
        cJSON_Delete(r->tags);
        r->tags = json_dup(json_get(balancer, "Tags"));
    }
    state_remember(r, balancer);
}

static int balancer_read(struct session *s, const char *name, cJSON **ret, struct err *err)
{
    _cleanup_json_ cJSON *input = cJSON_CreateObject(), *found = NULL;
    json_push_str(json_put_array(input, "Names"), name);
    _cleanup_err_ struct err failure = ERR_INIT;
    if (aws_call_all(s, "elbv2", "DescribeLoadBalancers", input, "LoadBalancers", &found,
                     &failure) < 0 &&
        failure.class != ERR_NOT_FOUND)
        return err_move(err, &failure);
    *ret = json_dup(json_find(found, "LoadBalancerName", name));
    return 0;
}

/* Tags and attributes that are known are not read again: this is called while it is awaited. */
static int balancer_complete(struct session *s, const struct resource *r, cJSON *balancer,
                             struct err *err)
{
    const cJSON *known = json_get(r->have, "Attributes");
    if (known != NULL && r->tags != NULL) {
        json_put(balancer, "Attributes", json_dup(known));
        return 0;
    }
    _cleanup_json_ cJSON *alone = cJSON_CreateArray();
    json_push(alone, balancer);
    int status = alb_details_read(s, alone, err);
    cJSON_DetachItemFromArray(alone, 0);
    return status;
}

static int balancer_take(struct session *s, struct resource *r, const cJSON *value, struct err *err)
{
    if (value == NULL) {
        resource_set_have(r, NULL);
        return 0;
    }
    _cleanup_json_ cJSON *balancer = json_dup(value);
    if (balancer_complete(s, r, balancer, err) < 0)
        return -1;
    balancer_fill(r, balancer);
    return 0;
}

static const struct single balancer_single = { .type = &alb_balancer_type,
                                               .label = "loadBalancer",
                                               .read = balancer_read,
                                               .take = balancer_take };

static int balancer_observe(struct session *s, struct resource *const *r, size_t n, struct err *err)
{
    return single_observe(&balancer_single, s, r, n, err);
}

/* The two calls that tell what there is; neither needs the other's answer. */
struct found {
    struct session *s;
    const struct graph *g;
    cJSON *balancer, *groups;
};

static int find_balancer(void *context, struct err *err)
{
    struct found *found = context;
    return balancer_read(found->s, found->g->context.environment, &found->balancer, err);
}

static int find_groups(void *context, struct err *err)
{
    struct found *found = context;
    return alb_groups_read(found->s, found->g, &found->groups, err);
}

static bool is_protected(const cJSON *attributes)
{
    return str_eq(json_str(attributes, PROTECTION), "true");
}

/* Said in time, so that a plan tells it. */
static void warn_protected(const struct resource *r)
{
    if (r->graph->context.teardown && is_protected(json_get(r->have, "Attributes")) &&
        resource_is_ours(r))
        graph_warn(r->graph,
                   "load balancer '%s' is protected against deletion, as its spec wanted it: to "
                   "destroy the environment takes the protection away",
                   r->name);
}

/* Finds the load balancer, and the target groups for their own discover(): one call tells the tags
 * of all of them. */
static int balancer_discover(struct session *s, struct graph *g, struct err *err)
{
    struct found found = { .s = s, .g = g };
    const struct together_task tasks[] = { { find_balancer, &found }, { find_groups, &found } };
    resources_mark_observed(g, &alb_balancer_type);
    int status = together_run(tasks, ARRAY_SIZE(tasks), err);
    _cleanup_json_ cJSON *all = found.groups != NULL ? found.groups : cJSON_CreateArray();
    if (found.balancer != NULL)
        json_push(all, found.balancer);
    if (status < 0 || alb_details_read(s, all, err) < 0)
        return -1;
    if (found.balancer != NULL) {
        struct resource *r =
            graph_found(g, &alb_balancer_type, "loadBalancer", g->context.environment);
        balancer_fill(r, found.balancer);
        warn_protected(r);
    }
    size_t n = json_count(all) - (found.balancer != NULL);
    for (size_t i = 0; i < n; i++)
        alb_group_leave(g, cJSON_DetachItemFromArray(all, 0));
    return 0;
}

static enum readiness balancer_judge(const struct resource *r, struct strbuf *why)
{
    const char *code = json_str_at(r->memo, "State/Code");
    const char *reason = json_str_at(r->memo, "State/Reason");
    /* "active_impaired: the load balancer is routing traffic but does not have the resources it
     * needs to scale" (API_LoadBalancerState). */
    if (str_eq(code, "active") || str_eq(code, "active_impaired"))
        return READY;
    if (str_eq(code, "failed")) {
        strbuf_addf(why, "%s; delete it, and the next run makes it anew",
                    reason ? reason : "AWS gives no reason");
        return FAILED;
    }
    strbuf_addf(why, "it is %s", code ? code : "not described yet");
    return WAITING;
}

static int balancer_create(struct session *s, struct resource *r, struct err *err)
{
    static const char *const members[] = { "Name",          "Scheme",         "Subnets",
                                           "IpAddressType", "SecurityGroups", NULL };
    _cleanup_json_ cJSON *input = json_pick(r->target, members);
    _cleanup_json_ cJSON *tags = tags_wanted(r->graph, r->label);
    json_put(input, "Tags", tags_to_list(tags, "Key", "Value"));
    json_put_str(input, "Type", "application");
    _cleanup_json_ cJSON *output = NULL;
    if (aws_call(s, "elbv2", "CreateLoadBalancer", input, &output, err) < 0)
        return -1;
    const cJSON *balancer = json_at(output, "LoadBalancers/0");
    const char *arn = json_str(balancer, "LoadBalancerArn");
    if (alb_check_created(s, r, arn, err) < 0)
        return -1;
    state_remember(r, balancer);
    /* What a new one does not have is set; if that fails, the next run finds it different. */
    if (alb_attributes_write(s, &alb_balancer_attributes, arn, json_get(r->target, "Attributes"),
                             NULL, err) < 0)
        return err_wrap(err, "the attributes of '%s'", r->name);
    resource_set_have(r, json_dup(r->target));
    return 0;
}

static bool differs(const struct resource *r, const char *member)
{
    return !json_equal(json_get(r->target, member), json_get(r->have, member));
}

/* One of the calls that set a single member. */
static int set_member(struct session *s, const struct resource *r, const char *action,
                      const char *member, struct err *err)
{
    if (!differs(r, member))
        return 0;
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    json_put_str(input, "LoadBalancerArn", json_str(r->outputs, "LoadBalancerArn"));
    json_copy(input, r->target, member);
    return aws_call(s, "elbv2", action, input, NULL, err);
}

static int balancer_update(struct session *s, struct resource *r, struct err *err)
{
    if (set_member(s, r, "SetSecurityGroups", "SecurityGroups", err) < 0 ||
        set_member(s, r, "SetSubnets", "Subnets", err) < 0 ||
        set_member(s, r, "SetIpAddressType", "IpAddressType", err) < 0 ||
        alb_attributes_write(s, &alb_balancer_attributes, json_str(r->outputs, "LoadBalancerArn"),
                             json_get(r->target, "Attributes"), json_get(r->have, "Attributes"),
                             err) < 0)
        return -1;
    resource_set_have(r, json_dup(r->target));
    return 0;
}

/* What a spec may set, and each deploy brings back to what the spec says, is no obstacle to a
 * teardown: there may be no spec any more to take it out of. */
static int protection_lift(struct session *s, const struct resource *r, struct err *err)
{
    const cJSON *attributes = json_get(r->have, "Attributes");
    if (!r->graph->context.teardown || !is_protected(attributes))
        return 0;
    _cleanup_json_ cJSON *want = json_dup(attributes);
    json_put_str(want, PROTECTION, "false");
    return alb_attributes_write(s, &alb_balancer_attributes,
                                json_str(r->outputs, "LoadBalancerArn"), want, attributes, err);
}

/* "If it does not exist or has already been deleted, the call succeeds." Listeners go with it. */
static int balancer_remove(struct session *s, struct resource *r, struct err *err)
{
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    json_put_str(input, "LoadBalancerArn", json_str(r->outputs, "LoadBalancerArn"));
    _cleanup_err_ struct err failure = ERR_INIT;
    if ((protection_lift(s, r, &failure) == 0 &&
         aws_call(s, "elbv2", "DeleteLoadBalancer", input, NULL, &failure) == 0) ||
        failure.class == ERR_NOT_FOUND)
        return 0;
    if (str_eq(failure.aws_code, "OperationNotPermitted"))
        return err_set(err, ERR_REFUSED,
                       "load balancer '%s' is protected against deletion: set its attribute "
                       "'deletion_protection.enabled' to false first",
                       r->name);
    /* "The load balancer is associated with another service": such a thing is not berth's. */
    if (str_eq(failure.aws_code, "ResourceInUse"))
        return err_set(err, ERR_CONFLICT,
                       "load balancer '%s' is used by something that is not this environment's: "
                       "%s; end that, and run the job again",
                       r->name, failure.message);
    return err_move(err, &failure);
}

static const char *const balancer_immutable[] = { "Name", "Scheme", "VpcId", NULL };
static const char *const balancer_stable[] = { "LoadBalancerArn", "DNSName",
                                               "CanonicalHostedZoneId", NULL };
static const char *const balancer_sets[] = { "Subnets", "SecurityGroups", NULL };

static int balancer_adopt(struct session *s, struct resource *r, struct err *err)
{
    return tags_give(s, r, &alb_tag_call, json_str(r->outputs, "LoadBalancerArn"), err);
}

const struct resource_type alb_balancer_type = {
    .name = "alb.load_balancer",
    .singular = "load balancer",
    .plural = "load balancers",
    .scope = SCOPE_ENVIRONMENT,
    .replace = REPLACE_REMOVE_FIRST,
    .flags = TYPE_PRECIOUS,
    .immutable = balancer_immutable,
    .stable = balancer_stable,
    .sets = balancer_sets,
    .discover = balancer_discover,
    .observe = balancer_observe,
    .judge = balancer_judge,
    .create = balancer_create,
    .update = balancer_update,
    .remove = balancer_remove,
    .adopt = balancer_adopt,
};
