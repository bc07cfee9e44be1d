/* SPDX-License-Identifier: MIT */
#ifndef BERTH_BASE_LOG_H
#define BERTH_BASE_LOG_H

/*
 * What people read. Every line of every program goes through here, and through the redactor, which
 * replaces each known secret, plain or encoded, by [MASKED]; what a terminal would act on, names of
 * branches and jobs may hold it, is shown as an escape (utf8.h). Lines are whole: one write each,
 * so that threads and children do not mix within a line.
 *
 * Library code does not log above debug, apart from the engine's progress; mains report the error
 * they end with, once.
 */

#include <stdbool.h>

#include "executor/base/redact.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

/* fd: where lines go. colour: whether ANSI colours may be used. Not thread-safe; called once. */
void log_init(int fd, enum log_level least, bool colour);
void log_debug(const char *fmt, ...) _printf_(1, 2);
void log_info(const char *fmt, ...) _printf_(1, 2);
void log_warn(const char *fmt, ...) _printf_(1, 2);  /* "WARNING: ..." in yellow */
void log_error(const char *fmt, ...) _printf_(1, 2); /* "ERROR: ..." in red */
/* A mark that GitLab's job log folds lines by, "section_start:...", and its title. `mark` is ours.
 * https://docs.gitlab.com/ci/jobs/job_logs/#custom-collapsible-sections */
void log_section(const char *mark, const char *title);
bool log_has_colour(void);

#endif
