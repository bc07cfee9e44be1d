/* SPDX-License-Identifier: MIT */
#include "tests/unit/served.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

void served_start(struct served *f, server_answer answer)
{
    *f = (struct served){ .err = ERR_INIT };
    f->server = server_start(answer, f);
    cancel_init(&f->cancel);
    _cleanup_free_ char *url = xasprintf("http://127.0.0.1:%u", server_port(f->server));
    setenv("AWS_ENDPOINT_URL", url, 1);
    setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "secret-of-the-test", 1);
    setenv("AWS_SESSION_TOKEN", "token-of-the-test", 1);
    struct session_options options = { .region = "eu-west-1", .cancel = &f->cancel };
    assert_int_equal(session_open(&options, &f->session, &f->err), 0);
}

void served_stop(struct served *f)
{
    session_free(f->session);
    server_stop(f->server);
    err_release(&f->err);
    cancel_release(&f->cancel);
}
