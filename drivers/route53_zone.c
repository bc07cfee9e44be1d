/* SPDX-License-Identifier: MIT */
/* Hosted zones: looked up by name or id, never changed. */
#include "drivers/route53.h"

/* Zones of one name are listed side by side; more than these nobody has. */
#define SAME_NAME "20"

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
static int zones_by_name(struct session *s, const char *name, bool private, cJSON **ret_zones,
                         struct err *err)
{
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    json_put_str(input, "DNSName", name);
    json_put_str(input, "MaxItems", SAME_NAME);
    _cleanup_json_ cJSON *output = NULL;
    if (aws_call(s, "route53", "ListHostedZonesByName", input, &output, err) < 0)
        return -1;
    *ret_zones = cJSON_CreateArray();
    const cJSON *zone;
    cJSON_ArrayForEach (zone, json_get(output, "HostedZones")) {
        if (is_named(zone, name) &&
            json_bool(json_get(zone, "Config"), "PrivateZone", false) == private)
            json_push(*ret_zones, json_dup(zone));
    }
    return 0;
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
    resource_set_output(r, "Id", bare_id(json_str(zones->child, "Id")));
    resource_set_output(r, "Name", name);
}

static int zone_observe(struct session *s, struct resource *const *r, size_t n, struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        const char *id = json_str(r[i]->want, "Id");
        _cleanup_json_ cJSON *zones = NULL;
        int status = id != NULL
                         ? zone_by_id(s, id, &zones, err)
                         : zones_by_name(s, json_str(r[i]->want, "DNSName"),
                                         json_bool(r[i]->want, "PrivateZone", false), &zones, err);
        if (status < 0)
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
    .observe = zone_observe,
};
