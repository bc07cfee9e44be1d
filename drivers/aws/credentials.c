/* SPDX-License-Identifier: MIT */
#include "drivers/aws/credentials.h"

#include "drivers/aws/creds_sts.h"
#include "executor/base/log.h"

/* Asked for again when they are valid for less than this, seconds; what is still valid for the
 * second span is handed out while another thread asks. As botocore has it. */
#define REFRESH_EARLY 900
#define REFRESH_LATE  120

struct credentials {
    struct creds_context context;
    int (*load)(struct credentials *c, struct creds *ret, struct err *err);
    struct credentials *base; /* a role's: what it is assumed with; not owned */
    char *role_arn, *session_name, *external_id;

    uv_mutex_t mutex; /* guards what follows */
    uv_cond_t cond;   /* signalled when `loading` ends */
    bool loading;
    bool known;
    struct creds creds;
    const char *source;
};

static const struct creds_provider *const providers[];
static const size_t providers_n;

static struct credentials *credentials_alloc(const struct creds_context *context)
{
    struct credentials *c = xcalloc(1, sizeof(*c));
    c->context = *context;
    uv_mutex_init(&c->mutex);
    uv_cond_init(&c->cond);
    return c;
}

static int load_chain(struct credentials *c, struct creds *ret, struct err *err)
{
    _cleanup_strbuf_ struct strbuf looked = STRBUF_INIT;
    for (size_t i = 0; i < providers_n; i++) {
        _cleanup_err_ struct err failure = ERR_INIT;
        if (providers[i]->get(&c->context, ret, &failure) == 0) {
            log_debug("credentials: from %s", providers[i]->name);
            c->source = providers[i]->name;
            return 0;
        }
        if (failure.class != ERR_NOT_FOUND) {
            err_move(err, &failure);
            return err_wrap(err, "credentials from %s", providers[i]->name);
        }
        strbuf_addf(&looked, "%s%s: %s", i ? "; " : "", providers[i]->name, failure.message);
    }
    return err_set(err, ERR_CREDENTIALS,
                   "no AWS credentials on this host, looked at %s; give the runner host a role or "
                   "set AWS_PROFILE",
                   looked.buf);
}

static int load_role(struct credentials *c, struct creds *ret, struct err *err)
{
    struct sts_role role = { .arn = c->role_arn,
                             .session_name = c->session_name,
                             .external_id = c->external_id };
    return sts_assume_role(c->context.transport, c->base, &role, ret, err);
}

static int load_fixed(struct credentials *c, struct creds *ret, struct err *err)
{
    (void)ret;
    return err_set(err, ERR_CREDENTIALS, "the credentials with access key '%s' have expired",
                   c->creds.access_key);
}

struct credentials *credentials_new(const struct creds_context *context)
{
    struct credentials *c = credentials_alloc(context);
    c->load = load_chain;
    return c;
}

struct credentials *credentials_new_role(const struct creds_context *context,
                                         struct credentials *base, const char *role_arn,
                                         const char *session_name, const char *external_id)
{
    struct credentials *c = credentials_alloc(context);
    c->load = load_role;
    c->base = base;
    c->role_arn = xstrdup(role_arn);
    c->session_name = xstrdup(session_name);
    c->external_id = external_id != NULL ? xstrdup(external_id) : NULL;
    return c;
}

struct credentials *credentials_new_fixed(const struct creds_context *context,
                                          const struct creds *creds)
{
    struct credentials *c = credentials_alloc(context);
    c->load = load_fixed;
    creds_copy(&c->creds, creds);
    c->known = true;
    return c;
}

void credentials_free(struct credentials *c)
{
    if (c == NULL)
        return;
    creds_release(&c->creds);
    free(c->role_arn);
    free(c->session_name);
    free(c->external_id);
    uv_cond_destroy(&c->cond);
    uv_mutex_destroy(&c->mutex);
    free(c);
}

/* Seconds for which what is known is still valid; a large number for what never expires. */
static double seconds_left(const struct credentials *c)
{
    if (!c->known)
        return -1;
    if (c->creds.expires == 0)
        return 1e9;
    return difftime(c->creds.expires, transport_time(c->context.transport));
}

/* Asks the source, with the mutex held on entry and on return but not meanwhile. */
static int load_now(struct credentials *c, struct err *err)
{
    _cleanup_creds_ struct creds new = CREDS_INIT;
    c->loading = true;
    uv_mutex_unlock(&c->mutex);
    int r = c->load(c, &new, err);
    uv_mutex_lock(&c->mutex);
    c->loading = false;
    if (r == 0) {
        creds_copy(&c->creds, &new);
        c->known = true;
    }
    uv_cond_broadcast(&c->cond);
    return r;
}

int credentials_get(struct credentials *c, struct creds *ret, struct err *err)
{
    int r = 0;
    uv_mutex_lock(&c->mutex);
    while (c->loading && seconds_left(c) < REFRESH_LATE)
        uv_cond_wait(&c->cond, &c->mutex);
    if (!c->loading && seconds_left(c) < REFRESH_EARLY) {
        _cleanup_err_ struct err failure = ERR_INIT;
        r = load_now(c, &failure);
        if (r < 0 && seconds_left(c) > 0) {
            log_debug("credentials: still using the old ones: %s", failure.message);
            r = 0;
        }
        if (r < 0)
            err_move(err, &failure);
    }
    if (r == 0)
        creds_copy(ret, &c->creds);
    uv_mutex_unlock(&c->mutex);
    return r;
}

const char *credentials_source(const struct credentials *c)
{
    return c->source;
}

void credentials_expired(struct credentials *c, const char *access_key)
{
    uv_mutex_lock(&c->mutex);
    if (c->known && strcmp(c->creds.access_key, access_key) == 0)
        c->known = false;
    uv_mutex_unlock(&c->mutex);
}

static const struct creds_provider *const providers[] = {
    &creds_environment, &creds_web_identity, &creds_profile, &creds_container, &creds_instance,
};
static const size_t providers_n = ARRAY_SIZE(providers);
