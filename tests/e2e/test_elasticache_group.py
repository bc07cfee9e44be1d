# SPDX-License-Identifier: MIT
"""Replication groups, of Redis and Valkey: made, changed, replaced, with a token and without."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cached import action_of, allow, cache_calls, set_redis, settled
from cached import small  # noqa: F401
from canary import CANARY
from world import BRANCH, ENVIRONMENT, PROJECT_ID, World

VALKEY = {"engine": "valkey", "engineVersion": "8.0", "cacheNodeType": "cache.t4g.micro"}
TOKEN = "/mettel/REDIS_TOKEN"


def group(world: World) -> dict[str, Any]:
    [found] = world.aws.client("elasticache").describe_replication_groups(
        ReplicationGroupId=ENVIRONMENT)["ReplicationGroups"]
    return found


def member(world: World) -> dict[str, Any]:
    return world.aws.client("elasticache").describe_cache_clusters(
        CacheClusterId=group(world)["MemberClusters"][0])["CacheClusters"][0]


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


@pytest.mark.parametrize("before, after, action", [
    (0, 1, "IncreaseReplicaCount"), (2, 1, "DecreaseReplicaCount")])
def test_another_number_of_replicas_whose_answer_is_lost(
        small: World, before: int, after: int, action: str) -> None:
    """The next try is told that there is nothing to do."""
    use(small, replicas=before)
    small.deploy()
    use(small, replicas=after)
    small.aws.record_clear()
    small.aws.fault(fault="lost", service="elasticache", action=action, nth=1)
    small.deploy()
    tries = small.aws.calls("elasticache", action)
    assert [c["fault"] for c in tries][:2] == ["lost", None] and len(tries) == 2
    assert tries[1]["code"] == "NoOperationFault"
    assert len(group(small)["MemberClusters"]) == 1 + after
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
