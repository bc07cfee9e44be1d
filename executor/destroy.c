/* SPDX-License-Identifier: MIT */
#include "executor/destroy.h"

#include <inttypes.h>

#include "executor/base/log.h"
#include "executor/engine/planprint.h"

/* How often what is there is removed: what comes back after that has somebody who makes it. */
#define ROUNDS 2
/* Seconds from the end of what echoes to the last look: the minute that Container Insights tells
 * of, and half a one more for what is on its way. */
#define LAST_LOOK 90

int destroy_check(const struct hostconfig *host, int64_t project, const struct environment *e,
                  struct err *err)
{
    const cJSON *kind = json_get(hostconfig_project(host, project), e->kind);
    if (!str_eq(e->kind, "production") || json_bool(kind, "allowDestroy", false))
        return 0;
    return err_set(err, ERR_REFUSED,
                   "'%s' is production, and '%s' does not allow that it is destroyed: ask the "
                   "administrator of this runner to set projects.%" PRId64
                   ".production.allowDestroy to true, for as long as it takes",
                   e->name, host->path, project);
}

static struct graph *graph_of(struct destroy *d)
{
    struct context context = errand_context(&d->errand);
    if (d->notes == NULL)
        d->notes = cJSON_CreateObject();
    context.teardown = true;
    context.notes = d->notes;
    struct graph *g = graph_new(&context);
    engine_want_nothing(g, drivers);
    return g;
}

/* Finds what is there, in a graph of its own: nothing that an earlier look saw counts. */
static int look(struct destroy *d, struct graph **ret, struct plan_counts *ret_counts,
                struct err *err)
{
    struct engine_options options = errand_engine_options(&d->errand);
    options.on_progress = NULL;
    struct graph *g = graph_of(d);
    int r = engine_observe(d->errand.session, g, &options, err);
    if (r == 0)
        r = engine_plan(g, NULL, ret_counts, err);
    if (r == 0)
        *ret = g;
    else
        graph_free(g);
    return r;
}

int destroy_look(struct destroy *d, const struct errand_request *request, struct err *err)
{
    errand_begin(&d->errand, request);
    if (errand_open(&d->errand, err) < 0)
        return -1;
    report_phase(&d->errand.report, "observe");
    int r = look(d, &d->graph, &d->counts, err);
    report_phase(&d->errand.report, NULL);
    if (r == 0)
        errand_say_warnings(&d->errand, d->graph);
    return r;
}

bool destroy_has_work(const struct destroy *d)
{
    return d->counts.remove > 0;
}

static void say_counts(const struct graph *g, const char *what)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    plan_removals_to_text(g, &text);
    log_info("%s: %s", what, text.buf);
}

void destroy_say_refusal(const struct destroy *d)
{
    const struct errand_request *q = d->errand.request;
    _cleanup_err_ struct err refusal = ERR_INIT;
    if (destroy_has_work(d) && destroy_check(q->host, q->project, q->environment, &refusal) < 0)
        log_warn("this would be refused: %s", refusal.message);
}

void destroy_say_plan(const struct destroy *d)
{
    if (!destroy_has_work(d))
        return;
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    plan_removals_to_text(d->graph, &text);
    _cleanup_free_ char *title = xasprintf("to remove: %s", text.buf);
    errand_say_plan(d->graph, title, true);
}

static void note_results(struct destroy *d)
{
    errand_note(&d->errand, d->graph);
    if (d->results == NULL)
        d->results = cJSON_CreateArray();
    for (size_t i = 0; i < d->graph->n; i++) {
        const struct resource *r = d->graph->v[i];
        if (r->action != ACTION_REMOVE)
            continue;
        d->removed += r->progress == PROGRESS_DONE && r->instead == NULL;
        cJSON *item = json_push(d->results, plan_resource_to_json(r));
        plan_put_result(item, r);
    }
}

/* Why it is there all the same: what became of its removal, if there was one. */
static const char *why_left(const struct destroy *d, const struct resource *r)
{
    const struct resource *before = graph_find_name(d->graph, r->type, r->name);
    if (before == NULL)
        return "it was not there when this began: something made it meanwhile; run the job again";
    if (before->error.message != NULL)
        return before->error.message;
    return "its removal went well, and it is there again: find out what makes it anew";
}

/* Notes r, and what else of its type is left for the same reason; names them in *ret_names. */
static size_t note_left(struct destroy *d, const struct graph *now, const struct resource *r,
                        bool *noted, struct strbuf *ret_names)
{
    const char *why = why_left(d, r);
    size_t n = 0;
    for (size_t i = r->index; i < now->n; i++) {
        const struct resource *other = now->v[i];
        if (other->type != r->type || other->action != ACTION_REMOVE ||
            !str_eq(why_left(d, other), why))
            continue;
        noted[i] = true;
        strbuf_addf(ret_names, "%s'%s'", n++ > 0 ? ", " : "", other->name);
        json_put_str(json_push(d->left, plan_resource_to_json(other)), "why", why);
    }
    return n;
}

/* What is not left, though its removal failed: others that are may be so for that reason alone. */
static void say_gone(const struct destroy *d, const struct graph *now)
{
    for (size_t i = 0; i < d->graph->n; i++) {
        const struct resource *r = d->graph->v[i];
        if (r->action == ACTION_REMOVE && r->progress == PROGRESS_FAILED &&
            graph_find_name(now, r->type, r->name) == NULL)
            log_info("left: nothing of %s '%s', whose removal failed: %s", r->type->singular,
                     r->name, r->error.message);
    }
}

static void say_left(struct destroy *d, const struct graph *now)
{
    _cleanup_free_ bool *noted = xcalloc(now->n + 1, sizeof(bool));
    d->left = cJSON_CreateArray();
    for (size_t i = 0; i < now->n; i++) {
        const struct resource *r = now->v[i], *before = graph_find_name(d->graph, r->type, r->name);
        if (noted[i] || r->action != ACTION_REMOVE)
            continue;
        _cleanup_strbuf_ struct strbuf names = STRBUF_INIT, line = STRBUF_INIT;
        size_t n = note_left(d, now, r, noted, &names);
        strbuf_addf(&line, "left: %s %s: %s", n == 1 ? r->type->singular : r->type->plural,
                    names.buf, why_left(d, r));
        if (before != NULL && before->progress == PROGRESS_FAILED)
            report_evidence(&before->error, &line);
        log_info("%s", line.buf);
    }
    say_gone(d, now);
}

static int fail_left(const struct destroy *d, const struct err *failure, unsigned n,
                     struct err *err)
{
    return err_set(err, failure->class != ERR_NONE ? failure->class : ERR_FAILED,
                   "%u resource%s of '%s' %s left (%u removed): put right what the lines above "
                   "say, and run the job again",
                   n, n == 1 ? "" : "s", d->errand.request->environment->name,
                   n == 1 ? "is" : "are", d->removed);
}

static int remove_all(struct destroy *d, struct err *failure)
{
    report_phase(&d->errand.report, "remove");
    const struct engine_options options = errand_engine_options(&d->errand);
    int r = engine_apply(d->errand.session, d->graph, &options, failure);
    report_phase(&d->errand.report, NULL);
    note_results(d);
    errand_say_warnings(&d->errand, d->graph);
    if (r < 0 && cancel_is_set(d->errand.request->cancel)) {
        report_failures(d->graph);
        errand_say_begun(d->graph, "");
    }
    return r;
}

/* What of that which is to go makes something anew after its end; NULL: nothing does. */
static const char *echo_of(const struct graph *g)
{
    const char *echo = NULL;
    for (size_t i = 0; i < g->n && echo == NULL; i++)
        if (g->v[i]->action == ACTION_REMOVE && g->v[i]->type->echo != NULL)
            echo = g->v[i]->type->echo(g->v[i]);
    return echo;
}

/* When the last of them was gone. */
static double echo_begin(const struct graph *g)
{
    double begin = 0;
    for (size_t i = 0; i < g->n; i++)
        if (g->v[i]->action == ACTION_REMOVE && g->v[i]->type->echo != NULL &&
            g->v[i]->ended > begin)
            begin = g->v[i]->ended;
    return begin;
}

/* Lets the time pass in which something is made anew, as far as it has not passed already while
 * other things went. Ends with a cancel. */
static void await_echo(struct destroy *d, const char *echo)
{
    const cJSON *last = json_get(json_get(d->errand.request->host->json, "poll"), "last");
    double seconds = cJSON_IsNumber(last) ? last->valuedouble : LAST_LOOK;
    double left = echo_begin(d->graph) + seconds - clock_now();
    if (left <= 0)
        return;
    char span[32];
    log_info("the last look at what is left is in %s: %s", clock_span(left, span, sizeof(span)),
             echo);
    report_phase(&d->errand.report, "last minute");
    cancel_sleep(d->errand.request->cancel, left);
    report_phase(&d->errand.report, NULL);
}

static int fail_unseen(const struct destroy *d, struct err *err)
{
    return err_set(err, ERR_CANCELLED,
                   "cancelled after %u were removed, before it was seen whether anything of '%s' "
                   "is left; run the job again",
                   d->removed, d->errand.request->environment->name);
}

static int look_again(struct destroy *d, struct graph **ret, struct plan_counts *ret_counts,
                      struct err *err)
{
    report_phase(&d->errand.report, "look");
    int r = look(d, ret, ret_counts, err);
    report_phase(&d->errand.report, NULL);
    if (r == 0)
        return 0;
    if (err->class == ERR_CANCELLED)
        return fail_unseen(d, err);
    return err_wrap(err, "%u removed, but whether anything is left cannot be told", d->removed);
}

/* Whether what has come back is still to go. */
static int ask_again(struct destroy *d, const struct graph *now, struct err *err)
{
    bool confirmed = true;
    if (d->confirm != NULL && d->confirm(d->asker, now, &confirmed, err) < 0)
        return err_wrap(err, "%u removed, and some came back; whether it is to go is not known",
                        d->removed);
    d->spared = !confirmed;
    return 0;
}

/* Goes on with what was found now. */
static void take_graph(struct destroy *d, struct graph *now)
{
    graph_free(d->graph);
    d->graph = now;
    report_forget(&d->errand.report);
}

int destroy_carry_out(struct destroy *d, struct err *err)
{
    for (unsigned round = 1; destroy_has_work(d); round++) {
        _cleanup_err_ struct err failure = ERR_INIT;
        struct graph *now = NULL;
        const char *echo = round == 1 ? echo_of(d->graph) : NULL;
        int r = remove_all(d, &failure);
        if (r == 0 && echo != NULL)
            await_echo(d, echo);
        if (cancel_is_set(d->errand.request->cancel))
            return r < 0 ? err_move(err, &failure) : fail_unseen(d, err);
        if (look_again(d, &now, &d->counts, err) < 0)
            return -1;
        errand_say_warnings(&d->errand, now);
        if (destroy_has_work(d) && (r < 0 || round == ROUNDS)) {
            say_left(d, now);
            graph_free(now);
            return fail_left(d, &failure, d->counts.remove, err);
        }
        if (r < 0) /* seen late, or removed by somebody else */
            log_warn("gone all the same: %s", failure.message);
        take_graph(d, now);
        if (!destroy_has_work(d))
            break;
        if (ask_again(d, now, err) < 0)
            return -1;
        if (d->spared) {
            say_counts(now, "came back, and is left");
            return 0;
        }
        say_counts(now, "came back, and is removed once more");
    }
    d->left = cJSON_CreateArray();
    return 0;
}

void destroy_say_verdict(const struct destroy *d)
{
    const char *name = d->errand.request->environment->name;
    _cleanup_strbuf_ struct strbuf line = STRBUF_INIT;
    if (d->removed == 0)
        strbuf_addf(&line, "there is nothing of %s", name);
    else
        strbuf_addf(&line, "nothing is left of %s: %u removed", name, d->removed);
    if (d->graph->n_foreign > 0)
        strbuf_addf(&line, "; left alone: %u that only look%s like it", d->graph->n_foreign,
                    d->graph->n_foreign == 1 ? "s" : "");
    if (d->graph->n_unseen > 0)
        strbuf_addf(&line, "; not looked into: %u that berth may not see", d->graph->n_unseen);
    log_styled(LOG_GOOD, "%s", line.buf);
}

int destroy_environment(struct destroy *d, const struct errand_request *request, bool writes,
                        struct err *err)
{
    errand_begin(&d->errand, request);
    if ((writes && errand_lock(&d->errand, err) < 0) || destroy_look(d, request, err) < 0)
        return -1;
    destroy_say_plan(d);
    bool has_work = destroy_has_work(d);
    int r = writes && has_work ? destroy_carry_out(d, err) : 0;
    errand_say_table(&d->errand);
    if (r < 0)
        return -1;
    if (errand_check_cancel(&d->errand, err) < 0)
        return -1;
    if (!writes)
        destroy_say_refusal(d);
    if (writes || !has_work)
        destroy_say_verdict(d);
    else
        log_info("nothing was removed: this is what destroying %s would remove",
                 request->environment->name);
    return 0;
}

cJSON *destroy_to_json(const struct destroy *d, const struct err *failure)
{
    cJSON *json = plan_head_to_json(d->graph, "berth-destroy/1");
    json_put_bool(json, "succeeded", failure == NULL);
    if (failure != NULL)
        json_put_str(json, "error", failure->message);
    json_put_int(json, "removed", d->removed);
    json_put(json, "resources", d->results != NULL ? json_dup(d->results) : cJSON_CreateArray());
    if (d->left != NULL)
        json_put(json, "left", json_dup(d->left));
    return json;
}

void destroy_release(struct destroy *d)
{
    graph_free(d->graph);
    json_freep(&d->results);
    json_freep(&d->left);
    json_freep(&d->notes);
    errand_release(&d->errand);
    *d = (struct destroy)DESTROY_INIT;
}
