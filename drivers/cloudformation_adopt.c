/* SPDX-License-Identifier: MIT */
/*
 * Making a stack ours that somebody else has made: CloudFormation changes tags by an update alone,
 * which here changes nothing else.
 * https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_UpdateStack.html
 */
#include "drivers/aws/digest.h"
#include "drivers/cloudformation.h"

#include <inttypes.h>

/* All parameters as they are, also those whose values nobody is told. */
static void keep_parameters(cJSON *input, const cJSON *stack)
{
    const cJSON *list = json_get(stack, "Parameters"), *parameter;
    if (json_count(list) == 0)
        return;
    cJSON *kept = json_put_array(input, "Parameters");
    cJSON_ArrayForEach (parameter, list) {
        cJSON *item = json_push(kept, cJSON_CreateObject());
        json_copy(item, parameter, "ParameterKey");
        json_put_bool(item, "UsePreviousValue", true);
    }
}

/* What a later plan tells an unchanged stack by: the template that it has, and the parameters where
 * they are seen to be the wanted ones. */
static int put_digests(struct session *s, const struct resource *r, cJSON *tags, struct err *err)
{
    _cleanup_free_ char *template = NULL;
    if (stack_template_digest(s, json_str(r->memo, "id"), &template, err) < 0)
        return -1;
    json_put_str(tags, STACK_TEMPLATE_TAG, template);
    bool known = false;
    _cleanup_json_ cJSON *wanted = ref_resolve(r->graph, json_get(r->want, "Parameters"), &known);
    if (!known || !json_equal(wanted, json_get(r->have, "Parameters")))
        return 0;
    _cleanup_free_ char *parameters = stack_parameters_digest(r->name, wanted);
    json_put_str(tags, STACK_PARAMETERS_TAG, parameters);
    return 0;
}

static cJSON *update_input(const struct resource *r, const cJSON *stack, const cJSON *tags)
{
    _cleanup_free_ char *all = json_print(tags);
    _cleanup_free_ char *changed = json_print(json_get(r->memo, "changed"));
    _cleanup_free_ char *what = xasprintf("%s\n%s\n%s", json_str(r->memo, "id"), changed, all);
    _cleanup_free_ char *digest = digest_text(what, 10);
    cJSON *input = cJSON_CreateObject();
    json_put_str(input, "StackName", json_str(r->memo, "id"));
    json_put_bool(input, "UsePreviousTemplate", true);
    keep_parameters(input, stack);
    if (json_count(json_get(stack, "Capabilities")) > 0)
        json_copy(input, stack, "Capabilities");
    json_put(input, "Tags", tags_to_list(tags, "Key", "Value"));
    json_put_strf(input, "ClientRequestToken", "berth-%" PRId64 "-adopt-%s",
                  r->graph->context.project, digest);
    return input;
}

int stack_adopt(struct session *s, struct resource *r, struct err *err)
{
    _cleanup_json_ cJSON *stack = NULL;
    if (stack_read(s, json_str(r->memo, "id"), &stack, err) < 0)
        return -1;
    if (stack == NULL)
        return err_set(err, ERR_FAILED, "stack '%s' is gone; run the command again", r->name);
    _cleanup_json_ cJSON *tags = tags_from_list(json_get(stack, "Tags"), "Key", "Value");
    _cleanup_json_ cJSON *ours = tags_wanted(r->graph, r->label);
    const cJSON *tag;
    cJSON_ArrayForEach (tag, ours)
        json_copy(tags, ours, tag->string);
    if (put_digests(s, r, tags, err) < 0)
        return -1;
    _cleanup_json_ cJSON *input = update_input(r, stack, tags);
    if (aws_call(s, "cloudformation", "UpdateStack", input, NULL, err) < 0)
        return -1;
    json_put_str(r->memo, "status", "UPDATE_IN_PROGRESS");
    json_put(r->memo, "base", json_dup(json_get(r->memo, "changed")));
    json_put_bool(r->memo, "awaited", true); /* that it is rolled back is this update's end */
    return 0;
}
