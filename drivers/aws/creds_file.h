/* SPDX-License-Identifier: MIT */
#ifndef BERTH_DRIVERS_AWS_CREDS_FILE_H
#define BERTH_DRIVERS_AWS_CREDS_FILE_H

/*
 * Reading the small files that credentials come from.
 */

#include "executor/base/err.h"

/* The whole file, the caller's to free (and to wipe). ERR_NOT_FOUND if it is absent,
 * ERR_CREDENTIALS if it cannot be read or is larger than max bytes. */
int creds_file_text(const char *path, size_t max, char **ret, struct err *err);
/* The same without white space at its end, for files that hold one token, which the
 * redactor knows before anybody else has it; empty is an error. */
int creds_file_line(const char *path, size_t max, char **ret, struct err *err);

#endif
