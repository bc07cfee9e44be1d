/* SPDX-License-Identifier: MIT */
#ifndef BERTH_DRIVERS_COMMON_H
#define BERTH_DRIVERS_COMMON_H

/*
 * Small things that several drivers need. Nothing here keeps state, and but for tags
 * nothing calls AWS.
 */

#include "drivers/resource.h"

/*
 * ERR_USER where a name that berth makes from the spec is longer than AWS takes; `path` is the
 * spec's member it comes from, `what` the kind of name ("a security group's name").
 */
int name_check(const char *path, const char *what, const char *name, size_t max, struct err *err);

/*
 * What the members of RegisterTaskDefinition or another input look like once references in them are
 * known: each becomes a text, so that aws_check_input() can judge the rest. The caller owns it.
 */
cJSON *plausible_input(const cJSON *input);

/* Adds {"Name": name, "Values": [value]} to a list of filters, as EC2 and Cloud Map have them. */
cJSON *filter_add(cJSON *filters, const char *name, const char *value);

/* Takes a resource as seen: without `have`, absent. For discover(), before what is there is filled
 * in, so that the engine does not ask for the absent ones again. */
void resources_mark_observed(struct graph *g, const struct resource_type *type);

/* The partition that ARNs of a region begin with: "aws", "aws-cn", "aws-us-gov". */
const char *arn_partition(const char *region);

/*
 * How many of the last characters of the first `len` of a secret's ARN are those that Secrets
 * Manager has added to its name, a hyphen and six letters or digits; 0 where it has none. An ARN
 * may be given without them, but one whose name happens to end like that is taken for complete:
 * https://docs.aws.amazon.com/secretsmanager/latest/userguide/troubleshoot.html#ARN_secretnamehyphen
 */
size_t secret_suffix(const char *arn, size_t len);

/* A copy of those members of `from` that the NULL-ended list names. The caller owns it. */
cJSON *json_pick(const cJSON *from, const char *const *members);

/* Sorts a set, those of its members first that are wanted, in the order in which they are. `set`
 * and `wanted` may be NULL. */
void set_order(cJSON *set, const cJSON *wanted);

/* How a service is told tags, or asked for them: the call, the member that names the resource (the
 * only one of a list, if it takes one), and how it writes a tag; key NULL: as members of one
 * object. */
struct tag_call {
    const char *service, *action, *member;
    bool list;
    const char *tags, *key, *value;
};
/*
 * Reads r->tags, where they are not known, from what the call answers that lists them for the one
 * resource `id`; `tags`, `key`, `value` say how. *ret_gone: there is no such resource any more.
 */
int tags_ask(struct session *s, struct resource *r, const struct tag_call *call, const char *id,
             bool *ret_gone, struct err *err);
/* Gives a resource the tags of tags_wanted(), and notes them in r->tags; for a type's adopt(). */
int tags_give(struct session *s, struct resource *r, const struct tag_call *call, const char *id,
              struct err *err);

#endif
