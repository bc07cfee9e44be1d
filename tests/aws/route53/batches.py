"""Batches of changes: all of a batch or nothing, each change in its turn.

https://docs.aws.amazon.com/Route53/latest/APIReference/API_ChangeResourceRecordSets.html. The words
of refusals are those that users of the API quote; the threads are named beside them.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Any

from ..elb.model import Elb
from ..errors import AwsError
from ..registry import Call
from .model import ACTIONS, Key, Route53, key_of, name_read, store_of

RECORDS_MAX = 1000  # in a batch; an UPSERT counts twice (DNSLimitations)
CHARACTERS_MAX = 32000
VALUES = {
    "CNAME": r"[^\s]+", "PTR": r"[^\s]+", "NS": r"[^\s]+", "MX": r"\d{1,5} [^\s]+",
    "SRV": r"\d{1,5} \d{1,5} \d{1,5} [^\s]+", "CAA": r'\d{1,3} [a-z0-9]+ "[^"]*"',
    "TXT": r'"(\\.|[^"\\]){0,255}"( "(\\.|[^"\\]){0,255}")*',
}


@ACTIONS.action("ChangeResourceRecordSets")
def change_records(call: Call) -> dict[str, Any]:
    store = store_of(call)
    zone = store.zone(call.input["HostedZoneId"])
    changes = call.input["ChangeBatch"]["Changes"]
    size_check(changes)
    records, refusals = dict(store.records(zone)), []
    for change in changes:
        form_check(change)
        labels_check(change["ResourceRecordSet"]["Name"])
        record = record_read(change["ResourceRecordSet"])
        refused = list(refusals_of(store, zone, records, change["Action"], record))
        refusals += refused
        if not refused and change["Action"] == "DELETE":
            del records[key_of(record)]
        elif not refused:
            records[key_of(record)] = spelling_kept(records.get(key_of(record)), record)
    if refusals:
        raise AwsError("InvalidChangeBatch", f"[{', '.join(refusals)}]")
    store.replace(zone, records)
    return {"ChangeInfo": store.change()}


def spelling_kept(present: dict[str, Any] | None, record: dict[str, Any]) -> dict[str, Any]:
    """An address stays as it was first written: "Route 53 appears to retain the initial string
    representation even if client upserts with a different" one, cookpad/roadworker#100."""
    if present is None or record["Type"] not in ("A", "AAAA") or "ResourceRecords" not in record:
        return record
    known = {ipaddress.ip_address(v["Value"]): v for v in present.get("ResourceRecords", [])}
    return {**record, "ResourceRecords": [known.get(ipaddress.ip_address(v["Value"]), v)
                                          for v in record["ResourceRecords"]]}


def size_check(changes: list[dict[str, Any]]) -> None:
    count = characters = 0
    for change in changes:
        weight = 2 if change["Action"] == "UPSERT" else 1
        values = change["ResourceRecordSet"].get("ResourceRecords", [])
        count += weight * max(1, len(values))
        characters += weight * sum(len(v["Value"]) for v in values)
    if count > RECORDS_MAX:
        raise AwsError("InvalidChangeBatch", f"[Number of records limit of {RECORDS_MAX} exceeded.]")
    if characters > CHARACTERS_MAX:
        raise AwsError("InvalidChangeBatch", f"[RDATA character limit of {CHARACTERS_MAX} "
                       "exceeded.]")


def form_check(change: dict[str, Any]) -> None:
    """ministryofjustice/modernisation-platform#10072, agorapulse/grails-aws-sdk#95."""
    given = change["ResourceRecordSet"]
    plain = "TTL" in given or "ResourceRecords" in given
    whole = "TTL" in given and "ResourceRecords" in given
    if plain and "AliasTarget" in given:
        found = "more than one"
    elif not whole and "AliasTarget" not in given:
        found = "none"
    else:
        return
    raise AwsError("InvalidInput", "Invalid request: Expected exactly one of [AliasTarget, all of "
                   f"[TTL, and ResourceRecords], or TrafficPolicyInstanceId], but found {found} in "
                   f"Change with [Action={change['Action']}, Name={given['Name']}, "
                   f"Type={given['Type']}, SetIdentifier={given.get('SetIdentifier', 'null')}]")


def labels_check(name: str) -> None:
    """ministryofjustice/cloud-platform#4294, hashicorp/terraform#18482."""
    for label in name.removesuffix(".").split("."):
        problem = ("DomainLabelEmpty (Domain label is empty)" if not label else
                   "DomainLabelTooLong (Domain label is too long)" if len(label) > 63 else "")
        if problem:
            raise AwsError("InvalidChangeBatch",
                           f"FATAL problem: {problem} encountered with '{label or name}'")


def record_read(given: dict[str, Any]) -> dict[str, Any]:
    """The record as it is kept and shown."""
    record = {**given, "Name": name_read(given["Name"])}
    if "AliasTarget" in given:
        record["AliasTarget"] = {**given["AliasTarget"],
                                 "DNSName": name_read(given["AliasTarget"]["DNSName"])}
    return record


def refusals_of(store: Route53, zone: Any, records: dict[Key, dict[str, Any]], action: str,
                record: dict[str, Any]) -> Any:
    """What is wrong with one change, in Route 53's words."""
    name, kind, apex = record["Name"], record["Type"], name_read(zone.name)
    present = records.get(key_of(record))
    what = f"resource record set [name='{name}', type='{kind}'"
    what += f", set identifier='{record['SetIdentifier']}']" if "SetIdentifier" in record else "]"
    if name != apex and not name.endswith(f".{apex}"):
        yield f"RRSet with DNS name {name} is not permitted in zone {apex}"
    elif action == "DELETE" and present is None:
        yield f"Tried to delete {what} but it was not found"
    elif action == "DELETE" and not same(present, record):
        yield f"Tried to delete {what} but the values provided do not match the current values"
    elif action == "DELETE":
        if name == apex and kind in ("NS", "SOA"):
            yield f"A HostedZone must contain exactly one {kind} record."
    elif action == "CREATE" and present is not None:
        yield f"Tried to create {what} but it already exists"
    else:
        yield from conflicts_of(records, record, apex)
        yield from values_wrong(record)
        yield from target_wrong(store, zone, records, record)


def same(present: dict[str, Any] | None, record: dict[str, Any]) -> bool:
    """Equal in everything; the order of values does not count."""
    def plain(one: dict[str, Any]) -> dict[str, Any]:
        values = sorted(v["Value"] for v in one.get("ResourceRecords", []))
        return {**one, "ResourceRecords": values}
    return present is not None and plain(present) == plain(record)


def conflicts_of(records: dict[Key, dict[str, Any]], record: dict[str, Any], apex: str) -> Any:
    """A CNAME stands alone: ansible-collections/amazon.aws#2694, hashicorp/terraform#9732."""
    name, kind = record["Name"], record["Type"]
    others = {key[1] for key in records if key[0] == name and key[1] != kind}
    zone = f"in zone {apex}"
    if kind == "CNAME" and name == apex:
        yield f"RRSet of type CNAME with DNS name {name} is not permitted at apex {zone}"
    elif kind == "CNAME" and others:
        yield (f"RRSet of type CNAME with DNS name {name} is not permitted as it conflicts with "
               f"other records with the same DNS name {zone}")
    elif "CNAME" in others:
        yield (f"RRSet of type {kind} with DNS name {name} is not permitted because a conflicting "
               f"RRSet of type CNAME with the same DNS name already exists {zone}")
    if any(key[:2] == (name, kind) and bool(key[2]) != ("SetIdentifier" in record)
           for key in records):
        yield (f"RRSet with DNS name {name}, type {kind} cannot be created as a simple and as "
               "another kind of resource record set")


def values_wrong(record: dict[str, Any]) -> Any:
    kind, values = record["Type"], [v["Value"] for v in record.get("ResourceRecords", [])]
    if len(set(values)) < len(values):
        yield "Duplicate Resource Record: '" + max(values, key=values.count) + "'"
    if kind == "CNAME" and len(values) > 1:
        yield "Multiple CNAME records are not permitted"
    for value in values:
        reason = value_refusal(kind, value)
        if reason:
            yield f"Invalid Resource Record: '{reason} encountered with '{value}''"


def value_refusal(kind: str, value: str) -> str:
    if kind in ("A", "AAAA"):
        try:
            address = ipaddress.ip_address(value)
            if address.version == (4 if kind == "A" else 6):
                return ""
        except ValueError:
            pass
        version = "4" if kind == "A" else "6"
        return (f"FATAL problem: {kind}RRDATAIllegalIPv{version}Address (Value is not a valid "
                f"IPv{version} address)")
    if kind in VALUES and not re.fullmatch(VALUES[kind], value, re.DOTALL):
        if kind == "TXT":
            return ("FATAL problem: InvalidCharacterString (Value should be enclosed in quotation "
                    "marks)")
        return "FATAL problem: UnexpectedFieldCount (Value contains the wrong number of fields)"
    return ""


def target_wrong(store: Route53, zone: Any, records: dict[Key, dict[str, Any]],
                 record: dict[str, Any]) -> Any:
    """The target must be there, in the zone that is named: harmony-one/harmony-ops#491."""
    target = record.get("AliasTarget")
    if target is None:
        return
    name, kind, where = target["DNSName"], record["Type"], target["HostedZoneId"]
    what = f"Tried to create an alias that targets {name}, type {kind} in zone {where}, but "
    if where == zone.resource_id:
        if not any(key[:2] == (name, kind) for key in records):
            yield what + "that target was not found"
        return
    balancers = balancers_of(store)
    if name.removeprefix("dualstack.") not in balancers:
        yield what + "that target was not found"
    elif balancers[name.removeprefix("dualstack.")] != where:
        yield what + "the alias target name does not lie within the target zone"


def balancers_of(store: Route53) -> dict[str, str]:
    """The names of all load balancers, and the zones that those lie in."""
    return {name_read(one.fields["DNSName"]): one.fields["CanonicalHostedZoneId"]
            for elb in store.world.stores(Elb, store.account) for one in elb.balancers.values()}
