/* SPDX-License-Identifier: MIT */
/*
 * Tasks of a deployment that end again and again. ECS goes on starting them, with pauses that grow
 * to a quarter of an hour
 * (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-throttle-logic.html), and
 * its circuit breaker counts only those that never ran: "failedTasks" is 0 again as soon as one
 * runs (https://github.com/aws/containers-roadmap/issues/1206). So their ends are read when there
 * is a sign of one, and enough of them are the verdict.
 */
#include <signal.h>

#include "drivers/common.h"
#include "drivers/ecs.h"
#include "executor/base/log.h"
#include "executor/base/utf8.h"

#define DETAIL_MAX 500 /* bytes of what AWS says, in a sentence */

/* How often each of the tasks that are wanted may end before it is a loop: what cannot even start
 * does not start the next time either; what has run may have missed something that comes up. */
#define ENDS_OF_STARTS 1
#define ENDS_OF_RUNS   2

const char *ecs_deployment_of(const struct resource *r)
{
    const char *own = json_str(r->memo, "deployment");
    const cJSON *primary = json_find(json_at(r->memo, "state/deployments"), "status", "PRIMARY");
    return own != NULL ? own : json_str(primary, "id");
}

/* "has started 2 tasks: ..." -> 2. */
static int64_t started_by(const char *message)
{
    static const char words[] = "has started ";
    const char *at = message != NULL ? strstr(message, words) : NULL;
    return at != NULL ? strtol(at + strlen(words), NULL, 10) : 0;
}

int64_t ecs_started_since(const struct resource *r, double since)
{
    int64_t n = 0;
    const cJSON *event;
    cJSON_ArrayForEach (event, json_at(r->memo, "state/events")) {
        const cJSON *when = json_get(event, "createdAt");
        if (cJSON_IsNumber(when) && when->valuedouble >= since)
            n += started_by(json_str(event, "message"));
    }
    return n;
}

/* What there is to see from outside of tasks that end; NULL where none does. The caller frees it.
 */
static char *signs_of(const struct resource *r)
{
    const cJSON *state = json_get(r->memo, "state");
    const char *id = ecs_deployment_of(r);
    const cJSON *deployment = id ? json_find(json_get(state, "deployments"), "id", id) : NULL;
    int64_t desired = json_int(state, "desiredCount", 0);
    int64_t started = ecs_started_since(r, ecs_service_since(r));
    int64_t failed = json_int(deployment, "failedTasks", 0);
    const char *rollout = json_str(deployment, "rolloutState");
    bool gone = deployment == NULL || !str_eq(json_str(deployment, "status"), "PRIMARY");
    bool well =
        str_eq(rollout, "COMPLETED")
            ? json_int(deployment, "runningCount", 0) >= desired && !ecs_service_has_restarted(r)
            : failed == 0 && started <= desired && !str_eq(rollout, "FAILED");
    if (id == NULL || (gone ? !ecs_service_is_replaced(r) : well))
        return NULL;
    return xasprintf("%d %d %s %d", (int)started, (int)failed, rollout ? rollout : "-",
                     (int)json_int(deployment, "runningCount", 0));
}

/* "(service x) (port 80) is unhealthy in (target-group a) due to (reason Health checks failed with
 * these codes: [502])." tells more than the end of the task, "Task failed ELB health checks in
 * (target-group a)". */
static void add_target_reason(const struct resource *r, cJSON *stop)
{
    static const char due[] = "due to (reason ";
    const cJSON *event;
    cJSON_ArrayForEach (event, json_at(r->memo, "state/events")) {
        const char *message = json_str(event, "message");
        const char *at = message != NULL && strstr(message, "is unhealthy in (target-group ")
                             ? strstr(message, due)
                             : NULL;
        if (at == NULL)
            continue;
        at += strlen(due);
        json_put_strf(stop, "detail", "%.*s", (int)strcspn(at, ")"), at);
        return;
    }
}

void ecs_stops_look(struct session *s, struct resource *r)
{
    _cleanup_free_ char *signs = r->want != NULL ? signs_of(r) : NULL;
    if (signs == NULL || str_eq(signs, json_str(r->memo, "signs")))
        return;
    _cleanup_json_ cJSON *all = NULL, *own = cJSON_CreateArray();
    _cleanup_err_ struct err failure = ERR_INIT;
    int status = ecs_stops_read(s, r, &all, &failure);
    /* What passes, a throttle, is asked again at the next look; what is denied is denied then, too.
     */
    if (status == 0 || failure.class == ERR_DENIED)
        json_put_str(r->memo, "signs", signs);
    if (status < 0)
        return; /* a verdict without reasons is better than none */
    cJSON *stop;
    cJSON_ArrayForEach (stop, all) {
        if (!str_eq(json_str(stop, "deployment"), ecs_deployment_of(r)))
            continue;
        if (str_eq(json_str(stop, "kind"), ECS_STOP_TARGET))
            add_target_reason(r, stop);
        json_push(own, json_dup(stop));
    }
    json_put(r->memo, "stops", steal_ptr(&own));
}

static size_t count_kind(const cJSON *stops, const char *kind)
{
    size_t n = 0;
    const cJSON *stop;
    cJSON_ArrayForEach (stop, stops)
        n += str_eq(json_str(stop, "kind"), kind);
    return n;
}

/* The newest of its kind; of exits the newest whose code is known, if there is one: while a task is
 * being stopped, it has none yet. */
static const cJSON *example_of(const cJSON *stops, const char *kind)
{
    const cJSON *stop, *newest = NULL;
    cJSON_ArrayForEach (stop, stops) {
        if (!str_eq(json_str(stop, "kind"), kind))
            continue;
        if (strcmp(kind, ECS_STOP_EXIT) != 0 || json_get(stop, "exitCode") != NULL)
            return stop;
        newest = newest != NULL ? newest : stop;
    }
    return newest;
}

const cJSON *ecs_stops_prevailing(const cJSON *stops, size_t *ret_n)
{
    const char *most = NULL;
    size_t n_most = 0;
    const cJSON *stop;
    cJSON_ArrayForEach (stop, stops) {
        const char *kind = json_str(stop, "kind");
        size_t n = kind != NULL ? count_kind(stops, kind) : 0;
        if (n > n_most) {
            most = kind;
            n_most = n;
        }
    }
    *ret_n = n_most;
    return most != NULL ? example_of(stops, most) : NULL;
}

/* Ends that the circuit breaker counts are its to judge, where there is one. */
static int64_t left_to_breaker(const struct resource *r)
{
    const char *id = ecs_deployment_of(r);
    const cJSON *breaker = json_at(r->have, "deploymentConfiguration/deploymentCircuitBreaker");
    const cJSON *own = id ? json_find(json_at(r->memo, "state/deployments"), "id", id) : NULL;
    return json_bool(breaker, "enable", false) ? json_int(own, "failedTasks", 0) : 0;
}

bool ecs_stop_has_run(const cJSON *stop)
{
    const char *kind = json_str(stop, "kind");
    return str_eq(kind, ECS_STOP_EXIT) || str_eq(kind, ECS_STOP_MEMORY) ||
           str_eq(kind, ECS_STOP_HEALTH) || str_eq(kind, ECS_STOP_TARGET);
}

bool ecs_stops_are_a_loop(const struct resource *r)
{
    size_t n = 0;
    const cJSON *stop = ecs_stops_prevailing(json_get(r->memo, "stops"), &n);
    if (stop == NULL)
        return false;
    bool ran = ecs_stop_has_run(stop);
    int64_t desired = json_int(json_get(r->memo, "state"), "desiredCount", 0);
    if (!ran && ecs_service_runs(r))
        return false; /* what could not start has started since */
    int64_t ends = (int64_t)n - left_to_breaker(r);
    return ends > desired * (ran ? ENDS_OF_RUNS : ENDS_OF_STARTS);
}

/* "exits with 1", "exits with 137 (SIGKILL)". */
static void add_exit_code(struct strbuf *out, int64_t code)
{
    const char *signal = code > 128 && code < 192 ? sigabbrev_np((int)code - 128) : NULL;
    strbuf_addf(out, "exits with %d", (int)code);
    if (signal != NULL)
        strbuf_addf(out, " (SIG%s)", signal);
}

static const struct {
    const char *kind, *said, *cure;
} words[] = {
    { ECS_STOP_PULL, "its image cannot be pulled",
      "push it, or let the execution role pull it, and run the job again" },
    { ECS_STOP_SECRET, "a secret cannot be read",
      "create it, or let the execution role read it, and run the job again" },
    { ECS_STOP_ROLE, "its role cannot be assumed", "correct the role's name, or whom it trusts" },
    { ECS_STOP_LOG, "its log cannot be written",
      "have the execution role allowed to write to the log group" },
    { ECS_STOP_START, "its tasks cannot be started", NULL },
    { ECS_STOP_MEMORY, "runs out of memory", "give it more, or have it use less" },
    { ECS_STOP_EXIT, "ends", NULL }, /* where its code is not known */
    { ECS_STOP_HEALTH, "fails its health check", NULL },
    { ECS_STOP_TARGET, "fails the load balancer's health check",
      "see what it answers there, and path and port of the target group's healthCheck" },
};

static size_t words_of(const cJSON *stop)
{
    size_t i = 0;
    while (i + 1 < ARRAY_SIZE(words) && !str_eq(words[i].kind, json_str(stop, "kind")))
        i++;
    return i;
}

const char *ecs_stop_cure(const cJSON *stop)
{
    return words[words_of(stop)].cure;
}

/* What AWS says, on one line, as long as it helps. */
static void add_detail(struct strbuf *out, const cJSON *stop)
{
    _cleanup_strbuf_ struct strbuf detail = STRBUF_INIT;
    strbuf_adds(&detail, json_str(stop, "detail") ? json_str(stop, "detail") : "");
    redact(&detail); /* before a secret is cut in two */
    size_t n = strcspn(detail.buf, "\n");
    n = n < DETAIL_MAX ? n : utf8_valid(detail.buf, DETAIL_MAX);
    while (n > 0 && strchr(" .", detail.buf[n - 1]) != NULL)
        n--;
    if (n > 0)
        strbuf_addf(out, ": %.*s", (int)n, detail.buf);
}

void ecs_stop_tell(const cJSON *stop, size_t n, struct strbuf *out)
{
    const char *kind = json_str(stop, "kind"), *said = words[words_of(stop)].said;
    const char *container = json_str(stop, "container");
    if (ecs_stop_has_run(stop))
        strbuf_addf(out, "its container '%s' ", container != NULL ? container : "?");
    if (str_eq(kind, ECS_STOP_EXIT) && json_get(stop, "exitCode") != NULL) {
        add_exit_code(out, json_int(stop, "exitCode", 0));
    } else {
        strbuf_adds(out, said);
        if (!str_eq(kind, ECS_STOP_HEALTH))
            add_detail(out, stop);
    }
    if (n > 1)
        strbuf_addf(out, "%s (%zu tasks)", ecs_stop_has_run(stop) ? ", again and again" : "", n);
}
