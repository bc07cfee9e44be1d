/* SPDX-License-Identifier: MIT */
#include "drivers/aws/retry.h"

#include <math.h>
#include <openssl/rand.h>

#include "executor/base/clock.h"

enum condition { ALWAYS, ROLE_CHANGED, JUST_CREATED };

/* A failure that may pass: which, and how long it is worth waiting for. */
struct retry_case {
    enum err_class class;
    const char *code;    /* NULL: any */
    const char *message; /* a part of it; NULL: any */
    enum condition condition;
    unsigned tries;   /* that fail in this way in a row, at most */
    double seconds;   /* since the first of them failed, at most */
    double base, cap; /* of the full-jitter backoff, seconds */
};

static const struct retry_case retry_cases[];
static const size_t retry_cases_n;

void retry_init(struct retry *r)
{
    *r = (struct retry){ .last = NULL };
    if (RAND_bytes((unsigned char *)&r->random, sizeof(r->random)) != 1)
        r->random = (unsigned)(uintptr_t)r ^ (unsigned)(clock_now() * 1e6);
}

/* Between 0 and 1. Jitter needs no better generator than this (Marsaglia's xorshift). */
static double jitter(struct retry *r)
{
    unsigned x = r->random != 0 ? r->random : 1;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    r->random = x;
    return (double)x / 4294967296.0;
}

static bool condition_holds(enum condition condition, const struct retry_context *context)
{
    return condition == ALWAYS || (condition == ROLE_CHANGED && context->role_changed) ||
           (condition == JUST_CREATED && context->just_created);
}

static const struct retry_case *case_find(const struct err *err,
                                          const struct retry_context *context)
{
    for (size_t i = 0; i < retry_cases_n; i++) {
        const struct retry_case *c = &retry_cases[i];
        if (c->class == err->class && (c->code == NULL || strcmp(c->code, err->aws_code) == 0) &&
            (c->message == NULL ||
             (err->message != NULL && strcasestr(err->message, c->message) != NULL)) &&
            condition_holds(c->condition, context))
            return c;
    }
    return NULL;
}

/* A case that the call meets for the first time adds its patience to the whole call's. */
static void case_meet(struct retry *r, const struct retry_case *c)
{
    uint32_t bit = UINT32_C(1) << (c - retry_cases);
    if (r->met & bit)
        return;
    r->met |= bit;
    r->all.tries_most += c->tries;
    r->all.seconds_most += c->seconds;
}

static void span_add(struct retry_span *span, double now)
{
    if (span->tries++ == 0)
        span->since = now;
}

static bool span_lasts(const struct retry_span *span, double until)
{
    return span->tries < span->tries_most && until - span->since <= span->seconds_most;
}

/* It goes on growing when the failure changes: a service that fails in several ways is no better
 * off than one that fails in one. */
static double backoff(struct retry *r, const struct retry_case *c)
{
    double ceiling = c->base;
    for (unsigned i = 1; i < r->all.tries && ceiling < c->cap; i++)
        ceiling *= 2;
    return fmin(ceiling, c->cap) * jitter(r);
}

bool retry_again(struct retry *r, const struct err *err, const struct retry_context *context,
                 double now, double *ret_wait)
{
    const struct retry_case *c = case_find(err, context);
    if (c == NULL)
        return false;
    if (c != r->last)
        r->row = (struct retry_span){ .tries_most = c->tries, .seconds_most = c->seconds };
    r->last = c;
    case_meet(r, c);
    span_add(&r->row, now);
    span_add(&r->all, now);
    double wait = fmax(backoff(r, c), context->retry_after);
    if (!span_lasts(&r->row, now + wait) || !span_lasts(&r->all, now + wait))
        return false;
    *ret_wait = wait;
    return true;
}

/*
 * The first entry that fits decides. Full jitter as in
 * https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/; which codes are worth
 * a retry follows botocore's standard mode (botocore/retries/standard.py), the rest are AWS's
 * eventual consistencies.
 */
static const struct retry_case retry_cases[] = {
    /* The time decides: with the jitter a dozen tries may be over within half a minute. */
    { ERR_THROTTLED, NULL, NULL, ALWAYS, 200, 180, 0.5, 20 },
    { ERR_TRANSIENT, NULL, NULL, ALWAYS, 6, 90, 0.1, 5 },
    /* Each try may take a minute. */
    { ERR_TIMEOUT, NULL, NULL, ALWAYS, 3, 60, 0.2, 2 },
    /* Nobody there: a host without network should say so soon. */
    { ERR_UNREACHABLE, NULL, NULL, ALWAYS, 4, 30, 0.2, 2 },
    /* Registrations of one task definition family exclude each other:
     * https://github.com/hashicorp/terraform-provider-aws/issues/29205 */
    { ERR_BUSY, "ClientException", "Too many concurrent attempts", ALWAYS, 60, 120, 0.5, 5 },
    { ERR_BUSY, "InvalidParameterException", "does not have an associated load balancer", ALWAYS,
      60, 240, 1, 10 },
    /* A deregistration delay is 300 s, and a service drains for as long. */
    { ERR_BUSY, "InvalidParameterException", "still Draining", ALWAYS, 90, 360, 1, 10 },
    { ERR_BUSY, "OperationAbortedException", NULL, ALWAYS, 20, 60, 0.5, 5 },
    { ERR_BUSY, "ConcurrentModification", NULL, ALWAYS, 20, 60, 0.5, 5 },
    { ERR_BUSY, "ConcurrentModificationException", NULL, ALWAYS, 20, 60, 0.5, 5 },
    { ERR_BUSY, "EntityTemporarilyUnmodifiable", NULL, ALWAYS, 20, 60, 0.5, 5 },
    /* IAM tells the other services of a role within seconds to minutes:
     * https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html */
    { ERR_DENIED, NULL, "iam:PassRole", ROLE_CHANGED, 60, 120, 1, 5 },
    { ERR_INVALID, "InvalidParameterException", "unable to assume", ROLE_CHANGED, 60, 120, 1, 5 },
    { ERR_INVALID, "InvalidParameterException", "verify that the ECS service role", ROLE_CHANGED,
      60, 120, 1, 5 },
    { ERR_INVALID, "ClientException", "Role is not valid", ROLE_CHANGED, 60, 120, 1, 5 },
    { ERR_INVALID, "ClientException", "unable to assume", ROLE_CHANGED, 60, 120, 1, 5 },
    { ERR_INVALID, "ValidationError", "cannot be assumed", ROLE_CHANGED, 60, 120, 1, 5 },
    /* Nor does IAM itself know it as a principal of another role's trust policy at once:
     * https://github.com/hashicorp/terraform/issues/7076 */
    { ERR_INVALID, "MalformedPolicyDocument", "Invalid principal", ROLE_CHANGED, 60, 120, 1, 5 },
    { ERR_NOT_FOUND, NULL, NULL, JUST_CREATED, 30, 60, 0.5, 5 },
};
static const size_t retry_cases_n = ARRAY_SIZE(retry_cases);
_Static_assert(ARRAY_SIZE(retry_cases) <= 32, "struct retry has a bit for each case");
