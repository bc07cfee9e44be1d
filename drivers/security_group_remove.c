/* SPDX-License-Identifier: MIT */
#include "drivers/common.h"
#include "drivers/security_group.h"

/*
 * What keeps a security group from being deleted, "a dependent object" in AWS's words: a network
 * interface, which goes with what it belongs to if that is AWS's (a task, a load balancer, a
 * cache), or a rule of another group, which never goes by itself:
 * https://github.com/hashicorp/terraform-provider-aws/issues/12394
 */

/* The members of a group with rules, and the filter and the call for each direction. */
struct direction {
    const char *permissions, *filter, *revoke;
};
static const struct direction directions[] = {
    { "IpPermissions", "ip-permission.group-id", "RevokeSecurityGroupIngress" },
    { "IpPermissionsEgress", "egress.ip-permission.group-id", "RevokeSecurityGroupEgress" },
};

static int groups_with_rules(struct session *s, const struct direction *direction, const cJSON *ids,
                             cJSON **ret, struct err *err)
{
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    cJSON *filter = json_push(json_put_array(input, "Filters"), cJSON_CreateObject());
    json_put_str(filter, "Name", direction->filter);
    json_put(filter, "Values", json_dup(ids));
    return aws_call_all(s, "ec2", "DescribeSecurityGroups", input, "SecurityGroups", ret, err);
}

/* Those of a group's permissions that name the group `id`, and of each that source alone. The
 * caller owns them. */
static cJSON *permissions_naming(const cJSON *permissions, const char *id)
{
    static const char *const members[] = { "IpProtocol", "FromPort", "ToPort", NULL };
    static const char *const pair_members[] = { "GroupId", "UserId", NULL };
    cJSON *naming = cJSON_CreateArray();
    const cJSON *permission, *pair;
    cJSON_ArrayForEach (permission, permissions) {
        cJSON_ArrayForEach (pair, json_get(permission, "UserIdGroupPairs")) {
            if (!str_eq(json_str(pair, "GroupId"), id))
                continue;
            cJSON *one = json_push(naming, json_pick(permission, members));
            json_push(json_put_array(one, "UserIdGroupPairs"), json_pick(pair, pair_members));
        }
    }
    return naming;
}

/* Whether a group that AWS describes is this environment's own: by its tags, since a resource of
 * the graph may be with another thread. */
static bool is_own(const struct resource *r, const cJSON *group)
{
    _cleanup_json_ cJSON *tags = tags_from_list(json_get(group, "Tags"), "Key", "Value");
    return tags_are_ours(r->graph, tags);
}

static int foreign_rule(const struct resource *r, const cJSON *group, struct err *err)
{
    return err_set(err, ERR_CONFLICT,
                   "a rule of security group '%s' (%s), which is not this environment's, refers to "
                   "'%s' and keeps it: remove that rule, and run the job again",
                   json_str(group, "GroupId"), json_str(group, "GroupName"), r->name);
}

/* Takes the rules that name r out of our own groups; another's is a conflict. */
static int rules_revoke(struct session *s, struct resource *r, const struct direction *direction,
                        bool *ret_revoked, struct err *err)
{
    const char *id = json_str(r->outputs, "GroupId");
    _cleanup_json_ cJSON *ids = cJSON_CreateArray(), *groups = NULL;
    json_push_str(ids, id);
    if (groups_with_rules(s, direction, ids, &groups, err) < 0)
        return -1;
    const cJSON *group;
    cJSON_ArrayForEach (group, groups) {
        if (str_eq(json_str(group, "GroupId"), id))
            continue; /* its own rules go with it */
        if (!is_own(r, group))
            return foreign_rule(r, group, err);
        _cleanup_json_ cJSON *input = cJSON_CreateObject();
        _cleanup_err_ struct err failure = ERR_INIT;
        json_copy(input, group, "GroupId");
        json_put(input, "IpPermissions",
                 permissions_naming(json_get(group, direction->permissions), id));
        if (aws_call(s, "ec2", direction->revoke, input, NULL, &failure) < 0 &&
            failure.class != ERR_NOT_FOUND)
            return err_move(err, &failure);
        *ret_revoked = true;
    }
    return 0;
}

/*
 * An interface that AWS has made for something goes with that. Another one, of a machine or of
 * nothing, is somebody's, and stays until he takes the group off it.
 * https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/requester-managed-eni.html
 */
static const cJSON *somebodys_interface(const cJSON *interfaces)
{
    const cJSON *one;
    cJSON_ArrayForEach (one, interfaces) {
        const cJSON *managed = json_get(one, "RequesterManaged");
        if (cJSON_IsFalse(managed) && str_eq(json_str(one, "InterfaceType"), "interface"))
            return one;
    }
    return NULL;
}

static int somebodys_error(const struct resource *r, const cJSON *interface, struct err *err)
{
    const char *instance = json_str_at(interface, "Attachment/InstanceId");
    const char *description = json_str(interface, "Description");
    return err_set(err, ERR_CONFLICT,
                   "security group '%s' is held by %s \"%s\"%s%s, which AWS does not take away: "
                   "remove that network interface or its group, and run the job again",
                   r->name, json_str(interface, "NetworkInterfaceId"),
                   description != NULL ? description : "", instance != NULL ? " of instance " : "",
                   instance != NULL ? instance : "");
}

static int interfaces_error(const struct resource *r, const cJSON *interfaces, struct err *err)
{
    const cJSON *first = somebodys_interface(interfaces);
    if (first != NULL)
        return somebodys_error(r, first, err);
    first = interfaces->child;
    size_t others = json_count(interfaces) - 1;
    const char *description = json_str(first, "Description");
    _cleanup_free_ char *more = xasprintf(" and %zu more", others);
    return err_set(err, ERR_BUSY, "held by %s \"%s\"%s", json_str(first, "NetworkInterfaceId"),
                   description != NULL ? description : "", others > 0 ? more : "");
}

/* *ret_revoked: it was a rule of our own, which is gone. */
static int rules_look(struct session *s, struct resource *r, bool *ret_revoked, struct err *err)
{
    json_put_bool(r->memo, "referred", false);
    for (size_t i = 0; i < ARRAY_SIZE(directions); i++)
        if (rules_revoke(s, r, &directions[i], ret_revoked, err) < 0)
            return -1;
    return 0;
}

/* Names what keeps the group: always an error, but for what could be taken away. */
static int blocker_find(struct session *s, struct resource *r, bool *ret_revoked, struct err *err)
{
    if (json_bool(r->memo, "referred", false) && rules_look(s, r, ret_revoked, err) < 0)
        return -1;
    _cleanup_json_ cJSON *input = cJSON_CreateObject(), *interfaces = NULL;
    filter_add(json_put_array(input, "Filters"), "group-id", json_str(r->outputs, "GroupId"));
    if (aws_call_all(s, "ec2", "DescribeNetworkInterfaces", input, "NetworkInterfaces", &interfaces,
                     err) < 0)
        return -1;
    if (json_count(interfaces) > 0)
        return interfaces_error(r, interfaces, err);
    if (!*ret_revoked && rules_look(s, r, ret_revoked, err) < 0)
        return -1;
    if (*ret_revoked)
        return 0;
    return err_set(err, ERR_BUSY, "AWS says that it is in use, and not by what");
}

static int group_delete(struct session *s, const struct resource *r, struct err *err)
{
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    json_copy(input, r->outputs, "GroupId");
    _cleanup_err_ struct err failure = ERR_INIT;
    if (aws_call(s, "ec2", "DeleteSecurityGroup", input, NULL, &failure) == 0 ||
        failure.class == ERR_NOT_FOUND)
        return 0;
    return err_move(err, &failure);
}

int security_group_remove(struct session *s, struct resource *r, struct err *err)
{
    if (json_str(r->outputs, "GroupId") == NULL)
        return 0;
    _cleanup_err_ struct err failure = ERR_INIT;
    if (group_delete(s, r, &failure) == 0)
        return 0;
    if (failure.class != ERR_BUSY)
        return err_move(err, &failure);
    bool revoked = false;
    if (blocker_find(s, r, &revoked, err) == 0)
        return group_delete(s, r, err);
    /* Groups go at the same time: one that is gone by now has no tags by which we may change it. */
    _cleanup_err_ struct err second = ERR_INIT;
    if (err->class != ERR_DENIED || group_delete(s, r, &second) < 0)
        return -1;
    err_release(err);
    return 0;
}

static struct resource *group_with(const struct graph *g, const struct resource_type *type,
                                   const char *id)
{
    for (size_t i = 0; i < g->n; i++)
        if (g->v[i]->type == type && str_eq(json_str(g->v[i]->outputs, "GroupId"), id))
            return g->v[i];
    return NULL;
}

/* Of one group's permissions in one direction: whom they refer to. */
static void references_take(struct graph *g, const struct resource_type *type, const cJSON *group,
                            const cJSON *permissions)
{
    const cJSON *permission, *pair;
    cJSON_ArrayForEach (permission, permissions) {
        cJSON_ArrayForEach (pair, json_get(permission, "UserIdGroupPairs")) {
            struct resource *r = group_with(g, type, json_str(pair, "GroupId"));
            if (r == NULL || str_eq(json_str(pair, "GroupId"), json_str(group, "GroupId")) ||
                !resource_is_ours(r))
                continue;
            json_put_bool(r->memo, "referred", true);
            _cleanup_err_ struct err foreign = ERR_INIT;
            if (!is_own(r, group)) {
                foreign_rule(r, group, &foreign);
                graph_warn(g, "%s", foreign.message);
            }
        }
    }
}

int security_group_find_references(struct session *s, struct graph *g,
                                   const struct resource_type *type, struct err *err)
{
    _cleanup_json_ cJSON *ids = cJSON_CreateArray();
    for (size_t i = 0; i < g->n; i++)
        if (g->v[i]->type == type && g->v[i]->have != NULL && resource_is_ours(g->v[i]))
            json_push_str(ids, json_str(g->v[i]->outputs, "GroupId"));
    for (size_t i = 0; i < ARRAY_SIZE(directions) && json_count(ids) > 0; i++) {
        _cleanup_json_ cJSON *groups = NULL;
        if (groups_with_rules(s, &directions[i], ids, &groups, err) < 0)
            return -1;
        const cJSON *group;
        cJSON_ArrayForEach (group, groups)
            references_take(g, type, group, json_get(group, directions[i].permissions));
    }
    return 0;
}
