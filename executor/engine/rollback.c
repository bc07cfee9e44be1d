/* SPDX-License-Identifier: MIT */
/*
 * Taking back, after a cancel, what a run has changed. Only types that know how take part (the
 * application's services); the rest is as the next run will want it anyway. All that take part do
 * so at the same time, since nothing of it has an order. What AWS then exchanges is looked at as
 * long as there is time; what has not come about by then is said, and goes on without berth.
 */
#include "executor/engine/internal.h"
#include "executor/engine/workers.h"

#define PAUSE_GROWTH 1.5

/* Seconds after which whoever looks on is told of it again. */
#define TICK 1.0

struct recall {
    struct job job; /* first: the workers hand this back */
    struct session *session;
    struct resource *r;
    struct strbuf what;
    bool done;
    bool uncertain; /* it has failed, and AWS may do it all the same */
    struct err err;
    bool settled;             /* a look has told what came of it: */
    enum readiness readiness; /* READY or FAILED */
    struct strbuf why;        /* what the last look told, where it is not ready */
    char *waited_for;         /* what the run has waited for, which is the resource's again after */
};

static void recall_work(struct job *job)
{
    struct recall *recall = (struct recall *)job;
    struct resource *r = recall->r;
    aws_call_subject(r->address);
    r->type->take_back(recall->session, r, &recall->what, &recall->done, &recall->err);
    recall->uncertain = aws_call_is_uncertain();
    aws_call_subject(NULL);
}

static void wait_for(struct recall *recall, const char *why)
{
    free(recall->r->waiting_for);
    recall->r->waiting_for = xstrdup(why);
}

static void recall_done(struct job *job)
{
    struct recall *recall = (struct recall *)job;
    recall->r->recalling = recall->done;
    wait_for(recall, recall->what.buf);
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

/* What was asked for, and what of it has been seen. */
static void tell_done(const struct recall *recall, struct taken_back *ret)
{
    const struct resource *r = recall->r;
    bool ready = recall->settled && recall->readiness == READY;
    const char *seen = recall->settled ? "and has failed" : "and has not got there yet";
    ret->done++;
    ret->unready += !ready;
    if (ready)
        strlist_addf(&ret->lines, "%s '%s' is taken back: %s", r->type->singular, r->label,
                     recall->what.buf);
    else
        strlist_addf(&ret->lines, "%s '%s' is taken back: %s, %s: %s", r->type->singular, r->label,
                     recall->what.buf, seen, recall->why.len > 0 ? recall->why.buf : "not seen");
}

static void tell(const struct recall *recall, struct taken_back *ret)
{
    const struct resource *r = recall->r;
    const char *singular = r->type->singular;
    if (recall->err.class != ERR_NONE && recall->uncertain) {
        ret->unknown++;
        strlist_addf(&ret->lines, "whether %s '%s' is taken back is not known: %s", singular,
                     recall->r->label, recall->err.message);
    } else if (recall->err.class != ERR_NONE) {
        ret->failed++;
        strlist_addf(&ret->lines, "%s '%s' could not be taken back: %s", singular, r->label,
                     recall->err.message);
    } else if (recall->done) {
        tell_done(recall, ret);
    } else if (recall->what.len > 0) {
        ret->left++;
        strlist_addf(&ret->lines, "%s '%s' is left: %s", singular, r->label, recall->what.buf);
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

static void judge(struct recall *recall)
{
    const struct resource *r = recall->r;
    strbuf_reset(&recall->why);
    if (r->have != NULL) {
        recall->readiness = resource_judge(r, &recall->why);
    } else if (json_bool(r->memo, RESOURCE_REMOVING, false)) {
        recall->readiness = READY;
    } else {
        recall->readiness = WAITING;
        strbuf_adds(&recall->why, "not visible");
    }
    recall->settled = recall->readiness != WAITING;
    recall->r->recalling = !recall->settled;
    if (!recall->settled)
        wait_for(recall, recall->why.buf);
}

/* Looks at those of one type that are not settled, in batches. What cannot be seen now may be at
 * the next look. */
static void look_at_type(struct session *s, const struct resource_type *type,
                         struct recall *recalls, size_t n)
{
    _cleanup_free_ struct recall **open = xcalloc(n + 1, sizeof(*open));
    _cleanup_free_ struct resource **v = xcalloc(n + 1, sizeof(*v));
    size_t n_open = 0, batch = type->batch ? type->batch : SIZE_MAX;
    for (size_t i = 0; i < n; i++) {
        if (recalls[i].r->type != type || !recalls[i].done || recalls[i].settled)
            continue;
        open[n_open] = &recalls[i];
        v[n_open++] = recalls[i].r;
    }
    for (size_t i = 0; i < n_open; i += batch) {
        _cleanup_err_ struct err err = ERR_INIT;
        size_t share = n_open - i < batch ? n_open - i : batch;
        if (type->observe(s, v + i, share, &err) < 0)
            continue;
        for (size_t j = i; j < i + share; j++)
            judge(open[j]);
    }
}

static bool is_open(const struct recall *recalls, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (recalls[i].done && !recalls[i].settled)
            return true;
    return false;
}

struct onlooker {
    const struct engine_options *options;
    const struct graph *g;
};

static void tell_onlooker(void *context)
{
    const struct onlooker *onlooker = context;
    const struct engine_options *o = onlooker->options;
    if (o->on_progress != NULL)
        o->on_progress(o->on_progress_context, onlooker->g, NULL);
}

/* As cancel_sleep(). */
static int sleep_telling(struct cancel *cancel, double seconds, struct onlooker *onlooker)
{
    int status = 0;
    for (; seconds > 0 && status == 0; seconds -= TICK) {
        tell_onlooker(onlooker);
        status = cancel_sleep(cancel, seconds < TICK ? seconds : TICK);
    }
    return status;
}

/* On the caller's thread, which has nothing else to do. */
static void await_all(struct session *s, const struct graph *g, const struct engine_options *o,
                      struct recall *recalls, size_t n, double until)
{
    struct onlooker onlooker = { o, g };
    const struct resource_type **types = NULL;
    size_t n_types = engine_types(g, &types);
    double pause = o->poll_first > 0 ? o->poll_first : 2, longest = o->poll_max;
    while (is_open(recalls, n) && clock_now() + pause < until &&
           sleep_telling(session_cancel(s), pause, &onlooker) == 0) {
        for (size_t i = 0; i < n_types; i++)
            if (types[i]->take_back != NULL)
                look_at_type(s, types[i], recalls, n);
        pause = longest > 0 && pause * PAUSE_GROWTH > longest ? longest : pause * PAUSE_GROWTH;
    }
    free(types);
}

static size_t recalls_make(struct session *s, struct graph *g, struct recall *ret)
{
    size_t n = 0;
    for (size_t i = 0; i < g->n; i++) {
        if (g->v[i]->type->take_back == NULL || g->v[i]->want == NULL)
            continue;
        ret[n] = (struct recall){
            .job = { .work = recall_work, .done = recall_done },
            .session = s,
            .r = g->v[i],
            .err = ERR_INIT,
        };
        ret[n].waited_for = steal_ptr(&g->v[i]->waiting_for);
        g->v[i]->recalling = true;
        wait_for(&ret[n], "AWS is asked to take it back");
        strbuf_init(&ret[n].why);
        strbuf_init(&ret[n++].what);
    }
    return n;
}

/* And the resource is as the run has left it. */
static void recall_release(struct recall *recall)
{
    recall->r->recalling = false;
    free(recall->r->waiting_for);
    recall->r->waiting_for = recall->waited_for;
    strbuf_release(&recall->what);
    strbuf_release(&recall->why);
    err_release(&recall->err);
}

/* With a session that outlives the cancel. */
static void take_back_all(struct session *s, struct graph *g, const struct engine_options *o,
                          struct recall *recalls, size_t n, double until, struct err *err)
{
    for (size_t i = 0; g->drivers[i] != NULL; i++)
        if (g->drivers[i]->recall != NULL)
            g->drivers[i]->recall(s, g, until);
    struct onlooker onlooker = { o, g };
    workers_run(recalls, n, sizeof(*recalls), engine_workers(o), tell_onlooker, &onlooker, err);
    for (size_t i = 0; g->drivers[i] != NULL; i++)
        if (g->drivers[i]->recalled != NULL)
            g->drivers[i]->recalled(s, g);
    await_all(s, g, o, recalls, n, until);
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
    take_back_all(s, g, o, recalls, n, until, &err);
    session_limit(s, 0);
    session_outlive(s, cancel);
    cancel_release(&never);
    if (err.class != ERR_NONE)
        strlist_addf(&ret->lines, "nothing is taken back: %s", err.message);
    for (size_t i = 0; i < n; i++) {
        tell(&recalls[i], ret);
        if (recalls[i].err.class == ERR_NONE && (recalls[i].done || recalls[i].what.len > 0))
            json_put_bool(recalls[i].r->memo, RESOURCE_RECALLED, true);
        recall_release(&recalls[i]);
    }
    tell_removed(g, ret);
}
