/* SPDX-License-Identifier: MIT */
#include "drivers/ecs.h"

/*
 * One form for task definitions that mean the same. What DescribeTaskDefinition answers is not what
 * RegisterTaskDefinition was sent: AWS adds fields of its own, fills defaults in, and keeps lists
 * in an order of its own. The rules are those of terraform-provider-aws
 * (internal/service/ecs/task_definition_equivalency.go), of amazon-ecs-deploy-task-definition
 * (IGNORED_TASK_DEFINITION_ATTRIBUTES) and of
 * https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContainerDefinition.html.
 */

static void drop(cJSON *object, const char *key)
{
    cJSON_DeleteItemFromObjectCaseSensitive(object, key);
}

static void drop_string(cJSON *object, const char *key, const char *value)
{
    if (str_eq(json_str(object, key), value))
        drop(object, key);
}

static void drop_number(cJSON *object, const char *key, double value)
{
    const cJSON *item = json_get(object, key);
    if (cJSON_IsNumber(item) && item->valuedouble == value)
        drop(object, key);
}

static void drop_bool(cJSON *object, const char *key, bool value)
{
    const cJSON *item = json_get(object, key);
    if (cJSON_IsBool(item) && (bool)cJSON_IsTrue(item) == value)
        drop(object, key);
}

/* Nulls, empty lists and empty objects mean the same as nothing, at any depth. */
static void drop_empty(cJSON *value)
{
    for (cJSON *item = value->child; item != NULL;) {
        cJSON *next = item->next;
        bool container = cJSON_IsObject(item) || cJSON_IsArray(item);
        if (container)
            drop_empty(item);
        if (cJSON_IsObject(value) && (cJSON_IsNull(item) || (container && item->child == NULL)))
            cJSON_Delete(cJSON_DetachItemViaPointer(value, item));
        item = next;
    }
}

/* Orders port mappings by port, then protocol: cJSON's strings are sorted, so keys are made. */
static void sort_ports(cJSON *ports)
{
    cJSON *port;
    cJSON_ArrayForEach (port, ports) {
        const char *protocol = json_str(port, "protocol");
        json_put_strf(port, "key", "%05d %s", (int)json_int(port, "containerPort", 0),
                      protocol ? protocol : "tcp");
    }
    json_sort(ports, "key");
    cJSON_ArrayForEach (port, ports)
        drop(port, "key");
}

static void normalise_ports(cJSON *container, bool awsvpc)
{
    cJSON *ports = json_get(container, "portMappings");
    cJSON *port;
    cJSON_ArrayForEach (port, ports) {
        drop_string(port, "protocol", "tcp");
        drop_number(port, "hostPort", 0);
        /* In awsvpc a port is the container's own, whatever was sent. */
        if (awsvpc)
            drop(port, "hostPort");
    }
    sort_ports(ports);
}

static void normalise_health_check(cJSON *check)
{
    drop_number(check, "interval", 30);
    drop_number(check, "timeout", 5);
    drop_number(check, "retries", 3);
    drop_number(check, "startPeriod", 0);
}

static void normalise_container(cJSON *container, bool awsvpc)
{
    static const char *const sorted[][2] = {
        { "environment", "name" },
        { "secrets", "name" },
        { "ulimits", "name" },
        { "mountPoints", "containerPath" },
        { "volumesFrom", "sourceContainer" },
        { "systemControls", "namespace" },
        { "dependsOn", "containerName" },
        { "resourceRequirements", "type" },
        { "extraHosts", "hostname" },
    };
    static const char *const off[] = { "disableNetworking", "interactive", "privileged",
                                       "pseudoTerminal", "readonlyRootFilesystem" };
    normalise_ports(container, awsvpc);
    for (size_t i = 0; i < ARRAY_SIZE(off); i++)
        drop_bool(container, off[i], false);
    for (size_t i = 0; i < ARRAY_SIZE(sorted); i++)
        json_sort(json_get(container, sorted[i][0]), sorted[i][1]);
    json_sort(json_at(container, "logConfiguration/secretOptions"), "name");
    normalise_health_check(json_get(container, "healthCheck"));
    drop_number(container, "cpu", 0);
    drop_bool(container, "essential", true);
    drop_string(container, "versionConsistency", "enabled");
    drop_number(json_get(container, "restartPolicy"), "restartAttemptPeriod", 300);
    cJSON *mount;
    cJSON_ArrayForEach (mount, json_get(container, "mountPoints"))
        drop_bool(mount, "readOnly", false);
    cJSON *volume;
    cJSON_ArrayForEach (volume, json_get(container, "volumesFrom"))
        drop_bool(volume, "readOnly", false);
}

/*
 * What RegisterTaskDefinition takes as text, people write as numbers; and ECS takes "1 vCPU" or
 * "2 GB" too, but answers with "1024" and "2048":
 * https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RegisterTaskDefinition.html
 */
static void size_normalise(cJSON *object, const char *key, const char *unit)
{
    const cJSON *item = json_get(object, key);
    if (cJSON_IsNumber(item)) {
        json_put_strf(object, key, "%.0f", item->valuedouble);
        return;
    }
    const char *text = cJSON_GetStringValue(item);
    char *end = NULL;
    double size = text != NULL ? strtod(text, &end) : 0;
    if (text == NULL || end == text)
        return;
    while (*end == ' ')
        end++;
    if (strcasecmp(end, unit) == 0)
        json_put_strf(object, key, "%.0f", size * 1024);
}

static void normalise_volume(cJSON *volume)
{
    cJSON *efs = json_get(volume, "efsVolumeConfiguration");
    drop_bool(volume, "configuredAtLaunch", false);
    drop_string(efs, "rootDirectory", "/");
    drop_string(efs, "transitEncryption", "DISABLED");
    drop_string(json_get(efs, "authorizationConfig"), "iam", "DISABLED");
}

void task_definition_normalise(cJSON *definition)
{
    static const char *const read_only[] = {
        "compatibilities", "taskDefinitionArn", "requiresAttributes", "revision",     "status",
        "registeredAt",    "deregisteredAt",    "deleteRequestedAt",  "registeredBy", "tags",
    };
    for (size_t i = 0; i < ARRAY_SIZE(read_only); i++)
        drop(definition, read_only[i]);
    size_normalise(definition, "cpu", "vCPU");
    size_normalise(definition, "memory", "GB");
    drop_string(json_get(definition, "runtimePlatform"), "operatingSystemFamily", "LINUX");
    drop_string(json_get(definition, "runtimePlatform"), "cpuArchitecture", "X86_64");
    drop_bool(definition, "enableFaultInjection", false);

    bool awsvpc = str_eq(json_str(definition, "networkMode"), "awsvpc");
    cJSON *container;
    cJSON_ArrayForEach (container, json_get(definition, "containerDefinitions"))
        normalise_container(container, awsvpc);
    cJSON *volume;
    cJSON_ArrayForEach (volume, json_get(definition, "volumes"))
        normalise_volume(volume);
    json_sort(json_get(definition, "containerDefinitions"), "name");
    json_sort(json_get(definition, "volumes"), "name");
    json_sort(json_get(definition, "requiresCompatibilities"), NULL);
    drop_empty(definition);
}
