/* SPDX-License-Identifier: MIT */
#include "tests/unit/awsscript.h"

#include <setjmp.h>
#include <cmocka.h>

#include "drivers/cloudmap.h"

#define SERVICE "cloudmap.service/api"
#define VPC_ROW                                                                                    \
    {                                                                                              \
        .call = "ec2:DescribeVpcs",                                                                \
        .answer = "{\"Vpcs\":[{\"VpcId\":\"vpc-1\",\"CidrBlock\":\"10.2.0.0/16\"}]}"               \
    }
#define OPERATION(status)                                                                          \
    {                                                                                              \
        .call = "servicediscovery:GetOperation",                                                   \
        .answer = "{\"Operation\":{\"Status\":\"" status "\",\"ErrorCode\":\"ACCESS_DENIED\","     \
                  "\"ErrorMessage\":\"no\",\"Targets\":{\"NAMESPACE\":\"ns-1\"}}}"                 \
    }
#define CREATED                                                                                    \
    {                                                                                              \
        .call = "servicediscovery:CreatePrivateDnsNamespace",                                      \
        .answer = "{\"OperationId\":\"op-1\"}"                                                     \
    }
#define DUPLICATE                                                                                  \
    {                                                                                              \
        .call = "servicediscovery:CreatePrivateDnsNamespace", .class = ERR_BUSY,                   \
        .code = "DuplicateRequest"                                                                 \
    }

static enum readiness judge(const struct resource *r)
{
    _cleanup_strbuf_ struct strbuf why = STRBUF_INIT;
    return r->type->judge(r, &why);
}

static void a_namespace_is_awaited(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        VPC_ROW, CREATED, OPERATION("PENDING"), OPERATION("PENDING"), OPERATION("SUCCESS"), { 0 },
    };
    struct script t;
    script_open(&t, script_spec, rows);
    script_observe(&t, "ec2.vpc/network");
    struct resource *r = script_target(&t, CLOUDMAP_NAMESPACE);
    assert_int_equal(r->type->create(t.s, r, &t.err), 0);
    const cJSON *input = script_input(&t, "servicediscovery:CreatePrivateDnsNamespace", 0);
    assert_string_equal(json_str(input, "Name"), "automation-8527fec8.local");
    assert_string_equal(json_str(input, "Vpc"), "vpc-1");
    /* echo -en 'automation-8527fec8\nautomation-8527fec8.local\nvpc-1' | sha256sum */
    assert_string_equal(json_str(input, "CreatorRequestId"), "berth-77-6f6b4bddbea2faadb40e");
    assert_int_equal(json_count(json_get(input, "Tags")), 5); /* whose it is, and its VPC */
    assert_int_equal(judge(r), WAITING);
    script_observe(&t, CLOUDMAP_NAMESPACE);
    assert_int_equal(judge(r), WAITING);
    script_observe(&t, CLOUDMAP_NAMESPACE);
    assert_int_equal(judge(r), READY);
    assert_string_equal(json_str(r->outputs, "Id"), "ns-1");
    script_close(&t);
}

static void a_description_is_put_back(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        VPC_ROW,
        { .call = "servicediscovery:ListNamespaces",
          .answer = "{\"Namespaces\":[{\"Id\":\"ns-1\",\"Name\":\"automation-8527fec8.local\","
                    "\"Arn\":\"b\",\"Description\":\"by hand\"}]}" },
        { .call = "servicediscovery:ListTagsForResource", .answer = "{\"Tags\":[]}" },
        { .call = "servicediscovery:UpdatePrivateDnsNamespace",
          .answer = "{\"OperationId\":\"op-1\"}" },
        OPERATION("SUCCESS"),
        { 0 },
    };
    struct script t;
    script_open(&t, script_spec, rows);
    script_observe(&t, "ec2.vpc/network");
    script_discover(&t, CLOUDMAP_NAMESPACE);
    struct resource *r = script_target(&t, CLOUDMAP_NAMESPACE);
    assert_string_equal(json_str(r->have, "Description"), "by hand");
    assert_int_equal(r->type->update(t.s, r, &t.err), 0);
    assert_json(script_input(&t, "servicediscovery:UpdatePrivateDnsNamespace", 0),
                "{\"Id\":\"ns-1\",\"Namespace\":{\"Description\":\"\"}}");
    assert_int_equal(judge(r), WAITING);
    script_observe(&t, CLOUDMAP_NAMESPACE);
    assert_int_equal(judge(r), READY);
    assert_string_equal(json_str(r->outputs, "Id"), "ns-1");
    script_close(&t);
}

static void a_failed_operation_says_why(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        CREATED, OPERATION("PENDING"), OPERATION("FAIL"), { 0 }
    };
    struct script t;
    script_open(&t, script_spec, rows);
    struct resource *r = script_target(&t, CLOUDMAP_NAMESPACE);
    json_put_str(r->target, "Vpc", "vpc-1");
    assert_int_equal(r->type->create(t.s, r, &t.err), 0);
    script_observe(&t, CLOUDMAP_NAMESPACE);
    _cleanup_strbuf_ struct strbuf why = STRBUF_INIT;
    assert_int_equal(r->type->judge(r, &why), FAILED);
    assert_string_equal(why.buf, "the creation of the namespace failed: ACCESS_DENIED: no");
    script_close(&t);
}

static void a_duplicate_request_is_waited_for_or_made_anew(void **state)
{
    (void)state;
    static const struct script_row pending[] = {
        DUPLICATE,
        { .call = "servicediscovery:ListOperations",
          .answer = "{\"Operations\":[{\"Id\":\"op-0\",\"Status\":\"PENDING\"}]}" },
        { 0 },
    };
    struct script t;
    script_open(&t, script_spec, pending);
    struct resource *r = script_target(&t, CLOUDMAP_NAMESPACE);
    json_put_str(r->target, "Vpc", "vpc-1");
    assert_int_equal(r->type->create(t.s, r, &t.err), -1);
    assert_int_equal(t.err.class, ERR_BUSY);
    assert_int_equal(script_count(&t, "servicediscovery:CreatePrivateDnsNamespace"), 1);
    script_close(&t);

    /* Nothing is going on: the id is that of a namespace that was deleted since. */
    static const struct script_row stale[] = {
        DUPLICATE,
        CREATED,
        { .call = "servicediscovery:ListOperations", .answer = "{\"Operations\":[]}" },
        { 0 },
    };
    script_open(&t, script_spec, stale);
    r = script_target(&t, CLOUDMAP_NAMESPACE);
    json_put_str(r->target, "Vpc", "vpc-1");
    assert_int_equal(r->type->create(t.s, r, &t.err), 0);
    const char *id = json_str(script_input(&t, "servicediscovery:CreatePrivateDnsNamespace", 1),
                              "CreatorRequestId");
    assert_true(str_starts(id, "berth-77-6f6b4bddbea2faadb40e-2"));
    assert_true(strlen(id) <= 64);
    script_close(&t);
}

/* An id that Cloud Map knows leads to what it did for it before, though that is long gone. */
static void an_operation_of_an_earlier_time_is_not_taken(void **state)
{
    (void)state;
    static const struct script_row rows[][5] = {
        { CREATED,
          OPERATION("SUCCESS"),
          { .call = "servicediscovery:ListNamespaces",
            .answer = "{\"Namespaces\":[{\"Id\":\"ns-2\",\"Name\":\"n\"}]}" },
          { .call = "servicediscovery:CreatePrivateDnsNamespace",
            .answer = "{\"OperationId\":\"op-2\"}" } },
        { CREATED,
          OPERATION("FAIL"),
          { .call = "servicediscovery:CreatePrivateDnsNamespace",
            .answer = "{\"OperationId\":\"op-2\"}" } },
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct script t;
        script_open(&t, script_spec, rows[i]);
        struct resource *r = script_target(&t, CLOUDMAP_NAMESPACE);
        json_put_str(r->target, "Vpc", "vpc-1");
        assert_int_equal(r->type->create(t.s, r, &t.err), 0);
        assert_string_equal(json_str(r->memo, "operation"), "op-2");
        assert_int_equal(judge(r), WAITING);
        script_close(&t);
    }
}

#define FOUND_ROWS                                                                                 \
    VPC_ROW,                                                                                       \
        { .call = "servicediscovery:ListNamespaces",                                               \
          .answer = "{\"Namespaces\":[{\"Id\":\"ns-0\",\"Name\":\"other.local\",\"Arn\":\"a\"},"   \
                    "{\"Id\":\"ns-1\",\"Name\":\"automation-8527fec8.local\",\"Arn\":\"b\"}]}" },  \
        { .call = "servicediscovery:ListTagsForResource",                                          \
          .answer = "{\"Tags\":" OUR_TAGS("Key", "Value") "}" },                                   \
    {                                                                                              \
        .call = "servicediscovery:ListServices",                                                   \
        .answer = "{\"Services\":[{\"Id\":\"srv-1\",\"Arn\":\"arn-1\",\"Name\":"                   \
                  "\"api-automation-8527fec8\",\"Type\":\"DNS_HTTP\",\"DnsConfig\":"               \
                  "{\"RoutingPolicy\":\"MULTIVALUE\",\"DnsRecords\":[{\"Type\":\"A\",\"TTL\":60}]" \
                  "},\"HealthCheckCustomConfig\":{\"FailureThreshold\":1}},"                       \
                  "{\"Id\":\"srv-2\",\"Arn\":\"arn-2\",\"Name\":\"old-automation-8527fec8\"}]}"    \
    }

static void services_are_those_of_our_namespace(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        FOUND_ROWS,
        { .call = "servicediscovery:UpdateService", .answer = "{\"OperationId\":\"op-2\"}" },
        OPERATION("SUCCESS"),
        { 0 },
    };
    struct script t;
    script_open(&t, script_spec, rows);
    script_observe(&t, "ec2.vpc/network");
    script_discover(&t, CLOUDMAP_NAMESPACE);
    assert_int_equal(script_count(&t, "servicediscovery:ListTagsForResource"), 1);
    struct resource *namespace = script_target(&t, CLOUDMAP_NAMESPACE);
    assert_true(json_equal(namespace->have, namespace->target));
    script_discover(&t, SERVICE);
    assert_json(script_input(&t, "servicediscovery:ListServices", 0),
                "{\"Filters\":[{\"Name\":\"NAMESPACE_ID\",\"Values\":[\"ns-1\"]}]}");
    assert_non_null(graph_find(t.g, "cloudmap.service/old"));

    /* Only the records' TTL differs: all of them are sent, nothing else can be. */
    struct resource *r = script_target(&t, SERVICE);
    assert_int_equal(r->type->update(t.s, r, &t.err), 0);
    assert_json(script_input(&t, "servicediscovery:UpdateService", 0),
                "{\"Id\":\"srv-1\",\"Service\":{\"DnsConfig\":{\"DnsRecords\":"
                "[{\"Type\":\"A\",\"TTL\":10}]}}}");
    assert_int_equal(judge(r), WAITING);
    script_observe(&t, SERVICE);
    assert_int_equal(judge(r), READY);
    assert_string_equal(json_str(r->outputs, "Arn"), "arn-1");
    script_close(&t);
}

static void instances_go_before_their_service(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        { .call = "servicediscovery:DeleteService", .class = ERR_BUSY, .code = "ResourceInUse" },
        { .call = "servicediscovery:ListInstances", .answer = "{\"Instances\":[{\"Id\":\"i\"}]}" },
        { .call = "servicediscovery:DeregisterInstance", .answer = "{\"OperationId\":\"op-3\"}" },
        { 0 },
    };
    struct script t;
    script_open(&t, script_spec, rows);
    struct resource *r = script_resource(&t, SERVICE);
    resource_set_output(r, "Id", "srv-1");
    assert_int_equal(r->type->remove(t.s, r, &t.err), -1);
    assert_int_equal(t.err.class, ERR_BUSY);
    assert_json(script_input(&t, "servicediscovery:DeregisterInstance", 0),
                "{\"ServiceId\":\"srv-1\",\"InstanceId\":\"i\"}");
    script_close(&t);
}

static void two_services_cannot_have_one_name(void **state)
{
    (void)state;
    _cleanup_json_ cJSON *spec = cJSON_Parse(script_spec);
    cJSON *api = json_at(spec, "services/api");
    cJSON *web = json_put(json_get(spec, "services"), "web", json_dup(api));
    json_put_str(web, "discovery", "Api");
    _cleanup_free_ char *text = json_print(spec);
    _cleanup_free_ char *message = script_refused(text);
    assert_non_null(message);
    assert_string_equal(message, "services.web.discovery: 'Api-automation-8527fec8' is the name of "
                                 "services.api.discovery too; give one of them another 'name'");
}

static void names_follow_the_spec(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        { "\"prometheus\"", "prometheus-automation-8527fec8" },
        { "{\"name\":\"p\",\"ttl\":5}", "p-automation-8527fec8" },
        { "true", "api-automation-8527fec8" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_free_ char *spec = script_spec_with("discovery", cases[i][0]);
        struct script t;
        script_open(&t, spec, NULL);
        assert_string_equal(script_resource(&t, SERVICE)->name, cases[i][1]);
        script_close(&t);
    }
    _cleanup_free_ char *spec = script_spec_with("discovery", "false");
    struct script t;
    script_open(&t, spec, NULL);
    assert_null(graph_find(t.g, SERVICE));
    script_close(&t);

    _cleanup_free_ char *too_long =
        script_spec_with("discovery", "\"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz\"");
    _cleanup_free_ char *message = script_refused(too_long);
    assert_string_equal(message,
                        "services.api.discovery: 'abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuv"
                        "wxyz-automation-8527fec8' is too long for a DNS label: 72 characters, at "
                        "most 63");
}

#define NAMESPACE(id, name) "{\"Id\":\"" id "\",\"Arn\":\"arn:" id "\",\"Name\":\"" name "\"}"
#define NAMESPACES(list)                                                                           \
    {                                                                                              \
        .call = "servicediscovery:ListNamespaces", .answer = "{\"Namespaces\":[" list "]}"         \
    }
#define TAGGED(list)                                                                               \
    {                                                                                              \
        .call = "tagging:GetResources", .answer = "{\"ResourceTagMappingList\":[" list "]}"        \
    }
#define TAGS(tags)                                                                                 \
    {                                                                                              \
        .call = "servicediscovery:ListTagsForResource", .answer = "{\"Tags\":" tags "}"            \
    }
#define MAKING(list)                                                                               \
    {                                                                                              \
        .call = "servicediscovery:ListOperations", .answer = "{\"Operations\":[" list "]}"         \
    }
#define DELETED                                                                                    \
    {                                                                                              \
        .call = "servicediscovery:DeleteNamespace", .answer = "{\"OperationId\":\"op-2\"}"         \
    }
#define OURS OUR_TAGS("Key", "Value")

/* Somebody else may have a namespace of our name in another VPC: it is not touched. */
static void a_name_in_another_vpc_is_another_namespace(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        NAMESPACES(NAMESPACE("ns-1", "automation-8527fec8.local") "," NAMESPACE(
            "ns-2",
            "automation-8527fec8.local") "," NAMESPACE("ns-3",
                                                       "prod.internal") "," NAMESPACE("ns-4",
                                                                                      "other")),
        TAGGED("{\"ResourceARN\":\"arn:ns-3\"}"),
        TAGS(OURS),
        TAGS("[]"),
        TAGS(OURS),
        MAKING(""),
        DELETED,
        { 0 },
    };
    struct script t;
    script_open_teardown(&t, rows);
    script_find(&t, "cloudmap.namespace");
    assert_int_equal(t.g->n, 3);
    struct resource *first = t.g->v[0];
    assert_true(resource_is_ours(first));
    assert_string_equal(t.g->v[1]->name, "automation-8527fec8.local (ns-2)");
    assert_false(resource_is_ours(t.g->v[1]));
    assert_string_equal(t.g->v[2]->name, "prod.internal");
    assert_true(resource_is_ours(t.g->v[2]));
    assert_int_equal(first->type->remove(t.s, first, &t.err), 0);
    assert_string_equal(json_str(script_input(&t, "servicediscovery:DeleteNamespace", 0), "Id"),
                        "ns-1");
    script_close(&t);
}

/* Opens a teardown in which somebody's namespace is being made. */
static struct resource *making_open(struct script *t, const struct script_row *rows)
{
    script_open_teardown(t, rows);
    script_find(t, "cloudmap.namespace");
    assert_int_equal(t->g->n, 1);
    struct resource *r = t->g->v[0];
    assert_true(resource_is_ours(r));
    assert_int_equal(r->type->remove(t->s, r, &t->err), -1);
    assert_int_equal(t->err.class, ERR_BUSY);
    assert_string_equal(t->err.message,
                        "a namespace is being made, and whose it is shows once it is there");
    err_release(&t->err);
    return r;
}

#define UNTIL_IT_IS_THERE                                                                          \
    NAMESPACES(""), TAGGED(""), MAKING("{\"Id\":\"op-1\"}"), OPERATION("SUBMITTED"),               \
        OPERATION("PENDING"), OPERATION("SUCCESS"),                                                \
        NAMESPACES(NAMESPACE("ns-1", "automation-8527fec8.local"))

static void a_namespace_that_is_being_made_is_awaited_and_removed(void **state)
{
    (void)state;
    static const struct script_row rows[] = { UNTIL_IT_IS_THERE, TAGS(OURS), DELETED, { 0 } };
    struct script t;
    struct resource *r = making_open(&t, rows);
    assert_int_equal(r->type->remove(t.s, r, &t.err), 0);
    assert_int_equal(script_count(&t, "servicediscovery:DeleteNamespace"), 1);
    _cleanup_strbuf_ struct strbuf why = STRBUF_INIT;
    r->type->leaving(r, &why);
    assert_string_equal(why.buf, "the deletion of the namespace is going on");
    assert_int_equal(r->type->observe(t.s, &r, 1, &t.err), 0);
    assert_null(r->have);
    script_close(&t);
}

static void a_namespace_that_turns_out_to_be_anothers_stays(void **state)
{
    (void)state;
    static const struct script_row rows[] = { UNTIL_IT_IS_THERE, TAGS("[]"), { 0 } };
    struct script t;
    struct resource *r = making_open(&t, rows);
    assert_int_equal(r->type->remove(t.s, r, &t.err), 0);
    assert_int_equal(r->type->observe(t.s, &r, 1, &t.err), 0);
    assert_null(r->have);
    assert_int_equal(script_count(&t, "servicediscovery:DeleteNamespace"), 0);
    assert_string_equal(t.g->warnings.v[0],
                        "namespace 'automation-8527fec8.local' (ns-1), made meanwhile, is not this "
                        "environment's, and is left alone");
    script_close(&t);
}

/* In a busy account somebody's namespace is being made at most times. */
static void what_is_begun_after_the_first_look_is_anothers(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        NAMESPACES(""), TAGGED(""), MAKING(""), MAKING("{\"Id\":\"op-9\"}"), { 0 },
    };
    struct script t;
    script_open_teardown(&t, rows);
    script_find(&t, "cloudmap.namespace");
    script_find(&t, "cloudmap.namespace");
    assert_int_equal(script_count(&t, "servicediscovery:ListOperations"), 2);
    assert_int_equal(t.g->n, 0);
    script_close(&t);
}

static void a_namespace_that_is_being_deleted_is_waited_for(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        NAMESPACES(NAMESPACE("ns-1", "automation-8527fec8.local")),
        TAGGED(""),
        TAGS(OURS),
        MAKING(""),
        { .call = "servicediscovery:DeleteNamespace",
          .class = ERR_BUSY,
          .code = "DuplicateRequest" },
        { .call = "servicediscovery:DeleteNamespace",
          .class = ERR_NOT_FOUND,
          .code = "NamespaceNotFound" },
        { 0 },
    };
    struct script t;
    script_open_teardown(&t, rows);
    script_find(&t, "cloudmap.namespace");
    struct resource *r = t.g->v[0];
    assert_int_equal(r->type->remove(t.s, r, &t.err), -1);
    assert_int_equal(t.err.class, ERR_BUSY);
    assert_string_equal(t.err.message, "it is being deleted already, or changed");
    err_release(&t.err);
    assert_int_equal(r->type->remove(t.s, r, &t.err), 0);
    script_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_in_another_vpc_is_another_namespace),
        cmocka_unit_test(a_namespace_that_is_being_made_is_awaited_and_removed),
        cmocka_unit_test(a_namespace_that_turns_out_to_be_anothers_stays),
        cmocka_unit_test(a_namespace_that_is_being_deleted_is_waited_for),
        cmocka_unit_test(what_is_begun_after_the_first_look_is_anothers),
        cmocka_unit_test(a_namespace_is_awaited),
        cmocka_unit_test(a_description_is_put_back),
        cmocka_unit_test(a_failed_operation_says_why),
        cmocka_unit_test(a_duplicate_request_is_waited_for_or_made_anew),
        cmocka_unit_test(services_are_those_of_our_namespace),
        cmocka_unit_test(instances_go_before_their_service),
        cmocka_unit_test(an_operation_of_an_earlier_time_is_not_taken),
        cmocka_unit_test(two_services_cannot_have_one_name),
        cmocka_unit_test(names_follow_the_spec),
    };
    return cmocka_run_group_tests_name("cloudmap", tests, NULL, NULL);
}
