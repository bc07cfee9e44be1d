"""AWS Cloud Map: a model of its own. moto allows one namespace per VPC and ignores all filters.

https://docs.aws.amazon.com/cloud-map/latest/api/API_CreatePrivateDnsNamespace.html and its kin.
Namespaces, updates and instances are operations that take time: SUBMITTED, PENDING, SUCCESS.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .errors import AwsError
from .registry import Call, Service, paged

if TYPE_CHECKING:
    from .world import World

# https://docs.aws.amazon.com/cloud-map/latest/api/CommonErrors.html
ACTIONS = Service("servicediscovery", exclusive=True, throttle=("ThrottlingException", 400),
                  invalid="InvalidInput")
SERVICE_NAME = re.compile(r"((?=^.{1,127}$)^([a-zA-Z0-9_][a-zA-Z0-9-_]{0,61}[a-zA-Z0-9_]|"
                          r"[a-zA-Z0-9])(\.([a-zA-Z0-9_][a-zA-Z0-9-_]{0,61}[a-zA-Z0-9_]|"
                          r"[a-zA-Z0-9]))*$)|(^\.$)")
KINDS = {"CreatePrivateDnsNamespace": "DNS_PRIVATE", "CreatePublicDnsNamespace": "DNS_PUBLIC",
         "CreateHttpNamespace": "HTTP"}


@dataclass
class Namespace:
    """A namespace; `fields` as the API gives it, without its count of services."""

    fields: dict[str, Any]
    vpc: str | None
    zone: str | None
    tags: list[dict[str, str]]


@dataclass
class Registry:
    """What Cloud Map calls a service; `fields` as the API gives it, without counts."""

    fields: dict[str, Any]
    tags: list[dict[str, str]]
    instances: dict[str, dict[str, str]] = field(default_factory=dict)
    health: dict[str, str] = field(default_factory=dict)


class CloudMap:
    """All of Cloud Map in an account and region."""

    def __init__(self, world: World, account: str, region: str) -> None:
        self.world, self.account, self.region = world, account, region
        self.namespaces: dict[str, Namespace] = {}
        self.services: dict[str, Registry] = {}
        self.operations: dict[str, dict[str, Any]] = {}
        # Name and VPC of the namespaces that are being created, with their operations.
        self.creating: dict[tuple[str, str | None], str] = {}

    def now(self) -> float:
        return round(self.world.clock.now(), 3)

    def arn(self, kind: str, name: str) -> str:
        return f"arn:aws:servicediscovery:{self.region}:{self.account}:{kind}/{name}"

    def namespace(self, name: str) -> Namespace:
        name = name.rpartition("/")[2]
        if name not in self.namespaces:
            raise AwsError("NamespaceNotFound", f"Namespace not found with id: {name}.")
        return self.namespaces[name]

    def service(self, name: str) -> Registry:
        name = name.rpartition("/")[2]
        if name not in self.services:
            raise AwsError("ServiceNotFound", f"Service not found with id: {name}.")
        return self.services[name]

    def services_of(self, namespace: str) -> list[Registry]:
        return [s for s in self.services.values() if s.fields["NamespaceId"] == namespace]

    def operation(self, kind: str, targets: dict[str, str], duration: str,
                  finish: Callable[[], str | None]) -> str:
        """Start an operation; FINISH carries it out when it is due, and says why it FAILed."""
        name = f"{self.world.letters(32)}-{self.world.hex(8)}"
        entry = {"Id": name, "OwnerAccount": self.account, "Type": kind, "Status": "SUBMITTED",
                 "CreateDate": self.now(), "UpdateDate": self.now(), "Targets": targets}
        self.operations[name] = entry
        clock = self.world.clock

        def pending() -> None:
            entry.update(Status="PENDING", UpdateDate=self.now())
            clock.after(clock.duration(duration), finished)

        def finished() -> None:
            fault = finish()
            entry.update(Status="FAIL" if fault else "SUCCESS", UpdateDate=self.now())
            if fault:
                entry["ErrorCode"], _, entry["ErrorMessage"] = fault.partition(": ")

        share = duration in ("cloudmap.namespace",)
        clock.after(clock.duration("cloudmap.submitted") if share else 0.0, pending)
        return name


def store_of(call: Call) -> CloudMap:
    return call.store(CloudMap)


def refuse(message: str) -> AwsError:
    return AwsError("InvalidInput", message)


def tags_check(tags: list[dict[str, str]]) -> list[dict[str, str]]:
    if len(tags) > 50:
        raise AwsError("TooManyTagsException", "A resource can have at most 50 tags.")
    if any(tag["Key"].lower().startswith("aws:") for tag in tags):
        raise refuse("Tag keys starting with 'aws:' are reserved for internal use.")
    return [{"Key": tag["Key"], "Value": tag["Value"]} for tag in tags]


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


# --- namespaces ---

def create_namespace(call: Call) -> dict[str, Any]:
    """One of a name in a VPC; while it is being created, a second call names the operation."""
    store, given = store_of(call), call.input
    name, vpc, kind = given["Name"], given.get("Vpc"), KINDS[call.action]
    _vpc_check(call, vpc)
    for namespace in store.namespaces.values():
        same = namespace.fields["Name"].lower() == name.lower()
        if same and namespace.fields["Type"] == kind and namespace.vpc == vpc:
            raise AwsError("NamespaceAlreadyExists", f"Namespace already exists: {name}",
                           NamespaceId=namespace.fields["Id"],
                           CreatorRequestId=namespace.fields["CreatorRequestId"])
    key = (name.lower(), vpc)
    if key in store.creating:
        raise AwsError("DuplicateRequest", "A namespace of this name is already being created.",
                       DuplicateOperationId=store.creating[key])
    tags = tags_check(given.get("Tags", []))
    identifier = "ns-" + store.world.letters(16)
    fields = {"Id": identifier, "Arn": store.arn("namespace", identifier), "Name": name,
              "Type": kind, "CreatorRequestId": given.get("CreatorRequestId", store.world.uuid()),
              "ResourceOwner": store.account,
              "Properties": {"DnsProperties": {}, "HttpProperties": {"HttpName": name}}}
    if "Description" in given:
        fields["Description"] = given["Description"]

    def finish() -> str | None:
        del store.creating[key]
        zone = None
        if kind != "HTTP":
            if _zone_conflicts(store, name, vpc):
                return (f"CANNOT_CREATE_HOSTED_ZONE: The VPC {vpc} has already been associated "
                        f"with the hosted zone with the same domain name. "
                        "(Service: AmazonRoute53; Error Code: ConflictingDomainExists)")
            zone = _zone_create(store, name, vpc)
            soa = given.get("Properties", {}).get("DnsProperties", {}).get("SOA", {"TTL": 15})
            fields["Properties"]["DnsProperties"] = {"HostedZoneId": zone, "SOA": soa}
        fields["CreateDate"] = store.now()
        store.namespaces[identifier] = Namespace(fields, vpc, zone, tags)
        return None

    operation = store.operation("CREATE_NAMESPACE", {"NAMESPACE": identifier},
                                "cloudmap.namespace", finish)
    store.creating[key] = operation
    return {"OperationId": operation}


for _action in KINDS:
    ACTIONS.action(_action)(create_namespace)


def _vpc_check(call: Call, vpc: str | None) -> None:
    from .ec2 import backend
    if call.action == "CreatePrivateDnsNamespace" and vpc not in backend(
            call.account, call.region).vpcs:
        raise refuse(f"The VPC {vpc} in region {call.region} was not found.")


def _route53(account: str) -> Any:
    from moto.route53 import route53_backends
    return route53_backends[account]["aws"]


def _zone_conflicts(store: CloudMap, name: str, vpc: str | None) -> bool:
    return vpc is not None and any(
        zone.private_zone and zone.name.rstrip(".") == name
        and any(v.get("vpc_id", v.get("VPCId")) == vpc for v in zone.vpcs)
        for zone in _route53(store.account).zones.values())


def _zone_create(store: CloudMap, name: str, vpc: str | None) -> str:
    zone = _route53(store.account).create_hosted_zone(
        name + ".", private_zone=vpc is not None, vpcid=vpc, vpcregion=store.region if vpc else
        None, comment="Created by AWS Cloud Map namespace with ARN")
    return str(zone.resource_id)


@ACTIONS.action("GetNamespace")
def get_namespace(call: Call) -> dict[str, Any]:
    store = store_of(call)
    namespace = store.namespace(call.input["Id"])
    count = len(store.services_of(namespace.fields["Id"]))
    return {"Namespace": {**namespace.fields, "ServiceCount": count}}


def _filters(call: Call, known: dict[str, Callable[[Any], str]], items: list[Any]) -> list[Any]:
    """Filters: EQ is the default, and takes one value; IN is of RESOURCE_OWNER and TYPE."""
    for one in call.input.get("Filters", []):
        name, values = one["Name"], one["Values"]
        condition = one.get("Condition", "EQ")
        if name not in known or not values:
            raise refuse(f"Invalid filter {name}.")
        if condition == "EQ" and len(values) != 1:
            raise refuse("The condition EQ takes exactly one value.")
        if condition == "BEGINS_WITH":
            items = [i for i in items if known[name](i).startswith(values[0])]
        else:
            items = [i for i in items if known[name](i) in values]
    return items


def _owner(_: Any) -> str:
    return "SELF"


@ACTIONS.action("ListNamespaces")
def list_namespaces(call: Call) -> dict[str, Any]:
    store = store_of(call)
    found = _filters(call, {"NAME": lambda n: n.fields["Name"], "TYPE": lambda n: n.fields["Type"],
                            "HTTP_NAME": lambda n: n.fields["Properties"]["HttpProperties"][
                                "HttpName"], "RESOURCE_OWNER": _owner},
                     list(store.namespaces.values()))
    page, more = paged(found, call, "MaxResults", "NextToken", 100, 100, refuse)
    return {"Namespaces": [
        {**{k: v for k, v in n.fields.items() if k != "CreatorRequestId"},
         "ServiceCount": len(store.services_of(n.fields["Id"]))} for n in page], **more}


@ACTIONS.action("DeleteNamespace")
def delete_namespace(call: Call) -> dict[str, Any]:
    """Refused while it has services (hashicorp/terraform-provider-aws#4853); takes its zone."""
    store = store_of(call)
    namespace = store.namespace(call.input["Id"])
    identifier = namespace.fields["Id"]
    if store.services_of(identifier):
        raise AwsError("ResourceInUse", f"Namespace {identifier} has associated services.")

    def finish() -> str | None:
        store.namespaces.pop(identifier, None)
        if namespace.zone:
            _route53(store.account).zones.pop(namespace.zone, None)
        return None

    return {"OperationId": store.operation("DELETE_NAMESPACE", {"NAMESPACE": identifier},
                                           "cloudmap.namespace", finish)}


def update_namespace(call: Call) -> dict[str, Any]:
    store = store_of(call)
    namespace = store.namespace(call.input["Id"])

    def finish() -> str | None:
        change = call.input["Namespace"]
        if "Description" in change:
            namespace.fields["Description"] = change["Description"]
        soa = change.get("Properties", {}).get("DnsProperties", {}).get("SOA")
        if soa:
            namespace.fields["Properties"]["DnsProperties"]["SOA"] = soa
        return None

    return {"OperationId": store.operation(
        "UPDATE_NAMESPACE", {"NAMESPACE": namespace.fields["Id"]}, "cloudmap.service", finish)}


for _action in ("UpdatePrivateDnsNamespace", "UpdatePublicDnsNamespace", "UpdateHttpNamespace"):
    ACTIONS.action(_action)(update_namespace)


# --- services ---

@ACTIONS.action("CreateService")
def create_service(call: Call) -> dict[str, Any]:
    store, given = store_of(call), call.input
    name = given["Name"]
    namespace_id = given.get("NamespaceId") or given.get("DnsConfig", {}).get("NamespaceId")
    if not namespace_id:
        raise refuse("NamespaceId is required.")
    namespace = store.namespace(namespace_id)
    namespace_id = namespace.fields["Id"]
    if not SERVICE_NAME.match(name):
        raise refuse(f"Invalid service name: {name}")
    if "HealthCheckConfig" in given and "HealthCheckCustomConfig" in given:
        raise refuse("Specify either HealthCheckConfig or HealthCheckCustomConfig, not both.")
    if "HealthCheckConfig" in given and namespace.fields["Type"] == "DNS_PRIVATE":
        raise refuse("HealthCheckConfig is not supported for private DNS namespaces.")
    for other in store.services_of(namespace_id):
        if other.fields["Name"].lower() == name.lower():
            raise AwsError("ServiceAlreadyExists", f"Service already exists: {name}",
                           ServiceId=other.fields["Id"], ServiceArn=other.fields["Arn"],
                           CreatorRequestId=other.fields["CreatorRequestId"])
    identifier = "srv-" + store.world.letters(16)
    fields: dict[str, Any] = {
        "Id": identifier, "Arn": store.arn("service", identifier), "Name": name,
        "NamespaceId": namespace_id, "CreateDate": store.now(), "ResourceOwner": store.account,
        "Type": given.get("Type", "DNS_HTTP" if "DnsConfig" in given else "HTTP"),
        "CreatorRequestId": given.get("CreatorRequestId", store.world.uuid()),
        "CreatedByAccount": store.account}
    if "Description" in given:
        fields["Description"] = given["Description"]
    if "DnsConfig" in given:
        fields["DnsConfig"] = {"RoutingPolicy": "MULTIVALUE", **given["DnsConfig"],
                               "NamespaceId": namespace_id}
    if "HealthCheckCustomConfig" in given:
        # "This parameter is no longer supported and is always set to 1."
        fields["HealthCheckCustomConfig"] = {"FailureThreshold": 1}
    if "HealthCheckConfig" in given:
        fields["HealthCheckConfig"] = {"FailureThreshold": 1, **given["HealthCheckConfig"]}
    service = Registry(fields, tags_check(given.get("Tags", [])))
    store.services[identifier] = service
    return {"Service": {**fields, "InstanceCount": 0}}


@ACTIONS.action("GetService")
def get_service(call: Call) -> dict[str, Any]:
    service = store_of(call).service(call.input["Id"])
    return {"Service": {**service.fields, "InstanceCount": len(service.instances)}}


@ACTIONS.action("ListServices")
def list_services(call: Call) -> dict[str, Any]:
    """Summaries do not say which namespace they are of (API_ServiceSummary)."""
    store = store_of(call)
    found = _filters(call, {"NAMESPACE_ID": lambda s: s.fields["NamespaceId"],
                            "RESOURCE_OWNER": _owner}, list(store.services.values()))
    page, more = paged(found, call, "MaxResults", "NextToken", 100, 100, refuse)
    shown = []
    for service in page:
        summary = {k: v for k, v in service.fields.items()
                   if k not in ("NamespaceId", "CreatorRequestId")}
        if "DnsConfig" in summary:
            summary["DnsConfig"] = {k: v for k, v in summary["DnsConfig"].items()
                                    if k != "NamespaceId"}
        shown.append({**summary, "InstanceCount": len(service.instances)})
    return {"Services": shown, **more}


@ACTIONS.action("UpdateService")
def update_service(call: Call) -> dict[str, Any]:
    """Records that are left out are deleted, and so is a health check (API_UpdateService)."""
    service = store_of(call).service(call.input["Id"])
    change = call.input["Service"]

    def finish() -> str | None:
        if "Description" in change:
            service.fields["Description"] = change["Description"]
        if "DnsConfig" in change:
            service.fields["DnsConfig"]["DnsRecords"] = change["DnsConfig"]["DnsRecords"]
        if "HealthCheckConfig" in change:
            service.fields["HealthCheckConfig"] = change["HealthCheckConfig"]
        elif "HealthCheckConfig" in service.fields:
            del service.fields["HealthCheckConfig"]
        return None

    if "DnsConfig" in change and "DnsConfig" not in service.fields:
        raise refuse("The service has no DnsConfig.")
    return {"OperationId": store_of(call).operation(
        "UPDATE_SERVICE", {"SERVICE": service.fields["Id"]}, "cloudmap.service", finish)}


@ACTIONS.action("DeleteService")
def delete_service(call: Call) -> dict[str, Any]:
    """Refused while instances are registered (API_DeleteService)."""
    store = store_of(call)
    service = store.service(call.input["Id"])
    if service.instances:
        raise AwsError("ResourceInUse", f"Service {service.fields['Id']} contains registered "
                       "instances.")
    del store.services[service.fields["Id"]]
    return {}


# --- instances ---

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


# --- operations and tags ---

@ACTIONS.action("GetOperation")
def get_operation(call: Call) -> dict[str, Any]:
    operations = store_of(call).operations
    if call.input["OperationId"] not in operations:
        raise AwsError("OperationNotFound", "Operation not found.")
    return {"Operation": operations[call.input["OperationId"]]}


@ACTIONS.action("ListOperations")
def list_operations(call: Call) -> dict[str, Any]:
    found = _filters(call, {
        "NAMESPACE_ID": lambda o: o["Targets"].get("NAMESPACE", ""),
        "SERVICE_ID": lambda o: o["Targets"].get("SERVICE", ""),
        "STATUS": lambda o: o["Status"], "TYPE": lambda o: o["Type"],
    }, list(store_of(call).operations.values()))
    page, more = paged(found, call, "MaxResults", "NextToken", 100, 100, refuse)
    return {"Operations": [{"Id": o["Id"], "Status": o["Status"]} for o in page], **more}


def _tagged(call: Call) -> Namespace | Registry:
    store, arn = store_of(call), call.input["ResourceARN"]
    everything: list[Namespace | Registry] = [*store.namespaces.values(), *store.services.values()]
    for resource in everything:
        if resource.fields["Arn"] == arn:
            return resource
    raise AwsError("ResourceNotFoundException", f"Resource not found: {arn}")


@ACTIONS.action("TagResource")
def tag_resource(call: Call) -> dict[str, Any]:
    resource = _tagged(call)
    keys = {tag["Key"] for tag in call.input["Tags"]}
    resource.tags = tags_check([t for t in resource.tags if t["Key"] not in keys]
                               + call.input["Tags"])
    return {}


@ACTIONS.action("UntagResource")
def untag_resource(call: Call) -> dict[str, Any]:
    resource = _tagged(call)
    resource.tags = [t for t in resource.tags if t["Key"] not in call.input["TagKeys"]]
    return {}


@ACTIONS.action("ListTagsForResource")
def list_tags(call: Call) -> dict[str, Any]:
    return {"Tags": _tagged(call).tags}
