/* SPDX-License-Identifier: MIT */
#ifndef BERTH_ERRAND_H
#define BERTH_ERRAND_H

/*
 * An errand: a run on one environment, on somebody's behalf. What all of them have, whether they
 * deploy or destroy: the environment's lock, the session and the account it is in, the report of
 * what happens. Nothing here writes to AWS.
 */

#include "executor/engine/history.h"
#include "executor/engine/report.h"
#include "executor/environment.h"
#include "executor/hostconfig.h"
#include "executor/lock.h"

/* On whose behalf. Everything is the caller's and outlives the run. */
struct errand_request {
    const struct hostconfig *host;
    const struct environment *environment;
    const char *account; /* where it is known other than by the environment's role, or NULL */
    int64_t project;
    int64_t pipeline; /* 0: none */
    const char *ref;
    const char *who;          /* for those who wait for the lock: "job 12 of pipeline 34" */
    const char *session_name; /* of the assumed role */
    struct cancel *cancel;
};

struct errand {
    const struct errand_request *request;
    struct lock lock;
    char *account; /* a guess until there is a session */
    char *run;     /* its name, which no other run has */
    struct session *session;
    struct report report;
    struct history history;
    struct strlist warned; /* what has been warned of, in this graph or in one before */
};
#define ERRAND_INIT                                                                                \
    {                                                                                              \
        .lock = LOCK_INIT, .report = REPORT_INIT, .history = HISTORY_INIT                          \
    }
#define _cleanup_errand_ _cleanup_(errand_release)

void errand_begin(struct errand *errand, const struct errand_request *request);
/* Takes the environment's lock. For a run that will write; before anything is read. */
int errand_lock(struct errand *errand, struct err *err);
/* Opens the session; from now on `account` is the one that it is in. */
int errand_open(struct errand *errand, struct err *err);
/* What drivers are told of it. The strings are the request's and errand's. */
struct context errand_context(const struct errand *errand);
/* With what is said about progress, of which errand->report and errand->history take note. */
struct engine_options errand_engine_options(struct errand *errand);
/* Keeps what a graph has come to for the report, before it is freed or the errand ends. */
void errand_note(struct errand *errand, const struct graph *g);
/* Says those warnings of a graph that have not been said in this errand. */
void errand_say_warnings(struct errand *errand, const struct graph *g);
/* Says what of a cancelled run goes on in AWS. False: there is nothing. */
bool errand_say_begun(const struct graph *g, const char *prefix);
/* Fails if a cancel came when all was done. The runner takes an end with 0 after SIGTERM for
 * success (common/build.go). */
int errand_check_cancel(const struct errand *errand, struct err *err);
/* Says a text of several lines, a line at a time. */
void errand_say_lines(const struct strbuf *text);
/* Says the whole plan, by type and by resource, below a title; folded (a section named
 * "berth_plan") or not. */
void errand_say_plan(const struct graph *g, const char *title, bool folded);
/* Says what took how long, and which calls it took. */
void errand_say_table(struct errand *errand);
void errand_release(struct errand *errand);

#endif
