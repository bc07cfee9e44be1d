/* SPDX-License-Identifier: MIT */
/*
 * What a service's load balancer sees of its tasks. ECS waits for healthy targets before it calls a
 * deployment complete, but says nothing of what happens to them later, nor why one is unhealthy.
 * https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_TargetHealth.html
 */
#include "drivers/ecs.h"

/* The targets of one group, counted; why those that are not healthy are not, each reason once. */
static cJSON *health_count(const char *arn, const cJSON *descriptions)
{
    cJSON *health = cJSON_CreateObject();
    int64_t healthy = 0;
    _cleanup_strbuf_ struct strbuf reasons = STRBUF_INIT;
    const cJSON *one;
    cJSON_ArrayForEach (one, descriptions) {
        const char *state = json_str_at(one, "TargetHealth/State");
        const char *reason = json_str_at(one, "TargetHealth/Reason");
        const char *description = json_str_at(one, "TargetHealth/Description");
        healthy += str_eq(state, "healthy");
        if (reason == NULL || str_eq(state, "draining") || strstr(reasons.buf, reason) != NULL)
            continue;
        strbuf_addf(&reasons, "%s%s", reasons.len > 0 ? ", " : "", reason);
        if (description != NULL)
            strbuf_addf(&reasons, " (%s)", description);
    }
    json_put_str(health, "group", arn);
    json_put_int(health, "healthy", healthy);
    json_put_str(health, "reasons", reasons.buf);
    return health;
}

int ecs_targets_read(struct session *s, struct resource *r, const cJSON *service, struct err *err)
{
    cJSON *all = json_put_array(r->memo, "targets");
    if (json_count(json_get(r->want, "loadBalancers")) == 0 ||
        json_int(service, "desiredCount", 0) == 0)
        return 0;
    const cJSON *balancer;
    cJSON_ArrayForEach (balancer, json_get(service, "loadBalancers")) {
        const char *arn = json_str(balancer, "targetGroupArn");
        _cleanup_json_ cJSON *input = cJSON_CreateObject(), *output = NULL;
        _cleanup_err_ struct err failure = ERR_INIT;
        json_put_str(input, "TargetGroupArn", arn);
        if (arn == NULL)
            continue;
        if (aws_call(s, "elbv2", "DescribeTargetHealth", input, &output, &failure) < 0 &&
            failure.class != ERR_NOT_FOUND)
            return err_move(err, &failure);
        json_push(all, health_count(arn, json_get(output, "TargetHealthDescriptions")));
    }
    return 0;
}

/* "...:targetgroup/name/0123456789abcdef" -> "name". */
char *ecs_target_group_name(const char *arn)
{
    const char *slash = strchr(arn, '/');
    return slash != NULL ? xstrndup(slash + 1, strcspn(slash + 1, "/")) : xstrdup(arn);
}

bool ecs_targets_are_healthy(const struct resource *r, struct strbuf *why)
{
    int64_t desired = json_int(json_get(r->memo, "state"), "desiredCount", 0);
    const cJSON *health;
    cJSON_ArrayForEach (health, json_get(r->memo, "targets")) {
        int64_t healthy = json_int(health, "healthy", 0);
        if (healthy >= desired)
            continue;
        _cleanup_free_ char *name = ecs_target_group_name(json_str(health, "group"));
        const char *reasons = json_str(health, "reasons");
        strbuf_addf(why, "%d of %d targets are healthy in target group '%s'", (int)healthy,
                    (int)desired, name);
        if (reasons != NULL && *reasons != '\0')
            strbuf_addf(why, ": %s", reasons);
        return false;
    }
    return true;
}
