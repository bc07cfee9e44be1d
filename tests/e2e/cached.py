# SPDX-License-Identifier: MIT
"""What boto3 sees of an environment's Redis, and how tests change what is asked for."""

from __future__ import annotations

from typing import Any

import pytest

from world import PROJECT_ID, World


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
