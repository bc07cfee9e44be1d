/* SPDX-License-Identifier: MIT */
#include "drivers/common.h"
#include "drivers/ecr.h"
#include "drivers/ecs.h"

static bool array_holds(const cJSON *array, const cJSON *value)
{
    const cJSON *item;
    cJSON_ArrayForEach (item, array) {
        if (json_equal(item, value))
            return true;
    }
    return false;
}

/* A port may be open to several sources; it is mapped once. */
static cJSON *ports_make(const cJSON *ports)
{
    cJSON *mappings = cJSON_CreateArray();
    const cJSON *port;
    cJSON_ArrayForEach (port, ports) {
        const char *protocol = json_str(port, "protocol");
        _cleanup_json_ cJSON *mapping = cJSON_CreateObject();
        json_put_int(mapping, "containerPort",
                     cJSON_IsNumber(port) ? (int64_t)port->valuedouble : json_int(port, "port", 0));
        json_put_str(mapping, "protocol", protocol ? protocol : "tcp");
        if (!array_holds(mappings, mapping))
            json_push(mappings, steal_ptr(&mapping));
    }
    return mappings;
}

static cJSON *environment_make(const cJSON *environment)
{
    cJSON *list = cJSON_CreateArray();
    const cJSON *variable;
    cJSON_ArrayForEach (variable, environment) {
        if (cJSON_IsNull(variable))
            continue;
        cJSON *item = json_push(list, cJSON_CreateObject());
        json_put_str(item, "name", variable->string);
        json_put(item, "value", json_dup(variable));
    }
    return list;
}

/* A secret by its ARN; a bare name is that of an SSM parameter of this account and region. */
static char *secret_arn(const struct context *c, const char *name)
{
    if (str_starts(name, "arn:"))
        return xstrdup(name);
    return xasprintf("arn:%s:ssm:%s:%s:parameter%s%s", arn_partition(c->region), c->region,
                     c->account, *name == '/' ? "" : "/", name);
}

static cJSON *secrets_make(const struct context *c, const cJSON *secrets)
{
    cJSON *list = cJSON_CreateArray();
    const cJSON *secret;
    cJSON_ArrayForEach (secret, secrets) {
        if (cJSON_IsNull(secret))
            continue;
        cJSON *item = json_push(list, cJSON_CreateObject());
        json_put_str(item, "name", secret->string);
        if (cJSON_IsString(secret)) {
            _cleanup_free_ char *arn = secret_arn(c, secret->valuestring);
            json_put_str(item, "valueFrom", arn);
        } else {
            json_put(item, "valueFrom", json_dup(secret)); /* a reference */
        }
    }
    return list;
}

/* A command line becomes a check with the intervals that the schema gives AWS's object. */
static cJSON *health_check_make(const cJSON *check)
{
    if (cJSON_IsObject(check) && !ref_is(check)) {
        cJSON *copy = json_dup(check);
        if (json_get(copy, "startPeriod") == NULL)
            json_put_int(copy, "startPeriod", 30);
        return copy;
    }
    cJSON *made = cJSON_CreateObject();
    cJSON *command = json_put_array(made, "command");
    json_push_str(command, "CMD-SHELL");
    json_push(command, json_dup(check));
    json_put_int(made, "interval", 30);
    json_put_int(made, "timeout", 5);
    json_put_int(made, "retries", 3);
    json_put_int(made, "startPeriod", 30);
    return made;
}

/* The environment's log group; the prefix is the same in every pipeline, or each would restart
 * every task. */
static cJSON *log_configuration_make(const struct context *c)
{
    cJSON *log = cJSON_CreateObject();
    json_put_str(log, "logDriver", "awslogs");
    cJSON *options = json_put_object(log, "options");
    json_put_str(options, "awslogs-group", c->environment);
    json_put_str(options, "awslogs-region", c->region);
    json_put_str(options, "awslogs-stream-prefix", c->environment);
    return log;
}

static int image_make(struct graph *g, const cJSON *spec, const cJSON *service, cJSON **ret,
                      struct err *err)
{
    const char *module = json_str(service, "module");
    if (json_get(service, "image") != NULL) {
        *ret = json_dup(json_get(service, "image"));
        return 0;
    }
    if (module == NULL)
        return err_set(err, ERR_USER, "services.%s: names neither a 'module' nor an 'image'",
                       service->string);
    _cleanup_free_ char *path = xasprintf("services.%s.module", service->string);
    if (ecr_want_image(g, spec, module, path, err) < 0)
        return -1;
    *ret = ref_new("${ecr.image/%s.Image}", module);
    return 0;
}

int ecs_container_make(struct graph *g, const cJSON *spec, const cJSON *service, cJSON **ret,
                       struct err *err)
{
    cJSON *image = NULL;
    if (image_make(g, spec, service, &image, err) < 0)
        return -1;
    const char *name = json_str(service, "container");
    const cJSON *check = json_get(service, "healthCheck");
    cJSON *container = cJSON_CreateObject();
    json_put_str(container, "name", name ? name : service->string);
    json_put(container, "image", image);
    json_put_bool(container, "essential", true);
    json_put(container, "portMappings", ports_make(json_get(service, "ports")));
    json_put(container, "environment", environment_make(json_get(service, "environment")));
    json_put(container, "secrets", secrets_make(&g->context, json_get(service, "secrets")));
    if (check != NULL && !cJSON_IsNull(check))
        json_put(container, "healthCheck", health_check_make(check));
    json_put(container, "logConfiguration", log_configuration_make(&g->context));
    *ret = container;
    return 0;
}
