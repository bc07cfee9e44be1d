/* SPDX-License-Identifier: MIT */
#include "drivers/aws/together.h"
#include "drivers/cloudwatch.h"
#include "drivers/common.h"

/* Whose an alarm or a dashboard is, and its tags. */

/* In a resource's memo: its tags were not read. */
#define ASSUMED "assumed"

/* What is read at the same time is another thread's. */
static bool is_read_before(const struct resource *r, const struct resource *other)
{
    for (const char *const *name = r->type->after; name != NULL && *name != NULL; name++)
        if (str_eq(*name, other->type->name))
            return true;
    return false;
}

bool cloudwatch_is_as_wanted(struct resource *r)
{
    if (r->want == NULL || r->have == NULL)
        return false;
    for (size_t i = 0; i < r->n_needs; i++)
        if (!is_read_before(r, r->needs[i].resource))
            return false;
    bool known = false;
    _cleanup_json_ cJSON *wanted = ref_resolve(r->graph, r->want, &known);
    for (const char *const *set = r->type->sets; set != NULL && *set != NULL; set++)
        set_order(json_get(r->have, *set), json_get(wanted, *set));
    return known && json_equal(wanted, r->have);
}

void cloudwatch_set_tags(struct resource *r)
{
    cJSON_Delete(r->tags);
    r->tags = tags_wanted(r->graph, r->label);
    cJSON_DeleteItemFromObjectCaseSensitive(r->memo, ASSUMED);
}

void cloudwatch_assume_owner(struct resource *r)
{
    cloudwatch_set_tags(r);
    json_put_bool(r->memo, ASSUMED, true);
}

bool cloudwatch_is_assumed(const struct resource *r)
{
    return json_get(r->memo, ASSUMED) != NULL;
}

static int tags_read(struct session *s, struct resource *r, struct err *err)
{
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    json_put_str(input, "ResourceARN", json_str(r->outputs, "Arn"));
    _cleanup_json_ cJSON *output = NULL;
    _cleanup_err_ struct err failure = ERR_INIT;
    if (aws_call(s, "monitoring", "ListTagsForResource", input, &output, &failure) < 0) {
        if (failure.class != ERR_NOT_FOUND)
            return err_move(err, &failure);
        resource_set_have(r, NULL); /* it went between the two calls */
        return 0;
    }
    cJSON_Delete(r->tags);
    r->tags = tags_from_list(json_get(output, "Tags"), "Key", "Value");
    cJSON_DeleteItemFromObjectCaseSensitive(r->memo, ASSUMED);
    return 0;
}

struct question {
    struct session *session;
    struct resource *resource;
};

static int question_ask(void *context, struct err *err)
{
    struct question *q = context;
    return tags_read(q->session, q->resource, err);
}

int cloudwatch_read_tags(struct session *s, struct resource *const *r, size_t n, struct err *err)
{
    _cleanup_free_ struct question *questions = xcalloc(n + 1, sizeof(*questions));
    _cleanup_free_ struct together_task *tasks = xcalloc(n + 1, sizeof(*tasks));
    for (size_t i = 0; i < n; i++) {
        questions[i] = (struct question){ s, r[i] };
        tasks[i] = (struct together_task){ question_ask, &questions[i] };
    }
    return together_run(tasks, n, err);
}

int cloudwatch_check_owner(struct session *s, struct resource *r, struct err *err)
{
    if (!cloudwatch_is_assumed(r))
        return 0;
    if (tags_read(s, r, err) < 0)
        return -1;
    if (r->have == NULL || resource_is_ours(r))
        return 0;
    const char *owner = json_str(r->tags, "Environment");
    return err_set(err, ERR_CONFLICT,
                   "%s: %s '%s' is not this environment's (%s%s): rename or remove it, or give it "
                   "the environment's tags",
                   resource_origin(r), r->type->singular, r->name,
                   owner ? "Environment=" : "without our tags", owner ? owner : "");
}

int cloudwatch_repair_tags(struct session *s, struct resource *r, struct err *err)
{
    _cleanup_json_ cJSON *wanted = tags_wanted(r->graph, r->label);
    const cJSON *tag;
    bool same = true;
    cJSON_ArrayForEach (tag, wanted)
        same = same && json_equal(tag, json_get(r->tags, tag->string));
    if (same)
        return 0;
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    json_put_str(input, "ResourceARN", json_str(r->outputs, "Arn"));
    json_put(input, "Tags", tags_to_list(wanted, "Key", "Value"));
    if (aws_call(s, "monitoring", "TagResource", input, NULL, err) < 0)
        return -1;
    cloudwatch_set_tags(r);
    return 0;
}
