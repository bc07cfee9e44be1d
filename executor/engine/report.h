/* SPDX-License-Identifier: MIT */
#ifndef BERTH_ENGINE_REPORT_H
#define BERTH_ENGINE_REPORT_H

/*
 * What a run says while it goes on and when it has ended. Everything is a line of log.h's. A report
 * is used on one thread, the one that calls the engine; it owns nothing of the graph's. report.c
 * has what goes on and what is awaited, report_failures.c what has become of it, report_table.c
 * what it took.
 */

#include "executor/engine/engine.h"

#define REPORT_PAUSE 30.0 /* seconds between two lines that say what is awaited */

/* Bytes of the log that tell why things have failed: all together, and a section at most. GitLab
 * Runner takes 4 MiB of a job (output_limit), of which the last line is the most important. */
#define REPORT_WHY     ((size_t)1 << 20)
#define REPORT_WHY_ONE ((size_t)48 << 10)

struct report_span {
    const char *name;
    double start, end; /* clock_now() */
};

struct report {
    struct report_span *phases;
    size_t n_phases;
    double said;       /* when the last line about progress was written */
    double seen;       /* and the last of those that are seen, with everything folded */
    double drawn;      /* when a terminal's last lines were */
    unsigned n_titles; /* how many times it was said, unfolded, what is awaited */
    bool *reported;    /* by resource: its end has been said */
    size_t n_reported;
};
#define REPORT_INIT                                                                                \
    {                                                                                              \
        .n_phases = 0                                                                              \
    }
#define _cleanup_report_ _cleanup_(report_release)

void report_release(struct report *r);
/* From now on another graph's resources are told of. */
void report_forget(struct report *r);
/* Ends the phase that was going on, if any, and begins another; `name` is static. NULL: only
 * ends. */
void report_phase(struct report *r, const char *name);
/*
 * struct engine_options' on_progress; `context` is the report. What has ended is said at once: a
 * line for each service, else one for all of a kind that the plan does the same to. While nothing
 * ends, a line every REPORT_PAUSE says what is awaited and why. Where the log folds, these are in
 * collapsed sections, with what the kinds' lines say meanwhile; a failure, or a service's line,
 * ends one. A section's title says the same in short. It is seen after REPORT_PAUSE in which
 * nothing was seen where no section is open, so at most once for each line that has closed one; and
 * where one is, after twice the silence that the title before it has taken: of a day that is
 * eleven. On a terminal the last lines show it instead: live.c.
 */
void report_progress(void *context, const struct graph *g, const struct resource *changed);

/* What was done, what failed and why, what was not tried: after an apply that failed. Of lines for
 * which there is no room the last are said, and how many are not. */
void report_failures(const struct graph *g);
/* Whether a cancelled run has written it, no longer awaits it and has not taken it back. */
bool report_goes_on(const struct resource *r);
/* All that goes on so: "service notifier, namespace discovery (perhaps: AWS has not answered)".
 * False: there is nothing. */
bool report_begun(const struct graph *g, struct strbuf *out);
/* What a resource waits for, as far as that is known; NULL: it is not. The resource's, or static.
 */
const char *report_reason(const struct resource *r);
/* " [the credentials do not allow it; AWS: AccessDeniedException, request 8d2f...]", less what the
 * message says itself. */
void report_evidence(const struct err *err, struct strbuf *out);
/* How long it took and how many calls; folded under that, the table of phases and that of calls by
 * service. `s` may be NULL: no call was made. */
void report_table(struct report *r, struct session *s);
/* "created"; "ready" where nothing was to be done but to wait. */
const char *report_done_word(enum action action);
/* Adds how many of a type, or of all (NULL), were to go and were not removed: "1 left alone". */
void report_spared(const struct graph *g, const struct resource_type *type, struct strbuf *out);
/* Counts what an apply did, as "41 created, 2 updated". */
void report_done(const struct graph *g, struct strbuf *out);

#endif
