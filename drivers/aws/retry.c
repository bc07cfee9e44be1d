/* SPDX-License-Identifier: MIT */
#include "drivers/aws/retry.h"

#include <openssl/rand.h>

#include "executor/base/clock.h"

enum condition { ALWAYS, ROLE_CHANGED, JUST_CREATED };

/* A failure that may pass: which, and how long it is worth waiting for. */
struct retry_case {
    enum err_class class;
    const char *code;    /* NULL: any */
    const char *message; /* a part of it; NULL: any */
    enum condition condition;
    unsigned tries;   /* at most, the first one included */
    double seconds;   /* since the call began, at most */
    double base, cap; /* of the full-jitter backoff, seconds */
};

static const struct retry_case retry_cases[];
static const size_t retry_cases_n;

void retry_init(struct retry *r, double now)
{
    *r = (struct retry){ .start = now };
    if (RAND_bytes((unsigned char *)&r->random, sizeof(r->random)) != 1)
        r->random = (unsigned)(uintptr_t)r ^ (unsigned)(now * 1e6);
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

bool retry_again(struct retry *r, const struct err *err, const struct retry_context *context,
                 double now, double *ret_wait)
{
    r->tries++;
    const struct retry_case *c = case_find(err, context);
    if (c == NULL || r->tries >= c->tries)
        return false;
    double ceiling = c->base;
    for (unsigned i = 1; i < r->tries && ceiling < c->cap; i++)
        ceiling *= 2;
    if (ceiling > c->cap)
        ceiling = c->cap;
    double wait = ceiling * jitter(r);
    if (wait < context->retry_after)
        wait = context->retry_after;
    if (now + wait - r->start > c->seconds)
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
    { ERR_TIMEOUT, NULL, NULL, ALWAYS, 3, 120, 0.2, 2 },
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
    { ERR_NOT_FOUND, NULL, NULL, JUST_CREATED, 30, 60, 0.5, 5 },
};
static const size_t retry_cases_n = ARRAY_SIZE(retry_cases);
