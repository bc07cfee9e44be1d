/* SPDX-License-Identifier: MIT */
/*
 * What a listener or rule does with a request. AWS completes what it is given, and says twice where
 * a single target group is: https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/
 * API_Action.html. Here it is said once, and whole.
 */
#include "drivers/alb.h"
#include "drivers/common.h"
#include "executor/base/near.h"

static const char *const redirect_members[][3] = { { "protocol", "Protocol", "#{protocol}" },
                                                   { "port", "Port", "#{port}" },
                                                   { "host", "Host", "#{host}" },
                                                   { "path", "Path", "/#{path}" },
                                                   { "query", "Query", "#{query}" },
                                                   { "statusCode", "StatusCode", "HTTP_301" } };
static const char *const response_members[][3] = { { "statusCode", "StatusCode", "404" },
                                                   { "contentType", "ContentType", "text/plain" },
                                                   { "messageBody", "MessageBody", "" } };

static void target_add(cJSON *config, cJSON *arn, int64_t weight)
{
    cJSON *targets = json_get(config, "TargetGroups");
    cJSON *target = json_push(targets != NULL ? targets : json_put_array(config, "TargetGroups"),
                              cJSON_CreateObject());
    json_put(target, "TargetGroupArn", arn);
    json_put_int(target, "Weight", weight);
}

static void stickiness_put(cJSON *config, int64_t seconds)
{
    cJSON *stickiness = json_put_object(config, "TargetGroupStickinessConfig");
    json_put_bool(stickiness, "Enabled", seconds > 0);
    if (seconds > 0)
        json_put_int(stickiness, "DurationSeconds", seconds);
}

static int group_check(const cJSON *balancer, const char *path, const char *group, struct err *err)
{
    const cJSON *groups = json_get(balancer, "targetGroups");
    if (json_get(groups, group) != NULL)
        return 0;
    struct near near = NEAR_INIT(group);
    near_try_keys(&near, groups);
    if (near.word != NULL)
        return err_set(err, ERR_USER, "%s: there is no target group '%s'; did you mean '%s'?", path,
                       group, near.word);
    return err_set(err, ERR_USER,
                   "%s: there is no target group '%s'; declare it in loadBalancer.targetGroups",
                   path, group);
}

static int forward_make(const cJSON *balancer, const cJSON *action, const char *path, cJSON *config,
                        struct err *err)
{
    const cJSON *forward = json_get(action, "forward");
    const char *single = cJSON_GetStringValue(forward);
    /* API_ForwardActionConfig, and the limits of an application load balancer. */
    if (single == NULL && (json_count(forward) == 0 || json_count(forward) > 5))
        return err_set(err, ERR_USER, "%s.forward: needs one to five target groups", path);
    if (single != NULL) {
        if (group_check(balancer, path, single, err) < 0)
            return -1;
        target_add(config, ref_new("${alb.target_group/%s.TargetGroupArn}", single), 1);
    }
    const cJSON *weight;
    for (weight = single == NULL ? forward->child : NULL; weight != NULL; weight = weight->next) {
        if (group_check(balancer, path, weight->string, err) < 0)
            return -1;
        /* Where there is no choice the weight says nothing. */
        bool only = json_count(forward) == 1;
        target_add(config, ref_new("${alb.target_group/%s.TargetGroupArn}", weight->string),
                   only ? 1 : (int64_t)weight->valuedouble);
    }
    stickiness_put(config, json_int(action, "stickiness", 0));
    return 0;
}

static void members_make(cJSON *config, const cJSON *given, const char *const (*members)[3],
                         size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const cJSON *item = json_get(given, members[i][0]);
        if (cJSON_IsNumber(item))
            json_put_strf(config, members[i][1], "%.0f", item->valuedouble);
        else
            json_put_str(config, members[i][1], item ? item->valuestring : members[i][2]);
    }
}

int alb_actions_make(const cJSON *balancer, const cJSON *action, const char *path, cJSON **ret,
                     struct err *err)
{
    _cleanup_json_ cJSON *actions = cJSON_CreateArray();
    cJSON *made = json_push(actions, cJSON_CreateObject());
    const cJSON *redirect = json_get(action, "redirect");
    const cJSON *response = json_get(action, "fixedResponse");
    if (redirect != NULL) {
        json_put_str(made, "Type", "redirect");
        members_make(json_put_object(made, "RedirectConfig"), redirect, redirect_members,
                     ARRAY_SIZE(redirect_members));
    } else if (response != NULL) {
        json_put_str(made, "Type", "fixed-response");
        members_make(json_put_object(made, "FixedResponseConfig"), response, response_members,
                     ARRAY_SIZE(response_members));
    } else {
        json_put_str(made, "Type", "forward");
        if (forward_make(balancer, action, path, json_put_object(made, "ForwardConfig"), err) < 0)
            return -1;
    }
    *ret = steal_ptr(&actions);
    return 0;
}

int alb_actions_check_loop(const cJSON *actions, const char *protocol, int64_t port,
                           const char *path, struct err *err)
{
    const cJSON *redirect = json_at(actions, "0/RedirectConfig");
    _cleanup_free_ char *own_port = xasprintf("%d", (int)port);
    const char *to_protocol = json_str(redirect, "Protocol"), *to_port = json_str(redirect, "Port");
    if (redirect == NULL || !str_eq(json_str(redirect, "Host"), "#{host}") ||
        !str_eq(json_str(redirect, "Path"), "/#{path}") ||
        !(str_eq(to_protocol, "#{protocol}") || str_eq(to_protocol, protocol)) ||
        !(str_eq(to_port, "#{port}") || str_eq(to_port, own_port)))
        return 0;
    return err_set(err, ERR_USER,
                   "%s.redirect: leads requests to where they came from, for ever: change "
                   "'protocol', 'port', 'host' or 'path'",
                   path);
}

static cJSON *forward_normal(const struct graph *g, const cJSON *action, const cJSON *wanted)
{
    cJSON *config = cJSON_CreateObject();
    const cJSON *targets = json_at(action, "ForwardConfig/TargetGroups");
    if (json_count(targets) == 0)
        target_add(config, json_dup(json_get(action, "TargetGroupArn")), 1);
    const cJSON *target;
    cJSON_ArrayForEach (target, targets)
        target_add(config, json_dup(json_get(target, "TargetGroupArn")),
                   json_count(targets) == 1 ? 1 : json_int(target, "Weight", 1));
    _cleanup_json_ cJSON *order =
        ref_resolve(g, json_at(wanted, "0/ForwardConfig/TargetGroups"), NULL);
    set_order(json_get(config, "TargetGroups"), order);
    const cJSON *stickiness = json_at(action, "ForwardConfig/TargetGroupStickinessConfig");
    bool sticks = json_bool(stickiness, "Enabled", false);
    stickiness_put(config, sticks ? json_int(stickiness, "DurationSeconds", 0) : 0);
    return config;
}

static cJSON *members_normal(const cJSON *config, const char *const (*members)[3], size_t n)
{
    cJSON *normal = cJSON_CreateObject();
    for (size_t i = 0; i < n; i++) {
        const char *value = json_str(config, members[i][1]);
        json_put_str(normal, members[i][1], value ? value : members[i][2]);
    }
    return normal;
}

cJSON *alb_actions_normal(const struct graph *g, const cJSON *actions, const cJSON *wanted)
{
    cJSON *normal = cJSON_CreateArray();
    const cJSON *action;
    cJSON_ArrayForEach (action, actions) {
        cJSON *one = json_push(normal, cJSON_CreateObject());
        json_copy(one, action, "Type");
        const char *type = json_str(action, "Type");
        if (str_eq(type, "forward"))
            json_put(one, "ForwardConfig", forward_normal(g, action, wanted));
        else if (str_eq(type, "redirect"))
            json_put(one, "RedirectConfig",
                     members_normal(json_get(action, "RedirectConfig"), redirect_members,
                                    ARRAY_SIZE(redirect_members)));
        else if (str_eq(type, "fixed-response"))
            json_put(one, "FixedResponseConfig",
                     members_normal(json_get(action, "FixedResponseConfig"), response_members,
                                    ARRAY_SIZE(response_members)));
        /* Of any other kind its type is enough to tell that it is not what is wanted. */
    }
    return normal;
}

bool alb_action_forwards(const cJSON *action, const char *group)
{
    const cJSON *forward = json_get(action, "forward");
    if (cJSON_IsString(forward))
        return str_eq(forward->valuestring, group);
    return json_get(forward, group) != NULL;
}
