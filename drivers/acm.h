/* SPDX-License-Identifier: MIT */
#ifndef BERTH_DRIVERS_ACM_H
#define BERTH_DRIVERS_ACM_H

/*
 * Certificates, which are only looked up: berth neither asks for nor validates any.
 */

#include "drivers/preflight.h"

/*
 * What stands for a certificate's ARN: the ARN itself, or, for a domain ("*.example.com"), a
 * reference to the newest issued certificate that covers it, whose lookup is added to the graph.
 * The caller owns it; NULL and *err if the lookup cannot be added.
 */
cJSON *acm_certificate_want(struct graph *g, const char *certificate, const char *origin,
                            struct err *err);

/* Whether a certificate's names (an array) cover a name. */
bool acm_names_cover(const cJSON *names, const char *domain);
/* What to do about a certificate that is not ISSUED. */
const char *acm_status_remedy(const char *status);
/* Whether a certificate, or its summary, has run out. */
bool acm_is_over(const cJSON *certificate);

/* struct driver's preflight. */
void acm_certificates_preflight(struct preflight *p);

#endif
