/* SPDX-License-Identifier: MIT */
#ifndef BERTH_OUTPUTS_H
#define BERTH_OUTPUTS_H

/*
 * What a run tells the rest of the job: BERTH_ENVIRONMENT and the like. They go to the job's script
 * through $TMPDIR/berth-outputs.json, which run reads, and to later jobs through berth.env in the
 * checkout, for artifacts:reports:dotenv (https://docs.gitlab.com/ci/yaml/artifacts_reports/
 * #artifactsreportsdotenv: no quotes, one line a value, 20 variables by default).
 */

#include "drivers/resource.h"
#include "executor/environment.h"

/* Names and values, an object of strings that the caller owns. */
cJSON *outputs_of(const struct environment *e, int64_t pipeline, const struct graph *g);
/* Writes both files; `checkout` is the descriptor of the project's directory. */
int outputs_write(const cJSON *outputs, int checkout, struct err *err);

#endif
