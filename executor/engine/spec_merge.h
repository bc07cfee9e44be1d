/* SPDX-License-Identifier: MIT */
#ifndef BERTH_ENGINE_SPEC_MERGE_H
#define BERTH_ENGINE_SPEC_MERGE_H

/*
 * How the parts of a spec become one: overlay over base, serviceDefaults under each service, the
 * schema's defaults under everything. In a service, null means "not what serviceDefaults says", so
 * it must survive the overlay and is dropped only when serviceDefaults has been merged; below
 * "taskDefinition" and "service" it removes what berth generates and stays to the end.
 */

#include "executor/base/json.h"

/* The spec with the overlay of `kind` merged over it and without "overlays" and "serviceDefaults".
 * The caller owns it. */
cJSON *spec_merge(const cJSON *raw, const char *kind);

/* Called for each default that is filled in, with its path; may change the value. */
typedef void (*defaults_filled)(void *context, const char *path, cJSON *value);
/* Fills the schema's defaults into objects that are there. */
void spec_fill_defaults(cJSON *json, const cJSON *schema, defaults_filled filled, void *context);

/*
 * Where a value of the merged spec was written: the path in `raw` of what spec_merge() took for
 * `path`; `path` itself where it is nowhere. The caller frees it.
 */
char *spec_origin(const cJSON *raw, const char *kind, const char *path);

#endif
