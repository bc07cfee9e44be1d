# SPDX-License-Identifier: MIT
"""What happens to a thing between the plan and its removal: it is read once more before it goes."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runner import Result, RunningJob
from waiting import SECONDS, frozen, until
from world import ENVIRONMENT, Endpoint, World

GROUP = f"{ENVIRONMENT}-t7-bridge"
SERVICE = f"{ENVIRONMENT}-t7-bridge"


def two(world: World) -> None:
    world.keep_services("notifier", "t7-bridge")


@pytest.fixture(scope="module")
def deployed(endpoint: Endpoint, prepared: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    endpoint.restore(prepared)
    world = World(endpoint, tmp_path_factory.mktemp("two"))
    two(world)
    world.deploy()
    endpoint.save("two, up")
    return "two, up"


@pytest.fixture
def up(endpoint: Endpoint, deployed: str, tmp_path: Path) -> World:
    endpoint.restore(deployed)
    world = World(endpoint, tmp_path)
    two(world)
    world.aws.record_clear()
    return world


def group(world: World) -> dict[str, Any] | None:
    found = world.aws.client("ec2").describe_security_groups(
        Filters=[{"Name": "group-name", "Values": [GROUP]}])["SecurityGroups"]
    return found[0] if found else None


@contextlib.contextmanager
def draining(world: World) -> Iterator[RunningJob]:
    """A destroy whose services are going, and nothing after them yet."""
    with frozen(world), world.start("destroy-branches") as running:
        until(lambda: len(world.aws.calls("ecs", "DeleteService")) == 2)
        yield running


def go_on(world: World, running: RunningJob) -> Result:
    world.aws.speed("instant")
    result = running.wait(SECONDS)
    assert result.exit_code == 0, result.log
    return result


def test_what_is_given_to_another_meanwhile_stays(up: World) -> None:
    """Its name is still ours, and its tags are not."""
    ec2, ours = up.aws.client("ec2"), group(up)
    assert ours is not None
    with draining(up) as running:
        ec2.create_tags(Resources=[ours["GroupId"]], Tags=[{"Key": "Environment", "Value": "mine"}])
        result = go_on(up, running)
    assert f"not this environment's, and left alone: security group '{GROUP}' (Environment=mine" \
        in result.log.replace("\n", " ")
    assert "left alone: 1 that only looks like it" in result.log
    there = group(up)
    assert there is not None and there["GroupId"] == ours["GroupId"]
    assert not [call for call in up.aws.calls("ec2", "DeleteSecurityGroup")
                if call["input"].get("GroupId") == ours["GroupId"]]


def test_what_another_has_made_anew_meanwhile_stays(up: World) -> None:
    """The log group of that name is not the one that was planned to go."""
    logs = up.aws.client("logs")
    with draining(up) as running:
        logs.delete_log_group(logGroupName=ENVIRONMENT)
        logs.create_log_group(logGroupName=ENVIRONMENT, tags={"Environment": "mine"})
        result = go_on(up, running)
    assert "1 left alone" in result.log
    [there] = logs.describe_log_groups(logGroupNamePrefix=ENVIRONMENT)["logGroups"]
    assert there["logGroupName"] == ENVIRONMENT
    # That one is boto3's.
    assert len([call for call in up.aws.calls("logs", "DeleteLogGroup")
                if call["input"]["logGroupName"] == ENVIRONMENT]) == 1


def test_what_is_gone_meanwhile_is_not_counted_as_removed(up: World) -> None:
    plan = up.job("plan-destroy-branches").log
    planned = len(re.findall(r"^- ", plan, re.MULTILINE))
    with draining(up) as running:
        up.aws.client("logs").delete_log_group(logGroupName=ENVIRONMENT)
        result = go_on(up, running)
    assert "log group: 1 gone already" in result.log, result.log
    # Its metric filters went with it.
    assert f"nothing is left of {ENVIRONMENT}: {planned - 3} removed" in result.log, result.log


def test_a_newer_pipeline_decides_about_what_an_older_one_does_not_want(
        up: World, tmp_path: Path) -> None:
    """The older one has planned to remove a service; while its own is rolled out, the newer one of
    another host begins, which wants both, and deploys the one that was to go."""
    newer = World(up.aws, tmp_path / "another")
    newer.pipeline = up.pipeline + 10
    for world, names in (up, ("notifier",)), (newer, ("notifier", "t7-bridge")):
        world.keep_services(*names)
        spec = world.spec()
        spec["services"]["notifier"].setdefault("environment", {})["CHANGED"] = "1"
        if "t7-bridge" in names:
            spec["services"]["t7-bridge"].setdefault("environment", {})["CHANGED"] = "1"
        world.write_spec(spec)
    with frozen(up), up.start() as running:
        until(lambda: up.aws.calls("ecs", "UpdateService"))
        with newer.start() as later:
            until(lambda: up.aws.calls("ecs", "UpdateService")[1:])
            up.aws.speed("instant")
            result, deploy = running.wait(SECONDS), later.wait(SECONDS)
    assert result.exit_code == 0, result.log
    assert deploy.exit_code == 0, deploy.log
    said = result.log.replace("\n", " ")
    assert f"pipeline {newer.pipeline}, which is newer than this one, has begun to deploy: not " \
        f"removed, for that one to decide: service '{SERVICE}'" in said, result.log
    assert not up.aws.calls("ecs", "DeleteService")
    assert up.service("t7-bridge")["status"] == "ACTIVE"
    up.aws.record_clear()
    newer.deploy()
    up.aws.expect_no_writes()
