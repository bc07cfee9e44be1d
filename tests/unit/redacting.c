/* SPDX-License-Identifier: MIT */
#include "tests/unit/redacting.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "executor/base/redact.h"
#include "executor/base/str.h"

void becomes(const char *text, const char *expected)
{
    _cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;
    strbuf_adds(&sb, text);
    redact(&sb);
    assert_string_equal(sb.buf, expected);
}

int redacting_teardown(void **state)
{
    (void)state;
    redact_release();
    return 0;
}
