/* SPDX-License-Identifier: MIT */
#include "executor/check.h"

#define ANY_SHA "0000000000000000000000000000000000000000"

/* Long enough to find names that are too long for most prefixes; a longer one would leave nothing
 * of the 32 characters that a target group's name may have. */
#define ANY_PREFIX "environment"

static const char *const own_names[] = { "ENVIRONMENT", "SUBDOMAIN",   "KIND",   "REF",
                                         "COMMIT_SHA",  "PIPELINE_ID", "REGION", "ACCOUNT_ID" };

struct lookup {
    const struct strlist *vars;
    struct check *check;
};

const char *vars_find(const struct strlist *vars, const char *name)
{
    size_t len = strlen(name);
    for (size_t i = vars->n; i-- > 0;)
        if (strncmp(vars->v[i], name, len) == 0 && vars->v[i][len] == '=')
            return vars->v[i] + len + 1;
    return NULL;
}

static bool looks_like_own(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(own_names); i++)
        if (str_distance(name, own_names[i], 2) <= 2)
            return true;
    return false;
}

/* A variable that is not given is one of the job's, unless it looks like a misspelt one of berth's;
 * its own name stands for its value. */
static const char *find_variable(void *context, const char *name)
{
    const struct lookup *l = context;
    const char *value = vars_find(l->vars, name);
    if (value != NULL || looks_like_own(name))
        return value;
    struct strlist *variables = &l->check->variables;
    if (!strlist_has(variables, name))
        strlist_add(variables, name);
    for (size_t i = 0; i < variables->n; i++)
        if (str_eq(variables->v[i], name))
            return variables->v[i];
    return NULL;
}

/* An environment of the kind, of no branch in particular. */
static void environment_of_kind(const struct hostconfig *host, int64_t project, const char *kind,
                                struct environment *ret)
{
    const cJSON *of_project = host != NULL ? hostconfig_project(host, project) : NULL;
    const char *prefix = json_str(of_project, "prefix");
    const char *region = json_str(json_get(of_project, kind), "region");
    ret->kind = kind;
    ret->prefix = prefix != NULL ? prefix : ANY_PREFIX;
    ret->region = region != NULL ? region : "us-east-1";
    ret->role_arn = json_str(json_get(of_project, kind), "roleArn");
    ret->limits = json_get(json_get(of_project, "limits"), kind);
    ret->subdomain = xstrdup("00000000");
    ret->name = xasprintf("%s-%s", ret->prefix, ret->subdomain);
}

int check_resolve(const struct hostconfig *host, int64_t project, int checkout, const char *kind,
                  const char *account, const struct strlist *vars, struct check *ret,
                  struct environment *ret_environment, struct deploy *ret_deploy, struct err *err)
{
    struct lookup lookup = { .vars = vars, .check = ret };
    environment_of_kind(host, project, kind, ret_environment);
    const struct deploy_request request = {
        .errand = {
            .host = host,
            .environment = ret_environment,
            .account = account,
            .project = project,
            .pipeline = 1,
            .ref = "a-branch",
        },
        .sha = ANY_SHA,
        .lookup = find_variable,
        .variables = &lookup,
    };
    int r = deploy_read_spec(ret_deploy, host, checkout, err);
    if (r == 0)
        r = deploy_resolve(ret_deploy, &request, err);
    ret_deploy->request = NULL;
    ret_deploy->errand.request = NULL;
    const struct strlist *warnings = &ret_deploy->spec.warnings;
    for (size_t i = 0; i < warnings->n; i++)
        if (!strlist_has(&ret->warnings, warnings->v[i]))
            strlist_add(&ret->warnings, warnings->v[i]);
    return r;
}

static int check_kind(const struct hostconfig *host, int64_t project, int checkout,
                      const char *kind, const struct strlist *vars, struct check *check,
                      struct err *err)
{
    _cleanup_environment_ struct environment e = ENVIRONMENT_INIT;
    _cleanup_deploy_ struct deploy d = DEPLOY_INIT;
    if (check_resolve(host, project, checkout, kind, NULL, vars, check, &e, &d, err) < 0)
        return -1;
    strlist_add(&check->kinds, kind);
    size_t services = json_count(json_get(d.spec.json, "services"));
    if (services > check->services)
        check->services = services;
    return 0;
}

int check_spec(const struct hostconfig *host, int64_t project, int checkout,
               const struct strlist *vars, struct check *ret, struct err *err)
{
    static const char *const kinds[] = { "production", "ephemeral" };
    const cJSON *of_project = host != NULL ? hostconfig_project(host, project) : NULL;
    if (host != NULL && of_project == NULL)
        return err_set(err, ERR_USER, "project %lld is not in '%s'", (long long)project,
                       host->path);
    _cleanup_json_ cJSON *nothing = cJSON_CreateObject();
    const struct hostconfig none = { .json = nothing };
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        if (of_project != NULL && json_get(of_project, kinds[i]) == NULL)
            continue;
        if (check_kind(host != NULL ? host : &none, project, checkout, kinds[i], vars, ret, err) <
            0)
            return -1;
    }
    return 0;
}

static void add_list(struct strbuf *out, const struct strlist *list, const char *between)
{
    for (size_t i = 0; i < list->n; i++)
        strbuf_addf(out, "%s%s", i > 0 ? between : "", list->v[i]);
}

void check_to_text(const struct check *check, struct strbuf *out)
{
    strbuf_addf(out, "valid: %zu service%s, for ", check->services,
                check->services == 1 ? "" : "s");
    add_list(out, &check->kinds, " and ");
    strbuf_adds(out, " environments\n");
    if (check->variables.n > 0) {
        strbuf_adds(out, "needs the CI/CD variables ");
        add_list(out, &check->variables, ", ");
        strbuf_addc(out, '\n');
    }
}

static void put_list(cJSON *json, const char *key, const struct strlist *list)
{
    cJSON *array = json_put_array(json, key);
    for (size_t i = 0; i < list->n; i++)
        json_push_str(array, list->v[i]);
}

cJSON *check_to_json(const struct check *check, const struct err *err)
{
    cJSON *json = cJSON_CreateObject();
    json_put_str(json, "schema", "berth-check/1");
    json_put_bool(json, "valid", err == NULL);
    cJSON *problems = json_put_array(json, "problems");
    for (const char *line = err != NULL ? err->message : ""; *line != '\0';) {
        size_t len = strcspn(line, "\n");
        _cleanup_free_ char *one = xstrndup(line, len);
        json_push_str(problems, one);
        line += len + (line[len] == '\n');
    }
    put_list(json, "kinds", &check->kinds);
    put_list(json, "variables", &check->variables);
    put_list(json, "warnings", &check->warnings);
    return json;
}

void check_release(struct check *check)
{
    strlist_release(&check->variables);
    strlist_release(&check->warnings);
    strlist_release(&check->kinds);
    *check = (struct check)CHECK_INIT;
}
