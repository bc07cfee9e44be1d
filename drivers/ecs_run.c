/* SPDX-License-Identifier: MIT */
/*
 * Which runs work on an environment, as tags of its cluster: AWS is all that runs on different
 * hosts have in common.
 *
 * "berth:pipeline": the pipeline that last changed something.
 * "berth:run": a run that would take back what it has written, were it cancelled, and has not
 * ended; "none": there is none. Whoever finds another's begins by putting itself there.
 * "berth:recall": a run that takes back, and until when at most.
 *
 * A run takes back only while the mark is its own, which it reads after it has said that it will;
 * another looks for that after it has put its own mark there. Whichever comes first, one of them
 * sees the other: Dekker's way, docs/engine.md has the cases.
 */
#include <inttypes.h>

#include "drivers/common.h"
#include "drivers/ecs.h"
#include "executor/base/log.h"

#define PIPELINE_TAG "berth:pipeline"
#define RUN_TAG      "berth:run"
#define RECALL_TAG   "berth:recall"
#define NOBODY       "none"
/* No run takes back for longer: it has ended by then, see watch.h. */
#define RECALL_SECONDS 60
/* How far the clocks of two hosts may be apart: AWS refuses calls that are signed more than five
 * minutes off its own time, either way, and an offset is known only of a host that was refused.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html */
#define CLOCKS_APART 600
/* Between two looks whether another has taken back what it wanted. */
#define RECALL_PAUSE 1.0

int64_t ecs_pipeline_read(const cJSON *tags)
{
    int64_t pipeline = 0;
    const char *text = json_str(tags, PIPELINE_TAG);
    if (text == NULL || str_to_int64(text, 0, INT64_MAX, &pipeline) < 0)
        return 0;
    return pipeline;
}

static bool is_other(const struct context *c, const char *run)
{
    return run != NULL && !str_eq(run, NOBODY) && !str_eq(run, c->run);
}

/* Who else is marked; NULL: nobody. */
static const char *other_run(const struct context *c, const cJSON *tags)
{
    const char *run = json_str(tags, RUN_TAG);
    return is_other(c, run) ? run : NULL;
}

/* "1763900000 berth-77-5-1a2b3c4d" -> who takes back at this moment, another; NULL: nobody. */
static const char *other_recall(struct session *s, const struct context *c, const cJSON *tags)
{
    const char *text = json_str(tags, RECALL_TAG), *space = text ? strchr(text, ' ') : NULL;
    int64_t until = 0;
    if (space == NULL)
        return NULL;
    _cleanup_free_ char *date = xstrndup(text, (size_t)(space - text));
    int64_t now = session_time(s);
    bool over = str_to_int64(date, 0, INT64_MAX, &until) < 0 || until < now - CLOCKS_APART ||
                until > now + RECALL_SECONDS + CLOCKS_APART;
    return !over && is_other(c, space + 1) ? space + 1 : NULL;
}

const char *ecs_run_other(struct session *s, const struct graph *g)
{
    const struct resource *r = graph_find(g, ECS_CLUSTER);
    if (r == NULL || r->have == NULL || g->context.run == NULL)
        return NULL;
    const char *other = other_run(&g->context, r->tags);
    return other != NULL ? other : other_recall(s, &g->context, r->tags);
}

/* As it is at this moment. The caller owns *ret. */
static int read_tags(struct session *s, const struct graph *g, cJSON **ret, struct err *err)
{
    _cleanup_json_ cJSON *output = NULL;
    if (ecs_cluster_read(s, g->context.environment, &output, err) < 0)
        return -1;
    *ret = tags_from_list(json_at(output, "clusters/0/tags"), "key", "value");
    return 0;
}

/* Only a host that takes back puts a name there, so one that leaves all as it is spares the read of
 * a cluster that never had one. */
int ecs_run_look_again(struct session *s, const struct graph *g, struct err *err)
{
    struct resource *r = graph_find(g, ECS_CLUSTER);
    const struct context *c = &g->context;
    bool matters = c->takes_back || (r != NULL && json_get(r->tags, RUN_TAG) != NULL);
    if (r == NULL || c->run == NULL || !matters)
        return 0;
    _cleanup_json_ cJSON *tags = NULL;
    if (read_tags(s, g, &tags, err) < 0)
        return -1;
    cJSON_Delete(r->tags);
    r->tags = steal_ptr(&tags);
    return 0;
}

void ecs_run_put(struct resource *cluster, cJSON *tags)
{
    const struct context *c = &cluster->graph->context;
    if (c->pipeline > 0)
        json_put_strf(tags, PIPELINE_TAG, "%" PRId64, c->pipeline);
    if (c->run != NULL && c->takes_back)
        json_put_str(tags, RUN_TAG, c->run);
}

static int put_tags(struct session *s, const struct resource *cluster, const cJSON *tags,
                    struct err *err)
{
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    json_put_str(input, "resourceArn", json_str(cluster->outputs, "Arn"));
    json_put(input, "tags", tags_to_list(tags, "key", "value"));
    return aws_call(s, "ecs", "TagResource", input, NULL, err);
}

int ecs_cluster_pipeline(struct session *s, const struct graph *g, int64_t *ret, struct err *err)
{
    _cleanup_json_ cJSON *tags = NULL;
    if (read_tags(s, g, &tags, err) < 0)
        return -1;
    *ret = ecs_pipeline_read(tags);
    return 0;
}

/* Whether the run changes anything of the environment's own; shared resources are not. */
static bool environment_changes(const struct graph *g)
{
    for (size_t i = 0; i < g->n; i++) {
        const struct resource *r = g->v[i];
        const char *kind = r->type->parent ? r->type->parent : r->type->name;
        if (r->action != ACTION_NONE && r->type->scope != SCOPE_ACCOUNT &&
            !str_starts(kind, "iam."))
            return true;
    }
    return false;
}

/* Waits until no other takes back: what this run relies on is not there any more after that. What
 * the other says it is done by is a date of its own clock, so this counts by itself, from when it
 * sees it first: a host that was killed takes nothing back any more. */
static int await_recall(struct session *s, const struct graph *g, struct err *err)
{
    _cleanup_free_ char *seen = NULL;
    for (double until = 0;;) {
        _cleanup_json_ cJSON *tags = NULL;
        if (read_tags(s, g, &tags, err) < 0)
            return -1;
        const char *other = other_recall(s, &g->context, tags);
        bool is_new = other != NULL && !str_eq(other, seen);
        if (other == NULL || (!is_new && clock_now() >= until))
            return 0;
        if (is_new) {
            log_info("waiting for another job, '%s', which was cancelled, and takes back what it "
                     "has deployed",
                     other);
            free(seen);
            seen = xstrdup(other);
            until = clock_now() + RECALL_SECONDS;
        }
        if (cancel_sleep(session_cancel(s), RECALL_PAUSE) < 0)
            return err_set(err, ERR_CANCELLED, "cancelled before anything was deployed");
    }
}

/* Puts this run's marks on a cluster that is there, as it was read. */
static int join(struct session *s, struct resource *r, bool changes, struct err *err)
{
    const struct graph *g = r->graph;
    const struct context *c = &g->context;
    bool contested = ecs_run_other(s, g) != NULL;
    _cleanup_json_ cJSON *tags = cJSON_CreateObject();
    if (changes && c->pipeline > 0 && ecs_pipeline_read(r->tags) != c->pipeline)
        json_put_strf(tags, PIPELINE_TAG, "%" PRId64, c->pipeline);
    if (c->run != NULL && (contested || (changes && c->takes_back)))
        json_put_str(tags, RUN_TAG, c->run);
    if (tags->child == NULL)
        return 0;
    if (put_tags(s, r, tags, err) < 0)
        return -1;
    json_put_bool(r->memo, "marked", json_get(tags, RUN_TAG) != NULL);
    return contested ? await_recall(s, g, err) : 0;
}

int ecs_begin(struct session *s, struct graph *g, struct err *err)
{
    struct resource *r = graph_find(g, ECS_CLUSTER);
    return r != NULL && r->have != NULL ? join(s, r, environment_changes(g), err) : 0;
}

/* A run that changes anything has put its pipeline there when it began, whichever was there before:
 * a newer one has begun since. By hand there is no pipeline, and the one that was found counts. */
int ecs_overtaken(struct session *s, const struct graph *g, char **ret, struct err *err)
{
    const struct resource *r = graph_find(g, ECS_CLUSTER);
    int64_t now = 0, own = g->context.pipeline;
    if (r == NULL || r->have == NULL)
        return 0;
    if (ecs_cluster_pipeline(s, g, &now, err) < 0)
        return -1;
    if (now > (own > 0 ? own : ecs_pipeline_read(r->tags)))
        *ret = xasprintf("pipeline %" PRId64, now);
    return 0;
}

void ecs_run_made(struct resource *cluster)
{
    json_put_bool(cluster->memo, "marked", json_get(cluster->tags, RUN_TAG) != NULL);
}

int ecs_run_join(struct session *s, struct resource *cluster, struct err *err)
{
    return join(s, cluster, true, err);
}

bool ecs_cluster_is_retried(const struct graph *g)
{
    const struct resource *r = graph_find(g, ECS_CLUSTER);
    return r != NULL && g->context.pipeline > 0 &&
           ecs_pipeline_read(r->tags) == g->context.pipeline;
}

void ecs_run_end(struct session *s, struct graph *g)
{
    struct resource *r = graph_find(g, ECS_CLUSTER);
    if (r == NULL || r->have == NULL)
        return;
    _cleanup_json_ cJSON *tags = cJSON_CreateObject();
    _cleanup_err_ struct err err = ERR_INIT;
    if (json_bool(r->memo, "marked", false) && json_get(r->memo, "overtaken") == NULL) {
        json_put_str(tags, RUN_TAG, NOBODY);
        json_put_bool(r->memo, "ended", true);
    }
    if (json_bool(r->memo, "recalls", false)) /* even after the end, where that was cancelled */
        json_put_str(tags, RECALL_TAG, NOBODY);
    json_put_bool(r->memo, "marked", false);
    json_put_bool(r->memo, "recalls", false);
    if (tags->child == NULL || put_tags(s, r, tags, &err) == 0 || err.class == ERR_CANCELLED)
        return;
    bool recalls = json_get(tags, RECALL_TAG) != NULL;
    graph_warn(g,
               "the cluster's tag '%s' could not be set back to '" NOBODY
               "', so that the next job %s: %s",
               recalls ? RECALL_TAG : RUN_TAG,
               recalls ? "may wait for a minute" : "looks at all services once more", err.message);
}

/* Who has worked on the environment since this run began, as the cluster tells now; the caller
 * frees it. NULL: nobody. */
static char *overtaken_by(const struct resource *cluster, const cJSON *tags)
{
    const struct context *c = &cluster->graph->context;
    int64_t pipeline = ecs_pipeline_read(tags);
    if (c->pipeline != 0 && pipeline > c->pipeline)
        return xasprintf("pipeline %" PRId64 " has begun to deploy", pipeline);
    if (c->run == NULL || str_eq(json_str(tags, RUN_TAG), c->run))
        return NULL;
    const char *other = other_run(c, tags);
    if (other != NULL)
        return xasprintf("another job, '%s', has begun to deploy", other);
    if (json_bool(cluster->memo, "ended", false) && str_eq(json_str(tags, RUN_TAG), NOBODY))
        return xstrdup("this job had ended already, and another may have found it as it wants it");
    return xstrdup("another job has been there since, and may have found it as it wants it");
}

/* Says that this run takes back, and then looks whether the environment is its own still. */
static int claim(struct session *s, struct resource *cluster, double until, char **ret_overtaken,
                 struct err *err)
{
    const struct context *c = &cluster->graph->context;
    _cleanup_json_ cJSON *tags = cJSON_CreateObject(), *now = NULL;
    if (c->run != NULL) {
        int64_t seconds = (int64_t)(until - clock_now()) + 1;
        json_put_strf(tags, RECALL_TAG, "%" PRId64 " %s", (int64_t)session_time(s) + seconds,
                      c->run);
        if (put_tags(s, cluster, tags, err) < 0)
            return -1;
        json_put_bool(cluster->memo, "recalls", true);
    }
    if (read_tags(s, cluster->graph, &now, err) < 0)
        return -1;
    *ret_overtaken = overtaken_by(cluster, now);
    return 0;
}

static bool has_written(const struct graph *g)
{
    for (size_t i = 0; i < g->n; i++)
        if (g->v[i]->type == &ecs_service_type && ecs_service_has_written(g->v[i]))
            return true;
    return false;
}

void ecs_recall(struct session *s, struct graph *g, double until)
{
    struct resource *r = graph_find(g, ECS_CLUSTER);
    _cleanup_free_ char *overtaken = NULL;
    _cleanup_err_ struct err err = ERR_INIT;
    if (r == NULL || !has_written(g))
        return;
    if (claim(s, r, until, &overtaken, &err) < 0)
        overtaken =
            xasprintf("whether another job has begun to deploy is not known: %s", err.message);
    json_put_str(r->memo, "overtaken", overtaken);
}

const char *ecs_run_overtaken(const struct graph *g)
{
    const struct resource *r = graph_find(g, ECS_CLUSTER);
    return r != NULL ? json_str(r->memo, "overtaken") : NULL;
}
