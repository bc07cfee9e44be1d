/* SPDX-License-Identifier: MIT */
#include "tests/unit/awsscript.h"

#include <setjmp.h>
#include <cmocka.h>

#include "executor/console.h"
#include "executor/status.h"

/* --- links --- */

static struct graph *graph_in(const char *region)
{
    const struct context context = { .environment = "automation-8527fec8",
                                     .kind = "ephemeral",
                                     .ref = "dev/feature/login",
                                     .region = region,
                                     .account = "123456789012",
                                     .project = 77 };
    return graph_new(&context);
}

static const struct resource_type *type_named(const char *name)
{
    for (const struct driver *const *d = drivers; *d != NULL; d++)
        for (const struct resource_type *const *t = (*d)->types; *t != NULL; t++)
            if (str_eq((*t)->name, name))
                return *t;
    fail_msg("there is no type '%s'", name);
    return NULL;
}

static cJSON *parse(const char *text)
{
    _cleanup_err_ struct err err = ERR_INIT;
    cJSON *value = NULL;
    if (json_parse(text, strlen(text), JSON_PLAIN, &value, &err) < 0)
        fail_msg("%s", err.message);
    return value;
}

/* A resource that is there, with these outputs. */
static struct resource *there(struct graph *g, const char *type, const char *name,
                              const char *outputs)
{
    struct resource *r = graph_found(g, type_named(type), NULL, name);
    resource_set_have(r, cJSON_CreateObject());
    cJSON_Delete(r->outputs);
    r->outputs = parse(outputs);
    r->observed = true;
    return r;
}

static void leads_to(const struct resource *r, const char *expected)
{
    _cleanup_free_ char *link = console_link(r);
    if (!str_eq(link, expected))
        fail_msg("%s leads to %s", r->address, link != NULL ? link : "nothing");
}

#define ARN  "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/e/50dc"
#define HERE "https://us-east-1.console.aws.amazon.com/"

static void each_kind_has_its_page(void **state)
{
    (void)state;
    struct graph *g = graph_in("us-east-1");
    leads_to(there(g, "ecs.cluster", "e", "{\"ClusterName\":\"e\"}"),
             HERE "ecs/v2/clusters/e/services?region=us-east-1");
    graph_alias(g, "cluster", "ecs.cluster/e");
    leads_to(there(g, "ecs.service", "e-api", "{}"),
             HERE "ecs/v2/clusters/e/services/e-api/health?region=us-east-1");
    leads_to(there(g, "alb.load_balancer", "e", "{\"LoadBalancerArn\":\"" ARN "\"}"),
             HERE "ec2/home?region=us-east-1#LoadBalancer:loadBalancerArn=" ARN);
    leads_to(there(g, "logs.group", "/ecs/e", "{}"),
             HERE "cloudwatch/home?region=us-east-1#logsV2:log-groups/log-group/$252Fecs$252Fe");
    leads_to(there(g, "ecr.repository", "e/api", "{}"),
             HERE "ecr/repositories/private/123456789012/e/api?region=us-east-1");
    leads_to(there(g, "acm.certificate", "c", "{\"CertificateArn\":\"arn:aws:acm:r:1:cert/4f\"}"),
             HERE "acm/home?region=us-east-1#/certificates/4f");
    /* Without what the address is made of, or without the thing itself, there is none. */
    leads_to(there(g, "security_group", "e-api", "{}"), NULL);
    struct resource *gone = there(g, "security_group", "e-b", "{\"GroupId\":\"sg-1\"}");
    leads_to(gone, HERE "ec2/home?region=us-east-1#SecurityGroup:groupId=sg-1");
    resource_set_have(gone, NULL);
    leads_to(gone, NULL);
    graph_free(g);
}

static void other_partitions_have_other_hosts(void **state)
{
    (void)state;
    struct graph *g = graph_in("cn-north-1");
    leads_to(there(g, "ecs.cluster", "e", "{}"),
             "https://cn-north-1.console.amazonaws.cn/ecs/v2/clusters/e/services?region="
             "cn-north-1");
    graph_free(g);
    g = graph_in("us-gov-west-1");
    leads_to(there(g, "ecs.cluster", "e", "{}"),
             "https://us-gov-west-1.console.amazonaws-us-gov.com/ecs/v2/clusters/e/services?"
             "region=us-gov-west-1");
    graph_free(g);
}

static void a_name_cannot_steer_a_link(void **state)
{
    (void)state;
    struct graph *g = graph_in("us-east-1");
    leads_to(there(g, "ecs.cluster", "a?b#c d\n\"<{region}%2F\xc3\xbc", "{}"),
             HERE "ecs/v2/clusters/a%3Fb%23c%20d%0A%22%3C%7Bregion%7D%252F%C3%BC/services?region="
                  "us-east-1");
    graph_free(g);
}

/* A new kind of resource has a page, or a line here: some are found in a teardown alone. */
static void no_kind_is_forgotten(void **state)
{
    (void)state;
    static const char *const pageless[] = { "elasticache.auth_token", "ecr.image_tags", "ecs.task",
                                            "logs.insights_group" };
    static const char *const outputs[] = {
        "Id",     "Arn",      "StackId",        "VpcId",          "GroupId",     "CertificateArn",
        "Digest", "RuleArn",  "TargetGroupArn", "ListenerArn",    "ClusterName", "LoadBalancerArn",
        "Engine", "RoleName", "LogGroupName",   "repositoryName",
    };
    struct graph *g = graph_in("us-east-1");
    struct resource *all = there(g, "ecs.cluster", "all", "{}");
    for (size_t i = 0; i < ARRAY_SIZE(outputs); i++)
        resource_set_output(all, outputs[i], "v");
    static const char *const aliases[] = { "network", "discovery", "cluster" };
    for (size_t i = 0; i < ARRAY_SIZE(aliases); i++)
        graph_alias(g, aliases[i], all->address);
    for (const struct driver *const *d = drivers; *d != NULL; d++) {
        for (const struct resource_type *const *t = (*d)->types; *t != NULL; t++) {
            struct resource *r = there(g, (*t)->name, "x", "{}");
            cJSON_Delete(r->outputs);
            r->outputs = json_dup(all->outputs);
            _cleanup_free_ char *link = console_link(r);
            bool expected = true;
            for (size_t i = 0; i < ARRAY_SIZE(pageless); i++)
                expected = expected && !str_eq((*t)->name, pageless[i]);
            if ((link != NULL) != expected)
                fail_msg("%s: %s", (*t)->name, link != NULL ? link : "no page");
        }
    }
    graph_free(g);
}

/* --- states --- */

/* As `have` says. */
static enum readiness fate(const struct resource *r, struct strbuf *why)
{
    const char *says = json_str(r->have, "says");
    strbuf_adds(why, says != NULL ? says : "");
    if (str_eq(json_str(r->have, "is"), "broken"))
        return FAILED;
    return str_eq(json_str(r->have, "is"), "slow") ? WAITING : READY;
}

static const struct resource_type thing = { .name = "thing",
                                            .singular = "thing",
                                            .plural = "things",
                                            .scope = SCOPE_ENVIRONMENT,
                                            .judge = fate };

static void add(struct graph *g, const char *label, const char *want, const char *have,
                const char *changes, bool ours)
{
    struct resource *r = graph_found(g, &thing, label, label);
    r->want = want != NULL ? parse(want) : NULL;
    r->have = have != NULL ? parse(have) : NULL;
    r->changes = parse(changes);
    r->tags = ours ? tags_wanted(g, label) : parse("{\"Environment\":\"theirs\"}");
    r->selected = true;
    r->observed = true;
}

static struct graph *graph_of_states(void)
{
    struct graph *g = graph_in("us-east-1");
    add(g, "a-ready", "{}", "{}", "[]", true);
    add(g, "b-waiting", "{}", "{\"is\":\"slow\",\"says\":\"0 of 1\"}", "[]", true);
    add(g, "c-unwanted", NULL, "{}", "[]", true);
    add(g, "d-differs", "{}", "{}",
        "[{\"path\":\"a\"},{\"path\":\"b\"},{\"path\":\"c\"},{\"path\":\"d\",\"to\":1}]", true);
    add(g, "e-absent", "{}", NULL, "[]", true);
    add(g, "f-foreign", "{}", "{}", "[]", false);
    add(g, "g-failed", "{}", "{\"is\":\"broken\",\"says\":\"it \\u001b[31mbroke\\n\"}",
        "[{\"path\":\"a\"}]", true);
    add(g, "h-left-out", "{}", NULL, "[]", true);
    g->v[7]->selected = false;
    return g;
}

static void what_is_wrong_comes_first(void **state)
{
    (void)state;
    struct graph *g = graph_of_states();
    _cleanup_err_ struct err err = ERR_INIT;
    _cleanup_status_ struct status status = STATUS_INIT;
    assert_int_equal(status_make(NULL, g, &status, &err), 0);
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    status_to_text(&status, &text);
    assert_string_equal(text.buf,
                        "automation-8527fec8: ephemeral, us-east-1, of 'dev/feature/login'\n"
                        "1 failed, 1 foreign, 1 absent, 1 differs, 1 unwanted, 1 waiting, 1 ready\n"
                        "failed   thing g-failed: it \\x1b[31mbroke\\x0a\n"
                        "foreign  thing f-foreign: it has the tags Environment=theirs\n"
                        "absent   thing e-absent\n"
                        "differs  thing d-differs: a, b, c and 1 more\n"
                        "unwanted thing c-unwanted\n"
                        "waiting  thing b-waiting: 0 of 1\n"
                        "ready    thing a-ready\n");
    _cleanup_json_ cJSON *json = status_to_json(&status);
    assert_string_equal(json_str(json, "schema"), "berth-status/2");
    assert_false(json_bool(json, "well", true));
    assert_json(json_get(json, "counts"),
                "{\"failed\":1,\"foreign\":1,\"absent\":1,\"differs\":1,\"unwanted\":1,"
                "\"waiting\":1,\"ready\":1}");
    assert_string_equal(json_str_at(json, "resources/1/state"), "foreign");
    assert_string_equal(json_str_at(json, "resources/5/why"), "0 of 1");
    assert_int_equal(json_count(json_at(json, "resources/3/changes")), 4);
    graph_free(g);
}

static void what_was_not_read_is_not_told(void **state)
{
    (void)state;
    struct graph *g = graph_of_states();
    assert_true(status_is_told(g));
    g->v[1]->observed = false;
    assert_false(status_is_told(g));
    assert_false(status_is_told(NULL));
    graph_free(g);
}

/* --- why tasks have stopped --- */

#define TASK(id, at, code)                                                                         \
    "{\"taskArn\":\"arn:aws:ecs:us-east-1:123456789012:task/e/" id "\",\"stoppedAt\":" at          \
    ",\"stoppedReason\":\"Essential container in task exited\",\"containers\":[{\"name\":\"api\"," \
    "\"exitCode\":" code "},{\"name\":\"side\"}]}"

static void tasks_tell_why_they_have_stopped(void **state)
{
    (void)state;
    static const struct script_row rows[] = {
        { .call = "ecs:ListTasks", .answer = "{\"taskArns\":[\"a\",\"b\",\"c\"]}" },
        { .call = "ecs:DescribeTasks",
          .answer = "{\"tasks\":[" TASK("a", "1000", "1") "," TASK("b", "3000", "1") "," TASK(
              "c", "2000", "137") "]}" },
        { 0 },
    };
    struct script t;
    script_open(&t, script_spec, rows);
    for (size_t i = 0; i < t.g->n; i++)
        t.g->v[i]->selected = str_eq(t.g->v[i]->address, "ecs.service/api");
    struct resource *r = script_resource(&t, "ecs.service/api");
    resource_set_have(r, cJSON_CreateObject()); /* without a deployment it is not well */
    r->tags = tags_wanted(t.g, "api");
    _cleanup_status_ struct status status = STATUS_INIT;
    assert_int_equal(status_make(t.s, t.g, &status, &t.err), 0);
    assert_json(script_input(&t, "ecs:ListTasks", 0),
                "{\"cluster\":\"automation-8527fec8\",\"serviceName\":\"automation-8527fec8-api\","
                "\"desiredStatus\":\"STOPPED\"}");
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    status_to_text(&status, &text);
    assert_non_null(strstr(text.buf,
                           "\n         task b stopped at 1970-01-01T00:50:00Z, as 1 other: "
                           "Essential container in task exited; container 'api' ended with 1\n"
                           "         task c stopped at 1970-01-01T00:33:20Z: Essential container "
                           "in task exited; container 'api' ended with 137\n"));
    _cleanup_json_ cJSON *json = status_to_json(&status);
    assert_string_equal(json_str_at(json, "resources/0/stops/0/at"), "1970-01-01T00:50:00Z");
    assert_int_equal(json_int(json_at(json, "resources/0/stops/0"), "times", 0), 2);
    script_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_has_its_page),
        cmocka_unit_test(other_partitions_have_other_hosts),
        cmocka_unit_test(a_name_cannot_steer_a_link),
        cmocka_unit_test(no_kind_is_forgotten),
        cmocka_unit_test(what_is_wrong_comes_first),
        cmocka_unit_test(what_was_not_read_is_not_told),
        cmocka_unit_test(tasks_tell_why_they_have_stopped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
