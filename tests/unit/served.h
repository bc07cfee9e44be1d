/* SPDX-License-Identifier: MIT */
#ifndef BERTH_TESTS_UNIT_SERVED_H
#define BERTH_TESTS_UNIT_SERVED_H

/* A session on a server that plays AWS, with credentials from the process's environment. */

#include "drivers/aws/client.h"
#include "tests/unit/server.h"

#define JSON_HEADER "Content-Type: application/x-amz-json-1.1\r\nx-amzn-RequestId: id-7\r\n"

struct served {
    struct server *server;
    struct cancel cancel;
    struct session *session;
    struct err err;
    void *more; /* the test's */
};

/* The function's context is `f`. */
void served_start(struct served *f, server_answer answer);
void served_stop(struct served *f);

#endif
