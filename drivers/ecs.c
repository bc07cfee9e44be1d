/* SPDX-License-Identifier: MIT */
#include "drivers/ecs.h"

#include "drivers/common.h"
#include "drivers/driver.h"
#include "drivers/ecs_secrets.h"
#include "drivers/linked_role.h"

int ecs_refuse_members(const cJSON *object, const char *path, const char *const *names,
                       struct err *err)
{
    for (; *names != NULL; names++)
        if (json_get(object, *names) != NULL)
            return err_set(err, ERR_USER,
                           "%s.%s: cannot be set here, berth decides it; remove the member", path,
                           *names);
    return 0;
}

int ecs_move_error(struct resource *r, struct err *failure, struct err *err)
{
    if (failure->class == ERR_INVALID && failure->message != NULL &&
        strcasestr(failure->message, "service linked role") != NULL)
        return linked_role_missing(r, failure, err);
    return err_move(err, failure);
}

static int ecs_want(struct graph *g, const cJSON *spec, struct err *err)
{
    if (ecs_cluster_want(g, spec, err) < 0)
        return -1;
    const cJSON *service;
    cJSON_ArrayForEach (service, json_get(spec, "services")) {
        if (ecs_task_definition_want(g, spec, service, err) < 0 ||
            ecs_service_want(g, spec, service, err) < 0)
            return -1;
    }
    return 0;
}

int ecs_adopt(struct session *s, struct resource *r, struct err *err)
{
    static const struct tag_call call = { "ecs",  "TagResource", "resourceArn", false,
                                          "tags", "key",         "value" };
    return tags_give(s, r, &call, json_str(r->outputs, "Arn"), err);
}

static const struct resource_type *const ecs_types[] = { &ecs_cluster_type, &ecs_task_type,
                                                         &ecs_service_type,
                                                         &ecs_task_definition_type, NULL };

extern const struct driver ecs_driver;
const struct driver ecs_driver = {
    .name = "ecs",
    .types = ecs_types,
    .permissions = ecs_permissions,
    .want = ecs_want,
    .begin = ecs_begin,
    .overtaken = ecs_overtaken,
    .preflight = ecs_secrets_preflight,
    .end = ecs_end,
    .recall = ecs_recall,
    .recalled = ecs_run_end,
};
