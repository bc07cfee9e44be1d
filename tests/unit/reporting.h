/* SPDX-License-Identifier: MIT */
#ifndef BERTH_TESTS_REPORTING_H
#define BERTH_TESTS_REPORTING_H

/*
 * Resources to report on, and what is said of them: from reporting_setup() to reporting_teardown(),
 * which cmocka calls around each test, all that is logged goes into a file.
 */

#include "executor/engine/engine.h"

extern const struct resource_type reporting_group, reporting_service;

int reporting_setup(void **state);
int reporting_teardown(void **state);
/* Adds what is to be created; it took 1.2 seconds. */
struct resource *reporting_add(struct graph *g, const struct resource_type *type,
                               const char *label);
/* What has been logged since the last time; the caller frees it. */
char *log_lines(void);
/* The same with T for each span: how long the test itself takes does not matter. */
char *log_timeless(void);
void expect_log(const char *text);
void expect_log_timeless(const char *text);
/* How often a word is in a text. */
size_t count_of(const char *text, const char *word);

#endif
