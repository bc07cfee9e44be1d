/* SPDX-License-Identifier: MIT */
#include "drivers/lint.h"

#include <ctype.h>

#include "drivers/aws/digest.h"
#include "executor/base/strmap.h"
#include "executor/base/utf8.h"

/* Reads digits and the colon behind them. */
static bool read_number(const char **at, const char *end, unsigned *ret)
{
    unsigned n = 0;
    const char *p = *at;
    for (; p < end && isdigit((unsigned char)*p) && n < 100000000; p++)
        n = n * 10 + (unsigned)(*p - '0');
    if (p == *at || p == end || *p != ':')
        return false;
    *at = p + 1;
    *ret = n;
    return true;
}

/* A path may hold colons: the first place where ":line:column: CODE" follows ends it. */
static bool read_finding(const char *line, size_t len, struct lint_finding *ret)
{
    const char *end = line + len;
    for (const char *colon = line + 1; colon < end; colon++) {
        unsigned row, column;
        const char *at = colon + 1;
        if (*colon != ':' || !read_number(&at, end, &row) || !read_number(&at, end, &column) ||
            at == end || *at != ' ')
            continue;
        at++;
        const char *code = at;
        while (at < end && (isalnum((unsigned char)*at) || *at == '-' || *at == '_'))
            at++;
        if (at == code)
            continue;
        size_t code_len = (size_t)(at - code);
        at += at < end && (*at == ' ' || *at == ':');
        at += at < end && *at == ' ';
        if (str_starts(line, "./"))
            line += 2;
        *ret = (struct lint_finding){ .path = xstrndup(line, (size_t)(colon - line)),
                                      .line = row,
                                      .column = column,
                                      .code = xstrndup(code, code_len),
                                      .text = xstrndup(at, (size_t)(end - at)) };
        return true;
    }
    return false;
}

void lint_read(const char *output, struct lint_findings *ret)
{
    size_t alloc = ret->n;
    while (*output != '\0') {
        size_t len = strcspn(output, "\n");
        size_t text = len > 0 && output[len - 1] == '\r' ? len - 1 : len;
        struct lint_finding finding;
        if (text > 1 && read_finding(output, text, &finding)) {
            if (ret->n == alloc) {
                alloc = alloc * 2 + 16;
                ret->v = xrealloc_array(ret->v, alloc, sizeof(*ret->v));
            }
            ret->v[ret->n++] = finding;
        }
        output += len + (output[len] == '\n');
    }
}

void lint_findings_release(struct lint_findings *findings)
{
    for (size_t i = 0; i < findings->n; i++) {
        free(findings->v[i].path);
        free(findings->v[i].code);
        free(findings->v[i].text);
    }
    free(findings->v);
    *findings = (struct lint_findings)LINT_FINDINGS_INIT;
}

/* What a file cannot run with, what is most likely wrong, and what is a matter of style. E9 and F
 * are pycodestyle's and pyflakes' (https://pycodestyle.pycqa.org/en/latest/intro.html#error-codes,
 * https://flake8.pycqa.org/en/latest/user/error-codes.html). */
static const char *severity_of(const char *code)
{
    if (str_starts(code, "E9") || str_starts(code, "invalid-syntax"))
        return "critical";
    return code[0] == 'F' && isdigit((unsigned char)code[1]) ? "major" : "minor";
}

/* JSON is UTF-8; file names and what is quoted from files need not be. */
static cJSON *put_text(cJSON *object, const char *key, const char *value)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    strbuf_adds(&text, value);
    utf8_make_visible(&text);
    return json_put_str(object, key, text.buf);
}

static void push_finding(cJSON *report, const struct lint_finding *f, const char *fingerprint)
{
    cJSON *entry = json_push(report, cJSON_CreateObject());
    _cleanup_free_ char *description = xasprintf("%s %s", f->code, f->text);
    put_text(entry, "description", description);
    json_put_str(entry, "check_name", f->code);
    json_put_str(entry, "fingerprint", fingerprint);
    json_put_str(entry, "severity", severity_of(f->code));
    cJSON *location = json_put_object(entry, "location");
    put_text(location, "path", f->path);
    json_put_int(json_put_object(location, "lines"), "begin", f->line > 0 ? f->line : 1);
}

cJSON *lint_to_code_quality(const struct lint_findings *findings)
{
    cJSON *report = cJSON_CreateArray();
    struct strmap seen;
    strmap_init(&seen);
    size_t *counts = xcalloc(findings->n + 1, sizeof(*counts));
    for (size_t i = 0; i < findings->n; i++) {
        const struct lint_finding *f = &findings->v[i];
        _cleanup_free_ char *same = xasprintf("%s\n%s\n%s", f->path, f->code, f->text);
        size_t *count = strmap_get(&seen, same);
        if (count == NULL) {
            count = &counts[i];
            strmap_add(&seen, same, count);
        }
        _cleanup_free_ char *one = xasprintf("%s\n%zu", same, ++*count);
        _cleanup_free_ char *fingerprint = digest_text(one, 32);
        push_finding(report, f, fingerprint);
    }
    strmap_release(&seen);
    free(counts);
    return report;
}

/* "max-line-length = 100", "MAX_LINE_LENGTH: 100", as configparser takes it. */
static bool is_option(const char *line, size_t len, const char *name)
{
    size_t i = 0;
    for (; i < len && name[i] != '\0'; i++) {
        char c = (char)tolower((unsigned char)line[i]);
        if ((c == '_' ? '-' : c) != name[i])
            return false;
    }
    if (name[i] != '\0')
        return false;
    while (i < len && (line[i] == ' ' || line[i] == '\t'))
        i++;
    return i < len && (line[i] == '=' || line[i] == ':');
}

static bool is_section(const char *line, size_t len, const char *name)
{
    size_t n = strlen(name);
    return len > n + 1 && line[0] == '[' && strncmp(line + 1, name, n) == 0 && line[n + 1] == ']';
}

/* Whether there is the section, and the option in it, unless that is NULL. */
static bool has_setting(const char *text, const char *section, const char *option)
{
    bool within = false;
    for (; *text != '\0'; text += *text == '\n') {
        size_t len = strcspn(text, "\n");
        if (*text == '[')
            within = is_section(text, len, section);
        if (within && (option == NULL || is_option(text, len, option)))
            return true; /* indented, it would belong to the option before it */
        text += len;
    }
    return false;
}

bool lint_config_sets(const char *text, const char *program, const char *option)
{
    bool old = str_eq(program, "pycodestyle") && !has_setting(text, program, NULL);
    return has_setting(text, old ? "pep8" : program, option);
}
