/* SPDX-License-Identifier: MIT */
#include "executor/outputs.h"

#include "drivers/route53.h"
#include "executor/base/file.h"
#include "executor/base/log.h"
#include "executor/base/utf8.h"

/* "The maximum size of the .env file is 5 KB":
 * https://docs.gitlab.com/administration/instance_limits/ #limit-dotenv-file-size */
#define DOTENV_MAX ((size_t)5 << 10)

/* An output that is one of a resource's own. */
struct source {
    const char *name;     /* "BERTH_REDIS_HOST" */
    const char *resource; /* its address or alias */
    const char *output;
};

static const struct source sources[] = {
    { "BERTH_CLUSTER", "cluster", "ClusterName" },
    { "BERTH_LOG_GROUP", "logs", "LogGroupName" },
    { "BERTH_NAMESPACE", "discovery", "Name" },
    { "BERTH_LOAD_BALANCER_HOST", "loadBalancer", "DNSName" },
    { "BERTH_REDIS_HOST", "redis", "host" },
    { "BERTH_REDIS_PORT", "redis", "port" },
};

char *outputs_url(const struct graph *g)
{
    for (size_t i = 0; i < g->n; i++)
        if (g->v[i]->type == &route53_records_type && g->v[i]->have != NULL)
            return route53_url(g);
    return NULL;
}

cJSON *outputs_of(const struct environment *e, const struct graph *g,
                  const struct plan_counts *counts)
{
    const struct context *c = &g->context;
    cJSON *outputs = cJSON_CreateObject();
    json_put_str(outputs, "BERTH_ENVIRONMENT", e->name);
    json_put_str(outputs, "BERTH_SUBDOMAIN", e->subdomain);
    json_put_str(outputs, "BERTH_KIND", e->kind);
    json_put_str(outputs, "BERTH_REGION", e->region);
    json_put_str(outputs, "BERTH_ACCOUNT_ID", c->account);
    if (c->pipeline != 0)
        json_put_strf(outputs, "BERTH_PIPELINE_ID", "%lld", (long long)c->pipeline);
    json_put_strf(outputs, "BERTH_CHANGES", "%u",
                  counts->create + counts->update + counts->replace + counts->remove);
    _cleanup_free_ char *url = outputs_url(g);
    json_put_str(outputs, "BERTH_URL", url);
    for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
        const struct resource *r = graph_find(g, sources[i].resource);
        if (r != NULL && r->have != NULL)
            json_put_str(outputs, sources[i].name, json_str(r->outputs, sources[i].output));
    }
    return outputs;
}

static int write_json(const cJSON *outputs, struct err *err)
{
    const char *directory = getenv("TMPDIR");
    if (directory == NULL || *directory == '\0')
        return 0; /* nobody would read it */
    _cleanup_close_ int fd = -1;
    if (file_open_dir(directory, &fd, err) < 0)
        return -1;
    _cleanup_free_ char *text = json_print(outputs);
    return file_write_beneath(fd, "berth-outputs.json", text, strlen(text), 0600, err);
}

/* "Key values in the env file cannot have spaces or newline characters", "only UTF-8 encoding is
 * supported": https://docs.gitlab.com/ci/yaml/artifacts_reports/#artifactsreportsdotenv */
static bool dotenv_takes(const char *value)
{
    for (const unsigned char *p = (const unsigned char *)value; *p != '\0'; p++)
        if (*p <= ' ' || *p == 0x7f)
            return false;
    return utf8_valid(value, strlen(value)) == strlen(value);
}

void outputs_to_dotenv(const cJSON *outputs, struct strbuf *text)
{
    const cJSON *output;
    cJSON_ArrayForEach (output, outputs) {
        const char *value = output->valuestring;
        _cleanup_free_ char *safe = redact_copy(value);
        if (!str_eq(safe, value))
            log_warn("the output '%s' is not in 'berth.env': it holds the value of a masked "
                     "variable, and whoever may see the job may read that file",
                     output->string);
        else if (dotenv_takes(value) &&
                 text->len + strlen(output->string) + strlen(value) + 2 <= DOTENV_MAX)
            strbuf_addf(text, "%s=%s\n", output->string, value);
        else
            log_warn("the output '%s' is not in 'berth.env': GitLab takes no value like it there",
                     output->string);
    }
}

int outputs_write(const cJSON *outputs, int checkout, struct err *err)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    outputs_to_dotenv(outputs, &text);
    if (write_json(outputs, err) < 0 ||
        file_write_beneath(checkout, "berth.env", text.buf, text.len, 0644, err) < 0)
        return err_wrap(err, "the outputs of this job cannot be written");
    return 0;
}
