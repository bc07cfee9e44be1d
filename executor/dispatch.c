/* SPDX-License-Identifier: MIT */
#include "executor/dispatch.h"

#include <ctype.h>

#include "executor/base/near.h"

struct exact_name {
    const char *name;
    enum act act;
    const char *branch_kind;
};

struct module_suffix {
    const char *suffix;
    enum act act;
};

struct driver_name {
    const char *name;
    const char *driver;
};

static const struct exact_name exact_names[] = {
    { "basic-infra", ACT_BASIC_INFRA, NULL },
    { "check-ecs-resources", ACT_CAPACITY, NULL },
    { "check-ecs-resources-branches", ACT_CAPACITY, "ephemeral" },
    { "check-ecs-resources-master", ACT_CAPACITY, "production" },
    { "deploy", ACT_DEPLOY, NULL },
    { "deploy-branches", ACT_DEPLOY, "ephemeral" },
    { "deploy-master", ACT_DEPLOY, "production" },
    { "destroy", ACT_DESTROY, NULL },
    { "destroy-branches", ACT_DESTROY, "ephemeral" },
    { "destroy-master", ACT_DESTROY, "production" },
    { "grafana_user_creation", ACT_GRAFANA, NULL },
    { "grafana_user_creation_branches", ACT_GRAFANA, "ephemeral" },
    { "grafana_user_creation_master", ACT_GRAFANA, "production" },
    { "sweep", ACT_SWEEP, NULL },
};

static const struct module_suffix module_suffixes[] = {
    { "-linter", ACT_LINT },
    { "-test", ACT_TEST },
    { "-build", ACT_IMAGE },
};

/* Every driver's name and aliases: the programs that use this file do not link the drivers. A name
 * here that this version has no driver for is refused by whoever looks the driver up. */
static const struct driver_name driver_names[] = {
    { "acm", "acm" },
    { "alb", "alb" },
    { "cloudformation", "cloudformation" },
    { "cloudmap", "cloudmap" },
    { "cloudwatch", "cloudwatch" },
    { "dns", "route53" },
    { "ec2", "ec2" },
    { "ecr", "ecr" },
    { "ecs", "ecs" },
    { "elasticache", "elasticache" },
    { "grafana", "grafana" },
    { "iam", "iam" },
    { "logs", "logs" },
    { "redis", "elasticache" },
    { "route53", "route53" },
    { "security_group", "security_group" },
    { "sns", "cloudformation" },
};

struct act_info {
    const char *name;
    enum when when;
    bool environment;
};

static const struct act_info act_infos[] = {
    [ACT_SCRIPT] = { "script", WHEN_AFTER, false },
    [ACT_DEPLOY] = { "deploy", WHEN_AFTER, true },
    [ACT_DESTROY] = { "destroy", WHEN_BEFORE, true },
    [ACT_BASIC_INFRA] = { "basic-infra", WHEN_AFTER, true },
    [ACT_CAPACITY] = { "capacity", WHEN_AFTER, true },
    [ACT_LINT] = { "lint", WHEN_AFTER, false },
    [ACT_TEST] = { "coverage", WHEN_BEFORE, false },
    [ACT_IMAGE] = { "image", WHEN_BEFORE, true },
    [ACT_TERRAFORM] = { "terraform", WHEN_AFTER, false },
    [ACT_GRAFANA] = { "grafana", WHEN_AFTER, true },
    [ACT_SWEEP] = { "sweep", WHEN_BEFORE, true },
};

#define TERRAFORM_PREFIX "terraform-validate-"
#define DEPLOY_PREFIX    "deploy-"
#define PLAN_PREFIX      "plan-"

/*
 * Cuts what GitLab puts behind the name of a job that is run several times: "name 1/3" for
 * "parallel: 3", "name: [a, b]" for "parallel: matrix"
 * (https://docs.gitlab.com/ci/yaml/#parallel).
 */
static char *cut_suffixes(const char *name)
{
    char *cut = xstrdup(name);
    size_t len = strlen(cut);
    char *matrix = strstr(cut, ": [");
    if (matrix != NULL && cut[len - 1] == ']') {
        *matrix = '\0';
        return cut;
    }
    size_t i = len;
    while (i > 0 && isdigit((unsigned char)cut[i - 1]))
        i--;
    if (i == len || i == 0 || cut[i - 1] != '/')
        return cut;
    size_t slash = --i;
    while (i > 0 && isdigit((unsigned char)cut[i - 1]))
        i--;
    if (i < slash && i > 1 && cut[i - 1] == ' ')
        cut[i - 1] = '\0';
    return cut;
}

/* Whether the spec, or one of its overlays, has the member `name` of `section`. */
static bool spec_declares(const cJSON *spec, const char *section, const char *name)
{
    if (json_get(json_get(spec, section), name) != NULL)
        return true;
    const cJSON *overlay;
    cJSON_ArrayForEach (overlay, json_get(spec, "overlays")) {
        if (json_get(json_get(overlay, section), name) != NULL)
            return true;
    }
    return false;
}

static void set_act(struct dispatch *d, enum act act, const char *part)
{
    d->act = act;
    d->when = act_infos[act].when;
    if (part != NULL)
        d->part = xstrdup(part);
}

static bool match_exact(const char *name, struct dispatch *d)
{
    for (size_t i = 0; i < ARRAY_SIZE(exact_names); i++) {
        const struct exact_name *e = &exact_names[i];
        if (str_eq(name, e->name)) {
            set_act(d, e->act, NULL);
            d->branch_kind = e->branch_kind;
            return true;
        }
    }
    if (str_starts(name, TERRAFORM_PREFIX) && name[strlen(TERRAFORM_PREFIX)] != '\0') {
        set_act(d, ACT_TERRAFORM, name + strlen(TERRAFORM_PREFIX));
        return true;
    }
    return false;
}

/* Grafana's driver makes users, and no part of a deploy. */
static bool match_driver(const char *part, struct dispatch *d)
{
    for (size_t i = 0; i < ARRAY_SIZE(driver_names); i++) {
        if (str_eq(part, driver_names[i].name)) {
            if (str_eq(driver_names[i].driver, act_infos[ACT_GRAFANA].name))
                set_act(d, ACT_GRAFANA, NULL);
            else
                set_act(d, ACT_DEPLOY, driver_names[i].driver);
            d->word = driver_names[i].name;
            return true;
        }
    }
    return false;
}

static bool match_module(const char *name, const cJSON *spec, struct dispatch *d)
{
    for (size_t i = 0; i < ARRAY_SIZE(module_suffixes); i++) {
        const struct module_suffix *m = &module_suffixes[i];
        if (!str_ends(name, m->suffix))
            continue;
        _cleanup_free_ char *module = xstrndup(name, strlen(name) - strlen(m->suffix));
        if (spec_declares(spec, "modules", module)) {
            set_act(d, m->act, module);
            return true;
        }
    }
    return false;
}

static bool match_service(const char *part, const cJSON *spec, struct dispatch *d)
{
    if (!spec_declares(spec, "services", part))
        return false;
    set_act(d, ACT_DEPLOY, part);
    return true;
}

/* Drivers come before modules, and these before services: what berth itself knows means the same in
 * every repository. */
static bool match_names(const char *name, const cJSON *spec, struct dispatch *d)
{
    const char *part = str_starts(name, DEPLOY_PREFIX) ? name + strlen(DEPLOY_PREFIX) : NULL;
    return match_exact(name, d) || (part != NULL && match_driver(part, d)) ||
           match_module(name, spec, d) || (part != NULL && match_service(part, spec, d));
}

/*
 * "plan", "plan-branches" and "plan-master" are the plan of deploy; "plan-<rest>" of the job
 * <rest>, or of the job deploy-<rest>: nobody who calls a job after a driver or a service expects
 * that it plans nothing.
 */
static bool match_plan(const char *name, const cJSON *spec, struct dispatch *d)
{
    bool whole =
        str_eq(name, "plan") || str_eq(name, "plan-branches") || str_eq(name, "plan-master");
    if (!whole && !str_starts(name, PLAN_PREFIX))
        return false;
    const char *rest = whole ? "" : name + strlen(PLAN_PREFIX);
    _cleanup_free_ char *deploy = xasprintf("deploy%s", name + strlen("plan"));
    if (whole ? !match_exact(deploy, d)
              : !match_names(rest, spec, d) && !match_driver(rest, d) &&
                    !match_service(rest, spec, d))
        return false;
    d->plan = true;
    return true;
}

static bool match(const char *name, const cJSON *spec, struct dispatch *d)
{
    /* The names once more at the end: a module may be called "plan-something". */
    return match_exact(name, d) || match_plan(name, spec, d) || match_names(name, spec, d);
}

/* What a cut name would be if the spec declared what it names. */
static enum act if_declared(const char *name)
{
    _cleanup_dispatch_ struct dispatch d = DISPATCH_INIT;
    if (match(name, NULL, &d))
        return ACT_SCRIPT;
    bool plan = str_starts(name, PLAN_PREFIX);
    const char *rest = plan ? name + strlen(PLAN_PREFIX) : name;
    for (size_t i = 0; i < ARRAY_SIZE(module_suffixes); i++)
        if (str_ends(rest, module_suffixes[i].suffix))
            return module_suffixes[i].act;
    return plan || str_starts(rest, DEPLOY_PREFIX) ? ACT_DEPLOY : ACT_SCRIPT;
}

/* What the host config says instead of the job's own name, or NULL. */
static const char *renamed(const struct hostconfig *h, const char *name)
{
    const cJSON *row;
    cJSON_ArrayForEach (row, json_get(h->json, "dispatch")) {
        const char *pattern = json_str(row, "job");
        if (pattern != NULL && str_glob(pattern, name))
            return json_str(row, "as");
    }
    return NULL;
}

enum act dispatch_if_declared(const char *job_name, const struct hostconfig *h)
{
    _cleanup_free_ char *own = cut_suffixes(job_name);
    const char *as = renamed(h, own);
    return if_declared(as != NULL ? as : own);
}

/* Adds <prefix><member><suffix> for every member of `section`, also of overlays. */
static void collect_declared(const cJSON *spec, const char *section, const char *prefix,
                             const char *suffix, struct strlist *names)
{
    const cJSON *member, *overlay;
    cJSON_ArrayForEach (member, json_get(spec, section))
        strlist_addf(names, "%s%s%s", prefix, member->string, suffix);
    cJSON_ArrayForEach (overlay, json_get(spec, "overlays"))
        cJSON_ArrayForEach (member, json_get(overlay, section))
            strlist_addf(names, "%s%s%s", prefix, member->string, suffix);
}

/* Every name that a job can have in a repository with that spec, but for the plans of the others.
 */
static void collect_names(const cJSON *spec, struct strlist *names)
{
    for (size_t i = 0; i < ARRAY_SIZE(exact_names); i++)
        strlist_add(names, exact_names[i].name);
    for (size_t i = 0; i < ARRAY_SIZE(driver_names); i++)
        strlist_addf(names, DEPLOY_PREFIX "%s", driver_names[i].name);
    collect_declared(spec, "services", DEPLOY_PREFIX, "", names);
    for (size_t i = 0; i < ARRAY_SIZE(module_suffixes); i++)
        collect_declared(spec, "modules", "", module_suffixes[i].suffix, names);
}

/* One wrong letter in four is a slip, more is another word; letters that all such names share do
 * not count: "deploy-docs" is no slip for "deploy-dns". */
static bool is_slip(const struct near *near)
{
    const char *stem = near->wrong;
    if (str_starts(stem, PLAN_PREFIX))
        stem += strlen(PLAN_PREFIX);
    if (str_starts(stem, DEPLOY_PREFIX))
        stem += strlen(DEPLOY_PREFIX);
    return near->word != NULL && near->distance * 4 <= strlen(stem);
}

char *dispatch_nearest(const char *job_name, const struct hostconfig *h, const cJSON *spec)
{
    _cleanup_free_ char *own = cut_suffixes(job_name);
    if (renamed(h, own) != NULL)
        return NULL;
    _cleanup_strlist_ struct strlist names = STRLIST_INIT, plans = STRLIST_INIT;
    collect_names(spec, &names);
    strlist_add(&plans, "plan");
    for (size_t i = 0; i < names.n; i++)
        strlist_addf(&plans, PLAN_PREFIX "%s", names.v[i]);
    for (size_t i = 0; i < ARRAY_SIZE(driver_names); i++)
        strlist_addf(&plans, PLAN_PREFIX "%s", driver_names[i].name);
    collect_declared(spec, "services", PLAN_PREFIX, "", &plans);
    struct near near = NEAR_INIT(own);
    for (size_t i = 0; i < names.n; i++)
        near_try(&near, names.v[i]);
    for (size_t i = 0; i < plans.n; i++)
        near_try(&near, plans.v[i]);
    return is_slip(&near) ? xstrdup(near.word) : NULL;
}

int dispatch_job(const char *job_name, const struct hostconfig *h, const cJSON *spec,
                 struct dispatch *ret, struct err *err)
{
    _cleanup_free_ char *own = cut_suffixes(job_name);
    const char *as = renamed(h, own);
    _cleanup_dispatch_ struct dispatch d = DISPATCH_INIT;
    bool found = match(as != NULL ? as : own, spec, &d);
    if (!found && as != NULL && !str_eq(as, "script") &&
        (spec != NULL || if_declared(as) == ACT_SCRIPT))
        return err_set(err, ERR_HOST,
                       "%s: dispatch: job '%s' is to be treated as '%s', which is not the name of "
                       "any job that berth knows%s; 'script' just runs the script",
                       h->path, own, as, spec != NULL ? ", nor does the spec declare it" : "");
    *ret = d;
    d = (struct dispatch)DISPATCH_INIT;
    return 0;
}

bool dispatch_knows_driver(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(driver_names); i++)
        if (str_eq(name, driver_names[i].driver))
            return true;
    return false;
}

void dispatch_release(struct dispatch *d)
{
    free(d->part);
    *d = (struct dispatch)DISPATCH_INIT;
}

bool dispatch_needs_environment(const struct dispatch *d)
{
    return act_infos[d->act].environment;
}

const char *act_name(enum act act)
{
    return act_infos[act].name;
}
