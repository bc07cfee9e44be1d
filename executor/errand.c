/* SPDX-License-Identifier: MIT */
#include "executor/errand.h"

#include "executor/base/log.h"
#include "executor/base/random.h"
#include "executor/engine/planprint.h"

/* Stands for the account where it is not known and nothing is asked of AWS: 12 digits. */
#define NO_ACCOUNT "000000000000"

/* The account of the role that will be assumed, from its ARN; the caller frees it. */
static char *account_of_role(const struct environment *e)
{
    static const char service[] = ":iam::";
    const char *at = e->role_arn != NULL ? strstr(e->role_arn, service) : NULL;
    if (at == NULL)
        return xstrdup(NO_ACCOUNT);
    at += strlen(service);
    return xstrndup(at, strcspn(at, ":"));
}

/* A run's name in the session's, so that what stays behind of one tells which job's it was. */
static char *name_run(const struct errand_request *q)
{
    _cleanup_free_ char *prefix = xasprintf("%s-", q->session_name);
    return random_name(prefix, 4);
}

void errand_begin(struct errand *errand, const struct errand_request *request)
{
    errand->request = request;
    free(errand->account);
    errand->account = request->account != NULL ? xstrdup(request->account)
                                               : account_of_role(request->environment);
    if (errand->run == NULL)
        errand->run = name_run(request);
}

int errand_lock(struct errand *errand, struct err *err)
{
    const struct errand_request *q = errand->request;
    report_phase(&errand->report, "lock");
    _cleanup_free_ char *configured =
        json_str(q->host->json, "lockDir") != NULL ? hostconfig_path(q->host, "lockDir", "") : NULL;
    _cleanup_free_ char *directory = lock_directory(configured);
    return lock_take(directory, q->environment->name, q->who, q->cancel, &errand->lock, err);
}

int errand_open(struct errand *errand, struct err *err)
{
    const struct errand_request *q = errand->request;
    const struct session_options options = {
        .region = q->environment->region,
        .role_arn = q->environment->role_arn,
        .session_name = q->session_name,
        .rates = json_get(q->host->json, "rates"),
        .cancel = q->cancel,
    };
    const char *account = NULL;
    report_phase(&errand->report, "session");
    if (session_open(&options, &errand->session, err) < 0 ||
        session_account(errand->session, &account, err) < 0)
        return err->class == ERR_CANCELLED
                   ? err_set(err, ERR_CANCELLED, "cancelled before anything was read or changed")
                   : -1;
    if (!str_eq(account, errand->account)) {
        free(errand->account);
        errand->account = xstrdup(account);
    }
    return 0;
}

struct context errand_context(const struct errand *errand)
{
    const struct errand_request *q = errand->request;
    return (struct context){
        .environment = q->environment->name,
        .subdomain = q->environment->subdomain,
        .kind = q->environment->kind,
        .prefix = q->environment->prefix,
        .ref = q->ref,
        .region = q->environment->region,
        .account = errand->account,
        .project = q->project,
        .pipeline = q->pipeline,
        .run = errand->run,
        .takes_back = q->environment->takes_back,
        .time_to_live = q->environment->time_to_live,
        .limits = q->environment->limits,
        .spec_dir = -1,
    };
}

static void on_progress(void *context, const struct graph *g, const struct resource *changed)
{
    struct errand *errand = context;
    history_progress(&errand->history, g, changed);
    report_progress(&errand->report, g, changed);
}

struct engine_options errand_engine_options(struct errand *errand)
{
    const struct errand_request *q = errand->request;
    const cJSON *first = json_get(json_get(q->host->json, "poll"), "first");
    const cJSON *max = json_get(json_get(q->host->json, "poll"), "max");
    return (struct engine_options){
        .workers = (unsigned)json_int(q->host->json, "workers", 0),
        .poll_first = cJSON_IsNumber(first) ? first->valuedouble : 0,
        .poll_max = cJSON_IsNumber(max) ? max->valuedouble : 0,
        .cancel = q->cancel,
        .on_progress = on_progress,
        .on_progress_context = errand,
    };
}

void errand_note(struct errand *errand, const struct graph *g)
{
    const struct report *report = &errand->report;
    history_note(&errand->history, g, report->n_phases > 0 ? report->phases[0].start : clock_now());
}

/* A warning less the numbers that AWS gives its answers ("(AccessDenied, request 8d2f...)"): what
 * is refused at two looks is refused once. The caller frees it. */
static char *without_requests(const char *warning)
{
    struct strbuf text = STRBUF_INIT;
    const char *at;
    for (; (at = strstr(warning, ", request ")) != NULL; warning = at + strcspn(at, ")"))
        strbuf_add(&text, warning, (size_t)(at - warning));
    strbuf_adds(&text, warning);
    return strbuf_detach(&text);
}

void errand_say_warnings(struct errand *errand, const struct graph *g)
{
    for (size_t i = 0; i < g->warnings.n; i++) {
        _cleanup_free_ char *warning = without_requests(g->warnings.v[i]);
        if (strlist_has(&errand->warned, warning))
            continue;
        log_warn("%s", g->warnings.v[i]);
        strlist_add(&errand->warned, warning);
    }
}

/* A cancel ends the job, and nothing that AWS has been asked for: whoever cancelled should know. */
bool errand_say_begun(const struct graph *g, const char *prefix)
{
    _cleanup_strbuf_ struct strbuf begun = STRBUF_INIT;
    if (!report_begun(g, &begun))
        return false;
    log_info("%swhat this job has begun goes on in AWS, and nobody awaits it: %s; 'berth status' "
             "shows how it is",
             prefix, begun.buf);
    return true;
}

int errand_check_cancel(const struct errand *errand, struct err *err)
{
    if (!cancel_is_set(errand->request->cancel))
        return 0;
    return err_set(err, ERR_CANCELLED, "cancelled when all was done; run the job again");
}

void errand_say_lines(const struct strbuf *text)
{
    _cleanup_free_ char *safe = redact_copy(text->buf); /* a secret may go over two lines */
    for (const char *line = safe; *line != '\0';) {
        size_t len = strcspn(line, "\n");
        log_info("%.*s", (int)len, line);
        line += len + (line[len] == '\n');
    }
}

void errand_say_plan(const struct graph *g, const char *title, bool folded)
{
    _cleanup_strbuf_ struct strbuf types = STRBUF_INIT, whole = STRBUF_INIT;
    plan_types_to_text(g, &types);
    plan_to_text(g, &whole);
    folded = folded && whole.len > 0;
    if (folded)
        log_section_styled(LOG_HEADING, "berth_plan", title);
    else
        log_styled(LOG_HEADING, "%s", title);
    if (whole.len > 0)
        errand_say_lines(&types);
    errand_say_lines(&whole);
    if (folded)
        log_section_end("berth_plan");
}

void errand_say_table(struct errand *errand)
{
    report_table(&errand->report, errand->session);
}

void errand_release(struct errand *errand)
{
    report_release(&errand->report);
    history_release(&errand->history);
    strlist_release(&errand->warned);
    session_free(errand->session);
    free(errand->account);
    free(errand->run);
    lock_release(&errand->lock);
    *errand = (struct errand)ERRAND_INIT;
}
