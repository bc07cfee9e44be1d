/* SPDX-License-Identifier: MIT */
#include "drivers/alb.h"
#include "drivers/aws/digest.h"
#include "drivers/common.h"
#include "drivers/ec2.h"
#include "executor/base/near.h"

/*
 * Target groups. No call finds them by the beginning of their name, so all of a region are listed,
 * 400 at a time, and those named after the environment are looked at. One that was replaced is
 * called <environment>-<hash>, since its name, up to 32 characters, was taken: it is known by its
 * tag berth:name.
 */

#define MEMO_FOUND "found" /* what DescribeTargetGroups told, until discover() takes it */

static const char *const group_immutable[] = {
    "Protocol", "Port", "VpcId", "TargetType", "ProtocolVersion", "IpAddressType", NULL
};
static const char *const group_checks[] = { "HealthCheckProtocol",
                                            "HealthCheckPort",
                                            "HealthCheckPath",
                                            "HealthCheckIntervalSeconds",
                                            "HealthCheckTimeoutSeconds",
                                            "HealthyThresholdCount",
                                            "UnhealthyThresholdCount",
                                            "Matcher",
                                            NULL };

static bool same_immutables(const struct resource *r, const cJSON *group)
{
    for (const char *const *m = group_immutable; *m != NULL; m++) {
        _cleanup_json_ cJSON *wanted = ref_resolve(r->graph, json_get(r->want, *m), NULL);
        if (!json_equal(wanted, json_get(group, *m)))
            return false;
    }
    return true;
}

static const cJSON *tags_of(const cJSON *group)
{
    return json_get(group, "Tags");
}

/* From a group that alb_details_read() has completed. */
static void group_take(struct resource *r, const cJSON *group)
{
    r->observed = true;
    if (json_get(group, "Attributes") == NULL) {
        resource_set_have(r, NULL); /* it went between the calls */
        return;
    }
    cJSON *have = json_pick(group, group_immutable);
    for (const char *const *m = group_checks; *m != NULL; m++)
        json_copy(have, group, *m);
    if (r->want != NULL || r->graph->context.teardown)
        json_copy(have, group, "Attributes");
    resource_set_have(r, have);
    resource_set_output(r, "TargetGroupArn", json_str(group, "TargetGroupArn"));
    if (tags_of(group) != NULL) {
        cJSON_Delete(r->tags);
        r->tags = json_dup(tags_of(group));
    }
}

int alb_groups_read(struct session *s, const struct graph *g, cJSON **ret, struct err *err)
{
    _cleanup_json_ cJSON *input = cJSON_CreateObject(), *all = NULL;
    json_put_int(input, "PageSize", 400);
    if (aws_call_all(s, "elbv2", "DescribeTargetGroups", input, "TargetGroups", &all, err) < 0)
        return -1;
    _cleanup_free_ char *prefix = xasprintf("%s-", g->context.environment);
    cJSON *named = cJSON_CreateArray();
    while (all->child != NULL) {
        cJSON *group = cJSON_DetachItemFromArray(all, 0);
        if (str_starts(json_str(group, "TargetGroupName"), prefix))
            json_push(named, group);
        else
            cJSON_Delete(group);
    }
    *ret = named;
    return 0;
}

void alb_group_leave(struct graph *g, cJSON *group)
{
    const char *label = json_str(tags_of(group), "berth:name");
    struct resource *r = graph_found(g, &alb_group_type, label, json_str(group, "TargetGroupName"));
    json_put(r->memo, MEMO_FOUND, group);
}

/* Takes what alb_group_leave() has left. */
static cJSON *groups_left(struct graph *g)
{
    cJSON *groups = cJSON_CreateArray();
    for (size_t i = 0; i < g->n; i++) {
        if (g->v[i]->type != &alb_group_type)
            continue;
        cJSON *group = cJSON_DetachItemFromObjectCaseSensitive(g->v[i]->memo, MEMO_FOUND);
        if (group != NULL)
            json_push(groups, group);
    }
    return groups;
}

static bool is_called(const struct resource *r, const cJSON *group)
{
    _cleanup_json_ cJSON *ours = tags_wanted(r->graph, r->label);
    const cJSON *tag;
    cJSON_ArrayForEach (tag, ours)
        if (!str_eq(cJSON_GetStringValue(tag), json_str(tags_of(group), tag->string)))
            return false;
    return true;
}

/*
 * Of what is there the one that a wanted resource is: where a run ended between a replacement and
 * the removal of the old one there are two, and the new one has what is wanted.
 */
static const cJSON *group_of(const struct resource *r, const cJSON *groups)
{
    const cJSON *found = NULL, *group;
    cJSON_ArrayForEach (group, groups) {
        if (!is_called(r, group))
            continue;
        if (same_immutables(r, group))
            return group;
        if (found == NULL)
            found = group;
    }
    /* One of that name that is not ours is in the way. */
    return found != NULL ? found : json_find(groups, "TargetGroupName", r->name);
}

/* From what was read together with the load balancer: needs no call. */
static int group_discover(struct session *s, struct graph *g, struct err *err)
{
    (void)s;
    (void)err;
    resources_mark_observed(g, &alb_group_type);
    _cleanup_json_ cJSON *groups = groups_left(g);
    for (size_t i = 0; i < g->n; i++) {
        struct resource *r = g->v[i];
        const cJSON *group = r->type == &alb_group_type && r->want ? group_of(r, groups) : NULL;
        if (group == NULL)
            continue;
        graph_rename(r, json_str(group, "TargetGroupName"));
        group_take(r, group);
    }
    const cJSON *group;
    cJSON_ArrayForEach (group, groups) {
        const char *name = json_str(group, "TargetGroupName");
        const char *label = json_str(tags_of(group), "berth:name");
        struct resource *r = graph_found(g, &alb_group_type, label, name);
        if (r->want == NULL)
            group_take(r, group);
        r->observed = true;
    }
    return 0;
}

static int group_observe(struct session *s, struct resource *const *r, size_t n, struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        _cleanup_json_ cJSON *input = cJSON_CreateObject(), *found = NULL;
        json_push_str(json_put_array(input, "Names"), r[i]->name);
        _cleanup_err_ struct err failure = ERR_INIT;
        if (aws_call_all(s, "elbv2", "DescribeTargetGroups", input, "TargetGroups", &found,
                         &failure) < 0 &&
            failure.class != ERR_NOT_FOUND)
            return err_move(err, &failure);
        const cJSON *group = json_find(found, "TargetGroupName", r[i]->name);
        r[i]->observed = true;
        if (group == NULL) {
            resource_set_have(r[i], NULL);
            continue;
        }
        if (alb_details_read(s, found, err) < 0)
            return -1;
        group_take(r[i], group);
    }
    return 0;
}

static int group_create(struct session *s, struct resource *r, struct err *err)
{
    _cleanup_json_ cJSON *input = json_dup(r->target), *output = NULL;
    _cleanup_json_ cJSON *tags = tags_wanted(r->graph, r->label);
    cJSON_DeleteItemFromObjectCaseSensitive(input, "Attributes");
    json_put_str(input, "Name", r->name);
    json_put(input, "Tags", tags_to_list(tags, "Key", "Value"));
    if (aws_call(s, "elbv2", "CreateTargetGroup", input, &output, err) < 0)
        return -1;
    const char *arn = json_str_at(output, "TargetGroups/0/TargetGroupArn");
    if (alb_check_created(s, r, arn, err) < 0)
        return -1;
    resource_set_output(r, "TargetGroupArn", arn);
    if (alb_attributes_write(s, &alb_group_attributes, arn, json_get(r->target, "Attributes"), NULL,
                             err) < 0)
        return err_wrap(err, "the attributes of '%s'", r->name);
    resource_set_have(r, json_dup(r->target));
    return 0;
}

static int group_update(struct session *s, struct resource *r, struct err *err)
{
    const char *arn = json_str(r->outputs, "TargetGroupArn");
    _cleanup_json_ cJSON *want = json_pick(r->target, group_checks);
    _cleanup_json_ cJSON *have = json_pick(r->have, group_checks);
    if (!json_equal(want, have)) {
        json_put_str(want, "TargetGroupArn", arn);
        if (aws_call(s, "elbv2", "ModifyTargetGroup", want, NULL, err) < 0)
            return -1;
    }
    if (alb_attributes_write(s, &alb_group_attributes, arn, json_get(r->target, "Attributes"),
                             json_get(r->have, "Attributes"), err) < 0)
        return -1;
    resource_set_have(r, json_dup(r->target));
    return 0;
}

/*
 * So that services end when their tasks do: what is deregistered else drains for five minutes,
 * AWS's default. https://docs.aws.amazon.com/elasticloadbalancing/latest/application/
 * edit-target-group-attributes.html#deregistration-delay
 */
static int group_wind_down(struct session *s, struct resource *r, struct err *err)
{
    static const char delay[] = "deregistration_delay.timeout_seconds";
    _cleanup_json_ cJSON *want = cJSON_CreateObject();
    if (!r->graph->context.teardown) /* somebody is being served */
        return 0;
    json_put_str(want, delay, "0");
    if (alb_attributes_write(s, &alb_group_attributes, json_str(r->outputs, "TargetGroupArn"), want,
                             json_get(r->have, "Attributes"), err) == 0)
        return 0;
    if (err->class != ERR_NOT_FOUND)
        return -1;
    err_release(err);
    resource_set_have(r, NULL);
    return 0;
}

/* "...:loadbalancer/app/name/0123456789abcdef" -> "name". */
static char *balancer_name(const char *arn)
{
    const char *at = strstr(arn, "/app/");
    return at != NULL ? xstrndup(at + 5, strcspn(at + 5, "/")) : xstrdup(arn);
}

/* Says which load balancer forwards to the group: if it is not our own, that does not end. */
static int group_user(struct session *s, const struct resource *r, struct err *err)
{
    _cleanup_json_ cJSON *input = cJSON_CreateObject(), *output = NULL;
    json_push_str(json_put_array(input, "TargetGroupArns"), json_str(r->outputs, "TargetGroupArn"));
    if (aws_call(s, "elbv2", "DescribeTargetGroups", input, &output, err) < 0)
        return -1;
    const cJSON *arn;
    cJSON_ArrayForEach (arn, json_at(output, "TargetGroups/0/LoadBalancerArns")) {
        _cleanup_free_ char *name = balancer_name(arn->valuestring);
        if (str_eq(name, r->graph->context.environment))
            continue;
        return err_set(err, ERR_CONFLICT,
                       "load balancer '%s', which is not this environment's, forwards to target "
                       "group '%s': remove that rule or listener, and run the job again",
                       name, r->name);
    }
    return err_set(err, ERR_BUSY, "AWS takes it for still in use by the environment's listeners");
}

/* ResourceInUse while a listener or rule uses it, and for a moment after that. */
static int group_remove(struct session *s, struct resource *r, struct err *err)
{
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    json_put_str(input, "TargetGroupArn", json_str(r->outputs, "TargetGroupArn"));
    _cleanup_err_ struct err failure = ERR_INIT;
    if (aws_call(s, "elbv2", "DeleteTargetGroup", input, NULL, &failure) == 0)
        return 0;
    return failure.class == ERR_BUSY ? group_user(s, r, err) : err_move(err, &failure);
}

static char *group_second_name(const struct resource *r)
{
    _cleanup_json_ cJSON *fields = json_pick(r->target, group_immutable);
    json_put_str(fields, "label", r->label);
    _cleanup_free_ char *text = json_print(fields);
    _cleanup_free_ char *hash = digest_text(text, 3);
    return xasprintf("%s-%s", r->graph->context.environment, hash);
}

static const cJSON *or_default(const cJSON *object, const char *key, cJSON *otherwise)
{
    const cJSON *item = json_get(object, key);
    return item != NULL ? item : otherwise;
}

/* A member of AWS's by the spec's key for it, or AWS's default. */
static void put_member(cJSON *want, const char *member, const cJSON *given, const char *key,
                       cJSON *otherwise)
{
    json_put(want, member, json_dup(or_default(given, key, otherwise)));
    cJSON_Delete(otherwise);
}

/* Ports are texts, since "traffic-port" is one. */
static void put_check_port(cJSON *want, const cJSON *check)
{
    int64_t port = json_int(check, "port", 0);
    if (port > 0)
        json_put_strf(want, "HealthCheckPort", "%d", (int)port);
    else
        json_put_str(want, "HealthCheckPort", "traffic-port");
}

/* With AWS's defaults:
 * https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateTargetGroup.html
 */
static cJSON *group_make(const cJSON *group)
{
    cJSON *want = cJSON_CreateObject();
    const cJSON *check = json_get(group, "healthCheck");
    put_member(want, "Protocol", group, "protocol", cJSON_CreateString("HTTP"));
    put_member(want, "Port", group, "port", cJSON_CreateNumber(80));
    put_member(want, "ProtocolVersion", group, "protocolVersion", cJSON_CreateString("HTTP1"));
    json_put_str(want, "TargetType", "ip");
    json_put_str(want, "IpAddressType", "ipv4");
    json_put(want, "VpcId", ref_new("${%s.VpcId}", EC2_VPC));
    put_member(want, "HealthCheckProtocol", check, "protocol", cJSON_CreateString("HTTP"));
    put_check_port(want, check);
    bool grpc = str_eq(json_str(want, "ProtocolVersion"), "GRPC");
    put_member(want, "HealthCheckPath", check, "path",
               cJSON_CreateString(grpc ? "/AWS.ALB/healthcheck" : "/"));
    put_member(want, "HealthCheckIntervalSeconds", check, "interval", cJSON_CreateNumber(30));
    put_member(want, "HealthCheckTimeoutSeconds", check, "timeout", cJSON_CreateNumber(5));
    put_member(want, "HealthyThresholdCount", check, "healthyThreshold", cJSON_CreateNumber(5));
    put_member(want, "UnhealthyThresholdCount", check, "unhealthyThreshold", cJSON_CreateNumber(2));
    put_member(json_put_object(want, "Matcher"), grpc ? "GrpcCode" : "HttpCode", check, "matcher",
               cJSON_CreateString(grpc ? "12" : "200"));
    return want;
}

static int group_want(struct graph *g, const cJSON *group, struct err *err)
{
    _cleanup_free_ char *origin = xasprintf("loadBalancer.targetGroups.%s", group->string);
    _cleanup_free_ char *path = xasprintf("%s.attributes", origin);
    _cleanup_free_ char *name = xasprintf("%s-%s", g->context.environment, group->string);
    _cleanup_json_ cJSON *want = group_make(group);
    cJSON *attributes = NULL;
    if (name_check(origin, "a target group's name", name, 32, err) < 0)
        return -1;
    if (json_int(want, "HealthCheckTimeoutSeconds", 0) >=
        json_int(want, "HealthCheckIntervalSeconds", 0))
        return err_set(err, ERR_USER,
                       "%s.healthCheck: the timeout, %d s, must be shorter than the interval, %d s",
                       origin, (int)json_int(want, "HealthCheckTimeoutSeconds", 0),
                       (int)json_int(want, "HealthCheckIntervalSeconds", 0));
    if (alb_attributes_make(&alb_group_attributes, json_get(group, "attributes"), path, &attributes,
                            err) < 0)
        return -1;
    json_put(want, "Attributes", attributes);
    if (graph_add(g, &alb_group_type, group->string, name, origin, steal_ptr(&want), NULL, err) < 0)
        return -1;
    _cleanup_free_ char *alias = xasprintf("targetGroups.%s", group->string);
    _cleanup_free_ char *address = xasprintf("alb.target_group/%s", group->string);
    graph_alias(g, alias, address);
    return 0;
}

int alb_groups_want(struct graph *g, const cJSON *spec, const cJSON *balancer, struct err *err)
{
    const cJSON *group;
    cJSON_ArrayForEach (group, json_get(balancer, "targetGroups"))
        if (ec2_want_vpc(g, spec, err) < 0 || group_want(g, group, err) < 0)
            return -1;
    return 0;
}

/* Whatever of a listener forwards to the group; *ret says whether anything does. */
static int need_listener(struct resource *r, const cJSON *listener, const char *group, bool *ret,
                         struct err *err)
{
    if (alb_action_forwards(json_get(listener, "defaultAction"), group)) {
        _cleanup_free_ char *address = xasprintf("alb.listener/%s", listener->string);
        *ret = true;
        if (resource_need(r, address, NEED_READY, err) < 0)
            return -1;
    }
    const cJSON *rule;
    cJSON_ArrayForEach (rule, json_get(listener, "rules")) {
        if (!alb_action_forwards(json_get(rule, "action"), group))
            continue;
        _cleanup_free_ char *address = xasprintf("alb.rule/%s/%s", listener->string, rule->string);
        *ret = true;
        if (resource_need(r, address, NEED_READY, err) < 0)
            return -1;
    }
    return 0;
}

int alb_need_group(struct resource *r, const cJSON *spec, const char *path, const char *group,
                   struct err *err)
{
    const cJSON *balancer = json_get(spec, "loadBalancer");
    const cJSON *groups = json_get(balancer, "targetGroups");
    if (json_get(groups, group) == NULL) {
        struct near near = NEAR_INIT(group);
        near_try_keys(&near, groups);
        return err_set(err, ERR_USER, "%s: there is no target group '%s'%s%s%s", path, group,
                       near.word ? "; did you mean '" : "", near.word ? near.word : "",
                       near.word ? "'?" : " in loadBalancer.targetGroups");
    }
    bool forwards = false;
    const cJSON *listener;
    cJSON_ArrayForEach (listener, json_get(balancer, "listeners"))
        if (need_listener(r, listener, group, &forwards, err) < 0)
            return -1;
    if (forwards)
        return 0;
    return err_set(err, ERR_USER,
                   "%s: no listener or rule forwards to target group '%s', and ECS takes no other; "
                   "add it to one of loadBalancer.listeners",
                   path, group);
}

static const char *const group_stable[] = { "TargetGroupArn", NULL };
static const char *const after_network[] = { "ec2.vpc", "alb.load_balancer", NULL };
static const char *const group_gone_first[] = { "ecs.service", "alb.listener", "alb.rule",
                                                "alb.load_balancer", NULL };

static int group_adopt(struct session *s, struct resource *r, struct err *err)
{
    return tags_give(s, r, &alb_tag_call, json_str(r->outputs, "TargetGroupArn"), err);
}

const struct resource_type alb_group_type = {
    .name = "alb.target_group",
    .singular = "target group",
    .plural = "target groups",
    .scope = SCOPE_ENVIRONMENT,
    .replace = REPLACE_CREATE_FIRST,
    .batch = 1,
    .immutable = group_immutable,
    .stable = group_stable,
    .after = after_network,
    .gone_first = group_gone_first,
    .discover = group_discover,
    .observe = group_observe,
    .create = group_create,
    .update = group_update,
    .remove = group_remove,
    .wind_down = group_wind_down,
    .second_name = group_second_name,
    .adopt = group_adopt,
};
