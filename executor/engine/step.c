/* SPDX-License-Identifier: MIT */
/* What is done for one resource: written by a worker, judged, and taken note of. */
#include "executor/engine/apply.h"

/* Of its deadline: for how long what was there may not be found. */
#define MISSING_SHARE 0.05

/*
 * What is only awaited, or was taken over as it was, must stay so: a job that is cancelled may take
 * back what it has written, and another may deploy. What this run has written its driver tells
 * apart.
 */
static bool is_someone_elses_now(const struct step *step)
{
    struct resource *r = step->r;
    bool written = step->changed || step->outcome.written > 0;
    return !written && (r->type->flags & TYPE_APPLICATION) && resource_compare(r);
}

/* What has failed by itself, as an application whose deployment was rolled back, is not as it was
 * found either: its driver knows why. */
static void judge_there(struct step *step)
{
    struct outcome *outcome = &step->outcome;
    outcome->readiness = resource_judge(step->r, &outcome->why);
    if (outcome->readiness == FAILED || !is_someone_elses_now(step))
        return;
    outcome->readiness = FAILED;
    strbuf_reset(&outcome->why);
    strbuf_adds(&outcome->why, "it is no longer as this job has found it: another job, or "
                               "somebody, has changed it meanwhile; run the job again");
}

void step_judge(struct step *step)
{
    const struct resource *r = step->r;
    struct outcome *outcome = &step->outcome;
    strbuf_reset(&outcome->why);
    if (step->task == TASK_LET_GO || step->task == TASK_WIND_DOWN || step->task == TASK_CONFIRM) {
        outcome->readiness = READY;
    } else if (step->task == TASK_REMOVE) {
        bool settled = r->have == NULL || r->instead != NULL;
        outcome->readiness = settled ? READY : WAITING;
        if (!settled && r->type->leaving != NULL)
            r->type->leaving(r, &outcome->why);
        if (!settled && outcome->why.len == 0)
            strbuf_adds(&outcome->why, "still there");
    } else if (r->have == NULL) {
        outcome->readiness = WAITING;
        strbuf_adds(&outcome->why, "not visible yet");
    } else {
        judge_there(step);
    }
}

static int observe_one(struct step *step)
{
    struct resource *r = step->r;
    return r->type->observe(step->apply->session, &r, 1, &step->outcome.err);
}

static int update(struct step *step)
{
    struct resource *r = step->r;
    cJSON_DeleteItemFromObjectCaseSensitive(r->memo, RESOURCE_BEGUN);
    int status = r->type->update(step->apply->session, r, &step->outcome.err);
    if (status == 0 || json_bool(r->memo, RESOURCE_BEGUN, false))
        step->outcome.written = clock_now();
    return status;
}

/* Compares once more: a create() that has to be tried again may have left something. */
static int change(struct step *step)
{
    struct resource *r = step->r;
    if (!resource_compare(r))
        return 0;
    return resource_check_changes(r, &step->outcome.err) < 0 ? -1 : update(step);
}

/* Somebody else created it in the meantime, or an earlier try of ours whose answer was lost. */
static int take_over(struct step *step)
{
    struct resource *r = step->r;
    struct err *err = &step->outcome.err;
    _cleanup_err_ struct err exists = ERR_INIT;
    err_move(&exists, err);
    if (observe_one(step) < 0)
        return -1;
    if (r->have == NULL)
        return err_set(err, ERR_BUSY, "it exists, but is not visible yet: %s", exists.message);
    if (r->type->scope == SCOPE_ENVIRONMENT && !resource_is_ours(r)) {
        _cleanup_strbuf_ struct strbuf foreign = STRBUF_INIT;
        conflict_describe(r, &foreign);
        return conflict_error(r->graph, foreign.buf, err);
    }
    return resource_may_update(r) ? change(step) : 0;
}

static int create(struct step *step)
{
    struct resource *r = step->r;
    struct err *err = &step->outcome.err;
    if (r->type->create(step->apply->session, r, err) < 0)
        return err->class == ERR_EXISTS ? take_over(step) : -1;
    step->outcome.written = clock_now();
    return 0;
}

static int let_go(struct step *step)
{
    struct resource *r = step->r;
    if (r->type->let_go(step->apply->session, r, step->other, &step->outcome.err) < 0)
        return -1;
    step->outcome.written = clock_now();
    return r->have == NULL ? observe_one(step) : 0;
}

static int bring(struct step *step)
{
    int status = step->r->have == NULL ? create(step) : change(step);
    return status == 0 && step->r->have == NULL ? observe_one(step) : status;
}

static int remove_one(struct step *step)
{
    struct resource *r = step->r;
    struct err *err = &step->outcome.err;
    if (!step->confirmed && confirm_one(step) < 0)
        return -1;
    if (r->have == NULL || r->instead != NULL)
        return 0;
    if (r->type->remove(step->apply->session, r, err) < 0 && err->class != ERR_NOT_FOUND)
        return -1;
    err_release(err);
    step->outcome.written = clock_now();
    return observe_one(step);
}

/* What is gone by now is replaced like what is there: what was bound to it has to be made anew. */
static int confirm_way(struct step *step)
{
    struct resource *r = step->r;
    _cleanup_json_ cJSON *have = json_dup(r->have);
    int status = confirm_one(step);
    if (status == 0 && r->have == NULL)
        resource_set_have(r, steal_ptr(&have));
    return status;
}

static int wind_down(struct step *step)
{
    return step->r->type->wind_down(step->apply->session, step->r, &step->outcome.err);
}

static void step_work(struct job *job)
{
    struct step *step = (struct step *)job;
    int (*const tasks[])(struct step *) = {
        [TASK_BRING] = bring,   [TASK_CONFIRM] = confirm_way, [TASK_REMOVE] = remove_one,
        [TASK_LET_GO] = let_go, [TASK_WIND_DOWN] = wind_down,
    };
    aws_call_subject(step->r->address);
    aws_call_tell_throttled(&step->r->throttled);
    if (tasks[step->task](step) == 0)
        step_judge(step);
    step->outcome.uncertain = aws_call_is_uncertain();
    aws_call_tell_throttled(NULL);
    atomic_store(&step->r->throttled, false);
    aws_call_subject(NULL);
}

static void step_done(struct job *job)
{
    struct step *step = (struct step *)job;
    struct look *look = step->retry ? look_of(step->apply, step->r->type) : NULL;
    step_settle(step);
    if (look != NULL)
        look_job_ended(look);
    apply_advance(step->apply);
}

void step_submit(struct step *step)
{
    step->with_worker = true;
    step->job = (struct job){ .work = step_work, .done = step_done };
    err_release(&step->outcome.err);
    step->outcome.written = 0;
    step->outcome.uncertain = false;
    workers_submit(&step->apply->workers, &step->job);
}

static const char *verb(const struct step *step)
{
    if (step->task == TASK_REMOVE || step->task == TASK_CONFIRM)
        return "remove";
    return step->task == TASK_BRING && step->r->have == NULL ? "create" : "update";
}

static void fail_waiting(struct step *step, enum err_class class, const char *what)
{
    const struct resource *r = step->r;
    _cleanup_err_ struct err err = ERR_INIT;
    err_set(&err, class, "%s '%s' %s: %s", r->type->singular, r->name, what,
            r->waiting_for ? r->waiting_for : "no reason known");
    step_fail(step, &err);
}

void step_cancel(struct step *step)
{
    const struct resource *r = step->r;
    _cleanup_err_ struct err err = ERR_INIT;
    err_set(&err, ERR_CANCELLED, "%s '%s' is no longer awaited, since the job was cancelled: %s",
            r->type->singular, r->name, r->waiting_for ? r->waiting_for : "not ready");
    step_fail(step, &err);
}

/* The application is the user's; anything else that does not get ready is AWS's or ours. */
static enum err_class blame(const struct step *step, enum err_class otherwise)
{
    const struct resource *r = step->r;
    bool blameless = json_bool(r->memo, RESOURCE_BLAMELESS, false);
    return r->type->flags & TYPE_APPLICATION && !blameless ? ERR_UNHEALTHY : otherwise;
}

static void fail_late(struct step *step)
{
    char span[32];
    bool removal = step->task == TASK_REMOVE;
    clock_span(resource_deadline(step->r, removal), span, sizeof(span));
    _cleanup_free_ char *what =
        xasprintf("is %s after %s", removal ? "not gone" : "not ready", span);
    bool application = !removal && !step->retry;
    fail_waiting(step, application ? blame(step, ERR_TIMEOUT) : ERR_TIMEOUT, what);
}

/* Whether it was there, and is not found any more for longer than a stale answer explains: a minute
 * where the deadline is 20. Waiting on would not bring it back. */
static bool has_vanished(struct step *step)
{
    const struct resource *r = step->r;
    if (step->task != TASK_BRING || r->progress != PROGRESS_SETTLING)
        return false;
    if (r->have != NULL) {
        step->seen = true;
        step->missing = 0;
    } else if (step->missing <= 0) {
        step->missing = clock_now();
    }
    return step->seen && r->have == NULL &&
           clock_now() - step->missing > resource_deadline(r, false) * MISSING_SHARE;
}

static void fail_vanished(struct step *step)
{
    const struct resource *r = step->r;
    _cleanup_err_ struct err err = ERR_INIT;
    err_set(&err, ERR_FAILED,
            "%s '%s' was there, and is gone: somebody has removed it while it was awaited; run the "
            "job again",
            r->type->singular, r->name);
    step_fail(step, &err);
}

static void await(struct step *step, const char *why, bool is_new)
{
    struct resource *r = step->r;
    if (!step->apply->cancelled && has_vanished(step)) {
        fail_vanished(step);
        return;
    }
    free(r->waiting_for);
    r->waiting_for = xstrdup(why);
    step->verifying = false;
    if (step->apply->cancelled)
        step_cancel(step);
    else if (clock_now() >= step->deadline)
        fail_late(step);
    else {
        step_progress(step, step->retry ? PROGRESS_RUNNING : PROGRESS_SETTLING);
        look_add(look_of(step->apply, r->type), is_new);
    }
}

static void settle_error(struct step *step, bool retried)
{
    struct err *err = &step->outcome.err;
    /* Only writing can be in somebody's way; a look that fails has failed. */
    if (err->class == ERR_BUSY && step->r->progress == PROGRESS_RUNNING) {
        step->retry = true;
        await(step, err->message, !retried);
        return;
    }
    /* What has been in its way, or is awaited, says more than that another try, or another look,
     * was cut short. */
    bool awaited = retried || step->r->progress == PROGRESS_SETTLING;
    if (err->class == ERR_CANCELLED && awaited && step->r->waiting_for != NULL) {
        step_cancel(step);
        return;
    }
    if (step->r->progress == PROGRESS_RUNNING)
        err_wrap(err, "cannot %s %s '%s'", verb(step), step->r->type->singular, step->r->name);
    else
        err_wrap(err, "cannot look at %s '%s'", step->r->type->singular, step->r->name);
    step_fail(step, err);
}

/* What was left as it was is not well in the end: from now on it is awaited, like what was not well
 * when the run was planned. */
static void begin_to_await(struct step *step)
{
    if (resource_takes_part(step->r))
        return;
    step->r->wait = true;
    step_begin(step, TASK_BRING);
}

void step_settle(struct step *step)
{
    struct resource *r = step->r;
    struct outcome *outcome = &step->outcome;
    bool retried = step->retry;
    step->retry = step->confirmed = false;
    step->with_worker = false;
    if (step->task == TASK_CONFIRM && r->want == NULL) {
        confirm_seen(step);
        return;
    }
    if (step->task == TASK_WIND_DOWN) {
        removal_wound_down(step);
        return;
    }
    if (outcome->written > 0) {
        r->written = outcome->written;
        step->changed = true;
    }
    r->uncertain = r->uncertain || outcome->uncertain;
    if (step->verifying && (outcome->err.class != ERR_NONE || outcome->readiness != READY))
        begin_to_await(step);
    if (outcome->err.class != ERR_NONE) {
        settle_error(step, retried);
        return;
    }
    switch (outcome->readiness) {
    case READY:
        step_finish(step);
        break;
    case WAITING:
        await(step, outcome->why.buf, r->progress != PROGRESS_SETTLING);
        break;
    case FAILED:
        free(r->waiting_for);
        r->waiting_for = xstrdup(outcome->why.buf);
        fail_waiting(step, blame(step, ERR_FAILED), "failed");
        break;
    }
}
