/* SPDX-License-Identifier: MIT */
/*
 * Awaiting. All resources of one type that wait are looked at together, in batches; the pause
 * between two looks grows, and is short again when something new begins to wait.
 */
#include "executor/engine/apply.h"

#define PAUSE_GROWTH 1.5

/* One observe() of a look. */
struct glance {
    struct job job; /* first: the workers hand this back */
    struct look *look;
    struct resource **v;
    size_t n;
    struct err err;
};

static double first_pause(const struct look *look)
{
    return look->apply->o->poll_first > 0 ? look->apply->o->poll_first : 2;
}

static double longest_pause(const struct look *look)
{
    return look->apply->o->poll_max > 0 ? look->apply->o->poll_max : 15;
}

static bool is_waiting(const struct step *step, const struct look *look)
{
    return step->r->type == look->type && !step->with_worker &&
           (step->r->progress == PROGRESS_SETTLING || step->retry);
}

static struct step *step_at(struct apply *a, size_t i)
{
    return &a->steps[a->g->v[i]->index];
}

/* When the earliest of those that wait must be done. 0: none waits. */
static double earliest_deadline(const struct look *look)
{
    double earliest = 0;
    for (size_t i = 0; i < look->apply->n; i++) {
        const struct step *step = step_at(look->apply, i);
        if (is_waiting(step, look) && (earliest <= 0 || step->deadline < earliest))
            earliest = step->deadline;
    }
    return earliest;
}

static void on_timer(uv_timer_t *timer)
{
    struct look *look = timer->data;
    look->due = 0;
    if (apply_is_cancelled(look->apply))
        return;
    look_now(look);
    apply_advance(look->apply);
}

/* Sets the timer, unless it fires earlier anyway or a look is going on. */
static void set_timer(struct look *look)
{
    double deadline = earliest_deadline(look), now = clock_now();
    if (deadline <= 0 || look->under_way > 0 || look->apply->cancelled)
        return;
    double due = now + look->pause;
    /* Also looked at when a deadline is over: it may have made it. */
    if (deadline < due)
        due = deadline > now ? deadline : now;
    if (look->due > 0 && look->due <= due)
        return;
    look->due = due;
    uv_update_time(look->timer.loop);
    uv_timer_start(&look->timer, on_timer, (uint64_t)((due - now) * 1000) + 1, 0);
}

void look_init(struct look *look, struct apply *a, const struct resource_type *type)
{
    *look = (struct look){ .apply = a, .type = type };
    look->pause = first_pause(look);
    uv_timer_init(a->workers.loop, &look->timer);
    look->timer.data = look;
}

void look_add(struct look *look, bool is_new)
{
    look->fresh = look->fresh || is_new;
    if (look->under_way > 0)
        return; /* look_job_ended() sets the timer */
    if (is_new)
        look->pause = first_pause(look);
    set_timer(look);
}

static void glance_work(struct job *job)
{
    struct glance *glance = (struct glance *)job;
    struct apply *a = glance->look->apply;
    aws_call_subject(glance->n == 1 ? glance->v[0]->address : NULL);
    int r = glance->look->type->observe(a->session, glance->v, glance->n, &glance->err);
    aws_call_subject(NULL);
    if (r < 0)
        return;
    for (size_t i = 0; i < glance->n; i++)
        step_judge(&a->steps[glance->v[i]->index]);
}

static void glance_done(struct job *job)
{
    struct glance *glance = (struct glance *)job;
    struct apply *a = glance->look->apply;
    for (size_t i = 0; i < glance->n; i++) {
        struct step *step = &a->steps[glance->v[i]->index];
        if (glance->err.class != ERR_NONE)
            err_copy(&step->outcome.err, &glance->err);
        step_settle(step);
    }
    look_job_ended(glance->look);
    err_release(&glance->err);
    free(glance->v);
    free(glance);
    apply_advance(a);
}

static void submit_glance(struct look *look, struct resource **v, size_t n)
{
    struct glance *glance = xcalloc(1, sizeof(*glance));
    glance->job = (struct job){ .work = glance_work, .done = glance_done };
    glance->look = look;
    glance->v = v;
    glance->n = n;
    for (size_t i = 0; i < n; i++) {
        struct step *step = &look->apply->steps[v[i]->index];
        step->with_worker = true;
        err_release(&step->outcome.err);
        step->outcome.written = 0;
        step->outcome.uncertain = false;
    }
    look->under_way++;
    workers_submit(&look->apply->workers, &glance->job);
}

void look_now(struct look *look)
{
    struct apply *a = look->apply;
    size_t batch = look->type->batch ? look->type->batch : SIZE_MAX, n = 0;
    struct resource **v = NULL;
    look->fresh = false;
    for (size_t i = 0; i < a->n; i++) {
        struct step *step = step_at(a, i);
        if (!is_waiting(step, look))
            continue;
        if (step->retry) {
            look->under_way++;
            step_submit(step);
            continue;
        }
        v = xrealloc_array(v, n + 1, sizeof(struct resource *));
        v[n++] = step->r;
        if (n == batch) {
            submit_glance(look, v, n);
            v = NULL;
            n = 0;
        }
    }
    if (n > 0)
        submit_glance(look, v, n);
}

void look_job_ended(struct look *look)
{
    if (--look->under_way > 0)
        return;
    look->pause = look->fresh ? first_pause(look) : look->pause * PAUSE_GROWTH;
    if (look->pause > longest_pause(look))
        look->pause = longest_pause(look);
    set_timer(look);
}
