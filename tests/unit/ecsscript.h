/* SPDX-License-Identifier: MIT */
#ifndef BERTH_TESTS_ECSSCRIPT_H
#define BERTH_TESTS_ECSSCRIPT_H

/* What AWS says of the cluster of the environment that the scripts are about, and its names. */

#include "tests/unit/awsscript.h"

#define DEFINITION    "ecs.task_definition/api"
#define SERVICE       "ecs.service/api"
#define NAME          "automation-8527fec8-api"
#define ARN           "arn:aws:ecs:us-east-1:123456789012:"
#define CLUSTER(tags) CLUSTER_OF(tags, 0, 0, 0)
#define CLUSTER_OF(tags, a, r, p)                                                                  \
    {                                                                                              \
        .call = "ecs:DescribeClusters",                                                            \
        .answer = "{\"clusters\":[{\"clusterName\":\"automation-8527fec8\",\"clusterArn\":"        \
                  "\"" ARN "cluster/automation-8527fec8\",\"status\":\"ACTIVE\",\"settings\":["    \
                  "{\"name\":\"containerInsights\",\"value\":\"enabled\"}],\"tags\":[" tags        \
                  "],\"activeServicesCount\":" #a ",\"runningTasksCount\":" #r                     \
                  ",\"pendingTasksCount\":" #p "}]}"                                               \
    }
#define TAG(k, v) "{\"key\":\"" k "\",\"value\":\"" v "\"}"
#define OURS                                                                                       \
    TAG("Environment", "automation-8527fec8")                                                      \
    "," TAG("berth:project", "77") "," TAG("berth:ref", "dev/feature/login")

#endif
