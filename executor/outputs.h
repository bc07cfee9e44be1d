/* SPDX-License-Identifier: MIT */
#ifndef BERTH_OUTPUTS_H
#define BERTH_OUTPUTS_H

/*
 * What a run tells the rest of the job: BERTH_ENVIRONMENT and the like, at most 15, so that they
 * fit beside the project's own (20 variables in a file by default). They go to the job's script
 * through $TMPDIR/berth-outputs.json, which run reads, and to later jobs through berth.env in the
 * checkout, for artifacts:reports:dotenv (https://docs.gitlab.com/ci/yaml/artifacts_reports/
 * #artifactsreportsdotenv). docs/jobs.md lists them.
 */

#include "executor/engine/engine.h"
#include "executor/environment.h"

/* Names and values, an object of strings that the caller owns: what the environment is, and what is
 * there of it, whichever part of it the job is about. `counts` are the plan's. */
cJSON *outputs_of(const struct environment *e, const struct graph *g,
                  const struct plan_counts *counts);
/* Where the environment answers: of a record that is there, for a plan may be of one that is not
 * yet. NULL: there is none. The caller frees it. */
char *outputs_url(const struct graph *g);
/* The lines of berth.env. A value that GitLab would refuse, or that holds a secret, is left out,
 * and the log says so. */
void outputs_to_dotenv(const cJSON *outputs, struct strbuf *text);
/* Writes both files; `checkout` is the descriptor of the project's directory. */
int outputs_write(const cJSON *outputs, int checkout, struct err *err);

#endif
