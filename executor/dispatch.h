/* SPDX-License-Identifier: MIT */
#ifndef BERTH_DISPATCH_H
#define BERTH_DISPATCH_H

/*
 * What a job is, by its name alone. GitLab's suffixes " 1/3" (parallel) and ": [a, b]" (matrix) are
 * cut first. Then, in this order: the host config's "dispatch" table, exact names, "plan-<rest>",
 * drivers (with aliases), the spec's modules and services. No match: the job just runs its script.
 * docs/jobs.md tells it to users.
 */

#include "executor/hostconfig.h"

enum act {
    ACT_SCRIPT, /* the job's script and nothing else */
    ACT_DEPLOY,
    ACT_DESTROY,
    ACT_BASIC_INFRA,
    ACT_CAPACITY,
    ACT_LINT,
    ACT_TEST,
    ACT_IMAGE,
    ACT_TERRAFORM,
    ACT_GRAFANA,
    ACT_SWEEP,
};

enum when { WHEN_BEFORE, WHEN_AFTER }; /* the script, relative to the driver */

struct dispatch {
    enum act act;
    bool plan;        /* "plan-...": the same without writing */
    char *part;       /* deploy: a driver or service, lint/test/image: the module, terraform: the
                         directory; or NULL */
    const char *word; /* what the job's name calls the driver: "redis"; static; or NULL */
    const char *branch_kind; /* "ephemeral" for a name that ends in -branches, "production" for
                                -master; or NULL */
    enum when when;
};
#define DISPATCH_INIT                                                                              \
    {                                                                                              \
        .act = ACT_SCRIPT                                                                          \
    }
#define _cleanup_dispatch_ _cleanup_(dispatch_release)

/*
 * `spec` (may be NULL when there is no checkout yet) decides names that depend on modules and
 * services; without it they are ACT_SCRIPT. ERR_HOST if the host config's table is at fault.
 */
int dispatch_job(const char *job_name, const struct hostconfig *h, const cJSON *spec,
                 struct dispatch *ret, struct err *err);
/*
 * What the job would be if the spec declared the module or service in its name: ACT_SCRIPT where
 * the spec has no say. So that the spec is read only when it matters.
 */
enum act dispatch_if_declared(const char *job_name, const struct hostconfig *h);
/*
 * The name that a job of this name, which is just a script, may have been meant to have; NULL if
 * none is near, or the host config's table has the job. `spec` may be NULL. The caller frees it.
 */
char *dispatch_nearest(const char *job_name, const struct hostconfig *h, const cJSON *spec);
void dispatch_release(struct dispatch *d);
/* Whether job names call a driver so, also one that this version does not have. */
bool dispatch_knows_driver(const char *name);
/* Whether an act needs an environment, and so a branch that the host config knows. */
bool dispatch_needs_environment(const struct dispatch *d);
const char *act_name(enum act act); /* "deploy", ... */

#endif
