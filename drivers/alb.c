/* SPDX-License-Identifier: MIT */
#include "drivers/alb.h"

#include "drivers/common.h"
#include "drivers/driver.h"
#include "drivers/ec2.h"
#include "drivers/security_group.h"

/*
 * What a spec's loadBalancer makes: the load balancer of the environment, the security group
 * <environment>-inbound in front of it, its listeners with their rules, and target groups.
 */

#define INBOUND "inbound"

static bool is_internal(const cJSON *balancer)
{
    return str_eq(json_str(balancer, "scheme"), "internal");
}

static int rule_push(cJSON *rules, int64_t port, const char *from, const char *path,
                     struct err *err)
{
    cJSON *source = security_group_source(from);
    if (source == NULL)
        return err_set(err, ERR_USER,
                       "%s: '%s' is no block of IPv4 addresses; write one as 203.0.113.0/24, or "
                       "'anywhere', 'vpc' or 'privateSubnets'",
                       path, from);
    json_push(rules, security_group_rule("tcp", port, port, source));
    return 0;
}

/* One entry of `allow`: a port or several, from one source or several. */
static int allow_add(cJSON *rules, const cJSON *entry, size_t i, struct err *err)
{
    const cJSON *ports = json_get(entry, "port"), *from = json_get(entry, "from");
    const cJSON *port = cJSON_IsArray(ports) ? ports->child : ports;
    _cleanup_free_ char *path = xasprintf("loadBalancer.allow[%zu].from", i);
    for (; port != NULL; port = cJSON_IsArray(ports) ? port->next : NULL) {
        const cJSON *source = cJSON_IsArray(from) ? from->child : from;
        for (; source != NULL; source = cJSON_IsArray(from) ? source->next : NULL)
            if (rule_push(rules, (int64_t)port->valuedouble, source->valuestring, path, err) < 0)
                return -1;
    }
    return 0;
}

/* A load balancer that has IPv6 addresses as well is reached from anywhere by these, too: "for
 * dualstack, security groups must allow" that. Blocks of addresses are IPv4's alone.
 * https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-update-security-groups.html
 */
static void anywhere_by_ipv6(cJSON *rules)
{
    for (int i = 0, n = cJSON_GetArraySize(rules); i < n; i++) {
        const cJSON *rule = cJSON_GetArrayItem(rules, i);
        if (!str_eq(json_str(rule, "IpProtocol"), "tcp") ||
            !str_eq(json_str(rule, "CidrIp"), "0.0.0.0/0"))
            continue;
        cJSON *other = json_push(rules, json_dup(rule));
        cJSON_DeleteItemFromObjectCaseSensitive(other, "CidrIp");
        json_put_str(other, "CidrIpv6", "::/0");
    }
}

/* ICMP echo, and what `allow` lists; without it each listener, from where the scheme reaches. */
static int inbound_rules(const cJSON *balancer, cJSON **ret, struct err *err)
{
    _cleanup_json_ cJSON *rules = cJSON_CreateArray();
    json_push(rules, security_group_echo());
    const cJSON *allow = json_get(balancer, "allow"), *item;
    size_t i = 0;
    cJSON_ArrayForEach (item, allow)
        if (allow_add(rules, item, i++, err) < 0)
            return -1;
    for (item = allow == NULL ? json_at(balancer, "listeners")->child : NULL; item != NULL;
         item = item->next)
        if (rule_push(rules, strtol(item->string, NULL, 10),
                      is_internal(balancer) ? "vpc" : "anywhere", "loadBalancer.listeners",
                      err) < 0)
            return -1;
    if (str_eq(json_str(balancer, "ipAddressType"), "dualstack"))
        anywhere_by_ipv6(rules);
    *ret = steal_ptr(&rules);
    return 0;
}

/* AWS's rules for a name: at most 32 letters, digits and hyphens. */
static int balancer_name_check(const char *name, struct err *err)
{
    if (name_check("loadBalancer", "a load balancer's name", name, 32, err) < 0)
        return -1;
    if (str_starts(name, "internal-"))
        return err_set(err, ERR_USER,
                       "loadBalancer: the environment is called '%s', and AWS allows no load "
                       "balancer's name that begins with 'internal-'",
                       name);
    return 0;
}

static cJSON *balancer_make(const struct graph *g, const cJSON *balancer, const char *subnets)
{
    cJSON *want = cJSON_CreateObject();
    const char *ip_type = json_str(balancer, "ipAddressType");
    json_put_str(want, "Name", g->context.environment);
    json_put_str(want, "Scheme", is_internal(balancer) ? "internal" : "internet-facing");
    json_put_str(want, "IpAddressType", ip_type ? ip_type : "ipv4");
    json_put(want, "VpcId", ref_new("${%s.VpcId}", EC2_VPC));
    json_put(want, "Subnets", ref_new("${%s.SubnetIds}", subnets));
    json_push(json_put_array(want, "SecurityGroups"),
              ref_new("${security_group/" INBOUND ".GroupId}"));
    return want;
}

static int balancer_want(struct graph *g, const cJSON *spec, const cJSON *balancer, struct err *err)
{
    const char *which = json_str(balancer, "subnets");
    if (which == NULL)
        which = is_internal(balancer) ? "private" : "public";
    const char *subnets = str_eq(which, "private") ? EC2_PRIVATE_SUBNETS : EC2_PUBLIC_SUBNETS;
    cJSON *rules = NULL, *attributes = NULL;
    if (balancer_name_check(g->context.environment, err) < 0 ||
        ec2_want_subnets(g, spec, which, err) < 0 || inbound_rules(balancer, &rules, err) < 0 ||
        security_group_want(g, spec, INBOUND, INBOUND, "loadBalancer", rules, err) < 0)
        return -1;
    if (alb_attributes_make(&alb_balancer_attributes, json_get(balancer, "attributes"),
                            "loadBalancer.attributes", &attributes, err) < 0)
        return -1;
    cJSON *want = balancer_make(g, balancer, subnets);
    json_put(want, "Attributes", attributes);
    graph_alias(g, "loadBalancer", ALB_BALANCER);
    return graph_add(g, &alb_balancer_type, "loadBalancer", g->context.environment, "loadBalancer",
                     want, NULL, err);
}

static int alb_want(struct graph *g, const cJSON *spec, struct err *err)
{
    const cJSON *balancer = json_get(spec, "loadBalancer");
    if (balancer == NULL)
        return 0;
    if (balancer_want(g, spec, balancer, err) < 0 || alb_groups_want(g, spec, balancer, err) < 0 ||
        alb_listeners_want(g, balancer, err) < 0)
        return -1;
    return alb_rules_want(g, balancer, err);
}

/* A removal goes backwards. */
const struct tag_call alb_tag_call = { "elbv2", "AddTags", "ResourceArns", true,
                                       "Tags",  "Key",     "Value" };

static const struct resource_type *const alb_types[] = { &alb_group_type, &alb_balancer_type,
                                                         &alb_listener_type, &alb_rule_type, NULL };

extern const struct driver alb_driver;
const struct driver alb_driver = {
    .name = "alb",
    .types = alb_types,
    .permissions = alb_permissions,
    .want = alb_want,
};
