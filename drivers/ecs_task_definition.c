/* SPDX-License-Identifier: MIT */
#include <inttypes.h>

#include "drivers/common.h"
#include "drivers/ecs.h"
#include "drivers/iam.h"

/*
 * A family of task definitions per service. A revision never changes, so a change is another
 * revision, and the newest active one is what the wanted one is compared with.
 */

/* What Fargate runs:
 * https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html */
static const struct fargate_size {
    int cpu;
    int memory_min, memory_max, memory_step; /* MiB */
} fargate_sizes[] = {
    { 256, 512, 2048, 0 }, /* 512, 1024 or 2048 */
    { 512, 1024, 4096, 1024 },   { 1024, 2048, 8192, 1024 },   { 2048, 4096, 16384, 1024 },
    { 4096, 8192, 30720, 1024 }, { 8192, 16384, 61440, 4096 }, { 16384, 32768, 122880, 8192 },
};

static bool size_fits(const struct fargate_size *size, int64_t memory)
{
    if (memory < size->memory_min || memory > size->memory_max)
        return false;
    if (size->memory_step == 0)
        return memory == 512 || memory == 1024 || memory == 2048;
    return (memory - size->memory_min) % size->memory_step == 0;
}

static int size_check(const char *service, int64_t cpu, int64_t memory, struct err *err)
{
    for (size_t i = 0; i < ARRAY_SIZE(fargate_sizes); i++) {
        const struct fargate_size *size = &fargate_sizes[i];
        if (size->cpu != cpu)
            continue;
        if (size_fits(size, memory))
            return 0;
        if (size->memory_step == 0)
            return err_set(err, ERR_USER,
                           "services.%s.memory: with cpu %d Fargate takes 512, 1024 or 2048 MiB, "
                           "not %" PRId64,
                           service, size->cpu, memory);
        return err_set(err, ERR_USER,
                       "services.%s.memory: with cpu %d Fargate takes %d to %d MiB in steps of %d, "
                       "not %" PRId64,
                       service, size->cpu, size->memory_min, size->memory_max, size->memory_step,
                       memory);
    }
    return err_set(
        err, ERR_USER,
        "services.%s.cpu: Fargate takes 256, 512, 1024, 2048, 4096, 8192 or 16384 units, "
        "not %" PRId64,
        service, cpu);
}

static int roles_put(const struct graph *g, const cJSON *spec, const cJSON *service, cJSON *want,
                     struct err *err)
{
    const char *execution = json_str(service, "executionRole");
    const char *task = json_str(service, "taskRole");
    if (execution == NULL)
        return err_set(err, ERR_USER,
                       "services.%s.executionRole: is needed on Fargate, to pull the image and to "
                       "write logs; name a role",
                       service->string);
    json_put(want, "executionRoleArn", iam_role_arn(g, spec, execution));
    if (task != NULL)
        json_put(want, "taskRoleArn", iam_role_arn(g, spec, task));
    return 0;
}

/* What berth generates, before the spec's own members are merged over it. */
static int definition_make(struct graph *g, const cJSON *spec, const cJSON *service, cJSON *want,
                           struct err *err)
{
    cJSON *container = NULL;
    if (roles_put(g, spec, service, want, err) < 0 ||
        ecs_container_make(g, spec, service, &container, err) < 0)
        return -1;
    json_push(json_put_array(want, "containerDefinitions"), container);
    json_put_str(want, "networkMode", "awsvpc");
    json_push_str(json_put_array(want, "requiresCompatibilities"), "FARGATE");
    json_put_strf(want, "cpu", "%" PRId64, json_int(service, "cpu", 256));
    json_put_strf(want, "memory", "%" PRId64, json_int(service, "memory", 512));
    return 0;
}

/* All containers of a task have its one address:
 * https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-task-networking.html */
static int ports_check(const cJSON *want, const char *path, struct err *err)
{
    _cleanup_json_ cJSON *taken = cJSON_CreateObject();
    const cJSON *container, *port;
    cJSON_ArrayForEach (container, json_get(want, "containerDefinitions")) {
        const char *name = json_str(container, "name");
        cJSON_ArrayForEach (port, json_get(container, "portMappings")) {
            const char *protocol = json_str(port, "protocol");
            _cleanup_free_ char *key =
                xasprintf("%s port %" PRId64, protocol != NULL ? protocol : "tcp",
                          json_int(port, "containerPort", 0));
            const char *other = json_str(taken, key);
            if (other != NULL && !str_eq(other, name))
                return err_set(err, ERR_USER,
                               "%s: the containers '%s' and '%s' both have %s, and one address; "
                               "give one of them another port",
                               path, other, name, key);
            json_put_str(taken, key, name);
        }
    }
    return 0;
}

/* "The secret name must be unique and not shared with any new or existing environment variables set
 * on the container": https://github.com/dagster-io/dagster/issues/11622 */
static int secrets_check(const cJSON *want, const char *path, struct err *err)
{
    const cJSON *container, *secret;
    cJSON_ArrayForEach (container, json_get(want, "containerDefinitions")) {
        const char *name = json_str(container, "name");
        const cJSON *secrets = json_get(container, "secrets");
        cJSON_ArrayForEach (secret, secrets) {
            const char *variable = json_str(secret, "name");
            if (variable == NULL)
                continue;
            if (json_find(secrets, "name", variable) != secret)
                return err_set(err, ERR_USER,
                               "%s: the container '%s' has '%s' in 'secrets' twice; take one out",
                               path, name, variable);
            if (json_find(json_get(container, "environment"), "name", variable) != NULL)
                return err_set(err, ERR_USER,
                               "%s: the container '%s' has '%s' in 'environment' and in 'secrets'; "
                               "take one out",
                               path, name, variable);
        }
    }
    return 0;
}

/* What Fargate needs, and limits and capacity count. */
static int sizes_check(const cJSON *want, const char *path, struct err *err)
{
    static const char *const sizes[] = { "cpu", "memory" };
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
        if (json_str(want, sizes[i]) == NULL)
            return err_set(err, ERR_USER,
                           "%s.%s: is needed on Fargate, and must be known before anything is made",
                           path, sizes[i]);
    return 0;
}

static int definition_check(const cJSON *want, const char *service, const char *path,
                            struct err *err)
{
    int64_t cpu = 0, memory = 0;
    if (sizes_check(want, path, err) < 0)
        return -1;
    if (str_to_int64(json_str(want, "cpu"), 0, INT32_MAX, &cpu) == 0 &&
        str_to_int64(json_str(want, "memory"), 0, INT32_MAX, &memory) == 0 &&
        size_check(service, cpu, memory, err) < 0)
        return -1;
    if (ports_check(want, path, err) < 0 || secrets_check(want, path, err) < 0)
        return -1;
    _cleanup_json_ cJSON *plausible = plausible_input(want);
    _cleanup_err_ struct err failure = ERR_INIT;
    if (aws_check_input("ecs", "RegisterTaskDefinition", plausible, &failure) < 0)
        return err_set(err, ERR_USER, "%s: %s", path, failure.message);
    return 0;
}

int ecs_task_definition_want(struct graph *g, const cJSON *spec, const cJSON *service,
                             struct err *err)
{
    static const char *const decided[] = { "family", "executionRoleArn", "taskRoleArn", "tags",
                                           NULL };
    _cleanup_free_ char *origin = xasprintf("services.%s", service->string);
    _cleanup_free_ char *path = xasprintf("%s.taskDefinition", origin);
    _cleanup_free_ char *family = xasprintf("%s-%s", g->context.environment, service->string);
    const cJSON *over = json_get(service, "taskDefinition");
    if (name_check(origin, "a task definition's family", family, 255, err) < 0 ||
        ecs_refuse_members(over, path, decided, err) < 0)
        return -1;
    _cleanup_json_ cJSON *want = cJSON_CreateObject();
    json_put_str(want, "family", family);
    if (definition_make(g, spec, service, want, err) < 0)
        return -1;
    if (over != NULL)
        json_merge(want, over);
    task_definition_normalise(want);
    if (definition_check(want, service->string, over ? path : origin, err) < 0)
        return -1;
    return graph_add(g, &ecs_task_definition_type, service->string, family, origin,
                     steal_ptr(&want), NULL, err);
}

static void definition_take(struct resource *r, const cJSON *output)
{
    const cJSON *definition = json_get(output, "taskDefinition");
    cJSON *have = json_dup(definition);
    task_definition_normalise(have);
    resource_set_have(r, have);
    resource_set_output(r, "Arn", json_str(definition, "taskDefinitionArn"));
    cJSON_Delete(r->tags);
    r->tags = tags_from_list(json_get(output, "tags"), "key", "value");
}

static int definition_look(struct session *s, struct resource *r, struct err *err)
{
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    json_put_str(input, "taskDefinition", r->name);
    json_push_str(json_put_array(input, "include"), "TAGS");
    _cleanup_json_ cJSON *output = NULL;
    _cleanup_err_ struct err failure = ERR_INIT;
    r->observed = true;
    if (aws_call(s, "ecs", "DescribeTaskDefinition", input, &output, &failure) == 0 &&
        str_eq(json_str_at(output, "taskDefinition/status"), "ACTIVE")) {
        definition_take(r, output);
        return 0;
    }
    if (failure.class != ERR_NONE && failure.class != ERR_NOT_FOUND)
        return err_move(err, &failure);
    resource_set_have(r, NULL);
    return 0;
}

/* Families of services that the spec has had: a service that is gone names no longer which was its
 * own, and a job that was killed may have registered one that no service ever used. */
static int definition_discover(struct session *s, struct graph *g, struct err *err)
{
    _cleanup_free_ char *prefix = xasprintf("%s-", g->context.environment);
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    json_put_str(input, "familyPrefix", prefix);
    json_put_str(input, "status", g->context.teardown ? "ALL" : "ACTIVE");
    json_put_int(input, "maxResults", 100);
    _cleanup_json_ cJSON *families = NULL;
    if (aws_call_all(s, "ecs", "ListTaskDefinitionFamilies", input, "families", &families, err) < 0)
        return -1;
    const cJSON *family;
    cJSON_ArrayForEach (family, families) {
        const char *name = cJSON_GetStringValue(family);
        graph_found(g, &ecs_task_definition_type, name + strlen(prefix), name);
    }
    return 0;
}

static int definition_observe(struct session *s, struct resource *const *r, size_t n,
                              struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        bool wanted = r[i]->want != NULL;
        if ((wanted ? definition_look(s, r[i], err) : ecs_family_look(s, r[i], err)) < 0)
            return -1;
    }
    return 0;
}

/* An operating system is the default and yet "required for Amazon ECS tasks that are hosted on
 * Fargate": https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RuntimePlatform.html */
static void say_platform(cJSON *input)
{
    cJSON *platform = json_get(input, "runtimePlatform");
    if (platform != NULL && json_get(platform, "operatingSystemFamily") == NULL)
        json_put_str(platform, "operatingSystemFamily", "LINUX");
}

/* A definition in a session, for find_registered(). */
struct registration {
    struct session *session;
    const struct resource *r;
};

/* RegisterTaskDefinition takes no token: whether one without an answer was carried out shows in the
 * family's newest revision. That one is as good as another like it. */
static int find_registered(void *context, cJSON **ret, struct err *err)
{
    const struct registration *one = context;
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    json_put_str(input, "taskDefinition", one->r->name);
    _cleanup_json_ cJSON *output = NULL;
    if (aws_call(one->session, "ecs", "DescribeTaskDefinition", input, &output, err) < 0)
        return -1;
    _cleanup_json_ cJSON *newest = json_dup(json_get(output, "taskDefinition"));
    task_definition_normalise(newest);
    if (str_eq(json_str_at(output, "taskDefinition/status"), "ACTIVE") &&
        json_equal(newest, one->r->target))
        *ret = steal_ptr(&output);
    return 0;
}

static int definition_register(struct session *s, struct resource *r, struct err *err)
{
    _cleanup_json_ cJSON *input = json_dup(r->target);
    say_platform(input);
    _cleanup_json_ cJSON *tags = tags_wanted(r->graph, r->label);
    json_put(input, "tags", tags_to_list(tags, "key", "value"));
    _cleanup_json_ cJSON *output = NULL;
    struct registration one = { s, r };
    if (aws_call_found(s, "ecs", "RegisterTaskDefinition", input, find_registered, &one, &output,
                       err) < 0)
        return -1;
    resource_set_have(r, json_dup(r->target));
    resource_set_output(r, "Arn", json_str_at(output, "taskDefinition/taskDefinitionArn"));
    cJSON_Delete(r->tags);
    r->tags = steal_ptr(&tags);
    return 0;
}

static const char *const definition_gone_first[] = { "ecs.service", NULL };

const struct resource_type ecs_task_definition_type = {
    .name = "ecs.task_definition",
    .singular = "task definition",
    .plural = "task definitions",
    .scope = SCOPE_ENVIRONMENT,
    .flags = TYPE_WHOLE,
    .batch = 1,
    .gone_first = definition_gone_first,
    .discover = definition_discover,
    .observe = definition_observe,
    .create = definition_register,
    .update = definition_register,
    .remove = ecs_family_remove,
    .adopt = ecs_adopt,
};
