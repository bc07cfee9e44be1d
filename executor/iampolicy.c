/* SPDX-License-Identifier: MIT */
#include "executor/iampolicy.h"

#include <stdio.h>

#include "drivers/common.h"
#include "drivers/permission.h"
#include "executor/base/redact.h"
#include "executor/engine/policy.h"

/* Stands for the account where nothing tells it; IAM takes no policy with it. */
#define UNKNOWN_ACCOUNT "ACCOUNT"
/* Any ephemeral environment: eight hexadecimal digits, but never "master". */
#define ANY_BRANCH "????????"

static int find_kind(const struct iampolicy_request *q, const char **ret, struct err *err)
{
    static const char *const kinds[] = { "production", "ephemeral" };
    const cJSON *project = hostconfig_project(q->host, q->project);
    if (project == NULL)
        return err_set(err, ERR_USER, "project %lld is not in '%s'", (long long)q->project,
                       q->host->path);
    const char *found = NULL;
    unsigned n = 0;
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        bool has = json_get(project, kinds[i]) != NULL;
        if (q->kind == NULL ? has : str_eq(q->kind, kinds[i])) {
            found = kinds[i];
            n++;
        }
    }
    if (q->kind != NULL && found == NULL)
        return err_set(err, ERR_USER, "there is no kind '%s': 'production' or 'ephemeral'",
                       q->kind);
    if (n != 1 || json_get(project, found) == NULL)
        return err_set(err, ERR_USER,
                       n > 1 ? "project %lld has environments of two kinds, each with a policy of "
                               "its own: say which with '--kind production' or '--kind ephemeral'"
                             : "project %lld has no environments of that kind in the host config",
                       (long long)q->project);
    *ret = found;
    return 0;
}

struct purpose {
    const char *name;
    unsigned uses;
};

static const struct purpose *find_purpose(const char *name, struct err *err)
{
    static const struct purpose purposes[] = {
        { "jobs", 0 },
        { "list", PERMIT_LOOKS },
        { "sweep", PERMIT_LOOKS | PERMIT_REMOVES },
        { "adopt", PERMIT_LOOKS | PERMIT_ADOPTS | PERMIT_ADOPT_ONLY },
    };
    for (size_t i = 0; i < ARRAY_SIZE(purposes); i++)
        if (str_eq(purposes[i].name, name != NULL ? name : "jobs"))
            return &purposes[i];
    err_set(err, ERR_USER, "there is no policy for '%s': 'jobs', 'list', 'sweep' or 'adopt'", name);
    return NULL;
}

/* A sweep looks at production's environments, and removes none. */
static unsigned uses_of(const struct purpose *purpose, const char *kind)
{
    bool keeps = str_eq(kind, "production") && str_eq(purpose->name, "sweep");
    return keeps ? PERMIT_LOOKS : purpose->uses;
}

/* The subdomains of a kind's environments; a pattern of branches stands for any. */
static int add_ids(const struct iampolicy_request *q, const char *kind, struct strlist *ret,
                   struct err *err)
{
    const cJSON *ref, *refs = json_at(hostconfig_project(q->host, q->project), "production/refs");
    bool any = false;
    cJSON_ArrayForEach (ref, refs)
        any = any || strpbrk(ref->valuestring, "*?") != NULL;
    if (str_eq(kind, "ephemeral") || any) {
        strlist_add(ret, str_eq(kind, "ephemeral") ? ANY_BRANCH : "*");
        return 0;
    }
    cJSON_ArrayForEach (ref, refs) {
        _cleanup_environment_ struct environment e = ENVIRONMENT_INIT;
        if (environment_of_branch(q->project, ref->valuestring, q->host, &e, err) < 0)
            return -1;
        if (!strlist_has(ret, e.subdomain))
            strlist_add(ret, e.subdomain);
    }
    return 0;
}

/* Whether a production branch, or one that the pattern stands for, can have an environment whose
 * name ANY_BRANCH matches. With a '/' there is a hash behind its slug, which is longer. */
static bool is_lookalike(const struct iampolicy_request *q, const char *ref)
{
    const size_t length = strlen(ANY_BRANCH);
    size_t least = 0;
    for (const char *p = ref; *p != '\0'; p++)
        least += *p != '*';
    if (strpbrk(ref, "*?") != NULL)
        return strchr(ref, '/') == NULL && least <= length;
    _cleanup_err_ struct err err = ERR_INIT;
    _cleanup_environment_ struct environment e = ENVIRONMENT_INIT;
    return environment_of_branch(q->project, ref, q->host, &e, &err) == 0 &&
           strlen(e.subdomain) == length;
}

/* IAM knows no pattern for hexadecimal digits. */
static void warn_of_lookalikes(const struct iampolicy_request *q, struct strlist *warnings)
{
    const cJSON *ref, *refs = json_at(hostconfig_project(q->host, q->project), "production/refs");
    cJSON_ArrayForEach (ref, refs)
        if (is_lookalike(q, ref->valuestring))
            strlist_addf(warnings,
                         "the environment of the production branch '%s' can have a name as long as "
                         "those of ephemeral ones, which this policy then allows to change it: "
                         "give production an account of its own, or its branch a name of another "
                         "length than %zu",
                         ref->valuestring, strlen(ANY_BRANCH));
}

/* Partition and account, from the role that is assumed where one is; the caller frees them. */
static void find_account(const struct iampolicy_request *q, const struct environment *e,
                         char **ret_partition, char **ret_account, struct strlist *warnings)
{
    const char *role = e->role_arn;
    size_t partition = role != NULL && str_starts(role, "arn:") ? strcspn(role + 4, ":") : 0;
    const char *at = partition > 0 ? strstr(role, ":iam::") : NULL;
    *ret_partition = at != NULL ? xstrndup(role + 4, partition) : xstrdup(arn_partition(e->region));
    if (q->account != NULL) {
        *ret_account = xstrdup(q->account);
    } else if (at != NULL) {
        at += strlen(":iam::");
        *ret_account = xstrndup(at, strcspn(at, ":"));
    } else {
        *ret_account = xstrdup(UNKNOWN_ACCOUNT);
        strlist_addf(warnings,
                     "the host config names no 'roleArn' for this kind, so the account is not "
                     "known: put its number for '%s', or give '--account N'",
                     UNKNOWN_ACCOUNT);
    }
}

/* A CI/CD variable whose value would be part of an ARN or a name stands there by its own name. */
static void warn_of_variables(const struct check *check, const cJSON *documents,
                              struct strlist *warnings)
{
    _cleanup_free_ char *text = json_print(documents);
    for (size_t i = 0; i < check->variables.n; i++)
        if (strstr(text, check->variables.v[i]) != NULL)
            strlist_addf(warnings,
                         "the policy has the name of the CI/CD variable '%s' where its value "
                         "belongs: give '--var %s=VALUE'",
                         check->variables.v[i], check->variables.v[i]);
}

/* In such a group nothing but a prefix and a container's name, which whoever writes a spec chooses,
 * tells one environment's streams from another's. */
static void warn_of_logs(const struct graph *g, struct strlist *warnings)
{
    _cleanup_strlist_ struct strlist groups = STRLIST_INIT;
    permission_common_groups(g, &groups);
    for (size_t i = 0; i < groups.n; i++)
        strlist_addf(warnings,
                     "the spec names the log group '%s', which is not the environment's: jobs may "
                     "read there what others write under the same prefix and container; put "
                     "'${ENVIRONMENT}' into its name, or take it out of 'LogRead'",
                     groups.v[i]);
}

int iampolicy_make(const struct iampolicy_request *q, struct iampolicy *ret, struct err *err)
{
    _cleanup_environment_ struct environment e = ENVIRONMENT_INIT;
    _cleanup_deploy_ struct deploy d = DEPLOY_INIT;
    _cleanup_check_ struct check check = CHECK_INIT;
    _cleanup_strlist_ struct strlist ids = STRLIST_INIT;
    _cleanup_free_ char *partition = NULL, *account = NULL;
    const char *kind = NULL;
    const struct purpose *purpose = find_purpose(q->purpose, err);
    if (purpose == NULL || find_kind(q, &kind, err) < 0 || add_ids(q, kind, &ids, err) < 0 ||
        check_resolve(q->host, q->project, q->checkout, kind, q->account, q->vars, &check, &e, &d,
                      err) < 0)
        return -1;
    find_account(q, &e, &partition, &account, &ret->warnings);
    const struct policy_scope scope = {
        .partition = partition,
        .region = e.region,
        .account = account,
        .project = q->project,
        .ids = &ids,
        .shared = str_eq(kind, "production"),
        .uses = uses_of(purpose, kind),
    };
    _cleanup_json_ cJSON *statements = policy_statements(d.graph, &scope);
    ret->documents = policy_documents(statements);
    ret->kind = kind;
    ret->purpose = purpose->name;
    ret->name = xasprintf("berth-%s-%s%s%s", e.prefix, kind, purpose->uses != 0 ? "-" : "",
                          purpose->uses != 0 ? purpose->name : "");
    warn_of_variables(&check, ret->documents, &ret->warnings);
    if (str_eq(kind, "ephemeral"))
        warn_of_lookalikes(q, &ret->warnings);
    if (purpose->uses == 0)
        warn_of_logs(d.graph, &ret->warnings);
    size_t n = json_count(ret->documents);
    if (n > 1)
        strlist_addf(&ret->warnings,
                     "it takes %zu policies, since IAM allows each %d characters: "
                     "'--part 1' to '--part %zu' print them one by one; attach all of them",
                     n, POLICY_MAX, n);
    return 0;
}

int iampolicy_to_text(const struct iampolicy *p, int64_t part, struct strbuf *out, struct err *err)
{
    size_t n = json_count(p->documents);
    if (part > (int64_t)n)
        return err_set(err, ERR_USER, "there is no part %lld: it takes %zu %s", (long long)part, n,
                       n == 1 ? "policy" : "policies");
    const cJSON *document;
    int64_t i = 0;
    cJSON_ArrayForEach (document, p->documents) {
        if (part != 0 && ++i != part)
            continue;
        _cleanup_json_ cJSON *safe = redact_json_copy(document);
        _cleanup_free_ char *text = json_print_pretty(safe);
        strbuf_addf(out, "%s\n", text);
    }
    return 0;
}

cJSON *iampolicy_to_json(const struct iampolicy *p)
{
    cJSON *json = cJSON_CreateObject();
    json_put_str(json, "schema", "berth-iam-policy/1");
    json_put_str(json, "kind", p->kind);
    json_put_str(json, "for", p->purpose);
    cJSON *policies = json_put_array(json, "policies");
    const cJSON *document;
    size_t i = 0, n = json_count(p->documents);
    cJSON_ArrayForEach (document, p->documents) {
        cJSON *policy = json_push(policies, cJSON_CreateObject());
        if (n == 1)
            json_put_str(policy, "name", p->name);
        else
            json_put_strf(policy, "name", "%s-%zu", p->name, ++i);
        json_put_int(policy, "size", (int64_t)policy_size(document));
        json_put(policy, "document", json_dup(document));
    }
    cJSON *warnings = json_put_array(json, "warnings");
    for (size_t j = 0; j < p->warnings.n; j++)
        json_push_str(warnings, p->warnings.v[j]);
    return json;
}

void iampolicy_release(struct iampolicy *p)
{
    free(p->name);
    cJSON_Delete(p->documents);
    strlist_release(&p->warnings);
    *p = (struct iampolicy)IAMPOLICY_INIT;
}
