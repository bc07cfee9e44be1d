/* SPDX-License-Identifier: MIT */
#ifndef BERTH_BASE_LOG_H
#define BERTH_BASE_LOG_H

/*
 * What people read. Every line of every program goes through here, and through the redactor, which
 * replaces each known secret, plain or encoded, by [MASKED]; what a terminal would act on, names of
 * branches and jobs may hold it, is shown as an escape (utf8.h). Of a line of more than 8 KiB the
 * middle is left out. Lines are whole: one write each,
 * so that threads and children do not mix within a line. Any thread may say something; what
 * log_init(), log_folds() and log_live() set is set before there are others.
 *
 * Library code does not log above debug, apart from the engine's progress; mains report the error
 * they end with, once.
 */

#include <stdbool.h>

#include "executor/base/redact.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_style { LOG_PLAIN, LOG_HEADING, LOG_GOOD, LOG_BAD }; /* bold, green, red */

/* fd: where lines go. colour: whether ANSI colours may be used. Not thread-safe; called once. */
void log_init(int fd, enum log_level least, bool colour);
/* From now on plain lines may fill 2 MiB, half of what GitLab Runner takes of a job's log, and
 * warnings 512 KiB; further ones are left out, which is said once. Errors and styled lines are
 * not. */
void log_bound(void);
void log_debug(const char *fmt, ...) _printf_(1, 2);
void log_info(const char *fmt, ...) _printf_(1, 2);
void log_warn(const char *fmt, ...) _printf_(1, 2);  /* "WARNING: ..." in yellow */
void log_error(const char *fmt, ...) _printf_(1, 2); /* "ERROR: ..." in red */
/* Like log_info(); sparingly: what everything has stands out no more. */
void log_styled(enum log_style style, const char *fmt, ...) _printf_(2, 3);
bool log_has_colour(void);

/*
 * Sections that GitLab's job log folds, by a name of letters, digits, '_', '.' and '-'; one that
 * has been used before gets a number, for they must be unique
 * (https://docs.gitlab.com/ci/jobs/job_logs/#custom-collapsible-sections). Where who reads folds
 * nothing (log_folds(), off at first), a section is its title and its lines.
 */
void log_folds(bool folds);
bool log_has_folds(void);
/* A collapsed one whose title stands out. */
void log_section_styled(enum log_style style, const char *name, const char *title);
void log_section_start(const char *name, bool collapsed, const char *title);
void log_section_end(const char *name);

/*
 * A collapsed section that lasts until anything else is said, by whichever thread: what goes on in
 * the meantime, which only those want to read who wonder. Lines of log_aside() are in it; its title
 * is seen. Where nothing is folded there is no section, and the lines are like any others.
 */
void log_aside_start(const char *name, const char *title);
void log_aside(const char *fmt, ...) _printf_(1, 2);
bool log_aside_is_open(void);

/*
 * A terminal's last lines, drawn anew in place: log_footer() replaces them, other lines appear
 * above them. Lines are cut to the terminal's width, and to fewer than its height. The cursor
 * always stands at the start of the line below and is never hidden, so that whatever ends the
 * program leaves a terminal that can be gone on with. Nothing happens unless log_live() has been
 * called; NULL takes them away, which whoever ends the process does first.
 */
void log_live(void);
bool log_is_live(void);
void log_footer(const struct strbuf *lines);

#endif
