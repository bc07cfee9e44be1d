/* SPDX-License-Identifier: MIT */
#ifndef BERTH_TESTS_ECSSCRIPT_H
#define BERTH_TESTS_ECSSCRIPT_H

/* What AWS says of the environment that the scripts are about: of its cluster, its service, its
 * tasks; and their names. */

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

/* DescribeServices: the deployment d2, since the second 100. */
#define SERVICE_DEPLOYING(breaker, desired, rollout, failed, events)                               \
    "{\"services\":[{\"serviceName\":\"" NAME "\",\"status\":\"ACTIVE\",\"desiredCount\":" desired \
    ",\"runningCount\":0,\"deployments\":[{\"id\":\"d2\",\"status\":\"PRIMARY\",\"createdAt\":100" \
    ",\"rolloutState\":\"" rollout "\",\"failedTasks\":" failed                                    \
    ",\"taskDefinition\":\"x/f:2\"}],\"deploymentConfiguration\":{\"deploymentCircuitBreaker\":"   \
    "{\"enable\":" breaker "}},\"events\":[" events "]}]}"
#define DEPLOYMENT_OF(id, status, revision, rollout, reason)                                       \
    "{\"id\":\"" id "\",\"status\":\"" status                                                      \
    "\",\"createdAt\":100,\"taskDefinition\":\"x/f:" revision "\",\"rolloutState\":\"" rollout     \
    "\",\"rolloutStateReason\":\"" reason "\"}"
#define STARTED(n, at)                                                                             \
    "{\"createdAt\":" at ",\"message\":\"(service x) has started " n " tasks: (task t).\"}"
#define UNPLACED(at)                                                                               \
    "{\"createdAt\":" at ",\"message\":\"(service x) was unable to place a task. Reason: no "      \
    "room.\"}"
#define UNLAUNCHED(at)                                                                             \
    "{\"createdAt\":" at ",\"message\":\"(service x) failed to launch a task with (error no such " \
    "role.).\"}"

#define TASK(id, by, more)                                                                         \
    "{\"taskArn\":\"" ARN "task/c/" id "\",\"startedBy\":\"" by "\",\"stoppedAt\":200" more "}"
#define EXITED(id, code)                                                                           \
    TASK(id, "d2",                                                                                 \
         ",\"stopCode\":\"EssentialContainerExited\",\"stoppedReason\":\"Essential container in "  \
         "task exited\",\"containers\":[{\"name\":\"side\",\"exitCode\":143},{\"name\":\"api\","   \
         "\"exitCode\":" code "}]")

#endif
