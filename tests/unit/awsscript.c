/* SPDX-License-Identifier: MIT */
#include "tests/unit/awsscript.h"

#include <setjmp.h>
#include <cmocka.h>
#include <pthread.h>

#include "executor/engine/engine.h"

const char script_spec[] =
    "{\"network\":{\"vpc\":{\"tag:Name\":\"vpc-dev\"},"
    "\"privateSubnets\":{\"tag:Name\":\"private-*\"},\"publicSubnets\":[\"subnet-9\"]},"
    "\"modules\":{\"api\":{\"tags\":[\"1.0\"]}},"
    "\"roles\":{\"exec\":{\"trust\":{\"Statement\":[]},\"policies\":{\"p\":{\"Statement\":[]}}}},"
    "\"discovery\":{},\"cluster\":{\"settings\":[{\"name\":\"containerInsights\",\"value\":"
    "\"enabled\"}]},\"logs\":{\"retentionInDays\":30,\"metricFilters\":[{\"filterName\":\"f\","
    "\"filterPattern\":\"x\",\"metricTransformations\":[{\"metricName\":\"m\",\"metricNamespace\":"
    "\"n\",\"metricValue\":\"1\",\"defaultValue\":0}]}]},"
    "\"services\":{\"api\":{\"module\":\"api\",\"executionRole\":\"exec\",\"cpu\":256,"
    "\"memory\":512,\"desiredCount\":2,\"discovery\":true,"
    "\"ports\":[5000,{\"port\":9090,\"from\":\"vpc\"}],\"environment\":{\"B\":\"2\",\"A\":\"1\"},"
    "\"secrets\":{\"S\":\"/mettel/s\"},\"healthCheck\":\"true\"}}}";

static int find_row(struct script *t, const char *call)
{
    int last = -1;
    for (int i = 0; t->rows != NULL && t->rows[i].call != NULL; i++) {
        if (strcmp(t->rows[i].call, call) != 0)
            continue;
        last = i;
        if (!t->used[i])
            break;
    }
    if (last >= 0)
        t->used[last] = true;
    return last;
}

static int answer(void *context, const char *service, const char *action, const cJSON *input,
                  cJSON **ret_output, struct err *err)
{
    struct script *t = context;
    _cleanup_free_ char *call = xasprintf("%s:%s", service, action);
    static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&one_at_a_time);
    cJSON *record = json_push(t->calls, cJSON_CreateObject());
    json_put_str(record, "call", call);
    json_put(record, "input", json_dup(input));
    int i = find_row(t, call);
    pthread_mutex_unlock(&one_at_a_time);
    if (i < 0)
        fail_msg("nobody expected %s", call);
    const struct script_row *row = &t->rows[i];
    if (row->answer != NULL)
        return json_parse(row->answer, strlen(row->answer), JSON_PLAIN, ret_output, err);
    err_set(err, row->class, "%s: %s", call, row->message ? row->message : "no message");
    snprintf(err->aws_code, sizeof(err->aws_code), "%s", row->code ? row->code : "");
    return -1;
}

static const struct context login = {
    .environment = "automation-8527fec8",
    .subdomain = "8527fec8",
    .kind = "ephemeral",
    .prefix = "automation",
    .ref = "dev/feature/login",
    .region = "us-east-1",
    .account = "123456789012",
    .project = 77,
    .pipeline = 100,
    .spec_dir = -1,
};

static cJSON *parse(const char *text)
{
    struct err err = ERR_INIT;
    cJSON *value = NULL;
    if (json_parse(text, strlen(text), JSON_PLAIN, &value, &err) < 0)
        fail_msg("%s: %s", text, err.message);
    return value;
}

void script_open(struct script *t, const char *spec, const struct script_row *rows)
{
    *t = (struct script){ .rows = rows, .calls = cJSON_CreateArray() };
    cancel_init(&t->cancel);
    assert_int_equal(session_open_fake("us-east-1", "123456789012", &t->cancel, answer, t, &t->s),
                     0);
    t->g = graph_new(&login);
    _cleanup_json_ cJSON *json = parse(spec);
    if (engine_want(t->g, drivers, json, &t->err) < 0)
        fail_msg("%s", t->err.message);
}

void script_open_teardown(struct script *t, const struct script_row *rows)
{
    struct context context = login;
    *t = (struct script){ .rows = rows, .calls = cJSON_CreateArray() };
    t->notes = cJSON_CreateObject();
    context.teardown = true;
    context.notes = t->notes;
    cancel_init(&t->cancel);
    assert_int_equal(session_open_fake("us-east-1", "123456789012", &t->cancel, answer, t, &t->s),
                     0);
    t->g = graph_new(&context);
    engine_want_nothing(t->g, drivers);
}

static const struct resource_type *type_named(const char *name)
{
    for (const struct driver *const *d = drivers; *d != NULL; d++)
        for (const struct resource_type *const *type = (*d)->types; *type != NULL; type++)
            if (strcmp((*type)->name, name) == 0)
                return *type;
    fail_msg("there is no type %s", name);
    return NULL;
}

void script_find(struct script *t, const char *type_name)
{
    const struct resource_type *type = type_named(type_name);
    if (type->discover(t->s, t->g, &t->err) < 0)
        fail_msg("%s", t->err.message);
    size_t n = t->g->n;
    for (size_t i = 0; i < n; i++) {
        struct resource *r = t->g->v[i];
        if (r->type == type && !r->observed && type->observe(t->s, &r, 1, &t->err) < 0)
            fail_msg("%s", t->err.message);
    }
}

char *script_refused(const char *spec)
{
    _cleanup_err_ struct err err = ERR_INIT;
    _cleanup_(graph_freep) struct graph *g = graph_new(&login);
    _cleanup_json_ cJSON *json = parse(spec);
    if (engine_want(g, drivers, json, &err) == 0)
        return NULL;
    assert_int_equal(err.class, ERR_USER);
    return steal_ptr(&err.message);
}

void script_close(struct script *t)
{
    err_release(&t->err);
    cJSON_Delete(t->calls);
    cJSON_Delete(t->notes);
    graph_free(t->g);
    session_free(t->s);
    cancel_release(&t->cancel);
}

struct resource *script_resource(struct script *t, const char *address)
{
    struct resource *r = graph_find(t->g, address);
    if (r == NULL)
        fail_msg("there is no %s", address);
    return r;
}

struct resource *script_target(struct script *t, const char *address)
{
    struct resource *r = script_resource(t, address);
    cJSON_Delete(r->target);
    r->target = ref_resolve(t->g, r->want, NULL);
    return r;
}

void script_discover(struct script *t, const char *address)
{
    struct resource *r = script_resource(t, address);
    if (r->type->discover(t->s, t->g, &t->err) < 0)
        fail_msg("%s", t->err.message);
}

void script_observe(struct script *t, const char *address)
{
    struct resource *r = script_resource(t, address);
    if (r->type->observe(t->s, &r, 1, &t->err) < 0)
        fail_msg("%s", t->err.message);
}

size_t script_count(const struct script *t, const char *call)
{
    size_t n = 0;
    const cJSON *record;
    cJSON_ArrayForEach (record, t->calls)
        n += str_eq(json_str(record, "call"), call);
    return n;
}

const cJSON *script_input(const struct script *t, const char *call, size_t i)
{
    const cJSON *record;
    cJSON_ArrayForEach (record, t->calls)
        if (str_eq(json_str(record, "call"), call) && i-- == 0)
            return json_get(record, "input");
    fail_msg("%s was not called so often", call);
    return NULL;
}

void assert_json(const cJSON *value, const char *text)
{
    _cleanup_json_ cJSON *expected = parse(text);
    if (json_equal(value, expected))
        return;
    _cleanup_free_ char *is = value ? json_print(value) : xstrdup("nothing");
    fail_msg("is %s\nnot %s", is, text);
}

char *script_spec_with(const char *member, const char *json)
{
    _cleanup_json_ cJSON *spec = parse(script_spec);
    json_put(json_at(spec, "services/api"), member, parse(json));
    return json_print(spec);
}

char *script_spec_and(const char *members)
{
    return xasprintf("%.*s,%s}", (int)strlen(script_spec) - 1, script_spec, members);
}
