/* SPDX-License-Identifier: MIT */
#ifndef BERTH_ENGINE_ENGINE_H
#define BERTH_ENGINE_ENGINE_H

/*
 * observe, plan, apply: from a graph of what is wanted to AWS being so.
 *
 * A run is: graph_new(), every driver's want(), graph_link() (all in engine_want()); then
 * engine_observe(), engine_plan(), engine_apply(). A teardown is the same with nothing wanted:
 * engine_want_nothing(). engine_plan() is pure: no I/O. Each stage runs
 * on the calling thread, which owns a uv loop for the time of the call; workers are joined before
 * it returns.
 */

#include "drivers/driver.h"

struct engine_options {
    unsigned workers;  /* threads; 0: 16 */
    double poll_first; /* seconds before something awaited is looked at again; 0: 2 */
    double poll_max;   /* the longest pause between two looks; 0: 15 */
    struct cancel *cancel;
    /*
     * Called on the calling thread, never on workers, whenever a resource's progress changes and
     * about once a second in between, then with `changed` NULL; or NULL. It may read what is the
     * engine's in any resource, but have, tags, outputs, memo, target and changes only of those
     * that are neither RUNNING nor SETTLING, nor being taken back.
     */
    void (*on_progress)(void *context, const struct graph *g, const struct resource *changed);
    void *on_progress_context;
};

/* What a job may act on: a type's driver, one service, or everything. */
struct selection {
    const char *const *drivers; /* NULL-ended driver names; NULL: all */
    const char *service;        /* this service's resources and what only it needs; or NULL */
};

/* What a plan counts a resource as; log, JSON and page mean the same by each. */
enum counted {
    COUNTED_CREATE,
    COUNTED_UPDATE,
    COUNTED_REPLACE,
    COUNTED_REMOVE,
    COUNTED_WAIT,
    COUNTED_KEEP,
    COUNTED_LEAVE,
    COUNTED_LOOKUP, /* only looked up: not counted */
    COUNTED_ABSENT, /* not there, and nothing is done about it: not counted either */
};
enum counted resource_counted(const struct resource *r);

/* What a plan comes to. */
struct plan_counts {
    unsigned create, update, replace, remove, wait;
    unsigned keep;  /* as wanted */
    unsigned leave; /* not as wanted, and left to another job: not selected, or shared */
};

/*
 * Adds what every driver wants and links the graph. `drivers` are those that take part from here
 * on, NULL-ended and outliving the graph: drivers/driver.h's `drivers` outside of unit tests.
 */
int engine_want(struct graph *g, const struct driver *const *drivers, const cJSON *spec,
                struct err *err);
/* Instead of that, for a teardown, in which nothing is wanted: context.teardown is set. */
void engine_want_nothing(struct graph *g, const struct driver *const *drivers);
/*
 * Reads what is there: all types in parallel, in batches; finds orphans; checks ownership
 * (ERR_CONFLICT names every foreign resource in the way at once; in a teardown what has a name of
 * ours and is not ours is a warning). Where several types fail, the
 * first in the drivers' order decides and the others are named behind it. A lookup that finds
 * nothing is no error here: engine_plan() knows whether it is needed.
 */
int engine_observe(struct session *s, struct graph *g, const struct engine_options *o,
                   struct err *err);
/*
 * Decides each resource's action and changes. Fails with ERR_USER for changes that cannot be made
 * (an immutable field), for lookups that found nothing and when something selected needs something
 * that is not there and not selected; with ERR_REFUSED for what limits forbid. What is not selected
 * has ACTION_NONE, its changes, and a note. May be called again with another selection.
 */
int engine_plan(struct graph *g, const struct selection *selection, struct plan_counts *ret,
                struct err *err);
/*
 * Asks every driver, at the same time, what would go wrong with what the plan creates or changes.
 * Reads only, and nothing if the plan changes nothing. All problems of all drivers are one error,
 * one per line, whose class is the first's in the drivers' order. May be called after a plan that
 * failed for what it found, so that everything is told at once.
 */
int engine_preflight(struct session *s, struct graph *g, const struct engine_options *o,
                     struct err *err);
/*
 * Carries the plan out, once. A failure stops what depends on it and nothing else; nothing is
 * removed unless all that is created, updated and awaited succeeded. Returns -1 if anything failed
 * or was not tried; *err is then the first failure, each resource has its own in `error`.
 */
int engine_apply(struct session *s, struct graph *g, const struct engine_options *o,
                 struct err *err);

/* For all explanations together. Retries of a throttled call need some of it. */
#define ENGINE_EXPLAIN_SECONDS 30.0
/* Of how many resources engine_explain() would read something. */
size_t engine_unexplained(const struct graph *g, const struct engine_options *o);
/*
 * After an engine_apply() that failed, while everything is as it was then: gives each resource that
 * failed its `explanation`, which drivers fill with what they can read in that time.
 * Nothing is read if the run was cancelled. *err is the run's, as engine_apply() left it: its
 * message becomes the cause in one sentence, behind how many failed, if several did.
 */
void engine_explain(struct session *s, struct graph *g, const struct engine_options *o,
                    struct err *err);

/* What came of taking back; lines say each: "service 'x' is taken back: it goes back to 'x:6'". */
struct taken_back {
    unsigned done, left, failed;
    unsigned unknown; /* asked for, and no answer says whether it is done */
    unsigned unready; /* of those done: what was not seen to be ready again */
    struct strlist lines;
};

/*
 * After an engine_apply() that was cancelled: has every type that can take back what this run has
 * written, and looks until then whether it has come about. Calls of the session end no more with
 * the run's cancel, but at `until` (clock_now()'s). The caller releases ret->lines.
 */
void engine_take_back(struct session *s, struct graph *g, const struct engine_options *o,
                      double until, struct taken_back *ret);

/*
 * After engine_apply(), whether it failed or not, or instead of it where there is nothing to do:
 * has every driver tidy up. Nothing if the run was cancelled. What fails are warnings of the graph;
 * what was done is added to *ret_done.
 */
void engine_end(struct session *s, struct graph *g, const struct engine_options *o,
                struct strlist *ret_done);

/*
 * What differs between two values as [{"path","from","to"}], paths as in json.h; members of `have`
 * that `want` lacks count only if `whole`. "from" or "to" is missing where there is nothing. Arrays
 * of one length are compared item by item, others whole. A reference in `want` differs: "to" is
 * then or holds the reference (ref_in()), which reads "known after apply". The caller owns it;
 * NULL: nothing differs.
 */
cJSON *diff_values(const cJSON *want, const cJSON *have, bool whole);

#endif
