/* SPDX-License-Identifier: MIT */
#ifndef BERTH_BASE_SCHEMAS_H
#define BERTH_BASE_SCHEMAS_H

/* The schemas of config/, compiled in; NUL-terminated JSON. */
extern const char schema_environment[]; /* config/environment.schema.json: the spec */
extern const char schema_host[];        /* config/host.schema.json: the host config */

#endif
