/* SPDX-License-Identifier: MIT */
#ifndef BERTH_DRIVERS_ACM_H
#define BERTH_DRIVERS_ACM_H

/*
 * Certificates, which are only looked up: berth neither asks for nor validates any.
 */

#include "drivers/resource.h"

/*
 * What stands for a certificate's ARN: the ARN itself, or, for a domain ("*.example.com"), a
 * reference to the newest issued certificate that covers it, whose lookup is added to the graph.
 * The caller owns it; NULL and *err if the lookup cannot be added.
 */
cJSON *acm_certificate_want(struct graph *g, const char *certificate, const char *origin,
                            struct err *err);

#endif
