/* SPDX-License-Identifier: MIT */
#ifndef BERTH_ENGINE_SPEC_FILES_H
#define BERTH_ENGINE_SPEC_FILES_H

/*
 * JSON files beside a spec that take part in it as if they were written there: dashboards. Each is
 * read beneath the spec's directory without following links, may hold comments, and its strings
 * have their variables replaced, so that whatever a value holds stays a value of the JSON.
 */

#include "executor/engine/variables.h"

/* Puts the files' contents into spec's `json`, which is otherwise resolved. What is wrong is added
 * to *problems, under the path of the spec's member that names the file. */
void spec_files_read(const struct spec *spec, cJSON *json, const struct spec_variables *variables,
                     struct schema_problems *problems, variables_warn warn, void *context);

#endif
