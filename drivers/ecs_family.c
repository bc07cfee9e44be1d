/* SPDX-License-Identifier: MIT */
/*
 * Families of task definitions that nothing wants any more. A family is but a name: each revision
 * has tags of its own, and those decide which ones go. Somebody may have registered others of the
 * same name.
 */
#include "drivers/ecs.h"

#define DELETED_AT_ONCE 10 /* as many as DeleteTaskDefinitions takes */

int ecs_revision_read(struct session *s, const char *id, cJSON **ret, cJSON **ret_tags,
                      struct err *err)
{
    _cleanup_json_ cJSON *input = cJSON_CreateObject(), *output = NULL;
    json_put_str(input, "taskDefinition", id);
    json_push_str(json_put_array(input, "include"), "TAGS");
    _cleanup_err_ struct err failure = ERR_INIT;
    if (aws_call(s, "ecs", "DescribeTaskDefinition", input, &output, &failure) < 0)
        return failure.class == ERR_NOT_FOUND ? 0 : err_move(err, &failure);
    *ret = cJSON_DetachItemFromObjectCaseSensitive(output, "taskDefinition");
    *ret_tags = tags_from_list(json_get(output, "tags"), "key", "value");
    return 0;
}

/* The revisions of one status, the newest first: their ARNs. */
static int revisions_list(struct session *s, const struct resource *r, const char *status,
                          cJSON **ret, struct err *err)
{
    _cleanup_json_ cJSON *input = cJSON_CreateObject(), *arns = NULL;
    json_put_str(input, "familyPrefix", r->name);
    json_put_str(input, "status", status);
    json_put_str(input, "sort", "DESC");
    if (aws_call_all(s, "ecs", "ListTaskDefinitions", input, "taskDefinitionArns", &arns, err) < 0)
        return -1;
    _cleanup_free_ char *family = xasprintf("task-definition/%s:", r->name);
    _cleanup_json_ cJSON *own = cJSON_CreateArray();
    const cJSON *arn;
    cJSON_ArrayForEach (arn, arns)
        if (strstr(cJSON_GetStringValue(arn), family) != NULL)
            json_push(own, json_dup(arn));
    *ret = steal_ptr(&own);
    return 0;
}

/* Whether the revision is ours; if so, *ret_tags (may be NULL) are its tags. */
static int revision_is_ours(struct session *s, const struct resource *r, const char *arn,
                            bool *ret_ours, cJSON **ret_tags, struct err *err)
{
    _cleanup_json_ cJSON *definition = NULL, *tags = NULL;
    if (ecs_revision_read(s, arn, &definition, &tags, err) < 0)
        return -1;
    *ret_ours = definition != NULL && tags_are_ours(r->graph, tags);
    if (*ret_ours && ret_tags != NULL)
        *ret_tags = steal_ptr(&tags);
    return 0;
}

/* The tags of the newest revision of a status that is ours; *ret_tags stays NULL if none is. */
static int find_ours(struct session *s, const struct resource *r, const char *status,
                     cJSON **ret_tags, struct err *err)
{
    _cleanup_json_ cJSON *arns = NULL;
    const cJSON *arn;
    bool ours = false;
    if (revisions_list(s, r, status, &arns, err) < 0)
        return -1;
    cJSON_ArrayForEach (arn, arns) {
        if (revision_is_ours(s, r, arn->valuestring, &ours, ret_tags, err) < 0)
            return -1;
        if (ours)
            return 0;
    }
    return 0;
}

/* Takes tags. */
static void family_take(struct resource *r, cJSON *tags)
{
    cJSON *have = NULL;
    if (tags != NULL) {
        have = cJSON_CreateObject();
        json_put_str(have, "family", r->name);
    }
    resource_set_have(r, have);
    cJSON_Delete(r->tags);
    r->tags = tags;
    r->observed = true;
}

/*
 * A deploy looks at the newest active revision alone, for it reads this of every family that begins
 * as ours do. A teardown goes on until it finds one that is ours, also among those that somebody
 * has deregistered: they "remain discoverable in your account indefinitely",
 * https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeregisterTaskDefinition.html
 */
int ecs_family_look(struct session *s, struct resource *r, struct err *err)
{
    _cleanup_json_ cJSON *newest = NULL, *foreign = NULL, *ours = NULL;
    if (ecs_revision_read(s, r->name, &newest, &foreign, err) < 0)
        return -1;
    bool active = str_eq(json_str(newest, "status"), "ACTIVE");
    if (active && tags_are_ours(r->graph, foreign))
        ours = steal_ptr(&foreign);
    if (r->graph->context.teardown && ours == NULL) {
        if (active && find_ours(s, r, "ACTIVE", &ours, err) < 0)
            return -1;
        if (ours == NULL && find_ours(s, r, "INACTIVE", &ours, err) < 0)
            return -1;
    }
    bool is_left = active && !json_bool(r->memo, RESOURCE_REMOVING, false);
    if (ours == NULL && is_left)
        ours = steal_ptr(&foreign); /* for others to tell whose it is */
    family_take(r, steal_ptr(&ours));
    return 0;
}

/* Of the listed revisions those that are ours are added to *ret, and deregistered if they are
 * active. */
static int revisions_take(struct session *s, const struct resource *r, const char *status,
                          cJSON *taken, struct err *err)
{
    _cleanup_json_ cJSON *arns = NULL;
    const cJSON *arn;
    if (revisions_list(s, r, status, &arns, err) < 0)
        return -1;
    cJSON_ArrayForEach (arn, arns) {
        bool ours = false;
        if (json_array_has(taken, arn->valuestring))
            continue;
        if (revision_is_ours(s, r, arn->valuestring, &ours, NULL, err) < 0)
            return -1;
        if (!ours)
            continue;
        if (str_eq(status, "ACTIVE") && ecs_revision_deregister(s, arn->valuestring, err) < 0)
            return -1;
        json_push(taken, json_dup(arn));
    }
    return 0;
}

/* One that was deregistered a moment ago may not be known to be inactive yet. */
static int check_deleted(const cJSON *output, struct err *err)
{
    const cJSON *failure;
    cJSON_ArrayForEach (failure, json_get(output, "failures")) {
        const char *reason = json_str(failure, "reason"), *arn = json_str(failure, "arn");
        if (!str_eq(reason, "MISSING"))
            return err_set(err, ERR_BUSY, "ECS does not delete '%s' yet: %s", arn,
                           reason != NULL ? reason : "it gives no reason");
    }
    return 0;
}

static int revisions_delete(struct session *s, cJSON *arns, struct err *err)
{
    while (json_count(arns) > 0) {
        _cleanup_json_ cJSON *input = cJSON_CreateObject(), *output = NULL;
        cJSON *some = json_put_array(input, "taskDefinitions");
        while (json_count(arns) > 0 && json_count(some) < DELETED_AT_ONCE)
            json_push(some, cJSON_DetachItemFromArray(arns, 0));
        if (aws_call(s, "ecs", "DeleteTaskDefinitions", input, &output, err) < 0 ||
            check_deleted(output, err) < 0)
            return -1;
    }
    return 0;
}

/*
 * Every active revision of ours is deregistered, which is all that makes a family go from a
 * deploy's sight. With the environment go the inactive ones, too: a service that still uses one is
 * not disturbed, and ECS keeps it in DELETE_IN_PROGRESS for as long.
 * https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeleteTaskDefinitions.html
 */
int ecs_family_remove(struct session *s, struct resource *r, struct err *err)
{
    _cleanup_json_ cJSON *gone = cJSON_CreateArray();
    json_put_bool(r->memo, RESOURCE_REMOVING, true);
    if (revisions_take(s, r, "ACTIVE", gone, err) < 0)
        return -1;
    if (!r->graph->context.teardown)
        return 0;
    if (revisions_take(s, r, "INACTIVE", gone, err) < 0)
        return -1;
    return revisions_delete(s, gone, err);
}
