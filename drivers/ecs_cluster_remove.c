/* SPDX-License-Identifier: MIT */
#include "drivers/common.h"
#include "drivers/ecs.h"

/*
 * What keeps a cluster from being deleted. All that is ours in it has gone before, so that what is
 * left is somebody's, or was begun since:
 * https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeleteCluster.html
 */

/* The names or ids at the ends of ARNs that a List of the cluster gives. */
static int names_list(struct session *s, const struct resource *r, const char *action,
                      const char *member, cJSON **ret, struct err *err)
{
    _cleanup_json_ cJSON *input = cJSON_CreateObject(), *arns = NULL;
    json_put_str(input, "cluster", r->name);
    if (aws_call_all(s, "ecs", action, input, member, &arns, err) < 0)
        return -1;
    *ret = cJSON_CreateArray();
    const cJSON *arn;
    cJSON_ArrayForEach (arn, arns) {
        const char *slash = strrchr(arn->valuestring, '/');
        json_push_str(*ret, slash != NULL ? slash + 1 : arn->valuestring);
    }
    return 0;
}

/* Of several the first is named. */
static int foreign_error(const struct resource *r, const char *kind, const cJSON *names,
                         const char *remedy, struct err *err)
{
    size_t others = json_count(names) - 1;
    _cleanup_free_ char *more = xasprintf(" (and %zu more)", others);
    return err_set(err, ERR_CONFLICT,
                   "cluster '%s' holds %s '%s'%s, which is not this environment's: %s, and run the "
                   "job again",
                   r->name, kind, names->child->valuestring, others > 0 ? more : "", remedy);
}

static int services_error(struct session *s, const struct resource *r, struct err *err)
{
    _cleanup_json_ cJSON *names = NULL;
    if (names_list(s, r, "ListServices", "serviceArns", &names, err) < 0)
        return -1;
    if (json_count(names) > 0)
        return foreign_error(r, "service", names, "delete it", err);
    return err_set(err, ERR_BUSY, "services in it are still DRAINING");
}

static int instances_error(struct session *s, const struct resource *r, struct err *err)
{
    _cleanup_json_ cJSON *names = NULL;
    if (names_list(s, r, "ListContainerInstances", "containerInstanceArns", &names, err) < 0)
        return -1;
    if (json_count(names) > 0)
        return foreign_error(r, "container instance", names, "deregister it", err);
    return err_set(err, ERR_BUSY, "container instances in it are still being deregistered");
}

static int tasks_error(struct session *s, const struct resource *r, struct err *err)
{
    size_t n = 0;
    if (ecs_tasks_stop(s, r->graph, &n, err) < 0)
        return -1;
    if (n == 0)
        return err_set(err, ERR_BUSY, "tasks in it are still being stopped");
    return err_set(err, ERR_BUSY, "%zu task%s in it %s stopped: begun since the teardown began", n,
                   n == 1 ? "" : "s", n == 1 ? "is" : "are");
}

int ecs_cluster_remove(struct session *s, struct resource *r, struct err *err)
{
    static const struct {
        const char *code;
        int (*blocker)(struct session *s, const struct resource *r, struct err *err);
    } blockers[] = {
        { "ClusterContainsServicesException", services_error },
        { "ClusterContainsTasksException", tasks_error },
        { "ClusterContainsContainerInstancesException", instances_error },
    };
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    json_put_str(input, "cluster", r->name);
    _cleanup_err_ struct err failure = ERR_INIT;
    if (aws_call(s, "ecs", "DeleteCluster", input, NULL, &failure) == 0 ||
        failure.class == ERR_NOT_FOUND)
        return 0;
    for (size_t i = 0; i < ARRAY_SIZE(blockers); i++)
        if (str_eq(failure.aws_code, blockers[i].code))
            return blockers[i].blocker(s, r, err);
    return err_move(err, &failure);
}

void ecs_cluster_leaving(const struct resource *r, struct strbuf *why)
{
    const char *status = json_str(r->memo, "status");
    strbuf_adds(why, status != NULL ? status : "");
}
