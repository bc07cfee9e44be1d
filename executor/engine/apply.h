/* SPDX-License-Identifier: MIT */
#ifndef BERTH_ENGINE_APPLY_H
#define BERTH_ENGINE_APPLY_H

/*
 * What the files of apply share: apply.c goes through the phases and decides what starts, removal.c
 * does so for what goes, confirm.c looks before that, step.c does what a worker does for one
 * resource, look.c awaits.
 *
 * A resource is with at most one worker at a time: with_worker is set on the loop's thread before
 * the job is submitted and cleared when it has come back. Everything in struct apply and struct
 * step belongs to the loop's thread, but for the outcome, which is the worker's in between.
 */

#include "executor/engine/internal.h"
#include "executor/engine/workers.h"

/* What a worker brings back about one resource. */
struct outcome {
    struct err err;
    enum readiness readiness;
    struct strbuf why;
    double written; /* 0: nothing was written */
    bool uncertain; /* something may have been written: no answer says that it was not */
};

/* What is done to a resource: one that is replaced is removed, and then brought up. */
enum task {
    TASK_BRING,   /* created, updated, or only awaited */
    TASK_CONFIRM, /* read once more, before it is wound down or removed */
    TASK_REMOVE,
    TASK_LET_GO, /* of step->other */
    TASK_WIND_DOWN,
};

struct step {
    struct job job; /* first: the workers hand this back */
    struct apply *apply;
    struct resource *r;
    enum task task;
    const struct resource *other;
    bool has_let_go;
    bool way_confirmed; /* there, and ours to replace, when what is bound to it was about to go */
    bool wound_down;    /* or was to be, and could not */
    bool confirming;    /* to be confirmed, with all of its type that go */
    bool confirmed;     /* there, and ours to remove, a moment ago */
    cJSON *tags;        /* while it is confirmed: those that it had */
    bool with_worker;
    bool retry;      /* the driver said ERR_BUSY: try again at the next look */
    bool changed;    /* this run has written it */
    bool verifying;  /* it was ready, and is looked at once more */
    double deadline; /* clock_now() by which it must be done */
    bool seen;       /* a look has found it since this run began to wait for it */
    double missing;  /* clock_now() of the look since which it is not found; 0: it is */
    struct outcome outcome;
};

/* How the resources of one type are awaited. */
struct look {
    uv_timer_t timer;
    struct apply *apply;
    const struct resource_type *type;
    double pause;       /* until the next look */
    double due;         /* when the timer fires; 0: it is not set */
    unsigned under_way; /* jobs of the look that is going on */
    bool fresh;         /* something began to wait since the look began */
    bool turn;          /* it is the turn of what goes: all that goes before it is gone */
};

enum phase {
    PHASE_BEGIN,
    PHASE_BUILD,
    PHASE_WIND_DOWN,
    PHASE_REMOVE,
    PHASE_VERIFY,
    PHASE_END,
};

struct apply {
    struct session *session;
    struct graph *g;
    const struct engine_options *o;
    struct workers workers;
    struct step *steps; /* by resource index */
    size_t n;           /* of steps: what a driver finds while this runs is for the next run */
    struct look *looks; /* by type, in the drivers' order */
    size_t n_looks;
    bool *before; /* [i * n_looks + j]: what is removed of looks[i].type goes before looks[j]'s */
    bool *with_parent; /* [i]: nothing is asked for the removal of looks[i].type's */
    enum phase phase;
    bool cancelled;
    bool failed;      /* something failed or was not tried */
    struct err first; /* the first failure */
    struct job begin;
    struct err begin_err;
    uv_timer_t tick;
};

/* apply.c */
bool apply_is_cancelled(const struct apply *a); /* also before the loop has taken note */
/* Does what can be done next. Called whenever something has ended. */
void apply_advance(struct apply *a);
void step_progress(struct step *step, enum progress progress);
void step_finish(struct step *step);
/* Takes *err. */
void step_fail(struct step *step, struct err *err);
/* It is not waited for any more: says what it waited for last. */
void step_cancel(struct step *step);
/* It is not tried, and is of the class of what it is not tried for. */
void step_skip(struct step *step, enum err_class class, const char *why);
/* The same, for what became of another: "<what> service 'x', which failed". */
void step_skip_since(struct step *step, const char *what, const struct resource *other);
bool step_is_open(const struct step *step);    /* neither done, failed nor skipped */
bool step_has_failed(const struct step *step); /* or was skipped */
struct look *look_of(struct apply *a, const struct resource_type *type);

/* A task begins: its deadline runs from now on. */
void step_begin(struct step *step, enum task task);
struct step *step_of(struct apply *a, const struct resource *r);

/* removal.c */
/* Before the first removal: which types go before which. */
void removal_begin(struct apply *a);
/* Winds down what is to be removed; returns how much of that is open. */
size_t removal_wind_down(struct apply *a);
void removal_wound_down(struct step *step);
/* Removes what can be; returns how much is open. To be called whenever something has ended. */
size_t removal_advance(struct apply *a);

/* confirm.c: what is to go may be another's by now, or gone. */
/* Begins to confirm what is pending of the removals of a type, unless that is done or goes on;
 * whether it is done. */
bool confirm_type(struct apply *a, const struct resource_type *type);
/* A look has seen it. */
void confirm_seen(struct step *step);
/* On a worker, for one that goes by itself: reads it; -1 if it is in the way, and not ours. */
int confirm_one(struct step *step);
/* It is not removed, after all; `instead` is for the log. */
void confirm_spare(struct step *step, const char *instead);

/* replace.c */
/* Before anything starts: what is there is split off what is created anew under a second name. */
void replace_split(struct graph *g);
/*
 * Removes what is there of a resource that is replaced by removing it first; before that, what
 * stands in its way. To be called again, whenever something has ended, while it is pending. If what
 * stands in the way cannot be removed, *ret_failed is that.
 */
void replace_advance(struct step *step, const struct resource **ret_failed);
/* It has let go of another, or is removed: it waits for its turn to be brought up (again). */
void replace_task_ended(struct step *step);

/* step.c: starts the step's task on a worker. */
void step_submit(struct step *step);
/* Deals with what a worker brought back; on the loop's thread. */
void step_settle(struct step *step);
/* Whether the resource is as the task wants it: ready, or gone. Any thread that has the resource.
 */
void step_judge(struct step *step);

/* look.c */
void look_init(struct look *look, struct apply *a, const struct resource_type *type);
/* Something of the type waits; is_new: it has just begun to. */
void look_add(struct look *look, bool is_new);
/* Looks at once at what is SETTLING. */
void look_now(struct look *look);
void look_job_ended(struct look *look);

#endif
