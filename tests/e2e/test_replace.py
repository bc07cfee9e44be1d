# SPDX-License-Identifier: MIT
"""What cannot be changed in place is replaced, with what hangs on it; what is precious only by leave."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from world import ENVIRONMENT, World

from chaos.play import executors_make

PIPELINE = 4711

KILLS = 1000 if os.environ.get("BERTH_KILL") == "all" else 3


def allow_replace(world: World, *names: str) -> None:
    kind = {"ephemeral": {"allowReplace": list(names)}}
    world.config["projects"]["77"]["limits"] = kind
    world.write_config()


def plan_of(world: World) -> dict[str, str]:
    plan = world.berth_json("plan")
    return {r["address"]: r["action"] for r in plan["resources"] if r["action"] != "none"}


def vpc_named(world: World, name: str) -> str:
    vpcs = world.aws.client("ec2").describe_vpcs(
        Filters=[{"Name": "tag:Name", "Values": [name]}])["Vpcs"]
    return vpcs[0]["VpcId"]


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


def calls_of_a_deploy(world: World) -> int:
    world.aws.record_clear()
    world.deploy(pipeline=PIPELINE)
    return len(world.aws.record())


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


def move_to_production_vpc(world: World) -> None:
    spec = world.spec()
    spec["network"] = {
        "vpc": {"tag:Name": "mettel-automation-vpc-production"},
        "privateSubnets": {"tag:Name": "mettel-automation-private-subnet-*-production"},
        "publicSubnets": {"tag:Name": "mettel-automation-public-subnet-*-production"}}
    world.write_spec(spec)


def test_another_vpc_needs_leave(small: World) -> None:
    move_to_production_vpc(small)
    small.aws.record_clear()
    result = small.job()
    assert result.exit_code == 1, result.log
    assert small.writes() == []
    assert "IS NOT REPLACED" in result.log and "'cloudmap.namespace'" in result.log


def assert_moved(world: World) -> None:
    vpc = vpc_named(world, "mettel-automation-vpc-production")
    groups = world.aws.client("ec2").describe_security_groups(
        Filters=[{"Name": "tag:Environment", "Values": [ENVIRONMENT]}])["SecurityGroups"]
    assert {g["VpcId"] for g in groups} == {vpc}
    namespaces = world.aws.client("servicediscovery").list_namespaces()["Namespaces"]
    assert [n["Name"] for n in namespaces].count(f"{ENVIRONMENT}.local") == 1
    subnets = {s["SubnetId"]: s["VpcId"]
               for s in world.aws.client("ec2").describe_subnets()["Subnets"]}
    for name in world.spec()["services"]:
        network = world.service(name)["networkConfiguration"]["awsvpcConfiguration"]
        assert {subnets[s] for s in network["subnets"]} == {vpc}
    assert_settled(world)


def test_a_whole_environment_moves_to_another_vpc(small: World) -> None:
    allow_replace(small, "cloudmap")
    move_to_production_vpc(small)
    planned = plan_of(small)
    assert planned["cloudmap.namespace/discovery"] == "replace"
    assert planned["cloudmap.service/t7-bridge"] == "replace"
    assert planned["security_group/notifier"] == "create"
    small.deploy()
    assert_moved(small)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_killed_replacement_ends_right(small: World, tmp_path: Path, when: str) -> None:
    executors = executors_make(tmp_path)
    allow_replace(small, "cloudmap")
    move_to_production_vpc(small)
    small.aws.save("start")
    calls = calls_of_a_deploy(small)
    undisturbed = small.aws.snapshot(ENVIRONMENT)
    for n in range(1, calls + 1, max(1, calls // KILLS)):
        small.aws.restore("start")
        killed_at(small, executors, n, when)
        small.deploy(pipeline=PIPELINE)
        assert small.aws.snapshot(ENVIRONMENT) == undisturbed, f"killed {when} call {n} of {calls}"
        assert_moved(small)
