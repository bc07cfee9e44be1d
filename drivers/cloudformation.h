/* SPDX-License-Identifier: MIT */
#ifndef BERTH_DRIVERS_CLOUDFORMATION_H
#define BERTH_DRIVERS_CLOUDFORMATION_H

/*
 * What the files of the driver share. cloudformation.c says what the spec wants,
 * cloudformation_stack.c is the type of an environment's own stacks, cloudformation_find.c which of
 * those that are there are its own, cloudformation_form.c how their states and parameters are read,
 * cloudformation_adopt.c how others' become ours, cloudformation_events.c why an operation failed,
 * cloudformation_topic.c whether somebody still has to confirm a subscription.
 *
 * In `want` and `have` stand StackName, Template (a digest), Parameters (by name) and
 * ParameterNames. What is sent but not compared is in the memo: "body", "capabilities",
 * "resourceTypes". There are also "status" and "id" of the stack that is there, "reason" where it
 * has failed, and "awaited" if this run has begun an operation or seen one under way.
 */

#include "drivers/resource.h"

/* The template's digest, and those of the parameters' names and values, on the stack itself: so
 * that an unchanged one is told without GetTemplate, and what NoEcho hides is compared. */
#define STACK_TEMPLATE_TAG   "berth:template"
#define STACK_PARAMETERS_TAG "berth:parameters"

extern const struct resource_type cloudformation_stack_type;
extern const struct resource_type cloudformation_shared_type;

enum stack_state {
    STACK_GOOD,        /* as the last operation wanted it */
    STACK_ROLLED_BACK, /* as it was before the last update, which failed */
    STACK_BUSY,        /* an operation is under way, maybe somebody else's */
    STACK_NEVER_MADE,  /* cannot but be deleted: a creation or a deletion failed */
    STACK_STUCK,       /* somebody has to decide */
    STACK_GONE,
};
/* What a StackStatus means; NULL is STACK_GONE. */
enum stack_state stack_state(const char *status);

/* Every status but that of what is gone, for ListStacks. The caller owns it. */
cJSON *stack_statuses_there(void);

/* The digest of a template's text. The caller frees it. */
char *stack_digest(const char *text);
/* Parameters as a call wants them, sorted by name: [{ParameterKey, ParameterValue}]. The caller
 * owns it. */
cJSON *stack_parameters(const cJSON *parameters);
/* The names, sorted, with commas between them. The caller frees it. */
char *stack_parameter_names(const cJSON *parameters);
/* Of resolved parameters, for the stack's tag; `salt` is the stack's name. The caller frees it. */
char *stack_parameters_digest(const char *salt, const cJSON *parameters);
/* By id or name; *ret, the caller's, is NULL where there is none. */
int stack_read(struct session *s, const char *name, cJSON **ret, struct err *err);
/* The digest of the template that the stack has. The caller frees *ret. */
int stack_template_digest(struct session *s, const char *id, char **ret, struct err *err);
/* Sets `have` and the outputs from what DescribeStacks says of the stack. */
void stack_form(struct resource *r, const cJSON *stack);

/* Takes over what DescribeStacks says, NULL where there is none: have, tags, memo, outputs. Asks
 * for more where that depends on how the last operation ended. */
int stack_take(struct session *s, struct resource *r, const cJSON *stack, struct err *err);
/* The discover() of the type. */
int stack_discover(struct session *s, struct graph *g, struct err *err);

/* The adopt() of the type: begins an update of the tags; the stack is ours once that is done. */
int stack_adopt(struct session *s, struct resource *r, struct err *err);

/*
 * The resources whose failure began the end of the stack's last operation, and AWS's reasons, from
 * the stack's events. The caller frees *ret.
 */
int stack_reason(struct session *s, const char *id, char **ret, struct err *err);

/* Warns of what a stack that was deleted has left behind, one call: DELETE_SKIPPED is what its
 * template retains. `id` is what it had for its id. */
void stack_say_retained(struct session *s, struct resource *r, const char *id);

/*
 * Warns of what an output of the stack that is an SNS topic has in the way of notifying anybody: no
 * subscription, or one by e-mail that nobody has confirmed. One call for each such output; what
 * cannot be read is said, and no error.
 */
void stack_check_topics(struct session *s, struct resource *r);

#endif
