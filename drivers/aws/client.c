/* SPDX-License-Identifier: MIT */
#include "drivers/aws/client.h"

#include "drivers/aws/session.h"
#include "executor/base/json.h"

struct session *session_new(const char *region, struct cancel *cancel)
{
    struct session *s = xcalloc(1, sizeof(*s));
    s->region = xstrdup(region);
    s->cancel = cancel;
    record_init(&s->record);
    uv_mutex_init(&s->mutex);
    return s;
}

int session_open(const struct session_options *options, struct session **ret, struct err *err)
{
    (void)options;
    (void)ret;
    return err_set(err, ERR_CREDENTIALS, "no credentials found");
}

void session_free(struct session *s)
{
    if (s == NULL)
        return;
    record_release(&s->record);
    uv_mutex_destroy(&s->mutex);
    free(s->account);
    free(s->region);
    free(s);
}

const char *session_region(const struct session *s)
{
    return s->region;
}

struct cancel *session_cancel(struct session *s)
{
    return s->cancel;
}

int session_account(struct session *s, const char **ret, struct err *err)
{
    uv_mutex_lock(&s->mutex);
    if (s->account != NULL)
        *ret = s->account;
    bool known = s->account != NULL;
    uv_mutex_unlock(&s->mutex);
    if (known)
        return 0;

    _cleanup_json_ cJSON *output = NULL;
    if (aws_call(s, "sts", "GetCallerIdentity", NULL, &output, err) < 0)
        return -1;
    const char *account = json_str(output, "Account");
    if (account == NULL)
        return err_set(err, ERR_FAILED, "sts:GetCallerIdentity: the answer names no account");
    uv_mutex_lock(&s->mutex);
    if (s->account == NULL)
        s->account = xstrdup(account);
    *ret = s->account;
    uv_mutex_unlock(&s->mutex);
    return 0;
}

size_t session_record(struct session *s, struct call_record **ret)
{
    return record_copy(&s->record, ret);
}

int aws_check_input(const char *service, const char *action, const cJSON *input, struct err *err)
{
    (void)service;
    (void)action;
    (void)input;
    (void)err;
    return 0;
}

int aws_call(struct session *s, const char *service, const char *action, const cJSON *input,
             cJSON **ret_output, struct err *err)
{
    if (cancel_is_set(s->cancel))
        return err_set(err, ERR_CANCELLED, "%s:%s: cancelled before it began", service, action);
    if (aws_check_input(service, action, input, err) < 0)
        return err_wrap(err, "%s:%s", service, action);

    struct call_record call = { .service = service,
                                .action = action,
                                .start = clock_now(),
                                .tries = 1,
                                .write = record_is_write(action) };
    _cleanup_json_ cJSON *none = cJSON_CreateObject();
    _cleanup_json_ cJSON *output = NULL;
    int r = s->answer(s->context, service, action, input ? input : none, &output, err);
    call.end = clock_now();
    call.failed = r < 0;
    record_add(&s->record, &call);
    if (r < 0)
        return -1;
    if (ret_output != NULL)
        *ret_output = output ? steal_ptr(&output) : cJSON_CreateObject();
    return 0;
}

int aws_call_all(struct session *s, const char *service, const char *action, const cJSON *input,
                 const char *list, cJSON **ret_list, struct err *err)
{
    _cleanup_json_ cJSON *output = NULL;
    if (aws_call(s, service, action, input, &output, err) < 0)
        return -1;
    cJSON *all = cJSON_DetachItemFromObjectCaseSensitive(output, list);
    *ret_list = all ? all : cJSON_CreateArray();
    return 0;
}

int session_open_fake(const char *region, const char *account, struct cancel *cancel,
                      session_answer answer, void *context, struct session **ret)
{
    struct session *s = session_new(region, cancel);
    s->account = account ? xstrdup(account) : NULL;
    s->answer = answer;
    s->context = context;
    *ret = s;
    return 0;
}
