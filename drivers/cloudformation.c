/* SPDX-License-Identifier: MIT */
#include "drivers/cloudformation.h"

#include <ctype.h>

#include "drivers/common.h"
#include "drivers/driver.h"
#include "executor/base/file.h"

/*
 * What the spec's "stacks" ask for: stacks of the environment's own, from a template beside the
 * spec or one that comes with berth, and stacks of others' whose outputs are used.
 */

/* "A string with a minimum length of 1 and maximum length of 51,200":
 * https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateStack.html */
#define TEMPLATE_MAX ((size_t)51200)

struct builtin {
    const char *name;
    const char *body;
};

static const struct builtin builtins[];
static const size_t builtins_n;

/* "The name can include only alphanumeric characters (case-sensitive) and hyphens. It must start
 * with an alphabetic character and can't be longer than 128 characters": API_CreateStack. */
static int stack_name_check(const char *origin, const char *name, struct err *err)
{
    bool good = isalpha((unsigned char)*name) != 0;
    for (const char *p = name; *p != '\0'; p++)
        good = good && (isalnum((unsigned char)*p) || *p == '-');
    if (!good)
        return err_set(err, ERR_USER,
                       "%s: '%s' cannot be the name of a stack: CloudFormation takes letters, "
                       "digits and hyphens, a letter first",
                       origin, name);
    return name_check(origin, "a stack's name", name, 128, err);
}

/* What other parts of the spec are called by in references. */
static int label_check(const char *origin, const char *label, struct err *err)
{
    static const char *const taken[] = { "network", "privateSubnets", "publicSubnets",
                                         "cluster", "discovery",      "logs",
                                         "redis",   "loadBalancer" };
    for (size_t i = 0; i < ARRAY_SIZE(taken); i++)
        if (strcmp(taken[i], label) == 0)
            return err_set(err, ERR_USER,
                           "%s: '${%s.output}' refers to something else in a spec; give the stack "
                           "another name",
                           origin, label);
    return 0;
}

static int template_file(const struct graph *g, const char *origin, const char *file, char **ret,
                         struct err *err)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    _cleanup_err_ struct err failure = ERR_INIT;
    if (file_read_beneath(g->context.spec_dir, file, JSON_FILE_MAX, &text, &failure) < 0)
        return err_set(err, ERR_USER, "%s.template: %s", origin, failure.message);
    if (text.len > TEMPLATE_MAX)
        return err_set(err, ERR_USER,
                       "%s.template: '%s' has %zu bytes, CloudFormation takes at most %zu: shorten "
                       "it, or make two stacks of it",
                       origin, file, text.len, TEMPLATE_MAX);
    if (text.len == 0 || strlen(text.buf) != text.len)
        return err_set(err, ERR_USER, "%s.template: '%s' is no template: it is %s", origin, file,
                       text.len == 0 ? "empty" : "not text");
    *ret = strbuf_detach(&text);
    return 0;
}

static int template_of(const struct graph *g, const cJSON *stack, const char *origin, char **ret,
                       struct err *err)
{
    const char *builtin = json_str(stack, "builtin"), *file = json_str(stack, "template");
    if ((builtin == NULL) == (file == NULL))
        return err_set(err, ERR_USER,
                       "%s: needs one of 'template', 'builtin' and 'shared', and no more", origin);
    if (file != NULL)
        return template_file(g, origin, file, ret, err);
    for (size_t i = 0; i < builtins_n; i++) {
        if (strcmp(builtins[i].name, builtin) != 0)
            continue;
        *ret = xstrdup(builtins[i].body);
        return 0;
    }
    return err_set(err, ERR_BUG, "%s.builtin: '%s' is not among those that there are", origin,
                   builtin);
}

static int own_want(struct graph *g, const cJSON *stack, const char *origin, struct err *err)
{
    _cleanup_free_ char *usual = xasprintf("%s-%s", g->context.environment, stack->string);
    const char *name = json_str(stack, "name") ? json_str(stack, "name") : usual;
    _cleanup_free_ char *body = NULL;
    if (stack_name_check(origin, name, err) < 0 || template_of(g, stack, origin, &body, err) < 0)
        return -1;
    const cJSON *parameters = json_get(stack, "parameters");
    _cleanup_free_ char *digest = stack_digest(body);
    _cleanup_free_ char *names = stack_parameter_names(parameters);
    cJSON *want = cJSON_CreateObject();
    json_put_str(want, "StackName", name);
    json_put_str(want, "Template", digest);
    json_put(want, "Parameters", parameters != NULL ? json_dup(parameters) : cJSON_CreateObject());
    json_put_str(want, "ParameterNames", names);
    struct resource *r = NULL;
    if (graph_add(g, &cloudformation_stack_type, stack->string, name, origin, want, &r, err) < 0)
        return -1;
    json_put_str(r->memo, "body", body);
    if (json_get(stack, "capabilities") != NULL)
        json_put(r->memo, "capabilities", json_dup(json_get(stack, "capabilities")));
    const cJSON *types = json_get(g->context.limits, "stackResources");
    if (types != NULL && json_str(stack, "template") != NULL)
        json_put(r->memo, "resourceTypes", json_dup(types));
    _cleanup_free_ char *address = xstrdup(r->address);
    graph_alias(g, stack->string, address);
    return 0;
}

static int shared_want(struct graph *g, const cJSON *stack, const char *origin, struct err *err)
{
    static const char *const others[] = { "template", "builtin", "name", "parameters",
                                          "capabilities" };
    const char *name = json_str(stack, "shared");
    for (size_t i = 0; i < ARRAY_SIZE(others); i++)
        if (json_get(stack, others[i]) != NULL)
            return err_set(err, ERR_USER,
                           "%s.%s: a shared stack is somebody else's, and only looked up: remove "
                           "either 'shared' or '%s'",
                           origin, others[i], others[i]);
    if (stack_name_check(origin, name, err) < 0)
        return -1;
    cJSON *want = cJSON_CreateObject();
    json_put_str(want, "StackName", name);
    struct resource *r = NULL;
    if (graph_add(g, &cloudformation_shared_type, stack->string, name, origin, want, &r, err) < 0)
        return -1;
    graph_alias(g, stack->string, r->address);
    return 0;
}

static int cloudformation_want(struct graph *g, const cJSON *spec, struct err *err)
{
    const cJSON *stack;
    cJSON_ArrayForEach (stack, json_get(spec, "stacks")) {
        _cleanup_strbuf_ struct strbuf origin = STRBUF_INIT;
        strbuf_adds(&origin, "stacks");
        json_path_key(&origin, stack->string);
        if (label_check(origin.buf, stack->string, err) < 0)
            return -1;
        bool shared = json_get(stack, "shared") != NULL;
        if ((shared ? shared_want : own_want)(g, stack, origin.buf, err) < 0)
            return -1;
    }
    return 0;
}

/*
 * A stack of another environment's, or of nobody's. What it is for are its outputs, which are there
 * in every state in which it is not being made; what is being deleted tells them too, of things
 * that will be gone.
 */
static int shared_observe(struct session *s, struct resource *const *r, size_t n, struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        _cleanup_json_ cJSON *stack = NULL;
        if (stack_read(s, r[i]->name, &stack, err) < 0)
            return -1;
        const char *status = json_str(stack, "StackStatus");
        resource_set_have(r[i], NULL);
        if (json_count(json_get(stack, "Outputs")) > 0 && !str_starts(status, "DELETE_")) {
            stack_form(r[i], stack);
            continue;
        }
        resource_set_missing(
            r[i],
            "there is no stack '%s' with outputs%s%s: deploy the environment whose "
            "it is, or make it, and run the job again",
            r[i]->name, status != NULL ? ", it is in the state " : "",
            status != NULL ? status : "");
    }
    return 0;
}

/* What an earlier run has made and nobody has confirmed yet is said whenever something changes; an
 * unchanged environment is not worth the call. */
static int cloudformation_begin(struct session *s, struct graph *g, struct err *err)
{
    (void)err;
    for (size_t i = 0; i < g->n; i++) {
        struct resource *r = g->v[i];
        bool stack =
            r->type == &cloudformation_stack_type || r->type == &cloudformation_shared_type;
        if (stack && r->want != NULL && r->have != NULL && r->action == ACTION_NONE)
            stack_check_topics(s, r);
    }
    return 0;
}

const struct resource_type cloudformation_shared_type = {
    .name = "cloudformation.shared_stack",
    .singular = "shared stack",
    .plural = "shared stacks",
    .scope = SCOPE_LOOKUP,
    .batch = 1,
    .observe = shared_observe,
};

/*
 * A topic for an environment's alarms, with a subscription by e-mail. The subscription is a
 * resource of its own: as the topic's member it would stay when the stack goes, and another address
 * would not take the place of the old one,
 * https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-sns-topic.html
 */
static const struct builtin builtins[] = {
    { "sns-alarms", "{\n"
                    "  \"AWSTemplateFormatVersion\": \"2010-09-09\",\n"
                    "  \"Description\": \"The topic that an environment's alarms notify\",\n"
                    "  \"Parameters\": {\n"
                    "    \"OperatorEmail\": {\n"
                    "      \"Type\": \"String\",\n"
                    "      \"Description\": \"Who is told of alarms, by e-mail\",\n"
                    "      \"AllowedPattern\": \"[^@\\\\s]+@[^@\\\\s]+[.][^@\\\\s]+\",\n"
                    "      \"ConstraintDescription\": \"must be an e-mail address\"\n"
                    "    }\n"
                    "  },\n"
                    "  \"Resources\": {\n"
                    "    \"AlarmTopic\": { \"Type\": \"AWS::SNS::Topic\" },\n"
                    "    \"OperatorSubscription\": {\n"
                    "      \"Type\": \"AWS::SNS::Subscription\",\n"
                    "      \"Properties\": {\n"
                    "        \"TopicArn\": { \"Ref\": \"AlarmTopic\" },\n"
                    "        \"Protocol\": \"email\",\n"
                    "        \"Endpoint\": { \"Ref\": \"OperatorEmail\" }\n"
                    "      }\n"
                    "    }\n"
                    "  },\n"
                    "  \"Outputs\": {\n"
                    "    \"TopicARN\": { \"Description\": \"The topic\", \"Value\": { \"Ref\": "
                    "\"AlarmTopic\" } }\n"
                    "  }\n"
                    "}\n" },
};
static const size_t builtins_n = ARRAY_SIZE(builtins);

static const char *const cloudformation_aliases[] = { "sns", NULL };
static const struct resource_type *const cloudformation_types[] = { &cloudformation_shared_type,
                                                                    &cloudformation_stack_type,
                                                                    NULL };

extern const struct driver cloudformation_driver;
const struct driver cloudformation_driver = {
    .name = "cloudformation",
    .aliases = cloudformation_aliases,
    .types = cloudformation_types,
    .want = cloudformation_want,
    .begin = cloudformation_begin,
    .permissions = cloudformation_permissions,
};
