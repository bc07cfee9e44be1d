/* SPDX-License-Identifier: MIT */
#include "drivers/ecs_secrets.h"

#include "drivers/common.h"
#include "drivers/ecs.h"
#include "drivers/iam_access.h"

/* An ARN has five colons before what it names. */
static const char *arn_part(const char *arn, unsigned n)
{
    for (; n > 0 && arn != NULL; n--) {
        arn = strchr(arn, ':');
        arn = arn != NULL ? arn + 1 : NULL;
    }
    return arn;
}

static bool arn_part_is(const char *arn, unsigned n, const char *text)
{
    const char *part = arn_part(arn, n);
    size_t len = strlen(text);
    return part != NULL && strncmp(part, text, len) == 0 && part[len] == ':';
}

static bool arn_is_here(const struct graph *g, const char *arn)
{
    return arn_part_is(arn, 3, g->context.region) && arn_part_is(arn, 4, g->context.account);
}

/* A member from a part of a text that ends at a colon; an empty one is none. */
static const char *take_part(cJSON *secret, const char *member, const char *from)
{
    size_t len = strcspn(from, ":");
    if (len > 0 && member != NULL)
        json_put_strf(secret, member, "%.*s", (int)len, from);
    return from[len] == ':' ? from + len + 1 : from + len;
}

/*
 * arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME:JSON-KEY:VERSION-STAGE:VERSION-ID, the last
 * three of which may be empty or absent:
 * https://docs.aws.amazon.com/AmazonECS/latest/developerguide/secrets-envvar-secrets-manager.html
 */
static void read_secret(const struct graph *g, cJSON *secret, const char *arn)
{
    const char *name = arn_part(arn, 6);
    json_put_str(secret, "kind", "secret");
    json_put_bool(secret, "here", arn_is_here(g, arn));
    json_put_strf(secret, "id", "%.*s", (int)((size_t)(name - arn) + strcspn(name, ":")), arn);
    const char *rest = take_part(secret, NULL, take_part(secret, NULL, name));
    take_part(secret, "version", take_part(secret, "stage", rest));
}

/* What policies name a parameter by: its name follows without a second slash. */
static void put_parameter_arn(const struct context *c, cJSON *secret)
{
    const char *id = json_str(secret, "id"), *value = json_str(secret, "value");
    if (str_starts(value, "arn:"))
        json_put_strf(secret, "arn", "%.*s", (int)strcspn(value, "/"), value);
    else
        json_put_strf(secret, "arn", "arn:%s:ssm:%s:%s:parameter", arn_partition(c->region),
                      c->region, c->account);
    _cleanup_free_ char *start = xstrdup(json_str(secret, "arn"));
    json_put_strf(secret, "arn", "%s/%s", start, id + (*id == '/'));
}

/* A parameter by its name, or by its ARN, which has no slash before a name without slashes. */
static void read_parameter(const struct graph *g, cJSON *secret, const char *value)
{
    bool is_arn = str_starts(value, "arn:");
    const char *name = is_arn ? arn_part(value, 5) + strlen("parameter") : value;
    json_put_str(secret, "kind", "parameter");
    json_put_bool(secret, "here", !is_arn || arn_is_here(g, value));
    if (is_arn && *name == '/' && strchr(name + 1, '/') == NULL)
        name++;
    take_part(secret, "version", take_part(secret, "id", name));
    put_parameter_arn(&g->context, secret);
}

/* A variable that is empty, or a slip in an ARN, leaves nothing to ask for. */
static bool has_name(const char *text)
{
    text += strspn(text, "/");
    return *text != '\0' && *text != ':';
}

static cJSON *secret_new(const struct graph *g, const char *value, const char *path,
                         bool is_credential)
{
    cJSON *secret = cJSON_CreateObject();
    const char *what = arn_part(value, 5);
    json_put_str(secret, "value", value);
    json_put_str(secret, "path", path);
    json_put_str(secret, "kind", "");
    json_put_array(secret, "roles");
    if (arn_part_is(value, 2, "secretsmanager") && str_starts(what, "secret:") &&
        has_name(what + strlen("secret:"))) {
        read_secret(g, secret, value);
    } else if (arn_part_is(value, 2, "ssm") && str_starts(what, "parameter") &&
               has_name(what + strlen("parameter"))) {
        read_parameter(g, secret, value);
    } else if (str_starts(value, "arn:") || !has_name(value)) {
        return secret; /* what it is nobody knows */
    } else if (is_credential) {
        json_put_str(secret, "kind", "secret");
        json_put_str(secret, "id", value);
        json_put_bool(secret, "here", true);
    } else {
        read_parameter(g, secret, value);
    }
    return secret;
}

/* What a collection goes through. */
struct collecting {
    const struct graph *g;
    cJSON *secrets;
    const char *role; /* NULL: not known */
};

static void collect(struct collecting *c, const cJSON *value, const char *path, bool is_credential)
{
    if (!cJSON_IsString(value))
        return; /* known after apply */
    cJSON *secret = json_find(c->secrets, "value", value->valuestring);
    if (secret == NULL)
        secret = json_push(c->secrets, secret_new(c->g, value->valuestring, path, is_credential));
    json_put_int(secret, "places", json_int(secret, "places", 0) + 1);
    if (c->role != NULL && !json_array_has(json_get(secret, "roles"), c->role))
        json_push_str(json_get(secret, "roles"), c->role);
}

static void collect_list(struct collecting *c, const cJSON *list, const char *origin,
                         const char *member)
{
    const cJSON *item;
    cJSON_ArrayForEach (item, list) {
        _cleanup_strbuf_ struct strbuf path = STRBUF_INIT;
        strbuf_addf(&path, "%s.%s", origin, member);
        if (json_str(item, "name") != NULL)
            json_path_key(&path, json_str(item, "name"));
        collect(c, json_get(item, "valueFrom"), path.buf, false);
    }
}

static void collect_definition(struct collecting *c, const struct resource *r,
                               const cJSON *definition)
{
    _cleanup_free_ char *path = xasprintf("%s.taskDefinition", r->origin);
    const cJSON *container;
    cJSON_ArrayForEach (container, json_get(definition, "containerDefinitions")) {
        collect_list(c, json_get(container, "secrets"), r->origin, "secrets");
        collect_list(c, json_at(container, "logConfiguration/secretOptions"), r->origin,
                     "taskDefinition");
        collect(c, json_at(container, "repositoryCredentials/credentialsParameter"), path, true);
    }
}

cJSON *ecs_secrets_collect(const struct graph *g, bool only_planned)
{
    struct collecting c = { .g = g, .secrets = cJSON_CreateArray() };
    for (size_t i = 0; i < g->n; i++) {
        const struct resource *r = g->v[i];
        if (r->type != &ecs_task_definition_type || r->want == NULL ||
            (only_planned && !preflight_concerns(r)))
            continue;
        _cleanup_role_ struct iam_role role = IAM_ROLE_INIT;
        const cJSON *definition = r->target != NULL ? r->target : r->want;
        bool known = iam_role_of(g, json_get(definition, "executionRoleArn"), &role);
        c.role = known ? role.arn : NULL;
        collect_definition(&c, r, definition);
    }
    return c.secrets;
}
