"""The service scheduler: rolling deployments, steady state, the circuit breaker, draining.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-type-ecs.html
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-circuit-breaker.html
"""

from __future__ import annotations

import math
from typing import Any

from . import instances, lifecycle
from .model import Definition, Deployment, Ecs, Service, Task

# What makes a service revision: a change to one of these makes a new deployment. Each is marked
# so in https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_UpdateService.html
REVISION = ("networkConfiguration", "platformVersion", "loadBalancers", "serviceRegistries",
            "serviceConnectConfiguration", "volumeConfigurations", "vpcLatticeConfigurations")


def event(ecs: Ecs, service: Service, message: str) -> None:
    """Newest first; the API shows the last hundred."""
    service.events.insert(0, {"id": ecs.world.uuid(), "createdAt": ecs.now(),
                              "message": f"(service {service.name}) {message}"})
    del service.events[100:]


def deployment_create(ecs: Ecs, service: Service, definition: Definition) -> Deployment:
    """Make a new PRIMARY deployment of the service's present settings."""
    now = ecs.now()
    revision = {m: service.fields[m] for m in REVISION if m in service.fields}
    deployment = Deployment(f"ecs-svc/{ecs.world.digits(19)}", service, definition, revision,
                            now, now)
    deployment.reason = f"ECS deployment {deployment.id} in progress."
    for older in service.deployments:
        if older.status == "PRIMARY":
            older.status, older.updated = "ACTIVE", now
            if older.rollout == "IN_PROGRESS":
                _record_end(ecs, older.rolled_back or older, "STOPPED",
                            "The deployment was replaced by a newer one.")
    service.deployments.insert(0, deployment)
    service.history.insert(0, deployment)
    service.fields["taskDefinition"] = definition.arn
    deployment.record = _record_create(ecs, service, deployment)
    schedule(ecs, service)
    return deployment


def _record_create(ecs: Ecs, service: Service, deployment: Deployment) -> dict[str, Any]:
    name = f"service-deployment/{service.cluster.name}/{service.name}/{ecs.world.letters(21)}"
    sources = [{"arn": d.revision_arn} for d in service.deployments[1:]]
    return {"serviceDeploymentArn": f"arn:aws:ecs:{ecs.region}:{ecs.account}:{name}",
            "serviceArn": service.arn, "clusterArn": service.cluster.arn,
            "createdAt": ecs.now(), "startedAt": ecs.now(), "updatedAt": ecs.now(),
            "sourceServiceRevisions": sources,
            "targetServiceRevision": {"arn": deployment.revision_arn},
            "status": "IN_PROGRESS",
            "deploymentConfiguration": service.fields["deploymentConfiguration"]}


def _record_end(ecs: Ecs, deployment: Deployment, status: str, reason: str) -> None:
    record, now = deployment.record, ecs.now()
    record.update(status=status, updatedAt=now, finishedAt=now)
    if reason:
        record["statusReason"] = reason
    if status.startswith("STOPPED"):
        record["stoppedAt"] = now


def schedule(ecs: Ecs, service: Service) -> None:
    """Have the scheduler look at the service, in its own time."""
    clock = ecs.world.clock
    clock.after(clock.duration("service.schedule"), lambda: reconcile(ecs, service))


def reconcile(ecs: Ecs, service: Service) -> None:
    """Start and stop tasks until the service is as it should be, as far as is allowed now."""
    if service.status != "ACTIVE" or service.primary.rollout == "FAILED":
        return
    _stop_surplus(ecs, service)
    _start_missing(ecs, service)
    _stop_older(ecs, service)
    _steady_check(ecs, service)


def _live(service: Service, deployment: Deployment | None = None) -> list[Task]:
    return [t for t in service.tasks
            if t.wanted and (deployment is None or t.deployment is deployment)]


def _stop_surplus(ecs: Ecs, service: Service) -> None:
    live = _live(service, service.primary)
    surplus = sorted(live, key=lambda t: t.healthy)[:max(0, len(live) - service.desired)]
    _stop(ecs, service, surplus, f"Scaling activity initiated by (deployment {service.primary.id})")


def _stop(ecs: Ecs, service: Service, tasks: list[Task], reason: str) -> None:
    for task in tasks:
        lifecycle.task_stop(ecs, task, "ServiceSchedulerInitiated", reason)
    if tasks:
        names = " ".join(f"(task {task.id})" for task in tasks)
        event(ecs, service, f"has stopped {len(tasks)} running tasks: {names}.")


def _start_missing(ecs: Ecs, service: Service) -> None:
    primary = service.primary
    share = service.fields["deploymentConfiguration"].get("maximumPercent", 200)
    room = math.floor(service.desired * share / 100) - len(_live(service))
    missing = min(service.desired - len(_live(service, primary)), room)
    if missing <= 0:
        return
    if ecs.world.clock.now() < primary.next_start:  # task_failed has set an alarm
        return
    if _is_unplaced(ecs, service) or _is_unlaunched(ecs, service):
        return
    started = []
    for _ in range(missing):
        instance = None if is_fargate(service) else _instance_find(ecs, service)
        if instance is None and not is_fargate(service):
            break
        task = lifecycle.task_create(
            ecs, service.cluster, primary.definition, {**service.fields, **primary.revision},
            _task_tags(service, primary.definition), primary.id, f"service:{service.name}",
            service, primary)
        service.tasks.append(task)
        if instance:
            task.fields.update(launchType="EC2", containerInstanceArn=instance.arn)
            instance.tasks.append(task)
        started.append(f"(task {task.id})")
    if started:
        event(ecs, service, f"has started {len(started)} tasks: {' '.join(started)}.")


def _is_unplaced(ecs: Ecs, service: Service) -> bool:
    """Fargate has no capacity, or a quota is used up; the service tries again in its own time."""
    rule = ecs.world.faults.found("unplaced", "ecs", serviceName=service.name)
    if rule is not None:
        event(ecs, service, f"was unable to place a task. Reason: {rule.get('message', 'none')}.")
        ecs.world.clock.after(30.0, lambda: reconcile(ecs, service))
    return rule is not None


def _is_unlaunched(ecs: Ecs, service: Service) -> bool:
    """A role is missing: no task is made, an event tells of it, and another try comes 30 s later.

    https://github.com/pulumi/pulumi-awsx/issues/927
    """
    reason = lifecycle.role_fault(ecs, service.primary.definition)
    if reason:
        event(ecs, service, f"failed to launch a task with (error {reason}).")
        ecs.world.clock.after(30.0, lambda: reconcile(ecs, service))
    return bool(reason)


def _instance_find(ecs: Ecs, service: Service) -> instances.Instance | None:
    """Where another task has room; without, the service says so and tries again in its own time.

    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-event-messages-list.html
    """
    found = instances.find_room(ecs, service.cluster, service.primary.definition)
    if found is None:
        known = instances.instances_of(ecs).of(service.cluster)
        event(ecs, service, "was unable to place a task because no container instance met all of "
              "its requirements. Reason: " + (
                  "The closest matching container-instance has insufficient resources available."
                  if known else "No Container Instances were found in your cluster."))
        if known:
            ecs.world.clock.after(30.0, lambda: reconcile(ecs, service))
    return found


def is_fargate(service: Service) -> bool:
    providers = {p["capacityProvider"] for p in service.fields.get("capacityProviderStrategy", [])}
    return service.fields.get("launchType") == "FARGATE" or bool(
        providers & {"FARGATE", "FARGATE_SPOT"})


def _task_tags(service: Service, definition: Definition) -> list[dict[str, str]]:
    """https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-using-tags.html"""
    origin = service.fields.get("propagateTags", "NONE")
    tags = list(service.tags if origin == "SERVICE" else
                definition.tags if origin == "TASK_DEFINITION" else [])
    if service.fields.get("enableECSManagedTags"):
        tags += [{"key": "aws:ecs:clusterName", "value": service.cluster.name},
                 {"key": "aws:ecs:serviceName", "value": service.name}]
    return tags


def _stop_older(ecs: Ecs, service: Service) -> None:
    """Stop tasks of older deployments, as far as enough healthy ones remain."""
    share = service.fields["deploymentConfiguration"].get("minimumHealthyPercent", 100)
    needed = math.ceil(service.desired * share / 100)
    live = _live(service)
    healthy = sum(task.healthy for task in live)
    stopped = []
    for task in live:
        if task.deployment is service.primary:
            continue
        if task.healthy:
            if healthy <= needed:
                continue
            healthy -= 1
        stopped.append(task)
    _stop(ecs, service, stopped,
          f"Scaling activity initiated by (deployment {service.primary.id})")
    if stopped:
        _start_missing(ecs, service)


def _is_steady(service: Service) -> bool:
    live = _live(service)
    return len(live) == service.desired and all(
        task.deployment is service.primary and task.healthy for task in live)


def _steady_check(ecs: Ecs, service: Service) -> None:
    primary = service.primary
    if primary.rollout != "IN_PROGRESS" or service.steady_at is not None \
            or not _is_steady(service):
        return
    clock = ecs.world.clock
    service.steady_at = clock.now() + clock.duration("service.steady")
    clock.after(clock.duration("service.steady"), lambda: _complete(ecs, service, primary))


def _complete(ecs: Ecs, service: Service, deployment: Deployment) -> None:
    service.steady_at = None
    if service.status != "ACTIVE":
        return
    if deployment is not service.primary or not _is_steady(service):
        reconcile(ecs, service)
        return
    deployment.rollout, deployment.updated = "COMPLETED", ecs.now()
    deployment.failed_in_a_row = 0
    if deployment.rolled_back:
        _record_end(ecs, deployment.rolled_back, "ROLLBACK_SUCCESSFUL", "")
        deployment.rolled_back = None
    else:
        deployment.reason = f"ECS deployment {deployment.id} completed."
        _record_end(ecs, deployment, "SUCCESSFUL", "")
    del service.deployments[1:]
    event(ecs, service, f"(deployment {deployment.id}) deployment completed.")
    event(ecs, service, "has reached a steady state.")


def task_failed(ecs: Ecs, service: Service, deployment: Deployment, was_healthy: bool,
                counts: bool = True) -> None:
    """A task ended by itself: count it, trip the breaker, or try again a little later.

    One that has run and exits is none that the breaker counts (`counts`): "failedTasks" of
    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Deployment.html

    The delay between attempts grows:
    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-throttle-logic.html
    """
    if service.status != "ACTIVE" or deployment is not service.primary:
        return
    if was_healthy:
        deployment.failed_in_a_row = 0
    else:
        deployment.failed += counts
        deployment.failed_in_a_row += 1
    breaker = service.fields["deploymentConfiguration"].get("deploymentCircuitBreaker", {})
    if (breaker.get("enable") and deployment.rollout == "IN_PROGRESS"
            and deployment.failed >= breaker_threshold(service.desired)):
        _trip(ecs, service, deployment, breaker.get("rollback", False))
        return
    if deployment.failed_in_a_row:
        delay = min(900.0, 5.0 * 2 ** (deployment.failed_in_a_row - 1))
        deployment.next_start = ecs.world.clock.now() + delay
        if deployment.failed_in_a_row == 4:
            event(ecs, service, "is unable to consistently start tasks successfully. For more "
                  "information, see the Troubleshooting section.")
        ecs.world.clock.after(delay, lambda: reconcile(ecs, service))
    else:
        schedule(ecs, service)


def breaker_threshold(desired: int) -> int:
    return min(200, max(3, math.ceil(desired * 0.5)))


def _rollback_target(service: Service) -> Deployment | None:
    """The last deployment that was COMPLETED: ACTIVE until a newer one is."""
    return next((d for d in service.deployments[1:] if d.rollout == "COMPLETED"), None)


def _trip(ecs: Ecs, service: Service, deployment: Deployment, rollback: bool) -> None:
    reason = "ECS deployment circuit breaker: tasks failed to start."
    deployment.rollout, deployment.reason, deployment.updated = "FAILED", reason, ecs.now()
    event(ecs, service, f"(deployment {deployment.id}) deployment failed: tasks failed to start.")
    deployment.record["deploymentCircuitBreaker"] = {
        "status": "TRIGGERED", "failureCount": deployment.failed,
        "threshold": breaker_threshold(service.desired)}
    _stop(ecs, service, _live(service, deployment), "Task stopped by the circuit breaker")
    if deployment.rolled_back:
        _record_end(ecs, deployment.rolled_back, "ROLLBACK_FAILED", reason)
    elif rollback:
        roll_back(ecs, service, deployment, reason)
    else:
        _record_end(ecs, deployment, "STOPPED", reason)


def roll_back(ecs: Ecs, service: Service, deployment: Deployment, reason: str) -> None:
    """Make the last COMPLETED deployment PRIMARY again; without one the rollback fails."""
    target, now = _rollback_target(service), ecs.now()
    deployment.rollout, deployment.updated = "FAILED", now
    if target is None:
        _record_end(ecs, deployment, "ROLLBACK_FAILED",
                    reason + " No rollback candidate was found to run the rollback.")
        return
    deployment.record.update(
        status="ROLLBACK_IN_PROGRESS", updatedAt=now, statusReason=reason,
        rollback={"reason": reason, "startedAt": now, "serviceRevisionArn": target.revision_arn})
    deployment.status, target.status = "ACTIVE", "PRIMARY"
    target.rollout, target.rolled_back, target.updated = "IN_PROGRESS", deployment, now
    target.failed = target.failed_in_a_row = 0
    target.reason = f"ECS deployment circuit breaker: rolling back to deploymentId {target.id}."
    service.deployments.remove(target)
    service.deployments.insert(0, target)
    for member in REVISION:
        service.fields.pop(member, None)
    service.fields.update(target.revision, taskDefinition=target.definition.arn)
    service.steady_at = None
    event(ecs, service, f"rolling back to deployment {target.id}.")
    schedule(ecs, service)


def drain_check(service: Service) -> None:
    """DRAINING ends when every task is STOPPING or STOPPED (API_DeleteService)."""
    if service.status == "DRAINING" and all(
            t.status in ("STOPPING", "DEPROVISIONING", "STOPPED") for t in service.tasks):
        service.status = "INACTIVE"
        service.deployments.clear()
