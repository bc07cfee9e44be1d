/* SPDX-License-Identifier: MIT */
#include "drivers/aws/client.h"

#include "drivers/aws/check.h"
#include "drivers/aws/session.h"
#include "executor/base/json.h"

static _Thread_local const char *subject_of_calls;
static _Thread_local bool is_uncertain;
static _Thread_local atomic_bool *throttled_flag;

void aws_call_subject(const char *subject)
{
    subject_of_calls = subject;
    is_uncertain = false;
}

bool aws_call_is_uncertain(void)
{
    return is_uncertain;
}

void aws_call_tell_throttled(atomic_bool *flag)
{
    throttled_flag = flag;
}

/* More pages than this are a service that goes round in circles. */
#define PAGES_MAX 10000

static int action_find(const char *service, const char *action, const struct service **ret_service,
                       const struct operation **ret_operation, struct err *err)
{
    const struct service *s = service_find(service);
    const struct operation *o = s != NULL ? operation_find(s, action) : NULL;
    if (o == NULL)
        return err_set(err, ERR_BUG, "%s:%s: not in drivers/aws/actions.txt", service, action);
    *ret_service = s;
    *ret_operation = o;
    return 0;
}

int aws_check_input(const char *service, const char *action, const cJSON *input, struct err *err)
{
    const struct service *s = NULL;
    const struct operation *o = NULL;
    if (action_find(service, action, &s, &o, err) < 0)
        return -1;
    if (input_check(&shapes[o->input], input, err) < 0)
        return err_wrap(err, "%s:%s", service, action);
    return 0;
}

static int call_fake(struct session *s, const char *service, const char *action, const cJSON *input,
                     cJSON **ret, struct err *err)
{
    _cleanup_json_ cJSON *none = input == NULL ? cJSON_CreateObject() : NULL;
    return s->answer(s->context, service, action, input != NULL ? input : none, ret, err);
}

/* Of a fake's failure, whose class is all that tells. */
static bool may_be_done(enum err_class class)
{
    return class == ERR_TIMEOUT || class == ERR_TRANSIENT;
}

/* That a region was waited for in vain; a call for which no time was left was not sent. */
static void learn_silence(struct session *s, const struct call_record *record, enum err_class class)
{
    if (s->home != NULL && record->tries > 0 && (class == ERR_TIMEOUT || class == ERR_UNREACHABLE))
        session_note_silence(s->home, s->region);
}

/* Whether the call makes IAM tell other services something that takes time to arrive. */
static bool changes_role(const char *service, const char *action)
{
    return strcmp(service, "iam") == 0 && strstr(action, "Role") != NULL;
}

static void learn(struct session *s, const struct service *service, const struct operation *o,
                  const cJSON *input, const cJSON *output)
{
    if (!(o->flags & OPERATION_WRITE))
        return;
    created_learn(&s->created, o->name, input, output, clock_now());
    if (changes_role(service->name, o->name))
        atomic_store(&s->role_changed, true);
}

/* Who tells whether a try was carried out; find is NULL where it does not matter. */
struct finder {
    call_find find;
    void *context;
};

static int call_aws(struct session *s, const struct service *service, const struct operation *o,
                    const cJSON *input, const struct finder *finder, struct call_record *record,
                    cJSON **ret, struct err *err)
{
    struct transport_call call = {
        .service = service,
        .operation = o,
        .input = input,
        .credentials = s->credentials,
        .rates = s->rates,
        .role_changed = atomic_load(&s->role_changed),
        .just_created =
            (o->flags & OPERATION_WRITE) && created_names(&s->created, input, clock_now()),
        .find = finder->find,
        .find_context = finder->context,
        .is_throttled = throttled_flag,
    };
    int r = transport_send(s->transport, &call, ret, err);
    record->tries = call.tries;
    record->throttled = call.throttled;
    is_uncertain = is_uncertain || (r < 0 && record->write && call.uncertain);
    if (r < 0)
        return err_wrap(err, "%s:%s", service->name, o->name);
    learn(s, service, o, input, *ret);
    return 0;
}

static int call_with(struct session *s, const char *service, const char *action, const cJSON *input,
                     const struct finder *finder, cJSON **ret_output, struct err *err)
{
    const struct service *model = NULL;
    const struct operation *operation = NULL;
    if (action_find(service, action, &model, &operation, err) < 0 ||
        aws_check_input(service, action, input, err) < 0)
        return -1;
    if (cancel_is_set(s->cancel))
        return err_set(err, ERR_CANCELLED, "%s:%s: cancelled before it was sent", service, action);

    struct call_record record = { .service = service,
                                  .action = action,
                                  .start = clock_now(),
                                  .tries = 1,
                                  .write = operation->flags & OPERATION_WRITE,
                                  .subject = subject_of_calls };
    _cleanup_json_ cJSON *output = NULL;
    int r = s->answer != NULL ? call_fake(s, service, action, input, &output, err)
                              : call_aws(s, model, operation, input, finder, &record, &output, err);
    record.end = clock_now();
    record.failed = r < 0;
    record.absent = r < 0 && err->class == ERR_NOT_FOUND;
    if (r < 0)
        record.code = err->aws_code[0] != '\0' ? err->aws_code : err_class_name(err->class);
    if (r < 0 && s->answer != NULL)
        is_uncertain = is_uncertain || (record.write && may_be_done(err->class));
    if (r < 0)
        learn_silence(s, &record, err->class);
    if (record.tries > 0) /* else it was never sent */
        record_add(s->home != NULL ? &s->home->record : &s->record, &record);
    if (r < 0)
        return -1;
    if (ret_output != NULL)
        *ret_output = output != NULL ? steal_ptr(&output) : cJSON_CreateObject();
    return 0;
}

int aws_call(struct session *s, const char *service, const char *action, const cJSON *input,
             cJSON **ret_output, struct err *err)
{
    const struct finder none = { 0 };
    return call_with(s, service, action, input, &none, ret_output, err);
}

int aws_call_found(struct session *s, const char *service, const char *action, const cJSON *input,
                   int (*find)(void *context, cJSON **ret_output, struct err *err), void *context,
                   cJSON **ret_output, struct err *err)
{
    const struct finder finder = { find, context };
    return call_with(s, service, action, input, &finder, ret_output, err);
}

/* Moves the items of a page's list behind those of the pages before. */
static void append_items(cJSON *all, cJSON *page, const char *list)
{
    cJSON *items = json_get(page, list);
    while (items != NULL && items->child != NULL)
        json_push(all, cJSON_DetachItemViaPointer(items, items->child));
}

/* Puts the page's tokens into the next input; whether there is a next page. */
static bool next_page(const struct paging *paging, const cJSON *page, cJSON *input)
{
    if (paging == NULL || (paging->more != NULL && !json_bool(page, paging->more, false)))
        return false;
    bool any = false, same = true;
    for (size_t i = 0; i < PAGE_TOKENS && paging->input[i] != NULL; i++) {
        const char *token = json_str(page, paging->output[i]);
        const char *last = json_str(input, paging->input[i]);
        bool given = token != NULL && *token != '\0';
        any = any || given;
        same = same && str_eq(token, last);
        if (given)
            json_put_str(input, paging->input[i], token);
        else
            cJSON_DeleteItemFromObjectCaseSensitive(input, paging->input[i]);
    }
    return any && !same; /* logs:GetLogEvents ends by giving the same token again */
}

int aws_call_all(struct session *s, const char *service, const char *action, const cJSON *input,
                 const char *list, cJSON **ret_list, struct err *err)
{
    const struct service *model = NULL;
    const struct operation *operation = NULL;
    if (action_find(service, action, &model, &operation, err) < 0)
        return -1;
    const struct shape_member *member = member_find(&shapes[operation->output], list);
    if (member == NULL || shapes[member->shape].kind != SHAPE_LIST)
        return err_set(err, ERR_BUG, "%s:%s: its answer has no list '%s'", service, action, list);

    _cleanup_json_ cJSON *next = input != NULL ? json_dup(input) : cJSON_CreateObject();
    _cleanup_json_ cJSON *all = cJSON_CreateArray();
    for (unsigned pages = 0; pages < PAGES_MAX; pages++) {
        _cleanup_json_ cJSON *page = NULL;
        if (aws_call(s, service, action, next, &page, err) < 0)
            return -1;
        append_items(all, page, list);
        if (!next_page(operation->paging, page, next)) {
            *ret_list = steal_ptr(&all);
            return 0;
        }
    }
    return err_set(err, ERR_FAILED, "%s:%s: more than %d pages", service, action, PAGES_MAX);
}
