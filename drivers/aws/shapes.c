/* SPDX-License-Identifier: MIT */
#include "drivers/aws/shapes.h"

#include <string.h>

#include "executor/base/str.h"

#include "drivers/aws/shapes.inc"

const struct service *service_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(services); i++)
        if (strcmp(services[i].name, name) == 0)
            return &services[i];
    return NULL;
}

const struct service *service_at(size_t i)
{
    return i < ARRAY_SIZE(services) ? &services[i] : NULL;
}

const struct operation *operation_find(const struct service *service, const char *action)
{
    size_t low = 0, high = service->n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = strcmp(action, service->operations[middle].name);
        if (order == 0)
            return &service->operations[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

const struct shape_member *member_find(const struct shape *shape, const char *name)
{
    for (size_t i = 0; i < shape->count; i++) {
        const struct shape_member *member = &shape_members[shape->first + i];
        if (strcmp(member->name, name) == 0)
            return member;
    }
    return NULL;
}

const char *member_wire(const struct shape_member *member)
{
    return member->wire != NULL ? member->wire : member->name;
}
