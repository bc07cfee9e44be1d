"""A task from PROVISIONING to STOPPED, with its network interface and its Cloud Map instance.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-lifecycle-explanation.html
"""

from __future__ import annotations

import re
from typing import Any

from .. import cloudmap, ec2
from . import logging, scheduler, targets
from .model import Cluster, Definition, Deployment, Ecs, Service, Task

# Stopped tasks stay visible for an hour:
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-errors.html
KEPT_SECONDS = 3600.0
ECR_IMAGE = re.compile(r"(\d{12})\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com/([^@:]+)"
                       r"(?:@(sha256:[0-9a-f]{64})|:(.+))?")


def task_create(ecs: Ecs, cluster: Cluster, definition: Definition, settings: dict[str, Any],
                tags: list[dict[str, str]], started_by: str, group: str,
                service: Service | None = None, deployment: Deployment | None = None) -> Task:
    """A new task that PROVISIONs; SETTINGS are those of a service revision (or RunTask)."""
    now, arn = ecs.now(), ecs.arn("task", cluster.name, ecs.world.hex(32))
    network = settings.get("networkConfiguration", {}).get("awsvpcConfiguration", {})
    fields: dict[str, Any] = {
        "taskArn": arn, "clusterArn": cluster.arn, "taskDefinitionArn": definition.arn,
        "group": group, "createdAt": now, "desiredStatus": "RUNNING",
        "lastStatus": "PROVISIONING", "healthStatus": "UNKNOWN", "launchType": "FARGATE",
        "platformVersion": "1.4.0", "platformFamily": "Linux", "connectivity": "CONNECTED",
        "cpu": definition.fields.get("cpu", "256"), "version": 1,
        "memory": definition.fields.get("memory", "512"), "attachments": [],
        "enableExecuteCommand": settings.get("enableExecuteCommand", False), "attributes": [],
        "ephemeralStorage": {"sizeInGiB": 20}, "overrides": {"containerOverrides": []},
        "containers": [_container(ecs, arn, cluster, c) for c in definition.containers],
    }
    if started_by:
        fields["startedBy"] = started_by
    task = Task(arn, cluster, definition, fields, tags, service, deployment)
    ecs.tasks[arn] = task
    if network:
        _attach(ecs, task, network)
    clock = ecs.world.clock
    clock.after(clock.duration("task.provisioning"), lambda: _pending(ecs, task))
    return task


def _container(ecs: Ecs, task_arn: str, cluster: Cluster, definition: dict[str, Any],
               ) -> dict[str, Any]:
    task_id = task_arn.rpartition("/")[2]
    return {"containerArn": ecs.arn("container", cluster.name, task_id, ecs.world.uuid()),
            "taskArn": task_arn, "name": definition["name"], "image": definition["image"],
            "lastStatus": "PENDING", "networkInterfaces": [], "healthStatus": "UNKNOWN",
            "cpu": str(definition.get("cpu", 0))}


def _attach(ecs: Ecs, task: Task, network: dict[str, Any]) -> None:
    """A network interface in one of the subnets, the tasks of a service spread over them."""
    subnets = network["subnets"]
    subnet = subnets[len(task.service.tasks if task.service else []) % len(subnets)]
    task.groups = network.get("securityGroups", [])
    attachment = ecs.world.uuid()
    interface = ec2.interface_create(
        ecs.account, ecs.region, subnet, task.groups,
        f"arn:aws:ecs:{ecs.region}:{ecs.account}:attachment/{attachment}")
    task.interface, task.address = interface.id, interface.private_ip_address or ""
    task.fields["availabilityZone"] = interface.availability_zone
    task.fields["attachments"] = [{
        "id": attachment, "type": "ElasticNetworkInterface", "status": "ATTACHED",
        "details": [{"name": "subnetId", "value": subnet},
                    {"name": "networkInterfaceId", "value": interface.id},
                    {"name": "macAddress", "value": interface.mac_address},
                    {"name": "privateIPv4Address", "value": task.address}]}]
    for container in task.fields["containers"]:
        container["networkInterfaces"] = [{"attachmentId": attachment,
                                           "privateIpv4Address": task.address}]


def _move(task: Task, status: str) -> None:
    task.fields["lastStatus"] = status
    task.fields["version"] += 1


def _pending(ecs: Ecs, task: Task) -> None:
    if not task.wanted:
        return
    _move(task, "PENDING")
    task.fields.update(connectivityAt=ecs.now(), pullStartedAt=ecs.now())
    clock = ecs.world.clock
    clock.after(clock.duration("task.pending"), lambda: _running(ecs, task))


def _running(ecs: Ecs, task: Task) -> None:
    if not task.wanted:
        return
    reason = start_fault(ecs, task)
    if reason:
        for container in task.fields["containers"]:
            container["reason"] = reason[:1024]
        task_fail(ecs, task, "TaskFailedToStart", reason)
        return
    _move(task, "RUNNING")
    task.fields.update(startedAt=ecs.now(), pullStoppedAt=ecs.now())
    for container in task.fields["containers"]:
        container.update(lastStatus="RUNNING", runtimeId=f"{task.id}-{ecs.world.digits(10)}")
    logging.task_started(ecs, task)
    logging.containers_write(ecs, task, service_fault(ecs, task, "writes"))
    _register(ecs, task)
    targets.register(ecs, task, lambda: _target_healthy(ecs, task),
                     lambda why: _target_unhealthy(ecs, task, why))
    _await_health(ecs, task)
    if task.service:
        scheduler.reconcile(ecs, task.service)


def _target_healthy(ecs: Ecs, task: Task) -> None:
    if task.service and task.wanted:
        scheduler.reconcile(ecs, task.service)


def _target_unhealthy(ecs: Ecs, task: Task, why: str) -> None:
    """The scheduler stops it and starts another."""
    if task.service and task.wanted:
        scheduler.event(ecs, task.service, f"(task {task.id}) {why}.")
        task_fail(ecs, task, "ServiceSchedulerInitiated", "Task failed ELB health checks in "
                  + why.partition(" in ")[2].partition(" due to")[0])


def _await_health(ecs: Ecs, task: Task) -> None:
    clock = ecs.world.clock
    never = service_fault(ecs, task, "unhealthy") is not None
    crash = service_fault(ecs, task, "crash")
    if crash is not None:
        clock.after(clock.span(float(crash.get("seconds", 5))), lambda: task_fail(
            ecs, task, "EssentialContainerExited", "Essential container in task exited",
            int(crash.get("code", 1)), counts=False))
        return
    if not task.has_health_check:
        if never:
            clock.after(5, lambda: task_fail(ecs, task, "EssentialContainerExited",
                                             "Essential container in task exited", 1))
    elif never:
        check = next(c["healthCheck"] for c in task.definition.containers if "healthCheck" in c)
        patience = check.get("startPeriod", 0) + check["interval"] * check["retries"]
        clock.after(patience, lambda: _health(ecs, task, "UNHEALTHY"))
    else:
        clock.after(clock.duration("task.healthy"), lambda: _health(ecs, task, "HEALTHY"))


def service_fault(ecs: Ecs, task: Task, state: str) -> dict[str, Any] | None:
    """The rule that sets a state of the world for the tasks of this one's service."""
    if task.service is None:
        return None
    return ecs.world.faults.found(
        state, "ecs", serviceName=task.service.name, cluster=task.cluster.name,
        taskDefinition=task.definition.arn, family=task.definition.fields["family"])


def _health(ecs: Ecs, task: Task, status: str) -> None:
    if not task.wanted or task.status != "RUNNING":
        return
    task.fields["healthStatus"] = status
    task.fields["version"] += 1
    for container, definition in zip(task.fields["containers"], task.definition.containers):
        if "healthCheck" in definition:
            container["healthStatus"] = status
    if status == "UNHEALTHY":
        if task.service:
            scheduler.event(ecs, task.service, f"(task {task.id}) failed container health checks.")
        task_fail(ecs, task, "ServiceSchedulerInitiated", "Task failed container health checks")
    elif task.service:
        scheduler.reconcile(ecs, task.service)


def task_fail(ecs: Ecs, task: Task, code: str, reason: str, exit_code: int | None = None,
              counts: bool = True) -> None:
    """A task that ends by itself; its service takes note."""
    if not task.wanted:
        return
    was_healthy = task.healthy and task.has_health_check
    task_stop(ecs, task, code, reason, exit_code)
    if task.service and task.deployment:
        scheduler.task_failed(ecs, task.service, task.deployment, was_healthy, counts)


def task_stop(ecs: Ecs, task: Task, code: str, reason: str, exit_code: int | None = None) -> None:
    """Begin to stop a task, whatever state it is in."""
    if not task.wanted:
        return
    task.fields.update(desiredStatus="STOPPED", stopCode=code, stoppedReason=reason,
                       stoppingAt=ecs.now())
    started = task.status == "RUNNING"
    clock = ecs.world.clock
    if not started:
        _move(task, "DEPROVISIONING")
        clock.after(clock.duration("task.deprovisioning"),
                    lambda: _stopped(ecs, task, exit_code, started))
        return
    _move(task, "DEACTIVATING")

    def stopping() -> None:
        _move(task, "STOPPING")
        clock.after(clock.duration("task.stopping"), deprovisioning)
        if task.service:
            scheduler.drain_check(task.service)

    def deprovisioning() -> None:
        _move(task, "DEPROVISIONING")
        task.fields["executionStoppedAt"] = ecs.now()
        clock.after(clock.duration("task.deprovisioning"),
                    lambda: _stopped(ecs, task, exit_code, started))

    drain = targets.deregister(ecs, task)
    if drain and task.service:
        scheduler.event(ecs, task.service, "has begun draining connections on 1 tasks.")
    clock.after(clock.duration("task.deactivating") + drain, stopping)


def _stopped(ecs: Ecs, task: Task, exit_code: int | None, started: bool) -> None:
    _move(task, "STOPPED")
    task.fields["stoppedAt"] = ecs.now()
    for container in task.fields["containers"]:
        container["lastStatus"] = "STOPPED"
        if started:
            container["exitCode"] = exit_code if exit_code is not None else 0
    for attachment in task.fields["attachments"]:
        attachment["status"] = "DELETED"
    clock = ecs.world.clock
    clock.after(clock.duration("task.interface"), lambda: _detach(ecs, task))
    if started:
        clock.after(clock.duration("task.deregister"), lambda: _deregister(ecs, task))
    clock.after(clock.kept(KEPT_SECONDS), lambda: _forget(ecs, task))
    if task.service:
        scheduler.drain_check(task.service)


def _detach(ecs: Ecs, task: Task) -> None:
    if task.interface:
        ec2.interface_delete(ecs.account, ecs.region, task.interface)
        task.interface = None


def _forget(ecs: Ecs, task: Task) -> None:
    ecs.tasks.pop(task.arn, None)
    if task.service and task in task.service.tasks:
        task.service.tasks.remove(task)


def _registries(task: Task) -> list[dict[str, Any]]:
    return task.deployment.revision.get("serviceRegistries", []) if task.deployment else []


def _register(ecs: Ecs, task: Task) -> None:
    """ECS registers the task's address under the task's id.

    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-discovery.html
    """
    for registry in _registries(task):
        cloudmap.instance_register(
            ecs.world, ecs.account, ecs.region, registry["registryArn"], task.id, {
                "AWS_INSTANCE_IPV4": task.address, "AVAILABILITY_ZONE":
                    task.fields.get("availabilityZone", ""), "REGION": ecs.region,
                "ECS_CLUSTER_NAME": task.cluster.name,
                "ECS_SERVICE_NAME": task.service.name if task.service else "",
                "ECS_TASK_DEFINITION_FAMILY": task.definition.fields["family"],
                "AWS_INIT_HEALTH_STATUS": "HEALTHY"})


def _deregister(ecs: Ecs, task: Task) -> None:
    for registry in _registries(task):
        cloudmap.instance_deregister(ecs.world, ecs.account, ecs.region, registry["registryArn"],
                                     task.id)


def start_fault(ecs: Ecs, task: Task) -> str:
    """Why the task cannot start, in AWS's words, or ''.

    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-error-codes.html
    """
    for container in task.definition.containers:
        reason = (_image_fault(ecs, container["image"]) or _log_fault(ecs, container)
                  or _secret_fault(ecs, container))
        if reason:
            return reason
    return ""


def role_fault(ecs: Ecs, definition: Definition) -> str:
    """Why no task of a service can be launched at all, in AWS's words, or ''.

    https://github.com/boto/boto3/issues/1878
    """
    from moto.iam.models import iam_backends
    known = {role.arn for role in iam_backends[ecs.account]["aws"].roles.values()}
    for member in ("executionRoleArn", "taskRoleArn"):
        arn = definition.fields.get(member)
        if arn is not None and arn not in known:
            return (f"ECS was unable to assume the role '{arn}' that was provided for this task. "
                    "Please verify that the role being passed has the proper trust relationship "
                    "and permissions and that your IAM user has permissions to pass this role.")
    return ""


def _image_fault(ecs: Ecs, image: str) -> str:
    from ..ecr import Ecr
    found = ECR_IMAGE.fullmatch(image)
    if not found:
        return ""
    account, region, name, digest, tag = found.groups()
    registry = ecs.world.store(Ecr, account, region)
    repository = registry.repositories.get(name)
    if repository and repository.image_find({"imageDigest": digest} if digest else
                                            {"imageTag": tag or "latest"}):
        return ""
    return (f"CannotPullContainerError: failed to resolve reference \"{image}\": {image}: not "
            "found" if repository else "CannotPullContainerError: pull image manifest has been "
            f"retried 1 time(s): {image}: name unknown: The repository with name '{name}' does "
            "not exist in the registry")


def _log_fault(ecs: Ecs, container: dict[str, Any]) -> str:
    from moto.logs.models import logs_backends
    log = container.get("logConfiguration", {})
    options = log.get("options", {})
    if log.get("logDriver") != "awslogs" or options.get("awslogs-create-group") == "true":
        return ""
    region = options.get("awslogs-region", ecs.region)
    if options.get("awslogs-group") in logs_backends[ecs.account][region].groups:
        return ""
    return ("ResourceInitializationError: failed to validate logger args: create stream has been "
            "retried 1 times: failed to create Cloudwatch log stream: ResourceNotFoundException: "
            "The specified log group does not exist. : exit status 1")


def _secret_fault(ecs: Ecs, container: dict[str, Any]) -> str:
    from moto.secretsmanager.models import secretsmanager_backends
    from moto.ssm.models import ssm_backends
    for secret in container.get("secrets", []):
        source = secret["valueFrom"]
        if ":secretsmanager:" in source:
            name = re.sub(r"-\w{6}$", "", source.split(":secret:")[1].split(":")[0])
            known = secretsmanager_backends[ecs.account][ecs.region].secrets
            missing = name not in known and source.split(":secret:")[1] not in known
        else:
            name = source.split(":parameter")[1] if source.startswith("arn:") else source
            ssm = ssm_backends[ecs.account][ecs.region]
            missing = ssm.get_parameter(name) is None and \
                ssm.get_parameter(name.lstrip("/")) is None
        if missing:
            return ("ResourceInitializationError: unable to pull secrets or registry auth: "
                    f"execution resource retrieval failed: invalid parameters: {source}")
    return ""
