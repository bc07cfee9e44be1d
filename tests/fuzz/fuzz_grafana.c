/* SPDX-License-Identifier: MIT */
/*
 * Grafana's users as a job's variables list them, a line of the input for each variable, and the
 * permissions of a folder as Grafana lists them, on the last.
 */
#include "drivers/grafana.h"
#include "executor/base/log.h"
#include "tests/fuzz/fuzz.h"

#define LINES 7

static const char *const names[LINES] = { "GRAFANA_USER_NAME",       "GRAFANA_USER_EMAIL",
                                          "GRAFANA_USER_LOGIN",      "GRAFANA_USER_PASSWORD",
                                          "GRAFANA_USER_ROLE",       "GRAFANA_USER_COMPANY",
                                          "the folder's permissions" };

static const char *variable(void *context, const char *name)
{
    char *const *lines = context;
    for (size_t i = 0; i < LINES; i++)
        if (str_eq(name, names[i]))
            return lines[i];
    return str_starts(name, "GRAFANA_ADMIN_") ? "administrator" : NULL;
}

static void check_users(const struct grafana *g)
{
    for (size_t i = 0; i < g->n_users; i++) {
        const struct grafana_user *u = &g->users[i];
        fuzz_require(*u->login != '\0' && *u->email != '\0', "a user has login and e-mail");
        fuzz_require(str_eq(u->role, "Viewer") == (u->folder != NULL), "viewers have a folder");
        fuzz_require(!str_eq(u->folder, GRAFANA_MAIN_FOLDER), "it is not the editors'");
        fuzz_require(u->folder == NULL || strpbrk(u->folder, "| \t\r\n") == NULL,
                     "its name ends before a '|' and has no blanks");
    }
}

static void read_permissions(const char *text)
{
    _cleanup_json_ cJSON *list = NULL;
    _cleanup_err_ struct err err = ERR_INIT;
    _cleanup_strlist_ struct strlist texts = STRLIST_INIT;
    if (text != NULL && json_parse(text, strlen(text), JSON_PLAIN, &list, &err) == 0)
        grafana_permission_texts(list, &texts);
    for (size_t i = 1; i < texts.n; i++)
        fuzz_require(strcmp(texts.v[i - 1], texts.v[i]) < 0, "each is there once, in order");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *lines[LINES] = { NULL };
    const char *at = (const char *)data, *end = at + size;
    for (size_t i = 0; i < LINES && at < end; i++) {
        const char *line = memchr(at, '\n', (size_t)(end - at));
        size_t len = (size_t)((line != NULL ? line : end) - at);
        lines[i] = xstrndup(at, len);
        at += len + 1;
    }
    struct graph *graph = graph_new(&(struct context){ .spec_dir = -1 });
    _cleanup_err_ struct err err = ERR_INIT;
    graph->grafana = cJSON_CreateObject();
    json_put_str(graph->grafana, "url", "https://grafana.example.net/");
    const struct grafana_request request = { .graph = graph,
                                             .lookup = variable,
                                             .variables = lines };
    struct grafana *g = NULL;
    if (grafana_new(&request, &g, &err) < 0)
        fuzz_require_message(&err);
    else
        check_users(g);
    read_permissions(lines[LINES - 1]);
    grafana_free(g);
    graph_free(graph);
    for (size_t i = 0; i < LINES; i++)
        free(lines[i]);
    redact_release();
    return 0;
}
