# SPDX-License-Identifier: MIT
"""The example's hosted zone."""

from __future__ import annotations

from world import World

ZONE = "mettel-automation.net"


def zone_id(world: World) -> str:
    """Of the public zone: a private one may have the same name."""
    zones = world.aws.client("route53").list_hosted_zones_by_name(DNSName=ZONE)["HostedZones"]
    [zone] = [z for z in zones if z["Name"] == f"{ZONE}." and not z["Config"]["PrivateZone"]]
    return str(zone["Id"].rpartition("/")[2])
