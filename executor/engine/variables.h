/* SPDX-License-Identifier: MIT */
#ifndef BERTH_ENGINE_VARIABLES_H
#define BERTH_ENGINE_VARIABLES_H

/*
 * ${...} in the strings of a spec. Values are put in once: what a value holds is not expanded
 * again, so that a CI/CD variable cannot smuggle a reference in. Keys are not expanded.
 *
 *   ${NAME}   berth's own value, else the job's CI/CD variable
 *   ${a.b}    output b of resource a: the string becomes a reference, {"${}": TEMPLATE}
 *             (drivers/resource.h), in whose template a literal "${" is "$${" again
 *   $${       a literal "${"
 */

#include "executor/base/schema.h"
#include "executor/engine/spec.h"

/* Something worth a word that is not wrong: `path` is where in the value. */
typedef void (*variables_warn)(void *context, const char *path, const char *message);

/*
 * Replaces variables in every string of `value`, in place. `path` is the value's own path, "" for a
 * whole spec. What is wrong is added to *problems, all of it.
 */
void variables_replace(cJSON *value, const char *path, const struct spec_variables *variables,
                       struct schema_problems *problems, variables_warn warn, void *context);

#endif
