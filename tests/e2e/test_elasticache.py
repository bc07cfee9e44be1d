# SPDX-License-Identifier: MIT
"""Redis: made while all else starts, changed in place where AWS can, never lost by accident."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from canary import CANARY
from world import BRANCH, ENVIRONMENT, PROJECT_ID, World

Spec = dict[str, Any]
VALKEY = {"engine": "valkey", "engineVersion": "8.0", "cacheNodeType": "cache.t4g.micro"}
TOKEN = "/mettel/REDIS_TOKEN"


@pytest.fixture
def small(ready: World) -> World:
    """A world with one service that names the Redis, and one that does not."""
    ready.keep_services("sites-monitor", "notifier")
    return ready


def set_redis(world: World, **members: Any) -> None:
    """Change the spec's redis; None takes a member out."""
    spec = world.spec()
    spec["redis"] = {k: v for k, v in {**spec["redis"], **members}.items() if v is not None}
    world.write_spec(spec)


def allow(world: World, *types: str) -> None:
    world.config["projects"][str(PROJECT_ID)]["limits"] = {"ephemeral": {"allowReplace": [*types]}}
    world.write_config()


def cluster(world: World) -> dict[str, Any]:
    [found] = world.aws.client("elasticache").describe_cache_clusters(
        CacheClusterId=ENVIRONMENT, ShowCacheNodeInfo=True)["CacheClusters"]
    return found


def group(world: World) -> dict[str, Any]:
    [found] = world.aws.client("elasticache").describe_replication_groups(
        ReplicationGroupId=ENVIRONMENT)["ReplicationGroups"]
    return found


def member(world: World) -> dict[str, Any]:
    return world.aws.client("elasticache").describe_cache_clusters(
        CacheClusterId=group(world)["MemberClusters"][0])["CacheClusters"][0]


def cache_calls(world: World) -> list[tuple[str, dict[str, Any]]]:
    """The writes to ElastiCache, without the names and the flag that all of them have."""
    plain = {"CacheClusterId", "ReplicationGroupId", "ApplyImmediately", "CacheSubnetGroupName"}
    return [(c["action"], {k: v for k, v in c["input"].items() if k not in plain})
            for c in world.aws.calls(service="elasticache", writes=True)]


def settled(world: World) -> None:
    world.aws.record_clear()
    world.deploy()
    assert world.writes() == []


def action_of(world: World, address: str) -> str:
    plan = world.berth_json("plan")
    return next(r["action"] for r in plan["resources"] if r["address"] == address)


# --- creation ---

def test_only_what_names_the_redis_waits_for_it(small: World) -> None:
    """The clock runs so fast that a Redis takes 1.5 seconds."""
    small.aws.speed(200)
    try:
        small.deploy()
    finally:
        small.aws.speed("instant")
    calls = small.aws.calls(service="ecs", action="CreateService")
    created = {c["input"]["serviceName"].removeprefix(ENVIRONMENT + "-"): c["start"] for c in calls}
    [made] = small.aws.calls(service="elasticache", action="CreateCacheCluster")
    looks = small.aws.calls(service="elasticache", action="DescribeCacheClusters")
    after = [c for c in looks if c["start"] > made["end"]]
    assert len(after) > 2
    assert created["notifier"] < after[1]["end"] < after[-1]["end"] <= created["sites-monitor"]
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


# --- replication groups ---

def use(world: World, **members: Any) -> None:
    spec = world.spec()
    spec["redis"] = {**VALKEY, **members}
    world.write_spec(spec)


def put_secret(world: World, value: str) -> None:
    world.aws.client("ssm").put_parameter(Name=TOKEN, Value=value, Type="SecureString",
                                          Overwrite=True)


def test_valkey_is_a_replication_group_of_one_node(small: World) -> None:
    use(small)
    small.deploy()
    found = group(small)
    assert (found["Engine"], len(found["MemberClusters"])) == ("valkey", 1)
    assert found["AtRestEncryptionEnabled"] is True
    assert member(small)["CacheParameterGroup"]["CacheParameterGroupName"] == "default.valkey8"
    [container] = small.definition("sites-monitor")["containerDefinitions"]
    hosts = [e["value"] for e in container["environment"] if e["name"] == "REDIS_HOSTNAME"]
    assert hosts == [found["NodeGroups"][0]["PrimaryEndpoint"]["Address"]]
    settled(small)


GROUP_CHANGES: list[tuple[dict[str, Any], list[str]]] = [  # one after the other on one group
    ({"engineVersion": "8.1"}, ["ModifyReplicationGroup"]),
    ({"cacheNodeType": "cache.m7g.large"}, ["ModifyReplicationGroup"]),
    ({"autoMinorVersionUpgrade": False}, ["ModifyReplicationGroup"]),
    ({"snapshotRetentionLimit": 2}, ["ModifyReplicationGroup"]),
    ({"preferredMaintenanceWindow": "mon:01:00-mon:02:00"}, ["ModifyReplicationGroup"]),
    ({"snapshotWindow": "07:00-08:00"}, ["ModifyReplicationGroup"]),
    ({"replicas": 1, "automaticFailoverEnabled": True, "multiAZEnabled": True},
     ["IncreaseReplicaCount", "ModifyReplicationGroup"]),
    ({"replicas": 2}, ["IncreaseReplicaCount"]),
    ({"replicas": 0, "automaticFailoverEnabled": False, "multiAZEnabled": False},
     ["ModifyReplicationGroup", "DecreaseReplicaCount"]),
]


def test_a_replication_group_changed_in_place(small: World) -> None:
    use(small)
    small.deploy()
    made, now = group(small)["ReplicationGroupCreateTime"], {}
    for change, actions in GROUP_CHANGES:
        now.update(change)
        use(small, **now)
        small.aws.record_clear()
        small.deploy()
        assert [a for a, _ in cache_calls(small)] == actions, change
        after = group(small)
        assert after["ReplicationGroupCreateTime"] == made and after["Status"] == "available"
        assert len(after["MemberClusters"]) == 1 + now.get("replicas", 0)
    settled(small)


def test_a_redis_group_becomes_a_valkey_one_in_place(small: World) -> None:
    """With one call and what it holds, so that nothing has to be allowed."""
    use(small, engine="redis", engineVersion="6.2", replicas=1)
    small.deploy()
    made = group(small)
    assert made["Engine"] == "redis" and made["AtRestEncryptionEnabled"] is False
    use(small, engineVersion="8.0", replicas=1)
    assert action_of(small, "elasticache.replication_group/redis") == "update"
    small.aws.record_clear()
    small.deploy()
    [(action, sent)] = cache_calls(small)
    assert action == "ModifyReplicationGroup"
    assert (sent["Engine"], sent["EngineVersion"]) == ("valkey", "8.0")
    assert sent["CacheParameterGroupName"] == "default.valkey8"
    after = group(small)
    assert (after["Engine"], after["Status"]) == ("valkey", "available")
    assert after["ReplicationGroupCreateTime"] == made["ReplicationGroupCreateTime"]
    assert after["NodeGroups"][0]["PrimaryEndpoint"] == made["NodeGroups"][0]["PrimaryEndpoint"]
    settled(small)


def test_a_replication_group_is_replaced_only_where_allowed(small: World) -> None:
    use(small)
    small.deploy()
    allow(small, "elasticache.replication_group")
    for change in ({"atRestEncryptionEnabled": False}, {"port": 6380}, {"engineVersion": "7.2"},
                   {"engine": "redis", "engineVersion": "7.1", "atRestEncryptionEnabled": True}):
        use(small, **change)
        assert action_of(small, "elasticache.replication_group/redis") == "replace", change
    use(small, transitEncryptionEnabled=True)
    allow(small)
    small.aws.record_clear()
    refused = small.job()
    assert refused.exit_code == 1 and "elasticache.replication_group" in refused.log
    assert small.writes() == []
    allow(small, "elasticache.replication_group")
    small.deploy()
    actions = [a for a, _ in cache_calls(small)]
    assert actions == ["DeleteReplicationGroup", "CreateReplicationGroup"]
    settled(small)


def test_a_token_is_set_rotated_and_never_shown(small: World) -> None:
    first, second = f"{CANARY}-first-token-1", f"{CANARY}-second-token-2"
    put_secret(small, first)
    use(small, transitEncryptionEnabled=True, authToken=TOKEN)
    logs = [small.job("plan").log, small.deploy().log]
    assert group(small)["AuthTokenEnabled"] is True
    [call] = small.aws.calls(service="elasticache", action="CreateReplicationGroup")
    assert call["input"]["AuthToken"] == first
    settled(small)
    put_secret(small, second)
    plan = small.berth_json("plan")
    logs.append(json.dumps(plan))
    assert next(r["action"] for r in plan["resources"]
                if r["address"] == "elasticache.replication_group/redis") == "update"
    small.aws.record_clear()
    logs.append(small.deploy().log)
    [(modify, sent), (tag, _)] = cache_calls(small)
    assert (modify, tag) == ("ModifyReplicationGroup", "AddTagsToResource")
    assert sent == {"AuthToken": second, "AuthTokenUpdateStrategy": "ROTATE"}
    settled(small)
    assert not [log for log in logs if first in log or second in log]
    assert not small.aws.calls(service="ssm", action="GetParameters")[0]["input"]["WithDecryption"]


def test_a_token_from_secrets_manager(small: World) -> None:
    manager = small.aws.client("secretsmanager")
    arn = manager.create_secret(Name="redis", SecretString=f"{CANARY}-secrets-1")["ARN"]
    use(small, transitEncryptionEnabled=True, authToken=arn)
    small.deploy()
    settled(small)
    manager.put_secret_value(SecretId=arn, SecretString=f"{CANARY}-secrets-2")
    small.aws.record_clear()
    small.deploy()
    assert cache_calls(small)[0] == ("ModifyReplicationGroup", {
        "AuthToken": f"{CANARY}-secrets-2", "AuthTokenUpdateStrategy": "ROTATE"})
    settled(small)


def test_a_token_that_is_not_there_or_not_allowed(small: World) -> None:
    use(small, transitEncryptionEnabled=True, authToken=TOKEN)
    missing = small.job()
    assert missing.exit_code == 1
    assert f"redis.authToken: there is no secret '{TOKEN}'" in missing.log
    small.config["projects"][str(PROJECT_ID)]["limits"] = {"ephemeral": {"secrets": ["/other/*"]}}
    small.write_config()
    refused = small.job()
    assert refused.exit_code == 1 and "redis.authToken" in refused.log
    assert "limits.ephemeral.secrets" in refused.log


def test_a_token_that_aws_would_refuse_is_not_sent(small: World) -> None:
    token = "a/token-of-redis-1"
    put_secret(small, token)
    use(small, transitEncryptionEnabled=True, authToken=TOKEN)
    refused = small.job()
    assert refused.exit_code == 1 and token not in refused.log
    assert f"redis.authToken: the token in secret '{TOKEN}' has a character" in refused.log
    assert small.aws.calls(service="elasticache", action="CreateReplicationGroup") == []
    put_secret(small, "a-token-of-redis-1")
    small.deploy()
    settled(small)


def test_from_a_cluster_to_a_replication_group(small: World) -> None:
    """The group is there, and used, before the cluster goes."""
    small.deploy()
    set_redis(small, replicas=1)
    assert small.job().exit_code == 1
    allow(small, "elasticache")
    small.aws.record_clear()
    small.deploy()
    writes = small.writes()
    assert writes.index("elasticache.CreateReplicationGroup") < writes.index("ecs.UpdateService") \
        < writes.index("elasticache.DeleteCacheCluster")
    settled(small)


@pytest.mark.parametrize("members,says", [
    ({"authToken": "/mettel/x"}, "'transitEncryptionEnabled'"),
    ({"automaticFailoverEnabled": True}, "'replicas'"),
    ({"replicas": 1, "multiAZEnabled": True}, "'automaticFailoverEnabled'"),
    ({"autoMinorVersionUpgrade": True}, "version 6.0"),
    ({"engineVersion": "five"}, "redis.engineVersion"),
    ({"cacheNodeTyp": "x"}, "cacheNodeType"),
    ({"replicas": 9}, "redis.replicas"),
], ids=lambda v: "".join(v))
def test_what_a_spec_may_not_say(small: World, members: dict[str, Any], says: str) -> None:
    set_redis(small, **members)
    checked = small.berth("plan", f"--project={PROJECT_ID}", f"--ref={BRANCH}",
                          *small.given_variables(), code=None)
    assert checked.returncode != 0 and says in checked.stdout + checked.stderr
