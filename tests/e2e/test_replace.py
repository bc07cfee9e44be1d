# SPDX-License-Identifier: MIT
"""What cannot be changed in place is replaced, with what hangs on it; what is precious by leave.

Each replacement ends where an environment made anew from the same spec ends, by boto3, ids aside;
also when it was killed on the way and run again. `make check` kills at a sample of the calls,
BERTH_KILL=all before and after every write.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import policed
from world import ENVIRONMENT, Endpoint, World, network_named

from chaos.play import executors_make
from chaos.state import differences

PIPELINE = 4711
ALL = os.environ.get("BERTH_KILL") == "all"
Spec = dict[str, Any]


def plan_of(world: World) -> dict[str, str]:
    plan = world.berth_json("plan")
    return {r["address"]: r["action"] for r in plan["resources"] if r["action"] != "none"}


def cloudmap_service(world: World, name: str) -> dict[str, Any]:
    client = world.aws.client("servicediscovery")
    services = [s for s in client.list_services()["Services"] if s["Name"] == name]
    assert len(services) == 1, services
    return client.get_service(Id=services[0]["Id"])["Service"]


def killed_at(world: World, executors: Path, n: int, when: str) -> bool:
    """Whether the deploy was killed at its n-th call; false if it had ended before that."""
    environ = world.environ() | {"KILL_N": str(n), "KILL_WHEN": when}
    result = world.job(pipeline=PIPELINE, environ=environ, executors=executors)
    world.aws.clear_faults()
    assert result.exit_code in (0, 2), result.log
    return result.exit_code == 2


def kills(record: list[dict[str, Any]]) -> list[tuple[int, str]]:
    """At which calls, counted from one, a deploy is killed: before and after every write, or two."""
    writes = [n for n, call in enumerate(record, 1) if call["write"]]
    if ALL:
        return [(n, when) for n in writes for when in ("before", "after")]
    return [(writes[len(writes) // 3], "before"), (writes[len(writes) * 2 // 3], "after")]


def assert_settled(world: World) -> None:
    """Nothing is left to do, and every service runs what it should."""
    assert plan_of(world) == {}
    for name in world.spec()["services"]:
        service = world.service(name)
        assert service["status"] == "ACTIVE"
        assert service["runningCount"] == service["desiredCount"]
        assert len(service["deployments"]) == 1


@pytest.fixture
def small(ready: World) -> World:
    ready.keep_services("nats-server", "t7-bridge", "notifier")
    ready.deploy()
    return ready


def change_routing(world: World) -> None:
    spec = world.spec()
    spec["services"]["t7-bridge"]["discovery"] = {"routingPolicy": "WEIGHTED"}
    world.write_spec(spec)


def test_a_cloud_map_service_is_replaced_beneath_its_service(small: World) -> None:
    old = cloudmap_service(small, f"t7-bridge-{ENVIRONMENT}")
    change_routing(small)
    assert plan_of(small) == {"cloudmap.service/t7-bridge": "replace",
                              "ecs.service/t7-bridge": "update"}
    small.aws.record_clear()
    result = small.deploy()
    writes = [w for w in small.writes() if w != "ecs.TagResource"]
    assert writes[0] == "ecs.UpdateService" and writes[-1] == "ecs.UpdateService"
    assert writes.index("servicediscovery.DeleteService") < writes.index(
        "servicediscovery.CreateService")
    new = cloudmap_service(small, f"t7-bridge-{ENVIRONMENT}")
    assert new["Id"] != old["Id"] and new["DnsConfig"]["RoutingPolicy"] == "WEIGHTED"
    registries = small.service("t7-bridge")["serviceRegistries"]
    assert [r["registryArn"] for r in registries] == [new["Arn"]]
    assert "Cloud Map service" in result.log and "replaced" in result.log
    assert_settled(small)


def test_a_service_with_another_launch_type_is_replaced(small: World) -> None:
    """Of no tasks, since the account has no container instances that they could run on."""
    spec = small.spec()
    spec["services"]["notifier"]["desiredCount"] = 0
    small.write_spec(spec)
    small.deploy()
    old = small.service("notifier")
    spec["services"]["notifier"]["service"] = {"launchType": "EC2"}
    spec["services"]["notifier"]["taskDefinition"] = {"requiresCompatibilities": ["EC2"]}
    small.write_spec(spec)
    assert plan_of(small) == {"ecs.task_definition/notifier": "update",
                              "ecs.service/notifier": "replace"}
    small.aws.record_clear()
    small.deploy()
    writes = [w for w in small.writes() if w != "ecs.TagResource"]
    assert writes == ["ecs.RegisterTaskDefinition", "ecs.DeleteService", "ecs.CreateService"]
    new = small.service("notifier")
    assert new["launchType"] == "EC2" and new["createdAt"] > old["createdAt"]
    assert_settled(small)


# -- every kind ------------------------------------------------------------------------------------

def put(*path: str, **members: Any) -> Callable[[Spec], None]:
    """An edit of a spec: these members of what is at the path."""
    def edit(spec: Spec) -> None:
        at = spec
        for step in path:
            at = at.setdefault(step, {})
        at.update(members)
    return edit


def move(spec: Spec) -> None:
    """To the other VPC."""
    spec["network"] = network_named("production")


def valkey(spec: Spec) -> None:
    spec["redis"] = {"engine": "valkey", "engineVersion": "8.0",
                     "cacheNodeType": "cache.t4g.micro", "port": 6379}


RECORDS = "route53.records/mettel-automation.net"
GROUPS = ("inbound", "redis-sg", "nats-server", "sites-monitor", "metrics-grafana")
GROUP = ("loadBalancer", "targetGroups", "mts-grafana")
LISTENERS = {"alb.listener/80": "replace", "alb.listener/443": "replace",
             "alb.rule/443/api": "replace"}
USES_REDIS = {"ecs.task_definition/sites-monitor": "update", "ecs.service/sites-monitor": "update"}
GROUP_PLAN = {"alb.target_group/mts-grafana": "replace", "alb.listener/443": "update",
              "alb.rule/443/api": "update", "ecs.service/metrics-grafana": "update"}
GROUP_WRITES = ["CreateTargetGroup", "ModifyListener", "ecs.UpdateService", "DeleteTargetGroup"]


@dataclass(frozen=True)
class Replacement:
    """An edit that AWS allows only in something new. WRITES come in this order, others between."""

    edit: Callable[[Spec], None]
    plan: dict[str, str]
    precious: tuple[str, ...]
    writes: list[str]
    start: Callable[[Spec], None] = field(default=lambda spec: None)


REPLACEMENTS = {
    "balancer-scheme": Replacement(
        put("loadBalancer", scheme="internal"),
        {"alb.load_balancer/loadBalancer": "replace", **LISTENERS,
         RECORDS: "update"},
        ("alb.load_balancer",),
        ["DeleteRule", "DeleteListener", "DeleteLoadBalancer", "CreateLoadBalancer",
         "CreateListener", "CreateRule", "route53.ChangeResourceRecordSets"]),
    "group-port": Replacement(put(*GROUP, port=3001), GROUP_PLAN, (), GROUP_WRITES),
    "group-protocol": Replacement(put(*GROUP, protocol="HTTPS"), GROUP_PLAN, (), GROUP_WRITES),
    "group-version": Replacement(put(*GROUP, protocolVersion="HTTP2"), GROUP_PLAN, (),
                                 GROUP_WRITES),
    "cluster-port": Replacement(
        put("redis", port=6380),
        {"elasticache.cluster/redis": "replace", "security_group/redis-sg": "update", **USES_REDIS},
        ("elasticache.cluster",), ["elasticache.DeleteCacheCluster",
                                   "elasticache.CreateCacheCluster"]),
    "cluster-version": Replacement(
        put("redis", engineVersion="4.0.10", cacheParameterGroupName="default.redis4.0"),
        {"elasticache.cluster/redis": "replace", **USES_REDIS},
        ("elasticache.cluster",), ["elasticache.DeleteCacheCluster",
                                   "elasticache.CreateCacheCluster"]),
    "replication-group": Replacement(
        put("redis", transitEncryptionEnabled=True),
        {"elasticache.replication_group/redis": "replace", **USES_REDIS},
        ("elasticache.replication_group",), ["elasticache.DeleteReplicationGroup",
                                             "elasticache.CreateReplicationGroup"], valkey),
    "vpc": Replacement(
        move,
        {"alb.load_balancer/loadBalancer": "replace", **LISTENERS, **USES_REDIS,
         "alb.target_group/mts-grafana": "replace", "alb.target_group/frontend": "replace",
         "cloudmap.namespace/discovery": "replace", "cloudmap.service/nats-server": "replace",
         "cloudmap.service/sites-monitor": "replace", "ecs.service/nats-server": "update",
         "ecs.service/metrics-grafana": "update", "elasticache.subnet_group/redis": "replace",
         "elasticache.cluster/redis": "replace", RECORDS: "update",
         **{f"security_group/{label}": "create" for label in GROUPS},
         **{f"security_group/{ENVIRONMENT}-{label} in VPC": "remove" for label in GROUPS}},
        ("alb.load_balancer", "cloudmap.namespace", "elasticache.cluster"),
        ["elasticache.DeleteCacheCluster", "elasticache.DeleteCacheSubnetGroup",
         "elasticache.CreateCacheSubnetGroup", "elasticache.CreateCacheCluster",
         "ec2.DeleteSecurityGroup"]),
}


def edit_spec(world: World, *edits: Callable[[Spec], None]) -> None:
    spec = world.spec()
    for edit in edits:
        edit(spec)
    world.write_spec(spec)


def whole(world: World) -> None:
    """One of each kind: targets of the balancer, who names the Redis, a rule, an alias record."""
    world.keep_services("nats-server", "sites-monitor", "metrics-grafana")
    edit_spec(world, put("loadBalancer", "listeners", "443", rules={"api": {
        "priority": 10, "path": "/api/*", "action": {"forward": "mts-grafana"}}}))


def pipeline_writes(world: World) -> list[str]:
    """Without the cluster's tag that names the pipeline."""
    return [w.removeprefix("elasticloadbalancing.") for w in world.writes()
            if w != "ecs.TagResource"]


def first_names(taken: Any) -> Any:
    """A snapshot with target groups under the names that they would have had from the start."""
    text = json.dumps(taken, sort_keys=True)
    for name, group in taken["target_groups"].items():
        labels = [t["Value"] for t in group["Tags"] if t["Key"] == "berth:name"]
        if re.fullmatch(f"{ENVIRONMENT}-[0-9a-f]{{6}}", name):
            text = text.replace(name, f"{ENVIRONMENT}-{labels[0]}")
    return ordered(json.loads(text))


def ordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: ordered(v) for k, v in value.items()}
    if isinstance(value, list):
        return sorted((ordered(v) for v in value), key=lambda v: json.dumps(v, sort_keys=True))
    return value


def assert_order(writes: list[str], expected: list[str]) -> None:
    """The expected are there, in this order, others between them."""
    left = iter(writes)
    assert all(write in left for write in expected), writes


@pytest.fixture(scope="module")
def accounts(endpoint: Endpoint, prepared: str, tmp_path_factory: pytest.TempPathFactory
             ) -> Iterator[Callable[[Callable[[Spec], None] | None], Endpoint]]:
    """Accounts in which an environment of one of each kind is deployed, as an edit of its spec has
    it, each kept as "start"; without an edit, one in which nothing is yet."""
    made: dict[Any, Endpoint] = {}

    def account(edit: Callable[[Spec], None] | None) -> Endpoint:
        if edit not in made:
            with policed.shared():
                endpoint.restore(prepared)
                made[edit] = endpoint.spawn()
                if edit is not None:
                    world = World(made[edit], tmp_path_factory.mktemp("start"))
                    whole(world)
                    edit_spec(world, edit)
                    world.deploy(pipeline=PIPELINE - 1)
                made[edit].record_clear()
                made[edit].save("start")
        made[edit].restore("start")
        return made[edit]
    yield account
    for other in made.values():
        other.stop()


class Replacing:
    """A replacement in its account, and what it has to come to."""

    def __init__(self, accounts: Any, case: Replacement, directory: Path) -> None:
        self.case, self.accounts, self.directory = case, accounts, directory
        self.world = World(accounts(case.start), directory)
        whole(self.world)
        edit_spec(self.world, case.start, case.edit)

    def allow(self) -> None:
        self.world.allow_replace(*self.case.precious)

    def anew(self) -> Any:
        """The same environment, made from nothing."""
        (self.directory / "anew").mkdir()
        fresh = World(self.accounts(None), self.directory / "anew")
        fresh.write_spec(self.world.spec())
        fresh.deploy(pipeline=PIPELINE)
        return ordered(fresh.aws.snapshot(ENVIRONMENT))

    def check(self, wanted: Any, case: str) -> None:
        found = first_names(self.world.aws.snapshot(ENVIRONMENT))
        assert found == wanted, f"{case}: {list(differences(found, wanted))}"
        assert_settled(self.world)


@pytest.mark.parametrize("name", REPLACEMENTS)
def test_what_is_precious_is_replaced_by_leave_alone(
        accounts: Any, tmp_path: Path, name: str) -> None:
    """Nothing is written without it; and the plan names all that is affected, and nothing else."""
    replacing = Replacing(accounts, REPLACEMENTS[name], tmp_path)
    world, case = replacing.world, replacing.case
    for kind in case.precious:
        world.allow_replace(*(other for other in case.precious if other != kind))
        result = world.job()
        assert result.exit_code == 1 and world.writes() == [], result.log
        assert "IS NOT REPLACED" in result.log and f"'{kind}' in limits" in result.log
    replacing.allow()
    planned = {re.sub(r" in vpc-\w+$", " in VPC", k): v for k, v in plan_of(world).items()}
    assert planned == case.plan


@pytest.mark.parametrize("name", REPLACEMENTS if ALL else
                         ["balancer-scheme", "group-port", "cluster-port", "replication-group",
                          "vpc"])
def test_a_replacement_ends_as_one_made_from_nothing(
        accounts: Any, tmp_path: Path, name: str) -> None:
    """Undisturbed; and, run again, when it was killed before or after a write."""
    replacing = Replacing(accounts, REPLACEMENTS[name], tmp_path)
    world, wanted, executors = replacing.world, replacing.anew(), executors_make(tmp_path)
    replacing.allow()
    world.deploy(pipeline=PIPELINE)
    assert_order(pipeline_writes(world), replacing.case.writes)
    replacing.check(wanted, "undisturbed")
    for n, when in kills(world.aws.record()):
        world.aws.restore("start")
        killed_at(world, executors, n, when)
        world.deploy(pipeline=PIPELINE)
        replacing.check(wanted, f"killed {when} call {n}")
