/* SPDX-License-Identifier: MIT */
#ifndef BERTH_DRIVERS_IAM_PREFLIGHT_H
#define BERTH_DRIVERS_IAM_PREFLIGHT_H

#include "drivers/preflight.h"

/* struct driver's preflight of iam. */
void iam_roles_preflight(struct preflight *p);

#endif
