/* SPDX-License-Identifier: MIT */
/* What stacks and their topics ask of IAM: see permission.h. */
#include "drivers/permission.h"

/* --- cloudformation: list_awscloudformation.html ---------------------------------------------- */

#define STACKS "cloudformation.stack cloudformation.shared_stack"

static void own_stacks(const struct graph *g, struct strlist *ret)
{
    permission_each_wanted(g, "cloudformation.stack", ret, permission_add_name);
}

static void all_stacks(const struct graph *g, struct strlist *ret)
{
    own_stacks(g, ret);
    permission_each_wanted(g, "cloudformation.shared_stack", ret, permission_add_name);
}

/* Without the environment in their names. */
static void add_other_stack(const struct resource *r, struct strlist *ret)
{
    if (strstr(r->name, r->graph->context.environment) == NULL)
        permission_add_once(ret, r->name);
}

static void other_stacks(const struct graph *g, struct strlist *ret)
{
    permission_each_wanted(g, "cloudformation.stack", ret, add_other_stack);
    permission_each_wanted(g, "cloudformation.shared_stack", ret, add_other_stack);
}

/* Stacks with a topic in them, such as the one that comes with berth. */
static void add_topic_stack(const struct resource *r, struct strlist *ret)
{
    const char *body = json_str(r->memo, "body");
    if (body != NULL && strstr(body, "AWS::SNS::Topic") != NULL)
        permission_add_once(ret, r->name);
}

static void topic_stacks(const struct graph *g, struct strlist *ret)
{
    permission_each_wanted(g, "cloudformation.stack", ret, add_topic_stack);
}

/* What a stack is made of is made with the permissions of who asks for the stack: what else a
 * template of the repository's needs is not here. For topics see "handlers" in
 * https://docs.aws.amazon.com/cloudformation-cli/latest/userguide/resource-type-schema.html */
const struct permission cloudformation_permissions[] = {
    /* Stacks that the spec has dropped: list_amazonresourcegrouptaggingapi.html. */
    { .sid = PERMIT_LOOK,
      .actions = "tag:GetResources cloudformation:ListStacks",
      .resources = "*",
      .uses = PERMIT_LOOKS },
    /* Whose a stack is that has the environment's name in its own, only the stack says. */
    { .sid = "StackLook",
      .actions = "cloudformation:DescribeStacks",
      .resources = "cloudformation:stack/*${E}*/*",
      .uses = PERMIT_LOOKS },
    { .sid = "StackLook",
      .actions = "cloudformation:DescribeStacks",
      .resources = "cloudformation:stack/${NAME}/*",
      .when = STACKS,
      .names = other_stacks,
      .uses = PERMIT_LOOKS },
    { .sid = "StackLook",
      .actions = "cloudformation:DescribeStackEvents cloudformation:GetTemplate",
      .resources = "cloudformation:stack/${NAME}/*",
      .when = "cloudformation.stack",
      .names = own_stacks,
      .uses = PERMIT_LOOKS },
    { .sid = "StackCreate",
      .actions = "cloudformation:CreateStack",
      .resources = "cloudformation:stack/${NAME}/*",
      .flags = PERMIT_NEW,
      .when = "cloudformation.stack",
      .names = own_stacks },
    { .sid = "StackCreate",
      .actions = "cloudformation:TagResource",
      .resources = "cloudformation:stack/${NAME}/*",
      .flags = PERMIT_NEW,
      .when = "cloudformation.stack",
      .names = own_stacks,
      .uses = PERMIT_ADOPTS },
    /* Its tags are changed by an update. */
    { .sid = "StackAdopt",
      .actions = "cloudformation:UpdateStack",
      .resources = "cloudformation:stack/${NAME}/*",
      .flags = PERMIT_NEW,
      .when = "cloudformation.stack",
      .names = own_stacks,
      .uses = PERMIT_ADOPT_ONLY },
    { .sid = "StackChange",
      .actions = "cloudformation:UpdateStack",
      .resources = "cloudformation:stack/${NAME}/*",
      .flags = PERMIT_OURS,
      .when = "cloudformation.stack",
      .names = own_stacks },
    { .sid = "StackChange",
      .actions = "cloudformation:DeleteStack",
      .resources = "cloudformation:stack/${NAME}/*",
      .flags = PERMIT_OURS,
      .when = "cloudformation.stack",
      .names = own_stacks,
      .uses = PERMIT_REMOVES },
    { .sid = "TopicMake",
      .actions = "sns:CreateTopic sns:Subscribe",
      .resources = "sns:${NAME}-*",
      .when = "cloudformation.stack",
      .names = topic_stacks },
    { .sid = "TopicMake",
      .actions = "sns:TagResource",
      .resources = "sns:${NAME}-*",
      .when = "cloudformation.stack",
      .names = topic_stacks,
      .uses = PERMIT_ADOPTS },
    { .sid = "TopicMake",
      .actions = "sns:GetTopicAttributes",
      .resources = "sns:${NAME}-*",
      .when = "cloudformation.stack",
      .names = topic_stacks,
      .uses = PERMIT_REMOVES | PERMIT_ADOPTS },
    { .sid = "TopicMake",
      .actions = "sns:DeleteTopic",
      .resources = "sns:${NAME}-*",
      .when = "cloudformation.stack",
      .names = topic_stacks,
      .uses = PERMIT_REMOVES },
    { .sid = "TopicSubscription",
      .actions = "sns:GetSubscriptionAttributes sns:Unsubscribe",
      .resources = "*",
      .when = "cloudformation.stack",
      .names = topic_stacks,
      .uses = PERMIT_REMOVES },
    /* A topic that is not given a name has its stack's, and more. */
    { .sid = "TopicLook",
      .actions = "sns:ListSubscriptionsByTopic",
      .resources = "sns:${NAME}-*",
      .when = STACKS,
      .names = all_stacks },
    { .sid = NULL },
};
