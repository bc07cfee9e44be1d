/* SPDX-License-Identifier: MIT */
/*
 * What is to go is read once more before it does: removals come last, minutes after the plan. The
 * lock keeps jobs of this host away, and nobody else: a person may have removed or tagged it, an
 * environment of another host may have taken its name, a newer pipeline may want it. All that go of
 * one type are read together when it is their turn, and before they are wound down.
 */
#include "executor/engine/apply.h"

/* Whether a newer run has begun is asked before each look. */
struct question {
    struct job job; /* first: the workers hand this back */
    struct apply *apply;
    const struct resource_type *type;
    char *newer; /* NULL: none has */
    struct err err;
};

static bool concerns(const struct step *step, const struct resource_type *type)
{
    return step->r->action == ACTION_REMOVE && step->r->type == type;
}

/* Drivers do not ask twice for tags that are known. */
static cJSON *tags_forget(struct resource *r)
{
    return steal_ptr(&r->tags);
}

/* A look that tells nothing of tags, as of what is still being made, has not changed them. */
static void tags_recall(struct resource *r, cJSON *tags)
{
    if (r->tags == NULL)
        r->tags = tags;
    else
        cJSON_Delete(tags);
}

static bool is_foreign(const struct resource *r)
{
    return r->have != NULL && r->type->scope == SCOPE_ENVIRONMENT && !resource_is_ours(r);
}

static void say_foreign(const struct resource *r)
{
    _cleanup_strbuf_ struct strbuf foreign = STRBUF_INIT;
    conflict_describe(r, &foreign);
    graph_warn(r->graph, "not this environment's, and left alone: %s", foreign.buf);
}

int confirm_one(struct step *step)
{
    struct resource *r = step->r;
    struct err *err = &step->outcome.err;
    /* A child that is wanted is looked for where it will be, and whose it is its parent tells:
     * where that is replaced, too, replace.c has read it first. */
    if (r->type->scope == SCOPE_CHILD && r->want != NULL)
        return 0;
    cJSON *tags = tags_forget(r);
    int status = r->type->observe(step->apply->session, &r, 1, err);
    tags_recall(r, tags);
    if (status < 0 || !is_foreign(r))
        return status;
    if (r->want != NULL) {
        _cleanup_strbuf_ struct strbuf foreign = STRBUF_INIT;
        conflict_describe(r, &foreign);
        return conflict_error(r->graph, foreign.buf, err);
    }
    say_foreign(r);
    r->instead = REMOVAL_LEFT;
    return 0;
}

void confirm_spare(struct step *step, const char *instead)
{
    step_begin(step, TASK_REMOVE);
    step->wound_down = true;
    step->r->instead = instead;
    step_finish(step);
}

void confirm_seen(struct step *step)
{
    struct resource *r = step->r;
    struct err *err = &step->outcome.err;
    step->confirming = false;
    tags_recall(r, steal_ptr(&step->tags));
    if (step->apply->cancelled) {
        step_skip(step, ERR_CANCELLED, "the job was cancelled");
    } else if (err->class != ERR_NONE) {
        err_wrap(err, "cannot look at %s '%s' before its removal", r->type->singular, r->name);
        step_fail(step, err);
    } else if (r->have == NULL) {
        confirm_spare(step, r->unseen ? REMOVAL_LEFT : REMOVAL_GONE);
    } else if (is_foreign(r)) {
        say_foreign(r);
        confirm_spare(step, REMOVAL_LEFT);
    } else {
        step->confirmed = true;
        r->progress = PROGRESS_PENDING;
    }
}

static void begin_to_look(struct apply *a, const struct resource_type *type)
{
    for (size_t i = 0; i < a->n; i++) {
        struct step *step = &a->steps[i];
        if (!step->confirming || !concerns(step, type))
            continue;
        step->confirming = step->r->progress == PROGRESS_PENDING;
        if (!step->confirming)
            continue; /* something that had to go first has failed meanwhile */
        step_begin(step, TASK_CONFIRM);
        step->tags = tags_forget(step->r);
        step->r->progress = PROGRESS_SETTLING;
    }
    look_now(look_of(a, type));
}

static void question_work(struct job *job)
{
    struct question *q = (struct question *)job;
    const struct graph *g = q->apply->g;
    for (size_t i = 0; g->drivers[i] != NULL && q->newer == NULL; i++) {
        const struct driver *driver = g->drivers[i];
        if (driver->overtaken != NULL &&
            driver->overtaken(q->apply->session, g, &q->newer, &q->err) < 0) {
            err_wrap(&q->err, "cannot tell whether a newer pipeline has begun to deploy");
            return;
        }
    }
}

/* It is not removed: a newer run decides, or nobody knows. */
static void answer(struct question *q)
{
    struct apply *a = q->apply;
    _cleanup_strbuf_ struct strbuf names = STRBUF_INIT;
    for (size_t i = 0; i < a->n; i++) {
        struct step *step = &a->steps[i];
        if (!step->confirming || !concerns(step, q->type))
            continue;
        step->confirming = false;
        if (step->r->progress != PROGRESS_PENDING)
            continue; /* the run was cancelled meanwhile */
        if (q->newer == NULL) {
            _cleanup_err_ struct err err = ERR_INIT;
            err_copy(&err, &q->err);
            step_fail(step, &err);
            continue;
        }
        strbuf_addf(&names, "%s'%s'", names.len > 0 ? ", " : "", step->r->name);
        confirm_spare(step, REMOVAL_LEFT);
    }
    if (names.len > 0)
        graph_warn(a->g,
                   "%s, which is newer than this one, has begun to deploy: not removed, for that "
                   "one to decide: %s %s",
                   q->newer, q->type->singular, names.buf);
}

static void question_done(struct job *job)
{
    struct question *q = (struct question *)job;
    if (q->newer == NULL && q->err.class == ERR_NONE && !q->apply->cancelled)
        begin_to_look(q->apply, q->type);
    else
        answer(q);
    apply_advance(q->apply);
    err_release(&q->err);
    free(q->newer);
    free(q);
}

/* Whoever has a whole environment removed means what newer pipelines have made of it, too. */
static void begin(struct apply *a, const struct resource_type *type)
{
    if (a->g->context.teardown) {
        begin_to_look(a, type);
        return;
    }
    struct question *q = xcalloc(1, sizeof(*q));
    q->job = (struct job){ .work = question_work, .done = question_done };
    q->apply = a;
    q->type = type;
    workers_submit(&a->workers, &q->job);
}

bool confirm_type(struct apply *a, const struct resource_type *type)
{
    bool is_new = false, goes_on = false;
    for (size_t i = 0; i < a->n; i++) {
        struct step *step = &a->steps[i];
        if (!concerns(step, type))
            continue;
        goes_on = goes_on || step->confirming;
        if (step->confirming || step->confirmed || step->r->progress != PROGRESS_PENDING)
            continue;
        step->confirming = is_new = true;
    }
    if (is_new)
        begin(a, type);
    return !is_new && !goes_on;
}
