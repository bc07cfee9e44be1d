# SPDX-License-Identifier: MIT
"""What a plan does not know before apply: for each kind of reference that a spec of the example
makes, that the plan says so, that apply compares again, and that the plan never says too little.
"""

from __future__ import annotations

import copy
from typing import Any

import pytest

from world import World

RECORDS = "route53.records/mettel-automation.net"
OWN = "${SUBDOMAIN}.mettel-automation.net"
DEFINITION, SERVICE = "ecs.task_definition/sites-monitor", "ecs.service/sites-monitor"


@pytest.fixture
def small(ready: World) -> World:
    """Who names the Redis, and who stands behind the load balancer."""
    ready.keep_services("nats-server", "sites-monitor", "metrics-grafana")
    ready.allow_replace("elasticache", "alb")
    return ready


def changed(world: World) -> dict[str, dict[str, bool]]:
    """Of all that the plan changes, the paths, and whether the new value is unknown."""
    plan = world.berth_json("plan")["resources"]
    return {r["address"]: {c["path"]: c.get("unknown", False) for c in r.get("changes", [])}
            for r in plan if r["action"] != "none"}


def edit(world: World, **members: Any) -> None:
    spec = copy.deepcopy(world.spec())
    for path, value in members.items():
        *way, last = path.split("__")
        at = spec
        for step in way:
            at = at.setdefault(step, {})
        at[last] = value
    world.write_spec(spec)


def writes(world: World) -> list[str]:
    return [w for w in world.writes() if w != "ecs.TagResource"]


def unknown(plan: dict[str, dict[str, bool]]) -> set[str]:
    return {address for address, paths in plan.items() if any(paths.values())}


def test_what_a_change_in_place_leaves_as_it_was_is_known(small: World) -> None:
    """The address of a Redis and of a load balancer, the id of a security group."""
    small.deploy()
    edit(small, redis__engineVersion="5.0.6",
         loadBalancer__attributes={"idle_timeout.timeout_seconds": 120},
         loadBalancer__allow=[{"port": 443, "from": "198.51.100.0/25"}])
    plan = changed(small)
    assert set(plan) == {"elasticache.cluster/redis", "alb.load_balancer/loadBalancer",
                         "security_group/inbound"} and unknown(plan) == set()
    small.aws.record_clear()
    small.deploy()
    assert "ecs.UpdateService" not in writes(small) and changed(small) == {}


def test_a_replaced_redis_may_get_another_address(small: World) -> None:
    """The tasks that name it are planned to change; those of the same address do not."""
    small.deploy()
    edit(small, redis__port=6380)
    plan = changed(small)
    assert set(plan) == {"elasticache.cluster/redis", "security_group/redis-sg", DEFINITION,
                         SERVICE}
    assert unknown(plan) == {DEFINITION, SERVICE}
    small.aws.record_clear()
    small.deploy()
    done = writes(small)
    assert "elasticache.CreateCacheCluster" in done
    [cluster] = small.aws.client("elasticache").describe_cache_clusters(
        ShowCacheNodeInfo=True)["CacheClusters"]
    [container] = small.definition("sites-monitor")["containerDefinitions"]
    hosts = [e["value"] for e in container["environment"] if e["name"] == "REDIS_HOSTNAME"]
    assert hosts == [cluster["CacheNodes"][0]["Endpoint"]["Address"]]
    assert changed(small) == {}


def test_a_replaced_load_balancer_has_another_name(small: World) -> None:
    """Its alias is unknown; the service behind it stays as it is, and is awaited."""
    small.deploy()
    edit(small, loadBalancer__scheme="internal")
    plan = small.berth_json("plan")["resources"]
    [grafana] = [r for r in plan if r["address"] == "ecs.service/metrics-grafana"]
    assert (grafana["action"], grafana["wait"]) == ("none", True)
    assert grafana["waitingFor"] == "listener '443' is replaced"
    changes = changed(small)
    assert RECORDS in unknown(changes) and "alb.listener/443" in changes
    small.aws.record_clear()
    small.deploy()
    assert "route53.ChangeResourceRecordSets" in writes(small)
    assert "ecs.UpdateService" not in writes(small)
    made = [call["action"] for call in small.aws.record()]
    assert "DescribeTargetHealth" in made[made.index("CreateListener"):]
    assert changed(small) == {}


def test_a_new_target_group_has_another_arn(small: World) -> None:
    small.deploy()
    edit(small, loadBalancer__targetGroups={
        **small.spec()["loadBalancer"]["targetGroups"],
        "mts-grafana": {**small.spec()["loadBalancer"]["targetGroups"]["mts-grafana"],
                        "port": 3001}})
    plan = changed(small)
    assert unknown(plan) == {"alb.listener/443", "ecs.service/metrics-grafana"}
    small.aws.record_clear()
    small.deploy()
    assert {"elasticloadbalancing.ModifyListener", "ecs.UpdateService"} <= set(writes(small))
    assert changed(small) == {}


def test_a_reference_within_a_text(small: World) -> None:
    """Known while the Redis is, unknown when it is replaced."""
    small.deploy()
    values = [f"\"redis at ${{redis.host}}:${{redis.port}}\""]
    edit(small, records__text={"name": OWN, "type": "TXT", "values": values})
    assert unknown(changed(small)) == set()
    small.deploy()
    edit(small, redis__port=6380)
    assert unknown(changed(small)) == {DEFINITION, SERVICE, RECORDS}
    small.aws.record_clear()
    small.deploy()
    assert "route53.ChangeResourceRecordSets" in writes(small) and changed(small) == {}
