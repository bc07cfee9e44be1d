/* SPDX-License-Identifier: MIT */
#include "executor/command.h"

#include <errno.h>
#include <stdio.h>

#include "executor/base/log.h"
#include "executor/joblog.h"

struct asked asked = { .vars = STRLIST_INIT };

void command_print_text(struct strbuf *text)
{
    redact(text);
    fwrite(text->buf, 1, text->len, stdout);
    fflush(stdout);
}

void command_print_json(cJSON *json)
{
    redact_json(json);
    _cleanup_free_ char *text = json_print_pretty(json);
    printf("%s\n", text);
    fflush(stdout);
    cJSON_Delete(json);
}

int command_fail(const struct err *err)
{
    if (asked.json) {
        cJSON *json = cJSON_CreateObject();
        json_put_str(json, "schema", "berth-error/1");
        json_put_str(json, "class", err_class_name(err->class));
        json_put_str(json, "message", err->message);
        json_put_str(json, "awsCode", err->aws_code[0] ? err->aws_code : NULL);
        json_put_str(json, "requestId", err->request_id[0] ? err->request_id : NULL);
        command_print_json(json);
    }
    return joblog_failure(err);
}

int command_takes_none(const struct strlist *arguments, struct err *err)
{
    if (arguments->n > 0)
        return err_set(err, ERR_USER, "there is nothing that '%s' could be (see --help)",
                       arguments->v[0]);
    return 0;
}

int command_read_host(struct hostconfig *h, struct err *err)
{
    if (asked.config != NULL && setenv("BERTH_CONFIG", asked.config, 1) < 0)
        return err_set_errno(err, ERR_HOST, errno, "cannot use '%s'", asked.config);
    return hostconfig_read(h, err);
}

int command_find_project(const struct hostconfig *h, int64_t *ret, struct err *err)
{
    const cJSON *projects = json_get(h->json, "projects");
    *ret = asked.project;
    if (asked.project != 0)
        return 0;
    if (json_count(projects) != 1)
        return err_set(err, ERR_USER, "'%s' has %zu projects: say which with '--project N'",
                       h->path, json_count(projects));
    if (str_to_int64(projects->child->string, 1, INT64_MAX, ret) < 0)
        return err_set(err, ERR_HOST, "%s: projects: '%s' is not a project's id", h->path,
                       projects->child->string);
    return 0;
}
