/* SPDX-License-Identifier: MIT */
#include "drivers/security_group.h"

#include <arpa/inet.h>

#include "drivers/common.h"
#include "drivers/driver.h"
#include "drivers/ec2.h"

static const struct resource_type group_type;

cJSON *security_group_rule(const char *protocol, int64_t from, int64_t to, cJSON *cidr)
{
    cJSON *rule = cJSON_CreateObject();
    json_put_str(rule, "IpProtocol", protocol);
    json_put_int(rule, "FromPort", from);
    json_put_int(rule, "ToPort", to);
    json_put(rule, "CidrIp", cidr);
    return rule;
}

static bool tuple_in(const cJSON *tuples, const cJSON *tuple)
{
    const cJSON *item;
    cJSON_ArrayForEach (item, tuples) {
        if (json_equal(item, tuple))
            return true;
    }
    return false;
}

/* Sorts by the rules' own text: any order will do, as long as it is always the same. */
static void tuples_sort(cJSON *tuples)
{
    cJSON *keyed = cJSON_CreateArray();
    while (tuples->child != NULL) {
        cJSON *tuple = cJSON_DetachItemFromArray(tuples, 0);
        const char *source = json_str(tuple, "CidrIp");
        for (const cJSON *item = tuple->child; source == NULL && item != NULL; item = item->next)
            if (cJSON_IsString(item) && !str_eq(item->string, "IpProtocol"))
                source = item->valuestring;
        cJSON *pair = json_push(keyed, cJSON_CreateObject());
        json_put_strf(pair, "key", "%s %06d %06d %s", json_str(tuple, "IpProtocol"),
                      (int)json_int(tuple, "FromPort", -1), (int)json_int(tuple, "ToPort", -1),
                      source != NULL ? source : "");
        json_put(pair, "tuple", tuple);
    }
    json_sort(keyed, "key");
    cJSON *pair;
    cJSON_ArrayForEach (pair, keyed)
        json_push(tuples, cJSON_DetachItemFromObjectCaseSensitive(pair, "tuple"));
    cJSON_Delete(keyed);
}

cJSON *security_group_tuples(const cJSON *rules)
{
    cJSON *tuples = cJSON_CreateArray();
    const cJSON *rule;
    cJSON_ArrayForEach (rule, rules) {
        const cJSON *cidr = json_get(rule, "CidrIp");
        int n = cJSON_IsArray(cidr) ? cJSON_GetArraySize(cidr) : 1;
        for (int i = 0; i < n; i++) {
            _cleanup_json_ cJSON *tuple = json_dup(rule);
            if (cJSON_IsArray(cidr))
                json_put(tuple, "CidrIp", json_dup(cJSON_GetArrayItem(cidr, i)));
            if (!tuple_in(tuples, tuple))
                json_push(tuples, steal_ptr(&tuple));
        }
    }
    tuples_sort(tuples);
    return tuples;
}

cJSON *security_group_missing(const cJSON *rules, const cJSON *others)
{
    cJSON *missing = cJSON_CreateArray();
    const cJSON *rule;
    cJSON_ArrayForEach (rule, rules) {
        if (!tuple_in(others, rule))
            json_push(missing, json_dup(rule));
    }
    return missing;
}

/* What is there, those rules first that are wanted, in the order and form of `want`. */
static cJSON *rules_as_wanted(const cJSON *tuples, const cJSON *wanted)
{
    cJSON *rules = cJSON_CreateArray();
    _cleanup_json_ cJSON *used = cJSON_CreateArray();
    const cJSON *rule;
    cJSON_ArrayForEach (rule, wanted) {
        if (ref_in(rule))
            continue;
        _cleanup_json_ cJSON *one = cJSON_CreateArray();
        json_push(one, json_dup(rule));
        _cleanup_json_ cJSON *expanded = security_group_tuples(one);
        _cleanup_json_ cJSON *missing = security_group_missing(expanded, tuples);
        if (json_count(missing) > 0)
            continue;
        json_push(rules, json_dup(rule));
        const cJSON *tuple;
        cJSON_ArrayForEach (tuple, expanded)
            json_push(used, json_dup(tuple));
    }
    _cleanup_json_ cJSON *rest = security_group_missing(tuples, used);
    while (rest->child != NULL)
        json_push(rules, cJSON_DetachItemFromArray(rest, 0));
    return rules;
}

/* One entry of a permission's list of sources as a tuple of its own. A group of another account is
 * known by that too. */
static void sources_add(cJSON *rules, const cJSON *permission, const char *list, const char *key,
                        const char *account)
{
    const cJSON *source;
    cJSON_ArrayForEach (source, json_get(permission, list)) {
        const char *owner = json_str(source, "UserId");
        cJSON *rule = json_push(rules, cJSON_CreateObject());
        json_copy(rule, permission, "IpProtocol");
        json_copy(rule, permission, "FromPort");
        json_copy(rule, permission, "ToPort");
        json_copy(rule, source, key);
        if (owner != NULL && !str_eq(owner, account))
            json_put_str(rule, "UserId", owner);
    }
}

static cJSON *tuples_of_permissions(const cJSON *permissions, const char *account)
{
    _cleanup_json_ cJSON *rules = cJSON_CreateArray();
    const cJSON *permission;
    cJSON_ArrayForEach (permission, permissions) {
        sources_add(rules, permission, "IpRanges", "CidrIp", account);
        sources_add(rules, permission, "Ipv6Ranges", "CidrIpv6", account);
        sources_add(rules, permission, "UserIdGroupPairs", "GroupId", account);
        sources_add(rules, permission, "PrefixListIds", "PrefixListId", account);
    }
    return security_group_tuples(rules);
}

static cJSON *permissions_of_tuples(const cJSON *tuples)
{
    static const char *const lists[][2] = { { "CidrIp", "IpRanges" },
                                            { "CidrIpv6", "Ipv6Ranges" },
                                            { "GroupId", "UserIdGroupPairs" },
                                            { "PrefixListId", "PrefixListIds" } };
    cJSON *permissions = cJSON_CreateArray();
    const cJSON *tuple;
    cJSON_ArrayForEach (tuple, tuples) {
        cJSON *permission = json_push(permissions, cJSON_CreateObject());
        json_copy(permission, tuple, "IpProtocol");
        json_copy(permission, tuple, "FromPort");
        json_copy(permission, tuple, "ToPort");
        for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
            if (json_get(tuple, lists[i][0]) == NULL)
                continue;
            cJSON *source =
                json_push(json_put_array(permission, lists[i][1]), cJSON_CreateObject());
            json_copy(source, tuple, lists[i][0]);
            json_copy(source, tuple, "UserId");
        }
    }
    return permissions;
}

static void group_take(struct resource *r, const cJSON *group)
{
    _cleanup_json_ cJSON *wanted = ref_resolve(r->graph, json_get(r->want, "IpPermissions"), NULL);
    _cleanup_json_ cJSON *tuples =
        tuples_of_permissions(json_get(group, "IpPermissions"), r->graph->context.account);
    cJSON *have = cJSON_CreateObject();
    json_copy(have, group, "GroupName");
    json_copy(have, group, "VpcId");
    /* A description cannot be changed and has no effect: a group made by other means keeps its. */
    json_copy(have, r->want != NULL ? r->want : group, "Description");
    json_put(have, "IpPermissions", rules_as_wanted(tuples, wanted));
    resource_set_have(r, have);
    cJSON_Delete(r->tags);
    r->tags = tags_from_list(json_get(group, "Tags"), "Key", "Value");
    resource_set_output(r, "GroupId", json_str(group, "GroupId"));
    r->observed = true;
}

static int groups_read(struct session *s, cJSON *filters, cJSON **ret, struct err *err)
{
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    json_put(input, "Filters", filters);
    return aws_call_all(s, "ec2", "DescribeSecurityGroups", input, "SecurityGroups", ret, err);
}

/*
 * A group's name is taken once in each VPC. When an environment moves to another VPC, its groups in
 * the old one are no longer wanted, and told by VPC: "automation-8527fec8-notifier in vpc-0a1b2c".
 * NULL for one in the environment's VPC, which a teardown does not know: there the first of a name
 * has it. The caller owns it.
 */
static char *name_elsewhere(const struct graph *g, const cJSON *group, const char *vpc)
{
    const char *its = json_str(group, "VpcId"), *name = json_str(group, "GroupName");
    bool here = vpc != NULL ? str_eq(its, vpc) : graph_find_name(g, &group_type, name) == NULL;
    return here ? NULL : xasprintf("%s in %s", name, its);
}

/* By name: no group of ours has another, and names do not change. In a teardown in every VPC. */
static int group_discover(struct session *s, struct graph *g, struct err *err)
{
    resources_mark_observed(g, &group_type);
    const char *vpc = resource_output(g, EC2_VPC, "VpcId");
    if (vpc == NULL && !g->context.teardown)
        return 0;
    cJSON *filters = cJSON_CreateArray();
    _cleanup_free_ char *pattern = xasprintf("%s-*", g->context.environment);
    filter_add(filters, "group-name", pattern);
    _cleanup_json_ cJSON *groups = NULL;
    if (groups_read(s, filters, &groups, err) < 0)
        return -1;
    const cJSON *group;
    cJSON_ArrayForEach (group, groups) {
        const char *name = json_str(group, "GroupName");
        const char *label = name + strlen(g->context.environment) + 1;
        _cleanup_free_ char *elsewhere = name_elsewhere(g, group, vpc);
        group_take(graph_found(g, &group_type, elsewhere ? elsewhere : label,
                               elsewhere ? elsewhere : name),
                   group);
    }
    return g->context.teardown ? security_group_find_references(s, g, &group_type, err) : 0;
}

/* Which of the groups that were read is r: of several with its name, the one with its id or VPC. */
static const cJSON *group_of(const struct resource *r, const cJSON *groups)
{
    const char *vpc = resource_output(r->graph, EC2_VPC, "VpcId");
    if (r->want == NULL)
        return json_find(groups, "GroupId", json_str(r->outputs, "GroupId"));
    const cJSON *group;
    cJSON_ArrayForEach (group, groups) {
        if (str_eq(json_str(group, "GroupName"), r->name) && str_eq(json_str(group, "VpcId"), vpc))
            return group;
    }
    return NULL;
}

static int group_observe(struct session *s, struct resource *const *r, size_t n, struct err *err)
{
    cJSON *filters = cJSON_CreateArray();
    cJSON *names = json_put_array(filter_add(filters, "group-name", ""), "Values");
    for (size_t i = 0; i < n; i++) {
        const char *name = json_str(r[i]->have, "GroupName");
        json_push_str(names, name != NULL ? name : r[i]->name);
    }
    _cleanup_json_ cJSON *groups = NULL;
    if (groups_read(s, filters, &groups, err) < 0)
        return -1;
    for (size_t i = 0; i < n; i++) {
        const cJSON *group = group_of(r[i], groups);
        r[i]->observed = true;
        if (group != NULL)
            group_take(r[i], group);
        else
            resource_set_have(r[i], NULL);
    }
    return 0;
}

static int rules_call(struct session *s, const char *action, const char *id, const cJSON *tuples,
                      struct err *err)
{
    if (json_count(tuples) == 0)
        return 0;
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    json_put_str(input, "GroupId", id);
    json_put(input, "IpPermissions", permissions_of_tuples(tuples));
    return aws_call(s, "ec2", action, input, NULL, err);
}

static int group_create(struct session *s, struct resource *r, struct err *err)
{
    static const char *const members[] = { "GroupName", "Description", "VpcId", NULL };
    _cleanup_json_ cJSON *input = json_pick(r->target, members);
    _cleanup_json_ cJSON *tags = tags_wanted(r->graph, r->label);
    json_put_str(tags, "Name", r->name);
    cJSON *specification =
        json_push(json_put_array(input, "TagSpecifications"), cJSON_CreateObject());
    json_put_str(specification, "ResourceType", "security-group");
    json_put(specification, "Tags", tags_to_list(tags, "Key", "Value"));

    _cleanup_json_ cJSON *output = NULL;
    if (aws_call(s, "ec2", "CreateSecurityGroup", input, &output, err) < 0)
        return -1;
    const char *id = json_str(output, "GroupId");
    resource_set_output(r, "GroupId", id);
    _cleanup_json_ cJSON *tuples = security_group_tuples(json_get(r->target, "IpPermissions"));
    if (rules_call(s, "AuthorizeSecurityGroupIngress", id, tuples, err) < 0)
        return err_wrap(err, "the rules of '%s'", r->name);
    resource_set_have(r, json_dup(r->target));
    cJSON_Delete(r->tags);
    r->tags = steal_ptr(&tags);
    return 0;
}

/* Adds what is missing before it takes away what is too much, so that nobody is cut off between. */
static int rules_bring(struct session *s, struct resource *r, struct err *err)
{
    const char *id = json_str(r->outputs, "GroupId");
    _cleanup_json_ cJSON *want = security_group_tuples(json_get(r->target, "IpPermissions"));
    _cleanup_json_ cJSON *have = security_group_tuples(json_get(r->have, "IpPermissions"));
    _cleanup_json_ cJSON *missing = security_group_missing(want, have);
    _cleanup_json_ cJSON *superfluous = security_group_missing(have, want);
    if (rules_call(s, "AuthorizeSecurityGroupIngress", id, missing, err) < 0)
        return -1;
    return rules_call(s, "RevokeSecurityGroupIngress", id, superfluous, err);
}

static int group_update(struct session *s, struct resource *r, struct err *err)
{
    _cleanup_err_ struct err failure = ERR_INIT;
    if (rules_bring(s, r, &failure) < 0) {
        /* The calls are all or nothing: where one rule was added or taken away by somebody else
         * meanwhile, the rest is done from a fresh look. */
        if (failure.class != ERR_EXISTS && failure.class != ERR_NOT_FOUND)
            return err_move(err, &failure);
        if (group_observe(s, &r, 1, err) < 0)
            return -1;
        if (r->have != NULL && rules_bring(s, r, err) < 0)
            return -1;
    }
    resource_set_have(r, json_dup(r->target));
    return 0;
}

int security_group_want(struct graph *g, const cJSON *spec, const char *label, const char *suffix,
                        const char *origin, cJSON *rules, struct err *err)
{
    _cleanup_json_ cJSON *want = cJSON_CreateObject();
    json_put(want, "IpPermissions", rules);
    _cleanup_free_ char *name = xasprintf("%s-%s", g->context.environment, suffix);
    if (name_check(origin, "a security group's name", name, 255, err) < 0 ||
        ec2_want_vpc(g, spec, err) < 0)
        return -1;
    /* API_CreateSecurityGroup: "Cannot start with sg-". */
    if (strncasecmp(name, "sg-", 3) == 0)
        return err_set(err, ERR_USER,
                       "%s: the environment is called '%s', and AWS allows no security group's "
                       "name that begins with 'sg-'; choose another prefix in the host config",
                       origin, g->context.environment);
    json_put_str(want, "GroupName", name);
    json_put_strf(want, "Description", "%.200s of %.50s", suffix, g->context.environment);
    json_put(want, "VpcId", ref_new("${%s.VpcId}", EC2_VPC));
    return graph_add(g, &group_type, label, name, origin, steal_ptr(&want), NULL, err);
}

/*
 * A block of IPv4 addresses without the host's part, which EC2 cuts off: "if you specify
 * 100.68.0.18/18, Amazon Web Services canonicalizes the CIDR block to 100.68.0.0/18",
 * https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_IpRange.html. NULL if it is none.
 */
static char *cidr_canonical(const char *cidr)
{
    struct in_addr address;
    int64_t bits = 0;
    const char *slash = strchr(cidr, '/');
    if (slash == NULL || str_to_int64(slash + 1, 0, 32, &bits) < 0)
        return NULL;
    _cleanup_free_ char *host = xstrndup(cidr, (size_t)(slash - cidr));
    if (inet_pton(AF_INET, host, &address) != 1)
        return NULL;
    uint32_t mask = bits == 0 ? 0 : UINT32_MAX << (32 - bits);
    address.s_addr &= htonl(mask);
    char text[INET_ADDRSTRLEN];
    inet_ntop(AF_INET, &address, text, sizeof(text));
    return xasprintf("%s/%d", text, (int)bits);
}

cJSON *security_group_source(const char *from)
{
    if (from == NULL || str_eq(from, "anywhere"))
        return cJSON_CreateString("0.0.0.0/0");
    if (str_eq(from, "vpc"))
        return ref_new("${%s.CidrBlock}", EC2_VPC);
    if (str_eq(from, "privateSubnets"))
        return ref_new("${%s.CidrBlocks}", EC2_PRIVATE_SUBNETS);
    _cleanup_free_ char *cidr = cidr_canonical(from);
    return cidr != NULL ? cJSON_CreateString(cidr) : NULL;
}

/* Type 8, any code: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_IpPermission.html */
cJSON *security_group_echo(void)
{
    return security_group_rule("icmp", 8, -1, security_group_source("anywhere"));
}

static int port_check(const cJSON *service, const cJSON *port, size_t i, struct err *err)
{
    _cleanup_json_ cJSON *source = security_group_source(json_str(port, "from"));
    if (source != NULL)
        return 0;
    return err_set(err, ERR_USER,
                   "services.%s.ports[%zu].from: '%s' is no block of IPv4 addresses; write one as "
                   "203.0.113.0/24, or 'anywhere', 'vpc' or 'privateSubnets'",
                   service->string, i, json_str(port, "from"));
}

/* ICMP echo from anywhere, and the service's ports. */
static cJSON *service_rules(const cJSON *ports)
{
    cJSON *rules = cJSON_CreateArray();
    json_push(rules, security_group_echo());
    const cJSON *port;
    cJSON_ArrayForEach (port, ports) {
        const char *protocol = json_str(port, "protocol");
        int64_t number =
            cJSON_IsNumber(port) ? (int64_t)port->valuedouble : json_int(port, "port", 0);
        _cleanup_json_ cJSON *rule =
            security_group_rule(protocol ? protocol : "tcp", number, number,
                                security_group_source(json_str(port, "from")));
        if (!tuple_in(rules, rule))
            json_push(rules, steal_ptr(&rule));
    }
    return rules;
}

static int security_group_want_services(struct graph *g, const cJSON *spec, struct err *err)
{
    const cJSON *service;
    cJSON_ArrayForEach (service, json_get(spec, "services")) {
        _cleanup_free_ char *origin = xasprintf("services.%s", service->string);
        const cJSON *ports = json_get(service, "ports");
        const cJSON *port;
        size_t i = 0;
        cJSON_ArrayForEach (port, ports) {
            if (port_check(service, port, i++, err) < 0)
                return -1;
            if (str_eq(json_str(port, "from"), "privateSubnets") &&
                ec2_want_subnets(g, spec, "private", err) < 0)
                return -1;
        }
        if (security_group_want(g, spec, service->string, service->string, origin,
                                service_rules(ports), err) < 0)
            return -1;
    }
    return 0;
}

static const char *const after_network[] = { "ec2.vpc", "ec2.subnets", NULL };
static const char *const group_stable[] = { "GroupId", NULL };
static const char *const group_immutable[] = { "GroupName", "VpcId", NULL };
static const char *const group_gone_first[] = { "ecs.service",
                                                "ecs.task",
                                                "alb.load_balancer",
                                                "elasticache.cluster",
                                                "elasticache.replication_group",
                                                NULL };

static const struct tag_call tag_call = { "ec2",  "CreateTags", "Resources", true,
                                          "Tags", "Key",        "Value" };

static int group_adopt(struct session *s, struct resource *r, struct err *err)
{
    return tags_give(s, r, &tag_call, json_str(r->outputs, "GroupId"), err);
}

static const struct resource_type group_type = {
    .name = "security_group",
    .singular = "security group",
    .plural = "security groups",
    .scope = SCOPE_ENVIRONMENT,
    .replace = REPLACE_REFUSE,
    .batch = 200, /* values of one filter: EC2's limit */
    .immutable = group_immutable,
    .stable = group_stable,
    .after = after_network,
    .gone_first = group_gone_first,
    .discover = group_discover,
    .observe = group_observe,
    .create = group_create,
    .update = group_update,
    .remove = security_group_remove,
    .adopt = group_adopt,
};

static const struct resource_type *const security_group_types[] = { &group_type, NULL };

extern const struct driver security_group_driver;
const struct driver security_group_driver = {
    .name = "security_group",
    .types = security_group_types,
    .permissions = security_group_permissions,
    .want = security_group_want_services,
};
