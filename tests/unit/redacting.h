/* SPDX-License-Identifier: MIT */
#ifndef BERTH_TESTS_REDACTING_H
#define BERTH_TESTS_REDACTING_H

/* What the tests of the redactor share. */

/* Asserts what redact() makes of a text. */
void becomes(const char *text, const char *expected);
/* For cmocka: forgets all secrets. */
int redacting_teardown(void **state);

#endif
