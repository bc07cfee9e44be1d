/* SPDX-License-Identifier: MIT */
#include "drivers/explanation.h"

#include "executor/base/log.h"
#include "executor/base/utf8.h"

cJSON *explanation_new(const char *cause)
{
    cJSON *explanation = cJSON_CreateObject();
    json_put_str(explanation, "cause", cause);
    json_put_array(explanation, "sections");
    return explanation;
}

void explanation_cause(cJSON *explanation, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    _cleanup_free_ char *cause = xvasprintf(fmt, ap);
    va_end(ap);
    json_put_str(explanation, "cause", cause);
}

cJSON *explanation_section(cJSON *explanation, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    _cleanup_free_ char *title = xvasprintf(fmt, ap);
    va_end(ap);
    cJSON *section = json_push(json_get(explanation, "sections"), cJSON_CreateObject());
    json_put_str(section, "title", title);
    return json_put_array(section, "lines");
}

static void push_line(cJSON *lines, const char *line, size_t len)
{
    size_t cut = utf8_cut(line, len, EXPLANATION_LINE_MAX);
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    strbuf_add(&text, line, cut);
    if (cut < len)
        strbuf_addf(&text, " ... (%zu bytes more)", len - cut);
    json_push_str(lines, text.buf);
}

void explanation_line(cJSON *lines, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    strbuf_vaddf(&text, fmt, ap);
    va_end(ap);
    redact(&text); /* before a secret is cut in two */
    const char *line = text.buf;
    do {
        size_t len = strcspn(line, "\n");
        push_line(lines, line, len > 0 && line[len - 1] == '\r' ? len - 1 : len);
        line += len + (line[len] == '\n');
    } while (*line != '\0');
}

void explanation_unread(cJSON *lines, const char *what, const struct err *err)
{
    explanation_line(lines, "cannot read %s: %s", what,
                     err->message != NULL ? err->message : err_class_words(err->class));
}
