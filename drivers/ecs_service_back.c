/* SPDX-License-Identifier: MIT */
#include <inttypes.h>

#include "drivers/ecs.h"

/*
 * Taking a service back to what it was before this run: UpdateService with what its members were,
 * the task definition above all, which ECS rolls out like any other deployment. One that this run
 * has created is deleted: there was none before, ECS has nothing to roll back to, and no tasks
 * (desiredCount 0) would stay so where the spec leaves the count to scaling. StopServiceDeployment
 * would roll back only what has not completed yet
 * (https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_StopServiceDeployment.html).
 *
 * In the resource's memo: "new", this run has asked for it; "before", members as they were
 * before this run's first write to each, and "primary", the deployment that was then.
 */

static const cJSON *primary_of(const cJSON *service)
{
    return json_find(json_get(service, "deployments"), "status", "PRIMARY");
}

void ecs_service_note_creation(struct resource *r)
{
    if (json_get(r->memo, "before") == NULL)
        json_put_bool(r->memo, "new", true);
}

void ecs_service_note_no_creation(struct resource *r)
{
    cJSON_DeleteItemFromObjectCaseSensitive(r->memo, "new");
}

void ecs_service_note_change(struct resource *r, const char *member)
{
    cJSON *before = json_get(r->memo, "before");
    if (json_bool(r->memo, "new", false))
        return;
    if (before == NULL) {
        before = json_put_object(r->memo, "before");
        json_put_str(r->memo, "primary", json_str(primary_of(json_get(r->memo, "state")), "id"));
    }
    if (json_get(before, member) == NULL)
        json_copy(before, r->have, member);
}

/* "...:task-definition/family:7" -> "family:7". */
static const char *revision_in(const char *arn)
{
    const char *slash = arn != NULL ? strrchr(arn, '/') : NULL;
    if (slash != NULL)
        return slash + 1;
    return arn != NULL ? arn : "unknown";
}

/*
 * Whether what runs now is what this run has written. Where no answer told which deployment that
 * began (the connection broke, the time was over), it is the one of before, if nothing has begun,
 * or one of the task definition that was asked for.
 */
static bool is_still_ours(const struct resource *r, const cJSON *service)
{
    const cJSON *primary = primary_of(service);
    const char *id = json_str(primary, "id");
    if (json_get(r->memo, "deployment") != NULL)
        return !ecs_service_is_replaced(r);
    return (id != NULL && str_eq(id, json_str(r->memo, "primary"))) ||
           str_eq(json_str(primary, "taskDefinition"), json_str(r->target, "taskDefinition"));
}

static cJSON *input_of(const struct resource *r)
{
    cJSON *input = cJSON_CreateObject();
    json_put_str(input, "cluster", r->graph->context.environment);
    json_put_str(input, "service", r->name);
    return input;
}

static int delete_it(struct session *s, struct resource *r, struct strbuf *what, struct err *err)
{
    _cleanup_json_ cJSON *input = input_of(r);
    json_put_bool(input, "force", true);
    if (aws_call(s, "ecs", "DeleteService", input, NULL, err) < 0 && err->class != ERR_NOT_FOUND)
        return -1;
    err_release(err);
    json_put_bool(r->memo, RESOURCE_REMOVING, true);
    strbuf_adds(what, "deleted, since this job has created it");
    return 0;
}

static int restore(struct session *s, struct resource *r, struct strbuf *what, struct err *err)
{
    const cJSON *before = json_get(r->memo, "before"), *member;
    const char *revision = json_str(before, "taskDefinition");
    _cleanup_json_ cJSON *input = input_of(r);
    cJSON_ArrayForEach (member, before)
        if (strcmp(member->string, "rolloutState") != 0) /* no member of a service's */
            json_put(input, member->string, json_dup(member));
    _cleanup_json_ cJSON *output = NULL;
    if (aws_call(s, "ecs", "UpdateService", input, &output, err) < 0)
        return -1;
    ecs_service_begun(r, json_get(output, "service"));
    ecs_service_remember(r, json_get(output, "service"));
    if (revision != NULL)
        strbuf_addf(what, "it goes back to '%s'", revision_in(revision));
    else
        strbuf_adds(what, "its settings are those of before");
    return 0;
}

/* A failed deployment that it has begun anew is not such. */
bool ecs_service_has_written(const struct resource *r)
{
    const cJSON *before = json_get(r->memo, "before");
    size_t members = json_count(before) - (json_get(before, "rolloutState") != NULL);
    return json_bool(r->memo, "new", false) || (before != NULL && members > 0);
}

/* Says why the service stays as it is, if it has to. */
static void say_obstacle(struct resource *r, const cJSON *service, struct strbuf *what)
{
    const char *overtaken = ecs_run_overtaken(r->graph);
    if (service == NULL || !str_eq(json_str(service, "status"), "ACTIVE")) {
        strbuf_adds(what, "it is not there any more");
        return;
    }
    if (r->action == ACTION_REPLACE) {
        strbuf_adds(what, "it was replaced, and what was there before is gone");
        return;
    }
    ecs_service_remember(r, service);
    if (!is_still_ours(r, service))
        strbuf_addf(what, "another deployment, of '%s', has taken over",
                    revision_in(json_str(primary_of(service), "taskDefinition")));
    else if (overtaken != NULL)
        strbuf_adds(what, overtaken);
}

int ecs_service_take_back(struct session *s, struct resource *r, struct strbuf *what,
                          bool *ret_done, struct err *err)
{
    if (!ecs_service_has_written(r))
        return 0;
    _cleanup_json_ cJSON *services = NULL;
    if (ecs_services_read(s, &r, 1, &services, err) < 0)
        return -1;
    const cJSON *service = json_find(services, "serviceName", r->name);
    bool created = json_bool(r->memo, "new", false);
    if (created && service == NULL)
        return 0; /* it was asked for in vain */
    say_obstacle(r, service, what);
    if (what->len > 0)
        return 0;
    if ((created ? delete_it(s, r, what, err) : restore(s, r, what, err)) < 0)
        return -1;
    *ret_done = true;
    return 0;
}
