# SPDX-License-Identifier: MIT
"""Redis: made while all else starts, changed in place where AWS can, never lost by accident."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from aws.build import until
from cached import action_of, allow, cache_calls, set_redis, settled
from cached import small  # noqa: F401
from world import BRANCH, ENVIRONMENT, JOB_SECONDS, PROJECT_ID, World

Spec = dict[str, Any]


def cluster(world: World) -> dict[str, Any]:
    [found] = world.aws.client("elasticache").describe_cache_clusters(
        CacheClusterId=ENVIRONMENT, ShowCacheNodeInfo=True)["CacheClusters"]
    return found


def created(world: World) -> dict[str, float]:
    """When each service was."""
    calls = world.aws.calls(service="ecs", action="CreateService")
    return {c["input"]["serviceName"].removeprefix(ENVIRONMENT + "-"): c["start"] for c in calls}


# --- creation ---

def test_only_what_names_the_redis_waits_for_it(small: World) -> None:
    """In real time a Redis takes minutes: they are cut short once the other service is there."""
    small.aws.speed(1)
    try:
        with small.start() as job:
            until(lambda: "notifier" in created(small) and small.aws.calls(
                action="CreateCacheCluster"), JOB_SECONDS / 2)
            assert cluster(small)["CacheClusterStatus"] == "creating"
            assert "sites-monitor" not in created(small)
            small.aws.speed("instant")
            result = job.wait(JOB_SECONDS)
    finally:
        small.aws.speed("instant")
    assert result.exit_code == 0, result.log
    looks = small.aws.calls(service="elasticache", action="DescribeCacheClusters")
    assert looks[-1]["end"] <= created(small)["sites-monitor"]
    [container] = small.definition("sites-monitor")["containerDefinitions"]
    hosts = [e["value"] for e in container["environment"] if e["name"] == "REDIS_HOSTNAME"]
    assert hosts == [cluster(small)["CacheNodes"][0]["Endpoint"]["Address"]]


def test_the_script_is_told_the_address(small: World) -> None:
    job = small.deploy(script=["echo redis=$BERTH_REDIS_HOST="])
    address = cluster(small)["CacheNodes"][0]["Endpoint"]["Address"]
    assert f"redis={address}=" in job.log


def test_tags_and_names_are_in_the_create_calls(small: World) -> None:
    small.deploy()
    for action in ("CreateCacheCluster", "CreateCacheSubnetGroup"):
        [call] = small.aws.calls(service="elasticache", action=action)
        tags = {t["Key"]: t["Value"] for t in call["input"]["Tags"]}
        assert tags == {"Environment": ENVIRONMENT, "berth:project": str(PROJECT_ID),
                        "berth:ref": BRANCH, "berth:name": "redis"}
    assert not small.aws.calls(service="elasticache", action="AddTagsToResource")


@pytest.mark.parametrize("status", ["create-failed", "incompatible-network", "restore-failed"])
def test_a_failed_creation_says_why(small: World, status: str) -> None:
    small.aws.fault(service="elasticache", fault="failed", code=status,
                    message="no address left in subnet", match={"CacheClusterId": ENVIRONMENT})
    failed = small.job()
    assert failed.exit_code == 2
    assert f"{status}: no address left in subnet" in failed.log
    assert small.service("notifier")["runningCount"] == 1  # nothing else suffers


def test_what_was_never_created_right_makes_way(small: World) -> None:
    small.aws.fault(service="elasticache", fault="failed", message="no",
                    match={"CacheClusterId": ENVIRONMENT})
    assert small.job().exit_code == 2
    small.aws.clear_faults()
    small.aws.record_clear()
    small.deploy()
    assert [a for a, _ in cache_calls(small)] == ["DeleteCacheCluster", "CreateCacheCluster"]
    assert cluster(small)["CacheClusterStatus"] == "available"


def test_an_id_that_is_being_deleted_is_waited_for(small: World) -> None:
    small.deploy()
    small.aws.speed(200)
    try:
        small.aws.client("elasticache").delete_cache_cluster(CacheClusterId=ENVIRONMENT)
        assert action_of(small, "elasticache.cluster/redis") == "create"
        small.aws.record_clear()
        small.deploy()
    finally:
        small.aws.speed("instant")
    assert [a for a, _ in cache_calls(small)] == ["CreateCacheCluster"]
    assert cluster(small)["CacheClusterStatus"] == "available"


def stop_while_it_is_created(world: World) -> None:
    """A deploy that ends while the Redis, and nothing else, is still to come; the clock stands."""
    denied = {"fault": "error", "code": "AccessDenied", "message": "no", "status": 403}
    world.aws.fault(service="elasticache", action="CreateCacheCluster", **denied)
    assert world.job().exit_code == 2
    world.aws.clear_faults()
    world.aws.speed(0.001)
    world.aws.fault(service="elasticache", action="DescribeCacheClusters", from_=2, **denied)
    assert world.job().exit_code == 2
    world.aws.clear_faults()
    assert cluster(world)["CacheClusterStatus"] == "creating"


def test_a_deploy_that_was_stopped_is_taken_up(small: World) -> None:
    """Its tags cannot be read while it is being created: it is ours by its subnet group."""
    try:
        stop_while_it_is_created(small)
        assert action_of(small, "elasticache.cluster/redis") == "none"
        small.aws.record_clear()
        small.aws.speed(200)
        small.deploy()
    finally:
        small.aws.speed("instant")
    assert cache_calls(small) == []


def test_somebody_elses_redis_is_left_alone(small: World) -> None:
    cache, ec2 = small.aws.client("elasticache"), small.aws.client("ec2")
    subnets = [s["SubnetId"] for s in ec2.describe_subnets(Filters=[
        {"Name": "tag:Name", "Values": ["mettel-automation-private-subnet-*-dev"]}])["Subnets"]]
    cache.create_cache_subnet_group(CacheSubnetGroupName="theirs", SubnetIds=subnets,
                                    CacheSubnetGroupDescription="x")
    cache.create_cache_cluster(CacheClusterId=ENVIRONMENT, Engine="redis", EngineVersion="5.0.4",
                               CacheNodeType="cache.t3.micro", NumCacheNodes=1,
                               CacheSubnetGroupName="theirs")
    small.aws.record_clear()
    refused = small.job()
    assert refused.exit_code == 1 and f"cache cluster '{ENVIRONMENT}' (without our tags)" \
        in refused.log
    assert small.writes() == []


# --- changes of a cluster ---

GROUP = "default.redis5.0"
# One after the other on one cluster: a change of the spec, what is sent, what is there then.
IN_PLACE: list[tuple[dict[str, Any], dict[str, Any], Callable[[dict[str, Any]], bool]]] = [
    ({"cacheNodeType": "cache.m5.large"}, {"CacheNodeType": "cache.m5.large"},
     lambda c: c["CacheNodeType"] == "cache.m5.large"),
    ({"engineVersion": "5.0.6"}, {"EngineVersion": "5.0.6"},
     lambda c: c["EngineVersion"] == "5.0.6"),
    ({"cacheParameterGroupName": "mine"}, {"CacheParameterGroupName": "mine"},
     lambda c: c["CacheParameterGroup"]["CacheParameterGroupName"] == "mine"),
    ({"snapshotRetentionLimit": 3}, {"SnapshotRetentionLimit": 3},
     lambda c: c["SnapshotRetentionLimit"] == 3),
    ({"snapshotWindow": "07:00-08:00"}, {"SnapshotWindow": "07:00-08:00"},
     lambda c: c["SnapshotWindow"] == "07:00-08:00"),
    ({"preferredMaintenanceWindow": "mon:01:00-mon:02:00"},
     {"PreferredMaintenanceWindow": "mon:01:00-mon:02:00"},
     lambda c: c["PreferredMaintenanceWindow"] == "mon:01:00-mon:02:00"),
    ({"engineVersion": "7.1", "cacheParameterGroupName": None},
     {"EngineVersion": "7.1", "CacheParameterGroupName": "default.redis7"},
     lambda c: c["EngineVersion"] == "7.1.0"),
    ({"autoMinorVersionUpgrade": False}, {"AutoMinorVersionUpgrade": False},
     lambda c: c["AutoMinorVersionUpgrade"] is False),
]


def test_changed_in_place(small: World) -> None:
    small.aws.client("elasticache").create_cache_parameter_group(
        CacheParameterGroupName="mine", CacheParameterGroupFamily="redis5.0", Description="x")
    small.deploy()
    created = cluster(small)["CacheClusterCreateTime"]
    definition = small.service("sites-monitor")["taskDefinition"]
    for change, sent, seen in IN_PLACE:
        set_redis(small, **change)
        small.aws.record_clear()
        small.deploy()
        assert cache_calls(small) == [("ModifyCacheCluster", sent)]
        [call] = small.aws.calls(service="elasticache", writes=True)
        assert call["input"]["ApplyImmediately"] is True
        after = cluster(small)
        assert seen(after) and after["CacheClusterStatus"] == "available", change
        assert after["CacheClusterCreateTime"] == created
    # Its address is the same, so that nobody who uses it is restarted.
    assert small.service("sites-monitor")["taskDefinition"] == definition
    settled(small)


def test_replaced_where_the_host_allows_it(small: World) -> None:
    small.deploy()
    before = cluster(small)
    set_redis(small, engineVersion="4.0.10", cacheParameterGroupName="default.redis4.0", port=6380)
    small.aws.record_clear()
    refused = small.job()
    assert refused.exit_code == 1 and small.writes() == []
    assert "allowReplace" in refused.log and "elasticache.cluster" in refused.log
    allow(small, "elasticache")
    assert action_of(small, "elasticache.cluster/redis") == "replace"
    small.deploy()
    assert [a for a, _ in cache_calls(small)] == ["DeleteCacheCluster", "CreateCacheCluster"]
    after = cluster(small)
    assert after["CacheClusterCreateTime"] > before["CacheClusterCreateTime"]
    assert after["EngineVersion"] == "4.0.10"
    assert after["CacheNodes"][0]["Endpoint"]["Port"] == 6380
    settled(small)


def test_a_field_taken_out_goes_back_to_its_default(small: World) -> None:
    set_redis(small, snapshotRetentionLimit=5, snapshotWindow="07:00-08:00",
              cacheParameterGroupName="mine")
    small.aws.client("elasticache").create_cache_parameter_group(
        CacheParameterGroupName="mine", CacheParameterGroupFamily="redis5.0", Description="x")
    small.deploy()
    set_redis(small, snapshotRetentionLimit=None, snapshotWindow=None, cacheParameterGroupName=None)
    small.aws.record_clear()
    small.deploy()
    assert cache_calls(small) == [("ModifyCacheCluster", {
        "SnapshotRetentionLimit": 0, "CacheParameterGroupName": GROUP})]
    after = cluster(small)
    assert after["SnapshotRetentionLimit"] == 0
    assert after["SnapshotWindow"] == "07:00-08:00"  # AWS chooses one: there is no default
    settled(small)


def test_drift_is_put_back(small: World) -> None:
    small.deploy()
    cache, ec2, before = small.aws.client("elasticache"), small.aws.client("ec2"), cluster(small)
    vpc = ec2.describe_vpcs(Filters=[{"Name": "tag:Name", "Values": [
        "mettel-automation-vpc-dev"]}])["Vpcs"][0]["VpcId"]
    other = ec2.create_security_group(GroupName="other", Description="x", VpcId=vpc)["GroupId"]
    [subnets] = cache.describe_cache_subnet_groups()["CacheSubnetGroups"]
    used = before["PreferredAvailabilityZone"]
    cache.modify_cache_subnet_group(CacheSubnetGroupName=subnets["CacheSubnetGroupName"], SubnetIds=[
        s["SubnetIdentifier"] for s in subnets["Subnets"]
        if s["SubnetAvailabilityZone"]["Name"] == used])
    cache.modify_cache_cluster(
        CacheClusterId=ENVIRONMENT, ApplyImmediately=True, SecurityGroupIds=[other],
        CacheNodeType="cache.t3.micro", SnapshotRetentionLimit=7)
    cluster(small)
    small.aws.record_clear()
    small.deploy()
    assert {a for a, _ in cache_calls(small)} == {"ModifyCacheCluster", "ModifyCacheSubnetGroup"}
    after = cluster(small)
    for name in ("SecurityGroups", "CacheNodeType", "SnapshotRetentionLimit"):
        assert after[name] == before[name]
    assert len(cache.describe_cache_subnet_groups()["CacheSubnetGroups"][0]["Subnets"]) == 2
    settled(small)


def test_a_newer_version_by_hand_is_not_taken_back_unasked(small: World) -> None:
    small.deploy()
    small.aws.client("elasticache").modify_cache_cluster(
        CacheClusterId=ENVIRONMENT, ApplyImmediately=True, EngineVersion="5.0.6")
    cluster(small)
    small.aws.record_clear()
    refused = small.job()
    assert refused.exit_code == 1 and small.writes() == []
    set_redis(small, engineVersion="5.0.6")
    settled(small)


def test_what_waits_for_its_window_is_not_waited_for(small: World) -> None:
    small.deploy()
    small.aws.client("elasticache").modify_cache_cluster(
        CacheClusterId=ENVIRONMENT, EngineVersion="5.0.6")
    settled(small)


# --- removal ---

def test_a_redis_taken_out_goes_only_where_the_host_allows_it(small: World) -> None:
    small.deploy()
    spec = small.spec()
    del spec["redis"]
    spec["services"]["sites-monitor"]["environment"].pop("REDIS_HOSTNAME")
    small.write_spec(spec)
    small.aws.record_clear()
    refused = small.job()
    assert refused.exit_code == 1 and small.writes() == []
    assert "IS NOT REMOVED" in refused.log and "elasticache.cluster" in refused.log
    allow(small, "elasticache.cluster")
    small.aws.speed(200)
    try:
        small.deploy()
    finally:
        small.aws.speed("instant")
    writes = small.writes()
    gone = writes.index("elasticache.DeleteCacheCluster")
    assert writes.index("ecs.UpdateService") < gone
    assert gone < writes.index("elasticache.DeleteCacheSubnetGroup")
    assert gone < writes.index("ec2.DeleteSecurityGroup")
    assert writes.count("elasticache.DeleteCacheSubnetGroup") == 1  # awaited, not tried
    cache = small.aws.client("elasticache")
    assert cache.describe_cache_clusters()["CacheClusters"] == []
    assert cache.describe_cache_subnet_groups()["CacheSubnetGroups"] == []
    assert small.aws.client("ec2").describe_security_groups(Filters=[
        {"Name": "group-name", "Values": [f"{ENVIRONMENT}-redis-sg"]}])["SecurityGroups"] == []
    settled(small)


def test_a_removal_waits_for_what_is_being_created(small: World) -> None:
    spec = small.spec()
    try:
        stop_while_it_is_created(small)
        del spec["redis"]
        spec["services"]["sites-monitor"]["environment"].pop("REDIS_HOSTNAME")
        small.write_spec(spec)
        allow(small, "elasticache.cluster")
        small.aws.record_clear()
        small.aws.speed(40)
        small.deploy()
    finally:
        small.aws.speed("instant")
    assert [a for a, _ in cache_calls(small)].count("DeleteCacheCluster") > 1
    assert small.aws.client("elasticache").describe_cache_clusters()["CacheClusters"] == []
