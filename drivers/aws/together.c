/* SPDX-License-Identifier: MIT */
#include "drivers/aws/together.h"

#include <signal.h>
#include <stdatomic.h>
#include <uv.h>

struct together {
    const struct together_task *tasks;
    struct err *errors;
    size_t n;
    atomic_size_t next;
};

static void run_tasks(void *arg)
{
    struct together *t = arg;
    size_t i;
    while ((i = atomic_fetch_add(&t->next, 1)) < t->n)
        t->tasks[i].run(t->tasks[i].context, &t->errors[i]);
}

/* Signals are for the threads that wait for them. */
static void thread_main(void *arg)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    run_tasks(arg);
}

static int first_error(struct together *t, struct err *err)
{
    int status = 0;
    for (size_t i = 0; i < t->n; i++) {
        if (t->errors[i].class != ERR_NONE && status == 0)
            status = err_move(err, &t->errors[i]);
        err_release(&t->errors[i]);
    }
    return status;
}

static int run(const struct together_task *tasks, size_t n, unsigned at_once, struct err *err)
{
    struct together t = { .tasks = tasks, .n = n };
    uv_thread_t threads[TOGETHER_WIDE];
    unsigned started = 0;
    t.errors = xcalloc(n + 1, sizeof(*t.errors));
    /* A thread that cannot be started leaves its share to the others. */
    while (started + 1 < n && started + 1 < at_once &&
           uv_thread_create(&threads[started], thread_main, &t) == 0)
        started++;
    run_tasks(&t);
    for (unsigned i = 0; i < started; i++)
        uv_thread_join(&threads[i]);
    int status = first_error(&t, err);
    free(t.errors);
    return status;
}

int together_run(const struct together_task *tasks, size_t n, struct err *err)
{
    return run(tasks, n, TOGETHER_FEW, err);
}

int together_run_wide(const struct together_task *tasks, size_t n, struct err *err)
{
    return run(tasks, n, TOGETHER_WIDE, err);
}
