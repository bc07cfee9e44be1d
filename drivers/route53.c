/* SPDX-License-Identifier: MIT */
/* DNS: what a spec's "records" ask for. */
#include "drivers/route53.h"

#include "drivers/common.h"
#include "drivers/driver.h"

#define TTL_DEFAULT 300

/* A record of the spec on its way into the graph. */
struct wish {
    const cJSON *spec;
    char *path; /* "records.web" */
    char *name, *zone;
    const char *type;
};

static void wish_release(struct wish *w)
{
    free(w->path);
    free(w->name);
    free(w->zone);
}

static void wish_init(struct graph *g, const cJSON *spec, struct wish *w)
{
    w->spec = spec;
    _cleanup_strbuf_ struct strbuf path = STRBUF_INIT;
    strbuf_adds(&path, "records");
    json_path_key(&path, spec->string);
    w->path = strbuf_detach(&path);
    w->name = dns_name(json_str(spec, "name"));
    w->zone = route53_zone_name(spec, g->context.limits, g->context.subdomain);
    w->type = json_str(spec, "type");
    if (w->type == NULL)
        w->type = "A";
}

/* In an ephemeral environment only names that no other environment can have: the last label before
 * the zone tells. */
static bool name_is_own(const struct graph *g, const struct wish *w)
{
    if (!str_eq(g->context.kind, "ephemeral"))
        return true;
    size_t inner = strlen(w->name) - strlen(w->zone);
    if (inner == 0)
        return false;
    const char *end = w->name + inner - 1, *label = end;
    while (label > w->name && label[-1] != '.')
        label--;
    return dns_label_is_own(label, (size_t)(end - label), g->context.subdomain);
}

static int check_name(const struct graph *g, const struct wish *w, struct err *err)
{
    _cleanup_free_ char *path = xasprintf("%s.name", w->path);
    if (dns_name_check(path, w->name, err) < 0)
        return -1;
    if (!dns_name_in(w->name, w->zone))
        return err_set(err, ERR_USER,
                       "%s: '%s' does not lie in the hosted zone '%s'; correct it, "
                       "or 'zone'",
                       path, w->name, w->zone);
    _cleanup_free_ char *key = record_key(w->name, w->type);
    _cleanup_free_ char *owner = owner_name(g, w->zone, key);
    if (str_starts(w->name, "_berth-") ||
        name_check(path, "a record with an owner", owner, 255, err) < 0)
        return err->class != ERR_NONE ? -1
                                      : err_set(err, ERR_USER,
                                                "%s: names that begin with '_berth-' are those of "
                                                "owners' records; take another",
                                                path);
    if (!name_is_own(g, w))
        return err_set(err, ERR_USER,
                       "%s: '%s' is not this environment's own: in an ephemeral environment, names "
                       "in zone '%s' end in '%s.%s'",
                       path, w->name, w->zone, g->context.subdomain, w->zone);
    return 0;
}

/* That a value of A or AAAA is an address of that kind, and none that was there already. */
static int check_address(const struct wish *w, const char *value, cJSON *seen, struct err *err)
{
    _cleanup_free_ char *address = dns_address(value);
    bool six = str_eq(w->type, "AAAA");
    if (address == NULL || (strchr(address, ':') != NULL) != six)
        return err_set(err, ERR_USER, "%s.values: '%s' is no IPv%c address", w->path, value,
                       six ? '6' : '4');
    if (json_get(seen, address) != NULL)
        return err_set(err, ERR_USER, "%s.values: '%s' and '%s' are one address; take one out",
                       w->path, json_str(seen, address), value);
    json_put_str(seen, address, value);
    return 0;
}

static int check_values(const struct wish *w, const cJSON *values, struct err *err)
{
    size_t n = json_count(values);
    if (n > 1 && (str_eq(w->type, "CNAME") || ref_in(values)))
        return err_set(err, ERR_USER, "%s.values: a %s has one value only", w->path,
                       str_eq(w->type, "CNAME") ? "CNAME" : "record that names an output");
    if (str_eq(w->type, "CNAME") && str_eq(w->name, w->zone))
        return err_set(err, ERR_USER,
                       "%s.type: a CNAME cannot stand at the top of its zone; use an alias",
                       w->path);
    if (!str_eq(w->type, "A") && !str_eq(w->type, "AAAA"))
        return 0;
    _cleanup_json_ cJSON *seen = cJSON_CreateObject();
    const cJSON *value;
    cJSON_ArrayForEach (value, values)
        if (cJSON_IsString(value) && check_address(w, value->valuestring, seen, err) < 0)
            return -1;
    return 0;
}

/* Texts may be given without the quotes that Route 53 wants. */
static cJSON *values_wanted(const struct wish *w, const cJSON *values)
{
    cJSON *list = cJSON_CreateArray();
    const cJSON *value;
    cJSON_ArrayForEach (value, values) {
        if (!str_eq(w->type, "TXT") || !cJSON_IsString(value) || *value->valuestring == '"') {
            json_push(list, json_dup(value));
            continue;
        }
        _cleanup_free_ char *quoted = dns_txt_write(value->valuestring);
        json_push_str(list, quoted);
    }
    if (!ref_in(list))
        json_sort(list, NULL); /* their order means nothing */
    return list;
}

/* `alias` is the name of a resource with the outputs DNSName and CanonicalHostedZoneId, or an
 * object with DNSName and HostedZoneId. */
static void alias_wanted(const struct wish *w, const cJSON *alias, cJSON *want)
{
    cJSON *target = json_put_object(want, "AliasTarget");
    if (cJSON_IsString(alias)) {
        json_put(target, "HostedZoneId",
                 ref_new("${%s.CanonicalHostedZoneId}", alias->valuestring));
        json_put(target, "DNSName", ref_new("${%s.DNSName}", alias->valuestring));
    } else {
        json_copy(target, alias, "HostedZoneId");
        if (json_str(alias, "DNSName") != NULL) {
            _cleanup_free_ char *name = dns_name(json_str(alias, "DNSName"));
            json_put_str(target, "DNSName", name);
        } else {
            json_copy(target, alias, "DNSName");
        }
    }
    json_put_bool(target, "EvaluateTargetHealth", json_bool(w->spec, "evaluateTargetHealth", true));
}

static int record_wanted(const struct graph *g, const struct wish *w, cJSON **ret, struct err *err)
{
    const cJSON *alias = json_get(w->spec, "alias"), *values = json_get(w->spec, "values");
    if ((alias == NULL) == (values == NULL))
        return err_set(err, ERR_USER, "%s: must have either 'alias' or 'values'%s", w->path,
                       alias == NULL ? "" : ", has both");
    if (alias != NULL && (json_get(w->spec, "ttl") != NULL || str_eq(w->type, "CNAME")))
        return err_set(err, ERR_USER, "%s: an alias has %s", w->path,
                       str_eq(w->type, "CNAME") ? "the type of what it leads to, not CNAME"
                                                : "its target's 'ttl', not its own");
    if (alias == NULL && json_get(w->spec, "type") == NULL)
        return err_set(err, ERR_USER, "%s.type: is missing", w->path);
    if (check_values(w, values, err) < 0)
        return -1;
    cJSON *want = cJSON_CreateObject();
    if (alias != NULL) {
        alias_wanted(w, alias, want);
    } else {
        json_put_int(want, "TTL", json_int(w->spec, "ttl", TTL_DEFAULT));
        json_put(want, "ResourceRecords", values_wanted(w, values));
    }
    _cleanup_free_ char *text = owner_text(g, w->spec->string);
    json_put_str(want, "Owner", text);
    *ret = want;
    return 0;
}

static char *label_of(const char *zone, const cJSON *record)
{
    return route53_zone_label(zone, json_str(record, "zoneId"),
                              json_bool(record, "private", false));
}

static int zone_want(struct graph *g, const char *zone, const cJSON *record, const char *origin,
                     struct err *err)
{
    _cleanup_free_ char *label = label_of(zone, record);
    _cleanup_free_ char *address = xasprintf("%s/%s", route53_zone_type.name, label);
    if (graph_find(g, address) != NULL)
        return 0;
    cJSON *want = cJSON_CreateObject();
    json_put_str(want, "DNSName", zone);
    json_put_bool(want, "PrivateZone", json_bool(record, "private", false));
    json_copy(want, record, "zoneId");
    cJSON *id = json_get(want, "zoneId");
    if (id != NULL) {
        json_put_str(want, "Id", id->valuestring);
        cJSON_DeleteItemFromObjectCaseSensitive(want, "zoneId");
    }
    return graph_add(g, &route53_zone_type, label, label, origin, want, NULL, err);
}

/* The resource of all records in the wish's zone, added when the first of them asks for it. */
static int records_of(struct graph *g, const struct wish *w, struct resource **ret, struct err *err)
{
    if (zone_want(g, w->zone, w->spec, w->path, err) < 0)
        return -1;
    _cleanup_free_ char *label = label_of(w->zone, w->spec);
    _cleanup_free_ char *address = xasprintf("%s/%s", route53_records_type.name, label);
    *ret = graph_find(g, address);
    if (*ret != NULL)
        return 0;
    cJSON *want = cJSON_CreateObject();
    json_put_object(want, "Records");
    if (graph_add(g, &route53_records_type, label, label, "records", want, ret, err) < 0)
        return -1;
    if (graph_find(g, "records") == NULL)
        graph_alias(g, "records", address);
    _cleanup_free_ char *zone = xasprintf("%s/%s", route53_zone_type.name, label);
    return resource_need(*ret, zone, NEED_READY, err);
}

/* Two of the same name and type, or a CNAME and another. */
static int check_beside(const struct wish *w, const cJSON *records, struct err *err)
{
    const cJSON *other;
    cJSON_ArrayForEach (other, records) {
        _cleanup_free_ char *name = NULL, *type = NULL;
        record_key_split(other->string, &name, &type);
        if (!str_eq(name, w->name))
            continue;
        if (str_eq(type, w->type))
            return err_set(err, ERR_USER,
                           "%s: there is another record '%s' of type %s; make them "
                           "one with several values",
                           w->path, name, type);
        if (str_eq(type, "CNAME") || str_eq(w->type, "CNAME"))
            return err_set(err, ERR_USER,
                           "%s: nothing may stand beside a CNAME, and '%s' is to have one", w->path,
                           name);
    }
    return 0;
}

static int record_want(struct graph *g, const cJSON *spec, struct err *err)
{
    _cleanup_(wish_release) struct wish w = { 0 };
    _cleanup_json_ cJSON *want = NULL;
    struct resource *all = NULL;
    wish_init(g, spec, &w);
    if (check_name(g, &w, err) < 0 || record_wanted(g, &w, &want, err) < 0 ||
        records_of(g, &w, &all, err) < 0)
        return -1;
    cJSON *records = json_get(all->want, "Records");
    if (check_beside(&w, records, err) < 0)
        return -1;
    _cleanup_free_ char *key = record_key(w.name, w.type);
    json_put(records, key, steal_ptr(&want));
    resource_set_output(all, spec->string, w.name); /* ${records.web} */
    return 0;
}

static int route53_want(struct graph *g, const cJSON *spec, struct err *err)
{
    const cJSON *record;
    cJSON_ArrayForEach (record, json_get(spec, "records")) {
        if (record_want(g, record, err) < 0)
            return -1;
    }
    return 0;
}

static bool leads_to_balancer(const cJSON *record)
{
    const cJSON *name = json_get(json_get(record, "AliasTarget"), "DNSName");
    return ref_is(name) && str_eq(name->child->valuestring, "${loadBalancer.DNSName}");
}

char *route53_url(const struct graph *g)
{
    for (size_t i = 0; i < g->n; i++) {
        const cJSON *record;
        if (g->v[i]->type != &route53_records_type)
            continue;
        cJSON_ArrayForEach (record, json_get(g->v[i]->want, "Records")) {
            _cleanup_free_ char *name = NULL, *type = NULL;
            record_key_split(record->string, &name, &type);
            if (leads_to_balancer(record) && *name != '*')
                return xasprintf("https://%s/", name);
        }
    }
    return NULL;
}

static const char *const aliases[] = { "dns", NULL };
static const struct resource_type *const types[] = { &route53_zone_type, &route53_records_type,
                                                     NULL };

extern const struct driver route53_driver;
const struct driver route53_driver = {
    .name = "route53",
    .aliases = aliases,
    .types = types,
    .permissions = route53_permissions,
    .want = route53_want,
};
