/* SPDX-License-Identifier: MIT */
#include "drivers/common.h"
#include "drivers/ecs.h"

/*
 * What keeps a cluster from being deleted. All that is ours in it has gone before, so that what is
 * left is somebody's, or was begun since:
 * https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeleteCluster.html
 */

/* What is not berth's to take away: the error that tells of it, and the List that names it. */
struct holder {
    const char *code, *action, *member;
    const char *kind, *remedy; /* for what is listed */
    const char *passing;       /* nothing is listed any more */
};
static const struct holder service_holder = {
    "ClusterContainsServicesException",  "ListServices", "serviceArns", "service", "delete it",
    "services in it are still DRAINING",
};
static const struct holder instance_holder = {
    "ClusterContainsContainerInstancesException",
    "ListContainerInstances",
    "containerInstanceArns",
    "container instance",
    "deregister it",
    "container instances in it are still being deregistered",
};
static const struct holder *const holders[] = { &service_holder, &instance_holder };

/* What is listed of a kind, but for services of ours: those have gone before, and a list may not
 * know it yet. */
static int holders_list(struct session *s, const struct resource *r, const struct holder *holder,
                        struct strlist *ret, struct err *err)
{
    _cleanup_json_ cJSON *input = cJSON_CreateObject(), *arns = NULL;
    json_put_str(input, "cluster", r->name);
    if (aws_call_all(s, "ecs", holder->action, input, holder->member, &arns, err) < 0)
        return -1;
    const cJSON *arn;
    cJSON_ArrayForEach (arn, arns) {
        const char *slash = strrchr(arn->valuestring, '/');
        const char *name = slash != NULL ? slash + 1 : arn->valuestring;
        if (graph_find_name(r->graph, &ecs_service_type, name) == NULL)
            strlist_add(ret, name);
    }
    return 0;
}

/* Of several the first is named. */
static int holder_error(const struct resource *r, const struct holder *holder,
                        const struct strlist *names, struct err *err)
{
    if (names->n == 0)
        return err_set(err, ERR_BUSY, "%s", holder->passing);
    _cleanup_free_ char *more = xasprintf(" (and %zu more)", names->n - 1);
    return err_set(err, ERR_CONFLICT,
                   "cluster '%s' holds %s '%s'%s, which is not this environment's: %s, and run the "
                   "job again",
                   r->name, holder->kind, names->v[0], names->n > 1 ? more : "", holder->remedy);
}

/* AWS says one thing at a time: tasks may be those of somebody's service, which are not ours to
 * stop, and would be begun anew. */
static int tasks_error(struct session *s, const struct resource *r, struct err *err)
{
    _cleanup_strlist_ struct strlist services = STRLIST_INIT;
    if (holders_list(s, r, &service_holder, &services, err) < 0)
        return -1;
    if (services.n > 0)
        return holder_error(r, &service_holder, &services, err);
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
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    json_put_str(input, "cluster", r->name);
    _cleanup_err_ struct err failure = ERR_INIT;
    if (aws_call(s, "ecs", "DeleteCluster", input, NULL, &failure) == 0 ||
        failure.class == ERR_NOT_FOUND)
        return 0;
    if (str_eq(failure.aws_code, "ClusterContainsTasksException"))
        return tasks_error(s, r, err);
    for (size_t i = 0; i < ARRAY_SIZE(holders); i++) {
        _cleanup_strlist_ struct strlist names = STRLIST_INIT;
        if (!str_eq(failure.aws_code, holders[i]->code))
            continue;
        return holders_list(s, r, holders[i], &names, err) < 0
                   ? -1
                   : holder_error(r, holders[i], &names, err);
    }
    return err_move(err, &failure);
}

void ecs_cluster_leaving(const struct resource *r, struct strbuf *why)
{
    const char *status = json_str(r->memo, "status");
    strbuf_adds(why, status != NULL ? status : "");
}
