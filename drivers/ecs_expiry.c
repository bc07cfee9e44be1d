/* SPDX-License-Identifier: MIT */
/*
 * How long an environment lives: a tag on its cluster, whose name sorts and reads as people write
 * dates. Only what the host config's timeToLive says makes it count (docs/sweep.md).
 */
#include "drivers/ecs.h"

static void put_expiry(cJSON *tags, time_t now, int64_t time_to_live)
{
    char date[32];
    clock_iso_date(now + (time_t)time_to_live, date, sizeof(date));
    json_put_str(tags, ECS_EXPIRES_TAG, date);
}

int ecs_expiry_read(const cJSON *tags, time_t *ret)
{
    const char *date = json_str(tags, ECS_EXPIRES_TAG);
    return date != NULL ? clock_read_iso_date(date, ret) : -1;
}

/* More than there ever is comes from a host config that has said more: a quarter is what the clocks
 * of hosts may differ by. */
bool ecs_expiry_is_due(const cJSON *tags, int64_t time_to_live, time_t now)
{
    time_t expires;
    if (time_to_live <= 0)
        return false;
    if (ecs_expiry_read(tags, &expires) < 0)
        return true;
    int64_t left = expires - now, quarter = time_to_live / 4;
    return left < time_to_live - quarter || left > time_to_live + quarter;
}

void ecs_expiry_put(cJSON *tags, const struct context *c)
{
    if (c->time_to_live > 0)
        put_expiry(tags, time(NULL), c->time_to_live);
}

int ecs_expiry_renew(struct session *s, const struct graph *g, bool *ret_renewed, struct err *err)
{
    const struct resource *r = graph_find(g, ECS_CLUSTER);
    time_t now = time(NULL);
    *ret_renewed = false;
    if (r == NULL || r->have == NULL || !resource_is_ours(r) ||
        !ecs_expiry_is_due(r->tags, g->context.time_to_live, now))
        return 0;
    _cleanup_json_ cJSON *tags = cJSON_CreateObject();
    put_expiry(tags, now, g->context.time_to_live);
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    json_put_str(input, "resourceArn", json_str(r->outputs, "Arn"));
    json_put(input, "tags", tags_to_list(tags, "key", "value"));
    if (aws_call(s, "ecs", "TagResource", input, NULL, err) < 0)
        return -1;
    json_copy(r->tags, tags, ECS_EXPIRES_TAG);
    *ret_renewed = true;
    return 0;
}
