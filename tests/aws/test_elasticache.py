"""ElastiCache: what takes time there, what it refuses, and what plain moto does otherwise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from .build import Builder, code_of, error_of
from .endpoint import Endpoint

TAGS = [{"Key": "Environment", "Value": "E"}]


class Caches:
    """Makes the usual things, as berth would."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint, self.build = endpoint, Builder(endpoint)
        self.api = endpoint.client("elasticache")
        self.group = self.build.group("E-redis-sg")
        self.api.create_cache_subnet_group(
            CacheSubnetGroupName="E-redis-subnet", CacheSubnetGroupDescription="x", Tags=TAGS,
            SubnetIds=self.build.subnets)

    def create(self, **given: Any) -> dict[str, Any]:
        return dict(self.api.create_cache_cluster(**{
            "CacheClusterId": "Automation-E", "Engine": "redis", "EngineVersion": "5.0.4",
            "CacheNodeType": "cache.m4.large", "NumCacheNodes": 1, "SecurityGroupIds": [self.group],
            "CacheSubnetGroupName": "E-redis-subnet", "Tags": TAGS, **given})["CacheCluster"])

    def replicated(self, **given: Any) -> dict[str, Any]:
        return dict(self.api.create_replication_group(**{
            "ReplicationGroupId": "automation-E", "ReplicationGroupDescription": "x",
            "Engine": "valkey", "EngineVersion": "8.0", "CacheNodeType": "cache.t4g.micro",
            "SecurityGroupIds": [self.group], "CacheSubnetGroupName": "E-redis-subnet",
            "Tags": TAGS, **given})["ReplicationGroup"])

    def seen(self, **given: Any) -> dict[str, Any]:
        return dict(self.api.describe_cache_clusters(
            CacheClusterId="automation-e", ShowCacheNodeInfo=True, **given)["CacheClusters"][0])

    def group_seen(self) -> dict[str, Any]:
        return dict(self.api.describe_replication_groups(
            ReplicationGroupId="automation-e")["ReplicationGroups"][0])

    def running(self, **given: Any) -> dict[str, Any]:
        self.create(**given)
        self.endpoint.advance(310)
        return self.seen()

    def replicating(self, **given: Any) -> dict[str, Any]:
        self.replicated(**given)
        self.endpoint.advance(550)
        return self.group_seen()

    def modify(self, **given: Any) -> dict[str, Any]:
        return dict(self.api.modify_cache_cluster(
            CacheClusterId="automation-e", ApplyImmediately=True, **given)["CacheCluster"])

    def group_modify(self, **given: Any) -> dict[str, Any]:
        return dict(self.api.modify_replication_group(
            ReplicationGroupId="automation-e", ApplyImmediately=True, **given)["ReplicationGroup"])


@pytest.fixture
def caches(endpoint: Endpoint) -> Caches:
    endpoint.speed(0.001)
    return Caches(endpoint)


def test_a_cluster_has_its_endpoint_once_it_is_available(caches: Caches) -> None:
    made = caches.create()
    assert (made["CacheClusterId"], made["CacheClusterStatus"]) == ("automation-e", "creating")
    assert "CacheNodes" not in caches.seen()
    caches.endpoint.advance(310)
    [node] = caches.seen()["CacheNodes"]
    assert caches.seen()["CacheClusterStatus"] == "available"
    assert node["Endpoint"]["Address"].startswith("automation-e.")
    assert node["Endpoint"]["Port"] == 6379
    shown = caches.api.describe_cache_clusters(CacheClusterId="automation-e")["CacheClusters"][0]
    assert "CacheNodes" not in shown  # only with ShowCacheNodeInfo
    assert caches.seen()["CacheParameterGroup"]["CacheParameterGroupName"] == "default.redis5.0"


def test_a_deleted_cluster_is_there_for_a_while(caches: Caches) -> None:
    delete = lambda: caches.api.delete_cache_cluster(CacheClusterId="automation-e")  # noqa: E731
    unset = lambda: caches.api.delete_cache_subnet_group(  # noqa: E731
        CacheSubnetGroupName="e-redis-subnet")
    ungroup = lambda: caches.build.ec2.delete_security_group(GroupId=caches.group)  # noqa: E731
    caches.create()
    assert code_of(delete) == "InvalidCacheClusterState"
    caches.endpoint.advance(310)
    assert code_of(delete) == "" and caches.seen()["CacheClusterStatus"] == "deleting"
    assert code_of(delete) == "InvalidCacheClusterState"
    assert code_of(caches.create) == "CacheClusterAlreadyExists"
    assert code_of(unset) == "CacheSubnetGroupInUse"
    assert code_of(ungroup) == "DependencyViolation"
    caches.endpoint.advance(125)
    assert code_of(caches.seen) == "CacheClusterNotFound"
    assert code_of(unset) == ""
    [interface] = caches.build.ec2.describe_network_interfaces(Filters=[
        {"Name": "group-id", "Values": [caches.group]}])["NetworkInterfaces"]
    assert interface["Description"] == "ElastiCache automation-e"
    assert code_of(ungroup) == "DependencyViolation"
    caches.endpoint.advance(40)
    assert code_of(ungroup) == ""
    assert code_of(unset) == "CacheSubnetGroupNotFoundFault"


def test_a_change_takes_time_unless_it_needs_none(caches: Caches) -> None:
    caches.running()
    assert caches.modify(SnapshotRetentionLimit=3)["CacheClusterStatus"] == "available"
    changed = caches.modify(EngineVersion="5.0.6", CacheNodeType="cache.m5.large")
    assert changed["CacheClusterStatus"] == "modifying"
    assert changed["PendingModifiedValues"] == {"EngineVersion": "5.0.6",
                                                "CacheNodeType": "cache.m5.large"}
    assert caches.seen()["EngineVersion"] == "5.0.4"
    assert code_of(lambda: caches.modify(SnapshotRetentionLimit=1)) == "InvalidCacheClusterState"
    caches.endpoint.advance(400)
    after = caches.seen()
    assert (after["CacheClusterStatus"], after["EngineVersion"], after["CacheNodeType"]) == (
        "available", "5.0.6", "cache.m5.large")
    assert after["SnapshotRetentionLimit"] == 3 and not after["PendingModifiedValues"]
    assert code_of(lambda: caches.modify(EngineVersion="5.0.4")) == "InvalidParameterCombination"


def test_a_change_may_wait_for_its_window(caches: Caches) -> None:
    caches.running()
    caches.api.modify_cache_cluster(CacheClusterId="automation-e", EngineVersion="5.0.6")
    caches.endpoint.advance(400)
    seen = caches.seen()
    assert (seen["CacheClusterStatus"], seen["EngineVersion"]) == ("available", "5.0.4")
    assert seen["PendingModifiedValues"] == {"EngineVersion": "5.0.6"}


def test_groups_and_parameters_are_changed(caches: Caches) -> None:
    caches.running()
    other = caches.build.group("other")
    caches.api.create_cache_parameter_group(CacheParameterGroupName="mine", Description="x",
                                            CacheParameterGroupFamily="redis5.0")
    caches.modify(SecurityGroupIds=[other], CacheParameterGroupName="mine")
    caches.endpoint.advance(70)
    seen = caches.seen()
    assert [g["SecurityGroupId"] for g in seen["SecurityGroups"]] == [other]
    assert seen["CacheParameterGroup"]["CacheParameterGroupName"] == "mine"
    free = lambda: caches.build.ec2.delete_security_group(GroupId=caches.group)  # noqa: E731
    assert code_of(free) == ""


@pytest.mark.parametrize("status", ["create-failed", "incompatible-network", "restore-failed"])
def test_a_creation_fails_and_its_event_says_why(caches: Caches, status: str) -> None:
    caches.endpoint.fault(service="elasticache", fault="failed", code=status,
                          message="no capacity", match={"CacheClusterId": "automation-e"})
    assert "CacheNodes" not in caches.running()
    assert caches.seen()["CacheClusterStatus"] == status
    events = caches.api.describe_events(SourceType="cache-cluster",
                                        SourceIdentifier="automation-e")["Events"]
    assert [e["Message"] for e in events] == ["no capacity"]
    assert code_of(lambda: caches.api.delete_cache_cluster(CacheClusterId="automation-e")) == ""


def test_tags_are_told_by_what_is_available(caches: Caches) -> None:
    made = caches.create()
    tags = lambda: caches.api.list_tags_for_resource(ResourceName=made["ARN"])  # noqa: E731
    assert "not available" in error_of(tags)[1] and error_of(tags)[2] == 404
    caches.endpoint.advance(310)
    assert tags()["TagList"] == TAGS
    caches.api.add_tags_to_resource(ResourceName=made["ARN"], Tags=[{"Key": "a", "Value": "b"}])
    caches.api.remove_tags_from_resource(ResourceName=made["ARN"], TagKeys=["Environment"])
    assert tags()["TagList"] == [{"Key": "a", "Value": "b"}]
    group = caches.api.describe_cache_subnet_groups()["CacheSubnetGroups"][0]["ARN"]
    assert caches.api.list_tags_for_resource(ResourceName=group)["TagList"] == TAGS


def test_a_subnet_group_keeps_its_vpc_and_what_is_in_use(caches: Caches) -> None:
    [group] = caches.api.describe_cache_subnet_groups(
        CacheSubnetGroupName="e-redis-subnet")["CacheSubnetGroups"]
    assert {s["SubnetIdentifier"] for s in group["Subnets"]} == set(caches.build.subnets)
    caches.running()
    used = [i["SubnetId"] for i in caches.build.ec2.describe_network_interfaces(Filters=[
        {"Name": "group-id", "Values": [caches.group]}])["NetworkInterfaces"]]
    free = [s for s in caches.build.subnets if s not in used]
    change = lambda *subnets: caches.api.modify_cache_subnet_group(  # noqa: E731
        CacheSubnetGroupName="e-redis-subnet", SubnetIds=list(subnets))
    assert code_of(lambda: change(*free)) == "SubnetInUse"
    assert len(change(*used)["CacheSubnetGroup"]["Subnets"]) == 1
    elsewhere = caches.build.ec2.describe_subnets(Filters=[
        {"Name": "cidr-block", "Values": ["10.1.11.0/24"]}])["Subnets"][0]["SubnetId"]
    assert code_of(lambda: change(elsewhere)) == "InvalidSubnet"


def test_a_replication_group_has_members_and_addresses(caches: Caches) -> None:
    assert caches.replicated(NumCacheClusters=2)["Status"] == "creating"
    assert "NodeGroups" not in caches.group_seen()
    caches.endpoint.advance(550)
    group = caches.group_seen()
    assert group["MemberClusters"] == ["automation-e-001", "automation-e-002"]
    [shard] = group["NodeGroups"]
    assert shard["PrimaryEndpoint"]["Address"].startswith("automation-e.")
    assert shard["ReaderEndpoint"]["Address"].startswith("automation-e-ro.")
    members = caches.api.describe_cache_clusters()["CacheClusters"]
    assert {m["EngineVersion"] for m in members} == {"8.0.1"}
    alone = caches.api.describe_cache_clusters(ShowCacheClustersNotInReplicationGroups=True)
    assert alone["CacheClusters"] == []
    gone = lambda: caches.api.delete_cache_cluster(CacheClusterId="automation-e-001")  # noqa: E731
    assert code_of(gone) == "InvalidCacheClusterState"


def test_replicas_come_and_go(caches: Caches) -> None:
    caches.replicating(AtRestEncryptionEnabled=False)
    caches.api.increase_replica_count(ReplicationGroupId="automation-e", NewReplicaCount=1,
                                      ApplyImmediately=True)
    failover = lambda on: caches.group_modify(AutomaticFailoverEnabled=on)  # noqa: E731
    assert code_of(lambda: failover(True)) == "InvalidReplicationGroupState"
    caches.endpoint.advance(310)
    assert len(caches.group_seen()["NodeGroups"][0]["NodeGroupMembers"]) == 2
    failover(True)
    caches.endpoint.advance(70)
    assert caches.group_seen()["AutomaticFailover"] == "enabled"
    decrease = lambda: caches.api.decrease_replica_count(  # noqa: E731
        ReplicationGroupId="automation-e", NewReplicaCount=0, ApplyImmediately=True)
    assert code_of(decrease) == "InvalidParameterCombination"
    failover(False)
    caches.endpoint.advance(70)
    decrease()
    caches.endpoint.advance(130)
    assert caches.group_seen()["MemberClusters"] == ["automation-e-001"]
    caches.api.delete_replication_group(ReplicationGroupId="automation-e")
    caches.endpoint.advance(250)
    assert code_of(caches.group_seen) == "ReplicationGroupNotFoundFault"
    assert caches.api.describe_cache_clusters()["CacheClusters"] == []


def test_a_token_needs_tls_and_is_rotated(caches: Caches) -> None:
    token = "Sixteen-letters-1"
    assert code_of(lambda: caches.replicated(AuthToken=token)) == "InvalidParameterCombination"
    short = lambda: caches.replicated(AuthToken="short", TransitEncryptionEnabled=True)  # noqa: E731
    assert code_of(short) == "InvalidParameterValue"
    group = caches.replicating(AuthToken=token, TransitEncryptionEnabled=True)
    assert group["AuthTokenEnabled"] and token not in str(group)
    assert group["NodeGroups"][0]["PrimaryEndpoint"]["Address"].startswith("master.automation-e.")
    changed = caches.group_modify(AuthToken=token + "2", AuthTokenUpdateStrategy="ROTATE")
    assert changed["PendingModifiedValues"] == {"AuthTokenStatus": "ROTATING"}
    tag = lambda: caches.api.add_tags_to_resource(  # noqa: E731
        ResourceName=group["ARN"], Tags=[{"Key": "a", "Value": "b"}])
    assert code_of(tag) == "InvalidReplicationGroupState"
    caches.endpoint.advance(70)
    tag()
    assert caches.group_seen()["Status"] == "modifying"
    caches.endpoint.advance(15)
    assert caches.group_seen()["Status"] == "available"


def test_a_redis_group_becomes_a_valkey_one_in_place(caches: Caches) -> None:
    caches.replicating(Engine="redis", EngineVersion="6.2", NumCacheClusters=2)
    valkey = {"Engine": "valkey", "EngineVersion": "8.0"}
    for given in ({"CacheParameterGroupName": "default.valkey8"}, {"Engine": "valkey"}, valkey):
        assert code_of(lambda: caches.group_modify(**given)) == "InvalidParameterCombination"
    changed = caches.group_modify(**valkey, CacheParameterGroupName="default.valkey8")
    assert (changed["Engine"], changed["Status"]) == ("redis", "modifying")
    caches.endpoint.advance(1300)
    seen = caches.group_seen()
    assert (seen["Engine"], seen["Status"]) == ("valkey", "available")
    for name in seen["MemberClusters"]:
        [one] = caches.api.describe_cache_clusters(CacheClusterId=name)["CacheClusters"]
        assert (one["Engine"], one["EngineVersion"]) == ("valkey", "8.0.1")
        assert one["CacheParameterGroup"]["CacheParameterGroupName"] == "default.valkey8"
    assert code_of(lambda: caches.group_modify(
        Engine="redis", EngineVersion="7.1",
        CacheParameterGroupName="default.redis7")) == "InvalidParameterCombination"


def test_pages_are_as_small_as_they_may_be(caches: Caches) -> None:
    caches.replicated(NumCacheClusters=3)
    caches.endpoint.pages(1)
    page = caches.api.describe_cache_clusters()
    assert len(page["CacheClusters"]) == 1 and page["Marker"]
    every = caches.api.get_paginator("describe_cache_clusters").paginate().build_full_result()
    assert len(every["CacheClusters"]) == 3


Row = Callable[[Caches], Any]
REFUSED: list[tuple[Row, str]] = [
    (lambda c: c.create(CacheClusterId="a" * 51), "InvalidParameterValue"),
    (lambda c: c.create(CacheClusterId="1a"), "InvalidParameterValue"),
    (lambda c: c.create(CacheClusterId="a--b"), "InvalidParameterValue"),
    (lambda c: c.create(CacheClusterId="a-"), "InvalidParameterValue"),
    (lambda c: c.create(Engine="valkey"), "InvalidParameterValue"),
    (lambda c: c.create(EngineVersion="99.1"), "InvalidParameterCombination"),
    (lambda c: c.create(CacheNodeType="m4.large"), "InvalidParameterValue"),
    (lambda c: c.create(NumCacheNodes=2), "InvalidParameterValue"),
    (lambda c: c.create(CacheParameterGroupName="none"), "CacheParameterGroupNotFound"),
    (lambda c: c.create(CacheParameterGroupName="default.redis3.2"), "InvalidParameterCombination"),
    (lambda c: c.create(CacheSubnetGroupName="none"), "CacheSubnetGroupNotFoundFault"),
    (lambda c: c.create(SecurityGroupIds=["sg-0123456789"]), "InvalidParameterValue"),
    (lambda c: c.create(Port=0), "InvalidParameterValue"),
    (lambda c: c.create(SnapshotWindow="3-4"), "InvalidParameterValue"),
    (lambda c: c.create(PreferredMaintenanceWindow="3-4"), "InvalidParameterValue"),
    (lambda c: c.create(SnapshotWindow="23:45-00:15"), "InvalidParameterValue"),
    (lambda c: c.create(PreferredMaintenanceWindow="sun:23:30-mon:00:15"), "InvalidParameterValue"),
    (lambda c: c.create(SnapshotWindow="23:30-00:30", PreferredMaintenanceWindow="sun:00:15-sun:01:15"),
     "InvalidParameterValue"),
    (lambda c: c.create(SnapshotWindow="23:30-00:30", PreferredMaintenanceWindow="sun:00:30-sun:01:30"),
     ""),
    (lambda c: (c.running(), c.api.modify_cache_cluster(
        CacheClusterId="automation-e", SnapshotWindow="05:30-06:30")), "InvalidParameterValue"),
    (lambda c: c.create(SnapshotRetentionLimit=36), "InvalidParameterValue"),
    (lambda c: c.create(TransitEncryptionEnabled=True), "InvalidParameterCombination"),
    (lambda c: c.create(Tags=[{"Key": "aws:x", "Value": ""}]), "InvalidParameterValue"),
    (lambda c: c.replicated(ReplicationGroupId="a" * 41), "InvalidParameterValue"),
    (lambda c: c.replicated(NumCacheClusters=7), "InvalidParameterValue"),
    (lambda c: c.replicated(AutomaticFailoverEnabled=True), "InvalidParameterCombination"),
    (lambda c: c.replicated(MultiAZEnabled=True, NumCacheClusters=2),
     "InvalidParameterCombination"),
    (lambda c: c.api.describe_cache_clusters(MaxRecords=5), "InvalidParameterValue"),
    (lambda c: c.api.list_tags_for_resource(ResourceName="arn:x"), "InvalidARN"),
    (lambda c: c.api.create_cache_subnet_group(
        CacheSubnetGroupName="x", CacheSubnetGroupDescription="x", SubnetIds=["subnet-1"]),
     "InvalidSubnet"),
    (lambda c: c.api.create_cache_subnet_group(
        CacheSubnetGroupName="E-Redis-subnet", CacheSubnetGroupDescription="x",
        SubnetIds=c.build.subnets), "CacheSubnetGroupAlreadyExists"),
]


@pytest.mark.parametrize("call,code", REFUSED)
def test_refused(caches: Caches, call: Row, code: str) -> None:
    assert code_of(lambda: call(caches)) == code
