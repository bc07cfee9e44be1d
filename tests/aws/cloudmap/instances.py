"""Instances: registered by hand or by ECS, and discovered.

https://docs.aws.amazon.com/cloud-map/latest/api/API_RegisterInstance.html
https://docs.aws.amazon.com/cloud-map/latest/api/API_DiscoverInstances.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import AwsError
from ..registry import Call, paged
from .model import ACTIONS, CloudMap, Registry, refuse, store_of

if TYPE_CHECKING:
    from ..world import World


# --- for ECS ---

def service_exists(world: World, account: str, region: str, arn: str) -> bool:
    store = world.store(CloudMap, account, region)
    return any(service.fields["Arn"] == arn for service in store.services.values())


def instance_register(world: World, account: str, region: str, arn: str, name: str,
                      attributes: dict[str, str]) -> None:
    store = world.store(CloudMap, account, region)
    service = store.services.get(arn.rpartition("/")[2])
    if service:
        service.instances[name] = attributes
        service.health[name] = attributes.get("AWS_INIT_HEALTH_STATUS", "HEALTHY")


def instance_deregister(world: World, account: str, region: str, arn: str, name: str) -> None:
    store = world.store(CloudMap, account, region)
    service = store.services.get(arn.rpartition("/")[2])
    if service:
        service.instances.pop(name, None)
        service.health.pop(name, None)


# --- the API ---

@ACTIONS.action("RegisterInstance")
def register_instance(call: Call) -> dict[str, Any]:
    store, given = store_of(call), call.input
    service = store.service(given["ServiceId"])
    attributes = given["Attributes"]
    records = service.fields.get("DnsConfig", {}).get("DnsRecords", [])
    if any(r["Type"] == "A" for r in records) and "AWS_INSTANCE_IPV4" not in attributes and \
            "AWS_EC2_INSTANCE_ID" not in attributes:
        raise refuse("AWS_INSTANCE_IPV4 is required for a service with A records.")

    def finish() -> str | None:
        service.instances[given["InstanceId"]] = attributes
        service.health[given["InstanceId"]] = attributes.get("AWS_INIT_HEALTH_STATUS", "HEALTHY")
        return None

    return {"OperationId": store.operation(
        "REGISTER_INSTANCE", {"INSTANCE": given["InstanceId"], "SERVICE": service.fields["Id"]},
        "cloudmap.instance", finish)}


@ACTIONS.action("DeregisterInstance")
def deregister_instance(call: Call) -> dict[str, Any]:
    store, name = store_of(call), call.input["InstanceId"]
    service = store.service(call.input["ServiceId"])
    _instance(service, name)

    def finish() -> str | None:
        service.instances.pop(name, None)
        service.health.pop(name, None)
        return None

    return {"OperationId": store.operation(
        "DEREGISTER_INSTANCE", {"INSTANCE": name, "SERVICE": service.fields["Id"]},
        "cloudmap.instance", finish)}


def _instance(service: Registry, name: str) -> dict[str, str]:
    if name not in service.instances:
        raise AwsError("InstanceNotFound", f"Instance not found with id: {name}.")
    return service.instances[name]


@ACTIONS.action("GetInstance")
def get_instance(call: Call) -> dict[str, Any]:
    service = store_of(call).service(call.input["ServiceId"])
    name = call.input["InstanceId"]
    return {"ResourceOwner": call.account,
            "Instance": {"Id": name, "Attributes": _instance(service, name)}}


@ACTIONS.action("ListInstances")
def list_instances(call: Call) -> dict[str, Any]:
    service = store_of(call).service(call.input["ServiceId"])
    items = [{"Id": name, "Attributes": a} for name, a in service.instances.items()]
    page, more = paged(items, call, "MaxResults", "NextToken", 100, 100, refuse)
    return {"ResourceOwner": call.account, "Instances": page, **more}


@ACTIONS.action("GetInstancesHealthStatus")
def get_health(call: Call) -> dict[str, Any]:
    service = store_of(call).service(call.input["ServiceId"])
    names = call.input.get("Instances") or list(service.instances)
    for name in names:
        _instance(service, name)
    page, more = paged(names, call, "MaxResults", "NextToken", 100, 100, refuse)
    return {"Status": {name: service.health[name] for name in page}, **more}


@ACTIONS.action("UpdateInstanceCustomHealthStatus")
def update_health(call: Call) -> dict[str, Any]:
    service = store_of(call).service(call.input["ServiceId"])
    _instance(service, call.input["InstanceId"])
    if "HealthCheckCustomConfig" not in service.fields:
        raise AwsError("CustomHealthNotFound", "The service has no custom health check.")
    service.health[call.input["InstanceId"]] = call.input["Status"]
    return {}


@ACTIONS.action("DiscoverInstances")
def discover_instances(call: Call) -> dict[str, Any]:
    """By names; healthy ones, or all if none is healthy, unless something else is asked for."""
    store, given = store_of(call), call.input
    namespace = next((n for n in store.namespaces.values()
                      if n.fields["Name"] == given["NamespaceName"]), None)
    if namespace is None:
        raise AwsError("NamespaceNotFound", f"Namespace not found: {given['NamespaceName']}.")
    service = next((s for s in store.services_of(namespace.fields["Id"])
                    if s.fields["Name"] == given["ServiceName"]), None)
    if service is None:
        raise AwsError("ServiceNotFound", f"Service not found: {given['ServiceName']}.")
    wanted = given.get("QueryParameters", {}).items()
    found = [name for name, attributes in service.instances.items()
             if wanted <= attributes.items()]
    status = given.get("HealthStatus", "HEALTHY_OR_ELSE_ALL")
    if status != "ALL":
        health = "UNHEALTHY" if status == "UNHEALTHY" else "HEALTHY"
        fit = [name for name in found if service.health[name] == health]
        found = found if not fit and status == "HEALTHY_OR_ELSE_ALL" else fit
    return {"InstancesRevision": len(store.operations), "Instances": [
        {"InstanceId": name, "NamespaceName": given["NamespaceName"],
         "ServiceName": given["ServiceName"], "HealthStatus": service.health[name],
         "Attributes": service.instances[name]} for name in found[:given.get("MaxResults", 100)]]}
