/* SPDX-License-Identifier: MIT */
/*
 * Hosted zones: looked up by name or id, never changed. Of the names that the limits list all zones
 * are found, public and private, whether the spec names them or not: there may be records in them
 * that it no longer has. In a teardown of those that the limits' wildcards let be, too, and of all
 * where there are no such limits.
 */
#include "drivers/common.h"
#include "drivers/route53.h"

/* Zones of one name are listed side by side; more than these, the most of one answer, nobody has.
 */
#define SAME_NAME "100"

/* Zones come with ids like "/hostedzone/Z1"; calls take "Z1". */
static const char *bare_id(const char *id)
{
    const char *slash = id != NULL ? strrchr(id, '/') : NULL;
    return slash != NULL ? slash + 1 : id;
}

static bool is_named(const cJSON *zone, const char *name)
{
    const char *text = json_str(zone, "Name");
    _cleanup_free_ char *own = text != NULL ? dns_name(text) : NULL;
    return str_eq(own, name);
}

static int zone_by_id(struct session *s, const char *id, cJSON **ret_zones, struct err *err)
{
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    json_put_str(input, "Id", id);
    _cleanup_json_ cJSON *output = NULL;
    _cleanup_err_ struct err failure = ERR_INIT;
    *ret_zones = cJSON_CreateArray();
    if (aws_call(s, "route53", "GetHostedZone", input, &output, &failure) == 0)
        json_push(*ret_zones, json_dup(json_get(output, "HostedZone")));
    else if (failure.class != ERR_NOT_FOUND)
        return err_move(err, &failure);
    return 0;
}

/* "Lists from the name on": those of another name follow.
 * https://docs.aws.amazon.com/Route53/latest/APIReference/API_ListHostedZonesByName.html */
static int zones_by_name(struct session *s, const char *name, cJSON **ret_zones, struct err *err)
{
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    json_put_str(input, "DNSName", name);
    json_put_str(input, "MaxItems", SAME_NAME);
    _cleanup_json_ cJSON *output = NULL;
    if (aws_call(s, "route53", "ListHostedZonesByName", input, &output, err) < 0)
        return -1;
    *ret_zones = cJSON_CreateArray();
    const cJSON *zone;
    cJSON_ArrayForEach (zone, json_get(output, "HostedZones"))
        if (is_named(zone, name))
            json_push(*ret_zones, json_dup(zone));
    return 0;
}

static bool is_private(const cJSON *zone)
{
    return json_bool(json_get(zone, "Config"), "PrivateZone", false);
}

/* The caller owns it. */
static cJSON *zones_of_kind(const cJSON *zones, bool private)
{
    cJSON *some = cJSON_CreateArray();
    const cJSON *zone;
    cJSON_ArrayForEach (zone, zones)
        if (is_private(zone) == private)
            json_push(some, json_dup(zone));
    return some;
}

static void zone_outputs(struct resource *r, const cJSON *zone, const char *name)
{
    resource_set_output(r, "Id", bare_id(json_str(zone, "Id")));
    resource_set_output(r, "Name", name);
}

static void zone_take(struct resource *r, const cJSON *zones)
{
    const char *name = json_str(r->want, "DNSName"), *id = json_str(r->want, "Id");
    const char *kind = json_bool(r->want, "PrivateZone", false) ? "private" : "public";
    resource_set_have(r, NULL);
    if (json_count(zones) == 0) {
        if (id != NULL)
            resource_set_missing(r, "there is no hosted zone with the id '%s'; correct 'zoneId'",
                                 id);
        else
            resource_set_missing(r,
                                 "there is no %s hosted zone '%s'; correct 'zone', or create the "
                                 "zone first",
                                 kind, name);
        return;
    }
    if (json_count(zones) > 1) {
        resource_set_missing(r,
                             "there are %zu %s hosted zones '%s' ('%s' and '%s' among them); say "
                             "which one by 'zoneId'",
                             json_count(zones), kind, name, bare_id(json_str_at(zones, "0/Id")),
                             bare_id(json_str_at(zones, "1/Id")));
        return;
    }
    if (!is_named(zones->child, name)) {
        resource_set_missing(r, "the hosted zone '%s' is that of '%s', not of '%s'; correct one",
                             id, json_str(zones->child, "Name"), name);
        return;
    }
    resource_set_have(r, json_dup(r->want));
    zone_outputs(r, zones->child, name);
}

static bool is_known(const struct graph *g, const char *id)
{
    for (size_t i = 0; i < g->n; i++)
        if (g->v[i]->type == &route53_zone_type && str_eq(json_str(g->v[i]->outputs, "Id"), id))
            return true;
    return false;
}

/* A zone that no record of the spec lies in. */
static void zone_add(struct graph *g, const cJSON *zone, const char *name, bool only)
{
    const char *id = bare_id(json_str(zone, "Id"));
    if (is_known(g, id))
        return;
    _cleanup_free_ char *label = route53_zone_label(name, only ? NULL : id, is_private(zone));
    struct resource *r = graph_found(g, &route53_zone_type, label, label);
    cJSON *have = cJSON_CreateObject();
    json_put_str(have, "DNSName", name);
    json_put_bool(have, "PrivateZone", is_private(zone));
    resource_set_have(r, have);
    zone_outputs(r, zone, name);
    r->observed = true;
}

/* All zones of one name: those that are wanted, then the others if `all`. */
static void name_take(struct graph *g, const char *name, const cJSON *zones, bool all)
{
    _cleanup_json_ cJSON *public = zones_of_kind(zones, false);
    _cleanup_json_ cJSON *private = zones_of_kind(zones, true);
    const cJSON *const kinds[] = { public, private };
    for (size_t i = 0, n = g->n; i < n; i++) {
        struct resource *r = g->v[i];
        if (r->type != &route53_zone_type || r->want == NULL || json_get(r->want, "Id") != NULL ||
            !str_eq(json_str(r->want, "DNSName"), name))
            continue;
        zone_take(r, kinds[json_bool(r->want, "PrivateZone", false)]);
        r->observed = true;
    }
    const cJSON *zone;
    for (size_t i = 0; all && i < ARRAY_SIZE(kinds); i++)
        cJSON_ArrayForEach (zone, kinds[i])
            zone_add(g, zone, name, json_count(kinds[i]) == 1);
}

/* They come in one answer. */
static int name_discover(struct session *s, struct graph *g, const char *name, bool all,
                         struct err *err)
{
    _cleanup_json_ cJSON *zones = NULL;
    if (zones_by_name(s, name, &zones, err) < 0)
        return -1;
    name_take(g, name, zones, all);
    return 0;
}

/* Whether the limits list names alone, so that zones can be asked for by them. */
static bool limits_are_names(const cJSON *limits)
{
    const cJSON *limit;
    cJSON_ArrayForEach (limit, limits)
        if (strchr(limit->valuestring, '*') != NULL)
            return false;
    return limits != NULL;
}

/* Where the limits do not forbid it, an environment may have records there. Not in the zone of a
 * Cloud Map namespace, which nobody else may change:
 * https://docs.aws.amazon.com/Route53/latest/APIReference/API_LinkedService.html */
static bool is_allowed(const cJSON *zone, const char *name, const cJSON *limits)
{
    const cJSON *limit;
    bool any = limits == NULL;
    cJSON_ArrayForEach (limit, limits) {
        _cleanup_free_ char *pattern = dns_name(limit->valuestring);
        any = any || str_glob(pattern, name);
    }
    return any && json_get(zone, "LinkedService") == NULL;
}

/* Every zone in which the environment may have records, by name. */
static int zones_allowed(struct session *s, const cJSON *limits, cJSON *by_name, struct err *err)
{
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    json_put_str(input, "MaxItems", SAME_NAME);
    for (;;) {
        _cleanup_json_ cJSON *output = NULL;
        if (aws_call(s, "route53", "ListHostedZonesByName", input, &output, err) < 0)
            return -1;
        const cJSON *zone;
        cJSON_ArrayForEach (zone, json_get(output, "HostedZones")) {
            _cleanup_free_ char *name = dns_name(json_str(zone, "Name"));
            if (!is_allowed(zone, name, limits))
                continue;
            cJSON *same = json_get(by_name, name);
            json_push(same != NULL ? same : json_put_array(by_name, name), json_dup(zone));
        }
        if (!json_bool(output, "IsTruncated", false))
            return 0;
        json_put_str(input, "DNSName", json_str(output, "NextDNSName"));
        json_put_str(input, "HostedZoneId", bare_id(json_str(output, "NextHostedZoneId")));
    }
}

/* No spec says where there are records: they may be in every zone that the limits let be. */
static int zone_discover_all(struct session *s, struct graph *g, struct err *err)
{
    _cleanup_json_ cJSON *by_name = cJSON_CreateObject();
    if (zones_allowed(s, json_get(g->context.limits, "zones"), by_name, err) < 0)
        return -1;
    const cJSON *zones;
    cJSON_ArrayForEach (zones, by_name)
        name_take(g, zones->string, zones, true);
    return 0;
}

static int zone_discover(struct session *s, struct graph *g, struct err *err)
{
    const cJSON *limits = json_get(g->context.limits, "zones"), *limit, *name;
    if (g->context.teardown && !limits_are_names(limits))
        return zone_discover_all(s, g, err);
    _cleanup_json_ cJSON *names = cJSON_CreateObject(); /* whether the limits list it */
    cJSON_ArrayForEach (limit, limits) {
        _cleanup_free_ char *zone = dns_name(limit->valuestring);
        if (strchr(zone, '*') == NULL)
            json_put_bool(names, zone, true);
    }
    for (size_t i = 0; i < g->n; i++) {
        const cJSON *want = g->v[i]->type == &route53_zone_type ? g->v[i]->want : NULL;
        const char *zone = json_str(want, "DNSName");
        if (want != NULL && json_get(want, "Id") == NULL && json_get(names, zone) == NULL)
            json_put_bool(names, zone, false);
    }
    cJSON_ArrayForEach (name, names)
        if (name_discover(s, g, name->string, cJSON_IsTrue(name), err) < 0)
            return -1;
    return 0;
}

/* Those that are named by their ids. */
static int zone_observe(struct session *s, struct resource *const *r, size_t n, struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        _cleanup_json_ cJSON *zones = NULL;
        if (zone_by_id(s, json_str(r[i]->want, "Id"), &zones, err) < 0)
            return -1;
        r[i]->observed = true;
        zone_take(r[i], zones);
    }
    return 0;
}

const struct resource_type route53_zone_type = {
    .name = "route53.zone",
    .singular = "hosted zone",
    .plural = "hosted zones",
    .scope = SCOPE_LOOKUP,
    .batch = 1,
    .discover = zone_discover,
    .observe = zone_observe,
};
