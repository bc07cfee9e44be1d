# SPDX-License-Identifier: MIT
"""From nothing to whole and back: boto3 finds what was there before, no more and no less.

Beside the environment there are another branch's, what all branches share, and what looks like the
environment's and is not (`foreign`). What AWS keeps on purpose of things that are gone is listed
here, each with the page that says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from aws.everything import Everything, changes
from foreign import Foreign
from world import ENVIRONMENT, Endpoint, World, environment_of

OTHER = "dev/fix/JIRA-12"


@dataclass(frozen=True)
class Kept:
    """What is told of what is gone: how each such item looks, and the page that says that it is."""

    looks: Callable[[Any], bool]
    page: str


DOCS = "https://docs.aws.amazon.com/"
KEPT = {
    "/cloudformation.ListStacks/StackSummaries": Kept(
        lambda one: one["StackStatus"] == "DELETE_COMPLETE" and ENVIRONMENT in one["StackName"],
        DOCS + "AWSCloudFormation/latest/APIReference/API_ListStacks.html"),
    "/servicediscovery.ListOperations/Operations": Kept(
        lambda one: one["Status"] == "SUCCESS",
        DOCS + "cloud-map/latest/api/API_ListOperations.html"),
    "/sns.ListSubscriptions/Subscriptions": Kept(
        lambda one: one["SubscriptionArn"] == "PendingConfirmation",
        DOCS + "sns/latest/dg/sns-delete-subscription-topic.html"),
}


def is_kept(path: str, come: list[Any], gone: list[Any]) -> bool:
    return path in KEPT and not gone and all(KEPT[path].looks(one) for one in come)


@pytest.fixture(scope="module")
def neighbours(endpoint: Endpoint, prepared: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A saved state: what a branch finds, another branch's environment, and look-alikes."""
    endpoint.restore(prepared)
    world = World(endpoint, tmp_path_factory.mktemp("neighbours"))
    world.keep_services("notifier", "metrics-grafana")
    world.deploy(OTHER)
    foreign = Foreign(world, ENVIRONMENT)
    foreign.plant()
    foreign.images()
    for repository in ("automation-notifier", "automation-t7-bridge"):
        endpoint.put_image(repository, f"{environment_of(OTHER)}-7", content="other")
    endpoint.save("neighbours")
    return "neighbours"


@pytest.fixture
def world(endpoint: Endpoint, neighbours: str, tmp_path: Path) -> World:
    endpoint.restore(neighbours)
    return World(endpoint, tmp_path)


def push_images(world: World) -> None:
    """What the branch's build jobs push: the newest, and one of an image that others have, too."""
    aws = world.aws
    aws.put_image("automation-notifier", [f"{ENVIRONMENT}-1001", ENVIRONMENT], content="ours")
    aws.put_image("automation-t7-bridge", [f"{ENVIRONMENT}-1001", ENVIRONMENT], content="1")


def ours_by_name(world: World) -> Iterator[str]:
    """What has the environment's name, by the snapshot of what carries it."""
    for kind, part in world.aws.snapshot(ENVIRONMENT).items():
        for name in part:
            if f"{ENVIRONMENT}9" not in name and "-mine" not in name \
                    and "-notifier-x" not in name:
                yield f"{kind} {name}"


def test_from_nothing_to_whole_and_back(world: World) -> None:
    everything = Everything(world.aws)
    world.aws.advance(2 * 3600)  # events and stopped tasks are told of for an hour
    before = everything.take()
    push_images(world)
    world.deploy()
    assert len(list(ours_by_name(world))) > 70
    world.aws.record_clear()
    result = world.job("destroy-branches")
    assert result.exit_code == 0, result.log
    world.aws.advance(3000)
    found = list(changes(everything.take(), before))
    rest = [change for change in found if not is_kept(*change)]
    assert not rest, "\n".join(f"{path}: {come} instead of {gone}" for path, come, gone in rest)
    assert {path for path, _, _ in found} == KEPT.keys(), "an exception that is none any more"
    assert f"nothing is left of {ENVIRONMENT}" in result.log
    others = [c for c in world.aws.calls(writes=True) if mentions_others(str(c["input"]))]
    assert others == [], "what is not ours was written to"
    again = world.job("destroy-branches")
    assert again.exit_code == 0 and "there is nothing of" in again.log


def mentions_others(text: str) -> bool:
    return any(name in text for name in (
        environment_of(OTHER), f"{ENVIRONMENT}9", f"{ENVIRONMENT}-mine"))
