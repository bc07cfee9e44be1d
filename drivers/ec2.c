/* SPDX-License-Identifier: MIT */
#include "drivers/ec2.h"

#include "drivers/common.h"
#include "drivers/driver.h"

static const struct resource_type vpc_type;
static const struct resource_type subnets_type;

/* "tag:Name=a|b, isDefault=true" or "vpc-1, vpc-2": what a lookup asks for, for people. */
static char *lookup_text(const cJSON *spec)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    if (cJSON_IsString(spec))
        return xstrdup(spec->valuestring);
    const cJSON *item;
    cJSON_ArrayForEach (item, spec) {
        if (text.len > 0)
            strbuf_adds(&text, ", ");
        if (item->string != NULL)
            strbuf_addf(&text, "%s=", item->string);
        if (cJSON_IsString(item))
            strbuf_adds(&text, item->valuestring);
        const cJSON *value;
        cJSON_ArrayForEach (value, item)
            strbuf_addf(&text, "%s%s", value == item->child ? "" : "|", value->valuestring);
    }
    return strbuf_detach(&text);
}

/* The call's input for a lookup: ids under `ids_key`, or Filters. */
static cJSON *lookup_input(const cJSON *spec, const char *ids_key)
{
    cJSON *input = cJSON_CreateObject();
    if (cJSON_IsString(spec)) {
        json_push_str(json_put_array(input, ids_key), spec->valuestring);
        return input;
    }
    if (cJSON_IsArray(spec)) {
        json_put(input, ids_key, json_dup(spec));
        return input;
    }
    cJSON *filters = json_put_array(input, "Filters");
    const cJSON *item;
    cJSON_ArrayForEach (item, spec) {
        cJSON *filter = json_push(filters, cJSON_CreateObject());
        json_put_str(filter, "Name", item->string);
        if (cJSON_IsArray(item))
            json_put(filter, "Values", json_dup(item));
        else
            json_push_str(json_put_array(filter, "Values"), item->valuestring);
    }
    return input;
}

int ec2_want_vpc(struct graph *g, const cJSON *spec, struct err *err)
{
    if (graph_find(g, EC2_VPC) != NULL)
        return 0;
    const cJSON *vpc = json_at(spec, "network/vpc");
    if (vpc == NULL)
        return err_set(err, ERR_USER, "network.vpc: is needed and not there");
    _cleanup_free_ char *name = lookup_text(vpc);
    if (graph_add(g, &vpc_type, "network", name, "network.vpc", lookup_input(vpc, "VpcIds"), NULL,
                  err) < 0)
        return -1;
    graph_alias(g, "network", EC2_VPC);
    return 0;
}

int ec2_want_subnets(struct graph *g, const cJSON *spec, const char *which, struct err *err)
{
    bool private = str_eq(which, "private");
    const char *origin = private ? "network.privateSubnets" : "network.publicSubnets";
    const char *address = private ? EC2_PRIVATE_SUBNETS : EC2_PUBLIC_SUBNETS;
    if (graph_find(g, address) != NULL)
        return 0;
    if (ec2_want_vpc(g, spec, err) < 0)
        return -1;
    const cJSON *subnets =
        json_at(spec, private ? "network/privateSubnets" : "network/publicSubnets");
    if (subnets == NULL)
        return err_set(err, ERR_USER, "%s: is needed and not there", origin);
    _cleanup_free_ char *name = lookup_text(subnets);
    cJSON *want = lookup_input(subnets, "SubnetIds");
    json_put(want, "VpcId", ref_new("${%s.VpcId}", EC2_VPC));
    if (graph_add(g, &subnets_type, which, name, origin, want, NULL, err) < 0)
        return -1;
    graph_alias(g, private ? "privateSubnets" : "publicSubnets", address);
    return 0;
}

static int vpc_look(struct session *s, struct resource *r, struct err *err)
{
    _cleanup_json_ cJSON *vpcs = NULL;
    _cleanup_err_ struct err failure = ERR_INIT;
    if (aws_call_all(s, "ec2", "DescribeVpcs", r->want, "Vpcs", &vpcs, &failure) < 0) {
        if (failure.class != ERR_NOT_FOUND)
            return err_move(err, &failure);
        vpcs = cJSON_CreateArray();
    }
    r->observed = true;
    if (json_count(vpcs) == 0) {
        resource_set_missing(r, "no VPC in %s matches %s; correct it, or create the VPC first",
                             session_region(s), r->name);
        return 0;
    }
    if (json_count(vpcs) > 1) {
        resource_set_missing(r, "%zu VPCs in %s match %s ('%s' and '%s' among them); name one",
                             json_count(vpcs), session_region(s), r->name,
                             json_str_at(vpcs, "0/VpcId"), json_str_at(vpcs, "1/VpcId"));
        return 0;
    }
    static const char *const members[] = { "VpcId", "CidrBlock", NULL };
    resource_set_have(r, json_pick(vpcs->child, members));
    resource_set_output(r, "VpcId", json_str(vpcs->child, "VpcId"));
    resource_set_output(r, "CidrBlock", json_str(vpcs->child, "CidrBlock"));
    return 0;
}

static int vpc_observe(struct session *s, struct resource *const *r, size_t n, struct err *err)
{
    for (size_t i = 0; i < n; i++)
        if (vpc_look(s, r[i], err) < 0)
            return -1;
    return 0;
}

static const char *tag_of(const cJSON *subnet, const char *key)
{
    return json_str(json_find(json_get(subnet, "Tags"), "Key", key), "Value");
}

/* Filters that subnet_matches() can judge by itself, so that one call serves every lookup. */
static bool filters_are_plain(const cJSON *want)
{
    const cJSON *filter;
    cJSON_ArrayForEach (filter, json_get(want, "Filters")) {
        const char *name = json_str(filter, "Name");
        if (!str_starts(name, "tag:") && !str_eq(name, "availability-zone"))
            return false;
    }
    return true;
}

static bool filter_matches(const cJSON *subnet, const cJSON *filter)
{
    const char *name = json_str(filter, "Name");
    const char *value =
        str_starts(name, "tag:") ? tag_of(subnet, name + 4) : json_str(subnet, "AvailabilityZone");
    const cJSON *pattern;
    cJSON_ArrayForEach (pattern, json_get(filter, "Values")) {
        if (value != NULL && str_glob(pattern->valuestring, value))
            return true;
    }
    return false;
}

static bool subnet_matches(const cJSON *subnet, const cJSON *want)
{
    const cJSON *ids = json_get(want, "SubnetIds");
    if (ids != NULL && !json_array_has(ids, json_str(subnet, "SubnetId")))
        return false;
    const cJSON *filter;
    cJSON_ArrayForEach (filter, json_get(want, "Filters")) {
        if (!filter_matches(subnet, filter))
            return false;
    }
    return true;
}

/* Fills the lookup in from the VPC's subnets; without `judge` all of them are taken. */
static void subnets_take(struct resource *r, cJSON *subnets, bool judge)
{
    json_sort(subnets, "SubnetId");
    _cleanup_json_ cJSON *ids = cJSON_CreateArray();
    _cleanup_json_ cJSON *cidrs = cJSON_CreateArray();
    const cJSON *subnet;
    cJSON_ArrayForEach (subnet, subnets) {
        if (judge && !subnet_matches(subnet, r->want))
            continue;
        json_push_str(ids, json_str(subnet, "SubnetId"));
        json_push_str(cidrs, json_str(subnet, "CidrBlock"));
    }
    const cJSON *asked;
    cJSON_ArrayForEach (asked, json_get(r->want, "SubnetIds")) {
        if (!json_array_has(ids, asked->valuestring)) {
            resource_set_missing(r, "'%s' is no subnet of the VPC; correct it", asked->valuestring);
            return;
        }
    }
    if (json_count(ids) == 0) {
        resource_set_missing(
            r, "no subnet of the VPC matches %s; correct it, or create the subnets first", r->name);
        return;
    }
    cJSON *have = cJSON_CreateObject();
    json_put(have, "SubnetIds", json_dup(ids));
    json_put(have, "CidrBlocks", json_dup(cidrs));
    resource_set_have(r, have);
    json_put(r->outputs, "SubnetIds", steal_ptr(&ids));
    json_put(r->outputs, "CidrBlocks", steal_ptr(&cidrs));
}

static int subnets_call(struct session *s, const char *vpc, const cJSON *filters, cJSON **ret,
                        struct err *err)
{
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    cJSON *all = json_put(input, "Filters", filters ? json_dup(filters) : cJSON_CreateArray());
    filter_add(all, "vpc-id", vpc);
    return aws_call_all(s, "ec2", "DescribeSubnets", input, "Subnets", ret, err);
}

static int subnets_observe(struct session *s, struct resource *const *r, size_t n, struct err *err)
{
    _cleanup_json_ cJSON *shared = NULL; /* every subnet of the VPC, read once */
    for (size_t i = 0; i < n; i++) {
        const char *vpc = resource_output(r[i]->graph, EC2_VPC, "VpcId");
        r[i]->observed = true;
        if (vpc == NULL) {
            resource_set_missing(r[i], "the VPC that network.vpc names is not there");
            continue;
        }
        if (!filters_are_plain(r[i]->want)) {
            _cleanup_json_ cJSON *own = NULL;
            if (subnets_call(s, vpc, json_get(r[i]->want, "Filters"), &own, err) < 0)
                return -1;
            subnets_take(r[i], own, false);
            continue;
        }
        if (shared == NULL && subnets_call(s, vpc, NULL, &shared, err) < 0)
            return -1;
        subnets_take(r[i], shared, true);
    }
    return 0;
}

/* Nothing by itself: other drivers ask for the lookups they need. */
static int ec2_want(struct graph *g, const cJSON *spec, struct err *err)
{
    (void)g;
    (void)spec;
    (void)err;
    return 0;
}

static const char *const after_vpc[] = { "ec2.vpc", NULL };

static const struct resource_type vpc_type = {
    .name = "ec2.vpc",
    .singular = "VPC",
    .plural = "VPCs",
    .scope = SCOPE_LOOKUP,
    .observe = vpc_observe,
};

static const struct resource_type subnets_type = {
    .name = "ec2.subnets",
    .singular = "subnets",
    .plural = "subnets",
    .scope = SCOPE_LOOKUP,
    .after = after_vpc,
    .observe = subnets_observe,
};

static const struct resource_type *const ec2_types[] = { &vpc_type, &subnets_type, NULL };

extern const struct driver ec2_driver;
const struct driver ec2_driver = {
    .name = "ec2",
    .types = ec2_types,
    .permissions = ec2_permissions,
    .want = ec2_want,
};
