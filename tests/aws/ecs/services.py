"""Services. https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Service.html"""

from __future__ import annotations

import re
from typing import Any

from .. import cloudmap, ec2, elb
from ..authorize import has_linked_role
from ..errors import AwsError
from ..quick import copied
from ..registry import Call, paged
from . import lifecycle, scheduler
from .clusters import strategy_read
from .model import ACTIONS, NAME, Cluster, Definition, Deployment, Ecs, Service, client_error, \
    invalid
from .tags import tags_check

# Members that CreateService and UpdateService set as they are.
SETTINGS = ("capacityProviderStrategy", "deploymentConfiguration", "availabilityZoneRebalancing",
            "networkConfiguration", "placementConstraints", "placementStrategy", "platformVersion",
            "healthCheckGracePeriodSeconds", "enableExecuteCommand", "enableECSManagedTags",
            "loadBalancers", "propagateTags", "serviceRegistries", "serviceConnectConfiguration",
            "volumeConfigurations", "vpcLatticeConfigurations", "deploymentController")
CREATE_ONLY = ("launchType", "role", "schedulingStrategy")
# Not part of a Service in the API: shown in its deployments.
DEPLOYMENT_ONLY = ("serviceConnectConfiguration", "volumeConfigurations",
                   "vpcLatticeConfigurations")


def deployment_defaults(given: dict[str, Any]) -> dict[str, Any]:
    """deploymentConfiguration as DescribeServices completes it."""
    return {"strategy": "ROLLING", "bakeTimeInMinutes": 0, "maximumPercent": 200,
            "minimumHealthyPercent": 100, **given,
            "deploymentCircuitBreaker": {"enable": False, "rollback": False,
                                         **given.get("deploymentCircuitBreaker", {})}}


def service_show(ecs: Ecs, service: Service, tags: bool = False) -> dict[str, Any]:
    """A service as the API gives it."""
    live = [t for t in service.tasks if t.wanted]
    running = sum(t.status == "RUNNING" for t in live)
    if service.status == "DRAINING":  # those whose connections end run meanwhile
        live = [t for t in service.tasks if t.status in ("RUNNING", "DEACTIVATING")]
        running = len(live)
    shown: dict[str, Any] = {
        "serviceArn": service.arn, "serviceName": service.name,
        "clusterArn": service.cluster.arn, "status": service.status,
        "runningCount": running, "pendingCount": len(live) - running,
        "deployments": [deployment_show(d) for d in service.deployments],
        "events": service.events, "createdAt": service.created, "createdBy": service.created_by,
        "loadBalancers": [], "serviceRegistries": [], "placementConstraints": [],
        "placementStrategy": [],
    }
    shown.update({k: v for k, v in service.fields.items() if k not in DEPLOYMENT_ONLY})
    if scheduler.is_fargate(service):
        shown["platformFamily"] = "Linux"
    if service.deployments and service.history:
        shown["currentServiceDeployment"] = service.history[0].record["serviceDeploymentArn"]
        shown["currentServiceRevisions"] = [
            {"arn": d.revision_arn, "requestedTaskCount": service.desired,
             "runningTaskCount": sum(t.status == "RUNNING" and t.wanted for t in d.tasks()),
             "pendingTaskCount": sum(t.status in ("PROVISIONING", "PENDING") for t in d.tasks())}
            for d in service.deployments]
    if tags and service.tags:
        shown["tags"] = service.tags
    return copied(shown)


def deployment_show(deployment: Deployment) -> dict[str, Any]:
    live = [t for t in deployment.tasks() if t.wanted]
    running = sum(t.status == "RUNNING" for t in live)
    primary = deployment.status == "PRIMARY" and deployment.rollout != "FAILED"
    service = deployment.service
    shown: dict[str, Any] = {
        "id": deployment.id, "status": deployment.status,
        "taskDefinition": deployment.definition.arn,
        "desiredCount": service.desired if primary else len(live),
        "pendingCount": len(live) - running, "runningCount": running,
        "failedTasks": deployment.failed, "createdAt": deployment.created,
        "updatedAt": deployment.updated, "rolloutState": deployment.rollout,
        "rolloutStateReason": deployment.reason,
    }
    for member in ("launchType", "capacityProviderStrategy", "platformVersion"):
        if member in service.fields:
            shown[member] = service.fields[member]
    for member in ("networkConfiguration", *DEPLOYMENT_ONLY):
        if member in deployment.revision:
            shown[member] = deployment.revision[member]
    return shown


def _definition(ecs: Ecs, name: str | None) -> Definition:
    definition = ecs.definition_find(name) if name else None
    if definition is None:
        raise client_error("TaskDefinition not found.")
    if definition.fields["status"] != "ACTIVE":
        raise client_error("TaskDefinition is inactive")
    return definition


def settings_check(ecs: Ecs, cluster: Cluster, fields: dict[str, Any],
                   definition: Definition, done: str) -> None:
    """What CreateService and UpdateService refuse of a service's settings as a whole; completes
    a strategy. DONE is which of the two."""
    if not isinstance(fields.get("desiredCount"), int) or fields["desiredCount"] < 0:
        raise invalid("Desired count must be specified, and must not be negative.")
    launch = fields.get("launchType")
    if launch and fields.get("capacityProviderStrategy"):
        raise invalid("Specifying both a launch type and capacity provider strategy is not "
                      "supported. Remove one and try again.")
    if fields.get("capacityProviderStrategy"):
        fields["capacityProviderStrategy"] = strategy_read(fields["capacityProviderStrategy"],
                                                           cluster.fields["capacityProviders"])
    if launch == "FARGATE" and "FARGATE" not in definition.fields["compatibilities"]:
        raise invalid("Task definition does not support launch_type FARGATE.")
    # aws/aws-toolkit-jetbrains#3649, docker-archive/compose-cli#2120
    if fields.get("enableExecuteCommand") and "taskRoleArn" not in definition.fields:
        raise invalid(f"The service couldn't be {done} because a valid taskRoleArn is not being "
                      "used. Specify a valid task role in your task definition and try again.")
    network = fields.get("networkConfiguration", {}).get("awsvpcConfiguration")
    awsvpc = definition.fields.get("networkMode") == "awsvpc"
    if awsvpc and not network:
        raise invalid("Network Configuration must be provided when networkMode 'awsvpc' is "
                      "specified.")
    if network and not awsvpc:
        raise invalid("Network Configuration is not valid for the given networkMode of this task "
                      "definition.")
    if network:
        network_check(ecs, network)
    for registry in fields.get("serviceRegistries", []):
        if not cloudmap.service_exists(ecs.world, ecs.account, ecs.region,
                                       registry.get("registryArn", "")):
            raise invalid(f"Unable to find the service registry {registry.get('registryArn')}.")
    _deployment_check(fields.get("deploymentConfiguration", {}))
    _balancers_check(ecs, fields.get("loadBalancers", []), definition)


def network_check(ecs: Ecs, network: dict[str, Any]) -> None:
    """Subnets and groups exist, and are of one VPC; at most 16 and 5 of them."""
    subnets, groups = network.get("subnets", []), network.get("securityGroups", [])
    if not 1 <= len(subnets) <= 16:
        raise invalid("subnets can not be empty." if not subnets else
                      "subnets can have at most 16 items.")
    if len(groups) > 5:
        raise invalid("securityGroups can have at most 5 items.")
    vpcs = set()
    for name in subnets:
        vpc = ec2.subnet_vpc(ecs.account, ecs.region, name)
        if vpc is None:
            raise invalid(f"Error retrieving subnet information for [{name}]: The subnet ID "
                          f"'{name}' does not exist (ErrorCode: InvalidSubnetID.NotFound)")
        vpcs.add(vpc)
    for name in groups:
        vpc = ec2.group_vpc(ecs.account, ecs.region, name)
        if vpc is None:
            raise invalid(f"Error retrieving security group information for [{name}]: The "
                          f"security group '{name}' does not exist (ErrorCode: "
                          "InvalidGroup.NotFound)")
        vpcs.add(vpc)
    if len(vpcs) > 1:
        raise invalid("Subnets and security groups must belong to the same VPC.")


def _deployment_check(configuration: dict[str, Any]) -> None:
    least = configuration.get("minimumHealthyPercent", 100)
    most = configuration.get("maximumPercent", 200)
    if not 0 <= least <= 200 or not 0 <= most <= 200 and most < 100:
        raise invalid("minimumHealthyPercent and maximumPercent are out of range.")
    if most <= least and most <= 100 and least >= 100:
        raise invalid("Both maximumPercent and minimumHealthyPercent cannot be 100 as this will "
                      "block deployments.")


def _balancers_check(ecs: Ecs, balancers: list[dict[str, Any]], definition: Definition) -> None:
    """https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-load-balancing.html"""
    if len(balancers) > 5:
        raise invalid("load balancers can have at most 5 items.")
    for balancer in balancers:
        problem = elb.group_problem(ecs.world, ecs.account, ecs.region,
                                    balancer.get("targetGroupArn", ""))
        if problem:
            raise invalid(problem)
        name, port = balancer.get("containerName"), balancer.get("containerPort")
        container = next((c for c in definition.containers if c["name"] == name), None)
        if container is None:
            raise invalid(f"The container {name} does not exist in the task definition.")
        if all(p.get("containerPort") != port for p in container["portMappings"]):
            raise invalid(f"The container {name} did not have a container port {port} defined.")


def _idempotent(ecs: Ecs, existing: Service, call: Call) -> dict[str, Any]:
    """The answer to a CreateService of a name that is there, or the error."""
    if existing.status == "DRAINING":
        raise invalid("Unable to Start a service that is still Draining.")
    if (existing.token is not None and existing.token == call.input.get("clientToken")
            and existing.given == call.input):
        return {"service": service_show(ecs, existing, tags=True)}
    raise invalid("Creation of service was not idempotent.")


@ACTIONS.action("CreateService")
def create_service(call: Call) -> dict[str, Any]:
    """hashicorp/terraform-provider-aws#2283, spinnaker/spinnaker#5476 for the names in use;
    awslabs/fargatecli#35 for an account in which ECS has no role of its own."""
    ecs: Ecs = call.store(Ecs)
    given = call.input
    cluster = ecs.cluster(given.get("cluster"))
    name = given["serviceName"]
    if not NAME.fullmatch(name):
        raise invalid("Service name must match [a-zA-Z0-9_-]{1,255}")
    if "clientToken" in given and not re.fullmatch(r"[!-~]{1,36}", given["clientToken"]):
        raise invalid("clientToken must be 1 to 36 characters of the ASCII range 33-126.")
    existing = ecs.service_find(cluster, name)
    if existing and existing.status != "INACTIVE":
        return _idempotent(ecs, existing, call)
    definition = _definition(ecs, given.get("taskDefinition"))
    fields = fields_of(given, definition)
    settings_check(ecs, cluster, fields, definition, "created")
    if not has_linked_role(call, "ecs.amazonaws.com"):
        raise invalid("Unable to assume the service linked role. Please verify that the ECS "
                      "service linked role exists.")
    service = Service(name, ecs.arn("service", cluster.name, name), cluster, fields,
                      tags_check(given.get("tags", [])), ecs.now(), call.principal,
                      given.get("clientToken"), copied(given))
    ecs.services[service.arn] = service
    scheduler.deployment_create(ecs, service, definition)
    return {"service": service_show(ecs, service, tags=True)}


def fields_of(given: dict[str, Any], definition: Definition) -> dict[str, Any]:
    """A new service's settings, with AWS's documented defaults."""
    fields: dict[str, Any] = {
        "desiredCount": given.get("desiredCount"), "taskDefinition": definition.arn,
        "schedulingStrategy": "REPLICA", "enableECSManagedTags": False, "propagateTags": "NONE",
        "enableExecuteCommand": False, "availabilityZoneRebalancing": "ENABLED",
        "deploymentController": {"type": "ECS"},
    }
    for member in SETTINGS + CREATE_ONLY:
        if member in given:
            fields[member] = copied(given[member])
    fields["deploymentConfiguration"] = deployment_defaults(
        fields.get("deploymentConfiguration", {}))
    if "launchType" not in fields and not fields.get("capacityProviderStrategy"):
        fields["launchType"] = "EC2"
    if fields.get("launchType") == "FARGATE" or fields.get("capacityProviderStrategy"):
        fields.setdefault("platformVersion", "LATEST")
    if "networkConfiguration" in fields:
        fields["networkConfiguration"] = network_complete(fields["networkConfiguration"])
    return fields


def network_complete(network: dict[str, Any]) -> dict[str, Any]:
    """assignPublicIp is shown as DISABLED where it was not given."""
    if "awsvpcConfiguration" not in network:
        return network
    return {"awsvpcConfiguration": {"securityGroups": [], "assignPublicIp": "DISABLED",
                                    **network["awsvpcConfiguration"]}}


def _active(ecs: Ecs, cluster: Cluster, name: str) -> Service:
    service = ecs.service_find(cluster, name)
    if service is None:
        raise AwsError("ServiceNotFoundException", "Service not found.")
    if service.status != "ACTIVE":
        raise AwsError("ServiceNotActiveException", "Service was not ACTIVE.")
    return service


@ACTIONS.action("UpdateService")
def update_service(call: Call) -> dict[str, Any]:
    """A new deployment only if the service revision changes, or if it is forced."""
    ecs: Ecs = call.store(Ecs)
    given = call.input
    service = _active(ecs, ecs.cluster(given.get("cluster")), given["service"])
    fields = copied(service.fields)
    for member in SETTINGS + ("desiredCount",):
        if member in given:
            fields[member] = copied(given[member])
    if given.get("capacityProviderStrategy"):
        fields.pop("launchType", None)
    elif "capacityProviderStrategy" in given:  # "back to the launch type"
        fields.setdefault("launchType", "FARGATE")
    if "deploymentConfiguration" in given:
        old = service.fields["deploymentConfiguration"]
        fields["deploymentConfiguration"] = deployment_defaults(
            {**old, **given["deploymentConfiguration"]})
    if "networkConfiguration" in given:
        fields["networkConfiguration"] = network_complete(fields["networkConfiguration"])
    definition = (_definition(ecs, given["taskDefinition"]) if "taskDefinition" in given
                  else service.primary.definition)
    settings_check(ecs, service.cluster, fields, definition, "updated")
    changed = (definition is not service.primary.definition or given.get("forceNewDeployment")
               or any(fields.get(m) != service.fields.get(m) for m in scheduler.REVISION))
    service.fields = fields
    if changed:
        scheduler.deployment_create(ecs, service, definition)
    else:
        scheduler.schedule(ecs, service)
    return {"service": service_show(ecs, service, tags=True)}


@ACTIONS.action("DescribeServices")
def describe_services(call: Call) -> dict[str, Any]:
    ecs: Ecs = call.store(Ecs)
    cluster = ecs.cluster(call.input.get("cluster"))
    names = call.input["services"]
    if not names:
        raise invalid("Services cannot be empty.")
    if len(names) > 10:
        raise invalid("Services cannot have more than 10 elements.")
    found, failures = [], []
    for name in names:
        service = ecs.service_find(cluster, name)
        if service:
            found.append(service_show(ecs, service, "TAGS" in call.input.get("include", [])))
        else:
            arn = name if name.startswith("arn:") else ecs.arn("service", cluster.name, name)
            failures.append({"arn": arn, "reason": "MISSING"})
    return {"services": found, "failures": failures}


@ACTIONS.action("ListServices")
def list_services(call: Call) -> dict[str, Any]:
    """ACTIVE ones only: a DRAINING service is gone from here (API_DeleteService)."""
    ecs: Ecs = call.store(Ecs)
    cluster = ecs.cluster(call.input.get("cluster"))
    launch, strategy = call.input.get("launchType"), call.input.get("schedulingStrategy")
    arns = [s.arn for s in ecs.services_of(cluster) if s.status == "ACTIVE"
            and launch in (None, s.fields.get("launchType"))
            and strategy in (None, s.fields["schedulingStrategy"])]
    page, more = paged(arns, call, "maxResults", "nextToken", 10, 100, invalid)
    return {"serviceArns": page, **more}


@ACTIONS.action("DeleteService")
def delete_service(call: Call) -> dict[str, Any]:
    """DRAINING until its tasks stop, then INACTIVE."""
    ecs: Ecs = call.store(Ecs)
    service = ecs.service_find(ecs.cluster(call.input.get("cluster")), call.input["service"])
    if service is None or service.status == "INACTIVE":
        raise AwsError("ServiceNotFoundException", "Service not found.")
    if service.status == "ACTIVE":
        if service.desired > 0 and not call.input.get("force"):
            raise invalid("The service cannot be stopped while it is scaled above 0.")
        if len(service.deployments) > 1 and not call.input.get("force"):
            # terraform-provider-aws tries again as long as it is told so
            raise invalid("The service cannot be stopped while deployments are active.")
        service.status = "DRAINING"
        service.fields["desiredCount"] = 0
        for task in service.tasks:
            lifecycle.task_stop(ecs, task, "ServiceSchedulerInitiated",
                                "Scaling activity initiated by deployment "
                                f"{service.primary.id}")
        shown = service_show(ecs, service)
        clock = ecs.world.clock
        clock.after(clock.duration("service.schedule"), lambda: scheduler.drain_check(service))
        return {"service": shown}
    return {"service": service_show(ecs, service)}
