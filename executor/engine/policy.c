/* SPDX-License-Identifier: MIT */
#include "executor/engine/policy.h"

#include <stdio.h>

#include "drivers/permission.h"

/* What a template's placeholders stand for at the moment. */
struct values {
    const struct policy_scope *scope;
    const struct graph *graph;
    const char *id, *name; /* name NULL: the row has none */
};

/* Appends a name of the graph with the environment's subdomain replaced. */
static void add_named(struct strbuf *out, const struct values *v, const char *name)
{
    const char *own = v->graph->context.subdomain;
    for (const char *at; (at = strstr(name, own)) != NULL; name = at + strlen(own)) {
        strbuf_add(out, name, (size_t)(at - name));
        strbuf_adds(out, v->id);
    }
    strbuf_adds(out, name);
}

static void add_value(struct strbuf *out, const struct values *v, const char *key, size_t len)
{
    const struct policy_scope *scope = v->scope;
    _cleanup_free_ char *name = xstrndup(key, len);
    if (str_eq(name, "E"))
        add_named(out, v, v->graph->context.environment);
    else if (str_eq(name, "NAME"))
        add_named(out, v, v->name);
    else if (str_eq(name, "P"))
        strbuf_adds(out, scope->partition);
    else if (str_eq(name, "R"))
        strbuf_adds(out, scope->region);
    else
        strbuf_adds(out, scope->account);
}

static char *expand(const struct values *v, const char *template)
{
    _cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
    for (const char *at; (at = strstr(template, "${")) != NULL;) {
        size_t len = strcspn(at + 2, "}");
        strbuf_add(&out, template, (size_t)(at - template));
        add_value(&out, v, at + 2, len);
        template = at + 2 + len + 1;
    }
    strbuf_adds(&out, template);
    return strbuf_detach(&out);
}

/* "ecs@eu-west-1:cluster/x", of which `service` bytes are "ecs", as an ARN. */
static char *arn_elsewhere(const struct policy_scope *scope, const char *resource, size_t service)
{
    const char *region = resource + service + 1;
    size_t len = strcspn(region, ":");
    return xasprintf("arn:%s:%.*s:%.*s:%s%s", scope->partition, (int)service, resource, (int)len,
                     region, scope->account, region + len);
}

/* "ecs:cluster/x" as an ARN; with two colons without a region, with three without an account. */
static char *arn_of(const struct policy_scope *scope, const char *resource)
{
    if (str_eq(resource, "*"))
        return xstrdup(resource);
    size_t service = strcspn(resource, ":@"), colons = strspn(resource + service, ":");
    if (resource[service] == '@')
        return arn_elsewhere(scope, resource, service);
    return xasprintf("arn:%s:%.*s:%s:%s:%s", scope->partition, (int)service, resource,
                     colons > 1 ? "" : scope->region, colons > 2 ? "" : scope->account,
                     resource + service + colons);
}

static void add_once(struct strlist *list, const char *text)
{
    if (!strlist_has(list, text))
        strlist_add(list, text);
}

/* All that a template comes to: for each environment, and each name. */
static void expand_all(const struct policy_scope *scope, const struct graph *g,
                       const struct strlist *names, const char *template, bool is_arn,
                       struct strlist *ret)
{
    for (size_t i = 0; i < scope->ids->n; i++) {
        for (size_t j = 0; j < (names != NULL ? names->n : 1); j++) {
            const struct values v = { .scope = scope,
                                      .graph = g,
                                      .id = scope->ids->v[i],
                                      .name = names != NULL ? names->v[j] : "" };
            _cleanup_free_ char *text = expand(&v, template);
            _cleanup_free_ char *arn = is_arn ? arn_of(scope, text) : NULL;
            add_once(ret, is_arn ? arn : text);
        }
    }
}

/* The next word of *text, which moves behind it; NULL at the end. The caller frees it. */
static char *next_word(const char **text)
{
    *text += strspn(*text, " ");
    size_t len = strcspn(*text, " ");
    if (len == 0)
        return NULL;
    char *word = xstrndup(*text, len);
    *text += len;
    return word;
}

/* One string, or an array of several, as IAM takes both. */
static cJSON *one_or_all(const struct strlist *list)
{
    if (list->n == 1)
        return cJSON_CreateString(list->v[0]);
    cJSON *array = cJSON_CreateArray();
    for (size_t i = 0; i < list->n; i++)
        json_push_str(array, list->v[i]);
    return array;
}

static cJSON *resources_of(const struct permission *p, const struct policy_scope *scope,
                           const struct graph *g, const struct strlist *names)
{
    _cleanup_strlist_ struct strlist all = STRLIST_INIT;
    const char *text = p->resources;
    for (char *word; (word = next_word(&text)) != NULL; free(word))
        expand_all(scope, g, names, word, true, &all);
    return one_or_all(&all);
}

static cJSON *operator_of(cJSON *conditions, const char *name)
{
    cJSON *found = json_get(conditions, name);
    return found != NULL ? found : json_put_object(conditions, name);
}

/* The tags that say whose: Environment and berth:project. */
static void add_tags(cJSON *conditions, const char *where, const struct policy_scope *scope,
                     const struct graph *g)
{
    _cleanup_strlist_ struct strlist environments = STRLIST_INIT;
    expand_all(scope, g, NULL, "${E}", false, &environments);
    _cleanup_free_ char *project = xasprintf("aws:%s/berth:project", where);
    _cleanup_free_ char *environment = xasprintf("aws:%s/Environment", where);
    json_put_strf(operator_of(conditions, "StringEquals"), project, "%lld",
                  (long long)scope->project);
    json_put(operator_of(conditions, "StringLike"), environment, one_or_all(&environments));
}

static cJSON *conditions_of(const struct permission *p, const struct policy_scope *scope,
                            const struct graph *g, const struct strlist *names)
{
    cJSON *conditions = cJSON_CreateObject();
    if (p->flags & PERMIT_NEW)
        add_tags(conditions, "RequestTag", scope, g);
    if (p->flags & PERMIT_OURS)
        add_tags(conditions, "ResourceTag", scope, g);
    if (p->condition != NULL) {
        const char *text = p->condition;
        _cleanup_free_ char *operator= next_word(&text);
        _cleanup_free_ char *key = next_word(&text);
        _cleanup_strlist_ struct strlist values = STRLIST_INIT;
        for (char *word; (word = next_word(&text)) != NULL; free(word))
            expand_all(scope, g, names, word, false, &values);
        json_put(operator_of(conditions, operator), key, one_or_all(&values));
    }
    return conditions;
}

static bool is_wanted(const struct graph *g, const char *types)
{
    if (types == NULL)
        return true;
    for (char *type; (type = next_word(&types)) != NULL; free(type))
        for (size_t i = 0; i < g->n; i++)
            if (g->v[i]->want != NULL && str_eq(g->v[i]->type->name, type)) {
                free(type);
                return true;
            }
    return false;
}

/* The statement that says the same but for its actions; or a new one, whose sid is made unique. */
static cJSON *statement_of(cJSON *statements, const char *sid, cJSON *resource, cJSON *condition)
{
    unsigned same = 1;
    cJSON *statement;
    cJSON_ArrayForEach (statement, statements) {
        const char *name = json_str(statement, "Sid");
        const cJSON *has = json_get(statement, "Condition");
        if (!str_starts(name, sid) ||
            strspn(name + strlen(sid), "0123456789") != strlen(name + strlen(sid)))
            continue;
        if (json_equal(json_get(statement, "Resource"), resource) &&
            (has != NULL ? json_equal(has, condition) : condition->child == NULL)) {
            cJSON_Delete(resource);
            cJSON_Delete(condition);
            return statement;
        }
        same++;
    }
    statement = json_push(statements, cJSON_CreateObject());
    if (same > 1)
        json_put_strf(statement, "Sid", "%s%u", sid, same);
    else
        json_put_str(statement, "Sid", sid);
    json_put_str(statement, "Effect", "Allow");
    json_put_array(statement, "Action");
    json_put(statement, "Resource", resource);
    if (condition->child != NULL)
        json_put(statement, "Condition", condition);
    else
        cJSON_Delete(condition);
    return statement;
}

static bool is_asked(const struct permission *p, unsigned uses)
{
    if (uses == 0)
        return (p->uses & PERMIT_ADOPT_ONLY) == 0;
    return (p->uses & uses) != 0;
}

/* Whether other rows that jobs have allow it anyway. */
static bool is_covered(const struct permission *p, const struct policy_scope *scope,
                       const struct graph *g)
{
    return scope->uses == 0 && p->unless != NULL && is_wanted(g, p->unless);
}

static void add_permission(cJSON *statements, const struct permission *p,
                           const struct policy_scope *scope, const struct graph *g)
{
    _cleanup_strlist_ struct strlist names = STRLIST_INIT;
    if (p->names != NULL)
        p->names(g, &names);
    if ((p->names != NULL && names.n == 0) || ((p->flags & PERMIT_SHARED) && !scope->shared) ||
        !is_wanted(g, p->when) || !is_asked(p, scope->uses) || is_covered(p, scope, g))
        return;
    const struct strlist *given = p->names != NULL ? &names : NULL;
    cJSON *statement = statement_of(statements, p->sid, resources_of(p, scope, g, given),
                                    conditions_of(p, scope, g, given));
    cJSON *actions = json_get(statement, "Action");
    const char *text = p->actions;
    for (char *action; (action = next_word(&text)) != NULL; free(action))
        if (!json_array_has(actions, action))
            json_push_str(actions, action);
}

cJSON *policy_statements(const struct graph *g, const struct policy_scope *scope)
{
    cJSON *statements = cJSON_CreateArray();
    for (const struct driver *const *d = g->drivers; *d != NULL; d++)
        for (const struct permission *p = (*d)->permissions; p != NULL && p->sid != NULL; p++)
            add_permission(statements, p, scope, g);
    return statements;
}

size_t policy_size(const cJSON *document)
{
    _cleanup_free_ char *text = json_print(document);
    size_t size = 0;
    for (const char *p = text; *p != '\0'; p++)
        size += strchr(" \t\r\n", *p) == NULL;
    return size;
}

static cJSON *document_new(cJSON *documents)
{
    cJSON *document = json_push(documents, cJSON_CreateObject());
    json_put_str(document, "Version", "2012-10-17");
    json_put_array(document, "Statement");
    return document;
}

/* The two halves of a statement with several resources, called "SidA" and "SidB". */
static cJSON *statement_half(const cJSON *statement, bool first)
{
    cJSON *half = json_dup(statement), *resources = cJSON_CreateArray();
    const cJSON *all = json_get(statement, "Resource"), *resource;
    size_t i = 0, middle = json_count(all) / 2;
    cJSON_ArrayForEach (resource, all) {
        if ((i++ < middle) == first)
            json_push(resources, json_dup(resource));
    }
    json_put(half, "Resource", resources);
    json_put_strf(half, "Sid", "%s%c", json_str(statement, "Sid"), first ? 'A' : 'B');
    return half;
}

static void add_statement(cJSON *documents, const cJSON *statement)
{
    cJSON *last = cJSON_GetArrayItem(documents, cJSON_GetArraySize(documents) - 1);
    for (int tries = 0; tries < 2; tries++) {
        cJSON *list = json_get(last, "Statement");
        json_push(list, json_dup(statement));
        if (policy_size(last) <= POLICY_MAX)
            return;
        size_t n = json_count(list);
        if (n == 1)
            break; /* too large alone */
        cJSON_DeleteItemFromArray(list, (int)n - 1);
        last = document_new(documents);
    }
    if (json_count(json_get(statement, "Resource")) < 2)
        return; /* nothing left to split: AWS will say that it is too large */
    cJSON_DeleteItemFromArray(json_get(last, "Statement"), 0);
    for (int half = 0; half < 2; half++) {
        _cleanup_json_ cJSON *one = statement_half(statement, half == 0);
        add_statement(documents, one);
    }
}

cJSON *policy_documents(const cJSON *statements)
{
    cJSON *documents = cJSON_CreateArray();
    document_new(documents);
    const cJSON *statement;
    cJSON_ArrayForEach (statement, statements)
        add_statement(documents, statement);
    return documents;
}
