/* SPDX-License-Identifier: MIT */
#include "drivers/cloudmap.h"
#include "drivers/common.h"

/*
 * The names under which an environment's services are found. They belong to the namespace: what is
 * in it and not wanted goes.
 */

static int services_read(struct session *s, const char *namespace_id, cJSON **ret, struct err *err)
{
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    filter_add(json_put_array(input, "Filters"), "NAMESPACE_ID", namespace_id);
    _cleanup_err_ struct err failure = ERR_INIT;
    if (aws_call_all(s, "servicediscovery", "ListServices", input, "Services", ret, &failure) == 0)
        return 0;
    if (failure.class != ERR_NOT_FOUND)
        return err_move(err, &failure);
    *ret = cJSON_CreateArray();
    return 0;
}

/* The namespace that a service is in, or is to be in; NULL while that one is not there. */
static const char *namespace_of(const struct resource *r)
{
    if (r->want != NULL)
        return resource_output(r->graph, CLOUDMAP_NAMESPACE, "Id");
    return json_str(r->have, "NamespaceId");
}

static void service_take(struct resource *r, const cJSON *service, const char *namespace_id)
{
    static const char *const record_members[] = { "Type", "TTL", NULL };
    cJSON *have = cJSON_CreateObject();
    json_copy(have, service, "Name");
    /* A summary does not name its namespace; the filter did. */
    json_put_str(have, "NamespaceId", namespace_id);
    cJSON *dns = json_put_object(have, "DnsConfig");
    json_copy(dns, json_get(service, "DnsConfig"), "RoutingPolicy");
    cJSON *records = json_put_array(dns, "DnsRecords");
    const cJSON *record;
    cJSON_ArrayForEach (record, json_at(service, "DnsConfig/DnsRecords"))
        json_push(records, json_pick(record, record_members));
    json_copy(have, service, "HealthCheckCustomConfig");
    /* "No longer supported and always set to 1":
     * https://docs.aws.amazon.com/cloud-map/latest/api/API_HealthCheckCustomConfig.html */
    if (json_get(have, "HealthCheckCustomConfig") != NULL)
        json_put_int(json_get(have, "HealthCheckCustomConfig"), "FailureThreshold", 1);
    resource_set_have(r, have);
    resource_set_output(r, "Id", json_str(service, "Id"));
    resource_set_output(r, "Arn", json_str(service, "Arn"));
    r->observed = true;
}

/* "notifier" for "notifier-automation-8527fec8": what the spec would call it. */
static char *label_of(const struct graph *g, const char *name)
{
    _cleanup_free_ char *ending = xasprintf("-%s", g->context.environment);
    size_t len = strlen(name);
    return xstrndup(name, str_ends(name, ending) ? len - strlen(ending) : len);
}

static int service_discover(struct session *s, struct graph *g, struct err *err)
{
    resources_mark_observed(g, &cloudmap_service_type);
    for (size_t i = 0; i < g->n; i++) {
        const struct resource *namespace = g->v[i];
        if (namespace->type != &cloudmap_namespace_type || namespace->have == NULL ||
            !resource_is_ours(namespace))
            continue;
        const char *id = json_str(namespace->outputs, "Id");
        _cleanup_json_ cJSON *services = NULL;
        if (services_read(s, id, &services, err) < 0)
            return -1;
        const cJSON *service;
        cJSON_ArrayForEach (service, services) {
            const char *name = json_str(service, "Name");
            _cleanup_free_ char *label = label_of(g, name);
            service_take(graph_found(g, &cloudmap_service_type, label, name), service, id);
        }
    }
    return 0;
}

static int service_observe(struct session *s, struct resource *const *r, size_t n, struct err *err)
{
    _cleanup_json_ cJSON *services = NULL;
    _cleanup_free_ char *read = NULL; /* the namespace whose services these are */
    for (size_t i = 0; i < n; i++) {
        r[i]->observed = true;
        if (operation_poll(s, r[i], NULL, err) < 0)
            return -1;
        const char *id = namespace_of(r[i]);
        if (id != NULL && !str_eq(id, read)) {
            cJSON_Delete(steal_ptr(&services));
            free(read);
            read = xstrdup(id);
            if (services_read(s, id, &services, err) < 0)
                return -1;
        }
        const cJSON *service = id ? json_find(services, "Name", r[i]->name) : NULL;
        if (service != NULL)
            service_take(r[i], service, read);
        else
            resource_set_have(r[i], NULL);
    }
    return 0;
}

static int service_create(struct session *s, struct resource *r, struct err *err)
{
    _cleanup_json_ cJSON *input = json_dup(r->target);
    _cleanup_json_ cJSON *tags = tags_wanted(r->graph, r->label);
    json_put(input, "Tags", tags_to_list(tags, "Key", "Value"));
    /* A name exists once in a namespace, so a second try answers ServiceAlreadyExists. */
    _cleanup_json_ cJSON *output = NULL;
    if (aws_call(s, "servicediscovery", "CreateService", input, &output, err) < 0)
        return -1;
    const cJSON *service = json_get(output, "Service");
    resource_set_output(r, "Id", json_str(service, "Id"));
    resource_set_output(r, "Arn", json_str(service, "Arn"));
    resource_set_have(r, json_dup(r->target));
    return 0;
}

/* Records that are left out are deleted, so all of them are sent:
 * https://docs.aws.amazon.com/cloud-map/latest/api/API_UpdateService.html */
static int service_update(struct session *s, struct resource *r, struct err *err)
{
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    json_put_str(input, "Id", json_str(r->outputs, "Id"));
    cJSON *dns = json_put_object(json_put_object(input, "Service"), "DnsConfig");
    json_copy(dns, json_get(r->target, "DnsConfig"), "DnsRecords");
    _cleanup_json_ cJSON *output = NULL;
    if (aws_call(s, "servicediscovery", "UpdateService", input, &output, err) < 0)
        return -1;
    operation_begin(r, output, "the change of the service's records");
    resource_set_have(r, json_dup(r->target));
    return 0;
}

/* Asks for every instance's deregistration. One that is being deregistered says ResourceInUse. */
static int instances_deregister(struct session *s, const char *id, size_t *ret_n, struct err *err)
{
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    json_put_str(input, "ServiceId", id);
    _cleanup_json_ cJSON *instances = NULL;
    if (aws_call_all(s, "servicediscovery", "ListInstances", input, "Instances", &instances, err) <
        0)
        return -1;
    const cJSON *instance;
    cJSON_ArrayForEach (instance, instances) {
        _cleanup_err_ struct err failure = ERR_INIT;
        json_put_str(input, "InstanceId", json_str(instance, "Id"));
        if (aws_call(s, "servicediscovery", "DeregisterInstance", input, NULL, &failure) < 0 &&
            failure.class != ERR_NOT_FOUND && failure.class != ERR_BUSY)
            return err_move(err, &failure);
    }
    *ret_n = json_count(instances);
    return 0;
}

static int service_remove(struct session *s, struct resource *r, struct err *err)
{
    const char *id = json_str(r->outputs, "Id");
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    json_put_str(input, "Id", id);
    _cleanup_err_ struct err failure = ERR_INIT;
    if (aws_call(s, "servicediscovery", "DeleteService", input, NULL, &failure) == 0 ||
        failure.class == ERR_NOT_FOUND)
        return 0;
    if (failure.class != ERR_BUSY)
        return err_move(err, &failure);
    size_t n = 0;
    if (instances_deregister(s, id, &n, err) < 0)
        return -1;
    return err_set(err, ERR_BUSY, "%zu instance%s in it %s being deregistered", n,
                   n == 1 ? "" : "s", n == 1 ? "is" : "are");
}

static const char *const service_immutable[] = { "Name", "NamespaceId", "HealthCheckCustomConfig",
                                                 "DnsConfig.RoutingPolicy", NULL };
static const char *const service_stable[] = { "Id", "Arn", NULL };
static const char *const after_namespace[] = { "cloudmap.namespace", NULL };
static const char *const service_gone_first[] = { "ecs.service", NULL };

const struct resource_type cloudmap_service_type = {
    .name = "cloudmap.service",
    .singular = "Cloud Map service",
    .plural = "Cloud Map services",
    .scope = SCOPE_CHILD,
    .replace = REPLACE_REMOVE_FIRST,
    .immutable = service_immutable,
    .after = after_namespace,
    .parent = "cloudmap.namespace",
    .stable = service_stable,
    .gone_first = service_gone_first,
    .discover = service_discover,
    .observe = service_observe,
    .judge = operation_judge,
    .create = service_create,
    .update = service_update,
    .remove = service_remove,
};
