/* SPDX-License-Identifier: MIT */
#ifndef BERTH_ENGINE_LIMITS_H
#define BERTH_ENGINE_LIMITS_H

/*
 * What the host config's "limits" leave of a spec. Checked before the first call. Where a limit is
 * absent everything is allowed; where a value cannot be known before (a reference), nothing is.
 */

#include "executor/base/schema.h"

/*
 * Adds everything in a resolved spec that `limits` (may be NULL) does not allow. `where` is the
 * path of the limits in the host config, as messages name it: "projects.77.limits.ephemeral";
 * `subdomain` is the environment's, "8527fec8".
 */
void limits_check(const cJSON *spec, const cJSON *limits, const char *where, const char *subdomain,
                  struct schema_problems *problems);

#endif
