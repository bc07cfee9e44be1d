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
            .job = { .work = check_work },
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

int engine_preflight(struct session *s, struct graph *g, const struct engine_options *o,
                     struct err *err)
{
    if (!changes_anything(g))
        return 0;
    struct check *checks = NULL;
    size_t n = checks_make(s, g, &checks);
    int status = workers_run(checks, n, sizeof(*checks), engine_workers(o), NULL, NULL, err);
    _cleanup_err_ struct err problems = ERR_INIT;
    collect(checks, n, &problems);
    free(checks);
    if (status < 0)
        return -1;
    if (o->cancel != NULL && cancel_is_set(o->cancel))
        return err_set(err, ERR_CANCELLED, "cancelled while checking the plan; nothing changed");
    return problems.class != ERR_NONE ? err_move(err, &problems) : 0;
}
