/* SPDX-License-Identifier: MIT */
#ifndef BERTH_ARTIFACT_H
#define BERTH_ARTIFACT_H

/*
 * What a job leaves in the project directory for people and for GitLab, whatever became of it:
 *
 *   berth-plan.json    how much the plan creates, updates and deletes, for the merge request
 *                      (https://docs.gitlab.com/user/infrastructure/iac/mr_integration/)
 *   berth-report.json  all that is known of the run: schema "berth-report/1", docs/json.md
 *   berth-report.html  the same as one page that needs nothing else, docs/report.md
 *
 * None of it decides anything: what cannot be written is a warning.
 */

#include "executor/dispatch.h"
#include "executor/errand.h"
#include "executor/job.h"

/* What the report is about. Everything is the caller's. */
struct artifact {
    const struct job *job;
    const struct dispatch *dispatch;
    const struct environment *environment;
    struct errand *errand;          /* its history is what the report tells of each resource */
    const struct err *failure;      /* NULL: it went well */
    const char *url;                /* the environment's; or NULL */
    const cJSON *left;              /* a destroy's: what is there all the same; or NULL */
    const struct strlist *warnings; /* the graph's; or NULL */
};

/* The report as JSON, without secrets and without what would steer a terminal or a page; the caller
 * owns it. */
cJSON *artifact_report(const struct artifact *a);
/*
 * Removes what an earlier job has left under these names, so that it never passes for this job's,
 * however this one ends: without a plan, or killed. With GIT_STRATEGY "none", as of a destroy, the
 * directory is as the last job left it.
 */
void artifact_forget(int checkout);
/* Writes all three into `checkout`, the descriptor of the project's directory. berth-plan.json only
 * where there is a plan. */
void artifact_write(const struct artifact *a, int checkout);

/* The page of a report; artifact_page.c. */
void artifact_page(const cJSON *report, struct strbuf *out);

#endif
