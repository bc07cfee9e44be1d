/* SPDX-License-Identifier: MIT */
#ifndef BERTH_DRIVERS_CLOUDMAP_H
#define BERTH_DRIVERS_CLOUDMAP_H

/*
 * How services of the spec stand in Cloud Map, for the driver that registers their tasks there.
 * The driver is two files: the namespace, and the services in it.
 */

#include "drivers/resource.h"

#define CLOUDMAP_NAMESPACE "cloudmap.namespace/discovery" /* output Id */

extern const struct resource_type cloudmap_namespace_type;
extern const struct resource_type cloudmap_service_type;

/* Whether a service of the spec is to be found by name: then its resource is
 * cloudmap.service/<service>, with the outputs Id and Arn. */
bool cloudmap_is_wanted(const cJSON *service);

/* Starts an operation that a call has answered with; `what` is said while it is awaited. */
void operation_begin(struct resource *r, const cJSON *output, const char *what);
/* Looks after the operation in the resource's memo, if there is one. *ret_done (may be NULL) is the
 * operation once it has succeeded, the caller's to free, else left alone. */
int operation_poll(struct session *s, struct resource *r, cJSON **ret_done, struct err *err);
/* The judge of both types: waits for the operation, says why it failed. */
enum readiness operation_judge(const struct resource *r, struct strbuf *why);

#endif
