/* SPDX-License-Identifier: MIT */
/*
 * Goes through the phases of a run: the drivers' begin() hooks; what is created, updated or
 * awaited, each when all it needs is there; removals, if all that went well; a last look.
 * apply_advance() is called whenever something has ended and does what can be done next.
 */
#include "executor/engine/apply.h"

void step_progress(struct step *step, enum progress progress)
{
    const struct engine_options *o = step->apply->o;
    step->r->progress = progress;
    if (o->on_progress != NULL)
        o->on_progress(o->on_progress_context, step->apply->g, step->r);
}

void step_finish(struct step *step)
{
    struct resource *r = step->r;
    if (step->verifying) {
        r->progress = PROGRESS_DONE; /* as has been said already */
        return;
    }
    free(steal_ptr(&r->waiting_for));
    bool is_replaced = step->task == TASK_REMOVE || step->task == TASK_CONFIRM;
    if (step->task == TASK_LET_GO || (is_replaced && r->want != NULL)) {
        replace_task_ended(step);
        return;
    }
    r->ended = clock_now();
    step_progress(step, PROGRESS_DONE);
}

void step_fail(struct step *step, struct err *err)
{
    struct apply *a = step->apply;
    err_move(&step->r->error, err);
    step->retry = false;
    step->r->ended = clock_now();
    a->failed = true;
    if (a->first.class == ERR_NONE && step->r->error.class != ERR_CANCELLED)
        err_copy(&a->first, &step->r->error);
    step_progress(step, PROGRESS_FAILED);
}

void step_skip(struct step *step, enum err_class class, const char *why)
{
    const struct resource *r = step->r;
    if (r->action == ACTION_REPLACE && step->changed && r->have == NULL)
        why = "the old one is removed, and the new one not created yet; run the job again";
    else if (step->has_let_go)
        why = "it has let go of what is replaced, and is not back yet; run the job again";
    err_set(&step->r->error, class, "%s", why);
    step->apply->failed = true;
    step_progress(step, PROGRESS_SKIPPED);
}

struct look *look_of(struct apply *a, const struct resource_type *type)
{
    size_t i = 0;
    while (a->looks[i].type != type)
        i++;
    return &a->looks[i];
}

struct step *step_of(struct apply *a, const struct resource *r)
{
    return &a->steps[r->index];
}

bool apply_is_cancelled(const struct apply *a)
{
    return a->cancelled || (a->o->cancel != NULL && cancel_is_set(a->o->cancel));
}

bool step_is_open(const struct step *step)
{
    return step->r->progress == PROGRESS_PENDING || step->r->progress == PROGRESS_RUNNING ||
           step->r->progress == PROGRESS_SETTLING;
}

bool step_has_failed(const struct step *step)
{
    return step->r->progress == PROGRESS_FAILED || step->r->progress == PROGRESS_SKIPPED;
}

void step_begin(struct step *step, enum task task)
{
    double now = clock_now();
    step->task = task;
    if (step->r->started <= 0)
        step->r->started = now;
    step->deadline = now + resource_deadline(step->r, task == TASK_REMOVE);
}

/* Whether everything that r needs is there; if something failed, *ret_failed is that. */
static bool needs_are_met(struct apply *a, const struct resource *r,
                          const struct resource **ret_failed)
{
    bool met = true;
    for (size_t i = 0; i < r->n_needs; i++) {
        const struct resource *other = r->needs[i].resource;
        if (step_has_failed(step_of(a, other))) {
            *ret_failed = other;
            return false;
        }
        /* While it is being looked at, `have` and the outputs are the worker's. */
        bool exists = other->progress == PROGRESS_SETTLING && !step_of(a, other)->with_worker &&
                      step_of(a, other)->task == TASK_BRING && other->have != NULL;
        if (other->progress != PROGRESS_DONE && !(r->needs[i].kind == NEED_EXISTS && exists))
            met = false;
    }
    return met;
}

void step_skip_since(struct step *step, const char *what, const struct resource *other)
{
    _cleanup_free_ char *why =
        xasprintf("%s %s '%s', which %s", what, other->type->singular, other->name,
                  other->progress == PROGRESS_FAILED ? "failed" : "was not tried");
    step_skip(step, other->error.class, why);
}

/* Names the first reference that is still there though all that r needs is. */
static const char *unresolved(const cJSON *value)
{
    if (ref_is(value))
        return cJSON_GetStringValue(value->child);
    const cJSON *item;
    cJSON_ArrayForEach (item, value) {
        const char *found = unresolved(item);
        if (found != NULL)
            return found;
    }
    return NULL;
}

static void fail_unresolved(struct step *step)
{
    struct resource *r = step->r;
    _cleanup_err_ struct err err = ERR_INIT;
    err_set(&err, ERR_USER, "%s: '%s' has no value: there is no such output; correct its name",
            resource_origin(r), unresolved(r->target));
    step_fail(step, &err);
}

/* Nothing to write, but it may have to be awaited. */
static void start_wait(struct step *step)
{
    step_begin(step, TASK_BRING);
    step_judge(step);
    step_settle(step);
}

/* What was unknown is known now: there may be nothing to do after all. */
static void start_change(struct step *step)
{
    struct resource *r = step->r;
    const struct resource *failed = NULL;
    bool known;
    cJSON_Delete(r->target);
    r->target = ref_resolve(r->graph, r->want, &known);
    if (!known) {
        fail_unresolved(step);
    } else if (r->have != NULL && !resource_compare(r)) {
        start_wait(step);
    } else if (r->action == ACTION_REPLACE && r->have != NULL && resource_immutable_change(r)) {
        replace_advance(step, &failed);
    } else {
        step_begin(step, TASK_BRING);
        step_progress(step, PROGRESS_RUNNING);
        step_submit(step);
    }
    if (failed != NULL)
        step_skip_since(step, "not replaced: in the way is", failed);
}

/* Starts what can start, in an order in which needs come first; returns how much is open. */
static size_t build(struct apply *a)
{
    size_t open = 0;
    for (size_t i = 0; i < a->g->n_order; i++) {
        struct resource *r = a->g->order[i];
        struct step *step = step_of(a, r);
        const struct resource *failed = NULL;
        if (r->progress == PROGRESS_PENDING && r->wait)
            start_wait(step);
        else if (r->progress == PROGRESS_PENDING && needs_are_met(a, r, &failed) &&
                 workers_free(&a->workers) > 0)
            start_change(step);
        else if (failed != NULL)
            step_skip_since(step, "needs", failed);
        open += step_is_open(step);
    }
    return open;
}

static void skip_all(struct apply *a, enum action action, enum err_class class, const char *why)
{
    for (size_t i = 0; i < a->n; i++) {
        struct resource *r = a->g->v[i];
        if (r->progress == PROGRESS_PENDING && (action == ACTION_NONE || r->action == action))
            step_skip(step_of(a, r), class, why);
    }
}

static bool has_written(const struct apply *a)
{
    for (size_t i = 0; i < a->n; i++)
        if (a->steps[i].changed)
            return true;
    return false;
}

/* Looks once more at what this run has changed, awaited or taken over from another that made it
 * first: it must be what runs in the end, too. A run that has written anything looks also at what
 * it has left as it was: its verdict is about all that it may act on, and what it has written may
 * have been what something else cannot do without. */
static void start_verify(struct apply *a)
{
    bool wrote = has_written(a);
    for (size_t i = 0; i < a->g->n_order; i++) {
        struct resource *r = a->g->order[i];
        struct step *step = step_of(a, r);
        bool relied_on = r->want != NULL && (r->action != ACTION_NONE || (wrote && r->selected));
        bool concerned = step->changed || r->wait || relied_on;
        if (!concerned || !(r->type->flags & TYPE_VERIFY_LAST))
            continue;
        step->deadline = clock_now() + resource_deadline(r, false);
        step->verifying = true;
        step->seen = r->have != NULL;
        r->progress = PROGRESS_SETTLING;
    }
    for (size_t i = 0; i < a->n_looks; i++)
        if (a->looks[i].type->flags & TYPE_VERIFY_LAST)
            look_now(&a->looks[i]);
}

static size_t count_open(const struct apply *a)
{
    size_t open = 0;
    for (size_t i = 0; i < a->n; i++)
        open += step_is_open(&a->steps[i]);
    return open;
}

static void end_build(struct apply *a)
{
    enum err_class cause = a->first.class != ERR_NONE ? a->first.class : ERR_CANCELLED;
    if (a->failed)
        skip_all(a, ACTION_REMOVE, cause, "something failed, and then nothing is removed");
    else
        removal_begin(a);
    a->phase = a->failed ? PHASE_END : PHASE_WIND_DOWN;
}

void apply_advance(struct apply *a)
{
    if (apply_is_cancelled(a))
        return; /* on_cancel() follows */
    if (a->phase == PHASE_BUILD && build(a) == 0)
        end_build(a);
    if (a->phase == PHASE_WIND_DOWN && removal_wind_down(a) == 0)
        a->phase = PHASE_REMOVE;
    if (a->phase == PHASE_REMOVE && removal_advance(a) == 0) {
        a->phase = a->failed ? PHASE_END : PHASE_VERIFY;
        if (a->phase == PHASE_VERIFY)
            start_verify(a);
    }
    if (a->phase == PHASE_VERIFY && count_open(a) == 0)
        a->phase = PHASE_END;
    if (a->phase == PHASE_END && !uv_is_closing((uv_handle_t *)&a->tick))
        uv_close((uv_handle_t *)&a->tick, NULL);
}

static void begin_work(struct job *job)
{
    struct apply *a = (struct apply *)((char *)job - offsetof(struct apply, begin));
    for (size_t i = 0; a->g->drivers[i] != NULL; i++) {
        const struct driver *driver = a->g->drivers[i];
        if (driver->begin != NULL && driver->begin(a->session, a->g, &a->begin_err) < 0) {
            err_wrap(&a->begin_err, "cannot begin with %s", driver->name);
            return;
        }
    }
}

static void begin_done(struct job *job)
{
    struct apply *a = (struct apply *)((char *)job - offsetof(struct apply, begin));
    a->phase = PHASE_BUILD;
    if (a->begin_err.class != ERR_NONE) {
        err_move(&a->first, &a->begin_err);
        a->failed = true;
        skip_all(a, ACTION_NONE, a->first.class, "the run could not begin");
    }
    apply_advance(a);
}

/* Starts nothing more. What workers have under way ends, and is not awaited beyond that. */
static void on_cancel(void *context)
{
    struct apply *a = context;
    a->cancelled = true;
    for (size_t i = 0; i < a->n_looks; i++)
        uv_timer_stop(&a->looks[i].timer);
    skip_all(a, ACTION_NONE, ERR_CANCELLED, "the job was cancelled");
    for (size_t i = 0; i < a->n; i++) {
        struct step *step = step_of(a, a->g->v[i]);
        if (step_is_open(step) && !step->with_worker)
            step_cancel(step);
    }
}

static void on_tick(uv_timer_t *timer)
{
    const struct apply *a = timer->data;
    if (a->o->on_progress != NULL)
        a->o->on_progress(a->o->on_progress_context, a->g, NULL);
}

/* Sets every resource to where it starts from; returns whether the drivers are to begin. */
static bool prepare(struct apply *a)
{
    struct graph *g = a->g;
    bool begins = false;
    replace_split(g);
    a->n = g->n;
    a->steps = xcalloc(a->n + 1, sizeof(*a->steps));
    for (size_t i = 0; i < a->n; i++) {
        struct resource *r = g->v[i];
        a->steps[i] = (struct step){ .apply = a, .r = r };
        strbuf_init(&a->steps[i].outcome.why);
        bool idle = r->action == ACTION_NONE && !r->wait;
        r->progress = idle ? PROGRESS_DONE : PROGRESS_PENDING;
        begins = begins || (!idle && !g->context.teardown);
    }
    const struct resource_type **types = NULL;
    a->n_looks = engine_types(g, &types);
    a->looks = xcalloc(a->n_looks + 1, sizeof(*a->looks));
    for (size_t i = 0; i < a->n_looks; i++)
        look_init(&a->looks[i], a, types[i]);
    free(types);
    uv_timer_init(a->workers.loop, &a->tick);
    a->tick.data = a;
    uv_timer_start(&a->tick, on_tick, 1000, 1000);
    uv_unref((uv_handle_t *)&a->tick);
    return begins;
}

static void release(struct apply *a)
{
    for (size_t i = 0; i < a->n_looks; i++)
        uv_close((uv_handle_t *)&a->looks[i].timer, NULL);
    if (!uv_is_closing((uv_handle_t *)&a->tick))
        uv_close((uv_handle_t *)&a->tick, NULL);
    workers_release(&a->workers);
    for (size_t i = 0; i < a->n; i++) {
        err_release(&a->steps[i].outcome.err);
        strbuf_release(&a->steps[i].outcome.why);
    }
    free(a->steps);
    free(a->looks);
    free(a->before);
    free(a->with_parent);
    err_release(&a->first);
    err_release(&a->begin_err);
}

static int verdict(struct apply *a, struct err *err)
{
    if (a->first.class != ERR_NONE)
        return err_move(err, &a->first);
    if (a->cancelled || a->failed) {
        size_t done = 0, all = 0;
        for (size_t i = 0; i < a->n; i++) {
            const struct resource *r = a->g->v[i];
            all += r->action != ACTION_NONE || r->wait;
            done += r->started > 0 && r->progress == PROGRESS_DONE;
        }
        return err_set(err, ERR_CANCELLED,
                       "cancelled: %zu of %zu done; run the job again to go on from there", done,
                       all);
    }
    if (count_open(a) > 0)
        return err_set(err, ERR_BUG, "nothing can start any more, and %zu resources are not done",
                       count_open(a));
    return 0;
}

static void run(struct apply *a)
{
    bool begins = prepare(a);
    if (apply_is_cancelled(a)) {
        /* Nothing to do but what follows. */
    } else if (begins) {
        a->begin = (struct job){ .work = begin_work, .done = begin_done };
        workers_submit(&a->workers, &a->begin);
    } else {
        a->phase = PHASE_BUILD;
        apply_advance(a);
    }
    uv_run(a->workers.loop, UV_RUN_DEFAULT);
    /* Set so late, or so early, that the loop had no reason to turn once more. */
    if (apply_is_cancelled(a) && !a->cancelled && count_open(a) > 0)
        on_cancel(a);
    a->workers.cancelled = true;
}

int engine_apply(struct session *s, struct graph *g, const struct engine_options *o,
                 struct err *err)
{
    struct apply a = { .session = s, .g = g, .o = o };
    uv_loop_t loop;
    int status = uv_loop_init(&loop);
    if (status != 0)
        return err_set(err, ERR_HOST, "cannot make an event loop: %s", uv_strerror(status));
    status = workers_init(&a.workers, &loop, engine_workers(o), o->cancel, on_cancel, &a, err);
    if (status == 0) {
        run(&a);
        status = verdict(&a, err);
        release(&a);
    }
    loop_finish(&loop);
    return status;
}
