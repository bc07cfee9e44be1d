# SPDX-License-Identifier: MIT
"""What nothing refers to any more goes, too: a family of task definitions without a service."""

from __future__ import annotations

from world import ENVIRONMENT, World


def families(world: World) -> set[str]:
    answer = world.aws.client("ecs").list_task_definition_families(
        familyPrefix=ENVIRONMENT, status="ACTIVE")
    return set(answer["families"])


def register(world: World, name: str, tags: list[dict[str, str]]) -> None:
    given = {"tags": tags} if tags else {}
    world.aws.client("ecs").register_task_definition(
        family=f"{ENVIRONMENT}-{name}", **given,
        containerDefinitions=[{"name": name, "image": "busybox", "memory": 64}])


def test_a_family_that_no_service_ever_used_is_removed(ready: World) -> None:
    """A job was killed between a service's task definition and the service, which has left the
    spec since. A family of somebody else's is left alone."""
    ready.keep_services("notifier")
    ready.deploy()
    family = f"{ENVIRONMENT}-notifier"
    tags = ready.aws.client("ecs").describe_task_definition(
        taskDefinition=family, include=["TAGS"])["tags"]
    ours = [tag | {"value": "gone"} if tag["key"] == "berth:name" else tag for tag in tags]
    register(ready, "gone", ours)
    register(ready, "foreign", [])
    ready.deploy()
    assert families(ready) == {family, f"{ENVIRONMENT}-foreign"}
    ready.aws.record_clear()
    ready.deploy()
    ready.aws.expect_no_writes()
