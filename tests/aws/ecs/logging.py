"""The log groups that come about by running tasks: Container Insights' and those of awslogs."""

from __future__ import annotations

from typing import Any

from moto.logs.models import logs_backends

from ..logwriters import FOREVER, Writer, Writers
from .model import Cluster, Ecs, Task

INSIGHTS = "/aws/ecs/containerinsights/{}/performance"


def task_started(ecs: Ecs, task: Task) -> None:
    insights_watch(ecs, task.cluster)
    for container in task.definition.containers:
        log = container.get("logConfiguration", {})
        options = log.get("options", {})
        if log.get("logDriver") != "awslogs" or options.get("awslogs-create-group") != "true":
            continue
        writers = ecs.world.store(Writers, ecs.account,
                                  options.get("awslogs-region", ecs.region))
        writers.add(options["awslogs-group"], task.arn, Writer(
            lambda: ecs.world.clock.duration("logs.write"),
            lambda: FOREVER if task.status in ("RUNNING", "DEACTIVATING") else 0.0), at_once=True)


def containers_write(ecs: Ecs, task: Task, rule: dict[str, Any] | None) -> None:
    """What the containers of a task write goes to a stream of its own each, which comes about with
    the first line: "prefix-name/container-name/ecs-task-id",
    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/using_awslogs.html
    """
    if rule is None:
        return
    now = int(ecs.world.clock.now() * 1000)
    events = [{"timestamp": now, "message": line}
              for line in str(rule.get("message", "")).split("\n")]
    for container in task.definition.containers:
        log = container.get("logConfiguration", {})
        options = log.get("options", {})
        backend = logs_backends[ecs.account][options.get("awslogs-region", ecs.region)]
        group = backend.groups.get(options.get("awslogs-group"))
        if log.get("logDriver") != "awslogs" or group is None:
            continue
        name = f"{options['awslogs-stream-prefix']}/{container['name']}/{task.id}"
        backend.create_log_stream(group.name, name)
        group.streams[name].put_log_events(events)


def insights_watch(ecs: Ecs, cluster: Cluster) -> None:
    """Have Container Insights tell of the cluster's tasks, if it is on and there are any."""
    if _watched(cluster) and _until(ecs, cluster) == FOREVER:
        ecs.world.store(Writers, ecs.account, ecs.region).add(
            INSIGHTS.format(cluster.name), f"insights {id(cluster)}",
            Writer(lambda: _pause(ecs), lambda: _until(ecs, cluster), retention=1))


def _pause(ecs: Ecs) -> float:
    return ecs.world.clock.duration("insights.write")


def _watched(cluster: Cluster) -> bool:
    return any(s["name"] == "containerInsights" and s["value"] != "disabled"
               for s in cluster.settings)


def _until(ecs: Ecs, cluster: Cluster) -> float:
    """Of the last minute of the last task it tells a minute later."""
    tasks = ecs.tasks_of(cluster)
    if not _watched(cluster) or not tasks:
        return 0.0
    if any(task.status != "STOPPED" for task in tasks):
        return FOREVER
    return float(max(task.fields["stoppedAt"] for task in tasks)) + _pause(ecs)
