/* SPDX-License-Identifier: MIT */
#include "executor/engine/workers.h"

#include <signal.h>

static void queue_init(struct job_queue *q)
{
    q->first = NULL;
    q->last = &q->first;
}

static void queue_push(struct job_queue *q, struct job *job)
{
    job->next = NULL;
    *q->last = job;
    q->last = &job->next;
}

/* Behind all that have its rank or a higher one. */
static void queue_insert(struct job_queue *q, struct job *job)
{
    struct job **at = &q->first;
    while (*at != NULL && (*at)->rank >= job->rank)
        at = &(*at)->next;
    job->next = *at;
    *at = job;
    if (job->next == NULL)
        q->last = &job->next;
}

static struct job *queue_pop(struct job_queue *q)
{
    struct job *job = q->first;
    if (job == NULL)
        return NULL;
    q->first = job->next;
    if (q->first == NULL)
        q->last = &q->first;
    return job;
}

/* Signals are for the threads that wait for them. */
static void block_signals(void)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
}

static void worker_main(void *arg)
{
    struct workers *w = arg;
    block_signals();
    uv_mutex_lock(&w->mutex);
    for (;;) {
        struct job *job;
        w->idle++;
        while ((job = queue_pop(&w->todo)) == NULL && !w->stop)
            uv_cond_wait(&w->cond, &w->mutex);
        w->idle--;
        if (job == NULL)
            break;
        uv_mutex_unlock(&w->mutex);
        job->work(job);
        uv_mutex_lock(&w->mutex);
        queue_push(&w->finished, job);
        uv_async_send(&w->async);
    }
    uv_mutex_unlock(&w->mutex);
}

static void hold_loop(struct workers *w)
{
    if (w->under_way > 0)
        uv_ref((uv_handle_t *)&w->async);
    else
        uv_unref((uv_handle_t *)&w->async);
}

/* One wake-up may stand for many jobs: uv joins sends that come close together. */
static void on_async(uv_async_t *async)
{
    struct workers *w = async->data;
    for (;;) {
        uv_mutex_lock(&w->mutex);
        struct job *job = queue_pop(&w->finished);
        uv_mutex_unlock(&w->mutex);
        if (job == NULL)
            break;
        w->under_way--;
        if (job->done != NULL)
            job->done(job);
    }
    if (w->cancel != NULL && !w->cancelled && cancel_is_set(w->cancel)) {
        w->cancelled = true;
        w->on_cancel(w->context);
    }
    hold_loop(w);
}

static void watcher_main(void *arg)
{
    struct workers *w = arg;
    block_signals();
    uv_mutex_lock(&w->cancel->mutex);
    while (!w->cancel->set && !w->watcher_stop)
        uv_cond_wait(&w->cancel->cond, &w->cancel->mutex);
    bool set = w->cancel->set;
    uv_mutex_unlock(&w->cancel->mutex);
    if (set)
        uv_async_send(&w->async);
}

static void stop_watcher(struct workers *w)
{
    if (!w->watching)
        return;
    uv_mutex_lock(&w->cancel->mutex);
    w->watcher_stop = true;
    uv_cond_broadcast(&w->cancel->cond);
    uv_mutex_unlock(&w->cancel->mutex);
    uv_thread_join(&w->watcher);
    w->watching = false;
}

static int start_thread(struct workers *w)
{
    int status = uv_thread_create(&w->threads[w->n_threads], worker_main, w);
    if (status == 0)
        w->n_threads++;
    return status;
}

static int start_first_threads(struct workers *w, struct err *err)
{
    int status = start_thread(w);
    if (status == 0 && w->cancel != NULL) {
        status = uv_thread_create(&w->watcher, watcher_main, w);
        w->watching = status == 0;
    }
    if (status == 0)
        return 0;
    workers_release(w);
    return err_set(err, ERR_HOST,
                   "cannot start a thread: %s; raise the limit of processes of the runner's user",
                   uv_strerror(status));
}

int workers_init(struct workers *w, uv_loop_t *loop, unsigned max, struct cancel *cancel,
                 void (*on_cancel)(void *context), void *context, struct err *err)
{
    *w = (struct workers){
        .loop = loop, .max = max, .cancel = cancel, .on_cancel = on_cancel, .context = context
    };
    int status = uv_async_init(loop, &w->async, on_async);
    if (status != 0)
        return err_set(err, ERR_HOST, "cannot make a pipe between threads: %s",
                       uv_strerror(status));
    w->async.data = w;
    uv_mutex_init(&w->mutex);
    uv_cond_init(&w->cond);
    queue_init(&w->todo);
    queue_init(&w->finished);
    w->threads = xcalloc(max, sizeof(*w->threads));
    hold_loop(w);
    return start_first_threads(w, err);
}

void workers_submit(struct workers *w, struct job *job)
{
    uv_mutex_lock(&w->mutex);
    queue_insert(&w->todo, job);
    unsigned idle = w->idle;
    uv_cond_signal(&w->cond);
    uv_mutex_unlock(&w->mutex);
    w->under_way++;
    hold_loop(w);
    /* `idle` may still count threads that others have woken; then there is one thread too many,
     * never one too few. A thread that cannot be started leaves the work to the others. */
    if (w->n_threads < w->max && (idle == 0 || w->under_way > w->n_threads))
        start_thread(w);
}

unsigned workers_free(const struct workers *w)
{
    return w->under_way < w->max ? w->max - w->under_way : 0;
}

void workers_release(struct workers *w)
{
    stop_watcher(w);
    uv_mutex_lock(&w->mutex);
    w->stop = true;
    uv_cond_broadcast(&w->cond);
    uv_mutex_unlock(&w->mutex);
    for (unsigned i = 0; i < w->n_threads; i++)
        uv_thread_join(&w->threads[i]);
    free(w->threads);
    uv_close((uv_handle_t *)&w->async, NULL);
    uv_run(w->loop, UV_RUN_DEFAULT);
    uv_cond_destroy(&w->cond);
    uv_mutex_destroy(&w->mutex);
}

struct ticker {
    uv_timer_t timer;
    void (*tick)(void *context);
    void *context;
};

static void on_timer(uv_timer_t *timer)
{
    const struct ticker *ticker = timer->data;
    ticker->tick(ticker->context);
}

/* Does not keep the loop alive. */
static void start_ticker(struct ticker *ticker, uv_loop_t *loop)
{
    uv_timer_init(loop, &ticker->timer);
    ticker->timer.data = ticker;
    if (ticker->tick != NULL)
        uv_timer_start(&ticker->timer, on_timer, 1000, 1000);
    uv_unref((uv_handle_t *)&ticker->timer);
}

int workers_run(void *items, size_t n, size_t size, unsigned max, void (*tick)(void *context),
                void *context, struct err *err)
{
    uv_loop_t loop;
    struct ticker ticker = { .tick = tick, .context = context };
    if (n == 0)
        return 0;
    int status = uv_loop_init(&loop);
    if (status != 0)
        return err_set(err, ERR_HOST, "cannot make an event loop: %s", uv_strerror(status));
    struct workers workers;
    status = workers_init(&workers, &loop, max, NULL, NULL, NULL, err);
    if (status == 0) {
        for (size_t i = 0; i < n; i++)
            workers_submit(&workers, (struct job *)((char *)items + i * size));
        start_ticker(&ticker, &loop);
        uv_run(&loop, UV_RUN_DEFAULT);
        uv_close((uv_handle_t *)&ticker.timer, NULL);
        workers_release(&workers);
    }
    loop_finish(&loop);
    return status;
}

void loop_finish(uv_loop_t *loop)
{
    uv_run(loop, UV_RUN_DEFAULT);
    uv_loop_close(loop);
}
