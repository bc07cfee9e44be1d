# SPDX-License-Identifier: MIT
"""What only a kind of resource knows of its removal: other names, protection, whoever keeps it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from world import ENVIRONMENT, Endpoint, World

USER = 1
NAMESPACE = "services.internal"


def odd(world: World) -> None:
    """A spec that gives its namespace a name of its own, and protects its load balancer."""
    world.keep_services("t7-bridge")
    spec = world.spec()
    spec["discovery"] = {"namespace": NAMESPACE}
    spec["loadBalancer"]["attributes"] = {"deletion_protection.enabled": "true"}
    world.write_spec(spec)


@pytest.fixture(scope="module")
def deployed(endpoint: Endpoint, prepared: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    endpoint.restore(prepared)
    world = World(endpoint, tmp_path_factory.mktemp("odd"))
    odd(world)
    world.deploy()
    endpoint.save("odd, up")
    return "odd, up"


@pytest.fixture
def up(endpoint: Endpoint, deployed: str, tmp_path: Path) -> World:
    endpoint.restore(deployed)
    world = World(endpoint, tmp_path)
    odd(world)
    world.aws.record_clear()
    return world


def left(world: World) -> dict[str, Any]:
    return {kind: sorted(part) for kind, part in world.aws.snapshot(ENVIRONMENT).items()
            if part and kind not in ("repositories", "roles")}


def groups(world: World) -> dict[str, str]:
    found = world.aws.client("ec2").describe_security_groups(
        Filters=[{"Name": "group-name", "Values": [f"{ENVIRONMENT}-*"]}])["SecurityGroups"]
    return {g["GroupName"].removeprefix(f"{ENVIRONMENT}-"): g["GroupId"] for g in found}


def test_names_and_protection_of_a_spec_that_is_gone(up: World) -> None:
    """Tags tell of the namespace, limits of the zones, and rules out of a group keep another."""
    ec2, ids = up.aws.client("ec2"), groups(up)
    ec2.authorize_security_group_egress(GroupId=ids["t7-bridge"], IpPermissions=[
        {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22,
         "UserIdGroupPairs": [{"GroupId": ids["inbound"]}]}])
    ec2.authorize_security_group_egress(GroupId=ids["inbound"], IpPermissions=[
        {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22,
         "UserIdGroupPairs": [{"GroupId": ids["t7-bridge"]}]}])
    up.spec_path.unlink()
    result = up.job("destroy-branches")
    assert result.exit_code == 0, result.log
    assert "is protected against deletion, as its spec wanted it" in result.log
    assert left(up) == {}
    assert up.aws.client("servicediscovery").list_namespaces()["Namespaces"] == []
    assert up.aws.calls(action="RevokeSecurityGroupEgress")


def test_a_service_of_somebodys_keeps_the_cluster(up: World) -> None:
    ecs, ours = up.aws.client("ecs"), up.service("t7-bridge")
    ecs.create_service(cluster=ENVIRONMENT, serviceName="mine", desiredCount=0,
                       taskDefinition=ours["taskDefinition"], launchType="FARGATE",
                       networkConfiguration=ours["networkConfiguration"])
    result = up.job("destroy-branches")
    assert result.exit_code == USER, result.log
    said = f"cluster '{ENVIRONMENT}' holds service 'mine', which is not this environment's"
    assert said in result.log.replace("\n", " ")
    [service] = ecs.describe_services(cluster=ENVIRONMENT, services=["mine"])["services"]
    assert service["status"] == "ACTIVE"
    ecs.delete_service(cluster=ENVIRONMENT, service="mine", force=True)
    assert up.job("destroy-branches").exit_code == 0
    assert left(up) == {}
