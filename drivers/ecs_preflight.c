/* SPDX-License-Identifier: MIT */
/*
 * Before the first write: what task definitions name as secret exists, and the execution role may
 * read it. ECS tells neither before a task does not start: "ResourceInitializationError: unable to
 * pull secrets",
 * https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-error-codes.html
 */
#include "drivers/aws/together.h"
#include "drivers/common.h"
#include "drivers/ecs_secrets.h"
#include "drivers/iam_access.h"

static const char what[] = "whether execution roles may read the secrets of tasks";

/* Which right a task needs on what an entry's member names. */
static const struct right {
    const char *kind, *member, *action;
} rights[] = {
    { "parameter", "arn", "ssm:GetParameters" },
    { "secret", "arn", "secretsmanager:GetSecretValue" },
    { NULL, "key", "kms:Decrypt" },
};

/* One right of one role. */
struct asking {
    struct preflight *p;
    const struct right *right;
    struct iam_role role;
    cJSON *resources;
    cJSON *declared, *planned; /* policies of the spec: all, and those that the plan puts */
    cJSON *denied;
    struct err err;
};

static bool needs_right(const cJSON *secret, const struct right *right, const char *role)
{
    return json_str(secret, right->member) != NULL && !json_bool(secret, "missing", false) &&
           (right->kind == NULL || str_eq(json_str(secret, "kind"), right->kind)) &&
           json_array_has(json_get(secret, "roles"), role);
}

/* A role that is not there yet has what the spec declares, and nothing else. */
static bool is_new(const struct iam_role *role)
{
    return role->declared != NULL && role->declared->have == NULL;
}

static void judge_by_spec(struct asking *a)
{
    const cJSON *resource;
    cJSON_ArrayForEach (resource, a->resources) {
        if (policies_allow(a->declared, a->right->action, resource->valuestring))
            continue;
        cJSON *one = json_push(a->denied, cJSON_CreateObject());
        json_put_str(one, "resource", resource->valuestring);
    }
}

static int asking_run(void *context, struct err *err)
{
    struct asking *a = context;
    (void)err; /* each has its own */
    const struct iam_question question = {
        .principal = a->role.arn,
        .action = a->right->action,
        .resources = a->resources,
        .documents = a->planned,
    };
    if (!is_new(&a->role) && iam_simulate(a->p->session, &question, &a->denied, &a->err) == 0)
        return 0;
    if (a->denied == NULL)
        a->denied = cJSON_CreateArray();
    /* A role that is not there is another check's to say. */
    if (a->err.class != ERR_NOT_FOUND && json_count(a->declared) > 0)
        judge_by_spec(a);
    return 0;
}

static void add_asking(struct preflight *p, const cJSON *secrets, const struct right *right,
                       const char *arn, struct asking **askings, size_t *n)
{
    _cleanup_json_ cJSON *resources = cJSON_CreateArray();
    const cJSON *secret;
    cJSON_ArrayForEach (secret, secrets) {
        const char *resource = json_str(secret, right->member);
        if (needs_right(secret, right, arn) && !json_array_has(resources, resource))
            json_push_str(resources, resource);
    }
    if (json_count(resources) == 0)
        return;
    *askings = xrealloc_array(*askings, *n + 1, sizeof(**askings));
    struct asking *a = &(*askings)[(*n)++];
    *a = (struct asking){ .p = p, .right = right, .resources = steal_ptr(&resources) };
    _cleanup_json_ cJSON *value = cJSON_CreateString(arn);
    iam_role_of(p->g, value, &a->role);
    a->declared = iam_role_policies(p->g, &a->role, false);
    a->planned = iam_role_policies(p->g, &a->role, true);
}

/* The rights of all execution roles on what is known by now. */
struct askings {
    struct asking *v;
    size_t n;
};

static void askings_add(struct askings *askings, struct preflight *p, const cJSON *secrets,
                        const struct right *right)
{
    _cleanup_strlist_ struct strlist roles = STRLIST_INIT;
    const cJSON *secret, *role;
    cJSON_ArrayForEach (secret, secrets)
        cJSON_ArrayForEach (role, json_get(secret, "roles"))
            if (!strlist_has(&roles, role->valuestring))
                strlist_add(&roles, role->valuestring);
    for (size_t i = 0; i < roles.n; i++)
        add_asking(p, secrets, right, roles.v[i], &askings->v, &askings->n);
}

static void asking_release(struct asking *a)
{
    iam_role_release(&a->role);
    json_freep(&a->resources);
    json_freep(&a->declared);
    json_freep(&a->planned);
    json_freep(&a->denied);
    err_release(&a->err);
}

/* A policy of the secret's own may let the role read it, too; whether it has one that could. */
static bool has_own_policy(struct preflight *p, const char *secret)
{
    _cleanup_json_ cJSON *input = cJSON_CreateObject(), *output = NULL;
    json_put_str(input, "SecretId", secret);
    _cleanup_err_ struct err err = ERR_INIT;
    if (aws_call(p->session, "secretsmanager", "GetResourcePolicy", input, &output, &err) == 0)
        return json_str(output, "ResourcePolicy") != NULL;
    preflight_unknown(p, "whether secrets have policies of their own", &err);
    return true;
}

/* Of a role that is there, and that IAM was not asked about, the spec knows only its own policies:
 * others may have given it more. */
static void warn_unsure(const struct asking *a, const char *resource)
{
    graph_warn(a->p->g,
               "no policy that the spec declares for the role '%s' allows '%s' on '%s'; if it has "
               "no other that does, no task that needs it will start",
               a->role.name, a->right->action, resource);
}

/* Whether only a policy of the thing itself can still allow it, which is not known. */
static bool may_be_allowed(struct preflight *p, const struct right *right, const cJSON *denied)
{
    if (json_bool(denied, "explicit", false))
        return false;
    if (str_eq(right->action, "secretsmanager:GetSecretValue"))
        return has_own_policy(p, json_str(denied, "resource"));
    return str_eq(right->action, "kms:Decrypt");
}

static void say_denied(struct preflight *p, const struct asking *a, const cJSON *denied,
                       const cJSON *secret)
{
    const char *resource = json_str(denied, "resource"), *action = a->right->action;
    bool explicitly = json_bool(denied, "explicit", false);
    preflight_problem(
        p, ERR_USER, json_str(secret, "path"),
        "the execution role '%s' may not read it, so that no task would start: %s '%s' on '%s'; "
        "%s, or name another role",
        a->role.name, explicitly ? "a policy denies" : "no policy allows", action, resource,
        explicitly ? "change that policy" : "add it to the role's policies");
}

static void judge(struct asking *a, const cJSON *secrets)
{
    if (a->err.class != ERR_NONE && a->err.class != ERR_NOT_FOUND)
        preflight_unknown(a->p, what, &a->err);
    const cJSON *denied, *secret;
    cJSON_ArrayForEach (denied, a->denied) {
        const char *resource = json_str(denied, "resource");
        if (a->err.class != ERR_NONE) {
            warn_unsure(a, resource);
            continue;
        }
        if (may_be_allowed(a->p, a->right, denied)) {
            graph_warn(a->p->g,
                       "no policy of the role '%s' allows '%s' on '%s'; if its own policy does "
                       "not either, no task that needs it will start",
                       a->role.name, a->right->action, resource);
            continue;
        }
        cJSON_ArrayForEach (secret, secrets)
            if (needs_right(secret, a->right, a->role.arn) &&
                str_eq(json_str(secret, a->right->member), resource))
                say_denied(a->p, a, denied, secret);
    }
}

static int askings_run(void *context, struct err *err)
{
    struct askings *askings = context;
    struct together_task *tasks = xcalloc(askings->n + 1, sizeof(*tasks));
    for (size_t i = 0; i < askings->n; i++)
        tasks[i] = (struct together_task){ asking_run, &askings->v[i] };
    int status = together_run(tasks, askings->n, err);
    free(tasks);
    return status;
}

static void askings_judge(struct askings *askings, const cJSON *secrets)
{
    for (size_t i = 0; i < askings->n; i++) {
        judge(&askings->v[i], secrets);
        asking_release(&askings->v[i]);
    }
    free(askings->v);
}

/* What there is, asked by one thread while another asks for rights. */
struct looking {
    struct preflight *p;
    cJSON *secrets;
};

static int looking_run(void *context, struct err *err)
{
    struct looking *l = context;
    (void)err;
    ecs_secrets_look(l->p, l->secrets);
    return 0;
}

/* The rights on parameters are asked for at once: their ARNs follow from their names. Those of
 * secrets, and the keys, are known when they have been looked at. */
static void ask(struct preflight *p, cJSON *secrets)
{
    struct askings at_once = { 0 }, after = { 0 };
    struct looking looking = { p, secrets };
    const struct together_task tasks[] = { { looking_run, &looking }, { askings_run, &at_once } };
    _cleanup_err_ struct err err = ERR_INIT;
    askings_add(&at_once, p, secrets, &rights[0]);
    together_run(tasks, ARRAY_SIZE(tasks), &err);
    for (size_t i = 1; i < ARRAY_SIZE(rights); i++)
        askings_add(&after, p, secrets, &rights[i]);
    askings_run(&after, &err);
    askings_judge(&at_once, secrets);
    askings_judge(&after, secrets);
}

void ecs_secrets_preflight(struct preflight *p)
{
    _cleanup_json_ cJSON *secrets = ecs_secrets_collect(p->g, true);
    const cJSON *secret;
    cJSON_ArrayForEach (secret, secrets)
        if (*json_str(secret, "kind") == '\0')
            preflight_problem(p, ERR_USER, json_str(secret, "path"),
                              "'%s' is neither a parameter of SSM nor a secret of Secrets Manager; "
                              "name one by its ARN",
                              json_str(secret, "value"));
    ask(p, secrets);
}
