"""Container instances: registered by their agents, with what is left on them for tasks.

https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContainerInstance.html
"""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..registry import Call, paged
from .model import ACTIONS, Cluster, Definition, Ecs, Task, client_error, invalid

if TYPE_CHECKING:
    from ..world import World


@dataclass
class Instance:
    """An instance; `fields` as the API gives it, without what its tasks leave."""

    arn: str
    cluster: Cluster
    fields: dict[str, Any]
    tasks: list[Task] = field(default_factory=list)


class Instances:
    """Those of an account and region, by ARN."""

    def __init__(self, world: World, account: str, region: str) -> None:
        self.all: dict[str, Instance] = {}

    def of(self, cluster: Cluster) -> list[Instance]:
        return [i for i in self.all.values() if i.cluster is cluster]


def instances_of(ecs: Ecs) -> Instances:
    return ecs.world.store(Instances, ecs.account, ecs.region)


def size(definition: Definition) -> tuple[int, int]:
    """What a task takes: its own size, or its containers' together."""
    fields, containers = definition.fields, definition.containers
    cpu = fields.get("cpu") or sum(c.get("cpu", 0) for c in containers)
    memory = fields.get("memory") or sum(
        c.get("memoryReservation", c.get("memory", 0)) for c in containers)
    return int(cpu), int(memory)


def ports(definition: Definition) -> set[str]:
    if definition.fields.get("networkMode") == "awsvpc":
        return set()
    return {str(p["hostPort"]) for c in definition.containers
            for p in c.get("portMappings", []) if p.get("hostPort")}


def left(instance: Instance) -> tuple[int, int, set[str]]:
    """Cpu units and MiB that tasks leave, and the ports that are taken."""
    registered = {r["name"]: r for r in instance.fields["registeredResources"]}
    cpu = registered["CPU"]["integerValue"]
    memory = registered["MEMORY"]["integerValue"]
    taken = set(registered.get("PORTS", {}).get("stringSetValue", []))
    for task in instance.tasks:
        if task.status != "STOPPED":
            units, mib = size(task.definition)
            cpu, memory, taken = cpu - units, memory - mib, taken | ports(task.definition)
    return cpu, memory, taken


def find_room(ecs: Ecs, cluster: Cluster, definition: Definition) -> Instance | None:
    units, mib = size(definition)
    for instance in instances_of(ecs).of(cluster):
        cpu, memory, taken = left(instance)
        if (instance.fields["status"] == "ACTIVE" and instance.fields["agentConnected"]
                and cpu >= units and memory >= mib and not taken & ports(definition)):
            return instance
    return None


def show(instance: Instance) -> dict[str, Any]:
    cpu, memory, taken = left(instance)
    live = [t for t in instance.tasks if t.status != "STOPPED"]
    running = sum(t.status == "RUNNING" for t in live)
    resources = copy.deepcopy(instance.fields["registeredResources"])
    for resource in resources:
        if resource["name"] in ("CPU", "MEMORY"):
            resource["integerValue"] = cpu if resource["name"] == "CPU" else memory
        elif resource["name"] == "PORTS":
            resource["stringSetValue"] = sorted(taken)
    return {**instance.fields, "remainingResources": resources, "runningTasksCount": running,
            "pendingTasksCount": len(live) - running}


@ACTIONS.action("RegisterContainerInstance")
def register(call: Call) -> dict[str, Any]:
    """"This action is only used by the Amazon ECS agent": API_RegisterContainerInstance."""
    ecs: Ecs = call.store(Ecs)
    given = call.input
    cluster = ecs.cluster(given.get("cluster"))
    arn = ecs.arn("container-instance", cluster.name, ecs.world.hex(32))
    identity = json.loads(given.get("instanceIdentityDocument") or "{}")
    fields = {"containerInstanceArn": arn, "version": 1, "status": "ACTIVE",
              "ec2InstanceId": identity.get("instanceId", f"i-{ecs.world.hex(17)}"),
              "agentConnected": True, "registeredResources": given["totalResources"],
              "attributes": given.get("attributes", []), "registeredAt": ecs.now(),
              "attachments": [], "tags": given.get("tags", [])}
    instance = Instance(arn, cluster, fields)
    instances_of(ecs).all[arn] = instance
    return {"containerInstance": show(instance)}


def found(call: Call, cluster: Cluster, name: str) -> Instance | None:
    ecs: Ecs = call.store(Ecs)
    arn = name if name.startswith("arn:") else ecs.arn("container-instance", cluster.name, name)
    instance = instances_of(ecs).all.get(arn)
    return instance if instance and instance.cluster is cluster else None


@ACTIONS.action("DeregisterContainerInstance")
def deregister(call: Call) -> dict[str, Any]:
    ecs: Ecs = call.store(Ecs)
    cluster = ecs.cluster(call.input.get("cluster"))
    instance = found(call, cluster, call.input["containerInstance"])
    if instance is None:
        raise invalid("Referenced container instance not found.")
    if any(t.status != "STOPPED" for t in instance.tasks) and not call.input.get("force"):
        raise invalid("Found running tasks on the instance.")
    instance.fields["status"] = "INACTIVE"
    del instances_of(ecs).all[instance.arn]
    return {"containerInstance": show(instance)}


@ACTIONS.action("ListContainerInstances")
def list_instances(call: Call) -> dict[str, Any]:
    """ACTIVE and DRAINING ones, unless a status is asked for."""
    ecs: Ecs = call.store(Ecs)
    wanted = call.input.get("status")
    arns = [i.arn for i in instances_of(ecs).of(ecs.cluster(call.input.get("cluster")))
            if i.fields["status"] in ((wanted,) if wanted else ("ACTIVE", "DRAINING"))]
    page, more = paged(arns, call, "maxResults", "nextToken", 100, 100, invalid)
    return {"containerInstanceArns": page, **more}


@ACTIONS.action("DescribeContainerInstances")
def describe_instances(call: Call) -> dict[str, Any]:
    ecs: Ecs = call.store(Ecs)
    cluster = ecs.cluster(call.input.get("cluster"))
    names = call.input["containerInstances"]
    if not names:
        raise invalid("Container instances cannot be empty.")
    if len(names) > 100:
        raise invalid("Container instances cannot have more than 100 elements.")
    shown, failures = [], []
    for name in names:
        instance = found(call, cluster, name)
        if instance:
            shown.append(show(instance))
        else:
            short = name.rpartition("/")[2]
            failures.append({"arn": ecs.arn("container-instance", short), "reason": "MISSING"})
    return {"containerInstances": shown, "failures": failures}


@ACTIONS.action("UpdateContainerInstancesState")
def update_state(call: Call) -> dict[str, Any]:
    ecs: Ecs = call.store(Ecs)
    cluster = ecs.cluster(call.input.get("cluster"))
    if call.input["status"] not in ("ACTIVE", "DRAINING"):
        raise client_error("Container instance status should be one of [ACTIVE,DRAINING]")
    changed = [found(call, cluster, name) for name in call.input["containerInstances"]]
    for instance in changed:
        if instance:
            instance.fields["status"] = call.input["status"]
    return {"containerInstances": [show(i) for i in changed if i], "failures": []}
