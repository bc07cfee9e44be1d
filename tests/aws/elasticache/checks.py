"""What ElastiCache refuses beyond what the models say.

https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_CreateCacheCluster.html
https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_CreateReplicationGroup.html
"""

from __future__ import annotations

import re
from typing import Any

from .. import ec2
from ..errors import AwsError
from .model import NEWEST, VERSIONS, Cache, SubnetGroup, family_of, mismatch, refuse

NAME = re.compile(r"[A-Za-z](?:[A-Za-z0-9]|-(?!-|$))*")
NODE_TYPE = re.compile(r"cache\.(t1|t2|t3|t4g|m3|m4|m5|m6g|m7g|r3|r4|r5|r6g|r7g)\."
                       r"(micro|small|medium|large|xlarge|\d+xlarge)")
DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAY = f"(?:{'|'.join(DAYS)})"
CLOCK = "(?:[01][0-9]|2[0-3]):[0-5][0-9]"
MAINTENANCE = re.compile(f"{DAY}:{CLOCK}-{DAY}:{CLOCK}", re.IGNORECASE)
SNAPSHOT = re.compile(f"{CLOCK}-{CLOCK}")
TOKEN = re.compile(r"[A-Za-z0-9!&#$^<>-]{16,128}")


def name_check(parameter: str, name: str, longest: int) -> str:
    """The name as it is stored: in lower case."""
    if len(name) > longest or not NAME.fullmatch(name):
        raise refuse(f"The parameter {parameter} is not a valid identifier. Identifiers must begin "
                     "with a letter; must contain only ASCII letters, digits, and hyphens; and "
                     "must not end with a hyphen or contain two consecutive hyphens.")
    return name.lower()


def node_type_check(name: str | None) -> str:
    if not name:
        raise refuse("The parameter CacheNodeType must be provided and must not be blank.")
    if not NODE_TYPE.fullmatch(name):
        raise refuse(f"Invalid cache node type: {name}")
    return name


def version_check(engine: str, version: str | None) -> str:
    """The full version that a cluster gets."""
    if engine not in VERSIONS:
        raise refuse(f"Invalid Engine value: {engine}")
    wanted = version or NEWEST[engine]
    known = VERSIONS[engine]
    if wanted not in known and wanted not in known.values():
        raise mismatch(f"Cannot find version {wanted} for {engine}")
    return known.get(wanted, wanted)


def parameter_group_check(store: Cache, engine: str, version: str, name: str | None) -> str:
    family = family_of(engine, version)
    name = name or f"default.{family}"
    if name not in store.parameter_groups:
        raise AwsError("CacheParameterGroupNotFound", f"CacheParameterGroup not found: {name}", 404)
    if store.parameter_groups[name] != family:
        raise mismatch(f"Expected a parameter group of family {family} but found one of family "
                       f"{store.parameter_groups[name]}")
    return name


def groups_check(store: Cache, names: list[str], subnet_group: SubnetGroup) -> list[str]:
    for name in names:
        vpc = ec2.group_vpc(store.account, store.region, name)
        if vpc is None:
            raise refuse(f"Some security group Ids are not valid: {name}")
        if vpc != subnet_group.fields["VpcId"]:
            raise refuse(f"The security group {name} and the cache subnet group "
                         f"{subnet_group.name} are not in the same VPC.")
    return list(names)


def windows_check(given: dict[str, Any]) -> None:
    maintenance, snapshot = given.get("PreferredMaintenanceWindow"), given.get("SnapshotWindow")
    if maintenance is not None and not MAINTENANCE.fullmatch(maintenance):
        raise refuse(f"Invalid maintenance window format: {maintenance}. Must be of the form "
                     "ddd:hh24:mi-ddd:hh24:mi")
    if snapshot is not None and not SNAPSHOT.fullmatch(snapshot):
        raise refuse(f"Invalid snapshot window format: {snapshot}. Must be of the form "
                     "hh24:mi-hh24:mi")
    # hashicorp/terraform-provider-aws#2153, azavea/nyc-trees#54, hashicorp/terraform#17247
    times = {what: minutes_of(window) for what, window in (("Snapshot", snapshot),
                                                           ("Maintenance", maintenance)) if window}
    for what, minutes in times.items():
        if len(minutes) < 60:
            raise refuse(f"{what} window must be at least 60 minutes.")
    if len(times) == 2 and times["Snapshot"] & times["Maintenance"]:
        raise refuse("The snapshot window and maintenance window must not overlap.")
    if not 0 <= given.get("SnapshotRetentionLimit", 0) <= 35:
        raise refuse("The snapshot retention limit must be between 0 and 35.")


def minutes_of(window: str) -> set[int]:
    """The minutes of a day that a window has on any day."""
    begin, end = ([int(part) if part.isdigit() else DAYS.index(part.lower())
                   for part in time.split(":")] for time in window.split("-"))
    times = [sum(n * m for n, m in zip(reversed(time), (1, 60, 1440))) for time in (begin, end)]
    length = (times[1] - times[0]) % (1440 if len(begin) == 2 else 7 * 1440)
    return {(times[0] + minute) % 1440 for minute in range(length)}


def port_check(port: int) -> int:
    if not 1 <= port <= 65535:
        raise refuse(f"Port number {port} is not valid.")
    return port


def token_check(token: str) -> str:
    if not TOKEN.fullmatch(token):
        raise refuse("Invalid AuthToken provided. AUTH tokens must be 16-128 printable characters; "
                     "the only special characters are !, &, #, $, ^, <, >, and -.")
    return token
