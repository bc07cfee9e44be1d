"""Clusters: one node of Redis each.

https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_CreateCacheCluster.html and
its kin.
"""

from __future__ import annotations

from typing import Any

from ..errors import AwsError
from ..registry import Call
from . import checks
from .model import (ACTIONS, Cache, Cluster, mismatch, page_of, refuse, store_of, tags_check,
                    version_key)
from .nodes import (AT_ONCE, DELETABLE, must_be, node_fail, node_gone, node_make, node_ready,
                    node_set, wanted_defaults)


@ACTIONS.action("CreateCacheCluster")
def create_cluster(call: Call) -> dict[str, Any]:
    store, given = store_of(call), call.input
    name = checks.name_check("CacheClusterIdentifier", given["CacheClusterId"], 50)
    if name in store.clusters:
        raise AwsError("CacheClusterAlreadyExists", "Cache cluster already exists")
    wanted = _wanted(store, given)
    checks.windows_check(wanted)
    cluster = node_make(store, name, wanted, tags_check(given.get("Tags", [])))
    fault = store.world.faults.found("failed", "elasticache", CacheClusterId=name)
    clock = store.world.clock
    clock.after(clock.duration("cache.creating"), lambda: node_fail(store, cluster, fault)
                if fault else node_ready(store, cluster))
    return {"CacheCluster": cluster_show(cluster, nodes=False)}


def _wanted(store: Cache, given: dict[str, Any]) -> dict[str, Any]:
    if "ReplicationGroupId" in given:
        raise mismatch("Replicas are made by IncreaseReplicaCount at this endpoint.")
    engine = given.get("Engine", "memcached")
    if engine not in ("redis", "memcached"):
        raise refuse(f"Invalid value for Engine: {engine}. Valid values: memcached, redis")
    if "NumCacheNodes" not in given:
        raise refuse("The parameter NumCacheNodes must be provided and must not be blank.")
    if given["NumCacheNodes"] != 1:
        raise refuse("Cannot create a Redis cluster with a NumCacheNodes parameter greater than 1.")
    if "CacheSubnetGroupName" not in given:
        raise refuse("This endpoint has no default cache subnet group: name one.")
    if given.get("TransitEncryptionEnabled") or given.get("AuthToken"):
        raise mismatch("Encryption features are not supported for engine REDIS")
    subnet_group = store.subnet_group(given["CacheSubnetGroupName"])
    version = checks.version_check(engine, given.get("EngineVersion"))
    return wanted_defaults({
        **given, "Engine": engine, "EngineVersion": version, "subnet_group": subnet_group,
        "CacheNodeType": checks.node_type_check(given.get("CacheNodeType")),
        "Port": checks.port_check(given.get("Port", 6379)),
        "SecurityGroupIds": checks.groups_check(store, given.get("SecurityGroupIds", []),
                                                subnet_group),
        "CacheParameterGroupName": checks.parameter_group_check(
            store, engine, version, given.get("CacheParameterGroupName"))})


def cluster_show(cluster: Cluster, nodes: bool) -> dict[str, Any]:
    return {k: v for k, v in cluster.fields.items() if nodes or k != "CacheNodes"}


@ACTIONS.action("DescribeCacheClusters")
def describe_clusters(call: Call) -> dict[str, Any]:
    store, given = store_of(call), call.input
    found = list(store.clusters.values())
    if "CacheClusterId" in given:
        found = [store.cluster(given["CacheClusterId"])]
    if given.get("ShowCacheClustersNotInReplicationGroups"):
        found = [c for c in found if "ReplicationGroupId" not in c.fields]
    page, more = page_of(found, call)
    return {"CacheClusters": [cluster_show(cluster, given.get("ShowCacheNodeInfo", False))
                              for cluster in page], **more}


def engine_check(cluster: Cluster, given: dict[str, Any]) -> str:
    """From Redis to Valkey, within a replication group, and never back: "How to upgrade from Redis
    OSS to Valkey", https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/engine-versions.html.

    The new engine needs its version (aws-controllers-k8s/elasticache-controller#188).
    """
    now = str(cluster.fields["Engine"])
    engine = str(given.get("Engine", now))
    if engine == now:
        return engine
    if (now, engine) != ("redis", "valkey") or "ReplicationGroupId" not in cluster.fields:
        raise mismatch(f"Cannot change the engine from {now} to {engine}")
    if "EngineVersion" not in given:
        raise mismatch("EngineVersion must be specified when the engine is changed")
    return engine


def change_of(store: Cache, cluster: Cluster, given: dict[str, Any]) -> dict[str, Any]:
    """What a modification asks for that is not so yet, checked; full versions."""
    fields = cluster.fields
    checks.windows_check({**fields, **given})
    change = {m: given[m] for m in AT_ONCE if m in given}
    version, engine = fields["EngineVersion"], engine_check(cluster, given)
    if engine != fields["Engine"]:
        change["Engine"] = engine
    if "EngineVersion" in given:
        version = checks.version_check(engine, given["EngineVersion"])
        if version_key(version) < version_key(fields["EngineVersion"]):
            raise mismatch(f"Cannot downgrade the engine version from {fields['EngineVersion']} to "
                           f"{version}")
        change["EngineVersion"] = version
    if "CacheNodeType" in given:
        change["CacheNodeType"] = checks.node_type_check(given["CacheNodeType"])
    if "SecurityGroupIds" in given:
        change["SecurityGroupIds"] = checks.groups_check(store, given["SecurityGroupIds"],
                                                         cluster.subnet_group)
    group = given.get("CacheParameterGroupName",
                      fields["CacheParameterGroup"]["CacheParameterGroupName"])
    checks.parameter_group_check(store, engine, version, group)
    if group != fields["CacheParameterGroup"]["CacheParameterGroupName"]:
        change["CacheParameterGroupName"] = group
    return {m: v for m, v in change.items() if fields.get(m) != v}


def duration_of(change: dict[str, Any]) -> str:
    slow = "EngineVersion" in change or "CacheNodeType" in change
    return "cache.scaling" if slow else "cache.modifying"


def later(change: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """What waits for the maintenance window, unless it is to be applied immediately."""
    if given.get("ApplyImmediately"):
        return {}
    return {m: change.pop(m) for m in ("Engine", "EngineVersion", "CacheNodeType") if m in change}


@ACTIONS.action("ModifyCacheCluster")
def modify_cluster(call: Call) -> dict[str, Any]:
    store, given = store_of(call), call.input
    cluster = store.cluster(given["CacheClusterId"])
    if "ReplicationGroupId" in cluster.fields:
        raise mismatch("The cluster is a member of a replication group: modify that.")
    must_be(cluster.status, ("available",), f"Cache cluster {cluster.name}", "modified")
    change = {**(cluster.fields["PendingModifiedValues"] if given.get("ApplyImmediately") else {}),
              **change_of(store, cluster, given)}
    cluster.fields["PendingModifiedValues"] = later(change, given)
    node_set(store, cluster, {m: v for m, v in change.items() if m in AT_ONCE})
    slow = {m: v for m, v in change.items() if m not in AT_ONCE}
    if slow:
        cluster.fields["CacheClusterStatus"] = "modifying"
        cluster.fields["PendingModifiedValues"] = {
            m: v for m, v in slow.items() if m in ("EngineVersion", "CacheNodeType")}

        def finish() -> None:
            node_set(store, cluster, slow)
            cluster.fields.update(CacheClusterStatus="available", PendingModifiedValues={})

        clock = store.world.clock
        clock.after(clock.duration(duration_of(slow)), finish)
    return {"CacheCluster": cluster_show(cluster, nodes=False)}


@ACTIONS.action("DeleteCacheCluster")
def delete_cluster(call: Call) -> dict[str, Any]:
    """The id is taken until it is gone (cloudposse/terraform-aws-elasticache-memcached#60)."""
    store = store_of(call)
    cluster = store.cluster(call.input["CacheClusterId"])
    if "ReplicationGroupId" in cluster.fields:
        # gruntwork-io/cloud-nuke#333
        raise AwsError("InvalidCacheClusterState", "Cannot delete the cache cluster since it is "
                       "the only member of a replication group. Delete the replication group "
                       "instead.")
    must_be(cluster.status, DELETABLE, f"Cache cluster {cluster.name}", "deleted")
    cluster.fields["CacheClusterStatus"] = "deleting"
    clock = store.world.clock
    clock.after(clock.duration("cache.deleting"), lambda: node_gone(store, cluster))
    return {"CacheCluster": cluster_show(cluster, nodes=False)}
