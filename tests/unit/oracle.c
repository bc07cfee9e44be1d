/* SPDX-License-Identifier: MIT */
#include "tests/unit/oracle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "executor/base/json.h"

static void add_lines(cJSON *lines, char *text)
{
    char *rest = text, *line;
    while ((line = strsep(&rest, "\n")) != NULL) {
        if (*line == '\0')
            continue;
        cJSON *value = cJSON_Parse(line);
        assert_non_null(value);
        cJSON_AddItemToArray(lines, value);
    }
}

cJSON *oracle_lines(const char *program)
{
    const char *python = getenv("PYTHON");
    _cleanup_free_ char *command =
        xasprintf("PYTHONDONTWRITEBYTECODE=1 %s %s", python != NULL ? python : "python3", program);
    FILE *pipe = popen(command, "re");
    assert_non_null(pipe);
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    char chunk[65536];
    size_t n;
    while ((n = fread(chunk, 1, sizeof(chunk), pipe)) > 0)
        strbuf_add(&text, chunk, n);
    assert_int_equal(pclose(pipe), 0);
    cJSON *lines = cJSON_CreateArray();
    add_lines(lines, text.buf);
    assert_true(cJSON_GetArraySize(lines) > 0);
    return lines;
}
