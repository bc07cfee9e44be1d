"""Zones and lists: what of them moto answers otherwise than Route 53."""

from __future__ import annotations

from typing import Any

from ..errors import AwsError
from ..registry import Call, Raw
from ..servicequotas import Quotas
from .model import ACTIONS, name_order, name_read, store_of

ZONES_QUOTA = ("route53", "L-4EA4796A")
PAGE = 300  # API_ListResourceRecordSets
ZONES = 100  # API_ListHostedZonesByName


def size_of(call: Call, most: int) -> int:
    text = call.input.get("MaxItems", str(most))
    if not text.isdigit() or int(text) < 1:
        raise AwsError("InvalidInput", f"Invalid value for MaxItems: '{text}'")
    return min(int(text), most, call.world.page_size or most)


def zone_show(call: Call, zone: Any) -> dict[str, Any]:
    config = {"PrivateZone": bool(zone.private_zone)}
    if zone.comment:
        config["Comment"] = zone.comment
    return {"Id": f"/hostedzone/{zone.resource_id}", "Name": name_read(zone.name),
            "CallerReference": zone.caller_reference or "berth", "Config": config,
            "ResourceRecordSetCount": len(store_of(call).records(zone))}


@ACTIONS.action("GetHostedZone")
def get_zone(call: Call) -> dict[str, Any]:
    zone = store_of(call).zone(call.input["Id"])
    shown: dict[str, Any] = {"HostedZone": zone_show(call, zone)}
    if zone.private_zone:
        shown["VPCs"] = [{"VPCId": v.get("vpc_id"), "VPCRegion": v.get("vpc_region")}
                         for v in zone.vpcs]
    else:
        shown["DelegationSet"] = {"NameServers": ["ns-2048.awsdns-64.com"]}
    return shown


@ACTIONS.action("GetAccountLimit")
def get_account_limit(call: Call) -> dict[str, Any]:
    """https://docs.aws.amazon.com/Route53/latest/APIReference/API_GetAccountLimit.html"""
    if call.input["Type"] != "MAX_HOSTED_ZONES_BY_OWNER":
        raise NotImplementedError
    quotas: Quotas = call.world.store(Quotas, call.account, "us-east-1")
    return {"Limit": {"Type": call.input["Type"], "Value": int(quotas.values[ZONES_QUOTA])},
            "Count": len(store_of(call).zones)}


@ACTIONS.action("ListHostedZonesByName")
def list_by_name(call: Call) -> dict[str, Any]:
    """From the given name on, in the order of reversed labels, then of ids."""
    given = call.input
    if "HostedZoneId" in given and "DNSName" not in given:
        raise AwsError("InvalidInput", "HostedZoneId requires DNSName.")
    start = (name_order(name_read(given["DNSName"])) if "DNSName" in given else "",
             given.get("HostedZoneId", "").rpartition("/")[2])
    found = sorted(((name_order(name_read(z.name)), z.resource_id), z)
                   for z in store_of(call).zones.values())
    found = [pair for pair in found if pair[0] >= start]
    size = size_of(call, ZONES)
    shown: dict[str, Any] = {"HostedZones": [zone_show(call, z) for _, z in found[:size]],
                             "IsTruncated": len(found) > size, "MaxItems": str(size)}
    shown.update({k: given[k] for k in ("DNSName", "HostedZoneId") if k in given})
    if len(found) > size:
        _, zone = found[size]
        shown.update(NextDNSName=name_read(zone.name), NextHostedZoneId=zone.resource_id)
    return shown


@ACTIONS.action("DeleteHostedZone")
def delete_zone(call: Call) -> Raw:
    store = store_of(call)
    zone = store.zone(call.input["Id"])
    if len(store.records(zone)) > 2:
        raise AwsError("HostedZoneNotEmpty", "The specified hosted zone contains non-required "
                       "resource record sets and so cannot be deleted.")
    return call.forward()


@ACTIONS.action("ListResourceRecordSets")
def list_records(call: Call) -> dict[str, Any]:
    """From the first record whose name and type are the given ones or come behind them."""
    given, store = call.input, store_of(call)
    records = store.records(store.zone(given["HostedZoneId"]))
    if "StartRecordType" in given and "StartRecordName" not in given:
        raise AwsError("InvalidInput", "StartRecordType requires StartRecordName.")
    start = (name_order(name_read(given["StartRecordName"])) if "StartRecordName" in given else "",
             given.get("StartRecordType", ""), given.get("StartRecordIdentifier", ""))
    ordered = sorted(((name_order(key[0]), key[1], key[2]), r) for key, r in records.items())
    found = [r for key, r in ordered if key >= start]
    size = size_of(call, PAGE)
    shown: dict[str, Any] = {"ResourceRecordSets": found[:size], "MaxItems": str(size),
                             "IsTruncated": len(found) > size}
    if len(found) > size:
        shown.update(NextRecordName=found[size]["Name"], NextRecordType=found[size]["Type"])
        if "SetIdentifier" in found[size]:
            shown["NextRecordIdentifier"] = found[size]["SetIdentifier"]
    return shown


@ACTIONS.action("GetChange")
def get_change(call: Call) -> dict[str, Any]:
    identifier = call.input["Id"].rpartition("/")[2]
    changes = store_of(call).changes
    if identifier not in changes:
        raise AwsError("NoSuchChange", f"Could not find resource with ID: {identifier}", 404)
    return {"ChangeInfo": dict(changes[identifier])}
