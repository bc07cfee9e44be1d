/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>

#include "drivers/capacity.h"

/* What came of a look at the account, for people and for the exit code. */

const char *capacity_number(double n)
{
    static _Thread_local char buffers[8][32];
    static _Thread_local unsigned turn;
    char *buffer = buffers[turn++ % ARRAY_SIZE(buffers)];
    snprintf(buffer, sizeof(buffers[0]), "%.15g", round(n * 100) / 100);
    return buffer;
}

bool capacity_line(cJSON *report, const char *name, double used, double wanted, double limit,
                   const char *source)
{
    bool enough = used + wanted <= limit;
    cJSON *line = json_push(json_get(report, "limits"), cJSON_CreateObject());
    json_put_str(line, "name", name);
    json_put(line, "used", cJSON_CreateNumber(used));
    json_put(line, "wanted", cJSON_CreateNumber(wanted));
    json_put(line, "limit", cJSON_CreateNumber(limit));
    json_put_str(line, "source", source);
    json_put_bool(line, "enough", enough);
    return enough;
}

void capacity_problem(cJSON *report, const char *where, enum blame blame, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    _cleanup_free_ char *message = xvasprintf(fmt, ap);
    va_end(ap);
    cJSON *problem = json_push(json_get(report, "problems"), cJSON_CreateObject());
    json_put_str(problem, "where", where);
    json_put_str(problem, "message", message);
    json_put_str(problem, "blame", blame == BLAME_USER ? "user" : "system");
}

void capacity_note(cJSON *report, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    _cleanup_free_ char *note = xvasprintf(fmt, ap);
    va_end(ap);
    json_push_str(json_get(report, "notes"), note);
}

int capacity_verdict(const cJSON *report, struct err *err)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    enum err_class class = ERR_QUOTA;
    const cJSON *problem;
    cJSON_ArrayForEach (problem, json_get(report, "problems")) {
        const char *where = json_str(problem, "where");
        strbuf_addf(&text, "%s%s: %s", text.len > 0 ? "\n" : "", where,
                    json_str(problem, "message"));
        if (str_eq(json_str(problem, "blame"), "user"))
            class = ERR_USER;
    }
    return text.len > 0 ? err_set(err, class, "%s", text.buf) : 0;
}

static double number_of(const cJSON *line, const char *member)
{
    const cJSON *n = json_get(line, member);
    return cJSON_IsNumber(n) ? n->valuedouble : 0;
}

static void add_limits(const cJSON *report, struct strbuf *out)
{
    const cJSON *line;
    if (json_count(json_get(report, "limits")) > 0)
        strbuf_addf(out, "  %-30s %9s %9s %9s\n", "", "in use", "wanted", "limit");
    cJSON_ArrayForEach (line, json_get(report, "limits"))
        strbuf_addf(out, "  %-30s %9s %9s %9s  %s%s\n", json_str(line, "name"),
                    capacity_number(number_of(line, "used")),
                    capacity_number(number_of(line, "wanted")),
                    capacity_number(number_of(line, "limit")), json_str(line, "source"),
                    json_bool(line, "enough", true) ? "" : ": NOT ENOUGH");
}

static void add_environments(const cJSON *report, struct strbuf *out)
{
    const cJSON *one;
    if (json_count(json_get(report, "environments")) == 0)
        return;
    strbuf_adds(out, "ephemeral environments that could go, oldest pipeline first "
                     "('destroy-branches' in the branch's pipeline):\n");
    cJSON_ArrayForEach (one, json_get(report, "environments")) {
        int64_t tasks = json_int(one, "tasks", 0), pipeline = json_int(one, "pipeline", 0);
        strbuf_addf(out, "  %s of '%s': %d task%s", json_str(one, "environment"),
                    json_str(one, "ref"), (int)tasks, tasks == 1 ? "" : "s");
        if (json_get(one, "vcpu") != NULL)
            strbuf_addf(out, ", %s vCPU", capacity_number(number_of(one, "vcpu")));
        if (pipeline > 0)
            strbuf_addf(out, ", pipeline %lld", (long long)pipeline);
        strbuf_addc(out, '\n');
    }
}

void capacity_to_text(const cJSON *report, struct strbuf *out)
{
    const cJSON *wants = json_get(report, "wants"), *note;
    strbuf_addf(out, "%s wants %s tasks and %s Fargate vCPU\n", json_str(report, "environment"),
                capacity_number(number_of(wants, "tasks")),
                capacity_number(number_of(wants, "vcpu")));
    add_limits(report, out);
    cJSON_ArrayForEach (note, json_get(report, "notes"))
        strbuf_addf(out, "  note: %s\n", note->valuestring);
    add_environments(report, out);
}
