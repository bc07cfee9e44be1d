/* SPDX-License-Identifier: MIT */
#include "drivers/cloudformation.h"

#include <inttypes.h>

#include "drivers/common.h"
#include "drivers/tagged.h"

/* The name in arn:aws:cloudformation:REGION:ACCOUNT:stack/NAME/ID; the caller frees it. */
static char *name_in(const char *arn)
{
    const char *name = strchr(arn, '/');
    return name != NULL ? xstrndup(name + 1, strcspn(name + 1, "/")) : xstrdup("");
}

/* Adds a stack that nobody wants; one that is wanted observe() asks for. */
static int stack_found(struct session *s, struct graph *g, const char *arn, struct err *err)
{
    _cleanup_free_ char *name = name_in(arn);
    _cleanup_json_ cJSON *stack = NULL;
    if (graph_find_name(g, &cloudformation_stack_type, name) != NULL)
        return 0;
    if (stack_read(s, arn, &stack, err) < 0)
        return -1;
    /* One within another has that one's tags, and goes with it. */
    if (stack == NULL || json_get(stack, "ParentId") != NULL)
        return 0;
    _cleanup_json_ cJSON *tags = tags_from_list(json_get(stack, "Tags"), "Key", "Value");
    struct resource *r =
        graph_found(g, &cloudformation_stack_type, json_str(tags, "berth:name"), name);
    return stack_take(s, r, stack, err);
}

/*
 * A teardown must not miss a stack that a killed job has only just asked for, which no index may
 * have yet, and looks through the list of all that there are: those with the environment in their
 * names, which are all but those that a spec calls otherwise.
 */
static int stacks_list(struct session *s, struct graph *g, struct err *err)
{
    _cleanup_json_ cJSON *input = cJSON_CreateObject(), *stacks = NULL;
    json_put(input, "StackStatusFilter", stack_statuses_there());
    if (aws_call_all(s, "cloudformation", "ListStacks", input, "StackSummaries", &stacks, err) < 0)
        return -1;
    const cJSON *stack;
    cJSON_ArrayForEach (stack, stacks) {
        const char *name = json_str(stack, "StackName");
        if (name != NULL && strstr(name, g->context.environment) != NULL &&
            stack_found(s, g, json_str(stack, "StackId"), err) < 0)
            return -1;
    }
    return 0;
}

/* Whether the index has it as another project's. A stack that has come under ours since has been
 * updated, and the index follows. */
static bool is_others(const struct graph *g, const cJSON *one)
{
    const char *project = json_str_at(one, "Tags/berth:project");
    _cleanup_free_ char *ours = xasprintf("%" PRId64, g->context.project);
    return project != NULL && !str_eq(project, ours);
}

/*
 * Stacks that the spec no longer wants. Their names are the spec's, so that only their tags can
 * find them. Whose a stack is and what is in it is read from itself, but for those of others: berth
 * may not be allowed to look at them.
 */
int stack_discover(struct session *s, struct graph *g, struct err *err)
{
    _cleanup_json_ cJSON *found = NULL;
    if (tagged_find_environment(s, g, "cloudformation:stack", &found, err) < 0)
        return -1;
    const cJSON *one;
    cJSON_ArrayForEach (one, found)
        if (!is_others(g, one) && stack_found(s, g, json_str(one, "ResourceARN"), err) < 0)
            return -1;
    return g->context.teardown ? stacks_list(s, g, err) : 0;
}
