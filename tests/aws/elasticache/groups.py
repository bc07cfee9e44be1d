"""Replication groups of one shard: a primary and up to five replicas, TLS and AUTH tokens.

https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_CreateReplicationGroup.html
and its kin; https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/auth.html
"""

from __future__ import annotations

from typing import Any

from ..errors import AwsError
from ..registry import Call
from . import checks
from .clusters import change_of, duration_of, later
from .model import (ACTIONS, Cache, Cluster, Group, mismatch, page_of, refuse, store_of,
                    tags_check)
from .nodes import (AT_ONCE, DELETABLE, letters, must_be, node_fail, node_gone, node_make,
                    node_ready, node_set, wanted_defaults)

STATE = "InvalidReplicationGroupState"


@ACTIONS.action("CreateReplicationGroup")
def create_group(call: Call) -> dict[str, Any]:
    store, given = store_of(call), call.input
    name = checks.name_check("ReplicationGroupId", given["ReplicationGroupId"], 40)
    if name in store.groups:
        raise AwsError("ReplicationGroupAlreadyExists", f"Replication group {name} already exists")
    wanted = _wanted(store, given)
    members = given.get("NumCacheClusters", 1)
    _failover_check(members, wanted)
    fields = {
        "ReplicationGroupId": name, "ARN": store.arn("replicationgroup", name),
        "Description": given["ReplicationGroupDescription"], "Status": "creating",
        "PendingModifiedValues": {}, "Engine": wanted["Engine"], "ClusterEnabled": False,
        "CacheNodeType": wanted["CacheNodeType"], "GlobalReplicationGroupInfo": {},
        "AutomaticFailover": _word(wanted.get("AutomaticFailoverEnabled")),
        "MultiAZ": _word(wanted.get("MultiAZEnabled")),
        "SnapshotRetentionLimit": wanted["SnapshotRetentionLimit"],
        "SnapshotWindow": wanted["SnapshotWindow"],
        "AuthTokenEnabled": bool(wanted.get("AuthToken")),
        "TransitEncryptionEnabled": wanted.get("TransitEncryptionEnabled", False),
        "AtRestEncryptionEnabled": wanted["AtRestEncryptionEnabled"],
        "ReplicationGroupCreateTime": store.now(), "DataTiering": "disabled",
        "AutoMinorVersionUpgrade": wanted["AutoMinorVersionUpgrade"], "NetworkType": "ipv4",
        "IpDiscovery": "ipv4", "ClusterMode": "disabled", "LogDeliveryConfigurations": [],
        "UserGroupIds": [], "MemberClusters": []}
    if fields["TransitEncryptionEnabled"]:
        fields["TransitEncryptionMode"] = wanted.get("TransitEncryptionMode", "required")
    group = Group(fields, wanted, tags_check(given.get("Tags", [])))
    if "AuthToken" in wanted:
        group.tokens = [wanted["AuthToken"]]
        fields["AuthTokenLastModifiedDate"] = store.now()
    for _ in range(members):
        _member_add(store, group)
    store.groups[name] = group
    fault = store.world.faults.found("failed", "elasticache", ReplicationGroupId=name)
    clock = store.world.clock
    clock.after(clock.duration("cache.group"), lambda: _fail(store, group, fault)
                if fault else _ready(store, group))
    return {"ReplicationGroup": fields}


def _word(enabled: Any) -> str:
    return "enabled" if enabled else "disabled"


def _wanted(store: Cache, given: dict[str, Any]) -> dict[str, Any]:
    engine = given.get("Engine", "redis")
    if engine not in ("redis", "valkey"):
        raise refuse(f"Invalid value for Engine: {engine}. Valid values: redis, valkey")
    if "CacheSubnetGroupName" not in given:
        raise refuse("This endpoint has no default cache subnet group: name one.")
    if not 1 <= given.get("NumCacheClusters", 1) <= 6:
        raise refuse("NumCacheClusters must be between 1 and 6.")
    if given.get("AuthToken") is not None:
        if not given.get("TransitEncryptionEnabled"):
            raise mismatch("The AuthToken can be specified only on replication groups with "
                           "TransitEncryptionEnabled.")
        checks.token_check(given["AuthToken"])
    subnet_group = store.subnet_group(given["CacheSubnetGroupName"])
    version = checks.version_check(engine, given.get("EngineVersion"))
    wanted = wanted_defaults({
        "AtRestEncryptionEnabled": engine == "valkey", **given, "Engine": engine,
        "EngineVersion": version, "subnet_group": subnet_group,
        "CacheNodeType": checks.node_type_check(given.get("CacheNodeType")),
        "Port": checks.port_check(given.get("Port", 6379)),
        "SecurityGroupIds": checks.groups_check(store, given.get("SecurityGroupIds", []),
                                                subnet_group),
        "CacheParameterGroupName": checks.parameter_group_check(
            store, engine, version, given.get("CacheParameterGroupName"))})
    checks.windows_check(wanted)
    return wanted


def _failover_check(members: int, wanted: dict[str, Any]) -> None:
    if wanted.get("AutomaticFailoverEnabled") and members < 2:
        raise mismatch("When using automatic failover, there must be at least 2 cache clusters in "
                       "the replication group.")
    if wanted.get("MultiAZEnabled") and not wanted.get("AutomaticFailoverEnabled"):
        raise mismatch("When using Multi-AZ, Automatic Failover must be enabled.")


def _member_add(store: Cache, group: Group) -> Cluster:
    taken = {cluster.name for cluster in group.members}
    name = next(n for n in (f"{group.name}-{i:03d}" for i in range(1, 20)) if n not in taken)
    member = node_make(store, name, group.wanted, group.tags, ReplicationGroupId=group.name)
    group.members.append(member)
    group.fields["MemberClusters"] = sorted(cluster.name for cluster in group.members)
    return member


def _ready(store: Cache, group: Group) -> None:
    for member in group.members:
        if member.status != "available":
            node_ready(store, member)
    group.fields["Status"] = "available"
    _endpoints(store, group)
    store.note("replication-group", group.name, f"Replication group {group.name} created")


def _fail(store: Cache, group: Group, fault: dict[str, Any]) -> None:
    for member in group.members:
        node_fail(store, member, fault)
    group.fields["Status"] = "create-failed"
    store.note("replication-group", group.name, fault.get("message", "Failed to create group"))


def _endpoints(store: Cache, group: Group) -> None:
    """Node groups are told once there is something to connect to."""
    zone, name = f"{letters(store)}", group.name
    hosts = (f"master.{name}.{zone}.use1", f"replica.{name}.{zone}.use1") \
        if group.fields["TransitEncryptionEnabled"] else \
        (f"{name}.{zone}.ng.0001.use1", f"{name}-ro.{zone}.ng.0001.use1")
    primary, reader = ({"Address": host + ".cache.amazonaws.com", "Port": group.wanted["Port"]}
                       for host in hosts)
    group.fields["NodeGroups"] = [{
        "NodeGroupId": "0001", "Status": "available", "PrimaryEndpoint": primary,
        "ReaderEndpoint": reader, "NodeGroupMembers": [
            {"CacheClusterId": member.name, "CacheNodeId": "0001",
             "ReadEndpoint": member.fields["CacheNodes"][0]["Endpoint"],
             "PreferredAvailabilityZone": member.fields["PreferredAvailabilityZone"],
             "CurrentRole": "replica" if number else "primary"}
            for number, member in enumerate(group.members)]}]


@ACTIONS.action("DescribeReplicationGroups")
def describe_groups(call: Call) -> dict[str, Any]:
    store = store_of(call)
    found = list(store.groups.values())
    if "ReplicationGroupId" in call.input:
        found = [store.group(call.input["ReplicationGroupId"])]
    page, more = page_of(found, call)
    return {"ReplicationGroups": [group.fields for group in page], **more}


def _begin(store: Cache, group: Group, duration: str, finish: Any) -> dict[str, Any]:
    """The group is modifying until FINISH; so are its members."""
    group.fields["Status"] = "modifying"

    def finished() -> None:
        finish()
        group.fields.update(Status="available", PendingModifiedValues={})
        _endpoints(store, group)

    clock = store.world.clock
    clock.after(clock.duration(duration), finished)
    return {"ReplicationGroup": group.fields}


def _available(group: Group) -> None:
    must_be(group.status, ("available",), f"Replication group {group.name}", "modified", STATE)


@ACTIONS.action("ModifyReplicationGroup")
def modify_group(call: Call) -> dict[str, Any]:
    store, given = store_of(call), call.input
    group = store.group(given["ReplicationGroupId"])
    _available(group)
    if "AuthToken" in given or "AuthTokenUpdateStrategy" in given:
        return _token_change(store, group, given)
    failover = {m: given.get(m, group.wanted.get(m)) for m in
                ("AutomaticFailoverEnabled", "MultiAZEnabled")}
    _failover_check(len(group.members), failover)
    if given.get("SnapshotRetentionLimit") and not group.fields["SnapshotRetentionLimit"] \
            and "SnapshottingClusterId" not in given:
        # https://github.com/hashicorp/terraform-provider-aws, replication_group.go: it has to be
        # named when snapshots are turned on.
        raise mismatch("A snapshotting cluster must be specified to turn on automatic backups.")
    change = change_of(store, group.members[0], given)
    pending = later(change, given)
    group.wanted.update({**change, **failover})
    if "ReplicationGroupDescription" in given:
        group.fields["Description"] = given["ReplicationGroupDescription"]
    for member in group.members:
        node_set(store, member, {m: v for m, v in change.items() if m in AT_ONCE})
        member.fields["PendingModifiedValues"] = pending
    for name in ("SnapshotRetentionLimit", "SnapshotWindow", "AutoMinorVersionUpgrade"):
        group.fields[name] = group.wanted[name]
    slow = {m: v for m, v in change.items() if m not in AT_ONCE}
    words = {"AutomaticFailover": _word(failover["AutomaticFailoverEnabled"]),
             "MultiAZ": _word(failover["MultiAZEnabled"])}
    if not slow and all(group.fields[m] == word for m, word in words.items()):
        return {"ReplicationGroup": group.fields}

    def finish() -> None:
        for member in group.members:
            node_set(store, member, slow)
        group.fields.update(words, **{m: group.members[0].fields[m]
                                      for m in ("Engine", "CacheNodeType")})

    return _begin(store, group, duration_of(slow), finish)


def _token_change(store: Cache, group: Group, given: dict[str, Any]) -> dict[str, Any]:
    """ROTATE adds a token beside the last one, SET leaves it alone."""
    strategy = given.get("AuthTokenUpdateStrategy", "ROTATE")
    if not group.fields["TransitEncryptionEnabled"]:
        raise mismatch("AUTH tokens need in-transit encryption.")
    if strategy == "DELETE" or "AuthToken" not in given:
        raise mismatch("The AUTH token can be deleted only when moving to role based access.")
    if not given.get("ApplyImmediately"):
        raise mismatch("The AUTH token can only be modified with ApplyImmediately.")
    token = checks.token_check(given["AuthToken"])
    kept = [t for t in group.tokens if t != token][:1] if strategy == "ROTATE" else []
    group.tokens = [token, *kept]
    group.fields["PendingModifiedValues"] = {
        "AuthTokenStatus": "ROTATING" if strategy == "ROTATE" else "SETTING"}

    def finish() -> None:
        group.fields.update(AuthTokenEnabled=True, AuthTokenLastModifiedDate=store.now())

    return _begin(store, group, "cache.modifying", finish)


@ACTIONS.action("IncreaseReplicaCount")
def increase_replicas(call: Call) -> dict[str, Any]:
    store, group, count = _replicas(call)
    if count <= len(group.members) - 1:
        raise AwsError("NoOperationFault", "The new replica count is not higher than the present.")
    added = [_member_add(store, group) for _ in range(count - len(group.members) + 1)]

    def finish() -> None:
        for member in added:
            node_ready(store, member)

    return _begin(store, group, "cache.creating", finish)


@ACTIONS.action("DecreaseReplicaCount")
def decrease_replicas(call: Call) -> dict[str, Any]:
    store, group, count = _replicas(call)
    if count >= len(group.members) - 1:
        raise AwsError("NoOperationFault", "The new replica count is not lower than the present.")
    _failover_check(count + 1, group.wanted)
    gone = group.members[count + 1:]
    for member in gone:
        member.fields["CacheClusterStatus"] = "deleting"

    def finish() -> None:
        for member in gone:
            group.members.remove(member)
            node_gone(store, member)
        group.fields["MemberClusters"] = sorted(cluster.name for cluster in group.members)

    return _begin(store, group, "cache.deleting", finish)


def _replicas(call: Call) -> tuple[Cache, Group, int]:
    store, given = store_of(call), call.input
    group = store.group(given["ReplicationGroupId"])
    _available(group)
    if not given["ApplyImmediately"]:
        raise refuse("ApplyImmediately=False is not currently supported.")
    count = given.get("NewReplicaCount")
    if count is None or not 0 <= count <= 5:
        raise refuse("NewReplicaCount must be between 0 and 5.")
    return store, group, count


@ACTIONS.action("DeleteReplicationGroup")
def delete_group(call: Call) -> dict[str, Any]:
    store = store_of(call)
    group = store.group(call.input["ReplicationGroupId"])
    must_be(group.status, DELETABLE, f"Replication group {group.name}", "deleted", STATE)
    group.fields["Status"] = "deleting"
    for member in group.members:
        member.fields["CacheClusterStatus"] = "deleting"

    def finish() -> None:
        for member in group.members:
            node_gone(store, member)
        store.groups.pop(group.name, None)

    clock = store.world.clock
    clock.after(clock.duration("cache.group.deleting"), finish)
    return {"ReplicationGroup": group.fields}
