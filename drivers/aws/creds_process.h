/* SPDX-License-Identifier: MIT */
#ifndef BERTH_DRIVERS_AWS_CREDS_PROCESS_H
#define BERTH_DRIVERS_AWS_CREDS_PROCESS_H

/*
 * Credentials from a program that a profile names as its credential_process.
 * https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html
 */

#include "drivers/aws/credentials.h"

/* Runs the command by /bin/sh and reads what it prints; it is killed when it takes a minute, prints
 * too much, or the run is cancelled. */
int creds_process_get(const char *command, struct cancel *cancel, struct creds *ret,
                      struct err *err);
/* What such a program has printed, as credentials. */
int creds_process_parse(const char *output, size_t len, struct creds *ret, struct err *err);

#endif
