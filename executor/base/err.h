/* SPDX-License-Identifier: MIT */
#ifndef BERTH_BASE_ERR_H
#define BERTH_BASE_ERR_H

/*
 * One error type. A function that can fail returns 0 or -1 and takes `struct err *err` last; it
 * sets *err only when it returns -1, and the caller releases it. A class is a decision, not a
 * source: it says what to do (retry, look again, give up) and whose fault it is, which decides the
 * exit code.
 *
 * The message says what failed, where, why and what to do next: no capital at the start, no full
 * stop at the end, the subject in single quotes. Each layer that knows more puts its context in
 * front with err_wrap(). It holds no secret (redact.h) from the beginning, so that whoever shows it
 * in lines or cuts it short cannot show half of one.
 */

#include <stdbool.h>

#include "executor/base/str.h"

/* Whose fault: decides the exit code (BUILD_FAILURE or SYSTEM_FAILURE). */
enum blame { BLAME_USER, BLAME_SYSTEM };

/*   class            blame         in words */
#define ERR_CLASS_MAP(X)                                                                           \
    X(ERR_NONE, BLAME_SYSTEM, "no error")                                                          \
    X(ERR_USER, BLAME_USER, "what the repository or the job asks for is wrong")                    \
    X(ERR_REFUSED, BLAME_USER, "the host config does not allow it")                                \
    X(ERR_CONFLICT, BLAME_USER, "something that is not ours is in the way")                        \
    X(ERR_UNHEALTHY, BLAME_USER, "the application did not become healthy")                         \
    X(ERR_NOT_FOUND, BLAME_SYSTEM, "it does not exist")                                            \
    X(ERR_EXISTS, BLAME_SYSTEM, "it exists already")                                               \
    X(ERR_BUSY, BLAME_SYSTEM, "something else must go or finish first")                            \
    X(ERR_THROTTLED, BLAME_SYSTEM, "too many requests")                                            \
    X(ERR_TRANSIENT, BLAME_SYSTEM, "the service failed for a moment")                              \
    X(ERR_UNREACHABLE, BLAME_SYSTEM, "the service cannot be reached")                              \
    X(ERR_DENIED, BLAME_SYSTEM, "the credentials do not allow it")                                 \
    X(ERR_CREDENTIALS, BLAME_SYSTEM, "no usable credentials")                                      \
    X(ERR_QUOTA, BLAME_SYSTEM, "a quota is used up")                                               \
    X(ERR_INVALID, BLAME_SYSTEM, "the service refuses the request")                                \
    X(ERR_FAILED, BLAME_SYSTEM, "the service reports a failure")                                   \
    X(ERR_TIMEOUT, BLAME_SYSTEM, "it took too long")                                               \
    X(ERR_CANCELLED, BLAME_SYSTEM, "cancelled")                                                    \
    X(ERR_HOST, BLAME_SYSTEM, "the runner host is not set up right")                               \
    X(ERR_BUG, BLAME_SYSTEM, "an error in berth")

#define ERR_CLASS_ENUM(name, blame, words) name,
enum err_class { ERR_CLASS_MAP(ERR_CLASS_ENUM) };
#undef ERR_CLASS_ENUM

struct err {
    enum err_class class;
    char *message;       /* owned; NULL when there is no error */
    char aws_code[96];   /* AWS's error code without any namespace or URL part, or "" */
    char request_id[80]; /* AWS's request id, or "" */
    int http_status;     /* 0 when no answer came */
};

#define ERR_INIT                                                                                   \
    {                                                                                              \
        .class = ERR_NONE                                                                          \
    }
#define _cleanup_err_ _cleanup_(err_release)

/* Sets class and message, releasing what was there; returns -1, so that `return err_set(...)`. */
int err_set(struct err *err, enum err_class class, const char *fmt, ...) _printf_(3, 4);
/* The same, with ": strerror(sys_errno)" behind the message. */
int err_set_errno(struct err *err, enum err_class class, int sys_errno, const char *fmt, ...)
    _printf_(4, 5);
/* Puts "fmt...: " in front of the message; returns -1. */
int err_wrap(struct err *err, const char *fmt, ...) _printf_(2, 3);
/* Moves *from into *to, releasing what was in *to; returns -1. */
int err_move(struct err *to, struct err *from);
void err_copy(struct err *to, const struct err *from);
void err_release(struct err *err);

const char *err_class_name(enum err_class class); /* "ERR_USER" without its prefix: "USER" */
const char *err_class_words(enum err_class class);
enum blame err_blame(const struct err *err);

#endif
