/* SPDX-License-Identifier: MIT */
#include "drivers/aws/session.h"

#include <math.h>

#include "drivers/aws/creds_sts.h"
#include "executor/base/json.h"

/* The instance metadata service answers within milliseconds where there is one. */
#define IMDS_TIMEOUT 1.0

static struct session *session_new(const char *region, struct cancel *cancel)
{
    struct session *s = xcalloc(1, sizeof(*s));
    s->region = xstrdup(region);
    s->cancel = cancel;
    record_init(&s->record);
    created_init(&s->created);
    s->silent = (struct strlist)STRLIST_INIT;
    uv_mutex_init(&s->mutex);
    return s;
}

/* The first credentials, so that a host without any says so before anything else is tried. */
static int first_credentials(struct session *s, struct err *err)
{
    _cleanup_creds_ struct creds creds = CREDS_INIT;
    if (credentials_get(s->credentials, &creds, err) < 0)
        return -1;
    s->account = creds.account != NULL ? xstrdup(creds.account) : NULL;
    return 0;
}

static int session_connect(struct session *s, const struct session_options *options,
                           struct err *err)
{
    if (rates_new(options->rates, &s->rates, err) < 0 ||
        transport_new(s->region, options->user_agent, s->cancel, &s->transport, err) < 0)
        return -1;
    struct creds_context context = { .transport = s->transport, .imds_timeout = IMDS_TIMEOUT };
    s->host = credentials_new(&context);
    s->credentials = s->host;
    if (options->role_arn != NULL)
        s->credentials =
            credentials_new_role(&context, s->host, options->role_arn, options->session_name, NULL);
    s->principal = options->role_arn != NULL ? xstrdup(options->role_arn) : NULL;
    return first_credentials(s, err);
}

int session_open(const struct session_options *options, struct session **ret, struct err *err)
{
    if (options->role_arn != NULL && options->session_name == NULL)
        return err_set(err, ERR_BUG, "a role is to be assumed without a session name");
    struct session *s = session_new(options->region, options->cancel);
    if (session_connect(s, options, err) < 0) {
        session_free(s);
        return -1;
    }
    *ret = s;
    return 0;
}

int session_open_fake(const char *region, const char *account, struct cancel *cancel,
                      session_answer answer, void *context, struct session **ret)
{
    struct session *s = session_new(region, cancel);
    s->account = account != NULL ? xstrdup(account) : NULL;
    s->answer = answer;
    s->context = context;
    *ret = s;
    return 0;
}

/* The rest of it is home's, or nobody's who answers. */
static int region_connect(struct session *s, double seconds, struct err *err)
{
    struct session *home = s->home;
    if (home->transport == NULL)
        return 0;
    if (transport_new(s->region, home->transport->user_agent, s->cancel, &s->transport, err) < 0)
        return -1;
    double until = clock_now() + seconds, limit = atomic_load(&home->transport->until);
    atomic_store(&s->transport->until, limit > 0 ? fmin(limit, until) : until);
    atomic_store(&s->transport->clock_offset, atomic_load(&home->transport->clock_offset));
    s->rates = home->rates;
    s->host = home->host;
    s->credentials = home->credentials;
    return 0;
}

static bool is_silent(struct session *home, const char *region)
{
    uv_mutex_lock(&home->mutex);
    bool found = strlist_has(&home->silent, region);
    uv_mutex_unlock(&home->mutex);
    return found;
}

void session_note_silence(struct session *home, const char *region)
{
    uv_mutex_lock(&home->mutex);
    if (!strlist_has(&home->silent, region))
        strlist_add(&home->silent, region);
    uv_mutex_unlock(&home->mutex);
}

int session_open_region(struct session *home, const char *region, double seconds,
                        struct session **ret, struct err *err)
{
    if (is_silent(home, region))
        return err_set(err, ERR_UNREACHABLE,
                       "region '%s' has not answered this job before, and is not asked again",
                       region);
    struct session *s = session_new(region, home->cancel);
    s->home = home;
    s->answer = home->answer;
    s->context = home->context;
    if (region_connect(s, seconds, err) < 0) {
        session_free(s);
        return -1;
    }
    *ret = s;
    return 0;
}

static void free_own(struct session *s)
{
    if (s->credentials != s->host)
        credentials_free(s->credentials);
    credentials_free(s->host);
    rates_free(s->rates);
}

void session_free(struct session *s)
{
    if (s == NULL)
        return;
    if (s->home == NULL)
        free_own(s);
    transport_free(s->transport);
    record_release(&s->record);
    created_release(&s->created);
    strlist_release(&s->silent);
    uv_mutex_destroy(&s->mutex);
    free(s->account);
    free(s->principal);
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

time_t session_time(struct session *s)
{
    return s->transport != NULL ? transport_time(s->transport) : time(NULL);
}

void session_outlive(struct session *s, struct cancel *cancel)
{
    s->cancel = cancel;
    if (s->transport != NULL)
        transport_outlive(s->transport, cancel);
}

void session_limit(struct session *s, double until)
{
    if (s->transport != NULL)
        atomic_store(&s->transport->until, until);
}

/* Takes what GetCallerIdentity says, where nothing has said it before. */
static int ask_identity(struct session *s, struct err *err)
{
    _cleanup_json_ cJSON *output = NULL;
    if (aws_call(s, "sts", "GetCallerIdentity", NULL, &output, err) < 0)
        return -1;
    const char *account = json_str(output, "Account"), *arn = json_str(output, "Arn");
    if (account == NULL || arn == NULL)
        return err_set(err, ERR_FAILED, "sts:GetCallerIdentity: the answer names no account");
    uv_mutex_lock(&s->mutex);
    if (s->account == NULL)
        s->account = xstrdup(account);
    if (s->principal == NULL)
        s->principal = xstrdup(arn);
    uv_mutex_unlock(&s->mutex);
    return 0;
}

/* One of the two, which stays where it is once it is set. */
static int session_identity(struct session *s, char *const *member, const char **ret,
                            struct err *err)
{
    uv_mutex_lock(&s->mutex);
    const char *known = *member;
    uv_mutex_unlock(&s->mutex);
    if (known == NULL && ask_identity(s, err) < 0)
        return -1;
    uv_mutex_lock(&s->mutex);
    *ret = *member;
    uv_mutex_unlock(&s->mutex);
    return 0;
}

int session_account(struct session *s, const char **ret, struct err *err)
{
    return session_identity(s, &s->account, ret, err);
}

int session_principal(struct session *s, const char **ret, struct err *err)
{
    return session_identity(s, &s->principal, ret, err);
}

size_t session_record(struct session *s, struct call_record **ret)
{
    return record_copy(&s->record, ret);
}
