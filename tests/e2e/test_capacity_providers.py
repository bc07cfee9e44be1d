# SPDX-License-Identifier: MIT
"""Services by capacity providers, which a cluster has to have before a service may name them."""

from __future__ import annotations

from typing import Any

import pytest

from world import ENVIRONMENT, World

CLUSTER_WRITES = {"ecs.CreateCluster", "ecs.PutClusterCapacityProviders"}


@pytest.fixture
def one(ready: World) -> World:
    ready.keep_services("notifier")
    return ready


def ask(world: World, *strategy: dict[str, Any]) -> None:
    spec = world.spec()
    spec["services"]["notifier"]["service"] = {"capacityProviderStrategy": list(strategy)}
    world.write_spec(spec)


def cluster_of(world: World) -> dict[str, Any]:
    found = world.aws.client("ecs").describe_clusters(clusters=[ENVIRONMENT])["clusters"]
    return dict(found[0])


def unchanged(world: World) -> None:
    world.aws.record_clear()
    assert "nothing to do" in world.deploy().log.lower()
    assert world.writes() == []


def test_a_new_cluster_has_what_services_name(one: World) -> None:
    ask(one, {"capacityProvider": "FARGATE_SPOT", "weight": 3},
        {"capacityProvider": "FARGATE", "base": 1})
    one.deploy()
    assert sorted(cluster_of(one)["capacityProviders"]) == ["FARGATE", "FARGATE_SPOT"]
    assert one.service("notifier")["capacityProviderStrategy"] == [
        {"capacityProvider": "FARGATE_SPOT", "weight": 3, "base": 0},
        {"capacityProvider": "FARGATE", "weight": 0, "base": 1}]
    assert "launchType" not in one.service("notifier")
    assert CLUSTER_WRITES & set(one.writes()) == {"ecs.CreateCluster"}
    unchanged(one)
    ask(one, {"capacityProvider": "FARGATE_SPOT", "weight": 3}, {"capacityProvider": "FARGATE"})
    one.deploy()
    assert [i["base"] for i in one.service("notifier")["capacityProviderStrategy"]] == [0, 0]


def test_a_cluster_that_is_there_gets_them(one: World) -> None:
    """What else it has stays, and so does its default strategy."""
    one.deploy()
    ecs = one.aws.client("ecs")
    default = [{"capacityProvider": "FARGATE", "weight": 1, "base": 0}]
    ecs.put_cluster_capacity_providers(cluster=ENVIRONMENT, capacityProviders=["FARGATE"],
                                       defaultCapacityProviderStrategy=default)
    unchanged(one)
    ask(one, {"capacityProvider": "FARGATE_SPOT", "weight": 1})
    one.aws.record_clear()
    one.deploy()
    writes = one.writes()
    assert "ecs.UpdateClusterSettings" not in writes
    assert writes.index("ecs.PutClusterCapacityProviders") < writes.index("ecs.UpdateService")
    assert cluster_of(one)["capacityProviders"] == ["FARGATE", "FARGATE_SPOT"]
    assert cluster_of(one)["defaultCapacityProviderStrategy"] == default
    unchanged(one)

    spec = one.spec()
    del spec["services"]["notifier"]["service"]
    one.write_spec(spec)
    one.deploy()
    assert one.service("notifier").get("capacityProviderStrategy", []) == []
    assert cluster_of(one)["capacityProviders"] == ["FARGATE", "FARGATE_SPOT"]
    unchanged(one)


@pytest.mark.parametrize("deployed", [False, True], ids=["new", "there"])
def test_one_that_aws_does_not_know(one: World, deployed: bool) -> None:
    if deployed:
        one.deploy()
    one.aws.record_clear()
    ask(one, {"capacityProvider": "FARGATE_SPORT", "weight": 1})
    result = one.job("deploy-branches")
    assert result.exit_code == 1, result.log
    assert "The specified capacity provider was not found" in result.log
    assert not {"ecs.CreateService", "ecs.UpdateService"} & set(one.writes())
