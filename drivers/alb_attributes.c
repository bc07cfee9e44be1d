/* SPDX-License-Identifier: MIT */
/*
 * Attributes, which are texts by their key, and tags. Keys and defaults:
 * https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_Operations.html,
 * API_LoadBalancerAttribute and API_TargetGroupAttribute.
 */
#include "drivers/alb.h"
#include "drivers/aws/together.h"
#include "executor/base/near.h"

#define TAGS_BATCH       20 /* what DescribeTags takes: API_DescribeTags */
#define ATTRIBUTES_BATCH 20 /* API_ModifyLoadBalancerAttributes */

struct attribute {
    const char *key, *value;
};

struct alb_attributes {
    const char *read, *write; /* the calls */
    const char *arn;          /* the member that names the resource */
    const struct attribute *defaults;
    size_t n;
};

static cJSON *defaults_of(const struct alb_attributes *kind)
{
    cJSON *defaults = cJSON_CreateObject();
    for (size_t i = 0; i < kind->n; i++)
        json_put_str(defaults, kind->defaults[i].key, kind->defaults[i].value);
    return defaults;
}

static int unknown_key(const cJSON *defaults, const char *path, const char *key, struct err *err)
{
    struct near near = NEAR_INIT(key);
    near_try_keys(&near, defaults);
    if (near.word != NULL)
        return err_set(err, ERR_USER, "%s: there is no attribute '%s'; did you mean '%s'?", path,
                       key, near.word);
    return err_set(err, ERR_USER, "%s: there is no attribute '%s'", path, key);
}

/* These are empty where they are not set, and no empty one can be set: what they belong to is
 * turned off then, and whatever they say means nothing. */
static void drop_unset(cJSON *attributes)
{
    static const char *const keys[] = { "access_logs.s3.bucket", "connection_logs.s3.bucket",
                                        "stickiness.app_cookie.cookie_name" };
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
        if (str_eq(json_str(attributes, keys[i]), ""))
            cJSON_DeleteItemFromObjectCaseSensitive(attributes, keys[i]);
}

int alb_attributes_make(const struct alb_attributes *kind, const cJSON *given, const char *path,
                        cJSON **ret, struct err *err)
{
    _cleanup_json_ cJSON *attributes = defaults_of(kind);
    const cJSON *item;
    cJSON_ArrayForEach (item, given) {
        if (json_get(attributes, item->string) == NULL)
            return unknown_key(attributes, path, item->string, err);
        _cleanup_free_ char *text =
            cJSON_IsString(item) ? xstrdup(item->valuestring) : json_print(item);
        json_put_str(attributes, item->string, text);
    }
    drop_unset(attributes);
    *ret = steal_ptr(&attributes);
    return 0;
}

int alb_attributes_read(struct session *s, const struct alb_attributes *kind, const char *arn,
                        cJSON **ret, struct err *err)
{
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    json_put_str(input, kind->arn, arn);
    _cleanup_json_ cJSON *output = NULL;
    if (aws_call(s, "elbv2", kind->read, input, &output, err) < 0)
        return -1;
    _cleanup_json_ cJSON *told = tags_from_list(json_get(output, "Attributes"), "Key", "Value");
    cJSON *attributes = defaults_of(kind);
    const cJSON *item;
    cJSON_ArrayForEach (item, told)
        if (json_get(attributes, item->string) != NULL)
            json_put(attributes, item->string, json_dup(item));
    *ret = attributes;
    return 0;
}

int alb_attributes_write(struct session *s, const struct alb_attributes *kind, const char *arn,
                         const cJSON *want, const cJSON *have, struct err *err)
{
    _cleanup_json_ cJSON *defaults = have == NULL ? defaults_of(kind) : NULL;
    const cJSON *before = have != NULL ? have : defaults;
    _cleanup_json_ cJSON *differing = cJSON_CreateObject();
    const cJSON *item;
    cJSON_ArrayForEach (item, want)
        if (!str_eq(cJSON_GetStringValue(item), json_str(before, item->string)))
            json_put(differing, item->string, json_dup(item));
    _cleanup_json_ cJSON *list = tags_to_list(differing, "Key", "Value");
    while (list->child != NULL) {
        _cleanup_json_ cJSON *input = cJSON_CreateObject();
        json_put_str(input, kind->arn, arn);
        cJSON *chunk = json_put_array(input, "Attributes");
        while (list->child != NULL && json_count(chunk) < ATTRIBUTES_BATCH)
            json_push(chunk, cJSON_DetachItemFromArray(list, 0));
        if (aws_call(s, "elbv2", kind->write, input, NULL, err) < 0)
            return -1;
    }
    return 0;
}

/* DescribeTags refuses all for one that is gone: then each is asked for alone. */
static int tags_read(struct session *s, const cJSON *arns, cJSON *tags, struct err *err)
{
    _cleanup_json_ cJSON *input = cJSON_CreateObject(), *output = NULL;
    _cleanup_err_ struct err failure = ERR_INIT;
    json_put(input, "ResourceArns", json_dup(arns));
    if (aws_call(s, "elbv2", "DescribeTags", input, &output, &failure) < 0 &&
        failure.class != ERR_NOT_FOUND)
        return err_move(err, &failure);
    const cJSON *one;
    cJSON_ArrayForEach (one, json_get(output, "TagDescriptions"))
        json_put(tags, json_str(one, "ResourceArn"),
                 tags_from_list(json_get(one, "Tags"), "Key", "Value"));
    if (failure.class == ERR_NONE || json_count(arns) == 1)
        return 0;
    const cJSON *arn;
    cJSON_ArrayForEach (arn, arns) {
        _cleanup_json_ cJSON *alone = cJSON_CreateArray();
        json_push(alone, json_dup(arn));
        if (tags_read(s, alone, tags, err) < 0)
            return -1;
    }
    return 0;
}

int alb_tags_read(struct session *s, const cJSON *arns, cJSON **ret, struct err *err)
{
    _cleanup_json_ cJSON *tags = cJSON_CreateObject();
    for (const cJSON *arn = arns->child; arn != NULL;) {
        _cleanup_json_ cJSON *chunk = cJSON_CreateArray();
        for (; arn != NULL && json_count(chunk) < TAGS_BATCH; arn = arn->next)
            json_push(chunk, json_dup(arn));
        if (tags_read(s, chunk, tags, err) < 0)
            return -1;
    }
    *ret = steal_ptr(&tags);
    return 0;
}

/* One of the calls for what a Describe of load balancers or target groups does not tell. */
struct detail {
    struct session *s;
    const struct alb_attributes *kind;
    const cJSON *about; /* an ARN, or of tags: ARNs */
    cJSON *answer;
};

static int read_tags(void *context, struct err *err)
{
    struct detail *d = context;
    return alb_tags_read(d->s, d->about, &d->answer, err);
}

/* No answer where it went between the calls. */
static int read_attributes(void *context, struct err *err)
{
    struct detail *d = context;
    if (alb_attributes_read(d->s, d->kind, cJSON_GetStringValue(d->about), &d->answer, err) == 0)
        return 0;
    if (err->class != ERR_NOT_FOUND)
        return -1;
    err_release(err);
    return 0;
}

static struct detail detail_of(struct session *s, const cJSON *thing)
{
    const cJSON *balancer = json_get(thing, alb_balancer_attributes.arn);
    if (balancer != NULL)
        return (struct detail){ s, &alb_balancer_attributes, balancer, NULL };
    return (struct detail){ s, &alb_group_attributes, json_get(thing, alb_group_attributes.arn),
                            NULL };
}

int alb_details_read(struct session *s, cJSON *things, struct err *err)
{
    size_t n = json_count(things), i = 1;
    if (n == 0)
        return 0;
    _cleanup_json_ cJSON *arns = cJSON_CreateArray();
    _cleanup_free_ struct detail *details = xcalloc(n + 1, sizeof(*details));
    _cleanup_free_ struct together_task *tasks = xcalloc(n + 1, sizeof(*tasks));
    details[0] = (struct detail){ .s = s, .about = arns };
    tasks[0] = (struct together_task){ read_tags, &details[0] };
    cJSON *thing;
    cJSON_ArrayForEach (thing, things) {
        details[i] = detail_of(s, thing);
        json_push(arns, json_dup(details[i].about));
        tasks[i] = (struct together_task){ read_attributes, &details[i] };
        i++;
    }
    int status = together_run(tasks, n + 1, err);
    i = 1;
    cJSON_ArrayForEach (thing, things) {
        const cJSON *tags = json_get(details[0].answer, cJSON_GetStringValue(details[i].about));
        if (tags != NULL)
            json_put(thing, "Tags", json_dup(tags));
        if (details[i].answer != NULL)
            json_put(thing, "Attributes", details[i].answer);
        i++;
    }
    cJSON_Delete(details[0].answer);
    return status;
}

int alb_check_created(struct session *s, struct resource *r, const char *arn, struct err *err)
{
    _cleanup_json_ cJSON *arns = cJSON_CreateArray(), *tags = NULL;
    json_push_str(arns, arn);
    if (alb_tags_read(s, arns, &tags, err) < 0)
        return -1;
    if (json_get(tags, arn) == NULL)
        return err_set(err, ERR_BUSY, "AWS does not find the new %s '%s' everywhere yet",
                       r->type->singular, r->name);
    cJSON_Delete(r->tags);
    r->tags = json_dup(json_get(tags, arn));
    if (resource_is_ours(r))
        return 0;
    cJSON_Delete(steal_ptr(&r->tags));
    return err_set(err, ERR_EXISTS, "%s '%s' exists and was made by others", r->type->singular,
                   r->name);
}

static const struct attribute balancer_defaults[] = {
    { "access_logs.s3.bucket", "" },
    { "access_logs.s3.enabled", "false" },
    { "access_logs.s3.prefix", "" },
    { "client_keep_alive.seconds", "3600" },
    { "connection_logs.s3.bucket", "" },
    { "connection_logs.s3.enabled", "false" },
    { "connection_logs.s3.prefix", "" },
    { "deletion_protection.enabled", "false" },
    { "idle_timeout.timeout_seconds", "60" },
    { "routing.http.desync_mitigation_mode", "defensive" },
    { "routing.http.drop_invalid_header_fields.enabled", "false" },
    { "routing.http.preserve_host_header.enabled", "false" },
    { "routing.http.x_amzn_tls_version_and_cipher_suite.enabled", "false" },
    { "routing.http.xff_client_port.enabled", "false" },
    { "routing.http.xff_header_processing.mode", "append" },
    { "routing.http2.enabled", "true" },
    { "waf.fail_open.enabled", "false" },
    { "zonal_shift.config.enabled", "false" },
};

static const struct attribute group_defaults[] = {
    { "deregistration_delay.timeout_seconds", "300" },
    { "load_balancing.algorithm.anomaly_mitigation", "off" },
    { "load_balancing.algorithm.type", "round_robin" },
    { "load_balancing.cross_zone.enabled", "use_load_balancer_configuration" },
    { "slow_start.duration_seconds", "0" },
    { "stickiness.app_cookie.cookie_name", "" },
    { "stickiness.app_cookie.duration_seconds", "86400" },
    { "stickiness.enabled", "false" },
    { "stickiness.lb_cookie.duration_seconds", "86400" },
    { "stickiness.type", "lb_cookie" },
    { "target_group_health.dns_failover.minimum_healthy_targets.count", "1" },
    { "target_group_health.dns_failover.minimum_healthy_targets.percentage", "off" },
    { "target_group_health.unhealthy_state_routing.minimum_healthy_targets.count", "1" },
    { "target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage", "off" },
};

const struct alb_attributes alb_balancer_attributes = {
    .read = "DescribeLoadBalancerAttributes",
    .write = "ModifyLoadBalancerAttributes",
    .arn = "LoadBalancerArn",
    .defaults = balancer_defaults,
    .n = ARRAY_SIZE(balancer_defaults),
};

const struct alb_attributes alb_group_attributes = {
    .read = "DescribeTargetGroupAttributes",
    .write = "ModifyTargetGroupAttributes",
    .arn = "TargetGroupArn",
    .defaults = group_defaults,
    .n = ARRAY_SIZE(group_defaults),
};
