/* SPDX-License-Identifier: MIT */
/*
 * The batches of changes that bring what an environment has in a zone to what it is to have: one,
 * as long as Route 53 takes it as one. Where it does not, what belongs together stays together: all
 * changes of one name, since a CNAME must go before another type may come, with those of its
 * owners' records.
 */
#include "drivers/common.h"
#include "drivers/route53.h"

/* "ResourceRecord elements" and "sum of the number of characters in all Value elements" of one
 * call, where each of an UPSERT counts twice:
 * https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DNSLimitations.html */
#define RECORDS_MAX    1000
#define CHARACTERS_MAX 32000

/* Batches in the making. */
struct draft {
    const struct resource *r;
    const char *zone;
    cJSON *names; /* by name, an array of changes in their order */
};

static void change_add(struct draft *d, const char *name, const char *action, cJSON *set)
{
    cJSON *changes = json_get(d->names, name);
    if (changes == NULL)
        changes = json_put_array(d->names, name);
    cJSON *change = json_push(changes, cJSON_CreateObject());
    json_put_str(change, "Action", action);
    json_put(change, "ResourceRecordSet", set);
}

static cJSON *set_new(const char *name, const char *type, const cJSON *entry)
{
    cJSON *set = cJSON_CreateObject();
    json_put_str(set, "Name", name);
    json_put_str(set, "Type", type);
    json_copy(set, entry, "TTL");
    json_copy(set, entry, "AliasTarget");
    const cJSON *values = json_get(entry, "ResourceRecords");
    if (values == NULL)
        return set;
    cJSON *list = json_put_array(set, "ResourceRecords");
    const cJSON *value;
    cJSON_ArrayForEach (value, values)
        json_put(json_push(list, cJSON_CreateObject()), "Value", json_dup(value));
    return set;
}

static cJSON *set_of_owner(const struct draft *d, const char *key, const char *text)
{
    _cleanup_free_ char *name = owner_name(d->r->graph, d->zone, key);
    _cleanup_free_ char *value = dns_txt_write(text);
    cJSON *set = cJSON_CreateObject();
    json_put_str(set, "Name", name);
    json_put_str(set, "Type", "TXT");
    json_put_int(set, "TTL", 300);
    json_put_str(json_push(json_put_array(set, "ResourceRecords"), cJSON_CreateObject()), "Value",
                 value);
    return set;
}

static const cJSON *set_read(const struct draft *d, const char *key)
{
    return json_get(json_get(d->r->memo, "sets"), key);
}

static void record_delete(struct draft *d, const char *key)
{
    _cleanup_free_ char *name = NULL, *type = NULL;
    record_key_split(key, &name, &type);
    _cleanup_free_ char *owner = owner_name(d->r->graph, d->zone, key);
    _cleanup_free_ char *owner_set = record_key(owner, "TXT");
    const cJSON *set = set_read(d, key), *beside = set_read(d, owner_set);
    if (set != NULL)
        change_add(d, name, "DELETE", json_dup(set));
    if (beside != NULL)
        change_add(d, name, "DELETE", json_dup(beside));
}

/* CREATE where nothing of ours is, so that what somebody else has made since we looked stays. */
static void record_write(struct draft *d, const char *key, const cJSON *target, const cJSON *have)
{
    static const char *const data[] = { "TTL", "ResourceRecords", "AliasTarget", NULL };
    _cleanup_free_ char *name = NULL, *type = NULL;
    record_key_split(key, &name, &type);
    _cleanup_json_ cJSON *wanted = json_pick(target, data);
    _cleanup_json_ cJSON *there = have != NULL ? json_pick(have, data) : NULL;
    bool is_there = have != NULL && set_read(d, key) != NULL;
    if (!is_there || !json_equal(wanted, there))
        change_add(d, name, is_there ? "UPSERT" : "CREATE", set_new(name, type, target));
    const char *text = json_str(target, "Owner");
    if (!str_eq(text, json_str(have, "Owner")))
        change_add(d, name, have != NULL ? "UPSERT" : "CREATE", set_of_owner(d, key, text));
}

/* What counts towards the limits of a call. */
struct size {
    size_t records, characters;
};

static void size_add(struct size *size, const cJSON *change)
{
    size_t weight = str_eq(json_str(change, "Action"), "UPSERT") ? 2 : 1;
    const cJSON *values = json_at(change, "ResourceRecordSet/ResourceRecords"), *value;
    size->records += weight * (values != NULL ? json_count(values) : 1); /* an alias is one */
    cJSON_ArrayForEach (value, values)
        size->characters += weight * strlen(json_str(value, "Value"));
}

static void changes_move(cJSON *to, cJSON *from, bool deleting)
{
    cJSON *next;
    for (cJSON *change = from->child; change != NULL; change = next) {
        next = change->next;
        if (str_eq(json_str(change, "Action"), "DELETE") == deleting)
            json_push(to, cJSON_DetachItemViaPointer(from, change));
    }
}

/* The names from *first on that fit into one batch, at least one. What deletes stands first in it:
 * a CNAME may come to where an address was. https://github.com/cookpad/roadworker/pull/89 */
static cJSON *batch_take(cJSON **first)
{
    struct size size = { 0 };
    cJSON *end = *first;
    for (; end != NULL; end = end->next) {
        struct size larger = size;
        const cJSON *change;
        cJSON_ArrayForEach (change, end)
            size_add(&larger, change);
        if (end != *first && (larger.records > RECORDS_MAX || larger.characters > CHARACTERS_MAX))
            break;
        size = larger;
    }
    cJSON *batch = cJSON_CreateArray();
    for (int deleting = 1; deleting >= 0; deleting--)
        for (cJSON *name = *first; name != end; name = name->next)
            changes_move(batch, name, deleting);
    *first = end;
    return batch;
}

cJSON *route53_batches(const struct resource *r, const char *zone, const cJSON *target)
{
    _cleanup_json_ cJSON *names = cJSON_CreateObject();
    struct draft d = { .r = r, .zone = zone, .names = names };
    const cJSON *have = json_get(r->have, "Records"), *record;
    /* Of names that stay or come first, so that nothing is gone before what replaces it is there.
     */
    cJSON_ArrayForEach (record, target)
        record_write(&d, record->string, record, json_get(have, record->string));
    cJSON_ArrayForEach (record, have) {
        if (json_get(target, record->string) == NULL)
            record_delete(&d, record->string);
    }
    cJSON *batches = cJSON_CreateArray();
    for (cJSON *name = names->child; name != NULL;)
        json_push(batches, batch_take(&name));
    return batches;
}

cJSON *route53_owner_changes(const struct resource *r, const char *zone, const cJSON *keys)
{
    const struct draft d = { .r = r, .zone = zone };
    cJSON *changes = cJSON_CreateArray();
    const cJSON *key;
    cJSON_ArrayForEach (key, keys) {
        const cJSON *record = json_get(json_get(r->want, "Records"), key->valuestring);
        cJSON *change = json_push(changes, cJSON_CreateObject());
        json_put_str(change, "Action", "CREATE");
        json_put(change, "ResourceRecordSet",
                 set_of_owner(&d, key->valuestring, json_str(record, "Owner")));
    }
    return changes;
}
