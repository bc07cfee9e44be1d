/* SPDX-License-Identifier: MIT */
/*
 * The end of what the failing container of a service has written, wherever it writes to.
 */
#include "drivers/common.h"
#include "drivers/ecs.h"
#include "drivers/explanation.h"

#define LOG_LINES 50
#define LOG_PAGES 3
/* For all pages of a log in another region: one that does not answer must not use up the time of
 * what else there is to read (executor/engine/explain.c). */
#define ELSEWHERE_SECONDS 10.0

/* Where a container of a task writes to. */
struct log_source {
    const char *task, *container;
    struct ecs_log log;
    const char *stream;
    bool elsewhere; /* in another region than the session's */
};

bool ecs_log_of(const cJSON *container, struct ecs_log *ret)
{
    const cJSON *settings = json_get(container, "logConfiguration");
    const cJSON *options = json_get(settings, "options");
    const struct ecs_log log = {
        .group = json_str(options, "awslogs-group"),
        .prefix = json_str(options, "awslogs-stream-prefix"),
        .region = json_str(options, "awslogs-region"),
    };
    if (!str_eq(json_str(settings, "logDriver"), "awslogs") || log.group == NULL ||
        log.prefix == NULL)
        return false;
    *ret = log;
    return true;
}

const cJSON *ecs_containers_of(const struct resource *r)
{
    _cleanup_free_ char *address = xasprintf("ecs.task_definition/%s", r->label);
    const struct resource *definition = graph_find(r->graph, address);
    return definition != NULL ? json_get(definition->have, "containerDefinitions") : NULL;
}

const cJSON *ecs_container_of(const struct resource *r, const char *name)
{
    const cJSON *all = ecs_containers_of(r);
    return name != NULL ? json_find(all, "name", name) : all != NULL ? all->child : NULL;
}

/* One page of a stream, the newest at its end, before what is there; whether to ask for another.
 * GetLogEvents "can return empty results while there are more log events available through the
 * token":
 * https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_GetLogEvents.html */
static int log_page(struct session *s, cJSON *input, cJSON *events, bool *ret_more, struct err *err)
{
    _cleanup_json_ cJSON *output = NULL;
    if (aws_call(s, "logs", "GetLogEvents", input, &output, err) < 0)
        return -1;
    cJSON *page = json_get(output, "events");
    for (int i = (int)json_count(page) - 1; i >= 0; i--)
        cJSON_InsertItemInArray(events, 0, cJSON_DetachItemFromArray(page, i));
    const char *token = json_str(output, "nextBackwardToken");
    *ret_more = token != NULL && !str_eq(token, json_str(input, "nextToken")) &&
                json_count(events) < LOG_LINES;
    json_put_str(input, "nextToken", token);
    return 0;
}

static int log_read(struct session *s, const struct log_source *from, cJSON **ret, struct err *err)
{
    _cleanup_json_ cJSON *input = cJSON_CreateObject(), *events = cJSON_CreateArray();
    json_put_str(input, "logGroupName", from->log.group);
    json_put_str(input, "logStreamName", from->stream);
    json_put_int(input, "limit", LOG_LINES);
    bool more = true;
    for (int i = 0; i < LOG_PAGES && more; i++)
        if (log_page(s, input, events, &more, err) < 0)
            return -1;
    *ret = steal_ptr(&events);
    return 0;
}

/* The last lines: an event may hold several. They are looked at together, since a secret may begin
 * in one event and end in the next: a line that is longer than the log driver takes is several
 * events (https://github.com/moby/moby/issues/34887). */
static cJSON *lines_of(const cJSON *events)
{
    cJSON *all = cJSON_CreateArray();
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    const cJSON *event;
    cJSON_ArrayForEach (event, events) {
        const char *message = json_str(event, "message");
        strbuf_addf(&text, "%s%s", text.len > 0 && !str_ends(text.buf, "\n") ? "\n" : "",
                    message != NULL ? message : "");
    }
    explanation_line(all, "%s", text.buf);
    for (size_t n = json_count(all); n > LOG_LINES; n--)
        cJSON_DeleteItemFromArray(all, 0);
    return all;
}

/* Appended where it is not the environment's, which everybody expects. */
static char *region_words(const struct log_source *from)
{
    return from->elsewhere ? xasprintf(" in region '%s'", from->log.region) : xstrdup("");
}

/* The title says how many there are: nobody looks for more. */
static void add_last_lines(const struct log_source *from, const cJSON *events, cJSON *explanation)
{
    _cleanup_json_ cJSON *all = lines_of(events);
    size_t n = json_count(all);
    _cleanup_free_ char *what = n == 1 ? xstrdup("line") : xasprintf("%zu lines", n);
    _cleanup_free_ char *region = region_words(from);
    cJSON *lines = explanation_section(explanation, "the last %s of container '%s' (task %s)%s",
                                       what, from->container, from->task, region);
    while (all->child != NULL)
        json_push(lines, cJSON_DetachItemViaPointer(all, all->child));
}

/* The same from another region. */
static int log_read_elsewhere(struct session *s, const struct log_source *from, cJSON **ret,
                              struct err *err)
{
    _cleanup_(session_freep) struct session *there = NULL;
    if (session_open_region(s, from->log.region, ELSEWHERE_SECONDS, &there, err) < 0)
        return -1;
    return log_read(there, from, ret, err);
}

/* A word of a command; a spec may have anything in it. */
static void add_quoted(struct strbuf *command, const char *word)
{
    strbuf_adds(command, " '");
    for (; *word != '\0'; word++)
        strbuf_adds(command, *word == '\'' ? "'\\''" : (const char[]){ *word, '\0' });
    strbuf_adds(command, "'");
}

/* berth's role may not, or not now: whoever reads this may. */
static void add_command(struct session *s, const struct log_source *from, cJSON *lines)
{
    _cleanup_strbuf_ struct strbuf command = STRBUF_INIT;
    strbuf_adds(&command, "to read it yourself: aws logs get-log-events --region");
    add_quoted(&command, from->elsewhere ? from->log.region : session_region(s));
    strbuf_adds(&command, " --log-group-name");
    add_quoted(&command, from->log.group);
    strbuf_adds(&command, " --log-stream-name");
    add_quoted(&command, from->stream);
    explanation_line(lines, "%s", command.buf);
}

/* Why there is nothing to show. */
static void say_nothing_read(struct session *s, const struct log_source *from,
                             const struct err *err, cJSON *explanation)
{
    cJSON *lines = explanation_section(explanation, "the log of container '%s' (task %s)",
                                       from->container, from->task);
    _cleanup_free_ char *region = region_words(from);
    if (err->class == ERR_NONE || err->class == ERR_NOT_FOUND) {
        explanation_line(lines, "it has written nothing to '%s'%s", from->log.group, region);
        return;
    }
    _cleanup_free_ char *what = xasprintf("its log%s", region);
    explanation_unread(lines, what, err);
    add_command(s, from, lines);
}

/* Whether there is anything in it. */
static bool explain_log(struct session *s, const struct log_source *from, cJSON *explanation)
{
    _cleanup_err_ struct err err = ERR_INIT;
    _cleanup_json_ cJSON *events = NULL;
    int r = from->elsewhere ? log_read_elsewhere(s, from, &events, &err)
                            : log_read(s, from, &events, &err);
    if (r == 0 && json_count(events) > 0) {
        add_last_lines(from, events, explanation);
        return true;
    }
    say_nothing_read(s, from, &err, explanation);
    return false;
}

/* A task that runs but is not well has a log, too; what an older deployment has started, and still
 * runs beside it, says nothing of why. The caller frees it; NULL: there is none. */
static char *running_task(struct session *s, const struct resource *r)
{
    _cleanup_json_ cJSON *tasks = NULL;
    _cleanup_err_ struct err err = ERR_INIT;
    if (ecs_tasks_running(s, r, &tasks, &err) < 0)
        return NULL;
    const cJSON *task, *found = NULL;
    cJSON_ArrayForEach (task, tasks) {
        if (!str_eq(json_str(task, "startedBy"), ecs_deployment_of(r)))
            continue;
        if (found == NULL || str_eq(json_str(task, "healthStatus"), "UNHEALTHY"))
            found = task;
    }
    const char *arn = json_str(found, "taskArn"), *slash = arn != NULL ? strrchr(arn, '/') : NULL;
    return slash != NULL ? xstrdup(slash + 1) : NULL;
}

/* A log that is not CloudWatch's, or whose streams are named by the container's id. */
static void explain_other(const cJSON *container, cJSON *explanation)
{
    const char *driver = json_str_at(container, "logConfiguration/logDriver");
    explanation_line(
        explanation_section(explanation, "the log of container '%s'", json_str(container, "name")),
        "it is not in CloudWatch Logs under a prefix (log driver '%s'): look where "
        "that sends it",
        driver != NULL ? driver : "none");
}

bool ecs_log_explain(struct session *s, const struct resource *r, const cJSON *stops,
                     cJSON *explanation)
{
    size_t n;
    const cJSON *stop = ecs_stops_prevailing(stops, &n);
    if (stop != NULL && !ecs_stop_has_run(stop))
        return false;
    const cJSON *container = ecs_container_of(r, json_str(stop, "container"));
    _cleanup_free_ char *running = stop == NULL ? running_task(s, r) : NULL;
    struct log_source from = {
        .task = stop != NULL ? json_str(stop, "task") : running,
        .container = json_str(container, "name"),
    };
    if (from.task == NULL || from.container == NULL)
        return false;
    if (!ecs_log_of(container, &from.log)) {
        explain_other(container, explanation);
        return false;
    }
    _cleanup_free_ char *stream = xasprintf("%s/%s/%s", from.log.prefix, from.container, from.task);
    from.stream = stream;
    from.elsewhere = from.log.region != NULL && !str_eq(from.log.region, session_region(s));
    return explain_log(s, &from, explanation);
}
