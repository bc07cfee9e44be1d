"""Subnet groups: of one VPC, and there for as long as a cluster is in them.

https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_CreateCacheSubnetGroup.html
"""

from __future__ import annotations

import re
from typing import Any

from .. import ec2
from ..errors import AwsError
from ..registry import Call
from .model import ACTIONS, Cache, SubnetGroup, page_of, refuse, store_of, tags_check


def subnets_show(store: Cache, names: list[str]) -> tuple[str, list[dict[str, Any]]]:
    """The VPC of the subnets, and each as the API gives it."""
    subnets = {}
    for zone in ec2.backend(store.account, store.region).subnets.values():
        subnets.update(zone)
    unknown = [name for name in names if name not in subnets]
    if unknown or not names:
        raise AwsError("InvalidSubnet", f"The subnet ID '{', '.join(unknown)}' does not exist")
    vpcs = {subnets[name].vpc_id for name in names}
    if len(vpcs) > 1:
        raise AwsError("InvalidSubnet", "Subnets of one cache subnet group must be in one VPC.")
    return vpcs.pop(), [
        {"SubnetIdentifier": name, "SupportedNetworkTypes": ["ipv4"],
         "SubnetAvailabilityZone": {"Name": subnets[name].availability_zone}}
        for name in dict.fromkeys(names)]


@ACTIONS.action("CreateCacheSubnetGroup")
def create_subnet_group(call: Call) -> dict[str, Any]:
    store, given = store_of(call), call.input
    name = given["CacheSubnetGroupName"].lower()
    if not re.fullmatch(r"[a-z0-9._ -]{1,255}", name) or name == "default":
        raise refuse("The parameter CacheSubnetGroupName is not a valid name.")
    if name in store.subnet_groups:
        raise AwsError("CacheSubnetGroupAlreadyExists",
                       f"Cache subnet group {name} already exists.")
    vpc, subnets = subnets_show(store, given["SubnetIds"])
    fields = {"CacheSubnetGroupName": name, "VpcId": vpc, "Subnets": subnets,
              "CacheSubnetGroupDescription": given["CacheSubnetGroupDescription"],
              "ARN": store.arn("subnetgroup", name), "SupportedNetworkTypes": ["ipv4"]}
    store.subnet_groups[name] = SubnetGroup(fields, tags_check(given.get("Tags", [])))
    return {"CacheSubnetGroup": fields}


@ACTIONS.action("DescribeCacheSubnetGroups")
def describe_subnet_groups(call: Call) -> dict[str, Any]:
    store = store_of(call)
    found = list(store.subnet_groups.values())
    if "CacheSubnetGroupName" in call.input:
        found = [store.subnet_group(call.input["CacheSubnetGroupName"])]
    page, more = page_of(found, call)
    return {"CacheSubnetGroups": [group.fields for group in page], **more}


def _used(store: Cache, group: SubnetGroup) -> set[str]:
    """The subnets of a group in which interfaces of its clusters are."""
    enis = ec2.backend(store.account, store.region).enis
    return {enis[name].subnet.id for cluster in store.clusters.values()
            if cluster.subnet_group is group for name in cluster.interfaces if name in enis}


@ACTIONS.action("ModifyCacheSubnetGroup")
def modify_subnet_group(call: Call) -> dict[str, Any]:
    store, given = store_of(call), call.input
    group = store.subnet_group(given["CacheSubnetGroupName"])
    if "SubnetIds" in given:
        vpc, subnets = subnets_show(store, given["SubnetIds"])
        if vpc != group.fields["VpcId"]:
            raise AwsError("InvalidSubnet", "The new subnets are not in the same VPC as the "
                           "existing subnet group.")
        gone = _used(store, group) - set(given["SubnetIds"])
        if gone:
            raise AwsError("SubnetInUse", f"The subnet ID {sorted(gone)[0]} is in use.")
        group.fields["Subnets"] = subnets
    if "CacheSubnetGroupDescription" in given:
        group.fields["CacheSubnetGroupDescription"] = given["CacheSubnetGroupDescription"]
    return {"CacheSubnetGroup": group.fields}


@ACTIONS.action("DeleteCacheSubnetGroup")
def delete_subnet_group(call: Call) -> dict[str, Any]:
    """Refused while a cluster is in it, also one that is being deleted (aws/aws-cdk#6935)."""
    store = store_of(call)
    group = store.subnet_group(call.input["CacheSubnetGroupName"])
    if any(cluster.subnet_group is group for cluster in store.clusters.values()) or any(
            g.wanted["subnet_group"] is group for g in store.groups.values()):
        raise AwsError("CacheSubnetGroupInUse", f"Cache subnet group {group.name} is currently in "
                       "use by a cache cluster.")
    del store.subnet_groups[group.name]
    return {}
