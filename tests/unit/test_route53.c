/* SPDX-License-Identifier: MIT */
/* DNS records: names, owners, and what brings a zone to what a spec wants. */
#include "tests/unit/awsscript.h"

#include <setjmp.h>
#include <cmocka.h>

#include "drivers/route53.h"

#define ZONE    "example.net"
#define RECORDS "route53.records/" ZONE
#define OWN     "8527fec8." ZONE
#define OWNER                                                                                      \
    "\\\"heritage=berth,Environment=automation-8527fec8,berth:project=77,berth:ref=dev/feature/"   \
    "login,berth:name=web\\\""
#define ZONES_ROW                                                                                  \
    {                                                                                              \
        .call = "route53:ListHostedZonesByName",                                                   \
        .answer = "{\"HostedZones\":[{\"Id\":\"/hostedzone/Z1\",\"Name\":\"" ZONE ".\","           \
                  "\"Config\":{\"PrivateZone\":false}}]}"                                          \
    }
#define LIST_ROW(sets)                                                                             \
    {                                                                                              \
        .call = "route53:ListResourceRecordSets",                                                  \
        .answer = "{\"IsTruncated\":false,\"ResourceRecordSets\":[" sets "]}"                      \
    }
#define A_SET(value)                                                                               \
    "{\"Name\":\"" OWN ".\",\"Type\":\"A\",\"TTL\":300,\"ResourceRecords\":[{\"Value\":\"" value   \
    "\"}]}"
#define OWNER_SET                                                                                  \
    "{\"Name\":\"_berth-a." OWN ".\",\"Type\":\"TXT\",\"TTL\":300,\"ResourceRecords\":[{"          \
    "\"Value\":\"" OWNER "\"}]}"
#define CHANGE_ROW                                                                                 \
    {                                                                                              \
        .call = "route53:ChangeResourceRecordSets",                                                \
        .answer = "{\"ChangeInfo\":{\"Id\":\"/change/C1\",\"Status\":\"PENDING\"}}"                \
    }

static char *spec_with(const char *records)
{
    cJSON *spec = cJSON_Parse(script_spec);
    json_put(spec, "records", cJSON_Parse(records));
    char *text = json_print(spec);
    cJSON_Delete(spec);
    return text;
}

/* Opens a script of a spec with one record, and reads zone and records. */
static struct resource *open_one(struct script *t, const struct script_row *rows)
{
    _cleanup_free_ char *spec =
        spec_with("{\"web\":{\"name\":\"" OWN "\",\"type\":\"A\",\"values\":[\"192.0.2.1\"]}}");
    script_open(t, spec, rows);
    script_discover(t, "route53.zone/" ZONE);
    script_discover(t, RECORDS);
    return script_target(t, RECORDS);
}

static const cJSON *changes_sent(struct script *t, size_t i)
{
    const cJSON *input = script_input(t, "route53:ChangeResourceRecordSets", i);
    assert_string_equal(json_str(input, "HostedZoneId"), "Z1");
    return json_at(input, "ChangeBatch/Changes");
}

static void names_have_one_form(void **state)
{
    (void)state;
    static const char *const names[][2] = {
        { "\\052.Example.NET.", "*.example.net" },
        { "a", "a" },
        { ".", "" },
        { "\\101b\\", "ab\\" },
        { "", "" },
        { "a\\09.x", "a\\09.x" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        _cleanup_free_ char *name = dns_name(names[i][0]);
        assert_string_equal(name, names[i][1]);
    }
    assert_true(dns_name_in("a.b", "b") && dns_name_in("b", "b"));
    assert_false(dns_name_in("ab", "b") || dns_name_in("b", "a.b"));
}

static void expect_text(const char *text, const char *value)
{
    _cleanup_free_ char *written = dns_txt_write(text);
    assert_string_equal(written, value);
    _cleanup_free_ char *read = dns_txt_read(written);
    assert_string_equal(read, text);
}

static void texts_survive_their_quotes(void **state)
{
    (void)state;
    expect_text("plain", "\"plain\"");
    expect_text("", "\"\"");
    expect_text("a \"b\" \\c", "\"a \\\"b\\\" \\\\c\"");
    expect_text("\xc3\xbc", "\"\\303\\274\"");
    char text[300], value[310];
    memset(text, 'x', 299);
    text[299] = '\0';
    snprintf(value, sizeof(value), "\"%.255s\" \"%s\"", text, text + 255);
    expect_text(text, value);
}

static void zones_are_found_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *record, *limits, *zone;
    } rows[] = {
        { "{\"name\":\"8527fec8.a.net\"}", "{}", "a.net" },
        { "{\"name\":\"*.x.8527fec8.b.a.net\"}", "{}", "b.a.net" },
        { "{\"name\":\"mail-8527fec8.a.net\"}", "{}", "a.net" },
        { "{\"name\":\"x8527fec8.a.net\"}", "{}", "a.net" },
        { "{\"name\":\"www.b.a.net\"}", "{\"zones\":[\"net\",\"a.net\",\"c.net\"]}", "a.net" },
        { "{\"name\":\"www.b.a.net\"}", "{\"zones\":[\"*.net\"]}", "b.a.net" },
        { "{\"name\":\"www.b.a.net\",\"zone\":\"Net.\"}", "{\"zones\":[\"a.net\"]}", "net" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        _cleanup_json_ cJSON *record = cJSON_Parse(rows[i].record);
        _cleanup_json_ cJSON *limits = cJSON_Parse(rows[i].limits);
        _cleanup_free_ char *zone = route53_zone_name(record, limits, "8527fec8");
        assert_string_equal(zone, rows[i].zone);
    }
}

static void owners_lie_beneath_the_environments_name(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        { OWN " A", "_berth-a." OWN },
        { "*." OWN " CNAME", "_berth-cname.*." OWN },
        { "www." ZONE " AAAA", "_berth-aaaa.www._zone." OWN },
        { ZONE " MX", "_berth-mx._zone." OWN },
    };
    struct script t;
    script_open(&t, script_spec, NULL);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        _cleanup_free_ char *name = owner_name(t.g, ZONE, rows[i][0]);
        assert_string_equal(name, rows[i][1]);
        _cleanup_free_ char *key = owner_key(t.g, ZONE, name);
        assert_string_equal(key, rows[i][0]);
    }
    assert_null(owner_key(t.g, ZONE, "_berth-a.other." ZONE));
    assert_null(owner_key(t.g, ZONE, "_berth-a"));
    _cleanup_free_ char *text = owner_text(t.g, "web");
    assert_true(owner_is_us(t.g, text));
    assert_false(owner_is_us(t.g, "heritage=external-dns,Environment=automation-8527fec8"));
    assert_false(owner_is_us(t.g, "heritage=berth,Environment=automation-8527fec8"));
    assert_true(owner_is_us(t.g, "heritage=berth,Environment=automation-8527fec8,"
                                 "berth:project=77,berth:ref=dev/feature/login,berth:name=x"));
    assert_false(owner_is_us(t.g, "heritage=berth,Environment=automation-master,"
                                  "berth:project=77,berth:ref=master,berth:name=x"));
    script_close(&t);
}

static void what_is_missing_is_created_with_its_owner(void **state)
{
    (void)state;
    static const struct script_row rows[] = { ZONES_ROW, LIST_ROW(""), CHANGE_ROW, { 0 } };
    struct script t;
    struct resource *r = open_one(&t, rows);
    assert_null(r->have);
    assert_int_equal(r->type->create(t.s, r, &t.err), 0);
    assert_json(changes_sent(&t, 0),
                "[{\"Action\":\"CREATE\",\"ResourceRecordSet\":{\"Name\":\"" OWN
                "\",\"Type\":\"A\",\"TTL\":300,\"ResourceRecords\":[{\"Value\":\"192.0.2.1\"}]}},"
                "{\"Action\":\"CREATE\",\"ResourceRecordSet\":{\"Name\":\"_berth-a." OWN
                "\",\"Type\":\"TXT\",\"TTL\":300,\"ResourceRecords\":[{\"Value\":\"" OWNER
                "\"}]}}]");
    _cleanup_strbuf_ struct strbuf why = STRBUF_INIT;
    assert_int_equal(r->type->judge(r, &why), READY); /* nothing needs it */
    script_close(&t);
}

static void what_somebody_needs_is_awaited(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        ZONES_ROW,
        LIST_ROW(""),
        CHANGE_ROW,
        { .call = "route53:GetChange", .answer = "{\"ChangeInfo\":{\"Status\":\"PENDING\"}}" },
        { .call = "route53:GetChange", .answer = "{\"ChangeInfo\":{\"Status\":\"INSYNC\"}}" },
        { 0 },
    };
    struct script t;
    struct resource *r = open_one(&t, rows);
    assert_ptr_equal(graph_find(t.g, "records"), r); /* ${records.web} is its name */
    assert_string_equal(resource_output(r->graph, "records", "web"), OWN);
    struct resource *waiting = script_resource(&t, "logs.group/logs");
    waiting->needs = xrealloc_array(waiting->needs, waiting->n_needs + 1, sizeof(struct need));
    waiting->needs[waiting->n_needs++] =
        (struct need){ .resource = r, .kind = NEED_READY, .address = xstrdup(RECORDS) };
    assert_int_equal(r->type->create(t.s, r, &t.err), 0);
    _cleanup_strbuf_ struct strbuf why = STRBUF_INIT;
    assert_int_equal(r->type->judge(r, &why), WAITING);
    script_observe(&t, RECORDS);
    assert_string_equal(json_str(script_input(&t, "route53:GetChange", 0), "Id"), "C1");
    assert_int_equal(r->type->judge(r, &why), WAITING);
    script_observe(&t, RECORDS);
    assert_int_equal(r->type->judge(r, &why), READY);
    script_close(&t);
}

/* What stands in the zone is deleted as it was read, whatever it is. */
static void what_is_ours_goes_exactly_as_it_was_read(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        ZONES_ROW,
        LIST_ROW(A_SET("192.0.2.7") "," OWNER_SET ",{\"Name\":\"x." OWN
                                    ".\",\"Type\":\"A\",\"TTL\":1,"
                                    "\"ResourceRecords\":[{\"Value\":\"192.0.2.8\"}]}"),
        CHANGE_ROW,
        { 0 },
    };
    struct script t;
    struct resource *r = open_one(&t, rows);
    assert_int_equal(r->type->remove(t.s, r, &t.err), 0);
    assert_json(changes_sent(&t, 0),
                "[{\"Action\":\"DELETE\",\"ResourceRecordSet\":" A_SET(
                    "192.0.2.7") "},{\"Action\":\"DELETE\",\"ResourceRecordSet\":" OWNER_SET "}]");
    script_close(&t);
}

static void a_batch_that_no_longer_fits_is_made_anew(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        ZONES_ROW,
        LIST_ROW(A_SET("192.0.2.7") "," OWNER_SET),
        LIST_ROW(OWNER_SET),
        { .call = "route53:ChangeResourceRecordSets",
          .class = ERR_NOT_FOUND,
          .code = "InvalidChangeBatch",
          .message = "Tried to delete ... but it was not found" },
        CHANGE_ROW,
        { 0 },
    };
    struct script t;
    struct resource *r = open_one(&t, rows);
    assert_int_equal(r->type->update(t.s, r, &t.err), 0);
    assert_string_equal(json_str_at(changes_sent(&t, 0), "0/Action"), "UPSERT");
    assert_string_equal(json_str_at(changes_sent(&t, 1), "0/Action"), "CREATE");
    assert_int_equal(json_count(changes_sent(&t, 1)), 1);
    script_close(&t);
}

static void what_came_in_between_is_a_conflict(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        ZONES_ROW,
        LIST_ROW(""),
        LIST_ROW(A_SET("192.0.2.7")),
        { .call = "route53:ChangeResourceRecordSets",
          .class = ERR_EXISTS,
          .code = "InvalidChangeBatch",
          .message = "already exists" },
        { 0 },
    };
    struct script t;
    struct resource *r = open_one(&t, rows);
    assert_int_equal(r->type->create(t.s, r, &t.err), -1);
    assert_int_equal(t.err.class, ERR_CONFLICT);
    assert_non_null(strstr(t.err.message, "DNS record '" OWN " A' (without our TXT record "
                                          "'_berth-a." OWN "')"));
    script_close(&t);
}

static void an_alias_follows_what_it_names(void **state)
{
    (void)state;
    _cleanup_free_ char *spec =
        spec_with("{\"web\":{\"name\":\"" OWN "\",\"alias\":{\"DNSName\":\"LB.elb.amazonaws.com.\","
                  "\"HostedZoneId\":\"Z9\"}}}");
    struct script t;
    script_open(&t, spec, NULL);
    const cJSON *want = json_get(json_get(script_resource(&t, RECORDS)->want, "Records"), OWN " A");
    assert_json(json_get(want, "AliasTarget"),
                "{\"HostedZoneId\":\"Z9\",\"DNSName\":\"lb.elb.amazonaws.com\","
                "\"EvaluateTargetHealth\":true}");
    assert_null(json_get(want, "TTL"));
    assert_null(route53_url(t.g));
    script_close(&t);
}

static void addresses_are_compared_as_such(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        ZONES_ROW,
        LIST_ROW("{\"Name\":\"" OWN ".\",\"Type\":\"AAAA\",\"TTL\":300,\"ResourceRecords\":["
                 "{\"Value\":\"2001:db8::2\"},{\"Value\":\"2001:DB8:0:0::1\"}]},"
                 "{\"Name\":\"_berth-aaaa." OWN ".\",\"Type\":\"TXT\",\"TTL\":300,"
                 "\"ResourceRecords\":[{\"Value\":\"" OWNER "\"}]}"),
        { 0 },
    };
    _cleanup_free_ char *spec = spec_with("{\"web\":{\"name\":\"" OWN "\",\"type\":\"AAAA\","
                                          "\"values\":[\"2001:0db8::0001\",\"2001:db8:0::2\"]}}");
    struct script t;
    script_open(&t, spec, rows);
    script_discover(&t, "route53.zone/" ZONE);
    script_discover(&t, RECORDS);
    struct resource *r = script_target(&t, RECORDS);
    assert_true(json_equal(r->want, r->have));
    _cleanup_json_ cJSON *batches = route53_batches(r, ZONE, json_get(r->want, "Records"));
    assert_int_equal(json_count(batches), 0);
    script_close(&t);
}

/* Of the names that the limits list every zone is looked into, public or private. */
static void zones_of_the_limits_are_all_found(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        { .call = "route53:ListHostedZonesByName",
          .answer = "{\"HostedZones\":["
                    "{\"Id\":\"/hostedzone/Z1\",\"Name\":\"" ZONE ".\","
                    "\"Config\":{\"PrivateZone\":false}},"
                    "{\"Id\":\"/hostedzone/Z2\",\"Name\":\"" ZONE ".\","
                    "\"Config\":{\"PrivateZone\":true}},"
                    "{\"Id\":\"/hostedzone/Z3\",\"Name\":\"" ZONE ".\","
                    "\"Config\":{\"PrivateZone\":true}},"
                    "{\"Id\":\"/hostedzone/Z4\",\"Name\":\"other.net.\","
                    "\"Config\":{\"PrivateZone\":true}}]}" },
        LIST_ROW(A_SET("192.0.2.7") "," OWNER_SET),
        { 0 },
    };
    static const char *const orphans[] = { ZONE " (Z2)", ZONE " (Z3)" };
    struct script t;
    _cleanup_free_ char *spec =
        spec_with("{\"web\":{\"name\":\"" OWN "\",\"type\":\"A\",\"values\":[\"192.0.2.1\"]}}");
    script_open(&t, spec, rows);
    _cleanup_json_ cJSON *limits = cJSON_Parse("{\"zones\":[\"" ZONE "\",\"*.example.org\"]}");
    t.g->context.limits = limits;
    script_discover(&t, "route53.zone/" ZONE);
    script_discover(&t, RECORDS);
    assert_int_equal(script_count(&t, "route53:ListHostedZonesByName"), 1);
    assert_non_null(script_resource(&t, RECORDS)->have);
    for (size_t i = 0; i < ARRAY_SIZE(orphans); i++) {
        struct resource *r = graph_find_name(t.g, &route53_records_type, orphans[i]);
        assert_true(r != NULL && r->want == NULL && r->have != NULL && resource_is_ours(r));
        script_observe(&t, r->address);
    }
    assert_int_equal(script_count(&t, "route53:ListResourceRecordSets"), 5);
    script_close(&t);
}

static void nonsense_is_refused(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        { "{\"name\":\"www.example.net\",\"type\":\"A\",\"values\":[\"192.0.2.1\"]}",
          "records.web.name: 'www.example.net' is not this environment's own" },
        { "{\"name\":\"_berth-a.8527fec8.example.net\",\"type\":\"A\",\"values\":[\"192.0.2.1\"]}",
          "names that begin with '_berth-'" },
        { "{\"name\":\"8527fec8..net\",\"type\":\"A\",\"values\":[\"192.0.2.1\"]}", "no DNS name" },
        { "{\"name\":\"" OWN "\",\"type\":\"CNAME\",\"alias\":\"loadBalancer\"}",
          "an alias has the type of what it leads to" },
        { "{\"name\":\"" OWN "\",\"ttl\":5,\"alias\":\"loadBalancer\"}", "its target's 'ttl'" },
        { "{\"name\":\"" OWN "\",\"values\":[\"192.0.2.1\"]}", "records.web.type: is missing" },
        { "{\"name\":\"" OWN "\",\"type\":\"AAAA\",\"values\":[\"192.0.2.1\"]}",
          "'192.0.2.1' is no IPv6 address" },
        { "{\"name\":\"" OWN "\",\"type\":\"A\",\"alias\":\"loadBalancr\"}", "loadBalancr" },
        { "{\"name\":\"" OWN "\",\"type\":\"AAAA\",\"values\":[\"2001:db8::1\",\"2001:DB8:0::1\"]}",
          "records.web.values: '2001:db8::1' and '2001:DB8:0::1' are one address" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        _cleanup_free_ char *records = xasprintf("{\"web\":%s}", rows[i][0]);
        _cleanup_free_ char *spec = spec_with(records);
        _cleanup_free_ char *said = script_refused(spec);
        assert_non_null(said);
        if (strstr(said, rows[i][1]) == NULL)
            fail_msg("'%s' is not in '%s'", rows[i][1], said);
    }
}

#define ZONE_OF(id, name, more)                                                                    \
    "{\"Id\":\"/hostedzone/" id "\",\"Name\":\"" name                                              \
    ".\",\"Config\":{\"PrivateZone\":false}" more "}"

static const struct script_row zones_page_1 = {
    .call = "route53:ListHostedZonesByName",
    .answer = "{\"HostedZones\":[" ZONE_OF(
        "Z9", "example.com",
        "") "],\"IsTruncated\":true,"
            "\"NextDNSName\":\"example.net.\",\"NextHostedZoneId\":\"/hostedzone/Z1\"}"
};
static const struct script_row zones_page_2 = {
    .call = "route53:ListHostedZonesByName",
    .answer = "{\"HostedZones\":[" ZONE_OF("Z1", ZONE, "") "," ZONE_OF(
        "Z2", "a.local",
        ",\"LinkedService\":{\"ServicePrincipal\":\"servicediscovery.amazonaws.com\"}") "],"
                                                                                        "\"IsTrunca"
                                                                                        "ted\":"
                                                                                        "false}"
};

/* Which zones a teardown looks into is the limits' to say: no spec does. */
static void a_teardown_looks_into_every_zone_that_the_limits_let_be(void **state)
{
    (void)state;
    static const struct {
        const char *limits;
        size_t zones;
        const char *first;
    } cases[] = {
        { "{\"zones\":[\"*.net\"]}", 1, ZONE },
        { "{}", 2, "example.com" },
        { "{\"zones\":[]}", 0, NULL },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        static const struct script_row last = LIST_ROW("");
        const struct script_row rows[] = { zones_page_1, zones_page_2, last, { 0 } };
        struct script t;
        script_open_teardown(&t, rows);
        _cleanup_json_ cJSON *limits = cJSON_Parse(cases[i].limits);
        t.g->context.limits = limits;
        script_find(&t, "route53.zone");
        assert_int_equal(t.g->n, cases[i].zones);
        if (cases[i].first != NULL) {
            assert_string_equal(t.g->v[0]->name, cases[i].first);
            const cJSON *second = script_input(&t, "route53:ListHostedZonesByName", 1);
            assert_string_equal(json_str(second, "HostedZoneId"), "Z1");
        }
        script_find(&t, "route53.records");
        assert_int_equal(script_count(&t, "route53:ListResourceRecordSets"), cases[i].zones);
        script_close(&t);
    }
}

#define OTHERS_SET                                                                                 \
    "{\"Name\":\"x." OWN ".\",\"Type\":\"A\",\"TTL\":300,\"ResourceRecords\":[{\"Value\":"         \
    "\"192.0.2.9\"}]}"

static void a_teardown_removes_what_has_our_owner_alone(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        ZONES_ROW,
        LIST_ROW(A_SET("192.0.2.1") "," OWNER_SET "," OTHERS_SET),
        CHANGE_ROW,
        { 0 },
    };
    struct script t;
    script_open_teardown(&t, rows);
    _cleanup_json_ cJSON *limits = cJSON_Parse("{\"zones\":[\"" ZONE "\"]}");
    t.g->context.limits = limits;
    script_find(&t, "route53.zone");
    script_find(&t, "route53.records");
    struct resource *r = script_resource(&t, RECORDS);
    assert_true(r->have != NULL && resource_is_ours(r));
    assert_int_equal(t.g->warnings.n, 1);
    assert_string_equal(t.g->warnings.v[0],
                        "not this environment's, and left alone: DNS record 'x." OWN
                        " A' of zone '" ZONE "', which has no TXT record of ours");
    assert_int_equal(r->type->remove(t.s, r, &t.err), 0);
    const cJSON *changes = changes_sent(&t, 0);
    assert_int_equal(json_count(changes), 2);
    assert_string_equal(json_str_at(changes, "0/Action"), "DELETE");
    assert_string_equal(json_str_at(changes, "0/ResourceRecordSet/Name"), OWN ".");
    assert_string_equal(json_str_at(changes, "1/ResourceRecordSet/Name"), "_berth-a." OWN ".");
    script_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_have_one_form),
        cmocka_unit_test(texts_survive_their_quotes),
        cmocka_unit_test(zones_are_found_by_name),
        cmocka_unit_test(owners_lie_beneath_the_environments_name),
        cmocka_unit_test(what_is_missing_is_created_with_its_owner),
        cmocka_unit_test(what_somebody_needs_is_awaited),
        cmocka_unit_test(what_is_ours_goes_exactly_as_it_was_read),
        cmocka_unit_test(a_batch_that_no_longer_fits_is_made_anew),
        cmocka_unit_test(what_came_in_between_is_a_conflict),
        cmocka_unit_test(an_alias_follows_what_it_names),
        cmocka_unit_test(addresses_are_compared_as_such),
        cmocka_unit_test(zones_of_the_limits_are_all_found),
        cmocka_unit_test(a_teardown_looks_into_every_zone_that_the_limits_let_be),
        cmocka_unit_test(a_teardown_removes_what_has_our_owner_alone),
        cmocka_unit_test(nonsense_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
