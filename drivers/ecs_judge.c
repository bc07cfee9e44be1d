/* SPDX-License-Identifier: MIT */
#include <inttypes.h>

#include "drivers/common.h"
#include "drivers/ecs.h"

/*
 * Whether a service's deployment is done. A service is stable again after its circuit breaker has
 * rolled a deployment back, so being stable is not enough: the primary deployment must be the one
 * that this run began, as in amazon-ecs-deploy-task-definition since
 * https://github.com/aws-actions/amazon-ecs-deploy-task-definition/pull/860.
 */

#define EVENTS_TOLD 3
/* For how long ECS may find no place for tasks: a task that ends elsewhere makes room, a quota or
 * a zone without capacity does not pass so soon. */
#define PLACE_SECONDS 300.0
/* For how long ECS may fail to launch tasks: a role that is new is known a little later, and it
 * tries again every 30 s. https://github.com/pulumi/pulumi-awsx/issues/927 */
#define LAUNCH_SECONDS 60.0

void ecs_service_remember(struct resource *r, const cJSON *service)
{
    static const char *const members[] = {
        "status", "desiredCount", "runningCount", "pendingCount", "deployments", "events", NULL
    };
    cJSON *state = json_pick(service, members);
    cJSON *events = json_get(state, "events");
    while (json_count(events) > 20)
        cJSON_DeleteItemFromArray(events, 20);
    json_put(r->memo, "state", state);
    const cJSON *primary = json_find(json_get(state, "deployments"), "status", "PRIMARY");
    if (str_eq(json_str(primary, "rolloutState"), "IN_PROGRESS"))
        json_put_str(r->memo, "awaited", json_str(primary, "id"));
    ecs_service_blame(r);
    const cJSON *created = json_get(service, "createdAt");
    if (cJSON_IsNumber(created))
        json_put_int(r->memo, RESOURCE_CREATED, (int64_t)created->valuedouble);
}

/* A date of a deployment or an event, in seconds since 1970; 0 if that is not known. */
static double date_of(const cJSON *what, const char *member)
{
    const cJSON *when = json_get(what, member);
    return cJSON_IsNumber(when) ? when->valuedouble : 0;
}

static double created_at(const cJSON *what)
{
    return date_of(what, "createdAt");
}

void ecs_service_begun(struct resource *r, const cJSON *service)
{
    const cJSON *primary = json_find(json_get(service, "deployments"), "status", "PRIMARY");
    json_put_str(r->memo, "deployment", json_str(primary, "id"));
    if (created_at(primary) > 0)
        json_put(r->memo, "begun", cJSON_CreateNumber(created_at(primary)));
    static const char *const earlier[] = { "seen", "signs", "stops", "restarted" };
    for (size_t i = 0; i < ARRAY_SIZE(earlier); i++)
        cJSON_DeleteItemFromObjectCaseSensitive(r->memo, earlier[i]);
}

static const cJSON *primary_of(const struct resource *r)
{
    return json_find(json_at(r->memo, "state/deployments"), "status", "PRIMARY");
}

static const cJSON *own_deployment(const struct resource *r)
{
    const char *id = json_str(r->memo, "deployment");
    return id ? json_find(json_at(r->memo, "state/deployments"), "id", id) : NULL;
}

void ecs_service_seen(struct resource *r)
{
    if (own_deployment(r) != NULL)
        json_put_bool(r->memo, "seen", true);
}

static bool other_is_primary(const struct resource *r)
{
    const char *id = json_str(r->memo, "deployment");
    const cJSON *primary = primary_of(r);
    return id != NULL && primary != NULL && !str_eq(json_str(primary, "id"), id);
}

/*
 * Whether what ECS tells is older than the deployment that this run began: "the Amazon ECS API
 * follows an eventual consistency model",
 * https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html. Once it has been
 * seen, its absence is news. A rollback makes an older deployment the primary one again: that has
 * been updated since.
 */
static bool state_is_stale(const struct resource *r)
{
    const cJSON *begun = json_get(r->memo, "begun"), *primary = primary_of(r);
    return other_is_primary(r) && !json_bool(r->memo, "seen", false) && begun != NULL &&
           created_at(primary) > 0 && created_at(primary) < begun->valuedouble &&
           date_of(primary, "updatedAt") < begun->valuedouble;
}

bool ecs_service_is_replaced(const struct resource *r)
{
    return other_is_primary(r) && !state_is_stale(r);
}

/* "…:task-definition/family:7" -> "family:7". */
static const char *revision_of(const cJSON *deployment)
{
    const char *arn = json_str(deployment, "taskDefinition");
    const char *slash = arn != NULL ? strrchr(arn, '/') : NULL;
    if (slash != NULL)
        return slash + 1;
    return arn != NULL ? arn : "unknown";
}

/* Events are ECS's own account of what goes wrong; most of them only tell of success. */
bool ecs_event_tells(const char *message)
{
    static const char *const words[] = { "fail",           "unhealthy",      "error",
                                         "throttl",        "unable",         "missing",
                                         "rolling back",   "rolled back",    "stopped",
                                         "alarm detected", "circuit breaker" };
    for (size_t i = 0; message != NULL && i < ARRAY_SIZE(words); i++)
        if (strcasestr(message, words[i]) != NULL)
            return true;
    return false;
}

/* A sentence of ECS's within one of ours: without its full stop. */
static void add_sentence(struct strbuf *why, const char *sentence)
{
    size_t n = strlen(sentence);
    strbuf_add(why, sentence, str_ends(sentence, ".") ? n - 1 : n);
}

/* Events begin with "(service NAME) ", which whoever reads this knows. */
const char *ecs_event_text(const char *message)
{
    const char *end = str_starts(message, "(service ") ? strstr(message, ") ") : NULL;
    return end != NULL ? end + 2 : message;
}

double ecs_service_since(const struct resource *r)
{
    const cJSON *begun = json_get(r->memo, "begun");
    return begun != NULL ? begun->valuedouble : created_at(primary_of(r));
}

/* The newest of the events with these words since a task was started last, and in *ret_seconds how
 * long before it the first of them was. */
static const cJSON *hindrance(const struct resource *r, const char *words, double *ret_seconds)
{
    const cJSON *event, *newest = NULL;
    *ret_seconds = 0;
    cJSON_ArrayForEach (event, json_at(r->memo, "state/events")) {
        const char *message = json_str(event, "message");
        if (message == NULL || created_at(event) < ecs_service_since(r))
            continue;
        if (strstr(message, "has started") != NULL)
            break;
        if (strstr(message, words) == NULL)
            continue;
        newest = newest != NULL ? newest : event;
        *ret_seconds = created_at(newest) - created_at(event);
    }
    return newest;
}

/* https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-event-messages-list.html */
static const cJSON *unplaced(const struct resource *r, double *ret_seconds)
{
    return hindrance(r, "unable to place a task", ret_seconds);
}

/* There is no task then whose end could tell of it: https://github.com/boto/boto3/issues/1878 */
static const cJSON *unlaunched(const struct resource *r, double *ret_seconds)
{
    return hindrance(r, "failed to launch a task", ret_seconds);
}

const char *ecs_service_unplaced(const struct resource *r)
{
    static const char reason[] = "Reason: ";
    double seconds;
    const char *message = json_str(unplaced(r, &seconds), "message");
    const char *at = message != NULL ? strstr(message, reason) : NULL;
    return at != NULL ? at + strlen(reason) : message;
}

/* Follows what judging it tells of: an application that ends by itself, again and again, may now
 * and then find no place, too. */
void ecs_service_blame(struct resource *r)
{
    double seconds;
    size_t n;
    bool unplaced_now = unplaced(r, &seconds) != NULL && !ecs_stops_are_a_loop(r);
    bool ended = ecs_stops_prevailing(json_get(r->memo, "stops"), &n) != NULL;
    json_put_bool(r->memo, RESOURCE_BLAMELESS,
                  unplaced_now && (seconds >= PLACE_SECONDS || !ended));
}

/* The newest events that tell something. What was said before the deployment began is about
 * another. */
static void add_events(const struct resource *r, struct strbuf *why)
{
    int told = 0;
    double since = ecs_service_since(r);
    const cJSON *event;
    cJSON_ArrayForEach (event, json_at(r->memo, "state/events")) {
        const char *message = json_str(event, "message");
        bool earlier = created_at(event) > 0 && created_at(event) < since;
        if (earlier || !ecs_event_tells(message) || told == EVENTS_TOLD)
            continue;
        strbuf_adds(why, told++ == 0 ? "; ECS says: " : "; ");
        add_sentence(why, ecs_event_text(message));
    }
}

/* What ECS tells of a deployment once that is not listed any more. */
static bool event_tells_failure_of(const struct resource *r, const char *deployment)
{
    _cleanup_free_ char *failure = xasprintf("(deployment %s) deployment failed", deployment);
    const cJSON *event;
    cJSON_ArrayForEach (event, json_at(r->memo, "state/events")) {
        const char *message = json_str(event, "message");
        if (message != NULL && strstr(message, failure) != NULL)
            return true;
    }
    return false;
}

/* Why tasks end, where that is known: it says more than what ECS makes of it. */
static bool add_stops(const struct resource *r, const char *before, struct strbuf *why)
{
    size_t n = 0;
    const cJSON *stop = ecs_stops_prevailing(json_get(r->memo, "stops"), &n);
    if (stop == NULL)
        return false;
    strbuf_adds(why, before);
    ecs_stop_tell(stop, n, why);
    return true;
}

static const char no_reason[] = "ECS gives no reason";

/* Whether ECS only says that tasks have ended, of which their ends say more; an alarm, or somebody
 * who has stopped the deployment, is another cause, even if a task has ended as well. */
static bool is_about_ends(const char *reason)
{
    return reason == NULL || reason == no_reason || strcasestr(reason, "circuit breaker") != NULL ||
           strcasestr(reason, "failed to start") != NULL;
}

/* What ECS says of a failed deployment itself: "tasks failed to start". */
static void add_reason(const struct resource *r, const char *reason, struct strbuf *why)
{
    if (is_about_ends(reason) && add_stops(r, ": ", why))
        return;
    if (reason != NULL) {
        strbuf_adds(why, ": ");
        add_sentence(why, reason);
    }
    if (!add_stops(r, "; ", why))
        add_events(r, why);
}

static bool reason_tells_rollback(const char *reason)
{
    return reason != NULL && (strcasestr(reason, "roll") || strcasestr(reason, "circuit"));
}

static void say_rollback(const struct resource *r, const cJSON *primary, const char *reason,
                         struct strbuf *why)
{
    strbuf_addf(why, "its deployment failed and was rolled back to '%s'", revision_of(primary));
    add_reason(r, reason, why);
}

/* Another deployment is the primary one: a rollback of ours, or somebody else's. */
static enum readiness judge_replaced(const struct resource *r, struct strbuf *why)
{
    const cJSON *own = own_deployment(r);
    const cJSON *primary = primary_of(r);
    const char *reason = json_str(own, "rolloutStateReason");
    const char *primary_reason = json_str(primary, "rolloutStateReason");
    if (reason == NULL && reason_tells_rollback(primary_reason))
        reason = primary_reason;
    if (str_eq(json_str(own, "rolloutState"), "FAILED") || reason_tells_rollback(primary_reason) ||
        event_tells_failure_of(r, json_str(r->memo, "deployment"))) {
        say_rollback(r, primary, reason, why);
        return FAILED;
    }
    int64_t pipeline = json_int(r->memo, "pipeline", 0);
    if (pipeline > 0)
        strbuf_addf(why, "its deployment was replaced by pipeline %" PRId64 ", which runs '%s'",
                    pipeline, revision_of(primary));
    else
        strbuf_addf(why, "its deployment was replaced by another, '%s', of '%s'",
                    json_str(primary, "id"), revision_of(primary));
    return FAILED;
}

/*
 * A deployment of another run that this one awaits, whose id it does not know: the one of the
 * revision that is wanted. ECS says of a deployment that it is a rollback, or still lists the one
 * that has failed.
 */
static bool awaited_is_rolled_back(const struct resource *r, const cJSON *primary,
                                   const char **ret_reason)
{
    const char *wanted = json_str(r->target, "taskDefinition");
    const char *primary_reason = json_str(primary, "rolloutStateReason");
    if (json_get(r->memo, "deployment") != NULL || wanted == NULL ||
        str_eq(json_str(primary, "taskDefinition"), wanted))
        return false;
    const cJSON *awaited =
        json_find(json_at(r->memo, "state/deployments"), "taskDefinition", wanted);
    const char *reason = json_str(awaited, "rolloutStateReason");
    *ret_reason = reason != NULL ? reason : primary_reason;
    return str_eq(json_str(awaited, "rolloutState"), "FAILED") ||
           reason_tells_rollback(primary_reason);
}

/* ECS has done its part; what the load balancer sees, or which tasks run, may have changed since.
 */
static enum readiness judge_complete(const struct resource *r, struct strbuf *why)
{
    return ecs_tasks_are_healthy(r, why) && ecs_targets_are_healthy(r, why) ? READY : WAITING;
}

/* The last words of a wait for room, and its end. */
static bool has_no_place(const struct resource *r, struct strbuf *why)
{
    double seconds;
    if (unplaced(r, &seconds) == NULL || seconds < PLACE_SECONDS)
        return false;
    strbuf_adds(why, "ECS finds no place for its tasks: ");
    add_sentence(why, ecs_service_unplaced(r));
    return true;
}

/* "(service x) failed to launch a task with (error ECS was unable to assume the role 'r' that was
 * provided for this task. Please verify ...)." */
static bool cannot_launch(const struct resource *r, struct strbuf *why)
{
    static const char error[] = "(error ";
    double seconds;
    const char *message = json_str(unlaunched(r, &seconds), "message");
    if (message == NULL || seconds < LAUNCH_SECONDS)
        return false;
    const char *at = strstr(message, error);
    at = at != NULL ? at + strlen(error) : ecs_event_text(message);
    size_t n = strlen(at);
    while (n > 0 && strchr(".)", at[n - 1]) != NULL)
        n--;
    strbuf_addf(why, "its tasks cannot be launched: %.*s", (int)n, at);
    return true;
}

/* Whether ECS stops tasks of older deployments, as it does once all new ones are healthy: before
 * that, they run beside them. */
static bool is_stopping_old(const struct resource *r, const cJSON *primary)
{
    bool stopping = str_eq(json_str(primary, "rolloutState"), "COMPLETED");
    const cJSON *event;
    cJSON_ArrayForEach (event, json_at(r->memo, "state/events")) {
        const char *message = json_str(event, "message");
        stopping = stopping || (created_at(event) >= ecs_service_since(r) && message != NULL &&
                                strstr(message, "has stopped") != NULL);
    }
    return stopping;
}

/* Why it is not ready yet: how many tasks run, and what has gone wrong so far. */
static void say_progress(const struct resource *r, const cJSON *primary, struct strbuf *why)
{
    const cJSON *state = json_get(r->memo, "state");
    int64_t desired = json_int(state, "desiredCount", 0);
    int64_t failed = json_int(primary, "failedTasks", 0);
    double seconds;
    strbuf_addf(why, "%" PRId64 " of %" PRId64 " tasks of '%s' run",
                json_int(primary, "runningCount", 0), desired, revision_of(primary));
    if (failed > 0)
        strbuf_addf(why, ", %" PRId64 " failed", failed);
    if (add_stops(r, "; ", why))
        return;
    if (failed > 0 || ecs_service_unplaced(r) != NULL || unlaunched(r, &seconds) != NULL)
        add_events(r, why);
    else if (json_int(state, "runningCount", 0) > desired && is_stopping_old(r, primary))
        strbuf_adds(why, ", old ones are being stopped");
    else if (json_int(primary, "runningCount", 0) >= desired)
        strbuf_adds(why, ", not all healthy yet");
}

static enum readiness judge_primary(const struct resource *r, const cJSON *primary,
                                    struct strbuf *why)
{
    const cJSON *state = json_get(r->memo, "state");
    const char *rollout = json_str(primary, "rolloutState");
    int64_t desired = json_int(state, "desiredCount", 0);
    int64_t running = json_int(state, "runningCount", 0);
    if (str_eq(rollout, "FAILED")) {
        const char *reason = json_str(primary, "rolloutStateReason");
        strbuf_adds(why, "its deployment failed");
        add_reason(r, reason ? reason : no_reason, why);
        return FAILED;
    }
    /* Without a rollout state (a controller other than ECS's) the counts decide. */
    bool complete = rollout == NULL || str_eq(rollout, "COMPLETED");
    if (ecs_stops_are_a_loop(r)) {
        add_stops(r, "", why);
        return FAILED;
    }
    if (complete && running == desired)
        return judge_complete(r, why);
    if (has_no_place(r, why) || cannot_launch(r, why))
        return FAILED;
    say_progress(r, primary, why);
    _cleanup_strbuf_ struct strbuf targets = STRBUF_INIT;
    if (!ecs_targets_are_healthy(r, &targets))
        strbuf_addf(why, "; %s", targets.buf);
    return WAITING;
}

enum readiness ecs_service_judge(const struct resource *r, struct strbuf *why)
{
    const cJSON *primary = primary_of(r);
    if (str_eq(json_str(json_get(r->memo, "state"), "status"), "DRAINING")) {
        strbuf_adds(why, "it is still draining");
        return WAITING;
    }
    if (primary == NULL) {
        strbuf_adds(why, "ECS has begun no deployment yet");
        return WAITING;
    }
    if (state_is_stale(r)) {
        strbuf_adds(why, "ECS does not show its deployment yet");
        return WAITING;
    }
    if (ecs_service_is_replaced(r))
        return judge_replaced(r, why);
    const char *reason;
    if (awaited_is_rolled_back(r, primary, &reason)) {
        say_rollback(r, primary, reason, why);
        return FAILED;
    }
    return judge_primary(r, primary, why);
}
