/* SPDX-License-Identifier: MIT */
#include "drivers/cloudwatch.h"

/*
 * The dashboard that is made from the services: how many tasks of each run, what they use of CPU
 * and memory, and what they have logged of exceptions and errors. A body's structure:
 * https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/
 * CloudWatch-Dashboard-Body-Structure.html; the metrics are those of Container Insights:
 * https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Container-Insights-metrics-ECS.html
 */

#define SIDE 6  /* of a metric's square, in cells */
#define ROW  24 /* the width of a dashboard, in cells */

struct metric_widget {
    const char *title, *metric, *stat;
};
static const struct metric_widget metric_widgets[] = {
    { "Running tasks", "RunningTaskCount", "Sum" },
    { "CPU units used", "CpuUtilized", "Average" },
    { "Memory used (MiB)", "MemoryUtilized", "Average" },
};

struct log_widget {
    const char *title, *pattern;
};
static const struct log_widget log_widgets[] = {
    { "Exceptions", "/Exception/" },
    { "Errors", "/: ERROR/" },
};

static cJSON *widget_add(cJSON *widgets, const char *type, int x, int y, int width)
{
    cJSON *widget = json_push(widgets, cJSON_CreateObject());
    json_put_str(widget, "type", type);
    json_put_int(widget, "x", x);
    json_put_int(widget, "y", y);
    json_put_int(widget, "width", width);
    json_put_int(widget, "height", SIDE);
    return json_put_object(widget, "properties");
}

static void metric_add(cJSON *widgets, const struct graph *g, const cJSON *services, size_t column)
{
    const struct metric_widget *m = &metric_widgets[column];
    cJSON *properties = widget_add(widgets, "metric", (int)column * SIDE, 0, SIDE);
    json_put_str(properties, "title", m->title);
    json_put_str(properties, "region", g->context.region);
    json_put_str(properties, "view", "timeSeries");
    json_put_str(properties, "stat", m->stat);
    json_put_int(properties, "period", 300);
    cJSON *metrics = json_put_array(properties, "metrics");
    const cJSON *service;
    cJSON_ArrayForEach (service, services) {
        _cleanup_free_ char *name = xasprintf("%s-%s", g->context.environment, service->string);
        const char *const row[] = { "ECS/ContainerInsights", m->metric,
                                    "ServiceName",           name,
                                    "ClusterName",           g->context.environment };
        cJSON *metric = json_push(metrics, cJSON_CreateArray());
        for (size_t i = 0; i < ARRAY_SIZE(row); i++)
            json_push_str(metric, row[i]);
    }
}

static void log_add(cJSON *widgets, const struct graph *g, size_t row)
{
    const struct log_widget *l = &log_widgets[row];
    cJSON *properties = widget_add(widgets, "log", 0, (int)(row + 1) * SIDE, ROW);
    json_put_str(properties, "title", l->title);
    json_put_str(properties, "region", g->context.region);
    json_put_str(properties, "view", "table");
    json_put_strf(properties, "query",
                  "SOURCE '%s' | fields @timestamp, @logStream, @message | "
                  "filter @message like %s | sort @timestamp desc | limit 100",
                  g->context.environment, l->pattern);
}

cJSON *cloudwatch_default_dashboard(const struct graph *g, const cJSON *spec)
{
    cJSON *body = cJSON_CreateObject();
    cJSON *widgets = json_put_array(body, "widgets");
    for (size_t i = 0; i < ARRAY_SIZE(metric_widgets); i++)
        metric_add(widgets, g, json_get(spec, "services"), i);
    for (size_t i = 0; i < ARRAY_SIZE(log_widgets); i++)
        log_add(widgets, g, i);
    return body;
}
