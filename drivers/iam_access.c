/* SPDX-License-Identifier: MIT */
#include "drivers/iam_access.h"

#include <ctype.h>

#include "drivers/common.h"

#define ROLE_TYPE   "iam.role"
#define POLICY_TYPE "iam.role_policy"

/* The address in a template that is one reference to a role's ARN: "${iam.role/x.Arn}". */
static const struct resource *referred(const struct graph *g, const cJSON *value)
{
    static const char start[] = "${", end[] = ".Arn}";
    const char *text = cJSON_GetStringValue(value->child);
    if (!str_starts(text, start) || !str_ends(text, end))
        return NULL;
    text += strlen(start);
    _cleanup_free_ char *address = xstrndup(text, strlen(text) - strlen(end));
    return graph_find(g, address);
}

static const struct resource *declared_role(const struct graph *g, const char *name)
{
    for (size_t i = 0; i < g->n; i++)
        if (str_eq(g->v[i]->type->name, ROLE_TYPE) && str_eq(g->v[i]->name, name))
            return g->v[i];
    return NULL;
}

/* A role that is not there yet has the ARN that it will get: roles are made without a path. */
static char *role_arn(const struct graph *g, const struct resource *role)
{
    const char *arn = json_str(role->outputs, "Arn");
    return arn != NULL ? xstrdup(arn)
                       : xasprintf("arn:%s:iam::%s:role/%s", arn_partition(g->context.region),
                                   g->context.account, role->name);
}

bool iam_role_of(const struct graph *g, const cJSON *value, struct iam_role *ret)
{
    const struct resource *declared = ref_is(value) ? referred(g, value) : NULL;
    const char *arn = cJSON_GetStringValue(value);
    const char *slash = arn != NULL ? strrchr(arn, '/') : NULL;
    if (declared != NULL) {
        *ret = (struct iam_role){ role_arn(g, declared), xstrdup(declared->name), declared };
        return true;
    }
    if (slash == NULL)
        return false;
    *ret = (struct iam_role){ xstrdup(arn), xstrdup(slash + 1), declared_role(g, slash + 1) };
    return true;
}

void iam_role_release(struct iam_role *role)
{
    free(role->arn);
    free(role->name);
    *role = (struct iam_role)IAM_ROLE_INIT;
}

cJSON *iam_role_policies(const struct graph *g, const struct iam_role *role, bool only_planned)
{
    cJSON *documents = cJSON_CreateArray();
    for (size_t i = 0; i < g->n; i++) {
        const struct resource *r = g->v[i];
        if (str_eq(r->type->name, POLICY_TYPE) && r->want != NULL &&
            str_eq(json_str(r->want, "RoleName"), role->name) &&
            (!only_planned || preflight_concerns(r)))
            json_push(documents, json_dup(json_get(r->want, "PolicyDocument")));
    }
    return documents;
}

/* What a pattern takes any text for: "*", or a policy variable. Returns what follows, or NULL. */
static const char *after_any(const char *pattern)
{
    if (*pattern == '*')
        return pattern + 1;
    const char *end = str_starts(pattern, "${") ? strchr(pattern, '}') : NULL;
    return end != NULL ? end + 1 : NULL;
}

static bool same_character(char wanted, char given, bool fold)
{
    return wanted == '?' || wanted == given ||
           (fold && tolower((unsigned char)wanted) == tolower((unsigned char)given));
}

/*
 * IAM's wildcards are * and ?, in actions whatever the case. A policy variable may be anything.
 * Only the last "any" is ever tried again, so that a hostile pattern costs no more than a product.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html
 */
static bool like(const char *pattern, const char *text, bool fold)
{
    const char *rest = NULL, *from = NULL;
    while (*text != '\0') {
        const char *after = after_any(pattern);
        if (after != NULL) {
            rest = pattern = after;
            from = text;
        } else if (*pattern != '\0' && same_character(*pattern, *text, fold)) {
            pattern++;
            text++;
        } else if (rest != NULL) {
            pattern = rest;
            text = ++from;
        } else {
            return false;
        }
    }
    for (const char *after = after_any(pattern); after != NULL; after = after_any(pattern))
        pattern = after;
    return *pattern == '\0';
}

static bool one_like(const cJSON *pattern, const char *text, bool fold, bool variables)
{
    const char *own = cJSON_GetStringValue(pattern);
    return own != NULL && (variables || strstr(own, "${") == NULL) && like(own, text, fold);
}

/* `variables`: whether a pattern with a policy variable in it counts. */
static bool any_like(const cJSON *patterns, const char *text, bool fold, bool variables)
{
    if (cJSON_IsString(patterns))
        return one_like(patterns, text, fold, variables);
    const cJSON *pattern;
    cJSON_ArrayForEach (pattern, patterns)
        if (one_like(pattern, text, fold, variables))
            return true;
    return false;
}

bool statement_names_action(const cJSON *statement, const char *action, bool allow)
{
    const cJSON *actions = json_get(statement, "Action");
    return actions != NULL ? any_like(actions, action, true, allow)
                           : !any_like(json_get(statement, "NotAction"), action, true, !allow);
}

/* Whether a statement is about it; of what is not known, what allows is, and what denies is not. */
static bool speaks_of(const cJSON *statement, const char *action, const char *resource, bool allow)
{
    const cJSON *resources = json_get(statement, "Resource");
    bool to = resources != NULL
                  ? any_like(resources, resource, false, allow)
                  : !any_like(json_get(statement, "NotResource"), resource, false, !allow);
    return to && statement_names_action(statement, action, allow);
}

bool policies_allow(const cJSON *documents, const char *action, const char *resource)
{
    bool allowed = false;
    const cJSON *document, *statement;
    cJSON_ArrayForEach (document, documents) {
        cJSON_ArrayForEach (statement, json_get(document, "Statement")) {
            bool allow = str_eq(json_str(statement, "Effect"), "Allow");
            if (!speaks_of(statement, action, resource, allow))
                continue;
            if (!allow && json_get(statement, "Condition") == NULL)
                return false;
            allowed = allowed || allow;
        }
    }
    return allowed;
}

static cJSON *simulate_input(const struct iam_question *q)
{
    cJSON *input = cJSON_CreateObject();
    json_put_str(input, "PolicySourceArn", q->principal);
    json_push_str(json_put_array(input, "ActionNames"), q->action);
    json_put(input, "ResourceArns", json_dup(q->resources));
    const cJSON *document;
    cJSON *texts = json_count(q->documents) > 0 ? json_put_array(input, "PolicyInputList") : NULL;
    cJSON_ArrayForEach (document, q->documents) {
        _cleanup_free_ char *text = json_print(document);
        json_push_str(texts, text);
    }
    if (q->context_key != NULL) {
        cJSON *entry = json_push(json_put_array(input, "ContextEntries"), cJSON_CreateObject());
        json_put_str(entry, "ContextKeyName", q->context_key);
        json_put_str(entry, "ContextKeyType", "string");
        json_push_str(json_put_array(entry, "ContextKeyValues"), q->context_value);
    }
    return input;
}

static void add_denied(cJSON *denied, const char *resource, const char *decision,
                       const cJSON *result)
{
    bool explicitly = str_eq(decision, "explicitDeny");
    if (str_eq(decision, "allowed") ||
        (!explicitly && json_count(json_get(result, "MissingContextValues")) > 0))
        return;
    cJSON *one = json_push(denied, cJSON_CreateObject());
    json_put_str(one, "resource", resource);
    json_put_bool(one, "explicit", explicitly);
}

int iam_simulate(struct session *s, const struct iam_question *q, cJSON **ret_denied,
                 struct err *err)
{
    _cleanup_json_ cJSON *input = simulate_input(q), *results = NULL;
    if (aws_call_all(s, "iam", "SimulatePrincipalPolicy", input, "EvaluationResults", &results,
                     err) < 0)
        return -1;
    cJSON *denied = cJSON_CreateArray();
    const cJSON *result, *one;
    cJSON_ArrayForEach (result, results) {
        const cJSON *specific = json_get(result, "ResourceSpecificResults");
        cJSON_ArrayForEach (one, specific)
            add_denied(denied, json_str(one, "EvalResourceName"),
                       json_str(one, "EvalResourceDecision"), one);
        if (json_count(specific) == 0)
            add_denied(denied, json_str(result, "EvalResourceName"),
                       json_str(result, "EvalDecision"), result);
    }
    *ret_denied = denied;
    return 0;
}
