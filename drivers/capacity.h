/* SPDX-License-Identifier: MIT */
#ifndef BERTH_DRIVERS_CAPACITY_H
#define BERTH_DRIVERS_CAPACITY_H

/*
 * Is there room for an environment? Known before the first write: what it wants (capacity_demand.c)
 * and what runs in the account's region besides (capacity_usage.c) against the spec's, the host's
 * and AWS's limits; the ceilings that its kinds of resources eat from (capacity_ceiling.c); the
 * addresses left in its subnets (capacity_subnet.c); and, for tasks on EC2, the room left on the
 * cluster's container instances (capacity_place.c). Nothing here writes to AWS.
 *
 * All of it works on a graph that has been observed, and, unless the whole environment is asked
 * for, planned. It is the caller's alone meanwhile.
 */

#include "drivers/resource.h"

#define CPU_UNITS       1024  /* of ECS to a vCPU */
#define TASK_UNITS_MOST 16384 /* that a task on Fargate can have */

/* What Fargate counts against quotas of their own. */
enum capacity_kind { CAPACITY_ON_DEMAND, CAPACITY_SPOT, CAPACITY_KINDS };

struct capacity_sum {
    int64_t tasks;                 /* wherever they run */
    int64_t units[CAPACITY_KINDS]; /* of cpu on Fargate */
};

/* What one environment's services come to. */
struct capacity_demand {
    struct capacity_sum now;    /* as many tasks as are desired at present */
    struct capacity_sum steady; /* when everything is done */
    struct capacity_sum need;   /* without which a deployment does not get through */
    struct capacity_sum most;   /* at once, while deployments replace their tasks */
};

/* How tasks of a service are shared out. */
struct capacity_share {
    int64_t fargate[CAPACITY_KINDS];
    int64_t instances; /* on the cluster's own */
};

/* What runs in all clusters of the region but this environment's. */
struct capacity_usage {
    struct capacity_sum sum;
    size_t clusters; /* that run anything */
    size_t all;      /* clusters, this environment's among them */
    bool exact;      /* `units` are known */
    cJSON *found;    /* [{"cluster", "tasks", "units": [n, n], tags...}] of each that is not ours */
};

/* Tasks of one service that are to be placed on container instances. */
struct capacity_placing {
    const struct resource *service;
    int64_t tasks;
    int64_t units, memory; /* MiB */
    cJSON *ports;          /* on the instance, as texts: "8080/tcp"; the caller's */
    bool provider;         /* a capacity provider's, which may add instances */
};

/*
 * What came of it, as JSON: {"schema", "environment", "region", "wants": {"tasks", "vcpu"},
 * "enough", "limits": [{"name", "used", "wanted", "limit", "source", "enough"}], "problems":
 * [{"where", "message", "blame"}], "notes": [text], "environments": [{"environment", "ref",
 * "project", "pipeline", "tasks", "vcpu"}]}. `where` is a path in the spec, `blame` is
 * "user" or "system". The caller owns it.
 *
 * With `whole` everything that the spec wants counts, which is what a job that checks asks; else
 * what the plan creates or enlarges, and where it does neither, nothing is read.
 */
int capacity_examine(struct session *s, const struct graph *g, bool whole, cJSON **ret,
                     struct err *err);
/* 0 if there is room; else all problems as one error: ERR_USER if any is for the user to solve, or
 * ERR_QUOTA. */
int capacity_verdict(const cJSON *report, struct err *err);
/* A table of the limits, the notes, and the environments that could go. */
void capacity_to_text(const cJSON *report, struct strbuf *out);

/* --- for the parts --- */

struct capacity_demand capacity_demand_of(const struct graph *g, bool whole);
/* Whether the run makes another resource of what is wanted: it is created, or gets a second one. */
bool capacity_is_new(const struct resource *r, bool whole);
/* A service's tasks that a run must be able to start beside those there are: at least; and, where a
 * circuit breaker takes offence, as many as it may start at once. */
int64_t capacity_tasks_added(const struct resource *service, bool whole);
int64_t capacity_tasks_needed(const struct resource *service, bool whole);
struct capacity_share capacity_share_of(const cJSON *service, int64_t tasks);
/* The task definition that a service wants. */
const struct resource *capacity_definition_of(const struct resource *service);
int64_t capacity_units_of(const cJSON *definition);
int64_t capacity_memory_of(const cJSON *definition);

/* Reads which clusters there are and how many tasks they run: one call a hundred clusters. */
int capacity_usage_read(struct session *s, const struct graph *g, struct capacity_usage *ret,
                        struct err *err);
/* Reads the cpu of those tasks: two calls for a cluster that runs any, and for each hundred. */
int capacity_usage_measure(struct session *s, struct capacity_usage *usage, struct err *err);
/* The ephemeral environments among what was found, oldest pipeline first. The caller owns it. */
cJSON *capacity_environments(const struct capacity_usage *usage);
void capacity_usage_release(struct capacity_usage *usage);

/* Puts a limit's line into the report, and says whether it holds. */
bool capacity_line(cJSON *report, const char *name, double used, double wanted, double limit,
                   const char *source);
void capacity_problem(cJSON *report, const char *where, enum blame blame, const char *fmt, ...)
    _printf_(4, 5);
void capacity_note(cJSON *report, const char *fmt, ...) _printf_(2, 3);
/* A number as people write it, "7.5", in one of a few buffers that are used in turn. */
const char *capacity_number(double n);

/*
 * Ceilings and quotas. capacity_ceilings_start() says what has to be read, as tasks that may run
 * together; the caller runs them and then asks for the outcome. Where Service Quotas does not
 * answer, AWS's documented defaults stand in, and the report says so.
 */
struct together_task;
struct capacity_ceilings;
struct capacity_ceilings *capacity_ceilings_new(struct session *s, const struct graph *g,
                                                bool whole, bool fargate);
void capacity_ceilings_free(struct capacity_ceilings *c);
static inline void capacity_ceilings_freep(struct capacity_ceilings **c)
{
    capacity_ceilings_free(*c);
}
size_t capacity_ceilings_tasks(struct capacity_ceilings *c, struct together_task *tasks,
                               size_t max);
void capacity_ceilings_report(const struct capacity_ceilings *c, size_t clusters, cJSON *report);
/* The account's vCPUs of that kind; negative where they are not known. */
double capacity_quota_vcpu(const struct capacity_ceilings *c, enum capacity_kind kind);

/* Addresses: capacity_subnets_wanted() says whether there is anything to ask. */
bool capacity_subnets_wanted(const struct graph *g, bool whole);
int capacity_subnets_read(struct session *s, const struct graph *g, cJSON **ret, struct err *err);
void capacity_subnets_report(const struct graph *g, bool whole, const cJSON *subnets,
                             cJSON *report);

/* Tasks on container instances: what is to be placed, an array of *ret_n that
 * capacity_placings_free() frees; the instances, read; and what does not fit on them. */
struct capacity_placing *capacity_placings(const struct graph *g, bool whole, size_t *ret_n);
void capacity_placings_free(struct capacity_placing *placings, size_t n);
int capacity_instances_read(struct session *s, const struct graph *g, cJSON **ret, struct err *err);
void capacity_placings_report(const struct capacity_placing *placings, size_t n,
                              const cJSON *instances, cJSON *report);

#endif
