/* SPDX-License-Identifier: MIT */
#ifndef BERTH_DRIVERS_AWS_PROFILE_H
#define BERTH_DRIVERS_AWS_PROFILE_H

/*
 * The profiles of AWS's shared files, ~/.aws/config and ~/.aws/credentials or what AWS_CONFIG_FILE
 * and AWS_SHARED_CREDENTIALS_FILE name.
 * https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html
 *
 * The result is one object, profile name -> { key -> value }, all strings; a key in the credentials
 * file goes before the same one in the config file.
 */

#include "executor/base/json.h"

/* Files that are absent are empty. ERR_CREDENTIALS names file and line of what is not understood.
 * The caller frees *ret with creds_json_free(): it holds secrets. */
int profiles_read(cJSON **ret, struct err *err);
/* The two files' names for messages, "'…/config' and '…/credentials'"; the caller frees it. */
char *profiles_files(void);

#endif
