"""What is in each zone, how names are written, and the changes that were asked for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ..errors import AwsError
from ..registry import Call, Service

if TYPE_CHECKING:
    from ..world import World

# https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DNSLimitations.html: five a second.
ACTIONS = Service("route53", throttle=("Throttling", 400), invalid="InvalidInput")
NAME_SERVERS = ["ns-2048.awsdns-64.com.", "ns-2049.awsdns-65.net.", "ns-2050.awsdns-66.org.",
                "ns-2051.awsdns-67.co.uk."]
Key = tuple[str, str, str]  # name, type, set identifier


def name_read(name: str) -> str:
    r"""A name as Route 53 keeps it: lower case, a final dot, other characters as \ooo.

    https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DomainNameFormat.html
    """
    plain = re.sub(r"\\([0-7]{3})", lambda m: chr(int(m.group(1), 8)), name).lower().rstrip(".")
    return "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else
                   "".join(f"\\{byte:03o}" for byte in c.encode()) for c in plain) + "."


def name_order(name: str) -> str:
    """Names are sorted by their labels reversed (API_ListResourceRecordSets)."""
    return ".".join(reversed(name.rstrip(".").split("."))) + "."


class Route53:
    """The records of every zone of an account, and its changes."""

    def __init__(self, world: World, account: str, _region: str) -> None:
        self.world, self.account = world, account
        self._records: dict[str, dict[Key, dict[str, Any]]] = {}
        self.changes: dict[str, dict[str, Any]] = {}

    @property
    def zones(self) -> dict[str, Any]:
        from moto.route53 import route53_backends
        return dict(route53_backends[self.account]["aws"].zones)

    def zone(self, identifier: str) -> Any:
        zone = self.zones.get(identifier.rpartition("/")[2])
        if zone is None:
            raise AwsError("NoSuchHostedZone", f"No hosted zone found with ID: {identifier}", 404)
        return zone

    def records(self, zone: Any) -> dict[Key, dict[str, Any]]:
        """The zone's records by key; a new zone has its NS and SOA."""
        if zone.resource_id not in self._records:
            name = name_read(zone.name)
            self._records[zone.resource_id] = {key_of(r): r for r in (
                {"Name": name, "Type": "NS", "TTL": 172800,
                 "ResourceRecords": [{"Value": s} for s in NAME_SERVERS]},
                {"Name": name, "Type": "SOA", "TTL": 900, "ResourceRecords": [
                    {"Value": f"{NAME_SERVERS[0]} awsdns-hostmaster.amazon.com. 1 7200 900 "
                     "1209600 86400"}]})}
        return self._records[zone.resource_id]

    def replace(self, zone: Any, records: dict[Key, dict[str, Any]]) -> None:
        self._records[zone.resource_id] = records

    def change(self) -> dict[str, Any]:
        """A change that is on its way, "generally within 60 seconds" (API_GetChange)."""
        now = self.world.clock.now()
        identifier = "C" + self.world.hex(20).upper()
        change = {"Id": f"/change/{identifier}", "Status": "PENDING", "SubmittedAt": now}
        self.changes[identifier] = change

        def arrive() -> None:
            change["Status"] = "INSYNC"

        self.world.clock.after(self.world.clock.duration("route53.sync"), arrive)
        return dict(change)


def key_of(record: dict[str, Any]) -> Key:
    return record["Name"], record["Type"], record.get("SetIdentifier", "")


def store_of(call: Call) -> Route53:
    """Route 53 is global: one store for all regions."""
    store: Route53 = call.world.store(Route53, call.account, "aws")
    return store
