/* SPDX-License-Identifier: MIT */
/*
 * Before the first write: the roles of tasks are there or made by the plan, tasks may take them on,
 * berth may hand them over, and what AWS does on the account's behalf has its service-linked role.
 */
#include "drivers/iam_preflight.h"

#include "drivers/aws/together.h"
#include "drivers/common.h"
#include "drivers/iam.h"
#include "drivers/iam_access.h"
#include "drivers/linked_role.h"

#define TASKS "ecs-tasks.amazonaws.com"

/* A role that a changed task definition names. */
struct task_role {
    struct iam_role role;
    char *path;   /* of the first service that names it */
    cJSON *found; /* GetRole's answer, of one that the spec does not declare */
    struct err err;
};

struct linked_look {
    const struct linked_role *linked;
    const char *path;
    bool denied;
    struct err err;
};

struct checks {
    struct preflight *p;
    struct task_role *roles;
    size_t n_roles;
    cJSON *denied_roles; /* those that berth may not pass */
    struct err pass_err;
    struct linked_look linked[LINKED_ROLES];
    size_t n_linked;
};

/* A task of together_run() within the checks. */
struct part {
    struct checks *checks;
    size_t i;
};

/* --- which roles --- */

static void add_role(struct checks *c, const struct resource *r, const char *member,
                     const char *key)
{
    struct iam_role role = IAM_ROLE_INIT;
    if (!iam_role_of(c->p->g, json_get(r->target, member), &role))
        return;
    for (size_t i = 0; i < c->n_roles; i++) {
        if (str_eq(c->roles[i].role.arn, role.arn)) {
            iam_role_release(&role);
            return;
        }
    }
    c->roles = xrealloc_array(c->roles, c->n_roles + 1, sizeof(*c->roles));
    c->roles[c->n_roles++] =
        (struct task_role){ .role = role, .path = xasprintf("%s.%s", r->origin, key) };
}

static void find_roles(struct checks *c)
{
    for (size_t i = 0; i < c->p->g->n; i++) {
        const struct resource *r = c->p->g->v[i];
        if (!str_eq(r->type->name, "ecs.task_definition") || !preflight_concerns(r))
            continue;
        add_role(c, r, "executionRoleArn", "executionRole");
        add_role(c, r, "taskRoleArn", "taskRole");
    }
}

static const struct resource *first_created(const struct graph *g, const char *types)
{
    for (size_t i = 0; i < g->n; i++)
        if (g->v[i]->action == ACTION_CREATE && str_starts(g->v[i]->type->name, types))
            return g->v[i];
    return NULL;
}

static void find_linked(struct checks *c)
{
    for (size_t i = 0; i < LINKED_ROLES; i++) {
        const struct resource *r = first_created(c->p->g, linked_roles[i].types);
        if (r != NULL)
            c->linked[c->n_linked++] =
                (struct linked_look){ .linked = &linked_roles[i], .path = resource_origin(r) };
    }
}

/* --- what AWS says --- */

static int role_get(struct session *s, const char *name, cJSON **ret, struct err *err)
{
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    json_put_str(input, "RoleName", name);
    return aws_call(s, "iam", "GetRole", input, ret, err);
}

/* The policies that count for a session of a role are the role's. What names the session does not
 * tell the role's path, so that IAM may have to be asked for its ARN. The caller frees *ret. */
static int own_arn(struct session *s, bool ask, char **ret, struct err *err)
{
    static const char middle[] = ":assumed-role/";
    const char *principal = NULL;
    if (session_principal(s, &principal, err) < 0)
        return -1;
    const char *name = strstr(principal, middle);
    if (name == NULL) {
        *ret = xstrdup(principal);
        return 0;
    }
    const char *account = name - 12; /* "arn:aws:sts::123456789012:assumed-role/x/session" */
    name += strlen(middle);
    _cleanup_free_ char *role = xstrndup(name, strcspn(name, "/"));
    if (!ask) {
        *ret =
            xasprintf("arn:%s:iam::%.12s:role/%s", arn_partition(session_region(s)), account, role);
        return 0;
    }
    _cleanup_json_ cJSON *output = NULL;
    if (role_get(s, role, &output, err) < 0)
        return -1;
    const char *arn = json_str_at(output, "Role/Arn");
    *ret = xstrdup(arn != NULL ? arn : principal);
    return 0;
}

/* "The ARN of a user, group, or role": nothing of the account's root user, or of one who is known
 * only to whoever let him in.
 * https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html */
static bool is_simulated(const char *arn)
{
    return strstr(arn, ":user/") != NULL || strstr(arn, ":role/") != NULL;
}

/* Asks what the caller itself may do. */
static int simulate_own(struct session *s, struct iam_question *q, cJSON **ret_denied,
                        struct err *err)
{
    for (int ask = 0;; ask++) {
        _cleanup_free_ char *arn = NULL;
        if (own_arn(s, ask, &arn, err) < 0)
            return -1;
        if (!is_simulated(arn)) {
            *ret_denied = cJSON_CreateArray();
            return 0;
        }
        q->principal = arn;
        if (iam_simulate(s, q, ret_denied, err) == 0)
            return 0;
        if (err->class != ERR_NOT_FOUND || ask)
            return -1;
        err_release(err);
    }
}

static int look_role(void *context, struct err *err)
{
    struct part *part = context;
    struct task_role *r = &part->checks->roles[part->i];
    (void)err; /* each has its own */
    role_get(part->checks->p->session, r->role.name, &r->found, &r->err);
    return 0;
}

static int look_pass(void *context, struct err *err)
{
    struct checks *c = ((struct part *)context)->checks;
    (void)err;
    _cleanup_json_ cJSON *arns = cJSON_CreateArray();
    for (size_t i = 0; i < c->n_roles; i++)
        json_push_str(arns, c->roles[i].role.arn);
    struct iam_question question = {
        .action = "iam:PassRole",
        .resources = arns,
        .context_key = "iam:PassedToService",
        .context_value = TASKS,
    };
    simulate_own(c->p->session, &question, &c->denied_roles, &c->pass_err);
    return 0;
}

static int simulate_linked(struct preflight *p, const struct linked_role *linked, bool *ret_denied,
                           struct err *err)
{
    _cleanup_json_ cJSON *arns = cJSON_CreateArray(), *denied = NULL;
    _cleanup_free_ char *arn =
        xasprintf("arn:%s:iam::%s:role/aws-service-role/%s/%s", arn_partition(p->g->context.region),
                  p->g->context.account, linked->service, linked->name);
    json_push_str(arns, arn);
    struct iam_question question = {
        .action = "iam:CreateServiceLinkedRole",
        .resources = arns,
        .context_key = "iam:AWSServiceName",
        .context_value = linked->service,
    };
    if (simulate_own(p->session, &question, &denied, err) < 0)
        return -1;
    *ret_denied = json_count(denied) > 0;
    return 0;
}

/* Where AWS may make the role it does not matter whether it is there. */
static int look_linked(void *context, struct err *err)
{
    struct part *part = context;
    struct preflight *p = part->checks->p;
    struct linked_look *l = &part->checks->linked[part->i];
    _cleanup_err_ struct err failure = ERR_INIT;
    (void)err; /* each has its own */
    if (simulate_linked(p, l->linked, &l->denied, &l->err) == 0 && !l->denied)
        return 0;
    if (role_get(p->session, l->linked->name, NULL, &failure) == 0) {
        l->denied = false;
        err_release(&l->err);
    } else if (failure.class != ERR_NOT_FOUND && l->err.class == ERR_NONE) {
        l->denied = false; /* it may well be there */
        err_move(&l->err, &failure);
    }
    return 0;
}

/* A role of another account cannot be looked at. */
static bool is_looked_at(const struct checks *c, const struct task_role *r)
{
    _cleanup_free_ char *here = xasprintf(":iam::%s:role/", c->p->g->context.account);
    return r->role.declared == NULL && strstr(r->role.arn, here) != NULL;
}

static void look(struct checks *c)
{
    size_t n = 0, most = c->n_roles + c->n_linked + 1;
    struct together_task *tasks = xcalloc(most, sizeof(*tasks));
    struct part *parts = xcalloc(most, sizeof(*parts));
    for (size_t i = 0; i < c->n_linked; i++, n++) {
        parts[n] = (struct part){ c, i };
        tasks[n] = (struct together_task){ look_linked, &parts[n] };
    }
    if (c->n_roles > 0) {
        parts[n] = (struct part){ c, 0 };
        tasks[n] = (struct together_task){ look_pass, &parts[n] };
        n++;
    }
    for (size_t i = 0; i < c->n_roles; i++) {
        if (!is_looked_at(c, &c->roles[i]))
            continue;
        parts[n] = (struct part){ c, i };
        tasks[n] = (struct together_task){ look_role, &parts[n] };
        n++;
    }
    _cleanup_err_ struct err err = ERR_INIT;
    together_run(tasks, n, &err);
    free(parts);
    free(tasks);
}

/* --- what is wrong --- */

static bool names(const cJSON *value, const char *text)
{
    return str_eq(cJSON_GetStringValue(value), text) ||
           (cJSON_IsArray(value) && json_array_has(value, text));
}

static bool is_for_tasks(const cJSON *statement)
{
    const cJSON *principal = json_get(statement, "Principal");
    bool trusted = names(principal, "*") || names(json_get(principal, "Service"), TASKS);
    return trusted && str_eq(json_str(statement, "Effect"), "Allow") &&
           statement_names_action(statement, "sts:AssumeRole", true);
}

/* Whether a trust policy, normalised, lets tasks take the role on. */
static bool trusts_tasks(const cJSON *document)
{
    const cJSON *statement;
    cJSON_ArrayForEach (statement, json_get(document, "Statement"))
        if (is_for_tasks(statement))
            return true;
    return false;
}

static void judge_trust(struct preflight *p, const struct task_role *r, const char *path,
                        const cJSON *trust)
{
    if (!trusts_tasks(trust))
        preflight_problem(p, ERR_USER, path,
                          "the role '%s' does not trust '" TASKS "', so that no task could have "
                          "it; let its trust policy allow that service 'sts:AssumeRole'",
                          r->role.name);
}

/* As the role will be after this deploy. */
static void judge_declared(struct preflight *p, const struct task_role *r)
{
    const struct resource *role = r->role.declared;
    const cJSON *state = preflight_concerns(role) ? role->want : role->have;
    if (state != NULL)
        judge_trust(p, r, resource_origin(role), json_get(state, "AssumeRolePolicyDocument"));
}

static void judge_found(struct preflight *p, const struct task_role *r)
{
    const char *text = json_str_at(r->found, "Role/AssumeRolePolicyDocument");
    _cleanup_json_ cJSON *document = NULL;
    _cleanup_err_ struct err err = ERR_INIT;
    if (text == NULL || policy_parse(text, &document, &err) < 0)
        return; /* AWS has stored it, and will read it */
    policy_normalise(document);
    judge_trust(p, r, r->path, document);
}

static void judge_role(struct checks *c, const struct task_role *r)
{
    if (r->role.declared != NULL)
        judge_declared(c->p, r);
    else if (r->err.class == ERR_NOT_FOUND)
        preflight_problem(c->p, ERR_USER, r->path,
                          "there is no role '%s' in the account; declare it in 'roles', or name "
                          "another",
                          r->role.name);
    else if (r->err.class != ERR_NONE)
        preflight_unknown(c->p, "whether the roles of tasks exist", &r->err);
    else if (r->found != NULL)
        judge_found(c->p, r);
}

static void judge_pass(struct checks *c, const struct task_role *r)
{
    const cJSON *denied = json_find(c->denied_roles, "resource", r->role.arn);
    if (denied == NULL)
        return;
    bool explicitly = json_bool(denied, "explicit", false);
    preflight_problem(
        c->p, ERR_DENIED, r->path,
        "berth may not hand the role '%s' to tasks: %s 'iam:PassRole' on '%s' to '" TASKS
        "'; ask the host's administrator to %s",
        r->role.name, explicitly ? "a policy denies" : "no policy allows", r->role.arn,
        explicitly ? "change that policy" : "add it");
}

static void judge_linked(struct checks *c, const struct linked_look *l)
{
    if (l->err.class != ERR_NONE)
        preflight_unknown(c->p, "whether the service-linked roles are there", &l->err);
    else if (l->denied)
        preflight_problem(c->p, ERR_DENIED, l->path,
                          "the account has no role '%s' yet, which AWS makes at the first use, and "
                          "berth may not let it ('iam:CreateServiceLinkedRole' for '%s'); ask the "
                          "host's administrator to add that, or to make the role once by 'aws iam "
                          "create-service-linked-role --aws-service-name %s'",
                          l->linked->name, l->linked->service, l->linked->service);
}

static void judge(struct checks *c)
{
    for (size_t i = 0; i < c->n_roles; i++)
        judge_role(c, &c->roles[i]);
    if (c->pass_err.class != ERR_NONE && c->n_roles > 0)
        preflight_unknown(c->p, "whether berth may hand their roles to tasks", &c->pass_err);
    for (size_t i = 0; i < c->n_roles; i++)
        judge_pass(c, &c->roles[i]);
    for (size_t i = 0; i < c->n_linked; i++)
        judge_linked(c, &c->linked[i]);
}

static void checks_release(struct checks *c)
{
    for (size_t i = 0; i < c->n_roles; i++) {
        iam_role_release(&c->roles[i].role);
        free(c->roles[i].path);
        json_freep(&c->roles[i].found);
        err_release(&c->roles[i].err);
    }
    free(c->roles);
    json_freep(&c->denied_roles);
    err_release(&c->pass_err);
    for (size_t i = 0; i < c->n_linked; i++)
        err_release(&c->linked[i].err);
}

void iam_roles_preflight(struct preflight *p)
{
    _cleanup_(checks_release) struct checks c = { .p = p };
    find_roles(&c);
    find_linked(&c);
    look(&c);
    judge(&c);
}
