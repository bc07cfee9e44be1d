/* SPDX-License-Identifier: MIT */
#include "drivers/grafana.h"

#include <ctype.h>
#include <math.h>

#include "drivers/driver.h"
#include "drivers/secret.h"
#include "executor/base/log.h"

/* How long one answer may take: creating a user hashes a password, everything else is a query. */
#define ANSWER_SECONDS 30.0
#define NOTICE_SECONDS 30
#define REASON_MAX     300

int grafana_new(const struct grafana_request *request, struct grafana **ret, struct err *err)
{
    _cleanup_(grafana_freep) struct grafana *g = xcalloc(1, sizeof(*g));
    g->request = request;
    if (grafana_read_settings(g, err) < 0)
        return -1;
    *ret = steal_ptr(&g);
    return 0;
}

/* Who gives Grafana less time to come up gives no single answer more. */
static double answer_seconds(const struct grafana *g)
{
    return fmin(ANSWER_SECONDS, g->timeout);
}

static int open_rest(struct grafana *g, struct err *err)
{
    const struct rest_options options = {
        .name = "Grafana",
        .url = g->url,
        .setting = "grafana.url",
        .credential = "passwords",
        .ca_file = g->request->ca_file,
        .trust = "grafana.caFile in the host config",
        .timeout = answer_seconds(g),
        .cancel = g->request->cancel,
    };
    return rest_open(&options, &g->rest, err);
}

/* --- secrets ----------------------------------------------------------------------------- */

int grafana_secret_value(struct grafana *g, struct grafana_secret *secret, struct err *err)
{
    if (secret->value != NULL)
        return 0;
    if (secret_read(g->session, secret->origin, secret->secret, &secret->value, NULL, err) < 0)
        return -1;
    if (strlen(secret->value) < REDACT_MIN)
        strlist_add(&g->shorts, secret->value);
    return 0;
}

/* The redactor leaves short secrets alone, lest it destroy ordinary text; so what somebody else
 * says is shown only without them. */
static bool is_showable(const struct grafana *g, const char *text)
{
    for (size_t i = 0; i < g->shorts.n; i++)
        if (strstr(text, g->shorts.v[i]) != NULL)
            return false;
    return true;
}

/* --- patience ---------------------------------------------------------------------------- */

/* Of a wait for a Grafana that is not there, in clock_now()'s seconds. */
struct patience {
    double start, said, pause;
};

static struct patience patience_begin(const struct grafana *g)
{
    double first = g->request->poll_first;
    return (struct patience){ .start = clock_now(), .pause = first > 0 ? first : 2 };
}

static void say_waiting(const struct grafana *g, const struct err *why, double left)
{
    char span[32];
    log_info("waiting for Grafana at '%s', %s more: %s", g->url,
             clock_span(left, span, sizeof(span)), why->message);
}

static int give_up(const struct grafana *g, struct err *why, struct err *err)
{
    err_move(err, why);
    if (err->class == ERR_TRANSIENT || err->class == ERR_FAILED || err->class == ERR_TIMEOUT)
        err->class = ERR_UNHEALTHY;
    return err_wrap(err,
                    "Grafana at '%s' is not there after %.0f s; see that its service is healthy",
                    g->url, g->timeout);
}

/* Sleeps until the next try, and says now and then what for. -1: it was not there for too long. */
static int wait_more(const struct grafana *g, struct patience *p, struct err *why, struct err *err)
{
    double most = g->request->poll_max > 0 ? g->request->poll_max : 15;
    double now = clock_now(), left = p->start + g->timeout - now;
    if (left <= 0)
        return give_up(g, why, err);
    if (p->said == 0 || now - p->said >= NOTICE_SECONDS) {
        say_waiting(g, why, left);
        p->said = now;
    }
    if (cancel_sleep(g->request->cancel, fmin(p->pause, left)) < 0)
        return err_set(err, ERR_CANCELLED, "cancelled while waiting for Grafana");
    p->pause = fmin(p->pause * 1.5, most);
    return 0;
}

/* Whether it is the load balancer that answers, which has nobody to hand the request to. */
static bool is_away(const struct rest_answer *answer)
{
    int status = answer->response.status;
    return status == 502 || status == 503 || status == 504;
}

/* --- one call ---------------------------------------------------------------------------- */

/* On one line, whatever it holds. */
char *grafana_reason(const struct grafana *g, const struct rest_answer *answer)
{
    const char *message = json_str(answer->body, "message");
    if (message == NULL || *message == '\0')
        return xstrdup("no reason given");
    if (!is_showable(g, message))
        return xstrdup("its reason is not shown: it holds a password");
    char *reason = redact_short(message, REASON_MAX);
    for (char *p = reason; *p != '\0'; p++)
        if (iscntrl((unsigned char)*p))
            *p = ' ';
    return reason;
}

int grafana_refuse(const struct grafana *g, const struct rest_answer *answer, struct err *err)
{
    int status = answer->response.status;
    _cleanup_free_ char *reason = grafana_reason(g, answer);
    return err_set(err,
                   status == 429  ? ERR_THROTTLED
                   : status > 499 ? ERR_TRANSIENT
                                  : ERR_INVALID,
                   "Grafana answers %d: %s", status, reason);
}

static char *password_place(const struct grafana *g)
{
    const struct grafana_secret *p = &g->password;
    return p->secret != NULL ? xasprintf("%s ('%s')", p->origin, p->secret)
                             : xasprintf("the CI/CD variable %s", p->origin);
}

static int check_redirect(struct grafana *g, const struct rest_answer *answer, struct err *err)
{
    int status = answer->response.status;
    const char *location = http_header(&answer->response, "location");
    if (status < 300 || status >= 400)
        return 0;
    g->hopeless = true;
    return err_set(err, ERR_USER,
                   "'%s' sends elsewhere (%d, to '%s'), where passwords do not go: correct "
                   "grafana.url",
                   g->url, status, location != NULL ? location : "nowhere");
}

/* What is wrong with the administrator or the address is wrong with every other request, too. */
static int check_answer(struct grafana *g, const struct rest_answer *answer, struct err *err)
{
    int status = answer->response.status;
    if (status != 401 && status != 403)
        return check_redirect(g, answer, err);
    g->hopeless = true;
    _cleanup_free_ char *reason = grafana_reason(g, answer), *place = password_place(g);
    if (status == 401)
        return err_set(err, ERR_USER,
                       "Grafana does not know the administrator '%s' by the password of %s (401: "
                       "%s): correct it there; GF_SECURITY_ADMIN_PASSWORD counts only for the "
                       "first start of a database",
                       g->login, place, reason);
    return err_set(err, ERR_USER,
                   "Grafana does not let '%s' do this (403: %s): it takes a Grafana server "
                   "administrator who is an Admin of the organization",
                   g->login, reason);
}

bool grafana_is_fatal(const struct grafana *g, const struct err *err)
{
    return g->hopeless || err->class == ERR_CANCELLED || err->class == ERR_UNREACHABLE ||
           err->class == ERR_TIMEOUT || err->class == ERR_THROTTLED || err->class == ERR_HOST;
}

/* One try. What a repetition may mend is an error, any other answer is one. */
static int try_call(struct grafana *g, const char *method, const char *path, const cJSON *body,
                    struct rest_answer *ret, struct err *err)
{
    if (rest_send(g->rest, method, path, body, ret, err) < 0)
        return -1;
    int status = ret->response.status;
    return status == 429 || status > 499 ? grafana_refuse(g, ret, err) : check_answer(g, ret, err);
}

static double retry_after(const struct rest_answer *answer)
{
    const char *header = http_header(&answer->response, "retry-after");
    int64_t seconds;
    return header != NULL && str_to_int64(header, 0, 3600, &seconds) == 0 ? (double)seconds : 0;
}

/* libcurl's words, of milliseconds and bytes, tell nobody what to do. */
static int tell_late(const struct grafana *g, const char *method, const char *path, unsigned tries,
                     struct err *err)
{
    return err_set(err, ERR_TIMEOUT,
                   "Grafana at '%s' has not answered '%s %s' within %.0f s, tried %u time%s: see "
                   "its service's log, cpu and memory, and run the job again, which goes on where "
                   "this one ended",
                   g->url, method, path, answer_seconds(g), tries, tries == 1 ? "" : "s");
}

/* Before the next try of a request that has failed; -1 if there is none. A Grafana that goes away
 * in the midst of a run, because its task is replaced, has as long to come back as it had to come
 * up; what it does not come back in ends the run. A plan does not wait. */
static int wait_again(struct grafana *g, const struct rest_answer *answer, struct retry *retry,
                      struct patience *patience, struct err *failure, struct err *err)
{
    const struct retry_context context = { .retry_after = retry_after(answer) };
    double wait;
    if (is_away(answer) && !g->request->plan) {
        if (patience->start == 0)
            *patience = patience_begin(g);
        int r = wait_more(g, patience, failure, err);
        g->hopeless = r < 0;
        return r;
    }
    if (!retry_again(retry, failure, &context, clock_now(), &wait))
        return err_move(err, failure);
    log_debug("grafana: %s; again in %.1f s", failure->message, wait);
    return cancel_sleep(g->request->cancel, wait) < 0
               ? err_set(err, ERR_CANCELLED, "cancelled: run the job again to go on")
               : 0;
}

/* Any request may be sent again: a user that is there is left as it is, a folder is found, and the
 * others set what they set. */
int grafana_call(struct grafana *g, const char *method, const char *path, const cJSON *body,
                 struct rest_answer *ret, struct err *err)
{
    struct retry retry;
    struct patience patience = { .start = 0 };
    retry_init(&retry);
    for (unsigned tries = 1;; tries++) {
        _cleanup_rest_answer_ struct rest_answer answer = REST_ANSWER_INIT;
        _cleanup_err_ struct err failure = ERR_INIT;
        if (try_call(g, method, path, body, &answer, &failure) == 0) {
            *ret = answer;
            answer = (struct rest_answer)REST_ANSWER_INIT;
            return 0;
        }
        if (wait_again(g, &answer, &retry, &patience, &failure, err) < 0)
            return err->class == ERR_TIMEOUT ? tell_late(g, method, path, tries, err) : -1;
    }
}

/* --- waiting ----------------------------------------------------------------------------- */

/* Whether Grafana says that it is well; else why it does not.
 * https://grafana.com/docs/grafana/latest/developers/http_api/other/#health-api */
static int look(struct grafana *g, struct err *err)
{
    _cleanup_rest_answer_ struct rest_answer answer = REST_ANSWER_INIT;
    if (rest_send(g->rest, "GET", "/api/health", NULL, &answer, err) < 0) {
        switch (answer.response.obstacle) {
        case HTTP_NO_NAME:
            return err_wrap(err, "its name is not in DNS yet");
        case HTTP_NO_CONNECTION:
            return err_wrap(err, "nobody takes the connection");
        case HTTP_NO_TRUST:
            return err_wrap(err, "its certificate is not valid");
        default:
            return err->class == ERR_TIMEOUT
                       ? err_set(err, ERR_TIMEOUT, "it has not answered within %.0f s",
                                 answer_seconds(g))
                       : -1;
        }
    }
    int status = answer.response.status;
    if (is_away(&answer))
        return err_set(err, ERR_UNHEALTHY,
                       "the load balancer has no healthy Grafana behind it (%d)%s", status,
                       json_get(answer.body, "database") != NULL ? ", whose database fails" : "");
    if (status != 200)
        return check_redirect(g, &answer, err) < 0
                   ? -1
                   : err_set(err, ERR_UNHEALTHY, "it answers %d to /api/health", status);
    if (!str_eq(json_str(answer.body, "database"), "ok"))
        return err_set(err, ERR_UNHEALTHY,
                       "it answers, but not as a Grafana does whose database is ok");
    return 0;
}

/* Looks until it is there. */
static int await(struct grafana *g, struct err *err)
{
    struct patience patience = patience_begin(g);
    for (;;) {
        _cleanup_err_ struct err why = ERR_INIT;
        if (look(g, &why) == 0)
            return 0;
        if (why.class == ERR_CANCELLED || g->hopeless)
            return err_move(err, &why);
        if (wait_more(g, &patience, &why, err) < 0)
            return -1;
    }
}

int grafana_await(struct grafana *g, struct session *s, bool *ret_there, struct err *err)
{
    g->session = s;
    if (open_rest(g, err) < 0 || grafana_secret_value(g, &g->password, err) < 0)
        return -1;
    if (!g->request->plan) {
        if (await(g, err) < 0)
            return -1;
        *ret_there = true;
    } else {
        _cleanup_err_ struct err why = ERR_INIT;
        bool there = look(g, &why) == 0;
        if (why.class == ERR_CANCELLED || g->hopeless)
            return err_move(err, &why);
        if (!there)
            log_info("Grafana at '%s' is not there: %s", g->url, why.message);
        *ret_there = there;
    }
    rest_authorize_basic(g->rest, g->login, g->password.value);
    return 0;
}

/* --- the run ----------------------------------------------------------------------------- */

void grafana_fail(struct grafana *g, const struct err *err, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    _cleanup_free_ char *what = xvasprintf(fmt, ap);
    va_end(ap);
    if (g->failures.n == 0)
        g->class = err->class;
    strlist_add(&g->failures, what);
}

void grafana_say_change(struct grafana *g, const char *verb, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    _cleanup_free_ char *what = xvasprintf(fmt, ap);
    va_end(ap);
    g->changes++;
    log_info("%s%s %s", g->request->plan ? "would have " : "", verb, what);
}

void grafana_say_absent(const struct grafana *g)
{
    log_info("a job that writes would wait for it up to %.0f s, and see that it has %zu user%s and "
             "their folders",
             g->timeout, g->n_users, g->n_users == 1 ? "" : "s");
}

/* What could not be done, all of it, as one error. */
static int tell_failures(const struct grafana *g, struct err *err)
{
    if (g->failures.n == 0)
        return 0;
    _cleanup_strbuf_ struct strbuf all = STRBUF_INIT;
    for (size_t i = 0; i < g->failures.n; i++)
        strbuf_addf(&all, "\n%s", g->failures.v[i]);
    return err_set(err, g->class, "Grafana is not as the spec wants it, all else is:%s", all.buf);
}

static void say_verdict(const struct grafana *g)
{
    _cleanup_strbuf_ struct strbuf users = STRBUF_INIT;
    strbuf_addf(&users, "%zu user%s", g->n_users, g->n_users == 1 ? "" : "s");
    if (g->request->plan)
        log_info("this was a plan of Grafana at '%s': %s, %u change%s, nothing was changed", g->url,
                 users.buf, g->changes, g->changes == 1 ? "" : "s");
    else if (g->changes == 0)
        log_info("Grafana at '%s' is as the spec wants it: %s, nothing to do", g->url, users.buf);
    else
        log_info("Grafana at '%s' is as the spec wants it: %s, %u change%s", g->url, users.buf,
                 g->changes, g->changes == 1 ? "" : "s");
}

int grafana_work(struct grafana *g, struct err *err)
{
    if (grafana_make_users(g, err) < 0 || grafana_make_folders(g, err) < 0) {
        for (size_t i = 0; i < g->failures.n; i++)
            log_error("%s", g->failures.v[i]);
        return -1;
    }
    if (tell_failures(g, err) < 0)
        return -1;
    say_verdict(g);
    return 0;
}

/* --- the driver -------------------------------------------------------------------------- */

/* No resources of its own: the spec's users, kept for the job that makes them. */
static int grafana_want(struct graph *g, const cJSON *spec, struct err *err)
{
    cJSON_Delete(g->grafana);
    g->grafana = json_dup(json_get(spec, "grafana"));
    return grafana_check_users(g->grafana, err);
}

static void each_secret(const struct graph *g, struct strlist *ret,
                        void (*add)(struct strlist *ret, const char *secret))
{
    const cJSON *user;
    const char *administrator = json_str_at(g->grafana, "administrator/password");
    if (administrator != NULL)
        add(ret, administrator);
    cJSON_ArrayForEach (user, json_get(g->grafana, "users"))
        if (json_str(user, "password") != NULL)
            add(ret, json_str(user, "password"));
}

static void parameters(const struct graph *g, struct strlist *ret)
{
    each_secret(g, ret, permission_add_parameter);
}

static void secrets(const struct graph *g, struct strlist *ret)
{
    each_secret(g, ret, permission_add_secret);
}

const struct permission grafana_permissions[] = {
    { .sid = "GrafanaParameters",
      .actions = "ssm:GetParameters",
      .resources = "ssm:parameter/${NAME}",
      .names = parameters },
    { .sid = "GrafanaSecrets",
      .actions = "secretsmanager:GetSecretValue",
      .resources = "secretsmanager:secret:${NAME}",
      .names = secrets },
    { .sid = NULL },
};

static const struct resource_type *const grafana_types[] = { NULL };

extern const struct driver grafana_driver;
const struct driver grafana_driver = {
    .name = "grafana",
    .types = grafana_types,
    .permissions = grafana_permissions,
    .want = grafana_want,
};
