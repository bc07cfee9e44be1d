/* SPDX-License-Identifier: MIT */
#include "executor/engine/internal.h"
#include "executor/engine/workers.h"

/* One driver's checks. */
struct check {
    struct job job; /* first: the workers hand this back */
    const struct driver *driver;
    struct preflight preflight;
};

static void check_work(struct job *job)
{
    struct check *c = (struct check *)job;
    c->driver->preflight(&c->preflight);
}

static void check_done(struct job *job)
{
    (void)job; /* what it found is collected when all have ended */
}

/* The workers wake the loop for it; the session refuses new calls, so that every check ends. */
static void on_cancel(void *context)
{
    (void)context;
}

static bool changes_anything(const struct graph *g)
{
    for (size_t i = 0; i < g->n; i++)
        if (preflight_concerns(g->v[i]))
            return true;
    return false;
}

/* The drivers that have something to check, in their order; the caller frees the array. */
static size_t checks_make(struct session *s, struct graph *g, struct check **ret)
{
    struct check *checks = NULL;
    size_t n = 0;
    for (size_t i = 0; g->drivers[i] != NULL; i++) {
        if (g->drivers[i]->preflight == NULL)
            continue;
        checks = xrealloc_array(checks, n + 1, sizeof(*checks));
        checks[n++] = (struct check){
            .job = { .work = check_work, .done = check_done },
            .driver = g->drivers[i],
            .preflight = { .session = s, .g = g, .problems = ERR_INIT },
        };
    }
    *ret = checks;
    return n;
}

/* All problems in one error, whose class is the first's. */
static void collect(struct check *checks, size_t n, struct err *all)
{
    for (size_t i = 0; i < n; i++) {
        struct err *found = &checks[i].preflight.problems;
        if (all->class == ERR_NONE && found->class != ERR_NONE)
            err_move(all, found);
        else if (found->class != ERR_NONE)
            err_set(all, all->class, "%s\n%s", all->message, found->message);
        err_release(found);
    }
}

static int run_checks(struct check *checks, size_t n, const struct engine_options *o,
                      struct err *err)
{
    uv_loop_t loop;
    int status = uv_loop_init(&loop);
    if (status != 0)
        return err_set(err, ERR_HOST, "cannot make an event loop: %s", uv_strerror(status));
    struct workers workers;
    status = workers_init(&workers, &loop, o->workers ? o->workers : ENGINE_WORKERS, o->cancel,
                          on_cancel, NULL, err);
    if (status == 0) {
        for (size_t i = 0; i < n; i++)
            workers_submit(&workers, &checks[i].job);
        uv_run(&loop, UV_RUN_DEFAULT);
        workers_release(&workers);
    }
    loop_finish(&loop);
    return status;
}

int engine_preflight(struct session *s, struct graph *g, const struct engine_options *o,
                     struct err *err)
{
    if (!changes_anything(g))
        return 0;
    struct check *checks = NULL;
    size_t n = checks_make(s, g, &checks);
    int status = n > 0 ? run_checks(checks, n, o, err) : 0;
    _cleanup_err_ struct err problems = ERR_INIT;
    collect(checks, n, &problems);
    free(checks);
    if (status < 0)
        return -1;
    if (o->cancel != NULL && cancel_is_set(o->cancel))
        return err_set(err, ERR_CANCELLED, "cancelled while checking the plan; nothing changed");
    return problems.class != ERR_NONE ? err_move(err, &problems) : 0;
}
