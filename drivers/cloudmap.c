/* SPDX-License-Identifier: MIT */
#include "drivers/cloudmap.h"

#include <inttypes.h>
#include <strings.h>

#include "drivers/aws/digest.h"
#include "drivers/common.h"
#include "drivers/driver.h"
#include "drivers/ec2.h"

/*
 * The private DNS namespace in which an environment's services find each other. Creating and
 * deleting one is an operation of Cloud Map's own that takes up to a minute, since it makes a
 * hosted zone.
 */

#define VPC_TAG "berth:vpc"

static bool name_is_ours(const struct graph *g, const char *name)
{
    size_t n = strlen(g->context.environment);
    return str_starts(name, g->context.environment) && (name[n] == '.' || name[n] == '\0');
}

/* The names of our namespaces are the spec's, so those of orphans are told by their tags. */
static int namespaces_read(struct session *s, const char *name, cJSON **ret, struct err *err)
{
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    cJSON *filters = json_put_array(input, "Filters");
    filter_add(filters, "TYPE", "DNS_PRIVATE");
    if (name != NULL)
        filter_add(filters, "NAME", name);
    return aws_call_all(s, "servicediscovery", "ListNamespaces", input, "Namespaces", ret, err);
}

static int namespace_take(struct session *s, struct resource *r, const cJSON *namespace,
                          struct err *err)
{
    static const struct tag_call list_tags = {
        "servicediscovery", "ListTagsForResource", "ResourceARN", false, "Tags", "Key", "Value"
    };
    bool gone;
    if (tags_ask(s, r, &list_tags, json_str(namespace, "Arn"), &gone, err) < 0)
        return -1;
    if (gone) { /* between the two calls */
        resource_set_have(r, NULL);
        return 0;
    }
    cJSON *have = cJSON_CreateObject();
    json_copy(have, namespace, "Name");
    /* No call of Cloud Map's tells the VPC. A namespace without the tag is taken to be in ours. */
    const char *vpc = json_str(r->tags, VPC_TAG);
    if (vpc != NULL)
        json_put_str(have, "Vpc", vpc);
    else if (r->want != NULL)
        json_put(have, "Vpc", ref_resolve(r->graph, json_get(r->want, "Vpc"), NULL));
    const char *description = json_str(namespace, "Description");
    json_put_str(have, "Description", description != NULL ? description : "");
    resource_set_have(r, have);
    resource_set_output(r, "Id", json_str(namespace, "Id"));
    resource_set_output(r, "Name", json_str(namespace, "Name"));
    resource_set_output(r, "Arn", json_str(namespace, "Arn"));
    return 0;
}

/*
 * A name is taken once in each VPC, so that somebody else may have one of ours in another: what is
 * found second has its id in its name. The wanted one is the one that is ours.
 */
static int namespace_found(struct session *s, struct graph *g, const cJSON *namespace,
                           struct err *err)
{
    const char *name = json_str(namespace, "Name");
    struct resource *r = graph_found(g, &cloudmap_namespace_type, name, name);
    r->observed = true;
    if (r->have == NULL)
        return namespace_take(s, r, namespace, err);
    _cleanup_free_ char *second = xasprintf("%s (%s)", name, json_str(namespace, "Id"));
    struct resource *other = graph_found(g, &cloudmap_namespace_type, second, second);
    other->observed = true;
    if (namespace_take(s, other, namespace, err) < 0)
        return -1;
    if (r->want == NULL || resource_is_ours(r) || !resource_is_ours(other))
        return 0;
    cJSON_Delete(r->tags);
    r->tags = steal_ptr(&other->tags);
    resource_set_have(other, NULL);
    return namespace_take(s, r, namespace, err);
}

/* Names that are not the environment's are the spec's: in a teardown tags tell of them. */
static int namespace_discover(struct session *s, struct graph *g, struct err *err)
{
    resources_mark_observed(g, &cloudmap_namespace_type);
    _cleanup_json_ cJSON *namespaces = NULL, *tagged = NULL;
    if (namespaces_read(s, NULL, &namespaces, err) < 0 ||
        (g->context.teardown && cloudmap_tagged(s, g, &tagged, err) < 0))
        return -1;
    const cJSON *namespace;
    cJSON_ArrayForEach (namespace, namespaces) {
        const char *name = json_str(namespace, "Name");
        bool meant = graph_find_name(g, &cloudmap_namespace_type, name) != NULL ||
                     name_is_ours(g, name) || json_array_has(tagged, json_str(namespace, "Arn"));
        if (meant && namespace_found(s, g, namespace, err) < 0)
            return -1;
    }
    return g->context.teardown ? cloudmap_find_making(s, g, namespaces, err) : 0;
}

/* One that is being created or deleted is told by its operation alone. */
static int namespace_poll(struct session *s, struct resource *r, struct err *err)
{
    _cleanup_json_ cJSON *done = NULL;
    if (operation_poll(s, r, &done, err) < 0)
        return -1;
    if (done == NULL && json_bool(r->memo, "deleting", false) && json_str(r->memo, "failure"))
        return err_set(err, ERR_FAILED, "%s", json_str(r->memo, "failure"));
    if (done == NULL)
        return 0;
    if (json_bool(r->memo, "deleting", false))
        resource_set_have(r, NULL);
    else
        resource_set_output(r, "Id", json_str_at(done, "Targets/NAMESPACE"));
    return 0;
}

/* By id, once that is known; a wanted one may have been made anew since. */
int cloudmap_namespace_look(struct session *s, struct resource *r, struct err *err)
{
    const char *id = json_str(r->outputs, "Id"), *name = json_str(r->outputs, "Name");
    _cleanup_json_ cJSON *namespaces = NULL;
    if (namespaces_read(s, id != NULL ? name : r->name, &namespaces, err) < 0)
        return -1;
    const cJSON *namespace = id != NULL ? json_find(namespaces, "Id", id) : NULL;
    if (namespace == NULL && (id == NULL || r->want != NULL))
    namespace = json_find(namespaces, "Name", r->name);
    if (namespace != NULL)
        return namespace_take(s, r, namespace, err);
    resource_set_have(r, NULL);
    return 0;
}

static int namespace_observe(struct session *s, struct resource *const *r, size_t n,
                             struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        bool polled = json_str(r[i]->memo, "operation") != NULL;
        r[i]->observed = true;
        if (cloudmap_is_forgotten(r[i]))
            resource_set_have(r[i], NULL);
        else if ((polled ? namespace_poll : cloudmap_namespace_look)(s, r[i], err) < 0)
            return -1;
    }
    return 0;
}

/*
 * The same for every try of every job, so that two of them make one namespace; of all that makes
 * the namespace another, since Cloud Map answers a known id with what it did for it before. It
 * remembers ids for a while, also those of namespaces that are gone; `again` then makes another.
 */
static char *creator_request_id(const struct resource *r, bool again)
{
    const struct context *c = &r->graph->context;
    _cleanup_free_ char *what =
        xasprintf("%s\n%s\n%s", c->environment, r->name, json_str(r->target, "Vpc"));
    _cleanup_free_ char *digest = digest_text(what, 10);
    char stamp[24] = "";
    if (again) {
        stamp[0] = '-';
        clock_basic_date(time(NULL), stamp + 1, sizeof(stamp) - 1);
    }
    return xasprintf("berth-%" PRId64 "-%s%s", c->project, digest, stamp);
}

static int namespace_call_create(struct session *s, struct resource *r, const cJSON *tags,
                                 bool again, cJSON **ret, struct err *err)
{
    _cleanup_json_ cJSON *input = json_dup(r->target);
    _cleanup_free_ char *id = creator_request_id(r, again);
    if (str_eq(json_str(input, "Description"), ""))
        cJSON_DeleteItemFromObjectCaseSensitive(input, "Description");
    json_put_str(input, "CreatorRequestId", id);
    json_put(input, "Tags", tags_to_list(tags, "Key", "Value"));
    return aws_call(s, "servicediscovery", "CreatePrivateDnsNamespace", input, ret, err);
}

/*
 * Whether the operation that a create has answered with is one of an earlier time: it has failed
 * already, or made a namespace that is gone.
 */
static int operation_is_old(struct session *s, const struct resource *r, const cJSON *begun,
                            bool *ret, struct err *err)
{
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    json_copy(input, begun, "OperationId");
    _cleanup_json_ cJSON *output = NULL;
    if (aws_call(s, "servicediscovery", "GetOperation", input, &output, err) < 0)
        return -1;
    const char *status = json_str_at(output, "Operation/Status");
    bool old = str_eq(status, "FAIL");
    if (str_eq(status, "SUCCESS")) {
        _cleanup_json_ cJSON *namespaces = NULL;
        if (namespaces_read(s, r->name, &namespaces, err) < 0)
            return -1;
        const char *id = json_str_at(output, "Operation/Targets/NAMESPACE");
        old = json_find(namespaces, "Id", id) == NULL;
    }
    *ret = old;
    return 0;
}

/* With an id of its own, where the usual one leads to what is past. */
static int namespace_create_again(struct session *s, struct resource *r, const cJSON *tags,
                                  cJSON **output, struct err *err)
{
    bool old = false;
    if (operation_is_old(s, r, *output, &old, err) < 0)
        return -1;
    if (!old)
        return 0;
    cJSON_Delete(steal_ptr(output));
    return namespace_call_create(s, r, tags, true, output, err);
}

static int namespace_create(struct session *s, struct resource *r, struct err *err)
{
    _cleanup_json_ cJSON *tags = tags_wanted(r->graph, r->label);
    json_put_str(tags, VPC_TAG, json_str(r->target, "Vpc"));
    _cleanup_json_ cJSON *output = NULL;
    _cleanup_err_ struct err failure = ERR_INIT;
    if (namespace_call_create(s, r, tags, false, &output, &failure) < 0) {
        if (!str_eq(failure.aws_code, "DuplicateRequest"))
            return err_move(err, &failure);
        _cleanup_json_ cJSON *pending = NULL; /* the operations do not tell which */
        if (cloudmap_creations(s, &pending, err) < 0)
            return -1;
        if (json_count(pending) > 0)
            return err_set(err, ERR_BUSY, "namespace '%s' is being created by an earlier request",
                           r->name);
        if (namespace_call_create(s, r, tags, true, &output, err) < 0)
            return -1;
    } else if (namespace_create_again(s, r, tags, &output, err) < 0) {
        return -1;
    }
    operation_begin(r, output, "the creation of the namespace");
    resource_set_have(r, json_dup(r->target));
    resource_set_output(r, "Name", r->name);
    cJSON_Delete(r->tags);
    r->tags = steal_ptr(&tags);
    return 0;
}

/* Of what berth manages, the description alone can be changed. */
static int namespace_update(struct session *s, struct resource *r, struct err *err)
{
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    json_put_str(input, "Id", json_str(r->outputs, "Id"));
    json_copy(json_put_object(input, "Namespace"), r->target, "Description");
    _cleanup_json_ cJSON *output = NULL;
    if (aws_call(s, "servicediscovery", "UpdatePrivateDnsNamespace", input, &output, err) < 0)
        return -1;
    operation_begin(r, output, "the change of the namespace");
    resource_set_have(r, json_dup(r->target));
    return 0;
}

/* What AWS says of a namespace that it does not begin to delete. */
static int refusal(const struct resource *r, struct err *failure, struct err *err)
{
    if (failure->class == ERR_NOT_FOUND)
        return 0;
    if (str_eq(failure->aws_code, "DuplicateRequest"))
        return err_set(err, ERR_BUSY, "it is being deleted already, or changed");
    if (str_eq(failure->aws_code, "ResourceInUse"))
        return err_set(err, ERR_BUSY, "Cloud Map still counts services in '%s'", r->name);
    return err_move(err, failure);
}

static int namespace_remove(struct session *s, struct resource *r, struct err *err)
{
    if (cloudmap_is_making(r) && cloudmap_making_look(s, r, err) < 0)
        return -1;
    if (json_str(r->memo, "operation") != NULL || r->have == NULL)
        return 0; /* asked for already, or not ours to ask for */
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    json_put_str(input, "Id", json_str(r->outputs, "Id"));
    _cleanup_json_ cJSON *output = NULL;
    _cleanup_err_ struct err failure = ERR_INIT;
    if (aws_call(s, "servicediscovery", "DeleteNamespace", input, &output, &failure) < 0)
        return refusal(r, &failure, err);
    operation_begin(r, output, "the deletion of the namespace");
    json_put_bool(r->memo, "deleting", true);
    return 0;
}

static void namespace_leaving(const struct resource *r, struct strbuf *why)
{
    operation_judge(r, why);
}

bool cloudmap_is_wanted(const cJSON *service)
{
    const cJSON *discovery = json_get(service, "discovery");
    return discovery != NULL && !cJSON_IsFalse(discovery) && !cJSON_IsNull(discovery);
}

static int namespace_want(struct graph *g, const cJSON *spec, struct err *err)
{
    const cJSON *discovery = json_get(spec, "discovery");
    _cleanup_free_ char *fallback = xasprintf("%s.local", g->context.environment);
    const char *name =
        json_str(discovery, "namespace") ? json_str(discovery, "namespace") : fallback;
    const char *origin = "discovery.namespace";
    if (name_check(origin, "a namespace's name", name, 253, err) < 0 ||
        ec2_want_vpc(g, spec, err) < 0)
        return -1;
    cJSON *want = cJSON_CreateObject();
    json_put_str(want, "Name", name);
    json_put(want, "Vpc", ref_new("${%s.VpcId}", EC2_VPC));
    const char *description = json_str(discovery, "description");
    json_put_str(want, "Description", description != NULL ? description : "");
    if (graph_add(g, &cloudmap_namespace_type, "discovery", name, origin, want, NULL, err) < 0)
        return -1;
    graph_alias(g, "discovery", CLOUDMAP_NAMESPACE);
    return 0;
}

/* A service's name in Cloud Map: its own, or the one the spec gives, and the environment's. */
static char *service_name(const struct graph *g, const cJSON *service)
{
    const cJSON *discovery = json_get(service, "discovery");
    const char *name =
        cJSON_IsString(discovery) ? discovery->valuestring : json_str(discovery, "name");
    return xasprintf("%s-%s", name ? name : service->string, g->context.environment);
}

static cJSON *service_wanted(const cJSON *service, const char *name)
{
    const cJSON *discovery = json_get(service, "discovery");
    const char *routing = json_str(discovery, "routingPolicy");
    cJSON *want = cJSON_CreateObject();
    json_put_str(want, "Name", name);
    json_put(want, "NamespaceId", ref_new("${%s.Id}", CLOUDMAP_NAMESPACE));
    cJSON *dns = json_put_object(want, "DnsConfig");
    json_put_str(dns, "RoutingPolicy", routing ? routing : "MULTIVALUE");
    cJSON *record = json_push(json_put_array(dns, "DnsRecords"), cJSON_CreateObject());
    json_put_str(record, "Type", "A");
    json_put_int(record, "TTL", json_int(discovery, "ttl", 10));
    json_put_int(json_put_object(want, "HealthCheckCustomConfig"), "FailureThreshold", 1);
    return want;
}

/* "You can't create multiple services with names that differ only by case":
 * https://docs.aws.amazon.com/cloud-map/latest/api/API_CreateService.html */
static int name_is_free(const struct graph *g, const char *name, const char *origin,
                        struct err *err)
{
    for (size_t i = 0; i < g->n; i++) {
        const struct resource *r = g->v[i];
        if (r->type == &cloudmap_service_type && strcasecmp(r->name, name) == 0)
            return err_set(err, ERR_USER,
                           "%s: '%s' is the name of %s too; give one of them another 'name'",
                           origin, name, r->origin);
    }
    return 0;
}

static int cloudmap_want(struct graph *g, const cJSON *spec, struct err *err)
{
    bool any = json_get(spec, "discovery") != NULL;
    const cJSON *service;
    cJSON_ArrayForEach (service, json_get(spec, "services")) {
        if (!cloudmap_is_wanted(service))
            continue;
        any = true;
        _cleanup_free_ char *name = service_name(g, service);
        _cleanup_free_ char *origin = xasprintf("services.%s.discovery", service->string);
        /* A DNS label: https://docs.aws.amazon.com/cloud-map/latest/api/API_CreateService.html */
        if (name_check(origin, "a DNS label", name, 63, err) < 0 ||
            name_is_free(g, name, origin, err) < 0 ||
            graph_add(g, &cloudmap_service_type, service->string, name, origin,
                      service_wanted(service, name), NULL, err) < 0)
            return -1;
    }
    return any ? namespace_want(g, spec, err) : 0;
}

static const char *const namespace_immutable[] = { "Name", "Vpc", NULL };
static const char *const namespace_stable[] = { "Id", "Name", NULL };
static const char *const after_vpc[] = { "ec2.vpc", NULL };

static const struct tag_call tag_call = {
    "servicediscovery", "TagResource", "ResourceARN", false, "Tags", "Key", "Value"
};

static int namespace_adopt(struct session *s, struct resource *r, struct err *err)
{
    return tags_give(s, r, &tag_call, json_str(r->outputs, "Arn"), err);
}

const struct resource_type cloudmap_namespace_type = {
    .name = "cloudmap.namespace",
    .singular = "namespace",
    .plural = "namespaces",
    .scope = SCOPE_ENVIRONMENT,
    .replace = REPLACE_REMOVE_FIRST,
    .flags = TYPE_PRECIOUS,
    .deadline = 600,
    .after = after_vpc,
    .immutable = namespace_immutable,
    .stable = namespace_stable,
    .discover = namespace_discover,
    .observe = namespace_observe,
    .judge = operation_judge,
    .create = namespace_create,
    .update = namespace_update,
    .remove = namespace_remove,
    .leaving = namespace_leaving,
    .adopt = namespace_adopt,
};

static const struct resource_type *const cloudmap_types[] = { &cloudmap_namespace_type,
                                                              &cloudmap_service_type, NULL };

extern const struct driver cloudmap_driver;
const struct driver cloudmap_driver = {
    .name = "cloudmap",
    .types = cloudmap_types,
    .permissions = cloudmap_permissions,
    .want = cloudmap_want,
};
