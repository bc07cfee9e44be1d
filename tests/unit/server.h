/* SPDX-License-Identifier: MIT */
#ifndef BERTH_TESTS_UNIT_SERVER_H
#define BERTH_TESTS_UNIT_SERVER_H

/*
 * An HTTP server on 127.0.0.1 within the test, whose answers a function of the test makes up, good
 * and bad ones alike. It keeps every request that it got. server_stop() ends its threads, also ones
 * that stall.
 */

#include "executor/base/str.h"

struct server;

struct server_reply {
    struct strbuf raw; /* status line, headers, body: sent as they are */
    bool drop;         /* close the connection after `raw` */
    bool stall;        /* then send nothing more, keeping the connection */
};

/* Called for the n-th request (from 0), from the server's threads, one at a time. */
typedef void (*server_answer)(void *context, size_t n, const char *request,
                              struct server_reply *ret);

struct server *server_start(server_answer answer, void *context);
void server_stop(struct server *s);
unsigned server_port(const struct server *s);
/* How many requests it has got, and the n-th as it came; valid until server_stop(). */
size_t server_requests(struct server *s);
const char *server_request(struct server *s, size_t n);
size_t server_connections(struct server *s);

/* Adds a whole answer with Content-Length; headers are whole lines "Name: value\r\n", or NULL. */
void reply_with(struct server_reply *reply, int status, const char *headers, const char *body);

#endif
