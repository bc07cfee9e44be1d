/* SPDX-License-Identifier: MIT */
#ifndef BERTH_DRIVERS_CLOUDMAP_H
#define BERTH_DRIVERS_CLOUDMAP_H

/*
 * How services of the spec stand in Cloud Map, for the driver that registers their tasks there.
 * The files of the driver: the namespace (cloudmap.c), the services in it (cloudmap_service.c),
 * operations (cloudmap_operation.c), and what a teardown asks besides (cloudmap_teardown.c).
 */

#include "drivers/resource.h"

#define CLOUDMAP_NAMESPACE "cloudmap.namespace/discovery" /* output Id */

extern const struct resource_type cloudmap_namespace_type;
extern const struct resource_type cloudmap_service_type;

/* Whether a service of the spec is to be found by name: then its resource is
 * cloudmap.service/<service>, with the outputs Id and Arn. */
bool cloudmap_is_wanted(const cJSON *service);

/* cloudmap.c: reads the namespace with r's id, else the one of its name. */
int cloudmap_namespace_look(struct session *s, struct resource *r, struct err *err);

/* cloudmap_teardown.c: the ARNs of what has the environment's tag, as far as the tagging API's
 * index knows. The caller owns *ret. */
int cloudmap_tagged(struct session *s, const struct graph *g, cJSON **ret, struct err *err);
/* The operations that are making a namespace right now, anybody's. The caller owns *ret. */
int cloudmap_creations(struct session *s, cJSON **ret, struct err *err);
/* Adds what is being made and is not among `namespaces`. */
int cloudmap_find_making(struct session *s, struct graph *g, const cJSON *namespaces,
                         struct err *err);
bool cloudmap_is_making(const struct resource *r);
/* Whether it is there by now, and then whose: ERR_BUSY while it is not. What is not ours, and what
 * could not be made, is forgotten from then on: absent. */
int cloudmap_making_look(struct session *s, struct resource *r, struct err *err);
bool cloudmap_is_forgotten(const struct resource *r);

/* Starts an operation that a call has answered with; `what` is said while it is awaited. */
void operation_begin(struct resource *r, const cJSON *output, const char *what);
/* Looks after the operation in the resource's memo, if there is one. *ret_done (may be NULL) is the
 * operation once it has succeeded, the caller's to free, else left alone. */
int operation_poll(struct session *s, struct resource *r, cJSON **ret_done, struct err *err);
/* The judge of both types: waits for the operation, says why it failed. */
enum readiness operation_judge(const struct resource *r, struct strbuf *why);

#endif
