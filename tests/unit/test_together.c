/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdatomic.h>
#include <unistd.h>

#include "drivers/aws/together.h"
#include "executor/engine/workers.h"

/* --- tasks ------------------------------------------------------------------------------------ */

struct counted {
    uv_barrier_t *barrier; /* or NULL */
    bool fails;
    atomic_uint runs;
};

static int counted_run(void *context, struct err *err)
{
    struct counted *c = context;
    atomic_fetch_add(&c->runs, 1);
    if (c->barrier != NULL)
        uv_barrier_wait(c->barrier);
    return c->fails ? err_set(err, ERR_FAILED, "task %p", context) : 0;
}

/* Each waits until N of them run: fewer at a time would never end, but for the alarm. */
static void assert_at_once(unsigned n,
                           int (*run)(const struct together_task *, size_t, struct err *))
{
    uv_barrier_t barrier;
    struct counted counted[TOGETHER_WIDE] = { 0 };
    struct together_task tasks[TOGETHER_WIDE];
    assert_int_equal(uv_barrier_init(&barrier, n), 0);
    for (unsigned i = 0; i < n; i++) {
        counted[i].barrier = &barrier;
        tasks[i] = (struct together_task){ counted_run, &counted[i] };
    }
    struct err err = ERR_INIT;
    alarm(30);
    assert_int_equal(run(tasks, n, &err), 0);
    alarm(0);
    uv_barrier_destroy(&barrier);
    assert_int_equal(run(NULL, 0, &err), 0);
}

static void tasks_run_at_the_same_time(void **state)
{
    (void)state;
    assert_at_once(TOGETHER_FEW, together_run);
    assert_at_once(TOGETHER_WIDE, together_run_wide);
}

static void the_first_failure_is_told_and_all_are_run(void **state)
{
    (void)state;
    enum { N = 50 };
    struct counted counted[N] = { [7] = { .fails = true }, [30] = { .fails = true } };
    struct together_task tasks[N];
    for (int i = 0; i < N; i++)
        tasks[i] = (struct together_task){ counted_run, &counted[i] };
    struct err err = ERR_INIT;
    assert_int_equal(together_run(tasks, N, &err), -1);
    _cleanup_free_ char *message = xasprintf("task %p", (void *)&counted[7]);
    assert_string_equal(err.message, message);
    err_release(&err);
    for (int i = 0; i < N; i++)
        assert_int_equal(counted[i].runs, 1);
}

/* --- the order of jobs ------------------------------------------------------------------------ */

struct ranked {
    struct job job; /* first */
    char letter;
    uv_sem_t *go; /* or NULL */
    struct strbuf *order;
};

static void ranked_work(struct job *job)
{
    struct ranked *r = (struct ranked *)job;
    if (r->go != NULL)
        uv_sem_wait(r->go);
    strbuf_addf(r->order, "%c", r->letter);
}

static void ranked_done(struct job *job)
{
    (void)job;
}

/* The only worker is kept busy until all are in the queue. */
static void a_higher_rank_goes_first(void **state)
{
    (void)state;
    static const char letters[] = "-abcdef";
    static const unsigned ranks[] = { 0, 0, 2, 0, 1, 2, 0 };
    uv_loop_t loop;
    uv_sem_t go;
    struct workers w;
    struct err err = ERR_INIT;
    _cleanup_strbuf_ struct strbuf order = STRBUF_INIT;
    struct ranked jobs[ARRAY_SIZE(ranks)];
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(uv_sem_init(&go, 0), 0);
    assert_int_equal(workers_init(&w, &loop, 1, NULL, NULL, NULL, &err), 0);
    for (size_t i = 0; i < ARRAY_SIZE(ranks); i++) {
        jobs[i] =
            (struct ranked){ .job = { .work = ranked_work, .done = ranked_done, .rank = ranks[i] },
                             .letter = letters[i],
                             .go = i == 0 ? &go : NULL,
                             .order = &order };
        workers_submit(&w, &jobs[i].job);
        /* It must have taken the first one before there is a choice. */
        for (bool taken = i > 0; !taken; uv_sleep(1)) {
            uv_mutex_lock(&w.mutex);
            taken = w.todo.first == NULL;
            uv_mutex_unlock(&w.mutex);
        }
    }
    uv_sem_post(&go);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_string_equal(order.buf, "-bedacf");
    workers_release(&w);
    loop_finish(&loop);
    uv_sem_destroy(&go);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tasks_run_at_the_same_time),
        cmocka_unit_test(the_first_failure_is_told_and_all_are_run),
        cmocka_unit_test(a_higher_rank_goes_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
