/* SPDX-License-Identifier: MIT */
#include "drivers/driver.h"
#include "drivers/tool.h"

/*
 * A driver is a line here and the definition of NAME_driver in a file of its own. The order is that
 * in which problems and plans are told.
 */
#define DRIVER_MAP(X)                                                                              \
    X(acm)                                                                                         \
    X(ec2)                                                                                         \
    X(ecr)                                                                                         \
    X(iam)                                                                                         \
    X(logs)                                                                                        \
    X(cloudformation)                                                                              \
    X(security_group)                                                                              \
    X(cloudmap)                                                                                    \
    X(alb)                                                                                         \
    X(elasticache)                                                                                 \
    X(ecs)                                                                                         \
    X(route53)                                                                                     \
    X(capacity)                                                                                    \
    X(cloudwatch)                                                                                  \
    X(grafana)

/* Likewise what does jobs that are not about resources: the definition of NAME_tool. */
#define TOOL_MAP(X)                                                                                \
    X(lint)                                                                                        \
    X(coverage)                                                                                    \
    X(terraform)                                                                                   \
    X(image)

#define DRIVER_EXTERN(name) extern const struct driver name##_driver;
DRIVER_MAP(DRIVER_EXTERN)

#define TOOL_EXTERN(name) extern const struct tool_driver name##_tool;
TOOL_MAP(TOOL_EXTERN)

static bool is_alias(const struct driver *d, const char *name)
{
    for (const char *const *alias = d->aliases; alias != NULL && *alias != NULL; alias++)
        if (str_eq(*alias, name))
            return true;
    return false;
}

const struct driver *driver_find(const char *name)
{
    for (const struct driver *const *d = drivers; *d != NULL; d++)
        if ((*d)->types[0] != NULL && (str_eq((*d)->name, name) || is_alias(*d, name)))
            return *d;
    return NULL;
}

const struct driver *driver_of(const struct resource_type *type)
{
    for (const struct driver *const *d = drivers; *d != NULL; d++)
        for (const struct resource_type *const *t = (*d)->types; *t != NULL; t++)
            if (*t == type)
                return *d;
    return NULL;
}

#define DRIVER_ENTRY(name) &name##_driver,
const struct driver *const drivers[] = { DRIVER_MAP(DRIVER_ENTRY) NULL };

#define TOOL_ENTRY(name) &name##_tool,
const struct tool_driver *const tool_drivers[] = { TOOL_MAP(TOOL_ENTRY) NULL };
