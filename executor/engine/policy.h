/* SPDX-License-Identifier: MIT */
#ifndef BERTH_ENGINE_POLICY_H
#define BERTH_ENGINE_POLICY_H

/*
 * The least IAM policy for the jobs of a spec, or for a command, from what its drivers ask for
 * (drivers/permission.h). Pure: the graph is one that engine_want() has filled, nothing of it is
 * changed.
 */

#include "drivers/driver.h"

/* "The size of each managed policy cannot exceed 6,144 characters", white space not counted:
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html */
#define POLICY_MAX 6144

/* For which environments. The graph's own environment stands for all of them: where its subdomain
 * stands in a name, each of `ids` is put. Everything is the caller's. */
struct policy_scope {
    const char *partition, *region, *account;
    int64_t project;
    const struct strlist *ids; /* subdomains, with IAM's wildcards: "master", "????????" */
    bool shared;               /* its jobs may change what all branches share */
    unsigned uses;             /* enum permission_uses: of which commands; 0: of jobs */
};

/* The statements, an array; the caller owns it. */
cJSON *policy_statements(const struct graph *g, const struct policy_scope *scope);
/*
 * Documents that hold all the statements, each within POLICY_MAX; an array that the caller owns. A
 * statement that is too large alone is split by its resources.
 */
cJSON *policy_documents(const cJSON *statements);
/* How many characters IAM counts. */
size_t policy_size(const cJSON *document);

#endif
