/* SPDX-License-Identifier: MIT */
#ifndef BERTH_BASE_SCHEMA_H
#define BERTH_BASE_SCHEMA_H

/*
 * Checks JSON against a JSON schema (a part of draft 2020-12: type, properties, patternProperties,
 * additionalProperties, required, items, enum, pattern, min/max of numbers, lengths and
 * counts, anyOf, $ref to "#/$defs/..."). The files in config/ are the schemas that the programs
 * check with, so that an editor and berth agree by construction.
 */

#include "executor/base/json.h"

#define SCHEMA_OUTPUT "${}" /* the one member of an output that is not known yet */

struct schema_problem {
    char *path;    /* "services.notifier.memory" */
    char *message; /* "must be a number, is \"512M\"" */
};

struct schema_problems {
    struct schema_problem *v;
    size_t n;
    size_t unlisted; /* found beyond the first SCHEMA_PROBLEMS_MAX */
};
#define SCHEMA_PROBLEMS_MAX   1000
#define SCHEMA_PROBLEMS_SHOWN 25 /* nobody reads more of them at once */
#define SCHEMA_PROBLEMS_INIT                                                                       \
    {                                                                                              \
        .v = NULL, .n = 0                                                                          \
    }
#define _cleanup_problems_ _cleanup_(schema_problems_release)

/* Adds one, or counts it where there are too many. Strings are copied. */
void schema_problem_add(struct schema_problems *problems, const char *path, const char *fmt, ...)
    _printf_(3, 4);
void schema_problem_vadd(struct schema_problems *problems, const char *path, const char *fmt,
                         va_list ap) _printf_(3, 0);
/* Adds what is wrong with `value` to *problems. */
void schema_check(const cJSON *schema, const cJSON *value, struct schema_problems *problems);
/* The same for a part of the schema `root`, in which references are looked up. */
void schema_check_part(const cJSON *root, const cJSON *schema, const cJSON *value,
                       struct schema_problems *problems);
/*
 * The same for a value in which variables have been replaced (executor/engine/variables.h): an
 * output of a resource, {"${}": TEMPLATE}, may stand where the schema says "outputs": true, a
 * keyword of berth's own, and below what the schema says nothing of. Anywhere else a value has to
 * be known before anything is made.
 */
void schema_check_expanded(const cJSON *schema, const cJSON *value,
                           struct schema_problems *problems);
void schema_problems_release(struct schema_problems *problems);
/*
 * The problems as one error of the given class, one per line as `file:line: path: message`, the
 * lines found in `text`; the last line counts those that are not shown. Returns 0 if there are
 * none.
 */
int schema_problems_to_err(const struct schema_problems *problems, enum err_class class,
                           const char *file, const char *text, struct err *err);

#endif
