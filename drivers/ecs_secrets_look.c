/* SPDX-License-Identifier: MIT */
/*
 * Whether what task definitions name exists, without reading a value: DescribeParameters and
 * DescribeSecret answer with what is around it.
 */
#include "drivers/aws/together.h"
#include "drivers/common.h"
#include "drivers/ecs_secrets.h"

/* "Values: minimum number of 1 item, maximum number of 50 items":
 * https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_ParameterStringFilter.html */
#define NAMES_MAX 50

/* One call, and what came of it. */
struct look {
    struct session *session;
    cJSON *input;
    cJSON *secret; /* whose it is; NULL: some parameters' */
    cJSON *output;
    struct err err;
};

static int look_run(void *context, struct err *err)
{
    struct look *l = context;
    (void)err; /* each has its own, since each is judged by itself */
    if (l->secret != NULL)
        aws_call(l->session, "secretsmanager", "DescribeSecret", l->input, &l->output, &l->err);
    else
        aws_call_all(l->session, "ssm", "DescribeParameters", l->input, "Parameters", &l->output,
                     &l->err);
    return 0;
}

static bool is_here(const cJSON *secret, const char *kind)
{
    return str_eq(json_str(secret, "kind"), kind) && json_bool(secret, "here", false);
}

/* Where an ARN leaves open whether a parameter's name begins with a slash, both are asked for. */
static void add_names(cJSON *values, const char *name)
{
    json_push_str(values, name);
    if (strchr(name, '/') == NULL) {
        _cleanup_free_ char *other = xasprintf("/%s", name);
        json_push_str(values, other);
    }
}

static cJSON *names_new(cJSON *input)
{
    json_put_int(input, "MaxResults", NAMES_MAX);
    cJSON *filter = json_push(json_put_array(input, "ParameterFilters"), cJSON_CreateObject());
    json_put_str(filter, "Key", "Name");
    json_put_str(filter, "Option", "Equals");
    return json_put_array(filter, "Values");
}

static struct look *look_add(struct look **looks, size_t *n, struct session *s, cJSON *secret)
{
    *looks = xrealloc_array(*looks, *n + 1, sizeof(**looks));
    struct look *l = &(*looks)[(*n)++];
    *l = (struct look){ .session = s, .secret = secret, .input = cJSON_CreateObject() };
    return l;
}

static size_t looks_make(struct session *s, cJSON *secrets, struct look **ret)
{
    struct look *looks = NULL;
    size_t n = 0;
    cJSON *secret, *values = NULL;
    cJSON_ArrayForEach (secret, secrets) {
        if (is_here(secret, "secret"))
            json_put_str(look_add(&looks, &n, s, secret)->input, "SecretId",
                         json_str(secret, "id"));
        if (!is_here(secret, "parameter"))
            continue;
        if (values == NULL || json_count(values) + 2 > NAMES_MAX)
            values = names_new(look_add(&looks, &n, s, NULL)->input);
        add_names(values, json_str(secret, "id"));
    }
    *ret = looks;
    return n;
}

/* "in 3 places" where it is named more than once. */
static char *places_of(const cJSON *secret)
{
    int64_t places = json_int(secret, "places", 1);
    return places > 1 ? xasprintf(" (named in %lld places)", (long long)places) : xstrdup("");
}

static void say(struct preflight *p, const cJSON *secret, const char *fmt, ...) _printf_(3, 4);
static void say(struct preflight *p, const cJSON *secret, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    _cleanup_free_ char *text = xvasprintf(fmt, ap);
    va_end(ap);
    _cleanup_free_ char *places = places_of(secret);
    preflight_problem(p, ERR_USER, json_str(secret, "path"), "%s%s", text, places);
}

/* The ARN of a key of the customer's own. One that an alias names is not known by its ARN, and an
 * AWS managed key is for everybody who may use the service. */
static void put_key(const struct context *c, cJSON *secret, const char *key)
{
    if (key == NULL || str_starts(key, "alias/") || strstr(key, ":alias/") != NULL)
        return;
    if (str_starts(key, "arn:"))
        json_put_str(secret, "key", key);
    else
        json_put_strf(secret, "key", "arn:%s:kms:%s:%s:key/%s", arn_partition(c->region), c->region,
                      c->account, key);
}

static void judge_parameter(struct preflight *p, cJSON *secret, const cJSON *parameters)
{
    const char *id = json_str(secret, "id"), *version = json_str(secret, "version");
    _cleanup_free_ char *other = xasprintf("/%s", id);
    const cJSON *found = json_find(parameters, "Name", id);
    if (found == NULL)
        found = json_find(parameters, "Name", other);
    if (found == NULL) {
        json_put_bool(secret, "missing", true);
        say(p, secret,
            "there is no parameter '%s' in %s; create it with its value, or correct the name", id,
            session_region(p->session));
        return;
    }
    int64_t newest = json_int(found, "Version", 0), asked = 0;
    if (version != NULL && str_to_int64(version, 1, INT64_MAX, &asked) == 0 && asked > newest)
        say(p, secret, "the parameter '%s' has no version %s, the newest is %lld; correct it", id,
            version, (long long)newest);
    put_key(&p->g->context, secret, json_str(found, "KeyId"));
}

static bool has_stage(const cJSON *versions, const char *stage)
{
    const cJSON *version;
    cJSON_ArrayForEach (version, versions)
        if (json_array_has(version, stage))
            return true;
    return false;
}

static void judge_secret(struct preflight *p, cJSON *secret, const cJSON *found)
{
    const char *id = json_str(secret, "id");
    const char *version = json_str(secret, "version"), *stage = json_str(secret, "stage");
    const cJSON *versions = json_get(found, "VersionIdsToStages");
    json_put_str(secret, "arn", json_str(found, "ARN"));
    put_key(&p->g->context, secret, json_str(found, "KmsKeyId"));
    if (json_get(found, "DeletedDate") != NULL)
        say(p, secret, "the secret '%s' is marked for deletion; restore it, or name another", id);
    else if (version != NULL && json_get(versions, version) == NULL)
        say(p, secret, "the secret '%s' has no version '%s'; correct it", id, version);
    else if (stage != NULL && !has_stage(versions, stage))
        say(p, secret, "no version of the secret '%s' has the stage '%s'; correct it", id, stage);
    else if (version == NULL && stage == NULL && !has_stage(versions, "AWSCURRENT"))
        say(p, secret, "the secret '%s' has no value yet; give it one", id);
}

static void judge_look(struct preflight *p, struct look *l)
{
    if (l->err.class == ERR_NOT_FOUND) {
        say(p, l->secret,
            "there is no secret '%s' in Secrets Manager of %s; create it, or correct "
            "the name",
            json_str(l->secret, "id"), session_region(p->session));
        json_put_bool(l->secret, "missing", true);
    } else if (l->err.class != ERR_NONE) {
        preflight_unknown(p, "whether the secrets of tasks exist", &l->err);
    } else {
        judge_secret(p, l->secret, l->output);
    }
}

/* All parameters that were found; NULL if they could not be asked for. */
static cJSON *parameters_of(struct preflight *p, struct look *looks, size_t n)
{
    _cleanup_json_ cJSON *all = cJSON_CreateArray();
    for (size_t i = 0; i < n; i++) {
        if (looks[i].secret != NULL)
            continue;
        if (looks[i].err.class != ERR_NONE) {
            preflight_unknown(p, "whether the parameters of tasks exist", &looks[i].err);
            return NULL;
        }
        while (looks[i].output->child != NULL)
            json_push(all, cJSON_DetachItemViaPointer(looks[i].output, looks[i].output->child));
    }
    return steal_ptr(&all);
}

void ecs_secrets_look(struct preflight *p, cJSON *secrets)
{
    struct look *looks = NULL;
    size_t n = looks_make(p->session, secrets, &looks);
    struct together_task *tasks = xcalloc(n + 1, sizeof(*tasks));
    for (size_t i = 0; i < n; i++)
        tasks[i] = (struct together_task){ look_run, &looks[i] };
    _cleanup_err_ struct err err = ERR_INIT;
    together_run(tasks, n, &err);
    free(tasks);
    _cleanup_json_ cJSON *parameters = parameters_of(p, looks, n);
    cJSON *secret;
    cJSON_ArrayForEach (secret, secrets) {
        if (is_here(secret, "parameter") && parameters != NULL)
            judge_parameter(p, secret, parameters);
    }
    for (size_t i = 0; i < n; i++) {
        if (looks[i].secret != NULL)
            judge_look(p, &looks[i]);
        json_freep(&looks[i].input);
        json_freep(&looks[i].output);
        err_release(&looks[i].err);
    }
    free(looks);
}
