/* SPDX-License-Identifier: MIT */
#include <inttypes.h>

#include "drivers/aws/together.h"
#include "drivers/cloudmap.h"
#include "drivers/common.h"
#include "drivers/ecs.h"
#include "executor/base/random.h"

/*
 * Services as ECS has them: read ten at a time, found, created, changed in place, removed.
 */

static cJSON *service_input(const struct resource *r, const char *name_key)
{
    cJSON *input = cJSON_CreateObject();
    json_put_str(input, "cluster", r->graph->context.environment);
    json_put_str(input, name_key, r->name);
    return input;
}

static void service_take(struct resource *r, const cJSON *service)
{
    resource_set_have(r, ecs_service_have(r, service));
    resource_set_output(r, "ServiceName", r->name);
    resource_set_output(r, "Arn", json_str(service, "serviceArn"));
    ecs_service_remember(r, service);
}

/* Draining is as good as gone for whoever wants the name, but not yet for whoever removes it. */
static bool service_is_there(const struct resource *r, const cJSON *service)
{
    const char *status = json_str(service, "status");
    bool removing = r->want == NULL || json_bool(r->memo, RESOURCE_REMOVING, false);
    return str_eq(status, "ACTIVE") || (str_eq(status, "DRAINING") && removing);
}

/* A family whose service nobody wants any more is not wanted either. */
static void family_found(const struct resource *r)
{
    struct resource *definition =
        graph_found(r->graph, &ecs_task_definition_type, r->label, r->name);
    if (definition->want != NULL || definition->observed)
        return;
    cJSON *have = cJSON_CreateObject();
    json_put_str(have, "family", r->name);
    resource_set_have(definition, have);
    definition->tags = json_dup(r->tags);
    definition->observed = true;
}

int ecs_services_read(struct session *s, struct resource *const *r, size_t n, cJSON **ret,
                      struct err *err)
{
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    json_put_str(input, "cluster", r[0]->graph->context.environment);
    cJSON *names = json_put_array(input, "services");
    for (size_t i = 0; i < n; i++)
        json_push_str(names, r[i]->name);
    json_push_str(json_put_array(input, "include"), "TAGS");
    _cleanup_err_ struct err failure = ERR_INIT;
    _cleanup_json_ cJSON *output = NULL;
    if (aws_call(s, "ecs", "DescribeServices", input, &output, &failure) < 0 &&
        failure.class != ERR_NOT_FOUND)
        return err_move(err, &failure);
    cJSON *services = cJSON_DetachItemFromObjectCaseSensitive(output, "services");
    *ret = services != NULL ? services : cJSON_CreateArray();
    return 0;
}

/* Names the pipeline that has deployed over this run's deployment, for the judge to say. */
static int name_replacement(struct session *s, struct resource *r, struct err *err)
{
    if (!ecs_service_is_replaced(r) || json_get(r->memo, "pipeline") != NULL)
        return 0;
    int64_t pipeline = 0;
    if (ecs_cluster_pipeline(s, r->graph, &pipeline, err) < 0)
        return -1;
    if (pipeline != r->graph->context.pipeline)
        json_put_int(r->memo, "pipeline", pipeline);
    return 0;
}

/* A deployment of an earlier run whose tasks end again and again is begun anew, like one that ECS
 * has given up (ecs_service_form.c): what was wrong may be mended, and ECS waits ever longer before
 * it tries again. */
static void mark_loop(struct resource *r)
{
    if (r->want != NULL && json_str(r->memo, "deployment") == NULL && ecs_stops_are_a_loop(r))
        json_put_str(r->have, "rolloutState", "FAILED");
}

static int service_observe(struct session *s, struct resource *const *r, size_t n, struct err *err)
{
    _cleanup_json_ cJSON *services = NULL;
    if (ecs_services_read(s, r, n, &services, err) < 0)
        return -1;
    for (size_t i = 0; i < n; i++) {
        const cJSON *service = json_find(services, "serviceName", r[i]->name);
        r[i]->observed = true;
        ecs_revision_note(r[i], service);
        if (service == NULL || !service_is_there(r[i], service)) {
            resource_set_have(r[i], NULL);
            continue;
        }
        service_take(r[i], service);
        ecs_service_seen(r[i]);
        if (ecs_targets_read(s, r[i], service, err) < 0 || ecs_restarts_look(s, r[i], err) < 0)
            return -1;
        ecs_stops_look(s, r[i]);
        ecs_service_blame(r[i]);
        mark_loop(r[i]);
        cJSON_Delete(r[i]->tags);
        r[i]->tags = tags_from_list(json_get(service, "tags"), "key", "value");
        if (r[i]->want == NULL)
            family_found(r[i]);
        if (name_replacement(s, r[i], err) < 0)
            return -1;
    }
    return 0;
}

/* A part of the wanted services, as many as DescribeServices takes. */
struct part {
    struct session *s;
    struct resource **v;
    size_t n;
};

static int part_observe(void *context, struct err *err)
{
    const struct part *part = context;
    return service_observe(part->s, part->v, part->n, err);
}

/* Reads all that are wanted, ten at a time, at the same time. */
static int wanted_observe(struct session *s, struct graph *g, struct err *err)
{
    size_t batch = ecs_service_type.batch, n = 0, n_parts = 0;
    _cleanup_free_ struct resource **wanted = xcalloc(g->n + 1, sizeof(struct resource *));
    for (size_t i = 0; i < g->n; i++)
        if (g->v[i]->type == &ecs_service_type && g->v[i]->want != NULL)
            wanted[n++] = g->v[i];
    _cleanup_free_ struct part *parts = xcalloc(n / batch + 1, sizeof(*parts));
    _cleanup_free_ struct together_task *tasks = xcalloc(n / batch + 1, sizeof(*tasks));
    for (size_t i = 0; i < n; i += batch, n_parts++) {
        parts[n_parts] = (struct part){ s, wanted + i, n - i < batch ? n - i : batch };
        tasks[n_parts] = (struct together_task){ part_observe, &parts[n_parts] };
    }
    return together_run(tasks, n_parts, err);
}

/*
 * Whether the wanted services that are there are all that the cluster has: by its own count of
 * active ones, and of the tasks, of which one that is draining has some left
 * (https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Cluster.html).
 */
static bool are_all(const struct graph *g, const struct resource *cluster)
{
    const cJSON *counts = json_get(cluster->memo, "counts");
    int64_t active = 0, running = 0, pending = 0;
    for (size_t i = 0; i < g->n; i++) {
        const struct resource *r = g->v[i];
        if (r->type != &ecs_service_type || r->have == NULL)
            continue;
        const cJSON *state = json_get(r->memo, "state");
        active++;
        running += json_int(state, "runningCount", 0);
        pending += json_int(state, "pendingCount", 0);
    }
    return json_int(counts, "activeServicesCount", -1) == active &&
           json_int(counts, "runningTasksCount", -1) == running &&
           json_int(counts, "pendingTasksCount", -1) == pending;
}

void ecs_service_found(struct graph *g, const char *name)
{
    size_t prefix = strlen(g->context.environment);
    bool named = str_starts(name, g->context.environment) && name[prefix] == '-';
    graph_found(g, &ecs_service_type, named ? name + prefix + 1 : name, name);
}

/* Adds those that nobody wants, for observe() to read. */
static int others_find(struct session *s, struct graph *g, struct err *err)
{
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    json_put_str(input, "cluster", g->context.environment);
    json_put_int(input, "maxResults", 100);
    _cleanup_json_ cJSON *arns = NULL;
    _cleanup_err_ struct err failure = ERR_INIT;
    if (aws_call_all(s, "ecs", "ListServices", input, "serviceArns", &arns, &failure) < 0)
        return failure.class == ERR_NOT_FOUND ? 0 : err_move(err, &failure);
    const cJSON *arn;
    cJSON_ArrayForEach (arn, arns) {
        const char *slash = strrchr(cJSON_GetStringValue(arn), '/');
        ecs_service_found(g, slash != NULL ? slash + 1 : cJSON_GetStringValue(arn));
    }
    return 0;
}

/* What another run has written, and may take back. */
static void mark_unsettled(struct session *s, struct graph *g)
{
    const char *other = ecs_run_other(s, g);
    for (size_t i = 0; other != NULL && i < g->n; i++)
        if (g->v[i]->type == &ecs_service_type && g->v[i]->want != NULL)
            json_put_strf(g->v[i]->memo, RESOURCE_UNSETTLED,
                          "another job, '%s', has begun to deploy and not ended", other);
}

/* The wanted ones are read by their names; a list of all is asked for only where there are more. In
 * a teardown, where none is wanted, tasks have told of those that no list has. */
static int service_discover(struct session *s, struct graph *g, struct err *err)
{
    const struct resource *cluster = graph_find_name(g, &ecs_cluster_type, g->context.environment);
    if (g->context.teardown && cluster != NULL && cluster->have != NULL)
        return others_find(s, g, err);
    resources_mark_observed(g, &ecs_service_type);
    if (cluster == NULL || cluster->have == NULL)
        return 0;
    if (wanted_observe(s, g, err) < 0 || ecs_run_look_again(s, g, err) < 0)
        return -1;
    mark_unsettled(s, g);
    return are_all(g, cluster) ? 0 : others_find(s, g, err);
}

/* One token for all tries of one create: a lost answer makes no second service. */
static void put_client_token(cJSON *input)
{
    _cleanup_free_ char *token = random_name("", 16);
    json_put_str(input, "clientToken", token);
}

static int service_create(struct session *s, struct resource *r, struct err *err)
{
    _cleanup_json_ cJSON *input = json_dup(r->target);
    _cleanup_json_ cJSON *tags = tags_wanted(r->graph, r->label);
    ecs_service_drop_resets(input);
    if (json_get(input, "desiredCount") == NULL)
        json_put_int(input, "desiredCount", 1);
    json_put(input, "tags", tags_to_list(tags, "key", "value"));
    put_client_token(input);
    ecs_service_note_creation(r);
    _cleanup_json_ cJSON *output = NULL;
    _cleanup_err_ struct err failure = ERR_INIT;
    if (aws_call(s, "ecs", "CreateService", input, &output, &failure) < 0) {
        if (failure.class == ERR_EXISTS)
            ecs_service_note_no_creation(r);
        return ecs_move_error(r, &failure, err);
    }
    const cJSON *service = json_get(output, "service");
    ecs_service_begun(r, service);
    service_take(r, service);
    cJSON_Delete(r->tags);
    r->tags = steal_ptr(&tags);
    return 0;
}

/* The top-level member that a change's path lies in; the caller frees it. */
static char *changed_member(const cJSON *change)
{
    const char *path = json_str(change, "path");
    return xstrndup(path, strcspn(path, ".["));
}

/* Begins the deployment that the input asks for. */
static int service_send(struct session *s, struct resource *r, const cJSON *input, struct err *err)
{
    _cleanup_json_ cJSON *output = NULL;
    if (aws_call(s, "ecs", "UpdateService", input, &output, err) < 0)
        return -1;
    const cJSON *service = json_get(output, "service");
    ecs_service_begun(r, service);
    service_take(r, service);
    return 0;
}

static int service_update(struct session *s, struct resource *r, struct err *err)
{
    _cleanup_json_ cJSON *input = service_input(r, "service");
    const cJSON *change;
    cJSON_ArrayForEach (change, r->changes) {
        _cleanup_free_ char *member = changed_member(change);
        ecs_service_note_change(r, member);
        if (strcmp(member, "rolloutState") == 0)
            json_put_bool(input, "forceNewDeployment", true);
        else
            json_copy(input, r->target, member);
    }
    return service_send(s, r, input, err);
}

/* A Cloud Map service cannot be deleted while tasks are registered in it. */
static int service_let_go(struct session *s, struct resource *r, const struct resource *other,
                          struct err *err)
{
    (void)other;
    if (json_count(json_get(r->have, "serviceRegistries")) == 0)
        return 0;
    _cleanup_json_ cJSON *input = service_input(r, "service");
    ecs_service_note_change(r, "serviceRegistries");
    json_put_array(input, "serviceRegistries");
    return service_send(s, r, input, err);
}

static int64_t tasks_of(const cJSON *state)
{
    return json_int(state, "runningCount", 0) + json_int(state, "pendingCount", 0);
}

/* `force` stops the tasks too; what is active or draining already goes on going. */
static int service_remove(struct session *s, struct resource *r, struct err *err)
{
    const cJSON *state = json_get(r->memo, "state");
    json_put_bool(r->memo, RESOURCE_REMOVING, true);
    json_put_int(r->memo, "tasks", tasks_of(state));
    if (str_eq(json_str(state, "status"), "DRAINING"))
        return 0;
    _cleanup_json_ cJSON *input = service_input(r, "service");
    json_put_bool(input, "force", true);
    _cleanup_err_ struct err failure = ERR_INIT;
    if (aws_call(s, "ecs", "DeleteService", input, NULL, &failure) == 0 ||
        failure.class == ERR_NOT_FOUND)
        return 0;
    /* https://github.com/hashicorp/terraform-provider-aws/blob/main/internal/service/ecs/service.go
     */
    if (str_eq(failure.aws_code, "InvalidParameterException") &&
        strstr(failure.message, "deployments are active") != NULL)
        failure.class = ERR_BUSY;
    return err_move(err, &failure);
}

static void service_leaving(const struct resource *r, struct strbuf *why)
{
    const cJSON *state = json_get(r->memo, "state");
    int64_t left = tasks_of(state), all = json_int(r->memo, "tasks", left);
    strbuf_addf(why, "%s, %" PRId64 " of %" PRId64 " tasks left", json_str(state, "status"), left,
                all);
}

static const char *const service_immutable[] = { "serviceName", "cluster", "launchType",
                                                 "schedulingStrategy", NULL };
static const char *const service_stable[] = { "ServiceName", "Arn", NULL };
/* Task definitions, because an unwanted service adds its family to them; tasks, because in a
 * teardown they tell of services. */
static const char *const service_after[] = { "ecs.cluster", "ecs.task", "ecs.task_definition",
                                             NULL };

/* Cloud Map refuses to delete a service that has instances. A load balancer and its listeners go
 * whether or not tasks are behind them. */
static const char *const service_lets_go_of[] = { "cloudmap.service", NULL };

const struct resource_type ecs_service_type = {
    .name = "ecs.service",
    .singular = "service",
    .plural = "services",
    .scope = SCOPE_ENVIRONMENT,
    .flags = TYPE_VERIFY_LAST | TYPE_APPLICATION,
    .replace = REPLACE_REMOVE_FIRST,
    .batch = 10, /* DescribeServices takes no more */
    .immutable = service_immutable,
    .after = service_after,
    .stable = service_stable,
    .discover = service_discover,
    .observe = service_observe,
    .judge = ecs_service_judge,
    .create = service_create,
    .update = service_update,
    .remove = service_remove,
    .leaving = service_leaving,
    .lets_go_of = service_lets_go_of,
    .let_go = service_let_go,
    .adopt = ecs_adopt,
    .explain = ecs_service_explain,
    .take_back = ecs_service_take_back,
};
