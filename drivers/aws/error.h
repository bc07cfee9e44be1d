/* SPDX-License-Identifier: MIT */
#ifndef BERTH_DRIVERS_AWS_ERROR_H
#define BERTH_DRIVERS_AWS_ERROR_H

/*
 * What AWS's error codes mean for berth.
 */

#include "executor/base/err.h"

/* What an error asks of the client itself, before anyone else hears of it. */
enum error_cure {
    CURE_NONE,
    CURE_CLOCK,       /* our clock is wrong, perhaps */
    CURE_CREDENTIALS, /* they have expired */
};

/*
 * The class of an AWS error, by code, and by a part of the message where one code stands for
 * several things. `code` is without namespace; "" if the answer had none: the HTTP status decides.
 */
enum err_class error_class(const char *code, const char *message, int http_status);
enum error_cure error_cure_of(const char *code);

#endif
