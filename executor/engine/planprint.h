/* SPDX-License-Identifier: MIT */
#ifndef BERTH_ENGINE_PLANPRINT_H
#define BERTH_ENGINE_PLANPRINT_H

/*
 * A plan for people and for programs. Call after engine_plan().
 * The values of environment variables are never shown, only their names: a plan is read by many who
 * must not know them. What is not known before apply is said to be so.
 */

#include "executor/engine/engine.h"

/*
 * The whole plan, one resource per line with its changes below, as in
 *     + service notifier (automation-8527fec8-notifier)
 *     ~ service t7-bridge (automation-8527fec8-t7-bridge)
 *         desiredCount: 1 -> 2
 * What stays as it is and has no note is left out, and so is what is not selected.
 */
void plan_to_text(const struct graph *g, struct strbuf *out);
/* "14 to create, 1 to update, 30 unchanged" */
void plan_counts_to_text(const struct plan_counts *counts, struct strbuf *out);
/* One line per type that has something to do: "  task definitions  14 to create". */
void plan_types_to_text(const struct graph *g, struct strbuf *out);
/* What is to be removed, by type: "14 services, 1 cluster, 16 security groups". */
void plan_removals_to_text(const struct graph *g, struct strbuf *out);
/* Schema "berth-plan/1", documented in docs/json.md; the caller owns it. */
cJSON *plan_to_json(const struct graph *g, const struct plan_counts *counts);

/* What all that is printed as JSON of a graph or a resource has in common. The caller owns them. */
cJSON *plan_head_to_json(const struct graph *g, const char *schema);
cJSON *plan_resource_to_json(const struct resource *r);
cJSON *plan_changes_to_json(const struct resource *r);
cJSON *plan_item_to_json(const struct resource *r); /* what a plan says of it */
/* After an apply: "result", and "error" and "seconds" where there are any. */
void plan_put_result(cJSON *item, const struct resource *r);

const char *action_name(enum action action); /* "create", ... */

#endif
