/* SPDX-License-Identifier: MIT */
#include "drivers/iam.h"

#include "drivers/common.h"
#include "drivers/driver.h"
#include "drivers/iam_preflight.h"
#include "executor/base/file.h"

/*
 * Roles that all branches share, and their inline policies. A role's policies are looked at only as
 * far as the spec names them: others on the same role are somebody else's.
 */
static const struct resource_type role_type;
static const struct resource_type policy_type;

/* A document in a call's answer, normalised. */
static int document_of(const cJSON *answer, const char *member, cJSON **ret, struct err *err)
{
    const cJSON *value = json_get(answer, member);
    if (cJSON_IsString(value)) {
        if (policy_parse(value->valuestring, ret, err) < 0)
            return -1;
    } else {
        *ret = value != NULL ? json_dup(value) : cJSON_CreateObject();
    }
    policy_normalise(*ret);
    return 0;
}

static int role_take(struct resource *r, const cJSON *role, struct err *err)
{
    cJSON *document = NULL;
    if (document_of(role, "AssumeRolePolicyDocument", &document, err) < 0)
        return err_wrap(err, "the trust policy of role '%s'", r->name);
    cJSON *have = cJSON_CreateObject();
    json_copy(have, role, "RoleName");
    json_copy(have, role, "Description");
    json_put(have, "AssumeRolePolicyDocument", document);
    resource_set_have(r, have);
    json_copy(r->memo, role, "MaxSessionDuration");
    resource_set_output(r, "Arn", json_str(role, "Arn"));
    resource_set_output(r, "RoleName", r->name);
    return 0;
}

static int role_look(struct session *s, struct resource *r, struct err *err)
{
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    json_put_str(input, "RoleName", r->name);
    _cleanup_json_ cJSON *output = NULL;
    _cleanup_err_ struct err failure = ERR_INIT;
    r->observed = true;
    if (aws_call(s, "iam", "GetRole", input, &output, &failure) == 0)
        return role_take(r, json_get(output, "Role"), err);
    if (failure.class != ERR_NOT_FOUND)
        return err_move(err, &failure);
    resource_set_have(r, NULL);
    return 0;
}

static int role_observe(struct session *s, struct resource *const *r, size_t n, struct err *err)
{
    for (size_t i = 0; i < n; i++)
        if (role_look(s, r[i], err) < 0)
            return -1;
    return 0;
}

static void put_document(cJSON *input, const char *member, const cJSON *document)
{
    _cleanup_free_ char *text = json_print(document);
    json_put_str(input, member, text);
}

static int role_create(struct session *s, struct resource *r, struct err *err)
{
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    json_put_str(input, "RoleName", r->name);
    json_copy(input, r->target, "Description");
    put_document(input, "AssumeRolePolicyDocument",
                 json_get(r->target, "AssumeRolePolicyDocument"));
    _cleanup_json_ cJSON *output = NULL;
    if (aws_call(s, "iam", "CreateRole", input, &output, err) < 0)
        return -1;
    resource_set_have(r, json_dup(r->target));
    resource_set_output(r, "Arn", json_str_at(output, "Role/Arn"));
    resource_set_output(r, "RoleName", r->name);
    return 0;
}

static int role_update(struct session *s, struct resource *r, struct err *err)
{
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    json_put_str(input, "RoleName", r->name);
    const cJSON *document = json_get(r->target, "AssumeRolePolicyDocument");
    if (!json_equal(document, json_get(r->have, "AssumeRolePolicyDocument"))) {
        put_document(input, "PolicyDocument", document);
        if (aws_call(s, "iam", "UpdateAssumeRolePolicy", input, NULL, err) < 0)
            return -1;
        cJSON_DeleteItemFromObjectCaseSensitive(input, "PolicyDocument");
    }
    const cJSON *description = json_get(r->target, "Description");
    if (description != NULL && !json_equal(description, json_get(r->have, "Description"))) {
        json_put(input, "Description", json_dup(description));
        /* "If you do not specify a value for this setting, the default value of one hour is
         * applied": https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateRole.html */
        json_copy(input, r->memo, "MaxSessionDuration");
        if (aws_call(s, "iam", "UpdateRole", input, NULL, err) < 0)
            return -1;
    }
    resource_set_have(r, json_dup(r->target));
    return 0;
}

static cJSON *policy_input(const struct resource *r)
{
    static const char *const members[] = { "RoleName", "PolicyName", NULL };
    return json_pick(r->want, members);
}

static int policy_look(struct session *s, struct resource *r, struct err *err)
{
    const struct resource *role =
        graph_find_name(r->graph, &role_type, json_str(r->want, "RoleName"));
    r->observed = true;
    resource_set_have(r, NULL);
    if (role == NULL || role->have == NULL)
        return 0;
    _cleanup_json_ cJSON *input = policy_input(r);
    _cleanup_json_ cJSON *output = NULL;
    _cleanup_err_ struct err failure = ERR_INIT;
    if (aws_call(s, "iam", "GetRolePolicy", input, &output, &failure) < 0)
        return failure.class == ERR_NOT_FOUND ? 0 : err_move(err, &failure);
    cJSON *document = NULL;
    if (document_of(output, "PolicyDocument", &document, err) < 0)
        return err_wrap(err, "policy '%s'", r->name);
    cJSON *have = policy_input(r);
    json_put(have, "PolicyDocument", document);
    resource_set_have(r, have);
    return 0;
}

static int policy_observe(struct session *s, struct resource *const *r, size_t n, struct err *err)
{
    for (size_t i = 0; i < n; i++)
        if (policy_look(s, r[i], err) < 0)
            return -1;
    return 0;
}

/* PutRolePolicy creates and changes alike. */
static int policy_put(struct session *s, struct resource *r, struct err *err)
{
    _cleanup_json_ cJSON *input = policy_input(r);
    put_document(input, "PolicyDocument", json_get(r->target, "PolicyDocument"));
    if (aws_call(s, "iam", "PutRolePolicy", input, NULL, err) < 0)
        return -1;
    resource_set_have(r, json_dup(r->target));
    return 0;
}

/* A document as the spec has it, or in the file beside the spec that it names; normalised. */
static int document_read(const struct graph *g, const cJSON *value, const char *path, cJSON **ret,
                         struct err *err)
{
    cJSON *document = NULL;
    if (cJSON_IsString(value)) {
        const char *file = value->valuestring;
        _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
        _cleanup_err_ struct err failure = ERR_INIT;
        if (file_read_beneath(g->context.spec_dir, file, JSON_FILE_MAX, &text, &failure) < 0)
            return err_set(err, ERR_USER, "%s: %s", path, failure.message);
        if (json_parse(text.buf, text.len, JSON_COMMENTS, &document, &failure) < 0)
            return err_set(err, ERR_USER, "%s: '%s': %s", path, file, failure.message);
        if (json_get(document, "Statement") == NULL) {
            cJSON_Delete(document);
            return err_set(err, ERR_USER, "%s: '%s' is no policy document: it has no 'Statement'",
                           path, file);
        }
    } else {
        document = json_dup(value);
    }
    policy_normalise(document);
    *ret = document;
    return 0;
}

static int policy_want(struct graph *g, const cJSON *role, const cJSON *policy, struct err *err)
{
    _cleanup_strbuf_ struct strbuf origin = STRBUF_INIT;
    strbuf_adds(&origin, "roles");
    json_path_key(&origin, role->string);
    strbuf_adds(&origin, ".policies");
    json_path_key(&origin, policy->string);
    cJSON *document = NULL;
    if (document_read(g, policy, origin.buf, &document, err) < 0)
        return -1;
    cJSON *want = cJSON_CreateObject();
    json_put_str(want, "RoleName", role->string);
    json_put_str(want, "PolicyName", policy->string);
    json_put(want, "PolicyDocument", document);
    _cleanup_free_ char *name = xasprintf("%s/%s", role->string, policy->string);
    _cleanup_free_ char *parent = xasprintf("iam.role/%s", role->string);
    struct resource *r = NULL;
    if (graph_add(g, &policy_type, name, name, origin.buf, want, &r, err) < 0)
        return -1;
    return resource_need(r, parent, NEED_READY, err);
}

static int role_want(struct graph *g, const cJSON *role, struct err *err)
{
    _cleanup_strbuf_ struct strbuf origin = STRBUF_INIT;
    strbuf_adds(&origin, "roles");
    json_path_key(&origin, role->string);
    _cleanup_free_ char *trust = xasprintf("%s.trust", origin.buf);
    cJSON *document = NULL;
    if (document_read(g, json_get(role, "trust"), trust, &document, err) < 0)
        return -1;
    cJSON *want = cJSON_CreateObject();
    json_put_str(want, "RoleName", role->string);
    json_put(want, "AssumeRolePolicyDocument", document);
    if (json_get(role, "description") != NULL)
        json_put_str(want, "Description", json_str(role, "description"));
    if (graph_add(g, &role_type, role->string, role->string, origin.buf, want, NULL, err) < 0)
        return -1;
    const cJSON *policy;
    cJSON_ArrayForEach (policy, json_get(role, "policies")) {
        if (policy_want(g, role, policy, err) < 0)
            return -1;
    }
    return 0;
}

static int iam_want(struct graph *g, const cJSON *spec, struct err *err)
{
    const cJSON *role;
    cJSON_ArrayForEach (role, json_get(spec, "roles")) {
        if (role_want(g, role, err) < 0)
            return -1;
    }
    return 0;
}

cJSON *iam_role_arn(const struct graph *g, const cJSON *spec, const char *name)
{
    if (json_get(json_get(spec, "roles"), name) != NULL)
        return ref_new("${iam.role/%s.Arn}", name);
    if (str_starts(name, "arn:"))
        return cJSON_CreateString(name);
    _cleanup_free_ char *arn = xasprintf("arn:%s:iam::%s:role/%s", arn_partition(g->context.region),
                                         g->context.account, name);
    return cJSON_CreateString(arn);
}

static const char *const role_stable[] = { "Arn", "RoleName", NULL };
static const char *const after_role[] = { "iam.role", NULL };

static const struct resource_type role_type = {
    .name = "iam.role",
    .singular = "role",
    .plural = "roles",
    .scope = SCOPE_ACCOUNT,
    .batch = 1,
    .stable = role_stable,
    .observe = role_observe,
    .create = role_create,
    .update = role_update,
};

static const struct resource_type policy_type = {
    .name = "iam.role_policy",
    .singular = "role policy",
    .plural = "role policies",
    .scope = SCOPE_CHILD,
    .batch = 1,
    .after = after_role,
    .parent = "iam.role",
    .observe = policy_observe,
    .create = policy_put,
    .update = policy_put,
};

static const struct resource_type *const iam_types[] = { &role_type, &policy_type, NULL };

extern const struct driver iam_driver;
const struct driver iam_driver = {
    .name = "iam",
    .types = iam_types,
    .permissions = iam_permissions,
    .want = iam_want,
    .preflight = iam_roles_preflight,
};
