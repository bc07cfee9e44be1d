/* SPDX-License-Identifier: MIT */
#ifndef BERTH_ENGINE_SPEC_H
#define BERTH_ENGINE_SPEC_H

/*
 * The repository's .berth/environment.json: read beneath the project directory, checked against its
 * schema, the kind's overlay merged over it, variables replaced. What drivers get is the whole spec
 * with defaults filled in where the schema has them, without "overlays" and "serviceDefaults",
 * which are merged into it.
 *
 * ${NAME} is replaced by berth's own value, else by the job's CI/CD variable of that name; an
 * unknown one is an error. ${a.b}, with a dot, becomes a reference (drivers/resource.h). "$${" is
 * a literal "${".
 */

#include "executor/base/schema.h"

struct spec {
    char *file;              /* as messages name it: ".berth/environment.json" */
    char *text;              /* for line numbers */
    cJSON *raw;              /* as written */
    cJSON *json;             /* overlay merged, variables replaced, defaults in */
    int dir;                 /* descriptor of the directory the file lies in */
    struct strlist warnings; /* shadowed and masked variables */
    const char *kind;        /* the overlay that spec_resolve() merged; or NULL */
};
#define SPEC_INIT                                                                                  \
    {                                                                                              \
        .dir = -1                                                                                  \
    }
#define _cleanup_spec_ _cleanup_(spec_release)

/* Where the values of ${NAME} come from. */
struct spec_variables {
    const cJSON *own; /* object: ENVIRONMENT, SUBDOMAIN, KIND, REF, COMMIT_SHA, PIPELINE_ID, REGION,
                         ACCOUNT_ID */
    const char *(*lookup)(void *context, const char *name); /* the job's; or NULL */
    bool (*is_masked)(void *context, const char *name);     /* or NULL */
    const struct strlist *names; /* the job's, to suggest the nearest one; or NULL */
    void *context;
};

/* Reads and checks `path` beneath the directory `project`, a descriptor. Errors are ERR_USER, all
 * schema problems at once, each as file:line: path: message. */
int spec_read(int project, const char *path, struct spec *ret, struct err *err);
/* Merges the overlay of `kind` and replaces variables: fills in spec->json. */
int spec_resolve(struct spec *spec, const char *kind, const struct spec_variables *variables,
                 struct err *err);
void spec_release(struct spec *spec);
/*
 * All problems, found in the resolved spec, as one error; each under the path where a person finds
 * it in the file, and said once. Returns 0 if there are none.
 */
int spec_problems_to_err(const struct spec *spec, struct schema_problems *problems,
                         enum err_class class, struct err *err);
/* Puts "file:line: " in front of every line of an error that begins with a JSON path of the spec;
 * if all do, in the order of the file. Returns -1. */
int spec_locate(const struct spec *spec, struct err *err);

#endif
