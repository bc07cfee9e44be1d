/* SPDX-License-Identifier: MIT */
#include "executor/outputs.h"

#include "drivers/route53.h"
#include "executor/base/file.h"

cJSON *outputs_of(const struct environment *e, int64_t pipeline, const struct graph *g)
{
    cJSON *outputs = cJSON_CreateObject();
    json_put_str(outputs, "BERTH_ENVIRONMENT", e->name);
    json_put_str(outputs, "BERTH_SUBDOMAIN", e->subdomain);
    json_put_str(outputs, "BERTH_KIND", e->kind);
    json_put_str(outputs, "BERTH_REGION", e->region);
    if (pipeline != 0)
        json_put_strf(outputs, "BERTH_PIPELINE_ID", "%lld", (long long)pipeline);
    _cleanup_free_ char *url = route53_url(g);
    json_put_str(outputs, "BERTH_URL", url);
    json_put_str(outputs, "BERTH_REDIS_HOST", resource_output(g, "redis", "host"));
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

static int write_dotenv(const cJSON *outputs, int checkout, struct err *err)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    const cJSON *output;
    cJSON_ArrayForEach (output, outputs)
        if (strpbrk(output->valuestring, "\r\n") == NULL)
            strbuf_addf(&text, "%s=%s\n", output->string, output->valuestring);
    return file_write_beneath(checkout, "berth.env", text.buf, text.len, 0644, err);
}

int outputs_write(const cJSON *outputs, int checkout, struct err *err)
{
    if (write_json(outputs, err) < 0 || write_dotenv(outputs, checkout, err) < 0)
        return err_wrap(err, "the outputs of this job cannot be written");
    return 0;
}
