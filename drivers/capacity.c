/* SPDX-License-Identifier: MIT */
#include "drivers/capacity.h"

#include "drivers/aws/together.h"
#include "drivers/driver.h"
#include "drivers/permission.h"

#define READS_MAX 32

/* One look at the account, for one environment. */
struct look {
    struct session *session;
    const struct graph *g;
    bool whole;
    struct capacity_demand demand;
    struct capacity_usage usage;
    struct capacity_ceilings *ceilings;
    cJSON *subnets, *instances;
    struct capacity_placing *placings;
    size_t n_placings;
    cJSON *report;
};

static int read_usage(void *context, struct err *err)
{
    struct look *l = context;
    return capacity_usage_read(l->session, l->g, &l->usage, err);
}

static int read_subnets(void *context, struct err *err)
{
    struct look *l = context;
    return capacity_subnets_read(l->session, l->g, &l->subnets, err);
}

static int read_instances(void *context, struct err *err)
{
    struct look *l = context;
    return capacity_instances_read(l->session, l->g, &l->instances, err);
}

static double vcpu_of(const struct capacity_sum *sum)
{
    int64_t units = 0;
    for (size_t kind = 0; kind < CAPACITY_KINDS; kind++)
        units += sum->units[kind];
    return (double)units / CPU_UNITS;
}

static double limit_of(const cJSON *limits, const char *member)
{
    const cJSON *limit = json_get(limits, member);
    return cJSON_IsNumber(limit) ? limit->valuedouble : -1;
}

/* Whether the run takes more of Fargate than there was; a job that only asks counts all. */
static bool wants_kind(const struct look *l, enum capacity_kind kind)
{
    const struct capacity_demand *d = &l->demand;
    return l->whole ? d->most.units[kind] > 0 : d->need.units[kind] > d->now.units[kind];
}

static bool wants_fargate(const struct look *l)
{
    return wants_kind(l, CAPACITY_ON_DEMAND) || wants_kind(l, CAPACITY_SPOT);
}

static bool enlarges_tasks(const struct look *l)
{
    return l->whole || l->demand.steady.tasks > l->demand.now.tasks;
}

static bool enlarges_vcpu(const struct look *l)
{
    return l->whole || vcpu_of(&l->demand.steady) > vcpu_of(&l->demand.now);
}

static bool creates_cluster(const struct look *l)
{
    const struct resource *cluster = graph_find(l->g, "ecs.cluster/cluster");
    return cluster != NULL && capacity_is_new(cluster, l->whole);
}

static bool wants_usage(const struct look *l)
{
    return wants_fargate(l) || creates_cluster(l) ||
           (enlarges_tasks(l) && limit_of(l->g->capacity, "maxTasks") >= 0) ||
           (enlarges_vcpu(l) && limit_of(l->g->capacity, "maxVcpu") >= 0);
}

/* Everything that has to be read and does not need another answer, at the same time: the writes
 * wait for it, few others read by then, and no service is asked more than a few times. */
static int read_all(struct look *l, struct err *err)
{
    struct together_task tasks[READS_MAX];
    size_t n = 0;
    if (wants_usage(l))
        tasks[n++] = (struct together_task){ read_usage, l };
    if (capacity_subnets_wanted(l->g, l->whole))
        tasks[n++] = (struct together_task){ read_subnets, l };
    if (l->n_placings > 0)
        tasks[n++] = (struct together_task){ read_instances, l };
    n += capacity_ceilings_tasks(l->ceilings, tasks + n, READS_MAX - n);
    return together_run_wide(tasks, n, err);
}

/* Whether tasks as large as there are could be too many: else nobody needs to know their cpu. */
static bool could_exceed(const struct look *l, double wanted, double limit)
{
    double most = (double)l->usage.sum.tasks * TASK_UNITS_MOST / CPU_UNITS;
    return limit >= 0 && most + wanted > limit;
}

static bool needs_measure(const struct look *l)
{
    const struct capacity_demand *d = &l->demand;
    if (l->usage.exact || l->usage.found == NULL)
        return false;
    if (l->whole)
        return true;
    for (enum capacity_kind kind = 0; kind < CAPACITY_KINDS; kind++)
        if (wants_kind(l, kind) && could_exceed(l, (double)d->most.units[kind] / CPU_UNITS,
                                                capacity_quota_vcpu(l->ceilings, kind)))
            return true;
    return enlarges_vcpu(l) &&
           could_exceed(l, vcpu_of(&d->steady), limit_of(l->g->capacity, "maxVcpu"));
}

/* "'automation-1' wants 18 tasks and 10 vCPU" */
static char *wants_text(const struct look *l)
{
    const struct capacity_sum *steady = &l->demand.steady;
    return xasprintf("'%s' wants %d task%s and %s vCPU", l->g->context.environment,
                     (int)steady->tasks, steady->tasks == 1 ? "" : "s",
                     capacity_number(vcpu_of(steady)));
}

/* The oldest of the environments that run something, as a hint; the caller frees it. */
static char *hint_text(const cJSON *report)
{
    const cJSON *one;
    cJSON_ArrayForEach (one, json_get(report, "environments"))
        if (json_int(one, "tasks", 0) > 0)
            return xasprintf("'destroy-branches' of '%s' would free %d task%s",
                             json_str(one, "ref"), (int)json_int(one, "tasks", 0),
                             json_int(one, "tasks", 0) == 1 ? "" : "s");
    return xstrdup("remove an environment that nobody needs");
}

static void too_many(struct look *l, const char *where, enum blame blame, const char *unit,
                     double used, double wanted, double limit, const char *raise)
{
    _cleanup_free_ char *wants = wants_text(l);
    _cleanup_free_ char *hint = hint_text(l->report);
    capacity_problem(l->report, where, blame,
                     "%s; %s of %s %s are in use in %zu other cluster%s, %s too many; %s, or %s",
                     wants, capacity_number(used), capacity_number(limit), unit, l->usage.clusters,
                     l->usage.clusters == 1 ? "" : "s", capacity_number(used + wanted - limit),
                     hint, raise);
}

/* The spec's own limits are of all clusters together; those of the host of one environment. */
static void check_limits(struct look *l)
{
    const struct capacity_demand *d = &l->demand;
    double tasks = limit_of(l->g->capacity, "maxTasks");
    double vcpu = limit_of(l->g->capacity, "maxVcpu");
    double used = (double)l->usage.sum.tasks, wanted = (double)d->steady.tasks;
    if (tasks >= 0 && enlarges_tasks(l) &&
        !capacity_line(l->report, "tasks in all clusters", used, wanted, tasks,
                       "the spec's capacity.maxTasks"))
        too_many(l, "capacity.maxTasks", BLAME_USER, "tasks", used, wanted, tasks, "raise it");
    used = vcpu_of(&l->usage.sum);
    wanted = vcpu_of(&d->steady);
    if (vcpu >= 0 && enlarges_vcpu(l) && l->usage.exact &&
        !capacity_line(l->report, "Fargate vCPU in all clusters", used, wanted, vcpu,
                       "the spec's capacity.maxVcpu"))
        too_many(l, "capacity.maxVcpu", BLAME_USER, "vCPU", used, wanted, vcpu, "raise it");
}

static void check_host(struct look *l, const char *member, const char *name, double wanted,
                       bool enlarges)
{
    double limit = limit_of(l->g->context.limits, member);
    if (limit < 0 || !enlarges)
        return;
    _cleanup_free_ char *source = xasprintf("the host's limits.%s", member);
    if (capacity_line(l->report, name, 0, wanted, limit, source))
        return;
    _cleanup_free_ char *wants = wants_text(l);
    capacity_problem(l->report, "services", BLAME_USER,
                     "%s, this runner allows %s (the host config's limits.%s)", wants,
                     capacity_number(limit), member);
}

static void check_quota(struct look *l, enum capacity_kind kind)
{
    static const char *const names[] = { "Fargate On-Demand vCPU", "Fargate Spot vCPU" };
    double used = (double)l->usage.sum.units[kind] / CPU_UNITS;
    double need = (double)l->demand.need.units[kind] / CPU_UNITS;
    double most = (double)l->demand.most.units[kind] / CPU_UNITS;
    double limit = capacity_quota_vcpu(l->ceilings, kind);
    if (!wants_kind(l, kind))
        return;
    if (limit < 0) {
        capacity_note(l->report, "the account's quota of %s is not known, and not checked",
                      names[kind]);
        return;
    }
    if (!l->usage.exact) /* whatever others run, it is enough */
        return;
    if (!capacity_line(l->report, names[kind], used, need, limit, "the account's quota"))
        too_many(l, "services", BLAME_SYSTEM, names[kind], used, need, limit,
                 "ask AWS for a higher quota");
    else if (used + most > limit)
        capacity_note(l->report,
                      "a deployment of all services at once may run %s %s for a while, and the "
                      "quota leaves %s: its tasks then start as others stop, and a circuit breaker "
                      "may take that for a failure",
                      capacity_number(most), names[kind], capacity_number(limit - used));
}

static void judge(struct look *l)
{
    const struct capacity_demand *d = &l->demand;
    check_limits(l);
    check_host(l, "maxTasks", "tasks of this environment", (double)d->steady.tasks,
               enlarges_tasks(l));
    check_host(l, "maxVcpu", "vCPU of this environment", vcpu_of(&d->steady), enlarges_vcpu(l));
    for (enum capacity_kind kind = 0; kind < CAPACITY_KINDS; kind++)
        check_quota(l, kind);
    capacity_ceilings_report(l->ceilings, l->usage.all, l->report);
    if (l->subnets != NULL)
        capacity_subnets_report(l->g, l->whole, l->subnets, l->report);
    if (l->n_placings > 0)
        capacity_placings_report(l->placings, l->n_placings, l->instances, l->report);
    json_put_bool(l->report, "enough", json_count(json_get(l->report, "problems")) == 0);
}

static cJSON *report_new(const struct look *l)
{
    cJSON *report = cJSON_CreateObject();
    json_put_str(report, "schema", "berth-capacity/1");
    json_put_str(report, "environment", l->g->context.environment);
    json_put_str(report, "region", l->g->context.region);
    cJSON *wants = json_put_object(report, "wants");
    json_put_int(wants, "tasks", l->demand.steady.tasks);
    json_put(wants, "vcpu", cJSON_CreateNumber(vcpu_of(&l->demand.steady)));
    json_put_bool(report, "enough", true);
    json_put_array(report, "limits");
    json_put_array(report, "problems");
    json_put_array(report, "notes");
    json_put_array(report, "environments");
    return report;
}

static int examine(struct look *l, struct err *err)
{
    l->demand = capacity_demand_of(l->g, l->whole);
    l->placings = capacity_placings(l->g, l->whole, &l->n_placings);
    l->ceilings = capacity_ceilings_new(l->session, l->g, l->whole, wants_fargate(l));
    l->report = report_new(l);
    if (read_all(l, err) < 0 ||
        (needs_measure(l) && capacity_usage_measure(l->session, &l->usage, err) < 0))
        return -1;
    if (l->usage.found != NULL)
        json_put(l->report, "environments", capacity_environments(&l->usage));
    judge(l);
    return 0;
}

int capacity_examine(struct session *s, const struct graph *g, bool whole, cJSON **ret,
                     struct err *err)
{
    struct look l = { .session = s, .g = g, .whole = whole };
    int r = examine(&l, err);
    if (r == 0)
        *ret = steal_ptr(&l.report);
    cJSON_Delete(l.report);
    cJSON_Delete(l.subnets);
    cJSON_Delete(l.instances);
    capacity_placings_free(l.placings, l.n_placings);
    capacity_ceilings_free(l.ceilings);
    capacity_usage_release(&l.usage);
    return r;
}

/* Problems are for the plan's verdict, notes for its log. */
static void capacity_preflight(struct preflight *p)
{
    _cleanup_json_ cJSON *report = NULL;
    _cleanup_err_ struct err failure = ERR_INIT;
    if (capacity_examine(p->session, p->g, false, &report, &failure) < 0) {
        preflight_unknown(p, "whether there is room for what the plan adds", &failure);
        return;
    }
    const cJSON *item;
    cJSON_ArrayForEach (item, json_get(report, "problems"))
        preflight_problem(p, str_eq(json_str(item, "blame"), "user") ? ERR_USER : ERR_QUOTA,
                          json_str(item, "where"), "%s", json_str(item, "message"));
    cJSON_ArrayForEach (item, json_get(report, "notes"))
        graph_warn(p->g, "%s", item->valuestring);
}

/* No resources of its own: the spec's limits, kept until there is something to check. */
static int capacity_want(struct graph *g, const cJSON *spec, struct err *err)
{
    (void)err;
    cJSON_Delete(g->capacity);
    g->capacity = json_dup(json_get(spec, "capacity"));
    return 0;
}

static const struct resource_type *const capacity_types[] = { NULL };

/* Of the whole region: what others run and have is what there is less of. */
static const struct permission capacity_permissions[] = {
    { .sid = PERMIT_LOOK,
      .actions = "ecs:ListClusters ecs:ListTasks",
      .resources = "*",
      .when = "ecs.cluster",
      .uses = PERMIT_LOOKS },
    /* This environment's own, too. */
    { .sid = "RoomClusters",
      .actions = "ecs:DescribeClusters ecs:DescribeTasks",
      .resources = "ecs:cluster/* ecs:task/*",
      .uses = PERMIT_LOOKS },
    /* Those of its cluster are listed by "Inside". */
    { .sid = "RoomInstances",
      .actions = "ecs:DescribeContainerInstances",
      .resources = "ecs:container-instance/${E}/*",
      .when = "ecs.service" },
    { .sid = PERMIT_LOOK,
      .actions = "servicequotas:ListServiceQuotas",
      .resources = "*",
      .when = "ecs.cluster" },
    { .sid = PERMIT_LOOK,
      .actions = "ec2:DescribeSubnets ec2:DescribeSecurityGroups",
      .resources = "*",
      .when = "ecs.service" },
    { .sid = PERMIT_LOOK,
      .actions = "elasticloadbalancing:DescribeLoadBalancers "
                 "elasticloadbalancing:DescribeTargetGroups",
      .resources = "*",
      .when = "alb.load_balancer" },
    { .sid = PERMIT_LOOK,
      .actions = "servicediscovery:ListNamespaces route53:GetAccountLimit",
      .resources = "*",
      .when = "cloudmap.namespace" },
    { .sid = "RoomCaches",
      .actions = "elasticache:DescribeCacheClusters",
      .resources = "elasticache:cluster:*",
      .when = "elasticache.cluster elasticache.replication_group" },
    { .sid = NULL },
};

extern const struct driver capacity_driver;
const struct driver capacity_driver = {
    .name = "capacity",
    .types = capacity_types,
    .permissions = capacity_permissions,
    .want = capacity_want,
    .preflight = capacity_preflight,
};
