"""Tasks as targets of load balancers.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-load-balancing.html
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/load-balancer-healthcheck.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import elb
from .model import Ecs, Task


def balancers_of(task: Task) -> list[dict[str, Any]]:
    return task.deployment.revision.get("loadBalancers", []) if task.deployment else []


def register(ecs: Ecs, task: Task, healthy: Callable[[], None],
             unhealthy: Callable[[str], None]) -> None:
    """Make a running task a target; HEALTHY and UNHEALTHY (the reason) hear what comes of it.

    What is unhealthy within the service's grace period after the start does not count.
    """
    for balancer in balancers_of(task):
        arn, port = balancer["targetGroupArn"], balancer["containerPort"]

        def changed(target: Any, arn: str = arn, port: int = port) -> None:
            task.targets[arn, port] = target.state
            if target.state == "healthy":
                healthy()
            elif target.state == "unhealthy" and not _in_grace(ecs, task):
                unhealthy(f"(port {port}) is unhealthy in (target-group {arn}) due to (reason "
                          f"{target.description})")

        task.targets[arn, port] = "initial"
        elb.target_register(ecs.world, ecs.account, ecs.region, arn, task.address, port, changed)


def _in_grace(ecs: Ecs, task: Task) -> bool:
    grace = task.service.fields.get("healthCheckGracePeriodSeconds", 0) if task.service else 0
    return bool(ecs.world.clock.now() < task.fields["startedAt"] + ecs.world.clock.span(grace))


def deregister(ecs: Ecs, task: Task) -> float:
    """Have a task's targets drain; how long ECS waits for that before it stops the containers."""
    seconds = [0.0]
    for (arn, port), state in task.targets.items():
        elb.target_deregister(ecs.world, ecs.account, ecs.region, arn, task.address, port)
        if state == "unused":  # nothing sends it requests that would have to end
            continue
        seconds.append(elb.drain_seconds(ecs.world, ecs.account, ecs.region, arn))
    return ecs.world.clock.span(max(seconds))
