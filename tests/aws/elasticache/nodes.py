"""The life of a node: creating, available, modifying, deleting, and its network interface.

https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_CacheCluster.html
A cluster tells its node's endpoint only once it is available.
"""

from __future__ import annotations

from typing import Any

from .. import ec2
from ..errors import AwsError
from .model import Cache, Cluster

# In which a cluster may be deleted, as AWS's own error says (hashicorp/terraform#1331).
DELETABLE = ("available", "failed", "create-failed", "incompatible-network",
             "incompatible-parameters", "restore-failed")
# What a modification sets at once, and is no reason to be `modifying` for.
AT_ONCE = ("PreferredMaintenanceWindow", "SnapshotWindow", "SnapshotRetentionLimit",
           "AutoMinorVersionUpgrade")


def wanted_defaults(wanted: dict[str, Any]) -> dict[str, Any]:
    """What AWS chooses itself where a request leaves it out."""
    return {"PreferredMaintenanceWindow": "sun:05:00-sun:06:00", "SnapshotRetentionLimit": 0,
            "SnapshotWindow": "03:00-04:00", "AutoMinorVersionUpgrade": True,
            **{k: v for k, v in wanted.items() if v is not None}}


def groups_show(names: list[str]) -> list[dict[str, str]]:
    return [{"SecurityGroupId": name, "Status": "active"} for name in names]


def node_make(store: Cache, name: str, wanted: dict[str, Any], tags: list[dict[str, str]],
              **fields: Any) -> Cluster:
    """A node that is being created; WANTED has the names of CreateCacheCluster's members, and
    `subnet_group`."""
    subnet_group = wanted["subnet_group"]
    cluster = Cluster({
        "CacheClusterId": name, "ARN": store.arn("cluster", name), "Engine": wanted["Engine"],
        "EngineVersion": wanted["EngineVersion"], "CacheNodeType": wanted["CacheNodeType"],
        "CacheClusterStatus": "creating", "NumCacheNodes": 1,
        "CacheParameterGroup": {"CacheParameterGroupName": wanted["CacheParameterGroupName"],
                                "ParameterApplyStatus": "in-sync", "CacheNodeIdsToReboot": []},
        "CacheSubnetGroupName": subnet_group.name, "CacheSecurityGroups": [],
        "SecurityGroups": groups_show(wanted["SecurityGroupIds"]), "PendingModifiedValues": {},
        "PreferredMaintenanceWindow": wanted["PreferredMaintenanceWindow"].lower(),
        "SnapshotRetentionLimit": wanted["SnapshotRetentionLimit"],
        "SnapshotWindow": wanted["SnapshotWindow"],
        "AutoMinorVersionUpgrade": wanted["AutoMinorVersionUpgrade"],
        "AuthTokenEnabled": bool(wanted.get("AuthToken")),
        "TransitEncryptionEnabled": wanted.get("TransitEncryptionEnabled", False),
        "AtRestEncryptionEnabled": wanted.get("AtRestEncryptionEnabled", False),
        "ReplicationGroupLogDeliveryEnabled": False, "LogDeliveryConfigurations": [],
        "NetworkType": "ipv4", "IpDiscovery": "ipv4", **fields,
    }, wanted["Port"], subnet_group, tags)
    subnets = subnet_group.fields["Subnets"]
    zone = subnets[sum(name.encode()) % len(subnets)]
    cluster.fields["PreferredAvailabilityZone"] = zone["SubnetAvailabilityZone"]["Name"]
    interface = ec2.interface_create(
        store.account, store.region, zone["SubnetIdentifier"], wanted["SecurityGroupIds"],
        f"ElastiCache {name}", "amazon-elasticache")
    cluster.interfaces.append(interface.id)
    store.clusters[name] = cluster
    return cluster


def node_ready(store: Cache, cluster: Cluster) -> None:
    fields = cluster.fields
    fields.update(CacheClusterStatus="available", CacheClusterCreateTime=store.now(),
                  CacheNodes=[{
                      "CacheNodeId": "0001", "CacheNodeStatus": "available",
                      "CacheNodeCreateTime": store.now(), "ParameterGroupStatus": "in-sync",
                      "CustomerAvailabilityZone": fields["PreferredAvailabilityZone"],
                      "Endpoint": {"Address": node_address(store, cluster.name),
                                   "Port": cluster.port}}])
    store.note("cache-cluster", cluster.name, "Added cache node 0001 in availability zone "
               + fields["PreferredAvailabilityZone"])
    store.note("cache-cluster", cluster.name, "Cache cluster created")


def node_address(store: Cache, name: str) -> str:
    return f"{name}.{letters(store)}.0001.use1.cache.amazonaws.com"


def letters(store: Cache) -> str:
    """What stands in the addresses of an account and region."""
    return "ab" + str(int(store.account) % 9973) + "c"


def node_fail(store: Cache, cluster: Cluster, fault: dict[str, Any]) -> None:
    cluster.fields["CacheClusterStatus"] = fault.get("code", "create-failed")
    store.note("cache-cluster", cluster.name, fault.get("message", "Failed to create cluster"))


def node_gone(store: Cache, cluster: Cluster) -> None:
    """The interface stays a little longer, and with it the hold on security group and subnet."""
    store.clusters.pop(cluster.name, None)
    clock = store.world.clock
    for name in cluster.interfaces:
        clock.after(clock.duration("cache.interface"),
                    lambda name=name: ec2.interface_delete(  # type: ignore[misc]
                        store.account, store.region, name))


def node_set(store: Cache, cluster: Cluster, change: dict[str, Any]) -> None:
    """Carry out a change; its members are those of ModifyCacheCluster."""
    fields = cluster.fields
    for member in (*AT_ONCE, "Engine", "EngineVersion", "CacheNodeType"):
        if member in change:
            value = change[member]
            fields[member] = value.lower() if member == "PreferredMaintenanceWindow" else value
    if "CacheParameterGroupName" in change:
        fields["CacheParameterGroup"]["CacheParameterGroupName"] = change[
            "CacheParameterGroupName"]
    if "SecurityGroupIds" in change:
        fields["SecurityGroups"] = groups_show(change["SecurityGroupIds"])
        backend = ec2.backend(store.account, store.region)
        for name in cluster.interfaces:
            if name in backend.enis:
                backend.enis[name]._group_set = [
                    backend.get_security_group_from_id(g) for g in change["SecurityGroupIds"]]


def must_be(status: str, allowed: tuple[str, ...], name: str, doing: str,
            code: str = "InvalidCacheClusterState") -> None:
    if status not in allowed:
        raise AwsError(code, f"{name} is not in a valid state to be {doing}: it is {status}.")
