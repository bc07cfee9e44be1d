# SPDX-License-Identifier: MIT
"""Jobs that are cancelled, what their logs say of it, and the environment that they begin with."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from runner import Result, RunningJob
from twoservices import NOTIFIER, make_small
from waiting import SECONDS, until
from world import ENVIRONMENT, Endpoint, World, spawned

SYSTEM = 2
LIMIT = 60.0  # seconds by which a job that is cancelled has ended
CANCELLED = re.compile(r"ERROR: cancelled: ([0-9]+) of ([0-9]+) done; run the job again to go on "
                       r"from there(.*)")


@pytest.fixture(scope="module")
def deployed(endpoint: Endpoint, prepared: str,
             tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """An endpoint of its own with a saved state in which both services run."""
    with spawned(endpoint, prepared, tmp_path_factory.mktemp("deployed"), make_small) as own:
        yield own


@pytest.fixture
def small(deployed: Endpoint, tmp_path: Path) -> World:
    deployed.restore("deployed")
    world = World(deployed, tmp_path)
    world.pipeline += 1
    make_small(world)
    return world


def take_back(world: World, **more: Any) -> None:
    world.config |= {"onCancel": "rollback"} | more
    world.write_config()


def asked(world: World, action: str, service: str, times: int = 1) -> bool:
    """Whether so many calls have been made for a service, whether answered or not."""
    made = [call for call in world.aws.calls("ecs", action)
            if service in json.dumps(call["input"])]
    return len(made) >= times


def awaited(world: World) -> bool:
    """Whether a service that was updated has been looked at since, and that was taken note of: the
    next look follows, even if the first is what an update reads by itself."""
    made = [call["action"] for call in world.aws.record("action")]
    return "UpdateService" in made and \
        made[made.index("UpdateService"):].count("DescribeServices") > 2


def nothing() -> None:
    pass


def asked_back(world: World) -> None:
    """Until it is asked for what was before, which is there at once then: the time that it has is
    over late."""
    until(lambda: asked(world, "UpdateService", NOTIFIER, 2) or world.aws.calls("ecs", "DeleteService"))
    world.aws.speed("instant")


def cancel(running: RunningJob, kind: str = "canceling",
           then: Callable[[], None] = nothing) -> Result:
    began = time.monotonic()
    running.cancel(kind)
    then()
    result = running.wait(2 * SECONDS)
    assert time.monotonic() - began < LIMIT, result.log
    return result


def cancelled(world: World, seen: Callable[[], Any], kind: str = "canceling",
              then: Callable[[], None] = nothing, **options: Any) -> Result:
    """A deploy that is cancelled as soon as something is so, and says that it was."""
    with world.start(**options) as running:
        until(seen)
        result = cancel(running, kind, then)
    assert result.stage("build_script").returncode == SYSTEM, result.log
    assert "WARNING: SIGTERM: nothing more is started" in result.log
    return result


def last_line(result: Result) -> str:
    """berth's own: the runner's comes after it."""
    return [line for line in result.log.splitlines()
            if line.startswith("ERROR: ") and "Job failed" not in line][-1]


def words(result: Result) -> re.Match[str]:
    """What the last line says beyond that the job was cancelled."""
    [line] = [line for line in result.log.splitlines() if line.startswith("ERROR: ")
              and "Job failed" not in line]
    found = CANCELLED.fullmatch(line)
    assert found, result.log
    return found


def revision(world: World, name: str) -> int:
    return int(world.service(name)["taskDefinition"].rpartition(":")[2])


def mark(world: World, key: str = "berth:run") -> str | None:
    """Which run has marked the cluster as its own."""
    [cluster] = world.aws.client("ecs").describe_clusters(
        clusters=[ENVIRONMENT], include=["TAGS"])["clusters"]
    return {tag["key"]: tag["value"] for tag in cluster["tags"]}.get(key)


def put_marks(world: World, *marks: tuple[str, str]) -> None:
    world.aws.client("ecs").tag_resource(
        resourceArn=world.service("notifier")["clusterArn"],
        tags=[{"key": key, "value": value} for key, value in marks])


def converges(world: World) -> None:
    """The next deploy ends where an undisturbed one does."""
    world.deploy()
    for name in ("notifier", "t7-bridge"):
        [container] = world.definition(name)["containerDefinitions"]
        assert {"name": "CHANGED", "value": "1"} in container["environment"]
        service = world.service(name)
        assert service["runningCount"] == service["desiredCount"] == 1
        assert len(service["deployments"]) == 1
