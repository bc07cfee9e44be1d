/* SPDX-License-Identifier: MIT */
#ifndef BERTH_ENGINE_WORKERS_H
#define BERTH_ENGINE_WORKERS_H

/*
 * Threads that do blocking work for a uv loop.
 *
 * A job is the submitter's: it lives from workers_submit() until its done() has been called, which
 * happens on the loop's thread after work() has returned on a worker. Threads are started when
 * there is work for them. While a job is under way the loop stays alive; when none is, the workers
 * do not keep it from ending.
 *
 * A set cancel wakes the loop: on_cancel is called once, on the loop's thread. Jobs that are under
 * way end by themselves, since the session refuses new calls.
 */

#include <uv.h>

#include "executor/base/clock.h"
#include "executor/base/err.h"

struct job {
    void (*work)(struct job *job); /* on a worker */
    void (*done)(struct job *job); /* on the loop's thread; or NULL */
    unsigned rank;                 /* the higher, the earlier; of one rank the first comes first */
    struct job *next;              /* the workers' */
};

struct job_queue {
    struct job *first;
    struct job **last;
};

struct workers {
    uv_loop_t *loop;
    uv_async_t async;
    uv_mutex_t mutex; /* guards the queues, idle and stop */
    uv_cond_t cond;
    struct job_queue todo, finished;
    unsigned idle;
    bool stop;
    /* The loop's thread alone uses what follows. */
    uv_thread_t *threads;
    unsigned n_threads, max;
    unsigned under_way;    /* submitted, and done() not yet called */
    struct cancel *cancel; /* or NULL */
    uv_thread_t watcher;
    bool watching, cancelled;
    bool watcher_stop; /* guarded by cancel->mutex */
    void (*on_cancel)(void *context);
    void *context;
};

/* At most `max` threads. Fails with ERR_HOST if not even one can be started. */
int workers_init(struct workers *w, uv_loop_t *loop, unsigned max, struct cancel *cancel,
                 void (*on_cancel)(void *context), void *context, struct err *err);
void workers_submit(struct workers *w, struct job *job);
/* How many jobs could start at once. */
unsigned workers_free(const struct workers *w);
/* Joins the threads and closes the handle, running the loop for it; no job is under way. */
void workers_release(struct workers *w);

/*
 * Does n jobs, each the first member of one of the n items of `size` bytes at `items`, by at most
 * `max` threads on a loop of its own, and returns when all are done. Does not look for a cancel:
 * what is under way ends by itself, as above. `tick`, if it is not NULL, is called about once a
 * second meanwhile, on the calling thread. Fails as workers_init() does, and then nothing is done.
 */
int workers_run(void *items, size_t n, size_t size, unsigned max, void (*tick)(void *context),
                void *context, struct err *err);

/* Runs the loop until nothing is active, closes it. Every handle has been closed or will be. */
void loop_finish(uv_loop_t *loop);

#endif
