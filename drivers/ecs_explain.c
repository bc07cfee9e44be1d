/* SPDX-License-Identifier: MIT */
/*
 * Why a service failed, for those who read the log of the job: what ECS, the load balancer and the
 * alarms tell, and the end of what its container has written (ecs_log.c).
 */
#include <inttypes.h>

#include "drivers/common.h"
#include "drivers/ecs.h"
#include "drivers/explanation.h"

#define EVENTS_SHOWN 40
#define STOPS_SHOWN  10

/* "10:04:59", of a date in seconds since 1970; in UTC, as the runner's own dates. */
static void put_time(const cJSON *seconds, char *buf, size_t size)
{
    char date[32];
    if (!cJSON_IsNumber(seconds)) {
        snprintf(buf, size, "--:--:--");
        return;
    }
    clock_iso_date((time_t)seconds->valuedouble, date, sizeof(date));
    snprintf(buf, size, "%.8s", date + strlen("2006-01-02T"));
}

/* --- events ---------------------------------------------------------------------------------- */

/* DescribeServices' answer of now; what the run saw last where that cannot be read. */
static cJSON *events_read(struct session *s, const struct resource *r, cJSON *lines)
{
    _cleanup_json_ cJSON *input = cJSON_CreateObject(), *output = NULL;
    _cleanup_err_ struct err err = ERR_INIT;
    json_put_str(input, "cluster", r->graph->context.environment);
    json_push_str(json_put_array(input, "services"), r->name);
    if (aws_call(s, "ecs", "DescribeServices", input, &output, &err) < 0)
        explanation_unread(lines, "the newest events", &err);
    const cJSON *events = json_at(output, "services/0/events");
    return json_dup(events != NULL ? events : json_at(r->memo, "state/events"));
}

/* The last of those that follow `first`, n with it, and say the same; *ret_times: how many say it.
 * In AWS's list the newer stands before the older. */
static const cJSON *last_of_run(const cJSON *first, size_t n, size_t *ret_times)
{
    const char *message = json_str(first, "message");
    for (*ret_times = 1; *ret_times < n && message != NULL; ++*ret_times, first = first->prev) {
        const char *next = json_str(first->prev, "message");
        if (next == NULL || strcmp(ecs_event_text(next), ecs_event_text(message)) != 0)
            break;
    }
    return first;
}

/* "10:04:59 was unable to place a task."; ECS says some things again and again. */
static void add_event(cJSON *lines, const cJSON *first, const cJSON *last, size_t times)
{
    char at[16], until[16];
    put_time(json_get(first, "createdAt"), at, sizeof(at));
    put_time(json_get(last, "createdAt"), until, sizeof(until));
    const char *message = json_str(first, "message");
    explanation_line(lines, "%s %s", at, message != NULL ? ecs_event_text(message) : "");
    if (times > 1)
        explanation_line(lines, "the same %zu time%s more until %s", times - 1,
                         times == 2 ? "" : "s", until);
}

/* The oldest first, as one reads a log. */
static void explain_events(struct session *s, const struct resource *r, cJSON *explanation)
{
    cJSON *lines = explanation_section(explanation,
                                       "events of service '%s' since the deployment "
                                       "began (UTC)",
                                       r->label);
    _cleanup_json_ cJSON *events = events_read(s, r, lines);
    const cJSON *oldest = NULL, *event;
    size_t n = 0;
    cJSON_ArrayForEach (event, events) { /* the newest is the first */
        const cJSON *when = json_get(event, "createdAt");
        if (n == EVENTS_SHOWN || (cJSON_IsNumber(when) && when->valuedouble < ecs_service_since(r)))
            break;
        oldest = event;
        n++;
    }
    if (n == 0)
        explanation_line(lines, "ECS tells of none");
    for (size_t times; n > 0; n -= times, oldest = oldest->prev) {
        const cJSON *last = last_of_run(oldest, n, &times);
        add_event(lines, oldest, last, times);
        oldest = last;
    }
}

/* --- tasks ----------------------------------------------------------------------------------- */

static void add_stop(cJSON *lines, const cJSON *stop, int64_t times)
{
    char at[16];
    put_time(json_get(stop, "at"), at, sizeof(at));
    _cleanup_strbuf_ struct strbuf line = STRBUF_INIT;
    strbuf_addf(&line, "%s task %s", at, json_str(stop, "task"));
    if (times > 1)
        strbuf_addf(&line, ", as %" PRId64 " other%s", times - 1, times == 2 ? "" : "s");
    const char *code = json_str(stop, "code");
    explanation_line(lines, "%s: %s%s%s", line.buf, code != NULL ? code : "",
                     code != NULL ? ": " : "", json_str(stop, "reason"));
}

/* Those that stopped for one reason are one line; the newest is the first. */
static void explain_stops(const cJSON *stops, const struct resource *r, cJSON *explanation)
{
    cJSON *lines =
        explanation_section(explanation, "tasks of service '%s' that have stopped (UTC)", r->label);
    _cleanup_json_ cJSON *reasons = cJSON_CreateArray();
    const cJSON *stop;
    cJSON_ArrayForEach (stop, stops) {
        const cJSON *same = json_find(reasons, "reason", json_str(stop, "reason"));
        if (same == NULL)
            json_put_int(json_push(reasons, json_dup(stop)), "times", 1);
        else
            json_put_int((cJSON *)same, "times", json_int(same, "times", 1) + 1);
    }
    size_t n = 0;
    cJSON_ArrayForEach (stop, reasons)
        if (n++ < STOPS_SHOWN)
            add_stop(lines, stop, json_int(stop, "times", 1));
    if (n > STOPS_SHOWN)
        explanation_line(lines, "and %zu other reasons", n - STOPS_SHOWN);
}

static cJSON *stops_read(struct session *s, const struct resource *r, cJSON *explanation)
{
    _cleanup_err_ struct err err = ERR_INIT;
    _cleanup_json_ cJSON *all = NULL;
    cJSON *own = cJSON_CreateArray();
    if (ecs_stops_read(s, r, &all, &err) < 0) {
        explanation_unread(explanation_section(explanation, "tasks that have stopped"),
                           "why tasks have stopped", &err);
        cJSON_Delete(own);
        return json_dup(json_get(r->memo, "stops"));
    }
    /* What was stopped before this deployment began is another's. */
    const cJSON *stop;
    cJSON_ArrayForEach (stop, all)
        if (json_get(stop, "at")->valuedouble >= ecs_service_since(r))
            json_push(own, json_dup(stop));
    return own;
}

/* --- targets --------------------------------------------------------------------------------- */

static void add_target(cJSON *lines, const cJSON *description)
{
    const char *reason = json_str_at(description, "TargetHealth/Reason");
    const char *words = json_str_at(description, "TargetHealth/Description");
    explanation_line(lines, "%s:%" PRId64 " %s%s%s%s%s", json_str_at(description, "Target/Id"),
                     json_int(json_get(description, "Target"), "Port", 0),
                     json_str_at(description, "TargetHealth/State"), reason ? ": " : "",
                     reason ? reason : "", words ? ": " : "", words ? words : "");
}

static void explain_group(struct session *s, const char *arn, cJSON *explanation)
{
    _cleanup_free_ char *name = ecs_target_group_name(arn);
    cJSON *lines = explanation_section(explanation, "targets in target group '%s'", name);
    _cleanup_json_ cJSON *input = cJSON_CreateObject(), *output = NULL;
    _cleanup_err_ struct err err = ERR_INIT;
    json_put_str(input, "TargetGroupArn", arn);
    if (aws_call(s, "elbv2", "DescribeTargetHealth", input, &output, &err) < 0) {
        explanation_unread(lines, "the targets' health", &err);
        return;
    }
    const cJSON *description, *all = json_get(output, "TargetHealthDescriptions");
    if (json_count(all) == 0)
        explanation_line(lines, "there are none: when ECS stops a task, it takes its target out");
    cJSON_ArrayForEach (description, all)
        add_target(lines, description);
}

static void explain_targets(struct session *s, const struct resource *r, cJSON *explanation)
{
    const cJSON *balancer;
    cJSON_ArrayForEach (balancer, json_get(r->have, "loadBalancers")) {
        const char *arn = json_str(balancer, "targetGroupArn");
        if (arn != NULL)
            explain_group(s, arn, explanation);
    }
}

/* --- alarms ---------------------------------------------------------------------------------- */

static bool alarm_is_of(const struct resource *alarm, const struct resource *r)
{
    const cJSON *dimension;
    cJSON_ArrayForEach (dimension, json_get(alarm->want, "Dimensions"))
        if (str_eq(json_str(dimension, "Name"), "ServiceName") &&
            str_eq(json_str(dimension, "Value"), r->name))
            return true;
    return false;
}

/* The spec's alarms of the service, and those that its deployment listens to; the caller's. */
static cJSON *alarms_of(const struct resource *r)
{
    const struct graph *g = r->graph;
    cJSON *names = json_dup(json_at(r->target, "deploymentConfiguration/alarms/alarmNames"));
    names = names != NULL ? names : cJSON_CreateArray();
    for (size_t i = 0; i < g->n; i++)
        if (str_eq(g->v[i]->type->name, "cloudwatch.alarm") && alarm_is_of(g->v[i], r) &&
            !json_array_has(names, g->v[i]->name))
            json_push_str(names, g->v[i]->name);
    return names;
}

static void explain_alarms(struct session *s, const struct resource *r, cJSON *explanation)
{
    _cleanup_json_ cJSON *names = alarms_of(r), *input = cJSON_CreateObject(), *output = NULL;
    _cleanup_err_ struct err err = ERR_INIT;
    if (json_count(names) == 0)
        return;
    cJSON *lines = explanation_section(explanation, "alarms of service '%s'", r->label);
    json_put(input, "AlarmNames", steal_ptr(&names));
    if (aws_call(s, "monitoring", "DescribeAlarms", input, &output, &err) < 0) {
        explanation_unread(lines, "the alarms", &err);
        return;
    }
    const cJSON *alarm, *all = json_get(output, "MetricAlarms");
    if (json_count(all) == 0)
        explanation_line(lines, "there are none yet");
    cJSON_ArrayForEach (alarm, all) {
        const char *reason = json_str(alarm, "StateReason");
        explanation_line(lines, "%s %s%s%s", json_str(alarm, "AlarmName"),
                         json_str(alarm, "StateValue"), reason ? ": " : "", reason ? reason : "");
    }
}

/* --- the cause ------------------------------------------------------------------------------- */

/* "service 'automation-8527fec8-api' failed: its ..." -> "service 'api': its ..."; what to do is
 * that of the stop, or to read the log, where there is one; where nothing has stopped for there is
 * no place, to make some. */
static void put_cause(const struct resource *r, const cJSON *stops, bool logged, cJSON *explanation)
{
    _cleanup_free_ char *subject = xasprintf("service '%s' ", r->name);
    const char *rest =
        str_starts(r->error.message, subject) ? r->error.message + strlen(subject) : NULL;
    if (rest == NULL)
        return; /* a call has failed, and the error says which */
    size_t n;
    const cJSON *stop = ecs_stops_prevailing(stops, &n);
    const char *cure = stop != NULL ? ecs_stop_cure(stop) : NULL;
    if (cure == NULL && stop != NULL && logged)
        cure = "see the end of its log";
    if (cure == NULL && stop != NULL && str_eq(json_str(stop, "kind"), ECS_STOP_HEALTH))
        cure = "see what the spec's 'healthCheck' runs";
    if (stop == NULL && json_bool(r->memo, RESOURCE_BLAMELESS, false))
        cure = "stop tasks that nobody needs, or ask AWS for a higher quota, and run the job again";
    bool failed = str_starts(rest, "failed: ");
    explanation_cause(explanation, "service '%s'%s%s%s%s", r->label, failed ? ": " : " ",
                      failed ? rest + strlen("failed: ") : rest, cure ? "; " : "",
                      cure ? cure : "");
}

void ecs_service_explain(struct session *s, const struct resource *r, cJSON *explanation)
{
    const cJSON *known = json_get(r->memo, "stops");
    if (r->have == NULL || r->waiting_for == NULL) {
        put_cause(r, known, false, explanation);
        return;
    }
    explain_events(s, r, explanation);
    _cleanup_json_ cJSON *stops = stops_read(s, r, explanation);
    if (json_count(stops) > 0)
        explain_stops(stops, r, explanation);
    explain_targets(s, r, explanation);
    explain_alarms(s, r, explanation);
    bool logged = ecs_log_explain(s, r, json_count(known) > 0 ? known : stops, explanation);
    put_cause(r, known, logged, explanation);
}
