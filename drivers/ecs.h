/* SPDX-License-Identifier: MIT */
#ifndef BERTH_DRIVERS_ECS_H
#define BERTH_DRIVERS_ECS_H

/*
 * What the files of the ECS driver share: the cluster (ecs_cluster.c), task definitions
 * (ecs_task_definition.c makes them from the spec and reads and registers them, ecs_container.c
 * their containers, ecs_normalise.c brings wanted and registered ones into one form), services
 * (ecs_service_want.c, ecs_service.c; ecs_service_form.c brings wanted and observed ones into one
 * form), until when an environment lives (ecs_expiry.c), whether a service's deployment is done
 * (ecs_judge.c) and its targets are healthy (ecs_targets.c), also those that were
 * replaced meanwhile (ecs_restart.c), why tasks have stopped (ecs_stopped.c), again and again
 * (ecs_loop.c), what else tells why (ecs_explain.c), the end of a container's log (ecs_log.c), how
 * a service is taken back to what it was (ecs_service_back.c), many at once (ecs_describe.c), old
 * revisions (ecs_revision.c), and families that nothing wants (ecs_family.c); and what a teardown
 * stops first, tasks that no service has started (ecs_task.c); and which runs work on the
 * environment (ecs_run.c).
 */

#include "drivers/resource.h"

#define ECS_CLUSTER "ecs.cluster/cluster" /* outputs ClusterName, Arn */

extern const struct resource_type ecs_cluster_type;
extern const struct resource_type ecs_task_definition_type;
extern const struct resource_type ecs_service_type;
extern const struct resource_type ecs_task_type;

/* The adopt() of all three. */
int ecs_adopt(struct session *s, struct resource *r, struct err *err);

int ecs_cluster_want(struct graph *g, const cJSON *spec, struct err *err);
int ecs_task_definition_want(struct graph *g, const cJSON *spec, const cJSON *service,
                             struct err *err);
int ecs_service_want(struct graph *g, const cJSON *spec, const cJSON *service, struct err *err);

/* Which runs work on the environment (ecs_run.c). Marks the cluster with this run's pipeline before
 * anything else of the environment changes, and with the run where that matters to another. */
int ecs_begin(struct session *s, struct graph *g, struct err *err);
int ecs_overtaken(struct session *s, const struct graph *g, char **ret, struct err *err);
/* Of a cluster's tags: the pipeline that it is marked with; 0 if none. */
int64_t ecs_pipeline_read(const cJSON *tags);
/* The pipeline that the cluster is marked with now; 0 if none. */
int ecs_cluster_pipeline(struct session *s, const struct graph *g, int64_t *ret, struct err *err);

/* The same for a cluster that is about to be created: adds to its tags; and after this run, or
 * another, has created it. That of another was read. */
void ecs_run_put(struct resource *cluster, cJSON *tags);
void ecs_run_made(struct resource *cluster);
int ecs_run_join(struct session *s, struct resource *cluster, struct err *err);
/* After the services are read: reads the cluster's marks once more, where there may be any. A run
 * that puts itself there later writes later, too: what was read is not its own. */
int ecs_run_look_again(struct session *s, const struct graph *g, struct err *err);
/* Another run that had not ended when the cluster was read, or takes back what it has written;
 * NULL: there is none. */
const char *ecs_run_other(struct session *s, const struct graph *g);
/* This run has ended, or has asked for all that is taken back: takes its marks off again. */
void ecs_run_end(struct session *s, struct graph *g);
/* struct driver's recall: from now on ecs_run_overtaken() tells why no service is taken back, or is
 * NULL. */
void ecs_recall(struct session *s, struct graph *g, double until);
const char *ecs_run_overtaken(const struct graph *g);
/* DescribeClusters of one, with its tags; the caller owns *ret. */
int ecs_cluster_read(struct session *s, const char *name, cJSON **ret, struct err *err);

/* The cluster's remove(), which names what it holds, and leaving() (ecs_cluster_remove.c). */
int ecs_cluster_remove(struct session *s, struct resource *r, struct err *err);
void ecs_cluster_leaving(const struct resource *r, struct strbuf *why);
/* Stops every task in the cluster that is to run; *ret_n is how many there were (ecs_task.c). */
int ecs_tasks_stop(struct session *s, const struct graph *g, size_t *ret_n, struct err *err);

/*
 * Until when an environment lives without a deploy: a date in UTC, which counts only where the host
 * config has a time to live (context.time_to_live). Set when the cluster is created; a deploy
 * renews it when less than three quarters are left, so that most deploys that change nothing write
 * nothing.
 */
#define ECS_EXPIRES_TAG "berth:expires"
void ecs_expiry_put(cJSON *tags, const struct context *c);
/* Of a cluster's tags, as an object; -1 if there is none that can be read. */
int ecs_expiry_read(const cJSON *tags, time_t *ret);
/* Whether a deploy at `now` has to renew it. */
bool ecs_expiry_is_due(const cJSON *tags, int64_t time_to_live, time_t now);
/* Renews it where that is due and the cluster is there and ours: after it was observed. */
int ecs_expiry_renew(struct session *s, const struct graph *g, bool *ret_renewed, struct err *err);

/* Whether this run's pipeline had marked the cluster before it began. */
bool ecs_cluster_is_retried(const struct graph *g);

/* The container that berth generates for a service, as RegisterTaskDefinition takes it. The caller
 * owns *ret. */
int ecs_container_make(struct graph *g, const cJSON *spec, const cJSON *service, cJSON **ret,
                       struct err *err);

/*
 * Brings a task definition, wanted or registered, into the form in which those that mean the same
 * are equal JSON: without what AWS adds or has as a default, lists whose order does not count
 * sorted. Works in place.
 */
void task_definition_normalise(cJSON *definition);

/* Refuses members of a spec's free-form object that berth decides itself; `names` is NULL-ended. */
int ecs_refuse_members(const cJSON *object, const char *path, const char *const *names,
                       struct err *err);

/*
 * Passes on why a create failed. In an account that has not used ECS yet the first call has its
 * service-linked role made, which cannot be assumed at once: linked_role.h.
 */
int ecs_move_error(struct resource *r, struct err *failure, struct err *err);

/*
 * Adds what takes away again whatever a spec's own members of CreateService set, so that a member
 * that leaves the spec goes back to its default; and takes out of a create what would only say the
 * default, since some of it is refused where it has no use.
 */
void ecs_service_put_resets(cJSON *want);
void ecs_service_drop_resets(cJSON *input);
/* Says the numbers of a strategy that are not given, as ECS does. */
void ecs_strategy_complete(cJSON *service);
/* Adds that the deployment of an earlier run must not have failed; see ecs_service_have(). */
void ecs_service_want_rollout(cJSON *want);
/* Those members of DescribeServices' answer that are wanted, in the form in which they are wanted.
 * The caller owns it. */
cJSON *ecs_service_have(const struct resource *r, const cJSON *service);

/* Adds a service that nobody wants, by its name, for observe() to read. */
void ecs_service_found(struct graph *g, const char *name);
/* Keeps what judging a service takes from DescribeServices' answer in the resource's memo. */
void ecs_service_remember(struct resource *r, const cJSON *service);
/* Sets RESOURCE_BLAMELESS by all that is remembered of it. */
void ecs_service_blame(struct resource *r);
/* Remembers the deployment that a write has begun: it must be the primary one in the end. */
void ecs_service_begun(struct resource *r, const cJSON *service);
/* Remembers that DescribeServices, which may lag behind, tells of that deployment. */
void ecs_service_seen(struct resource *r);
enum readiness ecs_service_judge(const struct resource *r, struct strbuf *why);
/*
 * The health of a service's targets, where it has a load balancer (ecs_targets.c): read into the
 * resource's memo; whether there are as many healthy ones as tasks wanted; and why not, appended.
 */
int ecs_targets_read(struct session *s, struct resource *r, const cJSON *service, struct err *err);
bool ecs_targets_are_healthy(const struct resource *r, struct strbuf *why);
/*
 * Tasks of a complete deployment that ECS has replaced since this run first looked (ecs_restart.c):
 * read into the resource's memo, with the health of those that run; whether there were any; whether
 * all are healthy that have a health check, and why not, appended.
 */
int ecs_restarts_look(struct session *s, struct resource *r, struct err *err);
bool ecs_service_has_restarted(const struct resource *r);
bool ecs_tasks_are_healthy(const struct resource *r, struct strbuf *why);
/* Whether ECS calls the primary deployment complete, and as many tasks run as are wanted. */
bool ecs_service_runs(const struct resource *r);
char *ecs_target_group_name(const char *arn); /* of its ARN; the caller frees it */
/* The id of the deployment that is judged: this run's, or else the primary one; or NULL. */
const char *ecs_deployment_of(const struct resource *r);
/* Whether the deployment that this run began is no longer the primary one. */
bool ecs_service_is_replaced(const struct resource *r);

/* Since when what ECS tells of the service is about the deployment that is judged; seconds since
 * 1970. */
double ecs_service_since(const struct resource *r);
/* Whether ECS finds no place for tasks; it tells so in events. The newest of them, or NULL. */
const char *ecs_service_unplaced(const struct resource *r);
const char *ecs_event_text(const char *message); /* of an event, without the service's name */
/* Whether an event tells of something that went wrong. */
bool ecs_event_tells(const char *message);
/* explain() of services (ecs_explain.c). */
void ecs_service_explain(struct session *s, const struct resource *r, cJSON *explanation);
/* Adds the end of what the failing container has written (ecs_log.c), by the tasks that have
 * stopped; whether there is any. */
bool ecs_log_explain(struct session *s, const struct resource *r, const cJSON *stops,
                     cJSON *explanation);
/* Where a container of a task definition writes to CloudWatch Logs, in streams "PREFIX/CONTAINER/
 * TASK". The strings are the definition's. */
struct ecs_log {
    const char *group, *prefix, *region; /* region NULL: not said */
};
/* Whether it does, under a prefix. */
bool ecs_log_of(const cJSON *container, struct ecs_log *ret);
/* A service's container in the revision that this run has found or made, by its name or, NULL, the
 * first; NULL: there is none. */
const cJSON *ecs_container_of(const struct resource *r, const char *name);
const cJSON *ecs_containers_of(const struct resource *r); /* all of them, or NULL */

/*
 * Why tasks of a service have stopped of late, the newest first, each reason once:
 * [{"task", "at" (seconds since 1970), "reason", "times"}]. The caller owns *ret.
 */
int ecs_service_stops(struct session *s, const struct resource *r, cJSON **ret, struct err *err);
/*
 * The same of each task, with the "deployment" that started it, AWS's stop "code", the "container"
 * whose end it was with its "exitCode", and, where it is the application's or its settings' doing,
 * the "kind" of end, one of those below, and the "detail" that AWS gives.
 */
int ecs_stops_read(struct session *s, const struct resource *r, cJSON **ret, struct err *err);
#define ECS_STOP_PULL   "pull"
#define ECS_STOP_SECRET "secret"
#define ECS_STOP_ROLE   "role"
#define ECS_STOP_LOG    "log"
#define ECS_STOP_START  "start"
#define ECS_STOP_MEMORY "memory"
#define ECS_STOP_EXIT   "exit"
#define ECS_STOP_HEALTH "health"
#define ECS_STOP_TARGET "target"
/* Reads the ends of the deployment's tasks into the resource's memo, where ECS shows signs of any
 * that have not been read (ecs_loop.c). */
void ecs_stops_look(struct session *s, struct resource *r);
/* The newest end of the kind that most ends are of, and how many those are; NULL: there is none. Of
 * exits, one whose code is known goes before. */
const cJSON *ecs_stops_prevailing(const cJSON *stops, size_t *ret_n);
/* How many tasks ECS says that it has started since then, in seconds since 1970. */
int64_t ecs_started_since(const struct resource *r, double since);
/* Whether the task's containers had run before it ended. */
bool ecs_stop_has_run(const cJSON *stop);
/* Whether tasks end so often that waiting helps no more. */
bool ecs_stops_are_a_loop(const struct resource *r);
/* Appends why tasks end, of which there are n: "container 'api' exits with 1 (3 tasks)". */
void ecs_stop_tell(const cJSON *stop, size_t n, struct strbuf *out);
/* What to do about it; NULL where that is not known. */
const char *ecs_stop_cure(const cJSON *stop);
/* A service's tasks that run or are to, at most as many as one call describes (ecs_describe.c);
 * NULL where there are none. The caller owns *ret. */
int ecs_tasks_running(struct session *s, const struct resource *r, cJSON **ret, struct err *err);
/* Describe, and take out of the list, as many as one call takes; clusters with their tags
 * (ecs_describe.c). The caller owns *ret. */
int ecs_tasks_describe(struct session *s, const char *cluster, cJSON *arns, cJSON **ret,
                       struct err *err);
int ecs_instances_describe(struct session *s, const char *cluster, cJSON *arns, cJSON **ret,
                           struct err *err);
int ecs_clusters_describe(struct session *s, cJSON *arns, cJSON **ret, struct err *err);

/*
 * Taking back what this run has written to a service (ecs_service_back.c). Before each write: that
 * it will be created, or which members of what is there will change; and where it is found to be
 * somebody else's creation, that it is not.
 */
void ecs_service_note_creation(struct resource *r);
void ecs_service_note_no_creation(struct resource *r);
void ecs_service_note_change(struct resource *r, const char *member);
/* Whether this run has written what can be taken back. */
bool ecs_service_has_written(const struct resource *r);
int ecs_service_take_back(struct session *s, struct resource *r, struct strbuf *what,
                          bool *ret_done, struct err *err);
/* DescribeServices of as many as one call takes, with their tags; the caller owns *ret. */
int ecs_services_read(struct session *s, struct resource *const *r, size_t n, cJSON **ret,
                      struct err *err);

/* observe() and remove() of a family of task definitions that is not wanted. */
int ecs_family_look(struct session *s, struct resource *r, struct err *err);
int ecs_family_remove(struct session *s, struct resource *r, struct err *err);

/* Remembers which revision the service ran when this run saw it first: DescribeServices' answer, or
 * NULL where there is none. */
void ecs_revision_note(struct resource *r, const cJSON *service);
/* A family's newest active revision, or the one that an ARN or "family:7" names, and its tags; the
 * caller owns both. They stay NULL where there is none. */
int ecs_revision_read(struct session *s, const char *id, cJSON **ret, cJSON **ret_tags,
                      struct err *err);
/* Deregisters a revision, by ARN or "family:7"; one that is gone is no error. */
int ecs_revision_deregister(struct session *s, const char *revision, struct err *err);
/* struct driver's end: of each service whose new revision this run, or a job of this pipeline that
 * was killed, has brought, deregisters what is older than the one that ran before. */
void ecs_end(struct session *s, struct graph *g, struct strlist *ret_done);

#endif
