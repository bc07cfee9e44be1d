/* SPDX-License-Identifier: MIT */
#include <pthread.h>

#include "drivers/alb.h"
#include "drivers/common.h"

/*
 * Rules of listeners, known by their tag berth:name, "<port>/<name>", so that a priority can change
 * without a rule being another. A priority may be held by a rule that is to have another one, or is
 * to go: that one makes room, in the same call of SetRulePriorities, which is all or nothing.
 */

#define PRIORITY_MAX 50000

/* Who looks at priorities and moves them must not find them moved in between: what another rule has
 * just been given would be taken from it. */
static pthread_mutex_t moving = PTHREAD_MUTEX_INITIALIZER;

static const char *const conditions_of[][3] = {
    { "host", "host-header", "HostHeaderConfig" },
    { "method", "http-request-method", "HttpRequestMethodConfig" },
    { "path", "path-pattern", "PathPatternConfig" },
    { "sourceIp", "source-ip", "SourceIpConfig" },
};

/* By field and header, which is no order of AWS's: the order of conditions means nothing. */
static void conditions_sort(cJSON *conditions)
{
    cJSON *condition;
    cJSON_ArrayForEach (condition, conditions) {
        const char *header = json_str_at(condition, "HttpHeaderConfig/HttpHeaderName");
        json_put_strf(condition, "key", "%s %s", json_str(condition, "Field"),
                      header ? header : "");
    }
    json_sort(conditions, "key");
    cJSON_ArrayForEach (condition, conditions)
        cJSON_DeleteItemFromObjectCaseSensitive(condition, "key");
}

/* Values are a set, and lists without any say nothing. */
static void config_sort(cJSON *config)
{
    for (cJSON *member = config->child, *next; member != NULL; member = next) {
        next = member->next;
        if (!cJSON_IsArray(member))
            continue;
        if (member->child == NULL)
            cJSON_Delete(cJSON_DetachItemViaPointer(config, member));
        else
            json_sort(member, NULL);
    }
}

/* AWS says the values of a host or path twice, in "Values" as well. */
static cJSON *conditions_normal(const cJSON *conditions)
{
    cJSON *normal = cJSON_CreateArray();
    const cJSON *condition;
    cJSON_ArrayForEach (condition, conditions) {
        cJSON *one = json_push(normal, json_dup(condition));
        cJSON *values = cJSON_DetachItemFromObjectCaseSensitive(one, "Values");
        for (size_t i = 0; i < ARRAY_SIZE(conditions_of); i++)
            if (values != NULL && str_eq(json_str(one, "Field"), conditions_of[i][1]) &&
                json_get(one, conditions_of[i][2]) == NULL)
                json_put(json_put_object(one, conditions_of[i][2]), "Values", json_dup(values));
        cJSON_Delete(values);
        for (cJSON *config = one->child; config != NULL; config = config->next)
            if (cJSON_IsObject(config))
                config_sort(config);
    }
    conditions_sort(normal);
    return normal;
}

static void rule_take(struct resource *r, const char *listener, const cJSON *rule)
{
    int64_t priority = 0;
    cJSON *have = cJSON_CreateObject();
    json_put_str(have, "ListenerArn", listener);
    str_to_int64(json_str(rule, "Priority"), 1, PRIORITY_MAX, &priority);
    json_put_int(have, "Priority", priority);
    json_put(have, "Conditions", conditions_normal(json_get(rule, "Conditions")));
    json_put(have, "Actions",
             alb_actions_normal(r->graph, json_get(rule, "Actions"), json_get(r->want, "Actions")));
    resource_set_have(r, have);
    resource_set_output(r, "RuleArn", json_str(rule, "RuleArn"));
    r->observed = true;
}

int alb_rules_read(struct session *s, const char *listener, cJSON **ret, struct err *err)
{
    _cleanup_json_ cJSON *input = cJSON_CreateObject(), *all = NULL, *tags = NULL;
    _cleanup_json_ cJSON *rules = cJSON_CreateArray(), *arns = cJSON_CreateArray();
    json_put_str(input, "ListenerArn", listener);
    _cleanup_err_ struct err failure = ERR_INIT;
    if (aws_call_all(s, "elbv2", "DescribeRules", input, "Rules", &all, &failure) < 0 &&
        failure.class != ERR_NOT_FOUND)
        return err_move(err, &failure);
    while (all != NULL && all->child != NULL) {
        cJSON *rule = cJSON_DetachItemFromArray(all, 0);
        if (json_bool(rule, "IsDefault", false)) {
            cJSON_Delete(rule);
            continue;
        }
        json_push(rules, rule);
        json_push_str(arns, json_str(rule, "RuleArn"));
    }
    if (alb_tags_read(s, arns, &tags, err) < 0)
        return -1;
    cJSON *rule;
    cJSON_ArrayForEach (rule, rules)
        json_put_str(rule, "Label",
                     json_str(json_get(tags, json_str(rule, "RuleArn")), "berth:name"));
    *ret = steal_ptr(&rules);
    return 0;
}

/* Whoever read the listener has read its rules. */
static void rules_of(struct graph *g, struct resource *listener)
{
    const char *arn = json_str(listener->outputs, "ListenerArn");
    _cleanup_json_ cJSON *rules =
        cJSON_DetachItemFromObjectCaseSensitive(listener->memo, ALB_MEMO_RULES);
    const cJSON *rule;
    cJSON_ArrayForEach (rule, rules) {
        const char *label = json_str(rule, "Label");
        const struct resource *wanted =
            label != NULL ? graph_find_name(g, &alb_rule_type, label) : NULL;
        /* One that has no name of ours, or a name that another has already, is known by its ARN. */
        bool is_it = wanted != NULL && wanted->have == NULL;
        const char *name = is_it ? label : json_str(rule, "RuleArn");
        rule_take(graph_found(g, &alb_rule_type, name, name), arn, rule);
    }
}

static int rule_discover(struct session *s, struct graph *g, struct err *err)
{
    (void)s;
    (void)err;
    resources_mark_observed(g, &alb_rule_type);
    for (size_t i = 0, n = g->n; i < n; i++)
        if (g->v[i]->type == &alb_listener_type && g->v[i]->have != NULL)
            rules_of(g, g->v[i]);
    return 0;
}

static const char *listener_arn(const struct resource *r)
{
    const cJSON *of = r->target != NULL ? r->target : r->have;
    return json_str(of, "ListenerArn");
}

static bool is_rule(const struct resource *r, const cJSON *rule)
{
    return str_eq(json_str(rule, "RuleArn"), json_str(r->outputs, "RuleArn")) ||
           str_eq(json_str(rule, "Label"), r->name);
}

static int rule_observe(struct session *s, struct resource *const *r, size_t n, struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        _cleanup_json_ cJSON *rules = NULL;
        const char *listener = listener_arn(r[i]);
        r[i]->observed = true;
        if (listener == NULL) {
            resource_set_have(r[i], NULL);
            continue;
        }
        if (alb_rules_read(s, listener, &rules, err) < 0)
            return -1;
        _cleanup_free_ char *arn = xstrdup(listener);
        const cJSON *rule;
        resource_set_have(r[i], NULL);
        cJSON_ArrayForEach (rule, rules)
            if (is_rule(r[i], rule) && r[i]->have == NULL)
                rule_take(r[i], arn, rule);
    }
    return 0;
}

static bool is_taken(const cJSON *rules, const char *priority)
{
    return json_find(rules, "Priority", priority) != NULL;
}

static void priority_push(cJSON *input, const char *arn, int64_t priority)
{
    cJSON *priorities = json_get(input, "RulePriorities");
    if (priorities == NULL)
        priorities = json_put_array(input, "RulePriorities");
    cJSON *one = json_push(priorities, cJSON_CreateObject());
    json_put_str(one, "RuleArn", arn);
    json_put_int(one, "Priority", priority);
}

/*
 * Gives the rule `arn` (NULL: one that is still to be made) its priority. Who holds it takes the
 * one that becomes free by that, or the last that is free; where it is to have another, its own
 * change gives it that. Rules are read anew, since others may have been moved meanwhile.
 */
static int priority_move(struct session *s, const struct resource *r, const char *arn,
                         struct err *err)
{
    _cleanup_json_ cJSON *rules = NULL, *input = cJSON_CreateObject();
    if (alb_rules_read(s, json_str(r->target, "ListenerArn"), &rules, err) < 0)
        return -1;
    int64_t wanted = json_int(r->target, "Priority", 0), free_one = PRIORITY_MAX;
    _cleanup_free_ char *text = xasprintf("%d", (int)wanted);
    const cJSON *self = arn ? json_find(rules, "RuleArn", arn) : NULL;
    const cJSON *holder = json_find(rules, "Priority", text);
    if (holder != NULL && holder == self)
        return 0;
    if (holder != NULL && arn == NULL && is_rule(r, holder))
        return err_set(err, ERR_EXISTS, "rule '%s' exists", r->name);
    if (self != NULL)
        str_to_int64(json_str(self, "Priority"), 1, PRIORITY_MAX, &free_one);
    for (; self == NULL && free_one > 1; free_one--) {
        _cleanup_free_ char *candidate = xasprintf("%d", (int)free_one);
        if (!is_taken(rules, candidate))
            break;
    }
    if (holder != NULL)
        priority_push(input, json_str(holder, "RuleArn"), free_one);
    if (self != NULL)
        priority_push(input, arn, wanted);
    if (json_get(input, "RulePriorities") == NULL)
        return 0;
    return aws_call(s, "elbv2", "SetRulePriorities", input, NULL, err);
}

static int priority_take(struct session *s, const struct resource *r, const char *arn,
                         struct err *err)
{
    pthread_mutex_lock(&moving);
    int status = priority_move(s, r, arn, err);
    pthread_mutex_unlock(&moving);
    return status;
}

static int rule_create(struct session *s, struct resource *r, struct err *err)
{
    _cleanup_json_ cJSON *input = json_dup(r->target), *output = NULL;
    _cleanup_json_ cJSON *tags = tags_wanted(r->graph, r->label);
    json_put(input, "Tags", tags_to_list(tags, "Key", "Value"));
    _cleanup_err_ struct err failure = ERR_INIT;
    if (aws_call(s, "elbv2", "CreateRule", input, &output, &failure) < 0) {
        if (!str_eq(failure.aws_code, "PriorityInUse"))
            return err_move(err, &failure);
        if (priority_take(s, r, NULL, err) < 0 ||
            aws_call(s, "elbv2", "CreateRule", input, &output, err) < 0)
            return -1;
    }
    resource_set_output(r, "RuleArn", json_str_at(output, "Rules/0/RuleArn"));
    resource_set_have(r, json_dup(r->target));
    return 0;
}

static int rule_update(struct session *s, struct resource *r, struct err *err)
{
    static const char *const members[] = { "Conditions", "Actions", NULL };
    const char *arn = json_str(r->outputs, "RuleArn");
    _cleanup_json_ cJSON *want = json_pick(r->target, members);
    _cleanup_json_ cJSON *have = json_pick(r->have, members);
    if (!json_equal(want, have)) {
        json_put_str(want, "RuleArn", arn);
        if (aws_call(s, "elbv2", "ModifyRule", want, NULL, err) < 0)
            return -1;
    }
    if (priority_take(s, r, arn, err) < 0)
        return -1;
    resource_set_have(r, json_dup(r->target));
    return 0;
}

static int rule_remove(struct session *s, struct resource *r, struct err *err)
{
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    json_put_str(input, "RuleArn", json_str(r->outputs, "RuleArn"));
    return aws_call(s, "elbv2", "DeleteRule", input, NULL, err);
}

/* Sorted, since their order means nothing, each once. */
static cJSON *values_of(const cJSON *given)
{
    cJSON *values = cJSON_CreateArray();
    const cJSON *value = cJSON_IsArray(given) ? given->child : given;
    for (; value != NULL; value = cJSON_IsArray(given) ? value->next : NULL)
        if (!json_array_has(values, value->valuestring))
            json_push_str(values, value->valuestring);
    json_sort(values, NULL);
    return values;
}

static cJSON *conditions_make(const cJSON *rule)
{
    cJSON *conditions = cJSON_CreateArray();
    for (size_t i = 0; i < ARRAY_SIZE(conditions_of); i++) {
        const cJSON *given = json_get(rule, conditions_of[i][0]);
        if (given == NULL)
            continue;
        cJSON *condition = json_push(conditions, cJSON_CreateObject());
        json_put_str(condition, "Field", conditions_of[i][1]);
        json_put(json_put_object(condition, conditions_of[i][2]), "Values", values_of(given));
    }
    const cJSON *header;
    cJSON_ArrayForEach (header, json_get(rule, "header")) {
        cJSON *condition = json_push(conditions, cJSON_CreateObject());
        json_put_str(condition, "Field", "http-header");
        cJSON *config = json_put_object(condition, "HttpHeaderConfig");
        json_put_str(config, "HttpHeaderName", header->string);
        json_put(config, "Values", values_of(header));
    }
    conditions_sort(conditions);
    return conditions;
}

static int rule_want(struct graph *g, const cJSON *balancer, const cJSON *listener,
                     const cJSON *rule, struct err *err)
{
    _cleanup_free_ char *origin =
        xasprintf("loadBalancer.listeners.%s.rules.%s", listener->string, rule->string);
    _cleanup_free_ char *path = xasprintf("%s.action", origin);
    _cleanup_free_ char *label = xasprintf("%s/%s", listener->string, rule->string);
    _cleanup_json_ cJSON *want = cJSON_CreateObject();
    json_put(want, "ListenerArn", ref_new("${alb.listener/%s.ListenerArn}", listener->string));
    json_put_int(want, "Priority", json_int(rule, "priority", 0));
    cJSON *conditions = json_put(want, "Conditions", conditions_make(rule)), *actions = NULL;
    if (json_count(conditions) == 0)
        return err_set(err, ERR_USER,
                       "%s: a rule needs a condition: host, path, header, method or sourceIp",
                       origin);
    if (alb_actions_make(balancer, json_get(rule, "action"), path, &actions, err) < 0)
        return -1;
    json_put(want, "Actions", actions);
    if (alb_actions_check_loop(actions, alb_listener_protocol(listener),
                               strtol(listener->string, NULL, 10), path, err) < 0)
        return -1;
    return graph_add(g, &alb_rule_type, label, label, origin, steal_ptr(&want), NULL, err);
}

static int priorities_check(const cJSON *listener, const cJSON *rule, struct err *err)
{
    int64_t priority = json_int(rule, "priority", 0);
    for (const cJSON *other = rule->next; other != NULL; other = other->next)
        if (json_int(other, "priority", 0) == priority)
            return err_set(err, ERR_USER,
                           "loadBalancer.listeners.%s.rules.%s.priority: %d is also that of '%s'; "
                           "each rule of a listener has its own",
                           listener->string, other->string, (int)priority, rule->string);
    return 0;
}

int alb_rules_want(struct graph *g, const cJSON *balancer, struct err *err)
{
    const cJSON *listener, *rule;
    cJSON_ArrayForEach (listener, json_get(balancer, "listeners"))
        cJSON_ArrayForEach (rule, json_get(listener, "rules"))
            if (priorities_check(listener, rule, err) < 0 ||
                rule_want(g, balancer, listener, rule, err) < 0)
                return -1;
    return 0;
}

static const char *const rule_immutable[] = { "ListenerArn", NULL };
static const char *const rule_stable[] = { "RuleArn", NULL };
static const char *const after_listener[] = { "alb.listener", "alb.target_group", NULL };

const struct resource_type alb_rule_type = {
    .name = "alb.rule",
    .singular = "rule",
    .plural = "rules",
    .scope = SCOPE_CHILD,
    .replace = REPLACE_REMOVE_FIRST,
    .flags = TYPE_WHOLE | TYPE_GOES_WITH_PARENT,
    .immutable = rule_immutable,
    .stable = rule_stable,
    .after = after_listener,
    .parent = "alb.listener",
    .discover = rule_discover,
    .observe = rule_observe,
    .create = rule_create,
    .update = rule_update,
    .remove = rule_remove,
};
