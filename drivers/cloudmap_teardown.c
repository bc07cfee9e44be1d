/* SPDX-License-Identifier: MIT */
#include "drivers/cloudmap.h"
#include "drivers/common.h"
#include "drivers/tagged.h"

/*
 * What a teardown asks beside the list of namespaces: which of those have our tags that have not
 * our name, since a spec may call its namespace as it likes, and which are only being made. Those
 * are in no list, and whose one is shows once it is there: so it counts as ours until then.
 */

#define MAKING "making"
#define NOTED  "cloudmap.creations" /* in context.notes: the operations of the first look */

int cloudmap_tagged(struct session *s, const struct graph *g, cJSON **ret, struct err *err)
{
    _cleanup_json_ cJSON *found = NULL;
    if (tagged_find_environment(s, g, "servicediscovery", &found, err) < 0)
        return -1;
    *ret = cJSON_CreateArray();
    const cJSON *one;
    cJSON_ArrayForEach (one, found)
        json_push_str(*ret, json_str(one, "ResourceARN"));
    return 0;
}

int cloudmap_creations(struct session *s, cJSON **ret, struct err *err)
{
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    cJSON *filters = json_put_array(input, "Filters");
    filter_add(filters, "TYPE", "CREATE_NAMESPACE");
    cJSON *status = filter_add(filters, "STATUS", "SUBMITTED");
    json_push_str(json_get(status, "Values"), "PENDING");
    json_put_str(status, "Condition", "IN");
    return aws_call_all(s, "servicediscovery", "ListOperations", input, "Operations", ret, err);
}

static void making_found(struct graph *g, const char *operation, const char *id)
{
    _cleanup_free_ char *name = xasprintf("%s, which is being made", id);
    struct resource *r = graph_found(g, &cloudmap_namespace_type, name, name);
    cJSON *have = cJSON_CreateObject();
    json_put_str(have, "Name", name);
    resource_set_have(r, have);
    r->observed = true;
    cJSON_Delete(r->tags);
    r->tags = tags_wanted(g, r->label);
    resource_set_output(r, "Id", id);
    json_put_str(r->memo, "operation", operation);
    json_put_str(r->memo, "what", "the creation of the namespace");
    json_put_bool(r->memo, MAKING, true);
}

static void note_creations(struct graph *g, const cJSON *operations)
{
    cJSON *ids = json_put_array(g->context.notes, NOTED);
    const cJSON *operation;
    cJSON_ArrayForEach (operation, operations)
        json_push_str(ids, json_str(operation, "Id"));
}

/*
 * Nobody has begun to make one of ours since the run began, which has the environment's lock, so
 * that the first look tells which may be: what is begun later, of which there may always be some
 * in the account, is another's. Who looks once alone has nobody to wait for any.
 */
int cloudmap_find_making(struct session *s, struct graph *g, const cJSON *namespaces,
                         struct err *err)
{
    _cleanup_json_ cJSON *operations = NULL;
    if (g->context.notes == NULL)
        return 0;
    if (cloudmap_creations(s, &operations, err) < 0)
        return -1;
    const cJSON *first = json_get(g->context.notes, NOTED), *operation;
    cJSON_ArrayForEach (operation, operations) {
        if (first != NULL && !json_array_has(first, json_str(operation, "Id")))
            continue;
        _cleanup_json_ cJSON *input = cJSON_CreateObject(), *output = NULL;
        json_put_str(input, "OperationId", json_str(operation, "Id"));
        if (aws_call(s, "servicediscovery", "GetOperation", input, &output, err) < 0)
            return -1;
        const char *id = json_str_at(output, "Operation/Targets/NAMESPACE");
        if (id != NULL && json_find(namespaces, "Id", id) == NULL)
            making_found(g, json_str(operation, "Id"), id);
    }
    if (first == NULL)
        note_creations(g, operations);
    return 0;
}

bool cloudmap_is_making(const struct resource *r)
{
    return json_bool(r->memo, MAKING, false);
}

/* Forgets a namespace that never came to be, or is another's. */
static void forget(struct resource *r)
{
    resource_set_have(r, NULL);
    json_put_bool(r->memo, MAKING, false);
    json_put_bool(r->memo, "forgotten", true);
}

int cloudmap_making_look(struct session *s, struct resource *r, struct err *err)
{
    if (operation_poll(s, r, NULL, err) < 0)
        return -1;
    if (json_str(r->memo, "operation") != NULL)
        return err_set(err, ERR_BUSY,
                       "a namespace is being made, and whose it is shows once it is there");
    if (json_str(r->memo, "failure") != NULL) {
        forget(r);
        return 0;
    }
    cJSON_Delete(steal_ptr(&r->tags));
    if (cloudmap_namespace_look(s, r, err) < 0)
        return -1;
    json_put_bool(r->memo, MAKING, false);
    if (r->have == NULL || resource_is_ours(r))
        return 0;
    graph_warn(r->graph,
               "namespace '%s' (%s), made meanwhile, is not this environment's, and is "
               "left alone",
               json_str(r->have, "Name"), json_str(r->outputs, "Id"));
    forget(r);
    return 0;
}

bool cloudmap_is_forgotten(const struct resource *r)
{
    return json_bool(r->memo, "forgotten", false);
}
