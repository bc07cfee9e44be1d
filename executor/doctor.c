/* SPDX-License-Identifier: MIT */
#include "executor/doctor.h"

#include <stdio.h>

static const char *const levels[] = { "ok", "warn", "FAIL" };

void doctor_note(struct doctor *d, enum symptom_level level, const char *subject, const char *cure,
                 const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *found = xvasprintf(fmt, ap);
    va_end(ap);
    d->v = xrealloc_array(d->v, d->n + 1, sizeof(*d->v));
    d->v[d->n++] = (struct symptom){ .level = level,
                                     .subject = xstrdup(subject),
                                     .found = found,
                                     .cure = cure != NULL ? xstrdup(cure) : NULL };
}

void doctor_examine(struct doctor *d, const char *runner_config, const char *programs)
{
    _cleanup_err_ struct err err = ERR_INIT;
    if (hostconfig_read(&d->host, &err) < 0)
        doctor_note(d, SYMPTOM_FAIL, "host config",
                    "correct it; docs/runner-host.md and config/berth.json show how", "%s",
                    err.message);
    else
        doctor_note(d, SYMPTOM_OK, "host config", NULL, "'%s' is valid, for %zu project%s",
                    d->host.path, json_count(json_get(d->host.json, "projects")),
                    json_count(json_get(d->host.json, "projects")) == 1 ? "" : "s");
    doctor_runner(d, runner_config, programs);
    doctor_host(d);
    doctor_user(d, runner_config);
    if (d->host.json == NULL)
        return;
    doctor_tools(d);
    doctor_cache(d);
    doctor_aws(d);
}

bool doctor_has_failed(const struct doctor *d)
{
    for (size_t i = 0; i < d->n; i++)
        if (d->v[i].level == SYMPTOM_FAIL)
            return true;
    return false;
}

void doctor_to_text(const struct doctor *d, struct strbuf *out)
{
    for (size_t i = 0; i < d->n; i++) {
        const struct symptom *s = &d->v[i];
        strbuf_addf(out, "%-4s  %s: %s", levels[s->level], s->subject, s->found);
        if (s->cure != NULL)
            strbuf_addf(out, "; %s", s->cure);
        strbuf_addc(out, '\n');
    }
}

cJSON *doctor_to_json(const struct doctor *d)
{
    static const char *const words[] = { "ok", "warn", "fail" };
    cJSON *json = cJSON_CreateObject();
    json_put_str(json, "schema", "berth-doctor/1");
    json_put_bool(json, "healthy", !doctor_has_failed(d));
    cJSON *checks = json_put_array(json, "checks");
    for (size_t i = 0; i < d->n; i++) {
        cJSON *check = json_push(checks, cJSON_CreateObject());
        json_put_str(check, "level", words[d->v[i].level]);
        json_put_str(check, "subject", d->v[i].subject);
        json_put_str(check, "found", d->v[i].found);
        json_put_str(check, "cure", d->v[i].cure);
    }
    return json;
}

void doctor_release(struct doctor *d)
{
    for (size_t i = 0; i < d->n; i++) {
        free(d->v[i].subject);
        free(d->v[i].found);
        free(d->v[i].cure);
    }
    free(d->v);
    hostconfig_release(&d->host);
    *d = (struct doctor)DOCTOR_INIT;
}
