"""Task definitions: what AWS refuses, what it adds, and how revisions count.

https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RegisterTaskDefinition.html
"""

from __future__ import annotations

import re
from typing import Any

from ..newborn import is_new_role
from ..registry import Call, paged
from .model import ACTIONS, NAME, Definition, Ecs, client_error, invalid
from .tags import tags_check

# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-cpu-memory-error.html
FARGATE: dict[int, list[int]] = {
    256: [512, 1024, 2048],
    512: list(range(1024, 4097, 1024)),
    1024: list(range(2048, 8193, 1024)),
    2048: list(range(4096, 16385, 1024)),
    4096: list(range(8192, 30721, 1024)),
    8192: list(range(16384, 61441, 4096)),
    16384: list(range(32768, 122881, 8192)),
}
TASK_MEMBERS = ("family", "taskRoleArn", "executionRoleArn", "networkMode", "volumes",
                "placementConstraints", "requiresCompatibilities", "cpu", "memory", "pidMode",
                "ipcMode", "proxyConfiguration", "inferenceAccelerators", "ephemeralStorage",
                "runtimePlatform", "enableFaultInjection")
ROLES = ("taskRoleArn", "executionRoleArn")
ROLE = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]{1,512}")
PRIVATE_IMAGE = re.compile(r"\d{12}\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com/")


def _units(text: str, gigabytes: bool) -> int:
    """Task-level cpu or memory: a number, or "1 vCPU", "2 GB"."""
    found = re.fullmatch(r"\s*([\d.]+)\s*(vCPU|GB)?\s*", text, re.IGNORECASE)
    if not found:
        raise client_error(f"Invalid '{'memory' if gigabytes else 'cpu'}' setting for task.")
    number = float(found.group(1))
    return int(number * 1024) if found.group(2) else int(number)


def definition_check(given: dict[str, Any]) -> None:
    """Raise ClientException for what RegisterTaskDefinition refuses."""
    if not NAME.fullmatch(given["family"]):
        raise client_error("Family contains invalid characters.")
    containers = given.get("containerDefinitions", [])
    if not containers:
        raise client_error("Container list cannot be empty.")
    names = [container.get("name") for container in containers]
    if len(set(names)) != len(names):
        raise client_error("Container.name contains duplicate values.")
    for container in containers:
        _container_check(given, container)
    if not any(container.get("essential", True) for container in containers):
        raise client_error("At least one essential container is required in a task definition.")
    for member in ROLES:
        if member in given and not ROLE.fullmatch(given[member]):
            raise client_error("Role is not valid")
    if "FARGATE" in given.get("requiresCompatibilities", []):
        _fargate_check(given)


def _container_check(given: dict[str, Any], container: dict[str, Any]) -> None:
    name = container.get("name", "")
    if not NAME.fullmatch(name):
        raise client_error("Container.name contains invalid characters.")
    if not container.get("image"):
        raise client_error("Container.image should not be null or empty.")
    if "memory" not in given and not ({"memory", "memoryReservation"} & container.keys()):
        raise client_error(f"Invalid setting for container '{name}'. At least one of 'memory' or "
                           "'memoryReservation' must be specified.")
    for port in container.get("portMappings", []):
        if (given.get("networkMode") == "awsvpc"
                and port.get("hostPort", port.get("containerPort")) != port.get("containerPort")):
            raise client_error("When networkMode=awsvpc, the host ports and container ports in "
                               "port mappings must match.")
    _secrets_check(container)
    _log_check(container.get("logConfiguration", {}))
    volumes = [volume.get("name") for volume in given.get("volumes", [])]
    for mount in container.get("mountPoints", []):
        if mount.get("sourceVolume") not in volumes:  # ansible/ansible#35751
            raise client_error(f"Unknown volume '{mount.get('sourceVolume')}'.")
    check = container.get("healthCheck", {})
    bounds = {"interval": (5, 300), "timeout": (2, 60), "retries": (1, 10), "startPeriod": (0, 300)}
    for member, (least, most) in bounds.items():
        if not least <= check.get(member, least) <= most:
            raise client_error(f"Container health check {member} must be between {least} and "
                               f"{most}.")
    for item in container.get("dependsOn", []):
        others = [c.get("name") for c in given["containerDefinitions"]]
        if item["containerName"] not in others or item["containerName"] == name:
            raise client_error(f"Container '{name}' depends on an unknown container.")


def _secrets_check(container: dict[str, Any]) -> None:
    """dagster-io/dagster#11622, CircleCI-Public/aws-ecs-orb#190."""
    names = [secret["name"] for secret in container.get("secrets", [])]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise client_error(f"Duplicate secret names found: {', '.join(twice)}. Each secret name "
                           "must be unique.")
    for variable in container.get("environment", []):
        if variable.get("name") in names:
            raise client_error("The secret name must be unique and not shared with any new or "
                               "existing environment variables set on the container, such as "
                               f"'{variable['name']}'.")


def _log_check(log: dict[str, Any]) -> None:
    """aws-cloudformation/cfn-lint#1787, terraform-linters/tflint-ruleset-aws#348."""
    if log.get("logDriver") != "awslogs":
        return
    options = log.get("options", {})
    missing = [name for name in ("awslogs-region", "awslogs-group") if name not in options]
    if missing:
        raise client_error(f"Log driver awslogs requires options: {', '.join(missing)}")
    if options.get("awslogs-create-group", "true") != "true":
        raise client_error("Log driver awslogs option 'awslogs-create-group' should only be set to "
                           "'true', else omit option.")


def _fargate_check(given: dict[str, Any]) -> None:
    if given.get("networkMode") != "awsvpc":
        raise client_error("Fargate only supports network mode ‘awsvpc’.")
    if "ipcMode" in given:  # cn-terraform/terraform-aws-ecs-fargate#2
        raise client_error("Tasks using the Fargate launch type do not support ipcMode.")
    if "cpu" not in given or "memory" not in given:
        raise client_error("Fargate requires that 'cpu' be defined at the task level."
                           if "cpu" not in given else
                           "Fargate requires that 'memory' be defined at the task level.")
    cpu, memory = _units(given["cpu"], False), _units(given["memory"], True)
    if memory not in FARGATE.get(cpu, []):
        raise client_error(f"No Fargate configuration exists for given values: {cpu} CPU, "
                           f"{memory} memory. See the Amazon ECS documentation for the valid "
                           "values.")
    needed = sum(c.get("memoryReservation", c.get("memory", 0))
                 for c in given["containerDefinitions"])
    if needed > memory or sum(c.get("cpu", 0) for c in given["containerDefinitions"]) > cpu:
        raise client_error("The sum of the containers' cpu and memory must not exceed the task's.")
    for container in given["containerDefinitions"]:
        if "executionRoleArn" in given:
            continue
        if PRIVATE_IMAGE.match(container["image"]):
            raise client_error("Fargate requires task definition to have execution role ARN to "
                               "support ECR images.")
        if container.get("logConfiguration", {}).get("logDriver") == "awslogs":
            raise client_error("Fargate requires task definition to have execution role ARN to "
                               "support log driver awslogs.")
        if container.get("secrets"):
            raise client_error("When you are specifying container secrets, you must also specify "
                               "a value for 'executionRoleArn'.")


def container_complete(container: dict[str, Any], awsvpc: bool) -> dict[str, Any]:
    """A container definition as DescribeTaskDefinition gives it: with what AWS adds.

    As seen in answers, e.g. hashicorp/terraform-provider-aws#11526 and ecspresso's diffs.
    """
    full: dict[str, Any] = {"cpu": 0, "essential": True, "portMappings": [], "environment": [],
                            "mountPoints": [], "volumesFrom": [], "systemControls": []}
    full.update(container)
    full["portMappings"] = [_port_complete(p, awsvpc) for p in full["portMappings"]]
    if "healthCheck" in full:
        full["healthCheck"] = {"interval": 30, "timeout": 5, "retries": 3, **full["healthCheck"]}
    return full


def _port_complete(port: dict[str, Any], awsvpc: bool) -> dict[str, Any]:
    host = port.get("containerPort") if awsvpc else 0
    return {"hostPort": host, "protocol": "tcp", **port}


def attributes_of(given: dict[str, Any]) -> list[dict[str, str]]:
    """requiresAttributes, as far as these definitions can bring them about."""
    names = {"com.amazonaws.ecs.capability.docker-remote-api.1.18"}
    if given.get("networkMode") == "awsvpc":
        names.add("ecs.capability.task-eni")
    if "taskRoleArn" in given:
        names.add("com.amazonaws.ecs.capability.task-iam-role")
    for container in given["containerDefinitions"]:
        if PRIVATE_IMAGE.match(container["image"]):
            names |= {"com.amazonaws.ecs.capability.ecr-auth",
                      "ecs.capability.execution-role-ecr-pull"}
        if container.get("logConfiguration", {}).get("logDriver") == "awslogs":
            names |= {"com.amazonaws.ecs.capability.logging-driver.awslogs",
                      "ecs.capability.execution-role-awslogs"}
        if "healthCheck" in container:
            names |= {"ecs.capability.container-health-check",
                      "com.amazonaws.ecs.capability.docker-remote-api.1.24"}
        if container.get("secrets"):
            names.add("ecs.capability.secrets.ssm.environment-variables")
    return [{"name": name} for name in sorted(names)]


@ACTIONS.action("RegisterTaskDefinition")
def register(call: Call) -> dict[str, Any]:
    """Always a new revision, also of what is already there."""
    ecs: Ecs = call.store(Ecs)
    given = call.input
    definition_check(given)
    if any(is_new_role(call.world, call.account, given[member]) for member in ROLES
           if member in given):
        raise client_error("Role is not valid")
    tags = tags_check(given.get("tags", []))
    family, awsvpc = given["family"], given.get("networkMode") == "awsvpc"
    revision = ecs.revisions[family] = ecs.revisions.get(family, 0) + 1
    fields: dict[str, Any] = {m: given[m] for m in TASK_MEMBERS if m in given}
    fields["volumes"] = given.get("volumes", [])
    fields["placementConstraints"] = given.get("placementConstraints", [])
    fields["containerDefinitions"] = [container_complete(c, awsvpc)
                                      for c in given["containerDefinitions"]]
    if "cpu" in fields:
        fields["cpu"] = str(_units(fields["cpu"], False))
    if "memory" in fields:
        fields["memory"] = str(_units(fields["memory"], True))
    arn = ecs.arn("task-definition", f"{family}:{revision}")
    fields.update(
        taskDefinitionArn=arn, revision=revision, status="ACTIVE", registeredAt=ecs.now(),
        registeredBy=call.principal, requiresAttributes=attributes_of(given),
        compatibilities=["EC2", "FARGATE"] if awsvpc and "cpu" in given and "memory" in given
        else ["EC2"])
    definition = Definition(arn, fields, tags)
    ecs.definitions.setdefault(family, {})[revision] = definition
    return {"taskDefinition": fields, "tags": tags}


@ACTIONS.action("DescribeTaskDefinition")
def describe(call: Call) -> dict[str, Any]:
    ecs: Ecs = call.store(Ecs)
    definition = ecs.definition_find(call.input["taskDefinition"])
    if definition is None:
        raise client_error("Unable to describe task definition.")
    answer: dict[str, Any] = {"taskDefinition": definition.fields}
    if "TAGS" in call.input.get("include", []):
        answer["tags"] = definition.tags
    return answer


@ACTIONS.action("DeregisterTaskDefinition")
def deregister(call: Call) -> dict[str, Any]:
    ecs: Ecs = call.store(Ecs)
    name = call.input["taskDefinition"]
    if ":" not in name.rpartition("/")[2]:
        raise client_error("The specified task definition is missing a revision.")
    definition = ecs.definition_find(name)
    if definition is None:
        raise client_error("The specified task definition does not exist.")
    if definition.fields["status"] == "ACTIVE":
        definition.fields.update(status="INACTIVE", deregisteredAt=ecs.now())
    return {"taskDefinition": definition.fields}


@ACTIONS.action("DeleteTaskDefinitions")
def delete(call: Call) -> dict[str, Any]:
    """INACTIVE revisions only; they are DELETE_IN_PROGRESS until no task or service uses them."""
    ecs: Ecs = call.store(Ecs)
    if len(call.input["taskDefinitions"]) > 10:
        raise invalid("taskDefinitions cannot have more than 10 elements.")
    gone, failures = [], []
    for name in call.input["taskDefinitions"]:
        definition = ecs.definition_find(name)
        if definition is None or definition.fields["status"] != "INACTIVE":
            failures.append({"arn": name, "reason": "MISSING" if definition is None else
                             "The specified task definition is still in ACTIVE status. Please "
                             "deregister the target and try again."})
            continue
        definition.fields.update(status="DELETE_IN_PROGRESS", deleteRequestedAt=ecs.now())
        gone.append(definition.fields)
        _collect(ecs, definition)
    return {"taskDefinitions": gone, "failures": failures}


def _collect(ecs: Ecs, definition: Definition) -> None:
    used = any(t.definition is definition and t.status != "STOPPED" for t in ecs.tasks.values())
    used = used or any(d.definition is definition for s in ecs.services.values()
                       if s.status != "INACTIVE" for d in s.deployments)
    if used:
        ecs.world.clock.after(60, lambda: _collect(ecs, definition))
    else:
        del ecs.definitions[definition.fields["family"]][definition.fields["revision"]]


@ACTIONS.action("ListTaskDefinitions")
def list_definitions(call: Call) -> dict[str, Any]:
    ecs: Ecs = call.store(Ecs)
    status = call.input.get("status", "ACTIVE")
    family = call.input.get("familyPrefix")
    arns = [d.arn for name in sorted(ecs.definitions) if family in (None, name)
            for _, d in sorted(ecs.definitions[name].items()) if d.fields["status"] == status]
    if call.input.get("sort") == "DESC":
        arns.reverse()
    page, more = paged(arns, call, "maxResults", "nextToken", 100, 100, invalid)
    return {"taskDefinitionArns": page, **more}


@ACTIONS.action("ListTaskDefinitionFamilies")
def list_families(call: Call) -> dict[str, Any]:
    """All of them, unless a status is asked for."""
    ecs: Ecs = call.store(Ecs)
    status = call.input.get("status", "ALL")

    def fits(family: str) -> bool:
        active = any(d.fields["status"] == "ACTIVE" for d in ecs.definitions[family].values())
        return status == "ALL" or active == (status == "ACTIVE")

    families = [name for name in sorted(ecs.definitions) if ecs.definitions[name]
                and name.startswith(call.input.get("familyPrefix", "")) and fits(name)]
    page, more = paged(families, call, "maxResults", "nextToken", 100, 100, invalid)
    return {"families": page, **more}
