/* SPDX-License-Identifier: MIT */
#ifndef BERTH_BASE_TOML_H
#define BERTH_BASE_TOML_H

/*
 * Reads TOML 1.0 (https://toml.io/en/v1.0.0), which GitLab Runner's config.toml is written in.
 * Debian has no C library for it. What is valid is read as the specification has it: tables are
 * objects, dates are strings. It is a reader, not a validator: of what is wrong it refuses what
 * could be read in two ways, above all a key or a table that stands there twice.
 */

#include "executor/base/json.h"

/* The document as an object, the caller's. ERR_INVALID names the line. */
int toml_parse(const char *text, size_t len, cJSON **ret, struct err *err);

#endif
