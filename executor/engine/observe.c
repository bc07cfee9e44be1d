/* SPDX-License-Identifier: MIT */
/*
 * Reads what is there. Each type is a small state machine on the loop's thread: once the types it
 * comes after are read, one discover(), then observe() for what that left, in chunks in parallel.
 */
#include "executor/engine/internal.h"
#include "executor/engine/workers.h"

struct observation;

/* A call to discover() (no resources) or to observe() for some resources of one type. */
struct chunk {
    struct job job; /* first: the workers hand this back */
    struct reading *reading;
    struct resource **v;
    size_t n;
    struct err err;
};

/* A type that is being read. */
struct reading {
    struct observation *o;
    const struct resource_type *type;
    struct reading **then; /* those that come after it */
    size_t n_then;
    unsigned blocked;   /* how many it waits for */
    unsigned height;    /* how many rounds of calls come after it, one after the other */
    unsigned under_way; /* chunks */
    struct err err;     /* the first error */
};

struct observation {
    struct session *session;
    struct graph *g;
    struct workers workers;
    struct reading *readings; /* in the drivers' order */
    size_t n;
    bool cancelled;
};

static void on_cancel(void *context)
{
    struct observation *o = context;
    o->cancelled = true;
}

static void chunk_work(struct job *job)
{
    struct chunk *c = (struct chunk *)job;
    const struct resource_type *type = c->reading->type;
    struct observation *o = c->reading->o;
    int status = c->v == NULL ? type->discover(o->session, o->g, &c->err)
                              : type->observe(o->session, c->v, c->n, &c->err);
    if (status == 0)
        for (size_t i = 0; i < c->n; i++)
            c->v[i]->observed = true;
}

static void chunk_done(struct job *job);

/* What is discovered is observed then: a round more is to come. */
static void submit_chunk(struct reading *reading, struct resource **v, size_t n)
{
    struct chunk *c = xcalloc(1, sizeof(*c));
    unsigned rank = reading->height + (v == NULL);
    c->job = (struct job){ .work = chunk_work, .done = chunk_done, .rank = rank };
    c->reading = reading;
    c->v = v;
    c->n = n;
    reading->under_way++;
    workers_submit(&reading->o->workers, &c->job);
}

/* Observes what nobody has looked at yet. */
static void submit_unobserved(struct reading *reading)
{
    struct graph *g = reading->o->g;
    size_t batch = reading->type->batch ? reading->type->batch : SIZE_MAX;
    struct resource **v = NULL;
    size_t n = 0;
    for (size_t i = 0; i < g->n; i++) {
        struct resource *r = g->v[i];
        if (r->type != reading->type || r->observed)
            continue;
        v = xrealloc_array(v, n + 1, sizeof(*v));
        v[n++] = r;
        if (n == batch) {
            submit_chunk(reading, v, n);
            v = NULL;
            n = 0;
        }
    }
    if (n > 0)
        submit_chunk(reading, v, n);
}

static void start(struct reading *reading);

static void finish_if_done(struct reading *reading)
{
    if (reading->under_way > 0 || reading->err.class != ERR_NONE)
        return;
    for (size_t i = 0; i < reading->n_then; i++)
        if (--reading->then[i]->blocked == 0)
            start(reading->then[i]);
}

static void start(struct reading *reading)
{
    if (reading->o->cancelled)
        return;
    if (reading->type->discover != NULL)
        submit_chunk(reading, NULL, 0);
    else
        submit_unobserved(reading);
    finish_if_done(reading);
}

static void chunk_done(struct job *job)
{
    struct chunk *c = (struct chunk *)job;
    struct reading *reading = c->reading;
    bool discovered = c->v == NULL;
    reading->under_way--;
    if (c->err.class != ERR_NONE && reading->err.class == ERR_NONE)
        err_move(&reading->err, &c->err);
    err_release(&c->err);
    free(c->v);
    free(c);
    if (discovered && reading->err.class == ERR_NONE && !reading->o->cancelled)
        submit_unobserved(reading);
    finish_if_done(reading);
}

static struct reading *reading_named(struct observation *o, const char *name)
{
    for (size_t i = 0; i < o->n; i++)
        if (str_eq(o->readings[i].type->name, name))
            return &o->readings[i];
    return NULL;
}

static void block(struct reading *reading, struct reading *first)
{
    first->then = xrealloc_array(first->then, first->n_then + 1, sizeof(*first->then));
    first->then[first->n_then++] = reading;
    reading->blocked++;
}

static unsigned rounds_of(const struct resource_type *type)
{
    return type->discover != NULL ? 2 : 1;
}

/* What most others wait for, one after the other, is read first: it decides when all is read. As
 * many passes as there are types reach every type; a circle, which is found later, has no height.
 */
static void measure_heights(struct observation *o)
{
    bool changed = true;
    for (size_t pass = 0; changed && pass < o->n; pass++) {
        changed = false;
        for (size_t i = 0; i < o->n; i++) {
            struct reading *reading = &o->readings[i];
            for (size_t j = 0; j < reading->n_then; j++) {
                const struct reading *then = reading->then[j];
                unsigned height = then->height + rounds_of(then->type);
                if (reading->height >= height)
                    continue;
                reading->height = height;
                changed = true;
            }
        }
    }
}

static void prepare(struct observation *o)
{
    const struct resource_type **types = NULL;
    o->n = engine_types(o->g, &types);
    o->readings = xcalloc(o->n + 1, sizeof(*o->readings));
    for (size_t i = 0; i < o->n; i++) {
        o->readings[i].o = o;
        o->readings[i].type = types[i];
    }
    free(types);
    for (size_t i = 0; i < o->n; i++) {
        const char *const *after = o->readings[i].type->after;
        for (; after != NULL && *after != NULL; after++) {
            struct reading *first = reading_named(o, *after);
            if (first != NULL)
                block(&o->readings[i], first);
        }
    }
    measure_heights(o);
}

static void release(struct observation *o)
{
    for (size_t i = 0; i < o->n; i++) {
        free(o->readings[i].then);
        err_release(&o->readings[i].err);
    }
    free(o->readings);
}

/* The first error decides; the others are said behind it. Being cancelled comes before all. */
static int collect_errors(struct observation *o, struct err *err)
{
    if (o->cancelled)
        return err_set(err, ERR_CANCELLED,
                       "cancelled while reading what is there; nothing changed");
    _cleanup_err_ struct err all = ERR_INIT;
    for (size_t i = 0; i < o->n; i++) {
        const struct reading *reading = &o->readings[i];
        if (reading->err.class == ERR_NONE)
            continue;
        if (all.class == ERR_NONE) {
            err_copy(&all, &reading->err);
            err_wrap(&all, "cannot read %s", reading->type->plural);
        } else {
            _cleanup_free_ char *message = steal_ptr(&all.message);
            all.message = xasprintf("%s\ncannot read %s: %s", message, reading->type->plural,
                                    reading->err.message);
        }
    }
    if (all.class != ERR_NONE)
        return err_move(err, &all);
    for (size_t i = 0; i < o->n; i++)
        if (o->readings[i].blocked > 0)
            return err_set(err, ERR_BUG, "types wait for each other to be read: '%s' never was",
                           o->readings[i].type->name);
    return 0;
}

static bool is_kept(const struct resource *r)
{
    if (r->want != NULL || r->type->scope == SCOPE_LOOKUP)
        return true;
    if (r->have == NULL || resource_scope(r) != SCOPE_ENVIRONMENT)
        return false;
    return r->type->scope == SCOPE_CHILD || resource_is_ours(r);
}

/* Another environment's name may begin as ours does: what it made is told by the tag. */
static bool is_of_another(const struct resource *r)
{
    const char *environment = json_str(r->tags, "Environment");
    return environment != NULL && !str_eq(environment, r->graph->context.environment) &&
           str_starts(r->name, environment);
}

/* In a teardown: what somebody might take for left behind. */
static void say_foreign(struct graph *g)
{
    for (size_t i = 0; i < g->n; i++) {
        const struct resource *r = g->v[i];
        if (r->have == NULL || r->type->scope != SCOPE_ENVIRONMENT || resource_is_ours(r) ||
            is_of_another(r))
            continue;
        _cleanup_strbuf_ struct strbuf foreign = STRBUF_INIT;
        conflict_describe(r, &foreign);
        g->n_foreign++;
        graph_warn(g, "not this environment's, and left alone: %s", foreign.buf);
    }
}

static int check_ownership(struct graph *g, struct err *err)
{
    _cleanup_strbuf_ struct strbuf foreign = STRBUF_INIT;
    for (size_t i = 0; i < g->n; i++) {
        const struct resource *r = g->v[i];
        if (r->want != NULL && r->have != NULL && r->type->scope == SCOPE_ENVIRONMENT &&
            !resource_is_ours(r))
            conflict_describe(r, &foreign);
    }
    return foreign.len > 0 ? conflict_error(g, foreign.buf, err) : 0;
}

static int observe_all(struct observation *o, struct err *err)
{
    prepare(o);
    _cleanup_free_ bool *first = xcalloc(o->n + 1, sizeof(bool));
    for (size_t i = 0; i < o->n; i++)
        first[i] = o->readings[i].blocked == 0;
    for (size_t i = 0; i < o->n; i++)
        if (first[i])
            start(&o->readings[i]);
    uv_run(o->workers.loop, UV_RUN_DEFAULT);
    int status = collect_errors(o, err);
    release(o);
    if (status < 0)
        return -1;
    if (o->g->context.teardown)
        say_foreign(o->g);
    graph_keep(o->g, is_kept);
    return check_ownership(o->g, err);
}

int engine_observe(struct session *s, struct graph *g, const struct engine_options *o,
                   struct err *err)
{
    struct observation observation = { .session = s, .g = g };
    uv_loop_t loop;
    int status = uv_loop_init(&loop);
    if (status != 0)
        return err_set(err, ERR_HOST, "cannot make an event loop: %s", uv_strerror(status));
    status = workers_init(&observation.workers, &loop, engine_workers(o), o->cancel, on_cancel,
                          &observation, err);
    if (status == 0) {
        observation.cancelled = o->cancel != NULL && cancel_is_set(o->cancel);
        status = observe_all(&observation, err);
        workers_release(&observation.workers);
    }
    loop_finish(&loop);
    return status;
}
