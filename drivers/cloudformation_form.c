/* SPDX-License-Identifier: MIT */
#include "drivers/aws/digest.h"
#include "drivers/cloudformation.h"

/* What a stack is in, and what it is made of, in the form in which it is wanted. */

/* What DescribeStacks shows in place of a parameter that the template declares as NoEcho. */
#define HIDDEN "****"

struct status_state {
    const char *status;
    enum stack_state state;
};

static const struct status_state status_states[];
static const size_t status_states_n;

enum stack_state stack_state(const char *status)
{
    if (status == NULL)
        return STACK_GONE;
    for (size_t i = 0; i < status_states_n; i++)
        if (strcmp(status_states[i].status, status) == 0)
            return status_states[i].state;
    return str_ends(status, "_IN_PROGRESS") ? STACK_BUSY : STACK_STUCK;
}

/* "ListStacks: StackStatusFilter" takes no "all but". */
cJSON *stack_statuses_there(void)
{
    static const char *const others[] = {
        "CREATE_IN_PROGRESS",
        "ROLLBACK_IN_PROGRESS",
        "DELETE_IN_PROGRESS",
        "UPDATE_IN_PROGRESS",
        "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
        "UPDATE_ROLLBACK_IN_PROGRESS",
        "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS",
        "IMPORT_IN_PROGRESS",
        "IMPORT_ROLLBACK_IN_PROGRESS",
        "UPDATE_FAILED",
        "UPDATE_ROLLBACK_FAILED",
        "IMPORT_ROLLBACK_FAILED",
    };
    cJSON *statuses = cJSON_CreateArray();
    for (size_t i = 0; i < ARRAY_SIZE(others); i++)
        json_push_str(statuses, others[i]);
    for (size_t i = 0; i < status_states_n; i++)
        if (status_states[i].state != STACK_GONE)
            json_push_str(statuses, status_states[i].status);
    return statuses;
}

char *stack_digest(const char *text)
{
    return digest_text(text, 16);
}

/* A parameter's value as a call wants it: a list is joined by commas, whatever its type. */
static void value_add(struct strbuf *to, const cJSON *value)
{
    if (cJSON_IsString(value)) {
        strbuf_adds(to, value->valuestring);
        return;
    }
    if (!cJSON_IsArray(value)) {
        _cleanup_free_ char *text = json_print(value);
        strbuf_adds(to, text);
        return;
    }
    const cJSON *item;
    cJSON_ArrayForEach (item, value) {
        if (item != value->child)
            strbuf_addc(to, ',');
        value_add(to, item);
    }
}

cJSON *stack_parameters(const cJSON *parameters)
{
    cJSON *list = cJSON_CreateArray();
    const cJSON *parameter;
    cJSON_ArrayForEach (parameter, parameters) {
        _cleanup_strbuf_ struct strbuf value = STRBUF_INIT;
        value_add(&value, parameter);
        cJSON *item = json_push(list, cJSON_CreateObject());
        json_put_str(item, "ParameterKey", parameter->string);
        json_put_str(item, "ParameterValue", value.buf);
    }
    json_sort(list, "ParameterKey");
    return list;
}

char *stack_parameter_names(const cJSON *parameters)
{
    _cleanup_json_ cJSON *list = stack_parameters(parameters);
    _cleanup_strbuf_ struct strbuf names = STRBUF_INIT;
    const cJSON *item;
    cJSON_ArrayForEach (item, list)
        strbuf_addf(&names, "%s%s", names.len > 0 ? "," : "", json_str(item, "ParameterKey"));
    return strbuf_detach(&names);
}

/*
 * Names and values apart: a name that is taken out leaves the values that are compared as they are.
 * Whoever may read tags must not find a password by trying: of the values four bytes are kept,
 * which many texts have in common.
 */
char *stack_parameters_digest(const char *salt, const cJSON *parameters)
{
    _cleanup_json_ cJSON *list = stack_parameters(parameters);
    _cleanup_free_ char *names = stack_parameter_names(parameters);
    _cleanup_free_ char *values = json_print(list);
    _cleanup_free_ char *salted = xasprintf("%s\n%s", salt, values);
    _cleanup_free_ char *of_names = digest_text(names, 8);
    _cleanup_free_ char *of_values = digest_text(salted, 4);
    return xasprintf("%s-%s", of_names, of_values);
}

/* Whether the stack was given the parameters of these names, as far as its tag tells. */
static bool names_are(const char *tag, const char *names)
{
    _cleanup_free_ char *digest = digest_text(names, 8);
    return tag != NULL && str_starts(tag, digest);
}

/* Those of the parameters that are wanted; what others the template has keeps its default. */
static cJSON *parameters_form(const struct resource *r, const cJSON *stack)
{
    const cJSON *list = json_get(stack, "Parameters");
    bool known = false;
    _cleanup_json_ cJSON *wanted = ref_resolve(r->graph, json_get(r->want, "Parameters"), &known);
    _cleanup_free_ char *digest = known ? stack_parameters_digest(r->name, wanted) : NULL;
    bool unchanged = digest != NULL && str_eq(digest, json_str(r->tags, STACK_PARAMETERS_TAG));
    cJSON *parameters = cJSON_CreateObject();
    const cJSON *value;
    cJSON_ArrayForEach (value, wanted) {
        const char *have =
            json_str(json_find(list, "ParameterKey", value->string), "ParameterValue");
        _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
        value_add(&text, value);
        if (have != NULL && (strcmp(have, text.buf) == 0 || (unchanged && str_eq(have, HIDDEN))))
            json_put(parameters, value->string, json_dup(value));
        else
            json_put_str(parameters, value->string, have);
    }
    return parameters;
}

static void outputs_take(struct resource *r, const cJSON *stack)
{
    cJSON_Delete(r->outputs);
    r->outputs = cJSON_CreateObject();
    resource_set_output(r, "StackId", json_str(stack, "StackId"));
    resource_set_output(r, "StackName", r->name);
    const cJSON *output;
    cJSON_ArrayForEach (output, json_get(stack, "Outputs"))
        resource_set_output(r, json_str(output, "OutputKey"), json_str(output, "OutputValue"));
}

void stack_form(struct resource *r, const cJSON *stack)
{
    outputs_take(r, stack);
    const char *names = json_str(r->want, "ParameterNames");
    const char *tag = json_str(r->tags, STACK_PARAMETERS_TAG);
    const char *template = json_str(r->tags, STACK_TEMPLATE_TAG);
    cJSON *have = cJSON_CreateObject();
    json_put_str(have, "StackName", r->name);
    json_put_str(have, "Template", template != NULL ? template : "(not told by its tags)");
    json_put(have, "Parameters", parameters_form(r, stack));
    json_put_str(have, "ParameterNames",
                 names != NULL && names_are(tag, names) ? names : "(others)");
    resource_set_have(r, have);
}

/* https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html; all else
 * that ends with _IN_PROGRESS is under way. */
static const struct status_state status_states[] = {
    { "CREATE_COMPLETE", STACK_GOOD },
    { "UPDATE_COMPLETE", STACK_GOOD },
    { "IMPORT_COMPLETE", STACK_GOOD },
    { "IMPORT_ROLLBACK_COMPLETE", STACK_GOOD },
    { "UPDATE_ROLLBACK_COMPLETE", STACK_ROLLED_BACK },
    { "CREATE_FAILED", STACK_NEVER_MADE },
    { "ROLLBACK_COMPLETE", STACK_NEVER_MADE },
    { "ROLLBACK_FAILED", STACK_NEVER_MADE },
    { "DELETE_FAILED", STACK_NEVER_MADE },
    { "REVIEW_IN_PROGRESS", STACK_STUCK },
    { "DELETE_COMPLETE", STACK_GONE },
};
static const size_t status_states_n = ARRAY_SIZE(status_states);
