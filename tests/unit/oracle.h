/* SPDX-License-Identifier: MIT */
#ifndef BERTH_TESTS_UNIT_ORACLE_H
#define BERTH_TESTS_UNIT_ORACLE_H

/*
 * The Python programs in tests/unit/ that tell what botocore does: each prints one JSON object a
 * line. Tests are run from the repository's root.
 */

#include <cjson/cJSON.h>

/* Runs the program and gives its lines as an array, which the caller owns; fails the test if it
 * cannot be run or prints anything else. */
cJSON *oracle_lines(const char *program);

#endif
