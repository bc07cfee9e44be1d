/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/reporting.h"

#include <stdio.h>
#include <unistd.h>

#include "executor/base/log.h"

const struct resource_type reporting_group = { .name = "security_group",
                                               .singular = "security group",
                                               .plural = "security groups" };
const struct resource_type reporting_service = {
    .name = "ecs.service", .singular = "service", .plural = "services", .flags = TYPE_APPLICATION
};

static FILE *lines;

char *log_lines(void)
{
    static char text[4 << 20];
    rewind(lines);
    size_t n = fread(text, 1, sizeof(text) - 1, lines);
    text[n] = '\0';
    rewind(lines);
    assert_int_equal(ftruncate(fileno(lines), 0), 0);
    return xstrdup(text);
}

void expect_log(const char *text)
{
    _cleanup_free_ char *said = log_lines();
    assert_string_equal(said, text);
}

/* Where a span stands at p ("1.2 s", "1 min 30 s", "1:02"), how long it is; 0: there is none. */
static size_t span_at(const char *p)
{
    size_t n = strspn(p, "0123456789.:");
    if (n == 0 || p[n - 1] == ':')
        return 0;
    if (memchr(p, ':', n) != NULL)
        return n;
    if (str_starts(p + n, " min ")) {
        size_t rest = span_at(p + n + 5);
        return rest > 0 ? n + 5 + rest : 0;
    }
    return str_starts(p + n, " s") && strchr(" :,\n", p[n + 2]) != NULL ? n + 2 : 0;
}

char *log_timeless(void)
{
    _cleanup_free_ char *said = log_lines();
    _cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
    for (const char *p = said; *p != '\0';) {
        size_t blanks = strspn(p, " "), n = span_at(p + blanks);
        if (n > 0) {
            strbuf_adds(&out, "T");
            p += blanks + n;
        } else {
            strbuf_add(&out, p, 1);
            p++;
        }
    }
    return strbuf_detach(&out);
}

void expect_log_timeless(const char *text)
{
    _cleanup_free_ char *said = log_timeless();
    assert_string_equal(said, text);
}

struct resource *reporting_add(struct graph *g, const struct resource_type *type, const char *label)
{
    struct err err = ERR_INIT;
    struct resource *r = NULL;
    assert_int_equal(graph_add(g, type, label, label, "", cJSON_CreateObject(), &r, &err), 0);
    r->action = ACTION_CREATE;
    r->started = 100;
    r->ended = 101.2;
    return r;
}

int reporting_setup(void **state)
{
    (void)state;
    lines = tmpfile();
    if (lines == NULL)
        return -1;
    log_init(fileno(lines), LOG_INFO, false);
    return 0;
}

int reporting_teardown(void **state)
{
    (void)state;
    log_footer(NULL);
    log_info("whatever is said ends what is open");
    log_init(STDERR_FILENO, LOG_INFO, false);
    return fclose(lines);
}

size_t count_of(const char *text, const char *word)
{
    size_t n = 0;
    for (const char *at = text; (at = strstr(at, word)) != NULL; at++)
        n++;
    return n;
}
