/* SPDX-License-Identifier: MIT */
/* The batches of changes that DNS records come in, where one does not hold them all. */
#include "tests/unit/awsscript.h"

#include <setjmp.h>
#include <cmocka.h>

#include "drivers/route53.h"

#define ZONE    "example.net"
#define RECORDS "route53.records/" ZONE
#define OWN     "8527fec8." ZONE

/* What Route 53 counts of a batch: "ResourceRecord elements" and characters of values, both twice
 * for an UPSERT. */
static void assert_batch_fits(const cJSON *changes)
{
    size_t records = 0, characters = 0;
    const cJSON *change, *value;
    cJSON_ArrayForEach (change, changes) {
        size_t weight = strcmp(json_str(change, "Action"), "UPSERT") == 0 ? 2 : 1;
        const cJSON *values = json_at(change, "ResourceRecordSet/ResourceRecords");
        records += weight * (values != NULL ? json_count(values) : 1);
        cJSON_ArrayForEach (value, values)
            characters += weight * strlen(json_str(value, "Value"));
    }
    assert_true(records > 0 && records <= 1000 && characters <= 32000);
}

/* In which batch the change of a record stands; fails where it is in none, or in two. */
static size_t batch_of(const cJSON *batches, const char *action, const char *name, const char *type)
{
    size_t i = 0, found = SIZE_MAX;
    const cJSON *batch, *change;
    cJSON_ArrayForEach (batch, batches) {
        cJSON_ArrayForEach (change, batch) {
            const cJSON *set = json_get(change, "ResourceRecordSet");
            _cleanup_free_ char *own = dns_name(json_str(set, "Name"));
            if (strcmp(json_str(change, "Action"), action) != 0 || strcmp(own, name) != 0 ||
                strcmp(json_str(set, "Type"), type) != 0)
                continue;
            assert_true(found == SIZE_MAX);
            found = i;
        }
        i++;
    }
    if (found == SIZE_MAX)
        fail_msg("there is no %s of %s %s", action, name, type);
    return found;
}

/* A spec with `n` records of one type, n<i>.<own name>, of one value. The caller frees it. */
static char *spec_with_many(size_t n, const char *type, const char *value)
{
    _cleanup_json_ cJSON *records = cJSON_CreateObject();
    for (size_t i = 0; i < n; i++) {
        _cleanup_free_ char *label = xasprintf("n%zu", i);
        cJSON *record = json_put_object(records, label);
        json_put_strf(record, "name", "n%zu." OWN, i);
        json_put_str(record, "type", type);
        json_push_str(json_put_array(record, "values"), value);
    }
    _cleanup_json_ cJSON *spec = cJSON_Parse(script_spec);
    json_put(spec, "records", steal_ptr(&records));
    return json_print(spec);
}

/* As if all that is wanted were there, as ALIAS-free sets of `type` with their owners. */
static void pretend_there(struct resource *r, const char *type, const char *value)
{
    cJSON *have = cJSON_CreateObject(), *records = json_put_object(have, "Records");
    cJSON *sets = json_put_object(r->memo, "sets");
    const cJSON *record;
    cJSON_ArrayForEach (record, json_get(r->want, "Records")) {
        _cleanup_free_ char *name = NULL, *wanted = NULL;
        record_key_split(record->string, &name, &wanted);
        _cleanup_free_ char *key = record_key(name, type);
        _cleanup_free_ char *owner = owner_name(r->graph, ZONE, key);
        _cleanup_free_ char *owner_key = record_key(owner, "TXT");
        cJSON *entry = json_put_object(records, key);
        json_put_int(entry, "TTL", 5);
        json_push_str(json_put_array(entry, "ResourceRecords"), value);
        json_put_str(entry, "Owner", json_str(record, "Owner"));
        const char *const both[][3] = { { key, name, type }, { owner_key, owner, "TXT" } };
        for (size_t i = 0; i < ARRAY_SIZE(both); i++) {
            cJSON *set = json_put_object(sets, both[i][0]);
            json_put_str(set, "Name", both[i][1]);
            json_put_str(set, "Type", both[i][2]);
            cJSON *item = json_push(json_put_array(set, "ResourceRecords"), cJSON_CreateObject());
            if (i == 0)
                json_put_str(item, "Value", value);
            else
                json_put(item, "Value",
                         cJSON_CreateString("\"heritage=berth,Environment=automation-8527fec8,"
                                            "berth:project=77,berth:ref=dev/feature/login\""));
        }
    }
    resource_set_have(r, have);
}

static void a_batch_that_is_too_large_is_split(void **state)
{
    (void)state;
    _cleanup_free_ char *spec = spec_with_many(700, "A", "192.0.2.1");
    struct script t;
    script_open(&t, spec, NULL);
    struct resource *r = script_resource(&t, RECORDS);
    _cleanup_json_ cJSON *batches = route53_batches(r, ZONE, json_get(r->want, "Records"));
    /* 700 owners' texts of 115 to 117 characters with their quotes, 700 addresses of 9: as few
     * batches as 32,000 characters allow. */
    assert_int_equal(json_count(batches), 3);
    const cJSON *batch;
    cJSON_ArrayForEach (batch, batches)
        assert_batch_fits(batch);
    for (size_t i = 0; i < 700; i++) {
        _cleanup_free_ char *name = xasprintf("n%zu." OWN, i);
        _cleanup_free_ char *owner = xasprintf("_berth-a.%s", name);
        assert_int_equal(batch_of(batches, "CREATE", name, "A"),
                         batch_of(batches, "CREATE", owner, "TXT"));
    }
    script_close(&t);
}

/* A record of another type, and the owners of both, in one batch: what goes stands first. */
static void what_takes_the_place_of_another_comes_with_it(void **state)
{
    (void)state;
    _cleanup_free_ char *spec = spec_with_many(400, "CNAME", "x.example.com");
    struct script t;
    script_open(&t, spec, NULL);
    struct resource *r = script_resource(&t, RECORDS);
    pretend_there(r, "A", "192.0.2.1");
    _cleanup_json_ cJSON *batches = route53_batches(r, ZONE, json_get(r->want, "Records"));
    assert_true(json_count(batches) > 1);
    for (size_t i = 0; i < 400; i++) {
        _cleanup_free_ char *name = xasprintf("n%zu." OWN, i);
        _cleanup_free_ char *old = xasprintf("_berth-a.%s", name);
        _cleanup_free_ char *new = xasprintf("_berth-cname.%s", name);
        size_t in = batch_of(batches, "DELETE", name, "A");
        assert_int_equal(in, batch_of(batches, "CREATE", name, "CNAME"));
        assert_int_equal(in, batch_of(batches, "DELETE", old, "TXT"));
        assert_int_equal(in, batch_of(batches, "CREATE", new, "TXT"));
    }
    const cJSON *batch, *change;
    cJSON_ArrayForEach (batch, batches) {
        assert_batch_fits(batch);
        bool creating = false;
        cJSON_ArrayForEach (change, batch) {
            bool deletes = strcmp(json_str(change, "Action"), "DELETE") == 0;
            assert_false(deletes && creating);
            creating = !deletes;
        }
    }
    script_close(&t);
}

/* Each counts twice: of 600 no batch may have more than 500. */
static void what_is_changed_counts_twice(void **state)
{
    (void)state;
    _cleanup_free_ char *spec = spec_with_many(600, "A", "192.0.2.1");
    struct script t;
    script_open(&t, spec, NULL);
    struct resource *r = script_resource(&t, RECORDS);
    pretend_there(r, "A", "192.0.2.2");
    _cleanup_json_ cJSON *batches = route53_batches(r, ZONE, json_get(r->want, "Records"));
    assert_int_equal(json_count(batches), 2);
    assert_int_equal(json_count(json_at(batches, "0")), 500);
    assert_int_equal(json_count(json_at(batches, "1")), 100);
    script_close(&t);
}

/* 40 texts of 1,000 characters. */
static void the_characters_of_values_count(void **state)
{
    (void)state;
    char value[1001];
    memset(value, 'x', 1000);
    value[1000] = '\0';
    _cleanup_free_ char *spec = spec_with_many(40, "TXT", value);
    struct script t;
    script_open(&t, spec, NULL);
    struct resource *r = script_resource(&t, RECORDS);
    _cleanup_json_ cJSON *batches = route53_batches(r, ZONE, json_get(r->want, "Records"));
    assert_int_equal(json_count(batches), 2);
    assert_batch_fits(json_at(batches, "0"));
    assert_batch_fits(json_at(batches, "1"));
    script_close(&t);
}

/* Somebody waits for them all: only when the last has arrived are they ready. */
static void every_batch_is_awaited(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        { .call = "route53:ListHostedZonesByName",
          .answer = "{\"HostedZones\":[{\"Id\":\"/hostedzone/Z1\",\"Name\":\"" ZONE ".\","
                    "\"Config\":{\"PrivateZone\":false}}]}" },
        { .call = "route53:ListResourceRecordSets",
          .answer = "{\"IsTruncated\":false,\"ResourceRecordSets\":[]}" },
        { .call = "route53:ChangeResourceRecordSets",
          .answer = "{\"ChangeInfo\":{\"Id\":\"/change/C1\",\"Status\":\"PENDING\"}}" },
        { .call = "route53:ChangeResourceRecordSets",
          .answer = "{\"ChangeInfo\":{\"Id\":\"/change/C2\",\"Status\":\"PENDING\"}}" },
        { .call = "route53:GetChange", .answer = "{\"ChangeInfo\":{\"Status\":\"PENDING\"}}" },
        { .call = "route53:GetChange", .answer = "{\"ChangeInfo\":{\"Status\":\"INSYNC\"}}" },
        { .call = "route53:GetChange", .answer = "{\"ChangeInfo\":{\"Status\":\"INSYNC\"}}" },
        { 0 },
    };
    _cleanup_free_ char *spec = spec_with_many(300, "A", "192.0.2.1");
    struct script t;
    script_open(&t, spec, rows);
    script_discover(&t, "route53.zone/" ZONE);
    script_discover(&t, RECORDS);
    struct resource *r = script_target(&t, RECORDS);
    struct resource *waiting = script_resource(&t, "logs.group/logs");
    waiting->needs = xrealloc_array(waiting->needs, waiting->n_needs + 1, sizeof(struct need));
    waiting->needs[waiting->n_needs++] =
        (struct need){ .resource = r, .kind = NEED_READY, .address = xstrdup(RECORDS) };
    assert_int_equal(r->type->create(t.s, r, &t.err), 0);
    assert_int_equal(script_count(&t, "route53:ChangeResourceRecordSets"), 2);
    _cleanup_strbuf_ struct strbuf why = STRBUF_INIT;
    script_observe(&t, RECORDS); /* C1 is on its way, C2 has arrived */
    assert_int_equal(r->type->judge(r, &why), WAITING);
    script_observe(&t, RECORDS);
    assert_string_equal(json_str(script_input(&t, "route53:GetChange", 2), "Id"), "C1");
    assert_int_equal(r->type->judge(r, &why), READY);
    script_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_that_is_too_large_is_split),
        cmocka_unit_test(what_takes_the_place_of_another_comes_with_it),
        cmocka_unit_test(what_is_changed_counts_twice),
        cmocka_unit_test(the_characters_of_values_count),
        cmocka_unit_test(every_batch_is_awaited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
