/* SPDX-License-Identifier: MIT */
/*
 * What an environment has in one hosted zone: read with one listing of the environment's own name,
 * written with one batch of changes, or as many as it takes.
 */
#include "drivers/route53.h"

#include "drivers/common.h"

#define UNOWNED "unowned"
#define LISTED  "100" /* records in one answer: few environments have more */

/* --- reading --- */

/* One zone as an environment sees it while it is read. */
struct view {
    struct session *s;
    struct resource *r;
    const char *zone, *id;
    cJSON *sets;   /* what there is by key, as Route 53 sent it: an exact copy is what deletes it */
    cJSON *owners; /* texts of owners' records by the key of the record that they speak of */
};

static void view_release(struct view *v)
{
    cJSON_Delete(v->sets);
    cJSON_Delete(v->owners);
}

/* A record and, where there are several by weight or place, all of them count as one that is not
 * ours: berth makes none of that kind. */
static void view_add(struct view *v, const cJSON *set)
{
    _cleanup_free_ char *name = dns_name(json_str(set, "Name"));
    const char *type = json_str(set, "Type");
    _cleanup_free_ char *key = record_key(name, type);
    json_put(v->sets, key, json_dup(set));
    const char *value = json_str_at(set, "ResourceRecords/0/Value");
    _cleanup_free_ char *whose =
        str_eq(type, "TXT") && value ? owner_key(v->r->graph, v->zone, name) : NULL;
    if (whose == NULL)
        return;
    _cleanup_free_ char *text = dns_txt_read(value);
    json_put_str(v->owners, whose, text);
}

/* Adds the records from `start` on for as long as they are at that name or, with `beneath`, beneath
 * it. The list is in the order of names with their labels reversed: these stand together.
 * https://docs.aws.amazon.com/Route53/latest/APIReference/API_ListResourceRecordSets.html */
static int view_list(struct view *v, const char *start, bool beneath, struct err *err)
{
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    json_put_str(input, "HostedZoneId", v->id);
    json_put_str(input, "StartRecordName", start);
    json_put_str(input, "MaxItems", LISTED);
    for (;;) {
        _cleanup_json_ cJSON *output = NULL;
        if (aws_call(v->s, "route53", "ListResourceRecordSets", input, &output, err) < 0)
            return -1;
        const cJSON *set;
        cJSON_ArrayForEach (set, json_get(output, "ResourceRecordSets")) {
            _cleanup_free_ char *name = dns_name(json_str(set, "Name"));
            if (!(beneath ? dns_name_in(name, start) : str_eq(name, start)))
                return 0;
            view_add(v, set);
        }
        if (!json_bool(output, "IsTruncated", false))
            return 0;
        json_put_str(input, "StartRecordName", json_str(output, "NextRecordName"));
        json_put_str(input, "StartRecordType", json_str(output, "NextRecordType"));
        json_put_str(input, "StartRecordIdentifier", json_str(output, "NextRecordIdentifier"));
        if (json_get(output, "NextRecordIdentifier") == NULL)
            cJSON_DeleteItemFromObjectCaseSensitive(input, "StartRecordIdentifier");
    }
}

/* Names that do not lie beneath the environment's own: wanted, or its by an owner's record. */
static int view_list_outside(struct view *v, const char *root, const cJSON *keys, struct err *err)
{
    const cJSON *key;
    cJSON_ArrayForEach (key, keys) {
        _cleanup_free_ char *name = NULL, *type = NULL;
        record_key_split(key->string, &name, &type);
        if (!dns_name_in(name, root) && json_get(v->sets, key->string) == NULL &&
            view_list(v, name, false, err) < 0)
            return -1;
    }
    return 0;
}

static int view_read(struct view *v, struct err *err)
{
    v->sets = cJSON_CreateObject();
    v->owners = cJSON_CreateObject();
    _cleanup_free_ char *root = owner_root(v->r->graph, v->zone);
    if (view_list(v, root, true, err) < 0 ||
        view_list_outside(v, root, json_get(v->r->want, "Records"), err) < 0)
        return -1;
    return view_list_outside(v, root, v->owners, err);
}

/* --- what it means --- */

/* The name as the spec's reference gives it, where Route 53's is the same but for its form. */
static cJSON *alias_name(const struct view *v, const char *key, const char *read)
{
    _cleanup_free_ char *name = dns_name(read);
    const cJSON *want = json_get(json_get(json_get(v->r->want, "Records"), key), "AliasTarget");
    _cleanup_json_ cJSON *wanted =
        want != NULL ? ref_resolve(v->r->graph, json_get(want, "DNSName"), NULL) : NULL;
    if (cJSON_IsString(wanted)) {
        _cleanup_free_ char *same = dns_name(wanted->valuestring);
        if (str_eq(same, name))
            return steal_ptr(&wanted);
    }
    return cJSON_CreateString(name);
}

/*
 * A value as the wanted one is written, where the two are one address: "Route 53 appears to retain
 * the initial string representation", whatever an UPSERT says:
 * https://github.com/cookpad/roadworker/pull/100
 */
static const char *value_form(const cJSON *wanted, const char *read)
{
    _cleanup_free_ char *address = dns_address(read);
    if (address == NULL)
        return read;
    const cJSON *value;
    cJSON_ArrayForEach (value, wanted) {
        _cleanup_free_ char *other = cJSON_IsString(value) ? dns_address(value->valuestring) : NULL;
        if (str_eq(other, address))
            return value->valuestring;
    }
    return read;
}

static void record_take(const struct view *v, const char *key, const cJSON *set, cJSON *have)
{
    json_copy(have, set, "TTL");
    const cJSON *target = json_get(set, "AliasTarget");
    if (target != NULL) {
        cJSON *alias = json_put(have, "AliasTarget", json_dup(target));
        json_put(alias, "DNSName", alias_name(v, key, json_str(target, "DNSName")));
    }
    const cJSON *values = json_get(set, "ResourceRecords");
    if (values == NULL)
        return;
    const cJSON *want = json_get(json_get(json_get(v->r->want, "Records"), key), "ResourceRecords");
    _cleanup_json_ cJSON *wanted = want != NULL ? ref_resolve(v->r->graph, want, NULL) : NULL;
    cJSON *list = json_put_array(have, "ResourceRecords");
    const cJSON *value;
    cJSON_ArrayForEach (value, values)
        json_push_str(list, value_form(wanted, json_str(value, "Value")));
    json_sort(list, NULL);
}

static bool view_owns(const struct view *v, const char *key)
{
    const char *text = json_str(v->owners, key);
    return text != NULL && owner_is_us(v->r->graph, text);
}

/* An owner's record without the record stays in the value, so that it is seen and dealt with. */
static cJSON *records_owned(const struct view *v)
{
    cJSON *records = cJSON_CreateObject();
    const cJSON *owner;
    cJSON_ArrayForEach (owner, v->owners) {
        if (!view_owns(v, owner->string))
            continue;
        cJSON *have = json_put_object(records, owner->string);
        const cJSON *set = json_get(v->sets, owner->string);
        if (set != NULL)
            record_take(v, owner->string, set, have);
        json_put_str(have, "Owner", owner->valuestring);
    }
    return records;
}

/* Of two types at one name one cannot be if either is CNAME.
 * https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/ResourceRecordTypes.html#CNAMEFormat */
static bool excludes(const char *wanted, const char *there)
{
    return strcmp(wanted, there) == 0 || str_eq(wanted, "CNAME") || str_eq(there, "CNAME");
}

static void foreign_add(struct view *v, const char *key)
{
    cJSON *foreign = json_get(v->r->memo, "foreign");
    if (foreign == NULL)
        foreign = json_put_array(v->r->memo, "foreign");
    _cleanup_free_ char *owner = owner_name(v->r->graph, v->zone, key);
    const char *text = json_str(v->owners, key);
    _cleanup_free_ char *line =
        text != NULL ? xasprintf("DNS record '%s' ('%s' says %s)", key, owner, text)
                     : xasprintf("DNS record '%s' (without our TXT record '%s')", key, owner);
    if (!json_array_has(foreign, line))
        json_push_str(foreign, line);
}

/* One that is just as wanted but for its owner's record, which it lacks: it can be adopted. */
static void unowned_add(struct view *v, const char *key)
{
    cJSON *unowned = json_get(v->r->memo, UNOWNED);
    json_push_str(unowned != NULL ? unowned : json_put_array(v->r->memo, UNOWNED), key);
}

/* Notes every record that is where a wanted one is to be, and not ours. */
static void foreign_find(struct view *v, const char *wanted)
{
    _cleanup_free_ char *name = NULL, *type = NULL;
    record_key_split(wanted, &name, &type);
    const cJSON *set;
    cJSON_ArrayForEach (set, v->sets) {
        _cleanup_free_ char *other = NULL, *there = NULL;
        record_key_split(set->string, &other, &there);
        bool several = json_get(set, "SetIdentifier") != NULL;
        if (str_eq(name, other) && excludes(type, there) && (several || !view_owns(v, set->string)))
            foreign_add(v, set->string);
    }
    if (json_get(v->sets, wanted) != NULL && json_get(v->owners, wanted) == NULL &&
        json_get(json_get(v->sets, wanted), "SetIdentifier") == NULL)
        unowned_add(v, wanted);
    if (json_get(v->owners, wanted) != NULL && !view_owns(v, wanted))
        foreign_add(v, wanted);
}

static void records_judge_owner(struct view *v)
{
    struct resource *r = v->r;
    cJSON_DeleteItemFromObjectCaseSensitive(r->memo, "foreign");
    cJSON_DeleteItemFromObjectCaseSensitive(r->memo, UNOWNED);
    const cJSON *wanted;
    cJSON_ArrayForEach (wanted, json_get(r->want, "Records"))
        foreign_find(v, wanted->string);
    cJSON_Delete(r->tags);
    if (json_get(r->memo, "foreign") != NULL)
        r->tags = cJSON_CreateObject();
    else
        r->tags = tags_wanted(r->graph, r->label);
}

/* In a teardown: what stands beneath our own name and is not ours, to look at for whoever reads. */
static void warn_foreign(const struct view *v)
{
    const cJSON *set;
    cJSON_ArrayForEach (set, v->sets) {
        _cleanup_free_ char *name = NULL, *type = NULL;
        record_key_split(set->string, &name, &type);
        _cleanup_free_ char *of_owner =
            str_eq(type, "TXT") ? owner_key(v->r->graph, v->zone, name) : NULL;
        if (of_owner == NULL && !view_owns(v, set->string))
            graph_warn(
                v->r->graph,
                "not this environment's, and left alone: DNS record '%s' of zone '%s', which "
                "has no TXT record of ours",
                set->string, v->zone);
    }
}

static void records_take(struct view *v)
{
    struct resource *r = v->r;
    records_judge_owner(v);
    if (r->graph->context.teardown)
        warn_foreign(v);
    _cleanup_json_ cJSON *records = records_owned(v);
    cJSON *have = NULL;
    if (records->child != NULL || json_get(r->memo, "foreign") != NULL) {
        have = cJSON_CreateObject();
        json_put(have, "Records", steal_ptr(&records));
    }
    resource_set_have(r, have);
    json_put(r->memo, "sets", steal_ptr(&v->sets));
}

static int records_read(struct session *s, struct resource *r, struct err *err)
{
    _cleanup_free_ char *address = xasprintf("%s/%s", route53_zone_type.name, r->label);
    const char *id = resource_output(r->graph, address, "Id");
    r->observed = true;
    if (id == NULL) {
        resource_set_have(r, NULL);
        return 0;
    }
    _cleanup_(view_release) struct view v = {
        .s = s, .r = r, .id = id, .zone = resource_output(r->graph, address, "Name")
    };
    if (view_read(&v, err) < 0)
        return -1;
    records_take(&v);
    return 0;
}

static const struct resource *records_wanted(const struct resource *zone)
{
    const struct resource *r = graph_find_name(zone->graph, &route53_records_type, zone->name);
    return r != NULL && r->want != NULL ? r : NULL;
}

/*
 * One hosted zone may be called by its name alone, by some records or the limits, and by its id, by
 * others. Each of the two would take the other's records for some that are no longer wanted.
 * Returns the other one, if it is to have records; NULL: none.
 */
static const struct resource *zone_twin(const struct resource *zone)
{
    const struct graph *g = zone->graph;
    for (size_t i = 0; i < g->n; i++) {
        const struct resource *other = g->v[i];
        if (other != zone && other->type == &route53_zone_type && other->have != NULL &&
            str_eq(json_str(other->outputs, "Id"), json_str(zone->outputs, "Id")) &&
            records_wanted(other) != NULL)
            return other;
    }
    return NULL;
}

static int records_discover(struct session *s, struct graph *g, struct err *err)
{
    resources_mark_observed(g, &route53_records_type);
    for (size_t i = 0, n = g->n; i < n; i++) {
        const struct resource *zone = g->v[i];
        if (zone->type != &route53_zone_type || zone->have == NULL)
            continue;
        const struct resource *twin = zone_twin(zone);
        if (twin != NULL && records_wanted(zone) != NULL)
            return err_set(err, ERR_USER,
                           "records: '%s' and '%s' are one hosted zone; give either all of its "
                           "records a 'zoneId', or none",
                           zone->label, twin->label);
        if (twin == NULL &&
            records_read(s, graph_found(g, &route53_records_type, zone->label, zone->name), err) <
                0)
            return -1;
    }
    return 0;
}

/* Changes that are awaited are asked for by themselves: what they change is known. Those that have
 * arrived are forgotten. */
static int changes_observe(struct session *s, struct resource *r, struct err *err)
{
    cJSON *changes = json_get(r->memo, "changes"), *next;
    for (cJSON *change = changes->child; change != NULL; change = next) {
        next = change->next;
        _cleanup_json_ cJSON *input = cJSON_CreateObject();
        json_put_str(input, "Id", change->valuestring);
        _cleanup_json_ cJSON *output = NULL;
        if (aws_call(s, "route53", "GetChange", input, &output, err) < 0)
            return -1;
        if (str_eq(json_str_at(output, "ChangeInfo/Status"), "INSYNC"))
            cJSON_Delete(cJSON_DetachItemViaPointer(changes, change));
    }
    return 0;
}

static int records_observe(struct session *s, struct resource *const *r, size_t n, struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        bool awaited = json_count(json_get(r[i]->memo, "changes")) > 0;
        if ((awaited ? changes_observe(s, r[i], err) : records_read(s, r[i], err)) < 0)
            return -1;
    }
    return 0;
}

static enum readiness records_judge(const struct resource *r, struct strbuf *why)
{
    if (json_count(json_get(r->memo, "changes")) == 0)
        return READY;
    strbuf_adds(why, "the change is on its way to Route 53's name servers");
    return WAITING;
}

/* --- writing --- */

/* Whether anything waits for these records: only then are the name servers awaited. */
static bool is_needed(const struct resource *r)
{
    const struct graph *g = r->graph;
    for (size_t i = 0; i < g->n_order; i++)
        for (size_t j = 0; j < g->order[i]->n_needs; j++)
            if (g->order[i]->needs[j].resource == r)
                return true;
    return false;
}

/* Takes `changes`. */
static int batch_send(struct session *s, struct resource *r, const char *zone, cJSON *changes,
                      struct err *err)
{
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    json_put_str(input, "HostedZoneId", zone);
    json_put(json_put_object(input, "ChangeBatch"), "Changes", changes);
    _cleanup_json_ cJSON *output = NULL;
    if (aws_call(s, "route53", "ChangeResourceRecordSets", input, &output, err) < 0)
        return -1;
    const char *id = json_str_at(output, "ChangeInfo/Id");
    if (id == NULL || !is_needed(r))
        return 0;
    if (json_get(r->memo, "changes") == NULL)
        json_put_array(r->memo, "changes");
    /* "/change/C1"; the call that asks takes "C1" */
    json_push_str(json_get(r->memo, "changes"),
                  strrchr(id, '/') != NULL ? strrchr(id, '/') + 1 : id);
    return 0;
}

/* One after the other: while Route 53 works at a change of a zone, it refuses the next. What was
 * carried out before one that fails is found there by the next look. */
static int batches_send(struct session *s, struct resource *r, const cJSON *target, struct err *err)
{
    _cleanup_free_ char *address = xasprintf("%s/%s", route53_zone_type.name, r->label);
    _cleanup_json_ cJSON *batches =
        route53_batches(r, resource_output(r->graph, address, "Name"), target);
    size_t i = 0, n = json_count(batches);
    const cJSON *batch;
    cJSON_ArrayForEach (batch, batches) {
        i++;
        if (batch_send(s, r, resource_output(r->graph, address, "Id"), json_dup(batch), err) == 0)
            continue;
        return n > 1 ? err_wrap(err, "batch %zu of %zu", i, n) : -1;
    }
    return 0;
}

static int foreign_error(const struct resource *r, struct err *err)
{
    return err_set(err, ERR_CONFLICT, "in the way, and not this environment's own: %s",
                   json_str_at(r->memo, "foreign/0"));
}

/*
 * A batch that does not fit what is there means that somebody has changed it since we looked, or
 * that a try before was carried out and its answer lost: looked at anew, it fits.
 */
static int records_write(struct session *s, struct resource *r, const cJSON *target,
                         struct err *err)
{
    _cleanup_err_ struct err failure = ERR_INIT;
    if (batches_send(s, r, target, &failure) == 0)
        return 0;
    if (failure.class != ERR_EXISTS && failure.class != ERR_NOT_FOUND)
        return err_move(err, &failure);
    if (records_read(s, r, err) < 0)
        return -1;
    if (target != NULL && json_get(r->memo, "foreign") != NULL)
        return foreign_error(r, err);
    return batches_send(s, r, target, err);
}

static int records_update(struct session *s, struct resource *r, struct err *err)
{
    if (records_write(s, r, json_get(r->target, "Records"), err) < 0)
        return -1;
    resource_set_have(r, json_dup(r->target));
    return 0;
}

static int records_remove(struct session *s, struct resource *r, struct err *err)
{
    return records_write(s, r, NULL, err);
}

/* The owners' records alone: CREATE, so that what another has put there since we looked stays. */
static int records_adopt(struct session *s, struct resource *r, struct err *err)
{
    _cleanup_free_ char *address = xasprintf("%s/%s", route53_zone_type.name, r->label);
    cJSON *changes = route53_owner_changes(r, resource_output(r->graph, address, "Name"),
                                           json_get(r->memo, UNOWNED));
    if (batch_send(s, r, resource_output(r->graph, address, "Id"), changes, err) < 0)
        return -1;
    return records_read(s, r, err);
}

static const char *const after_targets[] = { "route53.zone", "alb.load_balancer",
                                             "elasticache.cluster", "elasticache.replication_group",
                                             NULL };

const struct resource_type route53_records_type = {
    .name = "route53.records",
    .singular = "DNS records of zone",
    .plural = "DNS records",
    .scope = SCOPE_ENVIRONMENT,
    .flags = TYPE_WHOLE,
    .batch = 1,
    .deadline = 600,
    .after = after_targets,
    .discover = records_discover,
    .observe = records_observe,
    .judge = records_judge,
    .create = records_update,
    .update = records_update,
    .remove = records_remove,
    .adopt = records_adopt,
};
