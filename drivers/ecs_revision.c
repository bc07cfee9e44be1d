/* SPDX-License-Identifier: MIT */
/*
 * Old revisions of task definitions. Two of each family stay: the one that runs, and the one that
 * ran before it, for whoever wants to go back. What is older is deregistered once the deployment of
 * a newer one is complete. Until then a rollback needs what ran before: "rolls back to the last
 * completed deployment",
 * https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-circuit-breaker.html
 *
 * Which they are is computed, since revisions are numbered one by one: those before that which ran,
 * and those between that and the new one, which are of deployments that failed or of
 * RegisterTaskDefinition calls whose answers were lost. Each is looked at before it goes: somebody
 * else may have registered it.
 */
#include <inttypes.h>

#include "drivers/aws/together.h"
#include "drivers/ecs.h"

#define REVISIONS_AT_ONCE 32 /* of one family: the newest; a teardown finds the rest */
#define LOOK_BACK         2  /* before the one that ran: one more, for a job killed meanwhile */

static double created_at(const cJSON *deployment)
{
    const cJSON *when = json_get(deployment, "createdAt");
    return cJSON_IsNumber(when) ? when->valuedouble : 0;
}

/* What a rollback would go back to; where no deployment tells how far it is, what runs. */
static const cJSON *last_complete(const cJSON *deployments)
{
    const cJSON *deployment, *newest = NULL;
    cJSON_ArrayForEach (deployment, deployments)
        if (str_eq(json_str(deployment, "rolloutState"), "COMPLETED") &&
            (newest == NULL || created_at(deployment) > created_at(newest)))
            newest = deployment;
    return newest != NULL ? newest : json_find(deployments, "status", "PRIMARY");
}

void ecs_revision_note(struct resource *r, const cJSON *service)
{
    const char *ran = json_str(last_complete(json_get(service, "deployments")), "taskDefinition");
    if (json_get(r->memo, "ran") == NULL)
        json_put_str(r->memo, "ran", ran != NULL ? ran : "none");
}

/* 7 of "...:task-definition/family:7"; 0 if it is of another family. */
static int64_t number_of(const char *arn, const char *family)
{
    const char *slash = arn != NULL ? strrchr(arn, '/') : NULL;
    size_t len = strlen(family);
    int64_t number = 0;
    if (slash == NULL || strncmp(slash + 1, family, len) != 0 || slash[1 + len] != ':' ||
        str_to_int64(slash + len + 2, 1, INT64_MAX, &number) < 0)
        return 0;
    return number;
}

/* Whether nothing would be rolled back any more; as in ecs_judge.c, not every deployment tells. */
static bool is_complete(const cJSON *deployment)
{
    const char *rollout = json_str(deployment, "rolloutState");
    return rollout == NULL || str_eq(rollout, "COMPLETED");
}

/* Revisions that may go: "family:7". */
struct candidates {
    struct strlist names;
    struct strlist stays; /* of each: the one that has to be there to stay in its place; or "" */
};
#define CANDIDATES_INIT                                                                            \
    {                                                                                              \
        .names = STRLIST_INIT, .stays = STRLIST_INIT                                               \
    }

static void candidates_release(struct candidates *c)
{
    strlist_release(&c->names);
    strlist_release(&c->stays);
}

static void candidates_add(struct candidates *c, const char *name, const char *stays)
{
    strlist_add(&c->names, name);
    strlist_add(&c->stays, stays);
}

/*
 * The newest first. A service that this run has created ran nothing before. One that is as it was
 * may be what this pipeline has left behind when its job was killed: what it ran before is taken to
 * be the one before this, if there still is such a one. If not, it is an older one.
 */
static void add_old(const struct resource *r, struct candidates *old)
{
    const cJSON *primary = json_find(json_at(r->memo, "state/deployments"), "status", "PRIMARY");
    int64_t runs = number_of(json_str(primary, "taskDefinition"), r->name);
    int64_t ran = number_of(json_str(r->memo, "ran"), r->name);
    bool unchanged = runs == ran;
    if (ran == 0 || runs < ran || !is_complete(primary) ||
        (unchanged && !ecs_cluster_is_retried(r->graph)))
        return;
    int64_t keep = unchanged ? runs - 1 : ran;
    int64_t oldest = keep - (unchanged ? 1 : LOOK_BACK);
    if (oldest < runs - REVISIONS_AT_ONCE)
        oldest = runs - REVISIONS_AT_ONCE;
    _cleanup_free_ char *kept = xasprintf("%s:%" PRId64, r->name, keep);
    for (int64_t number = runs - 1; number >= oldest && number > 0; number--) {
        _cleanup_free_ char *name = xasprintf("%s:%" PRId64, r->name, number);
        if (number != keep)
            candidates_add(old, name, unchanged ? kept : "");
    }
}

/* Whether it is as it should be: this run has seen to that, or found it so. */
static bool is_done(const struct resource *r)
{
    bool untouched = r->progress == PROGRESS_PENDING && r->action == ACTION_NONE && !r->wait;
    return r->progress == PROGRESS_DONE || untouched;
}

static void collect_old(const struct graph *g, struct candidates *old)
{
    for (size_t i = 0; i < g->n; i++) {
        const struct resource *r = g->v[i];
        if (r->type == &ecs_service_type && r->want != NULL && is_done(r))
            add_old(r, old);
    }
}

static void add_used(struct strlist *used, const cJSON *what, const char *member)
{
    const char *arn = json_str(what, member);
    const char *slash = arn != NULL ? strrchr(arn, '/') : NULL;
    if (slash != NULL)
        strlist_add(used, slash + 1);
}

/* Of every service that this run has seen, as it was seen last. */
static void collect_deployed(const struct graph *g, struct strlist *used)
{
    for (size_t i = 0; i < g->n; i++) {
        const cJSON *deployment;
        if (g->v[i]->type != &ecs_service_type)
            continue;
        cJSON_ArrayForEach (deployment, json_at(g->v[i]->memo, "state/deployments"))
            add_used(used, deployment, "taskDefinition");
    }
}

/* Of every task in the cluster, whoever has started it. */
static int collect_running(struct session *s, const struct graph *g, struct strlist *used,
                           struct err *err)
{
    const char *cluster = g->context.environment;
    _cleanup_json_ cJSON *input = cJSON_CreateObject(), *arns = NULL;
    json_put_str(input, "cluster", cluster);
    if (aws_call_all(s, "ecs", "ListTasks", input, "taskArns", &arns, err) < 0)
        return -1;
    while (json_count(arns) > 0) {
        _cleanup_json_ cJSON *tasks = NULL;
        const cJSON *task;
        if (ecs_tasks_describe(s, cluster, arns, &tasks, err) < 0)
            return -1;
        cJSON_ArrayForEach (task, tasks)
            add_used(used, task, "taskDefinitionArn");
    }
    return 0;
}

int ecs_revision_deregister(struct session *s, const char *revision, struct err *err)
{
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    json_put_str(input, "taskDefinition", revision);
    _cleanup_err_ struct err failure = ERR_INIT;
    if (aws_call(s, "ecs", "DeregisterTaskDefinition", input, NULL, &failure) < 0 &&
        failure.class != ERR_NOT_FOUND)
        return err_move(err, &failure);
    return 0;
}

/* One revision that may be deregistered. */
struct old_revision {
    struct session *session;
    const struct graph *graph;
    const char *name, *stays; /* as in struct candidates */
    bool gone;                /* by this run */
    struct err failure;
};

/* Numbers have gaps, and not every revision of that name is ours. */
static bool is_there(struct old_revision *one, const char *name)
{
    _cleanup_json_ cJSON *definition = NULL, *tags = NULL;
    return ecs_revision_read(one->session, name, &definition, &tags, &one->failure) == 0 &&
           str_eq(json_str(definition, "status"), "ACTIVE") && tags_are_ours(one->graph, tags);
}

static int old_deregister(void *context, struct err *err)
{
    struct old_revision *one = context;
    (void)err; /* the others are tried all the same, and all is told at once */
    if (!is_there(one, one->name) || (*one->stays != '\0' && !is_there(one, one->stays)))
        return 0;
    one->gone = ecs_revision_deregister(one->session, one->name, &one->failure) == 0;
    return 0;
}

static void tell(struct graph *g, struct old_revision *all, size_t n, struct strlist *ret_done)
{
    size_t gone = 0, left = 0;
    const struct old_revision *failed = NULL;
    for (size_t i = 0; i < n; i++) {
        gone += all[i].gone;
        left += all[i].failure.class != ERR_NONE;
        if (all[i].failure.class != ERR_NONE && failed == NULL)
            failed = &all[i];
    }
    if (gone > 0)
        strlist_addf(ret_done, "%zu old revision%s of task definitions deregistered", gone,
                     gone == 1 ? "" : "s");
    if (failed != NULL && failed->failure.class != ERR_CANCELLED)
        graph_warn(g,
                   "%zu old revision%s of task definitions could not be deregistered, and will "
                   "stay until the environment is destroyed: '%s': %s",
                   left, left == 1 ? "" : "s", failed->name, failed->failure.message);
}

static void deregister_all(struct session *s, struct graph *g, const struct candidates *old,
                           struct strlist *ret_done)
{
    size_t n = old->names.n;
    _cleanup_free_ struct old_revision *all = xcalloc(n + 1, sizeof(*all));
    _cleanup_free_ struct together_task *tasks = xcalloc(n + 1, sizeof(*tasks));
    for (size_t i = 0; i < n; i++) {
        all[i] = (struct old_revision){ .session = s,
                                        .graph = g,
                                        .name = old->names.v[i],
                                        .stays = old->stays.v[i],
                                        .failure = ERR_INIT };
        tasks[i] = (struct together_task){ old_deregister, &all[i] };
    }
    _cleanup_err_ struct err none = ERR_INIT;
    together_run(tasks, n, &none);
    tell(g, all, n, ret_done);
    for (size_t i = 0; i < n; i++)
        err_release(&all[i].failure);
}

static void deregister_old(struct session *s, struct graph *g, struct strlist *ret_done)
{
    _cleanup_(candidates_release) struct candidates found = CANDIDATES_INIT, old = CANDIDATES_INIT;
    _cleanup_strlist_ struct strlist used = STRLIST_INIT;
    _cleanup_err_ struct err err = ERR_INIT;
    collect_old(g, &found);
    if (found.names.n == 0)
        return;
    collect_deployed(g, &used);
    if (collect_running(s, g, &used, &err) < 0) {
        if (err.class != ERR_CANCELLED)
            graph_warn(g,
                       "no old revision of a task definition is deregistered, since berth cannot "
                       "see which ones still run: %s",
                       err.message);
        return;
    }
    for (size_t i = 0; i < found.names.n; i++)
        if (!strlist_has(&used, found.names.v[i]))
            candidates_add(&old, found.names.v[i], found.stays.v[i]);
    if (old.names.n > 0)
        deregister_all(s, g, &old, ret_done);
}

void ecs_end(struct session *s, struct graph *g, struct strlist *ret_done)
{
    deregister_old(s, g, ret_done);
    ecs_run_end(s, g);
}
