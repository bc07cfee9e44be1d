/* SPDX-License-Identifier: MIT */
#include "drivers/aws/digest.h"
#include "drivers/cloudformation.h"

#include <inttypes.h>

#include "drivers/common.h"

/*
 * An environment's own stacks. A name is looked for once; from then on the stack is told by its id,
 * which also finds one that is deleted, and never another one of that name.
 */

static const char *status_of(const struct resource *r)
{
    return json_str(r->memo, "status");
}

static bool is_awaited(const struct resource *r)
{
    return json_bool(r->memo, "awaited", false);
}

int stack_read(struct session *s, const char *name, cJSON **ret, struct err *err)
{
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    json_put_str(input, "StackName", name);
    _cleanup_json_ cJSON *output = NULL;
    _cleanup_err_ struct err failure = ERR_INIT;
    if (aws_call(s, "cloudformation", "DescribeStacks", input, &output, &failure) < 0 &&
        failure.class != ERR_NOT_FOUND)
        return err_move(err, &failure);
    const cJSON *stack = json_at(output, "Stacks/0");
    *ret = stack_state(json_str(stack, "StackStatus")) == STACK_GONE ? NULL : json_dup(stack);
    return 0;
}

int stack_template_digest(struct session *s, const char *id, char **ret, struct err *err)
{
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    json_put_str(input, "StackName", id);
    _cleanup_json_ cJSON *output = NULL;
    if (aws_call(s, "cloudformation", "GetTemplate", input, &output, err) < 0)
        return -1;
    const char *body = json_str(output, "TemplateBody");
    *ret = stack_digest(body != NULL ? body : "");
    return 0;
}

static void forget(struct resource *r)
{
    static const char *const members[] = { "id", "status", "reason", "changed" };
    for (size_t i = 0; i < ARRAY_SIZE(members); i++)
        cJSON_DeleteItemFromObjectCaseSensitive(r->memo, members[i]);
    resource_set_have(r, NULL);
}

/* Notes the state, and that the reason of another one is no longer the reason. */
static void status_set(struct resource *r, const char *status)
{
    if (!str_eq(status, status_of(r)))
        cJSON_DeleteItemFromObjectCaseSensitive(r->memo, "reason");
    json_put_str(r->memo, "status", status);
    if (stack_state(status) == STACK_BUSY)
        json_put_bool(r->memo, "awaited", true);
}

static int reason_read(struct session *s, struct resource *r, struct err *err)
{
    if (json_str(r->memo, "reason") != NULL)
        return 0;
    _cleanup_free_ char *reason = NULL;
    if (stack_reason(s, json_str(r->memo, "id"), &reason, err) < 0)
        return -1;
    json_put_str(r->memo, "reason", reason);
    return 0;
}

/*
 * After an update that failed the stack has its parameters and template from before. Of its tags no
 * page says so: what the template is, is therefore asked.
 */
static int template_read(struct session *s, struct resource *r, struct err *err)
{
    _cleanup_free_ char *digest = NULL;
    if (stack_template_digest(s, json_str(r->memo, "id"), &digest, err) < 0)
        return -1;
    json_put_str(r->have, "Template", digest);
    return 0;
}

/* Whether it counts as absent where it is wanted, since it can only be made anew once it is gone:
 * what failed before this run, and what is being deleted. */
static bool is_absent(const struct resource *r)
{
    if (r->want == NULL || (r->action != ACTION_NONE && r->action != ACTION_CREATE))
        return false;
    if (str_eq(status_of(r), "DELETE_IN_PROGRESS"))
        return true;
    return stack_state(status_of(r)) == STACK_NEVER_MADE && !is_awaited(r) && resource_is_ours(r);
}

/* When it was last changed: what an update that has begun makes another. */
static const cJSON *change_time(const cJSON *stack)
{
    const cJSON *updated = json_get(stack, "LastUpdatedTime");
    return updated != NULL ? updated : json_get(stack, "CreationTime");
}

int stack_take(struct session *s, struct resource *r, const cJSON *stack, struct err *err)
{
    r->observed = true;
    if (stack == NULL) {
        forget(r);
        return 0;
    }
    cJSON_Delete(r->tags);
    r->tags = tags_from_list(json_get(stack, "Tags"), "Key", "Value");
    json_put_str(r->memo, "id", json_str(stack, "StackId"));
    json_put(r->memo, "changed", json_dup(change_time(stack)));
    json_put_bool(r->memo, "protected", json_bool(stack, "EnableTerminationProtection", false));
    status_set(r, json_str(stack, "StackStatus"));
    if (is_absent(r)) {
        resource_set_have(r, NULL);
        return 0;
    }
    stack_form(r, stack);
    enum stack_state state = stack_state(status_of(r));
    if (state == STACK_ROLLED_BACK && template_read(s, r, err) < 0)
        return -1;
    bool failed = state == STACK_NEVER_MADE || state == STACK_STUCK ||
                  (state == STACK_ROLLED_BACK && is_awaited(r));
    return failed ? reason_read(s, r, err) : 0;
}

/* Once what this run has begun is done: whether the topics that it made are heard. */
static void topics_look(struct session *s, struct resource *r)
{
    if (!json_bool(r->memo, "written", false) || stack_state(status_of(r)) != STACK_GOOD)
        return;
    json_put_bool(r->memo, "written", false);
    stack_check_topics(s, r);
}

static int look(struct session *s, struct resource *r, struct err *err)
{
    const char *id = json_str(r->memo, "id");
    _cleanup_json_ cJSON *stack = NULL;
    if (stack_read(s, id != NULL ? id : r->name, &stack, err) < 0)
        return -1;
    return stack_take(s, r, stack, err);
}

static int stack_observe(struct session *s, struct resource *const *r, size_t n, struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        const char *known = json_str(r[i]->memo, "id");
        _cleanup_free_ char *id = known != NULL ? xstrdup(known) : NULL;
        if (look(s, r[i], err) < 0)
            return -1;
        if (json_bool(r[i]->memo, "deleting", false) && status_of(r[i]) == NULL && id != NULL)
            stack_say_retained(s, r[i], id);
        if (json_bool(r[i]->memo, "deleting", false) && str_eq(status_of(r[i]), "DELETE_FAILED"))
            return err_set(err, ERR_FAILED,
                           "%s '%s' could not be deleted: %s; remove what holds it and run the job "
                           "again",
                           r[i]->type->singular, r[i]->name, json_str(r[i]->memo, "reason"));
        topics_look(s, r[i]);
    }
    return 0;
}

/* What a person has to do about it. */
static const char *remedy(const char *status)
{
    if (str_eq(status, "UPDATE_ROLLBACK_COMPLETE"))
        return "it is as it was before this update; correct what failed and run the job again";
    if (str_eq(status, "UPDATE_ROLLBACK_FAILED"))
        return "put right what failed, then 'aws cloudformation continue-update-rollback "
               "--stack-name' with its name, and run the job again";
    if (str_eq(status, "UPDATE_FAILED"))
        return "put right what failed, then 'aws cloudformation rollback-stack --stack-name' with "
               "its name, and run the job again";
    if (str_eq(status, "REVIEW_IN_PROGRESS"))
        return "somebody's change set waits to be reviewed: execute it, or delete the stack, and "
               "run the job again";
    return "correct what failed and run the job again: it deletes this stack and makes it anew";
}

static void failure_describe(const struct resource *r, struct strbuf *why)
{
    const char *reason = json_str(r->memo, "reason");
    strbuf_addf(why, "%s: %s%s%s", status_of(r), reason != NULL ? reason : "",
                reason != NULL ? "; " : "", remedy(status_of(r)));
}

static enum readiness stack_judge(const struct resource *r, struct strbuf *why)
{
    if (json_get(r->memo, "base") != NULL &&
        json_equal(json_get(r->memo, "base"), json_get(r->memo, "changed"))) {
        strbuf_adds(why, "the update is not visible yet");
        return WAITING;
    }
    switch (stack_state(status_of(r))) {
    case STACK_GOOD:
        return READY;
    case STACK_ROLLED_BACK:
        if (!is_awaited(r))
            return READY;
        break;
    case STACK_BUSY:
        strbuf_adds(why, status_of(r));
        return WAITING;
    case STACK_GONE:
        strbuf_adds(why, "not seen yet");
        return WAITING;
    case STACK_NEVER_MADE:
    case STACK_STUCK:
        break;
    }
    failure_describe(r, why);
    return FAILED;
}

/*
 * The same for every try of every job that finds the stack as it is now and wants it the same: two
 * of them make one operation. AWS remembers tokens, so that what goes from A to B and back to A has
 * to have another one for the second A: hence `base`.
 */
static char *request_token(const struct resource *r, const char *verb, const char *base)
{
    _cleanup_free_ char *parameters =
        stack_parameters_digest(r->name, json_get(r->target, "Parameters"));
    const char *template = json_str(r->target, "Template");
    _cleanup_free_ char *what = xasprintf("%s\n%s\n%s\n%s\n%s", verb, r->name, base,
                                          template != NULL ? template : "", parameters);
    _cleanup_free_ char *digest = digest_text(what, 10);
    return xasprintf("berth-%" PRId64 "-%s-%s", r->graph->context.project, verb, digest);
}

static char *token_now(const struct resource *r, const char *verb)
{
    _cleanup_free_ char *changed = json_print(json_get(r->memo, "changed"));
    _cleanup_free_ char *base =
        xasprintf("%s %s %s", json_str(r->memo, "id"), changed, status_of(r));
    return request_token(r, verb, base);
}

/* The stack's tags: those of others as they are, and ours. The caller owns it. */
static cJSON *tags_of(const struct resource *r)
{
    cJSON *tags = r->tags != NULL ? json_dup(r->tags) : cJSON_CreateObject();
    _cleanup_json_ cJSON *ours = tags_wanted(r->graph, r->label);
    const cJSON *tag;
    cJSON_ArrayForEach (tag, ours)
        json_put(tags, tag->string, json_dup(tag));
    _cleanup_free_ char *parameters =
        stack_parameters_digest(r->name, json_get(r->target, "Parameters"));
    json_put_str(tags, STACK_TEMPLATE_TAG, json_str(r->target, "Template"));
    json_put_str(tags, STACK_PARAMETERS_TAG, parameters);
    return tags;
}

static cJSON *stack_input(const struct resource *r, const char *name, const cJSON *tags,
                          const char *token)
{
    cJSON *input = cJSON_CreateObject();
    json_put_str(input, "StackName", name);
    json_put_str(input, "TemplateBody", json_str(r->memo, "body"));
    if (json_get(r->target, "Parameters")->child != NULL)
        json_put(input, "Parameters", stack_parameters(json_get(r->target, "Parameters")));
    if (json_get(r->memo, "capabilities") != NULL)
        json_put(input, "Capabilities", json_dup(json_get(r->memo, "capabilities")));
    if (json_get(r->memo, "resourceTypes") != NULL)
        json_put(input, "ResourceTypes", json_dup(json_get(r->memo, "resourceTypes")));
    json_put(input, "Tags", tags_to_list(tags, "Key", "Value"));
    json_put_str(input, "ClientRequestToken", token);
    return input;
}

/* AWS's words where it refuses a template or its parameters: they are the repository's. */
static int template_error(const struct resource *r, struct err *failure, struct err *err)
{
    if (str_eq(failure->aws_code, "InsufficientCapabilitiesException"))
        return err_set(err, ERR_USER, "%s: add 'capabilities' as AWS says: %s", resource_origin(r),
                       failure->message);
    if (failure->class == ERR_INVALID && str_eq(failure->aws_code, "ValidationError"))
        return err_set(err, ERR_USER, "%s: CloudFormation refuses it: %s", resource_origin(r),
                       failure->message);
    return err_move(err, failure);
}

/* Notes that the operation has begun; `have` is what it leads to. */
static void begun(struct resource *r, const char *status, cJSON *tags)
{
    cJSON_Delete(r->tags);
    r->tags = tags;
    status_set(r, status);
    json_put_bool(r->memo, "written", true);
    resource_set_have(r, json_dup(r->target));
}

static int stack_remove(struct session *s, struct resource *r, struct err *err);

/* Deletes what failed to be made, and waits until the name is free. */
static int make_way(struct session *s, struct resource *r, struct err *err)
{
    if (status_of(r) == NULL)
        return 0;
    if (stack_state(status_of(r)) == STACK_NEVER_MADE) {
        if (json_bool(r->memo, "deleting", false))
            return err_set(err, ERR_FAILED,
                           "an earlier stack '%s' could not be deleted: %s; remove what holds it "
                           "and run the job again",
                           r->name, json_str(r->memo, "reason"));
        if (!resource_is_ours(r))
            return err_set(err, ERR_CONFLICT,
                           "an earlier stack '%s', which is not this environment's, could not be "
                           "deleted by whoever tried: %s; remove it, or call this one otherwise",
                           r->name, json_str(r->memo, "reason"));
        /* What failed has had its token, and the next one shall have another. */
        json_put_str(r->memo, "former", json_str(r->memo, "id"));
        if (stack_remove(s, r, err) < 0)
            return -1;
    }
    if (look(s, r, err) < 0)
        return -1;
    if (status_of(r) == NULL)
        return 0;
    if (stack_state(status_of(r)) == STACK_NEVER_MADE && reason_read(s, r, err) < 0)
        return -1;
    return err_set(err, ERR_BUSY, "an earlier stack '%s' is still being deleted: %s", r->name,
                   status_of(r));
}

/* A token that AWS remembers of a stack that is gone does not make another: then with the time. */
static int call_create(struct session *s, struct resource *r, const cJSON *tags, cJSON **ret,
                       struct err *err)
{
    const char *former = json_str(r->memo, "former");
    _cleanup_free_ char *token = request_token(r, "create", former != NULL ? former : "");
    _cleanup_json_ cJSON *input = stack_input(r, r->name, tags, token);
    if (aws_call(s, "cloudformation", "CreateStack", input, ret, err) == 0 ||
        !str_eq(err->aws_code, "TokenAlreadyExistsException"))
        return err->class == ERR_NONE ? 0 : -1;
    char stamp[24];
    clock_basic_date(time(NULL), stamp, sizeof(stamp));
    _cleanup_free_ char *again = request_token(r, "create", stamp);
    json_put_str(input, "ClientRequestToken", again);
    err_release(err);
    return aws_call(s, "cloudformation", "CreateStack", input, ret, err);
}

static int stack_create(struct session *s, struct resource *r, struct err *err)
{
    if (make_way(s, r, err) < 0)
        return -1;
    cJSON_Delete(steal_ptr(&r->tags));
    cJSON_DeleteItemFromObjectCaseSensitive(r->memo, "deleting");
    _cleanup_json_ cJSON *tags = tags_of(r);
    _cleanup_json_ cJSON *output = NULL;
    _cleanup_err_ struct err failure = ERR_INIT;
    if (call_create(s, r, tags, &output, &failure) < 0)
        return template_error(r, &failure, err);
    begun(r, "CREATE_IN_PROGRESS", steal_ptr(&tags));
    json_put_str(r->memo, "id", json_str(output, "StackId"));
    return 0;
}

/* An operation that is under way, whoever's it is, ends first. */
static int must_be_updatable(struct session *s, struct resource *r, struct err *err)
{
    if (stack_state(status_of(r)) == STACK_BUSY && look(s, r, err) < 0)
        return -1;
    enum stack_state state = stack_state(status_of(r));
    if (state == STACK_GONE)
        return err_set(err, ERR_FAILED, "stack '%s' is gone; run the job again", r->name);
    if (state == STACK_BUSY)
        return err_set(err, ERR_BUSY, "another operation on it is under way: %s", status_of(r));
    if (state == STACK_GOOD || state == STACK_ROLLED_BACK || str_eq(status_of(r), "UPDATE_FAILED"))
        return 0;
    _cleanup_strbuf_ struct strbuf why = STRBUF_INIT;
    failure_describe(r, &why);
    return err_set(err, ERR_FAILED, "%s", why.buf);
}

/* "No updates are to be performed" is no failure: it is as it should be. A token that is known is
 * that of another job, which has asked for the same. */
static int call_update(struct session *s, struct resource *r, const cJSON *tags, bool *ret_begun,
                       struct err *err)
{
    _cleanup_free_ char *token = token_now(r, "update");
    _cleanup_json_ cJSON *input = stack_input(r, json_str(r->memo, "id"), tags, token);
    _cleanup_err_ struct err failure = ERR_INIT;
    *ret_begun = true;
    if (aws_call(s, "cloudformation", "UpdateStack", input, NULL, &failure) == 0 ||
        str_eq(failure.aws_code, "TokenAlreadyExistsException"))
        return 0;
    *ret_begun = false;
    if (failure.message != NULL && strstr(failure.message, "No updates are to be performed"))
        return 0;
    if (failure.class == ERR_BUSY)
        status_set(r, "UPDATE_IN_PROGRESS");
    return template_error(r, &failure, err);
}

static int stack_update(struct session *s, struct resource *r, struct err *err)
{
    if (must_be_updatable(s, r, err) < 0)
        return -1;
    _cleanup_json_ cJSON *tags = tags_of(r);
    bool begins = false;
    if (call_update(s, r, tags, &begins, err) < 0)
        return -1;
    if (!begins) {
        resource_set_have(r, json_dup(r->target));
        return 0;
    }
    json_put(r->memo, "base", json_dup(json_get(r->memo, "changed")));
    begun(r, "UPDATE_IN_PROGRESS", steal_ptr(&tags));
    return 0;
}

static int stack_remove(struct session *s, struct resource *r, struct err *err)
{
    if (json_bool(r->memo, "protected", false))
        return err_set(err, ERR_USER,
                       "stack '%s' is protected from deletion, and stays: if it is to go, 'aws "
                       "cloudformation update-termination-protection --no-enable-termination-"
                       "protection --stack-name %s' takes that away",
                       r->name, r->name);
    if (str_eq(status_of(r), "DELETE_IN_PROGRESS"))
        return 0;
    /* Without a token: what is being deleted is deleted once, and what could not be deleted looks
     * the same to every job that tries again. */
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    json_put_str(input, "StackName", json_str(r->memo, "id"));
    _cleanup_err_ struct err failure = ERR_INIT;
    if (aws_call(s, "cloudformation", "DeleteStack", input, NULL, &failure) < 0 &&
        failure.class != ERR_NOT_FOUND)
        return err_move(err, &failure);
    json_put_bool(r->memo, "deleting", true);
    return 0;
}

static void stack_leaving(const struct resource *r, struct strbuf *why)
{
    strbuf_adds(why, status_of(r) != NULL ? status_of(r) : "");
}

static const char *const stack_immutable[] = { "StackName", NULL };

const struct resource_type cloudformation_stack_type = {
    .name = "cloudformation.stack",
    .singular = "stack",
    .plural = "stacks",
    .scope = SCOPE_ENVIRONMENT,
    .replace = REPLACE_REFUSE,
    .batch = 1,
    .deadline = 3600, /* a template may hold what takes as long */
    .immutable = stack_immutable,
    .discover = stack_discover,
    .observe = stack_observe,
    .judge = stack_judge,
    .create = stack_create,
    .update = stack_update,
    .remove = stack_remove,
    .leaving = stack_leaving,
    .adopt = stack_adopt,
};
