/* SPDX-License-Identifier: MIT */
/*
 * Taking back, after a cancel, what a run has changed. Only types that know how take part (the
 * application's services); the rest is as the next run will want it anyway. All that take part do
 * so at the same time: what runs is AWS's to exchange, so nothing is awaited, and nothing has an
 * order.
 */
#include "executor/engine/internal.h"
#include "executor/engine/workers.h"

struct recall {
    struct job job; /* first: the workers hand this back */
    struct session *session;
    struct resource *r;
    struct strbuf what;
    bool done;
    struct err err;
};

static void recall_work(struct job *job)
{
    struct recall *recall = (struct recall *)job;
    struct resource *r = recall->r;
    r->type->take_back(recall->session, r, &recall->what, &recall->done, &recall->err);
}

static bool is_removed(const struct resource *r)
{
    return r->action == ACTION_REMOVE && r->written > 0;
}

/*
 * What the application ran on before, a cache or a target group, may be gone with this: whatever
 * goes does so when all the rest is as it is wanted, so what runs now is better left.
 */
static const struct resource *first_removed(const struct graph *g)
{
    for (size_t i = 0; i < g->n; i++) {
        const struct resource *r = g->v[i];
        bool goes = r->action == ACTION_REMOVE || r->action == ACTION_REPLACE;
        if (goes && r->written > 0 && (r->type->flags & TYPE_APPLICATION) == 0)
            return r;
    }
    return NULL;
}

static void tell(const struct recall *recall, struct taken_back *ret)
{
    const struct resource *r = recall->r;
    const char *singular = r->type->singular;
    if (recall->err.class != ERR_NONE) {
        ret->failed++;
        strlist_addf(&ret->lines, "%s '%s' could not be taken back: %s", singular, r->label,
                     recall->err.message);
    } else if (recall->what.len > 0) {
        *(recall->done ? &ret->done : &ret->left) += 1;
        strlist_addf(&ret->lines, "%s '%s' %s: %s", singular, r->label,
                     recall->done ? "is taken back" : "is left", recall->what.buf);
    }
}

static void tell_removed(const struct graph *g, struct taken_back *ret)
{
    for (size_t i = 0; i < g->n; i++) {
        if (g->v[i]->type->take_back == NULL || !is_removed(g->v[i]))
            continue;
        ret->left++;
        strlist_addf(&ret->lines, "%s '%s' is left: it was removed, which cannot be taken back",
                     g->v[i]->type->singular, g->v[i]->label);
    }
}

static size_t recalls_make(struct session *s, struct graph *g, struct recall *ret)
{
    size_t n = 0;
    for (size_t i = 0; i < g->n; i++) {
        if (g->v[i]->type->take_back == NULL || g->v[i]->want == NULL)
            continue;
        ret[n] = (struct recall){
            .job = { .work = recall_work }, .session = s, .r = g->v[i], .err = ERR_INIT
        };
        strbuf_init(&ret[n++].what);
    }
    return n;
}

void engine_take_back(struct session *s, struct graph *g, const struct engine_options *o,
                      double until, struct taken_back *ret)
{
    struct cancel *cancel = session_cancel(s), never;
    const struct resource *removed = first_removed(g);
    _cleanup_free_ struct recall *recalls = xcalloc(g->n + 1, sizeof(*recalls));
    _cleanup_err_ struct err err = ERR_INIT;
    size_t n = removed == NULL ? recalls_make(s, g, recalls) : 0;
    *ret = (struct taken_back){ .lines = STRLIST_INIT };
    if (removed != NULL)
        strlist_addf(&ret->lines,
                     "nothing is taken back: the removal of %s '%s' has begun, and what ran before "
                     "may need it",
                     removed->type->singular, removed->label);
    cancel_init(&never);
    session_outlive(s, &never);
    session_limit(s, until);
    workers_run(recalls, n, sizeof(*recalls), engine_workers(o), &err);
    session_limit(s, 0);
    session_outlive(s, cancel);
    cancel_release(&never);
    if (err.class != ERR_NONE)
        strlist_addf(&ret->lines, "nothing is taken back: %s", err.message);
    for (size_t i = 0; i < n; i++) {
        tell(&recalls[i], ret);
        strbuf_release(&recalls[i].what);
        err_release(&recalls[i].err);
    }
    tell_removed(g, ret);
}
