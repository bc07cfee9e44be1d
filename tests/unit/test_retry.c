/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "drivers/aws/error.h"
#include "drivers/aws/retry.h"

/* Nothing is known beyond the error. */
#define NONE                                                                                       \
    {                                                                                              \
        .retry_after = 0                                                                           \
    }

static void codes_have_classes(void **state)
{
    (void)state;
    static const struct {
        const char *code, *message;
        int status;
        enum err_class class;
    } cases[] = {
        { "ThrottlingException", "Rate exceeded", 400, ERR_THROTTLED },
        { "RequestLimitExceeded", "", 503, ERR_THROTTLED },
        { "LimitExceededException", "", 400, ERR_QUOTA },
        { "VpcLimitExceeded", "", 400, ERR_QUOTA },
        { "ClusterNotFoundException", "", 400, ERR_NOT_FOUND },
        { "InvalidGroup.NotFound", "", 400, ERR_NOT_FOUND },
        { "NoSuchEntity", "", 404, ERR_NOT_FOUND },
        { "NoSuchResourceException", "", 400, ERR_NOT_FOUND },
        { "InvalidGroup.Duplicate", "", 400, ERR_EXISTS },
        { "RepositoryAlreadyExistsException", "", 400, ERR_EXISTS },
        { "EntityAlreadyExists", "", 409, ERR_EXISTS },
        { "DependencyViolation", "", 400, ERR_BUSY },
        { "ResourceInUse", "", 400, ERR_BUSY },
        { "AccessDeniedException", "", 400, ERR_DENIED },
        { "UnauthorizedOperation", "", 403, ERR_DENIED },
        { "ExpiredTokenException", "", 400, ERR_CREDENTIALS },
        { "ServerException", "", 500, ERR_TRANSIENT },
        { "ClientException", "Too many concurrent attempts to create a new revision", 400,
          ERR_BUSY },
        { "ClientException", "something else", 400, ERR_INVALID },
        { "InvalidParameterException", "Unable to Start a service that is still Draining.", 400,
          ERR_BUSY },
        { "InvalidParameterException", "Creation of service was not idempotent.", 400, ERR_EXISTS },
        { "InvalidParameterException", "bad", 400, ERR_INVALID },
        { "Unheard", "", 400, ERR_INVALID },
        { "Unheard", "", 503, ERR_TRANSIENT },
        { "", NULL, 429, ERR_THROTTLED },
        { "", NULL, 502, ERR_TRANSIENT },
        { "", NULL, 403, ERR_DENIED },
        { "", NULL, 302, ERR_INVALID },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        enum err_class class = error_class(cases[i].code, cases[i].message, cases[i].status);
        if (class != cases[i].class)
            fail_msg("%s '%s' %d is %s", cases[i].code, cases[i].message, cases[i].status,
                     err_class_name(class));
    }
    assert_int_equal(error_cure_of("ExpiredToken"), CURE_CREDENTIALS);
    assert_int_equal(error_cure_of("RequestTimeTooSkewed"), CURE_CLOCK);
    assert_int_equal(error_cure_of("AccessDenied"), CURE_NONE);
}

/* Plays a call that fails in the same way each time, without sleeping; returns the number of tries.
 */
static unsigned play(const struct err *err, const struct retry_context *context, double *ret_took)
{
    struct retry retry;
    double now = 1000, wait = 0;
    unsigned tries = 1;
    retry_init(&retry);
    for (; retry_again(&retry, err, context, now, &wait); tries++) {
        assert_true(wait >= 0 && wait <= 20);
        now += wait + 0.05;
    }
    *ret_took = now - 1000;
    return tries;
}

/* Throttles a call until `until`. */
static void throttle(struct retry *retry, double *now, double until)
{
    static const struct err throttled = { .class = ERR_THROTTLED, .aws_code = "Throttling" };
    double wait;
    while (*now < until) {
        assert_true(retry_again(retry, &throttled, &(struct retry_context)NONE, *now, &wait));
        *now += wait + 0.05;
    }
}

/* A connection that is refused, or an error, in the third minute of throttling counts from itself,
 * and so does the throttling that goes on behind it. */
static void another_failure_starts_anew(void **state)
{
    (void)state;
    static const enum err_class classes[] = { ERR_TRANSIENT, ERR_UNREACHABLE, ERR_TIMEOUT };
    for (size_t i = 0; i < ARRAY_SIZE(classes); i++)
        for (int n = 0; n < 50; n++) {
            struct err other = { .class = classes[i] };
            struct retry retry;
            double now = 1000, wait;
            retry_init(&retry);
            throttle(&retry, &now, 1150);
            for (int tries = 0; tries < 2; tries++) {
                assert_true(retry_again(&retry, &other, &(struct retry_context)NONE, now, &wait));
                assert_true(wait <= 5);
                now += wait;
            }
            throttle(&retry, &now, 1185);
        }
}

/* Six throttles and an error of the server within seconds: as many tries as one error has. */
static void tries_of_one_kind_do_not_count_for_another(void **state)
{
    (void)state;
    struct err throttled = { .class = ERR_THROTTLED }, broken = { .class = ERR_TRANSIENT };
    struct retry retry;
    double wait;
    retry_init(&retry);
    for (int i = 0; i < 6; i++)
        assert_true(retry_again(&retry, &throttled, &(struct retry_context)NONE, i, &wait));
    for (int i = 0; i < 5; i++)
        assert_true(retry_again(&retry, &broken, &(struct retry_context)NONE, 6 + i, &wait));
    assert_false(retry_again(&retry, &broken, &(struct retry_context)NONE, 11, &wait));
}

/* No two in a row are of one kind, so that none comes to the end of its case. */
static void failures_that_take_turns_end(void **state)
{
    (void)state;
    static const struct {
        enum err_class turns[3];
        unsigned n;
        unsigned tries;
        double seconds; /* the sums of the cases' */
    } cases[] = {
        { { ERR_UNREACHABLE, ERR_TRANSIENT }, 2, 10, 120 },
        { { ERR_UNREACHABLE, ERR_TRANSIENT, ERR_TIMEOUT }, 3, 13, 180 },
        { { ERR_THROTTLED, ERR_TRANSIENT, ERR_UNREACHABLE }, 3, 210, 300 },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct retry retry;
        double now = 1000, wait = 0;
        unsigned tries = 1;
        retry_init(&retry);
        for (;; tries++) {
            struct err err = { .class = cases[i].turns[(tries - 1) % cases[i].n] };
            if (!retry_again(&retry, &err, &(struct retry_context)NONE, now, &wait))
                break;
            now += wait + 0.05;
            assert_true(now - 1000 <= cases[i].seconds + 1);
        }
        /* With throttles it is the time that ends it, else the tries. */
        if (cases[i].tries < 20)
            assert_int_equal(tries, cases[i].tries);
        assert_true(tries >= 10 && tries <= cases[i].tries);
    }
}

/* Whatever the jitter. */
static void throttling_for_two_minutes_is_outlived(void **state)
{
    (void)state;
    static const struct err throttled = { .class = ERR_THROTTLED, .aws_code = "Throttling" };
    for (int i = 0; i < 500; i++) {
        double took;
        play(&throttled, &(struct retry_context)NONE, &took);
        assert_true(took > 120);
    }
}

static void retries_are_bounded(void **state)
{
    (void)state;
    static const struct {
        struct err err;
        struct retry_context context;
        unsigned least, most; /* tries */
        double seconds;
    } cases[] = {
        { { .class = ERR_THROTTLED, .aws_code = "Throttling" }, NONE, 8, 200, 180 },
        { { .class = ERR_TRANSIENT }, NONE, 6, 6, 90 },
        { { .class = ERR_TIMEOUT }, NONE, 3, 3, 120 },
        { { .class = ERR_UNREACHABLE }, NONE, 4, 4, 30 },
        { { .class = ERR_INVALID }, NONE, 1, 1, 0 },
        { { .class = ERR_DENIED }, { .role_changed = true }, 1, 1, 0 },
        { { .class = ERR_DENIED, .message = (char *)"not authorized to perform: iam:PassRole" },
          NONE,
          1,
          1,
          0 },
        { { .class = ERR_DENIED, .message = (char *)"not authorized to perform: iam:PassRole" },
          { .role_changed = true },
          20,
          60,
          120 },
        /* What RegisterTaskDefinition says of a role that is seconds old. */
        { { .class = ERR_INVALID,
            .aws_code = "ClientException",
            .message = (char *)"Role is not valid" },
          { .role_changed = true },
          20,
          60,
          120 },
        /* What CreateRole says of another role that is. */
        { { .class = ERR_INVALID,
            .aws_code = "MalformedPolicyDocument",
            .message = (char *)"Invalid principal in policy: \"AWS\":\"arn:aws:iam::1:role/a\"" },
          { .role_changed = true },
          20,
          60,
          120 },
        { { .class = ERR_INVALID,
            .aws_code = "MalformedPolicyDocument",
            .message = (char *)"Syntax errors in policy." },
          { .role_changed = true },
          1,
          1,
          0 },
        { { .class = ERR_NOT_FOUND }, NONE, 1, 1, 0 },
        { { .class = ERR_NOT_FOUND }, { .just_created = true }, 10, 30, 60 },
        { { .class = ERR_BUSY, .aws_code = "DependencyViolation" }, NONE, 1, 1, 0 },
        { { .class = ERR_BUSY,
            .aws_code = "ClientException",
            .message = (char *)"Too many concurrent attempts" },
          NONE,
          20,
          60,
          120 },
        { { .class = ERR_QUOTA, .aws_code = "LimitExceededException" }, NONE, 1, 1, 0 },
        { { .class = ERR_EXISTS }, { .just_created = true }, 1, 1, 0 },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        double took;
        unsigned tries = play(&cases[i].err, &cases[i].context, &took);
        if (tries < cases[i].least || tries > cases[i].most)
            fail_msg("case %zu: %u tries", i, tries);
        assert_true(took <= cases[i].seconds + 1);
    }
}

static void retry_after_is_honoured(void **state)
{
    (void)state;
    struct err err = { .class = ERR_THROTTLED };
    struct retry_context context = { .retry_after = 7 };
    struct retry retry;
    double wait = 0;
    retry_init(&retry);
    assert_true(retry_again(&retry, &err, &context, 0, &wait));
    assert_true(wait >= 7);
    retry_init(&retry);
    context.retry_after = 1000; /* beyond the deadline */
    assert_false(retry_again(&retry, &err, &context, 0, &wait));
}

static void waits_are_jittered(void **state)
{
    (void)state;
    struct err err = { .class = ERR_TRANSIENT };
    struct retry_context context = NONE;
    double least = 1, most = 0;
    for (int i = 0; i < 200; i++) {
        struct retry retry;
        double wait = 0;
        retry_init(&retry);
        assert_true(retry_again(&retry, &err, &context, 0, &wait));
        least = wait < least ? wait : least;
        most = wait > most ? wait : most;
    }
    assert_true(least < 0.03 && most > 0.07 && most <= 0.1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes_have_classes),
        cmocka_unit_test(throttling_for_two_minutes_is_outlived),
        cmocka_unit_test(retries_are_bounded),
        cmocka_unit_test(another_failure_starts_anew),
        cmocka_unit_test(tries_of_one_kind_do_not_count_for_another),
        cmocka_unit_test(failures_that_take_turns_end),
        cmocka_unit_test(retry_after_is_honoured),
        cmocka_unit_test(waits_are_jittered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
