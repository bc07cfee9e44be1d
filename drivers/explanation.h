/* SPDX-License-Identifier: MIT */
#ifndef BERTH_DRIVERS_EXPLANATION_H
#define BERTH_DRIVERS_EXPLANATION_H

/*
 * Why a resource failed, for people: {"cause": one sentence, "sections": [{"title", "lines":
 * [...]}]}
 *
 * The cause is the last line of the job, without a full stop; it has the subject in it. Lines hold
 * what AWS and the application say, as they say it, but for secrets, which are redacted before a
 * line is cut: whoever prints them makes them visible (utf8.h), which log.h does. No line has an
 * end of line in it.
 */

#include "executor/base/json.h"

/* Bytes of a line as it is shown; what is longer is cut, and says so. */
#define EXPLANATION_LINE_MAX ((size_t)2000)

cJSON *explanation_new(const char *cause);
/* Replaces the cause. */
void explanation_cause(cJSON *explanation, const char *fmt, ...) _printf_(2, 3);
/* Adds a section; the result is its lines, the explanation's. */
cJSON *explanation_section(cJSON *explanation, const char *fmt, ...) _printf_(2, 3);
/* Adds to a section's lines; text of several lines is several. */
void explanation_line(cJSON *lines, const char *fmt, ...) _printf_(2, 3);
/* Says that something could not be read: "cannot read the events: ...". */
void explanation_unread(cJSON *lines, const char *what, const struct err *err);

#endif
