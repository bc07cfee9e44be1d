/* SPDX-License-Identifier: MIT */
#ifndef BERTH_DRIVERS_SECRET_H
#define BERTH_DRIVERS_SECRET_H

/*
 * Secrets that berth itself reads: parameters of SSM, by name or ARN, and secrets of Secrets
 * Manager, by ARN. Values are read when they are sent, kept nowhere, and known to the redactor
 * before anybody else has them.
 */

#include "drivers/resource.h"

/* Whether what names a secret is the ARN of one of Secrets Manager. */
bool secret_is_in_manager(const char *secret);
/* The name of a parameter that may be given by its ARN. */
const char *secret_parameter_name(const char *secret);

/* Reads a parameter, with its value or only with what is around it; *ret is the caller's, NULL
 * where there is none of that name. */
int secret_parameter_read(struct session *s, const char *secret, bool value, cJSON **ret,
                          struct err *err);
/*
 * ERR_USER unless what Secrets Manager found is what was named: an ARN that ends as complete ones
 * do is taken for one, never for the beginning of a longer one's. `path` is the spec's member that
 * names it.
 */
int secret_check_found(const char *path, const char *secret, const cJSON *found, struct err *err);

/*
 * Reads a secret's value and, where it is asked for, its version. ERR_USER, beginning with `path`,
 * if there is none or it holds no text. The caller frees both.
 */
int secret_read(struct session *s, const char *path, const char *secret, char **ret_value,
                char **ret_version, struct err *err);

#endif
