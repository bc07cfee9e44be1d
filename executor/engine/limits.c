/* SPDX-License-Identifier: MIT */
#include "executor/engine/limits.h"

#include "drivers/capacity.h"
#include "drivers/common.h"
#include "drivers/route53.h"

struct limiting {
    const cJSON *limits;
    const char *where;
    const char *subdomain;
    struct strbuf path;
    struct schema_problems *problems;
};

static void problem(struct limiting *l, const char *fmt, ...) _printf_(2, 3);
static void problem(struct limiting *l, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    schema_problem_vadd(l->problems, l->path.buf, fmt, ap);
    va_end(ap);
}

static bool matches_any(const cJSON *patterns, const char *name)
{
    const cJSON *pattern;
    cJSON_ArrayForEach (pattern, patterns)
        if (cJSON_IsString(pattern) && str_glob(pattern->valuestring, name))
            return true;
    return false;
}

/* Whether `filters` look for nothing that `limit` would not find: all of its filters, and maybe
 * more that narrow the search. */
static bool network_within(const cJSON *filters, const cJSON *limit)
{
    if (!cJSON_IsObject(limit) || !cJSON_IsObject(filters))
        return json_equal(filters, limit);
    const cJSON *filter;
    cJSON_ArrayForEach (filter, limit)
        if (!json_equal(json_get(filters, filter->string), filter))
            return false;
    return true;
}

static void check_network(struct limiting *l, const cJSON *spec)
{
    const cJSON *limit = json_get(l->limits, "vpc");
    if (limit == NULL || network_within(json_at(spec, "network/vpc"), limit))
        return;
    _cleanup_free_ char *text = json_print(limit);
    strbuf_cut(&l->path, 0);
    strbuf_adds(&l->path, "network.vpc");
    problem(l, "this runner allows only %s (the host config's %s.vpc)", text, l->where);
}

/* The name of a role given by name or ARN (arn:aws:iam::123456789012:role/path/name). */
static const char *role_name(const char *role)
{
    const char *slash = strrchr(role, '/');
    return str_starts(role, "arn:") && slash != NULL ? slash + 1 : role;
}

static void check_role(struct limiting *l, const cJSON *object, const char *key)
{
    const cJSON *limit = json_get(l->limits, "roles");
    const cJSON *role = json_get(object, key);
    if (limit == NULL || role == NULL || cJSON_IsNull(role))
        return;
    if (cJSON_IsString(role) && matches_any(limit, role_name(role->valuestring)))
        return;
    size_t len = l->path.len;
    json_path_key(&l->path, key);
    problem(l, "this runner does not let tasks have the role '%s' (the host config's %s.roles)",
            cJSON_IsString(role) ? role->valuestring : "(known after apply)", l->where);
    strbuf_cut(&l->path, len);
}

/* What stands behind the n-th colon of an ARN (arn:partition:service:region:account:resource). */
static const char *arn_field(const char *arn, unsigned n)
{
    for (; n > 0 && arn != NULL; n--) {
        const char *colon = strchr(arn, ':');
        arn = colon != NULL ? colon + 1 : NULL;
    }
    return arn;
}

/*
 * The name of a parameter or secret given by name or ARN, without what the ARN of a secret has
 * behind it (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/
 * secrets-envvar-secrets-manager.html). The caller frees it.
 */
static char *secret_name(const char *value)
{
    if (!str_starts(value, "arn:"))
        return xstrdup(value);
    /* The service decides what the rest means: a secret's ARN may end in anything. */
    static const char parameter[] = "parameter", secret[] = "secret:";
    const char *service = arn_field(value, 2), *at = arn_field(value, 5);
    if (str_starts(service, "ssm:") && str_starts(at, parameter))
        return xstrdup(at + strlen(parameter));
    if (!str_starts(service, "secretsmanager:") || !str_starts(at, secret))
        return xstrdup(value);
    at += strlen(secret);
    size_t len = strcspn(at, ":");
    return xstrndup(at, len - secret_suffix(at, len));
}

/* An ARN without what a task definition may have behind that of a secret: which key of its JSON,
 * and which version. The caller frees it. */
static char *secret_arn(const char *value)
{
    const char *rest = arn_field(value, 6);
    return rest != NULL ? xstrndup(value, strcspn(rest, ":") + (size_t)(rest - value))
                        : xstrdup(value);
}

/* A limit is a name, or an ARN where that of one secret alone is meant. */
static bool secret_is_allowed(const cJSON *limit, const char *value)
{
    _cleanup_free_ char *name = secret_name(value), *arn = secret_arn(value);
    const cJSON *pattern;
    cJSON_ArrayForEach (pattern, limit) {
        const char *text = pattern->valuestring;
        if (str_glob(text, str_starts(text, "arn:") ? arn : name))
            return true;
    }
    return false;
}

/* The last member of the path is the value. */
static void check_secret(struct limiting *l, const cJSON *value)
{
    const cJSON *limit = json_get(l->limits, "secrets");
    if (limit == NULL || cJSON_IsNull(value))
        return;
    if (cJSON_IsString(value) && secret_is_allowed(limit, value->valuestring))
        return;
    problem(l, "this runner does not let tasks read '%s' (the host config's %s.secrets)",
            cJSON_IsString(value) ? value->valuestring : "(known after apply)", l->where);
}

/* The token is read with the runner's credentials, and becomes a password that the branch knows. */
static void check_redis(struct limiting *l, const cJSON *spec)
{
    const cJSON *token = json_at(spec, "redis/authToken");
    if (token == NULL)
        return;
    strbuf_cut(&l->path, 0);
    strbuf_adds(&l->path, "redis.authToken");
    check_secret(l, token);
}

/* Passwords of Grafana's users are read with the runner's credentials likewise, and sent to where
 * the spec says that Grafana is. */
static void check_grafana(struct limiting *l, const cJSON *spec)
{
    size_t i = 0;
    const cJSON *password = json_at(spec, "grafana/administrator/password"), *user;
    if (password != NULL) {
        strbuf_cut(&l->path, 0);
        strbuf_adds(&l->path, "grafana.administrator.password");
        check_secret(l, password);
    }
    cJSON_ArrayForEach (user, json_at(spec, "grafana/users")) {
        strbuf_cut(&l->path, 0);
        strbuf_addf(&l->path, "grafana.users[%zu].password", i++);
        check_secret(l, json_get(user, "password"));
    }
}

/* The host of https://host:port/path. */
static char *host_of(const char *url)
{
    const char *host = strstr(url, "://");
    host = host != NULL ? host + 3 : url;
    return xstrndup(host, strcspn(host, ":/"));
}

/* A name in a zone, or in one that a limit stands for. */
static bool is_in_zone(const cJSON *zones, const char *host)
{
    for (const char *name = host; name != NULL; name = strchr(name, '.')) {
        name += *name == '.';
        if (matches_any(zones, name))
            return true;
    }
    return false;
}

/* The administrator's password goes to no host that the project has no business with. */
static void check_grafana_url(struct limiting *l, const cJSON *spec)
{
    const cJSON *zones = json_get(l->limits, "zones"), *url = json_at(spec, "grafana/url");
    if (zones == NULL || url == NULL)
        return;
    _cleanup_free_ char *host = host_of(cJSON_IsString(url) ? url->valuestring : "");
    if (is_in_zone(zones, host))
        return;
    strbuf_cut(&l->path, 0);
    strbuf_adds(&l->path, "grafana.url");
    problem(l,
            "this runner sends no passwords to '%s', which is in none of the zones of the host "
            "config's %s.zones",
            host, l->where);
}

/* What a task definition's own members name as secrets, at whatever depth. */
static void check_raw_secrets(struct limiting *l, const cJSON *value)
{
    size_t len = l->path.len;
    size_t i = 0;
    const cJSON *item;
    cJSON_ArrayForEach (item, value) {
        if (item->string != NULL)
            json_path_key(&l->path, item->string);
        else
            json_path_index(&l->path, i++);
        if (str_eq(item->string, "valueFrom") || str_eq(item->string, "credentialsParameter"))
            check_secret(l, item);
        else
            check_raw_secrets(l, item);
        strbuf_cut(&l->path, len);
    }
}

/* Members of CreateService that would lead into another network. */
static void check_raw_network(struct limiting *l, const cJSON *service)
{
    if (json_get(l->limits, "vpc") == NULL ||
        json_at(service, "service/networkConfiguration/awsvpcConfiguration/subnets") == NULL)
        return;
    size_t len = l->path.len;
    strbuf_adds(&l->path, ".service.networkConfiguration.awsvpcConfiguration.subnets");
    problem(l,
            "cannot be set: this runner allows only one VPC (the host config's %s.vpc), and "
            "these subnets might be another's; use 'network.privateSubnets'",
            l->where);
    strbuf_cut(&l->path, len);
}

/* A role that ECS itself takes on: for volumes, hooks, load balancers, lattices. */
static void check_raw_roles(struct limiting *l, const cJSON *value)
{
    size_t len = l->path.len;
    size_t i = 0;
    const cJSON *item;
    cJSON_ArrayForEach (item, value) {
        if (item->string != NULL && str_ends(item->string, "oleArn")) {
            check_role(l, value, item->string);
            continue;
        }
        if (item->string != NULL)
            json_path_key(&l->path, item->string);
        else
            json_path_index(&l->path, i++);
        check_raw_roles(l, item);
        strbuf_cut(&l->path, len);
    }
}

/* Members of CreateService by which tasks would get another environment's requests. */
static void check_raw_ingress(struct limiting *l, const cJSON *service)
{
    static const char *const members[][2] = { { "loadBalancers", "loadBalancer" },
                                              { "serviceRegistries", "discovery" } };
    size_t len = l->path.len;
    for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
        if (json_count(json_get(json_get(service, "service"), members[i][0])) == 0)
            continue;
        strbuf_addf(&l->path, ".service.%s", members[i][0]);
        problem(l,
                "cannot be set: this runner has limits (the host config's %s), and what is named "
                "here might be another environment's; use '%s'",
                l->where, members[i][1]);
        strbuf_cut(&l->path, len);
    }
}

static void check_service(struct limiting *l, const cJSON *service)
{
    size_t len = l->path.len;
    check_role(l, service, "executionRole");
    check_role(l, service, "taskRole");
    json_path_key(&l->path, "secrets");
    size_t secrets = l->path.len;
    const cJSON *secret;
    cJSON_ArrayForEach (secret, json_get(service, "secrets")) {
        json_path_key(&l->path, secret->string);
        check_secret(l, secret);
        strbuf_cut(&l->path, secrets);
    }
    strbuf_cut(&l->path, len);
    json_path_key(&l->path, "taskDefinition");
    check_role(l, json_get(service, "taskDefinition"), "executionRoleArn");
    check_role(l, json_get(service, "taskDefinition"), "taskRoleArn");
    check_raw_secrets(l, json_get(service, "taskDefinition"));
    strbuf_cut(&l->path, len);
    json_path_key(&l->path, "service");
    check_raw_roles(l, json_get(service, "service"));
    strbuf_cut(&l->path, len);
    check_raw_network(l, service);
    check_raw_ingress(l, service);
}

/* A role that does not exist is created as the spec has it, whatever the branch: what it may be
 * called is what keeps a branch from making one for other purposes. */
static void check_declared_roles(struct limiting *l, const cJSON *spec)
{
    const cJSON *limit = json_get(l->limits, "roles");
    const cJSON *role;
    cJSON_ArrayForEach (role, json_get(spec, "roles")) {
        if (limit == NULL || matches_any(limit, role->string))
            continue;
        strbuf_cut(&l->path, 0);
        strbuf_adds(&l->path, "roles");
        json_path_key(&l->path, role->string);
        problem(l, "this runner does not make a role of that name (the host config's %s.roles)",
                l->where);
    }
}

/* That a record lies in its zone, and that the zone is the one it says, is checked where it is
 * made.
 */
static void check_records(struct limiting *l, const cJSON *spec)
{
    const cJSON *limit = json_get(l->limits, "zones");
    const cJSON *record;
    cJSON_ArrayForEach (record, json_get(spec, "records")) {
        _cleanup_free_ char *zone = route53_zone_name(record, l->limits, l->subdomain);
        if (limit == NULL || (zone != NULL && matches_any(limit, zone)))
            continue;
        strbuf_cut(&l->path, 0);
        strbuf_adds(&l->path, "records");
        json_path_key(&l->path, record->string);
        json_path_key(&l->path, json_get(record, "zone") != NULL ? "zone" : "name");
        problem(l,
                "this runner makes no records in the hosted zone '%s' (the host config's %s.zones)",
                zone != NULL ? zone : "(known after apply)", l->where);
    }
}

/* A role of a template's own could do anything: nothing that is not listed may be used, also where
 * there are no limits. */
static void check_capabilities(struct limiting *l, const cJSON *stack)
{
    size_t len = l->path.len, i = 0;
    const cJSON *capability;
    json_path_key(&l->path, "capabilities");
    size_t list = l->path.len;
    cJSON_ArrayForEach (capability, json_get(stack, "capabilities")) {
        json_path_index(&l->path, i++);
        const char *name = cJSON_GetStringValue(capability);
        if (!json_array_has(json_get(l->limits, "stackCapabilities"), name))
            problem(l,
                    "this runner's stacks may not use '%s': the host's administrator may add it to "
                    "the host config's %s.stackCapabilities",
                    name, l->where);
        strbuf_cut(&l->path, list);
    }
    strbuf_cut(&l->path, len);
}

static void check_stack(struct limiting *l, const cJSON *stack)
{
    size_t len = l->path.len;
    const cJSON *types = json_get(l->limits, "stackResources");
    const cJSON *names = json_get(l->limits, "sharedStacks");
    const char *shared = json_str(stack, "shared");
    check_capabilities(l, stack);
    if (types != NULL && json_count(types) == 0 && json_get(stack, "template") != NULL) {
        json_path_key(&l->path, "template");
        problem(l,
                "this runner makes no stacks from a repository's templates (the host config's "
                "%s.stackResources is empty); use 'builtin' or 'shared'",
                l->where);
    } else if (names != NULL && json_get(stack, "shared") != NULL &&
               (shared == NULL || !matches_any(names, shared))) {
        json_path_key(&l->path, "shared");
        problem(l,
                "this runner does not let specs use the outputs of stack '%s' (the host config's "
                "%s.sharedStacks)",
                shared != NULL ? shared : "(known after apply)", l->where);
    }
    strbuf_cut(&l->path, len);
}

static void check_stacks(struct limiting *l, const cJSON *spec)
{
    const cJSON *stack;
    cJSON_ArrayForEach (stack, json_get(spec, "stacks")) {
        strbuf_cut(&l->path, 0);
        strbuf_adds(&l->path, "stacks");
        json_path_key(&l->path, stack->string);
        check_stack(l, stack);
    }
}

/* How many tasks a service wants; without a number it is created with one. */
static int64_t tasks_of(const cJSON *service)
{
    const cJSON *own = json_at(service, "service/desiredCount");
    int64_t n =
        json_int(cJSON_IsNumber(own) ? json_get(service, "service") : service, "desiredCount", 1);
    return n > 0 ? n : 0;
}

/* The units of cpu of a service's task, 1024 to a vCPU; 256 as berth makes it where none are
 * named. */
static int64_t units_of(const cJSON *service)
{
    const cJSON *own = json_get(service, "taskDefinition");
    return json_get(own, "cpu") != NULL ? capacity_units_of(own) : json_int(service, "cpu", 256);
}

static void check_vcpu(struct limiting *l, const cJSON *spec)
{
    const cJSON *most = json_get(l->limits, "maxVcpu");
    int64_t units = 0;
    const cJSON *service;
    cJSON_ArrayForEach (service, json_get(spec, "services"))
        units += tasks_of(service) * units_of(service);
    if (!cJSON_IsNumber(most) || (double)units / CPU_UNITS <= most->valuedouble)
        return;
    strbuf_cut(&l->path, 0);
    strbuf_adds(&l->path, "services");
    problem(l, "%g vCPU are wanted, this runner allows %g (the host config's %s.maxVcpu)",
            (double)units / CPU_UNITS, most->valuedouble, l->where);
}

static void check_tasks(struct limiting *l, const cJSON *spec)
{
    if (json_get(l->limits, "maxTasks") == NULL)
        return;
    int64_t most = json_int(l->limits, "maxTasks", 0);
    int64_t wanted = 0;
    const cJSON *service;
    cJSON_ArrayForEach (service, json_get(spec, "services"))
        wanted += tasks_of(service);
    if (wanted <= most)
        return;
    strbuf_cut(&l->path, 0);
    strbuf_adds(&l->path, "services");
    problem(l, "%lld tasks are wanted, this runner allows %lld (the host config's %s.maxTasks)",
            (long long)wanted, (long long)most, l->where);
}

void limits_check(const cJSON *spec, const cJSON *limits, const char *where, const char *subdomain,
                  struct schema_problems *problems)
{
    struct limiting l = { .limits = limits,
                          .where = where,
                          .subdomain = subdomain,
                          .path = STRBUF_INIT,
                          .problems = problems };
    check_stacks(&l, spec);
    if (limits == NULL) {
        strbuf_release(&l.path);
        return;
    }
    check_network(&l, spec);
    check_declared_roles(&l, spec);
    check_records(&l, spec);
    const cJSON *service;
    cJSON_ArrayForEach (service, json_get(spec, "services")) {
        strbuf_cut(&l.path, 0);
        strbuf_adds(&l.path, "services");
        json_path_key(&l.path, service->string);
        check_service(&l, service);
    }
    check_redis(&l, spec);
    check_grafana(&l, spec);
    check_grafana_url(&l, spec);
    check_tasks(&l, spec);
    check_vcpu(&l, spec);
    strbuf_release(&l.path);
}
