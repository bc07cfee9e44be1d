"""Services of namespaces.

https://docs.aws.amazon.com/cloud-map/latest/api/API_CreateService.html
"""

from __future__ import annotations

import re
from typing import Any

from ..errors import AwsError
from ..registry import Call, paged
from .model import ACTIONS, Registry, filtered, owner, refuse, store_of, tags_check

SERVICE_NAME = re.compile(r"((?=^.{1,127}$)^([a-zA-Z0-9_][a-zA-Z0-9-_]{0,61}[a-zA-Z0-9_]|"
                          r"[a-zA-Z0-9])(\.([a-zA-Z0-9_][a-zA-Z0-9-_]{0,61}[a-zA-Z0-9_]|"
                          r"[a-zA-Z0-9]))*$)|(^\.$)")


# https://docs.aws.amazon.com/cloud-map/latest/api/API_DnsRecord.html: "You can specify values for
# Type in the following combinations"
RECORDS = (["A"], ["AAAA"], ["A", "AAAA"], ["SRV"], ["CNAME"])


def records_check(config: dict[str, Any]) -> None:
    kinds = sorted(record["Type"] for record in config.get("DnsRecords", []))
    if kinds and kinds not in RECORDS:
        raise refuse(f"Invalid combination of DNS record types: {', '.join(kinds)}.")
    if kinds == ["CNAME"] and config.get("RoutingPolicy") != "WEIGHTED":
        raise refuse("A CNAME record needs the routing policy WEIGHTED.")


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
    records_check(given.get("DnsConfig", {}))
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
    found = filtered(call, {"NAMESPACE_ID": lambda s: s.fields["NamespaceId"],
                            "RESOURCE_OWNER": owner}, list(store.services.values()))
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
