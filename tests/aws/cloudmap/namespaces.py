"""Namespaces, and the hosted zones behind them.

https://docs.aws.amazon.com/cloud-map/latest/api/API_CreatePrivateDnsNamespace.html
"""

from __future__ import annotations

from typing import Any

from .. import ec2
from ..errors import AwsError
from ..registry import Call, paged
from .model import ACTIONS, CloudMap, Namespace, filtered, owner, refuse, store_of, tags_check

KINDS = {"CreatePrivateDnsNamespace": "DNS_PRIVATE", "CreatePublicDnsNamespace": "DNS_PUBLIC",
         "CreateHttpNamespace": "HTTP"}


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
    if call.action == "CreatePrivateDnsNamespace" and vpc not in ec2.backend(
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


@ACTIONS.action("ListNamespaces")
def list_namespaces(call: Call) -> dict[str, Any]:
    store = store_of(call)
    found = filtered(call, {"NAME": lambda n: n.fields["Name"], "TYPE": lambda n: n.fields["Type"],
                            "HTTP_NAME": lambda n: n.fields["Properties"]["HttpProperties"][
                                "HttpName"], "RESOURCE_OWNER": owner},
                     list(store.namespaces.values()))
    page, more = paged(found, call, "MaxResults", "NextToken", 100, 100, refuse)
    return {"Namespaces": [
        {**{k: v for k, v in n.fields.items() if k != "CreatorRequestId"},
         "ServiceCount": len(store.services_of(n.fields["Id"]))} for n in page], **more}


@ACTIONS.action("DeleteNamespace")
def delete_namespace(call: Call) -> dict[str, Any]:
    """Refused while it has services (hashicorp/terraform-provider-aws#4853), and while it is being
    deleted (API_DeleteNamespace); takes its zone."""
    store = store_of(call)
    namespace = store.namespace(call.input["Id"])
    identifier = namespace.fields["Id"]
    if store.services_of(identifier):
        raise AwsError("ResourceInUse", f"Namespace {identifier} has associated services.")
    if namespace.deletion:
        raise AwsError("DuplicateRequest", "The operation is already in progress.",
                       DuplicateOperationId=namespace.deletion)

    def finish() -> str | None:
        namespace.deletion = ""
        if store.services_of(identifier):
            return f"INTERNAL_FAILURE: Namespace {identifier} has associated services."
        store.namespaces.pop(identifier, None)
        if namespace.zone:
            _route53(store.account).zones.pop(namespace.zone, None)
        return None

    namespace.deletion = store.operation("DELETE_NAMESPACE", {"NAMESPACE": identifier},
                                         "cloudmap.namespace", finish)
    return {"OperationId": namespace.deletion}


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
