/* SPDX-License-Identifier: MIT */
#include <ctype.h>

#include "drivers/common.h"
#include "drivers/elasticache.h"
#include "drivers/linked_role.h"

/* In memo: the tags are those of the subnet group, and nobody has asked for its own. */
#define UNREAD "tags unread"

int version_compare(const char *a, const char *b)
{
    for (;;) {
        char *end_a, *end_b;
        if (!isdigit((unsigned char)*a) || !isdigit((unsigned char)*b))
            return 0;
        long x = strtol(a, &end_a, 10), y = strtol(b, &end_b, 10);
        if (x != y)
            return x < y ? -1 : 1;
        if (*end_a != '.' || *end_b != '.')
            return 0;
        a = end_a + 1;
        b = end_b + 1;
    }
}

/* A group that is being taken away has the status "removing". */
static cJSON *groups_of(const cJSON *cluster)
{
    cJSON *groups = cJSON_CreateArray();
    const cJSON *group;
    cJSON_ArrayForEach (group, json_get(cluster, "SecurityGroups"))
        if (!str_eq(json_str(group, "Status"), "removing"))
            json_push_str(groups, json_str(group, "SecurityGroupId"));
    return groups;
}

/*
 * From 6.0 on AWS chooses the patch: "7.1" becomes "7.1.0",
 * https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/engine-versions.html. What is newer than
 * wanted stays so: https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/
 * API_ModifyCacheCluster.html ("you cannot downgrade to an earlier engine version").
 */
static void version_form(const struct resource *r, const char *version, cJSON *have)
{
    const char *wanted = json_str(r->want, "EngineVersion");
    if (version == NULL)
        return;
    /* "You can't downgrade from Valkey to Redis OSS": its versions are no lower ones of the same.
     */
    if (str_eq(json_str(have, "Engine"), "valkey") &&
        str_eq(json_str(r->want, "Engine"), "redis")) {
        json_put_str(have, "EngineVersion", version);
        json_put_strf(have, "MinimumEngineVersion", "valkey %s", version);
        return;
    }
    int order = wanted != NULL ? version_compare(version, wanted) : 0;
    json_put_str(have, "EngineVersion", order == 0 && wanted != NULL ? wanted : version);
    json_put_str(have, "MinimumEngineVersion", order <= 0 && wanted != NULL ? wanted : version);
}

void node_form(const struct resource *r, const cJSON *cluster, cJSON *have)
{
    static const char *const members[] = {
        "Engine",
        "CacheNodeType",
        "CacheSubnetGroupName",
        "PreferredMaintenanceWindow",
        "SnapshotRetentionLimit",
        "SnapshotWindow",
        "AutoMinorVersionUpgrade",
    };
    for (size_t i = 0; i < ARRAY_SIZE(members); i++)
        json_copy(have, cluster, members[i]);
    json_put_str(have, "CacheParameterGroupName",
                 json_str_at(cluster, "CacheParameterGroup/CacheParameterGroupName"));
    json_put(have, "SecurityGroupIds", groups_of(cluster));
    /* The port is the endpoint's, which is there only once the node is. */
    const cJSON *port = json_at(cluster, "CacheNodes/0/Endpoint/Port");
    if (port == NULL)
        port = json_get(r->want, "Port");
    if (port != NULL)
        json_put(have, "Port", json_dup(port));
    const char *version = json_str(cluster, "EngineVersion");
    /* What waits for the maintenance window is not on its way. */
    if (str_eq(json_str(cluster, "CacheClusterStatus"), "modifying")) {
        const cJSON *pending = json_get(cluster, "PendingModifiedValues");
        json_copy(have, pending, "CacheNodeType");
        version = json_str(pending, "EngineVersion") ? json_str(pending, "EngineVersion") : version;
    }
    version_form(r, version, have);
}

/* The states that no waiting ends:
 * https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_CacheCluster.html */
static bool status_is_failure(const char *status)
{
    return str_eq(status, "create-failed") || str_eq(status, "restore-failed") ||
           str_eq(status, "failed") || str_starts(status, "incompatible-");
}

/* A snapshot is taken beside the work; all else is waited for. */
static bool status_is_available(const char *status)
{
    return str_eq(status, "available") || str_eq(status, "snapshotting");
}

/* The newest event's message: nothing else tells why a creation failed,
 * https://github.com/hashicorp/terraform-provider-aws/issues/8561. */
static int reason_read(struct session *s, struct resource *r, const char *source, struct err *err)
{
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    json_put_str(input, "SourceIdentifier", r->name);
    json_put_str(input, "SourceType", source);
    json_put_int(input, "Duration", 14 * 24 * 60); /* minutes: as long as events are kept */
    _cleanup_json_ cJSON *events = NULL;
    if (aws_call_all(s, "elasticache", "DescribeEvents", input, "Events", &events, err) < 0)
        return -1;
    const cJSON *event, *newest = NULL;
    double latest = 0;
    cJSON_ArrayForEach (event, events) {
        const cJSON *date = json_get(event, "Date"); /* in no order that is promised */
        double at = cJSON_IsNumber(date) ? date->valuedouble : 0;
        if (newest == NULL || at >= latest) {
            newest = event;
            latest = at;
        }
    }
    const char *message = json_str(newest, "Message");
    json_put_str(r->memo, "reason", message != NULL ? message : "AWS has no event that says why");
    return 0;
}

static const struct resource *subnet_group_of(const struct resource *r, const char *name)
{
    return name != NULL ? graph_find_name(r->graph, &elasticache_subnet_group_type, name) : NULL;
}

/*
 * Nobody else puts a cluster of this name into our subnet group, so that whoever the group belongs
 * to is whose the cluster is: no call is needed. A replication group has a tag that no other has.
 * What a teardown deletes is asked itself.
 */
static bool tags_are_known(struct resource *r, const struct resource *subnet_group)
{
    if (r->tags != NULL)
        return !json_bool(r->memo, "borrowed", false);
    if (r->graph->context.teardown || r->type == &elasticache_group_type || subnet_group == NULL ||
        !resource_is_ours(subnet_group))
        return false;
    r->tags = json_dup(subnet_group->tags);
    json_put_bool(r->memo, UNREAD, true);
    return true;
}

int elasticache_read_tags(struct session *s, struct resource *r, struct err *err)
{
    if (!json_bool(r->memo, UNREAD, false))
        return 0;
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    json_put_str(input, "ResourceName", json_str(r->outputs, "Arn"));
    _cleanup_json_ cJSON *output = NULL;
    _cleanup_err_ struct err failure = ERR_INIT;
    if (aws_call(s, "elasticache", "ListTagsForResource", input, &output, &failure) < 0 &&
        failure.class != ERR_NOT_FOUND && failure.class != ERR_BUSY)
        return err_move(err, &failure);
    cJSON_Delete(r->tags);
    r->tags = tags_from_list(json_get(output, "TagList"), "Key", "Value");
    json_put_bool(r->memo, UNREAD, false);
    return 0;
}

/* Tags are told only while the resource is available:
 * https://github.com/hashicorp/terraform-provider-aws/issues/33859. */
static int tags_take(struct session *s, struct resource *r, const char *arn,
                     const struct resource *subnet_group, struct err *err)
{
    if (tags_are_known(r, subnet_group))
        return 0;
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    json_put_str(input, "ResourceName", arn);
    _cleanup_json_ cJSON *output = NULL;
    _cleanup_err_ struct err failure = ERR_INIT;
    if (aws_call(s, "elasticache", "ListTagsForResource", input, &output, &failure) == 0) {
        cJSON_Delete(r->tags);
        r->tags = tags_from_list(json_get(output, "TagList"), "Key", "Value");
        json_put_bool(r->memo, "borrowed", false);
        return 0;
    }
    if (failure.class != ERR_NOT_FOUND && failure.class != ERR_BUSY)
        return err_move(err, &failure);
    if (r->tags == NULL && subnet_group != NULL)
        r->tags = json_dup(subnet_group->tags);
    json_put_bool(r->memo, "borrowed", true);
    return 0;
}

int node_take(struct session *s, struct resource *r, const char *status, const char *arn,
              const char *subnet_group, const char *source, struct err *err)
{
    json_put_str(r->memo, "status", status != NULL ? status : "unknown");
    resource_set_output(r, "Arn", arn);
    if (tags_take(s, r, arn, subnet_group_of(r, subnet_group), err) < 0)
        return -1;
    if (status_is_failure(status) && json_str(r->memo, "reason") == NULL)
        return reason_read(s, r, source, err);
    return 0;
}

bool node_is_absent(const struct resource *r)
{
    const char *status = json_str(r->memo, "status");
    if (r->want == NULL || (r->action != ACTION_NONE && r->action != ACTION_CREATE))
        return false;
    if (str_eq(status, "deleting") || str_eq(status, "deleted"))
        return true;
    /* It never held anything, so that it may go whatever the host config says. */
    return str_eq(status, "create-failed") && !json_bool(r->memo, "created", false) &&
           resource_is_ours(r);
}

void node_created(struct resource *r, cJSON *tags, const char *status, const char *arn)
{
    resource_set_have(r, json_dup(r->target));
    cJSON_Delete(r->tags);
    r->tags = tags;
    json_put_bool(r->memo, "created", true);
    json_put_bool(r->memo, "borrowed", false);
    json_put_str(r->memo, "status", status != NULL ? status : "creating");
    resource_set_output(r, "Arn", arn);
}

cJSON *node_changes(const struct resource *r, const char *const *names)
{
    _cleanup_json_ cJSON *changes = cJSON_CreateObject();
    for (; *names != NULL; names++) {
        const cJSON *to = json_get(r->target, *names);
        if (to != NULL && !json_equal(to, json_get(r->have, *names)))
            json_put(changes, *names, json_dup(to));
    }
    return changes->child != NULL ? steal_ptr(&changes) : NULL;
}

void node_expect(struct resource *r, const cJSON *changes)
{
    cJSON *expected = json_get(r->memo, "expected");
    if (expected == NULL)
        expected = json_put_object(r->memo, "expected");
    const cJSON *change;
    cJSON_ArrayForEach (change, changes)
        json_put(expected, change->string, json_dup(change));
    /* What the answer said may be from before: https://github.com/hashicorp/
     * terraform-provider-aws waits 30 s before it looks (elasticache/wait.go). */
    json_put_str(r->memo, "status", "modifying");
}

enum readiness node_judge(const struct resource *r, struct strbuf *why)
{
    const char *status = json_str(r->memo, "status");
    if (status_is_failure(status)) {
        strbuf_addf(why, "%s: %s", status, json_str(r->memo, "reason"));
        return FAILED;
    }
    if (!status_is_available(status)) {
        strbuf_adds(why, status != NULL ? status : "not seen yet");
        return WAITING;
    }
    const cJSON *expected;
    cJSON_ArrayForEach (expected, json_get(r->memo, "expected")) {
        if (!json_equal(expected, json_get(r->have, expected->string))) {
            strbuf_addf(why, "%s is not changed yet", expected->string);
            return WAITING;
        }
    }
    if (json_str(r->outputs, "host") == NULL) {
        strbuf_adds(why, "it has no address yet");
        return WAITING;
    }
    return READY;
}

int node_must_be_available(struct session *s, struct resource *r, struct err *err)
{
    if (status_is_available(json_str(r->memo, "status")) && json_get(r->memo, "expected") == NULL)
        return 0;
    if (r->type->observe(s, &r, 1, err) < 0)
        return -1;
    const char *status = json_str(r->memo, "status");
    if (r->have == NULL)
        return err_set(err, ERR_FAILED, "%s '%s' has disappeared; run the job again",
                       r->type->singular, r->name);
    if (status_is_failure(status))
        return err_set(err, ERR_FAILED, "%s '%s' is %s: %s", r->type->singular, r->name, status,
                       json_str(r->memo, "reason"));
    _cleanup_strbuf_ struct strbuf why = STRBUF_INIT;
    if (node_judge(r, &why) != READY)
        return err_set(err, ERR_BUSY, "%s '%s' can be changed once it is available: %s",
                       r->type->singular, r->name, why.buf);
    return 0;
}

int node_make_way(struct session *s, struct resource *r, struct err *err)
{
    if (json_str(r->memo, "status") == NULL)
        return 0;
    if (str_eq(json_str(r->memo, "status"), "create-failed")) {
        if (r->type->remove(s, r, err) < 0)
            return -1;
        json_put_str(r->memo, "status", "deleting");
    } else if (r->type->observe(s, &r, 1, err) < 0) {
        return -1;
    }
    if (json_str(r->memo, "status") == NULL)
        return 0;
    return err_set(err, ERR_BUSY, "an earlier %s '%s' is still being deleted", r->type->singular,
                   r->name);
}

/* AWS makes the role itself where there is none, and does not wait for it:
 * https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/using-service-linked-roles.html */
int node_move_error(struct resource *r, struct err *failure, struct err *err)
{
    if (str_starts(failure->aws_code, "ServiceLinkedRoleNotFound") ||
        (failure->class == ERR_INVALID && failure->message != NULL &&
         strcasestr(failure->message, "service linked role") != NULL))
        return linked_role_missing(r, failure, err);
    return err_move(err, failure);
}

/* AWS deletes what is "available" or has failed, and nothing that is in the making or being
 * changed: https://github.com/hashicorp/terraform/issues/1331. What it is in now is looked up. */
static int not_now(struct session *s, struct resource *r, struct err *err)
{
    if (r->type->observe(s, &r, 1, err) < 0)
        return -1;
    const char *status = json_str(r->memo, "status");
    return err_set(err, ERR_BUSY, "%s: AWS deletes it once it is available",
                   status != NULL ? status : "gone");
}

int node_remove(struct session *s, struct resource *r, const char *action, const char *member,
                struct err *err)
{
    if (str_eq(json_str(r->memo, "status"), "deleting"))
        return 0; /* asked for already */
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    json_put_str(input, member, r->name);
    _cleanup_err_ struct err failure = ERR_INIT;
    if (aws_call(s, "elasticache", action, input, NULL, &failure) == 0 ||
        failure.class == ERR_NOT_FOUND)
        return 0;
    return failure.class == ERR_BUSY ? not_now(s, r, err) : err_move(err, &failure);
}

void node_leaving(const struct resource *r, struct strbuf *why)
{
    const char *status = json_str(r->memo, "status");
    strbuf_adds(why, status != NULL ? status : "");
}
